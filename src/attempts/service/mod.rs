//! Operations on attempts. Each one locks the learner first, loads everything in one statement,
//! decides by the pure rules, and writes everything back in one statement.

mod lists;
mod load;
mod moves;
mod recompute;
mod settle;
mod start;
mod steps;

pub use lists::list_attempts;
pub use load::{Loaded, load};
pub use moves::{move_attempt, set_notes};
pub use recompute::{recompute, run_recomputes};
pub use start::start_attempt;
pub use steps::{At, complete_step, skip_step, start_step};
