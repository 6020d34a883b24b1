//! A path looked at as a whole: lint, simulation, map.

use std::collections::{HashMap, HashSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader;
use crate::criteria::{Condition, LockedView};
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::problem::ProblemBody;
use crate::http::{Caller, Code, Command, FieldError, Path, Problem, accept, etag};
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

const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

/// See a learning path as a map
///
/// Quests, what comes before what, and chapters as lanes; with `Accept: image/svg+xml` drawn, dark or
/// light as the viewer is. Learners see their own status in it, and nothing of what is hidden from them.
#[utoipa::path(get, path = "/v1/learning-paths/{id}/graph", tag = "learning-paths", operation_id = "get_learning_path_graph", params(("id" = LearningPathId, Path, description = "Learning path")),
    responses((status = 200, description = "the map", content((Graph = "application/json"), (String = "image/svg+xml"))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_learning_path_graph(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
) -> Result<Response, Problem> {
    let mut sources = Sources::new(&db, caller);
    let blueprint = catalogue::read!(sources, |connection| {
        service::get_path(connection, id, reader(caller)).await?;
        service::load_blueprint(connection, id).await?
    });
    let judged = if caller.roles.author {
        None
    } else {
        let quests: Vec<Uuid> = blueprint.quests.iter().map(|quest| quest.quest_id).collect();
        let judged = judge_quests(sources.primary().await?, caller.now, &[caller.id], &quests).await?;
        let quests = judged.into_iter().flat_map(|judgement| judgement.quests);
        Some(quests.map(|(gated, verdict)| (gated.quest_id, (gated, verdict))).collect())
    };
    let graph = graph(&blueprint, judged.as_ref());
    if accept::favourite(&headers, [JSON, SVG]) == JSON {
        return Ok(etag::respond(&headers, &graph));
    }
    // Laying out a large path takes long enough to hold up other requests of this thread.
    let picture = tokio::task::spawn_blocking(move || draw(&graph)).await.map_err(|error| {
        tracing::error!(%error, "drawing a map panicked");
        Problem::new(Code::Internal, "the map could not be drawn; the error has been logged")
    })?;
    Ok(etag::respond_svg(&headers, picture))
}

/// `judged`: how a learner stands; without it, everything is shown and nobody's status.
fn graph(blueprint: &Blueprint, judged: Option<&HashMap<Uuid, (Gated, Verdict)>>) -> Graph {
    let assessments =
        blueprint.quests.iter().flat_map(|quest| quest.assessment_ids.iter().map(|id| (*id, quest.quest_id)));
    let owners: HashMap<Uuid, Uuid> = assessments.collect();
    let lanes: HashSet<Uuid> = blueprint.chapters.iter().map(|chapter| chapter.id).collect();
    let mut nodes: Vec<Node> = Vec::new();
    let mut waits: Vec<(Uuid, Uuid, EdgeKind)> = Vec::new();
    for quest in &blueprint.quests {
        let (mut status, mut completion_percentage, mut is_explained) = (None, None, true);
        if let Some(judged) = judged {
            let Some((gated, verdict)) = judged.get(&quest.quest_id) else { continue };
            let Some(stands) = stands(gated, verdict) else { continue };
            status = Some(stands);
            completion_percentage = gated.attempt.as_ref().map(|attempt| attempt.percentage.try_into().unwrap_or(0.0));
            // That it is there may be known, not what it waits for.
            is_explained = stands != Status::Locked || verdict.locked_view != LockedView::Title;
        }
        let (mut named_quests, mut after_chapters) = (Vec::new(), Vec::new());
        if is_explained {
            // Learners need not care about those that hold nobody up.
            let needed = quest.prerequisites.iter().filter(|needed| needed.is_active || judged.is_none());
            waits.extend(needed.map(|needed| (needed.quest_id, quest.quest_id, EdgeKind::Prerequisite)));
            if let Some(when) = quest.unlock_criteria.read.as_ref().and_then(|criteria| criteria.when.as_ref()) {
                named(when, &owners, &mut named_quests, &mut after_chapters);
            }
            waits.extend(named_quests.into_iter().map(|from| (from, quest.quest_id, EdgeKind::Criterion)));
            after_chapters.retain(|chapter| lanes.contains(chapter));
            after_chapters.sort_unstable();
            after_chapters.dedup();
        }
        nodes.push(Node {
            quest_id: quest.quest_id,
            title: quest.title.clone(),
            chapter_id: quest.chapter_id,
            sequence: quest.sequence_order,
            difficulty_level: quest.difficulty_level,
            is_mandatory: quest.is_mandatory,
            experience_points: i32::try_from(quest.experience()).unwrap_or(i32::MAX),
            is_active: quest.is_active,
            after_chapters,
            status,
            completion_percentage,
        });
    }
    let shown: HashSet<Uuid> = nodes.iter().map(|node| node.quest_id).collect();
    let mut known: HashSet<(Uuid, Uuid)> = HashSet::new();
    // A quest's prerequisites come before what criteria name: who is both is a prerequisite.
    waits.retain(|(from, to, _)| shown.contains(from) && from != to && known.insert((*from, *to)));
    let edges = waits.into_iter().map(|(from, to, kind)| Edge { from, to, kind }).collect();
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

/// The quests and chapters whose work a condition looks at, conditions in it included.
fn named(condition: &Condition, owners: &HashMap<Uuid, Uuid>, quests: &mut Vec<Uuid>, chapters: &mut Vec<Uuid>) {
    match condition {
        Condition::All(of) | Condition::Any(of) | Condition::AtLeast { of, .. } => {
            for condition in of {
                named(condition, owners, quests, chapters);
            }
        }
        Condition::QuestCompleted { quest }
        | Condition::QuestScore { quest, .. }
        | Condition::DelayQuestCompleted { quest, .. } => quests.push(*quest),
        Condition::ScoreBand { assessment, .. } => quests.extend(owners.get(assessment)),
        Condition::ChapterCompleted { chapter } => chapters.push(*chapter),
        Condition::PathProgress { .. }
        | Condition::XpEarned { .. }
        | Condition::SkillLevel { .. }
        | Condition::NotBefore { .. }
        | Condition::DelayPathStarted { .. }
        | Condition::Manual => {}
    }
}

/// None for what the learner may not know of.
fn stands(gated: &Gated, verdict: &Verdict) -> Option<Status> {
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
        Availability::Locked => (!verdict.is_hidden(gated)).then_some(Status::Locked),
        Availability::Inactive => None,
    }
}
