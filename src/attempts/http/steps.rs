//! Steps of an attempt over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::matching;
use crate::attempts::model::{AttemptWithSteps, Completion, Outcome, StepProgress};
use crate::attempts::service::{self, At};
use crate::config::ContentLimits;
use crate::criteria::Unmet;
use crate::http::command::NoBody;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Code, Command, FieldError, Path, Problem};
use crate::ids::{AttemptId, StepId};

/// Start a step
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/start", tag = "attempts", operation_id = "start_step", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 200, description = "under way, or done already", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn start_step(
    Path((id, step)): Path<(AttemptId, StepId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    let at = At { learner: caller.learner(), attempt: id, step };
    transaction
        .run(move |connection| {
            Box::pin(
                async move { Ok(Answer::ok(&service::start_step(connection, &origin, at, matching(if_match)).await?)) },
            )
        })
        .await
}

/// Skip an optional step; it can be done later all the same
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/skip", tag = "attempts", operation_id = "skip_step", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")),
    responses((status = 200, description = "skipped", body = AttemptWithSteps), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn skip_step(
    Path((id, step)): Path<(AttemptId, StepId)>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, if_match, .. } = command;
    let at = At { learner: caller.learner(), attempt: id, step };
    transaction
        .run(move |connection| {
            Box::pin(
                async move { Ok(Answer::ok(&service::skip_step(connection, &origin, at, matching(if_match)).await?)) },
            )
        })
        .await
}

/// What a learner hands in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"submissionData": {"acknowledged": true, "seconds": 95}}))]
pub struct CompleteStep {
    /// By step type: Reading `{acknowledged, seconds}`, Video `{watchedPercent}`, Interactive
    /// `{completed, passed, score}`, Quiz `{answers: {itemId: value}}`, Discussion `{posts, replies, text?}`,
    /// Submission `{text?, url?, files?: [{name, mime, bytes, sha256, url}]}`, Reflection `{text}`
    #[schema(value_type = Option<Object>)]
    pub submission_data: Option<Value>,
}

/// Complete a step
///
/// The server checks the step's criteria, pays, completes the quest with its last unit, and opens
/// what that opens. A try that does not meet the criteria counts, and is answered 422
/// `criteria_not_met` with what is missing, and a quiz's score. Work that a person looks at stays
/// `InProgress` with `review.status` `waiting`. A Coding step, and a Discussion step that asks for a
/// meeting, are completed by results from outside: 409 `awaits_result`. Completing a completed step
/// changes nothing.
#[utoipa::path(post, path = "/v1/attempts/{id}/steps/{stepId}/complete", tag = "attempts", operation_id = "complete_step", params(("id" = AttemptId, Path, description = "Attempt"), ("stepId" = StepId, Path, description = "Step")),
    request_body(content = CompleteStep, examples(
        ("Reading" = (value = json!({"submissionData": {"acknowledged": true, "seconds": 95}}))),
        ("Video" = (value = json!({"submissionData": {"watchedPercent": 100}}))),
        ("Interactive" = (value = json!({"submissionData": {"completed": true, "passed": true, "score": 0.9}}))),
        ("Quiz" = (value = json!({"submissionData": {"answers": {"q1": "null", "q2": ["a", "c"], "q3": true, "q4": "malloc", "q5": 3.5, "q6": {"stack": "automatic"}}}}))),
        ("Discussion" = (value = json!({"submissionData": {"posts": 1, "replies": 2}}))),
        ("Submission" = (value = json!({"submissionData": {"url": "https://github.com/example/log-reader", "files": [
            {"name": "report.pdf", "mime": "application/pdf", "bytes": 48213, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
             "url": "https://files.example.org/u/report.pdf"}]}}))),
        ("Reflection" = (value = json!({"submissionData": {"text": "A loop ends when its condition does; mine never changed it."}}))))),
    responses((status = 200, description = "completed", body = Completion), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn complete_step(
    State(limits): State<Arc<ContentLimits>>,
    Path((id, step)): Path<(AttemptId, StepId)>,
    command: Command<CompleteStep>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, if_match } = command;
    if let Some(data) = body.submission_data.as_ref().filter(|data| !data.is_null()) {
        let mut checks = Checks::default();
        checks.document("/submissionData", data, limits.max_document_bytes);
        checks.finish()?;
    }
    let at = At { learner: caller.learner(), attempt: id, step };
    let path = transaction.path().to_owned();
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let rate = limits.video_max_playback_rate;
                let outcome =
                    service::complete_step(connection, &origin, at, body.submission_data, rate, matching(if_match))
                        .await?;
                Ok(match outcome {
                    Outcome::Completed(completion) => Answer::ok(&completion),
                    Outcome::NotMet { unmet, step } => Answer::problem(&not_met(&unmet, &step), &path),
                })
            })
        })
        .await
}

/// The answer to a try that counts and does not meet the criteria.
fn not_met(unmet: &[Unmet], step: &StepProgress) -> Problem {
    let at = |unmet: &Unmet| FieldError::new(format!("/submissionData{}", unmet.pointer), unmet.detail.clone());
    let figures = |unmet: &Unmet| json!({"criterion": unmet.code, "current": unmet.current, "target": unmet.target});
    let mut problem = Problem::new(Code::CriteriaNotMet, "the try is counted; see errors for what is missing")
        .errors(unmet.iter().map(at).collect())
        .with("unmet", unmet.iter().map(figures).collect::<Vec<Value>>())
        .with("attemptsCount", step.attempts_count);
    if let Some(left) = step.attempts_left {
        problem = problem.with("attemptsLeft", left);
    }
    if let Some(at) = step.next_try_at {
        problem = problem.with("nextTryAt", at);
    }
    match step.score {
        Some(score) => problem.with("score", score),
        None => problem,
    }
}
