//! Resources of a quest, in order.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::steps::same_members;
use crate::audit;
use crate::config::ContentLimits;
use crate::ids::{QuestId, ResourceId};
use crate::origin::Origin;
use crate::quests::model::{Quest, Refusal, Resource, ResourceInput, ResourceType};

macro_rules! select_resources {
    ($where:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Resource,
            r#"SELECT id AS "id: ResourceId", key, quest_id AS "quest_id: QuestId", resource_type AS "resource_type: ResourceType",
                      title, description, url, file_path, metadata, display_order, created_at, updated_at
               FROM quest_resources "# + $where,
            $($argument),+
        )
    };
}

/// Resources after a place; one statement.
///
/// # Errors
/// The database's.
pub async fn list_resources(
    connection: &mut PgConnection,
    quest: QuestId,
    after: Option<(i32, Uuid)>,
    limit: i64,
) -> Result<Vec<Resource>, sqlx::Error> {
    let (order, id) = after.unwrap_or((i32::MIN, Uuid::nil()));
    select_resources!(
        "WHERE quest_id = $1 AND (display_order, id) > ($2, $3) ORDER BY display_order, id LIMIT $4",
        quest.0,
        order,
        id,
        limit
    )
    .fetch_all(connection)
    .await
}

/// One resource.
///
/// # Errors
/// When the quest has no such resource.
pub async fn get_resource(connection: &mut PgConnection, quest: QuestId, id: ResourceId) -> Result<Resource, Refusal> {
    select_resources!("WHERE quest_id = $1 AND id = $2", quest.0, id.0)
        .fetch_optional(connection)
        .await?
        .ok_or(Refusal::NotFound("resource"))
}

/// Adds a resource to a locked quest.
///
/// # Errors
/// When there are too many.
pub async fn create_resource(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    input: &ResourceInput,
    limits: &ContentLimits,
) -> Result<Resource, Refusal> {
    let have = sqlx::query!(
        r#"SELECT count(*) AS "count!", coalesce(max(display_order), 0) AS "last!" FROM quest_resources WHERE quest_id = $1"#,
        quest.id.0
    )
    .fetch_one(&mut *connection)
    .await?;
    if have.count >= limits.max_resources {
        return Err(Refusal::Invalid("", format!("a quest has at most {} resources", limits.max_resources)));
    }
    let id = ResourceId::generate();
    sqlx::query!(
        "INSERT INTO quest_resources (id, quest_id, resource_type, title, description, url, file_path, metadata, display_order, key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id.0,
        quest.id.0,
        input.resource_type as ResourceType,
        input.title,
        input.description,
        input.url,
        input.file_path,
        input.metadata,
        input.display_order.unwrap_or(have.last.saturating_add(1)),
        input.key.clone().unwrap_or_else(|| id.to_string()),
    )
    .execute(&mut *connection)
    .await?;
    audit::note(connection, origin, "create", "resource", id.0, json!({ "questId": quest.id, "after": input })).await?;
    get_resource(connection, quest.id, id).await
}

/// Changes a resource of a locked quest.
///
/// # Errors
/// The database's.
pub async fn update_resource(
    connection: &mut PgConnection,
    origin: &Origin,
    current: &Resource,
    input: &ResourceInput,
) -> Result<Resource, Refusal> {
    sqlx::query!(
        "UPDATE quest_resources SET resource_type = $2, title = $3, description = $4, url = $5, file_path = $6,
                                    metadata = $7, display_order = $8, key = $9
         WHERE id = $1",
        current.id.0,
        input.resource_type as ResourceType,
        input.title,
        input.description,
        input.url,
        input.file_path,
        input.metadata,
        input.display_order.unwrap_or(current.display_order),
        input.key.clone().unwrap_or_else(|| current.id.to_string()),
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "questId": current.quest_id, "before": current.input(), "after": input });
    audit::note(connection, origin, "update", "resource", current.id.0, details).await?;
    get_resource(connection, current.quest_id, current.id).await
}

/// Deletes a resource: no learner's history hangs on it.
///
/// # Errors
/// The database's.
pub async fn delete_resource(
    connection: &mut PgConnection,
    origin: &Origin,
    resource: &Resource,
) -> Result<(), Refusal> {
    sqlx::query!("DELETE FROM quest_resources WHERE id = $1", resource.id.0).execute(&mut *connection).await?;
    let details = json!({ "questId": resource.quest_id, "before": resource.input() });
    audit::note(connection, origin, "delete", "resource", resource.id.0, details).await?;
    Ok(())
}

/// Puts the resources of a locked quest in an order.
///
/// # Errors
/// When the ids are not exactly those of the resources.
pub async fn order_resources(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    order: &[Uuid],
) -> Result<(), Refusal> {
    let before = sqlx::query_scalar!(
        "SELECT id FROM quest_resources WHERE quest_id = $1 ORDER BY display_order, id",
        quest.id.0
    )
    .fetch_all(&mut *connection)
    .await?;
    if !same_members(&before, order) {
        return Err(Refusal::Invalid("/resourceIds", "must name every resource, each once".to_owned()));
    }
    sqlx::query!(
        "UPDATE quest_resources AS resource SET display_order = place.number
         FROM unnest($2::uuid[]) WITH ORDINALITY AS place (id, number)
         WHERE resource.id = place.id AND resource.quest_id = $1",
        quest.id.0,
        order
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "before": before, "after": order });
    audit::note(connection, origin, "order resources", "quest", quest.id.0, details).await?;
    Ok(())
}
