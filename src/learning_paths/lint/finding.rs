//! What the linter has to say.

use std::cmp::Ordering;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::blueprint::{Blueprint, BlueprintQuest};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The path cannot be published.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// One thing about a path that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable name of the rule
    #[schema(example = "unreachable")]
    pub code: &'static str,
    pub severity: Severity,
    /// JSON pointer into the path as `{"chapters": […], "quests": […]}`, both in order
    #[schema(example = "/quests/3/unlockCriteria/when/of/0")]
    pub pointer: String,
    /// One sentence
    #[schema(example = "“Pointers without fear” can never open, because “Arrays” can never be completed.")]
    pub message: String,
    /// One sentence: what to do about it
    #[schema(example = "Activate “Arrays”, or take the condition out.")]
    pub suggestion: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub quest_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub chapter_id: Option<Uuid>,
}

impl Finding {
    /// About the path as a whole, or the part of it that `pointer` names.
    pub(super) fn path(code: &'static str, severity: Severity, pointer: &str, message: String) -> Self {
        Self {
            code,
            severity,
            pointer: pointer.to_owned(),
            message,
            suggestion: String::new(),
            quest_id: None,
            chapter_id: None,
        }
    }

    /// About the quest at a place of the list; `below` goes on from it.
    pub(super) fn quest(
        blueprint: &Blueprint,
        place: usize,
        below: &str,
        code: &'static str,
        severity: Severity,
        message: String,
    ) -> Self {
        let quest_id = Some(blueprint.quests[place].quest_id);
        Self { quest_id, ..Self::path(code, severity, &format!("/quests/{place}{below}"), message) }
    }

    /// About the chapter at a place of the list.
    pub(super) fn chapter(
        blueprint: &Blueprint,
        place: usize,
        below: &str,
        code: &'static str,
        severity: Severity,
        message: String,
    ) -> Self {
        let chapter_id = Some(blueprint.chapters[place].id);
        Self { chapter_id, ..Self::path(code, severity, &format!("/chapters/{place}{below}"), message) }
    }

    pub(super) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = suggestion.into();
        self
    }
}

/// Errors where learners have to complete the quest, else warnings.
pub(super) fn by_need(quest: &BlueprintQuest) -> Severity {
    if quest.counts() { Severity::Error } else { Severity::Warning }
}

/// Severity first, then place, numbers by value; the rest only so that the order is always the same.
pub(super) fn in_order(a: &Finding, b: &Finding) -> Ordering {
    let segment = |one: &str, other: &str| match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        // Numbers first: fields that authors have named may look like anything, and the order must be one.
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => one.cmp(other),
    };
    let place = || {
        let (mut one, mut other) = (a.pointer.split('/'), b.pointer.split('/'));
        loop {
            match (one.next(), other.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(one), Some(other)) => match segment(one, other) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                },
            }
        }
    };
    a.severity
        .cmp(&b.severity)
        .then_with(place)
        .then_with(|| (a.code, &a.message, &a.suggestion).cmp(&(b.code, &b.message, &b.suggestion)))
}

/// A title as sentences name it.
pub(super) fn quoted(title: &str) -> String {
    format!("“{title}”")
}

/// One or many.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
