//! The map of a learning path: as JSON and drawn, and what of it whom it shows.

use std::time::{Duration, Instant};

use reqwest::Method;
use roxmltree::Document;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Client, Reply, Service, database, execute, text};
use crate::statements::{counted, own};

const SVG: &str = "image/svg+xml";

/// A path made over HTTP: chapters by title; quests with their chapter and what else their place says.
async fn path(author: &Client, chapters: &[&str], quests: &[(&Value, Option<usize>, Value)]) -> String {
    let draft = json!({"name": "The <first> path", "description": "A path", "pathType": "Course"});
    let id = text(&author.post("/v1/learning-paths", draft).await.expect(201)["id"]).to_owned();
    let mut ids = Vec::new();
    for title in chapters {
        let chapter = author.post(&format!("/v1/learning-paths/{id}/chapters"), json!({"title": title})).await;
        ids.push(chapter.expect(201)["id"].clone());
    }
    let places: Vec<Value> = (quests.iter())
        .map(|(quest, chapter, more)| {
            let mut place = json!({"questId": quest["id"], "difficultyLevel": "Beginner"});
            place["chapterId"] = chapter.map_or(Value::Null, |at| ids[at].clone());
            for (name, value) in more.as_object().into_iter().flatten() {
                place[name] = value.clone();
            }
            place
        })
        .collect();
    author.put(&format!("/v1/learning-paths/{id}/quests"), json!({"quests": places})).await.expect(200);
    id
}

async fn publish(author: &Client, path: &str) {
    author.post(&format!("/v1/learning-paths/{path}/publish"), json!({})).await.expect(200);
}

async fn ask(client: &Client, path: &str, headers: &[(&str, &str)]) -> Reply {
    client.send(Method::GET, &format!("/v1/learning-paths/{path}/graph"), headers, None).await
}

async fn map(client: &Client, path: &str) -> Value {
    ask(client, path, &[]).await.expect(200)
}

async fn picture(client: &Client, path: &str) -> String {
    let reply = ask(client, path, &[("accept", SVG)]).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, Some(SVG)), "{}", reply.text);
    let document = Document::parse(&reply.text).unwrap();
    assert_eq!(document.root_element().tag_name().name(), "svg");
    reply.text
}

/// Titles of the nodes, with the learner's status where there is one.
fn nodes(map: &Value) -> Vec<(&str, Option<&str>)> {
    let nodes = map["nodes"].as_array().unwrap();
    nodes.iter().map(|node| (text(&node["title"]), node["status"].as_str())).collect()
}

/// The edges, by titles.
fn edges(map: &Value) -> Vec<(&str, &str, &str)> {
    let title = |id: &Value| {
        let nodes = map["nodes"].as_array().unwrap();
        text(&nodes.iter().find(|node| node["questId"] == *id).expect("both ends are nodes")["title"])
    };
    let edges = map["edges"].as_array().unwrap();
    let mut edges: Vec<_> =
        edges.iter().map(|edge| (title(&edge["from"]), title(&edge["to"]), text(&edge["kind"]))).collect();
    edges.sort_unstable();
    edges
}

/// The places of a map's quests, to be put again; one of them with other criteria.
fn again(map: &Value, title: &str, criteria: &Value) -> Value {
    let places: Vec<Value> = (map["nodes"].as_array().unwrap().iter())
        .map(|node| {
            json!({
                "questId": node["questId"], "chapterId": node["chapterId"], "difficultyLevel": node["difficultyLevel"],
                "isMandatory": node["isMandatory"],
                "unlockCriteria": if node["title"] == title { criteria } else { &Value::Null },
            })
        })
        .collect();
    json!({ "quests": places })
}

/// The first line of the tooltip of each quest's box, and the second.
fn boxes(svg: &str) -> Vec<(String, String)> {
    let document = Document::parse(svg).unwrap();
    let boxes = document.descendants().filter(|element| element.attribute("role") == Some("img"));
    let tooltips = boxes.map(|quest| quest.first_element_child().unwrap().text().unwrap().to_owned());
    tooltips
        .map(|tooltip| {
            let mut lines = tooltip.lines().map(str::to_owned);
            (lines.next().unwrap(), lines.next().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn a_map_comes_in_the_form_that_the_client_would_rather_have() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Only one", 1, 10).await;
    let id = path(&author, &[], &[(&quest, None, json!({}))]).await;
    publish(&author, &id).await;
    for (accept, form) in [
        ("*/*", "application/json"),
        ("application/json, image/svg+xml;q=0.9", "application/json"),
        ("image/svg+xml;q=0", "application/json"),
        ("text/csv", "application/json"),
        (SVG, SVG),
        ("application/json;q=0.2, image/svg+xml;q=0.7", SVG),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", SVG),
    ] {
        let reply = ask(&learner, &id, &[("accept", accept)]).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, Some(form)), "{accept}");
        let vary: Vec<&str> = reply.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
        assert!(vary.join(",").contains("accept") && vary.join(",").contains("authorization"), "{vary:?}");
    }
    assert_eq!(ask(&learner, &id, &[]).await.header("content-type"), Some("application/json"));
    let drawn = ask(&learner, &id, &[("accept", SVG)]).await;
    let policy = drawn.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "a document from our origin runs nothing: {policy}");
}

#[tokio::test]
async fn both_forms_have_a_tag_that_changes_with_what_the_caller_sees() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Only one", 1, 10).await;
    let id = path(&author, &[], &[(&quest, None, json!({}))]).await;
    publish(&author, &id).await;
    let mut tags = Vec::new();
    for form in ["application/json", SVG] {
        let tag = ask(&learner, &id, &[("accept", form)]).await.header("etag").unwrap().to_owned();
        let same = ask(&learner, &id, &[("accept", form), ("if-none-match", &tag)]).await;
        assert_eq!((same.status.as_u16(), same.header("etag"), same.text.as_str()), (304, Some(tag.as_str()), ""));
        tags.push(tag);
    }
    assert_ne!(tags[0], tags[1]);
    let other = ask(&learner, &id, &[("accept", SVG), ("if-none-match", &tags[0])]).await;
    assert_eq!(other.status, 200, "the tag of the JSON says nothing about the picture");
    learner.finish(&quest).await;
    for (form, tag) in [("application/json", &tags[0]), (SVG, &tags[1])] {
        let changed = ask(&learner, &id, &[("accept", form), ("if-none-match", tag)]).await;
        assert_eq!(changed.status, 200, "{form}");
        assert_ne!(changed.header("etag"), Some(tag.as_str()));
    }
}

#[tokio::test]
async fn a_map_holds_chapters_quests_and_what_comes_before_what() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let [a, b, c, d, elsewhere] = [
        author.quest("A & B", 2, 100).await,
        author.quest("B", 1, 40).await,
        author.quest("C", 1, 30).await,
        author.draft("D", 0).await,
        author.quest("Elsewhere", 1, 0).await,
    ];
    author.needs(&b, &[&a, &elsewhere]).await.expect(200);
    author.needs(&d, &[&b]).await.expect(200);
    let after = |quest: &Value| json!({"op": "questCompleted", "questId": quest["id"]});
    let criteria = json!({"v": 1, "when": {"op": "any", "of": [after(&a), after(&b), after(&a)]}});
    // What is a prerequisite as well is shown as that.
    let both = json!({"v": 1, "when": after(&a)});
    let places = [
        (&a, Some(0), json!({"difficultyLevel": "Expert"})),
        (&b, Some(1), json!({"unlockCriteria": both})),
        (&c, None, json!({"isMandatory": false, "unlockCriteria": criteria})),
        (&d, Some(1), json!({})),
    ];
    let id = path(&author, &["First", "Second"], &places).await;

    let map = map(&author, &id).await;
    assert_eq!((&map["learningPathId"], &map["name"]), (&json!(id), &json!("The <first> path")));
    let chapters = map["chapters"].as_array().unwrap();
    let titles: Vec<_> = chapters.iter().map(|chapter| (text(&chapter["title"]), &chapter["sequence"])).collect();
    assert_eq!(titles, [("First", &json!(1)), ("Second", &json!(2))]);
    assert_eq!(nodes(&map), [("A & B", None), ("B", None), ("C", None), ("D", None)], "an author has no status");
    let node = |at: usize, name: &str| map["nodes"][at][name].clone();
    assert_eq!((node(0, "difficultyLevel"), node(0, "experiencePoints")), (json!("Expert"), json!(120)));
    assert_eq!((node(0, "chapterId"), node(2, "chapterId")), (chapters[0]["id"].clone(), Value::Null));
    assert_eq!((node(0, "isMandatory"), node(2, "isMandatory")), (json!(true), json!(false)));
    assert_eq!((node(2, "isActive"), node(3, "isActive")), (json!(true), json!(false)));
    assert_eq!((node(3, "sequence"), node(0, "completionPercentage")), (json!(4), Value::Null));
    let expected = [
        ("A & B", "B", "prerequisite"),
        ("A & B", "C", "criterion"),
        ("B", "C", "criterion"),
        ("B", "D", "prerequisite"),
    ];
    assert_eq!(edges(&map), expected);

    let svg = picture(&author, &id).await;
    let expected = [
        ("A & B", "Expert · 120 XP · mandatory"),
        ("B", "Beginner · 50 XP · mandatory"),
        ("D", "Beginner · 0 XP · mandatory · inactive"),
        ("C", "Beginner · 40 XP · optional"),
    ];
    let drawn = boxes(&svg);
    assert_eq!(drawn.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(), expected, "chapter by chapter");
    let document = Document::parse(&svg).unwrap();
    let bands = document.descendants().filter(|element| element.attribute("role") == Some("group"));
    let bands: Vec<_> = bands.filter_map(|band| band.attribute("aria-label")).collect();
    assert_eq!(bands, ["First", "Second", "Without a chapter"]);
    let title = document.root_element().first_element_child().unwrap();
    assert_eq!((title.tag_name().name(), title.text()), ("title", Some("The <first> path")));

    // A whole chapter is no edge: it would be one from each of its quests.
    let chapter = json!({"op": "chapterCompleted", "chapterId": chapters[1]["id"]});
    for (view, learners) in [("full", json!([chapters[1]["id"]])), ("title", json!([]))] {
        let criteria = json!({"v": 1, "when": {"op": "all", "of": [chapter, chapter, after(&b)]}, "lockedView": view});
        let list = format!("/v1/learning-paths/{id}/quests");
        author.put(&list, again(&map, "C", &criteria)).await.expect(200);
        publish(&author, &id).await;
        for (client, expected) in [(&author, json!([chapters[1]["id"]])), (&service.learner(), learners)] {
            let nodes = self::map(client, &id).await["nodes"].clone();
            let waiting = nodes.as_array().unwrap().iter().find(|node| node["title"] == "C").unwrap();
            assert_eq!(waiting["afterChapters"], expected, "{view}: {nodes}");
            let words = if expected == json!([]) { "optional · locked</title>" } else { "After Second, B</title>" };
            assert!(picture(client, &id).await.contains(words), "{words}");
        }
    }
}

#[tokio::test]
async fn learners_see_their_own_status_in_the_map() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let mut quests = Vec::new();
    for title in ["Done", "Half", "Waiting", "Given up", "Open", "Closed"] {
        quests.push(author.quest(title, 2, 10).await);
    }
    author.needs(&quests[5], &[&quests[4], &quests[0]]).await.expect(200);
    let places: Vec<_> = quests.iter().map(|quest| (quest, None, json!({}))).collect();
    let id = path(&author, &[], &places).await;
    publish(&author, &id).await;
    learner.finish(&quests[0]).await;
    let half = learner.attempt(&quests[1]).await;
    learner.complete(&half, &half["steps"][0], Value::Null).await.expect(200);
    for (at, verb) in [(2, "pause"), (3, "abandon")] {
        let attempt = learner.attempt(&quests[at]).await;
        learner.post(&format!("/v1/attempts/{}/{verb}", text(&attempt["id"])), json!({})).await.expect(200);
    }
    let map_of = map(&learner, &id).await;
    let expected = [
        ("Done", Some("completed")),
        ("Half", Some("inProgress")),
        ("Waiting", Some("paused")),
        ("Given up", Some("abandoned")),
        ("Open", Some("available")),
        ("Closed", Some("locked")),
    ];
    assert_eq!(nodes(&map_of), expected);
    let percentages: Vec<&Value> =
        map_of["nodes"].as_array().unwrap().iter().map(|node| &node["completionPercentage"]).collect();
    assert_eq!(percentages, [&json!(100.0), &json!(50.0), &json!(0.0), &json!(0.0), &Value::Null, &Value::Null]);
    let stands = ["completed", "in progress · 50%", "paused · 0%", "abandoned", "available", "locked"];
    let drawn = boxes(&picture(&learner, &id).await);
    for ((title, line), (expected, stand)) in drawn.iter().zip(expected.map(|node| node.0).into_iter().zip(stands)) {
        assert_eq!(
            (title.as_str(), line.as_str()),
            (expected, format!("Beginner · 30 XP · mandatory · {stand}").as_str())
        );
    }
    // Somebody else has not begun.
    let other = map(&service.learner(), &id).await;
    assert!(nodes(&other)[..5].iter().all(|(_, status)| *status == Some("available")), "{other}");
}

#[tokio::test]
async fn nothing_that_is_hidden_reaches_a_learner_through_the_map() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let [start, secret, after, titled, draft] = [
        author.quest("Start", 1, 10).await,
        author.quest("Secret surprise", 1, 0).await,
        author.quest("After the secret", 1, 0).await,
        author.quest("Only a title", 1, 0).await,
        author.draft("Unfinished", 0).await,
    ];
    author.needs(&after, &[&secret]).await.expect(200);
    let when = |quest: &Value| json!({"op": "questCompleted", "questId": quest["id"]});
    let hidden = json!({"v": 1, "when": when(&start), "lockedView": "hidden"});
    let title = json!({"v": 1, "when": when(&start), "lockedView": "title"});
    let places = [
        (&start, Some(0), json!({})),
        (&secret, Some(0), json!({"unlockCriteria": hidden})),
        (&after, Some(0), json!({"unlockCriteria": {"v": 1, "when": when(&secret)}})),
        (&titled, Some(0), json!({"unlockCriteria": title})),
        (&draft, Some(0), json!({})),
    ];
    let id = path(&author, &["All"], &places).await;
    publish(&author, &id).await;

    let seen = map(&learner, &id).await;
    let expected =
        [("Start", Some("available")), ("After the secret", Some("locked")), ("Only a title", Some("locked"))];
    assert_eq!(nodes(&seen), expected);
    assert_eq!(edges(&seen), [], "nor what a quest waits for that shows its title only");
    let svg = picture(&learner, &id).await;
    for answer in [seen.to_string(), svg.clone()] {
        for word in ["Secret surprise", "Unfinished", text(&secret["id"]), text(&draft["id"])] {
            assert!(!answer.contains(word), "{word} in {answer}");
        }
    }
    assert!(svg.contains("3 quests") && !svg.contains("5 quests"));
    let all = map(&author, &id).await;
    assert_eq!((nodes(&all).len(), edges(&all).len()), (5, 3));
    assert!(picture(&author, &id).await.contains("Secret surprise"));

    // What opens is there, with what led to it.
    learner.finish(&start).await;
    let seen = map(&learner, &id).await;
    assert_eq!(nodes(&seen)[1], ("Secret surprise", Some("available")));
    let expected = [
        ("Secret surprise", "After the secret", "prerequisite"),
        ("Start", "Only a title", "criterion"),
        ("Start", "Secret surprise", "criterion"),
    ];
    assert_eq!(edges(&seen), expected);
}

#[tokio::test]
async fn a_drafts_map_is_for_authors_and_for_who_is_enrolled() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, enrolled, other) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Only one", 1, 10).await;
    let id = path(&author, &[], &[(&quest, None, json!({}))]).await;
    for headers in [&[][..], &[("accept", SVG)]] {
        assert!(ask(&author, &id, headers).await.text.contains("Only one"));
        ask(&enrolled, &id, headers).await.problem(404, "not_found");
    }
    publish(&author, &id).await;
    enrolled.post(&format!("/v1/learning-paths/{id}/enrollment"), json!({})).await.expect(201);
    author.post(&format!("/v1/learning-paths/{id}/unpublish"), json!({})).await.expect(200);
    assert_eq!(nodes(&map(&enrolled, &id).await), [("Only one", Some("available"))]);
    assert!(picture(&enrolled, &id).await.contains("Only one"));
    for headers in [&[][..], &[("accept", SVG)]] {
        ask(&other, &id, headers).await.problem(404, "not_found");
        ask(&other, "not-an-id", headers).await.problem(400, "malformed_id");
        ask(&author, &Uuid::now_v7().to_string(), headers).await.problem(404, "not_found");
        ask(&service.anonymous(), &id, headers).await.problem(401, "unauthorized");
    }
    // A path with nothing in it has a map too.
    let empty = path(&author, &[], &[]).await;
    assert_eq!(map(&author, &empty).await["nodes"], json!([]));
    assert!(picture(&author, &empty).await.contains("no quests yet"));
}

/// A published path written behind the service's back: nobody is judged anew because of it.
async fn inserted(pool: &PgPool, size: usize) -> String {
    let id = Uuid::now_v7();
    let quest = |number: &str| format!("uuid_in(md5('{id}' || ({number}))::cstring)");
    let (own, before, last) = (quest("n"), quest("n - k"), quest("n - 1"));
    for sql in [
        format!(
            "INSERT INTO learning_paths (id, name, description, path_type, is_published, created_by)
             VALUES ('{id}', 'Inserted', 'A path', 'Course', TRUE, gen_random_uuid())"
        ),
        format!(
            "INSERT INTO quests (id, title, description, quest_type, difficulty_level, created_by)
             SELECT {own}, 'Quest ' || n, 'Q', 'Practice', 'Beginner', gen_random_uuid()
             FROM generate_series(1, {size}) AS n"
        ),
        format!(
            "INSERT INTO learning_path_quests (learning_path_id, quest_id, difficulty_level, sequence_order, unlock_criteria)
             SELECT '{id}', {own}, 'Beginner', n, CASE WHEN n % 10 = 0 THEN jsonb_build_object('v', 1, 'when',
                 jsonb_build_object('op', 'questCompleted', 'questId', {last})) END
             FROM generate_series(1, {size}) AS n"
        ),
        format!(
            "INSERT INTO quest_prerequisites (quest_id, prerequisite_quest_id)
             SELECT {own}, {before} FROM generate_series(1, {size}) AS n, unnest(ARRAY[7, 31]) AS k WHERE n > k"
        ),
    ] {
        execute(pool, sql).await;
    }
    id.to_string()
}

#[tokio::test]
async fn a_map_costs_at_most_3_statements_whatever_its_size() {
    let pool = database().await;
    let (service, counter) = counted(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    for size in [2, 80] {
        let id = inserted(&pool, size).await;
        for (client, most) in [(&author, 2), (&learner, 3)] {
            for headers in [&[][..], &[("accept", SVG)]] {
                counter.reset();
                let reply = ask(client, &id, headers).await;
                assert!(reply.status == 200 && reply.text.contains(&format!("Quest {size}")));
                let statements = own(&counter);
                assert!((1..=most).contains(&statements.len()), "{} of {most}: {statements:#?}", statements.len());
            }
        }
    }
}

#[tokio::test]
async fn the_map_of_a_thousand_quests_does_not_keep_anybody_waiting() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let id = inserted(&pool, 1_000).await;
    let (author, learner) = (service.author(), service.learner());
    for client in [&author, &learner] {
        let start = Instant::now();
        let map = map(client, &id).await;
        assert_eq!(map["nodes"].as_array().unwrap().len(), 1_000);
        assert_eq!(map["edges"].as_array().unwrap().len(), 993 + 969 + 100);
        assert_eq!(boxes(&picture(client, &id).await).len(), 1_000);
        // A debug build on a busy machine; comparing every quest with every edge would take far longer.
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
    assert_eq!(nodes(&map(&learner, &id).await).iter().filter(|node| node.1 == Some("available")).count(), 7);
}
