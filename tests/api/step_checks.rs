//! Quiz and Submission steps: scored and checked here, with limits by the server's clock.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, Service, Setup, database, path_of, rounds, step, text, verify};

/// A step with criteria, mandatory, paying 10.
pub fn checked(title: &str, criteria: &Value) -> Value {
    let mut step = step(title);
    step["stepType"] = criteria["type"].clone();
    step["validationCriteria"] = criteria.clone();
    step
}

/// An active quest with these steps; pays 100 itself.
pub async fn quest_of(author: &Client, title: &str, steps: &[Value]) -> Value {
    let quest = author.draft(title, 100).await;
    for step in steps {
        author.step(&quest, step.clone()).await;
    }
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200)
}

/// A learner's own view of one step.
pub async fn step_of(learner: &Client, attempt: &Value, index: usize) -> Value {
    learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["steps"][index].clone()
}

/// Four points in three items; 75 % are needed.
fn quiz(limits: &Value) -> Value {
    let options = json!([{"id": "a", "text": "all"}, {"id": "b", "text": "any"}, {"id": "c", "text": "not"}]);
    let mut quiz = json!({"v": 1, "type": "Quiz", "minPercent": 75, "items": [
        {"id": "q1", "kind": "multipleChoice", "prompt": "Which are monotone?", "points": 2, "options": options, "correct": ["a", "b"],
         "scoring": {"rule": "map", "map": {"a": 0.5, "b": 0.5, "c": -0.5}, "lower": 0, "upper": 1}},
        {"id": "q2", "kind": "numeric", "prompt": "g?", "points": 1, "value": 9.81, "tolerance": {"abs": 0.001}},
        {"id": "q3", "kind": "trueFalse", "prompt": "Is 1 odd?", "points": 1, "correct": true},
    ]});
    quiz.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    quiz
}

fn answers(answers: &Value) -> Value {
    json!({ "answers": answers })
}

fn wrong() -> Value {
    answers(&json!({"q3": false}))
}

fn right() -> Value {
    answers(&json!({"q1": ["b", "a"], "q2": 9.81, "q3": true}))
}

#[tokio::test]
async fn a_quiz_is_scored_by_the_server_and_every_try_is_kept() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Quiz", &[checked("quiz", &quiz(&json!({"maxAttempts": 3}))), step("after")]).await;
    let attempt = learner.attempt(&quest).await;
    let quiz = &attempt["steps"][0];
    assert_eq!((&quiz["attemptsLeft"], &quiz["score"]), (&json!(3), &Value::Null));

    // Partial credit: a and c are worth 0.5 - 0.5 of 2 points.
    let partial = answers(&json!({"q1": ["a", "c"], "q2": 9.8105, "q3": true}));
    let unmet = learner.complete(&attempt, quiz, partial.clone()).await.problem(422, "criteria_not_met");
    assert_eq!(unmet["score"], json!({"points": 2.0, "maxPoints": 4.0, "percent": 50.0}));
    assert_eq!((&unmet["attemptsCount"], &unmet["attemptsLeft"]), (&json!(1), &json!(2)));
    assert_eq!(unmet["unmet"], json!([{"criterion": "minPercent", "current": 50, "target": 75}]));
    assert_eq!(unmet["errors"][0]["pointer"], "/submissionData/answers");

    // It was committed, and its learner sees what was handed in and what came of it.
    let kept = step_of(&learner, &attempt, 0).await;
    assert_eq!((&kept["status"], &kept["submissionData"]), (&json!("InProgress"), &partial));
    assert_eq!(kept["feedback"], "2 of 4 points, 50 %; 75 % are needed.");
    assert_eq!((&kept["attemptsCount"], &kept["score"]["points"]), (&json!(1), &json!(2.0)));
    learner.complete(&attempt, &attempt["steps"][1], Value::Null).await.problem(409, "step_locked");

    // What fits no item is no try.
    for (malformed, at) in [
        (json!({"answers": {"q1": "a"}}), "/submissionData/answers/q1"),
        (json!({"answers": {"q1": ["z"]}}), "/submissionData/answers/q1/0"),
        (json!({"answers": {"q9": true}}), "/submissionData/answers/q9"),
        (json!({"answers": []}), "/submissionData/answers"),
        (json!({"score": 4}), "/submissionData/score"),
    ] {
        let refused = learner.complete(&attempt, quiz, malformed).await.problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], at, "{refused}");
    }
    let done = learner.complete(&attempt, quiz, right()).await.expect(200);
    assert_eq!((&done["step"]["status"], &done["step"]["attemptsCount"]), (&json!("Completed"), &json!(2)));
    assert_eq!(done["step"]["score"]["percent"], json!(100.0));
    assert_eq!(done["step"]["feedback"], "4 of 4 points, 100 %.");
    assert_eq!(done["earned"], json!([{"kind": "XP", "points": 10}]));
    // A done unit stays done, whatever is sent.
    assert_eq!(learner.complete(&attempt, quiz, wrong()).await.expect(200), done);
    verify(&pool).await;
}

#[tokio::test]
async fn nothing_handed_in_is_a_try_with_no_points() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Quiz", &[checked("quiz", &quiz(&json!({})))]).await;
    let attempt = learner.attempt(&quest).await;
    for (tries, nothing) in (1..).zip([Value::Null, json!({}), answers(&json!({}))]) {
        let unmet = learner.complete(&attempt, &attempt["steps"][0], nothing).await.problem(422, "criteria_not_met");
        assert_eq!((&unmet["score"]["points"], &unmet["attemptsCount"]), (&json!(0.0), &json!(tries)));
        assert_eq!(unmet.get("attemptsLeft"), None, "no limit: {unmet}");
    }
}

#[tokio::test]
async fn no_try_is_taken_beyond_the_limit() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Quiz", &[checked("quiz", &quiz(&json!({"maxAttempts": 2})))]).await;
    let attempt = learner.attempt(&quest).await;
    let quiz = &attempt["steps"][0];
    learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
    let last = learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
    assert_eq!(last["attemptsLeft"], 0);
    let refused = learner.complete(&attempt, quiz, right()).await;
    assert_eq!(refused.header("retry-after"), None, "time does not help");
    assert_eq!(refused.problem(409, "no_tries_left")["attemptsCount"], 2);
    let kept = step_of(&learner, &attempt, 0).await;
    assert_eq!((&kept["attemptsCount"], &kept["submissionData"]), (&json!(2), &wrong()));
}

#[tokio::test]
async fn a_grader_may_allow_more_tries_so_that_nobody_is_stuck() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Stuck", &[checked("quiz", &quiz(&json!({"maxAttempts": 1})))]).await;
    let attempt = learner.attempt(&quest).await;
    let quiz = &attempt["steps"][0];
    let path = format!("/v1/attempts/{}/steps/{}/extra-tries", text(&attempt["id"]), text(&quiz["stepId"]));
    let two = json!({"tries": 2, "reason": "The network was down."});
    learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
    learner.complete(&attempt, quiz, right()).await.problem(409, "no_tries_left");
    learner.post(&path, two.clone()).await.problem(403, "forbidden");
    for (body, at) in [
        (json!({"tries": 0, "reason": "x"}), "/tries"),
        (json!({"tries": 101, "reason": "x"}), "/tries"),
        (json!({"tries": 1, "reason": " "}), "/reason"),
    ] {
        assert_eq!(author.post(&path, body).await.problem(422, "validation_failed")["errors"][0]["pointer"], at);
    }
    let allowed = author.post(&path, two.clone()).await.expect(200);
    assert_eq!((&allowed["attemptsLeft"], &allowed["extraTries"]), (&json!(2), &json!(2)));
    let unmet = learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
    assert_eq!(unmet["attemptsLeft"], 1);
    learner.complete(&attempt, quiz, right()).await.expect(200);
    author.post(&path, two.clone()).await.problem(409, "step_completed");

    let both = service.author();
    let own = both.attempt(&quest).await;
    let own_path = format!("/v1/attempts/{}/steps/{}/extra-tries", text(&own["id"]), text(&quiz["stepId"]));
    both.post(&own_path, two.clone()).await.problem(403, "forbidden");
    // Before the first try, too.
    assert_eq!(author.post(&own_path, two).await.expect(200)["attemptsLeft"], 3);
    assert_eq!(both.attempt(&quest).await["steps"][0]["status"], "NotStarted");
    let notes = crate::harness::rows(
        &pool,
        "SELECT details ->> 'reason' AS reason FROM audit_log WHERE action = 'allow extra tries'",
    )
    .await;
    assert_eq!(notes, vec![json!({"reason": "The network was down."}); 2]);
    verify(&pool).await;
}

#[tokio::test]
async fn the_cooldown_ends_at_its_second_by_the_servers_clock() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Quiz", &[checked("quiz", &quiz(&json!({"cooldownSeconds": 600})))]).await;
    let attempt = learner.attempt(&quest).await;
    let quiz = &attempt["steps"][0];
    let refused_for = |reply: Reply, seconds: &str| {
        assert_eq!(reply.header("retry-after"), Some(seconds), "{}", reply.text);
        reply.problem(409, "cooling_down")
    };
    let first = learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
    let next = service.clock.now() + TimeDelta::seconds(600);
    assert_eq!(first["nextTryAt"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), next);
    let refused = refused_for(learner.complete(&attempt, quiz, right()).await, "600");
    assert_eq!(refused["nextTryAt"], first["nextTryAt"]);
    service.wait(599);
    refused_for(learner.complete(&attempt, quiz, right()).await, "1");
    // Even a part of a second is waited for, and whoever waits as long as told is not refused.
    service.clock.advance(TimeDelta::milliseconds(400));
    refused_for(learner.complete(&attempt, quiz, right()).await, "1");
    assert_eq!(step_of(&learner, &attempt, 0).await["attemptsCount"], 1, "who is refused has not tried");
    service.clock.advance(TimeDelta::milliseconds(600));
    learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
    service.wait(601);
    let done = learner.complete(&attempt, quiz, right()).await.expect(200);
    assert_eq!((&done["step"]["attemptsCount"], &done["step"]["nextTryAt"]), (&json!(3), &Value::Null));
}

#[tokio::test]
async fn neither_the_end_of_summer_time_nor_a_century_disturbs_a_cooldown() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Quiz", &[checked("quiz", &quiz(&json!({"cooldownSeconds": 3600})))]).await;
    let attempt = learner.attempt(&quest).await;
    let quiz = &attempt["steps"][0];
    // At 01:00 UTC the clocks of Europe go back from 3 to 2; at 10:00 UTC on 14 March 2027 those of the US go forward.
    for moment in ["2026-10-25T00:30:00Z", "2027-03-14T09:30:00Z", "2126-01-01T00:00:00Z"] {
        service.clock.advance(moment.parse::<DateTime<Utc>>().unwrap() - service.clock.now());
        learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
        service.wait(3_599);
        learner.complete(&attempt, quiz, wrong()).await.problem(409, "cooling_down");
        service.wait(1);
        learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
    }
    service.wait(3_600);
    learner.complete(&attempt, quiz, right()).await.expect(200);
    verify(&pool).await;
}

#[tokio::test]
async fn of_simultaneous_last_tries_exactly_one_is_accepted() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let quest = quest_of(&author, "Last", &[checked("quiz", &quiz(&json!({"maxAttempts": 2})))]).await;
    for _ in 0..rounds(30, 1_000) {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        let quiz = &attempt["steps"][0];
        learner.complete(&attempt, quiz, wrong()).await.problem(422, "criteria_not_met");
        let replies = join_all((0..10).map(|_| learner.complete(&attempt, quiz, wrong()))).await;
        let accepted = replies.iter().filter(|reply| reply.status == 422).count();
        assert_eq!(accepted, 1);
        for reply in replies.into_iter().filter(|reply| reply.status != 422) {
            reply.problem(409, "no_tries_left");
        }
        assert_eq!(step_of(&learner, &attempt, 0).await["attemptsCount"], 2);
    }
    verify(&pool).await;
}

#[tokio::test]
async fn a_failed_try_is_replayed_by_its_idempotency_key_and_counted_once() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Quiz", &[checked("quiz", &quiz(&json!({"maxAttempts": 1})))]).await;
    let attempt = learner.attempt(&quest).await;
    let path = format!("/v1/attempts/{}/steps/{}/complete", text(&attempt["id"]), text(&attempt["steps"][0]["stepId"]));
    let body = json!({"submissionData": wrong()});
    let mut first = Value::Null;
    for round in 0..2 {
        let reply = learner.send(reqwest::Method::POST, &path, &[("Idempotency-Key", "try-1")], Some(&body)).await;
        assert_eq!(reply.header("idempotency-replayed"), (round == 1).then_some("true"));
        let problem = reply.problem(422, "criteria_not_met");
        if round == 1 {
            assert_eq!(problem, first);
        }
        first = problem;
    }
    assert_eq!(step_of(&learner, &attempt, 0).await["attemptsCount"], 1);
}

#[tokio::test]
async fn an_edited_key_decides_the_next_try() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = quest_of(&author, "Quiz", &[checked("quiz", &quiz(&json!({"maxAttempts": 1})))]).await;
    let attempt = learner.attempt(&quest).await;
    let said = answers(&json!({"q1": ["a", "b"], "q2": 9.81, "q3": false}));
    let mut criteria = quiz(&json!({"maxAttempts": 2}));
    criteria["minPercent"] = json!(80);
    let at = format!("{}/steps/{}", path_of(&quest), text(&attempt["steps"][0]["stepId"]));
    author.patch(&at, json!({"validationCriteria": criteria})).await.expect(200);
    learner.complete(&attempt, &attempt["steps"][0], said.clone()).await.problem(422, "criteria_not_met");
    assert_eq!(step_of(&learner, &attempt, 0).await["attemptsLeft"], 1);
    criteria["items"][2]["correct"] = json!(false);
    author.patch(&at, json!({"validationCriteria": criteria})).await.expect(200);
    learner.complete(&attempt, &attempt["steps"][0], said).await.expect(200);
    verify(&pool).await;
}

fn submission(accept: &Value, review: &str) -> Value {
    json!({"v": 1, "type": "Submission", "accept": accept, "review": review})
}

fn file(name: &str, mime: &str, bytes: u32) -> Value {
    json!({"name": name, "mime": mime, "bytes": bytes, "sha256": "ab".repeat(32), "url": format!("https://files.example.org/{name}")})
}

#[tokio::test]
async fn a_submission_is_held_against_the_forms_that_are_taken() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let accept = json!([
        {"kind": "text", "minChars": 10, "maxChars": 20}, {"kind": "url", "hosts": ["github.com", "*.gitlab.io"]},
        {"kind": "file", "mime": ["application/pdf", "image/*"], "maxBytes": 1000, "maxFiles": 1},
        {"kind": "file", "mime": ["application/pdf"], "maxBytes": 100, "maxFiles": 1},
    ]);
    let quest = quest_of(&author, "Hand in", &[checked("one", &submission(&accept, "none"))]).await;
    let attempt = learner.attempt(&quest).await;
    let one = &attempt["steps"][0];
    for (data, criterion, at) in [
        (json!({}), "accept", ""),
        (json!({"text": "   "}), "accept", ""),
        (json!({"text": "too short"}), "minChars", "/text"),
        (json!({"text": "this is far too long for it"}), "maxChars", "/text"),
        (json!({"url": "https://github.com.evil.example/x"}), "hosts", "/url"),
        (json!({"url": "https://evil.example/?github.com"}), "hosts", "/url"),
        (json!({"url": "https://evil.example#@github.com"}), "hosts", "/url"),
        (json!({"url": "https://notgithub.com"}), "hosts", "/url"),
        (json!({"url": "https://gitlab.io/"}), "hosts", "/url"),
        (json!({"url": "https://github.com:8443/x"}), "hosts", "/url"),
        (json!({"files": [file("a.zip", "application/zip", 10)]}), "file", "/files/0"),
        (json!({"files": [file("a.pdf", "application/pdf", 1001)]}), "file", "/files/0"),
        (
            json!({"files": [file("a.pdf", "application/pdf", 500), file("b.pdf", "application/pdf", 500)]}),
            "maxFiles",
            "/files/1",
        ),
        (json!({"url": "https://github.com/x", "text": "short"}), "minChars", "/text"),
    ] {
        let unmet = learner.complete(&attempt, one, data.clone()).await.problem(422, "criteria_not_met");
        assert_eq!(unmet["unmet"][0]["criterion"], criterion, "{data}: {unmet}");
        assert_eq!(unmet["errors"][0]["pointer"], format!("/submissionData{at}"), "{data}: {unmet}");
    }
    for (data, at) in [
        (json!({"url": "ftp://github.com/x"}), "/url"),
        (json!({"url": "https://me@github.com/x"}), "/url"),
        (json!({"url": "https://evil.example\\@github.com/x"}), "/url"),
        (json!({"url": "javascript:alert(1)"}), "/url"),
        (json!({"url": format!("https://github.com/{}", "x".repeat(2_048))}), "/url"),
        (json!({"files": [{"name": "a.pdf"}]}), "/files/0/mime"),
        (
            json!({"files": [json!({"name": "a", "mime": "application/pdf", "bytes": 1, "sha256": "AB".repeat(32), "url": "https://x.example"})]}),
            "/files/0/sha256",
        ),
        (
            json!({"files": [json!({"name": "a", "mime": "application/pdf", "bytes": 0, "sha256": "ab".repeat(32), "url": "https://x.example"})]}),
            "/files/0/bytes",
        ),
        (json!({"comment": "x"}), "/comment"),
    ] {
        let refused = learner.complete(&attempt, one, data.clone()).await.problem(422, "validation_failed");
        let pointer = format!("/submissionData{at}");
        assert!(
            refused["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == pointer),
            "{data}: {refused}"
        );
    }
    assert_eq!(step_of(&learner, &attempt, 0).await["attemptsCount"], 14, "what is malformed is no try");
    // The small document makes room for the large one by going into the smaller form.
    let good = json!({"url": "https://GitHub.com/me/x", "files": [file("s.pdf", "application/pdf", 50), file("l.pdf", "application/pdf", 900)]});
    let done = learner.complete(&attempt, one, good.clone()).await.expect(200);
    assert_eq!((&done["step"]["status"], &done["step"]["submissionData"]), (&json!("Completed"), &good));
    assert_eq!((&done["step"]["feedback"], &done["step"]["review"]), (&Value::Null, &Value::Null));
    assert_eq!(done["attempt"]["status"], "Completed");
    verify(&pool).await;
}

#[tokio::test]
async fn a_submission_or_quiz_without_criteria_takes_whatever_is_well_formed() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let plain = |kind: &str| {
        let mut plain = step(kind);
        plain["stepType"] = json!(kind);
        plain
    };
    let quest = quest_of(&author, "Plain", &[plain("Submission"), plain("Quiz")]).await;
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], json!({"link": "x"})).await.problem(422, "validation_failed");
    learner.complete(&attempt, &attempt["steps"][0], json!({"text": "mine"})).await.expect(200);
    learner.complete(&attempt, &attempt["steps"][1], json!({"answers": 1})).await.problem(422, "validation_failed");
    learner.complete(&attempt, &attempt["steps"][1], json!({"answers": {"any": "thing"}})).await.expect(200);
}

#[tokio::test]
async fn a_video_counts_no_faster_than_it_can_play() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let mut video = checked("watch", &json!({"v": 1, "type": "Video", "minWatchedPercent": 90}));
    video["content"] = json!({"durationSeconds": 600});
    let quest = quest_of(&author, "Video", &[video]).await;
    let attempt = learner.attempt(&quest).await;
    let video = &attempt["steps"][0];
    let start = format!("/v1/attempts/{}/steps/{}/start", text(&attempt["id"]), text(&video["stepId"]));
    learner.post(&start, json!({})).await.expect(200);
    // 90 % of 600 seconds at twice the speed take 270.
    service.wait(269);
    let early =
        learner.complete(&attempt, video, json!({"watchedPercent": 100})).await.problem(422, "criteria_not_met");
    assert_eq!(early["unmet"], json!([{"criterion": "minWatchedPercent", "current": 89.66, "target": 90}]));
    assert!(step_of(&learner, &attempt, 0).await["feedback"].as_str().unwrap().contains("90 %"));
    service.wait(1);
    learner.complete(&attempt, video, json!({"watchedPercent": 89.9})).await.problem(422, "criteria_not_met");
    let done = learner.complete(&attempt, video, json!({"watchedPercent": 90})).await.expect(200);
    assert_eq!((&done["step"]["feedback"], &done["step"]["attemptsCount"]), (&Value::Null, &json!(3)));
}

#[tokio::test]
async fn a_video_of_which_a_share_is_asked_for_has_a_length() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Endless", 10).await;
    let mut video = checked("watch", &json!({"v": 1, "type": "Video", "minWatchedPercent": 90}));
    video["content"] = json!({"filePath": "lecture.mp4"});
    let video = author.step(&quest, video).await;
    let path = format!("{}/steps/{}", path_of(&quest), text(&video["id"]));
    let activate = async || author.patch(&path_of(&quest), json!({"isActive": true})).await;
    let refused = activate().await.problem(409, "not_activatable");
    assert!(text(&refused["detail"]).contains("Video step 1") && text(&refused["detail"]).contains("durationSeconds"));
    for length in [json!("600"), json!(0), json!(-600), json!([600])] {
        author.patch(&path, json!({"content": {"durationSeconds": length}})).await.expect(200);
        activate().await.problem(409, "not_activatable");
    }
    author.patch(&path, json!({"content": {"durationSeconds": 600}})).await.expect(200);
    activate().await.expect(200);
    author.patch(&path, json!({"content": {"durationSeconds": null}})).await.problem(409, "not_activatable");
    // Nothing is asked for: nothing needs a length.
    let nothing = json!({"content": null, "validationCriteria": {"minWatchedPercent": 0}});
    author.patch(&path, nothing).await.expect(200);
}
