//! The ordered list of a path's quests, set as a whole.

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::changed;
use crate::audit;
use crate::criteria::Violation;
use crate::ids::{ChapterId, LearnerId, LearningPathId, QuestId};
use crate::learning_paths::model::{LearningPath, PathQuest, PathQuestInput, Refusal};
use crate::origin::Origin;
use crate::quests::model::DifficultyLevel;
use crate::quests::service::refresh_path_totals;

/// The quests of a path after a place; one statement. A learner gets those that are active or that an own
/// attempt is on, without criteria; no learner means an author.
///
/// # Errors
/// The database's.
pub async fn list_quests(
    connection: &mut PgConnection,
    path: LearningPathId,
    learner: Option<LearnerId>,
    after: i32,
    limit: i64,
) -> Result<Vec<PathQuest>, sqlx::Error> {
    sqlx::query_as!(
        PathQuest,
        r#"SELECT quest.id AS "quest_id: QuestId", quest.title, place.chapter_id AS "chapter_id: ChapterId",
                  place.sequence_order, place.difficulty_level AS "difficulty_level: DifficultyLevel", place.is_mandatory,
                  CASE WHEN $2::uuid IS NULL THEN place.unlock_criteria END AS unlock_criteria, quest.is_active,
                  quest.experience_points_reward
                      + coalesce((SELECT sum(experience_points) FROM quest_steps
                                  WHERE quest_id = quest.id AND retired_at IS NULL), 0) AS "experience_points!"
           FROM learning_path_quests AS place JOIN quests AS quest ON quest.id = place.quest_id
           WHERE place.learning_path_id = $1 AND place.sequence_order > $3
             AND ($2::uuid IS NULL OR quest.is_active
                  OR EXISTS (SELECT FROM user_quest_attempts WHERE auth_user_id = $2 AND quest_id = quest.id))
           ORDER BY place.sequence_order LIMIT $4"#,
        path.0,
        learner.map(|learner| learner.0),
        after,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// Keeps quests from being edited or deleted until the transaction ends, in the order of their ids; gives
/// those that there are. To be called before the path is locked: edits of quests lock in this order too.
///
/// # Errors
/// The database's.
pub async fn hold_quests(connection: &mut PgConnection, quests: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM quests WHERE id = ANY($1) ORDER BY id FOR SHARE", quests)
        .fetch_all(connection)
        .await
}

/// Sets the list of a locked path; `known` are the quests that are held.
///
/// # Errors
/// When the list names a quest that is not known, or a chapter that is not the path's.
pub async fn set_quests(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
    quests: &[PathQuestInput],
    known: &[Uuid],
) -> Result<(), Refusal> {
    let chapters = sqlx::query_scalar!("SELECT id FROM quest_chapters WHERE learning_path_id = $1", path.id.0)
        .fetch_all(&mut *connection)
        .await?;
    let mut violations = Vec::new();
    for (index, place) in quests.iter().enumerate() {
        if known.binary_search(&place.quest_id.0).is_err() {
            violations
                .push(Violation { pointer: format!("/quests/{index}/questId"), detail: "is no quest".to_owned() });
        }
        if place.chapter_id.is_some_and(|chapter| !chapters.contains(&chapter.0)) {
            let detail = "is no chapter of this path".to_owned();
            violations.push(Violation { pointer: format!("/quests/{index}/chapterId"), detail });
        }
    }
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    let before = read_places(connection, path.id).await?;
    if before == quests {
        return Ok(());
    }
    write_places(connection, path.id, quests).await?;
    refresh_path_totals(connection, &[path.id.0]).await?;
    let details = json!({ "before": before, "after": quests });
    audit::note(connection, origin, "set quests", "learning_path", path.id.0, details).await?;
    // Added, taken out, or gated otherwise.
    let others = |one: &[PathQuestInput], other: &[PathQuestInput]| -> Vec<Uuid> {
        one.iter().filter(|place| !other.contains(place)).map(|place| place.quest_id.0).collect()
    };
    let touched = [others(&before, quests), others(quests, &before)].concat();
    changed(connection, origin, path, &touched).await?;
    Ok(())
}

/// The whole list as an author writes it.
pub(super) async fn read_places(
    connection: &mut PgConnection,
    path: LearningPathId,
) -> Result<Vec<PathQuestInput>, sqlx::Error> {
    sqlx::query_as!(
        PathQuestInput,
        r#"SELECT quest_id AS "quest_id: QuestId", chapter_id AS "chapter_id: ChapterId",
                  difficulty_level AS "difficulty_level: DifficultyLevel", is_mandatory, unlock_criteria
           FROM learning_path_quests WHERE learning_path_id = $1 ORDER BY sequence_order"#,
        path.0
    )
    .fetch_all(connection)
    .await
}

/// Makes the list what it shall be, in one statement: rows stay who they are, and untouched where nothing changes.
///
/// # Errors
/// The database's.
pub async fn write_places(
    connection: &mut PgConnection,
    path: LearningPathId,
    quests: &[PathQuestInput],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = quests.iter().map(|_| Uuid::now_v7()).collect();
    let quest_ids: Vec<Uuid> = quests.iter().map(|place| place.quest_id.0).collect();
    let chapters: Vec<Option<Uuid>> = quests.iter().map(|place| place.chapter_id.map(|chapter| chapter.0)).collect();
    let levels: Vec<DifficultyLevel> = quests.iter().map(|place| place.difficulty_level).collect();
    let mandatory: Vec<bool> = quests.iter().map(|place| place.is_mandatory).collect();
    let criteria: Vec<Option<Value>> = quests.iter().map(|place| place.unlock_criteria.clone()).collect();
    sqlx::query!(
        "WITH gone AS (DELETE FROM learning_path_quests WHERE learning_path_id = $1 AND quest_id <> ALL($3))
         INSERT INTO learning_path_quests AS place (id, learning_path_id, quest_id, chapter_id, difficulty_level,
                                                    is_mandatory, unlock_criteria, sequence_order)
         SELECT id, $1, quest_id, chapter_id, level, mandatory, criteria, number::int
         FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::difficulty_level[], $6::boolean[], $7::jsonb[])
              WITH ORDINALITY AS wanted (id, quest_id, chapter_id, level, mandatory, criteria, number)
         ON CONFLICT (learning_path_id, quest_id) DO UPDATE
         SET chapter_id = excluded.chapter_id, difficulty_level = excluded.difficulty_level,
             is_mandatory = excluded.is_mandatory, unlock_criteria = excluded.unlock_criteria,
             sequence_order = excluded.sequence_order
         WHERE (place.chapter_id, place.difficulty_level, place.is_mandatory, place.unlock_criteria, place.sequence_order)
             IS DISTINCT FROM (excluded.chapter_id, excluded.difficulty_level, excluded.is_mandatory,
                               excluded.unlock_criteria, excluded.sequence_order)",
        path.0,
        &ids,
        &quest_ids,
        &chapters as &[Option<Uuid>],
        &levels as &[DifficultyLevel],
        &mandatory,
        &criteria as &[Option<Value>],
    )
    .execute(connection)
    .await?;
    Ok(())
}
