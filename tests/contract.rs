//! The published contract: the OpenAPI document and the list of problem codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;

fn document() -> Value {
    let (_, document) = quests::routes::routes();
    serde_json::to_value(document).unwrap()
}

/// Every operation as `METHOD path`.
fn operations(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                all.push((format!("{} {path}", method.to_uppercase()), operation.clone()));
            }
        }
    }
    all
}

fn has_example(document: &Value, media: &Value) -> bool {
    let shown = |node: &Value| node.get("example").is_some() || node.get("examples").is_some();
    let schema = &media["schema"];
    let target = schema["$ref"].as_str().and_then(|reference| document.pointer(reference.trim_start_matches('#')));
    shown(media) || shown(schema) || target.is_some_and(shown)
}

#[test]
fn every_operation_says_what_it_does_and_what_it_needs() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = std::collections::HashSet::new();
    let mut wrong = Vec::new();
    let operations = operations(&document);
    assert!(operations.len() > 25, "{}", operations.len());
    for (name, operation) in &operations {
        let mut need = |ok: bool, what: &str| {
            if !ok {
                wrong.push(format!("{name}: {what}"));
            }
        };
        need(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "summary");
        need(operation["operationId"].as_str().is_some_and(|id| ids.insert(id.to_owned())), "operationId of its own");
        need(operation["tags"].as_array().is_some_and(|own| own.iter().all(|tag| tags.contains(&tag))), "known tag");
        let responses = operation["responses"].as_object().unwrap();
        need(responses.keys().any(|status| status.starts_with('2')), "a success");
        if !name.contains(" /v1/") {
            continue;
        }
        let security = operation.get("security").unwrap_or(&document["security"]);
        let bearer = security.as_array().is_some_and(|all| all.iter().any(|one| one.get("bearer").is_some()));
        need(
            bearer && !security.as_array().is_some_and(|all| all.iter().any(|one| one == &serde_json::json!({}))),
            "bearer",
        );
        let refusal = responses.iter().find(|(status, _)| status.starts_with('4'));
        let refusal = refusal.and_then(|(_, response)| response["content"].get("application/problem+json"));
        need(refusal.is_some(), "a documented refusal");
        if let Some(body) = operation.get("requestBody") {
            for (kind, media) in body["content"].as_object().unwrap() {
                need(has_example(&document, media), &format!("an example of its {kind} body"));
            }
        }
        let placeholders = name.matches('{').count();
        let declared = operation["parameters"]
            .as_array()
            .map_or(0, |parameters| parameters.iter().filter(|parameter| parameter["in"] == "path").count());
        need(placeholders == declared, "its path parameters");
    }
    assert!(wrong.is_empty(), "missing:\n{}", wrong.join("\n"));
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(document: &Value, node: &Value, lost: &mut Vec<String>) {
        match node {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str)
                    && document.pointer(reference.trim_start_matches('#')).is_none()
                {
                    lost.push(reference.to_owned());
                }
                fields.values().for_each(|field| walk(document, field, lost));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(document, item, lost)),
            _ => {}
        }
    }
    let (document, mut lost) = (document(), Vec::new());
    walk(&document, &document, &mut lost);
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn every_problem_code_is_listed_with_its_status() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).expect("docs/api.md");
    let mut missing = Vec::new();
    for code in quests::http::Code::ALL {
        let (name, status) = (format!("`{}`", code.as_str()), code.status().as_u16().to_string());
        if !file.lines().any(|line| line.contains(&name) && line.contains(&status)) {
            missing.push(format!("{name} {status}"));
        }
    }
    assert!(missing.is_empty(), "docs/api.md does not list {}", missing.join(", "));
}
