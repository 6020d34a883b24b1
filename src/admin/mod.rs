//! What operators ask of the event log and the audit log, and what they set right in them.
//!
//! The log is read with the delivery state of each event; what was published can be sent again (a replay, which the
//! active relay works off), what was parked can be released. Erasing learners is the business of `learners`.

pub mod http;
pub mod model;
pub mod service;
