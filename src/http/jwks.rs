//! Public keys of tokens, from the identity provider's key set: cached, and fetched anew when they are old or one is unknown.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::config::JwksConfig;

/// Shorter moduli can be broken; in characters of base64url, 2,048 bits.
const SHORTEST_MODULUS: usize = 342;

/// The key set; clones share it.
#[derive(Clone)]
pub struct Jwks(Arc<Inner>);

struct Inner {
    url: reqwest::Url,
    http: reqwest::Client,
    max_bytes: usize,
    refresh_after: TimeDelta,
    spare: TimeDelta,
    clock: Clock,
    known: RwLock<Known>,
    /// Held while somebody fetches: everybody else waits for that answer.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, (Algorithm, Arc<DecodingKey>)>,
    /// When the address was last asked, whatever came of it.
    asked_at: Option<DateTime<Utc>>,
    /// Until then it is not asked for unknown keys: it has just not known one, or not answered.
    spared_until: Option<DateTime<Utc>>,
    is_away: bool,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The provider has no such key, or one for another algorithm.
    Unknown,
    /// The provider does not answer, so nobody can tell.
    Away,
}

impl Jwks {
    /// None where no address is set.
    ///
    /// # Errors
    /// A sentence, when the address is none.
    pub fn new(config: &JwksConfig, clock: Clock) -> Result<Option<Self>, String> {
        let Some(url) = config.jwt_jwks_url.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let url: reqwest::Url = url.parse().map_err(|error| format!("JWT_JWKS_URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("JWT_JWKS_URL: must be http or https".to_owned());
        }
        let timeout = Duration::from_millis(config.jwt_jwks_timeout_ms);
        let http = crate::outgoing::client()
            .timeout(timeout)
            .connect_timeout(timeout)
            // Where keys come from is what the configuration says, and nothing else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("JWT_JWKS_URL: {error}"))?;
        Ok(Some(Self(Arc::new(Inner {
            url,
            http,
            max_bytes: usize::try_from(config.jwt_jwks_max_bytes).unwrap_or(usize::MAX),
            refresh_after: TimeDelta::seconds(config.jwt_jwks_refresh_seconds.into()),
            spare: TimeDelta::seconds(config.jwt_jwks_unknown_key_seconds.into()),
            clock,
            known: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        }))))
    }

    /// The key with this id, for this algorithm. An unknown one is asked for, and waited for.
    ///
    /// # Errors
    /// When there is none.
    pub async fn key(&self, id: &str, algorithm: Algorithm) -> Result<Arc<DecodingKey>, Missing> {
        let now = self.0.clock.now();
        let (mut found, is_spared, is_old) = {
            let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
            let is_spared = known.is_spared(now);
            (known.find(id), is_spared, known.asked_at.is_none_or(|at| now - at >= self.0.refresh_after))
        };
        if found.is_some() && is_old && !is_spared {
            // What is known is good meanwhile.
            let keys = self.clone();
            tokio::spawn(async move { keys.refresh(now).await });
        }
        if found.is_none() && !is_spared {
            // In a task of its own: a caller who goes away must not take the others' answer along.
            let (keys, asked_for) = (self.clone(), id.to_owned());
            let asked = tokio::spawn(async move { keys.ask_for(&asked_for).await }).await;
            if let Err(error) = asked {
                tracing::error!(%error, "fetching the keys of tokens panicked");
            }
            found = self.0.known.read().unwrap_or_else(PoisonError::into_inner).find(id);
        }
        match found {
            Some((its, key)) if its == algorithm => Ok(key),
            None if self.0.known.read().unwrap_or_else(PoisonError::into_inner).is_away => Err(Missing::Away),
            _ => Err(Missing::Unknown),
        }
    }

    async fn ask_for(&self, id: &str) {
        let _only = self.0.fetching.lock().await;
        let now = self.0.clock.now();
        {
            let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.find(id).is_some() || known.is_spared(now) {
                return;
            }
        }
        self.fetch(now).await;
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.find(id).is_none() && !known.is_away {
            known.spared_until = Some(now + self.0.spare);
        }
    }

    /// Fetches what is old, unless somebody does so already.
    async fn refresh(&self, now: DateTime<Utc>) {
        let Ok(_only) = self.0.fetching.try_lock() else { return };
        let is_done = {
            let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
            known.is_spared(now) || known.asked_at.is_some_and(|at| now - at < self.0.refresh_after)
        };
        if !is_done {
            self.fetch(now).await;
        }
    }

    /// Takes the provider's keys in place of those known; these stay while it does not answer.
    async fn fetch(&self, now: DateTime<Utc>) {
        let fetched = self.download().await;
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.asked_at = Some(now);
        known.is_away = fetched.is_err();
        match fetched {
            Ok(keys) => known.keys = keys,
            Err(error) => {
                // Without any key nobody gets in: what has failed just now may answer in a moment.
                let spare = if known.keys.is_empty() { self.0.spare.min(AFTER_FAILURE) } else { self.0.spare };
                known.spared_until = Some(now + spare);
                drop(known);
                tracing::warn!(error, "the keys of tokens cannot be fetched");
                metrics::counter!("jwks_failures_total").increment(1);
            }
        }
    }

    async fn download(&self) -> Result<HashMap<String, (Algorithm, Arc<DecodingKey>)>, String> {
        let why = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.0.http.get(self.0.url.clone()).send().await.map_err(why)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("status {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(why)? {
            if body.len() + chunk.len() > self.0.max_bytes {
                return Err(format!("more than {} bytes", self.0.max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        keys_of(&body)
    }
}

impl Known {
    fn find(&self, id: &str) -> Option<(Algorithm, Arc<DecodingKey>)> {
        self.keys.get(id).cloned()
    }

    fn is_spared(&self, now: DateTime<Utc>) -> bool {
        self.spared_until.is_some_and(|until| now < until)
    }
}

/// How long an address that has failed is left in peace while no key is known.
const AFTER_FAILURE: TimeDelta = TimeDelta::seconds(1);

/// The keys of a set that we can use; what we cannot is for others.
fn keys_of(body: &[u8]) -> Result<HashMap<String, (Algorithm, Arc<DecodingKey>)>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|error| format!("no key set: {error}"))?;
    let usable = set.keys.into_iter().filter_map(|key| {
        let key: Jwk = serde_json::from_value(key).ok()?;
        let id = key.common.key_id.clone()?;
        Some((id, (algorithm_of(&key)?, Arc::new(DecodingKey::from_jwk(&key).ok()?))))
    });
    Ok(usable.collect())
}

/// What a key is for: its kind decides, and what it says of itself must not contradict.
fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    let (algorithm, named) = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) if rsa.n.trim_end_matches('=').len() >= SHORTEST_MODULUS => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    let is_named = key.common.key_algorithm.is_none_or(|own| own == named);
    let is_for_signatures =
        key.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    (is_named && is_for_signatures).then_some(algorithm)
}
