//! Attempts over HTTP.

pub mod reviews;
pub mod steps;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::model::{Attempt, AttemptStatus, AttemptWithSteps, Move, Refusal};
use super::service;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::enrollments::service::{Skills, Wanted};
use crate::http::command::{MergePatch, NoBody};
use crate::http::etag::IfMatch;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Code, Command, FieldError, Page, Path, Problem, Query, etag, paging};
use crate::ids::{AttemptId, QuestId};
use crate::origin::Origin;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::Locked(eligibility) => Self::new(Code::QuestLocked, detail)
                .with("conditions", eligibility.conditions)
                .with("learningPaths", eligibility.learning_paths),
            Refusal::NotOpen(status) => Self::new(Code::AttemptNotOpen, detail).with("attemptStatus", status),
            Refusal::Transition { .. } => Self::new(Code::InvalidTransition, detail),
            Refusal::StepLocked(missing) => Self::new(Code::StepLocked, detail).with("missingStepIds", missing),
            Refusal::NotOptional => Self::new(Code::StepNotOptional, detail),
            Refusal::StepCompleted => Self::new(Code::StepCompleted, detail),
            Refusal::ValidationNotAvailable => Self::new(Code::ValidationNotAvailable, detail),
            Refusal::AwaitsResult(awaited) => Self::new(Code::AwaitsResult, detail).with("waitsFor", awaited),
            Refusal::NoTriesLeft { tries } => Self::new(Code::NoTriesLeft, detail).with("attemptsCount", tries),
            Refusal::CoolingDown { until, seconds } => {
                Self::new(Code::CoolingDown, detail).with("nextTryAt", until).retry_after(seconds)
            }
            Refusal::ReviewPending => Self::new(Code::ReviewPending, detail),
            Refusal::NothingToReview => Self::new(Code::NothingToReview, detail),
            Refusal::OwnWork => Self::new(Code::Forbidden, detail),
            Refusal::Malformed(violations) => Self::invalid(
                violations
                    .into_iter()
                    .map(|violation| FieldError::new(format!("/submissionData{}", violation.pointer), violation.detail))
                    .collect(),
            ),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// Start a quest
///
/// 201 with a new attempt; 200 with the one that is there. An abandoned one is taken up again.
#[utoipa::path(post, path = "/v1/quests/{id}/attempt", tag = "attempts", operation_id = "start_attempt", params(("id" = QuestId, Path, description = "Quest")),
    responses((status = 201, description = "started", body = AttemptWithSteps, headers(("Location" = String))), (status = 200, description = "there already", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn start_attempt(
    State(db): State<Db>,
    State(skills): State<Skills>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, .. } = command;
    skills.refresh(&db, &origin, caller, &headers, Wanted::ByCriteria).await?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let (attempt, is_new) = service::start_attempt(connection, &origin, caller.learner(), id).await?;
                let location = format!("/v1/attempts/{}", attempt.attempt.id);
                Ok(if is_new {
                    Answer::created(&location, &attempt)
                } else {
                    Answer::resource(&attempt).header("location", &location)
                })
            })
        })
        .await
}

/// What `GET /v1/me/attempts` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAttempts {
    pub status: Option<AttemptStatus>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List one's own attempts, newest first
#[utoipa::path(get, path = "/v1/me/attempts", tag = "attempts", operation_id = "list_attempts", params(ListAttempts),
    responses((status = 200, description = "a page", body = Page<Attempt>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_attempts(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListAttempts>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let attempts = service::list_attempts(&mut connection, caller.learner(), query.status, after, limit + 1).await?;
    let page = Page::cut(attempts, limit, |attempt| (attempt.started_at, attempt.id.0));
    Ok(etag::respond(&headers, &page))
}

/// Read one's own attempt with its steps
#[utoipa::path(get, path = "/v1/attempts/{id}", tag = "attempts", operation_id = "get_attempt", params(("id" = AttemptId, Path, description = "Attempt")),
    responses((status = 200, description = "the attempt", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_attempt(
    caller: Caller,
    State(db): State<Db>,
    origin: Origin,
    headers: HeaderMap,
    Path(id): Path<AttemptId>,
) -> Result<Response, Problem> {
    let learner = caller.learner();
    let missing = || Problem::not_found("attempt");
    let mut connection = db.pool.acquire().await?;
    let mut loaded = service::load(&mut connection, learner, id, None).await?.ok_or_else(missing)?;
    if loaded.is_stale {
        drop(connection);
        db.transact(move |connection| {
            Box::pin(async move { service::recompute(connection, &origin, learner, id).await })
        })
        .await
        .map_err(|error: sqlx::Error| Problem::from(error))?;
        let mut connection = db.pool.acquire().await?;
        loaded = service::load(&mut connection, learner, id, None).await?.ok_or_else(missing)?;
    }
    Ok(etag::respond(&headers, &loaded.view()))
}

/// What a learner may change of an attempt.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"notes": "Look at pointer arithmetic again"}))]
pub struct AttemptInput {
    /// At most `MAX_TEXT_CHARS` characters; null clears them
    pub notes: Option<String>,
}

/// Change one's notes (JSON Merge Patch)
#[utoipa::path(patch, path = "/v1/attempts/{id}", tag = "attempts", operation_id = "update_attempt", params(("id" = AttemptId, Path, description = "Attempt")),
    request_body(content = AttemptInput, content_type = "application/merge-patch+json", example = json!({"notes": "Look at the linker again"})),
    responses((status = 200, description = "changed", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn update_attempt(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<AttemptId>,
    command: Command<MergePatch>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let change = |notes| {
                    let input: AttemptInput = body.apply(&AttemptInput { notes })?;
                    let mut checks = Checks::default();
                    checks.text("/notes", input.notes.as_deref().unwrap_or_default(), 0, limits.max_text_chars);
                    checks.finish()?;
                    Ok(input.notes)
                };
                let attempt =
                    service::set_notes(connection, &origin, caller.learner(), id, change, matching(if_match)).await?;
                Ok(Answer::resource(&attempt))
            })
        })
        .await
}

/// Compares `If-Match` with the attempt as it was before the operation.
fn matching(if_match: IfMatch) -> impl FnOnce(&AttemptWithSteps) -> Result<(), Problem> {
    move |attempt| if_match.check(attempt)
}

async fn moved(id: AttemptId, command: Command<NoBody>, how: Move) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let attempt =
                    service::move_attempt(connection, &origin, caller.learner(), id, how, matching(if_match)).await?;
                Ok(Answer::resource(&attempt))
            })
        })
        .await
}

/// Pause an attempt
#[utoipa::path(post, path = "/v1/attempts/{id}/pause", tag = "attempts", operation_id = "pause_attempt", params(("id" = AttemptId, Path, description = "Attempt")),
    responses((status = 200, description = "paused", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn pause_attempt(Path(id): Path<AttemptId>, command: Command<NoBody>) -> Result<Response, Problem> {
    moved(id, command, Move::Pause).await
}

/// Resume a paused or abandoned attempt
#[utoipa::path(post, path = "/v1/attempts/{id}/resume", tag = "attempts", operation_id = "resume_attempt", params(("id" = AttemptId, Path, description = "Attempt")),
    responses((status = 200, description = "in progress", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn resume_attempt(Path(id): Path<AttemptId>, command: Command<NoBody>) -> Result<Response, Problem> {
    moved(id, command, Move::Resume).await
}

/// Abandon an attempt; its progress is kept
#[utoipa::path(post, path = "/v1/attempts/{id}/abandon", tag = "attempts", operation_id = "abandon_attempt", params(("id" = AttemptId, Path, description = "Attempt")),
    responses((status = 200, description = "abandoned", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn abandon_attempt(Path(id): Path<AttemptId>, command: Command<NoBody>) -> Result<Response, Problem> {
    moved(id, command, Move::Abandon).await
}
