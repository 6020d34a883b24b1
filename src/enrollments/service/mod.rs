//! Operations on enrolments; each locks the learner first.

mod enrol;
mod jobs;
mod overrides;
mod progress;
mod skills;

pub use enrol::{enrol, get_enrollment, leave, list_enrollments, list_learners, move_enrollment};
pub use jobs::{run_reevaluations, run_schedule};
pub use overrides::add_override;
pub use progress::{update_judged, update_path};
pub use skills::{Skills, Wanted};
