//! Keeping results, finding those that wait, noting where they were applied.

use sqlx::PgConnection;
use uuid::Uuid;

use super::model::{Application, Evidence, Kept, Kind, UnitType};
use crate::ids::{AttemptId, EvidenceId, LearnerId, QuestId};
use crate::learners::Locked;

/// Results that are applied to a unit in one go.
pub const BATCH: i64 = 100;

/// Keeps a result of a locked learner; one that was kept before, by the id at its source, stays as
/// it was. The flag says whether it is new.
///
/// # Errors
/// The database's.
pub async fn keep(
    connection: &mut PgConnection,
    learner: &Locked,
    evidence: &Evidence,
) -> Result<(EvidenceId, bool), sqlx::Error> {
    let id = EvidenceId::generate();
    let kept = sqlx::query_scalar!(
        r#"/* evidence:keep */
           WITH new AS (
               INSERT INTO evidence (id, auth_user_id, kind, source_id, target_id, result, received_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (auth_user_id, kind, source_id) DO NOTHING RETURNING id
           )
           SELECT coalesce((SELECT id FROM new),
                           (SELECT id FROM evidence WHERE auth_user_id = $2 AND kind = $3 AND source_id = $4))
                      AS "id!: EvidenceId""#,
        id.0,
        learner.id.0,
        evidence.kind.as_str(),
        evidence.source_id,
        evidence.target_id,
        evidence.result,
        learner.now,
    )
    .fetch_one(connection)
    .await?;
    Ok((kept, kept == id))
}

/// The results about a target that were not applied to a unit yet, in the order of their arrival; at
/// most [`BATCH`].
///
/// # Errors
/// The database's.
pub async fn waiting(
    connection: &mut PgConnection,
    learner: LearnerId,
    kind: Kind,
    target: Uuid,
    unit: Uuid,
) -> Result<Vec<Kept>, sqlx::Error> {
    sqlx::query_as!(
        Kept,
        r#"/* evidence:waiting */
           SELECT id AS "id: EvidenceId", source_id, result, received_at FROM evidence
           WHERE auth_user_id = $1 AND kind = $2 AND target_id = $3
             AND NOT EXISTS (SELECT FROM evidence_applications WHERE evidence_id = evidence.id AND unit_id = $4)
           ORDER BY position LIMIT $5"#,
        learner.0,
        kind.as_str(),
        target,
        unit,
        BATCH
    )
    .fetch_all(connection)
    .await
}

/// Asks for another look at what has come for these assessments: they were written, and may name or open to
/// results that came before. Those that no outside grader grades are passed over.
///
/// # Errors
/// The database's.
pub async fn recall(connection: &mut PgConnection, assessments: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO result_recalls AS known (assessment_id)
         SELECT id FROM quest_assessments WHERE id = ANY($1) AND evidence_target IS NOT NULL AND retired_at IS NULL
         ORDER BY id
         ON CONFLICT (assessment_id) DO UPDATE SET edits = known.edits + 1, after_learner = NULL",
        assessments
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that results were applied to a unit, and which of them met it.
///
/// # Errors
/// The database's; a result that was applied to this unit before breaks the key, and with it the
/// transaction.
pub async fn mark(
    connection: &mut PgConnection,
    learner: &Locked,
    attempt: AttemptId,
    (unit_type, unit): (UnitType, Uuid),
    applied: &[(EvidenceId, bool)],
) -> Result<(), sqlx::Error> {
    let (ids, met): (Vec<Uuid>, Vec<bool>) = applied.iter().map(|(id, met)| (id.0, *met)).unzip();
    sqlx::query!(
        "/* evidence:mark */
         INSERT INTO evidence_applications (evidence_id, unit_id, unit_type, attempt_id, is_met, applied_at)
         SELECT id, $3, $4, $5, met, $6 FROM unnest($1::uuid[], $2::bool[]) AS applied (id, met)",
        &ids,
        &met,
        unit,
        unit_type.as_str(),
        attempt.0,
        learner.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What a result was applied to so far.
///
/// # Errors
/// The database's.
pub async fn applications(connection: &mut PgConnection, id: EvidenceId) -> Result<Vec<Application>, sqlx::Error> {
    sqlx::query_as!(
        Application,
        r#"/* evidence:applications */
           SELECT attempt.quest_id AS "quest_id: QuestId", attempt.id AS "attempt_id: AttemptId", is_met,
                  CASE WHEN unit_type = 'step' THEN unit_id END AS step_id,
                  CASE WHEN unit_type = 'assessment' THEN unit_id END AS assessment_id
           FROM evidence_applications JOIN user_quest_attempts AS attempt ON attempt.id = attempt_id
           WHERE evidence_id = $1 ORDER BY applied_at, attempt.id, unit_id"#,
        id.0
    )
    .fetch_all(connection)
    .await
}
