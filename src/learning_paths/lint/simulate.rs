//! What a learner with a given past would find: what is open, what is next, what stays locked and why.
//!
//! Judged by the evaluator of the real gate, looking at this path alone, without overrides.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::blueprint::{Blueprint, BlueprintChapter, BlueprintQuest, ChapterStatus, Index};
use crate::criteria::{Condition, Violation};
use crate::http::validate::{YEARS, is_in_years};
use crate::unlocks::evaluate::{Facts, Judged, State, judge};

mod facts;
mod reasons;

/// A learner's past, made up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(example = json!({
    "completedQuestIds": ["11111111-1111-4111-8111-000000000001"],
    "questScores": {"11111111-1111-4111-8111-000000000001": 85},
    "skillLevels": {"pointers": 3}, "date": "2026-12-01T08:00:00Z"
}))]
pub struct Scenario {
    /// Quests of this path or others
    #[schema(max_items = 5000)]
    pub completed_quest_ids: Vec<Uuid>,
    /// When, by quest; left out, on the date of the simulation
    pub completed_at: HashMap<Uuid, DateTime<Utc>>,
    /// Percent, by quest
    pub quest_scores: HashMap<Uuid, Decimal>,
    /// Percent, by assessment
    pub assessment_scores: HashMap<Uuid, Scores>,
    /// Levels, by skill; left out, they are unknown
    pub skill_levels: Option<HashMap<String, i32>>,
    /// All that this service has granted; left out, what the completed quests of the path pay
    #[schema(minimum = 0)]
    pub experience_points: Option<i64>,
    /// Left out, now
    pub date: Option<DateTime<Utc>>,
    /// Left out, the earliest completion in the path
    pub path_started_at: Option<DateTime<Utc>>,
    /// Completed chapters of other paths
    pub completed_chapter_ids: Vec<Uuid>,
    /// Progress in other paths, percent
    pub path_percentages: HashMap<Uuid, Decimal>,
}

/// Ids in one scenario, of each kind.
const MAX_IDS: usize = 5_000;

impl Scenario {
    /// Everything that is out of range.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut require = |ok: bool, pointer: String, detail: &str| {
            if !ok {
                found.push(Violation { pointer, detail: detail.to_owned() });
            }
        };
        let percent = |value: &Decimal| (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(value);
        for (name, length) in [
            ("completedQuestIds", self.completed_quest_ids.len()),
            ("completedAt", self.completed_at.len()),
            ("questScores", self.quest_scores.len()),
            ("assessmentScores", self.assessment_scores.len()),
            ("skillLevels", self.skill_levels.as_ref().map_or(0, HashMap::len)),
            ("completedChapterIds", self.completed_chapter_ids.len()),
            ("pathPercentages", self.path_percentages.len()),
        ] {
            require(length <= MAX_IDS, format!("/{name}"), "must have at most 5000 items");
        }
        for (id, score) in &self.quest_scores {
            require(percent(score), format!("/questScores/{id}"), "must be 0 to 100");
        }
        for (id, done) in &self.path_percentages {
            require(percent(done), format!("/pathPercentages/{id}"), "must be 0 to 100");
        }
        for (id, scores) in &self.assessment_scores {
            let fit = scores.first.iter().chain(&scores.best).all(percent);
            require(fit, format!("/assessmentScores/{id}"), "must be 0 to 100");
        }
        for (name, date) in [("date", self.date), ("pathStartedAt", self.path_started_at)] {
            require(date.is_none_or(|date| is_in_years(&date)), format!("/{name}"), YEARS);
        }
        for (id, at) in &self.completed_at {
            require(is_in_years(at), format!("/completedAt/{id}"), YEARS);
        }
        let points = self.experience_points.is_none_or(|points| points >= 0);
        require(points, "/experiencePoints".to_owned(), "must not be negative");
        found
    }
}

/// Grades in an assessment, percent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[allow(missing_docs)] // the names say it
pub struct Scores {
    pub first: Option<Decimal>,
    pub best: Option<Decimal>,
}

/// How a quest stands in a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    Completed,
    /// May be started
    Open,
    /// Prerequisites and criteria are met; the window or the chapter is not there yet, or paused
    Scheduled,
    /// Its window is over
    Closed,
    /// Prerequisites or criteria are not met
    Locked,
    /// Not active, so nobody can start it
    Inactive,
}

/// Answer of `POST /v1/learning-paths/{id}/simulate`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    pub date: DateTime<Utc>,
    /// The first open mandatory quest, else the first open one
    pub next: Option<QuestName>,
    /// Completed ÷ mandatory quests in percent, cut to two decimals
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 25.0)]
    pub completion_percentage: Decimal,
    pub counts: Counts,
    /// What the completed quests of the path have paid
    pub experience_earned: i64,
    /// In order
    pub quests: Vec<SimulatedQuest>,
    /// Those that are not open, and why
    pub locked: Vec<LockedQuest>,
    /// Ids of the scenario that neither the path nor its criteria know
    pub ignored: Vec<Uuid>,
}

/// A quest by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestName {
    pub quest_id: Uuid,
    #[schema(example = "Pointers without fear")]
    pub title: String,
}

/// How many quests there are of each standing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names say it
pub struct Counts {
    pub total: usize,
    /// Mandatory ones that are active or completed
    pub mandatory: usize,
    pub mandatory_completed: usize,
    pub completed: usize,
    pub open: usize,
    pub scheduled: usize,
    pub closed: usize,
    pub locked: usize,
    pub inactive: usize,
}

/// A quest as the learner would find it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimulatedQuest {
    pub quest_id: Uuid,
    pub title: String,
    pub is_mandatory: bool,
    pub availability: Standing,
    /// Active prerequisites, met or not
    pub prerequisites: Vec<Judged>,
    /// Every condition, met or not; null when there is none
    pub criteria: Option<Judged>,
    /// Of the window and the chapter, what keeps it shut at the date
    pub schedule: Vec<Hindrance>,
}

/// What keeps a quest shut whatever the learner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[allow(missing_docs)] // the names say it
pub enum Hindrance {
    WindowNotOpen { until: DateTime<Utc> },
    WindowClosed { since: DateTime<Utc> },
    ChapterNotBegun { until: DateTime<Utc> },
    ChapterPaused,
}

/// A quest that cannot be started, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockedQuest {
    pub quest_id: Uuid,
    pub title: String,
    /// Sentences
    #[schema(example = json!(["Complete “Arrays” first."]))]
    pub reasons: Vec<String>,
}

/// Plays a scenario through; reads and writes nothing.
#[must_use]
pub fn simulate(blueprint: &Blueprint, scenario: &Scenario, now: DateTime<Utc>) -> Simulation {
    let index = Index::new(blueprint);
    let date = scenario.date.unwrap_or(now);
    let completed: HashSet<Uuid> = scenario.completed_quest_ids.iter().copied().collect();
    let mut quests: Vec<&BlueprintQuest> = (0..blueprint.quests.len())
        .filter(|place| index.is_first(blueprint, *place))
        .map(|place| &blueprint.quests[place])
        .collect();
    // The list as it came decides between equals.
    quests.sort_by_key(|quest| quest.sequence_order);
    let facts = facts::facts(blueprint, &index, &quests, scenario, &completed, date);
    let mut counts = Counts { total: quests.len(), ..Counts::default() };
    let mut locked = Vec::new();
    let simulated: Vec<SimulatedQuest> = quests
        .iter()
        .map(|quest| {
            let is_done = completed.contains(&quest.quest_id);
            let simulated = judge_quest(blueprint, &index, quest, is_done, &facts);
            counts.add(quest, simulated.availability);
            if !matches!(simulated.availability, Standing::Completed | Standing::Open) {
                let reasons = reasons::of(quest, &simulated);
                locked.push(LockedQuest { quest_id: quest.quest_id, title: quest.title.clone(), reasons });
            }
            simulated
        })
        .collect();
    let open = || simulated.iter().filter(|quest| quest.availability == Standing::Open);
    let next = open().find(|quest| quest.is_mandatory).or_else(|| open().next());
    Simulation {
        date,
        next: next.map(|quest| QuestName { quest_id: quest.quest_id, title: quest.title.clone() }),
        completion_percentage: super::unreachable::percent(counts.mandatory_completed, counts.mandatory),
        counts,
        experience_earned: facts.paths.get(&blueprint.path.id).map_or(0, |path| path.experience),
        quests: simulated,
        locked,
        ignored: facts::ignored(blueprint, &index, scenario, &facts),
    }
}

fn judge_quest(
    blueprint: &Blueprint,
    index: &Index,
    quest: &BlueprintQuest,
    is_done: bool,
    facts: &Facts,
) -> SimulatedQuest {
    let chapter = index.chapter_of(quest).map(|chapter| &blueprint.chapters[chapter]);
    let judged = |condition: &Condition| judge(condition, blueprint.path.id, facts);
    let prerequisites: Vec<Judged> = quest
        .prerequisites
        .iter()
        .filter(|needed| index.gates(blueprint, needed))
        .map(|needed| judged(&Condition::QuestCompleted { quest: needed.quest_id }))
        .collect();
    let criteria = quest.unlock_criteria.read.as_ref().and_then(|criteria| criteria.when.as_ref()).map(judged);
    let is_met = !quest.unlock_criteria.is_unreadable()
        && prerequisites.iter().chain(&criteria).all(|judged| judged.state == State::Met);
    let schedule = hindrances(quest, chapter, facts.now);
    let is_over = schedule.iter().any(|hindrance| matches!(hindrance, Hindrance::WindowClosed { .. }));
    let availability = if is_done {
        Standing::Completed
    } else if !quest.is_active {
        Standing::Inactive
    } else if is_over {
        Standing::Closed
    } else if !is_met {
        Standing::Locked
    } else if !schedule.is_empty() {
        Standing::Scheduled
    } else {
        Standing::Open
    };
    SimulatedQuest {
        quest_id: quest.quest_id,
        title: quest.title.clone(),
        is_mandatory: quest.is_mandatory,
        availability,
        prerequisites,
        criteria,
        schedule,
    }
}

fn hindrances(quest: &BlueprintQuest, chapter: Option<&BlueprintChapter>, date: DateTime<Utc>) -> Vec<Hindrance> {
    let begins = chapter.and_then(BlueprintChapter::begins);
    [
        quest.opens_at().filter(|opens| date < *opens).map(|until| Hindrance::WindowNotOpen { until }),
        quest.closes_at().filter(|closes| *closes <= date).map(|since| Hindrance::WindowClosed { since }),
        begins.filter(|begins| date < *begins).map(|until| Hindrance::ChapterNotBegun { until }),
        chapter.filter(|chapter| chapter.status == ChapterStatus::Paused).map(|_| Hindrance::ChapterPaused),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Counts {
    fn add(&mut self, quest: &BlueprintQuest, standing: Standing) {
        let is_done = standing == Standing::Completed;
        if quest.is_mandatory && (quest.is_active || is_done) {
            self.mandatory += 1;
            self.mandatory_completed += usize::from(is_done);
        }
        *match standing {
            Standing::Completed => &mut self.completed,
            Standing::Open => &mut self.open,
            Standing::Scheduled => &mut self.scheduled,
            Standing::Closed => &mut self.closed,
            Standing::Locked => &mut self.locked,
            Standing::Inactive => &mut self.inactive,
        } += 1;
    }
}
