//! The days that analytics are asked for.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::Zone;
use super::privacy::Shield;
use crate::config::{AnalyticsConfig, InsightConfig};

/// Calendar days of the service's time zone, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// What a point of a series stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bucket {
    #[default]
    Day,
    /// From Monday on
    Week,
    Month,
}

impl Bucket {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first day of the one that a day is in.
    #[must_use]
    pub fn begin(self, day: NaiveDate) -> NaiveDate {
        let before = match self {
            Self::Day => 0,
            Self::Week => day.weekday().num_days_from_monday(),
            Self::Month => day.day0(),
        };
        day.checked_sub_days(Days::new(before.into())).unwrap_or(day)
    }
}

/// Days of a period where none are asked for.
const DEFAULT_DAYS: u64 = 30;

impl Period {
    /// The last 30 days up to today where nothing else is asked for; 30 days from or to the day that is.
    #[must_use]
    pub fn of(from: Option<NaiveDate>, to: Option<NaiveDate>, today: NaiveDate) -> Self {
        let before = Days::new(DEFAULT_DAYS - 1);
        match (from, to) {
            (Some(from), Some(to)) => Self { from, to },
            (Some(from), None) => Self { from, to: from.checked_add_days(before).unwrap_or(from).min(today).max(from) },
            (None, to) => {
                let to = to.unwrap_or(today);
                Self { from: to.checked_sub_days(before).unwrap_or(to), to }
            }
        }
    }

    /// Its days; below 1 when it ends before it begins.
    #[must_use]
    pub fn days(self) -> i64 {
        (self.to - self.from).num_days() + 1
    }
}

/// What answers are bounded by, of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Whose calendar days are meant
    pub time_zone: String,
    /// Attempts without a sign of life since are idle
    pub idle_since: DateTime<Utc>,
    /// Newest attempts of the period that are looked at
    pub max_attempts: i64,
    /// Newest tries of a quiz that its item analysis looks at
    pub max_tries: i64,
    pub shield: Shield,
}

/// The settings, for handlers.
#[derive(Debug, Clone)]
pub struct Insights {
    settings: Arc<InsightConfig>,
    zone: Zone,
}

impl Insights {
    #[must_use]
    pub fn new(analytics: &AnalyticsConfig, settings: &InsightConfig) -> Self {
        Self { settings: Arc::new(settings.clone()), zone: analytics.analytics_time_zone.clone() }
    }

    /// Longest period, in days.
    #[must_use]
    pub fn max_days(&self) -> i64 {
        self.settings.analytics_period_max_days.into()
    }

    #[must_use]
    pub fn bounds(&self, now: DateTime<Utc>) -> Bounds {
        Bounds {
            time_zone: self.zone.as_str().to_owned(),
            idle_since: now - TimeDelta::days(self.settings.analytics_idle_days.into()),
            max_attempts: self.settings.analytics_max_attempts.into(),
            max_tries: self.settings.analytics_max_tries.into(),
            shield: Shield { least: self.settings.analytics_min_cohort.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_said_of_a_period_makes_it_30_days_long() {
        let today = day("2026-09-30");
        let period = |from: Option<&str>, to: Option<&str>| {
            let period = Period::of(from.map(day), to.map(day), today);
            (period.from.to_string(), period.to.to_string(), period.days())
        };
        assert_eq!(period(None, None), ("2026-09-01".to_owned(), "2026-09-30".to_owned(), 30));
        assert_eq!(period(None, Some("2026-03-30")), ("2026-03-01".to_owned(), "2026-03-30".to_owned(), 30));
        assert_eq!(period(Some("2026-01-01"), None), ("2026-01-01".to_owned(), "2026-01-30".to_owned(), 30));
        assert_eq!(period(Some("2026-09-20"), None).1, "2026-09-30", "not beyond today");
        assert_eq!(period(Some("2026-09-02"), Some("2026-09-01")).2, 0);
    }

    #[test]
    fn weeks_begin_on_mondays() {
        let begin = |bucket: Bucket, text: &str| bucket.begin(day(text)).to_string();
        assert_eq!(begin(Bucket::Week, "2026-09-06"), "2026-08-31");
        assert_eq!(begin(Bucket::Week, "2026-08-31"), "2026-08-31");
        assert_eq!(begin(Bucket::Month, "2026-09-30"), "2026-09-01");
        assert_eq!(begin(Bucket::Day, "2026-09-30"), "2026-09-30");
    }
}
