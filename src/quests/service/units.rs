//! The units of a quest: what activation needs, and what an edit of them sets off.

use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::criteria::{Observed, ValidationCriteria};
use crate::ids::QuestId;
use crate::quests::model::{Quest, Refusal, StepType};

async fn count(connection: &mut PgConnection, quest: QuestId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM quest_steps WHERE quest_id = $1 AND retired_at IS NULL AND NOT is_optional)
                + (SELECT count(*) FROM quest_assessments WHERE quest_id = $1 AND retired_at IS NULL) AS "count!""#,
        quest.0
    )
    .fetch_one(connection)
    .await
}

/// What learners work on can be completed, and not by their word alone where the service can tell: a Coding
/// step has criteria, for only a grader completes it, and a Video of which a share is to be watched has a length.
pub(super) async fn check_steps(connection: &mut PgConnection, quest: QuestId) -> Result<(), Refusal> {
    let steps = sqlx::query!(
        r#"SELECT step_number, step_type AS "step_type: StepType", content, validation_criteria
           FROM quest_steps
           WHERE quest_id = $1 AND retired_at IS NULL AND step_type IN ('Coding', 'Video') ORDER BY step_number"#,
        quest.0
    )
    .fetch_all(connection)
    .await?;
    for step in steps {
        let why = match (step.step_type, step.validation_criteria) {
            (StepType::Coding, None) => "needs validationCriteria: only a grader completes it",
            (StepType::Video, Some(criteria)) if asks_for_share(&criteria) && !has_length(step.content.as_ref()) => {
                "asks for a share of the video: its content needs durationSeconds, a number above 0"
            }
            _ => continue,
        };
        let step_type = step.step_type.as_str();
        return Err(Refusal::NotActivatable(format!("{step_type} step {} {why}", step.step_number)));
    }
    Ok(())
}

fn asks_for_share(criteria: &Value) -> bool {
    matches!(ValidationCriteria::parse(criteria),
             Ok(ValidationCriteria::Video(video)) if video.min_watched_percent > Decimal::ZERO)
}

fn has_length(content: Option<&Value>) -> bool {
    content.and_then(Observed::video_duration).is_some()
}

/// Activation needs a mandatory step or an assessment, and steps that can be checked.
pub(super) async fn check_activation(connection: &mut PgConnection, quest: QuestId) -> Result<(), Refusal> {
    if count(connection, quest).await? == 0 {
        return Err(Refusal::NotActivatable("add a mandatory step or an assessment first".to_owned()));
    }
    check_steps(connection, quest).await
}

/// After an edit of units: an active quest must still hold, and open attempts are computed anew,
/// by the background job and at once for whoever calls meanwhile.
pub async fn changed(connection: &mut PgConnection, quest: &Quest) -> Result<(), Refusal> {
    if quest.is_active {
        if count(connection, quest.id).await? == 0 {
            return Err(Refusal::LastUnit);
        }
        check_steps(connection, quest.id).await?;
    }
    sqlx::query!(
        "WITH edited AS (UPDATE quests SET units_version = units_version + 1 WHERE id = $1)
         INSERT INTO unit_recomputes (quest_id) SELECT $1
         WHERE EXISTS (SELECT FROM user_quest_attempts WHERE quest_id = $1 AND status IN ('InProgress', 'Paused'))
         ON CONFLICT (quest_id) DO UPDATE SET requested_at = now()",
        quest.id.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks assessments against tries: a learner who tries one of them meanwhile waits, and then reads what it
/// has become. A statement of its own: what follows must see what was committed while this one waited.
///
/// # Errors
/// The database's.
pub async fn lock_assessments(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM quest_assessments WHERE id = ANY($1) ORDER BY id FOR UPDATE", ids)
        .fetch_all(connection)
        .await?;
    Ok(())
}

/// Those of these assessments that learners have tried: a try that runs, or a draft, is one too; a look is not.
///
/// # Errors
/// The database's.
pub async fn tried_assessments(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM quest_assessments AS assessment
         WHERE id = ANY($1) AND (EXISTS (SELECT FROM quest_submissions WHERE assessment_id = assessment.id)
                                 OR EXISTS (SELECT FROM assessment_progress
                                            WHERE assessment_id = assessment.id
                                              AND (try_started_at IS NOT NULL OR draft IS NOT NULL OR passed_at IS NOT NULL
                                                   OR extra_tries > 0)))",
        ids
    )
    .fetch_all(connection)
    .await
}
