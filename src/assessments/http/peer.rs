//! Peer reviews over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::assessments::model::{PeerReview, PeerReviewInput, ReviewState};
use crate::assessments::service;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Command, Page, Path, Problem, Query, etag, paging};
use crate::ids::PeerReviewId;

/// What `GET /v1/me/peer-reviews` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListPeerReviews {
    pub status: Option<ReviewState>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List the reviews of others' work that one owes or has written, newest first
///
/// They do not say whose the work is.
#[utoipa::path(get, path = "/v1/me/peer-reviews", tag = "peer-reviews", operation_id = "list_peer_reviews", params(ListPeerReviews),
    responses((status = 200, description = "a page", body = Page<PeerReview>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_peer_reviews(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListPeerReviews>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let reviews = service::list_peer_reviews(&mut connection, caller.learner(), query.status, after, limit + 1).await?;
    let page = Page::cut(reviews, limit, |review| (review.assigned_at, review.id.0));
    Ok(etag::respond(&headers, &page))
}

/// Read one of one's own reviews of others' work
#[utoipa::path(get, path = "/v1/peer-reviews/{id}", tag = "peer-reviews", operation_id = "get_peer_review", params(("id" = PeerReviewId, Path, description = "Peer review")),
    responses((status = 200, description = "the review", body = PeerReview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_peer_review(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<PeerReviewId>,
) -> Result<Response, Problem> {
    let mut connection = db.pool.acquire().await?;
    Ok(etag::respond(&headers, &service::get_peer_review(&mut connection, caller.learner(), id).await?))
}

/// Send a review of another's work
///
/// It is final. The work is graded once it has all its reviews and its author has written those that are owed.
#[utoipa::path(post, path = "/v1/peer-reviews/{id}", tag = "peer-reviews", operation_id = "write_peer_review", params(("id" = PeerReviewId, Path, description = "Peer review")), request_body = PeerReviewInput,
    responses((status = 200, description = "taken", body = PeerReview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn write_peer_review(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<PeerReviewId>,
    command: Command<PeerReviewInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let input = (body, limits.max_text_chars);
                let check = |review: &PeerReview| if_match.check(review);
                let review =
                    service::write_peer_review(connection, &origin, caller.learner(), id, input, check).await?;
                Ok(Answer::resource(&review))
            })
        })
        .await
}
