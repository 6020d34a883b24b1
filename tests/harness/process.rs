//! The real binary as a child process, to be killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::PgPool;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::{Client, DEVELOPMENT_SECRET, ISSUER, token, url_of};

/// A running `quests serve`.
pub struct Process {
    pub base: String,
    child: Child,
    client: reqwest::Client,
}

impl Process {
    /// Starts it on a free port and waits until it is ready.
    pub async fn start(pool: &PgPool, amqp_url: &str, exchange: &str) -> Self {
        Self::start_with(pool, amqp_url, exchange, None, &[]).await
    }

    /// The same, with every line that it logs, however fine, in a file.
    pub async fn start_logging(pool: &PgPool, amqp_url: &str, exchange: &str, log: Option<&Path>) -> Self {
        Self::start_with(pool, amqp_url, exchange, log, &[]).await
    }

    /// The same, with further settings.
    pub async fn start_with(
        pool: &PgPool,
        amqp_url: &str,
        exchange: &str,
        log: Option<&Path>,
        args: &[String],
    ) -> Self {
        for _ in 0..3 {
            if let Some(ready) = Self::attempt(pool, amqp_url, exchange, log, args).await {
                return ready;
            }
        }
        panic!("the service does not start");
    }

    /// None when the process ended by itself, e.g. because somebody else took the port.
    async fn attempt(
        pool: &PgPool,
        amqp_url: &str,
        exchange: &str,
        log: Option<&Path>,
        args: &[String],
    ) -> Option<Self> {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        let output = log.map(|path| std::fs::File::create(path).unwrap());
        let (stdout, stderr) = (output.as_ref().map(|file| file.try_clone().unwrap()), output);
        let or_nothing = |file: Option<std::fs::File>| file.map_or_else(Stdio::null, Stdio::from);
        let has_inbox = args.iter().any(|arg| arg.starts_with("--inbox-queue="));
        let child = Command::new(env!("CARGO_BIN_EXE_quests"))
            .env_clear()
            .arg("serve")
            .args(log.map(|_| "--rust-log=debug,quests=trace,sqlx=trace"))
            .arg(format!("--database-url={}", url_of(&pool.connect_options())))
            .arg(format!("--bind-addr={address}"))
            .arg(format!("--amqp-url={amqp_url}"))
            .arg(format!("--amqp-exchange={exchange}"))
            // What the other services say, and search, are for other tests.
            .args(
                ["event-service", "meetings", "users"]
                    .iter()
                    .filter(|_| !has_inbox)
                    .map(|other| format!("--{other}-exchange=")),
            )
            .arg("--search-index=false")
            .arg(format!("--jwt-secret={DEVELOPMENT_SECRET}"))
            .arg(format!("--jwt-issuer={ISSUER}"))
            .args(args)
            // What was measured and seen is told soon.
            .arg("--metrics-interval-seconds=1")
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
            .stdin(Stdio::null())
            .stdout(or_nothing(stdout))
            .stderr(or_nothing(stderr))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = super::http_client();
        let mut process = Self { base: format!("http://{address}"), child, client };
        let ready = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                if process.child.try_wait().unwrap().is_some() {
                    return false;
                }
                if process.ready().await.is_some() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        ready.expect("ready within half a minute").then_some(process)
    }

    async fn ready(&self) -> Option<serde_json::Value> {
        let reply = self.client.get(format!("{}/readyz", self.base)).send().await.ok()?;
        if !reply.status().is_success() {
            return None;
        }
        serde_json::from_str(&reply.text().await.ok()?).ok()
    }

    /// Waits until it says that it is connected to the broker.
    pub async fn until_broker_is_up(&self) {
        let up = async {
            while self.ready().await.is_none_or(|ready| ready["broker"] != "up") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), up).await.expect("the broker is up");
    }

    pub fn client_as(&self, id: Uuid, roles: &[&str]) -> Client {
        Client { base: self.base.clone(), token: Some(token(id, roles)), id, http: self.client.clone() }
    }

    /// Whether this one publishes the events.
    pub async fn leads(&self) -> bool {
        let Ok(reply) = self.client.get(format!("{}/metrics", self.base)).send().await else { return false };
        reply.text().await.is_ok_and(|metrics| metrics.lines().any(|line| line == "outbox_relay_active 1"))
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
