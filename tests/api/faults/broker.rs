//! The broker goes down and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rand::RngExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::ledger;
use super::node::Node;
use crate::admin::until_done;
use crate::harness::broker::Consumer;
use crate::harness::{Client, Service, Setup, database, rounds, text, token, verify};

/// One learner after the other completes the quest; every answer must be a good one.
async fn load(mut learner: Client, quest: Value, stop: Arc<AtomicBool>, finished: Arc<AtomicUsize>) {
    while !stop.load(Ordering::Relaxed) {
        learner.id = Uuid::new_v4();
        learner.token = Some(token(learner.id, &["Player"]));
        learner.finish(&quest).await;
        finished.fetch_add(1, Ordering::Relaxed);
        let breath = Duration::from_millis(rand::rng().random_range(400..1_000));
        tokio::time::sleep(breath).await;
    }
}

/// Asks until the service, which is ready all the time, says this about the broker.
async fn until_broker_is(anonymous: &Client, state: &str) {
    let asked = async {
        while anonymous.get("/readyz").await.expect(200)["broker"] != state {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answered = tokio::time::timeout(Duration::from_secs(30), asked).await;
    assert!(answered.is_ok(), "the broker is never {state}");
}

#[tokio::test]
async fn a_broker_restart_under_load_loses_no_event_and_fails_no_request() {
    let pool = database().await;
    let node = Node::start().await;
    let args = ["--amqp-retry-max-ms=500", "--amqp-timeout-ms=2000"].map(str::to_owned).to_vec();
    let setup = Setup { amqp_url: Some(node.url.clone()), args, ..Setup::default() };
    let exchange = setup.exchange.clone();
    let mut consumers = vec![Consumer::start(&node.url, &exchange).await];
    let ledger = ledger::Consumer::start(&pool, &node.url, &exchange).await;
    let service = Service::start_with(&pool, setup).await;
    let quest = service.author().quest("Restart", 3, 30).await;
    let anonymous = service.anonymous();
    let (stop, finished) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut learners = JoinSet::new();
    for _ in 0..3 {
        learners.spawn(load(service.learner(), quest.clone(), stop.clone(), finished.clone()));
    }
    // A memory alarm blocks whoever publishes, without a word; then it closes every connection.
    until_broker_is(&anonymous, "up").await;
    node.control(&["set_vm_memory_high_watermark", "0.000001"]).await;
    until_broker_is(&anonymous, "down").await;
    let before = finished.load(Ordering::Relaxed);
    while finished.load(Ordering::Relaxed) == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.control(&["set_vm_memory_high_watermark", "0.4"]).await;
    until_broker_is(&anonymous, "up").await;
    node.control(&["close_all_connections", "maintenance"]).await;
    consumers.push(Consumer::start(&node.url, &exchange).await);
    for round in 0..rounds(5, 30) {
        until_broker_is(&anonymous, "up").await;
        let moment = Duration::from_micros(rand::rng().random_range(0..300_000));
        tokio::time::sleep(moment).await;
        node.stop(round % 2 == 1).await;
        until_broker_is(&anonymous, "down").await;
        let before = finished.load(Ordering::Relaxed);
        node.start_again().await;
        assert!(finished.load(Ordering::Relaxed) > before, "nobody got on while the broker was away");
        consumers.push(Consumer::start(&node.url, &exchange).await);
        if let Some(ended) = learners.try_join_next() {
            ended.unwrap();
            panic!("a learner stopped early");
        }
    }
    until_broker_is(&anonymous, "up").await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = learners.join_next().await {
        ended.unwrap();
    }
    ledger.until_all_arrived().await;
    ledger.equals_the_database().await;
    // What the broker will not have as a message ends its replay.
    node.control(&["eval", "application:set_env(rabbit, max_message_size, 64)."]).await;
    node.control(&["close_all_connections", "maintenance"]).await;
    let admin = service.client_as(Uuid::new_v4(), &["Game Master"]);
    let all = json!({"from": "2026-09-01T00:00:00Z", "to": "2026-09-02T00:00:00Z"});
    let asked = admin.post("/v1/admin/events/replay", all).await;
    let replay = until_done(&admin, asked.header("location").unwrap()).await;
    assert_eq!((&replay["status"], &replay["sent"]), (&json!("failed"), &json!(0)), "{replay}");
    assert!(text(&replay["failedReason"]).contains("message size"), "{replay}");
    consumers.iter().for_each(Consumer::keeps_the_contract);
    verify(&pool).await;
    service.stop().await;
}
