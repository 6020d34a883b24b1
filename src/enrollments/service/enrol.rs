//! Enrol, leave, pause, resume; lists of one's own paths and of a path's learners.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::progress::update_path;
use crate::enrollments::model::{Enrollment, Move, PathStatus, Refusal};
use crate::ids::{LearnerId, LearningPathId, QuestId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::unlocks::{Because, judge_quests, record};

/// The columns of [`Enrollment`]; `$rest` names its rows.
macro_rules! select_enrollments {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Enrollment,
            r#"SELECT mine.auth_user_id, path.id AS "learning_path_id: LearningPathId", path.name, mine.status AS "status: PathStatus",
                      mine.enrolled_at, mine.started_at, mine.completed_at, mine.left_at,
                      mine.current_quest_id AS "current_quest_id: QuestId", mine.completed_quests_count,
                      mine.total_quests_count, mine.completion_percentage, mine.total_experience_earned,
                      mine.completed_at IS NOT NULL AND EXISTS (
                          SELECT FROM learning_path_quests AS link JOIN quests AS quest ON quest.id = link.quest_id AND quest.is_active
                          LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = mine.auth_user_id
                              AND attempt.quest_id = quest.id AND attempt.status = 'Completed'
                          WHERE link.learning_path_id = path.id AND link.is_mandatory AND attempt.id IS NULL
                      ) AS "new_content_since_completion!"
               FROM user_learning_path_progress AS mine JOIN learning_paths AS path ON path.id = mine.learning_path_id "# + $rest,
            $($argument),+
        )
    };
}

/// One enrolment, one that was left too.
///
/// # Errors
/// The database's.
pub async fn get_enrollment(
    connection: &mut PgConnection,
    learner: LearnerId,
    path: LearningPathId,
) -> Result<Option<Enrollment>, sqlx::Error> {
    select_enrollments!("WHERE mine.auth_user_id = $1 AND mine.learning_path_id = $2", learner.0, path.0)
        .fetch_optional(connection)
        .await
}

/// The learner's enrolments, newest first; one statement.
///
/// # Errors
/// The database's.
pub async fn list_enrollments(
    connection: &mut PgConnection,
    learner: LearnerId,
    status: Option<PathStatus>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Enrollment>, sqlx::Error> {
    let (enrolled, id) = after.unzip();
    select_enrollments!(
        r"WHERE mine.auth_user_id = $1 AND mine.left_at IS NULL AND ($2::path_progress_status IS NULL OR mine.status = $2)
            AND (mine.enrolled_at, mine.learning_path_id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
          ORDER BY mine.enrolled_at DESC, mine.learning_path_id DESC LIMIT $5",
        learner.0,
        status as Option<PathStatus>,
        enrolled,
        id,
        limit
    )
    .fetch_all(connection)
    .await
}

/// The learners of a path, by id, those who left too; one statement.
///
/// # Errors
/// The database's.
pub async fn list_learners(
    connection: &mut PgConnection,
    path: LearningPathId,
    status: Option<PathStatus>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Enrollment>, sqlx::Error> {
    select_enrollments!(
        r"WHERE mine.learning_path_id = $1 AND ($2::path_progress_status IS NULL OR mine.status = $2)
            AND mine.auth_user_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
          ORDER BY mine.auth_user_id LIMIT $4",
        path.0,
        status as Option<PathStatus>,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}

/// Enrols a learner in a published path; earlier completions count. Who is enrolled stays as is, who
/// left comes back. The flag says whether the row is new.
///
/// # Errors
/// When there is no such path for this learner.
pub async fn enrol(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    path: LearningPathId,
) -> Result<(Enrollment, bool), Refusal> {
    let mut learner = learners::enrol(connection, learner, origin).await?;
    let known = get_enrollment(connection, learner.id, path).await?;
    match &known {
        Some(known) if known.left_at.is_none() => return Ok((known.clone(), false)),
        _ => {}
    }
    // The lock of the foreign key keeps the path from being deleted meanwhile; unpublishing it is no harm.
    let quests = sqlx::query_scalar!(
        r#"SELECT ARRAY(SELECT quest_id FROM learning_path_quests WHERE learning_path_id = path.id) AS "quests!"
           FROM learning_paths AS path WHERE id = $1 AND (is_published OR $2)"#,
        path.0,
        known.is_some()
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Refusal::NotFound("learning path"))?;
    sqlx::query!(
        "INSERT INTO user_learning_path_progress (id, auth_user_id, learning_path_id, enrolled_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (auth_user_id, learning_path_id) DO UPDATE SET left_at = NULL,
             status = CASE WHEN user_learning_path_progress.status = 'Paused' THEN 'InProgress'
                           ELSE user_learning_path_progress.status END",
        Uuid::now_v7(),
        learner.id.0,
        path.0,
        learner.now,
    )
    .execute(&mut *connection)
    .await?;
    judge_and_update(connection, &mut learner, path, &quests).await?;
    enqueue(connection, &mut learner, origin).await?;
    let enrollment = get_enrollment(connection, learner.id, path).await?.ok_or(Refusal::NotFound("enrollment"))?;
    Ok((enrollment, known.is_none()))
}

async fn judge_and_update(
    connection: &mut PgConnection,
    learner: &mut Locked,
    path: LearningPathId,
    quests: &[Uuid],
) -> Result<(), sqlx::Error> {
    let judged = judge_quests(connection, learner.now, &[learner.id.0], quests).await?;
    let judged: Vec<_> = judged.into_iter().flat_map(|judgement| judgement.quests).collect();
    record(connection, learner, &judged, Because::default()).await?;
    update_path(connection, learner, path, &judged).await
}

/// Leaves a path; the row stays, with what was reached.
///
/// # Errors
/// When the learner is not enrolled.
pub async fn leave<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    path: LearningPathId,
    check: impl FnOnce(&Enrollment) -> Result<(), E>,
) -> Result<(), E> {
    let (learner, current) = locked(connection, origin, learner, path).await?;
    check(&current)?;
    sqlx::query!(
        "UPDATE user_learning_path_progress SET left_at = $3 WHERE auth_user_id = $1 AND learning_path_id = $2",
        learner.id.0,
        path.0,
        learner.now
    )
    .execute(connection)
    .await
    .map_err(Refusal::from)?;
    Ok(())
}

async fn locked(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    path: LearningPathId,
) -> Result<(Locked, Enrollment), Refusal> {
    let missing = || Refusal::NotFound("enrollment");
    let learner = learners::lock(connection, learner, origin).await?.ok_or_else(missing)?;
    let current = get_enrollment(connection, learner.id, path).await?;
    let current = current.filter(|enrollment| enrollment.left_at.is_none()).ok_or_else(missing)?;
    Ok((learner, current))
}

/// Pauses or resumes an enrolment.
///
/// # Errors
/// When the learner is not enrolled, or the path is completed.
pub async fn move_enrollment<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    path: LearningPathId,
    how: Move,
    check: impl FnOnce(&Enrollment) -> Result<(), E>,
) -> Result<Enrollment, E> {
    let (learner, current) = locked(connection, origin, learner, path).await?;
    check(&current)?;
    let is_begun = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM learning_path_quests AS link JOIN user_quest_attempts AS attempt ON attempt.quest_id = link.quest_id
                          WHERE link.learning_path_id = $2 AND attempt.auth_user_id = $1) AS "is_begun!""#,
        learner.id.0,
        path.0
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(Refusal::from)?;
    if let Some(status) = current.status.moved(how, is_begun)? {
        sqlx::query!(
            "UPDATE user_learning_path_progress SET status = $3 WHERE auth_user_id = $1 AND learning_path_id = $2",
            learner.id.0,
            path.0,
            status as PathStatus
        )
        .execute(&mut *connection)
        .await
        .map_err(Refusal::from)?;
    }
    let moved = get_enrollment(connection, learner.id, path).await.map_err(Refusal::from)?;
    Ok(moved.ok_or(Refusal::NotFound("enrollment"))?)
}
