//! Operations on assessments. Authors lock the quest, everything else locks the learner first; decisions
//! are those of the pure rules.

mod allocate;
mod authoring;
mod expire;
mod extra;
mod grade;
mod jobs;
mod load;
mod peer;
mod recalls;
mod record;
mod regrade;
mod results;
mod tries;

pub use allocate::{run_allocations, run_fallbacks};
pub use authoring::{
    create_assessment, delete_assessment, get_assessment, list_assessments, retire_assessment, update_assessment,
};
pub use expire::{expire_tries, run_expired};
pub use extra::allow_extra_tries;
pub use grade::grade_submission;
pub use jobs::run_jobs;
pub use load::{QueueFilter, get_submission, list_own_submissions, list_queue, own_attempt};
pub use peer::{get_peer_review, list_peer_reviews, write_peer_review};
pub use recalls::run_recalls;
pub use regrade::{get_regrade, preview_regrade, request_regrade, run_regrades};
pub use results::{apply_results, run_wakeups};
pub use tries::{At, HandedIn, Outcome, save_draft, show_items, start_try, submit};
