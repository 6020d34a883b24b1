//! One made-up learner's way through the quests; pure.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::model::{
    AttemptRow, Chance, DROP_OFF, FeedbackRow, LearnerRow, PassedRow, QUIZ_QUEST, Quest, Rows, Step, StepRow, TryRow,
    WRONG_KEY, fixed_id,
};
use crate::assessments::model::{Basis, Rules, answers_that_fit, assess};
use crate::attempts::model::{Assessments, StepProgress, StepStatus, StepType, progress};
use crate::criteria::{Form, Item, Question};

/// How many of those who reach it leave at the planted step.
const DROPPED: f64 = 0.65;
/// And at any other one.
const LEAVING: f64 = 0.03;

/// Who walks.
struct Walker<'a> {
    chance: Chance,
    id: Uuid,
    /// 0 is the middle, above knows more
    ability: f64,
    /// How long everything takes: 1 is the middle
    pace: f64,
    at: DateTime<Utc>,
    /// Nothing happens later.
    now: DateTime<Utc>,
    rows: &'a mut Rows,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Left,
    /// The time of the cohort is over.
    Now,
}

/// Adds what a learner leaves behind during the 30 days before `now`.
pub fn walk(seed: u64, number: u32, quests: &[Quest], now: DateTime<Utc>, rows: &mut Rows) {
    let mut chance = Chance::new(seed, number);
    let ability = chance.around_zero();
    let pace = (0.35 * chance.around_zero()).exp();
    let came_at = now - TimeDelta::days(30) + minutes(chance.share() * 27.0 * 1_440.0);
    let id = learner_id(seed, number);
    rows.learners.push(LearnerRow { auth_user_id: id, came_at });
    let mut walker = Walker { chance, id, ability, pace, at: came_at, now, rows };
    let mut completed: HashSet<Uuid> = HashSet::new();
    for (index, quest) in quests.iter().enumerate() {
        let all_before =
            || quests[..index].iter().all(|other| other.key == QUIZ_QUEST || completed.contains(&other.id));
        let may = if quest.key == QUIZ_QUEST {
            completed.len() >= 2
        } else {
            quest.needs.iter().all(|needed| completed.contains(needed)) && (!quest.comes_last || all_before())
        };
        if !may || (index > 0 && walker.chance.hits(0.05)) {
            continue;
        }
        match walker.take(quest) {
            End::Completed => {
                completed.insert(quest.id);
            }
            End::Left if walker.chance.hits(0.4) => return,
            End::Left => {}
            End::Now => return,
        }
        let pause = walker.chance.wait(15.0 * 60.0);
        walker.at += minutes(pause);
        if walker.at >= now {
            return;
        }
    }
}

/// The id of a learner.
#[must_use]
pub fn learner_id(seed: u64, number: u32) -> Uuid {
    fixed_id(&format!("learner/{seed}/{number}"))
}

fn minutes(count: f64) -> TimeDelta {
    TimeDelta::seconds((count * 60.0).round().to_i64().unwrap_or_default())
}

impl Walker<'_> {
    fn take(&mut self, quest: &Quest) -> End {
        let attempt = fixed_id(&format!("attempt/{}/{}", self.id, quest.id));
        let started_at = self.at;
        let mut steps: Vec<StepProgress> = quest.steps.iter().map(|step| step.untouched.clone()).collect();
        let mut end = End::Completed;
        for (step, done) in quest.steps.iter().zip(&mut steps) {
            end = self.work(quest, attempt, step, done);
            if end != End::Completed {
                break;
            }
        }
        let mut is_passed = false;
        if let (End::Completed, Some((assessment, rules))) = (end, &quest.quiz) {
            end = self.answer(quest, attempt, *assessment, rules);
            is_passed = end == End::Completed;
        }
        let units = Assessments { all: i64::from(quest.quiz.is_some()), passed: i64::from(is_passed) };
        let now = progress(&steps, units);
        let abandoned_at = (end == End::Left).then(|| self.abandon(quest)).flatten();
        let status = match (end, abandoned_at) {
            (End::Completed, _) => "Completed",
            (End::Left, Some(_)) => "Abandoned",
            (End::Left, None) if self.chance.hits(0.3) => "Paused",
            _ => "InProgress",
        };
        self.say(quest, end);
        self.rows.attempts.push(AttemptRow {
            id: attempt,
            auth_user_id: self.id,
            quest_id: quest.id,
            status,
            started_at,
            completed_at: (end == End::Completed).then_some(self.at),
            abandoned_at,
            completion_percentage: now.percentage,
            current_step_id: now.current_step.map(|step| step.0),
            units_version: quest.units_version,
        });
        end
    }

    /// Most who leave give up some day; the others have only stopped.
    fn abandon(&mut self, quest: &Quest) -> Option<DateTime<Utc>> {
        let share = if quest.key == DROP_OFF.0 { 0.9 } else { 0.6 };
        let (gives_up, at) = (self.chance.hits(share), self.at + minutes(self.chance.wait(600.0)));
        (gives_up && at < self.now).then_some(at)
    }

    fn work(&mut self, quest: &Quest, attempt: Uuid, step: &Step, done: &mut StepProgress) -> End {
        let started_at = self.at;
        let is_planted = (quest.key.as_str(), step.key.as_str()) == DROP_OFF;
        let leaving = if self.ability < -1.0 { LEAVING * 2.0 } else { LEAVING };
        let leaves = self.chance.hits(if is_planted { DROPPED } else { leaving });
        // What is read or watched needs one try.
        let again = match step.untouched.step_type {
            StepType::Reading | StepType::Video | StepType::Reflection => 0.0,
            _ => (0.25 - 0.1 * self.ability).clamp(0.05, 0.6),
        };
        let mut tries = 1;
        while tries < 6 && self.chance.hits(again) {
            tries += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let share = quest.minutes / (quest.steps.len() + usize::from(quest.quiz.is_some())).max(1) as f64;
        let takes = share * self.pace * (0.3 * self.chance.around_zero()).exp() * (0.7 + 0.3 * f64::from(tries));
        let completed_at = started_at + minutes(takes.max(0.5));
        let end = match (leaves, completed_at < self.now) {
            (true, _) => End::Left,
            (false, true) => End::Completed,
            (false, false) => End::Now,
        };
        self.rows.steps.push(StepRow {
            id: fixed_id(&format!("step/{attempt}/{}", step.untouched.step_id)),
            attempt_id: attempt,
            step_id: step.untouched.step_id.0,
            status: if end == End::Completed { "Completed" } else { "InProgress" },
            started_at,
            completed_at: (end == End::Completed).then_some(completed_at),
            attempts_count: if end == End::Completed { tries } else { tries - 1 },
            is_reviewed: step.is_reviewed && end == End::Completed,
        });
        if end == End::Completed {
            done.status = StepStatus::Completed;
            self.at = completed_at;
        }
        end
    }

    /// Up to the tries that there are, a little better each time.
    fn answer(&mut self, quest: &Quest, attempt: Uuid, assessment: Uuid, rules: &Rules) -> End {
        let Form::Quiz(quiz) = &rules.configuration.form else { return End::Left };
        let most = rules.configuration.tries.max.unwrap_or(3).min(3);
        for number in 1..=i32::try_from(most).unwrap_or(3) {
            let takes = minutes((quest.minutes / 3.0 * self.pace).max(1.0));
            if self.at + takes >= self.now {
                return End::Now;
            }
            self.at += takes;
            let known = self.ability + 0.4 * f64::from(number - 1);
            let answers: Map<String, Value> =
                quiz.items.iter().enumerate().filter_map(|(place, item)| self.choose(place, item, known)).collect();
            let submission_data = json!({ "answers": answers });
            let fitting = answers_that_fit(&quiz.items, &submission_data);
            let basis = Basis::Quiz { items: &quiz.items, answers: &fitting };
            let graded = assess(rules, &basis, None, self.at);
            self.rows.tries.push(TryRow {
                id: fixed_id(&format!("try/{attempt}/{assessment}/{number}")),
                grade_id: fixed_id(&format!("grade/{attempt}/{assessment}/{number}")),
                attempt_id: attempt,
                assessment_id: assessment,
                attempt_number: number,
                submission_data,
                item_ids: quiz.items.iter().map(|item| item.id.clone()).collect(),
                submitted_at: self.at,
                percent: graded.percent,
                late_percent: graded.late_percent,
                grade: graded.grade,
                max_grade: graded.max_grade,
                is_passed: graded.is_passed,
            });
            if graded.is_passed {
                self.rows.passed.push(PassedRow { attempt_id: attempt, assessment_id: assessment, passed_at: self.at });
                return End::Completed;
            }
            self.at += minutes(self.chance.wait(300.0));
        }
        End::Left
    }

    /// What this learner takes for right. Who does not know guesses.
    fn choose(&mut self, place: usize, item: &Item, known: f64) -> Option<(String, Value)> {
        let Question::SingleChoice { options, correct } = &item.question else { return None };
        // From easy to hard and back again.
        let difficulty = [-1.6, -0.9, -0.4, 0.2, 0.6][place % 5];
        let is_sure = self.chance.hits(1.0 / (1.0 + (1.4 * (difficulty - known)).exp()));
        let right = if item.id == WRONG_KEY.0 { WRONG_KEY.1 } else { correct };
        let chosen = if is_sure && options.iter().any(|option| option.id == right) {
            right.to_owned()
        } else {
            self.chance.pick(options)?.id.clone()
        };
        Some((item.id.clone(), Value::String(chosen)))
    }

    /// Some say what they think of it.
    fn say(&mut self, quest: &Quest, end: End) {
        let (share, category, rating) = match end {
            End::Now => return,
            End::Left if quest.key == DROP_OFF.0 => (0.4, "TooDifficult", [1, 1, 2, 2]),
            End::Left => (0.1, "TooDifficult", [2, 2, 3, 3]),
            End::Completed if self.ability > 1.0 => (0.3, "TooEasy", [3, 4, 4, 5]),
            End::Completed if self.ability < -1.0 => (0.3, "TooDifficult", [2, 3, 3, 4]),
            End::Completed => (0.25, "Other", [3, 4, 4, 5]),
        };
        if !self.chance.hits(share) {
            return;
        }
        let Some(rating) = self.chance.pick(&rating).copied() else { return };
        self.rows.feedback.push(FeedbackRow {
            id: fixed_id(&format!("feedback/{}/{}", self.id, quest.id)),
            quest_id: quest.id,
            auth_user_id: self.id,
            category,
            rating,
            created_at: self.at,
        });
    }
}
