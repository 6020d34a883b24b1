//! One trace from the request over its statements and its events to the consumer, and on from other services' messages.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::broker::Consumer;
use crate::harness::collector::{Collector, Span};
use crate::harness::contract::headers_of;
use crate::harness::messages::Neighbours;
use crate::harness::process::Process;
use crate::harness::{amqp_url, database, path_of};

/// Kinds of spans, as the protocol numbers them.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

fn attribute<'s>(span: &'s Span, name: &str) -> &'s str {
    let found = span.attributes.iter().find(|(key, _)| key == name);
    &found.unwrap_or_else(|| panic!("no {name}: {span:?}")).1
}

#[tokio::test]
async fn a_request_its_statements_its_events_and_their_consumers_are_one_trace() {
    let pool = database().await;
    let collector = Collector::start().await;
    let (url, exchange) = (amqp_url(), format!("test.{}", Uuid::new_v4()));
    let consumer = Consumer::start(&url, &exchange).await;
    let neighbours = Neighbours::start(&url).await;
    let log = std::env::temp_dir().join(format!("quests-traces-{}.log", Uuid::new_v4()));
    let mut args = neighbours.args();
    args.push(collector.setting());
    let service = Process::start_with(&pool, &url, &exchange, Some(&log), &args).await;
    neighbours.until_bound().await;
    let author = service.client_as(Uuid::new_v4(), &["Verified Lecturer"]);
    let learner = service.client_as(Uuid::new_v4(), &["Player"]);
    let quest = author.quest("Traced", 1, 10).await;

    // Whoever has begun a trace without keeping it is followed in that, too.
    let (unkept, kept) = ("4bf92f3577b34da6a3ce929d0e0e4730", "4bf92f3577b34da6a3ce929d0e0e4736");
    let stranger = service.client_as(Uuid::new_v4(), &["Player"]);
    for (client, trace, flags) in [(&stranger, unkept, "00"), (&learner, kept, "01")] {
        let traceparent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
        let headers = [("traceparent", traceparent.as_str()), ("x-correlation-id", trace)];
        let path = format!("{}/attempt", path_of(&quest));
        client.send(reqwest::Method::POST, &path, &headers, Some(&json!({}))).await.expect(201);
    }
    consumer.until("both started", |events| events.len() == 2).await;

    let publish = collector.until(kept, "publish").await;
    let request = collector.until(kept, "POST /v1/quests/{id}/attempt").await;
    let transaction = collector.until(kept, "transaction").await;
    let statement = collector.until(kept, "events:enqueue").await;
    assert_eq!((request.parent.as_str(), request.kind), ("00f067aa0ba902b7", SERVER));
    assert_eq!(request.service, "quests");
    assert_eq!(attribute(&request, "http.response.status_code"), "201");
    assert_eq!(attribute(&request, "http.route"), "/v1/quests/{id}/attempt");
    assert_eq!(transaction.parent, request.id);
    assert_eq!((statement.parent.as_str(), statement.kind), (transaction.id.as_str(), CLIENT));
    assert_eq!(attribute(&statement, "db.system.name"), "postgresql");
    assert!(statement.nanoseconds > 0 && transaction.nanoseconds > statement.nanoseconds);
    assert_eq!((publish.parent.as_str(), publish.kind), (transaction.id.as_str(), PRODUCER));
    for name in ["acquire connection", "COMMIT"] {
        assert_eq!(collector.until(kept, name).await.parent, transaction.id, "{name}");
    }

    let messages = consumer.all();
    let of = |trace: &str| messages.iter().find(|message| message.body["correlationid"] == trace).unwrap();
    let traceparent = format!("00-{kept}-{}-01", transaction.id);
    assert_eq!(of(kept).body["traceparent"], traceparent);
    assert_eq!(attribute(&publish, "messaging.message.id"), of(kept).body["id"]);
    assert_eq!(headers_of(&of(kept).properties)["traceparent"], traceparent);
    let unkept_one = of(unkept).body["traceparent"].as_str().unwrap();
    assert!(unkept_one.starts_with(&format!("00-{unkept}-")) && unkept_one.ends_with("-00"), "{unkept_one}");

    // What another service tells us goes on in its trace.
    let told = "4bf92f3577b34da6a3ce929d0e0e4737";
    let mut headers = FieldTable::default();
    let traceparent = format!("00-{told}-00f067aa0ba902b8-01");
    headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
    let body = json!({"authUserId": stranger.id}).to_string();
    let properties = BasicProperties::default().with_headers(headers);
    neighbours.publish("users", "users.user-deleted", body.as_bytes(), properties).await;
    let received = collector.until(told, "receive users").await;
    assert_eq!((received.parent.as_str(), received.kind), ("00f067aa0ba902b8", CONSUMER));
    assert_eq!(collector.until(told, "transaction").await.parent, received.id);
    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.trace != unkept), "nobody wanted to keep it");
    assert!(spans.iter().all(|span| span.name != "GET /readyz"), "probes are no traces");

    service.kill().await;
    neighbours.remove().await;
    consumer.remove(&exchange).await;
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&Value> =
        lines.iter().filter(|line| line["message"] == "answered" && line["span"]["correlation_id"] == kept).collect();
    assert_eq!(answered.len(), 1, "one line a request: {answered:?}");
    let (line, span) = (answered[0], &answered[0]["span"]);
    assert_eq!((&line["status"], &span["trace_id"], &span["method"]), (&json!(201), &json!(kept), &json!("POST")));
    assert_eq!(span["route"], "/v1/quests/{id}/attempt");
    assert!(line["elapsed_ms"].as_f64().is_some_and(|elapsed| elapsed > 0.0));
}
