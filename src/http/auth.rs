//! Who is calling: bearer JWTs (HS256) and the map from the token's role names to ours.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::problem::{Code, Problem};
use crate::clock::Clock;
use crate::config::JwtConfig;
use crate::ids::LearnerId;

/// What a caller may do, beyond what every signed-in learner may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles {
    pub author: bool,
    pub grader: bool,
    pub admin: bool,
    pub service: bool,
}

impl Roles {
    fn add(&mut self, other: Self) {
        self.author |= other.author || other.admin;
        self.grader |= other.grader || other.admin;
        self.admin |= other.admin;
        self.service |= other.service;
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(names: &str) -> Result<Self, String> {
        let mut roles = Self::default();
        for name in names.split('+') {
            match name.trim() {
                "learner" => {}
                "author" => roles.author = true,
                "grader" => roles.grader = true,
                "admin" => roles.add(Self { admin: true, ..Self::default() }),
                "service" => roles.service = true,
                other => return Err(format!("'{other}' is not learner, author, grader, admin or service")),
            }
        }
        Ok(roles)
    }
}

/// `ROLE_MAP`: names in tokens onto our roles. A name that is not in it is a learner's.
#[derive(Debug, Clone, Default)]
pub struct RoleMap(Arc<HashMap<String, Roles>>);

impl FromStr for RoleMap {
    type Err = String;

    fn from_str(map: &str) -> Result<Self, String> {
        map.split(';')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                let (name, roles) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not name=role"))?;
                Ok((name.trim().to_owned(), roles.parse()?))
            })
            .collect::<Result<_, String>>()
            .map(|map| Self(Arc::new(map)))
    }
}

/// The signed-in caller.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// `sub` of the token
    pub id: Uuid,
    pub roles: Roles,
    /// When the request came, for what depends on the time.
    pub now: chrono::DateTime<chrono::Utc>,
}

impl Caller {
    /// The caller as a learner.
    #[must_use]
    pub const fn learner(&self) -> LearnerId {
        LearnerId(self.id)
    }

    /// # Errors
    /// 403 for who is no author.
    pub fn require_author(&self) -> Result<(), Problem> {
        if self.roles.author {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "this needs the role of an author"))
    }

    /// # Errors
    /// 403 for whoever is no grader.
    pub fn require_grader(&self) -> Result<(), Problem> {
        if self.roles.grader {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "this needs the role of a grader"))
    }

    /// # Errors
    /// 403 for whoever is no service; an admin may what services may.
    pub fn require_service(&self) -> Result<(), Problem> {
        if self.roles.service || self.roles.admin {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "this needs the role of a service"))
    }

    /// # Errors
    /// 403 for whoever is no admin.
    pub fn require_admin(&self) -> Result<(), Problem> {
        if self.roles.admin {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "this needs the role of an admin"))
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    exp: i64,
    iss: String,
    aud: serde_json::Value,
    #[serde(default)]
    roles: Vec<String>,
}

/// Checks tokens against the configuration.
#[derive(Clone)]
pub struct Authenticator {
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
    roles: RoleMap,
    clock: Clock,
}

impl Authenticator {
    /// # Errors
    /// A sentence that says what to set instead, when the secret is too short.
    pub fn new(config: &JwtConfig, roles: RoleMap, clock: Clock) -> Result<Self, String> {
        if config.jwt_secret.len() < 32 {
            return Err(
                "JWT_SECRET has fewer than 32 bytes; set a longer one, e.g. from `openssl rand -base64 48`".into()
            );
        }
        // The algorithm comes from the configuration, never from the token.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&config.jwt_issuer]);
        validation.set_audience(&[&config.jwt_audience]);
        validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        Ok(Self {
            key: Arc::new(DecodingKey::from_secret(config.jwt_secret.as_bytes())),
            validation: Arc::new(validation),
            roles,
            clock,
        })
    }

    /// The caller that a token stands for.
    ///
    /// # Errors
    /// 401, with what is wrong with the token.
    pub fn caller(&self, token: &str) -> Result<Caller, Problem> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| Problem::new(Code::Unauthorized, format!("the token is refused: {error}")))?
            .claims;
        let mut roles = Roles::default();
        for name in &claims.roles {
            roles.add(self.roles.0.get(name).copied().unwrap_or_default());
        }
        Ok(Caller { id: claims.sub, roles, now: self.clock.now() })
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .ok_or_else(|| Problem::new(Code::Unauthorized, "send a token: `Authorization: Bearer …`"))?;
        let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::new(Code::Unauthorized, "send a token: `Authorization: Bearer …`"));
        }
        let caller = Authenticator::from_ref(state).caller(token.trim())?;
        tracing::Span::current().record("caller", tracing::field::display(caller.id));
        Ok(caller)
    }
}

/// A token for development, valid for 30 days.
///
/// # Errors
/// When it cannot be signed.
pub fn development_token(
    config: &JwtConfig,
    clock: &Clock,
    sub: Uuid,
    roles: Vec<String>,
) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = Claims {
        sub,
        exp: (clock.now() + chrono::TimeDelta::days(30)).timestamp(),
        iss: config.jwt_issuer.clone(),
        aud: config.jwt_audience.clone().into(),
        roles,
    };
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(config.jwt_secret.as_bytes()))
}
