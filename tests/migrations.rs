//! Migrations on a database that is in use.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test asks the database its own questions")]

use quests::db::MIGRATOR;
use sqlx::migrate::Migrate;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

/// Rows in the tables that later migrations change, as they stood after the first one.
const ROWS: &str = "
    INSERT INTO quests (id, title, description, quest_type, difficulty_level, skill_tags, created_by) VALUES
        ('00000000-0000-4000-8000-000000000001', 'Pointers', 'd', 'Practice', 'Beginner', '{a,b}', gen_random_uuid()),
        ('00000000-0000-4000-8000-000000000002', 'No tags', 'd', 'Project', 'Expert', NULL, gen_random_uuid());
    INSERT INTO quest_prerequisites (quest_id, prerequisite_quest_id) VALUES
        ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001');
    INSERT INTO quest_steps (id, quest_id, step_number, title, description, step_type, validation_criteria) VALUES
        ('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-000000000001', 1, 't', 'd', 'Reading', '{\"v\": 1}'),
        ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000001', 2, 't', 'd', 'Quiz', NULL);
    INSERT INTO quest_resources (quest_id, resource_type, title, url) VALUES
        ('00000000-0000-4000-8000-000000000001', 'Link', 't', 'https://example.org');
    INSERT INTO quest_assessments (id, quest_id, assessment_type, configuration, passing_criteria)
        SELECT '00000000-0000-4000-8000-000000000021', '00000000-0000-4000-8000-000000000001',
               (enum_range(NULL::assessment_type))[1], '{}', '{}';
    INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, completion_percentage, current_step_id) VALUES
        ('00000000-0000-4000-8000-000000000031', '00000000-0000-4000-8000-0000000000aa',
         '00000000-0000-4000-8000-000000000001', 33.33, '00000000-0000-4000-8000-000000000012');
    INSERT INTO user_quest_step_progress (attempt_id, step_id, status, started_at, completed_at, experience_earned) VALUES
        ('00000000-0000-4000-8000-000000000031', '00000000-0000-4000-8000-000000000011', 'Completed', now(), now(), 10);
    INSERT INTO quest_submissions (attempt_id, assessment_id, submission_data, max_grade) VALUES
        ('00000000-0000-4000-8000-000000000031', '00000000-0000-4000-8000-000000000021', '{}', 100);
    INSERT INTO learning_paths (id, name, description, path_type, created_by)
        SELECT '00000000-0000-4000-8000-000000000041', 'p', 'd', (enum_range(NULL::path_type))[1], gen_random_uuid();
    INSERT INTO quest_chapters (learning_path_id, title, sequence) VALUES ('00000000-0000-4000-8000-000000000041', 'c', 1);
    INSERT INTO learning_path_quests (learning_path_id, quest_id, difficulty_level, sequence_order) VALUES
        ('00000000-0000-4000-8000-000000000041', '00000000-0000-4000-8000-000000000001', 'Beginner', 1);
    INSERT INTO user_learning_path_progress (auth_user_id, learning_path_id) VALUES
        ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-000000000041');
    INSERT INTO quest_analytics (quest_id, date_recorded) VALUES ('00000000-0000-4000-8000-000000000001', current_date)";

const FILLED: [&str; 12] = [
    "quests",
    "quest_prerequisites",
    "quest_steps",
    "quest_resources",
    "quest_assessments",
    "user_quest_attempts",
    "user_quest_step_progress",
    "quest_submissions",
    "learning_paths",
    "quest_chapters",
    "learning_path_quests",
    "user_learning_path_progress",
];

async fn counts(connection: &mut PgConnection) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in FILLED {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        counts.push(sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap());
    }
    counts
}

#[sqlx::test(migrations = false)]
async fn every_migration_runs_on_tables_with_rows(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    let table = "_sqlx_migrations";
    connection.ensure_migrations_table(table).await.unwrap();
    let mut before = Vec::new();
    for (index, migration) in MIGRATOR.iter().enumerate() {
        connection.apply(table, migration).await.unwrap_or_else(|error| panic!("{}: {error}", migration.description));
        if index == 0 {
            sqlx::raw_sql(ROWS).execute(&mut *connection).await.unwrap();
            before = counts(&mut connection).await;
            assert!(before.iter().all(|count| *count > 0), "{before:?}");
        }
        assert_eq!(counts(&mut connection).await, before, "{} lost rows", migration.description);
    }
    assert!(MIGRATOR.iter().count() >= 2);
    // What the service relies on holds for the old rows too.
    let found: Vec<String> =
        sqlx::query_scalar("SELECT title::text FROM quests WHERE search_text @@ to_tsquery('english', 'pointer')")
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    assert_eq!(found, ["Pointers"]);
    let versions: Vec<bool> = sqlx::query_scalar(
        "SELECT attempt.units_version = quest.units_version
         FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    assert_eq!(versions, [true]);
    drop(connection);
    // Nothing is left to do.
    MIGRATOR.run(&pool).await.unwrap();
}
