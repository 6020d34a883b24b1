//! What recommendations read: a learner's history, candidates with their features, and their vectors.

use std::collections::HashMap;

use chrono::{DateTime, NaiveTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::model::{
    Attempt, Candidate, Learner, Peers, Place, Ratings, Recipe, Recommendation, Recommendations, Skill,
};
use super::rank::{COHORT, Open, Scored, Vectors, ranked, spread, taste, unit};
use crate::db::Db;
use crate::ids::LearnerId;
use crate::quests::model::{DifficultyLevel, QuestWithMy};
use crate::search::model::Near;
use crate::search::service::show;
use crate::search::{Engine, Search};
use crate::unlocks::{Gated, Verdict, judge_quests, view};

/// Attempts that tell of a learner, and those whose vectors are compared.
const LATEST_ATTEMPTS: i64 = 30;
/// Feedbacks of a quest that count.
const LATEST_FEEDBACK: i64 = 50;
/// Quests with an attempt that the engine leaves out at once; further ones are left out afterwards.
const MOST_TRIED: i64 = 500;
/// How unlike each other the engine's candidates are, 0 to 1.
const DIVERSITY: f32 = 0.2;
/// Candidates of the engine.
const NEAREST: usize = 60;
/// Ranked quests that are put in order, whatever number is asked for: places do not depend on it.
const PLACES: usize = 100;

/// The learner's history; one statement. Days are those of UTC.
///
/// # Errors
/// The database's.
pub async fn history(
    connection: &mut PgConnection,
    learner: LearnerId,
    now: DateTime<Utc>,
) -> Result<Learner, sqlx::Error> {
    let row = sqlx::query!(
        r#"/* recommendations:history */
           SELECT (SELECT coalesce(jsonb_agg(latest.what ORDER BY latest.started_at DESC, latest.id DESC), '[]')
                   FROM (SELECT attempt.id, attempt.started_at, jsonb_build_object('questId', quest.id, 'title', quest.title,
                                    'status', attempt.status, 'completedAt', attempt.completed_at,
                                    'difficultyLevel', quest.difficulty_level, 'subjectId', quest.subject_id,
                                    'skillTags', coalesce(quest.skill_tags, '{}'), 'rating', own.rating,
                                    'tooEasy', coalesce(own.too_easy, FALSE), 'tooDifficult', coalesce(own.too_difficult, FALSE)) AS what
                         FROM user_quest_attempts AS attempt
                         JOIN quests AS quest ON quest.id = attempt.quest_id
                         CROSS JOIN LATERAL (
                             SELECT avg(rating)::float8 AS rating, bool_or(category = 'TooEasy') AS too_easy,
                                    bool_or(category = 'TooDifficult') AS too_difficult
                             FROM quest_feedback WHERE quest_id = quest.id AND auth_user_id = $1) AS own
                         WHERE attempt.auth_user_id = $1
                         ORDER BY attempt.started_at DESC, attempt.id DESC LIMIT $3) AS latest) AS "attempts!: Json<Vec<Attempt>>",
                  ARRAY(SELECT quest_id FROM user_quest_attempts WHERE auth_user_id = $1
                        ORDER BY started_at DESC, id DESC LIMIT $4) AS "tried!",
                  (SELECT coalesce(jsonb_object_agg(skill_name, level) FILTER (WHERE skill_name IS NOT NULL), '{}')
                   FROM learners AS known LEFT JOIN learner_skill_levels AS skill ON skill.auth_user_id = known.auth_user_id
                   WHERE known.auth_user_id = $1 AND known.skill_levels_until > $2
                   HAVING count(known.auth_user_id) > 0) AS "levels: Json<HashMap<String, i32>>",
                  -- They stand in for levels.
                  (SELECT coalesce(jsonb_object_agg(skill_tag, points), '{}')
                   FROM (SELECT skill_tag, sum(points) AS points FROM reward_grants
                         WHERE auth_user_id = $1 AND kind = 'SkillPoints'
                           AND NOT EXISTS (SELECT FROM learners WHERE auth_user_id = $1 AND skill_levels_until > $2)
                         GROUP BY skill_tag) AS earned) AS "points!: Json<HashMap<String, i64>>""#,
        learner.0,
        now,
        LATEST_ATTEMPTS,
        MOST_TRIED
    )
    .fetch_one(connection)
    .await?;
    let mut points: HashMap<String, i64> = HashMap::new();
    for (tag, earned) in row.points.0 {
        // As levels are named, whatever the locale of the database.
        *points.entry(tag.to_lowercase()).or_default() += earned;
    }
    Ok(Learner {
        attempts: row.attempts.0,
        tried: row.tried,
        levels: row.levels.map(|levels| levels.0),
        points,
        today: now.date_naive(),
    })
}

/// Quests that may be recommended, `near` among them, with their features; one statement. It reads the active
/// quests once, and a bounded number of anything else, whatever the number of learners.
///
/// # Errors
/// The database's.
#[expect(clippy::too_many_lines, reason = "one statement")]
pub async fn candidates(
    connection: &mut PgConnection,
    id: LearnerId,
    learner: &Learner,
    now: DateTime<Utc>,
    near: &[Uuid],
) -> Result<Vec<Candidate>, sqlx::Error> {
    let mut subjects: Vec<Uuid> = learner.attempts.iter().filter_map(|attempt| attempt.subject_id).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let mut tags: Vec<String> = learner.attempts.iter().flat_map(|attempt| attempt.skill_tags.clone()).collect();
    tags.sort_unstable();
    tags.dedup();
    let day: DateTime<Utc> = learner.today.and_time(NaiveTime::MIN).and_utc();
    let rows = sqlx::query!(
        r#"/* recommendations:candidates */
           WITH active AS MATERIALIZED (
               SELECT id, subject_id, created_at FROM quests WHERE is_active
           ), blocked AS MATERIALIZED (
               SELECT link.quest_id FROM quest_prerequisites AS link JOIN active ON active.id = link.prerequisite_quest_id
               WHERE link.prerequisite_quest_id NOT IN (
                   SELECT quest_id FROM user_quest_attempts WHERE auth_user_id = $1 AND status = 'Completed')
           ), gated AS MATERIALIZED (
               -- In published paths, and in none of them without conditions.
               SELECT link.quest_id FROM learning_path_quests AS link
               JOIN learning_paths AS path ON path.id = link.learning_path_id AND path.is_published
               LEFT JOIN quest_chapters AS chapter ON chapter.id = link.chapter_id
               GROUP BY link.quest_id
               HAVING NOT bool_or(link.unlock_criteria -> 'when' IS NULL
                   AND coalesce((link.unlock_criteria #>> '{window,opensAt}')::timestamptz <= $8, TRUE)
                   AND coalesce((link.unlock_criteria #>> '{window,closesAt}')::timestamptz > $8, TRUE)
                   AND coalesce(chapter.start_date <= ($2::timestamptz AT TIME ZONE 'UTC')::date, TRUE)
                   AND chapter.status IS DISTINCT FROM 'Paused')
           ), open AS MATERIALIZED (
               -- What seems to be open: the gate has the last word.
               SELECT id, subject_id, created_at FROM active
               WHERE id NOT IN (SELECT quest_id FROM user_quest_attempts WHERE auth_user_id = $1)
                 AND id NOT IN (SELECT quest_id FROM blocked) AND id NOT IN (SELECT quest_id FROM gated)
           ), opened AS MATERIALIZED (
               SELECT unlocked.quest_id, unlocked.announced_at
               FROM quest_unlocks AS unlocked JOIN quests AS quest ON quest.id = unlocked.quest_id AND quest.is_active
               WHERE unlocked.auth_user_id = $1 AND unlocked.announced_at IS NOT NULL
                 AND NOT EXISTS (SELECT FROM user_quest_attempts AS own WHERE own.auth_user_id = $1 AND own.quest_id = quest.id)
           ), place AS MATERIALIZED (
               SELECT link.quest_id, jsonb_build_object('learningPathId', path.id, 'name', path.name,
                          'isMandatory', link.is_mandatory, 'sequenceOrder', link.sequence_order) AS what
               FROM (SELECT path.id, path.name
                     FROM user_learning_path_progress AS mine
                     JOIN learning_paths AS path ON path.id = mine.learning_path_id AND path.is_published
                     WHERE mine.auth_user_id = $1 AND mine.left_at IS NULL AND mine.status IN ('NotStarted', 'InProgress')
                     ORDER BY mine.enrolled_at DESC, mine.id DESC LIMIT 5) AS path
               CROSS JOIN LATERAL (
                   SELECT link.quest_id, link.is_mandatory, link.sequence_order
                   FROM learning_path_quests AS link JOIN quests AS quest ON quest.id = link.quest_id AND quest.is_active
                   WHERE link.learning_path_id = path.id
                     AND NOT EXISTS (SELECT FROM user_quest_attempts AS own WHERE own.auth_user_id = $1 AND own.quest_id = quest.id)
                   ORDER BY link.quest_id IN (SELECT id FROM open) OR link.quest_id IN (SELECT quest_id FROM opened) DESC,
                            link.is_mandatory DESC, link.sequence_order LIMIT 30) AS link
           ), peer AS MATERIALIZED (
               -- The last 50 that finished what this learner finished last, before today: an order lasts for the day.
               SELECT last.quest_id AS after, peer.auth_user_id, peer.completed_at
               FROM (SELECT quest_id FROM user_quest_attempts WHERE auth_user_id = $1 AND status = 'Completed'
                     ORDER BY completed_at DESC, quest_id LIMIT 5) AS last
               CROSS JOIN LATERAL (
                   SELECT auth_user_id, completed_at FROM user_quest_attempts
                   WHERE quest_id = last.quest_id AND status = 'Completed' AND completed_at < $2 AND auth_user_id <> $1
                   ORDER BY completed_at DESC, auth_user_id LIMIT 50) AS peer
           ), finished AS MATERIALIZED (
               SELECT after, count(*) AS of FROM peer GROUP BY after
           ), followed AS MATERIALIZED (
               SELECT DISTINCT ON (next.quest_id) next.quest_id, next.went::float8 / (finished.of + 5) AS share,
                      jsonb_build_object('after', finished.after, 'title', quest.title, 'went', next.went, 'of', finished.of) AS what
               FROM (SELECT peer.after, next.quest_id, count(*) AS went
                     FROM peer CROSS JOIN LATERAL (
                         SELECT quest_id FROM user_quest_attempts
                         WHERE auth_user_id = peer.auth_user_id AND started_at >= peer.completed_at AND started_at < $2
                           AND quest_id <> peer.after
                         ORDER BY started_at, id LIMIT 3) AS next
                     GROUP BY peer.after, next.quest_id) AS next
               JOIN finished ON finished.after = next.after
               JOIN quests AS quest ON quest.id = finished.after
               WHERE next.went >= $3
               ORDER BY next.quest_id, 2 DESC, finished.after
           ), candidate AS (
               SELECT quest_id AS id FROM place
               UNION (SELECT quest_id FROM opened ORDER BY announced_at DESC, quest_id LIMIT 30)
               UNION (SELECT quest_id FROM followed ORDER BY share DESC, quest_id LIMIT 30)
               UNION SELECT unnest($4::uuid[])
               UNION (SELECT id FROM open WHERE subject_id = ANY($5::uuid[]) ORDER BY created_at DESC, id DESC LIMIT 30)
               UNION (SELECT id FROM quests WHERE skill_tags && $6::text[] AND id IN (SELECT id FROM open) ORDER BY created_at DESC, id DESC LIMIT 30)
               UNION (SELECT id FROM open ORDER BY created_at DESC, id DESC LIMIT 30)
           )
           SELECT quest.id, quest.difficulty_level AS "difficulty_level: DifficultyLevel", quest.subject_id, quest.created_at,
                  coalesce((SELECT jsonb_agg(jsonb_build_object('tag', skill_tag, 'points', points) ORDER BY display_order)
                            FROM quest_skill_rewards WHERE quest_id = quest.id),
                           (SELECT jsonb_agg(jsonb_build_object('tag', tag, 'points', 1)) FROM unnest(quest.skill_tags) AS tag),
                           '[]') AS "skills!: Json<Vec<Skill>>",
                  (SELECT announced_at FROM quest_unlocks WHERE auth_user_id = $1 AND quest_id = quest.id) AS unlocked_at,
                  (SELECT coalesce(jsonb_agg(what ORDER BY what ->> 'learningPathId'), '[]') FROM place WHERE quest_id = quest.id)
                      AS "places!: Json<Vec<Place>>",
                  (SELECT what FROM followed WHERE quest_id = quest.id) AS "peers: Json<Peers>",
                  rated.count AS "count!", rated.sum AS "sum!", rated.too_easy AS "too_easy!", rated.too_difficult AS "too_difficult!"
           FROM candidate
           JOIN quests AS quest ON quest.id = candidate.id AND quest.is_active
           CROSS JOIN LATERAL (
               -- One voice a learner, whatever the number of categories.
               SELECT count(*) AS count, coalesce(sum(rating), 0) AS sum, count(*) FILTER (WHERE too_easy) AS too_easy,
                      count(*) FILTER (WHERE too_difficult) AS too_difficult
               FROM (SELECT avg(rating)::float8 AS rating, bool_or(category = 'TooEasy') AS too_easy,
                            bool_or(category = 'TooDifficult') AS too_difficult
                     FROM (SELECT auth_user_id, rating, category FROM quest_feedback
                           WHERE quest_id = quest.id AND created_at < $2 ORDER BY updated_at DESC, id DESC LIMIT $7) AS latest
                     GROUP BY auth_user_id) AS voices) AS rated
           WHERE NOT EXISTS (SELECT FROM user_quest_attempts AS own WHERE own.auth_user_id = $1 AND own.quest_id = quest.id)
           ORDER BY quest.id"#,
        id.0,
        day,
        COHORT,
        near,
        &subjects,
        &tags,
        LATEST_FEEDBACK,
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Candidate {
            id: row.id,
            difficulty_level: row.difficulty_level,
            subject_id: row.subject_id,
            skills: row.skills.0,
            created_on: row.created_at.date_naive(),
            unlocked_on: row.unlocked_at.map(|at: DateTime<Utc>| at.date_naive()),
            places: row.places.0,
            peers: row.peers.map(|peers| peers.0),
            ratings: Ratings {
                count: row.count,
                sum: row.sum,
                too_easy: row.too_easy,
                too_difficult: row.too_difficult,
            },
        })
        .collect())
}

/// Up to `limit` quests that the learner can start now, the best first, and whether the index was away. Four
/// statements, and at most three requests to the index.
///
/// # Errors
/// The database's.
pub async fn recommend(
    db: &Db,
    search: &Search,
    recipe: &Recipe,
    id: LearnerId,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Recommendations, sqlx::Error> {
    let mut connection = db.pool.acquire().await?;
    let learner = history(&mut connection, id, now).await?;
    // Nobody waits for the index with a connection in hand.
    drop(connection);
    let index = Index(search.engine.as_ref().filter(|_| *search.ready.borrow()));
    let known = index.known(&learner).await;
    let was_away = known.is_none() || index.0.is_some_and(Engine::embedder_is_away);
    let (known, near) = known.unwrap_or_default();

    let mut connection = db.pool.acquire().await?;
    let candidates = candidates(&mut connection, id, &learner, now, &near).await?;
    let ids: Vec<Uuid> = candidates.iter().map(|candidate| candidate.id).collect();
    let judged = judge_quests(&mut connection, now, &[id.0], &ids).await?;
    drop(connection);
    let judged = judged.into_iter().flat_map(|judgement| judgement.quests);
    let available = judged.filter(|(gated, verdict)| gated.attempt.is_none() && verdict.is_available());
    let available: HashMap<Uuid, (Gated, Verdict)> = available.map(|judged| (judged.0.quest_id, judged)).collect();
    let open = candidates.into_iter().filter_map(|candidate| {
        let (_, verdict) = available.get(&candidate.id)?;
        Some(Open { reached: verdict.reached_skill(), candidate })
    });

    let vectors = index.vectors(available.keys().copied().collect()).await;
    let degraded = was_away || vectors.is_none();
    let mut vectors = vectors.unwrap_or_default();
    vectors.extend(known);
    let mut scored = ranked(open.collect(), &learner, &vectors, recipe);
    scored.truncate(PLACES);
    let picked = spread(scored, &vectors, recipe.diversity, limit);

    let ids: Vec<Uuid> = picked.iter().map(|scored| scored.id).collect();
    let mut shown = show(&mut *db.pool.acquire().await?, &ids, None).await?;
    let recommendation = |scored: Scored| {
        let (gated, verdict) = available.get(&scored.id)?;
        let quest = QuestWithMy { quest: shown.remove(&scored.id)?.quest, my: view(gated, verdict) };
        Some(Recommendation { quest: quest.seen_by(false), score: scored.score, reasons: scored.reasons })
    };
    Ok(Recommendations { items: picked.into_iter().filter_map(recommendation).collect(), degraded })
}

/// The vector index, while it is there.
struct Index<'a>(Option<&'a Engine>);

impl Index<'_> {
    async fn vectors(&self, ids: Vec<Uuid>) -> Option<Vectors> {
        let engine = self.0?;
        if ids.is_empty() {
            return Some(Vectors::new());
        }
        let vectors = engine.on_index(engine.index.vectors(ids)).await.ok()?;
        Some(vectors.into_iter().map(|(id, vector)| (id, unit(vector))).collect())
    }

    /// The vectors of what was finished, and what is near to what was liked of it.
    async fn known(&self, learner: &Learner) -> Option<(Vectors, Vec<Uuid>)> {
        let ids = learner.attempts.iter().map(|attempt| attempt.quest_id).collect();
        let vectors = self.vectors(ids).await?;
        let Some(vector) = taste(learner, &vectors) else { return Some((vectors, Vec::new())) };
        let near = Near { vector, without: learner.tried.clone(), diversity: DIVERSITY, limit: NEAREST };
        let engine = self.0?;
        let near = engine.on_index(engine.index.near(near)).await.ok()?;
        Some((vectors, near.into_iter().map(|found| found.id).collect()))
    }
}
