//! What a learner may see of a configuration, and which items a try gets.
//!
//! As in the tasks of steps, everything that is shown is named here one by one.

use serde_json::{Map, Value, json};

use super::super::accept::Accept;
use super::super::items::{Choice, Item};
use super::super::numbers::to_json;
use super::super::questions::{Question, Tolerance};
use super::super::task::{item_task, scatter};
use super::{AssessmentConfiguration, Form, Late, QuizForm};

impl QuizForm {
    /// The ids of the items that a try gets, in the order in which it shows them. The same for the same
    /// seed; an edit of some items moves no others.
    pub fn draw(&self, seed: &str) -> Vec<String> {
        let mut drawn: Vec<&Item> = self.items.iter().collect();
        if self.size() < drawn.len() {
            drawn.sort_by_cached_key(|item| (scatter(&[seed, "pick", &item.id]), &item.id));
            drawn.truncate(self.size());
            drawn.sort_by_key(|item| self.items.iter().position(|other| other.id == item.id));
        }
        if self.shuffle_items {
            drawn.sort_by_cached_key(|item| (scatter(&[seed, "order", &item.id]), &item.id));
        }
        drawn.into_iter().map(|item| item.id.clone()).collect()
    }

    /// The same for a try that was begun with these items: it keeps those that are still there, and gets others
    /// for those that are gone.
    pub fn draw_again(&self, begun: &[String], seed: &str) -> Vec<String> {
        let drawn = self.draw(seed);
        if begun.is_empty() {
            return drawn;
        }
        let mut ids: Vec<String> = self.drawn(begun).into_iter().map(|item| item.id).collect();
        let others: Vec<String> = drawn.into_iter().filter(|id| !ids.contains(id)).collect();
        ids.extend(others.into_iter().take(begun.len() - ids.len()));
        ids
    }

    /// The items with these ids, in this order; those that are gone are left out.
    pub fn drawn(&self, ids: &[String]) -> Vec<Item> {
        ids.iter().filter_map(|id| self.items.iter().find(|item| item.id == *id).cloned()).collect()
    }

    /// These items as questions, without their keys. The seed is that of the draw.
    pub fn questions(&self, ids: &[String], seed: &str) -> Value {
        let seed = self.shuffle_options.then_some(seed);
        self.drawn(ids).iter().map(|item| item_task(item, seed)).collect()
    }
}

/// The key of an item in the naming of the configuration, with everything that explains it. For authors,
/// graders, and learners to whom the feedback policy shows answers.
pub fn solution(item: &Item) -> Value {
    let explained = |choices: &[Choice]| -> Vec<Value> {
        let explained = choices.iter().filter_map(|choice| Some((&choice.id, choice.feedback.as_ref()?)));
        explained.map(|(id, feedback)| json!({"id": id, "feedback": feedback})).collect()
    };
    let (mut solution, choices) = match &item.question {
        Question::SingleChoice { options, correct } => (json!({ "correct": correct }), explained(options)),
        Question::MultipleChoice { options, correct, .. } | Question::Ordering { options, correct, .. } => {
            (json!({ "correct": correct }), explained(options))
        }
        Question::TrueFalse { correct } => (json!({ "correct": correct }), Vec::new()),
        Question::ShortText { accept, .. } => (json!({ "accept": accept }), Vec::new()),
        Question::Numeric { value, tolerance } => {
            let tolerance = tolerance.map(|tolerance| match tolerance {
                Tolerance::Abs(most) => json!({"abs": to_json(most)}),
                Tolerance::Rel(share) => json!({"rel": to_json(share)}),
            });
            (json!({"value": to_json(*value), "tolerance": tolerance}), Vec::new())
        }
        Question::Matching { left, right, pairs } => {
            (json!({ "pairs": pairs }), [explained(left), explained(right)].concat())
        }
    };
    if let Some(feedback) = &item.feedback {
        solution["feedback"] = Value::from(feedback.as_str());
    }
    if !choices.is_empty() {
        solution["choices"] = Value::from(choices);
    }
    solution
}

impl AssessmentConfiguration {
    /// The task in the naming of the configuration: what to do, how, until when. The questions of a quiz
    /// are those of a try ([`QuizForm::questions`]), and are put in as `items` where they may be seen.
    pub fn task(&self, questions: Option<Value>) -> Value {
        let mut task = Map::new();
        let mut show = |name: &str, value: Value| {
            if !value.is_null() {
                task.insert(name.to_owned(), value);
            }
        };
        show("type", Value::from(self.kind().as_str()));
        show("maxGrade", to_json(self.max_grade));
        let tries = &self.tries;
        show(
            "attempts",
            json!({"max": tries.max, "cooldownSeconds": tries.cooldown_seconds, "keep": tries.keep.as_str()}),
        );
        show("timeLimitSeconds", Value::from(self.time_limit_seconds));
        if self.time_limit_seconds.is_some() {
            show("graceSeconds", Value::from(self.grace_seconds));
        }
        show("opensAt", json!(self.opens_at));
        show("dueAt", json!(self.due_at));
        show("closesAt", json!(self.closes_at));
        show("late", self.late.task());
        let feedback = &self.feedback;
        show("feedback", json!({"score": feedback.score.as_str(), "answers": feedback.answers.as_str()}));
        if !self.form.accept().is_empty() {
            show("accept", self.form.accept().iter().map(Accept::task).collect());
        }
        if let Some(rubric) = self.form.rubric() {
            show("rubric", rubric.task());
        }
        match &self.form {
            Form::Quiz(quiz) => {
                show("itemCount", Value::from(quiz.size()));
                show("items", questions.unwrap_or_default());
            }
            Form::PeerReview { peer, .. } => show(
                "peer",
                json!({
                    "mustReview": peer.must_review, "reviewsNeeded": peer.reviews_needed,
                    "aggregate": peer.aggregate.as_str(),
                }),
            ),
            Form::AutoGraded(problem) => {
                // The learner needs both to find the problem; neither says anything about its tests.
                show("grader", json!({"ref": problem.grader_ref, "problemId": problem.problem_id}));
                show("partialCredit", Value::from(problem.partial_credit));
            }
            Form::ManualReview { sla_hours, .. } => show("slaHours", Value::from(*sla_hours)),
            Form::Assignment { .. } | Form::Project { .. } => {}
        }
        Value::Object(task)
    }
}

impl Late {
    fn task(&self) -> Value {
        match self {
            Self::Accept => json!({"policy": "accept"}),
            Self::Reject => json!({"policy": "reject"}),
            Self::Penalize { percent, per, floor_percent } => json!({
                "policy": "penalize", "percent": to_json(*percent), "per": per.as_str(),
                "floorPercent": to_json(*floor_percent),
            }),
        }
    }
}
