//! The grammars of criteria: what they take and refuse, what learners see, what is met.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its helpers read better with json!(…) as it is"
)]

#[path = "criteria/assessments.rs"]
mod assessments;

use std::collections::BTreeSet;

use std::path::Path;

use proptest::prelude::*;
use quests::criteria::{
    Claim, Condition, LockedView, MAX_BYTES, MAX_CLAIM_TEXT_CHARS, MAX_DEPTH, MAX_NODES, MAX_QUIZ_BYTES,
    MAX_UNLOCK_BYTES, Observed, StepKind, Try, UnlockCriteria, Unmet, ValidationCriteria, Violation, XpScope,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

const PROBLEM: &str = "0b5e1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11";

fn pointers(violations: &[Violation]) -> Vec<&str> {
    violations.iter().map(|v| v.pointer.as_str()).collect()
}

fn parse(document: &Value) -> ValidationCriteria {
    ValidationCriteria::parse(document).unwrap_or_else(|found| panic!("{document}: {found:#?}"))
}

fn refuse(document: &Value) -> Vec<Violation> {
    let found = ValidationCriteria::parse(document).expect_err(&document.to_string());
    assert!(!found.is_empty(), "refused without a reason: {document}");
    found
}

/// `base` with the fields of `changes`; null takes a field away.
fn with(mut base: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes must be an object") };
    for (name, value) in changes {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(&name);
        } else {
            base[name] = value;
        }
    }
    base
}

fn options(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"id": id, "text": format!("text of {id}")})).collect()
}

fn item(kind: &str) -> Value {
    let common = json!({"id": "i1", "kind": kind, "prompt": "What does it print?", "points": 2});
    let own = match kind {
        "singleChoice" => json!({"options": options(&["x", "y", "z"]), "correct": "y"}),
        "multipleChoice" => json!({
            "options": options(&["x", "y", "z"]), "correct": ["x", "z"],
            "scoring": {"rule": "map", "map": {"x": 0.5, "z": 0.5, "y": -1}, "lower": -0.5},
        }),
        "trueFalse" => json!({"correct": false, "feedback": "A char may be signed."}),
        "shortText" => {
            json!({"accept": ["NULL", "(void *)0"], "normalize": ["trim", "stripPunct"]})
        }
        "numeric" => json!({"value": 4.25, "tolerance": {"rel": 0.01}}),
        "ordering" => json!({
            "options": options(&["x", "y", "z"]), "correct": ["z", "x", "y"],
            "scoring": {"rule": "adjacentPairs"},
        }),
        "matching" => json!({
            "left": options(&["x", "y"]), "right": options(&["p", "q", "r"]),
            "pairs": {"x": "q", "y": "p"},
        }),
        other => panic!("no such kind: {other}"),
    };
    with(common, own)
}

const ITEM_KINDS: [&str; 7] =
    ["singleChoice", "multipleChoice", "trueFalse", "shortText", "numeric", "ordering", "matching"];

fn quiz(items: &[Value]) -> Value {
    json!({"v": 1, "type": "Quiz", "minPercent": 60, "items": items})
}

fn quiz_of(kind: &str, changes: Value) -> Value {
    quiz(&[with(item(kind), changes)])
}

fn coding() -> Value {
    json!({"v": 1, "type": "Coding", "minTestsPassedPercent": 75,
           "grader": {"ref": "judge", "problemId": PROBLEM}})
}

fn submission(forms: Value) -> Value {
    json!({"v": 1, "type": "Submission", "review": "none", "accept": forms})
}

fn valid_documents() -> Vec<Value> {
    let numbered = |(index, kind): (usize, &&str)| with(item(kind), json!({"id": format!("q{index}")}));
    let all_items: Vec<_> = ITEM_KINDS.iter().enumerate().map(numbered).collect();
    let mut documents = vec![
        json!({"v": 1, "type": "Reading"}),
        json!({"v": 1, "type": "Reading", "requireAck": false, "minSeconds": 86400}),
        json!({"v": 1.0, "type": "Reading", "minSeconds": 45.0}),
        json!({"v": 1, "type": "Video", "minWatchedPercent": 0}),
        json!({"v": 1, "type": "Video", "minWatchedPercent": 99.5}),
        json!({"v": 1, "type": "Interactive", "moveOn": "notApplicable"}),
        json!({"v": 1, "type": "Interactive", "moveOn": "completedOrPassed", "masteryScore": 1}),
        coding(),
        with(coding(), json!({"requiredTests": ["big input"], "languages": ["c", "c99"]})),
        quiz(&all_items),
        with(quiz(&all_items), json!({"maxAttempts": 100, "cooldownSeconds": 2_592_000})),
        json!({"v": 1, "type": "Discussion"}),
        json!({"v": 1, "type": "Discussion", "minPosts": 2, "minReplies": 1, "minChars": 50}),
        json!({"v": 1, "type": "Discussion", "meetingRequired": true}),
        submission(json!([{"kind": "text", "minChars": 10, "maxChars": 10}])),
        submission(json!([
            {"kind": "url"},
            {"kind": "file", "mime": ["text/x-c"], "maxBytes": 65536, "maxFiles": 5},
            {"kind": "file", "mime": ["application/gzip"], "maxBytes": 1_073_741_824},
        ])),
        json!({"v": 1, "type": "Reflection", "minWords": 10000, "prompts": 3}),
    ];
    documents.extend(ITEM_KINDS.iter().map(|kind| quiz(&[item(kind)])));
    documents
}

/// The shared examples of a grammar, accepted and rejected; nothing where there are none.
fn shared_examples(grammar: &str) -> Option<[Vec<Value>; 2]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/design/criteria");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} is not there", folder.display());
        return None;
    }
    let read = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        document[grammar].as_array().unwrap().clone()
    };
    let by_rules = read("rejected-by-rules.json").into_iter();
    let by_rules = by_rules.map(|case| case["value"].clone());
    let rejected = read("rejected.json").into_iter().chain(by_rules).collect();
    Some([read("accepted.json"), rejected])
}

#[test]
fn the_shared_examples_are_taken_and_refused_as_they_should_be() {
    let Some([accepted, rejected]) = shared_examples("ValidationCriteria") else { return };
    for document in accepted {
        let criteria = parse(&document);
        assert_eq!(criteria.kind().as_str(), document["type"]);
        assert_eq!(criteria.task()["type"], document["type"]);
    }
    for document in rejected {
        for violation in refuse(&document) {
            assert!(violation.pointer.starts_with('/'), "{violation:?}");
        }
    }
}

#[test]
fn a_document_of_every_kind_is_taken() {
    let mut kinds = std::collections::HashSet::new();
    for document in valid_documents() {
        let criteria = parse(&document);
        assert_eq!(criteria.kind().as_str(), document["type"]);
        kinds.insert(criteria.kind());
    }
    assert_eq!(kinds.len(), StepKind::ALL.len());
}

/// Cases a line each: a pointer, the document it is expected for (or what `make` builds it from).
fn refused_where(table: &str, make: impl Fn(&str, Value) -> Value) {
    refused_by(refuse, table, make);
}

fn refused_by(refuse: fn(&Value) -> Vec<Violation>, table: &str, make: impl Fn(&str, Value) -> Value) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, json) = line.split_once(' ').expect(line);
        let (pointer, base) = head.split_once('@').expect(line);
        let changes = serde_json::from_str(json).expect(line);
        let document = make(base, changes);
        let found = refuse(&document);
        assert!(pointers(&found).contains(&pointer), "{line}: {found:#?}");
    }
}

#[test]
fn a_document_that_breaks_the_grammar_is_refused_where_it_does() {
    let table = r#"
        @ []
        @ "Reading"
        /v@ {"type": "Reading"}
        /type@ {"v": 1}
        /type@ {"v": 1, "type": "reading"}
        /type@ {"v": 1, "type": ["Reading"]}
        /type@ {"v": 1, "type": "Reading\u0000"}
        /v@Reading {"v": 2}
        /v@Reading {"v": "1"}
        /minWords@Reading {"minWords": 5}
        /a~1b~0c@Reading {"a/b~c": 5}
        /requireAck@Reading {"requireAck": "yes"}
        /minSeconds@Reading {"minSeconds": 0}
        /minSeconds@Reading {"minSeconds": 86401}
        /minSeconds@Reading {"minSeconds": 1.5}
        /minSeconds@Reading {"minSeconds": 1e300}
        /minSeconds@ {"v": 1, "type": "Reading", "minSeconds": null}
        /minWatchedPercent@Video {}
        /minWatchedPercent@Video {"minWatchedPercent": 100.01}
        /minWatchedPercent@Video {"minWatchedPercent": -1}
        /minWatchedPercent@Video {"minWatchedPercent": 1e-40}
        /moveOn@Interactive {}
        /moveOn@Interactive {"moveOn": "Passed"}
        /masteryScore@Interactive {"moveOn": "passed", "masteryScore": 80}
        /grader@Coding {"grader": null}
        /grader/ref@Coding {"grader": {"problemId": "0b5e1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11"}}
        /grader/ref@Coding {"grader": {"ref": "Judge"}}
        /grader/problemId@Coding {"grader": {"ref": "judge"}}
        /grader/problemId@Coding {"grader": {"ref": "j", "problemId": "0B5E1C1E-6F0D-4C54-9A3E-2F6F0F7B9D11"}}
        /grader/problemId@Coding {"grader": {"ref": "j", "problemId": "0b5e1c1e6f0d4c549a3e2f6f0f7b9d11"}}
        /grader/tests@Coding {"grader": {"ref": "j", "tests": []}}
        /minTestsPassedPercent@Coding {"minTestsPassedPercent": null}
        /requiredTests/1@Coding {"requiredTests": ["t", 1]}
        /requiredTests/0@Coding {"requiredTests": [" "]}
        /requiredTests/0@Coding {"requiredTests": ["a\u0000"]}
        /languages/0@Coding {"languages": ["C"]}
        /minPosts@Discussion {"minPosts": 101}
        /minReplies@Discussion {"minReplies": -1}
        /minChars@Discussion {"minChars": 10001}
        /meetingRequired@Discussion {"meetingRequired": 1}
        /minWords@Reflection {}
        /prompts@Reflection {"minWords": 5, "prompts": 21}
        /review@Submission {"review": null}
        /review@Submission {"review": "peer"}
        /accept@Submission {"accept": []}
        /accept@Submission {"accept": {"kind": "url"}}
        /accept/0/kind@Submission {"accept": [{"kind": "audio"}]}
        /accept/0/maxBytes@Submission {"accept": [{"kind": "text", "maxBytes": 5}]}
        /accept/0/minChars@Submission {"accept": [{"kind": "text", "minChars": 100001}]}
        /accept/0/maxChars@Submission {"accept": [{"kind": "text", "minChars": 9, "maxChars": 8}]}
        /accept/1@Submission {"accept": [{"kind": "url"}, {"kind": "url"}]}
        /accept/0/hosts@Submission {"accept": [{"kind": "url", "hosts": []}]}
        /accept/0/hosts/0@Submission {"accept": [{"kind": "url", "hosts": ["https://a.org"]}]}
        /accept/0/mime@Submission {"accept": [{"kind": "file", "maxBytes": 1}]}
        /accept/0/mime/1@Submission {"accept": [{"kind": "file", "mime": ["a/b", "pdf"], "maxBytes": 1}]}
        /accept/0/maxBytes@Submission {"accept": [{"kind": "file", "mime": ["a/b"]}]}
        /accept/0/maxFiles@Submission {"accept": [{"kind": "file", "mime": ["a/b"], "maxBytes": 1, "maxFiles": 21}]}
    "#;
    refused_where(table, |base, changes| match base {
        "" => changes,
        "Coding" => with(coding(), changes),
        "Submission" => with(submission(json!([{"kind": "url"}])), changes),
        kind => with(json!({"v": 1, "type": kind}), changes),
    });
    let many = with(coding(), json!({"requiredTests": vec!["t"; 201]}));
    assert_eq!(pointers(&refuse(&many)), ["/requiredTests"]);
}

#[test]
fn a_quiz_without_proper_items_or_limits_is_refused_where_they_are() {
    let table = r#"
        /items@ {"items": []}
        /items@ {"items": null}
        /items/0@ {"items": [1]}
        /minPercent@ {"minPercent": null}
        /maxAttempts@ {"maxAttempts": 0}
        /cooldownSeconds@ {"cooldownSeconds": 2592001}
    "#;
    refused_where(table, |_, changes| with(quiz(&[item("numeric")]), changes));
    let two = quiz(&[item("trueFalse"), item("numeric")]);
    assert_eq!(pointers(&refuse(&two)), ["/items/1/id"]);
    let many = quiz(&vec![item("trueFalse"); 201]);
    assert_eq!(refuse(&many)[0].pointer, "/items");
}

#[test]
fn an_item_that_breaks_the_grammar_or_contradicts_itself_is_refused_where_it_does() {
    let table = r#"
        /items/0/kind@singleChoice {"kind": "essay"}
        /items/0/id@singleChoice {"id": "Q 1"}
        /items/0/prompt@singleChoice {"prompt": null}
        /items/0/points@singleChoice {"points": 0}
        /items/0/points@singleChoice {"points": 1000.5}
        /items/0/feedback@singleChoice {"feedback": 1}
        /items/0/skillTags/1@singleChoice {"skillTags": ["c", 2]}
        /items/0/correct@singleChoice {"correct": ["x"]}
        /items/0/correct@singleChoice {"correct": "w"}
        /items/0/options@singleChoice {"options": [{"id": "y", "text": ""}]}
        /items/0/options/0/text@singleChoice {"options": [{"id": "y"}, {"id": "x", "text": ""}]}
        /items/0/options/1/id@singleChoice {"options": [{"id": "y", "text": ""}, {"id": "y", "text": ""}]}
        /items/0/scoring@singleChoice {"scoring": {"rule": "match"}}
        /items/0/correct@multipleChoice {"correct": []}
        /items/0/correct/1@multipleChoice {"correct": ["x", "x"]}
        /items/0/correct/1@multipleChoice {"correct": ["x", "w"]}
        /items/0/scoring@multipleChoice {"scoring": null}
        /items/0/scoring/rule@multipleChoice {"scoring": {}}
        /items/0/scoring/rule@multipleChoice {"scoring": {"rule": "adjacentPairs"}}
        /items/0/scoring/map@multipleChoice {"scoring": {"rule": "match", "map": {"x": 1}}}
        /items/0/scoring/map@multipleChoice {"scoring": {"rule": "map"}}
        /items/0/scoring/map@multipleChoice {"scoring": {"rule": "map", "map": {}}}
        /items/0/scoring/map@multipleChoice {"scoring": {"rule": "map", "map": {"x": 0, "y": -1}}}
        /items/0/scoring/map/w@multipleChoice {"scoring": {"rule": "map", "map": {"x": 1, "w": 1}}}
        /items/0/scoring/map/W@multipleChoice {"scoring": {"rule": "map", "map": {"x": 1, "W": 1}}}
        /items/0/scoring/map/x@multipleChoice {"scoring": {"rule": "map", "map": {"x": 1.5}}}
        /items/0/scoring/lower@multipleChoice {"scoring": {"rule": "map", "map": {"x": 1}, "lower": 0.1}}
        /items/0/scoring/upper@multipleChoice {"scoring": {"rule": "map", "map": {"x": 1}, "upper": 0}}
        /minPercent@multipleChoice {"scoring": {"rule": "map", "map": {"x": 0.3, "z": 0.29}}}
        /minPercent@multipleChoice {"scoring": {"rule": "map", "map": {"x": 1}, "upper": 0.5}}
        /items/0/correct@trueFalse {"correct": "false"}
        /items/0/accept@shortText {"accept": []}
        /items/0/accept/1@shortText {"accept": ["a", ""]}
        /items/0/accept/1@shortText {"accept": ["a", " * "]}
        /items/0/normalize/1@shortText {"normalize": ["trim", "trim"]}
        /items/0/normalize/0@shortText {"normalize": ["lower"]}
        /items/0/value@numeric {"value": "4"}
        /items/0/value@numeric {"value": 1e40}
        /items/0/tolerance@numeric {"tolerance": {}}
        /items/0/tolerance@numeric {"tolerance": {"abs": 1, "rel": 1}}
        /items/0/tolerance/abs@numeric {"tolerance": {"abs": -1}}
        /items/0/tolerance/rel@numeric {"tolerance": {"rel": 2}}
        /items/0/correct@ordering {"correct": ["x", "y"]}
        /items/0/correct/3@ordering {"correct": ["x", "y", "z", "y"]}
        /items/0/correct/2@ordering {"correct": ["x", "y", "w"]}
        /items/0/scoring/rule@ordering {"scoring": {"rule": "map"}}
        /items/0/pairs@matching {"pairs": {}}
        /items/0/pairs/w@matching {"pairs": {"w": "p"}}
        /items/0/pairs/x@matching {"pairs": {"x": "x"}}
        /items/0/pairs/a~1b@matching {"pairs": {"a/b": "p"}}
        /items/0/left/1/id@matching {"left": [{"id": "x", "text": ""}, {"id": "x", "text": ""}]}
        /items/0/right@matching {"right": [{"id": "p", "text": ""}]}
    "#;
    refused_where(table, quiz_of);
    let cases = [
        (quiz_of("singleChoice", json!({"id": "a".repeat(65)})), "/items/0/id"),
        (quiz_of("shortText", json!({"accept": vec!["a"; 33]})), "/items/0/accept"),
    ];
    for (document, pointer) in cases {
        assert_eq!(pointers(&refuse(&document)), [pointer]);
    }
    let many: Vec<_> = (0..27).map(|n| format!("o{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let document = quiz_of("singleChoice", json!({"options": options(&many), "correct": "o1"}));
    assert_eq!(pointers(&refuse(&document)), ["/items/0/options"]);
}

#[test]
fn a_text_that_normalising_leaves_alone_may_be_accepted() {
    parse(&quiz_of("shortText", json!({"accept": ["*", " "], "normalize": ["casefold"]})));
    parse(&quiz_of("shortText", json!({"accept": ["->", "&"], "normalize": null})));
}

#[test]
fn all_faults_are_found_at_once() {
    let found = refuse(&json!({
        "v": 3, "type": "Quiz", "minPercent": 120, "extra": 1, "items": [
            with(item("singleChoice"), json!({"points": 0, "correct": "w"})),
            with(item("numeric"), json!({"value": null, "tolerance": {"abs": -1}})),
        ],
    }));
    let mut places = pointers(&found);
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "/extra",
            "/items/0/correct",
            "/items/0/points",
            "/items/1/id",
            "/items/1/tolerance/abs",
            "/items/1/value",
            "/minPercent",
            "/v",
        ]
    );
}

#[test]
fn a_flood_of_faults_is_cut_off() {
    let flood: Map<_, _> = (0..500).map(|n| (format!("f{n}"), json!(n))).collect();
    let document = with(json!({"v": 1, "type": "Reading"}), Value::Object(flood));
    assert_eq!(refuse(&document).len(), 100);
}

#[test]
fn a_document_that_is_too_large_is_refused_as_a_whole() {
    let long = |bytes: usize| "w".repeat(bytes);
    let tests = |bytes| with(coding(), json!({"requiredTests": [long(bytes)]}));
    parse(&tests(MAX_BYTES - 200));
    assert_eq!(pointers(&refuse(&tests(MAX_BYTES))), [""]);
    let prompt = |bytes| quiz_of("trueFalse", json!({"prompt": long(bytes)}));
    parse(&prompt(MAX_QUIZ_BYTES - 300));
    assert_eq!(pointers(&refuse(&prompt(MAX_QUIZ_BYTES))), [""]);
}

#[test]
fn the_task_says_what_to_do_in_the_words_of_the_criteria() {
    for document in valid_documents() {
        let criteria = parse(&document);
        let task = criteria.task();
        let mut shown = task.as_object().unwrap().clone();
        for (name, default) in [("requireAck", json!(false)), ("meetingRequired", json!(false))] {
            if document.get(name).is_none() && shown.get(name) == Some(&default) {
                shown.remove(name);
            }
        }
        // Numbers are compared as numbers: 45.0 is shown as 45.
        let mut asked = document.as_object().unwrap().clone();
        for secret in ["v", "items", "requiredTests"] {
            asked.remove(secret);
        }
        shown.remove("items");
        let names = |of: &Map<String, Value>| of.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&shown), names(&asked));
        for (name, value) in &asked {
            match value.as_f64() {
                Some(number) => assert_eq!(shown[name].as_f64(), Some(number), "{name}"),
                None => assert_eq!(&shown[name], value, "{name}"),
            }
        }
    }
}

#[test]
fn a_learner_sees_the_questions_but_not_how_they_are_decided() {
    let task = parse(&quiz(&[item("multipleChoice")])).task();
    assert_eq!(
        task["items"],
        json!([{
            "id": "i1", "kind": "multipleChoice", "prompt": "What does it print?", "points": 2,
            "options": options(&["x", "y", "z"]),
        }])
    );
    let task = parse(&quiz(&[item("matching")])).task();
    assert_eq!(task["items"][0]["left"], options(&["x", "y"]));
    assert_eq!(task["items"][0]["right"].as_array().unwrap().len(), 3);
    let task = parse(&quiz(&[item("shortText")])).task();
    assert_eq!(task["items"][0].as_object().unwrap().len(), 4);
}

// ---- claims and checks ----

fn observed(elapsed_seconds: i64) -> Observed {
    Observed { elapsed_seconds, video_duration_seconds: None, max_playback_rate: Decimal::TWO }
}

fn check_at(document: Value, data: Value, observed: &Observed) -> Result<(), Vec<Unmet>> {
    let criteria = parse(&document);
    let claim = Claim::parse(criteria.kind(), Some(&data)).unwrap();
    let result = criteria.check(&claim, observed);
    if let Err(unmet) = &result {
        assert!(!unmet.is_empty());
        assert!(unmet.iter().all(|one| one.detail.ends_with('.')));
    }
    result
}

fn check(document: Value, data: Value) -> Result<(), Vec<Unmet>> {
    check_at(document, data, &observed(1_000_000))
}

fn codes(result: Result<(), Vec<Unmet>>) -> Vec<&'static str> {
    result.err().unwrap_or_default().iter().map(|one| one.code).collect()
}

#[test]
fn a_claim_that_is_missing_is_an_empty_one() {
    for kind in StepKind::ALL {
        let empty = Claim::parse(kind, Some(&json!({}))).unwrap();
        assert_eq!(Claim::parse(kind, None), Ok(empty.clone()));
        assert_eq!(Claim::parse(kind, Some(&Value::Null)), Ok(empty.clone()));
        assert_eq!(empty.kind(), kind);
    }
}

#[test]
fn a_malformed_claim_is_refused_where_it_is() {
    let long = "x".repeat(MAX_CLAIM_TEXT_CHARS + 1);
    let cases = [
        (StepKind::Reading, json!([]), ""),
        (StepKind::Quiz, json!("a"), ""),
        (StepKind::Coding, json!({"a": ["\u{0}"]}), "/a/0"),
        (StepKind::Reading, json!({"acknowledged": 1}), "/acknowledged"),
        (StepKind::Reading, json!({"acknowledged": null}), "/acknowledged"),
        (StepKind::Reading, json!({"seconds": -1}), "/seconds"),
        (StepKind::Reading, json!({"seconds": "60"}), "/seconds"),
        (StepKind::Reading, json!({"seconds": 1e300}), "/seconds"),
        (StepKind::Reading, json!({"seconds": u64::MAX}), "/seconds"),
        (StepKind::Reading, json!({"watchedPercent": 1}), "/watchedPercent"),
        (StepKind::Video, json!({"watchedPercent": 100.5}), "/watchedPercent"),
        (StepKind::Interactive, json!({"score": 80}), "/score"),
        (StepKind::Interactive, json!({"passed": "true"}), "/passed"),
        (StepKind::Discussion, json!({"posts": 1.5}), "/posts"),
        (StepKind::Discussion, json!({"replies": 10_001}), "/replies"),
        (StepKind::Reflection, json!({"text": ["a"]}), "/text"),
        (StepKind::Reflection, json!({"text": long}), "/text"),
        (StepKind::Reflection, json!({"text": "a\u{0}b"}), "/text"),
    ];
    for (kind, data, pointer) in cases {
        let found = Claim::parse(kind, Some(&data)).expect_err(pointer);
        assert_eq!(pointers(&found), [pointer], "{kind}");
    }
}

#[test]
fn a_reading_takes_the_word_and_the_time_of_both_clocks() {
    let asked = json!({"v": 1, "type": "Reading", "requireAck": true, "minSeconds": 60});
    let claim = |seconds| json!({"acknowledged": true, "seconds": seconds});
    assert_eq!(codes(check(asked.clone(), json!({}))), ["requireAck", "minSeconds"]);
    assert_eq!(check(asked.clone(), claim(json!(60))), Ok(()));
    assert_eq!(codes(check(asked.clone(), claim(json!(59.9)))), ["minSeconds"]);
    assert_eq!(check_at(asked.clone(), claim(json!(500)), &observed(60)), Ok(()));
    let unmet = check_at(asked.clone(), claim(json!(500)), &observed(59)).unwrap_err();
    assert_eq!(
        (unmet[0].code, unmet[0].pointer.as_str(), &unmet[0].current, &unmet[0].target),
        ("minSeconds", "/seconds", &json!(59), &json!(60))
    );
    assert_eq!(check_at(asked, claim(json!(500)), &observed(-5)).unwrap_err()[0].current, json!(0));
}

#[test]
fn a_video_cannot_have_been_watched_faster_than_it_plays() {
    let asked = json!({"v": 1, "type": "Video", "minWatchedPercent": 90});
    let all = json!({"watchedPercent": 100});
    let at = |elapsed_seconds| Observed {
        video_duration_seconds: Observed::video_duration(&json!({"durationSeconds": 600})),
        ..observed(elapsed_seconds)
    };
    assert_eq!(check_at(asked.clone(), all.clone(), &at(270)), Ok(()));
    let unmet = check_at(asked.clone(), all.clone(), &at(269)).unwrap_err();
    // 89.666… is cut, so that it never reads as met.
    assert_eq!((unmet[0].code, &unmet[0].current), ("minWatchedPercent", &json!(89.66)));
    assert_eq!(check_at(asked.clone(), all.clone(), &observed(0)), Ok(()));
    assert_eq!(check_at(asked.clone(), all.clone(), &at(i64::MAX)), Ok(()));
    assert_eq!(codes(check_at(asked.clone(), all, &at(i64::MIN))), ["minWatchedPercent"]);
    assert_eq!(codes(check(asked, json!({"watchedPercent": 89.99}))), ["minWatchedPercent"]);
    for content in [json!({}), json!({"durationSeconds": 0}), json!({"durationSeconds": "9"}), json!(1)] {
        assert_eq!(Observed::video_duration(&content), None, "{content}");
    }
}

#[test]
fn numbers_beyond_reason_do_not_break_the_cap_of_a_video() {
    let asked = json!({"v": 1, "type": "Video", "minWatchedPercent": 50});
    for (duration, rate) in [
        (Decimal::MAX, Decimal::MAX),
        (Decimal::new(1, 28), Decimal::MAX),
        (Decimal::MIN, Decimal::MIN),
        (Decimal::MAX, Decimal::ZERO),
    ] {
        let observed =
            Observed { elapsed_seconds: i64::MAX, video_duration_seconds: Some(duration), max_playback_rate: rate };
        let _ = check_at(asked.clone(), json!({"watchedPercent": 60}), &observed);
    }
}

#[test]
fn an_activity_reports_what_it_must() {
    let asked = |move_on: &str| json!({"v": 1, "type": "Interactive", "moveOn": move_on});
    let (nothing, completed) = (json!({}), json!({"completed": true}));
    let (passed, both) = (json!({"passed": true}), json!({"completed": true, "passed": true}));
    let table: [(&str, [&[&str]; 4]); 5] = [
        ("completed", [&["completed"], &[], &["completed"], &[]]),
        ("passed", [&["passed"], &["passed"], &[], &[]]),
        ("completedAndPassed", [&["completed", "passed"], &["passed"], &["completed"], &[]]),
        ("completedOrPassed", [&["completedOrPassed"], &[], &[], &[]]),
        ("notApplicable", [&[], &[], &[], &[]]),
    ];
    for (move_on, expected) in table {
        let claims = [&nothing, &completed, &passed, &both];
        for (claim, expected) in claims.into_iter().zip(expected) {
            assert_eq!(codes(check(asked(move_on), claim.clone())), expected, "{move_on} {claim}");
        }
    }
}

#[test]
fn passing_an_activity_with_a_mastery_score_takes_that_score() {
    let asked = |move_on: &str| json!({"v": 1, "type": "Interactive", "moveOn": move_on, "masteryScore": 0.7});
    let scored = |score: Value| json!({"passed": true, "score": score});
    assert_eq!(check(asked("passed"), scored(json!(0.7))), Ok(()));
    assert_eq!(codes(check(asked("passed"), scored(json!(0.69)))), ["masteryScore"]);
    assert_eq!(codes(check(asked("passed"), json!({"passed": true}))), ["masteryScore"]);
    assert_eq!(codes(check(asked("passed"), json!({"score": 1}))), ["passed"]);
    assert_eq!(codes(check(asked("completedOrPassed"), scored(json!(0.5)))), ["masteryScore"]);
    assert_eq!(check(asked("completed"), json!({"completed": true})), Ok(()));
    let both = json!({"completed": true, "passed": true, "score": 0.2});
    assert_eq!(codes(check(asked("completedAndPassed"), both)), ["masteryScore"]);
}

#[test]
fn a_discussion_counts_posts_replies_and_characters() {
    let asked = json!({"v": 1, "type": "Discussion", "minPosts": 1, "minReplies": 2, "minChars": 4});
    let claim = |text| json!({"posts": 1, "replies": 2, "text": text});
    assert_eq!(check(asked.clone(), claim("đúng")), Ok(()));
    assert_eq!(codes(check(asked.clone(), claim("  no  "))), ["minChars"]);
    assert_eq!(codes(check(asked, json!({}))), ["minPosts", "minReplies", "minChars"]);
}

#[test]
fn a_reflection_counts_words_not_marks() {
    let asked = json!({"v": 1, "type": "Reflection", "minWords": 3});
    let claim = |text| json!({"text": text});
    assert_eq!(check(asked.clone(), claim("Tôi\u{a0}đã hiểu.")), Ok(()));
    assert_eq!(codes(check(asked.clone(), claim("two words -- … !"))), ["minWords"]);
    let unmet = check(asked, claim("don't --")).unwrap_err();
    assert_eq!((&unmet[0].current, &unmet[0].target), (&json!(1), &json!(3)));
}

#[test]
fn what_a_claim_cannot_decide_stays_unmet() {
    let meeting = json!({"v": 1, "type": "Discussion", "meetingRequired": true});
    assert!(parse(&meeting).awaits_result());
    assert_eq!(codes(check(meeting, json!({"posts": 5}))), ["meetingRequired"]);
    assert!(parse(&coding()).awaits_result());
    assert_eq!(codes(check(coding(), json!({"anything": 1}))), ["notCheckable"]);
    // A quiz is scored, not compared.
    assert_eq!(codes(check(quiz(&[item("numeric")]), json!({"answers": {}}))), ["notCheckable"]);
    let reading = parse(&json!({"v": 1, "type": "Reading"}));
    assert!(!reading.awaits_result());
    let foreign = Claim::parse(StepKind::Video, None).unwrap();
    assert_eq!(codes(reading.check(&foreign, &observed(0))), ["notCheckable"]);
}

// ---- unlock criteria ----

const QUEST: &str = "11111111-1111-4111-8111-000000000001";

fn parse_unlock(document: &Value) -> UnlockCriteria {
    UnlockCriteria::parse(document).unwrap_or_else(|found| panic!("{document}: {found:#?}"))
}

fn refuse_unlock(document: &Value) -> Vec<Violation> {
    let found = UnlockCriteria::parse(document).expect_err(&document.to_string());
    assert!(!found.is_empty(), "refused without a reason: {document}");
    found
}

fn when(condition: Value) -> Value {
    json!({"v": 1, "when": condition})
}

/// A condition of every form.
fn conditions() -> Vec<Value> {
    vec![
        json!({"op": "questCompleted", "questId": QUEST}),
        json!({"op": "chapterCompleted", "chapterId": QUEST}),
        json!({"op": "questScore", "questId": QUEST, "minPercent": 70.5}),
        json!({"op": "scoreBand", "assessmentId": QUEST, "which": "best", "minPercent": 0}),
        json!({"op": "scoreBand", "assessmentId": QUEST, "which": "first", "minPercent": 40, "belowPercent": 60}),
        json!({"op": "pathProgress", "minPercent": 100}),
        json!({"op": "pathProgress", "pathId": QUEST, "minPercent": 0}),
        json!({"op": "xpEarned", "min": 10_000_000}),
        json!({"op": "xpEarned", "scope": "service", "min": 1.0}),
        json!({"op": "skillLevel", "skillTag": "é".repeat(100), "minLevel": 1000}),
        json!({"op": "notBefore", "at": "2026-12-01T07:00:00+07:00"}),
        json!({"op": "delay", "since": "pathStarted", "hours": 8760}),
        json!({"op": "delay", "since": "questCompleted", "questId": QUEST, "hours": 1}),
        json!({"op": "manual"}),
    ]
}

fn unlock_documents() -> Vec<Value> {
    let mut documents: Vec<_> = conditions().into_iter().map(when).collect();
    documents.extend([
        json!({"v": 1}),
        json!({"v": 1, "window": {"closesAt": "2027-02-01T00:00:00Z"}, "lockedView": "hidden"}),
        json!({"v": 1, "window": {"opensAt": "2026-12-01T00:00:00Z", "closesAt": "2026-12-01T00:00:00.001Z"}}),
        when(json!({"op": "all", "of": conditions()})),
        when(json!({"op": "any", "of": [{"op": "manual"}, {"op": "all", "of": conditions()}]})),
        when(json!({"op": "atLeast", "n": 14, "of": conditions()})),
    ]);
    documents
}

/// `levels` conditions in each other.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({"op": "manual"}), |inner, _| json!({"op": "all", "of": [inner]}))
}

/// A condition over `nodes - 3` manual ones, in two lists.
fn wide(nodes: usize) -> Value {
    let list = |length: usize| json!({"op": "any", "of": vec![json!({"op": "manual"}); length]});
    json!({"op": "all", "of": [list(31), list(nodes - 34)]})
}

#[test]
fn the_shared_examples_of_unlock_criteria_are_taken_and_refused_as_they_should_be() {
    let Some([accepted, rejected]) = shared_examples("UnlockCriteria") else { return };
    for document in accepted {
        parse_unlock(&document);
    }
    for document in rejected {
        for violation in refuse_unlock(&document) {
            assert!(violation.pointer.starts_with('/'), "{violation:?}");
        }
    }
}

#[test]
fn unlock_criteria_are_read_as_they_stand() {
    assert_eq!(parse_unlock(&json!({"v": 1})), UnlockCriteria::default());
    for document in unlock_documents() {
        let criteria = parse_unlock(&document);
        if let Some(condition) = criteria.when {
            assert_eq!(condition.op(), document["when"]["op"]);
        }
    }
    let quest = QUEST.parse().unwrap();
    let at: chrono::DateTime<chrono::Utc> = "2026-12-01T00:00:00Z".parse().unwrap();
    let expected = vec![
        Condition::QuestCompleted { quest },
        Condition::ChapterCompleted { chapter: quest },
        Condition::QuestScore { quest, min_percent: Decimal::new(705, 1) },
        Condition::ScoreBand {
            assessment: quest,
            which: Try::Best,
            min_percent: Some(Decimal::ZERO),
            below_percent: None,
        },
        Condition::ScoreBand {
            assessment: quest,
            which: Try::First,
            min_percent: Some(Decimal::from(40)),
            below_percent: Some(Decimal::from(60)),
        },
        Condition::PathProgress { path: None, min_percent: Decimal::ONE_HUNDRED },
        Condition::PathProgress { path: Some(quest), min_percent: Decimal::ZERO },
        Condition::XpEarned { scope: XpScope::Path, min: 10_000_000 },
        Condition::XpEarned { scope: XpScope::Service, min: 1 },
        Condition::SkillLevel { skill_tag: "é".repeat(100), min_level: 1000 },
        Condition::NotBefore { at },
        Condition::DelayPathStarted { hours: 8760 },
        Condition::DelayQuestCompleted { quest, hours: 1 },
        Condition::Manual,
    ];
    let read = |op: &str| parse_unlock(&when(json!({"op": op, "n": 2, "of": conditions()}))).when;
    assert_eq!(read("atLeast"), Some(Condition::AtLeast { n: 2, of: expected.clone() }));
    let of = conditions();
    assert_eq!(parse_unlock(&when(json!({"op": "any", "of": of}))).when, Some(Condition::Any(expected.clone())));
    assert_eq!(parse_unlock(&when(json!({"op": "all", "of": of}))).when, Some(Condition::All(expected)));
    let window = json!({"opensAt": "2026-12-01T00:00:00Z"});
    let criteria = parse_unlock(&json!({"v": 1, "window": window, "lockedView": "title"}));
    assert_eq!(criteria.window.map(|window| (window.opens_at, window.closes_at)), Some((Some(at), None)));
    assert_eq!(criteria.locked_view, LockedView::Title);
}

#[test]
fn unlock_criteria_that_break_the_grammar_are_refused_where_they_do() {
    let table = r#"
        @ []
        /v@ {}
        /v@ {"v": 2}
        /unknown@ {"v": 1, "unknown": 1}
        /when@ {"v": 1, "when": null}
        /when@ {"v": 1, "when": [{"op": "manual"}]}
        /window@ {"v": 1, "window": {}}
        /window@ {"v": 1, "window": null}
        /window/until@ {"v": 1, "window": {"until": "2027-01-01T00:00:00Z"}}
        /window/opensAt@ {"v": 1, "window": {"opensAt": 1796083200}}
        /window/opensAt@ {"v": 1, "window": {"opensAt": "2026-12-01"}}
        /window/opensAt@ {"v": 1, "window": {"opensAt": "2026-12-01T00:00:00"}}
        /window/opensAt@ {"v": 1, "window": {"opensAt": "2026-12-01 00:00:00Z"}}
        /window/opensAt@ {"v": 1, "window": {"opensAt": "2026-02-30T00:00:00Z"}}
        /window/closesAt@ {"window": {"opensAt": "2026-12-01T00:00:00Z", "closesAt": "2026-12-01T07:00:00+07:00"}}
        /lockedView@ {"v": 1, "lockedView": "Full"}
        /when/op@when {}
        /when/op@when {"op": "not", "of": []}
        /when/op@when {"op": ["manual"]}
        /when/why@when {"op": "manual", "why": "because"}
        /when/of@when {"op": "all"}
        /when/of@when {"op": "any", "of": []}
        /when/of@when {"op": "any", "of": {"op": "manual"}}
        /when/n@when {"op": "all", "n": 1, "of": [{"op": "manual"}]}
        /when/of/1@when {"op": "all", "of": [{"op": "manual"}, 1]}
        /when/of/1/of/0/op@when {"op": "all", "of": [{"op": "manual"}, {"op": "any", "of": [{"op": "Manual"}]}]}
        /when/n@when {"op": "atLeast", "of": [{"op": "manual"}]}
        /when/n@when {"op": "atLeast", "n": 0, "of": [{"op": "manual"}]}
        /when/n@when {"op": "atLeast", "n": 33, "of": [{"op": "manual"}]}
        /when/n@when {"op": "atLeast", "n": 2, "of": [{"op": "manual"}]}
        /when/n@when {"op": "atLeast", "n": 2, "of": [{"op": "faulty"}]}
        /when/of@when {"op": "atLeast", "n": 2}
        /when/questId@when {"op": "questCompleted"}
        /when/questId@when {"op": "questCompleted", "questId": "abc"}
        /when/questId@when {"op": "questCompleted", "questId": "1111111111114111811100000000000A"}
        /when/minPercent@when {"op": "questCompleted", "minPercent": 1}
        /when/chapterId@when {"op": "chapterCompleted", "chapterId": 5}
        /when/minPercent@when {"op": "questScore", "questId": "11111111-1111-4111-8111-000000000001"}
        /when/minPercent@when {"op": "questScore", "questId": "x", "minPercent": "50"}
        /when/questId@when {"op": "questScore", "questId": "x", "minPercent": "50"}
        /when/minPercent@when {"op": "pathProgress", "minPercent": 100.1}
        /when/pathId@when {"op": "pathProgress", "pathId": null, "minPercent": 10}
        /when/min@when {"op": "xpEarned"}
        /when/min@when {"op": "xpEarned", "min": 10000001}
        /when/scope@when {"op": "xpEarned", "min": 1, "scope": "all"}
        /when/skillTag@when {"op": "skillLevel", "minLevel": 1}
        /when/skillTag@when {"op": "skillLevel", "skillTag": "", "minLevel": 1}
        /when/skillTag@when {"op": "skillLevel", "skillTag": " ", "minLevel": 1}
        /when/skillTag@when {"op": "skillLevel", "skillTag": "a\u0000", "minLevel": 1}
        /when/minLevel@when {"op": "skillLevel", "skillTag": "c", "minLevel": 1001}
        /when/at@when {"op": "notBefore"}
        /when/at@when {"op": "notBefore", "at": "tomorrow"}
        /when/since@when {"op": "delay", "hours": 1}
        /when/since@when {"op": "delay", "since": "enrolled", "hours": 1}
        /when/hours@when {"op": "delay", "since": "pathStarted", "hours": 8761}
        /when/hours@when {"op": "delay", "since": "pathStarted", "hours": 0}
        /when/questId@when {"op": "delay", "since": "questCompleted", "hours": 1}
        /when/questId@when {"op": "delay", "since": "pathStarted", "questId": "x", "hours": 1}
        /when@band {}
        /when/which@band {"which": null, "minPercent": 1}
        /when/which@band {"which": "latest", "minPercent": 1}
        /when/assessmentId@band {"assessmentId": null, "minPercent": 1}
        /when/minPercent@band {"minPercent": -1}
        /when/belowPercent@band {"belowPercent": 101}
        /when/belowPercent@band {"belowPercent": 60, "which": "best"}
        /when/belowPercent@band {"belowPercent": 60, "minPercent": 60}
        /when/belowPercent@band {"belowPercent": 0}
    "#;
    refused_by(refuse_unlock, table, |base, changes| match base {
        "" => changes,
        "when" => when(changes),
        _ => when(with(json!({"op": "scoreBand", "assessmentId": QUEST, "which": "first"}), changes)),
    });
    let unstorable = when(json!({"op": "manual", "\0": 1}));
    assert_eq!(pointers(&refuse_unlock(&unstorable)), ["/when/\0", "/when/\0"]);
    let long = when(json!({"op": "skillLevel", "skillTag": "é".repeat(101), "minLevel": 1}));
    assert_eq!(pointers(&refuse_unlock(&long)), ["/when/skillTag"]);
    let many = when(json!({"op": "any", "of": vec![json!({"op": "manual"}); 33]}));
    assert_eq!(pointers(&refuse_unlock(&many)), ["/when/of"]);
}

#[test]
fn unlock_criteria_have_limits_of_depth_number_and_size() {
    parse_unlock(&when(nested(MAX_DEPTH)));
    assert_eq!(pointers(&refuse_unlock(&when(nested(MAX_DEPTH + 1)))), ["/when/of/0/of/0/of/0/of/0/of/0"]);
    assert_eq!(pointers(&refuse_unlock(&when(nested(40)))), [""]);
    parse_unlock(&when(wide(MAX_NODES)));
    assert_eq!(pointers(&refuse_unlock(&when(wide(MAX_NODES + 1)))), ["/when"]);
    let padded = |bytes: usize| {
        let empty = json!({"v": 1, "x": ""}).to_string().len();
        json!({"v": 1, "x": "x".repeat(bytes - empty)})
    };
    assert_eq!(pointers(&refuse_unlock(&padded(MAX_UNLOCK_BYTES))), ["/x"]);
    assert_eq!(pointers(&refuse_unlock(&padded(MAX_UNLOCK_BYTES + 1))), [""]);
}

#[test]
fn unlock_criteria_of_any_depth_are_refused_without_recursion() {
    let mut document = json!({"op": "manual"});
    for _ in 0..100_000 {
        document = Value::Array(vec![document]);
    }
    assert_eq!(pointers(&UnlockCriteria::parse(&document).unwrap_err()), [""]);
    // Taken apart by hand: dropping it whole would recurse.
    while let Value::Array(mut inner) = document {
        document = inner.remove(0);
    }
}

// ---- generated cases ----

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2.0..200.0).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        known_word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((known_word(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Words of the grammar, so that generated documents get beyond the first field.
fn known_word() -> impl Strategy<Value = String> {
    let words = "v type items id kind prompt points options correct scoring rule map lower upper accept \
        normalize value tolerance abs rel left right pairs minPercent Quiz Reading Coding Submission \
        singleChoice multipleChoice ordering matching numeric shortText match text url file hosts mime \
        x y z seconds acknowledged watchedPercent score posts a/b when window lockedView opensAt closesAt \
        maxGrade attempts max cooldownSeconds keep late policy percent per floorPercent feedback answers dueAt pick peer \
        rubric criteria levels label grader itemIds minPoints criterion rule onFail minPoints \
        op of n all any atLeast manual questId which first belowPercent pathId skillTag at since hours min";
    let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
    prop::sample::select(words)
}

/// Every pointer of a value and of what is in it.
fn places(value: &Value, pointer: String, all: &mut Vec<String>) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, format!("{pointer}/{index}"), all);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, format!("{pointer}/{name}"), all);
            }
        }
        _ => {}
    }
    all.push(pointer);
}

fn mutated(documents: Vec<Value>) -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), known_word(), any_json(), 0..3);
    let documents = prop::sample::select(documents);
    (documents, prop::collection::vec(change, 1..4)).prop_map(|(mut document, changes)| {
        for (place, word, value, how) in changes {
            let mut all = Vec::new();
            places(&document, String::new(), &mut all);
            let Some(target) = document.pointer_mut(place.get::<String>(&all)) else {
                continue;
            };
            match (target, how) {
                (Value::Object(fields), 0) => {
                    fields.insert(word, value);
                }
                (Value::Object(fields), 1) => {
                    fields.remove(&word);
                }
                (target, _) => *target = value,
            }
        }
        document
    })
}

fn is_sound(document: &Value) -> Result<(), TestCaseError> {
    match ValidationCriteria::parse(document) {
        Ok(criteria) => {
            criteria.task();
            for kind in StepKind::ALL {
                if let Ok(claim) = Claim::parse(kind, Some(document)) {
                    let _ = criteria.check(&claim, &observed(10));
                }
            }
        }
        Err(found) => lie_within(document, &found)?,
    }
    Ok(())
}

fn lie_within(document: &Value, found: &[Violation]) -> Result<(), TestCaseError> {
    prop_assert!((1..=100).contains(&found.len()));
    for violation in found {
        let parent = violation.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        prop_assert!(document.pointer(parent).is_some(), "{violation:?} points nowhere in {document}");
    }
    Ok(())
}

/// One question in a shape that the learner sees, with a key that `seed` decides.
fn keyed_item(index: usize, kind: &str, choices: usize, seed: u64) -> Value {
    let ids: Vec<_> = (0..choices).map(|n| format!("o{n}")).collect();
    let list = |side: &str| -> Value {
        let choice =
            |id: &String| json!({"id": id, "text": format!("{side} {id}"), "feedback": format!("SECRET {seed}")});
        ids.iter().map(choice).collect()
    };
    let turn = usize::try_from(seed % 1000).unwrap() % choices;
    let turned: Vec<_> = ids.iter().cycle().skip(turn).take(choices).collect();
    let own = match kind {
        "singleChoice" => json!({"options": list("option"), "correct": turned[0]}),
        "multipleChoice" => {
            let correct = &turned[..=turn];
            let scoring = if seed.is_multiple_of(2) {
                json!({"rule": "match"})
            } else {
                json!({"rule": "map", "map": {turned[0].as_str(): 1, turned[1].as_str(): -1}})
            };
            json!({"options": list("option"), "correct": correct, "scoring": scoring})
        }
        "trueFalse" => json!({"correct": seed.is_multiple_of(2)}),
        "shortText" => json!({"accept": [format!("SECRET{seed}")], "normalize": ["trim"]}),
        "numeric" if seed.is_multiple_of(2) => json!({"value": seed}),
        "numeric" => json!({"value": seed, "tolerance": {"abs": 987_654.25}}),
        "ordering" => json!({
            "options": list("option"), "correct": turned, "scoring": {"rule": "match"},
        }),
        "matching" => {
            let pairs: Map<_, _> = ids.iter().cloned().zip(turned.iter().map(|id| json!(id))).collect();
            json!({"left": list("left"), "right": list("right"), "pairs": pairs})
        }
        other => panic!("no such kind: {other}"),
    };
    with(
        json!({
            "id": format!("q{index}"), "kind": kind, "prompt": "?", "points": 1.5,
            "feedback": format!("SECRET {seed}"), "skillTags": [format!("SECRET{seed}")],
        }),
        own,
    )
}

fn field_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| field_names(element, names)),
        Value::Object(fields) => {
            for (name, field) in fields {
                names.push(name.clone());
                field_names(field, names);
            }
        }
        _ => {}
    }
}

/// Criteria, and two claims of which the second claims at least as much.
fn growing_claims() -> impl Strategy<Value = (Value, Value, Value)> {
    let percent = || (0_u32..=10_000).prop_map(|hundredths| f64::from(hundredths) / 100.0);
    let reading = (any::<bool>(), 1..200_u32, 0..200_u32, 0..200_u32, any::<[bool; 2]>()).prop_map(
        |(ack, min, seconds, more, [said, said_then])| {
            let claim = |said: bool, seconds: u32| json!({"acknowledged": said, "seconds": seconds});
            (
                json!({"v": 1, "type": "Reading", "requireAck": ack, "minSeconds": min}),
                claim(said, seconds),
                claim(said || said_then, seconds + more),
            )
        },
    );
    let video = (percent(), percent(), percent()).prop_map(|(min, a, b)| {
        (
            json!({"v": 1, "type": "Video", "minWatchedPercent": min}),
            json!({"watchedPercent": a.min(b)}),
            json!({"watchedPercent": a.max(b)}),
        )
    });
    let move_on = ["completed", "passed", "completedAndPassed", "completedOrPassed", "notApplicable"];
    let activity = (
        prop::sample::select(move_on.to_vec()),
        prop::option::of(percent()),
        any::<[bool; 4]>(),
        prop::option::of(percent()),
        percent(),
    )
        .prop_map(|(move_on, mastery, [c, p, more_c, more_p], score, then)| {
            let mut asked = json!({"v": 1, "type": "Interactive", "moveOn": move_on});
            if let Some(mastery) = mastery {
                asked["masteryScore"] = json!(mastery / 100.0);
            }
            let mut less = json!({"completed": c, "passed": p});
            if let Some(score) = score {
                less["score"] = json!(score / 100.0);
            }
            let more = json!({
                "completed": c || more_c, "passed": p || more_p,
                "score": score.unwrap_or(0.0).max(then) / 100.0,
            });
            (asked, less, more)
        });
    let text = || "[ a-zé.\u{a0}-]{0,40}";
    let discussion = ([1..6_u32, 1..6, 1..20], [0..6_u32, 0..6, 0..6, 0..6], text(), text()).prop_map(
        |([posts, replies, chars], [a, b, c, d], text, more)| {
            (
                json!({"v": 1, "type": "Discussion",
                       "minPosts": posts, "minReplies": replies, "minChars": chars}),
                json!({"posts": a, "replies": b, "text": text}),
                json!({"posts": a + c, "replies": b + d, "text": format!("{text}{more}")}),
            )
        },
    );
    let reflection = (1..8_u32, text(), text()).prop_map(|(min, text, more)| {
        (
            json!({"v": 1, "type": "Reflection", "minWords": min}),
            json!({"text": text}),
            json!({"text": format!("{text}{more}")}),
        )
    });
    prop_oneof![reading, video, activity, discussion, reflection]
}

proptest! {
    #[test]
    fn any_json_is_read_without_panic(document in any_json()) {
        is_sound(&document)?;
    }

    #[test]
    fn a_damaged_document_is_read_without_panic_and_its_faults_lie_within_it(document in mutated(valid_documents())) {
        is_sound(&document)?;
    }

    #[test]
    fn any_unlock_criteria_are_read_without_panic(document in prop_oneof![any_json(), any_json().prop_map(when)]) {
        if let Err(found) = UnlockCriteria::parse(&document) {
            lie_within(&document, &found)?;
        }
    }

    #[test]
    fn damaged_unlock_criteria_are_read_without_panic_and_their_faults_lie_within_them(
        document in mutated(unlock_documents()),
    ) {
        if let Err(found) = UnlockCriteria::parse(&document) {
            lie_within(&document, &found)?;
        }
    }

    #[test]
    fn any_claim_is_read_without_panic(kind in prop::sample::select(StepKind::ALL.to_vec()), data in any_json()) {
        if let Ok(claim) = Claim::parse(kind, Some(&data)) {
            for document in valid_documents() {
                let _ = parse(&document).check(&claim, &observed(10));
            }
        }
    }

    #[test]
    fn a_larger_claim_or_a_longer_wait_never_un_meets(
        (asked, less, more) in growing_claims(),
        elapsed in -10..300_i64,
        waited in 0..300_i64,
        duration in prop::option::of(1..600_i64),
    ) {
        let at = |elapsed_seconds| Observed {
            video_duration_seconds: duration.map(Decimal::from),
            ..observed(elapsed_seconds)
        };
        if check_at(asked.clone(), less, &at(elapsed)).is_ok() {
            prop_assert_eq!(check_at(asked, more, &at(elapsed + waited)), Ok(()));
        }
    }

    #[test]
    fn the_task_of_a_quiz_does_not_depend_on_its_key(
        shapes in prop::collection::vec((prop::sample::select(ITEM_KINDS.to_vec()), 2..7_usize), 1..6),
        keys in any::<[u32; 2]>(),
    ) {
        let task = |key: u32| {
            // Large, so that no key is by chance the number of something else.
            let seed = 7_000_000_000_000 + u64::from(key);
            let items: Vec<_> = shapes.iter().enumerate()
                .map(|(index, (kind, choices))| keyed_item(index, kind, *choices, seed))
                .collect();
            (parse(&quiz(&items)).task(), seed)
        };
        let (task_of_one, seed) = task(keys[0]);
        prop_assert_eq!(&task_of_one, &task(keys[1]).0);
        let text = task_of_one.to_string();
        for canary in ["SECRET", "987654", &seed.to_string()] {
            prop_assert!(!text.contains(canary), "{} is in {}", canary, text);
        }
        let mut names = Vec::new();
        field_names(&task_of_one, &mut names);
        let open = ["type", "items", "minPercent", "id", "kind", "prompt", "points", "options", "text",
            "left", "right"];
        for name in names {
            prop_assert!(open.contains(&name.as_str()), "{} is shown", name);
        }
    }
}
