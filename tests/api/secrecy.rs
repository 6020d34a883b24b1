//! Answer keys, accepted answers, explanations and hidden tests never reach a learner: canaries stand in
//! every such field, and are looked for in everything that a learner can reach, and in the log.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::collector::Collector;
use crate::harness::process::Process;
use crate::harness::stream::Stream;
use crate::harness::users::{Mode, Users};
use crate::harness::{Client, Reply, Service, database, path_of, rows, step, text};

const PROBLEM: &str = "11111111-1111-4111-8111-000000000007";

#[track_caller]
fn clean(what: &str, seen: &str) {
    for secret in [
        // Stands in every text, and the numbers in every number, that only authors may see.
        "canary",
        "97531.416",
        "0.43798828125",
        "0.00048828125",
        "validationCriteria",
        "validation_criteria",
        "requiredTests",
        "passedTests",
        "\"correct\"",
        "\"accept\":[\"",
        "\"pairs\"",
        "tolerance",
        "\"scoring\"",
    ] {
        assert!(!seen.contains(secret), "{what} shows {secret}: {seen}");
    }
}

fn item(id: &str, kind: &str, own: &Value) -> Value {
    let mut item = json!({"id": id, "kind": kind, "prompt": "?", "points": 1, "feedback": format!("canary-explanation-{id}"),
                          "skillTags": ["canary-tag"]});
    item.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    item
}

/// A quiz with every kind of item and every field of its key.
fn quiz() -> Value {
    let options = json!([{"id": "o1", "text": "one", "feedback": "canary-choice"}, {"id": "o2", "text": "two", "feedback": "canary-choice"}]);
    json!({"v": 1, "type": "Quiz", "minPercent": 50, "maxAttempts": 20, "items": [
        item("q1", "shortText", &json!({"accept": ["canary-text"], "normalize": ["trim"]})),
        item("q2", "singleChoice", &json!({"options": options, "correct": "o1"})),
        item("q3", "trueFalse", &json!({"correct": true})),
        item("q4", "numeric", &json!({"value": 97531.416, "tolerance": {"abs": 0.000_488_281_25}})),
        item("q5", "matching", &json!({"left": options, "right": options, "pairs": {"o1": "o2", "o2": "o1"}})),
        item("q6", "multipleChoice", &json!({"options": options, "correct": ["o2"],
            "scoring": {"rule": "map", "map": {"o1": -0.437_988_281_25, "o2": 1}, "lower": -0.000_488_281_25, "upper": 1}})),
        item("q7", "ordering", &json!({"options": options, "correct": ["o2", "o1"], "scoring": {"rule": "adjacentPairs"}})),
    ]})
}

/// Criteria of every kind; those of Quiz and Coding have keys.
fn criteria() -> Vec<Value> {
    vec![
        quiz(),
        json!({"v": 1, "type": "Coding", "minTestsPassedPercent": 100, "requiredTests": ["canary-test", "canary-output"],
               "grader": {"ref": "event-service", "problemId": PROBLEM}}),
        json!({"v": 1, "type": "Reading", "requireAck": true}),
        json!({"v": 1, "type": "Video", "minWatchedPercent": 90}),
        json!({"v": 1, "type": "Interactive", "moveOn": "passed", "masteryScore": 0.5}),
        json!({"v": 1, "type": "Discussion", "minPosts": 2}),
        json!({"v": 1, "type": "Discussion", "meetingRequired": true}),
        json!({"v": 1, "type": "Submission", "accept": [{"kind": "text", "minChars": 3}], "review": "manual"}),
        json!({"v": 1, "type": "Reflection", "minWords": 3}),
    ]
}

/// A quest with a mandatory step and, optional, one of each kind.
async fn guarded(author: &Client) -> Value {
    let quest = author.draft("Guarded", 10).await;
    author.step(&quest, step("Plain")).await;
    for criteria in criteria() {
        let mut guarded = step(text(&criteria["type"]));
        guarded["stepType"] = criteria["type"].clone();
        guarded["isOptional"] = json!(true);
        guarded["content"] = json!({"body": "content-to-see", "durationSeconds": 60});
        guarded["validationCriteria"] = criteria;
        author.step(&quest, guarded).await;
    }
    let link = json!({"resourceType": "Link", "title": "Link", "url": "https://example.org/material", "metadata": {"m": "metadata-to-see"}});
    author.post(&format!("{}/resources", path_of(&quest)), link).await.expect(201);
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200)
}

async fn everything(learner: &Client, author: &Client, quest: &Value) -> Vec<(String, String)> {
    let path = path_of(quest);
    let mut paths: Vec<String> = ["", "/steps", "/resources", "/prerequisites", "/eligibility"]
        .iter()
        .map(|tail| format!("{path}{tail}"))
        .collect();
    for kind in ["steps", "resources"] {
        for item in author.all(&format!("{path}/{kind}")).await {
            paths.push(format!("{path}/{kind}/{}", text(&item["id"])));
        }
    }
    let lists = [
        "/v1/quests",
        "/v1/quests?q=canary",
        "/v1/search?q=canary",
        "/v1/search?q=guarded",
        "/v1/quests?skillTag=canary-tag",
        "/v1/me/attempts",
        "/v1/me/recommendations",
        "/v1/me/learning-paths",
    ];
    paths.extend(lists.map(str::to_owned));
    for attempt in learner.all("/v1/me/attempts").await {
        paths.push(format!("/v1/attempts/{}", text(&attempt["id"])));
    }
    let mut seen = Vec::new();
    for path in paths {
        let reply = learner.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        seen.push((path, reply.text));
    }
    seen
}

/// Every way to call a step: well-formed and not, right, wrong and nearly right.
async fn try_everything(learner: &Client, attempt: &Value, service: &Client) {
    let quiz = [
        json!({"answers": {"q1": "x", "q2": "o2", "q3": false, "q4": 1, "q5": {"o1": "o1"}, "q6": ["o1"], "q7": ["o1", "o2"]}}),
        json!({"answers": {"q2": "o1", "q3": true}}),
        json!({"answers": 1}),
        json!({"answers": {"q1": 1, "q2": "z", "q3": "z", "q4": "z", "q5": {"z": "z"}, "q6": ["z", "z"], "q7": "z", "q8": 1}}),
        json!({"answers": {"q4": 1e300}}),
        json!({"canary": "mine"}),
    ];
    let others = [
        json!({}),
        json!({"text": "x"}),
        json!({"seconds": "x"}),
        json!({"passed": true, "score": 0.1}),
        json!({"watchedPercent": 1}),
    ];
    let said = |reply: Reply, what: &str| {
        // What a learner sends may come back to that learner.
        if !reply.text.contains("/submissionData/canary") {
            clean(what, &reply.text);
        }
        assert!(reply.status.is_client_error() || reply.status.is_success(), "{}", reply.text);
    };
    for step in attempt["steps"].as_array().unwrap() {
        let tries: &[Value] = if step["stepType"] == "Quiz" { &quiz } else { &others };
        for data in tries {
            said(learner.complete(attempt, step, data.clone()).await, "a try");
        }
        for verb in ["start", "skip", "review", "extra-tries"] {
            let path = format!("/v1/attempts/{}/steps/{}/{verb}", text(&attempt["id"]), text(&step["stepId"]));
            said(learner.post(&path, json!({})).await, verb);
            said(learner.get(&path).await, verb);
        }
    }
    for (id, status) in [("wrong", "WrongAnswer"), ("partial", "Accepted")] {
        let result = json!({"submissionId": id, "authUserId": learner.id, "problemId": PROBLEM, "status": status,
                            "testsPassedPercent": 50, "passedTests": ["canary-hidden"]});
        said(learner.post("/v1/integrations/coding-results", result.clone()).await, "a learner's result");
        service.post("/v1/integrations/coding-results", result).await.expect(200);
    }
}

#[tokio::test]
async fn a_learner_never_sees_a_key_on_any_channel() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = guarded(&author).await;
    let gate = author.quest("Gate", 1, 0).await;
    author.needs(&quest, &[&gate]).await.expect(200);
    let shown = author.get(&format!("{}/steps", path_of(&quest))).await.text;
    for key in [
        "canary-text",
        "canary-test",
        "canary-output",
        "canary-explanation-q7",
        "canary-choice",
        "97531.416",
        "0.43798828125",
        "0.00048828125",
    ] {
        assert!(shown.contains(key), "authors see {key}: {shown}");
    }

    for (path, seen) in everything(&learner, &author, &quest).await {
        clean(&path, &seen);
        for withheld in ["content-to-see", "example.org/material", "metadata-to-see"] {
            assert!(!seen.contains(withheld), "{path} shows {withheld} while locked: {seen}");
        }
    }
    let locked = learner.get(&format!("{}/steps", path_of(&quest))).await.expect(200);
    for step in locked["items"].as_array().unwrap() {
        assert_eq!((&step["content"], &step["task"]), (&Value::Null, &Value::Null), "{step}");
        assert!(step["title"].is_string() && step["experiencePoints"].is_i64());
    }
    let refused = learner.post(&format!("{}/attempt", path_of(&quest)), json!({})).await;
    clean("the refusal", &refused.text);
    refused.problem(409, "quest_locked");

    learner.finish(&gate).await;
    let open = everything(&learner, &author, &quest).await;
    let all: String = open.iter().map(|(_, seen)| seen.as_str()).collect();
    for visible in ["content-to-see", "example.org/material", "metadata-to-see", "\"task\":{"] {
        assert!(all.contains(visible), "{visible} is to be seen once open");
    }
    for (path, seen) in open {
        clean(&path, &seen);
    }
    let reply = learner.post(&format!("{}/attempt", path_of(&quest)), json!({})).await;
    clean("the start", &reply.text);
    let attempt = reply.expect(201);
    let done = learner.complete(&attempt, &attempt["steps"][0], json!({"text": "mine"})).await;
    clean("the completion", &done.text);
    done.expect(200);
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    try_everything(&learner, &attempt, &grader).await;
    for (path, seen) in everything(&learner, &author, &quest).await {
        clean(&path, &seen);
    }
    // A passed quiz shows no more than a failed one.
    let passed = learner
        .complete(
            &attempt,
            &attempt["steps"][1],
            json!({"answers": {"q1": "canary-text", "q2": "o1", "q3": true, "q6": ["o2"]}}),
        )
        .await;
    assert_eq!(passed.json()["step"]["status"], "Completed", "{}", passed.text);
    let own_words = passed.text.replace("canary-text", "");
    clean("the passed quiz", &own_words);
    let events = rows(&pool, "SELECT data FROM outbox_events").await;
    assert!(events.len() > 5);
    clean("the events", &json!(events).to_string());
    let own = format!("SELECT 1 AS one FROM outbox_events WHERE auth_user_id = '{}'", learner.id);
    let stream = Stream::text_of(&learner, rows(&pool, &own).await.len()).await;
    assert!(stream.contains("StepCompleted"), "{stream}");
    clean("the stream", &stream);
    // Graders judge what was handed in; keys of other steps are no part of it.
    clean("the queue of reviews", &author.get("/v1/step-reviews").await.text.replace("\"accept\":[{", ""));
}

#[tokio::test]
async fn a_retired_or_deactivated_step_keeps_its_key_too() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = guarded(&author).await;
    learner.attempt(&quest).await;
    let steps = author.all(&format!("{}/steps", path_of(&quest))).await;
    let at = format!("{}/steps/{}", path_of(&quest), text(&steps[1]["id"]));
    author.post(&format!("{at}/retire"), json!({})).await.expect(200);
    author.patch(&path_of(&quest), json!({"isActive": false})).await.expect(200);
    clean("the retired step", &learner.get(&at).await.text);
    for (path, seen) in everything(&learner, &author, &quest).await {
        clean(&path, &seen);
    }
}

#[tokio::test]
async fn no_line_of_the_log_holds_a_key() {
    let pool = database().await;
    let log = std::env::temp_dir().join(format!("quests-secrecy-{}.log", Uuid::new_v4()));
    let service = Process::start_logging(&pool, "", "unused", Some(&log)).await;
    let author = service.client_as(Uuid::new_v4(), &["Verified Lecturer"]);
    let learner = service.client_as(Uuid::new_v4(), &["Player"]);
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let quest = guarded(&author).await;
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    try_everything(&learner, &attempt, &grader).await;
    // Criteria that somebody has broken behind the service's back are logged, without what they hold.
    let broken = "UPDATE quest_steps SET validation_criteria = validation_criteria || '{\"v\": 9}' WHERE step_type IN ('Quiz', 'Coding')";
    crate::harness::execute(&pool, broken.to_owned()).await;
    learner
        .complete(&attempt, &attempt["steps"][1], json!({"answers": {}}))
        .await
        .problem(409, "validation_not_available");
    service.kill().await;
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(lines.contains("stored criteria do not parse") && lines.lines().count() > 50, "{lines}");
    for line in lines.lines() {
        // SQL names columns, and no values.
        let line = line.replace("validation_criteria", "").replace("requiredTests", "");
        clean("a line of the log", &line);
    }
}

#[tokio::test]
async fn neither_logs_nor_spans_hold_tokens_names_or_what_somebody_wrote() {
    let pool = database().await;
    let log = std::env::temp_dir().join(format!("quests-canaries-{}.log", Uuid::new_v4()));
    let (users, collector) = (Users::start().await, Collector::start().await);
    let args = [collector.setting(), format!("--user-service-url={}", users.base)];
    let service = Process::start_with(&pool, "", "unused", Some(&log), &args).await;
    let author = service.client_as(Uuid::new_v4(), &["Verified Lecturer"]);
    let learner = service.client_as(Uuid::new_v4(), &["Player"]);
    let quest = author.quest("canary-title", 2, 10).await;
    let attempt = learner.attempt(&quest).await;
    learner.get(&path_of(&quest)).await.expect(200);
    learner.get("/v1/search?q=canary-query").await;
    let refused = learner.get("/v1/quests?q=canary-query&unknown=canary-query").await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    let path = format!("/v1/attempts/{}", text(&attempt["id"]));
    learner.patch(&path, json!({"notes": "canary-notes"})).await.expect(200);
    learner.complete(&attempt, &attempt["steps"][0], json!({"text": "canary-work"})).await.expect(200);
    // What cannot be read, what the database refuses, and whose token is none.
    learner.patch(&path, json!({"notes": {"canary-notes": "canary-notes"}})).await;
    learner.patch(&path, json!({"notes": "canary\u{0}notes"})).await;
    learner.patch(&path, json!("canary-body")).await;
    learner
        .post(&format!("{}/feedback", path_of(&quest)), json!({"rating": "canary-rating", "comment": "canary-comment"}))
        .await;
    let stranger = Client { token: Some("canary-token.canary-token.canary-token".to_owned()), ..learner.clone() };
    stranger.get("/v1/me").await.problem(401, "unauthorized");
    stranger.get("/v1/me/events?ticket=canary-ticket").await;
    // Their profile has their name and address.
    learner.get("/v1/me").await.expect(200);
    assert!(users.calls() > 0);
    users.behaves(Mode::WrongJson);
    service.client_as(Uuid::new_v4(), &["Player"]).get("/v1/me").await.expect(200);
    collector.until_any("GET user service user").await;
    service.kill().await;
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(lines.lines().count() > 100);
    let spans = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(spans.contains("events:enqueue") && spans.contains("/v1/attempts/{id}"), "{spans}");
    let token = learner.token.unwrap();
    for secret in ["canary", "Lena", "lena@", token.rsplit('.').next().unwrap(), "quests-development-secret"] {
        if let Some(line) = lines.lines().find(|line| line.contains(secret)) {
            panic!("a line of the log holds {secret}: {line}");
        }
        assert!(!spans.contains(secret), "a span holds {secret}");
    }
}
