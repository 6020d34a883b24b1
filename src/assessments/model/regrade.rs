//! What a graded try comes to by the rules as they are now; pure. No grader is asked: what people gave is
//! kept, and weighed anew.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::peer::aggregated;
use super::{Basis, Graded, How, Rules, Status, Submitted, assess, points_of};
use crate::criteria::Form;
use crate::ids::{AssessmentId, AttemptId, RegradeId, SubmissionId};
use crate::scoring::Share;

/// A grade, as far as comparing needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GradeShown {
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 6.67)]
    pub grade: Decimal,
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 10)]
    pub max_grade: Decimal,
    pub is_passed: bool,
}

/// A submission before and after.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Regraded {
    pub submission_id: SubmissionId,
    pub attempt_id: AttemptId,
    pub auth_user_id: Uuid,
    pub attempt_number: i32,
    pub before: GradeShown,
    pub after: GradeShown,
    pub change: Change,
    #[serde(skip)]
    pub graded: Graded,
}

/// What regrading does to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It stays as it is
    None,
    /// It is written: the better of each part, grade and passing; or the same grade in another measure
    Raised,
    /// It would be worse, and is written because that was asked for
    Lowered,
    /// It would be worse, and stays as it is
    Kept,
}

impl Change {
    /// Whether it is written.
    #[must_use]
    pub const fn is_written(self) -> bool {
        matches!(self, Self::Raised | Self::Lowered)
    }
}

/// A regrading in the background.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Regrade {
    pub id: RegradeId,
    pub assessment_id: AssessmentId,
    /// `sub` of who asked for it
    pub requested_by: Uuid,
    pub requested_at: DateTime<Utc>,
    /// Whether grades may become worse
    pub may_lower: bool,
    /// Graded submissions when it began, and those that came while it ran
    #[schema(example = 120)]
    pub total: i64,
    /// Looked at so far
    #[schema(example = 100)]
    pub looked_at: i64,
    /// Written so far
    #[schema(example = 7)]
    pub changed: i64,
    /// Learners who have passed by it
    #[schema(example = 2)]
    pub newly_passed: i64,
    /// Learners who had to be passed over; the log says why
    #[schema(example = 0)]
    pub failed: i64,
    /// Null while it runs
    pub finished_at: Option<DateTime<Utc>>,
}

/// The better of each part: a grade may have got worse where the rule has got easier, and the other way round.
fn better_of(stored: Graded, now: Graded) -> Graded {
    let grade = if now.final_percent() < stored.final_percent() { stored } else { now };
    Graded { is_passed: stored.is_passed || now.is_passed, ..grade }
}

impl Submitted {
    /// What it comes to by the rules as they are now; None while it has no grade.
    #[must_use]
    pub fn regraded(&self, rules: &Rules, may_lower: bool) -> Option<Regraded> {
        let seen = &self.submission;
        let (Status::Graded, Some(percent), Some(grade), Some(is_passed)) =
            (seen.status, self.percent, seen.grade, seen.is_passed)
        else {
            return None;
        };
        let stored = Graded { percent, late_percent: self.late_percent, grade, max_grade: seen.max_grade, is_passed };
        let now = self.weigh(rules, percent);
        let better = better_of(stored, now);
        let (change, graded) = match () {
            () if now == stored => (Change::None, stored),
            () if now == better => (Change::Raised, better),
            () if may_lower => (Change::Lowered, now),
            // Nothing of it is written, and what the rules say now is shown.
            () if better == stored => (Change::Kept, now),
            () => (Change::Raised, better),
        };
        let shown = |graded: &Graded| GradeShown {
            grade: graded.grade,
            max_grade: graded.max_grade,
            is_passed: graded.is_passed,
        };
        Some(Regraded {
            submission_id: seen.id,
            attempt_id: seen.attempt_id,
            auth_user_id: self.auth_user_id,
            attempt_number: seen.attempt_number,
            before: shown(&stored),
            after: shown(&graded),
            change,
            graded,
        })
    }

    fn weigh(&self, rules: &Rules, percent: Decimal) -> Graded {
        let decision = self.decision.and_then(super::Decision::passes);
        let submitted_at = self.submission.submitted_at;
        let by = |basis: &Basis| assess(rules, basis, decision, submitted_at);
        let given = self.given(percent);
        match (&rules.configuration.form, rules.configuration.form.rubric()) {
            (Form::Quiz(_), _) => {
                let items = self.drawn(rules);
                let answers = self.answers(&items);
                by(&Basis::Quiz { items: &items, answers: &answers })
            }
            (Form::AutoGraded(_), _) => match self.coding_result() {
                Some(result) => by(&Basis::Tests(&result)),
                None => by(&Basis::Given(given)),
            },
            (Form::PeerReview { rubric, peer, .. }, _) if self.was_graded_by_peers() => {
                match aggregated(rubric, peer.aggregate, &self.reviews) {
                    Some(basis) => by(&basis),
                    None => by(&Basis::Given(given)),
                }
            }
            (_, Some(_)) => match &self.submission.rubric {
                Some(scores) => by(&Basis::Rubric(points_of(scores))),
                None => by(&Basis::Given(given)),
            },
            (_, None) => by(&Basis::Given(given)),
        }
    }

    /// What was given, as exactly as it was given: the grade itself where lateness has taken nothing of it.
    fn given(&self, percent: Decimal) -> Share {
        match self.submission.grade {
            Some(grade) if self.late_percent == Decimal::ONE_HUNDRED && self.was_graded_by_hand() => {
                Share::new(grade, self.submission.max_grade)
            }
            _ => Share::new(percent, Decimal::ONE_HUNDRED),
        }
    }

    fn was_graded_by_hand(&self) -> bool {
        self.history.last().is_some_and(|grading| grading.how == How::Grader)
    }

    fn was_graded_by_peers(&self) -> bool {
        let last = self.history.iter().rev().find(|grading| grading.how != How::Regrade);
        last.is_some_and(|grading| grading.how == How::Peers)
    }
}
