//! Assessments that authors change while learners are at them, and results that have come before.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::assessments::{path_to, quiet, quiz, with};
use crate::harness::{Client, Service, Setup, database, path_of, rounds, rows, text, verify};

const PROBLEM: &str = "5f0c1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11";
const OTHER: &str = "6f0c1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11";

fn solved(problem: &str, more: Value) -> Value {
    let grader = json!({"ref": "judge", "problemId": problem});
    with(json!({"v": 1, "type": "AutoGraded", "maxGrade": 50, "grader": grader, "partialCredit": true}), more)
}

fn manual() -> Value {
    json!({"type": "ManualReview", "items": null, "accept": [{"kind": "text"}]})
}

/// What the jobs do after an edit.
async fn work(service: &Service, pool: &PgPool) {
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_recalls(&db, &service.clock).await.unwrap();
    quests::assessments::service::run_wakeups(&db, &service.clock).await.unwrap();
}

async fn change(author: &Client, quest: &Value, assessment: &Value, configuration: Value) {
    author.patch(&path_to(quest, assessment), json!({ "configuration": configuration })).await.expect(200);
}

#[tokio::test]
async fn the_type_stays_under_a_try_that_comes_at_the_same_instant() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let learner = service.learner();
    let (quest, assessment) = author.assessed("Looked at", quiz(&[("a", true)]), Value::Null).await;
    learner.attempt(&quest).await;
    learner.get(&path_to(&quest, &assessment)).await.expect(200);
    change(&author, &quest, &assessment, manual()).await;
    let (mut kept, mut changed) = (0, 0);
    for round in 0..rounds(10, 300) {
        let (quest, assessment) = author.assessed(&format!("Race {round}"), quiz(&[("a", true)]), Value::Null).await;
        let attempt = learner.attempt(&quest).await;
        let path = path_to(&quest, &assessment);
        let pause = |half: usize| tokio::time::sleep(Duration::from_micros(500 * half as u64));
        let (tried, edited) = tokio::join!(
            async {
                pause(if round % 3 == 0 { 8 } else { 0 }).await;
                learner.hand_in(&attempt, &assessment, json!({"answers": {"a": true}})).await
            },
            async {
                pause(round % 15).await;
                author.patch(&path, json!({ "configuration": manual() })).await
            }
        );
        if edited.status == 200 {
            assert!(tried.status.is_client_error(), "round {round}: {}", tried.text);
            changed += 1;
        } else {
            edited.problem(409, "in_use");
            tried.expect(201);
            kept += 1;
        }
    }
    assert!(kept + changed >= 10, "{kept} and {changed}");
    let torn = "SELECT 1 AS one FROM quest_submissions AS submission JOIN quest_assessments AS assessment
                ON assessment.id = assessment_id WHERE assessment_type = 'ManualReview'";
    assert_eq!(rows(&pool, torn).await.len(), 0);
    verify(&pool).await;
}

/// A file with one quest, whose only unit is this assessment.
fn file(key: &str, configuration: &Value) -> Value {
    json!({"v": 1, "quests": [{
        "key": key, "title": key, "description": "About it", "questType": "Practice", "difficultyLevel": "Beginner",
        "estimatedDurationMinutes": 30, "experiencePointsReward": 50,
        "assessments": [{"key": "only", "assessmentType": configuration["type"], "configuration": configuration,
                         "passingCriteria": {"v": 1, "rule": {"op": "minPercent", "value": 70}}}]}]})
}

async fn planned(author: &Client, file: &Value) -> String {
    let plan = author.post("/v1/curriculum/plan", file.clone()).await.expect(200);
    format!("/v1/curriculum/apply?plan={}", text(&plan["fingerprint"]))
}

/// The quest and the assessment that [`file`] has brought.
async fn brought(author: &Client, key: &str, configuration: &Value) -> (Value, Value) {
    let file = file(key, configuration);
    author.post(&planned(author, &file).await, file).await.expect(200);
    let quests = author.all("/v1/quests").await;
    let quest = quests.into_iter().find(|quest| quest["title"] == key).unwrap();
    let assessments = author.all(&format!("{}/assessments", path_of(&quest))).await;
    (quest, assessments[0].clone())
}

#[tokio::test]
async fn a_try_that_runs_keeps_the_type_in_files_too() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let timed = with(quiz(&[("a", true)]), json!({"timeLimitSeconds": 600}));
    let (quest, assessment) = brought(&author, "running", &timed).await;
    let attempt = learner.attempt(&quest).await;
    let essay = json!({"v": 1, "type": "ManualReview", "maxGrade": 10, "accept": [{"kind": "text"}]});
    let retyped = file("running", &essay);
    let apply = planned(&author, &retyped).await;
    learner.start(&attempt, &assessment).await.expect(200);
    learner.save(&attempt, &assessment, json!({"answers": {"a": true}})).await.expect(200);
    for call in [apply.as_str(), "/v1/curriculum/plan"] {
        let refused = author.post(call, retyped.clone()).await.problem(409, "in_use");
        assert!(text(&refused["detail"]).contains("running/only"), "{refused}");
    }
    author.patch(&path_to(&quest, &assessment), json!({ "configuration": manual() })).await.problem(409, "in_use");
    service.wait(601);
    assert_eq!(learner.submissions(&attempt).await[0]["grade"], json!(10.0));

    // And at the same instant.
    for round in 0..rounds(10, 200) {
        let key = format!("race-{round}");
        let (quest, assessment) = brought(&author, &key, &quiz(&[("a", true)])).await;
        let attempt = learner.attempt(&quest).await;
        let retyped = file(&key, &essay);
        let apply = planned(&author, &retyped).await;
        let (tried, applied) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_micros(1_000 * (round % 10) as u64)).await;
                learner.hand_in(&attempt, &assessment, json!({"answers": {"a": true}})).await
            },
            author.post(&apply, retyped.clone())
        );
        if applied.status == 200 {
            assert!(tried.status.is_client_error(), "round {round}: {}", tried.text);
        } else {
            applied.problem(409, "in_use");
            tried.expect(201);
        }
    }
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_counts_for_what_an_edit_has_made_of_an_assessment() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let quest = author.quest("Later", 1, 100).await;
    let wrong = author.assessment(&quest, solved(OTHER, json!({})), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    work(&service, &pool).await;
    let receipt = grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
    assert_eq!(receipt["applied"], json!([]));
    // One that is added, one whose problem is set right, one that a file brings.
    let added = author.assessment(&quest, solved(PROBLEM, json!({})), Value::Null).await;
    let passed = async |assessment: &Value| -> Value {
        work(&service, &pool).await;
        learner.get(&path_to(&quest, assessment)).await.expect(200)["my"]["isPassed"].clone()
    };
    assert_eq!(passed(&added).await, true);
    assert_eq!(passed(&wrong).await, false);
    change(&author, &quest, &wrong, json!({"grader": {"problemId": PROBLEM}})).await;
    assert_eq!(passed(&wrong).await, true);
    let export = author.send(reqwest::Method::GET, "/v1/curriculum/export", &[("accept", "application/json")], None);
    let mut file: Value = serde_json::from_str(&export.await.text).unwrap();
    let more = json!({"key": "filed", "assessmentType": "AutoGraded", "configuration": solved(PROBLEM, json!({})),
                      "passingCriteria": {"v": 1, "rule": {"op": "minPercent", "value": 70}}});
    file["quests"][0]["assessments"].as_array_mut().unwrap().push(more);
    let plan = author.post("/v1/curriculum/plan", file.clone()).await.expect(200);
    author.post(&format!("/v1/curriculum/apply?plan={}", text(&plan["fingerprint"])), file).await.expect(200);
    let all = learner.all(&format!("{}/assessments", path_of(&quest))).await;
    assert_eq!(passed(all.iter().find(|assessment| assessment["key"] == "filed").unwrap()).await, true);
    assert_eq!(learner.submissions(&attempt).await.len(), 3, "once for each");
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM result_recalls").await.len(), 0);
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_waits_no_longer_than_an_edit_says() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let limits = json!({"opensAt": "2026-10-01T00:00:00Z", "attempts": {"cooldownSeconds": 3600}});
    let (quest, assessment) = author.assessed("Opened", solved(PROBLEM, limits), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    for percent in [10, 20] {
        let result = json!({"status": "Wrong", "testsPassedPercent": percent});
        grader.coding_result(&learner, result).await.expect(200);
    }
    work(&service, &pool).await;
    assert_eq!(learner.submissions(&attempt).await.len(), 0);
    change(&author, &quest, &assessment, json!({"opensAt": null})).await;
    work(&service, &pool).await;
    assert_eq!(learner.submissions(&attempt).await.len(), 1, "the second cools down");
    change(&author, &quest, &assessment, json!({"attempts": null})).await;
    work(&service, &pool).await;
    assert_eq!(learner.submissions(&attempt).await.len(), 2);
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_that_arrives_during_an_edit_is_seen_by_one_of_the_two() {
    let pool = database().await;
    let service = Service::start_with(
        &pool,
        Setup { connections: 10, args: vec!["--background-jobs=false".to_owned()], ..Setup::default() },
    )
    .await;
    let author = service.author();
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    for round in 0..rounds(10, 300) {
        let (quest, assessment) =
            author.assessed(&format!("Meanwhile {round}"), solved(OTHER, json!({})), Value::Null).await;
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        tokio::join!(
            async {
                tokio::time::sleep(Duration::from_micros(400 * (round % 10) as u64)).await;
                change(&author, &quest, &assessment, json!({"grader": {"problemId": PROBLEM}})).await;
                work(&service, &pool).await;
            },
            async {
                tokio::time::sleep(Duration::from_millis(2)).await;
                grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
            }
        );
        work(&service, &pool).await;
        assert_eq!(learner.submissions(&attempt).await.len(), 1, "round {round}");
    }
    verify(&pool).await;
}

#[tokio::test]
async fn results_beyond_a_batch_are_applied_too() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let (quest, assessment) = author.assessed("Many", solved(PROBLEM, json!({})), Value::Null).await;
    for _ in 0..100 {
        grader.coding_result(&learner, json!({"status": "Wrong"})).await.expect(200);
    }
    grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
    learner.attempt(&quest).await;
    // A batch of a learner's results each time the job runs.
    work(&service, &pool).await;
    work(&service, &pool).await;
    let my = learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"].clone();
    assert_eq!((&my["triesUsed"], &my["isPassed"]), (&json!(101), &json!(true)));
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_is_late_by_its_arrival_and_the_cooldown_runs_from_its_application() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let limits = json!({"attempts": {"cooldownSeconds": 3600}, "dueAt": "2026-09-01T08:30:00Z", "closesAt": "2026-09-01T08:45:00Z",
                        "late": {"policy": "penalize", "percent": 50, "per": "hour"}});
    let (quest, assessment) = author.assessed("Arrived", solved(PROBLEM, limits), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    grader.coding_result(&learner, json!({"status": "Wrong"})).await.expect(200);
    service.wait(600);
    grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
    // Came in time, within the cooldown; is applied after the end.
    service.wait(3000);
    work(&service, &pool).await;
    let tried = learner.submissions(&attempt).await;
    assert_eq!((tried.len(), &tried[0]["grade"], &tried[0]["latePenaltyPercent"]), (2, &json!(50.0), &json!(0.0)));
    assert_eq!((&tried[0]["isPassed"], &tried[0]["submittedAt"]), (&json!(true), &json!("2026-09-01T08:10:00Z")));
    let my = learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"].clone();
    assert_eq!(my["nextTryAt"], "2026-09-01T10:00:00Z");
    // What comes after the end counts as nothing, as ever.
    grader.coding_result(&learner, json!({"status": "Wrong"})).await.expect(200);
    assert_eq!(learner.submissions(&attempt).await.len(), 2);

    // Before the quest was started, and in time.
    let early = service.learner();
    let (quest, _) = author
        .assessed(
            "Waited",
            solved(OTHER, json!({"dueAt": "2026-09-01T09:30:00Z", "late": {"policy": "reject"}})),
            Value::Null,
        )
        .await;
    grader.coding_result(&early, json!({"problemId": OTHER, "status": "Accepted"})).await.expect(200);
    service.wait(7200);
    let attempt = early.attempt(&quest).await;
    work(&service, &pool).await;
    assert_eq!(early.submissions(&attempt).await[0]["grade"], json!(50.0));
    verify(&pool).await;
}

#[tokio::test]
async fn a_score_that_is_held_back_is_not_in_what_the_grader_said() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let never = solved(PROBLEM, json!({"feedback": {"score": "never"}}));
    let (quest, _) = author.assessed("Hidden", never, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let result =
        json!({"submissionId": "s1", "status": "Partial", "testsPassedPercent": 42.5, "score": 17, "language": "c"});
    grader.coding_result(&learner, result).await.expect(200);
    let tried = learner.submissions(&attempt).await;
    assert_eq!(tried[0]["submissionData"], json!({"submissionId": "s1", "language": "c"}));
    let path = format!("/v1/submissions/{}", text(&tried[0]["id"]));
    assert_eq!(learner.get(&path).await.expect(200)["submissionData"], tried[0]["submissionData"]);
    assert_eq!(author.get(&path).await.expect(200)["submissionData"]["testsPassedPercent"], json!(42.5));
}

#[tokio::test]
async fn a_try_keeps_the_questions_that_its_learner_has_seen() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let items: Vec<(String, bool)> = (0..60).map(|n| (format!("i{n}"), true)).collect();
    let items: Vec<(&str, bool)> = items.iter().map(|(id, correct)| (id.as_str(), *correct)).collect();
    let pool_of = |items: &[(&str, bool)]| with(quiz(items), json!({"pick": 4, "shuffleItems": true}));
    let (quest, assessment) = author.assessed("Pool", pool_of(&items[..6]), Value::Null).await;
    let path = path_to(&quest, &assessment);
    let ids = |task: &Value| -> Vec<String> {
        task["items"].as_array().unwrap().iter().map(|item| text(&item["id"]).to_owned()).collect()
    };
    let list = format!("/v1/quests/{}/assessments", text(&quest["id"]));
    for begins_with in ["a look", "a look at the list", "a start", "a draft"] {
        change(&author, &quest, &assessment, pool_of(&items[..6])).await;
        let learner = service.learner();
        assert_eq!(learner.get(&path).await.expect(200)["task"]["items"], Value::Null, "shown from the start on");
        let attempt = learner.attempt(&quest).await;
        let asked = match begins_with {
            "a look at the list" => ids(&learner.get(&list).await.expect(200)["items"][0]["task"]),
            "a start" => ids(&learner.start(&attempt, &assessment).await.expect(200)["task"]),
            _ => ids(&learner.get(&path).await.expect(200)["task"]),
        };
        if begins_with == "a draft" {
            learner.save(&attempt, &assessment, json!({"answers": {asked[0].as_str(): true}})).await.expect(200);
        }
        change(&author, &quest, &assessment, pool_of(&items)).await;
        assert_eq!(ids(&learner.get(&path).await.expect(200)["task"]), asked, "{begins_with}");
        assert_eq!(ids(&learner.start(&attempt, &assessment).await.expect(200)["task"]), asked);
        // What is taken away is made up for.
        let left: Vec<(&str, bool)> = items.iter().copied().filter(|(id, _)| *id != asked[0]).collect();
        change(&author, &quest, &assessment, pool_of(&left)).await;
        let now = ids(&learner.get(&path).await.expect(200)["task"]);
        assert_eq!((now.len(), &now[..3]), (4, &asked[1..]));
        let right: serde_json::Map<String, Value> = now.iter().map(|id| (id.clone(), json!(true))).collect();
        let done = learner.hand_in(&attempt, &assessment, json!({ "answers": right })).await.expect(201);
        assert_eq!(done["submission"]["grade"], json!(10.0));
        let next = ids(&learner.get(&path).await.expect(200)["task"]);
        assert_ne!(next, now, "the next try has its own");
    }
    verify(&pool).await;
}
