//! The part of `quests verify` that is about results from outside.

use sqlx::PgConnection;

use super::verify::Report;

/// Holds Coding steps against the results that were applied to them, and looks for results that wait
/// although their step is open.
///
/// # Errors
/// The database's.
pub(super) async fn evidence(connection: &mut PgConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let unfounded = sqlx::query_scalar!(
        r#"SELECT 'attempt ' || progress.attempt_id || ': step ' || step.id || ' is ' || progress.status || ' after '
                  || progress.attempts_count || ' tries, ' || found.applied || ' results were applied to it and '
                  || found.met || ' met it' AS "drift!"
           FROM user_quest_step_progress AS progress
           JOIN quest_steps AS step ON step.id = progress.step_id AND step.step_type = 'Coding'
           CROSS JOIN LATERAL (
               SELECT count(*) AS applied, count(*) FILTER (WHERE is_met) AS met
               FROM evidence_applications WHERE unit_id = step.id AND attempt_id = progress.attempt_id
           ) AS found
           WHERE progress.attempts_count <> found.applied OR (progress.status = 'Completed') <> (found.met > 0)"#
    )
    .fetch_all(&mut *connection)
    .await?;
    // Attempts that wait for the recompute job take what waits with it.
    let passed_by = sqlx::query_scalar!(
        r#"SELECT 'attempt ' || attempt.id || ': result ' || evidence.id || ' waits, and step ' || step.id || ' is open' AS "drift!"
           FROM user_quest_attempts AS attempt
           JOIN quests AS quest ON quest.id = attempt.quest_id AND quest.units_version = attempt.units_version
           JOIN quest_steps AS step ON step.quest_id = quest.id AND step.retired_at IS NULL
           JOIN evidence ON evidence.auth_user_id = attempt.auth_user_id AND evidence.target_id = step.evidence_target
               AND evidence.kind = CASE step.step_type WHEN 'Coding' THEN 'coding' ELSE 'meeting' END
           WHERE attempt.status = 'InProgress'
             AND NOT EXISTS (SELECT FROM evidence_applications WHERE evidence_id = evidence.id AND unit_id = step.id)
             AND NOT EXISTS (SELECT FROM user_quest_step_progress
                             WHERE attempt_id = attempt.id AND step_id = step.id AND status = 'Completed')
             AND NOT EXISTS (SELECT FROM quest_steps AS earlier
                             WHERE earlier.quest_id = quest.id AND earlier.retired_at IS NULL AND NOT earlier.is_optional
                               AND earlier.step_number < step.step_number
                               AND NOT EXISTS (SELECT FROM user_quest_step_progress
                                               WHERE attempt_id = attempt.id AND step_id = earlier.id AND status = 'Completed'))"#
    )
    .fetch_all(&mut *connection)
    .await?;
    report.drifts.extend(unfounded.into_iter().chain(passed_by));
    Ok(())
}
