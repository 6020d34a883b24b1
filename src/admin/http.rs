//! The event log, replays, the outbox and the audit log over HTTP; for admins only.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::model::{
    AuditEntry, AuditFilter, Backlog, EventFilter, LoggedEvent, Refusal, Replay, ReplayCount, ReplayInput, ReplayLimit,
};
use super::service;
use crate::db::Db;
use crate::http::command::NoBody;
use crate::http::health::{Broker, Health};
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Command, Page, PageRequest, Path, Problem, Query, etag, paging};
use crate::ids::{EventId, LearnerId, ReplayId};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::TooMany(_) => Self::invalid(vec![crate::http::FieldError::new("", detail)]),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// What lists of events take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListEvents {
    /// All that one request or job has caused, in the order in which it happened
    pub correlation_id: Option<String>,
    pub auth_user_id: Option<LearnerId>,
    #[serde(rename = "type")]
    #[param(rename = "type", example = "QuestCompleted")]
    pub event_type: Option<String>,
    /// From this moment on
    pub from: Option<DateTime<Utc>>,
    /// Before this moment
    pub to: Option<DateTime<Utc>>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List events, and where they are on their way to the broker
///
/// With `correlationId` in the order in which they happened: a whole cascade at a glance. Without, newest first.
#[utoipa::path(get, path = "/v1/admin/events", tag = "admin", operation_id = "list_events", params(ListEvents),
    responses((status = 200, description = "a page", body = Page<LoggedEvent>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_events(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListEvents>,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    years(query.from, query.to, "")?;
    let limit = paging::limit(query.limit)?;
    let after: Option<i64> = paging::after(query.cursor.as_deref())?;
    let by_learner = query.correlation_id.is_none() && query.auth_user_id.is_some();
    let filter = EventFilter {
        correlation_id: query.correlation_id,
        learner: query.auth_user_id,
        event_type: query.event_type,
        from: query.from,
        to: query.to,
    };
    let mut connection = db.pool.acquire().await?;
    let events = service::list_events(&mut connection, &filter, after, limit + 1).await?;
    let page = Page::cut(events, limit, |event| if by_learner { event.learner_seq } else { event.position });
    Ok(etag::respond(&headers, &page))
}

/// Moments that the database can compare.
fn years(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>, prefix: &str) -> Result<(), Problem> {
    let mut checks = Checks::default();
    for (name, at) in [("from", from), ("to", to)] {
        if let Some(at) = at {
            checks.year(&format!("{prefix}{name}"), &at);
        }
    }
    checks.finish()
}

/// How to send again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct HowToReplay {
    /// Only count
    #[serde(default)]
    #[param(default = false)]
    pub dry_run: bool,
}

/// A count, or the work that has been taken on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ReplayAnswer {
    DryRun(ReplayCount),
    Job(Replay),
}

/// Send published events again
///
/// By `ids`, or from `from` to `to`, further by `type` and `authUserId`. The relay sends them when nothing new waits, in the
/// order of the log, with the same `id` and `data`, marked `replayed`. What was pruned or erased is not there, and what was
/// never published is not repeated. With `dryRun=true` they are only counted.
#[utoipa::path(post, path = "/v1/admin/events/replay", tag = "admin", operation_id = "replay_events", params(HowToReplay), request_body = ReplayInput,
    responses((status = 200, description = "what it would send", body = ReplayAnswer), (status = 202, description = "taken on", body = Replay, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn replay_events(
    State(most): State<ReplayLimit>,
    Query(how): Query<HowToReplay>,
    command: Command<ReplayInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_admin()?;
    check(&body)?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                if how.dry_run {
                    let count = service::count_replay(connection, &body, caller.now, most).await?;
                    return Ok(Answer::ok(&ReplayAnswer::DryRun(count)));
                }
                let replay = service::request_replay(connection, &origin, &body, most).await?;
                let location = format!("/v1/admin/events/replays/{}", replay.id);
                Ok(Answer::accepted(&location, &ReplayAnswer::Job(replay)))
            })
        })
        .await
}

fn check(input: &ReplayInput) -> Result<(), Problem> {
    years(input.from, input.to, "/")?;
    let mut checks = Checks::default();
    if let Some(ids) = &input.ids {
        checks.require(!ids.is_empty(), "/ids", "must name an event");
        let alone =
            input.from.is_none() && input.to.is_none() && input.event_type.is_none() && input.auth_user_id.is_none();
        checks.require(alone, "/ids", "stands alone: leave from, to, type and authUserId out");
    } else {
        checks.require(input.from.is_some(), "/from", "is needed where no ids are given");
        checks.require(input.to.is_some(), "/to", "is needed where no ids are given");
        checks.require(input.from.zip(input.to).is_none_or(|(from, to)| from < to), "/to", "must be later than from");
        if let Some(kind) = &input.event_type {
            checks.text("/type", kind, 1, 100);
        }
    }
    checks.finish()
}

/// Read how far a replay is
#[utoipa::path(get, path = "/v1/admin/events/replays/{id}", tag = "admin", operation_id = "get_replay", params(("id" = ReplayId, Path, description = "Replay")),
    responses((status = 200, description = "the replay", body = Replay), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_replay(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<ReplayId>,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    let mut connection = db.pool.acquire().await?;
    Ok(etag::respond(&headers, &service::get_replay(&mut connection, id).await?))
}

/// The backlog, and a page of parked events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outbox {
    #[serde(flatten)]
    pub backlog: Backlog,
    /// This replica's link to the broker: `up`, `down` or `absent`
    #[schema(example = "up")]
    pub broker: &'static str,
    /// Parked events, in the order of the log
    #[serde(flatten)]
    pub parked_events: Page<LoggedEvent>,
}

/// Read what waits for the broker, and what is parked
#[utoipa::path(get, path = "/v1/admin/outbox", tag = "admin", operation_id = "get_outbox", params(PageRequest),
    responses((status = 200, description = "the backlog", body = Outbox), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_outbox(
    caller: Caller,
    State(db): State<Db>,
    State(health): State<Health>,
    headers: HeaderMap,
    Query(query): Query<PageRequest>,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    let limit = query.limit()?;
    let after: Option<i64> = query.after()?;
    let broker = match &*health.broker.borrow() {
        Broker::Absent => "absent",
        Broker::Up => "up",
        Broker::Down(_) => "down",
    };
    let mut connection = db.pool.acquire().await?;
    let backlog = service::backlog(&mut connection, caller.now).await?;
    let parked = service::list_parked(&mut connection, after, limit + 1).await?;
    let parked_events = Page::cut(parked, limit, |event| event.position);
    Ok(etag::respond(&headers, &Outbox { backlog, broker, parked_events }))
}

/// Release a parked event, and what its learner's other events wait for
///
/// Audited. The relay tries it again at once; an event that is not parked stays as it is.
#[utoipa::path(post, path = "/v1/admin/outbox/{eventId}/unpark", tag = "admin", operation_id = "unpark_event", params(("eventId" = EventId, Path, description = "Event")),
    responses((status = 200, description = "the event", body = LoggedEvent), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn unpark_event(Path(id): Path<EventId>, command: Command<NoBody>) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, .. } = command;
    caller.require_admin()?;
    transaction
        .run(move |connection| {
            Box::pin(async move { Ok(Answer::ok(&service::unpark(connection, &origin, id).await?)) })
        })
        .await
}

/// What lists of audit entries take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListAudit {
    /// Who did it
    pub actor_id: Option<Uuid>,
    /// What it was done to
    pub resource_id: Option<Uuid>,
    /// From this moment on
    pub from: Option<DateTime<Utc>>,
    /// Before this moment
    pub to: Option<DateTime<Utc>>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List who changed what, newest first
#[utoipa::path(get, path = "/v1/admin/audit", tag = "admin", operation_id = "list_audit", params(ListAudit),
    responses((status = 200, description = "a page", body = Page<AuditEntry>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_audit(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListAudit>,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    years(query.from, query.to, "")?;
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let filter = AuditFilter { actor: query.actor_id, resource: query.resource_id, from: query.from, to: query.to };
    let mut connection = db.pool.acquire().await?;
    let entries = service::list_audit(&mut connection, filter, after, limit + 1).await?;
    let page = Page::cut(entries, limit, |entry| (entry.recorded_at, entry.id));
    Ok(etag::respond(&headers, &page))
}
