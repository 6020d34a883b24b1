//! Search by words and by meaning, and what it does while a part of it is away.

#![cfg(feature = "semantic")]
#![allow(clippy::disallowed_methods, reason = "tests read the environment")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use quests::quests::model::{DifficultyLevel, Filter, QuestType};
use quests::search::index::{Edge, Server, VectorIndex};
use quests::search::model::{Near, Payload, Point, Query, Ranked};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::embeddings::Embeddings;
use crate::harness::qdrant::Qdrant;
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
    quick_with(pool, folder, endpoint, &[]).await
}

async fn quick_with(pool: &PgPool, folder: &Folder, endpoint: &Embeddings, more: &[String]) -> Service {
    let mut settings = vec![
        format!("--embeddings-url={}", endpoint.base),
        "--embeddings-model=words-64".to_owned(),
        "--embeddings-api-key=a key".to_owned(),
    ];
    settings.extend_from_slice(more);
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
    assert_eq!(titles(&found), ["Volcano shown", "Volcano titled"]);
    // What is not to be seen takes no place, and moves none.
    assert_eq!(titles(&search(&learner, "q=volcano+magma&limit=1").await), ["Volcano shown"]);
    let places = |found: &Value| -> Vec<(String, Value)> {
        let hits = found["items"].as_array().unwrap().iter();
        hits.map(|hit| (text(&hit["quest"]["title"]).to_owned(), hit["score"].clone())).collect()
    };
    let (told, not) = (search(&learner, "q=volcano+magma").await, search(&learner, "q=volcano+zzz").await);
    assert_eq!(places(&told), places(&not), "whether a word is in a text that is withheld");
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

    let service = quick(&pool, &folder, &endpoint).await;
    let author = service.author();
    until(&author, "q=glacier", |found| found["degraded"] == false && titles(found) == ["Glacier"]).await;
    // The text of the quest, not the query.
    assert_eq!(endpoint.embedded("Glacier\n"), 1);
    author.delete(&path_of(&quest)).await.expect(204);
    until(&author, "q=glacier", |found| found["degraded"] == false && titles(found).is_empty()).await;
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
async fn a_text_that_the_endpoint_refuses_holds_nobody_up() {
    let (pool, folder, endpoint) = (database().await, Folder::new(), Embeddings::start().await);
    let service = quick(&pool, &folder, &endpoint).await;
    let author = service.author();
    quest(&author, "Marsh", "unspeakable reeds", json!({})).await;
    quest(&author, "Meadow", "grass", json!({})).await;
    until(&author, "q=meadow", |found| found["degraded"] == false && titles(found)[0] == "Meadow").await;
    let found = search(&author, "q=reeds").await;
    assert_eq!((titles(&found)[0], &found["degraded"]), ("Marsh", &json!(false)), "{found}");
    // As a question it is answered by words, and the next one is not.
    let found = search(&author, "q=unspeakable").await;
    assert_eq!((titles(&found)[0], &found["degraded"]), ("Marsh", &json!(true)), "{found}");
    assert_eq!(search(&author, "q=meadow").await["degraded"], false);
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

/// One point of each axis, by its number.
fn point(number: u8, words: &str, is_active: bool) -> Point {
    let mut dense = vec![0.1; 4];
    dense[usize::from(number % 4)] = 1.0;
    let payload = Payload {
        quest_type: QuestType::Practice,
        difficulty_level: if number == 0 { DifficultyLevel::Expert } else { DifficultyLevel::Beginner },
        skill_tags: vec![format!("tag{number}")],
        step_types: Vec::new(),
        subject_id: None,
        created_by: Uuid::from_u128(9),
        is_active,
        collaborative: number == 1,
        paths: Vec::new(),
        text_hash: format!("text{number}"),
    };
    Point { id: Uuid::from_u128(number.into()), text: words.to_owned(), dense, payload }
}

/// What every index does, whatever it is.
async fn an_index(index: &dyn VectorIndex) {
    let collection = format!("test-{}", Uuid::new_v4());
    index.prepare(&collection, 4).await.unwrap();
    index.prepare(&collection, 4).await.unwrap();
    let points = vec![
        point(0, "lava and ash", true),
        point(1, "ice and snow", true),
        point(2, "sand and wind", true),
        point(3, "ice cream", false),
    ];
    index.put(points.clone()).await.unwrap();
    index.settle().await.unwrap();
    let known = index.known().await.unwrap();
    assert_eq!(known.len(), 4);
    assert!(
        points.iter().all(|point| known[&point.id].text == point.payload.text_hash
            && known[&point.id].payload == point.payload.hash())
    );

    let ids = |found: Vec<Ranked>| found.iter().map(|found| found.id.as_u128()).collect::<Vec<_>>();
    let near = |number: usize| Some(point(u8::try_from(number).unwrap(), "", true).dense);
    let ask = |dense: Option<Vec<f32>>, words: Option<&str>, filter: Filter| {
        index.search(Query { dense, words: words.map(str::to_owned), filter, limit: 10 })
    };
    // By meaning, by words, by both.
    assert_eq!(ids(ask(near(2), None, Filter::default()).await.unwrap())[0], 2);
    let mut found = ids(ask(None, Some("ices"), Filter::default()).await.unwrap());
    found.sort_unstable();
    assert_eq!(found, [1, 3], "the stem counts");
    let found = ask(near(1), Some("snow"), Filter::default()).await.unwrap();
    assert_eq!(found[0].id.as_u128(), 1);
    assert!(found[0].score > found[1].score);
    assert_eq!(ids(ask(None, Some("the and of"), Filter::default()).await.unwrap()), [0_u128; 0], "only stop words");
    // Filters.
    let active = Filter { is_active: Some(true), ..Filter::default() };
    assert_eq!(ids(ask(None, Some("ice"), active.clone()).await.unwrap()), [1]);
    let expert = Filter { difficulty_level: Some(DifficultyLevel::Expert), ..Filter::default() };
    assert_eq!(ids(ask(near(2), Some("ice"), expert).await.unwrap()), [0]);
    let tagged = Filter { skill_tag: Some("TAG2".to_owned()), collaborative: Some(false), ..Filter::default() };
    assert_eq!(ids(ask(near(0), None, tagged).await.unwrap()), [2]);
    let others = Filter { created_by: Some(Uuid::from_u128(8)), ..Filter::default() };
    assert_eq!(ids(ask(near(0), None, others).await.unwrap()), [0_u128; 0]);
    // Neighbours: active ones, without itself.
    let vectors = index.vectors(vec![Uuid::from_u128(1), Uuid::from_u128(77)]).await.unwrap();
    assert_eq!(vectors.len(), 1);
    let vector = vectors[&Uuid::from_u128(1)].clone();
    let near = Near { vector, without: vec![Uuid::from_u128(1)], diversity: 0.2, limit: 10 };
    let mut found = ids(index.near(near).await.unwrap());
    found.sort_unstable();
    assert_eq!(found, [0, 2]);
    // What is beside the vectors changes, and they stay.
    let mut payload = points[3].payload.clone();
    payload.is_active = true;
    index.annotate(vec![(points[3].id, payload.clone())]).await.unwrap();
    let mut found = ids(ask(None, Some("ice"), active).await.unwrap());
    found.sort_unstable();
    assert_eq!(found, [1, 3]);
    assert_eq!(index.known().await.unwrap()[&points[3].id].payload, payload.hash());
    index.remove(vec![points[1].id]).await.unwrap();
    assert_eq!(index.known().await.unwrap().len(), 3);
    index.forget(&collection).await.unwrap();
    index.prepare(&collection, 4).await.unwrap();
    assert_eq!(index.known().await.unwrap().len(), 0);
    index.forget(&collection).await.unwrap();
}

#[tokio::test]
async fn an_index_in_this_process_does_what_an_index_does() {
    let folder = Folder::new();
    an_index(&Edge::new(&folder.0).unwrap()).await;
}

#[tokio::test]
async fn an_index_on_a_server_does_what_an_index_does() {
    let folder = Folder::new();
    let (url, _played) = if let Ok(url) = std::env::var("QDRANT_URL") {
        (url, None)
    } else {
        eprintln!("QDRANT_URL is not set: a server of the test's own is played, on the real wire");
        let played = Qdrant::start(folder.0.clone()).await;
        (played.url.clone(), Some(played))
    };
    an_index(&Server::new(&url, std::env::var("QDRANT_API_KEY").ok().as_deref(), Duration::from_secs(10)).unwrap())
        .await;
}

#[tokio::test]
async fn a_server_that_is_killed_fails_no_search_and_is_filled_anew() {
    let (pool, folder, endpoint) = (database().await, Folder::new(), Embeddings::start().await);
    let mut qdrant = Qdrant::start(folder.0.clone()).await;
    let settings = [
        format!("--embeddings-url={}", endpoint.base),
        "--embeddings-model=words-64".to_owned(),
        "--embeddings-api-key=a key".to_owned(),
        format!("--qdrant-url={}", qdrant.url),
    ];
    let service = service_with(&pool, &folder, &settings).await;
    let author = service.author();
    quest(&author, "Lagoon", "shallow water", json!({})).await;
    until(&author, "q=lagoon", |found| found["degraded"] == false && titles(found) == ["Lagoon"]).await;
    for forgetful in [false, true] {
        qdrant.stop().await;
        let learners: Vec<Client> = (0..4).map(|_| service.learner()).collect();
        let searches = learners.iter().map(|learner| async {
            for _ in 0..5 {
                let found = search(learner, "q=lagoon").await;
                assert!(titles(&found).contains(&"Lagoon") && found["degraded"] == true, "{found}");
                let found = learner.get("/v1/me/recommendations").await.expect(200);
                assert!(titles(&found).contains(&"Lagoon") && found["degraded"] == true, "{found}");
            }
        });
        futures_util::future::join_all(searches).await;
        // Writing goes on, and is caught up with.
        let title = format!("Lagoon {forgetful}");
        quest(&author, &title, "deeper water", json!({})).await;
        qdrant.start_again(forgetful).await;
        until(&author, "q=deeper", |found| found["degraded"] == false && titles(found).contains(&title.as_str())).await;
        until(&author, "q=shallow", |found| found["degraded"] == false && titles(found)[0] == "Lagoon").await;
        let found = service.learner().get("/v1/me/recommendations").await.expect(200);
        assert_eq!(found["degraded"], false);
    }
    service.stop().await;
}

#[tokio::test]
async fn what_is_like_a_finished_quest_is_recommended_and_alike_ones_are_spread() {
    let (pool, folder, endpoint) = (database().await, Folder::new(), Embeddings::start().await);
    let service = quick_with(&pool, &folder, &endpoint, &["--recommendation-diversity=0.6".to_owned()]).await;
    let (author, learner) = (service.author(), service.learner());
    let ocean = quest(&author, "Ocean waves", "salt water moon tide", json!({})).await;
    let (one, two) = ("salt water moon tide river", "salt water moon tide lake");
    quest(&author, "Ocean tide", one, json!({})).await;
    quest(&author, "Ocean moon", two, json!({})).await;
    quest(&author, "Baking bread", "flour yeast oven", json!({})).await;
    quest(&author, "Knitting", "wool needles", json!({})).await;
    until(&author, "q=wool", |found| found["degraded"] == false && titles(found)[0] == "Knitting").await;
    learner.finish(&ocean).await;
    let found = learner.get("/v1/me/recommendations").await.expect(200);
    assert_eq!(found["degraded"], false);
    assert_eq!(titles(&found).len(), 4);
    assert!(titles(&found)[0].starts_with("Ocean"), "{found}");
    assert!(!titles(&found)[1].starts_with("Ocean"), "the other one is the same again: {found}");
    let reasons = found["items"][0]["reasons"].as_array().unwrap();
    let like = reasons.iter().find(|reason| reason["kind"] == "similarTo").unwrap();
    assert_eq!((&like["text"], &like["questId"]), (&json!("Like “Ocean waves”, which you finished"), &ocean["id"]));
    assert!(like["value"].as_f64().unwrap() > 0.4, "{like}");
    // Whoever did not like it gets something else.
    let bad = json!({"rating": 1});
    learner.post(&format!("{}/feedback", path_of(&ocean)), bad).await.expect(201);
    let found = learner.get("/v1/me/recommendations").await.expect(200);
    assert!(found["items"].to_string().find("similarTo").is_none(), "{found}");
    // What the embedder does not know is not in the index: while it is away, the answer says so.
    endpoint.is_down(true);
    quest(&author, "Sewing", "thread", json!({})).await;
    let told = async |degraded: bool| {
        for _ in 0..400 {
            let found = learner.get("/v1/me/recommendations").await.expect(200);
            if found["degraded"] == degraded && titles(&found).contains(&"Sewing") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("degraded never became {degraded}");
    };
    told(true).await;
    endpoint.is_down(false);
    told(false).await;
    service.stop().await;
}
