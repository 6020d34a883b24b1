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
        let mut told: Vec<Option<i64>> = parts.iter().map(|part| self.count(*part)).collect();
        while !self.is_safe(whole - told.iter().flatten().sum::<i64>()) {
            let smallest = told.iter().enumerate().filter_map(|(at, part)| Some(((*part)?, at)));
            match smallest.filter(|(part, _)| *part > 0).min() {
                Some((_, at)) => told[at] = None,
                None => break,
            }
        }
        told
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
            // Where the whole itself is a small one nothing is left that could be held back.
            prop_assert!(hidden == 0 || hidden >= 5 || told.iter().flatten().all(|told| *told == 0));
        }
    }
}
