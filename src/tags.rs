//! Names of skills as they are kept and compared.

use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;

/// Without white space around it, in NFC: keyboards spell one accented letter in several ways.
#[must_use]
pub fn tidy(tag: &str) -> String {
    tag.trim().nfc().collect()
}

/// Reads a tag.
///
/// # Errors
/// When it is no text.
pub fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(tidy(&String::deserialize(deserializer)?))
}

/// Reads a list of tags.
///
/// # Errors
/// When it is no list of texts.
pub fn many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.iter().map(|tag| tidy(tag)).collect())
}
