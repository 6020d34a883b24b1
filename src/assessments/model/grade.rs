//! What a grader sends, read against what the assessment is graded by; pure.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;

use utoipa::ToSchema;

use super::{Basis, Decision, RubricScore, Rules, points_of};
use crate::criteria::{MAX_DECIMALS, PassLeaf, PassRule, Violation};
use crate::scoring::Share;

/// A grader's judgement.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "rubric": {"tests": {"points": 8, "comment": "The empty file is missing."}}, "feedback": "Solid; mind the error paths."
}))]
pub struct GradeInput {
    /// In the unit of `maxGrade`, at most two decimals, before lateness; left out with a rubric
    #[serde(default, with = "crate::criteria::number_option")]
    #[schema(value_type = Option<f64>, minimum = 0)]
    pub grade: Option<Decimal>,
    /// For the learner to read, at most `MAX_TEXT_CHARS` characters; needed to return work
    pub feedback: Option<String>,
    /// Points by criterion, all of them; the service computes the grade
    pub rubric: Option<BTreeMap<String, RubricScore>>,
    /// `pass` or `fail` where the passing rule asks for it (`graderDecision`); `return` sends the work back
    pub decision: Option<Decision>,
}

/// What it comes to.
#[derive(Debug)]
pub enum Judgement {
    Grade { basis: Basis<'static>, decision: Option<Decision> },
    Return,
}

impl GradeInput {
    /// Reads it strictly.
    ///
    /// # Errors
    /// Everything that is missing, too much, or out of range; pointers are into the body.
    pub fn read(&self, rules: &Rules, max_text_chars: usize) -> Result<Judgement, Vec<Violation>> {
        let mut found = Vec::new();
        let mut wrong = |pointer: String, detail: String| found.push(Violation { pointer, detail });
        let text = |text: &Option<String>| text.as_deref().map_or(0, |text| text.chars().count());
        if text(&self.feedback) > max_text_chars {
            wrong("/feedback".into(), format!("must have at most {max_text_chars} characters"));
        }
        if self.feedback.as_deref().is_some_and(|text| text.contains('\0')) {
            wrong("/feedback".into(), "must not contain NUL characters".into());
        }
        for (id, score) in self.rubric.iter().flatten() {
            if text(&score.comment) > max_text_chars || score.comment.as_deref().is_some_and(|text| text.contains('\0'))
            {
                let detail = format!("must have at most {max_text_chars} characters, none of them NUL");
                wrong(format!("/rubric/{}/comment", crate::http::validate::escape(id)), detail);
            }
        }
        if self.decision == Some(Decision::Return) {
            if self.grade.is_some() || self.rubric.is_some() {
                wrong("/decision".into(), "returned work has no grade: leave out grade and rubric".into());
            }
            if self.feedback.as_deref().is_none_or(|text| text.trim().is_empty()) {
                wrong("/feedback".into(), "is needed: say what is to be done".into());
            }
            return if found.is_empty() { Ok(Judgement::Return) } else { Err(found) };
        }
        let basis = match (&self.rubric, self.grade) {
            (Some(scores), grade) => {
                if grade.is_some() {
                    wrong("/grade".into(), "must be left out: the service computes it from the rubric".into());
                }
                match rules.configuration.form.rubric() {
                    Some(rubric) => check_rubric(rubric, scores, &mut wrong),
                    None => wrong("/rubric".into(), "is not what this assessment is graded by".into()),
                }
                Some(Basis::Rubric(points_of(scores)))
            }
            (None, Some(grade)) => {
                let max = rules.configuration.max_grade;
                if grade < Decimal::ZERO || grade > max || grade.normalize().scale() > 2 {
                    let max = crate::criteria::json_number(max);
                    wrong("/grade".into(), format!("must be a number, 0 to {max}, with at most two decimals"));
                }
                let asks = |leaf: &PassLeaf| matches!(leaf, PassLeaf::RubricMin { .. } | PassLeaf::RubricAllMin(_));
                if rules.passing.rule.leaves().iter().any(asks) {
                    wrong("/rubric".into(), "is needed: the passing rule looks at single criteria".into());
                }
                Some(Basis::Given(Share::new(grade, max)))
            }
            // All or nothing, where nothing but the decision counts.
            (None, None) if rules.passing.is_decision_alone() && self.decision.is_some() => {
                let all = if self.decision == Some(Decision::Pass) { Decimal::ONE } else { Decimal::ZERO };
                Some(Basis::Given(Share::new(all, Decimal::ONE)))
            }
            (None, None) => {
                wrong("/grade".into(), "is missing: send a grade, or the points of the rubric".into());
                None
            }
        };
        match (rules.passing.asks_grader(), self.decision) {
            (false, Some(_)) => {
                wrong("/decision".into(), "must be left out: the passing rule leaves nothing to decide".into());
            }
            (true, None) if !matches!(rules.passing.rule, PassRule::Any(_)) => {
                wrong("/decision".into(), "is missing: the passing rule asks for it".into());
            }
            _ => {}
        }
        match basis {
            Some(basis) if found.is_empty() => Ok(Judgement::Grade { basis, decision: self.decision }),
            _ => Err(found),
        }
    }
}

/// Every criterion once, with points between those of its worst and best level.
pub fn check_rubric(
    rubric: &crate::criteria::Rubric,
    scores: &BTreeMap<String, RubricScore>,
    wrong: &mut impl FnMut(String, String),
) {
    for id in scores.keys().filter(|id| rubric.criterion(id).is_none()) {
        wrong(format!("/rubric/{}", crate::http::validate::escape(id)), "is not a criterion of the rubric".into());
    }
    for criterion in &rubric.criteria {
        let pointer = format!("/rubric/{}", criterion.id);
        let Some(score) = scores.get(&criterion.id) else {
            wrong(pointer, "is missing".into());
            continue;
        };
        let (least, most) = (criterion.least(), criterion.most());
        if score.points < least || score.points > most || score.points.normalize().scale() > MAX_DECIMALS {
            let (least, most) = (crate::criteria::json_number(least), crate::criteria::json_number(most));
            let detail = format!("must be a number, {least} to {most}, with at most four decimals");
            wrong(format!("{pointer}/points"), detail);
        }
    }
}

impl Decision {
    /// As the passing rule asks it.
    #[must_use]
    pub const fn passes(self) -> Option<bool> {
        match self {
            Self::Pass => Some(true),
            Self::Fail => Some(false),
            Self::Return => None,
        }
    }
}
