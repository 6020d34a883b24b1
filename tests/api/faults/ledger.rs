//! The consumer's ledger against the database, and what was acknowledged against the database.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use quests::outbox::connect;
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::consumer::{begin, consume, handle};
use crate::harness::broker::Received;
use crate::harness::{execute, rows, text, wider};

/// The consumer's tables are no part of a test's database.
const CLEAN: &str = "DROP SCHEMA IF EXISTS consumer CASCADE";

/// What the service said 2xx to.
#[derive(Debug, Default, Clone)]
pub struct Acknowledged {
    pub quests: BTreeSet<String>,
    pub attempts: BTreeSet<String>,
    /// Attempt and step.
    pub steps: BTreeSet<(String, String)>,
}

impl Acknowledged {
    pub fn extend(&mut self, other: Self) {
        self.quests.extend(other.quests);
        self.attempts.extend(other.attempts);
        self.steps.extend(other.steps);
    }

    /// All of it is in the database.
    pub async fn is_kept(&self, pool: &PgPool) {
        let ids = |rows: Vec<Value>| rows.iter().map(|row| text(&row["id"]).to_owned()).collect::<BTreeSet<_>>();
        let quests = ids(rows(pool, "SELECT id FROM quests").await);
        assert_eq!(self.quests.difference(&quests).count(), 0, "acknowledged quests are lost");
        let attempts = ids(rows(pool, "SELECT id FROM user_quest_attempts").await);
        assert_eq!(self.attempts.difference(&attempts).count(), 0, "acknowledged attempts are lost");
        let sql = "SELECT attempt_id, step_id FROM user_quest_step_progress WHERE status = 'Completed'";
        let steps = rows(pool, sql).await;
        let steps: BTreeSet<(String, String)> =
            steps.iter().map(|row| (text(&row["attempt_id"]).to_owned(), text(&row["step_id"]).to_owned())).collect();
        assert_eq!(self.steps.difference(&steps).count(), 0, "acknowledged completions are lost");
    }
}

/// Waits until the log is published and `received` has as many events as it; panics when nothing has
/// moved for a minute. How long the backlog takes is the machine's affair.
pub async fn until_all_arrived(pool: &PgPool, received: impl Fn() -> Vec<Received>) {
    let (mut last, mut moved) = ((0, 0), Instant::now());
    loop {
        let sql = "SELECT count(*) AS events, count(published_at) AS published FROM outbox_events";
        let counts = &rows(pool, sql).await[0];
        let published = counts["published"].as_u64().unwrap();
        // Looking through all that was received is worth it only once all was sent.
        let arrived = if counts["events"] == published { once(&received()).len() } else { 0 };
        if counts["events"] == arrived {
            return;
        }
        if (published, arrived) != last {
            (last, moved) = ((published, arrived), Instant::now());
        }
        assert!(moved.elapsed() < Duration::from_mins(1), "the log says {counts}, {arrived} arrived");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The first message of each event id, in the order of arrival.
fn once(received: &[Received]) -> Vec<&Received> {
    let mut seen = HashSet::new();
    received.iter().filter(|message| seen.insert(text(&message.body["id"]).to_owned())).collect()
}

/// What the consumer of `examples/` makes of these messages equals the database.
pub async fn equals_the_database(pool: &PgPool, received: &[Received]) {
    execute(pool, CLEAN.to_owned()).await;
    begin(pool).await.unwrap();
    for message in received {
        handle(pool, serde_json::from_value(message.body.clone()).unwrap()).await.unwrap();
    }
    ledger_equals_the_database(pool).await;
}

/// The ledger has the events of the database, all of them and no others, each learner's in order without gaps,
/// each of them marked as published, and its points are what was granted. Then the ledger goes.
async fn ledger_equals_the_database(pool: &PgPool) {
    let ledger = rows(pool, "SELECT event_id AS id, learner, learner_seq, type FROM consumer.ledger ORDER BY 1").await;
    let logged = "SELECT id, auth_user_id AS learner, learner_seq, event_type AS type FROM outbox_events ORDER BY 1";
    let logged = rows(pool, logged).await;
    assert!(!logged.is_empty());
    assert!(ledger == logged, "{} events arrived, {} are in the log", ledger.len(), logged.len());
    let stuck = "SELECT id FROM outbox_events WHERE published_at IS NULL OR parked_at IS NOT NULL";
    assert_eq!(rows(pool, stuck).await, Vec::<Value>::new());

    let order = "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY learner ORDER BY position) AS place FROM consumer.ledger) AS entry
                 WHERE place <> learner_seq";
    assert_eq!(rows(pool, order).await, Vec::<Value>::new(), "out of order");
    let last = "SELECT auth_user_id, event_seq, entries FROM learners
                LEFT JOIN (SELECT learner, count(*) AS entries FROM consumer.ledger GROUP BY learner) AS its ON learner = auth_user_id
                WHERE event_seq <> coalesce(entries, 0)";
    assert_eq!(rows(pool, last).await, Vec::<Value>::new(), "events are missing");
    let granted = "SELECT auth_user_id AS learner, sum(points)::bigint AS points FROM reward_grants WHERE kind = 'XP'
                   GROUP BY auth_user_id ORDER BY 1";
    let paid = "SELECT learner, points FROM consumer.points ORDER BY 1";
    assert_eq!(rows(pool, paid).await, rows(pool, granted).await, "points are not what was granted");
    execute(pool, CLEAN.to_owned()).await;
}

/// The consumer of `examples/`, at work on a queue of its own; its ledger is in the test's database.
pub struct Consumer {
    pool: PgPool,
    work: JoinHandle<()>,
}

impl Consumer {
    /// Binds its queue before this returns: nothing that is published from now on misses it.
    pub async fn start(pool: &PgPool, url: &str, exchange: &str) -> Self {
        execute(pool, CLEAN.to_owned()).await;
        begin(pool).await.unwrap();
        let queue = format!("{exchange}.consumer");
        let connection = connect(url, "test").await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
        let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.as_str().into(), exchange.into(), "quests.#".into(), bind, none).await.unwrap();
        connection.close(200, "done".into()).await.unwrap();
        let wide = wider(pool, 2).await;
        let (url, exchange) = (url.to_owned(), exchange.to_owned());
        let work = tokio::spawn(async move {
            loop {
                // It ends with an error when the broker goes, and begins anew.
                consume(&wide, &url, &exchange, &queue).await.expect_err("it does not end by itself");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { pool: pool.clone(), work }
    }

    /// Waits until the log is published and all of it is in the ledger; panics when nothing has moved for a
    /// minute. How long the backlog takes is the machine's affair.
    pub async fn until_all_arrived(&self) {
        let (mut last, mut moved) = (Value::Null, Instant::now());
        loop {
            assert!(!self.work.is_finished(), "the consumer has died");
            let sql = "SELECT count(*) AS events, count(published_at) AS published,
                              (SELECT count(*) FROM consumer.ledger) AS arrived FROM outbox_events";
            let counts = rows(&self.pool, sql).await.remove(0);
            if counts["events"] == counts["published"] && counts["events"] == counts["arrived"] {
                return;
            }
            if counts != last {
                (last, moved) = (counts.clone(), Instant::now());
            }
            assert!(moved.elapsed() < Duration::from_mins(1), "the ledger does not catch up: {counts}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fails unless its ledger equals the database.
    pub async fn equals_the_database(self) {
        self.work.abort();
        ledger_equals_the_database(&self.pool).await;
    }
}
