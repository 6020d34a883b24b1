//! What the benches share: a database of their own, the service on it, and percentiles.
#![allow(dead_code, reason = "each bench uses some of it")]

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use quests::clock::Clock;
use quests::config::{DEVELOPMENT_SECRET, JwtConfig};
use quests::http::auth::development_token;
use reqwest::header::HeaderValue;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::{Child, Command};
use uuid::Uuid;

pub type Fail = Box<dyn std::error::Error + Send + Sync>;

const BINARY: &str = env!("CARGO_BIN_EXE_quests");
const ISSUER: &str = "http://localhost/auth/v1";

/// Runs a bench, and says why it could not.
pub fn measure(bench: impl Future<Output = Result<(), Fail>>) -> ExitCode {
    // `cargo test` runs benches that it may, with no wish to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new();
    match runtime.map_err(Fail::from).and_then(|runtime| runtime.block_on(bench)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A whole number above 0 of the environment.
pub fn number(name: &str, default: u64) -> Result<u64, Fail> {
    match std::env::var(name) {
        Ok(text) => match text.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{name} must be a whole number above 0").into()),
        },
        Err(_) => Ok(default),
    }
}

/// The `Authorization` of this learner.
pub fn authorization(learner: Uuid) -> Result<HeaderValue, Fail> {
    let jwt = JwtConfig {
        jwt_secret: DEVELOPMENT_SECRET.to_owned(),
        jwt_issuer: ISSUER.to_owned(),
        jwt_audience: "authenticated".to_owned(),
    };
    let token = development_token(&jwt, &Clock::default(), learner, vec!["Player".to_owned()])?;
    Ok(HeaderValue::try_from(format!("Bearer {token}"))?)
}

/// Makes this database on the server of `DATABASE_URL`.
pub async fn create(name: &str) -> Result<(), Fail> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set: run it by `make`")?;
    sql(&mut PgConnection::connect(&url).await?, &format!("CREATE DATABASE {name}")).await?;
    Ok(())
}

/// And drops it.
pub async fn remove(name: &str) -> Result<(), Fail> {
    let url = std::env::var("DATABASE_URL")?;
    sql(&mut PgConnection::connect(&url).await?, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
    Ok(())
}

pub fn replaced_database(url: &str, name: &str) -> Result<String, Fail> {
    let (path, query) = url.split_once('?').map_or((url, String::new()), |(path, query)| (path, format!("?{query}")));
    let authority = path.find("://").map(|at| at + 3).ok_or("DATABASE_URL is no URL")?;
    let server = path[authority..].split_once('/').map_or(path, |(host, _)| &path[..authority + host.len()]);
    Ok(format!("{server}/{name}{query}"))
}

pub fn database_name(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

pub async fn sql(connection: &mut PgConnection, text: &str) -> Result<u64, Fail> {
    Ok(sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await?.rows_affected())
}

pub async fn value(connection: &mut PgConnection, text: &str) -> Result<String, Fail> {
    Ok(sqlx::query_scalar(AssertSqlSafe(text.to_owned())).fetch_one(connection).await?)
}

/// A command of the service's binary on the scratch database; what it prints.
pub async fn command(database: &str, arguments: &[&str]) -> Result<String, Fail> {
    let output = Command::new(BINARY)
        .args(arguments)
        .env("DATABASE_URL", database)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let first: String = said.lines().chain(complaint.lines()).take(20).collect::<Vec<_>>().join("\n");
    Err(format!("quests {} ended with {}:\n{first}", arguments.join(" "), output.status).into())
}

/// A service on this database, once it is ready, and its address.
pub async fn serve(database: &str, directory: &Path, more: &[(&str, String)]) -> Result<(Child, String), Fail> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let log = std::fs::File::create(directory.join("service.log"))?;
    let mut command = Command::new(BINARY);
    command
        .arg("serve")
        .env_remove("AMQP_URL")
        .env_remove("LOG_FORMAT")
        .env_remove("RUST_LOG")
        .env("DATABASE_URL", database)
        .env("BIND_ADDR", address.to_string())
        .env("JWT_SECRET", DEVELOPMENT_SECRET)
        .env("JWT_ISSUER", ISSUER)
        .env("JWT_AUDIENCE", "authenticated")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    command.envs(more.iter().cloned());
    let mut service = command.spawn()?;
    let base = format!("http://{address}");
    let client = quests::outgoing::client().build()?;
    for _ in 0..200 {
        if let Some(status) = service.try_wait()? {
            return Err(format!("the service did not start: {status}").into());
        }
        let answer = client.get(format!("{base}/readyz")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok((service, base));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the service was not ready within 10 s".into())
}

/// Requests, and how long they took.
pub struct Measured {
    pub per_second: f64,
    /// Sorted.
    pub latencies: Vec<Duration>,
}

impl Measured {
    /// A percentile in milliseconds: the smallest value that so many percent do not exceed.
    pub fn at(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}
