//! Which statements know the learner they are about: the others could not stay as they are on a database that is sharded
//! by learner (docs/scaling.md).

use std::path::Path;

/// Rows that belong to one learner, and say whose they are.
const OF_LEARNERS: [&str; 12] = [
    "learners",
    "user_quest_attempts",
    "user_learning_path_progress",
    "reward_grants",
    "quest_unlocks",
    "outbox_events",
    "idempotency_keys",
    "unlock_schedule",
    "unlock_overrides",
    "learner_skill_levels",
    "evidence",
    "quest_feedback",
];
/// Rows that belong to one learner, and name only the attempt, or a row that does.
const OF_ATTEMPTS: [&str; 7] = [
    "user_quest_step_progress",
    "quest_submissions",
    "assessment_progress",
    "evidence_applications",
    "submission_grades",
    "assessment_wakeups",
    "peer_reviews",
];

/// Statements that are not bound by `auth_user_id` or `attempt_id`, by a piece of their text; each group with its reason.
const UNBOUND: &[(&str, &[&str])] = &[
    (
        "one learner's, whose row is locked, by the ids of that learner's own rows",
        &[
            "/* assessments:return */",
            "/* evidence:applications */",
            "INSERT INTO assessment_progress AS known (attempt_id, assessment_id, try_item_ids) SELECT $1",
        ],
    ),
    (
        "whose a row is that is known by its id only: the question before the learner is known",
        &[
            "FROM user_quest_attempts WHERE id = $1",
            "SELECT auth_user_id FROM outbox_events WHERE id = $1",
            "SELECT auth_user_id FROM quest_feedback WHERE id = $1",
            r#"SELECT attempt.auth_user_id AS "learner: LearnerId", attempt.id AS "attempt: AttemptId" FROM quest_submissions"#,
        ],
    ),
    (
        "learners that are given, as a set: their ids come in an array and are compared with auth_user_id",
        &["/* unlocks:load */", "/* live:after */"],
    ),
    (
        "two learners: who reviews, and whose work it is",
        &[
            "/* peer_reviews:read */",
            "/* peer_reviews:ready */",
            "INSERT INTO peer_reviews",
            "FROM peer_reviews WHERE reviewer_id = $1",
            r#"AS "row!" FROM peer_reviews"#,
            r#"SELECT review.submission_id AS "submission: SubmissionId", attempt.auth_user_id FROM peer_reviews"#,
            "(SELECT count(*) FROM peer_reviews WHERE submission_id = submission.id AND status <> 'withdrawn')",
            "count(review.id)",
            "SELECT submission_id, reviewer_id FROM peer_reviews",
            "UPDATE peer_reviews SET status = 'done'",
            "UPDATE peer_reviews SET status = 'withdrawn'",
        ],
    ),
    (
        "lists and questions of authors and graders over all learners of one quest, path or assessment",
        &[
            "/* reviews:read */",
            "/* submissions:read */",
            "INSERT INTO assessment_regrades",
            "SELECT EXISTS (SELECT FROM user_learning_path_progress WHERE learning_path_id = $1)",
            "SELECT EXISTS (SELECT FROM user_quest_attempts WHERE quest_id = $1)",
            "SELECT EXISTS (SELECT FROM user_quest_step_progress WHERE step_id = $1)",
            "FROM quest_feedback WHERE quest_id = $1",
            "UPDATE quest_feedback SET resolved_at",
            "EXISTS (SELECT FROM quest_submissions WHERE assessment_id = assessment.id)",
            "EXISTS (SELECT FROM user_quest_step_progress WHERE step_id = step.id)",
            "JOIN learning_paths AS path ON path.id = mine.learning_path_id WHERE mine.learning_path_id = $1",
        ],
    ),
    (
        "jobs: they look for whose turn it is, over all learners, and then work learner by learner",
        &[
            "/* jobs:due */",
            "/* jobs:expired */",
            "/* jobs:fallback */",
            "/* jobs:wakeups */",
            "UPDATE unlock_schedule AS row SET due_at",
            "SELECT DISTINCT attempt.auth_user_id FROM quest_submissions",
            "SELECT attempt.auth_user_id FROM quest_assessments AS assessment JOIN user_quest_attempts",
            "FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id WHERE attempt.quest_id = $1",
            "WITH counting AS ( SELECT unnest($2::uuid[])",
            "WITH edited AS (UPDATE quests SET units_version = units_version + 1",
            "WITH named AS MATERIALIZED ( SELECT DISTINCT unnest(unlock_refs) AS id FROM learning_path_quests",
            "DELETE FROM idempotency_keys WHERE (auth_user_id, key) IN",
            "DELETE FROM outbox_events WHERE position IN",
        ],
    ),
    (
        "the event log as a whole: the relay, replays, what admins see of it",
        &[
            "/* events:backlog */",
            "/* events:claim */",
            "/* events:mark */",
            "max(position), 0)",
            "AND erased_at IS NULL",
            "parked_reason, refusals, erased_at FROM outbox_events",
            "SELECT position, occurred_at FROM outbox_events",
            "SELECT waiting.pending",
            "UPDATE outbox_events AS event SET parked_at = NULL",
            "UPDATE outbox_events SET parked_at = $2",
            "UPDATE outbox_events SET refusals = refusals + 1",
        ],
    ),
    (
        "analytics: counts over all learners of a quest, a path or a day, which go by quest and time",
        &[
            "/* analytics:attempts */",
            "/* analytics:blocked */",
            "/* analytics:day */",
            "/* analytics:items */",
            "/* analytics:path */",
            r#"SELECT last.day AS "last!""#,
            "SELECT least(((SELECT min(started_at) FROM user_quest_attempts",
        ],
    ),
    (
        "learners who are made up, before anybody else knows their attempts",
        &["grade_id, id, submitted_at, 'auto', percent"],
    ),
    (
        "erasing who graded, reviewed or answered others",
        &[
            "UPDATE quest_feedback SET resolved_by = $2 WHERE resolved_by = $1",
            "UPDATE quest_submissions SET graded_by = $2 WHERE graded_by = $1",
            "UPDATE submission_grades SET grader_id = $2 WHERE grader_id = $1",
            "UPDATE user_quest_step_progress SET reviewed_by = $2 WHERE reviewed_by = $1",
        ],
    ),
    (
        "`quests verify`: the proof over everything",
        &[
            r#"AS "drift!""#,
            r#"(SELECT count(*) FROM reward_grants) AS "grants!""#,
            "AND attempt_id = attempt.id AND kind = 'XP'",
            "WITH kept AS ( SELECT auth_user_id, event_seq",
        ],
    ),
    (
        "tests",
        &["SELECT event_type FROM outbox_events ORDER BY learner_seq", "SELECT parked_reason FROM outbox_events"],
    ),
];

fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    files
        .map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap()["query"].as_str().unwrap().to_owned())
        .map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// Words that stand where a table does.
fn tables(sql: &str) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = sql.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let is_place = |word: &str| ["FROM", "JOIN", "INTO", "UPDATE", "LATERAL"].contains(&word);
    let places: Vec<&str> = words.windows(2).filter(|pair| is_place(pair[0])).map(|pair| pair[1]).collect();
    places.into_iter()
}

/// Whether one of the columns is compared with a parameter, or written.
fn is_bound_by(sql: &str, column: &str) -> bool {
    let compared = sql.match_indices(column).any(|(at, _)| {
        let after = sql[at + column.len()..].trim_start();
        let Some(other) = after.strip_prefix('=').map(str::trim_start) else { return false };
        other.starts_with('$') || other.starts_with("ANY($") || other.starts_with("ANY ($")
    });
    let is_written = sql.match_indices("INSERT INTO ").any(|(at, _)| {
        let columns = sql[at..].split_once('(').map(|(_, rest)| rest.split(')').next().unwrap_or_default());
        // Rows that are selected may be anybody's.
        columns.is_some_and(|columns| columns.split(", ").any(|name| name == column))
            && !sql[at..].contains(") SELECT $1")
    });
    compared || is_written
}

#[test]
fn every_statement_about_a_learner_is_bound_to_one_or_has_a_reason_not_to_be() {
    let all = statements();
    assert!(all.len() > 300, "{}", all.len());
    let about_learners: Vec<&String> = all
        .iter()
        .filter(|sql| tables(sql).any(|table| OF_LEARNERS.contains(&table) || OF_ATTEMPTS.contains(&table)))
        .collect();
    assert!(about_learners.len() > 150, "{}", about_learners.len());
    let is_bound = |sql: &str| ["auth_user_id", "attempt_id", "attempt.id"].iter().any(|by| is_bound_by(sql, by));
    let unbound: Vec<&str> = about_learners.iter().map(|sql| sql.as_str()).filter(|sql| !is_bound(sql)).collect();
    let known: Vec<&str> = UNBOUND.iter().flat_map(|(_, pieces)| pieces.iter().copied()).collect();
    let without_reason: Vec<&&str> =
        unbound.iter().filter(|sql| !known.iter().any(|piece| sql.contains(piece))).collect();
    assert!(
        without_reason.is_empty(),
        "these touch learners' rows and name no learner; bind them, or give a reason above: {without_reason:#?}"
    );
    let outdated: Vec<&&str> = known.iter().filter(|piece| !unbound.iter().any(|sql| sql.contains(**piece))).collect();
    assert!(outdated.is_empty(), "no such statement needs its reason any more: {outdated:#?}");
}

#[test]
fn a_statement_without_a_learner_is_found() {
    for (sql, bound) in [
        ("SELECT id FROM user_quest_attempts WHERE auth_user_id = $1", true),
        ("SELECT id FROM user_quest_attempts AS attempt WHERE attempt.auth_user_id = ANY($1)", true),
        ("INSERT INTO quest_unlocks (auth_user_id, quest_id) VALUES ($1, $2)", true),
        ("SELECT auth_user_id FROM user_quest_attempts WHERE quest_id = $1", false),
        ("SELECT id FROM evidence JOIN learners ON learners.auth_user_id = evidence.auth_user_id", false),
    ] {
        assert!(tables(sql).any(|table| OF_LEARNERS.contains(&table)), "{sql}");
        assert_eq!(is_bound_by(sql, "auth_user_id"), bound, "{sql}");
    }
}

#[test]
fn every_table_of_learners_is_known_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let migrations: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    // What a process finds by something else than the learner: a ticket by its hash, a replay by its id, what analytics
    // set aside by its day.
    let others = ["stream_tickets", "event_replays", "analytics_rejects"];
    let mut seen = 0;
    for table in migrations.iter().flat_map(|sql| sql.split("CREATE TABLE ").skip(1)) {
        let (name, body) = table.split_once(" (").unwrap();
        let columns: Vec<&str> = body.split("\n);").next().unwrap().lines().map(str::trim).collect();
        let has = |column: &str| columns.iter().any(|line| line.starts_with(&format!("{column} ")));
        if others.contains(&name) {
            continue;
        }
        if has("auth_user_id") {
            assert!(OF_LEARNERS.contains(&name), "{name} has a learner");
            seen += 1;
        } else if has("attempt_id") || has("submission_id") {
            assert!(OF_ATTEMPTS.contains(&name), "{name} has an attempt");
            seen += 1;
        }
    }
    assert_eq!(seen, OF_LEARNERS.len() + OF_ATTEMPTS.len());
}
