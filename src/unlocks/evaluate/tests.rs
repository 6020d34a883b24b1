//! Examples of each condition, and the laws of all of them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Quests, chapters, paths and assessments alike are numbered, so that generated ones meet.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

const OWN: Uuid = Uuid::from_u128(0);

/// An hour of the first of January.
fn hour(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_798_761_600 + hours * 3600, 0).unwrap()
}

fn percent(number: i64) -> Decimal {
    Decimal::from(number)
}

fn state(condition: &Condition, facts: &Facts) -> State {
    judge(condition, OWN, facts).state
}

fn with_quest(fact: QuestFact) -> Facts {
    Facts { quests: HashMap::from([(id(1), fact)]), ..Facts::default() }
}

fn with_path(fact: PathFact) -> Facts {
    Facts { paths: HashMap::from([(OWN, fact)]), ..Facts::default() }
}

/// A condition of each state.
fn of_state(state: State) -> Condition {
    match state {
        State::Met => Condition::NotBefore { at: hour(-1_000_000) },
        State::Unmet => Condition::Manual,
        State::Unknown => Condition::QuestCompleted { quest: id(99) },
    }
}

#[test]
fn groups_have_three_values() {
    use State::{Met, Unknown, Unmet};
    let table = [
        (vec![Met, Met], Met, Met, Met),
        (vec![Met, Unmet], Unmet, Met, Unmet),
        (vec![Met, Unknown], Unknown, Met, Unknown),
        (vec![Unknown, Unmet], Unmet, Unknown, Unmet),
        (vec![Unmet, Unmet], Unmet, Unmet, Unmet),
        (vec![Unknown, Unknown], Unknown, Unknown, Unknown),
        (vec![Met, Unknown, Unmet], Unmet, Met, Unknown),
        (vec![Met, Met, Unmet], Unmet, Met, Met),
    ];
    let facts = Facts { now: hour(0), ..Facts::default() };
    for (states, all, any, two) in table {
        let of = || states.iter().copied().map(of_state).collect::<Vec<_>>();
        assert_eq!(state(&Condition::All(of()), &facts), all, "all of {states:?}");
        assert_eq!(state(&Condition::Any(of()), &facts), any, "any of {states:?}");
        assert_eq!(state(&Condition::AtLeast { n: 2, of: of() }, &facts), two, "two of {states:?}");
        let judged = judge(&Condition::AtLeast { n: 2, of: of() }, OWN, &facts);
        let met = states.iter().filter(|state| **state == Met).count();
        assert_eq!((judged.current, judged.target), (Some(met.into()), Some(percent(2))));
        assert_eq!(judged.of.iter().map(|judged| judged.state).collect::<Vec<_>>(), states);
    }
}

#[test]
fn a_quest_counts_once_it_is_completed() {
    let condition = Condition::QuestCompleted { quest: id(1) };
    assert_eq!(state(&condition, &Facts::default()), State::Unknown);
    let fact = QuestFact { title: "Loops".to_owned(), percentage: percent(40), ..QuestFact::default() };
    let judged = judge(&condition, OWN, &with_quest(fact.clone()));
    assert_eq!((judged.op, judged.state, judged.quest_id), ("questCompleted", State::Unmet, Some(id(1))));
    assert_eq!(judged.title.as_deref(), Some("Loops"));
    assert_eq!((judged.current, judged.target), (Some(percent(40)), Some(percent(100))));
    // By the completion, not by a percentage that may be older.
    assert_eq!(state(&condition, &with_quest(QuestFact { completed_at: Some(hour(0)), ..fact })), State::Met);
}

#[test]
fn a_chapter_counts_once_all_its_quests_are_done_and_never_without_any() {
    let condition = Condition::ChapterCompleted { chapter: id(1) };
    assert_eq!(state(&condition, &Facts::default()), State::Unknown);
    for (total, done, expected) in [(3, 2, State::Unmet), (3, 3, State::Met), (0, 0, State::Unmet)] {
        let fact = ChapterFact { title: "Basics".to_owned(), total, done };
        let judged = judge(&condition, OWN, &Facts { chapters: HashMap::from([(id(1), fact)]), ..Facts::default() });
        assert_eq!((judged.state, judged.chapter_id), (expected, Some(id(1))));
        assert_eq!((judged.current, judged.target), (Some(done.into()), Some(total.into())));
    }
}

#[test]
fn a_score_counts_from_its_minimum_on() {
    let condition = Condition::QuestScore { quest: id(1), min_percent: percent(70) };
    assert_eq!(state(&condition, &Facts::default()), State::Unknown);
    let scored = |score| with_quest(QuestFact { score, ..QuestFact::default() });
    assert_eq!(state(&condition, &scored(None)), State::Unmet);
    assert_eq!(state(&condition, &scored(Some(Decimal::new(6999, 2)))), State::Unmet);
    assert_eq!(state(&condition, &scored(Some(percent(70)))), State::Met);
}

#[test]
fn a_band_includes_its_minimum_and_excludes_its_end() {
    let band = |which, min: Option<i64>, below: Option<i64>| Condition::ScoreBand {
        assessment: id(1),
        which,
        min_percent: min.map(percent),
        below_percent: below.map(percent),
    };
    let graded = |first: Option<i64>, best: Option<i64>| {
        let fact = AssessmentFact { first: first.map(percent), best: best.map(percent), is_hidden: false };
        Facts { assessments: HashMap::from([(id(1), fact)]), ..Facts::default() }
    };
    let middle = band(Try::First, Some(40), Some(60));
    assert_eq!(state(&middle, &Facts::default()), State::Unknown);
    assert_eq!(state(&middle, &graded(None, Some(50))), State::Unmet);
    for (first, expected) in [(39, State::Unmet), (40, State::Met), (59, State::Met), (60, State::Unmet)] {
        assert_eq!(state(&middle, &graded(Some(first), Some(90))), expected, "{first}");
    }
    let best = band(Try::Best, Some(60), None);
    assert_eq!(state(&best, &graded(Some(10), Some(60))), State::Met);
    assert_eq!(state(&best, &graded(Some(10), Some(59))), State::Unmet);
    let low = judge(&band(Try::First, None, Some(60)), OWN, &graded(Some(75), Some(75)));
    assert_eq!((low.state, low.current, low.target), (State::Unmet, Some(percent(75)), Some(percent(60))));
}

#[test]
fn progress_is_compared_exactly_and_shown_cut() {
    let at_least = |min_percent| Condition::PathProgress { path: None, min_percent };
    let third = with_path(PathFact { name: "C".to_owned(), total: 3, done: 1, ..PathFact::default() });
    assert_eq!(state(&at_least(percent(33)), &third), State::Met);
    let judged = judge(&at_least(Decimal::new(33_333_333_333_334, 12)), OWN, &third);
    assert_eq!((judged.state, judged.current), (State::Unmet, Some(Decimal::new(3333, 2))));
    assert_eq!((judged.learning_path_id, judged.title.as_deref()), (Some(OWN), Some("C")));
    assert_eq!(state(&at_least(Decimal::new(33_333_333_333_333, 12)), &third), State::Met);
    let huge = with_path(PathFact { total: i64::MAX, done: i64::MAX, ..PathFact::default() });
    assert_eq!(state(&at_least(percent(100)), &huge), State::Met);
    let empty = with_path(PathFact::default());
    assert_eq!(state(&at_least(Decimal::ZERO), &empty), State::Met);
    assert_eq!(state(&at_least(Decimal::new(1, 2)), &empty), State::Unmet);
    let other = Condition::PathProgress { path: Some(id(7)), min_percent: Decimal::ZERO };
    assert_eq!(state(&other, &third), State::Unknown);
}

#[test]
fn experience_is_that_of_the_path_or_of_all() {
    let condition = |scope| Condition::XpEarned { scope, min: 500 };
    let facts = Facts { experience: 499, ..with_path(PathFact { experience: 500, ..PathFact::default() }) };
    assert_eq!(state(&condition(XpScope::Path), &facts), State::Met);
    assert_eq!(state(&condition(XpScope::Service), &facts), State::Unmet);
    assert_eq!(judge(&condition(XpScope::Service), OWN, &facts).learning_path_id, None);
    assert_eq!(state(&condition(XpScope::Path), &Facts::default()), State::Unknown);
}

#[test]
fn a_skill_counts_by_its_name_in_any_case() {
    let condition = Condition::SkillLevel { skill_tag: "Pointers".to_owned(), min_level: 3 };
    assert_eq!(state(&condition, &Facts::default()), State::Unknown);
    let facts = |level: Option<i32>| Facts {
        skills: Some(level.map(|level| ("pointers".to_owned(), level)).into_iter().collect()),
        ..Facts::default()
    };
    assert_eq!(state(&condition, &facts(Some(3))), State::Met);
    assert_eq!(state(&condition, &facts(Some(2))), State::Unmet);
    let absent = judge(&condition, OWN, &facts(None));
    assert_eq!((absent.state, absent.current), (State::Unmet, Some(Decimal::ZERO)));
    assert_eq!(absent.skill_tag.as_deref(), Some("Pointers"));
}

#[test]
fn time_counts_from_its_moment_on() {
    let at = |hours| Facts { now: hour(hours), ..Facts::default() };
    let fixed = Condition::NotBefore { at: hour(5) };
    assert_eq!(state(&fixed, &at(4)), State::Unmet);
    assert_eq!(state(&fixed, &at(5)), State::Met);
    assert_eq!(judge(&fixed, OWN, &at(4)).due(), Some(hour(5)));
    assert_eq!(judge(&fixed, OWN, &at(5)).due(), None);
    assert_eq!(judge(&fixed, OWN, &at(5)).at, Some(hour(5)));

    let started = |started_at, now| Facts {
        now: hour(now),
        ..with_path(PathFact { started_at, name: "C".to_owned(), ..PathFact::default() })
    };
    let since_start = Condition::DelayPathStarted { hours: 24 };
    assert_eq!(state(&since_start, &at(0)), State::Unknown);
    let waiting = judge(&since_start, OWN, &started(None, 100));
    assert_eq!((waiting.state, waiting.at, waiting.due()), (State::Unmet, None, None));
    assert_eq!(judge(&since_start, OWN, &started(Some(hour(0)), 23)).due(), Some(hour(24)));
    assert_eq!(state(&since_start, &started(Some(hour(0)), 24)), State::Met);

    let since_quest = Condition::DelayQuestCompleted { quest: id(1), hours: u32::MAX };
    let completed = |completed_at| with_quest(QuestFact { completed_at, ..QuestFact::default() });
    assert_eq!(state(&since_quest, &at(0)), State::Unknown);
    assert_eq!(state(&since_quest, &completed(None)), State::Unmet);
    // So late that no calendar has it.
    assert_eq!(judge(&since_quest, OWN, &completed(Some(hour(0)))).at, None);
}

#[test]
fn what_is_due_next_is_the_earliest_time_still_to_come() {
    let of = vec![
        Condition::NotBefore { at: hour(9) },
        Condition::Any(vec![Condition::NotBefore { at: hour(7) }, Condition::Manual]),
        Condition::NotBefore { at: hour(1) },
    ];
    let facts = Facts { now: hour(2), ..Facts::default() };
    assert_eq!(judge(&Condition::All(of), OWN, &facts).due(), Some(hour(7)));
    assert_eq!(judge(&Condition::Manual, OWN, &facts).due(), None);
}

#[test]
fn what_is_judged_is_shown_without_what_does_not_apply() {
    let condition =
        Condition::All(vec![Condition::Manual, Condition::QuestScore { quest: id(1), min_percent: percent(70) }]);
    let facts =
        with_quest(QuestFact { title: "Loops".to_owned(), score: Some(Decimal::new(625, 1)), ..QuestFact::default() });
    assert_eq!(
        serde_json::to_value(judge(&condition, OWN, &facts)).unwrap(),
        json!({
            "op": "all", "state": "unmet", "current": 0.0, "target": 2.0,
            "of": [
                {"op": "manual", "state": "unmet"},
                {"op": "questScore", "state": "unmet", "questId": id(1), "title": "Loops",
                 "current": 62.5, "target": 70.0},
            ],
        })
    );
}

// ---- generated cases ----

fn any_id() -> impl Strategy<Value = Uuid> {
    (0..3_u128).prop_map(id)
}

fn any_percent() -> impl Strategy<Value = Decimal> {
    (0..=20_i64).prop_map(|twentieths| percent(twentieths * 5))
}

fn any_hour() -> impl Strategy<Value = DateTime<Utc>> {
    (0..40_i64).prop_map(hour)
}

fn any_tag() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["c", "rust"]).prop_map(str::to_owned)
}

/// Conditions as they can be parsed: only the first grade has an upper bound.
fn any_condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        any_id().prop_map(|quest| Condition::QuestCompleted { quest }),
        any_id().prop_map(|chapter| Condition::ChapterCompleted { chapter }),
        (any_id(), any_percent()).prop_map(|(quest, min_percent)| Condition::QuestScore { quest, min_percent }),
        (any_id(), any_percent()).prop_map(|(assessment, min)| Condition::ScoreBand {
            assessment,
            which: Try::Best,
            min_percent: Some(min),
            below_percent: None,
        }),
        (any_id(), prop::option::of(any_percent()), prop::option::of(any_percent())).prop_map(
            |(assessment, min_percent, below_percent)| Condition::ScoreBand {
                assessment,
                which: Try::First,
                min_percent,
                below_percent,
            }
        ),
        (prop::option::of(any_id()), any_percent())
            .prop_map(|(path, min_percent)| Condition::PathProgress { path, min_percent }),
        (prop::sample::select(vec![XpScope::Path, XpScope::Service]), 1..60_u32)
            .prop_map(|(scope, min)| Condition::XpEarned { scope, min }),
        (any_tag(), 1..5_u32).prop_map(|(skill_tag, min_level)| Condition::SkillLevel { skill_tag, min_level }),
        any_hour().prop_map(|at| Condition::NotBefore { at }),
        (1..30_u32).prop_map(|hours| Condition::DelayPathStarted { hours }),
        (any_id(), 1..30_u32).prop_map(|(quest, hours)| Condition::DelayQuestCompleted { quest, hours }),
        Just(Condition::Manual),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let of = prop::collection::vec(inner, 1..5);
        prop_oneof![
            of.clone().prop_map(Condition::All),
            of.clone().prop_map(Condition::Any),
            (1..5_u32, of).prop_map(|(n, of)| Condition::AtLeast { n: n.min(u32::try_from(of.len()).unwrap()), of }),
        ]
    })
}

fn any_map<K, V>(key: impl Strategy<Value = K>, value: impl Strategy<Value = V>) -> impl Strategy<Value = HashMap<K, V>>
where
    K: std::fmt::Debug + Eq + std::hash::Hash,
    V: std::fmt::Debug,
{
    prop::collection::vec((key, value), 0..5).prop_map(|entries| entries.into_iter().collect())
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let quest = (prop::option::of(any_hour()), prop::option::of(any_percent()))
        .prop_map(|(completed_at, score)| QuestFact { completed_at, score, ..QuestFact::default() });
    let chapter = (0..4_i64, 0..5_i64).prop_map(|(total, done)| ChapterFact { title: String::new(), total, done });
    let path = (0..4_i64, 0..5_i64, 0..60_i64, prop::option::of(any_hour())).prop_map(
        |(total, done, experience, started_at)| PathFact { name: String::new(), total, done, experience, started_at },
    );
    let assessment = (prop::option::of(any_percent()), prop::option::of(any_percent()))
        .prop_map(|(first, best)| AssessmentFact { first, best, is_hidden: false });
    let skills = prop::option::of(any_map(any_tag(), 0..5_i32));
    (
        any_hour(),
        any_map(any_id(), quest),
        any_map(any_id(), chapter),
        any_map(any_id(), path),
        any_map(any_id(), assessment),
        0..60_i64,
        skills,
    )
        .prop_map(|(now, quests, chapters, paths, assessments, experience, skills)| Facts {
            now,
            quests,
            chapters,
            paths,
            assessments,
            experience,
            skills,
        })
}

/// What is known of either; `both` decides where both know something.
fn merged<K: Clone + Eq + std::hash::Hash, V: Clone>(
    one: &HashMap<K, V>,
    other: &HashMap<K, V>,
    both: impl Fn(&V, &V) -> V,
) -> HashMap<K, V> {
    let mut all = other.clone();
    for (key, value) in one {
        let value = other.get(key).map_or_else(|| value.clone(), |other| both(value, other));
        all.insert(key.clone(), value);
    }
    all
}

/// `facts` of a learner who went on for a while, as far as `news` says.
fn grown(facts: &Facts, news: &Facts) -> Facts {
    Facts {
        now: facts.now.max(news.now),
        quests: merged(&facts.quests, &news.quests, |old, new| QuestFact {
            completed_at: old.completed_at.or(new.completed_at),
            score: old.score.max(new.score),
            ..new.clone()
        }),
        chapters: merged(&facts.chapters, &news.chapters, |old, new| ChapterFact {
            done: old.done.max(new.done),
            ..old.clone()
        }),
        paths: merged(&facts.paths, &news.paths, |old, new| PathFact {
            done: old.done.max(new.done),
            experience: old.experience.max(new.experience),
            started_at: old.started_at.or(new.started_at),
            ..old.clone()
        }),
        assessments: merged(&facts.assessments, &news.assessments, |old, new| AssessmentFact {
            first: old.first.or(new.first),
            best: old.best.max(new.best),
            is_hidden: false,
        }),
        experience: facts.experience.max(news.experience),
        skills: match (&facts.skills, &news.skills) {
            (Some(old), Some(new)) => Some(merged(old, new, |old, new| *old.max(new))),
            (old, new) => old.clone().or_else(|| new.clone()),
        },
    }
}

/// `facts` with what was unknown filled in from `fill`, and nothing else changed.
fn filled(facts: &Facts, fill: &Facts) -> Facts {
    Facts {
        now: facts.now,
        quests: merged(&facts.quests, &fill.quests, |known, _| known.clone()),
        chapters: merged(&facts.chapters, &fill.chapters, |known, _| known.clone()),
        paths: merged(&facts.paths, &fill.paths, |known, _| known.clone()),
        assessments: merged(&facts.assessments, &fill.assessments, |known, _| known.clone()),
        experience: facts.experience,
        skills: facts.skills.clone().or_else(|| fill.skills.clone()),
    }
}

/// The states of a condition and of all in it, in the order of the document.
fn states(judged: &Judged) -> Vec<State> {
    std::iter::once(judged.state).chain(judged.of.iter().flat_map(states)).collect()
}

/// The same, of those with nothing in them.
fn leaves(judged: &Judged) -> Vec<State> {
    if judged.of.is_empty() { vec![judged.state] } else { judged.of.iter().flat_map(leaves).collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn what_is_met_stays_met_as_a_learner_goes_on(
        condition in any_condition(), facts in any_facts(), news in any_facts(),
    ) {
        let before = states(&judge(&condition, OWN, &facts));
        let after = states(&judge(&condition, OWN, &grown(&facts, &news)));
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before != State::Met || after == State::Met);
        }
    }

    #[test]
    fn what_is_known_does_not_depend_on_what_is_unknown(
        condition in any_condition(), facts in any_facts(), fill in any_facts(),
    ) {
        let before = states(&judge(&condition, OWN, &facts));
        let after = states(&judge(&condition, OWN, &filled(&facts, &fill)));
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before == State::Unknown || before == after);
        }
    }

    #[test]
    fn nothing_changes_by_time_alone_before_it_is_due_and_something_does_then(
        condition in any_condition(), facts in any_facts(), later in 0..500_i64,
    ) {
        let at = |now| judge(&condition, OWN, &Facts { now, ..facts.clone() });
        let judged = at(facts.now);
        let last = facts.now + TimeDelta::hours(later);
        let Some(due) = judged.due() else {
            prop_assert_eq!(states(&at(last)), states(&judged));
            return Ok(());
        };
        prop_assert!(due > facts.now);
        let just_before = due - TimeDelta::nanoseconds(1);
        prop_assert_eq!(states(&at(just_before)), states(&judged));
        let changed = leaves(&judged).into_iter().zip(leaves(&at(due)))
            .any(|(before, after)| before == State::Unmet && after == State::Met);
        prop_assert!(changed);
    }
}
