//! Reviews of handed-in steps over HTTP, for graders.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::attempts::model::{Decision, ExtraTries, ReviewStatus, StepReview};
use crate::attempts::service;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::etag::IfMatch;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Command, Page, Path, Problem, Query, etag, paging};
use crate::ids::{AttemptId, QuestId, StepId};

/// What `GET /v1/step-reviews` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListStepReviews {
    /// `waiting` if left out
    pub status: Option<ReviewStatus>,
    /// Only work on this quest
    pub quest_id: Option<QuestId>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// A review in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedReview {
    #[serde(flatten)]
    pub review: StepReview,
    /// For `If-Match` of the decision
    #[schema(example = "\"u8jX2rVdM4nJwUOQ1d0kSg\"")]
    pub etag: String,
}

/// List handed-in steps by where their review stands, longest waiting first
///
/// Without the caller's own work.
#[utoipa::path(get, path = "/v1/step-reviews", tag = "reviews", operation_id = "list_step_reviews", params(ListStepReviews),
    responses((status = 200, description = "a page", body = Page<ListedReview>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_step_reviews(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListStepReviews>,
) -> Result<Response, Problem> {
    caller.require_grader()?;
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let status = query.status.unwrap_or(ReviewStatus::Waiting);
    let mut connection = db.pool.acquire().await?;
    let queued = service::list_reviews(&mut connection, caller.id, status, query.quest_id, after, limit + 1).await?;
    let page = Page::cut(queued, limit, |queued| queued.position)
        .map(|queued| ListedReview { etag: etag::of(&queued.review), review: queued.review });
    Ok(etag::respond(&headers, &page))
}

/// Read a handed-in step and where its review stands
#[utoipa::path(get, path = "/v1/attempts/{id}/steps/{stepId}/review", tag = "reviews", operation_id = "get_step_review", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 200, description = "the review", body = StepReview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_step_review(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path((id, step)): Path<(AttemptId, StepId)>,
) -> Result<Response, Problem> {
    caller.require_grader()?;
    let mut connection = db.pool.acquire().await?;
    Ok(etag::respond(&headers, &service::get_review(&mut connection, caller.id, id, step).await?))
}

/// A grader's decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"decision": "return", "feedback": "It leaks the buffer on the error path; close the file there too."}))]
pub struct ReviewInput {
    pub decision: Decision,
    /// For the learner to read, at most `MAX_TEXT_CHARS` characters; needed to return work
    pub feedback: Option<String>,
}

/// Accept or return a handed-in step
///
/// `If-Match` is required: of two graders, one decides, and the other gets 412 with what stands now in
/// `current`. Accepting completes the step with all that follows, and is final; returning lets the
/// learner try again. Nobody reviews own work.
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/review", tag = "reviews", operation_id = "review_step", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")), request_body = ReviewInput,
    responses((status = 200, description = "decided", body = StepReview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn review_step(
    State(limits): State<Arc<ContentLimits>>,
    Path(at): Path<(AttemptId, StepId)>,
    command: Command<ReviewInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_grader()?;
    let ReviewInput { decision, feedback } = body;
    let mut checks = Checks::default();
    let least = usize::from(decision == Decision::Return);
    checks.text("/feedback", feedback.as_deref().unwrap_or_default(), least, limits.max_text_chars);
    checks.finish()?;
    let if_match = if_match.require()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let review =
                    service::review_step(connection, &origin, at, decision, feedback, deciding(if_match)).await?;
                Ok(Answer::resource(&review))
            })
        })
        .await
}

/// More tries for one learner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tries": 2, "reason": "The laboratory was closed on the day of the quiz."}))]
pub struct ExtraTriesInput {
    /// 1 to 100, on top of what was allowed before
    #[schema(minimum = 1, maximum = 100)]
    pub tries: i32,
    /// For the audit log, 1 to `MAX_TEXT_CHARS` characters
    pub reason: String,
}

/// Allow a learner more tries of a step than its criteria do
///
/// Audited. Nobody allows them to oneself.
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/extra-tries", tag = "reviews", operation_id = "allow_extra_step_tries", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")), request_body = ExtraTriesInput,
    responses((status = 200, description = "allowed", body = ExtraTries), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn allow_extra_step_tries(
    State(limits): State<Arc<ContentLimits>>,
    Path(at): Path<(AttemptId, StepId)>,
    command: Command<ExtraTriesInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_grader()?;
    let mut checks = Checks::default();
    checks.range("/tries", body.tries, 1, 100);
    checks.text("/reason", &body.reason, 1, limits.max_text_chars);
    checks.finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let extra = service::allow_extra_tries(connection, &origin, at, body.tries, &body.reason).await?;
                Ok(Answer::ok(&extra))
            })
        })
        .await
}

/// Compares `If-Match` with the review as it stands, and shows that to whoever came second.
fn deciding(if_match: IfMatch) -> impl FnOnce(&StepReview) -> Result<(), Problem> {
    move |review| if_match.check(review).map_err(|problem| problem.with("current", review))
}
