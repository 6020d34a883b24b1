//! Makes spans of the statements that sqlx tells of: each under the span in which it ran.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanKind, TraceContextExt, Tracer};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

/// Target of what sqlx says about statements that have run.
pub const TARGET: &str = "sqlx::query";

/// The layer.
#[derive(Debug)]
pub struct Statements {
    tracer: SdkTracer,
    /// Where the layer that knows the spans is found, once all layers are set up.
    dispatch: Arc<OnceLock<WeakDispatch>>,
}

impl Statements {
    pub fn new(tracer: SdkTracer, dispatch: Arc<OnceLock<WeakDispatch>>) -> Self {
        Self { tracer, dispatch }
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        // What no request and no message asked for, e.g. the relay's polling, is no trace.
        let Some(around) = context.lookup_current() else { return };
        let Some(dispatch) = self.dispatch.get().and_then(WeakDispatch::upgrade) else { return };
        let Some(parent) = get_otel_context(&around.id(), &dispatch) else { return };
        if !parent.span().span_context().is_sampled() {
            return;
        }
        let mut told = Told::default();
        event.record(&mut told);
        let ended = clock::wall();
        let began = ended.checked_sub(told.elapsed).unwrap_or(ended);
        let name = name(&told.sql);
        let mut span = self
            .tracer
            .span_builder(name.clone())
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes([
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.query.summary", name),
                KeyValue::new("db.response.returned_rows", told.returned),
                KeyValue::new("db.response.affected_rows", told.affected),
            ])
            .start_with_context(&self.tracer, &parent);
        span.end_with_timestamp(ended);
    }
}

/// What sqlx tells of a statement. It has no values: those are parameters.
#[derive(Debug, Default)]
struct Told {
    sql: String,
    elapsed: Duration,
    returned: i64,
    affected: i64,
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            // The whole statement, where it is more than its summary.
            "db.statement" if !value.is_empty() => value.clone_into(&mut self.sql),
            "summary" if self.sql.is_empty() => value.clone_into(&mut self.sql),
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        match field.name() {
            "rows_returned" => self.returned = value,
            "rows_affected" => self.affected = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// The statement's own name (`/* events:claim */`), else what it does to which table first.
fn name(sql: &str) -> String {
    let mut words = sql.split_whitespace();
    let Some(verb) = words.next() else { return "statement".to_owned() };
    if verb == "/*" {
        return words.next().unwrap_or("statement").to_owned();
    }
    let mut words = sql.split_whitespace();
    let table = words.find(|word| matches!(*word, "FROM" | "INTO" | "UPDATE" | "TABLE")).and_then(|_| words.next());
    let is_name = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match table.map(|table| table.trim_matches(|letter| letter == ';' || letter == ',')).filter(is_name) {
        Some(table) => format!("{verb} {table}"),
        None => verb.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_after_what_it_does() {
        for (sql, expected) in [
            ("\n\n/* events:claim */\n SELECT id FROM outbox_events", "events:claim"),
            ("SELECT id, title FROM quests WHERE id = $1", "SELECT quests"),
            ("UPDATE learners SET event_seq = $1", "UPDATE learners"),
            ("INSERT INTO audit_log (id) VALUES ($1)", "INSERT audit_log"),
            ("SELECT x FROM (SELECT 1)", "SELECT"),
            ("COMMIT", "COMMIT"),
            ("", "statement"),
        ] {
            assert_eq!(name(sql), expected, "{sql}");
        }
    }
}
