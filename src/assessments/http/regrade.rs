//! Regrading over HTTP.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::assessments::model::{Regrade, Regraded};
use crate::assessments::service;
use crate::db::Db;
use crate::http::command::NoBody;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Command, FieldError, Page, Path, Problem, Query, etag, paging};
use crate::ids::{AssessmentId, RegradeId};

/// What `POST …/regrade` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct HowToRegrade {
    /// Only list what would change
    #[serde(default)]
    #[param(default = false)]
    pub dry_run: bool,
    /// Write grades that are worse than before, too
    #[serde(default)]
    #[param(default = false)]
    pub may_lower: bool,
    /// Of a dry run: items a page, 1 to 100
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// Of a dry run: `nextCursor` of the page before
    pub cursor: Option<String>,
}

/// What a regrading would do, or the work that has been taken on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RegradeAnswer {
    /// Of a dry run: each graded submission, in the order in which they came in
    DryRun(Page<Regraded>),
    /// The job in the background
    Job(Regrade),
}

/// Grade all tries of an assessment anew, after its key or rules have changed
///
/// With `dryRun=true`, a page of what would change, and nothing else. Without, a job in the background, with
/// its progress at `Location`. What people gave is kept and weighed anew. Grades never become worse unless
/// `mayLower=true`, and a unit that is done stays done in any case; what is passed now pays once. A second run
/// changes nothing.
#[utoipa::path(post, path = "/v1/assessments/{id}/regrade", tag = "submissions", operation_id = "regrade_assessment", params(("id" = AssessmentId, Path, description = "Assessment"), HowToRegrade),
    responses((status = 200, description = "what it would do", body = RegradeAnswer), (status = 202, description = "taken on", body = Regrade, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn regrade_assessment(
    Path(id): Path<AssessmentId>,
    Query(how): Query<HowToRegrade>,
    command: Command<NoBody>,
) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, .. } = command;
    caller.require_grader()?;
    if !how.dry_run && (how.limit.is_some() || how.cursor.is_some()) {
        return Err(Problem::invalid(vec![FieldError::new("limit", "and cursor are for a dry run")]));
    }
    let limit = paging::limit(how.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(how.cursor.as_deref())?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                if how.dry_run {
                    let regraded = service::preview_regrade(connection, id, how.may_lower, after, limit + 1).await?;
                    let page = Page::cut(regraded, limit, |(position, _)| *position).map(|(_, regraded)| regraded);
                    return Ok(Answer::ok(&RegradeAnswer::DryRun(page)));
                }
                let regrade = service::request_regrade(connection, &origin, id, how.may_lower).await?;
                let location = format!("/v1/assessments/{id}/regrades/{}", regrade.id);
                Ok(Answer::accepted(&location, &RegradeAnswer::Job(regrade)))
            })
        })
        .await
}

/// Read how far a regrading is
#[utoipa::path(get, path = "/v1/assessments/{id}/regrades/{regradeId}", tag = "submissions", operation_id = "get_regrade", params(("id" = AssessmentId, Path, description = "Assessment"), ("regradeId" = RegradeId, Path, description = "Regrading")),
    responses((status = 200, description = "the regrading", body = Regrade), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_regrade(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path((id, regrade)): Path<(AssessmentId, RegradeId)>,
) -> Result<Response, Problem> {
    caller.require_grader()?;
    let mut connection = db.pool.acquire().await?;
    Ok(etag::respond(&headers, &service::get_regrade(&mut connection, id, regrade).await?))
}
