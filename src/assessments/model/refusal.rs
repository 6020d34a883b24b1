//! What an operation on assessments refuses.

use super::{AttemptStatus, NotNow};
use crate::criteria::{Unmet, Violation};

/// See the problem codes in docs/api.md.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{0}")]
    InUse(&'static str),
    #[error("another assessment of the quest has this key")]
    KeyTaken,
    #[error("{1}")]
    Invalid(&'static str, String),
    #[error("the attempt is {0:?}; resume it first")]
    NotOpen(AttemptStatus),
    #[error("{0}")]
    NotNow(#[from] NotNow),
    #[error("the assessment cannot be graded as it stands; its author has to mend it")]
    Broken,
    #[error("the results of an outside grader grade this assessment; there is nothing to hand in")]
    AwaitsResult,
    #[error("submissionData is malformed")]
    Malformed(Vec<Violation>),
    #[error("the body breaks a rule")]
    Fields(Vec<Violation>),
    #[error("what was handed in is not what is asked for; it is no try")]
    NotTaken(Vec<Unmet>),
    #[error("nobody grades or reviews own work")]
    OwnWork,
    #[error("the unit is done and stays done; the work cannot be returned for another try")]
    UnitDone,
    #[error("work that was returned is not graded; its author makes another try")]
    Returned,
    #[error("this type of assessment grades itself")]
    NotGradable,
    #[error("the review is no longer open")]
    ReviewClosed,
    #[error("a regrading of this assessment is running")]
    RegradeRunning,
    #[error(transparent)]
    Quest(crate::quests::model::Refusal),
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        match crate::db::broken_constraint(&error) {
            Some("quest_assessments_key_once") => Self::KeyTaken,
            Some("assessment_regrades_running") => Self::RegradeRunning,
            _ => Self::Database(error),
        }
    }
}

impl From<crate::quests::model::Refusal> for Refusal {
    fn from(refusal: crate::quests::model::Refusal) -> Self {
        match refusal {
            crate::quests::model::Refusal::Database(error) => error.into(),
            other => Self::Quest(other),
        }
    }
}
