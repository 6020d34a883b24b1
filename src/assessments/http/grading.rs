//! Grading by people over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::assessments::model::{
    AssessmentType, GradeInput, MoreTries, MoreTriesInput, Status, Submission, SubmissionForGrader,
};
use crate::assessments::service::{self, QueueFilter};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Command, FieldError, Page, Path, Problem, Query, etag, paging};
use crate::ids::{AssessmentId, AttemptId, QuestId, SubmissionId};

/// What `GET /v1/submissions` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListQueue {
    /// `awaitingGrade` if left out
    pub status: Option<Status>,
    pub quest_id: Option<QuestId>,
    pub assessment_id: Option<AssessmentId>,
    pub assessment_type: Option<AssessmentType>,
    /// Only this learner's
    pub auth_user_id: Option<Uuid>,
    /// `me`: only what is assigned to the caller as the author of its quest
    pub assigned_to: Option<String>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// A submission in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedSubmission {
    #[serde(flatten)]
    pub submission: SubmissionForGrader,
    /// For `If-Match` of the grade
    #[schema(example = "\"u8jX2rVdM4nJwUOQ1d0kSg\"")]
    pub etag: String,
}

/// List submissions by where they stand, longest waiting first
///
/// Without the caller's own work.
#[utoipa::path(get, path = "/v1/submissions", tag = "submissions", operation_id = "list_queue", params(ListQueue),
    responses((status = 200, description = "a page", body = Page<QueuedSubmission>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_queue(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Query(query): Query<ListQueue>,
) -> Result<Response, Problem> {
    caller.require_grader()?;
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    if query.assigned_to.as_deref().is_some_and(|name| name != "me") {
        return Err(Problem::invalid(vec![FieldError::new("assignedTo", "must be me")]));
    }
    let filter = QueueFilter {
        status: query.status.unwrap_or(Status::AwaitingGrade),
        quest: query.quest_id,
        assessment: query.assessment_id,
        kind: query.assessment_type,
        learner: query.auth_user_id,
        assigned_to: query.assigned_to.map(|_| caller.id),
    };
    let mut connection = db.pool.acquire().await?;
    let queued = service::list_queue(&mut connection, caller.id, &filter, after, limit + 1).await?;
    let page =
        Page::cut(queued, limit, |queued| (queued.submission.submitted_at, queued.submission.id.0)).map(|queued| {
            let submission = queued.for_grader();
            QueuedSubmission { etag: etag::of(&submission), submission }
        });
    Ok(etag::respond(&headers, &page))
}

/// A submission, as far as the caller may see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SeenSubmission {
    /// For graders, of the work of others
    Grader(Box<SubmissionForGrader>),
    /// For the learner whose work it is
    Learner(Box<Submission>),
}

/// Read a submission
///
/// One's own, as the feedback policy allows; a grader reads those of others whole, with every grade that was given.
#[utoipa::path(get, path = "/v1/submissions/{id}", tag = "submissions", operation_id = "get_submission", params(("id" = SubmissionId, Path, description = "Submission")),
    responses((status = 200, description = "the submission", body = SeenSubmission), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_submission(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(id): Path<SubmissionId>,
) -> Result<Response, Problem> {
    let mut connection = db.pool.acquire().await?;
    let submitted = service::get_submission(&mut connection, id).await?;
    let seen = if submitted.auth_user_id == caller.id {
        SeenSubmission::Learner(Box::new(submitted.for_learner(caller.now)))
    } else if caller.roles.grader {
        SeenSubmission::Grader(Box::new(submitted.for_grader()))
    } else {
        return Err(Problem::not_found("submission"));
    };
    Ok(etag::respond(&headers, &seen))
}

/// Grade a submission, or send it back for another try
///
/// `If-Match` is required: of two graders, one grades, and the other gets 412 with the grade that stands now
/// in `current` and the own one in `yours`. A grade can be given again, and every one is kept. Work can be
/// sent back until its learner has passed the assessment; that counts as no try. Nobody grades own work.
#[utoipa::path(post, path = "/v1/submissions/{id}/grade", tag = "submissions", operation_id = "grade_submission", params(("id" = SubmissionId, Path, description = "Submission")), request_body = GradeInput,
    responses((status = 200, description = "graded, or sent back", body = SubmissionForGrader), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn grade_submission(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<SubmissionId>,
    command: Command<GradeInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    caller.require_grader()?;
    let if_match = if_match.require()?;
    let yours = json!({"grade": body.grade.map(crate::criteria::json_number), "rubric": &body.rubric, "decision": body.decision});
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let check = |stands: &SubmissionForGrader| {
                    if_match.check(stands).map_err(|problem| problem.with("current", stands).with("yours", yours))
                };
                let graded =
                    service::grade_submission(connection, &origin, id, body, limits.max_text_chars, check).await?;
                Ok(Answer::resource(&graded))
            })
        })
        .await
}

/// Allow a learner further tries of an assessment
///
/// They come on top of the limit, and are taken after the end of the
/// assessment too. Audited.
#[utoipa::path(post, path = "/v1/attempts/{id}/extra-tries", tag = "submissions", operation_id = "allow_extra_tries", params(("id" = AttemptId, Path, description = "Attempt")), request_body = MoreTriesInput,
    responses((status = 200, description = "allowed", body = MoreTries), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn allow_extra_tries(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<AttemptId>,
    command: Command<MoreTriesInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_grader()?;
    let mut checks = Checks::default();
    checks.range("/tries", body.tries, 1, 100);
    checks.text("/reason", &body.reason, 1, limits.max_text_chars);
    checks.finish()?;
    transaction
        .run(move |connection| {
            Box::pin(async move { Ok(Answer::ok(&service::allow_extra_tries(connection, &origin, id, &body).await?)) })
        })
        .await
}
