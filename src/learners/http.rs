//! Erasing over HTTP.

use axum::response::Response;

use super::erase;
use crate::http::command::NoBody;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Command, Path, Problem};
use crate::ids::LearnerId;

/// Erase a learner
///
/// In every table the id gives way to a random one, and free text, submissions and payloads are blanked; counts stay.
/// What was not published yet is not published any more. Idempotent: 204 for who is unknown, too. Whoever comes back with
/// the same id is a new learner.
#[utoipa::path(delete, path = "/v1/admin/learners/{authUserId}", tag = "admin", operation_id = "erase_learner", params(("authUserId" = LearnerId, Path, description = "Learner")),
    responses((status = 204, description = "erased"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn erase_learner(Path(id): Path<LearnerId>, command: Command<NoBody>) -> Result<Response, Problem> {
    let Command { caller, origin, transaction, .. } = command;
    caller.require_admin()?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                erase(connection, &origin, id).await?;
                Ok(Answer::no_content())
            })
        })
        .await
}
