//! The state of the model: what product and API speak of, as plain data, by number instead of by id.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::Client;

/// Numbers of quests, steps, paths, chapters and learners: their places in the lists of [`World`]. What
/// is deleted keeps its place, so that criteria can go on naming it.
pub type No = usize;

#[derive(Clone)]
pub struct World {
    pub now: DateTime<Utc>,
    pub quests: Vec<Quest>,
    pub steps: Vec<Step>,
    pub paths: Vec<Path>,
    pub chapters: Vec<Chapter>,
    pub learners: Vec<Learner>,
    pub users: UserService,
    /// Authors have edited since the background worked: what is stored of paths may be old.
    pub is_edited: bool,
}

#[derive(Clone)]
pub struct Quest {
    pub id: Uuid,
    pub title: String,
    pub is_active: bool,
    pub is_deleted: bool,
    pub experience: i64,
    pub tags: Vec<String>,
    /// In order, without retired ones.
    pub steps: Vec<No>,
    pub needs: BTreeSet<No>,
}

#[derive(Clone)]
pub struct Step {
    pub id: Uuid,
    pub quest: No,
    pub kind: Kind,
    pub experience: i64,
    pub is_optional: bool,
    pub is_retired: bool,
    pub is_deleted: bool,
}

/// What completing a step needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Nothing,
    Words,
    Seconds,
}

/// Words or seconds that are needed.
pub const ENOUGH: i64 = 20;

impl Kind {
    pub fn json(self) -> Value {
        match self {
            Self::Nothing => json!({"stepType": "Reflection"}),
            Self::Words => {
                json!({"stepType": "Reflection", "validationCriteria": {"v": 1, "type": "Reflection", "minWords": ENOUGH}})
            }
            Self::Seconds => {
                json!({"stepType": "Reading", "validationCriteria": {"v": 1, "type": "Reading", "requireAck": true, "minSeconds": ENOUGH}})
            }
        }
    }
}

/// How well a learner's answer fits its step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    Good,
    Short,
    Malformed,
}

impl Claim {
    pub fn json(self, kind: Kind) -> Value {
        match (self, kind) {
            (Self::Malformed, _) => json!({"nonsense": 1}),
            (_, Kind::Nothing) => Value::Null,
            (Self::Good, Kind::Words) => json!({"text": "word ".repeat(usize::try_from(ENOUGH).unwrap())}),
            (Self::Short, Kind::Words) => json!({"text": "too short"}),
            (claim, Kind::Seconds) => json!({"acknowledged": claim == Self::Good, "seconds": 10_000}),
        }
    }
}

#[derive(Clone)]
pub struct Path {
    pub id: Uuid,
    pub name: String,
    pub is_published: bool,
    pub is_deleted: bool,
    /// Its quests, in order.
    pub places: Vec<Place>,
    /// In order.
    pub chapters: Vec<No>,
}

#[derive(Clone, PartialEq)]
pub struct Place {
    pub quest: No,
    pub chapter: Option<No>,
    pub is_mandatory: bool,
    pub criteria: Option<Criteria>,
}

#[derive(Clone)]
pub struct Chapter {
    pub id: Uuid,
    pub path: No,
    pub is_paused: bool,
    pub start: Option<NaiveDate>,
    pub end: Option<NaiveDate>,
    pub is_deleted: bool,
}

#[derive(Clone, PartialEq)]
pub struct Criteria {
    pub when: Option<When>,
    pub opens: Option<DateTime<Utc>>,
    pub closes: Option<DateTime<Utc>>,
    pub view: View,
}

/// What is seen of a locked quest; more comes after less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    Hidden,
    Title,
    Full,
}

#[derive(Clone, PartialEq)]
pub enum When {
    All(Vec<When>),
    Any(Vec<When>),
    AtLeast(usize, Vec<When>),
    Quest(No),
    Chapter(No),
    /// Of the own path or another one; millionths of the whole.
    Progress(Option<No>, i64),
    PathExperience(i64),
    Experience(i64),
    Skill(&'static str, i64),
    NotBefore(DateTime<Utc>),
    SincePath(i64),
    SinceQuest(No, i64),
    /// Of a quest without assessments: never met.
    Score(No),
    Manual,
}

impl When {
    /// The quests that it names, those in other conditions in it included.
    pub fn quests(&self) -> Vec<No> {
        match self {
            Self::All(of) | Self::Any(of) | Self::AtLeast(_, of) => of.iter().flat_map(Self::quests).collect(),
            Self::Quest(quest) | Self::SinceQuest(quest, _) | Self::Score(quest) => vec![*quest],
            _ => Vec::new(),
        }
    }
}

pub const SKILLS: [&str; 2] = ["alpha", "Beta"];

impl World {
    pub fn criteria_json(&self, criteria: &Criteria) -> Value {
        let mut document = json!({"v": 1});
        if let Some(when) = &criteria.when {
            document["when"] = self.when_json(when);
        }
        for (name, at) in [("opensAt", criteria.opens), ("closesAt", criteria.closes)] {
            if let Some(at) = at {
                document["window"][name] = json!(at);
            }
        }
        match criteria.view {
            View::Hidden => document["lockedView"] = json!("hidden"),
            View::Title => document["lockedView"] = json!("title"),
            View::Full => {}
        }
        document
    }

    fn when_json(&self, when: &When) -> Value {
        let all = |of: &[When]| of.iter().map(|when| self.when_json(when)).collect::<Vec<_>>();
        match when {
            When::All(of) => json!({"op": "all", "of": all(of)}),
            When::Any(of) => json!({"op": "any", "of": all(of)}),
            When::AtLeast(n, of) => json!({"op": "atLeast", "n": n, "of": all(of)}),
            When::Quest(quest) => json!({"op": "questCompleted", "questId": self.quests[*quest].id}),
            When::Chapter(chapter) => json!({"op": "chapterCompleted", "chapterId": self.chapters[*chapter].id}),
            When::Progress(path, share) => {
                let mut document = json!({"op": "pathProgress", "minPercent": share / 10_000});
                if share % 10_000 != 0 {
                    document["minPercent"] = format!("{}.{:04}", share / 10_000, share % 10_000).parse().unwrap();
                }
                if let Some(path) = path {
                    document["pathId"] = json!(self.paths[*path].id);
                }
                document
            }
            When::PathExperience(min) => json!({"op": "xpEarned", "min": min}),
            When::Experience(min) => json!({"op": "xpEarned", "scope": "service", "min": min}),
            When::Skill(tag, level) => json!({"op": "skillLevel", "skillTag": tag, "minLevel": level}),
            When::NotBefore(at) => json!({"op": "notBefore", "at": at}),
            When::SincePath(hours) => json!({"op": "delay", "since": "pathStarted", "hours": hours}),
            When::SinceQuest(quest, hours) => {
                json!({"op": "delay", "since": "questCompleted", "questId": self.quests[*quest].id, "hours": hours})
            }
            When::Score(quest) => json!({"op": "questScore", "questId": self.quests[*quest].id, "minPercent": 50}),
            When::Manual => json!({"op": "manual"}),
        }
    }

    pub fn places_json(&self, places: &[Place]) -> Vec<Value> {
        places
            .iter()
            .map(|place| {
                let mut document = json!({
                    "questId": self.quests[place.quest].id, "difficultyLevel": "Beginner",
                    "isMandatory": place.is_mandatory, "chapterId": place.chapter.map(|chapter| self.chapters[chapter].id),
                });
                if let Some(criteria) = &place.criteria {
                    document["unlockCriteria"] = self.criteria_json(criteria);
                }
                document
            })
            .collect()
    }

    pub fn quest_of(&self, id: &str) -> Option<No> {
        self.quests.iter().position(|quest| quest.id.to_string() == id)
    }

    pub fn path_of(&self, id: &str) -> Option<No> {
        self.paths.iter().position(|path| path.id.to_string() == id)
    }

    pub fn step_of(&self, id: &str) -> Option<No> {
        self.steps.iter().position(|step| step.id.to_string() == id)
    }

    /// Quests that there are.
    pub fn live_quests(&self) -> Vec<No> {
        (0..self.quests.len()).filter(|quest| !self.quests[*quest].is_deleted).collect()
    }

    pub fn live_paths(&self) -> Vec<No> {
        (0..self.paths.len()).filter(|path| !self.paths[*path].is_deleted).collect()
    }
}

#[derive(Clone)]
pub struct Learner {
    pub client: Client,
    pub attempts: BTreeMap<No, Attempt>,
    pub unlocks: BTreeMap<No, Unlock>,
    pub enrolments: BTreeMap<No, Enrolment>,
    pub exceptions: Vec<Exception>,
    /// When the User Service told levels last, and which.
    pub skills: Option<(DateTime<Utc>, BTreeMap<&'static str, i64>)>,
    /// Number of the last event.
    pub seq: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    NotStarted,
    InProgress,
    Paused,
    Abandoned,
    Completed,
    Skipped,
}

impl Status {
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: Uuid,
    pub status: Status,
    pub started: DateTime<Utc>,
    pub completed: Option<DateTime<Utc>>,
    /// Steps that were worked on.
    pub steps: BTreeMap<No, Work>,
    /// Hundredths of a percent.
    pub percentage: i64,
    pub experience: i64,
    pub current: Option<No>,
    /// The units were edited since it was computed.
    pub is_stale: bool,
}

#[derive(Clone, Debug)]
pub struct Work {
    pub status: Status,
    pub started: Option<DateTime<Utc>>,
    pub tries: i64,
    pub earned: i64,
    /// What its completion paid and opened, as the answer showed it.
    pub paid: Vec<(String, i64, Option<String>)>,
    pub opened: BTreeSet<No>,
}

/// What is on record of a quest's opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlock {
    /// Prerequisites and criteria were met.
    pub is_unlocked: bool,
    pub is_announced: bool,
    pub through: Option<No>,
}

/// A row of progress in a path, as it was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    pub status: Status,
    pub is_started: bool,
    pub is_completed: bool,
    pub has_left: bool,
    pub done: i64,
    pub total: i64,
    /// Hundredths of a percent.
    pub percentage: i64,
    pub experience: i64,
    pub current: Option<No>,
}

#[derive(Clone)]
pub struct Exception {
    pub quest: No,
    /// Opens; else it waives the prerequisites.
    pub opens: bool,
    pub expires: Option<DateTime<Utc>>,
}

/// The User Service, and how the service of the test stands to it.
#[derive(Clone, Default)]
pub struct UserService {
    pub levels: BTreeMap<&'static str, i64>,
    pub is_down: bool,
    /// Unix time until which it is left in peace after a failure.
    pub spared_until: i64,
}

/// Levels are asked for again after this long, and believed this long.
pub const SKILLS_FRESH: TimeDelta = TimeDelta::seconds(60);
pub const SKILLS_BELIEVED: TimeDelta = TimeDelta::hours(24);
