//! `quests verify`: proves that what is stored is what the rows say.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::attempts::model::{Assessments, AttemptStatus, StepProgress, StepStatus, StepType, progress};
use crate::ids::StepId;

/// What was looked at, and everything that does not fit.
#[derive(Debug, Default)]
pub struct Report {
    pub attempts: u64,
    pub grants: u64,
    pub events: u64,
    pub drifts: Vec<String>,
}

/// Recomputes every attempt from its steps and grants, and holds grants and events against each
/// other. Published events older than `kept_since` may be gone. Reads in pages of learners' attempts;
/// writes nothing.
///
/// # Errors
/// The database's.
pub async fn verify(connection: &mut PgConnection, kept_since: DateTime<Utc>) -> Result<Report, sqlx::Error> {
    let mut report = Report::default();
    attempts(connection, &mut report).await?;
    super::verify_evidence::evidence(connection, &mut report).await?;
    super::verify_assessments::assessments(connection, &mut report).await?;
    super::verify_paths::paths(connection, &mut report).await?;
    let counts = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM reward_grants) AS "grants!", (SELECT count(*) FROM outbox_events) AS "events!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    report.grants = u64::try_from(counts.grants).unwrap_or_default();
    report.events = u64::try_from(counts.events).unwrap_or_default();

    let silent = sqlx::query_scalar!(
        r#"SELECT 'grant ' || reward.id || ' of learner ' || reward.auth_user_id || ' has no event' AS "drift!"
           FROM reward_grants AS reward
           WHERE reward.granted_at >= $1 AND NOT EXISTS (SELECT FROM outbox_events AS event WHERE event.id = reward.id)"#,
        kept_since
    )
    .fetch_all(&mut *connection)
    .await?;
    let unfounded = sqlx::query_scalar!(
        r#"SELECT 'event ' || event.id || ' of learner ' || event.auth_user_id || ' announces no grant of its points' AS "drift!"
           FROM outbox_events AS event
           LEFT JOIN reward_grants AS reward ON reward.id = event.id
           WHERE event.event_type IN ('XPGranted', 'SkillPointsGranted')
             AND (reward.id IS NULL OR reward.points <> (event.data ->> 'points')::int)"#
    )
    .fetch_all(&mut *connection)
    .await?;
    // All events of a learner who came after that time must be there; of others, those from the first younger one on.
    let gaps = sqlx::query_scalar!(
        r#"WITH kept AS (
               SELECT auth_user_id, event_seq, CASE WHEN created_at >= $1 THEN 1 ELSE (
                   SELECT min(learner_seq) FROM outbox_events AS event
                   WHERE event.auth_user_id = learner.auth_user_id AND occurred_at >= $1) END AS first
               FROM learners AS learner
           )
           SELECT 'learner ' || kept.auth_user_id || ' counts ' || event_seq || ' events; from number ' || first || ' on '
                  || count(event.id) || ' are there, the last one has number ' || coalesce(max(learner_seq), 0) AS "drift!"
           FROM kept LEFT JOIN outbox_events AS event
               ON event.auth_user_id = kept.auth_user_id AND event.learner_seq >= first
           GROUP BY kept.auth_user_id, event_seq, first
           HAVING count(event.id) <> event_seq - first + 1 OR coalesce(max(learner_seq), first - 1) <> event_seq"#,
        kept_since
    )
    .fetch_all(&mut *connection)
    .await?;
    report.drifts.extend(silent.into_iter().chain(unfounded).chain(gaps));
    paths(connection, &mut report).await?;
    Ok(report)
}

/// Learning paths whose points are not what their quests and steps pay, or whose numbering has gaps.
async fn paths(connection: &mut PgConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let totals = sqlx::query_scalar!(
        r#"SELECT 'learning path ' || path.id || ': counts ' || path.total_experience_points
                  || ' experience points, its quests and their steps pay ' || now.total AS "drift!"
           FROM learning_paths AS path
           JOIN (SELECT path.id, least(coalesce(sum(quest.experience_points_reward
                        + coalesce((SELECT sum(experience_points) FROM quest_steps
                                    WHERE quest_id = quest.id AND retired_at IS NULL), 0)), 0), 2147483647) AS total
                 FROM learning_paths AS path
                 LEFT JOIN learning_path_quests AS place ON place.learning_path_id = path.id
                 LEFT JOIN quests AS quest ON quest.id = place.quest_id
                 GROUP BY path.id) AS now ON now.id = path.id
           WHERE path.total_experience_points <> now.total"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let gaps = sqlx::query_scalar!(
        r#"SELECT 'learning path ' || learning_path_id || ': ' || count(*) || ' ' || kind || ', numbered '
                  || min(number) || ' to ' || max(number) AS "drift!"
           FROM (SELECT learning_path_id, 'quests' AS kind, sequence_order AS number FROM learning_path_quests
                 UNION ALL SELECT learning_path_id, 'chapters', sequence FROM quest_chapters) AS numbered
           GROUP BY learning_path_id, kind HAVING min(number) <> 1 OR max(number) <> count(*)"#
    )
    .fetch_all(&mut *connection)
    .await?;
    report.drifts.extend(totals.into_iter().chain(gaps));
    Ok(())
}

/// Attempts whose percentage, current step or experience is not what their rows give.
async fn attempts(connection: &mut PgConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let mut after = uuid::Uuid::nil();
    loop {
        let page = sqlx::query!(
            r#"SELECT attempt.id, attempt.quest_id, attempt.status AS "status: AttemptStatus", attempt.completion_percentage,
                      attempt.total_experience_earned, attempt.units_version, quest.units_version AS quest_units_version,
                      (SELECT coalesce(sum(points), 0) FROM reward_grants
                       WHERE auth_user_id = attempt.auth_user_id AND attempt_id = attempt.id AND kind = 'XP') AS "granted!",
                      (SELECT coalesce(sum(experience_earned), 0) FROM user_quest_step_progress WHERE attempt_id = attempt.id) AS "by_steps!",
                      (SELECT coalesce(sum(points), 0) FROM reward_grants
                       WHERE auth_user_id = attempt.auth_user_id AND attempt_id = attempt.id AND kind = 'XP'
                         AND objective_type = 'QuestStep') AS "granted_to_steps!",
                      (SELECT count(*) FROM quest_assessments WHERE quest_id = quest.id AND retired_at IS NULL) AS "assessments!",
                      (SELECT count(*) FROM assessment_progress AS done
                       JOIN quest_assessments AS assessment ON assessment.id = done.assessment_id AND assessment.retired_at IS NULL
                       WHERE done.attempt_id = attempt.id AND done.passed_at IS NOT NULL) AS "passed!"
               FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id
               WHERE attempt.id > $1 ORDER BY attempt.id LIMIT 1000"#,
            after
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        let ids: Vec<uuid::Uuid> = page.iter().map(|attempt| attempt.id).collect();
        let steps = sqlx::query!(
            r#"SELECT attempt.id AS attempt_id, step.id AS "step_id: StepId", step.step_number, step.is_optional,
                      step.step_type AS "step_type: StepType", progress.status AS "status?: StepStatus"
               FROM user_quest_attempts AS attempt
               JOIN quest_steps AS step ON step.quest_id = attempt.quest_id AND step.retired_at IS NULL
               LEFT JOIN user_quest_step_progress AS progress ON progress.attempt_id = attempt.id AND progress.step_id = step.id
               WHERE attempt.id = ANY($1) ORDER BY attempt.id, step.step_number"#,
            &ids
        )
        .fetch_all(&mut *connection)
        .await?;
        for attempt in &page {
            report.attempts += 1;
            if attempt.granted != i64::from(attempt.total_experience_earned) {
                report.drifts.push(format!(
                    "attempt {}: earned {} experience points, its grants sum to {}",
                    attempt.id, attempt.total_experience_earned, attempt.granted
                ));
            }
            if attempt.by_steps != attempt.granted_to_steps {
                report.drifts.push(format!(
                    "attempt {}: its steps show {} experience points, their grants sum to {}",
                    attempt.id, attempt.by_steps, attempt.granted_to_steps
                ));
            }
            let stale = attempt.units_version != attempt.quest_units_version;
            let from = steps.partition_point(|step| step.attempt_id < attempt.id);
            let own: Vec<StepProgress> = steps[from..]
                .iter()
                .take_while(|step| step.attempt_id == attempt.id)
                .map(|step| StepProgress {
                    is_optional: step.is_optional,
                    status: step.status.unwrap_or(StepStatus::NotStarted),
                    ..StepProgress::untouched(step.step_id, step.step_number, step.step_type)
                })
                .collect();
            let units = Assessments { all: attempt.assessments, passed: attempt.passed };
            let now = progress(&own, units);
            let fits = match attempt.status {
                // Completed is final, whatever was edited later.
                AttemptStatus::Completed => attempt.completion_percentage == rust_decimal::Decimal::ONE_HUNDRED,
                // Waits for the recompute job, or for its learner to take it up again.
                _ if stale => true,
                // Whoever abandoned it takes it up again before it can complete.
                AttemptStatus::Abandoned => attempt.completion_percentage == now.percentage,
                _ => attempt.completion_percentage == now.percentage && !now.is_complete,
            };
            if !fits {
                report.drifts.push(format!(
                    "attempt {}: {:?} at {} %, its steps give {} %",
                    attempt.id, attempt.status, attempt.completion_percentage, now.percentage
                ));
            }
        }
    }
}
