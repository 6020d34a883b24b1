//! Who changed what: a row per change, in the change's own transaction.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::origin::Origin;

/// Notes a change.
///
/// # Errors
/// The database's.
pub async fn note(
    connection: &mut PgConnection,
    origin: &Origin,
    action: &str,
    resource_type: &str,
    resource_id: Uuid,
    details: Value,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO audit_log (id, recorded_at, actor_id, action, resource_type, resource_id, details, correlation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        origin.clock.now(),
        origin.actor,
        action,
        resource_type,
        resource_id,
        details,
        origin.correlation_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}
