//! The User Service over REST: skill levels of the caller, curriculum versions. Small on purpose; while
//! it is away nothing here fails but what really needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::config::UserServiceConfig;

/// After a failure of its own, nobody asks for this long.
const PAUSE_SECONDS: i64 = 5;

/// The client; clones share its connections.
#[derive(Debug, Clone)]
pub struct UserService {
    base: String,
    http: reqwest::Client,
    token: Option<String>,
    /// Unix time until which it is left in peace.
    paused_until: Arc<AtomicI64>,
}

/// The User Service where its address is set.
#[derive(Debug, Clone)]
pub struct Users(pub Option<UserService>);

/// A skill of a user, as `GET /api/users/me/skills` has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skill {
    #[serde(alias = "skillName")]
    pub name: String,
    pub level: i32,
}

/// Why it has not answered.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the User Service has just failed; it is asked again in a moment")]
    Paused,
    #[error("the User Service answers {0}")]
    Status(u16),
    #[error("the User Service cannot be asked: {0}")]
    Transport(#[from] reqwest::Error),
}

impl Failure {
    /// Whether the service is unwell. Other refusals are about one caller or one question, and others may well ask.
    fn is_its_own(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Paused | Self::Transport(_) => true,
        }
    }
}

impl UserService {
    /// None where no address is set.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(config: &UserServiceConfig) -> Result<Option<Self>, String> {
        let Some(url) = &config.user_service_url else { return Ok(None) };
        let http = reqwest::Client::builder()
            .timeout(Duration::from_millis(config.user_service_timeout_ms))
            .build()
            .map_err(|error| error.to_string())?;
        let base = url.trim_end_matches('/').to_owned();
        Ok(Some(Self { base, http, token: config.user_service_token.clone(), paused_until: Arc::default() }))
    }

    /// The skills of whoever the token belongs to.
    ///
    /// # Errors
    /// When it does not answer, or not as it should.
    pub async fn my_skills(&self, token: &str, now: DateTime<Utc>) -> Result<Vec<Skill>, Failure> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Skills {
            Plain(Vec<Skill>),
            Wrapped { skills: Vec<Skill> },
        }
        let answer: Option<Skills> = self.get("/api/users/me/skills", Some(token), now).await?;
        Ok(match answer {
            None => Vec::new(),
            Some(Skills::Plain(skills) | Skills::Wrapped { skills }) => skills,
        })
    }

    /// A curriculum version; None when there is none with this id.
    ///
    /// # Errors
    /// When it does not answer, or not as it should.
    pub async fn curriculum_version(
        &self,
        id: Uuid,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Value>, Failure> {
        self.get(&format!("/api/internal/curriculum-versions/{id}"), Some(token), now).await
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<T>, Failure> {
        if now.timestamp() < self.paused_until.load(Ordering::Relaxed) {
            return Err(Failure::Paused);
        }
        let asked = async {
            let mut request = self.http.get(format!("{}{path}", self.base));
            if let Some(token) = token.or(self.token.as_deref()) {
                request = request.bearer_auth(token);
            }
            let response = request.send().await?;
            match response.status().as_u16() {
                404 => Ok(None),
                200..300 => Ok(Some(response.json().await?)),
                status => Err(Failure::Status(status)),
            }
        };
        let answer = asked.await;
        if let Err(error) = &answer {
            if error.is_its_own() {
                self.paused_until.store(now.timestamp() + PAUSE_SECONDS, Ordering::Relaxed);
            }
            tracing::warn!(%error, path, "the User Service fails");
            metrics::counter!("user_service_failures_total").increment(1);
        }
        answer
    }
}
