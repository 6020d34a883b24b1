//! What a made-up learner finds.

use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde_json::json;

use super::build::{blueprint, chapter, completed, id, now, quest};
use crate::learning_paths::lint::blueprint::{Blueprint, ChapterStatus};
use crate::learning_paths::lint::simulate;
use crate::learning_paths::lint::simulate::{Hindrance, Scenario, Simulation, Standing};
use crate::unlocks::evaluate::State;

fn play(blueprint: &Blueprint, scenario: serde_json::Value) -> Simulation {
    simulate(blueprint, &serde_json::from_value(scenario).unwrap(), now())
}

fn standings(simulation: &Simulation) -> Vec<Standing> {
    simulation.quests.iter().map(|quest| quest.availability).collect()
}

fn reasons(simulation: &Simulation, number: usize) -> Vec<&str> {
    let locked = simulation.locked.iter().find(|quest| quest.quest_id == id(number)).unwrap();
    locked.reasons.iter().map(String::as_str).collect()
}

#[test]
fn step_by_step() {
    let path = blueprint(
        Vec::new(),
        vec![
            quest(1).optional(),
            quest(2),
            quest(3).after(&[2]),
            quest(4).when(json!({ "op": "pathProgress", "minPercent": 60 })),
        ],
    );
    let simulation = play(&path, json!({}));
    assert_eq!(standings(&simulation), [Standing::Open, Standing::Open, Standing::Locked, Standing::Locked]);
    assert_eq!(simulation.next.as_ref().map(|next| next.quest_id), Some(id(2)), "mandatory before optional");
    assert_eq!(reasons(&simulation, 3), ["Complete “Q2” first."]);
    assert_eq!(reasons(&simulation, 4), ["Complete 60 % of “Path” (now 0)."]);
    let simulation = play(&path, json!({ "completedQuestIds": [id(2), id(3), id(77)] }));
    assert_eq!(standings(&simulation), [Standing::Open, Standing::Completed, Standing::Completed, Standing::Open]);
    assert_eq!(simulation.completion_percentage, Decimal::new(6666, 2));
    assert_eq!((simulation.counts.mandatory, simulation.counts.mandatory_completed), (3, 2));
    assert_eq!(simulation.experience_earned, 200);
    assert_eq!(simulation.ignored, [id(77)]);
    assert_eq!(simulation.quests[2].prerequisites[0].state, State::Met);
    let simulation = play(&path, json!({ "completedQuestIds": [id(2), id(3), id(4)] }));
    assert_eq!(simulation.next.map(|next| next.quest_id), Some(id(1)));
    assert_eq!(simulation.completion_percentage, Decimal::ONE_HUNDRED);
}

#[test]
fn scores_levels_and_points() {
    let graded = quest(1).with_assessment(201);
    let path = blueprint(
        Vec::new(),
        vec![
            graded,
            quest(2).when(json!({ "op": "questScore", "questId": id(1), "minPercent": 70 })),
            quest(3).when(json!({ "op": "scoreBand", "assessmentId": id(201), "which": "first", "belowPercent": 60 })),
            quest(4).when(json!({ "op": "skillLevel", "skillTag": "Pointers", "minLevel": 3 })),
            quest(5).when(json!({ "op": "xpEarned", "scope": "service", "min": 500 })),
        ],
    );
    let simulation = play(&path, json!({ "completedQuestIds": [id(1)] }));
    assert_eq!(standings(&simulation)[1..], [Standing::Locked; 4]);
    assert_eq!(simulation.quests[3].criteria.as_ref().unwrap().state, State::Unknown);
    assert_eq!(reasons(&simulation, 4), ["Reach level 3 in “Pointers” (it is unknown)."]);
    assert_eq!(reasons(&simulation, 5), ["Earn 500 experience points (now 100)."]);
    let simulation = play(
        &path,
        json!({ "completedQuestIds": [id(1)], "questScores": { id(1).to_string(): 70.5 }, "experiencePoints": 500,
            "assessmentScores": { id(201).to_string(): { "first": 59.9, "best": 70.5 } }, "skillLevels": { "POINTERS": 3 } }),
    );
    assert_eq!(standings(&simulation)[1..], [Standing::Open; 4]);
}

#[test]
fn time_and_chapters() {
    let mut later = chapter(101);
    later.start_date = "2027-01-01".parse().ok();
    let mut paused = chapter(102);
    paused.status = ChapterStatus::Paused;
    let path = blueprint(
        vec![later, paused],
        vec![
            quest(1),
            quest(2).within(101),
            quest(3).within(102),
            quest(4).window(json!({ "opensAt": "2026-12-01T00:00:00Z", "closesAt": "2027-02-01T00:00:00Z" })),
            quest(5).when(json!({ "op": "delay", "since": "questCompleted", "questId": id(1), "hours": 24 })),
            quest(6).when(json!({ "op": "delay", "since": "pathStarted", "hours": 24 })),
            quest(7).draft(),
        ],
    );
    let simulation = play(&path, json!({}));
    let expected = [Standing::Open, Standing::Scheduled, Standing::Scheduled, Standing::Scheduled];
    assert_eq!(standings(&simulation)[..4], expected);
    assert_eq!(standings(&simulation)[4..], [Standing::Locked, Standing::Locked, Standing::Inactive]);
    assert_eq!(simulation.quests[2].schedule, [Hindrance::ChapterPaused]);
    assert_eq!(reasons(&simulation, 2), ["Its chapter begins on 2027-01-01."]);
    assert_eq!(reasons(&simulation, 4), ["Its window opens on 2026-12-01 00:00 UTC."]);
    assert_eq!(reasons(&simulation, 5), ["Complete “Q1” first, and wait."]);
    assert_eq!(reasons(&simulation, 7), ["It is not active."]);
    let begun = json!({ "completedQuestIds": [id(1)] });
    assert_eq!(reasons(&play(&path, begun.clone()), 5), ["Wait until 2026-11-25 12:00 UTC."]);
    let on = |date: &str| {
        let mut scenario = begun.clone();
        (scenario["date"], scenario["completedAt"]) = (json!(date), json!({ id(1).to_string(): now() }));
        standings(&play(&path, scenario))
    };
    assert_eq!(
        on("2027-01-01T00:00:00Z")[1..6],
        [Standing::Open, Standing::Scheduled, Standing::Open, Standing::Open, Standing::Open]
    );
    assert_eq!(on("2027-02-01T00:00:00Z")[3], Standing::Closed);
    assert_eq!(simulate(&path, &Scenario::default(), now() + TimeDelta::days(90)).counts.closed, 1);
}

#[test]
fn alternatives_are_told_as_such() {
    let either = json!({ "op": "any", "of": [completed(1), { "op": "manual" }] });
    let two = json!({ "op": "atLeast", "n": 2, "of": [completed(1), completed(2), { "op": "manual" }] });
    let path = blueprint(Vec::new(), vec![quest(1), quest(2).when(either), quest(3).when(two)]);
    let simulation = play(&path, json!({}));
    assert_eq!(reasons(&simulation, 2), ["Complete “Q1” first, or it opens only by an override."]);
    let expected = "Meet 2 of these (now 0): complete “Q1” first; complete “Q2” first; it opens only by an override.";
    assert_eq!(reasons(&simulation, 3), [expected]);
}

#[test]
fn a_scenario_is_read_strictly() {
    assert!(serde_json::from_value::<Scenario>(json!({ "completed": [] })).is_err());
    assert!(
        serde_json::from_value::<Scenario>(json!({ "assessmentScores": { id(1).to_string(): { "last": 1 } } }))
            .is_err()
    );
}

#[test]
fn a_blueprint_is_read_from_json() {
    let path: Blueprint = serde_json::from_value(json!({
        "path": { "id": id(9000), "name": "P", "isPublished": false, "estimatedTotalDurationHours": null, "totalExperiencePoints": 5 },
        "chapters": [{ "id": id(101), "title": "C", "sequence": 1, "status": "Paused", "startDate": "2026-01-01", "endDate": null }],
        "quests": [{ "questId": id(1), "title": "Q", "isActive": true, "chapterId": id(101), "sequenceOrder": 1,
            "difficultyLevel": "Expert", "isMandatory": true, "unlockCriteria": { "v": 1, "when": { "op": "manual" } },
            "experiencePointsReward": 5, "stepExperience": 0, "unitCount": 1, "estimatedDurationMinutes": null,
            "skillRewardPoints": 0, "assessmentIds": [], "prerequisites": [
                { "questId": id(2), "title": "R", "isActive": true, "inPath": false }] }],
        "foreign": { "quests": { id(2).to_string(): { "title": "R", "isActive": true } }, "chapters": {}, "assessments": {}, "paths": {} }
    }))
    .unwrap();
    assert!(path.quests[0].unlock_criteria.read.as_ref().is_some_and(|read| read.when.is_some()));
    assert_eq!(path.chapters[0].status, ChapterStatus::Paused);
}
