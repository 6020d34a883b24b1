//! `make bench-search`: how well search finds what people mean, on queries written and judged by hand
//! (queries.yaml). Not a measure of time.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench reads its own settings, asks its own questions, and prints"
)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use quests::clock::Clock;
use quests::config::{DatabaseConfig, SearchConfig};
use quests::db::Db;
use quests::http::Caller;
use quests::http::auth::Roles;
use quests::quests::model::Filter;
use quests::search::http::rank;
use quests::search::model::{Query, Ranked};
use quests::search::service::by_words;
use quests::search::{Engine, Search, indexer};
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

mod recommend;

type Fail = Box<dyn std::error::Error + Send + Sync>;

const BINARY: &str = env!("CARGO_BIN_EXE_quests");
const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const MOST: usize = 10;

#[derive(Deserialize)]
struct Judged {
    q: String,
    /// 3: exactly what was asked; 2: clearly relevant; 1: related
    expect: BTreeMap<String, u8>,
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    search: SearchConfig,
}

/// Sums over the queries of one corpus.
#[derive(Default)]
struct Score {
    recall: f64,
    ndcg: f64,
    queries: f64,
}

impl Score {
    fn add(&mut self, found: &[Ranked], names: &HashMap<Uuid, String>, expect: &BTreeMap<String, u8>) {
        let grade =
            |found: &Ranked| names.get(&found.id).and_then(|name| expect.get(name)).copied().unwrap_or_default();
        let hits = found.iter().take(5).filter(|found| grade(found) > 0).count();
        self.recall += hits as f64 / expect.len().min(5) as f64;
        let gain = |grades: &mut dyn Iterator<Item = u8>| -> f64 {
            let gains = (2_u8..).zip(grades).take(MOST);
            gains.map(|(place, grade)| (f64::from(grade).exp2() - 1.0) / f64::from(place).log2()).sum()
        };
        let mut best: Vec<u8> = expect.values().copied().collect();
        best.sort_unstable_by(|one, other| other.cmp(one));
        self.ndcg += gain(&mut found.iter().map(grade)) / gain(&mut best.into_iter());
        self.queries += 1.0;
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-search: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Fail> {
    let queries = std::fs::read_to_string(Path::new(PROJECT).join("benches/search/queries.yaml"))?;
    let corpora: BTreeMap<String, Vec<Judged>> = serde_saphyr::from_str(&queries)?;
    println!("corpus    | queries | ranked by            | recall@5 | nDCG@10");
    for (name, judged) in &corpora {
        if name == "programme" && !source().exists() {
            println!("programme | skipped: {} is not there", source().display());
            continue;
        }
        Box::pin(corpus(name, judged)).await?;
    }
    // Both together, where there are both.
    let both: Vec<&str> = if source().exists() { vec!["demo", "programme"] } else { vec!["demo"] };
    let (db, search, place) = prepared("recommendations", &both).await?;
    Box::pin(recommend::run(&db, &search)).await?;
    place.remove(&db, search).await
}

/// A real programme of 48 subjects.
fn source() -> PathBuf {
    Path::new(PROJECT).join("../shared/data/curriculum/BIT_SE_K19D_K20A.json")
}

/// A database and an index of one's own.
struct Place {
    database: String,
    folder: PathBuf,
    keeper: PgConnection,
}

impl Place {
    async fn remove(mut self, db: &Db, search: Search) -> Result<(), Fail> {
        db.pool.close().await;
        drop(search);
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut self.keeper).await?;
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }
}

/// A place with these curricula, indexed.
async fn prepared(name: &str, curricula: &[&str]) -> Result<(Db, Search, Place), Fail> {
    let mut settings = Settings::try_parse_from(["bench-search"])?;
    let main = settings.database.database_url.clone();
    let own = format!("quests_bench_search_{name}");
    let mut keeper = PgConnection::connect(&main).await?;
    for statement in [format!("DROP DATABASE IF EXISTS {own} WITH (FORCE)"), format!("CREATE DATABASE {own}")] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut keeper).await?;
    }
    let (head, _) = main.rsplit_once('/').ok_or("DATABASE_URL names no database")?;
    settings.database.database_url = format!("{head}/{own}");
    settings.search.embeddings_model_dir = Some(settings.search.model_dir());
    let folder: PathBuf = std::env::temp_dir().join(format!("{own}-{}", Uuid::new_v4()));
    settings.search.data_dir.clone_from(&folder);

    let quests = |arguments: &[&str]| -> Result<(), Fail> {
        let done = std::process::Command::new(BINARY)
            .args(arguments)
            .env("DATABASE_URL", &settings.database.database_url)
            .output()?;
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.success() { Ok(()) } else { Err(told.into()) }
    };
    quests(&["migrate"])?;
    for curriculum in curricula {
        if *curriculum == "programme" {
            quests(&["import", "--curriculum-version", &source().display().to_string()])?;
        } else {
            quests(&["seed"])?;
        }
    }

    let db = Db::open(&settings.database)?;
    if name == "recommendations" {
        recommend::open_everything(&db).await?;
    }
    let engine = Engine::open(&settings.search)?.ok_or("there is no engine in this build")?;
    indexer::rebuild(&engine, &db.pool, &|_, _| {}).await?;
    let (_, ready) = tokio::sync::watch::channel(true);
    Ok((db, Search { engine: Some(engine), ready }, Place { database: own, folder, keeper }))
}

async fn corpus(name: &str, judged: &[Judged]) -> Result<(), Fail> {
    let (db, search, place) = prepared(name, &[name]).await?;
    let engine = search.engine.clone().ok_or("there is no engine")?;
    let mut names = HashMap::new();
    for row in sqlx::query("SELECT id, key, skill_tags FROM quests").fetch_all(&db.pool).await? {
        let tags: Option<Vec<String>> = row.get("skill_tags");
        let code = tags.and_then(|tags| tags.into_iter().next());
        names.insert(row.get("id"), if name == "programme" { code.unwrap_or_default() } else { row.get("key") });
    }
    let unknown =
        judged.iter().flat_map(|judged| judged.expect.keys()).find(|key| !names.values().any(|name| name == *key));
    if let Some(key) = unknown {
        return Err(format!("{name}: there is no quest {key}").into());
    }

    let mut scores: [(&str, Score); 5] =
        ["PostgreSQL's words", "words (BM25)", "meaning (vectors)", "fused", "as served, with titles"]
            .map(|by| (by, Score::default()));
    let all = Filter::default();
    let anyone = Caller { id: Uuid::nil(), roles: Roles::default(), now: Clock::default().now() };
    for Judged { q, expect } in judged {
        let dense = Some(engine.embed(q).await?);
        let words = Some(q.clone());
        let lists = [
            by_words(&mut *db.pool.acquire().await?, q, &all, 10).await?,
            engine.index.search(Query { dense: None, words: words.clone(), filter: all.clone(), limit: MOST }).await?,
            engine.index.search(Query { dense: dense.clone(), words: None, filter: all.clone(), limit: MOST }).await?,
            engine.index.search(Query { dense, words, filter: all.clone(), limit: MOST }).await?,
            rank(&db, &search, anyone, q, &all, 10).await.map_err(|problem| format!("{problem:?}"))?.0,
        ];
        for ((_, score), found) in scores.iter_mut().zip(&lists) {
            score.add(found, &names, expect);
        }
    }
    for (by, Score { recall, ndcg, queries }) in scores {
        println!("{name:<9} | {queries:>7} | {by:<22} | {:>6.3} | {:>7.3}", recall / queries, ndcg / queries);
    }
    drop(engine);
    place.remove(&db, search).await
}
