//! How a path is put together: what is in it, in which order, and what learners have to do.

use std::collections::HashMap;

use super::blueprint::Blueprint;
use super::finding::{Finding, Severity, by_need, quoted};
use super::plan::Plan;

/// Everything about the lists themselves.
pub(super) fn structure(plan: &Plan, found: &mut Vec<Finding>) {
    let blueprint = plan.blueprint;
    if plan.mandatory == 0 {
        let message = "The path has no active mandatory quest, so nobody can complete it.".to_owned();
        found.push(
            Finding::path("no_mandatory_quest", Severity::Error, "/quests", message)
                .suggest("Activate a quest and make it mandatory."),
        );
    }
    orders(blueprint, found);
    chapters(plan, found);
    for place in 0..blueprint.quests.len() {
        quest(plan, place, found);
    }
}

fn quest(plan: &Plan, place: usize, found: &mut Vec<Finding>) {
    let blueprint = plan.blueprint;
    let quest = &blueprint.quests[place];
    let title = quoted(&quest.title);
    let mut add = |below: &str, code, severity, message: String, suggestion: &str| {
        found.push(Finding::quest(blueprint, place, below, code, severity, message).suggest(suggestion));
    };
    if !plan.index.is_first(blueprint, place) {
        let message = format!("{title} is in the path twice.");
        add("/questId", "duplicate_quest", Severity::Error, message, "Take one of the two out.");
        return;
    }
    if quest.is_mandatory && !quest.is_active {
        let message = format!("{title} is mandatory but not active, so learners cannot complete it.");
        let suggestion = "Activate it, make it optional, or take it out of the path.";
        add("/isActive", "mandatory_inactive", Severity::Warning, message, suggestion);
    }
    if quest.is_active && quest.unit_count <= 0 {
        let message = format!("{title} has no mandatory step and no assessment, so it is never completed.");
        add("", "nothing_to_do", by_need(quest), message, "Add a mandatory step or an assessment.");
    }
    match quest.chapter_id {
        Some(id) if !plan.index.chapters.contains_key(&id) => {
            let message = format!("{title} is in a chapter that this path does not have ({id}).");
            add("/chapterId", "chapter_unknown", Severity::Error, message, "Put it into a chapter of this path.");
        }
        None if !blueprint.chapters.is_empty() => {
            let message = format!("{title} is in no chapter, while the path has some.");
            add("/chapterId", "no_chapter", Severity::Info, message, "Put it into a chapter.");
        }
        _ => {}
    }
    for (index, words) in quest.unresolved_prerequisites.iter().enumerate() {
        let message = format!("{title} asks for {}, and no quest was found for that.", quoted(words));
        let suggestion = "Set the prerequisites that it means, then take the words out.";
        let below = format!("/unresolvedPrerequisites/{index}");
        add(&below, "prerequisite_unresolved", Severity::Warning, message, suggestion);
    }
    for needed in &quest.prerequisites {
        let other = quoted(&needed.title);
        if !plan.index.gates(blueprint, needed) {
            let message = format!("{title} has the prerequisite {other}, which is not active and so holds nobody up.");
            add("", "prerequisite_inactive", Severity::Info, message, "Activate it, or take the prerequisite out.");
        } else if !plan.index.quests.contains_key(&needed.quest_id) {
            let message = format!("{title} has the prerequisite {other}, which is outside of this path.");
            let suggestion = "Take it into the path, or the prerequisite out.";
            add("", "prerequisite_outside_path", Severity::Warning, message, suggestion);
        }
    }
}

/// Two of the same place make the order a matter of chance.
fn orders(blueprint: &Blueprint, found: &mut Vec<Finding>) {
    let mut seen = HashMap::new();
    for (place, quest) in blueprint.quests.iter().enumerate() {
        let first = *seen.entry(quest.sequence_order).or_insert(place);
        if first != place {
            let message = format!(
                "{} and {} have the same place {} in the order.",
                quoted(&blueprint.quests[first].title),
                quoted(&quest.title),
                quest.sequence_order
            );
            let below = "/sequenceOrder";
            found.push(
                Finding::quest(blueprint, place, below, "duplicate_order", Severity::Error, message)
                    .suggest("Give each quest a place of its own."),
            );
        }
    }
    let mut seen = HashMap::new();
    for (place, chapter) in blueprint.chapters.iter().enumerate() {
        let first = *seen.entry(chapter.sequence).or_insert(place);
        if first != place {
            let message = format!(
                "The chapters {} and {} have the same place {} in the order.",
                quoted(&blueprint.chapters[first].title),
                quoted(&chapter.title),
                chapter.sequence
            );
            let below = "/sequence";
            found.push(
                Finding::chapter(blueprint, place, below, "duplicate_order", Severity::Error, message)
                    .suggest("Give each chapter a place of its own."),
            );
        }
    }
}

fn chapters(plan: &Plan, found: &mut Vec<Finding>) {
    let blueprint = plan.blueprint;
    let mut sizes = vec![0_usize; blueprint.chapters.len()];
    for chapter in blueprint.quests.iter().filter_map(|quest| plan.index.chapter_of(quest)) {
        sizes[chapter] += 1;
    }
    for (place, chapter) in blueprint.chapters.iter().enumerate() {
        let title = quoted(&chapter.title);
        let (code, message, suggestion) = if sizes[place] == 0 {
            ("chapter_empty", format!("The chapter {title} has no quests."), "Put quests into it, or delete it.")
        } else if plan.members[place].is_empty() {
            let message = format!("The chapter {title} has no active mandatory quest, so it is never completed.");
            ("chapter_optional_only", message, "Make one of its quests mandatory and active.")
        } else {
            continue;
        };
        found.push(Finding::chapter(blueprint, place, "", code, Severity::Warning, message).suggest(suggestion));
    }
}
