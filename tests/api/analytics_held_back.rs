//! Numbers of small groups that would follow from two answers, or from two parts of one.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::analytics::{ask, begun, columns, done_to, group, of, quiz, tried};
use crate::analytics_privacy::{buckets_hide, path_hides, quest_hides};
use crate::harness::{Client, Service, database, execute, text};

const DAY: &str = "2026-08-25T10:00:00Z";

fn of_path(path: &str) -> String {
    format!("/v1/learning-paths/{path}/analytics")
}

/// A path of quests, in their order, and whether each is mandatory; published where one is.
async fn path_of_quests(author: &Client, quests: &[(&Value, bool)]) -> String {
    let path = author
        .post("/v1/learning-paths", json!({"name": "Path", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    let id = text(&path["id"]).to_owned();
    let place = |(quest, is_mandatory): &(&Value, bool)| json!({"questId": quest["id"], "difficultyLevel": "Beginner", "isMandatory": is_mandatory});
    let places: Vec<Value> = quests.iter().map(place).collect();
    author.put(&format!("/v1/learning-paths/{id}/quests"), json!({ "quests": places })).await.expect(200);
    if quests.iter().any(|(_, is_mandatory)| *is_mandatory) {
        author.post(&format!("/v1/learning-paths/{id}/publish"), json!({})).await.expect(200);
    }
    id
}

/// So many learners who enrolled, the first of them through; and of which numbers (from, to) each quest is completed.
async fn enrolled(pool: &PgPool, path: &str, learners: i32, through: i32, completed: &[(&Value, i32, i32)]) {
    let quests: Vec<String> =
        completed.iter().map(|(quest, from, to)| format!("('{}'::uuid, {from}, {to})", text(&quest["id"]))).collect();
    execute(
        pool,
        format!(
            "WITH who AS (SELECT gen_random_uuid() AS learner, n FROM generate_series(1, {learners}) AS n),
             enrolled AS (INSERT INTO user_learning_path_progress (auth_user_id, learning_path_id, status, started_at, completed_at, completion_percentage, enrolled_at)
                 SELECT learner, '{path}', CASE WHEN n <= {through} THEN 'Completed' ELSE 'InProgress' END::path_progress_status, '{DAY}',
                        CASE WHEN n <= {through} THEN '{DAY}'::timestamptz END, CASE WHEN n <= {through} THEN 100 ELSE 0 END, '{DAY}' FROM who)
             INSERT INTO user_quest_attempts (auth_user_id, quest_id, status, started_at, completed_at, completion_percentage)
                 SELECT learner, quest, 'Completed', '{DAY}', '{DAY}', 100
                 FROM who JOIN (VALUES (gen_random_uuid(), 0, 0), {}) AS of (quest, first, last) ON n BETWEEN first AND last",
            quests.join(", ")
        ),
    )
    .await;
}

#[tokio::test]
async fn items_of_a_quiz_tell_no_number_that_its_tries_hold_back() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let wrong = json!({"a": "y", "b": "y", "c": "y", "d": "y"});
    let (quest, assessment) = quiz(&author, "Tried by 18").await;
    tried(&pool, &quest, &assessment, 18, &wrong, 0).await;
    begun(&pool, &quest, &[group(2, DAY, 0, false, "InProgress")]).await;
    let told = author.get(&of(&quest, "")).await.expect(200);
    quest_hides(&told);
    let figures = &told["assessments"][0];
    assert_eq!((&told["cohort"]["started"], &figures["tried"]), (&json!(20), &Value::Null), "{figures:#}");
    for item in figures["items"].as_array().unwrap() {
        for field in ["tries", "facility", "discrimination"] {
            assert_eq!(item[field], Value::Null, "{field}: {item}");
        }
        assert_eq!(item["isSuppressed"], true);
        assert!(columns(&item["options"], &["chosen"]).iter().flatten().all(Value::is_null), "{item}");
    }
    assert_eq!(figures["meanPercent"], Value::Null);
    let csv = ask(&author, &of(&quest, "?table=items"), "text/csv").await.text;
    assert!(csv.lines().nth(1).unwrap().ends_with(",,,,false,,true"), "{csv}");
    let attention = author.get("/v1/analytics/attention").await.expect(200);
    assert!(attention["items"].as_array().unwrap().iter().all(|found| found["itemId"].is_null()), "{attention:#}");
}

#[tokio::test]
async fn who_was_not_asked_an_item_is_no_small_group() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (quest, assessment) = quiz(&author, "Asked 18").await;
    tried(&pool, &quest, &assessment, 20, &json!({"a": "x", "b": "x", "c": "x", "d": "x"}), 100).await;
    let asked = |of: &str| {
        format!(
            "UPDATE quest_submissions SET item_ids = {of}
             FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM user_quest_attempts) AS attempt WHERE attempt_id = attempt.id"
        )
    };
    execute(&pool, asked("CASE WHEN n <= 18 THEN ARRAY['a', 'b', 'c', 'd'] ELSE ARRAY['a', 'b', 'c'] END")).await;
    let told = author.get(&of(&quest, "")).await.expect(200);
    quest_hides(&told);
    let figures = &told["assessments"][0];
    assert_eq!(figures["tried"], 20);
    assert_eq!(json!(columns(&figures["items"], &["tries"])), json!([[20], [20], [20], [null]]));

    // One item is drawn: the tries of all are those of the quiz.
    execute(&pool, "UPDATE quest_assessments SET configuration = configuration || '{\"pick\": 1}'".to_owned()).await;
    execute(&pool, asked("ARRAY[CASE WHEN n <= 10 THEN 'a' WHEN n <= 18 THEN 'b' ELSE 'c' END]")).await;
    let told = author.get(&of(&quest, "")).await.expect(200);
    let tries = columns(&told["assessments"][0]["items"], &["tries"]);
    assert_eq!(json!(tries), json!([[10], [null], [null], [0]]), "2 would be what is left of 20");
}

#[tokio::test]
async fn the_list_tells_of_a_path_what_its_analytics_tell() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (first, second, outside) =
        (author.quest("First", 1, 10).await, author.quest("Second", 1, 10).await, author.quest("Outside", 1, 10).await);
    author.needs(&second, &[&outside]).await.expect(200);
    // 2 are through, 20 have the second quest next.
    let few_through = path_of_quests(&author, &[(&first, true), (&second, true)]).await;
    enrolled(&pool, &few_through, 30, 2, &[(&first, 3, 22)]).await;
    // It is locked for 12, 10 of whom have it next.
    let few_behind = path_of_quests(&author, &[(&first, true), (&second, true)]).await;
    enrolled(&pool, &few_behind, 20, 0, &[(&first, 1, 10), (&outside, 13, 20)]).await;

    let attention = author.get("/v1/analytics/attention").await.expect(200);
    for (path, enrolled, waiting) in [(&few_through, 30, 20), (&few_behind, 20, 10)] {
        let told = author.get(&of_path(path)).await.expect(200);
        path_hides(&told);
        assert_eq!(json!(columns(&told["waits"], &["title", "learners"])), json!([["Second", waiting]]), "{told:#}");
        let mut found = attention["items"].as_array().unwrap().iter();
        let found = found.find(|found| found["learningPathId"] == json!(path)).expect("it is found");
        assert_eq!((&found["learners"], &found["of"]), (&json!(waiting), &told["cohort"]["enrolled"]), "{found}");
        let sentence = format!("It comes next for {waiting} of {enrolled} learners who enrolled in the path");
        assert!(text(&found["reason"]).starts_with(&sentence), "{found}");
    }
    let told = author.get(&of_path(&few_through)).await.expect(200);
    assert_eq!(told["cohort"]["completed"], Value::Null, "2 are through");
    let told = author.get(&of_path(&few_behind)).await.expect(200);
    assert_eq!(told["quests"][1]["locked"], Value::Null, "2 more than wait");
    assert_eq!(json!(columns(&told["quests"][1]["lockedBy"], &["learners"])), json!([[null]]));
    assert_eq!(told["quests"][1]["isSuppressed"], true);
}

#[tokio::test]
async fn days_that_have_not_been_computed_are_not_without_attempts() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("New", 1, 10).await;
    begun(&pool, &quest, &[group(10, DAY, 0, true, "InProgress")]).await;
    let days = async |query: &str| {
        let told = author.get(&of(&quest, query)).await.expect(200);
        columns(&told["series"], &["from", "totalAttempts"])
    };
    assert_eq!(json!(days("").await), json!([]));
    let picture = ask(&author, &of(&quest, ""), "image/svg+xml").await.text;
    assert!(picture.contains("No day of this period has been computed yet."), "{picture}");
    execute(
        &pool,
        format!(
            "INSERT INTO quest_analytics (quest_id, date_recorded, total_attempts, successful_completions) VALUES ('{}', '2026-08-25', 10, 0)",
            text(&quest["id"])
        ),
    )
    .await;
    assert_eq!(json!(days("").await), json!([["2026-08-25", 10]]), "nothing is known of other days");
    done_to(&pool, "2026-08-05").await;
    assert_eq!(
        json!(days("?from=2026-08-04&to=2026-09-30").await),
        json!([["2026-08-04", 0], ["2026-08-05", 0], ["2026-08-25", 10]])
    );
    assert_eq!(json!(days("?from=2026-08-04&to=2026-09-30&bucket=month").await), json!([["2026-08-04", 10]]));
}

#[tokio::test]
async fn who_lacks_two_prerequisites_is_no_small_group() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (quest, one, other) =
        (author.quest("Quest", 1, 10).await, author.quest("One", 1, 10).await, author.quest("Other", 1, 10).await);
    author.needs(&quest, &[&one, &other]).await.expect(200);
    // 12 lack the one, 11 the other, 3 both.
    let completed = [(&one, 13, 30), (&other, 1, 9), (&other, 21, 30)];
    let optional = path_of_quests(&author, &[(&quest, false)]).await;
    enrolled(&pool, &optional, 30, 0, &completed).await;
    let told = author.get(&of_path(&optional)).await.expect(200);
    path_hides(&told);
    assert_eq!(told["quests"][0]["locked"], 20, "{told:#}");
    assert_eq!(json!(columns(&told["quests"][0]["lockedBy"], &["learners"])), json!([[null], [null]]));
    // All for whom it is locked have it next.
    let mandatory = path_of_quests(&author, &[(&quest, true)]).await;
    enrolled(&pool, &mandatory, 30, 0, &completed).await;
    let told = author.get(&of_path(&mandatory)).await.expect(200);
    path_hides(&told);
    assert_eq!(json!(columns(&told["waits"], &["learners"])), json!([[12], [11]]));
    assert_eq!(told["quests"][0]["locked"], Value::Null, "{told:#}");
}

#[tokio::test]
async fn who_neither_began_a_quest_nor_waits_at_it_is_no_small_group() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (quest, one, later) =
        (author.quest("Quest", 1, 10).await, author.quest("One", 1, 10).await, author.quest("Later", 1, 10).await);
    author.needs(&quest, &[&one]).await.expect(200);
    let path = path_of_quests(&author, &[(&quest, true), (&later, true)]).await;
    // Of 30, 13 lack the one, and 14 have completed the quest: 3 could begin it.
    enrolled(&pool, &path, 30, 0, &[(&one, 14, 30), (&quest, 17, 30)]).await;
    let told = author.get(&of_path(&path)).await.expect(200);
    path_hides(&told);
    assert_eq!(json!(columns(&told["waits"], &["learners"])), json!([[13]]));
    assert_eq!(told["quests"][0]["started"], Value::Null, "{told:#}");
}

#[tokio::test]
async fn who_waits_nowhere_is_no_small_group() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Reviewed", 3, 10).await;
    let groups = [
        group(10, DAY, 3, false, "Completed"),
        group(5, DAY, 2, true, "Abandoned"),
        group(12, DAY, 0, true, "InProgress"),
        group(10, DAY, 1, true, "InProgress"),
        group(3, "2026-08-30T10:00:00Z", 2, true, "InProgress"),
    ];
    begun(&pool, &quest, &groups).await;
    execute(
        &pool,
        format!(
            "UPDATE user_quest_step_progress SET review_status = 'waiting', review_requested_at = '{DAY}'
             WHERE status = 'InProgress' AND step_id IN (SELECT id FROM quest_steps WHERE quest_id = '{}' AND step_number <= 2)",
            text(&quest["id"])
        ),
    )
    .await;
    let told = author.get(&of(&quest, "")).await.expect(200);
    quest_hides(&told);
    assert_eq!(told["cohort"]["open"], 25);
    assert_eq!(
        json!(columns(&told["waits"], &["kind", "learners"])),
        json!([["review", 12], ["review", null]]),
        "3 of 25 wait for nobody"
    );

    let (first, second, outside) =
        (author.quest("First", 1, 10).await, author.quest("Second", 1, 10).await, author.quest("Outside", 1, 10).await);
    author.needs(&first, &[&outside]).await.expect(200);
    author.needs(&second, &[&outside]).await.expect(200);
    let path = path_of_quests(&author, &[(&first, true), (&second, true)]).await;
    enrolled(&pool, &path, 30, 0, &[(&first, 16, 30), (&second, 28, 30)]).await;
    execute(
        &pool,
        format!(
            "UPDATE user_quest_attempts SET status = 'InProgress', completed_at = NULL, completion_percentage = 0 WHERE quest_id = '{}'",
            text(&second["id"])
        ),
    )
    .await;
    let told = author.get(&of_path(&path)).await.expect(200);
    path_hides(&told);
    assert_eq!(
        json!(columns(&told["waits"], &["title", "learners"])),
        json!([["First", 15], ["Second", null]]),
        "3 of 30 wait nowhere"
    );
    let attention = author.get("/v1/analytics/attention").await.expect(200);
    let items = attention["items"].as_array().unwrap();
    assert_eq!(items.iter().filter(|found| found["learningPathId"] == json!(path)).count(), 1, "{attention:#}");
}

#[tokio::test]
async fn means_of_few_possible_values_do_not_tell_who_is_through() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("One", 1, 10).await;
    let path = path_of_quests(&author, &[(&quest, true)]).await;
    enrolled(&pool, &path, 30, 2, &[(&quest, 1, 2)]).await;
    let told = author.get(&of_path(&path)).await.expect(200);
    let cohort = &told["cohort"];
    assert_eq!(
        (&cohort["enrolled"], &cohort["completed"], &cohort["meanProgress"]),
        (&json!(30), &Value::Null, &Value::Null)
    );
    let picture = ask(&author, &of_path(&path), "image/svg+xml").await.text;
    assert!(picture.contains("30 enrolled") && !picture.contains("done on average"), "{picture}");

    let quest = author.quest("Two", 1, 10).await;
    begun(&pool, &quest, &[group(28, DAY, 0, true, "InProgress"), group(2, DAY, 1, false, "Completed")]).await;
    execute(
        &pool,
        format!(
            "INSERT INTO quest_analytics (quest_id, date_recorded, total_attempts, successful_completions, abandonment_rate, engagement_score)
             VALUES ('{}', '2026-08-25', 30, 2, 0, 6)",
            text(&quest["id"])
        ),
    )
    .await;
    let told = author.get(&of(&quest, "")).await.expect(200);
    let series = columns(&told["series"], &["totalAttempts", "successfulCompletions", "engagementScore"]);
    assert_eq!(json!(series), json!([[30, null, null]]));
}

#[tokio::test]
async fn days_and_weeks_of_a_period_do_not_subtract_to_a_small_group() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Weekly", 1, 10).await;
    let path = path_of_quests(&author, &[(&quest, true)]).await;
    let days = [("2026-08-03", 10), ("2026-08-04", 4), ("2026-08-10", 10), ("2026-08-11", 3)];
    for (day, learners) in days {
        execute(
            &pool,
            format!(
                "WITH attempt AS (INSERT INTO user_quest_attempts (auth_user_id, quest_id, started_at)
                     SELECT gen_random_uuid(), '{0}', '{day}T10:00:00Z' FROM generate_series(1, {learners}) RETURNING auth_user_id),
                 enrolled AS (INSERT INTO user_learning_path_progress (auth_user_id, learning_path_id, enrolled_at)
                     SELECT auth_user_id, '{path}', '{day}T10:00:00Z' FROM attempt)
                 INSERT INTO quest_analytics (quest_id, date_recorded, total_attempts, successful_completions) VALUES ('{0}', '{day}', {learners}, 0)",
                text(&quest["id"])
            ),
        )
        .await;
    }
    done_to(&pool, "2026-08-16").await;
    let ask = async |address: &str, bucket: &str| {
        author.get(&format!("{address}?from=2026-08-03&to=2026-08-16&bucket={bucket}")).await.expect(200)
    };
    for (address, number) in [(of(&quest, ""), "totalAttempts"), (of_path(&path), "enrolled")] {
        let by_day = ask(&address, "day").await;
        let numbers = columns(&by_day["series"], &[number]).concat();
        assert_eq!(json!([numbers[0], numbers[1], numbers[7], numbers[8]]), json!([10, null, 10, null]), "{by_day:#}");
        let by_week = ask(&address, "week").await;
        buckets_hide(&by_day, &by_week);
        assert_eq!(
            json!(columns(&by_week["series"], &["from", number])),
            json!([["2026-08-03", null], ["2026-08-10", null]])
        );
        let by_month = ask(&address, "month").await;
        buckets_hide(&by_day, &by_month);
        assert_eq!(json!(columns(&by_month["series"], &[number])), json!([[27]]));
    }
}
