//! What other services ask about learners.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Service, Setup, database, path_of, rows, text};

#[tokio::test]
async fn services_read_a_learners_lists_without_the_notes() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let other = service.client_as(Uuid::new_v4(), &["service"]);
    let (first, second) = (author.quest("First", 1, 10).await, author.quest("Second", 1, 0).await);
    learner.finish(&first).await;
    let attempt = learner.attempt(&second).await;
    learner
        .patch(&format!("/v1/attempts/{}", text(&attempt["id"])), json!({"notes": "for me alone"}))
        .await
        .expect(200);
    let at = format!("/v1/learners/{}/attempts", learner.id);
    let own = learner.all("/v1/me/attempts").await;
    let mut told = other.all(&at).await;
    assert_eq!(told.len(), 2);
    assert!(own.iter().any(|attempt| attempt["notes"] == "for me alone"));
    assert!(told.iter().all(|attempt| attempt["notes"].is_null()), "{told:?}");
    for (told, own) in told.iter_mut().zip(&own) {
        told["notes"] = own["notes"].clone();
    }
    assert_eq!(told, own, "else they are the learner's own");
    let completed = other.get(&format!("{at}?status=Completed&limit=1")).await.expect(200);
    assert_eq!(completed["items"][0]["questId"], first["id"]);
    let enrolled = format!("/v1/learners/{}/learning-paths", learner.id);
    assert_eq!(other.all(&enrolled).await, Vec::<Value>::new());
    let path = crate::enrollments::path(&pool, "Path", &[(&first, true, Value::Null)]).await;
    learner.post(&format!("/v1/learning-paths/{path}/enrollment"), json!({})).await.expect(201);
    let told = other.all(&enrolled).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told, learner.all("/v1/me/learning-paths").await);
    assert_eq!(other.all(&format!("/v1/learners/{}/attempts", Uuid::new_v4())).await, Vec::<Value>::new());
    for path in ["attempts", "learning-paths"] {
        learner.get(&format!("/v1/learners/{}/{path}", learner.id)).await.problem(403, "forbidden");
        other.get(&format!("/v1/learners/nobody/{path}")).await.problem(400, "malformed_id");
    }
}

#[tokio::test]
async fn a_guilds_progress_is_told_in_one_call() {
    let pool = database().await;
    let service = Service::start_with(&pool, Setup { connections: 10, ..Setup::default() }).await;
    let author = service.author();
    let other = service.client_as(Uuid::new_v4(), &["service"]);
    let (done, begun, untouched) =
        (author.quest("Done", 1, 10).await, author.quest("Begun", 2, 0).await, author.quest("Untouched", 1, 0).await);
    let path = author
        .post("/v1/learning-paths", json!({"name": "P", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    let at = format!("/v1/learning-paths/{}", text(&path["id"]));
    let list: Vec<Value> = [&done, &begun]
        .iter()
        .map(|quest| json!({"questId": quest["id"], "difficultyLevel": "Beginner", "isMandatory": true}))
        .collect();
    author.put(&format!("{at}/quests"), json!({ "quests": list })).await.expect(200);
    author.post(&format!("{at}/publish"), json!({})).await.expect(200);
    let (one, two) = (service.learner(), service.learner());
    one.post(&format!("{at}/enrollment"), json!({})).await.expect(201);
    one.finish(&done).await;
    let attempt = one.attempt(&begun).await;
    one.complete(&attempt, &attempt["steps"][0], Value::Null).await.expect(200);
    two.attempt(&done).await;
    // In the order of the question, and nobody is left out.
    let mut members: Vec<Uuid> = (0..197).map(|_| Uuid::new_v4()).collect();
    members.extend([two.id, one.id, two.id]);
    let asked = json!({
        "authUserIds": members, "questIds": [done["id"], begun["id"], untouched["id"]], "learningPathIds": [path["id"]],
    });
    let told = other.post("/v1/learners/progress", asked).await.expect(200);
    let items = told["items"].as_array().unwrap();
    let ids: Vec<Uuid> = items.iter().map(|item| text(&item["authUserId"]).parse().unwrap()).collect();
    assert_eq!(ids, members);
    assert!(items[..197].iter().all(|item| item["quests"] == json!([]) && item["learningPaths"] == json!([])));
    assert_eq!(items[197], items[199]);
    assert_eq!(items[197]["quests"].as_array().unwrap().len(), 1);
    assert_eq!(items[197]["quests"][0]["status"], "InProgress");
    let of = |quest: &Value| {
        items[198]["quests"].as_array().unwrap().iter().find(|row| row["questId"] == quest["id"]).cloned()
    };
    let (finished, half) = (of(&done).unwrap(), of(&begun).unwrap());
    assert_eq!((&finished["status"], &finished["totalExperienceEarned"]), (&json!("Completed"), &json!(20)));
    assert_eq!((&half["status"], &half["completionPercentage"]), (&json!("InProgress"), &json!(50.0)));
    assert_eq!(of(&untouched), None);
    let enrolled = &items[198]["learningPaths"][0];
    assert_eq!((&enrolled["completedQuestsCount"], &enrolled["totalQuestsCount"]), (&json!(1), &json!(2)));
    assert_eq!(enrolled["completionPercentage"], 50.0);

    let asked = |learners: Vec<Uuid>, quests: Vec<Uuid>| json!({"authUserIds": learners, "questIds": quests});
    for (bad, pointer) in [
        (asked(Vec::new(), vec![Uuid::new_v4()]), "/authUserIds"),
        (asked(vec![one.id; 201], vec![Uuid::new_v4()]), "/authUserIds"),
        (asked(vec![one.id], Vec::new()), "/questIds"),
        (asked(vec![one.id], vec![Uuid::new_v4(); 51]), "/questIds"),
    ] {
        let refused = other.post("/v1/learners/progress", bad).await.problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    one.post("/v1/learners/progress", asked(vec![one.id], vec![Uuid::new_v4()])).await.problem(403, "forbidden");
    // Asking makes nobody known.
    assert_eq!(rows(&pool, "SELECT 1 AS one FROM learners").await.len(), 2);
    other.get(&path_of(&done)).await.expect(200);
}
