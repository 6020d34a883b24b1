//! What edits and time open in the background, for whom, and who cannot be in the way of the others.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::enrollments::path;
use crate::harness::users::Users;
use crate::harness::{Client, Service, Setup, database, execute, path_of, rows, text, verify};

async fn quiet(pool: &PgPool, mut args: Vec<String>) -> Service {
    args.push("--background-jobs=false".to_owned());
    Service::start_with(pool, Setup { args, ..Setup::default() }).await
}

async fn announced(pool: &PgPool, learner: &Client) -> Vec<String> {
    let sql = format!(
        "SELECT data ->> 'title' AS title FROM outbox_events
         WHERE event_type = 'ChallengeUnlocked' AND auth_user_id = '{}' ORDER BY 1",
        learner.id
    );
    rows(pool, &sql).await.iter().map(|row| text(&row["title"]).to_owned()).collect()
}

async fn asked_for(pool: &PgPool, path: &str) {
    let sql =
        format!("INSERT INTO reevaluations (target_id, target_kind, requested_at) VALUES ('{path}', 'path', now())");
    execute(pool, sql).await;
}

#[tokio::test]
async fn who_has_done_what_conditions_count_is_found_without_being_enrolled() {
    let pool = database().await;
    let users = Users::start().await;
    users.has("loops", 3);
    let service = quiet(&pool, vec![format!("--user-service-url={}", users.base)]).await;
    let (author, learner, stranger) = (service.author(), service.learner(), service.learner());
    let (done, other) = (author.quest("Done", 1, 50).await, author.quest("Other", 1, 0).await);
    let counted = path(&pool, "Counted", &[(&done, true, Value::Null), (&other, true, Value::Null)]).await;
    learner.finish(&done).await;
    let conditions = [
        ("By path", json!({"op": "pathProgress", "pathId": counted, "minPercent": 50})),
        ("By points", json!({"op": "xpEarned", "scope": "service", "min": 50})),
        ("By skill", json!({"op": "skillLevel", "skillTag": "loops", "minLevel": 3})),
        ("Not yet", json!({"op": "pathProgress", "pathId": counted, "minPercent": 51})),
    ];
    let mut quests = Vec::new();
    for (title, condition) in conditions {
        quests.push((author.quest(title, 1, 0).await, json!({"v": 1, "when": condition})));
    }
    let list: Vec<(&Value, bool, Value)> =
        quests.iter().map(|(quest, criteria)| (quest, true, criteria.clone())).collect();
    let id = path(&pool, "Gated", &list).await;
    // Levels are known of who has asked once.
    learner.get(&format!("/v1/me/learning-paths/{id}")).await.expect(200);
    asked_for(&pool, &id).await;
    service.work_in_background().await;
    assert_eq!(announced(&pool, &learner).await, ["By path", "By points", "By skill"]);
    assert_eq!(announced(&pool, &stranger).await, Vec::<String>::new());
    verify(&pool).await;
}

/// A learner of whom nothing can be recorded there.
#[expect(clippy::disallowed_methods, reason = "DDL of the test's own")]
async fn refused(pool: &PgPool, write: &str, learner: &Client) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "CREATE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
         CREATE TRIGGER test_refuse {write} FOR EACH ROW
             WHEN (NEW.auth_user_id = '{}') EXECUTE FUNCTION test_refuse();",
        learner.id
    )))
    .execute(pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn one_who_cannot_be_judged_is_passed_over() {
    let pool = database().await;
    let service = quiet(&pool, Vec::new()).await;
    let author = service.author();
    let (first, later, timed) =
        (author.quest("First", 1, 0).await, author.quest("After", 1, 0).await, author.quest("In time", 1, 0).await);
    let learners: Vec<Client> = (0..5).map(|_| service.learner()).collect();
    let criteria = json!({"v": 1, "when": {"op": "questCompleted", "questId": first["id"]}});
    let at = service.clock.now() + chrono::TimeDelta::hours(1);
    let window = json!({"v": 1, "when": {"op": "notBefore", "at": at}});
    let id = path(&pool, "P", &[(&first, true, Value::Null), (&timed, true, window)]).await;
    for learner in &learners {
        learner.post(&format!("/v1/learning-paths/{id}/enrollment"), json!({})).await.expect(201);
        learner.finish(&first).await;
    }
    refused(&pool, "BEFORE INSERT ON quest_unlocks", &learners[2]).await;
    let next = path(&pool, "Next", &[(&later, true, criteria)]).await;
    asked_for(&pool, &next).await;
    service.work_in_background().await;
    assert_eq!(rows(&pool, "SELECT 1 FROM reevaluations").await.len(), 0, "the edit is worked off");
    service.wait(3600);
    service.work_in_background().await;
    for (number, learner) in learners.iter().enumerate() {
        let expected: &[&str] = if number == 2 { &[] } else { &["After", "In time"] };
        assert_eq!(announced(&pool, learner).await, expected, "{number}");
    }
    // It is tried again later, when what was in the way is gone.
    execute(&pool, "DROP TRIGGER test_refuse ON quest_unlocks".to_owned()).await;
    service.wait(3600);
    service.work_in_background().await;
    assert_eq!(announced(&pool, &learners[2]).await, ["In time"]);
    verify(&pool).await;
    service.stop().await;
}

#[expect(clippy::disallowed_methods, reason = "DDL of the test's own")]
async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

#[tokio::test]
async fn old_keys_go_in_batches() {
    let pool = database().await;
    run(
        &pool,
        "CREATE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT count(*) FROM removed) > 1000 THEN RAISE 'too many at once'; END IF; RETURN NULL; END $$;
         CREATE TRIGGER test_refuse AFTER DELETE ON idempotency_keys REFERENCING OLD TABLE AS removed
             FOR EACH STATEMENT EXECUTE FUNCTION test_refuse();
         INSERT INTO idempotency_keys (auth_user_id, key, fingerprint, status, headers, body, created_at)
         SELECT gen_random_uuid(), 'k', '', 201, '[]', '', '2026-08-01' FROM generate_series(1, 2500);
         INSERT INTO idempotency_keys (auth_user_id, key, fingerprint, status, headers, body, created_at)
         VALUES (gen_random_uuid(), 'young', '', 201, '[]', '', '2026-09-01T07:00:00Z');",
    )
    .await;
    let service = Service::start_with_jobs(&pool).await;
    for _ in 0..100 {
        if rows(&pool, "SELECT key FROM idempotency_keys").await.len() == 1 {
            return service.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("old keys are still there");
}

#[tokio::test]
async fn nothing_is_committed_whose_events_are_not() {
    let pool = database().await;
    let service = quiet(&pool, Vec::new()).await;
    let learner = service.learner();
    let quest = service.author().quest("Lost", 1, 10).await;
    let attempt = learner.attempt(&quest).await;
    run(
        &pool,
        "CREATE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER test_refuse BEFORE UPDATE ON learners FOR EACH ROW EXECUTE FUNCTION test_refuse();",
    )
    .await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.problem(500, "internal");
    assert_eq!(rows(&pool, "SELECT id FROM reward_grants").await, Vec::<Value>::new());
    run(&pool, "DROP TRIGGER test_refuse ON learners").await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    verify(&pool).await;
    service.stop().await;
}

#[tokio::test]
async fn one_whose_attempt_cannot_be_recomputed_is_passed_over() {
    let pool = database().await;
    let service = quiet(&pool, Vec::new()).await;
    let author = service.author();
    let (quest, later) = (author.quest("Edited", 2, 10).await, author.quest("Edited later", 2, 10).await);
    let learners: Vec<Client> = (0..5).map(|_| service.learner()).collect();
    let mut attempts = Vec::new();
    for learner in &learners {
        for quest in [&quest, &later] {
            let attempt = learner.attempt(quest).await;
            learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
            attempts.push((learner, format!("/v1/attempts/{}", text(&attempt["id"]))));
        }
    }
    refused(&pool, "BEFORE UPDATE ON user_quest_attempts", &learners[2]).await;
    // What is left is done already: the quests complete.
    for quest in [&quest, &later] {
        let steps = author.get(&format!("{}/steps", path_of(quest))).await.expect(200);
        let step = text(&steps["items"][1]["id"]).to_owned();
        author.post(&format!("{}/steps/{step}/retire", path_of(quest)), json!({})).await.expect(200);
    }
    service.work_in_background().await;
    assert_eq!(rows(&pool, "SELECT 1 FROM unit_recomputes").await.len(), 0, "the edits are worked off");
    let status = "SELECT count(*) AS done FROM user_quest_attempts WHERE status = 'Completed'";
    assert_eq!(rows(&pool, status).await[0]["done"], json!(8));
    // The learner's own call computes it, when what was in the way is gone.
    execute(&pool, "DROP TRIGGER test_refuse ON user_quest_attempts".to_owned()).await;
    for (learner, attempt) in attempts {
        assert_eq!(learner.get(&attempt).await.expect(200)["status"], json!("Completed"));
    }
    verify(&pool).await;
    service.stop().await;
}

#[tokio::test]
async fn what_time_opens_at_once_is_followed_up_once_a_learner() {
    let pool = database().await;
    let (service, counter) = crate::statements::counted(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let at = service.clock.now() + chrono::TimeDelta::hours(1);
    let mut quests = Vec::new();
    for number in 0..12 {
        quests.push((
            author.quest(&format!("Q{number}"), 1, 0).await,
            json!({"v": 1, "when": {"op": "notBefore", "at": at}}),
        ));
    }
    let list: Vec<(&Value, bool, Value)> =
        quests.iter().map(|(quest, criteria)| (quest, true, criteria.clone())).collect();
    let id = path(&pool, "P", &list).await;
    learner.post(&format!("/v1/learning-paths/{id}/enrollment"), json!({})).await.expect(201);
    service.work_in_background().await;
    service.wait(3600);
    counter.reset();
    service.work_in_background().await;
    let statements = crate::statements::own(&counter);
    assert_eq!(announced(&pool, &learner).await.len(), 12);
    assert!(statements.len() <= 24, "{}: {statements:#?}", statements.len());
}
