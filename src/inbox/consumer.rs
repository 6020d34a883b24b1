//! The consumers: one per source, rebuilt for ever.

use std::time::Duration;

use chrono::DateTime;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, ShortString};
use rand::RngExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::link::{Broken, Link};
use super::message::{Meaning, Source};
use super::service::{self, Outcome, Refusal};
use crate::clock::Clock;
use crate::config::{BrokerConfig, InboxConfig};
use crate::db::Db;
use crate::http::layers::fit_correlation_id;
use crate::integrations::MeetingLimits;
use crate::origin::Origin;
use crate::trace::{self, is_traceparent};

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// How often an idle link is asked whether it is still there.
const PROBE: Duration = Duration::from_secs(10);

/// What the consumers work with.
#[derive(Debug, Clone)]
pub struct Inbox {
    pub db: Db,
    pub clock: Clock,
    pub broker: BrokerConfig,
    pub config: InboxConfig,
    pub stop: CancellationToken,
}

impl Inbox {
    fn exchange(&self, source: Source) -> &str {
        match source {
            Source::EventService => &self.config.event_service_exchange,
            Source::Meetings => &self.config.meetings_exchange,
            Source::Users => &self.config.users_exchange,
        }
    }
}

/// Consumes until `stop`; nothing where no broker is set.
pub async fn run(inbox: Inbox) {
    let Some(url) = inbox.broker.amqp_url.clone().filter(|url| !url.is_empty()) else { return };
    let sources = Source::ALL.into_iter().filter(|source| !inbox.exchange(*source).is_empty());
    let consumers = sources.map(|source| supervise(&inbox, &url, source));
    futures_util::future::join_all(consumers).await;
}

/// Builds the link anew whenever it breaks, with growing and jittered pauses.
async fn supervise(inbox: &Inbox, url: &str, source: Source) {
    let longest = Duration::from_millis(inbox.broker.amqp_retry_max_ms);
    let mut backoff = FIRST_BACKOFF;
    metrics::gauge!("inbox_link_up", "source" => source.as_str()).set(0.0);
    // From 0 on, so that the first dead message is seen as an increase.
    for outcome in ["applied", "repeated", "ignored", "dead"] {
        metrics::counter!("inbox_messages_total", "source" => source.as_str(), "outcome" => outcome).increment(0);
    }
    while !inbox.stop.is_cancelled() {
        let began = tokio::time::Instant::now();
        let Err(error) = term(inbox, url, source).await else { return };
        tracing::warn!(%error, source = source.as_str(), "the inbox connects anew");
        metrics::counter!("inbox_restarts_total", "source" => source.as_str()).increment(1);
        if began.elapsed() > Duration::from_secs(2) {
            backoff = FIRST_BACKOFF;
        }
        let pause = backoff.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inbox.stop.cancelled() => return,
        }
        backoff = (backoff * 2).min(longest);
    }
}

/// One link, until `stop` (Ok) or an error. Messages go one after the other, in the order in which they were sent.
async fn term(inbox: &Inbox, url: &str, source: Source) -> Result<(), Broken> {
    let opening = Link::open(url, &inbox.broker, &inbox.config, source, inbox.exchange(source));
    let (link, mut deliveries) = tokio::select! {
        opened = opening => opened?,
        () = inbox.stop.cancelled() => return Ok(()),
    };
    let up = metrics::gauge!("inbox_link_up", "source" => source.as_str());
    up.set(1.0);
    let ended = loop {
        let delivery = tokio::select! {
            delivery = deliveries.next() => delivery,
            () = tokio::time::sleep(PROBE) => {
                if let Err(error) = link.probe().await {
                    break Err(error);
                }
                continue;
            }
            () = inbox.stop.cancelled() => break Ok(()),
        };
        let delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => break Err(error.into()),
            None => break Err(Broken::Ended),
        };
        match inbox.settle(&link, source, &delivery).await {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    up.set(0.0);
    link.close().await;
    ended
}

/// Why a message was not taken in.
enum Trouble {
    /// It never will be.
    Dead(String),
    /// It is not the message's fault: it waits.
    Away(String),
    /// It may be the message's fault: it is tried some times.
    Refused(String),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        let Refusal::Database(error) = refusal else { return Self::Dead(text) };
        let code = match &error {
            sqlx::Error::Database(error) => error.code().map(std::borrow::Cow::into_owned),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => return Self::Away(text),
            // A connection broke; but one of ours that took too long may have had too much to do.
            sqlx::Error::Io(error) if error.kind() != std::io::ErrorKind::TimedOut => return Self::Away(text),
            _ => return Self::Refused(text),
        };
        let code = code.unwrap_or_default();
        match code.get(..2).unwrap_or_default() {
            // What the database cannot represent, e.g. a NUL in a text.
            "22" => Self::Dead(text),
            // Connections, a database that may only be read for now, resources, shut-down, its disk.
            "08" | "25" | "53" | "55" | "58" => Self::Away(text),
            "57" if code != "57014" => Self::Away(text),
            _ => Self::Refused(text),
        }
    }
}

impl Inbox {
    /// Takes a message in, or buries it; false when the service stops meanwhile, and the message goes back.
    async fn settle(&self, link: &Link, source: Source, delivery: &Delivery) -> Result<bool, Broken> {
        let began = tokio::time::Instant::now();
        let mut origin = self.origin(delivery);
        let traced = tracing::debug_span!(
            target: trace::TARGET, parent: None, "message", otel.name = format!("receive {}", source.as_str()),
            otel.kind = "consumer", messaging.system = "rabbitmq", correlation_id = origin.correlation_id,
        );
        trace::go_on(&traced, origin.traceparent.as_deref());
        if let Some(here) = trace::traceparent(&traced) {
            origin.traceparent = Some(here);
        }
        let span = tracing::info_span!(
            parent: None,
            "message",
            source = source.as_str(),
            correlation_id = origin.correlation_id,
            trace_id = origin.traceparent.as_deref().map(trace::trace_id),
            delivery = delivery.delivery_tag,
            redelivered = delivery.redelivered
        );
        async {
            let mut tries = 0;
            let mut pause = Duration::from_millis(self.config.inbox_retry_ms);
            let longest = Duration::from_millis(self.broker.amqp_retry_max_ms);
            loop {
                let reason = match self.take_in(source, &origin, &delivery.data).await {
                    Ok(outcome) => {
                        self.settled(source, delivery, label(outcome), began);
                        link.acknowledge(delivery).await?;
                        return Ok(true);
                    }
                    Err(Trouble::Dead(reason)) => Some(reason),
                    Err(Trouble::Away(reason)) => {
                        tracing::warn!(reason, "a message waits for the database");
                        None
                    }
                    Err(Trouble::Refused(reason)) => {
                        tries += 1;
                        tracing::warn!(reason, tries, "a message is refused");
                        (tries >= self.config.inbox_max_tries).then_some(reason)
                    }
                };
                if let Some(reason) = reason {
                    tracing::error!(reason = reason.chars().take(500).collect::<String>(), "a message is dead");
                    self.settled(source, delivery, "dead", began);
                    link.bury(delivery, &reason).await?;
                    return Ok(true);
                }
                metrics::counter!("inbox_retries_total", "source" => source.as_str()).increment(1);
                tokio::select! {
                    () = tokio::time::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
                    () = self.stop.cancelled() => return Ok(false),
                }
                pause = (pause * 2).min(longest);
                // A link that has broken meanwhile brings the message again.
                if self.stop.is_cancelled() {
                    return Ok(false);
                }
            }
        }
        .instrument(span)
        .instrument(traced)
        .await
    }

    fn settled(&self, source: Source, delivery: &Delivery, outcome: &'static str, began: tokio::time::Instant) {
        let source = source.as_str();
        metrics::counter!("inbox_messages_total", "source" => source, "outcome" => outcome).increment(1);
        metrics::histogram!("inbox_handling_seconds", "source" => source).record(began.elapsed());
        let sent = delivery.properties.timestamp().and_then(|sent| i64::try_from(sent).ok());
        if let Some(sent) = sent.and_then(|sent| DateTime::from_timestamp(sent, 0)) {
            let lag = (self.clock.now() - sent).to_std().unwrap_or_default();
            metrics::gauge!("inbox_lag_seconds", "source" => source).set(lag.as_secs_f64());
        }
    }

    async fn take_in(&self, source: Source, origin: &Origin, body: &[u8]) -> Result<Outcome, Trouble> {
        let limit = usize::try_from(self.config.inbox_max_bytes).unwrap_or(usize::MAX);
        if body.len() > limit {
            return Err(Trouble::Dead(format!(
                "the message has {} bytes, more than the {limit} of INBOX_MAX_BYTES",
                body.len()
            )));
        }
        let limits = MeetingLimits { participants: self.config.max_participants.into() };
        let meaning = Meaning::of(source, body, limits).map_err(Trouble::Dead)?;
        if matches!(meaning, Meaning::Nothing) {
            return Ok(Outcome::Ignored);
        }
        let origin = Origin { causation_id: origin.causation_id.or_else(|| cause(&meaning)), ..origin.clone() };
        self.db
            .transact(move |connection| {
                Box::pin(async move { service::take_in(connection, &origin, source, &meaning).await })
            })
            .await
            .map_err(Trouble::from)
    }

    /// The message's own correlation id if it is fit; what caused its effect is the message.
    fn origin(&self, delivery: &Delivery) -> Origin {
        let properties = &delivery.properties;
        let id = properties.message_id().as_ref().map(ShortString::as_str);
        let correlation = properties.correlation_id().as_ref().map(ShortString::as_str);
        let fit = correlation.into_iter().chain(id).find(|id| fit_correlation_id(id)).map(str::to_owned);
        let traceparent = properties.headers().as_ref().and_then(|headers| match headers.inner().get("traceparent") {
            Some(AMQPValue::LongString(text)) => Some(text.to_string()),
            Some(AMQPValue::ShortString(text)) => Some(text.to_string()),
            _ => None,
        });
        Origin {
            correlation_id: fit.unwrap_or_else(|| Uuid::new_v4().to_string()),
            traceparent: traceparent.filter(|text| is_traceparent(text)),
            causation_id: id.and_then(|id| id.parse().ok()),
            ..Origin::job(&self.clock)
        }
    }
}

/// The message's own key where it is a UUID.
fn cause(meaning: &Meaning) -> Option<Uuid> {
    meaning.key()?.key.parse().ok()
}

const fn label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Repeated => "repeated",
        Outcome::Ignored => "ignored",
    }
}
