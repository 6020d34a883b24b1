//! Assessments over HTTP.

pub mod authoring;
mod checks;
pub mod grading;
pub mod peer;
pub mod regrade;
pub mod tries;

pub use checks::{check_assessment, check_result};

use super::model::{NotNow, Refusal};
use crate::http::{Code, FieldError, Problem};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::InUse(_) => Self::new(Code::InUse, detail),
            Refusal::KeyTaken => {
                Self::new(Code::KeyTaken, detail).errors(vec![FieldError::new("/key", "must be unique in the quest")])
            }
            Refusal::Invalid(pointer, detail) => Self::invalid(vec![FieldError::new(pointer, detail)]),
            Refusal::NotOpen(status) => Self::new(Code::AttemptNotOpen, detail).with("attemptStatus", status),
            Refusal::NotNow(why) => not_now(why, detail),
            Refusal::Broken => Self::new(Code::ValidationNotAvailable, detail),
            Refusal::AwaitsResult => Self::new(Code::AwaitsResult, detail),
            Refusal::Malformed(violations) => Self::invalid(
                violations
                    .into_iter()
                    .map(|violation| FieldError::new(format!("/submissionData{}", violation.pointer), violation.detail))
                    .collect(),
            ),
            Refusal::Fields(violations) => Self::invalid(violations.into_iter().map(FieldError::from).collect()),
            Refusal::NotTaken(unmet) => {
                let at = |pointer: &str| format!("/submissionData{pointer}");
                Self::invalid(
                    unmet.iter().map(|unmet| FieldError::new(at(&unmet.pointer), unmet.detail.clone())).collect(),
                )
            }
            Refusal::OwnWork => Self::new(Code::Forbidden, detail),
            Refusal::UnitDone => Self::new(Code::UnitDone, detail),
            Refusal::Returned | Refusal::NotGradable => Self::new(Code::NotGradable, detail),
            Refusal::ReviewClosed => Self::new(Code::ReviewClosed, detail),
            Refusal::RegradeRunning => Self::new(Code::RegradeRunning, detail),
            Refusal::Quest(refusal) => refusal.into(),
            Refusal::Database(error) => error.into(),
        }
    }
}

fn not_now(why: NotNow, detail: String) -> Problem {
    match why {
        NotNow::Early(at) => Problem::new(Code::NotOpenYet, detail).with("opensAt", at),
        NotNow::Closed(at) => Problem::new(Code::AssessmentClosed, detail).with("closesAt", at),
        NotNow::Overdue(at) => Problem::new(Code::AssessmentClosed, detail).with("dueAt", at),
        NotNow::NoTriesLeft(tries) => Problem::new(Code::NoTriesLeft, detail).with("tries", tries),
        NotNow::InReview => Problem::new(Code::ReviewPending, detail),
        NotNow::Cooling { until, seconds } => {
            Problem::new(Code::CoolingDown, detail).with("nextTryAt", until).retry_after(seconds)
        }
        NotNow::NotStarted => Problem::new(Code::TryNotStarted, detail),
        NotNow::TimeOver => Problem::new(Code::TimeOver, detail),
    }
}
