//! The facts that a scenario amounts to.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

use super::Scenario;
use crate::learning_paths::lint::blueprint::{Blueprint, BlueprintQuest, Index};
use crate::unlocks::evaluate::{AssessmentFact, ChapterFact, Facts, PathFact, QuestFact};

/// Parts of a whole path: percentages of other paths are kept to two decimals.
const WHOLE: i64 = 10_000;

/// Everything that the path's criteria can ask for; what is not in the scenario has not happened.
pub(super) fn facts(
    blueprint: &Blueprint,
    index: &Index,
    quests: &[&BlueprintQuest],
    scenario: &Scenario,
    completed: &HashSet<Uuid>,
    date: DateTime<Utc>,
) -> Facts {
    let own = own_path(blueprint, quests, scenario, completed, date);
    let percent_of = |id: &Uuid| scenario.path_percentages.get(id).copied().unwrap_or_default();
    let mut paths: HashMap<Uuid, PathFact> = blueprint
        .foreign
        .paths
        .iter()
        .map(|(id, name)| {
            let parts = percent_of(id).clamp(Decimal::ZERO, Decimal::ONE_HUNDRED) * Decimal::ONE_HUNDRED;
            let done = parts.trunc().to_i64().unwrap_or_default();
            (*id, PathFact { name: name.clone(), total: WHOLE, done, ..PathFact::default() })
        })
        .collect();
    let experience = scenario.experience_points.unwrap_or(own.experience);
    paths.insert(blueprint.path.id, own);
    let assessments = index.assessments.keys().chain(blueprint.foreign.assessments.keys()).map(|id| {
        let scores = scenario.assessment_scores.get(id).cloned().unwrap_or_default();
        (*id, AssessmentFact { first: scores.first, best: scores.best, is_hidden: false })
    });
    Facts {
        now: date,
        quests: quest_facts(blueprint, quests, scenario, completed, date),
        chapters: chapter_facts(blueprint, index, quests, scenario, completed),
        paths,
        assessments: assessments.collect(),
        experience,
        skills: scenario.skill_levels.as_ref().map(|levels| {
            let mut skills: HashMap<String, i32> = HashMap::new();
            for (name, level) in levels {
                let known = skills.entry(name.to_lowercase()).or_insert(*level);
                *known = (*known).max(*level);
            }
            skills
        }),
    }
}

fn completed_at(scenario: &Scenario, quest: Uuid, date: DateTime<Utc>) -> DateTime<Utc> {
    scenario.completed_at.get(&quest).copied().unwrap_or(date)
}

fn own_path(
    blueprint: &Blueprint,
    quests: &[&BlueprintQuest],
    scenario: &Scenario,
    completed: &HashSet<Uuid>,
    date: DateTime<Utc>,
) -> PathFact {
    let mut fact = PathFact { name: blueprint.path.name.clone(), ..PathFact::default() };
    for quest in quests {
        let is_done = completed.contains(&quest.quest_id);
        if quest.is_mandatory && (quest.is_active || is_done) {
            fact.total += 1;
            fact.done += i64::from(is_done);
        }
        if is_done {
            fact.experience = fact.experience.saturating_add(quest.experience());
            let at = completed_at(scenario, quest.quest_id, date);
            fact.started_at = Some(fact.started_at.map_or(at, |earliest| earliest.min(at)));
        }
    }
    fact.started_at = scenario.path_started_at.or(fact.started_at);
    fact
}

fn quest_facts(
    blueprint: &Blueprint,
    quests: &[&BlueprintQuest],
    scenario: &Scenario,
    completed: &HashSet<Uuid>,
    date: DateTime<Utc>,
) -> HashMap<Uuid, QuestFact> {
    let needed = quests.iter().flat_map(|quest| &quest.prerequisites).map(|needed| (needed.quest_id, &needed.title));
    let foreign = blueprint.foreign.quests.iter().map(|(id, quest)| (*id, &quest.title));
    // The path's own come last: their titles stand.
    let own = quests.iter().map(|quest| (quest.quest_id, &quest.title));
    needed
        .chain(foreign)
        .chain(own)
        .map(|(id, title)| {
            let is_done = completed.contains(&id);
            let fact = QuestFact {
                title: title.clone(),
                completed_at: is_done.then(|| completed_at(scenario, id, date)),
                percentage: if is_done { Decimal::ONE_HUNDRED } else { Decimal::ZERO },
                score: scenario.quest_scores.get(&id).copied(),
                ..QuestFact::default()
            };
            (id, fact)
        })
        .collect()
}

fn chapter_facts(
    blueprint: &Blueprint,
    index: &Index,
    quests: &[&BlueprintQuest],
    scenario: &Scenario,
    completed: &HashSet<Uuid>,
) -> HashMap<Uuid, ChapterFact> {
    let mut facts: HashMap<Uuid, ChapterFact> = blueprint
        .foreign
        .chapters
        .keys()
        .map(|id| {
            let done = i64::from(scenario.completed_chapter_ids.contains(id));
            (*id, ChapterFact { total: 1, done, ..ChapterFact::default() })
        })
        .collect();
    for chapter in &blueprint.chapters {
        facts.insert(chapter.id, ChapterFact { title: chapter.title.clone(), ..ChapterFact::default() });
    }
    for quest in quests {
        let is_done = completed.contains(&quest.quest_id);
        let counts = quest.is_mandatory && (quest.is_active || is_done);
        let own = quest.chapter_id.filter(|id| index.chapters.contains_key(id));
        if let Some(fact) = own.and_then(|id| facts.get_mut(&id)).filter(|_| counts) {
            fact.total += 1;
            fact.done += i64::from(is_done);
        }
    }
    facts
}

/// Ids of the scenario that say nothing about this path, in order: probably mistaken.
pub(super) fn ignored(blueprint: &Blueprint, index: &Index, scenario: &Scenario, facts: &Facts) -> Vec<Uuid> {
    let quests = scenario.completed_quest_ids.iter().chain(scenario.completed_at.keys());
    let quests = quests.chain(scenario.quest_scores.keys()).filter(|id| !facts.quests.contains_key(id));
    let assessments = scenario.assessment_scores.keys().filter(|id| !facts.assessments.contains_key(id));
    // Of the path's own chapters its quests decide.
    let is_own = |id: &Uuid| index.chapters.contains_key(id) || !blueprint.foreign.chapters.contains_key(id);
    let chapters = scenario.completed_chapter_ids.iter().filter(|id| is_own(id));
    let is_own = |id: &Uuid| *id == blueprint.path.id || !blueprint.foreign.paths.contains_key(id);
    let paths = scenario.path_percentages.keys().filter(|id| is_own(id));
    let mut ignored: Vec<Uuid> = quests.chain(assessments).chain(chapters).chain(paths).copied().collect();
    ignored.sort_unstable();
    ignored.dedup();
    ignored
}
