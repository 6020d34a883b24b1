//! Settings of analytics.

use clap::Args;

use crate::analytics::model::Zone;

/// When and how `quest_analytics` is computed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Analytics")]
pub struct AnalyticsConfig {
    /// Time zone of the calendar days, by its name, e.g. `Asia/Ho_Chi_Minh`. Changed, all days are computed anew
    #[arg(long, env = "ANALYTICS_TIME_ZONE", default_value = "UTC", value_name = "NAME")]
    pub analytics_time_zone: Zone,
    /// Hour of the day, in that time zone, from which the day before is computed, 0 to 23
    #[arg(long, env = "ANALYTICS_HOUR", default_value_t = 3, value_name = "HOUR", value_parser = clap::value_parser!(u8).range(0..=23))]
    pub analytics_hour: u8,
    /// Days that are over and that one run computes; the next one goes on a minute later, and the command refuses more
    #[arg(long, env = "ANALYTICS_MAX_DAYS", default_value_t = 400, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub analytics_max_days: u32,
    /// Longest that computing one day may take, in seconds
    #[arg(long, env = "ANALYTICS_DAY_TIMEOUT_SECONDS", default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=7_200))]
    pub analytics_day_timeout_seconds: u32,
}

/// What authors may ask of analytics.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Analytics")]
pub struct InsightConfig {
    /// Longest period that is answered, in days
    #[arg(long, env = "ANALYTICS_PERIOD_MAX_DAYS", default_value_t = 366, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_660))]
    pub analytics_period_max_days: u32,
    /// Time without a sign of life after which an open attempt counts as left, in days
    #[arg(long, env = "ANALYTICS_IDLE_DAYS", default_value_t = 14, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3_660))]
    pub analytics_idle_days: u16,
    /// Learners that hide one another: numbers of fewer are held back
    #[arg(long, env = "ANALYTICS_MIN_COHORT", default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub analytics_min_cohort: u16,
    /// Attempts or enrolments of a period that are looked at, the newest ones
    #[arg(long, env = "ANALYTICS_MAX_ATTEMPTS", default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub analytics_max_attempts: u32,
    /// Tries of one quiz that its item analysis looks at, the newest ones
    #[arg(long, env = "ANALYTICS_MAX_TRIES", default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub analytics_max_tries: u32,
}
