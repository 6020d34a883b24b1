//! The part of `quests verify` that is about learning paths.

use sqlx::PgConnection;

use super::verify::Report;

/// Recomputes every enrolment's progress; what waits for the background job is
/// left out, since it is known to be old.
///
/// # Errors
/// The database's.
pub async fn paths(connection: &mut PgConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let progress = sqlx::query_scalar!(
        r#"SELECT 'enrolment of learner ' || mine.auth_user_id || ' in learning path ' || mine.learning_path_id || ': '
                  || mine.status || ', ' || mine.completed_quests_count || ' of ' || mine.total_quests_count || ' quests, '
                  || mine.completion_percentage || ' %, ' || mine.total_experience_earned || ' points; its quests give '
                  || found.done || ' of ' || found.total || ' and ' || found.points AS "drift!"
           FROM user_learning_path_progress AS mine
           CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE link.is_mandatory AND (quest.is_active OR attempt.status = 'Completed')) AS total,
                      count(*) FILTER (WHERE link.is_mandatory AND attempt.status = 'Completed') AS done,
                      coalesce(sum(attempt.total_experience_earned), 0) AS points,
                      count(attempt.id) AS begun
               FROM learning_path_quests AS link
               JOIN quests AS quest ON quest.id = link.quest_id
               LEFT JOIN user_quest_attempts AS attempt
                   ON attempt.auth_user_id = mine.auth_user_id AND attempt.quest_id = quest.id
               WHERE link.learning_path_id = mine.learning_path_id
           ) AS found
           WHERE mine.left_at IS NULL
             AND NOT EXISTS (SELECT FROM reevaluations AS waits WHERE waits.target_id = mine.learning_path_id)
             AND (mine.completed_quests_count, mine.total_quests_count, mine.total_experience_earned::bigint)
                     IS DISTINCT FROM (found.done::int, found.total::int, found.points)
                 OR mine.left_at IS NULL AND mine.status = 'Completed' AND mine.completion_percentage <> 100
                 OR mine.left_at IS NULL AND mine.status <> 'Completed'
                    AND NOT EXISTS (SELECT FROM reevaluations AS waits WHERE waits.target_id = mine.learning_path_id)
                    AND (mine.completion_percentage <> CASE WHEN found.total = 0 THEN 0
                             ELSE trunc(found.done * 100.0 / found.total, 2) END
                         OR (found.total > 0 AND found.done = found.total)
                         OR (mine.status = 'NotStarted') <> (found.begun = 0) AND mine.status <> 'Paused')"#
    )
    .fetch_all(&mut *connection)
    .await?;
    report.drifts.extend(progress);
    Ok(())
}
