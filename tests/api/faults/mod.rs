//! What breaks around the service, or the service itself.

mod broker;
mod clients;
#[path = "../../../examples/consumer/ledger.rs"]
mod consumer;
pub mod gate;
mod kill;
mod ledger;
mod node;
mod replicas;
mod silence;
mod troubles;
