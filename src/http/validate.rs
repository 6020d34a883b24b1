//! Checks of what clients write; each adds a [`FieldError`] instead of stopping at the first.

use chrono::Datelike;
use serde_json::Value;

use super::problem::{FieldError, Problem};

/// Collects what is wrong with a body.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldError>);

impl Checks {
    /// Adds an error when `ok` does not hold.
    pub fn require(&mut self, ok: bool, pointer: &str, detail: impl Into<String>) {
        if !ok {
            self.0.push(FieldError::new(pointer, detail));
        }
    }

    /// Text of `min..=max` characters that PostgreSQL can hold.
    pub fn text(&mut self, pointer: &str, text: &str, min: usize, max: usize) {
        let length = text.chars().count();
        self.require(
            (min..=max).contains(&length),
            pointer,
            format!("must have {min} to {max} characters, it has {length}"),
        );
        self.require(min == 0 || !text.trim().is_empty(), pointer, "must not be blank");
        self.no_nul(pointer, text);
    }

    /// A stable name of curriculum files: `^[a-z0-9][a-z0-9_-]{0,63}$`.
    pub fn key(&mut self, pointer: &str, key: &str) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fit = key.bytes().next().is_some_and(plain)
            && key.bytes().all(|byte| plain(byte) || byte == b'_' || byte == b'-')
            && key.len() <= 64;
        self.require(fit, pointer, "must match ^[a-z0-9][a-z0-9_-]{0,63}$");
    }

    /// The `key` of a body that may leave it out.
    pub fn optional_key(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            self.key("/key", key);
        }
    }

    /// A number in a range.
    pub fn range(&mut self, pointer: &str, value: i32, min: i32, max: i32) {
        self.require((min..=max).contains(&value), pointer, format!("must be {min} to {max}, it is {value}"));
    }

    /// A year that every client and the database can write.
    pub fn year(&mut self, pointer: &str, date: &impl Datelike) {
        self.require(is_in_years(date), pointer, YEARS);
    }

    /// A JSON object of bounded size that PostgreSQL can hold.
    pub fn document(&mut self, pointer: &str, value: &Value, max_bytes: usize) {
        self.require(value.is_object(), pointer, "must be a JSON object");
        let bytes = value.to_string().len();
        self.require(
            bytes <= max_bytes,
            pointer,
            format!("must have at most {max_bytes} bytes of JSON, it has {bytes}"),
        );
        if let Some(at) = find_nul(value) {
            self.0.push(FieldError::new(format!("{pointer}{at}"), "must not contain NUL characters"));
        }
    }

    fn no_nul(&mut self, pointer: &str, text: &str) {
        self.require(!text.contains('\0'), pointer, "must not contain NUL characters");
    }

    /// Adds errors found elsewhere.
    pub fn extend(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        self.0.extend(errors);
    }

    /// What was found, of a part that stands at `pointer` in a larger body.
    pub fn under(self, pointer: &str) -> impl Iterator<Item = FieldError> {
        self.0.into_iter().map(move |error| FieldError { pointer: format!("{pointer}{}", error.pointer), ..error })
    }

    /// # Errors
    /// 422 with all that was found.
    pub fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}

/// What is said of moments and days in other years.
pub const YEARS: &str = "must be in the years 1 to 9999";

/// Whether a moment or day is in the years 1 to 9999.
pub fn is_in_years(date: &impl Datelike) -> bool {
    (1..=9999).contains(&date.year())
}

/// Pointer to the first string or key with a NUL character.
fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_nul(item).map(|at| format!("/{index}{at}")))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            if name.contains('\0') {
                return Some(String::new());
            }
            find_nul(field).map(|at| format!("/{}{at}", escape(name)))
        }),
        _ => None,
    }
}

/// One token of a JSON pointer (RFC 6901).
#[must_use]
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
