//! What other services tell us: results of graders, and of meetings.
//!
//! Every way in, over HTTP or from the broker, ends in [`service::receive`]: the result is kept, and
//! applied to every unit of the learner that asks for it and is open.

pub mod http;
pub mod learners;
mod model;
pub mod service;

pub use model::{Meeting, MeetingLimits};
