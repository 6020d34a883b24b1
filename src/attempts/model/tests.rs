//! The rules of an attempt.

use proptest::prelude::*;

use super::*;

fn step(number: i32, is_optional: bool, is_retired: bool, status: StepStatus) -> StepProgress {
    StepProgress {
        is_optional,
        is_retired,
        experience_points: 10,
        status,
        ..StepProgress::untouched(StepId::generate(), number, StepType::Reading)
    }
}

fn any_status() -> impl Strategy<Value = StepStatus> {
    prop::sample::select(vec![
        StepStatus::NotStarted,
        StepStatus::InProgress,
        StepStatus::Completed,
        StepStatus::Skipped,
    ])
}

fn any_steps() -> impl Strategy<Value = Vec<StepProgress>> {
    prop::collection::vec((any::<bool>(), any::<bool>(), any_status()), 0..30).prop_map(|steps| {
        (1..).zip(steps).map(|(number, (optional, retired, status))| step(number, optional, retired, status)).collect()
    })
}

#[test]
fn two_of_three_units_are_66_66_percent() {
    let steps = [StepStatus::Completed, StepStatus::Completed, StepStatus::NotStarted]
        .map(|status| step(1, false, false, status));
    let progress = progress(&steps, Assessments::default());
    assert_eq!(progress.percentage, Decimal::new(6666, 2));
    assert_eq!(progress.current_step, Some(steps[2].step_id));
    assert!(!progress.is_complete);
}

#[test]
fn assessments_are_units_too() {
    let steps = [step(1, false, false, StepStatus::Completed)];
    assert_eq!(progress(&steps, Assessments { all: 1, passed: 0 }).percentage, Decimal::new(5000, 2));
    let done = progress(&steps, Assessments { all: 1, passed: 1 });
    assert!(done.is_complete);
    assert_eq!(done.current_step, None);
}

#[test]
fn a_quest_without_units_never_completes_by_itself() {
    assert!(!progress(&[step(1, true, false, StepStatus::Completed)], Assessments::default()).is_complete);
}

#[test]
fn optional_and_retired_steps_lock_nothing() {
    let steps = [
        step(1, true, false, StepStatus::NotStarted),
        step(-1, false, true, StepStatus::NotStarted),
        step(2, false, false, StepStatus::NotStarted),
    ];
    assert!(may_work(AttemptStatus::InProgress, &steps, &steps[2]).is_ok());
}

#[test]
fn a_step_is_locked_until_every_earlier_mandatory_one_is_completed() {
    let steps = [step(1, false, false, StepStatus::InProgress), step(2, false, false, StepStatus::NotStarted)];
    assert!(
        matches!(may_work(AttemptStatus::InProgress, &steps, &steps[1]), Err(Refusal::StepLocked(missing)) if missing == [steps[0].step_id])
    );
}

#[test]
fn completed_is_final() {
    for how in [Move::Pause, Move::Resume, Move::Abandon] {
        assert!(matches!(AttemptStatus::Completed.moved(how), Err(Refusal::Transition { .. })));
    }
}

#[test]
fn moves_lead_where_the_state_machine_says() {
    use AttemptStatus::{Abandoned, InProgress, Paused};
    assert_eq!(InProgress.moved(Move::Pause).unwrap(), Some(Paused));
    assert_eq!(Paused.moved(Move::Resume).unwrap(), Some(InProgress));
    assert_eq!(Paused.moved(Move::Abandon).unwrap(), Some(Abandoned));
    assert_eq!(Abandoned.moved(Move::Resume).unwrap(), Some(InProgress));
    assert_eq!(Paused.moved(Move::Pause).unwrap(), None);
    assert!(Abandoned.moved(Move::Pause).is_err());
}

proptest! {
    #[test]
    fn completing_a_step_never_lowers_progress(steps in any_steps(), index in any::<prop::sample::Index>(), all in 0..4i64, passed in 0..4i64) {
        prop_assume!(!steps.is_empty());
        let assessments = Assessments { all, passed: passed.min(all) };
        let before = progress(&steps, assessments);
        let mut after = steps.clone();
        let index = index.index(after.len());
        after[index].status = StepStatus::Completed;
        let after = progress(&after, assessments);
        prop_assert!(after.percentage >= before.percentage);
        prop_assert!(!before.is_complete || after.is_complete);
    }

    #[test]
    fn hundred_percent_means_complete_and_nothing_else(steps in any_steps(), all in 0..4i64, passed in 0..6i64) {
        let progress = progress(&steps, Assessments { all, passed });
        prop_assert!(progress.percentage >= Decimal::ZERO && progress.percentage <= Decimal::ONE_HUNDRED);
        prop_assert_eq!(progress.percentage == Decimal::ONE_HUNDRED, progress.is_complete);
        prop_assert!(!progress.is_complete || progress.current_step.is_none());
    }
}
