//! Ids as types, so that a step id can never be passed for a quest id.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by time (UUIDv7).
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

id!(
    /// The learner: `sub` of the token, `auth_user_id` of the seed.
    LearnerId,
    /// A quest (seed: `quests`).
    QuestId,
    /// A step of a quest (seed: `quest_steps`).
    StepId,
    /// A resource of a quest (seed: `quest_resources`).
    ResourceId,
    /// A learner's attempt at a quest (seed: `user_quest_attempts`).
    AttemptId,
    /// An assessment of a quest (seed: `quest_assessments`).
    AssessmentId,
    /// A try of an assessment (seed: `quest_submissions`).
    SubmissionId,
    /// What a learner says of a quest (`quest_feedback`).
    FeedbackId,
    /// A learner's review of another's work (`peer_reviews`).
    PeerReviewId,
    /// A regrading of an assessment (`assessment_regrades`).
    RegradeId,
    /// A learning path (seed: `learning_paths`).
    LearningPathId,
    /// A chapter of a learning path (seed: `quest_chapters`).
    ChapterId,
    /// A result from outside (`evidence`).
    EvidenceId,
    /// An event of the log (`outbox_events`); of a grant, the grant's id.
    EventId,
    /// Events that are sent again (`event_replays`).
    ReplayId,
);
