//! The ordered list of a path's quests over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{check_quests, reader};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Command, Page, PageRequest, Path, Problem, Query, etag, paging};
use crate::ids::LearningPathId;
use crate::learning_paths::model::{PathQuest, PathQuestInput};
use crate::learning_paths::service;
use crate::unlocks::{My, my};

/// List the quests of a learning path, in order
///
/// Learners see the active ones and those that they have an attempt on, without `unlockCriteria`, and none that
/// is hidden while it is locked.
#[utoipa::path(get, path = "/v1/learning-paths/{id}/quests", tag = "learning-paths", operation_id = "list_path_quests", params(("id" = LearningPathId, Path, description = "Learning path"), PageRequest),
    responses((status = 200, description = "a page", body = Page<PathQuest>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_path_quests(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
    Query(page): Query<PageRequest>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let after: Option<i32> = page.after()?;
    let reader = reader(caller);
    let mut sources = Sources::new(&db, caller);
    let quests = catalogue::read!(sources, |connection| {
        service::get_path(connection, id, reader).await?;
        service::list_quests(connection, id, reader, after.unwrap_or(0), limit + 1).await?
    });
    let mut page = Page::cut(quests, limit, |quest| quest.sequence_order);
    if let Some(learner) = reader {
        let ids: Vec<Uuid> = page.items.iter().map(|quest| quest.quest_id.0).collect();
        let seen = my(sources.primary().await?, caller.now, learner, &ids).await?;
        // Shorter pages are fine: the cursor goes on from the last row, shown or not.
        page.items.retain(|quest| seen.get(&quest.quest_id).is_some_and(My::is_visible));
    }
    Ok(etag::respond(&headers, &page))
}

/// The quests of a path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quests": [
    {"questId": "d42e0cae-59db-52fc-b6bd-48ce3b0882eb", "difficultyLevel": "Beginner"},
    {"questId": "610edd87-a68a-5734-90fb-ae65298f103e", "difficultyLevel": "Intermediate", "isMandatory": false,
     "unlockCriteria": {"v": 1, "when": {"op": "questCompleted", "questId": "d42e0cae-59db-52fc-b6bd-48ce3b0882eb"}}}
]}))]
pub struct PathQuests {
    /// All of them, in order, each once
    pub quests: Vec<PathQuestInput>,
}

/// Set the quests of a learning path
///
/// The whole list in order; what it leaves out is no part of the path any more.
#[utoipa::path(put, path = "/v1/learning-paths/{id}/quests", tag = "learning-paths", operation_id = "set_path_quests", params(("id" = LearningPathId, Path, description = "Learning path")), request_body = PathQuests,
    responses((status = 200, description = "the first page", body = Page<PathQuest>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn set_path_quests(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<LearningPathId>,
    command: Command<PathQuests>,
) -> Result<Response, Problem> {
    let Command { caller, origin, mut body, transaction, if_match } = command;
    caller.require_author()?;
    for place in &mut body.quests {
        // JSON null of a document is nothing.
        place.unlock_criteria = place.unlock_criteria.take().filter(|criteria| !criteria.is_null());
    }
    check_quests(&body.quests, &limits).finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let ids: Vec<Uuid> = body.quests.iter().map(|place| place.quest_id.0).collect();
                let known = service::hold_quests(connection, &ids).await?;
                let path = service::lock_path(connection, id).await?;
                if if_match.is_present() {
                    if_match.check(&first_page(connection, id).await?)?;
                }
                service::set_quests(connection, &origin, &path, &body.quests, &known).await?;
                Ok(Answer::resource(&first_page(connection, id).await?))
            })
        })
        .await
}

/// The list as `GET …/quests` shows it to an author.
async fn first_page(connection: &mut PgConnection, id: LearningPathId) -> Result<Page<PathQuest>, Problem> {
    let limit = paging::DEFAULT_LIMIT;
    let quests = service::list_quests(connection, id, None, 0, limit + 1).await?;
    Ok(Page::cut(quests, limit, |quest| quest.sequence_order))
}
