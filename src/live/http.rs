//! The live stream over HTTP.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_channel::mpsc;
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use sqlx::PgPool;
use utoipa::IntoParams;

use super::hub::{Full, Hub, PATIENCE, Place};
use super::model::{self, Ticket};
use super::service;
use crate::clock::Clock;
use crate::db::Db;
use crate::http::auth::Authenticator;
use crate::http::command::NoBody;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Code, Command, Problem, Query};
use crate::ids::LearnerId;

/// How a stream is opened.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Opening {
    /// A ticket of `POST /v1/me/events/ticket`, in place of a bearer token
    pub ticket: Option<String>,
    /// The id of the last event that was received, where no `Last-Event-ID` can be sent; 0 for all that is kept
    pub last_event_id: Option<String>,
}

/// Get a ticket for the live stream
///
/// Browsers' `EventSource` cannot send a bearer token: the ticket goes into the address. It is good for one
/// stream, for 60 seconds.
#[utoipa::path(post, path = "/v1/me/events/ticket", tag = "live", operation_id = "create_stream_ticket",
    responses((status = 201, description = "a ticket", body = Ticket, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_stream_ticket(command: Command<NoBody>) -> Result<Response, Problem> {
    let Command { caller, transaction, .. } = command;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let ticket = service::make_ticket(connection, caller.learner(), caller.now).await?;
                Ok(Answer::created(&ticket.url, &ticket))
            })
        })
        .await
}

/// Listen to own events
///
/// Server-sent events: the caller's own, in order, from now on, or from `Last-Event-ID` on with nothing missed
/// and nothing twice. A first frame has only the `id` at which the stream stands. `event` is the event's type,
/// `id` its `learnerseq`, `data` its CloudEvents envelope on one line. Comments keep the connection alive.
/// `event: reset` names the address of the state to read anew, when events since `Last-Event-ID` are not kept any
/// more; `event: recommendations-changed`, without id, is a hint. The stream ends when the service stops, when
/// the reader is too slow, and after `STREAM_MAX_AGE_SECONDS`: connect again with the last id.
#[utoipa::path(get, path = "/v1/me/events", tag = "live", operation_id = "stream_events", params(Opening, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received")),
    responses((status = 200, description = "the stream", body = String, content_type = "text/event-stream",
        example = "retry: 2000\nid: 41\n\nevent: XPGranted\nid: 42\ndata: {\"specversion\":\"1.0\",\"type\":\"XPGranted\",\"learnerseq\":42,\"data\":{\"points\":50}}\n\n"),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused"), (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "too many streams in all")))]
pub async fn stream_events(
    State(hub): State<Hub>,
    State(db): State<Db>,
    State(clock): State<Clock>,
    State(auth): State<Authenticator>,
    Query(opening): Query<Opening>,
    mut parts: Parts,
) -> Result<Response, Problem> {
    let last = last_event_id(&parts.headers, opening.last_event_id.as_deref())?;
    let learner = match &opening.ticket {
        None => {
            use axum::extract::FromRequestParts;
            <Caller as FromRequestParts<Authenticator>>::from_request_parts(&mut parts, &auth).await?.learner()
        }
        Some(ticket) => service::holder(&db.pool, ticket, clock.now()).await?.ok_or_else(spent)?,
    };
    let place = hub.enter(learner).map_err(|full| refused(full, &hub))?;
    // Only now, so that a stream which finds no place costs no ticket.
    if let Some(ticket) = &opening.ticket
        && !service::use_ticket(&db.pool, ticket).await?
    {
        return Err(spent());
    }
    let head = service::heads(&db.pool, &[learner.0]).await?.first().map_or(0, |(_, head)| *head);
    let (first, state) = match last {
        // From now on.
        None => (model::position(head), Reading::Behind { seq: head, changes: false }),
        Some(last) if last > head => {
            model::count_reset();
            (model::reset(head), Reading::Behind { seq: head, changes: false })
        }
        Some(last) => (model::position(last), Reading::Behind { seq: last, changes: false }),
    };
    let limits = hub.limits;
    let frames = stream::iter([first])
        .chain(follow(place, db.pool, learner, state))
        .take_until(Box::pin(tokio::time::sleep(limits.max_age)))
        .map(Ok::<Frame, Infallible>);
    let sse = Sse::new(frames).keep_alive(KeepAlive::new().interval(limits.heartbeat).text("heartbeat"));
    // Proxies that buffer answers would hold events back.
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::HeaderName::from_static("x-accel-buffering"), "no")], sse)
        .into_response())
}

fn spent() -> Problem {
    Problem::new(Code::Unauthorized, "the ticket is unknown, used or too old; get another")
}

/// The header wins: `EventSource` sends it when it connects again, with the address as it was.
fn last_event_id(headers: &HeaderMap, query: Option<&str>) -> Result<Option<i64>, Problem> {
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.or(query) else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(seq) if seq >= 0 => Ok(Some(seq)),
        _ => Err(Problem::new(Code::MalformedHeader, "Last-Event-ID must be the id of an event of this stream")),
    }
}

fn refused(full: Full, hub: &Hub) -> Problem {
    match full {
        Full::Learner => Problem::new(
            Code::TooManyStreams,
            format!("a learner may have {} streams open at a time; close one", hub.limits.per_learner),
        )
        .retry_after(5),
        Full::Process => Problem::new(Code::Unavailable, "too many streams are open here").retry_after(5),
        Full::Stopping => Problem::new(Code::Unavailable, "the service stops; connect again").retry_after(1),
    }
}

/// How far a stream is.
enum Reading {
    /// Reads from the log what came after a number.
    Behind { seq: i64, changes: bool },
    /// Gets what happens.
    Live(mpsc::Receiver<Frame>),
}

/// Everything after where the stream stands: first what is in the log, then what happens.
fn follow(place: Place, pool: PgPool, learner: LearnerId, reading: Reading) -> impl Stream<Item = Frame> {
    let steps = stream::unfold((place, pool, reading), move |(place, pool, mut reading)| async move {
        loop {
            match reading {
                Reading::Live(mut frames) => {
                    let frame = frames.next().await?;
                    return Some((vec![frame], (place, pool, Reading::Live(frames))));
                }
                Reading::Behind { seq, changes } => {
                    // On the heap: a stream that waits should not carry the space for it.
                    let (mut frames, next) = Box::pin(catch_up(&pool, learner, seq, changes)).await?;
                    reading = if let Some(behind) = next {
                        behind
                    } else {
                        if changes {
                            frames.push(model::recommendations_changed());
                        }
                        Reading::Live(place.listen(seq)?)
                    };
                    if !frames.is_empty() {
                        return Some((frames, (place, pool, reading)));
                    }
                }
            }
        }
    });
    // Boxed: a stream that waits should not carry the space of all that it can do.
    Box::pin(steps).flat_map(stream::iter)
}

/// The next events of the log, and where to go on; nowhere when there are no more. None when the database does not
/// answer: the client comes again.
async fn catch_up(pool: &PgPool, learner: LearnerId, seq: i64, changes: bool) -> Option<(Vec<Frame>, Option<Reading>)> {
    let read = async {
        // In this order: what is committed between the two is seen by the second.
        let head = service::heads(pool, &[learner.0]).await?.first().map_or(0, |(_, head)| *head);
        let events = service::after(pool, &[learner.0], &[seq]).await?;
        let kept = events.iter().zip(seq + 1..).take_while(|(event, number)| event.learner_seq == *number).count();
        let events = &events[..kept];
        match events.last() {
            Some(last) if head >= seq => {
                let changes = changes || events.iter().any(|event| model::changes_recommendations(&event.event_type));
                let next = Reading::Behind { seq: last.learner_seq, changes };
                model::count_events(events.len());
                Ok((events.iter().map(model::frame).collect(), Some(next)))
            }
            None if head == seq => Ok((Vec::new(), None)),
            // Something between is not kept any more, or the numbers have begun anew.
            _ => {
                model::count_reset();
                Ok((vec![model::reset(head)], Some(Reading::Behind { seq: head, changes: false })))
            }
        }
    };
    let read: Result<Result<_, sqlx::Error>, _> = tokio::time::timeout(PATIENCE, read).await;
    match read {
        Ok(Ok(read)) => return Some(read),
        Ok(Err(error)) => tracing::warn!(%error, "a stream ends: the log cannot be read"),
        Err(_) => tracing::warn!("a stream ends: the log does not answer"),
    }
    None
}
