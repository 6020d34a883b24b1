//! Writes what a plan changes, set by set: the number of statements does not grow with the file but by its chunks.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::file::{Curriculum, FileQuest};
use super::names::{Named, Names};
use super::plan::{Action, Change, Kind, Plan};
use super::service::Progress;
use super::state::State;
use crate::origin::Origin;

mod paths;
mod quests;

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

    /// Ids of what the file leaves out; `id` knows them by parent and key.
    fn gone(&self, kind: Kind, id: impl Fn(String, String) -> Option<Uuid>) -> Vec<Uuid> {
        let is_gone = |change: &&Change| matches!(change.action, Action::Deactivate | Action::Delete);
        let changed = self.plan.changed(kind);
        let keys = changed.values().copied().filter(is_gone).filter_map(|change| change.key.split_once('/'));
        keys.filter_map(|(parent, key)| id(parent.to_owned(), key.to_owned())).collect()
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
