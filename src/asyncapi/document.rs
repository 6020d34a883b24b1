//! The document, and what the service and its tests ask of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use super::page;

const SOURCE: &str = include_str!("../../openapi/asyncapi.yaml");
/// The binding that channels of our events share.
const EVENTS: &str = "#/components/channelBindings/events";

/// Everything that is served, ready as bytes.
#[derive(Debug)]
pub struct Contract {
    pub json: Vec<u8>,
    pub page: Vec<u8>,
    /// By address, e.g. `/schemas/events/XPGranted/v1`.
    pub schemas: BTreeMap<String, Vec<u8>>,
}

/// An event that we publish, as the document has it.
#[derive(Debug)]
pub struct Published<'a> {
    pub event_type: &'a str,
    pub routing_key: &'a str,
    pub message: &'a Value,
    /// Where the schema of `data` is served.
    pub dataschema: &'a str,
    /// The schema of `data`; it refers to nothing outside itself.
    pub schema: &'a Value,
}

/// A message that we take in, as the document has it.
#[derive(Debug)]
pub struct TakenIn<'a> {
    pub summary: &'a str,
    pub queue: &'a str,
    pub exchange: &'a Value,
    pub routing_key: &'a str,
    pub message: &'a Value,
    pub schema: &'a Value,
}

impl Contract {
    /// What this build carries, read at the first call.
    ///
    /// # Errors
    /// What is wrong with the document; a test reads it too.
    pub fn of_this_build() -> Result<Arc<Self>, String> {
        static READ: OnceLock<Result<Arc<Contract>, String>> = OnceLock::new();
        READ.get_or_init(|| Self::read().map(Arc::new)).clone()
    }

    /// Reads the document and makes all of it.
    pub(super) fn read() -> Result<Self, String> {
        let document = read()?;
        let mut schemas = BTreeMap::new();
        for event in published(&document)? {
            let mut schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": event.dataschema,
            });
            if let (Some(schema), Some(fields)) = (schema.as_object_mut(), event.schema.as_object()) {
                schema.extend(fields.clone());
            }
            schemas.insert(event.dataschema.to_owned(), bytes(&schema)?);
        }
        Ok(Self { json: bytes(&document)?, page: page::render(&document)?.into_bytes(), schemas })
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    serde_json::to_vec_pretty(value).map_err(|error| error.to_string())
}

/// The document as JSON.
///
/// # Errors
/// When it is no YAML.
pub fn read() -> Result<Value, String> {
    serde_saphyr::from_str(SOURCE).map_err(|error| format!("openapi/asyncapi.yaml: {error}"))
}

/// The events that we publish, in the order of the document.
///
/// # Errors
/// Which reference or field is missing.
pub fn published(document: &Value) -> Result<Vec<Published<'_>>, String> {
    let channels = document["channels"].as_object().ok_or("there are no channels")?;
    let ours = channels.values().filter(|channel| channel["bindings"]["$ref"] == EVENTS);
    ours.map(|channel| {
        let routing_key = text(channel, "/address")?;
        let (event_type, message) = message(document, channel)?;
        let payload = message.pointer("/payload/allOf/1").ok_or_else(|| format!("{event_type} has no payload"))?;
        Ok(Published {
            event_type,
            routing_key,
            message,
            dataschema: text(payload, "/properties/dataschema/const")?,
            schema: follow(document, &payload["properties"]["data"])?,
        })
    })
    .collect()
}

/// The messages that we take in, in the order of the document.
///
/// # Errors
/// Which reference or field is missing.
pub fn taken_in(document: &Value) -> Result<Vec<TakenIn<'_>>, String> {
    let operations = document["operations"].as_object().ok_or("there are no operations")?;
    let received = operations.values().filter(|operation| operation["action"] == "receive");
    received
        .map(|operation| {
            let channel = follow(document, &operation["channel"])?;
            let (name, message) = message(document, channel)?;
            let exchange = channel.pointer("/bindings/amqp/exchange");
            Ok(TakenIn {
                summary: text(operation, "/summary")?,
                queue: text(operation, "/x-queue")?,
                exchange: exchange.ok_or_else(|| format!("{name} comes from no exchange"))?,
                routing_key: text(channel, "/address")?,
                message,
                schema: follow(document, &message["payload"])?,
            })
        })
        .collect()
}

/// The one message of a channel, with its name.
fn message<'a>(document: &'a Value, channel: &'a Value) -> Result<(&'a str, &'a Value), String> {
    let messages = channel["messages"].as_object().ok_or("a channel without messages")?;
    let (name, reference) = messages.iter().next().ok_or("a channel without a message")?;
    Ok((name, follow(document, reference)?))
}

/// What a `$ref` within the document leads to; a value without one is itself.
pub(super) fn follow<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value, String> {
    let Some(reference) = value["$ref"].as_str() else { return Ok(value) };
    document.pointer(reference.trim_start_matches('#')).ok_or_else(|| format!("{reference} leads nowhere"))
}

/// A text that has to be there.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, String> {
    value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| format!("no text at {pointer} of {value}"))
}
