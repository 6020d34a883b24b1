//! What is published: the OpenAPI document, the list of problem codes, the metrics with their dashboard and alerts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use quests::meters::{CATALOGUE, Kind, Meter};
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

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file under a folder.
fn sources(folder: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// `kind name {labels}` of each `metrics::…!` in the code.
fn measured() -> BTreeSet<String> {
    let (mut files, mut found) = (Vec::new(), BTreeSet::new());
    sources(&std::path::Path::new(ROOT).join("src"), &mut files);
    for source in &files {
        for kind in ["counter", "gauge", "histogram"] {
            for (at, macro_name) in source.match_indices(&format!("metrics::{kind}!(")) {
                let rest = source[at + macro_name.len()..].trim_start();
                let Some(rest) = rest.strip_prefix('"') else { continue };
                let mut depth = 1;
                let end = rest.find(|letter| {
                    depth += i32::from(letter == '(') - i32::from(letter == ')');
                    depth == 0
                });
                let call = &rest[..end.unwrap()];
                let name = call.split('"').next().unwrap();
                let pieces: Vec<&str> = call.split('"').collect();
                let labels =
                    pieces.windows(2).filter(|pair| pair[1].trim_start().starts_with("=>")).map(|pair| pair[0]);
                found.insert(format!("{kind} {name} {:?}", labels.collect::<BTreeSet<_>>()));
            }
        }
    }
    found
}

#[test]
fn every_metric_of_the_code_is_in_the_catalogue_and_the_other_way_round() {
    let listed: BTreeSet<String> = CATALOGUE
        .iter()
        .map(|meter| {
            let labels: BTreeSet<&str> = meter.labels.iter().copied().collect();
            format!("{} {} {labels:?}", kind(meter), meter.name)
        })
        .collect();
    assert_eq!(listed.len(), CATALOGUE.len(), "a name stands there twice");
    assert_eq!(measured(), listed);
}

fn kind(meter: &Meter) -> &'static str {
    match meter.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

#[test]
fn the_page_of_metrics_is_the_catalogue() {
    let expected: Vec<String> = CATALOGUE
        .iter()
        .map(|meter| {
            let labels: Vec<String> = meter.labels.iter().map(|label| format!("`{label}`")).collect();
            let (kind, labels) = (kind(meter), labels.join(", "));
            format!("| `{}` | {kind} | {labels} | {} | {} |", meter.name, meter.unit, meter.meaning)
        })
        .collect();
    let page = file("docs/metrics.md");
    let has_a_row = |line: &&str| CATALOGUE.iter().any(|meter| line.starts_with(&format!("| `{}` |", meter.name)));
    let written: BTreeSet<&str> =
        page.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 4).collect();
    assert!(written.iter().all(has_a_row), "{written:#?}");
    for row in &expected {
        assert!(written.contains(row.as_str()), "docs/metrics.md has no\n{row}");
    }
}

/// The metrics that an expression asks for, and the labels that it names.
fn asked(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let mut text = expression.to_owned();
    for (open, close) in [('"', '"'), ('[', ']')] {
        while let Some(from) = text.find(open) {
            let to = from + 1 + text[from + 1..].find(close).unwrap();
            text.replace_range(from..=to, " ");
        }
    }
    let names = |inside: &str| -> Vec<String> {
        let words = inside.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    for open in ["{", "by (", "by("] {
        let close = if open == "{" { '}' } else { ')' };
        while let Some(from) = text.find(open) {
            let to = from + text[from..].find(close).unwrap();
            labels.extend(names(&text[from + open.len()..to]));
            text.replace_range(from..=to, " ");
        }
    }
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut rest = text.as_str();
    while let Some(from) = rest.find(is_word) {
        let to = rest[from..].find(|letter| !is_word(letter)).map_or(rest.len(), |length| from + length);
        let word = &rest[from..to];
        rest = &rest[to..];
        // A function has a bracket; what is left are numbers and operators.
        let is_function = rest.trim_start().starts_with('(');
        let is_name = word.starts_with(|letter: char| letter.is_ascii_lowercase());
        if is_name && !is_function && !["and", "or", "unless"].contains(&word) {
            metrics.insert(word.to_owned());
        }
    }
    (metrics, labels)
}

/// What an expression asks for that the service does not show.
fn faults(expression: &str) -> Vec<String> {
    let (metrics, labels) = asked(expression);
    let mut faults = Vec::new();
    let mut known: BTreeSet<&str> = BTreeSet::from(["job", "instance"]);
    for name in metrics.iter().filter(|name| *name != "up") {
        let meter = CATALOGUE.iter().find(|meter| match meter.kind {
            Kind::Histogram => ["bucket", "sum", "count"].iter().any(|part| *name == format!("{}_{part}", meter.name)),
            Kind::Counter | Kind::Gauge => name == meter.name,
        });
        match meter {
            Some(meter) => known.extend(meter.labels.iter().chain(&["le"])),
            None => faults.push(format!("{name} in {expression}")),
        }
    }
    faults.extend(
        labels.iter().filter(|label| !known.contains(label.as_str())).map(|label| format!("{label} in {expression}")),
    );
    if metrics.is_empty() {
        faults.push(format!("nothing in {expression}"));
    }
    faults
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap()
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_there_are() {
    assert_eq!(faults("sum(rate(http_nothing_total[5m]))").len(), 1);
    assert_eq!(faults(r#"sum by (path) (http_requests_total{status="200"})"#).len(), 1);
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/quests.json")).unwrap();
    let alerts: Value = serde_saphyr::from_str(&file("deploy/prometheus/alerts.yml")).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        expressions.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    assert!(expressions.len() > 50);
    let rows = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] == "row");
    let rows: Vec<&str> = rows.map(|row| row["title"].as_str().unwrap()).collect();
    assert_eq!(rows, ["HTTP", "Outbox", "Inbox", "Database", "Search and User Service", "Streams", "Jobs", "Process"]);
    let rules: Vec<&Value> =
        alerts["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 10);
    let guide = file("docs/alerts.md");
    let told: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let named: Vec<&str> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(told.iter().collect::<BTreeSet<_>>(), named.iter().collect::<BTreeSet<_>>(), "docs/alerts.md");
    for rule in &rules {
        let row = format!(
            "| [{0}](#{1}) | {2} |",
            text(rule, "alert"),
            text(rule, "alert").to_lowercase(),
            rule["labels"]["severity"].as_str().unwrap()
        );
        assert!(guide.contains(&row), "docs/alerts.md has no row {row}");
    }
    for rule in rules {
        expressions.push(rule["expr"].as_str().unwrap().to_owned());
        let said = |name: &str| rule["annotations"][name].as_str().unwrap_or_default();
        let is_a_sentence = said("action").ends_with('.') && said("action").starts_with(char::is_uppercase);
        assert!(!said("summary").is_empty() && is_a_sentence, "{rule}");
    }
    let faults: Vec<String> = expressions.iter().flat_map(|expression| faults(expression)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
