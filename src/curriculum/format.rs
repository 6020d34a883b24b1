//! YAML and JSON in, YAML and JSON out.

use serde_json::Value;

use super::file::Curriculum;
use crate::http::{FieldError, Problem, invalid_at, malformed};

/// Values, lists and objects of a YAML file, at the most: as many as a full catalogue has.
const NODES: usize = 1_000_000;
/// Pieces of a YAML file that come from aliases, at the most.
const ALIASED: usize = 50_000;

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
        // As YAML 1.2 has it: `no`, `on` and `y` are texts. Aliases may repeat a part of a file, but not blow it up.
        Format::Yaml => {
            let options = serde_saphyr::options! {
                strict_booleans: true,
                budget: serde_saphyr::budget! {
                    max_nodes: NODES, max_events: 2 * NODES, max_recorded_anchor_events: ALIASED,
                },
                alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED },
            };
            serde_saphyr::from_slice_with_options(bytes, options)
                .map_err(|error| Problem::new(crate::http::Code::MalformedYaml, error.to_string()))
        }
    }
}

/// Writes a file; the same content gives the same bytes. Fields of the format keep their order, those of
/// documents that authors write freely are in the order of their names.
#[must_use]
pub fn write(format: Format, file: &Curriculum) -> String {
    match format {
        Format::Json => serde_json::to_string_pretty(file).unwrap_or_default() + "\n",
        Format::Yaml => serde_saphyr::to_string(file).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            "",
            " ",
            "~",
            "null",
            "yes",
            "No",
            "on",
            "1",
            "1.0",
            "0x1F",
            "1e3",
            ".inf",
            ".nan",
            "2026-01-01",
            "- a",
            "? a",
            "a: b",
            "a #b",
            "# a",
            "|",
            ">",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'",
            "\"",
            "\\",
            "{",
            "[",
            "}",
            "]",
            ",",
            "a\n",
            "a\n\n",
            "\na",
            " a",
            "a ",
            "\ta",
            "a\tb",
            "a\r\nb",
            "a\n  b\n c",
            "\u{85}",
            "\u{2028}",
            "\u{feff}a",
            "é🚀",
            "---",
            "...",
            "=",
            "<<",
            "y",
            "n",
            "true",
            "1_000",
            "1:30",
        ])
        .prop_map(str::to_owned);
        prop_oneof![odd, "\\PC{0,40}", "[ -~\n]{0,120}"]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    #[test]
    fn a_file_may_hold_a_whole_catalogue() {
        let file: Curriculum = serde_json::from_value(json!({"v": 1, "quests": [{
            "key": "a", "title": "A", "description": "A", "questType": "Practice", "difficultyLevel": "Expert",
            "steps": [{"key": "s", "title": "S", "description": "S", "stepType": "Reading", "content": {"n": vec![0; 300_000]}}],
        }]}))
        .unwrap();
        let text = write(Format::Yaml, &file);
        let back = read(Format::Yaml, text.as_bytes()).map_err(|problem| problem.detail().to_owned());
        assert!(back.is_ok_and(|back| back == file));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_written_is_read_back_in_both_formats(content in value(), title in text()) {
            let file: Curriculum = serde_json::from_value(json!({"v": 1, "quests": [{
                "key": "a", "title": title, "description": title, "questType": "Practice", "difficultyLevel": "Expert",
                "steps": [{"key": "s", "title": "S", "description": "S", "stepType": "Reading", "content": {"any": content}}],
            }]})).unwrap();
            for format in [Format::Json, Format::Yaml] {
                let text = write(format, &file);
                let back = read(format, text.as_bytes()).map_err(|problem| TestCaseError::fail(format!("{}\n{text}", problem.detail())))?;
                prop_assert_eq!(&back, &file, "{}", text);
                prop_assert_eq!(write(format, &back), text);
            }
        }
    }
}
