//! The client: one way out, with time-outs, few retries, a breaker for each endpoint and a limit to everything.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::breaker::Breaker;
use super::cache::Cache;
use super::model::{Shown, Skill, Tree, TreeSkill, User};
use crate::config::UserServiceConfig;
use crate::trace;

/// Longest pause before the first retry; it doubles with each.
const BACKOFF_MS: u64 = 40;

/// The client; clones share its connections, breakers and cache.
#[derive(Debug, Clone)]
pub struct UserService(Arc<Inner>);

/// The User Service where its address is set.
#[derive(Debug, Clone)]
pub struct Users(pub Option<UserService>);

#[derive(Debug)]
struct Inner {
    base: String,
    http: reqwest::Client,
    token: Option<String>,
    timeout: Duration,
    background_timeout: Duration,
    retries: u32,
    pause_seconds: i64,
    max_answer_bytes: usize,
    slots: Semaphore,
    breakers: [Breaker; 4],
    cache: Cache,
    fresh_for: TimeDelta,
}

#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Skills,
    SkillTree,
    User,
    CurriculumVersion,
}

impl Endpoint {
    const ALL: [Self; 4] = [Self::Skills, Self::SkillTree, Self::User, Self::CurriculumVersion];

    fn breaker(self) -> metrics::Gauge {
        metrics::gauge!("user_service_breaker_open", "endpoint" => self.name())
    }

    /// As metrics and logs name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Skills => "skills",
            Self::SkillTree => "skill_tree",
            Self::User => "user",
            Self::CurriculumVersion => "curriculum_version",
        }
    }
}

fn count(endpoint: Endpoint, outcome: &'static str) {
    metrics::counter!("user_service_requests_total", "endpoint" => endpoint.name(), "outcome" => outcome).increment(1);
}

fn count_profile(outcome: &'static str) {
    metrics::counter!("user_service_cache_total", "outcome" => outcome).increment(1);
}

/// Why it has not answered.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the User Service has just failed; it is asked again in a moment")]
    Paused,
    #[error("the User Service does not answer in time")]
    TimedOut,
    #[error("the User Service answers {0}")]
    Status(u16),
    #[error("the User Service cannot be asked: {0}")]
    Transport(reqwest::Error),
    #[error("the User Service answers with more than {0} bytes")]
    TooLarge(usize),
    #[error("the User Service's answer cannot be read: {0}")]
    Malformed(serde_json::Error),
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

impl Failure {
    /// Whether the service is unwell. Other refusals are about one caller or one question, and others may well ask.
    fn is_its_own(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Paused | Self::TimedOut | Self::Transport(_) => true,
            // Of one caller's data, for all we know.
            Self::TooLarge(_) | Self::Malformed(_) => false,
        }
    }

    /// Whether nothing is known from it: neither the answer, nor that there is none for this caller.
    fn says_nothing(&self) -> bool {
        self.is_its_own() || matches!(self, Self::TooLarge(_) | Self::Malformed(_))
    }

    /// Whether asking again at once may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 500,
            Self::Transport(_) => true,
            Self::Paused | Self::TimedOut | Self::TooLarge(_) | Self::Malformed(_) => false,
        }
    }
}

impl UserService {
    /// None where no address is set.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(config: &UserServiceConfig) -> Result<Option<Self>, String> {
        let Some(url) = config.user_service_url.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let http = crate::outgoing::client()
            .connect_timeout(Duration::from_millis(config.user_service_connect_timeout_ms))
            // Tokens go to the address that is configured, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        for endpoint in Endpoint::ALL {
            endpoint.breaker().set(0.0);
        }
        let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        let longest = config.user_service_stale_seconds.max(config.user_service_cache_seconds);
        Ok(Some(Self(Arc::new(Inner {
            base: url.trim_end_matches('/').to_owned(),
            http,
            token: config.user_service_token.clone().filter(|token| !token.is_empty()),
            timeout: Duration::from_millis(config.user_service_timeout_ms),
            background_timeout: Duration::from_millis(config.user_service_background_timeout_ms),
            retries: config.user_service_retries,
            pause_seconds: config.user_service_pause_seconds.into(),
            max_answer_bytes: size(config.user_service_max_answer_bytes),
            slots: Semaphore::new(size(config.user_service_max_concurrent)),
            breakers: Default::default(),
            cache: Cache::new(size(config.user_service_cache_bytes), TimeDelta::seconds(longest.into())),
            fresh_for: TimeDelta::seconds(config.user_service_cache_seconds.into()),
        }))))
    }

    /// Whether there is a token for what no caller asks for.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.0.token.is_some()
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
        let answer = self.get(Endpoint::Skills, "/api/users/me/skills", Some(token), now).await?;
        // A gateway's 404 must not be taken for somebody without skills.
        let (_, Skills::Plain(mut skills) | Skills::Wrapped { mut skills }) = answer.ok_or(Failure::Status(404))?;
        skills.retain(|skill| !skill.name.contains('\0'));
        Ok(skills)
    }

    /// Every skill of the catalogue; asked for with the service's own token.
    ///
    /// # Errors
    /// When it does not answer, or not as it should.
    pub async fn skill_tree(&self, now: DateTime<Utc>) -> Result<Vec<TreeSkill>, Failure> {
        let tree: Option<(_, Tree)> = self.get(Endpoint::SkillTree, "/api/skills/tree", None, now).await?;
        tree.map(|(_, tree)| tree.nodes).ok_or(Failure::Status(404))
    }

    /// Profile and academic context of the caller whom the token belongs to; None when the User Service does not know
    /// them. Kept for a moment; while it is away, what it said last is shown.
    ///
    /// # Errors
    /// When it does not answer, or not as it should, and has not lately.
    pub async fn me(&self, caller: Uuid, token: &str, now: DateTime<Utc>) -> Result<Shown<Option<User>>, Failure> {
        let kept = self.0.cache.get(caller, now).and_then(|(body, age)| {
            // It was read once already.
            Some((serde_json::from_slice(&body).ok()?, age))
        });
        if let Some((user, _)) = kept.as_ref().filter(|(_, age)| *age < self.0.fresh_for) {
            count_profile("hit");
            return Ok(Shown { value: Some(User::clone(user)), is_stale: false });
        }
        let answer = self.get(Endpoint::User, "/api/users/me/full", Some(token), now).await;
        if let (Err(failure), Some((user, _))) = (&answer, kept)
            && failure.says_nothing()
        {
            count_profile("stale");
            return Ok(Shown { value: Some(user), is_stale: true });
        }
        count_profile("miss");
        let value = answer?.map(|(body, user)| {
            self.0.cache.put(caller, body, now);
            user
        });
        if value.is_none() {
            self.0.cache.forget(caller);
        }
        Ok(Shown { value, is_stale: false })
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
        let path = format!("/api/internal/curriculum-versions/{id}");
        Ok(self.get(Endpoint::CurriculumVersion, &path, Some(token), now).await?.map(|(_, version)| version))
    }

    /// Asks, as a caller or as the service itself; None for 404. Gives the answer as it came, too.
    async fn get<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        path: &str,
        token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<(Arc<[u8]>, T)>, Failure> {
        let inner = &*self.0;
        let breaker = &inner.breakers[endpoint as usize];
        if !breaker.lets_through(now, inner.pause_seconds) {
            count(endpoint, "paused");
            return Err(Failure::Paused);
        }
        let patience = if token.is_some() { inner.timeout } else { inner.background_timeout };
        let began = Instant::now();
        let traced = tracing::debug_span!(
            target: trace::TARGET, "call", otel.name = format!("GET user service {}", endpoint.name()),
            otel.kind = "client", http.request.method = "GET", peer.service = "user-service",
        );
        let asking = self.try_often(path, token.or(inner.token.as_deref())).instrument(traced);
        let asked = tokio::time::timeout(patience, asking).await;
        metrics::histogram!("user_service_request_seconds", "endpoint" => endpoint.name()).record(began.elapsed());
        let answer = asked.unwrap_or(Err(Failure::TimedOut)).and_then(|body| {
            let Some(body) = body else { return Ok(None) };
            let value = serde_json::from_slice(&body).map_err(Failure::Malformed)?;
            Ok(Some((body.into(), value)))
        });
        let is_unwell = answer.as_ref().is_err_and(Failure::is_its_own);
        endpoint.breaker().set(if is_unwell { 1.0 } else { 0.0 });
        match &answer {
            Err(error) => {
                if is_unwell {
                    breaker.is_unwell(now, inner.pause_seconds);
                } else {
                    breaker.is_well();
                }
                count(endpoint, "failed");
                tracing::warn!(%error, path, "the User Service fails");
                metrics::counter!("user_service_failures_total", "endpoint" => endpoint.name()).increment(1);
            }
            Ok(found) => {
                count(endpoint, if found.is_some() { "answered" } else { "absent" });
                breaker.is_well();
            }
        }
        answer
    }

    async fn try_often(&self, path: &str, token: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
        // Closed never: an error here means the same as waiting in vain.
        let _slot = self.0.slots.acquire().await.map_err(|_| Failure::TimedOut)?;
        let mut tries = 0;
        loop {
            match self.try_once(path, token).await {
                Err(failure) if failure.may_pass() && tries < self.0.retries => {
                    // Callers who have failed together must not come back together.
                    let longest = BACKOFF_MS << tries.min(10);
                    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=longest))).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn try_once(&self, path: &str, token: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
        let mut request = self.0.http.get(format!("{}{path}", self.0.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(traceparent) = trace::here() {
            request = request.header("traceparent", traceparent);
        }
        let mut response = request.send().await?;
        match response.status().as_u16() {
            404 => return Ok(None),
            200..300 => {}
            status => return Err(Failure::Status(status)),
        }
        let most = self.0.max_answer_bytes;
        let is_said_large = response.content_length().is_some_and(|length| length > most as u64);
        let mut body = Vec::new();
        if is_said_large {
            return Err(Failure::TooLarge(most));
        }
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > most {
                return Err(Failure::TooLarge(most));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }
}
