//! Feedback as learners give it, and as authors see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{FeedbackId, QuestId};

/// What feedback is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text")]
pub enum FeedbackCategory {
    ContentError,
    TechnicalIssue,
    TooDifficult,
    TooEasy,
    Other,
}

/// What a learner sends.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"rating": 4, "category": "ContentError", "comment": "The second example does not compile."}))]
pub struct FeedbackInput {
    /// 1 (bad) to 5 (very good)
    #[schema(minimum = 1, maximum = 5)]
    pub rating: i16,
    #[serde(default = "other")]
    #[schema(default = "Other")]
    pub category: FeedbackCategory,
    /// 1 to 1,000 characters
    pub comment: Option<String>,
}

const fn other() -> FeedbackCategory {
    FeedbackCategory::Other
}

/// How an author has settled it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"resolution": "Mended the example."}))]
pub struct ResolutionInput {
    /// 1 to 1,000 characters
    pub resolution: Option<String>,
}

/// Feedback on a quest. Whose it is, is not told.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    pub id: FeedbackId,
    pub quest_id: QuestId,
    pub rating: i16,
    pub category: FeedbackCategory,
    pub comment: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Null while it is open
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolution: Option<String>,
}

/// What an operation on feedback refuses.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("only who has begun the quest can rate it")]
    NotBegun,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
