//! The units of a quest: what activation needs, and what an edit of them sets off.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::QuestId;
use crate::quests::model::{Quest, Refusal};

struct Units {
    count: i64,
    /// Number of a Coding step without criteria: nothing could complete it.
    ungraded: Option<i32>,
}

impl Units {
    async fn of(connection: &mut PgConnection, quest: QuestId) -> Result<Self, sqlx::Error> {
        sqlx::query_as!(
            Self,
            r#"SELECT (SELECT count(*) FROM quest_steps WHERE quest_id = $1 AND retired_at IS NULL AND NOT is_optional)
                    + (SELECT count(*) FROM quest_assessments WHERE quest_id = $1 AND retired_at IS NULL) AS "count!",
                      (SELECT min(step_number) FROM quest_steps WHERE quest_id = $1 AND retired_at IS NULL
                           AND step_type = 'Coding' AND validation_criteria IS NULL) AS ungraded"#,
            quest.0
        )
        .fetch_one(connection)
        .await
    }

    fn check_graded(&self) -> Result<(), Refusal> {
        self.ungraded.map_or(Ok(()), |step| {
            let why = format!("Coding step {step} needs validationCriteria: only a grader completes it");
            Err(Refusal::NotActivatable(why))
        })
    }
}

/// Activation needs a mandatory step or an assessment, and criteria on every Coding step.
pub(super) async fn check_activation(connection: &mut PgConnection, quest: QuestId) -> Result<(), Refusal> {
    let units = Units::of(connection, quest).await?;
    if units.count == 0 {
        return Err(Refusal::NotActivatable("add a mandatory step or an assessment first".to_owned()));
    }
    units.check_graded()
}

/// After an edit of units: an active quest must still hold, and open attempts are computed anew,
/// by the background job and at once for whoever calls meanwhile.
pub async fn changed(connection: &mut PgConnection, quest: &Quest) -> Result<(), Refusal> {
    if quest.is_active {
        let units = Units::of(connection, quest.id).await?;
        if units.count == 0 {
            return Err(Refusal::LastUnit);
        }
        units.check_graded()?;
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

/// Those of these assessments that learners have tried: a try that runs, or a draft, is one too.
///
/// # Errors
/// The database's.
pub async fn tried_assessments(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM quest_assessments AS assessment
         WHERE id = ANY($1) AND (EXISTS (SELECT FROM quest_submissions WHERE assessment_id = assessment.id)
                                 OR EXISTS (SELECT FROM assessment_progress WHERE assessment_id = assessment.id))",
        ids
    )
    .fetch_all(connection)
    .await
}
