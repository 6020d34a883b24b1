//! The queue of work that waits for a person, and the decision on it.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::load::load;
use super::settle::{refresh, settle};
use crate::attempts::model::{Decision, Refusal, ReviewStatus, StepReview};
use crate::audit;
use crate::criteria::ValidationCriteria;
use crate::ids::{AttemptId, LearnerId, QuestId, StepId};
use crate::learners;
use crate::origin::Origin;

/// A review as it is read, with its place in the queue.
#[derive(Debug)]
pub struct Queued {
    pub review: StepReview,
    pub position: (DateTime<Utc>, Uuid),
}

/// Reads reviews; `$where` says which. Work of an abandoned attempt or a retired step waits for nobody.
macro_rules! select_reviews {
    ($connection:expr, $($where:literal)+, $($argument:expr),+) => {
        sqlx::query!(
            r#"/* reviews:read */
               SELECT progress.id, attempt.id AS "attempt_id: AttemptId", step.id AS "step_id: StepId",
                      quest.id AS "quest_id: QuestId", attempt.auth_user_id, quest.title AS quest_title,
                      step.title AS step_title, step.description AS step_description, step.validation_criteria,
                      progress.review_status AS "review_status!", progress.submission_data, progress.attempts_count,
                      progress.review_requested_at AS "review_requested_at!", progress.reviewed_at, progress.reviewed_by,
                      progress.feedback
               FROM user_quest_step_progress AS progress
               JOIN quest_steps AS step ON step.id = progress.step_id
               JOIN user_quest_attempts AS attempt ON attempt.id = progress.attempt_id
               JOIN quests AS quest ON quest.id = attempt.quest_id
               WHERE progress.review_status IS NOT NULL
                 AND (progress.status = 'Completed' OR (step.retired_at IS NULL AND attempt.status <> 'Abandoned'))
                 AND "# $(+ $where)+,
            $($argument),+
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .filter_map(|row| {
            let criteria = row.validation_criteria.and_then(|document| ValidationCriteria::parse(&document).ok());
            Some(Queued {
                position: (row.review_requested_at, row.id),
                review: StepReview {
                    attempt_id: row.attempt_id,
                    step_id: row.step_id,
                    quest_id: row.quest_id,
                    auth_user_id: row.auth_user_id,
                    quest_title: row.quest_title,
                    step_title: row.step_title,
                    step_description: row.step_description,
                    task: criteria.map(|criteria| criteria.task()),
                    status: ReviewStatus::of(&row.review_status)?,
                    submission_data: row.submission_data,
                    attempts_count: row.attempts_count,
                    submitted_at: row.review_requested_at,
                    reviewed_at: row.reviewed_at,
                    reviewed_by: row.reviewed_by,
                    feedback: row.feedback,
                },
            })
        })
    };
}

/// A page of the reviews of one status, those that wait longest first; without the reader's own work.
/// One statement.
///
/// # Errors
/// The database's.
pub async fn list_reviews(
    connection: &mut PgConnection,
    reader: Uuid,
    status: ReviewStatus,
    quest: Option<QuestId>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Queued>, sqlx::Error> {
    let (requested, id) = after.unzip();
    macro_rules! page {
        ($quest:literal) => {
            select_reviews!(
        connection,
        "progress.review_status = $1 AND attempt.auth_user_id <> $2 AND " $quest "
           AND (progress.review_requested_at, progress.id) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
         ORDER BY progress.review_requested_at, progress.id LIMIT $6",
        status.as_str(),
        reader,
        quest.map(|quest| quest.0),
        requested,
        id,
        limit
            )
            .collect()
        };
    }
    Ok(if quest.is_some() { page!("attempt.quest_id = $3") } else { page!("$3::uuid IS NULL") })
}

/// One review.
///
/// # Errors
/// When nothing was handed in there that needs one, or the reader has handed it in.
pub async fn get_review(
    connection: &mut PgConnection,
    reader: Uuid,
    attempt: AttemptId,
    step: StepId,
) -> Result<StepReview, Refusal> {
    let queued = select_reviews!(connection, "progress.attempt_id = $1 AND progress.step_id = $2", attempt.0, step.0)
        .next()
        .ok_or(Refusal::NotFound("review"))?;
    if queued.review.auth_user_id == reader {
        return Err(Refusal::OwnWork);
    }
    Ok(queued.review)
}

/// Decides on work that waits: accepting completes the step with the normal cascade, returning lets its
/// learner try again. `check` sees the review as it stands, and may refuse.
///
/// # Errors
/// When nothing waits there, or it is the grader's own work.
pub async fn review_step<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    (attempt, step): (AttemptId, StepId),
    decision: Decision,
    feedback: Option<String>,
    check: impl FnOnce(&StepReview) -> Result<(), E>,
) -> Result<StepReview, E> {
    let learner = owner(connection, attempt).await?;
    let mut learner = learners::lock(connection, learner, origin)
        .await
        .map_err(Refusal::from)?
        .ok_or(Refusal::NotFound("attempt"))?;
    let mut loaded = load(connection, learner.id, attempt, None)
        .await
        .map_err(Refusal::from)?
        .ok_or(Refusal::NotFound("attempt"))?;
    refresh(connection, &mut learner, origin, &mut loaded).await.map_err(Refusal::from)?;
    let review = get_review(connection, origin.actor, attempt, step).await?;
    check(&review)?;
    match (review.status, decision) {
        (ReviewStatus::Waiting, _) => {}
        (ReviewStatus::Accepted, Decision::Accept) => return Ok(review),
        (ReviewStatus::Accepted, Decision::Return) => return Err(Refusal::StepCompleted.into()),
        (ReviewStatus::Returned, _) => return Err(Refusal::NothingToReview.into()),
    }
    let index = loaded.steps.iter().position(|known| known.step_id == step).ok_or(Refusal::NotFound("step"))?;
    let progress = &mut loaded.steps[index];
    progress.feedback = feedback;
    progress.kept.reviewed_by = Some(origin.actor);
    let status = match decision {
        Decision::Accept => ReviewStatus::Accepted,
        Decision::Return => ReviewStatus::Returned,
    };
    if let Some(review) = &mut progress.review {
        (review.status, review.reviewed_at) = (status, Some(learner.now));
    }
    if decision == Decision::Accept {
        progress.complete(learner.now);
    }
    settle(connection, &mut learner, origin, &mut loaded, Some(index)).await.map_err(Refusal::from)?;
    let details = json!({ "attemptId": attempt, "decision": decision });
    audit::note(connection, origin, "review", "step", step.0, details).await.map_err(Refusal::from)?;
    Ok(get_review(connection, origin.actor, attempt, step).await?)
}

/// Whose attempt it is.
pub(super) async fn owner(connection: &mut PgConnection, attempt: AttemptId) -> Result<LearnerId, Refusal> {
    sqlx::query_scalar!(r#"SELECT auth_user_id AS "id: LearnerId" FROM user_quest_attempts WHERE id = $1"#, attempt.0)
        .fetch_optional(connection)
        .await?
        .ok_or(Refusal::NotFound("attempt"))
}
