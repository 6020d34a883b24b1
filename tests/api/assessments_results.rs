//! Assessments that an outside grader grades, regrading after an edit, and trying as an author.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::assessments::{path_to, quiet, quiz, with};
use crate::harness::{Client, Reply, Service, database, rows, text, verify};

const PROBLEM: &str = "5f0c1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11";

fn solved(partial: bool) -> Value {
    json!({"v": 1, "type": "AutoGraded", "maxGrade": 50, "grader": {"ref": "judge", "problemId": PROBLEM}, "partialCredit": partial})
}

impl Client {
    /// As a service: what a grader says of a learner's solution.
    pub async fn coding_result(&self, learner: &Client, more: Value) -> Reply {
        let body = with(json!({"submissionId": Uuid::new_v4(), "authUserId": learner.id, "problemId": PROBLEM}), more);
        self.post("/v1/integrations/coding-results", body).await
    }
}

async fn wakeups(service: &Service, pool: &PgPool) {
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_wakeups(&db, &service.clock).await.unwrap();
}

async fn regrades(service: &Service, pool: &PgPool) {
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_regrades(&db, &service.clock).await.unwrap();
}

#[tokio::test]
async fn results_of_a_grader_are_the_tries() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let rule = json!({"op": "testsPassed", "minPercent": 80, "required": ["canary-edge"]});
    let (quest, assessment) = author.assessed("Solved", solved(true), rule).await;
    let attempt = learner.attempt(&quest).await;
    learner.hand_in(&attempt, &assessment, json!({})).await.problem(409, "awaits_result");

    let wrong = json!({"status": "Wrong", "testsPassedPercent": 90, "passedTests": ["other"]});
    let receipt = grader.coding_result(&learner, wrong).await.expect(200);
    assert_eq!(receipt["applied"][0]["assessmentId"], assessment["id"]);
    assert_eq!(receipt["applied"][0]["isMet"], false);
    let tried = learner.submissions(&attempt).await;
    assert_eq!((&tried[0]["grade"], &tried[0]["isPassed"]), (&json!(45.0), &json!(false)));
    assert!(!tried[0].to_string().contains("canary") && !tried[0].to_string().contains("other"), "{}", tried[0]);

    let right =
        json!({"submissionId": "same", "status": "Partial", "testsPassedPercent": 80, "passedTests": ["canary-edge"]});
    grader.coding_result(&learner, right.clone()).await.expect(200);
    assert_eq!(grader.coding_result(&learner, right).await.expect(200)["isNew"], false);
    let tried = learner.submissions(&attempt).await;
    assert_eq!((tried.len(), &tried[0]["attemptNumber"], &tried[0]["isPassed"]), (2, &json!(2), &json!(true)));
    assert_eq!(learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"], "Completed");
    // Graders see everything.
    let seen = author.get(&format!("/v1/submissions/{}", text(&tried[0]["id"]))).await.expect(200);
    assert_eq!(seen["submissionData"]["passedTests"], json!(["canary-edge"]));
    verify(&pool).await;
}

#[tokio::test]
async fn without_partial_credit_it_is_all_or_nothing() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let (quest, _) = author.assessed("All", solved(false), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    grader.coding_result(&learner, json!({"status": "Partial", "testsPassedPercent": 99.9})).await.expect(200);
    grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
    let grades: Vec<Value> = learner.submissions(&attempt).await.iter().map(|tried| tried["grade"].clone()).collect();
    assert_eq!(grades, [json!(50.0), json!(0.0)]);
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_that_comes_early_waits_until_the_assessment_opens() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let opening = with(solved(false), json!({"opensAt": "2026-09-01T09:00:00Z"}));
    let (quest, _) = author.assessed("Early", opening, Value::Null).await;
    // Before the quest is started, and before the assessment opens.
    let receipt = grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
    assert_eq!(receipt["applied"], json!([]));
    let attempt = learner.attempt(&quest).await;
    wakeups(&service, &pool).await;
    service.wait(3599);
    wakeups(&service, &pool).await;
    assert_eq!(learner.submissions(&attempt).await.len(), 0);
    service.wait(1);
    // Whoever looks before the job sees it all the same.
    assert_eq!(learner.submissions(&attempt).await[0]["isPassed"], true);
    assert_eq!(learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"], "Completed");

    let late = service.learner();
    grader.coding_result(&late, json!({"status": "Accepted"})).await.expect(200);
    let attempt = late.attempt(&quest).await;
    wakeups(&service, &pool).await;
    assert_eq!(late.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"], "Completed");
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM assessment_wakeups").await.len(), 0);
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_waits_while_the_attempt_is_paused_or_abandoned() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let (quest, _) = author.assessed("Paused", solved(false), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let path = format!("/v1/attempts/{}", text(&attempt["id"]));
    let read = async || learner.get(&path).await.expect(200);
    learner.post(&format!("{path}/pause"), json!({})).await.expect(200);
    let receipt = grader.coding_result(&learner, json!({"status": "Wrong"})).await.expect(200);
    assert_eq!(receipt["applied"], json!([]));
    wakeups(&service, &pool).await;
    assert_eq!(learner.submissions(&attempt).await.len(), 0, "it is no try yet");
    learner.post(&format!("{path}/resume"), json!({})).await.expect(200);
    wakeups(&service, &pool).await;
    assert_eq!(learner.submissions(&attempt).await[0]["isPassed"], false);

    learner.post(&format!("{path}/abandon"), json!({})).await.expect(200);
    grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
    wakeups(&service, &pool).await;
    let abandoned = read().await;
    assert_eq!((&abandoned["status"], &abandoned["completionPercentage"]), (&json!("Abandoned"), &json!(0.0)));
    // Taken up again; whoever looks before the job sees it all the same.
    learner.attempt(&quest).await;
    assert_eq!(learner.submissions(&attempt).await[0]["isPassed"], true);
    assert_eq!(read().await["status"], "Completed");
    verify(&pool).await;
}

#[tokio::test]
async fn limits_hold_for_results_too() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let limited = with(solved(false), json!({"attempts": {"max": 2, "cooldownSeconds": 60}}));
    let (quest, _) = author.assessed("Limits", limited, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    grader.coding_result(&learner, json!({"status": "Wrong"})).await.expect(200);
    // Too soon: it counts when the next try is due.
    let receipt = grader.coding_result(&learner, json!({"status": "Wrong"})).await.expect(200);
    assert_eq!(receipt["applied"], json!([]));
    assert_eq!(learner.submissions(&attempt).await.len(), 1);
    service.wait(60);
    wakeups(&service, &pool).await;
    assert_eq!(learner.submissions(&attempt).await.len(), 2);
    service.wait(60);
    let used_up = grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
    assert_eq!(used_up["applied"][0]["isMet"], false, "no try is left");
    assert_eq!(learner.submissions(&attempt).await.len(), 2);

    let timed = with(
        solved(false),
        json!({"timeLimitSeconds": 60, "grader": {"ref": "judge", "problemId": "6f0c1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11"}}),
    );
    let (quest, assessment) = author.assessed("Timed", timed, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let other = json!({"problemId": "6f0c1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11", "status": "Accepted"});
    grader.coding_result(&learner, other.clone()).await.expect(200);
    assert_eq!(learner.submissions(&attempt).await.len(), 0, "the try was not started");
    learner.start(&attempt, &assessment).await.expect(200);
    service.wait(61);
    let tried = learner.submissions(&attempt).await;
    assert_eq!((&tried[0]["grade"], &tried[0]["isAutoSubmitted"]), (&json!(0.0), &json!(true)));
    learner.start(&attempt, &assessment).await.expect(200);
    service.wait(60);
    grader.coding_result(&learner, other).await.expect(200);
    assert_eq!(learner.submissions(&attempt).await[0]["isPassed"], true);
    verify(&pool).await;
}

/// A quiz with a wrong key, and learners who have answered it.
async fn misjudged(service: &Service, learners: usize) -> (Client, Value, Value, Vec<(Client, Value)>) {
    let author = service.author();
    let (quest, assessment) = author.assessed("Misjudged", quiz(&[("a", true), ("b", true)]), Value::Null).await;
    let mut tried = Vec::new();
    for number in 0..learners {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        // Every other one knows better than the key.
        let data = json!({"answers": {"a": true, "b": number % 2 == 0}});
        learner.hand_in(&attempt, &assessment, data).await.expect(201);
        tried.push((learner, attempt));
    }
    (author, quest, assessment, tried)
}

#[tokio::test]
async fn regrading_lists_raises_and_pays_once() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, quest, assessment, tried) = misjudged(&service, 6).await;
    let path = format!("/v1/assessments/{}/regrade", text(&assessment["id"]));
    tried[0].0.post(&path, json!({})).await.problem(403, "forbidden");
    let nothing = author.post(&format!("{path}?dryRun=true"), json!({})).await.expect(200);
    assert!(nothing["items"].as_array().unwrap().iter().all(|item| item["change"] == "none"));

    author
        .patch(&path_to(&quest, &assessment), json!({"configuration": quiz(&[("a", true), ("b", false)])}))
        .await
        .expect(200);
    let dry = author.post(&format!("{path}?dryRun=true&limit=4"), json!({})).await.expect(200);
    let items = dry["items"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    assert_eq!(
        (&items[0]["change"], &items[0]["before"]["grade"], &items[0]["after"]["grade"]),
        (&json!("kept"), &json!(10.0), &json!(5.0))
    );
    assert_eq!((&items[1]["change"], &items[1]["after"]["isPassed"]), (&json!("raised"), &json!(true)));
    let rest =
        author.post(&format!("{path}?dryRun=true&cursor={}", text(&dry["nextCursor"])), json!({})).await.expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    let before = rows(&pool, "SELECT count(*) AS n FROM submission_grades").await;
    assert_eq!(before[0]["n"], 6, "a dry run writes nothing");

    let reply = author.post(&path, json!({})).await;
    let location = reply.header("location").unwrap().to_owned();
    let job = reply.expect(202);
    assert_eq!((&job["total"], &job["mayLower"]), (&json!(6), &json!(false)));
    regrades(&service, &pool).await;
    let job = author.get(&location).await.expect(200);
    assert!(job["finishedAt"].is_string());
    assert_eq!(
        (&job["lookedAt"], &job["changed"], &job["newlyPassed"], &job["failed"]),
        (&json!(6), &json!(3), &json!(3), &json!(0))
    );
    for (number, (learner, attempt)) in tried.iter().enumerate() {
        let read = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
        assert_eq!((&read["status"], &read["totalExperienceEarned"]), (&json!("Completed"), &json!(100)), "{number}");
        assert_eq!(learner.submissions(attempt).await[0]["grade"], json!(10.0), "{number}");
    }
    let grants = rows(&pool, "SELECT id FROM reward_grants").await.len();
    let events = rows(&pool, "SELECT id FROM outbox_events").await.len();
    // A second run changes nothing.
    let second = author.post(&path, json!({})).await.expect(202);
    regrades(&service, &pool).await;
    let second = author
        .get(&format!("/v1/assessments/{}/regrades/{}", text(&assessment["id"]), text(&second["id"])))
        .await
        .expect(200);
    assert_eq!((&second["lookedAt"], &second["changed"]), (&json!(6), &json!(0)));
    assert_eq!(rows(&pool, "SELECT id FROM reward_grants").await.len(), grants);
    assert_eq!(rows(&pool, "SELECT id FROM outbox_events").await.len(), events);
    let seen = author.get(&format!("/v1/submissions/{}", text(&items[1]["submissionId"]))).await.expect(200);
    let how: Vec<&Value> = seen["history"].as_array().unwrap().iter().map(|grading| &grading["how"]).collect();
    assert_eq!(how, [&json!("auto"), &json!("regrade")]);
    assert_eq!(seen["history"][1]["graderId"], json!(author.id));
    verify(&pool).await;
}

#[tokio::test]
async fn regrading_lowers_only_when_asked_and_never_takes_a_unit_back() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, quest, assessment, tried) = misjudged(&service, 2).await;
    let path = format!("/v1/assessments/{}/regrade", text(&assessment["id"]));
    author
        .patch(&path_to(&quest, &assessment), json!({"configuration": quiz(&[("a", false), ("b", false)])}))
        .await
        .expect(200);
    author.post(&format!("{path}?mayLower=true"), json!({})).await.expect(202);
    author.post(&path, json!({})).await.problem(409, "regrade_running");
    regrades(&service, &pool).await;
    let (learner, attempt) = &tried[0];
    let lowered = learner.submissions(attempt).await[0].clone();
    assert_eq!((&lowered["grade"], &lowered["isPassed"]), (&json!(0.0), &json!(false)));
    let read = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!((&read["status"], &read["totalExperienceEarned"]), (&json!("Completed"), &json!(100)));
    let my = learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"].clone();
    assert_eq!((&my["isPassed"], &my["grade"]), (&json!(true), &json!(0.0)));
    verify(&pool).await;
}

#[tokio::test]
async fn regrading_takes_the_better_of_each_part() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let ten = |flipped: usize| -> Value {
        let items: Vec<(String, bool)> = (0..10).map(|n| (format!("i{n}"), n >= flipped)).collect();
        quiz(&items.iter().map(|(id, correct)| (id.as_str(), *correct)).collect::<Vec<_>>())
    };
    let (quest, assessment) = author.assessed("Parts", ten(0), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let answers: serde_json::Map<String, Value> = (0..10).map(|n| (format!("i{n}"), json!(n < 6))).collect();
    let first = learner.hand_in(&attempt, &assessment, json!({ "answers": answers })).await.expect(201);
    assert_eq!((&first["submission"]["grade"], &first["submission"]["isPassed"]), (&json!(6.0), &json!(false)));
    // By the new key it is 4 of 10, and 4 are enough now.
    let change = json!({"configuration": ten(2), "passingCriteria": {"rule": {"value": 40}}});
    author.patch(&path_to(&quest, &assessment), change).await.expect(200);
    let path = format!("/v1/assessments/{}/regrade", text(&assessment["id"]));
    let dry = author.post(&format!("{path}?dryRun=true"), json!({})).await.expect(200)["items"][0].clone();
    assert_eq!(
        (&dry["change"], &dry["after"]["grade"], &dry["after"]["isPassed"]),
        (&json!("raised"), &json!(6.0), &json!(true))
    );
    author.post(&path, json!({})).await.expect(202);
    regrades(&service, &pool).await;
    let seen = learner.submissions(&attempt).await[0].clone();
    assert_eq!((&seen["grade"], &seen["isPassed"]), (&json!(6.0), &json!(true)));
    assert_eq!(learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"], "Completed");
    let again = author.post(&format!("{path}?dryRun=true"), json!({})).await.expect(200)["items"][0].clone();
    assert_eq!(again["change"], "kept", "a second run changes nothing");
    let asked =
        author.post(&format!("{path}?dryRun=true&mayLower=true"), json!({})).await.expect(200)["items"][0].clone();
    assert_eq!((&asked["change"], &asked["after"]["grade"]), (&json!("lowered"), &json!(4.0)));
    verify(&pool).await;
}

#[tokio::test]
async fn regrading_looks_at_no_more_than_it_counts() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, quest, assessment, _) = misjudged(&service, 3).await;
    let job = author.post(&format!("/v1/assessments/{}/regrade", text(&assessment["id"])), json!({})).await.expect(202);
    assert_eq!(job["total"], 3);
    for _ in 0..2 {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        learner.hand_in(&attempt, &assessment, json!({"answers": {}})).await.expect(201);
    }
    regrades(&service, &pool).await;
    let path = format!("/v1/assessments/{}/regrades/{}", text(&assessment["id"]), text(&job["id"]));
    let job = author.get(&path).await.expect(200);
    assert_eq!((&job["lookedAt"], &job["total"]), (&json!(5), &json!(5)));
}

#[tokio::test]
async fn regrading_weighs_what_people_gave_anew() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let essay = json!({"v": 1, "type": "Assignment", "maxGrade": 10, "accept": [{"kind": "text"}]});
    let (quest, assessment) = author.assessed("Essay", essay, json!({"op": "minPercent", "value": 90})).await;
    let attempt = learner.attempt(&quest).await;
    let submission =
        learner.hand_in(&attempt, &assessment, json!({"text": "Mine."})).await.expect(201)["submission"].clone();
    author.grade(&submission, json!({"grade": 8, "feedback": "Good."})).await.expect(200);
    // Another scale, and an easier rule: 8 of 10 is 80 of 100, and passes now.
    let change = json!({"configuration": {"maxGrade": 100}, "passingCriteria": {"rule": {"value": 80}}});
    author.patch(&path_to(&quest, &assessment), change).await.expect(200);
    author.post(&format!("/v1/assessments/{}/regrade", text(&assessment["id"])), json!({})).await.expect(202);
    regrades(&service, &pool).await;
    let seen = learner.submissions(&attempt).await[0].clone();
    assert_eq!(
        (&seen["grade"], &seen["maxGrade"], &seen["isPassed"], &seen["feedback"]),
        (&json!(80.0), &json!(100.0), &json!(true), &json!("Good."))
    );
    assert_eq!(learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"], "Completed");
    verify(&pool).await;
}

#[tokio::test]
async fn regrading_goes_on_where_it_stopped_and_passes_over_who_cannot_be_graded() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, quest, assessment, tried) = misjudged(&service, 4).await;
    author
        .patch(&path_to(&quest, &assessment), json!({"configuration": quiz(&[("a", true), ("b", false)])}))
        .await
        .expect(200);
    // One learner's attempt has a grant already that completing the quest will want to make: it cannot be graded.
    let (broken, attempt) = &tried[1];
    let grant = format!(
        "INSERT INTO reward_grants (id, auth_user_id, attempt_id, objective_type, objective_id, kind, points, granted_at)
         VALUES (gen_random_uuid(), '{}', '{}', 'Quest', '{}', 'XP', 1, now())",
        broken.id,
        text(&attempt["id"]),
        text(&quest["id"])
    );
    crate::harness::execute(&pool, grant).await;
    let job = author.post(&format!("/v1/assessments/{}/regrade", text(&assessment["id"])), json!({})).await.expect(202);
    regrades(&service, &pool).await;
    let job = author
        .get(&format!("/v1/assessments/{}/regrades/{}", text(&assessment["id"]), text(&job["id"])))
        .await
        .expect(200);
    assert_eq!((&job["failed"], &job["newlyPassed"]), (&json!(1), &json!(1)));
    assert!(job["finishedAt"].is_string());
}

#[tokio::test]
async fn authors_try_an_assessment_as_a_learner_would_and_nothing_is_stored() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let items = [("a", true), ("b", false), ("c", true)];
    let (quest, assessment) = author
        .assessed("Tried", with(quiz(&items), json!({"pick": 2, "opensAt": "2026-10-01T00:00:00Z"})), Value::Null)
        .await;
    let preview = format!("{}/preview", path_to(&quest, &assessment));
    learner.post(&preview, json!({})).await.problem(403, "forbidden");
    let shown = author.post(&preview, json!({})).await.expect(200);
    let asked = shown["task"]["items"].as_array().unwrap();
    assert_eq!((asked.len(), &shown["outcome"]), (2, &Value::Null));
    assert!(text(&shown["refusedNow"]).contains("2026-10-01"));
    let first = text(&asked[0]["id"]);
    let right = items.iter().find(|(id, _)| *id == first).unwrap().1;
    let tried = author.post(&preview, json!({"submissionData": {"answers": {first: right}}})).await.expect(200);
    let outcome = &tried["outcome"];
    assert_eq!(
        (&outcome["status"], &outcome["grade"], &outcome["isPassed"]),
        (&json!("graded"), &json!(5.0), &json!(false))
    );
    assert_eq!(outcome["items"][0]["isCorrect"], true);
    let wrong = author
        .post(&preview, json!({"submissionData": {"answers": {"z": true}}}))
        .await
        .problem(422, "validation_failed");
    assert_eq!(wrong["errors"][0]["pointer"], "/submissionData/answers/z");
    author.post(&preview, json!({"attemptNumber": 0})).await.problem(422, "validation_failed");

    let essay = json!({"v": 1, "type": "Assignment", "maxGrade": 10, "accept": [{"kind": "text", "minChars": 5}]});
    let essay = author.assessment(&quest, essay, json!({"op": "graderDecision"})).await;
    let preview = format!("{}/preview", path_to(&quest, &essay));
    author.post(&preview, json!({"submissionData": {"text": "x"}})).await.problem(422, "validation_failed");
    let waits = author.post(&preview, json!({"submissionData": {"text": "enough"}})).await.expect(200);
    assert_eq!(waits["outcome"]["status"], "awaitingGrade");
    let graded = author
        .post(&preview, json!({"submissionData": {"text": "enough"}, "grading": {"decision": "pass"}}))
        .await
        .expect(200);
    assert_eq!((&graded["outcome"]["grade"], &graded["outcome"]["isPassed"]), (&json!(10.0), &json!(true)));
    let fault = author
        .post(&preview, json!({"grading": {"grade": 11, "decision": "pass"}}))
        .await
        .problem(422, "validation_failed");
    assert_eq!(fault["errors"][0]["pointer"], "/grading/grade");
    // Nothing is passed over in silence, and the checks are those of the real calls.
    let pointer = async |path: &str, body: Value| -> String {
        let problem = author.post(path, body).await.problem(422, "validation_failed");
        text(&problem["errors"][0]["pointer"]).to_owned()
    };
    assert_eq!(pointer(&preview, json!({"codingResult": {"status": "Accepted"}})).await, "/codingResult");
    let code = author.assessment(&quest, solved(true), Value::Null).await;
    let preview = format!("{}/preview", path_to(&quest, &code));
    assert_eq!(pointer(&preview, json!({"grading": {"grade": 1}})).await, "/grading");
    for percent in [500, -5] {
        let result = json!({"codingResult": {"status": "Wrong", "testsPassedPercent": percent}});
        assert_eq!(pointer(&preview, result).await, "/codingResult/testsPassedPercent");
    }
    for wrong in [json!({"status": "Wrong", "tests": 5}), json!({"status": "Wrong", "testsPassedPercent": "55"})] {
        assert!(pointer(&preview, json!({ "codingResult": wrong })).await.starts_with("/codingResult"));
    }
    let half =
        author.post(&preview, json!({"codingResult": {"status": "Wrong", "testsPassedPercent": 50}})).await.expect(200);
    assert_eq!((&half["outcome"]["grade"], &half["outcome"]["isPassed"]), (&json!(25.0), &json!(false)));
    for table in ["quest_submissions", "assessment_progress", "submission_grades", "user_quest_attempts", "learners"] {
        assert_eq!(rows(&pool, &format!("SELECT 1 AS one FROM {table}")).await.len(), 0, "{table}");
    }
}
