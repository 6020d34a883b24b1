//! What authors read of the attempts at quests and of the learners of paths, and what is held back of small groups.

use std::process::Stdio;

use reqwest::Method;
use roxmltree::Document;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use uuid::Uuid;

use crate::analytics_privacy::{buckets_hide, path_hides, quest_hides};
use crate::assessments::path_to;
use crate::harness::{Client, Reply, Service, database, execute, path_of, rows, text};
use crate::statements::{counted, own};

/// Learners who did the same: begun at a time, so many steps completed, and perhaps one more begun.
pub struct Group {
    learners: usize,
    begun: &'static str,
    completed: usize,
    is_at_next: bool,
    status: &'static str,
}

pub const fn group(
    learners: usize,
    begun: &'static str,
    completed: usize,
    is_at_next: bool,
    status: &'static str,
) -> Group {
    Group { learners, begun, completed, is_at_next, status }
}

/// Writes attempts at a quest: the n-th step takes 10 n minutes and n tries.
pub async fn begun(pool: &PgPool, quest: &Value, groups: &[Group]) {
    for Group { learners, begun, completed, is_at_next, status } in groups {
        let (quest, begun) = (text(&quest["id"]), format!("'{begun}'::timestamptz"));
        let reached = completed + usize::from(*is_at_next);
        let sql = format!(
            "WITH who AS (SELECT gen_random_uuid() AS attempt FROM generate_series(1, {learners})),
             step AS (SELECT id, step_number, row_number() OVER (ORDER BY step_number) AS nth FROM quest_steps WHERE quest_id = '{quest}'),
             attempt AS (
                 INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, completed_at, abandoned_at, completion_percentage, current_step_id)
                 SELECT attempt, gen_random_uuid(), '{quest}', '{status}', {begun},
                        CASE WHEN '{status}' = 'Completed' THEN {begun} + interval '60 minutes' END,
                        CASE WHEN '{status}' = 'Abandoned' THEN {begun} + interval '1 day' END,
                        CASE WHEN '{status}' = 'Completed' THEN 100 ELSE 0 END, (SELECT id FROM step WHERE nth = {completed} + 1)
                 FROM who)
             INSERT INTO user_quest_step_progress (attempt_id, step_id, status, started_at, completed_at, attempts_count)
             SELECT attempt, step.id, CASE WHEN nth <= {completed} THEN 'Completed' ELSE 'InProgress' END::step_completion_status, {begun},
                    CASE WHEN nth <= {completed} THEN {begun} + nth * interval '10 minutes' END, nth
             FROM who CROSS JOIN step WHERE nth <= {reached}"
        );
        execute(pool, sql).await;
    }
}

pub async fn ask(client: &Client, path: &str, accept: &str) -> Reply {
    client.send(Method::GET, path, &[("accept", accept)], None).await
}

pub fn of(quest: &Value, query: &str) -> String {
    format!("{}/analytics{query}", path_of(quest))
}

/// `fields` of each object of a list.
pub fn columns(list: &Value, fields: &[&str]) -> Vec<Vec<Value>> {
    let row = |row: &Value| fields.iter().map(|field| row[field].clone()).collect();
    list.as_array().unwrap().iter().map(row).collect()
}

/// 40 learners: 20 through, 10 gone at step 2, 5 idle at step 3, 5 at step 1.
async fn forty(pool: &PgPool, quest: &Value) {
    let groups = [
        group(20, "2026-08-25T10:00:00Z", 3, false, "Completed"),
        group(10, "2026-08-25T10:00:00Z", 1, true, "Abandoned"),
        group(5, "2026-08-05T10:00:00Z", 2, true, "InProgress"),
        group(5, "2026-08-30T23:30:00Z", 0, true, "Paused"),
        group(7, "2026-07-01T10:00:00Z", 3, false, "Completed"),
    ];
    begun(pool, quest, &groups).await;
}

#[tokio::test]
async fn the_funnel_counts_who_began_completed_and_left_each_step_of_the_period() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Pointers", 3, 10).await;
    forty(&pool, &quest).await;
    let told = author.get(&of(&quest, "")).await.expect(200);
    assert_eq!(
        (&told["from"], &told["to"], &told["timeZone"]),
        (&json!("2026-08-03"), &json!("2026-09-01"), &json!("UTC"))
    );
    let cohort = &told["cohort"];
    for (field, learners) in
        [("started", 40), ("completed", 20), ("abandoned", 10), ("idle", 5), ("open", 5), ("left", 15)]
    {
        assert_eq!(cohort[field], json!(learners), "{field}: {cohort}");
    }
    assert_eq!(
        (&cohort["leftShare"], &cohort["medianMinutes"], &cohort["isSuppressed"]),
        (&json!(0.375), &json!(60.0), &json!(false))
    );
    let steps =
        ["stepNumber", "started", "completed", "leftHere", "medianMinutes", "p90Minutes", "meanTries", "isSuppressed"];
    assert_eq!(
        json!(columns(&told["steps"], &steps)),
        json!([
            [1, 40, 35, 0, 10.0, 10.0, 1.0, false],
            [2, 35, 25, 10, 20.0, 20.0, 2.0, false],
            [3, 25, 20, 5, 30.0, 30.0, 3.0, false]
        ])
    );
    let earlier = author.get(&of(&quest, "?from=2026-07-01&to=2026-07-01")).await.expect(200);
    assert_eq!(earlier["cohort"]["completed"], 7);
    let none = author.get(&of(&quest, "?from=2026-06-01&to=2026-06-30")).await.expect(200);
    assert_eq!((&none["cohort"]["started"], &none["cohort"]["isSuppressed"]), (&json!(0), &json!(false)));
}

/// The rollup has done all days up to this one.
pub async fn done_to(pool: &PgPool, day: &str) {
    let sql = format!("INSERT INTO analytics_state (time_zone, done_to, updated_at) VALUES ('UTC', '{day}', now())");
    execute(pool, sql).await;
}

#[tokio::test]
async fn the_series_sums_days_of_the_rollup_weighs_their_means_and_tells_the_last_difficulty() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Pointers", 3, 10).await;
    forty(&pool, &quest).await;
    let row = |day: &str, values: &str| format!("('{}', '2026-08-{day}', {values})", text(&quest["id"]));
    execute(
        &pool,
        format!(
            "INSERT INTO quest_analytics (quest_id, date_recorded, total_attempts, successful_completions, average_completion_time_minutes,
                 average_attempts_to_complete, abandonment_rate, difficulty_rating, engagement_score) VALUES {}, {}, {}",
            row("05", "5, 0, NULL, NULL, 0, 3, 20"),
            row("25", "30, 20, 60, 1.5, 0.3333, 2, 60"),
            row("30", "5, 0, NULL, NULL, 0, NULL, 10")
        ),
    )
    .await;
    done_to(&pool, "2026-08-30").await;
    let points = [
        "from",
        "totalAttempts",
        "successfulCompletions",
        "averageCompletionTimeMinutes",
        "abandonmentRate",
        "difficultyRating",
        "engagementScore",
    ];
    let told = author.get(&of(&quest, "?bucket=week")).await.expect(200);
    assert_eq!(
        json!(columns(&told["series"], &points)),
        json!([
            ["2026-08-03", 5, 0, null, 0.0, null, 20.0],
            ["2026-08-10", 0, 0, null, null, null, null],
            ["2026-08-17", 0, 0, null, null, null, null],
            ["2026-08-24", 35, 20, 60.0, 0.2857, 2.0, 52.86]
        ])
    );
    let days = author.get(&of(&quest, "?bucket=day")).await.expect(200);
    assert_eq!(days["series"].as_array().unwrap().len(), 28, "up to the last day that has been computed");
    let month = author.get(&of(&quest, "?bucket=month&from=2026-07-15")).await.expect(200);
    assert_eq!(json!(columns(&month["series"], &points[..3])), json!([["2026-07-15", 0, 0], ["2026-08-01", 5, 0]]));
}

#[tokio::test]
async fn no_small_group_shows_nor_can_one_be_worked_out() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (day, old) = ("2026-08-25T10:00:00Z", "2026-08-05T10:00:00Z");
    let through = |learners| group(learners, day, 2, false, "Completed");
    let mut told = Vec::new();
    for groups in [
        vec![through(6), group(1, day, 0, true, "InProgress")],
        vec![through(4)],
        vec![through(30), group(3, day, 1, true, "Abandoned"), group(20, old, 0, true, "InProgress")],
        vec![through(30), group(6, day, 1, true, "Abandoned"), group(2, day, 1, true, "InProgress")],
        vec![through(9), group(8, day, 0, false, "Abandoned"), group(1, old, 1, false, "Paused")],
        vec![group(5, day, 1, true, "Abandoned"), group(4, day, 0, true, "Abandoned")],
    ] {
        let quest = author.quest("Small", 2, 10).await;
        begun(&pool, &quest, &groups).await;
        let seen = author.get(&of(&quest, "")).await.expect(200);
        quest_hides(&seen);
        told.push((quest, seen));
    }
    let (seven, four, three) = (&told[0], &told[1].1, &told[2].1);
    assert_eq!(
        json!(columns(&seven.1["steps"], &["started", "completed"]))[0],
        json!([7, null]),
        "one has not completed it"
    );
    assert_eq!((&seven.1["cohort"]["started"], &seven.1["cohort"]["completed"]), (&json!(7), &Value::Null));
    assert!(four["cohort"].as_object().unwrap().values().all(|value| value.is_null() || value.is_boolean()), "{four}");
    assert!(
        columns(&four["steps"], &["started", "completed", "leftHere", "medianMinutes"])
            .iter()
            .flatten()
            .all(Value::is_null)
    );
    assert_eq!(three["cohort"]["left"], 23);
    assert_eq!(
        json!(columns(&three["steps"], &["leftHere"])),
        json!([[null], [null]]),
        "3 would be what is left of 23"
    );

    let csv = ask(&author, &of(&seven.0, ""), "text/csv").await.text;
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows[1][5], rows[1][6], rows[1][12]), ("7", "", "true"), "{csv}");
    let picture = ask(&author, &of(&seven.0, ""), "image/svg+xml").await.text;
    let texts: Vec<String> = Document::parse(&picture)
        .unwrap()
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text().map(str::to_owned))
        .collect();
    assert!(texts.iter().any(|text| text == "– of 7"), "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains("6 of") || text == "6 completed"), "{texts:?}");
    let attention = author.get("/v1/analytics/attention").await.expect(200);
    assert!(!attention["items"].to_string().contains(text(&four["questId"])), "four are no cohort");
}

/// Feedback of so many learners.
async fn said(pool: &PgPool, quest: &Value, learners: usize, category: &str, rating: u8, is_settled: bool) {
    let quest = text(&quest["id"]);
    let settled = if is_settled { "'2026-08-28', gen_random_uuid()" } else { "NULL, NULL" };
    execute(
        pool,
        format!(
            "INSERT INTO quest_feedback (id, quest_id, auth_user_id, category, rating, created_at, updated_at, resolved_at, resolved_by)
             SELECT gen_random_uuid(), '{quest}', gen_random_uuid(), '{category}', {rating}, '2026-08-26', '2026-08-26', {settled}
             FROM generate_series(1, {learners})"
        ),
    )
    .await;
}

#[tokio::test]
async fn feedback_is_counted_by_category_and_a_few_voices_are_held_back() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (loud, quiet) = (author.quest("Loud", 1, 10).await, author.quest("Quiet", 1, 10).await);
    said(&pool, &loud, 8, "TooDifficult", 1, false).await;
    said(&pool, &loud, 6, "Other", 4, true).await;
    said(&pool, &quiet, 4, "ContentError", 1, false).await;
    let feedback = author.get(&of(&loud, "")).await.expect(200)["feedback"].clone();
    assert_eq!(
        feedback,
        json!({"total": 14, "open": 8, "meanRating": 2.29, "contentError": 0, "technicalIssue": 0, "tooDifficult": 8,
               "tooEasy": 0, "other": 6, "isSuppressed": false})
    );
    let feedback = author.get(&of(&quiet, "")).await.expect(200)["feedback"].clone();
    assert_eq!(
        (&feedback["total"], &feedback["meanRating"], &feedback["isSuppressed"]),
        (&Value::Null, &Value::Null, &json!(true))
    );
    assert!(feedback.as_object().unwrap().values().all(|value| value.is_null() || value == &json!(true)), "{feedback}");
}

/// Four questions; the key of the third is the one that only weak learners choose.
pub async fn quiz(author: &Client, title: &str) -> (Value, Value) {
    let options = json!([{"id": "x", "text": "=1+1"}, {"id": "y", "text": "two"}, {"id": "z", "text": "three"}]);
    let item = |id: &str| json!({"id": id, "kind": "singleChoice", "prompt": format!("What is {id}?"), "points": 1, "options": options, "correct": "x"});
    let items: Vec<Value> = ["a", "b", "c", "d"].iter().map(|id| item(id)).collect();
    author.assessed(title, json!({"v": 1, "type": "Quiz", "maxGrade": 10, "items": items}), Value::Null).await
}

/// First tries of learners, all of them alike, and a second one that is perfect.
pub async fn tried(pool: &PgPool, quest: &Value, assessment: &Value, learners: usize, answers: &Value, percent: u8) {
    let (quest, assessment) = (text(&quest["id"]), text(&assessment["id"]));
    let data = json!({ "answers": answers });
    let second = json!({"answers": {"a": "x", "b": "x", "c": "x", "d": "x"}});
    execute(
        pool,
        format!(
            "WITH who AS (SELECT gen_random_uuid() AS attempt FROM generate_series(1, {learners})),
             attempt AS (INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, started_at)
                         SELECT attempt, gen_random_uuid(), '{quest}', '2026-08-25T10:00:00Z' FROM who)
             INSERT INTO quest_submissions (attempt_id, assessment_id, submission_data, graded_at, grade, max_grade, is_passed, attempt_number,
                                            status, submitted_at, item_ids, percent)
             SELECT attempt, '{assessment}', data::jsonb, '2026-08-25T11:00:00Z', percent / 10.0, 10, FALSE, number, 'graded', '2026-08-25T11:00:00Z',
                    ARRAY['a', 'b', 'c', 'd'], percent
             FROM who CROSS JOIN (VALUES (1, '{data}', {percent}), (2, '{second}', 100)) AS try (number, data, percent)"
        ),
    )
    .await;
}

#[tokio::test]
async fn items_are_analysed_by_first_tries_and_a_wrong_key_is_found() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (quest, assessment) = quiz(&author, "Numbers").await;
    tried(&pool, &quest, &assessment, 20, &json!({"a": "x", "b": "x", "c": "y", "d": "x"}), 75).await;
    tried(&pool, &quest, &assessment, 20, &json!({"a": "y", "b": "z", "c": "x"}), 25).await;
    let told = author.get(&of(&quest, "")).await.expect(200);
    let figures = &told["assessments"][0];
    assert_eq!(
        (&figures["tried"], &figures["passed"], &figures["meanTries"], &figures["meanPercent"]),
        (&json!(40), &json!(0), &json!(2.0), &json!(50.0))
    );
    let fields = ["itemId", "kind", "tries", "facility", "discrimination", "isLikelyMiskeyed", "suspectedOptionId"];
    assert_eq!(
        json!(columns(&figures["items"], &fields)),
        json!([
            ["a", "singleChoice", 40, 0.5, 1.0, false, null],
            ["b", "singleChoice", 40, 0.5, 1.0, false, null],
            ["c", "singleChoice", 40, 0.5, -1.0, true, "y"],
            ["d", "singleChoice", 40, 0.5, 1.0, false, null]
        ])
    );
    let chosen = ["optionId", "isKey", "chosen"];
    assert_eq!(
        json!(columns(&figures["items"][0]["options"], &chosen)),
        json!([["x", true, 20], ["y", false, 20], ["z", false, 0], [null, false, 0]])
    );
    assert_eq!(json!(columns(&figures["items"][3]["options"], &chosen))[3], json!([null, false, 20]), "not answered");

    let finding = author.get("/v1/analytics/attention").await.expect(200)["items"].clone();
    let found =
        finding.as_array().unwrap().iter().find(|finding| finding["kind"] == "miskeyedItem").expect("it is found");
    assert_eq!(
        (&found["itemId"], &found["learners"], &found["of"], &found["score"]),
        (&json!("c"), &json!(20), &json!(40), &json!(50.0))
    );
    assert!(text(&found["reason"]).contains("“y”") && text(&found["reason"]).contains("-1"), "{found}");

    let csv = ask(&author, &of(&quest, "?table=options"), "text/csv").await.text;
    assert!(csv.contains(",a,x,'=1+1,true,20\r\n"), "no formula: {csv}");
    // What is answered in ways that no longer fit counts as not answered, and few answers are held back.
    let (quest, assessment) = quiz(&author, "Few").await;
    tried(&pool, &quest, &assessment, 20, &json!({"a": "x", "b": "x", "c": "x", "d": "x"}), 100).await;
    tried(&pool, &quest, &assessment, 3, &json!({"a": "y", "b": "gone", "c": "x", "d": "x"}), 50).await;
    let items = author.get(&of(&quest, "")).await.expect(200)["assessments"][0]["items"].clone();
    assert_eq!(
        json!(columns(&items, &["facility", "discrimination", "isSuppressed"])),
        json!([[null, null, true], [null, null, true], [1.0, null, false], [1.0, null, false]])
    );
    assert_eq!(json!(columns(&items[0]["options"], &["chosen"])), json!([[null], [null], [0], [0]]));
    let plain = service.learner().get(&format!("{}?x", path_to(&quest, &assessment))).await;
    assert!(!plain.text.contains("isKey"), "learners see no key: {}", plain.text);
}

#[tokio::test]
async fn what_hits_most_learners_hardest_comes_first() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let day = "2026-08-25T10:00:00Z";
    let leaky = author.quest("Leaky", 3, 10).await;
    begun(&pool, &leaky, &[group(40, day, 3, false, "Completed"), group(60, day, 1, true, "Abandoned")]).await;
    let fine = author.quest("Fine", 3, 10).await;
    author.patch(&path_of(&fine), json!({"estimatedDurationMinutes": 25})).await.expect(200);
    begun(&pool, &fine, &[group(90, day, 3, false, "Completed"), group(10, day, 0, true, "Abandoned")]).await;
    said(&pool, &fine, 20, "ContentError", 1, false).await;
    let (keyed, assessment) = quiz(&author, "Keyed").await;
    tried(&pool, &keyed, &assessment, 30, &json!({"a": "x", "b": "x", "c": "y", "d": "x"}), 75).await;
    tried(&pool, &keyed, &assessment, 30, &json!({"a": "y", "b": "z", "c": "x"}), 25).await;
    let other = service.author().quest("Of another", 1, 10).await;
    begun(&pool, &other, &[group(10, day, 0, true, "Abandoned")]).await;
    // Of those who gave it up nobody waits.
    execute(&pool, format!("WITH waiting AS (
            SELECT id FROM user_quest_attempts WHERE quest_id = '{0}' AND status = 'Completed' ORDER BY id LIMIT 10), open AS (
            UPDATE user_quest_attempts SET status = 'InProgress', completed_at = NULL, completion_percentage = 66 WHERE id IN (SELECT id FROM waiting))
        UPDATE user_quest_step_progress SET status = 'InProgress', completed_at = NULL, review_status = 'waiting', review_requested_at = '{day}'
        WHERE step_id IN (SELECT id FROM quest_steps WHERE quest_id = '{0}' AND step_number = 1)
          AND attempt_id IN (SELECT id FROM waiting UNION SELECT id FROM user_quest_attempts WHERE quest_id = '{0}' AND status = 'Abandoned')", text(&fine["id"]))).await;

    let told = author.get("/v1/analytics/attention?from=2026-08-01&to=2026-08-31").await.expect(200);
    let list = ["rank", "questTitle", "kind", "score", "place", "learners", "of"];
    let ranked = columns(&told["items"], &list);
    assert_eq!(
        json!(ranked[..5]),
        json!([
            [1, "Of another", "dropOff", 100.0, "Step 1: Of another 1", 10, 10],
            [2, "Leaky", "dropOff", 60.0, "Step 2: Leaky 2", 60, 100],
            [3, "Keyed", "miskeyedItem", 50.0, format!("Assessment {}, item c", text(&assessment["key"])), 30, 60],
            [4, "Keyed", "tooHard", 50.0, format!("Assessment {}", text(&assessment["key"])), 60, 60],
            [5, "Fine", "tooManyTries", 36.0, "Step 3: Fine 3", 90, 100],
        ]),
        "{told:#}"
    );
    let kinds: Vec<(&str, &str)> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| (text(&found["questTitle"]), text(&found["kind"])))
        .collect();
    for kind in ["tooSlow", "negativeFeedback", "waitingForGrade", "tooManyTries"] {
        assert!(kinds.contains(&("Fine", kind)), "{kind}: {told:#}");
    }
    assert!(!kinds.contains(&("Fine", "dropOff")), "a tenth is no drop-off");
    let waiting = told["items"].as_array().unwrap().iter().find(|found| found["kind"] == "waitingForGrade").unwrap();
    assert_eq!(waiting["learners"], 10, "of those who gave up nobody waits: {waiting}");
    for found in told["items"].as_array().unwrap() {
        let number = |field: &str| found[field].as_f64().unwrap();
        assert!((number("score") - 100.0 * number("share") * number("severity")).abs() < 0.11, "{found}");
        assert!(text(&found["reason"]).ends_with('.'), "{found}");
    }
    let mine = author.get("/v1/analytics/attention?from=2026-08-01&to=2026-08-31&createdBy=me").await.expect(200);
    assert!(!mine.to_string().contains("Of another"));
    assert_eq!(mine["items"][0]["questTitle"], "Leaky");
    let csv = ask(&author, "/v1/analytics/attention?from=2026-08-01&to=2026-08-31", "text/csv").await.text;
    assert!(csv.starts_with("rank,kind,score,questId,") && csv.contains("\r\n2,dropOff,60,"), "{csv}");
}

#[tokio::test]
async fn a_path_tells_how_far_its_learners_are_and_what_they_wait_for() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (first, second, outside) =
        (author.quest("First", 1, 10).await, author.quest("Second", 1, 10).await, author.quest("Outside", 1, 10).await);
    author.needs(&second, &[&first, &outside]).await.expect(200);
    let path = author
        .post("/v1/learning-paths", json!({"name": "Path <1>", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    let id = text(&path["id"]);
    let places = json!({"quests": [{"questId": first["id"], "difficultyLevel": "Beginner"}, {"questId": second["id"], "difficultyLevel": "Beginner"}]});
    author.put(&format!("/v1/learning-paths/{id}/quests"), places).await.expect(200);
    execute(
        &pool,
        format!(
            "WITH who AS (SELECT gen_random_uuid() AS learner, n FROM generate_series(1, 20) AS n),
             enrolled AS (INSERT INTO user_learning_path_progress (auth_user_id, learning_path_id, status, started_at, completion_percentage, enrolled_at)
                 SELECT learner, '{id}', CASE WHEN n <= 10 THEN 'InProgress' ELSE 'NotStarted' END::path_progress_status,
                        CASE WHEN n <= 10 THEN '2026-08-20T10:00:00Z'::timestamptz END, CASE WHEN n <= 10 THEN 50 ELSE 0 END, '2026-08-20T09:00:00Z' FROM who)
             INSERT INTO user_quest_attempts (auth_user_id, quest_id, status, started_at, completed_at, completion_percentage)
                 SELECT learner, '{}', 'Completed', '2026-08-20T10:00:00Z', '2026-08-22T10:00:00Z', 100 FROM who WHERE n <= 10",
            text(&first["id"])
        ),
    )
    .await;
    let at = format!("/v1/learning-paths/{id}/analytics");
    let told = author.get(&format!("{at}?bucket=month")).await.expect(200);
    path_hides(&told);
    assert_eq!(
        told["cohort"],
        json!({"enrolled": 20, "started": 10, "completed": 0, "left": 0, "meanProgress": 25.0, "medianDays": null, "isSuppressed": false})
    );
    assert_eq!(
        json!(columns(&told["quests"], &["title", "started", "completed", "abandoned", "medianDays", "locked"])),
        json!([["First", 10, 10, 0, 2.0, 0], ["Second", 0, 0, 0, null, 20]])
    );
    assert_eq!(
        json!(columns(&told["quests"][1]["lockedBy"], &["title", "learners"])),
        json!([["First", 10], ["Outside", 20]])
    );
    assert_eq!(
        json!(columns(&told["waits"], &["title", "cause", "byTitle", "learners"])),
        json!([["Second", "prerequisite", "Outside", 10]])
    );
    assert_eq!(
        json!(columns(&told["series"], &["from", "enrolled", "started", "completed"])),
        json!([["2026-08-03", 20, 10, 0], ["2026-09-01", 0, 0, 0]])
    );
    let picture = ask(&author, &at, "image/svg+xml").await;
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    let document = Document::parse(&picture.text).unwrap();
    assert_eq!(document.descendants().find(|node| node.has_tag_name("title")).unwrap().text(), Some("Path <1>"));
    let csv = ask(&author, &format!("{at}?table=locked"), "text/csv").await.text;
    assert!(
        csv.starts_with("questId,title,byQuestId,byTitle,learners\r\n") && csv.ends_with(",Outside,20\r\n"),
        "{csv}"
    );

    author.post(&format!("/v1/learning-paths/{id}/publish"), json!({})).await.expect(200);
    let found = author.get("/v1/analytics/attention").await.expect(200)["items"][0].clone();
    assert_eq!(
        (&found["kind"], &found["learningPathId"], &found["learners"], &found["of"]),
        (&json!("blocked"), &json!(id), &json!(10), &json!(20))
    );
    assert!(text(&found["reason"]).contains("“Outside” is not completed"), "{found}");
}

#[tokio::test]
async fn tables_and_pictures_are_made_of_the_same_answer() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("=cmd|' /C calc'!A0, \"and\" <b>", 3, 10).await;
    forty(&pool, &quest).await;
    let csv = ask(&author, &of(&quest, ""), "text/csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"quest-steps.csv\""));
    let lines: Vec<&str> = csv.text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 4, "{}", csv.text);
    assert_eq!(
        lines[0],
        "stepNumber,stepId,title,stepType,isOptional,started,completed,skipped,leftHere,medianMinutes,p90Minutes,meanTries,isSuppressed"
    );
    assert!(
        lines[2].contains(",\"'=cmd|' /C calc'!A0, \"\"and\"\" <b> 2\",Reflection,false,35,25,0,10,20,20,2,false"),
        "{}",
        lines[2]
    );
    for table in ["series", "assessments", "items", "options", "waits", "feedback"] {
        let csv = ask(&author, &of(&quest, &format!("?table={table}")), "text/csv").await;
        assert_eq!(csv.status.as_u16(), 200);
        let columns = csv.text.lines().next().unwrap().split(',').count();
        assert!(columns >= 5, "{}", csv.text);
    }
    let picture = ask(&author, &of(&quest, ""), "image/svg+xml").await;
    assert_eq!(picture.header("content-security-policy"), Some("default-src 'none'; style-src 'unsafe-inline'"));
    let document = Document::parse(&picture.text).unwrap();
    let root = document.root_element();
    assert_eq!((root.tag_name().name(), root.attribute("role")), ("svg", Some("graphics-document")));
    for part in ["aria-labelledby", "aria-describedby"] {
        let id = root.attribute(part).unwrap();
        let named =
            document.descendants().find(|node| node.attribute("id") == Some(id)).expect("what it names is there");
        assert!(!named.text().unwrap().is_empty());
    }
    let texts: Vec<&str> =
        document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text()).collect();
    for expected in [
        "=cmd|' /C calc'!A0, \"and\" <b>",
        "Learners",
        "35 of 40",
        "−10",
        "40 started · 20 completed · 15 left · half within 60 min",
    ] {
        assert!(texts.contains(&expected), "{expected}: {texts:?}");
    }
    let again = ask(&author, &of(&quest, ""), "image/svg+xml").await;
    assert_eq!(again.text, picture.text, "equal figures give equal bytes");
    let tag = picture.header("etag").unwrap();
    let known =
        author.send(Method::GET, &of(&quest, ""), &[("accept", "image/svg+xml"), ("if-none-match", tag)], None).await;
    assert_eq!(known.status.as_u16(), 304);
}

#[tokio::test]
async fn only_authors_and_graders_ask_and_only_for_periods_that_there_are() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Pointers", 1, 10).await;
    let path = author
        .post("/v1/learning-paths", json!({"name": "P", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    let of_path = format!("/v1/learning-paths/{}/analytics", text(&path["id"]));
    for address in [of(&quest, ""), of_path.clone(), "/v1/analytics/attention".to_owned()] {
        service.learner().get(&address).await.problem(403, "forbidden");
        service.client_as(Uuid::new_v4(), &["service"]).get(&address).await.problem(403, "forbidden");
        service.anonymous().get(&address).await.problem(401, "unauthorized");
        service.client_as(Uuid::new_v4(), &["Game Master"]).get(&address).await.expect(200);
        for (query, pointer) in [
            ("?from=2026-08-02&to=2026-08-01", "to"),
            ("?from=2025-08-31&to=2026-09-01", "from"),
            ("?from=yesterday", "from"),
            ("?to=2026-02-30", "to"),
            ("?from=-0001-01-01", "from"),
            ("?surprise=1", "surprise"),
        ] {
            let problem = author.get(&format!("{address}{query}")).await.problem(422, "validation_failed");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}: {problem}");
        }
        author.get(&format!("{address}?from=2025-09-01&to=2026-09-01")).await.expect(200);
    }
    for query in ["?bucket=hour", "?table=secrets"] {
        author.get(&of(&quest, query)).await.problem(422, "validation_failed");
    }
    let nobody = Uuid::new_v4();
    author.get(&format!("/v1/quests/{nobody}/analytics")).await.problem(404, "not_found");
    author.get(&format!("/v1/learning-paths/{nobody}/analytics")).await.problem(404, "not_found");
    author.get("/v1/quests/x/analytics").await.problem(400, "malformed_id");
}

#[tokio::test]
async fn analytics_cost_at_most_three_statements() {
    let pool = database().await;
    let (service, counter) = counted(&pool).await;
    let author = service.author();
    let (quest, assessment) = quiz(&author, "Numbers").await;
    tried(&pool, &quest, &assessment, 20, &json!({"a": "x"}), 25).await;
    let path = author
        .post("/v1/learning-paths", json!({"name": "P", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    for address in [
        of(&quest, ""),
        format!("/v1/learning-paths/{}/analytics", text(&path["id"])),
        "/v1/analytics/attention".to_owned(),
    ] {
        counter.reset();
        author.get(&address).await.expect(200);
        assert!((1..=3).contains(&own(&counter).len()), "{address}: {:#?}", own(&counter));
    }
}

#[tokio::test]
async fn of_a_thousand_made_up_learners_the_two_planted_faults_come_first() {
    let pool = database().await;
    let url = format!("--database-url={}", pool.connect_options().to_url_lossy());
    let mut seed = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
    let seed = seed.args(["seed", "--cohort", "1000", "--seed", "7", &url]).env_clear().stdin(Stdio::null());
    let output = seed.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let service = Service::start(&pool).await;
    let days = rows(&pool, "SELECT (now() - interval '31 days')::date AS first, now()::date AS last, extract(epoch FROM now())::int8 AS now").await;
    service.wait(days[0]["now"].as_i64().unwrap() - service.clock.now().timestamp());
    let period = format!("?from={}&to={}", text(&days[0]["first"]), text(&days[0]["last"]));
    let author = service.author();
    let told = author.get(&format!("/v1/analytics/attention{period}")).await.expect(200);
    let planted = rows(
        &pool,
        "SELECT quest.id AS quest, step.id AS step,
                (SELECT assessment.id FROM quest_assessments AS assessment JOIN quests AS asked ON asked.id = assessment.quest_id
                 WHERE asked.key = 'cohort-checkpoint') AS quiz
         FROM quests AS quest JOIN quest_steps AS step ON step.quest_id = quest.id
         WHERE quest.key = 'bug-hunt' AND step.key = 'a-debugger-session'",
    )
    .await;
    let first = &told["items"][0];
    let second = &told["items"][1];
    let (drop_off, wrong_key) = if first["kind"] == "dropOff" { (first, second) } else { (second, first) };
    assert_eq!((&drop_off["kind"], &drop_off["stepId"]), (&json!("dropOff"), &planted[0]["step"]), "{told:#}");
    assert_eq!(
        (&wrong_key["kind"], &wrong_key["assessmentId"], &wrong_key["itemId"]),
        (&json!("miskeyedItem"), &planted[0]["quiz"], &json!("main-returns")),
        "{told:#}"
    );
    assert!(text(&wrong_key["reason"]).contains("“success”"), "{wrong_key}");
    assert_eq!(
        told["items"].as_array().unwrap().iter().filter(|found| found["kind"] == "miskeyedItem").count(),
        1,
        "{told:#}"
    );
    let quest = json!({"id": planted[0]["quest"]});
    let figures = author.get(&of(&quest, &period)).await.expect(200);
    let steps = figures["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["stepId"] == planted[0]["step"]).unwrap();
    assert_eq!(step["leftHere"], drop_off["learners"], "the list tells nothing else");
    assert!(2 * step["leftHere"].as_i64().unwrap() > figures["cohort"]["left"].as_i64().unwrap(), "{figures:#}");
    nothing_small_follows(&pool, &author, text(&days[0]["first"]), text(&days[0]["last"]), &url).await;
}

/// Of all quests and paths, several periods and all buckets.
async fn nothing_small_follows(pool: &PgPool, author: &Client, first: &str, last: &str, url: &str) {
    let mut rollup = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
    let rollup = rollup.args(["analytics", "rollup", "--from", first, "--to", last, url]).env_clear();
    let output = rollup.stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = rows(
        pool,
        &format!(
            "SELECT kind, id, '?from=' || (date '{first}' + from_day) || '&to=' || (date '{first}' + to_day) || '&bucket=' || bucket AS query
             FROM (SELECT 'quests' AS kind, id FROM quests UNION ALL SELECT 'learning-paths', id FROM learning_paths) AS of,
                  (VALUES (0, 31, 'day'), (0, 31, 'week'), (0, 31, 'month'), (3, 16, 'day'), (10, 30, 'week'), (20, 27, 'day')) AS period (from_day, to_day, bucket)"
        ),
    )
    .await;
    assert!(found.len() >= 48, "{found:?}");
    for row in &found {
        let kind = text(&row["kind"]);
        let told =
            author.get(&format!("/v1/{kind}/{}/analytics{}", text(&row["id"]), text(&row["query"]))).await.expect(200);
        if kind == "quests" {
            quest_hides(&told);
        } else {
            path_hides(&told);
        }
        if told["bucket"] != "day" {
            let by_day = format!("/v1/{kind}/{}/analytics?from={first}&to={last}", text(&row["id"]));
            if told["from"] == first && told["to"] == last {
                buckets_hide(&author.get(&by_day).await.expect(200), &told);
            }
        }
    }
}
