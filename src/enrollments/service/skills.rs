//! Skill levels as the User Service gives them: asked for before the transaction, never in it.

use axum::http::HeaderMap;
use chrono::TimeDelta;
use sqlx::PgConnection;

use super::progress::update_judged;
use crate::config::UserServiceConfig;
use crate::db::Db;
use crate::http::Caller;
use crate::http::auth::bearer;
use crate::ids::LearnerId;
use crate::learners;
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::unlocks::{Because, Trigger, judge_after, record};
use crate::user_service::{Skill, Users};

/// Keeps callers' skill levels fresh, where criteria ask for them.
#[derive(Debug, Clone)]
pub struct Skills {
    users: Users,
    refresh_after: TimeDelta,
    max_age: TimeDelta,
}

/// When levels are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// If some criterion looks at them.
    ByCriteria,
    Always,
}

impl Skills {
    #[must_use]
    pub fn new(config: &UserServiceConfig, users: Users) -> Self {
        Self {
            users,
            refresh_after: TimeDelta::seconds(config.skill_levels_refresh_seconds.into()),
            max_age: TimeDelta::hours(config.skill_levels_max_age_hours.into()),
        }
    }

    /// Asks for the caller's levels if they are too old and wanted; one statement when not. Levels that have
    /// risen open quests. A User Service that is away changes nothing: what is known is believed for a while,
    /// and unknown after that. False when it was asked and did not answer.
    ///
    /// # Errors
    /// The database's.
    pub async fn refresh(
        &self,
        db: &Db,
        origin: &Origin,
        caller: Caller,
        headers: &HeaderMap,
        wanted: Wanted,
    ) -> Result<bool, sqlx::Error> {
        let Some(users) = &self.users.0 else { return Ok(true) };
        let is_wanted = sqlx::query_scalar!(
            r#"SELECT ($3 OR EXISTS (SELECT FROM learning_path_quests
                                     WHERE unlock_refs && ARRAY['ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid]))
                  AND NOT EXISTS (SELECT FROM learners WHERE auth_user_id = $1 AND skill_levels_at > $2) AS "wanted!""#,
            caller.id,
            caller.now - self.refresh_after,
            wanted == Wanted::Always
        )
        .fetch_one(&db.pool)
        .await?;
        let Some(token) = bearer(headers).filter(|_| is_wanted) else { return Ok(true) };
        // The client has logged why.
        let Ok(skills) = users.my_skills(token, caller.now).await else { return Ok(false) };
        let (origin, max_age, learner) = (origin.clone(), self.max_age, caller.learner());
        db.transact(move |connection| {
            Box::pin(async move { keep(connection, &origin, learner, &skills, max_age).await })
        })
        .await?;
        Ok(true)
    }
}

async fn keep(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    skills: &[Skill],
    max_age: TimeDelta,
) -> Result<(), sqlx::Error> {
    let mut learner = learners::enrol(connection, learner, origin).await?;
    let names: Vec<String> = skills.iter().map(|skill| skill.name.to_lowercase()).collect();
    let levels: Vec<i32> = skills.iter().map(|skill| skill.level.max(0)).collect();
    let risen = sqlx::query_scalar!(
        r#"WITH told AS (
               SELECT name, max(level) AS level FROM unnest($2::text[], $3::int[]) AS skill (name, level) GROUP BY name
           ), known AS (
               UPDATE learners SET skill_levels_at = $4, skill_levels_until = $5 WHERE auth_user_id = $1
           ), gone AS (
               DELETE FROM learner_skill_levels WHERE auth_user_id = $1 AND skill_name <> ALL($2)
           ), kept AS (
               INSERT INTO learner_skill_levels (auth_user_id, skill_name, level) SELECT $1, name, level FROM told
               ON CONFLICT (auth_user_id, skill_name) DO UPDATE SET level = excluded.level
           )
           SELECT EXISTS (
               SELECT FROM told LEFT JOIN learner_skill_levels AS before
                   ON before.auth_user_id = $1 AND before.skill_name = told.name
               WHERE told.level > coalesce(before.level, 0)
                     -- What was too old to be believed has been unknown.
                     OR told.level > 0 AND NOT EXISTS (SELECT FROM learners WHERE auth_user_id = $1 AND skill_levels_until > $4)
           ) AS "risen!""#,
        learner.id.0,
        &names,
        &levels,
        learner.now,
        learner.now + max_age,
    )
    .fetch_one(&mut *connection)
    .await?;
    if risen {
        let judged = judge_after(connection, &learner, Trigger::Skills).await?;
        record(connection, &mut learner, &judged, Because::default()).await?;
        update_judged(connection, &mut learner, &judged, None).await?;
        enqueue(connection, &mut learner, origin).await?;
    }
    Ok(())
}
