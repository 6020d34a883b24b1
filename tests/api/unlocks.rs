//! What opens a quest, for whom, and that nobody is left out: each a case that the model in `model/` found.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Client, Service, Setup, path_of, rows, text, verify};

/// A service whose background works when the test says so.
async fn start(pool: &PgPool, args: &[String]) -> Service {
    let args = [args, &["--background-jobs=false".to_owned()]].concat();
    Service::start_with(pool, Setup { args, ..Setup::default() }).await
}

fn place(quest: &Value, when: &Value) -> Value {
    let place = json!({"questId": quest["id"], "difficultyLevel": "Beginner"});
    if when.is_null() {
        return place;
    }
    json!({"questId": quest["id"], "difficultyLevel": "Beginner", "unlockCriteria": {"v": 1, "when": when}})
}

fn at(path: &Value) -> String {
    format!("/v1/learning-paths/{}", text(&path["id"]))
}

/// A published path over quests, each with what it waits for.
async fn path(author: &Client, name: &str, places: &[Value]) -> Value {
    let draft = json!({"name": name, "description": "A path", "pathType": "Course"});
    let path = author.post("/v1/learning-paths", draft).await.expect(201);
    author.put(&format!("{}/quests", at(&path)), json!({"quests": places})).await.expect(200);
    author.post(&format!("{}/publish", at(&path)), json!({})).await.expect(200)
}

async fn enrol(learner: &Client, path: &Value) {
    learner.post(&format!("{}/enrollment", at(path)), json!({})).await.expect(201);
}

/// The learner's row of progress in a path.
async fn progress(learner: &Client, path: &Value) -> Value {
    let mine = learner.get("/v1/me/learning-paths").await.expect(200);
    let mut rows = mine["items"].as_array().unwrap().iter();
    rows.find(|row| row["learningPathId"] == path["id"]).expect("enrolled").clone()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn who_is_enrolled_goes_on_in_a_path_that_is_a_draft_again(pool: PgPool) {
    let service = start(&pool, &[]).await;
    let (author, learner) = (service.author(), service.learner());
    let (a, b) = (author.quest("A", 1, 50).await, author.quest("B", 1, 0).await);
    let path = path(&author, "P", &[place(&a, &Value::Null), place(&b, &Value::Null)]).await;
    enrol(&learner, &path).await;
    author.post(&format!("{}/unpublish", at(&path)), json!({})).await.expect(200);
    service.work_in_background().await;
    learner.attempt(&b).await;
    let row = progress(&learner, &path).await;
    assert_eq!((&row["status"], &row["currentQuestId"]), (&json!("InProgress"), &b["id"]));
    verify(&pool).await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_path_that_has_lost_all_its_quests_counts_none(pool: PgPool) {
    let service = start(&pool, &[]).await;
    let (author, learner) = (service.author(), service.learner());
    let (a, b) = (author.quest("A", 1, 50).await, author.quest("B", 1, 0).await);
    let path = path(&author, "P", &[place(&a, &Value::Null), place(&b, &Value::Null)]).await;
    enrol(&learner, &path).await;
    learner.finish(&a).await;
    author.put(&format!("{}/quests", at(&path)), json!({"quests": []})).await.expect(200);
    service.work_in_background().await;
    let row = progress(&learner, &path).await;
    let counts = [&row["completedQuestsCount"], &row["totalQuestsCount"], &row["totalExperienceEarned"]];
    assert_eq!(counts, [&json!(0); 3], "{row}");
    assert_eq!((&row["completionPercentage"], &row["status"]), (&json!(0.0), &json!("NotStarted")));
    verify(&pool).await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_opens_is_next_in_the_learners_other_paths_at_once(pool: PgPool) {
    let service = start(&pool, &[]).await;
    let (author, learner) = (service.author(), service.learner());
    let [a, b, c] = [author.quest("A", 2, 0).await, author.quest("B", 1, 0).await, author.quest("C", 1, 0).await];
    author.needs(&b, &[&a]).await.expect(200);
    let points = json!({"op": "xpEarned", "scope": "service", "min": 10});
    let first = path(&author, "First", &[place(&a, &Value::Null)]).await;
    let second = path(&author, "Second", &[place(&b, &Value::Null)]).await;
    let third = path(&author, "Third", &[place(&c, &points)]).await;
    for path in [&first, &second, &third] {
        enrol(&learner, path).await;
    }
    assert_eq!(progress(&learner, &second).await["currentQuestId"], Value::Null);
    let attempt = learner.attempt(&a).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    assert_eq!(progress(&learner, &third).await["currentQuestId"], c["id"], "by the points of a step");
    learner.complete(&attempt, &attempt["steps"][1], Value::Null).await.expect(200);
    assert_eq!(progress(&learner, &second).await["currentQuestId"], b["id"], "by the completion of a quest elsewhere");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_path_that_has_lost_what_was_begun_goes_on_as_not_started(pool: PgPool) {
    let service = start(&pool, &[]).await;
    let (author, learner) = (service.author(), service.learner());
    let (a, b) = (author.quest("A", 1, 50).await, author.quest("B", 1, 0).await);
    let path = path(&author, "P", &[place(&a, &Value::Null), place(&b, &Value::Null)]).await;
    enrol(&learner, &path).await;
    learner.attempt(&a).await;
    author.put(&format!("{}/quests", at(&path)), json!({"quests": [place(&b, &Value::Null)]})).await.expect(200);
    service.work_in_background().await;
    for (verb, status) in [("pause", "Paused"), ("resume", "NotStarted")] {
        let row = learner.post(&format!("{}/enrollment/{verb}", at(&path)), json!({})).await.expect(200);
        assert_eq!(row["status"], status);
    }
    verify(&pool).await;
}
