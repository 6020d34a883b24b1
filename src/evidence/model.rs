//! Evidence as types.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::{AttemptId, EvidenceId, QuestId};

/// What has happened outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A grader has run a submission; the target is the problem.
    Coding,
    /// A meeting has taken place; the target is the quest.
    Meeting,
}

impl Kind {
    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coding => "coding",
            Self::Meeting => "meeting",
        }
    }
}

/// What a result was applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitType {
    Step,
    Assessment,
}

impl UnitType {
    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Assessment => "assessment",
        }
    }
}

/// A result as it comes in.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub kind: Kind,
    /// Id of the submission or meeting at its source, 1 to 128 characters
    pub source_id: String,
    pub target_id: Uuid,
    /// An object; of kind Coding a [`CodingResult`](crate::criteria::CodingResult)
    pub result: Value,
}

/// A result as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub id: EvidenceId,
    pub source_id: String,
    pub result: Value,
    pub received_at: DateTime<Utc>,
}

/// A unit that a result was applied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    pub quest_id: QuestId,
    pub attempt_id: AttemptId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub step_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub assessment_id: Option<Uuid>,
    /// It met what the unit asks for; else it counts as a try
    pub is_met: bool,
}
