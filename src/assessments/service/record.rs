//! Writing grades, and what follows from them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::assessments::model::{Decision, Graded, How, RubricScore, Rules, Tried, shown_to};
use crate::attempts::service::{GradedTry, Loaded, Settled, settle};
use crate::ids::{AssessmentId, AttemptId, EventId, QuestId, SubmissionId};
use crate::learners::Locked;
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::outbox::events::{Event, TryOfAssessment};

/// A grade to be written.
#[derive(Debug, Clone)]
pub struct NewGrade {
    pub submission: SubmissionId,
    pub attempt: AttemptId,
    pub assessment: AssessmentId,
    pub graded: Graded,
    pub how: How,
    pub grader: Option<Uuid>,
    pub decision: Option<Decision>,
    pub rubric: Option<BTreeMap<String, RubricScore>>,
    pub feedback: Option<String>,
}

/// Writes grades with their history, closes open reviews of that work, and remembers units that are done
/// for the first time, which it returns. One statement.
///
/// # Errors
/// The database's.
pub async fn write_grades(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    grades: &[NewGrade],
) -> Result<Vec<(AttemptId, AssessmentId)>, sqlx::Error> {
    let column = |of: &dyn Fn(&NewGrade) -> Uuid| -> Vec<Uuid> { grades.iter().map(of).collect() };
    let number =
        |of: &dyn Fn(&Graded) -> Decimal| -> Vec<Decimal> { grades.iter().map(|grade| of(&grade.graded)).collect() };
    let ids: Vec<Uuid> = grades.iter().map(|_| Uuid::now_v7()).collect();
    let by: Vec<Option<Uuid>> = grades.iter().map(|grade| grade.grader).collect();
    let hows: Vec<String> = grades.iter().map(|grade| grade.how.as_str().to_owned()).collect();
    let passed: Vec<bool> = grades.iter().map(|grade| grade.graded.is_passed).collect();
    let decisions: Vec<Option<String>> =
        grades.iter().map(|grade| grade.decision.map(|decision| decision.as_str().to_owned())).collect();
    let rubrics: Vec<Option<Value>> =
        grades.iter().map(|grade| grade.rubric.as_ref().and_then(|rubric| serde_json::to_value(rubric).ok())).collect();
    let feedback: Vec<Option<String>> = grades.iter().map(|grade| grade.feedback.clone()).collect();
    let done = sqlx::query!(
        r#"/* assessments:grade */
           WITH given AS (
               SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::numeric[], $7::numeric[], $8::numeric[],
                                    $9::numeric[], $10::bool[], $11::text[], $12::uuid[], $13::text[], $14::jsonb[], $15::text[])
                   AS given (id, submission_id, attempt_id, assessment_id, percent, late_percent, grade, max_grade, is_passed,
                             how, grader_id, decision, rubric, feedback)
           ), graded AS (
               UPDATE quest_submissions AS submission SET status = 'graded', graded_at = $1, grade = given.grade,
                      max_grade = given.max_grade, is_passed = given.is_passed, percent = given.percent,
                      late_percent = given.late_percent, decision = given.decision, rubric = given.rubric,
                      feedback = given.feedback, fallback_at = NULL,
                      graded_by = CASE WHEN given.how = 'regrade' THEN submission.graded_by ELSE given.grader_id END
               FROM given WHERE submission.id = given.submission_id
           ), noted AS (
               INSERT INTO submission_grades (id, submission_id, graded_at, how, grader_id, percent, late_percent, grade,
                                              max_grade, is_passed, decision, rubric, feedback)
               SELECT id, submission_id, $1, how, grader_id, percent, late_percent, grade, max_grade, is_passed, decision,
                      rubric, feedback
               FROM given
           ), withdrawn AS (
               UPDATE peer_reviews SET status = 'withdrawn' WHERE submission_id = ANY($3) AND status = 'open'
               RETURNING assessment_id
           ), asked AS (
               -- Who owes one review less is given another.
               INSERT INTO peer_allocations (assessment_id, requested_at) SELECT DISTINCT assessment_id, $1::timestamptz FROM withdrawn
               ON CONFLICT (assessment_id) DO UPDATE SET requested_at = excluded.requested_at
           )
           INSERT INTO assessment_progress AS known (attempt_id, assessment_id, passed_at)
           SELECT DISTINCT attempt_id, assessment_id, $1::timestamptz FROM given WHERE is_passed
           ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET passed_at = excluded.passed_at WHERE known.passed_at IS NULL
           RETURNING attempt_id AS "attempt_id: AttemptId", assessment_id AS "assessment_id: AssessmentId""#,
        now,
        &ids,
        &column(&|grade| grade.submission.0),
        &column(&|grade| grade.attempt.0),
        &column(&|grade| grade.assessment.0),
        &number(&|graded| graded.percent),
        &number(&|graded| graded.late_percent),
        &number(&|graded| graded.grade),
        &number(&|graded| graded.max_grade),
        &passed,
        &hows,
        &by as &[Option<Uuid>],
        &decisions as &[Option<String>],
        &rubrics as &[Option<Value>],
        &feedback as &[Option<String>],
    )
    .fetch_all(connection)
    .await?;
    Ok(done.into_iter().map(|row| (row.attempt_id, row.assessment_id)).collect())
}

/// The try that an event is about.
#[must_use]
pub fn try_of(quest_id: QuestId, grade: &NewGrade, attempt_number: i32) -> TryOfAssessment {
    TryOfAssessment {
        quest_id,
        attempt_id: grade.attempt,
        assessment_id: grade.assessment,
        submission_id: grade.submission,
        attempt_number,
    }
}

/// Notes that a try was graded; with the grade, if its learner may see that.
pub fn announce(
    learner: &mut Locked,
    rules: &Rules,
    tries: &[Tried],
    submission: TryOfAssessment,
    graded: &Graded,
    cause: Option<EventId>,
) -> EventId {
    // Whether the score is shown does not depend on passes or extra tries.
    let shows = shown_to(rules, tries, 0, false, learner.now);
    let event = Event::SubmissionGraded {
        submission,
        grade: shows.score.then_some(graded.grade),
        max_grade: graded.max_grade,
        is_passed: graded.is_passed,
    };
    learner.record(event, cause)
}

/// What follows from a graded try: the unit that is done, the quest that it may complete, and all that this
/// or the score opens. Writes the events.
///
/// # Errors
/// The database's.
pub async fn follow_up(
    connection: &mut PgConnection,
    learner: &mut Locked,
    origin: &Origin,
    loaded: &mut Loaded,
    graded: GradedTry,
    is_newly_done: bool,
) -> Result<Settled, sqlx::Error> {
    if is_newly_done {
        loaded.assessments.passed += 1;
    }
    if is_newly_done || graded.is_named {
        loaded.graded = Some(graded);
        return settle(connection, learner, origin, loaded, None).await;
    }
    enqueue(connection, learner, origin).await?;
    Ok(Settled::default())
}
