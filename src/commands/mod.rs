//! The commands of the binary besides `serve`.

pub mod seed;
pub mod verify;
mod verify_paths;
