//! What a try comes to; pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::Rules;
use crate::criteria::{Answers, CodingResult, Form, Item};
use crate::scoring::{Facts, Share, late_percent, of_rubric, passes, score, score_item};

/// Points by criterion of the rubric.
pub type RubricPoints = BTreeMap<String, Decimal>;

/// What a try is graded by.
#[derive(Debug, Clone)]
pub enum Basis<'a> {
    /// The answers to the items that it got.
    Quiz { items: &'a [Item], answers: &'a Answers },
    /// What an outside grader has found.
    Tests(&'a CodingResult),
    /// A person's points by criterion.
    Rubric(RubricPoints),
    /// A person's grade, as a share of the best.
    Given(Share),
    /// What several reviews come to: together, and by criterion.
    Peers { share: Share, points: RubricPoints },
}

/// A grade, and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graded {
    /// Percent of the best grade before lateness, unrounded.
    pub percent: Decimal,
    /// What lateness leaves of it, in percent.
    pub late_percent: Decimal,
    /// In the unit of `max_grade`, two decimals.
    pub grade: Decimal,
    pub max_grade: Decimal,
    pub is_passed: bool,
}

impl Graded {
    /// Percent of the best grade after lateness, unrounded.
    #[must_use]
    pub fn final_percent(&self) -> Decimal {
        self.percent * self.late_percent / Decimal::ONE_HUNDRED
    }
}

/// Grades a try. Rules about single items and criteria look at the work itself, not at its lateness.
#[must_use]
pub fn assess(rules: &Rules, basis: &Basis, decision: Option<bool>, submitted_at: DateTime<Utc>) -> Graded {
    let configuration = &rules.configuration;
    let max_grade = configuration.max_grade;
    let rubric = configuration.form.rubric();
    let mut facts = Facts { max_grade, rubric, decision, ..Facts::default() };
    let share = match basis {
        Basis::Quiz { items, answers } => {
            let right = items.iter().filter(|item| score_item(item, answers.get(&item.id)) == item.points);
            facts.correct_items = right.map(|item| item.id.as_str()).collect();
            let scored = score(*items, answers);
            Share::new(scored.points, scored.max_points)
        }
        Basis::Tests(result) => {
            facts.tests = Some(*result);
            match &configuration.form {
                Form::AutoGraded(problem) if problem.partial_credit => {
                    Share::new(result.percent(), Decimal::ONE_HUNDRED)
                }
                _ if result.percent() >= Decimal::ONE_HUNDRED => Share::new(Decimal::ONE, Decimal::ONE),
                _ => Share::default(),
            }
        }
        Basis::Rubric(points) => {
            facts.rubric_points.clone_from(points);
            rubric.map(|rubric| of_rubric(rubric, points)).unwrap_or_default()
        }
        Basis::Given(share) => *share,
        Basis::Peers { share, points } => {
            facts.rubric_points.clone_from(points);
            *share
        }
    };
    let late_percent = late_percent(&configuration.late, configuration.due_at, submitted_at);
    facts.share = share.less(late_percent);
    Graded {
        percent: share.percent(),
        late_percent,
        grade: facts.share.grade(max_grade),
        max_grade,
        is_passed: passes(&rules.passing, &facts),
    }
}

/// The points of a stored or given rubric, by criterion.
#[must_use]
pub fn points_of(scores: &BTreeMap<String, super::RubricScore>) -> RubricPoints {
    scores.iter().map(|(id, score)| (id.clone(), score.points)).collect()
}
