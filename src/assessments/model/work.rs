//! Whether what was handed in is what is asked for; pure.

use serde_json::Value;

use super::{Refusal, Rules};
use crate::criteria::{Answers, Claim, Form, StepKind};

/// Whether work is of the form that the assessment asks for; it may still be too little.
///
/// # Errors
/// What is malformed.
pub fn check_form(rules: &Rules, item_ids: &[String], data: &Value) -> Result<(), Refusal> {
    match &rules.configuration.form {
        Form::AutoGraded(_) => Err(Refusal::AwaitsResult),
        Form::Quiz(quiz) => {
            let Claim::Quiz { answers } = Claim::parse(StepKind::Quiz, Some(data)).map_err(Refusal::Malformed)? else {
                return Err(Refusal::Broken);
            };
            Answers::parse(&quiz.drawn(item_ids), &answers, "/answers").map_err(Refusal::Malformed)?;
            Ok(())
        }
        _ => Claim::parse(StepKind::Submission, Some(data)).map(drop).map_err(Refusal::Malformed),
    }
}

/// Whether there is enough of it, and not too much.
///
/// # Errors
/// What is missing.
pub fn check_work(rules: &Rules, data: &Value) -> Result<(), Refusal> {
    let accept = rules.configuration.form.accept();
    if accept.is_empty() {
        return Ok(());
    }
    let Ok(Claim::Submission(work)) = Claim::parse(StepKind::Submission, Some(data)) else {
        return Err(Refusal::Broken);
    };
    let unmet = work.check(accept);
    if unmet.is_empty() { Ok(()) } else { Err(Refusal::NotTaken(unmet)) }
}
