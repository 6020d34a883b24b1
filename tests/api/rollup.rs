//! The rows of `quest_analytics`: what they say, that they can be computed again, and what mends them.
#![allow(clippy::disallowed_methods, reason = "changes rows behind the service's back, and takes its lock")]

use std::process::Stdio;

use chrono::NaiveDate;
use quests::analytics::model::{Done, Quests};
use quests::analytics::rollup::{compute, days, rejects};
use quests::analytics::scheduler::{Refusal, catch_up, recompute};
use quests::config::AnalyticsConfig;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use uuid::Uuid;

use crate::harness::{Service, config, database, path_of, rows, text, wider};

const DAY: i64 = 86_400;

fn settings(args: &[&str]) -> AnalyticsConfig {
    let mut all = vec!["--database-url=postgres://nowhere/x".to_owned(), "--jwt-issuer=x".to_owned()];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    config(&all).analytics
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// What the scheduler does when it is time.
async fn night(service: &Service) -> Done {
    let mut connection = service.pool.acquire().await.unwrap();
    catch_up(&mut connection, &settings(&[]), &service.clock).await.unwrap().expect("nobody else is at it")
}

async fn again(service: &Service, from: &str, to: &str) -> Done {
    let mut connection = service.pool.acquire().await.unwrap();
    recompute(&mut connection, &settings(&[]), &service.clock, date(from), date(to)).await.unwrap()
}

/// Every column but id and times of creation, by day and title.
async fn days_of(pool: &PgPool) -> Vec<Value> {
    rows(
        pool,
        "SELECT date_recorded AS day, quest.title, total_attempts AS total, successful_completions AS completed,
                average_completion_time_minutes::text AS minutes, average_attempts_to_complete::text AS tries,
                abandonment_rate::text AS abandoned, difficulty_rating::text AS difficulty, engagement_score::text AS engagement
         FROM quest_analytics JOIN quests AS quest ON quest.id = quest_id ORDER BY 1, 2",
    )
    .await
}

async fn whole(pool: &PgPool) -> Vec<Value> {
    rows(pool, "SELECT * FROM quest_analytics ORDER BY id").await
}

async fn execute(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

#[tokio::test]
async fn a_day_says_what_became_of_the_attempts_that_were_begun_on_it() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Counted", 2, 10).await;
    author.quest("Nobody", 1, 10).await;
    let (done, gone, idle) = (service.learner(), service.learner(), service.learner());
    let attempt = done.attempt(&quest).await;
    let left = gone.attempt(&quest).await;
    idle.attempt(&quest).await;
    service.wait(600);
    for step in attempt["steps"].as_array().unwrap() {
        done.complete(&attempt, step, Value::Null).await.expect(200);
    }
    done.post(&format!("{}/feedback", path_of(&quest)), json!({"rating": 4, "category": "TooEasy"})).await.expect(201);
    gone.complete(&left, &left["steps"][0], Value::Null).await.expect(200);
    gone.post(&format!("/v1/attempts/{}/abandon", text(&left["id"])), json!({})).await.expect(200);

    // Three of four things that were done took one try; a reviewed one took four.
    execute(
        &pool,
        &format!("UPDATE user_quest_step_progress SET attempts_count = 4 WHERE attempt_id = '{}'", text(&left["id"])),
    )
    .await;
    again(&service, "2026-09-01", "2026-09-01").await;
    let row = json!({
        "day": "2026-09-01", "title": "Counted", "total": 3, "completed": 1, "minutes": "10.00", "tries": "2.00",
        "abandoned": "0.3333", "difficulty": null,
        // (70 + 20 + 10), (35 + 20) and 0
        "engagement": "51.67",
    });
    assert_eq!(days_of(&pool).await, [row]);

    // Five are enough to be told of.
    for category in ["TooDifficult", "TooDifficult", "Other", "TooDifficult"] {
        let other = service.learner();
        other.attempt(&quest).await;
        let said = json!({"rating": 2, "category": category});
        other.post(&format!("{}/feedback", path_of(&quest)), said).await.expect(201);
    }
    again(&service, "2026-09-01", "2026-09-01").await;
    assert_eq!(days_of(&pool).await[0]["difficulty"], "3.50", "(0 + 5 + 5 + 2.5 + 5) / 5");
}

#[tokio::test]
async fn any_day_can_be_computed_again_and_gives_identical_rows() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Again", 2, 10).await;
    let (one, other) = (service.learner(), service.learner());
    one.finish(&quest).await;
    service.wait(DAY);
    other.attempt(&quest).await;
    let first = again(&service, "2026-08-30", "2026-09-02").await;
    assert_eq!(first, Done { days: 4, written: 2, removed: 0, rejected: 0 });
    let before = whole(&pool).await;
    assert_eq!(again(&service, "2026-08-30", "2026-09-02").await, Done { days: 4, ..Done::default() });
    assert_eq!(whole(&pool).await, before, "not even the time of the update");

    // A person can be erased, and the figures stay.
    let admin = service.client_as(Uuid::new_v4(), &["Game Master"]);
    admin.delete(&format!("/v1/admin/learners/{}", one.id)).await.expect(204);
    again(&service, "2026-09-01", "2026-09-02").await;
    assert_eq!(whole(&pool).await, before);

    // A day of which nothing is left has no row, whatever had been written there.
    execute(
        &pool,
        "INSERT INTO quest_analytics (quest_id, date_recorded, total_attempts) SELECT id, '2026-08-31', 9 FROM quests",
    )
    .await;
    assert_eq!(again(&service, "2026-08-31", "2026-08-31").await.removed, 1);
    assert_eq!(whole(&pool).await, before);
}

#[tokio::test]
async fn the_night_computes_what_is_over_and_late_events_mend_past_days() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let quest = service.author().quest("Late", 2, 10).await;
    let learner = service.learner();
    let attempt = learner.attempt(&quest).await;
    // At eight in the morning that day is not over, and before three the next one has not begun for us.
    assert_eq!(days_of(&pool).await.len(), 0);
    night(&service).await;
    service.wait(18 * 3_600);
    assert_eq!(night(&service).await.days, 0, "two in the night");
    service.wait(3_600);
    assert_eq!(night(&service).await.written, 1);
    assert_eq!(night(&service).await.written, 0, "once a night is enough");

    // Nobody was there for some nights; then they are made up for.
    service.wait(5 * DAY);
    let other = service.learner();
    other.attempt(&quest).await;
    assert_eq!(night(&service).await.days, 6, "and the last one that was computed once more");
    for step in attempt["steps"].as_array().unwrap() {
        learner.complete(&attempt, step, Value::Null).await.expect(200);
    }
    service.wait(DAY);
    night(&service).await;
    let rows = days_of(&pool).await;
    assert_eq!((&rows[0]["day"], &rows[0]["completed"]), (&json!("2026-09-01"), &json!(1)), "{rows:?}");
    assert_eq!(rows[0]["minutes"], "8340.00", "five days and 19 hours");
    assert_eq!(rows.len(), 2);
    // What it mends is what computing everything gives.
    let mended = whole(&pool).await;
    again(&service, "2026-08-25", "2026-09-07").await;
    assert_eq!(whole(&pool).await, mended);
}

#[tokio::test]
async fn one_process_computes_at_a_time() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let wide = wider(&pool, 2).await;
    let mut first = wide.acquire().await.unwrap();
    let mut second = wide.acquire().await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(0x5155_4553_5453_0006_i64).execute(&mut *first).await.unwrap();
    assert_eq!(catch_up(&mut second, &settings(&[]), &service.clock).await.unwrap(), None);
    drop(first.close().await);
    let done = async {
        while catch_up(&mut second, &settings(&[]), &service.clock).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), done).await.expect("the lock goes with its connection");
}

#[tokio::test]
async fn days_are_those_of_the_time_zone() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let quest = service.author().quest("Where", 1, 10).await;
    service.learner().finish(&quest).await;
    service.wait(12 * 3_600);
    service.learner().finish(&quest).await;
    service.wait(DAY);
    night(&service).await;
    let totals = async || -> Vec<(String, i64)> {
        let of = |row: &Value| (text(&row["day"]).to_owned(), row["total"].as_i64().unwrap());
        days_of(&pool).await.iter().map(of).collect()
    };
    assert_eq!(totals().await, [("2026-09-01".to_owned(), 2)]);
    let there = settings(&["--analytics-time-zone=Asia/Ho_Chi_Minh"]);
    let mut connection = pool.acquire().await.unwrap();
    let day = date("2026-09-01");
    let refused = recompute(&mut connection, &there, &service.clock, day, day).await;
    assert!(matches!(refused, Err(Refusal::OtherZone(zone)) if zone == "UTC"));
    let url = format!("--database-url={}", pool.connect_options().to_url_lossy());
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
    command.args(["analytics", "rollup", "--analytics-time-zone=Asia/Ho_Chi_Minh", &url]).env_clear();
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("are those of UTC"),
        "{output:?}"
    );
    // Eight in the evening of UTC is the next day there; the service computes all days anew.
    service.wait(DAY);
    catch_up(&mut connection, &there, &service.clock).await.unwrap().unwrap();
    assert_eq!(totals().await, [("2026-09-01".to_owned(), 1), ("2026-09-02".to_owned(), 1)]);
}

#[tokio::test]
async fn what_cannot_be_used_is_set_aside_with_its_reason_and_blocks_nothing() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (quest, other) = (author.quest("Bad", 2, 10).await, author.quest("Good", 1, 10).await);
    let (endless, restless, lost) = (service.learner(), service.learner(), service.learner());
    for learner in [&endless, &restless, &lost] {
        learner.finish(&quest).await;
        learner.finish(&other).await;
    }
    let of = |learner: Uuid| {
        format!(
            "(SELECT id FROM user_quest_attempts WHERE auth_user_id = '{learner}' AND quest_id = '{}')",
            text(&quest["id"])
        )
    };
    let first = "(SELECT id FROM quest_steps WHERE title = 'Bad 1')";
    for sql in [
        format!("UPDATE user_quest_attempts SET completed_at = 'infinity' WHERE id = {}", of(endless.id)),
        format!(
            "UPDATE user_quest_step_progress SET attempts_count = 5000 WHERE attempt_id = {} AND step_id = {first}",
            of(restless.id)
        ),
        format!(
            "UPDATE user_quest_step_progress SET step_id = (SELECT id FROM quest_steps WHERE title = 'Good 1') WHERE attempt_id = {} AND step_id = {first}",
            of(lost.id)
        ),
    ] {
        execute(&pool, &sql).await;
    }
    let url = format!("--database-url={}", pool.connect_options().to_url_lossy());
    let rollup = async || {
        let arguments = ["analytics", "rollup", "--from", "2026-09-01", "--to", "2026-09-01", &url];
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
        let output = command.args(arguments).env_clear().stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = rollup().await;
    assert_eq!(said.lines().next(), Some("days computed: 1; rows written: 2, removed: 0; set aside: 3"));
    for reason in ["no time says when", "5000 tries", "another quest"] {
        let line = said.lines().find(|line| line.contains(reason)).unwrap_or_else(|| panic!("{reason}: {said}"));
        assert!(line.starts_with("set aside: 2026-09-01") && line.contains(text(&quest["id"])), "{line}");
    }
    let found = days_of(&pool).await;
    assert_eq!((&found[0]["total"], &found[0]["tries"]), (&json!(2), &json!("1.00")), "{found:?}");
    assert_eq!((&found[1]["total"], &found[1]["completed"]), (&json!(3), &json!(3)));
    // It is told again, and once.
    rollup().await;
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM analytics_rejects").await.len(), 3);
    // What is mended is counted.
    execute(&pool, &format!("UPDATE user_quest_attempts SET completed_at = started_at WHERE id = {}", of(endless.id)))
        .await;
    assert!(rollup().await.starts_with("days computed: 1; rows written: 1, removed: 0; set aside: 2"));
    assert_eq!(days_of(&pool).await[0]["total"], 3);
}

#[tokio::test]
async fn a_start_on_no_day_of_the_calendar_is_set_aside_and_stops_nothing() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let quest = service.author().quest("Timeless", 1, 10).await;
    service.learner().finish(&quest).await;
    execute(
        &pool,
        "INSERT INTO user_quest_attempts (auth_user_id, quest_id, started_at)
         SELECT gen_random_uuid(), id, at::timestamptz FROM quests, unnest(ARRAY['-infinity', 'infinity', '4000-01-01 BC']) AS at;
         INSERT INTO analytics_changes (quest_id, started_at) SELECT id, '-infinity' FROM quests",
    )
    .await;
    for _ in 0..2 {
        service.wait(DAY);
        assert_eq!(night(&service).await.rejected, 3);
        assert_eq!(days_of(&pool).await[0]["total"], 1);
    }
    let reasons = rows(&pool, "SELECT DISTINCT reason FROM analytics_rejects").await;
    assert_eq!(reasons, [json!({"reason": "it was started on no day of the calendar"})]);
    execute(&pool, "UPDATE user_quest_attempts SET started_at = '2026-09-01T10:00Z' WHERE completed_at IS NULL").await;
    service.wait(DAY);
    assert_eq!(night(&service).await.rejected, 0);
    assert_eq!(days_of(&pool).await[0]["total"], 4);
}

#[tokio::test]
async fn days_that_are_over_do_not_wait_for_those_that_change() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let quest = service.author().quest("Busy", 1, 10).await;
    service.learner().finish(&quest).await;
    service.wait(DAY);
    night(&service).await;
    execute(
        &pool,
        "INSERT INTO analytics_changes (quest_id, started_at)
         SELECT id, timestamptz '2026-08-01T10:00Z' + n * interval '1 day' FROM quests, generate_series(0, 9) AS n",
    )
    .await;
    service.wait(DAY);
    let mut connection = pool.acquire().await.unwrap();
    let few = settings(&["--analytics-max-days=2"]);
    let done = catch_up(&mut connection, &few, &service.clock).await.unwrap().unwrap();
    assert_eq!(done.days, 12, "two that are over, and all that have changed");
    assert_eq!(rows(&pool, "SELECT done_to FROM analytics_state").await, [json!({"done_to": "2026-09-02"})]);
}

#[tokio::test]
async fn a_quest_whose_values_cannot_be_stored_does_not_stop_the_others() {
    let pool = database().await;
    execute(
        &pool,
        "INSERT INTO quests (id, title, description, quest_type, difficulty_level, created_by)
         SELECT md5(n::text)::uuid, 'Quest ' || n, 'd', 'Practice', 'Beginner', gen_random_uuid() FROM generate_series(1, 9) AS n;
         INSERT INTO user_quest_attempts (auth_user_id, quest_id, started_at) SELECT gen_random_uuid(), id, '2026-09-01T10:00Z' FROM quests;
         ALTER TABLE quest_analytics ADD CONSTRAINT test_stubborn CHECK (quest_id <> md5('4')::uuid)",
    )
    .await;
    let mut connection = pool.acquire().await.unwrap();
    let day = date("2026-09-01");
    let days = days(&mut connection, &"UTC".parse().unwrap(), day, day).await.unwrap();
    let done = compute(&mut connection, days[0], Quests::All).await.unwrap();
    assert_eq!(done, Done { days: 1, written: 8, removed: 0, rejected: 1 });
    let found = rejects(&mut connection, day, day, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].attempt_id.is_none() && found[0].reason.contains("test_stubborn"), "{found:?}");
    execute(&pool, "ALTER TABLE quest_analytics DROP CONSTRAINT test_stubborn").await;
    assert_eq!(compute(&mut connection, days[0], Quests::All).await.unwrap().written, 1);
    assert_eq!(rejects(&mut connection, day, day, 10).await.unwrap(), []);
}

#[tokio::test]
async fn days_that_cannot_be_computed_are_refused_with_a_sentence() {
    let pool = database().await;
    let url = format!("--database-url={}", pool.connect_options().to_url_lossy());
    for (arguments, clue) in [
        (vec!["--from", "2026-09-02", "--to", "2026-09-01"], "comes after"),
        (vec!["--from", "2020-01-01", "--to", "2026-09-01"], "ANALYTICS_MAX_DAYS, 400"),
        (vec!["--from", "9000-01-01", "--to", "9000-01-01"], "has not begun"),
        (vec!["--from", "2026-09-01"], "--to"),
        (vec!["--analytics-time-zone", "Mars/Olympus"], "ANALYTICS_TIME_ZONE 'Mars/Olympus'"),
        (vec!["--analytics-time-zone", "+07:00"], "no name of a time zone"),
    ] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
        command.args(["analytics", "rollup", &url]).args(&arguments).env_clear().stdin(Stdio::null());
        let output = command.output().await.unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && complaint.contains(clue), "{arguments:?}: {complaint}");
    }
}
