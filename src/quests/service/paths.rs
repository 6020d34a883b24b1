//! What an edit of a quest means for the learning paths that contain it: their points, their order.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::QuestId;

/// Computes the points of paths anew, whose rows must be locked by a statement before: one that waits for
/// them would not see what was committed meanwhile. Sums beyond an INTEGER stop at its end.
///
/// # Errors
/// The database's.
pub async fn refresh_path_totals(connection: &mut PgConnection, paths: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE learning_paths AS path SET total_experience_points = now.total
         FROM (SELECT path.id, least(coalesce(sum(quest.experience_points_reward
                      + coalesce((SELECT sum(experience_points) FROM quest_steps
                                  WHERE quest_id = quest.id AND retired_at IS NULL), 0)), 0), 2147483647)::int AS total
               FROM learning_paths AS path
               LEFT JOIN learning_path_quests AS place ON place.learning_path_id = path.id
               LEFT JOIN quests AS quest ON quest.id = place.quest_id
               WHERE path.id = ANY($1) GROUP BY path.id) AS now
         WHERE path.id = now.id AND path.total_experience_points <> now.total",
        paths
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks the paths that contain a locked quest, in the order of their ids; gives them.
pub(super) async fn lock_paths_of(connection: &mut PgConnection, quest: QuestId) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM learning_paths WHERE id IN (SELECT learning_path_id FROM learning_path_quests WHERE quest_id = $1)
         ORDER BY id FOR NO KEY UPDATE",
        quest.0
    )
    .fetch_all(connection)
    .await
}

/// After the points of a locked quest or its steps have changed.
pub(super) async fn refresh_paths_of(connection: &mut PgConnection, quest: QuestId) -> Result<(), sqlx::Error> {
    let paths = lock_paths_of(connection, quest).await?;
    if paths.is_empty() { Ok(()) } else { refresh_path_totals(connection, &paths).await }
}

/// Closes the gaps that a deleted quest has left in locked paths, and computes their points anew.
pub(super) async fn close_up(connection: &mut PgConnection, paths: &[Uuid]) -> Result<(), sqlx::Error> {
    if paths.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE learning_path_quests AS place SET sequence_order = now.number
         FROM (SELECT id, row_number() OVER (PARTITION BY learning_path_id ORDER BY sequence_order)::int AS number
               FROM learning_path_quests WHERE learning_path_id = ANY($1)) AS now
         WHERE place.id = now.id AND place.sequence_order <> now.number",
        paths
    )
    .execute(&mut *connection)
    .await?;
    refresh_path_totals(connection, paths).await
}
