//! What a curriculum file holds. Lists that have an order are in that order; everything else is by key.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::criteria::PassingCriteria;
use crate::learning_paths::model::{ChapterInput, LearningPathInput, PathStatus, PathType};
use crate::quests::model::{
    AssessmentType, DifficultyLevel, QuestInput, QuestType, ResourceInput, ResourceType, StepInput, StepType,
};
use crate::rewards::SkillReward;

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// A curriculum file
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"v": 1, "quests": [{
    "key": "loops-that-end", "title": "Loops that end", "description": "Write for and while loops, and say why they stop.",
    "questType": "Practice", "difficultyLevel": "Beginner", "experiencePointsReward": 120, "isActive": false,
    "prerequisites": ["hello-c"],
    "steps": [{"key": "read", "title": "Read: why loops need a bound", "description": "Ten minutes of reading.",
               "stepType": "Reading", "validationCriteria": {"v": 1, "type": "Reading", "requireAck": true}, "experiencePoints": 20}]
}]}))]
pub struct Curriculum {
    /// Where editors find this schema
    #[serde(rename = "$schema", default, skip_serializing)]
    pub schema: Option<String>,
    /// Version of the format: 1
    #[schema(minimum = 1, maximum = 1)]
    pub v: u32,
    /// Quests, known by their keys; their order means nothing
    #[serde(default)]
    pub quests: Vec<FileQuest>,
    /// Learning paths, known by their keys; their order means nothing
    #[serde(default)]
    pub learning_paths: Vec<FilePath>,
}

/// A quest (seed: `quests`)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileQuest {
    /// Stable name, unique among all quests
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: String,
    /// 1 to 255 characters
    pub title: String,
    pub description: String,
    pub quest_type: QuestType,
    pub difficulty_level: DifficultyLevel,
    /// Minutes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_duration_minutes: Option<i32>,
    /// Experience points paid once, when the quest is completed
    #[serde(default, skip_serializing_if = "is_zero")]
    pub experience_points_reward: i32,
    /// Names of skills, distinct
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::tags::many")]
    pub skill_tags: Vec<String>,
    /// Subject of the User Service
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<Uuid>,
    /// A draft when false
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Keys of quests that are to be completed before, of this file or of the database
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<String>,
    /// Prerequisites in words that no quest was found for; the linter of paths warns of them
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved_prerequisites: Vec<String>,
    /// What completing it pays in skill points; left out, its experience points are split over the tags
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skill_rewards: Vec<SkillReward>,
    /// In order
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<FileStep>,
    /// In order
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<FileResource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assessments: Vec<FileAssessment>,
}

/// A step of a quest (seed: `quest_steps`)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileStep {
    /// Stable name, unique in its quest
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: String,
    /// 1 to 255 characters
    pub title: String,
    pub description: String,
    pub step_type: StepType,
    /// Any JSON object; learners see it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// What completing needs; left out, nothing. Its `type` is the step's
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub validation_criteria: Option<Value>,
    /// Experience points paid once, when the step is completed
    #[serde(default, skip_serializing_if = "is_zero")]
    pub experience_points: i32,
    /// Optional steps pay, but do not count
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_optional: bool,
}

/// A resource of a quest (seed: `quest_resources`); it needs `url` or `filePath`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileResource {
    /// Stable name, unique in its quest
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: String,
    pub resource_type: ResourceType,
    /// 1 to 255 characters
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// http or https
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Opaque name of a file; never fetched or served
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// Any JSON object
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
}

/// An assessment of a quest (seed: `quest_assessments`)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileAssessment {
    /// Stable name, unique in its quest
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: String,
    pub assessment_type: AssessmentType,
    #[schema(value_type = Object)]
    pub configuration: Value,
    /// Left out, 70 percent
    #[serde(default = "PassingCriteria::default_document")]
    #[schema(value_type = Object, required = false)]
    pub passing_criteria: Value,
}

/// A learning path (seed: `learning_paths`)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilePath {
    /// Stable name, unique among all paths
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: String,
    /// 1 to 255 characters
    pub name: String,
    pub description: String,
    pub path_type: PathType,
    /// Curriculum version of the User Service
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curriculum_version_id: Option<Uuid>,
    /// Hours
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_total_duration_hours: Option<i32>,
    /// Published paths must pass the linter
    #[serde(default)]
    pub is_published: bool,
    /// In order
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chapters: Vec<FileChapter>,
    /// In order, each quest once
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quests: Vec<FilePlace>,
}

const fn not_started() -> PathStatus {
    PathStatus::NotStarted
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_not_started(status: &PathStatus) -> bool {
    *status == PathStatus::NotStarted
}

/// A chapter of a path (seed: `quest_chapters`)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileChapter {
    /// Stable name, unique in its path
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: String,
    /// 1 to 255 characters
    pub title: String,
    /// Paused: nobody starts a quest through it
    #[serde(default = "not_started", skip_serializing_if = "is_not_started")]
    #[schema(default = "NotStarted")]
    pub status: PathStatus,
    /// Before it nobody starts a quest through the chapter
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<NaiveDate>,
    /// After it the chapter is overdue, a hint
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date: Option<NaiveDate>,
}

/// A quest's place in a path (seed: `learning_path_quests`)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilePlace {
    /// Key of a quest, of this file or of the database
    pub quest: String,
    /// Key of a chapter of this path
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chapter: Option<String>,
    /// Within this path
    pub difficulty_level: DifficultyLevel,
    /// Only mandatory quests count for the path's completion
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_mandatory: bool,
    /// When it opens through this path. In place of ids it names keys: `questKey`, `chapterKey` (of another
    /// path `path/chapter`), `assessmentKey` (`quest/assessment`), `pathKey`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub unlock_criteria: Option<Value>,
}

impl Curriculum {
    /// By key where order means nothing: the same content is the same value.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.quests.sort_by(|a, b| a.key.cmp(&b.key));
        self.learning_paths.sort_by(|a, b| a.key.cmp(&b.key));
        for quest in &mut self.quests {
            quest.prerequisites.sort_unstable();
            quest.assessments.sort_by(|a, b| a.key.cmp(&b.key));
        }
        self
    }

    /// JSON null of a document is nothing.
    #[must_use]
    pub fn without_nulls(mut self) -> Self {
        for quest in &mut self.quests {
            for step in &mut quest.steps {
                nothing_if_null(&mut step.content);
                nothing_if_null(&mut step.validation_criteria);
            }
            for resource in &mut quest.resources {
                nothing_if_null(&mut resource.metadata);
            }
        }
        for place in self.learning_paths.iter_mut().flat_map(|path| &mut path.quests) {
            nothing_if_null(&mut place.unlock_criteria);
        }
        self
    }
}

fn nothing_if_null(document: &mut Option<Value>) {
    if document.as_ref().is_some_and(Value::is_null) {
        *document = None;
    }
}

impl FileQuest {
    /// As the API would take it.
    #[must_use]
    pub fn input(&self) -> QuestInput {
        QuestInput {
            key: Some(self.key.clone()),
            title: self.title.clone(),
            description: self.description.clone(),
            quest_type: self.quest_type,
            difficulty_level: self.difficulty_level,
            estimated_duration_minutes: self.estimated_duration_minutes,
            experience_points_reward: self.experience_points_reward,
            skill_tags: self.skill_tags.clone(),
            subject_id: self.subject_id,
            is_active: self.is_active,
            unresolved_prerequisites: self.unresolved_prerequisites.clone(),
        }
    }

    /// Mandatory steps and assessments.
    #[must_use]
    pub fn units(&self) -> usize {
        self.steps.iter().filter(|step| !step.is_optional).count() + self.assessments.len()
    }
}

impl FileStep {
    /// As the API would take it.
    #[must_use]
    pub fn input(&self) -> StepInput {
        StepInput {
            key: Some(self.key.clone()),
            step_number: None,
            title: self.title.clone(),
            description: self.description.clone(),
            step_type: self.step_type,
            content: self.content.clone(),
            validation_criteria: self.validation_criteria.clone(),
            experience_points: self.experience_points,
            is_optional: self.is_optional,
        }
    }
}

impl FileResource {
    /// As the API would take it.
    #[must_use]
    pub fn input(&self) -> ResourceInput {
        ResourceInput {
            key: Some(self.key.clone()),
            resource_type: self.resource_type,
            title: self.title.clone(),
            description: self.description.clone(),
            url: self.url.clone(),
            file_path: self.file_path.clone(),
            metadata: self.metadata.clone(),
            display_order: None,
        }
    }
}

impl FilePath {
    /// As the API would take it.
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

impl FileChapter {
    /// As the API would take it.
    #[must_use]
    pub fn input(&self) -> ChapterInput {
        ChapterInput {
            key: Some(self.key.clone()),
            title: self.title.clone(),
            sequence: None,
            status: self.status,
            start_date: self.start_date,
            end_date: self.end_date,
        }
    }
}
