//! Checks of what authors write, and of what outside graders say.

use rust_decimal::Decimal;

use crate::assessments::model::{AssessmentInput, AssessmentType};
use crate::criteria::{CodingResult, PassingCriteria, read_assessment};
use crate::http::validate::Checks;
use crate::http::{FieldError, Problem};

const MAX_WORD_CHARS: usize = 64;
const MAX_TESTS: usize = 1_000;
const MAX_TEST_CHARS: usize = 200;

/// Checks an assessment, and fills in the passing criteria that were left out. Gives its type.
///
/// # Errors
/// 422 with every field at fault, those of both documents included.
pub fn check_assessment(input: &mut AssessmentInput) -> Result<AssessmentType, Problem> {
    let mut checks = Checks::default();
    if let Some(key) = &input.key {
        checks.key("/key", key);
    }
    // JSON null is nothing, and nothing is the default.
    let passing = input.passing_criteria.take().filter(|passing| !passing.is_null());
    let passing = input.passing_criteria.insert(passing.unwrap_or_else(PassingCriteria::default_document));
    let kind = match read_assessment(input.assessment_type, &input.configuration, passing) {
        Ok((configuration, _)) => Some(configuration.kind()),
        Err(violations) => {
            checks.extend(violations.into_iter().map(FieldError::from));
            None
        }
    };
    checks.finish()?;
    kind.ok_or_else(|| Problem::invalid(vec![FieldError::new("/configuration", "is not understood")]))
}

/// Checks what an outside grader says, which stands at `at` in the body.
pub fn check_result(checks: &mut Checks, at: &str, result: &CodingResult) {
    checks.text(&format!("{at}/status"), &result.status, 1, MAX_WORD_CHARS);
    if let Some(language) = &result.language {
        checks.text(&format!("{at}/language"), language, 1, MAX_WORD_CHARS);
    }
    let range = Decimal::ZERO..=Decimal::ONE_HUNDRED;
    let is_percent = result.tests_passed_percent.is_none_or(|percent| range.contains(&percent));
    checks.require(is_percent, &format!("{at}/testsPassedPercent"), "must be 0 to 100");
    let is_time = result.execution_time_ms.is_none_or(|time| time >= 0);
    checks.require(is_time, &format!("{at}/executionTimeMs"), "must not be negative");
    let tests = result.passed_tests.as_deref().unwrap_or_default();
    let pointer = format!("{at}/passedTests");
    checks.require(tests.len() <= MAX_TESTS, &pointer, format!("must have at most {MAX_TESTS} items"));
    for (index, test) in tests.iter().take(MAX_TESTS).enumerate() {
        checks.text(&format!("{pointer}/{index}"), test, 1, MAX_TEST_CHARS);
    }
}
