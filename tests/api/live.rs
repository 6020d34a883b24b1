//! The live stream.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::stream::{Frame, Stream};
use crate::harness::{Client, Service, Setup, amqp_url, database, execute, rows, text, verify};

fn types(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(Frame::kind).collect()
}

fn numbers(frames: &[Frame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.id.as_ref().unwrap().parse().unwrap()).collect()
}

async fn with(pool: &sqlx::PgPool, args: &[&str]) -> Service {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Service::start_with(pool, Setup { args, ..Setup::default() }).await
}

#[tokio::test]
async fn a_learner_sees_own_events_as_they_happen_and_nobody_elses() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Live", 2, 50).await;
    let mut stream = Stream::open(&learner, "/v1/me/events", &[]).await;
    let first = stream.frame().await.unwrap();
    assert_eq!((first.id.as_deref(), first.event), (Some("0"), None));

    other.finish(&quest).await;
    learner.finish(&quest).await;
    let events = stream.logged(9).await;
    assert_eq!(
        types(&events),
        [
            "QuestStarted",
            "StepCompleted",
            "XPGranted",
            "StepCompleted",
            "XPGranted",
            "QuestCompleted",
            "XPGranted",
            "SkillPointsGranted",
            "SkillPointsGranted"
        ]
    );
    assert_eq!(numbers(&events), (1..=9).collect::<Vec<_>>());
    for event in &events {
        let envelope = event.json();
        assert_eq!(envelope["subject"], json!(learner.id));
        assert_eq!(envelope["type"], event.kind());
        assert_eq!(envelope["learnerseq"].to_string(), *event.id.as_ref().unwrap());
    }
    // What is on the stream is what is in the log.
    let logged = rows(
        &pool,
        &format!("SELECT id FROM outbox_events WHERE auth_user_id = '{}' ORDER BY learner_seq", learner.id),
    )
    .await;
    let ids: Vec<Value> = events.iter().map(|event| event.json()["id"].clone()).collect();
    assert_eq!(ids, logged.iter().map(|row| row["id"].clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hint_without_id_says_that_recommendations_have_changed() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Hint", 1, 0).await;
    let mut stream = Stream::open(&learner, "/v1/me/events", &[]).await;
    learner.attempt(&quest).await;
    let events = stream.events(2).await;
    assert_eq!(types(&events), ["QuestStarted", "recommendations-changed"]);
    assert_eq!(events[1].id, None);
    // On the way of catching up as well.
    let mut late = Stream::open(&learner, "/v1/me/events?lastEventId=0", &[]).await;
    let events = late.events(2).await;
    assert_eq!(types(&events), ["QuestStarted", "recommendations-changed"]);
}

#[tokio::test]
async fn a_stream_that_breaks_resumes_with_nothing_missed_and_nothing_twice() {
    let pool = database().await;
    let service = with(&pool, &["--stream-poll-ms=10"]).await;
    let (author, learner) = (service.author(), service.learner());
    let mut quests = Vec::new();
    for number in 0..30 {
        quests.push(author.quest(&format!("Q{number}"), 1, 10).await);
    }
    // 30 quests of 7 events: started, step, its points, completed, points, two skills.
    let total = 30 * 7;
    let work = async {
        for quest in &quests {
            learner.finish(quest).await;
        }
    };
    let listen = async {
        let mut seen: Vec<i64> = Vec::new();
        let mut last: Option<String> = Some("0".to_owned());
        let mut round = 0;
        while seen.len() < total {
            // Now by the header, now by the address; dropped after some events, in the middle of a batch.
            let path = match (&last, round % 2) {
                (Some(last), 0) => format!("/v1/me/events?lastEventId={last}"),
                _ => "/v1/me/events".to_owned(),
            };
            let headers: Vec<(&str, &str)> = match (&last, round % 2) {
                (Some(last), 1) => vec![("last-event-id", last.as_str())],
                _ => Vec::new(),
            };
            let mut stream = Stream::open(&learner, &path, &headers).await;
            seen.extend(numbers(&stream.logged((1 + round * 5 % 17).min(total - seen.len())).await));
            last = stream.last_id;
            round += 1;
        }
        seen
    };
    let (seen, ()) = tokio::join!(listen, work);
    assert_eq!(seen, (1..=i64::try_from(total).unwrap()).collect::<Vec<_>>());
    verify(&pool).await;
}

#[tokio::test]
async fn an_id_older_than_what_is_kept_resets_the_reader() {
    let pool = database().await;
    let service = with(&pool, &["--stream-poll-ms=10"]).await;
    let (author, learner) = (service.author(), service.learner());
    learner.finish(&author.quest("Old", 1, 10).await).await;
    execute(&pool, format!("DELETE FROM outbox_events WHERE auth_user_id = '{}' AND learner_seq < 4", learner.id))
        .await;
    let mut kept = Stream::open(&learner, "/v1/me/events", &[("last-event-id", "3")]).await;
    assert_eq!(numbers(&kept.logged(4).await), [4, 5, 6, 7], "all after it is kept");
    for last in ["0", "2", "99"] {
        let mut stream = Stream::open(&learner, "/v1/me/events", &[("last-event-id", last)]).await;
        let reset = loop {
            let frame = stream.frame().await.unwrap();
            if frame.event.is_some() {
                break frame;
            }
        };
        assert_eq!((reset.kind(), reset.id.as_deref()), ("reset", Some("7")), "after {last}");
        assert_eq!(reset.json(), json!({"stateUrl": "/v1/me"}));
        assert_eq!(stream.last_id.as_deref(), Some("7"));
    }
    // A stream that was open, and has not been fed before its events went.
    let mut stream = Stream::open(&learner, "/v1/me/events", &[]).await;
    assert_eq!(stream.frame().await.unwrap().id.as_deref(), Some("7"));
    let quest = author.quest("Gone", 1, 0).await;
    let mut transaction = pool.begin().await.unwrap();
    execute(&mut *transaction, format!("UPDATE learners SET event_seq = 9 WHERE auth_user_id = '{}'", learner.id))
        .await;
    transaction.commit().await.unwrap();
    let reset = stream.events(1).await.remove(0);
    assert_eq!((reset.kind(), reset.id.as_deref()), ("reset", Some("9")));
    learner.attempt(&quest).await;
    assert_eq!(numbers(&stream.logged(1).await), [10], "and goes on");
}

#[tokio::test]
async fn a_ticket_opens_one_stream_for_a_minute() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, anonymous) = (service.author(), service.learner(), service.anonymous());
    learner.attempt(&author.quest("Ticket", 1, 0).await).await;
    let ticket = async || {
        let reply = learner.post("/v1/me/events/ticket", json!({})).await;
        let location = reply.header("location").unwrap().to_owned();
        let ticket = reply.expect(201);
        assert_eq!(ticket["url"], location);
        assert_eq!(ticket["expiresAt"], "2026-09-01T08:01:00Z");
        assert_eq!(ticket["lastEventId"], 1, "where the log stands: the attempt has begun");
        location
    };
    let url = ticket().await;
    let mut stream = Stream::open(&anonymous, &format!("{url}&lastEventId=0"), &[]).await;
    assert_eq!(stream.events(1).await[0].json()["subject"], json!(learner.id));
    anonymous.get(&url).await.problem(401, "unauthorized");
    let url = ticket().await;
    service.wait(61);
    anonymous.get(&url).await.problem(401, "unauthorized");
    let stranger = service.learner().post("/v1/me/events/ticket", json!({})).await.expect(201);
    assert_eq!(stranger["lastEventId"], 0);
    Stream::open(&anonymous, text(&stranger["url"]), &[]).await;
    anonymous.get("/v1/me/events?ticket=guessed").await.problem(401, "unauthorized");
    anonymous.get("/v1/me/events").await.problem(401, "unauthorized");
    anonymous.post("/v1/me/events/ticket", json!({})).await.problem(401, "unauthorized");
    let kept = rows(&pool, "SELECT 1 AS one FROM stream_tickets WHERE expires_at > '2026-09-01T08:01:01Z'").await;
    assert_eq!(kept, Vec::<Value>::new(), "a used ticket is gone");
}

#[tokio::test]
async fn streams_are_capped_per_learner_and_in_all_and_places_come_free() {
    let pool = database().await;
    let service = with(&pool, &["--streams-per-learner=2", "--streams-max=3"]).await;
    let (one, two) = (service.learner(), service.learner());
    let first = Stream::open(&one, "/v1/me/events", &[]).await;
    let _second = Stream::open(&one, "/v1/me/events", &[]).await;
    let refused = one.get("/v1/me/events").await;
    assert!(refused.header("retry-after").is_some());
    refused.problem(429, "too_many_streams");
    let _third = Stream::open(&two, "/v1/me/events", &[]).await;
    two.get("/v1/me/events").await.problem(503, "unavailable");
    drop(first);
    // The service notices that the reader is gone when its connection closes.
    for _ in 0..200 {
        let stream = two.try_open("/v1/me/events").await;
        if stream == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the place of a stream that is gone stays taken");
}

#[tokio::test]
async fn heartbeats_carry_no_id_and_a_stream_ends_at_its_age() {
    let pool = database().await;
    let service = with(&pool, &["--stream-heartbeat-seconds=1", "--stream-max-age-seconds=2"]).await;
    let learner = service.learner();
    let mut stream = Stream::open(&learner, "/v1/me/events", &[]).await;
    stream.frame().await.unwrap();
    let beat = stream.frame().await.unwrap();
    assert_eq!(beat, Frame { comment: Some("heartbeat".to_owned()), ..Frame::default() });
    while let Some(frame) = stream.frame().await {
        assert!(frame.id.is_none());
    }
    for bad in ["-1", "x", "1.5", "99999999999999999999"] {
        learner.get(&format!("/v1/me/events?lastEventId={bad}")).await.problem(400, "malformed_header");
    }
    learner.get("/v1/me/events?since=1").await.problem(422, "validation_failed");
}

#[tokio::test]
async fn a_slow_reader_is_dropped_without_harm_and_resumes() {
    let pool = database().await;
    let service = with(&pool, &["--stream-poll-ms=10"]).await;
    let (author, learner) = (service.author(), service.learner());
    learner.attempt(&author.quest("Slow", 1, 0).await).await;
    let mut slow = Stream::open(&learner, "/v1/me/events", &[]).await;
    assert_eq!(slow.frame().await.unwrap().id.as_deref(), Some("1"));
    // More than sockets and the stream's own buffer hold, while nobody reads.
    let (count, filler) = (20_000, "x".repeat(400));
    execute(
        &pool,
        format!(
            "WITH numbered AS (UPDATE learners SET event_seq = event_seq + {count} WHERE auth_user_id = '{id}'
                               RETURNING event_seq - {count} AS base)
             INSERT INTO outbox_events (id, auth_user_id, learner_seq, event_type, correlation_id, occurred_at, data, published_at)
             SELECT gen_random_uuid(), '{id}', base + n, 'QuestPaused', 'c', now(), '{{\"f\": \"{filler}\"}}', now()
             FROM numbered, generate_series(1, {count}) AS n",
            id = learner.id
        ),
    )
    .await;
    let dropped = async || -> bool {
        let metrics = service.anonymous().get("/metrics").await.text;
        metrics.lines().any(|line| line.starts_with("streams_dropped_total") && !line.ends_with(" 0"))
    };
    for _ in 0..500 {
        if dropped().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(dropped().await, "a reader that does not read is let go");
    let mut seen = BTreeSet::new();
    while let Some(frame) = slow.frame().await {
        seen.extend(frame.id.filter(|_| frame.event.is_some()));
    }
    let mut resumed =
        Stream::open(&learner, "/v1/me/events", &[("last-event-id", slow.last_id.as_deref().unwrap())]).await;
    let rest = resumed.logged(20_000 - seen.len()).await;
    seen.extend(rest.iter().filter_map(|frame| frame.id.clone()));
    assert_eq!(seen.len(), 20_000);
}

#[tokio::test]
async fn an_event_committed_through_one_replica_reaches_a_stream_on_another_within_a_second() {
    Box::pin(across_replicas(None)).await;
    Box::pin(across_replicas(Some(amqp_url()))).await;
}

async fn across_replicas(amqp_url: Option<String>) {
    let pool = database().await;
    let exchange = Setup::default().exchange;
    let setup = || Setup { amqp_url: amqp_url.clone(), exchange: exchange.clone(), ..Setup::default() };
    let (one, other) = (Service::start_with(&pool, setup()).await, Service::start_with(&pool, setup()).await);
    let (author, learner) = (one.author(), one.learner());
    let there = Client { base: other.base.clone(), ..learner.clone() };
    let mut stream = Stream::open(&there, "/v1/me/events", &[]).await;
    stream.frame().await.unwrap();
    for number in 0..3 {
        let quest = author.quest(&format!("Far {number}"), 1, 0).await;
        let attempt = learner.attempt(&quest).await;
        let committed = std::time::Instant::now();
        let event = stream.logged(1).await.remove(0);
        assert_eq!(event.json()["data"]["attemptId"], attempt["id"]);
        assert!(committed.elapsed() < std::time::Duration::from_secs(1), "{:?}", committed.elapsed());
    }
    // A ticket of one is good at the other.
    let ticket = learner.post("/v1/me/events/ticket", json!({})).await.expect(201);
    let anonymous = other.anonymous();
    let mut stream = Stream::open(&anonymous, text(&ticket["url"]), &[]).await;
    assert_eq!(stream.frame().await.unwrap().id.as_deref(), Some("3"));
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let learner = service.learner();
    let mut stream = Stream::open(&learner, "/v1/me/events", &[]).await;
    stream.frame().await.unwrap();
    let stopping = tokio::time::timeout(std::time::Duration::from_secs(5), service.stop());
    let (stopped, end) = tokio::join!(stopping, stream.frame());
    assert!(stopped.is_ok(), "an open stream holds the service up");
    assert_eq!(end, None);
}

/// Writes events of a learner behind the service's back, all at once.
async fn burst(pool: &sqlx::PgPool, learner: uuid::Uuid, count: usize) {
    execute(
        pool,
        format!(
            "WITH numbered AS (UPDATE learners SET event_seq = event_seq + {count} WHERE auth_user_id = '{learner}'
                               RETURNING event_seq - {count} AS base)
             INSERT INTO outbox_events (id, auth_user_id, learner_seq, event_type, correlation_id, occurred_at, data, published_at)
             SELECT gen_random_uuid(), '{learner}', base + n, 'QuestPaused', 'c', now(), '{{}}', now()
             FROM numbered, generate_series(1, {count}) AS n"
        ),
    )
    .await;
}

#[tokio::test]
async fn streams_of_one_learner_at_different_places_each_get_everything() {
    let pool = database().await;
    let service = with(&pool, &["--stream-poll-ms=1000"]).await;
    let (author, learner) = (service.author(), service.learner());
    learner.attempt(&author.quest("Tabs", 1, 0).await).await;
    let mut first = Stream::open(&learner, "/v1/me/events", &[]).await;
    assert_eq!(first.frame().await.unwrap().id.as_deref(), Some("1"));
    // More than is read in one go: the other catches up by itself, and is ahead of the first.
    burst(&pool, learner.id, 150).await;
    let mut second = Stream::open(&learner, "/v1/me/events?lastEventId=1", &[]).await;
    assert_eq!(numbers(&second.logged(150).await), (2..=151).collect::<Vec<_>>());
    burst(&pool, learner.id, 1).await;
    assert_eq!(numbers(&first.logged(151).await), (2..=152).collect::<Vec<_>>());
    let last = second.logged(1).await.remove(0);
    assert_eq!((last.kind(), last.id.as_deref()), ("QuestPaused", Some("152")));
}

#[tokio::test]
async fn who_was_erased_and_comes_back_is_told_to_begin_anew() {
    let pool = database().await;
    let service = with(&pool, &["--stream-poll-ms=10"]).await;
    let (author, learner) = (service.author(), service.learner());
    let admin = service.client_as(uuid::Uuid::new_v4(), &["Game Master"]);
    let quest = author.quest("Erased", 1, 0).await;
    learner.finish(&quest).await;
    let mut stream = Stream::open(&learner, "/v1/me/events", &[]).await;
    assert_eq!(stream.frame().await.unwrap().id.as_deref(), Some("4"));
    admin.delete(&format!("/v1/admin/learners/{}", learner.id)).await.expect(204);
    let reset = stream.events(1).await.remove(0);
    assert_eq!((reset.kind(), reset.id.as_deref()), ("reset", Some("0")));
    learner.attempt(&quest).await;
    assert_eq!(numbers(&stream.logged(1).await), [1]);
}

#[tokio::test]
async fn a_reader_that_stands_still_gives_its_place_back() {
    let pool = database().await;
    let service = with(&pool, &["--stream-poll-ms=10", "--write-timeout-ms=1000", "--streams-per-learner=1"]).await;
    let (author, learner) = (service.author(), service.learner());
    learner.attempt(&author.quest("Still", 1, 0).await).await;
    let _still = Stream::open(&learner, "/v1/me/events", &[]).await;
    assert_eq!(learner.try_open("/v1/me/events").await, 429);
    // More than its sockets take.
    burst(&pool, learner.id, 30_000).await;
    for _ in 0..300 {
        if learner.try_open("/v1/me/events").await == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the place stays taken");
}
