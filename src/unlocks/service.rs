//! Facts for the conditions, loaded set-wise, and the record of what has opened.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::model::{Availability, Condition, My, State, Unlocked, availability};
use crate::ids::{AttemptId, LearnerId, QuestId};
use crate::learners::Locked;
use crate::outbox::Event;
use crate::quests::model::{AttemptStatus, QuestType};
use crate::rewards::unlock_id;

/// What stands between a learner and a quest.
#[derive(Debug)]
pub struct Gate {
    pub availability: Availability,
    pub conditions: Vec<Condition>,
    /// The opening is on record already.
    pub opened_before: bool,
}

/// Judges one quest for one learner, with every condition; one statement.
///
/// # Errors
/// The database's.
pub async fn gate(
    connection: &mut PgConnection,
    learner: LearnerId,
    quest: QuestId,
    is_active: bool,
) -> Result<Gate, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT needed.id AS "id?: QuestId", needed.title AS "title?",
                  attempt.status AS "status?: AttemptStatus", attempt.completion_percentage AS "percentage?",
                  unlock.quest_id IS NOT NULL AS "opened_before!"
           FROM (SELECT $2::uuid AS id) AS quest
           LEFT JOIN quest_unlocks AS unlock ON unlock.auth_user_id = $1 AND unlock.quest_id = quest.id
           LEFT JOIN (quest_prerequisites AS link
                      JOIN quests AS needed ON needed.id = link.prerequisite_quest_id AND needed.is_active)
               ON link.quest_id = quest.id
           LEFT JOIN user_quest_attempts AS attempt
               ON attempt.auth_user_id = $1 AND attempt.quest_id = needed.id
           ORDER BY needed.title, needed.id"#,
        learner.0,
        quest.0
    )
    .fetch_all(connection)
    .await?;
    let opened_before = rows.iter().any(|row| row.opened_before);
    let conditions: Vec<Condition> = rows
        .into_iter()
        .filter_map(|row| {
            let done = row.status == Some(AttemptStatus::Completed);
            Some(Condition {
                kind: "questCompleted",
                quest_id: row.id?,
                title: row.title?,
                state: if done { State::Met } else { State::Unmet },
                current: row.percentage.unwrap_or_default(),
                target: Decimal::ONE_HUNDRED,
            })
        })
        .collect();
    let met = conditions.iter().all(|condition| condition.state == State::Met);
    Ok(Gate { availability: availability(is_active, opened_before, met), conditions, opened_before })
}

/// The caller's view of several quests; one statement.
///
/// # Errors
/// The database's.
pub async fn my(
    connection: &mut PgConnection,
    learner: LearnerId,
    quests: &[Uuid],
) -> Result<HashMap<QuestId, My>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT quest.id AS "id: QuestId", quest.is_active, attempt.id AS "attempt_id?: AttemptId",
                  attempt.status AS "status?: AttemptStatus", attempt.completion_percentage AS "percentage?",
                  unlock.quest_id IS NOT NULL AS "opened_before!",
                  NOT EXISTS (
                      SELECT FROM quest_prerequisites AS link
                      JOIN quests AS needed ON needed.id = link.prerequisite_quest_id AND needed.is_active
                      LEFT JOIN user_quest_attempts AS done ON done.auth_user_id = $1
                          AND done.quest_id = needed.id AND done.status = 'Completed'
                      WHERE link.quest_id = quest.id AND done.id IS NULL
                  ) AS "met!"
           FROM quests AS quest
           LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = $1 AND attempt.quest_id = quest.id
           LEFT JOIN quest_unlocks AS unlock ON unlock.auth_user_id = $1 AND unlock.quest_id = quest.id
           WHERE quest.id = ANY($2)"#,
        learner.0,
        quests
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let my = My {
                availability: availability(row.is_active, row.opened_before, row.met),
                attempt_id: row.attempt_id,
                status: row.status,
                completion_percentage: row.percentage,
            };
            (row.id, my)
        })
        .collect())
}

/// Records and announces what has opened because `completed` is done; one statement.
/// Reads this transaction's own writes, so the completed attempt must be written before.
///
/// # Errors
/// The database's.
pub async fn open_after(
    connection: &mut PgConnection,
    learner: &mut Locked,
    completed: QuestId,
    trigger: Option<Uuid>,
    cause: crate::ids::EventId,
) -> Result<Vec<Unlocked>, sqlx::Error> {
    let unlocked = sqlx::query_as!(
        Unlocked,
        r#"/* unlocks:open_after */
           WITH opened AS (
               INSERT INTO quest_unlocks (auth_user_id, quest_id, unlocked_at, unlocked_by_quest_id, trigger_id, evidence)
               SELECT $1, quest.id, $2, $3, $4, jsonb_build_object('questsCompleted', (
                          SELECT jsonb_agg(link.prerequisite_quest_id ORDER BY link.prerequisite_quest_id)
                          FROM quest_prerequisites AS link
                          JOIN quests AS needed ON needed.id = link.prerequisite_quest_id AND needed.is_active
                          WHERE link.quest_id = quest.id))
               FROM quest_prerequisites AS after
               JOIN quests AS quest ON quest.id = after.quest_id AND quest.is_active
               WHERE after.prerequisite_quest_id = $3
                 AND NOT EXISTS (
                     SELECT FROM quest_prerequisites AS link
                     JOIN quests AS needed ON needed.id = link.prerequisite_quest_id AND needed.is_active
                     LEFT JOIN user_quest_attempts AS done ON done.auth_user_id = $1
                         AND done.quest_id = needed.id AND done.status = 'Completed'
                     WHERE link.quest_id = quest.id AND done.id IS NULL)
                 AND NOT EXISTS (
                     SELECT FROM user_quest_attempts AS begun
                     WHERE begun.auth_user_id = $1 AND begun.quest_id = quest.id)
               ON CONFLICT (auth_user_id, quest_id) DO NOTHING
               RETURNING quest_id
           )
           SELECT quest.id AS "quest_id: QuestId", quest.title, quest.quest_type AS "quest_type: QuestType"
           FROM opened JOIN quests AS quest ON quest.id = opened.quest_id
           ORDER BY quest.title, quest.id"#,
        learner.id.0,
        learner.now,
        completed.0,
        trigger,
    )
    .fetch_all(connection)
    .await?;
    for quest in &unlocked {
        announce(learner, quest, Some(completed), Some(cause));
    }
    Ok(unlocked)
}

/// Records and announces an opening that was found when the learner came: the conditions were met
/// while the quest was not active yet, or were changed since.
///
/// # Errors
/// The database's.
pub async fn record_opening(
    connection: &mut PgConnection,
    learner: &mut Locked,
    quest: &Unlocked,
    conditions: &[Condition],
) -> Result<(), sqlx::Error> {
    let completed: Vec<QuestId> = conditions.iter().map(|condition| condition.quest_id).collect();
    let new = sqlx::query!(
        "INSERT INTO quest_unlocks (auth_user_id, quest_id, unlocked_at, evidence) VALUES ($1, $2, $3, $4)
         ON CONFLICT (auth_user_id, quest_id) DO NOTHING",
        learner.id.0,
        quest.quest_id.0,
        learner.now,
        json!({ "questsCompleted": completed }),
    )
    .execute(connection)
    .await?
    .rows_affected();
    if new > 0 {
        announce(learner, quest, None, None);
    }
    Ok(())
}

fn announce(learner: &mut Locked, quest: &Unlocked, by: Option<QuestId>, cause: Option<crate::ids::EventId>) {
    let event = Event::ChallengeUnlocked {
        quest_id: quest.quest_id,
        title: quest.title.clone(),
        quest_type: quest.quest_type,
        unlocked_by_quest_id: by,
    };
    learner.record_as(unlock_id(learner.id, quest.quest_id), event, cause);
}
