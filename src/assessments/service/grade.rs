//! Grading by people: a grade, or the way back for another try.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::load::{get_submission, owner, standing};
use super::record::{NewGrade, announce, follow_up, try_of, write_grades};
use crate::assessments::model::{
    AssessmentType, Decision, GradeInput, How, Judgement, Refusal, Status, SubmissionForGrader, Submitted, assess,
};
use crate::attempts::service::{GradedTry, load, refresh};
use crate::audit;
use crate::ids::SubmissionId;
use crate::learners;
use crate::origin::Origin;

/// Grades a submission, or sends it back. `check` sees it as it stands, and may refuse. A grade can be given
/// again; every one of them is kept. What passes completes the unit, with all that follows.
///
/// # Errors
/// When it is the grader's own work, it was sent back, it grades itself, or the grade does not fit.
pub async fn grade_submission<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    id: SubmissionId,
    input: GradeInput,
    max_text_chars: usize,
    check: impl FnOnce(&SubmissionForGrader) -> Result<(), E>,
) -> Result<SubmissionForGrader, E> {
    let missing = || Refusal::NotFound("submission");
    let (learner, attempt) = owner(connection, id).await?;
    let mut learner = learners::lock(connection, learner, origin).await.map_err(Refusal::from)?.ok_or_else(missing)?;
    let mut loaded = load(connection, learner.id, attempt, None).await.map_err(Refusal::from)?.ok_or_else(missing)?;
    refresh(connection, &mut learner, origin, &mut loaded).await.map_err(Refusal::from)?;
    let submitted = get_submission(connection, id).await?;
    if submitted.auth_user_id == origin.actor {
        return Err(Refusal::OwnWork.into());
    }
    check(&submitted.for_grader())?;
    check_gradable(&submitted)?;
    let rules = submitted.rules()?;
    match input.read(&rules, max_text_chars).map_err(Refusal::Fields)? {
        Judgement::Return => {
            if submitted.passed_at.is_some() {
                return Err(Refusal::UnitDone.into());
            }
            send_back(connection, origin, &submitted, input.feedback, learner.now).await.map_err(Refusal::from)?;
        }
        Judgement::Grade { basis, decision } => {
            let graded = assess(&rules, &basis, decision.and_then(Decision::passes), submitted.submission.submitted_at);
            let new = NewGrade {
                submission: id,
                attempt,
                assessment: submitted.submission.assessment_id,
                graded,
                how: How::Grader,
                grader: Some(origin.actor),
                decision,
                rubric: input.rubric,
                feedback: input.feedback,
            };
            let standing = standing(connection, attempt, new.assessment).await?;
            let done =
                write_grades(connection, learner.now, std::slice::from_ref(&new)).await.map_err(Refusal::from)?;
            let tried = try_of(submitted.quest_id, &new, submitted.submission.attempt_number);
            let cause = announce(&mut learner, &rules, &submitted.tries, tried, &graded, None);
            let graded = GradedTry { submission: id, cause, is_named: standing.is_named };
            let is_newly_done = !done.is_empty() && !submitted.is_retired;
            follow_up(connection, &mut learner, origin, &mut loaded, graded, is_newly_done)
                .await
                .map_err(Refusal::from)?;
        }
    }
    Ok(get_submission(connection, id).await?.for_grader())
}

fn check_gradable(submitted: &Submitted) -> Result<(), Refusal> {
    if matches!(submitted.assessment_type, AssessmentType::Quiz | AssessmentType::AutoGraded) {
        return Err(Refusal::NotGradable);
    }
    if submitted.submission.status == Status::Returned {
        return Err(Refusal::Returned);
    }
    Ok(())
}

/// Sends work back: it has no grade any more, and counts as no try. One statement.
async fn send_back(
    connection: &mut PgConnection,
    origin: &Origin,
    submitted: &Submitted,
    feedback: Option<String>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "/* assessments:return */
         WITH returned AS (
             UPDATE quest_submissions SET status = 'returned', graded_at = NULL, grade = NULL, is_passed = NULL, percent = NULL,
                    rubric = NULL, decision = NULL, fallback_at = NULL, feedback = $3, graded_by = $4
             WHERE id = $1
         ), withdrawn AS (
             UPDATE peer_reviews SET status = 'withdrawn' WHERE submission_id = $1 AND status = 'open' RETURNING assessment_id
         ), asked AS (
             INSERT INTO peer_allocations (assessment_id, requested_at) SELECT DISTINCT assessment_id, $5::timestamptz FROM withdrawn
             ON CONFLICT (assessment_id) DO UPDATE SET requested_at = excluded.requested_at
         )
         INSERT INTO submission_grades (id, submission_id, graded_at, how, grader_id, late_percent, max_grade, feedback)
         VALUES ($2, $1, $5, 'return', $4, $6, $7, $3)",
        submitted.submission.id.0,
        Uuid::now_v7(),
        feedback,
        origin.actor,
        now,
        submitted.late_percent,
        submitted.submission.max_grade,
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "attemptId": submitted.submission.attempt_id });
    audit::note(connection, origin, "return", "submission", submitted.submission.id.0, details).await
}
