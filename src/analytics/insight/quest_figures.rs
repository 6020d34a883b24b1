//! What the database counts of quests' attempts in a period, before anything of it is told.

use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::analytics::period::{Bounds, Period};

/// A quest, and how the attempts of the period stand.
#[derive(Debug)]
pub struct Figures {
    pub quest_id: Uuid,
    pub title: String,
    pub estimated_minutes: Option<i32>,
    pub whole: Whole,
    pub steps: Vec<Step>,
    pub assessments: Vec<Assessment>,
    pub feedback: Vec<Feedback>,
    /// Learners who have given it
    pub voices: i64,
}

impl Figures {
    /// Neither completed nor left
    #[must_use]
    pub const fn open(&self) -> i64 {
        self.whole.started - self.whole.completed - self.whole.abandoned - self.whole.idle
    }
}

/// Quests, and how much was looked at.
#[derive(Debug)]
pub struct Counted {
    pub quests: Vec<Figures>,
    /// Attempts, of all quests together, also of those that are too small to be told of
    pub begun: i64,
}

/// Which quests.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    Quest(Uuid),
    /// Of active quests, the most begun first: those that somebody made, or all
    All {
        author: Option<Uuid>,
    },
}

impl Of {
    pub(super) const fn ids(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Quest(quest) => (Some(quest), None),
            Self::All { author } => (None, author),
        }
    }
}

/// Quests that are looked at together.
const MAX_QUESTS: i64 = 1_000;

/// A day of `quest_analytics`.
#[derive(Debug)]
pub struct Day {
    pub day: chrono::NaiveDate,
    pub attempts: i64,
    pub completions: i64,
    /// Abandoned of the attempts
    pub abandoned: i64,
    pub minutes: Option<f64>,
    pub tries: Option<f64>,
    pub rate: Option<f64>,
    pub difficulty: Option<f64>,
    pub engagement: Option<f64>,
}

/// Feedback of one category.
#[derive(Debug, Deserialize)]
pub struct Feedback {
    pub category: String,
    pub given: i64,
    pub open: i64,
    pub rating: i64,
}

/// All attempts.
#[derive(Debug, Default, Deserialize)]
pub struct Whole {
    pub started: i64,
    pub completed: i64,
    pub abandoned: i64,
    pub idle: i64,
    pub left_before: i64,
    pub left_after: i64,
    pub median: Option<f64>,
    pub p90: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub struct Step {
    pub id: Uuid,
    pub step_number: i32,
    pub title: String,
    pub step_type: String,
    pub is_optional: bool,
    pub started: i64,
    pub completed: i64,
    pub skipped: i64,
    pub left_here: i64,
    pub awaiting_review: i64,
    pub awaiting_result: i64,
    pub out_of_tries: i64,
    pub median: Option<f64>,
    pub p90: Option<f64>,
    pub tries: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub struct Assessment {
    pub id: Uuid,
    pub key: String,
    pub assessment_type: String,
    pub tried: i64,
    pub passed: i64,
    pub awaiting_grade: i64,
    pub out_of_tries: i64,
    /// Of whom a try is graded whose answers are kept
    pub graded: i64,
    /// Who has passed, or waits for no grader
    pub judged: i64,
    pub tries: Option<f64>,
    pub percent: Option<f64>,
}

/// The quest's rows of the rollup, and the days without one up to the last day that it has done: on these nobody began
/// it. One statement.
///
/// # Errors
/// The database's.
pub async fn days(connection: &mut PgConnection, quest: Uuid, period: Period) -> Result<Vec<Day>, sqlx::Error> {
    sqlx::query_as!(
        Day,
        r#"/* analytics:days of a quest */
           SELECT known.day AS "day!", coalesce(total_attempts, 0)::int8 AS "attempts!", coalesce(successful_completions, 0)::int8 AS "completions!",
                  coalesce(round(abandonment_rate * total_attempts), 0)::int8 AS "abandoned!",
                  average_completion_time_minutes::float8 AS minutes, average_attempts_to_complete::float8 AS tries,
                  abandonment_rate::float8 AS rate, difficulty_rating::float8 AS difficulty, engagement_score::float8 AS engagement
           FROM (SELECT done::date AS day
                 FROM generate_series($2::date::timestamp,
                          least($3, coalesce((SELECT done_to FROM analytics_state), '-infinity'))::timestamp, interval '1 day') AS done
                 UNION
                 SELECT date_recorded FROM quest_analytics WHERE quest_id = $1 AND date_recorded BETWEEN $2 AND $3) AS known
                LEFT JOIN quest_analytics ON quest_id = $1 AND date_recorded = known.day
           ORDER BY known.day"#,
        quest,
        period.from,
        period.to
    )
    .fetch_all(connection)
    .await
}

/// The attempts that were begun in the period, by quest; of all quests only those that enough learners began.
/// One statement.
///
/// # Errors
/// The database's.
#[expect(clippy::too_many_lines, reason = "one statement, and nothing else")]
pub async fn figures(
    connection: &mut PgConnection,
    of: Of,
    period: Period,
    bounds: &Bounds,
) -> Result<Counted, sqlx::Error> {
    let (quest, author) = of.ids();
    let rows = sqlx::query!(
        r#"/* analytics:attempts */
           -- Each of the two ways to the attempts has an index; the condition on $1 alone switches the other off. Parts that
           -- can be large are put together by grouping, not by joins: the planner takes them for small.
           WITH begun AS MATERIALIZED (
               (SELECT id, quest_id, status, started_at, completed_at, current_step_id FROM user_quest_attempts
                WHERE quest_id = $1 AND started_at >= $2::date::timestamp AT TIME ZONE $4
                  AND started_at < ($3::date + 1)::timestamp AT TIME ZONE $4
                ORDER BY started_at DESC, id DESC LIMIT $5)
               UNION ALL
               (SELECT attempt.id, quest_id, status, started_at, completed_at, current_step_id
                FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id
                WHERE $1::uuid IS NULL AND started_at >= $2::date::timestamp AT TIME ZONE $4
                  AND started_at < ($3::date + 1)::timestamp AT TIME ZONE $4
                  AND quest.is_active AND quest.created_by = coalesce($7, quest.created_by)
                ORDER BY started_at DESC, attempt.id DESC LIMIT $5)
           ), picked AS MATERIALIZED (
               SELECT id, title, estimated_duration_minutes FROM quests WHERE id = $1
               UNION ALL
               (SELECT quest.id, title, estimated_duration_minutes
                FROM (SELECT quest_id, count(*) AS attempts FROM begun GROUP BY quest_id HAVING count(*) >= $8) AS many
                     JOIN quests AS quest ON quest.id = many.quest_id
                WHERE $1::uuid IS NULL
                ORDER BY attempts DESC, quest.id LIMIT $9)
           ), done AS MATERIALIZED (
               SELECT progress.attempt_id, begun.quest_id, unit.step_number, progress.status, progress.attempts_count,
                      progress.review_status, unit.step_type = 'Coding' AND progress.status = 'InProgress' AS awaits_result,
                      begun.status IN ('InProgress', 'Paused') AS goes_on,
                      progress.status = 'InProgress' AND progress.attempts_count >= unit.max_tries + progress.extra_tries AS is_out,
                      greatest(progress.started_at, progress.completed_at, progress.last_try_at, progress.reviewed_at) AS touched_at,
                      (extract(epoch FROM progress.completed_at - progress.started_at) / 60)::float8 AS minutes
               FROM begun
               CROSS JOIN LATERAL (SELECT * FROM user_quest_step_progress WHERE attempt_id = begun.id OFFSET 0) AS progress
               CROSS JOIN LATERAL (SELECT * FROM quest_steps WHERE id = progress.step_id AND retired_at IS NULL OFFSET 0) AS unit
           ), tried AS MATERIALIZED (
               SELECT begun.id AS attempt_id, begun.quest_id, submission.assessment_id,
                      count(*) FILTER (WHERE submission.status <> 'returned') AS tries,
                      bool_or(submission.status IN ('awaitingGrade', 'inPeerReview')) AS waits,
                      bool_and(begun.status IN ('InProgress', 'Paused')) AS goes_on,
                      max(greatest(submission.submitted_at, submission.graded_at)) AS touched_at,
                      (array_agg(submission.percent::float8 ORDER BY submission.attempt_number) 
                          -- What was erased tells nothing of the items.
                          FILTER (WHERE submission.status = 'graded' AND submission.submission_data <> '{}'))[1] AS percent
               FROM begun CROSS JOIN LATERAL (SELECT * FROM quest_submissions WHERE attempt_id = begun.id OFFSET 0) AS submission
               GROUP BY begun.id, begun.quest_id, submission.assessment_id
           ), sign AS (
               SELECT id AS attempt_id, quest_id, status, started_at, completed_at, current_step_id IS NULL AS has_all,
                      NULL::int AS reached, started_at AS touched_at, FALSE AS waits
               FROM begun
               UNION ALL
               SELECT attempt_id, quest_id, NULL, NULL, NULL, NULL, CASE WHEN status IN ('InProgress', 'Completed') THEN step_number END,
                      touched_at, review_status IS NOT DISTINCT FROM 'waiting' OR awaits_result
               FROM done
               UNION ALL
               SELECT attempt_id, quest_id, NULL, NULL, NULL, NULL, NULL, touched_at, waits FROM tried
           ), stands AS MATERIALIZED (
               -- How far each attempt has got, and whether somebody else is to act.
               SELECT quest_id, max(reached) AS furthest, bool_or(has_all) AS has_all,
                      (extract(epoch FROM max(completed_at) - max(started_at)) / 60)::float8 AS minutes,
                      CASE WHEN max(status) = 'Abandoned' THEN 'abandoned' WHEN max(status) = 'Completed' THEN 'completed'
                           WHEN NOT bool_or(waits) AND max(touched_at) < $6 THEN 'idle' ELSE 'open' END AS standing
               FROM sign GROUP BY attempt_id, quest_id
           ), whole AS (
               SELECT quest_id, count(*) AS started, count(*) FILTER (WHERE standing = 'completed') AS completed,
                      count(*) FILTER (WHERE standing = 'abandoned') AS abandoned, count(*) FILTER (WHERE standing = 'idle') AS idle,
                      count(*) FILTER (WHERE standing IN ('abandoned', 'idle') AND NOT has_all AND furthest IS NULL) AS left_before,
                      count(*) FILTER (WHERE standing IN ('abandoned', 'idle') AND has_all) AS left_after,
                      percentile_cont(0.5) WITHIN GROUP (ORDER BY minutes) FILTER (WHERE standing = 'completed') AS median,
                      percentile_cont(0.9) WITHIN GROUP (ORDER BY minutes) FILTER (WHERE standing = 'completed') AS p90
               FROM stands GROUP BY quest_id
           ), step AS (
               SELECT unit.id, picked.id AS quest_id, unit.step_number, unit.title, unit.step_type, unit.is_optional,
                      0 AS started, 0 AS completed, 0 AS skipped, 0 AS awaiting_review, 0 AS awaiting_result, 0 AS out_of_tries,
                      NULL::float8 AS median, NULL::float8 AS p90, NULL::float8 AS tries, 0 AS left_here
               FROM picked CROSS JOIN LATERAL (SELECT * FROM quest_steps WHERE quest_id = picked.id AND retired_at IS NULL OFFSET 0) AS unit
               UNION ALL
               SELECT NULL, quest_id, step_number, NULL, NULL, NULL, count(*) FILTER (WHERE status IN ('InProgress', 'Completed')),
                      count(*) FILTER (WHERE status = 'Completed'), count(*) FILTER (WHERE status = 'Skipped'),
                      count(*) FILTER (WHERE goes_on AND review_status = 'waiting'), count(*) FILTER (WHERE goes_on AND awaits_result),
                      count(*) FILTER (WHERE goes_on AND is_out),
                      percentile_cont(0.5) WITHIN GROUP (ORDER BY minutes) FILTER (WHERE status = 'Completed'),
                      percentile_cont(0.9) WITHIN GROUP (ORDER BY minutes) FILTER (WHERE status = 'Completed'),
                      (avg(attempts_count) FILTER (WHERE status = 'Completed'))::float8, 0
               FROM done GROUP BY quest_id, step_number
               UNION ALL
               SELECT NULL, quest_id, furthest, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, count(*) FROM stands
               WHERE standing IN ('abandoned', 'idle') AND NOT has_all AND furthest IS NOT NULL GROUP BY quest_id, furthest
           ), steps AS (
               SELECT quest_id, jsonb_agg(to_jsonb(one) ORDER BY step_number) AS of_quest
               FROM (SELECT quest_id, step_number, (array_agg(id) FILTER (WHERE id IS NOT NULL))[1] AS id, max(title) AS title,
                            max(step_type) AS step_type, bool_or(is_optional) AS is_optional, sum(started) AS started,
                            sum(completed) AS completed, sum(skipped) AS skipped, sum(awaiting_review) AS awaiting_review,
                            sum(awaiting_result) AS awaiting_result, sum(out_of_tries) AS out_of_tries, max(median) AS median,
                            max(p90) AS p90, max(tries) AS tries, sum(left_here) AS left_here
                     FROM step GROUP BY quest_id, step_number HAVING count(id) > 0) AS one
               GROUP BY quest_id
           ), work AS (
               SELECT assessment.id, picked.id AS quest_id, assessment.key, assessment.assessment_type, assessment.created_at,
                      (assessment.configuration #>> '{attempts,max}')::numeric AS most,
                      0 AS tried, 0 AS passed, 0 AS awaiting_grade, 0 AS judged, NULL::int8[] AS used, 0 AS graded, NULL::float8 AS tries, NULL::float8 AS percent
               FROM picked CROSS JOIN LATERAL
                    (SELECT * FROM quest_assessments WHERE quest_id = picked.id AND retired_at IS NULL OFFSET 0) AS assessment
               UNION ALL
               SELECT tried.assessment_id, tried.quest_id, NULL, NULL, NULL, NULL, count(*), count(progress.passed_at),
                      count(*) FILTER (WHERE tried.goes_on AND tried.waits AND progress.passed_at IS NULL),
                      count(*) FILTER (WHERE NOT tried.waits OR progress.passed_at IS NOT NULL),
                      array_agg(tried.tries - coalesce(progress.extra_tries, 0))
                          FILTER (WHERE tried.goes_on AND NOT tried.waits AND progress.passed_at IS NULL),
                      count(tried.percent), avg(tried.tries)::float8, avg(tried.percent)
               FROM tried LEFT JOIN LATERAL (
                   SELECT * FROM assessment_progress WHERE attempt_id = tried.attempt_id AND assessment_id = tried.assessment_id OFFSET 0
               ) AS progress ON TRUE
               GROUP BY tried.assessment_id, tried.quest_id
           ), works AS (
               SELECT quest_id, jsonb_agg((to_jsonb(one) - '{created_at,used,most}'::text[])
                          || jsonb_build_object('out_of_tries', (SELECT count(*) FROM unnest(used) AS tries WHERE tries >= most))
                      ORDER BY created_at, id) AS of_quest
               FROM (SELECT id, quest_id, max(key) AS key, max(assessment_type) AS assessment_type, max(created_at) AS created_at,
                            sum(tried) AS tried, sum(passed) AS passed, sum(awaiting_grade) AS awaiting_grade, sum(judged) AS judged, sum(graded) AS graded,
                            max(tries) AS tries, max(percent) AS percent, max(most) AS most,
                            array_agg(used) FILTER (WHERE used IS NOT NULL) AS used
                     FROM work GROUP BY id, quest_id HAVING max(key) IS NOT NULL) AS one
               GROUP BY quest_id
           ), said AS MATERIALIZED (
               SELECT picked.id AS quest_id, feedback.category, feedback.rating, feedback.resolved_at, feedback.auth_user_id
               FROM picked CROSS JOIN LATERAL (SELECT * FROM quest_feedback WHERE quest_id = picked.id
                                                   AND updated_at >= $2::date::timestamp AT TIME ZONE $4
                                                   AND updated_at < ($3::date + 1)::timestamp AT TIME ZONE $4 OFFSET 0) AS feedback
           ), voices AS (
               SELECT quest_id, count(DISTINCT auth_user_id) AS learners FROM said GROUP BY quest_id
           ), categories AS (
               SELECT quest_id, jsonb_agg(to_jsonb(one) ORDER BY category) AS of_quest
               FROM (SELECT quest_id, category, count(*) AS given, count(*) FILTER (WHERE resolved_at IS NULL) AS open, sum(rating) AS rating
                     FROM said GROUP BY quest_id, category) AS one
               GROUP BY quest_id
           )
           SELECT picked.id AS "quest_id?", picked.title AS "title?", picked.estimated_duration_minutes AS "estimated_minutes?",
                  to_jsonb(whole) AS "whole?: Json<Whole>", steps.of_quest AS "steps?: Json<Vec<Step>>",
                  works.of_quest AS "assessments?: Json<Vec<Assessment>>", categories.of_quest AS "feedback?: Json<Vec<Feedback>>",
                  coalesce(voices.learners, 0) AS "voices!",
                  counted.begun AS "begun!"
           FROM (SELECT count(*) AS begun FROM begun) AS counted LEFT JOIN picked ON TRUE LEFT JOIN whole ON whole.quest_id = picked.id LEFT JOIN steps ON steps.quest_id = picked.id
                LEFT JOIN works ON works.quest_id = picked.id LEFT JOIN categories ON categories.quest_id = picked.id
                LEFT JOIN voices ON voices.quest_id = picked.id"#,
        quest,
        period.from,
        period.to,
        bounds.time_zone,
        bounds.max_attempts,
        bounds.idle_since,
        author,
        bounds.shield.least,
        MAX_QUESTS
    )
    .fetch_all(connection)
    .await?;
    let begun = rows.first().map_or(0, |row| row.begun);
    let quests = rows.into_iter().filter_map(|row| {
        Some(Figures {
            quest_id: row.quest_id?,
            title: row.title?,
            estimated_minutes: row.estimated_minutes,
            whole: row.whole.map(|whole| whole.0).unwrap_or_default(),
            steps: row.steps.map(|steps| steps.0).unwrap_or_default(),
            assessments: row.assessments.map(|assessments| assessments.0).unwrap_or_default(),
            feedback: row.feedback.map(|feedback| feedback.0).unwrap_or_default(),
            voices: row.voices,
        })
    });
    Ok(Counted { quests: quests.collect(), begun })
}
