//! The six types of assessment.

use std::fmt;

/// How an assessment is worked on and graded (seed: enum `assessment_type`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[sqlx(type_name = "assessment_type")]
#[schema(as = AssessmentType)]
pub enum AssessmentKind {
    /// Answer questions; graded here.
    Quiz,
    /// Hand work in; a grader grades it.
    Assignment,
    /// Hand larger work in; a grader grades it by a rubric.
    Project,
    /// Hand work in; other learners grade it by a rubric.
    PeerReview,
    /// Solve a problem of an outside grader, whose results grade it.
    AutoGraded,
    /// Hand work in; a grader looks at it within a time.
    ManualReview,
}

impl AssessmentKind {
    /// Every type, in the order of the enum in the database.
    pub const ALL: [Self; 6] =
        [Self::Quiz, Self::Assignment, Self::Project, Self::PeerReview, Self::AutoGraded, Self::ManualReview];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quiz => "Quiz",
            Self::Assignment => "Assignment",
            Self::Project => "Project",
            Self::PeerReview => "PeerReview",
            Self::AutoGraded => "AutoGraded",
            Self::ManualReview => "ManualReview",
        }
    }
}

impl fmt::Display for AssessmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
