//! From percents to grades: rubrics, lateness, several tries, several reviewers.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::criteria::{Aggregate, Keep, Late, Per, Rubric};

/// Points by criterion, in percent of the rubric's points. A criterion without points counts 0, and points
/// count at most as much as the criterion has: the rubric may have changed since they were given.
#[must_use]
pub fn of_rubric(rubric: &Rubric, points: &BTreeMap<String, Decimal>) -> Decimal {
    let given = |id: &str| points.get(id).copied().unwrap_or_default();
    let sum: Decimal =
        rubric.criteria.iter().map(|criterion| given(&criterion.id).clamp(Decimal::ZERO, criterion.most())).sum();
    (sum * Decimal::ONE_HUNDRED).checked_div(rubric.most()).unwrap_or_default()
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

/// The grade in the unit of `max_grade`, with two decimals; half a hundredth counts upwards.
#[must_use]
pub fn grade(percent: Decimal, max_grade: Decimal) -> Decimal {
    (percent * max_grade / Decimal::ONE_HUNDRED)
        .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
        .clamp(Decimal::ZERO, max_grade)
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

/// What several reviews come to; the median of an even number is the mean of the two in the middle.
#[must_use]
pub fn aggregate(how: Aggregate, percents: &[Decimal]) -> Option<Decimal> {
    match how {
        Aggregate::Mean => mean(percents.iter().copied()),
        Aggregate::Median => {
            let mut sorted = percents.to_vec();
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
