//! What learners can walk through, what they leave behind, and chance that always falls the same way.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::assessments::model::Rules;
use crate::attempts::model::StepProgress;

/// Namespace of the ids of made-up learners and their rows; never to be changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x2b61_70c3_94d8_4e0a_8f25_c7a9_13de_6b40);
/// Where most learners leave: keys of the quest and the step.
pub const DROP_OFF: (&str, &str) = ("bug-hunt", "a-debugger-session");
/// Key of the quest with the quiz.
pub const QUIZ_QUEST: &str = "cohort-checkpoint";
/// The question whose key is wrong, and what it should be.
pub const WRONG_KEY: (&str, &str) = ("main-returns", "success");

/// An id that depends on nothing but its name.
#[must_use]
pub fn fixed_id(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// Numbers that look like chance and depend on their seed only, on every machine and for ever (`SplitMix64`).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    #[must_use]
    pub fn new(seed: u64, number: u32) -> Self {
        let mut chance = Self(seed ^ u64::from(number).wrapping_mul(0xd134_2543_de82_ef95));
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to less than 1.
    pub fn share(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let bits = (self.next() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// Whether what happens so often happens now.
    pub fn hits(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// Around 0, most within 1 of it.
    pub fn around_zero(&mut self) -> f64 {
        // Twelve shares have a variance of 1.
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }

    /// Above 0, with this mean.
    pub fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// One of so many.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a handful, at least 0"
        )]
        let index = (self.share() * of.len() as f64) as usize;
        of.get(index)
    }
}

/// A quest that made-up learners take.
#[derive(Debug, Clone)]
pub struct Quest {
    pub id: Uuid,
    pub key: String,
    pub units_version: i32,
    pub minutes: f64,
    /// Quests that must be completed before
    pub needs: Vec<Uuid>,
    /// Whether all earlier ones must be: where the path has conditions of its own
    pub comes_last: bool,
    /// Mandatory ones, in order
    pub steps: Vec<Step>,
    pub quiz: Option<(Uuid, Rules)>,
}

/// A mandatory step.
#[derive(Debug, Clone)]
pub struct Step {
    pub key: String,
    pub untouched: StepProgress,
    pub is_reviewed: bool,
}

/// All that a learner leaves behind; field names are those of the columns.
#[derive(Debug, Default, Serialize)]
pub struct Rows {
    pub learners: Vec<LearnerRow>,
    pub attempts: Vec<AttemptRow>,
    pub steps: Vec<StepRow>,
    pub tries: Vec<TryRow>,
    pub passed: Vec<PassedRow>,
    pub feedback: Vec<FeedbackRow>,
}

#[derive(Debug, Serialize)]
pub struct LearnerRow {
    pub auth_user_id: Uuid,
    pub came_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub struct AttemptRow {
    pub id: Uuid,
    pub auth_user_id: Uuid,
    pub quest_id: Uuid,
    pub status: &'static str,
    pub started_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub abandoned_at: Option<DateTime<Utc>>,
    pub completion_percentage: Decimal,
    pub current_step_id: Option<Uuid>,
    pub units_version: i32,
}

#[derive(Debug, Serialize)]
pub struct StepRow {
    pub id: Uuid,
    pub attempt_id: Uuid,
    pub step_id: Uuid,
    pub status: &'static str,
    pub started_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub attempts_count: i32,
    pub is_reviewed: bool,
}

#[derive(Debug, Serialize)]
pub struct TryRow {
    pub id: Uuid,
    pub grade_id: Uuid,
    pub attempt_id: Uuid,
    pub assessment_id: Uuid,
    pub attempt_number: i32,
    pub submission_data: Value,
    pub item_ids: Vec<String>,
    pub submitted_at: DateTime<Utc>,
    pub percent: Decimal,
    pub late_percent: Decimal,
    pub grade: Decimal,
    pub max_grade: Decimal,
    pub is_passed: bool,
}

#[derive(Debug, Serialize)]
pub struct PassedRow {
    pub attempt_id: Uuid,
    pub assessment_id: Uuid,
    pub passed_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub struct FeedbackRow {
    pub id: Uuid,
    pub quest_id: Uuid,
    pub auth_user_id: Uuid,
    pub category: &'static str,
    pub rating: i16,
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_chance_and_another_one_another() {
        let shares = |seed, number| -> Vec<f64> {
            let mut chance = Chance::new(seed, number);
            (0..5).map(|_| chance.share()).collect()
        };
        assert_eq!(shares(7, 1), shares(7, 1));
        assert_ne!(shares(7, 1), shares(7, 2));
        assert_ne!(shares(7, 1), shares(8, 1));
    }

    #[test]
    fn chance_keeps_its_means() {
        let mut chance = Chance::new(7, 0);
        let mean = |of: &mut dyn FnMut() -> f64| (0..10_000).map(|_| of()).sum::<f64>() / 10_000.0;
        assert!((mean(&mut || chance.share()) - 0.5).abs() < 0.02);
        assert!(mean(&mut || chance.around_zero()).abs() < 0.05);
        assert!((mean(&mut || chance.wait(3.0)) - 3.0).abs() < 0.2);
    }
}
