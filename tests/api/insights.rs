//! What authors are told of a path before learners meet it: the linter and the simulation.

use serde_json::{Value, json};

use super::statements;
use crate::harness::{Client, Service, database, path_of, rows, text};

async fn path(author: &Client, chapters: &[Value], quests: &[Value]) -> (String, Vec<Value>) {
    let made = author
        .post("/v1/learning-paths", json!({"name": "P", "description": "P", "pathType": "Course"}))
        .await
        .expect(201);
    let at = format!("/v1/learning-paths/{}", text(&made["id"]));
    let mut listed = Vec::new();
    for chapter in chapters {
        listed.push(author.post(&format!("{at}/chapters"), chapter.clone()).await.expect(201));
    }
    author.put(&format!("{at}/quests"), json!({"quests": quests})).await.expect(200);
    (at, listed)
}

#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
fn place(quest: &Value, changes: Value) -> Value {
    let mut place = json!({"questId": quest["id"], "difficultyLevel": "Beginner"});
    for (name, value) in changes.as_object().unwrap() {
        place[name] = value.clone();
    }
    place
}

fn needs(quest: &Value) -> Value {
    json!({"unlockCriteria": {"v": 1, "when": {"op": "questCompleted", "questId": quest["id"]}}})
}

/// `severity code pointer`, in the order given.
async fn findings(author: &Client, at: &str) -> Vec<String> {
    let lint = author.get(&format!("{at}/lint")).await.expect(200);
    let findings = lint["findings"].as_array().unwrap();
    for finding in findings {
        for field in ["message", "suggestion"] {
            let sentence = text(&finding[field]);
            assert!(sentence.ends_with('.') && !sentence.contains('\n'), "{finding}");
        }
    }
    assert_eq!(lint["isPublishable"], json!(findings.iter().all(|finding| finding["severity"] != "error")));
    let told = |finding: &Value| {
        format!("{} {} {}", text(&finding["severity"]), text(&finding["code"]), text(&finding["pointer"]))
    };
    findings.iter().map(told).collect()
}

#[tokio::test]
async fn the_linter_names_what_is_wrong_and_errors_refuse_publishing() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (a, b, c, free) = (
        author.quest("A", 1, 10).await,
        author.quest("B", 1, 10).await,
        author.quest("C", 1, 10).await,
        author.quest("Free", 1, 10).await,
    );
    let (draft, outside) = (author.draft("Draft", 10).await, author.quest("Outside", 1, 10).await);
    for quest in [&a, &b, &c, &free, &outside] {
        author.patch(&path_of(quest), json!({"estimatedDurationMinutes": 30})).await.expect(200);
    }
    let (fine, _) = path(&author, &[], &[place(&a, json!({})), place(&b, needs(&a))]).await;
    assert_eq!(findings(&author, &fine).await, Vec::<String>::new());

    let (cycle, _) = path(
        &author,
        &[],
        &[place(&free, json!({})), place(&a, needs(&c)), place(&b, needs(&a)), place(&c, needs(&b))],
    )
    .await;
    let lint = author.get(&format!("{cycle}/lint")).await.expect(200);
    let found =
        lint["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "cycle").expect("a cycle");
    for title in ["“A”", "“B”", "“C”"] {
        assert!(text(&found["message"]).contains(title), "the cycle is printed: {found}");
    }
    let refused = author.post(&format!("{cycle}/publish"), json!({})).await.problem(422, "lint_failed");
    assert_eq!(refused["findings"], lint["findings"]);
    assert_eq!(author.get(&cycle).await.expect(200)["isPublished"], false);

    let with = |when: Value| json!({"unlockCriteria": {"v": 1, "when": when}});
    let unknown = "11111111-1111-4111-8111-111111111111";
    let of_two = json!({"op": "atLeast", "n": 2, "of": [
        {"op": "questCompleted", "questId": a["id"]}, {"op": "questCompleted", "questId": unknown}, {"op": "questCompleted", "questId": unknown}]});
    let dead = json!({"unlockCriteria": {"v": 1, "window": {"closesAt": "2026-01-01T00:00:00Z"}}});
    let chapters =
        [json!({"title": "One"}), json!({"title": "Two", "endDate": "2026-02-01"}), json!({"title": "Empty"})];
    let (bad, listed) = path(
        &author,
        &chapters,
        &[
            place(&a, json!({})),
            place(&b, with(of_two)),
            place(&c, dead),
            place(&free, needs(&draft)),
            place(&outside, needs(&draft)),
            place(&draft, json!({"isMandatory": false})),
        ],
    )
    .await;
    let quests = author.all(&format!("{bad}/quests")).await;
    let places: Vec<Value> = quests
        .iter()
        .map(|quest| {
            let mut place = json!({"questId": quest["questId"], "difficultyLevel": "Beginner", "isMandatory": quest["isMandatory"]});
            place["unlockCriteria"] = quest["unlockCriteria"].clone();
            place["chapterId"] = listed[usize::from(quest["title"] == "Draft")]["id"].clone();
            place
        })
        .collect();
    author.put(&format!("{bad}/quests"), json!({"quests": places})).await.expect(200);
    let found = findings(&author, &bad).await;
    for expected in [
        "error unreachable /quests/1",
        "error impossible_at_least /quests/1/unlockCriteria/when",
        "error criteria_names_unknown /quests/1/unlockCriteria/when/of/1",
        "error criteria_names_draft /quests/3/unlockCriteria/when",
        "error window_closed /quests/2/unlockCriteria/window/closesAt",
        "warning chapter_optional_only /chapters/1",
        "warning chapter_over /chapters/1/endDate",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected}: {found:#?}");
    }
    let learner = service.learner();
    learner.get(&format!("{bad}/lint")).await.problem(403, "forbidden");
    author.get(&format!("/v1/learning-paths/{unknown}/lint")).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_simulation_says_what_is_open_what_is_next_and_why_the_rest_is_locked() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (a, b, c) = (author.quest("A", 1, 10).await, author.quest("B", 1, 10).await, author.quest("C", 1, 10).await);
    author.needs(&b, &[&a]).await.expect(200);
    let skilled = json!({"unlockCriteria": {"v": 1, "when": {"op": "skillLevel", "skillTag": "Pointers", "minLevel": 3},
                                            "window": {"opensAt": "2027-01-01T00:00:00Z"}}});
    let (at, _) = path(&author, &[], &[place(&a, json!({})), place(&b, json!({})), place(&c, skilled)]).await;
    let before = rows(&pool, "SELECT (SELECT count(*) FROM learners) AS l, (SELECT count(*) FROM user_quest_attempts) AS a, (SELECT count(*) FROM audit_log) AS u").await;
    let simulate = async |scenario: Value| author.post(&format!("{at}/simulate"), scenario).await.expect(200);
    let standing = |simulation: &Value| -> Vec<String> {
        simulation["quests"].as_array().unwrap().iter().map(|quest| text(&quest["availability"]).to_owned()).collect()
    };

    let fresh = simulate(json!({})).await;
    assert_eq!(standing(&fresh), ["open", "locked", "locked"]);
    assert_eq!((&fresh["next"]["title"], &fresh["completionPercentage"]), (&json!("A"), &json!(0.0)));
    let why = fresh["locked"].to_string();
    assert!(why.contains("“A”") && why.contains("Pointers"), "{why}");

    let done = json!({"completedQuestIds": [a["id"]], "skillLevels": {"pointers": 3}});
    let later = simulate(done.clone()).await;
    assert_eq!(standing(&later), ["completed", "open", "scheduled"], "the window is not there yet");
    assert_eq!(
        (&later["next"]["title"], &later["completionPercentage"], &later["experienceEarned"]),
        (&json!("B"), &json!(33.33), &json!(20))
    );
    let mut dated = done;
    dated["date"] = json!("2027-01-02T00:00:00Z");
    assert_eq!(standing(&simulate(dated).await), ["completed", "open", "open"]);

    let problem = author
        .post(&format!("{at}/simulate"), json!({"completedQuestIds": "x"}))
        .await
        .problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/completedQuestIds");
    author.post(&format!("{at}/simulate"), json!({"surprise": 1})).await.problem(422, "validation_failed");
    let (percent, points) = (json!({"questScores": {text(&a["id"]): 101}}), json!({"experiencePoints": -1}));
    let many: Vec<String> = (0..5_001).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for (scenario, pointer) in [
        (percent, "/questScores/"),
        (points, "/experiencePoints"),
        (json!({"completedQuestIds": many}), "/completedQuestIds"),
    ] {
        let problem = author.post(&format!("{at}/simulate"), scenario).await.problem(422, "validation_failed");
        assert!(text(&problem["errors"][0]["pointer"]).starts_with(pointer), "{problem}");
    }
    for (scenario, pointer) in [
        (json!({"date": "+262142-12-31T00:00:00Z"}), "/date"),
        (json!({"pathStartedAt": "-262142-01-01T00:00:00Z"}), "/pathStartedAt"),
        (
            json!({"completedAt": {"11111111-1111-4111-8111-111111111111": "+10000-01-01T00:00:00Z"}}),
            "/completedAt/11111111-1111-4111-8111-111111111111",
        ),
    ] {
        let problem = author.post(&format!("{at}/simulate"), scenario).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    service.learner().post(&format!("{at}/simulate"), json!({})).await.problem(403, "forbidden");
    let after = rows(&pool, "SELECT (SELECT count(*) FROM learners) AS l, (SELECT count(*) FROM user_quest_attempts) AS a, (SELECT count(*) FROM audit_log) AS u").await;
    assert_eq!(after, before, "nothing is written");
}

#[tokio::test]
async fn the_picture_lint_and_simulation_cost_few_statements_whatever_the_size() {
    let pool = database().await;
    // With a User Service in place the picture looks whether levels are to be asked for.
    let users = crate::harness::users::Users::start().await;
    let (service, counter) = statements::counted_with(&pool, vec![format!("--user-service-url={}", users.base)]).await;
    let (author, learner) = (service.author(), service.learner());
    let mut counts = Vec::new();
    for quests in [2, 30] {
        let steps =
            json!([{"key": "s", "title": "S", "description": "S", "stepType": "Reflection", "experiencePoints": 5}]);
        let keys: Vec<String> = (0..quests).map(|number| format!("of-{quests}-{number}")).collect();
        let listed: Vec<Value> = keys
            .iter()
            .map(|key| json!({"key": key, "title": key, "description": key, "questType": "Practice", "difficultyLevel": "Beginner", "steps": steps}))
            .collect();
        let places: Vec<Value> = keys
            .iter()
            .enumerate()
            .map(|(index, key)| {
                let mut place = json!({"quest": key, "chapter": "one", "difficultyLevel": "Beginner"});
                if index > 0 {
                    place["unlockCriteria"] =
                        json!({"v": 1, "when": {"op": "questCompleted", "questKey": keys[index - 1]}});
                }
                place
            })
            .collect();
        let file = json!({"v": 1, "quests": listed, "learningPaths": [{
            "key": format!("of-{quests}"), "name": "P", "description": "P", "pathType": "Course", "isPublished": true,
            "chapters": [{"key": "one", "title": "One"}], "quests": places}]});
        let plan = author.post("/v1/curriculum/plan", file.clone()).await.expect(200);
        author.post(&format!("/v1/curriculum/apply?plan={}", text(&plan["fingerprint"])), file).await.expect(200);
        let path =
            rows(&pool, &format!("SELECT id FROM learning_paths WHERE key = 'of-{quests}'")).await[0]["id"].clone();
        learner.post(&format!("/v1/learning-paths/{}/enrollment", text(&path)), json!({})).await.expect(201);
        let at = format!("/v1/me/learning-paths/{}", text(&path));
        let mut spent = Vec::new();
        counter.reset();
        let picture = learner.get(&at).await;
        spent.push(statements::own(&counter));
        let tag = picture.header("etag").expect("an ETag").to_owned();
        assert_eq!(picture.expect(200)["chapters"][0]["quests"].as_array().unwrap().len(), quests);
        let again = learner.send(reqwest::Method::GET, &at, &[("if-none-match", &tag)], None).await;
        assert_eq!(again.status, 304);
        counter.reset();
        author.get(&format!("/v1/learning-paths/{}/lint", text(&path))).await.expect(200);
        spent.push(statements::own(&counter));
        counter.reset();
        author.post(&format!("/v1/learning-paths/{}/simulate", text(&path)), json!({})).await.expect(200);
        spent.push(statements::own(&counter));
        counts.push(spent);
    }
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0][0].len() <= 6 && counts[0][1].len() == 1 && counts[0][2].len() == 1, "{counts:?}");
}

#[tokio::test]
async fn what_is_hidden_while_locked_is_named_nowhere_and_title_views_say_nothing_more() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let (author, learner) = (service.author(), service.learner());
    let (open, hidden, after, titled) = (
        author.quest("FIRST", 1, 10).await,
        author.quest("SECRET PLACE", 1, 10).await,
        author.quest("After", 1, 10).await,
        author.quest("Titled", 1, 10).await,
    );
    author.needs(&after, &[&hidden]).await.expect(200);
    let when = json!({"op": "questCompleted", "questId": open["id"]});
    let with = |when: &Value, view: &str| json!({"unlockCriteria": {"v": 1, "when": when, "lockedView": view}});
    let of_hidden = json!({"op": "all", "of": [{"op": "questCompleted", "questId": hidden["id"]}]});
    let places = [
        place(&open, json!({})),
        place(&hidden, with(&when, "hidden")),
        place(&after, with(&of_hidden, "full")),
        place(&titled, with(&when, "title")),
    ];
    let (at, _) = path(&author, &[], &places).await;
    author.post(&format!("{at}/publish"), json!({})).await.expect(200);
    let id = at.rsplit('/').next().unwrap().to_owned();
    learner.post(&format!("{at}/enrollment"), json!({})).await.expect(201);
    let reads = [
        "/v1/quests?limit=100".to_owned(),
        format!("{at}/quests"),
        format!("{at}/graph"),
        format!("/v1/me/learning-paths/{id}"),
        format!("{}/prerequisites", path_of(&after)),
        format!("{}/eligibility", path_of(&after)),
        path_of(&after),
    ];
    for read in &reads {
        let reply = learner.get(read).await;
        assert!(reply.status == 200 && !reply.text.contains("SECRET"), "{read}: {}", reply.text);
    }
    let refused = learner.post(&format!("{}/attempt", path_of(&after)), json!({})).await;
    assert!(!refused.text.contains("SECRET"), "{}", refused.text);
    let conditions = refused.problem(409, "quest_locked")["conditions"].clone();
    assert_eq!((&conditions[0]["title"], &conditions[0]["state"]), (&json!("A hidden quest"), &json!("unmet")));
    learner.get(&path_of(&hidden)).await.problem(404, "not_found");
    assert!(author.get(&format!("{}/eligibility", path_of(&after))).await.text.contains("SECRET"), "authors see it");

    let told = learner.get(&format!("{}/eligibility", path_of(&titled))).await.expect(200);
    assert_eq!((&told["availability"], &told["learningPaths"][0]["criteria"]), (&json!("locked"), &Value::Null));
    let refused = learner.post(&format!("{}/attempt", path_of(&titled)), json!({})).await.problem(409, "quest_locked");
    assert!(!refused.to_string().contains("FIRST"), "{refused}");

    learner.finish(&open).await;
    for read in [&reads[1], &reads[3], &reads[5]] {
        assert!(learner.get(read).await.text.contains("SECRET PLACE"), "{read}: it is open now");
    }
    let unknown = "11111111-1111-4111-8111-111111111111";
    author.get(&format!("/v1/learning-paths/{unknown}/learners")).await.problem(404, "not_found");
}

#[tokio::test]
async fn first_scores_that_exclude_each_other_refuse_publishing() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let author = service.author();
    let (a, b) = (author.quest("A", 1, 10).await, author.quest("B", 1, 10).await);
    for quest in [&a, &b] {
        author.patch(&path_of(quest), json!({"estimatedDurationMinutes": 30})).await.expect(200);
    }
    let assessment = author
        .post(
            &format!("{}/assessments", path_of(&a)),
            json!({"assessmentType": "ManualReview", "configuration": {"v": 1, "type": "ManualReview", "maxGrade": 10, "accept": [{"kind": "text"}]}}),
        )
        .await
        .expect(201);
    let band = |name: &str, bound: u32| json!({"op": "scoreBand", "assessmentId": assessment["id"], "which": "first", name: bound});
    let criteria = json!({"v": 1, "when": {"op": "all", "of": [band("belowPercent", 60), band("minPercent", 80)]}});
    let last = |is_mandatory: bool| place(&b, json!({"isMandatory": is_mandatory, "unlockCriteria": criteria}));
    let (at, _) = path(&author, &[], &[place(&a, json!({})), last(false)]).await;
    assert_eq!(
        findings(&author, &at).await,
        ["warning unreachable /quests/1", "warning score_never_given /quests/1/unlockCriteria/when/of/1"]
    );
    let (at, _) = path(&author, &[], &[place(&a, json!({})), last(true)]).await;
    let problem = author.post(&format!("{at}/publish"), json!({})).await.problem(422, "lint_failed");
    let codes: Vec<&str> =
        problem["findings"].as_array().unwrap().iter().map(|finding| text(&finding["code"])).collect();
    assert_eq!(codes, ["unreachable", "score_never_given"]);
}
