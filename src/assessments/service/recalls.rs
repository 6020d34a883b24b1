//! Results that came before an edit: what they are about may name them now, or open earlier.
//!
//! The job goes through the learners of the quest and notes for whom something waits; applying it is the
//! work of the wake-ups. It locks each learner: a result that arrives during the edit is seen by one of the two.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::Db;
use crate::ids::AssessmentId;
use crate::learners;
use crate::origin::Origin;

/// Learners a transaction.
const BATCH: i64 = 100;

struct Recall {
    assessment: AssessmentId,
    edits: i32,
    after_learner: Option<Uuid>,
}

/// Works off all requests, a batch of learners a transaction.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_recalls(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    loop {
        let origin = Origin::job(clock);
        let goes_on =
            db.transact(move |connection| Box::pin(async move { recall_batch(connection, &origin).await })).await?;
        if !goes_on {
            return Ok(());
        }
    }
}

/// Whether there was anything to do.
async fn recall_batch(connection: &mut PgConnection, origin: &Origin) -> Result<bool, sqlx::Error> {
    let Some(recall) = sqlx::query_as!(
        Recall,
        r#"/* jobs:recalls */
           SELECT assessment_id AS "assessment: AssessmentId", edits, after_learner
           FROM result_recalls ORDER BY assessment_id LIMIT 1"#
    )
    .fetch_optional(&mut *connection)
    .await?
    else {
        return Ok(false);
    };
    let ids = sqlx::query_scalar!(
        "SELECT attempt.auth_user_id
         FROM quest_assessments AS assessment JOIN user_quest_attempts AS attempt ON attempt.quest_id = assessment.quest_id
         WHERE assessment.id = $1 AND attempt.auth_user_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY attempt.auth_user_id LIMIT $3",
        recall.assessment.0,
        recall.after_learner,
        BATCH
    )
    .fetch_all(&mut *connection)
    .await?;
    learners::lock_many(connection, &ids, origin).await?;
    // Under the locks: of what arrives later, its own transaction sees the edit.
    sqlx::query!(
        "INSERT INTO assessment_wakeups (attempt_id, assessment_id, due_at)
         SELECT attempt.id, assessment.id, $3
         FROM quest_assessments AS assessment JOIN user_quest_attempts AS attempt ON attempt.quest_id = assessment.quest_id
         WHERE assessment.id = $1 AND assessment.retired_at IS NULL AND attempt.auth_user_id = ANY($2)
           AND EXISTS (SELECT FROM evidence
                       WHERE auth_user_id = attempt.auth_user_id AND kind = 'coding' AND target_id = assessment.evidence_target
                         AND NOT EXISTS (SELECT FROM evidence_applications
                                         WHERE evidence_id = evidence.id AND unit_id = assessment.id))
         ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET due_at = excluded.due_at",
        recall.assessment.0,
        &ids,
        origin.clock.now(),
    )
    .execute(&mut *connection)
    .await?;
    // An edit meanwhile has begun anew, and another replica may be ahead: then the row is another.
    match ids.last().filter(|_| i64::try_from(ids.len()).is_ok_and(|count| count == BATCH)) {
        Some(last) => sqlx::query!(
            "UPDATE result_recalls SET after_learner = $4
             WHERE assessment_id = $1 AND edits = $2 AND after_learner IS NOT DISTINCT FROM $3",
            recall.assessment.0,
            recall.edits,
            recall.after_learner,
            last
        )
        .execute(connection)
        .await?,
        None => sqlx::query!(
            "DELETE FROM result_recalls WHERE assessment_id = $1 AND edits = $2 AND after_learner IS NOT DISTINCT FROM $3",
            recall.assessment.0,
            recall.edits,
            recall.after_learner,
        )
        .execute(connection)
        .await?,
    };
    Ok(true)
}
