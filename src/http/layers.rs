//! What every request passes: correlation id, span, time limit, problem bodies, one log line, metrics.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::problem::{Code, Problem};
use crate::config::allowed_origins;
use crate::trace::{self, is_traceparent};

/// Header that carries the correlation id both ways.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The thread that ties a request, its logs and its events together.
#[derive(Debug, Clone, Default)]
pub struct Correlation {
    pub id: String,
    /// Where the request's span stands, or what the caller sent.
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
            .or_else(|| traceparent.map(trace::trace_id))
            .map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        Self { id, traceparent: traceparent.map(str::to_owned) }
    }
}

/// 1–128 visible ASCII characters.
#[must_use]
pub fn fit_correlation_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Limits of the outermost layer.
#[derive(Debug, Clone, Copy)]
pub struct Observe {
    pub request_timeout: Duration,
    pub max_header_bytes: usize,
}

/// The outermost layer of every route.
pub async fn observe(State(limits): State<Observe>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let path_bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let header_bytes =
        path_bytes + request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    let mut correlation = Correlation::of(request.headers());
    let mut seen = Seen::begin(&request, &mut correlation);
    let id = correlation.id.clone();
    request.extensions_mut().insert(correlation);

    let mut response = if path_bytes > limits.max_header_bytes {
        Problem::new(Code::UriTooLong, format!("at most {} bytes", limits.max_header_bytes)).into_response()
    } else if header_bytes > limits.max_header_bytes {
        Problem::new(Code::HeadersTooLarge, format!("at most {} bytes", limits.max_header_bytes)).into_response()
    } else {
        let answer = next.run(request).instrument(seen.span.clone()).instrument(seen.traced.clone());
        match tokio::time::timeout(limits.request_timeout, answer).await {
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
    seen.status = response.status().as_u16();
    response
}

/// As nginx has it: the client went away before the answer.
const WENT_AWAY: u16 = 499;

/// What machines ask every few seconds is no trace.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// A request under way. When it goes, however that comes about, it is counted and logged.
struct Seen {
    started: Instant,
    method: &'static str,
    route: String,
    /// Of the log lines.
    span: Span,
    /// Of the trace.
    traced: Span,
    status: u16,
}

impl Seen {
    fn begin(request: &Request, correlation: &mut Correlation) -> Self {
        let method = method_label(request.method());
        let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
        let traced = if UNTRACED.contains(&route.as_str()) {
            Span::none()
        } else {
            tracing::debug_span!(
                target: trace::TARGET, parent: None, "request", otel.name = format!("{method} {route}"), otel.kind = "server",
                otel.status_code = Empty, http.request.method = method, http.route = route,
                http.response.status_code = Empty, correlation_id = correlation.id,
            )
        };
        trace::go_on(&traced, correlation.traceparent.as_deref());
        if let Some(here) = trace::traceparent(&traced) {
            correlation.traceparent = Some(here);
        }
        let span = tracing::info_span!(
            parent: None, "request", method, route, correlation_id = correlation.id,
            trace_id = correlation.traceparent.as_deref().map(trace::trace_id), caller = Empty,
        );
        metrics::gauge!("http_requests_in_flight").increment(1.0);
        Self { started: Instant::now(), method, route, span, traced, status: WENT_AWAY }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let (elapsed, status, route) = (self.started.elapsed(), self.status, std::mem::take(&mut self.route));
        metrics::gauge!("http_requests_in_flight").decrement(1.0);
        metrics::counter!("http_requests_total", "method" => self.method, "route" => route.clone(), "status" => status.to_string())
            .increment(1);
        metrics::histogram!("http_request_duration_seconds", "method" => self.method, "route" => route).record(elapsed);
        self.traced.record("http.response.status_code", status);
        if status >= 500 {
            self.traced.record("otel.status_code", "ERROR");
        }
        self.span.in_scope(|| tracing::info!(status, elapsed_ms = elapsed.as_secs_f64() * 1000.0, "answered"));
    }
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
