//! After the end of an assessment: whom a grader lets go on, and for how many tries.

use serde_json::{Value, json};

use crate::assessments::{quiet, quiz, with};
use crate::harness::{Client, Reply, database, text, verify};

impl Client {
    /// As a grader: further tries of an assessment.
    async fn allow(&self, attempt: &Value, assessment: &Value, tries: u32) -> Reply {
        let body = json!({"assessmentId": assessment["id"], "tries": tries, "reason": "The power was out."});
        self.post(&format!("/v1/attempts/{}/extra-tries", text(&attempt["id"])), body).await
    }
}

#[tokio::test]
async fn a_try_that_the_due_time_has_cut_uses_up_no_extra_try() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let due = "2026-09-01T08:30:00Z";
    let timed =
        with(quiz(&[("a", true)]), json!({"timeLimitSeconds": 3600, "dueAt": due, "late": {"policy": "reject"}}));
    let (quest, assessment) = author.assessed("Cut", timed, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    learner.start(&attempt, &assessment).await.expect(200);
    service.wait(1801);
    let cut = learner.submissions(&attempt).await[0].clone();
    assert_eq!((&cut["isAutoSubmitted"], &cut["submittedAt"]), (&json!(true), &json!(due)));
    learner.start(&attempt, &assessment).await.problem(409, "assessment_closed");
    let allowed = author.allow(&attempt, &assessment, 1).await.expect(200);
    assert_eq!(allowed["extraTries"], 1);
    learner.start(&attempt, &assessment).await.expect(200);
    learner.hand_in(&attempt, &assessment, json!({"answers": {"a": true}})).await.expect(201);
    // One is one.
    learner.start(&attempt, &assessment).await.problem(409, "assessment_closed");
    verify(&pool).await;
}

#[tokio::test]
async fn work_that_came_back_is_tried_again_once_even_after_the_end() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let end = "2026-09-01T09:00:00Z";
    let ends = [json!({ "closesAt": end }), json!({"dueAt": end, "late": {"policy": "reject"}})];
    let back = json!({"decision": "return", "feedback": "The wrong file."});
    let mut handed = Vec::new();
    for end in ends {
        let essay = json!({"v": 1, "type": "Assignment", "maxGrade": 10, "accept": [{"kind": "text"}]});
        let (quest, assessment) = author.assessed("Essay", with(essay, end), Value::Null).await;
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        let work = learner.hand_in(&attempt, &assessment, json!({"text": "x"})).await.expect(201)["submission"].clone();
        handed.push((learner, attempt, assessment, work));
    }
    service.wait(3601);
    for (learner, attempt, assessment, mut work) in handed {
        let again = async || learner.hand_in(&attempt, &assessment, json!({"text": "y"})).await;
        again().await.problem(409, "assessment_closed");
        // As often as it comes back, and no more often.
        for _ in 0..2 {
            author.grade(&work, back.clone()).await.expect(200);
            work = again().await.expect(201)["submission"].clone();
            again().await.problem(409, "assessment_closed");
        }
        // It stands in for what came back, and uses up nothing that a grader allows besides.
        author.allow(&attempt, &assessment, 1).await.expect(200);
        again().await.expect(201);
        again().await.problem(409, "assessment_closed");
    }
    verify(&pool).await;
}
