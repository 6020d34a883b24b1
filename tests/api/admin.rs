//! What admins see of the logs, sending events again, and releasing what is parked.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::broker::{Consumer, Received};
use crate::harness::{Client, Service, Setup, amqp_url, database, execute, rows, text, verify};
use crate::inbox::until;

fn admin(service: &Service) -> Client {
    service.client_as(Uuid::new_v4(), &["Game Master"])
}

async fn with_broker(pool: &PgPool, exchange: &str, args: &[&str]) -> Service {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let setup = Setup { amqp_url: Some(amqp_url()), exchange: exchange.to_owned(), args, ..Setup::default() };
    Service::start_with(pool, setup).await
}

async fn consumer() -> (Consumer, String) {
    let exchange = Setup::default().exchange;
    (Consumer::start(&amqp_url(), &exchange).await, exchange)
}

fn is_replayed(message: &Received) -> bool {
    message.body["replayed"] == json!(true)
}

/// Published events of three learners, written behind the service's back: `count` each.
async fn old_events(pool: &PgPool, count: usize) {
    execute(
        pool,
        format!(
            "WITH numbered AS (SELECT who, n FROM generate_series(1, {count}) AS n, generate_series(1, 3) AS who ORDER BY n),
                  known AS (INSERT INTO learners (auth_user_id, event_seq)
                            SELECT md5(who::text)::uuid, {count} FROM generate_series(1, 3) AS who)
             INSERT INTO outbox_events (id, auth_user_id, learner_seq, event_type, correlation_id, occurred_at, data, published_at)
             SELECT gen_random_uuid(), md5(who::text)::uuid, n, 'QuestStarted', 'old',
                    TIMESTAMPTZ '2026-08-01T00:00:00Z' + n * INTERVAL '1 minute',
                    jsonb_build_object('authUserId', md5(who::text)::uuid, 'questId', gen_random_uuid(),
                        'attemptId', gen_random_uuid(), 'title', 'Quest ' || n), TIMESTAMPTZ '2026-08-31T00:00:00Z'
             FROM numbered ORDER BY n, who"
        ),
    )
    .await;
}

/// The numbers of each learner's messages, in the order of arrival.
fn numbers(messages: &[Received], of: impl Fn(&Received) -> bool) -> HashMap<String, Vec<i64>> {
    let mut numbers: HashMap<String, Vec<i64>> = HashMap::new();
    for message in messages.iter().filter(|message| of(message)) {
        let number = message.body["learnerseq"].as_i64().unwrap();
        numbers.entry(message.body["subject"].to_string()).or_default().push(number);
    }
    numbers
}

/// What a consumer has is marked a moment later.
async fn until_marked(pool: &PgPool, count: usize) {
    let marked = "SELECT id FROM outbox_events WHERE published_at IS NOT NULL";
    until("as many count as published", async || rows(pool, marked).await.len() == count).await;
}

pub async fn until_done(admin: &Client, location: &str) -> Value {
    for _ in 0..3_000 {
        let replay = admin.get(location).await.expect(200);
        if replay["status"] != "running" {
            return replay;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the replay does not end");
}

#[tokio::test]
async fn a_cascade_is_seen_at_a_glance_with_its_delivery() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, admin) = (service.author(), service.learner(), admin(&service));
    let quest = author.quest("Cascade", 1, 100).await;
    let attempt = learner.attempt(&quest).await;
    service.wait(600);
    let path = format!("/v1/attempts/{}/steps/{}/complete", text(&attempt["id"]), text(&attempt["steps"][0]["stepId"]));
    learner.send(Method::POST, &path, &[("x-correlation-id", "corr-1")], Some(&json!({}))).await.expect(200);
    service.wait(3_600);
    let other = service.learner();
    other.attempt(&quest).await;

    let types = |events: &[Value]| events.iter().map(|event| text(&event["type"]).to_owned()).collect::<Vec<_>>();
    let cascade =
        ["StepCompleted", "XPGranted", "QuestCompleted", "XPGranted", "SkillPointsGranted", "SkillPointsGranted"];
    let seen = admin.all("/v1/admin/events?correlationId=corr-1").await;
    assert_eq!(types(&seen), cascade);
    assert_eq!((&seen[0]["authUserId"], &seen[0]["delivery"]["state"]), (&json!(learner.id), &json!("pending")));
    // Page by page it is the same.
    let page = admin.get("/v1/admin/events?correlationId=corr-1&limit=4").await.expect(200);
    let next = admin
        .get(&format!("/v1/admin/events?correlationId=corr-1&limit=4&cursor={}", text(&page["nextCursor"])))
        .await
        .expect(200);
    assert_eq!([page["items"].as_array().unwrap().as_slice(), next["items"].as_array().unwrap()].concat(), seen);
    let own = admin.all(&format!("/v1/admin/events?authUserId={}", learner.id)).await;
    let sequence: Vec<i64> = own.iter().map(|event| event["learnerSeq"].as_i64().unwrap()).collect();
    assert_eq!(sequence, [7, 6, 5, 4, 3, 2, 1], "newest first");
    let paged = admin.get(&format!("/v1/admin/events?authUserId={}&limit=3", learner.id)).await.expect(200);
    let rest = format!("/v1/admin/events?authUserId={}&cursor={}", learner.id, text(&paged["nextCursor"]));
    assert_eq!(admin.get(&rest).await.expect(200)["items"].as_array().unwrap().len(), 4);
    let all = admin.all("/v1/admin/events").await;
    assert_eq!((all.len(), &all[0]["authUserId"]), (8, &json!(other.id)));
    assert_eq!(admin.all("/v1/admin/events?type=XPGranted").await.len(), 2);
    let early = admin.all("/v1/admin/events?to=2026-09-01T08:10:00Z").await;
    assert_eq!(types(&early), ["QuestStarted"]);
    let middle = admin.all("/v1/admin/events?from=2026-09-01T08:10:00Z&to=2026-09-01T09:00:00Z").await;
    assert_eq!(middle.len(), 6);
    assert_eq!(admin.all("/v1/admin/events?from=2026-09-01T09:10:00Z").await.len(), 1);
    admin.get("/v1/admin/events?from=yesterday").await.problem(422, "validation_failed");
    admin.get("/v1/admin/events?cursor=zzz").await.problem(400, "malformed_cursor");

    for path in ["/v1/admin/events", "/v1/admin/outbox", "/v1/admin/audit"] {
        for client in [&learner, &author, &service.client_as(Uuid::new_v4(), &["service"])] {
            client.get(path).await.problem(403, "forbidden");
        }
    }
    author.post("/v1/admin/events/replay", json!({"ids": [Uuid::new_v4()]})).await.problem(403, "forbidden");
    author.post(&format!("/v1/admin/outbox/{}/unpark", Uuid::new_v4()), json!({})).await.problem(403, "forbidden");
    admin.post(&format!("/v1/admin/outbox/{}/unpark", Uuid::new_v4()), json!({})).await.problem(404, "not_found");
    author.get(&format!("/v1/admin/events/replays/{}", Uuid::new_v4())).await.problem(403, "forbidden");
    admin.get(&format!("/v1/admin/events/replays/{}", Uuid::new_v4())).await.problem(404, "not_found");
}

#[tokio::test]
async fn the_audit_log_tells_who_changed_what() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, other, admin) = (service.author(), service.author(), admin(&service));
    let quest = author.quest("Audited", 1, 100).await;
    service.wait(60);
    other.patch(&crate::harness::path_of(&quest), json!({"title": "Changed"})).await.expect(200);
    let of_quest = admin.all(&format!("/v1/admin/audit?resourceId={}", text(&quest["id"]))).await;
    assert_eq!((&of_quest[0]["actorId"], &of_quest[0]["action"]), (&json!(other.id), &json!("update")));
    let all = admin.all("/v1/admin/audit").await;
    let by_author = admin.all(&format!("/v1/admin/audit?actorId={}", author.id)).await;
    assert_eq!(all.len(), by_author.len() + 1);
    let page = admin.get("/v1/admin/audit?limit=1").await.expect(200);
    assert_eq!(page["items"][0], all[0]);
    assert_eq!(admin.all("/v1/admin/audit?from=2026-09-01T08:01:00Z").await, all[..1]);
    assert_eq!(admin.all("/v1/admin/audit?to=2026-09-01T08:01:00Z").await, all[1..]);
}

#[tokio::test]
async fn a_replay_sends_the_same_events_again_and_says_so() {
    let pool = database().await;
    let (consumer, exchange) = consumer().await;
    let service = with_broker(&pool, &exchange, &[]).await;
    let (author, learner, other, admin) = (service.author(), service.learner(), service.learner(), admin(&service));
    let quest = author.quest("Again", 1, 10).await;
    learner.finish(&quest).await;
    other.attempt(&quest).await;
    consumer.until("the live ones", |events| events.len() == 8).await;
    until_marked(&pool, 8).await;
    let live = consumer.all();
    // Never published: not repeated.
    execute(&pool, format!("WITH next AS (UPDATE learners SET event_seq = event_seq + 1 WHERE auth_user_id = '{0}' RETURNING event_seq)
        INSERT INTO outbox_events (id, auth_user_id, learner_seq, event_type, correlation_id, occurred_at, data, parked_at)
        SELECT gen_random_uuid(), '{0}', event_seq, 'QuestPaused', 'c', '2026-09-01T08:00:00Z', '{{}}', now() FROM next", learner.id)).await;
    service.wait(60);

    let day = json!({"from": "2026-09-01T00:00:00Z", "to": "2026-09-02T00:00:00Z"});
    let count = admin.post("/v1/admin/events/replay?dryRun=true", day.clone()).await.expect(200);
    assert_eq!(count, json!({"total": 8}));
    let of_learner = json!({"from": "2026-09-01T00:00:00Z", "to": "2026-09-02T00:00:00Z", "authUserId": learner.id});
    let counted = admin.post("/v1/admin/events/replay?dryRun=true", of_learner.clone()).await.expect(200);
    assert_eq!(counted, json!({"total": 7}));
    assert_eq!(consumer.all().len(), 8, "a dry run sends nothing");
    let taken = admin.post("/v1/admin/events/replay", of_learner).await;
    let location = taken.header("location").unwrap().to_owned();
    assert_eq!(taken.expect(202)["total"], 7);
    let done = until_done(&admin, &location).await;
    assert_eq!((&done["status"], &done["sent"], &done["skipped"]), (&json!("done"), &json!(7), &json!(0)));
    consumer.until("the repetitions", |_| consumer.all().len() == 15).await;
    let repeated = consumer.all().split_off(8);
    let originals: Vec<&Received> = live.iter().filter(|event| event.body["subject"] == json!(learner.id)).collect();
    for (again, original) in repeated.iter().zip(originals) {
        let mut body = again.body.clone();
        assert_eq!(body.as_object_mut().unwrap().shift_remove("replayed"), Some(json!(true)));
        assert_eq!(body.to_string(), original.body.to_string(), "byte for byte");
        assert_eq!(again.properties.message_id(), original.properties.message_id());
        let header = again.properties.headers().as_ref().unwrap().inner().get("replayed").cloned();
        assert_eq!(header, Some(lapin::types::AMQPValue::Boolean(true)));
        assert!(original.properties.headers().as_ref().unwrap().inner().get("replayed").is_none());
    }

    // By ids; what is not there, e.g. since it was erased, is not sent.
    let ids = json!({"ids": [live[7].body["id"], live[0].body["id"], Uuid::new_v4()]});
    let erased = service.client_as(learner.id, &["Player"]);
    admin.delete(&format!("/v1/admin/learners/{}", erased.id)).await.expect(204);
    let taken = admin.post("/v1/admin/events/replay", ids).await;
    let location = taken.header("location").unwrap().to_owned();
    assert_eq!(taken.expect(202)["total"], 1);
    assert_eq!(until_done(&admin, &location).await["sent"], 1);
    consumer.until("one more", |_| consumer.all().len() == 16).await;
    assert_eq!(consumer.all()[15].body["id"], live[7].body["id"]);
    let nothing = admin.post("/v1/admin/events/replay", json!({"ids": [Uuid::new_v4()]})).await.expect(202);
    assert_eq!((&nothing["status"], &nothing["total"]), (&json!("done"), &json!(0)));

    for (wrong, pointer) in [
        (json!({}), "/from"),
        (json!({"ids": []}), "/ids"),
        (json!({"ids": [Uuid::new_v4()], "type": "XPGranted"}), "/ids"),
        (json!({"from": "2026-09-02T00:00:00Z", "to": "2026-09-01T00:00:00Z"}), "/to"),
    ] {
        let problem = admin.post("/v1/admin/events/replay", wrong).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn a_replay_lets_what_is_new_pass_and_keeps_each_learners_order() {
    let pool = database().await;
    old_events(&pool, 300).await;
    let (consumer, exchange) = consumer().await;
    let service = with_broker(&pool, &exchange, &["--outbox-batch=2"]).await;
    let (author, learner, admin) = (service.author(), service.learner(), admin(&service));
    let quests = [author.quest("A", 1, 10).await, author.quest("B", 1, 10).await, author.quest("C", 1, 10).await];
    let taken = admin
        .post("/v1/admin/events/replay", json!({"from": "2026-08-01T00:00:00Z", "to": "2026-08-31T00:00:00Z"}))
        .await;
    let location = taken.header("location").unwrap().to_owned();
    assert_eq!(taken.expect(202)["total"], 900);
    for quest in &quests {
        learner.finish(quest).await;
    }
    consumer.until("what is new", |_| consumer.all().iter().filter(|event| !is_replayed(event)).count() == 21).await;
    let meanwhile = admin.get(&location).await.expect(200);
    assert_eq!(meanwhile["status"], "running", "what is new does not wait for the end: {meanwhile}");
    assert_eq!(until_done(&admin, &location).await["sent"], 900);
    consumer.until("all", |_| consumer.all().len() == 921).await;
    let all = consumer.all();
    assert_eq!(
        numbers(&all, |event| !is_replayed(event)).into_values().collect::<Vec<_>>(),
        [(1..=21).collect::<Vec<_>>()]
    );
    let again = numbers(&all, is_replayed);
    assert_eq!(again.len(), 3);
    assert!(again.into_values().all(|numbers| numbers == (1..=300).collect::<Vec<_>>()));
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn a_replay_goes_on_where_it_was_when_the_service_stopped() {
    let pool = database().await;
    old_events(&pool, 200).await;
    let (consumer, exchange) = consumer().await;
    let service = with_broker(&pool, &exchange, &["--outbox-batch=2"]).await;
    let taken = admin(&service)
        .post("/v1/admin/events/replay", json!({"from": "2026-08-01T00:00:00Z", "to": "2026-08-31T00:00:00Z"}))
        .await;
    let location = taken.header("location").unwrap().to_owned();
    consumer.until("some", |_| consumer.all().len() > 20).await;
    service.stop().await;
    let then = rows(&pool, "SELECT sent, finished_at FROM event_replays").await;
    assert_eq!(then[0]["finished_at"], Value::Null, "it was stopped in the middle: {then:?}");
    let service = with_broker(&pool, &exchange, &[]).await;
    let done = until_done(&admin(&service), &location).await;
    assert_eq!((&done["sent"], &done["total"], &done["status"]), (&json!(600), &json!(600), &json!("done")));
    consumer.until("all", |_| consumer.once().len() == 600).await;
    assert!(consumer.all().len() <= 602, "at most one batch comes twice: {}", consumer.all().len());
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn a_replay_waits_while_the_broker_takes_nothing_and_then_goes_on() {
    let pool = database().await;
    old_events(&pool, 5).await;
    let (consumer, exchange) = consumer().await;
    let service = with_broker(&pool, &exchange, &["--amqp-retry-max-ms=200"]).await;
    let full = consumer.refuse_more_than(&exchange, 1).await;
    let admin = admin(&service);
    let taken = admin
        .post("/v1/admin/events/replay", json!({"from": "2026-08-01T00:00:00Z", "to": "2026-08-31T00:00:00Z"}))
        .await;
    let location = taken.header("location").unwrap().to_owned();
    consumer.until("a batch, of which the full queue refuses the rest", |events| !events.is_empty()).await;
    let replay = admin.get(&location).await.expect(200);
    assert_eq!((&replay["status"], &replay["sent"]), (&json!("running"), &json!(0)), "what is refused was not sent");
    consumer.delete_queue(&full).await;
    let done = until_done(&admin, &location).await;
    assert_eq!((&done["status"], &done["sent"]), (&json!("done"), &json!(15)));
    consumer.until("all", |events| events.len() == 15).await;
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn unparking_delivers_what_was_held_back_in_order() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let learner = service.learner();
    learner.finish(&service.author().quest("Parked", 1, 10).await).await;
    service.stop().await;
    execute(
        &pool,
        "UPDATE outbox_events SET parked_at = now(), parked_reason = 'too large', refusals = 5 WHERE learner_seq = 3"
            .to_owned(),
    )
    .await;
    let (consumer, exchange) = consumer().await;
    let service = with_broker(&pool, &exchange, &[]).await;
    consumer.until("the two before it", |events| events.len() == 2).await;
    until_marked(&pool, 2).await;
    service.wait(90);
    let admin = admin(&service);
    let outbox = admin.get("/v1/admin/outbox").await.expect(200);
    assert_eq!((&outbox["pending"], &outbox["heldBack"], &outbox["parked"]), (&json!(4), &json!(4), &json!(1)));
    assert_eq!((&outbox["oldestAgeSeconds"], &outbox["broker"]), (&json!(90), &json!("up")));
    assert_eq!(outbox["relayActive"], true);
    let parked = &outbox["items"][0];
    assert_eq!(
        (&parked["delivery"]["state"], &parked["delivery"]["parkedReason"]),
        (&json!("parked"), &json!("too large"))
    );
    let path = format!("/v1/admin/outbox/{}/unpark", text(&parked["id"]));
    let released = admin.post(&path, json!({})).await.expect(200);
    assert_eq!((&released["id"], &released["delivery"]["refusals"]), (&parked["id"], &json!(0)));
    consumer.until("all", |events| events.len() == 7).await;
    let order: Vec<Value> = consumer.all().iter().map(|event| event.body["learnerseq"].clone()).collect();
    assert_eq!(order, (1..=7).map(Value::from).collect::<Vec<_>>());
    admin.post(&path, json!({})).await.expect(200);
    let audit = admin.all(&format!("/v1/admin/audit?resourceId={}", text(&parked["id"]))).await;
    assert_eq!((audit.len(), &audit[0]["action"]), (1, &json!("unpark")), "releasing it again changes nothing");
    verify(&pool).await;
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn erasing_takes_off_the_way_what_was_not_sent_yet() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, erased, kept) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Erased", 1, 10).await;
    erased.finish(&quest).await;
    kept.finish(&quest).await;
    admin(&service).delete(&format!("/v1/admin/learners/{}", erased.id)).await.expect(204);
    let seen = admin(&service).all("/v1/admin/events").await;
    assert_eq!(seen.iter().filter(|event| event["delivery"]["state"] == "erased").count(), 7);
    service.stop().await;
    let (consumer, exchange) = consumer().await;
    let service = with_broker(&pool, &exchange, &[]).await;
    consumer.until("the other learner's", |events| events.len() == 7).await;
    assert!(consumer.all().iter().all(|event| event.body["subject"] == json!(kept.id)));
    verify(&pool).await;
    service.stop().await;
    consumer.remove(&exchange).await;
}
