//! The `quests` binary: its commands.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use quests::clock::Clock;
use quests::commands::analytics::{self, AnalyticsCommand};
use quests::commands::files::{self, Source};
use quests::commands::verify;
use quests::config::{
    self, Config, ContentLimits, DEVELOPMENT_SECRET, DatabaseConfig, EVENT_RETENTION_DAYS, JwtConfig, Refused,
    SearchConfig,
};
use quests::curriculum::{Action, Format};
use quests::db::{self, Db};
use quests::http::auth::development_token;
use quests::search::{Engine, indexer};
use uuid::Uuid;

/// The backend of gamified learning: quests, learners' progress on them, and the rewards it brings.
///
/// Every option is an environment variable too; `quests serve --help` lists them all with their
/// defaults, units and limits.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the REST API, the Swagger UI (/docs) and the events, until SIGINT or SIGTERM
    Serve(Box<Config>),
    /// Bring the database's schema up to date; does nothing when it is
    Migrate {
        #[command(flatten)]
        database: DatabaseConfig,
    },
    /// Load the demo, a first-semester course of C programming, unless it is there
    ///
    /// With `--cohort`, also made-up learners who have worked on it during the last 30 days (docs/analytics.md).
    Seed {
        /// Number of made-up learners
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
        cohort: Option<u32>,
        /// Chance falls by it: another number, other learners
        #[arg(long, value_name = "N", default_value_t = 7, requires = "cohort")]
        seed: u64,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        limits: ContentLimits,
    },
    /// Make the catalogue what a curriculum file says: all of it or nothing
    ///
    /// Quests and paths are known by their keys. What the file leaves out of its own quests and paths
    /// is deactivated or retired; learners' history stays. Prints what changes; examples/README.md
    /// describes the format.
    Import {
        /// Curriculum file, YAML or JSON
        #[arg(required_unless_present = "curriculum_version")]
        file: Option<PathBuf>,
        /// Only print what would change
        #[arg(long)]
        plan: bool,
        /// Build a draft path of a curriculum version, a JSON file as the User Service gives it
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        curriculum_version: Option<PathBuf>,
        /// Syllabus of one of its subjects, for weekly steps; may be given several times
        #[arg(long, value_name = "FILE", requires = "curriculum_version")]
        syllabus: Vec<PathBuf>,
        /// Sessions of a syllabus that make one weekly step
        #[arg(long, value_name = "N", default_value_t = quests::curriculum::version::SESSIONS_PER_WEEK, value_parser = clap::value_parser!(u32).range(1..=20))]
        sessions_per_week: u32,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        limits: ContentLimits,
    },
    /// Print the catalogue as a curriculum file
    ///
    /// The same content is the same file, byte by byte.
    Export {
        /// Key of a learning path; may be given several times. Left out, everything
        #[arg(long, value_name = "KEY")]
        learning_path: Vec<String>,
        /// How it is written down
        #[arg(long, value_enum, default_value_t = Format::Yaml)]
        format: Format,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        limits: ContentLimits,
    },
    /// Prove that progress, experience points, grants and events agree
    ///
    /// Recomputes every attempt from its steps and grants. Prints each drift and exits 1 if there
    /// is any; else one line and exit 0. Writes nothing.
    Verify {
        #[command(flatten)]
        database: DatabaseConfig,
        /// How long `serve` keeps published events, in days: older ones may be missing
        #[arg(long, env = "EVENT_RETENTION_DAYS", default_value_t = EVENT_RETENTION_DAYS, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
        event_retention_days: u32,
    },
    /// Build the index of search anew: every quest is embedded again
    ///
    /// An index in the process of a running service is that process's own: stop it first. A Qdrant server may be in use
    /// meanwhile; searches find what is there already.
    Reindex {
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        search: SearchConfig,
    },
    /// Compute the rows of `quest_analytics` (docs/analytics.md)
    Analytics {
        #[command(subcommand)]
        command: AnalyticsCommand,
    },
    /// Print the OpenAPI 3.1 document
    Openapi,
    /// Print a token for development, valid for 30 days, and nothing else
    ///
    /// Refuses unless `JWT_SECRET` is the development secret.
    Token {
        /// Whose token
        #[arg(long, value_enum)]
        role: Role,
        /// Who: `sub` of the token; left out, one id per role
        #[arg(long, value_name = "UUID")]
        sub: Option<Uuid>,
        #[command(flatten)]
        jwt: JwtConfig,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Learner,
    Author,
    Admin,
    Service,
}

fn main() -> ExitCode {
    let cli = match config::read(std::env::args_os(), contradictions) {
        Ok(cli) => cli,
        Err(Refused::Usage(error)) => error.exit(),
        Err(Refused::Settings(wrong)) => {
            complain(&config::shown(&wrong));
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}")),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(message) => fail(&message),
    }
}

fn contradictions(cli: &Cli) -> Vec<(Vec<&'static str>, String)> {
    if let Command::Serve(config) = &cli.command { config.contradictions() } else { Vec::new() }
}

fn fail(message: &str) -> ExitCode {
    complain(message);
    ExitCode::FAILURE
}

fn complain(message: &str) {
    // Standard error may be closed; there is nowhere else to say it.
    drop(writeln!(std::io::stderr(), "quests: {message}"));
}

fn say(line: &str) -> Result<(), String> {
    match writeln!(std::io::stdout(), "{line}") {
        // Who reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| error.to_string()),
    }
}

async fn run(command: Command) -> Result<ExitCode, String> {
    let clock = Clock::default();
    match command {
        Command::Serve(config) => serve(&config, clock).await?,
        Command::Migrate { database } => {
            migrate(&database).await?;
            say("the database is up to date")?;
        }
        Command::Seed { cohort, seed, database, limits } => {
            let db = Db::open(&database).map_err(unusable)?;
            say(&files::seed_demo(&db, &clock, &limits).await?)?;
            if let Some(learners) = cohort {
                say(&files::seed_cohort(&db, &clock, &limits, learners, seed).await?)?;
            }
        }
        Command::Import { file, plan, curriculum_version, syllabus, sessions_per_week, database, limits } => {
            let source = match (file, curriculum_version) {
                (Some(file), _) => Source::File(file),
                (None, Some(file)) => Source::Version { file, syllabi: syllabus, sessions_per_week },
                (None, None) => return Err("a file is needed".to_owned()),
            };
            let db = Db::open(&database).map_err(unusable)?;
            import(&db, &clock, &limits, &source, plan).await?;
        }
        Command::Export { learning_path, format, database, limits } => {
            let db = Db::open(&database).map_err(unusable)?;
            let text = files::export_text(&db, &learning_path, format, &limits).await?;
            say(text.trim_end_matches('\n'))?;
        }
        Command::Verify { database, event_retention_days } => return verified(&database, event_retention_days).await,
        Command::Reindex { database, search } => {
            let db = Db::open(&database).map_err(unusable)?;
            say(&reindex(&db, &search).await?)?;
        }
        Command::Analytics { command } => {
            for line in analytics::run(command, &clock).await? {
                say(&line)?;
            }
        }
        Command::Openapi => {
            let (_, document) = quests::routes::routes();
            say(&serde_json::to_string_pretty(document).map_err(|error| error.to_string())?)?;
        }
        Command::Token { role, sub, jwt } => say(&token(role, sub, &jwt, &clock)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn reindex(db: &Db, search: &SearchConfig) -> Result<String, String> {
    let engine =
        Engine::open(search)?.ok_or("this build, or SEARCH_INDEX=false, has no index: there is nothing to build")?;
    let bar = ProgressBar::new(0);
    let shown = bar.clone();
    let progress = move |done: usize, total: usize| {
        shown.set_length(total as u64);
        shown.set_position(done as u64);
    };
    let quests = indexer::rebuild(&engine, &db.pool, &progress).await.map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    Ok(format!("{quests} quests are in the index"))
}

async fn import(
    db: &Db,
    clock: &Clock,
    limits: &ContentLimits,
    source: &Source,
    only_plan: bool,
) -> Result<(), String> {
    let file = files::read_source(source, limits)?;
    let plan = files::plan_source(db, source, &file).await?;
    say(&files::shown(&plan))?;
    if only_plan || plan.changes.iter().all(|change| change.action == Action::None) {
        return Ok(());
    }
    let bar = files::progress_bar(&file);
    let shown = bar.clone();
    let advance = move |rows| shown.inc(rows);
    let done = match source {
        Source::File(_) => files::apply_source(db, clock, file, Some(plan.fingerprint), advance).await,
        Source::Version { .. } => files::create_source(db, clock, file, advance).await,
    };
    bar.finish_and_clear();
    done?;
    say("applied")
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unusable(error: sqlx::Error) -> String {
    format!("DATABASE_URL: {error}")
}

async fn migrate(database: &DatabaseConfig) -> Result<(), String> {
    // Outside the pool: an index on a large table may take longer than a request's statement may.
    let unhurried = DatabaseConfig { database_statement_timeout_ms: 0, ..database.clone() };
    let mut connection = db::dedicated(&unhurried, "quests migrate").await.map_err(unusable)?;
    db::MIGRATOR.run(&mut connection).await.map_err(|error| format!("the migration failed: {error}"))
}

async fn verified(database: &DatabaseConfig, retention_days: u32) -> Result<ExitCode, String> {
    let unhurried = DatabaseConfig { database_statement_timeout_ms: 0, ..database.clone() };
    let mut connection = db::dedicated(&unhurried, "quests verify").await.map_err(unusable)?;
    let kept_since = Clock::default().now() - chrono::TimeDelta::days(retention_days.into());
    let report = verify::verify(&mut connection, kept_since).await.map_err(|error| error.to_string())?;
    for drift in &report.drifts {
        say(drift)?;
    }
    let looked = format!("{} attempts, {} grants, {} events", report.attempts, report.grants, report.events);
    if report.drifts.is_empty() {
        say(&format!("{looked}: all agree"))?;
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!("{looked}: {} drifts", report.drifts.len()));
    Ok(ExitCode::FAILURE)
}

fn token(role: Role, sub: Option<Uuid>, jwt: &JwtConfig, clock: &Clock) -> Result<String, String> {
    if jwt.jwt_secret != DEVELOPMENT_SECRET {
        return Err("JWT_SECRET is not the development secret; real tokens come from your identity provider".into());
    }
    let (name, id) = match role {
        Role::Learner => ("Player", 0x1),
        Role::Author => ("Verified Lecturer", 0xa1),
        Role::Admin => ("Game Master", 0xad),
        Role::Service => ("service", 0x5e),
    };
    let sub = sub.unwrap_or_else(|| Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 | id));
    development_token(jwt, clock, sub, vec![name.to_owned()]).map_err(|error| error.to_string())
}

async fn serve(config: &Config, clock: Clock) -> Result<(), String> {
    let export = quests::telemetry::init(config.log_format, &config.rust_log, &config.traces)?;
    for (given, meant) in config::misspelt::<Cli>(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!("{given} is no setting; {meant} may be meant");
    }
    if config.jwt.jwt_secret == DEVELOPMENT_SECRET {
        tracing::warn!("JWT_SECRET is the development secret: anyone can make tokens; never use it in production");
    }
    if config.migrate_on_start {
        migrate(&config.database).await?;
    }
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is; connections may run out");
    }
    let db = Db::open(&config.database).map_err(unusable)?;
    analytics::check(config).await?;
    let listener = tokio::net::TcpListener::bind(config.bind_addr)
        .await
        .map_err(|error| format!("BIND_ADDR {}: {error}", config.bind_addr))?;
    let running = quests::app::start(config, db, clock, listener)?;
    tracing::info!(address = %running.address, "serving; Swagger UI at /docs");
    stop_signal().await.map_err(|error| error.to_string())?;
    tracing::info!("stopping: open requests get their answers");
    running.stop().await;
    export.close().await;
    Ok(())
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
