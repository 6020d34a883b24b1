//! Search over HTTP.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::model::{Found, Hit, Near, Part, Ranked};
use super::{Engine, Search, service};
use crate::criteria::LockedView;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::problem::ProblemBody;
use crate::http::{Caller, FieldError, Path, Problem, Query, etag, paging};
use crate::ids::QuestId;
use crate::quests::http::quests::{Me, Wanted};
use crate::quests::http::read_quest;
use crate::quests::model::{DifficultyLevel, Filter, QuestType, QuestWithMy, StepType};
use crate::unlocks::{My, my};

/// The constant of rank fusion, as in the engine.
const RRF_K: f32 = 60.0;
/// What a title that is nearly right weighs against a rank by words or meaning: what is closest in meaning to a word
/// that is none is chance.
const TITLE_WEIGHT: f32 = 2.0;
/// Ranks that are asked for where the caller may not see all of them.
const MOST_RANKS: i64 = 100;
/// Titles that are nearly right.
const SIMILAR_TITLES: i64 = 5;
/// How unlike each other similar quests are to be, 0 to 1.
const DIVERSITY: f32 = 0.2;

/// What a search takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct SearchQuests {
    /// What is looked for: words, or a question; at most 500 characters
    #[param(example = "how do I walk through an array")]
    pub q: String,
    pub quest_type: Option<QuestType>,
    pub difficulty_level: Option<DifficultyLevel>,
    pub subject_id: Option<Uuid>,
    /// In capitals or not
    pub skill_tag: Option<String>,
    /// Quests with such a step
    pub step_type: Option<StepType>,
    /// Quests with others: with a Discussion step or a peer review
    pub collaborative: Option<bool>,
    /// Authors only: drafts (`false`), or what is not one (`true`)
    pub is_active: Option<bool>,
    /// Authors only: own quests
    pub created_by: Option<Me>,
    /// Hits, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
}

/// Search quests by words and by meaning
///
/// Ranks of words (BM25) and of meaning (embeddings) are fused; titles that are nearly written so count as well. While
/// index or embedder are away, `degraded` is true and words alone decide. The best come first, and there is one page.
#[utoipa::path(get, path = "/v1/search", tag = "search", operation_id = "search_quests", params(SearchQuests),
    responses((status = 200, description = "what was found", body = Found), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn search_quests(
    caller: Caller,
    State(db): State<Db>,
    State(search): State<Search>,
    headers: HeaderMap,
    Query(query): Query<SearchQuests>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    let filter = Wanted {
        quest_type: query.quest_type,
        difficulty_level: query.difficulty_level,
        subject_id: query.subject_id,
        skill_tag: query.skill_tag,
        step_type: query.step_type,
        collaborative: query.collaborative,
        q: None,
        is_active: query.is_active,
        created_by: query.created_by,
    };
    let filter = filter.filter(caller)?;
    let text = query.q.trim();
    if text.is_empty() || text.contains('\0') || text.chars().count() > 500 {
        let detail = "must have 1 to 500 characters, none of them NUL";
        return Err(Problem::invalid(vec![FieldError::new("q", detail)]));
    }
    let (ranked, degraded) = rank(&db, &search, caller, text, &filter, asked(caller, limit)).await?;
    let items = shown(&db, caller, &ranked, Some(text), usize::try_from(limit).unwrap_or_default()).await?;
    Ok(etag::respond(&headers, &Found { items, degraded }))
}

/// Ranks to ask for: learners do not get to see all of them.
fn asked(caller: Caller, limit: i64) -> i64 {
    if caller.roles.author { limit } else { limit.max(MOST_RANKS) }
}

/// The ranks of the engine, with those of titles that are nearly right; or those of words, while it is away.
///
/// # Errors
/// When the database is away.
pub async fn rank(
    db: &Db,
    search: &Search,
    caller: Caller,
    text: &str,
    filter: &Filter,
    limit: i64,
) -> Result<(Vec<Ranked>, bool), Problem> {
    let most = usize::try_from(limit).unwrap_or_default();
    let answer = match &search.engine {
        Some(engine) if *search.ready.borrow() => engine.search(text, filter, most).await.ok(),
        _ => None,
    };
    let Some(answer) = answer else { return Ok((by_words(db, caller, text, filter, limit).await?, true)) };
    let mut sources = Sources::new(db, caller);
    let titles =
        catalogue::read!(sources, |connection| service::by_titles(connection, text, filter, SIMILAR_TITLES).await?);
    let mut scores: HashMap<Uuid, f32> = answer.ranked.iter().map(|found| (found.id, found.score)).collect();
    for (rank, title) in (1_u8..).zip(titles) {
        *scores.entry(title.id).or_default() += TITLE_WEIGHT / (RRF_K + f32::from(rank));
    }
    let mut ranked: Vec<Ranked> = scores.into_iter().map(|(id, score)| Ranked { id, score }).collect();
    ranked.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
    ranked.truncate(most);
    Ok((ranked, answer.degraded))
}

async fn by_words(db: &Db, caller: Caller, text: &str, filter: &Filter, limit: i64) -> Result<Vec<Ranked>, Problem> {
    let mut sources = Sources::new(db, caller);
    Ok(catalogue::read!(sources, |connection| service::by_words(connection, text, filter, limit).await?))
}

/// Up to `limit` found quests as this caller may see them, in their order.
async fn shown(
    db: &Db,
    caller: Caller,
    ranked: &[Ranked],
    text: Option<&str>,
    limit: usize,
) -> Result<Vec<Hit>, Problem> {
    let is_author = caller.roles.author;
    let all: Vec<Uuid> = ranked.iter().map(|found| found.id).collect();
    let mut sources = Sources::new(db, caller);
    let mut views = my(sources.primary().await?, caller.now, caller.learner(), &all).await?;
    // The index may be behind by a moment: what counts is what the database says.
    views.retain(|_, view| is_author || view.is_visible());
    let is_whole = |found: &&Ranked| views.get(&QuestId(found.id)).is_some_and(|view| is_author || shows_all(view));
    // What shows only its title comes last: it is looked at where there is room.
    let mut looked_at: Vec<&Ranked> = ranked.iter().filter(is_whole).take(limit).collect();
    if looked_at.len() < limit {
        looked_at.extend(ranked.iter().filter(|found| !is_whole(found) && views.contains_key(&QuestId(found.id))));
    }
    let ids: Vec<Uuid> = looked_at.iter().map(|found| found.id).collect();
    let mut quests = catalogue::read!(sources, |connection| service::show(connection, &ids, text).await?);
    let hit = |found: &&Ranked| {
        let shown = quests.remove(&found.id)?;
        let quest = QuestWithMy { my: views.remove(&shown.quest.id)?, quest: shown.quest };
        let (mut found_in, mut highlights) = (shown.found_in, shown.highlights);
        if !is_author && !shows_all(&quest.my) {
            // Nothing but the title is to be known.
            let is_known = |part: &Part| matches!(part, Part::Title | Part::SimilarTitle);
            found_in.retain(is_known);
            highlights.retain(|highlight| is_known(&highlight.part));
            if found_in.is_empty() {
                return None;
            }
        }
        Some(Hit { quest: quest.seen_by(is_author), score: found.score, found_in, highlights })
    };
    let mut hits: Vec<Hit> = looked_at.iter().filter_map(hit).collect();
    if !is_author {
        // Neither place nor score tell anything of texts that are withheld: what shows only its title comes last, by
        // its title, and scores are those of the places.
        let by_title = |hit: &Hit| (!shows_all(&hit.quest.my)).then(|| hit.quest.quest.title.clone());
        hits.sort_by_cached_key(by_title);
        for (place, hit) in (1_u8..).zip(&mut hits) {
            hit.score = 1.0 / (RRF_K + f32::from(place));
        }
    }
    hits.truncate(limit);
    Ok(hits)
}

/// What a list of similar quests takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListSimilar {
    /// Quests, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
}

/// List quests that are about the same
///
/// By meaning, and unlike each other. While index or embedder are away, `degraded` is true and tags and words of the
/// title decide.
#[utoipa::path(get, path = "/v1/quests/{id}/similar", tag = "search", operation_id = "list_similar_quests", params(("id" = QuestId, Path, description = "Quest"), ListSimilar),
    responses((status = 200, description = "the quests, the most similar first", body = Found), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_similar_quests(
    caller: Caller,
    State(db): State<Db>,
    State(search): State<Search>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    Query(query): Query<ListSimilar>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    let quest = read_quest(&db, caller, id).await?;
    let near = match &search.engine {
        // Of a quest that shows only its title nothing else is to be guessed.
        Some(engine) if *search.ready.borrow() && (caller.roles.author || shows_all(&quest.my)) => {
            near(engine, id.0, usize::try_from(asked(caller, limit)).unwrap_or_default()).await
        }
        _ => None,
    };
    let degraded = near.is_none();
    let ranked = if let Some(near) = near {
        near
    } else {
        let text = format!("{} {}", quest.quest.title, quest.quest.skill_tags.join(" "));
        let filter = Filter { is_active: Some(true), ..Filter::default() };
        let found = by_words(&db, caller, &text, &filter, asked(caller, limit) + 1).await?;
        let others = found.into_iter().filter(|found| found.id != id.0);
        others.collect()
    };
    let items = shown(&db, caller, &ranked, None, usize::try_from(limit).unwrap_or_default()).await?;
    Ok(etag::respond(&headers, &Found { items, degraded }))
}

fn shows_all(my: &My) -> bool {
    !my.is_locked() || my.locked_view == LockedView::Full
}

/// Neighbours of a quest, if the index knows it.
async fn near(engine: &Engine, id: Uuid, limit: usize) -> Option<Vec<Ranked>> {
    let vector = engine.on_index(engine.index.vectors(vec![id])).await.ok()?.remove(&id)?;
    let near = Near { vector, without: vec![id], diversity: DIVERSITY, limit };
    engine.on_index(engine.index.near(near)).await.ok()
}
