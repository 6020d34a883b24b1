//! Keeps the index in step with the catalogue.
//!
//! At the start everything is compared: what the index says of its quests, by hash, against the database. From then on
//! only what has changed is read. Whatever breaks is tried again, from the comparison on: nothing but the index itself
//! is remembered, so that it may be emptied, replaced or left behind at any time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::Engine;
use super::model::{Away, Document, Known, Point};
use super::service::{changes_since, documents, documents_after};
use crate::clock;
use crate::config::DatabaseConfig;
use crate::db::{self, in_time};

/// Quests that are read, embedded and written together.
const BATCH: usize = 64;
/// Key of the shared session advisory lock of each process that has an index of its own.
const LOCAL_INDEX: (i32, i32) = (0x5155_4553, 3);
/// Changes are kept for a day, and are not looked for after a sleep of this length.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);
/// How often what the index holds is looked at: somebody may have emptied it.
const CHECK: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What keeps the index in step.
#[derive(Debug)]
pub struct Indexer {
    pub engine: Engine,
    pub pool: PgPool,
    pub database: DatabaseConfig,
    /// Told when the index is in step for the first time.
    pub ready: watch::Sender<bool>,
    /// How often changes are looked for.
    pub poll: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error(transparent)]
    Away(#[from] Away),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// How far a comparison is.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

/// Runs for ever: whatever breaks is tried again, with growing pauses.
pub async fn run(indexer: Indexer) {
    let mut pause = Duration::from_millis(200);
    loop {
        let began = Instant::now();
        if let Err(error) = Box::pin(indexer.term()).await {
            tracing::warn!(%error, "the index is out of step; search goes on by words where it has to");
            // An index that never came about is behind since ever: the gauge shows 0 then, and else stays.
            metrics::gauge!("search_index_synced_timestamp_seconds").increment(0.0);
            metrics::counter!("search_index_restarts_total").increment(1);
        }
        if began.elapsed() > LONGEST_PAUSE {
            pause = Duration::from_millis(200);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Indexer {
    /// Compares everything, then follows; until something breaks.
    async fn term(&self) -> Result<(), Stopped> {
        let collection = self.engine.prepare().await?;
        let index = &self.engine.index;
        let mut connection = in_time(&self.database, db::dedicated(&self.database, "quests index")).await?;
        if index.is_local() {
            let others = in_time(&self.database, others(&mut connection)).await?;
            if others > 0 {
                tracing::warn!(others, "other replicas keep indexes of their own too; QDRANT_URL makes them share one");
            }
        } else {
            // One replica writes; the others search in what is there.
            while !in_time(&self.database, lead(&mut connection, &collection)).await? {
                if !*self.ready.borrow() && index.known().await?.len() >= quests(&self.pool).await? {
                    self.ready.send_replace(true);
                }
                tokio::time::sleep(self.poll).await;
                self.look_for_embedder().await;
            }
        }
        let mut state = State { engine: &self.engine, known: index.known().await?, written: false };
        let mut cursor = compare(&self.pool, &mut state, &|_, _| {}).await?;
        let (mut followed, mut checked) = (Instant::now(), Instant::now());
        self.ready.send_replace(true);
        state.is_in_step();
        tracing::info!(collection, quests = state.known.len(), "the index is in step");
        loop {
            tokio::time::sleep(self.poll).await;
            // The lock goes with its connection.
            let ping = sqlx::query_scalar!("SELECT 1 AS one").fetch_one(&mut connection);
            in_time(&self.database, ping).await?;
            self.look_for_embedder().await;
            if followed.elapsed() > LONGEST_SLEEP {
                // What has changed meanwhile may be pruned.
                return Ok(());
            }
            cursor = Box::pin(self.follow(&mut state, cursor)).await?;
            followed = Instant::now();
            state.is_in_step();
            if checked.elapsed() > CHECK {
                if std::mem::take(&mut state.written) {
                    index.settle().await?;
                }
                if index.known().await? != state.known {
                    tracing::warn!("somebody else has changed the index; it is compared");
                    return Ok(());
                }
                checked = Instant::now();
            }
        }
    }
}

/// Quests that there are.
async fn quests(pool: &PgPool) -> Result<usize, sqlx::Error> {
    let quests = sqlx::query_scalar!(r#"SELECT count(*) AS "quests!" FROM quests"#).fetch_one(pool).await?;
    Ok(usize::try_from(quests).unwrap_or_default())
}

/// Whether this process is the one that writes to the collection, from now on.
async fn lead(connection: &mut PgConnection, collection: &str) -> Result<bool, sqlx::Error> {
    let name = format!("quests index {collection}");
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS "leads!""#, name)
        .fetch_one(connection)
        .await
}

/// Other processes that have an index of their own; this one is counted from now on.
async fn others(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let (class, object) = LOCAL_INDEX;
    sqlx::query!("SELECT pg_advisory_lock_shared($1, $2)", class, object).execute(&mut *connection).await?;
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "others!" FROM pg_locks JOIN pg_database ON pg_database.oid = database
           WHERE locktype = 'advisory' AND datname = current_database() AND granted AND pid <> pg_backend_pid()
             AND classid::bigint = $1 AND objid::bigint = $2 AND objsubid = 2"#,
        i64::from(class),
        i64::from(object)
    )
    .fetch_one(connection)
    .await
}

/// The index, and what it holds.
pub(super) struct State<'a> {
    pub engine: &'a Engine,
    pub known: HashMap<Uuid, Known>,
    /// Something was, since it was settled.
    pub written: bool,
}

/// Goes through the whole catalogue. Answers from where on changes are to be followed.
pub(super) async fn compare(pool: &PgPool, state: &mut State<'_>, progress: Progress<'_>) -> Result<String, Stopped> {
    // Before anything is read: what changes meanwhile comes again.
    let (_, cursor) = changes_since(&mut *pool.acquire().await?, None).await?;
    let total = quests(pool).await?;
    let mut gone: HashSet<Uuid> = state.known.keys().copied().collect();
    let (mut after, mut done) = (None, 0);
    loop {
        let batch = documents_after(&mut *pool.acquire().await?, after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = Some(last.id);
        done += batch.len();
        for document in &batch {
            gone.remove(&document.id);
        }
        state.apply(batch, Vec::new()).await?;
        progress(done, total.max(done));
    }
    state.apply(Vec::new(), gone.into_iter().collect()).await?;
    state.engine.index.settle().await?;
    Ok(cursor)
}

impl Indexer {
    /// An embedder that was away is asked until it is back, so that nobody is told for longer that it is.
    async fn look_for_embedder(&self) {
        if self.engine.embedder_is_away() {
            // What comes of it is noted there.
            drop(self.engine.probe().await);
        }
    }

    /// Applies what has changed since.
    async fn follow(&self, state: &mut State<'_>, cursor: String) -> Result<String, Stopped> {
        let read = async { changes_since(&mut *self.pool.acquire().await?, Some(&cursor)).await };
        let (changed, next) = Box::pin(in_time(&self.database, read)).await?;
        for ids in changed.chunks(BATCH) {
            let read = async { documents(&mut *self.pool.acquire().await?, ids).await };
            let found = Box::pin(in_time(&self.database, read)).await?;
            let there: HashSet<Uuid> = found.iter().map(|document| document.id).collect();
            let gone = ids.iter().copied().filter(|id| !there.contains(id)).collect();
            state.apply(found, gone).await?;
        }
        Ok(next)
    }
}

impl State<'_> {
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn is_in_step(&self) {
        metrics::gauge!("search_index_synced_timestamp_seconds").set(clock::unix_seconds());
        metrics::gauge!("search_index_quests").set(self.known.len() as f64);
    }

    /// The vectors of these quests. One whose text is refused gets that of its title, or of no words at all: it is found
    /// by its words still, and holds nobody up.
    async fn vectors(&self, quests: &[(Document, Known)]) -> Result<Vec<Vec<f32>>, Away> {
        let texts = quests.iter().map(|(document, _)| document.text()).collect();
        match self.engine.embed_all(texts).await {
            Err(Away::Refused(_)) => {}
            answer => return answer,
        }
        let mut vectors = Vec::new();
        for (document, _) in quests {
            vectors.push(self.vector(document).await?);
        }
        Ok(vectors)
    }

    async fn vector(&self, document: &Document) -> Result<Vec<f32>, Away> {
        for text in [document.text(), document.title.clone()] {
            match self.engine.embed_all(vec![text]).await {
                Err(Away::Refused(why)) => {
                    tracing::warn!(quest = %document.id, why, "a text is not embedded; the quest is found by words");
                    metrics::counter!("search_texts_refused_total").increment(1);
                }
                answer => return answer?.pop().ok_or_else(|| Away::Embedder("no vector".to_owned())),
            }
        }
        self.engine.probe().await
    }

    /// Brings these quests into the index: what has a new text is embedded, what differs otherwise is annotated.
    async fn apply(&mut self, documents: Vec<Document>, gone: Vec<Uuid>) -> Result<(), Away> {
        let (mut texts, mut annotated) = (Vec::new(), Vec::new());
        for document in documents {
            let (document, is) = document.hashed();
            match self.known.get(&document.id) {
                Some(known) if *known == is => {}
                Some(known) if known.text == is.text => annotated.push((document.id, document.payload, is)),
                _ => texts.push((document, is)),
            }
        }
        if !texts.is_empty() {
            let vectors = self.vectors(&texts).await?;
            metrics::counter!("search_quests_embedded_total").increment(vectors.len() as u64);
            let points = texts.iter().zip(vectors).map(|((document, _), dense)| Point {
                id: document.id,
                // Words of the title weigh more.
                text: format!("{}\n{}", document.title, document.text()),
                dense,
                payload: document.payload.clone(),
            });
            self.engine.index.put(points.collect()).await?;
            self.written = true;
            self.known.extend(texts.into_iter().map(|(document, is)| (document.id, is)));
        }
        if !annotated.is_empty() {
            let payloads = annotated.iter().map(|(id, payload, _)| (*id, payload.clone())).collect();
            self.engine.index.annotate(payloads).await?;
            self.written = true;
            self.known.extend(annotated.into_iter().map(|(id, _, is)| (id, is)));
        }
        let gone: Vec<Uuid> = gone.into_iter().filter(|id| self.known.contains_key(id)).collect();
        if !gone.is_empty() {
            self.engine.index.remove(gone.clone()).await?;
            self.written = true;
            for id in &gone {
                self.known.remove(id);
            }
        }
        Ok(())
    }
}

/// Builds the index of the present model anew.
///
/// # Errors
/// When index, embedder or database are away.
pub async fn rebuild(engine: &Engine, pool: &PgPool, progress: Progress<'_>) -> Result<usize, Stopped> {
    let collection = engine.prepare().await?;
    engine.index.forget(&collection).await?;
    engine.prepare().await?;
    let mut state = State { engine, known: HashMap::new(), written: false };
    compare(pool, &mut state, progress).await?;
    Ok(state.known.len())
}
