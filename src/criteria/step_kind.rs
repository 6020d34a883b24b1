//! The eight kinds of step.

use std::fmt;

/// What a learner does in a step (seed: enum `step_type`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[sqlx(type_name = "step_type")]
#[schema(as = StepType)]
pub enum StepKind {
    /// Read a text.
    Reading,
    /// Watch a video.
    Video,
    /// Work through an embedded activity.
    Interactive,
    /// Solve a problem of an outside grader.
    Coding,
    /// Answer questions that the service scores.
    Quiz,
    /// Talk to others, or attend a meeting.
    Discussion,
    /// Hand something in.
    Submission,
    /// Write down what one thinks of it.
    Reflection,
}

impl StepKind {
    /// Every kind, in the order of the enum in the database.
    pub const ALL: [Self; 8] = [
        Self::Reading,
        Self::Video,
        Self::Interactive,
        Self::Coding,
        Self::Quiz,
        Self::Discussion,
        Self::Submission,
        Self::Reflection,
    ];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "Reading",
            Self::Video => "Video",
            Self::Interactive => "Interactive",
            Self::Coding => "Coding",
            Self::Quiz => "Quiz",
            Self::Discussion => "Discussion",
            Self::Submission => "Submission",
            Self::Reflection => "Reflection",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
