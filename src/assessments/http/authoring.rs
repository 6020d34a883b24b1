//! Assessments for authors, and as learners read them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::checks::{check_assessment, check_result};
use super::tries::hand_in_what_ran_out;
use crate::assessments::model::{Assessment, AssessmentInput, Listed, NewItems, Preview, PreviewInput, Rules};
use crate::assessments::service;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::command::{MergePatch, NoBody};
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Command, Page, PageRequest, Path, Problem, Query, etag};
use crate::ids::{AssessmentId, QuestId};
use crate::origin::Origin;
use crate::quests::http::sight;
use crate::quests::model::Sight;
use crate::quests::service::lock_quest;

/// List the assessments of a quest, in the order in which they were made
///
/// Learners get `task` and `passing` in place of the documents, and `my` once they have an attempt; while
/// the quest is locked, `task` and `passing` are withheld.
#[utoipa::path(get, path = "/v1/quests/{id}/assessments", tag = "assessments", operation_id = "list_assessments", params(("id" = QuestId, Path, description = "Quest"), PageRequest),
    responses((status = 200, description = "a page", body = Page<Assessment>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_assessments(
    caller: Caller,
    State(db): State<Db>,
    origin: Origin,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    Query(page): Query<PageRequest>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let after: Option<(DateTime<Utc>, Uuid)> = page.after()?;
    let mut connection = db.pool.acquire().await?;
    let sight = sight(&mut connection, caller, id).await?;
    let mut listed = service::list_assessments(&mut connection, id, caller.learner(), after, limit + 1).await?;
    drop(connection);
    for _ in 0..LOOKS {
        if settle(&db, &origin, caller, sight, &listed).await? {
            break;
        }
        let mut connection = db.pool.acquire().await?;
        listed = service::list_assessments(&mut connection, id, caller.learner(), after, limit + 1).await?;
    }
    let page = Page::cut(listed, limit, |listed| (listed.assessment.created_at, listed.assessment.id.0))
        .map(|listed| listed.seen_by(sight, caller.learner(), caller.now));
    Ok(etag::respond(&headers, &page))
}

/// Read an assessment
#[utoipa::path(get, path = "/v1/quests/{id}/assessments/{assessmentId}", tag = "assessments", operation_id = "get_assessment", params(("id" = QuestId, Path, description = "Quest"), ("assessmentId" = AssessmentId, Path, description = "Assessment")),
    responses((status = 200, description = "the assessment", body = Assessment), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_assessment(
    caller: Caller,
    State(db): State<Db>,
    origin: Origin,
    headers: HeaderMap,
    Path((id, assessment)): Path<(QuestId, AssessmentId)>,
) -> Result<Response, Problem> {
    let mut connection = db.pool.acquire().await?;
    let sight = sight(&mut connection, caller, id).await?;
    let mut listed = service::get_assessment(&mut connection, id, assessment, caller.learner()).await?;
    drop(connection);
    for _ in 0..LOOKS {
        if settle(&db, &origin, caller, sight, std::slice::from_ref(&listed)).await? {
            break;
        }
        let mut connection = db.pool.acquire().await?;
        listed = service::get_assessment(&mut connection, id, assessment, caller.learner()).await?;
    }
    Ok(etag::respond(&headers, &listed.seen_by(sight, caller.learner(), caller.now)))
}

/// Times that a reader looks again when something has changed meanwhile; the next reader goes on from there.
const LOOKS: usize = 3;

/// Before a learner reads: tries that ran out are handed in, and questions that are shown for the first time are
/// remembered. False where that has changed what was listed.
async fn settle(db: &Db, origin: &Origin, caller: Caller, sight: Sight, listed: &[Listed]) -> Result<bool, Problem> {
    let Some(attempt) = listed.iter().find_map(|listed| listed.attempt) else { return Ok(true) };
    if listed.iter().any(|listed| listed.has_run_out(caller.now)) {
        hand_in_what_ran_out(db, origin, caller, attempt).await?;
        return Ok(false);
    }
    let new = |listed: &Listed| listed.new_items(caller.learner(), caller.now);
    let new: Vec<NewItems> = listed.iter().filter(|_| sight == Sight::Open).filter_map(new).collect();
    Ok(new.is_empty() || service::show_items(&mut *db.pool.acquire().await?, attempt, &new).await?)
}

fn for_author(listed: Listed, caller: Caller) -> Assessment {
    listed.seen_by(Sight::Author, caller.learner(), caller.now)
}

/// Add an assessment
///
/// It is a unit of the quest: open attempts are computed anew.
#[utoipa::path(post, path = "/v1/quests/{id}/assessments", tag = "assessments", operation_id = "create_assessment", params(("id" = QuestId, Path, description = "Quest")), request_body = AssessmentInput,
    responses((status = 201, description = "created", body = Assessment, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_assessment(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<QuestId>,
    command: Command<AssessmentInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, mut body, transaction, .. } = command;
    caller.require_author()?;
    let kind = check_assessment(&mut body)?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = lock_quest(connection, id).await?;
                let made = (AssessmentId::generate(), kind);
                let listed = service::create_assessment(connection, &origin, &quest, made, &body, &limits).await?;
                let assessment = for_author(listed, caller);
                Ok(Answer::created(&format!("/v1/quests/{id}/assessments/{}", assessment.id), &assessment))
            })
        })
        .await
}

/// Change an assessment (JSON Merge Patch)
///
/// Grades that were given stay; `POST /v1/assessments/{id}/regrade` computes them anew.
#[utoipa::path(patch, path = "/v1/quests/{id}/assessments/{assessmentId}", tag = "assessments", operation_id = "update_assessment", params(("id" = QuestId, Path, description = "Quest"), ("assessmentId" = AssessmentId, Path, description = "Assessment")),
    request_body(content = AssessmentInput, content_type = "application/merge-patch+json", example = json!({"configuration": {"attempts": {"max": 3}}})),
    responses((status = 200, description = "changed", body = Assessment), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn update_assessment(
    Path((id, assessment)): Path<(QuestId, AssessmentId)>,
    command: Command<MergePatch>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = lock_quest(connection, id).await?;
                let current = service::get_assessment(connection, id, assessment, caller.learner()).await?;
                let current = for_author(current, caller);
                if_match.check(&current)?;
                let mut before = current.input();
                if body.names("configuration") && !body.names("assessmentType") {
                    // Another type of configuration brings its own name along.
                    before.assessment_type = None;
                }
                let mut input: AssessmentInput = body.apply(&before)?;
                let changed = (check_assessment(&mut input)?, &input);
                let listed = service::update_assessment(connection, &origin, &quest, &current, changed).await?;
                Ok(Answer::resource(&for_author(listed, caller)))
            })
        })
        .await
}

/// Delete an assessment that no learner has tried
#[utoipa::path(delete, path = "/v1/quests/{id}/assessments/{assessmentId}", tag = "assessments", operation_id = "delete_assessment", params(("id" = QuestId, Path, description = "Quest"), ("assessmentId" = AssessmentId, Path, description = "Assessment")),
    responses((status = 204, description = "deleted"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn delete_assessment(
    Path((id, assessment)): Path<(QuestId, AssessmentId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = lock_quest(connection, id).await?;
                let current = service::get_assessment(connection, id, assessment, caller.learner()).await?;
                let current = for_author(current, caller);
                if_match.check(&current)?;
                service::delete_assessment(connection, &origin, &quest, &current).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}

/// Retire an assessment
///
/// It is no part of the quest any more; what learners did on it stays.
#[utoipa::path(post, path = "/v1/quests/{id}/assessments/{assessmentId}/retire", tag = "assessments", operation_id = "retire_assessment", params(("id" = QuestId, Path, description = "Quest"), ("assessmentId" = AssessmentId, Path, description = "Assessment")),
    responses((status = 200, description = "retired", body = Assessment), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn retire_assessment(
    Path((id, assessment)): Path<(QuestId, AssessmentId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    caller.require_author()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let quest = lock_quest(connection, id).await?;
                let current = service::get_assessment(connection, id, assessment, caller.learner()).await?;
                let current = for_author(current, caller);
                if_match.check(&current)?;
                let listed = service::retire_assessment(connection, &origin, &quest, &current).await?;
                Ok(Answer::resource(&for_author(listed, caller)))
            })
        })
        .await
}

/// Try an assessment as a learner would
///
/// Nothing is stored. Without `submissionData` it shows the task; with it, what the try comes to. Windows and
/// limits do not hold an author back: `refusedNow` says what they would tell a learner.
#[utoipa::path(post, path = "/v1/quests/{id}/assessments/{assessmentId}/preview", tag = "assessments", operation_id = "preview_assessment", params(("id" = QuestId, Path, description = "Quest"), ("assessmentId" = AssessmentId, Path, description = "Assessment")), request_body = PreviewInput,
    responses((status = 200, description = "what a learner would see", body = Preview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn preview_assessment(
    State(limits): State<Arc<ContentLimits>>,
    Path((id, assessment)): Path<(QuestId, AssessmentId)>,
    command: Command<PreviewInput>,
) -> Result<Response, Problem> {
    let Command { caller, body, transaction, .. } = command;
    caller.require_author()?;
    let mut checks = Checks::default();
    checks.range("/attemptNumber", body.attempt_number.unwrap_or(1), 1, 1000);
    if let Some(data) = &body.submission_data {
        checks.document("/submissionData", data, limits.max_document_bytes);
    }
    if let Some(result) = &body.coding_result {
        check_result(&mut checks, "/codingResult", result);
    }
    checks.finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let current = service::get_assessment(connection, id, assessment, caller.learner()).await?.assessment;
                let documents =
                    (current.configuration.unwrap_or_default(), current.passing_criteria.unwrap_or_default());
                let rules = Rules::read(assessment, &documents.0, &documents.1)?;
                let preview = body.run(&rules, (assessment, caller.id), caller.now, limits.max_text_chars)?;
                Ok(Answer::ok(&preview))
            })
        })
        .await
}
