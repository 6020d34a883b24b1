//! Writing the document while its reader reads: memory holds a few pieces, whatever the size.

use std::fmt::Display;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use sqlx::PgConnection;
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument;

use super::sections;
use crate::db::Db;
use crate::http::{Code, Problem};
use crate::ids::LearnerId;

/// Bytes of a piece, and how many of them wait for a slow reader.
const PIECE: usize = 65_536;
const PIECES: usize = 2;

/// How many exports may run at once: each holds a connection for as long as its reader takes.
#[derive(Debug, Clone)]
pub struct Exports(Arc<Semaphore>);

impl Exports {
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }
}

/// Why a document broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("its reader has gone")]
    Gone,
}

/// The document as it is written.
pub(super) struct Document {
    buffer: String,
    pieces: mpsc::Sender<Result<Vec<u8>, Ended>>,
}

impl Document {
    async fn open(&mut self, learner: LearnerId, now: DateTime<Utc>) -> Result<(), Ended> {
        self.buffer = format!("{{\"exportedAt\":{},\"authUserId\":{}", json!(now), json!(learner));
        self.send().await
    }

    /// Writes a member: a list, item by item. Items are JSON.
    pub(super) async fn list<T: Display>(
        &mut self,
        name: &str,
        mut items: impl Stream<Item = Result<T, sqlx::Error>> + Unpin,
    ) -> Result<(), Ended> {
        self.begin_list(name);
        while let Some(item) = items.next().await {
            self.item(&item?.to_string()).await?;
        }
        self.end_list();
        Ok(())
    }

    pub(super) fn begin_list(&mut self, name: &str) {
        self.buffer += &[",\n\"", name, "\":["].concat();
    }

    pub(super) async fn item(&mut self, item: &str) -> Result<(), Ended> {
        if !self.buffer.ends_with('[') {
            self.buffer.push(',');
        }
        self.buffer.push('\n');
        self.buffer.push_str(item);
        if self.buffer.len() >= PIECE { self.send().await } else { Ok(()) }
    }

    pub(super) fn end_list(&mut self) {
        self.buffer.push(']');
    }

    async fn send(&mut self) -> Result<(), Ended> {
        let piece = std::mem::take(&mut self.buffer).into_bytes();
        self.pieces.send(Ok(piece)).await.map_err(|_| Ended::Gone)
    }
}

/// Starts an export; what is read first decides whether there is an answer at all.
///
/// # Errors
/// 503 while as many run as may, and when the database does not answer.
pub async fn export(
    exports: &Exports,
    db: Db,
    learner: LearnerId,
    now: DateTime<Utc>,
) -> Result<impl Stream<Item = Result<Vec<u8>, std::io::Error>> + Send + use<>, Problem> {
    let Ok(permit) = Arc::clone(&exports.0).try_acquire_owned() else {
        return Err(Problem::new(Code::Unavailable, "others take out their data; try again soon").retry_after(5));
    };
    let (pieces, mut received) = mpsc::channel(PIECES);
    let work = async move {
        let failed = pieces.clone();
        let mut document = Document { buffer: String::new(), pieces };
        let reading = db
            .snapshot(move |connection| Box::pin(async move { write(connection, &mut document, learner, now).await }));
        if let Err(error) = reading.await {
            tracing::warn!(%error, "an export broke off");
            // Without this the document would seem to be whole.
            if failed.send(Err(error)).await.is_err() {
                tracing::debug!("nobody waits for it");
            }
        }
        drop(permit);
    };
    tokio::spawn(work.in_current_span());
    match received.recv().await {
        Some(Ok(first)) => {
            let rest =
                stream::unfold(received, |mut received| async { received.recv().await.map(|piece| (piece, received)) });
            Ok(stream::once(async { Ok(first) }).chain(rest).map(|piece| piece.map_err(std::io::Error::other)))
        }
        Some(Err(Ended::Database(error))) => Err(error.into()),
        Some(Err(Ended::Gone)) | None => Err(Problem::new(Code::Internal, "the error has been logged")),
    }
}

async fn write(
    connection: &mut PgConnection,
    document: &mut Document,
    learner: LearnerId,
    now: DateTime<Utc>,
) -> Result<(), Ended> {
    // Before the first piece, so that a database that is away is told as such.
    sqlx::query!("SELECT 1 AS one").fetch_one(&mut *connection).await?;
    document.open(learner, now).await?;
    sections::write(connection, document, learner, now).await?;
    document.buffer.push_str("}\n");
    document.send().await
}
