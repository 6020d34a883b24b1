//! A stand-in for the User Service: another company's part, so it is played, with its real payloads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

/// What it knows, and how it behaves.
#[derive(Clone, Default)]
pub struct Users {
    pub base: String,
    skills: Arc<Mutex<HashMap<String, i32>>>,
    versions: Arc<Mutex<HashMap<String, Value>>>,
    /// The status that it refuses everything with; 0 when it does not.
    refuses: Arc<AtomicU16>,
    calls: Arc<AtomicUsize>,
}

impl Users {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let users = Self { base: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() };
        let router = Router::new()
            .route("/api/users/me/skills", get(skills))
            .route("/api/internal/curriculum-versions/{id}", get(version))
            .with_state(users.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        users
    }

    pub fn has(&self, skill: &str, level: i32) {
        self.skills.lock().unwrap().insert(skill.to_owned(), level);
    }

    pub fn offers(&self, id: &str, version: Value) {
        self.versions.lock().unwrap().insert(id.to_owned(), version);
    }

    pub fn is_down(&self, down: bool) {
        self.refuses(if down { 503 } else { 0 });
    }

    pub fn refuses(&self, status: u16) {
        self.refuses.store(status, Ordering::Relaxed);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn answer(&self, body: Option<Value>) -> Response {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if let Ok(status) = StatusCode::from_u16(self.refuses.load(Ordering::Relaxed)) {
            return status.into_response();
        }
        match body {
            Some(body) => ([("content-type", "application/json")], body.to_string()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

async fn skills(State(users): State<Users>) -> Response {
    let skills: Vec<Value> = users
        .skills
        .lock()
        .unwrap()
        .iter()
        .map(|(name, level)| json!({"skillId": uuid::Uuid::nil(), "skillName": name, "level": level, "experiencePoints": level * 100}))
        .collect();
    users.answer(Some(json!({"skills": skills})))
}

async fn version(State(users): State<Users>, Path(id): Path<String>) -> Response {
    let version = users.versions.lock().unwrap().get(&id).cloned();
    users.answer(version)
}
