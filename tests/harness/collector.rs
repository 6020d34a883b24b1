//! An OpenTelemetry collector: another company's part, so it is played; what it gets is real.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span as Told;
use prost::Message;

/// A span as it came.
#[derive(Debug, Clone)]
pub struct Span {
    pub service: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: i32,
    pub attributes: Vec<(String, String)>,
    pub nanoseconds: u64,
}

/// The collector; clones share what came.
#[derive(Clone, Default)]
pub struct Collector {
    pub base: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { base, ..Self::default() };
        let take = |State(bodies): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| async move {
            bodies.lock().unwrap().push(body);
            ([("content-type", "application/x-protobuf")], Vec::<u8>::new())
        };
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.bodies.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        collector
    }

    pub fn setting(&self) -> String {
        format!("--otel-exporter-otlp-endpoint={}", self.base)
    }

    /// Everything that came, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        self.bodies.lock().unwrap().concat()
    }

    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for body in self.bodies.lock().unwrap().iter() {
            for resource in ExportTraceServiceRequest::decode(body.clone()).unwrap().resource_spans {
                let attributes = attributes(&resource.resource.unwrap().attributes);
                let service = attributes.into_iter().find(|(name, _)| name == "service.name").unwrap().1;
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.push(read(&service, &span));
                }
            }
        }
        spans
    }

    /// Waits for a span of a trace.
    pub async fn until(&self, trace: &str, name: &str) -> Span {
        self.find(name, |span| span.trace == trace).await
    }

    /// Waits for a span of whatever trace.
    pub async fn until_any(&self, name: &str) -> Span {
        self.find(name, |_| true).await
    }

    async fn find(&self, name: &str, fits: impl Fn(&Span) -> bool) -> Span {
        let found = async {
            loop {
                match self.spans().into_iter().find(|span| span.name == name && fits(span)) {
                    Some(span) => return span,
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), found).await;
        found.unwrap_or_else(|_| panic!("no span {name} in {:#?}", self.spans()))
    }
}

fn read(service: &str, span: &Told) -> Span {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    Span {
        service: service.to_owned(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: span.kind,
        attributes: attributes(&span.attributes),
        nanoseconds: span.end_time_unix_nano - span.start_time_unix_nano,
    }
}

fn attributes(told: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> Vec<(String, String)> {
    let value = |any: &Option<opentelemetry_proto::tonic::common::v1::AnyValue>| match any.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        Any::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    };
    told.iter().filter_map(|attribute| Some((attribute.key.clone(), value(&attribute.value)?))).collect()
}
