//! A consumer on the queue, with a ledger keyed by event id.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use tokio::sync::Notify;

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub routing_key: String,
    pub properties: BasicProperties,
    pub body: Value,
}

/// Collects everything that is published to an exchange.
pub struct Consumer {
    received: Arc<Mutex<Vec<Received>>>,
    arrived: Arc<Notify>,
    connection: Connection,
    queue: String,
}

impl Consumer {
    /// Binds a durable queue of its own before anything is published.
    pub async fn start(url: &str, exchange: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let mut alternate = FieldTable::default();
        alternate.insert(
            "alternate-exchange".into(),
            lapin::types::AMQPValue::LongString(format!("{exchange}.unrouted").into()),
        );
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, alternate).await.unwrap();
        let queue = format!("{exchange}.ledger");
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
        channel
            .queue_bind(
                queue.as_str().into(),
                exchange.into(),
                "quests.#".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let mut deliveries = channel
            .basic_consume(
                queue.as_str().into(),
                "ledger".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let arrived = Arc::new(Notify::new());
        let (ledger, bell) = (Arc::clone(&received), Arc::clone(&arrived));
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = deliveries.next().await {
                ledger.lock().unwrap().push(Received {
                    routing_key: delivery.routing_key.to_string(),
                    properties: delivery.properties.clone(),
                    body: serde_json::from_slice(&delivery.data).unwrap(),
                });
                bell.notify_waiters();
                if delivery.acker.ack(BasicAckOptions::default()).await.is_err() {
                    return;
                }
            }
        });
        Self { received, arrived, connection, queue }
    }

    /// Everything so far, in the order of arrival.
    pub fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The first message of each event id, in the order of arrival.
    pub fn once(&self) -> Vec<Received> {
        let mut seen = HashSet::new();
        self.all().into_iter().filter(|message| seen.insert(message.body["id"].to_string())).collect()
    }

    /// Waits until the ledger satisfies `enough`; panics after a minute.
    pub async fn until(&self, what: &str, enough: impl Fn(&[Received]) -> bool) {
        let waited = tokio::time::timeout(Duration::from_mins(1), async {
            loop {
                let arrived = self.arrived.notified();
                if enough(&self.once()) {
                    return;
                }
                tokio::select! { () = arrived => {}, () = tokio::time::sleep(Duration::from_millis(200)) => {} }
            }
        })
        .await;
        assert!(waited.is_ok(), "waited for {what}, have {}", self.once().len());
    }

    /// Takes its queues and exchanges away again.
    pub async fn remove(self, exchange: &str) {
        let channel = self.connection.create_channel().await.unwrap();
        for queue in [self.queue.clone(), format!("{exchange}.unrouted")] {
            channel.queue_delete(queue.into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in [exchange.to_owned(), format!("{exchange}.unrouted")] {
            channel.exchange_delete(exchange.into(), lapin::options::ExchangeDeleteOptions::default()).await.unwrap();
        }
        self.connection.close(200, "done".into()).await.unwrap();
    }
}
