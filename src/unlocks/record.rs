//! The record of what has opened, and when time alone may open the rest.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::evaluate::State;
use super::model::{Gated, Unlocked, Verdict};
use crate::ids::{EventId, LearningPathId, QuestId};
use crate::learners::Locked;
use crate::outbox::Event;
use crate::rewards::unlock_id;

/// Where an opening comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Because {
    /// The quest that was completed.
    pub quest: Option<QuestId>,
    /// The unit whose completion it was; a repeated call shows what it opened.
    pub unit: Option<Uuid>,
    pub cause: Option<EventId>,
}

/// Records what has opened by these verdicts, announces what can be started, and notes when time
/// alone may open the others; one statement, none if there is nothing to write.
///
/// # Errors
/// The database's.
pub async fn record(
    connection: &mut PgConnection,
    learner: &mut Locked,
    judged: &[(Gated, Verdict)],
    because: Because,
) -> Result<Vec<Unlocked>, sqlx::Error> {
    let mut opened: Vec<Opened> = Vec::new();
    let (mut due, mut due_at, mut settled): (Vec<Uuid>, Vec<DateTime<Utc>>, Vec<Uuid>) = Default::default();
    for (gated, verdict) in judged {
        if !gated.is_active || gated.attempt.is_some() {
            settled.push(gated.quest_id);
            continue;
        }
        let known = gated.record.as_ref();
        let unlocks = verdict.is_gated && verdict.conditions_met && !known.is_some_and(|record| record.is_unlocked);
        let announces = (verdict.is_gated || verdict.eligibility.exception.is_some())
            && verdict.is_available()
            && !known.is_some_and(|record| record.is_announced);
        if unlocks || announces {
            opened.push(Opened { gated, verdict, unlocks, announces });
        }
        match verdict.due_at.filter(|_| !verdict.is_available()) {
            Some(at) => {
                due.push(gated.quest_id);
                due_at.push(at);
            }
            None => settled.push(gated.quest_id),
        }
    }
    if opened.is_empty() && due.is_empty() && because.quest.is_some() {
        return Ok(Vec::new());
    }
    save(connection, learner, &opened, because, (&due, &due_at, &settled)).await?;
    let announced = opened.iter().filter(|opened| opened.announces);
    Ok(announced
        .map(|opened| {
            let quest_id = QuestId(opened.gated.quest_id);
            let event = Event::ChallengeUnlocked {
                quest_id,
                title: opened.gated.title.clone(),
                quest_type: opened.gated.quest_type,
                unlocked_by_quest_id: because.quest.filter(|_| opened.unlocks),
                learning_path_id: opened.verdict.through,
            };
            learner.record_as(unlock_id(learner.id, quest_id), event, because.cause);
            Unlocked { quest_id, title: opened.gated.title.clone() }
        })
        .collect())
}

struct Opened<'a> {
    gated: &'a Gated,
    verdict: &'a Verdict,
    unlocks: bool,
    announces: bool,
}

async fn save(
    connection: &mut PgConnection,
    learner: &Locked,
    opened: &[Opened<'_>],
    because: Because,
    (due, due_at, settled): (&[Uuid], &[DateTime<Utc>], &[Uuid]),
) -> Result<(), sqlx::Error> {
    let quests: Vec<Uuid> = opened.iter().map(|opened| opened.gated.quest_id).collect();
    let unlocks: Vec<bool> = opened.iter().map(|opened| opened.unlocks).collect();
    let announces: Vec<bool> = opened.iter().map(|opened| opened.announces).collect();
    let paths: Vec<Option<Uuid>> =
        opened.iter().map(|opened| opened.verdict.through.map(|LearningPathId(id)| id)).collect();
    let evidence: Vec<Value> = opened.iter().map(|opened| evidence(opened.verdict)).collect();
    sqlx::query!(
        "/* unlocks:save */
         WITH opened AS (
             INSERT INTO quest_unlocks AS known (auth_user_id, quest_id, unlocked_at, announced_at, learning_path_id,
                                                 unlocked_by_quest_id, trigger_id, evidence)
             SELECT $1, quest, CASE WHEN unlocks THEN $2::timestamptz END, CASE WHEN announces THEN $2::timestamptz END,
                    path, $3, CASE WHEN announces THEN $4::uuid END, evidence
             FROM unnest($5::uuid[], $6::bool[], $7::bool[], $8::uuid[], $9::jsonb[])
                 AS opening (quest, unlocks, announces, path, evidence)
             ON CONFLICT (auth_user_id, quest_id) DO UPDATE SET
                 unlocked_at = coalesce(known.unlocked_at, excluded.unlocked_at),
                 announced_at = coalesce(known.announced_at, excluded.announced_at),
                 learning_path_id = CASE WHEN known.unlocked_at IS NULL THEN excluded.learning_path_id ELSE known.learning_path_id END,
                 evidence = CASE WHEN known.unlocked_at IS NULL THEN excluded.evidence ELSE known.evidence END,
                 trigger_id = coalesce(known.trigger_id, excluded.trigger_id)
         ), settled AS (
             DELETE FROM unlock_schedule WHERE auth_user_id = $1 AND quest_id = ANY($12)
         )
         INSERT INTO unlock_schedule (auth_user_id, quest_id, due_at)
         SELECT $1, quest, at FROM unnest($10::uuid[], $11::timestamptz[]) AS due (quest, at)
         ON CONFLICT (auth_user_id, quest_id) DO UPDATE SET due_at = excluded.due_at",
        learner.id.0,
        learner.now,
        because.quest.map(|quest| quest.0),
        because.unit,
        &quests,
        &unlocks,
        &announces,
        &paths as &[Option<Uuid>],
        &evidence,
        due,
        due_at,
        settled,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Why it opened, for ever.
fn evidence(verdict: &Verdict) -> Value {
    let met = verdict.eligibility.conditions.iter().filter(|condition| condition.state == State::Met);
    let completed: Vec<QuestId> = met.map(|condition| condition.quest_id).collect();
    let through = verdict.eligibility.learning_paths.iter().find(|path| Some(path.learning_path_id) == verdict.through);
    json!({
        "questsCompleted": completed,
        "learningPathId": verdict.through,
        "criteria": through.and_then(|path| path.criteria.as_ref()),
        "exception": verdict.eligibility.exception,
    })
}
