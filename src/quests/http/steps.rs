//! Steps over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::checks::{check_step, nothing_if_null};
use super::sight;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::command::{MergePatch, NoBody};
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Command, Page, PageRequest, Path, Problem, Query, etag};
use crate::ids::{QuestId, StepId};
use crate::quests::model::{Sight, Step, StepInput};
use crate::quests::service;

/// List the steps of a quest, in order
///
/// Learners get `task` in place of the criteria; while the quest is locked, `content` and `task` are withheld.
#[utoipa::path(get, path = "/v1/quests/{id}/steps", tag = "steps", operation_id = "list_steps", params(("id" = QuestId, Path, description = "Quest"), PageRequest),
    responses((status = 200, description = "a page", body = Page<Step>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_steps(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    Query(page): Query<PageRequest>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let after: Option<i32> = page.after()?;
    let mut sources = Sources::new(&db, caller);
    let sight = sight(sources.primary().await?, caller, id).await?;
    let steps = catalogue::read!(sources, |connection| service::list_steps(connection, id, after.unwrap_or(0), limit + 1).await?, if |steps| !steps.is_empty());
    let page = Page::cut(steps, limit, |step| step.step_number).map(|step| step.seen_by(sight));
    Ok(etag::respond(&headers, &page))
}

/// Read a step
#[utoipa::path(get, path = "/v1/quests/{id}/steps/{stepId}", tag = "steps", operation_id = "get_step", params(("id" = QuestId, Path, description = "Quest"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 200, description = "the step", body = Step), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_step(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path((id, step)): Path<(QuestId, StepId)>,
) -> Result<Response, Problem> {
    let mut sources = Sources::new(&db, caller);
    let sight = sight(sources.primary().await?, caller, id).await?;
    let step = catalogue::read!(sources, |connection| service::get_step(connection, id, step).await?);
    Ok(etag::respond(&headers, &step.seen_by(sight)))
}

/// Add a step
///
/// At `stepNumber`, later steps move up; left out, at the end.
#[utoipa::path(post, path = "/v1/quests/{id}/steps", tag = "steps", operation_id = "create_step", params(("id" = QuestId, Path, description = "Quest")), request_body = StepInput,
    responses((status = 201, description = "created", body = Step, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_step(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<QuestId>,
    command: Command<StepInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, mut body, transaction, .. } = command;
    caller.require_author()?;
    nothing_if_null(&mut body.content);
    nothing_if_null(&mut body.validation_criteria);
    check_step(&body, &limits).finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                let step = service::create_step(connection, &origin, &quest, &body, &limits).await?;
                let step = step.seen_by(Sight::Author);
                Ok(Answer::created(&format!("/v1/quests/{id}/steps/{}", step.id), &step))
            })
        })
        .await
}

/// Change a step (JSON Merge Patch)
#[utoipa::path(patch, path = "/v1/quests/{id}/steps/{stepId}", tag = "steps", operation_id = "update_step", params(("id" = QuestId, Path, description = "Quest"), ("stepId" = StepId, Path, description = "Step")),
    request_body(content = StepInput, content_type = "application/merge-patch+json", example = json!({"experiencePoints": 30})),
    responses((status = 200, description = "changed", body = Step), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn update_step(
    State(limits): State<Arc<ContentLimits>>,
    Path((id, step)): Path<(QuestId, StepId)>,
    command: Command<MergePatch>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                let current = service::get_step(connection, id, step).await?;
                if_match.check(&current.clone().seen_by(Sight::Author))?;
                let mut input: StepInput = body.apply(&current.input())?;
                nothing_if_null(&mut input.content);
                nothing_if_null(&mut input.validation_criteria);
                check_step(&input, &limits).finish()?;
                let step = service::update_step(connection, &origin, &quest, &current, &input).await?;
                Ok(Answer::resource(&step.seen_by(Sight::Author)))
            })
        })
        .await
}

/// Delete a step that no learner has worked on
#[utoipa::path(delete, path = "/v1/quests/{id}/steps/{stepId}", tag = "steps", operation_id = "delete_step", params(("id" = QuestId, Path, description = "Quest"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 204, description = "deleted"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn delete_step(
    Path((id, step)): Path<(QuestId, StepId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                let step = service::get_step(connection, id, step).await?;
                if_match.check(&step.clone().seen_by(Sight::Author))?;
                service::delete_step(connection, &origin, &quest, &step).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}

/// Retire a step
///
/// It is no part of the quest any more; what learners did on it stays.
#[utoipa::path(post, path = "/v1/quests/{id}/steps/{stepId}/retire", tag = "steps", operation_id = "retire_step", params(("id" = QuestId, Path, description = "Quest"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 200, description = "retired", body = Step), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn retire_step(
    Path((id, step)): Path<(QuestId, StepId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                let step = service::get_step(connection, id, step).await?;
                if_match.check(&step.clone().seen_by(Sight::Author))?;
                let step = service::retire_step(connection, &origin, &quest, &step).await?;
                Ok(Answer::resource(&step.seen_by(Sight::Author)))
            })
        })
        .await
}

/// The order of all steps.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"stepIds": ["01a20821-4c23-7176-aaea-d1be7350b75b"]}))]
pub struct StepOrder {
    /// Every step that is not retired, each once
    pub step_ids: Vec<Uuid>,
}

/// Put the steps in order
#[utoipa::path(put, path = "/v1/quests/{id}/steps/order", tag = "steps", operation_id = "order_steps", params(("id" = QuestId, Path, description = "Quest")), request_body = StepOrder,
    responses((status = 200, description = "the first page of steps", body = Page<Step>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn order_steps(Path(id): Path<QuestId>, command: Command<StepOrder>) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                if if_match.is_present() {
                    if_match.check(&first_page(connection, id).await?)?;
                }
                service::order_steps(connection, &origin, &quest, &body.step_ids).await?;
                Ok(Answer::resource(&first_page(connection, id).await?))
            })
        })
        .await
}

/// The list as `GET …/steps` shows it to an author.
async fn first_page(connection: &mut sqlx::PgConnection, id: QuestId) -> Result<Page<Step>, Problem> {
    let limit = crate::http::paging::DEFAULT_LIMIT;
    let steps = service::list_steps(connection, id, 0, limit + 1).await?;
    Ok(Page::cut(steps, limit, |step| step.step_number).map(|step| step.seen_by(Sight::Author)))
}
