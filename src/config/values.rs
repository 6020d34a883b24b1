//! How values of settings are read. What is said of a bad address or secret never repeats it: it may hold a password.

use std::path::PathBuf;
use std::str::FromStr;

use axum::http::{HeaderName, HeaderValue};
use clap::builder::RangedU64ValueParser;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnectOptions;
use tracing_subscriber::EnvFilter;

/// Shortest secret of HS256 tokens, in bytes: as long as its hash.
const SHORTEST_SECRET: usize = 32;

pub(super) fn postgres_url(text: &str) -> Result<String, String> {
    let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    match PgConnectOptions::from_str(text) {
        Ok(_) if is_postgres => Ok(text.to_owned()),
        _ => Err("is no address of PostgreSQL; write postgres://user:password@host:port/database".to_owned()),
    }
}

/// Empty is as good as left out.
pub(super) fn optional_postgres_url(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { postgres_url(text) }
}

pub(super) fn amqp_url(text: &str) -> Result<String, String> {
    if text.is_empty() || text.parse::<lapin::uri::AMQPUri>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("is no address of RabbitMQ; write amqp://user:password@host:port/%2f".to_owned())
}

/// Empty is as left out, as with addresses.
#[expect(clippy::unnecessary_wraps, reason = "what clap asks of a parser")]
pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    Ok(text.into())
}

pub(super) fn http_url(text: &str) -> Result<String, String> {
    let fits = |url: url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    // What one parser repairs another refuses, and prints.
    if text.is_empty() || text.parse().is_ok_and(fits) && text.parse::<axum::http::Uri>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("is no address; write http://host:port or https://host".to_owned())
}

pub(super) fn secret(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() >= SHORTEST_SECRET {
        return Ok(text.to_owned());
    }
    Err(format!("has fewer than {SHORTEST_SECRET} bytes; set a longer one, e.g. from `openssl rand -base64 48`"))
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("is no filter ({error}); write e.g. info,quests=debug")),
    }
}

pub(super) fn origins(text: &str) -> Result<String, String> {
    if text.trim() != "*" {
        allowed_origins(text)?;
    }
    Ok(text.to_owned())
}

/// The origins of `CORS_ORIGINS`, unless it is `*`.
///
/// # Errors
/// A sentence that says which is none.
pub fn allowed_origins(text: &str) -> Result<Vec<HeaderValue>, String> {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins
        .map(|origin| {
            let fits = origin.starts_with("http://") || origin.starts_with("https://");
            HeaderValue::from_str(origin)
                .ok()
                .filter(|_| fits && !origin.ends_with('/'))
                .ok_or_else(|| format!("'{origin}' is no origin; write e.g. https://app.example.org, without a path"))
        })
        .collect()
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("is not in 0..=1".to_owned()) }
}

pub(super) fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// What is sent in a header; it may be a key.
pub(super) fn key(text: &str) -> Result<String, String> {
    match HeaderValue::from_str(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("has a line break or another sign that no HTTP header may have".to_owned()),
    }
}

/// `name=value`, joined by commas. A value may be a key.
pub(super) fn headers(text: &str) -> Result<String, String> {
    let mut pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let fits = pairs.all(|pair| {
        let Some((name, value)) = pair.split_once('=') else { return false };
        HeaderName::from_str(name.trim()).is_ok() && HeaderValue::from_str(value.trim()).is_ok()
    });
    if fits { Ok(text.to_owned()) } else { Err("is no list of headers; write name=value, joined by commas".to_owned()) }
}

/// A number of things or bytes.
pub(super) fn count(range: std::ops::RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

pub(super) fn playback_rate(text: &str) -> Result<Decimal, String> {
    let rate: Decimal = text.parse().map_err(|_| "is no number".to_owned())?;
    if rate >= Decimal::ONE && rate <= Decimal::from(100) { Ok(rate) } else { Err("is not in 1..=100".to_owned()) }
}
