//! `quests seed`: loads a curriculum file through the same operations and checks as the API.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::Problem;
use crate::ids::QuestId;
use crate::origin::Origin;
use crate::quests::http::{check_quest, check_resource, check_rewards, check_step};
use crate::quests::model::{QuestInput, ResourceInput, StepInput};
use crate::quests::service;
use crate::rewards::SkillReward;

/// The curriculum that `make run` loads.
pub const DEMO: &str = include_str!("../../examples/c-programming.json");
/// Namespace of quest ids from curriculum files; never to be changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x8a1d_07c4_52e9_4f0b_b3d6_90aa_1c7e_5f32);
/// Author of what a file brings.
pub const SEED_AUTHOR: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_00a1);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Curriculum {
    #[serde(rename = "curriculum")]
    name: String,
    title: String,
    #[serde(rename = "description")]
    _description: String,
    quests: Vec<SeedQuest>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeedQuest {
    key: String,
    #[serde(default)]
    prerequisites: Vec<String>,
    #[serde(default)]
    skill_rewards: Vec<SkillReward>,
    steps: Vec<StepInput>,
    #[serde(default)]
    resources: Vec<ResourceInput>,
    #[serde(flatten)]
    quest: serde_json::Map<String, serde_json::Value>,
}

/// The id that a quest of a curriculum file has on every machine.
#[must_use]
pub fn quest_id(curriculum: &str, key: &str) -> QuestId {
    QuestId(Uuid::new_v5(&NAMESPACE, format!("{curriculum}/{key}").as_bytes()))
}

/// Loads a curriculum in one transaction; quests that are there already stay as they are.
/// Says what it did in one line.
///
/// # Errors
/// A sentence with the quest and everything that is wrong with it; then nothing is loaded.
pub async fn seed(db: &Db, clock: &Clock, limits: &ContentLimits, file: &str) -> Result<String, String> {
    let curriculum: Curriculum =
        serde_json::from_str(file).map_err(|error| format!("the file cannot be read: {error}"))?;
    let origin = Origin { actor: SEED_AUTHOR, ..Origin::job(clock) };
    let limits = limits.clone();
    db.transact(move |connection| {
        Box::pin(async move { load(connection, &origin, &limits, curriculum).await.map_err(Failed) })
    })
    .await
    .map_err(|Failed(message)| message)
}

struct Failed(String);

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

async fn load(
    connection: &mut PgConnection,
    origin: &Origin,
    limits: &ContentLimits,
    curriculum: Curriculum,
) -> Result<String, String> {
    let ids: HashMap<String, QuestId> =
        curriculum.quests.iter().map(|quest| (quest.key.clone(), quest_id(&curriculum.name, &quest.key))).collect();
    if ids.len() < curriculum.quests.len() {
        let mut keys: Vec<&str> = curriculum.quests.iter().map(|quest| quest.key.as_str()).collect();
        keys.sort_unstable();
        let twice = keys.windows(2).find(|pair| pair[0] == pair[1]).map_or("", |pair| pair[0]);
        return Err(format!("quest '{twice}' stands there twice; keys are unique"));
    }
    let mut added = Vec::new();
    for quest in &curriculum.quests {
        let id = ids[&quest.key];
        let named = |problem: Problem| {
            let body = String::from_utf8_lossy(&problem.body("")).into_owned();
            format!("quest '{}': {body}", quest.key)
        };
        if service::get_quest(connection, id).await.map_err(|error| error.to_string())?.is_some() {
            continue;
        }
        let mut fields = quest.quest.clone();
        fields.remove("isActive");
        let input: QuestInput =
            serde_json::from_value(fields.into()).map_err(|error| format!("quest '{}': {error}", quest.key))?;
        check_quest(&input, limits).map_err(named)?;
        check_rewards(&quest.skill_rewards, limits).map_err(named)?;
        let mut made =
            service::create_quest(connection, origin, id, &input).await.map_err(|error| error.to_string())?;
        for step in &quest.steps {
            check_step(step, limits).map_err(named)?;
            service::create_step(connection, origin, &made, step, limits).await.map_err(|error| error.to_string())?;
            made.step_count += 1;
        }
        for resource in &quest.resources {
            check_resource(resource, limits).map_err(named)?;
            service::create_resource(connection, origin, &made, resource, limits)
                .await
                .map_err(|error| error.to_string())?;
        }
        if !quest.skill_rewards.is_empty() {
            service::set_skill_rewards(connection, origin, &made, &quest.skill_rewards)
                .await
                .map_err(|error| error.to_string())?;
        }
        added.push((quest, made));
    }
    for (quest, made) in &added {
        let needed: Option<Vec<Uuid>> = quest.prerequisites.iter().map(|key| Some(ids.get(key)?.0)).collect();
        let needed =
            needed.ok_or_else(|| format!("quest '{}' needs a quest that the file does not have", quest.key))?;
        if !needed.is_empty() {
            service::set_prerequisites(connection, origin, made, &needed).await.map_err(|error| error.to_string())?;
        }
        if quest.quest.get("isActive").and_then(serde_json::Value::as_bool).unwrap_or(true) {
            service::update_quest(connection, origin, made, &QuestInput { is_active: true, ..made.input() })
                .await
                .map_err(|error| format!("quest '{}': {error}", quest.key))?;
        }
    }
    let mut summary = format!("'{}': {} quests added", curriculum.title, added.len());
    let known = curriculum.quests.len() - added.len();
    if known > 0 {
        write!(summary, ", {known} were there already").map_err(|error| error.to_string())?;
    }
    Ok(summary)
}
