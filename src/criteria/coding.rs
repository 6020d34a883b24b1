//! The result of a grader, and whether it is what a Coding step asks for.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::{Unmet, shown};
use super::numbers::to_json;
use super::validation::Coding;

/// The verdict of a grader that has run all tests with success.
pub const ACCEPTED: &str = "Accepted";

/// What a grader says of one submission to one problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodingResult {
    /// The grader's verdict, in its own words; `Accepted` when every test has passed.
    pub status: String,
    /// Percent of the tests, 0 to 100; left out, an accepted one has passed all, any other none.
    #[serde(default, with = "super::numbers::number_option", skip_serializing_if = "Option::is_none")]
    pub tests_passed_percent: Option<Decimal>,
    /// The names of the tests that have passed, hidden ones too: part of the key. Left out, an
    /// accepted one has passed all, any other none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_tests: Option<Vec<String>>,
    /// The language of the submission; left out, the grader has seen to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The grader's own score, in its own unit; shown, not judged.
    #[serde(default, with = "super::numbers::number_option", skip_serializing_if = "Option::is_none")]
    pub score: Option<Decimal>,
    /// Milliseconds that the submission ran; shown, not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_time_ms: Option<i64>,
}

impl CodingResult {
    /// What its learner may see of it while the score is held back.
    pub const SAYS_NO_SCORE: [&str; 3] = ["submissionId", "language", "executionTimeMs"];

    /// Whether the grader has accepted it as a whole.
    pub fn is_accepted(&self) -> bool {
        self.status == ACCEPTED
    }

    /// Percent of the tests that have passed, as far as the grader says.
    pub fn percent(&self) -> Decimal {
        let all_or_none = if self.is_accepted() { Decimal::ONE_HUNDRED } else { Decimal::ZERO };
        self.tests_passed_percent.unwrap_or(all_or_none)
    }

    /// What its learner may see: everything but the names of tests.
    pub fn seen_by_learner(&self, submission_id: &str) -> Value {
        let mut seen = serde_json::to_value(Self { passed_tests: None, ..self.clone() }).unwrap_or_default();
        seen["submissionId"] = Value::from(submission_id);
        seen
    }
}

impl Coding {
    /// Holds a result against the criteria. The details name no test: which ones are required is
    /// part of the key.
    ///
    /// # Errors
    ///
    /// What is missing, never empty.
    pub fn check(&self, result: &CodingResult) -> Result<(), Vec<Unmet>> {
        let mut unmet = Vec::new();
        let percent = result.percent();
        if percent < self.min_tests_passed_percent {
            let (current, target) = (shown(percent), to_json(self.min_tests_passed_percent));
            unmet.push(Unmet {
                code: "minTestsPassedPercent",
                pointer: "/testsPassedPercent".to_owned(),
                detail: format!("At least {target} % of the tests must pass; {current} % did."),
                current,
                target,
            });
        }
        let has_passed = |test: &String| match &result.passed_tests {
            Some(passed) => passed.contains(test),
            None => result.is_accepted(),
        };
        if !self.required_tests.iter().all(has_passed) {
            unmet.push(Unmet {
                code: "requiredTests",
                pointer: "/passedTests".to_owned(),
                detail: "A test that must pass has failed.".to_owned(),
                current: Value::Bool(false),
                target: Value::Bool(true),
            });
        }
        if let Some(language) = &result.language
            && !self.languages.is_empty()
            && !self.languages.contains(&language.to_lowercase())
        {
            unmet.push(Unmet {
                code: "languages",
                pointer: "/language".to_owned(),
                detail: format!("Use one of these languages: {}.", self.languages.join(", ")),
                current: Value::from(language.as_str()),
                target: Value::from(self.languages.clone()),
            });
        }
        if unmet.is_empty() { Ok(()) } else { Err(unmet) }
    }
}
