//! Where a learner stands with an assessment, and what of it a caller may see.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use super::tries::{allowed, is_over, may_try, next_number, next_try_at, used};
use super::{Assessment, MyAssessment, Rules, RunningTry, Shows, Status, Tried, shown_to};
use crate::criteria::Form;
use crate::ids::{AssessmentId, AttemptId, LearnerId};
use crate::quests::model::Sight;
use crate::scoring::{grade, kept};

/// What is remembered of an attempt and an assessment besides the tries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The unit is done; nothing takes that back.
    pub passed_at: Option<DateTime<Utc>>,
    /// Tries that a grader has allowed beyond the configuration's.
    pub extra_tries: u32,
    pub running: Option<Running>,
    /// The items of a quiz that the next try keeps, since the learner has seen them; none before.
    pub item_ids: Vec<String>,
    pub draft: Option<Value>,
}

/// A timed try that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub started_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// The items of a quiz that it got.
    pub item_ids: Vec<String>,
}

type Times = (Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

impl Progress {
    /// From the columns of `assessment_progress`, all of them empty where there is no row.
    #[must_use]
    pub fn new(
        passed_at: Option<DateTime<Utc>>,
        extra_tries: Option<i32>,
        times: Times,
        item_ids: Option<Vec<String>>,
        draft: Option<Value>,
    ) -> Self {
        let item_ids = item_ids.unwrap_or_default();
        let running = match times {
            (Some(started_at), Some(due_at), Some(ends_at)) => {
                Some(Running { started_at, due_at, ends_at, item_ids: item_ids.clone() })
            }
            _ => None,
        };
        let extra_tries = extra_tries.and_then(|extra| u32::try_from(extra).ok()).unwrap_or_default();
        Self { passed_at, extra_tries, running, item_ids, draft }
    }
}

impl Running {
    /// As the wire shows it.
    #[must_use]
    pub const fn view(&self, attempt_number: i32) -> RunningTry {
        RunningTry { attempt_number, started_at: self.started_at, due_at: self.due_at, ends_at: self.ends_at }
    }
}

/// Questions that a learner sees for the first time.
#[derive(Debug, Serialize)]
pub struct NewItems {
    pub assessment: AssessmentId,
    pub items: Vec<String>,
    /// What is remembered instead.
    pub before: Vec<String>,
}

/// An assessment, and where one learner stands with it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub assessment: Assessment,
    /// The learner's attempt at the quest.
    pub attempt: Option<AttemptId>,
    pub progress: Progress,
    pub tries: Vec<Tried>,
}

impl Listed {
    /// Whether a timed try has run out, and waits to be handed in.
    #[must_use]
    pub fn has_run_out(&self, now: DateTime<Utc>) -> bool {
        self.progress.running.as_ref().is_some_and(|running| is_over(running.ends_at, now))
    }

    /// The questions that are about to be shown, if they are not remembered yet.
    #[must_use]
    pub fn new_items(&self, learner: LearnerId, now: DateTime<Utc>) -> Option<NewItems> {
        let (configuration, passing) = (&self.assessment.configuration, &self.assessment.passing_criteria);
        let rules = configuration.as_ref().zip(passing.as_ref());
        let rules =
            rules.and_then(|(configuration, passing)| Rules::read(self.assessment.id, configuration, passing).ok());
        let items = self.drawn(&rules?, learner, now)?;
        let before = self.progress.item_ids.clone();
        (items != before).then_some(NewItems { assessment: self.assessment.id, items, before })
    }

    /// The assessment as a caller may see it: keys never leave here but for authors.
    #[must_use]
    pub fn seen_by(self, sight: Sight, learner: LearnerId, now: DateTime<Utc>) -> Assessment {
        let mut seen = self.assessment.clone();
        let documents = (seen.configuration.take(), seen.passing_criteria.take());
        let rules = documents.0.as_ref().zip(documents.1.as_ref());
        let rules = rules.and_then(|(configuration, passing)| Rules::read(seen.id, configuration, passing).ok());
        if sight == Sight::Author {
            (seen.configuration, seen.passing_criteria) = documents;
        }
        let Some(rules) = rules.filter(|_| sight != Sight::Locked) else { return seen };
        let questions = match (&rules.configuration.form, sight) {
            (Form::Quiz(quiz), Sight::Open) => self
                .drawn(&rules, learner, now)
                .map(|ids| quiz.questions(&ids, &Assessment::seed(seen.id, learner.0, next_number(&self.tries)))),
            _ => None,
        };
        seen.task = Some(rules.configuration.task(questions));
        seen.passing = Some(rules.passing.task());
        seen.my = self.attempt.map(|_| my(&rules, &self.progress, &self.tries, now));
        seen
    }

    /// The items that the learner may see now: those of the try that runs, or of one that could be made in an attempt.
    fn drawn(&self, rules: &Rules, learner: LearnerId, now: DateTime<Utc>) -> Option<Vec<String>> {
        if self.attempt.is_none() || self.assessment.retired_at.is_some() {
            return None;
        }
        if let Some(running) = &self.progress.running {
            return (!is_over(running.ends_at, now)).then(|| running.item_ids.clone());
        }
        let is_timed = rules.configuration.time_limit_seconds.is_some();
        if is_timed || may_try(rules, &self.tries, self.progress.extra_tries, now).is_err() {
            return None;
        }
        Some(draw(rules, self.assessment.id, learner, &self.progress, &self.tries))
    }
}

/// The items that the next try gets, those first that the learner has seen; none where it is no quiz.
#[must_use]
pub fn draw(rules: &Rules, id: AssessmentId, learner: LearnerId, progress: &Progress, tries: &[Tried]) -> Vec<String> {
    match &rules.configuration.form {
        Form::Quiz(quiz) => quiz.draw_again(&progress.item_ids, &Assessment::seed(id, learner.0, next_number(tries))),
        _ => Vec::new(),
    }
}

/// Where a learner stands, as the wire shows it.
#[must_use]
pub fn my(rules: &Rules, progress: &Progress, tries: &[Tried], now: DateTime<Utc>) -> MyAssessment {
    let configuration = &rules.configuration;
    let Shows { score, .. } = shown_to(rules, tries, progress.extra_tries, progress.passed_at.is_some(), now);
    let used = used(tries);
    let waiting = tries.iter().filter(|tried| matches!(tried.status, Status::AwaitingGrade | Status::InPeerReview));
    MyAssessment {
        is_passed: progress.passed_at.is_some(),
        passed_at: progress.passed_at,
        tries_used: used,
        tries_left: allowed(rules, tries, progress.extra_tries).map(|allowed| allowed.saturating_sub(used)),
        next_try_at: next_try_at(configuration, tries),
        awaiting_grade: u32::try_from(waiting.count()).unwrap_or(u32::MAX),
        grade: kept_percent(rules, tries).filter(|_| score).map(|percent| grade(percent, configuration.max_grade)),
        max_grade: configuration.max_grade,
        running: progress.running.as_ref().map(|running| running.view(next_number(tries))),
        draft: progress.draft.clone(),
    }
}

/// The percent that counts of all graded tries.
fn kept_percent(rules: &Rules, tries: &[Tried]) -> Option<Decimal> {
    let graded: Vec<(i32, Decimal)> = tries
        .iter()
        .filter(|tried| tried.status == Status::Graded)
        .filter_map(|tried| Some((tried.attempt_number, tried.percent?)))
        .collect();
    kept(rules.configuration.tries.keep, &graded)
}
