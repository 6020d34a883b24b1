//! What is known of a learner and of the quests that may be recommended, and what is answered.

use std::collections::HashMap;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::{LearningPathId, QuestId};
use crate::quests::model::{AttemptStatus, DifficultyLevel, QuestWithMy};

/// Why a quest is recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReasonKind {
    /// Among the first that can be started in a path of the learner
    NextInPath,
    /// Of a subject that the learner works on
    CurrentSubject,
    /// About the same as what the learner finished and liked
    SimilarTo,
    /// It builds skills in which the learner is below its level
    SkillGap,
    /// It asks for a skill level, and the learner has it
    SkillPrerequisiteMet,
    /// As difficult as what the learner finished last, or a little more
    LevelFit,
    /// What learners did after a quest that this one finished as well
    PeersDidNext,
    /// It has opened for the learner lately
    UnlockedRecently,
    /// It is new in the catalogue
    NewInCatalogue,
    /// Learners rate it well; where they rate it badly, it counts against it
    WellRated,
}

/// A reason, in words and in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    pub kind: ReasonKind,
    #[schema(example = "Next in “Programming in C”")]
    pub text: String,
    /// How much it applies, 0 to 1
    #[schema(example = 1.0)]
    pub value: f64,
    /// Its share of the score: value × weight
    #[schema(example = 0.3)]
    pub contribution: f64,
    /// The quest that the text names
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quest_id: Option<QuestId>,
    /// The path that the text names
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_path_id: Option<LearningPathId>,
    /// The skill that the text names
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pointers")]
    pub skill_tag: Option<String>,
}

/// A recommended quest.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    pub quest: QuestWithMy,
    /// Sum of the contributions of all features, those that are no reason included; places also depend on variety
    #[schema(example = 0.62)]
    pub score: f64,
    /// The strongest first, at least one; what adds less than 0.005 is left out
    pub reasons: Vec<Reason>,
}

/// What to do next.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendations {
    pub items: Vec<Recommendation>,
    /// Index, embedder or User Service are away: the answer is made of what is left, at least of what the database knows
    pub degraded: bool,
}

/// What each feature weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(HashMap<ReasonKind, f64>);

impl Default for Weights {
    fn default() -> Self {
        Self(HashMap::from([
            (ReasonKind::NextInPath, 0.30),
            (ReasonKind::CurrentSubject, 0.10),
            (ReasonKind::SimilarTo, 0.25),
            (ReasonKind::SkillGap, 0.10),
            (ReasonKind::SkillPrerequisiteMet, 0.05),
            (ReasonKind::LevelFit, 0.15),
            (ReasonKind::PeersDidNext, 0.25),
            (ReasonKind::UnlockedRecently, 0.10),
            (ReasonKind::NewInCatalogue, 0.05),
            (ReasonKind::WellRated, 0.10),
        ]))
    }
}

impl Weights {
    #[must_use]
    pub fn of(&self, kind: ReasonKind) -> f64 {
        self.0.get(&kind).copied().unwrap_or_default()
    }
}

/// `kind=weight` joined by `;`; what is left out keeps its default.
impl FromStr for Weights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights = Self::default();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, weight) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not kind=weight"))?;
            let kind: ReasonKind = serde_json::from_value(json!(name.trim()))
                .map_err(|_| format!("'{name}' is no feature; see docs/recommendations.md"))?;
            let number: f64 = weight.trim().parse().map_err(|_| format!("'{weight}' is no number"))?;
            if !(0.0..=10.0).contains(&number) {
                return Err(format!("the weight of {} must be 0 to 10", name.trim()));
            }
            weights.0.insert(kind, number);
        }
        Ok(weights)
    }
}

/// How recommendations are made, as the settings say.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub weights: Weights,
    /// 0 (best first, however alike) to 1
    pub diversity: f64,
    /// Skill points earned here that count as a level while levels are unknown
    pub points_per_level: f64,
}

/// A learner, as far as recommendations look.
#[derive(Debug, Clone)]
pub struct Learner {
    /// The latest, newest first
    pub attempts: Vec<Attempt>,
    /// Quests with an attempt
    pub tried: Vec<Uuid>,
    /// By lower-case name; None while they are unknown
    pub levels: Option<HashMap<String, i32>>,
    /// Skill points earned here, by lower-case tag
    pub points: HashMap<String, i64>,
    pub today: NaiveDate,
}

/// An attempt of the learner.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub quest_id: Uuid,
    pub title: String,
    pub status: AttemptStatus,
    pub completed_at: Option<DateTime<Utc>>,
    pub difficulty_level: DifficultyLevel,
    pub subject_id: Option<Uuid>,
    pub skill_tags: Vec<String>,
    /// Mean of the learner's own ratings, 1 to 5
    pub rating: Option<f64>,
    pub too_easy: bool,
    pub too_difficult: bool,
}

/// A quest that may be recommended.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub id: Uuid,
    pub difficulty_level: DifficultyLevel,
    pub subject_id: Option<Uuid>,
    pub skills: Vec<Skill>,
    pub created_on: NaiveDate,
    pub unlocked_on: Option<NaiveDate>,
    pub places: Vec<Place>,
    pub peers: Option<Peers>,
    pub ratings: Ratings,
}

/// A skill that a quest builds.
#[derive(Debug, Clone, Deserialize)]
pub struct Skill {
    pub tag: String,
    pub points: i64,
}

/// The quest's place in a path of the learner.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub learning_path_id: Uuid,
    pub name: String,
    pub is_mandatory: bool,
    pub sequence_order: i32,
}

/// What peers did after a quest that the learner finished too.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peers {
    pub after: Uuid,
    pub title: String,
    /// Those who took up this one among their next three
    pub went: i64,
    /// The last who finished that one, at most 50
    pub of: i64,
}

/// The latest ratings of a quest, one voice a learner.
#[derive(Debug, Clone, Default)]
pub struct Ratings {
    pub count: i64,
    pub sum: f64,
    pub too_easy: i64,
    pub too_difficult: i64,
}
