//! Search: quests by words and by meaning.
//!
//! The indexer keeps a vector index in step with the catalogue; the index ranks, PostgreSQL shows. While index or
//! embedder are away, PostgreSQL's full text answers.

pub mod embed;
pub mod http;
pub mod index;
pub mod indexer;
pub mod model;
pub mod service;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use self::embed::Embedder;
use self::index::VectorIndex;
use self::model::{Away, Query, Ranked};
use crate::config::SearchConfig;
use crate::quests::model::Filter;

/// What has failed is left alone for so long: a search does not wait for it again and again.
const REST: Duration = Duration::from_secs(2);

/// What ranks quests.
#[derive(Debug, Clone)]
pub struct Engine {
    pub embedder: Arc<dyn Embedder>,
    pub index: Arc<dyn VectorIndex>,
    timeout: Duration,
    embedder_rests: Arc<Rest>,
    /// It has failed, and has not answered since.
    embedder_is_away: Arc<AtomicBool>,
    index_rests: Arc<Rest>,
}

/// Search as handlers know it.
#[derive(Debug, Clone)]
pub struct Search {
    /// None where search is left to PostgreSQL
    pub engine: Option<Engine>,
    /// Whether the index has been in step.
    pub ready: watch::Receiver<bool>,
}

/// Until when something that has failed is left alone.
#[derive(Debug, Default)]
struct Rest(Mutex<Option<Instant>>);

impl Rest {
    fn is_on(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn note<T>(&self, result: &Result<T, Away>) {
        // Others may well ask after one text was refused.
        let is_away = matches!(result, Err(Away::Embedder(_) | Away::Index(_)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = is_away.then(|| Instant::now() + REST);
    }
}

/// What an engine has ranked, and whether a part of it was away.
#[derive(Debug)]
pub struct Answer {
    pub ranked: Vec<Ranked>,
    pub degraded: bool,
}

impl Engine {
    /// The engine that the settings ask for; none in a build without one, or where it is switched off.
    ///
    /// # Errors
    /// A sentence that says which setting is wrong.
    pub fn open(config: &SearchConfig) -> Result<Option<Self>, String> {
        if !config.search_index {
            return Ok(None);
        }
        build(config)
    }

    /// With these parts.
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>, index: Arc<dyn VectorIndex>, timeout: Duration) -> Self {
        Self {
            embedder,
            index,
            timeout,
            embedder_rests: Arc::default(),
            embedder_is_away: Arc::default(),
            index_rests: Arc::default(),
        }
    }

    /// Opens the collection of this model, which is made where it is missing. Answers its name.
    ///
    /// # Errors
    /// When index or embedder are away.
    pub async fn prepare(&self) -> Result<String, Away> {
        let probe = self.probe().await?;
        let size = probe.len();
        let model: String =
            self.embedder.model().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let collection = format!("quests-{}-{size}", model.to_lowercase());
        self.index.prepare(&collection, size).await?;
        Ok(collection)
    }

    /// The vectors of these texts, however long that takes.
    ///
    /// # Errors
    /// When the embedder is away.
    pub async fn embed_all(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Away> {
        let began = Instant::now();
        let vectors = self.embedder.embed(texts).await;
        metrics::histogram!("search_embed_seconds", "caller" => "indexer").record(began.elapsed());
        self.note_embedder(&vectors);
        vectors
    }

    /// The vector of a text that nobody can mind: who refuses it is as good as away.
    ///
    /// # Errors
    /// When the embedder is away.
    pub async fn probe(&self) -> Result<Vec<f32>, Away> {
        let answer = match self.embedder.embed(vec!["quest".to_owned()]).await {
            Err(Away::Refused(why)) => Err(Away::Embedder(why)),
            answer => {
                answer.and_then(|mut vectors| vectors.pop().ok_or_else(|| Away::Embedder("no vector".to_owned())))
            }
        };
        self.note_embedder(&answer);
        answer
    }

    fn note_embedder<T>(&self, answer: &Result<T, Away>) {
        self.embedder_is_away.store(matches!(answer, Err(Away::Embedder(_))), Ordering::Relaxed);
    }

    /// Whether the embedder failed when it was asked last.
    #[must_use]
    pub fn embedder_is_away(&self) -> bool {
        self.embedder_is_away.load(Ordering::Relaxed)
    }

    /// Asks a part, unless it rests, and no longer than it may take.
    async fn ask<T>(
        &self,
        rest: &Rest,
        away: fn(String) -> Away,
        asked: BoxFuture<'_, Result<T, Away>>,
        time: &metrics::Histogram,
    ) -> Result<T, Away> {
        if rest.is_on() {
            return Err(away("it has just failed".to_owned()));
        }
        let began = Instant::now();
        let result = tokio::time::timeout(self.timeout, asked).await;
        time.record(began.elapsed());
        let result = result.unwrap_or_else(|_| Err(away("it does not answer in time".to_owned())));
        rest.note(&result);
        if let Err(error) = &result {
            tracing::warn!(%error, "search goes on without it");
            metrics::counter!("search_degraded_total").increment(1);
        }
        result
    }

    /// The vector of a text.
    ///
    /// # Errors
    /// When the embedder is away.
    pub async fn embed(&self, text: &str) -> Result<Vec<f32>, Away> {
        let asked = self.embedder.embed(vec![text.to_owned()]);
        let time = metrics::histogram!("search_embed_seconds", "caller" => "search");
        let vectors = self.ask(&self.embedder_rests, Away::Embedder, asked, &time).await;
        self.note_embedder(&vectors);
        vectors?.into_iter().next().ok_or_else(|| Away::Embedder("it answered nothing".to_owned()))
    }

    /// Ranks quests by words and meaning; without meaning while the embedder is away.
    ///
    /// # Errors
    /// When the index is away.
    pub async fn search(&self, text: &str, filter: &Filter, limit: usize) -> Result<Answer, Away> {
        let dense = self.embed(text).await.ok();
        let degraded = dense.is_none();
        let query = Query { dense, words: Some(text.to_owned()), filter: filter.clone(), limit };
        Ok(Answer { ranked: self.on_index(self.index.search(query)).await?, degraded })
    }

    /// Asks the index.
    ///
    /// # Errors
    /// When it is away.
    pub async fn on_index<T>(&self, asked: BoxFuture<'_, Result<T, Away>>) -> Result<T, Away> {
        self.ask(&self.index_rests, Away::Index, asked, &metrics::histogram!("search_rank_seconds")).await
    }
}

#[cfg(feature = "semantic")]
fn build(config: &SearchConfig) -> Result<Option<Engine>, String> {
    let timeout = Duration::from_millis(config.search_timeout_ms);
    // The indexer has time; searches give up sooner.
    let patience = Duration::from_millis(config.index_timeout_ms);
    let embedder: Arc<dyn Embedder> = match config.embeddings_url.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => {
            let set = |setting: &Option<String>| setting.clone().filter(|value| !value.is_empty());
            let model = set(&config.embeddings_model);
            let model = model.ok_or("EMBEDDINGS_URL needs EMBEDDINGS_MODEL, the model's name at that endpoint")?;
            Arc::new(embed::Endpoint::new(url, model, set(&config.embeddings_api_key), patience)?)
        }
        None => Arc::new(embed::Local::new(&config.model_dir())),
    };
    let index: Arc<dyn VectorIndex> = match config.qdrant_url.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => {
            let key = config.qdrant_api_key.as_deref().filter(|key| !key.is_empty());
            Arc::new(index::Server::new(url, key, patience)?)
        }
        None => Arc::new(index::Edge::new(&config.data_dir.join("index")).map_err(|error| error.to_string())?),
    };
    Ok(Some(Engine::new(embedder, index, timeout)))
}

#[cfg(not(feature = "semantic"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
fn build(_: &SearchConfig) -> Result<Option<Engine>, String> {
    Ok(None)
}
