//! Analytics of a learning path: two statements, and what of their numbers may be told.

use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::blocked::{self, blocked};
use super::model::{Blocked, BlockedBy, LockedBy, PathCohort, PathInsight, PathPoint, QuestFunnel, Scope};
use super::series::Buckets;
use crate::analytics::period::{Bounds, Bucket, Period};
use crate::analytics::privacy::{Ladder, Shield, rounded};

#[derive(Debug, Deserialize)]
struct Whole {
    enrolled: i64,
    started: i64,
    completed: i64,
    gone: i64,
    /// Still enrolled, and not through
    active: i64,
    progress: Option<f64>,
    median: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Day {
    #[serde(rename = "day")]
    begins: chrono::NaiveDate,
    enrolled: i64,
    started: i64,
    completed: i64,
}

#[derive(Debug, Deserialize)]
struct Place {
    quest_id: Uuid,
    title: String,
    sequence_order: i32,
    is_mandatory: bool,
    started: i64,
    completed: i64,
    abandoned: i64,
    median: Option<f64>,
    /// Active learners with an attempt, and those without one for whom nothing is missing
    begun: i64,
    ready: i64,
    needs: Option<Vec<Needed>>,
}

#[derive(Debug, Deserialize)]
struct Needed {
    quest_id: Uuid,
    title: String,
    /// Active learners who have completed it, or are at the quest all the same
    through: i64,
}

impl Place {
    /// Active learners without an attempt who lack a prerequisite
    fn locked(&self, whole: &Whole) -> i64 {
        let is_ever = self.needs.as_deref().is_some_and(|needs| !needs.is_empty());
        if is_ever { whole.active - self.begun - self.ready } else { 0 }
    }
}

/// Analytics of a learning path; none where there is no such path.
///
/// # Errors
/// The database's.
pub async fn path(
    connection: &mut PgConnection,
    id: Uuid,
    period: Period,
    bucket: Bucket,
    bounds: &Bounds,
) -> Result<Option<PathInsight>, sqlx::Error> {
    let Some((name, whole, days, places)) = figures(connection, id, period, bounds).await? else {
        return Ok(None);
    };
    let waiting = blocked(connection, Some(id), period, bounds).await?;
    let shield = bounds.shield;
    let is_known = whole.enrolled == 0 || shield.tells(whole.enrolled);
    let told = |part: i64| shield.part(part, whole.enrolled).filter(|_| is_known);
    // Who has completed it has started it, and who has left may have done both.
    let mut ladder = shield.ladder(whole.enrolled);
    let started = ladder.tell(whole.started).filter(|_| is_known);
    let completed = ladder.tell(whole.completed).filter(|_| is_known);
    // Who is still on the way follows from those who are not.
    let goes_on = whole.enrolled - whole.completed - whole.gone;
    let left = told(whole.gone).filter(|_| shield.is_safe(goes_on) && shield.is_safe(whole.active));
    let is_told = is_known && whole.enrolled > 0;
    let cohort = PathCohort {
        enrolled: shield.count(whole.enrolled),
        started,
        completed,
        left,
        // Few values make it up: it would give away how many have completed it.
        mean_progress: rounded(whole.progress, 2).filter(|_| is_told && completed.is_some()),
        median_days: rounded(whole.median, 2).filter(|_| completed.is_some_and(|completed| shield.tells(completed))),
        is_suppressed: !is_known || started.is_none() || completed.is_none() || left.is_none(),
    };
    let waits: Vec<Blocked> = blocked::told(shield, &waiting)
        .into_iter()
        .zip(waiting)
        .map(|(learners, waiting)| Blocked {
            quest_id: waiting.quest_id,
            title: waiting.title,
            cause: waiting.cause,
            by_quest_id: waiting.by_quest_id,
            by_title: waiting.by_title,
            learners,
        })
        .collect();
    let quests = places.iter().map(|place| quest(shield, place, &whole, &mut ladder, &waits, is_known)).collect();
    Ok(Some(PathInsight {
        learning_path_id: id,
        name,
        scope: Scope {
            from: period.from,
            to: period.to,
            time_zone: bounds.time_zone.clone(),
            bucket,
            min_cohort: shield.least,
            is_capped: whole.enrolled >= bounds.max_attempts,
        },
        series: series(
            shield,
            &days,
            &Buckets::new(days.iter().map(|day| day.begins), bucket, period),
            &whole,
            &cohort,
        ),
        cohort,
        quests,
        waits,
    }))
}

/// Together they are the learners of the period, which are told as well; of those who completed it, all have started.
fn series(shield: Shield, days: &[Day], by: &Buckets, whole: &Whole, cohort: &PathCohort) -> Vec<PathPoint> {
    let rows: Vec<[i64; 1]> = days.iter().map(|day| [day.enrolled]).collect();
    let enrolled = by.tell(shield, &rows, [whole.enrolled], &by.all().only_if(cohort.enrolled.is_some()));
    let of = |enrolled: i64, started: i64| [started, enrolled - started];
    let rows: Vec<[i64; 2]> = days.iter().map(|day| of(day.enrolled, day.started)).collect();
    let within = enrolled.only_if(cohort.started.is_some());
    let started = by.tell(shield, &rows, of(whole.enrolled, whole.started), &within);
    let of = |enrolled: i64, started: i64, completed: i64| [completed, enrolled - completed, started - completed];
    let rows: Vec<[i64; 3]> = days.iter().map(|day| of(day.enrolled, day.started, day.completed)).collect();
    let within = started.only_if(cohort.completed.is_some());
    let completed = by.tell(shield, &rows, of(whole.enrolled, whole.started, whole.completed), &within);
    let sums = |count: fn(&Day) -> i64| by.sums(days.iter().map(count));
    let (members, begun, through) = (sums(|day| day.enrolled), sums(|day| day.started), sums(|day| day.completed));
    (by.begins.iter().enumerate())
        .map(|(at, begins)| {
            let enrolled = Some(members[at]).filter(|_| enrolled.buckets[at]);
            // Of nobody nobody has.
            let is_empty = enrolled == Some(0);
            let started = Some(begun[at]).filter(|_| started.buckets[at] || is_empty);
            let completed = Some(through[at]).filter(|_| completed.buckets[at] || is_empty);
            let is_suppressed = enrolled.is_none() || started.is_none() || completed.is_none();
            PathPoint { from: *begins, enrolled, started, completed, is_suppressed }
        })
        .collect()
}

/// Who takes a quest has started the path, and who completed the path has completed its mandatory quests, mostly one
/// after the other: mandatory quests are rungs of one ladder.
fn quest(
    shield: Shield,
    place: &Place,
    whole: &Whole,
    ladder: &mut Ladder,
    waits: &[Blocked],
    is_known: bool,
) -> QuestFunnel {
    let others = place.started - place.completed - place.abandoned;
    let parts = shield.parts(&[place.completed, place.abandoned, others], place.started);
    let rung = |ladder: &mut Ladder, learners: i64| {
        if place.is_mandatory {
            ladder.tell(learners)
        } else {
            let is_safe = shield.is_safe(whole.started - learners);
            shield.part(learners, whole.enrolled).filter(|_| is_safe)
        }
    };
    // Nor are those a small group who have not begun it and do not wait at it either.
    let mut here = waits.iter().filter(|wait| wait.quest_id == place.quest_id).filter_map(|wait| wait.learners);
    let is_rest_safe = here.all(|waiting| shield.is_safe(whole.enrolled - place.started - waiting));
    let started = if is_known && is_rest_safe { rung(ladder, place.started) } else { None };
    let completed = parts[0].filter(|_| started.is_some()).and_then(|completed| rung(ladder, completed));
    let abandoned = parts[1].filter(|_| started.is_some());
    let needs = place.needs.as_deref().unwrap_or_default();
    let locked = place.locked(whole);
    // Who waits at the quest for want of a prerequisite is one of those for whom it is locked; maybe all of them are.
    let waits = |by: Option<Uuid>| {
        let here =
            waits.iter().filter(move |wait| wait.quest_id == place.quest_id && wait.cause == BlockedBy::Prerequisite);
        here.filter(move |wait| by.is_none() || wait.by_quest_id == by).filter_map(|wait| wait.learners)
    };
    let tell = |locked: i64, by: Option<Uuid>| {
        let is_safe = is_known
            && shield.is_safe(whole.enrolled - locked)
            && shield.is_safe(whole.active - locked)
            && shield.is_safe(whole.enrolled - place.started - locked)
            && waits(by).chain([waits(by).sum::<i64>()]).all(|waiting| shield.is_safe(locked - waiting));
        shield.count(locked).filter(|_| is_safe)
    };
    let lacking = |needed: &Needed| whole.active - needed.through;
    // Neither those for whom it is locked by others only are a small group, nor those who lack several.
    let are_several_safe = shield.is_safe(needs.iter().map(lacking).sum::<i64>() - locked);
    let by = |needed: &Needed| {
        let learners = tell(lacking(needed), Some(needed.quest_id));
        LockedBy {
            quest_id: needed.quest_id,
            title: needed.title.clone(),
            learners: learners.filter(|learners| are_several_safe && shield.is_safe(locked - learners)),
        }
    };
    let locked_by: Vec<LockedBy> = needs.iter().map(by).collect();
    let locked = tell(locked, None);
    QuestFunnel {
        quest_id: place.quest_id,
        title: place.title.clone(),
        sequence: place.sequence_order,
        is_mandatory: place.is_mandatory,
        started,
        completed,
        abandoned,
        median_days: rounded(place.median, 2).filter(|_| completed.is_some_and(|completed| shield.tells(completed))),
        is_suppressed: [started, completed, abandoned, locked].iter().any(Option::is_none)
            || locked_by.iter().any(|by| by.learners.is_none()),
        locked,
        locked_by,
    }
}

type Figures = (String, Whole, Vec<Day>, Vec<Place>);

async fn figures(
    connection: &mut PgConnection,
    id: Uuid,
    period: Period,
    bounds: &Bounds,
) -> Result<Option<Figures>, sqlx::Error> {
    let row = sqlx::query!(
        r#"/* analytics:path */
           WITH member AS MATERIALIZED (
               SELECT auth_user_id, enrolled_at, completed_at, left_at, completion_percentage,
                      status <> 'NotStarted' AND started_at IS NOT NULL AS has_started, status = 'Completed' AS is_through,
                      status <> 'Completed' AND left_at IS NULL AS is_active
               FROM user_learning_path_progress
               WHERE learning_path_id = $1 AND enrolled_at >= $2::date::timestamp AT TIME ZONE $4
                 AND enrolled_at < ($3::date + 1)::timestamp AT TIME ZONE $4
               ORDER BY enrolled_at DESC, id DESC LIMIT $5
           ), whole AS (
               SELECT count(*) AS enrolled, count(*) FILTER (WHERE has_started OR is_through) AS started,
                      count(*) FILTER (WHERE is_through) AS completed, count(*) FILTER (WHERE left_at IS NOT NULL) AS gone,
                      count(*) FILTER (WHERE is_active) AS active, avg(completion_percentage)::float8 AS progress,
                      percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(extract(epoch FROM completed_at - enrolled_at), 0)::float8 / 86400)
                          FILTER (WHERE is_through) AS median
               FROM member
           ), days AS (
               SELECT day::date AS day, count(member.auth_user_id) AS enrolled,
                      count(*) FILTER (WHERE has_started OR is_through) AS started, count(*) FILTER (WHERE is_through) AS completed
               FROM generate_series($2::date::timestamp, $3::date::timestamp, interval '1 day') AS day
               LEFT JOIN member ON (enrolled_at AT TIME ZONE $4)::date = day::date
               GROUP BY 1
           ), place AS MATERIALIZED (
               SELECT placed.quest_id, placed.sequence_order, placed.is_mandatory, quest.title
               FROM learning_path_quests AS placed JOIN quests AS quest ON quest.id = placed.quest_id
               WHERE placed.learning_path_id = $1
           ), edge AS MATERIALIZED (
               SELECT place.quest_id, needed.id AS needed_id, needed.title
               FROM place JOIN quest_prerequisites AS prerequisite ON prerequisite.quest_id = place.quest_id
                    JOIN quests AS needed ON needed.id = prerequisite.prerequisite_quest_id AND needed.is_active
           ), mine AS MATERIALIZED (
               -- Looked up by learner: the planner takes the members for few.
               SELECT member.auth_user_id, member.is_active, attempt.quest_id, attempt.status, attempt.started_at, attempt.completed_at
               FROM member CROSS JOIN LATERAL (SELECT * FROM user_quest_attempts WHERE auth_user_id = member.auth_user_id OFFSET 0) AS attempt
               WHERE (attempt.quest_id IN (SELECT quest_id FROM place UNION ALL SELECT needed_id FROM edge)) IS TRUE
           ), through AS MATERIALIZED (
               SELECT needs.quest_id, mine.quest_id AS needed_id, mine.auth_user_id, FALSE AS has_begun
               FROM mine CROSS JOIN LATERAL (SELECT quest_id FROM quest_prerequisites WHERE prerequisite_quest_id = mine.quest_id OFFSET 0) AS needs
               WHERE mine.is_active AND mine.status = 'Completed'
               UNION ALL
               SELECT mine.quest_id, needed.id, mine.auth_user_id, TRUE
               FROM mine CROSS JOIN LATERAL (SELECT prerequisite_quest_id AS id FROM quest_prerequisites WHERE quest_id = mine.quest_id OFFSET 0) AS needed
               WHERE mine.is_active
           ), each AS (
               SELECT quest_id, needed_id, count(DISTINCT auth_user_id) AS learners FROM through GROUP BY quest_id, needed_id
           ), met AS (
               SELECT quest_id, needs, count(*) AS learners
               FROM (SELECT quest_id, auth_user_id, count(*) AS needs FROM through
                     WHERE (needed_id IN (SELECT needed_id FROM edge)) IS TRUE
                     GROUP BY quest_id, auth_user_id HAVING NOT bool_or(has_begun)) AS one
               GROUP BY quest_id, needs
           ), ready AS (
               SELECT met.quest_id, met.learners
               FROM met JOIN (SELECT quest_id, count(*) AS needs FROM edge GROUP BY quest_id) AS all_of
                    ON all_of.quest_id = met.quest_id AND all_of.needs = met.needs
           ), places AS (
               SELECT place.*, coalesce(figures.started, 0) AS started, coalesce(figures.completed, 0) AS completed,
                      coalesce(figures.abandoned, 0) AS abandoned, coalesce(figures.begun, 0) AS begun, figures.median,
                      coalesce(ready.learners, 0) AS ready,
                      (SELECT jsonb_agg(jsonb_build_object('quest_id', edge.needed_id, 'title', edge.title,
                                                           'through', coalesce(each.learners, 0)) ORDER BY edge.title, edge.needed_id)
                       FROM edge LEFT JOIN each ON each.quest_id = edge.quest_id AND each.needed_id = edge.needed_id
                       WHERE edge.quest_id = place.quest_id) AS needs
               FROM place
               LEFT JOIN (SELECT quest_id, count(*) AS started, count(*) FILTER (WHERE status = 'Completed') AS completed,
                                 count(*) FILTER (WHERE status = 'Abandoned') AS abandoned, count(*) FILTER (WHERE is_active) AS begun,
                                 percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at)::float8 / 86400)
                                     FILTER (WHERE status = 'Completed') AS median
                          FROM mine GROUP BY quest_id) AS figures ON figures.quest_id = place.quest_id
               LEFT JOIN ready ON ready.quest_id = place.quest_id
           )
           SELECT name, (SELECT to_jsonb(whole) FROM whole) AS "whole!: Json<Whole>",
                  coalesce((SELECT jsonb_agg(to_jsonb(days) ORDER BY day) FROM days), '[]') AS "days!: Json<Vec<Day>>",
                  coalesce((SELECT jsonb_agg(to_jsonb(places) ORDER BY sequence_order) FROM places), '[]') AS "places!: Json<Vec<Place>>"
           FROM learning_paths WHERE id = $1"#,
        id,
        period.from,
        period.to,
        bounds.time_zone,
        bounds.max_attempts
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.name, row.whole.0, row.days.0, row.places.0)))
}
