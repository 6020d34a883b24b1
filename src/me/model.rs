//! What is known of a caller.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::auth::Roles;
use crate::user_service::{AcademicContext, Profile};

/// A role of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Everybody
    Learner,
    Author,
    Grader,
    Admin,
    Service,
}

impl Role {
    /// The roles of a caller.
    #[must_use]
    pub fn of(roles: Roles) -> Vec<Self> {
        let held = [
            (true, Self::Learner),
            (roles.author, Self::Author),
            (roles.grader, Self::Grader),
            (roles.admin, Self::Admin),
            (roles.service, Self::Service),
        ];
        held.into_iter().filter(|(is_held, _)| *is_held).map(|(_, role)| role).collect()
    }
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CallerOverview)]
pub struct Overview {
    pub auth_user_id: Uuid,
    pub roles: Vec<Role>,
    /// Null while nothing is known
    pub profile: Option<Profile>,
    /// Null while nothing is known
    pub academic_context: Option<AcademicContext>,
    #[serde(flatten)]
    pub deeds: Deeds,
    /// The User Service is away: profile and context are missing, or as it last told them
    pub degraded: bool,
}

/// What the caller has done here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deeds {
    pub enrollments: EnrollmentCounts,
    pub attempts: AttemptCounts,
    /// Experience points that quests and steps have paid
    #[schema(example = 370)]
    pub total_experience_earned: i64,
}

/// Learning paths by the caller's status; those that were left count only as left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrollmentCounts {
    pub not_started: i64,
    pub in_progress: i64,
    pub paused: i64,
    pub completed: i64,
    pub left: i64,
}

/// Quests by the caller's status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptCounts {
    pub in_progress: i64,
    pub paused: i64,
    pub completed: i64,
    pub abandoned: i64,
}
