//! Databases that tests use one after the other: making one costs as much as most tests do.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex};

use quests::db::MIGRATOR;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, PgPool, Postgres};
use tokio::runtime::{Builder, Runtime};

use super::{CONNECTIONS, config, url_of};

/// Drops what tests have added to the schema, and empties the tables that have rows. Deleting costs less than new
/// files, and with the role of a replica no trigger minds the order; who may not take that role truncates.
const CLEAR: &str = r"
    DO $$
    DECLARE one text; has_rows boolean; used text[] := '{}'; may_delete boolean := true;
    BEGIN
        FOR one IN SELECT format('FUNCTION %s CASCADE', oid::regprocedure) FROM pg_proc WHERE proname LIKE 'test\_%'
                   UNION ALL
                   SELECT format('%s %s', CASE relkind WHEN 'r' THEN 'TABLE' ELSE 'SEQUENCE' END, oid::regclass)
                   FROM pg_class WHERE relkind IN ('r', 'S') AND relname LIKE 'test\_%' LOOP
            EXECUTE 'DROP ' || one;
        END LOOP;
        FOR one IN SELECT format('%s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
                   WHERE conname LIKE 'test\_%' LOOP
            EXECUTE 'ALTER TABLE ' || one;
        END LOOP;
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

/// What the connections of all tests are read and written by: a test's own runtime ends with it, and would take them
/// along.
static KEEPER: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Databases that no test uses at the moment.
static FREE: Mutex<Vec<Place>> = Mutex::new(Vec::new());

/// Pools for the services of the tests that run, by database.
static FOR_SERVICES: Mutex<BTreeMap<String, PgPool>> = Mutex::new(BTreeMap::new());

/// A database, and connections that stay open from test to test: to open them, and to plan every statement anew on
/// each, would take longer than most tests do.
struct Place {
    name: String,
    /// Of the tests themselves
    pool: PgPool,
    /// Of the service that they start
    service: PgPool,
    /// Holds the lock by which no other process takes this database.
    _lock: PgConnection,
}

/// A place in use; free again when the runtime of its test ends.
struct Used(Option<Place>);

impl Drop for Used {
    fn drop(&mut self) {
        let place = self.0.take().expect("it is dropped once");
        FOR_SERVICES.lock().unwrap().remove(&place.name);
        if !place.pool.is_closed() && !place.service.is_closed() {
            FREE.lock().unwrap().push(place);
        }
    }
}

/// A migrated database without rows that nobody else uses for as long as the test's runtime lives.
///
/// What functions, triggers, tables, sequences and constraints a test adds to the schema it calls `test_…`: they are
/// dropped before the next one. A test that changes more takes `#[sqlx::test]`, which makes a database and drops it.
pub async fn database() -> PgPool {
    let free = FREE.lock().unwrap().pop();
    let found = KEEPER.spawn(async move {
        let place = match free {
            Some(place) => place,
            None => Box::pin(Place::take()).await,
        };
        place.clear().await;
        place
    });
    let place = found.await.unwrap();
    let pool = place.pool.clone();
    give_back(&place.name, place.service.clone());
    let used = Used(Some(place));
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(used);
    });
    pool
}

/// The pool for one service with ordinary settings over this database, if nobody has it yet.
pub fn for_service(database: &str) -> Option<PgPool> {
    FOR_SERVICES.lock().unwrap().remove(database)
}

/// When that service has stopped.
pub fn give_back(database: &str, pool: PgPool) {
    FOR_SERVICES.lock().unwrap().insert(database.to_owned(), pool);
}

impl Place {
    /// The first that no other process has.
    async fn take() -> Self {
        let url = std::env::var("DATABASE_URL").expect("DATABASE_URL: run the tests with `make test`");
        let main = PgConnectOptions::from_str(&url).unwrap();
        let mut lock = main.connect().await.unwrap();
        let prefix = format!("{}_test_{}_", main.get_database().unwrap_or("postgres"), schema());
        for number in 0.. {
            let name = format!("{prefix}{number}");
            let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
                .bind(&name)
                .fetch_one(&mut lock)
                .await
                .unwrap();
            if is_ours {
                if number == 0 {
                    drop_outdated(&mut lock, &prefix).await;
                }
                make(&mut lock, &name).await;
                let options = main.database(&name);
                let service = config(&[
                    format!("--database-url={}", url_of(&options)),
                    format!("--database-max-connections={CONNECTIONS}"),
                    "--jwt-issuer=nobody".to_owned(),
                ]);
                let service = quests::db::pool(&service.database).unwrap();
                // As with the service itself: compiling or planning a statement anew takes longer than running it.
                let options = options.options([("jit", "off"), ("plan_cache_mode", "force_generic_plan")]);
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await.unwrap();
                MIGRATOR.run_direct(None, &mut *pool.acquire().await.unwrap(), false).await.unwrap();
                return Self { name, pool, service, _lock: lock };
            }
        }
        unreachable!("numbers do not end")
    }

    /// Without what the last test has left: broken connections, those of others, rows.
    async fn clear(&self) {
        let mut held = Vec::new();
        let mut ours = Vec::new();
        for pool in [&self.pool, &self.service] {
            for _ in 0..CONNECTIONS {
                let (connection, pid) = working(pool).await;
                held.push(connection);
                ours.push(pid);
            }
        }
        let inside = &mut *held[0];
        // Who else was in there is gone, or about to be.
        sqlx::query(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> ALL ($1)",
        )
        .bind(&ours)
        .execute(&mut *inside)
        .await
        .unwrap();
        sqlx::raw_sql(CLEAR).execute(inside).await.unwrap();
    }
}

/// A connection that works, and the process at its other end.
async fn working(pool: &PgPool) -> (PoolConnection<Postgres>, i32) {
    loop {
        let mut connection = pool.acquire().await.unwrap();
        let pid = sqlx::query_scalar("SELECT pg_backend_pid() FROM pg_advisory_unlock_all()");
        match pid.fetch_one(&mut *connection).await {
            Ok(pid) => return (connection, pid),
            // Opened by a test, which took its end along, or closed by one.
            Err(_) => drop(connection.detach()),
        }
    }
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

async fn make(lock: &mut PgConnection, name: &str) {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut *lock)
        .await
        .unwrap();
    if !exists {
        // What is lost in a crash of PostgreSQL itself is not tested.
        for statement in
            [format!("CREATE DATABASE \"{name}\""), format!("ALTER DATABASE \"{name}\" SET synchronous_commit = off")]
        {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *lock).await.unwrap();
        }
    }
}
