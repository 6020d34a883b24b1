//! Any endpoint that speaks as OpenAI's embeddings do.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use super::{Embedder, normalize};
use crate::search::model::Away;

/// Texts a call.
const BATCH: usize = 64;
/// Characters of a text that are sent; endpoints refuse what is longer than they can take, some 8,000 tokens.
const MOST_CHARS: usize = 6_000;

#[derive(Debug)]
pub struct Endpoint {
    client: reqwest::Client,
    url: String,
    model: String,
    key: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

impl Endpoint {
    /// # Errors
    /// When no TLS is to be had.
    pub fn new(url: &str, model: String, key: Option<String>, timeout: Duration) -> Result<Self, String> {
        let url = url.trim_end_matches('/');
        let url = match url {
            whole if whole.ends_with("/embeddings") => whole.to_owned(),
            versioned if versioned.ends_with("/v1") => format!("{versioned}/embeddings"),
            base => format!("{base}/v1/embeddings"),
        };
        let client = crate::outgoing::client()
            .timeout(timeout)
            .connect_timeout(timeout)
            .build()
            .map_err(|error| format!("EMBEDDINGS_URL: {error}"))?;
        Ok(Self { client, url, model, key })
    }

    async fn batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Away> {
        let away = |error: reqwest::Error| {
            let is_about_texts = matches!(error.status().map(|status| status.as_u16()), Some(400 | 413 | 422));
            let why = error.without_url().to_string();
            if is_about_texts { Away::Refused(why) } else { Away::Embedder(why) }
        };
        let mut request = self.client.post(&self.url).json(&json!({"model": self.model, "input": texts}));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let answer: Answer = request
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(away)?
            .json()
            .await
            .map_err(away)?;
        let mut found = answer.data;
        found.sort_by_key(|one| one.index);
        let size = found.first().map_or(0, |one| one.embedding.len());
        if found.len() != texts.len() || size == 0 || found.iter().any(|one| one.embedding.len() != size) {
            return Err(Away::Embedder(
                "the endpoint did not answer one vector of the same size for each text".to_owned(),
            ));
        }
        Ok(found
            .into_iter()
            .map(|one| {
                let mut vector = one.embedding;
                normalize(&mut vector);
                vector
            })
            .collect())
    }
}

impl Embedder for Endpoint {
    fn model(&self) -> &str {
        &self.model
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<Vec<f32>>, Away>> {
        Box::pin(async move {
            let mut vectors = Vec::with_capacity(texts.len());
            let texts: Vec<String> = texts.iter().map(|text| text.chars().take(MOST_CHARS).collect()).collect();
            for texts in texts.chunks(BATCH) {
                vectors.extend(self.batch(texts).await?);
            }
            Ok(vectors)
        })
    }
}
