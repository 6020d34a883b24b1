//! Curriculum as files: quests and learning paths in YAML or JSON, known by keys and never by ids.
//!
//! A file is read and checked ([`format`], [`check`]), compared with what the database has ([`state`],
//! [`plan`]), and written in one transaction ([`apply`]). Learners' history is never touched: what a file
//! leaves out is deactivated or retired. [`version`] makes a file of a curriculum version.

mod apply;
mod check;
mod file;
mod format;
pub mod http;
mod names;
mod plan;
mod schema;
pub mod service;
mod state;
pub mod version;

pub use file::{Curriculum, FileAssessment, FileChapter, FilePath, FilePlace, FileQuest, FileResource, FileStep};
pub use format::{Format, write};
pub use plan::{Action, Change, Kind, Plan};

/// The curriculum that `make run` loads.
pub const DEMO: &str = include_str!("../../examples/c-programming.yaml");
