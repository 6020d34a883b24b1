//! Results from outside: they complete what their learner cannot, now or when it opens.

use futures_util::future::join;
use quests::clock::Clock;
use quests::db::Db;
use quests::evidence::{Evidence, Kind};
use quests::ids::LearnerId;
use quests::integrations::service::receive;
use quests::origin::Origin;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Service, Setup, database, path_of, rounds, rows, step, text, verify};
use crate::step_checks::{checked, quest_of, step_of};

const RESULTS: &str = "/v1/integrations/coding-results";

fn coding(problem: Uuid, more: &Value) -> Value {
    let mut criteria = json!({"v": 1, "type": "Coding", "grader": {"ref": "event-service", "problemId": problem}, "minTestsPassedPercent": 100});
    criteria.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    checked("code", &criteria)
}

fn result(learner: &Client, problem: Uuid, id: &str, more: &Value) -> Value {
    let mut result = json!({"submissionId": id, "authUserId": learner.id, "problemId": problem, "status": "Accepted"});
    result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    result
}

fn wrong() -> Value {
    json!({"status": "WrongAnswer"})
}

fn grader(service: &Service) -> Client {
    service.client_as(Uuid::new_v4(), &["service"])
}

#[tokio::test]
async fn only_the_graders_result_completes_a_coding_step() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let problem = Uuid::new_v4();
    let quest = quest_of(&author, "Code", &[coding(problem, &json!({})), step("after")]).await;
    let attempt = learner.attempt(&quest).await;
    let code = &attempt["steps"][0];
    for said in [Value::Null, json!({"testsPassedPercent": 100}), json!({"status": "Accepted"})] {
        let refused = learner.complete(&attempt, code, said).await.problem(409, "awaits_result");
        assert_eq!(refused["waitsFor"], json!({"kind": "coding", "graderRef": "event-service", "problemId": problem}));
    }
    assert_eq!(step_of(&learner, &attempt, 0).await["attemptsCount"], 0);

    let more = json!({"status": "WrongAnswer", "testsPassedPercent": 62.5, "passedTests": ["one"], "language": "c", "score": 3, "executionTimeMs": 17});
    let receipt = grader.post(RESULTS, result(&learner, problem, "s1", &more)).await.expect(200);
    let applied = json!({"questId": quest["id"], "attemptId": attempt["id"], "stepId": code["stepId"], "isMet": false});
    assert_eq!((&receipt["isNew"], &receipt["applied"]), (&json!(true), &json!([applied])));
    let seen = step_of(&learner, &attempt, 0).await;
    assert_eq!((&seen["status"], &seen["attemptsCount"]), (&json!("InProgress"), &json!(1)));
    assert_eq!(seen["feedback"], "At least 100 % of the tests must pass; 62.5 % did.");
    assert_eq!(
        seen["submissionData"],
        json!({"submissionId": "s1", "status": "WrongAnswer", "testsPassedPercent": 62.5, "language": "c", "score": 3.0, "executionTimeMs": 17})
    );

    let receipt = grader.post(RESULTS, result(&learner, problem, "s2", &json!({}))).await.expect(200);
    assert_eq!(receipt["applied"][0]["isMet"], true);
    let seen = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!((&seen["steps"][0]["status"], &seen["steps"][0]["attemptsCount"]), (&json!("Completed"), &json!(2)));
    assert_eq!(seen["steps"][0]["feedback"], "100 % of the tests passed.");
    assert_eq!((&seen["totalExperienceEarned"], &seen["completionPercentage"]), (&json!(10), &json!(50.0)));
    // A done unit stays done, and its learner may ask again what it gave.
    grader.post(RESULTS, result(&learner, problem, "s3", &wrong())).await.expect(200);
    let again = learner.complete(&attempt, code, Value::Null).await.expect(200);
    assert_eq!(
        (&again["step"]["attemptsCount"], &again["earned"]),
        (&json!(2), &json!([{"kind": "XP", "points": 10}]))
    );
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_must_meet_the_share_the_tests_and_the_language() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let problem = Uuid::new_v4();
    let criteria = json!({"minTestsPassedPercent": 80, "requiredTests": ["handlesEmpty"], "languages": ["c", "rust"]});
    let quest = quest_of(&author, "Code", &[coding(problem, &criteria)]).await;
    let attempt = learner.attempt(&quest).await;
    let partial = |percent: f64, tests: &[&str]| json!({"status": "Partial", "testsPassedPercent": percent, "passedTests": tests});
    let tries = [
        partial(79.99, &["handlesEmpty"]),
        partial(95.0, &["handlesLarge"]),
        // Nothing is said of single tests, and not all have passed.
        json!({"status": "Partial", "testsPassedPercent": 90}),
        json!({"passedTests": []}),
        json!({"language": "Python"}),
    ];
    for (number, more) in tries.iter().enumerate() {
        grader.post(RESULTS, result(&learner, problem, &format!("s{number}"), more)).await.expect(200);
        let seen = step_of(&learner, &attempt, 0).await;
        assert_eq!((&seen["status"], &seen["attemptsCount"]), (&json!("InProgress"), &json!(number + 1)), "{more}");
        assert!(!seen.to_string().contains("handles"), "no test is named: {seen}");
    }
    let enough =
        json!({"status": "Partial", "testsPassedPercent": 80, "passedTests": ["x", "handlesEmpty"], "language": "C"});
    grader.post(RESULTS, result(&learner, problem, "enough", &enough)).await.expect(200);
    assert_eq!(step_of(&learner, &attempt, 0).await["status"], "Completed");
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_is_taken_once_from_services_only_and_read_strictly() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let problem = Uuid::new_v4();
    let quest = quest_of(&author, "Code", &[coding(problem, &json!({}))]).await;
    let attempt = learner.attempt(&quest).await;
    for other in [&learner, &author] {
        other.post(RESULTS, result(&learner, problem, "s1", &json!({}))).await.problem(403, "forbidden");
    }
    for (more, at) in [
        (json!({"submissionId": ""}), "/submissionId"),
        (json!({"submissionId": "x".repeat(129)}), "/submissionId"),
        (json!({"status": ""}), "/status"),
        (json!({"testsPassedPercent": 100.5}), "/testsPassedPercent"),
        (json!({"testsPassedPercent": -1}), "/testsPassedPercent"),
        (json!({"passedTests": [""]}), "/passedTests/0"),
        (json!({"passedTests": (0..1_001).map(|n| n.to_string()).collect::<Vec<_>>()}), "/passedTests"),
        (json!({"executionTimeMs": -1}), "/executionTimeMs"),
        (json!({"authUserId": "me"}), "/authUserId"),
        (json!({"verdict": "Accepted"}), "/verdict"),
    ] {
        let refused =
            grader.post(RESULTS, result(&learner, problem, "s1", &more)).await.problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], at, "{more}: {refused}");
    }
    assert!(rows(&pool, "SELECT 1 AS one FROM evidence").await.is_empty());

    let first = grader.post(RESULTS, result(&learner, problem, "s1", &wrong())).await.expect(200);
    // The same id again changes nothing, not even with another verdict.
    for more in [wrong(), json!({})] {
        let again = grader.post(RESULTS, result(&learner, problem, "s1", &more)).await.expect(200);
        assert_eq!((&again["isNew"], &again["applied"]), (&json!(false), &first["applied"]));
        assert_eq!(again["evidenceId"], first["evidenceId"]);
    }
    assert_eq!(step_of(&learner, &attempt, 0).await["attemptsCount"], 1);
    // An admin may what services may. Another learner's submission of the same id is another one.
    let admin = service.client_as(Uuid::new_v4(), &["Game Master"]);
    let other = service.learner();
    admin.post(RESULTS, result(&other, problem, "s1", &json!({}))).await.expect(200);
    assert_eq!(other.attempt(&quest).await["status"], "Completed");
    assert_eq!(step_of(&learner, &attempt, 0).await["status"], "InProgress");
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_that_comes_before_the_attempt_is_applied_by_the_start() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let problem = Uuid::new_v4();
    let quest = quest_of(&author, "Early", &[coding(problem, &json!({})), step("after")]).await;
    for (id, more) in [("s1", wrong()), ("s2", json!({})), ("s3", wrong())] {
        let receipt = grader.post(RESULTS, result(&learner, problem, id, &more)).await.expect(200);
        assert_eq!(receipt["applied"], json!([]), "it waits");
    }
    let path = format!("{}/attempt", path_of(&quest));
    let headers = [("X-Correlation-Id", "start-1")];
    let attempt = learner.send(reqwest::Method::POST, &path, &headers, Some(&json!({}))).await.expect(201);
    assert_eq!(
        (&attempt["steps"][0]["status"], &attempt["steps"][0]["attemptsCount"]),
        (&json!("Completed"), &json!(2))
    );
    assert_eq!(
        (&attempt["currentStepId"], &attempt["totalExperienceEarned"]),
        (&attempt["steps"][1]["stepId"], &json!(10))
    );
    let events =
        rows(&pool, "SELECT event_type FROM outbox_events WHERE correlation_id = 'start-1' ORDER BY position").await;
    let types: Vec<&str> = events.iter().map(|event| text(&event["event_type"])).collect();
    assert_eq!(types, ["QuestStarted", "StepCompleted", "XPGranted"]);
    let duplicate = grader.post(RESULTS, result(&learner, problem, "s2", &json!({}))).await.expect(200);
    assert_eq!((&duplicate["isNew"], &duplicate["applied"][0]["isMet"]), (&json!(false), &json!(true)));
    verify(&pool).await;
}

#[tokio::test]
async fn completing_a_step_applies_what_waits_behind_it_with_one_cascade() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let quest = quest_of(&author, "Chain", &[step("first"), coding(one, &json!({})), coding(two, &json!({}))]).await;
    let next = author.quest("Next", 1, 0).await;
    author.needs(&next, &[&quest]).await.expect(200);
    let attempt = learner.attempt(&quest).await;
    for problem in [two, one] {
        let receipt =
            grader.post(RESULTS, result(&learner, problem, &problem.to_string(), &json!({}))).await.expect(200);
        assert_eq!(receipt["applied"], json!([]), "earlier steps are missing");
    }
    assert_eq!(learner.attempt(&quest).await["completionPercentage"], json!(0.0));

    let done = learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    assert_eq!(done["attempt"]["status"], "Completed");
    let points: Vec<&Value> = done["earned"].as_array().unwrap().iter().map(|earned| &earned["points"]).collect();
    assert_eq!(points, [10, 10, 10, 100, 50, 50]);
    assert_eq!(done["unlocked"], json!([{"questId": next["id"], "title": "Next"}]));
    assert_eq!(
        learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200),
        done,
        "and again the same"
    );
    let events = rows(&pool, "SELECT event_type FROM outbox_events ORDER BY position OFFSET 1").await;
    let types: Vec<&str> = events.iter().map(|event| text(&event["event_type"])).collect();
    assert_eq!(
        types,
        [
            "StepCompleted",
            "XPGranted",
            "StepCompleted",
            "XPGranted",
            "StepCompleted",
            "XPGranted",
            "QuestCompleted",
            "XPGranted",
            "SkillPointsGranted",
            "SkillPointsGranted",
            "ChallengeUnlocked"
        ]
    );
    verify(&pool).await;
}

#[tokio::test]
async fn a_paused_or_abandoned_attempt_takes_its_results_when_it_goes_on() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    for verb in ["pause", "abandon"] {
        let problem = Uuid::new_v4();
        let quest = quest_of(&author, verb, &[coding(problem, &json!({}))]).await;
        let attempt = learner.attempt(&quest).await;
        learner.post(&format!("/v1/attempts/{}/{verb}", text(&attempt["id"])), json!({})).await.expect(200);
        let receipt = grader.post(RESULTS, result(&learner, problem, verb, &json!({}))).await.expect(200);
        assert_eq!(receipt["applied"], json!([]));
        assert_ne!(
            learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"],
            "Completed"
        );
        let resumed = if verb == "pause" {
            learner.post(&format!("/v1/attempts/{}/resume", text(&attempt["id"])), json!({})).await.expect(200)
        } else {
            learner.attempt(&quest).await
        };
        assert_eq!((&resumed["status"], &resumed["totalExperienceEarned"]), (&json!("Completed"), &json!(110)));
    }
    verify(&pool).await;
}

#[tokio::test]
async fn one_result_serves_every_quest_that_names_its_problem_each_by_its_own_measure() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let problem = Uuid::new_v4();
    let easy = quest_of(&author, "Easy", &[coding(problem, &json!({"minTestsPassedPercent": 50}))]).await;
    let hard = quest_of(&author, "Hard", &[coding(problem, &json!({}))]).await;
    let later = quest_of(&author, "Later", &[coding(problem, &json!({"minTestsPassedPercent": 10}))]).await;
    let mut optional = coding(problem, &json!({"minTestsPassedPercent": 60}));
    optional["isOptional"] = json!(true);
    let done = quest_of(&author, "Done", &[step("must"), optional]).await;
    learner.finish(&done).await;
    let (first, second) = (learner.attempt(&easy).await, learner.attempt(&hard).await);
    let more = json!({"status": "Partial", "testsPassedPercent": 60});
    let receipt = grader.post(RESULTS, result(&learner, problem, "s1", &more)).await.expect(200);
    let mut met: Vec<(&Value, &Value)> =
        receipt["applied"].as_array().unwrap().iter().map(|unit| (&unit["questId"], &unit["isMet"])).collect();
    let (yes, no) = (json!(true), json!(false));
    let mut expected = vec![(&easy["id"], &yes), (&hard["id"], &no), (&done["id"], &yes)];
    met.sort_by_key(|(quest, _)| text(quest));
    expected.sort_by_key(|(quest, _)| text(quest));
    assert_eq!(met, expected);
    assert_eq!(step_of(&learner, &first, 0).await["status"], "Completed");
    assert_eq!(step_of(&learner, &second, 0).await["attemptsCount"], 1);
    assert_eq!(learner.attempt(&done).await["totalExperienceEarned"], 120, "optional steps still pay");
    assert_eq!(learner.attempt(&later).await["status"], "Completed", "what was proved before counts");
    verify(&pool).await;
}

#[tokio::test]
async fn an_edit_that_opens_a_step_or_names_another_problem_applies_what_waits() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let quest = quest_of(&author, "Edited", &[step("first"), coding(one, &json!({})), step("last")]).await;
    let attempt = learner.attempt(&quest).await;
    grader.post(RESULTS, result(&learner, two, "s1", &json!({}))).await.expect(200);
    let at = |index: usize| format!("{}/steps/{}", path_of(&quest), text(&attempt["steps"][index]["stepId"]));
    let named = coding(two, &json!({}))["validationCriteria"].clone();
    author.patch(&at(1), json!({"validationCriteria": named})).await.expect(200);
    author.post(&format!("{}/retire", at(0)), json!({})).await.expect(200);
    let after = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    let code = after["steps"].as_array().unwrap().iter().find(|step| step["stepType"] == "Coding").unwrap();
    assert_eq!((&code["status"], &after["completionPercentage"]), (&json!("Completed"), &json!(50.0)));
    verify(&pool).await;
}

#[tokio::test]
async fn a_result_and_the_start_at_the_same_instant_miss_each_other_never() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 8, ..Setup::default() }).await;
    let (author, grader) = (service.author(), grader(&service));
    let problem = Uuid::new_v4();
    let quest = quest_of(&author, "Race", &[coding(problem, &json!({}))]).await;
    for _ in 0..rounds(30, 1_000) {
        let learner = service.learner();
        let body = result(&learner, problem, "s1", &json!({}));
        let (_, receipt) = join(learner.attempt(&quest), grader.post(RESULTS, body)).await;
        receipt.expect(200);
        let attempt = learner.attempt(&quest).await;
        assert_eq!((&attempt["status"], &attempt["totalExperienceEarned"]), (&json!("Completed"), &json!(110)));
    }
    verify(&pool).await;
}

#[tokio::test]
async fn verify_finds_a_coding_step_without_its_result_and_a_result_that_was_passed_by() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let quest = quest_of(&author, "Proof", &[coding(one, &json!({})), coding(two, &json!({}))]).await;
    learner.attempt(&quest).await;
    grader.post(RESULTS, result(&learner, one, "s1", &json!({}))).await.expect(200);
    verify(&pool).await;
    let drifts = async || {
        let mut connection = pool.acquire().await.unwrap();
        crate::harness::drifts(&mut connection).await
    };
    let tamper = async |sql: &str| crate::harness::execute(&pool, sql.to_owned()).await;
    tamper("UPDATE evidence_applications SET is_met = FALSE").await;
    assert!(drifts().await[0].contains("0 met it"), "{:?}", drifts().await);
    tamper("UPDATE evidence_applications SET is_met = TRUE").await;
    tamper("UPDATE evidence SET target_id = (SELECT evidence_target FROM quest_steps WHERE step_number = 2)").await;
    assert!(drifts().await[0].contains("is open"), "{:?}", drifts().await);
    // Whoever looks at the attempt sets it right.
    let attempt = learner.all("/v1/me/attempts").await[0].clone();
    assert_eq!(learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"], "Completed");
    verify(&pool).await;
}

#[tokio::test]
async fn more_results_than_one_batch_are_all_counted() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, grader) = (service.author(), service.learner(), grader(&service));
    let problem = Uuid::new_v4();
    let quest = quest_of(&author, "Many", &[coding(problem, &json!({}))]).await;
    grader.post(RESULTS, result(&learner, problem, "first", &wrong())).await.expect(200);
    crate::harness::execute(
        &pool,
        "INSERT INTO evidence (id, auth_user_id, kind, source_id, target_id, result, received_at)
         SELECT gen_random_uuid(), auth_user_id, kind, 's' || number, target_id, result, received_at
         FROM evidence, generate_series(1, 249) AS number"
            .to_owned(),
    )
    .await;
    grader.post(RESULTS, result(&learner, problem, "last", &json!({}))).await.expect(200);
    let attempt = learner.attempt(&quest).await;
    assert_eq!((&attempt["status"], &attempt["steps"][0]["attemptsCount"]), (&json!("Completed"), &json!(251)));
    verify(&pool).await;
}

#[tokio::test]
async fn a_meeting_completes_the_discussion_that_asks_for_it() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let meeting = checked("meet", &json!({"v": 1, "type": "Discussion", "meetingRequired": true, "minPosts": 3}));
    let posts = checked("post", &json!({"v": 1, "type": "Discussion", "minPosts": 1}));
    let quest = quest_of(&author, "Talk", &[meeting, posts]).await;
    let attempt = learner.attempt(&quest).await;
    let refused =
        learner.complete(&attempt, &attempt["steps"][0], json!({"posts": 9})).await.problem(409, "awaits_result");
    assert_eq!(refused["waitsFor"], json!({"kind": "meeting"}));

    let evidence = Evidence {
        kind: Kind::Meeting,
        source_id: "meeting-1".to_owned(),
        target_id: text(&quest["id"]).parse().unwrap(),
        result: json!({"endedAt": "2026-09-01T07:00:00Z"}),
    };
    let (db, id) = (Db::new(pool.clone()), LearnerId(learner.id));
    let origin = Origin::job(&Clock::fixed(service.clock.now()));
    let receipt = db
        .transact(move |connection| Box::pin(async move { receive(connection, &origin, id, &evidence).await }))
        .await
        .map_err(|error: sqlx::Error| error)
        .unwrap();
    assert!(receipt.is_new && receipt.applied[0].is_met);
    let seen = learner.attempt(&quest).await;
    assert_eq!(seen["steps"][0]["status"], "Completed");
    assert_eq!(
        seen["steps"][0]["submissionData"],
        json!({"meetingId": "meeting-1", "endedAt": "2026-09-01T07:00:00Z"})
    );
    assert_eq!(seen["steps"][1]["status"], "NotStarted", "a meeting says nothing of posts");
    learner.complete(&attempt, &attempt["steps"][1], json!({"posts": 1})).await.expect(200);
    verify(&pool).await;
}
