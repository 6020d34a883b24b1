//! `quests seed`, `quests import`, `quests export`: curriculum files from the command line, by the same
//! operations and checks as the API.

use std::path::{Path, PathBuf};

use chrono::NaiveTime;
use uuid::Uuid;

use crate::clock::Clock;
use crate::cohort::{
    self,
    service::{Cohort, Written},
};
use crate::config::ContentLimits;
use crate::curriculum::http::read_file;
use crate::curriculum::service::{self, Progress, Refusal, rows};
use crate::curriculum::version::{Build, CurriculumVersion, build};
use crate::curriculum::{Action, Change, Curriculum, DEMO, Format, Plan};
use crate::db::Db;
use crate::http::Problem;
use crate::origin::Origin;

/// Author of what a file brings.
pub const FILE_AUTHOR: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_00a1);

/// Where a curriculum comes from.
#[derive(Debug, Clone)]
pub enum Source {
    File(PathBuf),
    /// A curriculum version as the User Service gives it, and syllabi in files of their own.
    Version {
        file: PathBuf,
        syllabi: Vec<PathBuf>,
        sessions_per_week: u32,
    },
}

/// Reads and checks a source.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn read_source(source: &Source, limits: &ContentLimits) -> Result<Curriculum, String> {
    match source {
        Source::File(file) => {
            let bytes = read_bytes(file)?;
            read_file(Format::of_file(file), &bytes, limits)
                .map_err(|problem| told(&file.display().to_string(), &problem))
        }
        Source::Version { file, syllabi, sessions_per_week } => {
            let mut version =
                CurriculumVersion::read(json_of(file)?).map_err(|why| format!("{}: {why}", file.display()))?;
            for syllabus in syllabi {
                version = version
                    .with_syllabus(json_of(syllabus)?)
                    .map_err(|why| format!("{}: {why}", syllabus.display()))?;
            }
            let how = Build { curriculum_version_id: None, sessions_per_week: *sessions_per_week };
            let built =
                build(&version, how).map_err(|violation| format!("{}: {}", file.display(), violation.detail))?;
            // Written and read again, so that it passes the checks of any file.
            let text = crate::curriculum::write(Format::Json, &built);
            read_file(Format::Json, text.as_bytes(), limits)
                .map_err(|problem| told(&file.display().to_string(), &problem))
        }
    }
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn json_of(file: &Path) -> Result<serde_json::Value, String> {
    serde_json::from_slice(&read_bytes(file)?).map_err(|error| format!("{}: {error}", file.display()))
}

/// A problem as lines of text: its sentence, then every field at fault.
fn told(what: &str, problem: &Problem) -> String {
    let mut lines = vec![format!("{what}: {}", problem.detail())];
    lines.extend(problem.field_errors().iter().map(|error| format!("  {} {}", error.pointer, error.detail)));
    for finding in problem.member("findings").and_then(|findings| findings.as_array()).into_iter().flatten() {
        let part = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let (message, suggestion) = (part("message"), part("suggestion"));
        lines.push(format!("  {} {}: {message} {suggestion}", part("severity"), part("code")));
    }
    lines.join("\n")
}

/// What applying the source would do; `file` is what was read of it.
///
/// # Errors
/// Why it cannot be applied.
pub async fn plan_source(db: &Db, source: &Source, file: &Curriculum) -> Result<Plan, String> {
    let mut connection = db.pool.acquire().await.map_err(|error| error.to_string())?;
    let plan = service::plan_file(&mut connection, file).await.map_err(refused)?;
    if matches!(source, Source::Version { .. }) {
        service::check_new(&plan).map_err(refused)?;
    }
    Ok(plan)
}

fn refused(refusal: Refusal) -> String {
    told("refused", &Problem::from(refusal))
}

/// A plan for people: what changes, a line each, and the counts.
#[must_use]
pub fn shown(plan: &Plan) -> String {
    let changed = plan.changes.iter().filter(|change| change.action != Action::None);
    let line = |change: &Change| {
        let kind = serde_json::to_value(change.kind).unwrap_or_default();
        let (action, kind) = (change.action.as_str(), kind.as_str().unwrap_or_default());
        let fields = change.fields.join(", ");
        let fields = if fields.is_empty() { fields } else { format!(" ({fields})") };
        format!("{action:<10} {kind:<12} {}{fields}", change.key)
    };
    let counts: Vec<String> = plan.summary.iter().map(|(action, count)| format!("{count} {action}")).collect();
    changed.map(line).chain([counts.join(", ")]).collect::<Vec<String>>().join("\n")
}

/// Applies a file, all of it or nothing, while it is still what `fingerprint` says; `advance` is told the rows written.
///
/// # Errors
/// Why it cannot be applied.
pub async fn apply_source(
    db: &Db,
    clock: &Clock,
    file: Curriculum,
    fingerprint: Option<String>,
    advance: impl Fn(u64) + Send + Sync + 'static,
) -> Result<(), String> {
    let origin = Origin { actor: FILE_AUTHOR, ..Origin::job(clock) };
    db.transact(move |connection| {
        Box::pin(async move {
            let progress = Progress(&advance);
            service::apply_file(connection, &origin, &file, fingerprint.as_deref(), progress).await.map(|_| ())
        })
    })
    .await
    .map_err(refused)
}

/// Writes a path that is built of a curriculum version, if it is new.
///
/// # Errors
/// Why it cannot be written.
pub async fn create_source(
    db: &Db,
    clock: &Clock,
    file: Curriculum,
    advance: impl Fn(u64) + Send + Sync + 'static,
) -> Result<(), String> {
    let origin = Origin { actor: FILE_AUTHOR, ..Origin::job(clock) };
    db.transact(move |connection| {
        Box::pin(async move { service::create_from(connection, &origin, &file, Progress(&advance)).await.map(|_| ()) })
    })
    .await
    .map_err(refused)
}

/// Loads the demo unless its path is there: what authors made of it stays. Says what it did.
///
/// # Errors
/// Why it cannot be loaded.
pub async fn seed_demo(db: &Db, clock: &Clock, limits: &ContentLimits) -> Result<String, String> {
    let file = read_file(Format::Yaml, DEMO.as_bytes(), limits).map_err(|problem| told("the demo", &problem))?;
    let Some(path) = file.learning_paths.first() else { return Err("the demo has no learning path".to_owned()) };
    let (key, name) = (path.key.clone(), path.name.clone());
    let known = sqlx::query_scalar!("SELECT 1 AS one FROM learning_paths WHERE key = $1", key)
        .fetch_optional(&db.pool)
        .await
        .map_err(|error| error.to_string())?;
    if known.is_some() {
        return Ok(format!("the demo '{name}' is there already and stays as it is"));
    }
    let (quests, steps) = (file.quests.len(), file.quests.iter().map(|quest| quest.steps.len()).sum::<usize>());
    apply_source(db, clock, file, None, |_| {}).await?;
    Ok(format!("the demo '{name}' is loaded: {quests} quests, {steps} steps"))
}

/// Learners of a cohort whom one transaction writes.
const BATCH: u32 = 250;

/// Makes up learners on the demo, those of them who are not there yet. Says what it did.
///
/// # Errors
/// Why they cannot be written.
pub async fn seed_cohort(
    db: &Db,
    clock: &Clock,
    limits: &ContentLimits,
    learners: u32,
    seed: u64,
) -> Result<String, String> {
    let demo = read_file(Format::Yaml, DEMO.as_bytes(), limits).map_err(|problem| told("the demo", &problem))?;
    let Some(path) = demo.learning_paths.first() else { return Err("the demo has no learning path".to_owned()) };
    let file = read_file(Format::Yaml, cohort::QUEST.as_bytes(), limits)
        .map_err(|problem| told("the quest of the cohort", &problem))?;
    let known = sqlx::query_scalar!("SELECT 1 AS one FROM quests WHERE key = $1", cohort::model::QUIZ_QUEST)
        .fetch_optional(&db.pool)
        .await
        .map_err(|error| error.to_string())?;
    if known.is_none() {
        apply_source(db, clock, file, None, |_| {}).await?;
    }
    let now = clock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let mut written = Written::default();
    let mut from = 0;
    while from < learners {
        let part = Cohort { seed, from, to: learners.min(from + BATCH), now };
        let path = path.key.clone();
        let done = db
            .transact(move |connection| Box::pin(async move { cohort::service::write(connection, &path, part).await }))
            .await
            .map_err(|error| error.to_string())?;
        written.learners += done.learners;
        written.attempts += done.attempts;
        from = part.to;
    }
    let Written { learners: new, attempts } = written;
    if new > 0 {
        // So many rows at once: the planner should not have to wait for the next autovacuum.
        sqlx::query!(
            "ANALYZE user_quest_attempts, user_quest_step_progress, quest_submissions, assessment_progress,
                     user_learning_path_progress, quest_feedback"
        )
        .execute(&db.pool)
        .await
        .map_err(|error| error.to_string())?;
    }
    Ok(match new {
        0 => format!("the cohort of {learners} made-up learners is there already"),
        _ => format!("{new} made-up learners of {learners} are written, with {attempts} attempts"),
    })
}

/// The catalogue, or single paths of it, as a file's text.
///
/// # Errors
/// Why it cannot be exported.
pub async fn export_text(db: &Db, paths: &[String], format: Format, limits: &ContentLimits) -> Result<String, String> {
    let mut connection = db.pool.acquire().await.map_err(|error| error.to_string())?;
    let file = service::export(&mut connection, paths, limits.max_curriculum_quests).await.map_err(refused)?;
    Ok(crate::curriculum::write(format, &file))
}

/// A bar on standard error, where a person looks at it.
#[must_use]
pub fn progress_bar(file: &Curriculum) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(u64::try_from(rows(file)).unwrap_or(u64::MAX));
    let style = indicatif::ProgressStyle::with_template("{wide_bar} {pos}/{len} rows, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
    bar
}
