//! A submission as it is stored, as its learner sees it, and as a grader sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AssessmentType, Rules, Tried, is_used_up};
use crate::criteria::{Answers, CodingResult, Form, Item, Pool, ShowAnswers, ShowScore, solution};
use crate::ids::{AssessmentId, AttemptId, PeerReviewId, QuestId, SubmissionId};
use crate::scoring::score_item;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
        #[sqlx(type_name = "text")]
        #[serde(rename_all = "camelCase")]
        pub enum $name { $($(#[$of])* #[sqlx(rename = $text)] $variant),+ }

        impl $name {
            /// The name in the database and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

pub(super) use named;

named! {
    /// Where a submission stands
    Status {
        /// A person has to grade it
        AwaitingGrade = "awaitingGrade",
        /// Other learners review it
        InPeerReview = "inPeerReview",
        /// It has a grade
        Graded = "graded",
        /// It came back, for another try
        Returned = "returned",
    }
}

named! {
    /// What a grader decides
    Decision {
        /// It passes, where the passing rule asks for a decision
        Pass = "pass",
        /// It does not pass
        Fail = "fail",
        /// It goes back for another try, which counts against no limit
        Return = "return",
    }
}

named! {
    /// What brought a grade
    How {
        /// The service, or an outside grader's result
        Auto = "auto",
        /// A person
        Grader = "grader",
        /// The reviews of other learners
        Peers = "peers",
        /// The service, after the assessment was edited
        Regrade = "regrade",
        /// The work went back
        Return = "return",
    }
}

/// Points in one criterion of a rubric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RubricScore {
    /// From the points of the worst level to those of the best, at most four decimals
    #[serde(with = "crate::criteria::number")]
    #[schema(example = 7.5)]
    pub points: Decimal,
    /// For the learner to read
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub comment: Option<String>,
}

/// One answer, and what it should have been.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemResult {
    pub id: String,
    pub prompt: String,
    #[serde(with = "rust_decimal::serde::float")]
    pub points: Decimal,
    #[serde(with = "rust_decimal::serde::float")]
    pub max_points: Decimal,
    pub is_correct: bool,
    /// The key, in the naming of the configuration, by the key as it is now
    #[schema(value_type = Object)]
    pub solution: Value,
}

/// A grade that was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grading {
    pub graded_at: DateTime<Utc>,
    pub how: How,
    /// `sub` of the grader, or of who asked for the regrading
    pub grader_id: Option<Uuid>,
    #[serde(with = "rust_decimal::serde::float_option")]
    pub grade: Option<Decimal>,
    #[serde(with = "rust_decimal::serde::float")]
    pub max_grade: Decimal,
    pub is_passed: Option<bool>,
    pub decision: Option<Decision>,
    pub rubric: Option<BTreeMap<String, RubricScore>>,
    pub feedback: Option<String>,
}

/// A review of the work by another learner, as a grader sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewOfPeer {
    pub id: PeerReviewId,
    pub reviewer_id: Uuid,
    pub submitted_at: DateTime<Utc>,
    #[serde(with = "rust_decimal::serde::float")]
    pub percent: Decimal,
    pub rubric: BTreeMap<String, RubricScore>,
    pub comment: Option<String>,
}

/// The same, as the author of the work sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnonymousReview {
    pub rubric: BTreeMap<String, RubricScore>,
    pub comment: Option<String>,
}

/// A submission as its learner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    pub id: SubmissionId,
    pub attempt_id: AttemptId,
    pub assessment_id: AssessmentId,
    /// Counts up per attempt and assessment
    #[schema(example = 1)]
    pub attempt_number: i32,
    pub status: Status,
    pub submitted_at: DateTime<Utc>,
    /// Start of a timed try
    pub started_at: Option<DateTime<Utc>>,
    /// The time was over, and what was saved was handed in
    pub is_auto_submitted: bool,
    /// As it was handed in; of an `AutoGraded` assessment, what its grader said
    #[schema(value_type = Object)]
    pub submission_data: Value,
    /// In the unit of `maxGrade`; null until it is graded, and while `feedback.score` holds it back
    #[serde(with = "rust_decimal::serde::float_option")]
    #[schema(example = 8.5)]
    pub grade: Option<Decimal>,
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 10)]
    pub max_grade: Decimal,
    pub is_passed: Option<bool>,
    pub graded_at: Option<DateTime<Utc>>,
    /// Percent of the grade that lateness took
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 0)]
    pub late_penalty_percent: Decimal,
    /// The grader's words; with the grade, or with work that came back
    pub feedback: Option<String>,
    /// Points by criterion, with the grade
    pub rubric: Option<BTreeMap<String, RubricScore>>,
    /// The reviews of other learners, with the grade
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub peer_reviews: Vec<AnonymousReview>,
    /// Right answers and explanations, once `feedback.answers` shows them
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub items: Option<Vec<ItemResult>>,
}

/// A submission as a grader sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmissionForGrader {
    #[serde(flatten)]
    pub submission: Submission,
    /// The learner
    pub auth_user_id: Uuid,
    pub quest_id: QuestId,
    #[schema(example = "Files and errors")]
    pub quest_title: String,
    pub assessment_key: String,
    pub assessment_type: AssessmentType,
    /// What was asked for; the rubric to grade by
    #[schema(value_type = Option<Object>)]
    pub task: Option<Value>,
    /// What passing takes
    #[schema(value_type = Option<Object>)]
    pub passing: Option<Value>,
    /// When it should be graded (`slaHours`)
    pub grade_by: Option<DateTime<Utc>>,
    /// Whose it is to grade (`assign: author`); anybody may
    pub assigned_to: Option<Uuid>,
    pub graded_by: Option<Uuid>,
    pub decision: Option<Decision>,
    /// The learner has passed the assessment, by this or another try
    pub is_unit_done: bool,
    /// The reviews of other learners, with their names
    pub reviews: Vec<ReviewOfPeer>,
    /// Every grade that was given, oldest first
    pub history: Vec<Grading>,
}

/// A submission as it is stored, with what decides who may see what of it.
#[derive(Debug, Clone)]
pub struct Submitted {
    pub submission: Submission,
    pub auth_user_id: Uuid,
    pub quest_id: QuestId,
    pub quest_title: String,
    pub quest_created_by: Uuid,
    pub assessment_key: String,
    pub assessment_type: AssessmentType,
    pub configuration: Value,
    pub passing_criteria: Value,
    pub item_ids: Vec<String>,
    pub result: Option<Value>,
    pub decision: Option<Decision>,
    /// Before lateness, unrounded.
    pub percent: Option<Decimal>,
    pub late_percent: Decimal,
    pub graded_by: Option<Uuid>,
    pub is_retired: bool,
    pub passed_at: Option<DateTime<Utc>>,
    pub extra_tries: u32,
    pub tries: Vec<Tried>,
    pub reviews: Vec<ReviewOfPeer>,
    pub history: Vec<Grading>,
}

impl Submitted {
    /// The documents that it is graded by.
    ///
    /// # Errors
    /// When they do not parse.
    pub fn rules(&self) -> Result<Rules, super::Refusal> {
        Rules::read(self.submission.assessment_id, &self.configuration, &self.passing_criteria)
    }

    /// What its learner may see now.
    #[must_use]
    pub fn for_learner(&self, now: DateTime<Utc>) -> Submission {
        let mut seen = self.submission.clone();
        let Some((rules, shows)) = self.shown(now) else {
            self.hide_score(&mut seen);
            return seen;
        };
        if shows.score {
            seen.peer_reviews = self.anonymous_reviews();
        } else {
            self.hide_score(&mut seen);
        }
        if shows.answers && seen.status == Status::Graded {
            seen.items = self.items(&rules);
        }
        seen
    }

    /// Grades that another has replaced since, where its learner may see the grade now; who graded is not told.
    #[must_use]
    pub fn replaced_grades(&self, now: DateTime<Utc>) -> Vec<Value> {
        let shows_score = self.shown(now).is_some_and(|(_, shows)| shows.score);
        let replaced = if shows_score { self.history.split_last() } else { None };
        let without_names = |grading: &Grading| {
            let mut grading = serde_json::json!(grading);
            grading.as_object_mut().map(|fields| fields.remove("graderId"));
            grading
        };
        replaced.map_or_else(Vec::new, |(_, replaced)| replaced.iter().map(without_names).collect())
    }

    /// The rules, and what its learner may see by them now.
    fn shown(&self, now: DateTime<Utc>) -> Option<(Rules, Shows)> {
        let rules = self.rules().ok()?;
        let shows = shown_to(&rules, &self.tries, self.extra_tries, self.passed_at.is_some(), now);
        Some((rules, shows))
    }

    fn hide_score(&self, seen: &mut Submission) {
        seen.grade = None;
        seen.rubric = None;
        seen.graded_at = None;
        if seen.status == Status::Graded {
            seen.feedback = None;
        }
        // What an outside grader said is the grade, in other words.
        if self.result.is_some()
            && let Some(said) = seen.submission_data.as_object_mut()
        {
            said.retain(|field, _| CodingResult::SAYS_NO_SCORE.contains(&field.as_str()));
        }
    }

    /// Everything, for whoever grades it.
    #[must_use]
    pub fn for_grader(&self) -> SubmissionForGrader {
        let rules = self.rules().ok();
        let mut submission = self.submission.clone();
        submission.items = rules.as_ref().and_then(|rules| self.items(rules));
        if let Some(result) = &self.result {
            submission.submission_data = result.clone();
        }
        let (grade_by, assigned_to) = match rules.as_ref().map(|rules| &rules.configuration.form) {
            Some(Form::ManualReview { sla_hours, assign, .. }) => (
                sla_hours.map(|hours| submission.submitted_at + chrono::TimeDelta::hours(hours.into())),
                (*assign == Pool::Author).then_some(self.quest_created_by),
            ),
            _ => (None, None),
        };
        SubmissionForGrader {
            submission,
            auth_user_id: self.auth_user_id,
            quest_id: self.quest_id,
            quest_title: self.quest_title.clone(),
            assessment_key: self.assessment_key.clone(),
            assessment_type: self.assessment_type,
            task: rules.as_ref().map(|rules| rules.configuration.task(None)),
            passing: rules.as_ref().map(|rules| rules.passing.task()),
            grade_by,
            assigned_to,
            graded_by: self.graded_by,
            decision: self.decision,
            is_unit_done: self.passed_at.is_some(),
            reviews: self.reviews.clone(),
            history: self.history.clone(),
        }
    }

    /// The items of a quiz that this try got.
    #[must_use]
    pub fn drawn(&self, rules: &Rules) -> Vec<Item> {
        match &rules.configuration.form {
            Form::Quiz(quiz) => quiz.drawn(&self.item_ids),
            _ => Vec::new(),
        }
    }

    /// The answers of a quiz; those that no longer fit an item count as not given.
    #[must_use]
    pub fn answers(&self, items: &[Item]) -> Answers {
        answers_that_fit(items, &self.submission.submission_data)
    }

    /// What an outside grader has said.
    #[must_use]
    pub fn coding_result(&self) -> Option<CodingResult> {
        serde_json::from_value(self.result.clone()?).ok()
    }

    fn items(&self, rules: &Rules) -> Option<Vec<ItemResult>> {
        if !matches!(rules.configuration.form, Form::Quiz(_)) {
            return None;
        }
        let items = self.drawn(rules);
        let answers = self.answers(&items);
        Some(item_results(&items, &answers))
    }

    fn anonymous_reviews(&self) -> Vec<AnonymousReview> {
        let seen =
            |review: &ReviewOfPeer| AnonymousReview { rubric: review.rubric.clone(), comment: review.comment.clone() };
        match self.submission.status {
            Status::Graded => self.reviews.iter().map(seen).collect(),
            _ => Vec::new(),
        }
    }
}

/// Item by item: points, and the key.
#[must_use]
pub fn item_results(items: &[Item], answers: &Answers) -> Vec<ItemResult> {
    let result = |item: &Item| {
        let points = score_item(item, answers.get(&item.id));
        ItemResult {
            id: item.id.clone(),
            prompt: item.prompt.clone(),
            points,
            max_points: item.points,
            is_correct: points == item.points,
            solution: solution(item),
        }
    };
    items.iter().map(result).collect()
}

/// Answers as they were stored, without those that no longer fit an item: it may have been edited since.
#[must_use]
pub fn answers_that_fit(items: &[Item], data: &Value) -> Answers {
    let mut answers = data.get("answers").cloned().unwrap_or_default();
    if let Some(answers) = answers.as_object_mut() {
        answers.retain(|id, answer| {
            let own: Vec<Item> = items.iter().filter(|item| item.id == *id).cloned().collect();
            Answers::parse(&own, &serde_json::json!({ id.as_str(): answer }), "").is_ok()
        });
    }
    Answers::parse(items, &answers, "").unwrap_or_default()
}

/// What the feedback policy shows to a learner now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shows {
    pub score: bool,
    pub answers: bool,
}

/// See [`Shows`].
#[must_use]
pub fn shown_to(rules: &Rules, tries: &[Tried], extra_tries: u32, is_passed: bool, now: DateTime<Utc>) -> Shows {
    let configuration = &rules.configuration;
    let is_closed = configuration.closes_at.is_some_and(|closes| now >= closes);
    Shows {
        score: match configuration.feedback.score {
            ShowScore::Immediately => true,
            ShowScore::AfterClose => is_closed,
            ShowScore::Never => false,
        },
        answers: match configuration.feedback.answers {
            ShowAnswers::Never => false,
            ShowAnswers::AfterPass => is_passed,
            ShowAnswers::AfterLastAttempt => is_used_up(rules, tries, extra_tries),
            ShowAnswers::AfterClose => is_closed,
        },
    }
}
