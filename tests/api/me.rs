//! The caller at a glance.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::users::Users;
use crate::harness::{Service, database, path_of, text};
use crate::statements::{counted_with, own};

#[tokio::test]
async fn me_shows_roles_profile_context_and_counts_in_two_statements() {
    let pool = database().await;
    let users = Users::start().await;
    let (service, counter) = counted_with(&pool, vec![format!("--user-service-url={}", users.base)]).await;
    let (author, learner) = (service.author(), service.learner());
    let [done, begun, paused, gone] = [
        author.quest("Done", 1, 100).await,
        author.quest("Begun", 2, 100).await,
        author.quest("Paused", 1, 100).await,
        author.quest("Gone", 1, 100).await,
    ];
    learner.finish(&done).await;
    learner.attempt(&begun).await;
    for (quest, how) in [(&paused, "pause"), (&gone, "abandon")] {
        let attempt = learner.attempt(quest).await;
        learner.post(&format!("/v1/attempts/{}/{how}", text(&attempt["id"])), json!({})).await.expect(200);
    }
    for (name, leaves) in [("Kept", false), ("Left", true)] {
        let body = json!({"name": name, "description": "P", "pathType": "Course"});
        let path = author.post("/v1/learning-paths", body).await.expect(201);
        let at = format!("/v1/learning-paths/{}", text(&path["id"]));
        let list = json!({"quests": [{"questId": done["id"], "difficultyLevel": "Beginner", "isMandatory": true}]});
        author.put(&format!("{at}/quests"), list).await.expect(200);
        author.post(&format!("{at}/publish"), json!({})).await.expect(200);
        learner.post(&format!("{at}/enrollment"), json!({})).await.expect(201);
        if leaves {
            learner.delete(&format!("{at}/enrollment")).await.expect(204);
        }
    }
    learner.get("/v1/me").await.expect(200);
    counter.reset();
    let me = learner.get("/v1/me").await.expect(200);
    assert!((1..=2).contains(&own(&counter).len()), "{:#?}", own(&counter));
    assert_eq!((&me["authUserId"], &me["roles"]), (&json!(learner.id), &json!(["learner"])));
    assert_eq!(me["attempts"], json!({"inProgress": 1, "paused": 1, "completed": 1, "abandoned": 1}));
    assert_eq!(me["enrollments"], json!({"notStarted": 0, "inProgress": 0, "paused": 0, "completed": 1, "left": 1}));
    assert_eq!((&me["totalExperienceEarned"], &me["degraded"]), (&json!(110), &json!(false)));
    assert_eq!(
        me["profile"],
        json!({"username": "lena", "firstName": "Lena", "lastName": null, "profileImageUrl": null, "level": 4, "experiencePoints": 3700})
    );
    let context = &me["academicContext"];
    assert_eq!(
        (&context["classId"], &context["routeId"]),
        (&json!("0192f1aa-0000-7000-8000-0000000000c1"), &Value::Null)
    );
    assert_eq!(context["enrollments"][0]["status"], "Active");
    assert_eq!(context["subjects"][0]["subjectCode"], "PRF192");

    let admin = service.client_as(Uuid::new_v4(), &["Game Master"]);
    assert_eq!(admin.get("/v1/me").await.expect(200)["roles"], json!(["learner", "author", "grader", "admin"]));
    service.anonymous().get("/v1/me").await.problem(401, "unauthorized");
    assert_eq!(learner.get(&path_of(&done)).await.expect(200)["my"]["status"], "Completed");
}

#[tokio::test]
async fn me_is_answered_without_a_user_service() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let me = service.author().get("/v1/me").await.expect(200);
    assert_eq!((&me["profile"], &me["degraded"]), (&Value::Null, &json!(false)));
    assert_eq!((&me["roles"], &me["totalExperienceEarned"]), (&json!(["learner", "author", "grader"]), &json!(0)));
}
