//! One learning path: create, read, change, delete; and the list of them.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::audit;
use crate::ids::{LearnerId, LearningPathId};
use crate::learning_paths::model::{Filter, LearningPath, LearningPathInput, PathType, Refusal};
use crate::origin::Origin;
use crate::unlocks::reevaluate::{Touched, request, waits};

/// The columns of [`LearningPath`]; `$where` names its rows.
macro_rules! select_paths {
    ($where:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            LearningPath,
            r#"SELECT path.id AS "id: LearningPathId", key, name, description, path_type AS "path_type: PathType",
                      curriculum_version_id, estimated_total_duration_hours, total_experience_points, is_published,
                      created_by, created_at, updated_at,
                      (SELECT count(*) FROM learning_path_quests WHERE learning_path_id = path.id) AS "quest_count!",
                      (SELECT count(*) FROM quest_chapters WHERE learning_path_id = path.id) AS "chapter_count!"
               FROM learning_paths AS path "# + $where,
            $($argument),+
        )
    };
}

/// Paths, newest first, after a place; one statement.
///
/// # Errors
/// The database's.
pub async fn list_paths(
    connection: &mut PgConnection,
    filter: &Filter,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<LearningPath>, sqlx::Error> {
    let (at, id) = after.unzip();
    select_paths!(
        "WHERE ($1::path_type IS NULL OR path_type = $1) AND ($2::boolean IS NULL OR is_published = $2)
           AND ($3::uuid IS NULL OR curriculum_version_id = $3)
           AND (created_at, path.id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
         ORDER BY created_at DESC, path.id DESC LIMIT $6",
        filter.path_type as Option<PathType>,
        filter.is_published,
        filter.curriculum_version_id,
        at,
        id,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// Reads a path; one statement. A learner finds it when it is published, or when enrolled in it; no learner
/// means an author.
///
/// # Errors
/// When there is none for this reader.
pub async fn get_path(
    connection: &mut PgConnection,
    id: LearningPathId,
    learner: Option<LearnerId>,
) -> Result<LearningPath, Refusal> {
    select_paths!(
        "WHERE path.id = $1 AND ($2::uuid IS NULL OR is_published OR EXISTS (
             SELECT FROM user_learning_path_progress WHERE auth_user_id = $2 AND learning_path_id = path.id))",
        id.0,
        learner.map(|learner| learner.0),
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Refusal::NotFound("learning path"))
}

/// Locks a path for editing.
///
/// # Errors
/// When there is none.
pub async fn lock_path(connection: &mut PgConnection, id: LearningPathId) -> Result<LearningPath, Refusal> {
    // A statement of its own: what follows must read what others committed while this one waited.
    // It holds off other edits, not the foreign keys of those that look at the path.
    sqlx::query_scalar!("SELECT 1 AS one FROM learning_paths WHERE id = $1 FOR NO KEY UPDATE", id.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(Refusal::NotFound("learning path"))?;
    get_path(connection, id, None).await
}

/// Creates a path, a draft.
///
/// # Errors
/// When its key is taken.
pub async fn create_path(
    connection: &mut PgConnection,
    origin: &Origin,
    id: LearningPathId,
    input: &LearningPathInput,
) -> Result<LearningPath, Refusal> {
    sqlx::query!(
        "INSERT INTO learning_paths (id, key, name, description, path_type, curriculum_version_id,
                                     estimated_total_duration_hours, is_published, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, $8)",
        id.0,
        input.key.clone().unwrap_or_else(|| id.to_string()),
        input.name,
        input.description,
        input.path_type as PathType,
        input.curriculum_version_id,
        input.estimated_total_duration_hours,
        origin.actor,
    )
    .execute(&mut *connection)
    .await?;
    audit::note(connection, origin, "create", "learning_path", id.0, json!({ "after": input })).await?;
    get_path(connection, id, None).await
}

/// Changes a locked path.
///
/// # Errors
/// When its new key is taken.
pub async fn update_path(
    connection: &mut PgConnection,
    origin: &Origin,
    current: &LearningPath,
    input: &LearningPathInput,
) -> Result<LearningPath, Refusal> {
    sqlx::query!(
        "UPDATE learning_paths SET key = $2, name = $3, description = $4, path_type = $5, curriculum_version_id = $6,
             estimated_total_duration_hours = $7
         WHERE id = $1",
        current.id.0,
        input.key.clone().unwrap_or_else(|| current.id.to_string()),
        input.name,
        input.description,
        input.path_type as PathType,
        input.curriculum_version_id,
        input.estimated_total_duration_hours,
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "before": current.input(), "after": input });
    audit::note(connection, origin, "update", "learning_path", current.id.0, details).await?;
    get_path(connection, current.id, None).await
}

/// Deletes a locked path that nobody has enrolled in, with its chapters and its list of quests.
///
/// # Errors
/// When somebody has; unpublish it then.
pub async fn delete_path(connection: &mut PgConnection, origin: &Origin, path: &LearningPath) -> Result<(), Refusal> {
    // This lock keeps foreign keys out as well: who enrols now waits for the outcome.
    sqlx::query_scalar!("SELECT 1 AS one FROM learning_paths WHERE id = $1 FOR UPDATE", path.id.0)
        .fetch_optional(&mut *connection)
        .await?;
    let used = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM user_learning_path_progress WHERE learning_path_id = $1) AS "used!""#,
        path.id.0
    )
    .fetch_one(&mut *connection)
    .await?;
    if used {
        return Err(Refusal::InUse("learners have enrolled in this path; unpublish it instead"));
    }
    // What it has gated is gated no more, and what waits to be judged with it has to be judged without it.
    let is_touched = path.is_published || waits(connection, path.id).await?;
    let quests = sqlx::query_scalar!(
        "SELECT quest_id FROM learning_path_quests WHERE learning_path_id = $1 AND $2",
        path.id.0,
        is_touched
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM learning_paths WHERE id = $1", path.id.0).execute(&mut *connection).await?;
    audit::note(connection, origin, "delete", "learning_path", path.id.0, json!({ "before": path.input() })).await?;
    request(connection, origin, Touched { quests: &quests, ..Touched::default() }).await?;
    Ok(())
}
