//! After an edit: learners who may qualify already are judged anew in the background.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::LearningPathId;
use crate::origin::Origin;

/// What an edit has touched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Touched<'a> {
    /// Quests that were activated or deactivated, need other quests, or have got other gates.
    pub quests: &'a [Uuid],
    /// Paths that count other quests now, or show other ones.
    pub paths: &'a [Uuid],
}

/// Asks for the background job; from the first learner again if it is under way. What an edit opens may be
/// elsewhere: quests that need a touched one, or whose criteria count a touched path or one with a touched
/// quest; and every path with any of these shows what is next. Paths that are neither published nor followed
/// have nobody to judge. Quests that no asked-for path holds are asked for one by one. To be called last in
/// a transaction: nothing is locked after it.
///
/// # Errors
/// The database's.
pub async fn request(connection: &mut PgConnection, origin: &Origin, touched: Touched<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH counting AS (
             SELECT unnest($2::uuid[]) AS id
             UNION SELECT learning_path_id FROM learning_path_quests WHERE quest_id = ANY($1)
         ), quest AS (
             SELECT unnest($1::uuid[]) AS id
             UNION SELECT quest_id FROM quest_prerequisites WHERE prerequisite_quest_id = ANY($1)
             UNION SELECT quest_id FROM learning_path_quests
                   WHERE unlock_refs && (ARRAY(SELECT id FROM counting)
                       || ARRAY(SELECT chapter.id FROM quest_chapters AS chapter JOIN counting ON counting.id = chapter.learning_path_id))
         ), path AS (
             SELECT path.id FROM learning_paths AS path
             WHERE path.id = ANY($2 || ARRAY(SELECT learning_path_id FROM learning_path_quests JOIN quest ON quest.id = quest_id))
               AND (path.is_published OR EXISTS (SELECT FROM user_learning_path_progress WHERE learning_path_id = path.id))
             -- What has just become a draft has gated until now.
             UNION SELECT learning_path_id FROM learning_path_quests WHERE learning_path_id = ANY($2) AND quest_id = ANY($1)
         ), target AS (
             SELECT id, 'path' AS kind FROM path
             UNION ALL SELECT id, 'quest' FROM quest
                       WHERE NOT EXISTS (SELECT FROM learning_path_quests AS link JOIN path ON path.id = link.learning_path_id
                                         WHERE link.quest_id = quest.id)
         )
         INSERT INTO reevaluations (target_id, target_kind, requested_at) SELECT id, kind, $3 FROM target ORDER BY id
         ON CONFLICT (target_id) DO UPDATE SET requested_at = excluded.requested_at, after_learner = NULL, learners_done = 0",
        touched.quests,
        touched.paths,
        origin.clock.now()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the background has yet to judge the learners of a path: then it has not seen the quests that an
/// edit takes out of it.
///
/// # Errors
/// The database's.
pub async fn waits(connection: &mut PgConnection, path: LearningPathId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM reevaluations WHERE target_id = $1) AS "waits!""#, path.0)
        .fetch_one(connection)
        .await
}
