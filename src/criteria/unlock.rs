//! When a quest of a learning path opens: conditions, a window, and what a locked one shows.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::violation::Violation;

/// Conditions in each other, the outermost included.
pub const MAX_DEPTH: usize = 5;
/// Conditions of one document.
pub const MAX_NODES: usize = 64;
/// The largest document, in bytes of compact JSON.
pub const MAX_UNLOCK_BYTES: usize = 16 * 1024;

/// The criteria of a quest in a path (seed: `learning_path_quests.unlock_criteria`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnlockCriteria {
    /// Nothing to meet when left out.
    pub when: Option<Condition>,
    pub window: Option<Window>,
    pub locked_view: LockedView,
}

/// When a quest takes new attempts; a schedule, no condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub struct Window {
    pub opens_at: Option<DateTime<Utc>>,
    pub closes_at: Option<DateTime<Utc>>,
}

/// What a learner sees of the quest while it is locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockedView {
    /// Nothing: it is not there.
    Hidden,
    /// That there is one, by its title.
    Title,
    /// Title, description, difficulty, rewards and what is missing.
    #[default]
    Full,
}

/// One condition; all of them are monotone: what is met stays met as a learner goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the fields are those of the grammar
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    AtLeast {
        n: u32,
        of: Vec<Condition>,
    },
    QuestCompleted {
        quest: Uuid,
    },
    ChapterCompleted {
        chapter: Uuid,
    },
    QuestScore {
        quest: Uuid,
        min_percent: Decimal,
    },
    ScoreBand {
        assessment: Uuid,
        which: Try,
        min_percent: Option<Decimal>,
        below_percent: Option<Decimal>,
    },
    /// Of the quest's own path when none is named.
    PathProgress {
        path: Option<Uuid>,
        min_percent: Decimal,
    },
    XpEarned {
        scope: XpScope,
        min: u32,
    },
    SkillLevel {
        skill_tag: String,
        min_level: u32,
    },
    NotBefore {
        at: DateTime<Utc>,
    },
    DelayPathStarted {
        hours: u32,
    },
    DelayQuestCompleted {
        quest: Uuid,
        hours: u32,
    },
    /// Only an override opens it.
    Manual,
}

/// Which try of an assessment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Try {
    First,
    Best,
}

/// Whose experience points count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XpScope {
    /// Those of the path's quests and their steps.
    #[default]
    Path,
    /// All that this service granted.
    Service,
}

impl UnlockCriteria {
    /// Reads a document strictly.
    ///
    /// # Errors
    /// Every fault, with its pointer.
    pub fn parse(document: &Value) -> Result<Self, Vec<Violation>> {
        let _ = document;
        todo!()
    }
}
