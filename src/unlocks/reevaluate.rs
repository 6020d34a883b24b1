//! After an edit: learners who may qualify already are judged anew in the background.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{LearningPathId, QuestId};
use crate::origin::Origin;

/// What an edit has touched.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A quest was activated, or its prerequisites changed.
    Quest(QuestId),
    /// A path was published, or its quests or criteria changed.
    Path(LearningPathId),
}

/// Asks for the background job; from the first learner again if it is under way.
///
/// # Errors
/// The database's.
pub async fn request(connection: &mut PgConnection, origin: &Origin, target: Target) -> Result<(), sqlx::Error> {
    request_all(connection, origin, &[target]).await
}

/// Asks for many at once, each named once.
///
/// # Errors
/// The database's.
pub async fn request_all(
    connection: &mut PgConnection,
    origin: &Origin,
    targets: &[Target],
) -> Result<(), sqlx::Error> {
    let (ids, kinds): (Vec<Uuid>, Vec<String>) = targets
        .iter()
        .map(|target| match target {
            Target::Quest(id) => (id.0, "quest".to_owned()),
            Target::Path(id) => (id.0, "path".to_owned()),
        })
        .unzip();
    sqlx::query!(
        "INSERT INTO reevaluations (target_id, target_kind, requested_at) SELECT *, $3 FROM unnest($1::uuid[], $2::text[])
         ON CONFLICT (target_id) DO UPDATE SET requested_at = excluded.requested_at, after_learner = NULL, learners_done = 0",
        &ids,
        &kinds,
        origin.clock.now()
    )
    .execute(connection)
    .await?;
    Ok(())
}
