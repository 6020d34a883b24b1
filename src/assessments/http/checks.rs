//! Checks of what authors write.

use crate::assessments::model::{AssessmentInput, AssessmentType};
use crate::criteria::{PassingCriteria, read_assessment};
use crate::http::validate::Checks;
use crate::http::{FieldError, Problem};

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
