//! Skill tags over HTTP.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::SkillTag;
use super::service;
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::{Caller, Page, Problem, Query, etag, paging};

/// What the list of skill tags takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListSkillTags {
    /// Only those that a skill is known for, or only the others
    pub resolved: Option<bool>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List skill tags, and the skills that they mean
///
/// By name, over all quests, drafts as well. `SkillPointsGranted` of a tag that is not resolved carries no `skillId`:
/// rename the tag, set `skillId` in the quest's skill rewards, or add the skill to the User Service, whose tree is
/// read now and then.
#[utoipa::path(get, path = "/v1/skill-tags", tag = "skill-tags", operation_id = "list_skill_tags", params(ListSkillTags),
    responses((status = 200, description = "a page", body = Page<SkillTag>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_skill_tags(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListSkillTags>,
) -> Result<Response, Problem> {
    caller.require_author()?;
    let limit = paging::limit(query.limit)?;
    let after: Option<String> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let rows = service::list(&mut connection, query.resolved, after.as_deref(), limit + 1).await?;
    let page = Page::cut(rows, limit, |tag| tag.name.clone());
    Ok(etag::respond(&headers, &page))
}
