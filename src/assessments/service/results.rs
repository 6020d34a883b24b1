//! Results of outside graders are the tries of `AutoGraded` assessments.
//!
//! Each result counts as a try of every assessment that names its problem, then or when the assessment takes
//! tries: when the quest is started or resumed, when it opens, when the learner's next try is due. A result that
//! comes when no try is left, or after the end, is noted as one that met nothing.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::jobs::{Due, Job, run};
use super::load::{Standing, standing};
use super::tries::{Handed, check_open, hand_in};
use crate::assessments::model::{NotNow, Refusal, is_over, may_count};
use crate::attempts::service::{load, refresh};
use crate::clock::Clock;
use crate::criteria::{CodingResult, Form};
use crate::db::Db;
use crate::evidence::{self, Kind, UnitType};
use crate::ids::{AssessmentId, AttemptId};
use crate::learners::Locked;
use crate::origin::Origin;

/// Applies what is kept about a problem to the learner's assessments that name it.
///
/// # Errors
/// The database's.
pub async fn apply_results(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    problem: Uuid,
) -> Result<(), sqlx::Error> {
    let units = sqlx::query!(
        r#"SELECT attempt.id AS "attempt: AttemptId", assessment.id AS "assessment: AssessmentId"
           FROM quest_assessments AS assessment JOIN user_quest_attempts AS attempt ON attempt.quest_id = assessment.quest_id
           WHERE assessment.evidence_target = $1 AND assessment.retired_at IS NULL AND attempt.auth_user_id = $2
           ORDER BY attempt.id, assessment.id"#,
        problem,
        learner.id.0
    )
    .fetch_all(&mut *connection)
    .await?;
    for unit in units {
        apply_waiting(connection, origin, learner, unit.attempt, unit.assessment).await?;
    }
    Ok(())
}

/// Applies what waits for one assessment. One that cannot be graded is logged, and its results wait.
async fn apply_waiting(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    attempt: AttemptId,
    assessment: AssessmentId,
) -> Result<(), sqlx::Error> {
    match try_waiting(connection, origin, learner, attempt, assessment).await {
        Ok(()) => Ok(()),
        Err(Refusal::Database(error)) => Err(error),
        Err(refusal) => {
            tracing::error!(%refusal, %assessment, "results from outside cannot be applied");
            Ok(())
        }
    }
}

async fn try_waiting(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    attempt: AttemptId,
    assessment: AssessmentId,
) -> Result<(), Refusal> {
    let Some(mut loaded) = load(connection, learner.id, attempt, None).await? else { return Ok(()) };
    refresh(connection, learner, origin, &mut loaded).await?;
    let mut standing = self::standing(connection, attempt, assessment).await?;
    // As for a step: it is applied when the attempt is taken up again.
    if check_open(&loaded, &standing).is_err() {
        return Ok(());
    }
    let Form::AutoGraded(problem) = &standing.rules.configuration.form else { return Ok(()) };
    let waiting = evidence::waiting(connection, learner.id, Kind::Coding, problem.problem_id, assessment.0).await?;
    let is_more = i64::try_from(waiting.len()).is_ok_and(|count| count == evidence::BATCH);
    let mut wakes_at = is_more.then_some(learner.now);
    let mut applied = Vec::new();
    for kept in waiting {
        let is_met = match may_apply(&standing, kept.received_at, learner.now) {
            Ok(started_at) => {
                let result = serde_json::from_value::<CodingResult>(kept.result.clone()).unwrap_or_else(|error| {
                    tracing::error!(%error, evidence = %kept.id, "a kept result cannot be read");
                    unreadable()
                });
                let data = result.seen_by_learner(&kept.source_id);
                let handed = Handed {
                    data,
                    item_ids: Vec::new(),
                    started_at,
                    submitted_at: kept.received_at,
                    is_auto_submitted: false,
                    result: Some(result),
                };
                let handed_in = hand_in(connection, learner, origin, &mut loaded, &standing, handed).await?;
                standing = self::standing(connection, attempt, assessment).await?;
                handed_in.submission.is_passed == Some(true)
            }
            Err(NotNow::Early(at) | NotNow::Cooling { until: at, .. }) => {
                wakes_at = Some(at);
                break;
            }
            Err(_) => false,
        };
        applied.push((kept.id, is_met));
    }
    if !applied.is_empty() {
        evidence::mark(connection, learner, attempt, (UnitType::Assessment, assessment.0), &applied).await?;
    }
    if let Some(at) = wakes_at {
        wake_at(connection, attempt, assessment, at).await?;
    }
    Ok(())
}

/// Whether a result is a try now; with the start of a timed one. Limits of time are held against its arrival:
/// its learner can do nothing about what it has waited for since.
fn may_apply(standing: &Standing, arrived: DateTime<Utc>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, NotNow> {
    if let Some(running) = &standing.progress.running {
        let is_within = arrived >= running.started_at && !is_over(running.ends_at, arrived);
        return if is_within { Ok(Some(running.started_at)) } else { Err(NotNow::NotStarted) };
    }
    may_count(&standing.rules, &standing.tries, standing.progress.extra_tries, arrived, now)?;
    if standing.rules.configuration.time_limit_seconds.is_some() { Err(NotNow::NotStarted) } else { Ok(None) }
}

/// A result that says nothing: a try that met nothing.
fn unreadable() -> CodingResult {
    CodingResult {
        status: "Unreadable".to_owned(),
        tests_passed_percent: None,
        passed_tests: None,
        language: None,
        score: None,
        execution_time_ms: None,
    }
}

async fn wake_at(
    connection: &mut PgConnection,
    attempt: AttemptId,
    assessment: AssessmentId,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO assessment_wakeups (attempt_id, assessment_id, due_at) VALUES ($1, $2, $3)
         ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET due_at = excluded.due_at",
        attempt.0,
        assessment.0,
        at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Applies what has waited for the assessments of one attempt; for whoever reads it meanwhile.
pub(super) async fn wake_attempt(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    attempt: AttemptId,
) -> Result<(), Refusal> {
    let due = sqlx::query_scalar!(
        r#"DELETE FROM assessment_wakeups WHERE attempt_id = $1 AND due_at <= $2 RETURNING assessment_id AS "id: AssessmentId""#,
        attempt.0,
        learner.now
    )
    .fetch_all(&mut *connection)
    .await?;
    for assessment in due {
        apply_waiting(connection, origin, learner, attempt, assessment).await?;
    }
    Ok(())
}

/// Applies all results whose wait is over. A learner for whom that fails is logged and passed over until the
/// next call.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_wakeups(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    run(db, clock, Job::Wake).await.map(drop)
}

/// The wake-ups of the next learners that are due.
pub(super) async fn wakeups(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as!(
        Due,
        r#"/* jobs:wakeups */
           SELECT wake.attempt_id AS "attempt: AttemptId", wake.assessment_id AS "assessment: AssessmentId",
                  attempt.auth_user_id AS learner
           FROM assessment_wakeups AS wake JOIN user_quest_attempts AS attempt ON attempt.id = wake.attempt_id
           WHERE wake.due_at <= $1 AND attempt.auth_user_id IN (
               SELECT due.auth_user_id
               FROM assessment_wakeups AS early JOIN user_quest_attempts AS due ON due.id = early.attempt_id
               WHERE early.due_at <= $1 AND due.auth_user_id > $2 ORDER BY due.auth_user_id LIMIT $3)
           ORDER BY attempt.auth_user_id, wake.due_at"#,
        now,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}

/// Applies what has waited for one assessment, if nobody has done so.
pub(super) async fn wake(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    attempt: AttemptId,
    assessment: AssessmentId,
) -> Result<(), Refusal> {
    let own = sqlx::query!(
        "DELETE FROM assessment_wakeups WHERE attempt_id = $1 AND assessment_id = $2 AND due_at <= $3",
        attempt.0,
        assessment.0,
        learner.now
    )
    .execute(&mut *connection)
    .await?;
    if own.rows_affected() > 0 {
        apply_waiting(connection, origin, learner, attempt, assessment).await?;
    }
    Ok(())
}
