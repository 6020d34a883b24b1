//! Attempts over HTTP.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::model::{Attempt, AttemptStatus, AttemptWithSteps, Completion, Move, Outcome, Refusal};
use super::service::{self, At};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::command::{MergePatch, NoBody};
use crate::http::etag::IfMatch;
use crate::http::layers::Correlation;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Code, Command, FieldError, Page, Path, Problem, Query, etag, paging};
use crate::ids::{AttemptId, QuestId, StepId};
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
            Refusal::ValidationNotAvailable(_) => Self::new(Code::ValidationNotAvailable, detail),
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
pub async fn start_attempt(Path(id): Path<QuestId>, command: Command<NoBody>) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, .. } = command;
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
    State(clock): State<crate::clock::Clock>,
    Extension(correlation): Extension<Correlation>,
    headers: HeaderMap,
    Path(id): Path<AttemptId>,
) -> Result<Response, Problem> {
    let learner = caller.learner();
    let missing = || Problem::not_found("attempt");
    let mut connection = db.pool.acquire().await?;
    let mut loaded = service::load(&mut connection, learner, id, None).await?.ok_or_else(missing)?;
    if loaded.is_stale {
        drop(connection);
        let origin =
            Origin { actor: caller.id, correlation_id: correlation.id, traceparent: correlation.traceparent, clock };
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

/// Start a step
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/start", tag = "attempts", operation_id = "start_step", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 200, description = "under way, or done already", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn start_step(
    Path((id, step)): Path<(AttemptId, StepId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    let at = At { learner: caller.learner(), attempt: id, step };
    transaction
        .run(move |connection| {
            Box::pin(
                async move { Ok(Answer::ok(&service::start_step(connection, &origin, at, matching(if_match)).await?)) },
            )
        })
        .await
}

/// Skip an optional step; it can be done later all the same
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/skip", tag = "attempts", operation_id = "skip_step", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 200, description = "skipped", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn skip_step(
    Path((id, step)): Path<(AttemptId, StepId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    let at = At { learner: caller.learner(), attempt: id, step };
    transaction
        .run(move |connection| {
            Box::pin(
                async move { Ok(Answer::ok(&service::skip_step(connection, &origin, at, matching(if_match)).await?)) },
            )
        })
        .await
}

/// What a learner hands in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"submissionData": {"acknowledged": true, "seconds": 95}}))]
pub struct CompleteStep {
    /// By step type: Reading `{acknowledged, seconds}`, Video `{watchedPercent}`, Interactive
    /// `{completed, passed, score}`, Discussion `{posts, replies, text?}`, Reflection `{text}`
    #[schema(value_type = Option<Object>)]
    pub submission_data: Option<Value>,
}

/// Complete a step
///
/// The server checks the step's criteria, pays, completes the quest with its last unit, and opens
/// what that opens. A try that does not meet the criteria counts, and is answered 422
/// `criteria_not_met` with what is missing. Completing a completed step changes nothing.
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/complete", tag = "attempts", operation_id = "complete_step", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")), request_body = CompleteStep,
    responses((status = 200, description = "completed", body = Completion), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn complete_step(
    State(limits): State<Arc<ContentLimits>>,
    Path((id, step)): Path<(AttemptId, StepId)>,
    command: Command<CompleteStep>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    if let Some(data) = body.submission_data.as_ref().filter(|data| !data.is_null()) {
        let mut checks = Checks::default();
        checks.document("/submissionData", data, limits.max_document_bytes);
        checks.finish()?;
    }
    let at = At { learner: caller.learner(), attempt: id, step };
    let path = transaction.path().to_owned();
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let rate = limits.video_max_playback_rate;
                let outcome =
                    service::complete_step(connection, &origin, at, body.submission_data, rate, matching(if_match))
                        .await?;
                Ok(match outcome {
                    Outcome::Completed(completion) => Answer::ok(&completion),
                    Outcome::NotMet { unmet, step } => {
                        let errors = unmet
                            .iter()
                            .map(|unmet| {
                                FieldError::new(format!("/submissionData{}", unmet.pointer), unmet.detail.clone())
                            })
                            .collect();
                        let criteria: Vec<Value> = unmet
                            .iter()
                            .map(|unmet| json!({"criterion": unmet.code, "current": unmet.current, "target": unmet.target}))
                            .collect();
                        let problem = Problem::new(Code::CriteriaNotMet, "the try is counted; see errors for what is missing")
                            .errors(errors)
                            .with("unmet", criteria)
                            .with("attemptsCount", step.attempts_count);
                        Answer::problem(&problem, &path)
                    }
                })
            })
        })
        .await
}
