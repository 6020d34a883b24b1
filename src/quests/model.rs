//! Quests, steps and resources as rows, JSON and schema, and the rules that need no database.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub use crate::criteria::AssessmentKind as AssessmentType;
use crate::criteria::LockedView;
pub use crate::criteria::StepKind as StepType;
use crate::ids::{QuestId, ResourceId, StepId};
use crate::rewards::{SkillReward, effective_skill_rewards};
use crate::unlocks::My;

macro_rules! sql_enum {
    ($(#[$doc:meta])* $name:ident $sql:literal { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
        #[sqlx(type_name = $sql)]
        pub enum $name { $($variant),+ }
    };
}

pub(crate) use sql_enum;

sql_enum!(
    /// seed: `quest_type`
    QuestType "quest_type" { Tutorial, Practice, Challenge, Project, Assessment, Exploration }
);
sql_enum!(
    /// seed: `difficulty_level`
    DifficultyLevel "difficulty_level" { Beginner, Intermediate, Advanced, Expert }
);
sql_enum!(
    /// seed: `resource_type`
    ResourceType "resource_type" { Document, Video, Audio, Interactive, Link, Code, Dataset }
);
sql_enum!(
    /// seed: `quest_attempt_status`
    AttemptStatus "quest_attempt_status" { InProgress, Completed, Abandoned, Paused }
);
sql_enum!(
    /// seed: `step_completion_status`
    StepStatus "step_completion_status" { NotStarted, InProgress, Completed, Skipped }
);

/// What an author writes of a quest (seed: `quests`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "key": "loops-that-end", "title": "Loops that end",
    "description": "Write for and while loops, and say why they stop.",
    "questType": "Practice", "difficultyLevel": "Beginner", "estimatedDurationMinutes": 45,
    "experiencePointsReward": 120, "skillTags": ["loops", "c-basics"], "subjectId": null
}))]
pub struct QuestInput {
    /// Stable name in curriculum files: a to z, digits, `_` and `-`, at most 64; left out, it is made from the id
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: Option<String>,
    /// 1 to 255 characters
    pub title: String,
    /// 1 to `MAX_TEXT_CHARS` characters
    pub description: String,
    pub quest_type: QuestType,
    pub difficulty_level: DifficultyLevel,
    /// Minutes
    pub estimated_duration_minutes: Option<i32>,
    /// Experience points paid once, when the quest is completed
    #[serde(default)]
    pub experience_points_reward: i32,
    /// Names of skills, distinct in more than capitals; kept without white space around them, in NFC
    #[serde(default, deserialize_with = "crate::tags::many")]
    pub skill_tags: Vec<String>,
    /// Subject of the User Service
    pub subject_id: Option<Uuid>,
    /// A new quest is inactive; PATCH it to true once it has something to do
    #[serde(default)]
    #[schema(default = false)]
    pub is_active: bool,
    /// Prerequisites in words that no quest was found for; the linter of paths warns of them
    #[serde(default)]
    pub unresolved_prerequisites: Vec<String>,
}

/// A quest.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quest {
    pub id: QuestId,
    #[schema(example = "hello-c")]
    pub key: String,
    #[schema(example = "Hello, C")]
    pub title: String,
    pub description: String,
    pub quest_type: QuestType,
    pub difficulty_level: DifficultyLevel,
    /// Minutes
    pub estimated_duration_minutes: Option<i32>,
    pub experience_points_reward: i32,
    pub skill_tags: Vec<String>,
    pub subject_id: Option<Uuid>,
    pub is_active: bool,
    /// `sub` of the author
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// What completing it pays in skill points: as set, or the experience points split over the tags
    #[schema(value_type = Vec<SkillReward>)]
    pub skill_rewards: sqlx::types::Json<Vec<SkillReward>>,
    /// Steps that are not retired
    pub step_count: i64,
    /// Authors only
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub unresolved_prerequisites: Vec<String>,
}

impl Quest {
    /// Fills in the split over the tags where no skill rewards are set.
    #[must_use]
    pub fn with_effective_rewards(mut self) -> Self {
        self.skill_rewards.0 =
            effective_skill_rewards(&self.skill_rewards.0, &self.skill_tags, self.experience_points_reward);
        self
    }

    /// The part that an author writes.
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
}

/// A quest with the caller's own view of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuestWithMy {
    #[serde(flatten)]
    pub quest: Quest,
    pub my: My,
}

impl QuestWithMy {
    /// The quest as a caller may see it: while it is locked, criteria may hold back all but the title.
    #[must_use]
    pub fn seen_by(mut self, is_author: bool) -> Self {
        let holds_back = self.my.is_locked() && self.my.locked_view != LockedView::Full;
        if !is_author {
            self.quest.unresolved_prerequisites = Vec::new();
        }
        if holds_back && !is_author {
            self.quest.description = String::new();
            self.quest.skill_tags = Vec::new();
            self.quest.skill_rewards.0 = Vec::new();
        }
        self
    }
}

/// What an author writes of a step (seed: `quest_steps`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "key": "read", "title": "Read: why loops need a bound", "description": "Ten minutes of reading.",
    "stepType": "Reading", "content": {"format": "markdown", "body": "A loop that ends has …"},
    "validationCriteria": {"v": 1, "type": "Reading", "requireAck": true, "minSeconds": 30},
    "experiencePoints": 20, "isOptional": false
}))]
pub struct StepInput {
    /// Stable name in curriculum files, unique in its quest; left out, it is made from the id
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: Option<String>,
    /// Place in the quest, from 1; left out, the step is appended
    pub step_number: Option<i32>,
    /// 1 to 255 characters
    pub title: String,
    /// 1 to `MAX_TEXT_CHARS` characters
    pub description: String,
    pub step_type: StepType,
    /// Any JSON object; learners see it
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// What completing needs; null needs nothing. Its `type` is the step's. Learners see only `task`
    #[schema(value_type = Option<Object>)]
    pub validation_criteria: Option<Value>,
    /// Experience points paid once, when the step is completed
    #[serde(default)]
    pub experience_points: i32,
    /// Optional steps are no units: they pay, but do not count
    #[serde(default)]
    pub is_optional: bool,
}

/// A step. Learners get `task` in place of `validationCriteria`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub id: StepId,
    #[schema(example = "your-first-program")]
    pub key: String,
    pub quest_id: QuestId,
    /// From 1; negative once retired
    pub step_number: i32,
    #[schema(example = "Your first program")]
    pub title: String,
    pub description: String,
    pub step_type: StepType,
    /// Withheld (null) from learners while the quest is locked for them
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// Authors only
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub validation_criteria: Option<Value>,
    /// What completing needs, without keys and answers; null when it needs nothing, or while locked
    #[schema(value_type = Option<Object>)]
    pub task: Option<Value>,
    pub experience_points: i32,
    pub is_optional: bool,
    /// When it stopped being part of the quest
    pub retired_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// How much of a step a caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// An author: everything.
    Author,
    /// A learner who may work on it.
    Open,
    /// A learner for whom the quest is locked.
    Locked,
}

impl Step {
    /// The part that an author writes.
    #[must_use]
    pub fn input(&self) -> StepInput {
        StepInput {
            key: Some(self.key.clone()),
            step_number: Some(self.step_number),
            title: self.title.clone(),
            description: self.description.clone(),
            step_type: self.step_type,
            content: self.content.clone(),
            validation_criteria: self.validation_criteria.clone(),
            experience_points: self.experience_points,
            is_optional: self.is_optional,
        }
    }

    /// The step as a caller may see it: keys and answers never leave here but for authors.
    #[must_use]
    pub fn seen_by(mut self, sight: Sight) -> Self {
        let task = || {
            let criteria = crate::criteria::ValidationCriteria::parse(self.validation_criteria.as_ref()?).ok()?;
            Some(criteria.task())
        };
        match sight {
            Sight::Author => self.task = task(),
            Sight::Open => {
                self.task = task();
                self.validation_criteria = None;
            }
            Sight::Locked => {
                self.validation_criteria = None;
                self.content = None;
            }
        }
        self
    }
}

/// What an author writes of a resource (seed: `quest_resources`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "resourceType": "Link", "title": "C reference: for loop", "description": "Syntax and scope.",
    "url": "https://en.cppreference.com/w/c/language/for", "metadata": {"language": "en"}
}))]
pub struct ResourceInput {
    /// Stable name in curriculum files, unique in its quest; left out, it is made from the id
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub key: Option<String>,
    pub resource_type: ResourceType,
    /// 1 to 255 characters
    pub title: String,
    pub description: Option<String>,
    /// http or https; this or `filePath` is needed
    pub url: Option<String>,
    /// Opaque name of a file; never fetched or served by this service
    pub file_path: Option<String>,
    /// Any JSON object
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// Place in the list, from 1; left out, the resource is appended
    pub display_order: Option<i32>,
}

/// A learning resource of a quest.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    pub id: ResourceId,
    #[schema(example = "reference")]
    pub key: String,
    pub quest_id: QuestId,
    pub resource_type: ResourceType,
    pub title: String,
    pub description: Option<String>,
    /// Withheld (null) from learners while the quest is locked for them, as `filePath` and `metadata` are
    pub url: Option<String>,
    pub file_path: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    pub display_order: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Resource {
    /// The part that an author writes.
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
            display_order: Some(self.display_order),
        }
    }

    /// The resource as a caller may see it.
    #[must_use]
    pub fn seen_by(mut self, sight: Sight) -> Self {
        if sight == Sight::Locked {
            self.url = None;
            self.file_path = None;
            self.metadata = None;
        }
        self
    }
}

/// A quest that another one needs.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prerequisite {
    pub quest_id: QuestId,
    #[schema(example = "Hello, C")]
    pub title: String,
    /// Only active quests gate
    pub is_active: bool,
}

/// Orders of `GET /v1/quests`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Sort {
    /// Newest first
    #[default]
    Newest,
    /// By title
    Title,
    /// Best match of `q` first
    Relevance,
}

/// Filters of `GET /v1/quests`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub quest_type: Option<QuestType>,
    pub difficulty_level: Option<DifficultyLevel>,
    pub subject_id: Option<Uuid>,
    pub skill_tag: Option<String>,
    pub step_type: Option<StepType>,
    pub collaborative: Option<bool>,
    pub q: Option<String>,
    pub is_active: Option<bool>,
    pub created_by: Option<Uuid>,
}

/// What an operation on the catalogue refuses.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{0}")]
    InUse(&'static str),
    /// The cycle, first quest again at the end.
    #[error("the prerequisites would form a cycle")]
    Cycle(Vec<Prerequisite>),
    #[error("{0}")]
    NotActivatable(String),
    #[error("an active quest needs a mandatory step or assessment; deactivate it first")]
    LastUnit,
    #[error("{1}")]
    Invalid(&'static str, String),
    #[error("another one has this key")]
    KeyTaken,
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        match crate::db::broken_constraint(&error) {
            Some("quests_key_once" | "quest_steps_key_once" | "quest_resources_key_once") => Self::KeyTaken,
            _ => Self::Database(error),
        }
    }
}
