//! W3C trace context: going on with somebody else's trace, and saying where ours stands.
//!
//! Spans for traces have the target [`TARGET`] and the level debug. While no collector is set nobody listens to them,
//! and they cost nothing; log lines have spans of their own.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

/// Target of the spans that are exported.
pub const TARGET: &str = "trace";

/// `00-<32 hex>-<16 hex>-<2 hex>`, ids not all zero.
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    matches!(parts.as_slice(), [version, trace, span, flags]
        if hex(version, 2) && *version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2)
            && trace.bytes().any(|byte| byte != b'0') && span.bytes().any(|byte| byte != b'0'))
}

/// The trace id of a valid `traceparent`.
#[must_use]
pub fn trace_id(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap_or_default()
}

/// Makes a span that nothing has entered yet a child of the one that a `traceparent` names.
pub fn go_on(span: &Span, traceparent: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    let Some(parent) = traceparent.and_then(parse) else { return };
    // Without a collector there is nobody to take it.
    if let Err(SetParentError::AlreadyStarted) = span.set_parent(Context::new().with_remote_span_context(parent)) {
        tracing::warn!("a span that has begun cannot go on with another's trace");
    }
}

/// Where a span stands, as a `traceparent`; None while nothing is exported.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8() & 1))
}

/// Where the present span stands.
#[must_use]
pub fn here() -> Option<String> {
    traceparent(&Span::current())
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    if !is_traceparent(traceparent) {
        return None;
    }
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [_, trace, span, flags] = parts.as_slice() else { return None };
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some(SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags & 1),
        true,
        TraceState::default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = parse(text).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(format!("00-{}-{}-01", context.trace_id(), context.span_id()), text);
        assert!(!parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap().is_sampled());
        assert_eq!(trace_id(text), "4bf92f3577b34da6a3ce929d0e0e4736");
        for broken in ["", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "00-1-2-3"] {
            assert!(parse(broken).is_none(), "{broken}");
        }
        assert_eq!(here(), None, "nothing is exported");
    }
}
