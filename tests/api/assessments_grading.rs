//! Work that people grade: the queue, grades and rubrics, two graders at once, the way back, further tries.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::assessments::{path_to, quiz, with};
use crate::harness::{Client, Reply, Service, database, path_of, rows, text, verify};

pub fn essay() -> Value {
    json!({"v": 1, "type": "Assignment", "maxGrade": 10, "accept": [{"kind": "text", "minChars": 5}]})
}

fn project() -> Value {
    let levels = |most: u32| json!([{"points": 0, "label": "none"}, {"points": most, "label": "full"}]);
    json!({"v": 1, "type": "Project", "maxGrade": 20, "accept": [{"kind": "url", "hosts": ["example.org"]}],
           "rubric": {"criteria": [{"id": "tests", "title": "Tests", "levels": levels(10)}, {"id": "style", "title": "Style", "levels": levels(6)}]}})
}

fn words() -> Value {
    json!({"text": "Some honest work."})
}

impl Client {
    /// As a grader: the submission as it stands, with its tag.
    pub async fn to_grade(&self, submission: &Value) -> (Value, String) {
        let reply = self.get(&format!("/v1/submissions/{}", text(&submission["id"]))).await;
        let tag = reply.header("etag").unwrap().to_owned();
        (reply.expect(200), tag)
    }

    pub async fn grade_at(&self, submission: &Value, tag: &str, grade: Value) -> Reply {
        let path = format!("/v1/submissions/{}/grade", text(&submission["id"]));
        self.send(Method::POST, &path, &[("if-match", tag)], Some(&grade)).await
    }

    pub async fn grade(&self, submission: &Value, grade: Value) -> Reply {
        let (_, tag) = self.to_grade(submission).await;
        self.grade_at(submission, &tag, grade).await
    }
}

#[tokio::test]
async fn work_waits_in_the_queue_and_a_grade_completes_the_quest() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (quest, assessment) = author.assessed("Essay", essay(), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let short = learner.hand_in(&attempt, &assessment, json!({"text": "Hm"})).await.problem(422, "validation_failed");
    assert_eq!(short["errors"][0]["pointer"], "/submissionData/text");
    learner
        .hand_in(&attempt, &assessment, json!({"url": "https://example.org"}))
        .await
        .problem(422, "validation_failed");
    let handed = learner.hand_in(&attempt, &assessment, words()).await.expect(201);
    let submission = &handed["submission"];
    assert_eq!((&submission["status"], &submission["attemptNumber"]), (&json!("awaitingGrade"), &json!(1)));
    assert_eq!((&submission["grade"], &submission["isPassed"]), (&Value::Null, &Value::Null));
    assert_eq!(handed["attempt"]["completionPercentage"], json!(0.0));

    learner.get("/v1/submissions").await.problem(403, "forbidden");
    let grader = service.author();
    let queue = grader.get("/v1/submissions?status=awaitingGrade").await.expect(200);
    let queued = &queue["items"][0];
    assert_eq!((&queued["id"], &queued["authUserId"]), (&submission["id"], &json!(learner.id)));
    assert_eq!((&queued["questTitle"], &queued["submissionData"]), (&json!("Essay"), &words()));
    let tag = text(&queued["etag"]);
    let no_tag = format!("/v1/submissions/{}/grade", text(&submission["id"]));
    grader.post(&no_tag, json!({"grade": 8})).await.problem(428, "precondition_required");
    grader
        .send(Method::POST, &no_tag, &[("if-match", "*")], Some(&json!({"grade": 8})))
        .await
        .problem(428, "precondition_required");
    learner.grade_at(submission, tag, json!({"grade": 10})).await.problem(403, "forbidden");

    let graded = grader.grade_at(submission, tag, json!({"grade": 8.25, "feedback": "Well argued."})).await.expect(200);
    assert_eq!(
        (&graded["grade"], &graded["isPassed"], &graded["status"]),
        (&json!(8.25), &json!(true), &json!("graded"))
    );
    let read = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!((&read["status"], &read["totalExperienceEarned"]), (&json!("Completed"), &json!(100)));
    let seen = &learner.submissions(&attempt).await[0];
    assert_eq!((&seen["grade"], &seen["feedback"]), (&json!(8.25), &json!("Well argued.")));
    assert_eq!(grader.all("/v1/submissions?status=awaitingGrade").await.len(), 0);
    assert_eq!(grader.all("/v1/submissions?status=graded").await.len(), 1);
    verify(&pool).await;
}

#[tokio::test]
async fn of_two_graders_one_grades_and_the_other_sees_both_grades() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (quest, assessment) = author.assessed("Two graders", essay(), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let (first, second) = (service.author(), service.author());
    for _ in 0..5 {
        let submission = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
        let (_, tag) = first.to_grade(&submission).await;
        let (one, two) = tokio::join!(
            first.grade_at(&submission, &tag, json!({"grade": 4, "feedback": "first"})),
            second.grade_at(&submission, &tag, json!({"grade": 5, "feedback": "second"}))
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        let (winner, loser) = if one.status == 200 { (one.expect(200), two) } else { (two.expect(200), one) };
        let problem = loser.problem(412, "precondition_failed");
        assert_eq!(problem["current"]["grade"], winner["grade"]);
        assert_eq!(problem["current"]["gradedBy"], winner["gradedBy"]);
        assert!(problem["yours"]["grade"].is_number() && problem["yours"]["grade"] != winner["grade"]);
        assert_eq!(winner["history"].as_array().unwrap().len(), 1, "the loser left no trace");
    }
    verify(&pool).await;
}

#[tokio::test]
async fn every_grade_is_kept_and_a_done_unit_stays_done() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (quest, assessment) = author.assessed("History", essay(), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let submission = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    author.grade(&submission, json!({"grade": 9})).await.expect(200);
    let grants = rows(&pool, "SELECT id FROM reward_grants").await.len();
    let lowered = author.grade(&submission, json!({"grade": 2, "feedback": "I had read another's."})).await.expect(200);
    assert_eq!(
        (&lowered["grade"], &lowered["isPassed"], &lowered["isUnitDone"]),
        (&json!(2.0), &json!(false), &json!(true))
    );
    let history: Vec<&Value> = lowered["history"].as_array().unwrap().iter().map(|grading| &grading["grade"]).collect();
    assert_eq!(history, [&json!(9.0), &json!(2.0)]);
    let read = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
    assert_eq!((&read["status"], &read["completionPercentage"]), (&json!("Completed"), &json!(100.0)));
    let my = learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"].clone();
    assert_eq!((&my["isPassed"], &my["grade"]), (&json!(true), &json!(2.0)));
    author.grade(&submission, json!({"decision": "return", "feedback": "Again."})).await.problem(409, "unit_done");
    author.grade(&submission, json!({"grade": 9})).await.expect(200);
    assert_eq!(rows(&pool, "SELECT id FROM reward_grants").await.len(), grants, "nothing is paid twice");
    verify(&pool).await;
}

#[tokio::test]
async fn a_rubric_is_scored_here() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let rule = json!({"op": "all", "of": [{"op": "minPercent", "value": 60}, {"op": "rubricMin", "criterion": "tests", "minPoints": 6}]});
    let (quest, assessment) = author.assessed("Rubric", project(), rule).await;
    let attempt = learner.attempt(&quest).await;
    learner
        .hand_in(&attempt, &assessment, json!({"url": "https://example.com/x"}))
        .await
        .problem(422, "validation_failed");
    let submission = learner
        .hand_in(&attempt, &assessment, json!({"url": "https://example.org/mine"}))
        .await
        .expect(201)["submission"]
        .clone();
    let wrong = async |grade: Value| -> Vec<String> {
        let problem = author.grade(&submission, grade).await.problem(422, "validation_failed");
        problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"]).to_owned()).collect()
    };
    assert_eq!(wrong(json!({})).await, ["/grade"]);
    assert_eq!(wrong(json!({"grade": 12})).await, ["/rubric"], "the rule looks at single criteria");
    assert_eq!(wrong(json!({"rubric": {"tests": {"points": 8}}})).await, ["/rubric/style"]);
    assert_eq!(
        wrong(
            json!({"grade": 1, "rubric": {"tests": {"points": 11}, "style": {"points": 0.00001}, "speed": {"points": 1}}})
        )
        .await,
        ["/grade", "/rubric/speed", "/rubric/tests/points", "/rubric/style/points"]
    );
    assert_eq!(
        wrong(json!({"rubric": {"tests": {"points": 8}, "style": {"points": 1}}, "decision": "pass"})).await,
        ["/decision"]
    );

    // 11 of 16 points are 68.75 %, but the tests are too few.
    let few = json!({"rubric": {"tests": {"points": 5}, "style": {"points": 6, "comment": "Lovely."}}});
    let graded = author.grade(&submission, few).await.expect(200);
    assert_eq!((&graded["grade"], &graded["isPassed"]), (&json!(13.75), &json!(false)));
    let enough = author
        .grade(&submission, json!({"rubric": {"tests": {"points": 7.5}, "style": {"points": 3}}}))
        .await
        .expect(200);
    assert_eq!((&enough["grade"], &enough["isPassed"]), (&json!(13.13), &json!(true)));
    assert_eq!(enough["history"][0]["rubric"]["style"], json!({"points": 6.0, "comment": "Lovely."}));
    assert_eq!(learner.submissions(&attempt).await[0]["rubric"]["tests"]["points"], json!(7.5));
    verify(&pool).await;
}

#[tokio::test]
async fn a_decision_passes_where_the_rule_leaves_it_to_the_grader() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (quest, assessment) = author.assessed("Decided", essay(), json!({"op": "graderDecision"})).await;
    let attempt = learner.attempt(&quest).await;
    let submission = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    let missing = author.grade(&submission, json!({"grade": 9})).await.problem(422, "validation_failed");
    assert_eq!(missing["errors"][0]["pointer"], "/decision");
    let failed = author.grade(&submission, json!({"grade": 9, "decision": "fail"})).await.expect(200);
    assert_eq!((&failed["grade"], &failed["isPassed"]), (&json!(9.0), &json!(false)));
    // A decision alone is all or nothing.
    let passed = author.grade(&submission, json!({"decision": "pass"})).await.expect(200);
    assert_eq!(
        (&passed["grade"], &passed["isPassed"], &passed["decision"]),
        (&json!(10.0), &json!(true), &json!("pass"))
    );
    verify(&pool).await;
}

#[tokio::test]
async fn work_goes_back_for_another_try_that_counts_against_no_limit() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let configuration = with(essay(), json!({"attempts": {"max": 1, "cooldownSeconds": 86_400}}));
    let (quest, assessment) = author.assessed("Returned", configuration, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let first = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    learner.hand_in(&attempt, &assessment, words()).await.problem(409, "no_tries_left");
    let silent = author.grade(&first, json!({"decision": "return"})).await.problem(422, "validation_failed");
    assert_eq!(silent["errors"][0]["pointer"], "/feedback");
    author
        .grade(&first, json!({"decision": "return", "grade": 3, "feedback": "x"}))
        .await
        .problem(422, "validation_failed");
    // Graded already, but not passed: it can still go back.
    author.grade(&first, json!({"grade": 3})).await.expect(200);
    let returned =
        author.grade(&first, json!({"decision": "return", "feedback": "Cite your sources."})).await.expect(200);
    assert_eq!((&returned["status"], &returned["grade"]), (&json!("returned"), &Value::Null));
    let seen = &learner.submissions(&attempt).await[0];
    assert_eq!((&seen["status"], &seen["feedback"]), (&json!("returned"), &json!("Cite your sources.")));
    author.grade(&first, json!({"grade": 9})).await.problem(409, "not_gradable");

    let second = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    assert_eq!(second["attemptNumber"], 2);
    author.grade(&second, json!({"grade": 9})).await.expect(200);
    let audit = rows(&pool, "SELECT action FROM audit_log WHERE resource_type = 'submission'").await;
    assert_eq!(audit, [json!({"action": "return"})]);
    verify(&pool).await;
}

#[tokio::test]
async fn nobody_grades_own_work_and_quizzes_grade_themselves() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let both = service.author();
    let (quest, assessment) = author.assessed("Own", essay(), Value::Null).await;
    let attempt = both.attempt(&quest).await;
    let own = both.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    assert_eq!(both.all("/v1/submissions").await.len(), 0);
    assert_eq!(author.all("/v1/submissions").await.len(), 1);
    // The own work is read as its learner reads it.
    assert_eq!(both.get(&format!("/v1/submissions/{}", text(&own["id"]))).await.expect(200).get("history"), None);
    both.grade(&own, json!({"grade": 10})).await.problem(403, "forbidden");
    let extra = format!("/v1/attempts/{}/extra-tries", text(&attempt["id"]));
    both.post(&extra, json!({"assessmentId": assessment["id"], "tries": 1, "reason": "me"}))
        .await
        .problem(403, "forbidden");

    let (quest, assessment) = author.assessed("Quiz", quiz(&[("a", true)]), Value::Null).await;
    let attempt = both.attempt(&quest).await;
    let tried = both.hand_in(&attempt, &assessment, json!({})).await.expect(201)["submission"].clone();
    author.grade(&tried, json!({"grade": 10})).await.problem(409, "not_gradable");
    service.learner().get(&format!("/v1/submissions/{}", text(&tried["id"]))).await.problem(404, "not_found");
}

#[tokio::test]
async fn lateness_takes_from_a_graders_grade_too() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let late = json!({"dueAt": "2026-09-01T08:00:05Z", "late": {"policy": "penalize", "percent": 20, "per": "hour"}});
    let (quest, assessment) =
        author.assessed("Late", with(essay(), late), json!({"op": "minPoints", "value": 8})).await;
    let attempt = learner.attempt(&quest).await;
    service.wait(6);
    let submission = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    // When it was handed in counts, not when it is graded.
    service.wait(1_000_000);
    let graded = author.grade(&submission, json!({"grade": 9.99})).await.expect(200);
    assert_eq!(
        (&graded["grade"], &graded["latePenaltyPercent"], &graded["isPassed"]),
        (&json!(7.99), &json!(20.0), &json!(false))
    );
    let graded = author.grade(&submission, json!({"grade": 10})).await.expect(200);
    assert_eq!((&graded["grade"], &graded["isPassed"]), (&json!(8.0), &json!(true)));
    verify(&pool).await;
}

#[tokio::test]
async fn the_queue_is_filtered_and_paged_and_longest_waiting_first() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, other) = (service.author(), service.author());
    let manual = json!({"v": 1, "type": "ManualReview", "maxGrade": 10, "accept": [{"kind": "text"}], "slaHours": 48, "assign": "author"});
    let (essays, assessment) = author.assessed("Essays", essay(), Value::Null).await;
    let (manuals, reviewed) = other.assessed("Manuals", manual, Value::Null).await;
    let mut handed = Vec::new();
    let mut learners = Vec::new();
    for _ in 0..5 {
        let learner = service.learner();
        for (quest, assessment) in [(&essays, &assessment), (&manuals, &reviewed)] {
            let attempt = learner.attempt(quest).await;
            handed.push(learner.hand_in(&attempt, assessment, words()).await.expect(201)["submission"]["id"].clone());
            service.wait(1);
        }
        learners.push(learner);
    }
    let grader = service.author();
    let ids = async |query: &str| -> Vec<Value> {
        grader.all(&format!("/v1/submissions?{query}")).await.iter().map(|item| item["id"].clone()).collect()
    };
    assert_eq!(ids("status=awaitingGrade").await, handed);
    let mut paged = Vec::new();
    let mut path = "/v1/submissions?limit=3".to_owned();
    loop {
        let page = grader.get(&path).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/submissions?limit=3&cursor={cursor}");
    }
    assert_eq!(paged, handed);
    let every_second: Vec<Value> = handed.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(ids(&format!("questId={}", text(&manuals["id"]))).await, every_second);
    assert_eq!(ids(&format!("assessmentId={}", text(&reviewed["id"]))).await, every_second);
    assert_eq!(ids("assessmentType=ManualReview").await, every_second);
    assert_eq!(ids(&format!("authUserId={}", learners[2].id)).await, handed[4..6]);
    assert_eq!(ids("assignedTo=me").await.len(), 0);
    let mine = other.all("/v1/submissions?assignedTo=me").await;
    assert_eq!((mine.len(), &mine[0]["assignedTo"]), (5, &json!(other.id)));
    assert_eq!(mine[0]["gradeBy"], "2026-09-03T08:00:01Z");
    // Work of an abandoned attempt, or of a retired assessment, waits for nobody.
    let attempts = learners[0].all("/v1/me/attempts").await;
    let attempt = attempts.iter().find(|attempt| attempt["questId"] == essays["id"]).unwrap();
    learners[0].post(&format!("/v1/attempts/{}/abandon", text(&attempt["id"])), json!({})).await.expect(200);
    assert_eq!(ids("status=awaitingGrade").await.len(), 9);
    other.assessment(&manuals, quiz(&[("a", true)]), Value::Null).await;
    other.post(&format!("{}/retire", path_to(&manuals, &reviewed)), json!({})).await.expect(200);
    assert_eq!(ids("status=awaitingGrade").await.len(), 4);
    grader.get("/v1/submissions?status=lost").await.problem(422, "validation_failed");
    grader.get("/v1/submissions?assignedTo=you").await.problem(422, "validation_failed");
}

#[tokio::test]
async fn further_tries_are_allowed_so_that_nobody_is_stuck() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let closing = with(quiz(&[("a", true)]), json!({"attempts": {"max": 1}, "closesAt": "2026-09-01T09:00:00Z"}));
    let (quest, assessment) = author.assessed("Stuck", closing, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let wrong = json!({"answers": {"a": false}});
    learner.hand_in(&attempt, &assessment, wrong.clone()).await.expect(201);
    learner.hand_in(&attempt, &assessment, wrong.clone()).await.problem(409, "no_tries_left");
    service.wait(7200);
    learner.hand_in(&attempt, &assessment, wrong.clone()).await.problem(409, "assessment_closed");

    let path = format!("/v1/attempts/{}/extra-tries", text(&attempt["id"]));
    let body = |tries: i32| json!({"assessmentId": assessment["id"], "tries": tries, "reason": "The power went out."});
    learner.post(&path, body(1)).await.problem(403, "forbidden");
    author.post(&path, body(0)).await.problem(422, "validation_failed");
    author.post(&path, json!({"assessmentId": assessment["id"], "tries": 1})).await.problem(422, "validation_failed");
    author.post(&path, json!({"tries": 1, "reason": "r"})).await.problem(422, "validation_failed");
    author
        .post(&path, json!({"assessmentId": Uuid::new_v4(), "tries": 1, "reason": "r"}))
        .await
        .problem(404, "not_found");
    let allowed = author.post(&path, body(1)).await.expect(200);
    assert_eq!((&allowed["extraTries"], &allowed["my"]["triesLeft"]), (&json!(1), &json!(1)));
    learner.hand_in(&attempt, &assessment, wrong.clone()).await.expect(201);
    learner.hand_in(&attempt, &assessment, wrong).await.problem(409, "assessment_closed");
    assert_eq!(author.post(&path, body(2)).await.expect(200)["extraTries"], 3);
    let done = learner.hand_in(&attempt, &assessment, json!({"answers": {"a": true}})).await.expect(201);
    assert_eq!(done["attempt"]["status"], "Completed");
    let audit =
        rows(&pool, "SELECT details ->> 'reason' AS reason FROM audit_log WHERE action = 'allow extra tries'").await;
    assert_eq!(audit.len(), 2);
    verify(&pool).await;
}

#[tokio::test]
async fn a_failed_try_closes_the_assessment_where_its_rule_says_so() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.draft("Closing", 0).await;
    let body = json!({"configuration": with(essay(), json!({"attempts": {"max": 3}})),
                      "passingCriteria": {"v": 1, "rule": {"op": "minPercent", "value": 50}, "onFail": "close"}});
    let assessment = author.post(&format!("{}/assessments", path_of(&quest)), body).await.expect(201);
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200);
    let attempt = learner.attempt(&quest).await;
    let submission = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    author.grade(&submission, json!({"grade": 4})).await.expect(200);
    learner.hand_in(&attempt, &assessment, words()).await.problem(409, "no_tries_left");
    let my = learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"].clone();
    assert_eq!(my["triesLeft"], 0);
}

#[tokio::test]
async fn points_are_as_fine_as_levels_and_numbers_are_numbers() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let levels = json!([{"points": 0, "label": "none"}, {"points": 0.0625, "label": "full"}]);
    let mut fine = essay();
    fine["rubric"] = json!({"criteria": [{"id": "c", "title": "C", "levels": levels}]});
    let (quest, assessment) = author.assessed("Fine", fine, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let work = learner.hand_in(&attempt, &assessment, words()).await.expect(201)["submission"].clone();
    let refused = async |body: Value| -> String {
        let problem = author.grade(&work, body).await.problem(422, "validation_failed");
        problem["errors"].to_string()
    };
    assert!(refused(json!({"rubric": {"c": {"points": 0.06251}}})).await.contains("four decimals"));
    refused(json!({"rubric": {"c": {"points": "0.0625"}}})).await;
    for text in ["14", "1e1"] {
        refused(json!({ "grade": text })).await;
    }
    let best = author.grade(&work, json!({"rubric": {"c": {"points": 0.0625}}})).await.expect(200);
    assert_eq!((&best["grade"], &best["rubric"]["c"]["points"]), (&json!(10.0), &json!(0.0625)));
    for field in ["testsPassedPercent", "score"] {
        grader.coding_result(&learner, json!({"status": "Wrong", field: "55"})).await.problem(422, "validation_failed");
    }
}
