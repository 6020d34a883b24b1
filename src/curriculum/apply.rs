//! Writes what a plan changes, set by set: the number of statements does not grow with the file but by its chunks.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::file::{Curriculum, FilePath, FileQuest};
use super::names::{Named, Names};
use super::plan::{Action, Change, Kind, Plan};
use super::service::Progress;
use super::state::State;
use crate::evidence;
use crate::ids::{ChapterId, LearningPathId, QuestId};
use crate::learning_paths::model::PathQuestInput;
use crate::learning_paths::service::write_places;
use crate::origin::Origin;

/// Rows of one statement.
const CHUNK: usize = 500;
/// Ids of what files bring are made from keys in this namespace, so that databases agree; never to be changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x8a1d_07c4_52e9_4f0b_b3d6_90aa_1c7e_5f32);

/// A file on its way into the database.
pub struct Writer<'a> {
    pub origin: &'a Origin,
    pub file: &'a Curriculum,
    pub state: &'a State,
    pub plan: &'a Plan,
    /// Ids of everything in the file, new things included.
    pub names: &'a Names,
    pub progress: Progress<'a>,
}

/// Ids for what the database does not have yet.
pub async fn new_ids(connection: &mut PgConnection, file: &Curriculum, state: &mut State) -> Result<(), sqlx::Error> {
    let made = |kind: &str, key: &str| Uuid::new_v5(&NAMESPACE, format!("{kind}/{key}").as_bytes());
    let quests = file.quests.iter().map(|quest| (Named::Quest, &quest.key, made("quest", &quest.key)));
    let paths = file.learning_paths.iter().map(|path| (Named::Path, &path.key, made("path", &path.key)));
    let mut new: Vec<(Named, &String, Uuid)> = quests.chain(paths).collect();
    new.retain(|(what, key, _)| state.names.id(*what, key).is_none());
    let ids: Vec<Uuid> = new.iter().map(|(_, _, id)| *id).collect();
    // Somebody gave another key to what a file had brought.
    let taken: HashSet<Uuid> = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM quests WHERE id = ANY($1) UNION ALL SELECT id FROM learning_paths WHERE id = ANY($1)"#,
        &ids
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .collect();
    for (what, key, id) in new {
        let id = if taken.contains(&id) { Uuid::now_v7() } else { id };
        state.names.add(what, key.clone(), id);
    }
    for path in &file.learning_paths {
        for chapter in &path.chapters {
            state.names.add(Named::Chapter, format!("{}/{}", path.key, chapter.key), Uuid::now_v7());
        }
    }
    for quest in &file.quests {
        for assessment in &quest.assessments {
            state.names.add_new(Named::Assessment, format!("{}/{}", quest.key, assessment.key), Uuid::now_v7());
        }
    }
    Ok(())
}

impl Writer<'_> {
    fn quest_id(&self, key: &str) -> Uuid {
        self.names.id(Named::Quest, key).unwrap_or_default()
    }

    fn path_id(&self, key: &str) -> Uuid {
        self.names.id(Named::Path, key).unwrap_or_default()
    }

    /// Writes everything but the requests for background work.
    pub async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // Lists are renumbered chunk by chunk; they are in order again at the end.
        sqlx::query!("SET CONSTRAINTS ALL DEFERRED").execute(&mut *connection).await?;
        self.quests(connection).await?;
        self.steps(connection).await?;
        self.resources(connection).await?;
        self.assessments(connection).await?;
        self.skill_rewards(connection).await?;
        self.prerequisites(connection).await?;
        self.units(connection).await?;
        self.paths(connection).await?;
        self.audit(connection).await
    }

    /// Quests of the file with a change of this kind in them.
    fn quests_with(&self, kind: Kind) -> Vec<&FileQuest> {
        let changed: HashSet<&str> = self
            .plan
            .changed(kind)
            .into_keys()
            .map(|key| if kind == Kind::Quest { key } else { key.split('/').next().unwrap_or_default() })
            .collect();
        self.file.quests.iter().filter(|quest| changed.contains(quest.key.as_str())).collect()
    }

    /// Rows that the plan creates, and those that it changes.
    fn parted(&self, kind: Kind, rows: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
        let changed = self.plan.changed(kind);
        let is_new = |row: &Value| {
            let change = row["key"].as_str().and_then(|key| changed.get(key));
            change.is_some_and(|change| change.action == Action::Create)
        };
        rows.into_iter().partition(is_new)
    }

    async fn quests(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<Value> = self
            .quests_with(Kind::Quest)
            .into_iter()
            .map(|quest| {
                json!({
                    "id": self.quest_id(&quest.key), "key": quest.key, "title": quest.title, "description": quest.description,
                    "quest_type": quest.quest_type, "difficulty_level": quest.difficulty_level,
                    "estimated_duration_minutes": quest.estimated_duration_minutes,
                    "experience_points_reward": quest.experience_points_reward, "skill_tags": quest.skill_tags,
                    "subject_id": quest.subject_id, "is_active": quest.is_active,
                    "unresolved_prerequisites": quest.unresolved_prerequisites,
                })
            })
            .collect();
        // What somebody has made meanwhile is not the plan's, and must not be overwritten.
        let (new, old) = self.parted(Kind::Quest, rows);
        for chunk in new.chunks(CHUNK) {
            sqlx::query!(
                "INSERT INTO quests (id, key, title, description, quest_type, difficulty_level, estimated_duration_minutes,
                                     experience_points_reward, skill_tags, subject_id, is_active, unresolved_prerequisites, created_by)
                 SELECT row.*, $2 FROM jsonb_to_recordset($1) AS row (
                     id UUID, key TEXT, title TEXT, description TEXT, quest_type quest_type, difficulty_level difficulty_level,
                     estimated_duration_minutes INTEGER, experience_points_reward INTEGER, skill_tags TEXT[], subject_id UUID,
                     is_active BOOLEAN, unresolved_prerequisites TEXT[])",
                Value::from(chunk),
                self.origin.actor,
            )
            .execute(&mut *connection)
            .await?;
            self.progress.advance(chunk.len());
        }
        for chunk in old.chunks(CHUNK) {
            sqlx::query!(
                "UPDATE quests SET title = row.title, description = row.description, quest_type = row.quest_type,
                     difficulty_level = row.difficulty_level, estimated_duration_minutes = row.estimated_duration_minutes,
                     experience_points_reward = row.experience_points_reward, skill_tags = row.skill_tags,
                     subject_id = row.subject_id, is_active = row.is_active,
                     unresolved_prerequisites = row.unresolved_prerequisites
                 FROM jsonb_to_recordset($1) AS row (
                     id UUID, title TEXT, description TEXT, quest_type quest_type, difficulty_level difficulty_level,
                     estimated_duration_minutes INTEGER, experience_points_reward INTEGER, skill_tags TEXT[], subject_id UUID,
                     is_active BOOLEAN, unresolved_prerequisites TEXT[])
                 WHERE quests.id = row.id",
                Value::from(chunk),
            )
            .execute(&mut *connection)
            .await?;
            self.progress.advance(chunk.len());
        }
        let deactivated: Vec<String> = self
            .plan
            .changed(Kind::Quest)
            .into_values()
            .filter(|change| change.action == Action::Deactivate)
            .map(|change| change.key.clone())
            .collect();
        sqlx::query!("UPDATE quests SET is_active = FALSE WHERE key = ANY($1) AND is_active", &deactivated)
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn steps(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let gone: Vec<Uuid> = self.gone(Kind::Step, |quest, key| self.state.steps.get(&(quest, key)).copied());
        sqlx::query!(
            "UPDATE quest_steps AS step SET retired_at = $2, step_number = now.number
             FROM (SELECT gone.id, (SELECT least(min(step_number), 0) FROM quest_steps WHERE quest_id = gone.quest_id)
                               - row_number() OVER (PARTITION BY gone.quest_id ORDER BY gone.step_number) AS number
                   FROM quest_steps AS gone WHERE gone.id = ANY($1)) AS now
             WHERE step.id = now.id",
            &gone,
            self.origin.clock.now(),
        )
        .execute(&mut *connection)
        .await?;
        let rows: Vec<Value> = self
            .quests_with(Kind::Step)
            .into_iter()
            .flat_map(|quest| {
                let quest_id = self.quest_id(&quest.key);
                quest.steps.iter().enumerate().map(move |(index, step)| {
                    json!({
                        "id": Uuid::now_v7(), "quest_id": quest_id, "key": step.key, "step_number": index + 1, "title": step.title,
                        "description": step.description, "step_type": step.step_type, "content": step.content,
                        "validation_criteria": step.validation_criteria, "experience_points": step.experience_points,
                        "is_optional": step.is_optional,
                    })
                })
            })
            .collect();
        for chunk in rows.chunks(CHUNK) {
            sqlx::query!(
                "INSERT INTO quest_steps AS step (id, quest_id, key, step_number, title, description, step_type, content,
                                                  validation_criteria, experience_points, is_optional)
                 SELECT id, quest_id, key, step_number, title, description, step_type, nullif(content, 'null'),
                        nullif(validation_criteria, 'null'), experience_points, is_optional
                 FROM jsonb_to_recordset($1) AS row (
                     id UUID, quest_id UUID, key TEXT, step_number INTEGER, title TEXT, description TEXT, step_type step_type,
                     content JSONB, validation_criteria JSONB, experience_points INTEGER, is_optional BOOLEAN)
                 ON CONFLICT (quest_id, key) DO UPDATE SET step_number = excluded.step_number, title = excluded.title,
                     description = excluded.description, step_type = excluded.step_type, content = excluded.content,
                     validation_criteria = excluded.validation_criteria, experience_points = excluded.experience_points,
                     is_optional = excluded.is_optional, retired_at = NULL
                 WHERE (step.step_number, step.title, step.description, step.step_type, step.content, step.validation_criteria,
                        step.experience_points, step.is_optional, step.retired_at)
                     IS DISTINCT FROM (excluded.step_number, excluded.title, excluded.description, excluded.step_type,
                        excluded.content, excluded.validation_criteria, excluded.experience_points, excluded.is_optional, NULL)",
                Value::from(chunk),
            )
            .execute(&mut *connection)
            .await?;
            self.progress.advance(chunk.len());
        }
        Ok(())
    }

    /// Ids of what the file leaves out; `id` knows them by parent and key.
    fn gone(&self, kind: Kind, id: impl Fn(String, String) -> Option<Uuid>) -> Vec<Uuid> {
        let is_gone = |change: &&Change| matches!(change.action, Action::Deactivate | Action::Delete);
        let changed = self.plan.changed(kind);
        let keys = changed.values().copied().filter(is_gone).filter_map(|change| change.key.split_once('/'));
        keys.filter_map(|(parent, key)| id(parent.to_owned(), key.to_owned())).collect()
    }

    async fn resources(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let quests = self.quests_with(Kind::Resource);
        let ids: Vec<Uuid> = quests.iter().map(|quest| self.quest_id(&quest.key)).collect();
        let rows: Vec<Value> = quests
            .into_iter()
            .flat_map(|quest| {
                let quest_id = self.quest_id(&quest.key);
                quest.resources.iter().enumerate().map(move |(index, resource)| {
                    json!({
                        "id": Uuid::now_v7(), "quest_id": quest_id, "key": resource.key, "resource_type": resource.resource_type,
                        "title": resource.title, "description": resource.description, "url": resource.url,
                        "file_path": resource.file_path, "metadata": resource.metadata, "display_order": index + 1,
                    })
                })
            })
            .collect();
        let names: Vec<Value> =
            rows.iter().map(|row| json!({"quest_id": row["quest_id"], "key": row["key"]})).collect();
        sqlx::query!(
            "DELETE FROM quest_resources WHERE quest_id = ANY($1)
                 AND (quest_id, key) NOT IN (SELECT quest_id, key FROM jsonb_to_recordset($2) AS kept (quest_id UUID, key TEXT))",
            &ids,
            Value::from(names),
        )
        .execute(&mut *connection)
        .await?;
        for chunk in rows.chunks(CHUNK) {
            sqlx::query!(
                "INSERT INTO quest_resources (id, quest_id, key, resource_type, title, description, url, file_path, metadata, display_order)
                 SELECT id, quest_id, key, resource_type, title, description, url, file_path, nullif(metadata, 'null'), display_order
                 FROM jsonb_to_recordset($1) AS row (
                     id UUID, quest_id UUID, key TEXT, resource_type resource_type, title TEXT, description TEXT, url TEXT,
                     file_path TEXT, metadata JSONB, display_order INTEGER)
                 ON CONFLICT (quest_id, key) DO UPDATE SET resource_type = excluded.resource_type, title = excluded.title,
                     description = excluded.description, url = excluded.url, file_path = excluded.file_path,
                     metadata = excluded.metadata, display_order = excluded.display_order",
                Value::from(chunk),
            )
            .execute(&mut *connection)
            .await?;
            self.progress.advance(chunk.len());
        }
        Ok(())
    }

    async fn assessments(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let gone =
            self.gone(Kind::Assessment, |quest, key| self.names.id(Named::Assessment, &format!("{quest}/{key}")));
        sqlx::query!("UPDATE quest_assessments SET retired_at = $2 WHERE id = ANY($1)", &gone, self.origin.clock.now())
            .execute(&mut *connection)
            .await?;
        let rows: Vec<Value> = self
            .quests_with(Kind::Assessment)
            .into_iter()
            .flat_map(|quest| {
                let quest_id = self.quest_id(&quest.key);
                quest.assessments.iter().map(move |assessment| {
                    let id = self.names.id(Named::Assessment, &format!("{}/{}", quest.key, assessment.key));
                    json!({
                        "id": id, "quest_id": quest_id, "key": assessment.key, "assessment_type": assessment.assessment_type,
                        "configuration": assessment.configuration, "passing_criteria": assessment.passing_criteria,
                    })
                })
            })
            .collect();
        for chunk in rows.chunks(CHUNK) {
            sqlx::query!(
                "INSERT INTO quest_assessments (id, quest_id, key, assessment_type, configuration, passing_criteria)
                 SELECT * FROM jsonb_to_recordset($1) AS row (
                     id UUID, quest_id UUID, key TEXT, assessment_type assessment_type, configuration JSONB, passing_criteria JSONB)
                 ON CONFLICT (quest_id, key) DO UPDATE SET assessment_type = excluded.assessment_type,
                     configuration = excluded.configuration, passing_criteria = excluded.passing_criteria, retired_at = NULL",
                Value::from(chunk),
            )
            .execute(&mut *connection)
            .await?;
            self.progress.advance(chunk.len());
        }
        let written = |change: &&Change| matches!(change.action, Action::Create | Action::Update);
        let changed = self.plan.changed(Kind::Assessment);
        let changed = changed.into_values().filter(written);
        let ids: Vec<Uuid> = changed.filter_map(|change| self.names.id(Named::Assessment, &change.key)).collect();
        evidence::recall(connection, &ids).await
    }

    /// Quests that are new, or where this field changes.
    fn quests_where(&self, field: &str) -> Vec<&FileQuest> {
        let changed = self.plan.changed(Kind::Quest);
        let touches =
            |change: &Change| change.action == Action::Create || change.fields.iter().any(|changed| changed == field);
        let quests = self.file.quests.iter();
        quests.filter(|quest| changed.get(quest.key.as_str()).is_some_and(|change| touches(change))).collect()
    }

    async fn skill_rewards(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let quests = self.quests_where("skillRewards");
        let ids: Vec<Uuid> = quests.iter().map(|quest| self.quest_id(&quest.key)).collect();
        let rows: Vec<Value> = quests
            .into_iter()
            .flat_map(|quest| {
                let quest_id = self.quest_id(&quest.key);
                quest.skill_rewards.iter().enumerate().map(move |(index, reward)| {
                    json!({
                        "id": Uuid::now_v7(), "quest_id": quest_id, "skill_tag": reward.skill_tag, "skill_id": reward.skill_id,
                        "points": reward.points, "display_order": index + 1,
                    })
                })
            })
            .collect();
        sqlx::query!("DELETE FROM quest_skill_rewards WHERE quest_id = ANY($1)", &ids)
            .execute(&mut *connection)
            .await?;
        sqlx::query!(
            "INSERT INTO quest_skill_rewards (id, quest_id, skill_tag, skill_id, points, display_order)
             SELECT * FROM jsonb_to_recordset($1) AS row (
                 id UUID, quest_id UUID, skill_tag TEXT, skill_id UUID, points INTEGER, display_order INTEGER)",
            Value::from(rows),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn prerequisites(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let quests = self.quests_where("prerequisites");
        let ids: Vec<Uuid> = quests.iter().map(|quest| self.quest_id(&quest.key)).collect();
        let (mut from, mut needed) = (Vec::new(), Vec::new());
        for quest in quests {
            for key in &quest.prerequisites {
                from.push(self.quest_id(&quest.key));
                needed.push(self.quest_id(key));
            }
        }
        sqlx::query!("DELETE FROM quest_prerequisites WHERE quest_id = ANY($1)", &ids)
            .execute(&mut *connection)
            .await?;
        sqlx::query!(
            "INSERT INTO quest_prerequisites (quest_id, prerequisite_quest_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])",
            &from,
            &needed,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Open attempts at quests whose units change are computed anew.
    async fn units(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let touched: HashSet<Uuid> = [Kind::Step, Kind::Assessment]
            .into_iter()
            .flat_map(|kind| self.quests_with(kind))
            .map(|quest| self.quest_id(&quest.key))
            .collect();
        let touched: Vec<Uuid> = touched.into_iter().collect();
        sqlx::query!(
            "WITH edited AS (UPDATE quests SET units_version = units_version + 1 WHERE id = ANY($1))
             INSERT INTO unit_recomputes (quest_id) SELECT DISTINCT quest_id FROM user_quest_attempts
             WHERE quest_id = ANY($1) AND status IN ('InProgress', 'Paused')
             ON CONFLICT (quest_id) DO UPDATE SET requested_at = now()",
            &touched
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn paths(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<Value> = self
            .file
            .learning_paths
            .iter()
            .filter(|path| self.plan.changed(Kind::LearningPath).contains_key(path.key.as_str()))
            .map(|path| {
                json!({
                    "id": self.path_id(&path.key), "key": path.key, "name": path.name, "description": path.description,
                    "path_type": path.path_type, "curriculum_version_id": path.curriculum_version_id,
                    "estimated_total_duration_hours": path.estimated_total_duration_hours, "is_published": path.is_published,
                })
            })
            .collect();
        let (new, old) = self.parted(Kind::LearningPath, rows);
        sqlx::query!(
            "INSERT INTO learning_paths (id, key, name, description, path_type, curriculum_version_id,
                                         estimated_total_duration_hours, is_published, created_by)
             SELECT row.*, $2 FROM jsonb_to_recordset($1) AS row (
                 id UUID, key TEXT, name TEXT, description TEXT, path_type path_type, curriculum_version_id UUID,
                 estimated_total_duration_hours INTEGER, is_published BOOLEAN)",
            Value::from(new),
            self.origin.actor,
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "UPDATE learning_paths AS path SET name = row.name, description = row.description, path_type = row.path_type,
                 curriculum_version_id = row.curriculum_version_id,
                 estimated_total_duration_hours = row.estimated_total_duration_hours, is_published = row.is_published
             FROM jsonb_to_recordset($1) AS row (
                 id UUID, name TEXT, description TEXT, path_type path_type, curriculum_version_id UUID,
                 estimated_total_duration_hours INTEGER, is_published BOOLEAN)
             WHERE path.id = row.id",
            Value::from(old),
        )
        .execute(&mut *connection)
        .await?;
        self.chapters(connection).await?;
        let with_places: HashSet<String> = self.parents(Kind::PathQuest);
        for path in self.file.learning_paths.iter().filter(|path| with_places.contains(&path.key)) {
            let places = self.places(path);
            write_places(connection, LearningPathId(self.path_id(&path.key)), &places).await?;
            self.progress.advance(places.len());
        }
        Ok(())
    }

    fn parents(&self, kind: Kind) -> HashSet<String> {
        let changed = self.plan.changed(kind);
        changed.into_keys().filter_map(|key| Some(key.split_once('/')?.0.to_owned())).collect()
    }

    async fn chapters(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let changed = self.parents(Kind::Chapter);
        let gone = self.gone(Kind::Chapter, |path, key| self.names.id(Named::Chapter, &format!("{path}/{key}")));
        sqlx::query!("DELETE FROM quest_chapters WHERE id = ANY($1)", &gone).execute(&mut *connection).await?;
        let rows: Vec<Value> = self
            .file
            .learning_paths
            .iter()
            .filter(|path| changed.contains(&path.key))
            .flat_map(|path| {
                path.chapters.iter().enumerate().map(|(index, chapter)| {
                    let id = self.names.id(Named::Chapter, &format!("{}/{}", path.key, chapter.key));
                    json!({
                        "id": id, "learning_path_id": self.path_id(&path.key), "key": chapter.key, "title": chapter.title,
                        "sequence": index + 1, "status": chapter.status, "start_date": chapter.start_date,
                        "end_date": chapter.end_date,
                    })
                })
            })
            .collect();
        sqlx::query!(
            "INSERT INTO quest_chapters (id, learning_path_id, key, title, sequence, status, start_date, end_date)
             SELECT * FROM jsonb_to_recordset($1) AS row (
                 id UUID, learning_path_id UUID, key TEXT, title TEXT, sequence INTEGER, status path_progress_status,
                 start_date DATE, end_date DATE)
             ON CONFLICT (learning_path_id, key) DO UPDATE SET title = excluded.title, sequence = excluded.sequence,
                 status = excluded.status, start_date = excluded.start_date, end_date = excluded.end_date",
            Value::from(rows),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    fn places(&self, path: &FilePath) -> Vec<PathQuestInput> {
        let chapter = |key: &String| self.names.id(Named::Chapter, &format!("{}/{key}", path.key)).map(ChapterId);
        // What names nothing was refused before.
        let ids = |criteria: &Value| self.names.to_ids(criteria, &path.key, "", &mut Vec::new());
        let place = |place: &super::file::FilePlace| PathQuestInput {
            quest_id: QuestId(self.quest_id(&place.quest)),
            chapter_id: place.chapter.as_ref().and_then(chapter),
            difficulty_level: place.difficulty_level,
            is_mandatory: place.is_mandatory,
            unlock_criteria: place.unlock_criteria.as_ref().map(ids),
        };
        path.quests.iter().map(place).collect()
    }

    /// A row for each thing that changes.
    async fn audit(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<Value> = self
            .plan
            .changes
            .iter()
            .filter(|change| change.action != Action::None)
            .map(|change| {
                json!({
                    "id": Uuid::now_v7(), "action": change.action.as_str(), "resource_type": resource_type(change.kind),
                    "resource_id": self.resource_id(change),
                    "details": { "file": self.plan.fingerprint, "key": change.key, "fields": change.fields },
                })
            })
            .collect();
        for chunk in rows.chunks(CHUNK) {
            sqlx::query!(
                "INSERT INTO audit_log (id, action, resource_type, resource_id, details, recorded_at, actor_id, correlation_id)
                 SELECT row.*, $2, $3, $4 FROM jsonb_to_recordset($1) AS row (
                     id UUID, action TEXT, resource_type TEXT, resource_id UUID, details JSONB)",
                Value::from(chunk),
                self.origin.clock.now(),
                self.origin.actor,
                self.origin.correlation_id,
            )
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    /// The thing itself where its id is known, else what it is part of.
    fn resource_id(&self, change: &Change) -> Uuid {
        let (parent, own) = change.key.split_once('/').unwrap_or((&change.key, ""));
        match change.kind {
            Kind::LearningPath | Kind::PathQuest => self.path_id(parent),
            Kind::Chapter => self.names.id(Named::Chapter, &change.key).unwrap_or_default(),
            Kind::Assessment => self.names.id(Named::Assessment, &change.key).unwrap_or_default(),
            Kind::Step => {
                let known = self.state.steps.get(&(parent.to_owned(), own.to_owned()));
                known.copied().unwrap_or_else(|| self.quest_id(parent))
            }
            Kind::Quest | Kind::Resource => self.quest_id(parent),
        }
    }
}

const fn resource_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Quest => "quest",
        Kind::Step => "step",
        Kind::Resource => "resource",
        Kind::Assessment => "assessment",
        Kind::LearningPath => "learning_path",
        Kind::Chapter => "chapter",
        Kind::PathQuest => "path_quest",
    }
}

/// A way from a quest back to itself over what each one needs, with the quest at both ends; without recursion.
pub fn find_cycle(needs: &HashMap<Uuid, Vec<Uuid>>) -> Option<Vec<Uuid>> {
    let mut done: HashSet<Uuid> = HashSet::new();
    let mut starts: Vec<&Uuid> = needs.keys().collect();
    starts.sort_unstable();
    for start in starts {
        // The way so far, with the place of the next need to look at.
        let mut way: Vec<(Uuid, usize)> = vec![(*start, 0)];
        let mut on_way: HashSet<Uuid> = HashSet::from([*start]);
        while let Some((at, next)) = way.last_mut() {
            let needed = needs.get(at).and_then(|needed| needed.get(*next)).copied();
            *next += 1;
            match needed {
                None => {
                    let (at, _) = (*at, way.pop());
                    on_way.remove(&at);
                    done.insert(at);
                }
                Some(needed) if on_way.contains(&needed) => {
                    let from = way.iter().position(|(id, _)| *id == needed).unwrap_or_default();
                    return Some(way[from..].iter().map(|(id, _)| *id).chain([needed]).collect());
                }
                Some(needed) if !done.contains(&needed) => {
                    on_way.insert(needed);
                    way.push((needed, 0));
                }
                Some(_) => {}
            }
        }
    }
    None
}
