//! Trying an assessment as a learner would, with nothing stored; pure.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Assessment, Basis, Decision, GradeInput, Graded, ItemResult, Judgement, Refusal, Rules, Status, answers_that_fit,
    assess, check_form, check_work, item_results, may_try,
};
use crate::criteria::{CodingResult, Form};
use crate::ids::AssessmentId;

/// What an author tries.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"submissionData": {"answers": {"ends": false}}}))]
pub struct PreviewInput {
    /// The number of the try, 1 to 1000: each draws its own questions. 1 if left out
    pub attempt_number: Option<i32>,
    /// As a learner hands it in; left out, only the task is shown
    #[schema(value_type = Option<Object>)]
    pub submission_data: Option<Value>,
    /// As a grader grades it, where people do
    pub grading: Option<GradeInput>,
    /// What an outside grader would say of an `AutoGraded` one, as in `POST /v1/integrations/coding-results`:
    /// `{status, testsPassedPercent?, passedTests?, language?, score?, executionTimeMs?}`
    #[schema(value_type = Option<Object>)]
    pub coding_result: Option<CodingResult>,
}

/// What a learner would see, and what would come of the try.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    pub attempt_number: i32,
    /// The task of this try, as its learner sees it
    #[schema(value_type = Object)]
    pub task: Value,
    #[schema(value_type = Object)]
    pub passing: Value,
    /// Why no first try would be taken now; null when it would
    pub refused_now: Option<String>,
    /// What the try comes to; null when none was sent
    pub outcome: Option<PreviewOutcome>,
}

/// What a try would come to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewOutcome {
    /// Where it would stand
    pub status: Status,
    #[serde(with = "rust_decimal::serde::float_option")]
    pub grade: Option<Decimal>,
    #[serde(with = "rust_decimal::serde::float")]
    pub max_grade: Decimal,
    pub is_passed: Option<bool>,
    /// Percent of the grade that lateness would take now
    #[serde(with = "rust_decimal::serde::float")]
    pub late_penalty_percent: Decimal,
    /// Item by item, with the key
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub items: Option<Vec<ItemResult>>,
}

impl PreviewInput {
    /// Tries it.
    ///
    /// # Errors
    /// What a learner, or a grader, would be told.
    pub fn run(
        &self,
        rules: &Rules,
        (id, author): (AssessmentId, Uuid),
        now: DateTime<Utc>,
        max_text_chars: usize,
    ) -> Result<Preview, Refusal> {
        let attempt_number = self.attempt_number.unwrap_or(1);
        let seed = Assessment::seed(id, author, attempt_number);
        let item_ids = match &rules.configuration.form {
            Form::Quiz(quiz) => quiz.draw(&seed),
            _ => Vec::new(),
        };
        let questions = match &rules.configuration.form {
            Form::Quiz(quiz) => Some(quiz.questions(&item_ids, &seed)),
            _ => None,
        };
        Ok(Preview {
            attempt_number,
            task: rules.configuration.task(questions),
            passing: rules.passing.task(),
            refused_now: may_try(rules, &[], 0, now).err().map(|why| why.to_string()),
            outcome: self.outcome(rules, &item_ids, now, max_text_chars)?,
        })
    }

    /// What nobody would say of this type of assessment is not passed over in silence.
    fn check_who_grades(&self, rules: &Rules) -> Result<(), Refusal> {
        let form = &rules.configuration.form;
        if self.coding_result.is_some() && !matches!(form, Form::AutoGraded(_)) {
            let detail = "must be left out: no outside grader grades this type of assessment";
            return Err(Refusal::Invalid("/codingResult", detail.to_owned()));
        }
        if self.grading.is_some() && matches!(form, Form::Quiz(_) | Form::AutoGraded(_)) {
            let detail = "must be left out: this type of assessment grades itself";
            return Err(Refusal::Invalid("/grading", detail.to_owned()));
        }
        Ok(())
    }

    fn outcome(
        &self,
        rules: &Rules,
        item_ids: &[String],
        now: DateTime<Utc>,
        max_text_chars: usize,
    ) -> Result<Option<PreviewOutcome>, Refusal> {
        self.check_who_grades(rules)?;
        if let Some(data) = &self.submission_data {
            check_form(rules, item_ids, data)?;
            check_work(rules, data)?;
        }
        let mut items = None;
        let graded = match (&rules.configuration.form, &self.submission_data, &self.grading, &self.coding_result) {
            (Form::Quiz(quiz), Some(data), ..) => {
                let drawn = quiz.drawn(item_ids);
                let answers = answers_that_fit(&drawn, data);
                items = Some(item_results(&drawn, &answers));
                Some(assess(rules, &Basis::Quiz { items: &drawn, answers: &answers }, None, now))
            }
            (Form::AutoGraded(_), _, _, Some(result)) => Some(assess(rules, &Basis::Tests(result), None, now)),
            (Form::Quiz(_) | Form::AutoGraded(_), ..) => None,
            (_, _, Some(grading), _) => match grading.read(rules, max_text_chars).map_err(in_grading)? {
                Judgement::Return => return Ok(Some(outcome(rules, Status::Returned, None, items))),
                Judgement::Grade { basis, decision } => {
                    Some(assess(rules, &basis, decision.and_then(Decision::passes), now))
                }
            },
            (form, Some(_), None, _) => {
                let waits = matches!(form, Form::PeerReview { .. });
                let status = if waits { Status::InPeerReview } else { Status::AwaitingGrade };
                return Ok(Some(outcome(rules, status, None, items)));
            }
            _ => None,
        };
        Ok(graded.map(|graded| outcome(rules, Status::Graded, Some(graded), items)))
    }
}

fn outcome(rules: &Rules, status: Status, graded: Option<Graded>, items: Option<Vec<ItemResult>>) -> PreviewOutcome {
    PreviewOutcome {
        status,
        grade: graded.map(|graded| graded.grade),
        max_grade: rules.configuration.max_grade,
        is_passed: graded.map(|graded| graded.is_passed),
        late_penalty_percent: graded.map(|graded| Decimal::ONE_HUNDRED - graded.late_percent).unwrap_or_default(),
        items,
    }
}

fn in_grading(violations: Vec<crate::criteria::Violation>) -> Refusal {
    let below = |violation: crate::criteria::Violation| crate::criteria::Violation {
        pointer: format!("/grading{}", violation.pointer),
        ..violation
    };
    Refusal::Fields(violations.into_iter().map(below).collect())
}
