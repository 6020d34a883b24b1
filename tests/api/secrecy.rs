//! Answer keys and hidden tests never reach a learner.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Client, Service, path_of, rows, step, text};

/// Stands in every place that only authors may see.
const CANARY: &str = "canary";

#[track_caller]
fn clean(what: &str, seen: &str) {
    for secret in [
        CANARY,
        "validationCriteria",
        "validation_criteria",
        "requiredTests",
        "\"correct\"",
        "\"accept\":[\"",
        "\"pairs\"",
        "tolerance",
        "\"scoring\"",
    ] {
        assert!(!seen.contains(secret), "{what} shows {secret}: {seen}");
    }
}

/// A quest with a mandatory step and, optional, one of each kind with a key.
async fn guarded(author: &Client) -> Value {
    let quest = author.draft("Guarded", 10).await;
    author.step(&quest, step("Plain")).await;
    let options = json!([{"id": "o1", "text": "one"}, {"id": "o2", "text": "two"}]);
    let item = |id: &str, kind: &str, extra: Value| {
        let mut item = json!({"id": id, "kind": kind, "prompt": "?", "points": 1});
        item.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        item
    };
    let hidden = json!([{"id": "o1", "text": "one"}, {"id": "o2", "text": "two"}]);
    let quiz = json!({"v": 1, "type": "Quiz", "minPercent": 50, "items": [
        item("q1", "shortText", json!({"accept": ["canary-text"], "normalize": ["trim"]})),
        item("q2", "singleChoice", json!({"options": options, "correct": "o1"})),
        item("q3", "trueFalse", json!({"correct": true})),
        item("q4", "numeric", json!({"value": 31.416, "tolerance": {"abs": 0.1}})),
        item("q5", "matching", json!({"left": hidden, "right": options, "pairs": {"o1": "o2", "o2": "o1"}})),
        item("q6", "multipleChoice", json!({"options": options, "correct": ["o2"], "scoring": {"rule": "map", "map": {"o1": -1, "o2": 1}, "lower": 0, "upper": 1}})),
    ]});
    let coding = json!({"v": 1, "type": "Coding", "minTestsPassedPercent": 100, "requiredTests": ["canary-test"],
        "grader": {"ref": "event-service", "problemId": "11111111-1111-4111-8111-000000000007"}});
    for criteria in [quiz, coding] {
        let mut guarded = step(text(&criteria["type"]));
        guarded["stepType"] = criteria["type"].clone();
        guarded["isOptional"] = json!(true);
        guarded["content"] = json!({"body": "content-to-see"});
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
    paths.extend(["/v1/quests", "/v1/quests?q=canary", "/v1/me/attempts"].map(str::to_owned));
    let mut seen = Vec::new();
    for path in paths {
        let reply = learner.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        seen.push((path, reply.text));
    }
    seen
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_learner_never_sees_a_key_on_any_channel(pool: PgPool) {
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = guarded(&author).await;
    let gate = author.quest("Gate", 1, 0).await;
    author.needs(&quest, &[&gate]).await.expect(200);
    let shown = author.get(&format!("{}/steps", path_of(&quest))).await.text;
    assert!(shown.contains("canary-text") && shown.contains("canary-test"), "authors see them: {shown}");

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
    for (index, wrong) in [(1, json!({"answers": {"q1": "x"}})), (1, json!({"answers": 1})), (2, json!({}))] {
        let reply = learner.complete(&attempt, &attempt["steps"][index], wrong).await;
        clean("the refusal", &reply.text);
        assert!(reply.status.is_client_error() || reply.status.is_success(), "{}", reply.text);
    }
    for verb in ["start", "skip"] {
        let path =
            format!("/v1/attempts/{}/steps/{}/{verb}", text(&attempt["id"]), text(&attempt["steps"][1]["stepId"]));
        clean(verb, &learner.post(&path, json!({})).await.text);
    }
    clean("the attempt", &learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.text);
    for (path, seen) in everything(&learner, &author, &quest).await {
        clean(&path, &seen);
    }
    let events = rows(&pool, "SELECT data FROM outbox_events").await;
    assert!(events.len() > 5);
    clean("the events", &json!(events).to_string());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_retired_or_deactivated_step_keeps_its_key_too(pool: PgPool) {
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
