//! A learner's progress in paths: counts, percentage, status, what is current; and the two events.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::enrollments::model::PathStatus;
use crate::ids::{EventId, LearningPathId};
use crate::learners::Locked;
use crate::outbox::Event;
use crate::outbox::events::LearningPathMoved;
use crate::unlocks::{Gated, Verdict};

/// Computes the paths anew that the learner is enrolled in and whose quests have all been judged; one statement.
///
/// # Errors
/// The database's.
pub async fn update_judged(
    connection: &mut PgConnection,
    learner: &mut Locked,
    judged: &[(Gated, Verdict)],
    cause: Option<EventId>,
) -> Result<(), sqlx::Error> {
    update(connection, learner, None, judged, cause).await
}

/// Computes one path anew, if the learner is enrolled in it; one statement.
///
/// # Errors
/// The database's.
pub async fn update_path(
    connection: &mut PgConnection,
    learner: &mut Locked,
    path: LearningPathId,
    judged: &[(Gated, Verdict)],
) -> Result<(), sqlx::Error> {
    update(connection, learner, Some(path), judged, None).await
}

/// Units of a path are its mandatory quests: the active ones, and those that the learner has completed.
/// Completed is final. `judged` says which quests can be started.
async fn update(
    connection: &mut PgConnection,
    learner: &mut Locked,
    path: Option<LearningPathId>,
    judged: &[(Gated, Verdict)],
    cause: Option<EventId>,
) -> Result<(), sqlx::Error> {
    let all: Vec<Uuid> = judged.iter().map(|(gated, _)| gated.quest_id).collect();
    let open: Vec<Uuid> =
        judged.iter().filter(|(_, verdict)| verdict.is_available()).map(|(gated, _)| gated.quest_id).collect();
    let moved = sqlx::query!(
        r#"/* enrollments:update */
           WITH mine AS (
               SELECT id, learning_path_id, status, started_at FROM user_learning_path_progress AS own
               WHERE auth_user_id = $1 AND left_at IS NULL
                 AND (learning_path_id = $3
                      OR EXISTS (SELECT FROM learning_path_quests WHERE learning_path_id = own.learning_path_id)
                         AND NOT EXISTS (SELECT FROM learning_path_quests
                                         WHERE learning_path_id = own.learning_path_id AND quest_id <> ALL($2)))
           ), counted AS (
               SELECT mine.id,
                      count(*) FILTER (WHERE link.is_mandatory AND (quest.is_active OR attempt.status = 'Completed')) AS total,
                      count(*) FILTER (WHERE link.is_mandatory AND attempt.status = 'Completed') AS done,
                      coalesce(sum(attempt.total_experience_earned), 0) AS experience,
                      count(attempt.id) > 0 AS is_begun,
                      (array_agg(quest.id ORDER BY link.sequence_order) FILTER (WHERE attempt.status = 'InProgress'))[1] AS under_way,
                      (array_agg(quest.id ORDER BY NOT link.is_mandatory, link.sequence_order)
                           FILTER (WHERE quest.id = ANY($4) AND attempt.status IS DISTINCT FROM 'Completed'))[1] AS open
               FROM mine
               -- A path that has lost all its quests counts none.
               LEFT JOIN learning_path_quests AS link ON link.learning_path_id = mine.learning_path_id
               LEFT JOIN quests AS quest ON quest.id = link.quest_id
               LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = $1 AND attempt.quest_id = quest.id
               GROUP BY mine.id
           ), judged AS (
               SELECT counted.*, mine.status AS before, mine.started_at AS started_before,
                      mine.status = 'Completed' OR (counted.total > 0 AND counted.done = counted.total) AS is_complete
               FROM counted JOIN mine ON mine.id = counted.id
           )
           UPDATE user_learning_path_progress AS progress SET
               completed_quests_count = judged.done,
               total_quests_count = judged.total,
               total_experience_earned = judged.experience,
               completion_percentage = CASE WHEN is_complete THEN 100 WHEN judged.total = 0 THEN 0
                                            ELSE trunc(judged.done * 100.0 / judged.total, 2) END,
               status = (CASE WHEN is_complete THEN 'Completed' WHEN judged.before = 'Paused' THEN 'Paused'
                              WHEN is_begun THEN 'InProgress' ELSE 'NotStarted' END)::path_progress_status,
               started_at = coalesce(progress.started_at, CASE WHEN is_begun OR is_complete THEN $5::timestamptz END),
               completed_at = coalesce(progress.completed_at, CASE WHEN is_complete THEN $5::timestamptz END),
               current_quest_id = CASE WHEN NOT is_complete THEN coalesce(judged.under_way, judged.open) END
           FROM judged JOIN learning_paths AS path ON TRUE
           WHERE progress.id = judged.id AND path.id = progress.learning_path_id
           RETURNING path.id AS "path: LearningPathId", path.name, judged.before AS "before!: PathStatus",
                     progress.status AS "after!: PathStatus", judged.started_before IS NULL AND progress.started_at IS NOT NULL AS "has_started!",
                     progress.completed_quests_count AS done, progress.total_experience_earned AS experience"#,
        learner.id.0,
        &all,
        path.map(|path| path.0),
        &open,
        learner.now,
    )
    .fetch_all(connection)
    .await?;
    for row in moved {
        let moved = || LearningPathMoved {
            learning_path_id: row.path,
            name: row.name.clone(),
            completed_quests_count: row.done,
            total_experience_earned: row.experience,
        };
        if row.has_started {
            learner.record(Event::LearningPathStarted(moved()), cause);
        }
        if row.after == PathStatus::Completed && row.before != PathStatus::Completed {
            learner.record(Event::LearningPathCompleted(moved()), cause);
        }
    }
    Ok(())
}
