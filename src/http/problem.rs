//! Problem details (RFC 9457): the one shape of every answer of 400 and above.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A field that is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the request body, or the name of the query parameter
    #[schema(example = "/title")]
    pub pointer: String,
    /// What is wrong with it, in one sentence
    #[schema(example = "must have 1 to 255 characters")]
    pub detail: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl From<crate::criteria::Violation> for FieldError {
    fn from(violation: crate::criteria::Violation) -> Self {
        Self { pointer: violation.pointer, detail: violation.detail }
    }
}

macro_rules! codes {
    ($($name:ident $code:literal $status:ident $title:literal;)+) => {
        /// The stable codes of our problems; clients decide by these.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($name),+ }

        impl Code {
            /// All of them, as `docs/api.md` lists them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The status it comes with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),+ }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
        }
    };
}

codes! {
    BadRequest "bad_request" BAD_REQUEST "The request cannot be read";
    MalformedJson "malformed_json" BAD_REQUEST "The body is not JSON";
    MalformedYaml "malformed_yaml" BAD_REQUEST "The body is not YAML";
    MalformedId "malformed_id" BAD_REQUEST "The id is not a UUID";
    MalformedCursor "malformed_cursor" BAD_REQUEST "The cursor is not one of ours";
    MalformedHeader "malformed_header" BAD_REQUEST "A header cannot be read";
    Unauthorized "unauthorized" UNAUTHORIZED "A valid bearer token is needed";
    Forbidden "forbidden" FORBIDDEN "Your role may not do this";
    NotFound "not_found" NOT_FOUND "There is no such resource";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The resource does not take this method";
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "The request did not arrive in time";
    Conflict "conflict" CONFLICT "The request does not fit the current state";
    InUse "in_use" CONFLICT "Learners have history on it";
    KeyTaken "key_taken" CONFLICT "Another one has this key";
    PlanStale "plan_stale" CONFLICT "File or database are not what was planned";
    PrerequisiteCycle "prerequisite_cycle" CONFLICT "The prerequisites would form a cycle";
    NotActivatable "not_activatable" CONFLICT "The quest is not ready to be active";
    LastUnit "last_unit" CONFLICT "An active quest needs a mandatory step or assessment";
    QuestLocked "quest_locked" CONFLICT "The quest is not available to you yet";
    AttemptNotOpen "attempt_not_open" CONFLICT "The attempt is not in progress";
    InvalidTransition "invalid_transition" CONFLICT "The attempt cannot go there from its status";
    StepLocked "step_locked" CONFLICT "Earlier mandatory steps are not completed";
    StepNotOptional "step_not_optional" CONFLICT "Only optional steps can be skipped";
    StepCompleted "step_completed" CONFLICT "The step is completed already";
    AwaitsResult "awaits_result" CONFLICT "A result from outside completes this step, not its learner";
    NoTriesLeft "no_tries_left" CONFLICT "All tries are used up";
    CoolingDown "cooling_down" CONFLICT "The next try is not taken yet";
    NotOpenYet "not_open_yet" CONFLICT "The assessment takes no work yet";
    AssessmentClosed "assessment_closed" CONFLICT "The assessment takes no work any more";
    TryNotStarted "try_not_started" CONFLICT "A timed try is started first";
    TimeOver "time_over" CONFLICT "The time of the try is over";
    NotGradable "not_gradable" CONFLICT "Nobody grades this by hand";
    UnitDone "unit_done" CONFLICT "What is done stays done";
    ReviewClosed "review_closed" CONFLICT "The review is not open any more";
    RegradeRunning "regrade_running" CONFLICT "A regrading is running";
    ReviewPending "review_pending" CONFLICT "The work waits for its reviewer";
    NothingToReview "nothing_to_review" CONFLICT "No work waits for a review here";
    ValidationNotAvailable "validation_not_available" CONFLICT "The step's criteria cannot be checked";
    IdempotencyKeyInUse "idempotency_key_in_use" CONFLICT "A request with this Idempotency-Key is running";
    PreconditionFailed "precondition_failed" PRECONDITION_FAILED "The resource has changed";
    PayloadTooLarge "payload_too_large" PAYLOAD_TOO_LARGE "The body is too large";
    UriTooLong "uri_too_long" URI_TOO_LONG "The address is too long";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The body must be JSON";
    ValidationFailed "validation_failed" UNPROCESSABLE_ENTITY "The request breaks a rule";
    CriteriaNotMet "criteria_not_met" UNPROCESSABLE_ENTITY "The step's criteria are not met";
    LintFailed "lint_failed" UNPROCESSABLE_ENTITY "The path has findings that refuse publishing";
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY "The Idempotency-Key was used for another request";
    PreconditionRequired "precondition_required" PRECONDITION_REQUIRED "Say which version you have decided on";
    HeadersTooLarge "headers_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The headers are too large";
    TooManyStreams "too_many_streams" TOO_MANY_REQUESTS "Too many streams are open";
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong on our side";
    UserServiceUnavailable "user_service_unavailable" SERVICE_UNAVAILABLE "The User Service does not answer";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The service cannot answer now";
}

/// A refusal on its way to the client. Its `instance` is filled in by the outermost layer.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    detail: String,
    errors: Vec<FieldError>,
    members: Box<Map<String, Value>>,
    retry_after_seconds: Option<u32>,
}

/// The wire form, for the OpenAPI document.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Names the problem; docs/api.md explains it
    #[serde(rename = "type")]
    #[schema(example = "urn:quests-service:problem:quest_locked")]
    kind: String,
    #[schema(example = "The quest is not available to you yet")]
    title: &'static str,
    #[schema(example = 409)]
    status: u16,
    #[schema(example = "Complete what is missing first")]
    detail: String,
    /// Path of the request
    #[schema(example = "/v1/quests/01980000-0000-7000-8000-000000000001/attempt")]
    instance: String,
    /// Stable name of the problem; all are listed in docs/api.md
    #[schema(example = "quest_locked")]
    code: &'static str,
    /// The fields at fault, if any are
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// More members of single codes, e.g. `conditions` of `quest_locked`
    #[serde(flatten)]
    #[schema(ignore)]
    members: Box<Map<String, Value>>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), members: Box::default(), retry_after_seconds: None }
    }

    /// 422 with the fields at fault.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{} {}", one.pointer, one.detail),
            many => format!("{} fields are at fault", many.len()),
        };
        Self { errors, ..Self::new(Code::ValidationFailed, detail) }
    }

    /// 404; of what a caller may not see as well.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// The sentence of this case.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The fields at fault.
    #[must_use]
    pub fn field_errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// A member of its own.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// Adds the fields at fault.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a member of its own to the answer.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.members.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The answer as bytes, with the path it is about.
    #[must_use]
    pub fn body(&self, instance: &str) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("urn:quests-service:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            code: self.code.as_str(),
            errors: self.errors.clone(),
            members: self.members.clone(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The whole response, rendered for a path.
    #[must_use]
    pub fn render(&self, instance: &str) -> Response {
        let mut response = (
            self.code.status(),
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))],
            self.body(instance),
        )
            .into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// An empty response that carries the problem; the outermost layer knows the path and renders it.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => {
                metrics::counter!("database_acquire_timeouts_total").increment(1);
                tracing::warn!("no database connection was free in time");
                return Self::new(Code::Unavailable, "the service is busy").retry_after(1);
            }
            sqlx::Error::Io(_) | sqlx::Error::PoolClosed => {
                tracing::error!(%error, "the database is away");
                return Self::new(Code::Unavailable, "the database does not answer").retry_after(2);
            }
            sqlx::Error::Database(database) => match database.code().as_deref() {
                // Text that PostgreSQL cannot hold: NUL characters, lone surrogates.
                Some("22021" | "22P05") => {
                    return Self::invalid(vec![FieldError::new("", "text must not contain NUL characters")]);
                }
                // A time beyond what PostgreSQL can hold: only a forged cursor brings one.
                Some("22008") => return Self::new(Code::MalformedCursor, "pass nextCursor of a page of this list"),
                // Shutdown of the server, or too many connections: worth another try.
                Some("57P01" | "57P02" | "57P03" | "53300") => {
                    tracing::error!(%error, "the database is away");
                    return Self::new(Code::Unavailable, "the database does not answer").retry_after(2);
                }
                // Two writers met, or what is referred to was deleted meanwhile: a second try sees it.
                Some("40001" | "40P01" | "23503") => {
                    tracing::warn!(%error, "a concurrent change came first");
                    return Self::new(Code::Conflict, "what the request is about was changed meanwhile; try again");
                }
                Some("57014") => {
                    tracing::error!(%error, "a statement ran into its time limit");
                    return Self::new(Code::Unavailable, "the answer took too long").retry_after(2);
                }
                _ => {}
            },
            _ => {}
        }
        tracing::error!(%error, "unexpected database error");
        Self::new(Code::Internal, "the error has been logged; try again, with the correlation id if it stays")
    }
}
