//! What arrives on RabbitMQ.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::broker::Consumer;
use crate::harness::{Service, Setup, amqp_url, database, verify};

async fn with_broker(pool: &PgPool) -> (Service, Consumer) {
    let setup = Setup { amqp_url: Some(amqp_url()), ..Setup::default() };
    let consumer = Consumer::start(&amqp_url(), &setup.exchange).await;
    (Service::start_with(pool, setup).await, consumer)
}

#[tokio::test]
async fn the_cascade_arrives_in_order_with_one_correlation_id() {
    let pool = database().await;
    let (service, consumer) = with_broker(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Cascade", 1, 100).await;
    let next = author.quest("Next", 1, 0).await;
    author.needs(&next, &[&quest]).await.expect(200);
    let attempt = learner.attempt(&quest).await;
    let path = format!(
        "/v1/attempts/{}/steps/{}/complete",
        attempt["id"].as_str().unwrap(),
        attempt["steps"][0]["stepId"].as_str().unwrap()
    );
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("x-correlation-id", "corr-1"), ("traceparent", trace)];
    learner.send(reqwest::Method::POST, &path, &headers, Some(&json!({}))).await.expect(200);
    consumer.until("8 events", |events| events.len() == 8).await;

    let events = consumer.all();
    let types: Vec<&str> = events.iter().map(|event| event.body["type"].as_str().unwrap()).collect();
    let cascade = [
        "QuestStarted",
        "StepCompleted",
        "XPGranted",
        "QuestCompleted",
        "XPGranted",
        "SkillPointsGranted",
        "SkillPointsGranted",
        "ChallengeUnlocked",
    ];
    assert_eq!(types, cascade);
    for (index, event) in events.iter().enumerate() {
        let (body, properties) = (&event.body, &event.properties);
        assert_eq!(body["learnerseq"], json!(index + 1));
        assert_eq!(
            (&body["specversion"], &body["source"], &body["subject"]),
            (&json!("1.0"), &json!("/quests-service"), &json!(learner.id))
        );
        assert_eq!(body["data"]["authUserId"], json!(learner.id));
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), body["id"].as_str().unwrap());
        assert_eq!(properties.kind().as_ref().unwrap().as_str(), types[index]);
        assert_eq!(properties.correlation_id().as_ref().unwrap().as_str(), body["correlationid"].as_str().unwrap());
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents+json");
        assert_eq!(properties.delivery_mode(), &Some(2));
        assert!(properties.timestamp().is_some() && properties.app_id().is_some());
        if index > 0 {
            assert_eq!(body["correlationid"], "corr-1");
            let header = properties.headers().as_ref().unwrap().inner().get("traceparent").cloned();
            assert_eq!(header, Some(lapin::types::AMQPValue::LongString(trace.into())));
        }
    }
    assert_eq!(events[2].routing_key, "quests.xp-granted");
    assert_eq!(events[3].body["causationid"], events[1].body["id"]);
    assert_eq!(events[4].body["causationid"], events[3].body["id"]);
    assert_eq!(events[4].body["data"]["reason"], "QuestCompleted");
    assert_eq!(events[7].body["data"]["unlockedByQuestId"], quest["id"]);
    verify(&pool).await;
    let exchange = service.exchange.clone();
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn a_poison_event_is_parked_and_holds_back_only_its_learner() {
    let pool = database().await;
    let (service, consumer) = with_broker(&pool).await;
    let (author, poisoned, other) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Poison", 1, 10).await;
    poisoned.attempt(&quest).await;
    consumer.until("the first start", |events| events.len() == 1).await;
    // A type that no AMQP field can carry.
    sqlx::query!(
        "WITH next AS (UPDATE learners SET event_seq = event_seq + 1 WHERE auth_user_id = $1 RETURNING event_seq)
         INSERT INTO outbox_events (id, auth_user_id, learner_seq, event_type, correlation_id, occurred_at, data)
         SELECT gen_random_uuid(), $1, event_seq, $2, 'c', now(), '{}' FROM next",
        poisoned.id,
        "X".repeat(300)
    )
    .execute(&pool)
    .await
    .unwrap();
    poisoned.finish(&quest).await;
    other.finish(&quest).await;
    let of = |events: &[crate::harness::broker::Received], id: uuid::Uuid| {
        events.iter().filter(|event| event.body["subject"] == json!(id)).count()
    };
    consumer.until("the other learner's events", |events| of(events, other.id) == 7).await;
    assert_eq!(of(&consumer.all(), poisoned.id), 1);
    let reason = sqlx::query_scalar!("SELECT parked_reason FROM outbox_events WHERE parked_at IS NOT NULL")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(reason.is_some_and(|reason| reason.contains("255")));
    let exchange = service.exchange.clone();
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn what_came_before_a_parked_event_still_goes_out() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let learner = service.learner();
    learner.finish(&service.author().quest("Parked", 1, 10).await).await;
    service.stop().await;
    let sql = "UPDATE outbox_events SET parked_at = now(), parked_reason = 'too large' WHERE learner_seq = 3";
    crate::harness::execute(&pool, sql.to_owned()).await;
    let (service, consumer) = with_broker(&pool).await;
    consumer.until("the two before it", |events| events.len() == 2).await;
    let other = service.learner();
    other.finish(&service.author().quest("Other", 1, 10).await).await;
    consumer.until("another learner's", |events| events.len() == 2 + 7).await;
    let exchange = service.exchange.clone();
    service.stop().await;
    consumer.remove(&exchange).await;
}

#[tokio::test]
async fn without_a_broker_events_wait_and_the_service_is_ready() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let learner = service.learner();
    let ready = service.anonymous().get("/readyz").await.expect(200);
    assert_eq!(ready["broker"], "absent");
    let quest = service.author().quest("Waits", 1, 10).await;
    learner.finish(&quest).await;
    service.stop().await;
    let (service, consumer) = with_broker(&pool).await;
    consumer.until("what waited", |events| events.len() == 7).await;
    let sequence: Vec<Value> = consumer.all().iter().map(|event| event.body["learnerseq"].clone()).collect();
    assert_eq!(sequence, (1..=7).map(Value::from).collect::<Vec<_>>());
    let exchange = service.exchange.clone();
    service.stop().await;
    consumer.remove(&exchange).await;
}
