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
    let id = json!({ "type": "string", "format": "uuid" });
    let percent = json!({ "type": "number", "minimum": 0, "maximum": 100 });
    let hours = json!({ "type": "integer", "minimum": 1 });
    let of = json!({ "type": "array", "minItems": 1, "maxItems": 32, "items": { "$ref": "#/$defs/Condition" } });
    // What is named by its key may be named by its id instead.
    let named = |what: &str, is_required: bool, mut condition: Value| {
        let (with_key, with_id) = (format!("{what}Key"), format!("{what}Id"));
        condition["properties"][&with_key] = key.clone();
        condition["properties"][&with_id] = id.clone();
        if is_required {
            condition["oneOf"] = json!([{ "required": [with_key] }, { "required": [with_id] }]);
        } else {
            condition["not"] = json!({ "required": [with_key, with_id] });
        }
        condition
    };
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
        named("quest", true, kind("questCompleted", &[], json!({}))),
        named("chapter", true, kind("chapterCompleted", &[], json!({}))),
        named("quest", true, kind("questScore", &["minPercent"], json!({ "minPercent": percent }))),
        named("assessment", true, kind("scoreBand", &["which"], json!({
            "which": { "enum": ["first", "best"] }, "minPercent": percent, "belowPercent": percent
        }))),
        named("path", false, kind("pathProgress", &["minPercent"], json!({ "minPercent": percent }))),
        kind("xpEarned", &["min"], json!({ "scope": { "enum": ["path", "service"] }, "min": { "type": "integer", "minimum": 1 } })),
        kind("skillLevel", &["skillTag", "minLevel"], json!({
            "skillTag": { "type": "string", "minLength": 1 }, "minLevel": { "type": "integer", "minimum": 1 }
        })),
        kind("notBefore", &["at"], json!({ "at": { "type": "string", "format": "date-time" } })),
        named("quest", false, kind("delay", &["since", "hours"], json!({
            "since": { "enum": ["questCompleted", "pathStarted"] }, "hours": hours
        }))),
        kind("manual", &[], json!({})),
    ] })
}
