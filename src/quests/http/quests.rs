//! Quests over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{check_quest, read_quest, readable};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::command::{MergePatch, NoBody};
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Code, Command, FieldError, Page, Path, Problem, Query, etag, paging};
use crate::ids::QuestId;
use crate::quests::model::{DifficultyLevel, Filter, Quest, QuestInput, QuestType, QuestWithMy, Sort, StepType};
use crate::quests::service::{self, Cursor};
use crate::tags;
use crate::unlocks::my;

/// What `GET /v1/quests` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListQuests {
    pub quest_type: Option<QuestType>,
    pub difficulty_level: Option<DifficultyLevel>,
    /// Subject of the User Service
    pub subject_id: Option<uuid::Uuid>,
    /// Quests that carry this tag, in capitals or not; blank is as if left out
    pub skill_tag: Option<String>,
    /// Quests with a step of this type
    pub step_type: Option<StepType>,
    /// Quests with (true) or without (false) a Discussion step or peer review
    pub collaborative: Option<bool>,
    /// Words to look for in title, tags and description; blank is as if left out
    pub q: Option<String>,
    /// Authors only: drafts and deactivated ones (false), active ones (true); left out, both
    pub is_active: Option<bool>,
    /// Authors only: `me` for one's own
    pub created_by: Option<Me>,
    /// `newest` if left out, `relevance` with `q`
    pub sort: Option<Sort>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// What quests are listed and searched by.
#[derive(Debug)]
pub struct Wanted {
    pub quest_type: Option<QuestType>,
    pub difficulty_level: Option<DifficultyLevel>,
    pub subject_id: Option<uuid::Uuid>,
    pub skill_tag: Option<String>,
    pub step_type: Option<StepType>,
    pub collaborative: Option<bool>,
    pub q: Option<String>,
    pub is_active: Option<bool>,
    pub created_by: Option<Me>,
}

impl Wanted {
    /// The filter that this caller may ask for: learners see active quests only.
    ///
    /// # Errors
    /// 403 for a learner who uses a filter of authors, 422 for texts that nothing can match.
    pub fn filter(self, caller: Caller) -> Result<Filter, Problem> {
        let is_author = caller.roles.author;
        for (name, is_used) in [("isActive", self.is_active == Some(false)), ("createdBy", self.created_by.is_some())] {
            if is_used && !is_author {
                return Err(Problem::new(Code::Forbidden, format!("{name} is a filter for authors")));
            }
        }
        let skill_tag = self.skill_tag.map(|tag| tags::tidy(&tag)).filter(|tag| !tag.is_empty());
        for (name, text) in [("q", &self.q), ("skillTag", &skill_tag)] {
            if text.as_ref().is_some_and(|text| text.contains('\0') || text.chars().count() > 500) {
                let detail = "must have at most 500 characters, none of them NUL";
                return Err(Problem::invalid(vec![FieldError::new(name, detail)]));
            }
        }
        Ok(Filter {
            quest_type: self.quest_type,
            difficulty_level: self.difficulty_level,
            subject_id: self.subject_id,
            skill_tag,
            step_type: self.step_type,
            collaborative: self.collaborative,
            q: self.q,
            is_active: if is_author { self.is_active } else { Some(true) },
            created_by: self.created_by.map(|Me::Me| caller.id),
        })
    }
}

/// The caller.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Me {
    Me,
}

/// List quests
///
/// Learners see active quests, authors all. Each item carries the caller's own view (`my`).
#[utoipa::path(get, path = "/v1/quests", tag = "quests", operation_id = "list_quests", params(ListQuests),
    responses((status = 200, description = "a page", body = Page<QuestWithMy>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_quests(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListQuests>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    // A search box that was cleared asks for nothing.
    let q = query.q.filter(|words| !words.trim().is_empty());
    let filter = Wanted {
        quest_type: query.quest_type,
        difficulty_level: query.difficulty_level,
        subject_id: query.subject_id,
        skill_tag: query.skill_tag,
        step_type: query.step_type,
        collaborative: query.collaborative,
        q,
        is_active: query.is_active,
        created_by: query.created_by,
    };
    let filter = filter.filter(caller)?;
    let sort = query.sort.unwrap_or(if filter.q.is_some() { Sort::Relevance } else { Sort::Newest });
    if sort == Sort::Relevance && filter.q.is_none() {
        return Err(Problem::invalid(vec![FieldError::new("sort", "relevance needs q")]));
    }
    let cursor: Option<Cursor> = paging::after(query.cursor.as_deref())?;
    let of_this_sort = matches!(
        (&cursor, sort),
        (None, _)
            | (Some(Cursor::Newest(..)), Sort::Newest)
            | (Some(Cursor::Title(..)), Sort::Title)
            | (Some(Cursor::Relevance(..)), Sort::Relevance)
    );
    if !of_this_sort {
        return Err(Problem::new(Code::MalformedCursor, "the cursor belongs to another sort"));
    }
    let mut sources = Sources::new(&db, caller);
    let quests = catalogue::read!(sources, |connection| service::list_quests(
        connection,
        &filter,
        sort,
        cursor.clone(),
        limit + 1
    )
    .await?);
    let ids: Vec<uuid::Uuid> = quests.iter().map(|(quest, _)| quest.id.0).collect();
    let mut views = my(sources.primary().await?, caller.now, caller.learner(), &ids).await?;
    let page = Page::cut(quests, limit, |(_, cursor)| cursor.clone());
    let next_cursor = page.next_cursor;
    let items = page
        .items
        .into_iter()
        .filter_map(|(quest, _)| Some(QuestWithMy { my: views.remove(&quest.id)?, quest }))
        // Shorter pages are fine: the cursor goes on from the last row, shown or not.
        .filter(|quest| caller.roles.author || quest.my.is_visible())
        .map(|quest| quest.seen_by(caller.roles.author))
        .collect();
    Ok(etag::respond(&headers, &Page { items, next_cursor }))
}

/// Read a quest
#[utoipa::path(get, path = "/v1/quests/{id}", tag = "quests", operation_id = "get_quest", params(("id" = QuestId, Path, description = "Quest")),
    responses((status = 200, description = "the quest", body = QuestWithMy), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_quest(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
) -> Result<Response, Problem> {
    Ok(etag::respond(&headers, &read_quest(&db, caller, id).await?))
}

/// Create a quest
///
/// It is inactive: add steps, then activate it with PATCH.
#[utoipa::path(post, path = "/v1/quests", tag = "quests", operation_id = "create_quest", request_body = QuestInput,
    responses((status = 201, description = "created", body = QuestWithMy, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_quest(
    State(limits): State<Arc<ContentLimits>>,
    command: Command<QuestInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_author()?;
    check_quest(&body, &limits).finish()?;
    if body.is_active {
        let detail = "a new quest is inactive; activate it with PATCH once it has something to do";
        return Err(Problem::invalid(vec![FieldError::new("/isActive", detail)]));
    }
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = service::create_quest(connection, &origin, QuestId::generate(), &body).await?;
                let quest = readable(connection, caller, quest.id).await?;
                Ok(Answer::created(&format!("/v1/quests/{}", quest.quest.id), &quest))
            })
        })
        .await
}

/// Change a quest (JSON Merge Patch)
///
/// `{"isActive": true}` activates it, `{"isActive": false}` takes it out of the catalogue.
#[utoipa::path(patch, path = "/v1/quests/{id}", tag = "quests", operation_id = "update_quest", params(("id" = QuestId, Path, description = "Quest")),
    request_body(content = QuestInput, content_type = "application/merge-patch+json", example = json!({"isActive": true})),
    responses((status = 200, description = "changed", body = QuestWithMy), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn update_quest(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<QuestId>,
    command: Command<MergePatch>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let current = service::lock_quest(connection, id).await?;
                if if_match.is_present() {
                    let quest = readable(connection, caller, id).await?;
                    if_match.check(&quest)?;
                }
                let input: QuestInput = body.apply(&current.input())?;
                check_quest(&input, &limits).finish()?;
                service::update_quest(connection, &origin, &current, &input).await?;
                let quest = readable(connection, caller, id).await?;
                Ok(Answer::resource(&quest))
            })
        })
        .await
}

/// Delete a quest that no learner has history on
#[utoipa::path(delete, path = "/v1/quests/{id}", tag = "quests", operation_id = "delete_quest", params(("id" = QuestId, Path, description = "Quest")),
    responses((status = 204, description = "deleted"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn delete_quest(Path(id): Path<QuestId>, command: Command<NoBody>) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest: Quest = service::lock_quest(connection, id).await?;
                if if_match.is_present() {
                    let quest = readable(connection, caller, id).await?;
                    if_match.check(&quest)?;
                }
                service::delete_quest(connection, &origin, &quest).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}

/// How a copy is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "Hello, C (evening class)"}))]
pub struct CloneInput {
    /// Left out: "Copy of …"
    pub title: Option<String>,
}

/// Copy a quest into a new draft
///
/// With its steps, resources, prerequisites and skill rewards; retired steps stay behind.
#[utoipa::path(post, path = "/v1/quests/{id}/clone", tag = "quests", operation_id = "clone_quest", params(("id" = QuestId, Path, description = "Quest")), request_body = CloneInput,
    responses((status = 201, description = "the copy", body = QuestWithMy, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn clone_quest(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<QuestId>,
    command: Command<CloneInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let source = service::lock_quest(connection, id).await?;
                let title =
                    body.title.unwrap_or_else(|| format!("Copy of {}", source.title).chars().take(255).collect());
                check_quest(&QuestInput { title: title.clone(), ..source.input() }, &limits).finish()?;
                let copy = service::clone_quest(connection, &origin, &source, &title).await?;
                let quest = readable(connection, caller, copy.id).await?;
                Ok(Answer::created(&format!("/v1/quests/{}", quest.quest.id), &quest))
            })
        })
        .await
}
