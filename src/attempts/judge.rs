//! What a learner's try comes to; pure.

use rust_decimal::Decimal;

use crate::criteria::{Answers, Claim, Observed, Quiz, Review, Unmet, ValidationCriteria, Violation, json_number};
use crate::scoring::{Score, score};

/// A try that was checked.
#[derive(Debug)]
pub struct Judged {
    pub verdict: Verdict,
    /// Of a quiz.
    pub score: Option<Score>,
    /// For the learner to read; says nothing of what the right answers are.
    pub feedback: Option<String>,
}

/// How a try ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Met,
    /// All is there; a person decides.
    Review,
    /// What is missing, never empty.
    NotMet(Vec<Unmet>),
}

/// Checks a claim. Without criteria nothing is asked for.
///
/// # Errors
/// Answers that do not fit the quiz: such a call is no try.
pub fn judge(
    criteria: Option<&ValidationCriteria>,
    claim: &Claim,
    observed: &Observed,
) -> Result<Judged, Vec<Violation>> {
    if let (Some(ValidationCriteria::Quiz(quiz)), Claim::Quiz { answers }) = (criteria, claim) {
        let answers = Answers::parse(&quiz.items, answers, "/answers")?;
        return Ok(judge_quiz(quiz, &answers));
    }
    let checked = criteria.map_or(Ok(()), |criteria| criteria.check(claim, observed));
    let verdict = match (checked, criteria) {
        (Err(unmet), _) => Verdict::NotMet(unmet),
        (Ok(()), Some(ValidationCriteria::Submission(asked))) if asked.review == Review::Manual => Verdict::Review,
        (Ok(()), _) => Verdict::Met,
    };
    let feedback = match &verdict {
        Verdict::NotMet(unmet) => Some(sentences(unmet)),
        _ => None,
    };
    Ok(Judged { verdict, score: None, feedback })
}

fn judge_quiz(quiz: &Quiz, answers: &Answers) -> Judged {
    let score = score(&quiz.items, answers);
    let (percent, needed) = (score.percent(), quiz.min_percent.normalize());
    let said = format!("{} of {} points, {percent} %", round(score.points), round(score.max_points));
    let (verdict, feedback) = if score.reaches(quiz.min_percent) {
        (Verdict::Met, format!("{said}."))
    } else {
        let detail = format!("{said}; {needed} % are needed.");
        let unmet = Unmet {
            code: "minPercent",
            pointer: "/answers".to_owned(),
            detail: detail.clone(),
            current: json_number(percent),
            target: json_number(needed),
        };
        (Verdict::NotMet(vec![unmet]), detail)
    };
    Judged { verdict, score: Some(score), feedback: Some(feedback) }
}

fn round(points: Decimal) -> Decimal {
    points.trunc_with_scale(2).normalize()
}

/// The details of what is missing, one after the other.
pub fn sentences(unmet: &[Unmet]) -> String {
    unmet.iter().map(|unmet| unmet.detail.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::criteria::StepKind;

    const OBSERVED: Observed =
        Observed { elapsed_seconds: 0, video_duration_seconds: None, max_playback_rate: Decimal::TWO };

    fn judged(criteria: &Value, data: &Value) -> Judged {
        let criteria = ValidationCriteria::parse(criteria).unwrap();
        let claim = Claim::parse(criteria.kind(), Some(data)).unwrap();
        judge(Some(&criteria), &claim, &OBSERVED).unwrap()
    }

    fn quiz(min: u32) -> Value {
        json!({"v": 1, "type": "Quiz", "minPercent": min, "items": [
            {"id": "a", "kind": "trueFalse", "prompt": "?", "points": 2, "correct": true},
            {"id": "b", "kind": "trueFalse", "prompt": "?", "points": 1, "correct": true},
        ]})
    }

    #[test]
    fn a_quiz_is_met_by_unrounded_percent() {
        let answers = json!({"answers": {"a": true, "b": false}});
        let just = judged(&quiz(66), &answers);
        assert_eq!(just.verdict, Verdict::Met);
        assert_eq!(just.feedback.unwrap(), "2 of 3 points, 66.66 %.");
        let Verdict::NotMet(unmet) = judged(&quiz(67), &answers).verdict else { panic!("2 of 3 are less than 67 %") };
        assert_eq!((unmet[0].code, &unmet[0].current, &unmet[0].target), ("minPercent", &json!(66.66), &json!(67)));
    }

    #[test]
    fn answers_that_fit_no_item_are_no_try() {
        let criteria = ValidationCriteria::parse(&quiz(50)).unwrap();
        let claim = Claim::parse(StepKind::Quiz, Some(&json!({"answers": {"a": "yes", "z": true}}))).unwrap();
        let found = judge(Some(&criteria), &claim, &OBSERVED).unwrap_err();
        let pointers: Vec<&str> = found.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(pointers, ["/answers/a", "/answers/z"]);
    }

    #[test]
    fn a_submission_is_done_at_once_or_waits_for_its_reviewer() {
        let asked =
            |review: &str| json!({"v": 1, "type": "Submission", "accept": [{"kind": "text"}], "review": review});
        assert_eq!(judged(&asked("none"), &json!({"text": "mine"})).verdict, Verdict::Met);
        assert_eq!(judged(&asked("manual"), &json!({"text": "mine"})).verdict, Verdict::Review);
        assert!(matches!(judged(&asked("manual"), &json!({"text": "  "})).verdict, Verdict::NotMet(_)));
    }
}
