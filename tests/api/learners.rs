//! Erasing a learner, and what a learner takes out.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::assessments::{quiet, with};
use crate::assessments_grading::essay;
use crate::harness::{
    Client, Service, database, execute, http_client, path_of, rounds, rows, step, text, verify, wider,
};
use crate::peer_reviews::class;

const CANARY: &str = "canary-of-the-erased";

fn admin(service: &Service) -> Client {
    service.client_as(Uuid::new_v4(), &["Game Master"])
}

async fn erase(service: &Service, id: Uuid) {
    admin(service).delete(&format!("/v1/admin/learners/{id}")).await.expect(204);
}

/// Every column of every table that can hold an id or a text, with the number of its values that hold `what`.
async fn mentions(pool: &PgPool, what: &str) -> Vec<(String, i64)> {
    let columns = rows(
        pool,
        "SELECT columns.table_name, column_name, data_type
         FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations'
           AND data_type IN ('uuid', 'text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY')
         ORDER BY 1, 2",
    )
    .await;
    assert!(columns.len() > 100, "{}", columns.len());
    let mut found = Vec::new();
    for named in &columns {
        let (table, column) = (text(&named["table_name"]), text(&named["column_name"]));
        let value = if named["data_type"] == "bytea" {
            format!("encode(\"{column}\", 'escape')")
        } else {
            format!("\"{column}\"::text")
        };
        let sql = format!("SELECT count(*) AS n FROM \"{table}\" WHERE strpos({value}, '{what}') > 0");
        let count = rows(pool, &sql).await[0]["n"].as_i64().unwrap();
        if count > 0 {
            found.push((format!("{table}.{column}"), count));
        }
    }
    found
}

/// A learner who has left something in every table, text and role; with ids that are made of the learner's.
async fn everywhere(service: &Service, pool: &PgPool) -> (Client, Client, Vec<(Client, Value)>) {
    let author = service.author();
    let (quest, assessment, mut class) = class(service, &author, json!({}), 3).await;
    let (erased, attempt) = class.remove(0);
    // Also an author and a grader, once.
    let many = service.client_as(erased.id, &["Verified Lecturer"]);
    let own = many.quest("Quest of an author", 1, 10).await;
    let locked = author.quest("Locked", 1, 0).await;
    author.needs(&locked, &[&own]).await.expect(200);
    erased.patch(&format!("/v1/attempts/{}", text(&attempt["id"])), json!({"notes": CANARY})).await.expect(200);
    let begun = erased.attempt(&own).await;
    let headers = [("idempotency-key", "k1"), ("x-correlation-id", CANARY)];
    let path = format!("/v1/attempts/{}/steps/{}/complete", text(&begun["id"]), text(&begun["steps"][0]["stepId"]));
    let done = json!({"submissionData": {"text": CANARY}});
    erased.send(Method::POST, &path, &headers, Some(&done)).await.expect(200);
    let said = json!({"rating": 4, "category": "Other", "comment": CANARY});
    erased.post(&format!("{}/feedback", path_of(&own)), said).await.expect(201);
    let exception = json!({"authUserId": erased.id, "questId": locked["id"], "kind": "open", "reason": CANARY});
    let headers = [("idempotency-key", "k2")];
    admin(service).send(Method::POST, "/v1/admin/unlock-overrides", &headers, Some(&exception)).await.expect(201);
    let result = json!({"submissionId": CANARY, "authUserId": erased.id, "problemId": Uuid::new_v4(), "status": "Accepted",
                        "passedTests": [CANARY]});
    service.client_as(Uuid::new_v4(), &["service"]).post("/v1/integrations/coding-results", result).await.expect(200);
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_allocations(&db, &service.clock).await.unwrap();
    for (learner, _) in &class {
        for review in learner.all("/v1/me/peer-reviews?status=open").await {
            learner.review(&review, 8, 6).await;
        }
    }
    let open = erased.all("/v1/me/peer-reviews?status=open").await;
    let review =
        json!({"rubric": {"clarity": {"points": 8, "comment": CANARY}, "depth": {"points": 6}}, "comment": CANARY});
    erased.post(&format!("/v1/peer-reviews/{}", text(&open[0]["id"])), review).await.expect(200);
    // What takes long to bring about over HTTP.
    let (id, submission) = (erased.id, text(&assessment["id"]));
    let attempt = text(&attempt["id"]);
    for sql in [
        format!("UPDATE learning_paths SET created_by = '{id}'"),
        format!("UPDATE unlock_overrides SET created_by = '{id}'"),
        format!("INSERT INTO stream_tickets VALUES ('x', '{id}', now())"),
        format!("INSERT INTO learner_skill_levels VALUES ('{id}', '{CANARY}', 3)"),
        format!("INSERT INTO unlock_schedule VALUES ('{id}', '{}', now() + INTERVAL '1 year')", text(&quest["id"])),
        format!(
            "INSERT INTO user_learning_path_progress (auth_user_id, learning_path_id, left_at) SELECT '{id}', id, now() FROM learning_paths"
        ),
        format!(
            "UPDATE assessment_progress SET draft = '{{\"text\": \"{CANARY}\"}}', draft_saved_at = now(), try_started_at = now(), try_due_at = now(), try_ends_at = now() WHERE attempt_id = '{attempt}' AND assessment_id = '{submission}'"
        ),
        format!(
            "UPDATE quest_submissions SET feedback = '{CANARY}', result = '{{\"status\": \"{CANARY}\"}}' WHERE attempt_id = '{attempt}'"
        ),
        format!(
            "INSERT INTO assessment_progress (attempt_id, assessment_id, draft) VALUES ('{attempt}', '{submission}', '{{\"text\": \"{CANARY}\"}}') ON CONFLICT DO NOTHING"
        ),
        format!(
            "UPDATE user_quest_step_progress SET reviewed_by = '{id}', feedback = '{CANARY}' WHERE attempt_id IN (SELECT id FROM user_quest_attempts WHERE auth_user_id = '{id}')"
        ),
        format!("UPDATE quest_submissions SET graded_by = '{id}'"),
        format!(
            "INSERT INTO submission_grades (id, submission_id, graded_at, how, grader_id, late_percent, max_grade, feedback, rubric) SELECT gen_random_uuid(), id, now(), 'return', '{id}', 100, 20, '{CANARY}', '{{\"a\": {{\"points\": 1, \"comment\": \"{CANARY}\"}}}}' FROM quest_submissions WHERE attempt_id = '{attempt}'"
        ),
        format!("UPDATE quest_feedback SET resolution = '{CANARY}', resolved_at = now(), resolved_by = '{id}'"),
        format!(
            "INSERT INTO assessment_regrades (id, assessment_id, requested_by, requested_at, may_lower, total, after_learner, finished_at) VALUES (gen_random_uuid(), '{submission}', '{id}', now(), false, 0, '{id}', now())"
        ),
        format!(
            "INSERT INTO reevaluations (target_id, target_kind, requested_at, after_learner) VALUES ('{}', 'quest', now(), '{id}') ON CONFLICT (target_id) DO UPDATE SET after_learner = excluded.after_learner",
            text(&quest["id"])
        ),
        format!(
            "INSERT INTO result_recalls (assessment_id, after_learner) VALUES ('{submission}', '{id}') ON CONFLICT (assessment_id) DO UPDATE SET after_learner = excluded.after_learner"
        ),
        format!(
            "INSERT INTO event_replays (id, requested_by, requested_at, event_ids, auth_user_id, after_position, last_position, total) SELECT gen_random_uuid(), '{id}', now(), array_agg(id), '{id}', 0, 0, 0 FROM outbox_events WHERE auth_user_id = '{id}'"
        ),
        format!(
            "UPDATE outbox_events SET parked_at = now(), parked_reason = '{CANARY}' WHERE auth_user_id = '{id}' AND learner_seq = 2"
        ),
        format!(
            "INSERT INTO audit_log SELECT gen_random_uuid(), now(), '{}', 'x', 'learner', '{id}', '{{\"attemptId\": \"{attempt}\", \"reason\": \"{CANARY}\"}}', 'c'",
            Uuid::nil()
        ),
    ] {
        execute(pool, sql).await;
    }
    (erased, author, class)
}

#[tokio::test]
async fn nothing_of_an_erased_learner_is_left_in_any_column() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    author.post("/v1/learning-paths", json!({"name": "P", "description": "d", "pathType": "Course"})).await.expect(201);
    let (erased, _, class) = Box::pin(everywhere(&service, &pool)).await;
    let id = erased.id.to_string();

    // The canaries stand wherever a column is about people: a new one has to be thought of here.
    let before: Vec<String> = mentions(&pool, &id).await.into_iter().map(|(column, _)| column).collect();
    let people = rows(
        &pool,
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type = 'uuid'
           AND (column_name IN ('auth_user_id', 'actor_id', 'after_learner', 'reviewer_id', 'grader_id') OR column_name LIKE '%\\_by')",
    )
    .await;
    assert!(people.len() > 20, "{people:?}");
    let unthought: Vec<&str> = people
        .iter()
        .map(|column| text(&column["name"]))
        .filter(|column| !before.iter().any(|known| known == column))
        .collect();
    assert!(unthought.is_empty(), "not covered: {unthought:?}");
    let texts: Vec<String> = mentions(&pool, CANARY).await.into_iter().map(|(column, _)| column).collect();
    assert!(texts.len() >= 15, "{texts:?}");
    let made_of_it = format!(
        "SELECT id FROM outbox_events WHERE auth_user_id = '{id}' AND event_type IN ('XPGranted', 'ChallengeUnlocked')"
    );
    let ids = rows(&pool, &made_of_it).await;
    let sums = "SELECT (SELECT count(*) FROM user_quest_attempts) AS attempts, (SELECT sum(points) FROM reward_grants) AS points,
                       (SELECT count(*) FROM outbox_events) AS events, (SELECT count(*) FROM quest_submissions) AS submissions,
                       (SELECT count(*) FROM peer_reviews) AS reviews, (SELECT sum(rating) FROM quest_feedback) AS ratings,
                       (SELECT json_agg(analytics ORDER BY id) FROM quest_analytics AS analytics) AS analytics";
    let counts = rows(&pool, sums).await;

    erase(&service, erased.id).await;
    assert_eq!(mentions(&pool, &id).await, []);
    assert_eq!(mentions(&pool, CANARY).await, []);
    assert!(!ids.is_empty());
    for id in &ids {
        assert_eq!(mentions(&pool, text(&id["id"])).await, [], "an id that is made of the learner's");
    }
    assert_eq!(rows(&pool, sums).await, counts, "counts stay");
    let events = rows(&pool, "SELECT count(*) AS n FROM outbox_events WHERE erased_at IS NOT NULL AND published_at IS NOT NULL AND parked_at IS NULL").await;
    assert_ne!(events[0]["n"], 0);
    let audit = rows(&pool, "SELECT details FROM audit_log WHERE action = 'erase'").await;
    assert_eq!(audit.len(), 1);
    // Others keep what is theirs.
    let (other, attempt) = &class[0];
    assert!(
        other.submissions(attempt).await[0]["submissionData"]["text"].as_str().unwrap().starts_with("Work of number")
    );

    // Again, and for who is unknown: nothing happens.
    erase(&service, erased.id).await;
    erase(&service, Uuid::new_v4()).await;
    assert_eq!(rows(&pool, "SELECT id FROM audit_log WHERE action = 'erase'").await.len(), 1);
    service.learner().delete(&format!("/v1/admin/learners/{}", Uuid::new_v4())).await.problem(403, "forbidden");
    admin(&service).delete("/v1/admin/learners/nobody").await.problem(400, "malformed_id");
}

#[tokio::test]
async fn who_comes_back_is_new_and_what_is_left_is_told_nobody() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Again", 2, 50).await;
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    erase(&service, learner.id).await;
    verify(&pool).await;
    assert_eq!(learner.all("/v1/me/attempts").await, Vec::<Value>::new());
    learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.problem(404, "not_found");
    // An edit completes the attempt that is left of the first time.
    author
        .post(&format!("{}/steps/{}/retire", path_of(&quest), text(&attempt["steps"][1]["stepId"])), json!({}))
        .await
        .expect(200);
    service.work_in_background().await;
    let left = rows(&pool, "SELECT event_type, erased_at IS NOT NULL AND published_at IS NOT NULL AS silent FROM outbox_events ORDER BY position").await;
    assert!(left.iter().any(|event| event["event_type"] == "QuestCompleted"), "{left:?}");
    assert!(left.iter().all(|event| event["silent"] == true), "{left:?}");
    let last = learner.finish(&quest).await;
    assert_eq!(last["attempt"]["status"], "Completed");
    let own = rows(&pool, &format!("SELECT min(learner_seq) AS first, bool_and(published_at IS NULL) AS waits FROM outbox_events WHERE auth_user_id = '{}'", learner.id)).await;
    assert_eq!((&own[0]["first"], &own[0]["waits"]), (&json!(1), &json!(true)));
    verify(&pool).await;
}

#[tokio::test]
async fn no_job_that_runs_meanwhile_writes_an_erased_id_back() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let db = quests::db::Db::new(wider(&pool, 4).await);
    let mut erased = Vec::new();
    for round in 0..rounds(6, 200) {
        let (quest, _, class) = class(&service, &author, json!({}), 3).await;
        // Work for every job: reviews to hand out, attempts to compute anew, learners to judge anew.
        author.step(&quest, step("More")).await;
        author.quest("Gated", 1, 0).await;
        let (id, clock) = (class[round % 3].0.id, &service.clock);
        let ((), allocated, computed, judged) = tokio::join!(
            erase(&service, id),
            quests::assessments::service::run_allocations(&db, clock),
            quests::attempts::service::run_recomputes(&db, clock),
            quests::enrollments::service::run_reevaluations(&db, clock),
        );
        allocated.unwrap();
        computed.unwrap();
        judged.unwrap();
        erased.push(id.to_string());
    }
    for id in &erased {
        assert_eq!(mentions(&pool, id).await, []);
    }
    verify(&pool).await;
}

#[tokio::test]
async fn an_export_holds_everything_of_its_learner_and_nobody_elses() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    author.post("/v1/learning-paths", json!({"name": "P", "description": "d", "pathType": "Course"})).await.expect(201);
    let (learner, author, class) = Box::pin(everywhere(&service, &pool)).await;
    let reply = learner.get("/v1/me/export").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.header("content-disposition").unwrap().starts_with("attachment"));
    let export = reply.expect(200);
    assert_eq!(export["authUserId"], json!(learner.id));
    for (section, table, key) in [
        ("attempts", "user_quest_attempts", "auth_user_id"),
        ("enrollments", "user_learning_path_progress", "auth_user_id"),
        ("grants", "reward_grants", "auth_user_id"),
        ("unlocks", "quest_unlocks", "auth_user_id"),
        ("overrides", "unlock_overrides", "auth_user_id"),
        ("feedback", "quest_feedback", "auth_user_id"),
        ("evidence", "evidence", "auth_user_id"),
        ("skillLevels", "learner_skill_levels", "auth_user_id"),
        ("events", "outbox_events", "auth_user_id"),
        ("reviewsGiven", "peer_reviews", "reviewer_id"),
        ("changes", "audit_log", "actor_id"),
    ] {
        let there = rows(&pool, &format!("SELECT count(*) AS n FROM {table} WHERE {key} = '{}'", learner.id)).await;
        assert_eq!(json!(export[section].as_array().unwrap().len()), there[0]["n"], "{section}");
        assert_ne!(there[0]["n"], 0, "{section} is tried with nothing in it");
    }
    for section in ["steps", "assessments", "submissions"] {
        assert_ne!(export[section], json!([]), "{section}");
    }
    assert_eq!(export["submissions"][0]["submissionData"]["text"], "Work of number 0");
    assert_eq!(export["attempts"][0]["notes"], CANARY);
    let judged = &export["unlocks"][0]["judgedBy"];
    assert!(judged["questsCompleted"].is_array() && judged.get("criteria").is_none(), "{judged}");
    let seen = export.to_string();
    assert!(!seen.contains("passedTests") && !seen.contains("graderId") && !seen.contains("reviewerId"));
    for (other, attempt) in &class {
        assert!(!seen.contains(&other.id.to_string()) && !seen.contains(text(&attempt["id"])), "of others");
    }
    assert!(!seen.contains(&author.id.to_string()), "who wrote or graded");
    // A stranger's is empty, and whole.
    let empty = service.learner().get("/v1/me/export").await.expect(200);
    assert_eq!((&empty["attempts"], &empty["events"]), (&json!([]), &json!([])));
    service.anonymous().get("/v1/me/export").await.problem(401, "unauthorized");
}

/// Where rows of learners are, and the member of the export that holds them, or why none does.
const OF_LEARNERS: [(&str, Result<&str, &str>); 21] = [
    ("analytics_rejects", Err("a fault of the service's own")),
    ("assessment_progress", Ok("assessments")),
    ("assessment_wakeups", Err("when a job looks again")),
    ("audit_log", Ok("changes")),
    ("event_replays", Err("work of an admin; it is among the changes")),
    ("evidence", Ok("evidence")),
    ("evidence_applications", Ok("evidence")),
    ("idempotency_keys", Err("answers that were sent, for a day")),
    ("learner_skill_levels", Ok("skillLevels")),
    ("learners", Ok("authUserId")),
    ("outbox_events", Ok("events")),
    ("peer_reviews", Ok("reviewsGiven")),
    ("quest_feedback", Ok("feedback")),
    ("quest_submissions", Ok("submissions")),
    ("quest_unlocks", Ok("unlocks")),
    ("reward_grants", Ok("grants")),
    ("stream_tickets", Err("a key, for a minute")),
    ("submission_grades", Ok("submissions")),
    ("unlock_overrides", Ok("overrides")),
    ("unlock_schedule", Err("when a job looks again")),
    ("user_learning_path_progress", Ok("enrollments")),
];

#[tokio::test]
async fn no_table_of_learners_is_forgotten_by_their_export() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let found = rows(
        &pool,
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name IN
             ('auth_user_id', 'attempt_id', 'submission_id', 'evidence_id', 'reviewer_id', 'actor_id') ORDER BY 1",
    )
    .await;
    let found: Vec<&str> = found.iter().map(|row| text(&row["table_name"])).collect();
    let (attempts, steps) = ("user_quest_attempts", "user_quest_step_progress");
    let known: Vec<&str> = OF_LEARNERS.iter().map(|(table, _)| *table).chain([attempts, steps]).collect();
    assert_eq!(found, known, "what is new has a member of the export, or a reason here");
    let export = service.learner().get("/v1/me/export").await.expect(200);
    for (table, member) in OF_LEARNERS {
        if let Ok(member) = member {
            assert!(export.get(member).is_some(), "{table} is not in {member}");
        }
    }
}

#[tokio::test]
async fn an_export_has_replaced_grades_where_the_grade_may_be_seen() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let hidden = with(essay(), json!({"feedback": {"score": "never"}}));
    for (title, form) in [("Shown", essay()), ("Hidden", hidden)] {
        let (quest, assessment) = author.assessed(title, form, Value::Null).await;
        let attempt = learner.attempt(&quest).await;
        let work = json!({"text": title});
        let submission = learner.hand_in(&attempt, &assessment, work).await.expect(201)["submission"].clone();
        author.grade(&submission, json!({"grade": 9, "feedback": "Too good."})).await.expect(200);
        author.grade(&submission, json!({"grade": 2})).await.expect(200);
    }
    let export = learner.get("/v1/me/export").await.expect(200);
    let of = |title: &str| {
        let mut all = export["submissions"].as_array().unwrap().iter();
        all.find(|row| row["submissionData"]["text"] == title).unwrap()
    };
    let shown = of("Shown");
    assert_eq!(shown["grade"], 2.0);
    let replaced = shown["replacedGrades"].as_array().unwrap();
    assert_eq!(replaced.len(), 1, "{replaced:?}");
    assert_eq!((&replaced[0]["grade"], &replaced[0]["feedback"]), (&json!(9.0), &json!("Too good.")));
    assert_eq!((&of("Hidden")["grade"], &of("Hidden")["replacedGrades"]), (&Value::Null, &json!([])));
    assert!(!export.to_string().contains(&author.id.to_string()), "who graded");
}

#[tokio::test]
async fn a_large_export_comes_in_pieces_and_too_many_wait() {
    let pool = database().await;
    let setup = crate::harness::Setup { args: vec!["--max-exports=1".to_owned()], ..crate::harness::Setup::default() };
    let service = Service::start_with(&pool, setup).await;
    let learner = service.learner();
    let quest = service.author().quest("Long", 1, 10).await;
    learner.finish(&quest).await;
    // 30 MB of events.
    execute(&pool, format!("INSERT INTO outbox_events (id, auth_user_id, learner_seq, event_type, correlation_id, occurred_at, data, published_at)
        SELECT gen_random_uuid(), '{}', 1000 + n, 'X', 'c', now(), jsonb_build_object('t', repeat('x', 30000)), now() FROM generate_series(1, 1000) AS n", learner.id)).await;
    let slow = http_client()
        .get(format!("{}/v1/me/export", learner.base))
        .bearer_auth(learner.token.clone().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(slow.status(), 200);
    // It is not read, so that it cannot be over: the next one is told to come again.
    learner.get("/v1/me/export").await.problem(503, "unavailable");
    let whole: Value = serde_json::from_slice(&slow.bytes().await.unwrap()).unwrap();
    let events = rows(&pool, "SELECT count(*) AS n FROM outbox_events").await;
    assert_eq!(json!(whole["events"].as_array().unwrap().len()), events[0]["n"]);
}
