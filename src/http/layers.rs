//! What every request passes: correlation id, span, time limit, problem bodies, one log line, metrics.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;
use uuid::Uuid;

use super::problem::{Code, Problem};
use crate::config::allowed_origins;

/// Header that carries the correlation id both ways.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The thread that ties a request, its logs and its events together.
#[derive(Debug, Clone, Default)]
pub struct Correlation {
    pub id: String,
    pub traceparent: Option<String>,
}

impl Correlation {
    /// The caller's id if it is fit (1–128 visible ASCII), else the trace id, else a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let traceparent =
            headers.get("traceparent").and_then(|value| value.to_str().ok()).filter(|text| is_traceparent(text));
        let id = headers
            .get(CORRELATION_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| fit_correlation_id(id))
            .or_else(|| traceparent.and_then(|text| text.split('-').nth(1)))
            .map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        Self { id, traceparent: traceparent.map(str::to_owned) }
    }
}

/// 1–128 visible ASCII characters.
#[must_use]
pub fn fit_correlation_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, ids not all zero (W3C Trace Context).
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    matches!(parts.as_slice(), [version, trace, span, flags]
        if hex(version, 2) && *version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2)
            && trace.bytes().any(|byte| byte != b'0') && span.bytes().any(|byte| byte != b'0'))
}

/// Limits of the outermost layer.
#[derive(Debug, Clone, Copy)]
pub struct Observe {
    pub request_timeout: Duration,
    pub max_header_bytes: usize,
}

/// The outermost layer of every route.
pub async fn observe(State(limits): State<Observe>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let correlation = Correlation::of(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request", %method, route, correlation_id = correlation.id, caller = tracing::field::Empty,
    );
    let path_bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let header_bytes =
        path_bytes + request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    let id = correlation.id.clone();
    request.extensions_mut().insert(correlation);

    let mut response = if path_bytes > limits.max_header_bytes {
        Problem::new(Code::UriTooLong, format!("at most {} bytes", limits.max_header_bytes)).into_response()
    } else if header_bytes > limits.max_header_bytes {
        Problem::new(Code::HeadersTooLarge, format!("at most {} bytes", limits.max_header_bytes)).into_response()
    } else {
        match tokio::time::timeout(limits.request_timeout, next.run(request).instrument(span.clone())).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                Code::Unavailable,
                "the answer took too long; the effect may still come, so repeat with the same Idempotency-Key",
            )
            .retry_after(1)
            .into_response(),
        }
    };
    render_problem(&mut response, &path);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }

    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    metrics::counter!("http_requests_total", "method" => method_label(&method), "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("http_request_duration_seconds", "route" => route).record(elapsed.as_secs_f64());
    span.in_scope(|| tracing::info!(status, elapsed_ms = elapsed.as_secs_f64() * 1000.0, "answered"));
    response
}

/// Method names come from outside: only known ones become labels.
fn method_label(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Gives every answer of 400 and above its body, those of the framework included.
fn render_problem(response: &mut Response, path: &str) {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return;
    }
    let problem = response.extensions_mut().remove::<Arc<Problem>>();
    let rendered = match problem {
        Some(problem) => problem.render(path),
        None if is_problem(response) => return,
        None => of_status(response.status()).render(path),
    };
    // What layers in between have added stays: Vary, CORS, Allow.
    let (mut parts, body) = rendered.into_parts();
    for (name, value) in response.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH && name != header::CONTENT_ENCODING {
            parts.headers.append(name, value.clone());
        }
    }
    *response = Response::from_parts(parts, body);
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/problem+json")
}

fn of_status(status: StatusCode) -> Problem {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (Code::NotFound, "there is nothing at this address; see /docs"),
        StatusCode::METHOD_NOT_ALLOWED => (Code::MethodNotAllowed, "the Allow header lists the methods"),
        StatusCode::PAYLOAD_TOO_LARGE => (Code::PayloadTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (Code::UnsupportedMediaType, "send Content-Type: application/json"),
        StatusCode::URI_TOO_LONG => (Code::UriTooLong, "the address is too long"),
        StatusCode::UNAUTHORIZED => (Code::Unauthorized, "send a token"),
        StatusCode::FORBIDDEN => (Code::Forbidden, "not with this role"),
        StatusCode::REQUEST_TIMEOUT => (Code::RequestTimeout, "the request did not arrive in time"),
        StatusCode::SERVICE_UNAVAILABLE => (Code::Unavailable, "try again in a moment"),
        status if status.is_client_error() => (Code::BadRequest, "the request cannot be read"),
        _ => (Code::Internal, "the error has been logged; try again, with the correlation id if it stays"),
    };
    Problem::new(code, detail)
}

/// The answer to a handler's panic.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the layer wants it so")]
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(message, "a handler panicked");
    of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Tells caches that answers depend on who asks.
pub async fn vary(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().append(header::VARY, HeaderValue::from_static("authorization, accept"));
    response
}

/// CORS for the single-page application.
///
/// # Errors
/// When an origin of the list is none.
pub fn cors(origins: &str) -> Result<CorsLayer, String> {
    let allowed = if origins.trim() == "*" {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(allowed_origins(origins).map_err(|error| format!("CORS_ORIGINS: {error}"))?)
    };
    Ok(CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(tower_http::cors::AllowMethods::mirror_request())
        .allow_headers(tower_http::cors::AllowHeaders::mirror_request())
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("ratelimit"),
            CORRELATION_ID,
        ])
        .max_age(Duration::from_hours(1)))
}
