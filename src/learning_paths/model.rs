//! Learning paths, chapters and the list of a path's quests as rows, JSON and schema.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::criteria::Violation;
use crate::ids::{ChapterId, LearningPathId, QuestId};
use crate::learning_paths::lint::Finding;
use crate::quests::model::{DifficultyLevel, sql_enum};

sql_enum!(
    /// seed: `path_type`
    PathType "path_type" { Course, Specialization, Bootcamp, Custom }
);
sql_enum!(
    /// Of a chapter, as its author sets it; of a learner in a path, progress (seed: `path_progress_status`)
    PathStatus "path_progress_status" { NotStarted, InProgress, Completed, Paused }
);

/// What an author writes of a path (seed: `learning_paths`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "key": "c-evening-class", "name": "C programming (evening class)", "description": "From the first program to pointers and files.",
    "pathType": "Course", "curriculumVersionId": null, "estimatedTotalDurationHours": 60
}))]
pub struct LearningPathInput {
    /// Stable name in curriculum files: a to z, digits, `_` and `-`, at most 64; left out, it is made from the id
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: Option<String>,
    /// 1 to 255 characters
    pub name: String,
    /// 1 to `MAX_TEXT_CHARS` characters
    pub description: String,
    pub path_type: PathType,
    /// Curriculum version of the User Service
    pub curriculum_version_id: Option<Uuid>,
    /// Hours, at most 100,000
    pub estimated_total_duration_hours: Option<i32>,
}

/// A learning path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearningPath {
    pub id: LearningPathId,
    #[schema(example = "c-programming")]
    pub key: String,
    #[schema(example = "C programming")]
    pub name: String,
    pub description: String,
    pub path_type: PathType,
    pub curriculum_version_id: Option<Uuid>,
    /// Hours
    pub estimated_total_duration_hours: Option<i32>,
    /// What its quests and their steps pay
    pub total_experience_points: i32,
    pub is_published: bool,
    /// `sub` of the author
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub quest_count: i64,
    pub chapter_count: i64,
}

impl LearningPath {
    /// The part that an author writes.
    #[must_use]
    pub fn input(&self) -> LearningPathInput {
        LearningPathInput {
            key: Some(self.key.clone()),
            name: self.name.clone(),
            description: self.description.clone(),
            path_type: self.path_type,
            curriculum_version_id: self.curriculum_version_id,
            estimated_total_duration_hours: self.estimated_total_duration_hours,
        }
    }
}

const fn not_started() -> PathStatus {
    PathStatus::NotStarted
}

/// What an author writes of a chapter (seed: `quest_chapters`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "key": "first-evenings", "title": "The first evenings", "status": "InProgress",
    "startDate": "2026-09-07", "endDate": "2026-10-04"
}))]
pub struct ChapterInput {
    /// Stable name in curriculum files, unique in its path; left out, it is made from the id
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: Option<String>,
    /// 1 to 255 characters
    pub title: String,
    /// Place in the path, from 1; left out, the chapter is appended
    pub sequence: Option<i32>,
    /// Paused: nobody starts a quest through it
    #[serde(default = "not_started")]
    #[schema(default = "NotStarted")]
    pub status: PathStatus,
    /// Before it nobody starts a quest through the chapter
    pub start_date: Option<NaiveDate>,
    /// After it the chapter is overdue, a hint; not before `startDate`
    pub end_date: Option<NaiveDate>,
}

/// A chapter of a learning path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chapter {
    pub id: ChapterId,
    #[schema(example = "first-steps")]
    pub key: String,
    pub learning_path_id: LearningPathId,
    #[schema(example = "First steps")]
    pub title: String,
    /// From 1 without gaps
    pub sequence: i32,
    /// As the author set it for everyone
    pub status: PathStatus,
    pub start_date: Option<NaiveDate>,
    pub end_date: Option<NaiveDate>,
    pub quest_count: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Chapter {
    /// The part that an author writes.
    #[must_use]
    pub fn input(&self) -> ChapterInput {
        ChapterInput {
            key: Some(self.key.clone()),
            title: self.title.clone(),
            sequence: Some(self.sequence),
            status: self.status,
            start_date: self.start_date,
            end_date: self.end_date,
        }
    }
}

const fn yes() -> bool {
    true
}

/// What an author writes of a quest's place in a path (seed: `learning_path_quests`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathQuestInput {
    pub quest_id: QuestId,
    /// A chapter of this path
    pub chapter_id: Option<ChapterId>,
    /// Within this path
    pub difficulty_level: DifficultyLevel,
    /// Only mandatory quests count for the path's completion
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_mandatory: bool,
    /// When it opens through this path; null needs nothing
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub unlock_criteria: Option<Value>,
}

/// A quest in a learning path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathQuest {
    pub quest_id: QuestId,
    #[schema(example = "Hello, C")]
    pub title: String,
    pub chapter_id: Option<ChapterId>,
    /// From 1 without gaps
    pub sequence_order: i32,
    /// Within this path
    pub difficulty_level: DifficultyLevel,
    pub is_mandatory: bool,
    /// Authors only
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub unlock_criteria: Option<Value>,
    /// Only active quests can be started
    pub is_active: bool,
    /// What the quest and its steps pay
    pub experience_points: i64,
}

/// Filters of `GET /v1/learning-paths`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub path_type: Option<PathType>,
    pub is_published: Option<bool>,
    pub curriculum_version_id: Option<Uuid>,
}

/// What an operation on learning paths refuses.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{0}")]
    InUse(&'static str),
    #[error("another one has this key")]
    KeyTaken,
    #[error("the path cannot be published like this")]
    LintFailed(Vec<Finding>),
    #[error("{0} cannot be active: each needs a mandatory step or an assessment, and criteria on its Coding steps")]
    NotActivatable(String),
    #[error("the path was changed meanwhile; try again")]
    ChangedMeanwhile,
    #[error("the request breaks a rule")]
    Invalid(Vec<Violation>),
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        match crate::db::broken_constraint(&error) {
            Some("learning_paths_key_once" | "quest_chapters_key_once") => Self::KeyTaken,
            _ => Self::Database(error),
        }
    }
}

impl Refusal {
    /// One field at fault.
    #[must_use]
    pub fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation { pointer: pointer.to_owned(), detail: detail.into() }])
    }
}

/// Unlock criteria with the path and chapters that they name exchanged for others: what a copy needs.
#[must_use]
pub(super) fn renamed(criteria: &Value, ids: &HashMap<Uuid, Uuid>) -> Value {
    match criteria {
        Value::Array(items) => items.iter().map(|item| renamed(item, ids)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| {
                let named = matches!(name.as_str(), "chapterId" | "pathId");
                let other = field.as_str().filter(|_| named).and_then(|id| ids.get(&id.parse().ok()?));
                (name.clone(), other.map_or_else(|| renamed(field, ids), |id| id.to_string().into()))
            })
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_copys_criteria_name_its_own_chapters_and_nothing_else_changes() {
        let (from, to, stays) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let ids = HashMap::from([(from, to)]);
        let of = |id: Uuid| {
            json!({"v": 1, "when": {"op": "any", "of": [
                {"op": "chapterCompleted", "chapterId": id.to_string()},
                {"op": "pathProgress", "pathId": stays, "minPercent": 50},
                {"op": "questCompleted", "questId": from},
                {"op": "skillLevel", "skillTag": from.to_string(), "minLevel": 2},
            ]}})
        };
        assert_eq!(renamed(&of(from), &ids), of(to));
        let shouted = json!({"chapterId": from.to_string().to_uppercase()});
        assert_eq!(renamed(&shouted, &ids), json!({"chapterId": to}));
    }
}
