//! The relay: one among all replicas publishes the log, in order per learner, and marks what is confirmed.

use std::ops::ControlFlow;
use std::time::Duration;

use rand::RngExt;
use sqlx::PgConnection;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::broker::{Link, Message, PublishError, Sending};
use super::erase::ERASURE_LOCK;
use super::events::Logged;
use super::replay;
use crate::clock::Clock;
use crate::config::{BrokerConfig, DatabaseConfig};
use crate::db::{self, Db, in_time};
use crate::http::health::Broker;
use crate::ids::{EventId, LearnerId};

/// Key of the session advisory lock that makes one relay the active one.
pub const RELAY_LOCK: i64 = 0x5155_4553_5453_0001;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// What the relay works with.
#[derive(Debug)]
pub struct Relay {
    pub db: Db,
    pub database: DatabaseConfig,
    pub broker: BrokerConfig,
    pub clock: Clock,
    pub state: watch::Sender<Broker>,
    pub stop: CancellationToken,
}

/// How long it goes on publishing when it is told to stop.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a term of the relay ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Runs until `stop`: whatever breaks is built anew, for ever, with growing and jittered pauses.
pub async fn run(relay: Relay) {
    metrics::gauge!("outbox_link_up").set(0.0);
    metrics::gauge!("outbox_relay_active").set(0.0);
    let Some(url) = relay.broker.amqp_url.clone().filter(|url| !url.is_empty()) else {
        relay.state.send_replace(Broker::Absent);
        return;
    };
    relay.state.send_replace(Broker::Down("connecting".to_owned()));
    let mut backoff = FIRST_BACKOFF;
    let longest_backoff = Duration::from_millis(relay.broker.amqp_retry_max_ms);
    // After a refusal so many events go one by one: the one that is refused is among them.
    let mut suspicious: i64 = 0;
    while !relay.stop.is_cancelled() {
        let began = Instant::now();
        let ended = match Link::open(&url, &relay.broker).await {
            Ok(link) => {
                relay.state.send_replace(Broker::Up);
                metrics::gauge!("outbox_link_up").set(1.0);
                let ended = relay.term(&link, &mut suspicious).await;
                metrics::gauge!("outbox_link_up").set(0.0);
                link.close().await;
                ended
            }
            Err(error) => Err(error.into()),
        };
        metrics::gauge!("outbox_relay_active").set(0.0);
        let Err(error) = ended else { return };
        tracing::warn!(%error, "the relay starts anew");
        metrics::counter!("outbox_relay_restarts_total").increment(1);
        if matches!(error, Ended::Publish(_)) {
            relay.state.send_replace(Broker::Down(error.to_string()));
        }
        // A link that has held for a while was a good one: the next outage is a new one.
        if began.elapsed() > Duration::from_secs(2) {
            backoff = FIRST_BACKOFF;
        }
        let pause = backoff.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = relay.stop.cancelled() => return,
        }
        backoff = (backoff * 2).min(longest_backoff);
    }
}

impl Relay {
    /// Holds one link and one connection until `stop` (Ok) or an error.
    async fn term(&self, link: &Link, suspicious: &mut i64) -> Result<(), Ended> {
        let mut connection = in_time(&self.database, db::dedicated(&self.database, "quests relay")).await?;
        let poll = Duration::from_millis(self.broker.outbox_poll_ms);
        loop {
            // The lock lives and dies with this very connection, which also claims and marks.
            let lock = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "leads!""#, RELAY_LOCK);
            if in_time(&self.database, lock.fetch_one(&mut connection)).await? {
                break;
            }
            if self.pause(link, poll, false).await?.is_break() {
                return Ok(());
            }
        }
        tracing::info!("this replica publishes events");
        metrics::gauge!("outbox_relay_active").set(1.0);
        loop {
            let began = Instant::now();
            let limit = if *suspicious > 0 { 1 } else { self.broker.outbox_batch };
            let claimed = self.batch(&mut connection, link, limit, suspicious).await?;
            if claimed == limit && !self.stop.is_cancelled() {
                continue;
            }
            // Nothing else waits: the next batch of a replay, and then whatever has come meanwhile.
            if !self.stop.is_cancelled() && self.replay(&mut connection, link).await? {
                continue;
            }
            let linger = Duration::from_millis(self.broker.outbox_linger_ms).saturating_sub(began.elapsed());
            if self.pause(link, linger, false).await?.is_break() || self.pause(link, poll, true).await?.is_break() {
                // What the last requests did still goes out; what does not is sent after the next start.
                let until = Instant::now() + LAST_WORDS;
                while self.batch(&mut connection, link, limit, suspicious).await? == limit && Instant::now() < until {}
                return Ok(());
            }
        }
    }

    /// Waits, for a commit as well if `wake`; an error when the link breaks meanwhile.
    async fn pause(&self, link: &Link, time: Duration, wake: bool) -> Result<ControlFlow<()>, Ended> {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.db.committed.notified(), if wake => {}
            () = self.stop.cancelled() => return Ok(ControlFlow::Break(())),
        }
        if link.is_open() {
            return Ok(ControlFlow::Continue(()));
        }
        Err(PublishError::Link("the broker closed the connection".to_owned()).into())
    }

    /// Publishes up to `limit` events; says how many were claimed. Who erases a learner waits until what was claimed is
    /// marked; after an error the lock goes with the connection.
    async fn batch(
        &self,
        connection: &mut PgConnection,
        link: &Link,
        limit: i64,
        suspicious: &mut i64,
    ) -> Result<i64, Ended> {
        self.begin(connection).await?;
        let claimed = self.publish_pending(connection, link, limit, suspicious).await?;
        self.end(connection).await?;
        Ok(claimed)
    }

    /// Sends a batch of the oldest replay again; says whether there was one.
    async fn replay(&self, connection: &mut PgConnection, link: &Link) -> Result<bool, Ended> {
        if !in_time(&self.database, replay::is_running(connection)).await? {
            return Ok(false);
        }
        self.begin(connection).await?;
        let found = in_time(&self.database, replay::next(connection, self.broker.outbox_batch)).await?;
        if let Some(batch) = &found {
            let (messages, sent) = self.messages_again(batch);
            match link.publish(&messages).await {
                Ok(()) => {
                    let now = self.clock.now();
                    in_time(&self.database, replay::advance(connection, batch, sent, now)).await?;
                    metrics::counter!("outbox_replayed_total").increment(messages.len() as u64);
                }
                Err(PublishError::Refused(reason)) => {
                    let most = self.broker.outbox_max_refusals;
                    let now = self.clock.now();
                    in_time(&self.database, replay::refused(connection, batch, most, &reason, now)).await?;
                    return Err(PublishError::Refused(reason).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.end(connection).await?;
        Ok(found.is_some())
    }

    /// What of a replay's batch is a message, and how many that are.
    fn messages_again(&self, batch: &replay::Batch) -> (Vec<Message>, i64) {
        let mut messages = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            match Message::of(event, Sending::Replay, self.broker.event_max_bytes) {
                Ok(message) => messages.push(message),
                Err(reason) => tracing::warn!(event_id = %event.id, %reason, "an event cannot be sent again"),
            }
        }
        let sent = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        (messages, sent)
    }

    async fn begin(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let lock = sqlx::query!("SELECT pg_advisory_lock_shared($1)", ERASURE_LOCK);
        in_time(&self.database, lock.fetch_one(connection)).await.map(|_| ())
    }

    async fn end(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let unlock = sqlx::query_scalar!(r#"SELECT pg_advisory_unlock_shared($1) AS "unlocked!""#, ERASURE_LOCK);
        in_time(&self.database, unlock.fetch_one(connection)).await.map(|_| ())
    }

    async fn publish_pending(
        &self,
        connection: &mut PgConnection,
        link: &Link,
        limit: i64,
        suspicious: &mut i64,
    ) -> Result<i64, Ended> {
        let events = in_time(&self.database, claim(connection, limit)).await?;
        let claimed = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let mut messages = Vec::with_capacity(events.len());
        let mut published: Vec<Uuid> = Vec::with_capacity(events.len());
        let mut held_back: Vec<LearnerId> = Vec::new();
        for event in &events {
            if held_back.contains(&event.auth_user_id) {
                continue;
            }
            match Message::of(event, Sending::Live, self.broker.event_max_bytes) {
                Ok(message) => {
                    messages.push(message);
                    published.push(event.id.0);
                }
                Err(reason) => {
                    self.park(connection, event, &reason.to_string()).await?;
                    held_back.push(event.auth_user_id);
                }
            }
        }
        if messages.is_empty() {
            return Ok(claimed);
        }
        match link.publish(&messages).await {
            Ok(()) => {
                let mark = sqlx::query!(
                    "/* events:mark */ UPDATE outbox_events SET published_at = $2 WHERE id = ANY($1)",
                    &published,
                    self.clock.now()
                );
                in_time(&self.database, mark.execute(connection)).await?;
                metrics::counter!("outbox_published_total").increment(published.len() as u64);
                *suspicious = (*suspicious - claimed).max(0);
                Ok(claimed)
            }
            Err(PublishError::Refused(reason)) => {
                if let ([event], [_]) = (events.as_slice(), messages.as_slice()) {
                    self.count_refusal(connection, event, &reason).await?;
                }
                *suspicious = (*suspicious).max(claimed);
                Err(PublishError::Refused(reason).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn count_refusal(
        &self,
        connection: &mut PgConnection,
        event: &Logged,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let refusals = sqlx::query_scalar!(
            "UPDATE outbox_events SET refusals = refusals + 1 WHERE id = $1 RETURNING refusals",
            event.id.0
        )
        .fetch_one(&mut *connection)
        .await?;
        if refusals >= self.broker.outbox_max_refusals {
            self.park(connection, event, reason).await?;
        }
        Ok(())
    }

    /// Sets an event aside with the reason; it holds back its learner's later events, nobody else's.
    async fn park(&self, connection: &mut PgConnection, event: &Logged, reason: &str) -> Result<(), sqlx::Error> {
        tracing::error!(event_id = %event.id, event_type = event.event_type, reason, "an event is parked");
        metrics::counter!("outbox_parked_total").increment(1);
        sqlx::query!(
            "UPDATE outbox_events SET parked_at = $2, parked_reason = $3 WHERE id = $1",
            event.id.0,
            self.clock.now(),
            reason
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// The oldest pending events whose learner has no earlier one parked. One learner's events have ascending
/// positions, because they are written under the learner's lock.
async fn claim(connection: &mut PgConnection, limit: i64) -> Result<Vec<Logged>, sqlx::Error> {
    sqlx::query_as!(
        Logged,
        r#"/* events:claim */
           SELECT id AS "id: EventId", auth_user_id AS "auth_user_id: LearnerId", learner_seq, event_type,
                  correlation_id, causation_id, traceparent, occurred_at, data
           FROM outbox_events AS event
           WHERE published_at IS NULL AND parked_at IS NULL
             AND NOT EXISTS (SELECT FROM outbox_events AS parked
                             WHERE parked.auth_user_id = event.auth_user_id AND parked.parked_at IS NOT NULL
                               AND parked.position < event.position)
           ORDER BY position
           LIMIT $1"#,
        limit
    )
    .fetch_all(connection)
    .await
}
