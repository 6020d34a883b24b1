//! Settings: all that is wrong at once, no secret in any message, and a guide that says what the program does.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};

use clap::{Args, Command};
use quests::config::{Config, DEVELOPMENT_SECRET};

use crate::harness::{ISSUER, database, url_of};

async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command.kill_on_drop(true).output().await.unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The line that is about a setting.
fn about<'a>(text: &'a str, setting: &str) -> &'a str {
    let is_about = |line: &&str| line.trim_start().starts_with(&format!("{setting} "));
    text.lines().find(is_about).unwrap_or_else(|| panic!("{setting} is not reported: {text}"))
}

#[tokio::test]
async fn every_wrong_setting_is_reported_at_once_with_what_to_write_instead() {
    let arguments = ["serve", "--log-format", "xml", "--max-steps=0"];
    let variables = [
        ("DATABASE_MAX_CONNECTIONS", "many"),
        ("BIND_ADDR", "nowhere"),
        ("DEMO_PAGE", "perhaps"),
        ("ROLE_MAP", "Player=emperor"),
        ("CORS_ORIGINS", "example.org"),
        ("RUST_LOG", "info,,=="),
        ("QDRANT_URL", "qdrant:6334"),
        ("RECOMMENDATION_DIVERSITY", "2"),
        ("VIDEO_MAX_PLAYBACK_RATE", "0"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "70000"),
        ("BODY_TIMEOUT_MS", "40000"),
        ("STREAM_HEARTBEAT_SECONDS", "30"),
        ("STREAM_MAX_AGE_SECONDS", "20"),
        // As left out.
        ("EMBEDDINGS_MODEL_DIR", ""),
    ];
    let refused = run(&arguments, &variables).await;
    let said = err(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for (setting, clues) in [
        ("DATABASE_URL", vec!["is missing", "postgres://user:password@host:port/database"]),
        ("JWT_ISSUER", vec!["is missing", "https://"]),
        ("JWT_SECRET", vec!["is missing", "JWT_JWKS_URL", "openssl rand"]),
        ("DATABASE_MAX_CONNECTIONS", vec!["'many'", "by default 10"]),
        ("BIND_ADDR", vec!["'nowhere'", "by default 127.0.0.1:8080"]),
        ("DEMO_PAGE", vec!["'perhaps'", "true or false"]),
        ("ROLE_MAP", vec!["emperor"]),
        ("CORS_ORIGINS", vec!["'example.org' is no origin", "https://app.example.org"]),
        ("RUST_LOG", vec!["is no filter"]),
        ("QDRANT_URL", vec!["is no address", "http://host:port"]),
        ("RECOMMENDATION_DIVERSITY", vec!["is not in 0..=1"]),
        ("VIDEO_MAX_PLAYBACK_RATE", vec!["is not in 1..=100"]),
        ("LOG_FORMAT", vec!["'xml'", "json or pretty"]),
        ("MAX_STEPS", vec!["'0'", "1..=1000"]),
        ("DATABASE_STATEMENT_TIMEOUT_MS", vec!["DATABASE_TRANSACTION_TIMEOUT_MS"]),
        ("BODY_TIMEOUT_MS", vec!["REQUEST_TIMEOUT_MS"]),
        ("STREAM_HEARTBEAT_SECONDS", vec!["STREAM_MAX_AGE_SECONDS"]),
    ] {
        let line = about(&said, setting);
        assert!(clues.iter().all(|clue| line.contains(clue)), "{clues:?}: {line}");
    }
    assert!(said.contains("17 settings are wrong"), "{said}");
    assert_eq!(said.lines().count(), 18, "each once: {said}");
}

#[tokio::test]
async fn no_message_shows_a_secret() {
    let secret = "s3cr3t-s3cr3t";
    let (database, broker) = (format!("postgres//u:{secret}@h/d"), format!("amqp//u:{secret}@h"));
    let embeddings = format!("ftp://u:{secret}@h");
    let (collector, headers) = (format!("http://u:{secret}@host:4318\n"), format!("key {secret}\nx"));
    let variables = [
        ("DATABASE_URL", database.as_str()),
        ("DATABASE_READ_URL", database.as_str()),
        ("DATABASE_DIRECT_URL", database.as_str()),
        ("AMQP_URL", broker.as_str()),
        ("EMBEDDINGS_URL", embeddings.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()),
        ("USER_SERVICE_TOKEN", headers.as_str()),
        ("JWT_ISSUER", ISSUER),
        ("JWT_SECRET", secret),
    ];
    let refused = run(&["serve"], &variables).await;
    let said = err(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for (setting, _) in variables.iter().filter(|(name, _)| *name != "JWT_ISSUER") {
        about(&said, setting);
    }
    assert!(about(&said, "JWT_SECRET").contains("fewer than 32 bytes"), "{said}");
    assert!(!said.contains(secret), "{said}");
    for mistaken in [format!("JWT_SECRET={secret}"), format!("postgres://u:{secret}@h/d")] {
        for arguments in [vec!["serve", &mistaken], vec![&mistaken, "serve"], vec!["analytics", &mistaken]] {
            let refused = run(&arguments, &[]).await;
            assert_eq!(refused.status.code(), Some(2));
            assert!(!err(&refused).contains(secret), "{}", err(&refused));
        }
    }
    let refused = run(&["analytics", "rollup"], &[variables[0], ("ANALYTICS_HOUR", "24")]).await;
    let said = err(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(about(&said, "ANALYTICS_HOUR").contains("0..=23") && !said.contains(secret), "{said}");
    about(&said, "DATABASE_URL");
}

#[test]
fn no_help_shows_an_address_or_a_key() {
    let settings = Config::augment_args(Command::new("settings"));
    let shown: Vec<String> = settings
        .get_arguments()
        .filter(|arg| !arg.is_hide_env_values_set())
        .filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned))
        .filter(|name| {
            ["_URL", "_ENDPOINT", "_HEADERS", "_TOKEN", "_SECRET", "_API_KEY"].iter().any(|end| name.ends_with(end))
        })
        .collect();
    assert_eq!(shown, Vec::<String>::new(), "their values may hold a password: hide_env_values");
}

#[tokio::test]
async fn other_commands_report_their_settings_too_and_leave_usage_to_the_help() {
    let refused = run(&["migrate"], &[("DATABASE_URL", "mysql://h/d"), ("DATABASE_MAX_CONNECTIONS", "1")]).await;
    let said = err(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(about(&said, "DATABASE_URL").contains("is no address of PostgreSQL"), "{said}");
    assert!(about(&said, "DATABASE_MAX_CONNECTIONS").contains("2..=1000"), "{said}");
    for (arguments, clue) in
        [(vec!["dance"], "dance"), (vec!["serve", "--dance"], "--dance"), (vec!["token"], "--role")]
    {
        let refused = run(&arguments, &[("JWT_ISSUER", ISSUER)]).await;
        assert_eq!(refused.status.code(), Some(2), "{clue}");
        assert!(err(&refused).contains(clue), "{clue}: {}", err(&refused));
    }
}

#[tokio::test]
async fn a_misspelt_setting_is_named_in_the_log() {
    let pool = database().await;
    let url = url_of(&pool.connect_options());
    // The address is taken: it ends by itself, once it has said what it has to say.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("JWT_SECRET", DEVELOPMENT_SECRET),
        ("JWT_ISSUER", ISSUER),
        ("BIND_ADDR", &address),
        ("DATABASE_MAX_CONECTIONS", "3"),
        ("DATABASE_STATEMENT_TIMEOUT", "3"),
        ("DATABASE_PORT", "tcp://10.0.0.1:5432"),
        ("PATH", "/usr/bin"),
    ];
    let ended = run(&["serve"], &variables).await;
    let said = err(&ended);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("DATABASE_MAX_CONECTIONS is no setting; DATABASE_MAX_CONNECTIONS may be meant"), "{said}");
    assert!(
        said.contains("DATABASE_STATEMENT_TIMEOUT is no setting; DATABASE_STATEMENT_TIMEOUT_MS may be meant"),
        "{said}"
    );
    assert_eq!(said.matches("may be meant").count(), 2, "{said}");
}

/// Numbers as people write them.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What clap says a number must be in, e.g. `2..=1000`.
fn range(name: &str) -> Option<(String, String)> {
    ["18446744073709551615", "0"].into_iter().find_map(|probe| {
        let command = Config::augment_args(Command::new("probe"));
        let given = ["probe".to_owned(), format!("--{name}={probe}")];
        let error = command.try_get_matches_from(given).err()?.to_string();
        let (_, rest) = error.split_once("is not in ")?;
        let (low, high) = rest.split_whitespace().next()?.split_once("..=")?;
        Some((grouped(low), grouped(high)))
    })
}

#[test]
fn the_guide_lists_every_setting_with_its_default_and_its_limits() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let mut rows: BTreeMap<String, (String, String)> = BTreeMap::new();
    let section = guide.split("\n## Settings\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        for name in cells[0].split(", ") {
            let row = (cells[1].to_owned(), cells[2..].join(" | "));
            assert!(rows.insert(name.trim_matches('`').to_owned(), row).is_none(), "{name} is there twice");
        }
    }
    let command = Config::augment_args(Command::new("settings"));
    let mut known = Vec::new();
    for arg in command.get_arguments().filter(|arg| arg.get_env().is_some()) {
        let name = arg.get_env().unwrap().to_string_lossy().into_owned();
        let (default, text) = rows.get(&name).unwrap_or_else(|| panic!("{name} is not in docs/operations.md"));
        let set = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        match set.filter(|value| !value.is_empty()) {
            Some(value) => assert_eq!(default.trim_matches('`').replace(',', ""), value.replace(',', ""), "{name}"),
            None if arg.is_required_set() => assert_eq!(default, "none, required", "{name}"),
            // A sentence may say what holds instead.
            None => assert!(!default.starts_with(|first: char| first.is_ascii_digit()), "{name}: {default}"),
        }
        if let Some((low, high)) = range(arg.get_long().unwrap()) {
            assert!(text.contains(&format!("{low}–{high}")), "{name}: {low}–{high} is not in: {text}");
        }
        known.push(name);
    }
    let gone: Vec<&String> = rows.keys().filter(|name| !known.contains(name)).collect();
    assert!(gone.is_empty(), "these are no settings: {gone:?}");
}
