//! Writing a cohort, some hundred learners a transaction.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::model::{QUIZ_QUEST, Quest, Rows, Step};
use super::walk::{learner_id, walk};
use crate::assessments::model::{Refusal, Rules};
use crate::attempts::model::{StepProgress, StepType};
use crate::ids::{AssessmentId, StepId};

/// Which learners are made up.
#[derive(Debug, Clone, Copy)]
pub struct Cohort {
    /// Chance falls by it.
    pub seed: u64,
    /// Number of the first one
    pub from: u32,
    /// And of the one after the last
    pub to: u32,
    /// Midnight of the day that is not over: the same for the whole cohort
    pub now: DateTime<Utc>,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    pub learners: usize,
    pub attempts: usize,
}

/// Writes those learners who are not there yet, on the path of this key and the quest with the quiz.
///
/// # Errors
/// The database's, or when the stored quiz cannot be read.
pub async fn write(connection: &mut PgConnection, path: &str, cohort: Cohort) -> Result<Written, Refusal> {
    let known: HashSet<Uuid> = {
        let ids: Vec<Uuid> = (cohort.from..cohort.to).map(|number| learner_id(cohort.seed, number)).collect();
        let known = sqlx::query_scalar!("SELECT auth_user_id FROM learners WHERE auth_user_id = ANY($1)", &ids);
        known.fetch_all(&mut *connection).await?.into_iter().collect()
    };
    let quests = quests(connection, path).await?;
    let mut rows = Rows::default();
    for number in cohort.from..cohort.to {
        if !known.contains(&learner_id(cohort.seed, number)) {
            walk(cohort.seed, number, &quests, cohort.now, &mut rows);
        }
    }
    if !rows.learners.is_empty() {
        progress(connection, &rows).await?;
        work(connection, &rows).await?;
        enrol(connection, path, &rows).await?;
    }
    Ok(Written { learners: rows.learners.len(), attempts: rows.attempts.len() })
}

/// What can be completed without anybody else, in the order of the path. No edit of these quests comes between.
async fn quests(connection: &mut PgConnection, path: &str) -> Result<Vec<Quest>, Refusal> {
    sqlx::query!(
        "SELECT id FROM quests
         WHERE key = $2 OR id IN (SELECT link.quest_id FROM learning_path_quests AS link
                                  JOIN learning_paths AS path ON path.id = link.learning_path_id WHERE path.key = $1)
         ORDER BY id FOR SHARE",
        path,
        QUIZ_QUEST
    )
    .fetch_all(&mut *connection)
    .await?;
    let rows = sqlx::query!(
        r#"SELECT quest.id, quest.key, quest.units_version, coalesce(quest.estimated_duration_minutes, 60) AS "minutes!",
                  coalesce(link.unlock_criteria IS NOT NULL, FALSE) AS "comes_last!",
                  ARRAY(SELECT prerequisite_quest_id FROM quest_prerequisites AS needed WHERE needed.quest_id = quest.id) AS "needs!",
                  (SELECT coalesce(jsonb_agg(jsonb_build_array(id, step_number, key, step_type,
                                                 coalesce(validation_criteria ->> 'review', 'none') <> 'none') ORDER BY step_number), '[]')
                   FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL AND NOT is_optional)
                      AS "steps!: Json<Vec<(StepId, i32, String, StepType, bool)>>",
                  quiz.id AS "quiz?: AssessmentId", quiz.configuration AS "configuration?", quiz.passing_criteria AS "passing?"
           FROM quests AS quest
           LEFT JOIN learning_paths AS path ON path.key = $1
           LEFT JOIN learning_path_quests AS link ON link.learning_path_id = path.id AND link.quest_id = quest.id
           LEFT JOIN quest_assessments AS quiz ON quiz.quest_id = quest.id AND quiz.retired_at IS NULL AND quest.key = $2
           WHERE quest.is_active AND (quest.key = $2 OR link.id IS NOT NULL)
             -- What asks for a result from outside, a score or a grader nobody here can complete.
             AND NOT EXISTS (SELECT FROM quest_steps AS step
                             WHERE step.quest_id = quest.id AND step.retired_at IS NULL AND NOT step.is_optional
                               AND (step.evidence_target IS NOT NULL OR step.step_type IN ('Coding', 'Quiz')))
             AND (SELECT count(*) FROM quest_assessments AS other WHERE other.quest_id = quest.id AND other.retired_at IS NULL)
                 = CASE WHEN quest.key = $2 THEN 1 ELSE 0 END
             AND (quiz.id IS NULL OR quiz.assessment_type = 'Quiz')
           -- The quiz comes after the first third of the path.
           ORDER BY coalesce(link.sequence_order, 4.5), quest.id"#,
        path,
        QUIZ_QUEST
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let steps = row.steps.0.into_iter().map(|(id, number, key, kind, is_reviewed)| Step {
                key,
                untouched: StepProgress::untouched(id, number, kind),
                is_reviewed,
            });
            let quiz = match (row.quiz, row.configuration, row.passing) {
                (Some(id), Some(configuration), Some(passing)) => {
                    Some((id.0, Rules::read(id, &configuration, &passing)?))
                }
                _ => None,
            };
            Ok(Quest {
                id: row.id,
                key: row.key,
                units_version: row.units_version,
                minutes: row.minutes.into(),
                needs: row.needs,
                comes_last: row.comes_last,
                steps: steps.collect(),
                quiz,
            })
        })
        .collect()
}

/// Learners, attempts and steps.
async fn progress(connection: &mut PgConnection, rows: &Rows) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO learners (auth_user_id, created_at)
         SELECT * FROM jsonb_to_recordset($1) AS row (auth_user_id UUID, came_at TIMESTAMPTZ)",
        json!(rows.learners)
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, completed_at, abandoned_at,
                                          completion_percentage, current_step_id, units_version)
         SELECT * FROM jsonb_to_recordset($1) AS row (id UUID, auth_user_id UUID, quest_id UUID, status quest_attempt_status,
             started_at TIMESTAMPTZ, completed_at TIMESTAMPTZ, abandoned_at TIMESTAMPTZ, completion_percentage NUMERIC,
             current_step_id UUID, units_version INTEGER)",
        json!(rows.attempts)
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO user_quest_step_progress (id, attempt_id, step_id, status, started_at, completed_at, attempts_count,
             last_try_at, review_status, review_requested_at, reviewed_at, reviewed_by)
         SELECT row.id, attempt_id, step_id, row.status, started_at, completed_at, attempts_count,
                CASE WHEN attempts_count > 0 THEN coalesce(completed_at, started_at) END,
                CASE WHEN is_reviewed THEN 'accepted' END, CASE WHEN is_reviewed THEN completed_at END,
                CASE WHEN is_reviewed THEN completed_at END, CASE WHEN is_reviewed THEN quest.created_by END
         FROM jsonb_to_recordset($1) AS row (id UUID, attempt_id UUID, step_id UUID, status step_completion_status,
             started_at TIMESTAMPTZ, completed_at TIMESTAMPTZ, attempts_count INTEGER, is_reviewed BOOLEAN)
         JOIN quest_steps AS step ON step.id = row.step_id JOIN quests AS quest ON quest.id = step.quest_id",
        json!(rows.steps)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Tries of the quiz with their grades, and feedback.
async fn work(connection: &mut PgConnection, rows: &Rows) -> Result<(), sqlx::Error> {
    let tries: Value = json!(rows.tries);
    sqlx::query!(
        "INSERT INTO quest_submissions (id, attempt_id, assessment_id, attempt_number, submission_data, item_ids, submitted_at,
             taken_at, status, graded_at, percent, late_percent, grade, max_grade, is_passed)
         SELECT id, attempt_id, assessment_id, attempt_number, submission_data, item_ids, submitted_at, submitted_at, 'graded',
                submitted_at, percent, late_percent, grade, max_grade, is_passed
         FROM jsonb_to_recordset($1) AS row (id UUID, attempt_id UUID, assessment_id UUID, attempt_number INTEGER,
             submission_data JSONB, item_ids TEXT[], submitted_at TIMESTAMPTZ, percent NUMERIC, late_percent NUMERIC,
             grade NUMERIC, max_grade NUMERIC, is_passed BOOLEAN)",
        tries
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO submission_grades (id, submission_id, graded_at, how, percent, late_percent, grade, max_grade, is_passed)
         SELECT grade_id, id, submitted_at, 'auto', percent, late_percent, grade, max_grade, is_passed
         FROM jsonb_to_recordset($1) AS row (id UUID, grade_id UUID, submitted_at TIMESTAMPTZ, percent NUMERIC,
             late_percent NUMERIC, grade NUMERIC, max_grade NUMERIC, is_passed BOOLEAN)",
        tries
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO assessment_progress (attempt_id, assessment_id, passed_at)
         SELECT * FROM jsonb_to_recordset($1) AS row (attempt_id UUID, assessment_id UUID, passed_at TIMESTAMPTZ)",
        json!(rows.passed)
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO quest_feedback (id, quest_id, auth_user_id, category, rating, created_at, updated_at)
         SELECT id, quest_id, auth_user_id, category, rating, created_at, created_at
         FROM jsonb_to_recordset($1) AS row (id UUID, quest_id UUID, auth_user_id UUID, category TEXT, rating SMALLINT,
             created_at TIMESTAMPTZ)",
        json!(rows.feedback)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Each learner is in the path, as far as their quests are.
async fn enrol(connection: &mut PgConnection, path: &str, rows: &Rows) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO user_learning_path_progress (id, auth_user_id, learning_path_id, status, started_at, completed_at,
             current_quest_id, completed_quests_count, total_quests_count, completion_percentage, enrolled_at)
         SELECT uuid_generate_v5(path.id, learner.auth_user_id::text), learner.auth_user_id, path.id,
                CASE WHEN done.all > 0 AND done.completed = done.all THEN 'Completed' WHEN done.begun = 0 THEN 'NotStarted'
                     ELSE 'InProgress' END::path_progress_status,
                done.first, CASE WHEN done.all > 0 AND done.completed = done.all THEN done.last END,
                done.current_quest, done.completed, done.all,
                CASE WHEN done.all = 0 THEN 0 ELSE trunc(done.completed * 100.0 / done.all, 2) END, learner.came_at
         FROM jsonb_to_recordset($2) AS learner (auth_user_id UUID, came_at TIMESTAMPTZ)
         JOIN learning_paths AS path ON path.key = $1
         CROSS JOIN LATERAL (
             SELECT count(*) FILTER (WHERE link.is_mandatory AND (quest.is_active OR attempt.status = 'Completed'))::int AS all,
                    count(*) FILTER (WHERE link.is_mandatory AND attempt.status = 'Completed')::int AS completed,
                    count(attempt.id) AS begun, min(attempt.started_at) AS first, max(attempt.completed_at) AS last,
                    (array_agg(quest.id ORDER BY attempt.id IS NULL, link.sequence_order)
                         FILTER (WHERE quest.is_active AND attempt.status IS DISTINCT FROM 'Completed'
                                   AND attempt.status IS DISTINCT FROM 'Abandoned'))[1] AS current_quest
             FROM learning_path_quests AS link
             JOIN quests AS quest ON quest.id = link.quest_id
             LEFT JOIN user_quest_attempts AS attempt
                 ON attempt.auth_user_id = learner.auth_user_id AND attempt.quest_id = quest.id
             WHERE link.learning_path_id = path.id) AS done",
        path,
        json!(rows.learners)
    )
    .execute(connection)
    .await?;
    Ok(())
}
