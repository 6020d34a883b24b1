//! A source's link to RabbitMQ: its queue, its deliveries, and the way to the dead-letter queue.

use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind, ExchangeKind,
};

use super::message::Source;
use crate::config::{BrokerConfig, InboxConfig};

/// A reason may quote what was wrong, however long that is.
const MAX_REASON_CHARS: usize = 500;

/// Any error ends the link: what was not acknowledged comes again over the next one.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("the broker did not answer in time")]
    Silent,
    #[error("the broker ended the delivery: the queue is gone, or the connection")]
    Ended,
    #[error("a dead message was not confirmed: {0}")]
    NotConfirmed(String),
}

/// An open link.
pub struct Link {
    connection: Connection,
    channel: Channel,
    queue: ShortString,
    dead: ShortString,
    timeout: Duration,
}

impl Link {
    /// Connects, declares the queues, and starts the delivery.
    ///
    /// # Errors
    /// When the broker does not answer in time or refuses.
    pub async fn open(
        url: &str,
        broker: &BrokerConfig,
        config: &InboxConfig,
        source: Source,
        exchange: &str,
    ) -> Result<(Self, Consumer), Broken> {
        let timeout = broker.timeout();
        let open = async {
            let properties = ConnectionProperties::default()
                .with_connection_name(format!("quests-inbox-{}", source.as_str()).into());
            let connection = Connection::connect(url, properties).await?;
            expect_exchange(&connection, source, exchange).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await?;
            channel.basic_qos(config.inbox_prefetch, BasicQosOptions::default()).await?;
            let queue = ShortString::from(format!("{}.{}", config.inbox_queue, source.as_str()));
            let dead = ShortString::from(format!("{}.dead", config.inbox_queue));
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let mut bounds = FieldTable::default();
            bounds.insert("x-max-length".into(), AMQPValue::LongLongInt(config.inbox_dead_max_length));
            bounds.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
            channel.queue_declare(dead.clone(), durable, bounds).await?;
            channel.queue_declare(queue.clone(), durable, FieldTable::default()).await?;
            let options = QueueBindOptions::default();
            channel
                .queue_bind(queue.clone(), exchange.into(), source.routing_key().into(), options, FieldTable::default())
                .await?;
            let consumer = channel
                .basic_consume(queue.clone(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
                .await?;
            Ok::<_, Broken>((Self { connection, channel, queue, dead, timeout }, consumer))
        };
        tokio::time::timeout(timeout, open).await.map_err(|_| Broken::Silent)?
    }

    /// Asks the broker whether it is there: a connection that has fallen silent says nothing by itself.
    ///
    /// # Errors
    /// When it does not answer, or the queue is gone.
    pub async fn probe(&self) -> Result<(), Broken> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = self.channel.queue_declare(self.queue.clone(), options, FieldTable::default());
        tokio::time::timeout(self.timeout, asked).await.map_err(|_| Broken::Silent)??;
        Ok(())
    }

    /// # Errors
    /// When the link has broken meanwhile; the message comes again then.
    pub async fn acknowledge(&self, delivery: &Delivery) -> Result<(), Broken> {
        let ack = delivery.acker.ack(BasicAckOptions::default());
        tokio::time::timeout(self.timeout, ack).await.map_err(|_| Broken::Silent)??;
        Ok(())
    }

    /// Puts a message that can never be taken in aside, its body as it was, with the reason; then acknowledges it.
    ///
    /// # Errors
    /// When the broker does not confirm it; the message comes again then.
    pub async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<(), Broken> {
        let properties = epitaph(delivery, self.queue.as_str(), reason);
        let publish = async {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let confirm =
                self.channel.basic_publish("".into(), self.dead.clone(), options, &delivery.data, properties).await?;
            match confirm.await? {
                Confirmation::Ack(None) => Ok(()),
                other => Err(Broken::NotConfirmed(format!("{other:?}").chars().take(200).collect())),
            }
        };
        tokio::time::timeout(self.timeout, publish).await.map_err(|_| Broken::Silent)??;
        self.acknowledge(delivery).await
    }

    /// Says goodbye; what is not acknowledged goes back to the queue.
    pub async fn close(self) {
        let close = self.connection.close(200, "done".into());
        match tokio::time::timeout(Duration::from_secs(2), close).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the broker was gone before the goodbye"),
            Err(_) => tracing::debug!("the broker did not answer the goodbye"),
        }
    }
}

/// What a dead message carries. The sender's headers stay behind: some tell the broker what to do with a message
/// (`CC`, `expiration`, `user_id`), and together with the reason they could be more than a frame holds.
fn epitaph(delivery: &Delivery, queue: &str, reason: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    let said = [
        ("x-reason", reason),
        ("x-queue", queue),
        ("x-exchange", delivery.exchange.as_str()),
        ("x-routing-key", delivery.routing_key.as_str()),
    ];
    for (name, text) in said {
        let text: String = text.chars().take(MAX_REASON_CHARS).collect();
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    }
    let its = &delivery.properties;
    let mut properties = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
    if let Some(id) = its.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(id) = its.correlation_id() {
        properties = properties.with_correlation_id(id.clone());
    }
    if let Some(kind) = its.kind() {
        properties = properties.with_type(kind.clone());
    }
    if let Some(kind) = its.content_type() {
        properties = properties.with_content_type(kind.clone());
    }
    if let Some(time) = its.timestamp() {
        properties = properties.with_timestamp(*time);
    }
    properties
}

/// The exchange is the other service's: it is only made where it is not there yet, so that nothing sent is lost.
async fn expect_exchange(connection: &Connection, source: Source, exchange: &str) -> Result<(), Broken> {
    let kind = if source == Source::EventService { ExchangeKind::Fanout } else { ExchangeKind::Topic };
    // Channels of their own: asking for an exchange that is not there closes the channel.
    let asking = connection.create_channel().await?;
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    match asking.exchange_declare(exchange.into(), kind.clone(), passive, FieldTable::default()).await {
        Ok(()) => return Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(answer) if answer.get_id() == 404 => {}
            _ => return Err(error.into()),
        },
    }
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let making = connection.create_channel().await?;
    making.exchange_declare(exchange.into(), kind, durable, FieldTable::default()).await?;
    Ok(())
}
