//! Feedback over HTTP.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::model::{Feedback, FeedbackCategory, FeedbackInput, Refusal, ResolutionInput};
use super::service;
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Code, Command, Page, Path, Problem, Query, etag, paging};
use crate::ids::{FeedbackId, QuestId};
use crate::quests::http::visible;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::NotBegun => Self::new(Code::InvalidTransition, detail),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// Rate a quest, and say what is wrong with it
///
/// For who has begun it. One a learner, quest and category: sent again it replaces what was there, and is open
/// again. It goes into the quest's `difficulty_rating` of the day (seed: `quest_analytics`; 0 too easy to 5 too
/// difficult), once that is over and five learners have said something, and into recommendations.
#[utoipa::path(post, path = "/v1/quests/{id}/feedback", tag = "feedback", operation_id = "give_feedback", params(("id" = QuestId, Path, description = "Quest")), request_body = FeedbackInput,
    responses((status = 201, description = "given", body = Feedback), (status = 200, description = "replaced", body = Feedback), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn give_feedback(Path(id): Path<QuestId>, command: Command<FeedbackInput>) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    let mut checks = Checks::default();
    checks.range("/rating", body.rating.into(), 1, 5);
    if let Some(comment) = &body.comment {
        checks.text("/comment", comment, 1, 1_000);
    }
    checks.finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                visible(connection, caller, id).await?;
                let (given, is_new) = service::give(connection, &origin, caller.learner(), id, &body).await?;
                let location = format!("/v1/quests/{id}/feedback");
                Ok(if is_new { Answer::created(&location, &given) } else { Answer::ok(&given) })
            })
        })
        .await
}

/// What lists of feedback take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListFeedback {
    pub category: Option<FeedbackCategory>,
    /// Only what is settled, or only what is open
    pub is_resolved: Option<bool>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List what learners say of a quest, newest first
#[utoipa::path(get, path = "/v1/quests/{id}/feedback", tag = "feedback", operation_id = "list_feedback", params(("id" = QuestId, Path, description = "Quest"), ListFeedback),
    responses((status = 200, description = "a page", body = Page<Feedback>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_feedback(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    Query(query): Query<ListFeedback>,
) -> Result<Response, Problem> {
    caller.require_author()?;
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let rows = service::list(&mut connection, id, query.category, query.is_resolved, after, limit + 1).await?;
    if rows.is_empty() {
        visible(&mut connection, caller, id).await?;
    }
    let page = Page::cut(rows, limit, |feedback| (feedback.updated_at, feedback.id.0));
    Ok(etag::respond(&headers, &page))
}

/// Settle feedback
#[utoipa::path(post, path = "/v1/feedback/{id}/resolve", tag = "feedback", operation_id = "resolve_feedback", params(("id" = FeedbackId, Path, description = "Feedback")), request_body = ResolutionInput,
    responses((status = 200, description = "settled", body = Feedback), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn resolve_feedback(
    Path(id): Path<FeedbackId>,
    command: Command<ResolutionInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_author()?;
    let mut checks = Checks::default();
    if let Some(resolution) = &body.resolution {
        checks.text("/resolution", resolution, 1, 1_000);
    }
    checks.finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let resolved = service::resolve(connection, &origin, id, body.resolution.as_deref()).await?;
                Ok(Answer::ok(&resolved))
            })
        })
        .await
}
