//! What is due every night: the days that are over, and those that late events have changed.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
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
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The scheduler: looks once a minute until it is told to stop.
pub async fn run(db: Db, database: DatabaseConfig, config: AnalyticsConfig, clock: Clock, stop: CancellationToken) {
    let work = async {
        loop {
            if let Err(error) = meters::job("analytics", look(&db, &database, &config, &clock)).await {
                tracing::warn!(%error, "analytics are computed later");
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    // Each day is a statement of its own: it can be left anywhere.
    stop.run_until_cancelled(Box::pin(work)).await;
}

async fn look(db: &Db, database: &DatabaseConfig, config: &AnalyticsConfig, clock: &Clock) -> Result<(), Refusal> {
    let mut pooled = db.pool.acquire().await?;
    let is_due = due(&mut pooled, config, clock.now()).await?.is_some();
    drop(pooled);
    if is_due {
        let mut connection = connect(database, config).await?;
        catch_up(&mut connection, config, clock).await?;
    }
    Ok(())
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
                       SELECT least((SELECT min(started_at) FROM user_quest_attempts WHERE quest_id = quests.id),
                                    (SELECT min(created_at) FROM quest_feedback WHERE quest_id = quests.id)) AS at) AS began
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

/// Computes what is due, `ANALYTICS_MAX_DAYS` at most, and days that have changed since they were computed; None when
/// somebody else is at it. What is left is due the next time.
///
/// # Errors
/// What stops it; days that were computed stay. After one of the database the connection is to be closed.
pub async fn catch_up(
    connection: &mut PgConnection,
    config: &AnalyticsConfig,
    clock: &Clock,
) -> Result<Option<Done>, Refusal> {
    let is_mine = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "is_mine!""#, ROLLUP_LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !is_mine {
        return Ok(None);
    }
    let done = work(connection, config, clock).await;
    unlock(connection, &done).await?;
    done.map(Some)
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
    let mut left = usize::try_from(config.analytics_max_days).unwrap_or(usize::MAX);
    let mut done = Done::default();
    let due = due(connection, config, clock.now()).await?;
    let known = sqlx::query_scalar!("SELECT done_to FROM analytics_state WHERE time_zone = $1", zone.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(known) = known {
        // What is due is computed as a whole.
        let end = due.map_or(known, |due| due.from.pred_opt().unwrap_or(known));
        for (day, quests) in changed(connection, zone, end).await?.into_iter().take(left) {
            left -= 1;
            done += timed(connection, config, day, Quests::These(quests)).await?;
        }
    }
    if let Some(due) = due {
        for day in days(connection, zone, due.from, due.to).await?.into_iter().take(left) {
            done += timed(connection, config, day, Quests::All).await?;
            remember(connection, zone, day.date, clock.now()).await?;
        }
    }
    let set_aside =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM analytics_rejects"#).fetch_one(connection).await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    metrics::gauge!("analytics_set_aside").set(set_aside as f64);
    if done.days > 0 {
        let Done { days, written, removed, rejected } = done;
        tracing::info!(days, written, removed, rejected, "analytics computed");
    }
    Ok(done)
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
    sqlx::query!("SELECT pg_advisory_lock($1)", ROLLUP_LOCK).fetch_one(&mut *connection).await?;
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
    unlock(connection, &done).await?;
    done
}

/// A connection that has fallen silent says nothing, not even that the day has taken too long.
async fn timed(
    connection: &mut PgConnection,
    config: &AnalyticsConfig,
    day: Day,
    quests: Quests,
) -> Result<Done, sqlx::Error> {
    let began = Instant::now();
    let patience = Duration::from_secs(u64::from(config.analytics_day_timeout_seconds) + 10);
    let silent =
        || sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database has fallen silent"));
    let done = tokio::time::timeout(patience, compute(connection, day, quests)).await.map_err(|_| silent())??;
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
                 FROM analytics_changes WHERE started_at < ($2::date + 1)::timestamp AT TIME ZONE $1 GROUP BY 1) AS changed
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
