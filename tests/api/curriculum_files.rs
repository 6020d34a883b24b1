//! Curriculum as files: plan, apply, export, and draft paths of curriculum versions.

use std::fmt::Write as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::curriculum::seed;
use super::statements;
use crate::harness::users::Users;
use crate::harness::{Client, Reply, Service, Setup, database, execute, http_client, rounds, rows, text, verify};

fn step(key: &str) -> Value {
    json!({"key": key, "title": format!("Step {key}"), "description": "Do it", "stepType": "Reflection", "experiencePoints": 10})
}

fn quest(key: &str, needs: &[&str]) -> Value {
    json!({
        "key": key, "title": format!("Quest {key}"), "description": "About it", "questType": "Practice",
        "difficultyLevel": "Beginner", "estimatedDurationMinutes": 30, "experiencePointsReward": 50, "skillTags": ["loops"],
        "prerequisites": needs, "steps": [step("one"), step("two"), step("three")],
        "resources": [{"key": "link", "resourceType": "Link", "title": "A link", "url": "https://example.org/"}],
    })
}

fn place(quest: &str, chapter: &str) -> Value {
    json!({"quest": quest, "chapter": chapter, "difficultyLevel": "Beginner"})
}

/// Three quests in a published path of two chapters.
fn course() -> Value {
    let mut last = place("c", "late");
    last["unlockCriteria"] = json!({"v": 1, "when": {"op": "all", "of": [
        {"op": "chapterCompleted", "chapterKey": "early"}, {"op": "pathProgress", "minPercent": 50}]}});
    json!({
        "v": 1,
        "quests": [quest("a", &[]), quest("b", &["a"]), quest("c", &["b"])],
        "learningPaths": [{
            "key": "course", "name": "The course", "description": "All of it", "pathType": "Course", "isPublished": true,
            "chapters": [{"key": "early", "title": "Early"}, {"key": "late", "title": "Late", "startDate": "2026-01-01"}],
            "quests": [place("a", "early"), place("b", "early"), last],
        }],
    })
}

async fn plan(author: &Client, file: &Value) -> Value {
    author.post("/v1/curriculum/plan", file.clone()).await.expect(200)
}

async fn try_apply(author: &Client, file: &Value, fingerprint: &Value) -> Reply {
    author.post(&format!("/v1/curriculum/apply?plan={}", text(fingerprint)), file.clone()).await
}

async fn apply(author: &Client, file: &Value) -> Value {
    let plan = plan(author, file).await;
    try_apply(author, file, &plan["fingerprint"]).await.expect(200)
}

async fn export(author: &Client, query: &str, media_type: &str) -> String {
    let headers = [("accept", media_type)];
    let reply = author.send(Method::GET, &format!("/v1/curriculum/export{query}"), &headers, None).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("content-type"), Some(media_type));
    reply.text
}

async fn send_yaml(author: &Client, path: &str, yaml: &str) -> Reply {
    let client = http_client();
    let request = client.post(format!("{}{path}", author.base)).bearer_auth(author.token.as_ref().unwrap());
    let response = request.header("content-type", "application/yaml").body(yaml.to_owned()).send().await.unwrap();
    Reply { status: response.status(), headers: response.headers().clone(), text: response.text().await.unwrap() }
}

/// What happens to one thing: `action kind key fields`.
fn told(plan: &Value, but: &str) -> Vec<String> {
    let changes = plan["changes"].as_array().unwrap().iter().filter(|change| change["action"] != but);
    changes
        .map(|change| {
            let fields: Vec<&str> = change["fields"].as_array().into_iter().flatten().map(text).collect();
            format!(
                "{} {} {} {}",
                text(&change["action"]),
                text(&change["kind"]),
                text(&change["key"]),
                fields.join(",")
            )
        })
        .map(|line| line.trim_end().to_owned())
        .collect()
}

async fn empty(pool: &PgPool) {
    execute(pool, "TRUNCATE quests, learning_paths CASCADE".to_owned()).await;
}

#[tokio::test]
async fn a_file_is_planned_applied_and_then_has_nothing_to_change() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let file = course();
    let first = plan(&author, &file).await;
    assert_eq!(first["summary"]["create"], json!(3 + 9 + 3 + 1 + 2 + 3));
    assert!(told(&first, "").iter().all(|line| line.starts_with("create ")));
    assert_eq!(rows(&pool, "SELECT id FROM quests").await, Vec::<Value>::new(), "a plan writes nothing");
    let done = try_apply(&author, &file, &first["fingerprint"]).await.expect(200);
    assert_eq!(done["summary"], first["summary"]);
    let ids = rows(&pool, "SELECT id, key FROM quests UNION ALL SELECT id, key FROM quest_steps ORDER BY 1").await;

    let again = plan(&author, &file).await;
    assert_eq!(told(&again, "none"), Vec::<String>::new());
    assert_ne!(again["fingerprint"], first["fingerprint"]);
    apply(&author, &file).await;
    let after = rows(&pool, "SELECT id, key FROM quests UNION ALL SELECT id, key FROM quest_steps ORDER BY 1").await;
    assert_eq!(after, ids);

    let path = author.get("/v1/learning-paths").await.expect(200)["items"][0].clone();
    assert_eq!(
        (&path["key"], &path["isPublished"], &path["totalExperiencePoints"]),
        (&json!("course"), &json!(true), &json!(240))
    );
    let quests = author.all(&format!("/v1/learning-paths/{}/quests", text(&path["id"]))).await;
    let criteria = &quests[2]["unlockCriteria"]["when"]["of"][0];
    assert_eq!(criteria["chapterId"], quests[0]["chapterId"], "keys became ids");
    let audited = rows(&pool, "SELECT DISTINCT resource_type FROM audit_log WHERE action = 'create'").await;
    assert_eq!(audited.len(), 6);
    // The catalogue's own routes know the keys.
    let first = author.get("/v1/quests?q=Quest&sort=title").await.expect(200)["items"][0].clone();
    assert_eq!(first["key"], "a");
    author.patch(&format!("/v1/quests/{}", text(&first["id"])), json!({"key": "b"})).await.problem(409, "key_taken");
    author
        .patch(&format!("/v1/quests/{}", text(&first["id"])), json!({"key": "B!"}))
        .await
        .problem(422, "validation_failed");
}

#[tokio::test]
async fn a_plan_names_what_is_updated_moved_deactivated_and_deleted() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    apply(&author, &course()).await;
    let mut file = course();
    file["quests"][0]["title"] = json!("Another title");
    file["quests"][0]["steps"] = json!([step("three"), step("one"), step("four")]);
    file["quests"][0]["resources"] = json!([]);
    file["quests"][1]["isActive"] = json!(false);
    file["quests"].as_array_mut().unwrap().remove(2);
    file["learningPaths"][0]["quests"] = json!([place("b", "early"), place("a", "early")]);
    file["learningPaths"][0]["chapters"] = json!([{"key": "early", "title": "Early", "endDate": "2027-01-01"}]);
    let planned = plan(&author, &file).await;
    assert_eq!(
        told(&planned, "none"),
        [
            "update quest a title",
            "move step a/three",
            "create step a/four",
            "deactivate step a/two",
            "delete resource a/link",
            "deactivate quest b",
            "update chapter course/early endDate",
            "delete chapter course/late",
            "move pathQuest course/b",
            "delete pathQuest course/c",
            "deactivate quest c",
        ]
    );
    try_apply(&author, &file, &planned["fingerprint"]).await.expect(200);
    let steps = rows(
        &pool,
        "SELECT step.key, step_number, retired_at IS NULL AS used FROM quest_steps AS step
                             JOIN quests ON quests.id = quest_id WHERE quests.key = 'a' ORDER BY step_number",
    )
    .await;
    let listed: Vec<String> =
        steps.iter().map(|step| format!("{} {}", text(&step["key"]), step["step_number"])).collect();
    assert_eq!(listed, ["two -1", "three 1", "one 2", "four 3"]);
    assert_eq!(rows(&pool, "SELECT key FROM quests WHERE is_active").await, [json!({"key": "a"})]);
    assert_eq!(told(&plan(&author, &file).await, "none"), Vec::<String>::new());
    // What was retired comes back by its key, as the same step.
    file["quests"][0]["steps"] = json!([step("two"), step("three"), step("one"), step("four")]);
    apply(&author, &file).await;
    let steps = rows(&pool, "SELECT key FROM quest_steps WHERE retired_at IS NULL AND quest_id = (SELECT id FROM quests WHERE key = 'a') ORDER BY step_number").await;
    assert_eq!(steps.iter().map(|step| text(&step["key"])).collect::<Vec<_>>(), ["two", "three", "one", "four"]);
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM quest_steps WHERE key = 'two'").await.len(), 3);
}

#[tokio::test]
async fn a_stale_plan_is_refused() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let mut file = course();
    let old = plan(&author, &file).await;
    file["quests"][0]["title"] = json!("Changed since");
    let problem = try_apply(&author, &file, &old["fingerprint"]).await.problem(409, "plan_stale");
    let new = plan(&author, &file).await;
    assert_eq!((&problem["fingerprint"], &problem["summary"]), (&new["fingerprint"], &new["summary"]));
    try_apply(&author, &file, &new["fingerprint"]).await.expect(200);

    let before = plan(&author, &file).await;
    let first = author.get("/v1/quests?q=Changed").await.expect(200)["items"][0].clone();
    author.patch(&format!("/v1/quests/{}", text(&first["id"])), json!({"experiencePointsReward": 1})).await.expect(200);
    try_apply(&author, &file, &before["fingerprint"]).await.problem(409, "plan_stale");
    author.post("/v1/curriculum/apply", file).await.problem(422, "validation_failed");
}

#[tokio::test]
async fn a_plan_that_deactivates_what_it_did_not_say_is_stale() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let path = |key: &str, quests: &[&str]| {
        let places: Vec<Value> =
            quests.iter().map(|quest| json!({"quest": quest, "difficultyLevel": "Beginner"})).collect();
        json!({"key": key, "name": key, "description": key, "pathType": "Course", "quests": places})
    };
    let both = [path("one", &["a", "b"]), path("two", &["b"])];
    apply(&author, &json!({"v": 1, "quests": [quest("a", &[]), quest("b", &[])], "learningPaths": both})).await;
    let file = json!({"v": 1, "quests": [quest("a", &[])], "learningPaths": [path("one", &["a"])]});
    let before = plan(&author, &file).await;
    assert_eq!(told(&before, "none"), ["delete pathQuest one/b"]);
    let paths = author.all("/v1/learning-paths").await;
    let two = paths.iter().find(|path| path["key"] == "two").unwrap();
    author.put(&format!("/v1/learning-paths/{}/quests", text(&two["id"])), json!({"quests": []})).await.expect(200);
    try_apply(&author, &file, &before["fingerprint"]).await.problem(409, "plan_stale");
    assert_eq!(rows(&pool, "SELECT key FROM quests WHERE is_active").await.len(), 2);
    assert_eq!(told(&plan(&author, &file).await, "none"), ["delete pathQuest one/b", "deactivate quest b"]);
}

#[tokio::test]
async fn what_somebody_makes_meanwhile_is_not_overwritten() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let file = json!({"v": 1, "quests": [quest("a", &[])], "learningPaths": [
        {"key": "course", "name": "Of the file", "description": "D", "pathType": "Course", "quests": []}]});
    for (table, name, make) in [
        (
            "quests",
            "title",
            "INSERT INTO quests (id, key, title, description, quest_type, difficulty_level, created_by)
                    VALUES (gen_random_uuid(), 'a', 'Of somebody', 'D', 'Practice', 'Beginner', gen_random_uuid())",
        ),
        (
            "learning_paths",
            "name",
            "INSERT INTO learning_paths (id, key, name, description, path_type, created_by)
                            VALUES (gen_random_uuid(), 'course', 'Of somebody', 'D', 'Course', gen_random_uuid())",
        ),
    ] {
        let planned = plan(&author, &file).await;
        // Somebody's transaction is open while the file is compared, and commits while it is written.
        let mut somebody = pool.begin().await.unwrap();
        execute(&mut *somebody, make.to_owned()).await;
        let (reply, ()) = tokio::join!(try_apply(&author, &file, &planned["fingerprint"]), async {
            let waits = "SELECT 1 AS one FROM pg_stat_activity
                         WHERE wait_event_type = 'Lock' AND datname = current_database()";
            tokio::time::timeout(Duration::from_secs(30), async {
                while rows(&pool, waits).await.is_empty() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await
            .expect("applying waits for somebody");
            somebody.commit().await.unwrap();
        });
        reply.problem(409, "key_taken");
        let kept = rows(&pool, &format!("SELECT {name} AS name FROM {table}")).await;
        assert_eq!(kept, [json!({"name": "Of somebody"})]);
        assert_eq!(told(&plan(&author, &file).await, "none").len(), 6);
        empty(&pool).await;
    }
}

#[tokio::test]
async fn criteria_that_are_written_in_another_way_change_nothing() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    apply(&author, &course()).await;
    let validator =
        jsonschema::draft202012::new(&service.anonymous().get("/schemas/curriculum.json").await.json()).unwrap();
    let id = |table: &str, key: &str| format!("SELECT id FROM {table} WHERE key = '{key}'");
    let quest_id = rows(&pool, &id("quests", "a")).await[0]["id"].clone();
    let chapter_id = rows(&pool, &id("quest_chapters", "early")).await[0]["id"].clone();
    let path_id = rows(&pool, &id("learning_paths", "course")).await[0]["id"].clone();
    let with = |of: Value| {
        let mut file = course();
        file["learningPaths"][0]["quests"][2]["unlockCriteria"]["when"]["of"] = of;
        file
    };
    let plain = with(json!([
        {"op": "questCompleted", "questKey": "a"}, {"op": "chapterCompleted", "chapterKey": "early"},
        {"op": "pathProgress", "pathKey": "course", "minPercent": 50}, {"op": "delay", "since": "questCompleted", "questKey": "a", "hours": 1}]));
    apply(&author, &plain).await;
    for other in [
        json!([{"op": "questCompleted", "questId": quest_id}, {"op": "chapterCompleted", "chapterKey": "course/early"},
               {"op": "pathProgress", "pathId": path_id, "minPercent": 50}, {"op": "delay", "since": "questCompleted", "questId": quest_id, "hours": 1}]),
        json!([{"op": "questCompleted", "questKey": "a"}, {"op": "chapterCompleted", "chapterId": chapter_id},
               {"op": "pathProgress", "pathKey": "course", "minPercent": 50}, {"op": "delay", "since": "questCompleted", "questKey": "a", "hours": 1}]),
    ] {
        let file = with(other);
        assert!(validator.is_valid(&file), "{file}");
        assert_eq!(told(&plan(&author, &file).await, "none"), Vec::<String>::new());
    }
    // An id and a key beside each other are no choice that is ours to make.
    for (condition, field) in [
        (json!({"op": "questCompleted", "questId": quest_id, "questKey": "b"}), "questKey"),
        (json!({"op": "pathProgress", "pathId": path_id, "pathKey": "course", "minPercent": 50}), "pathKey"),
    ] {
        let file = with(json!([condition]));
        assert!(!validator.is_valid(&file), "{file}");
        let problem = author.post("/v1/curriculum/plan", file).await.problem(422, "validation_failed");
        assert_eq!(
            problem["errors"][0]["pointer"],
            json!(format!("/learningPaths/0/quests/2/unlockCriteria/when/of/0/{field}"))
        );
    }
    // A fault of an id is told where it stands.
    let problem = author
        .post("/v1/curriculum/plan", with(json!([{"op": "questCompleted", "questId": "a"}])))
        .await
        .problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/learningPaths/0/quests/2/unlockCriteria/when/of/0/questId");
}

#[tokio::test]
async fn of_simultaneous_applies_of_one_plan_one_comes_through() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    for round in 0..rounds(10, 200) {
        let mut file = course();
        file["quests"][0]["title"] = json!(format!("Round {round}"));
        let planned = plan(&author, &file).await;
        let tries = (0..4).map(|_| try_apply(&author, &file, &planned["fingerprint"]));
        let statuses: Vec<u16> =
            futures_util::future::join_all(tries).await.iter().map(|reply| reply.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    }
    assert_eq!(rows(&pool, "SELECT id FROM quests").await.len(), 3);
}

#[tokio::test]
async fn an_export_applied_to_an_empty_database_exports_the_same_bytes() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    seed(&pool, &service).await;
    let mut file = course();
    let odd = "yes\n- no: 1.0 # \u{e9}\u{1f680}\n\t'\"\\ \n\n  indented\n";
    file["quests"][0]["description"] = json!(odd);
    file["quests"][0]["steps"][0]["content"] = json!({
        "z": [1, 2.5, 1e21, -0.1, true, null, "null", "~", "", " ", "0x1F", "2026-01-01", "a: b", "|", "- x", "é"],
        "b": ["no", "y", "n", "on", "off", "Yes", "NO"],
        "a": {"nested": {"deep": [[], {}]}, "on": "off", "long": "word ".repeat(60), "trailing ": "x\n\n"},
    });
    file["quests"][0]["assessments"] = json!([{
        "key": "final", "assessmentType": "ManualReview",
        "configuration": {"v": 1, "type": "ManualReview", "maxGrade": 10, "accept": [{"kind": "text"}]},
        "passingCriteria": {"v": 1, "rule": {"op": "minPercent", "value": 70}}}]);
    file["quests"][1]["unresolvedPrerequisites"] = json!(["90 % of all credits"]);
    file["quests"][1]["skillRewards"] = json!([{"skillTag": "loops", "points": 5}]);
    file["learningPaths"][0]["isPublished"] = json!(false);
    file["learningPaths"][0]["quests"][1]["unlockCriteria"] = json!({
        "v": 1, "lockedView": "title", "window": {"opensAt": "2026-12-01T00:00:00Z"},
        "when": {"op": "any", "of": [
            {"op": "questScore", "questKey": "a", "minPercent": 70}, {"op": "scoreBand", "assessmentKey": "a/final", "which": "best", "minPercent": 60},
            {"op": "chapterCompleted", "chapterKey": "c-programming/memory"}, {"op": "pathProgress", "pathKey": "c-programming", "minPercent": 10},
            {"op": "atLeast", "n": 1, "of": [{"op": "delay", "since": "questCompleted", "questKey": "a", "hours": 3}, {"op": "skillLevel", "skillTag": "loops", "minLevel": 2}]},
            {"op": "notBefore", "at": "2027-01-01T00:00:00Z"}, {"op": "xpEarned", "scope": "service", "min": 5}, {"op": "manual"}]}});
    apply(&author, &file).await;
    assert_eq!(told(&plan(&author, &file).await, "none"), Vec::<String>::new());
    let (json, yaml) = (export(&author, "", "application/json").await, export(&author, "", "application/yaml").await);
    assert!(!json.contains("questId") && !json.contains("chapterId") && json.contains("chapterKey"), "no ids");

    empty(&pool).await;
    apply(&author, &serde_json::from_str(&json).unwrap()).await;
    assert_eq!(export(&author, "", "application/json").await, json);
    assert_eq!(export(&author, "", "application/yaml").await, yaml);
    let headers = [("accept", "application/yaml;q=0.1, application/json")];
    let reply = author.send(Method::GET, "/v1/curriculum/export", &headers, None).await;
    assert_eq!((reply.header("content-type"), &reply.text), (Some("application/json"), &json));

    empty(&pool).await;
    let planned = send_yaml(&author, "/v1/curriculum/plan", &yaml).await.expect(200);
    let fingerprint = text(&planned["fingerprint"]);
    send_yaml(&author, &format!("/v1/curriculum/apply?plan={fingerprint}"), &yaml).await.expect(200);
    assert_eq!(export(&author, "", "application/yaml").await, yaml);
    assert_eq!(export(&author, "", "application/json").await, json);
    let described = rows(&pool, "SELECT description FROM quests WHERE key = 'a'").await;
    assert_eq!(described[0]["description"], odd);

    // Words stay words: YAML 1.2 knows only true and false.
    let words = "v: 1\nquests: [{key: words, title: no, description: y, questType: Practice, difficultyLevel: Beginner, steps: [{key: s, title: on, description: off, stepType: Reading, content: {choices: [no, yes, true]}}]}]";
    let planned = send_yaml(&author, "/v1/curriculum/plan", words).await.expect(200);
    let fingerprint = text(&planned["fingerprint"]);
    send_yaml(&author, &format!("/v1/curriculum/apply?plan={fingerprint}"), words).await.expect(200);
    let content = rows(&pool, "SELECT content FROM quest_steps WHERE title = 'on'").await;
    assert_eq!(content[0]["content"]["choices"], json!(["no", "yes", true]));
    // Criteria that name what is no more stay as they are, with the id: nothing else would be true.
    execute(&pool, "UPDATE quest_assessments SET retired_at = now()".to_owned()).await;
    let dangling = export(&author, "?learningPath=course", "application/json").await;
    assert!(dangling.contains("assessmentId"));
    assert_eq!(told(&plan(&author, &serde_json::from_str(&dangling).unwrap()).await, "none"), Vec::<String>::new());

    // One path brings all that it needs: here the other one, which its criteria name.
    let one = export(&author, "?learningPath=course", "application/json").await;
    let only: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(only["learningPaths"].as_array().unwrap().len(), 2);
    let demo: Value =
        serde_json::from_str(&export(&author, "?learningPath=c-programming", "application/json").await).unwrap();
    assert_eq!((demo["learningPaths"].as_array().unwrap().len(), demo["quests"].as_array().unwrap().len()), (1, 12));
    empty(&pool).await;
    apply(&author, &only).await;
    assert_eq!(export(&author, "?learningPath=course", "application/json").await, one);
    author.get("/v1/curriculum/export?learningPath=nowhere").await.problem(422, "validation_failed");
}

#[tokio::test]
async fn learners_history_stays_whatever_a_file_leaves_out() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    apply(&author, &course()).await;
    let quests = learner.all("/v1/quests?sort=title").await;
    learner.finish(&quests[0]).await;
    let attempt = learner.attempt(&quests[1]).await;
    learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    let history = "SELECT attempt.id, attempt.status, total_experience_earned, step.status AS step FROM user_quest_attempts AS attempt
                   JOIN user_quest_step_progress AS step ON step.attempt_id = attempt.id ORDER BY step.id";
    let before = rows(&pool, history).await;

    let mut file = course();
    file["quests"][0]["steps"] = json!([step("new")]);
    file["quests"][1]["steps"] = json!([step("one"), step("two")]);
    file["quests"][2]["steps"] = json!([step("one")]);
    apply(&author, &file).await;
    assert_eq!(rows(&pool, history).await, before);
    let seen = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!((&seen["completionPercentage"], &seen["status"]), (&json!(50.0), &json!("InProgress")));
    // The type of a step that somebody worked on stays.
    let mut retyped = file.clone();
    retyped["quests"][1]["steps"][0]["stepType"] = json!("Reading");
    let problem = author.post("/v1/curriculum/plan", retyped).await.problem(409, "in_use");
    assert!(text(&problem["detail"]).contains("b/one"), "{problem}");
    let last = learner.complete(&attempt, &attempt["steps"][1], Value::Null).await.expect(200);
    assert_eq!(last["attempt"]["status"], "Completed");
    // Those who qualify by a file already are told in the background; here nothing gates c any more.
    file["quests"][2]["prerequisites"] = json!([]);
    file["quests"].as_array_mut().unwrap().truncate(3);
    apply(&author, &file).await;
    verify(&pool).await;
}

type Change = fn(&mut Value);

#[tokio::test]
async fn faults_are_named_with_their_place_and_nothing_is_written() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let mut file = course();
    file["quests"][0]["key"] = json!("Not a key");
    file["quests"][1]["steps"][1]["key"] = json!("one");
    file["quests"][1]["steps"][2]["validationCriteria"] = json!({"v": 1, "type": "Video"});
    file["quests"][2]["steps"] = json!([]);
    file["quests"][2]["prerequisites"] = json!(["c", "b", "b"]);
    file["learningPaths"][0]["quests"][1]["chapter"] = json!("nowhere");
    file["learningPaths"][0]["chapters"][1]["endDate"] = json!("2025-01-01");
    let problem = author.post("/v1/curriculum/plan", file).await.problem(422, "validation_failed");
    let pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
    for expected in [
        "/quests/0/key",
        "/quests/1/steps/1/key",
        "/quests/1/steps/2/validationCriteria/minWatchedPercent",
        "/quests/2/isActive",
        "/quests/2/prerequisites/0",
        "/quests/2/prerequisites/2",
        "/learningPaths/0/quests/1/chapter",
        "/learningPaths/0/chapters/1/endDate",
    ] {
        assert!(pointers.contains(&expected), "{expected}: {pointers:?}");
    }
    let changed = |change: fn(&mut Value)| {
        let mut file = course();
        change(&mut file);
        file
    };
    let cases: [(Change, u16, &str, &str); 8] = [
        (|file| file["v"] = json!(2), 422, "validation_failed", "/v"),
        (|file| file["surprise"] = json!(1), 422, "validation_failed", "surprise"),
        (|file| file["quests"][1]["questType"] = json!("Raid"), 422, "validation_failed", "/quests/1/questType"),
        (
            |file| file["quests"][1]["prerequisites"] = json!(["nowhere"]),
            422,
            "validation_failed",
            "/quests/1/prerequisites/0",
        ),
        (
            |file| file["learningPaths"][0]["quests"][0]["quest"] = json!("nowhere"),
            422,
            "validation_failed",
            "/learningPaths/0/quests/0/quest",
        ),
        (
            |file| {
                file["learningPaths"][0]["quests"][2]["unlockCriteria"]["when"]["of"][0]["chapterKey"] =
                    json!("nowhere");
            },
            422,
            "validation_failed",
            "/learningPaths/0/quests/2/unlockCriteria/when/of/0/chapterKey",
        ),
        (
            |file| file["learningPaths"][0]["quests"][2]["unlockCriteria"]["when"]["of"][1]["minPercent"] = json!(101),
            422,
            "validation_failed",
            "/learningPaths/0/quests/2/unlockCriteria/when/of/1/minPercent",
        ),
        (|file| file["quests"][0]["prerequisites"] = json!(["c"]), 409, "prerequisite_cycle", "Quest a"),
    ];
    for (change, status, code, clue) in cases {
        let problem = author.post("/v1/curriculum/plan", changed(change)).await.problem(status, code);
        assert!(problem.to_string().contains(clue), "{clue}: {problem}");
    }
    // A published path has to pass the linter; the file is written as a whole or not at all.
    let mut unfit = course();
    unfit["learningPaths"][0]["quests"][0]["unlockCriteria"] =
        json!({"v": 1, "when": {"op": "questCompleted", "questKey": "c"}});
    let planned = plan(&author, &unfit).await;
    let problem = try_apply(&author, &unfit, &planned["fingerprint"]).await.problem(422, "lint_failed");
    assert_eq!(problem["learningPath"], "course");
    assert!(problem["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == "cycle"), "{problem}");
    assert_eq!(rows(&pool, "SELECT id FROM quests UNION ALL SELECT id FROM audit_log").await, Vec::<Value>::new());

    send_yaml(&author, "/v1/curriculum/plan", "v: 1\nquests: [").await.problem(400, "malformed_yaml");
    send_yaml(&author, "/v1/curriculum/plan", "v: 1\nv: 1").await.problem(400, "malformed_yaml");
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x]\n".to_owned();
    for pair in "abcdefghi".as_bytes().windows(2) {
        let (before, name) = (char::from(pair[0]), char::from(pair[1]));
        writeln!(bomb, "{name}: &{name} [{}]", vec![format!("*{before}"); 8].join(", ")).unwrap();
    }
    send_yaml(&author, "/v1/curriculum/plan", &bomb).await.problem(400, "malformed_yaml");
    let small: Vec<&str> = bomb.lines().take(6).collect();
    send_yaml(&author, "/v1/curriculum/plan", &small.join("\n")).await.problem(400, "malformed_yaml");
    let headers = [("content-type", "text/plain")];
    author.send(Method::POST, "/v1/curriculum/plan", &headers, None).await.problem(415, "unsupported_media_type");
    let learner = service.learner();
    learner.post("/v1/curriculum/plan", course()).await.problem(403, "forbidden");
    learner.post("/v1/curriculum/apply?plan=x", course()).await.problem(403, "forbidden");
    learner.get("/v1/curriculum/export").await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_number_of_statements_does_not_grow_with_the_file() {
    let pool = database().await;
    let (service, counter) = statements::counted(&pool).await;
    let author = service.author();
    let file = |name: &str, quests: usize| {
        let keys: Vec<String> = (0..quests).map(|number| format!("{name}{number}")).collect();
        let places: Vec<Value> = keys.iter().map(|key| json!({"quest": key, "difficultyLevel": "Beginner"})).collect();
        json!({"v": 1, "quests": keys.iter().map(|key| quest(key, &[])).collect::<Vec<_>>(),
               "learningPaths": [{"key": name, "name": "Long", "description": "Long", "pathType": "Course", "quests": places}]})
    };
    let mut counts = Vec::new();
    for (name, quests) in [("few", 2), ("many", 40)] {
        let file = file(name, quests);
        let planned = plan(&author, &file).await;
        counter.reset();
        try_apply(&author, &file, &planned["fingerprint"]).await.expect(200);
        counts.push(statements::own(&counter));
    }
    assert_eq!(counts[0], counts[1]);
    let waiting = rows(&pool, "SELECT target_id FROM reevaluations").await;
    assert_eq!(waiting, Vec::<Value>::new(), "nobody can qualify for what is new");
    assert!(counts[0].len() <= 45, "{}", counts[0].len());
}

#[tokio::test]
async fn the_schema_takes_the_demo_and_refuses_what_the_service_refuses() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let reply = service.anonymous().get("/schemas/curriculum.json").await;
    assert_eq!(reply.header("content-type"), Some("application/schema+json"));
    assert_eq!(reply.json()["properties"]["$schema"]["type"], "string", "editors look for it in JSON files");
    let validator = jsonschema::draft202012::new(&reply.json()).unwrap();
    seed(&pool, &service).await;
    let demo: Value = serde_json::from_str(&export(&service.author(), "", "application/json").await).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(&demo).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(faults, Vec::<String>::new());
    let mut with_schema = course();
    with_schema["$schema"] = json!("https://example.org/schemas/curriculum.json");
    assert!(validator.is_valid(&with_schema));
    service.author().post("/v1/curriculum/plan", with_schema).await.expect(200);
    for (pointer, value) in [
        ("/surprise", json!(1)),
        ("/v", json!("1")),
        ("/quests/0/questType", json!("Raid")),
        ("/quests/0/steps/0/surprise", json!(1)),
        ("/learningPaths/0/quests/2/unlockCriteria/when/op", json!("not")),
        ("/learningPaths/0/quests/2/unlockCriteria/when/of/1/minPercent", json!(101)),
        ("/learningPaths/0/chapters/0/key", json!("Not a key")),
    ] {
        let mut file = course();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(parent).unwrap()[name] = value;
        assert!(!validator.is_valid(&file), "{pointer}");
        author_refuses(&service, &file).await;
    }
}

async fn author_refuses(service: &Service, file: &Value) {
    service.author().post("/v1/curriculum/plan", file.clone()).await.problem(422, "validation_failed");
}

/// The real programme with the two real syllabi, as the User Service would give it.
fn programme() -> Option<Value> {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let read = |name: &str| -> Option<Value> { serde_json::from_slice(&std::fs::read(shared.join(name)).ok()?).ok() };
    let mut programme = read("curriculum/BIT_SE_K19D_K20A.json")?;
    programme["syllabi"] = json!([read("syllabus/PRF192.json")?, read("syllabus/PRO192.json")?]);
    Some(programme)
}

/// Of the same shape, and always there.
fn small_programme() -> Value {
    let sessions: Vec<Value> = (1..=13)
        .map(|number| json!({"session": number, "topic": format!("Topic {number}"), "los": ["CLO1"]}))
        .collect();
    json!({
        "curriculumCode": "SMALL_1", "name": "A small programme", "subjects": [
            {"code": "AAA101", "name": "First", "semester": 1, "credits": 3, "prerequisites": null},
            {"code": "BBB*1", "name": "Second", "semester": 2, "credits": 2, "prerequisites": "Pass AAA101"},
            {"code": "CCC301", "name": "Third", "semester": 2, "credits": 1, "prerequisites": "AAA101 or 90% of all credits"},
            {"code": "DDD401", "name": "Fourth", "semester": 3, "credits": 1, "prerequisites": "AAA101 (or equivalent), BBB*1"},
            {"code": "EEE501", "name": "Fifth", "semester": 3, "credits": 1, "prerequisites": "(DDD401 and XYZ999)"},
        ],
        "syllabi": [{"subjectCode": "AAA101", "sessions": sessions, "materials": [{"description": "A book", "url": "https://example.org/book"}]}],
    })
}

const VERSION: &str = "0b7e4c1a-2f64-4c57-9d0e-6a1f2f0c9b11";

async fn with_users(pool: &PgPool, programme: Value) -> (Service, Users) {
    let users = Users::start().await;
    users.offers(VERSION, programme);
    let args = vec![format!("--user-service-url={}", users.base)];
    (Service::start_with(pool, Setup { args, ..Setup::default() }).await, users)
}

#[tokio::test]
async fn a_curriculum_version_becomes_a_draft_path() {
    let pool = database().await;
    let (service, users) = with_users(&pool, small_programme()).await;
    let (author, learner) = (service.author(), service.learner());
    let body = json!({"curriculumVersionId": VERSION});
    learner.post("/v1/learning-paths/from-curriculum", body.clone()).await.problem(403, "forbidden");
    let unknown = json!({"curriculumVersionId": "11111111-1111-4111-8111-111111111111"});
    author.post("/v1/learning-paths/from-curriculum", unknown).await.problem(422, "validation_failed");
    let path = author.post("/v1/learning-paths/from-curriculum", body.clone()).await.expect(201);
    assert_eq!(
        (&path["key"], &path["isPublished"], &path["curriculumVersionId"]),
        (&json!("small_1"), &json!(false), &json!(VERSION))
    );
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    let chapters = author.all(&format!("{at}/chapters")).await;
    assert_eq!(
        chapters.iter().map(|chapter| text(&chapter["title"])).collect::<Vec<_>>(),
        ["Semester 1", "Semester 2", "Semester 3"]
    );
    let quests = author.all(&format!("{at}/quests")).await;
    assert_eq!(
        quests.iter().map(|quest| text(&quest["title"])).collect::<Vec<_>>(),
        ["AAA101: First", "BBB*1: Second", "CCC301: Third", "DDD401: Fourth", "EEE501: Fifth"]
    );
    let fourth = format!("/v1/quests/{}", text(&quests[3]["questId"]));
    let needed = author.all(&format!("{fourth}/prerequisites")).await;
    assert_eq!(needed.len(), 2, "those behind an aside as well: {needed:?}");
    let first = format!("/v1/quests/{}", text(&quests[0]["questId"]));
    let steps = author.all(&format!("{first}/steps")).await;
    assert_eq!(
        steps.iter().map(|step| text(&step["key"])).collect::<Vec<_>>(),
        ["week-01", "week-02", "week-03"],
        "13 sessions, 6 a week"
    );
    assert_eq!(author.all(&format!("{first}/resources")).await[0]["url"], "https://example.org/book");
    learner.get(&first).await.problem(404, "not_found");

    // Nothing of a prerequisite is dropped: what was not understood is said.
    let lint = author.get(&format!("{at}/lint")).await.expect(200);
    let unresolved: Vec<&Value> = lint["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "prerequisite_unresolved")
        .collect();
    assert_eq!(unresolved.len(), 2);
    for (finding, words) in unresolved.iter().zip(["AAA101 or 90% of all credits", "(DDD401 and XYZ999)"]) {
        assert_eq!(finding["severity"], "warning");
        assert!(text(&finding["message"]).contains(words), "{finding}");
    }
    // What the caller has written wrong is told without asking anybody.
    let asked = users.calls();
    let many = json!({"curriculumVersionId": VERSION, "sessionsPerWeek": 21});
    let problem = author.post("/v1/learning-paths/from-curriculum", many).await.problem(422, "validation_failed");
    assert_eq!((&problem["errors"][0]["pointer"], users.calls()), (&json!("/sessionsPerWeek"), asked));

    author.post("/v1/learning-paths/from-curriculum", body.clone()).await.problem(409, "key_taken");
    users.is_down(true);
    author.post("/v1/learning-paths/from-curriculum", body).await.problem(503, "user_service_unavailable");

    // Its quests are drafts: publishing says so, or activates them.
    author.post(&format!("{at}/publish"), json!({})).await.problem(422, "lint_failed");
    author.post(&format!("{at}/publish"), json!({"activateQuests": true})).await.expect(200);
    assert_eq!(learner.get(&first).await.expect(200)["my"]["availability"], "available");
    let second = format!("/v1/quests/{}", text(&quests[1]["questId"]));
    assert_eq!(learner.get(&second).await.expect(200)["my"]["availability"], "locked");
}

#[tokio::test]
async fn publishing_with_drafts_refuses_those_that_cannot_be_active() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (done, undone) = (author.quest("Done", 1, 10).await, author.draft("Undone", 10).await);
    let path = author
        .post("/v1/learning-paths", json!({"name": "P", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    let places = [&done, &undone].map(|quest| json!({"questId": quest["id"], "difficultyLevel": "Beginner"}));
    author.put(&format!("{at}/quests"), json!({"quests": places})).await.expect(200);
    let problem =
        author.post(&format!("{at}/publish"), json!({"activateQuests": true})).await.problem(409, "not_activatable");
    assert!(text(&problem["detail"]).contains("“Undone”"), "{problem}");
    assert_eq!(author.get(&at).await.expect(200)["isPublished"], false);
}

#[tokio::test]
async fn the_real_programme_of_48_subjects_is_built_from_the_user_service() {
    let pool = database().await;
    let Some(programme) = programme() else {
        eprintln!("SKIPPED: the real programme is not on this machine; a small one is built all the same");
        return;
    };
    let (service, _users) = with_users(&pool, programme).await;
    let author = service.author();
    let path =
        author.post("/v1/learning-paths/from-curriculum", json!({"curriculumVersionId": VERSION})).await.expect(201);
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    let quests = author.all(&format!("{at}/quests")).await;
    assert_eq!((quests.len(), author.all(&format!("{at}/chapters")).await.len()), (48, 10));
    let links = rows(&pool, "SELECT count(*) AS n FROM quest_prerequisites").await[0]["n"].as_i64().unwrap();
    assert_eq!(links, 23);
    let weeks = rows(
        &pool,
        "SELECT quests.title, count(*) AS n FROM quest_steps JOIN quests ON quests.id = quest_id
                             WHERE quest_steps.key LIKE 'week-%' GROUP BY quests.title ORDER BY 1",
    )
    .await;
    let weeks: Vec<String> = weeks.iter().map(|row| format!("{} {}", &text(&row["title"])[..6], row["n"])).collect();
    assert_eq!(weeks, ["PRF192 10", "PRO192 10"], "60 sessions each");
    let lint = author.get(&format!("{at}/lint")).await.expect(200);
    let unresolved: Vec<&str> = lint["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "prerequisite_unresolved")
        .map(|finding| text(&finding["message"]))
        .collect();
    assert_eq!(unresolved.len(), 1);
    assert!(unresolved[0].contains("OJT202") && unresolved[0].contains("90% of the total credits"), "{unresolved:?}");
    author.post(&format!("{at}/publish"), json!({"activateQuests": true})).await.expect(200);
    // Out and in again: the same file.
    let file = export(&author, "", "application/yaml").await;
    empty(&pool).await;
    let planned = send_yaml(&author, "/v1/curriculum/plan", &file).await.expect(200);
    send_yaml(&author, &format!("/v1/curriculum/apply?plan={}", text(&planned["fingerprint"])), &file)
        .await
        .expect(200);
    assert_eq!(export(&author, "", "application/yaml").await, file);
    walks(&pool, &service).await;
}

/// Learners complete the published programme, each in a random order that is legal.
async fn walks(pool: &PgPool, service: &Service) {
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};

    for seed in 0..rounds(3, 200) {
        let mut random = rand::rngs::StdRng::seed_from_u64(u64::try_from(seed).unwrap());
        let learner = service.learner();
        let path = learner.get("/v1/learning-paths").await.expect(200)["items"][0].clone();
        let picture = format!("/v1/me/learning-paths/{}", text(&path["id"]));
        learner.post(&format!("/v1/learning-paths/{}/enrollment", text(&path["id"])), json!({})).await.expect(201);
        let mut done = 0;
        loop {
            let seen = learner.get(&picture).await.expect(200);
            assert_eq!(seen["completedQuestsCount"], json!(done));
            let quests: Vec<&Value> = seen["chapters"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|chapter| chapter["quests"].as_array().unwrap())
                .collect();
            let open: Vec<&&Value> = quests
                .iter()
                .filter(|quest| quest["my"]["availability"] == "available" && quest["my"]["status"] != "Completed")
                .collect();
            let Some(next) = open.choose(&mut random) else {
                assert_eq!((done, &seen["nextAction"]["kind"]), (48, &json!("completed")), "seed {seed}");
                break;
            };
            if random.random_bool(0.1) {
                let locked = quests.iter().find(|quest| quest["my"]["availability"] == "locked");
                if let Some(locked) = locked {
                    learner
                        .post(&format!("/v1/quests/{}/attempt", text(&locked["questId"])), json!({}))
                        .await
                        .problem(409, "quest_locked");
                }
            }
            let attempt =
                learner.post(&format!("/v1/quests/{}/attempt", text(&next["questId"])), json!({})).await.expect(201);
            for step in attempt["steps"].as_array().unwrap() {
                learner.complete(&attempt, step, json!({"acknowledged": true, "seconds": 3600})).await.expect(200);
            }
            done += 1;
        }
        let enrolled = &learner.get(&picture).await.expect(200)["enrollment"];
        assert_eq!((&enrolled["status"], &enrolled["completionPercentage"]), (&json!("Completed"), &json!(100.0)));
    }
    let completed =
        rows(pool, "SELECT count(*) AS n FROM outbox_events WHERE event_type = 'LearningPathCompleted'").await;
    assert_eq!(completed[0]["n"], json!(rounds(3, 200)));
    verify(pool).await;
}
