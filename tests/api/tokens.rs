//! Tokens that are signed with the identity provider's keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::EncodePrivateKey;
use quests::config::DEVELOPMENT_SECRET;
use rsa::pkcs1::EncodeRsaPrivateKey;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Client, ISSUER, Reply, Service, Setup, database};

/// Making one takes long; it serves all tests.
static RSA: LazyLock<Key> = LazyLock::new(|| {
    let key = rsa::RsaPrivateKey::new(&mut OsRng, 2_048).unwrap();
    Key::new("rsa", Algorithm::RS256, EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes()))
});

struct Key {
    id: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Key {
    const fn new(id: &'static str, algorithm: Algorithm, private: EncodingKey) -> Self {
        Self { id, algorithm, private }
    }

    fn ec(id: &'static str) -> Self {
        let key = p256::SecretKey::random(&mut OsRng).to_pkcs8_der().unwrap();
        Self::new(id, Algorithm::ES256, EncodingKey::from_ec_der(key.as_bytes()))
    }

    /// As a member of a key set.
    fn public(&self) -> Value {
        let mut key = serde_json::to_value(Jwk::from_encoding_key(&self.private, self.algorithm).unwrap()).unwrap();
        key["kid"] = json!(self.id);
        key["use"] = json!("sig");
        key
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) }
    }

    fn token(&self) -> String {
        signed(&self.header(), &self.private, 600, "authenticated")
    }
}

fn signed(header: &Header, key: &EncodingKey, expires: i64, audience: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let claims = json!({
        "sub": Uuid::new_v4(), "iss": ISSUER, "aud": audience, "exp": now + expires, "roles": ["Verified Lecturer"],
    });
    jsonwebtoken::encode(header, &claims, key).unwrap()
}

/// What the address of the keys does.
#[derive(Clone, Default)]
enum Mode {
    #[default]
    Well,
    Status(StatusCode),
    Redirects(String),
    Sends(String),
}

/// An identity provider, as far as its keys go.
#[derive(Clone, Default)]
struct Provider {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    mode: Arc<Mutex<Mode>>,
    delay: Arc<Mutex<Duration>>,
    calls: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(keys: &[&Key]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self { url: format!("http://{}/jwks.json", listener.local_addr().unwrap()), ..Self::default() };
        provider.has(keys);
        let played = provider.clone();
        let router = Router::new().route("/jwks.json", get(async move || played.answer().await));
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn has(&self, keys: &[&Key]) {
        *self.keys.lock().unwrap() = keys.iter().map(|key| key.public()).collect();
    }

    fn behaves(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn takes(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    async fn answer(&self) -> Response {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (delay, mode) = (*self.delay.lock().unwrap(), self.mode.lock().unwrap().clone());
        tokio::time::sleep(delay).await;
        match mode {
            Mode::Well => json!({"keys": *self.keys.lock().unwrap()}).to_string().into_response(),
            Mode::Status(status) => status.into_response(),
            Mode::Redirects(to) => {
                let mut headers = HeaderMap::new();
                headers.insert("location", to.parse().unwrap());
                (StatusCode::FOUND, headers).into_response()
            }
            Mode::Sends(body) => body.into_response(),
        }
    }
}

async fn start(pool: &PgPool, provider: &Provider, secret: &str) -> Service {
    let args = vec![
        format!("--jwt-jwks-url={}", provider.url),
        format!("--jwt-secret={secret}"),
        "--jwt-jwks-timeout-ms=1000".to_owned(),
    ];
    Service::start_with(pool, Setup { args, ..Setup::default() }).await
}

fn with(service: &Service, token: String) -> Client {
    let mut client = service.anonymous();
    client.token = Some(token);
    client
}

async fn sent(service: &Service, token: String) -> Reply {
    with(service, token).get("/v1/quests?isActive=false").await
}

#[tokio::test]
async fn each_algorithm_has_keys_of_its_own_kind() {
    let pool = database().await;
    let ec = Key::ec("ec");
    let provider = Provider::start(&[&RSA, &ec]).await;
    let (elsewhere, theirs) = (Provider::start(&[]).await, Key::ec("theirs"));
    elsewhere.has(&[&theirs]);
    // What is in the set and not for us does no harm.
    provider.keys.lock().unwrap().extend([
        json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}),
        json!({"kty": 7}),
        json!("x"),
    ]);
    let mut encrypting = RSA.public();
    encrypting["kid"] = json!("encrypting");
    encrypting["use"] = json!("enc");
    provider.keys.lock().unwrap().push(encrypting);
    let service = start(&pool, &provider, DEVELOPMENT_SECRET).await;
    for token in [RSA.token(), ec.token(), service.author().token.unwrap()] {
        sent(&service, token).await.expect(200);
    }
    let secret = |secret: &str| EncodingKey::from_secret(secret.as_bytes());
    let modulus = RSA.public()["n"].as_str().unwrap().to_owned();
    let named = |id: &str, algorithm| Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
    let led = Header { jku: Some(elsewhere.url.clone()), x5u: Some(elsewhere.url.clone()), ..theirs.header() };
    let told = Header {
        jwk: Some(Jwk::from_encoding_key(&theirs.private, theirs.algorithm).unwrap()),
        ..named("ec", Algorithm::ES256)
    };
    let sign = |header: &Header, key: &EncodingKey| signed(header, key, 600, "authenticated");
    for (what, token) in [
        ("no key id", sign(&Header::new(Algorithm::RS256), &RSA.private)),
        ("ES256 by the id of an RSA key", sign(&named("rsa", Algorithm::ES256), &ec.private)),
        ("RS256 by the id of an EC key", sign(&named("ec", Algorithm::RS256), &RSA.private)),
        ("RS512", sign(&named("rsa", Algorithm::RS512), &RSA.private)),
        ("PS256", sign(&named("rsa", Algorithm::PS256), &RSA.private)),
        ("a public key as secret", sign(&named("rsa", Algorithm::HS256), &secret(&modulus))),
        ("a secret in the set", sign(&named("oct", Algorithm::HS256), &secret("secret"))),
        ("a key for something else", sign(&named("encrypting", Algorithm::RS256), &RSA.private)),
        ("another key", sign(&named("ec", Algorithm::ES256), &theirs.private)),
        ("keys elsewhere", sign(&led, &theirs.private)),
        ("a key in the token", sign(&told, &theirs.private)),
        ("expired", signed(&ec.header(), &ec.private, -60, "authenticated")),
        ("another audience", signed(&ec.header(), &ec.private, 600, "others")),
        ("an unknown key", theirs.token()),
    ] {
        let reply = sent(&service, token).await;
        assert_eq!(reply.status, 401, "{what}: {}", reply.text);
        reply.problem(401, "unauthorized");
    }
    assert_eq!(elsewhere.calls(), 0, "no address in a token is followed");

    // Without a secret HS256 is off, an empty secret is none.
    let service = start(&pool, &provider, "").await;
    sent(&service, ec.token()).await.expect(200);
    for own in ["", DEVELOPMENT_SECRET] {
        sent(&service, sign(&Header::new(Algorithm::HS256), &secret(own))).await.problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_once_for_all_and_unknown_ones_once_in_30_seconds() {
    let pool = database().await;
    let (old, new) = (Key::ec("old"), Key::ec("new"));
    let provider = Provider::start(&[&old]).await;
    let service = start(&pool, &provider, "").await;
    provider.takes(Duration::from_millis(200));
    for (key, calls) in [(&old, 1), (&new, 2)] {
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let client = with(&service, key.token());
                tokio::spawn(async move { client.get("/v1/quests").await.status.as_u16() })
            })
            .collect();
        for answer in waiting {
            assert_eq!(answer.await.unwrap(), 200, "{}", key.id);
        }
        assert_eq!(provider.calls(), calls, "all wait for one fetch");
        provider.has(&[&old, &new]);
    }
    sent(&service, old.token()).await.expect(200);
    provider.takes(Duration::ZERO);
    let (unknown, other) = (Key::ec("unknown"), Key::ec("other"));
    for key in [&unknown, &unknown, &other] {
        sent(&service, key.token()).await.problem(401, "unauthorized");
    }
    service.wait(29);
    sent(&service, other.token()).await.problem(401, "unauthorized");
    assert_eq!(provider.calls(), 3);
    service.wait(2);
    provider.has(&[&new, &other]);
    sent(&service, other.token()).await.expect(200);
    assert_eq!(provider.calls(), 4);
    sent(&service, old.token()).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_caller_who_goes_away_takes_nobodys_key_along() {
    let pool = database().await;
    let key = Key::ec("key");
    let provider = Provider::start(&[&key]).await;
    let service = start(&pool, &provider, "").await;
    provider.takes(Duration::from_millis(300));
    let impatient = with(&service, key.token());
    tokio::time::timeout(Duration::from_millis(100), impatient.get("/v1/quests")).await.unwrap_err();
    sent(&service, key.token()).await.expect(200);
    assert_eq!(provider.calls(), 1);
}

#[tokio::test]
async fn known_keys_stay_good_while_their_address_is_away_and_go_when_it_drops_them() {
    let pool = database().await;
    let (first, second) = (Key::ec("first"), Key::ec("second"));
    let provider = Provider::start(&[&first]).await;
    let service = start(&pool, &provider, "").await;
    sent(&service, first.token()).await.expect(200);
    provider.behaves(Mode::Status(StatusCode::INTERNAL_SERVER_ERROR));
    service.wait(301);
    sent(&service, first.token()).await.expect(200);
    for _ in 0..200 {
        if provider.calls() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(provider.calls(), 2, "old keys are fetched anew");
    service.wait(31);
    sent(&service, first.token()).await.expect(200);
    // Nobody can tell whether this one is good.
    let reply = sent(&service, second.token()).await;
    assert!(reply.header("retry-after").is_some());
    reply.problem(503, "unavailable");
    let calls = provider.calls();
    for unknown in ["unknown", "unknown too", "unknown as well"] {
        service.wait(5);
        sent(&service, Key::ec(unknown).token()).await.problem(503, "unavailable");
    }
    assert_eq!(provider.calls(), calls, "unknown keys do not call an address that has just failed");

    provider.behaves(Mode::Well);
    provider.has(&[&second]);
    service.wait(301);
    sent(&service, second.token()).await.expect(200);
    sent(&service, first.token()).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn what_is_no_key_set_is_not_read_for_one() {
    let pool = database().await;
    let key = Key::ec("key");
    let (provider, elsewhere) = (Provider::start(&[&key]).await, Provider::start(&[&key]).await);
    let service = start(&pool, &provider, "").await;
    let padded = json!({"keys": [key.public()], "padding": "x".repeat(70_000)}).to_string();
    for mode in [
        Mode::Redirects(elsewhere.url.clone()),
        Mode::Sends(padded),
        Mode::Sends("<html>".to_owned()),
        Mode::Sends("[]".to_owned()),
    ] {
        provider.behaves(mode);
        sent(&service, key.token()).await.problem(503, "unavailable");
        service.wait(31);
    }
    provider.behaves(Mode::Well);
    provider.takes(Duration::from_secs(20));
    sent(&service, key.token()).await.problem(503, "unavailable");
    assert_eq!(elsewhere.calls(), 0);
    provider.takes(Duration::ZERO);
    service.wait(31);
    sent(&service, key.token()).await.expect(200);
}
