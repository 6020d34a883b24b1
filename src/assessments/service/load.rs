//! Reading: where a learner stands with one assessment, and submissions with all that decides about them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::assessments::model::{
    AssessmentType, Decision, Grading, Progress, Refusal, ReviewOfPeer, RubricScore, Rules, Status, Submission,
    Submitted, Tried,
};
use crate::ids::{AssessmentId, AttemptId, LearnerId, QuestId, SubmissionId};

/// One assessment of an attempt, with all that decides about a try.
#[derive(Debug)]
pub struct Standing {
    pub id: AssessmentId,
    pub is_retired: bool,
    pub rules: Rules,
    pub progress: Progress,
    pub tries: Vec<Tried>,
    /// Criteria of some path look at scores in this quest.
    pub is_named: bool,
}

/// Loads where an attempt stands with an assessment of its quest, in the transaction that works on it; one
/// statement. The lock keeps an assessment that is tried from becoming another meanwhile; ordinary edits go on.
///
/// # Errors
/// When the attempt's quest has no such assessment.
pub async fn standing(
    connection: &mut PgConnection,
    attempt: AttemptId,
    id: AssessmentId,
) -> Result<Standing, Refusal> {
    let row = sqlx::query!(
        r#"/* assessments:standing */
           SELECT assessment.configuration, assessment.passing_criteria, assessment.retired_at IS NOT NULL AS "is_retired!",
                  progress.passed_at AS "passed_at?", progress.extra_tries AS "extra_tries?",
                  progress.try_started_at AS "try_started_at?", progress.try_due_at AS "try_due_at?",
                  progress.try_ends_at AS "try_ends_at?", progress.try_item_ids AS "try_item_ids?", progress.draft AS "draft?",
                  coalesce((SELECT jsonb_agg(jsonb_build_object('attemptNumber', attempt_number, 'status', status,
                                                 'submittedAt', submitted_at, 'takenAt', coalesce(taken_at, submitted_at),
                                                 'isPassed', is_passed, 'percent', (percent * late_percent * 0.01)::text)
                                                     ORDER BY attempt_number)
                            FROM quest_submissions WHERE attempt_id = attempt.id AND assessment_id = assessment.id), '[]')
                      AS "tries!: Json<Vec<Tried>>",
                  EXISTS (SELECT FROM learning_path_quests WHERE unlock_refs && ARRAY[assessment.id, assessment.quest_id])
                      AS "is_named!"
           FROM user_quest_attempts AS attempt
           JOIN quest_assessments AS assessment ON assessment.quest_id = attempt.quest_id
           LEFT JOIN assessment_progress AS progress
               ON progress.attempt_id = attempt.id AND progress.assessment_id = assessment.id
           WHERE attempt.id = $1 AND assessment.id = $2
           FOR KEY SHARE OF assessment"#,
        attempt.0,
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Refusal::NotFound("assessment"))?;
    Ok(Standing {
        id,
        is_retired: row.is_retired,
        rules: Rules::read(id, &row.configuration, &row.passing_criteria)?,
        progress: Progress::new(
            row.passed_at,
            row.extra_tries,
            (row.try_started_at, row.try_due_at, row.try_ends_at),
            row.try_item_ids,
            row.draft,
        ),
        tries: row.tries.0,
        is_named: row.is_named,
    })
}

/// Reads submissions; `$where` says which.
macro_rules! select_submissions {
    ($connection:expr, $($where:literal)+, $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            r#"/* submissions:read */
               SELECT submission.id AS "id: SubmissionId", submission.attempt_id AS "attempt_id: AttemptId",
                      submission.assessment_id AS "assessment_id: AssessmentId", submission.attempt_number,
                      submission.status AS "status: Status", submission.submitted_at, submission.started_at,
                      submission.is_auto_submitted, submission.submission_data, submission.item_ids, submission.result,
                      submission.rubric AS "rubric: Json<BTreeMap<String, RubricScore>>",
                      submission.decision AS "decision: Decision", submission.percent, submission.late_percent,
                      submission.grade, submission.max_grade, submission.is_passed, submission.graded_at, submission.graded_by,
                      submission.feedback, attempt.auth_user_id, quest.id AS "quest_id: QuestId", quest.title AS quest_title,
                      quest.created_by, assessment.key, assessment.assessment_type AS "assessment_type: AssessmentType",
                      assessment.configuration, assessment.passing_criteria, assessment.retired_at IS NOT NULL AS "is_retired!",
                      progress.passed_at AS "passed_at?", progress.extra_tries AS "extra_tries?",
                      (SELECT jsonb_agg(jsonb_build_object('attemptNumber', attempt_number, 'status', status,
                                            'submittedAt', submitted_at, 'takenAt', coalesce(taken_at, submitted_at),
                                            'isPassed', is_passed, 'percent', (percent * late_percent * 0.01)::text)
                                                     ORDER BY attempt_number)
                       FROM quest_submissions
                       WHERE attempt_id = submission.attempt_id AND assessment_id = submission.assessment_id)
                          AS "tries!: Json<Vec<Tried>>",
                      coalesce((SELECT jsonb_agg(jsonb_build_object('gradedAt', graded_at, 'how', how, 'graderId', grader_id,
                                                     'grade', grade, 'maxGrade', max_grade, 'isPassed', is_passed,
                                                     'decision', decision, 'rubric', rubric, 'feedback', feedback)
                                                 ORDER BY position)
                                FROM submission_grades WHERE submission_id = submission.id), '[]')
                          AS "history!: Json<Vec<Grading>>",
                      coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'reviewerId', reviewer_id,
                                                     'submittedAt', submitted_at, 'percent', percent::text, 'rubric', rubric,
                                                     'comment', comment) ORDER BY submitted_at, id)
                                FROM peer_reviews WHERE submission_id = submission.id AND status = 'done'), '[]')
                          AS "reviews!: Json<Vec<ReviewOfPeer>>"
               FROM quest_submissions AS submission
               JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
               JOIN quests AS quest ON quest.id = attempt.quest_id
               JOIN quest_assessments AS assessment ON assessment.id = submission.assessment_id
               LEFT JOIN assessment_progress AS progress
                   ON progress.attempt_id = submission.attempt_id AND progress.assessment_id = submission.assessment_id
               WHERE "# $(+ $where)+,
            $($argument),+
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .map(|row| Submitted {
            submission: Submission {
                id: row.id,
                attempt_id: row.attempt_id,
                assessment_id: row.assessment_id,
                attempt_number: row.attempt_number,
                status: row.status,
                submitted_at: row.submitted_at,
                started_at: row.started_at,
                is_auto_submitted: row.is_auto_submitted,
                submission_data: row.submission_data,
                grade: row.grade,
                max_grade: row.max_grade,
                is_passed: row.is_passed,
                graded_at: row.graded_at,
                late_penalty_percent: rust_decimal::Decimal::ONE_HUNDRED - row.late_percent,
                feedback: row.feedback,
                rubric: row.rubric.map(|rubric| rubric.0),
                peer_reviews: Vec::new(),
                items: None,
            },
            auth_user_id: row.auth_user_id,
            quest_id: row.quest_id,
            quest_title: row.quest_title,
            quest_created_by: row.created_by,
            assessment_key: row.key,
            assessment_type: row.assessment_type,
            configuration: row.configuration,
            passing_criteria: row.passing_criteria,
            item_ids: row.item_ids.unwrap_or_default(),
            result: row.result,
            decision: row.decision,
            percent: row.percent,
            late_percent: row.late_percent,
            graded_by: row.graded_by,
            is_retired: row.is_retired,
            passed_at: row.passed_at,
            extra_tries: row.extra_tries.and_then(|extra| u32::try_from(extra).ok()).unwrap_or_default(),
            tries: row.tries.0,
            reviews: row.reviews.0,
            history: row.history.0,
        })
    };
}

/// One submission.
///
/// # Errors
/// When there is none.
pub async fn get_submission(connection: &mut PgConnection, id: SubmissionId) -> Result<Submitted, Refusal> {
    select_submissions!(connection, "submission.id = $1", id.0).next().ok_or(Refusal::NotFound("submission"))
}

/// Several submissions, in no order.
///
/// # Errors
/// The database's.
pub async fn get_submissions(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Submitted>, sqlx::Error> {
    Ok(select_submissions!(connection, "submission.id = ANY($1)", ids).collect())
}

/// A learner's submissions in an attempt, newest first; one statement.
///
/// # Errors
/// The database's.
pub async fn list_own_submissions(
    connection: &mut PgConnection,
    learner: LearnerId,
    attempt: AttemptId,
    assessment: Option<AssessmentId>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Submitted>, sqlx::Error> {
    let (submitted, id) = after.unzip();
    Ok(select_submissions!(
        connection,
        "attempt.id = $1 AND attempt.auth_user_id = $2 AND ($3::uuid IS NULL OR submission.assessment_id = $3)
           AND (submission.submitted_at, submission.id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
         ORDER BY submission.submitted_at DESC, submission.id DESC LIMIT $6",
        attempt.0,
        learner.0,
        assessment.map(|assessment| assessment.0),
        submitted,
        id,
        limit
    )
    .collect())
}

/// What the grading queue is filtered by.
#[derive(Debug, Clone, Copy)]
pub struct QueueFilter {
    pub status: Status,
    pub quest: Option<QuestId>,
    pub assessment: Option<AssessmentId>,
    pub kind: Option<AssessmentType>,
    pub learner: Option<Uuid>,
    /// Only what is assigned to this author.
    pub assigned_to: Option<Uuid>,
}

/// A page of submissions of one status, those that wait longest first; without the reader's own. Work of an
/// abandoned attempt, or of a retired assessment, waits for nobody. One statement.
///
/// # Errors
/// The database's.
pub async fn list_queue(
    connection: &mut PgConnection,
    reader: Uuid,
    filter: &QueueFilter,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Submitted>, sqlx::Error> {
    let (submitted, id) = after.unzip();
    // A statement for each filter with an index of its own. The others are CASEs, so that the planner does not take them
    // for rare.
    macro_rules! page {
        ($narrow:literal) => {
            select_submissions!(
        connection,
        $narrow
        " AND submission.status = $1 AND attempt.auth_user_id <> $2
           AND (submission.status <> 'awaitingGrade' OR (assessment.retired_at IS NULL AND attempt.status <> 'Abandoned'))
           AND CASE WHEN $3::uuid IS NULL THEN TRUE ELSE quest.id = $3 END
           AND CASE WHEN $4::uuid IS NULL THEN TRUE ELSE assessment.id = $4 END
           AND CASE WHEN $5::assessment_type IS NULL THEN TRUE ELSE assessment.assessment_type = $5 END
           AND CASE WHEN $6::uuid IS NULL THEN TRUE ELSE attempt.auth_user_id = $6 END
           AND CASE WHEN $7::uuid IS NULL THEN TRUE ELSE assessment.configuration ->> 'assign' = 'author' AND quest.created_by = $7 END
           AND (submission.submitted_at, submission.id) > (coalesce($8::timestamptz, '-infinity'), coalesce($9::uuid, '00000000-0000-0000-0000-000000000000'))
         ORDER BY submission.submitted_at, submission.id LIMIT $10",
        filter.status.as_str(),
        reader,
        filter.quest.map(|quest| quest.0),
        filter.assessment.map(|assessment| assessment.0),
        filter.kind as Option<AssessmentType>,
        filter.learner,
        filter.assigned_to,
        submitted,
        id,
        limit
            )
            .collect()
        };
    }
    Ok(match filter {
        QueueFilter { learner: Some(_), .. } => page!("attempt.auth_user_id = $6"),
        QueueFilter { assessment: Some(_), .. } => page!("submission.assessment_id = $4"),
        QueueFilter { quest: Some(_), .. } => page!("assessment.quest_id = $3"),
        _ => page!("TRUE"),
    })
}

/// Whose submission it is.
///
/// # Errors
/// When there is none.
pub async fn owner(connection: &mut PgConnection, id: SubmissionId) -> Result<(LearnerId, AttemptId), Refusal> {
    let row = sqlx::query!(
        r#"SELECT attempt.auth_user_id AS "learner: LearnerId", attempt.id AS "attempt: AttemptId"
           FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
           WHERE submission.id = $1"#,
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Refusal::NotFound("submission"))?;
    Ok((row.learner, row.attempt))
}

/// An attempt as far as reading its submissions has to know it.
#[derive(Debug, Clone, Copy)]
pub struct OwnAttempt {
    /// A timed try has run out, and waits to be handed in; or results from outside wait for what is open now.
    pub has_run_out: bool,
}

/// Looks for a learner's attempt; one statement.
///
/// # Errors
/// When it is not the learner's.
pub async fn own_attempt(
    connection: &mut PgConnection,
    learner: LearnerId,
    attempt: AttemptId,
    now: DateTime<Utc>,
) -> Result<OwnAttempt, Refusal> {
    sqlx::query_as!(
        OwnAttempt,
        r#"SELECT EXISTS (SELECT FROM assessment_progress WHERE attempt_id = $1 AND try_ends_at < $3)
                      OR EXISTS (SELECT FROM assessment_wakeups WHERE attempt_id = $1 AND due_at <= $3) AS "has_run_out!"
           FROM user_quest_attempts WHERE id = $1 AND auth_user_id = $2"#,
        attempt.0,
        learner.0,
        now
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Refusal::NotFound("attempt"))
}

/// A page of graded submissions of an assessment, in the order in which they came in; one statement.
///
/// # Errors
/// The database's.
pub async fn list_graded(
    connection: &mut PgConnection,
    assessment: AssessmentId,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Submitted>, sqlx::Error> {
    let (submitted, id) = after.unzip();
    Ok(select_submissions!(
        connection,
        "submission.assessment_id = $1 AND submission.status = 'graded'
           AND (submission.submitted_at, submission.id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
         ORDER BY submission.submitted_at, submission.id LIMIT $4",
        assessment.0,
        submitted,
        id,
        limit
    )
    .collect())
}
