//! Chapters over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{check_chapter, reader};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::command::{MergePatch, NoBody};
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Command, Page, PageRequest, Path, Problem, Query, etag, paging};
use crate::ids::{ChapterId, LearningPathId};
use crate::learning_paths::model::{Chapter, ChapterInput};
use crate::learning_paths::service;

/// List the chapters of a learning path, in order
#[utoipa::path(get, path = "/v1/learning-paths/{id}/chapters", tag = "chapters", operation_id = "list_chapters", params(("id" = LearningPathId, Path, description = "Learning path"), PageRequest),
    responses((status = 200, description = "a page", body = Page<Chapter>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_chapters(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
    Query(page): Query<PageRequest>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let after: Option<i32> = page.after()?;
    let mut sources = Sources::new(&db, caller);
    let chapters = catalogue::read!(sources, |connection| {
        service::get_path(connection, id, reader(caller)).await?;
        service::list_chapters(connection, id, after.unwrap_or(0), limit + 1).await?
    });
    Ok(etag::respond(&headers, &Page::cut(chapters, limit, |chapter| chapter.sequence)))
}

/// Read a chapter
#[utoipa::path(get, path = "/v1/learning-paths/{id}/chapters/{chapterId}", tag = "chapters", operation_id = "get_chapter", params(("id" = LearningPathId, Path, description = "Learning path"), ("chapterId" = ChapterId, Path, description = "Chapter")),
    responses((status = 200, description = "the chapter", body = Chapter), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_chapter(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path((id, chapter)): Path<(LearningPathId, ChapterId)>,
) -> Result<Response, Problem> {
    let mut sources = Sources::new(&db, caller);
    let chapter = catalogue::read!(sources, |connection| {
        service::get_path(connection, id, reader(caller)).await?;
        service::get_chapter(connection, id, chapter).await?
    });
    Ok(etag::respond(&headers, &chapter))
}

/// Add a chapter
///
/// At `sequence`, later chapters move up; left out, at the end.
#[utoipa::path(post, path = "/v1/learning-paths/{id}/chapters", tag = "chapters", operation_id = "create_chapter", params(("id" = LearningPathId, Path, description = "Learning path")), request_body = ChapterInput,
    responses((status = 201, description = "created", body = Chapter, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_chapter(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<LearningPathId>,
    command: Command<ChapterInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_author()?;
    check_chapter(&body).finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::lock_path(connection, id).await?;
                let chapter = service::create_chapter(connection, &origin, &path, &body, &limits).await?;
                Ok(Answer::created(&format!("/v1/learning-paths/{id}/chapters/{}", chapter.id), &chapter))
            })
        })
        .await
}

/// Change a chapter (JSON Merge Patch)
///
/// With another `sequence` it moves, and the chapters between make room.
#[utoipa::path(patch, path = "/v1/learning-paths/{id}/chapters/{chapterId}", tag = "chapters", operation_id = "update_chapter", params(("id" = LearningPathId, Path, description = "Learning path"), ("chapterId" = ChapterId, Path, description = "Chapter")),
    request_body(content = ChapterInput, content_type = "application/merge-patch+json", example = json!({"status": "Paused", "endDate": "2026-10-11"})),
    responses((status = 200, description = "changed", body = Chapter), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn update_chapter(
    Path((id, chapter)): Path<(LearningPathId, ChapterId)>,
    command: Command<MergePatch>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::lock_path(connection, id).await?;
                let current = service::get_chapter(connection, id, chapter).await?;
                if_match.check(&current)?;
                let input: ChapterInput = body.apply(&current.input())?;
                check_chapter(&input).finish()?;
                let chapter = service::update_chapter(connection, &origin, &path, &current, &input).await?;
                Ok(Answer::resource(&chapter))
            })
        })
        .await
}

/// Delete a chapter
///
/// Its quests stay in the path, without a chapter; later chapters move up.
#[utoipa::path(delete, path = "/v1/learning-paths/{id}/chapters/{chapterId}", tag = "chapters", operation_id = "delete_chapter", params(("id" = LearningPathId, Path, description = "Learning path"), ("chapterId" = ChapterId, Path, description = "Chapter")),
    responses((status = 204, description = "deleted"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn delete_chapter(
    Path((id, chapter)): Path<(LearningPathId, ChapterId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::lock_path(connection, id).await?;
                let chapter = service::get_chapter(connection, id, chapter).await?;
                if_match.check(&chapter)?;
                service::delete_chapter(connection, &origin, &path, &chapter).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}

/// The order of all chapters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"chapterIds": ["01a20821-4c23-7176-aaea-d1be7350b75d"]}))]
pub struct ChapterOrder {
    /// Every chapter, each once
    pub chapter_ids: Vec<Uuid>,
}

/// Put the chapters in order
#[utoipa::path(put, path = "/v1/learning-paths/{id}/chapters/order", tag = "chapters", operation_id = "order_chapters", params(("id" = LearningPathId, Path, description = "Learning path")), request_body = ChapterOrder,
    responses((status = 200, description = "the first page of chapters", body = Page<Chapter>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn order_chapters(
    Path(id): Path<LearningPathId>,
    command: Command<ChapterOrder>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::lock_path(connection, id).await?;
                if if_match.is_present() {
                    if_match.check(&first_page(connection, id).await?)?;
                }
                service::order_chapters(connection, &origin, &path, &body.chapter_ids).await?;
                Ok(Answer::resource(&first_page(connection, id).await?))
            })
        })
        .await
}

/// The list as `GET …/chapters` shows it.
async fn first_page(connection: &mut PgConnection, id: LearningPathId) -> Result<Page<Chapter>, Problem> {
    let limit = paging::DEFAULT_LIMIT;
    let chapters = service::list_chapters(connection, id, 0, limit + 1).await?;
    Ok(Page::cut(chapters, limit, |chapter| chapter.sequence))
}
