//! One quest: create, read, change, delete, clone.

use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{paths, units};
use crate::audit;
use crate::ids::QuestId;
use crate::origin::Origin;
use crate::quests::model::{DifficultyLevel, Quest, QuestInput, QuestType, Refusal};
use crate::rewards::SkillReward;
use crate::unlocks::reevaluate::{Touched, request};

/// Reads a quest; one statement.
///
/// # Errors
/// The database's.
pub async fn get_quest(connection: &mut PgConnection, id: QuestId) -> Result<Option<Quest>, sqlx::Error> {
    let quest = sqlx::query_as!(
        Quest,
        r#"/* quests:get */
           SELECT quest.id AS "id: QuestId", key, unresolved_prerequisites, title, description, quest_type AS "quest_type: QuestType",
                  difficulty_level AS "difficulty_level: DifficultyLevel", estimated_duration_minutes,
                  experience_points_reward, coalesce(skill_tags, '{}') AS "skill_tags!", subject_id, is_active,
                  created_by, created_at, updated_at,
                  coalesce((SELECT jsonb_agg(jsonb_build_object('skillTag', skill_tag, 'skillId', skill_id, 'points', points)
                                             ORDER BY display_order)
                            FROM quest_skill_rewards WHERE quest_id = quest.id), '[]')
                      AS "skill_rewards!: Json<Vec<SkillReward>>",
                  (SELECT count(*) FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL) AS "step_count!"
           FROM quests AS quest
           WHERE quest.id = $1"#,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(quest.map(Quest::with_effective_rewards))
}

/// Locks a quest for editing.
///
/// # Errors
/// When there is none.
pub async fn lock_quest(connection: &mut PgConnection, id: QuestId) -> Result<Quest, Refusal> {
    // A statement of its own: what follows must read what others committed while this one waited.
    // It holds off other edits and new attempts, not the foreign keys of those that look at the quest.
    sqlx::query_scalar!("SELECT 1 AS one FROM quests WHERE id = $1 FOR NO KEY UPDATE", id.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(Refusal::NotFound("quest"))?;
    get_quest(connection, id).await?.ok_or(Refusal::NotFound("quest"))
}

/// Creates a quest, inactive. `id` is a new one, or that of a curriculum file.
///
/// # Errors
/// The database's.
pub async fn create_quest(
    connection: &mut PgConnection,
    origin: &Origin,
    id: QuestId,
    input: &QuestInput,
) -> Result<Quest, Refusal> {
    sqlx::query!(
        "INSERT INTO quests (id, title, description, quest_type, difficulty_level, estimated_duration_minutes,
                             experience_points_reward, skill_tags, subject_id, is_active, created_by, key,
                             unresolved_prerequisites)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE, $10, $11, $12)",
        id.0,
        input.title,
        input.description,
        input.quest_type as QuestType,
        input.difficulty_level as DifficultyLevel,
        input.estimated_duration_minutes,
        input.experience_points_reward,
        &input.skill_tags,
        input.subject_id,
        origin.actor,
        input.key.clone().unwrap_or_else(|| id.to_string()),
        &input.unresolved_prerequisites,
    )
    .execute(&mut *connection)
    .await?;
    audit::note(connection, origin, "create", "quest", id.0, json!({ "after": input })).await?;
    get_quest(connection, id).await?.ok_or(Refusal::NotFound("quest"))
}

/// Changes a locked quest. Activation needs something to do, and steps that can be checked.
///
/// # Errors
/// When it cannot be active.
pub async fn update_quest(
    connection: &mut PgConnection,
    origin: &Origin,
    current: &Quest,
    input: &QuestInput,
) -> Result<Quest, Refusal> {
    if input.is_active && !current.is_active {
        units::check_activation(connection, current.id).await?;
    }
    sqlx::query!(
        "UPDATE quests SET title = $2, description = $3, quest_type = $4, difficulty_level = $5,
             estimated_duration_minutes = $6, experience_points_reward = $7, skill_tags = $8, subject_id = $9, is_active = $10,
             key = $11, unresolved_prerequisites = $12
         WHERE id = $1",
        current.id.0,
        input.title,
        input.description,
        input.quest_type as QuestType,
        input.difficulty_level as DifficultyLevel,
        input.estimated_duration_minutes,
        input.experience_points_reward,
        &input.skill_tags,
        input.subject_id,
        input.is_active,
        input.key.clone().unwrap_or_else(|| current.id.to_string()),
        &input.unresolved_prerequisites,
    )
    .execute(&mut *connection)
    .await?;
    if input.experience_points_reward != current.experience_points_reward {
        paths::refresh_paths_of(connection, current.id).await?;
    }
    let details = json!({ "before": current.input(), "after": input });
    audit::note(connection, origin, "update", "quest", current.id.0, details).await?;
    if input.is_active != current.is_active {
        request(connection, origin, Touched { quests: &[current.id.0], ..Touched::default() }).await?;
    }
    get_quest(connection, current.id).await?.ok_or(Refusal::NotFound("quest"))
}

/// Deletes a locked quest that nobody has history on.
///
/// # Errors
/// 409 `in_use` when somebody has; deactivate it then.
pub async fn delete_quest(connection: &mut PgConnection, origin: &Origin, quest: &Quest) -> Result<(), Refusal> {
    // This lock keeps foreign keys out as well.
    sqlx::query_scalar!("SELECT 1 AS one FROM quests WHERE id = $1 FOR UPDATE", quest.id.0)
        .fetch_optional(&mut *connection)
        .await?;
    let used = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM user_quest_attempts WHERE quest_id = $1)
               OR EXISTS (SELECT FROM quest_unlocks WHERE quest_id = $1)
               OR EXISTS (SELECT FROM user_learning_path_progress WHERE current_quest_id = $1) AS "used!""#,
        quest.id.0
    )
    .fetch_one(&mut *connection)
    .await?;
    if used {
        return Err(Refusal::InUse("learners have history on this quest; deactivate it instead"));
    }
    let paths = paths::lock_paths_of(connection, quest.id).await?;
    // They need it no more.
    let followers =
        sqlx::query_scalar!("SELECT quest_id FROM quest_prerequisites WHERE prerequisite_quest_id = $1", quest.id.0)
            .fetch_all(&mut *connection)
            .await?;
    sqlx::query!("DELETE FROM quests WHERE id = $1", quest.id.0).execute(&mut *connection).await?;
    paths::close_up(connection, &paths).await?;
    audit::note(connection, origin, "delete", "quest", quest.id.0, json!({ "before": quest.input() })).await?;
    request(connection, origin, Touched { quests: &followers, paths: &paths }).await?;
    Ok(())
}

/// Copies a quest with its steps, resources, prerequisites and rewards into a new draft.
///
/// # Errors
/// The database's.
pub async fn clone_quest(
    connection: &mut PgConnection,
    origin: &Origin,
    source: &Quest,
    title: &str,
) -> Result<Quest, Refusal> {
    let copy = create_quest(
        connection,
        origin,
        QuestId::generate(),
        &QuestInput { key: None, title: title.to_owned(), is_active: false, ..source.input() },
    )
    .await?;
    let (from, to) = (source.id.0, copy.id.0);
    let steps: i64 = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM quest_steps WHERE quest_id = $1 AND retired_at IS NULL"#,
        from
    )
    .fetch_one(&mut *connection)
    .await?;
    let ids: Vec<Uuid> = (0..steps).map(|_| Uuid::now_v7()).collect();
    sqlx::query!(
        "INSERT INTO quest_steps (id, quest_id, key, step_number, title, description, step_type, content, validation_criteria,
                                  experience_points, is_optional)
         SELECT ($3::uuid[])[row_number() OVER (ORDER BY step_number)], $2, key, step_number, title, description, step_type,
                content, validation_criteria, experience_points, is_optional
         FROM quest_steps WHERE quest_id = $1 AND retired_at IS NULL",
        from,
        to,
        &ids,
    )
    .execute(&mut *connection)
    .await?;
    let resources: i64 =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM quest_resources WHERE quest_id = $1"#, from)
            .fetch_one(&mut *connection)
            .await?;
    let ids: Vec<Uuid> = (0..resources).map(|_| Uuid::now_v7()).collect();
    sqlx::query!(
        "INSERT INTO quest_resources (id, quest_id, key, resource_type, title, description, url, file_path, metadata, display_order)
         SELECT ($3::uuid[])[row_number() OVER (ORDER BY display_order, id)], $2, key, resource_type, title, description, url,
                file_path, metadata, display_order
         FROM quest_resources WHERE quest_id = $1",
        from,
        to,
        &ids,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO quest_prerequisites (quest_id, prerequisite_quest_id)
         SELECT $2, prerequisite_quest_id FROM quest_prerequisites WHERE quest_id = $1",
        from,
        to
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO quest_skill_rewards (id, quest_id, skill_tag, skill_id, points, display_order)
         SELECT gen_random_uuid(), $2, skill_tag, skill_id, points, display_order
         FROM quest_skill_rewards WHERE quest_id = $1",
        from,
        to
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO quest_assessments (quest_id, key, assessment_type, configuration, passing_criteria)
         SELECT $2, key, assessment_type, configuration, passing_criteria
         FROM quest_assessments WHERE quest_id = $1 AND retired_at IS NULL",
        from,
        to
    )
    .execute(&mut *connection)
    .await?;
    audit::note(connection, origin, "clone", "quest", to, json!({ "from": source.id })).await?;
    get_quest(connection, copy.id).await?.ok_or(Refusal::NotFound("quest"))
}
