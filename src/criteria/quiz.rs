//! A quiz as a step: its questions, and what passing takes.

use rust_decimal::Decimal;

use super::items::Item;
use super::numbers::to_json;
use super::reader::Fields;
use super::validation::COMMON;
use super::violation::Findings;

/// Answer questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiz {
    /// The questions, 1 to 200.
    pub items: Vec<Item>,
    /// Percent of the points, 0 to 100; some answers do reach it.
    pub min_percent: Decimal,
    /// Tries, 1 to 100; no limit when left out.
    pub max_attempts: Option<u32>,
    /// Seconds from one try to the next, 1 to 2,592,000 (30 days).
    pub cooldown_seconds: Option<u32>,
}

impl Quiz {
    pub(super) fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        let own = ["items", "minPercent", "maxAttempts", "cooldownSeconds"];
        fields.only(&COMMON, &own, found);
        let max_attempts = fields.count("maxAttempts", 100, found);
        let cooldown_seconds = fields.count("cooldownSeconds", 2_592_000, found);
        let min_percent = fields.percent("minPercent", found);
        let items = fields.required("items", found).and_then(|items| Item::read_list(&items, found));
        let quiz = Self { items: items?, min_percent: min_percent?, max_attempts, cooldown_seconds };
        quiz.add_unreachable(found);
        Some(quiz)
    }

    /// A quiz that nobody can pass would stop every learner for good.
    fn add_unreachable(&self, found: &mut Findings) {
        let all: Decimal = self.items.iter().map(|item| item.points).sum();
        let best: Decimal = self.items.iter().map(|item| item.points * item.best_share()).sum();
        if best * Decimal::ONE_HUNDRED < self.min_percent * all {
            let (best, all) = (to_json(best), to_json(all));
            found.add("/minPercent", format!("cannot be reached: the best answers give {best} of {all} points"));
        }
    }
}
