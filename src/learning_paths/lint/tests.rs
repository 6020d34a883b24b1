//! The rules of the linter, one by one.
#![allow(clippy::unreadable_literal)]

mod build;
mod simulation;
mod walks;

use serde_json::json;

use super::blueprint::{Blueprint, BlueprintQuest, ChapterStatus, Criteria};
use super::finding::{Finding, Severity};
use super::{is_publishable, lint};
use build::{blueprint, chapter, completed, id, now, quest};

fn codes(blueprint: &Blueprint) -> Vec<(&'static str, Severity, String)> {
    lint(blueprint, now()).into_iter().map(|found| (found.code, found.severity, found.pointer)).collect()
}

fn of(quests: Vec<BlueprintQuest>) -> Blueprint {
    blueprint(Vec::new(), quests)
}

#[track_caller]
fn finds(blueprint: &Blueprint, code: &str, severity: Severity, pointer: &str) -> Finding {
    let findings = lint(blueprint, now());
    let found =
        findings.iter().find(|found| (found.code, found.severity, &*found.pointer) == (code, severity, pointer));
    found.unwrap_or_else(|| panic!("no {code} at {pointer} in {findings:#?}")).clone()
}

use Severity::{Error, Info, Warning};

#[test]
fn a_sound_path_has_no_findings() {
    let chapters = vec![chapter(101), chapter(102)];
    let quests = vec![
        quest(1).within(101).with_assessment(201),
        quest(2).within(101).after(&[1]),
        quest(3).within(102).when(json!({ "op": "chapterCompleted", "chapterId": id(101) })),
        quest(4)
            .within(102)
            .optional()
            .when(json!({ "op": "scoreBand", "assessmentId": id(201), "which": "first", "belowPercent": 60 })),
        quest(5).within(102).when(json!({ "op": "all", "of": [
            { "op": "pathProgress", "minPercent": 75 }, { "op": "xpEarned", "min": 300 },
            { "op": "questScore", "questId": id(1), "minPercent": 70 },
            { "op": "delay", "since": "questCompleted", "questId": id(3), "hours": 24 },
            { "op": "skillLevel", "skillTag": "c", "minLevel": 2 } ] })),
    ];
    assert_eq!(codes(&blueprint(chapters, quests)), []);
}

#[test]
fn an_empty_path_cannot_be_completed() {
    let found = finds(&of(Vec::new()), "no_mandatory_quest", Error, "/quests");
    assert_eq!(found.message, "The path has no active mandatory quest, so nobody can complete it.");
    finds(&of(vec![quest(1).optional(), quest(2).draft()]), "no_mandatory_quest", Error, "/quests");
}

#[test]
fn a_cycle_is_printed() {
    let path = of(vec![quest(1), quest(2).after(&[4]), quest(3).when(completed(2)), quest(4).after(&[3]).optional()]);
    let found = finds(&path, "cycle", Error, "/quests/1");
    assert_eq!(found.message, "These quests wait for each other: “Q2” → “Q4” → “Q3” → “Q2”.");
    finds(&path, "unreachable", Error, "/quests/2");
    finds(&path, "unreachable", Warning, "/quests/3");
    assert!(!codes(&path).iter().any(|(_, _, pointer)| pointer == "/quests/0"));
}

#[test]
fn cycles_with_another_way_are_none() {
    let either = json!({ "op": "any", "of": [completed(2), { "op": "notBefore", "at": "2027-01-01T00:00:00Z" }] });
    assert_eq!(codes(&of(vec![quest(1).when(either), quest(2).after(&[1])])), []);
}

#[test]
fn a_quest_that_waits_for_its_own_chapter_waits_for_itself() {
    let last = quest(2).within(101).when(json!({ "op": "chapterCompleted", "chapterId": id(101) }));
    let path = blueprint(vec![chapter(101)], vec![quest(1).within(101), last]);
    assert_eq!(finds(&path, "cycle", Error, "/quests/1").message, "“Q2” waits for itself (“Q2” → “Q2”).");
}

#[test]
fn two_knots_are_two_cycles_and_followers_are_in_none() {
    let path = of(vec![
        quest(1).after(&[2]),
        quest(2).after(&[1]),
        quest(3).after(&[4]),
        quest(4).after(&[3]),
        quest(5).after(&[1]),
    ]);
    let cycles: Vec<_> = codes(&path).into_iter().filter(|(code, ..)| *code == "cycle").map(|found| found.2).collect();
    assert_eq!(cycles, ["/quests/0", "/quests/2"]);
    let follower = finds(&path, "unreachable", Error, "/quests/4");
    assert_eq!(follower.message, "“Q5” can never open, because its prerequisite “Q1” can never be completed.");
}

#[test]
fn drafts_that_are_named_hold_up_but_draft_prerequisites_do_not() {
    let path = of(vec![quest(1).draft(), quest(2).when(completed(1)), quest(3).after(&[1])]);
    finds(&path, "criteria_names_draft", Error, "/quests/1/unlockCriteria/when");
    finds(&path, "unreachable", Error, "/quests/1");
    finds(&path, "mandatory_inactive", Warning, "/quests/0/isActive");
    finds(&path, "prerequisite_inactive", Info, "/quests/2");
    let either = json!({ "op": "any", "of": [completed(1), completed(3)] });
    let path = of(vec![quest(1).draft().optional(), quest(2).when(either), quest(3)]);
    assert_eq!(codes(&path), [("criteria_names_draft", Warning, "/quests/1/unlockCriteria/when/of/0".to_owned())]);
    let path = of(vec![quest(1), quest(2).optional().when(completed(1002))]);
    finds(&path, "criteria_names_draft", Warning, "/quests/1/unlockCriteria/when");
}

#[test]
fn what_is_outside_is_told_from_what_is_nowhere() {
    let path = of(vec![
        quest(1).when(completed(1001)),
        quest(2).optional().when(completed(1999)),
        quest(3).when(json!({ "op": "chapterCompleted", "chapterId": id(1101) })),
        quest(4)
            .when(json!({ "op": "any", "of": [completed(1), { "op": "chapterCompleted", "chapterId": id(1999) }] })),
        quest(5).when(json!({ "op": "pathProgress", "pathId": id(9001), "minPercent": 50 })),
        quest(6).draft().when(json!({ "op": "pathProgress", "pathId": id(1999), "minPercent": 50 })),
        quest(7).when(json!({ "op": "scoreBand", "assessmentId": id(1201), "which": "best", "minPercent": 50 })),
        quest(8).when(json!({ "op": "scoreBand", "assessmentId": id(1999), "which": "best", "minPercent": 50 })),
        quest(9).after(&[1001]),
    ]);
    for (place, below) in [(0, ""), (2, ""), (4, ""), (6, "")] {
        finds(&path, "criteria_outside_path", Warning, &format!("/quests/{place}/unlockCriteria/when{below}"));
    }
    for (place, below) in [(1, ""), (3, "/of/1"), (5, ""), (7, "")] {
        finds(&path, "criteria_names_unknown", Error, &format!("/quests/{place}/unlockCriteria/when{below}"));
    }
    finds(&path, "prerequisite_outside_path", Warning, "/quests/8");
    let unreachable: Vec<_> =
        codes(&path).into_iter().filter(|found| found.0 == "unreachable").map(|found| found.2).collect();
    assert_eq!(unreachable, ["/quests/7", "/quests/1"]);
}

#[test]
fn scores_that_are_never_given() {
    let mut path = of(vec![
        quest(1),
        quest(2).when(json!({ "op": "questScore", "questId": id(1), "minPercent": 50 })),
        quest(3).when(json!({ "op": "scoreBand", "assessmentId": id(250), "which": "best", "minPercent": 50 })),
    ]);
    path.foreign.assessments.insert(id(250), id(1));
    finds(&path, "score_never_given", Error, "/quests/1/unlockCriteria/when");
    finds(&path, "criteria_names_retired", Error, "/quests/2/unlockCriteria/when");
}

#[test]
fn criteria_that_cannot_be_read_stay_closed() {
    let mut broken = quest(2);
    broken.unlock_criteria = Criteria::from(Some(json!({ "v": 1, "when": { "op": "not" } })));
    let path = of(vec![quest(1), broken]);
    let found = finds(&path, "criteria_invalid", Error, "/quests/1/unlockCriteria/when/op");
    assert!(
        found.message.starts_with("The unlock criteria of “Q2” do not hold to the grammar: `op` must be"),
        "{found:?}"
    );
    finds(&path, "unreachable", Error, "/quests/1");
}

#[test]
fn impossible_numbers() {
    let path = of(vec![
        quest(1),
        quest(2).when(json!({ "op": "pathProgress", "minPercent": 100 })),
        quest(3).when(json!({ "op": "atLeast", "n": 2, "of": [completed(1), completed(1002), { "op": "pathProgress", "minPercent": 100 }] })),
        quest(4).when(json!({ "op": "xpEarned", "min": 350 })),
    ]);
    let found = finds(&path, "impossible_path_progress", Error, "/quests/1/unlockCriteria/when");
    assert_eq!(found.message, "“Q2” needs 4 of the 4 mandatory quests, and at most 1 (25 %) can be done before it.");
    let found = finds(&path, "impossible_at_least", Error, "/quests/2/unlockCriteria/when");
    assert_eq!(found.message, "“Q3” needs 2 of 3 options, and only 1 can ever be met.");
    let found = finds(&path, "impossible_experience", Error, "/quests/3/unlockCriteria/when");
    assert_eq!(
        found.message,
        "“Q4” needs 350 experience points of this path, and at most 100 can be earned before it."
    );
    // With another way it is only odd.
    let odd = json!({ "op": "any", "of": [completed(1), { "op": "pathProgress", "minPercent": 100 }] });
    let path = of(vec![quest(1), quest(2).when(odd)]);
    assert_eq!(codes(&path), [("impossible_path_progress", Warning, "/quests/1/unlockCriteria/when/of/1".to_owned())]);
    // What is optional may ask for all of the rest.
    assert_eq!(
        codes(&of(vec![quest(1), quest(2).optional().when(json!({ "op": "pathProgress", "minPercent": 100 }))])),
        []
    );
}

#[test]
fn openings_for_some_only() {
    let graded = || quest(1).with_assessment(201);
    let band = |bound: &str| json!({ "op": "scoreBand", "assessmentId": id(201), "which": "first", bound: 60 });
    let path = of(vec![graded(), quest(2).when(band("belowPercent"))]);
    assert_eq!(codes(&path), [("low_scores_only", Error, "/quests/1".to_owned())]);
    let path = of(vec![graded(), quest(2).when(band("minPercent")), quest(3).after(&[2])]);
    assert_eq!(codes(&path), [("first_try_only", Warning, "/quests/1/unlockCriteria/when".to_owned())]);
    let either = json!({ "op": "any", "of": [band("minPercent"), completed(2)] });
    assert_eq!(codes(&of(vec![graded(), quest(2).optional().when(band("belowPercent")), quest(3).when(either)])), []);
    let path = of(vec![quest(1), quest(2).when(json!({ "op": "manual" })), quest(3).after(&[2])]);
    assert_eq!(codes(&path), [("manual_only", Info, "/quests/1/unlockCriteria/when".to_owned())]);
}

#[test]
fn first_scores_that_exclude_each_other() {
    let low = || json!({ "op": "scoreBand", "assessmentId": id(201), "which": "first", "belowPercent": 60 });
    let high = || json!({ "op": "scoreBand", "assessmentId": id(201), "which": "first", "minPercent": 80 });
    let middle = || json!({ "op": "scoreBand", "assessmentId": id(201), "which": "first", "minPercent": 50, "belowPercent": 90 });
    let best = || json!({ "op": "scoreBand", "assessmentId": id(201), "which": "best", "minPercent": 80 });
    let group = |op: &str, of: Vec<serde_json::Value>| json!({ "op": op, "of": of });
    let path = |when| of(vec![quest(1).with_assessment(201), quest(2).optional().when(when)]);
    let at = |pointer: &str| format!("/quests/1/unlockCriteria/when{pointer}");
    for (when, pointer) in [
        (group("all", vec![low(), high()]), "/of/1"),
        (group("all", vec![high(), group("all", vec![middle(), low()])]), "/of/1/of/1"),
        (group("all", vec![group("any", vec![high()]), low()]), "/of/1"),
        (json!({ "op": "atLeast", "n": 2, "of": [low(), high()] }), "/of/1"),
        (group("all", vec![group("any", vec![high(), group("all", vec![high(), completed(1)])]), low()]), "/of/0/of/0"),
    ] {
        finds(&path(when.clone()), "score_never_given", Warning, &at(pointer));
        finds(&path(when), "unreachable", Warning, "/quests/1");
    }
    for when in [
        group("all", vec![low(), middle()]),
        group("all", vec![middle(), high()]),
        group("any", vec![low(), high()]),
        group("all", vec![low(), best()]),
    ] {
        assert_eq!(codes(&path(when.clone())), [], "{when}");
    }
    // One of two ways is closed.
    let half = group("all", vec![low(), group("any", vec![high(), completed(1)])]);
    assert_eq!(codes(&path(half)), [("score_never_given", Warning, at("/of/1/of/0"))]);
    // Of a mandatory quest the contradiction is told, and not that only low scores open it.
    let path = of(vec![quest(1).with_assessment(201), quest(2).when(group("all", vec![low(), high()]))]);
    let found = codes(&path);
    assert!(found.iter().all(|(code, ..)| *code != "low_scores_only"), "{found:?}");
    finds(&path, "score_never_given", Error, &at("/of/1"));
}

#[test]
fn dead_windows() {
    let mut later = chapter(101);
    later.start_date = "2027-01-01".parse().ok();
    let path = blueprint(
        vec![later],
        vec![
            quest(1).within(101),
            quest(2).window(json!({ "closesAt": "2026-11-24T12:00:00Z" })),
            quest(3).within(101).window(json!({ "closesAt": "2027-01-01T00:00:00Z" })),
            quest(4)
                .window(json!({ "closesAt": "2026-12-01T00:00:00Z" }))
                .when(json!({ "op": "notBefore", "at": "2026-12-01T00:00:00Z" })),
            quest(5)
                .optional()
                .window(json!({ "closesAt": "2027-01-01T23:00:00Z" }))
                .when(json!({ "op": "delay", "since": "questCompleted", "questId": id(1), "hours": 24 })),
        ],
    );
    for (place, code, severity) in [
        (1, "window_closed", Error),
        (2, "window_before_chapter", Error),
        (3, "window_too_early", Error),
        (4, "window_too_early", Warning),
    ] {
        finds(&path, code, severity, &format!("/quests/{place}/unlockCriteria/window/closesAt"));
        finds(&path, "unreachable", severity, &format!("/quests/{place}"));
    }
}

#[test]
fn dates_of_chapters() {
    let dated = |number, start: &str, end: &str| {
        let mut made = chapter(number);
        (made.start_date, made.end_date) = (start.parse().ok(), end.parse().ok());
        made
    };
    let mut paused = chapter(105);
    paused.status = ChapterStatus::Paused;
    let path = blueprint(
        vec![
            dated(101, "2027-01-01", "2026-12-01"),
            dated(102, "2026-01-01", "2026-02-01"),
            dated(103, "", "2026-12-31"),
            chapter(104),
            paused,
        ],
        vec![
            quest(1).within(101),
            quest(2).within(102),
            quest(3).within(103).window(json!({ "opensAt": "2027-02-01T00:00:00Z" })),
            quest(4).within(103).after(&[3]),
            quest(5).within(105).optional(),
            quest(6),
            quest(7).within(199),
        ],
    );
    finds(&path, "chapter_dates_reversed", Error, "/chapters/0/endDate");
    finds(&path, "chapter_over", Warning, "/chapters/1/endDate");
    finds(&path, "chapter_begins_early", Warning, "/chapters/1/startDate");
    finds(&path, "opens_after_chapter", Warning, "/quests/2/unlockCriteria/window/opensAt");
    finds(&path, "opens_after_chapter", Warning, "/quests/3");
    finds(&path, "chapter_empty", Warning, "/chapters/3");
    finds(&path, "chapter_paused", Warning, "/chapters/4/status");
    finds(&path, "chapter_optional_only", Warning, "/chapters/4");
    finds(&path, "no_chapter", Info, "/quests/5/chapterId");
    finds(&path, "chapter_unknown", Error, "/quests/6/chapterId");
}

#[test]
fn chapters_that_are_never_completed_are_named_in_vain() {
    let named = quest(1).when(json!({ "op": "chapterCompleted", "chapterId": id(101) }));
    let path = blueprint(vec![chapter(101)], vec![named, quest(2).optional().within(101)]);
    finds(&path, "chapter_never_completed", Error, "/quests/0/unlockCriteria/when");
}

#[test]
fn doubles_and_empty_quests() {
    let mut again = quest(1);
    again.sequence_order = 2;
    let mut idle = quest(3);
    (idle.unit_count, idle.sequence_order) = (0, 1);
    let mut other = chapter(102);
    other.sequence = 101;
    let path = blueprint(vec![chapter(101), other], vec![quest(1), again, idle, quest(4).after(&[3])]);
    finds(&path, "duplicate_quest", Error, "/quests/1/questId");
    finds(&path, "duplicate_order", Error, "/quests/2/sequenceOrder");
    finds(&path, "duplicate_order", Error, "/chapters/1/sequence");
    finds(&path, "nothing_to_do", Error, "/quests/2");
    finds(&path, "unreachable", Error, "/quests/3");
}

#[test]
fn rewards_and_durations() {
    let mut path = of((1..=6).map(quest).collect());
    path.path.estimated_total_duration_hours = Some(6);
    assert_eq!(codes(&path), []);
    path.quests[1].estimated_duration_minutes = Some(41 * 60);
    (path.quests[2].experience_points_reward, path.quests[2].step_experience) = (0, 0);
    path.quests[3].experience_points_reward = 2000;
    path.path.total_experience_points = 7;
    finds(&path, "duration_long", Info, "/quests/1/estimatedDurationMinutes");
    finds(&path, "duration_total_wrong", Warning, "/estimatedTotalDurationHours");
    finds(&path, "reward_missing", Warning, "/quests/2/experiencePointsReward");
    finds(&path, "reward_outlier", Warning, "/quests/3/experiencePointsReward");
    finds(&path, "experience_total_wrong", Warning, "/totalExperiencePoints");
    let mut path = of((1..=6).map(quest).collect());
    path.path.estimated_total_duration_hours = Some(13);
    finds(&path, "duration_total_wrong", Warning, "/estimatedTotalDurationHours");
    path.quests[0].estimated_duration_minutes = None;
    assert_eq!(codes(&path), [("duration_missing", Info, "/quests/0/estimatedDurationMinutes".to_owned())]);
}

#[test]
fn errors_come_first_and_places_go_by_number() {
    let mut quests: Vec<_> = (1..=12).map(|number| quest(number).after(&[1001])).collect();
    quests[11] = quest(12).when(completed(1999));
    let found = codes(&of(quests));
    let pointers: Vec<_> = found.iter().map(|found| found.2.as_str()).collect();
    assert_eq!(pointers[..5], ["/quests/11", "/quests/11/unlockCriteria/when", "/quests/0", "/quests/1", "/quests/2"]);
    assert_eq!(pointers.last(), Some(&"/quests/10"));
    assert!(!is_publishable(&lint(&of(vec![quest(1).after(&[1])]), now())));
}

#[test]
fn a_long_path_with_all_conditions_is_linted() {
    let of_it =
        |number: usize| -> Vec<_> { (1..32).map(|back| completed(number.saturating_sub(back).max(1))).collect() };
    // Backwards, so that no order of the list helps.
    let quests = (1..=1000).rev().map(|number| {
        let made = quest(number).with_assessment(2000 + number);
        if number == 1 {
            return made;
        }
        let progress = json!({ "op": "pathProgress", "minPercent": (number - 1) / 11 });
        let experience = json!({ "op": "xpEarned", "min": 50 * (number - 1) });
        let half = json!({ "op": "atLeast", "n": 20, "of": of_it(number) });
        made.after(&[number - 1]).when(
            json!({ "op": "all", "of": [half, { "op": "any", "of": of_it(number)[..28] }, progress, experience] }),
        )
    });
    let path = of(quests.collect());
    let begun = std::time::Instant::now();
    assert_eq!(codes(&path), []);
    println!("1,000 quests linted in {:?}", begun.elapsed());
    let mut stuck = path;
    stuck.quests[999] = quest(1).after(&[1000]);
    let begun = std::time::Instant::now();
    let found = codes(&stuck);
    println!("1,000 quests in one knot linted in {:?}", begun.elapsed());
    assert_eq!(found.iter().filter(|found| found.0 == "cycle").count(), 1);
    assert_eq!(found.iter().filter(|found| found.0 == "unreachable").count(), 1000);
}
