//! Operations on attempts. Each one locks the learner first, loads everything in one statement,
//! decides by the pure rules, and writes everything back in one statement.

mod evidence;
mod extra_tries;
mod lists;
mod load;
mod moves;
mod recompute;
mod reviews;
mod settle;
mod start;
mod steps;

pub use evidence::apply_evidence;
pub use extra_tries::allow_extra_tries;
pub use lists::list_attempts;
pub use load::{GradedTry, Loaded, load};
pub use moves::{move_attempt, set_notes};
pub use recompute::{recompute, run_recomputes};
pub use reviews::{get_review, list_reviews, review_step};
pub use settle::{Settled, refresh, settle};
pub use start::start_attempt;
pub use steps::{At, complete_step, skip_step, start_step};
