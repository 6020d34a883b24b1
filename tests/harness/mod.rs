//! What the tests share: a service on a port of its own, a client, builders over HTTP, a consumer.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests read the environment that `make test` gives, ask their own questions, and play other services"
)]

pub mod broker;
pub mod collector;
pub mod contract;
mod database;
pub mod embeddings;
pub mod messages;
pub mod process;
pub mod proxy;
#[cfg(feature = "semantic")]
pub mod qdrant;
pub mod stream;
pub mod users;

use std::sync::Arc;

pub use self::database::database;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, FromArgMatches};
use quests::analytics::scheduler;
use quests::app::{self, Running};
use quests::clock::Clock;
use quests::config::{Config, DEVELOPMENT_SECRET, JwtConfig};
use quests::db::Db;
use quests::http::auth::development_token;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use uuid::Uuid;

pub const ISSUER: &str = "http://localhost/auth/v1";

/// Rounds of a race or crash test: a few in `make test`, many in `make soak`.
pub fn rounds(few: usize, many: usize) -> usize {
    if std::env::var("QUESTS_SOAK").is_ok() { many } else { few }
}

/// Of a pool, where a test does not say otherwise.
pub const CONNECTIONS: u32 = 2;

/// A running service over a database of its own, with a clock that the test moves.
pub struct Service {
    pub base: String,
    pub pool: PgPool,
    pub clock: Clock,
    pub exchange: String,
    client: reqwest::Client,
    connections: PgPool,
    /// The database whose pool for services it has.
    lent: Option<String>,
    running: Running,
}

/// How a test wants its service.
pub struct Setup {
    pub amqp_url: Option<String>,
    pub exchange: String,
    pub database_url: Option<String>,
    pub connections: u32,
    pub args: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            amqp_url: None,
            exchange: format!("test.{}", Uuid::new_v4()),
            database_url: None,
            connections: CONNECTIONS,
            args: Vec::new(),
        }
    }
}

pub fn amqp_url() -> String {
    std::env::var("AMQP_URL").expect("AMQP_URL: run the tests with `make test`")
}

pub fn url_of(options: &PgConnectOptions) -> String {
    options.to_url_lossy().to_string()
}

/// The same database through the pooler that `make try-pgbouncer` runs, if it does: its host and port.
fn through_pooler(direct: &str) -> String {
    let Ok(pooler) = std::env::var("QUESTS_TEST_POOLER") else { return direct.to_owned() };
    let (host, port) = pooler.split_once(':').expect("QUESTS_TEST_POOLER: host:port");
    let mut url: url::Url = direct.parse().unwrap();
    url.set_host(Some(host)).unwrap();
    url.set_port(Some(port.parse().unwrap())).unwrap();
    url.to_string()
}

/// Settings as `quests serve` would read them, from arguments only.
pub fn config(arguments: &[String]) -> Config {
    let command = Config::augment_args(clap::Command::new("test").mut_args(|arg| arg));
    let arguments = std::iter::once("test".to_owned()).chain(arguments.iter().cloned());
    let matches = command.try_get_matches_from(arguments).expect("arguments fit");
    Config::from_arg_matches(&matches).expect("settings fit")
}

impl Service {
    /// Without a broker and without jobs in the background: what is about neither needs neither.
    pub async fn start(pool: &PgPool) -> Self {
        Self::start_with(pool, Setup::default()).await
    }

    /// With its jobs in the background, as in production.
    pub async fn start_with_jobs(pool: &PgPool) -> Self {
        let args = vec!["--background-jobs=true".to_owned()];
        Self::start_with(pool, Setup { args, ..Setup::default() }).await
    }

    pub async fn start_with(pool: &PgPool, setup: Setup) -> Self {
        let options = pool.connect_options();
        let direct = url_of(&options);
        let database = setup.database_url.clone().unwrap_or_else(|| through_pooler(&direct));
        let mut arguments = vec![
            format!("--database-url={database}"),
            format!("--database-max-connections={}", setup.connections),
            format!("--jwt-issuer={ISSUER}"),
            format!("--amqp-exchange={}", setup.exchange),
            "--bind-addr=127.0.0.1:0".to_owned(),
        ];
        for (setting, value) in [
            ("--jwt-secret=", DEVELOPMENT_SECRET),
            // An index is for the tests that ask for one.
            ("--search-index=", "false"),
            ("--background-jobs=", "false"),
            // Its statements are nobody's call.
            ("--metrics-interval-seconds=", "300"),
            // A busy machine is no reason to call a neighbour slow.
            ("--user-service-timeout-ms=", "10000"),
            ("--user-service-connect-timeout-ms=", "5000"),
        ] {
            if !setup.args.iter().any(|arg| arg.starts_with(setting)) {
                arguments.push(format!("{setting}{value}"));
            }
        }
        // So are the exchanges of others.
        if !setup.args.iter().any(|arg| arg.starts_with("--inbox-queue=")) {
            arguments.extend(["event-service", "meetings", "users"].map(|other| format!("--{other}-exchange=")));
        }
        let is_ordinary = database == direct
            && setup.connections == CONNECTIONS
            && !setup.args.iter().any(|arg| arg.starts_with("--database-"));
        arguments.extend(setup.args);
        if setup.database_url.is_none() && database != direct {
            arguments.push(format!("--database-direct-url={direct}"));
        }
        let mut config = config(&arguments);
        // A broker in the environment is for the tests that ask for it.
        config.broker.amqp_url = setup.amqp_url;
        let clock = Clock::fixed("2026-09-01T08:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let lent = is_ordinary.then(|| options.get_database().and_then(database::for_service)).flatten();
        let (connections, lent) = match lent {
            Some(connections) => (connections, options.get_database().map(str::to_owned)),
            None => (quests::db::pool(&config.database).unwrap(), None),
        };
        let db = Db::new(connections.clone());
        let listener = tokio::net::TcpListener::bind(config.bind_addr).await.unwrap();
        let running = app::start(&config, db, clock.clone(), listener).unwrap();
        let base = format!("http://{}", running.address);
        Self {
            base,
            pool: pool.clone(),
            clock,
            exchange: setup.exchange,
            client: http_client(),
            connections,
            lent,
            running,
        }
    }

    /// Lets it finish, and leaves the database.
    pub async fn stop(self) {
        self.running.stop().await;
        match self.lent {
            Some(database) => database::give_back(&database, self.connections),
            None => self.connections.close().await,
        }
    }

    pub fn wait(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// All that the background has to do now; for a service with `--background-jobs=false`.
    pub async fn work_in_background(&self) {
        let db = Db::new(self.connections.clone());
        quests::attempts::service::run_recomputes(&db, &self.clock).await.unwrap();
        quests::enrollments::service::run_reevaluations(&db, &self.clock).await.unwrap();
        quests::enrollments::service::run_schedule(&db, &self.clock).await.unwrap();
    }

    /// Computes the rows of `quest_analytics` of the day on which the clock stands.
    pub async fn compute_analytics(&self) {
        let arguments = ["--database-url=postgres://nowhere/x".to_owned(), "--jwt-issuer=x".to_owned()];
        let (config, day) = (config(&arguments).analytics, self.clock.now().date_naive());
        let mut connection = self.pool.acquire().await.unwrap();
        scheduler::recompute(&mut connection, &config, &self.clock, day, day).await.unwrap();
    }

    pub fn learner(&self) -> Client {
        self.client_as(Uuid::new_v4(), &["Player"])
    }

    pub fn author(&self) -> Client {
        self.client_as(Uuid::new_v4(), &["Verified Lecturer"])
    }

    pub fn client_as(&self, id: Uuid, roles: &[&str]) -> Client {
        Client { base: self.base.clone(), token: Some(token(id, roles)), id, http: self.client.clone() }
    }

    pub fn anonymous(&self) -> Client {
        Client { base: self.base.clone(), token: None, id: Uuid::nil(), http: self.client.clone() }
    }
}

pub fn token(id: Uuid, roles: &[&str]) -> String {
    let jwt = JwtConfig {
        jwt_secret: DEVELOPMENT_SECRET.to_owned(),
        jwt_issuer: ISSUER.to_owned(),
        jwt_audience: "authenticated".to_owned(),
    };
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    development_token(&jwt, &Clock::default(), id, roles).unwrap()
}

/// Somebody who calls.
#[derive(Clone)]
pub struct Client {
    pub base: String,
    pub token: Option<String>,
    pub id: Uuid,
    pub http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        self.text.parse().unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// A problem with this status and code, well-formed.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert!(self.header("x-correlation-id").is_some());
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        for member in ["type", "title", "detail", "instance"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        body
    }
}

impl Client {
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            // As its `json` does, which would compile the serialization of values once more, without optimizing.
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                request = request.header(CONTENT_TYPE, "application/json");
            }
            request = request.body(body.to_string());
        }
        let response = request.send().await?;
        Ok(Reply { status: response.status(), headers: response.headers().clone(), text: response.text().await? })
    }

    /// The status of an answer whose body is not waited for.
    pub async fn try_open(&self, path: &str) -> u16 {
        let request =
            self.http.get(format!("{}{path}", self.base)).bearer_auth(self.token.as_deref().unwrap_or_default());
        request.send().await.unwrap().status().as_u16()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, &[], Some(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, &[], Some(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, &[], Some(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// All items of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                None => self.get(&format!("{path}{joint}limit=100")).await.expect(200),
                Some(cursor) => self.get(&format!("{path}{joint}limit=100&cursor={cursor}")).await.expect(200),
            };
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
        }
    }

    /// As an author: an active quest with mandatory Reflection steps that need nothing.
    pub async fn quest(&self, title: &str, steps: usize, experience: i32) -> Value {
        let quest = self.draft(title, experience).await;
        for number in 1..=steps {
            self.step(&quest, step(&format!("{title} {number}"))).await;
        }
        self.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200)
    }

    pub async fn draft(&self, title: &str, experience: i32) -> Value {
        self.post(
            "/v1/quests",
            json!({
                "title": title, "description": format!("About {title}"), "questType": "Practice",
                "difficultyLevel": "Beginner", "experiencePointsReward": experience, "skillTags": ["c-basics", "loops"],
            }),
        )
        .await
        .expect(201)
    }

    pub async fn step(&self, quest: &Value, step: Value) -> Value {
        self.post(&format!("{}/steps", path_of(quest)), step).await.expect(201)
    }

    pub async fn needs(&self, quest: &Value, needed: &[&Value]) -> Reply {
        let ids: Vec<&Value> = needed.iter().map(|quest| &quest["id"]).collect();
        self.put(&format!("{}/prerequisites", path_of(quest)), json!({"questIds": ids})).await
    }

    /// As a learner: the attempt at a quest.
    pub async fn attempt(&self, quest: &Value) -> Value {
        let reply = self.post(&format!("{}/attempt", path_of(quest)), json!({})).await;
        assert!(reply.status.is_success(), "{}", reply.text);
        reply.json()
    }

    pub async fn complete(&self, attempt: &Value, step: &Value, submission: Value) -> Reply {
        let path = format!("/v1/attempts/{}/steps/{}/complete", text(&attempt["id"]), text(&step["stepId"]));
        self.post(&path, json!({"submissionData": submission})).await
    }

    /// Starts a quest and completes every mandatory step; gives the last answer.
    pub async fn finish(&self, quest: &Value) -> Value {
        let attempt = self.attempt(quest).await;
        let mut last = Value::Null;
        for step in attempt["steps"].as_array().unwrap() {
            if step["isOptional"] == json!(false) {
                last = self.complete(&attempt, step, Value::Null).await.expect(200);
            }
        }
        last
    }
}

pub fn step(title: &str) -> Value {
    json!({"title": title, "description": "Do it", "stepType": "Reflection", "experiencePoints": 10})
}

pub fn path_of(quest: &Value) -> String {
    format!("/v1/quests/{}", text(&quest["id"]))
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The proof that nothing drifted, as `quests verify` gives it, and that every event is one of the contract.
pub async fn verify(pool: &PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(drifts(&mut connection).await, Vec::<String>::new());
    drop(connection);
    contract::CONTRACT.holds_in_the_log(pool).await;
}

/// What `quests verify` finds, where all events are kept.
pub async fn drifts(connection: &mut PgConnection) -> Vec<String> {
    quests::commands::verify::verify(connection, chrono::DateTime::UNIX_EPOCH).await.unwrap().drifts
}

/// What speaks to services here, without TLS: reading the system's certificates costs as much as a short test.
pub fn http_client() -> reqwest::Client {
    quests::outgoing::client().tls_certs_only([]).build().unwrap()
}

/// A pool on the same database, for tests that need more connections than theirs has.
pub async fn wider(pool: &PgPool, connections: u32) -> PgPool {
    let options: Arc<PgConnectOptions> = pool.connect_options();
    PgPoolOptions::new().max_connections(connections).connect_with((*options).clone()).await.unwrap()
}

/// Rows of a query as JSON objects; for what tests ask of the database behind the service's back.
pub async fn rows(pool: &PgPool, sql: &str) -> Vec<Value> {
    let sql = format!("WITH asked AS ({sql}) SELECT to_jsonb(asked)::text FROM asked");
    let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.parse().unwrap()).collect()
}

/// A statement that writes behind the service's back, by itself or in a transaction.
pub async fn execute(whom: impl sqlx::PgExecutor<'_>, sql: String) {
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(whom).await.unwrap();
}
