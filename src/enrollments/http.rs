//! Enrolments over HTTP.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::model::{Enrollment, Move, Override, OverrideInput, PathStatus, Refusal};
use super::picture::{Picture, picture};
use super::service::{self, Skills, Wanted};
use crate::db::Db;
use crate::http::command::NoBody;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Code, Command, FieldError, Page, Path, Problem, Query, etag, paging};
use crate::ids::{LearningPathId, QuestId};
use crate::origin::Origin;
use crate::quests::http::visible;
use crate::unlocks::{Eligibility, explain, gate};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::Completed => Self::new(Code::InvalidTransition, detail),
            Refusal::Invalid(pointer, detail) => Self::invalid(vec![FieldError::new(pointer, detail)]),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// Enrol in a learning path
///
/// 201 the first time, 200 for who is enrolled; who left comes back with all that was reached. Quests
/// that were completed before count. Enrolling changes nothing about what may be started.
#[utoipa::path(post, path = "/v1/learning-paths/{id}/enrollment", tag = "enrollments", operation_id = "enrol", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 201, description = "enrolled", body = Enrollment, headers(("Location" = String))), (status = 200, description = "enrolled already", body = Enrollment), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn enrol(Path(id): Path<LearningPathId>, command: Command<NoBody>) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, .. } = command;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let (enrollment, is_new) = service::enrol(connection, &origin, caller.learner(), id).await?;
                let location = format!("/v1/me/learning-paths/{id}");
                Ok(if is_new {
                    Answer::created(&location, &enrollment)
                } else {
                    Answer::resource(&enrollment).header("location", &location)
                })
            })
        })
        .await
}

/// Leave a learning path; what was reached is kept
#[utoipa::path(delete, path = "/v1/learning-paths/{id}/enrollment", tag = "enrollments", operation_id = "leave", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 204, description = "left"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn leave(Path(id): Path<LearningPathId>, command: Command<NoBody>) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let check = |enrollment: &Enrollment| -> Result<(), Problem> { if_match.check(enrollment) };
                service::leave(connection, &origin, caller.learner(), id, check).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}

async fn moved(id: LearningPathId, command: Command<NoBody>, how: Move) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let check = |enrollment: &Enrollment| -> Result<(), Problem> { if_match.check(enrollment) };
                let moved = service::move_enrollment(connection, &origin, caller.learner(), id, how, check).await?;
                Ok(Answer::resource(&moved))
            })
        })
        .await
}

/// Pause a learning path
///
/// For the learner's own order: its quests can still be worked on.
#[utoipa::path(post, path = "/v1/learning-paths/{id}/enrollment/pause", tag = "enrollments", operation_id = "pause_enrollment", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "paused", body = Enrollment), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn pause_enrollment(Path(id): Path<LearningPathId>, command: Command<NoBody>) -> Result<Response, Problem> {
    moved(id, command, Move::Pause).await
}

/// Resume a paused learning path
#[utoipa::path(post, path = "/v1/learning-paths/{id}/enrollment/resume", tag = "enrollments", operation_id = "resume_enrollment", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "under way", body = Enrollment), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn resume_enrollment(Path(id): Path<LearningPathId>, command: Command<NoBody>) -> Result<Response, Problem> {
    moved(id, command, Move::Resume).await
}

/// What lists of enrolments take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListEnrollments {
    pub status: Option<PathStatus>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List one's own learning paths, last enrolled first
#[utoipa::path(get, path = "/v1/me/learning-paths", tag = "enrollments", operation_id = "list_enrollments", params(ListEnrollments),
    responses((status = 200, description = "a page", body = Page<Enrollment>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_enrollments(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListEnrollments>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let rows = service::list_enrollments(&mut connection, caller.learner(), query.status, after, limit + 1).await?;
    let page = Page::cut(rows, limit, |enrollment| (enrollment.enrolled_at, enrollment.learning_path_id.0));
    Ok(etag::respond(&headers, &page))
}

/// See a learning path as the caller stands in it
///
/// Chapters, quests with the caller's status, what is missing for locked ones, what to do next: one
/// call, at most 6 statements whatever its size. Works for published paths without enrolment, too.
#[utoipa::path(get, path = "/v1/me/learning-paths/{id}", tag = "enrollments", operation_id = "get_my_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "the picture", body = Picture), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_my_learning_path(
    caller: Caller,
    State(db): State<Db>,
    State(skills): State<Skills>,
    origin: Origin,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
) -> Result<Response, Problem> {
    skills.refresh(&db, &origin, caller, &headers, Wanted::ByCriteria).await?;
    let mut connection = db.pool.acquire().await?;
    let picture = picture(&mut connection, caller.now, caller.learner(), id).await?;
    Ok(etag::respond(&headers, &picture.ok_or_else(|| Problem::not_found("learning path"))?))
}

/// List the learners of a learning path, for graders
#[utoipa::path(get, path = "/v1/learning-paths/{id}/learners", tag = "enrollments", operation_id = "list_learners", params(("id" = LearningPathId, Path, description = "Learning path"), ListEnrollments),
    responses((status = 200, description = "a page, by learner id", body = Page<Enrollment>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_learners(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
    Query(query): Query<ListEnrollments>,
) -> Result<Response, Problem> {
    caller.require_grader()?;
    let limit = paging::limit(query.limit)?;
    let after: Option<Uuid> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let rows = service::list_learners(&mut connection, id, query.status, after, limit + 1).await?;
    if rows.is_empty() {
        crate::learning_paths::service::get_path(&mut connection, id, None).await?;
    }
    let page = Page::cut(rows, limit, |enrollment| enrollment.auth_user_id);
    Ok(etag::respond(&headers, &page))
}

/// Explain what a quest needs of the caller
#[utoipa::path(get, path = "/v1/quests/{id}/eligibility", tag = "quests", operation_id = "get_eligibility", params(("id" = QuestId, Path, description = "Quest")),
    responses((status = 200, description = "every condition", body = Eligibility), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_eligibility(
    caller: Caller,
    State(db): State<Db>,
    State(skills): State<Skills>,
    origin: Origin,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
) -> Result<Response, Problem> {
    skills.refresh(&db, &origin, caller, &headers, Wanted::ByCriteria).await?;
    let mut connection = db.pool.acquire().await?;
    visible(&mut connection, caller, id).await?;
    let judged = gate(&mut connection, caller.now, caller.learner(), id).await?;
    let judged = judged.ok_or_else(|| Problem::not_found("quest"))?;
    if caller.roles.author {
        return Ok(etag::respond(&headers, &judged.1.eligibility));
    }
    let explained = explain(&mut connection, caller.now, caller.learner(), [&judged]).await?;
    Ok(etag::respond(&headers, &explained.get(&id.0)))
}

/// Make an exception for one learner and one quest
///
/// Audited with its reason. What it opens is announced at once.
#[utoipa::path(post, path = "/v1/admin/unlock-overrides", tag = "enrollments", operation_id = "create_unlock_override", request_body = OverrideInput,
    responses((status = 201, description = "made", body = Override), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_unlock_override(command: Command<OverrideInput>) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_admin()?;
    let mut checks = Checks::default();
    checks.text("/reason", &body.reason, 1, 1_000);
    if let Some(expires) = body.expires_at {
        checks.year("/expiresAt", &expires);
    }
    checks.finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let made = service::add_override(connection, &origin, body).await?;
                let location = format!("/v1/quests/{}/eligibility", made.input.quest_id);
                Ok(Answer::created(&location, &made))
            })
        })
        .await
}
