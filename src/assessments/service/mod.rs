//! Operations on assessments. Authors lock the quest, everything else locks the learner first; decisions
//! are those of the pure rules.

mod authoring;
mod expire;
mod extra;
mod grade;
mod load;
mod record;
mod tries;

pub use authoring::{
    create_assessment, delete_assessment, get_assessment, list_assessments, retire_assessment, update_assessment,
};
pub use expire::{expire_tries, run_expired};
pub use extra::allow_extra_tries;
pub use grade::grade_submission;
pub use load::{QueueFilter, get_submission, list_own_submissions, list_queue, own_attempt};
pub use tries::{At, HandedIn, Outcome, save_draft, start_try, submit};
