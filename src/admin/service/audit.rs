//! The audit log: who changed what.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::admin::model::{AuditEntry, AuditFilter};

/// Reads entries of a time, newest first; `$where` says which.
macro_rules! select_audit {
    ($connection:expr, $where:literal, $from:expr, $to:expr, $at:expr, $id:expr, $limit:expr $(, $argument:expr)*) => {
        sqlx::query_as!(
            AuditEntry,
            "SELECT id, recorded_at, actor_id, action, resource_type, resource_id, details, correlation_id
             FROM audit_log
             WHERE recorded_at >= coalesce($1::timestamptz, '-infinity')
               AND recorded_at < coalesce($2::timestamptz, 'infinity')
               AND (recorded_at, id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')) "
                + $where
                + " ORDER BY recorded_at DESC, id DESC LIMIT $5",
            $from, $to, $at, $id, $limit $(, $argument)*
        )
        .fetch_all($connection)
        .await
    };
}

/// A page of the audit log, newest first; one statement.
///
/// # Errors
/// The database's.
pub async fn list_audit(
    connection: &mut PgConnection,
    filter: AuditFilter,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<AuditEntry>, sqlx::Error> {
    let ((at, id), (from, to)) = (after.unzip(), (filter.from, filter.to));
    match (filter.resource, filter.actor) {
        (Some(resource), actor) => select_audit!(
            connection,
            "AND resource_id = $6 AND ($7::uuid IS NULL OR actor_id = $7)",
            from,
            to,
            at,
            id,
            limit,
            resource,
            actor
        ),
        (None, Some(actor)) => select_audit!(connection, "AND actor_id = $6", from, to, at, id, limit, actor),
        (None, None) => select_audit!(connection, "", from, to, at, id, limit),
    }
}
