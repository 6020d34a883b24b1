//! Windows, limits and waiting, one second before and after.

use serde_json::{Value, json};

use super::*;
use crate::ids::AssessmentId;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "reads better with json!(…) as it is")]
fn rules(changes: Value, on_fail: &str) -> Rules {
    let mut configuration = json!({"v": 1, "type": "ManualReview", "maxGrade": 10, "accept": [{"kind": "text"}]});
    configuration.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let passing = json!({"v": 1, "rule": {"op": "minPercent", "value": 50}, "onFail": on_fail});
    Rules::read(AssessmentId::generate(), &configuration, &passing).unwrap()
}

fn tried(attempt_number: i32, status: Status, when: &str, is_passed: Option<bool>) -> Tried {
    Tried { attempt_number, status, submitted_at: at(when), taken_at: at(when), is_passed, percent: None }
}

const NOON: &str = "2026-10-01T12:00:00Z";

#[test]
fn the_window_opens_at_its_first_and_closes_before_its_last_moment() {
    let rules = rules(json!({"opensAt": "2026-10-01T08:00:00Z", "closesAt": "2026-10-02T08:00:00Z"}), "retry");
    let now = |when: &str| may_try(&rules, &[], 0, at(when));
    assert_eq!(now("2026-10-01T07:59:59Z"), Err(NotNow::Early(at("2026-10-01T08:00:00Z"))));
    assert_eq!(now("2026-10-01T08:00:00Z"), Ok(()));
    assert_eq!(now("2026-10-02T07:59:59.999999Z"), Ok(()));
    assert_eq!(now("2026-10-02T08:00:00Z"), Err(NotNow::Closed(at("2026-10-02T08:00:00Z"))));
    assert_eq!(now("9999-12-31T23:59:59Z"), Err(NotNow::Closed(at("2026-10-02T08:00:00Z"))));
}

#[test]
fn rejected_lateness_begins_after_the_due_moment() {
    let reject = json!({"dueAt": NOON, "late": {"policy": "reject"}});
    let rejecting = rules(reject, "retry");
    assert_eq!(may_try(&rejecting, &[], 0, at(NOON)), Ok(()));
    assert_eq!(may_try(&rejecting, &[], 0, at("2026-10-01T12:00:01Z")), Err(NotNow::Overdue(at(NOON))));
    let accepting = rules(json!({"dueAt": NOON}), "retry");
    assert_eq!(may_try(&accepting, &[], 0, at("2026-11-01T12:00:00Z")), Ok(()));
}

#[test]
fn tries_are_counted_without_those_that_came_back() {
    let two = rules(json!({"attempts": {"max": 2}}), "retry");
    let mut tries = vec![tried(1, Status::Graded, NOON, Some(false)), tried(2, Status::Returned, NOON, None)];
    assert_eq!((used(&tries), may_try(&two, &tries, 0, at(NOON))), (1, Ok(())));
    tries.push(tried(3, Status::AwaitingGrade, NOON, None));
    assert_eq!(may_try(&two, &tries, 0, at(NOON)), Err(NotNow::NoTriesLeft(2)));
    assert!(is_used_up(&two, &tries, 0));
    // What a grader allows comes on top.
    assert_eq!(may_try(&two, &tries, 1, at(NOON)), Ok(()));
    let unlimited = rules(json!({"attempts": {"max": null}}), "retry");
    assert_eq!((allowed(&unlimited, &tries, 0), may_try(&unlimited, &tries, 0, at(NOON))), (None, Ok(())));
}

#[test]
fn a_failed_try_closes_where_the_rule_says_so() {
    let closing = rules(json!({}), "close");
    assert_eq!(allowed(&closing, &[tried(1, Status::AwaitingGrade, NOON, None)], 0), None);
    let failed = [tried(1, Status::Graded, NOON, Some(true)), tried(2, Status::Graded, NOON, Some(false))];
    assert_eq!(may_try(&closing, &failed, 0, at(NOON)), Err(NotNow::NoTriesLeft(2)));
    assert_eq!(may_try(&closing, &failed, 1, at(NOON)), Ok(()));
    // It never allows more than the limit does.
    let both = rules(json!({"attempts": {"max": 1}}), "close");
    assert_eq!(allowed(&both, &failed, 0), Some(1));
}

#[test]
fn the_next_try_waits_from_the_last_one_on_but_not_for_work_that_came_back() {
    let waiting = rules(json!({"attempts": {"cooldownSeconds": 600}}), "retry");
    let tries =
        [tried(1, Status::Graded, "2026-10-01T11:00:00Z", Some(false)), tried(2, Status::AwaitingGrade, NOON, None)];
    let until = at("2026-10-01T12:10:00Z");
    assert_eq!(may_try(&waiting, &tries, 0, at("2026-10-01T12:09:59Z")), Err(NotNow::Cooling { until, seconds: 1 }));
    assert_eq!(may_try(&waiting, &tries, 0, until), Ok(()));
    let returned = [tried(1, Status::Returned, NOON, None)];
    assert_eq!(may_try(&waiting, &returned, 0, at(NOON)), Ok(()));
}

#[test]
fn after_the_end_only_as_many_tries_are_taken_as_were_allowed() {
    let closed = rules(json!({"closesAt": NOON, "attempts": {"max": 1}}), "retry");
    let late = at("2026-10-05T12:00:00Z");
    let mut tries = vec![tried(1, Status::Graded, "2026-10-01T11:00:00Z", Some(false))];
    assert_eq!(may_try(&closed, &tries, 0, late), Err(NotNow::Closed(at(NOON))));
    assert_eq!(may_try(&closed, &tries, 1, late), Ok(()));
    tries.push(tried(2, Status::Graded, "2026-10-05T12:00:00Z", Some(false)));
    assert_eq!(may_try(&closed, &tries, 1, late), Err(NotNow::Closed(at(NOON))));
    // Without a limit of tries too: being allowed one is not being allowed any number.
    let unlimited = rules(json!({"closesAt": NOON}), "retry");
    assert_eq!(may_try(&unlimited, &tries, 1, late), Err(NotNow::Closed(at(NOON))));
}

#[test]
fn work_at_the_due_moment_uses_up_no_try_that_is_allowed_after_it() {
    let rejecting = rules(json!({"dueAt": NOON, "late": {"policy": "reject"}}), "retry");
    let late = at("2026-10-05T12:00:00Z");
    let tries = [tried(1, Status::Graded, NOON, Some(false))];
    assert_eq!(may_try(&rejecting, &tries, 0, late), Err(NotNow::Overdue(at(NOON))));
    assert_eq!(may_try(&rejecting, &tries, 1, late), Ok(()));
}

#[test]
fn the_last_try_is_made_once_more_after_the_end_if_it_came_back() {
    let closed = rules(json!({"closesAt": NOON}), "retry");
    let late = at("2026-10-05T12:00:00Z");
    let mut tries = vec![tried(1, Status::Returned, "2026-10-01T11:00:00Z", None)];
    assert_eq!(may_try(&closed, &tries, 0, late), Ok(()));
    tries.push(tried(2, Status::AwaitingGrade, "2026-10-05T11:00:00Z", None));
    assert_eq!(may_try(&closed, &tries, 0, late), Err(NotNow::Closed(at(NOON))));
    // It uses up nothing that was allowed besides.
    assert_eq!(may_try(&closed, &tries, 1, late), Ok(()));
    tries.push(tried(3, Status::AwaitingGrade, "2026-10-05T11:30:00Z", None));
    assert_eq!(may_try(&closed, &tries, 1, late), Err(NotNow::Closed(at(NOON))));
}

#[test]
fn while_peers_review_one_try_there_is_no_other() {
    let plain = rules(json!({}), "retry");
    let with = |status| may_try(&plain, &[tried(1, status, NOON, None)], 5, at(NOON));
    assert_eq!(with(Status::InPeerReview), Err(NotNow::InReview));
    for status in [Status::AwaitingGrade, Status::Returned] {
        assert_eq!(with(status), Ok(()));
    }
}

#[test]
fn a_timed_try_ends_with_its_limit_its_grace_or_what_comes_before() {
    let ends_of = |changes: Value, start: &str| {
        let mut all = json!({"timeLimitSeconds": 1200, "graceSeconds": 30});
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        ends(&rules(all, "retry").configuration, at(start)).unwrap()
    };
    let plain = ends_of(json!({}), NOON);
    assert_eq!((plain.due, plain.last), (at("2026-10-01T12:20:00Z"), at("2026-10-01T12:20:30Z")));
    assert!(!is_over(plain.last, at("2026-10-01T12:20:30Z")));
    assert!(is_over(plain.last, at("2026-10-01T12:20:30.000001Z")));
    let closing = ends_of(json!({"closesAt": "2026-10-01T12:20:10Z"}), NOON);
    assert_eq!((closing.due, closing.last), (at("2026-10-01T12:20:00Z"), at("2026-10-01T12:20:09.999999Z")));
    let due = json!({"dueAt": "2026-10-01T12:05:00Z", "late": {"policy": "reject"}});
    let rejecting = ends_of(due, NOON);
    assert_eq!((rejecting.due, rejecting.last), (at("2026-10-01T12:05:00Z"), at("2026-10-01T12:05:00Z")));
    // Begun by a grader's leave after the end: it has its full time.
    let extra = ends_of(json!({"closesAt": NOON}), "2026-10-05T12:00:00Z");
    assert_eq!(extra.due, at("2026-10-05T12:20:00Z"));
    // The clocks of Europe go back in this night: twenty minutes stay twenty minutes.
    let night = ends_of(json!({}), "2026-10-25T02:50:00+02:00");
    assert_eq!(night.due, at("2026-10-25T02:10:00+01:00"));
    assert_eq!(ends(&rules(json!({}), "retry").configuration, at(NOON)), None);
}
