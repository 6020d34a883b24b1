//! YAML and JSON in, YAML and JSON out.

use serde_json::Value;

use super::file::Curriculum;
use crate::http::{FieldError, Problem, invalid_at, malformed};

/// How a file is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Yaml,
    /// For programs
    Json,
}

impl Format {
    /// By the essence of a media type; None for others.
    #[must_use]
    pub fn of_media_type(essence: &str) -> Option<Self> {
        match essence.to_ascii_lowercase().as_str() {
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => Some(Self::Yaml),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// What answers say of it.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Yaml => "application/yaml",
            Self::Json => "application/json",
        }
    }

    /// By a file's name; JSON is YAML too, so everything else is read as YAML.
    #[must_use]
    pub fn of_file(name: &std::path::Path) -> Self {
        let is_json = name.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        if is_json { Self::Json } else { Self::Yaml }
    }
}

/// Reads a file strictly; its content is not checked yet.
///
/// # Errors
/// 400 when it cannot be read, 422 with a pointer when something in it does not fit.
pub fn read(format: Format, bytes: &[u8]) -> Result<Curriculum, Problem> {
    let value = read_value(format, bytes)?;
    let version = value.get("v");
    if version.is_some_and(|version| *version != 1) {
        return Err(Problem::invalid(vec![FieldError::new("/v", "must be 1, the only version of the format")]));
    }
    let file: Curriculum = serde_path_to_error::deserialize(value).map_err(|error| invalid_at(&error))?;
    Ok(file.without_nulls())
}

/// Reads any document of this format.
///
/// # Errors
/// 400 when it cannot be read.
pub fn read_value(format: Format, bytes: &[u8]) -> Result<Value, Problem> {
    match format {
        Format::Json => serde_json::from_slice(bytes).map_err(|error| malformed(&error)),
        Format::Yaml => serde_saphyr::from_slice(bytes)
            .map_err(|error| Problem::new(crate::http::Code::MalformedYaml, error.to_string())),
    }
}

/// Writes a file; the same content gives the same bytes.
#[must_use]
pub fn write(format: Format, file: &Curriculum) -> String {
    let value = sorted(serde_json::to_value(file).unwrap_or_default(), false);
    match format {
        Format::Json => serde_json::to_string_pretty(&value).unwrap_or_default() + "\n",
        Format::Yaml => serde_saphyr::to_string(&value).unwrap_or_default(),
    }
}

/// Documents that authors write freely come back from the database in an order of its own; here their
/// fields are in the order of their names, while those of the format keep their order.
fn sorted(value: Value, is_free: bool) -> Value {
    const FREE: [&str; 6] =
        ["content", "validationCriteria", "metadata", "configuration", "passingCriteria", "unlockCriteria"];
    match value {
        Value::Array(items) => items.into_iter().map(|item| sorted(item, is_free)).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields
                .into_iter()
                .map(|(name, field)| {
                    let is_free = is_free || FREE.contains(&name.as_str());
                    let field = sorted(field, is_free);
                    (name, field)
                })
                .collect();
            if is_free {
                fields.sort_by(|a, b| a.0.cmp(&b.0));
            }
            fields.into_iter().collect()
        }
        other => other,
    }
}
