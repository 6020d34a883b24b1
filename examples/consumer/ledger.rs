//! A consumer of events that counts each of them once: its ledger is keyed by the event's id.

#![allow(clippy::disallowed_methods, reason = "tables of its own, which the service's checked queries do not know")]

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, Consumer};
use serde::Deserialize;
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;

/// How long the broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
const TABLES: &str = "CREATE SCHEMA IF NOT EXISTS consumer;
    CREATE TABLE IF NOT EXISTS consumer.ledger (event_id UUID PRIMARY KEY, learner UUID NOT NULL,
        learner_seq BIGINT NOT NULL, type TEXT NOT NULL, position BIGINT GENERATED ALWAYS AS IDENTITY);
    CREATE TABLE IF NOT EXISTS consumer.points (learner UUID PRIMARY KEY, points BIGINT NOT NULL)";
/// Enters the event and applies its effect, both or neither; nothing if the event is known.
const ENTER: &str = "WITH entry AS (
        INSERT INTO consumer.ledger VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING learner)
    INSERT INTO consumer.points AS mine SELECT learner, $5 FROM entry WHERE $4 = 'XPGranted' AND $5 IS NOT NULL
    ON CONFLICT (learner) DO UPDATE SET points = mine.points + EXCLUDED.points";

/// What this consumer needs of an event; it ignores the rest, also fields that are yet to come.
#[derive(Deserialize)]
pub struct Event {
    id: Uuid,
    r#type: String,
    subject: Uuid,
    learnerseq: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    points: Option<i64>,
}

/// Makes the ledger, unless it is there.
pub async fn begin(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(TABLES).execute(pool).await.map(|_| ())
}

/// Takes messages until the connection breaks. The effect is committed before the message is acknowledged, so a crash
/// in between brings the message again, and the ledger knows it. A broker that says nothing is given up: lapin may
/// wait for it for ever.
pub async fn consume(pool: &PgPool, url: &str, exchange: &str, queue: &str) -> Result<(), Box<dyn std::error::Error>> {
    begin(pool).await?;
    let (connection, mut deliveries) = timeout(PATIENCE, open(url, exchange, queue)).await??;
    let channel = timeout(PATIENCE, connection.create_channel()).await??;
    let ask = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    loop {
        let Ok(next) = timeout(PATIENCE, deliveries.next()).await else {
            // Nothing to do, or a connection that has died without a word?
            timeout(PATIENCE, channel.queue_declare(queue.into(), ask, FieldTable::default())).await??;
            continue;
        };
        let delivery = next.ok_or("the broker has gone")??;
        if let Ok(event) = serde_json::from_slice(&delivery.data) {
            handle(pool, event).await?;
            timeout(PATIENCE, delivery.ack(BasicAckOptions::default())).await??;
        } else {
            // It would come back for ever: the queue's dead-letter exchange may have it.
            timeout(PATIENCE, delivery.reject(BasicRejectOptions { requeue: false })).await??;
        }
    }
}

/// Connects, and binds a queue that outlives the connection.
async fn open(url: &str, exchange: &str, queue: &str) -> lapin::Result<(Connection, Consumer)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
    let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), "quests.#".into(), bind, none).await?;
    channel.basic_qos(100, BasicQosOptions::default()).await?;
    let consume = BasicConsumeOptions::default();
    let deliveries = channel.basic_consume(queue.into(), "".into(), consume, FieldTable::default()).await?;
    Ok((connection, deliveries))
}

/// Counts an event, unless it was counted before.
pub async fn handle(pool: &PgPool, event: Event) -> Result<(), sqlx::Error> {
    let entry = sqlx::query(ENTER).bind(event.id).bind(event.subject).bind(event.learnerseq).bind(event.r#type);
    entry.bind(event.data.points).execute(pool).await.map(|_| ())
}
