//! Learning paths over HTTP: the paths themselves.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{check_path, reader};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::command::{MergePatch, NoBody};
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Code, Command, Page, Path, Problem, Query, etag, paging};
use crate::ids::LearningPathId;
use crate::learning_paths::model::{Filter, LearningPath, LearningPathInput, PathType};
use crate::learning_paths::service;

/// What `GET /v1/learning-paths` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListLearningPaths {
    pub path_type: Option<PathType>,
    /// Authors only: drafts (false), published ones (true); left out, both
    pub is_published: Option<bool>,
    /// Curriculum version of the User Service
    pub curriculum_version_id: Option<Uuid>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List learning paths, newest first
///
/// Learners see published ones, authors all.
#[utoipa::path(get, path = "/v1/learning-paths", tag = "learning-paths", operation_id = "list_learning_paths", params(ListLearningPaths),
    responses((status = 200, description = "a page", body = Page<LearningPath>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_learning_paths(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListLearningPaths>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    if !caller.roles.author && query.is_published == Some(false) {
        return Err(Problem::new(Code::Forbidden, "isPublished is a filter for authors"));
    }
    let filter = Filter {
        path_type: query.path_type,
        is_published: if caller.roles.author { query.is_published } else { Some(true) },
        curriculum_version_id: query.curriculum_version_id,
    };
    let mut sources = Sources::new(&db, caller);
    let paths =
        catalogue::read!(sources, |connection| service::list_paths(connection, &filter, after, limit + 1).await?);
    Ok(etag::respond(&headers, &Page::cut(paths, limit, |path| (path.created_at, path.id.0))))
}

/// Read a learning path
///
/// A draft is not there for learners, unless they are enrolled in it.
#[utoipa::path(get, path = "/v1/learning-paths/{id}", tag = "learning-paths", operation_id = "get_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "the path", body = LearningPath), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_learning_path(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
) -> Result<Response, Problem> {
    let mut sources = Sources::new(&db, caller);
    let path = catalogue::read!(sources, |connection| service::get_path(connection, id, reader(caller)).await?);
    Ok(etag::respond(&headers, &path))
}

/// Create a learning path
///
/// It is a draft: add chapters and quests, then publish it.
#[utoipa::path(post, path = "/v1/learning-paths", tag = "learning-paths", operation_id = "create_learning_path", request_body = LearningPathInput,
    responses((status = 201, description = "created", body = LearningPath, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_learning_path(
    State(limits): State<Arc<ContentLimits>>,
    command: Command<LearningPathInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_author()?;
    check_path(&body, &limits).finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::create_path(connection, &origin, LearningPathId::generate(), &body).await?;
                Ok(Answer::created(&format!("/v1/learning-paths/{}", path.id), &path))
            })
        })
        .await
}

/// Change a learning path (JSON Merge Patch)
#[utoipa::path(patch, path = "/v1/learning-paths/{id}", tag = "learning-paths", operation_id = "update_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")),
    request_body(content = LearningPathInput, content_type = "application/merge-patch+json", example = json!({"estimatedTotalDurationHours": 75})),
    responses((status = 200, description = "changed", body = LearningPath), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn update_learning_path(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<LearningPathId>,
    command: Command<MergePatch>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let current = service::lock_path(connection, id).await?;
                if_match.check(&current)?;
                let input: LearningPathInput = body.apply(&current.input())?;
                check_path(&input, &limits).finish()?;
                Ok(Answer::resource(&service::update_path(connection, &origin, &current, &input).await?))
            })
        })
        .await
}

/// Delete a learning path that nobody has enrolled in
///
/// With its chapters and its list of quests; the quests themselves stay.
#[utoipa::path(delete, path = "/v1/learning-paths/{id}", tag = "learning-paths", operation_id = "delete_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 204, description = "deleted"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn delete_learning_path(
    Path(id): Path<LearningPathId>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::lock_path(connection, id).await?;
                if_match.check(&path)?;
                service::delete_path(connection, &origin, &path).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}

/// How a path is published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"activateQuests": true}))]
pub struct PublishInput {
    /// Activate the drafts among its quests, too
    #[serde(default)]
    #[schema(default = false)]
    pub activate_quests: bool,
}

/// Publish a learning path
///
/// Learners see it from now on, and who qualifies for its quests already gets them. Findings that stand
/// against it are answered with 422 `lint_failed` and listed in `findings`. With `activateQuests`, drafts among
/// its quests become active in the same step.
#[utoipa::path(post, path = "/v1/learning-paths/{id}/publish", tag = "learning-paths", operation_id = "publish_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")), request_body = PublishInput,
    responses((status = 200, description = "published", body = LearningPath), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn publish_learning_path(
    Path(id): Path<LearningPathId>,
    command: Command<PublishInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, body } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let drafts =
                    if body.activate_quests { service::lock_drafts(connection, id).await? } else { Vec::new() };
                let path = service::lock_path(connection, id).await?;
                if_match.check(&path)?;
                service::activate_drafts(connection, &origin, &drafts).await?;
                service::publish_path(connection, &origin, &path).await?;
                Ok(Answer::resource(&service::get_path(connection, id, None).await?))
            })
        })
        .await
}

/// Make a learning path a draft again
///
/// Who is enrolled keeps reading it.
#[utoipa::path(post, path = "/v1/learning-paths/{id}/unpublish", tag = "learning-paths", operation_id = "unpublish_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "a draft", body = LearningPath), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn unpublish_learning_path(
    Path(id): Path<LearningPathId>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::lock_path(connection, id).await?;
                if_match.check(&path)?;
                service::unpublish_path(connection, &origin, &path).await?;
                Ok(Answer::resource(&service::get_path(connection, id, None).await?))
            })
        })
        .await
}

/// How a copied path is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "C programming (evening class)"}))]
pub struct ClonePathInput {
    /// Left out: "Copy of …"
    pub name: Option<String>,
}

/// Copy a learning path into a new draft
///
/// With its chapters and its list of quests; unlock criteria that name the path or its chapters name those
/// of the copy. The quests are the same ones.
#[utoipa::path(post, path = "/v1/learning-paths/{id}/clone", tag = "learning-paths", operation_id = "clone_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")), request_body = ClonePathInput,
    responses((status = 201, description = "the copy", body = LearningPath, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn clone_learning_path(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<LearningPathId>,
    command: Command<ClonePathInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let held = service::hold_quests_of(connection, id).await?;
                let source = service::lock_path(connection, id).await?;
                let name = body.name.unwrap_or_else(|| format!("Copy of {}", source.name).chars().take(255).collect());
                check_path(&LearningPathInput { name: name.clone(), ..source.input() }, &limits).finish()?;
                let copy = service::clone_path(connection, &origin, &source, &name, &held).await?;
                Ok(Answer::created(&format!("/v1/learning-paths/{}", copy.id), &copy))
            })
        })
        .await
}
