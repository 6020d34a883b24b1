//! Resources over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::checks::{check_resource, nothing_if_null};
use super::sight;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::command::{MergePatch, NoBody};
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Command, Page, PageRequest, Path, Problem, Query, etag};
use crate::ids::{QuestId, ResourceId};
use crate::quests::model::{Resource, ResourceInput};
use crate::quests::service;

/// List the resources of a quest, in order
#[utoipa::path(get, path = "/v1/quests/{id}/resources", tag = "resources", operation_id = "list_resources", params(("id" = QuestId, Path, description = "Quest"), PageRequest),
    responses((status = 200, description = "a page", body = Page<Resource>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_resources(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    Query(page): Query<PageRequest>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let after: Option<(i32, Uuid)> = page.after()?;
    let mut sources = Sources::new(&db, caller);
    let sight = sight(sources.primary().await?, caller, id).await?;
    let resources =
        catalogue::read!(sources, |connection| service::list_resources(connection, id, after, limit + 1).await?);
    let page = Page::cut(resources, limit, |resource| (resource.display_order, resource.id.0))
        .map(|resource| resource.seen_by(sight));
    Ok(etag::respond(&headers, &page))
}

/// Read a resource
#[utoipa::path(get, path = "/v1/quests/{id}/resources/{resourceId}", tag = "resources", operation_id = "get_resource", params(("id" = QuestId, Path, description = "Quest"), ("resourceId" = ResourceId, Path, description = "Resource")),
    responses((status = 200, description = "the resource", body = Resource), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_resource(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path((id, resource)): Path<(QuestId, ResourceId)>,
) -> Result<Response, Problem> {
    let mut sources = Sources::new(&db, caller);
    let sight = sight(sources.primary().await?, caller, id).await?;
    let resource = catalogue::read!(sources, |connection| service::get_resource(connection, id, resource).await?);
    Ok(etag::respond(&headers, &resource.seen_by(sight)))
}

/// Add a resource
#[utoipa::path(post, path = "/v1/quests/{id}/resources", tag = "resources", operation_id = "create_resource", params(("id" = QuestId, Path, description = "Quest")), request_body = ResourceInput,
    responses((status = 201, description = "created", body = Resource, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_resource(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<QuestId>,
    command: Command<ResourceInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, mut body, transaction, .. } = command;
    caller.require_author()?;
    nothing_if_null(&mut body.metadata);
    check_resource(&body, &limits).finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                let resource = service::create_resource(connection, &origin, &quest, &body, &limits).await?;
                Ok(Answer::created(&format!("/v1/quests/{id}/resources/{}", resource.id), &resource))
            })
        })
        .await
}

/// Change a resource (JSON Merge Patch)
#[utoipa::path(patch, path = "/v1/quests/{id}/resources/{resourceId}", tag = "resources", operation_id = "update_resource", params(("id" = QuestId, Path, description = "Quest"), ("resourceId" = ResourceId, Path, description = "Resource")),
    request_body(content = ResourceInput, content_type = "application/merge-patch+json", example = json!({"title": "C reference: the for loop"})),
    responses((status = 200, description = "changed", body = Resource), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn update_resource(
    State(limits): State<Arc<ContentLimits>>,
    Path((id, resource)): Path<(QuestId, ResourceId)>,
    command: Command<MergePatch>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                service::lock_quest(connection, id).await?;
                let current = service::get_resource(connection, id, resource).await?;
                if_match.check(&current)?;
                let mut input: ResourceInput = body.apply(&current.input())?;
                nothing_if_null(&mut input.metadata);
                check_resource(&input, &limits).finish()?;
                let resource = service::update_resource(connection, &origin, &current, &input).await?;
                Ok(Answer::resource(&resource))
            })
        })
        .await
}

/// Delete a resource
#[utoipa::path(delete, path = "/v1/quests/{id}/resources/{resourceId}", tag = "resources", operation_id = "delete_resource", params(("id" = QuestId, Path, description = "Quest"), ("resourceId" = ResourceId, Path, description = "Resource")),
    responses((status = 204, description = "deleted"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn delete_resource(
    Path((id, resource)): Path<(QuestId, ResourceId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                service::lock_quest(connection, id).await?;
                let current = service::get_resource(connection, id, resource).await?;
                if_match.check(&current)?;
                service::delete_resource(connection, &origin, &current).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}

/// The order of all resources.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"resourceIds": ["01a20821-4c23-7176-aaea-d1be7350b75c"]}))]
pub struct ResourceOrder {
    /// Every resource, each once
    pub resource_ids: Vec<Uuid>,
}

/// Put the resources in order
#[utoipa::path(put, path = "/v1/quests/{id}/resources/order", tag = "resources", operation_id = "order_resources", params(("id" = QuestId, Path, description = "Quest")), request_body = ResourceOrder,
    responses((status = 200, description = "the first page of resources", body = Page<Resource>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn order_resources(Path(id): Path<QuestId>, command: Command<ResourceOrder>) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                if if_match.is_present() {
                    if_match.check(&first_page(connection, id).await?)?;
                }
                service::order_resources(connection, &origin, &quest, &body.resource_ids).await?;
                Ok(Answer::resource(&first_page(connection, id).await?))
            })
        })
        .await
}

async fn first_page(connection: &mut sqlx::PgConnection, id: QuestId) -> Result<Page<Resource>, Problem> {
    let limit = crate::http::paging::DEFAULT_LIMIT;
    let resources = service::list_resources(connection, id, None, limit + 1).await?;
    Ok(Page::cut(resources, limit, |resource| (resource.display_order, resource.id.0)))
}
