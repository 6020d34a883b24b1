//! Axes with round numbers, in whole pixels: equal figures give equal bytes.

/// From 0 to a round number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    pub step: i64,
    pub most: i64,
}

impl Scale {
    /// At most six marks, all whole numbers.
    #[must_use]
    pub fn to(largest: i64) -> Self {
        let largest = largest.max(1);
        let mut step = 1;
        // 1, 2, 5, 10, 20, 50, …
        for (times, over) in [(2, 1), (5, 2), (2, 1)].into_iter().cycle() {
            if step * 5 >= largest {
                break;
            }
            step = step * times / over;
        }
        Self { step, most: (largest + step - 1) / step * step }
    }

    pub fn marks(self) -> impl Iterator<Item = i64> {
        (0..=self.most / self.step).map(move |nth| nth * self.step)
    }

    /// Where a number lies on an axis of so many pixels.
    #[must_use]
    pub fn pixels(self, number: i64, length: i32) -> i32 {
        i32::try_from((number.clamp(0, self.most) * i64::from(length) + self.most / 2) / self.most).unwrap_or(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        for (largest, step, most) in [
            (0, 1, 1),
            (3, 1, 3),
            (5, 1, 5),
            (6, 2, 6),
            (11, 5, 15),
            (26, 10, 30),
            (51, 20, 60),
            (101, 50, 150),
            (999, 200, 1_000),
        ] {
            assert_eq!(Scale::to(largest), Scale { step, most }, "{largest}");
        }
        let scale = Scale::to(1_000_000);
        assert_eq!(scale.marks().collect::<Vec<_>>(), [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]);
        assert_eq!((scale.pixels(0, 300), scale.pixels(500_000, 300), scale.pixels(2_000_000, 300)), (0, 150, 300));
    }
}
