//! How many statements a call costs, counted on the wire.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};

use crate::harness::proxy::Counter;
use crate::harness::{Service, Setup, database, path_of, rows, text};
use crate::step_checks::{checked, quest_of};

pub async fn counted(pool: &PgPool) -> (Service, Counter) {
    counted_with(pool, Vec::new()).await
}

pub async fn counted_with(pool: &PgPool, mut args: Vec<String>) -> (Service, Counter) {
    let mut url = pool.connect_options().to_url_lossy();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let (counter, port) = Counter::start(target).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    url.set_query(Some("sslmode=disable"));
    // Few connections, so that soon each of them knows the enums, which sqlx looks up once per connection.
    // No background work: its statements are nobody's call.
    args.push("--background-jobs=false".to_owned());
    let setup = Setup { database_url: Some(url.to_string()), connections: 2, args, ..Setup::default() };
    (Service::start_with(pool, setup).await, counter)
}

pub fn own(counter: &Counter) -> Vec<String> {
    counter.statements().into_iter().filter(|sql| !sql.contains("pg_catalog")).collect()
}

#[tokio::test]
async fn completing_a_step_costs_at_most_4_statements_and_a_quest_at_most_8() {
    let pool = database().await;
    let (service, counter) = counted(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    for steps in [2, 40] {
        let quest = author.quest(&format!("Q{steps}"), steps, 100).await;
        let next = author.quest(&format!("N{steps}"), 1, 0).await;
        author.needs(&next, &[&quest]).await.expect(200);
        let attempt = learner.attempt(&quest).await;
        let all = attempt["steps"].as_array().unwrap();
        for (index, step) in all.iter().enumerate() {
            counter.reset();
            let answer = learner.complete(&attempt, step, Value::Null).await.expect(200);
            let statements = own(&counter);
            let most = if index + 1 == all.len() { 8 } else { 4 };
            assert!(
                !statements.is_empty() && statements.len() <= most,
                "{} of {most}: {statements:#?}",
                statements.len()
            );
            if index + 1 == all.len() {
                assert_eq!(answer["unlocked"][0]["questId"], next["id"]);
            }
        }
    }
}

#[tokio::test]
async fn a_page_of_a_list_costs_at_most_2_statements() {
    let pool = database().await;
    let (service, counter) = counted(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let first = author.quest("First", 30, 0).await;
    for number in 0..30 {
        let quest = author.quest(&format!("Quest {number}"), 1, 0).await;
        author.needs(&quest, &[&first]).await.expect(200);
        author
            .post(
                &format!("{}/resources", path_of(&first)),
                json!({"resourceType": "Link", "title": "T", "url": "https://example.org"}),
            )
            .await
            .expect(201);
    }
    learner.attempt(&first).await;
    let lists = [
        "/v1/quests".to_owned(),
        "/v1/quests?q=quest".to_owned(),
        "/v1/quests?sort=title&limit=100".to_owned(),
        "/v1/me/attempts".to_owned(),
    ];
    for list in lists {
        counter.reset();
        learner.get(&list).await.expect(200);
        assert!((1..=2).contains(&own(&counter).len()), "{list}: {:#?}", own(&counter));
    }
    for list in ["steps", "resources", "prerequisites"] {
        counter.reset();
        let list = format!("/v1/quests/{}/{list}", text(&first["id"]));
        learner.get(&list).await.expect(200);
        assert!((1..=2).contains(&own(&counter).len()), "{list}: {:#?}", own(&counter));
    }
}

#[tokio::test]
async fn connections_stay_open_from_one_request_to_the_next() {
    let pool = database().await;
    // Of its own: the other one has been opened before.
    let service = Service::start_with(&pool, Setup { connections: 3, ..Setup::default() }).await;
    let author = service.author();
    let quest = author.quest("Kept", 1, 10).await;
    let connections = async || -> Vec<i64> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quests'";
        rows(&pool, sql).await.iter().map(|row| row["pid"].as_i64().unwrap()).collect()
    };
    let before = connections().await;
    assert!(!before.is_empty(), "the pool keeps what it has opened");
    for _ in 0..10 {
        author.get(&path_of(&quest)).await.expect(200);
        service.learner().finish(&quest).await;
    }
    let after = connections().await;
    assert!(before.iter().all(|pid| after.contains(pid)), "{before:?} became {after:?}");
}

#[tokio::test]
async fn tries_results_and_reviews_cost_few_statements() {
    let pool = database().await;
    let (service, counter) = counted(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(uuid::Uuid::new_v4(), &["service"]);
    let problem = uuid::Uuid::new_v4();
    let items = json!([{"id": "q", "kind": "trueFalse", "prompt": "?", "points": 1, "correct": true}]);
    let steps = [
        json!({"v": 1, "type": "Quiz", "minPercent": 100, "items": items}),
        json!({"v": 1, "type": "Coding", "minTestsPassedPercent": 100, "grader": {"ref": "g", "problemId": problem}}),
        json!({"v": 1, "type": "Submission", "accept": [{"kind": "text"}], "review": "manual"}),
    ];
    let steps: Vec<Value> = steps.iter().map(|criteria| checked(text(&criteria["type"]), criteria)).collect();
    let quest = quest_of(&author, "Counted", &steps).await;
    let attempt = learner.attempt(&quest).await;
    let cost = |what: &str, most: usize| {
        let statements = own(&counter);
        counter.reset();
        assert!(
            !statements.is_empty() && statements.len() <= most,
            "{what}: {} of {most}: {statements:#?}",
            statements.len()
        );
    };
    let result = |id: &str, status: &str| json!({"submissionId": id, "authUserId": learner.id, "problemId": problem, "status": status});
    let results = "/v1/integrations/coding-results";

    counter.reset();
    learner
        .complete(&attempt, &attempt["steps"][0], json!({"answers": {"q": false}}))
        .await
        .problem(422, "criteria_not_met");
    cost("a quiz that is not passed", 3);
    // Lock, keep, find the steps and the assessments that it is about; load, read, apply, save, note, tell; what became of it.
    grader.post(results, result("early", "Accepted")).await.expect(200);
    cost("a result that waits", 6);
    learner.complete(&attempt, &attempt["steps"][0], json!({"answers": {"q": true}})).await.expect(200);
    cost("a quiz that lets a result through", 8);
    grader.post(results, result("early", "Accepted")).await.expect(200);
    cost("a result that came before", 4);
    learner.complete(&attempt, &attempt["steps"][2], json!({"text": "mine"})).await.expect(200);
    cost("handing in", 4);
    let review = author.get("/v1/step-reviews").await.expect(200)["items"][0].clone();
    cost("the queue", 1);
    let path = format!("/v1/attempts/{}/steps/{}/review", text(&attempt["id"]), text(&attempt["steps"][2]["stepId"]));
    let headers = [("If-Match", text(&review["etag"]))];
    author.send(reqwest::Method::POST, &path, &headers, Some(&json!({"decision": "accept"}))).await.expect(200);
    cost("a review that completes the quest", 10);
}
