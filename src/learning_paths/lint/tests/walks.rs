//! The linter against learners who walk through random paths: what it calls unreachable never opens, and
//! what it does not is reached, at the very moment that it works out.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::build::{Dice, Taste, id, now, random};
use crate::criteria::Condition;
use crate::learning_paths::lint::blueprint::{Blueprint, BlueprintChapter};
use crate::learning_paths::lint::plan::Plan;
use crate::learning_paths::lint::reach::{Mode, reach};
use crate::learning_paths::lint::simulate::{Scenario, Scores, Standing};
use crate::learning_paths::lint::{is_publishable, lint, simulate};

/// What is outside of the path is done, long ago.
fn beginner(blueprint: &Blueprint) -> Scenario {
    let long_ago = now() - TimeDelta::days(4000);
    let active = blueprint.foreign.quests.iter().filter(|(_, quest)| quest.is_active).map(|(id, _)| *id);
    let done: BTreeSet<_> = active.collect();
    Scenario {
        completed_at: done.iter().map(|id| (*id, long_ago)).collect(),
        quest_scores: done.iter().map(|id| (*id, Decimal::ONE_HUNDRED)).collect(),
        completed_quest_ids: done.into_iter().collect(),
        assessment_scores: HashMap::from([(id(1201), perfect())]),
        skill_levels: Some(HashMap::from([("POINTERS".to_owned(), 1000)])),
        experience_points: Some(1_000_000),
        completed_chapter_ids: blueprint.foreign.chapters.keys().copied().collect(),
        path_percentages: HashMap::from([(id(9001), Decimal::ONE_HUNDRED)]),
        date: Some(now()),
        ..Scenario::default()
    }
}

fn perfect() -> Scores {
    Scores { first: Some(Decimal::ONE_HUNDRED), best: Some(Decimal::ONE_HUNDRED) }
}

/// Moments and delays at which time alone may change something.
fn times(blueprint: &Blueprint) -> (BTreeSet<DateTime<Utc>>, BTreeSet<u32>) {
    fn of(condition: &Condition, moments: &mut BTreeSet<DateTime<Utc>>, hours: &mut BTreeSet<u32>) {
        match condition {
            Condition::All(of_it) | Condition::Any(of_it) | Condition::AtLeast { of: of_it, .. } => {
                for inner in of_it {
                    of(inner, moments, hours);
                }
            }
            Condition::NotBefore { at } => drop(moments.insert(*at)),
            Condition::DelayPathStarted { hours: delay } | Condition::DelayQuestCompleted { hours: delay, .. } => {
                hours.insert(*delay);
            }
            _ => {}
        }
    }
    let (mut moments, mut hours) = (BTreeSet::new(), BTreeSet::new());
    for quest in &blueprint.quests {
        moments.extend(quest.opens_at());
        if let Some(when) = quest.unlock_criteria.read.as_ref().and_then(|read| read.when.as_ref()) {
            of(when, &mut moments, &mut hours);
        }
    }
    moments.extend(blueprint.chapters.iter().filter_map(BlueprintChapter::begins));
    (moments, hours)
}

/// Walks on: completes some of what is open, with full marks or not, then lets time pass. `diligent`
/// learners leave nothing undone. Gives what has been open, and when first.
fn walk(blueprint: &Blueprint, dice: &mut Dice, diligent: bool) -> HashMap<uuid::Uuid, DateTime<Utc>> {
    let mut scenario = beginner(blueprint);
    let (mut moments, hours) = times(blueprint);
    let mut date = now();
    let mut opened = HashMap::new();
    loop {
        scenario.date = Some(date);
        let simulation = simulate(blueprint, &scenario, now());
        let mut open: Vec<_> =
            simulation.quests.iter().filter(|quest| quest.availability == Standing::Open).map(|q| q.quest_id).collect();
        for quest in &open {
            opened.entry(*quest).or_insert(date);
        }
        if !open.is_empty() && scenario.path_started_at.is_none() {
            scenario.path_started_at = Some(date);
            moments.extend(hours.iter().map(|hours| date + TimeDelta::hours(i64::from(*hours))));
        }
        // Those with nothing to do stay open for ever, but can be graded.
        let by_id = |wanted| blueprint.quests.iter().find(|quest| quest.quest_id == wanted).unwrap();
        let known = scenario.assessment_scores.len();
        for assessment in open.iter().flat_map(|quest| &by_id(*quest).assessment_ids) {
            let first = if diligent { 100 } else { dice.below(101) };
            let scores = Scores { first: Some(Decimal::from(first)), ..perfect() };
            scenario.assessment_scores.entry(*assessment).or_insert(scores);
        }
        let is_graded = scenario.assessment_scores.len() > known;
        open.retain(|quest| by_id(*quest).unit_count > 0);
        if !open.is_empty() && (diligent || dice.chance(80)) {
            let quest = open[dice.below(open.len())];
            scenario.completed_quest_ids.push(quest);
            scenario.completed_at.insert(quest, date);
            if !by_id(quest).assessment_ids.is_empty() {
                let score = if diligent { 100 } else { dice.below(101) };
                scenario.quest_scores.insert(quest, Decimal::from(score));
            }
            moments.extend(hours.iter().map(|hours| date + TimeDelta::hours(i64::from(*hours))));
        } else if !is_graded {
            match moments.range(date..).find(|moment| **moment > date) {
                Some(next) => date = *next,
                None => return opened,
            }
        }
    }
}

fn tastes() -> impl Strategy<Value = (u64, usize, Taste)> {
    (any::<u64>(), 1..14_usize, prop::sample::select(vec![0, 5, 40]))
        .prop_map(|(seed, size, wild)| (seed, size, Taste { wild, with_manual: wild == 40 }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 2))]

    #[test]
    fn what_is_unreachable_never_opens((seed, size, taste) in tastes(), walker in any::<u64>()) {
        let blueprint = random(seed, size, taste);
        let findings = lint(&blueprint, now());
        let reached = reach(&Plan::new(&blueprint), Mode::LUCKY, now());
        for (quest, at) in walk(&blueprint, &mut Dice(walker), false) {
            let has_finding = findings.iter().any(|found| found.code == "unreachable" && found.quest_id == Some(quest));
            prop_assert!(!has_finding, "{quest} is unreachable and opened at {at}: {findings:#?}");
            let place = blueprint.quests.iter().position(|other| other.quest_id == quest).unwrap();
            prop_assert!(reached.open[place].is_some_and(|earliest| earliest <= at));
        }
    }

    /// The same the other way round, and exact to the moment.
    #[test]
    fn a_diligent_learner_opens_exactly_what_is_reachable((seed, size, taste) in tastes(), walker in any::<u64>()) {
        let blueprint = random(seed, size, taste);
        let mode = Mode { low_scores: false, first_tries: true, overrides: false };
        let reached = reach(&Plan::new(&blueprint), mode, now());
        let opened = walk(&blueprint, &mut Dice(walker), true);
        for (place, quest) in blueprint.quests.iter().enumerate() {
            if blueprint.quests[..place].iter().all(|earlier| earlier.quest_id != quest.quest_id) {
                prop_assert_eq!(reached.open[place], opened.get(&quest.quest_id).copied(), "{}", quest.title);
            }
        }
    }

    #[test]
    fn a_path_without_errors_is_completed((seed, size, taste) in tastes(), walker in any::<u64>()) {
        let blueprint = random(seed, size, Taste { with_manual: false, ..taste });
        if is_publishable(&lint(&blueprint, now())) {
            let opened = walk(&blueprint, &mut Dice(walker), true);
            for quest in blueprint.quests.iter().filter(|quest| quest.counts()) {
                prop_assert!(opened.contains_key(&quest.quest_id), "{}", quest.title);
            }
        }
    }

    /// Each active quest outside of the fixpoint has one finding, and each stuck one is stuck for a reason.
    #[test]
    fn nothing_panics_and_the_order_stands((seed, size, _) in tastes()) {
        let mut blueprint = random(seed, size, Taste { wild: 70, with_manual: true });
        let findings = lint(&blueprint, now());
        for found in &findings {
            prop_assert!(found.message.ends_with('.') && found.suggestion.ends_with('.'), "{found:?}");
            prop_assert!(!found.message.contains("of what is around it"), "{found:?}");
        }
        prop_assert_eq!(&findings, &lint(&blueprint, now()));
        let _ = simulate(&blueprint, &Scenario::default(), now());
        // Files and old rows may hold anything.
        let dice = &mut Dice(seed);
        for quest in &mut blueprint.quests {
            quest.sequence_order = -quest.sequence_order * 7 % 3;
            quest.experience_points_reward = [i64::MAX, i64::MIN, 0, 5][dice.below(4)];
            quest.unit_count = i64::try_from(dice.below(3)).unwrap() - 1;
            quest.estimated_duration_minutes = [Some(i32::MAX), Some(i32::MIN), None][dice.below(3)];
        }
        blueprint.path.estimated_total_duration_hours = [Some(i32::MAX), Some(i32::MIN), None][dice.below(3)];
        let _ = lint(&blueprint, DateTime::<Utc>::MAX_UTC);
        let _ = lint(&blueprint, DateTime::<Utc>::MIN_UTC);
        let scenario = Scenario {
            completed_quest_ids: blueprint.quests.iter().map(|quest| quest.quest_id).collect(),
            path_percentages: HashMap::from([(id(9001), Decimal::MAX)]),
            date: Some(DateTime::<Utc>::MAX_UTC),
            ..Scenario::default()
        };
        let _ = simulate(&blueprint, &scenario, now());
    }
}
