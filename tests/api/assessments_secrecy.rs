//! Keys of assessments never reach a learner before the feedback policy says so: canaries stand in every field
//! of every type that only authors and graders may see, and are looked for in every answer, event and line of the log.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::assessments::{path_to, quiet, with};
use crate::harness::process::Process;
use crate::harness::stream::Stream;
use crate::harness::{Client, Reply, database, path_of, rows, text};

const PROBLEM: &str = "7f0c1c1e-6f0d-4c54-9a3e-2f6f0f7b9d11";

#[track_caller]
fn clean(what: &str, seen: &str) {
    for secret in [
        "canary",
        "97527.1828",
        "0.43798828125",
        "0.00048828125",
        "\"correct\"",
        "\"pairs\"",
        "tolerance",
        "\"scoring\"",
        "passedTests",
        "\"required\"",
        "passingCriteria",
        "passing_criteria",
    ] {
        assert!(!seen.contains(secret), "{what} shows {secret}: {seen}");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
fn quiz(feedback: Value) -> Value {
    let item = |id: &str, kind: &str, own: Value| {
        with(
            json!({"id": id, "kind": kind, "prompt": "?", "points": 1, "feedback": format!("canary-why-{id}"), "skillTags": ["canary-tag"]}),
            own,
        )
    };
    let options = json!([{"id": "o1", "text": "one", "feedback": "canary-choice"}, {"id": "o2", "text": "two", "feedback": "canary-choice"}]);
    json!({"v": 1, "type": "Quiz", "maxGrade": 10, "feedback": feedback, "attempts": {"max": 3}, "items": [
        item("q1", "shortText", json!({"accept": ["canary-text"], "normalize": ["trim"]})),
        item("q2", "singleChoice", json!({"options": options, "correct": "o1"})),
        item("q3", "trueFalse", json!({"correct": true})),
        item("q4", "numeric", json!({"value": 97527.1828, "tolerance": {"abs": 0.000_488_281_25}})),
        item("q5", "matching", json!({"left": options, "right": options, "pairs": {"o1": "o2", "o2": "o1"}})),
        item("q6", "multipleChoice", json!({"options": options, "correct": ["o2"],
            "scoring": {"rule": "map", "map": {"o1": -0.437_988_281_25, "o2": 1}, "lower": -0.000_488_281_25, "upper": 1}})),
        item("q7", "ordering", json!({"options": options, "correct": ["o2", "o1"], "scoring": {"rule": "adjacentPairs"}})),
    ]})
}

/// One assessment of every type, with a rule each; the keys are in Quiz and `AutoGraded`.
async fn guarded(author: &Client) -> (Value, Vec<Value>) {
    let levels = json!([{"points": 0, "label": "none"}, {"points": 10, "label": "full"}]);
    let rubric = json!({"criteria": [{"id": "c", "title": "Clarity", "levels": levels}]});
    let text = json!([{"kind": "text"}]);
    let peer = json!({"mustReview": 1, "reviewsNeeded": 1, "aggregate": "median", "fallback": {"to": "manual", "afterHours": 5}});
    let quest = author.draft("Guarded", 10).await;
    let mut made = Vec::new();
    for (configuration, rule) in [
        (
            quiz(json!({"answers": "never"})),
            json!({"op": "all", "of": [{"op": "minPercent", "value": 99}, {"op": "itemsCorrect", "itemIds": ["q1"]}]}),
        ),
        (
            json!({"v": 1, "type": "AutoGraded", "maxGrade": 10, "grader": {"ref": "judge", "problemId": PROBLEM}}),
            json!({"op": "testsPassed", "minPercent": 100, "required": ["canary-test", "canary-output"]}),
        ),
        (json!({"v": 1, "type": "Assignment", "maxGrade": 10, "accept": text}), Value::Null),
        (
            json!({"v": 1, "type": "Project", "maxGrade": 10, "accept": text, "rubric": rubric}),
            json!({"op": "rubricAllMin", "minPoints": 5}),
        ),
        (
            json!({"v": 1, "type": "PeerReview", "maxGrade": 10, "accept": text, "rubric": rubric, "peer": peer}),
            Value::Null,
        ),
        (
            json!({"v": 1, "type": "ManualReview", "maxGrade": 10, "accept": text, "slaHours": 4}),
            json!({"op": "graderDecision"}),
        ),
        (
            with(
                quiz(json!({"score": "never"})),
                json!({"timeLimitSeconds": 60, "pick": 3, "shuffleItems": true, "shuffleOptions": true}),
            ),
            Value::Null,
        ),
    ] {
        made.push(author.assessment(&quest, configuration, rule).await);
    }
    (author.patch(&path_of(&quest), json!({"isActive": true})).await.expect(200), made)
}

/// Everything that a learner can read.
async fn read_everything(learner: &Client, quest: &Value, made: &[Value]) {
    let path = path_of(quest);
    let mut paths = vec![
        path.clone(),
        format!("{path}/assessments"),
        format!("{path}/steps"),
        format!("{path}/eligibility"),
        "/v1/quests?q=canary".to_owned(),
        "/v1/search?q=canary".to_owned(),
        format!("/v1/search?q={}", text(&quest["title"]).split(' ').next().unwrap()),
        "/v1/quests?skillTag=canary-tag".to_owned(),
        "/v1/me/attempts".to_owned(),
        "/v1/me/recommendations".to_owned(),
        "/v1/me/peer-reviews".to_owned(),
    ];
    paths.extend(made.iter().map(|assessment| path_to(quest, assessment)));
    for attempt in learner.all("/v1/me/attempts").await {
        let attempt = format!("/v1/attempts/{}", text(&attempt["id"]));
        for submission in learner.all(&format!("{attempt}/submissions")).await {
            paths.push(format!("/v1/submissions/{}", text(&submission["id"])));
        }
        paths.extend([format!("{attempt}/submissions"), attempt]);
    }
    for path in paths {
        let reply = learner.get(&path).await;
        clean(&path, &reply.text);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
    // What is not theirs to read says nothing either.
    for assessment in made {
        let path = path_to(quest, assessment);
        for (verb, body) in [("preview", json!({})), ("retire", json!({}))] {
            clean(verb, &learner.post(&format!("{path}/{verb}"), body).await.text);
        }
        clean("a change", &learner.patch(&path, json!({"key": "x"})).await.text);
        let regrade = format!("/v1/assessments/{}/regrade?dryRun=true", text(&assessment["id"]));
        clean("regrading", &learner.post(&regrade, json!({})).await.text);
    }
    clean("the queue", &learner.get("/v1/submissions").await.text);
}

/// Every way to call a try: well-formed and not, right, wrong and nearly right.
async fn try_everything(learner: &Client, attempt: &Value, made: &[Value], service: &Client) {
    let tries = [
        json!({"answers": {"q1": "x", "q2": "o2", "q3": false, "q4": 1, "q5": {"o1": "o1"}, "q6": ["o1"], "q7": ["o1", "o2"]}}),
        json!({"answers": {"q2": "o1", "q3": true}}),
        json!({"answers": {"q1": 1, "q2": "z", "q3": "z", "q4": "z", "q5": {"z": "z"}, "q6": ["z", "z"], "q7": "z", "q8": 1}}),
        json!({"answers": {"q4": 1e300}}),
        json!({"answers": 1}),
        json!({"text": "My work."}),
        json!({"text": 1, "url": "nowhere", "files": [{}]}),
        json!({}),
    ];
    let said = |reply: Reply, what: &str| {
        clean(what, &reply.text);
        assert!(reply.status.is_client_error() || reply.status.is_success(), "{}", reply.text);
    };
    for assessment in made {
        for data in &tries {
            said(learner.start(attempt, assessment).await, "a start");
            said(learner.save(attempt, assessment, data.clone()).await, "a draft");
            said(learner.hand_in(attempt, assessment, data.clone()).await, "a try");
        }
        let extra = format!("/v1/attempts/{}/extra-tries", text(&attempt["id"]));
        said(
            learner.post(&extra, json!({"assessmentId": assessment["id"], "tries": 1, "reason": "x"})).await,
            "extra tries",
        );
    }
    for (id, status) in [("wrong", "WrongAnswer"), ("partial", "Partial")] {
        let result = json!({"submissionId": id, "authUserId": learner.id, "problemId": PROBLEM, "status": status,
                            "testsPassedPercent": 50, "passedTests": ["canary-hidden"]});
        service.post("/v1/integrations/coding-results", result).await.expect(200);
    }
    for submission in learner.submissions(attempt).await {
        let grade = format!("/v1/submissions/{}/grade", text(&submission["id"]));
        let tag = [("if-match", "\"x\"")];
        said(learner.send(reqwest::Method::POST, &grade, &tag, Some(&json!({"grade": 1}))).await, "own grading");
    }
}

#[tokio::test]
async fn a_learner_never_sees_the_key_of_an_assessment() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let (quest, made) = guarded(&author).await;
    let gate = author.quest("Gate", 1, 0).await;
    author.needs(&quest, &[&gate]).await.expect(200);
    let shown = author.get(&format!("{}/assessments", path_of(&quest))).await.text;
    for key in [
        "canary-text",
        "canary-why-q7",
        "canary-choice",
        "canary-test",
        "canary-output",
        "97527.1828",
        "0.43798828125",
        "0.00048828125",
    ] {
        assert!(shown.contains(key), "authors see {key}");
    }
    read_everything(&learner, &quest, &made).await;
    let locked = learner.all(&format!("{}/assessments", path_of(&quest))).await;
    assert!(
        locked.iter().all(|assessment| assessment["task"].is_null() && assessment["passing"].is_null()),
        "locked: {locked:?}"
    );
    learner.finish(&gate).await;
    other.finish(&gate).await;
    read_everything(&learner, &quest, &made).await;
    let attempt = learner.attempt(&quest).await;
    read_everything(&learner, &quest, &made).await;
    try_everything(&learner, &attempt, &made, &grader).await;
    read_everything(&learner, &quest, &made).await;

    // Reviewers and reviewed see the work, and nobody's name or key.
    let peers = &made[4];
    let attempt_of_other = other.attempt(&quest).await;
    other.hand_in(&attempt_of_other, peers, json!({"text": "Another's work."})).await.expect(201);
    let db = quests::db::Db::new(pool.clone());
    quests::assessments::service::run_allocations(&db, &service.clock).await.unwrap();
    for (one, another) in [(&learner, &other), (&other, &learner)] {
        for review in one.all("/v1/me/peer-reviews?status=open").await {
            clean("a review", &review.to_string());
            assert!(!review.to_string().contains(&another.id.to_string()));
            let body = json!({"rubric": {"c": {"points": 7}}});
            let reply = one.post(&format!("/v1/peer-reviews/{}", text(&review["id"])), body).await;
            clean("a review", &reply.text);
            reply.expect(200);
        }
    }
    for (learner, attempt) in [(&learner, &attempt), (&other, &attempt_of_other)] {
        let seen: String = learner.submissions(attempt).await.iter().map(Value::to_string).collect();
        for id in [author.id, learner.id, other.id] {
            assert!(!seen.contains(&id.to_string()), "no names in {seen}");
        }
        read_everything(learner, &quest, &made).await;
    }
    let events = rows(&pool, "SELECT data FROM outbox_events").await;
    assert!(events.len() > 20);
    clean("the events", &json!(events).to_string());
    for learner in [&learner, &other] {
        let own = format!("SELECT 1 AS one FROM outbox_events WHERE auth_user_id = '{}'", learner.id);
        let stream = Stream::text_of(learner, rows(&pool, &own).await.len()).await;
        assert!(stream.contains("SubmissionReceived") || stream.contains("QuestCompleted"), "{stream}");
        clean("the stream", &stream);
    }
}

#[tokio::test]
async fn what_is_retired_or_deactivated_keeps_its_key_too() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (quest, made) = guarded(&author).await;
    let attempt = learner.attempt(&quest).await;
    learner.hand_in(&attempt, &made[0], json!({"answers": {}})).await.expect(201);
    author.post(&format!("{}/retire", path_to(&quest, &made[0])), json!({})).await.expect(200);
    author.patch(&path_of(&quest), json!({"isActive": false})).await.expect(200);
    read_everything(&learner, &quest, &made).await;
}

#[tokio::test]
async fn a_score_that_is_held_back_is_held_back_in_explanations_too() {
    let pool = database().await;
    let service = quiet(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let hidden = json!({"v": 1, "type": "Quiz", "maxGrade": 10, "feedback": {"score": "afterClose"}, "closesAt": "2026-09-02T00:00:00Z",
        "items": [{"id": "a", "kind": "trueFalse", "prompt": "?", "points": 3, "correct": true}, {"id": "b", "kind": "trueFalse", "prompt": "?", "points": 1, "correct": true}]});
    let (first, assessment) = author.assessed("First", hidden, Value::Null).await;
    let second = author.quest("Second", 1, 0).await;
    let path = author
        .post("/v1/learning-paths", json!({"name": "Path", "description": "d", "pathType": "Course"}))
        .await
        .expect(201);
    let criteria = json!({"v": 1, "when": {"op": "all", "of": [
        {"op": "questScore", "questId": first["id"], "minPercent": 80}, {"op": "scoreBand", "assessmentId": assessment["id"], "which": "first", "minPercent": 80}]}});
    let places = json!({"quests": [{"questId": first["id"], "difficultyLevel": "Beginner", "isMandatory": true},
                                   {"questId": second["id"], "difficultyLevel": "Beginner", "isMandatory": true, "unlockCriteria": criteria}]});
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    author.put(&format!("{at}/quests"), places).await.expect(200);
    author.post(&format!("{at}/publish"), json!({})).await.expect(200);
    let attempt = learner.attempt(&first).await;
    learner.hand_in(&attempt, &assessment, json!({"answers": {"a": true}})).await.expect(201);
    let explained = async || -> Vec<Value> {
        let eligibility = learner.get(&format!("{}/eligibility", path_of(&second))).await.expect(200);
        let of = &eligibility["learningPaths"][0]["criteria"]["of"];
        of.as_array().unwrap().iter().map(|judged| judged.get("current").cloned().unwrap_or_default()).collect()
    };
    assert_eq!(explained().await, [Value::Null, Value::Null]);
    service.wait(86_400);
    assert_eq!(explained().await, [json!(75.0), json!(75.0)]);
}

#[tokio::test]
async fn no_line_of_the_log_holds_a_key_of_an_assessment() {
    let pool = database().await;
    let log = std::env::temp_dir().join(format!("quests-assessments-{}.log", Uuid::new_v4()));
    let service = Process::start_logging(&pool, "", "unused", Some(&log)).await;
    let author = service.client_as(Uuid::new_v4(), &["Verified Lecturer"]);
    let learner = service.client_as(Uuid::new_v4(), &["Player"]);
    let grader = service.client_as(Uuid::new_v4(), &["service"]);
    let (quest, made) = guarded(&author).await;
    let attempt = learner.attempt(&quest).await;
    try_everything(&learner, &attempt, &made, &grader).await;
    author.post(&format!("/v1/assessments/{}/regrade?dryRun=true", text(&made[0]["id"])), json!({})).await.expect(200);
    // Rules that somebody has broken behind the service's back are logged, without what they hold.
    crate::harness::execute(
        &pool,
        "UPDATE quest_assessments SET configuration = configuration || '{\"v\": 9}'".to_owned(),
    )
    .await;
    learner.hand_in(&attempt, &made[0], json!({"answers": {}})).await.problem(409, "validation_not_available");
    service.kill().await;
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(lines.contains("a stored assessment does not parse") && lines.lines().count() > 50, "{lines}");
    for line in lines.lines() {
        // SQL names columns, and no values.
        clean("a line of the log", &line.replace("passing_criteria", "").replace("passingCriteria", ""));
    }
}
