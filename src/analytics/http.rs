//! Analytics over HTTP: JSON, tables and pictures of the same answers.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::attention::Attention;
use super::chart::{draw_path, draw_quest};
use super::csv::Table;
use super::insight::model::{PathInsight, QuestInsight};
use super::period::{Bucket, Insights, Period};
use super::service;
use super::tables::{self, PathTable, QuestTable};
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Caller, Path, Problem, Query, accept, etag};
use crate::ids::{LearningPathId, QuestId};

const JSON: &str = "application/json";
const CSV: &str = "text/csv";
const SVG: &str = "image/svg+xml";

/// What a quest's analytics take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuestPeriod {
    /// First calendar day; left out, 30 days up to `to`
    pub from: Option<NaiveDate>,
    /// Last calendar day; left out, today
    pub to: Option<NaiveDate>,
    /// What a point of the series stands for; `day` when left out
    pub bucket: Option<Bucket>,
    /// With `Accept: text/csv`, which part; `steps` when left out
    pub table: Option<QuestTable>,
}

/// What a learning path's analytics take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PathPeriod {
    /// First calendar day; left out, 30 days up to `to`
    pub from: Option<NaiveDate>,
    /// Last calendar day; left out, today
    pub to: Option<NaiveDate>,
    /// What a point of the series stands for; `day` when left out
    pub bucket: Option<Bucket>,
    /// With `Accept: text/csv`, which part; `quests` when left out
    pub table: Option<PathTable>,
}

/// Whose quests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Creator {
    Me,
}

/// What the list of what needs attention takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AttentionPeriod {
    /// First calendar day; left out, 30 days up to `to`
    pub from: Option<NaiveDate>,
    /// Last calendar day; left out, today
    pub to: Option<NaiveDate>,
    /// `me`: only quests that the caller made
    pub created_by: Option<Creator>,
}

/// See what became of the attempts at a quest, for authors and graders
///
/// The attempts that were begun in the period, as they stand now: the funnel per step, times, tries, where learners
/// leave and wait, feedback, and the items of its quizzes. Small groups of learners are held back (null). With
/// `Accept: text/csv` one part as a table, with `Accept: image/svg+xml` trend and funnel drawn.
#[utoipa::path(get, path = "/v1/quests/{id}/analytics", tag = "analytics", operation_id = "get_quest_analytics", params(("id" = QuestId, Path, description = "Quest"), QuestPeriod),
    responses((status = 200, description = "the figures", content((QuestInsight = "application/json"), (String = "text/csv"), (String = "image/svg+xml"))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_quest_analytics(
    caller: Caller,
    State(db): State<Db>,
    State(insights): State<Insights>,
    headers: HeaderMap,
    Path(id): Path<QuestId>,
    Query(query): Query<QuestPeriod>,
) -> Result<Response, Problem> {
    caller.require_author_or_grader()?;
    let period = period(query.from, query.to, caller, &insights)?;
    let bounds = insights.bounds(caller.now);
    let bucket = query.bucket.unwrap_or_default();
    let mut connection = db.pool.acquire().await?;
    let insight = service::quest(&mut connection, id.0, period, bucket, &bounds).await?;
    drop(connection);
    let insight = insight.ok_or_else(|| Problem::not_found("quest"))?;
    let table = query.table.unwrap_or_default();
    let rows = |insight: &_| (tables::of_quest(insight, table), format!("quest-{}", table.as_str()));
    Ok(answer(&headers, &insight, rows, draw_quest))
}

/// See what became of the learners of a learning path, for authors and graders
///
/// Those who enrolled in the period, as they stand now: how far they are, the funnel per quest, and who waits at a
/// locked quest, by what is missing. Small groups of learners are held back (null). With `Accept: text/csv` one part
/// as a table, with `Accept: image/svg+xml` trend and funnel drawn.
#[utoipa::path(get, path = "/v1/learning-paths/{id}/analytics", tag = "analytics", operation_id = "get_learning_path_analytics", params(("id" = LearningPathId, Path, description = "Learning path"), PathPeriod),
    responses((status = 200, description = "the figures", content((PathInsight = "application/json"), (String = "text/csv"), (String = "image/svg+xml"))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_learning_path_analytics(
    caller: Caller,
    State(db): State<Db>,
    State(insights): State<Insights>,
    headers: HeaderMap,
    Path(id): Path<LearningPathId>,
    Query(query): Query<PathPeriod>,
) -> Result<Response, Problem> {
    caller.require_author_or_grader()?;
    let period = period(query.from, query.to, caller, &insights)?;
    let bounds = insights.bounds(caller.now);
    let bucket = query.bucket.unwrap_or_default();
    let mut connection = db.pool.acquire().await?;
    let insight = service::path(&mut connection, id.0, period, bucket, &bounds).await?;
    drop(connection);
    let insight = insight.ok_or_else(|| Problem::not_found("learning path"))?;
    let table = query.table.unwrap_or_default();
    let rows = |insight: &_| (tables::of_path(insight, table), format!("path-{}", table.as_str()));
    Ok(answer(&headers, &insight, rows, draw_path))
}

/// List what needs attention, the worst first, for authors and graders
///
/// Steps where learners leave, items whose key is likely wrong, what is too hard or too slow, who waits for whom: at
/// most 100, by the share of learners that it hits times how bad it is for one. Active quests with at least
/// `ANALYTICS_MIN_COHORT` attempts in the period, and published paths. With `Accept: text/csv` as a table.
#[utoipa::path(get, path = "/v1/analytics/attention", tag = "analytics", operation_id = "list_attention", params(AttentionPeriod),
    responses((status = 200, description = "the list", content((Attention = "application/json"), (String = "text/csv"))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_attention(
    caller: Caller,
    State(db): State<Db>,
    State(insights): State<Insights>,
    headers: HeaderMap,
    Query(query): Query<AttentionPeriod>,
) -> Result<Response, Problem> {
    caller.require_author_or_grader()?;
    let period = period(query.from, query.to, caller, &insights)?;
    let bounds = insights.bounds(caller.now);
    let author = query.created_by.map(|Creator::Me| caller.id);
    let mut connection = db.pool.acquire().await?;
    let attention = service::attention(&mut connection, author, period, &bounds).await?;
    drop(connection);
    Ok(match accept::favourite(&headers, [JSON, CSV]) {
        CSV => csv(&headers, &tables::of_attention(&attention), "attention"),
        _ => etag::respond(&headers, &attention),
    })
}

fn period(
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    caller: Caller,
    insights: &Insights,
) -> Result<Period, Problem> {
    let mut checks = Checks::default();
    for (name, day) in [("from", from), ("to", to)] {
        if let Some(day) = day {
            checks.year(name, &day);
        }
    }
    checks.finish()?;
    let period = Period::of(from, to, caller.now.date_naive());
    let (days, most) = (period.days(), insights.max_days());
    let mut checks = Checks::default();
    checks.require(days >= 1, "to", format!("must not be before from, which is {}", period.from));
    checks.require(
        days <= most,
        "from",
        format!("must be at most {most} days before to, both included; these are {days}"),
    );
    checks.finish()?;
    Ok(period)
}

/// The same figures as the caller wants to see them: a document, one part as a table with its name, or drawn.
fn answer<T: Serialize>(
    headers: &HeaderMap,
    insight: &T,
    table: impl FnOnce(&T) -> (Table, String),
    draw: fn(&T) -> String,
) -> Response {
    match accept::favourite(headers, [JSON, CSV, SVG]) {
        CSV => {
            let (table, name) = table(insight);
            csv(headers, &table, &name)
        }
        SVG => etag::respond_svg(headers, draw(insight)),
        _ => etag::respond(headers, insight),
    }
}

fn csv(headers: &HeaderMap, table: &Table, name: &str) -> Response {
    let mut response =
        etag::respond_as(headers, "text/csv; charset=utf-8; header=present", table.to_csv().into_bytes());
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
