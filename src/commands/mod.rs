//! The commands of the binary besides `serve`.

pub mod analytics;
pub mod files;
pub mod verify;
mod verify_assessments;
mod verify_evidence;
mod verify_paths;
