//! A learner's way through a quest.

use serde_json::{Value, json};

use crate::harness::{Service, database, path_of, step, text, verify};

#[tokio::test]
async fn completing_every_mandatory_step_completes_the_quest_and_pays_once() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Loops", 3, 120).await;
    let attempt = learner.attempt(&quest).await;
    assert_eq!(attempt["status"], "InProgress");
    let steps = attempt["steps"].as_array().unwrap().clone();
    assert_eq!(attempt["currentStepId"], steps[0]["stepId"]);

    let first = learner.complete(&attempt, &steps[0], Value::Null).await.expect(200);
    assert_eq!(first["earned"], json!([{"kind": "XP", "points": 10}]));
    assert_eq!(first["attempt"]["completionPercentage"], json!(33.33));
    learner.complete(&attempt, &steps[1], Value::Null).await.expect(200);
    let last = learner.complete(&attempt, &steps[2], Value::Null).await.expect(200);
    assert_eq!(last["attempt"]["status"], "Completed");
    assert_eq!(last["attempt"]["completionPercentage"], json!(100.0));
    assert_eq!(last["attempt"]["totalExperienceEarned"], 150);
    assert_eq!(last["attempt"]["currentStepId"], Value::Null);
    assert_eq!(
        last["earned"],
        json!([{"kind": "XP", "points": 10}, {"kind": "XP", "points": 120},
               {"kind": "SkillPoints", "points": 60, "skillTag": "c-basics"}, {"kind": "SkillPoints", "points": 60, "skillTag": "loops"}])
    );
    // Again: nothing changes, and the answer is the same.
    let again = learner.complete(&attempt, &steps[2], Value::Null).await.expect(200);
    assert_eq!(again, last);
    verify(&pool).await;
}

#[tokio::test]
async fn steps_come_in_order_and_only_optional_ones_are_skipped() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.draft("Order", 0).await;
    author.step(&quest, step("one")).await;
    let mut optional = step("two");
    optional["isOptional"] = json!(true);
    author.step(&quest, optional).await;
    author.step(&quest, step("three")).await;
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200);
    let attempt = learner.attempt(&quest).await;
    let steps = attempt["steps"].as_array().unwrap();
    let at = |index: usize, verb: &str| {
        format!("/v1/attempts/{}/steps/{}/{verb}", text(&attempt["id"]), text(&steps[index]["stepId"]))
    };

    let locked = learner.complete(&attempt, &steps[2], Value::Null).await.problem(409, "step_locked");
    assert_eq!(locked["missingStepIds"], json!([steps[0]["stepId"]]));
    learner.post(&at(0, "skip"), json!({})).await.problem(409, "step_not_optional");
    learner.complete(&attempt, &steps[0], Value::Null).await.expect(200);
    let skipped = learner.post(&at(1, "skip"), json!({})).await.expect(200);
    assert_eq!(skipped["steps"][1]["status"], "Skipped");
    let done = learner.complete(&attempt, &steps[2], Value::Null).await.expect(200);
    assert_eq!(done["attempt"]["status"], "Completed");
    // Optional steps stay open after completion, and still pay.
    let late = learner.complete(&attempt, &steps[1], Value::Null).await.expect(200);
    assert_eq!(late["attempt"]["totalExperienceEarned"], 30);
    assert_eq!(late["attempt"]["completionPercentage"], json!(100.0));
    learner.post(&at(1, "skip"), json!({})).await.problem(409, "step_completed");
    verify(&pool).await;
}

#[tokio::test]
async fn the_state_machine_holds() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("States", 2, 0).await;
    let attempt = learner.attempt(&quest).await;
    let steps = attempt["steps"].as_array().unwrap();
    let to = |verb: &str| format!("/v1/attempts/{}/{verb}", text(&attempt["id"]));

    assert_eq!(learner.post(&to("pause"), json!({})).await.expect(200)["status"], "Paused");
    learner.complete(&attempt, &steps[0], Value::Null).await.problem(409, "attempt_not_open");
    // Starting a paused one returns it unchanged.
    assert_eq!(learner.attempt(&quest).await["status"], "Paused");
    assert_eq!(learner.post(&to("resume"), json!({})).await.expect(200)["status"], "InProgress");
    learner.complete(&attempt, &steps[0], Value::Null).await.expect(200);
    let abandoned = learner.post(&to("abandon"), json!({})).await.expect(200);
    assert!(abandoned["abandonedAt"].is_string());
    // Starting an abandoned one resumes it with its progress.
    let resumed = learner.attempt(&quest).await;
    assert_eq!((&resumed["status"], &resumed["completionPercentage"]), (&json!("InProgress"), &json!(50.0)));
    assert_eq!(resumed["abandonedAt"], Value::Null);
    learner.complete(&attempt, &steps[1], Value::Null).await.expect(200);
    for verb in ["pause", "abandon", "resume"] {
        learner.post(&to(verb), json!({})).await.problem(409, "invalid_transition");
    }
    let types: Vec<String> = sqlx::query_scalar!("SELECT event_type FROM outbox_events ORDER BY learner_seq")
        .fetch_all(&pool)
        .await
        .unwrap();
    let expected = [
        "QuestStarted",
        "QuestPaused",
        "QuestResumed",
        "StepCompleted",
        "XPGranted",
        "QuestAbandoned",
        "QuestResumed",
        "StepCompleted",
        "XPGranted",
        "QuestCompleted",
    ];
    assert_eq!(types, expected);
}

#[tokio::test]
async fn claims_are_checked_by_the_servers_clock_and_tries_are_counted() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.draft("Reading", 0).await;
    let mut reading = step("read");
    reading["stepType"] = json!("Reading");
    reading["validationCriteria"] = json!({"v": 1, "type": "Reading", "requireAck": true, "minSeconds": 60});
    author.step(&quest, reading).await;
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200);
    let attempt = learner.attempt(&quest).await;
    let step = &attempt["steps"][0];
    let claim = json!({"acknowledged": true, "seconds": 500});

    let unmet = learner.complete(&attempt, step, claim.clone()).await.problem(422, "criteria_not_met");
    assert_eq!(unmet["attemptsCount"], 1);
    assert_eq!(unmet["errors"][0]["pointer"], "/submissionData/seconds");
    // Malformed: refused, not counted.
    learner.complete(&attempt, step, json!({"acknowledged": "yes"})).await.problem(422, "validation_failed");
    service.wait(59);
    assert_eq!(
        learner.complete(&attempt, step, claim.clone()).await.problem(422, "criteria_not_met")["attemptsCount"],
        2
    );
    service.wait(1);
    let done = learner.complete(&attempt, step, claim).await.expect(200);
    assert_eq!(done["step"]["attemptsCount"], 3);
    assert_eq!(done["attempt"]["status"], "Completed");
}

#[tokio::test]
async fn a_coding_step_without_criteria_is_completed_by_nobody() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.draft("Graded", 0).await;
    let mut coding = step("code");
    coding["stepType"] = json!("Coding");
    coding["isOptional"] = json!(true);
    author.step(&quest, step("mandatory")).await;
    author.step(&quest, coding).await;
    // A Coding step needs criteria before its quest can go active.
    author.patch(&path_of(&quest), json!({"isActive": true})).await.problem(409, "not_activatable");
    sqlx::query!("UPDATE quests SET is_active = TRUE").execute(&pool).await.unwrap();
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    learner.complete(&attempt, &attempt["steps"][1], json!({})).await.problem(409, "awaits_result");
    // Nor is a step whose stored criteria cannot be read.
    let broken = r#"UPDATE quest_steps SET validation_criteria = '{"v": 2}', step_type = 'Reading' WHERE is_optional"#;
    crate::harness::execute(&pool, broken.to_owned()).await;
    learner.complete(&attempt, &attempt["steps"][1], json!({})).await.problem(409, "validation_not_available");
}

#[tokio::test]
async fn a_quest_opens_exactly_when_its_active_prerequisites_are_done() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (a, b, c) = (author.quest("A", 1, 10).await, author.quest("B", 1, 10).await, author.quest("C", 1, 10).await);
    let draft = author.draft("D", 0).await;
    author.needs(&c, &[&a, &b, &draft]).await.expect(200);

    let locked = learner.post(&format!("{}/attempt", path_of(&c)), json!({})).await.problem(409, "quest_locked");
    assert_eq!(locked["conditions"].as_array().unwrap().len(), 2, "a draft does not gate: {locked}");
    let seen = learner.get(&path_of(&c)).await.expect(200);
    assert_eq!(seen["my"]["availability"], "locked");
    assert_eq!(learner.finish(&a).await["unlocked"], json!([]));
    let eligibility = learner.get(&format!("{}/eligibility", path_of(&c))).await.expect(200);
    let states: Vec<&Value> =
        eligibility["conditions"].as_array().unwrap().iter().map(|condition| &condition["state"]).collect();
    assert_eq!(states, [&json!("met"), &json!("unmet")]);
    let last = learner.finish(&b).await;
    assert_eq!(last["unlocked"], json!([{"questId": c["id"], "title": "C"}]));
    assert_eq!(learner.get(&path_of(&c)).await.expect(200)["my"]["availability"], "available");
    // What has opened stays open.
    let late = author.quest("Late", 1, 0).await;
    author.needs(&c, &[&a, &b, &late]).await.expect(200);
    learner.finish(&c).await;
    verify(&pool).await;
}

#[tokio::test]
async fn attempts_of_others_are_not_there() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let (quest, another) = (author.quest("Mine", 1, 0).await, author.quest("Another", 1, 0).await);
    let attempt = learner.attempt(&quest).await;
    let foreign = learner.attempt(&another).await;
    let path = format!("/v1/attempts/{}", text(&attempt["id"]));
    other.get(&path).await.problem(404, "not_found");
    other.complete(&attempt, &attempt["steps"][0], Value::Null).await.problem(404, "not_found");
    other.patch(&path, json!({"notes": "x"})).await.problem(404, "not_found");
    // A step of another quest is none of this attempt's.
    learner.complete(&attempt, &foreign["steps"][0], Value::Null).await.problem(404, "not_found");
    assert_eq!(learner.patch(&path, json!({"notes": "mine"})).await.expect(200)["notes"], "mine");
    assert_eq!(learner.patch(&path, json!({"notes": null})).await.expect(200)["notes"], Value::Null);
    assert_eq!(learner.all("/v1/me/attempts").await.len(), 2);
    assert_eq!(learner.all("/v1/me/attempts?status=Completed").await.len(), 0);
}

#[tokio::test]
async fn an_edit_of_the_units_recomputes_open_attempts_and_leaves_completed_ones() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, done, open) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Edited", 2, 50).await;
    done.finish(&quest).await;
    let attempt = open.attempt(&quest).await;
    open.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    let added = author.step(&quest, step("third")).await;
    let path = format!("/v1/attempts/{}", text(&attempt["id"]));
    assert_eq!(open.get(&path).await.expect(200)["completionPercentage"], json!(33.33));
    // Retiring what is left completes the quest for who has done the rest, with the normal cascade.
    author.delete(&format!("{}/steps/{}", path_of(&quest), text(&added["id"]))).await.expect(204);
    author
        .post(&format!("{}/steps/{}/retire", path_of(&quest), text(&attempt["steps"][1]["stepId"])), json!({}))
        .await
        .expect(200);
    let after = open.get(&path).await.expect(200);
    assert_eq!((&after["status"], &after["totalExperienceEarned"]), (&json!("Completed"), &json!(60)));
    let finished = done.attempt(&quest).await;
    assert_eq!((&finished["status"], &finished["totalExperienceEarned"]), (&json!("Completed"), &json!(70)));
    verify(&pool).await;
}
