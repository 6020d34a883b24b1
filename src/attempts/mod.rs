//! A learner's way through a quest: attempts and steps (seed: `user_quest_attempts`,
//! `user_quest_step_progress`).
//!
//! `InProgress ⇄ Paused`, both → `Completed` (final) or `Abandoned` (can be taken up again). A quest
//! completes in the transaction that finishes its last unit; that transaction also pays, opens what
//! it opens and tells. One pure function computes progress; stored figures are caches of it.

pub mod http;
pub mod judge;
pub mod model;
pub mod service;
