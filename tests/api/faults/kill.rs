//! `kill -9` of the service.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::gate::Gate;
use super::ledger::{self, Acknowledged};
use crate::harness::broker::Consumer;
use crate::harness::process::Process;
use crate::harness::{Client, amqp_url, database, path_of, rounds, rows, text, token, verify};

const AT_ONCE: usize = 8;

/// Completes a quest for as long as the service answers; true if it got to the end.
pub async fn finish(learner: &Client, quest: &Value, acknowledged: &mut Acknowledged, completions: &Semaphore) -> bool {
    let post = async |path: String| {
        let reply = learner.try_send(reqwest::Method::POST, &path, &[], Some(&json!({}))).await.ok()?;
        assert!(reply.status.is_success(), "{path}: {} {}", reply.status, reply.text);
        Some(reply.json())
    };
    let Some(attempt) = post(format!("{}/attempt", path_of(quest))).await else { return false };
    let id = text(&attempt["id"]).to_owned();
    acknowledged.attempts.insert(id.clone());
    for step in attempt["steps"].as_array().unwrap() {
        let step = text(&step["stepId"]).to_owned();
        if post(format!("/v1/attempts/{id}/steps/{step}/complete")).await.is_none() {
            return false;
        }
        acknowledged.steps.insert((id.clone(), step));
        completions.add_permits(1);
    }
    true
}

#[tokio::test]
async fn a_service_killed_between_commit_and_publish_loses_nothing() {
    let pool = database().await;
    let exchange = format!("test.{}", Uuid::new_v4());
    let consumer = Consumer::start(&amqp_url(), &exchange).await;
    let ledger = ledger::Consumer::start(&pool, &amqp_url(), &exchange).await;
    let service = Process::start(&pool, &amqp_url(), &exchange).await;
    let author = service.client_as(Uuid::new_v4(), &["Verified Lecturer"]);
    let (quest, next) = (author.quest("Crash", 3, 100).await, author.quest("Afterwards", 2, 20).await);
    author.needs(&next, &[&quest]).await.expect(200);
    service.kill().await;

    let mut acknowledged = Acknowledged::default();
    // Learners whom the death of the service interrupted; they go on at the next one.
    let mut interrupted: Vec<Uuid> = Vec::new();
    for round in 0..rounds(5, 30) {
        let stalled = round % 2 == 0;
        let gate = Gate::start(&amqp_url()).await;
        let service = Process::start(&pool, &gate.url, &exchange).await;
        service.until_broker_is_up().await;
        if stalled {
            gate.stall();
        }
        let completions = Arc::new(Semaphore::new(0));
        let mut load = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (quest, next, fresh) = (quest.clone(), next.clone(), completions.clone());
            let resumed = interrupted.pop();
            let mut learner = service.client_as(resumed.unwrap_or_else(Uuid::new_v4), &["Player"]);
            // What is said again of a completion from before the crash is no new event.
            let mut count = if resumed.is_some() { Arc::new(Semaphore::new(0)) } else { fresh.clone() };
            load.spawn(async move {
                let mut acknowledged = Acknowledged::default();
                while finish(&learner, &quest, &mut acknowledged, &count).await
                    && finish(&learner, &next, &mut acknowledged, &count).await
                {
                    count = fresh.clone();
                    learner.id = Uuid::new_v4();
                    learner.token = Some(token(learner.id, &["Player"]));
                }
                (learner.id, acknowledged)
            });
        }
        // Events are committed behind the closed gate, or on their way through the open one.
        completions.acquire_many(10).await.unwrap().forget();
        let moment = Duration::from_micros(rand::rng().random_range(0..400_000));
        tokio::time::sleep(moment).await;
        service.kill().await;
        while let Some(ended) = load.join_next().await {
            let (id, its) = ended.unwrap();
            acknowledged.extend(its);
            interrupted.push(id);
        }
        if stalled {
            let waiting = rows(&pool, "SELECT count(*) AS events FROM outbox_events WHERE published_at IS NULL").await;
            assert!(waiting[0]["events"].as_i64().unwrap() >= 10, "nothing was between commit and publish");
        }
        acknowledged.is_kept(&pool).await;
    }

    let service = Process::start(&pool, &amqp_url(), &exchange).await;
    for id in interrupted {
        let learner = service.client_as(id, &["Player"]);
        for quest in [&quest, &next] {
            assert!(finish(&learner, quest, &mut acknowledged, &Semaphore::new(0)).await);
        }
    }
    ledger.until_all_arrived().await;
    ledger.equals_the_database().await;
    acknowledged.is_kept(&pool).await;
    verify(&pool).await;
    service.kill().await;
    consumer.remove(&exchange).await;
}
