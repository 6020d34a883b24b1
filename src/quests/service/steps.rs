//! Steps of a quest: their order, and what may happen to one that learners have worked on.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{paths, units};
use crate::audit;
use crate::config::ContentLimits;
use crate::ids::{QuestId, StepId};
use crate::origin::Origin;
use crate::quests::model::{Quest, Refusal, Step, StepInput, StepType};

/// The columns of [`Step`]; `$where` names its rows.
macro_rules! select_steps {
    ($where:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Step,
            r#"SELECT id AS "id: StepId", key, quest_id AS "quest_id: QuestId", step_number, title, description,
                      step_type AS "step_type: StepType", content, validation_criteria, NULL::jsonb AS task,
                      experience_points, is_optional, retired_at, created_at, updated_at
               FROM quest_steps "# + $where,
            $($argument),+
        )
    };
}

/// Steps that are not retired, after a number; one statement.
///
/// # Errors
/// The database's.
pub async fn list_steps(
    connection: &mut PgConnection,
    quest: QuestId,
    after: i32,
    limit: i64,
) -> Result<Vec<Step>, sqlx::Error> {
    select_steps!(
        "WHERE quest_id = $1 AND step_number > $2 AND retired_at IS NULL ORDER BY step_number LIMIT $3",
        quest.0,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}

/// One step, a retired one too.
///
/// # Errors
/// When the quest has no such step.
pub async fn get_step(connection: &mut PgConnection, quest: QuestId, id: StepId) -> Result<Step, Refusal> {
    select_steps!("WHERE quest_id = $1 AND id = $2", quest.0, id.0)
        .fetch_optional(connection)
        .await?
        .ok_or(Refusal::NotFound("step"))
}

/// Adds a step to a locked quest, at the end or at a number; later ones move up.
///
/// # Errors
/// When there are too many, or the number is beyond the end.
pub async fn create_step(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    input: &StepInput,
    limits: &ContentLimits,
) -> Result<Step, Refusal> {
    if quest.step_count >= limits.max_steps {
        return Err(Refusal::Invalid("", format!("a quest has at most {} steps", limits.max_steps)));
    }
    let end = i32::try_from(quest.step_count).unwrap_or(i32::MAX).saturating_add(1);
    let number = input.step_number.unwrap_or(end);
    if !(1..=end).contains(&number) {
        return Err(Refusal::Invalid("/stepNumber", format!("must be 1 to {end}")));
    }
    if number < end {
        sqlx::query!(
            "UPDATE quest_steps SET step_number = step_number + 1 WHERE quest_id = $1 AND step_number >= $2 AND retired_at IS NULL",
            quest.id.0,
            number
        )
        .execute(&mut *connection)
        .await?;
    }
    let id = StepId::generate();
    sqlx::query!(
        "INSERT INTO quest_steps (id, quest_id, step_number, title, description, step_type, content, validation_criteria,
                                  experience_points, is_optional, key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id.0,
        quest.id.0,
        number,
        input.title,
        input.description,
        input.step_type as StepType,
        input.content,
        input.validation_criteria,
        input.experience_points,
        input.is_optional,
        input.key.clone().unwrap_or_else(|| id.to_string()),
    )
    .execute(&mut *connection)
    .await?;
    units::changed(connection, quest).await?;
    if input.experience_points != 0 {
        paths::refresh_paths_of(connection, quest.id).await?;
    }
    audit::note(connection, origin, "create", "step", id.0, json!({ "questId": quest.id, "after": input })).await?;
    get_step(connection, quest.id, id).await
}

/// Changes a step of a locked quest.
///
/// # Errors
/// When learners have worked on it and its type would change, or it is retired.
pub async fn update_step(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    current: &Step,
    input: &StepInput,
) -> Result<Step, Refusal> {
    if current.retired_at.is_some() {
        return Err(Refusal::InUse("the step is retired and stays as it was"));
    }
    if input.step_type != current.step_type && has_history(connection, current.id).await? {
        return Err(Refusal::InUse("learners have worked on this step; its type stays"));
    }
    sqlx::query!(
        "UPDATE quest_steps SET title = $2, description = $3, step_type = $4, content = $5, validation_criteria = $6,
                                experience_points = $7, is_optional = $8, key = $9
         WHERE id = $1",
        current.id.0,
        input.title,
        input.description,
        input.step_type as StepType,
        input.content,
        input.validation_criteria,
        input.experience_points,
        input.is_optional,
        input.key.clone().unwrap_or_else(|| current.id.to_string()),
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "questId": quest.id, "before": current.input(), "after": input });
    if let Some(number) = input.step_number.filter(|number| *number != current.step_number) {
        let mut order = step_ids(connection, quest.id).await?;
        let end = order.len();
        let place = usize::try_from(number).ok().filter(|number| (1..=end).contains(number));
        let place = place.ok_or_else(|| Refusal::Invalid("/stepNumber", format!("must be 1 to {end}")))?;
        order.retain(|id| *id != current.id.0);
        order.insert(place - 1, current.id.0);
        renumber(connection, quest.id, &order).await?;
    }
    let touches_units = input.is_optional != current.is_optional
        || input.step_type != current.step_type
        || input.step_number != Some(current.step_number)
        || input.validation_criteria.is_none() != current.validation_criteria.is_none()
        // Results from outside may wait for what the criteria name now.
        || (matches!(input.step_type, StepType::Coding | StepType::Discussion)
            && input.validation_criteria != current.validation_criteria);
    if touches_units {
        units::changed(connection, quest).await?;
    } else if quest.is_active {
        units::check_steps(connection, quest.id).await?;
    }
    if input.experience_points != current.experience_points {
        paths::refresh_paths_of(connection, quest.id).await?;
    }
    audit::note(connection, origin, "update", "step", current.id.0, details).await?;
    get_step(connection, quest.id, current.id).await
}

/// Puts the steps of a locked quest in an order, in one statement.
///
/// # Errors
/// When the ids are not exactly those of the steps.
pub async fn order_steps(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    order: &[Uuid],
) -> Result<(), Refusal> {
    let before = step_ids(connection, quest.id).await?;
    if !same_members(&before, order) {
        return Err(Refusal::Invalid("/stepIds", "must name every step that is not retired, each once".to_owned()));
    }
    renumber(connection, quest.id, order).await?;
    units::changed(connection, quest).await?;
    let details = json!({ "before": before, "after": order });
    audit::note(connection, origin, "order steps", "quest", quest.id.0, details).await?;
    Ok(())
}

/// Takes a step out of the quest without taking away what learners did: it is no unit any more.
///
/// # Errors
/// When it is the last unit of an active quest.
pub async fn retire_step(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    step: &Step,
) -> Result<Step, Refusal> {
    if step.retired_at.is_none() {
        let now: DateTime<Utc> = origin.clock.now();
        sqlx::query!(
            "UPDATE quest_steps SET retired_at = $3,
                 step_number = (SELECT least(min(step_number), 0) - 1 FROM quest_steps WHERE quest_id = $1)
             WHERE id = $2",
            quest.id.0,
            step.id.0,
            now
        )
        .execute(&mut *connection)
        .await?;
        close_gap(connection, quest.id).await?;
        units::changed(connection, quest).await?;
        if step.experience_points != 0 {
            paths::refresh_paths_of(connection, quest.id).await?;
        }
        audit::note(connection, origin, "retire", "step", step.id.0, json!({ "questId": quest.id })).await?;
    }
    get_step(connection, quest.id, step.id).await
}

/// Deletes a step of a locked quest that nobody has worked on.
///
/// # Errors
/// When somebody has: retire it then.
pub async fn delete_step(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    step: &Step,
) -> Result<(), Refusal> {
    // This lock makes a learner who begins the step now wait for the outcome: the foreign keys
    // of progress and attempts look at the row.
    sqlx::query!("SELECT 1 AS one FROM quest_steps WHERE id = $1 FOR UPDATE", step.id.0)
        .fetch_optional(&mut *connection)
        .await?;
    if has_history(connection, step.id).await? {
        return Err(Refusal::InUse("learners have worked on this step; retire it instead"));
    }
    sqlx::query!("DELETE FROM quest_steps WHERE id = $1", step.id.0).execute(&mut *connection).await?;
    close_gap(connection, quest.id).await?;
    units::changed(connection, quest).await?;
    if step.experience_points != 0 && step.retired_at.is_none() {
        paths::refresh_paths_of(connection, quest.id).await?;
    }
    let details = json!({ "questId": quest.id, "before": step.input() });
    audit::note(connection, origin, "delete", "step", step.id.0, details).await?;
    Ok(())
}

async fn has_history(connection: &mut PgConnection, step: StepId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM user_quest_step_progress WHERE step_id = $1)
               OR EXISTS (SELECT FROM user_quest_attempts WHERE current_step_id = $1) AS "used!""#,
        step.0
    )
    .fetch_one(connection)
    .await
}

async fn step_ids(connection: &mut PgConnection, quest: QuestId) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM quest_steps WHERE quest_id = $1 AND retired_at IS NULL ORDER BY step_number",
        quest.0
    )
    .fetch_all(connection)
    .await
}

async fn close_gap(connection: &mut PgConnection, quest: QuestId) -> Result<(), sqlx::Error> {
    let order = step_ids(connection, quest).await?;
    renumber(connection, quest, &order).await
}

async fn renumber(connection: &mut PgConnection, quest: QuestId, order: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE quest_steps AS step SET step_number = place.number
         FROM unnest($2::uuid[]) WITH ORDINALITY AS place (id, number)
         WHERE step.id = place.id AND step.quest_id = $1 AND step.step_number <> place.number",
        quest.0,
        order
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether both name the same ids, each once.
#[must_use]
pub fn same_members(have: &[Uuid], want: &[Uuid]) -> bool {
    let sorted = |ids: &[Uuid]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    sorted(have) == sorted(want)
}
