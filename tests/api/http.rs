//! The conventions on the wire: problems, tokens, tags, keys, correlation, limits, draining.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use quests::config::DEVELOPMENT_SECRET;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::harness::{Client, ISSUER, Reply, Service, Setup, database, http_client, path_of, rows, step, text};

/// What the service answers to bytes, until it closes the connection.
async fn raw(base: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // The service may close before it has read everything.
    drop(tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await);
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(client: &Client, line: &str, headers: &str) -> String {
    let token = client.token.as_deref().unwrap();
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{headers}\r\n")
}

fn new_quest(title: &str) -> Value {
    json!({"title": title, "description": "d", "questType": "Practice", "difficultyLevel": "Beginner"})
}

async fn send_text(client: &Client, method: Method, path: &str, kind: Option<&str>, body: String) -> Reply {
    let mut request = http_client().request(method, format!("{}{path}", client.base)).body(body);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let response = request.bearer_auth(client.token.as_ref().unwrap()).send().await.unwrap();
    Reply { status: response.status(), headers: response.headers().clone(), text: response.text().await.unwrap() }
}

const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_a_problem_with_its_code() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Problems", 0).await;
    let path = path_of(&quest);
    for unknown in ["/", "/v1", "/v1/raids", "/v2/quests", "/v1/quests/", "/v1/quests/a/b/c"] {
        let body = author.get(unknown).await.problem(404, "not_found");
        assert_eq!(body["instance"], unknown);
    }
    author.get(&format!("/v1/quests/{}", Uuid::new_v4())).await.problem(404, "not_found");
    for (method, at) in [
        (Method::DELETE, "/v1/quests"),
        (Method::PUT, path.as_str()),
        (Method::POST, "/v1/me/attempts"),
        (Method::POST, "/healthz"),
    ] {
        let reply = author.send(method.clone(), at, &[], None).await;
        let allow = reply.header("allow").unwrap_or_default().to_owned();
        assert!(allow.contains("GET") && !allow.contains(method.as_str()), "{method} {at}: Allow: {allow}");
        reply.problem(405, "method_not_allowed");
    }
    let post = |kind, body: &str| send_text(&author, Method::POST, "/v1/quests", kind, body.to_owned());
    let good = new_quest("ok").to_string();
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data")] {
        post(kind, &good).await.problem(415, "unsupported_media_type");
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"] {
        post(Some(kind), &good).await.expect(201);
    }
    for broken in [
        "{",
        "{\"title\": }",
        "nul",
        "{\"title\": \"\\ud800\"}",
        "{\"title\":\"a\",}",
        "{\"title\":1,,,",
        "\u{feff}{}",
        "\0",
    ] {
        post(JSON, broken).await.problem(400, "malformed_json");
    }
    post(JSON, &format!("{good} {{}}")).await.problem(400, "malformed_json");
    for wrong in ["null", "[]", "1", "\"x\"", "{}"] {
        post(JSON, wrong).await.problem(422, "validation_failed");
    }
    post(JSON, "").await.problem(400, "malformed_json");
    for id in ["abc", "1", "%00", "%ff", "00000000-0000-0000-0000-00000000000g", "..%2f"] {
        author.get(&format!("/v1/quests/{id}")).await.problem(400, "malformed_id");
        author.get(&format!("{path}/steps/{id}")).await.problem(400, "malformed_id");
        author.get(&format!("/v1/attempts/{id}")).await.problem(400, "malformed_id");
    }
    let listed = [
        "/v1/quests".to_owned(),
        "/v1/me/attempts".into(),
        format!("{path}/steps"),
        format!("{path}/resources"),
        format!("{path}/prerequisites"),
    ];
    for list in &listed {
        for cursor in ["x", "!!!", "%00", "e30", "W10", "bnVsbA%3D%3D"] {
            author.get(&format!("{list}?cursor={cursor}")).await.problem(400, "malformed_cursor");
        }
        for limit in ["0", "101", "-1", "x", "", "1.5", "99999999999999999999"] {
            author.get(&format!("{list}?limit={limit}")).await.problem(422, "validation_failed");
        }
        for query in ["colour=red", "limit=1&limit=2", "%00=1", "Limit=1"] {
            author.get(&format!("{list}?{query}")).await.problem(422, "validation_failed");
        }
        author.get(&format!("{list}?limit=100")).await.expect(200);
        author.get(&format!("{list}?limit=1")).await.expect(200);
    }
}

#[tokio::test]
async fn a_forged_cursor_is_refused_and_never_a_fault_of_ours() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Cursor", 0).await;
    let id = Uuid::nil();
    for (list, key) in [
        ("/v1/quests?sort=title&".to_owned(), json!({"Title": ["a\0", id]})),
        ("/v1/quests?".to_owned(), json!({"Newest": ["-200000-01-01T00:00:00Z", id]})),
        ("/v1/quests?".to_owned(), json!({"Newest": ["+262000-01-01T00:00:00Z", id]})),
        ("/v1/quests?q=a&".to_owned(), json!({"Relevance": [1e300, id]})),
        ("/v1/me/attempts?".to_owned(), json!(["-200000-01-01T00:00:00Z", id])),
        (format!("{}/prerequisites?", path_of(&quest)), json!(["a\0", id])),
        (format!("{}/steps?", path_of(&quest)), json!(i32::MIN)),
        (format!("{}/resources?", path_of(&quest)), json!([i32::MAX, id])),
    ] {
        let cursor = URL_SAFE_NO_PAD.encode(key.to_string());
        let reply = author.get(&format!("{list}cursor={cursor}")).await;
        assert!(!reply.status.is_server_error(), "{list} {key}: {} {}", reply.status, reply.text);
    }
}

#[tokio::test]
async fn nul_characters_are_refused_wherever_they_stand() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Nul", 1, 0).await;
    let path = path_of(&quest);
    let attempt = learner.attempt(&quest).await;
    let list = author.all(&format!("{path}/steps")).await;
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let reading = |prompt: &str| {
        let mut input = with(step("s"), "stepType", json!("Quiz"));
        input["validationCriteria"] = json!({"v": 1, "type": "Quiz", "minPercent": 1,
            "items": [{"id": "q", "kind": "trueFalse", "prompt": prompt, "points": 1, "correct": true}]});
        input
    };
    let link = json!({"resourceType": "Link", "title": "l", "url": "https://example.org"});
    let (steps, resources, rewards) =
        (format!("{path}/steps"), format!("{path}/resources"), format!("{path}/skill-rewards"));
    let one = format!("{steps}/{}", text(&list[0]["id"]));
    let mine = format!("/v1/attempts/{}", text(&attempt["id"]));
    let complete = format!("{mine}/steps/{}/complete", text(&list[0]["id"]));
    for (who, method, at, body) in [
        (&author, Method::POST, "/v1/quests", new_quest("a\0b")),
        (&author, Method::POST, "/v1/quests", with(new_quest("a"), "description", json!("\0"))),
        (&author, Method::POST, "/v1/quests", with(new_quest("a"), "skillTags", json!(["x\0"]))),
        (&author, Method::POST, "/v1/quests", with(new_quest("a"), "questType", json!("Practice\0"))),
        (&author, Method::POST, "/v1/quests", with(new_quest("a"), "x\0", json!(1))),
        (&author, Method::PATCH, path.as_str(), json!({"title": "\0"})),
        (&author, Method::POST, steps.as_str(), step("\0s")),
        (&author, Method::POST, steps.as_str(), with(step("s"), "content", json!({"a": ["\0"]}))),
        (&author, Method::POST, steps.as_str(), with(step("s"), "content", json!({"a\0": 1}))),
        (&author, Method::POST, steps.as_str(), reading("why\0?")),
        (&author, Method::PATCH, one.as_str(), json!({"content": {"deep": {"er": "\0"}}})),
        (&author, Method::POST, resources.as_str(), with(link.clone(), "title", json!("\0"))),
        (&author, Method::POST, resources.as_str(), with(link.clone(), "filePath", json!("a\0"))),
        (&author, Method::POST, resources.as_str(), with(link.clone(), "description", json!("a\0"))),
        (&author, Method::POST, resources.as_str(), with(link.clone(), "url", json!("https://example.org/\0"))),
        (&author, Method::POST, resources.as_str(), with(link, "metadata", json!({"a": "\0"}))),
        (&author, Method::PUT, rewards.as_str(), json!({"rewards": [{"skillTag": "a\0", "points": 1}]})),
        (&learner, Method::PATCH, mine.as_str(), json!({"notes": "a\0"})),
        (&learner, Method::POST, complete.as_str(), json!({"submissionData": {"text": "a\0"}})),
    ] {
        let reply = who.send(method.clone(), at, &[], Some(&body)).await;
        assert_eq!(reply.status, 422, "{method} {at} {body}: {}", reply.text);
        reply.problem(422, "validation_failed");
    }
    for query in ["q=%00", "skillTag=a%00", "questType=%00", "sort=%00"] {
        author.get(&format!("/v1/quests?{query}")).await.problem(422, "validation_failed");
    }
}

#[tokio::test]
async fn deep_and_huge_requests_are_refused_and_the_service_lives_on() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Huge", 0).await;
    let steps = format!("{}/steps", path_of(&quest));
    let deep = |levels: usize| {
        let content = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        format!("{{\"title\":\"t\",\"description\":\"d\",\"stepType\":\"Reading\",\"content\":{content}}}")
    };
    send_text(&author, Method::POST, &steps, JSON, deep(50)).await.expect(201);
    for levels in [200, 20_000] {
        send_text(&author, Method::POST, &steps, JSON, deep(levels)).await.problem(400, "malformed_json");
    }
    let large = new_quest(&"x".repeat(1_048_576)).to_string();
    send_text(&author, Method::POST, "/v1/quests", JSON, large.clone()).await.problem(413, "payload_too_large");
    // Without an announced length as well.
    let mut chunked =
        head(&author, "POST /v1/quests", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
            .into_bytes();
    chunked.extend(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()).bytes());
    let answer = raw(&service.base, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"), "{answer}");
    let mut document = step("Document");
    document["content"] = json!({"a": "x".repeat(300_000)});
    author.post(&steps, document).await.problem(422, "validation_failed");
    let text = json!({"description": "x".repeat(20_001)});
    author.patch(&path_of(&quest), text).await.problem(422, "validation_failed");
    let many: Vec<Uuid> = (0..20_000).map(|_| Uuid::new_v4()).collect();
    author.put(&format!("{steps}/order"), json!({"stepIds": many})).await.problem(422, "validation_failed");

    let padding = "p".repeat(40_000);
    let reply = author.send(Method::GET, "/v1/quests", &[("x-padding", &padding)], None).await;
    reply.problem(431, "headers_too_large");
    let long = author.get(&format!("/v1/quests?q={}", "y".repeat(40_000))).await;
    assert!(long.status.is_client_error(), "{}", long.status);
    let half = raw(
        &service.base,
        head(&author, "POST /v1/quests", "Content-Type: application/json\r\nContent-Length: nine\r\n").as_bytes(),
    )
    .await;
    assert!(half.starts_with("HTTP/1.1 400"), "{half}");
    author.get("/v1/quests").await.expect(200);
}

fn signed(algorithm: Algorithm, secret: &str, change: &[(&str, Value)]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "sub": Uuid::new_v4(), "iss": ISSUER, "aud": "authenticated", "exp": now + 600, "roles": ["Verified Lecturer"],
    });
    for (name, value) in change {
        // A number is an offset from now.
        claims[*name] = value.as_i64().map_or_else(|| value.clone(), |offset| json!(now.cast_signed() + offset));
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        }
    }
    jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

#[tokio::test]
async fn only_a_valid_token_is_let_in() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let good = signed(Algorithm::HS256, DEVELOPMENT_SECRET, &[]);
    let with = |change: &[(&str, Value)]| format!("Bearer {}", signed(Algorithm::HS256, DEVELOPMENT_SECRET, change));
    let payload = good.split('.').nth(1).unwrap();
    let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"typ\":\"JWT\"}");
    let asymmetric = URL_SAFE_NO_PAD.encode("{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
    let signature = good.rsplit('.').next().unwrap();
    for (what, header) in [
        ("none", None),
        ("empty", Some(String::new())),
        ("no scheme", Some(good.clone())),
        ("another scheme", Some(format!("Basic {good}"))),
        ("no token", Some("Bearer ".to_owned())),
        ("garbage", Some("Bearer a.b.c".to_owned())),
        ("alg none", Some(format!("Bearer {none}.{payload}."))),
        ("alg none with a signature", Some(format!("Bearer {none}.{payload}.{signature}"))),
        ("alg RS256", Some(format!("Bearer {asymmetric}.{payload}.{signature}"))),
        ("alg HS512", Some(format!("Bearer {}", signed(Algorithm::HS512, DEVELOPMENT_SECRET, &[])))),
        (
            "another secret",
            Some(format!("Bearer {}", signed(Algorithm::HS256, "another secret of thirty-two bytes", &[]))),
        ),
        ("expired", Some(with(&[("exp", json!(-60))]))),
        ("not yet valid", Some(with(&[("nbf", json!(300))]))),
        ("no exp", Some(with(&[("exp", Value::Null)]))),
        ("no sub", Some(with(&[("sub", Value::Null)]))),
        ("sub is no UUID", Some(with(&[("sub", json!("somebody"))]))),
        ("no iss", Some(with(&[("iss", Value::Null)]))),
        ("wrong iss", Some(with(&[("iss", json!("http://elsewhere"))]))),
        ("no aud", Some(with(&[("aud", Value::Null)]))),
        ("wrong aud", Some(with(&[("aud", json!("others"))]))),
    ] {
        let headers: Vec<(&str, &str)> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        for (method, path) in
            [(Method::GET, "/v1/quests"), (Method::POST, "/v1/quests"), (Method::GET, "/v1/me/attempts")]
        {
            let reply = service.anonymous().send(method, path, &headers, None).await;
            assert_eq!(reply.status, 401, "{what}: {}", reply.text);
            assert!(reply.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{what}");
            reply.problem(401, "unauthorized");
        }
    }
    for fine in [
        with(&[]),
        with(&[("exp", json!(-5))]),
        with(&[("aud", json!(["x", "authenticated"]))]),
        format!("bearer {good}"),
    ] {
        service.anonymous().send(Method::GET, "/v1/quests", &[("authorization", &fine)], None).await.expect(200);
    }
}

#[tokio::test]
async fn an_unknown_role_is_a_learners() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    for roles in [&["Emperor"][..], &["verified lecturer"], &["author"], &["admin"], &[]] {
        let somebody = service.client_as(Uuid::new_v4(), roles);
        somebody.get("/v1/quests").await.expect(200);
        somebody.post("/v1/quests", new_quest("x")).await.problem(403, "forbidden");
    }
    let both = service.client_as(Uuid::new_v4(), &["Emperor", "Verified Lecturer"]);
    both.post("/v1/quests", new_quest("x")).await.expect(201);
    service.client_as(Uuid::new_v4(), &["Game Master"]).post("/v1/quests", new_quest("x")).await.expect(201);
}

/// `GET` gives a tag that answers 304; a write with an old one is 412, with the current one it works.
async fn tagged(client: &Client, path: &str, write: Method, to: &str, body: Value) {
    let read = client.get(path).await;
    let tag = read.header("etag").unwrap_or_else(|| panic!("no ETag on {path}")).to_owned();
    let varies: Vec<String> =
        read.headers.get_all("vary").iter().map(|value| value.to_str().unwrap().to_lowercase()).collect();
    assert!(varies.iter().any(|value| value.contains("authorization")), "{path}: {varies:?}");
    read.expect(200);
    for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let same = client.send(Method::GET, path, &[("if-none-match", &known)], None).await;
        assert_eq!((same.status, same.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path} {known}");
        assert_eq!(same.header("etag"), Some(tag.as_str()));
    }
    client.send(Method::GET, path, &[("if-none-match", "\"x\"")], None).await.expect(200);

    for stale in ["\"x\"", "x", &format!("W/{tag}")] {
        let refused = client.send(write.clone(), to, &[("if-match", stale)], Some(&body)).await;
        assert_eq!(refused.status, 412, "{write} {to} {stale}: {}", refused.text);
        refused.problem(412, "precondition_failed");
    }
    assert_eq!(client.get(path).await.header("etag"), Some(tag.as_str()), "a refused write changes nothing");
    let done = client.send(write.clone(), to, &[("if-match", &tag)], Some(&body)).await;
    assert!(done.status.is_success(), "{write} {to}: {}", done.text);
    if write == Method::DELETE {
        return;
    }
    let read = client.get(path).await;
    assert_ne!(read.header("etag"), Some(tag.as_str()), "{write} {to}");
    if let Some(answered) = done.header("etag") {
        assert_eq!(Some(answered), read.header("etag"), "the write answers the tag that GET has: {write} {to}");
    }
    let again = client.send(write, to, &[("if-match", &tag)], Some(&body)).await;
    again.problem(412, "precondition_failed");
}

#[tokio::test]
async fn tags_guard_every_resource_against_lost_changes() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Tags", 2, 10).await;
    let other = author.quest("Other", 1, 0).await;
    let path = path_of(&quest);
    let list = author.all(&format!("{path}/steps")).await;
    let link = |title: &str| json!({"resourceType": "Link", "title": title, "url": "https://example.org"});
    let one = author.post(&format!("{path}/resources"), link("1")).await.expect(201);
    let two = author.post(&format!("{path}/resources"), link("2")).await.expect(201);
    let at_step = format!("{path}/steps/{}", text(&list[0]["id"]));
    let at_resource = format!("{path}/resources/{}", text(&one["id"]));
    let (steps, resources) = (format!("{path}/steps"), format!("{path}/resources"));
    let (needs, rewards) = (format!("{path}/prerequisites"), format!("{path}/skill-rewards"));
    tagged(&author, &path, Method::PATCH, &path, json!({"title": "Tags 2"})).await;
    tagged(&author, &at_step, Method::PATCH, &at_step, json!({"title": "x"})).await;
    tagged(&author, &at_resource, Method::PATCH, &at_resource, json!({"title": "x"})).await;
    let order = json!({"stepIds": [list[1]["id"], list[0]["id"]]});
    tagged(&author, &steps, Method::PUT, &format!("{steps}/order"), order).await;
    let order = json!({"resourceIds": [two["id"], one["id"]]});
    tagged(&author, &resources, Method::PUT, &format!("{resources}/order"), order).await;
    tagged(&author, &needs, Method::PUT, &needs, json!({"questIds": [other["id"]]})).await;
    tagged(&author, &rewards, Method::PUT, &rewards, json!({"rewards": [{"skillTag": "a", "points": 1}]})).await;
    tagged(&author, &at_step, Method::POST, &format!("{at_step}/retire"), json!({})).await;
    tagged(&author, &at_resource, Method::DELETE, &at_resource, json!({})).await;

    let attempt = learner.attempt(&other).await;
    let mine = format!("/v1/attempts/{}", text(&attempt["id"]));
    let unit = format!("{mine}/steps/{}", text(&attempt["steps"][0]["stepId"]));
    tagged(&learner, &mine, Method::PATCH, &mine, json!({"notes": "n"})).await;
    tagged(&learner, &mine, Method::POST, &format!("{mine}/pause"), json!({})).await;
    tagged(&learner, &mine, Method::POST, &format!("{mine}/resume"), json!({})).await;
    tagged(&learner, &mine, Method::POST, &format!("{unit}/start"), json!({})).await;
    tagged(&learner, &mine, Method::POST, &format!("{unit}/complete"), json!({})).await;
    let draft = path_of(&author.draft("Gone", 0).await);
    tagged(&author, &draft, Method::DELETE, &draft, json!({})).await;

    // Another caller sees another quest, and gets another tag; any tag will do for `*`.
    let tag = |reply: Reply| reply.header("etag").unwrap().to_owned();
    let other = path_of(&other);
    assert_ne!(tag(author.get(&other).await), tag(learner.get(&other).await));
    author.send(Method::PATCH, &other, &[("if-match", "*")], Some(&json!({"title": "any"}))).await.expect(200);
    let empty = author.get("/v1/quests?q=nothing").await;
    let tag = tag(empty);
    let same = author.send(Method::GET, "/v1/quests?q=nothing", &[("if-none-match", &tag)], None).await;
    assert_eq!(same.status, 304);
}

async fn keyed(client: &Client, key: &str, path: &str, body: &Value) -> Reply {
    client.send(Method::POST, path, &[("idempotency-key", key)], Some(body)).await
}

#[tokio::test]
async fn a_key_makes_a_post_happen_once() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (one, two) = (service.author(), service.author());
    let body = new_quest("Once");
    let first = keyed(&one, "k", "/v1/quests", &body).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let second = keyed(&one, "k", "/v1/quests", &body).await;
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    for name in ["location", "etag", "content-type"] {
        assert_eq!(first.header(name), second.header(name), "{name}");
        assert!(first.header(name).is_some(), "{name}");
    }
    assert_eq!((first.status, &first.text), (second.status, &second.text));

    keyed(&one, "k", "/v1/quests", &new_quest("Twice")).await.problem(422, "idempotency_key_reused");
    let elsewhere = format!("{}/clone", first.header("location").unwrap());
    keyed(&one, "k", &elsewhere, &json!({"title": "Once"})).await.problem(422, "idempotency_key_reused");
    // Another caller's key is another key.
    assert_ne!(keyed(&two, "k", "/v1/quests", &body).await.expect(201)["id"], second.json()["id"]);
    assert_eq!(rows(&pool, "SELECT id FROM quests").await.len(), 2);
    for wrong in ["", "a b", "a\tb", "\u{e9}", &"k".repeat(256)] {
        keyed(&one, wrong, "/v1/quests", &body).await.problem(400, "malformed_header");
    }
    keyed(&one, &"k".repeat(255), "/v1/quests", &body).await.expect(201);
    // A day later it is forgotten.
    service.wait(24 * 3600 + 1);
    let late = keyed(&one, "k", "/v1/quests", &body).await;
    assert_eq!(late.header("idempotency-replayed"), None);
    assert_ne!(late.expect(201)["id"], second.json()["id"]);
}

#[tokio::test]
async fn concurrent_requests_with_one_key_have_one_effect() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    for round in 0..10 {
        let (key, body) = (format!("race-{round}"), new_quest(&format!("Race {round}")));
        let replies = join_all((0..10).map(|_| keyed(&author, &key, "/v1/quests", &body))).await;
        let (done, running): (Vec<Reply>, Vec<Reply>) = replies.into_iter().partition(|reply| reply.status == 201);
        assert!(!done.is_empty());
        assert!(done.iter().all(|reply| reply.text == done[0].text));
        for reply in running {
            assert!(reply.header("retry-after").is_some());
            reply.problem(409, "idempotency_key_in_use");
        }
    }
    assert_eq!(rows(&pool, "SELECT id FROM quests").await.len(), 10);
}

#[tokio::test]
async fn a_refusal_frees_its_key_and_a_counted_try_is_kept() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (gate, quest) = (author.quest("Gate", 1, 0).await, author.draft("Reading", 0).await);
    let mut reading = step("read");
    reading["stepType"] = json!("Reading");
    reading["validationCriteria"] = json!({"v": 1, "type": "Reading", "minSeconds": 60});
    author.step(&quest, reading).await;
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200);
    author.needs(&quest, &[&gate]).await.expect(200);
    let start = format!("{}/attempt", path_of(&quest));
    keyed(&learner, "start", &start, &json!({})).await.problem(409, "quest_locked");
    assert_eq!(rows(&pool, "SELECT key FROM idempotency_keys").await, Vec::<Value>::new());
    learner.finish(&gate).await;
    let started = keyed(&learner, "start", &start, &json!({})).await;
    assert_eq!(started.header("idempotency-replayed"), None);
    let attempt = started.expect(201);
    // 201 again, where the same request without a key is 200 now.
    let replayed = keyed(&learner, "start", &start, &json!({})).await;
    assert_eq!(replayed.header("location"), Some(format!("/v1/attempts/{}", text(&attempt["id"])).as_str()));
    replayed.expect(201);

    let complete =
        format!("/v1/attempts/{}/steps/{}/complete", text(&attempt["id"]), text(&attempt["steps"][0]["stepId"]));
    let claim = json!({"submissionData": {"seconds": 500}});
    let first = keyed(&learner, "try", &complete, &claim).await;
    service.wait(120);
    let again = keyed(&learner, "try", &complete, &claim).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.text, first.text);
    assert_eq!(first.problem(422, "criteria_not_met")["attemptsCount"], 1);
    assert_eq!(again.problem(422, "criteria_not_met")["attemptsCount"], 1);
    let done = keyed(&learner, "another-try", &complete, &claim).await.expect(200);
    assert_eq!(done["step"]["attemptsCount"], 2);
}

#[tokio::test]
async fn a_fit_correlation_id_goes_through_and_an_unfit_one_is_replaced() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let id = async |headers: &[(&str, &str)]| {
        author.send(Method::GET, "/v1/quests", headers, None).await.header("x-correlation-id").unwrap().to_owned()
    };
    for fit in ["a", "order-66/x", &"c".repeat(128)] {
        assert_eq!(id(&[("x-correlation-id", fit), ("traceparent", trace)]).await, fit);
    }
    for unfit in ["", "a b", &"c".repeat(129)] {
        assert!(Uuid::parse_str(&id(&[("x-correlation-id", unfit)]).await).is_ok(), "{unfit}");
        assert_eq!(
            id(&[("x-correlation-id", unfit), ("traceparent", trace)]).await,
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }
    for broken in [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "x",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    ] {
        assert!(Uuid::parse_str(&id(&[("traceparent", broken)]).await).is_ok_and(|id| !id.is_nil()), "{broken}");
    }
    assert_ne!(id(&[]).await, id(&[]).await);
    // No letters that an id or a hash is made of.
    let answer =
        raw(&service.base, head(&author, "GET /v1/quests", "X-Correlation-Id: xy~zz\u{e9}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("xy~zz"), "{answer}");
    // On refusals too, those of the framework included.
    let lost = author.send(Method::GET, "/nowhere", &[("x-correlation-id", "lost")], None).await;
    assert_eq!(lost.header("x-correlation-id"), Some("lost"));
}

#[tokio::test]
async fn browsers_of_the_known_origins_may_call() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (anyone, author) = (service.anonymous(), service.author());
    let preflight = |origin: &'static str| {
        let anyone = anyone.clone();
        async move {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "PATCH"),
                ("access-control-request-headers", "authorization,content-type,if-match,idempotency-key"),
            ];
            anyone.send(Method::OPTIONS, "/v1/quests/x", &headers, None).await
        }
    };
    let fine = preflight("http://localhost:3000").await;
    assert!(fine.status.is_success(), "{}", fine.status);
    assert_eq!(fine.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert!(fine.header("access-control-allow-methods").is_some_and(|methods| methods.contains("PATCH")));
    let allowed = fine.header("access-control-allow-headers").unwrap().to_lowercase();
    for name in ["authorization", "content-type", "if-match", "idempotency-key"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    assert_eq!(preflight("http://evil.example").await.header("access-control-allow-origin"), None);

    // Refusals are readable as well.
    for (path, client) in
        [("/v1/quests", &author), ("/v1/quests", &anyone), ("/v1/quests/x", &author), ("/nowhere", &author)]
    {
        let reply = client.send(Method::GET, path, &[("origin", "http://localhost:5173")], None).await;
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some("http://localhost:5173"),
            "{path}: {}",
            reply.status
        );
        let exposed = reply.header("access-control-expose-headers").unwrap().to_lowercase();
        for name in ["etag", "location", "retry-after", "ratelimit", "x-correlation-id"] {
            assert!(exposed.split(',').any(|one| one.trim() == name), "{name}: {exposed}");
        }
    }
    let foreign = author.send(Method::GET, "/v1/quests", &[("origin", "http://evil.example")], None).await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn answers_are_compressed_when_asked() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    for number in 0..5 {
        author.draft(&format!("Large {number}"), 0).await;
    }
    let zipped = author.send(Method::GET, "/v1/quests", &[("accept-encoding", "gzip")], None).await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let plain = author.get("/v1/quests").await;
    assert_eq!(plain.header("content-encoding"), None);
    plain.expect(200);
    let tag = zipped.header("etag").unwrap();
    let same =
        author.send(Method::GET, "/v1/quests", &[("accept-encoding", "gzip"), ("if-none-match", tag)], None).await;
    assert_eq!(same.status, 304);
    let refused = author.send(Method::GET, "/v1/quests/x", &[("accept-encoding", "gzip")], None).await;
    if refused.header("content-encoding").is_none() {
        refused.problem(400, "malformed_id");
    }
}

#[tokio::test]
async fn operators_and_readers_need_no_token() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (anyone, author) = (service.anonymous(), service.author());
    let quest = author.draft("Metrics", 0).await;
    author.get(&path_of(&quest)).await.expect(200);
    author.get(&format!("/no/{}", text(&quest["id"]))).await.problem(404, "not_found");
    anyone.get("/healthz").await.expect(200);
    let ready = anyone.get("/readyz").await.expect(200);
    assert_eq!((&ready["status"], &ready["database"]), (&json!("ready"), &json!("up")));
    let metrics = anyone.get("/metrics").await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert!(metrics.text.contains("route=\"/v1/quests/{id}\""), "{}", metrics.text);
    assert!(metrics.text.contains("http_request_duration_seconds"));
    assert!(!metrics.text.contains(text(&quest["id"])));
    let document = anyone.get("/openapi.json").await.expect(200);
    assert_eq!(&text(&document["openapi"])[..3], "3.1");
    let page = anyone.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
            && page.text.contains("swagger-ui")
    );
    assert!(!page.text.contains("https://"), "the page loads nothing from elsewhere: {}", page.text);
    let start = anyone.get("/docs/swagger-initializer.js").await.text;
    assert!(start.contains("/openapi.json") && start.contains("persistAuthorization"), "{start}");
}

#[tokio::test]
async fn slow_headers_and_bodies_are_cut_off() {
    let pool = database().await;
    let args = vec!["--header-timeout-ms=300".to_owned(), "--body-timeout-ms=300".to_owned()];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    let author = service.author();
    for slow in ["GET /v1/qu", "GET /v1/quests HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let began = Instant::now();
        let answer = raw(&service.base, slow.as_bytes()).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{slow:?} was held for {:?}", began.elapsed());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let began = Instant::now();
    let half =
        head(&author, "POST /v1/quests", "Content-Type: application/json\r\nContent-Length: 1000\r\n") + "{\"title\"";
    let answer = raw(&service.base, half.as_bytes()).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    author.get("/v1/quests").await.expect(200);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut_off_too() {
    let pool = database().await;
    let args = vec!["--header-timeout-ms=300".to_owned()];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    // The second could still become HTTP/2.
    for silent in ["", "PRI * HT"] {
        let began = Instant::now();
        let answer = raw(&service.base, silent.as_bytes()).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{silent:?} was held for {:?}", began.elapsed());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

#[tokio::test]
async fn a_request_in_flight_gets_its_answer_when_the_service_stops() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let address = service.base.trim_start_matches("http://").to_owned();
    let body = new_quest("In flight").to_string();
    let (early, late) = body.split_at(20);
    let headers =
        format!("Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n", body.len());
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all((head(&author, "POST /v1/quests", &headers) + early).as_bytes()).await.unwrap();
    let mut idle = TcpStream::connect(&address).await.unwrap();
    // The service tells that it has read the headers: it asks for the body.
    let mut wants_body = [0; 25];
    stream.read_exact(&mut wants_body).await.unwrap();
    assert_eq!(&wants_body, b"HTTP/1.1 100 Continue\r\n\r\n");
    let stopping = tokio::spawn(service.stop());
    let refused = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.expect("new connections are not taken");
    assert!(!stopping.is_finished(), "the request in flight is waited for");
    stream.write_all(late.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    tokio::time::timeout(Duration::from_secs(5), stopping).await.expect("it stops soon").unwrap();
    assert_eq!(rows(&pool, "SELECT title FROM quests").await, [json!({"title": "In flight"})]);
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0, "an idle connection is closed");
}
