//! What learners say of quests, and authors' answers.

use serde_json::{Value, json};

use crate::harness::{Service, database, path_of, rows, text};

#[tokio::test]
async fn who_has_begun_a_quest_rates_it_once_a_category_and_authors_settle_it() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner, other) = (service.author(), service.learner(), service.learner());
    let quest = author.quest("Q", 2, 10).await;
    let at = format!("{}/feedback", path_of(&quest));
    let wrong = json!({"rating": 2, "category": "ContentError", "comment": "Step 2 is wrong"});
    learner.post(&at, wrong.clone()).await.problem(409, "invalid_transition");
    learner.attempt(&quest).await;
    let given = learner.post(&at, wrong).await.expect(201);
    assert_eq!((&given["rating"], &given["resolvedAt"]), (&json!(2), &Value::Null));
    learner.post(&at, json!({"rating": 4})).await.expect(201);
    other.attempt(&quest).await;
    service.wait(1);
    other.post(&at, json!({"rating": 5, "category": "TooEasy"})).await.expect(201);

    learner.get(&at).await.problem(403, "forbidden");
    let all = author.all(&at).await;
    assert_eq!(all.iter().map(|one| text(&one["category"])).collect::<Vec<_>>(), ["TooEasy", "Other", "ContentError"]);
    assert!(all.iter().all(|one| one.get("authUserId").is_none()), "nobody is named");
    let open = format!("{at}?isResolved=false&category=ContentError");
    assert_eq!(author.all(&open).await.len(), 1);

    let resolve = format!("/v1/feedback/{}/resolve", text(&given["id"]));
    learner.post(&resolve, json!({})).await.problem(403, "forbidden");
    let resolved = author.post(&resolve, json!({"resolution": "Mended"})).await.expect(200);
    assert_eq!((&resolved["resolution"], resolved["resolvedAt"].is_string()), (&json!("Mended"), true));
    assert_eq!(author.all(&open).await.len(), 0);
    assert_eq!(rows(&pool, "SELECT 1 FROM audit_log WHERE action = 'resolve feedback'").await.len(), 1);

    // Said again it takes the old one's place, and is open again.
    let again = json!({"rating": 3, "category": "ContentError", "comment": "Still wrong"});
    let again = learner.post(&at, again).await.expect(200);
    assert_eq!((&again["id"], &again["resolvedAt"], &again["resolution"]), (&given["id"], &Value::Null, &Value::Null));
    assert_eq!(author.all(&open).await[0]["comment"], "Still wrong");
}

#[tokio::test]
async fn bad_feedback_is_refused_with_its_place() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let quest = author.quest("Q", 1, 10).await;
    learner.attempt(&quest).await;
    let at = format!("{}/feedback", path_of(&quest));
    for (body, pointer) in [
        (json!({"rating": 0}), "/rating"),
        (json!({"rating": 6}), "/rating"),
        (json!({"rating": 3, "comment": ""}), "/comment"),
        (json!({"rating": 3, "comment": "x".repeat(1_001)}), "/comment"),
        (json!({"rating": 3, "category": "Spam"}), "/category"),
        (json!({"rating": 3, "stars": 3}), "/stars"),
    ] {
        let problem = learner.post(&at, body).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    learner.post(&at, json!({"rating": 3, "comment": "ß".repeat(1_000)})).await.expect(201);
    let nowhere = "00000000-0000-4000-8000-000000000000";
    learner.post(&format!("/v1/quests/{nowhere}/feedback"), json!({"rating": 3})).await.problem(404, "not_found");
    author.post(&format!("/v1/feedback/{nowhere}/resolve"), json!({})).await.problem(404, "not_found");
    let draft = author.draft("Draft", 0).await;
    learner.post(&format!("{}/feedback", path_of(&draft)), json!({"rating": 3})).await.problem(404, "not_found");
}
