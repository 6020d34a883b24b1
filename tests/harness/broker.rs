//! A consumer on the queue that holds every message to the contract of events.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ExchangeKind};
use quests::outbox::connect;
use serde_json::Value;
use tokio::sync::Notify;

use super::contract::CONTRACT;

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
    /// What broke the contract; a task of its own receives, so the test has to ask.
    faults: Arc<Mutex<Vec<String>>>,
    arrived: Arc<Notify>,
    connection: Connection,
    queue: String,
}

impl Consumer {
    /// Binds a durable queue of its own before anything is published.
    pub async fn start(url: &str, exchange: &str) -> Self {
        let connection = connect(url, "test").await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let mut alternate = FieldTable::default();
        alternate.insert("alternate-exchange".into(), AMQPValue::LongString(format!("{exchange}.unrouted").into()));
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
        let (received, faults) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let arrived = Arc::new(Notify::new());
        let (ledger, wrong, bell) = (Arc::clone(&received), Arc::clone(&faults), Arc::clone(&arrived));
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = deliveries.next().await {
                let routing_key = delivery.routing_key.to_string();
                let body = serde_json::from_slice(&delivery.data).unwrap_or_else(|error| {
                    wrong.lock().unwrap().push(format!("{routing_key}: no JSON: {error}"));
                    Value::Null
                });
                let faults = CONTRACT.faults_of_message(&routing_key, &delivery.properties, &body);
                wrong.lock().unwrap().extend(faults.into_iter().map(|fault| format!("{fault}\n  in {body}")));
                ledger.lock().unwrap().push(Received { routing_key, properties: delivery.properties.clone(), body });
                bell.notify_waiters();
                if delivery.acker.ack(BasicAckOptions::default()).await.is_err() {
                    return;
                }
            }
        });
        Self { received, faults, arrived, connection, queue }
    }

    /// Fails when any message so far broke the contract.
    pub fn keeps_the_contract(&self) {
        let faults = self.faults.lock().unwrap();
        assert!(faults.is_empty(), "messages break openapi/asyncapi.yaml:\n{}", faults.join("\n"));
    }

    /// Everything so far, in the order of arrival.
    pub fn all(&self) -> Vec<Received> {
        self.keeps_the_contract();
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

    /// A queue that nobody reads and that refuses whatever does not fit; what it refuses, the publisher hears of.
    pub async fn refuse_more_than(&self, exchange: &str, most: i32) -> String {
        let queue = format!("{exchange}.full");
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(most));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        let channel = self.connection.create_channel().await.unwrap();
        let (declare, bind) = (QueueDeclareOptions::default(), QueueBindOptions::default());
        channel.queue_declare(queue.as_str().into(), declare, arguments).await.unwrap();
        let none = FieldTable::default();
        channel.queue_bind(queue.as_str().into(), exchange.into(), "quests.#".into(), bind, none).await.unwrap();
        queue
    }

    pub async fn delete_queue(&self, queue: &str) {
        let channel = self.connection.create_channel().await.unwrap();
        channel.queue_delete(queue.into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
    }

    /// Takes its queues and exchanges away again, and that of the consumer of `examples/` if there is one.
    pub async fn remove(self, exchange: &str) {
        self.keeps_the_contract();
        let channel = self.connection.create_channel().await.unwrap();
        for queue in [self.queue.clone(), format!("{exchange}.consumer"), format!("{exchange}.unrouted")] {
            channel.queue_delete(queue.into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in [exchange.to_owned(), format!("{exchange}.unrouted")] {
            channel.exchange_delete(exchange.into(), lapin::options::ExchangeDeleteOptions::default()).await.unwrap();
        }
        self.connection.close(200, "done".into()).await.unwrap();
    }
}
