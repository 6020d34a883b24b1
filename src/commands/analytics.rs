//! `quests analytics`: days of `quest_analytics` from the command line, by the operations of the scheduler.

use std::time::Duration;

use chrono::NaiveDate;
use clap::Subcommand;

use crate::analytics::model::Zone;
use crate::analytics::rollup::rejects;
use crate::analytics::scheduler::{Refusal, catch_up, check_same_zone, check_zone, connect, recompute};
use crate::clock::Clock;
use crate::config::{AnalyticsConfig, Config, DatabaseConfig};
use crate::db;

/// Rejects that are printed; the table has them all.
const SHOWN: i64 = 100;
/// Days between which all others lie, for PostgreSQL too.
const FIRST: NaiveDate = date(1, 1, 1);
const LAST: NaiveDate = date(9999, 12, 31);
/// How long a start waits for the database to say whether it knows the time zone.
const PATIENCE: Duration = Duration::from_secs(2);

const fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => NaiveDate::MIN,
    }
}

#[derive(Debug, Subcommand)]
pub enum AnalyticsCommand {
    /// Compute days as they are now; the same attempts give the same rows
    ///
    /// Without days it does what the service does every night. Prints what it has written, and what was set aside with
    /// the reason.
    Rollup {
        /// First day, e.g. 2026-09-01
        #[arg(long, value_name = "DAY", requires = "to")]
        from: Option<NaiveDate>,
        /// Last day
        #[arg(long, value_name = "DAY", requires = "from")]
        to: Option<NaiveDate>,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        analytics: AnalyticsConfig,
    },
}

/// Does it; gives the lines to print.
///
/// # Errors
/// A sentence that says why not.
pub async fn run(command: AnalyticsCommand, clock: &Clock) -> Result<Vec<String>, String> {
    let AnalyticsCommand::Rollup { from, to, database, analytics } = command;
    rollup(from.zip(to), &database, &analytics, clock).await.map_err(|refusal| refusal.to_string())
}

async fn rollup(
    days: Option<(NaiveDate, NaiveDate)>,
    database: &DatabaseConfig,
    config: &AnalyticsConfig,
    clock: &Clock,
) -> Result<Vec<String>, Refusal> {
    let mut connection = connect(database, config).await?;
    let done = if let Some((from, to)) = days {
        recompute(&mut connection, config, clock, from, to).await?
    } else {
        check_same_zone(&mut connection, &config.analytics_time_zone).await?;
        let Some(done) = catch_up(&mut connection, config, clock).await? else {
            return Ok(vec!["another process is at it".to_owned()]);
        };
        done
    };
    let mut lines = vec![done.to_string()];
    if done.rejected > 0 {
        let (from, to) = days.unwrap_or((FIRST, LAST));
        let rejects = rejects(&mut connection, from, to, SHOWN + 1).await?;
        lines.extend(rejects.iter().take(usize::try_from(SHOWN).unwrap_or_default()).map(ToString::to_string));
        if rejects.len() > lines.len() - 1 {
            lines.push("and more, in analytics_rejects".to_owned());
        }
    }
    Ok(lines)
}

/// Refuses a start with a time zone that the database does not know; one that is away is asked later.
///
/// # Errors
/// A sentence that names the setting.
pub async fn check(config: &Config) -> Result<(), String> {
    let zone: &Zone = &config.analytics.analytics_time_zone;
    // Every PostgreSQL knows it.
    if zone.as_str() == "UTC" {
        return Ok(());
    }
    let check = async {
        let mut connection = db::dedicated(&config.database, "quests analytics").await?;
        check_zone(&mut connection, zone).await
    };
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(Err(refusal @ Refusal::UnknownZone(_))) => Err(refusal.to_string()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database cannot say yet whether it knows ANALYTICS_TIME_ZONE");
            Ok(())
        }
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}
