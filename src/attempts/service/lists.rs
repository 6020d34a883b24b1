//! A learner's attempts, newest first.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::attempts::model::{Attempt, AttemptStatus};
use crate::ids::{AttemptId, LearnerId, QuestId, StepId};

/// One page; one statement.
///
/// # Errors
/// The database's.
pub async fn list_attempts(
    connection: &mut PgConnection,
    learner: LearnerId,
    status: Option<AttemptStatus>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Attempt>, sqlx::Error> {
    let (started, id) = after.unzip();
    sqlx::query_as!(
        Attempt,
        r#"SELECT attempt.id AS "id: AttemptId", attempt.quest_id AS "quest_id: QuestId", quest.title AS quest_title,
                  attempt.status AS "status: AttemptStatus", attempt.started_at, attempt.completed_at, attempt.abandoned_at,
                  attempt.total_experience_earned, attempt.completion_percentage,
                  attempt.current_step_id AS "current_step_id: StepId", attempt.notes
           FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id
           WHERE attempt.auth_user_id = $1 AND ($2::quest_attempt_status IS NULL OR attempt.status = $2)
             AND (attempt.started_at, attempt.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
           ORDER BY attempt.started_at DESC, attempt.id DESC LIMIT $5"#,
        learner.0,
        status as Option<AttemptStatus>,
        started,
        id,
        limit
    )
    .fetch_all(connection)
    .await
}
