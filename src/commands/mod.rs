//! The commands of the binary besides `serve`.

pub mod seed;
pub mod verify;
