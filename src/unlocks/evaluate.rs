//! The one evaluator of conditions: pure, three-valued, monotone. Gate, explanation, the learner's
//! picture, linter and simulation all ask it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::criteria::{Condition, Try, XpScope};

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
    /// The learner may not see that score.
    #[serde(default)]
    pub is_score_hidden: bool,
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
    /// The learner may not see them.
    #[serde(default)]
    pub is_hidden: bool,
}

impl AssessmentFact {
    fn score(&self, which: Try) -> Option<Decimal> {
        match which {
            Try::First => self.first,
            Try::Best => self.best,
        }
    }
}

/// A condition, and where the learner stands with it and with those in it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// What is asked for, as the criteria name it
    #[schema(example = "questScore")]
    pub op: &'static str,
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quest_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chapter_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_path_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pointers")]
    pub skill_tag: Option<String>,
    /// Name of the quest, chapter or path, when it is known
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Values and types")]
    pub title: Option<String>,
    /// Where the learner stands, when it is known. Percent for `questCompleted`, `questScore`, `scoreBand` and
    /// `pathProgress`; quests done for `chapterCompleted`; points for `xpEarned`; the level for `skillLevel`; the
    /// number of conditions met for `all`, `any` and `atLeast`
    #[serde(with = "rust_decimal::serde::float_option", skip_serializing_if = "Option::is_none")]
    #[schema(example = 40.0)]
    pub current: Option<Decimal>,
    /// What is needed, in the same unit. Of a `scoreBand` the lower bound; the upper one, to stay below, where it
    /// has no lower
    #[serde(with = "rust_decimal::serde::float_option", skip_serializing_if = "Option::is_none")]
    #[schema(example = 70.0)]
    pub target: Option<Decimal>,
    /// When a `notBefore` or `delay` is met, or was; missing while what a delay counts from has not happened
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// The conditions in this one
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub of: Vec<Judged>,
}

impl Judged {
    /// The quests that it names, those in other conditions in it included.
    pub(super) fn quests(&self) -> Vec<Uuid> {
        self.quest_id.into_iter().chain(self.of.iter().flat_map(Self::quests)).collect()
    }

    /// Skill levels that it asks for and that are met.
    pub(super) fn reached_skills(&self) -> Vec<(String, i64)> {
        let own = self.skill_tag.clone().filter(|_| self.state == State::Met);
        let own = own.zip(self.target.and_then(|level| level.to_i64()));
        own.into_iter().chain(self.of.iter().flat_map(Self::reached_skills)).collect()
    }

    /// Takes the titles of these quests away.
    pub(super) fn veil(&mut self, hidden: &HashSet<Uuid>, title: &str) {
        if self.quest_id.is_some_and(|id| hidden.contains(&id)) {
            self.title = Some(title.to_owned());
        }
        self.of.iter_mut().for_each(|condition| condition.veil(hidden, title));
    }
}

impl Judged {
    /// The next moment at which time alone meets a condition in it; None when no time is waited for.
    #[must_use]
    pub fn due(&self) -> Option<DateTime<Utc>> {
        let own = self.at.filter(|_| self.state == State::Unmet);
        self.of.iter().filter_map(Self::due).chain(own).min()
    }

    fn new(condition: &Condition, state: State) -> Self {
        Self {
            op: condition.op(),
            state,
            quest_id: None,
            chapter_id: None,
            assessment_id: None,
            learning_path_id: None,
            skill_tag: None,
            title: None,
            current: None,
            target: None,
            at: None,
            of: Vec::new(),
        }
    }
}

/// Judges a condition of a quest in the path `own_path`. What `facts` do not hold is unknown.
#[must_use]
pub fn judge(condition: &Condition, own_path: Uuid, facts: &Facts) -> Judged {
    let plain = |state| Judged::new(condition, state);
    let group = |of: &[Condition], needed: usize| {
        let of: Vec<_> = of.iter().map(|condition| judge(condition, own_path, facts)).collect();
        let (state, met) = reached(&of, needed);
        Judged { current: Some(met.into()), target: Some(needed.into()), of, ..plain(state) }
    };
    match condition {
        Condition::All(of) => group(of, of.len()),
        Condition::Any(of) => group(of, 1),
        Condition::AtLeast { n, of } => group(of, *n as usize),
        Condition::QuestCompleted { quest } => {
            let fact = facts.quests.get(quest);
            Judged {
                current: fact.map(|fact| fact.percentage),
                target: Some(Decimal::ONE_HUNDRED),
                ..of_quest(plain(known(fact, |fact| fact.completed_at.is_some())), *quest, fact)
            }
        }
        Condition::ChapterCompleted { chapter } => {
            let fact = facts.chapters.get(chapter);
            // A chapter without mandatory quests opens nothing: it would be complete before it is written.
            Judged {
                chapter_id: Some(*chapter),
                title: fact.map(|fact| fact.title.clone()),
                current: fact.map(|fact| fact.done.into()),
                target: fact.map(|fact| fact.total.into()),
                ..plain(known(fact, |fact| fact.total > 0 && fact.done >= fact.total))
            }
        }
        Condition::QuestScore { quest, min_percent } => {
            let fact = facts.quests.get(quest);
            let is_met = |fact: &QuestFact| fact.score.is_some_and(|score| score >= *min_percent);
            Judged {
                current: fact.filter(|fact| !fact.is_score_hidden).and_then(|fact| fact.score),
                target: Some(*min_percent),
                ..of_quest(plain(known(fact, is_met)), *quest, fact)
            }
        }
        Condition::ScoreBand { assessment, which, min_percent, below_percent } => {
            let fact = facts.assessments.get(assessment);
            let within = |score: Decimal| {
                min_percent.is_none_or(|min| score >= min) && below_percent.is_none_or(|below| score < below)
            };
            Judged {
                assessment_id: Some(*assessment),
                current: fact.filter(|fact| !fact.is_hidden).and_then(|fact| fact.score(*which)),
                target: min_percent.or(*below_percent),
                ..plain(known(fact, |fact| fact.score(*which).is_some_and(within)))
            }
        }
        Condition::PathProgress { path, min_percent } => {
            let path = path.unwrap_or(own_path);
            let fact = facts.paths.get(&path);
            Judged {
                current: fact.map(path_percent),
                target: Some(*min_percent),
                ..of_path(plain(known(fact, |fact| has_progress(fact, *min_percent))), path, fact)
            }
        }
        Condition::XpEarned { scope, min } => {
            let fact = facts.paths.get(&own_path);
            let points = match scope {
                XpScope::Path => fact.map(|fact| fact.experience),
                XpScope::Service => Some(facts.experience),
            };
            let judged = Judged {
                current: points.map(Decimal::from),
                target: Some(Decimal::from(*min)),
                ..plain(known(points, |points| points >= i64::from(*min)))
            };
            if *scope == XpScope::Path { of_path(judged, own_path, fact) } else { judged }
        }
        Condition::SkillLevel { skill_tag, min_level } => {
            let level = facts.skills.as_ref().map(|skills| skills.get(&skill_tag.to_lowercase()).copied().unwrap_or(0));
            Judged {
                skill_tag: Some(skill_tag.clone()),
                current: level.map(Decimal::from),
                target: Some(Decimal::from(*min_level)),
                ..plain(known(level, |level| i64::from(level) >= i64::from(*min_level)))
            }
        }
        Condition::NotBefore { at } => timed(plain(State::Unmet), Some(*at), facts.now),
        Condition::DelayPathStarted { hours } => {
            let fact = facts.paths.get(&own_path);
            let judged = of_path(plain(known(fact, |_| false)), own_path, fact);
            timed(judged, fact.and_then(|fact| after(fact.started_at, *hours)), facts.now)
        }
        Condition::DelayQuestCompleted { quest, hours } => {
            let fact = facts.quests.get(quest);
            let judged = of_quest(plain(known(fact, |_| false)), *quest, fact);
            timed(judged, fact.and_then(|fact| after(fact.completed_at, *hours)), facts.now)
        }
        Condition::Manual => plain(State::Unmet),
    }
}

/// What is known is met or not; what is not known is neither.
fn known<T>(fact: Option<T>, is_met: impl FnOnce(T) -> bool) -> State {
    match fact.map(is_met) {
        Some(true) => State::Met,
        Some(false) => State::Unmet,
        None => State::Unknown,
    }
}

/// Whether enough of them are met, and how many are.
fn reached(of: &[Judged], needed: usize) -> (State, usize) {
    let count = |state: State| of.iter().filter(|judged| judged.state == state).count();
    let (met, unknown) = (count(State::Met), count(State::Unknown));
    let state = if met >= needed {
        State::Met
    } else if met + unknown >= needed {
        State::Unknown
    } else {
        State::Unmet
    };
    (state, met)
}

fn of_quest(judged: Judged, quest: Uuid, fact: Option<&QuestFact>) -> Judged {
    Judged { quest_id: Some(quest), title: fact.map(|fact| fact.title.clone()), ..judged }
}

fn of_path(judged: Judged, path: Uuid, fact: Option<&PathFact>) -> Judged {
    Judged { learning_path_id: Some(path), title: fact.map(|fact| fact.name.clone()), ..judged }
}

/// Met from the moment `at` on, if that is known.
fn timed(judged: Judged, at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Judged {
    let state = if at.is_some_and(|at| now >= at) { State::Met } else { judged.state };
    Judged { state, at, ..judged }
}

fn after(base: Option<DateTime<Utc>>, hours: u32) -> Option<DateTime<Utc>> {
    base?.checked_add_signed(TimeDelta::hours(hours.into()))
}

/// Compares without dividing: a third of a path is not a rounded 33.33 percent of it.
fn has_progress(path: &PathFact, min_percent: Decimal) -> bool {
    if path.total <= 0 {
        return min_percent.is_zero();
    }
    Decimal::from(path.done) * Decimal::ONE_HUNDRED >= min_percent * Decimal::from(path.total)
}

/// Cut to two decimals, so that it never reads as met while it is not.
fn path_percent(path: &PathFact) -> Decimal {
    if path.total <= 0 {
        return Decimal::ZERO;
    }
    (Decimal::from(path.done) * Decimal::ONE_HUNDRED / Decimal::from(path.total)).trunc_with_scale(2).normalize()
}

#[cfg(test)]
mod tests;
