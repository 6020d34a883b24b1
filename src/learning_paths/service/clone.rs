//! Copying a path into a new draft.

use std::collections::HashMap;

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::paths::{create_path, get_path};
use super::quests::{hold_quests, read_places, write_places};
use crate::audit;
use crate::ids::{ChapterId, LearningPathId};
use crate::learning_paths::model::{LearningPath, LearningPathInput, PathQuestInput, Refusal, renamed};
use crate::origin::Origin;
use crate::quests::service::refresh_path_totals;

/// Holds the quests of a path, before the path is locked; gives them.
///
/// # Errors
/// The database's.
pub async fn hold_quests_of(connection: &mut PgConnection, path: LearningPathId) -> Result<Vec<Uuid>, sqlx::Error> {
    let quests: Vec<Uuid> = read_places(connection, path).await?.iter().map(|place| place.quest_id.0).collect();
    hold_quests(connection, &quests).await
}

/// Copies a locked path with its chapters and its list of quests; criteria that name the path or its
/// chapters name those of the copy. `held` are the quests that are held.
///
/// # Errors
/// When the list came to have other quests before the path was locked.
pub async fn clone_path(
    connection: &mut PgConnection,
    origin: &Origin,
    source: &LearningPath,
    name: &str,
    held: &[Uuid],
) -> Result<LearningPath, Refusal> {
    let places = read_places(connection, source.id).await?;
    if places.iter().any(|place| held.binary_search(&place.quest_id.0).is_err()) {
        return Err(Refusal::ChangedMeanwhile);
    }
    let input = LearningPathInput { key: None, name: name.to_owned(), ..source.input() };
    let copy = create_path(connection, origin, LearningPathId::generate(), &input).await?;
    let chapters =
        sqlx::query_scalar!("SELECT id FROM quest_chapters WHERE learning_path_id = $1 ORDER BY sequence", source.id.0)
            .fetch_all(&mut *connection)
            .await?;
    let copies: Vec<Uuid> = chapters.iter().map(|_| Uuid::now_v7()).collect();
    sqlx::query!(
        "INSERT INTO quest_chapters (id, key, learning_path_id, title, sequence, status, start_date, end_date)
         SELECT twin.copy, chapter.key, $1, chapter.title, chapter.sequence, chapter.status, chapter.start_date, chapter.end_date
         FROM unnest($2::uuid[], $3::uuid[]) AS twin (id, copy) JOIN quest_chapters AS chapter ON chapter.id = twin.id",
        copy.id.0,
        &chapters,
        &copies,
    )
    .execute(&mut *connection)
    .await?;
    let mut twins: HashMap<Uuid, Uuid> = chapters.into_iter().zip(copies).collect();
    twins.insert(source.id.0, copy.id.0);
    let places: Vec<PathQuestInput> = places
        .into_iter()
        .map(|place| PathQuestInput {
            chapter_id: place.chapter_id.and_then(|chapter| Some(ChapterId(*twins.get(&chapter.0)?))),
            unlock_criteria: place.unlock_criteria.as_ref().map(|criteria| renamed(criteria, &twins)),
            ..place
        })
        .collect();
    write_places(connection, copy.id, &places).await?;
    refresh_path_totals(connection, &[copy.id.0]).await?;
    audit::note(connection, origin, "clone", "learning_path", copy.id.0, json!({ "from": source.id })).await?;
    get_path(connection, copy.id, None).await
}
