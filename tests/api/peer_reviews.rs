//! Peer review: who reviews whom, what the reviews come to, and what happens when they do not come.

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::assessments::{path_to, quiet, with};
use crate::harness::{Client, Service, Setup, database, rounds, rows, text, verify};

fn configuration(peer: Value) -> Value {
    let levels = json!([{"points": 0, "label": "poor"}, {"points": 10, "label": "good"}]);
    let peer = with(
        json!({"mustReview": 2, "reviewsNeeded": 2, "aggregate": "mean", "fallback": {"to": "manual", "afterHours": 24}}),
        peer,
    );
    json!({"v": 1, "type": "PeerReview", "maxGrade": 20, "accept": [{"kind": "text"}], "peer": peer,
           "rubric": {"criteria": [{"id": "clarity", "title": "Clarity", "levels": levels}, {"id": "depth", "title": "Depth", "levels": levels}]}})
}

/// Learners who have handed in their work.
pub async fn class(
    service: &Service,
    author: &Client,
    peer: Value,
    size: usize,
) -> (Value, Value, Vec<(Client, Value)>) {
    let (quest, assessment) =
        author.assessed("Peers", configuration(peer), json!({"op": "minPercent", "value": 60})).await;
    let mut learners = Vec::new();
    for number in 0..size {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        let handed = learner
            .hand_in(&attempt, &assessment, json!({"text": format!("Work of number {number}")}))
            .await
            .expect(201);
        assert_eq!(handed["submission"]["status"], "inPeerReview");
        learners.push((learner, attempt));
    }
    (quest, assessment, learners)
}

async fn hand_out(service: &Service, pool: &PgPool) {
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_allocations(&db, &service.clock).await.unwrap();
}

async fn fall_back(service: &Service, pool: &PgPool) {
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_fallbacks(&db, &service.clock).await.unwrap();
}

impl Client {
    async fn open_reviews(&self) -> Vec<Value> {
        self.all("/v1/me/peer-reviews?status=open").await
    }

    pub async fn review(&self, review: &Value, clarity: u32, depth: u32) -> Value {
        let body = json!({"rubric": {"clarity": {"points": clarity, "comment": "clear"}, "depth": {"points": depth}}, "comment": "Thanks."});
        self.post(&format!("/v1/peer-reviews/{}", text(&review["id"])), body).await.expect(200)
    }
}

#[tokio::test]
async fn reviews_are_handed_out_fairly_and_grade_the_work() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (quest, assessment, learners) = class(&service, &author, json!({}), 4).await;
    hand_out(&service, &pool).await;
    for (number, (learner, _)) in learners.iter().enumerate() {
        let open = learner.open_reviews().await;
        assert_eq!(open.len(), 2, "each reviews two");
        for review in &open {
            assert_ne!(review["submissionData"]["text"], format!("Work of number {number}"), "nobody reviews own work");
            assert_eq!(review["task"]["rubric"]["criteria"].as_array().unwrap().len(), 2);
            assert_eq!(review["dueAt"], "2026-09-02T08:00:00Z");
            let seen = review.to_string();
            for (other, attempt) in &learners {
                assert!(
                    !seen.contains(&other.id.to_string()) && !seen.contains(text(&attempt["id"])),
                    "anonymous: {seen}"
                );
            }
        }
    }
    let counts = rows(&pool, "SELECT submission_id, count(*) AS n FROM peer_reviews GROUP BY submission_id").await;
    assert!(counts.len() == 4 && counts.iter().all(|row| row["n"] == 2), "each work has two");
    let events = rows(&pool, "SELECT data FROM outbox_events WHERE event_type = 'PeerReviewAssigned'").await;
    assert_eq!(events.len(), 8);
    assert_eq!(events[0]["data"]["assessmentId"], assessment["id"]);

    // The first three do what they owe; nothing is graded before its author has.
    let first = &learners[0];
    let open = first.0.open_reviews().await;
    learners[1].0.get(&format!("/v1/peer-reviews/{}", text(&open[0]["id"]))).await.problem(404, "not_found");
    let path = format!("/v1/peer-reviews/{}", text(&open[0]["id"]));
    let wrong =
        first.0.post(&path, json!({"rubric": {"clarity": {"points": 11}}})).await.problem(422, "validation_failed");
    let pointers: Vec<&Value> = wrong["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, [&json!("/rubric/clarity/points"), &json!("/rubric/depth")]);
    for (learner, _) in &learners {
        for review in learner.open_reviews().await {
            assert_eq!(learner.review(&review, 8, 6).await["status"], "done");
        }
    }
    first
        .0
        .post(&path, json!({"rubric": {"clarity": {"points": 1}, "depth": {"points": 1}}}))
        .await
        .problem(409, "review_closed");
    for (learner, attempt) in &learners {
        let seen = learner.submissions(attempt).await[0].clone();
        // 14 of 20 points are 70 % of 20.
        assert_eq!(
            (&seen["status"], &seen["grade"], &seen["isPassed"]),
            (&json!("graded"), &json!(14.0), &json!(true))
        );
        assert_eq!(seen["peerReviews"].as_array().unwrap().len(), 2);
        assert_eq!(seen["peerReviews"][0]["comment"], "Thanks.");
        assert_eq!(seen["peerReviews"][0].get("reviewerId"), None);
        assert_eq!(
            learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200)["status"],
            "Completed"
        );
    }
    let graded = author.all("/v1/submissions?status=graded").await;
    assert_eq!((graded[0]["reviews"].as_array().unwrap().len(), &graded[0]["history"][0]["how"]), (2, &json!("peers")));
    assert_eq!(learners[0].0.get(&path_to(&quest, &assessment)).await.expect(200)["my"]["grade"], json!(14.0));
    verify(&pool).await;
}

#[tokio::test]
async fn work_is_not_graded_before_its_author_has_reviewed_enough() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (_, _, learners) = class(&service, &author, json!({}), 3).await;
    hand_out(&service, &pool).await;
    let status = async |index: usize| learners[index].0.submissions(&learners[index].1).await[0]["status"].clone();
    for (learner, _) in &learners[1..] {
        for review in learner.open_reviews().await {
            learner.review(&review, 10, 10).await;
        }
    }
    assert_eq!(status(0).await, "inPeerReview", "both reviews are there, but the own ones are owed");
    assert_eq!(status(1).await, "inPeerReview", "one review is missing");
    let open = learners[0].0.open_reviews().await;
    learners[0].0.review(&open[0], 10, 10).await;
    assert_eq!(status(0).await, "inPeerReview");
    learners[0].0.review(&open[1], 10, 10).await;
    for index in 0..3 {
        assert_eq!(status(index).await, "graded", "{index}");
    }
    verify(&pool).await;
}

#[tokio::test]
async fn a_grader_takes_over_when_reviews_do_not_come_in_time() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (_, _, learners) = class(&service, &author, json!({}), 3).await;
    hand_out(&service, &pool).await;
    let done = learners[1].0.open_reviews().await;
    learners[1].0.review(&done[0], 4, 4).await;
    service.wait(24 * 3600 - 1);
    fall_back(&service, &pool).await;
    assert_eq!(author.all("/v1/submissions").await.len(), 0);
    service.wait(1);
    fall_back(&service, &pool).await;
    let queue = author.all("/v1/submissions").await;
    assert_eq!(queue.len(), 3);
    assert_eq!(learners[0].0.open_reviews().await.len(), 0);
    assert_eq!(learners[0].0.all("/v1/me/peer-reviews?status=withdrawn").await[0]["submissionData"], Value::Null);
    let withdrawn = learners[0].0.all("/v1/me/peer-reviews").await[0].clone();
    let late = json!({"rubric": {"clarity": {"points": 1}, "depth": {"points": 1}}});
    learners[0]
        .0
        .post(&format!("/v1/peer-reviews/{}", text(&withdrawn["id"])), late)
        .await
        .problem(409, "review_closed");
    // The review that was written is there for the grader, with its writer's name.
    let reviewed = queue.iter().find(|work| !work["reviews"].as_array().unwrap().is_empty()).unwrap();
    assert_eq!(reviewed["reviews"][0]["reviewerId"], json!(learners[1].0.id));
    let graded =
        author.grade(reviewed, json!({"rubric": {"clarity": {"points": 9}, "depth": {"points": 9}}})).await.expect(200);
    assert_eq!((&graded["grade"], &graded["isPassed"]), (&json!(18.0), &json!(true)));
    verify(&pool).await;
}

#[tokio::test]
async fn reviews_that_are_far_apart_go_to_a_grader() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (_, _, learners) = class(&service, &author, json!({"escalateIfSpreadPercent": 40}), 3).await;
    hand_out(&service, &pool).await;
    // Of the two reviews of the first work, one is full of praise and one is not: 50 % apart. The others agree.
    let mut praised = false;
    for (learner, _) in &learners {
        for review in learner.open_reviews().await {
            let points = match text(&review["submissionData"]["text"]) {
                "Work of number 0" if praised => 5,
                "Work of number 0" => {
                    praised = true;
                    10
                }
                _ => 8,
            };
            learner.review(&review, points, points).await;
        }
    }
    let status = async |index: usize| learners[index].0.submissions(&learners[index].1).await[0]["status"].clone();
    assert_eq!([status(0).await, status(1).await, status(2).await], ["awaitingGrade", "graded", "graded"]);
    assert_eq!(author.all("/v1/submissions").await[0]["reviews"].as_array().unwrap().len(), 2);
    verify(&pool).await;
}

#[tokio::test]
async fn who_comes_later_is_served_too_and_returned_work_frees_its_reviewers() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (quest, assessment, learners) = class(&service, &author, json!({"mustReview": 1, "reviewsNeeded": 1}), 2).await;
    hand_out(&service, &pool).await;
    assert_eq!(learners[0].0.open_reviews().await[0]["submissionData"]["text"], "Work of number 1");
    let late = service.learner();
    let attempt = late.attempt(&quest).await;
    late.hand_in(&attempt, &assessment, json!({"text": "Work of the late one"})).await.expect(201);
    hand_out(&service, &pool).await;
    assert_eq!(late.open_reviews().await.len(), 0, "both works have all the reviews that they need");
    let submission = learners[1].0.submissions(&learners[1].1).await[0].clone();
    author.grade(&submission, json!({"decision": "return", "feedback": "The wrong file."})).await.expect(200);
    assert_eq!(learners[0].0.open_reviews().await.len(), 0);
    hand_out(&service, &pool).await;
    // The first one still owes a review, and writes it of what came later.
    assert_eq!(learners[0].0.open_reviews().await[0]["submissionData"]["text"], "Work of the late one");
    learners[1].0.hand_in(&learners[1].1, &assessment, json!({"text": "The right file"})).await.expect(201);
    hand_out(&service, &pool).await;
    assert_eq!(late.open_reviews().await[0]["submissionData"]["text"], "The right file");
    verify(&pool).await;
}

#[tokio::test]
async fn work_that_is_graded_while_reviews_are_handed_out_gets_none_that_stays_open() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    for _ in 0..rounds(3, 60) {
        let once = json!({"mustReview": 1, "reviewsNeeded": 1});
        let (quest, assessment, learners) = class(&service, &author, once, 6).await;
        hand_out(&service, &pool).await;
        for (learner, _) in &learners {
            learner.review(&learner.open_reviews().await[0], 10, 10).await;
        }
        // Those who have reviewed hand in once more; those who come now will review it.
        let mut works = Vec::new();
        for (learner, attempt) in &learners {
            let handed = learner.hand_in(attempt, &assessment, json!({"text": "Better"})).await.expect(201);
            let (work, tag) = author.to_grade(&handed["submission"]).await;
            works.push((work, tag));
        }
        for _ in 0..works.len() {
            let learner = service.learner();
            let attempt = learner.attempt(&quest).await;
            learner.hand_in(&attempt, &assessment, json!({"text": "Late"})).await.expect(201);
        }
        let grade = json!({"rubric": {"clarity": {"points": 9}, "depth": {"points": 9}}});
        let grades = join_all(works.iter().map(|(work, tag)| author.grade_at(work, tag, grade.clone())));
        let (grades, ()) = tokio::join!(grades, hand_out(&service, &pool));
        for grade in grades {
            grade.expect(200);
        }
        verify(&pool).await;
    }
}

#[tokio::test]
async fn who_waits_for_work_that_needs_no_review_any_more_is_graded() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let back = json!({"decision": "return", "feedback": "The wrong file."});
    let grade = json!({"rubric": {"clarity": {"points": 9}, "depth": {"points": 9}}});
    for what in [Some(back), Some(grade), None] {
        let owed = json!({"mustReview": 2, "reviewsNeeded": 1});
        let (quest, assessment, learners) = class(&service, &author, owed, 2).await;
        hand_out(&service, &pool).await;
        let late = service.learner();
        let attempt = late.attempt(&quest).await;
        late.hand_in(&attempt, &assessment, json!({"text": "Work of the late one"})).await.expect(201);
        hand_out(&service, &pool).await;
        let mut owing = 0;
        for (index, (learner, _)) in learners.iter().enumerate() {
            let open = learner.open_reviews().await;
            if open.len() == 2 {
                owing = index;
            }
            let of_each_other = open.iter().find(|review| review["submissionData"]["text"] != "Work of the late one");
            learner.review(of_each_other.unwrap(), 10, 10).await;
        }
        let status = async |index: usize| learners[index].0.submissions(&learners[index].1).await[0]["status"].clone();
        assert_eq!(
            [status(owing).await, status(1 - owing).await],
            ["inPeerReview", "graded"],
            "one owes a second review"
        );
        let work = late.submissions(&attempt).await[0].clone();
        if let Some(what) = what {
            author.grade(&work, what).await.expect(200);
        } else {
            let less = json!({"configuration": {"peer": {"mustReview": 1}}});
            author.patch(&path_to(&quest, &assessment), less).await.expect(200);
        }
        hand_out(&service, &pool).await;
        assert_eq!(status(owing).await, "graded", "it has its review, and nothing is owed any more");
    }
    verify(&pool).await;
}

#[tokio::test]
async fn one_piece_of_work_of_a_learner_is_reviewed_at_a_time() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let (_, assessment, learners) = class(&service, &author, json!({}), 1).await;
    let (learner, attempt) = &learners[0];
    let again = async || learner.hand_in(attempt, &assessment, json!({"text": "Better"})).await;
    again().await.problem(409, "review_pending");
    let path = format!("/v1/attempts/{}/assessments/{}/draft", text(&attempt["id"]), text(&assessment["id"]));
    learner.put(&path, json!({"submissionData": {"text": "Better"}})).await.problem(409, "review_pending");
    let first = learner.submissions(attempt).await[0].clone();
    author.grade(&first, json!({"decision": "return", "feedback": "More."})).await.expect(200);
    let second = again().await.expect(201)["submission"].clone();
    again().await.problem(409, "review_pending");
    author.grade(&second, json!({"rubric": {"clarity": {"points": 1}, "depth": {"points": 1}}})).await.expect(200);
    again().await.expect(201);
    verify(&pool).await;
}
