//! What opens a quest, for whom, and that nobody is left out: each a case that the model in `model/` found.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::users::Users;
use crate::harness::{Client, Service, Setup, database, path_of, rows, text, verify};

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

async fn availability(learner: &Client, quest: &Value) -> String {
    text(&learner.get(&path_of(quest)).await.expect(200)["my"]["availability"]).to_owned()
}

/// Whether the learner was told that the quest is open.
async fn was_told(pool: &PgPool, learner: &Client, quest: &Value) -> bool {
    let sql = format!(
        "SELECT 1 AS one FROM outbox_events WHERE event_type = 'ChallengeUnlocked' AND auth_user_id = '{}' AND data ->> 'questId' = '{}'",
        learner.id,
        text(&quest["id"])
    );
    !rows(pool, &sql).await.is_empty()
}

#[tokio::test]
async fn who_is_enrolled_goes_on_in_a_path_that_is_a_draft_again() {
    let pool = database().await;
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

#[tokio::test]
async fn a_path_that_has_lost_all_its_quests_counts_none() {
    let pool = database().await;
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

#[tokio::test]
async fn what_opens_is_next_in_the_learners_other_paths_at_once() {
    let pool = database().await;
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

#[tokio::test]
async fn an_edit_elsewhere_unlocks_for_everyone_who_qualifies() {
    let pool = database().await;
    let service = start(&pool, &[]).await;
    let (author, learner) = (service.author(), service.learner());
    let needed = [
        author.quest("Done", 1, 0).await,
        author.quest("Deactivated", 1, 0).await,
        author.quest("Deleted", 1, 0).await,
    ];
    let [done, deactivated, deleted] = &needed;
    let manual = json!({"op": "manual"});
    let mut quests = Vec::new();
    for (title, needs) in [
        ("One is deactivated", vec![done, deactivated]),
        ("One is deleted", vec![done, deleted]),
        ("It leaves its path", vec![done]),
        ("Its path is deleted", vec![done]),
        ("Its path is a draft again", vec![done]),
        ("Another path counts fewer", vec![done]),
        ("A chapter of a draft counts fewer", vec![done]),
    ] {
        let quest = author.quest(title, 1, 0).await;
        author.needs(&quest, &needs).await.expect(200);
        quests.push(quest);
    }
    let other = author.quest("Other", 1, 0).await;
    let left = path(&author, "Left", &[place(&quests[2], &manual), place(&other, &Value::Null)]).await;
    let gone = path(&author, "Gone", &[place(&quests[3], &manual)]).await;
    let draft = path(&author, "Draft", &[place(&quests[4], &manual)]).await;
    let counted = path(&author, "Counted", &[place(done, &Value::Null), place(&other, &Value::Null)]).await;
    let progress = json!({"op": "pathProgress", "pathId": counted["id"], "minPercent": 100});
    path(&author, "Counting", &[place(&quests[5], &progress)]).await;
    let sketch = author
        .post("/v1/learning-paths", json!({"name": "Sketch", "description": "A draft", "pathType": "Course"}))
        .await
        .expect(201);
    let chapter = author.post(&format!("{}/chapters", at(&sketch)), json!({"title": "One"})).await.expect(201);
    let within = |quest: &Value| {
        let mut place = place(quest, &Value::Null);
        place["chapterId"] = chapter["id"].clone();
        place
    };
    author.put(&format!("{}/quests", at(&sketch)), json!({"quests": [within(done), within(&other)]})).await.expect(200);
    let chapter_done = json!({"op": "chapterCompleted", "chapterId": chapter["id"]});
    path(&author, "Sketched", &[place(&quests[6], &chapter_done)]).await;
    learner.finish(done).await;
    service.work_in_background().await;
    for quest in &quests {
        assert_eq!(availability(&learner, quest).await, "locked", "{}", quest["title"]);
    }
    author.patch(&path_of(deactivated), json!({"isActive": false})).await.expect(200);
    assert_eq!(author.delete(&path_of(deleted)).await.status, 204);
    author.put(&format!("{}/quests", at(&left)), json!({"quests": [place(&other, &Value::Null)]})).await.expect(200);
    assert_eq!(author.delete(&at(&gone)).await.status, 204);
    author.post(&format!("{}/unpublish", at(&draft)), json!({})).await.expect(200);
    author.put(&format!("{}/quests", at(&counted)), json!({"quests": [place(done, &Value::Null)]})).await.expect(200);
    author.put(&format!("{}/quests", at(&sketch)), json!({"quests": [within(done)]})).await.expect(200);
    service.work_in_background().await;
    for quest in &quests {
        assert_eq!(availability(&learner, quest).await, "available", "{}", quest["title"]);
        assert!(was_told(&pool, &learner, quest).await, "{}", quest["title"]);
    }
    verify(&pool).await;
}

#[tokio::test]
async fn an_exception_that_is_over_leaves_nothing_open() {
    let pool = database().await;
    let service = start(&pool, &[]).await;
    let (author, learner) = (service.author(), service.learner());
    let admin = service.client_as(Uuid::new_v4(), &["Game Master"]);
    let (a, b) = (author.quest("A", 1, 0).await, author.quest("B", 1, 0).await);
    author.needs(&b, &[&a]).await.expect(200);
    for kind in ["waive", "open"] {
        let expires = service.clock.now() + TimeDelta::hours(1);
        let body =
            json!({"authUserId": learner.id, "questId": b["id"], "kind": kind, "reason": "Try", "expiresAt": expires});
        admin.post("/v1/admin/unlock-overrides", body).await.expect(201);
        assert_eq!(availability(&learner, &b).await, "available", "{kind}");
        assert!(was_told(&pool, &learner, &b).await);
        service.wait(3600);
        service.work_in_background().await;
        assert_eq!(availability(&learner, &b).await, "locked", "{kind}");
    }
    learner.finish(&a).await;
    assert_eq!(availability(&learner, &b).await, "available");
}

#[tokio::test]
async fn a_repeated_completion_shows_only_what_it_opened_itself() {
    let pool = database().await;
    let service = start(&pool, &[]).await;
    let (author, learner) = (service.author(), service.learner());
    let (a, b) = (author.quest("A", 1, 0).await, author.quest("B", 1, 0).await);
    author.needs(&b, &[&a]).await.expect(200);
    let mut later = place(&b, &Value::Null);
    later["unlockCriteria"] = json!({"v": 1, "window": {"opensAt": service.clock.now() + TimeDelta::hours(2)}});
    path(&author, "P", &[place(&a, &Value::Null), later]).await;
    let attempt = learner.attempt(&a).await;
    let first = learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    assert_eq!(first["unlocked"], json!([]), "its conditions are met, and its time has not come");
    service.wait(2 * 3600);
    service.work_in_background().await;
    assert!(was_told(&pool, &learner, &b).await);
    let again = learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    assert_eq!(again["unlocked"], first["unlocked"]);
}

#[tokio::test]
async fn a_path_that_has_lost_what_was_begun_goes_on_as_not_started() {
    let pool = database().await;
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

#[tokio::test]
async fn levels_that_were_too_old_open_quests_when_they_are_told_again() {
    let pool = database().await;
    let users = Users::start().await;
    let service = start(&pool, &[format!("--user-service-url={}", users.base)]).await;
    let (author, learner) = (service.author(), service.learner());
    let (a, b) = (author.quest("A", 1, 0).await, author.quest("B", 1, 0).await);
    let level = |least: i32| json!({"op": "skillLevel", "skillTag": "pointers", "minLevel": least});
    let path = path(&author, "P", &[place(&a, &Value::Null), place(&b, &level(9))]).await;
    enrol(&learner, &path).await;
    users.has("pointers", 3);
    learner.get(&format!("/v1/me/learning-paths/{}", text(&path["id"]))).await.expect(200);
    service.wait(25 * 3600);
    let places = [place(&a, &Value::Null), place(&b, &level(3))];
    author.put(&format!("{}/quests", at(&path)), json!({"quests": places})).await.expect(200);
    service.work_in_background().await;
    assert_eq!(availability(&learner, &b).await, "locked", "nobody knows the level any more");
    learner.get(&format!("/v1/me/learning-paths/{}", text(&path["id"]))).await.expect(200);
    assert_eq!(availability(&learner, &b).await, "available");
    assert!(was_told(&pool, &learner, &b).await, "the same level as before, but now it is known");
}

#[tokio::test]
async fn what_waits_to_be_judged_with_its_path_is_judged_when_it_has_left() {
    let pool = database().await;
    let service = start(&pool, &[]).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let [a, b, c] = [author.quest("A", 1, 0).await, author.quest("B", 1, 0).await, author.quest("C", 1, 0).await];
    let path = path(&author, "P", &[place(&b, &Value::Null), place(&c, &Value::Null)]).await;
    enrol(&other, &path).await;
    author.post(&format!("{}/unpublish", at(&path)), json!({})).await.expect(200);
    learner.finish(&a).await;
    service.work_in_background().await;
    author.needs(&b, &[&a]).await.expect(200);
    author.put(&format!("{}/quests", at(&path)), json!({"quests": [place(&c, &Value::Null)]})).await.expect(200);
    service.work_in_background().await;
    assert!(was_told(&pool, &learner, &b).await);
}
