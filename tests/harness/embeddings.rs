//! A stand-in for an endpoint of embeddings: somebody else's part, so it is played, with its real payloads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// What it has been told, and how it behaves.
#[derive(Clone, Default)]
pub struct Embeddings {
    pub base: String,
    is_down: Arc<AtomicBool>,
    texts: Arc<Mutex<Vec<String>>>,
}

impl Embeddings {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self { base: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() };
        let router = Router::new().route("/v1/embeddings", post(embed)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    pub fn is_down(&self, down: bool) {
        self.is_down.store(down, Ordering::Relaxed);
    }

    /// How often it has embedded a text that begins so.
    pub fn embedded(&self, beginning: &str) -> usize {
        self.texts.lock().unwrap().iter().filter(|text| text.starts_with(beginning)).count()
    }
}

/// Texts with the same words get the same direction: a hash of each word is one of 64 axes.
fn vector(text: &str) -> Vec<f32> {
    let mut axes = vec![0.01_f32; 64];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = word.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        axes[hash % 64] += 1.0;
    }
    axes
}

async fn embed(State(endpoint): State<Embeddings>, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    if endpoint.is_down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if headers.get("authorization").is_none_or(|token| token != "Bearer a key") || asked["model"] != "words-64" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let texts: Vec<&str> = asked["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    if texts.iter().any(|text| text.contains("unspeakable")) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    endpoint.texts.lock().unwrap().extend(texts.iter().map(|text| (*text).to_owned()));
    // The order is that of `index`, not of the list.
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .rev()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text)}))
        .collect();
    Json(json!({"object": "list", "data": data, "model": "words-64", "usage": {"prompt_tokens": 1, "total_tokens": 1}}))
        .into_response()
}
