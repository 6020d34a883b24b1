//! Assessments under simultaneous calls, and what a call costs.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::assessments::{quiz, with};
use crate::harness::{Service, Setup, database, path_of, rounds, rows, text, verify};
use crate::statements::{counted, own};

#[tokio::test]
async fn of_simultaneous_last_tries_exactly_one_is_taken() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let limited = with(quiz(&[("a", true)]), json!({"attempts": {"max": 2}}));
    let (quest, assessment) = author.assessed("Last try", limited, Value::Null).await;
    let right = json!({"answers": {"a": true}});
    for round in 0..rounds(30, 1_000) {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        learner.hand_in(&attempt, &assessment, json!({"answers": {"a": false}})).await.expect(201);
        let answers = join_all((0..8).map(|_| learner.hand_in(&attempt, &assessment, right.clone()))).await;
        let taken: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(taken.len(), 1, "round {round}");
        assert_eq!(taken[0].json()["submission"]["attemptNumber"], 2);
        for refused in answers.into_iter().filter(|answer| answer.status != 201) {
            refused.problem(409, "no_tries_left");
        }
        let counts = rows(
            &pool,
            &format!(
                "SELECT (SELECT count(*) FROM quest_submissions WHERE attempt_id = '{0}') AS tries,
                        (SELECT count(*) FROM reward_grants WHERE attempt_id = '{0}' AND kind = 'XP') AS grants,
                        (SELECT count(*) FROM outbox_events WHERE event_type = 'QuestCompleted' AND data ->> 'attemptId' = '{0}') AS completed",
                text(&attempt["id"])
            ),
        )
        .await;
        assert_eq!(counts[0], json!({"tries": 2, "grants": 1, "completed": 1}));
    }
    verify(&pool).await;
}

#[tokio::test]
async fn of_simultaneous_starts_one_try_runs() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let items: Vec<(String, bool)> = (0..12).map(|n| (format!("i{n}"), true)).collect();
    let items: Vec<(&str, bool)> = items.iter().map(|(id, correct)| (id.as_str(), *correct)).collect();
    let timed = with(quiz(&items), json!({"pick": 4, "shuffleItems": true, "timeLimitSeconds": 60}));
    let (quest, assessment) = author.assessed("Tabs", timed, Value::Null).await;
    for _ in 0..rounds(15, 500) {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        let answers = join_all((0..6).map(|_| learner.start(&attempt, &assessment))).await;
        let first = answers[0].json();
        for answer in answers {
            assert_eq!(answer.expect(200), first);
        }
    }
}

#[tokio::test]
async fn a_grade_and_a_last_step_at_the_same_instant_complete_the_quest_once() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let essay = json!({"v": 1, "type": "Assignment", "maxGrade": 10, "accept": [{"kind": "text"}]});
    let quest = author.draft("Both", 50).await;
    author.step(&quest, crate::harness::step("Only step")).await;
    let assessment = author.assessment(&quest, essay, Value::Null).await;
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200);
    for _ in 0..rounds(10, 500) {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        let submission =
            learner.hand_in(&attempt, &assessment, json!({"text": "x"})).await.expect(201)["submission"].clone();
        let (_, tag) = author.to_grade(&submission).await;
        let (step, grade) = tokio::join!(
            learner.complete(&attempt, &attempt["steps"][0], Value::Null),
            author.grade_at(&submission, &tag, json!({"grade": 9}))
        );
        step.expect(200);
        grade.expect(200);
        let read = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
        assert_eq!((&read["status"], &read["totalExperienceEarned"]), (&json!("Completed"), &json!(60)));
    }
    verify(&pool).await;
}

#[tokio::test]
async fn calls_cost_few_statements_whatever_the_number_of_tries() {
    let pool = database().await;
    let (service, counter) = counted(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (quest, assessment) = author.assessed("Counted", quiz(&[("a", true), ("b", true)]), Value::Null).await;
    let essay = json!({"v": 1, "type": "Assignment", "maxGrade": 10, "accept": [{"kind": "text"}]});
    let essay = author.assessment(&quest, essay, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let within = |what: &str, most: usize| {
        let statements = own(&counter);
        assert!(
            !statements.is_empty() && statements.len() <= most,
            "{what}: {} of {most}: {statements:#?}",
            statements.len()
        );
        counter.reset();
    };
    // So that each connection knows the enums, which sqlx looks up once per connection.
    for _ in 0..3 {
        learner.hand_in(&attempt, &assessment, json!({})).await.expect(201);
        let submission =
            learner.hand_in(&attempt, &essay, json!({"text": "x"})).await.expect(201)["submission"].clone();
        author.grade(&submission, json!({"grade": 1})).await.expect(200);
    }
    for round in 0..2 {
        counter.reset();
        learner.hand_in(&attempt, &assessment, json!({"answers": {"a": true}})).await.expect(201);
        within("a try that fails", 7);
        let handed = learner.hand_in(&attempt, &essay, json!({"text": "x"})).await.expect(201)["submission"].clone();
        within("a try that waits", 6);
        let (_, tag) = author.to_grade(&handed).await;
        within("reading one to grade", 1);
        author.grade_at(&handed, &tag, json!({"grade": 2})).await.expect(200);
        within("a grade", 9);
        learner.get(&format!("/v1/attempts/{}/submissions", text(&attempt["id"]))).await.expect(200);
        within("the own submissions", 2);
        author.get("/v1/submissions?status=graded").await.expect(200);
        within("the queue", 1);
        learner.get(&format!("{}/assessments", path_of(&quest))).await.expect(200);
        within("the assessments with new questions", 3);
        learner.get(&format!("{}/assessments", path_of(&quest))).await.expect(200);
        within("the assessments", 2);
        for _ in 0..10 * round {
            learner.hand_in(&attempt, &assessment, json!({})).await.expect(201);
        }
    }
    counter.reset();
    learner.hand_in(&attempt, &assessment, json!({"answers": {"a": true, "b": true}})).await.expect(201);
    within("a try that passes", 8);
}
