//! Operations on learning paths. Every write locks the path's row first, so that edits of one path come
//! one after the other; those that also depend on quests take these before it, in the order of their ids.

mod blueprint;
mod chapters;
mod clone;
mod paths;
mod publish;
mod quests;

pub use blueprint::load_blueprint;
pub use chapters::{create_chapter, delete_chapter, get_chapter, list_chapters, order_chapters, update_chapter};
pub use clone::{clone_path, hold_quests_of};
pub use paths::{create_path, delete_path, get_path, list_paths, lock_path, update_path};
pub use publish::{activate_drafts, lock_drafts, publish_path, unpublish_path};
pub use quests::{hold_quests, list_quests, set_quests, write_places};

pub use crate::quests::service::refresh_path_totals;

use sqlx::PgConnection;
use uuid::Uuid;

use super::model::LearningPath;
use crate::origin::Origin;
use crate::unlocks::reevaluate::{Touched, request, waits};

/// After an edit that learners may qualify by, or that moves those who are enrolled. `quests` are those
/// that it gates otherwise, or that were taken out; a draft gates none, but may wait to be judged.
async fn changed(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
    quests: &[Uuid],
) -> Result<(), sqlx::Error> {
    let quests = if path.is_published || waits(connection, path.id).await? { quests } else { &[] };
    request(connection, origin, Touched { quests, paths: &[path.id.0] }).await
}
