//! Who is calling: bearer JWTs (HS256 by the secret, RS256 and ES256 by the key set) and the map from the token's role
//! names to ours.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::jwks::{Jwks, Missing};
use super::problem::{Code, Problem};
use crate::clock::Clock;
use crate::config::{JwksConfig, JwtConfig};
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

    /// Whether the catalogue may hold what this caller has just written.
    #[must_use]
    pub const fn may_write_the_catalogue(&self) -> bool {
        let Roles { author, grader, admin, service } = self.roles;
        author || grader || admin || service
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
    /// 403 for who is neither author nor grader.
    pub fn require_author_or_grader(&self) -> Result<(), Problem> {
        if self.roles.author || self.roles.grader {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "this needs the role of an author or a grader"))
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
    secret: Option<Arc<Check>>,
    keys: Option<Jwks>,
    /// What RS256 and ES256 tokens must say.
    asymmetric: Arc<[Validation; 2]>,
    roles: RoleMap,
    clock: Clock,
}

struct Check {
    key: DecodingKey,
    validation: Validation,
}

impl Authenticator {
    /// # Errors
    /// A sentence that says what to set instead: the secret is too short, or the address is none.
    pub fn new(jwt: &JwtConfig, jwks: &JwksConfig, roles: RoleMap, clock: Clock) -> Result<Self, String> {
        let keys = Jwks::new(jwks, clock.clone())?;
        let is_off = keys.is_some() && jwt.jwt_secret.is_empty();
        if !is_off && jwt.jwt_secret.len() < 32 {
            return Err(
                "JWT_SECRET has fewer than 32 bytes; set a longer one, e.g. from `openssl rand -base64 48`".into()
            );
        }
        let secret = (!is_off).then(|| {
            Arc::new(Check {
                key: DecodingKey::from_secret(jwt.jwt_secret.as_bytes()),
                validation: validation(Algorithm::HS256, jwt),
            })
        });
        let asymmetric = [Algorithm::RS256, Algorithm::ES256].map(|algorithm| validation(algorithm, jwt));
        Ok(Self { secret, keys, asymmetric: Arc::new(asymmetric), roles, clock })
    }

    /// The caller that a token stands for.
    ///
    /// # Errors
    /// 401, with what is wrong with the token; 503 when the key that it names cannot be fetched.
    pub async fn caller(&self, token: &str) -> Result<Caller, Problem> {
        let claims = match (&self.secret, &self.keys) {
            (Some(secret), None) => decode(token, &secret.key, &secret.validation)?,
            (secret, Some(keys)) => {
                let header = jsonwebtoken::decode_header(token).map_err(|error| refused(&error))?;
                // The token only chooses among what the configuration allows: each algorithm has keys of its own kind,
                // so that a public key is never taken for a secret. Addresses of keys in the header are not looked at.
                match (header.alg, secret) {
                    (Algorithm::HS256, Some(secret)) => decode(token, &secret.key, &secret.validation)?,
                    (algorithm @ (Algorithm::RS256 | Algorithm::ES256), _) => {
                        let id = header.kid.ok_or_else(|| refused(&"it names no key (`kid`)"))?;
                        let key = keys.key(&id, algorithm).await.map_err(|missing| match missing {
                            Missing::Unknown => refused(&"nobody knows its key"),
                            Missing::Away => {
                                Problem::new(Code::Unavailable, "the keys of tokens cannot be fetched now")
                                    .retry_after(5)
                            }
                        })?;
                        let [rs256, es256] = &*self.asymmetric;
                        decode(token, &key, if algorithm == Algorithm::RS256 { rs256 } else { es256 })?
                    }
                    _ => return Err(refused(&"InvalidAlgorithm")),
                }
            }
            (None, None) => return Err(refused(&"InvalidAlgorithm")),
        };
        let mut roles = Roles::default();
        for name in &claims.roles {
            roles.add(self.roles.0.get(name).copied().unwrap_or_default());
        }
        Ok(Caller { id: claims.sub, roles, now: self.clock.now() })
    }
}

fn validation(algorithm: Algorithm, config: &JwtConfig) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&config.jwt_issuer]);
    validation.set_audience(&[&config.jwt_audience]);
    validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
    validation.validate_nbf = true;
    validation.leeway = 30;
    validation
}

fn decode(token: &str, key: &DecodingKey, validation: &Validation) -> Result<Claims, Problem> {
    Ok(jsonwebtoken::decode::<Claims>(token, key, validation).map_err(|error| refused(&error))?.claims)
}

fn refused(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::Unauthorized, format!("the token is refused: {why}"))
}

/// The token of a request, to be passed on in the caller's name.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)
            .ok_or_else(|| Problem::new(Code::Unauthorized, "send a token: `Authorization: Bearer …`"))?;
        let caller = Authenticator::from_ref(state).caller(token).await?;
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
