//! Spans on their way to a collector (OTLP over HTTP), in the background.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};

use crate::config::TraceConfig;

/// Longest wait for the collector to take a batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is left at the end gets so long.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The way to the collector; nowhere while none is set.
#[derive(Debug)]
pub struct Export(Option<SdkTracerProvider>);

impl Export {
    /// # Errors
    /// A sentence that says which setting is wrong.
    pub fn open(config: &TraceConfig) -> Result<Self, String> {
        let set = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let Some(endpoint) = set(&config.otel_exporter_otlp_endpoint) else { return Ok(Self(None)) };
        let headers = headers(&set(&config.otel_exporter_otlp_headers).unwrap_or_default())?;
        crate::outgoing::prepare();
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .with_headers(headers)
            .build()
            .map_err(|_| "OTEL_EXPORTER_OTLP_ENDPOINT: nothing can be sent to this address".to_owned())?;
        let resource = Resource::builder()
            .with_service_name("quests")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        // Whoever began a trace has decided; of those that begin here, this share is kept.
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.otel_traces_sampler_arg)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Watched { exporter, is_away: AtomicBool::new(false) })
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        Ok(Self(Some(provider)))
    }

    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer("quests"))
    }

    /// Sends what is left, for a few seconds at most.
    pub async fn close(self) {
        let Some(provider) = self.0 else { return };
        // It waits for a thread of its own.
        let closed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_WORDS)).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

fn headers(text: &str) -> Result<HashMap<String, String>, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            // Not what it says: it may be a key.
            let (name, value) =
                pair.split_once('=').ok_or("OTEL_EXPORTER_OTLP_HEADERS: write name=value, joined by commas")?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// Says once when the collector goes away and when it is back; counts what is lost meanwhile.
#[derive(Debug)]
struct Watched {
    exporter: opentelemetry_otlp::SpanExporter,
    is_away: AtomicBool,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        match &result {
            Ok(()) => {
                metrics::counter!("trace_spans_exported_total").increment(spans);
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                metrics::counter!("trace_spans_lost_total").increment(spans);
                if !self.is_away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the collector takes no spans; they are lost until it does");
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
