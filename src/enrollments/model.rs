//! Enrolments as rows, JSON and schema, and their state machine.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::{LearningPathId, QuestId};
pub use crate::learning_paths::model::PathStatus;
use crate::unlocks::model::Exception;

/// A learner's place in a path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enrollment {
    /// Who it is: `sub` of the learner's token
    pub auth_user_id: Uuid,
    pub learning_path_id: LearningPathId,
    #[schema(example = "Programming in C: the first semester")]
    pub name: String,
    /// `NotStarted` until one of the path's quests has an attempt
    pub status: PathStatus,
    pub enrolled_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// When the learner left; enrolling again resumes
    pub left_at: Option<DateTime<Utc>>,
    /// The quest in progress, else the first that can be started
    pub current_quest_id: Option<QuestId>,
    /// Mandatory quests that are completed
    pub completed_quests_count: i32,
    /// Mandatory quests
    pub total_quests_count: i32,
    /// Completed ÷ mandatory quests in percent, cut to two decimals
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 25.0)]
    pub completion_percentage: Decimal,
    /// Experience points that the path's quests and their steps have paid
    pub total_experience_earned: i32,
    /// The path is completed, and has mandatory quests since that are not
    pub new_content_since_completion: bool,
}

/// What a learner may do with an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Pause,
    Resume,
}

impl PathStatus {
    /// Where a move leads; `None` when it is there already. `is_begun`: one of the quests has an attempt.
    ///
    /// # Errors
    /// When there is no way: a completed path stays completed.
    pub fn moved(self, how: Move, is_begun: bool) -> Result<Option<Self>, Refusal> {
        match (self, how) {
            (Self::Completed, _) => Err(Refusal::Completed),
            (Self::Paused, Move::Pause) | (Self::NotStarted | Self::InProgress, Move::Resume) => Ok(None),
            (Self::NotStarted | Self::InProgress, Move::Pause) => Ok(Some(Self::Paused)),
            (Self::Paused, Move::Resume) => Ok(Some(if is_begun { Self::InProgress } else { Self::NotStarted })),
        }
    }
}

/// What an admin writes of an exception.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "authUserId": "00000000-0000-4000-8000-000000000001", "questId": "d42e0cae-59db-52fc-b6bd-48ce3b0882eb",
    "kind": "waive", "reason": "Took the course at another school", "expiresAt": null
}))]
pub struct OverrideInput {
    pub auth_user_id: Uuid,
    pub quest_id: QuestId,
    /// `open` skips everything, `waive` the prerequisites
    pub kind: Exception,
    /// 1 to 1,000 characters; audited
    pub reason: String,
    /// In the future; left out, it holds for ever
    pub expires_at: Option<DateTime<Utc>>,
}

/// An exception that was made.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    pub id: Uuid,
    #[serde(flatten)]
    pub input: OverrideInput,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
}

/// What an operation on an enrolment refuses.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("a completed path stays completed")]
    Completed,
    #[error("{1}")]
    Invalid(&'static str, String),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_resumed_goes_on_where_it_was() {
        let resumed = |is_begun| PathStatus::Paused.moved(Move::Resume, is_begun).unwrap();
        assert_eq!((resumed(true), resumed(false)), (Some(PathStatus::InProgress), Some(PathStatus::NotStarted)));
        assert_eq!(PathStatus::InProgress.moved(Move::Pause, true).unwrap(), Some(PathStatus::Paused));
        assert_eq!(PathStatus::Paused.moved(Move::Pause, true).unwrap(), None);
        assert!(PathStatus::Completed.moved(Move::Pause, true).is_err());
    }
}
