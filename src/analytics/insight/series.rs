//! Days of a period, put together to the points of a series.

use chrono::NaiveDate;

use crate::analytics::period::{Bucket, Period};
use crate::analytics::privacy::{Shield, real};

/// Which days are in which bucket; both in their order.
#[derive(Debug)]
pub struct Buckets {
    /// The first day of each that is in the period
    pub begins: Vec<NaiveDate>,
    of: Vec<usize>,
}

/// What is told: by day, and by bucket.
#[derive(Debug)]
pub struct Told {
    days: Vec<bool>,
    pub buckets: Vec<bool>,
}

impl Told {
    /// The same, or nothing.
    #[must_use]
    pub fn only_if(&self, is_known: bool) -> Self {
        let of = |told: &[bool]| told.iter().map(|is_told| *is_told && is_known).collect();
        Self { days: of(&self.days), buckets: of(&self.buckets) }
    }
}

impl Buckets {
    #[must_use]
    pub fn new(days: impl IntoIterator<Item = NaiveDate>, bucket: Bucket, period: Period) -> Self {
        let (mut begins, mut of) = (Vec::new(), Vec::new());
        for day in days {
            let begin = bucket.begin(day).max(period.from);
            if begins.last() != Some(&begin) {
                begins.push(begin);
            }
            of.push(begins.len() - 1);
        }
        Self { begins, of }
    }

    #[must_use]
    pub fn all(&self) -> Told {
        Told { days: vec![true; self.of.len()], buckets: vec![true; self.begins.len()] }
    }

    /// The bucket of a day.
    #[must_use]
    pub fn at(&self, day: usize) -> usize {
        self.of[day]
    }

    #[must_use]
    pub fn sums(&self, days: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut sums = vec![0; self.begins.len()];
        for (day, at) in days.into_iter().zip(&self.of) {
            sums[*at] += day;
        }
        sums
    }

    /// Means of values with their weights, over the days that have one.
    #[must_use]
    pub fn means(&self, days: impl IntoIterator<Item = (Option<f64>, i64)>) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0); self.begins.len()];
        for ((value, weight), at) in days.into_iter().zip(&self.of) {
            if let Some(value) = value {
                sums[*at].0 += value * real(weight);
                sums[*at].1 += weight;
            }
        }
        sums.into_iter().map(|(sum, weight)| (weight > 0).then(|| sum / real(weight))).collect()
    }

    /// Which days may be told, whatever the buckets are, and which buckets beside them: where days that are held back have
    /// no small group together, in none that is told, nor in all others. So the days of a period, its weeks and its months
    /// do not give away what is held back of a day.
    #[must_use]
    pub fn tell<const N: usize>(&self, shield: Shield, days: &[[i64; N]], whole: [i64; N], within: &Told) -> Told {
        let held = |told: &[bool]| -> Vec<bool> { told.iter().map(|is_told| !is_told).collect() };
        let told = shield.rows(days, whole, &held(&within.days));
        if self.begins.len() == days.len() {
            return Told { buckets: told.clone(), days: told };
        }
        let (mut hidden, mut rest) = (vec![[0; N]; self.begins.len()], whole);
        for ((day, at), is_told) in days.iter().zip(&self.of).zip(&told) {
            for (column, number) in day.iter().enumerate() {
                if *is_told {
                    rest[column] -= number;
                } else {
                    hidden[*at][column] += number;
                }
            }
        }
        Told { buckets: shield.rows(&hidden, rest, &held(&within.buckets)), days: told }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIELD: Shield = Shield { least: 5 };

    fn fortnight(bucket: Bucket) -> Buckets {
        let from: NaiveDate = "2026-08-03".parse().unwrap();
        let to = from + chrono::Days::new(13);
        Buckets::new(from.iter_days().take(14), bucket, Period { from, to })
    }

    #[test]
    fn a_week_is_told_only_where_its_held_back_days_are_no_small_group() {
        let mut days = [[0]; 14];
        (days[0], days[1], days[7], days[8]) = ([10], [4], [10], [3]);
        let (by_day, by_week) = (fortnight(Bucket::Day), fortnight(Bucket::Week));
        let told = by_day.tell(SHIELD, &days, [27], &by_day.all());
        assert_eq!([0, 1, 7, 8].map(|day| told.buckets[day]), [true, false, true, false]);
        let told = by_week.tell(SHIELD, &days, [27], &by_week.all());
        assert_eq!(told.buckets, [false, false], "14 and 13 would be 4 and 3 more than the days");
        days[9] = [4];
        let told = by_week.tell(SHIELD, &days, [31], &by_week.all());
        assert_eq!(told.buckets, [false, false], "the 4 of the first week would be what is left");
        days[2] = [3];
        let told = by_week.tell(SHIELD, &days, [34], &by_week.all());
        assert_eq!(told.buckets, [true, true]);
        assert_eq!(by_week.sums(days.iter().map(|[day]| *day)), [17, 17]);
        assert_eq!(by_week.means([(Some(2.0), 1), (None, 5), (Some(4.0), 3)]), [Some(3.5), None]);
    }

    proptest! {
        #[test]
        fn buckets_give_away_no_small_group_of_days(days in prop::collection::vec(0_i64..14, 14)) {
            let rows: Vec<[i64; 1]> = days.iter().map(|day| [*day]).collect();
            let of = fortnight(Bucket::Week);
            let told = of.tell(SHIELD, &rows, [days.iter().sum()], &of.all());
            let hidden: Vec<i64> = of.sums(days.iter().zip(&told.days).map(|(day, is_told)| if *is_told { 0 } else { *day }));
            let (mut others, mut are_any_told) = (0, false);
            for (hidden, is_told) in hidden.iter().zip(&told.buckets) {
                prop_assert!(!is_told || SHIELD.is_safe(*hidden));
                others += if *is_told { 0 } else { *hidden };
                are_any_told |= is_told;
            }
            prop_assert!(!are_any_told || SHIELD.is_safe(others));
        }
    }
}
