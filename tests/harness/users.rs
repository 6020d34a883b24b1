//! A stand-in for the User Service: another company's part, so it is played, with its real payloads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

/// The token that it takes for the skill tree.
pub const SERVICE_TOKEN: &str = "token-of-the-quests-service";

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Well,
    /// Answers everything with this status.
    Refuses(u16),
    /// Refuses every other call with 500, and the next one first.
    Stumbles,
    Slow(Duration),
    /// Hangs up in the middle of its answer.
    HangsUp,
    /// JSON, but not what was asked for.
    WrongJson,
    /// 10 MB of it.
    Huge,
}

/// Made once: it is the reader who has to bear it.
static HUGE: LazyLock<String> = LazyLock::new(|| format!("{{\"profile\": \"{}\"}}", "x".repeat(10_000_000)));

/// What it knows, and how it behaves.
#[derive(Clone, Default)]
pub struct Users {
    pub base: String,
    skills: Arc<Mutex<HashMap<String, i32>>>,
    tree: Arc<Mutex<Vec<(Uuid, String)>>>,
    versions: Arc<Mutex<HashMap<String, Value>>>,
    mode: Arc<Mutex<Mode>>,
    calls: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Users {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub async fn start_at(address: &str) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let users = Self { base: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() };
        let router = Router::new()
            .route("/api/users/me/skills", get(skills))
            .route("/api/users/me/full", get(full))
            .route("/api/skills/tree", get(tree))
            .route("/api/internal/curriculum-versions/{id}", get(version))
            .with_state(users.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        users
    }

    pub fn has(&self, skill: &str, level: i32) {
        self.skills.lock().unwrap().insert(skill.to_owned(), level);
    }

    /// A skill of the catalogue.
    pub fn teaches(&self, skill: &str) -> Uuid {
        let id = Uuid::new_v4();
        self.tree.lock().unwrap().push((id, skill.to_owned()));
        id
    }

    pub fn offers(&self, id: &str, version: Value) {
        self.versions.lock().unwrap().insert(id.to_owned(), version);
    }

    pub fn is_down(&self, down: bool) {
        self.behaves(if down { Mode::Refuses(503) } else { Mode::Well });
    }

    pub fn refuses(&self, status: u16) {
        self.behaves(if status == 0 { Mode::Well } else { Mode::Refuses(status) });
    }

    pub fn behaves(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Most calls that were under way at a time.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::Relaxed)
    }

    async fn answer(&self, body: Option<Value>) -> Response {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mode = *self.mode.lock().unwrap();
        match mode {
            Mode::Refuses(status) => return StatusCode::from_u16(status).unwrap().into_response(),
            Mode::Stumbles if call.is_multiple_of(2) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Mode::Well | Mode::Stumbles => {}
            Mode::Slow(time) => {
                let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
                self.most_at_once.fetch_max(now, Ordering::Relaxed);
                tokio::time::sleep(time).await;
                self.at_once.fetch_sub(1, Ordering::Relaxed);
            }
            Mode::HangsUp => {
                let cut = [Ok("{\"profile\": "), Err(std::io::Error::other("hung up"))];
                return Body::from_stream(futures_util::stream::iter(cut)).into_response();
            }
            Mode::WrongJson => return as_json("{\"message\": \"welcome\"}"),
            Mode::Huge => return as_json(HUGE.as_str()),
        }
        match body {
            Some(body) => as_json(body.to_string()),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

fn as_json(body: impl Into<Body>) -> Response {
    ([("content-type", "application/json")], body.into()).into_response()
}

fn bearer(headers: &HeaderMap) -> &str {
    headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ")).unwrap_or_default()
}

/// Whose token it is; it believes everybody.
fn subject(headers: &HeaderMap) -> Option<Value> {
    let claims = URL_SAFE_NO_PAD.decode(bearer(headers).split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Value>(&claims).ok()?["sub"].clone())
}

async fn skills(State(users): State<Users>) -> Response {
    let skills: Vec<Value> = users
        .skills
        .lock()
        .unwrap()
        .iter()
        .map(|(name, level)| json!({"skillId": Uuid::nil(), "skillName": name, "level": level, "experiencePoints": level * 100}))
        .collect();
    users.answer(Some(json!({"skills": skills}))).await
}

async fn full(State(users): State<Users>, headers: HeaderMap) -> Response {
    let Some(id) = subject(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let body = json!({
        "profile": {
            "authUserId": id, "username": "lena", "email": "lena@example.org", "firstName": "Lena", "lastName": null,
            "classId": "0192f1aa-0000-7000-8000-0000000000c1", "routeId": null, "level": 4, "experiencePoints": 3700,
            "profileImageUrl": null, "onboardingCompleted": true,
            "createdAt": "2025-09-01T08:00:00+00:00", "updatedAt": "2026-01-10T08:00:00+00:00",
        },
        "auth": {
            "id": id, "email": "lena@example.org", "emailVerified": true, "createdAt": "2025-09-01T08:00:00+00:00",
            "lastSignInAt": null, "userMetadata": {},
        },
        "relations": {
            "userRoles": [{"roleId": Uuid::nil(), "assignedAt": "2025-09-01T08:00:00+00:00", "roleName": "Player"}],
            "studentEnrollments": [{
                "id": "0192f1aa-0000-7000-8000-0000000000e1", "status": "Active", "enrollmentDate": "2025-09-01",
                "expectedGraduationDate": null,
            }],
            "studentTermSubjects": [{
                "id": Uuid::nil(), "subjectId": "0192f1aa-0000-7000-8000-0000000000b1", "subjectCode": "PRF192",
                "subjectName": "Programming Fundamentals", "semester": 1, "status": "Studying", "grade": null,
            }],
            "userSkills": [], "userAchievements": [], "partyMembers": [], "guildMembers": [], "notes": [],
            "notifications": [], "lecturerVerificationRequests": [], "questAttempts": [],
        },
        "counts": {
            "notes": 0, "achievements": 0, "meetings": 0, "notificationsUnread": 0, "questsCompleted": 0, "questsInProgress": 0,
        },
    });
    users.answer(Some(body)).await
}

async fn tree(State(users): State<Users>, headers: HeaderMap) -> Response {
    if bearer(&headers) != SERVICE_TOKEN {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let nodes: Vec<Value> = users
        .tree
        .lock()
        .unwrap()
        .iter()
        .map(|(id, name)| {
            json!({"skillId": id, "name": name, "domain": "Programming", "tier": 1, "userLevel": 0, "userExperiencePoints": 0})
        })
        .collect();
    users.answer(Some(json!({"nodes": nodes, "dependencies": []}))).await
}

async fn version(State(users): State<Users>, Path(id): Path<String>) -> Response {
    let version = users.versions.lock().unwrap().get(&id).cloned();
    users.answer(version).await
}
