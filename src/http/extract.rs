//! Path and Query extractors whose rejections are problems.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Code, FieldError, Problem};

/// Path parameters; a malformed id is 400 `malformed_id`.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    #[expect(clippy::disallowed_types, reason = "wrapped here, so that nobody else needs it")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                Err(Problem::new(Code::MalformedId, error.body_text()))
            }
            Err(error) => {
                tracing::error!(%error, "a route and its handler disagree");
                Err(Problem::new(Code::Internal, "the error has been logged"))
            }
        }
    }
}

/// Query parameters; unknown names and values out of range are 422.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(RawQuery(query)) = RawQuery::from_request_parts(parts, state).await;
        let query = query.unwrap_or_default();
        let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(deserializer).map(Self).map_err(|error| {
            let name = error.path().to_string();
            let pointer = if name == "." { String::new() } else { name };
            if error.inner().to_string().starts_with("UUID parsing failed") {
                return Problem::new(Code::MalformedId, format!("{pointer}: {}", error.inner()));
            }
            Problem::invalid(vec![FieldError::new(pointer, error.inner().to_string())])
        })
    }
}
