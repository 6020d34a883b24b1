//! Chapters of a path: what they are, and their order from 1 without gaps.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::changed;
use crate::audit;
use crate::config::ContentLimits;
use crate::ids::{ChapterId, LearningPathId};
use crate::learning_paths::model::{Chapter, ChapterInput, LearningPath, PathStatus, Refusal};
use crate::origin::Origin;
use crate::quests::service::same_members;

/// The columns of [`Chapter`]; `$where` names its rows.
macro_rules! select_chapters {
    ($where:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Chapter,
            r#"SELECT chapter.id AS "id: ChapterId", key, learning_path_id AS "learning_path_id: LearningPathId", title,
                      sequence, status AS "status: PathStatus", start_date, end_date,
                      (SELECT count(*) FROM learning_path_quests WHERE chapter_id = chapter.id) AS "quest_count!",
                      created_at, updated_at
               FROM quest_chapters AS chapter "# + $where,
            $($argument),+
        )
    };
}

/// Chapters after a number; one statement.
///
/// # Errors
/// The database's.
pub async fn list_chapters(
    connection: &mut PgConnection,
    path: LearningPathId,
    after: i32,
    limit: i64,
) -> Result<Vec<Chapter>, sqlx::Error> {
    select_chapters!("WHERE learning_path_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3", path.0, after, limit)
        .fetch_all(connection)
        .await
}

/// One chapter.
///
/// # Errors
/// When the path has no such chapter.
pub async fn get_chapter(
    connection: &mut PgConnection,
    path: LearningPathId,
    id: ChapterId,
) -> Result<Chapter, Refusal> {
    select_chapters!("WHERE learning_path_id = $1 AND id = $2", path.0, id.0)
        .fetch_optional(connection)
        .await?
        .ok_or(Refusal::NotFound("chapter"))
}

/// Adds a chapter to a locked path, at the end or at a number; later ones move up.
///
/// # Errors
/// When there are too many, the number is beyond the end, or the key is taken.
pub async fn create_chapter(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
    input: &ChapterInput,
    limits: &ContentLimits,
) -> Result<Chapter, Refusal> {
    if path.chapter_count >= limits.max_chapters {
        return Err(Refusal::invalid("", format!("a path has at most {} chapters", limits.max_chapters)));
    }
    let end = i32::try_from(path.chapter_count).unwrap_or(i32::MAX).saturating_add(1);
    let sequence = input.sequence.unwrap_or(end);
    check_place(sequence, end)?;
    if sequence < end {
        sqlx::query!(
            "UPDATE quest_chapters SET sequence = sequence + 1 WHERE learning_path_id = $1 AND sequence >= $2",
            path.id.0,
            sequence
        )
        .execute(&mut *connection)
        .await?;
    }
    let id = ChapterId::generate();
    sqlx::query!(
        "INSERT INTO quest_chapters (id, key, learning_path_id, title, sequence, status, start_date, end_date)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        input.key.clone().unwrap_or_else(|| id.to_string()),
        path.id.0,
        input.title,
        sequence,
        input.status as PathStatus,
        input.start_date,
        input.end_date,
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "learningPathId": path.id, "after": input });
    audit::note(connection, origin, "create", "chapter", id.0, details).await?;
    changed(connection, origin, path, &[]).await?;
    get_chapter(connection, path.id, id).await
}

/// Changes a chapter of a locked path; with another number it moves, and those between make room.
///
/// # Errors
/// When the number is beyond the end, or the key is taken.
pub async fn update_chapter(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
    current: &Chapter,
    input: &ChapterInput,
) -> Result<Chapter, Refusal> {
    // Cleared with null it goes to the end, as when a new one leaves it out.
    let end = i32::try_from(path.chapter_count).unwrap_or(i32::MAX);
    let sequence = input.sequence.unwrap_or(end);
    check_place(sequence, end)?;
    sqlx::query!(
        "UPDATE quest_chapters SET key = $2, title = $3, status = $4, start_date = $5, end_date = $6 WHERE id = $1",
        current.id.0,
        input.key.clone().unwrap_or_else(|| current.id.to_string()),
        input.title,
        input.status as PathStatus,
        input.start_date,
        input.end_date,
    )
    .execute(&mut *connection)
    .await?;
    if sequence != current.sequence {
        sqlx::query!(
            "UPDATE quest_chapters
             SET sequence = CASE WHEN id = $2 THEN $4 WHEN $4 < $3 THEN sequence + 1 ELSE sequence - 1 END
             WHERE learning_path_id = $1 AND sequence BETWEEN least($3::int, $4::int) AND greatest($3::int, $4::int)",
            path.id.0,
            current.id.0,
            current.sequence,
            sequence,
        )
        .execute(&mut *connection)
        .await?;
    }
    let details = json!({ "learningPathId": path.id, "before": current.input(), "after": input });
    audit::note(connection, origin, "update", "chapter", current.id.0, details).await?;
    // What it is called, where it stands and when it ends gate nothing.
    let gates = |status: PathStatus, start| (status == PathStatus::Paused, start);
    let quests = if gates(input.status, input.start_date) == gates(current.status, current.start_date) {
        Vec::new()
    } else {
        quests_of(connection, current.id).await?
    };
    changed(connection, origin, path, &quests).await?;
    get_chapter(connection, path.id, current.id).await
}

/// Deletes a chapter of a locked path; its quests stay in the path, without a chapter, and later chapters move up.
///
/// # Errors
/// The database's.
pub async fn delete_chapter(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
    chapter: &Chapter,
) -> Result<(), Refusal> {
    let quests = quests_of(connection, chapter.id).await?;
    sqlx::query!(
        "WITH gone AS (DELETE FROM quest_chapters WHERE id = $1 RETURNING learning_path_id, sequence)
         UPDATE quest_chapters AS later SET sequence = later.sequence - 1
         FROM gone WHERE later.learning_path_id = gone.learning_path_id AND later.sequence > gone.sequence",
        chapter.id.0
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "learningPathId": path.id, "before": chapter.input() });
    audit::note(connection, origin, "delete", "chapter", chapter.id.0, details).await?;
    changed(connection, origin, path, &quests).await?;
    Ok(())
}

/// Puts the chapters of a locked path in an order, in one statement.
///
/// # Errors
/// When the ids are not exactly those of the chapters.
pub async fn order_chapters(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
    order: &[Uuid],
) -> Result<(), Refusal> {
    let before =
        sqlx::query_scalar!("SELECT id FROM quest_chapters WHERE learning_path_id = $1 ORDER BY sequence", path.id.0)
            .fetch_all(&mut *connection)
            .await?;
    if !same_members(&before, order) {
        return Err(Refusal::invalid("/chapterIds", "must name every chapter, each once"));
    }
    sqlx::query!(
        "UPDATE quest_chapters AS chapter SET sequence = place.number
         FROM unnest($2::uuid[]) WITH ORDINALITY AS place (id, number)
         WHERE chapter.id = place.id AND chapter.learning_path_id = $1 AND chapter.sequence <> place.number",
        path.id.0,
        order
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "before": before, "after": order });
    audit::note(connection, origin, "order chapters", "learning_path", path.id.0, details).await?;
    changed(connection, origin, path, &[]).await?;
    Ok(())
}

async fn quests_of(connection: &mut PgConnection, chapter: ChapterId) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT quest_id FROM learning_path_quests WHERE chapter_id = $1", chapter.0)
        .fetch_all(connection)
        .await
}

fn check_place(sequence: i32, end: i32) -> Result<(), Refusal> {
    if (1..=end).contains(&sequence) {
        return Ok(());
    }
    Err(Refusal::invalid("/sequence", format!("must be 1 to {end}")))
}
