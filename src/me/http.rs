//! The caller over HTTP.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::model::{Overview, Role};
use super::service;
use crate::db::Db;
use crate::http::auth::bearer;
use crate::http::problem::ProblemBody;
use crate::http::{Caller, Problem, etag};
use crate::user_service::{Shown, User, Users};

/// Show the caller
///
/// Roles, counts of enrolments and attempts, and what the User Service says: it is asked with the caller's token, and
/// its answer is kept for a moment. While it is away, `degraded` is true, and profile and academic context are null or
/// as it last told them.
#[utoipa::path(get, path = "/v1/me", tag = "me", operation_id = "get_me",
    responses((status = 200, description = "the caller", body = Overview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn get_me(
    caller: Caller,
    State(db): State<Db>,
    State(users): State<Users>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (user, degraded) = match &users.0 {
        None => (None, false),
        Some(users) => match users.me(caller.id, bearer(&headers).unwrap_or_default(), caller.now).await {
            Ok(Shown { value, is_stale }) => (value, is_stale),
            // The client has logged why.
            Err(_) => (None, true),
        },
    };
    let (profile, academic_context) = user.map(User::split).unzip();
    // The User Service was asked before a connection is held.
    let deeds = service::deeds(&mut *db.pool.acquire().await?, caller.learner()).await?;
    let roles = Role::of(caller.roles);
    let overview = Overview { auth_user_id: caller.id, roles, profile, academic_context, deeds, degraded };
    Ok(etag::respond(&headers, &overview))
}
