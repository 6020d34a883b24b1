//! The document as a page for people: one file, no script, nothing loaded.

use serde_json::Value;

use super::document::{Published, TakenIn, follow, published, taken_in, text};

/// Colours for light and dark; tables scroll by themselves on narrow screens.
const STYLE: &str = "
:root{color-scheme:light dark;--ink:#0f172a;--soft:#475569;--line:#cbd5e1;--page:#f8fafc;--card:#fff;--on:#1d4ed8}
@media(prefers-color-scheme:dark){:root{--ink:#f1f5f9;--soft:#a9b6ca;--line:#2b3a55;--page:#0b1120;--card:#111a2e;--on:#93c5fd}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main,header{max-width:64rem;margin:0 auto;padding:1rem 1.25rem}
h1{font-size:1.7rem;margin:.5rem 0}
h2{font-size:1.3rem;margin:2.5rem 0 .75rem}
h3{font-size:1.1rem;margin:2rem 0 .25rem}
section h3{margin:0}
h4{font-size:.9rem;margin:1rem 0 .25rem;color:var(--soft)}
p{margin:.4rem 0}
a{color:var(--on)}
code,pre{font:.88em/1.5 ui-monospace,'DejaVu Sans Mono',monospace}
section.message{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem 1.25rem;margin:1rem 0}
.key{color:var(--soft);margin:.1rem 0 .5rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.94rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}
td:first-child,td:nth-child(2){white-space:nowrap}
td:last-child{min-width:14rem}
td.wide:nth-child(2){white-space:normal;min-width:11rem}
.soft{color:var(--soft)}
pre{overflow-x:auto;margin:.25rem 0 0;padding:.75rem;border:1px solid var(--line);border-radius:6px;background:var(--page)}
";

/// The page.
///
/// # Errors
/// Which part the document lacks.
pub fn render(document: &Value) -> Result<String, String> {
    let (published, taken_in) = (published(document)?, taken_in(document)?);
    let title = text(document, "/info/title")?;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p>{}</p>\n\
         <p>The same for machines: <a href=\"/asyncapi.json\">/asyncapi.json</a> (AsyncAPI {}). \
         The API: <a href=\"/docs/\">/docs</a>.</p>\n</header>\n<main>\n",
        prose(text(document, "/info/description")?),
        prose(text(document, "/asyncapi")?),
        title = prose(title),
    );
    page.push_str("<h2>What we publish</h2>\n");
    overview(&mut page, &published)?;
    broker(&mut page, document)?;
    page.push_str(
        "<h3>The envelope</h3>\n<p>The body of every message, around the <code>data</code> of its type.</p>\n",
    );
    fields(&mut page, &document["components"]["schemas"]["Envelope"]);
    for event in &published {
        section(&mut page, event)?;
    }
    page.push_str("<h2>What we take in</h2>\n");
    for message in &taken_in {
        received(&mut page, message)?;
    }
    dead_letters(&mut page, document)?;
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

fn overview(page: &mut String, events: &[Published]) -> Result<(), String> {
    page.push_str("<div class=\"scroll\"><table>\n<tr><th>Event</th><th>Routing key</th><th>When</th></tr>\n");
    for event in events {
        let (name, when) = (prose(event.event_type), prose(text(event.message, "/summary")?));
        put(
            page,
            format_args!(
                "<tr><td><a href=\"#{name}\">{name}</a></td><td><code>{}</code></td><td>{when}</td></tr>\n",
                prose(event.routing_key)
            ),
        );
    }
    page.push_str("</table></div>\n");
    Ok(())
}

/// Exchange, alternate exchange, properties and headers.
fn broker(page: &mut String, document: &Value) -> Result<(), String> {
    let exchange = document
        .pointer("/components/channelBindings/events/amqp/exchange")
        .ok_or("the exchange of events is missing")?;
    let unrouted = &document["channels"]["unrouted"];
    put(
        page,
        format_args!(
            "<h2>On the broker</h2>\n<p>Exchange <code>{}</code>: {}. Bind <code>quests.#</code> for everything.</p>\n\
         <p>Queue <code>{}</code>: {}</p>\n",
            prose(text(exchange, "/name")?),
            kind(exchange)?,
            prose(text(unrouted, "/address")?),
            prose(text(unrouted, "/description")?)
        ),
    );
    let event = &document["components"]["messageTraits"]["event"];
    page.push_str("<div class=\"scroll\"><table>\n<tr><th>AMQP property</th><th>Value</th></tr>\n");
    for (name, value) in event["x-amqp-properties"].as_object().ok_or("the properties are missing")? {
        row(page, name, value.as_str().unwrap_or_default());
    }
    for (name, schema) in event["headers"]["properties"].as_object().ok_or("the headers are missing")? {
        row(page, &format!("header {name}"), text(schema, "/description")?);
    }
    page.push_str("</table></div>\n");
    Ok(())
}

fn row(page: &mut String, name: &str, value: &str) {
    put(page, format_args!("<tr><td><code>{}</code></td><td class=\"wide\">{}</td></tr>\n", prose(name), prose(value)));
}

/// An event.
fn section(page: &mut String, event: &Published) -> Result<(), String> {
    put(
        page,
        format_args!(
            "<section class=\"message\" id=\"{name}\">\n<h3>{name}</h3>\n<p class=\"key\"><code>{}</code></p>\n<p>{}</p>\n\
         <h4>Its <code>data</code>, as in <a href=\"{schema}\">{schema}</a></h4>\n",
            prose(event.routing_key),
            prose(text(event.message, "/summary")?),
            name = prose(event.event_type),
            schema = prose(event.dataschema),
        ),
    );
    fields(page, event.schema);
    examples(page, event.message);
    page.push_str("</section>\n");
    Ok(())
}

/// A message from elsewhere.
fn received(page: &mut String, message: &TakenIn) -> Result<(), String> {
    let key = if message.routing_key.is_empty() {
        String::new()
    } else {
        format!(", routing key <code>{}</code>", prose(message.routing_key))
    };
    put(
        page,
        format_args!(
            "<section class=\"message\" id=\"{}\">\n<h3>{}</h3>\n<p class=\"key\">Exchange <code>{}</code> ({}){key}; \
         queue <code>{}</code></p>\n<p>{} {}</p>\n",
            prose(text(message.message, "/name")?),
            prose(text(message.message, "/title")?),
            prose(text(message.exchange, "/name")?),
            kind(message.exchange)?,
            prose(message.queue),
            prose(text(message.message, "/summary")?),
            prose(message.summary),
        ),
    );
    if let Some(more) = message.message["description"].as_str() {
        put(page, format_args!("<p>{}</p>\n", prose(more)));
    }
    fields(page, message.schema);
    examples(page, message.message);
    page.push_str("</section>\n");
    Ok(())
}

fn dead_letters(page: &mut String, document: &Value) -> Result<(), String> {
    let channel = &document["channels"]["dead-letters"];
    let message = follow(document, &channel["messages"]["DeadLetter"])?;
    put(
        page,
        format_args!(
            "<section class=\"message\" id=\"DeadLetter\">\n<h3>{}</h3>\n<p class=\"key\">Queue <code>{}</code></p>\n\
         <p>{} {}</p>\n",
            prose(text(message, "/title")?),
            prose(text(channel, "/address")?),
            prose(text(message, "/summary")?),
            prose(text(message, "/description")?),
        ),
    );
    page.push_str("<h4>Its headers</h4>\n");
    fields(page, &message["headers"]);
    page.push_str("</section>\n");
    Ok(())
}

/// `topic, durable`.
fn kind(exchange: &Value) -> Result<String, String> {
    let durable = if exchange["durable"] == true { ", durable" } else { "" };
    Ok(format!("{}{durable}", prose(text(exchange, "/type")?)))
}

/// The fields of an object, those of objects within it by their paths.
fn fields(page: &mut String, schema: &Value) {
    page.push_str("<div class=\"scroll\"><table>\n<tr><th>Field</th><th>Type</th><th>Meaning</th></tr>\n");
    field_rows(page, schema, "");
    page.push_str("</table></div>\n");
}

fn field_rows(page: &mut String, schema: &Value, above: &str) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{name}");
        let is_required =
            schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
        let optional = if is_required { "" } else { " <span class=\"soft\">optional</span>" };
        let class = if field["enum"].is_array() { " class=\"wide\"" } else { "" };
        put(
            page,
            format_args!(
                "<tr><td><code>{}</code>{optional}</td><td{class}>{}</td><td>{}</td></tr>\n",
                prose(&path),
                type_of(field),
                prose(field["description"].as_str().unwrap_or_default())
            ),
        );
        field_rows(page, field, &format!("{path}."));
    }
}

/// The type and its bounds in words.
fn type_of(field: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(constant) = field.get("const") {
        return format!("always <code>{}</code>", prose(&word(constant)));
    }
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("<code>{}</code>", prose(&word(value)))).collect();
        return values.join(" or ");
    }
    if let Some(types) = field["type"].as_array() {
        return prose(&types.iter().map(word).collect::<Vec<_>>().join(" or "));
    }
    let name = field["format"].as_str().or(field["type"].as_str()).unwrap_or("anything");
    let name = if name == "array" { format!("list of {}", type_of(&field["items"])) } else { prose(name) };
    let bounds = match (field["minimum"].as_i64(), field["maximum"].as_i64(), field["exclusiveMinimum"].as_i64()) {
        // The largest number of a column is no news.
        (Some(low), Some(high), _) if high < i64::from(i32::MAX) => format!(", {low} to {high}"),
        (Some(low), _, _) => format!(", {low} or more"),
        (_, _, Some(low)) => format!(", more than {low}"),
        _ => String::new(),
    };
    name + &bounds
}

fn examples(page: &mut String, message: &Value) {
    let examples = message["examples"].as_array();
    for example in examples.into_iter().flatten() {
        let body = serde_json::to_string_pretty(&example["payload"]).unwrap_or_default();
        put(page, format_args!("<h4>Example</h4>\n<pre>{}</pre>\n", escape(&body)));
    }
}

fn put(page: &mut String, text: std::fmt::Arguments) {
    page.push_str(&text.to_string());
}

/// Escaped, and what stands between backticks as code.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, part) in escape(text).split('`').enumerate() {
        if index % 2 == 1 {
            put(&mut out, format_args!("<code>{part}</code>"));
        } else {
            out.push_str(part);
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
