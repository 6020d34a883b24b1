//! Liveness, readiness and metrics, without a token.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::watch;

use crate::db::Db;
use crate::meters;

/// The link to RabbitMQ, as `/readyz` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// `AMQP_URL` is not set: events wait in the log.
    Absent,
    /// Connected.
    Up,
    /// Not connected, with the last error; events wait in the log.
    Down(String),
}

/// What readiness looks at.
#[derive(Debug, Clone)]
pub struct Health {
    pub broker: watch::Receiver<Broker>,
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "alive", body = serde_json::Value, example = json!({"status": "ok"}))))]
pub async fn get_health() -> Response {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}

/// The service can work: its database answers. The broker may be away, events wait for it.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses(
        (status = 200, description = "ready", body = serde_json::Value, example = json!({"status": "ready", "database": "up", "broker": "up"})),
        (status = 503, description = "not ready", body = super::problem::ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get_readiness(State(db): State<Db>, State(health): State<Health>) -> Response {
    let broker = match &*health.broker.borrow() {
        Broker::Absent => json!({"broker": "absent"}),
        Broker::Up => json!({"broker": "up"}),
        Broker::Down(reason) => json!({"broker": "down", "brokerError": reason}),
    };
    // Sooner than a probe loses its patience.
    let database = tokio::time::timeout(Duration::from_secs(2), applied_migrations(&db)).await;
    let database = database.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let expected = i64::try_from(crate::db::MIGRATOR.iter().count()).unwrap_or(i64::MAX);
    let state = match database {
        Ok(applied) if applied >= expected => "up",
        Ok(_) => "not migrated",
        Err(error) => {
            tracing::warn!(%error, "not ready");
            "down"
        }
    };
    let mut body = json!({"status": if state == "up" { "ready" } else { "not ready" }, "database": state});
    if let (Some(body), Some(broker)) = (body.as_object_mut(), broker.as_object()) {
        body.extend(broker.clone());
    }
    if state == "up" {
        return json_response(StatusCode::OK, &body);
    }
    super::problem::Problem::new(super::problem::Code::Unavailable, format!("the database is {state}"))
        .with("database", state)
        .with("broker", &body["broker"])
        .into_response()
}

#[expect(clippy::disallowed_methods, reason = "the migrator's own table is no part of the checked schema")]
async fn applied_migrations(db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(&db.pool).await
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()),
    responses((status = 200, description = "metrics", body = String, content_type = "text/plain",
        example = "http_requests_total{method=\"GET\",route=\"/v1/quests\",status=\"200\"} 42")))]
pub async fn get_metrics(State(db): State<Db>) -> Response {
    db.measure();
    meters::measure_process();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], meters::recorder().render()).into_response()
}
