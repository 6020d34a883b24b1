//! Whether a graded try passes.

use std::collections::{BTreeMap, HashSet};

use rust_decimal::Decimal;

use super::grades::Share;
use crate::criteria::{CodingResult, PassLeaf, PassRule, PassingCriteria, Rubric};

/// What is known of a graded try. What belongs to other types than its own is empty.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// Of the best grade, after lateness.
    pub share: Share,
    /// In the unit of the grade.
    pub max_grade: Decimal,
    /// Ids of the items that were answered as the key says.
    pub correct_items: HashSet<&'a str>,
    pub rubric: Option<&'a Rubric>,
    /// Points by criterion.
    pub rubric_points: BTreeMap<String, Decimal>,
    pub tests: Option<&'a CodingResult>,
    /// What the grader has decided.
    pub decision: Option<bool>,
}

/// Whether the rule is met. Values are compared unrounded.
#[must_use]
pub fn passes(criteria: &PassingCriteria, facts: &Facts) -> bool {
    match &criteria.rule {
        PassRule::One(leaf) => is_met(leaf, facts),
        PassRule::All(of) => of.iter().all(|leaf| is_met(leaf, facts)),
        PassRule::Any(of) => of.iter().any(|leaf| is_met(leaf, facts)),
    }
}

fn is_met(leaf: &PassLeaf, facts: &Facts) -> bool {
    let points = |id: &str| facts.rubric_points.get(id).copied().unwrap_or_default();
    match leaf {
        PassLeaf::MinPercent(least) => facts.share.reaches_percent(*least),
        PassLeaf::MinPoints(least) => facts.share.reaches(*least, facts.max_grade),
        PassLeaf::ItemsCorrect(ids) => ids.iter().all(|id| facts.correct_items.contains(id.as_str())),
        PassLeaf::RubricMin { criterion, min_points } => points(criterion) >= *min_points,
        PassLeaf::RubricAllMin(least) => {
            facts.rubric.is_some_and(|rubric| rubric.criteria.iter().all(|criterion| points(&criterion.id) >= *least))
        }
        PassLeaf::TestsPassed { min_percent, required } => facts.tests.is_some_and(|tests| {
            let has_passed = |name: &String| match &tests.passed_tests {
                Some(passed) => passed.contains(name),
                None => tests.is_accepted(),
            };
            tests.percent() >= *min_percent && required.iter().all(has_passed)
        }),
        PassLeaf::GraderDecision => facts.decision == Some(true),
    }
}

#[cfg(test)]
mod tests;
