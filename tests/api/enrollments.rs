//! Learners in learning paths: gates, enrolment, progress, the picture, exceptions, jobs.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::broker::Consumer;
use crate::harness::users::Users;
use crate::harness::{Client, Service, Setup, amqp_url, database, execute, path_of, rows, text, verify};

/// A published path of quests, each with whether it is mandatory and its criteria.
pub async fn path(pool: &PgPool, name: &str, quests: &[(&Value, bool, Value)]) -> String {
    let id = Uuid::now_v7().to_string();
    let sql = format!(
        "INSERT INTO learning_paths (id, name, description, path_type, is_published, created_by)
         VALUES ('{id}', '{name}', 'A path', 'Course', TRUE, gen_random_uuid())"
    );
    execute(pool, sql).await;
    for (index, (quest, mandatory, criteria)) in quests.iter().enumerate() {
        let criteria = if criteria.is_null() { "NULL".to_owned() } else { format!("'{criteria}'") };
        let sql = format!(
            "INSERT INTO learning_path_quests (learning_path_id, quest_id, difficulty_level, sequence_order, is_mandatory, unlock_criteria)
             VALUES ('{id}', '{}', 'Beginner', {}, {mandatory}, {criteria})",
            text(&quest["id"]),
            index + 1
        );
        execute(pool, sql).await;
    }
    count_points(pool).await;
    id
}

async fn count_points(pool: &PgPool) {
    let sql = "UPDATE learning_paths AS path SET total_experience_points = (
                   SELECT coalesce(sum(quest.experience_points_reward + (SELECT sum(experience_points) FROM quest_steps WHERE quest_id = quest.id)), 0)
                   FROM learning_path_quests AS link JOIN quests AS quest ON quest.id = link.quest_id WHERE link.learning_path_id = path.id)";
    execute(pool, sql.to_owned()).await;
}

#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
fn when(condition: Value) -> Value {
    json!({"v": 1, "when": condition})
}

async fn availability(learner: &Client, quest: &Value) -> String {
    let quest = learner.get(&path_of(quest)).await.expect(200);
    text(&quest["my"]["availability"]).to_owned()
}

async fn enrolled(learner: &Client, path: &str) -> Value {
    learner.post(&format!("/v1/learning-paths/{path}/enrollment"), json!({})).await.expect(201)
}

#[tokio::test]
async fn points_in_a_path_end_at_the_largest_number() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Rich", 2, 50).await;
    let id = path(&pool, "Riches", &[(&quest, true, Value::Null)]).await;
    enrolled(&learner, &id).await;
    execute(&pool, format!("UPDATE quest_steps SET experience_points = 20 WHERE quest_id = '{}'", text(&quest["id"])))
        .await;
    let attempt = learner.attempt(&quest).await;
    // The start has summed them up.
    execute(&pool, format!("UPDATE user_learning_path_progress SET total_experience_earned = 2147483640 WHERE learning_path_id = '{id}'")).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    let earned = rows(
        &pool,
        &format!(
            "SELECT total_experience_earned AS earned FROM user_learning_path_progress WHERE learning_path_id = '{id}'"
        ),
    )
    .await;
    assert_eq!(earned[0]["earned"], json!(2_147_483_647_i64));
}

/// Asks until the quest was announced to the learner.
async fn until_announced(pool: &PgPool, learner: &Client, quest: &Value) {
    let sql = format!(
        "SELECT 1 AS one FROM outbox_events WHERE event_type = 'ChallengeUnlocked' AND auth_user_id = '{}' AND data ->> 'questId' = '{}'",
        learner.id,
        text(&quest["id"])
    );
    let asked = async {
        while rows(pool, &sql).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let announced = tokio::time::timeout(std::time::Duration::from_secs(15), asked).await;
    assert!(announced.is_ok(), "{} is never announced", quest["title"]);
}

/// Until the background has judged whom edits have touched.
async fn until_nothing_waits(pool: &PgPool) {
    let asked = async {
        while !rows(pool, "SELECT * FROM reevaluations").await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(15), asked).await.expect("the work ends");
}

#[tokio::test]
async fn criteria_of_a_path_gate_explain_and_open_a_quest() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let [a, b, c] = [author.quest("A", 1, 50).await, author.quest("B", 1, 50).await, author.quest("C", 1, 0).await];
    let condition = json!({"op": "any", "of": [
        {"op": "all", "of": [{"op": "questCompleted", "questId": a["id"]}, {"op": "xpEarned", "min": 100}]},
        {"op": "skillLevel", "skillTag": "pointers", "minLevel": 3},
    ]});
    let id = path(&pool, "P", &[(&a, true, Value::Null), (&b, true, Value::Null), (&c, true, when(condition))]).await;
    assert_eq!(availability(&learner, &c).await, "locked");
    let refused = learner.post(&format!("{}/attempt", path_of(&c)), json!({})).await.problem(409, "quest_locked");
    assert_eq!(refused["learningPaths"][0]["learningPathId"], json!(id));
    let explained = learner.get(&format!("{}/eligibility", path_of(&c))).await.expect(200);
    let gate = &explained["learningPaths"][0];
    assert_eq!((&gate["state"], &gate["isOpen"]), (&json!("unknown"), &json!(false)), "{gate}");
    let all = &gate["criteria"]["of"][0];
    assert_eq!(all["of"][0]["state"], "unmet");
    assert_eq!((&all["of"][1]["current"], &all["of"][1]["target"]), (&json!(0.0), &json!(100.0)));
    assert_eq!(gate["criteria"]["of"][1]["state"], "unknown", "levels that nobody has told are unknown");
    assert_eq!(learner.finish(&a).await["unlocked"], json!([]));
    // The points of a step are enough: nothing has to be completed.
    let attempt = learner.attempt(&b).await;
    let last = learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    assert_eq!(last["unlocked"], json!([{"questId": c["id"], "title": "C"}]));
    assert_eq!(availability(&learner, &c).await, "available");
    // What was met once stays met.
    let harder = when(json!({"op": "manual"}));
    let sql =
        format!("UPDATE learning_path_quests SET unlock_criteria = '{harder}' WHERE quest_id = '{}'", text(&c["id"]));
    execute(&pool, sql).await;
    assert_eq!(availability(&learner, &c).await, "available");
    assert_eq!(availability(&service.learner(), &c).await, "locked");
    learner.finish(&c).await;
    verify(&pool).await;
}

#[tokio::test]
async fn a_step_that_pays_enough_opens_a_quest_before_its_own_is_completed() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (a, b) = (author.quest("A", 3, 50).await, author.quest("B", 1, 0).await);
    let criteria = when(json!({"op": "xpEarned", "min": 20}));
    let id = path(&pool, "P", &[(&a, true, Value::Null), (&b, true, criteria)]).await;
    enrolled(&learner, &id).await;
    let attempt = learner.attempt(&a).await;
    let steps = attempt["steps"].as_array().unwrap();
    assert_eq!(learner.complete(&attempt, &steps[0], Value::Null).await.expect(200)["unlocked"], json!([]));
    let second = learner.complete(&attempt, &steps[1], Value::Null).await.expect(200);
    assert_eq!(second["unlocked"][0]["questId"], b["id"]);
    let again = learner.complete(&attempt, &steps[1], Value::Null).await.expect(200);
    assert_eq!(again["unlocked"], second["unlocked"], "a repeated call says the same");
    let mine = learner.get("/v1/me/learning-paths").await.expect(200);
    assert_eq!(mine["items"][0]["totalExperienceEarned"], 20);
    verify(&pool).await;
}

#[tokio::test]
async fn enrolment_counts_what_was_done_before_and_follows_to_the_end() {
    let pool = database().await;
    let amqp = amqp_url();
    let args = vec!["--background-jobs=true".to_owned()];
    let setup = Setup { amqp_url: Some(amqp.clone()), args, ..Setup::default() };
    let consumer = Consumer::start(&amqp, &setup.exchange).await;
    let service = Service::start_with(&pool, setup).await;
    let (author, learner) = (service.author(), service.learner());
    let [a, b, c] = [author.quest("A", 1, 50).await, author.quest("B", 1, 40).await, author.quest("C", 1, 30).await];
    author.needs(&b, &[&a]).await.expect(200);
    let id = path(&pool, "P", &[(&a, true, Value::Null), (&b, true, Value::Null), (&c, false, Value::Null)]).await;
    learner.finish(&a).await;
    let enrollment = enrolled(&learner, &id).await;
    assert_eq!(enrollment["status"], "InProgress");
    assert_eq!((&enrollment["completedQuestsCount"], &enrollment["totalQuestsCount"]), (&json!(1), &json!(2)));
    assert_eq!((&enrollment["completionPercentage"], &enrollment["totalExperienceEarned"]), (&json!(50.0), &json!(60)));
    assert_eq!(enrollment["currentQuestId"], b["id"]);
    let again = learner.post(&format!("/v1/learning-paths/{id}/enrollment"), json!({})).await.expect(200);
    assert_eq!(again, enrollment);
    let verb = |verb: &str| format!("/v1/learning-paths/{id}/enrollment/{verb}");
    assert_eq!(learner.post(&verb("pause"), json!({})).await.expect(200)["status"], "Paused");
    assert_eq!(learner.post(&verb("pause"), json!({})).await.expect(200)["status"], "Paused");
    assert_eq!(learner.post(&verb("resume"), json!({})).await.expect(200)["status"], "InProgress");
    let leave = format!("/v1/learning-paths/{id}/enrollment");
    assert_eq!(learner.delete(&leave).await.status, 204);
    learner.delete(&leave).await.problem(404, "not_found");
    assert_eq!(learner.get("/v1/me/learning-paths").await.expect(200)["items"], json!([]));
    let attempt = learner.attempt(&b).await;
    let back = learner.post(&leave, json!({})).await.expect(200);
    assert_eq!((&back["leftAt"], &back["currentQuestId"]), (&Value::Null, &b["id"]));
    learner.post(&format!("/v1/attempts/{}/pause", text(&attempt["id"])), json!({})).await.expect(200);
    let mine = learner.get("/v1/me/learning-paths").await.expect(200);
    assert_eq!(mine["items"][0]["currentQuestId"], b["id"], "a paused quest is the first that can be taken up: {mine}");
    learner.post(&format!("/v1/attempts/{}/resume", text(&attempt["id"])), json!({})).await.expect(200);
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    let done = learner.get("/v1/me/learning-paths?status=Completed").await.expect(200)["items"][0].clone();
    assert_eq!((&done["completionPercentage"], &done["totalExperienceEarned"]), (&json!(100.0), &json!(110)));
    assert_eq!(done["newContentSinceCompletion"], false);
    learner.post(&verb("pause"), json!({})).await.problem(409, "invalid_transition");
    consumer
        .until("the path's completion", |seen| seen.iter().any(|event| event.body["type"] == "LearningPathCompleted"))
        .await;
    let events = consumer.all();
    let types: Vec<&str> = events.iter().map(|event| text(&event.body["type"])).collect();
    assert_eq!(types.iter().filter(|kind| kind.starts_with("LearningPath")).count(), 2, "{types:?}");
    let last = &events[events.len() - 1].body;
    assert_eq!(last["type"], "LearningPathCompleted");
    assert_eq!(last["data"]["name"], "P");
    assert_eq!(
        (&last["data"]["completedQuestsCount"], &last["data"]["totalExperienceEarned"]),
        (&json!(2), &json!(110))
    );
    let d = author.quest("D", 1, 0).await;
    let sql = format!(
        "INSERT INTO learning_path_quests (learning_path_id, quest_id, difficulty_level, sequence_order)
         VALUES ('{id}', '{}', 'Beginner', 4)",
        text(&d["id"])
    );
    execute(&pool, sql).await;
    let done = learner.get("/v1/me/learning-paths").await.expect(200)["items"][0].clone();
    assert_eq!((&done["status"], &done["newContentSinceCompletion"]), (&json!("Completed"), &json!(true)));
    count_points(&pool).await;
    execute(
        &pool,
        format!("INSERT INTO reevaluations (target_id, target_kind, requested_at) VALUES ('{id}', 'path', now())"),
    )
    .await;
    until_nothing_waits(&pool).await;
    verify(&pool).await;
}

#[tokio::test]
async fn the_picture_shows_chapters_status_what_is_missing_and_what_is_next() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let [a, b, c, d] = [
        author.quest("A", 1, 50).await,
        author.quest("B", 1, 40).await,
        author.quest("C", 1, 30).await,
        author.quest("D", 1, 0).await,
    ];
    let hidden = json!({"v": 1, "when": {"op": "manual"}, "lockedView": "hidden"});
    let titled = json!({"v": 1, "when": {"op": "questCompleted", "questId": a["id"]}, "lockedView": "title"});
    let later = json!({"v": 1, "window": {"opensAt": "2026-09-02T00:00:00Z"}});
    let id =
        path(&pool, "P", &[(&a, true, Value::Null), (&b, true, titled), (&c, true, later), (&d, false, hidden)]).await;
    let chapter = Uuid::now_v7();
    let sql = format!(
        "INSERT INTO quest_chapters (id, learning_path_id, title, sequence, end_date) VALUES ('{chapter}', '{id}', 'One', 1, '2026-08-31')"
    );
    execute(&pool, sql).await;
    execute(&pool, format!("UPDATE learning_path_quests SET chapter_id = '{chapter}' WHERE sequence_order <= 2")).await;
    enrolled(&learner, &id).await;
    let see = async || learner.get(&format!("/v1/me/learning-paths/{id}")).await.expect(200);
    let picture = see().await;
    let one = &picture["chapters"][0];
    assert_eq!((&one["title"], &one["isOverdue"], &one["status"]), (&json!("One"), &json!(true), &json!("NotStarted")));
    assert_eq!(one["quests"][1]["title"], "B");
    assert_eq!(one["quests"][1]["my"]["availability"], "locked");
    assert_eq!(one["quests"][1]["locked"], Value::Null, "only the title is shown");
    let rest = &picture["chapters"][1];
    assert_eq!(rest["chapterId"], Value::Null);
    assert_eq!(rest["quests"].as_array().unwrap().len(), 1, "what is hidden is not there: {rest}");
    assert_eq!(rest["quests"][0]["locked"]["learningPaths"][0]["opensAt"], "2026-09-02T00:00:00Z");
    assert_eq!(picture["nextAction"], json!({"kind": "startQuest", "questId": a["id"], "title": "A"}));
    learner.get(&path_of(&d)).await.problem(404, "not_found");
    learner.post(&format!("{}/attempt", path_of(&d)), json!({})).await.problem(404, "not_found");
    let quest = learner.get(&path_of(&b)).await.expect(200);
    assert_eq!((&quest["title"], &quest["description"]), (&json!("B"), &json!("")));
    let listed = learner.all("/v1/quests").await;
    assert!(!listed.iter().any(|quest| quest["title"] == "D"));
    learner.finish(&a).await;
    learner.finish(&b).await;
    let picture = see().await;
    assert_eq!(picture["nextAction"], json!({"kind": "wait", "until": "2026-09-02T00:00:00Z"}));
    assert_eq!((&picture["completionPercentage"], &picture["experienceEarned"]), (&json!(66.66), &json!(110)));
    assert_eq!(
        (&picture["chapters"][0]["status"], &picture["chapters"][0]["isOverdue"]),
        (&json!("Completed"), &json!(false))
    );
    let reply = learner.get(&format!("/v1/me/learning-paths/{id}")).await;
    let tag = reply.header("etag").unwrap().to_owned();
    let path = format!("/v1/me/learning-paths/{id}");
    let same = learner.send(reqwest::Method::GET, &path, &[("if-none-match", &tag)], None).await;
    assert_eq!(same.status, 304);
    service.wait(17 * 3600);
    assert_eq!(see().await["nextAction"]["kind"], "startQuest");
    service.learner().get(&path).await.expect(200);
    execute(&pool, "UPDATE learning_paths SET is_published = FALSE".to_owned()).await;
    learner.get(&path).await.expect(200);
    service.learner().get(&path).await.problem(404, "not_found");
    service.learner().post(&format!("/v1/learning-paths/{id}/enrollment"), json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn time_opens_what_waits_for_it_and_announces_it_once() {
    let pool = database().await;
    let args = ["--background-jobs=true", "--unlock-interval-seconds=1"].map(str::to_owned).to_vec();
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    let (author, learner) = (service.author(), service.learner());
    let [a, b, c, d] = [
        author.quest("A", 1, 50).await,
        author.quest("B", 1, 0).await,
        author.quest("C", 1, 0).await,
        author.quest("D", 1, 0).await,
    ];
    let delay = when(json!({"op": "delay", "since": "questCompleted", "questId": a["id"], "hours": 24}));
    let since_start = when(json!({"op": "delay", "since": "pathStarted", "hours": 48}));
    let at: DateTime<Utc> = service.clock.now() + chrono::TimeDelta::hours(72);
    let window = json!({"v": 1, "when": {"op": "questCompleted", "questId": a["id"]}, "window": {"opensAt": at}});
    let quests = [(&a, true, Value::Null), (&b, true, delay), (&c, true, since_start), (&d, true, window)];
    let id = path(&pool, "P", &quests).await;
    enrolled(&learner, &id).await;
    assert_eq!(learner.finish(&a).await["unlocked"], json!([]));
    for (quest, hours) in [(&b, 24), (&c, 24), (&d, 24)] {
        assert_eq!(availability(&learner, quest).await, "locked");
        service.wait(hours * 3600);
        until_announced(&pool, &learner, quest).await;
        assert_eq!(availability(&learner, quest).await, "available");
    }
    assert_eq!(rows(&pool, "SELECT * FROM unlock_schedule").await, Vec::<Value>::new());
    let mine = learner.get("/v1/me/learning-paths").await.expect(200)["items"][0].clone();
    assert_eq!(mine["currentQuestId"], b["id"]);
    for quest in [&b, &c, &d] {
        learner.finish(quest).await;
    }
    let announced = rows(&pool, "SELECT count(*) AS n FROM outbox_events WHERE event_type = 'ChallengeUnlocked'").await;
    assert_eq!(announced[0]["n"], 3);
    verify(&pool).await;
}

#[tokio::test]
async fn a_paused_or_later_chapter_takes_no_new_starts_but_goes_on_with_those_begun() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let a = author.quest("A", 2, 50).await;
    let id = path(&pool, "P", &[(&a, true, Value::Null)]).await;
    let chapter = Uuid::now_v7();
    execute(
        &pool,
        format!(
            "INSERT INTO quest_chapters (id, learning_path_id, title, sequence) VALUES ('{chapter}', '{id}', 'One', 1)"
        ),
    )
    .await;
    execute(&pool, format!("UPDATE learning_path_quests SET chapter_id = '{chapter}'")).await;
    let attempt = learner.attempt(&a).await;
    for change in ["status = 'Paused'", "status = 'NotStarted', start_date = '2026-10-01'"] {
        execute(&pool, format!("UPDATE quest_chapters SET {change}")).await;
        let late = service.learner();
        assert_eq!(availability(&late, &a).await, "locked");
        late.post(&format!("{}/attempt", path_of(&a)), json!({})).await.problem(409, "quest_locked");
    }
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    service.wait(30 * 24 * 3600);
    assert_eq!(availability(&service.learner(), &a).await, "available");
}

#[tokio::test]
async fn an_admin_opens_or_waives_for_one_learner_with_a_reason() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let admin = service.client_as(Uuid::new_v4(), &["Game Master"]);
    let [a, b, c] = [author.quest("A", 1, 50).await, author.quest("B", 1, 0).await, author.quest("C", 1, 0).await];
    author.needs(&b, &[&a]).await.expect(200);
    path(&pool, "P", &[(&c, true, when(json!({"op": "manual"})))]).await;
    let make = |quest: &Value, kind: &str, expires: Value| json!({"authUserId": learner.id, "questId": quest["id"], "kind": kind, "reason": "Knows it", "expiresAt": expires});
    author.post("/v1/admin/unlock-overrides", make(&b, "waive", Value::Null)).await.problem(403, "forbidden");
    let past = make(&b, "waive", json!("2026-08-01T00:00:00Z"));
    admin.post("/v1/admin/unlock-overrides", past).await.problem(422, "validation_failed");
    let far = make(&b, "waive", json!("+20000-01-01T00:00:00Z"));
    let problem = admin.post("/v1/admin/unlock-overrides", far).await.problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/expiresAt");
    let nowhere = json!({"authUserId": learner.id, "questId": Uuid::new_v4(), "kind": "open", "reason": "x"});
    admin.post("/v1/admin/unlock-overrides", nowhere).await.problem(422, "validation_failed");
    let made = admin.post("/v1/admin/unlock-overrides", make(&b, "waive", Value::Null)).await.expect(201);
    assert_eq!(made["reason"], "Knows it");
    let soon = json!(service.clock.now() + chrono::TimeDelta::hours(1));
    admin.post("/v1/admin/unlock-overrides", make(&c, "open", soon)).await.expect(201);
    until_announced(&pool, &learner, &b).await;
    until_announced(&pool, &learner, &c).await;
    assert_eq!(availability(&learner, &b).await, "available");
    assert_eq!(availability(&learner, &c).await, "available");
    let explained = learner.get(&format!("{}/eligibility", path_of(&c))).await.expect(200);
    assert_eq!(explained["exception"], "open");
    assert_eq!(availability(&other, &b).await, "locked");
    service.wait(3600);
    assert_eq!(availability(&learner, &c).await, "locked", "its time is over");
    learner.finish(&b).await;
    let audited = rows(&pool, "SELECT actor_id, details FROM audit_log WHERE action = 'override unlock'").await;
    assert_eq!(audited.len(), 2);
    assert_eq!(audited[0]["actor_id"], json!(admin.id));
    verify(&pool).await;
}

#[tokio::test]
async fn graders_see_the_learners_of_a_path_page_by_page() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let a = author.quest("A", 1, 50).await;
    let id = path(&pool, "P", &[(&a, true, Value::Null)]).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let learner = service.learner();
        enrolled(&learner, &id).await;
        ids.push(learner.id.to_string());
    }
    ids.sort();
    let roster = format!("/v1/learning-paths/{id}/learners");
    service.learner().get(&roster).await.problem(403, "forbidden");
    let first = author.get(&format!("{roster}?limit=2")).await.expect(200);
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let all: Vec<String> = author.all(&roster).await.iter().map(|row| text(&row["authUserId"]).to_owned()).collect();
    assert_eq!(all, ids);
    assert_eq!(author.get(&format!("{roster}?status=Completed")).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn who_qualifies_already_is_unlocked_in_the_background_after_an_edit() {
    let pool = database().await;
    let service = Service::start_with_jobs(&pool).await;
    let author = service.author();
    let (a, b) = (author.quest("A", 1, 50).await, author.quest("B", 1, 0).await);
    let learners: Vec<Client> = (0..5).map(|_| service.learner()).collect();
    for learner in &learners {
        learner.finish(&a).await;
    }
    let criteria = when(json!({"op": "questCompleted", "questId": a["id"]}));
    let id = path(&pool, "P", &[(&b, true, criteria)]).await;
    enrolled(&learners[0], &id).await;
    // As publishing asks for it; one who cannot be judged must not be in the way of the others.
    execute(
        &pool,
        format!("INSERT INTO reevaluations (target_id, target_kind, requested_at) VALUES ('{id}', 'path', now())"),
    )
    .await;
    for learner in &learners {
        until_announced(&pool, learner, &b).await;
    }
    until_nothing_waits(&pool).await;
    verify(&pool).await;
}

#[tokio::test]
async fn who_is_refused_by_the_user_service_keeps_nobody_else_from_it() {
    let pool = database().await;
    let users = Users::start().await;
    let args = vec![format!("--user-service-url={}", users.base)];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    let quest = service.author().quest("A", 1, 0).await;
    let criteria = when(json!({"op": "skillLevel", "skillTag": "Pointers", "minLevel": 2}));
    path(&pool, "P", &[(&quest, true, criteria)]).await;
    users.has("pointers", 3);
    let state = async |learner: &Client| {
        let explained = learner.get(&format!("{}/eligibility", path_of(&quest))).await.expect(200);
        explained["learningPaths"][0]["criteria"]["state"].clone()
    };
    for (status, others) in [(400, "met"), (401, "met"), (403, "met"), (404, "met"), (429, "unknown"), (500, "unknown")]
    {
        users.refuses(status);
        // A 404 may be a gateway's: it is no word about the learner.
        assert_eq!(state(&service.learner()).await, "unknown", "{status}");
        users.refuses(0);
        assert_eq!(state(&service.learner()).await, others, "{status}");
        service.wait(10);
    }
}

#[tokio::test]
async fn skill_levels_open_when_they_rise_and_are_unknown_when_too_old() {
    let pool = database().await;
    let users = Users::start().await;
    let args = vec![format!("--user-service-url={}", users.base)];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    let (author, learner) = (service.author(), service.learner());
    let [a, b] = [author.quest("A", 1, 0).await, author.quest("B", 1, 0).await];
    learner.get(&format!("{}/eligibility", path_of(&a))).await.expect(200);
    assert_eq!(users.calls(), 0, "nobody asks for levels that no criterion wants");
    let criteria = |level: i32| when(json!({"op": "skillLevel", "skillTag": "Pointers", "minLevel": level}));
    path(&pool, "P", &[(&a, true, criteria(2)), (&b, true, criteria(4))]).await;
    let state = async |quest: &Value| {
        let explained = learner.get(&format!("{}/eligibility", path_of(quest))).await.expect(200);
        explained["learningPaths"][0]["criteria"].clone()
    };
    users.is_down(true);
    assert_eq!(state(&a).await["state"], "unknown");
    let asked = users.calls();
    assert_eq!(state(&a).await["state"], "unknown");
    assert_eq!(users.calls(), asked, "who has just failed is left in peace");
    users.is_down(false);
    users.has("pointers", 1);
    service.wait(10);
    let judged = state(&a).await;
    assert_eq!((&judged["state"], &judged["current"]), (&json!("unmet"), &json!(1.0)));
    users.has("pointers", 3);
    service.wait(61);
    assert_eq!(state(&a).await["state"], "met");
    until_announced(&pool, &learner, &a).await;
    learner.post(&format!("{}/attempt", path_of(&b)), json!({})).await.problem(409, "quest_locked");
    users.is_down(true);
    service.wait(3600);
    assert_eq!(state(&b).await["state"], "unmet", "believed for a while");
    service.wait(25 * 3600);
    assert_eq!(state(&b).await["state"], "unknown", "too old");
    assert_eq!(availability(&learner, &a).await, "available", "what was met once stays met");
}
