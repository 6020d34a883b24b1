//! What the database has of a file's quests and paths, as a file would have it, with the ids beside it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::file::{Curriculum, FileAssessment, FileChapter, FilePath, FilePlace, FileQuest, FileResource, FileStep};
use super::names::{Named, Names, named};
use crate::learning_paths::model::{PathStatus, PathType};
use crate::quests::model::{AssessmentType, DifficultyLevel, QuestType, ResourceType, StepType};
use crate::rewards::SkillReward;

/// Which quests and paths are meant.
#[derive(Debug, Default)]
pub struct Scope {
    pub quests: Vec<Uuid>,
    pub paths: Vec<Uuid>,
}

/// Those quests and paths.
#[derive(Debug, Default)]
pub struct State {
    pub file: Curriculum,
    pub names: Names,
    /// Ids of steps by quest and key, retired ones too.
    pub steps: HashMap<(String, String), Uuid>,
    quests: HashMap<String, usize>,
    paths: HashMap<String, usize>,
    elsewhere: HashSet<String>,
}

impl State {
    pub fn quest(&self, key: &str) -> Option<&FileQuest> {
        self.file.quests.get(*self.quests.get(key)?)
    }

    pub fn path(&self, key: &str) -> Option<&FilePath> {
        self.file.learning_paths.get(*self.paths.get(key)?)
    }

    /// Whether the quest is in a path that is not meant.
    pub fn is_in_other_paths(&self, quest: &str) -> bool {
        self.elsewhere.contains(quest)
    }
}

/// Finds the quests and paths of a file: those with its keys, and the quests that its paths have now.
/// With `lock`, they are kept from other edits, quests first, each in the order of their ids, and so are the other
/// paths with these quests; what is made meanwhile is not among them.
pub async fn scope_of(connection: &mut PgConnection, file: &Curriculum, lock: bool) -> Result<Scope, sqlx::Error> {
    let quest_keys: Vec<String> = file.quests.iter().map(|quest| quest.key.clone()).collect();
    let path_keys: Vec<String> = file.learning_paths.iter().map(|path| path.key.clone()).collect();
    let paths = sqlx::query_scalar!("SELECT id FROM learning_paths WHERE key = ANY($1) ORDER BY id", &path_keys)
        .fetch_all(&mut *connection)
        .await?;
    let quests = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM quests WHERE key = ANY($1)
           UNION SELECT quest_id FROM learning_path_quests WHERE learning_path_id = ANY($2)
           ORDER BY 1"#,
        &quest_keys,
        &paths
    )
    .fetch_all(&mut *connection)
    .await?;
    if lock {
        sqlx::query_scalar!("SELECT id FROM quests WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &quests)
            .fetch_all(&mut *connection)
            .await?;
        sqlx::query_scalar!(
            "SELECT id FROM learning_paths WHERE id = ANY($1)
                 OR id IN (SELECT learning_path_id FROM learning_path_quests WHERE quest_id = ANY($2))
             ORDER BY id FOR NO KEY UPDATE",
            &paths,
            &quests
        )
        .fetch_all(&mut *connection)
        .await?;
    }
    Ok(Scope { quests, paths })
}

/// Loads what is meant, and the names of all that criteria refer to: those of the database and those of `file`.
pub async fn load(connection: &mut PgConnection, scope: &Scope, file: &Curriculum) -> Result<State, sqlx::Error> {
    let mut state = State::default();
    state.file.v = 1;
    load_quests(connection, scope, &mut state).await?;
    load_parts(connection, scope, &mut state).await?;
    let refs = load_paths(connection, scope, &mut state).await?;
    load_names(connection, &refs, file, &mut state.names).await?;
    for path in &mut state.file.learning_paths {
        for place in &mut path.quests {
            place.unlock_criteria =
                place.unlock_criteria.take().map(|criteria| state.names.to_keys(&criteria, &path.key));
        }
    }
    let elsewhere = sqlx::query_scalar!(
        "SELECT DISTINCT quest.key FROM learning_path_quests AS place JOIN quests AS quest ON quest.id = place.quest_id
         WHERE quest.id = ANY($1) AND place.learning_path_id <> ALL($2)",
        &scope.quests,
        &scope.paths
    )
    .fetch_all(connection)
    .await?;
    state.elsewhere = elsewhere.into_iter().collect();
    Ok(state)
}

async fn load_quests(connection: &mut PgConnection, scope: &Scope, state: &mut State) -> Result<(), sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, key, title, description, quest_type AS "quest_type: QuestType",
                  difficulty_level AS "difficulty_level: DifficultyLevel", estimated_duration_minutes,
                  experience_points_reward, coalesce(skill_tags, '{}') AS "skill_tags!", subject_id, is_active,
                  unresolved_prerequisites,
                  coalesce((SELECT array_agg(needed.key ORDER BY needed.key) FROM quest_prerequisites AS link
                            JOIN quests AS needed ON needed.id = link.prerequisite_quest_id
                            WHERE link.quest_id = quest.id), '{}') AS "prerequisites!",
                  coalesce((SELECT jsonb_agg(jsonb_build_object('skillTag', skill_tag, 'skillId', skill_id, 'points', points)
                                             ORDER BY display_order)
                            FROM quest_skill_rewards WHERE quest_id = quest.id), '[]') AS "skill_rewards!: Json<Vec<SkillReward>>"
           FROM quests AS quest WHERE id = ANY($1) ORDER BY key"#,
        &scope.quests
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        state.names.add(Named::Quest, row.key.clone(), row.id);
        state.quests.insert(row.key.clone(), state.file.quests.len());
        state.file.quests.push(FileQuest {
            key: row.key,
            title: row.title,
            description: row.description,
            quest_type: row.quest_type,
            difficulty_level: row.difficulty_level,
            estimated_duration_minutes: row.estimated_duration_minutes,
            experience_points_reward: row.experience_points_reward,
            skill_tags: row.skill_tags,
            subject_id: row.subject_id,
            is_active: row.is_active,
            prerequisites: row.prerequisites,
            unresolved_prerequisites: row.unresolved_prerequisites,
            skill_rewards: row.skill_rewards.0,
            steps: Vec::new(),
            resources: Vec::new(),
            assessments: Vec::new(),
        });
    }
    Ok(())
}

/// Steps, resources and assessments, in the order that they have in their quests.
async fn load_parts(connection: &mut PgConnection, scope: &Scope, state: &mut State) -> Result<(), sqlx::Error> {
    let steps = sqlx::query!(
        r#"SELECT step.id, quest.key AS quest, step.key, step.title, step.description,
                  step_type AS "step_type: StepType", content, validation_criteria, experience_points, is_optional,
                  retired_at IS NOT NULL AS "is_retired!"
           FROM quest_steps AS step JOIN quests AS quest ON quest.id = step.quest_id
           WHERE quest_id = ANY($1) ORDER BY quest_id, step_number"#,
        &scope.quests
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in steps {
        state.steps.insert((row.quest.clone(), row.key.clone()), row.id);
        if row.is_retired {
            continue;
        }
        let step = FileStep {
            key: row.key,
            title: row.title,
            description: row.description,
            step_type: row.step_type,
            content: row.content,
            validation_criteria: row.validation_criteria,
            experience_points: row.experience_points,
            is_optional: row.is_optional,
        };
        state.quest_mut(&row.quest, |quest| quest.steps.push(step));
    }
    let resources = sqlx::query!(
        r#"SELECT quest.key AS quest, resource.key, resource_type AS "resource_type: ResourceType", resource.title,
                  resource.description, url, file_path, metadata
           FROM quest_resources AS resource JOIN quests AS quest ON quest.id = resource.quest_id
           WHERE quest_id = ANY($1) ORDER BY quest_id, display_order, resource.id"#,
        &scope.quests
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in resources {
        let resource = FileResource {
            key: row.key,
            resource_type: row.resource_type,
            title: row.title,
            description: row.description,
            url: row.url,
            file_path: row.file_path,
            metadata: row.metadata,
        };
        state.quest_mut(&row.quest, |quest| quest.resources.push(resource));
    }
    let assessments = sqlx::query!(
        r#"SELECT assessment.id, quest.key AS quest, assessment.key, assessment_type AS "assessment_type: AssessmentType",
                  configuration, passing_criteria, retired_at IS NOT NULL AS "is_retired!"
           FROM quest_assessments AS assessment JOIN quests AS quest ON quest.id = assessment.quest_id
           WHERE quest_id = ANY($1) ORDER BY quest_id, assessment.key"#,
        &scope.quests
    )
    .fetch_all(connection)
    .await?;
    for row in assessments {
        let name = format!("{}/{}", row.quest, row.key);
        if row.is_retired {
            // Files do not have it; one that brings the key back means this one.
            state.names.keep(Named::Assessment, name, row.id);
            continue;
        }
        state.names.add(Named::Assessment, name, row.id);
        let assessment = FileAssessment {
            key: row.key,
            assessment_type: row.assessment_type,
            configuration: row.configuration,
            passing_criteria: row.passing_criteria,
        };
        state.quest_mut(&row.quest, |quest| quest.assessments.push(assessment));
    }
    Ok(())
}

impl State {
    fn quest_mut(&mut self, key: &str, change: impl FnOnce(&mut FileQuest)) {
        if let Some(quest) = self.quests.get(key).and_then(|place| self.file.quests.get_mut(*place)) {
            change(quest);
        }
    }

    fn path_mut(&mut self, key: &str, change: impl FnOnce(&mut FilePath)) {
        if let Some(path) = self.paths.get(key).and_then(|place| self.file.learning_paths.get_mut(*place)) {
            change(path);
        }
    }
}

/// Paths with chapters and places, criteria still with ids; gives the ids that these refer to.
async fn load_paths(connection: &mut PgConnection, scope: &Scope, state: &mut State) -> Result<Vec<Uuid>, sqlx::Error> {
    let paths = sqlx::query!(
        r#"SELECT id, key, name, description, path_type AS "path_type: PathType", curriculum_version_id,
                  estimated_total_duration_hours, is_published
           FROM learning_paths WHERE id = ANY($1) ORDER BY key"#,
        &scope.paths
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in paths {
        state.names.add(Named::Path, row.key.clone(), row.id);
        state.paths.insert(row.key.clone(), state.file.learning_paths.len());
        state.file.learning_paths.push(FilePath {
            key: row.key,
            name: row.name,
            description: row.description,
            path_type: row.path_type,
            curriculum_version_id: row.curriculum_version_id,
            estimated_total_duration_hours: row.estimated_total_duration_hours,
            is_published: row.is_published,
            chapters: Vec::new(),
            quests: Vec::new(),
        });
    }
    let chapters = sqlx::query!(
        r#"SELECT chapter.id, path.key AS path, chapter.key, title, status AS "status: PathStatus", start_date, end_date
           FROM quest_chapters AS chapter JOIN learning_paths AS path ON path.id = chapter.learning_path_id
           WHERE learning_path_id = ANY($1) ORDER BY learning_path_id, sequence"#,
        &scope.paths
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in chapters {
        state.names.add(Named::Chapter, format!("{}/{}", row.path, row.key), row.id);
        let chapter = FileChapter {
            key: row.key,
            title: row.title,
            status: row.status,
            start_date: row.start_date,
            end_date: row.end_date,
        };
        state.path_mut(&row.path, |path| path.chapters.push(chapter));
    }
    let places = sqlx::query!(
        r#"SELECT path.key AS path, quest.key AS quest, chapter.key AS "chapter?", place.difficulty_level AS "difficulty_level: DifficultyLevel",
                  is_mandatory, unlock_criteria, unlock_refs
           FROM learning_path_quests AS place JOIN learning_paths AS path ON path.id = place.learning_path_id
           JOIN quests AS quest ON quest.id = place.quest_id LEFT JOIN quest_chapters AS chapter ON chapter.id = place.chapter_id
           WHERE place.learning_path_id = ANY($1) ORDER BY place.learning_path_id, sequence_order"#,
        &scope.paths
    )
    .fetch_all(connection)
    .await?;
    let mut refs = Vec::new();
    for row in places {
        refs.extend(row.unlock_refs);
        let place = FilePlace {
            quest: row.quest,
            chapter: row.chapter,
            difficulty_level: row.difficulty_level,
            is_mandatory: row.is_mandatory,
            unlock_criteria: row.unlock_criteria.filter(|criteria: &Value| !criteria.is_null()),
        };
        state.path_mut(&row.path, |path| path.quests.push(place));
    }
    Ok(refs)
}

/// What is named and not loaded: by criteria of the database with ids, by those of a file with keys or ids, and by
/// its lists.
async fn load_names(
    connection: &mut PgConnection,
    refs: &[Uuid],
    file: &Curriculum,
    names: &mut Names,
) -> Result<(), sqlx::Error> {
    let mut keys: Vec<(Named, String)> = Vec::new();
    let mut ids: Vec<Uuid> = refs.to_vec();
    for quest in &file.quests {
        keys.extend(quest.prerequisites.iter().map(|key| (Named::Quest, key.clone())));
    }
    for path in &file.learning_paths {
        for place in &path.quests {
            keys.push((Named::Quest, place.quest.clone()));
            if let Some(criteria) = &place.unlock_criteria {
                let (by_key, by_id) = named(criteria, &path.key);
                keys.extend(by_key);
                ids.extend(by_id);
            }
        }
    }
    keys.retain(|(what, key)| names.id(*what, key).is_none());
    ids.retain(|id| names.key(*id).is_none());
    if keys.is_empty() && ids.is_empty() {
        return Ok(());
    }
    let of = |wanted: Named| -> Vec<String> {
        keys.iter().filter(|(what, _)| *what == wanted).map(|(_, key)| key.clone()).collect()
    };
    let found = sqlx::query!(
        r#"SELECT 0 AS "what!", id AS "id!", key AS "key!" FROM quests WHERE id = ANY($1) OR key = ANY($2)
           UNION ALL
           SELECT 1, id, key FROM learning_paths WHERE id = ANY($1) OR key = ANY($3)
           UNION ALL
           SELECT 2, chapter.id, path.key || '/' || chapter.key
           FROM quest_chapters AS chapter JOIN learning_paths AS path ON path.id = chapter.learning_path_id
           WHERE chapter.id = ANY($1)
              OR (path.key, chapter.key) IN (SELECT split_part(name, '/', 1), split_part(name, '/', 2) FROM unnest($4::text[]) AS name)
           UNION ALL
           SELECT 3, assessment.id, quest.key || '/' || assessment.key
           FROM quest_assessments AS assessment JOIN quests AS quest ON quest.id = assessment.quest_id
           WHERE retired_at IS NULL AND (assessment.id = ANY($1)
              OR (quest.key, assessment.key) IN (SELECT split_part(name, '/', 1), split_part(name, '/', 2) FROM unnest($5::text[]) AS name))"#,
        &ids,
        &of(Named::Quest),
        &of(Named::Path),
        &of(Named::Chapter),
        &of(Named::Assessment),
    )
    .fetch_all(connection)
    .await?;
    for row in found {
        let what = [Named::Quest, Named::Path, Named::Chapter, Named::Assessment]
            .get(usize::try_from(row.what).unwrap_or_default())
            .copied();
        if let Some(what) = what {
            names.add(what, row.key, row.id);
        }
    }
    Ok(())
}
