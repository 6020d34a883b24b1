//! Writes quests and what they consist of.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{CHUNK, Writer};
use crate::curriculum::file::FileQuest;
use crate::curriculum::names::Named;
use crate::curriculum::plan::{Action, Change, Kind};
use crate::evidence;

impl Writer<'_> {
    pub(super) async fn quests(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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

    pub(super) async fn steps(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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

    pub(super) async fn resources(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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

    pub(super) async fn assessments(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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

    pub(super) async fn skill_rewards(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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

    pub(super) async fn prerequisites(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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
    pub(super) async fn units(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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
}
