//! Availability: which quests a learner may start, what is missing for the others, and the moment
//! in which a quest opens. Prerequisites gate today; path criteria join the same conditions later.

pub mod evaluate;
pub mod model;
pub mod reevaluate;
mod service;

pub use model::{Availability, Condition, Eligibility, My, Unlocked};
pub use service::{Gate, gate, my, open_after, record_opening};
