//! A whole path in memory: what the linter, the simulation and the map look at.

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::ids::LearningPathId;
use crate::learning_paths::lint::Blueprint;
use crate::learning_paths::model::Refusal;

/// Loads a path with its chapters and quests, and what its criteria name elsewhere; one statement
/// whatever the size.
///
/// # Errors
/// When there is no such path.
pub async fn load_blueprint(connection: &mut PgConnection, path: LearningPathId) -> Result<Blueprint, Refusal> {
    let blueprint: Option<Json<Blueprint>> = sqlx::query_scalar!(
        r#"/* learning_paths:blueprint */
           WITH place AS (SELECT * FROM learning_path_quests WHERE learning_path_id = $1),
           needed AS (
               SELECT link.quest_id, needed.id, needed.title, needed.is_active,
                      EXISTS (SELECT FROM place WHERE place.quest_id = needed.id) AS in_path
               FROM place JOIN quest_prerequisites AS link ON link.quest_id = place.quest_id
               JOIN quests AS needed ON needed.id = link.prerequisite_quest_id
           ), named AS (SELECT DISTINCT unnest(unlock_refs) AS id FROM place)
           SELECT jsonb_build_object(
               'path', jsonb_build_object('id', path.id, 'name', path.name, 'isPublished', path.is_published,
                   'estimatedTotalDurationHours', path.estimated_total_duration_hours,
                   'totalExperiencePoints', path.total_experience_points),
               'chapters', coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'title', title, 'sequence', sequence,
                       'status', status, 'startDate', start_date, 'endDate', end_date) ORDER BY sequence)
                   FROM quest_chapters WHERE learning_path_id = path.id), '[]'),
               'quests', coalesce((SELECT jsonb_agg(jsonb_build_object(
                       'questId', quest.id, 'title', quest.title, 'isActive', quest.is_active, 'chapterId', place.chapter_id,
                       'sequenceOrder', place.sequence_order, 'difficultyLevel', place.difficulty_level,
                       'isMandatory', place.is_mandatory, 'unlockCriteria', place.unlock_criteria,
                       'experiencePointsReward', quest.experience_points_reward,
                       'stepExperience', coalesce(steps.experience, 0),
                       'unitCount', coalesce(steps.units, 0) + coalesce(cardinality(assessments.ids), 0),
                       'estimatedDurationMinutes', quest.estimated_duration_minutes,
                       'skillRewardPoints', coalesce((SELECT sum(points) FROM quest_skill_rewards WHERE quest_id = quest.id), 0),
                       'unresolvedPrerequisites', quest.unresolved_prerequisites,
                       'assessmentIds', coalesce(assessments.ids, '{}'),
                       'prerequisites', coalesce((SELECT jsonb_agg(jsonb_build_object('questId', needed.id, 'title', needed.title,
                               'isActive', needed.is_active, 'inPath', needed.in_path) ORDER BY needed.title, needed.id)
                           FROM needed WHERE needed.quest_id = quest.id), '[]')) ORDER BY place.sequence_order)
                   FROM place JOIN quests AS quest ON quest.id = place.quest_id
                   LEFT JOIN (SELECT quest_id, sum(experience_points) AS experience, count(*) FILTER (WHERE NOT is_optional) AS units
                              FROM quest_steps WHERE retired_at IS NULL AND quest_id IN (SELECT quest_id FROM place)
                              GROUP BY quest_id) AS steps ON steps.quest_id = quest.id
                   LEFT JOIN (SELECT quest_id, array_agg(id ORDER BY id) AS ids FROM quest_assessments
                              WHERE retired_at IS NULL AND quest_id IN (SELECT quest_id FROM place)
                              GROUP BY quest_id) AS assessments ON assessments.quest_id = quest.id), '[]'),
               'foreign', jsonb_build_object(
                   'quests', coalesce((SELECT jsonb_object_agg(quest.id, jsonb_build_object('title', quest.title, 'isActive', quest.is_active))
                       FROM quests AS quest
                       WHERE quest.id IN (SELECT id FROM named UNION SELECT id FROM needed)
                         AND quest.id NOT IN (SELECT quest_id FROM place)), '{}'),
                   'chapters', coalesce((SELECT jsonb_object_agg(chapter.id, chapter.learning_path_id)
                       FROM named JOIN quest_chapters AS chapter ON chapter.id = named.id AND chapter.learning_path_id <> path.id), '{}'),
                   'assessments', coalesce((SELECT jsonb_object_agg(assessment.id, assessment.quest_id)
                       FROM named JOIN quest_assessments AS assessment ON assessment.id = named.id), '{}'),
                   'paths', coalesce((SELECT jsonb_object_agg(other.id, other.name)
                       FROM named JOIN learning_paths AS other ON other.id = named.id AND other.id <> path.id), '{}'))
           ) AS "blueprint!: Json<Blueprint>"
           FROM learning_paths AS path WHERE path.id = $1"#,
        path.0
    )
    .fetch_optional(connection)
    .await?;
    blueprint.map(|json| json.0).ok_or(Refusal::NotFound("learning path"))
}
