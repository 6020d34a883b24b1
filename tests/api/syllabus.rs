//! A syllabus of a real course (questions by session, weighted assessments with completion criteria) as a
//! curriculum file of ours, worked through by a learner. A small one of our own always runs.

use std::path::Path;

use serde_json::{Map, Value, json};
use sqlx::PgPool;

use crate::assessments::quiet;
use crate::harness::{Client, Service, database, text, verify};

fn syllabus() -> Value {
    let session = |number: u32, topic: &str| json!({"session": number, "topic": topic});
    let question = |number: u32, name: &str| json!({"sessionNo": number, "name": name, "details": format!("What do you say to {name}?")});
    let assessment = |category: &str, part: u32, weight: f64, needed: &str, duration: &str| json!({"category": category, "part": part, "weight": weight, "completionCriteria": needed, "duration": duration});
    json!({
        "subjectCode": "OWN101", "syllabusEnglish": "A course of our own", "scoringScale": 10,
        "sessions": [session(1, "Beginnings"), session(2, "Middles"), session(3, "Ends"), session(4, "Exams")],
        "constructiveQuestions": [question(1, "CQ1.1"), question(2, "CQ2.1"), question(3, "CQ3.1")],
        "assessments": [assessment("Assignment", 1, 20.0, ">0", "at home"), assessment("Lab", 2, 10.0, ">0", "90'/each"),
                        assessment("Practical Exam", 1, 20.0, ">0", "85'"), assessment("Progress test", 2, 20.0, ">0", "20'-40'"),
                        assessment("Final exam", 1, 30.0, "4", "60'/each")],
    })
}

/// A name as our keys are.
fn key(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    plain.trim_matches('-').chars().take(60).collect()
}

fn topic(syllabus: &Value, session: &Value) -> Option<String> {
    let sessions = syllabus["sessions"].as_array()?;
    let found = sessions.iter().find(|candidate| candidate["session"] == *session)?;
    Some(text(&found["topic"]).to_owned())
}

/// A quiz of the course's own questions: to which session does each belong?
fn quiz(syllabus: &Value) -> Value {
    let mut topics: Vec<String> =
        syllabus["sessions"].as_array().unwrap().iter().map(|s| text(&s["topic"]).to_owned()).collect();
    topics.sort();
    topics.dedup();
    let questions = syllabus["constructiveQuestions"].as_array().unwrap();
    let items: Vec<Value> = questions
        .iter()
        .filter_map(|question| {
            let right = topic(syllabus, &question["sessionNo"])?;
            let others = topics.iter().filter(|other| **other != right).take(3).cloned();
            let options: Vec<Value> =
                std::iter::once(right.clone()).chain(others).enumerate().map(|(n, topic)| json!({"id": format!("t{n}"), "text": topic})).collect();
            Some(json!({"id": key(text(&question["name"])), "kind": "singleChoice", "prompt": question["details"], "points": 1,
                        "options": options, "correct": "t0"}))
        })
        .take(200)
        .collect();
    json!({"v": 1, "type": "Quiz", "maxGrade": syllabus["scoringScale"], "items": items, "shuffleOptions": true,
           "feedback": {"answers": "afterPass"}})
}

/// The longest time that "20'-40'" or "60'/each" gives, in seconds.
fn seconds(duration: &Value) -> Option<u64> {
    let minutes = text(duration)
        .split('\'')
        .filter_map(|part| part.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok());
    minutes.filter(|minutes| (1..=600).contains(minutes)).max().map(|minutes| minutes * 60)
}

fn configuration(syllabus: &Value, assessment: &Value, problem: u32) -> Value {
    let category = text(&assessment["category"]).to_lowercase();
    let mut configuration = match category.as_str() {
        "progress test" | "final exam" => quiz(syllabus),
        "practical exam" => json!({"v": 1, "type": "AutoGraded", "partialCredit": true, "grader": {"ref": "judge",
            "problemId": format!("{problem:08x}-0000-4000-8000-000000000000")}}),
        "assignment" => json!({"v": 1, "type": "Assignment", "accept": [{"kind": "text"}, {"kind": "url"}]}),
        _ => json!({"v": 1, "type": "ManualReview", "accept": [{"kind": "text"}]}),
    };
    configuration["maxGrade"] = syllabus["scoringScale"].clone();
    if let Some(seconds) =
        seconds(&assessment["duration"]).filter(|_| category.contains("test") || category.contains("exam"))
    {
        configuration["timeLimitSeconds"] = json!(seconds);
        configuration["graceSeconds"] = json!(60);
    }
    configuration
}

/// ">0" is more than nothing; "4" is 4 of the scale.
fn rule(assessment: &Value) -> Value {
    let needed = text(&assessment["completionCriteria"]);
    let least = match needed.strip_prefix('>') {
        Some(more) => more.trim().parse::<f64>().unwrap() + 0.01,
        None => needed.trim().parse::<f64>().unwrap(),
    };
    json!({"v": 1, "rule": {"op": "minPoints", "value": least}})
}

fn file(syllabus: &Value) -> Value {
    let subject = key(text(&syllabus["subjectCode"]));
    let quest = |name: &str, title: &str, points: Value| {
        json!({"key": format!("{subject}-{name}"), "title": title, "description": syllabus["syllabusEnglish"], "questType": "Assessment",
               "difficultyLevel": "Beginner", "experiencePointsReward": points, "skillTags": [subject]})
    };
    let mut talk = quest("questions", "Constructive questions", json!(0));
    talk["steps"] = syllabus["constructiveQuestions"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(n, question)| {
            json!({"key": format!("{}-{n}", key(text(&question["name"]))), "title": question["name"], "description": question["details"],
                   "stepType": "Discussion", "validationCriteria": {"v": 1, "type": "Discussion", "minPosts": 1, "minChars": 10}})
        })
        .collect();
    let mut quests = vec![talk];
    let mut problem = 0;
    for assessment in syllabus["assessments"].as_array().unwrap() {
        let category = text(&assessment["category"]);
        let points: i32 = format!("{:.0}", assessment["weight"].as_f64().unwrap() * 10.0).parse().unwrap();
        let mut graded = quest(&key(category), category, json!(points));
        let parts = assessment["part"].as_u64().unwrap();
        let assessments: Vec<Value> = (1..=parts)
            .map(|part| {
                problem += 1;
                let configuration = configuration(syllabus, assessment, problem);
                json!({"key": format!("part-{part}"), "assessmentType": configuration["type"], "configuration": configuration,
                       "passingCriteria": rule(assessment)})
            })
            .collect();
        graded["assessments"] = json!(assessments);
        quests.push(graded);
    }
    json!({"v": 1, "quests": quests})
}

/// Passes an assessment, whatever its type.
async fn pass(service: &Service, learner: &Client, grader: &Client, attempt: &Value, assessment: &Value) {
    let asked = learner
        .get(&format!("/v1/quests/{}/assessments/{}", text(&attempt["questId"]), text(&assessment["id"])))
        .await
        .expect(200);
    let started = learner.start(attempt, assessment).await.expect(200);
    service.wait(30);
    match text(&asked["assessmentType"]) {
        "Quiz" => {
            let items = started["task"]["items"].as_array().unwrap();
            let answers: Map<String, Value> =
                items.iter().map(|item| (text(&item["id"]).to_owned(), json!("t0"))).collect();
            let done = learner.hand_in(attempt, assessment, json!({ "answers": answers })).await.expect(201);
            assert_eq!(done["submission"]["isPassed"], true, "{done}");
        }
        "AutoGraded" => {
            let judge = service.client_as(uuid::Uuid::new_v4(), &["service"]);
            let result = json!({"submissionId": assessment["id"], "authUserId": learner.id, "problemId": asked["task"]["grader"]["problemId"],
                                "status": "Partial", "testsPassedPercent": 60});
            judge.post("/v1/integrations/coding-results", result).await.expect(200);
        }
        _ => {
            let handed = learner.hand_in(attempt, assessment, json!({"text": "Here it is."})).await.expect(201);
            let marked = grader.grade(&handed["submission"], json!({"grade": 0.5})).await.expect(200);
            assert_eq!(marked["isPassed"], true, "more than 0 completes it");
        }
    }
}

async fn live_through(pool: &PgPool, syllabus: &Value) {
    let service = quiet(pool).await;
    let (author, learner) = (service.author(), service.learner());
    let file = file(syllabus);
    let plan = author.post("/v1/curriculum/plan", file.clone()).await.expect(200);
    author.post(&format!("/v1/curriculum/apply?plan={}", text(&plan["fingerprint"])), file.clone()).await.expect(200);
    let again = author.post("/v1/curriculum/plan", file.clone()).await.expect(200);
    assert!(again["changes"].as_array().unwrap().iter().all(|change| change["action"] == "none"), "{again}");
    for quest in learner.all("/v1/quests").await {
        let attempt = learner.attempt(&quest).await;
        for step in attempt["steps"].as_array().unwrap() {
            learner.complete(&attempt, step, json!({"posts": 1, "text": "I should say so."})).await.expect(200);
        }
        for assessment in learner.all(&format!("/v1/quests/{}/assessments", text(&quest["id"]))).await {
            pass(&service, &learner, &author, &attempt, &assessment).await;
        }
        let read = learner.get(&format!("/v1/attempts/{}", text(&attempt["id"]))).await.expect(200);
        assert_eq!(read["status"], "Completed", "{}", quest["title"]);
        assert_eq!(read["totalExperienceEarned"], quest["experiencePointsReward"]);
    }
    verify(pool).await;
}

#[tokio::test]
async fn a_syllabus_of_our_own_is_expressed_and_completed() {
    let pool = database().await;
    live_through(&pool, &syllabus()).await;
}

#[tokio::test]
async fn a_real_syllabus_is_expressed_and_completed() {
    let pool = database().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/syllabus");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} is not there", folder.display());
        return;
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let syllabus: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        live_through(&pool, &syllabus).await;
    }
}

#[test]
fn times_are_read_out_of_what_a_syllabus_says() {
    for (said, expected) in [
        ("85'", Some(5100)),
        ("20'-40'", Some(2400)),
        ("60'/each", Some(3600)),
        ("at home", None),
        ("Option 1: 28 slots", None),
    ] {
        assert_eq!(seconds(&json!(said)), expected, "{said}");
    }
}
