//! What a write brings along, and how it runs: body, caller, `If-Match`, `Idempotency-Key`, one transaction.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::answer::Answer;
use super::auth::{Authenticator, Caller};
use super::etag::IfMatch;
use super::layers::Correlation;
use super::problem::{Code, FieldError, Problem};
use super::validate::escape;
use crate::clock::Clock;
use crate::db::Db;
use crate::origin::Origin;

/// Limits that reading a body and keeping a key need.
#[derive(Debug, Clone, Copy)]
pub struct CommandLimits {
    pub max_body_bytes: usize,
    /// Of curriculum files.
    pub max_upload_bytes: usize,
    pub body_timeout: Duration,
    pub idempotency_key_age: chrono::TimeDelta,
}

/// A write as the handler gets it.
#[derive(Debug)]
pub struct Command<T> {
    pub caller: Caller,
    pub origin: Origin,
    pub if_match: IfMatch,
    pub body: T,
    pub transaction: Transaction,
}

/// The body of a POST that needs none; `{}` is fine too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoBody {}

/// A JSON Merge Patch (RFC 7396): null clears, what is left out stays.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct MergePatch(serde_json::Map<String, Value>);

impl MergePatch {
    /// Whether the patch says something about a field.
    #[must_use]
    pub fn names(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The resource with the patch applied, read as strictly as a new one.
    ///
    /// # Errors
    /// 422 when the result does not fit the type.
    pub fn apply<T: Serialize + DeserializeOwned>(&self, current: &T) -> Result<T, Problem> {
        let mut merged = serde_json::to_value(current).unwrap_or_default();
        merge(&mut merged, &Value::Object(self.0.clone()));
        serde_path_to_error::deserialize(merged).map_err(|error| invalid_at(&error))
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in patch {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

impl<S, T> FromRequest<S> for Command<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    Authenticator: FromRef<S>,
    Clock: FromRef<S>,
    Db: FromRef<S>,
    CommandLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let limits = CommandLimits::from_ref(state);
        let (upload, headers) = receive(request, state, limits, limits.max_body_bytes).await?;
        let body = parse(&headers, &upload.bytes)?;
        let Upload { caller, origin, transaction, .. } = upload;
        Ok(Self { caller, origin, if_match: IfMatch::from_headers(&headers)?, body, transaction })
    }
}

/// A curriculum file as it was sent, with what a write brings along.
#[derive(Debug)]
pub struct Upload {
    pub caller: Caller,
    pub origin: Origin,
    /// Without its parameters; empty where none was sent
    pub media_type: String,
    pub bytes: Vec<u8>,
    pub transaction: Transaction,
}

impl<S> FromRequest<S> for Upload
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
    Clock: FromRef<S>,
    Db: FromRef<S>,
    CommandLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let limits = CommandLimits::from_ref(state);
        Ok(receive(request, state, limits, limits.max_upload_bytes).await?.0)
    }
}

async fn receive<S>(
    request: Request,
    state: &S,
    limits: CommandLimits,
    max_bytes: usize,
) -> Result<(Upload, HeaderMap), Problem>
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
    Clock: FromRef<S>,
    Db: FromRef<S>,
{
    let (mut parts, body) = request.into_parts();
    let caller = <Caller as FromRequestParts<S>>::from_request_parts(&mut parts, state).await?;
    let origin = origin(&parts, state, caller);
    let bytes = read(body, &parts.headers, limits.body_timeout, max_bytes).await?;
    let transaction = Transaction {
        db: Db::from_ref(state),
        caller,
        clock: origin.clock.clone(),
        key: idempotency_key(&parts.method, &parts.uri, &parts.headers, &bytes)?,
        max_age: limits.idempotency_key_age,
        path: parts.uri.path().to_owned(),
    };
    Ok((
        Upload { caller, origin, media_type: media_type(&parts.headers).to_owned(), bytes, transaction },
        parts.headers,
    ))
}

async fn read(body: Body, headers: &HeaderMap, timeout: Duration, max_bytes: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Code::PayloadTooLarge, format!("a body may have at most {max_bytes} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max_bytes) {
        return Err(too_large());
    }
    match tokio::time::timeout(timeout, Limited::new(body, max_bytes).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::BadRequest, "the body did not arrive whole")),
        Err(_) => Err(Problem::new(Code::RequestTimeout, "the body did not arrive in time")),
    }
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Problem> {
    if bytes.is_empty() {
        return serde_json::from_slice(b"{}").map_err(|_| Problem::new(Code::MalformedJson, "a JSON body is needed"));
    }
    let essence = media_type(headers);
    let is_json = essence.eq_ignore_ascii_case("application/json")
        || (essence.to_ascii_lowercase().starts_with("application/")
            && essence.to_ascii_lowercase().ends_with("+json"));
    if !is_json {
        return Err(Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/json"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // What does not fit may stand in what is no JSON further on.
        match serde_json::from_slice::<Value>(bytes) {
            Err(syntax) => malformed(&syntax),
            Ok(_) => invalid_at(&error),
        }
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// `Content-Type` without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// 400: no JSON at all.
pub fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(Code::MalformedJson, error.to_string())
}

/// 422: something in a document does not fit its type.
pub fn invalid_at(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer: String = error
        .path()
        .iter()
        .map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
            serde_path_to_error::Segment::Map { key } => format!("/{}", escape(key)),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => String::new(),
        })
        .collect();
    let detail = error.inner().to_string();
    // serde's own position says less than the pointer does.
    let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
    Problem::invalid(vec![FieldError::new(pointer, detail)])
}

#[derive(Debug, Clone)]
struct IdempotencyKey {
    key: String,
    fingerprint: Vec<u8>,
}

fn idempotency_key(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(header) = headers.get("idempotency-key").filter(|_| method == Method::POST) else { return Ok(None) };
    let key = header
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| {
            Problem::new(Code::MalformedHeader, "Idempotency-Key must be 1 to 255 visible ASCII characters")
        })?;
    let mut hash = Sha256::new();
    hash.update(method.as_str());
    hash.update(uri.path_and_query().map_or("", |path| path.as_str()));
    hash.update([0]);
    hash.update(body);
    Ok(Some(IdempotencyKey { key: key.to_owned(), fingerprint: hash.finalize().to_vec() }))
}

fn origin<S>(parts: &Parts, state: &S, caller: Caller) -> Origin
where
    Clock: FromRef<S>,
{
    let correlation = parts.extensions.get::<Correlation>().cloned().unwrap_or_default();
    Origin {
        actor: caller.id,
        correlation_id: correlation.id,
        traceparent: correlation.traceparent,
        causation_id: None,
        clock: Clock::from_ref(state),
    }
}

/// For reads that have work to do on the side.
impl<S> FromRequestParts<S> for Origin
where
    S: Send + Sync,
    Clock: FromRef<S>,
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = <Caller as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(origin(parts, state, caller))
    }
}

/// The one transaction of a write: runs the operation once per `Idempotency-Key`.
#[derive(Debug)]
pub struct Transaction {
    db: Db,
    caller: Caller,
    clock: Clock,
    key: Option<IdempotencyKey>,
    max_age: chrono::TimeDelta,
    path: String,
}

impl Transaction {
    /// Commits on an [`Answer`] and rolls back on a [`Problem`]. The answer is kept in the same
    /// transaction, so that a repeated request is told what the first one was.
    ///
    /// # Errors
    /// What the operation refuses; 409 while the same key is running, 422 when it was another request's.
    pub async fn run<F>(self, operation: F) -> Result<Response, Problem>
    where
        F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<Answer, Problem>> + Send + 'static,
    {
        let db = self.db.clone();
        let answer = db
            .transact(move |connection| {
                Box::pin(async move {
                    let Some(key) = &self.key else { return operation(connection).await };
                    if let Some(stored) = self.replay(connection, key).await? {
                        return Ok(stored);
                    }
                    let answer = operation(&mut *connection).await?;
                    self.keep(connection, key, &answer).await?;
                    Ok(answer)
                })
            })
            .await?;
        Ok(answer.into_response())
    }

    /// The path of the request, for answers that name it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    async fn replay(&self, connection: &mut PgConnection, key: &IdempotencyKey) -> Result<Option<Answer>, Problem> {
        let free = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "free!""#,
            format!("idempotency:{}:{}", self.caller.id, key.key),
        )
        .fetch_one(&mut *connection)
        .await?;
        if !free {
            return Err(Problem::new(Code::IdempotencyKeyInUse, "wait for its answer").retry_after(1));
        }
        // A statement of its own: it must see what was committed while the lock was not ours.
        let stored = sqlx::query!(
            "SELECT fingerprint, status, headers, body FROM idempotency_keys
             WHERE auth_user_id = $1 AND key = $2 AND created_at > $3",
            self.caller.id,
            key.key,
            self.clock.now() - self.max_age,
        )
        .fetch_optional(connection)
        .await?;
        let Some(stored) = stored else { return Ok(None) };
        if stored.fingerprint != key.fingerprint {
            return Err(Problem::new(Code::IdempotencyKeyReused, "use a new key for another request"));
        }
        let headers: Vec<(String, String)> = serde_json::from_value(stored.headers).unwrap_or_default();
        Ok(Some(
            Answer {
                status: u16::try_from(stored.status)
                    .ok()
                    .and_then(|status| StatusCode::from_u16(status).ok())
                    .unwrap_or_default(),
                headers,
                body: stored.body,
            }
            .header("idempotency-replayed", "true"),
        ))
    }

    async fn keep(&self, connection: &mut PgConnection, key: &IdempotencyKey, answer: &Answer) -> Result<(), Problem> {
        sqlx::query!(
            "INSERT INTO idempotency_keys (auth_user_id, key, fingerprint, status, headers, body, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (auth_user_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,
                 status = excluded.status, headers = excluded.headers, body = excluded.body, created_at = excluded.created_at",
            self.caller.id,
            key.key,
            key.fingerprint,
            i16::try_from(answer.status.as_u16()).unwrap_or_default(),
            serde_json::to_value(&answer.headers).unwrap_or_default(),
            answer.body,
            self.clock.now(),
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
