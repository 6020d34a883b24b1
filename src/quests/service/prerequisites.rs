//! What a quest needs and what it pays in skills: two lists that are set as a whole.

use std::collections::{HashMap, VecDeque};

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::steps::same_members;
use crate::audit;
use crate::ids::QuestId;
use crate::origin::Origin;
use crate::quests::model::{Prerequisite, Quest, Refusal};
use crate::rewards::SkillReward;
use crate::unlocks::reevaluate::{Touched, request};

/// Key of the advisory lock under which prerequisites change: two edits that are fine one by one
/// can close a cycle together.
const GRAPH_LOCK: i64 = 0x5155_4553_5453_0002;

/// Prerequisites of a quest by title; learners see the active ones, which are those that gate.
///
/// # Errors
/// The database's.
pub async fn list_prerequisites(
    connection: &mut PgConnection,
    quest: QuestId,
    only_active: bool,
    after: Option<(String, Uuid)>,
    limit: i64,
) -> Result<Vec<Prerequisite>, sqlx::Error> {
    let (title, id) = after.map_or((None, None), |(title, id)| (Some(title), Some(id)));
    sqlx::query_as!(
        Prerequisite,
        r#"SELECT needed.id AS "quest_id: QuestId", needed.title, needed.is_active
           FROM quest_prerequisites AS link JOIN quests AS needed ON needed.id = link.prerequisite_quest_id
           WHERE link.quest_id = $1 AND (needed.is_active OR NOT $2)
             AND (needed.title, needed.id) > (coalesce($3::text, ''), coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
           ORDER BY needed.title, needed.id LIMIT $5"#,
        quest.0,
        only_active,
        title,
        id,
        limit
    )
    .fetch_all(connection)
    .await
}

/// Keeps all prerequisites from being changed until the transaction ends.
///
/// # Errors
/// The database's.
pub async fn lock_prerequisites(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", GRAPH_LOCK).fetch_one(connection).await?;
    Ok(())
}

/// Sets the prerequisites of a locked quest.
///
/// # Errors
/// When one does not exist, or they would close a cycle.
pub async fn set_prerequisites(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    needed: &[Uuid],
) -> Result<(), Refusal> {
    lock_prerequisites(connection).await?;
    let known =
        sqlx::query_scalar!("SELECT id FROM quests WHERE id = ANY($1)", needed).fetch_all(&mut *connection).await?;
    if let Some(unknown) = needed.iter().find(|id| !known.contains(id)) {
        return Err(Refusal::Invalid("/questIds", format!("there is no quest {unknown}")));
    }
    if let Some(cycle) = find_cycle(connection, quest.id, needed).await? {
        return Err(Refusal::Cycle(cycle));
    }
    let before = sqlx::query_scalar!(
        "SELECT prerequisite_quest_id FROM quest_prerequisites WHERE quest_id = $1 ORDER BY prerequisite_quest_id",
        quest.id.0
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM quest_prerequisites WHERE quest_id = $1 AND prerequisite_quest_id <> ALL($2)",
        quest.id.0,
        needed
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO quest_prerequisites (quest_id, prerequisite_quest_id) SELECT $1, unnest($2::uuid[])
         ON CONFLICT (quest_id, prerequisite_quest_id) DO NOTHING",
        quest.id.0,
        needed
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "before": before, "after": needed });
    audit::note(connection, origin, "set prerequisites", "quest", quest.id.0, details).await?;
    if !same_members(&before, needed) {
        request(connection, origin, Touched { quests: &[quest.id.0], ..Touched::default() }).await?;
    }
    Ok(())
}

/// The shortest way from one of `needed` back to the quest, with the quest at both ends.
async fn find_cycle(
    connection: &mut PgConnection,
    quest: QuestId,
    needed: &[Uuid],
) -> Result<Option<Vec<Prerequisite>>, sqlx::Error> {
    let edges = sqlx::query!(
        r#"WITH RECURSIVE reached (id) AS (
               SELECT unnest($1::uuid[])
               UNION
               SELECT link.prerequisite_quest_id FROM reached JOIN quest_prerequisites AS link ON link.quest_id = reached.id
           )
           SELECT link.quest_id, link.prerequisite_quest_id
           FROM reached JOIN quest_prerequisites AS link ON link.quest_id = reached.id"#,
        needed
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut graph: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for edge in edges {
        graph.entry(edge.quest_id).or_default().push(edge.prerequisite_quest_id);
    }
    graph.insert(quest.0, needed.to_vec());
    let Some(way) = shortest_cycle(&graph, quest.0) else { return Ok(None) };
    let cycle = sqlx::query_as!(
        Prerequisite,
        r#"SELECT quest.id AS "quest_id: QuestId", quest.title, quest.is_active
           FROM unnest($1::uuid[]) WITH ORDINALITY AS way (id, place) JOIN quests AS quest ON quest.id = way.id
           ORDER BY way.place"#,
        &way
    )
    .fetch_all(connection)
    .await?;
    Ok(Some(cycle))
}

/// The shortest way from `start` back to itself, with `start` at both ends (breadth first).
fn shortest_cycle(graph: &HashMap<Uuid, Vec<Uuid>>, start: Uuid) -> Option<Vec<Uuid>> {
    let mut came_from: HashMap<Uuid, Uuid> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in graph.get(&at).into_iter().flatten() {
            if *next == start {
                let mut way = vec![start, at];
                while let Some(before) = way.last().filter(|last| **last != start).and_then(|last| came_from.get(last))
                {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(*next, at);
                queue.push_back(*next);
            }
        }
    }
    None
}

/// The explicit skill rewards of a quest, in order.
///
/// # Errors
/// The database's.
pub async fn list_skill_rewards(
    connection: &mut PgConnection,
    quest: QuestId,
) -> Result<Vec<SkillReward>, sqlx::Error> {
    sqlx::query_as!(
        SkillReward,
        "SELECT skill_tag, skill_id, points FROM quest_skill_rewards WHERE quest_id = $1 ORDER BY display_order",
        quest.0
    )
    .fetch_all(connection)
    .await
}

/// Sets the explicit skill rewards of a locked quest; an empty list brings back the split over the tags.
///
/// # Errors
/// The database's.
pub async fn set_skill_rewards(
    connection: &mut PgConnection,
    origin: &Origin,
    quest: &Quest,
    rewards: &[SkillReward],
) -> Result<(), Refusal> {
    let ids: Vec<Uuid> = rewards.iter().map(|_| Uuid::now_v7()).collect();
    let tags: Vec<String> = rewards.iter().map(|reward| reward.skill_tag.clone()).collect();
    let skills: Vec<Option<Uuid>> = rewards.iter().map(|reward| reward.skill_id).collect();
    let points: Vec<i32> = rewards.iter().map(|reward| reward.points).collect();
    let before = list_skill_rewards(connection, quest.id).await?;
    sqlx::query!("DELETE FROM quest_skill_rewards WHERE quest_id = $1", quest.id.0).execute(&mut *connection).await?;
    sqlx::query!(
        "INSERT INTO quest_skill_rewards (id, quest_id, skill_tag, skill_id, points, display_order)
         SELECT id, $1, tag, skill, points, place::int
         FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::int[]) WITH ORDINALITY AS reward (id, tag, skill, points, place)",
        quest.id.0,
        &ids,
        &tags,
        &skills as &[Option<Uuid>],
        &points,
    )
    .execute(&mut *connection)
    .await?;
    let details = json!({ "before": before, "after": rewards });
    audit::note(connection, origin, "set skill rewards", "quest", quest.id.0, details).await?;
    Ok(())
}
