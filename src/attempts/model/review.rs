//! Reviews of what was handed in, as graders see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::ReviewStatus;
use crate::ids::{AttemptId, QuestId, StepId};

/// Work that was handed in for a Submission step with `review: manual`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepReview {
    pub attempt_id: AttemptId,
    pub step_id: StepId,
    pub quest_id: QuestId,
    /// The learner
    pub auth_user_id: Uuid,
    #[schema(example = "Files and errors")]
    pub quest_title: String,
    #[schema(example = "Hand in your log reader")]
    pub step_title: String,
    pub step_description: String,
    /// What was to be handed in
    #[schema(value_type = Option<Object>)]
    pub task: Option<Value>,
    pub status: ReviewStatus,
    #[schema(value_type = Option<Object>)]
    pub submission_data: Option<Value>,
    /// Tries so far, this one included
    pub attempts_count: i32,
    pub submitted_at: DateTime<Utc>,
    pub reviewed_at: Option<DateTime<Utc>>,
    /// `sub` of the grader
    pub reviewed_by: Option<Uuid>,
    /// What the learner was told
    pub feedback: Option<String>,
}

/// What a grader decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// The step is completed, for good
    Accept,
    /// The learner tries again
    Return,
}

/// Tries of a step beyond its limit.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtraTries {
    pub attempt_id: AttemptId,
    pub step_id: StepId,
    /// All that were allowed so far
    #[schema(example = 2)]
    pub extra_tries: i32,
    pub attempts_count: i32,
    /// Null when there is no limit
    #[schema(example = 2)]
    pub attempts_left: Option<i32>,
}
