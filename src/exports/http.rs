//! The export over HTTP.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::service::{Exports, export};
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::{Caller, Problem};

/// Take out all own data
///
/// One JSON document, streamed: what is stored of the caller, as of one moment. Answer keys and the names of
/// tests are in it no more than anywhere else, nor are grades that the feedback policy holds back, nor who graded or
/// reviewed. docs/api.md describes its members.
#[utoipa::path(get, path = "/v1/me/export", tag = "learners", operation_id = "export_my_data",
    responses((status = 200, description = "the document; it breaks off where it cannot go on", body = serde_json::Value, content_type = "application/json"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn export_my_data(
    caller: Caller,
    State(db): State<Db>,
    State(exports): State<Exports>,
) -> Result<Response, Problem> {
    let stream = export(&exports, db, caller.learner(), caller.now).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"quests-export.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}
