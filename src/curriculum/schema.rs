//! The JSON Schema of curriculum files, made from the types that read them, so that editors complete them.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::file::Curriculum;

#[derive(OpenApi)]
#[openapi(components(schemas(Curriculum)))]
struct Types;

/// JSON Schema 2020-12. Where the types say only "object", the grammar of unlock criteria is added.
pub fn schema() -> Value {
    let document = serde_json::to_value(Types::openapi()).unwrap_or_default();
    let mut definitions = document["components"]["schemas"].clone();
    let criteria = &mut definitions["FilePlace"]["properties"]["unlockCriteria"];
    let description = criteria["description"].clone();
    *criteria =
        json!({ "description": description, "oneOf": [{ "$ref": "#/$defs/UnlockCriteria" }, { "type": "null" }] });
    definitions["UnlockCriteria"] = unlock_criteria();
    definitions["Condition"] = condition();
    let mut root = definitions["Curriculum"].take();
    if let Some(definitions) = definitions.as_object_mut() {
        definitions.remove("Curriculum");
    }
    root["properties"]["$schema"] = json!({ "type": "string", "description": "Where editors find this schema" });
    root["$defs"] = definitions;
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Curriculum file of the Quests Service");
    to_definitions(root)
}

/// References of the OpenAPI document point into `$defs` here; examples are for that document.
fn to_definitions(value: Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("#/components/schemas/") {
            Some(name) => format!("#/$defs/{name}").into(),
            None => text.into(),
        },
        Value::Array(items) => items.into_iter().map(to_definitions).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(name, field)| name != "example" || !field.is_object())
            .map(|(name, field)| (name, to_definitions(field)))
            .collect(),
        other => other,
    }
}

fn unlock_criteria() -> Value {
    json!({
        "type": "object", "required": ["v"], "additionalProperties": false,
        "properties": {
            "v": { "const": 1 },
            "when": { "$ref": "#/$defs/Condition" },
            "window": {
                "type": "object", "minProperties": 1, "additionalProperties": false,
                "properties": {
                    "opensAt": { "type": "string", "format": "date-time" },
                    "closesAt": { "type": "string", "format": "date-time" }
                }
            },
            "lockedView": { "enum": ["hidden", "title", "full"], "description": "What a learner sees while it is locked" }
        }
    })
}

fn condition() -> Value {
    let key = json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63})?$" });
    let percent = json!({ "type": "number", "minimum": 0, "maximum": 100 });
    let hours = json!({ "type": "integer", "minimum": 1 });
    let of = json!({ "type": "array", "minItems": 1, "maxItems": 32, "items": { "$ref": "#/$defs/Condition" } });
    let kind = |op: &str, required: &[&str], fields: Value| {
        let mut properties = json!({ "op": { "const": op } });
        for (name, field) in fields.as_object().into_iter().flatten() {
            properties[name] = field.clone();
        }
        let required: Vec<&str> = std::iter::once("op").chain(required.iter().copied()).collect();
        json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
    };
    json!({ "oneOf": [
        kind("all", &["of"], json!({ "of": of })),
        kind("any", &["of"], json!({ "of": of })),
        kind("atLeast", &["n", "of"], json!({ "n": { "type": "integer", "minimum": 1, "maximum": 32 }, "of": of })),
        kind("questCompleted", &["questKey"], json!({ "questKey": key })),
        kind("chapterCompleted", &["chapterKey"], json!({ "chapterKey": key })),
        kind("questScore", &["questKey", "minPercent"], json!({ "questKey": key, "minPercent": percent })),
        kind("scoreBand", &["assessmentKey", "which"], json!({
            "assessmentKey": key, "which": { "enum": ["first", "best"] }, "minPercent": percent, "belowPercent": percent
        })),
        kind("pathProgress", &["minPercent"], json!({ "pathKey": key, "minPercent": percent })),
        kind("xpEarned", &["min"], json!({ "scope": { "enum": ["path", "service"] }, "min": { "type": "integer", "minimum": 1 } })),
        kind("skillLevel", &["skillTag", "minLevel"], json!({
            "skillTag": { "type": "string", "minLength": 1 }, "minLevel": { "type": "integer", "minimum": 1 }
        })),
        kind("notBefore", &["at"], json!({ "at": { "type": "string", "format": "date-time" } })),
        kind("delay", &["since", "hours"], json!({
            "since": { "enum": ["questCompleted", "pathStarted"] }, "questKey": key, "hours": hours
        })),
        kind("manual", &[], json!({})),
    ] })
}
