//! When a quest of a learning path opens: conditions, a window, and what a locked one shows.

mod condition;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::reader::Node;
use super::violation::{Findings, Violation, child};

/// Conditions in each other, the outermost included.
pub const MAX_DEPTH: usize = 5;
/// Conditions of one document.
pub const MAX_NODES: usize = 64;
/// The largest document, in bytes of compact JSON.
pub const MAX_UNLOCK_BYTES: usize = 16 * 1024;
/// Objects and lists in each other, far more than the grammar has: what is deeper is not walked at all.
const MAX_NESTING: usize = 32;

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

impl Try {
    const ALL: [Self; 2] = [Self::First, Self::Best];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Best => "best",
        }
    }
}

impl XpScope {
    const ALL: [Self; 2] = [Self::Path, Self::Service];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Service => "service",
        }
    }
}

impl LockedView {
    const ALL: [Self; 3] = [Self::Hidden, Self::Title, Self::Full];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Title => "title",
            Self::Full => "full",
        }
    }
}

impl UnlockCriteria {
    /// Reads a document strictly: nothing unknown, everything in range, at most [`MAX_DEPTH`]
    /// conditions in each other, [`MAX_NODES`] of them and [`MAX_UNLOCK_BYTES`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at most a hundred violations.
    pub fn parse(document: &Value) -> Result<Self, Vec<Violation>> {
        let mut found = Findings::default();
        // First of all: everything after it, even the text of the document, recurses.
        if is_deeper(document, MAX_NESTING) {
            found.add("", format!("has more than {MAX_NESTING} objects and lists in each other"));
            return found.conclude(None);
        }
        let bytes = document.to_string().len();
        if bytes > MAX_UNLOCK_BYTES {
            found.add("", format!("has {bytes} bytes; at most {MAX_UNLOCK_BYTES} are taken"));
            return found.conclude(None);
        }
        found.add_unstorable(document, "");
        let read = Self::read(&Node::root(document), &mut found);
        found.conclude(read)
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["v", "when", "window", "lockedView"], &[], found);
        if let Some(version) = fields.required("v", found) {
            version.integer(1..=1, found);
        }
        let when = fields.optional("when").and_then(|node| {
            let mut nodes = 0;
            let read = Condition::read(&node, 1, &mut nodes, found);
            if nodes > MAX_NODES {
                return node.fault(format!("has {nodes} conditions; at most {MAX_NODES} are taken"), found);
            }
            read
        });
        let window = fields.optional("window").and_then(|node| Window::read(&node, found));
        let view =
            fields.optional("lockedView").and_then(|node| node.choice(&LockedView::ALL, LockedView::as_str, found));
        Some(Self { when, window, locked_view: view.unwrap_or_default() })
    }
}

impl Window {
    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["opensAt", "closesAt"], &[], found);
        if fields.is_empty() {
            return node.fault("must have opensAt, closesAt or both", found);
        }
        let opens_at = fields.optional("opensAt").and_then(|node| node.time(found));
        let closes_at = fields.optional("closesAt").and_then(|node| node.time(found));
        if opens_at.zip(closes_at).is_some_and(|(opens, closes)| closes <= opens) {
            found.add(child(&node.pointer, "closesAt"), "must be later than opensAt");
        }
        Some(Self { opens_at, closes_at })
    }
}

/// Whether more than `most` objects and lists are in each other; without recursion.
fn is_deeper(document: &Value, most: usize) -> bool {
    let mut left = vec![(document, 1)];
    while let Some((value, depth)) = left.pop() {
        if depth > most && (value.is_array() || value.is_object()) {
            return true;
        }
        match value {
            Value::Array(elements) => left.extend(elements.iter().map(|element| (element, depth + 1))),
            Value::Object(fields) => left.extend(fields.values().map(|field| (field, depth + 1))),
            _ => {}
        }
    }
    false
}
