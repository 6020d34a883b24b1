//! Days, their time zone, and what computing them has done.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

/// A time zone by its name (`Asia/Ho_Chi_Minh`). Whether there is such a one, PostgreSQL knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(String);

impl Zone {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Zone {
    type Err = String;

    /// Signs of names only: what reads like an offset means the opposite to PostgreSQL.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '/' | '_' | '-' | '+');
        if text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.len() <= 64 && text.chars().all(is_sign)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("'{text}' is no name of a time zone, as Europe/Berlin is"))
        }
    }
}

/// A calendar day of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub date: NaiveDate,
    pub begins: DateTime<Utc>,
    /// Where the next one begins
    pub ends: DateTime<Utc>,
}

/// Which quests of a day are computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quests {
    All,
    These(Vec<Uuid>),
}

/// What computing days has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    pub days: u64,
    /// Rows that are new or have other values
    pub written: u64,
    /// Rows of days on which nothing of the quest is left
    pub removed: u64,
    /// Attempts, units and quests' days that were set aside
    pub rejected: u64,
}

/// What was set aside, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub date: NaiveDate,
    pub quest_id: Uuid,
    /// Left out where the quest's whole day is meant
    pub attempt_id: Option<Uuid>,
    /// A step or an assessment of the attempt
    pub unit_id: Option<Uuid>,
    pub reason: String,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set aside: {}, quest {}", self.date, self.quest_id)?;
        for (name, id) in [("attempt", self.attempt_id), ("unit", self.unit_id)] {
            if let Some(id) = id {
                write!(f, ", {name} {id}")?;
            }
        }
        write!(f, ": {}", self.reason)
    }
}

impl AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.days += other.days;
        self.written += other.written;
        self.removed += other.removed;
        self.rejected += other.rejected;
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, written, removed, rejected } = self;
        write!(f, "days computed: {days}; rows written: {written}, removed: {removed}; set aside: {rejected}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_and_offsets_are_none() {
        for name in ["UTC", "Asia/Ho_Chi_Minh", "America/Port-au-Prince", "Etc/GMT+7"] {
            assert_eq!(name.parse::<Zone>().map(|zone| zone.to_string()), Ok(name.to_owned()));
        }
        for text in ["", "+07:00", "UTC; DROP TABLE quests", "Europe/Berlin "] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
