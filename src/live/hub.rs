//! The open streams of this process, and the poller that feeds them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::sse::Event as Frame;
use futures_channel::mpsc;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{model, service};
use crate::ids::LearnerId;
use crate::outbox::events::Logged;

/// Frames that a reader may be behind before it is let go; it resumes with its `Last-Event-ID`.
const BACKLOG: usize = 256;
/// Learners whose events are read in one statement.
const LEARNERS: usize = 50;

/// Longest the log may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

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
        set_gauge(0);
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

    /// The learners with streams, and where the first and the last of each one's streams stand.
    fn wanted(&self) -> HashMap<LearnerId, (i64, i64)> {
        let state = self.state();
        let of = |readers: &[Reader]| {
            let seqs = readers.iter().filter_map(|reader| Some(reader.live.as_ref()?.seq));
            Some((seqs.clone().min()?, seqs.max()?))
        };
        state.learners.iter().filter_map(|(learner, readers)| Some((*learner, of(readers)?))).collect()
    }

    /// Gives a learner's streams what was read of the learner's events.
    fn give(&self, learner: LearnerId, read: &Read) {
        let mut state = self.state();
        let Some(readers) = state.learners.get_mut(&learner) else { return };
        for reader in readers {
            let Some(live) = &mut reader.live else { continue };
            if let Err(error) = live.give(read) {
                // Slow, or gone just now: the log has what it misses.
                if error.is_full() {
                    metrics::counter!("streams_dropped_total").increment(1);
                }
                reader.live = None;
            }
        }
    }
}

/// What the log has said of a learner.
struct Read<'a> {
    /// The number after which was asked: where the learner's first stream stood.
    from: i64,
    /// Where the last one stood then.
    to: i64,
    /// Number of the learner's last event, read before the events; 0 for who is unknown.
    head: i64,
    /// In order; as many as are read in one go, or all.
    events: &'a [Logged],
}

impl Live {
    fn give(&mut self, read: &Read) -> Result<(), mpsc::TrySendError<Frame>> {
        // The numbers have begun anew: this is somebody else under the same id.
        if read.head < self.seq && self.seq <= read.to {
            return self.reset(read.head);
        }
        // It has begun to listen after the question was asked: the next answer is for it.
        if self.seq < read.from {
            return Ok(());
        }
        let mut changes = false;
        let new = &read.events[read.events.partition_point(|event| event.learner_seq <= self.seq)..];
        for event in new {
            // What lies between was removed by age meanwhile.
            if event.learner_seq != self.seq + 1 {
                return self.reset(read.head);
            }
            self.frames.try_send(model::frame(event))?;
            model::count_events(1);
            self.seq = event.learner_seq;
            changes |= model::changes_recommendations(&event.event_type);
        }
        if read.events.is_empty() && self.seq < read.head {
            return self.reset(read.head);
        }
        if changes {
            self.frames.try_send(model::recommendations_changed())?;
        }
        Ok(())
    }

    fn reset(&mut self, head: i64) -> Result<(), mpsc::TrySendError<Frame>> {
        self.frames.try_send(model::reset(head))?;
        model::count_reset();
        self.seq = head;
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
            // A connection that has fallen silent says nothing, not even an error.
            match tokio::time::timeout(PATIENCE, feed(&hub, &pool)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "streams wait for the database"),
                Err(_) => tracing::warn!("streams wait for the database, which does not answer"),
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
    // In this order: what is committed between the two statements is seen by the second.
    let heads: HashMap<LearnerId, i64> = service::heads(pool, &learners).await?.into_iter().collect();
    let head = |learner: &LearnerId| heads.get(learner).copied().unwrap_or(0);
    let behind: Vec<(LearnerId, (i64, i64))> =
        wanted.into_iter().filter(|(learner, (first, last))| head(learner) > *first || head(learner) < *last).collect();
    for some in behind.chunks(LEARNERS) {
        let (ids, seqs): (Vec<Uuid>, Vec<i64>) = some.iter().map(|(learner, (first, _))| (learner.0, *first)).unzip();
        let events = service::after(pool, &ids, &seqs).await?;
        let by_learner: HashMap<LearnerId, &[Logged]> = events
            .chunk_by(|one, next| one.auth_user_id == next.auth_user_id)
            .filter_map(|events| Some((events.first()?.auth_user_id, events)))
            .collect();
        for (learner, (from, to)) in some {
            let events = by_learner.get(learner).copied().unwrap_or_default();
            hub.give(*learner, &Read { from: *from, to: *to, head: head(learner), events });
        }
    }
    Ok(())
}
