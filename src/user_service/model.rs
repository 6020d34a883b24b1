//! What the User Service says, as far as we use it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A skill of a user, as `GET /api/users/me/skills` has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skill {
    #[serde(alias = "skillName")]
    pub name: String,
    pub level: i32,
}

/// A skill of the catalogue, as a node of `GET /api/skills/tree`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeSkill {
    pub skill_id: Uuid,
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tree {
    pub nodes: Vec<TreeSkill>,
}

/// A user, as `GET /api/users/me/full` has one.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub profile: Profile,
    #[serde(default)]
    relations: Relations,
}

/// Who somebody is, as the User Service says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserProfile)]
pub struct Profile {
    #[schema(example = "lena")]
    pub username: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub profile_image_url: Option<String>,
    /// Of the User Service, over everything that pays points
    #[serde(default)]
    pub level: i32,
    #[serde(default)]
    pub experience_points: i32,
    #[serde(default, skip_serializing)]
    #[schema(ignore)]
    class_id: Option<Uuid>,
    #[serde(default, skip_serializing)]
    #[schema(ignore)]
    route_id: Option<Uuid>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Relations {
    student_enrollments: Vec<Enrollment>,
    student_term_subjects: Vec<Subject>,
}

/// What somebody studies, as the User Service says.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcademicContext {
    pub class_id: Option<Uuid>,
    pub route_id: Option<Uuid>,
    pub enrollments: Vec<Enrollment>,
    pub subjects: Vec<Subject>,
}

/// An enrolment of a student in a curriculum.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StudentEnrollment)]
pub struct Enrollment {
    pub id: Uuid,
    #[schema(example = "Active")]
    pub status: String,
    pub enrollment_date: Option<NaiveDate>,
    pub expected_graduation_date: Option<NaiveDate>,
}

/// A subject of a student's terms.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StudentSubject)]
pub struct Subject {
    pub subject_id: Uuid,
    #[schema(example = "PRF192")]
    pub subject_code: String,
    #[schema(example = "Programming Fundamentals")]
    pub subject_name: String,
    pub semester: Option<i32>,
    #[schema(example = "Studying")]
    pub status: String,
    pub grade: Option<String>,
}

impl User {
    #[must_use]
    pub fn split(self) -> (Profile, AcademicContext) {
        let context = AcademicContext {
            class_id: self.profile.class_id,
            route_id: self.profile.route_id,
            enrollments: self.relations.student_enrollments,
            subjects: self.relations.student_term_subjects,
        };
        (self.profile, context)
    }
}

/// An answer that is only shown.
#[derive(Debug, Clone)]
pub struct Shown<T> {
    pub value: T,
    /// The User Service is away; this is what it said before.
    pub is_stale: bool,
}
