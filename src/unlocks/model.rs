//! Conditions and what they amount to.

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::{AttemptId, QuestId};
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

/// One of three values of a condition; unknown counts as unmet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Met,
    Unmet,
    Unknown,
}

/// One condition, with where the learner stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
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

/// Answer of `GET /v1/quests/{id}/eligibility`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eligibility {
    pub quest_id: QuestId,
    pub availability: Availability,
    /// Every condition, met or not
    pub conditions: Vec<Condition>,
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
}

/// A quest that has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unlocked {
    pub quest_id: QuestId,
    #[schema(example = "Pointers without fear")]
    pub title: String,
    #[serde(skip)]
    pub quest_type: QuestType,
}

/// The one rule: an active quest whose conditions are all met, or were once.
#[must_use]
pub fn availability(is_active: bool, opened_before: bool, conditions_met: bool) -> Availability {
    match (is_active, opened_before || conditions_met) {
        (false, _) => Availability::Inactive,
        (true, true) => Availability::Available,
        (true, false) => Availability::Locked,
    }
}
