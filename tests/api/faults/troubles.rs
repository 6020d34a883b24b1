//! The broker is there, but not as it should be.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};
use quests::outbox::connect;
use serde_json::Value;
use sqlx::PgPool;

use super::gate::Gate;
use super::ledger::{equals_the_database, until_all_arrived};
use crate::harness::broker::Consumer;
use crate::harness::{Service, Setup, amqp_url, database, rows, verify};

async fn channel() -> (Connection, Channel) {
    let connection = connect(&amqp_url(), "test").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn unpublished(pool: &PgPool) -> usize {
    rows(pool, "SELECT 1 AS one FROM outbox_events WHERE published_at IS NULL").await.len()
}

/// Waits until all is published.
async fn until_resumed(pool: &PgPool) {
    let resumed = async {
        while unpublished(pool).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), resumed).await.is_ok(), "the relay has not resumed in 30 s");
}

#[tokio::test]
async fn whatever_is_wrong_at_the_broker_requests_go_on_and_the_relay_resumes() {
    let pool = database().await;
    let gate = Gate::start(&amqp_url()).await;
    let (_connection, admin) = channel().await;
    let args = ["--amqp-timeout-ms=1000", "--amqp-retry-max-ms=500"].map(str::to_owned).to_vec();
    let setup = Setup { amqp_url: Some(gate.url.clone()), args, ..Setup::default() };
    let exchange = setup.exchange.clone();
    // Somebody else has made our exchange, of another type.
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    admin
        .exchange_declare(exchange.as_str().into(), ExchangeKind::Direct, durable, FieldTable::default())
        .await
        .unwrap();
    let service = Service::start_with(&pool, setup).await;
    let author = service.author();
    let quest = author.quest("Trouble", 1, 10).await;
    let finish = async || service.learner().finish(&quest).await;

    finish().await;
    let ready = service.anonymous().get("/readyz").await.expect(200);
    assert_eq!(ready["broker"], "down", "{ready}");
    assert!(unpublished(&pool).await > 0);
    admin.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
    let consumer = Consumer::start(&amqp_url(), &exchange).await;
    until_resumed(&pool).await;
    // The relay may have been quicker than the consumer.
    let unrouted = format!("{exchange}.unrouted");
    republish(&admin, &unrouted, &exchange).await;

    // A queue that is full and refuses what is published.
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let greedy = format!("{exchange}.full");
    admin.queue_declare(greedy.as_str().into(), QueueDeclareOptions::default(), full).await.unwrap();
    let bind = QueueBindOptions::default();
    admin
        .queue_bind(greedy.as_str().into(), exchange.as_str().into(), "quests.#".into(), bind, FieldTable::default())
        .await
        .unwrap();
    finish().await;
    let refused = async {
        while service.anonymous().get("/readyz").await.expect(200)["broker"] != "down" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("what is refused is no success");
    assert!(unpublished(&pool).await > 0);
    finish().await;
    admin.queue_purge(greedy.as_str().into(), QueuePurgeOptions::default()).await.unwrap();
    admin.queue_delete(greedy.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    until_resumed(&pool).await;

    // The queue of what nobody wants is deleted, and nobody wants anything: it comes back.
    let unbind = FieldTable::default();
    admin
        .queue_unbind(format!("{exchange}.ledger").into(), exchange.as_str().into(), "quests.#".into(), unbind)
        .await
        .unwrap();
    admin.queue_delete(unrouted.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    finish().await;
    until_resumed(&pool).await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let waiting = admin.queue_declare(unrouted.as_str().into(), passive, FieldTable::default()).await.unwrap();
    assert!(waiting.message_count() > 0, "what was unrouted is kept");
    let bind = QueueBindOptions::default();
    admin
        .queue_bind(
            format!("{exchange}.ledger").into(),
            exchange.as_str().into(),
            "quests.#".into(),
            bind,
            FieldTable::default(),
        )
        .await
        .unwrap();
    admin
        .queue_bind(
            format!("{exchange}.ledger").into(),
            unrouted.as_str().into(),
            "".into(),
            bind,
            FieldTable::default(),
        )
        .await
        .unwrap();
    republish(&admin, &unrouted, &exchange).await;

    // The connection is half-open: nothing comes back any more, and no error either.
    gate.silence();
    finish().await;
    until_resumed(&pool).await;

    until_all_arrived(&pool, || consumer.all()).await;
    let mut received = consumer.all();
    received.sort_by_key(|message| message.body["learnerseq"].as_i64());
    equals_the_database(&pool, &received).await;
    verify(&pool).await;
    service.stop().await;
    consumer.remove(&exchange).await;
}

/// What an operator does with the queue of what nobody wanted: moves it to whom it was for.
async fn republish(admin: &Channel, unrouted: &str, exchange: &str) {
    use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions};
    while let Some(message) = admin.basic_get(unrouted.into(), BasicGetOptions::default()).await.unwrap() {
        let body: Value = serde_json::from_slice(&message.data).unwrap();
        assert_eq!(body["specversion"], "1.0");
        let key = message.routing_key.clone();
        let options = BasicPublishOptions::default();
        admin.basic_publish(exchange.into(), key, options, &message.data, message.properties.clone()).await.unwrap();
        message.acker.ack(BasicAckOptions::default()).await.unwrap();
    }
}
