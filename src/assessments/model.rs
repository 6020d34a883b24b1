//! Assessments and submissions as JSON and schema; the pure rules are in the modules below.

mod assess;
mod grade;
mod peer;
mod preview;
mod refusal;
mod regrade;
mod standing;
mod submission;
mod tries;
mod work;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub use crate::criteria::AssessmentKind as AssessmentType;
use crate::criteria::{AssessmentConfiguration, PassingCriteria};
use crate::ids::{AssessmentId, AttemptId, QuestId};
pub use crate::quests::model::AttemptStatus;
pub use assess::{Basis, Graded, RubricPoints, assess, points_of};
pub use grade::{GradeInput, Judgement, check_rubric};
pub use peer::{OpenWork, Pairs, PeerReview, PeerReviewInput, ReviewState, Reviewer, aggregated, allocate};
pub use preview::{Preview, PreviewInput, PreviewOutcome};
pub use refusal::Refusal;
pub use regrade::{Change, GradeShown, Regrade, Regraded};
pub use standing::{Listed, NewItems, Progress, Running, draw, my};
pub use submission::{
    AnonymousReview, Decision, Grading, How, ItemResult, ReviewOfPeer, RubricScore, Shows, Status, Submission,
    SubmissionForGrader, Submitted, answers_that_fit, item_results, shown_to,
};
pub use tries::{
    Ends, NotNow, Tried, allowed, ends, is_over, is_used_up, may_count, may_try, next_number, next_try_at, used,
};
pub use work::{check_form, check_work};

/// What an author writes of an assessment (seed: `quest_assessments`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "key": "loops-quiz", "assessmentType": "Quiz",
    "configuration": {"v": 1, "type": "Quiz", "maxGrade": 10, "attempts": {"max": 2, "cooldownSeconds": 600}, "items": [
        {"id": "ends", "kind": "trueFalse", "prompt": "for (;;) ends by itself.", "points": 1, "correct": false}]},
    "passingCriteria": {"v": 1, "rule": {"op": "minPercent", "value": 70}}
}))]
pub struct AssessmentInput {
    /// Name in curriculum files, unique in the quest; left out, it is made from the id
    pub key: Option<String>,
    /// The type of the configuration; may be left out
    pub assessment_type: Option<AssessmentType>,
    /// What is asked, how often, until when, and how it is graded. Learners see only `task`
    #[schema(value_type = Object)]
    pub configuration: Value,
    /// What passing takes; left out, 70 percent
    #[schema(value_type = Option<Object>)]
    pub passing_criteria: Option<Value>,
}

/// An assessment. Learners get `task` and `passing` in place of `configuration` and `passingCriteria`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    pub id: AssessmentId,
    pub quest_id: QuestId,
    pub key: String,
    pub assessment_type: AssessmentType,
    /// Authors only
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub configuration: Option<Value>,
    /// Authors only
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub passing_criteria: Option<Value>,
    /// What to do, without keys. The questions of a quiz are there while a try may be made: the drawn ones,
    /// in the order of that try; of a timed one from its start on. Null while the quest is locked
    #[schema(value_type = Option<Object>)]
    pub task: Option<Value>,
    /// What passing takes, without the names of hidden tests; null while the quest is locked
    #[schema(value_type = Option<Object>)]
    pub passing: Option<Value>,
    /// Where the caller stands; null for authors, and without an attempt at the quest
    pub my: Option<MyAssessment>,
    /// When it stopped being part of the quest
    pub retired_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Where a learner stands with an assessment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MyAssessment {
    /// The unit is done; that is final
    pub is_passed: bool,
    pub passed_at: Option<DateTime<Utc>>,
    /// Tries that count against the limit; returned ones do not
    #[schema(example = 1)]
    pub tries_used: u32,
    /// Tries that are left; null when there is no limit
    #[schema(example = 1)]
    pub tries_left: Option<u32>,
    /// From when the next try is taken, where tries have to wait; it may have passed
    pub next_try_at: Option<DateTime<Utc>>,
    /// Tries that wait for their grade
    pub awaiting_grade: u32,
    /// The grade that counts of all tries (`attempts.keep`), once there is one that may be seen
    #[serde(with = "rust_decimal::serde::float_option")]
    #[schema(example = 8.5)]
    pub grade: Option<Decimal>,
    /// In the unit of `grade`
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 10)]
    pub max_grade: Decimal,
    /// The timed try that is under way
    pub running: Option<RunningTry>,
    /// What was saved and is not handed in yet
    #[schema(value_type = Option<Object>)]
    pub draft: Option<Value>,
}

/// A timed try that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningTry {
    pub attempt_number: i32,
    pub started_at: DateTime<Utc>,
    /// When the time is over
    pub due_at: DateTime<Utc>,
    /// The last moment in which work is taken; then what was saved is handed in by itself
    pub ends_at: DateTime<Utc>,
}

/// Answer of starting a try, and of saving a draft.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TryView {
    pub assessment_id: AssessmentId,
    pub attempt_number: i32,
    /// Null for an assessment without a time limit: nothing runs there
    pub running: Option<RunningTry>,
    /// What to do, with the questions of this try
    #[schema(value_type = Object)]
    pub task: Value,
    /// What was saved last
    #[schema(value_type = Option<Object>)]
    pub draft: Option<Value>,
}

/// What a grader allows.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"assessmentId": "01a20821-4c23-7176-aaea-d1be7350b75b", "tries": 1, "reason": "The power went out."}))]
pub struct MoreTriesInput {
    /// An assessment of the attempt's quest
    pub assessment_id: AssessmentId,
    /// 1 to 100; added to what was allowed before
    pub tries: i32,
    /// For the audit log, 1 to `MAX_TEXT_CHARS` characters
    pub reason: String,
}

/// What a learner may try beyond the limit.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoreTries {
    pub attempt_id: AttemptId,
    pub assessment_id: AssessmentId,
    /// All that were allowed so far
    #[schema(example = 1)]
    pub extra_tries: i32,
    /// Where the learner stands with the assessment now
    pub my: MyAssessment,
}

/// The documents of an assessment, read.
#[derive(Debug, Clone)]
pub struct Rules {
    pub configuration: AssessmentConfiguration,
    pub passing: PassingCriteria,
}

impl Rules {
    /// Reads what is stored; it was checked when it was written.
    ///
    /// # Errors
    /// When it does not parse all the same.
    pub fn read(id: AssessmentId, configuration: &Value, passing: &Value) -> Result<Self, Refusal> {
        let configuration = AssessmentConfiguration::parse(configuration);
        let passing = PassingCriteria::parse(passing, None);
        match (configuration, passing) {
            (Ok(configuration), Ok(passing)) => Ok(Self { configuration, passing }),
            (configuration, passing) => {
                let violations = (configuration.err(), passing.err());
                tracing::error!(assessment = %id, ?violations, "a stored assessment does not parse");
                Err(Refusal::Broken)
            }
        }
    }
}

impl Assessment {
    /// The part that an author writes.
    #[must_use]
    pub fn input(&self) -> AssessmentInput {
        AssessmentInput {
            key: Some(self.key.clone()),
            assessment_type: Some(self.assessment_type),
            configuration: self.configuration.clone().unwrap_or_default(),
            passing_criteria: self.passing_criteria.clone(),
        }
    }

    /// What seeds the draws of a learner's try: the same before and after the quest is started.
    #[must_use]
    pub fn seed(id: AssessmentId, learner: Uuid, attempt_number: i32) -> String {
        format!("{id}:{learner}:{attempt_number}")
    }
}
