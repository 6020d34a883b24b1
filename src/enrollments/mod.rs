//! Learners in learning paths (seed: `user_learning_path_progress`): enrolment, progress, the picture of
//! what comes next, and the work that edits and the clock leave to the background.
//!
//! Enrolling makes a row; it changes nothing about what may be started. A path is completed when every
//! mandatory quest is; that is final, and quests that are added later are only pointed out.

pub mod http;
pub mod model;
mod picture;
pub mod service;

pub use service::{update_judged, update_path};
