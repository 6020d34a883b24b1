//! Answers of learners, grouped in the database: one row per different answer to an item, whatever the number of tries.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::quest_figures::Of;
use crate::analytics::items::{Given, Item, Questions, analyse, questions};
use crate::analytics::period::{Bounds, Period};
use crate::analytics::privacy::Shield;
use crate::criteria::Item as Asked;

/// Different answers that are looked at in all, the commonest of each item first. What is beyond is left out.
const MAX_GROUPS: i64 = 50_000;
/// Quizzes that are looked at together, the most tried ones.
const MAX_QUIZZES: i64 = 200;

/// A quiz with the answers to its items, before anything of them is told.
#[derive(Debug)]
pub struct Quiz {
    pub quest_id: Uuid,
    pub assessment_id: Uuid,
    questions: Questions,
    given: Vec<Given>,
    /// Newest tries that are looked at
    max_tries: i64,
}

impl Quiz {
    /// Its item analysis, where so many learners with a graded try are told; where they are not, all is held back. Those
    /// who got an item are a part of them; and where items are drawn, the tries of all items add up to a known number.
    #[must_use]
    pub fn items(&self, shield: Shield, graded: Option<i64>) -> Vec<Item> {
        let mut by_item: HashMap<&str, Vec<&Given>> = HashMap::new();
        for group in &self.given {
            by_item.entry(group.item_id.as_str()).or_default().push(group);
        }
        let items = &self.questions.items;
        let of = |item: &Asked| by_item.get(item.id.as_str()).map_or(&[][..], Vec::as_slice);
        let tries: Vec<[i64; 1]> = items.iter().map(|item| [of(item).iter().map(|group| group.tries).sum()]).collect();
        let graded = graded.map(|graded| graded.min(self.max_tries));
        let is_part = |tries: i64| graded.is_some_and(|graded| shield.part(tries, graded).is_some());
        let mut told: Vec<bool> = tries.iter().map(|[tries]| is_part(*tries)).collect();
        if self.questions.drawn < items.len() {
            let held: Vec<bool> = told.iter().map(|is_told| !is_told).collect();
            told = shield.rows(&tries, [tries.iter().flatten().sum()], &held);
        }
        items.iter().zip(told).map(|(item, is_told)| analyse(shield, item, of(item), is_told)).collect()
    }

    /// Whether a try has one item only: who gets it right passes.
    #[must_use]
    pub const fn is_of_one(&self) -> bool {
        self.questions.drawn == 1
    }
}

/// Answers to quizzes in the first graded try of each attempt of the period. One statement.
///
/// # Errors
/// The database's.
pub async fn quizzes(
    connection: &mut PgConnection,
    of: Of,
    period: Period,
    bounds: &Bounds,
) -> Result<Vec<Quiz>, sqlx::Error> {
    let mut quizzes = Vec::new();
    let mut given: HashMap<Uuid, Vec<Given>> = HashMap::new();
    for row in groups(connection, of, period, bounds).await? {
        match row.item_id {
            None => quizzes.push(Quiz {
                quest_id: row.quest_id,
                assessment_id: row.assessment_id,
                questions: questions(&row.answer.unwrap_or_default()),
                given: Vec::new(),
                max_tries: bounds.max_tries,
            }),
            Some(item_id) => given.entry(row.assessment_id).or_default().push(Given {
                item_id,
                answer: row.answer,
                tries: row.tries,
                best: row.best,
                total: row.total,
                squares: row.squares,
            }),
        }
    }
    for quiz in &mut quizzes {
        quiz.given = given.remove(&quiz.assessment_id).unwrap_or_default();
    }
    Ok(quizzes)
}

/// A quiz (without `item_id`; its configuration is the answer), or equal answers to one of its items.
struct Row {
    quest_id: Uuid,
    assessment_id: Uuid,
    item_id: Option<String>,
    answer: Option<Value>,
    tries: i64,
    best: i64,
    total: f64,
    squares: f64,
}

async fn groups(
    connection: &mut PgConnection,
    of: Of,
    period: Period,
    bounds: &Bounds,
) -> Result<Vec<Row>, sqlx::Error> {
    let (quest, author) = of.ids();
    sqlx::query_as!(
        Row,
        r#"/* analytics:items */
           -- Each of the two ways to the attempts has an index; the condition on $1 alone switches the other off.
           WITH cohort AS MATERIALIZED (
               (SELECT id FROM user_quest_attempts
                WHERE quest_id = $1 AND started_at >= $2::date::timestamp AT TIME ZONE $4
                  AND started_at < ($3::date + 1)::timestamp AT TIME ZONE $4
                ORDER BY started_at DESC, id DESC LIMIT $5)
               UNION ALL
               (SELECT attempt.id FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id
                WHERE $1::uuid IS NULL AND started_at >= $2::date::timestamp AT TIME ZONE $4
                  AND started_at < ($3::date + 1)::timestamp AT TIME ZONE $4
                  AND quest.is_active AND quest.created_by = coalesce($6, quest.created_by)
                ORDER BY started_at DESC, attempt.id DESC LIMIT $5)
           ), first AS MATERIALIZED (
               SELECT DISTINCT ON (submission.attempt_id, submission.assessment_id)
                      submission.id, submission.assessment_id, submission.submitted_at, submission.percent, submission.item_ids,
                      submission.submission_data -> 'answers' AS answers
               FROM cohort CROSS JOIN LATERAL (SELECT * FROM quest_submissions WHERE attempt_id = cohort.id OFFSET 0) AS submission
               -- Who was erased has left no answers.
               WHERE submission.status = 'graded' AND submission.item_ids <> '{}' AND submission.submission_data ? 'answers'
               ORDER BY submission.attempt_id, submission.assessment_id, submission.attempt_number
           ), quiz AS MATERIALIZED (
               SELECT assessment.quest_id, assessment.id, assessment.configuration,
                      ARRAY(SELECT item ->> 'id' FROM jsonb_array_elements(assessment.configuration -> 'items') AS item) AS ids,
                      ARRAY(SELECT (item ->> 'points')::float8 FROM jsonb_array_elements(assessment.configuration -> 'items') AS item) AS points
               FROM (SELECT assessment_id, count(*) AS tries FROM first GROUP BY assessment_id) AS tried
                    JOIN quest_assessments AS assessment ON assessment.id = tried.assessment_id
               WHERE assessment.assessment_type = 'Quiz' AND assessment.retired_at IS NULL
               ORDER BY tried.tries DESC, assessment.id LIMIT $7
           ), newest AS MATERIALIZED (
               SELECT first.id, assessment_id, first.percent, item_ids, answers,
                      first.percent::float8 / 100
                          * (SELECT sum(item.points) FROM unnest(quiz.ids, quiz.points) AS item (id, points) WHERE item.id = ANY(item_ids)) AS points,
                      row_number() OVER (PARTITION BY assessment_id ORDER BY submitted_at DESC, first.id DESC) AS place
               FROM first JOIN quiz ON quiz.id = first.assessment_id
           ), looked_at AS MATERIALIZED (
               SELECT *, ntile(3) OVER (PARTITION BY assessment_id ORDER BY percent DESC, id) = 1 AS is_best
               FROM newest WHERE place <= $8
           ), given AS MATERIALIZED (
               SELECT assessment_id, item_id, answers -> item_id AS answer, is_best, points
               FROM looked_at CROSS JOIN LATERAL unnest(item_ids) AS item_id
           ), alike AS (
               SELECT assessment_id, item_id, answer, count(*) AS tries, count(*) FILTER (WHERE is_best) AS best,
                      sum(points) AS total, sum(points * points) AS squares,
                      row_number() OVER (PARTITION BY assessment_id, item_id ORDER BY count(*) DESC, answer) AS rank
               FROM given GROUP BY assessment_id, item_id, answer
           ), commonest AS (
               SELECT * FROM alike ORDER BY rank, assessment_id, item_id LIMIT $9
           )
           SELECT quest_id AS "quest_id!", id AS "assessment_id!", NULL AS item_id, configuration AS answer,
                  0::int8 AS "tries!", 0::int8 AS "best!", 0::float8 AS "total!", 0::float8 AS "squares!"
           FROM quiz
           UNION ALL
           SELECT quiz.quest_id, quiz.id, item_id, answer, tries, best, total, squares
           FROM commonest JOIN quiz ON quiz.id = commonest.assessment_id"#,
        quest,
        period.from,
        period.to,
        bounds.time_zone,
        bounds.max_attempts,
        author,
        MAX_QUIZZES,
        bounds.max_tries,
        MAX_GROUPS
    )
    .fetch_all(connection)
    .await
}
