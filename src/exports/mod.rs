//! A learner takes out all own data: one JSON document, streamed from one snapshot of the database.
//!
//! Stands above `assessments`, whose rules say what of a grade its learner may see. A table that gets something of a
//! learner gets a section here, and a statement in `learners::erase`.

pub mod http;
mod sections;
mod service;

pub use service::Exports;
