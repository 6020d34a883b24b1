//! The contract over HTTP, without a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::Contract;
use crate::http::problem::ProblemBody;
use crate::http::{Code, Path, Problem, etag};

/// The AsyncAPI document
///
/// Every message that the service publishes on RabbitMQ or takes in: AsyncAPI 3.0, as JSON. `/docs/events` is the same
/// for people.
#[utoipa::path(get, path = "/asyncapi.json", tag = "contracts", security(()),
    responses((status = 200, description = "AsyncAPI 3.0", body = Object)))]
pub async fn get_asyncapi(State(contract): State<Arc<Contract>>, headers: HeaderMap) -> Response {
    etag::respond_as(&headers, "application/json", contract.json.clone())
}

/// The events, for people
///
/// The AsyncAPI document as a page: each event with its routing key, when it happens, its fields and an example.
#[utoipa::path(get, path = "/docs/events", tag = "contracts", security(()),
    responses((status = 200, description = "the page", body = String, content_type = "text/html")))]
pub async fn show_events(State(contract): State<Arc<Contract>>, headers: HeaderMap) -> Response {
    let mut response = etag::respond_as(&headers, "text/html; charset=utf-8", contract.page.clone());
    // It needs its own style and nothing else.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// The schema of an event's data
///
/// JSON Schema 2020-12 of `data`, at the address that the event itself names as `dataschema`.
#[utoipa::path(get, path = "/schemas/events/{eventType}/{version}", tag = "contracts", security(()),
    params(
        ("eventType" = String, Path, description = "`type` of the event", example = "XPGranted"),
        ("version" = String, Path, description = "version of its data", example = "v1"),
    ),
    responses(
        (status = 200, description = "JSON Schema 2020-12", body = Object, content_type = "application/schema+json"),
        (status = 404, description = "there is no such event", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get_event_schema(
    State(contract): State<Arc<Contract>>,
    Path((event_type, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let address = format!("/schemas/events/{event_type}/{version}");
    let schema = contract.schemas.get(&address);
    let schema = schema.ok_or_else(|| Problem::new(Code::NotFound, "there is no such event; see /docs/events"))?;
    Ok(etag::respond_as(&headers, "application/schema+json", schema.clone()))
}
