//! The link to RabbitMQ: connect, declare, publish a batch with confirms. Any error ends the link.

use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind, ExchangeKind};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use super::events::{Logged, routing_key};
use crate::config::BrokerConfig;
use crate::trace;

/// Why a batch was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The link is of no use any more; the same batch goes again over a new one.
    #[error("the link to the broker broke: {0}")]
    Link(String),
    /// The broker closed the channel because of what it was sent.
    #[error("the broker refused a message: {0}")]
    Refused(String),
}

impl From<lapin::Error> for PublishError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            // Content too large, precondition failed, frame and syntax errors are answers to the message;
            // everything else (access refused, not found, connection forced …) is about the broker.
            ErrorKind::ProtocolError(answer) if matches!(answer.get_id(), 311 | 406 | 501 | 502) => {
                Self::Refused(answer.to_string())
            }
            _ => Self::Link(error.to_string()),
        }
    }
}

/// An event that cannot be a message at all: it would only be refused for ever.
#[derive(Debug, thiserror::Error)]
pub enum Unpublishable {
    #[error("the message has {bytes} bytes, more than the {limit} that EVENT_MAX_BYTES allows")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{field} has {bytes} bytes, AMQP takes at most 255")]
    FieldTooLong { field: &'static str, bytes: usize },
}

/// An event as a message.
#[derive(Debug)]
pub struct Message {
    /// Where it was written, for the trace of its sending.
    traceparent: Option<String>,
    routing_key: ShortString,
    properties: BasicProperties,
    body: Vec<u8>,
}

/// Whether an event goes out for the first time, or because somebody has asked for it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    Live,
    Replay,
}

impl Message {
    /// # Errors
    /// When the event can never be a message.
    pub fn of(event: &Logged, sending: Sending, limit: usize) -> Result<Self, Unpublishable> {
        let short = |field, text: &str| {
            if text.len() > 255 {
                return Err(Unpublishable::FieldTooLong { field, bytes: text.len() });
            }
            Ok(ShortString::from(text))
        };
        let mut envelope = event.envelope();
        if sending == Sending::Replay {
            envelope["replayed"] = true.into();
        }
        let body = envelope.to_string().into_bytes();
        if body.len() > limit {
            return Err(Unpublishable::TooLarge { bytes: body.len(), limit });
        }
        let mut headers = FieldTable::default();
        if let Some(traceparent) = &event.traceparent {
            headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
        }
        if sending == Sending::Replay {
            headers.insert("replayed".into(), AMQPValue::Boolean(true));
        }
        let properties = BasicProperties::default()
            .with_message_id(short("id", &event.id.to_string())?)
            .with_type(short("type", &event.event_type)?)
            .with_correlation_id(short("correlationid", &event.correlation_id)?)
            .with_timestamp(u64::try_from(event.occurred_at.timestamp()).unwrap_or_default())
            .with_app_id("quests-service".into())
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(2)
            .with_headers(headers);
        let traceparent = event.traceparent.clone();
        Ok(Self { traceparent, routing_key: short("routing key", &routing_key(&event.event_type))?, properties, body })
    }
}

/// An open connection with a channel in confirm mode.
#[derive(Debug)]
pub struct Link {
    connection: Connection,
    channel: Channel,
    exchange: ShortString,
    timeout: Duration,
}

/// Bytes of a frame, where the URL does not say `?frame_max=`. Lapin keeps two buffers of 32 frames each.
const FRAME_MAX: u32 = 32 * 1024;

/// A connection for messages whose properties fit into a frame, as ours do; bodies are split as needed. Not for the
/// messages of others, whose properties may be larger.
///
/// # Errors
/// When the broker refuses, or the URL is none.
pub async fn connect(url: &str, name: &str) -> lapin::Result<Connection> {
    let mut uri: AMQPUri = url.parse().map_err(std::io::Error::other)?;
    uri.query.frame_max.get_or_insert(FRAME_MAX);
    Connection::connect_uri(uri, ConnectionProperties::default().with_connection_name(name.into())).await
}

impl Link {
    /// Connects and declares what we publish to.
    ///
    /// # Errors
    /// When the broker does not answer in time or refuses.
    pub async fn open(url: &str, config: &BrokerConfig) -> Result<Self, PublishError> {
        let timeout = config.timeout();
        let open = async {
            let connection = connect(url, "quests-relay").await?;
            let channel = connection.create_channel().await?;
            topology(&channel, config).await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>((connection, channel))
        };
        let (connection, channel) = tokio::time::timeout(timeout, open)
            .await
            .map_err(|_| PublishError::Link("no answer in time".to_owned()))?
            .map_err(|error| PublishError::Link(error.to_string()))?;
        let exchange = ShortString::from(config.amqp_exchange.as_str());
        Ok(Self { connection, channel, exchange, timeout })
    }

    /// Whether the link still stands, as far as is known without asking.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Publishes all and waits until the broker has confirmed all.
    ///
    /// # Errors
    /// Whatever goes wrong with any message of the batch: then none may be marked as published.
    pub async fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
        let began = Instant::now();
        // They last until their batch is confirmed, or is not.
        let traced: Vec<Span> = messages.iter().map(|message| self.traced(message)).collect();
        let publish = async {
            let mut confirms = Vec::with_capacity(messages.len());
            let mut broken = None;
            for message in messages {
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let handed = self.channel.basic_publish(
                    self.exchange.clone(),
                    message.routing_key.clone(),
                    options,
                    &message.body,
                    message.properties.clone(),
                );
                match handed.await {
                    Ok(confirm) => confirms.push(confirm),
                    // When the broker has refused an earlier message, that one's confirm says so.
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
            }
            let handed = Instant::now();
            metrics::histogram!("outbox_publish_seconds").record(handed - began);
            // lapin may hand a returned message to the wrong confirm, so each one speaks for the whole batch.
            for confirm in confirms {
                match confirm.await? {
                    Confirmation::Ack(None) => {}
                    Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                        let id = returned.delivery.properties.message_id().as_ref().map(ToString::to_string);
                        return Err(PublishError::Link(format!(
                            "message {} came back unrouted",
                            id.unwrap_or_default()
                        )));
                    }
                    other => return Err(PublishError::Link(format!("the broker did not confirm: {other:?}"))),
                }
            }
            if let Some(error) = broken {
                return Err(error.into());
            }
            metrics::histogram!("outbox_confirm_seconds").record(handed.elapsed());
            Ok(())
        };
        let published = tokio::time::timeout(self.timeout, publish)
            .await
            .map_err(|_| PublishError::Link("the broker did not confirm in time".to_owned()))
            .flatten();
        if published.is_err() {
            for span in traced {
                span.record("otel.status_code", "ERROR");
            }
        }
        published
    }

    /// The span of a message's sending, in the trace in which it was written.
    fn traced(&self, message: &Message) -> Span {
        let Some(traceparent) = message.traceparent.as_deref() else { return Span::none() };
        let span = tracing::debug_span!(
            target: trace::TARGET, parent: None, "publish", otel.kind = "producer", otel.status_code = Empty,
            messaging.system = "rabbitmq", messaging.destination.name = self.exchange.as_str(),
            messaging.rabbitmq.destination.routing_key = message.routing_key.as_str(),
            messaging.message.id = message.properties.message_id().as_ref().map(ShortString::as_str),
        );
        trace::go_on(&span, Some(traceparent));
        span
    }

    /// Says goodbye to the broker; it may be gone already.
    pub async fn close(self) {
        let close = self.connection.close(200, "done".into());
        match tokio::time::timeout(Duration::from_secs(2), close).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the broker was gone before the goodbye"),
            Err(_) => tracing::debug!("the broker did not answer the goodbye"),
        }
    }
}

/// Declares the exchange, its alternate exchange and the bounded queue behind that.
///
/// # Errors
/// When the broker refuses, e.g. because something of that name has other properties.
pub async fn topology(channel: &Channel, config: &BrokerConfig) -> Result<(), lapin::Error> {
    let exchange = config.amqp_exchange.as_str();
    let unrouted = format!("{exchange}.unrouted");
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(unrouted.as_str().into(), ExchangeKind::Fanout, durable, FieldTable::default()).await?;
    let mut alternate = FieldTable::default();
    alternate.insert("alternate-exchange".into(), AMQPValue::LongString(unrouted.as_str().into()));
    channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, alternate).await?;
    let mut bounds = FieldTable::default();
    bounds.insert("x-max-length".into(), AMQPValue::LongLongInt(config.amqp_unrouted_max_length));
    bounds.insert("x-message-ttl".into(), AMQPValue::LongLongInt(config.amqp_unrouted_ttl_hours * 3_600_000));
    bounds.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
    let queue = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(unrouted.as_str().into(), queue, bounds).await?;
    channel
        .queue_bind(
            unrouted.as_str().into(),
            unrouted.as_str().into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}
