//! Lateness, rubrics, several tries and several reviewers, by example and by property.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::criteria::{AssessmentConfiguration, Form};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn penalty(percent: &str, per: Per, floor: &str) -> Late {
    Late::Penalize { percent: decimal(percent), per, floor_percent: decimal(floor) }
}

#[test]
fn each_begun_unit_costs_and_the_floor_stays() {
    let due = Some(at("2026-12-10T23:59:00Z"));
    let left = |when: &str, per| late_percent(&penalty("10", per, "50"), due, at(when));
    for (when, per, expected) in [
        ("2026-12-10T23:58:59Z", Per::Day, 100),
        ("2026-12-10T23:59:00Z", Per::Day, 100),
        ("2026-12-10T23:59:00.000001Z", Per::Day, 90),
        ("2026-12-10T23:59:01Z", Per::Day, 90),
        ("2026-12-11T23:59:00Z", Per::Day, 90),
        ("2026-12-11T23:59:01Z", Per::Day, 80),
        ("2026-12-15T23:59:00Z", Per::Day, 50),
        ("9999-12-31T23:59:59Z", Per::Day, 50),
        ("2026-12-11T00:59:00Z", Per::Hour, 90),
        ("2026-12-11T00:59:01Z", Per::Hour, 80),
    ] {
        assert_eq!(left(when, per), Decimal::from(expected), "{when}");
    }
}

#[test]
fn a_day_of_lateness_is_24_hours_whatever_clocks_are_changed() {
    // In Europe the clocks go back in the night of 2026-10-25: from noon to noon it is 25 hours there.
    let due = Some(at("2026-10-24T12:00:00+02:00"));
    let left = |when: &str| late_percent(&penalty("10", Per::Day, "0"), due, at(when));
    assert_eq!(left("2026-10-25T11:00:00+01:00"), Decimal::from(90));
    assert_eq!(left("2026-10-25T12:00:00+01:00"), Decimal::from(80));
}

#[test]
fn without_a_penalty_or_a_due_time_nothing_is_lost() {
    let late = at("2027-01-01T00:00:00Z");
    for policy in [Late::Accept, Late::Reject, penalty("0", Per::Hour, "0")] {
        assert_eq!(late_percent(&policy, Some(at("2026-01-01T00:00:00Z")), late), Decimal::ONE_HUNDRED);
    }
    assert_eq!(late_percent(&penalty("50", Per::Hour, "0"), None, late), Decimal::ONE_HUNDRED);
}

#[test]
fn grades_have_two_places_and_are_rounded_half_up() {
    for (percent, max, expected) in [
        ("66.666666666", "100", "66.67"),
        ("70", "10", "7.00"),
        ("12.345", "100", "12.35"),
        ("69.995", "100", "70.00"),
        ("100", "999.99", "999.99"),
        ("33.333333333333", "20", "6.67"),
        ("0", "5", "0"),
    ] {
        assert_eq!(grade(decimal(percent), decimal(max)), decimal(expected), "{percent} of {max}");
    }
}

#[test]
fn each_way_of_keeping_takes_its_try() {
    let tries = [(2, decimal("40")), (1, decimal("70")), (3, decimal("55.5"))];
    for (keep, expected) in [
        (Keep::Best, "70"),
        (Keep::Latest, "55.5"),
        (Keep::First, "70"),
        (Keep::Average, "55.166666666666666666666666667"),
    ] {
        assert_eq!(kept(keep, &tries), Some(decimal(expected)), "{keep:?}");
        assert_eq!(kept(keep, &[]), None);
    }
}

#[test]
fn reviews_come_to_their_median_or_mean() {
    let reviews = ["90", "10", "80"].map(decimal);
    assert_eq!(aggregate(Aggregate::Median, &reviews), Some(decimal("80")));
    assert_eq!(aggregate(Aggregate::Mean, &reviews), Some(decimal("60")));
    assert_eq!(aggregate(Aggregate::Median, &["90", "10", "80", "70"].map(decimal)), Some(decimal("75")));
    assert_eq!(aggregate(Aggregate::Median, &[decimal("33")]), Some(decimal("33")));
    assert_eq!((aggregate(Aggregate::Median, &[]), aggregate(Aggregate::Mean, &[])), (None, None));
    assert_eq!((spread(&reviews), spread(&[])), (decimal("80"), Decimal::ZERO));
}

fn rubric(most: &[u32]) -> Rubric {
    let criteria: Vec<_> = (0..)
        .zip(most)
        .map(|(index, most)| {
            json!({"id": format!("c{index}"), "title": "t", "levels": [{"points": 0, "label": "a"}, {"points": most, "label": "b"}]})
        })
        .collect();
    let document = json!({"v": 1, "type": "Project", "maxGrade": 1, "accept": [{"kind": "text"}], "rubric": {"criteria": criteria}});
    let Form::Project { rubric, .. } = AssessmentConfiguration::parse(&document).unwrap().form else { panic!() };
    rubric
}

#[test]
fn a_rubric_gives_the_share_of_its_points() {
    let rubric = rubric(&[4, 6]);
    let given = |points: &[(&str, &str)]| {
        let points = points.iter().map(|(id, points)| ((*id).to_owned(), decimal(points))).collect();
        of_rubric(&rubric, &points).percent()
    };
    assert_eq!(given(&[("c0", "4"), ("c1", "3")]), decimal("70"));
    assert_eq!(given(&[("c0", "2.5")]), decimal("25"));
    // The rubric has changed since: a criterion that is gone counts nothing, none counts more than it has.
    assert_eq!(given(&[("gone", "50"), ("c0", "50")]), decimal("40"));
}

proptest! {
    #[test]
    fn grades_stay_in_range_and_rise_with_the_percent(a in 0i64..=10_000_000, b in 0i64..=10_000_000, max in 1i64..=99_999) {
        let (a, b, max) = (Decimal::new(a, 5), Decimal::new(b, 5), Decimal::new(max, 2));
        let (low, high) = (grade(a.min(b), max), grade(a.max(b), max));
        prop_assert!(low <= high && low >= Decimal::ZERO && high <= max && high.scale() <= 2);
    }

    #[test]
    fn a_share_reaches_exactly_what_it_is(part in 0i64..100_000, whole in 1i64..100_000, max in 1i64..=99_999, late in 0i64..=1_000) {
        let (part, whole, max) = (Decimal::new(part.min(whole), 2), Decimal::new(whole, 2), Decimal::new(max, 2));
        let late = Decimal::new(late, 1);
        let share = Share::new(part, whole).less(late);
        // In integers: part × late × max ÷ (whole × 100) in hundredths, rounded half up.
        let exact = part * late * max;
        let grade = share.grade(max);
        let off = grade * whole * Decimal::ONE_HUNDRED - exact;
        prop_assert!(off.abs() * Decimal::from(200) <= whole * Decimal::ONE_HUNDRED, "{grade}");
        // The rounded grade is reached exactly when it was not rounded up.
        prop_assert_eq!(share.reaches(grade, max), off <= Decimal::ZERO);
        prop_assert_eq!(crate::scoring::grade(share.percent(), max), grade);
    }

    #[test]
    fn being_later_never_helps(percent in 0u32..=100, floor in 0u32..=100, first in -10_000_000i64..10_000_000, later in 0i64..10_000_000, hours in any::<bool>()) {
        let due = at("2026-06-01T00:00:00Z");
        let late = Late::Penalize { percent: percent.into(), per: if hours { Per::Hour } else { Per::Day }, floor_percent: floor.into() };
        let left = |seconds: i64| late_percent(&late, Some(due), due + TimeDelta::seconds(seconds));
        let (before, after) = (left(first), left(first + later));
        prop_assert!(after <= before && before <= Decimal::ONE_HUNDRED && after >= Decimal::ZERO);
        prop_assert!(first > 0 || before == Decimal::ONE_HUNDRED);
    }

    #[test]
    fn a_rubric_never_leaves_0_to_100(most in prop::collection::vec(1u32..1_000, 1..30), given in prop::collection::vec(0i64..2_000_000, 0..40)) {
        let points = (0..).zip(&given).map(|(index, points)| (format!("c{index}"), Decimal::new(*points, 2))).collect();
        let percent = of_rubric(&rubric(&most), &points).percent();
        prop_assert!(percent >= Decimal::ZERO && percent <= Decimal::ONE_HUNDRED);
        let full = (0..).zip(&most).map(|(index, most)| (format!("c{index}"), Decimal::from(*most))).collect();
        prop_assert_eq!(of_rubric(&rubric(&most), &full).percent(), Decimal::ONE_HUNDRED);
    }

    #[test]
    fn what_is_kept_or_aggregated_lies_between_the_ends(percents in prop::collection::vec(0i64..=10_000, 1..20)) {
        let percents: Vec<Decimal> = percents.iter().map(|percent| Decimal::new(*percent, 2)).collect();
        let (least, most) = (*percents.iter().min().unwrap(), *percents.iter().max().unwrap());
        let tries: Vec<(i32, Decimal)> = (1..).zip(percents.iter().copied()).collect();
        for keep in [Keep::Best, Keep::Latest, Keep::First, Keep::Average] {
            let kept = kept(keep, &tries).unwrap();
            prop_assert!(least <= kept && kept <= most);
        }
        for how in [Aggregate::Median, Aggregate::Mean] {
            let came = aggregate(how, &percents).unwrap();
            prop_assert!(least <= came && came <= most);
            let mut turned = percents.clone();
            turned.reverse();
            prop_assert_eq!(aggregate(how, &turned), Some(came));
        }
        prop_assert_eq!(spread(&percents), most - least);
    }
}
