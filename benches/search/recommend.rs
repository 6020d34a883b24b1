//! How well recommendations foresee what simulated learners do next, beside popularity.
//!
//! The learners' habits are made up, and are not read off the recommender: each has a taste, which is two course codes
//! or tags, and takes up quests by chance: the next one of the own path, one of the own taste, what many have taken up,
//! or anything. Their last three are held back.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use quests::clock::Clock;
use quests::db::Db;
use quests::ids::LearnerId;
use quests::recommendations::model::{Recipe, Weights};
use quests::recommendations::service::recommend;
use quests::search::Search;
use quests::unlocks::judge_quests;
use sqlx::Row;
use uuid::Uuid;

use super::{Fail, MOST};

const LEARNERS: usize = 400;
const JUDGED: usize = 150;
const HELD_BACK: usize = 3;

/// What a simulated learner chooses from.
struct Quest {
    id: Uuid,
    tags: HashSet<String>,
    needs: Vec<usize>,
}

struct Catalogue {
    quests: Vec<Quest>,
    /// Each a list of quests, in order
    paths: Vec<(Uuid, Vec<usize>)>,
}

/// The same sequence everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % most.max(1)
    }

    fn any(&mut self, of: &[usize]) -> Option<usize> {
        (!of.is_empty()).then(|| of[self.below(of.len())])
    }
}

/// What authors would do by hand: everything is active, all paths are published.
pub async fn open_everything(db: &Db) -> Result<(), Fail> {
    for statement in ["UPDATE quests SET is_active = TRUE", "UPDATE learning_paths SET is_published = TRUE"] {
        sqlx::query(statement).execute(&db.pool).await?;
    }
    Ok(())
}

async fn catalogue(db: &Db) -> Result<Catalogue, Fail> {
    let rows = sqlx::query(
        "SELECT id, coalesce(skill_tags, '{}') AS tags,
                ARRAY(SELECT prerequisite_quest_id FROM quest_prerequisites WHERE quest_id = quests.id) AS needs
         FROM quests
         WHERE NOT EXISTS (SELECT FROM learning_path_quests WHERE quest_id = quests.id AND unlock_criteria IS NOT NULL)
         ORDER BY key",
    )
    .fetch_all(&db.pool)
    .await?;
    let places: HashMap<Uuid, usize> = rows.iter().enumerate().map(|(place, row)| (row.get("id"), place)).collect();
    let quests = rows
        .iter()
        .map(|row| {
            let tags: Vec<String> = row.get("tags");
            let needs: Vec<Uuid> = row.get("needs");
            // Of a course code the letters: PRF192 and PRF201 are of one family.
            let family = |tag: String| match tag.trim_end_matches(|c: char| c.is_ascii_digit()) {
                letters if letters.chars().all(|c| c.is_ascii_uppercase()) => letters.to_owned(),
                _ => tag,
            };
            Quest {
                id: row.get("id"),
                tags: tags.into_iter().map(family).collect(),
                needs: needs.iter().filter_map(|id| places.get(id).copied()).collect(),
            }
        })
        .collect();
    let mut paths: Vec<(Uuid, Vec<usize>)> = Vec::new();
    let rows = sqlx::query(
        "SELECT learning_path_id, quest_id FROM learning_path_quests ORDER BY learning_path_id, sequence_order",
    );
    for row in rows.fetch_all(&db.pool).await? {
        let (path, quest): (Uuid, Uuid) = (row.get(0), row.get(1));
        let Some(place) = places.get(&quest) else { continue };
        match paths.last_mut().filter(|(last, _)| *last == path) {
            Some((_, quests)) => quests.push(*place),
            None => paths.push((path, vec![*place])),
        }
    }
    Ok(Catalogue { quests, paths })
}

/// A learner's way: what was taken up, in order.
struct Walk {
    id: Uuid,
    path: usize,
    taste: HashSet<String>,
    taken: Vec<usize>,
}

fn walk(number: usize, catalogue: &Catalogue, taken_by_all: &mut Vec<usize>, random: &mut Random) -> Walk {
    let quests = &catalogue.quests;
    let path = random.below(catalogue.paths.len());
    let all: Vec<usize> = (0..quests.len()).collect();
    let taste = (0..2).filter_map(|_| random.any(&all)).flat_map(|place| quests[place].tags.iter().cloned()).collect();
    let mut walk = Walk { id: Uuid::from_u128(number as u128 + 1), path, taste, taken: Vec::new() };
    let length = 6 + random.below(9);
    while walk.taken.len() < length {
        let open: Vec<usize> = all
            .iter()
            .copied()
            .filter(|place| !walk.taken.contains(place))
            .filter(|place| quests[*place].needs.iter().all(|need| walk.taken.contains(need)))
            .collect();
        if open.is_empty() {
            break;
        }
        let next = match random.below(100) {
            ..40 => catalogue.paths[path].1.iter().copied().find(|place| open.contains(place)),
            40..70 => {
                let liked: Vec<usize> =
                    open.iter().copied().filter(|place| !quests[*place].tags.is_disjoint(&walk.taste)).collect();
                random.any(&liked)
            }
            70..90 => {
                let common: Vec<usize> = taken_by_all.iter().copied().filter(|place| open.contains(place)).collect();
                random.any(&common)
            }
            _ => None,
        };
        let Some(next) = next.or_else(|| random.any(&open)) else { break };
        walk.taken.push(next);
        taken_by_all.push(next);
    }
    walk
}

/// Writes all but what is held back: one quest every other day, as the service would have left it.
async fn write(db: &Db, catalogue: &Catalogue, walks: &[Walk], end: DateTime<Utc>) -> Result<(), Fail> {
    for walk in walks {
        sqlx::query("INSERT INTO learners (auth_user_id) VALUES ($1)").bind(walk.id).execute(&db.pool).await?;
        sqlx::query(
            "INSERT INTO user_learning_path_progress (id, auth_user_id, learning_path_id, status)
             VALUES (gen_random_uuid(), $1, $2, 'InProgress')",
        )
        .bind(walk.id)
        .bind(catalogue.paths[walk.path].0)
        .execute(&db.pool)
        .await?;
        let known = &walk.taken[..walk.taken.len() - HELD_BACK];
        let quests: Vec<Uuid> = known.iter().map(|place| catalogue.quests[*place].id).collect();
        let days = |number: usize| i32::try_from((known.len() - number) * 2).unwrap_or_default();
        let ago: Vec<i32> = (0..known.len()).map(days).collect();
        sqlx::query(
            "INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, completed_at, completion_percentage)
             SELECT gen_random_uuid(), $1, quest, 'Completed', $4 - make_interval(days => ago),
                    $4 - make_interval(days => ago) + interval '3 hours', 100
             FROM unnest($2::uuid[], $3::int[]) AS done (quest, ago)",
        )
        .bind(walk.id)
        .bind(&quests)
        .bind(&ago)
        .bind(end)
        .execute(&db.pool)
        .await?;
    }
    Ok(())
}

#[derive(Default)]
struct Score {
    recall: f64,
    ndcg: f64,
    learners: f64,
}

impl Score {
    fn add(&mut self, ranked: &[Uuid], held_back: &HashSet<Uuid>) {
        let is_hit = |id: &&Uuid| held_back.contains(id);
        self.recall += ranked.iter().take(5).filter(is_hit).count() as f64 / held_back.len() as f64;
        let gains = (2_u8..).zip(ranked.iter().take(MOST)).filter(|(_, id)| is_hit(id));
        let gain: f64 = gains.map(|(place, _)| 1.0 / f64::from(place).log2()).sum();
        let best: f64 = (2_u8..).take(held_back.len()).map(|place| 1.0 / f64::from(place).log2()).sum();
        self.ndcg += gain / best;
        self.learners += 1.0;
    }
}

/// Prints how often what was held back is among the first, by popularity and by recommendations.
pub async fn run(db: &Db, search: &Search) -> Result<(), Fail> {
    let catalogue = catalogue(db).await?;
    let (mut random, mut taken_by_all) = (Random(7), Vec::new());
    let mut walks: Vec<Walk> =
        (0..LEARNERS).map(|number| walk(number, &catalogue, &mut taken_by_all, &mut random)).collect();
    walks.retain(|walk| walk.taken.len() > HELD_BACK + 1);
    let now = Clock::default().now();
    write(db, &catalogue, &walks, now).await?;
    let mut popularity: HashMap<Uuid, usize> = HashMap::new();
    for walk in &walks {
        for place in &walk.taken[..walk.taken.len() - HELD_BACK] {
            *popularity.entry(catalogue.quests[*place].id).or_default() += 1;
        }
    }
    let recipe = |diversity| Recipe { weights: Weights::default(), diversity, points_per_level: 100.0 };
    let (_, never) = tokio::sync::watch::channel(false);
    let without = Search { engine: None, ready: never };
    let mut scores: [(&str, Score); 4] =
        ["popularity", "recommended, index away", "recommended", "recommended, diversity 0"]
            .map(|by| (by, Score::default()));
    let all: Vec<Uuid> = catalogue.quests.iter().map(|quest| quest.id).collect();
    for walk in walks.iter().take(JUDGED) {
        let learner = LearnerId(walk.id);
        let judged = judge_quests(&mut *db.pool.acquire().await?, now, &[walk.id], &all).await?;
        let judged = judged.into_iter().flat_map(|judgement| judgement.quests);
        let open: HashSet<Uuid> = judged
            .filter(|(gated, verdict)| gated.attempt.is_none() && verdict.is_available())
            .map(|(gated, _)| gated.quest_id)
            .collect();
        let held_back = &walk.taken[walk.taken.len() - HELD_BACK..];
        let held_back: HashSet<Uuid> =
            held_back.iter().map(|place| catalogue.quests[*place].id).filter(|id| open.contains(id)).collect();
        if held_back.is_empty() {
            continue;
        }
        let mut popular: Vec<Uuid> = open.into_iter().collect();
        popular.sort_by_key(|id| (std::cmp::Reverse(popularity.get(id).copied().unwrap_or_default()), *id));
        let mut lists = vec![popular];
        for (search, diversity) in [(&without, 0.2), (search, 0.2), (search, 0.0)] {
            let found = recommend(db, search, &recipe(diversity), learner, now, MOST).await?;
            lists.push(found.items.iter().map(|item| item.quest.quest.id.0).collect());
        }
        for ((_, score), list) in scores.iter_mut().zip(&lists) {
            score.add(list, &held_back);
        }
    }
    println!("\nheld back | learners | ranked by                | recall@5 | nDCG@10");
    for (by, Score { recall, ndcg, learners }) in scores {
        println!("{:<9} | {learners:>8} | {by:<24} | {:>8.3} | {:>7.3}", HELD_BACK, recall / learners, ndcg / learners);
    }
    Ok(())
}
