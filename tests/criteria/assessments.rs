//! The grammars of assessments: configuration and passing criteria, each alone and against the other.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quests::criteria::{
    Aggregate, Answers, AssessmentConfiguration, AssessmentKind, Form, Keep, Late, MAX_ASSESSMENT_BYTES, OnFail,
    PassLeaf, PassRule, PassingCriteria, Per, Pool, ShowAnswers, ShowScore, Violation,
};
use quests::scoring::{Facts, Share, passes, score};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{ITEM_KINDS, PROBLEM, any_json, item, lie_within, mutated, pointers, refused_by, shared_examples, with};

fn parse(document: &Value) -> AssessmentConfiguration {
    AssessmentConfiguration::parse(document).unwrap_or_else(|found| panic!("{document}: {found:#?}"))
}

fn refuse(document: &Value) -> Vec<Violation> {
    AssessmentConfiguration::parse(document).expect_err(&document.to_string())
}

fn parse_passing(document: &Value, beside: &Value) -> PassingCriteria {
    let configuration = parse(beside);
    PassingCriteria::parse(document, Some(&configuration)).unwrap_or_else(|found| panic!("{document}: {found:#?}"))
}

fn refuse_passing(document: &Value) -> Vec<Violation> {
    PassingCriteria::parse(document, None).expect_err(&document.to_string())
}

fn rubric() -> Value {
    let levels = |most: u32| json!([{"points": 0, "label": "missing"}, {"points": most, "label": "done well"}]);
    json!({"criteria": [{"id": "style", "title": "Style", "levels": levels(4)}, {"id": "proof", "title": "Proof", "levels": levels(6)}]})
}

fn configuration(kind: &str) -> Value {
    let own = match kind {
        "Quiz" => {
            let numbered = |(index, kind): (usize, &&str)| with(item(kind), json!({"id": format!("q{index}")}));
            let items: Vec<Value> = ITEM_KINDS.iter().enumerate().map(numbered).collect();
            json!({ "items": items })
        }
        "Assignment" => json!({"accept": [{"kind": "text", "minChars": 40}]}),
        "Project" => json!({"accept": [{"kind": "url", "hosts": ["example.org"]}], "rubric": rubric()}),
        "PeerReview" => json!({"accept": [{"kind": "text"}], "rubric": rubric(), "peer": peer()}),
        "AutoGraded" => json!({"grader": {"ref": "judge", "problemId": PROBLEM}}),
        "ManualReview" => json!({"accept": [{"kind": "text"}], "slaHours": 48, "assign": "author"}),
        other => panic!("no such type: {other}"),
    };
    with(json!({"v": 1, "type": kind, "maxGrade": 20}), own)
}

fn peer() -> Value {
    json!({"mustReview": 2, "reviewsNeeded": 2, "aggregate": "mean", "fallback": {"to": "manual", "afterHours": 24}})
}

#[test]
fn the_shared_examples_are_taken_and_refused_as_they_should_be() {
    let Some([accepted, rejected]) = shared_examples("AssessmentConfiguration") else { return };
    for document in &accepted {
        let configuration = parse(document);
        assert_eq!(configuration.kind().as_str(), document["type"]);
        assert_eq!(configuration.task(None)["type"], document["type"]);
    }
    for document in rejected {
        for violation in refuse(&document) {
            assert!(violation.pointer.starts_with('/'), "{violation:?}");
        }
    }
    let Some([accepted_passing, rejected_passing]) = shared_examples("PassingCriteria") else { return };
    for document in accepted_passing {
        let fits = accepted.iter().any(|beside| PassingCriteria::parse(&document, Some(&parse(beside))).is_ok());
        assert!(fits, "{document} fits none of the configurations");
    }
    // Some are wrong in themselves, some only beside a configuration with maxGrade 10.
    let beside = parse(&with(configuration("Quiz"), json!({"maxGrade": 10})));
    for document in rejected_passing {
        let found = PassingCriteria::parse(&document, Some(&beside)).expect_err(&document.to_string());
        assert!(found.iter().all(|violation| violation.pointer.starts_with("/rule")), "{document}: {found:?}");
    }
}

#[test]
fn a_configuration_of_every_type_is_taken_with_its_defaults() {
    for kind in AssessmentKind::ALL {
        let read = parse(&configuration(kind.as_str()));
        assert_eq!(read.kind(), kind);
        assert_eq!(read.max_grade, Decimal::from(20));
        assert_eq!((read.tries.max, read.tries.cooldown_seconds, read.tries.keep), (None, 0, Keep::Best));
        assert_eq!((read.late, read.grace_seconds), (Late::Accept, 0));
        assert_eq!((read.feedback.score, read.feedback.answers), (ShowScore::Immediately, ShowAnswers::Never));
    }
    let Form::ManualReview { sla_hours, assign, rubric, .. } = parse(&configuration("ManualReview")).form else {
        panic!()
    };
    assert_eq!((sla_hours, assign, rubric), (Some(48), Pool::Author, None));
    let Form::PeerReview { peer, rubric, .. } = parse(&configuration("PeerReview")).form else { panic!() };
    assert_eq!((peer.must_review, peer.aggregate, peer.fallback_after_hours), (2, Aggregate::Mean, 24));
    assert_eq!(rubric.most(), Decimal::TEN);
}

#[test]
fn what_all_types_share_is_read() {
    let shared = json!({
        "maxGrade": 999.99, "attempts": {"max": 3, "cooldownSeconds": 60, "keep": "average"}, "timeLimitSeconds": 600,
        "graceSeconds": 5, "opensAt": "2026-09-01T00:00:00+02:00", "dueAt": "2026-09-10T00:00:00Z",
        "closesAt": "2026-09-20T00:00:00Z", "late": {"policy": "penalize", "percent": 12.5, "per": "hour", "floorPercent": 20},
        "feedback": {"score": "afterClose", "answers": "afterClose"},
    });
    for kind in AssessmentKind::ALL {
        let read = parse(&with(configuration(kind.as_str()), shared.clone()));
        assert_eq!(read.tries.max, Some(3));
        assert_eq!(read.opens_at.unwrap().to_rfc3339(), "2026-08-31T22:00:00+00:00");
        let Late::Penalize { percent, per, floor_percent } = read.late else { panic!("{:?}", read.late) };
        assert_eq!((percent, per, floor_percent), (Decimal::new(125, 1), Per::Hour, Decimal::from(20)));
        assert_eq!((read.time_limit_seconds, read.grace_seconds), (Some(600), 5));
    }
    let unlimited = parse(&with(configuration("Quiz"), json!({"attempts": {"max": null}})));
    assert_eq!(unlimited.tries.max, None);
}

#[test]
fn a_configuration_that_breaks_the_grammar_is_refused_where_it_does() {
    let table = r#"
        /v@Quiz {"v": 2}
        /v@Quiz {"v": null}
        /type@Quiz {"type": "quiz"}
        /type@Quiz {"type": null}
        /maxGrade@Quiz {"maxGrade": null}
        /maxGrade@Quiz {"maxGrade": 0}
        /maxGrade@Quiz {"maxGrade": 1000}
        /maxGrade@Quiz {"maxGrade": 10.005}
        /maxGrade@Quiz {"maxGrade": "10"}
        /items@Quiz {"items": null}
        /items@Quiz {"items": []}
        /pick@Quiz {"pick": 8}
        /pick@Quiz {"pick": 0}
        /shuffleItems@Quiz {"shuffleItems": 1}
        /rubric@Quiz {"rubric": {"criteria": []}}
        /accept@Quiz {"accept": []}
        /attempts/max@Quiz {"attempts": {"max": 0}}
        /attempts/max@Quiz {"attempts": {"max": 101}}
        /attempts/max@Quiz {"attempts": {"max": 1.5}}
        /attempts/keep@Quiz {"attempts": {"keep": "worst"}}
        /attempts/cooldownSeconds@Quiz {"attempts": {"cooldownSeconds": -1}}
        /attempts/tries@Quiz {"attempts": {"tries": 1}}
        /timeLimitSeconds@Quiz {"timeLimitSeconds": 0}
        /timeLimitSeconds@Quiz {"timeLimitSeconds": 604801}
        /graceSeconds@Quiz {"graceSeconds": 0}
        /opensAt@Quiz {"opensAt": "2026-09-01"}
        /closesAt@Quiz {"opensAt": "2026-09-01T00:00:00Z", "closesAt": "2026-09-01T00:00:00Z"}
        /dueAt@Quiz {"opensAt": "2026-09-01T00:00:00Z", "dueAt": "2026-08-01T00:00:00Z"}
        /dueAt@Quiz {"dueAt": "2026-09-02T00:00:00Z", "closesAt": "2026-09-01T00:00:00Z"}
        /late/policy@Quiz {"late": {}}
        /late/percent@Quiz {"late": {"policy": "penalize", "per": "day"}}
        /late/per@Quiz {"late": {"policy": "penalize", "percent": 1, "per": "week"}}
        /late/percent@Quiz {"late": {"policy": "reject", "percent": 1}}
        /late/floorPercent@Quiz {"late": {"policy": "penalize", "percent": 1, "per": "day", "floorPercent": 101}}
        /feedback/score@Quiz {"feedback": {"score": "later"}}
        /feedback/score@Quiz {"feedback": {"score": "afterClose"}}
        /feedback/answers@Quiz {"feedback": {"answers": "afterClose"}}
        /feedback/answers@Quiz {"feedback": {"answers": "immediately"}}
        /accept@Assignment {"accept": null}
        /accept/0/kind@Assignment {"accept": [{"kind": "voice"}]}
        /items@Assignment {"items": []}
        /rubric@Project {"rubric": null}
        /rubric/criteria@Project {"rubric": {"criteria": []}}
        /rubric/criteria@Project {"rubric": {"criteria": [{"id": "a", "title": "t", "levels": [{"points": 0, "label": "x"}, {"points": 0, "label": "y"}]}]}}
        /rubric/criteria/1/id@Project {"rubric": {"criteria": [{"id": "a", "title": "t", "levels": [{"points": 0, "label": "x"}, {"points": 1, "label": "y"}]}, {"id": "a", "title": "t", "levels": [{"points": 0, "label": "x"}, {"points": 1, "label": "y"}]}]}}
        /rubric/criteria/0/levels@Project {"rubric": {"criteria": [{"id": "a", "title": "t", "levels": [{"points": 1, "label": "x"}]}]}}
        /rubric/criteria/0/levels/0/points@Project {"rubric": {"criteria": [{"id": "a", "title": "t", "levels": [{"points": -1, "label": "x"}, {"points": 1, "label": "y"}]}]}}
        /peer@PeerReview {"peer": null}
        /peer/mustReview@PeerReview {"peer": {"reviewsNeeded": 1, "aggregate": "mean", "fallback": {"to": "manual", "afterHours": 1}}}
        /peer/reviewsNeeded@PeerReview {"peer": {"mustReview": 1, "reviewsNeeded": 21, "aggregate": "mean", "fallback": {"to": "manual", "afterHours": 1}}}
        /peer/aggregate@PeerReview {"peer": {"mustReview": 1, "reviewsNeeded": 1, "aggregate": "max", "fallback": {"to": "manual", "afterHours": 1}}}
        /peer/fallback/to@PeerReview {"peer": {"mustReview": 1, "reviewsNeeded": 1, "aggregate": "mean", "fallback": {"to": "nobody", "afterHours": 1}}}
        /peer/fallback/afterHours@PeerReview {"peer": {"mustReview": 1, "reviewsNeeded": 1, "aggregate": "mean", "fallback": {"to": "manual"}}}
        /peer/escalateIfSpreadPercent@PeerReview {"peer": {"mustReview": 1, "reviewsNeeded": 1, "aggregate": "mean", "fallback": {"to": "manual", "afterHours": 1}, "escalateIfSpreadPercent": 101}}
        /grader@AutoGraded {"grader": null}
        /grader/problemId@AutoGraded {"grader": {"ref": "judge", "problemId": "1"}}
        /partialCredit@AutoGraded {"partialCredit": "yes"}
        /slaHours@ManualReview {"slaHours": 0}
        /assign@ManualReview {"assign": "me"}
        /surprise@ManualReview {"surprise": true}
    "#;
    refused_by(refuse, table, |kind, changes| with(configuration(kind), changes));
    for document in [json!([]), json!("Quiz"), json!(null)] {
        assert_eq!(pointers(&refuse(&document)), [""]);
    }
    let large = with(configuration("Assignment"), json!({"surprise": "x".repeat(MAX_ASSESSMENT_BYTES)}));
    assert_eq!(pointers(&refuse(&large)), [""]);
}

#[test]
fn a_passing_rule_of_every_kind_is_taken() {
    let quiz = configuration("Quiz");
    let read = parse_passing(&json!({"v": 1, "rule": {"op": "minPercent", "value": 80}, "onFail": "close"}), &quiz);
    assert_eq!((read.rule, read.on_fail), (PassRule::One(PassLeaf::MinPercent(Decimal::from(80))), OnFail::Close));
    parse_passing(&json!({"v": 1, "rule": {"op": "minPoints", "value": 20}}), &quiz);
    parse_passing(&json!({"v": 1, "rule": {"op": "itemsCorrect", "itemIds": ["q0", "q2"]}}), &quiz);
    let both = json!({"v": 1, "rule": {"op": "all", "of": [{"op": "rubricMin", "criterion": "proof", "minPoints": 6}, {"op": "rubricAllMin", "minPoints": 4}]}});
    assert_eq!(parse_passing(&both, &configuration("Project")).rule.leaves().len(), 2);
    let tests = json!({"v": 1, "rule": {"op": "testsPassed", "minPercent": 50, "required": ["edge"]}});
    parse_passing(&tests, &configuration("AutoGraded"));
    let decided = parse_passing(&json!({"v": 1, "rule": {"op": "graderDecision"}}), &configuration("ManualReview"));
    assert!(decided.asks_grader() && decided.is_decision_alone());
    let either =
        json!({"v": 1, "rule": {"op": "any", "of": [{"op": "minPercent", "value": 50}, {"op": "graderDecision"}]}});
    let either = parse_passing(&either, &configuration("Assignment"));
    assert!(either.asks_grader() && !either.is_decision_alone());
    let default = parse_passing(&PassingCriteria::default_document(), &quiz);
    assert_eq!(default.rule, PassRule::One(PassLeaf::MinPercent(Decimal::from(70))));
}

#[test]
fn a_passing_rule_that_breaks_the_grammar_is_refused_where_it_does() {
    let table = r#"
        /v@ {"v": 3, "rule": {"op": "graderDecision"}}
        /rule@ {"v": 1}
        /onFail@ {"v": 1, "rule": {"op": "graderDecision"}, "onFail": "again"}
        /when@ {"v": 1, "rule": {"op": "graderDecision"}, "when": 1}
        /rule/op@ {"v": 1, "rule": {"op": "not"}}
        /rule/value@ {"v": 1, "rule": {"op": "minPercent"}}
        /rule/value@ {"v": 1, "rule": {"op": "minPercent", "value": 100.01}}
        /rule/value@ {"v": 1, "rule": {"op": "minPoints", "value": -0.5}}
        /rule/value@ {"v": 1, "rule": {"op": "graderDecision", "value": true}}
        /rule/itemIds@ {"v": 1, "rule": {"op": "itemsCorrect", "itemIds": []}}
        /rule/itemIds/1@ {"v": 1, "rule": {"op": "itemsCorrect", "itemIds": ["a", "a"]}}
        /rule/criterion@ {"v": 1, "rule": {"op": "rubricMin", "minPoints": 1}}
        /rule/minPoints@ {"v": 1, "rule": {"op": "rubricAllMin"}}
        /rule/required/0@ {"v": 1, "rule": {"op": "testsPassed", "minPercent": 1, "required": [1]}}
        /rule/of@ {"v": 1, "rule": {"op": "all", "of": []}}
        /rule/of/0/op@ {"v": 1, "rule": {"op": "any", "of": [{"op": "any", "of": [{"op": "graderDecision"}]}]}}
        /rule/of/0/value@ {"v": 1, "rule": {"op": "any", "of": [{"op": "minPercent", "value": 101}]}}
    "#;
    refused_by(refuse_passing, table, |_, document| document);
}

#[test]
fn a_passing_rule_is_held_against_its_configuration() {
    let wrong = |kind: &str, changes: Value, rule: Value| -> Vec<String> {
        let beside = parse(&with(configuration(kind), changes));
        let found = PassingCriteria::parse(&json!({"v": 1, "rule": rule}), Some(&beside)).expect_err(&rule.to_string());
        found.into_iter().map(|violation| violation.pointer).collect()
    };
    assert_eq!(wrong("Quiz", json!({}), json!({"op": "minPoints", "value": 20.01})), ["/rule/value"]);
    assert_eq!(wrong("Quiz", json!({}), json!({"op": "itemsCorrect", "itemIds": ["q1", "q7"]})), ["/rule/itemIds/1"]);
    assert_eq!(wrong("Quiz", json!({"pick": 6}), json!({"op": "itemsCorrect", "itemIds": ["q1"]})), ["/rule/itemIds"]);
    assert_eq!(wrong("Project", json!({}), json!({"op": "itemsCorrect", "itemIds": ["q1"]})), ["/rule"]);
    assert_eq!(wrong("Quiz", json!({}), json!({"op": "graderDecision"})), ["/rule"]);
    assert_eq!(wrong("Quiz", json!({}), json!({"op": "testsPassed", "minPercent": 1})), ["/rule"]);
    assert_eq!(wrong("ManualReview", json!({}), json!({"op": "rubricAllMin", "minPoints": 1})), ["/rule"]);
    assert_eq!(
        wrong("Project", json!({}), json!({"op": "rubricMin", "criterion": "speed", "minPoints": 1})),
        ["/rule/criterion"]
    );
    assert_eq!(
        wrong("Project", json!({}), json!({"op": "rubricMin", "criterion": "style", "minPoints": 5})),
        ["/rule/minPoints"]
    );
    let nested = json!({"op": "any", "of": [{"op": "minPercent", "value": 1}, {"op": "rubricAllMin", "minPoints": 5}]});
    assert_eq!(wrong("PeerReview", json!({}), nested), ["/rule/of/1/minPoints"]);
    // The best answers give 80 % of the points: no more can be asked for, not even by default.
    let stingy = json!({"items": [with(item("multipleChoice"), json!({"scoring": {"rule": "map", "map": {"x": 0.5, "z": 0.5}, "upper": 0.8}}))]});
    assert_eq!(wrong("Quiz", stingy.clone(), json!({"op": "minPercent", "value": 80.01})), ["/rule/value"]);
    assert_eq!(wrong("Quiz", stingy.clone(), json!({"op": "minPoints", "value": 16.5})), ["/rule/value"]);
    assert_eq!(wrong("Quiz", stingy.clone(), json!({"op": "itemsCorrect", "itemIds": ["i1"]})), ["/rule/itemIds/0"]);
    let beside = parse(&with(configuration("Quiz"), stingy));
    PassingCriteria::parse(&json!({"v": 1, "rule": {"op": "minPercent", "value": 80}}), Some(&beside)).unwrap();
}

/// A word in every text that only authors may see.
fn with_canaries() -> Value {
    let canary = |path: &str| format!("canary-{path}");
    let mut document = configuration("Quiz");
    for (index, item) in document["items"].as_array_mut().unwrap().iter_mut().enumerate() {
        item["feedback"] = json!(canary(&format!("item-{index}")));
        item["skillTags"] = json!([canary("tag")]);
        for list in ["options", "left", "right"] {
            for choice in item.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                choice["feedback"] = json!(canary("choice"));
            }
        }
        if item["kind"] == "shortText" {
            item["accept"] = json!([canary("accepted")]);
        }
        if item["kind"] == "numeric" {
            item["value"] = json!(31_415.92);
        }
    }
    document
}

#[test]
fn a_task_shows_what_to_do_and_nothing_of_the_key() {
    let document = with_canaries();
    let read = parse(&document);
    let Form::Quiz(quiz) = &read.form else { panic!() };
    let ids = quiz.draw("seed");
    let shown = read.task(Some(quiz.questions(&ids, "seed")));
    let text = shown.to_string();
    for secret in
        ["canary", "31415.92", "correct", "accepted", "pairs", "scoring", "tolerance", "normalize", "skillTags"]
    {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(shown["items"].as_array().unwrap().len(), 7);
    assert_eq!(read.task(None).get("items"), None);
    assert_eq!(read.task(None)["itemCount"], 7);
    let hidden = PassingCriteria::parse(
        &json!({"v": 1, "rule": {"op": "testsPassed", "minPercent": 5, "required": ["canary"]}}),
        None,
    );
    assert_eq!(hidden.unwrap().task(), json!({"rule": {"op": "testsPassed", "minPercent": 5}, "onFail": "retry"}));
    let project = parse(&configuration("Project")).task(None);
    assert_eq!(project["rubric"], rubric(), "who is graded by a rubric may read it");
}

#[test]
fn a_draw_is_stable_and_moves_little_when_the_items_change() {
    let items: Vec<Value> = (0..20).map(|n| with(item("trueFalse"), json!({"id": format!("t{n}")}))).collect();
    let document =
        with(configuration("Quiz"), json!({"items": items, "pick": 5, "shuffleItems": true, "shuffleOptions": true}));
    let quiz = |document: &Value| match parse(document).form {
        Form::Quiz(quiz) => quiz,
        _ => panic!(),
    };
    let first = quiz(&document);
    let mut draws = BTreeSet::new();
    for seed in 0..50 {
        let seed = format!("attempt-{seed}");
        let got = first.draw(&seed);
        assert_eq!(got, first.draw(&seed));
        assert_eq!(got.len(), 5);
        assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 5);
        // One item less: a draw loses that item at most, and gets one other.
        let mut fewer = document.clone();
        fewer["items"].as_array_mut().unwrap().remove(3);
        let after = quiz(&fewer).draw(&seed);
        assert!(after.iter().filter(|id| !got.contains(id)).count() <= 1);
        draws.insert(got);
    }
    assert!(draws.len() > 40, "{} different draws of 50", draws.len());
    let plain = quiz(&with(document, json!({"shuffleItems": false})));
    let got = plain.draw("attempt-1");
    let places: Vec<usize> = got.iter().map(|id| plain.items.iter().position(|item| item.id == *id).unwrap()).collect();
    assert!(places.is_sorted(), "unshuffled items keep the author's order: {got:?}");
}

#[test]
fn options_are_shuffled_by_try_only_when_the_author_wants_that() {
    let options: Vec<Value> = (0..8).map(|n| json!({"id": format!("o{n}"), "text": "t"})).collect();
    let items = json!([with(item("singleChoice"), json!({"options": options, "correct": "o3"}))]);
    let orders = |shuffle: bool| {
        let document = with(configuration("Quiz"), json!({"items": items, "shuffleOptions": shuffle}));
        let Form::Quiz(quiz) = parse(&document).form else { panic!() };
        let order = |seed: &str| quiz.questions(&quiz.draw(seed), seed)[0]["options"].to_string();
        assert_eq!(order("a"), order("a"));
        (0..10).map(|seed| order(&format!("s{seed}"))).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(orders(false), 1);
    assert!(orders(true) > 5);
}

proptest! {
    #[test]
    fn any_documents_are_read_without_panic_and_their_faults_lie_within_them(
        document in prop_oneof![any_json(), mutated(documents())],
        rule in prop_oneof![any_json(), mutated(rules())],
    ) {
        if let Err(found) = AssessmentConfiguration::parse(&document) {
            lie_within(&document, &found)?;
        }
        if let Err(found) = PassingCriteria::parse(&rule, Some(&parse(&configuration("Project")))) {
            lie_within(&rule, &found)?;
        }
    }
}

fn documents() -> Vec<Value> {
    AssessmentKind::ALL.iter().map(|kind| configuration(kind.as_str())).collect()
}

fn rules() -> Vec<Value> {
    let of = json!([{"op": "minPoints", "value": 3}, {"op": "rubricMin", "criterion": "style", "minPoints": 1}]);
    [
        json!({"op": "minPercent", "value": 50}),
        json!({"op": "itemsCorrect", "itemIds": ["q0", "q1"]}),
        json!({"op": "testsPassed", "minPercent": 5, "required": ["edge"]}),
        json!({"op": "any", "of": of}),
        json!({"op": "graderDecision"}),
    ]
    .map(|rule| json!({"v": 1, "rule": rule}))
    .to_vec()
}

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    /// Puts something else in one or two places.
    fn damage(&mut self, mut document: Value) -> Value {
        for _ in 0..=self.roll(2) {
            let mut place = &mut document;
            loop {
                let (is_leaf, len) = match place {
                    Value::Array(elements) => (false, elements.len()),
                    Value::Object(fields) => (false, fields.len()),
                    _ => (true, 0),
                };
                if is_leaf || len == 0 || self.roll(5) == 0 {
                    break;
                }
                let chosen = self.roll(len);
                place = match place {
                    Value::Array(elements) => &mut elements[chosen],
                    Value::Object(fields) => fields.values_mut().nth(chosen).unwrap(),
                    _ => unreachable!("a leaf"),
                };
            }
            let odd = [
                json!(null),
                json!(true),
                json!(-1),
                json!(0),
                json!(1),
                json!(0.5),
                json!(1e308),
                json!(-1e-300),
                json!(u64::MAX),
                json!(999.99),
                json!(1e-28),
                json!(7.922_816_251_426_434e28),
                json!(""),
                json!("x"),
                json!("y"),
                json!("\u{0}"),
                json!("ﬀ ß \u{301}"),
                json!([]),
                json!({}),
                json!(["x", "x"]),
                json!(["z", "x", "y"]),
                json!({"x": "q"}),
                json!("2026-02-29T25:00:00Z"),
                json!("9999-12-31T23:59:59.999999999Z"),
                json!("q0"),
                json!("afterClose"),
            ];
            *place = odd[self.roll(odd.len())].clone();
        }
        document
    }
}

/// Whatever can be read can be worked with: shown, drawn, answered, scored, graded, judged.
fn work_with(configuration: &AssessmentConfiguration, criteria: &PassingCriteria, answers: &Value) -> bool {
    configuration.task(None);
    criteria.task();
    let mut facts =
        Facts { max_grade: configuration.max_grade, rubric: configuration.form.rubric(), ..Facts::default() };
    if let Form::Quiz(quiz) = &configuration.form {
        let items = quiz.drawn(&quiz.draw("seed"));
        let Ok(answers) = Answers::parse(&items, answers, "/answers") else { return false };
        let scored = score(&items, &answers);
        assert!(scored.points >= Decimal::ZERO && scored.points <= scored.max_points, "{scored:?}");
        facts.share = Share::new(scored.points, scored.max_points);
    }
    let grade = facts.share.grade(configuration.max_grade);
    assert!(grade >= Decimal::ZERO && grade <= configuration.max_grade && grade.scale() <= 2, "{grade}");
    passes(criteria, &facts)
}

/// 30,000 inputs in `make test`, 10 million in `make soak`: a configuration, a rule, or answers, each damaged.
#[test]
fn damaged_configurations_rules_and_answers_are_read_scored_and_judged_without_panic() {
    let inputs = if std::env::var("QUESTS_SOAK").is_ok() { 10_000_000 } else { 30_000 };
    let answered = json!({"q0": "y", "q1": ["x", "z"], "q2": false, "q3": "null", "q4": 4.25, "q5": ["z", "x", "y"],
                          "q6": {"x": "q", "y": "p"}});
    let (documents, rules) = (documents(), rules());
    let configurations: Vec<AssessmentConfiguration> = documents.iter().map(parse).collect();
    let default = PassingCriteria::parse(&PassingCriteria::default_document(), None).unwrap();
    let mut dice = Dice(42);
    let mut read = [0, 0, 0];
    for input in 0..inputs {
        let kind = dice.roll(documents.len());
        let beside = &configurations[kind];
        match input % 3 {
            0 => {
                if let Ok(configuration) = AssessmentConfiguration::parse(&dice.damage(documents[kind].clone())) {
                    work_with(&configuration, &default, &answered);
                    read[0] += 1;
                }
            }
            1 => {
                let rule = dice.roll(rules.len());
                if let Ok(criteria) = PassingCriteria::parse(&dice.damage(rules[rule].clone()), Some(beside)) {
                    work_with(beside, &criteria, &answered);
                    read[1] += 1;
                }
            }
            _ => read[2] += usize::from(work_with(&configurations[0], &default, &dice.damage(answered.clone()))),
        }
    }
    // Not everything falls at the first hurdle.
    assert!(read.iter().all(|count| *count > inputs / 1_000), "{read:?} of {inputs}");
}
