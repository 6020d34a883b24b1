//! Plan, apply and export of curriculum files.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::apply::{Writer, find_cycle, new_ids};
use super::file::{Curriculum, FilePath};
use super::names::{Named, missing, pointer_of_file};
use super::plan::{Action, Kind, Plan, plan};
use super::state::{Scope, State, load, scope_of};
use crate::criteria::{UnlockCriteria, Violation};
use crate::ids::{LearningPathId, QuestId};
use crate::learning_paths::lint::{Finding, is_publishable, lint};
use crate::learning_paths::service::{load_blueprint, refresh_path_totals};
use crate::origin::Origin;
use crate::quests::model::Prerequisite;
use crate::quests::service::{lock_assessments, lock_prerequisites, tried_assessments};
use crate::unlocks::reevaluate::{Touched, request};

/// What files are refused for.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the file breaks a rule")]
    Invalid(Vec<Violation>),
    #[error("file or database have changed since the plan was made; look at a new one")]
    Stale(Plan),
    #[error("{0}")]
    InUse(String),
    #[error("the prerequisites would form a cycle")]
    Cycle(Vec<Prerequisite>),
    #[error("learning path '{0}' cannot be published like this")]
    LintFailed(String, Vec<Finding>),
    #[error("somebody has just made something with one of the file's keys; look at a new plan")]
    KeyTaken,
    #[error("{0} is there already; a path is built of a curriculum version once, and changed by other means then")]
    Exists(String),
    #[error("there is no learning path with the key '{0}'")]
    UnknownPath(String),
    #[error("{0} quests are more than the {1} that one file may have; export single learning paths")]
    TooMany(usize, usize),
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        // What has the file's keys is locked; only what somebody else has just made can be in the way.
        let is_taken = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
        if is_taken { Self::KeyTaken } else { Self::Database(error) }
    }
}

/// Is told how many rows are written; a file has as many as [`rows`] says, or fewer.
#[derive(Clone, Copy)]
pub struct Progress<'a>(pub &'a (dyn Fn(u64) + Send + Sync));

impl Progress<'_> {
    /// Nobody looks.
    pub const NONE: Progress<'static> = Progress(&|_| {});

    pub(super) fn advance(self, rows: usize) {
        self.0(u64::try_from(rows).unwrap_or_default());
    }
}

/// How many rows a file has at the most.
#[must_use]
pub fn rows(file: &Curriculum) -> usize {
    let in_quest = |quest: &super::FileQuest| 1 + quest.steps.len() + quest.resources.len() + quest.assessments.len();
    file.quests.iter().map(in_quest).sum::<usize>()
        + file.learning_paths.iter().map(|path| path.quests.len()).sum::<usize>()
}

/// What applying a checked file would do; writes nothing.
///
/// # Errors
/// When the file names what is not there, or its prerequisites close a cycle.
pub async fn plan_file(connection: &mut PgConnection, file: &Curriculum) -> Result<Plan, Refusal> {
    let scope = scope_of(connection, file, false).await?;
    let mut state = load(connection, &scope, file).await?;
    let plan = plan(file, &state);
    resolve(connection, file, &mut state).await?;
    check_history(connection, &plan, &state).await?;
    Ok(plan)
}

/// Makes the database what a checked file says, in the caller's transaction. With `expected`, only if this is
/// still the plan.
///
/// # Errors
/// When the plan is stale, the file cannot be, or a published path would not pass the linter.
pub async fn apply_file(
    connection: &mut PgConnection,
    origin: &Origin,
    file: &Curriculum,
    expected: Option<&str>,
    progress: Progress<'_>,
) -> Result<Plan, Refusal> {
    let scope = scope_of(connection, file, true).await?;
    lock_prerequisites(connection).await?;
    let mut state = load(connection, &scope, file).await?;
    let plan = plan(file, &state);
    if expected.is_some_and(|expected| expected != plan.fingerprint) {
        return Err(Refusal::Stale(plan));
    }
    resolve(connection, file, &mut state).await?;
    lock_assessments(connection, &retyped(&plan, &state, Kind::Assessment)).await?;
    check_history(connection, &plan, &state).await?;
    let names = &state.names;
    Writer { origin, file, state: &state, plan: &plan, names, progress }.write(connection).await?;
    let paths = touched_paths(connection, &plan, &state).await?;
    refresh_path_totals(connection, &paths).await?;
    for path in file.learning_paths.iter().filter(|path| path.is_published) {
        let id = names.id(Named::Path, &path.key).unwrap_or_default();
        if paths.contains(&id) {
            check_published(connection, origin, path, id).await?;
        }
    }
    request_judgement(connection, origin, file, &plan, &state, &paths).await?;
    Ok(plan)
}

/// Gives everything in the file its id, and sees that what it names is there.
async fn resolve(connection: &mut PgConnection, file: &Curriculum, state: &mut State) -> Result<(), Refusal> {
    new_ids(connection, file, state).await?;
    let mut violations = Vec::new();
    let names = &state.names;
    for (index, quest) in file.quests.iter().enumerate() {
        for (place, key) in quest.prerequisites.iter().enumerate() {
            if names.id(Named::Quest, key).is_none() {
                let pointer = format!("/quests/{index}/prerequisites/{place}");
                violations.push(Violation { pointer, detail: missing(Named::Quest).to_owned() });
            }
        }
    }
    for (index, path) in file.learning_paths.iter().enumerate() {
        for (number, place) in path.quests.iter().enumerate() {
            let at = format!("/learningPaths/{index}/quests/{number}");
            if names.id(Named::Quest, &place.quest).is_none() {
                let pointer = format!("{at}/quest");
                violations.push(Violation { pointer, detail: missing(Named::Quest).to_owned() });
            }
            let Some(criteria) = &place.unlock_criteria else { continue };
            let at = format!("{at}/unlockCriteria");
            let known = violations.len();
            let with_ids = names.to_ids(criteria, &path.key, &at, &mut violations);
            let found = if violations.len() == known { UnlockCriteria::parse(&with_ids).err() } else { None };
            violations.extend(found.into_iter().flatten().map(|violation| Violation {
                pointer: format!("{at}{}", pointer_of_file(&violation.pointer, criteria)),
                ..violation
            }));
        }
    }
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    check_cycles(connection, file, state).await
}

/// The prerequisites of the file, with those that the database has around them.
async fn check_cycles(connection: &mut PgConnection, file: &Curriculum, state: &State) -> Result<(), Refusal> {
    let id = |key: &str| state.names.id(Named::Quest, key).unwrap_or_default();
    let mut needs: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for quest in &file.quests {
        needs.insert(id(&quest.key), quest.prerequisites.iter().map(|key| id(key)).collect());
    }
    let named: Vec<Uuid> = needs.values().flatten().copied().filter(|id| !needs.contains_key(id)).collect();
    let others = sqlx::query!(
        r#"WITH RECURSIVE reached (id) AS (
               SELECT unnest($1::uuid[])
               UNION
               SELECT link.prerequisite_quest_id FROM reached JOIN quest_prerequisites AS link ON link.quest_id = reached.id
           )
           SELECT link.quest_id, link.prerequisite_quest_id
           FROM reached JOIN quest_prerequisites AS link ON link.quest_id = reached.id"#,
        &named
    )
    .fetch_all(&mut *connection)
    .await?;
    let own: HashSet<Uuid> = needs.keys().copied().collect();
    for edge in others.into_iter().filter(|edge| !own.contains(&edge.quest_id)) {
        needs.entry(edge.quest_id).or_default().push(edge.prerequisite_quest_id);
    }
    let Some(way) = find_cycle(&needs) else { return Ok(()) };
    let known =
        sqlx::query!("SELECT id, title, is_active FROM quests WHERE id = ANY($1)", &way).fetch_all(connection).await?;
    let of_file: HashMap<Uuid, (&str, bool)> =
        file.quests.iter().map(|quest| (id(&quest.key), (quest.title.as_str(), quest.is_active))).collect();
    let cycle = way.into_iter().map(|id| {
        let known = known.iter().find(|quest| quest.id == id).map(|quest| (quest.title.as_str(), quest.is_active));
        let (title, is_active) = of_file.get(&id).copied().or(known).unwrap_or_default();
        Prerequisite { quest_id: QuestId(id), title: title.to_owned(), is_active }
    });
    Err(Refusal::Cycle(cycle.collect()))
}

/// What gets another type by the plan: steps or assessments.
fn retyped(plan: &Plan, state: &State, kind: Kind) -> Vec<Uuid> {
    let field = if kind == Kind::Step { "stepType" } else { "assessmentType" };
    let changed = plan.changed(kind);
    let changed = changed.values().filter(|change| change.fields.iter().any(|changed| changed == field));
    let id = |key: &str| {
        let (quest, own) = key.split_once('/')?;
        match kind {
            Kind::Step => state.steps.get(&(quest.to_owned(), own.to_owned())).copied(),
            _ => state.names.id(Named::Assessment, key),
        }
    };
    changed.filter_map(|change| id(&change.key)).collect()
}

/// The type of what learners have worked on stays.
async fn check_history(connection: &mut PgConnection, plan: &Plan, state: &State) -> Result<(), Refusal> {
    let tried = tried_assessments(connection, &retyped(plan, state, Kind::Assessment)).await?;
    let used = sqlx::query_scalar!(
        r#"SELECT quest.key || '/' || step.key AS "key!" FROM quest_steps AS step JOIN quests AS quest ON quest.id = step.quest_id
           WHERE step.id = ANY($1) AND EXISTS (SELECT FROM user_quest_step_progress WHERE step_id = step.id)
           UNION ALL
           SELECT quest.key || '/' || assessment.key FROM quest_assessments AS assessment
           JOIN quests AS quest ON quest.id = assessment.quest_id
           WHERE assessment.id = ANY($2)
           ORDER BY 1"#,
        &retyped(plan, state, Kind::Step),
        &tried,
    )
    .fetch_all(connection)
    .await?;
    if used.is_empty() {
        return Ok(());
    }
    Err(Refusal::InUse(format!("learners have worked on {}; the type stays, use another key", used.join(", "))))
}

/// Paths whose own content, or whose quests, have changed; other paths with these quests too.
async fn touched_paths(connection: &mut PgConnection, plan: &Plan, state: &State) -> Result<Vec<Uuid>, sqlx::Error> {
    let changed = plan.changes.iter().filter(|change| change.action != Action::None);
    let (mut quests, mut paths) = (HashSet::new(), HashSet::new());
    for change in changed {
        let parent = change.key.split('/').next().unwrap_or_default();
        match change.kind {
            Kind::LearningPath | Kind::Chapter | Kind::PathQuest => paths.insert(parent),
            Kind::Quest | Kind::Step | Kind::Resource | Kind::Assessment => quests.insert(parent),
        };
    }
    let ids = |what: Named, keys: HashSet<&str>| -> Vec<Uuid> {
        keys.into_iter().filter_map(|key| state.names.id(what, key)).collect()
    };
    sqlx::query_scalar!(
        "SELECT id FROM learning_paths WHERE id = ANY($1)
             OR id IN (SELECT learning_path_id FROM learning_path_quests WHERE quest_id = ANY($2))
         ORDER BY id",
        &ids(Named::Path, paths),
        &ids(Named::Quest, quests)
    )
    .fetch_all(connection)
    .await
}

async fn check_published(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &FilePath,
    id: Uuid,
) -> Result<(), Refusal> {
    let blueprint = load_blueprint(connection, LearningPathId(id)).await.map_err(|refusal| match refusal {
        crate::learning_paths::model::Refusal::Database(error) => Refusal::Database(error),
        _ => Refusal::UnknownPath(path.key.clone()),
    })?;
    let findings = lint(&blueprint, origin.clock.now());
    if is_publishable(&findings) { Ok(()) } else { Err(Refusal::LintFailed(path.key.clone(), findings)) }
}

/// Learners who qualify by the file, or who follow its paths, are judged anew in the background.
async fn request_judgement(
    connection: &mut PgConnection,
    origin: &Origin,
    file: &Curriculum,
    plan: &Plan,
    state: &State,
    paths: &[Uuid],
) -> Result<(), sqlx::Error> {
    // Nobody has completed what a quest needs while all of that is new, too.
    let new: HashSet<&str> = plan
        .changed(Kind::Quest)
        .values()
        .filter(|change| change.action == Action::Create)
        .map(|change| change.key.as_str())
        .collect();
    let needs_old: HashSet<&str> = file
        .quests
        .iter()
        .filter(|quest| quest.prerequisites.iter().any(|key| !new.contains(key.as_str())))
        .map(|quest| quest.key.as_str())
        .collect();
    let opens = |change: &&super::Change| match change.action {
        Action::Create => needs_old.contains(change.key.as_str()),
        Action::Deactivate => true,
        _ => change.fields.iter().any(|field| field == "isActive" || field == "prerequisites"),
    };
    let changed = plan.changed(Kind::Quest);
    let mut quests: Vec<Uuid> = changed
        .values()
        .copied()
        .filter(opens)
        .filter_map(|change| state.names.id(Named::Quest, &change.key))
        .collect();
    // A place that is given up or changed gates otherwise; what is new in a path is judged with the path.
    let places = plan.changed(Kind::PathQuest);
    let regated = places.values().filter(|change| matches!(change.action, Action::Update | Action::Delete));
    quests.extend(regated.filter_map(|change| state.names.id(Named::Quest, change.key.split('/').nth(1)?)));
    // What has become a draft gates no more.
    let heads = plan.changed(Kind::LearningPath);
    let is_turned = |path: &&FilePath| {
        let turns = |change: &&super::Change| {
            change.action == Action::Deactivate || change.fields.iter().any(|field| field == "isPublished")
        };
        !path.is_published && heads.get(path.key.as_str()).is_some_and(turns)
    };
    let ungated = file.learning_paths.iter().filter(is_turned).flat_map(|path| &path.quests);
    quests.extend(ungated.filter_map(|place| state.names.id(Named::Quest, &place.quest)));
    quests.sort_unstable();
    quests.dedup();
    request(connection, origin, Touched { quests: &quests, paths }).await
}

/// Everything, or the paths with these keys and all that they need to be whole in an empty database.
///
/// # Errors
/// When there is no such path, or there are too many quests for one file.
pub async fn export(connection: &mut PgConnection, keys: &[String], most: usize) -> Result<Curriculum, Refusal> {
    let scope = if keys.is_empty() { everything(connection).await? } else { closure(connection, keys).await? };
    if scope.quests.len() > most {
        return Err(Refusal::TooMany(scope.quests.len(), most));
    }
    Ok(load(connection, &scope, &Curriculum::default()).await?.file.sorted())
}

async fn everything(connection: &mut PgConnection) -> Result<Scope, sqlx::Error> {
    let quests = sqlx::query_scalar!("SELECT id FROM quests").fetch_all(&mut *connection).await?;
    let paths = sqlx::query_scalar!("SELECT id FROM learning_paths").fetch_all(connection).await?;
    Ok(Scope { quests, paths })
}

/// Paths, their quests, what these need, and what criteria name, round after round until nothing is new.
async fn closure(connection: &mut PgConnection, keys: &[String]) -> Result<Scope, Refusal> {
    let named = sqlx::query!("SELECT id, key FROM learning_paths WHERE key = ANY($1)", keys)
        .fetch_all(&mut *connection)
        .await?;
    if let Some(unknown) = keys.iter().find(|key| !named.iter().any(|path| path.key == **key)) {
        return Err(Refusal::UnknownPath(unknown.clone()));
    }
    let mut scope = Scope { quests: Vec::new(), paths: named.into_iter().map(|path| path.id).collect() };
    loop {
        let found = sqlx::query!(
            r#"WITH RECURSIVE refs AS (SELECT DISTINCT unnest(unlock_refs) AS id FROM learning_path_quests WHERE learning_path_id = ANY($1)),
               quests_of (id) AS (
                   SELECT quest_id FROM learning_path_quests WHERE learning_path_id = ANY($1)
                   UNION SELECT quests.id FROM quests JOIN refs ON refs.id = quests.id
                   UNION SELECT quest_id FROM quest_assessments JOIN refs ON refs.id = quest_assessments.id
               ), needed (id) AS (
                   SELECT id FROM quests_of
                   UNION SELECT link.prerequisite_quest_id FROM needed JOIN quest_prerequisites AS link ON link.quest_id = needed.id
               )
               SELECT coalesce((SELECT array_agg(id ORDER BY id) FROM needed), '{}') AS "quests!",
                      coalesce((SELECT array_agg(id ORDER BY id) FROM (
                          SELECT learning_paths.id FROM learning_paths WHERE id = ANY($1)
                          UNION SELECT learning_paths.id FROM learning_paths JOIN refs ON refs.id = learning_paths.id
                          UNION SELECT learning_path_id FROM quest_chapters JOIN refs ON refs.id = quest_chapters.id
                      ) AS path), '{}') AS "paths!""#,
            &scope.paths
        )
        .fetch_one(&mut *connection)
        .await?;
        let is_whole = found.paths.len() == scope.paths.len();
        scope = Scope { quests: found.quests, paths: found.paths };
        if is_whole {
            return Ok(scope);
        }
    }
}

/// Whether everything in the file is new.
///
/// # Errors
/// When something of it is there already.
pub fn check_new(plan: &Plan) -> Result<(), Refusal> {
    match plan.changes.iter().find(|change| change.action != Action::Create) {
        Some(old) => Err(Refusal::Exists(format!("“{}” ({})", old.title, old.key))),
        None => Ok(()),
    }
}

/// Applies a file whose one path must be new; gives the path's id. Quests that it shares with nobody are new too.
///
/// # Errors
/// When the path or one of the quests is there already.
pub async fn create_from(
    connection: &mut PgConnection,
    origin: &Origin,
    file: &Curriculum,
    progress: Progress<'_>,
) -> Result<Uuid, Refusal> {
    let plan = apply_file(connection, origin, file, None, progress).await?;
    check_new(&plan)?;
    let key = file.learning_paths.first().map(|path| path.key.clone()).unwrap_or_default();
    sqlx::query_scalar!("SELECT id FROM learning_paths WHERE key = $1", key)
        .fetch_optional(connection)
        .await?
        .ok_or(Refusal::UnknownPath(key))
}
