//! Recommendations over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::{Recipe, Recommendations};
use super::service;
use crate::db::Db;
use crate::enrollments::service::{Skills, Wanted};
use crate::http::problem::ProblemBody;
use crate::http::{Caller, Problem, Query, etag, paging};
use crate::origin::Origin;
use crate::search::Search;

/// Recommendations where no number is asked for.
const DEFAULT_LIMIT: i64 = 10;

/// What `GET /v1/me/recommendations` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListRecommendations {
    /// Quests, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 10)]
    pub limit: Option<i64>,
}

/// Recommend quests to the caller
///
/// Only quests that the caller can start now and has never started. Each has its reasons, in words and numbers. The
/// order changes with what the caller does, with the catalogue, and at midnight UTC. While index, embedder or User
/// Service are away, `degraded` is true and what is left decides, at least the database.
#[utoipa::path(get, path = "/v1/me/recommendations", tag = "recommendations", operation_id = "list_recommendations", params(ListRecommendations),
    responses((status = 200, description = "the quests, the best first", body = Recommendations), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
#[expect(clippy::too_many_arguments, reason = "each is a part of the state or of the request")]
pub async fn list_recommendations(
    caller: Caller,
    State(db): State<Db>,
    State(search): State<Search>,
    State(skills): State<Skills>,
    State(recipe): State<Arc<Recipe>>,
    origin: Origin,
    headers: HeaderMap,
    Query(query): Query<ListRecommendations>,
) -> Result<Response, Problem> {
    let limit = paging::limit(Some(query.limit.unwrap_or(DEFAULT_LIMIT)))?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let are_told = skills.refresh(&db, &origin, caller, &headers, Wanted::Always).await?;
    let found = service::recommend(&db, &search, &recipe, caller.learner(), caller.now, limit).await?;
    let found = Recommendations { degraded: found.degraded || !are_told, ..found };
    Ok(etag::respond(&headers, &found))
}
