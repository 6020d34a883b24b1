//! `make bench-latency`: how long search and recommendations take over loopback in a catalogue of 10,000 quests, and how
//! much memory the service has then; what is measured and what is not: benches/README.md.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench reads its own settings, prints, and counts far below 2^52"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::routing::post;
use axum::{Json, Router};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use self::shared::{
    Fail, Measured, authorization, command, create, database_name, number, remove, replaced_database, serve, sql, value,
};

mod shared;

/// As the model in the process has it.
const DIMENSIONS: usize = 384;
const LEARNERS: u64 = 2_000;
/// Every tenth learner has so many more attempts.
const MANY: u64 = 200;
const WORDS: u64 = 2_000;

#[derive(Clone, Copy)]
enum Asked {
    Search,
    Similar,
    Recommendations,
}

impl Asked {
    const ALL: [Self; 3] = [Self::Search, Self::Similar, Self::Recommendations];

    const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Similar => "similar",
            Self::Recommendations => "recommendations",
        }
    }
}

struct Settings {
    quests: u64,
    clients: u64,
    seconds: u64,
    database: String,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map_err(Fail::from).and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-latency: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Fail> {
    let scratch = format!("quests_latency_{}", Uuid::new_v4().simple());
    let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set: run `make bench-latency`")?;
    let settings = Settings {
        quests: number("BENCH_QUESTS", 10_000)?,
        clients: number("BENCH_CLIENTS", 2)?,
        seconds: number("BENCH_SECONDS", 10)?,
        database: replaced_database(&url, &scratch)?,
    };
    let name = database_name(&settings.database).to_owned();
    create(&name).await?;
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&name);
    let outcome = tokio::select! {
        outcome = measure(&settings, &directory) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    remove(&name).await?;
    if outcome.is_ok() {
        std::fs::remove_dir_all(&directory)?;
    } else {
        eprintln!("bench-latency: the log of the service is in {}", directory.display());
    }
    outcome
}

async fn measure(settings: &Settings, directory: &Path) -> Result<(), Fail> {
    std::fs::create_dir_all(directory)?;
    command(&settings.database, &["migrate"]).await?;
    let mut connection = PgConnection::connect(&settings.database).await?;
    sql(&mut connection, &fill(settings.quests)).await?;
    sql(&mut connection, "VACUUM ANALYZE").await?;
    let version = value(&mut connection, "SHOW server_version").await?;
    println!(
        "{} cores, PostgreSQL {version}, {} quests, {LEARNERS} learners, {} clients, {} s each",
        std::thread::available_parallelism()?,
        settings.quests,
        settings.clients,
        settings.seconds,
    );
    let endpoint = endpoint().await?;
    let index = directory.join("data");
    let mut more = vec![
        ("EMBEDDINGS_URL", endpoint),
        ("EMBEDDINGS_MODEL", format!("words-{DIMENSIONS}")),
        ("DATA_DIR", index.display().to_string()),
    ];
    // A server where there is one, or else the index in the process.
    if let Ok(url) = std::env::var("QDRANT_URL") {
        more.push(("QDRANT_URL", url));
    }
    let began = Instant::now();
    let (mut service, base) = serve(&settings.database, directory, &more).await?;
    let empty = memory(service.id())?;
    let tokens = (0..LEARNERS).map(|n| authorization(id('a', n)?)).collect::<Result<Vec<_>, Fail>>()?;
    let client = quests::outgoing::client().no_proxy().build()?;
    let path = format!("{base}/v1/search?q={}", word(7));
    loop {
        let (_, found) = ask(&client, &path, &tokens[0]).await?;
        if found["degraded"] == false {
            break;
        }
        if began.elapsed() > Duration::from_mins(10) {
            return Err("the index was not in step within 10 minutes".into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("the index was in step {:.1} s after the start", began.elapsed().as_secs_f64());
    println!("\n{:<15} | {:>7} | {:>7} | {:>7}", "operation", "req/s", "p50 ms", "p99 ms");
    for asked in Asked::ALL {
        drive(settings, asked, &base, &tokens, settings.seconds.min(2)).await?;
        let measured = drive(settings, asked, &base, &tokens, settings.seconds).await?;
        println!(
            "{:<15} | {:>7.0} | {:>7.2} | {:>7.2}",
            asked.name(),
            measured.per_second,
            measured.at(50),
            measured.at(99)
        );
    }
    let full = memory(service.id())?;
    println!("\nmemory of the service: {full} MiB; {empty} MiB before the index was there");
    if let Some(status) = service.try_wait()? {
        return Err(format!("the service ended by itself: {status}").into());
    }
    service.kill().await?;
    Ok(())
}

/// Resident, in MiB.
fn memory(process: Option<u32>) -> Result<u64, Fail> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.ok_or("the service is gone")?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

fn id(kind: char, number: u64) -> Result<Uuid, Fail> {
    Ok(Uuid::parse_str(&format!("{kind}{number:031}"))?)
}

/// Words of a language that nobody speaks, of three syllables out of a hundred; SQL makes the same.
fn word(number: u64) -> String {
    const CONSONANTS: [char; 20] =
        ['b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'z'];
    const VOWELS: [char; 5] = ['a', 'e', 'i', 'o', 'u'];
    let at = |letters: &[char], place: u64| letters[usize::try_from(place).unwrap_or(0) % letters.len()];
    let n = number % WORDS;
    [n, n * 7 + 3, n * 13 + 5].iter().flat_map(|n| [at(&CONSONANTS, n / 5), at(&VOWELS, n % 5)]).collect()
}

/// Quests about 50 topics, a third of them in 20 paths of which each quest needs the one before, some of them by criteria;
/// learners who have finished a dozen each, or many more, and have rated some.
fn fill(quests: u64) -> String {
    let uuid = |kind: char, number: &str| format!("('{kind}' || lpad(({number})::text, 31, '0'))::uuid");
    let word = |number: &str| {
        let n = format!("(({number})::int % {WORDS})");
        let letter = |letters: &str, place: &str| format!("substr('{letters}', ({place}) % {} + 1, 1)", letters.len());
        [n.clone(), format!("({n} * 7 + 3)"), format!("({n} * 13 + 5)")]
            .map(|n| format!("{} || {}", letter("bcdfghjklmnpqrstvwxz", &format!("{n} / 5")), letter("aeiou", &n)))
            .join(" || ")
    };
    // Some words are of the topic, the others anything.
    let text = |length: u64, seed: u64| {
        let word = word(&format!(
            "CASE WHEN w % 3 = 0 THEN (n % 50) * 40 + (n * 7 + w * {seed}) % 40 ELSE (n * 31 + w * 17 * {seed}) % {WORDS} END"
        ));
        format!("(SELECT string_agg({word}, ' ' ORDER BY w) FROM generate_series(1, {length}) AS w)")
    };
    let (quest, learner, path) = (uuid('b', "n"), uuid('a', "l"), uuid('c', "p"));
    format!(
        r"INSERT INTO quests (id, title, description, quest_type, difficulty_level, skill_tags, subject_id, created_by, created_at)
          SELECT {quest}, initcap({title}), {description}, 'Practice',
                 (ARRAY['Beginner','Intermediate','Advanced','Expert']::difficulty_level[])[n % 4 + 1],
                 ARRAY['topic' || n % 50, 'skill' || n % 211], {subject}, {author}, now() - make_interval(hours => n::int)
          FROM generate_series(1, {quests}) AS n;
          INSERT INTO quest_steps (id, quest_id, step_number, title, description, step_type, experience_points)
          SELECT gen_random_uuid(), {quest}, s, initcap({step}), 'What to do', 'Reading', 10
          FROM generate_series(1, {quests}) AS n, generate_series(1, 3) AS s;
          INSERT INTO learning_paths (id, name, description, path_type, is_published, created_by)
          SELECT {path}, 'Path ' || p, 'A path', 'Course', TRUE, {author} FROM generate_series(0, 19) AS p;
          INSERT INTO learning_path_quests (id, learning_path_id, quest_id, difficulty_level, sequence_order, is_mandatory)
          SELECT gen_random_uuid(), {of_path}, {quest}, 'Beginner', row_number() OVER (PARTITION BY n % 20 ORDER BY n), TRUE
          FROM generate_series(1, {quests} / 3) AS n;
          INSERT INTO quest_prerequisites (id, quest_id, prerequisite_quest_id)
          SELECT gen_random_uuid(), {quest}, {before} FROM generate_series(21, {quests} / 3) AS n WHERE n % 5 > 0;
          UPDATE learning_path_quests SET unlock_criteria = jsonb_build_object('v', 1, 'when',
                 jsonb_build_object('op', 'questCompleted', 'questId', {before}))
          FROM generate_series(21, {quests} / 3) AS n WHERE n % 5 = 0 AND quest_id = {quest};
          INSERT INTO learners (auth_user_id) SELECT {learner} FROM generate_series(0, {LEARNERS} - 1) AS l;
          INSERT INTO user_learning_path_progress (id, auth_user_id, learning_path_id, status)
          SELECT gen_random_uuid(), {learner}, {own_path}, 'NotStarted' FROM generate_series(0, {LEARNERS} - 1) AS l;
          INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, completed_at, completion_percentage)
          SELECT gen_random_uuid(), {learner}, {done}, 'Completed', at, at + interval '1 hour', 100
          FROM generate_series(0, {LEARNERS} - 1) AS l, generate_series(1, 12) AS k,
               LATERAL (SELECT now() - interval '60 days' + make_interval(days => k * 4) AS at) AS times;
          INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, completed_at, completion_percentage)
          SELECT gen_random_uuid(), {learner}, {more}, 'Completed', at, at + interval '1 hour', 100
          FROM generate_series(0, {LEARNERS} - 1, 10) AS l, generate_series(1, {MANY}) AS k,
               LATERAL (SELECT now() - interval '400 days' + make_interval(days => k) AS at) AS times
          ON CONFLICT (auth_user_id, quest_id) DO NOTHING;
          INSERT INTO quest_feedback (id, quest_id, auth_user_id, category, rating, created_at, updated_at)
          SELECT gen_random_uuid(), quest_id, auth_user_id, 'Other', 1 + abs(hashtext(id::text)) % 5, completed_at, completed_at
          FROM user_quest_attempts WHERE abs(hashtext(quest_id::text)) % 3 = 0;",
        title = text(4, 3),
        description = text(40, 5),
        step = text(3, 11),
        subject = uuid('d', "n % 97"),
        author = uuid('e', "0"),
        of_path = uuid('c', "n % 20"),
        before = uuid('b', "n - 20"),
        own_path = uuid('c', "l % 20"),
        more = uuid('b', &format!("{quests} / 3 + 1 + (k * 31 + l * 7) % ({quests} * 2 / 3 - 1)")),
        // Half of it in the own path, half about one topic.
        done = uuid(
            'b',
            &format!(
                "CASE WHEN k <= 6 THEN 20 * (k - 1) + CASE l % 20 WHEN 0 THEN 20 ELSE l % 20 END
                      ELSE {quests} / 3 + 1 + (l % 50) + 50 * ((k * 7 + l) % ({quests} / 3 * 2 / 50 - 2)) END"
            )
        ),
    )
}

/// An endpoint of embeddings that costs next to nothing: the sum of one direction for each word.
async fn endpoint() -> Result<String, Fail> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let embed = async |Json(asked): Json<Value>| {
        let texts = asked["input"].as_array().cloned().unwrap_or_default();
        let data: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| json!({"index": index, "embedding": vector(text.as_str().unwrap_or_default())}))
            .collect();
        Json(json!({ "data": data }))
    };
    let router = Router::new().route("/v1/embeddings", post(embed)).layer(axum::extract::DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(base)
}

fn vector(text: &str) -> Vec<f32> {
    let mut sum = vec![0.001_f32; DIMENSIONS];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let seed =
            word.to_lowercase().bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let mut random = Random(seed);
        for part in &mut sum {
            *part += if random.below(2) == 0 { 1.0 } else { -1.0 };
        }
    }
    sum
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

async fn ask(client: &reqwest::Client, url: &str, token: &HeaderValue) -> Result<(Duration, Value), Fail> {
    let start = Instant::now();
    let answer = client.get(url).header(AUTHORIZATION, token).send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    let took = start.elapsed();
    if !status.is_success() {
        return Err(format!("{url}: answer {status}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok((took, serde_json::from_slice(&body)?))
}

/// Clients that ask one question after the other; an answer that is degraded, or empty, ends the bench.
async fn drive(
    settings: &Settings,
    asked: Asked,
    base: &str,
    tokens: &[HeaderValue],
    seconds: u64,
) -> Result<Measured, Fail> {
    let (start, quests) = (Instant::now(), settings.quests);
    let end = start + Duration::from_secs(seconds);
    let clients = (0..settings.clients).map(|number| {
        let (base, tokens) = (base.to_owned(), tokens.to_vec());
        tokio::spawn(async move {
            let client = quests::outgoing::client().no_proxy().tcp_nodelay(true).build()?;
            let (mut random, mut latencies) = (Random(number + seconds), Vec::new());
            while Instant::now() < end {
                let path = match asked {
                    Asked::Search => {
                        let words: Vec<String> = (0..3).map(|_| word(random.below(WORDS))).collect();
                        format!("search?q={}", words.join("+"))
                    }
                    Asked::Similar => format!("quests/{}/similar", id('b', quests / 3 + 1 + random.below(quests / 2))?),
                    Asked::Recommendations => "me/recommendations".to_owned(),
                };
                let token = &tokens[usize::try_from(random.below(LEARNERS))?];
                let (took, found) = ask(&client, &format!("{base}/v1/{path}"), token).await?;
                if found["degraded"] != false || found["items"].as_array().is_none_or(Vec::is_empty) {
                    return Err(format!("{path}: {found}").into());
                }
                latencies.push(took);
            }
            Ok::<_, Fail>(latencies)
        })
    });
    let mut latencies = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        latencies.extend(client.await??);
    }
    let per_second = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Measured { per_second, latencies })
}
