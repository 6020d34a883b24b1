//! A database whose connections fall silent: no answer, no error.

use serde_json::json;

use super::gate::Gate;
use crate::harness::{Service, Setup, database, path_of, url_of};

#[tokio::test]
async fn connections_that_fall_silent_are_given_up_and_the_service_goes_on_and_ends() {
    let pool = database().await;
    let gate = Gate::start(&url_of(&pool.connect_options())).await;
    let args = ["transaction", "acquire"].map(|what| format!("--database-{what}-timeout-ms=500"));
    let args = [args.to_vec(), vec!["--request-timeout-ms=1000".to_owned()]].concat();
    let setup = Setup { database_url: Some(gate.url.clone()), connections: 2, args, ..Setup::default() };
    let service = Service::start_with(&pool, setup).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Q", 1, 10).await;

    gate.silence();
    // Reads and writes, more than there are connections.
    let refused = futures_util::future::join_all((0..4).map(async |number| {
        if number % 2 == 0 {
            learner.get(&path_of(&quest)).await
        } else {
            learner.post(&format!("{}/attempt", path_of(&quest)), json!({})).await
        }
    }))
    .await;
    assert!(refused.iter().any(|reply| reply.status == 503), "the connections were not silent");
    let again = async {
        while !learner.get(&path_of(&quest)).await.status.is_success() {}
        learner.finish(&quest).await
    };
    let again = tokio::time::timeout(std::time::Duration::from_secs(20), again).await;
    assert_eq!(again.expect("goes on over new connections")["attempt"]["status"], "Completed");

    gate.stall();
    learner.get(&path_of(&quest)).await.problem(503, "unavailable");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), service.stop()).await;
    assert!(ended.is_ok(), "the service does not end");
}
