//! From percents to grades: rubrics, lateness, several tries, several reviewers.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::criteria::{Aggregate, Keep, Late, Per, Rubric};

/// What a try got of what it could get, exactly: a third stays a third, whatever it is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    part: Decimal,
    whole: Decimal,
}

impl Share {
    /// `part` of `whole`; nothing, where there is nothing to get. Between nothing and all of it.
    #[must_use]
    pub fn new(part: Decimal, whole: Decimal) -> Self {
        if whole <= Decimal::ZERO {
            return Self { part: Decimal::ZERO, whole: Decimal::ONE };
        }
        Self { part: part.clamp(Decimal::ZERO, whole), whole }
    }

    /// What is left of it, by percent.
    #[must_use]
    pub fn less(self, left_percent: Decimal) -> Self {
        Self { part: self.part * left_percent, whole: self.whole * Decimal::ONE_HUNDRED }
    }

    /// In percent, to as many places as a decimal has.
    #[must_use]
    pub fn percent(self) -> Decimal {
        (self.part * Decimal::ONE_HUNDRED / self.whole).min(Decimal::ONE_HUNDRED)
    }

    /// Whether it is at least that many percent.
    #[must_use]
    pub fn reaches_percent(self, least: Decimal) -> bool {
        self.part * Decimal::ONE_HUNDRED >= least * self.whole
    }

    /// Whether it is at least that grade, of `max_grade`.
    #[must_use]
    pub fn reaches(self, least: Decimal, max_grade: Decimal) -> bool {
        self.part * max_grade >= least * self.whole
    }

    /// The grade in the unit of `max_grade`, with two decimals; half a hundredth counts upwards.
    #[must_use]
    pub fn grade(self, max_grade: Decimal) -> Decimal {
        rounded(self.part * max_grade / self.whole, max_grade)
    }
}

impl Default for Share {
    fn default() -> Self {
        Self { part: Decimal::ZERO, whole: Decimal::ONE }
    }
}

/// Points by criterion, as a share of the rubric's points.
#[must_use]
pub fn of_rubric(rubric: &Rubric, points: &BTreeMap<String, Decimal>) -> Share {
    Share::new(rubric.sum(points), rubric.most())
}

/// What is left of the grade of work that came at a moment, in percent. Each begun hour or day counts.
#[must_use]
pub fn late_percent(late: &Late, due_at: Option<DateTime<Utc>>, came_at: DateTime<Utc>) -> Decimal {
    let (Late::Penalize { percent, per, floor_percent }, Some(due)) = (late, due_at) else {
        return Decimal::ONE_HUNDRED;
    };
    let unit = match per {
        Per::Hour => TimeDelta::hours(1),
        Per::Day => TimeDelta::days(1),
    };
    let begun = begun(came_at - due, unit);
    (Decimal::ONE_HUNDRED - *percent * Decimal::from(begun)).max(*floor_percent)
}

/// How many units have begun; none before the first instant.
fn begun(since: TimeDelta, unit: TimeDelta) -> i64 {
    let (whole, unit) = (since.num_seconds(), unit.num_seconds());
    if since <= TimeDelta::zero() {
        return 0;
    }
    let is_exact = since.subsec_nanos() == 0 && whole % unit == 0;
    whole / unit + i64::from(!is_exact)
}

/// The grade of a percent that was kept, as [`Share::grade`] would give it.
#[must_use]
pub fn grade(percent: Decimal, max_grade: Decimal) -> Decimal {
    // A percent that was cut off somewhere far behind the point must not fall below the half.
    rounded((percent * max_grade / Decimal::ONE_HUNDRED).round_dp(15), max_grade)
}

fn rounded(grade: Decimal, max_grade: Decimal) -> Decimal {
    grade.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero).clamp(Decimal::ZERO, max_grade)
}

/// The percent that is reported of several tries, each with its number.
#[must_use]
pub fn kept(keep: Keep, tries: &[(i32, Decimal)]) -> Option<Decimal> {
    match keep {
        Keep::Best => tries.iter().map(|(_, percent)| *percent).max(),
        Keep::Latest => tries.iter().max_by_key(|(number, _)| *number).map(|(_, percent)| *percent),
        Keep::First => tries.iter().min_by_key(|(number, _)| *number).map(|(_, percent)| *percent),
        Keep::Average => mean(tries.iter().map(|(_, percent)| *percent)),
    }
}

/// What several reviews come to, each a number of points of the same rubric; the median of an even number is the mean of the two in the middle.
#[must_use]
pub fn aggregate(how: Aggregate, points: &[Decimal]) -> Option<Decimal> {
    match how {
        Aggregate::Mean => mean(points.iter().copied()),
        Aggregate::Median => {
            let mut sorted = points.to_vec();
            sorted.sort_unstable();
            let upper = sorted.len() / 2;
            let lower = upper.checked_sub(usize::from(sorted.len().is_multiple_of(2)))?;
            mean(sorted.get(lower..=upper)?.iter().copied())
        }
    }
}

/// How far the reviews are apart: the largest less the least.
#[must_use]
pub fn spread(percents: &[Decimal]) -> Decimal {
    let ends = percents.iter().max().zip(percents.iter().min());
    ends.map(|(most, least)| *most - *least).unwrap_or_default()
}

fn mean(percents: impl ExactSizeIterator<Item = Decimal>) -> Option<Decimal> {
    let count = Decimal::from(percents.len());
    percents.sum::<Decimal>().checked_div(count)
}

#[cfg(test)]
mod tests;
