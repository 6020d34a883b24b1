//! Prerequisites and skill rewards over HTTP: lists that are set as a whole.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{check_rewards, visible};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Command, Page, PageRequest, Path, Problem, Query, etag, paging};
use crate::ids::QuestId;
use crate::quests::model::Prerequisite;
use crate::quests::service;
use crate::rewards::SkillReward;
use crate::unlocks::my;

/// List what a quest needs
///
/// Learners see the active ones, which are those that gate.
#[utoipa::path(get, path = "/v1/quests/{id}/prerequisites", tag = "quests", operation_id = "list_prerequisites", params(("id" = QuestId, Path, description = "Quest"), PageRequest),
    responses((status = 200, description = "a page", body = Page<Prerequisite>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_prerequisites(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    Query(page): Query<PageRequest>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let after: Option<(String, Uuid)> = page.after()?;
    let mut sources = Sources::new(&db, caller);
    let mut page = catalogue::read!(sources, |connection| prerequisites_page(
        connection,
        id,
        !caller.roles.author,
        after.clone(),
        limit
    )
    .await?);
    let asked: Vec<Uuid> = page.items.iter().map(|quest| quest.quest_id.0).chain([id.0]).collect();
    let seen = my(sources.primary().await?, caller.now, caller.learner(), &asked).await?;
    let is_visible = |id: &QuestId| seen.get(id).is_some_and(|my| caller.roles.author || my.is_visible());
    if !is_visible(&id) {
        return Err(Problem::not_found("quest"));
    }
    // Shorter pages are fine: what is hidden while it is locked is not named here either.
    page.items.retain(|quest| is_visible(&quest.quest_id));
    Ok(etag::respond(&headers, &page))
}

async fn prerequisites_page(
    connection: &mut sqlx::PgConnection,
    id: QuestId,
    only_active: bool,
    after: Option<(String, Uuid)>,
    limit: i64,
) -> Result<Page<Prerequisite>, Problem> {
    let needed = service::list_prerequisites(connection, id, only_active, after, limit + 1).await?;
    Ok(Page::cut(needed, limit, |quest| (quest.title.clone(), quest.quest_id.0)))
}

/// What a quest needs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"questIds": ["d42e0cae-59db-52fc-b6bd-48ce3b0882eb"]}))]
pub struct PrerequisitesInput {
    /// Quests to complete first, each once
    pub quest_ids: Vec<Uuid>,
}

/// Set what a quest needs
///
/// A cycle is refused with 409 `prerequisite_cycle`, and printed in `cycle`.
#[utoipa::path(put, path = "/v1/quests/{id}/prerequisites", tag = "quests", operation_id = "set_prerequisites", params(("id" = QuestId, Path, description = "Quest")), request_body = PrerequisitesInput,
    responses((status = 200, description = "the first page", body = Page<Prerequisite>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn set_prerequisites(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<QuestId>,
    command: Command<PrerequisitesInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    let mut checks = Checks::default();
    let most = limits.max_prerequisites;
    checks.require(body.quest_ids.len() <= most, "/questIds", format!("must have at most {most} items"));
    let mut seen = HashSet::new();
    for (index, needed) in body.quest_ids.iter().enumerate() {
        checks.require(seen.insert(*needed), &format!("/questIds/{index}"), "stands there already");
        checks.require(*needed != id.0, &format!("/questIds/{index}"), "a quest cannot need itself");
    }
    checks.finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                if if_match.is_present() {
                    if_match.check(&prerequisites_page(connection, id, false, None, paging::DEFAULT_LIMIT).await?)?;
                }
                service::set_prerequisites(connection, &origin, &quest, &body.quest_ids).await?;
                let page = prerequisites_page(connection, id, false, None, paging::DEFAULT_LIMIT).await?;
                Ok(Answer::resource(&page))
            })
        })
        .await
}

/// Skill points that a quest pays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"rewards": [{"skillTag": "loops", "points": 80}, {"skillTag": "c-basics", "points": 40}]}))]
pub struct SkillRewards {
    /// In the order in which they are paid
    pub rewards: Vec<SkillReward>,
}

/// Read the skill rewards that are set
///
/// An empty list means that the quest's experience points are split over its tags.
#[utoipa::path(get, path = "/v1/quests/{id}/skill-rewards", tag = "quests", operation_id = "get_skill_rewards", params(("id" = QuestId, Path, description = "Quest")),
    responses((status = 200, description = "the rewards", body = SkillRewards), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_skill_rewards(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
) -> Result<Response, Problem> {
    caller.require_author()?;
    let mut connection = db.pool.acquire().await?;
    visible(&mut connection, caller, id).await?;
    let rewards = service::list_skill_rewards(&mut connection, id).await?;
    Ok(etag::respond(&headers, &SkillRewards { rewards }))
}

/// Set the skill rewards
#[utoipa::path(put, path = "/v1/quests/{id}/skill-rewards", tag = "quests", operation_id = "set_skill_rewards", params(("id" = QuestId, Path, description = "Quest")), request_body = SkillRewards,
    responses((status = 200, description = "the rewards", body = SkillRewards), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn set_skill_rewards(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<QuestId>,
    command: Command<SkillRewards>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    check_rewards(&body.rewards, &limits).finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::lock_quest(connection, id).await?;
                if_match.check(&SkillRewards { rewards: service::list_skill_rewards(connection, id).await? })?;
                service::set_skill_rewards(connection, &origin, &quest, &body.rewards).await?;
                Ok(Answer::resource(&SkillRewards { rewards: service::list_skill_rewards(connection, id).await? }))
            })
        })
        .await
}
