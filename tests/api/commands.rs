//! The commands of the binary, as an operator runs them.

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};

use crate::harness::{Service, database, path_of, rows, text, url_of};

const SECRET: &str = quests::config::DEVELOPMENT_SECRET;
const ISSUER: &str = crate::harness::ISSUER;

async fn quests(arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"))
        .args(arguments)
        .env_clear()
        // Somebody may be trying the service on the default port meanwhile.
        .env("BIND_ADDR", "127.0.0.1:0")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn database_url(pool: &PgPool) -> String {
    format!("--database-url={}", pool.connect_options().to_url_lossy())
}

/// Changes rows behind the service's back.
async fn tamper(pool: &PgPool, change: &str) {
    let changed = rows(pool, &format!("{change} RETURNING 1 AS one")).await;
    assert!(!changed.is_empty(), "{change} changed nothing");
}

#[tokio::test]
async fn every_command_explains_itself() {
    for command in ["", "serve", "migrate", "seed", "import", "export", "verify", "analytics", "openapi", "token"] {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|part| !part.is_empty()).collect();
        let help = quests(&arguments).await;
        assert!(help.status.success(), "{command}: {}", err(&help));
        assert!(out(&help).lines().count() > 3, "{command}: {}", out(&help));
    }
    let serve = out(&quests(&["serve", "--help"]).await);
    for setting in ["DATABASE_URL", "AMQP_URL", "JWT_SECRET", "CORS_ORIGINS", "MAX_BODY_BYTES", "DRAIN_TIMEOUT_MS"] {
        assert!(serve.contains(setting), "{setting} is not in the help");
    }
    let unknown = quests(&["dance"]).await;
    assert!(!unknown.status.success() && out(&unknown).is_empty());
}

#[tokio::test]
async fn token_prints_one_token_that_works_and_nothing_else() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let jwt = [format!("--jwt-secret={SECRET}"), format!("--jwt-issuer={ISSUER}")];
    for (role, status) in [("learner", 403), ("author", 200), ("admin", 200), ("service", 403)] {
        let printed = quests(&["token", "--role", role, &jwt[0], &jwt[1]]).await;
        assert!(printed.status.success() && printed.stderr.is_empty(), "{}", err(&printed));
        let lines = out(&printed);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        let mut client = service.anonymous();
        client.token = Some(lines.trim_end().to_owned());
        assert_eq!(client.get("/v1/quests?isActive=false").await.status, status, "{role}");
    }
    let sub = uuid::Uuid::new_v4().to_string();
    let printed = quests(&["token", "--role", "author", "--sub", &sub, &jwt[0], &jwt[1]]).await;
    let mut client = service.anonymous();
    client.token = Some(out(&printed).trim_end().to_owned());
    assert_eq!(text(&client.draft("Whose", 0).await["createdBy"]), sub);

    let refused =
        quests(&["token", "--role", "author", "--jwt-secret=0123456789012345678901234567890123456789", &jwt[1]]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(out(&refused).is_empty() && err(&refused).contains("JWT_SECRET"), "{}", err(&refused));
}

#[tokio::test]
async fn who_stops_reading_is_no_fault() {
    let pool = database().await;
    for arguments in [vec!["openapi".to_owned()], vec!["verify".to_owned(), database_url(&pool)]] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
        command.args(&arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success() && err(&output).is_empty(), "{}: {}", arguments[0], err(&output));
    }
}

#[tokio::test]
async fn verify_says_one_line_or_names_each_attempt_that_drifted() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Proof", 2, 30).await;
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    let fine = quests(&["verify", &database_url(&pool)]).await;
    assert_eq!(fine.status.code(), Some(0), "{}{}", out(&fine), err(&fine));
    assert_eq!(out(&fine).lines().count(), 1, "{}", out(&fine));

    let id = text(&attempt["id"]);
    tamper(&pool, &format!("UPDATE user_quest_attempts SET completion_percentage = 51 WHERE id = '{id}'")).await;
    let drifted = quests(&["verify", &database_url(&pool)]).await;
    assert_eq!(drifted.status.code(), Some(1));
    assert!(out(&drifted).contains(id), "{}", out(&drifted));
    tamper(&pool, &format!("UPDATE user_quest_attempts SET completion_percentage = 50 WHERE id = '{id}'")).await;
    assert!(quests(&["verify", &database_url(&pool)]).await.status.success());

    tamper(&pool, "DELETE FROM reward_grants").await;
    let drifted = quests(&["verify", &database_url(&pool)]).await;
    assert_eq!(drifted.status.code(), Some(1));
    assert!(out(&drifted).contains(id), "{}", out(&drifted));
}

#[tokio::test]
async fn verify_finds_lost_events_unless_their_time_was_over() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Lost", 1, 30).await;
    learner.finish(&quest).await;
    other.finish(&quest).await;
    let url = database_url(&pool);
    let days = async |days: &str| quests(&["verify", &url, "--event-retention-days", days]).await;
    let fine = days("30").await;
    assert_eq!(fine.status.code(), Some(0), "{}", out(&fine));

    let first = format!("DELETE FROM outbox_events WHERE auth_user_id = '{}' AND learner_seq = 1", learner.id);
    let all = format!("DELETE FROM outbox_events WHERE auth_user_id = '{}'", other.id);
    for (change, who) in [(first, &learner), (all, &other)] {
        tamper(&pool, &change).await;
        let drifted = days("30").await;
        assert_eq!(drifted.status.code(), Some(1), "{change}");
        assert!(out(&drifted).contains(&format!("learner {} counts", who.id)), "{}", out(&drifted));
    }
    // Whoever came before that time may miss what happened before it.
    tamper(&pool, "UPDATE learners SET created_at = now() - interval '40 days'").await;
    tamper(&pool, "UPDATE reward_grants SET granted_at = now() - interval '39 days'").await;
    let explained = days("30").await;
    assert_eq!(explained.status.code(), Some(0), "{}", out(&explained));
    assert_eq!(days("60").await.status.code(), Some(1));
    // A young grant must still have its event.
    let young = format!("UPDATE reward_grants SET granted_at = now() WHERE auth_user_id = '{}'", other.id);
    tamper(&pool, &young).await;
    let silent = days("30").await;
    assert!(out(&silent).contains("has no event"), "{}", out(&silent));
}

#[tokio::test]
async fn seed_loads_twelve_quests_once() {
    let pool = database().await;
    let database = database_url(&pool);
    let content = "SELECT id, title, is_active, updated_at FROM quests ORDER BY id";
    let first = quests(&["seed", &database]).await;
    assert!(first.status.success(), "{}", err(&first));
    assert_eq!(out(&first).lines().count(), 1);
    let loaded = rows(&pool, content).await;
    assert_eq!(loaded.len(), 12);
    assert!(loaded.iter().all(|quest| quest["is_active"] == json!(true)), "{loaded:?}");
    let kinds = rows(&pool, "SELECT DISTINCT step_type FROM quest_steps").await;
    assert_eq!(kinds.len(), 8);
    let again = quests(&["seed", &database]).await;
    assert!(again.status.success(), "{}", err(&again));
    assert_eq!(rows(&pool, content).await, loaded);
    assert!(quests(&["verify", &database]).await.status.success());
}

#[tokio::test]
async fn a_file_is_planned_imported_and_exported_from_the_command_line() {
    let pool = database().await;
    let database = database_url(&pool);
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/c-programming.yaml");
    let planned = quests(&["import", demo, "--plan", &database]).await;
    assert!(planned.status.success(), "{}", err(&planned));
    assert!(out(&planned).contains("create     quest        hello-c\n"), "{}", out(&planned));
    assert_eq!(rows(&pool, "SELECT id FROM quests").await, Vec::<Value>::new());
    let imported = quests(&["import", demo, &database]).await;
    assert!(imported.status.success() && out(&imported).ends_with("applied\n"), "{}", err(&imported));
    let again = quests(&["import", demo, &database]).await;
    assert_eq!(out(&again).lines().count(), 1, "nothing to change: {}", out(&again));
    let first = quests(&["export", &database]).await;
    let file = scratch("yaml", &out(&first));
    let back = quests(&["import", "--plan", file.to_str().unwrap(), &database]).await;
    assert_eq!(out(&back), out(&again), "an export has nothing to change");
    let json = quests(&["export", "--format", "json", "--learning-path", "c-programming", &database]).await;
    assert_eq!(serde_json::from_str::<Value>(&out(&json)).unwrap()["quests"].as_array().unwrap().len(), 12);
    let unknown = quests(&["export", "--learning-path", "nowhere", &database]).await;
    assert!(unknown.status.code() == Some(1) && err(&unknown).contains("nowhere"), "{}", err(&unknown));
    assert!(quests(&["verify", &database]).await.status.success());

    let version = scratch(
        "json",
        &json!({"curriculumCode": "V1", "name": "V", "subjects": [{"code": "A1", "name": "A", "semester": 1, "credits": 1}]}).to_string(),
    );
    let syllabus =
        scratch("json", &json!({"subjectCode": "A1", "sessions": [{"session": 1}, {"session": 2}]}).to_string());
    let (version, syllabus) = (version.to_str().unwrap(), syllabus.to_str().unwrap());
    let arguments =
        ["import", "--curriculum-version", version, "--syllabus", syllabus, "--sessions-per-week", "1", &database];
    let built = quests(&arguments).await;
    assert!(
        built.status.success() && out(&built).contains("create     step         v1-a1/week-02"),
        "{}{}",
        out(&built),
        err(&built)
    );
    let before = rows(&pool, "SELECT id, updated_at FROM quests ORDER BY id").await;
    for arguments in [
        vec!["import", "--curriculum-version", version, &database],
        vec!["import", "--plan", "--curriculum-version", version, &database],
    ] {
        let twice = quests(&arguments).await;
        assert_eq!((twice.status.code(), out(&twice)), (Some(1), String::new()), "no plan that cannot be applied");
        assert!(err(&twice).contains("is there already"), "{}", err(&twice));
    }
    let stray = scratch("json", &json!({"subjectCode": "A2", "sessions": []}).to_string());
    let stray = stray.to_str().unwrap();
    for (syllabi, clue) in [(vec![stray], "no subject A2"), (vec![syllabus, syllabus], "A1 has a syllabus already")] {
        let syllabi = syllabi.iter().flat_map(|file| ["--syllabus", *file]);
        let arguments: Vec<&str> =
            ["import", "--curriculum-version", version, &database].into_iter().chain(syllabi).collect();
        let refused = quests(&arguments).await;
        assert!(refused.status.code() == Some(1) && err(&refused).contains(clue), "{clue}: {}", err(&refused));
    }
    assert_eq!(
        rows(&pool, "SELECT id, updated_at FROM quests ORDER BY id").await,
        before,
        "what authors made of it stays"
    );
}

/// A file that the system clears away with the build's own.
fn scratch(ending: &str, content: &str) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.{ending}", uuid::Uuid::new_v4()));
    std::fs::write(&path, content).unwrap();
    path
}

#[tokio::test]
async fn a_broken_file_loads_nothing_and_says_where() {
    let pool = database().await;
    for (index, (content, clue)) in [
        ("v: 1\nquests: [{key: a}]", "/quests/0"),
        ("v: 1\nquests: [", "line"),
        ("v: 1\nsurprise: 1", "surprise"),
        ("v: 1\nquests: [{key: q, title: Q, description: Q, questType: Practice, difficultyLevel: Beginner, skillTags: [' a', 'a ']}]", "/quests/0/skillTags/1"),
        ("v: 1\nlearningPaths: [{key: p, name: P, description: P, pathType: Course, quests: [{quest: nowhere, difficultyLevel: Beginner}]}]", "/learningPaths/0/quests/0/quest"),
        ("v: 1\nlearningPaths: [{key: p, name: P, description: P, pathType: Course, isPublished: true}]", "no_mandatory_quest"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = scratch("yaml", content);
        let refused = quests(&["import", path.to_str().unwrap(), &database_url(&pool)]).await;
        assert_eq!(refused.status.code(), Some(1), "case {index}: {}", out(&refused));
        assert!(err(&refused).contains(clue), "case {index} ({clue}): {}", err(&refused));
        assert_eq!(rows(&pool, "SELECT id FROM learning_paths").await, Vec::<Value>::new(), "case {index}");
    }
    let missing = quests(&["import", "no-such-file.yaml", &database_url(&pool)]).await;
    assert!(missing.status.code() == Some(1) && err(&missing).contains("no-such-file.yaml"));
}

#[tokio::test]
async fn openapi_prints_the_document_of_the_repository() {
    let printed = quests(&["openapi"]).await;
    assert!(printed.status.success(), "{}", err(&printed));
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    assert!(out(&printed) == file, "openapi/openapi.json is not what `quests openapi` prints");
}

/// Every demo has the same quests and paths; what names nothing else can be tried out as it stands.
#[tokio::test]
async fn a_fresh_demo_takes_the_documents_examples() {
    let pool = database().await;
    assert!(quests(&["seed", &database_url(&pool)]).await.status.success());
    let service = Service::start(&pool).await;
    let author = service.author();
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&file).unwrap();
    // The orders name steps, resources and chapters of one demo; the others need what is not there yet.
    let needs_more = [
        "order_steps",
        "order_resources",
        "order_chapters",
        "pause_enrollment",
        "resume_enrollment",
        "create_learning_path_from_curriculum",
    ];
    let mut tried = 0;
    for method in ["get", "post", "put", "patch"] {
        for (path, item) in document["paths"].as_object().unwrap() {
            let operation = &item[method];
            let name = operation["operationId"].as_str().unwrap_or_default();
            // Learners are not of the demo, though their paths may be asked for.
            let of_the_demo = !path.starts_with("/v1/learners")
                && (path.starts_with("/v1/quests") || path.contains("/learning-paths"));
            if name.is_empty() || !of_the_demo || path.matches('{').count() > 1 || needs_more.contains(&name) {
                continue;
            }
            let mut address = path.clone();
            for parameter in operation["parameters"].as_array().unwrap() {
                if parameter["in"] == "path" {
                    address = address.replace("{id}", text(&parameter["example"]));
                }
            }
            let body = operation["requestBody"]["content"].as_object().and_then(|contents| contents.values().next());
            let body = body.map(|content| match (&content["example"], content["schema"]["$ref"].as_str()) {
                (Value::Null, Some(schema)) => document.pointer(&format!("{}/example", &schema[1..])).unwrap().clone(),
                (example, _) => example.clone(),
            });
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let reply = author.send(method, &address, &[], body.as_ref()).await;
            assert!(reply.status.is_success(), "{name}: {} {}", reply.status, reply.text);
            tried += 1;
        }
    }
    assert!(tried >= 35, "{tried}");
}

#[sqlx::test(migrations = false)]
async fn migrate_brings_an_empty_database_up_to_date_twice(pool: PgPool) {
    for _ in 0..2 {
        let migrated = quests(&["migrate", &database_url(&pool)]).await;
        assert!(migrated.status.success(), "{}", err(&migrated));
    }
    let service = Service::start(&pool).await;
    service.anonymous().get("/readyz").await.expect(200);
    let quest = service.author().quest("After", 1, 0).await;
    service.learner().get(&path_of(&quest)).await.expect(200);
}

#[tokio::test]
async fn serve_refuses_settings_that_are_not_safe_in_a_sentence() {
    let pool = database().await;
    let database = format!("--database-url={}", url_of(&pool.connect_options()));
    let issuer = format!("--jwt-issuer={ISSUER}");
    let secret = format!("--jwt-secret={SECRET}");
    for (arguments, clue) in [
        (["--jwt-secret=short", "--bind-addr=127.0.0.1:0"], "JWT_SECRET has fewer than 32 bytes"),
        ([secret.as_str(), "--cors-origins=example.org"], "CORS_ORIGINS"),
        ([secret.as_str(), "--role-map=Player=emperor"], "emperor"),
        ([secret.as_str(), "--bind-addr=nowhere"], "BIND_ADDR"),
        ([secret.as_str(), "--database-max-connections=0"], "DATABASE_MAX_CONNECTIONS"),
    ] {
        let refused = quests(&["serve", &database, &issuer, arguments[0], arguments[1]]).await;
        assert!(!refused.status.success(), "{clue}");
        assert!(err(&refused).contains(clue), "{clue}: {}", err(&refused));
        assert!(!err(&refused).contains("panicked"), "{}", err(&refused));
    }
}
