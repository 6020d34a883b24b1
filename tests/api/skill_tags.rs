//! What skill tags mean to the User Service.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::users::{Mode, SERVICE_TOKEN, Users};
use crate::harness::{Client, Service, Setup, database, path_of, rows, text, verify};

async fn with_users(pool: &PgPool, users: &Users) -> Service {
    let args = vec![
        format!("--user-service-url={}", users.base),
        format!("--user-service-token={SERVICE_TOKEN}"),
        "--skill-tree-refresh-seconds=1".to_owned(),
        "--background-jobs=true".to_owned(),
    ];
    Service::start_with(pool, Setup { args, ..Setup::default() }).await
}

/// Until the tags that are resolved are these.
async fn until_resolved(author: &Client, wanted: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..200 {
        found =
            author.all("/v1/skill-tags?resolved=true").await.iter().map(|tag| text(&tag["tag"]).to_owned()).collect();
        if found == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{found:?} instead of {wanted:?}");
}

/// Tag and skill of what a learner was paid, by the events and by the grants.
async fn paid(pool: &PgPool, learner: &Client) -> Value {
    let sql = format!(
        "SELECT data ->> 'skillName' AS tag, data ->> 'skillId' AS event_id, skill_id AS grant_id
         FROM outbox_events AS event JOIN reward_grants AS reward ON reward.id = event.id
         WHERE event.event_type = 'SkillPointsGranted' AND event.auth_user_id = '{}' ORDER BY learner_seq",
        learner.id
    );
    let rows = rows(pool, &sql).await;
    assert!(rows.iter().all(|row| row["event_id"] == row["grant_id"]), "{rows:?}");
    rows.iter().map(|row| json!([row["tag"], row["event_id"]])).collect()
}

#[tokio::test]
async fn skill_points_name_the_skill_of_the_same_name_once_it_is_known() {
    let pool = database().await;
    let users = Users::start().await;
    let (id, own) = (users.teaches("C-Basics"), Uuid::new_v4());
    // Two skills of one name: nobody knows which one is meant.
    users.teaches("Loops");
    users.teaches("loops");
    let service = with_users(&pool, &users).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("A", 1, 100).await;
    until_resolved(&author, &["c-basics"]).await;
    learner.finish(&quest).await;
    assert_eq!(paid(&pool, &learner).await, json!([["c-basics", id], ["loops", null]]));

    let rewards = json!({"rewards": [{"skillTag": "C-BASICS", "skillId": own, "points": 5}, {"skillTag": "c-basics 2", "points": 5}]});
    author.put(&format!("{}/skill-rewards", path_of(&quest)), rewards).await.expect(200);
    let other = service.learner();
    other.finish(&quest).await;
    assert_eq!(paid(&pool, &other).await, json!([["C-BASICS", own], ["c-basics 2", null]]), "what the author says");

    // While the tree is away or empty, what is known stays; a renamed skill is known by its new name.
    let asked = users.calls();
    users.behaves(Mode::WrongJson);
    for _ in 0..200 {
        if users.calls() > asked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(users.calls() > asked);
    until_resolved(&author, &["C-BASICS"]).await;
    verify(&pool).await;
}

#[tokio::test]
async fn authors_see_which_tags_no_skill_is_known_for() {
    let pool = database().await;
    let users = Users::start().await;
    let id = users.teaches("ARRAYS");
    let service = with_users(&pool, &users).await;
    let author = service.author();
    for (title, tags) in [("A", json!(["Arrays", "pointers"])), ("B", json!(["arrays", "structs", "Pointers"]))] {
        let quest = author.draft(title, 10).await;
        author.patch(&path_of(&quest), json!({"skillTags": tags})).await.expect(200);
    }
    let own = author.draft("C", 10).await;
    author.patch(&path_of(&own), json!({"skillTags": []})).await.expect(200);
    let rewards = json!({"rewards": [{"skillTag": "files", "skillId": Uuid::new_v4(), "points": 5}]});
    author.put(&format!("{}/skill-rewards", path_of(&own)), rewards).await.expect(200);
    until_resolved(&author, &["Arrays", "files"]).await;
    let tags = async |query: &str| -> Vec<Value> {
        let all = author.all(&format!("/v1/skill-tags?{query}")).await;
        all.iter()
            .map(|tag| json!([tag["tag"].as_str().unwrap().to_lowercase(), tag["skillId"], tag["quests"]]))
            .collect()
    };
    assert_eq!(tags("resolved=false").await, [json!(["pointers", null, 2]), json!(["structs", null, 1])]);
    let all = tags("").await;
    assert_eq!(all.len(), 4);
    assert_eq!(all[0], json!(["arrays", id, 2]));
    let first = author.get("/v1/skill-tags?resolved=false&limit=1").await.expect(200);
    let next = format!("/v1/skill-tags?resolved=false&limit=1&cursor={}", text(&first["nextCursor"]));
    let second = author.get(&next).await.expect(200);
    assert_eq!((&second["items"][0]["tag"], &second["nextCursor"]), (&json!("structs"), &Value::Null));
    service.learner().get("/v1/skill-tags").await.problem(403, "forbidden");
}
