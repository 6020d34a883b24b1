//! The commands of the binary besides `serve`.

pub mod seed;
pub mod verify;
mod verify_evidence;
mod verify_paths;
