//! What search reads in the database: quests to index, changes, words, and how a found quest is shown.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::model::{Document, Highlight, Part, Payload, Ranked};
use crate::ids::QuestId;
use crate::quests::model::{DifficultyLevel, Filter, Quest, QuestType, StepType};
use crate::rewards::SkillReward;

/// Reads quests as they are indexed; `$where` says which.
macro_rules! select_documents {
    ($connection:expr, $where:literal, $($argument:expr),+ $(,)?) => {
        Ok(sqlx::query!(
            r#"/* search:documents */
               SELECT quest.id, title, description, coalesce(skill_tags, '{}') AS "skill_tags!",
                      ARRAY(SELECT step.title FROM quest_steps AS step
                            WHERE quest_id = quest.id AND retired_at IS NULL ORDER BY step_number) AS "steps!",
                      jsonb_build_object(
                          'questType', quest_type, 'difficultyLevel', difficulty_level, 'subjectId', subject_id,
                          'createdBy', created_by, 'isActive', is_active,
                          'skillTags', '[]'::jsonb,
                          'stepTypes', (SELECT coalesce(jsonb_agg(DISTINCT step_type), '[]') FROM quest_steps
                                        WHERE quest_id = quest.id AND retired_at IS NULL),
                          'collaborative', EXISTS (SELECT FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL
                                                   AND step_type = 'Discussion')
                              OR EXISTS (SELECT FROM quest_assessments WHERE quest_id = quest.id AND retired_at IS NULL
                                         AND assessment_type = 'PeerReview'),
                          'paths', (SELECT coalesce(jsonb_agg(path.id ORDER BY path.id), '[]') FROM learning_path_quests AS link
                                    JOIN learning_paths AS path ON path.id = link.learning_path_id AND path.is_published
                                    WHERE link.quest_id = quest.id)) AS "payload!: Json<Payload>"
               FROM quests AS quest WHERE "# + $where,
            $($argument),+
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .map(|row| Document {
            id: row.id,
            title: row.title,
            description: row.description,
            skill_tags: row.skill_tags,
            steps: row.steps,
            payload: row.payload.0,
        })
        .collect())
    };
}

/// The next quests in the order of their ids; one statement.
///
/// # Errors
/// The database's.
pub async fn documents_after(
    connection: &mut PgConnection,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Document>, sqlx::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select_documents!(
        connection,
        "quest.id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY quest.id LIMIT $2",
        after,
        limit
    )
}

/// These quests, as far as they are there; one statement.
///
/// # Errors
/// The database's.
pub async fn documents(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Document>, sqlx::Error> {
    select_documents!(connection, "quest.id = ANY($1)", ids)
}

/// Quests that have changed, or gone, since `cursor`, and the cursor for the next time; without one, only that.
///
/// # Errors
/// The database's.
pub async fn changes_since(
    connection: &mut PgConnection,
    cursor: Option<&str>,
) -> Result<(Vec<Uuid>, String), sqlx::Error> {
    // What is still open then has a number from this on: it comes when it commits.
    let row = sqlx::query!(
        r#"/* search:changes */
           SELECT ARRAY(SELECT DISTINCT quest_id FROM quest_changes WHERE changed_in >= $1::text::xid8)
                      AS "changed!",
                  pg_snapshot_xmin(pg_current_snapshot())::text AS "cursor!""#,
        cursor
    )
    .fetch_one(connection)
    .await?;
    Ok((row.changed, row.cursor))
}

/// Ranks quests; `$where` and `$score` say by what. A statement each, so that each has its own index.
macro_rules! rank {
    ($connection:expr, $text:expr, $filter:expr, $limit:expr, $where:literal, $score:literal) => {
        Ok(sqlx::query!(
            "/* search:words */ SELECT quest.id, ("
                + $score
                + r#")::real AS "score!" FROM quests AS quest WHERE "#
                + $where
                + r#" AND ($2::quest_type IS NULL OR quest_type = $2)
                      AND ($3::difficulty_level IS NULL OR difficulty_level = $3)
                      AND ($4::uuid IS NULL OR subject_id = $4)
                      AND ($5::text IS NULL OR EXISTS (SELECT FROM unnest(skill_tags) AS tag WHERE lower(tag) = lower($5)))
                      AND ($6::step_type IS NULL OR EXISTS (
                          SELECT FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL AND step_type = $6))
                      AND ($7::boolean IS NULL OR $7 = (EXISTS (
                          SELECT FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL AND step_type = 'Discussion')
                          OR EXISTS (SELECT FROM quest_assessments WHERE quest_id = quest.id AND retired_at IS NULL
                                     AND assessment_type = 'PeerReview')))
                      AND ($8::boolean IS NULL OR is_active = $8)
                      AND ($9::uuid IS NULL OR created_by = $9)
                    ORDER BY 2 DESC, quest.id LIMIT $10"#,
            $text,
            $filter.quest_type as Option<QuestType>,
            $filter.difficulty_level as Option<DifficultyLevel>,
            $filter.subject_id,
            $filter.skill_tag,
            $filter.step_type as Option<StepType>,
            $filter.collaborative,
            $filter.is_active,
            $filter.created_by,
            $limit
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .map(|row| Ranked { id: row.id, score: row.score })
        .collect())
    };
}

/// Ranks quests by titles that are nearly written so.
///
/// # Errors
/// The database's.
pub async fn by_titles(
    connection: &mut PgConnection,
    text: &str,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Ranked>, sqlx::Error> {
    rank!(
        connection,
        text,
        filter,
        limit,
        "lower($1::text) <% lower(title)",
        "word_similarity(lower($1::text), lower(title))"
    )
}

/// Ranks quests by words in title, tags and description, any of them, and by titles that are nearly written so.
///
/// # Errors
/// The database's.
pub async fn by_words(
    connection: &mut PgConnection,
    text: &str,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Ranked>, sqlx::Error> {
    rank!(
        connection,
        text,
        filter,
        limit,
        "(search_text @@ (replace(plainto_tsquery('english', $1::text)::text, ' & ', ' | ')::tsquery
              || replace(plainto_tsquery('simple', $1::text)::text, ' & ', ' | ')::tsquery)
          OR lower($1::text) <% lower(title))",
        "ts_rank(search_text, replace(plainto_tsquery('english', $1::text)::text, ' & ', ' | ')::tsquery
              || replace(plainto_tsquery('simple', $1::text)::text, ' & ', ' | ')::tsquery)
         + word_similarity(lower($1::text), lower(title))"
    )
}

/// A found quest with the pieces of text that have the words.
#[derive(Debug)]
pub struct Shown {
    pub quest: Quest,
    pub found_in: Vec<Part>,
    pub highlights: Vec<Highlight>,
}

/// These quests, and where the words of the query are in them; one statement.
///
/// # Errors
/// The database's.
pub async fn show(
    connection: &mut PgConnection,
    ids: &[Uuid],
    text: Option<&str>,
) -> Result<HashMap<Uuid, Shown>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"/* search:show */
           SELECT quest.id AS "id: QuestId", key, unresolved_prerequisites, title, description, quest_type AS "quest_type: QuestType",
                  difficulty_level AS "difficulty_level: DifficultyLevel", estimated_duration_minutes,
                  experience_points_reward, coalesce(skill_tags, '{}') AS "skill_tags!", subject_id, is_active,
                  created_by, created_at, updated_at,
                  coalesce((SELECT jsonb_agg(jsonb_build_object('skillTag', skill_tag, 'skillId', skill_id, 'points', points)
                                             ORDER BY display_order)
                            FROM quest_skill_rewards WHERE quest_id = quest.id), '[]') AS "skill_rewards!: Json<Vec<SkillReward>>",
                  (SELECT count(*) FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL) AS "step_count!",
                  coalesce($2::text IS NOT NULL AND lower($2) <% lower(title), FALSE) AS "is_similar!",
                  coalesce((SELECT jsonb_agg(jsonb_build_object('part', part.name,
                                'text', ts_headline('english', replace(replace(replace(part.text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'),
                                                    asked.words, 'StartSel=<mark>,StopSel=</mark>,MaxFragments=2,MinWords=4,MaxWords=16'))
                                             ORDER BY part.place)
                            FROM (SELECT replace(plainto_tsquery('english', $2)::text, ' & ', ' | ')::tsquery AS words) AS asked,
                                 LATERAL (VALUES (1, 'title', title), (2, 'skillTags', array_to_string(skill_tags, ', ')),
                                                 (3, 'description', left(description, 4000)),
                                                 (4, 'steps', (SELECT string_agg(step.title, ' · ' ORDER BY step_number)
                                                               FROM quest_steps AS step
                                                               WHERE quest_id = quest.id AND retired_at IS NULL)))
                                     AS part (place, name, text)
                            WHERE to_tsvector('english', part.text) @@ asked.words), '[]') AS "highlights!: Json<Vec<Highlight>>"
           FROM quests AS quest WHERE quest.id = ANY($1)"#,
        ids,
        text
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut found_in: Vec<Part> = row.highlights.iter().map(|highlight| highlight.part).collect();
            if row.is_similar && !found_in.contains(&Part::Title) {
                found_in.push(Part::SimilarTitle);
            }
            if found_in.is_empty() {
                found_in.push(Part::Meaning);
            }
            let quest = Quest {
                id: row.id,
                key: row.key,
                unresolved_prerequisites: row.unresolved_prerequisites,
                title: row.title,
                description: row.description,
                quest_type: row.quest_type,
                difficulty_level: row.difficulty_level,
                estimated_duration_minutes: row.estimated_duration_minutes,
                experience_points_reward: row.experience_points_reward,
                skill_tags: row.skill_tags,
                skill_rewards: row.skill_rewards,
                subject_id: row.subject_id,
                is_active: row.is_active,
                created_by: row.created_by,
                step_count: row.step_count,
                created_at: row.created_at,
                updated_at: row.updated_at,
            };
            let quest = quest.with_effective_rewards();
            (row.id.0, Shown { quest, found_in, highlights: row.highlights.0 })
        })
        .collect())
}
