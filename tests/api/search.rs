//! Search by words and by meaning, and what it does while a part of it is away.

#![cfg(feature = "semantic")]
#![allow(clippy::disallowed_methods, reason = "tests read the environment")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::embeddings::Embeddings;
use crate::harness::{Client, Service, Setup, database, path_of, text};

/// A folder of the test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("quests-search-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whatever is still open in there goes with the process.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The model that `scripts/services up` has fetched.
fn model() -> PathBuf {
    let in_data = || {
        let data = std::env::var_os("DATA_DIR").expect("DATA_DIR: run the tests with `make test`");
        Path::new(&data).join("all-MiniLM-L6-v2")
    };
    let folder = std::env::var_os("EMBEDDINGS_MODEL_DIR").map_or_else(in_data, PathBuf::from);
    assert!(folder.join("model.safetensors").exists(), "the model is missing: scripts/services up");
    folder
}

async fn service_with(pool: &PgPool, folder: &Folder, more: &[String]) -> Service {
    let mut args = vec![
        "--search-index=true".to_owned(),
        format!("--data-dir={}", folder.0.display()),
        "--search-poll-ms=50".to_owned(),
        "--search-timeout-ms=10000".to_owned(),
    ];
    args.extend_from_slice(more);
    Service::start_with(pool, Setup { args, ..Setup::default() }).await
}

/// With the real model, in this process.
async fn local(pool: &PgPool, folder: &Folder) -> Service {
    service_with(pool, folder, &[format!("--embeddings-model-dir={}", model().display())]).await
}

/// With an endpoint that knows nothing but words, which is quick.
async fn quick(pool: &PgPool, folder: &Folder, endpoint: &Embeddings) -> Service {
    let settings = [
        format!("--embeddings-url={}", endpoint.base),
        "--embeddings-model=words-64".to_owned(),
        "--embeddings-api-key=a key".to_owned(),
    ];
    service_with(pool, folder, &settings).await
}

async fn search(client: &Client, query: &str) -> Value {
    client.get(&format!("/v1/search?{query}")).await.expect(200)
}

fn titles(found: &Value) -> Vec<&str> {
    found["items"].as_array().unwrap().iter().map(|hit| text(&hit["quest"]["title"])).collect()
}

/// Searches until the answer is as it should be.
async fn until(client: &Client, query: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let right = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            last = search(client, query).await;
            if is_right(&last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let came = right.await.is_ok();
    assert!(came, "{query} never came to what it should: {last}");
    last
}

/// An active quest with these texts.
async fn quest(author: &Client, title: &str, description: &str, more: Value) -> Value {
    let mut input = json!({
        "title": title, "description": description, "questType": "Practice", "difficultyLevel": "Beginner",
        "experiencePointsReward": 10});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let quest = author.post("/v1/quests", input).await.expect(201);
    let step = json!({"title": format!("First of {title}"), "description": "Do it", "stepType": "Reflection", "experiencePoints": 1});
    author.step(&quest, step).await;
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200)
}

#[tokio::test]
async fn what_means_the_same_is_found_without_a_common_word() {
    let (pool, folder) = (database().await, Folder::new());
    let service = local(&pool, &folder).await;
    let author = service.author();
    for (title, description) in [
        ("Pointers without fear", "What an address in memory is, and how to follow it."),
        ("Sorting cards", "Put a list of numbers in order, and count the comparisons."),
        ("Talking over a wire", "How computers exchange packets in a network."),
        ("The first essay", "Write an introduction and a conclusion."),
    ] {
        quest(&author, title, description, json!({})).await;
    }
    let learner = service.learner();
    let found = until(&learner, "q=internet+communication", |found| found["degraded"] == false).await;
    assert_eq!(titles(&found)[0], "Talking over a wire", "{found}");
    assert_eq!(found["items"][0]["foundIn"], json!(["meaning"]));
    let found = search(&learner, "q=arrange+values+from+small+to+large").await;
    assert_eq!(titles(&found)[0], "Sorting cards", "{found}");
    // Words are shown where they are, with what stands around them.
    let found = search(&learner, "q=comparisons").await;
    assert_eq!(titles(&found)[0], "Sorting cards", "{found}");
    assert_eq!(found["items"][0]["foundIn"], json!(["description"]));
    let highlight = text(&found["items"][0]["highlights"][0]["text"]);
    assert!(highlight.contains("<mark>comparisons</mark>"), "{highlight}");
    // A title that is nearly right.
    let found = search(&learner, "q=poniters").await;
    assert_eq!(titles(&found)[0], "Pointers without fear", "{found}");
    // Similar ones, without itself.
    let sorting = found["items"].as_array().unwrap().iter().find(|hit| hit["quest"]["title"] == "Sorting cards");
    let id = text(&sorting.unwrap()["quest"]["id"]).to_owned();
    let similar = learner.get(&format!("/v1/quests/{id}/similar?limit=2")).await.expect(200);
    assert_eq!(similar["degraded"], false);
    assert_eq!(titles(&similar).len(), 2);
    assert!(!titles(&similar).contains(&"Sorting cards"));
    service.stop().await;
}

#[tokio::test]
async fn drafts_and_what_is_withheld_are_found_by_authors_only() {
    let (pool, folder, endpoint) = (database().await, Folder::new(), Embeddings::start().await);
    let service = quick(&pool, &folder, &endpoint).await;
    let (author, learner) = (service.author(), service.learner());
    let shown = quest(&author, "Volcano shown", "lava", json!({})).await;
    let draft = author.draft("Volcano draft", 1).await;
    let titled = quest(&author, "Volcano titled", "magma beneath", json!({})).await;
    let hidden = quest(&author, "Volcano hidden", "magma beneath", json!({})).await;
    let path = author
        .post("/v1/learning-paths", json!({"name": "P", "description": "D", "pathType": "Course"}))
        .await
        .expect(201);
    let locked = |quest: &Value, view: &str| {
        json!({"questId": quest["id"], "difficultyLevel": "Beginner", "isMandatory": true,
               "unlockCriteria": {"v": 1, "when": {"op": "manual"}, "lockedView": view}})
    };
    let places = json!({"quests": [
        {"questId": shown["id"], "difficultyLevel": "Beginner", "isMandatory": true},
        locked(&titled, "title"), locked(&hidden, "hidden")]});
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    author.put(&format!("{at}/quests"), places).await.expect(200);
    author.post(&format!("{at}/publish"), json!({})).await.expect(200);

    let all = |found: &Value| {
        let mut all: Vec<String> = titles(found).into_iter().map(str::to_owned).collect();
        all.sort_unstable();
        all
    };
    let everything = ["Volcano draft", "Volcano hidden", "Volcano shown", "Volcano titled"];
    until(&author, "q=volcano", |found| found["degraded"] == false && all(found) == everything).await;
    assert_eq!(all(&search(&author, "q=volcano&isActive=false").await), ["Volcano draft"]);
    let found = search(&learner, "q=volcano").await;
    assert_eq!(all(&found), ["Volcano shown", "Volcano titled"]);
    // Of what shows its title only, nothing else can be searched.
    let found = search(&learner, "q=magma").await;
    assert!(found["items"].as_array().unwrap().iter().all(|hit| hit["highlights"] == json!([])), "{found}");
    assert!(!all(&found).contains(&"Volcano titled".to_owned()), "{found}");
    learner.get("/v1/search?q=volcano&isActive=false").await.problem(403, "forbidden");
    learner.get("/v1/search?q=volcano&createdBy=me").await.problem(403, "forbidden");
    for wrong in ["q=", "q=%20", "q=a%00b", "limit=5", "q=a&limit=0", "q=a&limit=101", "q=a&colour=red"] {
        let status = learner.get(&format!("/v1/search?{wrong}")).await.status;
        assert!([400, 422].contains(&status.as_u16()), "{wrong}: {status}");
    }

    // What changes is followed.
    author.patch(&path_of(&draft), json!({"title": "Geyser"})).await.expect(200);
    until(&author, "q=geyser", |found| {
        titles(found).first() == Some(&"Geyser") && found["items"][0]["foundIn"] == json!(["title"])
    })
    .await;
    author.patch(&path_of(&shown), json!({"isActive": false})).await.expect(200);
    assert_eq!(all(&search(&learner, "q=volcano").await), ["Volcano titled"], "at once");
    author.patch(&path_of(&shown), json!({"isActive": true})).await.expect(200);
    until(&learner, "q=volcano", |found| all(found) == ["Volcano shown", "Volcano titled"]).await;
    service.stop().await;
}

#[tokio::test]
async fn filters_hold_in_the_index_as_in_the_catalogue() {
    let (pool, folder, endpoint) = (database().await, Folder::new(), Embeddings::start().await);
    let service = quick(&pool, &folder, &endpoint).await;
    let author = service.author();
    let subject = Uuid::new_v4();
    quest(
        &author,
        "River one",
        "water",
        json!({"questType": "Challenge", "skillTags": ["Flow"], "subjectId": subject}),
    )
    .await;
    quest(&author, "River two", "water", json!({"difficultyLevel": "Expert"})).await;
    let third = quest(&service.author(), "River three", "water", json!({})).await;
    author
        .step(&third, json!({"title": "Talk", "description": "D", "stepType": "Discussion", "experiencePoints": 1}))
        .await;
    until(&author, "q=river&collaborative=true", |found| {
        found["degraded"] == false && titles(found) == ["River three"]
    })
    .await;
    for (filter, found) in [
        ("questType=Challenge", vec!["River one"]),
        ("difficultyLevel=Expert", vec!["River two"]),
        ("skillTag=flow", vec!["River one"]),
        ("stepType=Discussion", vec!["River three"]),
        ("collaborative=false&difficultyLevel=Expert", vec!["River two"]),
        ("createdBy=me&difficultyLevel=Beginner", vec!["River one"]),
        ("skillTag=flow&difficultyLevel=Expert", vec![]),
    ] {
        assert_eq!(titles(&search(&author, &format!("q=river&{filter}")).await), found, "{filter}");
    }
    assert_eq!(titles(&search(&author, &format!("q=river&subjectId={subject}")).await), ["River one"]);
    assert_eq!(titles(&search(&author, "q=river&limit=1").await).len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn nothing_is_embedded_twice_and_an_index_that_is_there_is_used() {
    let (pool, folder, endpoint) = (database().await, Folder::new(), Embeddings::start().await);
    let service = quick(&pool, &folder, &endpoint).await;
    let author = service.author();
    let quest = quest(&author, "Glacier", "ice", json!({})).await;
    until(&author, "q=glacier", |found| found["degraded"] == false && titles(found) == ["Glacier"]).await;
    author.patch(&path_of(&quest), json!({"difficultyLevel": "Expert"})).await.expect(200);
    until(&author, "q=glacier&difficultyLevel=Expert", |found| titles(found) == ["Glacier"]).await;
    service.stop().await;

    let before = endpoint.texts();
    let service = quick(&pool, &folder, &endpoint).await;
    let author = service.author();
    until(&author, "q=glacier", |found| found["degraded"] == false && titles(found) == ["Glacier"]).await;
    // A probe for the size of the vectors, and the queries.
    let asked = endpoint.texts() - before;
    author.delete(&path_of(&quest)).await.expect(204);
    until(&author, "q=glacier", |found| found["degraded"] == false && titles(found).is_empty()).await;
    assert!(asked >= 2, "{asked}");
    let metrics = service.anonymous().get("/metrics").await.text;
    assert!(metrics.contains("search_quests_embedded_total"), "{metrics}");
    service.stop().await;
}

#[tokio::test]
async fn words_answer_while_the_embedder_is_away_and_meaning_comes_back_by_itself() {
    let (pool, folder, endpoint) = (database().await, Folder::new(), Embeddings::start().await);
    endpoint.is_down(true);
    let service = quick(&pool, &folder, &endpoint).await;
    let author = service.author();
    quest(&author, "Desert", "sand and wind", json!({})).await;
    let found = search(&author, "q=desert+storm").await;
    assert_eq!((titles(&found), &found["degraded"]), (vec!["Desert"], &json!(true)));
    endpoint.is_down(false);
    until(&author, "q=desert", |found| found["degraded"] == false && titles(found) == ["Desert"]).await;
    endpoint.is_down(true);
    let found = until(&author, "q=desert", |found| found["degraded"] == true).await;
    assert_eq!(titles(&found), ["Desert"]);
    // Writing goes on.
    quest(&author, "Desert two", "sand", json!({})).await;
    endpoint.is_down(false);
    until(&author, "q=desert", |found| found["degraded"] == false && titles(found).len() == 2).await;
    service.stop().await;
}

#[tokio::test]
async fn a_model_that_comes_later_is_used_without_a_restart() {
    let (pool, folder) = (database().await, Folder::new());
    let late = folder.0.join("late");
    let service = service_with(&pool, &folder, &[format!("--embeddings-model-dir={}", late.display())]).await;
    let author = service.author();
    quest(&author, "Tundra", "cold", json!({})).await;
    let found = search(&author, "q=tundra").await;
    assert_eq!((titles(&found), &found["degraded"]), (vec!["Tundra"], &json!(true)));
    std::os::unix::fs::symlink(model(), &late).unwrap();
    until(&author, "q=frozen+land", |found| found["degraded"] == false && titles(found) == ["Tundra"]).await;
    service.stop().await;
}
