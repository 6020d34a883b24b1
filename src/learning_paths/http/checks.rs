//! Checks of what authors write.

use std::collections::HashSet;

use crate::config::ContentLimits;
use crate::criteria::UnlockCriteria;
use crate::http::FieldError;
use crate::http::validate::Checks;
use crate::learning_paths::model::{ChapterInput, LearningPathInput, PathQuestInput};

/// Every field at fault.
#[must_use]
pub fn check_path(input: &LearningPathInput, limits: &ContentLimits) -> Checks {
    let mut checks = Checks::default();
    checks.optional_key(input.key.as_deref());
    checks.text("/name", &input.name, 1, 255);
    checks.text("/description", &input.description, 1, limits.max_text_chars);
    if let Some(hours) = input.estimated_total_duration_hours {
        checks.range("/estimatedTotalDurationHours", hours, 0, 100_000);
    }
    checks
}

/// Every field at fault.
#[must_use]
pub fn check_chapter(input: &ChapterInput) -> Checks {
    let mut checks = Checks::default();
    checks.optional_key(input.key.as_deref());
    checks.text("/title", &input.title, 1, 255);
    for (pointer, date) in [("/startDate", input.start_date), ("/endDate", input.end_date)] {
        if let Some(date) = date {
            checks.year(pointer, &date);
        }
    }
    if let (Some(start), Some(end)) = (input.start_date, input.end_date) {
        checks.require(start <= end, "/endDate", "must not be before startDate");
    }
    checks
}

/// Every field at fault, those of the criteria included.
#[must_use]
pub fn check_quests(quests: &[PathQuestInput], limits: &ContentLimits) -> Checks {
    let mut checks = Checks::default();
    let most = limits.max_path_quests;
    if quests.len() > most {
        checks.require(false, "/quests", format!("must have at most {most} items"));
        return checks;
    }
    let mut seen = HashSet::new();
    for (index, place) in quests.iter().enumerate() {
        checks.require(seen.insert(place.quest_id), &format!("/quests/{index}/questId"), "stands there already");
        let violations = place.unlock_criteria.as_ref().and_then(|criteria| UnlockCriteria::parse(criteria).err());
        checks.extend(violations.into_iter().flatten().map(|violation| {
            FieldError::new(format!("/quests/{index}/unlockCriteria{}", violation.pointer), violation.detail)
        }));
    }
    checks
}
