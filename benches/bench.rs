//! `make bench`: the service over loopback beside `pgbench` running the service's own SQL on the same
//! database; what is measured and what is not: benches/README.md.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench reads its own settings, prints, and counts far below 2^52"
)]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use sqlx::{Connection, PgConnection};
use tokio::process::Command;
use uuid::Uuid;

use self::shared::{
    Fail, Measured, authorization, command, create, database_name, number, remove, replaced_database, serve, sql, value,
};

mod shared;

const QUESTS: u64 = 200;
/// The last step completes its quest: it is left alone, so that every request does the same work.
const STEPS: u64 = 10;
const POINTS: u64 = 10;
/// Default page of `GET /v1/quests`; the service reads one more to know whether there is a next one.
const PAGE: u64 = 25;
const CONNECTIONS: u32 = 10;
/// Learners that only pgbench's warm-up works on.
const WARM_LEARNERS: u64 = 4_000;
const SUBMISSION: &str = r#"{"acknowledged": true, "seconds": 95}"#;

// Ids are 13 zeros and a number of 19 digits, so that pgbench, which has numbers only, can make them cheaply.
const LEARNER: u64 = 1_000_000_000_000_000_000;
const ATTEMPT: u64 = 2_000_000_000_000_000_000;
const QUEST: u64 = 3_000_000_000_000_000_000;
const STEP: u64 = 4_000_000_000_000_000_000;
const PROGRESS: u64 = 5_000_000_000_000_000_000;
const EVENT: u64 = 6_000_000_000_000_000_000;

fn id(number: u64) -> Result<Uuid, Fail> {
    Ok(Uuid::parse_str(&format!("{number:032}"))?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    CompleteStep,
    ReadQuest,
    ListQuests,
}

impl Operation {
    const ALL: [Self; 3] = [Self::CompleteStep, Self::ReadQuest, Self::ListQuests];

    const fn name(self) -> &'static str {
        match self {
            Self::CompleteStep => "complete-step",
            Self::ReadQuest => "read-quest",
            Self::ListQuests => "list-quests",
        }
    }
}

struct Settings {
    clients: u64,
    seconds: u64,
    /// Learners of the service, and as many of pgbench.
    learners: u64,
    amqp: Option<String>,
    exchange: String,
    database: String,
}

impl Settings {
    fn read() -> Result<Self, Fail> {
        let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set: run `make bench`")?;
        let (clients, seconds) = (number("BENCH_CLIENTS", 8)?, number("BENCH_SECONDS", 10)?);
        let amqp = if std::env::var("BENCH_AMQP").is_ok_and(|value| value == "1") {
            Some(std::env::var("AMQP_URL").map_err(|_| "BENCH_AMQP=1 needs AMQP_URL")?)
        } else {
            None
        };
        let scratch = Uuid::new_v4().simple().to_string();
        Ok(Self {
            clients,
            seconds,
            // Enough for 4,500 steps a second.
            learners: number("BENCH_LEARNERS", 10_000.max((seconds + 2) * 500))?,
            amqp,
            exchange: format!("bench.{scratch}"),
            database: replaced_database(&url, &format!("quests_bench_{scratch}"))?,
        })
    }

    fn warm(&self) -> u64 {
        self.seconds.min(2)
    }

    /// Learners that each client walks, all at one step before the next.
    fn own_learners(&self, of: u64) -> Result<u64, Fail> {
        match of / self.clients {
            0 => Err("there are fewer learners than clients".into()),
            own => Ok(own),
        }
    }
}

fn main() -> ExitCode {
    // What cargo bench passes to harnesses, e.g. --bench, is not for us.
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Fail::from)
        .and_then(|runtime| runtime.block_on(with_scratch_database()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the scratch database, measures, and removes it whatever happened.
async fn with_scratch_database() -> Result<(), Fail> {
    let settings = std::sync::Arc::new(Settings::read()?);
    let texts = Texts::read()?;
    let name = database_name(&settings.database).to_owned();
    create(&name).await?;
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&name);
    // A task of its own, so that a panic ends here too; children are killed when it is dropped.
    let mut task = tokio::spawn(measure(settings.clone(), texts, directory.clone()));
    let outcome = tokio::select! {
        outcome = &mut task => outcome.map_err(Fail::from).and_then(|inner| inner),
        _ = tokio::signal::ctrl_c() => {
            task.abort();
            drop(task.await);
            Err("interrupted".into())
        }
    };
    let dropped = async {
        remove(&name).await?;
        remove_exchange(&settings).await
    }
    .await;
    if outcome.is_ok() {
        drop(std::fs::remove_dir_all(&directory));
    } else if directory.exists() {
        eprintln!("bench: the log of the service and the scripts of pgbench are in {}", directory.display());
    }
    outcome.and(dropped)
}

async fn remove_exchange(settings: &Settings) -> Result<(), Fail> {
    let Some(url) = &settings.amqp else { return Ok(()) };
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let unrouted = format!("{}.unrouted", settings.exchange);
    channel.queue_delete(unrouted.as_str().into(), lapin::options::QueueDeleteOptions::default()).await?;
    for exchange in [&settings.exchange, &unrouted] {
        channel.exchange_delete(exchange.as_str().into(), lapin::options::ExchangeDeleteOptions::default()).await?;
    }
    Ok(connection.close(200, "done".into()).await?)
}

async fn measure(settings: std::sync::Arc<Settings>, texts: Texts, directory: PathBuf) -> Result<(), Fail> {
    std::fs::create_dir_all(&directory)?;
    command(&settings.database, &["migrate"]).await?;
    let mut connection = PgConnection::connect(&settings.database).await?;
    sql(&mut connection, &fill(2 * settings.learners + WARM_LEARNERS)).await?;
    sql(&mut connection, "VACUUM ANALYZE").await?;
    // Else the fill's own checkpoint falls into a measurement. Needs a right that we may not have.
    drop(sql(&mut connection, "CHECKPOINT").await);
    let version = value(&mut connection, "SHOW server_version").await?;
    let fsync = value(&mut connection, "SHOW fsync").await?;
    let synchronous = value(&mut connection, "SHOW synchronous_commit").await?;
    println!(
        "{} cores, PostgreSQL {version}, fsync {fsync}, synchronous_commit {synchronous}, {} clients, {} s each \
         after {} s of warm-up, {CONNECTIONS} connections in the service's pool, broker {}",
        std::thread::available_parallelism()?,
        settings.clients,
        settings.seconds,
        settings.warm(),
        if settings.amqp.is_some() { "on" } else { "off" },
    );
    if fsync != "on" || synchronous != "on" {
        return Err("this PostgreSQL is not durable: fsync and synchronous_commit must be on".into());
    }

    let mut more = vec![
        ("DATABASE_MAX_CONNECTIONS", CONNECTIONS.to_string()),
        ("AMQP_EXCHANGE", settings.exchange.clone()),
        ("SEARCH_INDEX", "false".to_owned()),
    ];
    more.extend(settings.amqp.clone().map(|url| ("AMQP_URL", url)));
    let (mut service, base) = serve(&settings.database, &directory, &more).await?;
    let mut driver = Driver::new(&settings, base)?;
    let mut table = format!(
        "{:<14} | {:>13} | {:>7} | {:>7} | {:>11} | {:>5}\n",
        "operation", "service req/s", "p50 ms", "p99 ms", "pgbench tps", "ratio"
    );
    let mut by_pgbench = 0;
    for operation in Operation::ALL {
        driver.run(operation, settings.warm()).await?;
        let ours = driver.run(operation, settings.seconds).await?;
        let script = directory.join(format!("{}.sql", operation.name()));
        std::fs::write(&script, texts.script(operation)?)?;
        pgbench(&settings, &script, 2 * settings.learners, WARM_LEARNERS, settings.warm()).await?;
        let theirs = pgbench(&settings, &script, settings.learners, settings.learners, settings.seconds).await?;
        if operation == Operation::CompleteStep {
            by_pgbench = theirs.transactions;
        }
        writeln!(
            table,
            "{:<14} | {:>13.0} | {:>7.2} | {:>7.2} | {:>11.0} | {:>5.2}",
            operation.name(),
            ours.per_second,
            ours.at(50),
            ours.at(99),
            theirs.per_second,
            ours.per_second / theirs.per_second
        )?;
    }
    if let Some(status) = service.try_wait()? {
        return Err(format!("the service ended by itself: {status}").into());
    }
    service.kill().await?;
    println!("\n{table}");
    check(&settings, &mut connection, driver.completed(), by_pgbench).await?;
    connection.close().await?;
    Ok(())
}

/// Quests, and learners with an attempt each on which nothing is done yet.
fn fill(learners: u64) -> String {
    let tokens = |number: &str| format!("lpad(({number})::text, 32, '0')::uuid");
    format!(
        r"INSERT INTO quests (id, title, description, quest_type, difficulty_level, estimated_duration_minutes,
                               experience_points_reward, skill_tags, created_by, created_at)
           SELECT {quest}, 'Quest ' || n, repeat('What you learn here, and what you need to know before. ', 6), 'Practice',
                  'Beginner', 45, 100, ARRAY['c', 'loops'], {author}, now() - make_interval(mins => ({QUESTS} - n)::int)
           FROM generate_series(1, {QUESTS}) AS n;
           INSERT INTO quest_steps (id, quest_id, step_number, title, description, step_type, content, experience_points)
           SELECT {step}, {quest}, s, 'Step ' || s, repeat('What to do in this step. ', 4), 'Reading',
                  jsonb_build_object('format', 'markdown', 'body', repeat('A sentence of the text to be read. ', 20)), {POINTS}
           FROM generate_series(1, {QUESTS}) AS n, generate_series(1, {STEPS}) AS s;
           INSERT INTO learners (auth_user_id) SELECT {learner} FROM generate_series(0, {learners} - 1) AS l;
           INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, current_step_id, started_at)
           SELECT {attempt}, {learner}, {quest}, {first}, now() - interval '1 hour'
           FROM generate_series(0, {learners} - 1) AS l, LATERAL (SELECT l % {QUESTS} + 1 AS n) AS of;",
        quest = tokens(&format!("{QUEST} + n")),
        author = tokens("42"),
        step = tokens(&format!("{STEP} + n * 100 + s")),
        learner = tokens(&format!("{LEARNER} + l")),
        attempt = tokens(&format!("{ATTEMPT} + l")),
        first = tokens(&format!("{STEP} + n * 100 + 1")),
    )
}

/// What was promised is stored: nothing lost, nothing twice, everything consistent.
async fn check(settings: &Settings, connection: &mut PgConnection, ours: u64, theirs: u64) -> Result<(), Fail> {
    let grants = |from: u64| {
        format!(
            "SELECT count(*)::text FROM reward_grants WHERE auth_user_id >= '{:032}' AND auth_user_id < '{:032}'",
            LEARNER + from,
            LEARNER + from + settings.learners
        )
    };
    let stored: u64 = value(connection, &grants(0)).await?.parse()?;
    if stored != ours {
        return Err(format!("the service answered {ours} completions and stored {stored}").into());
    }
    let stored: u64 = value(connection, &grants(settings.learners)).await?.parse()?;
    if stored.abs_diff(theirs) > settings.clients {
        return Err(format!("pgbench counts {theirs} completions and stored {stored}").into());
    }
    println!("quests verify: {}", command(&settings.database, &["verify"]).await?);
    Ok(())
}

/// The clients: one keep-alive connection each.
struct Driver {
    base: String,
    clients: Vec<Client>,
    tokens: std::sync::Arc<Vec<HeaderValue>>,
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    first: u64,
    learners: u64,
    completed: u64,
    random: u64,
}

impl Driver {
    fn new(settings: &Settings, base: String) -> Result<Self, Fail> {
        let token = |learner: u64| authorization(id(LEARNER + learner)?);
        let learners = settings.own_learners(settings.learners)?;
        let clients = (0..settings.clients)
            .map(|client| {
                let http = quests::outgoing::client().no_proxy().tcp_nodelay(true).build()?;
                Ok(Client { http, first: client * learners, learners, completed: 0, random: client + 1 })
            })
            .collect::<Result<_, Fail>>()?;
        let tokens = (0..settings.learners).map(token).collect::<Result<_, _>>()?;
        Ok(Self { base, clients, tokens: std::sync::Arc::new(tokens) })
    }

    fn completed(&self) -> u64 {
        self.clients.iter().map(|client| client.completed).sum()
    }

    async fn run(&mut self, operation: Operation, seconds: u64) -> Result<Measured, Fail> {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let running: Vec<_> = self
            .clients
            .iter()
            .map(|client| {
                let (mut client, base, tokens) = (client.clone(), self.base.clone(), self.tokens.clone());
                tokio::spawn(async move {
                    let mut latencies = Vec::with_capacity(100_000);
                    while Instant::now() < end {
                        latencies.push(client.request(operation, &base, &tokens).await?);
                    }
                    Ok::<_, Fail>((client, latencies))
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for (slot, task) in self.clients.iter_mut().zip(running) {
            let (client, own) = task.await??;
            *slot = client;
            latencies.extend(own);
        }
        let per_second = latencies.len() as f64 / start.elapsed().as_secs_f64();
        latencies.sort_unstable();
        Ok(Measured { per_second, latencies })
    }
}

impl Client {
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// One request and its whole answer; anything but 200 ends the bench.
    async fn request(&mut self, operation: Operation, base: &str, tokens: &[HeaderValue]) -> Result<Duration, Fail> {
        let complete = operation == Operation::CompleteStep;
        let (learner, request) = match operation {
            Operation::CompleteStep => {
                let step = self.completed / self.learners + 1;
                if step >= STEPS {
                    return Err("there are no steps left: raise BENCH_LEARNERS".into());
                }
                let learner = self.first + self.completed % self.learners;
                let (attempt, step) = (id(ATTEMPT + learner)?, id(STEP + (learner % QUESTS + 1) * 100 + step)?);
                let request = self
                    .http
                    .post(format!("{base}/v1/attempts/{attempt}/steps/{step}/complete"))
                    .header(CONTENT_TYPE, "application/json")
                    .body(format!(r#"{{"submissionData": {SUBMISSION}}}"#));
                (learner, request)
            }
            Operation::ReadQuest => {
                let (learner, quest) = (self.random(tokens.len() as u64), self.random(QUESTS) + 1);
                (learner, self.http.get(format!("{base}/v1/quests/{}", id(QUEST + quest)?)))
            }
            Operation::ListQuests => (self.random(tokens.len() as u64), self.http.get(format!("{base}/v1/quests"))),
        };
        let token = usize::try_from(learner).ok().and_then(|learner| tokens.get(learner)).ok_or("no such learner")?;
        let request = request.header(AUTHORIZATION, token.clone());
        let start = Instant::now();
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        let latency = start.elapsed();
        if status != reqwest::StatusCode::OK {
            return Err(format!("{}: answer {status}: {}", operation.name(), String::from_utf8_lossy(&body)).into());
        }
        self.completed += u64::from(complete);
        Ok(latency)
    }
}

struct Pgbench {
    per_second: f64,
    transactions: u64,
}

async fn pgbench(settings: &Settings, script: &Path, first: u64, of: u64, seconds: u64) -> Result<Pgbench, Fail> {
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-j", "2"])
        .args(["-c", &settings.clients.to_string(), "-T", &seconds.to_string()])
        .args(["-D", "n=0", "-D", &format!("first={first}")])
        .args(["-D", &format!("own={}", settings.own_learners(of)?), "-D", &format!("learners={of}")])
        .arg("-f")
        .arg(script)
        .env("PGDATABASE", &settings.database)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("pgbench cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("pgbench ended with {}:\n{complaint}", output.status).into());
    }
    let after = |label: &str| {
        let rest = said.lines().find_map(|line| line.strip_prefix(label));
        let word = rest.and_then(|rest| rest.split_whitespace().next());
        word.ok_or_else(|| format!("pgbench does not say '{label}':\n{said}{complaint}"))
    };
    let failed: u64 = after("number of failed transactions:")?.parse()?;
    if failed > 0 {
        return Err(format!("pgbench: {failed} transactions failed:\n{complaint}").into());
    }
    let transactions = after("number of transactions actually processed:")?;
    Ok(Pgbench { per_second: after("tps =")?.parse()?, transactions: transactions.parse()? })
}

/// The statements of the service, as `.sqlx` has them.
struct Texts {
    lock: String,
    load: String,
    save: String,
    enqueue: String,
    get: String,
    my: String,
    list: String,
}

impl Texts {
    fn read() -> Result<Self, Fail> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx"))? {
            let file: serde_json::Value = serde_json::from_slice(&std::fs::read(entry?.path())?)?;
            all.push(file["query"].as_str().ok_or("a file of .sqlx has no query")?.trim().to_owned());
        }
        let one = |what: &str, parts: &[&str]| -> Result<String, Fail> {
            let found: Vec<&String> = all.iter().filter(|text| parts.iter().all(|part| text.contains(part))).collect();
            match found[..] {
                [text] => Ok(text.clone()),
                _ => Err(format!("{} texts in .sqlx are '{what}', not one: mend benches/bench.rs", found.len()).into()),
            }
        };
        Ok(Self {
            lock: one("lock", &["SELECT event_seq FROM learners WHERE auth_user_id = $1 FOR UPDATE"])?,
            load: one("attempts:load", &["/* attempts:load */"])?,
            save: one("attempts:save", &["/* attempts:save */"])?,
            enqueue: one("events:enqueue", &["/* events:enqueue */"])?,
            get: one("quests:get", &["/* quests:get */"])?,
            my: one("my", &["/* unlocks:load */", "SELECT DISTINCT unnest($3::uuid[])"])?,
            list: one(
                "list",
                &["\"step_count!\",0::real", "$7::text IS NULL", "ORDER BY created_at DESC, quest.id DESC LIMIT $12"],
            )?,
        })
    }

    fn script(&self, operation: Operation) -> Result<String, Fail> {
        let head = |lines: &[String]| lines.iter().fold(String::new(), |script, line| script + "\\set " + line + "\n");
        let random = [
            format!("learner_id {LEARNER} + random(:first, :first + :learners - 1)"),
            format!("quest_id {QUEST} + random(1, {QUESTS})"),
        ];
        let learner = uuid("learner_id");
        Ok(match operation {
            Operation::CompleteStep => self.complete_step()?,
            Operation::ReadQuest => {
                let my = self.my(&learner, &uuid("quest_id"))?;
                format!("{}{my};\n{};\n", head(&random), with(&self.get, &[uuid("quest_id")])?)
            }
            Operation::ListQuests => {
                let mut values: Vec<String> =
                    ["quest_type", "difficulty_level", "uuid", "text", "step_type", "boolean"]
                        .iter()
                        .map(|name| format!("NULL::{name}"))
                        .collect();
                values
                    .extend(["NULL::text", "TRUE", "NULL::uuid", "NULL::timestamptz", "NULL::uuid"].map(String::from));
                values.push((PAGE + 1).to_string());
                let page: Vec<String> =
                    (QUESTS - PAGE..=QUESTS).rev().map(|n| format!("'{:032}'", QUEST + n)).collect();
                let my = self.my(&learner, &page.join(", "))?;
                format!("{}{};\n{my};\n", head(&random[..1]), with(&self.list, &values)?)
            }
        })
    }

    /// How a learner stands with these quests.
    fn my(&self, learner: &str, quests: &str) -> Result<String, Fail> {
        with(&self.my, &[format!("ARRAY[{learner}]::uuid[]"), "now()".into(), format!("ARRAY[{quests}]::uuid[]")])
    }

    /// The step after the last one of the client's next learner.
    fn complete_step(&self) -> Result<String, Fail> {
        let learner = uuid("learner_id");
        let (attempt, step) = (uuid("attempt_id"), uuid("step_id"));
        let (event, grant) = (uuid("event_id"), "md5((:event_id)::text)::uuid");
        let load = with(&self.load, &[attempt.clone(), learner.clone(), step.clone()])?;
        let save: [String; 37] = [
            attempt,
            learner.clone(),
            "'InProgress'::quest_attempt_status".into(),
            "NULL::timestamptz".into(),
            format!("(:step)::int * {POINTS}"),
            format!("(:step)::numeric * {}", 100 / STEPS),
            uuid("next_id"),
            "1".into(),
            uuid("progress_id"),
            step.clone(),
            "'Completed'::step_completion_status".into(),
            "now()".into(),
            "now()".into(),
            format!("'{SUBMISSION}'::jsonb"),
            POINTS.to_string(),
            "1".into(),
            step.clone(),
            "now()".into(),
            format!("ARRAY[{grant}]::uuid[]"),
            "ARRAY['QuestStep']::text[]".into(),
            format!("ARRAY[{step}]::uuid[]"),
            "ARRAY['XP']::text[]".into(),
            "ARRAY[NULL]::text[]".into(),
            "ARRAY[NULL]::uuid[]".into(),
            format!("ARRAY[{POINTS}]::int[]"),
            "NULL::timestamptz".into(),
            "NULL::text".into(),
            POINTS.to_string(),
            "NULL::text".into(),
            "now()".into(),
            "0".into(),
            "NULL::numeric".into(),
            "NULL::numeric".into(),
            "NULL::text".into(),
            "NULL::timestamptz".into(),
            "NULL::timestamptz".into(),
            "NULL::uuid".into(),
        ];
        let save = with(&self.save, &save)?;
        let hex = |variable: &str| format!("0000000000000' || (:{variable})::text || '");
        let ids = format!(
            r#""authUserId": "{}", "questId": "{}", "attemptId": "{}""#,
            hex("learner_id"),
            hex("quest_id"),
            hex("attempt_id")
        );
        let completed = format!(
            r#"('{{{ids}, "stepId": "{}", "stepType": "Reading", "completionPercentage": ' || (:step)::text || '0.0}}')::jsonb"#,
            hex("step_id")
        );
        let granted = format!(
            r#"('{{{ids}, "points": {POINTS}, "reason": "StepCompleted", "sourceService": "QuestsService", "sourceType": "Quest", "objectiveType": "QuestStep", "sourceId": "{}"}}')::jsonb"#,
            hex("step_id")
        );
        let enqueue: [String; 10] = [
            learner.clone(),
            "2".into(),
            "(:event_seq)::bigint".into(),
            "gen_random_uuid()::text".into(),
            "NULL::text".into(),
            "now()".into(),
            format!("ARRAY[{event}, {grant}]::uuid[]"),
            "ARRAY['StepCompleted', 'XPGranted']::text[]".into(),
            format!("ARRAY[NULL, {event}]::uuid[]"),
            format!("ARRAY[{completed}, {granted}]::jsonb[]"),
        ];
        let enqueue = with(&self.enqueue, &enqueue)?;
        let lock = with(&self.lock, &[learner])?;
        // The division by zero says that there are no steps left.
        Ok(format!(
            "\\set step :n / :own + 1
\\set enough 1 / (case when :step < {STEPS} then 1 else 0 end)
\\set learner :first + :client_id * :own + :n % :own
\\set n :n + 1
\\set learner_id {LEARNER} + :learner
\\set attempt_id {ATTEMPT} + :learner
\\set quest :learner % {QUESTS} + 1
\\set quest_id {QUEST} + :quest
\\set step_id {STEP} + :quest * 100 + :step
\\set next_id :step_id + 1
\\set progress_id {PROGRESS} + :n * 1000000 + :learner
\\set event_id {EVENT} + :n * 1000000 + :learner
BEGIN;
{lock} \\gset
{load};
{save};
{enqueue};
COMMIT;
"
        ))
    }
}

/// A uuid out of a variable of 19 digits.
fn uuid(variable: &str) -> String {
    format!("('0000000000000' || (:{variable})::text)::uuid")
}

/// A text with its parameters replaced; fails if there are more or fewer than values.
fn with(text: &str, values: &[String]) -> Result<String, Fail> {
    // In the names of our comments pgbench would see variables.
    let text = match text.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
        Some((_, rest)) => rest.trim_start(),
        None => text,
    };
    let mut used = HashSet::new();
    let mut parts = text.split('$');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // That of a JSON path.
        if digits == 0 {
            result.push('$');
            result += part;
            continue;
        }
        let number: usize = part[..digits].parse()?;
        let value = number.checked_sub(1).and_then(|index| values.get(index));
        result += value.ok_or_else(|| format!("no value for ${number}: mend benches/bench.rs: {text}"))?;
        result += &part[digits..];
        used.insert(number);
    }
    if used.len() == values.len() {
        return Ok(result);
    }
    Err(format!("{} values for {} parameters: mend benches/bench.rs: {text}", values.len(), used.len()).into())
}
