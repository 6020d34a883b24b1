//! What happens at the same instant.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Service, Setup, database, path_of, rounds, verify};

#[tokio::test]
async fn fifty_simultaneous_completions_grant_once() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let quest = author.quest("Race", 1, 50).await;
    for _ in 0..rounds(30, 500) {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        let step = attempt["steps"][0].clone();
        let answers = join_all((0..50).map(|_| learner.complete(&attempt, &step, Value::Null))).await;
        let first = answers[0].json();
        for answer in answers {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.json(), first);
        }
        let counts = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM reward_grants WHERE auth_user_id = $1 AND kind = 'XP') AS "grants!",
                      (SELECT count(*) FROM outbox_events WHERE auth_user_id = $1 AND event_type = 'StepCompleted') AS "steps!",
                      (SELECT count(*) FROM outbox_events WHERE auth_user_id = $1 AND event_type = 'QuestCompleted') AS "quests!""#,
            learner.id
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!((counts.grants, counts.steps, counts.quests), (2, 1, 1));
    }
    verify(&pool).await;
}

#[tokio::test]
async fn two_quests_completed_at_the_same_instant_open_the_third() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (a, b, c) = (author.quest("A", 1, 5).await, author.quest("B", 1, 5).await, author.quest("C", 1, 5).await);
    author.needs(&c, &[&a, &b]).await.expect(200);
    for _ in 0..rounds(30, 500) {
        let learner = service.learner();
        let (first, second) = (learner.attempt(&a).await, learner.attempt(&b).await);
        let (one, two) = tokio::join!(
            learner.complete(&first, &first["steps"][0], Value::Null),
            learner.complete(&second, &second["steps"][0], Value::Null)
        );
        let opened = [one.expect(200), two.expect(200)];
        let opened: Vec<&Value> = opened.iter().flat_map(|answer| answer["unlocked"].as_array().unwrap()).collect();
        assert_eq!(opened, [&json!({"questId": c["id"], "title": "C"})]);
        learner.attempt(&c).await;
    }
    verify(&pool).await;
}

#[tokio::test]
async fn two_tabs_that_start_a_quest_share_one_attempt() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let quest = service.author().quest("Tabs", 1, 5).await;
    for _ in 0..rounds(30, 500) {
        let learner = service.learner();
        let path = format!("{}/attempt", path_of(&quest));
        let (one, two) = tokio::join!(learner.post(&path, json!({})), learner.post(&path, json!({})));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201]);
        assert_eq!(one.json()["id"], two.json()["id"]);
    }
    verify(&pool).await;
}
