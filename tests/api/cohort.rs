//! Made-up learners: they hold to every rule, and what is planted among them is found.

use std::process::Stdio;

use serde_json::Value;
use sqlx::ConnectOptions;

use crate::harness::{database, rows, text, verify};

#[tokio::test]
async fn a_cohort_is_written_once_holds_to_every_rule_and_has_its_two_faults() {
    let pool = database().await;
    let url = format!("--database-url={}", pool.connect_options().to_url_lossy());
    let quests = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_quests"));
        let output = command.args(arguments).arg(&url).env_clear().stdin(Stdio::null()).output().await.unwrap();
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
        said.into_owned()
    };
    let said = quests(&["seed", "--cohort", "150", "--seed", "7"]).await;
    assert!(said.contains("150 made-up learners of 150 are written"), "{said}");
    let content = "SELECT (SELECT count(*) FROM learners) AS learners, (SELECT count(*) FROM user_quest_attempts) AS attempts,
                   (SELECT count(*) FROM user_quest_step_progress) AS steps, (SELECT count(*) FROM quest_submissions) AS tries,
                   (SELECT count(*) FROM quest_feedback) AS feedback, (SELECT count(*) FROM outbox_events) AS events";
    let before = rows(&pool, content).await;
    assert_eq!(before[0]["learners"], 150);
    assert_eq!(before[0]["events"], 0, "nobody is told of who does not exist");
    assert!(before[0]["attempts"].as_i64() > Some(500) && before[0]["tries"].as_i64() > Some(80), "{before:?}");
    let twice = quests(&["seed", "--cohort", "150", "--seed", "7"]).await;
    assert!(twice.contains("is there already"), "{twice}");
    assert_eq!(rows(&pool, content).await, before);
    // A larger one has the same learners, and more.
    assert!(quests(&["seed", "--cohort", "160"]).await.contains("10 made-up learners of 160"));
    assert!(quests(&["verify"]).await.contains("all agree"));
    verify(&pool).await;

    let days = rows(&pool, "SELECT (now() - interval '32 days')::date AS first, now()::date AS last").await;
    let rollup = ["analytics", "rollup", "--from", text(&days[0]["first"]), "--to", text(&days[0]["last"])];
    assert!(quests(&rollup).await.contains("set aside: 0"));
    let analytics = "SELECT * FROM quest_analytics ORDER BY id";
    let computed = rows(&pool, analytics).await;
    assert!(quests(&rollup).await.contains("rows written: 0, removed: 0"));
    assert_eq!(rows(&pool, analytics).await, computed);
    // Every attempt is counted on one day.
    let sums = rows(&pool, "SELECT sum(total_attempts) AS counted, (SELECT count(*) FROM user_quest_attempts) AS attempts FROM quest_analytics").await;
    assert_eq!(sums[0]["counted"], sums[0]["attempts"]);

    let by_quest = rows(
        &pool,
        "SELECT quest.key, sum(total_attempts) AS begun,
                (sum(abandonment_rate * total_attempts) / sum(total_attempts))::float8 AS abandoned
         FROM quest_analytics JOIN quests AS quest ON quest.id = quest_id GROUP BY quest.key ORDER BY abandoned DESC",
    )
    .await;
    let abandoned = |row: &Value| row["abandoned"].as_f64().unwrap();
    assert_eq!(by_quest[0]["key"], "bug-hunt", "{by_quest:?}");
    assert!(abandoned(&by_quest[0]) > 0.4 && abandoned(&by_quest[1]) < 0.3, "{by_quest:?}");
    // Whoever is good at the rest is marked wrong at one question more often than the others.
    let items = rows(
        &pool,
        "WITH answer AS (
             SELECT item ->> 'id' AS item, (submission_data -> 'answers' ->> (item ->> 'id') = item ->> 'correct')::int AS is_right,
                    percent::float8 AS percent
             FROM quest_submissions AS try JOIN quest_assessments AS quiz ON quiz.id = assessment_id,
                  jsonb_array_elements(configuration -> 'items') AS item
             WHERE attempt_number = 1)
         SELECT item, corr(is_right, percent - 10 * is_right) AS with_rest FROM answer GROUP BY item ORDER BY with_rest",
    )
    .await;
    assert_eq!((items.len(), &items[0]["item"]), (10, &Value::from("main-returns")), "{items:?}");
    let with_rest = |index: usize| items[index]["with_rest"].as_f64().unwrap();
    assert!(with_rest(0) < 0.0 && with_rest(1) > 0.0, "{items:?}");
}
