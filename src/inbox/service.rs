//! Doing what a message asks for, once.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::message::{Key, Meaning, Source};
use crate::integrations::service::{receive, receive_meeting};
use crate::origin::Origin;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    /// Its key came before, with the same content.
    Repeated,
    Ignored,
}

/// Why a message is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("another message came before with the key {0}")]
    KeyReused(String),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Takes a message in, in the transaction that keeps its key.
///
/// # Errors
/// When its key was another message's, or the database's.
pub async fn take_in(
    connection: &mut PgConnection,
    origin: &Origin,
    source: Source,
    meaning: &Meaning,
) -> Result<Outcome, Refusal> {
    if let Some(key) = meaning.key()
        && !is_new(connection, origin, source, &key).await?
    {
        return Ok(Outcome::Repeated);
    }
    match meaning {
        Meaning::Nothing => return Ok(Outcome::Ignored),
        Meaning::Coding { learner, evidence } => {
            receive(connection, origin, *learner, evidence).await?;
        }
        Meaning::Meeting(meeting) => {
            receive_meeting(connection, origin, meeting).await?;
        }
        Meaning::UserDeleted(learner) => {
            crate::learners::erase(connection, origin, *learner).await?;
        }
    }
    Ok(Outcome::Applied)
}

async fn is_new(connection: &mut PgConnection, origin: &Origin, source: Source, key: &Key) -> Result<bool, Refusal> {
    let inserted = sqlx::query!(
        "/* inbox:keep */
         INSERT INTO inbox_messages (source, message_key, fingerprint, received_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        source.as_str(),
        key.key,
        key.fingerprint,
        origin.clock.now()
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if inserted == 1 {
        return Ok(true);
    }
    let known = sqlx::query_scalar!(
        "SELECT fingerprint FROM inbox_messages WHERE source = $1 AND message_key = $2",
        source.as_str(),
        key.key
    )
    .fetch_optional(connection)
    .await?;
    if known.is_none_or(|known| known == key.fingerprint) {
        Ok(false)
    } else {
        Err(Refusal::KeyReused(key.key.clone()))
    }
}

/// Forgets the keys of messages that came before `before`.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn prune(pool: &PgPool, before: DateTime<Utc>) -> Result<(), sqlx::Error> {
    loop {
        let removed = sqlx::query!(
            "DELETE FROM inbox_messages WHERE (source, message_key) IN (
                 SELECT source, message_key FROM inbox_messages WHERE received_at < $1 ORDER BY received_at LIMIT 1000)",
            before
        )
        .execute(pool)
        .await?
        .rows_affected();
        if removed == 0 {
            return Ok(());
        }
    }
}
