//! Log lines (JSON for machines, text for people), and spans for a collector.

use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};

use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, TraceConfig};
use crate::trace::TARGET;

mod export;
mod statements;

pub use export::Export;

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;
/// What has spans for the collector.
type Traced = Layered<BoxedLayer<Layered<BoxedLayer<Registry>, Registry>>, Layered<BoxedLayer<Registry>, Registry>>;

/// Sets up logging to standard error, and the export of spans where a collector is set.
///
/// # Errors
/// A sentence that says which setting is wrong.
pub fn init(format: LogFormat, filter: &str, collector: &TraceConfig) -> Result<Export, String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("RUST_LOG: {error}"))?;
    let export = Export::open(collector)?;
    let Some(tracer) = export.tracer() else {
        // One filter for all costs less than a filter for each layer.
        let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match format {
            LogFormat::Json => logs.json().flatten_event(true).init(),
            LogFormat::Pretty => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        }
        return Ok(export);
    };
    let logs = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => trace(tracer, logs.json().flatten_event(true).with_filter(filter)),
        LogFormat::Pretty => {
            let logs = logs.with_target(false).with_ansi(std::io::stderr().is_terminal());
            trace(tracer, logs.with_filter(filter));
        }
    }
    Ok(export)
}

/// Sets up spans for the collector beside the logs.
fn trace<L>(tracer: SdkTracer, logs: L)
where
    L: Layer<Traced> + Send + Sync + 'static,
{
    let dispatch = Arc::new(OnceLock::new());
    let spans: BoxedLayer<Registry> = tracing_opentelemetry::layer()
        .with_tracer(tracer.clone())
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_threads(false)
        .with_location(false)
        .with_target(false)
        .with_filter(FilterFn::new(is_of_trace).with_max_level_hint(LevelFilter::DEBUG))
        .boxed();
    let is_seen = |what: &Metadata<'_>| matches!(what.target(), TARGET | statements::TARGET);
    let statements: BoxedLayer<Layered<BoxedLayer<Registry>, Registry>> =
        statements::Statements::new(tracer, Arc::clone(&dispatch))
            .with_filter(FilterFn::new(is_seen).with_max_level_hint(LevelFilter::DEBUG))
            .boxed();
    Registry::default().with(spans).with(statements).with(logs).init();
    tracing::dispatcher::get_default(|all| {
        dispatch.get_or_init(|| all.downgrade());
    });
}

/// Spans of traces; what is logged within becomes one of their events.
fn is_of_trace(what: &Metadata<'_>) -> bool {
    what.target() == TARGET || (what.is_event() && what.target().starts_with("quests") && *what.level() <= Level::INFO)
}
