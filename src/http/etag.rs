//! Strong ETags: a hash of what this caller sees.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::{Code, Problem};

/// The ETag of a representation, with its quotes.
#[must_use]
pub fn of_bytes(body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16]))
}

/// The ETag of what `GET` would answer.
#[must_use]
pub fn of(value: &impl Serialize) -> String {
    of_bytes(&serde_json::to_vec(value).unwrap_or_default())
}

/// `200` with a JSON body and its ETag, or `304` when the client has it already.
pub fn respond(request: &HeaderMap, value: &impl Serialize) -> Response {
    respond_as(request, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// The same for a body of another type.
pub fn respond_as(request: &HeaderMap, media_type: &'static str, body: Vec<u8>) -> Response {
    let tag = of_bytes(&body);
    let known =
        request.get_all(header::IF_NONE_MATCH).iter().filter_map(|header| header.to_str().ok()).any(|header| {
            header.trim() == "*" || candidates(header).any(|known| known.trim_start_matches("W/") == tag)
        });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The same for a picture.
pub fn respond_svg(request: &HeaderMap, picture: String) -> Response {
    let mut response = respond_as(request, "image/svg+xml", picture.into_bytes());
    // Opened by itself it is a document from our origin: it may style itself, and nothing else.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// `If-Match` of a write, to be compared inside the write's transaction.
#[derive(Debug, Clone, Default)]
pub struct IfMatch(Option<String>);

impl IfMatch {
    /// # Errors
    /// 400 when the header is not text.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(header) = headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = header.to_str().map_err(|_| Problem::new(Code::MalformedHeader, "If-Match is not visible ASCII"))?;
        Ok(Self((text.trim() != "*").then(|| text.to_owned())))
    }

    /// Whether there is anything to compare: what needs loading only for that need not be loaded.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// For writes that must say which version they are about; `*` names none.
    ///
    /// # Errors
    /// 428 when the client has not said.
    pub fn require(self) -> Result<Self, Problem> {
        if self.is_present() {
            return Ok(self);
        }
        Err(Problem::new(Code::PreconditionRequired, "send If-Match with the ETag of what you have read"))
    }

    /// Compares with the current representation.
    ///
    /// # Errors
    /// 412 when none of the client's tags is the current one.
    pub fn check(&self, current: &impl Serialize) -> Result<(), Problem> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let tag = of(current);
        if candidates(tags).any(|known| known == tag) {
            return Ok(());
        }
        Err(Problem::new(Code::PreconditionFailed, "read the resource again and repeat your change on it")
            .with("currentETag", tag))
    }
}

fn candidates(header: &str) -> impl Iterator<Item = &str> {
    header.split(',').map(str::trim)
}
