//! Tries of learners over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::assessments::model::{Submission, TryView};
use crate::assessments::service::{self, At, Outcome};
use crate::attempts::model::AttemptWithSteps;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::command::NoBody;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Code, Command, Page, Path, Problem, Query, etag, paging};
use crate::ids::{AssessmentId, AttemptId};
use crate::origin::Origin;
use crate::rewards::Earned;
use crate::unlocks::Unlocked;

/// Start a try of an assessment
///
/// The time of a timed one runs from now on, by the server's clock; its questions are shown from now on.
/// Starting again shows the same try. Without a time limit nothing runs.
#[utoipa::path(post, path = "/v1/attempts/{id}/assessments/{assessmentId}/start", tag = "submissions", operation_id = "start_assessment", params(("id" = AttemptId, Path, description = "Attempt"), ("assessmentId" = AssessmentId, Path, description = "Assessment")),
    responses((status = 200, description = "the try", body = TryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn start_assessment(
    Path((id, assessment)): Path<(AttemptId, AssessmentId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, .. } = command;
    let at = At { learner: caller.learner(), attempt: id, assessment };
    transaction
        .run(move |connection| {
            Box::pin(async move { Ok(Answer::ok(&service::start_try(connection, &origin, at).await?)) })
        })
        .await
}

/// What is saved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"submissionData": {"answers": {"ends": false}}}))]
pub struct DraftInput {
    /// As for handing in; it may be incomplete
    #[schema(value_type = Object)]
    pub submission_data: Value,
}

/// Save work that is not handed in yet
///
/// When the time of a timed try is over, what was saved last is handed in by itself.
#[utoipa::path(put, path = "/v1/attempts/{id}/assessments/{assessmentId}/draft", tag = "submissions", operation_id = "save_draft", params(("id" = AttemptId, Path, description = "Attempt"), ("assessmentId" = AssessmentId, Path, description = "Assessment")), request_body = DraftInput,
    responses((status = 200, description = "saved", body = TryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn save_draft(
    State(limits): State<Arc<ContentLimits>>,
    Path((id, assessment)): Path<(AttemptId, AssessmentId)>,
    command: Command<DraftInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    check_data(&body.submission_data, &limits)?;
    let at = At { learner: caller.learner(), attempt: id, assessment };
    transaction
        .run(move |connection| {
            Box::pin(async move {
                Ok(Answer::ok(&service::save_draft(connection, &origin, at, body.submission_data).await?))
            })
        })
        .await
}

fn check_data(data: &Value, limits: &ContentLimits) -> Result<(), Problem> {
    let mut checks = Checks::default();
    checks.document("/submissionData", data, limits.max_document_bytes);
    checks.finish()
}

/// What a learner hands in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"assessmentId": "01a20821-4c23-7176-aaea-d1be7350b75b", "submissionData": {"answers": {"ends": false}}}))]
pub struct SubmissionInput {
    pub assessment_id: AssessmentId,
    /// By type: Quiz `{answers: {itemId: value}}`; Assignment, Project, `ManualReview`, `PeerReview`
    /// `{text?, url?, files?: [{name, mime, bytes, sha256, url}]}`
    #[schema(value_type = Object)]
    pub submission_data: Value,
}

/// Answer of handing in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmissionAnswer {
    pub submission: Submission,
    pub attempt: AttemptWithSteps,
    /// What the call has paid
    pub earned: Vec<Earned>,
    /// Quests that it has opened
    pub unlocked: Vec<Unlocked>,
}

/// Hand in a try of an assessment
///
/// A Quiz is scored at once; passing it completes the unit, and the quest with its last unit. Other work
/// waits for its grade. Work that does not fit is refused and is no try. What comes after the time of a
/// timed try is answered 409 `time_over`, and what was saved has been handed in.
#[utoipa::path(post, path = "/v1/attempts/{id}/submissions", tag = "submissions", operation_id = "create_submission", params(("id" = AttemptId, Path, description = "Attempt")), request_body = SubmissionInput,
    responses((status = 201, description = "handed in", body = SubmissionAnswer, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn create_submission(
    State(limits): State<Arc<ContentLimits>>,
    Path(id): Path<AttemptId>,
    command: Command<SubmissionInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    check_data(&body.submission_data, &limits)?;
    let at = At { learner: caller.learner(), attempt: id, assessment: body.assessment_id };
    let path = transaction.path().to_owned();
    transaction
        .run(move |connection| {
            Box::pin(async move {
                Ok(match service::submit(connection, &origin, at, body.submission_data).await? {
                    Outcome::Taken(handed_in) => {
                        let location = format!("/v1/submissions/{}", handed_in.submission.id);
                        let answer = SubmissionAnswer {
                            submission: handed_in.submission,
                            attempt: handed_in.attempt,
                            earned: handed_in.settled.earned,
                            unlocked: handed_in.settled.unlocked,
                        };
                        Answer::created(&location, &answer)
                    }
                    Outcome::TimeOver(submission) => {
                        let detail = "the time of this try is over; what was saved has been handed in";
                        Answer::problem(&Problem::new(Code::TimeOver, detail).with("submission", submission), &path)
                    }
                })
            })
        })
        .await
}

/// What `GET …/submissions` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListSubmissions {
    /// Only tries of this assessment
    pub assessment_id: Option<AssessmentId>,
    /// Items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// List one's own submissions in an attempt, newest first
#[utoipa::path(get, path = "/v1/attempts/{id}/submissions", tag = "submissions", operation_id = "list_submissions", params(("id" = AttemptId, Path, description = "Attempt"), ListSubmissions),
    responses((status = 200, description = "a page", body = Page<Submission>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_submissions(
    caller: Caller,
    State(db): State<Db>,
    origin: Origin,
    headers: HeaderMap,
    Path(id): Path<AttemptId>,
    Query(query): Query<ListSubmissions>,
) -> Result<Response, Problem> {
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let learner = caller.learner();
    let mut connection = db.pool.acquire().await?;
    let attempt = service::own_attempt(&mut connection, learner, id, caller.now).await?;
    if attempt.has_run_out {
        drop(connection);
        hand_in_what_ran_out(&db, &origin, caller, id).await?;
        connection = db.pool.acquire().await?;
    }
    let submitted =
        service::list_own_submissions(&mut connection, learner, id, query.assessment_id, after, limit + 1).await?;
    let page = Page::cut(submitted, limit, |submitted| (submitted.submission.submitted_at, submitted.submission.id.0))
        .map(|submitted| submitted.for_learner(caller.now));
    Ok(etag::respond(&headers, &page))
}

/// The job comes within a second; whoever looks before sees it all the same.
pub(super) async fn hand_in_what_ran_out(
    db: &Db,
    origin: &Origin,
    caller: Caller,
    attempt: AttemptId,
) -> Result<(), Problem> {
    let origin = origin.clone();
    db.transact(move |connection| {
        Box::pin(async move {
            service::expire_tries(connection, &origin, caller.learner(), attempt).await.map_err(Problem::from)
        })
    })
    .await
}
