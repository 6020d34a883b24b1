//! The list of quests: filters, three orders, keyset pages.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::ids::QuestId;
use crate::quests::model::{DifficultyLevel, Filter, Quest, QuestType, Sort, StepType};
use crate::rewards::SkillReward;

/// Where a page ended; the variant is the order it belongs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Cursor {
    Newest(chrono::DateTime<chrono::Utc>, uuid::Uuid),
    Title(String, uuid::Uuid),
    Relevance(f32, uuid::Uuid),
}

/// One statement for each order, with words and without, so that each has its own index.
macro_rules! page {
    ($connection:expr, $filter:expr, $limit:expr, $words:literal, $rank:literal, $after:literal, $order:literal, $key:expr, $id:expr) => {
        sqlx::query_as!(
            Listed,
            r#"SELECT quest.id AS "id: QuestId", key, unresolved_prerequisites, title, description, quest_type AS "quest_type: QuestType",
                      difficulty_level AS "difficulty_level: DifficultyLevel", estimated_duration_minutes,
                      experience_points_reward, coalesce(skill_tags, '{}') AS "skill_tags!", subject_id, is_active,
                      created_by, created_at, updated_at,
                      coalesce((SELECT jsonb_agg(jsonb_build_object('skillTag', skill_tag, 'skillId', skill_id, 'points', points)
                                                 ORDER BY display_order)
                                FROM quest_skill_rewards WHERE quest_id = quest.id), '[]')
                          AS "skill_rewards!: Json<Vec<SkillReward>>",
                      (SELECT count(*) FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL) AS "step_count!","#
                + $rank
                + r#" AS "rank!"
               FROM quests AS quest
               WHERE ($1::quest_type IS NULL OR quest_type = $1)
                 AND ($2::difficulty_level IS NULL OR difficulty_level = $2)
                 AND ($3::uuid IS NULL OR subject_id = $3)
                 AND ($4::text IS NULL OR EXISTS (SELECT FROM unnest(skill_tags) AS tag WHERE lower(tag) = lower($4)))
                 AND ($5::step_type IS NULL OR EXISTS (
                     SELECT FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL AND step_type = $5))
                 AND ($6::boolean IS NULL OR $6 = (EXISTS (
                     SELECT FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL AND step_type = 'Discussion')
                     OR EXISTS (SELECT FROM quest_assessments WHERE quest_id = quest.id AND retired_at IS NULL
                                AND assessment_type = 'PeerReview')))
                 AND "#
                + $words
                + r#"
                 AND ($8::boolean IS NULL OR is_active = $8)
                 AND ($9::uuid IS NULL OR created_by = $9)
                 AND "#
                + $after
                + $order
                + " LIMIT $12",
            $filter.quest_type as Option<QuestType>,
            $filter.difficulty_level as Option<DifficultyLevel>,
            $filter.subject_id,
            $filter.skill_tag,
            $filter.step_type as Option<StepType>,
            $filter.collaborative,
            $filter.q,
            $filter.is_active,
            $filter.created_by,
            $key,
            $id,
            $limit,
        )
        .fetch_all($connection)
        .await
    };
}

#[derive(Debug)]
struct Listed {
    id: QuestId,
    key: String,
    unresolved_prerequisites: Vec<String>,
    title: String,
    description: String,
    quest_type: QuestType,
    difficulty_level: DifficultyLevel,
    estimated_duration_minutes: Option<i32>,
    experience_points_reward: i32,
    skill_tags: Vec<String>,
    subject_id: Option<uuid::Uuid>,
    is_active: bool,
    created_by: uuid::Uuid,
    created_at: chrono::DateTime<chrono::Utc>,
    updated_at: chrono::DateTime<chrono::Utc>,
    skill_rewards: Json<Vec<SkillReward>>,
    step_count: i64,
    rank: f32,
}

/// Up to `limit` quests after `cursor`, each with the cursor of its place; one statement.
///
/// # Errors
/// The database's.
pub async fn list_quests(
    connection: &mut PgConnection,
    filter: &Filter,
    sort: Sort,
    cursor: Option<Cursor>,
    limit: i64,
) -> Result<Vec<(Quest, Cursor)>, sqlx::Error> {
    let rows = match sort {
        Sort::Newest => {
            let (key, id) = match cursor {
                Some(Cursor::Newest(key, id)) => (Some(key), Some(id)),
                _ => (None, None),
            };
            if filter.q.is_some() {
                page!(
                    connection,
                    filter,
                    limit,
                    "search_text @@ (websearch_to_tsquery('english', $7) || websearch_to_tsquery('simple', $7))",
                    "0::real",
                    "(created_at, quest.id) < (coalesce($10::timestamptz, 'infinity'), coalesce($11::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))",
                    " ORDER BY created_at DESC, quest.id DESC",
                    key,
                    id
                )
            } else {
                page!(
                    connection,
                    filter,
                    limit,
                    "$7::text IS NULL",
                    "0::real",
                    "(created_at, quest.id) < (coalesce($10::timestamptz, 'infinity'), coalesce($11::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))",
                    " ORDER BY created_at DESC, quest.id DESC",
                    key,
                    id
                )
            }
        }
        Sort::Title => {
            let (key, id) = match cursor {
                Some(Cursor::Title(key, id)) => (Some(key), Some(id)),
                _ => (None, None),
            };
            if filter.q.is_some() {
                page!(
                    connection,
                    filter,
                    limit,
                    "search_text @@ (websearch_to_tsquery('english', $7) || websearch_to_tsquery('simple', $7))",
                    "0::real",
                    "(title, quest.id) > (coalesce($10::text, ''), coalesce($11::uuid, '00000000-0000-0000-0000-000000000000'))",
                    " ORDER BY title, quest.id",
                    key,
                    id
                )
            } else {
                page!(
                    connection,
                    filter,
                    limit,
                    "$7::text IS NULL",
                    "0::real",
                    "(title, quest.id) > (coalesce($10::text, ''), coalesce($11::uuid, '00000000-0000-0000-0000-000000000000'))",
                    " ORDER BY title, quest.id",
                    key,
                    id
                )
            }
        }
        Sort::Relevance => {
            let (key, id) = match cursor {
                Some(Cursor::Relevance(key, id)) => (Some(key), Some(id)),
                _ => (None, None),
            };
            page!(
                connection,
                filter,
                limit,
                "search_text @@ (websearch_to_tsquery('english', $7) || websearch_to_tsquery('simple', $7))",
                "ts_rank(search_text, websearch_to_tsquery('english', $7) || websearch_to_tsquery('simple', $7))",
                "($10::real IS NULL OR (ts_rank(search_text, websearch_to_tsquery('english', $7) || websearch_to_tsquery('simple', $7)), quest.id) < ($10, $11::uuid))",
                " ORDER BY ts_rank(search_text, websearch_to_tsquery('english', $7) || websearch_to_tsquery('simple', $7)) DESC, quest.id DESC",
                key,
                id
            )
        }
    }?;
    Ok(rows.into_iter().map(|row| row.place(sort)).collect())
}

impl Listed {
    fn place(self, sort: Sort) -> (Quest, Cursor) {
        let cursor = match sort {
            Sort::Newest => Cursor::Newest(self.created_at, self.id.0),
            Sort::Title => Cursor::Title(self.title.clone(), self.id.0),
            Sort::Relevance => Cursor::Relevance(self.rank, self.id.0),
        };
        let quest = Quest {
            id: self.id,
            key: self.key,
            unresolved_prerequisites: self.unresolved_prerequisites,
            title: self.title,
            description: self.description,
            quest_type: self.quest_type,
            difficulty_level: self.difficulty_level,
            estimated_duration_minutes: self.estimated_duration_minutes,
            experience_points_reward: self.experience_points_reward,
            skill_tags: self.skill_tags,
            subject_id: self.subject_id,
            is_active: self.is_active,
            created_by: self.created_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
            skill_rewards: self.skill_rewards,
            step_count: self.step_count,
        };
        (quest.with_effective_rewards(), cursor)
    }
}
