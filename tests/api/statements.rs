//! How many statements a call costs, counted on the wire.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};

use crate::harness::proxy::Counter;
use crate::harness::{Service, Setup, path_of, rows, text};

pub async fn counted(pool: &PgPool) -> (Service, Counter) {
    let mut url = pool.connect_options().to_url_lossy();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let (counter, port) = Counter::start(target).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    url.set_query(Some("sslmode=disable"));
    // Few connections, so that soon each of them knows the enums, which sqlx looks up once per connection.
    // No background work: its statements are nobody's call.
    let args = vec!["--background-jobs=false".to_owned()];
    let setup = Setup { database_url: Some(url.to_string()), connections: 2, args, ..Setup::default() };
    (Service::start_with(pool, setup).await, counter)
}

pub fn own(counter: &Counter) -> Vec<String> {
    counter.statements().into_iter().filter(|sql| !sql.contains("pg_catalog")).collect()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn completing_a_step_costs_at_most_4_statements_and_a_quest_at_most_8(pool: PgPool) {
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

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_page_of_a_list_costs_at_most_2_statements(pool: PgPool) {
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

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn connections_stay_open_from_one_request_to_the_next(pool: PgPool) {
    let service = Service::start(&pool).await;
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
