//! Writes learning paths, their chapters and places.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::Writer;
use crate::curriculum::file::{FilePath, FilePlace};
use crate::curriculum::names::Named;
use crate::curriculum::plan::Kind;
use crate::ids::{ChapterId, LearningPathId, QuestId};
use crate::learning_paths::model::PathQuestInput;
use crate::learning_paths::service::write_places;

impl Writer<'_> {
    pub(super) async fn paths(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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

    pub(super) async fn chapters(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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
        let place = |place: &FilePlace| PathQuestInput {
            quest_id: QuestId(self.quest_id(&place.quest)),
            chapter_id: place.chapter.as_ref().and_then(chapter),
            difficulty_level: place.difficulty_level,
            is_mandatory: place.is_mandatory,
            unlock_criteria: place.unlock_criteria.as_ref().map(ids),
        };
        path.quests.iter().map(place).collect()
    }
}
