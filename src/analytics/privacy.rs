//! Which numbers of learners may be told: none of a small group, nor one from which such a group can be worked out.
//!
//! A group is small when it has at least one and fewer than `ANALYTICS_MIN_COHORT` learners. What is held back is null.

/// The rule, by the least number of learners that hide one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shield {
    pub least: i64,
}

impl Shield {
    /// Nobody, or enough.
    #[must_use]
    pub const fn is_safe(self, learners: i64) -> bool {
        learners == 0 || learners.abs() >= self.least
    }

    /// A number that nothing else is told beside.
    #[must_use]
    pub fn count(self, learners: i64) -> Option<i64> {
        self.is_safe(learners).then_some(learners)
    }

    /// A part of a whole that is told, too: those who are not in it must be no small group either.
    #[must_use]
    pub fn part(self, part: i64, whole: i64) -> Option<i64> {
        (self.is_safe(part) && self.is_safe(whole - part)).then_some(part)
    }

    /// Disjoint parts of a whole that is told, too. What is held back, with what belongs to no part, must be no small
    /// group together: the smallest parts are held back until it is none.
    #[must_use]
    pub fn parts(self, parts: &[i64], whole: i64) -> Vec<Option<i64>> {
        let rows: Vec<[i64; 1]> = parts.iter().map(|part| [*part]).collect();
        let told = self.rows(&rows, [whole], &vec![false; rows.len()]);
        parts.iter().zip(told).map(|(part, is_told)| is_told.then_some(*part)).collect()
    }

    /// Rows of groups that follow from each other: each is told as a whole or not at all, and what the columns add up to
    /// is known. A row is held back for one small group in it, or for another reason (`held`). All that are, with what
    /// belongs to no row, are one more row that can be worked out, so it must have no small group either: more rows are
    /// held back until it has none.
    #[must_use]
    pub fn rows<const N: usize>(self, rows: &[[i64; N]], whole: [i64; N], held: &[bool]) -> Vec<bool> {
        let mut told: Vec<bool> =
            rows.iter().zip(held).map(|(row, held)| !held && row.iter().all(|group| self.is_safe(*group))).collect();
        loop {
            let of_told = |column: usize| -> i64 {
                rows.iter().zip(&told).filter(|(_, is_told)| **is_told).map(|(row, _)| row[column]).sum()
            };
            let Some(small) = (0..N).find(|column| !self.is_safe(whole[*column] - of_told(*column))) else {
                return told;
            };
            let candidates = (0..rows.len()).filter(|at| told[*at] && rows[*at][small] != 0);
            match candidates.min_by_key(|at| (rows[*at][small].abs(), *at)) {
                Some(at) => told[at] = false,
                // The small group is in no row: there is nothing to hide it among.
                None => return vec![false; rows.len()],
            }
        }
    }

    /// Whether a mean, a median or a share over so many learners may be told.
    #[must_use]
    pub const fn tells(self, learners: i64) -> bool {
        learners >= self.least
    }

    /// Whether their ninetieth percentile may: of fewer it is one learner's own value.
    #[must_use]
    pub const fn tells_tail(self, learners: i64) -> bool {
        learners >= 2 * self.least
    }

    /// Begins a ladder of groups each of which lies within the one before.
    #[must_use]
    pub fn ladder(self, whole: i64) -> Ladder {
        Ladder { shield: self, told: vec![whole] }
    }
}

/// Groups that lie within each other: a number is told only where it differs from every one that was told before by
/// nobody or by enough learners.
#[derive(Debug, Clone)]
pub struct Ladder {
    shield: Shield,
    told: Vec<i64>,
}

impl Ladder {
    pub fn tell(&mut self, learners: i64) -> Option<i64> {
        let is_safe = self.told.iter().all(|other| self.shield.is_safe(other - learners));
        let told = self.shield.count(learners).filter(|_| is_safe);
        self.told.extend(told);
        told
    }
}

/// A number with a few places, as JSON shows it.
#[must_use]
pub fn rounded(value: Option<f64>, places: i32) -> Option<f64> {
    let scale = 10_f64.powi(places);
    value.filter(|value| value.is_finite()).map(|value| (value * scale).round() / scale + 0.0)
}

/// A whole number as one that is divided; what learners are counted in is far below 2^52.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of learners are far below 2^52")]
pub const fn real(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIELD: Shield = Shield { least: 5 };

    #[test]
    fn who_is_not_in_a_part_is_as_well_hidden_as_who_is() {
        assert_eq!(SHIELD.count(4), None);
        assert_eq!(SHIELD.count(0), Some(0));
        assert_eq!(SHIELD.part(6, 7), None, "one is missing");
        assert_eq!(SHIELD.part(7, 7), Some(7));
        assert_eq!(SHIELD.part(5, 10), Some(5));
        assert_eq!(SHIELD.parts(&[20, 3, 7], 30), [Some(20), None, None], "3 would be what is left of 30");
        assert_eq!(SHIELD.parts(&[20, 3, 2, 7], 32), [Some(20), None, None, Some(7)]);
        assert_eq!(SHIELD.parts(&[20, 7], 30), [Some(20), None], "3 belong to no part");
        let mut ladder = SHIELD.ladder(30);
        assert_eq!(
            [30, 27, 24, 20, 16, 15, 0].map(|group| ladder.tell(group)),
            [Some(30), None, Some(24), None, Some(16), None, Some(0)]
        );
    }

    proptest! {
        #[test]
        fn what_is_held_back_of_a_whole_is_never_a_small_group(parts in prop::collection::vec(0_i64..30, 1..12), rest in 0_i64..12) {
            let whole = parts.iter().sum::<i64>() + rest;
            let told = SHIELD.parts(&parts, whole);
            for (part, told) in parts.iter().zip(&told) {
                prop_assert!(told.is_none_or(|told| told == *part && (told == 0 || told >= 5)));
            }
            let hidden = whole - told.iter().flatten().sum::<i64>();
            // Of a small whole nothing is told.
            prop_assert!(hidden == 0 || hidden >= 5 || told.iter().all(Option::is_none));
        }

        #[test]
        fn rows_that_are_held_back_have_no_small_group_together(
            rows in prop::collection::vec((0_i64..30, 0_i64..8, any::<bool>()), 1..12), rest in (0_i64..9, 0_i64..9)
        ) {
            let held: Vec<bool> = rows.iter().map(|(_, _, is_held)| *is_held).collect();
            let rows: Vec<[i64; 2]> = rows.iter().map(|(one, other, _)| [*one, *other]).collect();
            let sum = |column: usize, of: &[bool]| -> i64 {
                rows.iter().zip(of).filter(|(_, is_in)| **is_in).map(|(row, _)| row[column]).sum()
            };
            let all = vec![true; rows.len()];
            let whole = [sum(0, &all) + rest.0, sum(1, &all) + rest.1];
            let told = SHIELD.rows(&rows, whole, &held);
            for (column, all) in whole.into_iter().enumerate() {
                let hidden = all - sum(column, &told);
                prop_assert!(hidden == 0 || hidden >= 5 || told.iter().all(|is_told| !is_told));
            }
            for (at, row) in rows.iter().enumerate().filter(|(at, _)| told[*at]) {
                prop_assert!(!held[at] && row.iter().all(|group| *group == 0 || *group >= 5));
            }
        }
    }
}
