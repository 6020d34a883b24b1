//! Items and answers to points.

use std::collections::BTreeSet;

use rust_decimal::{Decimal, RoundingStrategy};

use crate::criteria::{Answer, Answers, Item, OrderScoring, Question, Scoring, Tolerance, normalized};

/// What some items gave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// At least 0 and at most `max_points`.
    pub points: Decimal,
    /// What the items are worth, above 0 unless there are none.
    pub max_points: Decimal,
}

impl Score {
    /// Whether it is at least that many percent of the points; unrounded.
    #[must_use]
    pub fn reaches(&self, percent: Decimal) -> bool {
        self.points * Decimal::ONE_HUNDRED >= percent * self.max_points
    }

    /// Percent of the points, cut to two decimals: 79.999 of 80 must not read as 80.
    #[must_use]
    pub fn percent(&self) -> Decimal {
        let share = (self.points * Decimal::ONE_HUNDRED).checked_div(self.max_points);
        share.unwrap_or_default().round_dp_with_strategy(2, RoundingStrategy::ToZero).normalize()
    }
}

/// Scores answers to the items; one that is not answered gives nothing.
#[must_use]
pub fn score<'i>(items: impl IntoIterator<Item = &'i Item>, answers: &Answers) -> Score {
    let (mut points, mut max_points) = (Decimal::ZERO, Decimal::ZERO);
    for item in items {
        max_points += item.points;
        points += score_item(item, answers.get(&item.id));
    }
    Score { points: points.clamp(Decimal::ZERO, max_points), max_points }
}

/// The points of one item: at most its points, and below 0 only by a `map` whose `lower` is. An
/// answer of another kind of item is wrong.
#[must_use]
pub fn score_item(item: &Item, answer: Option<&Answer>) -> Decimal {
    let Some(answer) = answer else { return Decimal::ZERO };
    let all_or_none = |right: bool| if right { item.points } else { Decimal::ZERO };
    match (&item.question, answer) {
        (Question::SingleChoice { correct, .. }, Answer::Choice(chosen)) => all_or_none(chosen == correct),
        (Question::MultipleChoice { correct, scoring, .. }, Answer::Choices(chosen)) => match scoring {
            Scoring::Match => all_or_none(set(chosen) == set(correct)),
            Scoring::Map { map, lower, upper } => {
                let chosen = set(chosen);
                // In the order of the map, whatever that of the answer: equal answers get equal points.
                let sum: Decimal =
                    map.iter().filter(|(id, _)| chosen.contains(id.as_str())).map(|(_, value)| *value).sum();
                item.points * sum.clamp(*lower, *upper)
            }
        },
        (Question::TrueFalse { correct }, Answer::Truth(said)) => all_or_none(said == correct),
        (Question::ShortText { accept, normalize }, Answer::Text(text)) => {
            let text = normalized(text, normalize);
            all_or_none(accept.iter().any(|accepted| normalized(accepted, normalize) == text))
        }
        (Question::Numeric { value, tolerance }, Answer::Number(number)) => {
            all_or_none(is_near(*number, *value, *tolerance))
        }
        (Question::Ordering { correct, scoring, .. }, Answer::Choices(order)) => match scoring {
            OrderScoring::Match => all_or_none(order == correct),
            OrderScoring::AdjacentPairs => neighbours(item.points, correct, order),
        },
        (Question::Matching { pairs, .. }, Answer::Pairs(matched)) => all_or_none(matched == pairs),
        _ => Decimal::ZERO,
    }
}

fn set(ids: &[String]) -> BTreeSet<&str> {
    ids.iter().map(String::as_str).collect()
}

/// Both ends of the tolerance are right. Numbers too far apart to be subtracted are not near.
fn is_near(number: Decimal, value: Decimal, tolerance: Option<Tolerance>) -> bool {
    let most = match tolerance {
        None => Some(Decimal::ZERO),
        Some(Tolerance::Abs(most)) => Some(most),
        Some(Tolerance::Rel(share)) => value.abs().checked_mul(share),
    };
    number.checked_sub(value).zip(most).is_some_and(|(off, most)| off.abs() <= most)
}

/// The points times the share of neighbours that are neighbours in the answer. Divided last, so that
/// all of them give exactly the points.
fn neighbours(points: Decimal, correct: &[String], order: &[String]) -> Decimal {
    let found = correct.windows(2).filter(|pair| order.windows(2).any(|neighbours| neighbours == *pair)).count();
    let all = correct.len().saturating_sub(1);
    (points * Decimal::from(found)).checked_div(Decimal::from(all)).unwrap_or_default()
}
