//! Availability: what a quest asks for, where a learner stands with it, and what both amount to.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::evaluate::{Facts, Judged, State, judge};
use crate::criteria::{LockedView, UnlockCriteria, Window};
use crate::ids::{AttemptId, LearningPathId, QuestId};
use crate::quests::model::{AttemptStatus, QuestType};

/// Whether a learner may start a quest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Availability {
    /// May be started now.
    Available,
    /// Something is missing; `eligibility` says what.
    Locked,
    /// Takes no new attempts: a draft, or deactivated.
    Inactive,
}

/// A quest that must be completed before, with where the learner stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prerequisite {
    /// What is asked for
    #[schema(example = "questCompleted")]
    pub kind: &'static str,
    pub quest_id: QuestId,
    #[schema(example = "Values and types")]
    pub title: String,
    pub state: State,
    /// Completion of that quest now, in percent
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 40.0)]
    pub current: Decimal,
    /// Completion that is needed, in percent
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 100.0)]
    pub target: Decimal,
}

/// The way to a quest through one published learning path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathGate {
    pub learning_path_id: LearningPathId,
    #[schema(example = "Programming in C: the first semester")]
    pub name: String,
    /// The criteria as a whole; what was met once stays met
    pub state: State,
    /// Every condition, met or not; null when there is none
    pub criteria: Option<Judged>,
    /// New attempts from this moment on
    pub opens_at: Option<DateTime<Utc>>,
    /// No new attempts from this moment on
    pub closes_at: Option<DateTime<Utc>>,
    /// First day of the chapter
    pub chapter_starts_on: Option<NaiveDate>,
    /// The chapter takes no new starts for now
    pub is_chapter_paused: bool,
    /// Criteria, window and chapter together
    pub is_open: bool,
}

/// Answer of `GET /v1/quests/{id}/eligibility`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eligibility {
    pub quest_id: QuestId,
    pub availability: Availability,
    /// Quests that must be completed before, met or not
    pub conditions: Vec<Prerequisite>,
    /// Published paths with the quest; where there are any, one of them must be open
    pub learning_paths: Vec<PathGate>,
    /// An exception made for this learner: `open` skips everything, `waive` the conditions above
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub exception: Option<Exception>,
}

/// What an override grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Exception {
    /// The prerequisites are waived.
    Waive,
    /// Everything is skipped.
    Open,
}

impl Exception {
    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waive => "waive",
            Self::Open => "open",
        }
    }
}

/// The caller's own view of a quest.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct My {
    pub availability: Availability,
    /// The caller's attempt, if there is one
    pub attempt_id: Option<AttemptId>,
    pub status: Option<AttemptStatus>,
    /// Percent, two decimals
    #[serde(with = "rust_decimal::serde::float_option")]
    #[schema(example = 33.33)]
    pub completion_percentage: Option<Decimal>,
    /// How much of it may be shown while it is locked.
    #[serde(skip)]
    pub locked_view: LockedView,
}

impl My {
    /// Locked, and not begun before it was.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.availability == Availability::Locked && self.attempt_id.is_none()
    }

    /// Whether a learner may know of the quest: no draft without an attempt, nothing hidden while locked.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        match self.availability {
            Availability::Available => true,
            Availability::Inactive => self.attempt_id.is_some(),
            Availability::Locked => self.attempt_id.is_some() || self.locked_view != LockedView::Hidden,
        }
    }
}

/// A quest that has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unlocked {
    pub quest_id: QuestId,
    #[schema(example = "Pointers without fear")]
    pub title: String,
}

/// A quest with all that gates it, and one learner's state, as one statement loads them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gated {
    pub quest_id: Uuid,
    pub title: String,
    pub quest_type: QuestType,
    pub is_active: bool,
    /// Active ones only: drafts gate nothing.
    pub prerequisites: Vec<Uuid>,
    /// Of published paths only.
    pub entries: Vec<Entry>,
    pub attempt: Option<Begun>,
    pub record: Option<Record>,
    pub exception: Option<Exception>,
}

/// The quest's place in a published path.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub learning_path_id: Uuid,
    pub name: String,
    pub unlock_criteria: Option<Value>,
    pub chapter_starts_on: Option<NaiveDate>,
    pub is_chapter_paused: bool,
}

/// The learner's attempt.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    pub id: Uuid,
    pub status: AttemptStatus,
    pub percentage: Decimal,
}

/// What is on record of the quest's opening.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The conditions were met.
    pub is_unlocked: bool,
    pub is_announced: bool,
    /// Through which path; none for prerequisites alone.
    pub learning_path_id: Option<Uuid>,
}

/// A quest judged for a learner.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub eligibility: Eligibility,
    pub locked_view: LockedView,
    /// Prerequisites and the criteria of one path are met, now or on record; exceptions left aside.
    pub conditions_met: bool,
    /// Something stands, or stood, between learners and this quest.
    pub is_gated: bool,
    /// The path whose criteria are met.
    pub through: Option<LearningPathId>,
    /// The next moment at which time alone may change the verdict.
    pub due_at: Option<DateTime<Utc>>,
}

/// In place of the title of a quest that shows nothing of itself while it is locked.
const HIDDEN_TITLE: &str = "A hidden quest";

impl Verdict {
    /// Whether a learner may not even know of the quest.
    #[must_use]
    pub fn is_hidden(&self, gated: &Gated) -> bool {
        self.holds_back(gated) && self.locked_view == LockedView::Hidden
    }

    fn holds_back(&self, gated: &Gated) -> bool {
        gated.attempt.is_none() && self.eligibility.availability == Availability::Locked
    }

    /// The explanation as the learner may see it: nothing of what is missing where the criteria show only the
    /// title, and no title of the quests that are `hidden`.
    #[must_use]
    pub fn shown(&self, gated: &Gated, hidden: &HashSet<Uuid>) -> Eligibility {
        let mut shown = self.eligibility.clone();
        if self.holds_back(gated) && self.locked_view != LockedView::Full {
            shown.conditions.clear();
            shown.learning_paths.iter_mut().for_each(|path| path.criteria = None);
        }
        for condition in shown.conditions.iter_mut().filter(|condition| hidden.contains(&condition.quest_id.0)) {
            HIDDEN_TITLE.clone_into(&mut condition.title);
        }
        for criteria in shown.learning_paths.iter_mut().filter_map(|path| path.criteria.as_mut()) {
            criteria.veil(hidden, HIDDEN_TITLE);
        }
        shown
    }

    /// The quests that the explanation names.
    #[must_use]
    pub fn named(&self) -> Vec<Uuid> {
        let conditions = self.eligibility.conditions.iter().map(|condition| condition.quest_id.0);
        let criteria = self.eligibility.learning_paths.iter().filter_map(|path| path.criteria.as_ref());
        conditions.chain(criteria.flat_map(Judged::quests)).collect()
    }

    /// The highest skill level that its paths ask for and the learner has.
    #[must_use]
    pub fn reached_skill(&self) -> Option<(String, i64)> {
        let criteria = self.eligibility.learning_paths.iter().filter_map(|path| path.criteria.as_ref());
        criteria.flat_map(Judged::reached_skills).max_by(|one, other| (one.1, &other.0).cmp(&(other.1, &one.0)))
    }

    /// Whether it may be started now.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.eligibility.availability == Availability::Available
    }
}

/// The one gate: start, eligibility, lists, the learner's picture and the jobs all come here.
#[must_use]
pub fn verdict(gated: &Gated, facts: &Facts) -> Verdict {
    let quest_id = QuestId(gated.quest_id);
    let conditions = prerequisites(gated, facts);
    let recorded = gated.record.as_ref().filter(|record| record.is_unlocked);
    // An exception meets nothing: what it opens is not on record, and over when it expires.
    let own_prerequisites_met = recorded.is_some() || conditions.iter().all(|condition| condition.state == State::Met);
    let prerequisites_met = own_prerequisites_met || gated.exception == Some(Exception::Waive);
    let judged: Vec<(PathGate, LockedView)> =
        gated.entries.iter().map(|entry| path_gate(entry, gated, facts)).collect();
    let met = judged.iter().find(|(gate, _)| gate.state == State::Met);
    let conditions_met = own_prerequisites_met && (judged.is_empty() || met.is_some());
    let is_open = prerequisites_met && (judged.is_empty() || judged.iter().any(|(gate, _)| gate.is_open));
    let availability = match (gated.is_active, is_open || gated.exception == Some(Exception::Open)) {
        (false, _) => Availability::Inactive,
        (true, true) => Availability::Available,
        (true, false) => Availability::Locked,
    };
    let is_gated = !conditions.is_empty() || judged.iter().any(|(gate, _)| gate.gates());
    let due_at = judged.iter().filter_map(|(gate, _)| gate.due(facts.now)).min();
    let through = met.map(|(gate, _)| gate.learning_path_id);
    let locked_view = judged.iter().map(|(_, view)| *view).max().unwrap_or_default();
    let learning_paths = judged.into_iter().map(|(gate, _)| gate).collect();
    Verdict {
        eligibility: Eligibility { quest_id, availability, conditions, learning_paths, exception: gated.exception },
        locked_view,
        conditions_met,
        is_gated,
        through,
        // What waits for a prerequisite is judged again when that is done.
        due_at: due_at.filter(|_| prerequisites_met),
    }
}

fn prerequisites(gated: &Gated, facts: &Facts) -> Vec<Prerequisite> {
    let mut conditions: Vec<Prerequisite> = gated
        .prerequisites
        .iter()
        .map(|id| {
            let fact = facts.quests.get(id).cloned().unwrap_or_default();
            Prerequisite {
                kind: "questCompleted",
                quest_id: QuestId(*id),
                title: fact.title,
                state: if fact.completed_at.is_some() { State::Met } else { State::Unmet },
                current: fact.percentage,
                target: Decimal::ONE_HUNDRED,
            }
        })
        .collect();
    conditions.sort_by(|a, b| (&a.title, a.quest_id).cmp(&(&b.title, b.quest_id)));
    conditions
}

fn path_gate(entry: &Entry, gated: &Gated, facts: &Facts) -> (PathGate, LockedView) {
    let criteria = match entry.unlock_criteria.as_ref().map(UnlockCriteria::parse) {
        None => Some(UnlockCriteria::default()),
        Some(Ok(criteria)) => Some(criteria),
        Some(Err(violations)) => {
            tracing::error!(quest = %gated.quest_id, ?violations, "stored unlock criteria do not parse");
            None
        }
    };
    let judged = criteria
        .as_ref()
        .and_then(|criteria| criteria.when.as_ref())
        .map(|when| judge(when, entry.learning_path_id, facts));
    let state = match (&criteria, &judged) {
        _ if is_on_record(entry, gated) => State::Met,
        // Unknown fails closed.
        (None, _) => State::Unknown,
        (Some(_), None) => State::Met,
        (Some(_), Some(judged)) => judged.state,
    };
    let window = criteria.as_ref().and_then(|criteria| criteria.window);
    let (opens_at, closes_at) = window.map_or((None, None), |Window { opens_at, closes_at }| (opens_at, closes_at));
    let is_scheduled = opens_at.is_none_or(|opens| opens <= facts.now)
        && closes_at.is_none_or(|closes| facts.now < closes)
        && entry.chapter_starts_on.is_none_or(|day| day <= facts.now.date_naive())
        && !entry.is_chapter_paused;
    let gate = PathGate {
        learning_path_id: LearningPathId(entry.learning_path_id),
        name: entry.name.clone(),
        state,
        criteria: judged,
        opens_at,
        closes_at,
        chapter_starts_on: entry.chapter_starts_on,
        is_chapter_paused: entry.is_chapter_paused,
        is_open: state == State::Met && is_scheduled,
    };
    (gate, criteria.map(|criteria| criteria.locked_view).unwrap_or_default())
}

/// What was met once through a path stays met there. An opening from before the quest was in any of
/// its paths, or through one that it has left, holds for all of them.
fn is_on_record(entry: &Entry, gated: &Gated) -> bool {
    gated.record.as_ref().filter(|record| record.is_unlocked).is_some_and(|record| {
        let through = record.learning_path_id;
        through == Some(entry.learning_path_id)
            || !gated.entries.iter().any(|other| Some(other.learning_path_id) == through)
    })
}

impl PathGate {
    fn gates(&self) -> bool {
        self.criteria.is_some()
            || self.opens_at.is_some()
            || self.closes_at.is_some()
            || self.chapter_starts_on.is_some()
            || self.is_chapter_paused
    }

    fn due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let criteria = if self.state == State::Met { None } else { self.criteria.as_ref().and_then(Judged::due) };
        let begins = self.chapter_starts_on.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|begins| begins.and_utc());
        [criteria, self.opens_at, begins].into_iter().flatten().filter(|at| *at > now).min()
    }
}
