//! Learners whose next mandatory quest is locked, by what is missing.

use sqlx::PgConnection;
use uuid::Uuid;

use super::model::BlockedBy;
use crate::analytics::period::{Bounds, Period};
use crate::analytics::privacy::Shield;

/// Causes that are told, of all paths together.
const MAX_CAUSES: i64 = 1_000;

/// Learners who wait at a quest of a path, before anything of it is told.
#[derive(Debug)]
pub struct Waiting {
    pub learning_path_id: Uuid,
    pub quest_id: Uuid,
    pub title: String,
    pub cause: BlockedBy,
    pub by_quest_id: Option<Uuid>,
    pub by_title: Option<String>,
    pub learners: i64,
    /// Learners of the path who are not through and have not left
    pub members: i64,
    /// All who enrolled in the period
    pub enrolled: i64,
}

/// How many of those who wait at quests of one path may be told: the same in the analytics of the path and in the list
/// of what needs attention. They are parts of those who enrolled and of those who are not through. Each learner has one
/// next quest, so that the quests are such parts together, too; who lacks two prerequisites waits at one quest twice.
#[must_use]
pub fn told(shield: Shield, waiting: &[Waiting]) -> Vec<Option<i64>> {
    let Some(Waiting { members, enrolled, .. }) = waiting.first() else { return Vec::new() };
    let is_part = |learners: &i64| [members, enrolled].iter().all(|whole| shield.part(*learners, **whole).is_some());
    let is_told = |learners: &i64| shield.tells(*enrolled) && is_part(learners);
    let each: Vec<Option<i64>> = waiting.iter().map(|of| Some(of.learners).filter(is_told)).collect();
    let mut quests: Vec<Uuid> = waiting.iter().map(|of| of.quest_id).collect();
    quests.sort_unstable();
    quests.dedup();
    let at = |quest: &Uuid| {
        let (mut lacking, mut others) = (0, 0);
        for (of, learners) in waiting.iter().zip(&each).filter(|(of, _)| of.quest_id == *quest) {
            let learners = learners.unwrap_or_default();
            match of.cause {
                BlockedBy::Prerequisite => lacking = learners.max(lacking),
                BlockedBy::Criteria | BlockedBy::Inactive => others += learners,
            }
        }
        [lacking + others; 2]
    };
    let rows: Vec<[i64; 2]> = quests.iter().map(at).collect();
    let are_told = shield.rows(&rows, [*members, *enrolled], &vec![false; rows.len()]);
    let is_quest_told = |quest: Uuid| quests.binary_search(&quest).is_ok_and(|at| are_told[at]);
    waiting.iter().zip(each).map(|(of, learners)| learners.filter(|_| is_quest_told(of.quest_id))).collect()
}

/// Of one path, or of all published ones; the most first. A learner waits who is enrolled and not through, and whose
/// first mandatory quest that is not completed is locked: not begun, with an active prerequisite that is not completed,
/// or with criteria that have never been met, or not active. One statement.
///
/// # Errors
/// The database's.
pub async fn blocked(
    connection: &mut PgConnection,
    path: Option<Uuid>,
    period: Period,
    bounds: &Bounds,
) -> Result<Vec<Waiting>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"/* analytics:blocked */
           WITH path AS MATERIALIZED (
               SELECT id FROM learning_paths WHERE id = $1 OR ($1::uuid IS NULL AND is_published)
           ), member AS MATERIALIZED (
               SELECT learning_path_id, auth_user_id, left_at IS NULL AND status <> 'Completed' AS is_active FROM user_learning_path_progress
               WHERE learning_path_id IN (SELECT id FROM path)
                 AND enrolled_at >= $2::date::timestamp AT TIME ZONE $4 AND enrolled_at < ($3::date + 1)::timestamp AT TIME ZONE $4
               ORDER BY enrolled_at DESC, id DESC LIMIT $5
           ), next AS MATERIALIZED (
               -- Counts, and no joins: each is looked up by learner and quest, whatever the planner expects.
               SELECT member.learning_path_id, member.auth_user_id, place.quest_id, place.has_criteria, quest.is_active,
                      ARRAY(SELECT needed.id
                            FROM quest_prerequisites AS prerequisite JOIN quests AS needed ON needed.id = prerequisite.prerequisite_quest_id
                            WHERE prerequisite.quest_id = place.quest_id AND needed.is_active
                              AND (SELECT count(*) FROM user_quest_attempts AS attempt
                                   WHERE attempt.auth_user_id = member.auth_user_id AND attempt.quest_id = needed.id
                                     AND attempt.status = 'Completed') = 0) AS missing
               FROM member
               CROSS JOIN LATERAL (SELECT placed.quest_id, placed.unlock_criteria IS NOT NULL AS has_criteria FROM learning_path_quests AS placed
                                   WHERE placed.learning_path_id = member.learning_path_id AND placed.is_mandatory
                                     AND (SELECT count(*) FROM user_quest_attempts AS attempt
                                          WHERE attempt.auth_user_id = member.auth_user_id AND attempt.quest_id = placed.quest_id
                                            AND attempt.status = 'Completed') = 0
                                   ORDER BY placed.sequence_order LIMIT 1) AS place
               JOIN quests AS quest ON quest.id = place.quest_id
               WHERE member.is_active
                 AND (SELECT count(*) FROM user_quest_attempts AS attempt
                      WHERE attempt.auth_user_id = member.auth_user_id AND attempt.quest_id = place.quest_id) = 0
           ), cause AS (
               SELECT learning_path_id, quest_id, 'prerequisite' AS cause, needed_id, count(*) AS learners
               FROM next CROSS JOIN LATERAL unnest(missing) AS needed_id WHERE is_active
               GROUP BY learning_path_id, quest_id, needed_id
               UNION ALL
               SELECT learning_path_id, quest_id, 'criteria', NULL, count(*) FROM next
               WHERE is_active AND has_criteria AND missing = '{}'
                 AND (SELECT count(*) FROM quest_unlocks AS unlock
                      WHERE unlock.auth_user_id = next.auth_user_id AND unlock.quest_id = next.quest_id) = 0
               GROUP BY learning_path_id, quest_id
               UNION ALL
               SELECT learning_path_id, quest_id, 'inactive', NULL, count(*) FROM next WHERE NOT is_active
               GROUP BY learning_path_id, quest_id
           ), members AS (
               SELECT learning_path_id, count(*) AS enrolled, count(*) FILTER (WHERE is_active) AS learners FROM member GROUP BY learning_path_id
           )
           SELECT cause.learning_path_id AS "learning_path_id!", cause.quest_id AS "quest_id!", quest.title, cause.cause AS "cause!",
                  cause.needed_id AS by_quest_id, needed.title AS "by_title?", cause.learners AS "learners!",
                  members.learners AS "members!", members.enrolled AS "enrolled!"
           FROM cause JOIN members ON members.learning_path_id = cause.learning_path_id JOIN quests AS quest ON quest.id = cause.quest_id LEFT JOIN quests AS needed ON needed.id = cause.needed_id
           ORDER BY cause.learners DESC, quest.title, cause.quest_id, cause.needed_id LIMIT $6"#,
        path,
        period.from,
        period.to,
        bounds.time_zone,
        bounds.max_attempts,
        MAX_CAUSES
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            learning_path_id: row.learning_path_id,
            quest_id: row.quest_id,
            title: row.title,
            cause: match row.cause.as_str() {
                "prerequisite" => BlockedBy::Prerequisite,
                "criteria" => BlockedBy::Criteria,
                _ => BlockedBy::Inactive,
            },
            by_quest_id: row.by_quest_id,
            by_title: row.by_title,
            learners: row.learners,
            members: row.members,
            enrolled: row.enrolled,
        })
        .collect())
}
