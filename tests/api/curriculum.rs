//! The main job, whole: a curriculum is built through the API, and a learner completes all of it
//! while a consumer collects the queue.

use std::collections::{BTreeMap, BTreeSet};

use quests::config::DEVELOPMENT_SECRET;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::broker::Consumer;
use crate::harness::{Client, Service, Setup, amqp_url, database, path_of, rows, step, text, verify};

/// Quest ids, each with what it needs.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// What fits every criterion that the learner can meet.
fn claim(kind: &str) -> Value {
    match kind {
        "Reading" => json!({"acknowledged": true, "seconds": 3600}),
        "Video" => json!({"watchedPercent": 100}),
        "Interactive" => json!({"completed": true, "passed": true, "score": 1}),
        "Discussion" => json!({"posts": 20, "replies": 20, "text": "word ".repeat(400)}),
        "Reflection" => json!({"text": "word ".repeat(400)}),
        _ => json!({"text": "Here it is."}),
    }
}

async fn open_quests(learner: &Client) -> BTreeSet<String> {
    let quests = learner.all("/v1/quests").await;
    let open = quests.iter().filter(|quest| quest["my"]["availability"] == "available");
    open.map(|quest| text(&quest["id"]).to_owned()).collect()
}

/// Completes every quest; after each one exactly those are open whose prerequisites are done.
async fn walk(service: &Service, learner: &Client, graph: &Graph) -> i64 {
    let mut done = BTreeSet::new();
    let mut announced = BTreeSet::new();
    let mut earned = 0;
    while done.len() < graph.len() {
        let open = open_quests(learner).await;
        let expected: BTreeSet<String> =
            graph.iter().filter(|(_, needs)| needs.is_subset(&done)).map(|(id, _)| id.clone()).collect();
        assert_eq!(open, expected);
        if let Some(locked) = graph.keys().find(|id| !open.contains(*id)) {
            learner.post(&format!("/v1/quests/{locked}/attempt"), json!({})).await.problem(409, "quest_locked");
        }
        let next = open.iter().find(|id| !done.contains(*id)).expect("something is open").clone();
        let attempt = learner.post(&format!("/v1/quests/{next}/attempt"), json!({})).await.expect(201);
        let mut last = Value::Null;
        for step in attempt["steps"].as_array().unwrap() {
            let at =
                |verb: &str| format!("/v1/attempts/{}/steps/{}/{verb}", text(&attempt["id"]), text(&step["stepId"]));
            if step["isOptional"] == json!(true) {
                continue;
            }
            learner.post(&at("start"), json!({})).await.expect(200);
            service.wait(3600);
            last = learner.complete(&attempt, step, claim(text(&step["stepType"]))).await.expect(200);
        }
        assert_eq!(last["attempt"]["status"], "Completed");
        earned += last["attempt"]["totalExperienceEarned"].as_i64().unwrap();
        done.insert(next);
        for quest in last["unlocked"].as_array().unwrap() {
            assert!(announced.insert(text(&quest["questId"]).to_owned()), "announced twice: {quest}");
        }
    }
    let gated: BTreeSet<String> =
        graph.iter().filter(|(_, needs)| !needs.is_empty()).map(|(id, _)| id.clone()).collect();
    assert_eq!(announced, gated);
    earned
}

/// The queue, the attempts and the database tell the same story.
async fn compare(pool: &PgPool, consumer: &Consumer, learner: &Client, earned: i64) {
    let logged = rows(pool, "SELECT count(*) AS n FROM outbox_events").await[0]["n"].as_u64().unwrap();
    consumer.until("all events", |events| events.len() as u64 >= logged).await;
    let events = consumer.once();
    assert_eq!(events.len() as u64, logged);
    assert_eq!(consumer.all().len(), events.len(), "ids are unique");
    let own: Vec<&Value> =
        events.iter().map(|event| &event.body).filter(|body| body["subject"] == json!(learner.id)).collect();
    for (index, body) in own.iter().enumerate() {
        assert_eq!(body["learnerseq"], json!(index + 1), "in order, without gaps");
    }
    let paid: i64 = own
        .iter()
        .filter(|body| body["type"] == "XPGranted")
        .map(|body| body["data"]["points"].as_i64().unwrap())
        .sum();
    let granted =
        rows(pool, "SELECT sum(points) AS n FROM reward_grants WHERE kind = 'XP'").await[0]["n"].as_i64().unwrap();
    let attempts: i64 = learner
        .all("/v1/me/attempts")
        .await
        .iter()
        .map(|attempt| attempt["totalExperienceEarned"].as_i64().unwrap())
        .sum();
    assert_eq!((paid, granted, attempts), (earned, earned, earned));
    verify(pool).await;
}

async fn with_broker(pool: &PgPool) -> (Service, Consumer) {
    let setup = Setup { amqp_url: Some(amqp_url()), ..Setup::default() };
    let consumer = Consumer::start(&amqp_url(), &setup.exchange).await;
    (Service::start_with(pool, setup).await, consumer)
}

/// Loads the demo, as `quests seed` does.
pub async fn seed(pool: &PgPool, service: &Service) {
    let db = quests::db::Db::new(pool.clone());
    quests::commands::files::seed_demo(&db, &service.clock, &content_limits()).await.unwrap();
}

pub fn content_limits() -> quests::config::ContentLimits {
    crate::harness::config(&[
        "--database-url=postgres://localhost/x".into(),
        format!("--jwt-secret={DEVELOPMENT_SECRET}"),
        "--jwt-issuer=x".into(),
    ])
    .content
}

#[tokio::test]
async fn a_learner_completes_the_demo_curriculum() {
    let pool = database().await;
    let (service, consumer) = with_broker(&pool).await;
    seed(&pool, &service).await;
    let learner = service.learner();
    let path = learner.get("/v1/learning-paths").await.expect(200)["items"][0].clone();
    let listed = service.author().all(&format!("/v1/learning-paths/{}/quests", text(&path["id"]))).await;
    let mut graph = Graph::new();
    for quest in learner.all("/v1/quests").await {
        let needed = learner.all(&format!("{}/prerequisites", path_of(&quest))).await;
        let mut needs: BTreeSet<String> = needed.iter().map(|quest| text(&quest["questId"]).to_owned()).collect();
        // The final project needs its quests by criteria.
        let place = listed.iter().find(|place| place["questId"] == quest["id"]).unwrap();
        if place["unlockCriteria"]["when"]["op"] == "all" {
            let of = place["unlockCriteria"]["when"]["of"].as_array().unwrap();
            needs.extend(of.iter().filter_map(|each| each["questId"].as_str()).map(str::to_owned));
        }
        graph.insert(text(&quest["id"]).to_owned(), needs);
    }
    assert_eq!(graph.values().filter(|needs| needs.is_empty()).count(), 1);
    assert!(graph.len() >= 10 && graph.values().any(|needs| needs.len() > 1));
    let earned = walk(&service, &learner, &graph).await;
    compare(&pool, &consumer, &learner, earned).await;
    let exchange = service.exchange.clone();
    service.stop().await;
    consumer.remove(&exchange).await;
}

/// The codes that a prerequisite text asks for, as far as they are the programme's: all of a list,
/// and of an "or" the one that is known. What is left over is given back as it stands.
fn resolve(prose: &str, known: &BTreeSet<String>) -> (BTreeSet<String>, Option<String>) {
    let mut needed = BTreeSet::new();
    let mut resolved = true;
    let without_asides = prose.split('(').next().unwrap_or_default();
    for part in without_asides.split(',') {
        let words: Vec<&str> = part.split_whitespace().filter(|word| *word != "Pass" && *word != "or").collect();
        let codes: Vec<&&str> = words.iter().filter(|word| known.contains(**word)).collect();
        let looks_like_codes =
            words.iter().all(|word| word.chars().any(|c| c.is_ascii_digit()) && word.len() <= 9 && !word.contains('%'));
        match codes.as_slice() {
            [code] if looks_like_codes => needed.insert((**code).to_owned()),
            _ => {
                resolved = false;
                false
            }
        };
    }
    (needed, (!resolved).then(|| prose.to_owned()))
}

#[tokio::test]
async fn a_learner_completes_a_real_programme_of_48_subjects() {
    let pool = database().await;
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/curriculum/BIT_SE_K19D_K20A.json");
    let Ok(file) = std::fs::read_to_string(&file) else {
        eprintln!("SKIPPED: the real programme is not on this machine; the demo curriculum is walked all the same");
        return;
    };
    let programme: Value = serde_json::from_str(&file).unwrap();
    let subjects = programme["subjects"].as_array().unwrap();
    assert_eq!(subjects.len(), 48);
    let (service, consumer) = with_broker(&pool).await;
    let (author, learner) = (service.author(), service.learner());

    let known: BTreeSet<String> = subjects.iter().map(|subject| text(&subject["code"]).to_owned()).collect();
    let mut quests = BTreeMap::new();
    for subject in subjects {
        let code = text(&subject["code"]);
        let quest = json!({
            "title": format!("{code} {}", text(&subject["name"])), "description": format!("Semester {}", subject["semester"]),
            "questType": "Exploration", "difficultyLevel": "Intermediate", "experiencePointsReward": 100, "skillTags": [code],
        });
        let quest = author.post("/v1/quests", quest).await.expect(201);
        for credit in 1..=subject["credits"].as_i64().unwrap().max(1) {
            author.step(&quest, step(&format!("{code}, credit {credit}"))).await;
        }
        quests.insert(code.to_owned(), quest);
    }
    let mut graph = Graph::new();
    let mut unresolved = Vec::new();
    for subject in subjects {
        let code = text(&subject["code"]);
        let quest = &quests[code];
        let (needed, left_over) =
            subject["prerequisites"].as_str().map_or_else(Default::default, |prose| resolve(prose, &known));
        if let Some(prose) = left_over {
            eprintln!("not resolved: {code}: {prose}");
            unresolved.push(code);
        }
        let needed: Vec<&Value> = needed.iter().map(|code| &quests[code]).collect();
        author.needs(quest, &needed).await.expect(200);
        author.patch(&path_of(quest), json!({"isActive": true})).await.expect(200);
        let needed = needed.iter().map(|quest| text(&quest["id"]).to_owned()).collect();
        graph.insert(text(&quest["id"]).to_owned(), needed);
    }
    assert_eq!(unresolved, ["OJT202"], "prose about credits is no code");
    assert_eq!(graph.values().map(BTreeSet::len).sum::<usize>(), 23);

    let earned = walk(&service, &learner, &graph).await;
    let credits: i64 = subjects.iter().map(|subject| subject["credits"].as_i64().unwrap().max(1)).sum();
    assert_eq!(earned, 48 * 100 + credits * 10);
    compare(&pool, &consumer, &learner, earned).await;
    let exchange = service.exchange.clone();
    service.stop().await;
    consumer.remove(&exchange).await;
}
