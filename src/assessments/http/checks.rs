//! Checks of what authors write.

use crate::assessments::model::{AssessmentInput, AssessmentType, Rules};
use crate::criteria::{AssessmentConfiguration, PassingCriteria};
use crate::http::validate::Checks;
use crate::http::{FieldError, Problem};

/// What was checked, read.
#[derive(Debug)]
pub struct Checked {
    pub kind: AssessmentType,
    pub rules: Rules,
}

/// # Errors
/// 422 with every field at fault, those of both documents included.
pub fn check_assessment(input: &mut AssessmentInput) -> Result<Checked, Problem> {
    let mut checks = Checks::default();
    if let Some(key) = &input.key {
        checks.key("/key", key);
    }
    // JSON null is nothing, and nothing is the default.
    let passing = input.passing_criteria.take().filter(|passing| !passing.is_null());
    let passing = passing.unwrap_or_else(PassingCriteria::default_document);
    let configuration = AssessmentConfiguration::parse(&input.configuration);
    let read = PassingCriteria::parse(&passing, configuration.as_ref().ok());
    input.passing_criteria = Some(passing);
    let below = |field: &'static str| {
        move |violation: crate::criteria::Violation| {
            FieldError::new(format!("{field}{}", violation.pointer), violation.detail)
        }
    };
    let rules = match (configuration, read) {
        (Ok(configuration), Ok(passing)) => {
            let kind = configuration.kind();
            checks.require(
                input.assessment_type.is_none_or(|named| named == kind),
                "/assessmentType",
                format!("must be the type of the configuration, {kind}"),
            );
            Some(Checked { kind, rules: Rules { configuration, passing } })
        }
        (configuration, passing) => {
            checks.extend(configuration.err().into_iter().flatten().map(below("/configuration")));
            checks.extend(passing.err().into_iter().flatten().map(below("/passingCriteria")));
            None
        }
    };
    checks.finish()?;
    rules.ok_or_else(|| Problem::invalid(vec![FieldError::new("/configuration", "is not understood")]))
}
