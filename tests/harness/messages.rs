//! Other services on the broker: what they publish, and what was buried of it.

use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use uuid::Uuid;

/// The exchanges of the other services, under names of the test's own.
pub struct Neighbours {
    pub channel: Channel,
    name: String,
    connection: Connection,
}

/// A message that was buried.
#[derive(Debug, Clone)]
pub struct Dead {
    pub reason: String,
    pub queue: String,
    pub body: Vec<u8>,
    pub properties: BasicProperties,
}

impl Neighbours {
    pub async fn start(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { channel, name: format!("test.{}", Uuid::new_v4()), connection }
    }

    /// Settings of a service that listens to them.
    pub fn args(&self) -> Vec<String> {
        let name = &self.name;
        [("event-service", "sse"), ("meetings", "meetings"), ("users", "users")]
            .map(|(setting, exchange)| format!("--{setting}-exchange={name}.{exchange}"))
            .into_iter()
            .chain([format!("--inbox-queue={name}.inbox"), "--inbox-retry-ms=10".to_owned()])
            .collect()
    }

    pub fn exchange(&self, of: &str) -> String {
        format!("{}.{of}", self.name)
    }

    pub fn queue(&self, of: &str) -> String {
        format!("{}.inbox.{of}", self.name)
    }

    /// As the Event Service declares it.
    pub async fn declare(&self, of: &str, kind: ExchangeKind) {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        self.channel.exchange_declare(self.exchange(of).into(), kind, durable, FieldTable::default()).await.unwrap();
    }

    /// Waits until the service listens.
    pub async fn until_bound(&self) {
        for of in ["events", "meetings", "users"] {
            let bound = async {
                loop {
                    if self.depth(of).await.is_some_and(|(_, consumers)| consumers > 0) {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), bound).await.expect("the service listens");
        }
    }

    /// Messages that are ready, and consumers; None while there is no such queue.
    pub async fn depth(&self, of: &str) -> Option<(u32, u32)> {
        // A channel of its own: asking for what is not there closes it.
        let channel = self.connection.create_channel().await.unwrap();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(self.queue(of).into(), passive, FieldTable::default()).await.ok()?;
        let depth = (queue.message_count(), queue.consumer_count());
        channel.close(200, "done".into()).await.unwrap();
        Some(depth)
    }

    pub async fn publish(&self, of: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm =
            self.channel.basic_publish(self.exchange(of).into(), key.into(), options, body, properties).await.unwrap();
        let confirmed = confirm.await.unwrap();
        assert!(matches!(confirmed, lapin::Confirmation::Ack(None)), "{confirmed:?}");
    }

    pub async fn verdict(&self, body: &Value) {
        self.publish("sse", "", body.to_string().as_bytes(), BasicProperties::default()).await;
    }

    pub async fn meeting(&self, body: &Value) {
        self.publish("meetings", "meetings.meeting-completed", body.to_string().as_bytes(), BasicProperties::default())
            .await;
    }

    pub async fn user_deleted(&self, body: &Value) {
        self.publish("users", "users.user-deleted", body.to_string().as_bytes(), BasicProperties::default()).await;
    }

    /// Takes the next dead message; waits for it.
    pub async fn dead(&self) -> Dead {
        let taken = async {
            loop {
                if let Some(dead) = self.dead_now().await {
                    return dead;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), taken).await.expect("a dead message")
    }

    /// The next dead message, if there is one.
    pub async fn dead_now(&self) -> Option<Dead> {
        let message = self.channel.basic_get(self.queue("dead").into(), BasicGetOptions::default()).await.unwrap()?;
        message.acker.ack(BasicAckOptions::default()).await.unwrap();
        let headers = message.properties.headers().clone().unwrap();
        let text = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{name} is {other:?}"),
        };
        Some(Dead {
            reason: text("x-reason"),
            queue: text("x-queue"),
            body: message.data.clone(),
            properties: message.properties.clone(),
        })
    }

    /// Takes everything away again.
    pub async fn remove(self) {
        for of in ["events", "meetings", "users", "dead"] {
            self.channel.queue_delete(self.queue(of).into(), QueueDeleteOptions::default()).await.unwrap();
        }
        for of in ["sse", "meetings", "users"] {
            self.channel.exchange_delete(self.exchange(of).into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
    }
}
