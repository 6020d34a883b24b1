//! Reads of the catalogue at a replica, and what must never come from there. `make try-replica` does the same with one
//! that is behind.

use std::time::Duration;

use serde_json::json;
use sqlx::{ConnectOptions, PgPool};

use crate::faults::gate::Gate;
use crate::harness::proxy::Counter;
use crate::harness::{Client, Service, Setup, amqp_url, database, path_of, rows, text, url_of, verify};
use crate::statements::{counted_with, own};

/// A second address of the same server, which counts what is asked there.
async fn second_address(pool: &PgPool) -> (Counter, String) {
    let mut url = pool.connect_options().to_url_lossy();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let (counter, port) = Counter::start(target).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    url.set_query(Some("sslmode=disable"));
    (counter, url.to_string())
}

async fn service_reading_at(pool: &PgPool, url: &str) -> Service {
    let args = vec![format!("--database-read-url={url}"), "--database-read-max-lag-ms=60000".to_owned()];
    Service::start_with(pool, Setup { args, ..Setup::default() }).await
}

/// What was asked at the replica, without the looks at how far it is.
fn asked(counter: &Counter) -> Vec<String> {
    own(counter).into_iter().filter(|sql| !sql.contains("/* replica:state */")).collect()
}

async fn until_the_replica_is_used(learner: &Client, counter: &Counter) {
    let used = async {
        while asked(counter).is_empty() {
            learner.get("/v1/quests").await.expect(200);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), used).await.expect("the replica is used");
}

#[tokio::test]
async fn learners_read_the_catalogue_at_the_replica_and_everything_of_their_own_at_the_primary() {
    let pool = database().await;
    let (counter, url) = second_address(&pool).await;
    let service = service_reading_at(&pool, &url).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Copied pointers", 2, 10).await;
    let locked = author.quest("Later", 1, 10).await;
    author.needs(&locked, &[&quest]).await.expect(200);
    let resource = json!({"resourceType": "Link", "title": "T", "url": "https://example.org"});
    let resource = author.post(&format!("{}/resources", path_of(&quest)), resource).await.expect(201);
    let path = json!({"name": "P", "description": "P", "pathType": "Course"});
    let path = author.post("/v1/learning-paths", path).await.expect(201);
    let path = format!("/v1/learning-paths/{}", text(&path["id"]));
    let chapter = author.post(&format!("{path}/chapters"), json!({"title": "C"})).await.expect(201);
    let places = json!({"quests": [{"questId": quest["id"], "difficultyLevel": "Beginner"}]});
    author.put(&format!("{path}/quests"), places).await.expect(200);
    author.post(&format!("{path}/publish"), json!({})).await.expect(200);
    let step = author.all(&format!("{}/steps", path_of(&quest))).await[0].clone();
    until_the_replica_is_used(&learner, &counter).await;

    let q = path_of(&quest);
    let reads = [
        "/v1/quests".to_owned(),
        "/v1/quests?q=pointers".to_owned(),
        "/v1/search?q=pointers".to_owned(),
        q.clone(),
        format!("{q}/similar"),
        format!("{q}/steps"),
        format!("{q}/steps/{}", text(&step["id"])),
        format!("{q}/resources"),
        format!("{q}/resources/{}", text(&resource["id"])),
        format!("{}/prerequisites", path_of(&locked)),
        "/v1/learning-paths".to_owned(),
        path.clone(),
        format!("{path}/chapters"),
        format!("{path}/chapters/{}", text(&chapter["id"])),
        format!("{path}/quests"),
        format!("{path}/graph"),
    ];
    for read in &reads {
        counter.reset();
        let copied = learner.get(read).await.expect(200);
        assert!(!asked(&counter).is_empty(), "{read} is answered by the replica");
        assert!(
            !asked(&counter).iter().any(|sql| sql.contains("unlocks:load")),
            "{read}: the own view is the primary's"
        );
        for writer in ["Verified Lecturer", "Game Master", "service"] {
            counter.reset();
            service.client_as(uuid::Uuid::new_v4(), &["Player", writer]).get(read).await.expect(200);
            assert_eq!(asked(&counter), Vec::<String>::new(), "{read} by {writer}");
        }
        assert_eq!(learner.get(read).await.expect(200), copied);
    }

    counter.reset();
    let attempt = learner.attempt(&quest).await;
    let mine = learner.get(&q).await.expect(200);
    assert_eq!(mine["my"]["attemptId"], attempt["id"], "what was just written is read");
    learner.finish(&quest).await;
    for own in ["/v1/me", "/v1/me/attempts", "/v1/me/learning-paths", "/v1/me/recommendations"] {
        learner.get(own).await.expect(200);
    }
    learner.get(&format!("{}/eligibility", path_of(&locked))).await.expect(200);
    let strange: Vec<String> = asked(&counter)
        .into_iter()
        .filter(|sql| sql.contains("INSERT") || sql.contains("UPDATE") || sql.contains("reward_grants"))
        .collect();
    assert_eq!(strange, Vec::<String>::new());
    let listed = learner.get("/v1/quests?sort=title").await.expect(200);
    let seen: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|quest| text(&quest["my"]["availability"])).collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(listed["items"][0]["my"]["status"], "Completed");
    assert_eq!(listed["items"][1]["my"]["availability"], "available", "an unlock is seen at once");
}

#[tokio::test]
async fn while_the_replica_is_away_the_primary_answers() {
    let pool = database().await;
    let mut nowhere = pool.connect_options().to_url_lossy();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    nowhere.set_host(Some("127.0.0.1")).unwrap();
    nowhere.set_port(Some(closed)).unwrap();
    let service = service_reading_at(&pool, nowhere.as_str()).await;
    let quest = service.author().quest("There", 1, 10).await;
    service.learner().get(&path_of(&quest)).await.expect(200);
    service.anonymous().get("/readyz").await.expect(200);
}

#[tokio::test]
async fn a_replica_that_falls_silent_is_left_within_seconds() {
    let pool = database().await;
    let (counter, url) = second_address(&pool).await;
    let gate = Gate::start(&url).await;
    let service = service_reading_at(&pool, &gate.url).await;
    let (quest, learner) = (service.author().quest("There", 1, 10).await, service.learner());
    until_the_replica_is_used(&learner, &counter).await;
    gate.stall();
    // Older answers would do for a minute: nobody waits for them so long.
    let answers = async {
        for _ in 0..3 {
            learner.get(&path_of(&quest)).await.expect(200);
        }
    };
    tokio::time::timeout(Duration::from_secs(15), answers).await.expect("the primary answers");
}

#[tokio::test]
async fn what_is_no_copy_of_the_database_is_never_read() {
    let (pool, other) = (database().await, database().await);
    let (counter, url) = second_address(&other).await;
    let service = service_reading_at(&pool, &url).await;
    let quest = service.author().quest("Here", 1, 10).await;
    // By the second look it would have been trusted.
    let looked = async {
        while own(&counter).len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looked).await.expect("it is looked at");
    let listed = service.learner().get("/v1/quests").await.expect(200);
    assert_eq!(listed["items"][0]["id"], quest["id"]);
    assert_eq!(asked(&counter), Vec::<String>::new());
}

#[tokio::test]
async fn what_holds_a_session_goes_past_the_pooler() {
    let pool = database().await;
    let args = vec![format!("--database-direct-url={}", url_of(&pool.connect_options()))];
    let (without_broker, pooled) = counted_with(&pool, args.clone()).await;
    let mut setup = Setup { amqp_url: Some(amqp_url()), args, ..Setup::default() };
    let (counter, url) = second_address(&pool).await;
    setup.database_url = Some(url);
    let service = Service::start_with(&pool, setup).await;
    service.author().quest("Told", 1, 10).await;
    let quest = without_broker.author().quest("Told twice", 1, 10).await;
    service.learner().finish(&quest).await;
    let published = async {
        loop {
            let waiting = rows(&pool, "SELECT id FROM outbox_events WHERE published_at IS NULL").await;
            if waiting.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), published).await.expect("what happened is published");
    for seen in [own(&counter), own(&pooled)] {
        assert!(!seen.is_empty());
        let sessions: Vec<&String> =
            seen.iter().filter(|sql| sql.contains("advisory_lock(") || sql.contains("events:claim")).collect();
        assert!(sessions.is_empty(), "{sessions:?}");
    }
    verify(&pool).await;
}
