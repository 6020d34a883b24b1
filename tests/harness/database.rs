//! Databases that tests use one after the other: making one costs as much as most tests do.

use std::str::FromStr;

use quests::db::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, PgPool};

/// Empties the tables that have rows. Deleting costs less than new files, and with the role of a replica no
/// trigger minds the order; who may not take that role truncates.
const EMPTY: &str = "
    DO $$
    DECLARE one text; has_rows boolean; used text[] := '{}'; may_delete boolean := true;
    BEGIN
        BEGIN
            SET LOCAL session_replication_role = replica;
        EXCEPTION WHEN insufficient_privilege THEN may_delete := false;
        END;
        FOR one IN SELECT format('%I', tablename) FROM pg_tables
                   WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations' LOOP
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || one || ')' INTO has_rows;
            IF has_rows AND may_delete THEN EXECUTE 'DELETE FROM ' || one;
            ELSIF has_rows THEN used := used || one;
            END IF;
        END LOOP;
        IF used <> '{}' THEN EXECUTE 'TRUNCATE ' || array_to_string(used, ', ') || ' CASCADE'; END IF;
    END $$";

/// A migrated database without rows that nobody else uses for as long as the test's runtime lives.
///
/// A test that changes the schema takes `#[sqlx::test]`, which makes a database and drops it.
pub async fn database() -> PgPool {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL: run the tests with `make test`");
    // As with the service itself: compiling or planning a statement anew takes longer than running it.
    let main =
        PgConnectOptions::from_str(&url).unwrap().options([("jit", "off"), ("plan_cache_mode", "force_generic_plan")]);
    let mut keeper = main.connect().await.unwrap();
    let prefix = format!("{}_test_{}_", main.get_database().unwrap_or("postgres"), schema());
    for number in 0.. {
        let name = format!("{prefix}{number}");
        let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(&name)
            .fetch_one(&mut keeper)
            .await
            .unwrap();
        if is_ours {
            if number == 0 {
                drop_outdated(&mut keeper, &prefix).await;
            }
            let options = main.database(&name);
            let pool = prepare(&mut keeper, &name, options).await;
            // The lock goes with the connection, and that with the runtime.
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(keeper);
            });
            return pool;
        }
    }
    unreachable!("numbers do not end")
}

/// Drops what tests of other migrations have left. One that is in use is left alone.
async fn drop_outdated(keeper: &mut PgConnection, prefix: &str) {
    let family = prefix.rsplitn(3, '_').last().unwrap();
    let outdated: Vec<String> = sqlx::query_scalar(
        "SELECT datname FROM pg_database WHERE starts_with(datname, $1 || '_') AND NOT starts_with(datname, $2)
             AND NOT EXISTS (SELECT FROM pg_stat_activity AS used WHERE used.datname = pg_database.datname)",
    )
    .bind(family)
    .bind(prefix)
    .fetch_all(&mut *keeper)
    .await
    .unwrap();
    for name in outdated {
        let dropped = sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE \"{name}\""))).execute(&mut *keeper).await;
        if let Err(error) = dropped {
            eprintln!("{name} is left: {error}");
        }
    }
}

/// Changes with the migrations.
fn schema() -> String {
    let sum = MIGRATOR.iter().flat_map(|migration| migration.checksum.iter());
    format!("{:08x}", sum.fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte))))
}

async fn prepare(keeper: &mut PgConnection, name: &str, options: PgConnectOptions) -> PgPool {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut *keeper)
        .await
        .unwrap();
    if !exists {
        // What is lost in a crash of PostgreSQL itself is not tested.
        for statement in
            [format!("CREATE DATABASE \"{name}\""), format!("ALTER DATABASE \"{name}\" SET synchronous_commit = off")]
        {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *keeper).await.unwrap();
        }
    }
    // Who was in there is gone, or about to be.
    sqlx::query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1")
        .bind(name)
        .execute(&mut *keeper)
        .await
        .unwrap();
    let pool = PgPoolOptions::new().max_connections(5).connect_with(options).await.unwrap();
    let mut inside = pool.acquire().await.unwrap();
    MIGRATOR.run_direct(None, &mut *inside, false).await.unwrap();
    if exists {
        sqlx::raw_sql(EMPTY).execute(&mut *inside).await.unwrap();
    }
    drop(inside);
    pool
}
