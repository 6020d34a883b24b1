//! `make bench-analytics`: how long computing a day takes, and whether it takes longer the more history there is; what
//! is measured and what is not: benches/README.md.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench reads its own settings, prints, and counts far below 2^52"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use self::shared::{Fail, command, create, database_name, number, remove, replaced_database, sql, value};

mod shared;

/// Steps of a quest, all of which each attempt has completed.
const STEPS: u64 = 5;
/// The day of the large measurement, and the one that is computed amid little and amid much history.
const LARGE: &str = "2026-03-01";
const DAY: &str = "2026-02-01";

fn main() -> ExitCode {
    shared::measure(run())
}

async fn run() -> Result<(), Fail> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set: run it by `make`")?;
    let database = replaced_database(&url, &format!("{}_bench_analytics_{}", database_name(&url), std::process::id()))?;
    let name = database_name(&database).to_owned();
    create(&name).await?;
    let measured = measure(&database).await;
    remove(&name).await?;
    measured
}

async fn measure(database: &str) -> Result<(), Fail> {
    let completions = number("BENCH_COMPLETIONS", 1_000_000)?;
    let quests = number("BENCH_QUESTS", 5_000)?;
    let history = number("BENCH_HISTORY", 300_000)?;
    command(database, &["migrate"]).await?;
    let mut connection = PgConnection::connect(database).await?;
    // Rows alone, as fast as they come: nothing of the service is measured here.
    sql(&mut connection, "SET session_replication_role = replica; SET synchronous_commit = off").await?;
    catalogue(&mut connection, quests).await?;

    let day = history / 3;
    fill(&mut connection, DAY, 1, day, quests).await?;
    fill(&mut connection, "2026-01-01", 30, history, quests).await?;
    let little = best(database, &mut connection, DAY).await?;
    fill(&mut connection, "2025-01-01", 300, history * 9, quests).await?;
    let much = best(database, &mut connection, DAY).await?;
    println!(
        "a day of {day} step completions: {:.2} s amid {history}, {:.2} s amid {}: {:.2} times",
        little.as_secs_f64(),
        much.as_secs_f64(),
        history * 10,
        much.as_secs_f64() / little.as_secs_f64()
    );

    fill(&mut connection, LARGE, 1, completions, quests).await?;
    let began = Instant::now();
    let said = command(database, &["analytics", "rollup", "--from", LARGE, "--to", LARGE]).await?;
    let first = began.elapsed();
    let began = Instant::now();
    command(database, &["analytics", "rollup", "--from", LARGE, "--to", LARGE]).await?;
    println!(
        "a day of {completions} step completions over {quests} quests: {:.1} s, and {:.1} s again ({said})",
        first.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    let counted = value(
        &mut connection,
        &format!("SELECT sum(total_attempts)::text FROM quest_analytics WHERE date_recorded = '{LARGE}'"),
    )
    .await?;
    if counted != (completions / STEPS).to_string() {
        return Err(format!("{counted} attempts are counted of {}", completions / STEPS).into());
    }

    // One late event a quest, over all days of the history.
    sql(
        &mut connection,
        "SET session_replication_role = origin;
         UPDATE user_quest_attempts SET status = 'Completed', completed_at = started_at + interval '3 days', abandoned_at = NULL,
                completion_percentage = 100
         WHERE id IN (SELECT DISTINCT ON (quest_id) id FROM user_quest_attempts WHERE status = 'Abandoned' ORDER BY quest_id, id)",
    )
    .await?;
    let changed =
        value(&mut connection, "SELECT count(DISTINCT started_at::date)::text FROM analytics_changes").await?;
    sql(&mut connection, "INSERT INTO analytics_state (time_zone, done_to, updated_at) VALUES ('UTC', (now() AT TIME ZONE 'UTC')::date, now())").await?;
    let began = Instant::now();
    let said = command(database, &["analytics", "rollup"]).await?;
    println!("late events on {changed} past days: {:.1} s ({said})", began.elapsed().as_secs_f64());
    Ok(())
}

/// The best of three: what is computed is the same each time.
async fn best(database: &str, connection: &mut PgConnection, day: &str) -> Result<Duration, Fail> {
    sql(connection, "VACUUM ANALYZE").await?;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        command(database, &["analytics", "rollup", "--from", day, "--to", day]).await?;
        best = best.min(began.elapsed());
    }
    Ok(best)
}

async fn catalogue(connection: &mut PgConnection, quests: u64) -> Result<(), Fail> {
    sql(
        connection,
        &format!(
            "INSERT INTO quests (id, title, description, quest_type, difficulty_level, created_by)
             SELECT md5('q' || n)::uuid, 'Quest ' || n, 'd', 'Practice', 'Beginner', gen_random_uuid()
             FROM generate_series(1, {quests}) AS n;
             INSERT INTO quest_steps (id, quest_id, step_number, title, description, step_type)
             SELECT md5('s' || n || '-' || s)::uuid, md5('q' || n)::uuid, s, 'S', 'd', 'Reading'
             FROM generate_series(1, {quests}) AS n, generate_series(1, {STEPS}) AS s"
        ),
    )
    .await?;
    Ok(())
}

/// So many step completions, evenly over some days and all quests. A quarter of the attempts is Abandoned.
async fn fill(connection: &mut PgConnection, from: &str, days: u64, completions: u64, quests: u64) -> Result<(), Fail> {
    let attempts = completions / STEPS;
    let mut sql = async |text: String| sql(connection, &text).await;
    sql(format!(
        "INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, completed_at, abandoned_at, completion_percentage)
         SELECT md5('{from}a' || n)::uuid, md5('{from}u' || n)::uuid, md5('q' || (n % {quests} + 1))::uuid,
                CASE n % 4 WHEN 0 THEN 'Abandoned' ELSE 'Completed' END::quest_attempt_status, at,
                CASE WHEN n % 4 > 0 THEN at + interval '1 minute' * (n % 90 + 10) END,
                CASE WHEN n % 4 = 0 THEN at + interval '1 hour' END, CASE n % 4 WHEN 0 THEN 80 ELSE 100 END
         FROM generate_series(1, {attempts}) AS n,
              LATERAL (SELECT '{from}'::date + n % {days} * interval '1 day' + n % 80000 * interval '1 second' AS at) AS begun"
    ))
    .await?;
    sql(format!(
        "INSERT INTO user_quest_step_progress (id, attempt_id, step_id, status, started_at, completed_at, attempts_count)
         SELECT md5('{from}p' || n || '-' || s)::uuid, md5('{from}a' || n)::uuid, md5('s' || (n % {quests} + 1) || '-' || s)::uuid,
                'Completed', '{from}'::date, '{from}'::date + interval '10 minutes', 1 + n % 3
         FROM generate_series(1, {attempts}) AS n, generate_series(1, {STEPS}) AS s"
    ))
    .await?;
    Ok(())
}
