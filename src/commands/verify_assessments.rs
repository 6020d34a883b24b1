//! The part of `quests verify` that is about assessments.

use sqlx::PgConnection;

use super::verify::Report;

/// Holds passes against the grades that were given, grades against what they are made of and against their
/// history, and statuses against what belongs to them.
///
/// # Errors
/// The database's.
pub async fn assessments(connection: &mut PgConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    // A unit is done exactly when some try of it was ever given a passing grade.
    let passes = sqlx::query_scalar!(
        r#"SELECT 'assessment ' || assessment_id || ' of attempt ' || attempt_id || ': '
                  || CASE WHEN bool_or(is_done) THEN 'done without a passing grade' ELSE 'passed, and not done' END AS "drift!"
           FROM (SELECT attempt_id, assessment_id, TRUE AS is_done, FALSE AS is_earned FROM assessment_progress
                 WHERE passed_at IS NOT NULL
                 UNION ALL
                 SELECT submission.attempt_id, submission.assessment_id, FALSE, TRUE
                 FROM submission_grades AS grade JOIN quest_submissions AS submission ON submission.id = grade.submission_id
                 WHERE grade.is_passed) AS claims
           GROUP BY attempt_id, assessment_id HAVING bool_or(is_done) <> bool_or(is_earned)"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let grades = sqlx::query_scalar!(
        r#"SELECT 'submission ' || submission.id || ': graded ' || submission.grade || ' of ' || submission.max_grade || ', '
                  || round(submission.percent, 4) || ' % less lateness give another grade' AS "drift!"
           FROM quest_submissions AS submission
           WHERE submission.status = 'graded'
             AND submission.grade <> round(round(submission.percent * submission.late_percent * submission.max_grade * 0.0001, 15), 2)"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let history = sqlx::query_scalar!(
        r#"SELECT 'submission ' || submission.id || ': ' || submission.status || ' at ' || coalesce(submission.grade::text, 'no grade')
                  || ', its history ends with ' || coalesce(last.how || ' at ' || coalesce(last.grade::text, 'no grade'), 'nothing') AS "drift!"
           FROM quest_submissions AS submission
           LEFT JOIN LATERAL (SELECT how, grade, max_grade, is_passed FROM submission_grades
                              WHERE submission_id = submission.id ORDER BY position DESC LIMIT 1) AS last ON TRUE
           WHERE CASE submission.status
                     WHEN 'graded' THEN last.how IS NULL OR last.how = 'return'
                          OR (last.grade, last.max_grade, last.is_passed)
                             IS DISTINCT FROM (submission.grade, submission.max_grade, submission.is_passed)
                     WHEN 'returned' THEN last.how IS DISTINCT FROM 'return'
                     ELSE last.how IS NOT NULL END"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let numbers = sqlx::query_scalar!(
        r#"SELECT 'assessment ' || assessment_id || ' of attempt ' || attempt_id || ': ' || count(*) || ' tries, numbered '
                  || min(attempt_number) || ' to ' || max(attempt_number) AS "drift!"
           FROM quest_submissions GROUP BY attempt_id, assessment_id
           HAVING min(attempt_number) <> 1 OR max(attempt_number) <> count(*)"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let reviews = sqlx::query_scalar!(
        r#"SELECT 'peer review ' || review.id || ': '
                  || CASE WHEN attempt.auth_user_id = review.reviewer_id THEN 'of own work'
                          ELSE 'open, while the work is ' || submission.status END AS "drift!"
           FROM peer_reviews AS review
           JOIN quest_submissions AS submission ON submission.id = review.submission_id
           JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
           WHERE attempt.auth_user_id = review.reviewer_id
              OR (review.status = 'open' AND submission.status <> 'inPeerReview')"#
    )
    .fetch_all(connection)
    .await?;
    report.drifts.extend(passes.into_iter().chain(grades).chain(history).chain(numbers).chain(reviews));
    Ok(())
}
