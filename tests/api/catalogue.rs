//! What authors write, and what of it learners find.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Service, database, path_of, rounds, rows, step, text, verify};

const KINDS: [&str; 8] =
    ["Reading", "Video", "Interactive", "Coding", "Quiz", "Discussion", "Submission", "Reflection"];

fn ids(items: &[Value]) -> Vec<Value> {
    items.iter().map(|item| item["id"].clone()).collect()
}

fn titles(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| text(&item["title"])).collect()
}

#[track_caller]
fn points_at(problem: &Value, pointer: &str) {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem}"));
    assert!(errors.iter().any(|error| text(&error["pointer"]).starts_with(pointer)), "{pointer}: {problem}");
}

fn at_step(quest: &Value, step: &Value) -> String {
    format!("{}/steps/{}", path_of(quest), text(&step["id"]))
}

#[tokio::test]
async fn a_new_quest_is_inactive_and_says_where_it_is() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let body = json!({"title": "New", "description": "d", "questType": "Tutorial", "difficultyLevel": "Expert"});
    let reply = author.post("/v1/quests", body.clone()).await;
    let location = reply.header("location").unwrap().to_owned();
    let etag = reply.header("etag").unwrap().to_owned();
    let quest = reply.expect(201);
    assert_eq!(location, path_of(&quest));
    assert_eq!((&quest["isActive"], &quest["createdBy"]), (&json!(false), &json!(author.id)));
    let read = author.get(&location).await;
    assert_eq!(read.header("etag"), Some(etag.as_str()));
    assert_eq!(read.expect(200), quest);

    let mut active = body.clone();
    active["isActive"] = json!(true);
    points_at(&author.post("/v1/quests", active).await.problem(422, "validation_failed"), "/isActive");
    for (field, value) in [
        ("title", json!("")),
        ("title", json!("x".repeat(256))),
        ("title", json!(" ")),
        ("description", json!(7)),
        ("questType", json!("Raid")),
        ("experiencePointsReward", json!(-1)),
        ("experiencePointsReward", json!(1_000_000_000)),
        ("estimatedDurationMinutes", json!(-5)),
        ("skillTags", json!(["a", "A"])),
        ("skillTags", json!([" a", "a "])),
        ("skillTags", json!(["\u{e9}", "e\u{301}"])),
        ("subjectId", json!("abc")),
        ("surprise", json!(1)),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        points_at(&author.post("/v1/quests", wrong).await.problem(422, "validation_failed"), &format!("/{field}"));
    }
}

#[tokio::test]
async fn all_eight_step_types_are_created_and_appended_in_order() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Kinds", 0).await;
    for (index, kind) in KINDS.iter().enumerate() {
        let mut input = step(kind);
        input["stepType"] = json!(kind);
        let made = author.step(&quest, input).await;
        assert_eq!((&made["stepType"], &made["stepNumber"]), (&json!(kind), &json!(index + 1)));
        assert_eq!(author.get(&at_step(&quest, &made)).await.expect(200), made);
    }
    assert_eq!(titles(&author.all(&format!("{}/steps", path_of(&quest))).await), KINDS);
    let mut input = step("Raid");
    input["stepType"] = json!("Raid");
    let path = format!("{}/steps", path_of(&quest));
    points_at(&author.post(&path, input).await.problem(422, "validation_failed"), "/stepType");
}

#[tokio::test]
async fn only_a_quest_with_something_to_do_is_activated_and_stays_active() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Empty", 0).await;
    let (path, on) = (path_of(&quest), json!({"isActive": true}));
    author.patch(&path, on.clone()).await.problem(409, "not_activatable");
    let mut optional = step("optional");
    optional["isOptional"] = json!(true);
    author.step(&quest, optional).await;
    author.patch(&path, on.clone()).await.problem(409, "not_activatable");
    let only = author.step(&quest, step("only")).await;
    let mut coding = step("code");
    coding["stepType"] = json!("Coding");
    let coding = author.step(&quest, coding).await;
    author.patch(&path, on.clone()).await.problem(409, "not_activatable");
    author.delete(&at_step(&quest, &coding)).await.expect(204);
    assert_eq!(author.patch(&path, on).await.expect(200)["isActive"], json!(true));

    author.delete(&at_step(&quest, &only)).await.problem(409, "last_unit");
    author.post(&format!("{}/retire", at_step(&quest, &only)), json!({})).await.problem(409, "last_unit");
    author.patch(&at_step(&quest, &only), json!({"isOptional": true})).await.problem(409, "last_unit");
    // An active quest takes no Coding step that nothing could complete.
    let mut coding = step("code");
    coding["stepType"] = json!("Coding");
    author.post(&format!("{path}/steps"), coding).await.problem(409, "not_activatable");
    assert_eq!(author.get(&path).await.expect(200)["stepCount"], 2);
    author.patch(&path, json!({"isActive": false})).await.expect(200);
    author.delete(&at_step(&quest, &only)).await.expect(204);
}

#[tokio::test]
async fn a_merge_patch_clears_with_null_and_keeps_what_it_leaves_out() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Patch", 10).await;
    let path = path_of(&quest);
    let subject = Uuid::new_v4();
    let filled = author.patch(&path, json!({"estimatedDurationMinutes": 30, "subjectId": subject})).await.expect(200);
    assert_eq!((&filled["estimatedDurationMinutes"], &filled["subjectId"]), (&json!(30), &json!(subject)));
    let headers = [("content-type", "application/merge-patch+json")];
    let patch = json!({"estimatedDurationMinutes": null, "skillTags": ["one"]});
    let reply = author.send(Method::PATCH, &path, &headers, Some(&patch)).await.expect(200);
    assert_eq!((&reply["estimatedDurationMinutes"], &reply["subjectId"]), (&Value::Null, &json!(subject)));
    assert_eq!((&reply["skillTags"], &reply["title"]), (&json!(["one"]), &json!("Patch")));

    for field in ["title", "description", "questType", "difficultyLevel"] {
        author.patch(&path, json!({field: null})).await.problem(422, "validation_failed");
    }
    points_at(&author.patch(&path, json!({"colour": 1})).await.problem(422, "validation_failed"), "/colour");
    for field in ["id", "createdBy", "createdAt", "my"] {
        author.patch(&path, json!({field: "x"})).await.problem(422, "validation_failed");
    }
    for body in [json!([]), json!("text"), json!(1)] {
        author.patch(&path, body).await.problem(422, "validation_failed");
    }

    let mut input = step("Content");
    input["content"] = json!({"a": 1, "b": {"c": 2}});
    let made = author.step(&quest, input).await;
    let patched =
        author.patch(&at_step(&quest, &made), json!({"content": {"a": null, "b": {"d": 3}}})).await.expect(200);
    assert_eq!(patched["content"], json!({"b": {"c": 2, "d": 3}}));
    let cleared = author.patch(&at_step(&quest, &made), json!({"content": null})).await.expect(200);
    assert_eq!(cleared["content"], Value::Null);
}

#[tokio::test]
async fn steps_are_appended_inserted_moved_and_reordered_in_one_call() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Order", 0).await;
    let path = path_of(&quest);
    for title in ["b", "d"] {
        author.step(&quest, step(title)).await;
    }
    for (title, number) in [("a", 1), ("c", 3)] {
        let mut input = step(title);
        input["stepNumber"] = json!(number);
        assert_eq!(author.step(&quest, input).await["stepNumber"], number);
    }
    let list = author.all(&format!("{path}/steps")).await;
    assert_eq!(titles(&list), ["a", "b", "c", "d"]);
    for number in [0, -1, 6, i32::MAX] {
        let mut input = step("e");
        input["stepNumber"] = json!(number);
        let refused = author.post(&format!("{path}/steps"), input).await.problem(422, "validation_failed");
        points_at(&refused, "/stepNumber");
    }
    author.patch(&at_step(&quest, &list[0]), json!({"stepNumber": 4})).await.expect(200);
    assert_eq!(titles(&author.all(&format!("{path}/steps")).await), ["b", "c", "d", "a"]);

    let order = format!("{path}/steps/order");
    let mut reversed = ids(&list);
    reversed.reverse();
    let answer = author.put(&order, json!({"stepIds": reversed})).await.expect(200);
    let answered = answer["items"].as_array().unwrap();
    assert_eq!(titles(answered), ["d", "c", "b", "a"]);
    let numbers: Vec<&Value> = answered.iter().map(|step| &step["stepNumber"]).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let stranger = author.step(&author.draft("Other", 0).await, step("x")).await;
    for wrong in [
        json!(reversed[..3]),
        json!([]),
        json!([reversed[0], reversed[0], reversed[1], reversed[2]]),
        json!([reversed[0], reversed[1], reversed[2], stranger["id"]]),
    ] {
        points_at(&author.put(&order, json!({"stepIds": wrong})).await.problem(422, "validation_failed"), "/stepIds");
    }
    // A step of another quest is not this one's.
    author.get(&at_step(&quest, &stranger)).await.problem(404, "not_found");
    author.patch(&at_step(&quest, &stranger), json!({"title": "y"})).await.problem(404, "not_found");
    author.delete(&at_step(&quest, &stranger)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_step_with_history_is_retired_not_deleted_and_its_history_stays() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("History", 3, 0).await;
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    let list = author.all(&format!("{}/steps", path_of(&quest))).await;
    author.delete(&at_step(&quest, &list[0])).await.problem(409, "in_use");
    let retyped = author.patch(&at_step(&quest, &list[0]), json!({"stepType": "Reading"})).await;
    retyped.problem(409, "in_use");
    // Nobody has touched the third.
    author.delete(&at_step(&quest, &list[2])).await.expect(204);

    let retired = author.post(&format!("{}/retire", at_step(&quest, &list[0])), json!({})).await.expect(200);
    assert!(retired["retiredAt"].is_string());
    let again = author.post(&format!("{}/retire", at_step(&quest, &list[0])), json!({})).await.expect(200);
    assert_eq!(again["retiredAt"], retired["retiredAt"]);
    let left = author.all(&format!("{}/steps", path_of(&quest))).await;
    assert_eq!(titles(&left), ["History 2"]);
    assert_eq!(left[0]["stepNumber"], 1);
    assert_eq!(author.get(&at_step(&quest, &list[0])).await.expect(200)["retiredAt"], retired["retiredAt"]);
    author.patch(&at_step(&quest, &list[0]), json!({"title": "x"})).await.problem(409, "in_use");
    author.delete(&at_step(&quest, &list[0])).await.problem(409, "in_use");

    let seen = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!(seen["totalExperienceEarned"], 10);
    let progress = rows(&pool, "SELECT status FROM user_quest_step_progress WHERE status = 'Completed'").await;
    assert_eq!(progress.len(), 1);
    verify(&pool).await;
}

#[tokio::test]
async fn resources_are_kept_in_order_and_need_a_place() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Resources", 0).await;
    let path = format!("{}/resources", path_of(&quest));
    let link = |title: &str| json!({"resourceType": "Link", "title": title, "url": "https://example.org/a?b#c"});
    let reply = author.post(&path, link("one")).await;
    let location = reply.header("location").unwrap().to_owned();
    let one = reply.expect(201);
    assert_eq!(author.get(&location).await.expect(200), one);
    let file = json!({"resourceType": "Dataset", "title": "two", "filePath": "data/two.csv", "metadata": {"rows": 3}});
    let two = author.post(&path, file).await.expect(201);
    let three = author.post(&path, link("three")).await.expect(201);
    assert_eq!(titles(&author.all(&path).await), ["one", "two", "three"]);

    let nowhere = json!({"resourceType": "Link", "title": "x"});
    points_at(&author.post(&path, nowhere).await.problem(422, "validation_failed"), "/url");
    for url in ["javascript:alert(1)", "ftp://example.org", "https://", "/relative", "https://a b", ""] {
        let mut wrong = link("x");
        wrong["url"] = json!(url);
        points_at(&author.post(&path, wrong).await.problem(422, "validation_failed"), "/url");
    }
    // The last place cannot be taken away; it can be exchanged.
    author.patch(&location, json!({"url": null})).await.problem(422, "validation_failed");
    let moved = author.patch(&location, json!({"url": null, "filePath": "a.pdf"})).await.expect(200);
    assert_eq!((&moved["url"], &moved["filePath"]), (&Value::Null, &json!("a.pdf")));

    let order = json!({"resourceIds": [three["id"], one["id"], two["id"]]});
    let ordered = author.put(&format!("{path}/order"), order).await.expect(200);
    assert_eq!(titles(ordered["items"].as_array().unwrap()), ["three", "one", "two"]);
    let wrong = author.put(&format!("{path}/order"), json!({"resourceIds": [one["id"]]})).await;
    points_at(&wrong.problem(422, "validation_failed"), "/resourceIds");
    author.delete(&location).await.expect(204);
    author.get(&location).await.problem(404, "not_found");
    assert_eq!(titles(&author.all(&path).await), ["three", "two"]);
}

#[tokio::test]
async fn a_cycle_of_prerequisites_is_refused_and_printed() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (a, b, c) = (author.draft("A", 0).await, author.draft("B", 0).await, author.draft("C", 0).await);
    author.needs(&b, &[&a]).await.expect(200);
    let set = author.needs(&c, &[&b, &a]).await.expect(200);
    let needed: Vec<&str> = set["items"].as_array().unwrap().iter().map(|item| text(&item["title"])).collect();
    assert_eq!(needed, ["A", "B"]);
    author.needs(&c, &[&b]).await.expect(200);
    let refused = author.needs(&a, &[&c]).await.problem(409, "prerequisite_cycle");
    let cycle: Vec<&str> = refused["cycle"].as_array().unwrap().iter().map(|quest| text(&quest["title"])).collect();
    assert_eq!(cycle, ["A", "C", "B", "A"]);
    assert!(text(&refused["detail"]).contains("A needs C needs B needs A"));

    let at = format!("{}/prerequisites", path_of(&a));
    let itself = author.needs(&a, &[&a]).await.problem(422, "validation_failed");
    points_at(&itself, "/questIds/0");
    let unknown = author.put(&at, json!({"questIds": [Uuid::new_v4()]})).await;
    points_at(&unknown.problem(422, "validation_failed"), "/questIds");
    points_at(&author.needs(&a, &[&b, &b]).await.problem(422, "validation_failed"), "/questIds/1");
    assert_eq!(author.all(&at).await, Vec::<Value>::new());
    author.needs(&c, &[]).await.expect(200);
    author.needs(&a, &[&c]).await.expect(200);
}

#[tokio::test]
async fn two_authors_who_close_a_cycle_from_both_sides_do_not_both_win() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (one, two) = (service.author(), service.author());
    for round in 0..rounds(10, 300) {
        let (a, b) = (one.draft(&format!("A {round}"), 0).await, one.draft(&format!("B {round}"), 0).await);
        let needs_b = [&b];
        let needs_a = [&a];
        let (first, second) = tokio::join!(one.needs(&a, &needs_b), two.needs(&b, &needs_a));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "round {round}: {} / {}", first.text, second.text);
        let loser = if first.status == 409 { first } else { second };
        loser.problem(409, "prerequisite_cycle");
    }
}

#[tokio::test]
async fn a_dense_graph_of_prerequisites_is_checked_in_no_time() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    // 24 layers of two, each needing both of the layer below: 2^24 ways, 48 quests.
    let mut below: Vec<Value> = Vec::new();
    for layer in 0..24 {
        let pair = [author.draft(&format!("{layer} l"), 0).await, author.draft(&format!("{layer} r"), 0).await];
        for quest in &pair {
            let began = std::time::Instant::now();
            let reply = author.needs(quest, &below.iter().collect::<Vec<_>>()).await;
            let took = began.elapsed();
            assert_eq!(reply.status, 200, "layer {layer}, after {took:?}: {}", reply.text);
            assert!(took.as_secs() < 3, "layer {layer} took {took:?}");
        }
        below = pair.to_vec();
    }
}

#[tokio::test]
async fn skill_rewards_are_set_as_a_whole_or_split_over_the_tags() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Skills", 101).await;
    let path = format!("{}/skill-rewards", path_of(&quest));
    assert_eq!(author.get(&path).await.expect(200), json!({"rewards": []}));
    let split = |quest: &Value| -> Vec<(String, Value)> {
        let rewards = quest["skillRewards"].as_array().unwrap();
        rewards.iter().map(|reward| (text(&reward["skillTag"]).to_owned(), reward["points"].clone())).collect()
    };
    assert_eq!(split(&quest), [("c-basics".to_owned(), json!(51)), ("loops".to_owned(), json!(50))]);
    let skill = Uuid::new_v4();
    let rewards =
        json!({"rewards": [{"skillTag": "z", "points": 7}, {"skillTag": "a", "skillId": skill, "points": 3}]});
    author.put(&path, rewards).await.expect(200);
    let set = author.get(&path).await.expect(200);
    assert_eq!(set["rewards"][1]["skillId"], json!(skill));
    let read = author.get(&path_of(&quest)).await.expect(200);
    assert_eq!(split(&read), [("z".to_owned(), json!(7)), ("a".to_owned(), json!(3))]);
    for (wrong, pointer) in [
        (json!([{"skillTag": "a", "points": 0}]), "/rewards/0/points"),
        (json!([{"skillTag": "", "points": 1}]), "/rewards/0/skillTag"),
        (json!([{"skillTag": "a", "points": 1}, {"skillTag": "A", "points": 1}]), "/rewards/1/skillTag"),
        (json!([{"skillTag": "a", "points": 1}, {"skillTag": "a ", "points": 1}]), "/rewards/1/skillTag"),
    ] {
        let refused = author.put(&path, json!({"rewards": wrong})).await.problem(422, "validation_failed");
        points_at(&refused, pointer);
    }
    author.put(&path, json!({"rewards": []})).await.expect(200);
    assert_eq!(split(&author.get(&path_of(&quest)).await.expect(200)), split(&quest));
}

#[tokio::test]
async fn a_clone_is_a_draft_with_everything_but_retired_steps() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, other, learner) = (service.author(), service.author(), service.learner());
    let (needed, quest) = (author.quest("Needed", 1, 0).await, author.quest("Source", 3, 40).await);
    let path = path_of(&quest);
    author.needs(&quest, &[&needed]).await.expect(200);
    author
        .put(&format!("{path}/skill-rewards"), json!({"rewards": [{"skillTag": "x", "points": 5}]}))
        .await
        .expect(200);
    for (title, url) in [("two", "https://example.org/2"), ("one", "https://example.org/1")] {
        let link = json!({"resourceType": "Link", "title": title, "url": url});
        author.post(&format!("{path}/resources"), link).await.expect(201);
    }
    let steps = author.all(&format!("{path}/steps")).await;
    author.post(&format!("{}/retire", at_step(&quest, &steps[0])), json!({})).await.expect(200);
    learner.finish(&needed).await;
    learner.attempt(&quest).await;

    let reply = other.post(&format!("{path}/clone"), json!({})).await;
    let location = reply.header("location").unwrap().to_owned();
    let copy = reply.expect(201);
    assert_eq!(location, path_of(&copy));
    assert_eq!((&copy["title"], &copy["isActive"]), (&json!("Copy of Source"), &json!(false)));
    assert_eq!((&copy["createdBy"], &copy["my"]["attemptId"]), (&json!(other.id), &Value::Null));
    for field in ["description", "questType", "difficultyLevel", "experiencePointsReward", "skillTags", "skillRewards"]
    {
        assert_eq!(copy[field], quest_now(&author, &path).await[field], "{field}");
    }
    let same = |a: &[Value], b: &[Value], field: &str| {
        let of = |items: &[Value]| items.iter().map(|item| item[field].clone()).collect::<Vec<_>>();
        assert_eq!(of(a), of(b), "{field}");
    };
    let (old, new) = (author.all(&format!("{path}/steps")).await, author.all(&format!("{location}/steps")).await);
    assert_eq!(titles(&new), ["Source 2", "Source 3"]);
    for field in ["stepNumber", "title", "stepType", "content", "validationCriteria", "experiencePoints", "isOptional"]
    {
        same(&old, &new, field);
    }
    let (old, new) =
        (author.all(&format!("{path}/resources")).await, author.all(&format!("{location}/resources")).await);
    for field in ["title", "url", "displayOrder", "resourceType"] {
        same(&old, &new, field);
    }
    same(
        &author.all(&format!("{path}/prerequisites")).await,
        &author.all(&format!("{location}/prerequisites")).await,
        "questId",
    );
    let named = author.post(&format!("{path}/clone"), json!({"title": "Evening"})).await.expect(201);
    assert_eq!(named["title"], "Evening");
    author.post(&format!("{path}/clone"), json!({"title": ""})).await.problem(422, "validation_failed");
}

async fn quest_now(author: &crate::harness::Client, path: &str) -> Value {
    author.get(path).await.expect(200)
}

#[tokio::test]
async fn a_quest_with_history_is_not_deleted() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (used, unused) = (author.quest("Used", 1, 0).await, author.quest("Unused", 1, 0).await);
    author.needs(&used, &[&unused]).await.expect(200);
    author.needs(&used, &[]).await.expect(200);
    learner.attempt(&used).await;
    author.delete(&path_of(&used)).await.problem(409, "in_use");
    author.delete(&path_of(&unused)).await.expect(204);
    author.get(&path_of(&unused)).await.problem(404, "not_found");
    author.delete(&path_of(&unused)).await.problem(404, "not_found");
    assert_eq!(author.get(&path_of(&used)).await.expect(200)["title"], "Used");
}

#[tokio::test]
async fn each_filter_narrows_the_list() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, other) = (service.author(), service.author());
    let subject = Uuid::new_v4();
    let mine = author.draft("Mine", 0).await;
    let change = json!({"questType": "Project", "difficultyLevel": "Expert", "subjectId": subject, "skillTags": ["Rare", " ca\u{66}e\u{301} "]});
    author.patch(&path_of(&mine), change).await.expect(200);
    let mut talk = step("talk");
    talk["stepType"] = json!("Discussion");
    author.step(&mine, talk).await;
    let theirs = other.quest("Theirs", 1, 0).await;
    for (query, want) in [
        ("questType=Project".to_owned(), vec![&mine]),
        ("questType=Practice".to_owned(), vec![&theirs]),
        ("difficultyLevel=Expert".to_owned(), vec![&mine]),
        (format!("subjectId={subject}"), vec![&mine]),
        ("skillTag=Rare".to_owned(), vec![&mine]),
        ("skillTag=rARE".to_owned(), vec![&mine]),
        ("skillTag=CAF%C3%89".to_owned(), vec![&mine]),
        ("skillTag=%20loops".to_owned(), vec![&theirs]),
        ("skillTag=loop".to_owned(), vec![]),
        ("skillTag=".to_owned(), vec![&theirs, &mine]),
        ("q=".to_owned(), vec![&theirs, &mine]),
        ("q=%20".to_owned(), vec![&theirs, &mine]),
        ("stepType=Discussion".to_owned(), vec![&mine]),
        ("stepType=Reflection".to_owned(), vec![&theirs]),
        ("stepType=Video".to_owned(), vec![]),
        ("collaborative=true".to_owned(), vec![&mine]),
        ("collaborative=false".to_owned(), vec![&theirs]),
        ("isActive=true".to_owned(), vec![&theirs]),
        ("isActive=false".to_owned(), vec![&mine]),
        ("createdBy=me".to_owned(), vec![&mine]),
        ("q=mine".to_owned(), vec![&mine]),
        ("questType=Project&isActive=true".to_owned(), vec![]),
        ("sort=newest".to_owned(), vec![&theirs, &mine]),
        ("sort=title".to_owned(), vec![&mine, &theirs]),
    ] {
        let found = author.all(&format!("/v1/quests?{query}")).await;
        assert_eq!(ids(&found), want.iter().map(|quest| quest["id"].clone()).collect::<Vec<_>>(), "{query}");
    }
    author.get("/v1/quests?subjectId=x").await.problem(400, "malformed_id");
    for query in [
        "questType=Raid",
        "collaborative=1",
        "isActive=yes",
        "createdBy=you",
        "sort=best",
        "sort=relevance",
        "sort=relevance&q=%20",
    ] {
        author.get(&format!("/v1/quests?{query}")).await.problem(422, "validation_failed");
    }
}

#[tokio::test]
async fn words_are_found_in_all_their_forms_and_the_best_match_comes_first() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    for (title, description) in
        [("Arrays", "Pointers are mentioned here"), ("Pointers", "About pointers"), ("Strings", "Nothing of the kind")]
    {
        let quest = author.draft(title, 0).await;
        author.patch(&path_of(&quest), json!({"description": description})).await.expect(200);
    }
    let accents = author.draft("Con trỏ và mảng", 0).await;
    let find = |q: &'static str| {
        let author = author.clone();
        async move { author.all(&format!("/v1/quests?q={q}")).await }
    };
    assert_eq!(titles(&find("pointer").await), ["Pointers", "Arrays"]);
    assert_eq!(titles(&find("POINTING%20nothing").await), Vec::<&str>::new());
    assert_eq!(titles(&find("pointer%20-mentioned").await), ["Pointers"]);
    assert_eq!(ids(&find("tr%E1%BB%8F").await), [accents["id"].clone()]);
    assert_eq!(find("loops").await.len(), 4, "tags count");
    // No syntax of a query is an error.
    for odd in ["%22", "-", "%26%20%7C%20!", "(((", "%27%3B%20DROP", "", "%20", "the", "%F0%9F%92%A5", "a:*", "%5C"] {
        author.get(&format!("/v1/quests?q={odd}")).await.expect(200);
    }
    author.get(&format!("/v1/quests?q={}", "x".repeat(501))).await.problem(422, "validation_failed");
}

#[tokio::test]
async fn pages_have_no_duplicates_and_no_gaps_while_quests_are_added() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let mut there = HashSet::new();
    for number in 0..23 {
        // Equal titles: the id decides.
        there.insert(text(&author.draft(&format!("Same {}", number % 3), 0).await["id"]).to_owned());
    }
    for query in ["sort=newest", "sort=title", "q=same&sort=relevance", "q=same&sort=title"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = author.get(&format!("/v1/quests?{query}&limit=4{cursor}")).await.expect(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| text(&item["id"]).to_owned()));
            assert!(page["items"].as_array().unwrap().len() <= 4);
            author.draft("Same 1", 0).await;
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
            assert!(seen.len() < 500, "{query} does not end");
        }
        let distinct: HashSet<String> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "{query}: twice on a page");
        assert!(there.is_subset(&distinct), "{query}: one was left out");
    }
    let page = author.get("/v1/quests?sort=title&limit=1").await.expect(200);
    let foreign = format!("/v1/quests?sort=newest&cursor={}", text(&page["nextCursor"]));
    author.get(&foreign).await.problem(400, "malformed_cursor");
}

#[tokio::test]
async fn lists_show_each_caller_their_own_view() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let (a, b, c) = (author.quest("A", 1, 0).await, author.quest("B", 2, 0).await, author.quest("C", 1, 0).await);
    author.needs(&c, &[&b]).await.expect(200);
    learner.finish(&a).await;
    let attempt = learner.attempt(&b).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    let list = learner.all("/v1/quests?sort=title").await;
    let views: Vec<(&Value, &Value, &Value)> = list
        .iter()
        .map(|item| (&item["my"]["availability"], &item["my"]["status"], &item["my"]["completionPercentage"]))
        .collect();
    let available = json!("available");
    assert_eq!(views[0], (&available, &json!("Completed"), &json!(100.0)));
    assert_eq!(views[1], (&available, &json!("InProgress"), &json!(50.0)));
    assert_eq!(views[2], (&json!("locked"), &Value::Null, &Value::Null));
    assert_eq!(list[1]["my"]["attemptId"], attempt["id"]);
    for item in other.all("/v1/quests").await {
        assert_eq!(item["my"]["attemptId"], Value::Null);
    }
}

#[tokio::test]
async fn learners_find_no_drafts_and_keep_what_they_have_begun() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, holder, stranger) = (service.author(), service.learner(), service.learner());
    let (draft, quest) = (author.draft("Draft", 0).await, author.quest("Taken back", 1, 0).await);
    author.step(&draft, step("x")).await;
    let attempt = holder.attempt(&quest).await;
    author.patch(&path_of(&quest), json!({"isActive": false})).await.expect(200);
    for tail in ["", "/steps", "/resources", "/prerequisites", "/eligibility"] {
        stranger.get(&format!("{}{tail}", path_of(&draft))).await.problem(404, "not_found");
        stranger.get(&format!("{}{tail}", path_of(&quest))).await.problem(404, "not_found");
        holder.get(&format!("{}{tail}", path_of(&quest))).await.expect(200);
    }
    stranger.get(&at_step(&quest, &json!({"id": attempt["steps"][0]["stepId"]}))).await.problem(404, "not_found");
    stranger.post(&format!("{}/attempt", path_of(&draft)), json!({})).await.problem(404, "not_found");
    let refused = stranger.post(&format!("{}/attempt", path_of(&quest)), json!({})).await;
    assert!([404, 409].contains(&refused.status.as_u16()), "{}", refused.text);
    assert_eq!(stranger.all("/v1/quests").await, Vec::<Value>::new());
    stranger.get("/v1/quests?isActive=false").await.problem(403, "forbidden");
    stranger.get("/v1/quests?createdBy=me").await.problem(403, "forbidden");
    let done = holder.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    assert_eq!(done["attempt"]["status"], "Completed");
}

#[tokio::test]
async fn learners_write_nothing_in_the_catalogue() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Read only", 1, 0).await;
    let path = path_of(&quest);
    let list = author.all(&format!("{path}/steps")).await;
    let link = json!({"resourceType": "Link", "title": "l", "url": "https://example.org"});
    let resource = author.post(&format!("{path}/resources"), link.clone()).await.expect(201);
    let (one, at) = (at_step(&quest, &list[0]), format!("{path}/resources/{}", text(&resource["id"])));
    let before = rows(&pool, "SELECT count(*) FROM audit_log").await;
    let new = json!({"title": "n", "description": "d", "questType": "Practice", "difficultyLevel": "Beginner"});
    for (method, path, body) in [
        (Method::POST, "/v1/quests".to_owned(), new),
        (Method::PATCH, path.clone(), json!({"title": "x"})),
        (Method::DELETE, path.clone(), json!({})),
        (Method::POST, format!("{path}/clone"), json!({})),
        (Method::PUT, format!("{path}/prerequisites"), json!({"questIds": []})),
        (Method::GET, format!("{path}/skill-rewards"), json!({})),
        (Method::PUT, format!("{path}/skill-rewards"), json!({"rewards": []})),
        (Method::POST, format!("{path}/steps"), step("x")),
        (Method::PUT, format!("{path}/steps/order"), json!({"stepIds": ids(&list)})),
        (Method::PATCH, one.clone(), json!({"title": "x"})),
        (Method::POST, format!("{one}/retire"), json!({})),
        (Method::DELETE, one, json!({})),
        (Method::POST, format!("{path}/resources"), link),
        (Method::PUT, format!("{path}/resources/order"), json!({"resourceIds": [resource["id"]]})),
        (Method::PATCH, at.clone(), json!({"title": "x"})),
        (Method::DELETE, at, json!({})),
    ] {
        let reply = learner.send(method.clone(), &path, &[], Some(&body)).await;
        assert_eq!(reply.status, 403, "{method} {path}: {}", reply.text);
        reply.problem(403, "forbidden");
    }
    assert_eq!(rows(&pool, "SELECT count(*) FROM audit_log").await, before);
}

/// A file of the shared grammar, if it is at hand.
fn criteria(name: &str) -> Option<Vec<Value>> {
    let path = format!("{}/../shared/design/criteria/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(file) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {name} is not at hand");
        return None;
    };
    let file: Value = serde_json::from_str(&file).unwrap();
    Some(file["ValidationCriteria"].as_array().unwrap().clone())
}

#[tokio::test]
async fn the_grammars_accepted_criteria_are_accepted_and_its_rejected_ones_refused() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Criteria", 0).await;
    let with = |criteria: &Value| {
        let mut input = step("Checked");
        input["stepType"] = criteria["type"].as_str().filter(|kind| KINDS.contains(kind)).unwrap_or("Reading").into();
        input["validationCriteria"] = criteria.clone();
        input
    };
    for accepted in criteria("accepted.json").unwrap_or_default() {
        let made = author.step(&quest, with(&accepted)).await;
        assert_eq!(made["validationCriteria"], accepted);
        assert!(made["task"].is_object(), "{made}");
        let mut other = with(&accepted);
        other["stepType"] = json!(if accepted["type"] == "Video" { "Reading" } else { "Video" });
        let refused = author.post(&format!("{}/steps", path_of(&quest)), other).await;
        points_at(&refused.problem(422, "validation_failed"), "/validationCriteria/type");
    }
    let mut rejected = criteria("rejected.json").unwrap_or_default();
    rejected
        .extend(criteria("rejected-by-rules.json").unwrap_or_default().into_iter().map(|case| case["value"].clone()));
    rejected.extend([json!([]), json!("text"), json!(1), json!({"v": 1, "type": "Reading\0"})]);
    for rejected in rejected {
        let refused = author.post(&format!("{}/steps", path_of(&quest)), with(&rejected)).await;
        assert_eq!(refused.status, 422, "{rejected}: {}", refused.text);
        points_at(&refused.problem(422, "validation_failed"), "/validationCriteria");
    }
}

#[tokio::test]
async fn every_change_leaves_a_row_with_its_author_and_correlation_id() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let mut number = 0;
    let mut change = async |method: Method, path: String, body: Value, status: u16| {
        number += 1;
        let correlation = format!("change-{number}");
        let headers = [("x-correlation-id", correlation.as_str())];
        let answer = author.send(method.clone(), &path, &headers, Some(&body)).await.expect(status);
        let sql =
            format!("SELECT actor_id, action, resource_type FROM audit_log WHERE correlation_id = '{correlation}'");
        let noted = rows(&pool, &sql).await;
        assert!(!noted.is_empty(), "{method} {path} left no row");
        assert!(noted.iter().all(|row| row["actor_id"] == json!(author.id)), "{noted:?}");
        answer
    };
    let new = json!({"title": "n", "description": "d", "questType": "Practice", "difficultyLevel": "Beginner"});
    let quest = change(Method::POST, "/v1/quests".into(), new.clone(), 201).await;
    let needed = change(Method::POST, "/v1/quests".into(), new, 201).await;
    let path = path_of(&quest);
    change(Method::PATCH, path.clone(), json!({"title": "m"}), 200).await;
    let one = change(Method::POST, format!("{path}/steps"), step("1"), 201).await;
    let two = change(Method::POST, format!("{path}/steps"), step("2"), 201).await;
    change(Method::PATCH, at_step(&quest, &one), json!({"title": "x"}), 200).await;
    change(Method::PUT, format!("{path}/steps/order"), json!({"stepIds": [two["id"], one["id"]]}), 200).await;
    change(Method::POST, format!("{}/retire", at_step(&quest, &one)), json!({}), 200).await;
    change(Method::DELETE, at_step(&quest, &two), json!({}), 204).await;
    let link = json!({"resourceType": "Link", "title": "l", "url": "https://example.org"});
    let resource = change(Method::POST, format!("{path}/resources"), link, 201).await;
    let at = format!("{path}/resources/{}", text(&resource["id"]));
    change(Method::PATCH, at.clone(), json!({"title": "k"}), 200).await;
    change(Method::PUT, format!("{path}/resources/order"), json!({"resourceIds": [resource["id"]]}), 200).await;
    change(Method::DELETE, at, json!({}), 204).await;
    change(Method::PUT, format!("{path}/prerequisites"), json!({"questIds": [needed["id"]]}), 200).await;
    let rewards = json!({"rewards": [{"skillTag": "a", "points": 1}]});
    change(Method::PUT, format!("{path}/skill-rewards"), rewards, 200).await;
    change(Method::POST, format!("{path}/clone"), json!({}), 201).await;
    change(Method::DELETE, path, json!({}), 204).await;
}
