//! Keeping the ids of skills, and listing tags.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::model::SkillTag;
use crate::clock::Clock;
use crate::db::Db;
use crate::meters;
use crate::tags::tidy;
use crate::user_service::{TreeSkill, UserService};

/// Longest pause after a failure.
const RETRY: Duration = Duration::from_secs(30);

/// Reads the skill tree again and again, and keeps the ids of its skills.
pub async fn run(db: &Db, clock: &Clock, users: &UserService, interval: Duration) {
    loop {
        let refreshed = meters::job("skill_tree", async { refresh(db, clock, users).await.then_some(()).ok_or(()) });
        let pause = if refreshed.await.is_ok() { interval } else { interval.min(RETRY) };
        tokio::time::sleep(pause).await;
    }
}

/// Reads the skill tree once; false when that has failed, which is logged.
pub async fn refresh(db: &Db, clock: &Clock, users: &UserService) -> bool {
    // The client has logged why.
    let Ok(skills) = users.skill_tree(clock.now()).await else { return false };
    if skills.is_empty() {
        // Rather a mishap there than a catalogue without skills: what is known stays.
        tracing::warn!("the User Service's skill tree is empty; the ids that are known stay");
        return true;
    }
    let kept = db.transact(move |connection| Box::pin(async move { keep(connection, &skills).await })).await;
    if let Err(error) = &kept {
        tracing::warn!(%error, "the ids of skills are kept later");
    }
    kept.is_ok()
}

/// Makes these the known skills; names that several of them share mean nobody.
async fn keep(connection: &mut PgConnection, skills: &[TreeSkill]) -> Result<(), sqlx::Error> {
    let names: Vec<String> = skills.iter().map(|skill| tidy(&skill.name)).collect();
    let ids: Vec<Uuid> = skills.iter().map(|skill| skill.skill_id).collect();
    // Two replicas must not wait for each other's rows.
    sqlx::query!("LOCK TABLE known_skills IN SHARE ROW EXCLUSIVE MODE").execute(&mut *connection).await?;
    sqlx::query!(
        "/* skill_tags:keep */
         WITH told AS (
             SELECT lower(name) AS name, (array_agg(id))[1] AS skill_id
             FROM unnest($1::text[], $2::uuid[]) AS skill (name, id)
             GROUP BY lower(name) HAVING count(DISTINCT id) = 1
         ), gone AS (
             DELETE FROM known_skills WHERE name NOT IN (SELECT name FROM told)
         )
         INSERT INTO known_skills AS known (name, skill_id) SELECT name, skill_id FROM told
         ON CONFLICT (name) DO UPDATE SET skill_id = excluded.skill_id WHERE known.skill_id <> excluded.skill_id",
        &names,
        &ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Skill tags of all quests, by name; one statement. It reads every quest's tags: for authors, now and then.
///
/// # Errors
/// The database's.
pub async fn list(
    connection: &mut PgConnection,
    resolved: Option<bool>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<SkillTag>, sqlx::Error> {
    sqlx::query_as!(
        SkillTag,
        r#"/* skill_tags:list */
           WITH used AS (
               SELECT quest_id, lower(tag) AS name, min(tag) AS tag, bool_or(skill_id IS NOT NULL) AS is_named
               FROM (SELECT quest.id AS quest_id, tag, NULL::uuid AS skill_id
                     FROM quests AS quest CROSS JOIN unnest(quest.skill_tags) AS tag
                     UNION ALL
                     SELECT quest_id, skill_tag, skill_id FROM quest_skill_rewards) AS each_use (quest_id, tag, skill_id)
               WHERE lower(tag) > coalesce($2, '')
               GROUP BY quest_id, lower(tag)
           )
           SELECT min(used.tag) AS "tag!", used.name AS "name!", known.skill_id AS "skill_id?",
                  (known.skill_id IS NOT NULL OR bool_and(used.is_named)) AS "resolved!", count(*) AS "quests!"
           FROM used LEFT JOIN known_skills AS known ON known.name = used.name
           GROUP BY used.name, known.skill_id
           HAVING $1::bool IS NULL OR (known.skill_id IS NOT NULL OR bool_and(used.is_named)) = $1
           ORDER BY used.name LIMIT $3"#,
        resolved,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}
