//! What is due every night: the days that are over, and those that late events have changed.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::FutureExt;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::model::{Day, Done, Quests, Zone};
use super::rollup::{compute, days};
use crate::clock::Clock;
use crate::config::{AnalyticsConfig, DatabaseConfig};
use crate::db::{self, Db};
use crate::meters;

/// Key of the session advisory lock that lets one process at a time compute.
const ROLLUP_LOCK: i64 = 0x5155_4553_5453_0006;
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_mins(1);
/// How often whoever waits for the lock looks whether it is free.
const KNOCK: Duration = Duration::from_millis(500);
/// Days that are due from which on it is looked which of them are empty.
const MANY_DAYS: usize = 31;

/// Why days could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("ANALYTICS_TIME_ZONE '{0}' is no time zone that PostgreSQL knows")]
    UnknownZone(Zone),
    #[error("the days that are there are those of {0}, and not of ANALYTICS_TIME_ZONE; the service computes them anew")]
    OtherZone(String),
    #[error("{days} days are more than ANALYTICS_MAX_DAYS, {most}")]
    TooManyDays { days: i64, most: u32 },
    #[error("{0} has not begun")]
    NotBegun(NaiveDate),
    #[error("the first day, {0}, comes after the last one")]
    Backwards(NaiveDate),
    #[error("another process has been at it for ANALYTICS_DAY_TIMEOUT_SECONDS, {0}; try again later")]
    Busy(u32),
    #[error("computing stopped short: {0}")]
    Panicked(String),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The scheduler: looks once a minute until it is told to stop.
pub async fn run(db: Db, database: DatabaseConfig, config: AnalyticsConfig, clock: Clock, stop: CancellationToken) {
    let work = async {
        let mut has_failed = false;
        loop {
            let looked = AssertUnwindSafe(look(&db, &database, &config, &clock, has_failed)).catch_unwind();
            // Nobody would miss a task that has died: what it stumbles over is an error as any other.
            let looked = async { looked.await.unwrap_or_else(|panic| Err(Refusal::Panicked(words(panic.as_ref())))) };
            let done = Box::pin(meters::job("analytics", looked)).await;
            has_failed = done.is_err();
            if let Err(error) = done {
                tracing::warn!(%error, "analytics are computed later");
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    // Each day is a statement of its own: it can be left anywhere.
    stop.run_until_cancelled(Box::pin(work)).await;
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    words.unwrap_or("for no reason that was given").to_owned()
}

/// Days that have changed are computed with those that are due, and again while that fails.
async fn look(
    db: &Db,
    database: &DatabaseConfig,
    config: &AnalyticsConfig,
    clock: &Clock,
    has_failed: bool,
) -> Result<(), Refusal> {
    let mut pooled = db.pool.acquire().await?;
    let is_due = db::in_time(database, due(&mut pooled, config, clock.now())).await?.is_some();
    drop(pooled);
    let done = if is_due || has_failed { compute_due(database, config, clock).await } else { Ok(()) };
    // Whoever has set aside or mended it: each replica tells what is there now.
    let set_aside = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM analytics_rejects"#);
    let set_aside = db::in_time(database, set_aside.fetch_one(&db.pool)).await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    metrics::gauge!("analytics_set_aside").set(set_aside as f64);
    done
}

async fn compute_due(database: &DatabaseConfig, config: &AnalyticsConfig, clock: &Clock) -> Result<(), Refusal> {
    let mut connection = connect(database, config).await?;
    catch_up(&mut connection, config, clock).await.map(drop)
}

/// A connection on which computing one day may take its time.
///
/// # Errors
/// The database's, also when it knows no such time zone.
pub async fn connect(database: &DatabaseConfig, config: &AnalyticsConfig) -> Result<PgConnection, Refusal> {
    let seconds = u64::from(config.analytics_day_timeout_seconds);
    let unhurried = DatabaseConfig { database_statement_timeout_ms: seconds * 1_000, ..database.clone() };
    let mut connection = db::in_time(database, db::dedicated(&unhurried, "quests analytics")).await?;
    check_zone(&mut connection, &config.analytics_time_zone).await?;
    Ok(connection)
}

/// Refuses a time zone that PostgreSQL does not know by its name.
///
/// # Errors
/// That, or the database's.
pub async fn check_zone(connection: &mut PgConnection, zone: &Zone) -> Result<(), Refusal> {
    let is_known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1) AS "is_known!""#,
        zone.as_str()
    )
    .fetch_one(connection)
    .await?;
    if is_known { Ok(()) } else { Err(Refusal::UnknownZone(zone.clone())) }
}

/// Days that are due, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    from: NaiveDate,
    to: NaiveDate,
}

/// None when the last day that is over was computed. The day that was computed last is due again with the next one:
/// only what changes more than 20 hours after its beginning is noted (`analytics_changes`).
async fn due(
    connection: &mut PgConnection,
    config: &AnalyticsConfig,
    now: DateTime<Utc>,
) -> Result<Option<Due>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT last.day AS "last!", state.done_to AS "done_to?: NaiveDate",
                  (SELECT min(began.at) AT TIME ZONE $2 FROM quests CROSS JOIN LATERAL (
                       -- Only times of which a calendar can tell the day.
                       SELECT least((SELECT min(started_at) FROM user_quest_attempts WHERE quest_id = quests.id
                                         AND started_at >= '0001-01-02Z' AND started_at < '9999-12-31Z'),
                                    (SELECT min(created_at) FROM quest_feedback WHERE quest_id = quests.id
                                         AND created_at >= '0001-01-02Z' AND created_at < '9999-12-31Z')) AS at) AS began
                   WHERE state.done_to IS NULL)::date - (SELECT count(*) FROM analytics_state)::int AS first
           FROM (SELECT (($1::timestamptz AT TIME ZONE $2) - make_interval(hours => $3))::date - 1 AS day) AS last
           -- Days of another time zone are others: all are computed anew, from the one before the first.
           LEFT JOIN analytics_state AS state ON state.time_zone = $2"#,
        now,
        config.analytics_time_zone.as_str(),
        i32::from(config.analytics_hour)
    )
    .fetch_one(connection)
    .await?;
    Ok(match row.done_to {
        Some(done_to) if done_to >= row.last => None,
        Some(done_to) => Some(Due { from: done_to, to: row.last }),
        // The first time: from the first attempt on.
        None => Some(Due { from: row.first.unwrap_or(row.last).min(row.last), to: row.last }),
    })
}

/// Computes what is due, `ANALYTICS_MAX_DAYS` at most, and, when nothing of that is left, days that have changed since
/// they were computed; None when somebody else is at it. What is left is due the next time.
///
/// # Errors
/// What stops it; days that were computed stay. After one of the database the connection is to be closed.
pub async fn catch_up(
    connection: &mut PgConnection,
    config: &AnalyticsConfig,
    clock: &Clock,
) -> Result<Option<Done>, Refusal> {
    if !in_time(config, lock(connection)).await? {
        return Ok(None);
    }
    let done = work(connection, config, clock).await;
    in_time(config, unlock(connection, &done)).await?;
    done.map(Some)
}

async fn lock(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let is_mine = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "is_mine!""#, ROLLUP_LOCK);
    is_mine.fetch_one(connection).await
}

/// After an error of the database the connection may have fallen silent: the lock goes with it, and that with its owner.
async fn unlock(connection: &mut PgConnection, done: &Result<Done, Refusal>) -> Result<(), sqlx::Error> {
    if matches!(done, Err(Refusal::Database(_))) {
        return Ok(());
    }
    let is_unlocked = sqlx::query_scalar!(r#"SELECT pg_advisory_unlock($1) AS "is_unlocked!""#, ROLLUP_LOCK);
    is_unlocked.fetch_one(connection).await.map(drop)
}

async fn work(connection: &mut PgConnection, config: &AnalyticsConfig, clock: &Clock) -> Result<Done, Refusal> {
    let zone = &config.analytics_time_zone;
    let due = in_time(config, due(connection, config, clock.now())).await?;
    let known = sqlx::query_scalar!("SELECT done_to FROM analytics_state WHERE time_zone = $1", zone.as_str());
    let known = in_time(config, known.fetch_optional(&mut *connection)).await?;
    let rejected = in_time(config, set_aside_without_day(connection)).await?;
    let mut done = Done { rejected, ..Done::default() };
    let (mut is_all, mut failed) = (true, None);
    if let Some(due) = due {
        is_all = over(connection, config, clock, due, &mut done).await?;
    }
    // Days that are over come first, whatever is changed of others meanwhile.
    if let Some(known) = known.filter(|_| is_all) {
        // What was due is computed as a whole.
        let end = due.map_or(known, |due| due.from.pred_opt().unwrap_or(known));
        for (day, quests) in in_time(config, changed(connection, zone, end)).await? {
            match timed(connection, config, day, Quests::These(quests)).await {
                Ok(more) => done += more,
                // One that cannot be computed stays noted, and keeps no other from it.
                Err(error @ sqlx::Error::Database(_)) => failed = failed.or(Some(error)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    if done.days > 0 {
        let Done { days, written, removed, rejected } = done;
        tracing::info!(days, written, removed, rejected, "analytics computed");
    }
    failed.map_or(Ok(done), |error| Err(error.into()))
}

/// Computes days that are over, `ANALYTICS_MAX_DAYS` at most; whether that is all of them. Of many, those without
/// anything are left out.
async fn over(
    connection: &mut PgConnection,
    config: &AnalyticsConfig,
    clock: &Clock,
    due: Due,
    done: &mut Done,
) -> Result<bool, Refusal> {
    let zone = &config.analytics_time_zone;
    let mut left = config.analytics_max_days;
    let days = in_time(config, days(connection, zone, due.from, due.to)).await?;
    let are_many = days.len() > MANY_DAYS;
    let mut next = Some(due.from);
    for day in days {
        if next.is_some_and(|next| day.date >= next) {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            *done += timed(connection, config, day, Quests::All).await?;
            in_time(config, remember(connection, zone, day.date, clock.now())).await?;
            if are_many {
                next = in_time(config, next_with_anything(connection, zone, day)).await?;
            }
        }
    }
    if are_many {
        in_time(config, remember(connection, zone, due.to, clock.now())).await?;
    }
    Ok(true)
}

/// The next day after one of which there is something to compute, or a row that may have to go.
async fn next_with_anything(
    connection: &mut PgConnection,
    zone: &Zone,
    day: Day,
) -> Result<Option<NaiveDate>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT least(((SELECT min(started_at) FROM user_quest_attempts WHERE started_at >= $2 AND started_at < '9999-12-31Z') AT TIME ZONE $1)::date,
                      ((SELECT min(created_at) FROM quest_feedback WHERE created_at >= $2 AND created_at < '9999-12-31Z') AT TIME ZONE $1)::date,
                      (SELECT min(date_recorded) FROM quest_analytics WHERE date_recorded > $3))",
        zone.as_str(),
        day.ends,
        day.date
    )
    .fetch_one(connection)
    .await
}

/// Attempts whose start is on no day of the calendar are set aside, under the first day of it; those that are mended are
/// not any more. How many there are.
async fn set_aside_without_day(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"WITH found AS MATERIALIZED (
               SELECT id, quest_id FROM user_quest_attempts WHERE started_at < '0001-01-02Z' OR started_at >= '9999-12-31Z'
           ), kept AS (
               INSERT INTO analytics_rejects (date_recorded, quest_id, kind, attempt_id, reason)
               SELECT '0001-01-01', quest_id, 'attempt', id, 'it was started on no day of the calendar' FROM found
               ON CONFLICT DO NOTHING
           ), mended AS (
               DELETE FROM analytics_rejects WHERE date_recorded = '0001-01-01' AND attempt_id NOT IN (SELECT id FROM found)
           )
           SELECT count(*) AS "found!" FROM found"#
    )
    .fetch_one(connection)
    .await?;
    Ok(found.unsigned_abs())
}

/// Refuses days of another time zone than those that are there: only the service changes that.
///
/// # Errors
/// That, or the database's.
pub async fn check_same_zone(connection: &mut PgConnection, zone: &Zone) -> Result<(), Refusal> {
    let other = sqlx::query_scalar!("SELECT time_zone FROM analytics_state WHERE time_zone <> $1", zone.as_str());
    other.fetch_optional(connection).await?.map_or(Ok(()), |other| Err(Refusal::OtherZone(other)))
}

/// Computes the days from one to another as they are now, as often as asked.
///
/// # Errors
/// When these days cannot be computed, or the database's; then the connection is to be closed.
pub async fn recompute(
    connection: &mut PgConnection,
    config: &AnalyticsConfig,
    clock: &Clock,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Done, Refusal> {
    let zone = &config.analytics_time_zone;
    if from > to {
        return Err(Refusal::Backwards(from));
    }
    let count = (to - from).num_days() + 1;
    if count > i64::from(config.analytics_max_days) {
        return Err(Refusal::TooManyDays { days: count, most: config.analytics_max_days });
    }
    // Whoever is at it is waited for, as long as a day may take.
    let patience = config.analytics_day_timeout_seconds;
    let locked = async {
        while !lock(connection).await? {
            tokio::time::sleep(KNOCK).await;
        }
        Ok::<_, sqlx::Error>(())
    };
    tokio::time::timeout(Duration::from_secs(patience.into()), locked).await.map_err(|_| Refusal::Busy(patience))??;
    let work = async {
        check_same_zone(connection, zone).await?;
        let days = days(connection, zone, from, to).await?;
        if let Some(last) = days.last().filter(|day| day.begins > clock.now()) {
            return Err(Refusal::NotBegun(last.date));
        }
        let mut done = Done::default();
        for day in days {
            done += timed(connection, config, day, Quests::All).await?;
        }
        Ok(done)
    };
    let done = work.await;
    in_time(config, unlock(connection, &done)).await?;
    done
}

/// The result of a statement. A connection that has fallen silent says nothing, not even that it has taken too long.
async fn in_time<T>(
    config: &AnalyticsConfig,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    db::within(Duration::from_secs(u64::from(config.analytics_day_timeout_seconds) + 10), asked).await
}

async fn timed(
    connection: &mut PgConnection,
    config: &AnalyticsConfig,
    day: Day,
    quests: Quests,
) -> Result<Done, sqlx::Error> {
    let began = Instant::now();
    let done = in_time(config, compute(connection, day, quests)).await?;
    metrics::counter!("analytics_days_total").increment(1);
    metrics::counter!("analytics_rows_written_total").increment(done.written);
    metrics::histogram!("analytics_day_seconds").record(began.elapsed().as_secs_f64());
    Ok(done)
}

/// Days up to `end` with attempts that have changed, and their quests; the oldest first.
async fn changed(
    connection: &mut PgConnection,
    zone: &Zone,
    end: NaiveDate,
) -> Result<Vec<(Day, Vec<Uuid>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT day::date AS "date!", day AT TIME ZONE $1 AS "begins!", (day + interval '1 day') AT TIME ZONE $1 AS "ends!",
                  quests AS "quests!"
           FROM (SELECT date_trunc('day', started_at AT TIME ZONE $1) AS day, array_agg(DISTINCT quest_id) AS quests
                 FROM analytics_changes
                 WHERE started_at >= '0001-01-02Z' AND started_at < ($2::date + 1)::timestamp AT TIME ZONE $1 GROUP BY 1) AS changed
           ORDER BY day"#,
        zone.as_str(),
        end
    )
    .fetch_all(connection)
    .await?;
    let day = |date, begins, ends| Day { date, begins, ends };
    Ok(rows.into_iter().map(|row| (day(row.date, row.begins, row.ends), row.quests)).collect())
}

async fn remember(
    connection: &mut PgConnection,
    zone: &Zone,
    date: NaiveDate,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO analytics_state (time_zone, done_to, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (is_only) DO UPDATE
         SET time_zone = excluded.time_zone, done_to = excluded.done_to, updated_at = excluded.updated_at",
        zone.as_str(),
        date,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}
