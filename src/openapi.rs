//! The finish of the OpenAPI document: what the handlers' attributes cannot say by themselves.

use serde_json::{Map, Value, json};

/// Answers of the running service to the demo curriculum (scripts/examples), by operationId; under
/// `requests` the bodies that name its ids.
const EXAMPLES: &str = include_str!("../openapi/examples.json");

/// Adds the bearer scheme, the schemas of merge patches, and an example to every operation.
#[must_use]
pub fn finish(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["components"]["securitySchemes"] =
        json!({ "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } });
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    let mut patched = Vec::new();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if path.starts_with("/v1/") {
                describe_headers(method, operation);
            }
            give_examples(path, operation, &examples);
            if let Some(schema) =
                operation.pointer_mut("/requestBody/content/application~1merge-patch+json/schema/$ref")
            {
                let name = schema.as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default().to_owned();
                *schema = json!(format!("#/components/schemas/{}", patch_name(&name)));
                patched.push(name);
            }
        }
    }
    for name in patched {
        // A merge patch holds any part of the resource: nothing of it is required.
        let mut schema = document["components"]["schemas"][&name].clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("required");
            schema.remove("example");
        }
        document["components"]["schemas"][&patch_name(&name)] = schema;
    }
    document
}

/// The headers that every operation of a kind takes; without example values, which the Swagger UI would send.
fn describe_headers(method: &str, operation: &mut Value) {
    let header = |name: &str, description: &str| json!({ "name": name, "in": "header", "required": false, "description": description, "schema": { "type": "string" } });
    let id = "1 to 128 visible ASCII characters; goes through to logs, events and the answer";
    let mut headers = vec![header("X-Correlation-Id", id)];
    match method {
        "get" => headers.push(header("If-None-Match", "ETag of what is known already; answered 304 if it still holds")),
        "post" => {
            let key = "1 to 255 visible ASCII characters; the same key and body replays the stored answer";
            headers.push(header("Idempotency-Key", key));
        }
        _ => {}
    }
    let creates = matches!(operation["operationId"].as_str(), Some(name) if name.starts_with("create_"))
        || operation["operationId"] == "clone_quest"
        || operation["operationId"] == "clone_learning_path"
        || operation["operationId"].as_str().is_some_and(|name| name.ends_with("_curriculum") || name == "enrol")
        || operation["operationId"] == "start_attempt"
        || operation["operationId"] == "receive_coding_result"
        || operation["operationId"].as_str().is_some_and(|name| {
            let try_calls =
                ["start_assessment", "save_draft", "allow_extra_tries", "regrade_assessment", "preview_assessment"];
            name == "allow_extra_step_tries" || try_calls.contains(&name)
        });
    if method != "get" && !creates {
        let mut if_match = header("If-Match", "ETag of the resource that is changed; answered 412 if it has changed");
        // What people decide on must be what they have read.
        if_match["required"] =
            json!(operation["operationId"] == "review_step" || operation["operationId"] == "grade_submission");
        headers.push(if_match);
    }
    if let Some(operation) = operation.as_object_mut() {
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.extend(headers);
        }
    }
}

fn patch_name(name: &str) -> String {
    name.replace("Input", "Patch")
}

/// The captured answer, a body that names what is there, and ids of the demo curriculum in the path.
fn give_examples(path: &str, operation: &mut Value, examples: &Map<String, Value>) {
    let name = operation["operationId"].as_str().unwrap_or_default().to_owned();
    if let Some(example) = examples.get(&name) {
        for status in ["200", "201"] {
            if let Some(content) = operation.pointer_mut(&format!("/responses/{status}/content/application~1json")) {
                content["example"] = example.clone();
            }
            if let Some(content) = operation.pointer_mut(&format!("/responses/{status}/content/application~1yaml")) {
                content["example"] = serde_saphyr::to_string(example).unwrap_or_default().into();
            }
        }
    }
    if let Some(example) = examples.get(&format!("{name}_accepted"))
        && let Some(content) = operation.pointer_mut("/responses/202/content/application~1json")
    {
        content["example"] = example.clone();
    }
    if let Some(body) = examples.get("requests").and_then(|requests| requests.get(&name))
        && let Some(content) = operation.pointer_mut("/requestBody/content/application~1json")
    {
        content["example"] = body.clone();
    }
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let of = |operation: &str, field: &str| examples.get(operation).map(|example| example[field].clone());
        let example = match parameter["name"].as_str() {
            Some("id") if path.starts_with("/v1/attempts/") => of("get_attempt", "id"),
            Some("id") if path.contains("/learning-paths/") => of("get_learning_path", "id"),
            Some("id") if path.starts_with("/v1/feedback/") => of("give_feedback", "id"),
            // The first quest of the demo needs nothing, and all the others need it.
            Some("id") if path.ends_with("/prerequisites") || path.ends_with("/eligibility") => {
                of("locked_quest", "id")
            }
            Some("id") if path.starts_with("/v1/submissions/") => of("get_submission", "id"),
            Some("id") if path.starts_with("/v1/peer-reviews/") => of("get_peer_review", "id"),
            Some("id") if path.starts_with("/v1/assessments/") => of("get_assessment", "id"),
            Some("id") => of("get_quest", "id"),
            Some("assessmentId") => of("get_assessment", "id"),
            Some("regradeId") => of("get_regrade", "id"),
            Some("plan") => of("plan_curriculum", "fingerprint"),
            Some("chapterId") => of("get_chapter", "id"),
            Some("stepId") => of("get_step", "id"),
            Some("resourceId") => of("get_resource", "id"),
            _ => None,
        };
        if let Some(example) = example {
            parameter["example"] = example;
        }
    }
}
