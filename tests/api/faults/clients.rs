//! Clients that vanish in the middle of a request.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use rand::RngExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::ledger::Acknowledged;
use crate::harness::{Client, Service, Setup, database, path_of, rows, text, verify};

const VANISHING: usize = 2_000;
const AT_ONCE: usize = 50;

/// Writes the request, or half of it, and closes the connection without reading an answer.
async fn vanish(client: &Client, path: &str, body: &Value) {
    let host = client.base.strip_prefix("http://").unwrap();
    let (token, body) = (client.token.as_deref().unwrap(), body.to_string());
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (part, pause) = {
        let mut random = rand::rng();
        let part = if random.random_bool(0.2) { random.random_range(1..request.len()) } else { request.len() };
        (part, if random.random_bool(0.25) { 0 } else { random.random_range(0..3_000) })
    };
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(&request.as_bytes()[..part]).await.unwrap();
    if pause > 0 {
        tokio::time::sleep(Duration::from_micros(pause)).await;
    }
}

fn draft() -> Value {
    json!({"title": "Vanishing", "description": "Gone", "questType": "Practice", "difficultyLevel": "Beginner"})
}

/// One learner or author whose clients vanish, with the ordinary requests around that; of three, four vanish.
async fn one(service: &Service, author: &Client, quest: &Value, number: usize) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let learner = service.learner();
    match number % 3 {
        0 => vanish(author, "/v1/quests", &draft()).await,
        1 => vanish(&learner, &format!("{}/attempt", path_of(quest)), &json!({})).await,
        _ => {
            let attempt = learner.attempt(quest).await;
            let (id, steps) = (text(&attempt["id"]).to_owned(), attempt["steps"].as_array().unwrap());
            let path = |step: &Value| format!("/v1/attempts/{id}/steps/{}/complete", text(&step["stepId"]));
            // Vanishes in one completion, asks for it again, and vanishes in the one after.
            vanish(&learner, &path(&steps[0]), &json!({})).await;
            learner.complete(&attempt, &steps[0], Value::Null).await.expect(200);
            vanish(&learner, &path(&steps[1]), &json!({})).await;
            acknowledged.steps.insert((id.clone(), text(&steps[0]["stepId"]).to_owned()));
            acknowledged.attempts.insert(id);
        }
    }
    if number.is_multiple_of(20) {
        let quest = author.post("/v1/quests", draft()).await.expect(201);
        acknowledged.quests.insert(text(&quest["id"]).to_owned());
    }
    acknowledged
}

#[tokio::test]
async fn two_thousand_clients_that_vanish_leave_no_transaction_open_and_no_drift() {
    let pool = database().await;
    // PostgreSQL itself must not be what ends a forgotten transaction.
    // On a machine that does something else, too, a thousand clients may wait long for their turn.
    let args = vec![
        "--database-idle-transaction-timeout-ms=600000".to_owned(),
        "--database-acquire-timeout-ms=20000".to_owned(),
    ];
    let service = Service::start_with(&pool, Setup { connections: 10, args, ..Setup::default() }).await;
    let author = service.author();
    let quest = author.quest("Stays", 2, 20).await;
    let mut acknowledged = Acknowledged::default();
    let mut all = stream::iter(0..VANISHING / 4 * 3)
        .map(|number| one(&service, &author, &quest, number))
        .buffer_unordered(AT_ONCE);
    while let Some(its) = all.next().await {
        acknowledged.extend(its);
    }
    drop(all);

    let sessions = "SELECT state, query FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
    let mut busy = Vec::new();
    let quiet = async {
        loop {
            busy = rows(&pool, sessions).await;
            if busy.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let quiet = tokio::time::timeout(Duration::from_secs(10), quiet).await;
    assert!(quiet.is_ok(), "not quiet: {busy:?}");
    acknowledged.is_kept(&pool).await;
    verify(&pool).await;
    // All connections are there for those who stay.
    for learner in 0..20 {
        let learner = service.client_as(uuid::Uuid::from_u128(learner), &["Player"]);
        learner.finish(&quest).await;
    }
    verify(&pool).await;
    service.stop().await;
}
