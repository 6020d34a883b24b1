//! The User Service while it is well, and while it is not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::users::{Mode, Users};
use crate::harness::{Client, Service, Setup, database, path_of, text};

/// What the service has where nothing is set.
const DEFAULTS: [&str; 2] = ["--user-service-timeout-ms=500", "--user-service-connect-timeout-ms=200"];

async fn timed(client: &Client, path: &str) -> (Duration, Value) {
    let started = Instant::now();
    let reply = client.get(path).await;
    (started.elapsed(), reply.expect(200))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unwell_user_service_costs_nobody_a_second_nor_an_answer() {
    let pool = database().await;
    let users = Users::start().await;
    let mut args = vec![format!("--user-service-url={}", users.base)];
    args.extend(DEFAULTS.map(str::to_owned));
    let service = Arc::new(Service::start_with(&pool, Setup { args, ..Setup::default() }).await);
    let author = service.author();
    let quest = author.quest("A", 1, 10).await;
    let gate = json!({"v": 1, "when": {"op": "skillLevel", "skillTag": "loops", "minLevel": 1}});
    let path = author
        .post("/v1/learning-paths", json!({"name": "P", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    let list = json!({"quests": [{"questId": quest["id"], "difficultyLevel": "Beginner", "isMandatory": true, "unlockCriteria": gate}]});
    author.put(&format!("{at}/quests"), list).await.expect(200);
    author.post(&format!("{at}/publish"), json!({})).await.expect(200);
    let eligibility = format!("{}/eligibility", path_of(&quest));
    let mut times = Vec::new();
    for mode in [
        Mode::Slow(Duration::from_secs(30)),
        Mode::Refuses(500),
        Mode::Refuses(503),
        Mode::HangsUp,
        Mode::WrongJson,
        Mode::Huge,
    ] {
        users.behaves(mode);
        let before = users.calls();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (service, eligibility) = (service.clone(), eligibility.clone());
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    for _ in 0..3 {
                        let learner = service.learner();
                        for path in ["/v1/me", "/v1/me/recommendations", &eligibility] {
                            let (time, body) = timed(&learner, path).await;
                            assert!(path != "/v1/me" || body["degraded"] == true, "{mode:?}: {body}");
                            times.push((time, format!("{mode:?} {path}")));
                        }
                    }
                    times
                })
            })
            .collect();
        for worker in workers {
            times.extend(worker.await.unwrap());
        }
        let asked = users.calls();
        assert!(asked > before, "{mode:?}");
        assert_eq!(timed(&service.learner(), "/v1/me").await.1["degraded"], true);
        if matches!(mode, Mode::WrongJson | Mode::Huge) {
            assert_eq!(users.calls(), asked + 1, "{mode:?}: one caller's odd data say nothing of the others'");
        } else {
            assert_eq!(users.calls(), asked, "{mode:?}: who has failed is left in peace");
        }
        users.behaves(Mode::Well);
        service.wait(6);
        service.learner().get("/v1/me/recommendations").await.expect(200);
        assert_eq!(service.learner().get("/v1/me").await.expect(200)["degraded"], false, "{mode:?}");
    }
    times.sort_unstable();
    let over = times.len() / 100;
    let p99 = &times[times.len() - 1 - over];
    assert!(p99.0 < Duration::from_secs(1), "of {}: {:?}", times.len(), &times[times.len() - 10..]);
}

#[tokio::test]
async fn a_user_service_that_is_not_there_costs_nobody_a_second_nor_an_answer() {
    let pool = database().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Nobody accepts at the second address, and its queue is full: connecting hangs.
    let full = tokio::net::TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let hanging = full.local_addr().unwrap();
    let connect = || tokio::time::timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(hanging));
    let queued = join_all((0..8).map(|_| connect())).await;
    assert!(queued.iter().any(Result::is_err), "the queue is full");
    let refusing = free.local_addr().unwrap();
    drop(free);
    for address in [refusing, hanging] {
        let mut args = vec![format!("--user-service-url=http://{address}")];
        args.extend(DEFAULTS.map(str::to_owned));
        let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
        for path in ["/v1/me", "/v1/me/recommendations"] {
            let (time, body) = timed(&service.learner(), path).await;
            assert_eq!(body["degraded"], true, "{path} at {address}");
            assert!(time < Duration::from_secs(1), "{path} at {address}: {time:?}");
        }
    }
}

#[tokio::test]
async fn one_failure_is_tried_again_and_a_paused_endpoint_holds_up_no_other() {
    let pool = database().await;
    let users = Users::start().await;
    let args = vec![format!("--user-service-url={}", users.base)];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    users.behaves(Mode::Stumbles);
    assert_eq!(service.learner().get("/v1/me").await.expect(200)["degraded"], false);
    assert_eq!(users.calls(), 2);
    users.behaves(Mode::Refuses(500));
    assert_eq!(service.learner().get("/v1/me").await.expect(200)["degraded"], true);
    assert_eq!(users.calls(), 4, "once more, and not for ever");
    // Refused, not away: asked once.
    users.behaves(Mode::Refuses(403));
    service.wait(6);
    assert_eq!(service.learner().get("/v1/me").await.expect(200)["degraded"], true);
    assert_eq!(users.calls(), 5);
    users.behaves(Mode::Refuses(500));
    service.learner().get("/v1/me").await.expect(200);
    users.behaves(Mode::Well);
    let asked = users.calls();
    assert_eq!(service.learner().get("/v1/me").await.expect(200)["degraded"], true, "its endpoint pauses");
    assert_eq!(users.calls(), asked);
    service.learner().get("/v1/me/recommendations").await.expect(200);
    assert_eq!(users.calls(), asked + 1, "another one does not");
}

#[tokio::test]
async fn no_more_calls_are_under_way_at_a_time_than_the_setting_allows() {
    let pool = database().await;
    let users = Users::start().await;
    let args = vec![format!("--user-service-url={}", users.base), "--user-service-max-concurrent=2".to_owned()];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    users.behaves(Mode::Slow(Duration::from_millis(30)));
    let learners: Vec<Client> = (0..8).map(|_| service.learner()).collect();
    let shown = join_all(learners.iter().map(|learner| learner.get("/v1/me"))).await;
    for reply in shown {
        assert_eq!(reply.expect(200)["degraded"], false, "who has to wait is answered all the same");
    }
    assert_eq!((users.calls(), users.most_at_once()), (8, 2));
}

#[tokio::test]
async fn the_last_profile_is_shown_while_the_user_service_is_away() {
    let pool = database().await;
    let users = Users::start().await;
    let args = vec![format!("--user-service-url={}", users.base)];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    let (learner, other) = (service.learner(), service.learner());
    let me = async |client: &Client| client.get("/v1/me").await.expect(200);
    assert_eq!(me(&learner).await["profile"]["username"], "lena");
    me(&learner).await;
    assert_eq!(users.calls(), 1, "kept for a moment");
    users.is_down(true);
    service.wait(31);
    let shown = me(&learner).await;
    assert_eq!((&shown["profile"]["username"], &shown["degraded"]), (&json!("lena"), &json!(true)));
    let shown = me(&other).await;
    assert_eq!((&shown["profile"], &shown["degraded"]), (&Value::Null, &json!(true)), "nobody sees another's");
    service.wait(600);
    assert_eq!(me(&learner).await["profile"], Value::Null, "too old");
    users.is_down(false);
    service.wait(6);
    assert_eq!(me(&learner).await["degraded"], false);
    users.refuses(404);
    service.wait(31);
    let shown = me(&learner).await;
    assert_eq!((&shown["profile"], &shown["degraded"]), (&Value::Null, &json!(false)), "there is no such user");
}
