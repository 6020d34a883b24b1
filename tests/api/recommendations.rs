//! What to do next, and why.

use std::collections::HashSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::users::Users;
use crate::harness::{Client, Service, Setup, database, execute, path_of, rows, text};
use crate::statements::{counted_with, own};

const AT: &str = "/v1/me/recommendations";
const DAY: i64 = 86_400;

async fn recommended(client: &Client) -> Value {
    client.get(&format!("{AT}?limit=50")).await.expect(200)
}

fn titles(found: &Value) -> Vec<&str> {
    found["items"].as_array().unwrap().iter().map(|item| text(&item["quest"]["title"])).collect()
}

fn reason<'a>(found: &'a Value, title: &str, kind: &str) -> Option<&'a Value> {
    let item = found["items"].as_array().unwrap().iter().find(|item| item["quest"]["title"] == title)?;
    item["reasons"].as_array().unwrap().iter().find(|reason| reason["kind"] == kind)
}

/// A published path of these quests, in order; each `(quest, unlock criteria)`.
async fn path(author: &Client, name: &str, quests: &[(&Value, Value)]) -> Value {
    let path = json!({"name": name, "description": "D", "pathType": "Course"});
    let path = author.post("/v1/learning-paths", path).await.expect(201);
    let places: Vec<Value> = quests
        .iter()
        .map(|(quest, criteria)| {
            json!({"questId": quest["id"], "difficultyLevel": "Beginner", "isMandatory": true, "unlockCriteria": criteria})
        })
        .collect();
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    author.put(&format!("{at}/quests"), json!({ "quests": places })).await.expect(200);
    author.post(&format!("{at}/publish"), json!({})).await.expect(200);
    path
}

#[tokio::test]
async fn only_what_can_be_started_now_is_recommended_with_its_reasons() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let first = author.quest("First", 1, 10).await;
    let second = author.quest("Second", 1, 10).await;
    author.needs(&second, &[&first]).await.expect(200);
    let third = author.quest("Third", 1, 10).await;
    let gated = author.quest("Gated", 1, 10).await;
    let hidden = author.quest("Hidden", 1, 10).await;
    let begun = author.quest("Begun", 2, 10).await;
    author.draft("Draft", 10).await;
    let manual = json!({"v": 1, "when": {"op": "manual"}});
    let unseen = json!({"v": 1, "when": {"op": "manual"}, "lockedView": "hidden"});
    let quests =
        [(&first, Value::Null), (&second, Value::Null), (&third, Value::Null), (&gated, manual), (&hidden, unseen)];
    let path = path(&author, "The course", &quests).await;
    learner.attempt(&begun).await;
    let found = recommended(&learner).await;
    assert_eq!(found["degraded"], true, "this service has no index");
    assert_eq!(titles(&found).into_iter().collect::<HashSet<_>>(), HashSet::from(["First", "Third"]));

    let at = format!("/v1/learning-paths/{}/enrollment", text(&path["id"]));
    learner.post(&at, json!({})).await.expect(201);
    let found = recommended(&learner).await;
    assert_eq!(titles(&found), ["First", "Third"]);
    let next = reason(&found, "First", "nextInPath").unwrap();
    assert_eq!((&next["text"], &next["value"]), (&json!("Next in “The course”"), &json!(1.0)));
    assert_eq!(next["learningPathId"], path["id"]);
    assert_eq!(reason(&found, "Third", "nextInPath").unwrap()["value"], 0.5);
    for item in found["items"].as_array().unwrap() {
        let reasons = item["reasons"].as_array().unwrap();
        let shares: Vec<f64> = reasons.iter().map(|reason| reason["contribution"].as_f64().unwrap()).collect();
        assert!(!shares.is_empty() && shares.is_sorted_by(|one, other| one >= other), "{item}");
        assert!((shares.iter().sum::<f64>() - item["score"].as_f64().unwrap()).abs() < 0.02, "{item}");
        assert_eq!(item["quest"]["my"]["availability"], "available");
    }

    // What opens is there at once, and what is begun is not any more.
    learner.finish(&first).await;
    let found = recommended(&learner).await;
    assert_eq!(titles(&found), ["Second", "Third"]);
    assert_eq!(reason(&found, "Second", "unlockedRecently").unwrap()["text"], "Unlocked today");
    assert_eq!(reason(&found, "Second", "nextInPath").unwrap()["value"], 1.0);
    author.patch(&path_of(&third), json!({"isActive": false})).await.expect(200);
    assert_eq!(titles(&recommended(&learner).await), ["Second"]);
    // Authors have their own: drafts are none of them.
    assert!(!titles(&recommended(&author).await).contains(&"Draft"));
    for wrong in ["limit=0", "limit=101", "limit=x", "colour=red"] {
        let status = learner.get(&format!("{AT}?{wrong}")).await.status;
        assert!([400, 422].contains(&status.as_u16()), "{wrong}: {status}");
    }
    service.anonymous().get(AT).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn what_opens_next_term_does_not_crowd_out_what_is_open() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (old, free) = (author.quest("Old", 1, 10).await, author.quest("Free", 1, 10).await);
    // Criteria that ask for nothing.
    path(&author, "This term", &[(&free, json!({"v": 1, "lockedView": "title"}))]).await;
    let next = path(&author, "Next term", &[(&author.quest("Later", 1, 10).await, Value::Null)]).await;
    let sql = "WITH chapter AS (
             INSERT INTO quest_chapters (learning_path_id, title, sequence, start_date) VALUES ('PATH', 'C', 1, '2099-01-01') RETURNING id
         ), quest AS (
             INSERT INTO quests (title, description, quest_type, difficulty_level, created_by, created_at)
             SELECT 'Next term ' || n, 'D', 'Practice', 'Beginner', gen_random_uuid(), now() + interval '1 hour'
             FROM generate_series(1, 60) AS n RETURNING id
         )
         INSERT INTO learning_path_quests (learning_path_id, quest_id, chapter_id, difficulty_level, sequence_order, is_mandatory)
         SELECT 'PATH', quest.id, chapter.id, 'Beginner', 1 + row_number() OVER (), TRUE FROM quest, chapter";
    execute(&pool, sql.replace("PATH", text(&next["id"]))).await;
    let found = recommended(&learner).await;
    let expected = HashSet::from(["Old", "Free", "Later"]);
    assert_eq!(titles(&found).into_iter().collect::<HashSet<_>>(), expected, "{}", old["id"]);
}

#[tokio::test]
async fn a_paused_path_and_one_that_was_left_are_not_gone_on_with() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let first = author.quest("First", 1, 10).await;
    let path = path(&author, "P", &[(&first, Value::Null)]).await;
    let at = format!("/v1/learning-paths/{}/enrollment", text(&path["id"]));
    learner.post(&at, json!({})).await.expect(201);
    let is_next = async || reason(&recommended(&learner).await, "First", "nextInPath").is_some();
    assert!(is_next().await);
    learner.post(&format!("{at}/pause"), json!({})).await.expect(200);
    assert!(!is_next().await);
    learner.post(&format!("{at}/resume"), json!({})).await.expect(200);
    assert!(is_next().await);
    learner.delete(&at).await.expect(204);
    assert!(!is_next().await);
}

#[tokio::test]
async fn subjects_levels_and_ratings_move_quests_up_and_down() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let subject = Uuid::new_v4();
    let same = |title: &'static str, more: Value| {
        let author = &author;
        async move {
            let quest = author.draft(title, 10).await;
            author
                .step(
                    &quest,
                    json!({"title": "S", "description": "D", "stepType": "Reflection", "experiencePoints": 1}),
                )
                .await;
            let mut patch = json!({"isActive": true});
            patch.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            author.patch(&path_of(&quest), patch).await.expect(200)
        }
    };
    let mine = same("Mine", json!({"subjectId": subject})).await;
    same("Kindred", json!({"subjectId": subject})).await;
    let expert = same("Expert", json!({"difficultyLevel": "Expert"})).await;
    let strange = same("Strange", json!({})).await;
    learner.attempt(&mine).await;
    let found = recommended(&learner).await;
    assert_eq!(titles(&found)[0], "Kindred");
    assert_eq!(
        reason(&found, "Kindred", "currentSubject").unwrap()["text"],
        "Of the same subject as “Mine”, which you are on"
    );
    assert_eq!(titles(&found)[2], "Expert");
    assert!(reason(&found, "Expert", "levelFit").is_none(), "{found}");

    // What others say counts from the next day on.
    let before = recommended(&learner).await;
    for _ in 0..5 {
        let other = service.learner();
        other.attempt(&expert).await;
        other.attempt(&strange).await;
        other.post(&format!("{}/feedback", path_of(&expert)), json!({"rating": 5})).await.expect(201);
        // One voice, whatever the number of categories.
        for category in ["TooDifficult", "ContentError", "Other"] {
            let bad = json!({"rating": 1, "category": category});
            other.post(&format!("{}/feedback", path_of(&strange)), bad).await.expect(201);
        }
    }
    assert_eq!(recommended(&learner).await, before);
    service.compute_analytics().await;
    service.wait(DAY);
    let found = recommended(&learner).await;
    let rated = reason(&found, "Expert", "wellRated").unwrap();
    assert_eq!(rated["text"], "Rated about 5.0 of 5");
    assert!(reason(&found, "Strange", "wellRated").is_none());
    let score = |found: &Value, title: &str| {
        let items = found["items"].as_array().unwrap();
        items.iter().find(|item| item["quest"]["title"] == title).unwrap()["score"].as_f64().unwrap()
    };
    assert!(score(&found, "Strange") < score(&before, "Strange"));
    // And goes into the difficulty of the day.
    let sql = "SELECT quest.title, difficulty_rating::text AS rating FROM quest_analytics JOIN quests AS quest ON quest.id = quest_id WHERE difficulty_rating IS NOT NULL ORDER BY 1";
    let ratings: Vec<(String, String)> = rows(&pool, sql)
        .await
        .iter()
        .map(|row| (text(&row["title"]).to_owned(), text(&row["rating"]).to_owned()))
        .collect();
    assert_eq!(ratings, [("Expert".to_owned(), "2.50".to_owned()), ("Strange".to_owned(), "5.00".to_owned())]);
}

#[tokio::test]
async fn what_peers_did_next_counts_from_the_next_day_on() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let common = author.quest("Common", 1, 10).await;
    let (often, rarely) = (author.quest("Often", 1, 10).await, author.quest("Rarely", 1, 10).await);
    learner.finish(&common).await;
    for number in 0..10 {
        let peer = service.learner();
        peer.finish(&common).await;
        match number {
            ..5 => peer.attempt(&often).await,
            5..9 => peer.attempt(&rarely).await,
            _ => Value::Null,
        };
    }
    assert!(reason(&recommended(&learner).await, "Often", "peersDidNext").is_none(), "today's are not counted yet");
    service.wait(DAY);
    let found = recommended(&learner).await;
    let told = reason(&found, "Often", "peersDidNext").unwrap();
    assert_eq!(told["text"], "About 50 % of the last 10 learners who finished “Common” took it up soon after");
    assert_eq!((&told["value"], &told["questId"]), (&json!(0.35), &common["id"]));
    assert!(reason(&found, "Rarely", "peersDidNext").is_none(), "four are too few to be spoken of");
    assert_eq!(titles(&found)[0], "Often");
}

#[tokio::test]
async fn the_order_stays_until_something_happens_and_the_answer_is_not_sent_twice() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    for number in 0..15 {
        author.quest(&format!("Quest {number}"), 1, 10).await;
    }
    let first = learner.get(AT).await;
    assert_eq!(first.json()["items"].as_array().unwrap().len(), 10);
    let tag = first.header("etag").unwrap().to_owned();
    service.wait(60);
    let again = learner.send(reqwest::Method::GET, AT, &[("if-none-match", &tag)], None).await;
    assert_eq!(again.status, 304);
    let some = learner.get(&format!("{AT}?limit=3")).await.expect(200);
    assert_eq!(
        some["items"].as_array().unwrap(),
        &first.json()["items"].as_array().unwrap()[..3],
        "places do not depend on the limit"
    );
}

#[tokio::test]
async fn skill_levels_come_from_the_user_service_and_points_stand_in_while_it_is_away() {
    let pool = database().await;
    let users = Users::start().await;
    let args = vec![format!("--user-service-url={}", users.base), "--background-jobs=false".to_owned()];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = async |title: &str, tag: &str| {
        let quest = author.quest(title, 1, 10).await;
        author.patch(&path_of(&quest), json!({"skillTags": [tag]})).await.expect(200)
    };
    quest("On loops", "Loops").await;
    quest("On arrays", "Arrays").await;
    users.has("loops", 3);
    let found = recommended(&learner).await;
    assert_eq!(titles(&found)[0], "On arrays");
    let gap = reason(&found, "On arrays", "skillGap").unwrap();
    assert_eq!(
        (&gap["text"], &gap["skillTag"]),
        (&json!("Builds Arrays: you are at level 0.0, it goes to 1"), &json!("Arrays"))
    );
    assert!(reason(&found, "On loops", "skillGap").is_none());

    let asking = author.quest("Asking", 1, 10).await;
    let criteria = json!({"v": 1, "when": {"op": "skillLevel", "skillTag": "Loops", "minLevel": 2}});
    path(&author, "P", &[(&asking, criteria)]).await;
    service.work_in_background().await;
    let found = recommended(&learner).await;
    let told = reason(&found, "Asking", "skillPrerequisiteMet").unwrap();
    assert_eq!(told["text"], "You have reached level 2 in Loops, which it asks for");

    // Away: what is known is believed, and the answer says so.
    users.is_down(true);
    service.wait(3_600);
    let found = recommended(&learner).await;
    assert_eq!((titles(&found).len(), &found["degraded"]), (3, &json!(true)));
    assert!(reason(&found, "On loops", "skillGap").is_none());
    service.wait(2 * DAY);
    assert!(reason(&recommended(&learner).await, "On loops", "skillGap").is_some(), "too old to be believed");
}

#[tokio::test]
async fn recommendations_cost_5_statements_whatever_the_catalogue() {
    let pool = database().await;
    let users = Users::start().await;
    let (service, counter) = counted_with(&pool, vec![format!("--user-service-url={}", users.base)]).await;
    let (author, learner) = (service.author(), service.learner());
    let mut before = 0;
    for size in [2, 30] {
        for number in 0..size {
            let quest = author.quest(&format!("Quest {size} {number}"), 1, 10).await;
            if number == 0 {
                learner.finish(&quest).await;
            }
        }
        for _ in 0..2 {
            counter.reset();
            assert!(!titles(&recommended(&learner).await).is_empty());
            before = own(&counter).len();
        }
        assert_eq!(before, 5, "{:#?}", own(&counter));
    }
}
