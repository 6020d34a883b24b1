//! Counting what a learner has done.

use sqlx::PgConnection;

use super::model::{AttemptCounts, Deeds, EnrollmentCounts};
use crate::ids::LearnerId;

/// One statement.
///
/// # Errors
/// The database's.
pub async fn deeds(connection: &mut PgConnection, learner: LearnerId) -> Result<Deeds, sqlx::Error> {
    let row = sqlx::query!(
        r#"/* me:deeds */
           SELECT path.not_started AS "not_started!", path.in_progress AS "path_in_progress!", path.paused AS "path_paused!",
                  path.completed AS "path_completed!", path.left_behind AS "left!",
                  quest.in_progress AS "in_progress!", quest.paused AS "paused!", quest.completed AS "completed!",
                  quest.abandoned AS "abandoned!",
                  (SELECT coalesce(sum(points), 0)::bigint FROM reward_grants
                   WHERE auth_user_id = $1 AND kind = 'XP') AS "experience!"
           FROM (SELECT count(*) FILTER (WHERE left_at IS NULL AND status = 'NotStarted') AS not_started,
                        count(*) FILTER (WHERE left_at IS NULL AND status = 'InProgress') AS in_progress,
                        count(*) FILTER (WHERE left_at IS NULL AND status = 'Paused') AS paused,
                        count(*) FILTER (WHERE left_at IS NULL AND status = 'Completed') AS completed,
                        count(*) FILTER (WHERE left_at IS NOT NULL) AS left_behind
                 FROM user_learning_path_progress WHERE auth_user_id = $1) AS path
           CROSS JOIN (SELECT count(*) FILTER (WHERE status = 'InProgress') AS in_progress,
                              count(*) FILTER (WHERE status = 'Paused') AS paused,
                              count(*) FILTER (WHERE status = 'Completed') AS completed,
                              count(*) FILTER (WHERE status = 'Abandoned') AS abandoned
                       FROM user_quest_attempts WHERE auth_user_id = $1) AS quest"#,
        learner.0
    )
    .fetch_one(connection)
    .await?;
    Ok(Deeds {
        enrollments: EnrollmentCounts {
            not_started: row.not_started,
            in_progress: row.path_in_progress,
            paused: row.path_paused,
            completed: row.path_completed,
            left: row.left,
        },
        attempts: AttemptCounts {
            in_progress: row.in_progress,
            paused: row.paused,
            completed: row.completed,
            abandoned: row.abandoned,
        },
        total_experience_earned: row.experience,
    })
}
