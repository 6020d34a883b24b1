//! The contract of events, as a judge of messages: compiled once for all tests.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use jsonschema::Validator;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use quests::asyncapi::{published, read};
use quests::ids::{EventId, LearnerId};
use quests::outbox::events::Logged;
use serde_json::{Map, Value, json};
use sqlx::PgPool;

/// What the document says of one type of event.
struct Message {
    routing_key: String,
    /// Of the whole body.
    payload: Validator,
}

pub struct Contract {
    messages: HashMap<String, Message>,
    headers: Validator,
}

pub static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let document = read().unwrap();
    let messages = published(&document).unwrap().into_iter().map(|event| {
        let payload = at(&document, &format!("/components/messages/{}/payload", event.event_type));
        (event.event_type.to_owned(), Message { routing_key: event.routing_key.to_owned(), payload })
    });
    Contract { messages: messages.collect(), headers: at(&document, "/components/messageTraits/event/headers") }
});

/// A validator of one schema of the document, formats included.
pub fn at(document: &Value, pointer: &str) -> Validator {
    assert!(document.pointer(pointer).is_some(), "{pointer}");
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": document["components"],
        "$ref": format!("#{pointer}"),
    });
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

pub fn faults_of(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

impl Contract {
    /// What is wrong with the body of an event.
    pub fn faults(&self, body: &Value) -> Vec<String> {
        let name = body["type"].as_str().unwrap_or_default();
        let Some(message) = self.messages.get(name) else { return vec![format!("no type of the contract: {name}")] };
        let mut faults = faults_of(&message.payload, body);
        if body["subject"] != body["data"]["authUserId"] {
            faults.push("subject is not data.authUserId".to_owned());
        }
        faults
    }

    /// The same of a message as it came, with its routing key, properties and headers.
    pub fn faults_of_message(&self, routing_key: &str, properties: &BasicProperties, body: &Value) -> Vec<String> {
        let mut faults = self.faults(body);
        let mut same = |what: &str, is: Value, should: &Value| {
            if &is != should {
                faults.push(format!("{what} is {is}, not {should}"));
            }
        };
        let name = body["type"].as_str().unwrap_or_default();
        if let Some(message) = self.messages.get(name) {
            same("routing key", json!(routing_key), &json!(message.routing_key));
        }
        let short = |text: &Option<lapin::types::ShortString>| json!(text.as_ref().map(ToString::to_string));
        same("message_id", short(properties.message_id()), &body["id"]);
        same("type", short(properties.kind()), &body["type"]);
        same("correlation_id", short(properties.correlation_id()), &body["correlationid"]);
        same("app_id", short(properties.app_id()), &json!("quests-service"));
        same("content_type", short(properties.content_type()), &json!("application/cloudevents+json"));
        same("delivery_mode", json!(properties.delivery_mode()), &json!(2));
        let time = body["time"].as_str().and_then(|time| time.parse::<DateTime<Utc>>().ok());
        same("timestamp", json!(properties.timestamp()), &json!(time.map(|time| time.timestamp())));
        let headers = headers_of(properties);
        same("header replayed", headers["replayed"].clone(), &body["replayed"]);
        faults.extend(faults_of(&self.headers, &headers).into_iter().map(|fault| format!("headers{fault}")));
        faults
    }

    /// Every event of the log, also those that nobody has received; without those that nobody ever will.
    pub async fn holds_in_the_log(&self, pool: &PgPool) {
        let mut faults = Vec::new();
        for row in super::rows(pool, "SELECT * FROM outbox_events WHERE erased_at IS NULL").await {
            let body = logged(&row).envelope();
            faults.extend(self.faults(&body).into_iter().map(|fault| format!("{fault}\n  in {body}")));
        }
        assert!(faults.is_empty(), "events in the log break the contract:\n{}", faults.join("\n"));
    }
}

/// Headers as JSON; a value of another kind than we send shows as what it is.
pub fn headers_of(properties: &BasicProperties) -> Value {
    let mut headers = Map::new();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        let value = match value {
            AMQPValue::LongString(text) => json!(text.to_string()),
            AMQPValue::Boolean(is) => json!(is),
            other => json!({ "unexpected": format!("{other:?}") }),
        };
        headers.insert(name.to_string(), value);
    }
    Value::Object(headers)
}

fn logged(row: &Value) -> Logged {
    let text = |name: &str| super::text(&row[name]).to_owned();
    Logged {
        id: EventId(text("id").parse().unwrap()),
        auth_user_id: LearnerId(text("auth_user_id").parse().unwrap()),
        learner_seq: row["learner_seq"].as_i64().unwrap(),
        event_type: text("event_type"),
        correlation_id: text("correlation_id"),
        causation_id: row["causation_id"].as_str().map(|id| id.parse().unwrap()),
        traceparent: row["traceparent"].as_str().map(str::to_owned),
        occurred_at: text("occurred_at").parse().unwrap(),
        data: row["data"].clone(),
    }
}
