//! What other services say on the broker.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::{BasicProperties, ExchangeKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::messages::Neighbours;
use crate::harness::{Client, Service, Setup, amqp_url, database, execute, path_of, rounds, rows, step, text, verify};
use crate::step_checks::{checked, quest_of};

async fn start(pool: &PgPool) -> (Service, Neighbours) {
    let neighbours = Neighbours::start(&amqp_url()).await;
    neighbours.declare("sse", ExchangeKind::Fanout).await;
    let service = listening(pool, &neighbours).await;
    neighbours.until_bound().await;
    (service, neighbours)
}

async fn listening(pool: &PgPool, neighbours: &Neighbours) -> Service {
    let setup = Setup { amqp_url: Some(amqp_url()), args: neighbours.args(), ..Setup::default() };
    Service::start_with(pool, setup).await
}

fn coding(problem: Uuid) -> Value {
    checked(
        "code",
        &json!({"v": 1, "type": "Coding", "grader": {"ref": "event-service", "problemId": problem}, "minTestsPassedPercent": 100}),
    )
}

fn discussion() -> Value {
    checked("meet", &json!({"v": 1, "type": "Discussion", "meetingRequired": true}))
}

/// As the Event Service sends it.
fn verdict(learner: Uuid, problem: Uuid, submission: &str, status: &str) -> Value {
    let kind = if status == "Accepted" { "CORRECT_SOLUTION_SUBMITTED" } else { "WRONG_SOLUTION_SUBMITTED" };
    json!({
        "EventType": kind,
        "Data": {
            "SolutionSubmitted": {
                "SubmissionID": submission, "PlayerID": learner, "EventID": Uuid::new_v4(), "RoomID": Uuid::new_v4(),
                "ProblemID": problem, "Language": "c", "SubmittedTime": "2026-09-01T08:00:00Z"
            },
            "Status": status, "Score": 100.0, "ExecutionTimeMs": 12
        }
    })
}

/// Waits until the attempt says so; the broker has its own pace.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waited).await.is_ok(), "never: {what}");
}

async fn status(learner: &Client, attempt: &Value) -> String {
    let seen = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    text(&seen["status"]).to_owned()
}

#[tokio::test]
async fn an_accepted_solution_completes_the_coding_step_with_its_cascade() {
    let pool = database().await;
    let (service, neighbours) = start(&pool).await;
    let (author, learner, problem) = (service.author(), service.learner(), Uuid::new_v4());
    let quest = quest_of(&author, "Code", &[coding(problem)]).await;
    let attempt = learner.attempt(&quest).await;
    neighbours.verdict(&verdict(learner.id, problem, "wrong-1", "WrongAnswer")).await;
    let (submission, trace) = (Uuid::new_v4(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("traceparent".into(), lapin::types::AMQPValue::LongString(trace.into()));
    let properties = BasicProperties::default().with_correlation_id("game-7".into()).with_headers(headers);
    let body = verdict(learner.id, problem, &submission.to_string(), "Accepted").to_string();
    neighbours.publish("sse", "", body.as_bytes(), properties.clone()).await;
    until("completed", async || status(&learner, &attempt).await == "Completed").await;

    let seen = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!(seen["steps"][0]["attemptsCount"], 2, "a wrong one counts a try");
    let events = rows(
        &pool,
        &format!(
            "SELECT event_type, correlation_id, causation_id, traceparent FROM outbox_events
                  WHERE auth_user_id = '{}' AND event_type <> 'QuestStarted' ORDER BY learner_seq",
            learner.id
        ),
    )
    .await;
    assert_eq!(events[0]["event_type"], "StepCompleted");
    assert_eq!(events[0]["causation_id"], json!(submission), "the message is the cause");
    assert!(events.iter().all(|event| event["correlation_id"] == "game-7" && event["traceparent"] == trace));
    assert!(events.iter().skip(1).all(|event| !event["causation_id"].is_null()));

    // The same again, and a copy through the other door: nothing more.
    neighbours.publish("sse", "", body.as_bytes(), properties).await;
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let input = json!({"submissionId": submission.to_string(), "authUserId": learner.id, "problemId": problem, "status": "Accepted"});
    assert_eq!(grader.post("/v1/integrations/coding-results", input).await.expect(200)["isNew"], false);
    neighbours.verdict(&verdict(learner.id, problem, "last", "Accepted")).await;
    until("the last one is kept", async || {
        !rows(&pool, "SELECT 1 AS one FROM inbox_messages WHERE message_key = 'last'").await.is_empty()
    })
    .await;
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM outbox_events").await.len(), events.len() + 1);
    assert!(neighbours.dead_now().await.is_none());
    verify(&pool).await;
    service.stop().await;
    neighbours.remove().await;
}

#[tokio::test]
async fn what_comes_before_its_step_is_open_waits_and_both_orders_end_alike() {
    let pool = database().await;
    let (service, neighbours) = start(&pool).await;
    let (author, problem) = (service.author(), Uuid::new_v4());
    let quest = quest_of(&author, "Order", &[step("first"), coding(problem), discussion()]).await;
    for early in [true, false] {
        let learner = service.learner();
        let meeting = json!({"meetingId": Uuid::new_v4(), "questId": quest["id"], "participants": [learner.id], "endedAt": "2026-09-01T07:00:00Z"});
        let verdict = verdict(learner.id, problem, &Uuid::new_v4().to_string(), "Accepted");
        if early {
            // Before there is even an attempt, and in the wrong order.
            neighbours.meeting(&meeting).await;
            neighbours.verdict(&verdict).await;
            until("both are kept", async || {
                let kept = format!("SELECT 1 AS one FROM evidence WHERE auth_user_id = '{}'", learner.id);
                rows(&pool, &kept).await.len() == 2
            })
            .await;
        }
        let attempt = learner.attempt(&quest).await;
        learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
        if !early {
            neighbours.verdict(&verdict).await;
            neighbours.meeting(&meeting).await;
        }
        until("completed", async || status(&learner, &attempt).await == "Completed").await;
    }
    verify(&pool).await;
    service.stop().await;
    neighbours.remove().await;
}

#[tokio::test]
async fn a_meeting_counts_for_everyone_who_took_part_over_the_broker_and_over_rest() {
    let pool = database().await;
    let (service, neighbours) = start(&pool).await;
    let author = service.author();
    let quest = quest_of(&author, "Meet", &[discussion()]).await;
    let (one, two, absent) = (service.learner(), service.learner(), service.learner());
    let mut attempts = Vec::new();
    for learner in [&one, &two, &absent] {
        attempts.push(learner.attempt(&quest).await);
    }
    let meeting = |id: &str, who: &[Uuid]| json!({"meetingId": id, "questId": quest["id"], "participants": who, "endedAt": "2026-09-01T07:00:00Z"});
    neighbours.meeting(&meeting("m1", &[one.id, two.id, one.id])).await;
    for (learner, attempt) in [(&one, &attempts[0]), (&two, &attempts[1])] {
        until("completed", async || status(learner, attempt).await == "Completed").await;
    }
    assert_eq!(status(&absent, &attempts[2]).await, "InProgress");

    let service_client = service.client_as(Uuid::new_v4(), &["service"]);
    let path = "/v1/integrations/meeting-results";
    let answer = service_client.post(path, meeting("m2", &[absent.id, one.id])).await.expect(200);
    let items: BTreeMap<&str, bool> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (text(&item["authUserId"]), item["applied"].as_array().unwrap().len() == 1))
        .collect();
    assert_eq!(items, BTreeMap::from([(&*one.id.to_string(), false), (&*absent.id.to_string(), true)]));
    assert_eq!(status(&absent, &attempts[2]).await, "Completed");
    // The same meeting over the other door is no second one.
    let again = service_client.post(path, meeting("m1", &[one.id, two.id])).await.expect(200);
    assert!(again["items"].as_array().unwrap().iter().all(|item| item["isNew"] == json!(false)));

    for (bad, pointer) in [
        (meeting("", &[one.id]), "/meetingId"),
        (meeting("m3", &[]), "/participants"),
        (meeting("m3", &vec![one.id; 501]), "/participants"),
    ] {
        let refused = service_client.post(path, bad).await.problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    one.post(path, meeting("m4", &[one.id])).await.problem(403, "forbidden");
    verify(&pool).await;
    service.stop().await;
    neighbours.remove().await;
}

#[tokio::test]
async fn a_message_waits_while_the_database_refuses_and_is_buried_when_that_goes_on() {
    let pool = database().await;
    let (service, neighbours) = start(&pool).await;
    let (author, learner, problem) = (service.author(), service.learner(), Uuid::new_v4());
    let attempt = learner.attempt(&quest_of(&author, "Retry", &[coding(problem)]).await).await;
    // Refuses what is of one learner; the name is the test's own, so that the next one drops it.
    let refuse =
        format!("ALTER TABLE evidence ADD CONSTRAINT test_refuses CHECK (auth_user_id <> '{}') NOT VALID", learner.id);
    execute(&pool, refuse).await;
    neighbours.verdict(&verdict(learner.id, problem, "refused", "Accepted")).await;
    let dead = neighbours.dead().await;
    assert!(dead.reason.contains("test_refuses"), "{}", dead.reason);
    assert_eq!(dead.queue, neighbours.queue("events"));
    assert_eq!(status(&learner, &attempt).await, "InProgress");
    assert!(rows(&pool, "SELECT 1 AS one FROM inbox_messages").await.is_empty(), "its key is free for a second try");
    execute(&pool, "ALTER TABLE evidence DROP CONSTRAINT test_refuses".to_owned()).await;
    // An operator sends it once more, as it was.
    neighbours.publish("sse", "", &dead.body, BasicProperties::default()).await;
    until("completed", async || status(&learner, &attempt).await == "Completed").await;
    verify(&pool).await;
    service.stop().await;
    neighbours.remove().await;
}

#[tokio::test]
async fn a_message_waits_for_as_long_as_the_database_takes_no_writes() {
    let pool = database().await;
    let (service, neighbours) = start(&pool).await;
    let (author, learner, problem) = (service.author(), service.learner(), Uuid::new_v4());
    let attempt = learner.attempt(&quest_of(&author, "Read only", &[coding(problem)]).await).await;
    // As after a failover; a sequence counts the tries, whose transactions are rolled back.
    for sql in [
        "CREATE SEQUENCE test_tries".to_owned(),
        "CREATE FUNCTION test_read_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM nextval('test_tries');
             RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' USING ERRCODE = '25006';
         END $$"
            .to_owned(),
        format!(
            "CREATE TRIGGER test_read_only BEFORE INSERT ON evidence FOR EACH ROW
                 WHEN (NEW.auth_user_id = '{}') EXECUTE FUNCTION test_read_only()",
            learner.id
        ),
    ] {
        execute(&pool, sql).await;
    }
    neighbours.verdict(&verdict(learner.id, problem, "read-only", "Accepted")).await;
    // More tries than a message has that is refused.
    until("tried often", async || {
        rows(&pool, "SELECT last_value AS tries FROM test_tries").await[0]["tries"].as_i64() > Some(7)
    })
    .await;
    assert!(neighbours.dead_now().await.is_none());
    execute(&pool, "DROP TRIGGER test_read_only ON evidence".to_owned()).await;
    until("completed", async || status(&learner, &attempt).await == "Completed").await;
    verify(&pool).await;
    service.stop().await;
    neighbours.remove().await;
}

#[tokio::test]
async fn messages_wait_for_a_service_that_is_away_and_exchanges_are_taken_as_they_are() {
    let pool = database().await;
    let neighbours = Neighbours::start(&amqp_url()).await;
    // The Meeting Service has made its own of another type; the Event Service has made none yet.
    neighbours.declare("meetings", ExchangeKind::Fanout).await;
    let service = listening(&pool, &neighbours).await;
    neighbours.until_bound().await;
    let (author, learner, problem) = (service.author(), service.learner(), Uuid::new_v4());
    let quest = quest_of(&author, "Away", &[coding(problem), discussion()]).await;
    let attempt = learner.attempt(&quest).await;
    let (path, token) = (path_of(&quest), learner.token.clone());
    service.stop().await;
    neighbours.verdict(&verdict(learner.id, problem, "while-away", "Accepted")).await;
    neighbours
        .meeting(&json!({"meetingId": "while-away", "questId": quest["id"], "participants": [learner.id], "endedAt": "2026-09-01T07:00:00Z"}))
        .await;
    let service = listening(&pool, &neighbours).await;
    let learner = Client { base: service.base.clone(), token, ..service.learner() };
    until("completed", async || status(&learner, &attempt).await == "Completed").await;
    learner.get(&path).await.expect(200);
    // The queue is deleted under us: it comes back.
    neighbours
        .channel
        .queue_delete(neighbours.queue("events").into(), lapin::options::QueueDeleteOptions::default())
        .await
        .unwrap();
    neighbours.until_bound().await;
    service.stop().await;
    neighbours.remove().await;
}

#[tokio::test]
async fn a_user_who_is_deleted_elsewhere_is_erased_here_however_often_it_is_said() {
    let pool = database().await;
    let (service, neighbours) = start(&pool).await;
    let (author, gone, stays) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Leave", 1, 10).await;
    gone.finish(&quest).await;
    stays.finish(&quest).await;
    let known = async |who: Uuid| {
        !rows(&pool, &format!("SELECT 1 AS one FROM learners WHERE auth_user_id = '{who}'")).await.is_empty()
    };
    for _ in 0..2 {
        neighbours.user_deleted(&json!({"authUserId": gone.id})).await;
    }
    // Nobody whom we know.
    neighbours.user_deleted(&json!({"authUserId": Uuid::new_v4()})).await;
    // One after the other: when the last one is dead, those before are done.
    neighbours.user_deleted(&json!({"authUserId": 7})).await;
    assert!(neighbours.dead().await.reason.contains("authUserId"));
    assert!(!known(gone.id).await && known(stays.id).await);
    let erased = rows(&pool, "SELECT 1 AS one FROM audit_log WHERE action = 'erase'").await;
    assert_eq!(erased.len(), 1, "once");
    let attempts = rows(&pool, "SELECT auth_user_id FROM user_quest_attempts WHERE status = 'Completed'").await;
    assert_eq!(attempts.len(), 2, "counts stay");
    assert!(neighbours.dead_now().await.is_none());
    verify(&pool).await;
    service.stop().await;
    neighbours.remove().await;
}

/// What a hostile message should come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Dead,
    /// Acknowledged, whatever it says.
    Taken,
}

/// A message that means harm, to one of the queues.
fn hostile(chance: &mut StdRng, number: usize, victim: Uuid, problem: Uuid) -> (&'static str, Vec<u8>, Fate) {
    let valid = verdict(Uuid::new_v4(), Uuid::new_v4(), &format!("valid-{number}"), "Accepted");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = valid.clone();
        change(&mut body);
        body.to_string().into_bytes()
    };
    match chance.random_range(0..18) {
        0 => ("sse", (0..chance.random_range(0..200)).map(|_| chance.random()).collect(), Fate::Dead),
        1 => {
            let text = valid.to_string();
            let cut = chance.random_range(0..text.len());
            ("sse", text.as_bytes()[..cut].to_vec(), Fate::Dead)
        }
        2 => ("sse", vec![b'['; chance.random_range(1..100_000)], Fate::Dead),
        3 => ("sse", format!("\"{}\"", "x".repeat(300_000)).into_bytes(), Fate::Dead),
        4 => ("sse", changed(&|body| body["Data"]["SolutionSubmitted"]["PlayerID"] = json!("not-a-uuid")), Fate::Dead),
        5 => ("sse", changed(&|body| body["Data"]["Status"] = json!(["Accepted"])), Fate::Dead),
        6 => ("sse", changed(&|body| body["Data"]["Status"] = json!("WrongAnswer")), Fate::Dead),
        7 => ("sse", changed(&|body| body["Data"]["SolutionSubmitted"]["SubmissionID"] = json!("")), Fate::Dead),
        8 => ("sse", changed(&|body| body["Data"]["SolutionSubmitted"]["Language"] = json!("c\u{0}")), Fate::Dead),
        9 => ("sse", changed(&|body| body["Data"]["Score"] = json!(1e300)), Fate::Dead),
        10 => ("sse", changed(&|body| body["EventType"] = json!("PLAYER_JOINED")), Fate::Taken),
        // What is wrong is quoted in the reason, and is longer than a frame.
        16 => ("sse", changed(&|body| body["Data"]["ExecutionTimeMs"] = json!("x".repeat(200_000))), Fate::Dead),
        17 => {
            let body = json!({"meetingId": "y".repeat(150_000), "questId": "z".repeat(50_000)});
            ("meetings", body.to_string().into_bytes(), Fate::Dead)
        }
        // For somebody who has no attempt, or a problem that nobody asks for.
        11 => ("sse", valid.to_string().into_bytes(), Fate::Taken),
        // Of the victim, but wrong, or for another problem.
        12 => {
            let body = verdict(victim, problem, &format!("wrong-{number}"), "TimeLimitExceeded");
            ("sse", body.to_string().into_bytes(), Fate::Taken)
        }
        13 => {
            let body = verdict(victim, Uuid::new_v4(), &format!("other-{number}"), "Accepted");
            ("sse", body.to_string().into_bytes(), Fate::Taken)
        }
        14 => {
            let bad = [
                json!({}),
                json!({"meetingId": 7, "questId": Uuid::new_v4(), "participants": [], "endedAt": "now"}),
                json!({"meetingId": "m", "questId": Uuid::new_v4(), "participants": vec![victim; 600], "endedAt": "2026-09-01T07:00:00Z"}),
                json!([1, 2, 3]),
            ];
            ("meetings", bad[chance.random_range(0..4)].to_string().into_bytes(), Fate::Dead)
        }
        _ => {
            let bad = [json!({}), json!({"authUserId": null}), json!({"authUserId": "everyone"}), json!("*")];
            ("users", bad[chance.random_range(0..4)].to_string().into_bytes(), Fate::Dead)
        }
    }
}

/// What a sender may tell the broker: to deliver copies, to forget the message soon; headers of many bytes.
fn orders(chance: &mut StdRng, neighbours: &Neighbours) -> BasicProperties {
    let mut headers = lapin::types::FieldTable::default();
    match chance.random_range(0..12) {
        0 => {
            // A copy for a queue that nobody has.
            let copy = lapin::types::AMQPValue::LongString(format!("{}-nowhere", neighbours.queue("events")).into());
            headers.insert("CC".into(), lapin::types::AMQPValue::FieldArray(vec![copy].into()));
        }
        1 => return BasicProperties::default().with_expiration("600000".into()),
        2 => {
            headers.insert("big".into(), lapin::types::AMQPValue::LongString("h".repeat(100_000).into()));
        }
        _ => {}
    }
    BasicProperties::default().with_headers(headers)
}

#[tokio::test]
async fn hostile_messages_complete_nothing_stop_nothing_and_are_all_accounted_for() {
    let pool = database().await;
    let (service, neighbours) = start(&pool).await;
    let (author, victim, problem) = (service.author(), service.learner(), Uuid::new_v4());
    let quest = quest_of(&author, "Target", &[coding(problem), discussion()]).await;
    let attempt = victim.attempt(&quest).await;
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut expected: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut keep: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut honest = Vec::new();
    for number in 0..rounds(500, 10_000) {
        let (exchange, body, fate) = if !keep.is_empty() && chance.random_ratio(1, 12) {
            // A replay changes nothing; the same key with another content is buried.
            let (exchange, body) = keep[chance.random_range(0..keep.len())].clone();
            let mut again: Value = serde_json::from_slice(&body).unwrap();
            if chance.random() {
                (exchange, body, Fate::Taken)
            } else {
                again["Data"]["SolutionSubmitted"]["PlayerID"] = json!(victim.id);
                again["Data"]["SolutionSubmitted"]["ProblemID"] = json!(problem);
                (exchange, again.to_string().into_bytes(), Fate::Dead)
            }
        } else {
            let (exchange, body, fate) = hostile(&mut chance, number, victim.id, problem);
            if fate == Fate::Taken
                && body.windows(6).any(|part| part == b"valid-")
                && !body.windows(13).any(|part| part == b"PLAYER_JOINED")
            {
                keep.push((exchange, body.clone()));
            }
            (exchange, body, fate)
        };
        if fate == Fate::Dead {
            *expected.entry(body.clone()).or_default() += 1;
        }
        let key = match exchange {
            "meetings" => "meetings.meeting-completed",
            "users" => "users.user-deleted",
            _ => "",
        };
        neighbours.publish(exchange, key, &body, orders(&mut chance, &neighbours)).await;
        // Between them, what is meant well arrives all the same.
        if number % 100 == 50 {
            let learner = service.learner();
            let attempt = learner.attempt(&quest).await;
            neighbours.verdict(&verdict(learner.id, problem, &format!("honest-{number}"), "Accepted")).await;
            neighbours
                .meeting(&json!({"meetingId": format!("honest-{number}"), "questId": quest["id"], "participants": [learner.id], "endedAt": "2026-09-01T07:00:00Z"}))
                .await;
            honest.push((learner, attempt));
        }
    }
    for (learner, attempt) in &honest {
        until("the honest complete", async || status(learner, attempt).await == "Completed").await;
    }
    let mut buried: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for _ in 0..expected.values().sum::<usize>() {
        let dead = neighbours.dead().await;
        assert!(!dead.reason.is_empty() && dead.queue.starts_with(&neighbours.queue("")));
        *buried.entry(dead.body).or_default() += 1;
    }
    assert!(buried == expected, "what is dead is not what was sent");
    assert_eq!(status(&victim, &attempt).await, "InProgress");
    for of in ["events", "meetings", "users"] {
        until("the queue is empty", async || neighbours.depth(of).await.unwrap().0 == 0).await;
    }
    // What is under way is finished, or goes back to the queue.
    service.stop().await;
    for of in ["events", "meetings", "users"] {
        assert_eq!(neighbours.depth(of).await.unwrap().0, 0, "{of}");
    }
    assert!(neighbours.dead_now().await.is_none());
    let completed = rows(&pool, "SELECT 1 AS one FROM user_quest_step_progress WHERE status = 'Completed'").await;
    assert_eq!(completed.len(), honest.len() * 2);
    let victims =
        rows(&pool, &format!("SELECT status FROM user_quest_attempts WHERE auth_user_id = '{}'", victim.id)).await;
    assert_eq!(victims[0]["status"], "InProgress");
    verify(&pool).await;
    neighbours.remove().await;
}
