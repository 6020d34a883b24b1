//! A step of an attempt: what its learner sees, and the rules of tries and reviews.

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Refusal, StepStatus, StepType};
use crate::ids::StepId;
use crate::scoring::Score;

/// A step of an attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepProgress {
    pub step_id: StepId,
    /// From 1; negative for a retired step that was worked on
    pub step_number: i32,
    #[schema(example = "Your first program")]
    pub title: String,
    pub step_type: StepType,
    pub is_optional: bool,
    pub is_retired: bool,
    /// What it pays once
    pub experience_points: i32,
    pub status: StepStatus,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// What was handed in last; of a Coding step, what its grader said last
    #[schema(value_type = Option<Object>)]
    pub submission_data: Option<Value>,
    /// What came of the last try: what was missing, the score, or a reviewer's words
    pub feedback: Option<String>,
    pub experience_earned: i32,
    /// Tries that were checked
    pub attempts_count: i32,
    /// Tries that are left; null when there is no limit
    #[schema(example = 2)]
    pub attempts_left: Option<i32>,
    /// From when the next try is taken, where tries have to wait; it may have passed
    pub next_try_at: Option<DateTime<Utc>>,
    /// Points of a quiz's last try
    pub score: Option<StepScore>,
    /// Where the review of a Submission step stands, if it needs one
    pub review: Option<Review>,
    #[serde(skip)]
    pub kept: Kept,
}

/// What is kept of a step's progress besides what the wire shows.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub last_try_at: Option<DateTime<Utc>>,
    /// Tries that a grader has allowed beyond the criteria's.
    pub extra_tries: i32,
    pub reviewed_by: Option<Uuid>,
    /// Results from outside wait for the step to open.
    pub has_evidence: bool,
}

/// Points of a quiz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepScore {
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 7.5)]
    pub points: Decimal,
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 10)]
    pub max_points: Decimal,
    /// Cut to two decimals
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 75)]
    pub percent: Decimal,
}

impl From<Score> for StepScore {
    fn from(score: Score) -> Self {
        Self { points: score.points, max_points: score.max_points, percent: score.percent() }
    }
}

/// Where a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReviewStatus {
    /// Nobody has decided yet; later mandatory steps wait too
    Waiting,
    /// The work came back, for another try
    Returned,
    /// The step is completed
    Accepted,
}

impl ReviewStatus {
    const ALL: [Self; 3] = [Self::Waiting, Self::Returned, Self::Accepted];

    /// The name in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Returned => "returned",
            Self::Accepted => "accepted",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// The review of a Submission step, as its learner sees it; the reviewer's words are the step's `feedback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    pub status: ReviewStatus,
    /// When the work was handed in
    pub submitted_at: DateTime<Utc>,
    /// When it was decided on
    pub reviewed_at: Option<DateTime<Utc>>,
}

impl StepProgress {
    /// A mandatory step that nobody has touched.
    #[must_use]
    pub fn untouched(step_id: StepId, step_number: i32, step_type: StepType) -> Self {
        Self {
            step_id,
            step_number,
            title: String::new(),
            step_type,
            is_optional: false,
            is_retired: false,
            experience_points: 0,
            status: StepStatus::NotStarted,
            started_at: None,
            completed_at: None,
            submission_data: None,
            feedback: None,
            experience_earned: 0,
            attempts_count: 0,
            attempts_left: None,
            next_try_at: None,
            score: None,
            review: None,
            kept: Kept::default(),
        }
    }

    /// Whether somebody has to look at it before anything else happens.
    #[must_use]
    pub fn waits_for_review(&self) -> bool {
        self.review.is_some_and(|review| review.status == ReviewStatus::Waiting)
    }

    /// Begins the step, if it is not under way.
    pub fn begin(&mut self, now: DateTime<Utc>) {
        self.status = StepStatus::InProgress;
        self.started_at = self.started_at.or(Some(now));
    }

    /// Counts a try that is checked now.
    pub fn count_try(&mut self, now: DateTime<Utc>) {
        self.begin(now);
        self.attempts_count += 1;
        self.kept.last_try_at = Some(now);
    }

    /// Completes the step; it stays so.
    pub fn complete(&mut self, now: DateTime<Utc>) {
        self.status = StepStatus::Completed;
        self.completed_at = Some(now);
        self.next_try_at = None;
    }
}

/// How many tries there may be and how far apart, as the criteria of a quiz say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TryLimits {
    pub max: Option<i32>,
    pub cooldown_seconds: Option<i32>,
}

impl TryLimits {
    /// What the wire shows of the limits for a step.
    pub fn show_on(self, step: &mut StepProgress) {
        let left = |max: i32| (max + step.kept.extra_tries - step.attempts_count).max(0);
        step.attempts_left = self.max.map(left);
        let wait = self.cooldown_seconds.map(|seconds| TimeDelta::seconds(seconds.into()));
        step.next_try_at = match (step.status, wait, step.kept.last_try_at) {
            (StepStatus::Completed, _, _) => None,
            (_, Some(wait), Some(last)) => Some(last + wait),
            _ => None,
        };
    }
}

/// Whether another try is taken now: [`TryLimits::show_on`] has said what is left.
///
/// # Errors
/// When no try is left, or the last one is too short ago.
pub fn may_try(step: &StepProgress, now: DateTime<Utc>) -> Result<(), Refusal> {
    if step.attempts_left == Some(0) {
        return Err(Refusal::NoTriesLeft { tries: step.attempts_count });
    }
    match step.next_try_at {
        Some(at) if now < at => Err(Refusal::CoolingDown { until: at, seconds: whole_seconds(at - now) }),
        _ => Ok(()),
    }
}

/// Seconds, rounded up: who waits that long is not refused again.
fn whole_seconds(wait: TimeDelta) -> u32 {
    let seconds = wait.num_seconds() + i64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// What completes a step in place of its learner's word.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Awaited {
    /// The result of a grader, if its problem is known
    Coding { grader_ref: Option<String>, problem_id: Option<Uuid> },
    /// A meeting about the quest
    Meeting,
}
