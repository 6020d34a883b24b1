//! Submission steps that a person looks at.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Reply, Service, Setup, database, path_of, rounds, rows, step, text, verify};
use crate::step_checks::{checked, quest_of, step_of};

fn reviewed() -> Value {
    checked(
        "hand in",
        &json!({"v": 1, "type": "Submission", "accept": [{"kind": "text", "minChars": 3}], "review": "manual"}),
    )
}

fn review_path(attempt: &Value, index: usize) -> String {
    format!("/v1/attempts/{}/steps/{}/review", text(&attempt["id"]), text(&attempt["steps"][index]["stepId"]))
}

async fn decide(grader: &Client, path: &str, etag: &str, body: Value) -> Reply {
    grader.send(Method::POST, path, &[("If-Match", etag)], Some(&body)).await
}

/// Reads the review and decides on what was read.
async fn read_and_decide(grader: &Client, path: &str, body: Value) -> Reply {
    let read = grader.get(path).await;
    let etag = read.header("etag").unwrap_or_else(|| panic!("{}", read.text)).to_owned();
    decide(grader, path, &etag, body).await
}

#[tokio::test]
async fn work_waits_for_its_reviewer_comes_back_and_is_accepted() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, grader, learner) = (service.author(), service.author(), service.learner());
    let quest = quest_of(&author, "Reviewed", &[reviewed(), step("after")]).await;
    let attempt = learner.attempt(&quest).await;
    let (one, path) = (&attempt["steps"][0], review_path(&attempt, 0));

    grader.get(&path).await.problem(404, "not_found");
    let short = learner.complete(&attempt, one, json!({"text": "ab"})).await.problem(422, "criteria_not_met");
    assert_eq!(short["unmet"][0]["criterion"], "minChars");
    assert_eq!(grader.all("/v1/step-reviews").await.len(), 0, "what is not fit does not wait");

    let mine = json!({"text": "my first version"});
    let handed_in = learner.complete(&attempt, one, mine.clone()).await.expect(200);
    assert_eq!((&handed_in["step"]["status"], &handed_in["earned"]), (&json!("InProgress"), &json!([])));
    assert_eq!(
        (&handed_in["step"]["review"]["status"], &handed_in["step"]["attemptsCount"]),
        (&json!("waiting"), &json!(2))
    );
    assert_eq!(handed_in["step"]["feedback"], Value::Null);
    learner.complete(&attempt, &attempt["steps"][1], Value::Null).await.problem(409, "step_locked");
    // The same again is the same; other work would be lost on the reviewer.
    assert_eq!(learner.complete(&attempt, one, mine.clone()).await.expect(200), handed_in);
    learner.complete(&attempt, one, json!({"text": "another version"})).await.problem(409, "review_pending");

    let waiting = grader.all("/v1/step-reviews").await;
    assert_eq!(waiting.len(), 1);
    assert_eq!((&waiting[0]["submissionData"], &waiting[0]["authUserId"]), (&mine, &json!(learner.id)));
    assert_eq!((&waiting[0]["questTitle"], &waiting[0]["task"]["review"]), (&json!("Reviewed"), &json!("manual")));
    service.wait(60);
    let back = json!({"decision": "return", "feedback": "Name the file, please."});
    let returned = decide(&grader, &path, text(&waiting[0]["etag"]), back).await.expect(200);
    assert_eq!((&returned["status"], &returned["reviewedBy"]), (&json!("returned"), &json!(grader.id)));
    let seen = step_of(&learner, &attempt, 0).await;
    assert_eq!((&seen["status"], &seen["feedback"]), (&json!("InProgress"), &json!("Name the file, please.")));
    assert_eq!((&seen["review"]["status"], &seen["submissionData"]), (&json!("returned"), &mine));
    assert!(!seen.to_string().contains(&grader.id.to_string()), "who reviewed is not the learner's: {seen}");
    assert_eq!(grader.all("/v1/step-reviews").await.len(), 0);
    assert_eq!(grader.all("/v1/step-reviews?status=returned").await.len(), 1);
    read_and_decide(&grader, &path, json!({"decision": "accept"})).await.problem(409, "nothing_to_review");

    let again = learner.complete(&attempt, one, json!({"text": "named version"})).await.expect(200);
    assert_eq!((&again["step"]["review"]["status"], &again["step"]["attemptsCount"]), (&json!("waiting"), &json!(3)));
    assert_eq!((&again["step"]["feedback"], &again["step"]["review"]["reviewedAt"]), (&Value::Null, &Value::Null));
    let accepted =
        read_and_decide(&grader, &path, json!({"decision": "accept", "feedback": "Well done."})).await.expect(200);
    assert_eq!(accepted["status"], "accepted");
    let seen = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!(
        (&seen["steps"][0]["status"], &seen["steps"][0]["feedback"]),
        (&json!("Completed"), &json!("Well done."))
    );
    assert_eq!((&seen["totalExperienceEarned"], &seen["completionPercentage"]), (&json!(10), &json!(50.0)));

    // A done unit stays done.
    read_and_decide(&grader, &path, json!({"decision": "return", "feedback": "No."}))
        .await
        .problem(409, "step_completed");
    assert_eq!(read_and_decide(&grader, &path, json!({"decision": "accept"})).await.expect(200), accepted);
    let done = learner.complete(&attempt, &attempt["steps"][1], Value::Null).await.expect(200);
    assert_eq!(done["attempt"]["status"], "Completed");
    let notes =
        rows(&pool, "SELECT details ->> 'decision' AS decision FROM audit_log WHERE action = 'review' ORDER BY id")
            .await;
    assert_eq!(notes, [json!({"decision": "return"}), json!({"decision": "accept"})]);
    verify(&pool).await;
}

#[tokio::test]
async fn accepting_the_last_step_completes_the_quest_with_the_normal_cascade() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, grader, learner) = (service.author(), service.author(), service.learner());
    let quest = quest_of(&author, "Last", &[reviewed()]).await;
    let next = author.quest("Next", 1, 0).await;
    author.needs(&next, &[&quest]).await.expect(200);
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], json!({"text": "mine"})).await.expect(200);
    // Paused meanwhile: the grader need not wait for the learner.
    learner.post(&format!("/v1/attempts/{}/pause", text(&attempt["id"])), json!({})).await.expect(200);
    let path = review_path(&attempt, 0);
    let etag = grader.get(&path).await.header("etag").unwrap().to_owned();
    let headers = [("If-Match", etag.as_str()), ("X-Correlation-Id", "review-1")];
    grader.send(Method::POST, &path, &headers, Some(&json!({"decision": "accept"}))).await.expect(200);
    assert_eq!(learner.attempt(&quest).await["status"], "Completed");
    let events = rows(
        &pool,
        "SELECT event_type, correlation_id FROM outbox_events WHERE correlation_id = 'review-1' ORDER BY position",
    )
    .await;
    let types: Vec<&str> = events.iter().map(|event| text(&event["event_type"])).collect();
    assert_eq!(
        types,
        [
            "StepCompleted",
            "XPGranted",
            "QuestCompleted",
            "XPGranted",
            "SkillPointsGranted",
            "SkillPointsGranted",
            "ChallengeUnlocked"
        ]
    );
    // The learner's repeated call shows what it gave.
    let again = learner.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    assert_eq!((&again["earned"][0]["points"], &again["earned"][1]["points"]), (&json!(10), &json!(100)));
    assert_eq!(again["unlocked"], json!([{"questId": next["id"], "title": "Next"}]));
    verify(&pool).await;
}

#[tokio::test]
async fn a_decision_names_its_version_and_comes_from_somebody_else() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.author();
    let quest = quest_of(&author, "Rules", &[reviewed()]).await;
    let attempt = learner.attempt(&quest).await;
    learner.complete(&attempt, &attempt["steps"][0], json!({"text": "mine"})).await.expect(200);
    let path = review_path(&attempt, 0);
    let accept = json!({"decision": "accept"});

    for reply in [learner.get("/v1/step-reviews").await, learner.get(&path).await] {
        reply.problem(403, "forbidden");
    }
    decide(&learner, &path, "\"x\"", accept.clone()).await.problem(403, "forbidden");
    grader.post(&path, accept.clone()).await.problem(428, "precondition_required");
    decide(&grader, &path, "*", accept.clone()).await.problem(428, "precondition_required");
    let stale = decide(&grader, &path, "\"stale\"", accept.clone()).await.problem(412, "precondition_failed");
    assert_eq!((&stale["current"]["status"], stale["currentETag"].is_string()), (&json!("waiting"), true));
    for (body, at) in [
        (json!({"decision": "maybe"}), "/decision"),
        (json!({"decision": "return"}), "/feedback"),
        (json!({"decision": "return", "feedback": "  "}), "/feedback"),
        (json!({"decision": "accept", "grade": 5}), "/grade"),
        (json!({}), ""),
    ] {
        let refused = read_and_decide(&grader, &path, body.clone()).await.problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], at, "{body}: {refused}");
    }
    grader.get("/v1/step-reviews?status=lost").await.problem(422, "validation_failed");
    let elsewhere = format!("/v1/attempts/{}/steps/{}/review", Uuid::now_v7(), text(&attempt["steps"][0]["stepId"]));
    grader.get(&elsewhere).await.problem(404, "not_found");
    decide(&grader, &elsewhere, "\"x\"", accept.clone()).await.problem(404, "not_found");

    // A lecturer who learns as well.
    let both = service.author();
    let own = both.attempt(&quest).await;
    both.complete(&own, &own["steps"][0], json!({"text": "mine too"})).await.expect(200);
    let own_path = review_path(&own, 0);
    both.get(&own_path).await.problem(403, "forbidden");
    decide(&both, &own_path, "\"x\"", accept.clone()).await.problem(403, "forbidden");
    assert_eq!(both.all("/v1/step-reviews").await.len(), 1, "own work is not in the queue");
    assert_eq!(grader.all("/v1/step-reviews").await.len(), 2);
}

#[tokio::test]
async fn the_queue_is_paged_by_waiting_time_and_filtered_by_quest() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, grader) = (service.author(), service.author());
    let (one, two) = (quest_of(&author, "One", &[reviewed()]).await, quest_of(&author, "Two", &[reviewed()]).await);
    let mut expected = Vec::new();
    for number in 0..5 {
        let learner = service.learner();
        let attempt = learner.attempt(if number % 2 == 0 { &one } else { &two }).await;
        learner.complete(&attempt, &attempt["steps"][0], json!({"text": "mine"})).await.expect(200);
        expected.push(attempt["id"].clone());
        // Two at the same instant: the order is still total.
        if number != 2 {
            service.wait(1);
        }
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = grader.get(&format!("/v1/step-reviews?limit=2{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["attemptId"].clone()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, expected);
    assert_eq!(grader.all(&format!("/v1/step-reviews?questId={}", text(&two["id"]))).await.len(), 2);
    let reply = grader.get("/v1/step-reviews").await;
    let etag = reply.header("etag").unwrap().to_owned();
    let known = grader.send(Method::GET, "/v1/step-reviews", &[("If-None-Match", &etag)], None).await;
    assert_eq!(known.status, 304);
}

#[tokio::test]
async fn of_two_graders_one_decides_and_the_other_sees_how() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 8, ..Setup::default() }).await;
    let author = service.author();
    let quest = quest_of(&author, "Two", &[reviewed()]).await;
    for _ in 0..rounds(30, 1_000) {
        let (learner, one, two) = (service.learner(), service.author(), service.author());
        let attempt = learner.attempt(&quest).await;
        learner.complete(&attempt, &attempt["steps"][0], json!({"text": "mine"})).await.expect(200);
        let path = review_path(&attempt, 0);
        let etag = one.get(&path).await.header("etag").unwrap().to_owned();
        let replies = join_all([
            decide(&one, &path, &etag, json!({"decision": "accept"})),
            decide(&two, &path, &etag, json!({"decision": "return", "feedback": "again"})),
        ])
        .await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        let (won, lost) =
            if replies[0].status == 200 { (&replies[0], &replies[1]) } else { (&replies[1], &replies[0]) };
        assert_eq!(lost.json()["current"]["status"], won.json()["status"]);
        assert_eq!(lost.json()["current"]["reviewedBy"], won.json()["reviewedBy"]);
    }
    verify(&pool).await;
}

#[tokio::test]
async fn work_that_is_taken_back_leaves_the_queue() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, grader) = (service.author(), service.author());
    let mut optional = reviewed();
    optional["isOptional"] = json!(true);
    let quest = quest_of(&author, "Back", &[optional, step("must")]).await;
    let start = async || {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        learner.complete(&attempt, &attempt["steps"][0], json!({"text": "mine"})).await.expect(200);
        (learner, attempt)
    };
    let waiting = async || grader.all("/v1/step-reviews").await.len();

    let (learner, attempt) = start().await;
    assert_eq!(waiting().await, 1);
    let skip = format!("/v1/attempts/{}/steps/{}/skip", text(&attempt["id"]), text(&attempt["steps"][0]["stepId"]));
    let skipped = learner.post(&skip, json!({})).await.expect(200);
    assert_eq!((&skipped["steps"][0]["status"], &skipped["steps"][0]["review"]), (&json!("Skipped"), &Value::Null));
    assert_eq!(waiting().await, 0);

    let (learner, attempt) = start().await;
    let path = review_path(&attempt, 0);
    let etag = grader.get(&path).await.header("etag").unwrap().to_owned();
    learner.post(&format!("/v1/attempts/{}/abandon", text(&attempt["id"])), json!({})).await.expect(200);
    assert_eq!(waiting().await, 0);
    decide(&grader, &path, &etag, json!({"decision": "accept"})).await.problem(404, "not_found");
    learner.attempt(&quest).await;
    assert_eq!(waiting().await, 1, "it waits again once the attempt is taken up");
    decide(&grader, &path, &etag, json!({"decision": "accept"})).await.expect(200);

    let (_, attempt) = start().await;
    let step_path = format!("{}/steps/{}", path_of(&quest), text(&attempt["steps"][0]["stepId"]));
    author.post(&format!("{step_path}/retire"), json!({})).await.expect(200);
    assert_eq!(waiting().await, 0);
    verify(&pool).await;
}
