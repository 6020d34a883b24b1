//! The open streams of this process, and the poller that feeds them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::sse::Event as Frame;
use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{model, service};
use crate::ids::LearnerId;
use crate::outbox::events::Logged;

/// Frames that a reader may be behind before it is let go; it resumes with its `Last-Event-ID`.
const BACKLOG: usize = 256;
/// Learners whose events are read in one statement.
const LEARNERS: usize = 50;

/// Limits of streams.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// Of one learner, at this process
    pub per_learner: usize,
    /// Of this process
    pub total: usize,
    pub heartbeat: Duration,
    /// After this long a stream ends, and is opened anew with a fresh token.
    pub max_age: Duration,
}

/// Why a stream cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    Learner,
    Process,
    Stopping,
}

/// The open streams; clones share them.
#[derive(Debug, Clone)]
pub struct Hub {
    pub limits: StreamLimits,
    state: Arc<Mutex<State>>,
    opened: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    learners: HashMap<LearnerId, Vec<Reader>>,
    total: usize,
    next_id: u64,
    is_closed: bool,
}

/// One stream.
#[derive(Debug)]
struct Reader {
    id: u64,
    /// None until it has caught up with the log.
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    /// Number of the last event that it was given.
    seq: i64,
    frames: mpsc::Sender<Frame>,
}

/// A place among the open streams, given up when dropped.
#[derive(Debug)]
pub struct Place {
    hub: Hub,
    learner: LearnerId,
    id: u64,
}

impl Hub {
    #[must_use]
    pub fn new(limits: StreamLimits) -> Self {
        Self { limits, state: Arc::default(), opened: Arc::default() }
    }

    /// A place for one more stream of a learner.
    ///
    /// # Errors
    /// When there are too many.
    pub fn enter(&self, learner: LearnerId) -> Result<Place, Full> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Full::Stopping);
        }
        if state.total >= self.limits.total {
            return Err(Full::Process);
        }
        if state.learners.get(&learner).is_some_and(|readers| readers.len() >= self.limits.per_learner) {
            return Err(Full::Learner);
        }
        let id = state.next_id;
        state.next_id += 1;
        state.total += 1;
        state.learners.entry(learner).or_default().push(Reader { id, live: None });
        set_gauge(state.total);
        Ok(Place { hub: self.clone(), learner, id })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all streams, and takes no more.
    fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        for reader in state.learners.values_mut().flatten() {
            reader.live = None;
        }
    }

    /// The learners with streams, and the number from which on they need events.
    fn wanted(&self) -> HashMap<LearnerId, i64> {
        let state = self.state();
        let of = |readers: &[Reader]| readers.iter().filter_map(|reader| Some(reader.live.as_ref()?.seq)).min();
        state.learners.iter().filter_map(|(learner, readers)| Some((*learner, of(readers)?))).collect()
    }

    /// Gives events of one learner, in order, to the learner's streams. `head` is the learner's last number.
    fn give(&self, learner: LearnerId, events: &[Logged], head: i64) {
        let mut state = self.state();
        let Some(readers) = state.learners.get_mut(&learner) else { return };
        for reader in readers {
            let Some(live) = &mut reader.live else { continue };
            if let Err(error) = live.give(events, head) {
                // Slow, or gone just now: the log has what it misses.
                if let mpsc::error::TrySendError::Full(_) = error {
                    metrics::counter!("streams_dropped_total").increment(1);
                }
                reader.live = None;
            }
        }
    }
}

impl Live {
    fn give(&mut self, events: &[Logged], head: i64) -> Result<(), mpsc::error::TrySendError<Frame>> {
        let mut changes = false;
        let new = &events[events.partition_point(|event| event.learner_seq <= self.seq)..];
        // What lies between was removed by age meanwhile.
        if new.first().map_or(self.seq < head, |first| first.learner_seq != self.seq + 1) {
            self.frames.try_send(model::reset(head))?;
            self.seq = head;
            return Ok(());
        }
        for event in new {
            self.frames.try_send(model::frame(event))?;
            self.seq = event.learner_seq;
            changes |= model::changes_recommendations(&event.event_type);
        }
        if changes {
            self.frames.try_send(model::recommendations_changed())?;
        }
        Ok(())
    }
}

impl Place {
    /// From here on the stream gets what comes after `seq`. None when the service stops.
    pub fn listen(&self, seq: i64) -> Option<mpsc::Receiver<Frame>> {
        let (frames, receiver) = mpsc::channel(BACKLOG);
        let mut state = self.hub.state();
        if state.is_closed {
            return None;
        }
        let reader = state.learners.get_mut(&self.learner)?.iter_mut().find(|reader| reader.id == self.id)?;
        reader.live = Some(Live { seq, frames });
        drop(state);
        self.hub.opened.notify_one();
        Some(receiver)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        if let Some(readers) = state.learners.get_mut(&self.learner) {
            readers.retain(|reader| reader.id != self.id);
            if readers.is_empty() {
                state.learners.remove(&self.learner);
            }
            state.total -= 1;
        }
        set_gauge(state.total);
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn set_gauge(total: usize) {
    metrics::gauge!("streams_open").set(total as f64);
}

/// Feeds the streams until `stop`: asks the log again and again, while there are any.
pub async fn run(hub: Hub, pool: PgPool, every: Duration, stop: CancellationToken) {
    let work = async {
        loop {
            if hub.wanted().is_empty() {
                hub.opened.notified().await;
            }
            if let Err(error) = feed(&hub, &pool).await {
                tracing::warn!(%error, "streams wait for the database");
            }
            tokio::time::sleep(every).await;
        }
    };
    stop.run_until_cancelled(Box::pin(work)).await;
    hub.close();
}

/// Gives every stream what has happened since; one statement when nothing has.
async fn feed(hub: &Hub, pool: &PgPool) -> Result<(), sqlx::Error> {
    let wanted = hub.wanted();
    let learners: Vec<Uuid> = wanted.keys().map(|learner| learner.0).collect();
    let heads = service::heads(pool, &learners).await?;
    let behind: Vec<(LearnerId, i64, i64)> = heads
        .into_iter()
        .filter_map(|(learner, head)| Some((learner, *wanted.get(&learner)?, head)))
        .filter(|(_, seq, head)| seq < head)
        .collect();
    for some in behind.chunks(LEARNERS) {
        let (ids, seqs): (Vec<Uuid>, Vec<i64>) = some.iter().map(|(learner, seq, _)| (learner.0, *seq)).unzip();
        let events = service::after(pool, &ids, &seqs).await?;
        let by_learner: HashMap<LearnerId, &[Logged]> = events
            .chunk_by(|one, next| one.auth_user_id == next.auth_user_id)
            .filter_map(|events| Some((events.first()?.auth_user_id, events)))
            .collect();
        for (learner, _, head) in some {
            hub.give(*learner, by_learner.get(learner).copied().unwrap_or_default(), *head);
        }
    }
    Ok(())
}
