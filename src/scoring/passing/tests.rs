//! Each condition of a passing rule, just met and just missed.

use serde_json::{Value, json};

use super::*;
use crate::criteria::{AssessmentConfiguration, Form};

#[expect(clippy::needless_pass_by_value, reason = "reads better with json!(…) as it is")]
fn criteria(rule: Value) -> PassingCriteria {
    PassingCriteria::parse(&json!({"v": 1, "rule": rule}), None).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn percents_and_points_are_compared_unrounded() {
    let share = |percent: &str| Share::new(decimal(percent), Decimal::ONE_HUNDRED);
    let facts = |percent: &str| Facts { share: share(percent), max_grade: decimal("20"), ..Facts::default() };
    let percent = criteria(json!({"op": "minPercent", "value": 70}));
    assert!(passes(&percent, &facts("70")));
    assert!(!passes(&percent, &facts("69.9999999999999999999999")));
    let points = criteria(json!({"op": "minPoints", "value": 14}));
    assert!(passes(&points, &facts("70")));
    // Its grade reads 14.00.
    assert!(!passes(&points, &facts("69.999")));
}

#[test]
fn a_third_of_thirty_is_ten() {
    // No decimal holds a third: what is compared is the fraction itself.
    let third = Share::new(Decimal::ONE, decimal("3"));
    let facts = |share| Facts { share, max_grade: decimal("30"), ..Facts::default() };
    assert!(passes(&criteria(json!({"op": "minPoints", "value": 10})), &facts(third)));
    assert!(!passes(&criteria(json!({"op": "minPoints", "value": 10.01})), &facts(third)));
    // Less a tenth, it is 30 percent.
    assert!(passes(&criteria(json!({"op": "minPercent", "value": 30})), &facts(third.less(decimal("90")))));
    assert_eq!(
        (third.grade(decimal("30")), third.less(decimal("90")).grade(decimal("30"))),
        (decimal("10"), decimal("9"))
    );
    // Half a hundredth counts upwards, also where it was cut off on the way.
    assert_eq!(Share::new(decimal("5"), decimal("6")).grade(decimal("9.99")), decimal("8.33"));
    assert_eq!(
        crate::scoring::grade(Share::new(decimal("5"), decimal("6")).percent(), decimal("9.99")),
        decimal("8.33")
    );
}

#[test]
fn every_named_item_must_be_right() {
    let rule = criteria(json!({"op": "itemsCorrect", "itemIds": ["a", "b"]}));
    let with = |items: &[&'static str]| Facts { correct_items: items.iter().copied().collect(), ..Facts::default() };
    assert!(passes(&rule, &with(&["b", "c", "a"])));
    assert!(!passes(&rule, &with(&["a", "c"])));
}

#[test]
fn rubric_points_are_looked_at_one_by_one() {
    let levels = json!([{"points": 0, "label": "l"}, {"points": 10, "label": "m"}]);
    let document = json!({"v": 1, "type": "Project", "maxGrade": 1, "accept": [{"kind": "text"}],
        "rubric": {"criteria": [{"id": "a", "title": "t", "levels": levels}, {"id": "b", "title": "t", "levels": levels}]}});
    let Form::Project { rubric, .. } = AssessmentConfiguration::parse(&document).unwrap().form else { panic!() };
    let with = |points: &[(&str, &str)]| Facts {
        rubric: Some(&rubric),
        rubric_points: points.iter().map(|(id, points)| ((*id).to_owned(), decimal(points))).collect(),
        ..Facts::default()
    };
    let one = criteria(json!({"op": "rubricMin", "criterion": "a", "minPoints": 6}));
    assert!(passes(&one, &with(&[("a", "6")])) && !passes(&one, &with(&[("a", "5.9"), ("b", "10")])));
    let all = criteria(json!({"op": "rubricAllMin", "minPoints": 6}));
    assert!(passes(&all, &with(&[("a", "6"), ("b", "7")])) && !passes(&all, &with(&[("a", "10")])));
}

#[test]
fn tests_pass_by_share_and_by_name() {
    let rule = criteria(json!({"op": "testsPassed", "minPercent": 90, "required": ["edge"]}));
    let result = |json: Value| serde_json::from_value::<CodingResult>(json).unwrap();
    let with = |result: &CodingResult| passes(&rule, &Facts { tests: Some(result), ..Facts::default() });
    assert!(with(&result(json!({"status": "Accepted"}))));
    assert!(with(&result(json!({"status": "Partial", "testsPassedPercent": 90, "passedTests": ["edge"]}))));
    assert!(!with(&result(json!({"status": "Partial", "testsPassedPercent": 99, "passedTests": ["other"]}))));
    assert!(!with(&result(json!({"status": "Partial", "testsPassedPercent": 89, "passedTests": ["edge"]}))));
    assert!(!passes(&rule, &Facts::default()));
}

#[test]
fn a_decision_counts_only_when_it_was_made_and_rules_combine() {
    let decided =
        |decision| Facts { decision, share: Share::new(decimal("60"), Decimal::ONE_HUNDRED), ..Facts::default() };
    let alone = criteria(json!({"op": "graderDecision"}));
    assert_eq!(
        [Some(true), Some(false), None].map(|decision| passes(&alone, &decided(decision))),
        [true, false, false]
    );
    let leaves = json!([{"op": "minPercent", "value": 70}, {"op": "graderDecision"}]);
    assert!(passes(&criteria(json!({"op": "any", "of": leaves})), &decided(Some(true))));
    assert!(!passes(&criteria(json!({"op": "all", "of": leaves})), &decided(Some(true))));
}
