//! Assessments (seed: `quest_assessments`, `quest_submissions`): what authors ask for, tries within time and
//! number, grades by the service, by outside graders, by people and by peers, and regrading.
//!
//! An assessment is a unit of its quest. Passing it once is final: the pass is kept beside the tries, and
//! no later grade takes it back. Grades are percents of the best grade, unrounded, less what lateness
//! costs; every grade that was ever given is in `submission_grades`.

pub mod http;
pub mod model;
pub mod service;
