//! Synthetic learners: rows as real ones leave them, to try analytics with and to show the service to people.
//!
//! Two faults are planted for analytics to find: a step at which most leave, and a question whose key is wrong. Nobody
//! is paid: no grants and no events, so that nothing of it can reach another service.

pub mod model;
pub mod service;
mod walk;

/// The quest with the quiz, as a curriculum file.
pub const QUEST: &str = include_str!("../../examples/cohort.yaml");
