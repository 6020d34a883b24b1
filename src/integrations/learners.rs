//! What other services ask about learners.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::attempts::http::ListAttempts;
use crate::attempts::model::{Attempt, AttemptStatus};
use crate::attempts::service::list_attempts;
use crate::db::Db;
use crate::enrollments::http::ListEnrollments;
use crate::enrollments::model::{Enrollment, PathStatus};
use crate::enrollments::service::list_enrollments;
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Caller, Command, Page, Path, Problem, Query, etag, paging};
use crate::ids::{AttemptId, LearnerId, LearningPathId, QuestId};

const MAX_LEARNERS: usize = 200;
const MAX_THINGS: usize = 50;

/// List a learner's attempts, newest first, for services
///
/// As the learner sees them, without the learner's notes. Who is unknown here has none.
#[utoipa::path(get, path = "/v1/learners/{authUserId}/attempts", tag = "learners", operation_id = "list_learner_attempts", params(("authUserId" = LearnerId, Path, description = "Learner"), ListAttempts),
    responses((status = 200, description = "a page", body = Page<Attempt>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_learner_attempts(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(learner): Path<LearnerId>,
    Query(query): Query<ListAttempts>,
) -> Result<Response, Problem> {
    caller.require_service()?;
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let mut attempts = list_attempts(&mut connection, learner, query.status, after, limit + 1).await?;
    for attempt in &mut attempts {
        attempt.notes = None;
    }
    let page = Page::cut(attempts, limit, |attempt| (attempt.started_at, attempt.id.0));
    Ok(etag::respond(&headers, &page))
}

/// List a learner's learning paths, last enrolled first, for services
#[utoipa::path(get, path = "/v1/learners/{authUserId}/learning-paths", tag = "learners", operation_id = "list_learner_enrollments", params(("authUserId" = LearnerId, Path, description = "Learner"), ListEnrollments),
    responses((status = 200, description = "a page", body = Page<Enrollment>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn list_learner_enrollments(
    caller: Caller,
    State(db): State<Db>,
    headers: HeaderMap,
    Path(learner): Path<LearnerId>,
    Query(query): Query<ListEnrollments>,
) -> Result<Response, Problem> {
    caller.require_service()?;
    let limit = paging::limit(query.limit)?;
    let after: Option<(DateTime<Utc>, Uuid)> = paging::after(query.cursor.as_deref())?;
    let mut connection = db.pool.acquire().await?;
    let rows = list_enrollments(&mut connection, learner, query.status, after, limit + 1).await?;
    let page = Page::cut(rows, limit, |enrollment| (enrollment.enrolled_at, enrollment.learning_path_id.0));
    Ok(etag::respond(&headers, &page))
}

/// Whose progress on what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "authUserIds": ["01980000-0000-7000-8000-00000000000a", "01980000-0000-7000-8000-00000000000b"],
    "questIds": ["01980000-0000-7000-8000-000000000001"], "learningPathIds": []
}))]
pub struct ProgressInput {
    /// 1 to 200 learners
    pub auth_user_ids: Vec<Uuid>,
    /// Together with `learningPathIds` 1 to 50
    #[serde(default)]
    pub quest_ids: Vec<Uuid>,
    #[serde(default)]
    pub learning_path_ids: Vec<Uuid>,
}

/// Progress of several learners.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressReport {
    /// One for each learner that was asked for, in that order
    pub items: Vec<LearnerProgress>,
}

/// Progress of one learner; what the learner has not begun is left out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnerProgress {
    pub auth_user_id: LearnerId,
    pub quests: Vec<QuestProgress>,
    pub learning_paths: Vec<PathProgress>,
}

/// Of one quest.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestProgress {
    #[serde(skip)]
    auth_user_id: Uuid,
    pub quest_id: QuestId,
    pub attempt_id: AttemptId,
    pub status: AttemptStatus,
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 66.66)]
    pub completion_percentage: Decimal,
    pub total_experience_earned: i32,
    pub completed_at: Option<DateTime<Utc>>,
}

/// Of one learning path; of one that was left as well.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathProgress {
    #[serde(skip)]
    auth_user_id: Uuid,
    pub learning_path_id: LearningPathId,
    pub status: PathStatus,
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 25.0)]
    pub completion_percentage: Decimal,
    pub completed_quests_count: i32,
    pub total_quests_count: i32,
    pub completed_at: Option<DateTime<Utc>>,
    pub left_at: Option<DateTime<Utc>>,
}

/// Ask for the progress of up to 200 learners at once, for services
///
/// Two statements, whatever the number: a party's or a guild's page in one call.
#[utoipa::path(post, path = "/v1/learners/progress", tag = "learners", operation_id = "get_learners_progress", request_body = ProgressInput,
    responses((status = 200, description = "the progress", body = ProgressReport), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_learners_progress(command: Command<ProgressInput>) -> Result<Response, Problem> {
    let Command { caller, body, transaction, .. } = command;
    caller.require_service()?;
    let mut checks = Checks::default();
    let (learners, things) = (body.auth_user_ids.len(), body.quest_ids.len() + body.learning_path_ids.len());
    checks.require(
        (1..=MAX_LEARNERS).contains(&learners),
        "/authUserIds",
        format!("must have 1 to {MAX_LEARNERS} items"),
    );
    checks.require(
        (1..=MAX_THINGS).contains(&things),
        "/questIds",
        format!("questIds and learningPathIds must have 1 to {MAX_THINGS} items together"),
    );
    checks.finish()?;
    transaction.run(move |connection| Box::pin(async move { Ok(Answer::ok(&progress(connection, body).await?)) })).await
}

async fn progress(connection: &mut PgConnection, input: ProgressInput) -> Result<ProgressReport, sqlx::Error> {
    let learners = &input.auth_user_ids;
    let quests = sqlx::query_as!(
        QuestProgress,
        r#"/* learners:quests */
           SELECT auth_user_id, quest_id AS "quest_id: QuestId", id AS "attempt_id: AttemptId", status AS "status: AttemptStatus",
                  completion_percentage, total_experience_earned, completed_at
           FROM user_quest_attempts WHERE auth_user_id = ANY($1) AND quest_id = ANY($2)
           ORDER BY auth_user_id, quest_id"#,
        learners,
        &input.quest_ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let paths = sqlx::query_as!(
        PathProgress,
        r#"/* learners:paths */
           SELECT auth_user_id, learning_path_id AS "learning_path_id: LearningPathId", status AS "status: PathStatus",
                  completion_percentage, completed_quests_count, total_quests_count, completed_at, left_at
           FROM user_learning_path_progress WHERE auth_user_id = ANY($1) AND learning_path_id = ANY($2)
           ORDER BY auth_user_id, learning_path_id"#,
        learners,
        &input.learning_path_ids
    )
    .fetch_all(connection)
    .await?;
    let items = learners
        .iter()
        .map(|learner| LearnerProgress {
            auth_user_id: LearnerId(*learner),
            quests: quests.iter().filter(|row| row.auth_user_id == *learner).cloned().collect(),
            learning_paths: paths.iter().filter(|row| row.auth_user_id == *learner).cloned().collect(),
        })
        .collect();
    Ok(ProgressReport { items })
}
