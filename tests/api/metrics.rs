//! What `/metrics` shows, and that nobody from outside adds to it.

#![expect(clippy::float_cmp, reason = "counts")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quests::meters::{CATALOGUE, Kind, Meter};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::harness::broker::Consumer;
use crate::harness::process::Process;
use crate::harness::{Client, amqp_url, database, path_of, text};

/// A line of the text format.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Sample {
    /// The metric that it belongs to.
    fn meter(&self) -> &'static Meter {
        let found = CATALOGUE.iter().find(|meter| {
            meter.name == self.name
                || (meter.kind == Kind::Histogram
                    && ["_bucket", "_sum", "_count"].iter().any(|part| self.name == format!("{}{part}", meter.name)))
        });
        found.unwrap_or_else(|| panic!("not in the catalogue: {self:?}"))
    }

    fn key(&self) -> String {
        format!("{} {:?}", self.name, self.labels)
    }
}

fn read(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
            let labels = labels.map(|pair| {
                let (key, value) = pair.split_once("=\"").unwrap();
                (key.to_owned(), value.trim_end_matches('"').to_owned())
            });
            Sample { name: name.to_owned(), labels: labels.collect(), value: value.parse().unwrap() }
        })
        .collect()
}

async fn scrape(client: &Client) -> Vec<Sample> {
    read(&client.get("/metrics").await.text)
}

/// Waits until a metric has a value that fits.
async fn until(client: &Client, name: &str, fits: impl Fn(f64) -> bool) {
    let shown = async {
        while !scrape(client).await.iter().any(|sample| sample.name == name && fits(sample.value)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), shown).await.unwrap_or_else(|_| panic!("{name} never fits"));
}

/// What may stand in the label `route`.
fn routes() -> BTreeSet<String> {
    let (_, document) = quests::routes::routes();
    let documented = document["paths"].as_object().unwrap().keys().cloned();
    documented.chain(["unmatched", "/openapi.json", "/docs/{*rest}", "/docs/"].map(str::to_owned)).collect()
}

/// Requests as nobody should send them: each with names of its own.
async fn misbehave(service: &Process, quest: &str) {
    let anyone = Client { token: None, ..service.client_as(Uuid::nil(), &[]) };
    let canary = Uuid::new_v4();
    for path in [
        format!("/canary/{canary}"),
        format!("/v1/canary-{canary}?canary={canary}"),
        format!("/v1/quests/{canary}"),
        format!("/v1/quests/{quest}?canary={canary}"),
        format!("/docs/canary-{canary}.js"),
        format!("/schemas/events/Canary{canary}/v1"),
        format!("/v1/{}", "canary".repeat(9_000)),
    ] {
        for method in ["GET", "DELETE", "CANARY", &format!("M{}", canary.simple())] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = anyone.send(method.clone(), &path, &[("x-canary", "canary")], None).await;
            assert!(reply.status.as_u16() >= 400 || method == Method::GET, "{method} {path} {reply:?}");
        }
    }
    // What is no HTTP at all.
    let mut stream = tokio::net::TcpStream::connect(service.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("canary {canary} canary\r\n\r\n").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn strange_requests_add_no_labels_and_what_is_shown_is_what_is_documented() {
    let pool = database().await;
    let (url, exchange) = (amqp_url(), format!("test.{}", Uuid::new_v4()));
    let consumer = Consumer::start(&url, &exchange).await;
    // Nobody listens there: spans are lost, and nothing else.
    let away = ["--otel-exporter-otlp-endpoint=http://127.0.0.1:9".to_owned()];
    let service = Process::start_with(&pool, &url, &exchange, None, &away).await;
    let author = service.client_as(Uuid::new_v4(), &["Verified Lecturer"]);
    let learner = service.client_as(Uuid::new_v4(), &["Player"]);
    let quest = author.quest("Counted", 1, 10).await;
    learner.finish(&quest).await;
    consumer.until("all of the cascade", |events| events.len() >= 4).await;
    until(&learner, "outbox_backlog_events", |value| value == 0.0).await;
    until(&learner, "outbox_published_total", |value| value >= 4.0).await;
    until(&learner, "trace_spans_lost_total", |value| value >= 1.0).await;
    until(&learner, "job_last_success_timestamp_seconds", |value| value > 1e9).await;

    misbehave(&service, text(&quest["id"])).await;
    until(&learner, "http_requests_in_flight", |value| value == 1.0).await;
    let first = scrape(&learner).await;
    misbehave(&service, text(&quest["id"])).await;
    let second = scrape(&learner).await;
    let keys = |samples: &[Sample]| -> BTreeSet<String> {
        let http = samples.iter().filter(|sample| sample.name.starts_with("http_"));
        http.map(Sample::key).collect()
    };
    assert_eq!(keys(&first), keys(&second), "the same strangeness again adds nothing");

    let (routes, methods) = (routes(), ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"]);
    for sample in &second {
        let meter = sample.meter();
        for (label, value) in &sample.labels {
            assert!(label == "le" || meter.labels.contains(&label.as_str()), "{sample:?}");
            let fits = match label.as_str() {
                "route" => routes.contains(value),
                "method" => methods.contains(&value.as_str()),
                "status" => value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_digit()),
                "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
                // Words of ours.
                "commit" | "version" => true,
                _ => value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            };
            assert!(fits, "{label}={value} of {sample:?}");
        }
    }
    let shown: BTreeSet<&str> = second.iter().map(|sample| sample.meter().name).collect();
    let hidden: Vec<&str> = CATALOGUE.iter().map(|meter| meter.name).filter(|name| !shown.contains(name)).collect();
    // What has labels, or is a part that is not here, shows with its first value.
    let elsewhere = [
        "inbox_",
        "search_embed_",
        "search_rank_",
        "search_index_",
        "user_service_",
        "job_failures_total",
        "database_replica_",
        "database_catalogue_reads_",
    ];
    assert!(hidden.iter().all(|name| elsewhere.iter().any(|part| name.starts_with(part))), "{hidden:?}");
    assert!(shown.len() > 40, "{shown:?}");

    let value = |name: &str| second.iter().find(|sample| sample.name == name).unwrap().value;
    assert_eq!((value("outbox_relay_active"), value("outbox_link_up")), (1.0, 1.0));
    assert_eq!((value("outbox_parked_events"), value("outbox_oldest_age_seconds")), (0.0, 0.0));
    assert!(value("database_pool_connections") >= 1.0 && value("database_pool_max") == 10.0);
    assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 5.0);
    // A learner who begins afresh is served as well as ever.
    learner.get(&path_of(&quest)).await.expect(200);
    service.kill().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn what_waits_is_measured_while_the_broker_is_away() {
    let pool = database().await;
    let service = Process::start(&pool, "", "unused").await;
    let author = service.client_as(Uuid::new_v4(), &["Verified Lecturer"]);
    let learner = service.client_as(Uuid::new_v4(), &["Player"]);
    let quest = author.quest("Waiting", 2, 10).await;
    learner.attempt(&quest).await;
    until(&learner, "outbox_backlog_events", |value| value == 1.0).await;
    until(&learner, "outbox_oldest_age_seconds", |value| value > 0.0).await;
    let park = "UPDATE outbox_events SET parked_at = now(), parked_reason = 'poison'";
    crate::harness::execute(&pool, park.to_owned()).await;
    until(&learner, "outbox_parked_events", |value| value == 1.0).await;
    until(&learner, "outbox_backlog_events", |value| value == 0.0).await;
    let shown = scrape(&learner).await;
    let of = |name: &str| shown.iter().find(|sample| sample.name == name).map(|sample| sample.value);
    assert_eq!((of("outbox_link_up"), of("outbox_relay_active")), (Some(0.0), Some(0.0)));
    service.kill().await;
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_and_is_not_in_flight_any_more() {
    let pool = database().await;
    let service = Process::start(&pool, "", "unused").await;
    let learner = service.client_as(Uuid::new_v4(), &["Player"]);
    let body = json!({}).to_string();
    let head = format!(
        "POST /v1/me/events/ticket HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        learner.token.as_deref().unwrap(),
        body.len() + 1000
    );
    let mut stream = tokio::net::TcpStream::connect(service.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    // The one that asks, and the one that waits for its body.
    until(&learner, "http_requests_in_flight", |value| value == 2.0).await;
    drop(stream);
    until(&learner, "http_requests_in_flight", |value| value == 1.0).await;
    let gone = scrape(&learner).await.into_iter().find(|sample| {
        sample.name == "http_requests_total"
            && sample.labels["route"] == "/v1/me/events/ticket"
            && ["499", "400"].contains(&sample.labels["status"].as_str())
    });
    assert!(gone.is_some_and(|gone| gone.value == 1.0));
    service.kill().await;
}
