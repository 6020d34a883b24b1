//! Regrading after an edit: what it would do, and doing it in the background.
//!
//! How far the job is lies in its row, so it can stop anywhere and go on anywhere. A learner whose tries
//! cannot be graded is logged and passed over.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::load::{get_submissions, list_graded};
use super::record::{NewGrade, announce, follow_up, try_of, write_grades};
use crate::assessments::model::{How, Refusal, Regrade, Regraded, Rules, Submitted};
use crate::attempts::service::{GradedTry, load, refresh};
use crate::audit;
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::{AssessmentId, QuestId, RegradeId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::outbox::enqueue;

/// Learners a transaction.
const BATCH: i64 = 100;

/// What regrading would do, in the order in which the work came in; one page, two statements.
///
/// # Errors
/// When there is no such assessment, or its rules do not parse.
pub async fn preview_regrade(
    connection: &mut PgConnection,
    id: AssessmentId,
    may_lower: bool,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<((DateTime<Utc>, Uuid), Regraded)>, Refusal> {
    let Subject { rules, .. } = subject(connection, id).await?;
    let graded = list_graded(connection, id, after, limit).await?;
    let position = |submitted: &Submitted| (submitted.submission.submitted_at, submitted.submission.id.0);
    Ok(graded
        .iter()
        .filter_map(|submitted| Some((position(submitted), submitted.regraded(&rules, may_lower)?)))
        .collect())
}

/// An assessment as regrading has to know it.
struct Subject {
    rules: Rules,
    quest: QuestId,
    is_retired: bool,
    /// Criteria of some path look at scores in this quest.
    is_named: bool,
}

async fn subject(connection: &mut PgConnection, id: AssessmentId) -> Result<Subject, Refusal> {
    let row = sqlx::query!(
        r#"SELECT configuration, passing_criteria, quest_id AS "quest_id: QuestId", retired_at IS NOT NULL AS "is_retired!",
                  EXISTS (SELECT FROM learning_path_quests WHERE unlock_refs && ARRAY[assessment.id, quest_id]) AS "is_named!"
           FROM quest_assessments AS assessment WHERE id = $1"#,
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Refusal::NotFound("assessment"))?;
    let rules = Rules::read(id, &row.configuration, &row.passing_criteria)?;
    Ok(Subject { rules, quest: row.quest_id, is_retired: row.is_retired, is_named: row.is_named })
}

/// Asks for a regrading in the background.
///
/// # Errors
/// When one is running.
pub async fn request_regrade(
    connection: &mut PgConnection,
    origin: &Origin,
    assessment: AssessmentId,
    may_lower: bool,
) -> Result<Regrade, Refusal> {
    subject(connection, assessment).await?;
    let id = RegradeId::generate();
    sqlx::query!(
        "INSERT INTO assessment_regrades (id, assessment_id, requested_by, requested_at, may_lower, total)
         SELECT $1, $2, $3, $4, $5, count(*) FROM quest_submissions WHERE assessment_id = $2 AND status = 'graded'",
        id.0,
        assessment.0,
        origin.actor,
        origin.clock.now(),
        may_lower,
    )
    .execute(&mut *connection)
    .await?;
    let details = serde_json::json!({ "regradeId": id, "mayLower": may_lower });
    audit::note(connection, origin, "regrade", "assessment", assessment.0, details).await?;
    get_regrade(connection, assessment, id).await
}

/// How far a regrading is.
///
/// # Errors
/// When there is none.
pub async fn get_regrade(
    connection: &mut PgConnection,
    assessment: AssessmentId,
    id: RegradeId,
) -> Result<Regrade, Refusal> {
    sqlx::query_as!(
        Regrade,
        r#"SELECT id AS "id: RegradeId", assessment_id AS "assessment_id: AssessmentId", requested_by, requested_at, may_lower,
                  total, looked_at, changed, newly_passed, failed, finished_at
           FROM assessment_regrades WHERE id = $1 AND assessment_id = $2"#,
        id.0,
        assessment.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Refusal::NotFound("regrade"))
}

struct Running {
    id: RegradeId,
    assessment: AssessmentId,
    requested_by: Uuid,
    may_lower: bool,
    after_learner: Option<Uuid>,
}

async fn next(connection: &mut PgConnection) -> Result<Option<Running>, sqlx::Error> {
    sqlx::query_as!(
        Running,
        r#"/* jobs:regrade */
           SELECT id AS "id: RegradeId", assessment_id AS "assessment: AssessmentId", requested_by, may_lower, after_learner
           FROM assessment_regrades WHERE finished_at IS NULL ORDER BY requested_at, id LIMIT 1"#
    )
    .fetch_optional(connection)
    .await
}

/// Works off regradings, a batch of learners a transaction.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_regrades(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    let mut limit = BATCH;
    loop {
        let Some(running) = next(&mut *db.pool.acquire().await?).await? else { return Ok(()) };
        let (id, assessment) = (running.id, running.assessment);
        let origin = Origin::job(clock);
        let batch = db.transact(move |connection| {
            Box::pin(async move { regrade_batch(connection, &origin, &running, limit).await })
        });
        match batch.await {
            Ok(looked_at) => {
                tracing::info!(%assessment, looked_at, "submissions regraded");
                metrics::counter!("submissions_regraded_total").increment(looked_at.unsigned_abs());
            }
            // One by one, until the one whose tries cannot be graded is found.
            Err(error) if limit > 1 => {
                tracing::warn!(%error, %assessment, "a batch of learners could not be regraded; one by one now");
                limit = 1;
            }
            Err(error) => {
                tracing::error!(%error, %assessment, "a learner could not be regraded, and is passed over");
                let now = clock.now();
                db.transact(move |connection| Box::pin(pass_over(connection, id, now))).await?;
                limit = BATCH;
            }
        }
    }
}

/// Learners with graded tries, after the last one.
async fn learners_of(
    connection: &mut PgConnection,
    assessment: AssessmentId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT DISTINCT attempt.auth_user_id
         FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
         -- Of who was erased nothing is left to be weighed.
         JOIN learners AS learner ON learner.auth_user_id = attempt.auth_user_id AND learner.erased_at IS NULL
         WHERE submission.assessment_id = $1 AND submission.status = 'graded' AND attempt.auth_user_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY attempt.auth_user_id LIMIT $3",
        assessment.0,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}

async fn pass_over(connection: &mut PgConnection, id: RegradeId, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let Some(running) = next(connection).await?.filter(|running| running.id == id) else { return Ok(()) };
    let learner = learners_of(connection, running.assessment, running.after_learner, 1).await?;
    // Nobody left: then it was not a learner who was in the way.
    sqlx::query!(
        "UPDATE assessment_regrades SET after_learner = coalesce($2, after_learner), failed = failed + 1,
                finished_at = CASE WHEN $2::uuid IS NULL THEN $3::timestamptz END
         WHERE id = $1",
        id.0,
        learner.first().copied(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn regrade_batch(
    connection: &mut PgConnection,
    origin: &Origin,
    running: &Running,
    limit: i64,
) -> Result<i64, Refusal> {
    let ids = learners_of(connection, running.assessment, running.after_learner, limit).await?;
    let mut learners = learners::lock_many(connection, &ids, origin).await?;
    // Under the locks: another replica may have done these.
    let current = sqlx::query_scalar!(
        "SELECT after_learner FROM assessment_regrades
         WHERE id = $1 AND finished_at IS NULL AND requested_by = $2 FOR UPDATE",
        running.id.0,
        running.requested_by
    )
    .fetch_optional(&mut *connection)
    .await?;
    // Nor is who was erased while this waited any part of it.
    if current != Some(running.after_learner) || learners.len() != ids.len() {
        return Ok(0);
    }
    let subject = subject(connection, running.assessment).await?;
    let own = sqlx::query_scalar!(
        "SELECT submission.id
         FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
         WHERE submission.assessment_id = $1 AND submission.status = 'graded' AND attempt.auth_user_id = ANY($2)",
        running.assessment.0,
        &ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut submitted = get_submissions(connection, &own).await?;
    submitted.sort_by_key(|submitted| (submitted.auth_user_id, submitted.submission.attempt_number));
    let changed: Vec<(&Submitted, NewGrade)> =
        submitted.iter().filter_map(|submitted| new_grade(submitted, &subject.rules, running)).collect();
    let grades: Vec<NewGrade> = changed.iter().map(|(_, grade)| grade.clone()).collect();
    let done =
        if grades.is_empty() { Vec::new() } else { write_grades(connection, origin.clock.now(), &grades).await? };
    for learner in &mut learners {
        let mine = changed.iter().filter(|(submitted, _)| submitted.auth_user_id == learner.id.0);
        let newly = done.iter().any(|(attempt, _)| mine.clone().any(|(_, grade)| grade.attempt == *attempt));
        let mine: Vec<_> = mine.collect();
        tell(connection, origin, learner, &subject, &mine, newly && !subject.is_retired).await?;
    }
    let (looked_at, written) = (count(submitted.len()), count(grades.len()));
    let ended = count(ids.len()) < limit;
    sqlx::query!(
        "UPDATE assessment_regrades SET looked_at = looked_at + $2, total = greatest(total, looked_at + $2),
                changed = changed + $3, newly_passed = newly_passed + $4, after_learner = coalesce($5, after_learner),
                finished_at = CASE WHEN $6 THEN $7::timestamptz END
         WHERE id = $1",
        running.id.0,
        looked_at,
        written,
        count(done.len()),
        ids.last().copied(),
        ended,
        origin.clock.now(),
    )
    .execute(connection)
    .await?;
    Ok(looked_at)
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn new_grade<'s>(submitted: &'s Submitted, rules: &Rules, running: &Running) -> Option<(&'s Submitted, NewGrade)> {
    let regraded = submitted.regraded(rules, running.may_lower).filter(|regraded| regraded.change.is_written())?;
    let seen = &submitted.submission;
    Some((
        submitted,
        NewGrade {
            submission: seen.id,
            attempt: seen.attempt_id,
            assessment: seen.assessment_id,
            graded: regraded.graded,
            how: How::Regrade,
            grader: Some(running.requested_by),
            decision: submitted.decision,
            rubric: seen.rubric.clone(),
            feedback: seen.feedback.clone(),
        },
    ))
}

/// One learner's events, and what follows when the unit is done by it.
async fn tell(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    subject: &Subject,
    changed: &[&(&Submitted, NewGrade)],
    is_newly_done: bool,
) -> Result<(), Refusal> {
    let mut last = None;
    for (submitted, grade) in changed {
        let tried = try_of(subject.quest, grade, submitted.submission.attempt_number);
        let cause = announce(learner, &subject.rules, &submitted.tries, tried, &grade.graded, None);
        last = Some((grade, GradedTry { submission: grade.submission, cause, is_named: subject.is_named }));
    }
    let Some((grade, graded)) = last else { return Ok(()) };
    match load(connection, learner.id, grade.attempt, None).await? {
        Some(mut loaded) => {
            refresh(connection, learner, origin, &mut loaded).await?;
            // Loaded after the pass was written: it is counted already.
            loaded.assessments.passed -= i64::from(is_newly_done);
            follow_up(connection, learner, origin, &mut loaded, graded, is_newly_done).await?;
        }
        None => enqueue(connection, learner, origin).await?,
    }
    Ok(())
}
