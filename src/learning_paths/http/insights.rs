//! A path looked at as a whole: lint, simulation, map.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader;
use crate::criteria::LockedView;
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::{Caller, Command, FieldError, Path, Problem, etag};
use crate::ids::LearningPathId;
use crate::learning_paths::lint::{Blueprint, Finding, Scenario, Simulation, is_publishable, lint, simulate};
use crate::learning_paths::map::{Edge, EdgeKind, Graph, Lane, Node, Status, draw};
use crate::learning_paths::service;
use crate::quests::model::AttemptStatus;
use crate::unlocks::{Availability, Gated, Verdict, judge_quests};

/// Answer of `GET /v1/learning-paths/{id}/lint`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lint {
    /// No finding of severity `error`
    pub is_publishable: bool,
    /// Errors first, then by place
    pub findings: Vec<Finding>,
}

/// Look a learning path over before learners meet it, for authors
///
/// Each finding has a stable code, where it is, and what to do. Errors refuse publishing.
#[utoipa::path(get, path = "/v1/learning-paths/{id}/lint", tag = "learning-paths", operation_id = "lint_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "the findings", body = Lint), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn lint_learning_path(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
) -> Result<Response, Problem> {
    caller.require_author()?;
    let blueprint = service::load_blueprint(&mut *db.pool.acquire().await?, id).await?;
    let findings = lint(&blueprint, caller.now);
    Ok(etag::respond(&headers, &Lint { is_publishable: is_publishable(&findings), findings }))
}

/// Try a learner's past out on a learning path, for authors
///
/// What would be open, what comes next, what stays locked and why. Nothing is written.
#[utoipa::path(post, path = "/v1/learning-paths/{id}/simulate", tag = "learning-paths", operation_id = "simulate_learning_path", params(("id" = LearningPathId, Path, description = "Learning path")), request_body = Scenario,
    responses((status = 200, description = "how it would be", body = Simulation), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn simulate_learning_path(
    State(db): State<Db>,
    Path(id): Path<LearningPathId>,
    command: Command<Scenario>,
) -> Result<Response, Problem> {
    let Command { caller, body, .. } = command;
    caller.require_author()?;
    let violations = body.violations();
    if !violations.is_empty() {
        return Err(Problem::invalid(violations.into_iter().map(FieldError::from).collect()));
    }
    let blueprint = service::load_blueprint(&mut *db.pool.acquire().await?, id).await?;
    Ok(etag::respond(&HeaderMap::new(), &simulate(&blueprint, &body, caller.now)))
}

/// See a learning path as a map
///
/// Quests, what comes before what, and chapters as lanes; with `Accept: image/svg+xml` drawn, dark or
/// light as the viewer is. Learners see their own status in it.
#[utoipa::path(get, path = "/v1/learning-paths/{id}/graph", tag = "learning-paths", operation_id = "get_learning_path_graph", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "the map", content((Graph = "application/json"), (String = "image/svg+xml"))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_learning_path_graph(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
) -> Result<Response, Problem> {
    let mut connection = db.pool.acquire().await?;
    service::get_path(&mut connection, id, reader(caller)).await?;
    let blueprint = service::load_blueprint(&mut connection, id).await?;
    let judged = if caller.roles.author {
        Vec::new()
    } else {
        let quests: Vec<Uuid> = blueprint.quests.iter().map(|quest| quest.quest_id).collect();
        let judged = judge_quests(&mut connection, caller.now, &[caller.id], &quests).await?;
        judged.into_iter().flat_map(|judgement| judgement.quests).collect()
    };
    drop(connection);
    let graph = graph(&blueprint, (!caller.roles.author).then_some(judged.as_slice()));
    let wants_picture = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.to_ascii_lowercase().contains("image/svg+xml"));
    if !wants_picture {
        return Ok(etag::respond(&headers, &graph));
    }
    let mut response = draw(&graph).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    Ok(response)
}

/// `judged`: how a learner stands; without it, everything is shown and nobody's status.
fn graph(blueprint: &Blueprint, judged: Option<&[(Gated, Verdict)]>) -> Graph {
    let nodes: Vec<Node> = blueprint
        .quests
        .iter()
        .filter_map(|quest| {
            let found = judged.map(|judged| judged.iter().find(|(gated, _)| gated.quest_id == quest.quest_id));
            let (status, completion_percentage) = match found {
                None => (None, None),
                Some(found) => {
                    let (gated, verdict) = found?;
                    let percentage = gated.attempt.as_ref().map(|attempt| attempt.percentage.try_into().unwrap_or(0.0));
                    (Some(status(gated, verdict)?), percentage)
                }
            };
            Some(Node {
                quest_id: quest.quest_id,
                title: quest.title.clone(),
                chapter_id: quest.chapter_id,
                sequence: quest.sequence_order,
                difficulty_level: quest.difficulty_level,
                is_mandatory: quest.is_mandatory,
                experience_points: i32::try_from(quest.experience()).unwrap_or(i32::MAX),
                is_active: quest.is_active,
                status,
                completion_percentage,
            })
        })
        .collect();
    let is_there = |id: &Uuid| nodes.iter().any(|node| node.quest_id == *id);
    let mut edges: Vec<Edge> = Vec::new();
    for quest in blueprint.quests.iter().filter(|quest| is_there(&quest.quest_id)) {
        let criteria = quest.unlock_criteria.read.as_ref().and_then(|criteria| criteria.when.as_ref());
        let named = criteria.map(crate::criteria::Condition::quests).unwrap_or_default();
        let needed = quest.prerequisites.iter().map(|needed| (needed.quest_id, EdgeKind::Prerequisite));
        for (from, kind) in needed.chain(named.into_iter().map(|id| (id, EdgeKind::Criterion))) {
            if is_there(&from) && !edges.iter().any(|edge| edge.from == from && edge.to == quest.quest_id) {
                edges.push(Edge { from, to: quest.quest_id, kind });
            }
        }
    }
    Graph {
        learning_path_id: blueprint.path.id,
        name: blueprint.path.name.clone(),
        chapters: blueprint
            .chapters
            .iter()
            .map(|chapter| Lane { id: chapter.id, title: chapter.title.clone(), sequence: chapter.sequence })
            .collect(),
        nodes,
        edges,
    }
}

/// None for what the learner may not know of.
fn status(gated: &Gated, verdict: &Verdict) -> Option<Status> {
    if let Some(attempt) = &gated.attempt {
        return Some(match attempt.status {
            AttemptStatus::Completed => Status::Completed,
            AttemptStatus::InProgress => Status::InProgress,
            AttemptStatus::Paused => Status::Paused,
            AttemptStatus::Abandoned => Status::Abandoned,
        });
    }
    match verdict.eligibility.availability {
        Availability::Available => Some(Status::Available),
        Availability::Locked if verdict.locked_view != LockedView::Hidden => Some(Status::Locked),
        Availability::Locked | Availability::Inactive => None,
    }
}
