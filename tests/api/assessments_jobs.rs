//! The background work of assessments: what fails for one learner or one assessment holds back nobody else.

use quests::assessments::service;
use quests::db::Db;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::assessments::{quiet, with};
use crate::harness::{Client, Service, database, execute, rows, text};
use crate::peer_reviews::class;

/// Learners in the order of their ids, in which jobs go.
fn in_order(service: &Service, count: usize) -> Vec<Client> {
    let mut learners: Vec<Client> = (0..count).map(|_| service.learner()).collect();
    learners.sort_by_key(|learner| learner.id);
    learners
}

/// From now on the database refuses rows that are not so.
async fn refuse(pool: &PgPool, table: &str, unless: &str) {
    execute(pool, format!("ALTER TABLE {table} ADD CONSTRAINT test_refuses CHECK ({unless}) NOT VALID")).await;
}

async fn statuses(pool: &PgPool) -> Vec<Value> {
    let sql = "SELECT status, count(*) AS n FROM quest_submissions GROUP BY status ORDER BY status";
    rows(pool, sql).await.into_iter().map(|row| json!([row["status"], row["n"]])).collect()
}

#[tokio::test]
async fn a_result_that_cannot_be_applied_holds_back_no_other() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let opening = json!({"v": 1, "type": "AutoGraded", "maxGrade": 50, "opensAt": "2026-09-01T09:00:00Z", "partialCredit": false,
                         "grader": {"ref": "judge", "problemId": "5f0c1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11"}});
    let (quest, _) = author.assessed("Early", opening, Value::Null).await;
    let mut attempts = Vec::new();
    for learner in in_order(&service, 4) {
        let attempt = learner.attempt(&quest).await;
        grader.coding_result(&learner, json!({"status": "Accepted"})).await.expect(200);
        attempts.push(attempt);
    }
    service.wait(3600);
    refuse(&pool, "quest_submissions", &format!("attempt_id <> '{}'", text(&attempts[1]["id"]))).await;
    let db = Db::new(pool.clone());
    service::run_wakeups(&db, &service.clock).await.unwrap();
    assert_eq!(statuses(&pool).await, [json!(["graded", 3])]);
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM assessment_wakeups").await.len(), 1, "that one waits");
    // What was in the way has gone.
    execute(&pool, "ALTER TABLE quest_submissions DROP CONSTRAINT test_refuses".to_owned()).await;
    service::run_wakeups(&db, &service.clock).await.unwrap();
    assert_eq!(statuses(&pool).await, [json!(["graded", 4])]);
}

#[tokio::test]
async fn work_that_cannot_be_given_to_a_grader_holds_back_no_other() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (_, _, learners) = class(&service, &author, json!({}), 4).await;
    let attempt = learners.iter().min_by_key(|(learner, _)| learner.id).unwrap().1["id"].clone();
    refuse(&pool, "quest_submissions", &format!("attempt_id <> '{}' OR status = 'inPeerReview'", text(&attempt))).await;
    service.wait(24 * 3600);
    service::run_fallbacks(&Db::new(pool.clone()), &service.clock).await.unwrap();
    assert_eq!(statuses(&pool).await, [json!(["awaitingGrade", 3]), json!(["inPeerReview", 1])]);
}

#[tokio::test]
async fn an_assessment_whose_reviews_cannot_be_handed_out_holds_back_no_other() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (_, assessment, _) = class(&service, &author, json!({}), 3).await;
        ids.push(text(&assessment["id"]).to_owned());
        service.wait(1);
    }
    ids.sort();
    refuse(&pool, "peer_reviews", &format!("assessment_id <> '{}'", ids[0])).await;
    service::run_allocations(&Db::new(pool.clone()), &service.clock).await.unwrap();
    let counts = rows(&pool, "SELECT count(*) AS n FROM peer_reviews GROUP BY assessment_id").await;
    assert_eq!(counts, [json!({"n": 6}), json!({"n": 6})]);
    assert_eq!(rows(&pool, "SELECT assessment_id FROM peer_allocations").await, [json!({"assessment_id": ids[0]})]);
}

#[tokio::test]
async fn work_that_its_reviews_cannot_grade_holds_back_no_other() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (_, _, learners) = class(&service, &author, json!({}), 4).await;
    let db = Db::new(pool.clone());
    service::run_allocations(&db, &service.clock).await.unwrap();
    // All reviews are there, and nobody has looked what follows.
    let rubric = r#"{"clarity": {"points": 9}, "depth": {"points": 9}}"#;
    let written =
        format!("UPDATE peer_reviews SET status = 'done', submitted_at = now(), rubric = '{rubric}', percent = 90");
    execute(&pool, written).await;
    let asked = "INSERT INTO peer_allocations (assessment_id, requested_at) SELECT id, now() FROM quest_assessments";
    execute(&pool, asked.to_owned()).await;
    let first = learners.iter().min_by_key(|(learner, _)| learner.id).unwrap().1["id"].clone();
    refuse(&pool, "quest_submissions", &format!("attempt_id <> '{}' OR status <> 'graded'", text(&first))).await;
    service::run_allocations(&db, &service.clock).await.unwrap();
    assert_eq!(statuses(&pool).await, [json!(["graded", 3]), json!(["inPeerReview", 1])]);
    execute(&pool, "ALTER TABLE quest_submissions DROP CONSTRAINT test_refuses".to_owned()).await;
    service::run_allocations(&db, &service.clock).await.unwrap();
    assert_eq!(statuses(&pool).await, [json!(["graded", 4])]);
}

#[tokio::test]
async fn a_timed_try_that_cannot_be_handed_in_holds_back_no_other() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let timed = with(crate::assessments::quiz(&[("a", true)]), json!({"timeLimitSeconds": 60}));
    let (quest, assessment) = author.assessed("Timed", timed, Value::Null).await;
    let mut attempts = Vec::new();
    for learner in in_order(&service, 4) {
        let attempt = learner.attempt(&quest).await;
        learner.start(&attempt, &assessment).await.expect(200);
        attempts.push(attempt);
    }
    service.wait(61);
    refuse(&pool, "quest_submissions", &format!("attempt_id <> '{}'", text(&attempts[1]["id"]))).await;
    service::run_expired(&Db::new(pool.clone()), &service.clock).await.unwrap();
    assert_eq!(statuses(&pool).await, [json!(["graded", 3])]);
}
