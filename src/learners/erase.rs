//! Erasing a person: a random id in place of theirs in every table, and nothing left of what they wrote.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::lock;
use crate::audit;
use crate::ids::LearnerId;
use crate::origin::Origin;
use crate::outbox;

/// Runs a statement and adds up the rows that it has changed.
macro_rules! change {
    ($connection:expr, $changed:ident, $sql:literal, $($argument:expr),+ $(,)?) => {
        $changed += sqlx::query!($sql, $($argument),+).execute(&mut *$connection).await?.rows_affected()
    };
}

/// Who is erased, and what stands in their place.
struct Erased {
    old: Uuid,
    new: Uuid,
    /// Kept nowhere: ids that were made of the old one cannot be made again.
    salt: String,
}

/// Erases a learner, in a number of statements that does not depend on how much there is; true if there was
/// somebody. A second time, and for who is unknown, it changes nothing.
///
/// # Errors
/// The database's.
pub async fn erase(connection: &mut PgConnection, origin: &Origin, learner: LearnerId) -> Result<bool, sqlx::Error> {
    let erased = Erased { old: learner.0, new: Uuid::new_v4(), salt: Uuid::new_v4().to_string() };
    // Every stored answer and the whole audit log are read: for that it may take as long as its transaction.
    sqlx::query!("SELECT set_config('statement_timeout', '0', true)").fetch_one(&mut *connection).await?;
    lock(connection, learner, origin).await?;
    let names = names(connection, &erased).await?;
    let mut changed = authored(connection, &erased).await?;
    changed += progress(connection, &erased).await?;
    changed += work(connection, &erased).await?;
    changed += reviews(connection, origin, &erased).await?;
    changed += books(connection, &erased).await?;
    changed += outbox::erase(connection, origin, erased.old, erased.new, &erased.salt).await?;
    change!(connection, changed, "DELETE FROM learner_skill_levels WHERE auth_user_id = $1", erased.old);
    // Who waits for this row's lock finds none under the old id, and begins as somebody new.
    change!(
        connection,
        changed,
        "UPDATE learners SET auth_user_id = $2, skill_levels_at = NULL, skill_levels_until = NULL, erased_at = $3
         WHERE auth_user_id = $1",
        erased.old,
        erased.new,
        origin.clock.now()
    );
    // Last, so that what others have said of them meanwhile is seen.
    changed += traces(connection, &erased, &names).await?;
    if changed == 0 {
        return Ok(false);
    }
    // Who erases themselves is not named either.
    let actor = if origin.actor == erased.old { erased.new } else { origin.actor };
    let origin = Origin { actor, ..origin.clone() };
    audit::note(connection, &origin, "erase", "learner", erased.new, json!({ "rows": changed })).await?;
    Ok(true)
}

/// Every id that belongs to a learner: others speak of a learner by any of them.
async fn names(connection: &mut PgConnection, erased: &Erased) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT $1::uuid AS "id!"
           UNION ALL SELECT id FROM user_quest_attempts WHERE auth_user_id = $1
           UNION ALL SELECT submission.id FROM quest_submissions AS submission
                     JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
                     WHERE attempt.auth_user_id = $1
           UNION ALL SELECT review.id FROM peer_reviews AS review
                     JOIN quest_submissions AS submission ON submission.id = review.submission_id
                     JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
                     WHERE attempt.auth_user_id = $1
           UNION ALL SELECT id FROM peer_reviews WHERE reviewer_id = $1
           UNION ALL SELECT id FROM quest_feedback WHERE auth_user_id = $1
           UNION ALL SELECT id FROM unlock_overrides WHERE auth_user_id = $1"#,
        erased.old
    )
    .fetch_all(connection)
    .await
}

/// Stored answers and the audit log.
async fn traces(connection: &mut PgConnection, erased: &Erased, names: &[Uuid]) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    change!(
        connection,
        changed,
        "DELETE FROM idempotency_keys WHERE auth_user_id = $1 OR EXISTS (
             SELECT FROM regexp_matches(encode(body, 'escape') || headers::text,
                                        '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') AS found (id)
             WHERE found.id[1]::uuid IN (SELECT unnest($2::uuid[])))",
        erased.old,
        names
    );
    change!(
        connection,
        changed,
        r#"UPDATE audit_log AS entry SET
               actor_id = CASE WHEN actor_id = $1 THEN $2 ELSE actor_id END,
               correlation_id = CASE WHEN actor_id = $1 THEN md5($3 || correlation_id) ELSE correlation_id END,
               resource_id = CASE WHEN resource_id = $1 THEN $2
                                  -- As the event itself is called from now on.
                                  WHEN resource_type = 'event' AND speaks.of_them THEN md5($3 || resource_id::text)::uuid
                                  ELSE resource_id END,
               details = CASE WHEN speaks.of_them THEN '{"erased": true}' ELSE details END
           FROM (SELECT id, resource_id IN (SELECT unnest($4::uuid[])) OR EXISTS (
                            SELECT FROM regexp_matches(details::text, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') AS found (id)
                            WHERE found.id[1]::uuid IN (SELECT unnest($4::uuid[]))) AS of_them
                 FROM audit_log) AS speaks
           WHERE speaks.id = entry.id AND (entry.actor_id = $1 OR speaks.of_them)"#,
        erased.old,
        erased.new,
        erased.salt,
        names
    );
    Ok(changed)
}

/// Attempts, steps, enrolments, unlocks, feedback.
async fn progress(connection: &mut PgConnection, erased: &Erased) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    change!(
        connection,
        changed,
        "UPDATE user_quest_step_progress SET submission_data = NULL, feedback = NULL
         WHERE attempt_id IN (SELECT id FROM user_quest_attempts WHERE auth_user_id = $1)
           AND (submission_data IS NOT NULL OR feedback IS NOT NULL)",
        erased.old
    );
    change!(
        connection,
        changed,
        "UPDATE user_quest_step_progress SET reviewed_by = $2 WHERE reviewed_by = $1",
        erased.old,
        erased.new
    );
    change!(
        connection,
        changed,
        "UPDATE user_learning_path_progress SET auth_user_id = $2 WHERE auth_user_id = $1",
        erased.old,
        erased.new
    );
    change!(
        connection,
        changed,
        "UPDATE quest_unlocks SET auth_user_id = $2, evidence = '{}' WHERE auth_user_id = $1",
        erased.old,
        erased.new
    );
    change!(connection, changed, "DELETE FROM stream_tickets WHERE auth_user_id = $1", erased.old);
    change!(connection, changed, "DELETE FROM unlock_schedule WHERE auth_user_id = $1", erased.old);
    change!(
        connection,
        changed,
        "UPDATE unlock_overrides SET reason = CASE WHEN auth_user_id = $1 THEN 'erased' ELSE reason END,
                auth_user_id = CASE WHEN auth_user_id = $1 THEN $2 ELSE auth_user_id END,
                created_by = CASE WHEN created_by = $1 THEN $2 ELSE created_by END
         WHERE auth_user_id = $1 OR created_by = $1",
        erased.old,
        erased.new
    );
    change!(
        connection,
        changed,
        "UPDATE quest_feedback SET auth_user_id = $2, comment = NULL, resolution = NULL WHERE auth_user_id = $1",
        erased.old,
        erased.new
    );
    change!(
        connection,
        changed,
        "UPDATE quest_feedback SET resolved_by = $2 WHERE resolved_by = $1",
        erased.old,
        erased.new
    );
    Ok(changed)
}

/// Tries of assessments, their grades, and what graders and peers have said of them.
async fn work(connection: &mut PgConnection, erased: &Erased) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    change!(
        connection,
        changed,
        "UPDATE quest_submissions SET submission_data = '{}', feedback = NULL, result = NULL,
                rubric = CASE WHEN rubric IS NOT NULL THEN
                    (SELECT coalesce(jsonb_object_agg(key, value - 'comment'), '{}') FROM jsonb_each(rubric)) END
         WHERE attempt_id IN (SELECT id FROM user_quest_attempts WHERE auth_user_id = $1)",
        erased.old
    );
    change!(
        connection,
        changed,
        "UPDATE quest_submissions SET graded_by = $2 WHERE graded_by = $1",
        erased.old,
        erased.new
    );
    change!(
        connection,
        changed,
        "UPDATE submission_grades SET feedback = NULL,
                rubric = CASE WHEN rubric IS NOT NULL THEN
                    (SELECT coalesce(jsonb_object_agg(key, value - 'comment'), '{}') FROM jsonb_each(rubric)) END
         WHERE submission_id IN (SELECT submission.id FROM quest_submissions AS submission
                                 JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
                                 WHERE attempt.auth_user_id = $1)",
        erased.old
    );
    change!(
        connection,
        changed,
        "UPDATE submission_grades SET grader_id = $2 WHERE grader_id = $1",
        erased.old,
        erased.new
    );
    // A timed try that is under way is over: nobody hands it in.
    change!(
        connection,
        changed,
        "UPDATE assessment_progress SET draft = NULL, draft_saved_at = NULL, try_started_at = NULL, try_due_at = NULL,
                try_ends_at = NULL, try_item_ids = NULL
         WHERE attempt_id IN (SELECT id FROM user_quest_attempts WHERE auth_user_id = $1)",
        erased.old
    );
    change!(
        connection,
        changed,
        "DELETE FROM assessment_wakeups
         WHERE attempt_id IN (SELECT id FROM user_quest_attempts WHERE auth_user_id = $1)",
        erased.old
    );
    Ok(changed)
}

/// Reviews among learners, those that were written and those that were received.
async fn reviews(connection: &mut PgConnection, origin: &Origin, erased: &Erased) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    // What they were still to review goes to others.
    change!(
        connection,
        changed,
        "WITH withdrawn AS (
             UPDATE peer_reviews SET status = 'withdrawn' WHERE reviewer_id = $1 AND status = 'open' RETURNING assessment_id
         )
         INSERT INTO peer_allocations (assessment_id, requested_at)
         SELECT DISTINCT assessment_id, $2::timestamptz FROM withdrawn
         ON CONFLICT (assessment_id) DO UPDATE SET requested_at = excluded.requested_at",
        erased.old,
        origin.clock.now()
    );
    change!(
        connection,
        changed,
        "UPDATE peer_reviews SET reviewer_id = CASE WHEN reviewer_id = $1 THEN $2 ELSE reviewer_id END, comment = NULL,
                rubric = CASE WHEN rubric IS NOT NULL THEN
                    (SELECT coalesce(jsonb_object_agg(key, value - 'comment'), '{}') FROM jsonb_each(rubric)) END
         WHERE id IN (SELECT id FROM peer_reviews WHERE reviewer_id = $1
                      UNION
                      SELECT review.id FROM user_quest_attempts AS attempt
                      JOIN quest_submissions AS submission ON submission.attempt_id = attempt.id
                      JOIN peer_reviews AS review ON review.submission_id = submission.id
                      WHERE attempt.auth_user_id = $1)",
        erased.old,
        erased.new
    );
    Ok(changed)
}

/// Results from outside and grants; the attempts last, since the others are found by them.
async fn books(connection: &mut PgConnection, erased: &Erased) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    // A result that waits finds no unit any more: its target is nobody's.
    change!(
        connection,
        changed,
        "UPDATE evidence SET auth_user_id = $2, source_id = gen_random_uuid()::text, target_id = gen_random_uuid(), result = '{}'
         WHERE auth_user_id = $1",
        erased.old,
        erased.new
    );
    // The id of a grant is made of its learner's; that of the event which announces it changes alike.
    change!(
        connection,
        changed,
        "UPDATE reward_grants SET id = md5($3 || id::text)::uuid, auth_user_id = $2 WHERE auth_user_id = $1",
        erased.old,
        erased.new,
        erased.salt
    );
    change!(
        connection,
        changed,
        "UPDATE user_quest_attempts SET auth_user_id = $2, notes = NULL WHERE auth_user_id = $1",
        erased.old,
        erased.new
    );
    Ok(changed)
}

/// What an author has made is only signed by another; jobs that go through learners by id stand a little before them.
async fn authored(connection: &mut PgConnection, erased: &Erased) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    change!(connection, changed, "UPDATE quests SET created_by = $2 WHERE created_by = $1", erased.old, erased.new);
    change!(
        connection,
        changed,
        "UPDATE learning_paths SET created_by = $2 WHERE created_by = $1",
        erased.old,
        erased.new
    );
    change!(
        connection,
        changed,
        "UPDATE assessment_regrades SET requested_by = CASE WHEN requested_by = $1 THEN $2 ELSE requested_by END,
                after_learner = CASE WHEN after_learner = $1 AND finished_at IS NULL
                    THEN (left(after_learner::text, 4) || '0000-0000-0000-0000-000000000000')::uuid
                    ELSE nullif(after_learner, $1) END
         WHERE requested_by = $1 OR after_learner = $1",
        erased.old,
        erased.new
    );
    change!(
        connection,
        changed,
        "UPDATE reevaluations SET after_learner = (left(after_learner::text, 4) || '0000-0000-0000-0000-000000000000')::uuid
         WHERE after_learner = $1",
        erased.old
    );
    change!(
        connection,
        changed,
        "UPDATE result_recalls SET after_learner = (left(after_learner::text, 4) || '0000-0000-0000-0000-000000000000')::uuid
         WHERE after_learner = $1",
        erased.old
    );
    Ok(changed)
}
