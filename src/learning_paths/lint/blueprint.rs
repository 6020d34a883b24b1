//! A whole learning path in memory, as the linter, the simulation and the drawn map need it.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::criteria::{UnlockCriteria, Violation};
use crate::quests::model::DifficultyLevel;

/// A path with everything that is in it, and what its criteria name outside. One statement's JSON fills it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blueprint {
    pub path: BlueprintPath,
    /// By sequence.
    pub chapters: Vec<BlueprintChapter>,
    /// By order; findings name quests by their place in this list.
    pub quests: Vec<BlueprintQuest>,
    #[serde(default)]
    pub foreign: Foreign,
}

/// The path itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlueprintPath {
    pub id: Uuid,
    pub name: String,
    pub is_published: bool,
    pub estimated_total_duration_hours: Option<i32>,
    /// As stored.
    pub total_experience_points: i64,
}

/// seed: `path_progress_status`, as authors set it for a chapter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // the names say it
pub enum ChapterStatus {
    #[default]
    NotStarted,
    InProgress,
    Completed,
    Paused,
}

/// A chapter of the path.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlueprintChapter {
    pub id: Uuid,
    pub title: String,
    pub sequence: i32,
    #[serde(default)]
    pub status: ChapterStatus,
    pub start_date: Option<NaiveDate>,
    pub end_date: Option<NaiveDate>,
}

/// A quest in its place in the path.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlueprintQuest {
    pub quest_id: Uuid,
    pub title: String,
    pub is_active: bool,
    pub chapter_id: Option<Uuid>,
    pub sequence_order: i32,
    pub difficulty_level: DifficultyLevel,
    pub is_mandatory: bool,
    #[serde(default)]
    pub unlock_criteria: Criteria,
    pub experience_points_reward: i64,
    /// Sum over its steps that are not retired.
    #[serde(default)]
    pub step_experience: i64,
    /// Mandatory steps and assessments that are not retired.
    pub unit_count: i64,
    pub estimated_duration_minutes: Option<i32>,
    #[serde(default)]
    pub skill_reward_points: i64,
    /// Those that are not retired.
    #[serde(default)]
    pub assessment_ids: Vec<Uuid>,
    #[serde(default)]
    pub prerequisites: Vec<Needed>,
    /// Prerequisites in words that no quest was found for.
    #[serde(default)]
    pub unresolved_prerequisites: Vec<String>,
}

/// A quest that another one needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Needed {
    pub quest_id: Uuid,
    pub title: String,
    /// Only active ones gate.
    pub is_active: bool,
    pub in_path: bool,
}

/// Unlock criteria as they are stored, read once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Option<Value>")]
pub struct Criteria {
    /// The document, if there is one.
    pub raw: Option<Value>,
    /// What it says; nothing when there is none or it cannot be read.
    pub read: Option<UnlockCriteria>,
    /// Why it cannot be read; the gate then stays closed.
    pub violations: Vec<Violation>,
}

/// What criteria and prerequisites name outside of the path. What is neither in the path nor here does
/// not exist.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Foreign {
    pub quests: HashMap<Uuid, ForeignQuest>,
    /// Chapters, with their path.
    pub chapters: HashMap<Uuid, Uuid>,
    /// Assessments, with their quest; also retired ones of the path's own quests.
    pub assessments: HashMap<Uuid, Uuid>,
    /// Paths, with their name.
    pub paths: HashMap<Uuid, String>,
}

/// A quest outside of the path.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignQuest {
    pub title: String,
    pub is_active: bool,
}

impl From<Option<Value>> for Criteria {
    fn from(raw: Option<Value>) -> Self {
        match raw.as_ref().map(UnlockCriteria::parse) {
            None => Self::default(),
            Some(Ok(read)) => Self { raw, read: Some(read), violations: Vec::new() },
            Some(Err(violations)) => Self { raw, read: None, violations },
        }
    }
}

impl Criteria {
    /// The document is there and cannot be read.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        !self.violations.is_empty()
    }
}

impl BlueprintQuest {
    /// What the quest and its steps pay.
    #[must_use]
    pub fn experience(&self) -> i64 {
        self.experience_points_reward.max(0).saturating_add(self.step_experience.max(0))
    }

    /// Learners have to complete it, and can: the unit of a path's progress.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.is_active && self.is_mandatory
    }

    /// From when the window and the chapter let learners begin.
    pub(super) fn scheduled_from(&self, chapter: Option<&BlueprintChapter>) -> Option<DateTime<Utc>> {
        self.opens_at().max(chapter.and_then(BlueprintChapter::begins))
    }

    pub(super) fn opens_at(&self) -> Option<DateTime<Utc>> {
        self.unlock_criteria.read.as_ref()?.window?.opens_at
    }

    pub(super) fn closes_at(&self) -> Option<DateTime<Utc>> {
        self.unlock_criteria.read.as_ref()?.window?.closes_at
    }
}

impl BlueprintChapter {
    /// Midnight (UTC) of its first day.
    pub(super) fn begins(&self) -> Option<DateTime<Utc>> {
        Some(self.start_date?.and_hms_opt(0, 0, 0)?.and_utc())
    }
}

/// Places of quests and chapters by id. A quest that is listed twice (files can do that) is the first of them.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) quests: HashMap<Uuid, usize>,
    pub(super) chapters: HashMap<Uuid, usize>,
    /// Assessments, with the place of their quest.
    pub(super) assessments: HashMap<Uuid, usize>,
}

impl Index {
    pub(super) fn new(blueprint: &Blueprint) -> Self {
        let mut index = Self { quests: HashMap::new(), chapters: HashMap::new(), assessments: HashMap::new() };
        for (place, quest) in blueprint.quests.iter().enumerate() {
            if *index.quests.entry(quest.quest_id).or_insert(place) == place {
                for id in &quest.assessment_ids {
                    index.assessments.entry(*id).or_insert(place);
                }
            }
        }
        for (place, chapter) in blueprint.chapters.iter().enumerate() {
            index.chapters.entry(chapter.id).or_insert(place);
        }
        index
    }

    /// The quest at `place` is no repetition of an earlier one.
    pub(super) fn is_first(&self, blueprint: &Blueprint, place: usize) -> bool {
        self.quests.get(&blueprint.quests[place].quest_id) == Some(&place)
    }

    /// A prerequisite holds learners up: it is active. Of a quest in the path its own word counts.
    pub(super) fn gates(&self, blueprint: &Blueprint, needed: &Needed) -> bool {
        self.quests.get(&needed.quest_id).map_or(needed.is_active, |place| blueprint.quests[*place].is_active)
    }

    pub(super) fn chapter_of(&self, quest: &BlueprintQuest) -> Option<usize> {
        self.chapters.get(&quest.chapter_id?).copied()
    }
}
