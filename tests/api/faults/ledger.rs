//! The consumer's ledger against the database, and what was acknowledged against the database.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::PgPool;

use crate::harness::broker::Received;
use crate::harness::{rows, text};

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
pub fn once(received: &[Received]) -> Vec<&Received> {
    let mut seen = HashSet::new();
    received.iter().filter(|message| seen.insert(text(&message.body["id"]).to_owned())).collect()
}

/// The ledger has the events of the database, all of them and no others, each learner's in order
/// without gaps, and each of them is marked as published.
pub async fn equals_the_database(pool: &PgPool, received: &[Received]) {
    let first = once(received);
    let entry = |id: &Value, learner: &Value, number: &Value, kind: &Value| {
        (text(id).to_owned(), (text(learner).to_owned(), number.as_i64().unwrap(), text(kind).to_owned()))
    };
    let ledger: BTreeMap<_, _> = first
        .iter()
        .map(|message| {
            let body = &message.body;
            entry(&body["id"], &body["subject"], &body["learnerseq"], &body["type"])
        })
        .collect();
    let sql = "SELECT id, auth_user_id, learner_seq, event_type, published_at, parked_at FROM outbox_events";
    let logged = rows(pool, sql).await;
    assert!(!logged.is_empty());
    assert!(logged.iter().all(|row| row["published_at"].is_string() && row["parked_at"].is_null()));
    let logged: BTreeMap<_, _> = logged
        .iter()
        .map(|row| entry(&row["id"], &row["auth_user_id"], &row["learner_seq"], &row["event_type"]))
        .collect();
    assert!(ledger == logged, "{} events arrived, {} are in the log", ledger.len(), logged.len());

    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for message in first {
        let number = last.entry(text(&message.body["subject"])).or_default();
        assert_eq!(message.body["learnerseq"], *number + 1, "out of order: {}", message.body);
        *number += 1;
    }
    for row in rows(pool, "SELECT auth_user_id, event_seq FROM learners WHERE event_seq > 0").await {
        assert_eq!(row["event_seq"], last[text(&row["auth_user_id"])]);
    }
}
