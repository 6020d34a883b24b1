//! The one evaluator of conditions: pure, three-valued, monotone. Gate, explanation, the learner's
//! picture, linter and simulation all ask it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One of three values of a condition; unknown counts as unmet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Met,
    Unmet,
    Unknown,
}

/// What is known of one learner, as far as the conditions at hand ask for it.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub now: DateTime<Utc>,
    pub quests: HashMap<Uuid, QuestFact>,
    pub chapters: HashMap<Uuid, ChapterFact>,
    pub paths: HashMap<Uuid, PathFact>,
    pub assessments: HashMap<Uuid, AssessmentFact>,
    /// Experience points that this service granted.
    pub experience: i64,
    /// Levels by lower-case skill name; None when they are missing or too old.
    pub skills: Option<HashMap<String, i32>>,
}

/// Where a learner stands with a quest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuestFact {
    pub title: String,
    pub completed_at: Option<DateTime<Utc>>,
    /// Completion, percent.
    #[serde(default)]
    pub percentage: Decimal,
    /// Mean of the best grades over all assessments of the quest, percent; None until each is graded.
    pub score: Option<Decimal>,
}

/// Where a learner stands with a chapter: its mandatory quests.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChapterFact {
    pub title: String,
    pub total: i64,
    pub done: i64,
}

/// Where a learner stands with a path: its mandatory quests, and what its quests have paid.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathFact {
    pub name: String,
    pub total: i64,
    pub done: i64,
    pub experience: i64,
    /// Start of the first attempt at one of its quests.
    pub started_at: Option<DateTime<Utc>>,
}

/// A learner's grades in an assessment, percent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentFact {
    pub first: Option<Decimal>,
    pub best: Option<Decimal>,
}
