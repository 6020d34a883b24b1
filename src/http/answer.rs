//! What a write answers, in a form that can be kept and given again.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::etag;
use super::problem::Problem;

/// Status, headers and body of an answer.
#[derive(Debug)]
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn json(status: StatusCode, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, headers: Vec::new(), body }.header("content-type", "application/json")
    }

    /// 200 with a body that is no resource of its own.
    #[must_use]
    pub fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// 200 with a resource as `GET` would show it, and its ETag.
    #[must_use]
    pub fn resource(value: &impl Serialize) -> Self {
        let answer = Self::ok(value);
        let tag = etag::of_bytes(&answer.body);
        answer.header("etag", &tag)
    }

    /// 201 with the new resource, where it is, and its ETag.
    #[must_use]
    pub fn created(location: &str, value: &impl Serialize) -> Self {
        Self { status: StatusCode::CREATED, ..Self::resource(value) }.header("location", location)
    }

    /// 202 with the work that has been taken on, and where it is.
    #[must_use]
    pub fn accepted(location: &str, value: &impl Serialize) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::resource(value) }.header("location", location)
    }

    /// 204.
    #[must_use]
    pub const fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new() }
    }

    /// A problem whose effect is committed all the same: a try that counts.
    #[must_use]
    pub fn problem(problem: &Problem, path: &str) -> Self {
        Self { status: problem.code.status(), headers: Vec::new(), body: problem.body(path) }
            .header("content-type", "application/problem+json")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
