//! Blueprints for tests: by hand, and at random.

use chrono::{DateTime, Days, TimeDelta, TimeZone, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::learning_paths::lint::blueprint::*;
use crate::quests::model::DifficultyLevel;

/// A small number as an id: quests from 1, chapters from 101, assessments from 201, foreign things from 1001.
pub(super) fn id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128)
}

pub(super) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 24, 12, 0, 0).single().unwrap()
}

/// An active mandatory quest in no chapter, without conditions.
pub(super) fn quest(number: usize) -> BlueprintQuest {
    BlueprintQuest {
        quest_id: id(number),
        title: format!("Q{number}"),
        is_active: true,
        chapter_id: None,
        sequence_order: i32::try_from(number).unwrap(),
        difficulty_level: DifficultyLevel::Beginner,
        is_mandatory: true,
        unlock_criteria: Criteria::default(),
        experience_points_reward: 80,
        step_experience: 20,
        unit_count: 3,
        estimated_duration_minutes: Some(60),
        skill_reward_points: 10,
        assessment_ids: Vec::new(),
        prerequisites: Vec::new(),
        unresolved_prerequisites: Vec::new(),
    }
}

impl BlueprintQuest {
    pub(super) fn when(self, when: Value) -> Self {
        let mut document = self.unlock_criteria.raw.clone().unwrap_or_else(|| json!({ "v": 1 }));
        document["when"] = when;
        Self { unlock_criteria: Criteria::from(Some(document)), ..self }
    }

    pub(super) fn window(self, window: Value) -> Self {
        let mut document = self.unlock_criteria.raw.clone().unwrap_or_else(|| json!({ "v": 1 }));
        document["window"] = window;
        Self { unlock_criteria: Criteria::from(Some(document)), ..self }
    }

    pub(super) fn after(mut self, numbers: &[usize]) -> Self {
        self.prerequisites.extend(numbers.iter().map(|number| Needed {
            quest_id: id(*number),
            title: format!("Q{number}"),
            is_active: *number != 1002,
            in_path: *number < 1000,
        }));
        self
    }

    pub(super) fn optional(self) -> Self {
        Self { is_mandatory: false, ..self }
    }

    pub(super) fn draft(self) -> Self {
        Self { is_active: false, ..self }
    }

    pub(super) fn within(self, chapter: usize) -> Self {
        Self { chapter_id: Some(id(chapter)), ..self }
    }

    pub(super) fn with_assessment(mut self, number: usize) -> Self {
        self.assessment_ids.push(id(number));
        self
    }
}

pub(super) fn chapter(number: usize) -> BlueprintChapter {
    BlueprintChapter {
        id: id(number),
        title: format!("C{number}"),
        sequence: i32::try_from(number).unwrap(),
        ..BlueprintChapter::default()
    }
}

pub(super) fn blueprint(chapters: Vec<BlueprintChapter>, quests: Vec<BlueprintQuest>) -> Blueprint {
    let total_experience_points = quests.iter().map(BlueprintQuest::experience).sum();
    let path =
        BlueprintPath { id: id(9000), name: "Path".to_owned(), total_experience_points, ..BlueprintPath::default() };
    let mut foreign = Foreign::default();
    foreign.quests.insert(id(1001), ForeignQuest { title: "F1".to_owned(), is_active: true });
    foreign.quests.insert(id(1002), ForeignQuest { title: "F2".to_owned(), is_active: false });
    foreign.chapters.insert(id(1101), id(9001));
    foreign.assessments.insert(id(1201), id(1001));
    foreign.assessments.insert(id(1202), id(1002));
    foreign.paths.insert(id(9001), "Other path".to_owned());
    Blueprint { path, chapters, quests, foreign }
}

pub(super) fn completed(quest: usize) -> Value {
    json!({ "op": "questCompleted", "questId": id(quest) })
}

/// Numbers from a seed (`SplitMix64`): a case is one number, and the same again each time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap()
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// How wild a random blueprint is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taste {
    /// Percent of references that point anywhere instead of back.
    pub(super) wild: usize,
    pub(super) with_manual: bool,
}

/// A quest of the path before `number`, or anything.
fn some_quest(dice: &mut Dice, number: usize, size: usize, taste: Taste) -> usize {
    if number == 1 || dice.chance(taste.wild) {
        match dice.below(8) {
            0 => 1001,
            1 => 1002,
            2 => 1999,
            _ => 1 + dice.below(size),
        }
    } else {
        1 + dice.below(number - 1)
    }
}

fn condition(dice: &mut Dice, depth: usize, number: usize, size: usize, taste: Taste) -> Value {
    let hours = 1 + dice.below(200);
    let percent = dice.below(101);
    if depth < 3 && dice.chance(40) {
        let of: Vec<Value> = (0..=dice.below(3)).map(|_| condition(dice, depth + 1, number, size, taste)).collect();
        return match dice.below(3) {
            0 => json!({ "op": "all", "of": of }),
            1 => json!({ "op": "any", "of": of }),
            _ => json!({ "op": "atLeast", "n": 1 + dice.below(of.len()), "of": of }),
        };
    }
    let other = some_quest(dice, number, size, taste);
    let assessment = other + 200;
    match dice.below(if taste.with_manual { 15 } else { 14 }) {
        0..=2 => completed(other),
        3 => json!({ "op": "questScore", "questId": id(other), "minPercent": percent }),
        4 => json!({ "op": "scoreBand", "assessmentId": id(assessment), "which": "best", "minPercent": percent }),
        5 => json!({ "op": "scoreBand", "assessmentId": id(assessment), "which": "first", "minPercent": percent }),
        6 => json!({ "op": "scoreBand", "assessmentId": id(assessment), "which": "first", "belowPercent": percent }),
        7 => json!({ "op": "chapterCompleted", "chapterId": id([101, 102, 103, 1101, 1999][dice.below(5)]) }),
        8 => json!({ "op": "pathProgress", "minPercent": percent / 2 }),
        9 => match dice.below(3) {
            0 => json!({ "op": "pathProgress", "pathId": id(9001), "minPercent": percent }),
            1 => json!({ "op": "pathProgress", "pathId": id(9000), "minPercent": percent }),
            _ => json!({ "op": "xpEarned", "scope": "service", "min": 1 + hours }),
        },
        10 => json!({ "op": "xpEarned", "min": 1 + dice.below(100 * number) }),
        11 => json!({ "op": "skillLevel", "skillTag": "Pointers", "minLevel": 3 }),
        12 => json!({ "op": "notBefore", "at": now() + TimeDelta::hours(i64::try_from(hours).unwrap() - 50) }),
        13 if dice.chance(50) => json!({ "op": "delay", "since": "pathStarted", "hours": hours }),
        13 => json!({ "op": "delay", "since": "questCompleted", "questId": id(other), "hours": hours }),
        _ => json!({ "op": "manual" }),
    }
}

/// A random path of so many quests.
pub(super) fn random(seed: u64, size: usize, taste: Taste) -> Blueprint {
    let dice = &mut Dice(seed);
    let from_now = |dice: &mut Dice| now() + TimeDelta::hours(i64::try_from(dice.below(800)).unwrap() - 100);
    let quests = (1..=size).map(|number| {
        let mut made = quest(if dice.chance(2) { 1 } else { number });
        made.sequence_order = i32::try_from(number).unwrap();
        made.is_active = !dice.chance(6);
        made.is_mandatory = dice.chance(70);
        made.unit_count = i64::from(!dice.chance(4));
        made.step_experience = i64::try_from(dice.below(50)).unwrap();
        if dice.chance(60) {
            made = made.with_assessment(200 + number);
        }
        if dice.chance(60) {
            made = made.within([101, 102, 103][dice.below(3)]);
        }
        for _ in 0..dice.below(3) {
            if number > 1 || dice.chance(taste.wild) {
                // A prerequisite exists, whatever criteria name.
                made = made.after(&[some_quest(dice, number, size, taste).min(1002)]);
            }
        }
        if dice.chance(50) {
            made = made.when(condition(dice, 0, number, size, taste));
        }
        if dice.chance(15) {
            let (one, other) = (from_now(dice), from_now(dice));
            made = match dice.below(3) {
                0 => made.window(json!({ "opensAt": one })),
                1 => made.window(json!({ "closesAt": other + TimeDelta::hours(200) })),
                _ => {
                    made.window(json!({ "opensAt": one.min(other), "closesAt": one.max(other) + TimeDelta::hours(1) }))
                }
            };
        }
        if dice.chance(taste.wild / 10) {
            made.unlock_criteria = Criteria::from(Some(json!({ "v": 2, "when": { "op": "never" } })));
        }
        made
    });
    let quests: Vec<_> = quests.collect();
    let chapters = [101, 102, 103].map(|number| {
        let mut made = chapter(number);
        if dice.chance(30) {
            made.start_date = now().date_naive().checked_add_days(Days::new(dice.below(20) as u64));
        }
        if dice.chance(30) {
            made.end_date = now().date_naive().checked_add_days(Days::new(dice.below(60) as u64));
        }
        made
    });
    let mut made = blueprint(chapters.to_vec(), quests);
    // Where a repetition has taken a quest's place, the quest is outside.
    for number in (1..=size).filter(|number| made.quests.iter().all(|quest| quest.quest_id != id(*number))) {
        made.foreign.quests.insert(id(number), ForeignQuest { title: format!("Q{number}"), is_active: true });
    }
    made
}
