//! `make bench-streams`: what an open live stream costs: memory of the process while 5,000 wait, statements of the
//! poller, and how long an event takes from its commit to its reader; what is measured and what is not:
//! benches/README.md.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench reads its own settings, prints, and counts far below 2^52"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use self::shared::{
    Fail, Measured, authorization, command, create, database_name, number, remove, replaced_database, serve, sql, value,
};

mod shared;

fn main() -> ExitCode {
    shared::measure(run())
}

async fn run() -> Result<(), Fail> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set: run it by `make`")?;
    let database = replaced_database(&url, &format!("{}_bench_streams_{}", database_name(&url), std::process::id()))?;
    let name = database_name(&database).to_owned();
    create(&name).await?;
    let measured = measure(&database).await;
    remove(&name).await?;
    measured
}

async fn measure(database: &str) -> Result<(), Fail> {
    let streams = number("BENCH_STREAMS", 5_000)?;
    let events = number("BENCH_EVENTS", 200)?;
    command(database, &["migrate"]).await?;
    command(database, &["seed"]).await?;
    let directory = std::env::temp_dir().join(format!("quests-streams-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let more = [
        ("SEARCH_INDEX", "false".to_owned()),
        ("STREAMS_MAX", (streams + 1).to_string()),
        ("RUST_LOG", "warn".to_owned()),
    ];
    let (service, base) = serve(database, &directory, &more).await?;
    let process = service.id().ok_or("the service is gone")?;
    let learners: Vec<Uuid> = (0..streams).map(|_| Uuid::new_v4()).collect();
    let mut connection = PgConnection::connect(database).await?;
    // They are known to us, as learners who have done something are.
    for some in learners.chunks(1_000) {
        let rows: Vec<String> = some.iter().map(|id| format!("('{id}')")).collect();
        sql(&mut connection, &format!("INSERT INTO learners (auth_user_id) VALUES {}", rows.join(","))).await?;
    }
    let address = base.trim_start_matches("http://").to_owned();
    // The first hundred warm up what every process has once.
    let (warm, rest) = learners.split_at(100.min(learners.len()));
    let mut open = Vec::with_capacity(learners.len());
    for learner in warm {
        open.push(stream(&address, *learner).await?);
    }
    let before = memory(process)?;
    for learner in rest {
        open.push(stream(&address, *learner).await?);
    }
    // Two heartbeats each, so that what they need for that is there.
    tokio::time::sleep(Duration::from_secs(32)).await;
    let after = memory(process)?;
    let (cpu, pause) = (cpu_seconds(process)?, 10);
    tokio::time::sleep(Duration::from_secs(pause)).await;
    let busy = (cpu_seconds(process)? - cpu) / pause as f64 * 100.0;
    println!(
        "{streams} idle streams: {:.1} KiB each, {busy:.1} % of a core in the service",
        (after - before) as f64 / rest.len() as f64
    );

    let http = quests::outgoing::client().build()?;
    let quest = value(&mut connection, "SELECT id::text FROM quests WHERE is_active AND id NOT IN (SELECT quest_id FROM quest_prerequisites) AND NOT EXISTS (SELECT FROM learning_path_quests WHERE quest_id = quests.id AND unlock_criteria IS NOT NULL) ORDER BY title LIMIT 1").await?;
    let mut latencies = Vec::new();
    for (learner, stream) in learners.iter().zip(&mut open).take(usize::try_from(events)?) {
        let response = http
            .post(format!("{base}/v1/quests/{quest}/attempt"))
            .header(AUTHORIZATION, authorization(*learner)?)
            .json(&json!({}))
            .send()
            .await?;
        let answered = Instant::now();
        let attempt: Value = response.error_for_status()?.json().await?;
        let id = attempt["id"].as_str().ok_or("no attempt")?.to_owned();
        let mut said = String::new();
        let mut chunk = [0; 4096];
        while !said.contains(&id) {
            let size = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut chunk)).await??;
            if size == 0 {
                return Err("a stream ended".into());
            }
            said.push_str(&String::from_utf8_lossy(&chunk[..size]));
        }
        latencies.push(answered.elapsed());
    }
    latencies.sort_unstable();
    let measured = Measured { per_second: 0.0, latencies };
    println!(
        "from the answer of the call to the event on the stream, {events} times, {streams} open: p50 {:.0} ms, p99 {:.0} ms",
        measured.at(50),
        measured.at(99)
    );
    drop(open);
    std::fs::remove_dir_all(&directory)?;
    drop(service);
    Ok(())
}

/// An open stream, once its first frame has come.
async fn stream(address: &str, learner: Uuid) -> Result<TcpStream, Fail> {
    let mut stream = TcpStream::connect(address).await?;
    let token = authorization(learner)?;
    let token = token.to_str()?;
    let request = format!("GET /v1/me/events HTTP/1.1\r\nhost: {address}\r\nauthorization: {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut said = String::new();
    let mut chunk = [0; 4096];
    while !said.contains("\nid:") {
        let size = stream.read(&mut chunk).await?;
        if size == 0 {
            return Err(format!("no stream: {said}").into());
        }
        said.push_str(&String::from_utf8_lossy(&chunk[..size]));
    }
    Ok(stream)
}

/// Resident memory in KiB.
fn memory(process: u32) -> Result<u64, Fail> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Processor time that it has had.
fn cpu_seconds(process: u32) -> Result<f64, Fail> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).ok_or("no times");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
