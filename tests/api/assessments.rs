//! Assessments as authors write them, and tries of those that grade themselves.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Client, Reply, Service, Setup, database, path_of, rows, text, verify};

pub fn quiz(items: &[(&str, bool)]) -> Value {
    let items: Vec<Value> = items
        .iter()
        .map(|(id, correct)| json!({"id": id, "kind": "trueFalse", "prompt": format!("Is {id} so?"), "points": 1, "correct": correct}))
        .collect();
    json!({"v": 1, "type": "Quiz", "maxGrade": 10, "items": items})
}

/// `base` with the fields of `changes`.
#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
pub fn with(mut base: Value, changes: Value) -> Value {
    base.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    base
}

#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
pub fn passing(rule: Value) -> Value {
    json!({"v": 1, "rule": rule})
}

/// A service without background work: what a job does, the test asks for.
pub async fn quiet(pool: &PgPool) -> Service {
    Service::start_with(pool, Setup { args: vec!["--background-jobs=false".to_owned()], ..Setup::default() }).await
}

impl Client {
    /// As an author: an active quest with one assessment and no steps.
    pub async fn assessed(&self, title: &str, configuration: Value, rule: Value) -> (Value, Value) {
        let quest = self.draft(title, 100).await;
        let assessment = self.assessment(&quest, configuration, rule).await;
        (self.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200), assessment)
    }

    pub async fn assessment(&self, quest: &Value, configuration: Value, rule: Value) -> Value {
        let mut body = json!({"assessmentType": configuration["type"], "configuration": configuration});
        if !rule.is_null() {
            body["passingCriteria"] = passing(rule);
        }
        self.post(&format!("{}/assessments", path_of(quest)), body).await.expect(201)
    }

    /// As a learner: hands in a try.
    pub async fn hand_in(&self, attempt: &Value, assessment: &Value, data: Value) -> Reply {
        let body = json!({"assessmentId": assessment["id"], "submissionData": data});
        self.post(&format!("/v1/attempts/{}/submissions", text(&attempt["id"])), body).await
    }

    pub async fn start(&self, attempt: &Value, assessment: &Value) -> Reply {
        self.post(&format!("{}/start", try_path(attempt, assessment)), json!({})).await
    }

    pub async fn save(&self, attempt: &Value, assessment: &Value, data: Value) -> Reply {
        self.put(&format!("{}/draft", try_path(attempt, assessment)), json!({ "submissionData": data })).await
    }

    pub async fn submissions(&self, attempt: &Value) -> Vec<Value> {
        self.all(&format!("/v1/attempts/{}/submissions", text(&attempt["id"]))).await
    }
}

fn try_path(attempt: &Value, assessment: &Value) -> String {
    format!("/v1/attempts/{}/assessments/{}", text(&attempt["id"]), text(&assessment["id"]))
}

pub fn path_to(quest: &Value, assessment: &Value) -> String {
    format!("{}/assessments/{}", path_of(quest), text(&assessment["id"]))
}

fn answers(pairs: &[(&str, bool)]) -> Value {
    let answers: serde_json::Map<String, Value> =
        pairs.iter().map(|(id, said)| ((*id).to_owned(), json!(said))).collect();
    json!({ "answers": answers })
}

async fn events(pool: &PgPool, learner: &Client) -> Vec<String> {
    let sql =
        format!("SELECT event_type FROM outbox_events WHERE auth_user_id = '{}' ORDER BY learner_seq", learner.id);
    rows(pool, &sql).await.iter().map(|row| text(&row["event_type"]).to_owned()).collect()
}

#[tokio::test]
async fn authors_make_change_and_retire_assessments() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.draft("Graded", 50).await;
    let list = format!("{}/assessments", path_of(&quest));
    author.patch(&path_of(&quest), json!({"isActive": true})).await.problem(409, "not_activatable");

    let body = json!({"key": "final", "configuration": quiz(&[("a", true), ("b", false)])});
    let reply = author.post(&list, body.clone()).await;
    let location = reply.header("location").unwrap().to_owned();
    let made = reply.expect(201);
    assert_eq!(location, path_to(&quest, &made));
    assert_eq!((&made["assessmentType"], &made["key"]), (&json!("Quiz"), &json!("final")));
    // Passing criteria that are left out are 70 percent.
    assert_eq!(made["passingCriteria"], passing(json!({"op": "minPercent", "value": 70})));
    assert_eq!(author.get(&location).await.expect(200), made);
    author.post(&list, body).await.problem(409, "key_taken");
    // It is a unit: the quest has something to do now.
    author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200);

    learner.post(&list, json!({"configuration": quiz(&[("a", true)])})).await.problem(403, "forbidden");
    let changed = author.patch(&location, json!({"configuration": {"maxGrade": 20}})).await.expect(200);
    assert_eq!(changed["configuration"]["maxGrade"], 20);
    assert_eq!(changed["configuration"]["items"], made["configuration"]["items"]);
    let stale =
        author.send(reqwest::Method::PATCH, &location, &[("if-match", "\"old\"")], Some(&json!({"key": "x"}))).await;
    stale.problem(412, "precondition_failed");
    author.delete(&location).await.problem(409, "last_unit");

    let second = author.assessment(&quest, quiz(&[("c", true)]), Value::Null).await;
    author.delete(&path_to(&quest, &second)).await.expect(204);
    let third = author.assessment(&quest, quiz(&[("c", true)]), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    learner.hand_in(&attempt, &third, answers(&[("c", false)])).await.expect(201);
    author.delete(&path_to(&quest, &third)).await.problem(409, "in_use");
    let other = json!({"configuration": {"type": "AutoGraded", "items": null, "grader": {"ref": "g", "problemId": "11111111-1111-4111-8111-000000000007"}}});
    author.patch(&path_to(&quest, &third), other).await.problem(409, "in_use");
    let retired = author.post(&format!("{}/retire", path_to(&quest, &third)), json!({})).await.expect(200);
    assert!(retired["retiredAt"].is_string());
    assert_eq!(author.all(&list).await.len(), 1);
    learner.hand_in(&attempt, &third, answers(&[("c", true)])).await.problem(404, "not_found");
    author.patch(&path_to(&quest, &third), json!({"key": "late"})).await.problem(409, "in_use");
    verify(&pool).await;
}

#[tokio::test]
async fn both_documents_are_checked_with_pointers_and_against_each_other() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Checked", 0).await;
    let list = format!("{}/assessments", path_of(&quest));
    let wrong = async |body: Value| -> Vec<String> {
        let problem = author.post(&list, body).await.problem(422, "validation_failed");
        problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"]).to_owned()).collect()
    };
    assert_eq!(wrong(json!({"configuration": quiz(&[])})).await, ["/configuration/items"]);
    let named = json!({"assessmentType": "Project", "configuration": quiz(&[("a", true)])});
    assert_eq!(wrong(named).await, ["/assessmentType"]);
    let both = json!({"configuration": with(quiz(&[("a", true)]), json!({"pick": 2})), "passingCriteria": {"v": 1, "rule": {"op": "minPercent", "value": 101}}});
    assert_eq!(wrong(both).await, ["/configuration/pick", "/passingCriteria/rule/value"]);
    let against = json!({"configuration": quiz(&[("a", true)]), "passingCriteria": passing(json!({"op": "minPoints", "value": 11}))});
    assert_eq!(wrong(against).await, ["/passingCriteria/rule/value"]);
    assert_eq!(wrong(json!({"key": "Not a key", "configuration": quiz(&[("a", true)])})).await, ["/key"]);
    assert_eq!(wrong(json!({"configuration": quiz(&[("a", true)]), "title": "?"})).await, ["/title"]);
    // An edit of one document is held against the other.
    let (_, made) = author
        .assessed("Edited", quiz(&[("a", true), ("b", true)]), json!({"op": "itemsCorrect", "itemIds": ["b"]}))
        .await;
    let path = format!("/v1/quests/{}/assessments/{}", text(&made["questId"]), text(&made["id"]));
    let problem =
        author.patch(&path, json!({"configuration": quiz(&[("a", true)])})).await.problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/passingCriteria/rule/itemIds/0");
}

#[tokio::test]
async fn a_quiz_is_scored_here_and_passing_it_completes_the_quest() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let items = [("a", true), ("b", false), ("c", true)];
    let (quest, assessment) = author.assessed("Scored", quiz(&items), json!({"op": "minPercent", "value": 70})).await;
    let next = author.quest("Next", 1, 0).await;
    author.needs(&next, &[&quest]).await.expect(200);
    let attempt = learner.attempt(&quest).await;

    let reply = learner.hand_in(&attempt, &assessment, answers(&[("a", true), ("b", false)])).await;
    let location = reply.header("location").unwrap().to_owned();
    let first = reply.expect(201);
    let submission = &first["submission"];
    assert_eq!((&submission["status"], &submission["attemptNumber"]), (&json!("graded"), &json!(1)));
    // Two of three is 66.67 % of 10.
    assert_eq!((&submission["grade"], &submission["maxGrade"]), (&json!(6.67), &json!(10.0)));
    assert_eq!((&submission["isPassed"], &first["earned"]), (&json!(false), &json!([])));
    assert_eq!(first["attempt"]["completionPercentage"], json!(0.0));
    assert_eq!(learner.get(&location).await.expect(200), *submission);

    let all = answers(&items);
    let second = learner.hand_in(&attempt, &assessment, all.clone()).await.expect(201);
    assert_eq!((&second["submission"]["grade"], &second["submission"]["isPassed"]), (&json!(10.0), &json!(true)));
    assert_eq!(second["submission"]["attemptNumber"], 2);
    assert_eq!(second["attempt"]["status"], "Completed");
    assert_eq!(second["attempt"]["completionPercentage"], json!(100.0));
    assert_eq!(second["earned"][0], json!({"kind": "XP", "points": 100}));
    assert_eq!(second["unlocked"], json!([{"questId": next["id"], "title": "Next"}]));
    assert_eq!(
        events(&pool, &learner).await,
        [
            "QuestStarted",
            "SubmissionReceived",
            "SubmissionGraded",
            "SubmissionReceived",
            "SubmissionGraded",
            "QuestCompleted",
            "XPGranted",
            "SkillPointsGranted",
            "SkillPointsGranted",
            "ChallengeUnlocked"
        ]
    );
    let sql = "SELECT data FROM outbox_events WHERE event_type = 'SubmissionGraded' ORDER BY learner_seq DESC LIMIT 1";
    let graded = &rows(&pool, sql).await[0]["data"];
    assert_eq!(
        *graded,
        json!({"authUserId": learner.id, "questId": quest["id"], "attemptId": attempt["id"], "assessmentId": assessment["id"],
               "submissionId": second["submission"]["id"], "attemptNumber": 2, "grade": 10.0, "maxGrade": 10.0, "isPassed": true})
    );
    // A worse try later takes nothing away.
    let third = learner.hand_in(&attempt, &assessment, answers(&[])).await.expect(201);
    assert_eq!((&third["submission"]["grade"], &third["attempt"]["status"]), (&json!(0.0), &json!("Completed")));
    let my = learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"].clone();
    assert_eq!((&my["isPassed"], &my["grade"], &my["triesUsed"]), (&json!(true), &json!(10.0), &json!(3)));
    assert_eq!(learner.submissions(&attempt).await.len(), 3);
    verify(&pool).await;
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_is_no_try() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (quest, assessment) =
        author.assessed("Strict", with(quiz(&[("a", true)]), json!({"attempts": {"max": 1}})), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let pointer = async |data: Value| -> String {
        let problem = learner.hand_in(&attempt, &assessment, data).await.problem(422, "validation_failed");
        text(&problem["errors"][0]["pointer"]).to_owned()
    };
    assert_eq!(pointer(json!({"answers": {"a": "yes"}})).await, "/submissionData/answers/a");
    assert_eq!(pointer(json!({"answers": {"z": true}})).await, "/submissionData/answers/z");
    assert_eq!(pointer(json!({"answers": []})).await, "/submissionData/answers");
    assert_eq!(pointer(json!({"answers": {}, "score": 100})).await, "/submissionData/score");
    assert_eq!(pointer(json!("a")).await, "/submissionData");
    let path = format!("/v1/attempts/{}/submissions", text(&attempt["id"]));
    learner.post(&path, json!({"assessmentId": assessment["id"]})).await.problem(422, "validation_failed");
    learner.post(&path, json!({"assessmentId": attempt["id"], "submissionData": {}})).await.problem(404, "not_found");
    service
        .learner()
        .post(&path, json!({"assessmentId": assessment["id"], "submissionData": {}}))
        .await
        .problem(404, "not_found");
    learner.post(&format!("/v1/attempts/{}/pause", text(&attempt["id"])), json!({})).await.expect(200);
    learner.hand_in(&attempt, &assessment, answers(&[("a", true)])).await.problem(409, "attempt_not_open");
    learner.post(&format!("/v1/attempts/{}/resume", text(&attempt["id"])), json!({})).await.expect(200);
    learner.hand_in(&attempt, &assessment, answers(&[("a", true)])).await.expect(201);
}

#[tokio::test]
async fn tries_are_limited_and_wait_for_each_other() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let configuration = with(quiz(&[("a", true)]), json!({"attempts": {"max": 2, "cooldownSeconds": 3600}}));
    let (quest, assessment) = author.assessed("Limited", configuration, Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    learner.hand_in(&attempt, &assessment, answers(&[("a", false)])).await.expect(201);
    service.wait(3599);
    let cooling = learner.hand_in(&attempt, &assessment, answers(&[("a", true)])).await;
    assert_eq!(cooling.header("retry-after"), Some("1"));
    let cooling = cooling.problem(409, "cooling_down");
    assert_eq!(cooling["nextTryAt"], "2026-09-01T09:00:00Z");
    let seen = learner.get(&path_to(&quest, &assessment)).await.expect(200);
    assert_eq!((&seen["my"]["triesLeft"], &seen["my"]["nextTryAt"]), (&json!(1), &json!("2026-09-01T09:00:00Z")));
    assert_eq!(seen["task"].get("items"), None, "no questions before a try can be made");
    service.wait(1);
    assert_eq!(
        learner.get(&path_to(&quest, &assessment)).await.expect(200)["task"]["items"].as_array().unwrap().len(),
        1
    );
    learner.hand_in(&attempt, &assessment, answers(&[("a", false)])).await.expect(201);
    service.wait(100_000);
    let used = learner.hand_in(&attempt, &assessment, answers(&[("a", true)])).await.problem(409, "no_tries_left");
    assert_eq!(used["tries"], 2);
    assert_eq!(learner.submissions(&attempt).await.len(), 2);
}

#[tokio::test]
async fn a_timed_try_runs_by_the_servers_clock_and_refresh_is_no_free_look() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let items: Vec<(String, bool)> = (0..20).map(|n| (format!("i{n}"), true)).collect();
    let items: Vec<(&str, bool)> = items.iter().map(|(id, correct)| (id.as_str(), *correct)).collect();
    let timed =
        json!({"pick": 5, "shuffleItems": true, "timeLimitSeconds": 600, "graceSeconds": 30, "attempts": {"max": 4}});
    let (quest, assessment) = author.assessed("Timed", with(quiz(&items), timed), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let path = path_to(&quest, &assessment);
    let before = learner.get(&path).await.expect(200);
    assert_eq!((before["task"].get("items"), &before["task"]["itemCount"]), (None, &json!(5)));
    learner.hand_in(&attempt, &assessment, answers(&[])).await.problem(409, "try_not_started");

    let started = learner.start(&attempt, &assessment).await.expect(200);
    let asked: Vec<String> =
        started["task"]["items"].as_array().unwrap().iter().map(|item| text(&item["id"]).to_owned()).collect();
    assert_eq!(asked.len(), 5);
    assert_eq!(started["running"]["startedAt"], "2026-09-01T08:00:00Z");
    assert_eq!(started["running"]["dueAt"], "2026-09-01T08:10:00Z");
    assert_eq!(started["running"]["endsAt"], "2026-09-01T08:10:30Z");
    service.wait(300);
    // Starting or reading again: the same try, the same questions in the same order, the same time.
    assert_eq!(learner.start(&attempt, &assessment).await.expect(200), started);
    assert_eq!(learner.get(&path).await.expect(200)["task"]["items"], started["task"]["items"]);
    let foreign: String = items.iter().map(|(id, _)| (*id).to_owned()).find(|id| !asked.contains(id)).unwrap();
    let refused =
        learner.hand_in(&attempt, &assessment, answers(&[(&foreign, true)])).await.problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["pointer"], format!("/submissionData/answers/{foreign}"));
    service.wait(330);
    // The last second of the grace.
    let right: Vec<(&str, bool)> = asked.iter().map(|id| (id.as_str(), true)).collect();
    let done = learner.hand_in(&attempt, &assessment, answers(&right)).await.expect(201);
    assert_eq!(
        (&done["submission"]["grade"], &done["submission"]["startedAt"]),
        (&json!(10.0), &json!("2026-09-01T08:00:00Z"))
    );

    // The next try has other questions, and is handed in by itself with what was saved.
    let second = learner.start(&attempt, &assessment).await.expect(200);
    let asked_again: Vec<&str> =
        second["task"]["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
    assert_ne!(asked, asked_again);
    learner.save(&attempt, &assessment, answers(&[(asked_again[0], true), (asked_again[1], true)])).await.expect(200);
    assert_eq!(
        learner.start(&attempt, &assessment).await.expect(200)["draft"],
        answers(&[(asked_again[0], true), (asked_again[1], true)])
    );
    service.wait(631);
    let late = learner.hand_in(&attempt, &assessment, answers(&[])).await.problem(409, "time_over");
    assert_eq!((&late["submission"]["isAutoSubmitted"], &late["submission"]["grade"]), (&json!(true), &json!(4.0)));
    assert_eq!(late["submission"]["submittedAt"], "2026-09-01T08:20:30Z", "as of when the time was over");
    // Nothing saved: it counts as an empty try. Whoever looks sees it at once.
    learner.start(&attempt, &assessment).await.expect(200);
    service.wait(631);
    let my = learner.get(&path).await.expect(200)["my"].clone();
    assert_eq!((&my["triesUsed"], &my["running"], &my["isPassed"]), (&json!(3), &Value::Null, &json!(true)));
    assert_eq!(learner.submissions(&attempt).await[0]["grade"], json!(0.0));
    verify(&pool).await;
}

#[tokio::test]
async fn the_job_hands_in_what_nobody_looks_at() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let author = service.author();
    let configuration = with(quiz(&[("a", true)]), json!({"timeLimitSeconds": 60}));
    let (quest, assessment) = author.assessed("Left", configuration, Value::Null).await;
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let learner = service.learner();
        let attempt = learner.attempt(&quest).await;
        learner.start(&attempt, &assessment).await.expect(200);
        learner.save(&attempt, &assessment, answers(&[("a", true)])).await.expect(200);
        attempts.push((learner, attempt));
    }
    service.wait(60);
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_expired(&db, &service.clock).await.unwrap();
    assert_eq!(rows(&pool, "SELECT id FROM quest_submissions").await.len(), 0, "the last second still counts");
    service.wait(1);
    quests::assessments::service::run_expired(&db, &service.clock).await.unwrap();
    for (learner, attempt) in attempts {
        let read = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
        assert_eq!(read["status"], "Completed", "what was saved was right");
    }
    quests::assessments::service::run_expired(&db, &service.clock).await.unwrap();
    assert_eq!(rows(&pool, "SELECT id FROM quest_submissions WHERE is_auto_submitted").await.len(), 3);
    verify(&pool).await;
}

#[tokio::test]
async fn windows_and_lateness_are_by_the_servers_clock() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let window = json!({
        "opensAt": "2026-09-01T08:00:10Z", "dueAt": "2026-09-01T08:01:00Z", "closesAt": "2026-09-04T08:00:00Z",
        "late": {"policy": "penalize", "percent": 10, "per": "day", "floorPercent": 75},
    });
    let (quest, assessment) = author.assessed("Window", with(quiz(&[("a", true)]), window), Value::Null).await;
    let attempt = learner.attempt(&quest).await;
    let right = answers(&[("a", true)]);
    service.wait(9);
    let early = learner.hand_in(&attempt, &assessment, right.clone()).await.problem(409, "not_open_yet");
    assert_eq!(early["opensAt"], "2026-09-01T08:00:10Z");
    service.wait(1);
    let mut grades = Vec::new();
    // At the due second; one second, one day, one day and a second late; then the floor.
    for wait in [50, 1, 86_399, 1, 86_400] {
        service.wait(wait);
        let done = learner.hand_in(&attempt, &assessment, right.clone()).await.expect(201);
        grades.push((done["submission"]["grade"].clone(), done["submission"]["latePenaltyPercent"].clone()));
    }
    let expected = [(10.0, 0.0), (9.0, 10.0), (9.0, 10.0), (8.0, 20.0), (7.5, 25.0)];
    assert_eq!(grades, expected.map(|(grade, late)| (json!(grade), json!(late))));
    service.wait(86_400 - 62);
    learner.hand_in(&attempt, &assessment, right.clone()).await.expect(201);
    service.wait(1);
    let closed = learner.hand_in(&attempt, &assessment, right).await.problem(409, "assessment_closed");
    assert_eq!(closed["closesAt"], "2026-09-04T08:00:00Z");
}

#[tokio::test]
async fn the_grade_that_counts_is_the_one_that_is_kept() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let items = [("a", true), ("b", true), ("c", true), ("d", true)];
    for (keep, expected) in [("best", 7.5), ("latest", 2.5), ("first", 5.0), ("average", 5.0)] {
        let configuration = with(quiz(&items), json!({"attempts": {"keep": keep}}));
        let (quest, assessment) = author.assessed(keep, configuration, json!({"op": "minPercent", "value": 60})).await;
        let attempt = learner.attempt(&quest).await;
        for right in [2, 3, 1] {
            learner.hand_in(&attempt, &assessment, answers(&items[..right])).await.expect(201);
        }
        let my = learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"].clone();
        assert_eq!((&my["grade"], &my["isPassed"]), (&json!(expected), &json!(true)), "{keep}");
    }
    verify(&pool).await;
}

#[tokio::test]
async fn feedback_shows_score_and_answers_when_its_policy_says() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let items = [("a", true), ("b", true)];
    let half = answers(&[("a", true)]);
    let tried = async |feedback: Value, more: Value| {
        let configuration = with(with(quiz(&items), json!({ "feedback": feedback })), more);
        let (quest, assessment) = author.assessed("Policy", configuration, Value::Null).await;
        let attempt = learner.attempt(&quest).await;
        let first = learner.hand_in(&attempt, &assessment, half.clone()).await.expect(201)["submission"].clone();
        (quest, assessment, attempt, first)
    };
    let latest = async |attempt: &Value| learner.submissions(attempt).await[0].clone();

    let (_, assessment, attempt, first) = tried(json!({"answers": "afterPass"}), json!({})).await;
    assert_eq!((&first["grade"], first.get("items")), (&json!(5.0), None));
    let passed = learner.hand_in(&attempt, &assessment, answers(&items)).await.expect(201)["submission"].clone();
    assert_eq!(passed["items"][0]["solution"], json!({"correct": true}));
    // The earlier try too: it is the learner's own.
    let earlier = learner.get(&format!("/v1/submissions/{}", text(&first["id"]))).await.expect(200);
    assert_eq!((&earlier["items"][1]["isCorrect"], &earlier["items"][1]["points"]), (&json!(false), &json!(0.0)));

    let (_, assessment, attempt, first) =
        tried(json!({"answers": "afterLastAttempt"}), json!({"attempts": {"max": 2}})).await;
    assert_eq!(first.get("items"), None);
    learner.hand_in(&attempt, &assessment, answers(&[])).await.expect(201);
    assert!(latest(&attempt).await["items"].is_array());

    let closes = json!({"closesAt": "2026-09-01T09:00:00Z"});
    let (quest, assessment, attempt, first) =
        tried(json!({"score": "afterClose", "answers": "afterClose"}), closes).await;
    assert_eq!((&first["status"], &first["grade"], first.get("items")), (&json!("graded"), &Value::Null, None));
    assert_eq!(learner.get(&path_to(&quest, &assessment)).await.expect(200)["my"]["grade"], Value::Null);
    let sql = format!(
        "SELECT data FROM outbox_events WHERE event_type = 'SubmissionGraded' AND data ->> 'submissionId' = '{}'",
        text(&first["id"])
    );
    assert_eq!(rows(&pool, &sql).await[0]["data"].get("grade"), None, "the learner's own stream says no more");
    service.wait(3599);
    assert_eq!(latest(&attempt).await["grade"], Value::Null);
    service.wait(1);
    let open = latest(&attempt).await;
    assert_eq!((&open["grade"], open["items"].is_array()), (&json!(5.0), true));

    let (_, _, attempt, _) = tried(json!({"score": "never"}), json!({})).await;
    service.wait(1_000_000);
    let never = latest(&attempt).await;
    assert_eq!((&never["grade"], &never["gradedAt"], never.get("items")), (&Value::Null, &Value::Null, None));
}

#[tokio::test]
async fn what_could_never_come_to_anything_is_refused() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let quest = author.draft("Idle", 10).await;
    let path = format!("{}/assessments", path_of(&quest));
    let late = json!({"policy": "penalize", "percent": 10, "per": "day"});
    let last = json!({"feedback": {"answers": "afterLastAttempt"}});
    for (more, pointer) in [
        (json!({"graceSeconds": 30}), "/configuration/graceSeconds"),
        (json!({ "late": late }), "/configuration/late"),
        (json!({"late": {"policy": "reject"}}), "/configuration/late"),
        (last.clone(), "/configuration/feedback/answers"),
    ] {
        let body = json!({"configuration": with(quiz(&[("a", true)]), more)});
        let problem = author.post(&path, body).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let rule = json!({"op": "minPercent", "value": 70});
    let closing = json!({"configuration": with(quiz(&[("a", true)]), last), "passingCriteria": {"v": 1, "rule": rule, "onFail": "close"}});
    author.post(&path, closing).await.expect(201);
    for grade in [json!(0), json!(1000), json!(999.999), json!("10")] {
        let body = json!({"configuration": with(quiz(&[("a", true)]), json!({ "maxGrade": grade }))});
        let problem = author.post(&path, body).await.problem(422, "validation_failed");
        assert_eq!(
            problem["errors"][0]["detail"],
            "must be a number, above 0 and at most 999.99, with at most two decimals"
        );
    }
    let unknown = json!({"configuration": with(quiz(&[("a", true)]), json!({"colour": "red"}))});
    let problem = author.post(&path, unknown).await.problem(422, "validation_failed");
    assert_eq!(text(&problem["errors"][0]["detail"]).split([' ', ',']).filter(|word| *word == "v").count(), 1);
}
