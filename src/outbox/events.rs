//! The event types: what we say on the bus, word for word.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::{
    AssessmentId, AttemptId, EventId, LearnerId, LearningPathId, PeerReviewId, QuestId, StepId, SubmissionId,
};
use crate::quests::model::{DifficultyLevel, QuestType, StepType};

/// `source` of our events, and `sourceService` of rewards.
pub const SOURCE: &str = "/quests-service";
const SERVICE: &str = "QuestsService";

/// What a reward is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Objective {
    QuestStep,
    Quest,
}

impl Objective {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QuestStep => "QuestStep",
            Self::Quest => "Quest",
        }
    }

    /// `reason` of the reward events.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::QuestStep => "StepCompleted",
            Self::Quest => "QuestCompleted",
        }
    }
}

/// An event of the log. The fields are those of `data`, besides `authUserId`.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Event {
    /// FR58: experience points for a step or a quest.
    XpGranted(XpGranted),
    /// FR58: points in one skill, paid with the quest.
    SkillPointsGranted(SkillPointsGranted),
    /// FR58: a quest that something gated is open now.
    ChallengeUnlocked {
        quest_id: QuestId,
        title: String,
        quest_type: QuestType,
        #[serde(skip_serializing_if = "Option::is_none")]
        unlocked_by_quest_id: Option<QuestId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        learning_path_id: Option<LearningPathId>,
    },
    QuestStarted(AttemptMoved),
    QuestPaused(AttemptMoved),
    QuestResumed(AttemptMoved),
    QuestAbandoned(AttemptMoved),
    StepCompleted {
        quest_id: QuestId,
        attempt_id: AttemptId,
        step_id: StepId,
        step_type: StepType,
        #[serde(with = "rust_decimal::serde::float")]
        completion_percentage: Decimal,
    },
    QuestCompleted(QuestCompleted),
    /// Work was handed in for an assessment.
    SubmissionReceived(TryOfAssessment),
    /// Work has a grade, or another one than before.
    SubmissionGraded {
        #[serde(flatten)]
        submission: TryOfAssessment,
        /// In the unit of `max_grade`; left out while its learner may not see it
        #[serde(with = "rust_decimal::serde::float_option", skip_serializing_if = "Option::is_none")]
        grade: Option<Decimal>,
        #[serde(with = "rust_decimal::serde::float")]
        max_grade: Decimal,
        is_passed: bool,
    },
    /// Somebody's work is the learner's to review.
    PeerReviewAssigned {
        assessment_id: AssessmentId,
        review_id: PeerReviewId,
        #[serde(skip_serializing_if = "Option::is_none")]
        due_at: Option<DateTime<Utc>>,
    },
    /// The first quest of a path that the learner is enrolled in is under way.
    LearningPathStarted(LearningPathMoved),
    /// Every mandatory quest of the path is completed.
    LearningPathCompleted(LearningPathMoved),
}

/// Data of `SubmissionReceived`, and part of that of `SubmissionGraded`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TryOfAssessment {
    pub quest_id: QuestId,
    pub attempt_id: AttemptId,
    pub assessment_id: AssessmentId,
    pub submission_id: SubmissionId,
    pub attempt_number: i32,
}

/// Data of `LearningPathStarted` and `LearningPathCompleted`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LearningPathMoved {
    pub learning_path_id: LearningPathId,
    pub name: String,
    pub completed_quests_count: i32,
    pub total_experience_earned: i32,
}

/// Data of `QuestStarted`, `QuestPaused`, `QuestResumed`, `QuestAbandoned`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptMoved {
    pub quest_id: QuestId,
    pub attempt_id: AttemptId,
    pub title: String,
}

/// Data of `XPGranted`; maps onto the User Service's `user_skill_rewards` (docs/events.md).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct XpGranted {
    pub points: i32,
    pub reason: &'static str,
    pub source_service: &'static str,
    pub source_type: &'static str,
    pub objective_type: Objective,
    pub source_id: Uuid,
    pub quest_id: QuestId,
    pub attempt_id: AttemptId,
}

impl XpGranted {
    #[must_use]
    pub const fn new(
        objective: Objective,
        source_id: Uuid,
        points: i32,
        quest_id: QuestId,
        attempt_id: AttemptId,
    ) -> Self {
        Self {
            points,
            reason: objective.reason(),
            source_service: SERVICE,
            source_type: "Quest",
            objective_type: objective,
            source_id,
            quest_id,
            attempt_id,
        }
    }
}

/// Data of `SkillPointsGranted`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SkillPointsGranted {
    pub skill_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill_id: Option<Uuid>,
    #[serde(flatten)]
    pub reward: XpGranted,
}

/// Data of `QuestCompleted`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuestCompleted {
    pub quest_id: QuestId,
    pub attempt_id: AttemptId,
    pub title: String,
    pub quest_type: QuestType,
    pub difficulty_level: DifficultyLevel,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<Uuid>,
    pub total_experience_earned: i32,
    pub started_at: DateTime<Utc>,
    pub completed_at: DateTime<Utc>,
    pub learning_path_ids: Vec<Uuid>,
}

impl Event {
    /// `type` of the envelope.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::XpGranted(_) => "XPGranted",
            Self::SkillPointsGranted(_) => "SkillPointsGranted",
            Self::ChallengeUnlocked { .. } => "ChallengeUnlocked",
            Self::QuestStarted(_) => "QuestStarted",
            Self::QuestPaused(_) => "QuestPaused",
            Self::QuestResumed(_) => "QuestResumed",
            Self::QuestAbandoned(_) => "QuestAbandoned",
            Self::StepCompleted { .. } => "StepCompleted",
            Self::QuestCompleted(_) => "QuestCompleted",
            Self::SubmissionReceived(_) => "SubmissionReceived",
            Self::SubmissionGraded { .. } => "SubmissionGraded",
            Self::PeerReviewAssigned { .. } => "PeerReviewAssigned",
            Self::LearningPathStarted(_) => "LearningPathStarted",
            Self::LearningPathCompleted(_) => "LearningPathCompleted",
        }
    }

    /// `data` of the envelope.
    #[must_use]
    pub fn data(&self, learner: LearnerId) -> Value {
        let mut data = json!({ "authUserId": learner });
        if let (Some(data), Ok(Value::Object(fields))) = (data.as_object_mut(), serde_json::to_value(self)) {
            data.extend(fields);
        }
        data
    }
}

/// `quests.<kebab-type>`: `XPGranted` → `quests.xp-granted`.
#[must_use]
pub fn routing_key(event_type: &str) -> String {
    let mut key = String::from("quests.");
    let characters: Vec<char> = event_type.chars().collect();
    for (index, character) in characters.iter().enumerate() {
        let after_lower = index > 0 && characters[index - 1].is_lowercase();
        let before_lower = index > 0 && characters.get(index + 1).is_some_and(|next| next.is_lowercase());
        if character.is_uppercase() && (after_lower || before_lower) {
            key.push('-');
        }
        key.extend(character.to_lowercase());
    }
    key
}

/// A row of the log, ready to be told.
#[derive(Debug, Clone)]
pub struct Logged {
    pub id: EventId,
    pub auth_user_id: LearnerId,
    pub learner_seq: i64,
    pub event_type: String,
    pub correlation_id: String,
    pub causation_id: Option<Uuid>,
    pub traceparent: Option<String>,
    pub occurred_at: DateTime<Utc>,
    pub data: Value,
}

impl Logged {
    /// The CloudEvents 1.0 envelope, structured mode.
    #[must_use]
    pub fn envelope(&self) -> Value {
        let mut envelope = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": SOURCE,
            "type": self.event_type,
            "subject": self.auth_user_id,
            "time": self.occurred_at,
            "datacontenttype": "application/json",
            "dataschema": format!("/schemas/events/{}/v1", self.event_type),
            "correlationid": self.correlation_id,
            "learnerseq": self.learner_seq,
            "data": self.data,
        });
        // CloudEvents has no null extensions: what nothing caused carries none.
        if let (Some(envelope), Some(cause)) = (envelope.as_object_mut(), self.causation_id) {
            envelope.insert("causationid".to_owned(), json!(cause));
        }
        if let (Some(envelope), Some(traceparent)) = (envelope.as_object_mut(), &self.traceparent) {
            envelope.insert("traceparent".to_owned(), json!(traceparent));
        }
        envelope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routing_keys_are_kebab_case() {
        let keys = ["XPGranted", "SkillPointsGranted", "QuestStarted", "LearningPathCompleted"].map(routing_key);
        assert_eq!(
            keys,
            [
                "quests.xp-granted",
                "quests.skill-points-granted",
                "quests.quest-started",
                "quests.learning-path-completed"
            ]
        );
    }
}
