//! Log lines (JSON for machines, text for people), and spans for a collector.

use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, TraceConfig};
use crate::trace::TARGET;

mod export;
mod statements;

pub use export::Export;

/// Sets up logging to standard error, and the export of spans where a collector is set.
///
/// # Errors
/// A sentence that says which setting is wrong.
pub fn init(format: LogFormat, filter: &str, traces: &TraceConfig) -> Result<Export, String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("RUST_LOG: {error}"))?;
    let export = Export::open(traces)?;
    let spans = export.tracer().map(|tracer| {
        // What is logged within a span becomes one of its events.
        let seen = FilterFn::new(|what: &Metadata<'_>| {
            what.target() == TARGET
                || (what.is_event() && what.target().starts_with("quests") && *what.level() <= Level::INFO)
        });
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_context_activation(false)
            .with_tracked_inactivity(false)
            .with_threads(false)
            .with_location(false)
            .with_target(false)
            .with_filter(seen.with_max_level_hint(LevelFilter::DEBUG))
    });
    let dispatch = Arc::new(OnceLock::new());
    let statements = export.tracer().map(|tracer| {
        let seen = FilterFn::new(|what: &Metadata<'_>| matches!(what.target(), TARGET | statements::TARGET));
        statements::Statements::new(tracer, Arc::clone(&dispatch))
            .with_filter(seen.with_max_level_hint(LevelFilter::DEBUG))
    });
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Pretty => {
            lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed()
        }
    };
    Registry::default().with(spans).with(statements).with(lines).init();
    tracing::dispatcher::get_default(|all| {
        dispatch.get_or_init(|| all.downgrade());
    });
    Ok(export)
}
