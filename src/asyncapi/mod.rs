//! The contract of events: what goes out on RabbitMQ and what comes in.
//!
//! `openapi/asyncapi.yaml` is written by hand and is the source. It is read once at the start and served
//! as a document, as one JSON Schema for each event, and as a page. Tests hold every message to it.

mod document;
pub mod http;
mod page;
#[cfg(test)]
mod tests;

pub use document::{Contract, Published, TakenIn, published, read, taken_in};
