//! What authors are told of a quest and of a learning path.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::analytics::items::Item;
use crate::analytics::period::Bucket;

/// What an answer is about, and by which rules. Numbers that are null are held back: they belong to fewer than
/// `minCohort` learners, or would give such a group away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    pub from: NaiveDate,
    /// The last day
    pub to: NaiveDate,
    /// Whose calendar days these are
    #[schema(example = "UTC")]
    pub time_zone: String,
    pub bucket: Bucket,
    /// Learners that hide one another
    #[schema(example = 5)]
    pub min_cohort: i64,
    /// More was begun than is looked at: only the newest `ANALYTICS_MAX_ATTEMPTS`
    pub is_capped: bool,
}

/// Analytics of a quest: the attempts that were begun in the period, as they stand now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestInsight {
    pub quest_id: Uuid,
    pub title: String,
    #[serde(flatten)]
    pub scope: Scope,
    pub cohort: Cohort,
    /// Day by day from the rollup (seed: `quest_analytics`), up to the last day that it has done
    pub series: Vec<Point>,
    /// In their order; retired ones are left out
    pub steps: Vec<StepFunnel>,
    pub assessments: Vec<AssessmentFigures>,
    /// What learners wait for now
    pub waits: Vec<Wait>,
    pub feedback: FeedbackFigures,
}

/// How the attempts of a period stand. Each is in one of `completed`, `abandoned`, `idle` and `open`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cohort {
    pub started: Option<i64>,
    pub completed: Option<i64>,
    pub abandoned: Option<i64>,
    /// Open, nobody else's turn, and without a sign of life for more than `ANALYTICS_IDLE_DAYS`
    pub idle: Option<i64>,
    pub open: Option<i64>,
    /// Those who left: abandoned or idle
    pub left: Option<i64>,
    /// `left` as a share of `started`, 0 to 1
    pub left_share: Option<f64>,
    /// Of those who left: before any step
    pub left_before_steps: Option<i64>,
    /// Of those who left: with every mandatory step completed, so at an assessment
    pub left_after_steps: Option<i64>,
    /// From start to completion
    pub median_minutes: Option<f64>,
    pub p90_minutes: Option<f64>,
    /// Something of this is held back
    pub is_suppressed: bool,
}

/// Some days of `quest_analytics`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// The first day of it that is in the period
    pub from: NaiveDate,
    /// Sum of `total_attempts`
    pub total_attempts: Option<i64>,
    /// Sum of `successful_completions`
    pub successful_completions: Option<i64>,
    /// Mean over the completions
    pub average_completion_time_minutes: Option<f64>,
    /// Mean over the completions
    pub average_attempts_to_complete: Option<f64>,
    /// Mean over the attempts, 0 to 1
    pub abandonment_rate: Option<f64>,
    /// As of the last day that has one, 0 to 5; null in all other points
    pub difficulty_rating: Option<f64>,
    /// Mean over the attempts, 0 to 100
    pub engagement_score: Option<f64>,
    pub is_suppressed: bool,
}

/// A step in the funnel.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepFunnel {
    pub step_id: Uuid,
    pub step_number: i32,
    pub title: String,
    #[schema(example = "Quiz")]
    pub step_type: String,
    pub is_optional: bool,
    pub started: Option<i64>,
    pub completed: Option<i64>,
    pub skipped: Option<i64>,
    /// Those who left and got no further than this step
    pub left_here: Option<i64>,
    /// From the step's start to its completion
    pub median_minutes: Option<f64>,
    pub p90_minutes: Option<f64>,
    /// Checked tries of those who completed it
    pub mean_tries: Option<f64>,
    pub is_suppressed: bool,
}

/// An assessment, and its items where it is a quiz.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentFigures {
    pub assessment_id: Uuid,
    #[schema(example = "loops-quiz")]
    pub key: String,
    #[schema(example = "Quiz")]
    pub assessment_type: String,
    /// Learners with at least one try
    pub tried: Option<i64>,
    pub passed: Option<i64>,
    /// Of those who tried, who has passed or waits for no grader; for the list of what needs attention
    #[serde(skip)]
    pub judged: Option<i64>,
    /// Tries of a learner, without returned ones
    pub mean_tries: Option<f64>,
    /// The points of the first graded try, as a percentage
    pub mean_percent: Option<f64>,
    pub is_suppressed: bool,
    /// Of the first graded try of each learner
    pub items: Vec<Item>,
}

/// What learners wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum WaitKind {
    /// A reviewer of a handed-in step
    Review,
    /// A result from outside
    Result,
    /// A grader, or peers
    Grade,
    /// A grader who allows another try: all are used up
    Tries,
}

impl WaitKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Result => "result",
            Self::Grade => "grade",
            Self::Tries => "tries",
        }
    }
}

/// Learners who cannot go on by themselves.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    pub kind: WaitKind,
    pub step_id: Option<Uuid>,
    pub assessment_id: Option<Uuid>,
    /// Title of the step, key of the assessment
    pub title: String,
    /// Null when it is a small group
    pub learners: Option<i64>,
}

/// Feedback on the quest that was given in the period.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedbackFigures {
    pub total: Option<i64>,
    /// Not settled yet
    pub open: Option<i64>,
    /// 1 to 5
    pub mean_rating: Option<f64>,
    pub content_error: Option<i64>,
    pub technical_issue: Option<i64>,
    pub too_difficult: Option<i64>,
    pub too_easy: Option<i64>,
    pub other: Option<i64>,
    pub is_suppressed: bool,
}

/// Analytics of a learning path: the learners who enrolled in the period, as they stand now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathInsight {
    pub learning_path_id: Uuid,
    pub name: String,
    #[serde(flatten)]
    pub scope: Scope,
    pub cohort: PathCohort,
    /// By the day of enrolment
    pub series: Vec<PathPoint>,
    /// In the order of the path
    pub quests: Vec<QuestFunnel>,
    /// Learners whose next mandatory quest is locked, by what is missing; the most first
    pub waits: Vec<Blocked>,
}

/// Learners who enrolled in the period.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathCohort {
    pub enrolled: Option<i64>,
    /// With an attempt at one of its quests
    pub started: Option<i64>,
    pub completed: Option<i64>,
    /// Who left the path
    pub left: Option<i64>,
    /// Mean of `completionPercentage`, 0 to 100
    pub mean_progress: Option<f64>,
    /// From enrolment to completion
    pub median_days: Option<f64>,
    pub is_suppressed: bool,
}

/// Enrolments of some days.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathPoint {
    /// The first day of it that is in the period
    pub from: NaiveDate,
    pub enrolled: Option<i64>,
    /// Of those
    pub started: Option<i64>,
    /// Of those, by now
    pub completed: Option<i64>,
    pub is_suppressed: bool,
}

/// A quest in the funnel of a path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestFunnel {
    pub quest_id: Uuid,
    pub title: String,
    pub sequence: i32,
    pub is_mandatory: bool,
    pub started: Option<i64>,
    pub completed: Option<i64>,
    /// Whose attempt is abandoned
    pub abandoned: Option<i64>,
    /// From start to completion
    pub median_days: Option<f64>,
    /// Enrolled learners without an attempt who lack one of its active prerequisites
    pub locked: Option<i64>,
    pub locked_by: Vec<LockedBy>,
    pub is_suppressed: bool,
}

/// Learners for whom a quest is locked by one of its prerequisites.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockedBy {
    pub quest_id: Uuid,
    pub title: String,
    pub learners: Option<i64>,
}

/// Why a learner's next quest is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BlockedBy {
    /// Not completed: `byQuestId`
    Prerequisite,
    /// The path's criteria are not met
    Criteria,
    /// The quest is not active
    Inactive,
}

impl BlockedBy {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prerequisite => "prerequisite",
            Self::Criteria => "criteria",
            Self::Inactive => "inactive",
        }
    }
}

/// Learners who wait at a locked quest.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    pub quest_id: Uuid,
    pub title: String,
    pub cause: BlockedBy,
    pub by_quest_id: Option<Uuid>,
    pub by_title: Option<String>,
    pub learners: Option<i64>,
}
