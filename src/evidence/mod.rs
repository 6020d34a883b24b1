//! Results from outside (a grader's, a meeting's) as they arrive, kept until what they prove is open.
//!
//! A result is kept once, by the id that it has at its source, and is applied at most once to each
//! unit: then, or when the unit opens, whichever is later. This module only keeps the books; what a
//! result means is for the owner of the unit to say.

mod model;
mod service;

pub use model::{Application, Evidence, Kept, Kind, UnitType};
pub use service::{BATCH, applications, keep, mark, recall, waiting};
