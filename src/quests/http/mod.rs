//! The catalogue over HTTP.

mod checks;
pub mod quests;
pub mod resources;
pub mod sets;
pub mod steps;

pub use checks::{check_quest, check_resource, check_rewards, check_step};

use sqlx::PgConnection;

use super::model::{QuestWithMy, Refusal, Sight};
use super::service;
use crate::db::Db;
use crate::http::catalogue::{self, Sources};
use crate::http::{Caller, Code, FieldError, Problem};
use crate::ids::QuestId;
use crate::unlocks::{Availability, My, my};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::InUse(_) => Self::new(Code::InUse, detail),
            Refusal::Cycle(cycle) => {
                let way: Vec<&str> = cycle.iter().map(|quest| quest.title.as_str()).collect();
                Self::new(Code::PrerequisiteCycle, format!("{detail}: {}", way.join(" needs "))).with("cycle", &cycle)
            }
            Refusal::NotActivatable(_) => Self::new(Code::NotActivatable, detail),
            Refusal::KeyTaken => {
                Self::new(Code::KeyTaken, detail).errors(vec![FieldError::new("/key", "must be unique")])
            }
            Refusal::LastUnit => Self::new(Code::LastUnit, detail),
            Refusal::Invalid(pointer, detail) => Self::invalid(vec![FieldError::new(pointer, detail)]),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// A quest as the caller may see it, with the caller's own view: two statements.
pub async fn readable(connection: &mut PgConnection, caller: Caller, id: QuestId) -> Result<QuestWithMy, Problem> {
    let my = visible(connection, caller, id).await?;
    let quest = service::get_quest(connection, id).await?.ok_or_else(|| Problem::not_found("quest"))?;
    Ok(QuestWithMy { quest, my }.seen_by(caller.roles.author))
}

/// The same outside a transaction: the caller's own view from the primary, the quest from where the catalogue is read.
pub(crate) async fn read_quest(db: &Db, caller: Caller, id: QuestId) -> Result<QuestWithMy, Problem> {
    let mut sources = Sources::new(db, caller);
    let my = visible(sources.primary().await?, caller, id).await?;
    let quest = catalogue::read!(sources, |connection| service::get_quest(connection, id)
        .await?
        .ok_or_else(|| Problem::not_found("quest"))?);
    Ok(QuestWithMy { quest, my }.seen_by(caller.roles.author))
}

/// The caller's own view of a quest, in one statement. A draft is not there for learners without an
/// attempt, nor is what shows nothing of itself while it is locked.
pub(crate) async fn visible(connection: &mut PgConnection, caller: Caller, id: QuestId) -> Result<My, Problem> {
    my(connection, caller.now, caller.learner(), &[id.0])
        .await?
        .remove(&id)
        .filter(|my| caller.roles.author || my.is_visible())
        .ok_or_else(|| Problem::not_found("quest"))
}

/// How much of a quest's steps and resources the caller may see; one statement.
pub(crate) async fn sight(connection: &mut PgConnection, caller: Caller, id: QuestId) -> Result<Sight, Problem> {
    let my = visible(connection, caller, id).await?;
    Ok(if caller.roles.author {
        Sight::Author
    } else if my.attempt_id.is_some() || my.availability == Availability::Available {
        Sight::Open
    } else {
        Sight::Locked
    })
}
