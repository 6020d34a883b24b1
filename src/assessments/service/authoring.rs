//! Assessments as authors write them, and as they are listed with where a learner stands.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::allocate::ask;
use crate::assessments::model::{Assessment, AssessmentInput, AssessmentType, Listed, Progress, Refusal, Tried};
use crate::audit;
use crate::config::ContentLimits;
use crate::criteria::PassingCriteria;
use crate::evidence;
use crate::ids::{AssessmentId, AttemptId, LearnerId, QuestId};
use crate::origin::Origin;
use crate::quests::model::Quest;
use crate::quests::service::{lock_assessments, tried_assessments, units_changed};

/// Reads assessments with where a learner stands; `$where` names the rows, `$1` is the quest, `$2` the learner.
macro_rules! select_assessments {
    ($connection:expr, $where:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            r#"/* assessments:read */
               SELECT assessment.id AS "id: AssessmentId", assessment.quest_id AS "quest_id: QuestId", assessment.key,
                      assessment.assessment_type AS "assessment_type: AssessmentType", assessment.configuration,
                      assessment.passing_criteria, assessment.retired_at, assessment.created_at, assessment.updated_at,
                      attempt.id AS "attempt_id?: AttemptId", progress.passed_at AS "passed_at?",
                      progress.extra_tries AS "extra_tries?", progress.try_started_at AS "try_started_at?",
                      progress.try_due_at AS "try_due_at?", progress.try_ends_at AS "try_ends_at?",
                      progress.try_item_ids AS "try_item_ids?", progress.draft AS "draft?",
                      coalesce((SELECT jsonb_agg(jsonb_build_object('attemptNumber', attempt_number, 'status', status,
                                                     'submittedAt', submitted_at, 'takenAt', coalesce(taken_at, submitted_at),
                                                     'isPassed', is_passed, 'percent', (percent * late_percent * 0.01)::text)
                                                     ORDER BY attempt_number)
                                FROM quest_submissions
                                WHERE attempt_id = attempt.id AND assessment_id = assessment.id), '[]')
                          AS "tries!: Json<Vec<Tried>>"
               FROM quest_assessments AS assessment
               LEFT JOIN user_quest_attempts AS attempt
                   ON attempt.quest_id = assessment.quest_id AND attempt.auth_user_id = $2
               LEFT JOIN assessment_progress AS progress
                   ON progress.attempt_id = attempt.id AND progress.assessment_id = assessment.id
               WHERE assessment.quest_id = $1 AND "# + $where,
            $($argument),+
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .map(|row| Listed {
            assessment: Assessment {
                id: row.id,
                quest_id: row.quest_id,
                key: row.key,
                assessment_type: row.assessment_type,
                configuration: Some(row.configuration),
                passing_criteria: Some(row.passing_criteria),
                task: None,
                passing: None,
                my: None,
                retired_at: row.retired_at,
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
            attempt: row.attempt_id,
            progress: Progress::new(
                row.passed_at, row.extra_tries, (row.try_started_at, row.try_due_at, row.try_ends_at), row.try_item_ids, row.draft,
            ),
            tries: row.tries.0,
        })
    };
}

/// Assessments that are not retired, in the order in which they were made; one statement.
///
/// # Errors
/// The database's.
pub async fn list_assessments(
    connection: &mut PgConnection,
    quest: QuestId,
    learner: LearnerId,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Listed>, sqlx::Error> {
    let (created, id) = after.unzip();
    Ok(select_assessments!(
        connection,
        "assessment.retired_at IS NULL
           AND (assessment.created_at, assessment.id) > (coalesce($3::timestamptz, '-infinity'), coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
         ORDER BY assessment.created_at, assessment.id LIMIT $5",
        quest.0,
        learner.0,
        created,
        id,
        limit
    )
    .collect())
}

/// One assessment, a retired one too.
///
/// # Errors
/// When the quest has no such assessment.
pub async fn get_assessment(
    connection: &mut PgConnection,
    quest: QuestId,
    id: AssessmentId,
    learner: LearnerId,
) -> Result<Listed, Refusal> {
    select_assessments!(connection, "assessment.id = $3", quest.0, learner.0, id.0)
        .next()
        .ok_or(Refusal::NotFound("assessment"))
}

/// Adds an assessment to a locked quest.
///
/// # Errors
/// When there are too many, or the key is taken.
pub async fn create_assessment(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    (id, kind): (AssessmentId, AssessmentType),
    input: &AssessmentInput,
    limits: &ContentLimits,
) -> Result<Listed, Refusal> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM quest_assessments WHERE quest_id = $1 AND retired_at IS NULL"#,
        quest.id.0
    )
    .fetch_one(&mut *connection)
    .await?;
    if usize::try_from(count).is_ok_and(|count| count >= limits.max_assessments) {
        return Err(Refusal::Invalid("", format!("a quest has at most {} assessments", limits.max_assessments)));
    }
    sqlx::query!(
        "INSERT INTO quest_assessments (id, quest_id, key, assessment_type, configuration, passing_criteria)
         VALUES ($1, $2, $3, $4, $5, $6)",
        id.0,
        quest.id.0,
        input.key.clone().unwrap_or_else(|| id.to_string()),
        kind as AssessmentType,
        input.configuration,
        passing(input),
    )
    .execute(&mut *connection)
    .await?;
    units_changed(connection, quest).await?;
    evidence::recall(connection, &[id.0]).await?;
    let details = json!({ "questId": quest.id, "after": input });
    audit::note(connection, origin, "create", "assessment", id.0, details).await?;
    get_assessment(connection, quest.id, id, LearnerId(origin.actor)).await
}

/// Changes an assessment of a locked quest. Grades that were given stay until somebody regrades.
///
/// # Errors
/// When learners have tried it and its type would change, it is retired, or the key is taken.
pub async fn update_assessment(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    current: &Assessment,
    (kind, input): (AssessmentType, &AssessmentInput),
) -> Result<Listed, Refusal> {
    if current.retired_at.is_some() {
        return Err(Refusal::InUse("the assessment is retired and stays as it was"));
    }
    if kind != current.assessment_type && is_tried(connection, current.id).await? {
        return Err(Refusal::InUse("learners have tried this assessment; its type stays"));
    }
    sqlx::query!(
        "UPDATE quest_assessments SET key = $2, assessment_type = $3, configuration = $4, passing_criteria = $5 WHERE id = $1",
        current.id.0,
        input.key.clone().unwrap_or_else(|| current.id.to_string()),
        kind as AssessmentType,
        input.configuration,
        passing(input),
    )
    .execute(&mut *connection)
    .await?;
    if kind == AssessmentType::PeerReview {
        // Work may need more reviews now, or have enough.
        ask(connection, current.id, origin.clock.now()).await?;
    }
    evidence::recall(connection, &[current.id.0]).await?;
    let details = json!({ "questId": quest.id, "before": current.input(), "after": input });
    audit::note(connection, origin, "update", "assessment", current.id.0, details).await?;
    get_assessment(connection, quest.id, current.id, LearnerId(origin.actor)).await
}

/// Takes an assessment out of the quest without taking away what learners did: it is no unit any more.
///
/// # Errors
/// When it is the last unit of an active quest.
pub async fn retire_assessment(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    assessment: &Assessment,
) -> Result<Listed, Refusal> {
    if assessment.retired_at.is_none() {
        sqlx::query!("UPDATE quest_assessments SET retired_at = $2 WHERE id = $1", assessment.id.0, origin.clock.now())
            .execute(&mut *connection)
            .await?;
        units_changed(connection, quest).await?;
        let details = json!({ "questId": quest.id });
        audit::note(connection, origin, "retire", "assessment", assessment.id.0, details).await?;
    }
    get_assessment(connection, quest.id, assessment.id, LearnerId(origin.actor)).await
}

/// Deletes an assessment of a locked quest that nobody has tried.
///
/// # Errors
/// When somebody has: retire it then.
pub async fn delete_assessment(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    assessment: &Assessment,
) -> Result<(), Refusal> {
    if is_tried(connection, assessment.id).await? {
        return Err(Refusal::InUse("learners have tried this assessment; retire it instead"));
    }
    sqlx::query!("DELETE FROM quest_assessments WHERE id = $1", assessment.id.0).execute(&mut *connection).await?;
    units_changed(connection, quest).await?;
    let details = json!({ "questId": quest.id, "before": assessment.input() });
    audit::note(connection, origin, "delete", "assessment", assessment.id.0, details).await?;
    Ok(())
}

/// Whether learners have tried it; nobody can begin to until the transaction ends.
async fn is_tried(connection: &mut PgConnection, id: AssessmentId) -> Result<bool, sqlx::Error> {
    lock_assessments(connection, &[id.0]).await?;
    Ok(!tried_assessments(connection, &[id.0]).await?.is_empty())
}

fn passing(input: &AssessmentInput) -> Value {
    input.passing_criteria.clone().unwrap_or_else(PassingCriteria::default_document)
}
