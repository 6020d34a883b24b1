//! Quests and what they are made of: steps, resources, prerequisites, skill rewards (seed: `quests`,
//! `quest_steps`, `quest_resources`, `quest_prerequisites`).
//!
//! A quest is made inactive and activated once it has something to do. Prerequisites form a DAG.
//! Units are the mandatory steps and the assessments; learners' history is never deleted: what
//! somebody has worked on is retired or deactivated instead.

pub mod http;
pub mod model;
pub mod service;
