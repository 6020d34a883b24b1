//! Computing days: one statement a day, whose cost depends on the attempts of that day and on nothing older.

use chrono::NaiveDate;
use sqlx::PgConnection;
use uuid::Uuid;

use super::model::{Day, Done, Quests, Reject, Zone};

/// The days of a time zone from one to another, both included.
///
/// # Errors
/// The database's, also when it knows no such time zone.
pub async fn days(
    connection: &mut PgConnection,
    zone: &Zone,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<Day>, sqlx::Error> {
    sqlx::query_as!(
        Day,
        r#"SELECT day::date AS "date!", day AT TIME ZONE $1 AS "begins!", (day + interval '1 day') AT TIME ZONE $1 AS "ends!"
           FROM generate_series($2::date::timestamp, $3::date::timestamp, '1 day') AS day ORDER BY day"#,
        zone.as_str(),
        from,
        to
    )
    .fetch_all(connection)
    .await
}

/// Computes a day. Where the values of one quest cannot be stored, that quest is set aside and the others are not.
///
/// # Errors
/// The database's; the day stays as it was, but for what was computed before.
pub async fn compute(connection: &mut PgConnection, day: Day, quests: Quests) -> Result<Done, sqlx::Error> {
    // What is noted by transactions that go on may not be seen yet: it is taken away the next time.
    let horizon = sqlx::query_scalar!(r#"SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "horizon!""#)
        .fetch_one(&mut *connection)
        .await?;
    let mut done = match rows(connection, day, &quests).await {
        Err(error) if is_of_values(&error) => {
            tracing::warn!(%error, date = %day.date, "a day cannot be computed as a whole; looking for the quest in the way");
            isolate(connection, day, &quests).await?
        }
        done => done?,
    };
    done.days = 1;
    let (all, these) = scope(&quests);
    sqlx::query!(
        "DELETE FROM analytics_changes
         WHERE started_at >= $1 AND started_at < $2 AND ($3 OR quest_id = ANY($4)) AND changed_in < $5::text::xid8",
        day.begins,
        day.ends,
        all,
        these,
        horizon
    )
    .execute(connection)
    .await?;
    Ok(done)
}

fn scope(quests: &Quests) -> (bool, &[Uuid]) {
    match quests {
        Quests::All => (true, &[]),
        Quests::These(ids) => (false, ids),
    }
}

/// Whether the values are at fault: data exceptions and broken constraints. Anything else is worth another try.
fn is_of_values(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// Halves the quests until those that cannot be computed are found.
async fn isolate(connection: &mut PgConnection, day: Day, quests: &Quests) -> Result<Done, sqlx::Error> {
    let ids = match quests {
        Quests::These(ids) => ids.clone(),
        Quests::All => sqlx::query_scalar!("SELECT id FROM quests ORDER BY id").fetch_all(&mut *connection).await?,
    };
    let mut done = Done::default();
    let mut parts = vec![ids];
    while let Some(mut part) = parts.pop() {
        match rows(connection, day, &Quests::These(part.clone())).await {
            Ok(computed) => done += computed,
            Err(error) if is_of_values(&error) => {
                let rest = part.split_off(part.len() / 2);
                match rest.as_slice() {
                    [quest] if part.is_empty() => {
                        tracing::error!(%error, %quest, date = %day.date, "a quest's day cannot be computed, and is set aside");
                        set_aside(connection, day, *quest, &error).await?;
                        done.rejected += 1;
                    }
                    _ => parts.extend([rest, part]),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

async fn set_aside(
    connection: &mut PgConnection,
    day: Day,
    quest: Uuid,
    error: &sqlx::Error,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO analytics_rejects AS known (date_recorded, quest_id, kind, reason) VALUES ($1, $2, 'quest', $3)
         ON CONFLICT (date_recorded, quest_id, kind, attempt_id, unit_id) DO UPDATE SET reason = excluded.reason
         WHERE known.reason <> excluded.reason",
        day.date,
        quest,
        error.to_string()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The rows of a day, and what is set aside of it; one statement. Each quest's attempts of the day are found by an index,
/// and so is what belongs to each of them: no plan may read whole tables. What is new or has changed is written.
#[expect(clippy::too_many_lines, reason = "one statement")]
async fn rows(connection: &mut PgConnection, day: Day, quests: &Quests) -> Result<Done, sqlx::Error> {
    let (all, these) = scope(quests);
    let row = sqlx::query!(
        r#"/* analytics:day */
           WITH attempt AS MATERIALIZED (
               SELECT quest.id AS quest_id, attempt.id, attempt.status, attempt.completion_percentage, fault.reason,
                      CASE WHEN fault.reason IS NULL AND attempt.status = 'Completed'
                           THEN extract(epoch FROM attempt.completed_at - attempt.started_at) / 60 END AS minutes,
                      done.units, done.tries, done.bad, done.faults,
                      EXISTS (SELECT FROM quest_feedback WHERE auth_user_id = attempt.auth_user_id AND quest_id = quest.id) AS has_said
               FROM quests AS quest
               CROSS JOIN LATERAL (
                   SELECT id, auth_user_id, status, completion_percentage, started_at, completed_at FROM user_quest_attempts
                   WHERE quest_id = quest.id AND started_at >= $2 AND started_at < $3
                   OFFSET 0) AS attempt
               CROSS JOIN LATERAL (SELECT CASE
                   WHEN attempt.completion_percentage NOT BETWEEN 0 AND 100 THEN 'its percentage is ' || attempt.completion_percentage
                   WHEN attempt.status <> 'Completed' THEN NULL
                   WHEN attempt.completed_at IS NULL OR NOT isfinite(attempt.completed_at) THEN 'completed, and no time says when'
                   WHEN attempt.completed_at < attempt.started_at THEN 'completed before it was started'
                   WHEN attempt.completed_at - attempt.started_at > interval '99999999 minutes' THEN 'it took longer than can be stored'
                   END AS reason) AS fault
               CROSS JOIN LATERAL (
                   SELECT count(*) FILTER (WHERE unit.fault IS NULL) AS units, sum(unit.tries) FILTER (WHERE unit.fault IS NULL) AS tries,
                          array_agg(unit.id) FILTER (WHERE unit.fault IS NOT NULL) AS bad,
                          array_agg(unit.fault) FILTER (WHERE unit.fault IS NOT NULL) AS faults
                   FROM (SELECT found.id, found.tries, CASE
                             WHEN found.home IS DISTINCT FROM quest.id THEN 'it belongs to another quest'
                             WHEN found.tries NOT BETWEEN 0 AND 999 THEN found.tries || ' tries are more than can be stored' END AS fault
                         FROM (SELECT step_id AS id, greatest(attempts_count, 1)::bigint AS tries,
                                      (SELECT quest_id FROM quest_steps WHERE id = progress.step_id) AS home
                               FROM user_quest_step_progress AS progress WHERE attempt_id = attempt.id AND status = 'Completed'
                               UNION ALL
                               SELECT assessment_id, greatest((SELECT count(*) FROM quest_submissions AS try
                                          WHERE try.attempt_id = attempt.id AND try.assessment_id = passed.assessment_id
                                            AND try.submitted_at <= passed.passed_at), 1),
                                      (SELECT quest_id FROM quest_assessments WHERE id = passed.assessment_id)
                               FROM assessment_progress AS passed WHERE attempt_id = attempt.id AND passed_at IS NOT NULL) AS found) AS unit) AS done
               WHERE $4 OR quest.id = ANY($5)
           ), begun AS (
               SELECT quest_id, count(*) AS total, count(*) FILTER (WHERE status = 'Completed') AS completed,
                      round(avg(minutes), 2) AS minutes, round(sum(tries) / nullif(sum(units), 0), 2) AS tries,
                      round(count(*) FILTER (WHERE status = 'Abandoned')::numeric / count(*), 4) AS abandoned,
                      round(avg(0.7 * completion_percentage + CASE WHEN units > 0 THEN 20 ELSE 0 END + CASE WHEN has_said THEN 10 ELSE 0 END), 2) AS engagement
               FROM attempt WHERE reason IS NULL GROUP BY quest_id
           ), computed AS MATERIALIZED (
               SELECT quest.id AS quest_id, coalesce(begun.total, 0)::int AS total, coalesce(begun.completed, 0)::int AS completed, begun.minutes, begun.tries, begun.abandoned, voices.difficulty, begun.engagement
               FROM quests AS quest
               LEFT JOIN begun ON begun.quest_id = quest.id
               CROSS JOIN LATERAL (
                   -- One voice a learner, whatever the number of categories; what fewer than five say is told nobody.
                   SELECT CASE WHEN count(*) >= 5 THEN
                              round(avg(2.5 + CASE WHEN too_difficult THEN 2.5 ELSE 0 END - CASE WHEN too_easy THEN 2.5 ELSE 0 END), 2) END AS difficulty
                   FROM (SELECT bool_or(category = 'TooDifficult') AS too_difficult, bool_or(category = 'TooEasy') AS too_easy
                         FROM (SELECT auth_user_id, category FROM quest_feedback WHERE quest_id = quest.id AND created_at < $3
                               ORDER BY created_at DESC, id DESC LIMIT 200) AS latest
                         GROUP BY auth_user_id) AS voice) AS voices
               WHERE ($4 OR quest.id = ANY($5))
                 AND (begun.quest_id IS NOT NULL
                      OR EXISTS (SELECT FROM quest_feedback WHERE quest_id = quest.id AND created_at >= $2 AND created_at < $3))
           ), written AS (
               INSERT INTO quest_analytics AS known (id, quest_id, date_recorded, total_attempts, successful_completions, average_completion_time_minutes,
                   average_attempts_to_complete, abandonment_rate, difficulty_rating, engagement_score)
               -- The id depends on nothing else, so that a row that was removed comes back as it was.
               SELECT uuid_generate_v5(quest_id, to_char($1::date, 'YYYY-MM-DD')), quest_id, $1::date, total, completed, minutes, tries, abandoned, difficulty, engagement
               FROM computed
               ON CONFLICT (quest_id, date_recorded) DO UPDATE SET total_attempts = excluded.total_attempts,
                   successful_completions = excluded.successful_completions,
                   average_completion_time_minutes = excluded.average_completion_time_minutes,
                   average_attempts_to_complete = excluded.average_attempts_to_complete, abandonment_rate = excluded.abandonment_rate,
                   difficulty_rating = excluded.difficulty_rating, engagement_score = excluded.engagement_score
               WHERE (known.total_attempts, known.successful_completions, known.average_completion_time_minutes, known.average_attempts_to_complete,
                      known.abandonment_rate, known.difficulty_rating, known.engagement_score)
                   IS DISTINCT FROM (excluded.total_attempts, excluded.successful_completions, excluded.average_completion_time_minutes,
                      excluded.average_attempts_to_complete, excluded.abandonment_rate, excluded.difficulty_rating, excluded.engagement_score)
               RETURNING 1
           ), removed AS (
               DELETE FROM quest_analytics WHERE date_recorded = $1::date AND ($4 OR quest_id = ANY($5))
                   AND quest_id NOT IN (SELECT quest_id FROM computed)
               RETURNING 1
           ), found AS MATERIALIZED (
               SELECT quest_id, 'attempt' AS kind, id AS attempt_id, NULL::uuid AS unit_id, reason FROM attempt WHERE reason IS NOT NULL
               UNION ALL
               SELECT quest_id, 'unit', attempt.id, unit.id, unit.fault FROM attempt, unnest(bad, faults) AS unit (id, fault) WHERE attempt.bad IS NOT NULL
           ), kept AS (
               INSERT INTO analytics_rejects AS known (date_recorded, quest_id, kind, attempt_id, unit_id, reason)
               SELECT $1::date, quest_id, kind, attempt_id, unit_id, reason FROM found
               ON CONFLICT (date_recorded, quest_id, kind, attempt_id, unit_id) DO UPDATE SET reason = excluded.reason
               WHERE known.reason <> excluded.reason
           ), mended AS (
               DELETE FROM analytics_rejects AS known WHERE date_recorded = $1::date AND ($4 OR quest_id = ANY($5))
                   AND NOT EXISTS (SELECT FROM found WHERE (found.quest_id, found.kind, found.attempt_id) = (known.quest_id, known.kind, known.attempt_id)
                                   AND found.unit_id IS NOT DISTINCT FROM known.unit_id)
           )
           SELECT (SELECT count(*) FROM written) AS "written!", (SELECT count(*) FROM removed) AS "removed!", (SELECT count(*) FROM found) AS "rejected!""#,
        day.date,
        day.begins,
        day.ends,
        all,
        these
    )
    .fetch_one(connection)
    .await?;
    let count = |rows: i64| rows.unsigned_abs();
    Ok(Done { days: 0, written: count(row.written), removed: count(row.removed), rejected: count(row.rejected) })
}

/// What was set aside on these days, in order, as many as asked for.
///
/// # Errors
/// The database's.
pub async fn rejects(
    connection: &mut PgConnection,
    from: NaiveDate,
    to: NaiveDate,
    limit: i64,
) -> Result<Vec<Reject>, sqlx::Error> {
    sqlx::query_as!(
        Reject,
        "SELECT date_recorded AS date, quest_id, attempt_id, unit_id, reason FROM analytics_rejects
         WHERE date_recorded BETWEEN $1 AND $2 ORDER BY date_recorded, quest_id, attempt_id, unit_id LIMIT $3",
        from,
        to,
        limit
    )
    .fetch_all(connection)
    .await
}
