//! Learning paths over HTTP.

pub mod chapters;
mod checks;
pub mod insights;
pub mod paths;
pub mod quests;

pub use checks::{check_chapter, check_path, check_quests};

use super::model::Refusal;
use crate::http::{Caller, Code, FieldError, Problem};
use crate::ids::LearnerId;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::InUse(_) => Self::new(Code::InUse, detail),
            Refusal::KeyTaken => {
                Self::new(Code::KeyTaken, detail).errors(vec![FieldError::new("/key", "must be unique")])
            }
            Refusal::LintFailed(findings) => Self::new(Code::LintFailed, detail).with("findings", &findings),
            Refusal::NotActivatable(_) => Self::new(Code::NotActivatable, detail),
            Refusal::ChangedMeanwhile => Self::new(Code::Conflict, detail),
            Refusal::Invalid(violations) => Self::invalid(violations.into_iter().map(FieldError::from).collect()),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// Whose sight limits what is read: none for authors.
fn reader(caller: Caller) -> Option<LearnerId> {
    (!caller.roles.author).then(|| caller.learner())
}
