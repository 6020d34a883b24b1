//! The contract of events: the document against the code, and how it is served.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use quests::asyncapi::{published, read, taken_in};
use quests::config::DEVELOPMENT_SECRET;
use quests::criteria::StepKind;
use quests::ids::{
    AssessmentId, AttemptId, EventId, LearnerId, LearningPathId, PeerReviewId, QuestId, StepId, SubmissionId,
};
use quests::outbox::Event;
use quests::outbox::events::{
    AttemptMoved, LearningPathMoved, Logged, Objective, QuestCompleted, SkillPointsGranted, TryOfAssessment, XpGranted,
    routing_key,
};
use quests::quests::model::{DifficultyLevel, QuestType};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::contract::{CONTRACT, at, faults_of, headers_of};
use crate::harness::messages::Neighbours;
use crate::harness::{Service, Setup, amqp_url, config, database, rows};

/// Samples of every variant; one that is not here does not compile.
macro_rules! samples {
    ($($variant:pat => $samples:expr,)+) => {
        fn samples() -> Vec<Event> {
            let all_are_here = |event: &Event| match event { $($variant => ()),+ };
            let mut all: Vec<Event> = Vec::new();
            $(
                let samples: Vec<Event> = $samples.into();
                assert!(!samples.is_empty() && samples.iter().all(|event| matches!(event, $variant)));
                samples.iter().for_each(all_are_here);
                all.extend(samples);
            )+
            all
        }
    };
}

// With all that may be left out, and without any of it.
samples! {
    Event::XpGranted(_) => [Objective::QuestStep, Objective::Quest].map(|what| Event::XpGranted(grant(what))),
    Event::SkillPointsGranted(_) => [Some(Uuid::new_v4()), None].map(|skill_id| {
        Event::SkillPointsGranted(SkillPointsGranted { skill_name: "c-basics".into(), skill_id, reward: grant(Objective::Quest) })
    }),
    Event::ChallengeUnlocked { .. } => [true, false].map(|is_full| Event::ChallengeUnlocked {
        quest_id: QuestId::generate(),
        title: "Loops".into(),
        quest_type: QuestType::Practice,
        unlocked_by_quest_id: is_full.then(QuestId::generate),
        learning_path_id: is_full.then(LearningPathId::generate),
    }),
    Event::QuestStarted(_) => [Event::QuestStarted(moved())],
    Event::QuestPaused(_) => [Event::QuestPaused(moved())],
    Event::QuestResumed(_) => [Event::QuestResumed(moved())],
    Event::QuestAbandoned(_) => [Event::QuestAbandoned(moved())],
    Event::StepCompleted { .. } => StepKind::ALL.map(|step_type| Event::StepCompleted {
        quest_id: QuestId::generate(),
        attempt_id: AttemptId::generate(),
        step_id: StepId::generate(),
        step_type,
        completion_percentage: Decimal::new(3333, 2),
    }),
    Event::QuestCompleted(_) => [Some(Uuid::new_v4()), None].map(|subject_id| Event::QuestCompleted(QuestCompleted {
        quest_id: QuestId::generate(),
        attempt_id: AttemptId::generate(),
        title: "Loops".into(),
        quest_type: QuestType::Tutorial,
        difficulty_level: DifficultyLevel::Beginner,
        subject_id,
        total_experience_earned: 0,
        started_at: now(),
        completed_at: now(),
        learning_path_ids: subject_id.into_iter().collect(),
    })),
    Event::SubmissionReceived(_) => [Event::SubmissionReceived(handed_in())],
    Event::SubmissionGraded { .. } => [Some(Decimal::new(85, 1)), None].map(|grade| Event::SubmissionGraded {
        submission: handed_in(),
        grade,
        max_grade: Decimal::TEN,
        is_passed: grade.is_some(),
    }),
    Event::PeerReviewAssigned { .. } => [Some(now()), None].map(|due_at| Event::PeerReviewAssigned {
        assessment_id: AssessmentId::generate(),
        review_id: PeerReviewId::generate(),
        due_at,
    }),
    Event::LearningPathStarted(_) => [Event::LearningPathStarted(path())],
    Event::LearningPathCompleted(_) => [Event::LearningPathCompleted(path())],
}

fn grant(objective: Objective) -> XpGranted {
    XpGranted::new(objective, Uuid::new_v4(), 50, QuestId::generate(), AttemptId::generate())
}

fn moved() -> AttemptMoved {
    AttemptMoved { quest_id: QuestId::generate(), attempt_id: AttemptId::generate(), title: "Loops".into() }
}

fn handed_in() -> TryOfAssessment {
    TryOfAssessment {
        quest_id: QuestId::generate(),
        attempt_id: AttemptId::generate(),
        assessment_id: AssessmentId::generate(),
        submission_id: SubmissionId::generate(),
        attempt_number: 1,
    }
}

fn path() -> LearningPathMoved {
    LearningPathMoved {
        learning_path_id: LearningPathId::generate(),
        name: "Programming in C".into(),
        completed_quests_count: 0,
        total_experience_earned: 0,
    }
}

fn now() -> DateTime<Utc> {
    "2026-09-01T08:00:00.841406Z".parse().unwrap()
}

fn logged(event: &Event, causation_id: Option<Uuid>) -> Logged {
    let learner = LearnerId::generate();
    Logged {
        id: EventId::generate(),
        auth_user_id: learner,
        learner_seq: 1,
        event_type: event.type_name().to_owned(),
        correlation_id: "corr-1".to_owned(),
        causation_id,
        traceparent: None,
        occurred_at: now(),
        data: event.data(learner),
    }
}

fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn every_event_with_all_fields_and_with_the_fewest_is_as_the_document_says() {
    for event in samples() {
        for cause in [None, Some(Uuid::new_v4())] {
            let mut logged = logged(&event, cause);
            logged.traceparent = cause.map(|_| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
            let body = logged.envelope();
            assert_eq!(body.get("traceparent").is_some(), cause.is_some());
            assert_eq!(CONTRACT.faults(&body), Vec::<String>::new(), "{body}");
        }
    }
}

#[test]
fn types_routing_keys_and_fields_are_the_same_in_the_code_and_in_the_document() {
    let document = read().unwrap();
    let published = published(&document).unwrap();
    let pairs: BTreeSet<(String, String)> =
        published.iter().map(|event| (event.event_type.to_owned(), event.routing_key.to_owned())).collect();
    assert_eq!(pairs.len(), published.len(), "a type stands there twice");
    let ours: BTreeSet<(String, String)> =
        samples().iter().map(|event| (event.type_name().to_owned(), routing_key(event.type_name()))).collect();
    assert_eq!(pairs, ours);
    for event in &published {
        let fields: Vec<BTreeSet<String>> = samples()
            .iter()
            .filter(|sample| sample.type_name() == event.event_type)
            .map(|sample| names(&sample.data(LearnerId::generate())))
            .collect();
        let all: BTreeSet<String> = fields.iter().flatten().cloned().collect();
        let always: BTreeSet<String> =
            all.iter().filter(|field| fields.iter().all(|sample| sample.contains(*field))).cloned().collect();
        assert_eq!(names(&event.schema["properties"]), all, "{}", event.event_type);
        assert_eq!(names(&event.schema["required"]), always, "{}", event.event_type);
        assert_eq!(event.schema["additionalProperties"], json!(false), "{}", event.event_type);
    }
    // Values of enumerations, as the API has them.
    let (_, api) = quests::routes::routes();
    for (event, field, name) in [
        ("QuestCompleted", "questType", "QuestType"),
        ("ChallengeUnlocked", "questType", "QuestType"),
        ("QuestCompleted", "difficultyLevel", "DifficultyLevel"),
        ("StepCompleted", "stepType", "StepType"),
    ] {
        let ours = &document["components"]["schemas"][event]["properties"][field]["enum"];
        assert!(ours.is_array());
        assert_eq!(names(ours), names(&api["components"]["schemas"][name]["enum"]), "{event}.{field}");
    }
}

#[test]
fn every_operation_belongs_to_one_channel_and_says_all_of_its_messages() {
    let document = read().unwrap();
    let operations = document["operations"].as_object().unwrap();
    for event in published(&document).unwrap() {
        let sends: Vec<&Value> = operations
            .values()
            .filter(|operation| operation["action"] == "send")
            .filter(|operation| {
                let channel = operation["channel"]["$ref"].as_str().unwrap().trim_start_matches('#');
                document.pointer(channel).unwrap()["address"] == event.routing_key
            })
            .collect();
        assert_eq!(sends.len(), 1, "{}", event.event_type);
        let unrouted = &document["channels"]["unrouted"]["messages"][event.event_type];
        assert!(unrouted.is_object(), "{} can be unrouted", event.event_type);
    }
}

#[test]
fn names_on_the_broker_are_those_of_the_settings() {
    let document = read().unwrap();
    let settings =
        config(&["--database-url=postgres://localhost/none".to_owned(), format!("--jwt-secret={DEVELOPMENT_SECRET}")]);
    let (broker, inbox) = (settings.broker, settings.inbox);
    let exchange = &document["components"]["channelBindings"]["events"]["amqp"]["exchange"];
    assert_eq!((&exchange["name"], &exchange["type"]), (&json!(broker.amqp_exchange), &json!("topic")));
    let unrouted = &document["channels"]["unrouted"];
    assert_eq!(unrouted["address"], format!("{}.unrouted", broker.amqp_exchange));
    assert_eq!(unrouted["address"], exchange["x-alternate-exchange"]);
    let bounds = &unrouted["bindings"]["amqp"]["queue"]["x-arguments"];
    assert_eq!(bounds["x-max-length"], broker.amqp_unrouted_max_length);
    assert_eq!(bounds["x-message-ttl"], broker.amqp_unrouted_ttl_hours * 3_600_000);
    let taken_in = taken_in(&document).unwrap();
    let named: Vec<(&str, &str)> =
        taken_in.iter().map(|message| (message.exchange["name"].as_str().unwrap(), message.queue)).collect();
    let queue = |name: &str| format!("{}.{name}", inbox.inbox_queue);
    let [events, meetings, users] = ["events", "meetings", "users"].map(queue);
    let settings = [
        (inbox.event_service_exchange.as_str(), events.as_str()),
        (inbox.meetings_exchange.as_str(), meetings.as_str()),
        (inbox.users_exchange.as_str(), users.as_str()),
    ];
    assert_eq!(named, settings);
    let dead = &document["channels"]["dead-letters"];
    assert_eq!(dead["address"], queue("dead"));
    assert_eq!(dead["bindings"]["amqp"]["queue"]["x-arguments"]["x-max-length"], inbox.inbox_dead_max_length);
}

/// The message without each of the fields that it has to have, those within its objects too.
fn without_one(schema: &Value, message: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for name in names(&schema["required"]) {
        let mut less = message.clone();
        less.as_object_mut().unwrap().remove(&name);
        all.push(less);
        for inner in without_one(&schema["properties"][&name], &message[&name]) {
            let mut less = message.clone();
            less[&name] = inner;
            all.push(less);
        }
    }
    all
}

#[tokio::test]
async fn what_the_document_shows_is_taken_in_and_what_lacks_a_field_is_dead() {
    let pool = database().await;
    let neighbours = Neighbours::start(&amqp_url()).await;
    let setup = Setup { amqp_url: Some(amqp_url()), args: neighbours.args(), ..Setup::default() };
    let service = Service::start_with(&pool, setup).await;
    neighbours.until_bound().await;
    let document = read().unwrap();
    let headers = at(&document, "/components/messages/DeadLetter/headers");
    let mut keyed = 0;
    for message in taken_in(&document).unwrap() {
        let of = match message.queue {
            "quests.inbox.events" => "sse",
            "quests.inbox.meetings" => "meetings",
            _ => "users",
        };
        let properties = lapin::BasicProperties::default;
        for example in message.message["examples"].as_array().unwrap() {
            let body = &example["payload"];
            neighbours.publish(of, message.routing_key, body.to_string().as_bytes(), properties()).await;
            keyed += usize::from(of != "users");
            for spoilt in without_one(message.schema, body) {
                neighbours.publish(of, message.routing_key, spoilt.to_string().as_bytes(), properties()).await;
                // A queue is worked off in order: what came before was not dead.
                let dead = neighbours.dead().await;
                assert_eq!(serde_json::from_slice::<Value>(&dead.body).unwrap(), spoilt, "{}", dead.reason);
                assert_eq!(faults_of(&headers, &headers_of(&dead.properties)), Vec::<String>::new());
            }
        }
    }
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM inbox_messages").await.len(), keyed);
    assert!(neighbours.dead_now().await.is_none());
    service.stop().await;
    neighbours.remove().await;
}

#[test]
fn every_example_of_the_document_is_valid() {
    let document = read().unwrap();
    let mut examples = 0;
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let payload = at(&document, &format!("/components/messages/{name}/payload"));
        let headers =
            if message["traits"].is_array() { "messageTraits/event".to_owned() } else { format!("messages/{name}") };
        let headers = document
            .pointer(&format!("/components/{headers}/headers"))
            .map(|_| at(&document, &format!("/components/{headers}/headers")));
        let all = message["examples"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(!all.is_empty(), "{name} has no example");
        for example in all {
            examples += 1;
            assert_eq!(faults_of(&payload, &example["payload"]), Vec::<String>::new(), "{name}");
            if let (Some(headers), Some(values)) = (&headers, example.get("headers")) {
                assert_eq!(faults_of(headers, values), Vec::<String>::new(), "headers of {name}");
            }
            if example["payload"].get("specversion").is_some() {
                assert_eq!(CONTRACT.faults(&example["payload"]), Vec::<String>::new(), "{name}");
            }
        }
    }
    assert!(examples >= 18, "{examples}");
}

#[test]
fn what_is_not_in_the_contract_is_found() {
    let event = Event::XpGranted(grant(Objective::Quest));
    let good = logged(&event, None).envelope();
    let spoilt = |pointer: &str, value: Value| {
        let mut body = good.clone();
        match pointer.rsplit_once('/') {
            Some((above, name)) if body.pointer(pointer).is_none() => {
                body.pointer_mut(above).unwrap()[name] = value;
            }
            _ => *body.pointer_mut(pointer).unwrap() = value,
        }
        body
    };
    assert!(CONTRACT.faults(&good).is_empty());
    for (pointer, value) in [
        ("/data/points", json!(0)),
        ("/data/points", json!("50")),
        ("/data/points", json!(1.5)),
        ("/data/reason", json!("Because")),
        ("/data/questId", json!("no id")),
        ("/data/more", json!(1)),
        ("/data/authUserId", json!(Uuid::new_v4())),
        ("/more", json!(1)),
        ("/time", json!("yesterday")),
        ("/time", json!("2026-09-01T08:00:00+02:00")),
        ("/learnerseq", json!(0)),
        ("/correlationid", json!("two words")),
        ("/causationid", Value::Null),
        ("/traceparent", json!("00-1-2-3")),
        ("/replayed", json!(false)),
        ("/type", json!("QuestStarted")),
        ("/type", json!("Nothing")),
        ("/dataschema", json!("/schemas/events/XPGranted/v2")),
    ] {
        let body = spoilt(pointer, value);
        assert!(!CONTRACT.faults(&body).is_empty(), "{pointer}: {body}");
    }
    assert_eq!(CONTRACT.faults(&spoilt("/replayed", json!(true))), Vec::<String>::new());
    let mut without = good.clone();
    without["data"].as_object_mut().unwrap().remove("points");
    assert!(!CONTRACT.faults(&without).is_empty());
}

#[tokio::test]
async fn the_contract_is_served_as_document_schemas_and_page() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let anyone = service.anonymous();
    let reply = anyone.get("/asyncapi.json").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let tag = reply.header("etag").unwrap().to_owned();
    assert_eq!(reply.json(), read().unwrap());
    let known = anyone.send(reqwest::Method::GET, "/asyncapi.json", &[("if-none-match", &tag)], None).await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));

    // Where a message says that its schema is, there it is, and the message's data is valid by it.
    for event in samples() {
        let body = logged(&event, None).envelope();
        let reply = anyone.get(body["dataschema"].as_str().unwrap()).await;
        assert_eq!(reply.header("content-type"), Some("application/schema+json"));
        assert!(reply.header("etag").is_some());
        let schema = reply.expect(200);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$id"], body["dataschema"]);
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        assert_eq!(faults_of(&validator, &body["data"]), Vec::<String>::new());
        assert!(!validator.is_valid(&json!({})));
    }
    anyone.get("/schemas/events/Nothing/v1").await.problem(404, "not_found");
    anyone.get("/schemas/events/XPGranted/v2").await.problem(404, "not_found");

    let page = anyone.get("/docs/events").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("content-security-policy"), Some("default-src 'none'; style-src 'unsafe-inline'"));
    assert!(page.text.contains("quests.xp-granted") && page.text.contains("quests.inbox.dead"));
    assert!(anyone.get("/docs/").await.text.contains("swagger-ui"), "the Swagger UI is where it was");
    service.stop().await;
}
