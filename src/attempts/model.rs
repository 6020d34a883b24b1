//! Attempts as JSON and schema, and the rules of an attempt as pure functions.

mod review;
mod step;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::criteria::{Unmet, Violation};
use crate::ids::{AttemptId, QuestId, StepId};
pub use crate::quests::model::{AttemptStatus, StepStatus, StepType};
use crate::rewards::Earned;
use crate::unlocks::{Eligibility, Unlocked};
pub use review::{Decision, ExtraTries, StepReview};
pub use step::{Awaited, Kept, Review, ReviewStatus, StepProgress, StepScore, TryLimits, may_try};

/// A learner's attempt at a quest.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub id: AttemptId,
    pub quest_id: QuestId,
    #[schema(example = "Hello, C")]
    pub quest_title: String,
    pub status: AttemptStatus,
    pub started_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub abandoned_at: Option<DateTime<Utc>>,
    /// Experience points paid for this quest and its steps
    pub total_experience_earned: i32,
    /// Done units ÷ units in percent, cut to two decimals
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 66.66)]
    pub completion_percentage: Decimal,
    /// First mandatory step that is not done
    pub current_step_id: Option<StepId>,
    pub notes: Option<String>,
}

/// An attempt with its steps.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AttemptWithSteps {
    #[serde(flatten)]
    pub attempt: Attempt,
    pub steps: Vec<StepProgress>,
}

/// Answer of a completing call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    pub step: StepProgress,
    pub attempt: AttemptWithSteps,
    /// What the call has paid
    pub earned: Vec<Earned>,
    /// Quests that it has opened
    pub unlocked: Vec<Unlocked>,
}

/// What an operation on an attempt refuses.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("complete what is missing first")]
    Locked(Box<Eligibility>),
    #[error("the attempt is {0:?}; resume it first")]
    NotOpen(AttemptStatus),
    #[error("an attempt that is {from:?} cannot be {to:?}")]
    Transition { from: AttemptStatus, to: AttemptStatus },
    #[error("complete the earlier mandatory steps first")]
    StepLocked(Vec<StepId>),
    #[error("mandatory steps cannot be skipped")]
    NotOptional,
    #[error("a completed step stays completed")]
    StepCompleted,
    #[error("the criteria of this step cannot be checked; its author has to mend them")]
    ValidationNotAvailable,
    #[error("this step is completed by a result from outside, when it arrives")]
    AwaitsResult(Awaited),
    #[error("all {tries} tries are used up")]
    NoTriesLeft { tries: i32 },
    #[error("the next try is taken in {seconds} seconds")]
    CoolingDown { until: DateTime<Utc>, seconds: u32 },
    #[error("the work waits for its reviewer")]
    ReviewPending,
    #[error("nothing waits for a review here")]
    NothingToReview,
    #[error("nobody decides on own work")]
    OwnWork,
    #[error("submissionData is malformed")]
    Malformed(Vec<Violation>),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// How a completing call ended; both are committed.
#[derive(Debug)]
pub enum Outcome {
    Completed(Box<Completion>),
    /// The try counts, and is answered with what is missing.
    NotMet {
        unmet: Vec<Unmet>,
        step: Box<StepProgress>,
    },
}

/// Where the units of a quest stand for one learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100, cut to two decimals; 100 only when every unit is done.
    pub percentage: Decimal,
    pub current_step: Option<StepId>,
    pub is_complete: bool,
}

/// Assessments of a quest and how many of them the learner has passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Assessments {
    pub all: i64,
    pub passed: i64,
}

/// The one function that computes progress. Units are the mandatory steps and the assessments;
/// retired and optional ones are none.
#[must_use]
pub fn progress(steps: &[StepProgress], assessments: Assessments) -> Progress {
    let mandatory = || steps.iter().filter(|step| !step.is_optional && !step.is_retired);
    let done = mandatory().filter(|step| step.status == StepStatus::Completed).count();
    let units = i64::try_from(mandatory().count()).unwrap_or(i64::MAX).saturating_add(assessments.all);
    let done = i64::try_from(done).unwrap_or(i64::MAX).saturating_add(assessments.passed.min(assessments.all));
    let is_complete = units > 0 && done == units;
    let percentage = match (is_complete, units) {
        (true, _) => Decimal::ONE_HUNDRED,
        (_, 0) => Decimal::ZERO,
        // Whole hundredths of a percent, cut off: what is not done is never rounded up.
        _ => Decimal::new(done.saturating_mul(10_000) / units, 2),
    };
    let current_step = mandatory().find(|step| step.status != StepStatus::Completed).map(|step| step.step_id);
    Progress { percentage, current_step, is_complete }
}

/// What the learner wants to do with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Pause,
    Resume,
    Abandon,
}

impl AttemptStatus {
    /// Where a move leads; `None` when it is there already.
    ///
    /// # Errors
    /// When there is no way.
    pub fn moved(self, how: Move) -> Result<Option<Self>, Refusal> {
        let to = match how {
            Move::Pause => Self::Paused,
            Move::Resume => Self::InProgress,
            Move::Abandon => Self::Abandoned,
        };
        match (self, how) {
            _ if self == to => Ok(None),
            (Self::InProgress, Move::Pause | Move::Abandon)
            | (Self::Paused, Move::Resume | Move::Abandon)
            | (Self::Abandoned, Move::Resume) => Ok(Some(to)),
            _ => Err(Refusal::Transition { from: self, to }),
        }
    }
}

/// Whether steps of an attempt may be worked on: while it is in progress, and its optional steps
/// for ever after completion.
///
/// # Errors
/// When the attempt is not open, or an earlier mandatory step is missing.
pub fn may_work(status: AttemptStatus, steps: &[StepProgress], step: &StepProgress) -> Result<(), Refusal> {
    if matches!(status, AttemptStatus::Paused | AttemptStatus::Abandoned) {
        return Err(Refusal::NotOpen(status));
    }
    let missing: Vec<StepId> = steps
        .iter()
        .filter(|earlier| !earlier.is_retired && !earlier.is_optional && earlier.step_number < step.step_number)
        .filter(|earlier| earlier.status != StepStatus::Completed)
        .map(|earlier| earlier.step_id)
        .collect();
    // After completion nothing is locked: an edit may have added mandatory steps since.
    if missing.is_empty() || status == AttemptStatus::Completed { Ok(()) } else { Err(Refusal::StepLocked(missing)) }
}

#[cfg(test)]
mod tests;
