//! Learning paths as authors write them, and what of it learners find.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Client, Reply, Service, Setup, database, path_of, rounds, rows, step, text, verify};

fn at(path: &Value) -> String {
    format!("/v1/learning-paths/{}", text(&path["id"]))
}

fn draft(name: &str) -> Value {
    json!({"name": name, "description": format!("About {name}"), "pathType": "Course"})
}

async fn made(author: &Client, name: &str) -> Value {
    author.post("/v1/learning-paths", draft(name)).await.expect(201)
}

async fn chapter(author: &Client, path: &Value, title: &str) -> Value {
    author.post(&format!("{}/chapters", at(path)), json!({"title": title})).await.expect(201)
}

fn place(quest: &Value) -> Value {
    json!({"questId": quest["id"], "difficultyLevel": "Beginner"})
}

async fn put(author: &Client, path: &Value, quests: &[Value]) -> Reply {
    author.put(&format!("{}/quests", at(path)), json!({"quests": quests})).await
}

/// A published path over these quests.
async fn published(author: &Client, name: &str, quests: &[&Value]) -> Value {
    let path = made(author, name).await;
    put(author, &path, &quests.iter().map(|quest| place(quest)).collect::<Vec<_>>()).await.expect(200);
    author.post(&format!("{}/publish", at(&path)), json!({})).await.expect(200)
}

async fn points(author: &Client, path: &Value) -> i64 {
    author.get(&at(path)).await.expect(200)["totalExperiencePoints"].as_i64().unwrap()
}

fn titles(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| text(&item["title"])).collect()
}

fn numbers(items: &[Value], name: &str) -> Vec<i64> {
    items.iter().map(|item| item[name].as_i64().unwrap()).collect()
}

fn pointers(problem: &Value) -> Vec<&str> {
    let mut pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
    // Blank text breaks two rules at once.
    pointers.dedup();
    pointers
}

#[tokio::test]
async fn a_new_path_is_a_draft_and_says_where_it_is() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let reply = author.post("/v1/learning-paths", draft("C")).await;
    let (location, etag) = (reply.header("location").unwrap().to_owned(), reply.header("etag").unwrap().to_owned());
    let path = reply.expect(201);
    assert_eq!(location, at(&path));
    assert_eq!((&path["isPublished"], &path["createdBy"]), (&json!(false), &json!(author.id)));
    assert_eq!((&path["key"], &path["totalExperiencePoints"]), (&path["id"], &json!(0)));
    assert_eq!((&path["questCount"], &path["chapterCount"]), (&json!(0), &json!(0)));
    let read = author.get(&location).await;
    assert_eq!(read.header("etag"), Some(etag.as_str()));
    assert_eq!(read.expect(200), path);

    let mut keyed = draft("Keyed");
    keyed["key"] = json!("c-programming_1");
    let keyed = author.post("/v1/learning-paths", keyed).await.expect(201);
    assert_eq!(keyed["key"], "c-programming_1");
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(256))),
        ("description", json!(" ")),
        ("pathType", json!("Trail")),
        ("curriculumVersionId", json!("abc")),
        ("estimatedTotalDurationHours", json!(-1)),
        ("estimatedTotalDurationHours", json!(100_001)),
        ("key", json!("")),
        ("key", json!("-a")),
        ("key", json!("A")),
        ("key", json!("é")),
        ("key", json!("x".repeat(65))),
        ("isPublished", json!(true)),
        ("surprise", json!(1)),
    ] {
        let mut wrong = draft("Wrong");
        wrong[field] = value;
        let refused = author.post("/v1/learning-paths", wrong).await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused), [format!("/{field}")]);
    }
    let mut twin = draft("Twin");
    twin["key"] = json!("c-programming_1");
    author.post("/v1/learning-paths", twin).await.problem(409, "key_taken");
    author.patch(&location, json!({"key": "c-programming_1"})).await.problem(409, "key_taken");
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_never_publishes() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let path = at(&made(&author, "Patch").await);
    let version = Uuid::new_v4();
    let body = json!({"key": "patched", "curriculumVersionId": version, "estimatedTotalDurationHours": 40});
    let filled = author.patch(&path, body).await.expect(200);
    assert_eq!(
        (&filled["key"], &filled["curriculumVersionId"], &filled["name"]),
        (&json!("patched"), &json!(version), &json!("Patch"))
    );
    let body = json!({"key": null, "estimatedTotalDurationHours": null, "pathType": "Bootcamp"});
    let cleared = author.patch(&path, body).await.expect(200);
    assert_eq!((&cleared["key"], &cleared["estimatedTotalDurationHours"]), (&cleared["id"], &Value::Null));
    assert_eq!((&cleared["pathType"], &cleared["curriculumVersionId"]), (&json!("Bootcamp"), &json!(version)));
    for field in ["isPublished", "totalExperiencePoints", "id", "questCount"] {
        let refused = author.patch(&path, json!({field: true})).await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused), [format!("/{field}")]);
    }
    author.patch(&path, json!({"name": null})).await.problem(422, "validation_failed");
    let nowhere = format!("/v1/learning-paths/{}", Uuid::new_v4());
    author.patch(&nowhere, json!({"name": "x"})).await.problem(404, "not_found");
    author.get("/v1/learning-paths/abc").await.problem(400, "malformed_id");
}

#[tokio::test]
async fn paths_are_listed_newest_first_by_type_and_curriculum() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Q", 1, 0).await;
    let version = Uuid::new_v4();
    let mut all = Vec::new();
    for number in 0..5 {
        let mut body = draft(&format!("P{number}"));
        body["pathType"] = json!(if number % 2 == 0 { "Course" } else { "Custom" });
        if number < 2 {
            body["curriculumVersionId"] = json!(version);
        }
        all.push(author.post("/v1/learning-paths", body).await.expect(201));
    }
    for path in &all[..3] {
        put(&author, path, &[place(&quest)]).await.expect(200);
        author.post(&format!("{}/publish", at(path)), json!({})).await.expect(200);
    }
    let names = async |client: &Client, query: &str| -> String {
        let items = client.all(&format!("/v1/learning-paths?{query}")).await;
        items.iter().map(|path| text(&path["name"])).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&author, "").await, "P4 P3 P2 P1 P0");
    assert_eq!(names(&author, "isPublished=false").await, "P4 P3");
    assert_eq!(names(&author, "isPublished=true&pathType=Course").await, "P2 P0");
    assert_eq!(names(&author, &format!("curriculumVersionId={version}")).await, "P1 P0");
    assert_eq!(names(&learner, "").await, "P2 P1 P0");
    assert_eq!(names(&learner, "isPublished=true").await, "P2 P1 P0");
    learner.get("/v1/learning-paths?isPublished=false").await.problem(403, "forbidden");
    author.get("/v1/learning-paths?limit=101").await.problem(422, "validation_failed");
    author.get("/v1/learning-paths?sorted=1").await.problem(422, "validation_failed");
    author.get("/v1/learning-paths?cursor=x").await.problem(400, "malformed_cursor");
    let first = author.get("/v1/learning-paths?limit=2").await.expect(200);
    let next = text(&first["nextCursor"]);
    let second = author.get(&format!("/v1/learning-paths?limit=2&cursor={next}")).await.expect(200);
    assert_eq!(second["items"], json!([author.get(&at(&all[2])).await.json(), author.get(&at(&all[1])).await.json()]));
}

#[tokio::test]
async fn learners_find_published_paths_and_those_they_are_in() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, inside, outside) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Shown", 1, 7).await;
    let (hidden, left) = (author.draft("Hidden", 0).await, author.quest("Left", 1, 0).await);
    let path = made(&author, "Seen").await;
    let one = chapter(&author, &path, "One").await;
    let mut gated = place(&quest);
    gated["unlockCriteria"] = json!({"v": 1, "when": {"op": "questCompleted", "questId": left["id"]}});
    gated["chapterId"] = one["id"].clone();
    let places = [gated.clone(), place(&hidden), place(&left)];
    put(&author, &path, &places).await.expect(200);
    let reads = ["", "/chapters", &format!("/chapters/{}", text(&one["id"])), "/quests"];
    for read in reads {
        inside.get(&format!("{}{read}", at(&path))).await.problem(404, "not_found");
        author.get(&format!("{}{read}", at(&path))).await.expect(200);
    }
    author.post(&format!("{}/publish", at(&path)), json!({})).await.expect(200);
    inside.attempt(&left).await;
    author.patch(&path_of(&left), json!({"isActive": false})).await.expect(200);
    for read in reads {
        outside.get(&format!("{}{read}", at(&path))).await.expect(200);
    }
    let list = format!("{}/quests", at(&path));
    let seen = outside.all(&list).await;
    assert_eq!(titles(&seen), ["Shown"]);
    assert_eq!(
        seen[0],
        json!({"questId": quest["id"], "title": "Shown", "chapterId": one["id"], "sequenceOrder": 1,
               "difficultyLevel": "Beginner", "isMandatory": true, "isActive": true, "experiencePoints": 17})
    );
    assert_eq!(titles(&inside.all(&list).await), ["Shown", "Left"]);
    let all = author.all(&list).await;
    assert_eq!(titles(&all), ["Shown", "Hidden", "Left"]);
    assert_eq!(all[0]["unlockCriteria"], gated["unlockCriteria"]);

    inside.post(&format!("{}/enrollment", at(&path)), json!({})).await.expect(201);
    author.post(&format!("{}/unpublish", at(&path)), json!({})).await.expect(200);
    for read in reads {
        inside.get(&format!("{}{read}", at(&path))).await.expect(200);
        outside.get(&format!("{}{read}", at(&path))).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn learners_write_nothing_in_paths() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Q", 1, 0).await;
    let path = published(&author, "Read only", &[&quest]).await;
    let one = chapter(&author, &path, "One").await;
    let (path, one) = (at(&path), format!("{}/chapters/{}", at(&path), text(&one["id"])));
    let before = rows(&pool, "SELECT count(*) FROM audit_log").await;
    for (method, path, body) in [
        (Method::POST, "/v1/learning-paths".to_owned(), draft("x")),
        (Method::PATCH, path.clone(), json!({"name": "x"})),
        (Method::DELETE, path.clone(), json!({})),
        (Method::POST, format!("{path}/publish"), json!({})),
        (Method::POST, format!("{path}/unpublish"), json!({})),
        (Method::POST, format!("{path}/clone"), json!({})),
        (Method::PUT, format!("{path}/quests"), json!({"quests": []})),
        (Method::POST, format!("{path}/chapters"), json!({"title": "x"})),
        (Method::PUT, format!("{path}/chapters/order"), json!({"chapterIds": []})),
        (Method::PATCH, one.clone(), json!({"title": "x"})),
        (Method::DELETE, one, json!({})),
    ] {
        learner.send(method, &path, &[], Some(&body)).await.problem(403, "forbidden");
    }
    assert_eq!(rows(&pool, "SELECT count(*) FROM audit_log").await, before);
}

#[tokio::test]
async fn chapters_are_appended_inserted_moved_reordered_and_deleted_without_gaps() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let path = made(&author, "Chapters").await;
    let list = format!("{}/chapters", at(&path));
    for title in ["b", "d"] {
        chapter(&author, &path, title).await;
    }
    for (title, sequence) in [("a", 1), ("c", 3)] {
        let reply = author.post(&list, json!({"title": title, "sequence": sequence})).await;
        let location = reply.header("location").unwrap().to_owned();
        let made = reply.expect(201);
        assert_eq!((&made["sequence"], &made["status"]), (&json!(sequence), &json!("NotStarted")));
        assert_eq!(author.get(&location).await.expect(200), made);
    }
    let order = async || {
        let all = author.all(&list).await;
        assert_eq!(numbers(&all, "sequence"), (1..=i64::try_from(all.len()).unwrap()).collect::<Vec<_>>());
        titles(&all).concat()
    };
    assert_eq!(order().await, "abcd");
    let all = author.all(&list).await;
    let one = |index: usize| format!("{list}/{}", text(&all[index]["id"]));
    for (index, sequence, after) in [(0, 4, "bcda"), (0, 2, "bacd"), (3, 1, "dbac"), (3, 1, "dbac")] {
        let moved = author.patch(&one(index), json!({"sequence": sequence})).await.expect(200);
        assert_eq!((moved["sequence"].as_i64(), order().await.as_str()), (Some(sequence), after));
    }
    author.patch(&one(1), json!({"sequence": null})).await.expect(200);
    assert_eq!(order().await, "dacb");
    for sequence in [0, -1, 5, i32::MAX] {
        let refused = author.patch(&one(0), json!({"sequence": sequence})).await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused), ["/sequence"]);
    }
    author.post(&list, json!({"title": "e", "sequence": 6})).await.problem(422, "validation_failed");
    let ids: Vec<&Value> = all.iter().map(|chapter| &chapter["id"]).collect();
    let put = author.put(&format!("{list}/order"), json!({"chapterIds": ids})).await.expect(200);
    assert_eq!(titles(put["items"].as_array().unwrap()), ["a", "b", "c", "d"]);
    let other = made(&author, "Other").await;
    let stranger = chapter(&author, &other, "x").await;
    for wrong in [json!(ids[..3]), json!([]), json!([ids[0], ids[0], ids[1], ids[2]])] {
        let refused = author.put(&format!("{list}/order"), json!({"chapterIds": wrong})).await;
        assert_eq!(pointers(&refused.problem(422, "validation_failed")), ["/chapterIds"]);
    }
    author.get(&format!("{list}/{}", text(&stranger["id"]))).await.problem(404, "not_found");
    author.delete(&one(1)).await.expect(204);
    assert_eq!(order().await, "acd");
    assert_eq!(author.get(&at(&path)).await.expect(200)["chapterCount"], 3);

    let dates = json!({"status": "Paused", "startDate": "2026-09-07", "endDate": "2026-10-04", "key": "first"});
    let dated = author.patch(&one(0), dates).await.expect(200);
    assert_eq!((&dated["startDate"], &dated["status"]), (&json!("2026-09-07"), &json!("Paused")));
    for (field, value) in [
        ("endDate", json!("2026-09-06")),
        ("startDate", json!("tomorrow")),
        ("startDate", json!("-9999-01-01")),
        ("status", json!("Abandoned")),
        ("title", json!("")),
        ("key", json!("No")),
    ] {
        let refused = author.patch(&one(0), json!({field: value})).await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused), [format!("/{field}")]);
    }
    author.post(&list, json!({"title": "twin", "key": "first"})).await.problem(409, "key_taken");
    author.post(&format!("{}/chapters", at(&other)), json!({"title": "far", "key": "first"})).await.expect(201);
}

#[tokio::test]
async fn the_list_of_quests_is_set_as_a_whole_and_rows_stay_who_they_are() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let path = made(&author, "List").await;
    let (a, b, c) = (author.draft("A", 0).await, author.draft("B", 0).await, author.draft("C", 0).await);
    let one = chapter(&author, &path, "One").await;
    let mut first = place(&a);
    first["chapterId"] = one["id"].clone();
    let answer = put(&author, &path, &[first.clone(), place(&b)]).await.expect(200);
    assert_eq!(titles(answer["items"].as_array().unwrap()), ["A", "B"]);
    let sql = "SELECT id, quest_id, created_at FROM learning_path_quests ORDER BY quest_id";
    let before = rows(&pool, sql).await;
    let mut changed = place(&b);
    changed["difficultyLevel"] = json!("Expert");
    changed["isMandatory"] = json!(false);
    changed["unlockCriteria"] = json!({"v": 1, "when": {"op": "questCompleted", "questId": c["id"]}});
    put(&author, &path, &[changed.clone(), place(&c), first.clone()]).await.expect(200);
    let all = author.all(&format!("{}/quests", at(&path))).await;
    assert_eq!((titles(&all).concat().as_str(), numbers(&all, "sequenceOrder")), ("BCA", vec![1, 2, 3]));
    for field in ["difficultyLevel", "isMandatory", "unlockCriteria"] {
        assert_eq!(all[0][field], changed[field]);
    }
    let after = rows(&pool, sql).await;
    assert!(before.iter().all(|row| after.contains(row)), "{before:?} {after:?}");
    assert_eq!(author.get(&at(&path)).await.expect(200)["questCount"], 3);

    // Without its chapter a quest stays in the path.
    author.delete(&format!("{}/chapters/{}", at(&path), text(&one["id"]))).await.expect(204);
    let all = author.all(&format!("{}/quests", at(&path))).await;
    assert_eq!((titles(&all).concat().as_str(), &all[2]["chapterId"]), ("BCA", &Value::Null));
    put(&author, &path, &[place(&a)]).await.expect(200);
    assert_eq!(titles(&author.all(&format!("{}/quests", at(&path))).await), ["A"]);
    put(&author, &path, &[]).await.expect(200);
    verify(&pool).await;
}

#[tokio::test]
async fn whatever_is_wrong_with_the_list_is_pointed_at() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (path, other) = (made(&author, "Wrong").await, made(&author, "Other").await);
    let (a, b) = (author.draft("A", 0).await, author.draft("B", 0).await);
    let stranger = chapter(&author, &other, "x").await;
    put(&author, &path, &[place(&a)]).await.expect(200);
    let with = |field: &str, value: Value| {
        let mut place = place(&b);
        place[field] = value;
        place
    };
    let refused = async |quests: &[Value]| {
        let problem = put(&author, &path, quests).await.problem(422, "validation_failed");
        pointers(&problem).join(" ")
    };
    let nobody = with("questId", json!(Uuid::new_v4()));
    let elsewhere = with("chapterId", stranger["id"].clone());
    assert_eq!(refused(&[place(&a), nobody, elsewhere]).await, "/quests/1/questId /quests/2/chapterId");
    assert_eq!(refused(&[place(&a), place(&b), place(&a)]).await, "/quests/2/questId");
    assert_eq!(refused(&[place(&a), with("difficultyLevel", json!("Easy"))]).await, "/quests/1/difficultyLevel");
    assert_eq!(refused(&[with("surprise", json!(1))]).await, "/quests/0/surprise");
    for (criteria, pointer) in [
        (json!([]), ""),
        (json!({"v": 2}), "/v"),
        (json!({"v": 1, "colour": 1}), "/colour"),
        (json!({"v": 1, "when": {"op": "all", "of": [{"op": "xpEarned", "min": -1}]}}), "/when/of/0/min"),
    ] {
        let found = refused(&[place(&a), with("unlockCriteria", criteria)]).await;
        assert_eq!(found, format!("/quests/1/unlockCriteria{pointer}"));
    }
    put(&author, &path, &[place(&a), with("unlockCriteria", Value::Null)]).await.expect(200);
    let all = author.all(&format!("{}/quests", at(&path))).await;
    assert_eq!((titles(&all).concat().as_str(), &all[1]["isMandatory"]), ("AB", &json!(true)));
    assert!(all[1].get("unlockCriteria").is_none());
}

#[tokio::test]
async fn limits_hold_for_quests_and_chapters() {
    let pool = database().await;
    let args = vec!["--max-path-quests=2".to_owned(), "--max-chapters=2".to_owned()];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    let author = service.author();
    let path = made(&author, "Small").await;
    let mut places = Vec::new();
    for title in ["A", "B", "C"] {
        places.push(place(&author.draft(title, 0).await));
    }
    let refused = put(&author, &path, &places).await.problem(422, "validation_failed");
    assert_eq!(pointers(&refused), ["/quests"]);
    put(&author, &path, &places[1..]).await.expect(200);
    for title in ["a", "b"] {
        chapter(&author, &path, title).await;
    }
    let third = author.post(&format!("{}/chapters", at(&path)), json!({"title": "c"})).await;
    third.problem(422, "validation_failed");
}

#[tokio::test]
async fn a_thousand_quests_are_set_in_few_statements() {
    let pool = database().await;
    let (service, counter) = crate::statements::counted(&pool).await;
    let author = service.author();
    let ids: Vec<Uuid> = (0..1000).map(|_| Uuid::new_v4()).collect();
    sqlx::query!(
        "INSERT INTO quests (id, title, description, quest_type, difficulty_level, experience_points_reward, is_active, created_by)
         SELECT id, 'Quest', 'd', 'Practice', 'Beginner', 3, TRUE, id FROM unnest($1::uuid[]) AS id",
        &ids
    )
    .execute(&pool)
    .await
    .unwrap();
    let path = made(&author, "Long").await;
    let mut places: Vec<Value> = ids.iter().map(|id| json!({"questId": id, "difficultyLevel": "Beginner"})).collect();
    put(&author, &path, &places[..2]).await.expect(200);
    for _ in 0..2 {
        places.reverse();
        counter.reset();
        put(&author, &path, &places).await.expect(200);
        let statements = crate::statements::own(&counter);
        assert!(statements.len() <= 16, "{}: {statements:#?}", statements.len());
    }
    assert_eq!(points(&author, &path).await, 3000);
    for list in ["/v1/learning-paths", &format!("{}/quests?limit=100", at(&path)), &format!("{}/chapters", at(&path))] {
        counter.reset();
        author.get(list).await.expect(200);
        let statements = crate::statements::own(&counter);
        assert!((1..=2).contains(&statements.len()), "{list}: {statements:#?}");
    }
    let all = author.all(&format!("{}/quests", at(&path))).await;
    let order: Vec<&Value> = all.iter().map(|quest| &quest["questId"]).collect();
    assert_eq!(order, places.iter().map(|place| &place["questId"]).collect::<Vec<_>>());
    verify(&pool).await;
}

#[tokio::test]
async fn parallel_lists_and_orders_leave_one_of_them_whole() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let path = made(&author, "Race").await;
    let (mut quests, mut chapters) = (Vec::new(), Vec::new());
    for number in 0..6 {
        quests.push(author.draft(&format!("Q{number}"), number).await);
        chapters.push(chapter(&author, &path, &format!("C{number}")).await);
    }
    let lists: Vec<Vec<Value>> = (0..6)
        .map(|turn| {
            let mut order: Vec<Value> = quests.iter().map(place).collect();
            order.rotate_left(turn);
            order.truncate(6 - turn % 3);
            if turn % 2 == 0 {
                order.reverse();
            }
            order
        })
        .collect();
    let orders: Vec<Vec<&Value>> = (0..6)
        .map(|turn| {
            let mut order: Vec<&Value> = chapters.iter().map(|chapter| &chapter["id"]).collect();
            order.rotate_left(turn);
            order
        })
        .collect();
    for _ in 0..rounds(6, 200) {
        let puts = join_all(lists.iter().map(|list| put(&author, &path, list)));
        let order = format!("{}/chapters/order", at(&path));
        let order = order.as_str();
        let moves = join_all(orders.iter().map(|ids| author.put(order, json!({"chapterIds": ids}))));
        let inserts = join_all((0..2).map(|_| async {
            let new = author.post(&format!("{}/chapters", at(&path)), json!({"title": "New", "sequence": 1})).await;
            new.expect(201)
        }));
        let (puts, moves, new) = tokio::join!(puts, moves, inserts);
        for reply in puts {
            reply.expect(200);
        }
        for reply in moves {
            // Whoever came after an insertion did not name all chapters.
            assert!([200, 422].contains(&reply.status.as_u16()), "{}", reply.text);
        }
        let all = author.all(&format!("{}/quests", at(&path))).await;
        assert_eq!(numbers(&all, "sequenceOrder"), (1..=i64::try_from(all.len()).unwrap()).collect::<Vec<_>>());
        let got: Vec<&Value> = all.iter().map(|quest| &quest["questId"]).collect();
        assert!(lists.iter().any(|list| list.iter().map(|place| &place["questId"]).collect::<Vec<_>>() == got));
        let left = author.all(&format!("{}/chapters", at(&path))).await;
        assert_eq!(numbers(&left, "sequence"), (1..=8).collect::<Vec<_>>());
        let gone = join_all(new.iter().map(|chapter| {
            let one = format!("{}/chapters/{}", at(&path), text(&chapter["id"]));
            let author = &author;
            async move { author.delete(&one).await }
        }));
        for reply in gone.await {
            reply.expect(204);
        }
        let left = author.all(&format!("{}/chapters", at(&path))).await;
        assert_eq!(numbers(&left, "sequence"), (1..=6).collect::<Vec<_>>());
    }
    verify(&pool).await;
}

#[tokio::test]
async fn points_of_a_path_follow_every_edit_of_its_quests() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (a, b) = (author.quest("A", 2, 100).await, author.draft("B", 5).await);
    let (path, other) = (made(&author, "Points").await, made(&author, "Other").await);
    put(&author, &path, &[place(&a), place(&b)]).await.expect(200);
    put(&author, &other, &[place(&b)]).await.expect(200);
    assert_eq!((points(&author, &path).await, points(&author, &other).await), (125, 5));
    author.patch(&path_of(&b), json!({"experiencePointsReward": 50})).await.expect(200);
    assert_eq!((points(&author, &path).await, points(&author, &other).await), (170, 50));
    let new = author.step(&b, step("new")).await;
    assert_eq!((points(&author, &path).await, points(&author, &other).await), (180, 60));
    let at_new = format!("{}/steps/{}", path_of(&b), text(&new["id"]));
    author.patch(&at_new, json!({"experiencePoints": 1})).await.expect(200);
    assert_eq!(points(&author, &path).await, 171);
    author.delete(&at_new).await.expect(204);
    assert_eq!(points(&author, &path).await, 170);
    let steps = author.all(&format!("{}/steps", path_of(&a))).await;
    author.post(&format!("{}/steps/{}/retire", path_of(&a), text(&steps[0]["id"])), json!({})).await.expect(200);
    assert_eq!(points(&author, &path).await, 160);
    author.delete(&path_of(&a)).await.expect(204);
    assert_eq!(points(&author, &path).await, 50);
    let all = author.all(&format!("{}/quests", at(&path))).await;
    assert_eq!((titles(&all), numbers(&all, "sequenceOrder")), (vec!["B"], vec![1]));
    put(&author, &path, &[]).await.expect(200);
    assert_eq!((points(&author, &path).await, points(&author, &other).await), (0, 50));
    verify(&pool).await;

    sqlx::query!("UPDATE learning_paths SET total_experience_points = 49 WHERE total_experience_points = 50")
        .execute(&pool)
        .await
        .unwrap();
    let drifts = crate::harness::drifts(&mut pool.acquire().await.unwrap()).await;
    let drift =
        format!("learning path {}: counts 49 experience points, its quests and their steps pay 50", text(&other["id"]));
    assert_eq!(drifts, [drift]);
}

#[tokio::test]
async fn points_hold_when_quests_and_lists_change_at_once() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let (mut quests, mut paths) = (Vec::new(), Vec::new());
    for number in 0..4 {
        quests.push(author.quest(&format!("Q{number}"), 1, 1).await);
        paths.push(made(&author, &format!("P{number}")).await);
    }
    let places: Vec<Value> = quests.iter().map(place).collect();
    for path in &paths {
        put(&author, path, &places).await.expect(200);
    }
    // A quest takes 200 steps.
    for round in 0..rounds(6, 190) {
        let rewards = join_all(quests.iter().enumerate().map(|(index, quest)| {
            let author = &author;
            async move {
                let body = json!({"experiencePointsReward": round * 10 + index});
                author.patch(&path_of(quest), body).await.expect(200);
                author.step(quest, step("more")).await;
            }
        }));
        let lists = join_all(paths.iter().enumerate().map(|(index, path)| {
            let (author, mut places) = (&author, places.clone());
            places.rotate_left((index + round) % 4);
            places.truncate(3);
            async move {
                put(author, path, &places).await.expect(200);
                author.post(&format!("{}/clone", at(path)), json!({})).await
            }
        }));
        let doomed = author.draft("Doomed", 99).await;
        let mut with: Vec<Value> = places.clone();
        with.push(place(&doomed));
        let (at_doomed, target) = (path_of(&doomed), &paths[round % 4]);
        let ends = async {
            put(&author, target, &with).await.expect(200);
            author.delete(&at_doomed).await.expect(204);
        };
        let ((), copies, _) = tokio::join!(ends, lists, rewards);
        for copy in copies {
            assert!([201, 409].contains(&copy.status.as_u16()), "{}", copy.text);
        }
        for path in &paths {
            put(&author, path, &places).await.expect(200);
        }
    }
    verify(&pool).await;
}

#[tokio::test]
async fn a_path_with_enrolments_is_never_deleted() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let quest = author.quest("Q", 1, 0).await;
    let path = published(&author, "Kept", &[&quest]).await;
    let learner = service.learner();
    learner.post(&format!("{}/enrollment", at(&path)), json!({})).await.expect(201);
    author.delete(&at(&path)).await.problem(409, "in_use");
    learner.delete(&format!("{}/enrollment", at(&path))).await;
    author.delete(&at(&path)).await.problem(409, "in_use");

    for _ in 0..rounds(8, 300) {
        let path = published(&author, "Race", &[&quest]).await;
        chapter(&author, &path, "One").await;
        let enrollment = format!("{}/enrollment", at(&path));
        let learners: Vec<Client> = (0..4).map(|_| service.learner()).collect();
        let enrol = join_all(learners.iter().map(|learner| learner.post(&enrollment, json!({}))));
        let target = at(&path);
        let (deleted, enrolled) = tokio::join!(author.delete(&target), enrol);
        let inside = enrolled.iter().filter(|reply| reply.status == 201).count();
        for reply in &enrolled {
            assert!([201, 404, 409].contains(&reply.status.as_u16()), "{}", reply.text);
        }
        let sql = format!("SELECT 1 FROM user_learning_path_progress WHERE learning_path_id = '{}'", text(&path["id"]));
        assert_eq!(rows(&pool, &sql).await.len(), inside);
        if inside > 0 {
            deleted.problem(409, "in_use");
            author.get(&target).await.expect(200);
        } else {
            deleted.expect(204);
            author.get(&target).await.problem(404, "not_found");
        }
    }
    assert_eq!(rows(&pool, "SELECT 1 FROM quests").await.len(), 1);
}

/// Keeps in a table what learners are judged anew for: the job takes its rows away.
#[expect(clippy::disallowed_methods, reason = "DDL of the test's own")]
async fn watch_requests(pool: &PgPool) {
    sqlx::raw_sql(
        "CREATE TABLE test_asked (kind TEXT, id UUID);
         CREATE FUNCTION test_note_asked() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO test_asked VALUES (NEW.target_kind, NEW.target_id); RETURN NEW; END $$;
         CREATE TRIGGER test_asked BEFORE INSERT ON reevaluations FOR EACH ROW EXECUTE FUNCTION test_note_asked();",
    )
    .execute(pool)
    .await
    .unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a table of the test's own")]
async fn asked(pool: &PgPool) -> Vec<String> {
    let sql = "WITH gone AS (DELETE FROM test_asked RETURNING kind, id) SELECT DISTINCT kind || ' ' || id FROM gone ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn publishing_needs_an_active_mandatory_quest_and_judges_learners_anew() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Q", 0).await;
    author.step(&quest, step("one")).await;
    let needed = author.quest("N", 1, 0).await;
    let path = made(&author, "Publish").await;
    let (publish, unpublish) = (format!("{}/publish", at(&path)), format!("{}/unpublish", at(&path)));
    let refused = async || {
        let problem = author.post(&publish, json!({})).await.problem(422, "lint_failed");
        let finding = &problem["findings"][0];
        assert_eq!((&finding["code"], &finding["severity"]), (&json!("no_mandatory_quest"), &json!("error")));
        assert!(text(&finding["suggestion"]).len() > 10 && finding["pointer"] == "/quests", "{finding}");
    };
    refused().await;
    put(&author, &path, &[place(&quest)]).await.expect(200);
    refused().await;
    let mut optional = place(&needed);
    optional["isMandatory"] = json!(false);
    put(&author, &path, &[place(&quest), optional.clone()]).await.expect(200);
    refused().await;
    watch_requests(&pool).await;
    let (of_path, of_quest) = (format!("path {}", text(&path["id"])), format!("quest {}", text(&quest["id"])));
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200);
    assert_eq!(asked(&pool).await, [of_quest.as_str()]);

    let answer = author.post(&publish, json!({})).await;
    let etag = answer.header("etag").unwrap().to_owned();
    let answer = answer.expect(200);
    assert_eq!(answer["isPublished"], true);
    assert_eq!(asked(&pool).await, [of_path.as_str()]);
    let again = author.post(&publish, json!({})).await;
    assert_eq!((again.header("etag"), again.json()), (Some(etag.as_str()), answer));
    assert_eq!(asked(&pool).await, Vec::<String>::new());

    put(&author, &path, &[place(&quest), optional.clone()]).await.expect(200);
    author.patch(&at(&path), json!({"name": "Renamed"})).await.expect(200);
    author.patch(&path_of(&quest), json!({"title": "Renamed"})).await.expect(200);
    assert_eq!(asked(&pool).await, Vec::<String>::new());
    optional["unlockCriteria"] = json!({"v": 1, "when": {"op": "manual"}});
    put(&author, &path, &[place(&quest), optional]).await.expect(200);
    assert_eq!(asked(&pool).await, [of_path.as_str()]);
    let one = chapter(&author, &path, "One").await;
    let one = format!("{}/chapters/{}", at(&path), text(&one["id"]));
    assert_eq!(asked(&pool).await, [of_path.as_str()]);
    author.patch(&one, json!({"status": "Paused"})).await.expect(200);
    assert_eq!(asked(&pool).await, [of_path.as_str()]);
    author.delete(&one).await.expect(204);
    assert_eq!(asked(&pool).await, [of_path.as_str()]);
    author.needs(&quest, &[&needed]).await.expect(200);
    assert_eq!(asked(&pool).await, [of_path.as_str()], "the path judges its quests, too");
    author.needs(&quest, &[&needed]).await.expect(200);
    assert_eq!(asked(&pool).await, Vec::<String>::new());
    author.patch(&path_of(&quest), json!({"isActive": false})).await.expect(200);
    assert_eq!(asked(&pool).await, [of_path.as_str()]);
    author.delete(&path_of(&needed)).await.expect(204);
    assert_eq!(asked(&pool).await, [of_path.as_str()]);

    assert_eq!(author.post(&unpublish, json!({})).await.expect(200)["isPublished"], false);
    assert_eq!(asked(&pool).await, [of_path.as_str()]);
    author.post(&unpublish, json!({})).await.expect(200);
    assert_eq!(asked(&pool).await, Vec::<String>::new());
    refused().await;
    service.stop().await;
}

#[tokio::test]
async fn a_copy_is_a_draft_whose_criteria_name_its_own_chapters() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (a, b) = (author.quest("A", 1, 5).await, author.draft("B", 6).await);
    let path = published(&author, "Source", &[&a]).await;
    let one = chapter(&author, &path, "One").await;
    let dates = json!({"title": "Two", "key": "two", "status": "InProgress", "startDate": "2026-09-07"});
    let two = author.post(&format!("{}/chapters", at(&path)), dates).await.expect(201);
    let criteria = |path: &Value, chapter: &Value| {
        json!({"v": 1, "when": {"op": "all", "of": [
            {"op": "chapterCompleted", "chapterId": chapter["id"]}, {"op": "questCompleted", "questId": a["id"]},
            {"op": "pathProgress", "pathId": path["id"], "minPercent": 50}]}, "lockedView": "title"})
    };
    let (mut first, mut second) = (place(&a), place(&b));
    first["chapterId"] = one["id"].clone();
    second["chapterId"] = two["id"].clone();
    second["difficultyLevel"] = json!("Expert");
    second["unlockCriteria"] = criteria(&path, &one);
    put(&author, &path, &[second, first]).await.expect(200);

    let reply = author.post(&format!("{}/clone", at(&path)), json!({})).await;
    let location = reply.header("location").unwrap().to_owned();
    let copy = reply.expect(201);
    assert_eq!(author.get(&location).await.expect(200), copy);
    assert_eq!((&copy["name"], &copy["isPublished"]), (&json!("Copy of Source"), &json!(false)));
    assert_eq!((&copy["key"], &copy["totalExperiencePoints"]), (&copy["id"], &json!(21)));
    let chapters = author.all(&format!("{location}/chapters")).await;
    assert_eq!(titles(&chapters), ["One", "Two"]);
    assert_eq!((&chapters[1]["key"], &chapters[1]["startDate"]), (&json!("two"), &json!("2026-09-07")));
    assert_eq!((&chapters[1]["status"], &chapters[1]["questCount"]), (&json!("InProgress"), &json!(1)));
    assert!(chapters.iter().all(|chapter| chapter["id"] != one["id"] && chapter["learningPathId"] == copy["id"]));
    let quests = author.all(&format!("{location}/quests")).await;
    assert_eq!(titles(&quests), ["B", "A"]);
    assert_eq!(quests[0]["unlockCriteria"], criteria(&copy, &chapters[0]));
    assert_eq!((&quests[0]["chapterId"], &quests[1]["chapterId"]), (&chapters[1]["id"], &chapters[0]["id"]));
    let source = author.all(&format!("{}/quests", at(&path))).await;
    assert_eq!(source[0]["unlockCriteria"], criteria(&path, &one));

    let named = author.post(&format!("{}/clone", at(&path)), json!({"name": "Evening"})).await.expect(201);
    assert_eq!(named["name"], "Evening");
    let refused = author.post(&format!("{}/clone", at(&path)), json!({"name": ""})).await;
    assert_eq!(pointers(&refused.problem(422, "validation_failed")), ["/name"]);
    let long = made(&author, &"x".repeat(255)).await;
    let copy = author.post(&format!("{}/clone", at(&long)), json!({})).await.expect(201);
    assert_eq!(text(&copy["name"]).chars().count(), 255);
    author.post(&format!("/v1/learning-paths/{}/clone", Uuid::new_v4()), json!({})).await.problem(404, "not_found");
    verify(&pool).await;
}

#[tokio::test]
async fn every_change_of_a_path_leaves_a_row_with_before_and_after() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Q", 1, 0).await;
    let mut number = 0;
    let mut change = async |method: Method, path: String, body: Value, status: u16, action: &str| {
        number += 1;
        let correlation = format!("change-{number}");
        let headers = [("x-correlation-id", correlation.as_str())];
        let answer = author.send(method, &path, &headers, Some(&body)).await.expect(status);
        let sql = format!(
            "SELECT actor_id, action || ' ' || resource_type AS did, details FROM audit_log WHERE correlation_id = '{correlation}'"
        );
        let noted = rows(&pool, &sql).await;
        assert!(noted.iter().any(|row| row["did"] == action), "{path}: {noted:?}");
        assert!(noted.iter().all(|row| row["actor_id"] == json!(author.id)), "{noted:?}");
        if !action.starts_with("clone") {
            assert!(noted.iter().any(|row| row["details"]["before"] != row["details"]["after"]), "{noted:?}");
        }
        answer
    };
    let path = change(Method::POST, "/v1/learning-paths".into(), draft("n"), 201, "create learning_path").await;
    let path = at(&path);
    change(Method::PATCH, path.clone(), json!({"name": "m"}), 200, "update learning_path").await;
    let chapters = format!("{path}/chapters");
    let one = change(Method::POST, chapters.clone(), json!({"title": "1"}), 201, "create chapter").await;
    let two = change(Method::POST, chapters.clone(), json!({"title": "2"}), 201, "create chapter").await;
    let order = json!({"chapterIds": [two["id"], one["id"]]});
    change(Method::PUT, format!("{chapters}/order"), order, 200, "order chapters learning_path").await;
    let one = format!("{chapters}/{}", text(&one["id"]));
    change(Method::PATCH, one.clone(), json!({"title": "x"}), 200, "update chapter").await;
    let list = json!({"quests": [place(&quest)]});
    change(Method::PUT, format!("{path}/quests"), list, 200, "set quests learning_path").await;
    change(Method::POST, format!("{path}/publish"), json!({}), 200, "publish learning_path").await;
    change(Method::POST, format!("{path}/unpublish"), json!({}), 200, "unpublish learning_path").await;
    change(Method::POST, format!("{path}/clone"), json!({}), 201, "clone learning_path").await;
    change(Method::DELETE, one, json!({}), 204, "delete chapter").await;
    change(Method::DELETE, path, json!({}), 204, "delete learning_path").await;
}

#[tokio::test]
async fn if_match_is_honoured_on_every_write_of_a_path() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.quest("Q", 1, 0).await;
    let path = at(&made(&author, "Tagged").await);
    let one = author.post(&format!("{path}/chapters"), json!({"title": "One"})).await.expect(201);
    let one = format!("{path}/chapters/{}", text(&one["id"]));
    let ids = json!({"chapterIds": [one.rsplit('/').next()]});
    let quests = json!({"quests": [place(&quest)]});
    for (method, target, tagged, body) in [
        (Method::PATCH, path.clone(), path.clone(), json!({"name": "Renamed"})),
        (Method::PUT, format!("{path}/quests"), format!("{path}/quests"), quests),
        (Method::POST, format!("{path}/publish"), path.clone(), json!({})),
        (Method::POST, format!("{path}/unpublish"), path.clone(), json!({})),
        (Method::PATCH, one.clone(), one.clone(), json!({"title": "Renamed"})),
        (Method::PUT, format!("{path}/chapters/order"), format!("{path}/chapters"), ids),
        (Method::DELETE, one.clone(), one.clone(), json!({})),
        (Method::DELETE, path.clone(), path.clone(), json!({})),
    ] {
        let read = author.get(&tagged).await;
        let tag = read.header("etag").unwrap().to_owned();
        let known = author.send(Method::GET, &tagged, &[("if-none-match", &tag)], None).await;
        assert_eq!(known.status, 304, "{tagged}");
        let stale = author.send(method.clone(), &target, &[("if-match", "\"stale\"")], Some(&body)).await;
        assert_eq!(stale.problem(412, "precondition_failed")["currentETag"], json!(tag), "{method} {target}");
        let fresh = author.send(method.clone(), &target, &[("if-match", &tag)], Some(&body)).await;
        assert!(fresh.status.is_success(), "{method} {target}: {}", fresh.text);
        if let Some(answered) = fresh.header("etag") {
            assert_eq!(author.get(&tagged).await.header("etag"), Some(answered), "{method} {target}");
        }
    }
    // A POST is done once per key.
    let key = [("idempotency-key", "once")];
    let first = author.send(Method::POST, "/v1/learning-paths", &key, Some(&draft("Once"))).await.expect(201);
    let again = author.send(Method::POST, "/v1/learning-paths", &key, Some(&draft("Once"))).await.expect(201);
    assert_eq!(first, again);
}
