//! The sections of an export, one statement each; rows come as JSON and are passed on as they come.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::service::{Document, Ended};
use crate::assessments::service::list_own_submissions;
use crate::criteria::CodingResult;
use crate::ids::{AttemptId, LearnerId};

/// Submissions that are read together.
const PAGE: i64 = 20;

/// Streams the rows of a statement into a member of the document.
macro_rules! section {
    ($connection:expr, $document:expr, $name:literal, $sql:literal, $($argument:expr),+ $(,)?) => {
        $document
            .list($name, sqlx::query_scalar!($sql, $($argument),+).fetch(&mut *$connection))
            .await?
    };
}

/// All sections, in the order of docs/api.md.
pub(super) async fn write(
    connection: &mut PgConnection,
    document: &mut Document,
    learner: LearnerId,
    now: DateTime<Utc>,
) -> Result<(), Ended> {
    progress(connection, document, learner).await?;
    submissions(connection, document, learner, now).await?;
    reviews(connection, document, learner).await?;
    paths(connection, document, learner).await?;
    others(connection, document, learner).await
}

async fn progress(connection: &mut PgConnection, document: &mut Document, learner: LearnerId) -> Result<(), Ended> {
    section!(
        connection,
        document,
        "attempts",
        r#"SELECT json_build_object('id', attempt.id, 'questId', quest_id, 'questTitle', quest.title, 'status', status,
               'startedAt', started_at, 'completedAt', completed_at, 'abandonedAt', abandoned_at,
               'completionPercentage', completion_percentage, 'totalExperienceEarned', total_experience_earned,
               'currentStepId', current_step_id, 'notes', notes)::text AS "row!"
           FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id
           WHERE auth_user_id = $1 ORDER BY started_at, attempt.id"#,
        learner.0
    );
    section!(
        connection,
        document,
        "steps",
        r#"SELECT json_build_object('attemptId', attempt_id, 'stepId', step_id, 'stepTitle', step.title,
               'status', progress.status, 'startedAt', progress.started_at, 'completedAt', progress.completed_at,
               'submissionData', submission_data, 'feedback', feedback, 'experienceEarned', experience_earned,
               'attemptsCount', attempts_count, 'lastTryAt', last_try_at, 'extraTries', extra_tries,
               'scorePoints', score_points, 'scoreMaxPoints', score_max_points, 'reviewStatus', review_status,
               'reviewRequestedAt', review_requested_at, 'reviewedAt', reviewed_at)::text AS "row!"
           FROM user_quest_attempts AS attempt
           JOIN user_quest_step_progress AS progress ON progress.attempt_id = attempt.id
           JOIN quest_steps AS step ON step.id = progress.step_id
           WHERE attempt.auth_user_id = $1 ORDER BY attempt.started_at, attempt.id, step.step_number"#,
        learner.0
    );
    section!(
        connection,
        document,
        "assessments",
        r#"SELECT json_build_object('attemptId', attempt_id, 'assessmentId', assessment_id, 'passedAt', passed_at,
               'extraTries', extra_tries, 'tryStartedAt', try_started_at, 'tryDueAt', try_due_at, 'tryEndsAt', try_ends_at,
               'tryItemIds', try_item_ids, 'draft', draft, 'draftSavedAt', draft_saved_at)::text AS "row!"
           FROM user_quest_attempts AS attempt JOIN assessment_progress AS progress ON progress.attempt_id = attempt.id
           WHERE attempt.auth_user_id = $1 ORDER BY attempt.started_at, attempt.id, assessment_id"#,
        learner.0
    );
    Ok(())
}

/// As their learner sees them now, but for the right answers, which may show there.
async fn submissions(
    connection: &mut PgConnection,
    document: &mut Document,
    learner: LearnerId,
    now: DateTime<Utc>,
) -> Result<(), Ended> {
    document.begin_list("submissions");
    let mut after = Uuid::nil();
    loop {
        let attempts = sqlx::query_scalar!(
            r#"SELECT id AS "id: AttemptId" FROM user_quest_attempts AS attempt
               WHERE auth_user_id = $1 AND id > $2
                 AND EXISTS (SELECT FROM quest_submissions WHERE attempt_id = attempt.id)
               ORDER BY id LIMIT 100"#,
            learner.0,
            after
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = attempts.last() else { break };
        after = last.0;
        for attempt in attempts {
            of_attempt(connection, document, (learner, attempt), now).await?;
        }
    }
    document.end_list();
    Ok(())
}

async fn of_attempt(
    connection: &mut PgConnection,
    document: &mut Document,
    (learner, attempt): (LearnerId, AttemptId),
    now: DateTime<Utc>,
) -> Result<(), Ended> {
    let mut after: Option<(DateTime<Utc>, Uuid)> = None;
    loop {
        let page = list_own_submissions(connection, learner, attempt, None, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.submission.submitted_at, last.submission.id.0));
        for submitted in page {
            let mut seen = submitted.for_learner(now);
            seen.items = None;
            let mut row = serde_json::json!(seen);
            row["replacedGrades"] = submitted.replaced_grades(now).into();
            document.item(&row.to_string()).await?;
        }
    }
}

/// What the caller has said of the work of others; whose it is stays untold.
async fn reviews(connection: &mut PgConnection, document: &mut Document, learner: LearnerId) -> Result<(), Ended> {
    section!(
        connection,
        document,
        "reviewsGiven",
        r#"SELECT json_build_object('id', id, 'assessmentId', assessment_id, 'status', status, 'assignedAt', assigned_at,
               'dueAt', due_at, 'submittedAt', submitted_at, 'percent', percent, 'rubric', rubric, 'comment', comment)::text AS "row!"
           FROM peer_reviews WHERE reviewer_id = $1 ORDER BY assigned_at, id"#,
        learner.0
    );
    Ok(())
}

async fn paths(connection: &mut PgConnection, document: &mut Document, learner: LearnerId) -> Result<(), Ended> {
    section!(
        connection,
        document,
        "enrollments",
        r#"SELECT json_build_object('learningPathId', learning_path_id, 'name', path.name, 'status', status,
               'enrolledAt', enrolled_at, 'startedAt', started_at, 'completedAt', completed_at, 'leftAt', left_at,
               'currentQuestId', current_quest_id, 'completedQuestsCount', completed_quests_count,
               'totalQuestsCount', total_quests_count, 'completionPercentage', completion_percentage,
               'totalExperienceEarned', total_experience_earned)::text AS "row!"
           FROM user_learning_path_progress AS mine JOIN learning_paths AS path ON path.id = mine.learning_path_id
           WHERE auth_user_id = $1 ORDER BY enrolled_at, mine.id"#,
        learner.0
    );
    section!(
        connection,
        document,
        "grants",
        r#"SELECT json_build_object('id', id, 'attemptId', attempt_id, 'objectiveType', objective_type,
               'objectiveId', objective_id, 'kind', kind, 'skillTag', skill_tag, 'skillId', skill_id, 'points', points,
               'grantedAt', granted_at)::text AS "row!"
           FROM reward_grants WHERE auth_user_id = $1 ORDER BY granted_at, id"#,
        learner.0
    );
    section!(
        connection,
        document,
        "unlocks",
        r#"SELECT json_build_object('questId', quest_id, 'unlockedAt', unlocked_at, 'announcedAt', announced_at,
               'unlockedByQuestId', unlocked_by_quest_id, 'learningPathId', learning_path_id,
               -- The criteria that were met may say scores that are held back.
               'judgedBy', evidence - 'criteria')::text AS "row!"
           FROM quest_unlocks WHERE auth_user_id = $1 ORDER BY unlocked_at, quest_id"#,
        learner.0
    );
    section!(
        connection,
        document,
        "overrides",
        r#"SELECT json_build_object('id', id, 'questId', quest_id, 'kind', kind, 'reason', reason, 'expiresAt', expires_at,
               'createdAt', created_at)::text AS "row!"
           FROM unlock_overrides WHERE auth_user_id = $1 ORDER BY created_at, id"#,
        learner.0
    );
    Ok(())
}

async fn others(connection: &mut PgConnection, document: &mut Document, learner: LearnerId) -> Result<(), Ended> {
    section!(
        connection,
        document,
        "feedback",
        r#"SELECT json_build_object('id', id, 'questId', quest_id, 'category', category, 'rating', rating,
               'comment', comment, 'createdAt', created_at, 'updatedAt', updated_at, 'resolvedAt', resolved_at,
               'resolution', resolution)::text AS "row!"
           FROM quest_feedback WHERE auth_user_id = $1 ORDER BY created_at, id"#,
        learner.0
    );
    // What a grader said is the score in other words, and names tests: where it counts, steps and submissions show what
    // may be seen of it.
    let visible: Vec<String> = CodingResult::SAYS_NO_SCORE.iter().map(|field| (*field).to_owned()).collect();
    section!(
        connection,
        document,
        "evidence",
        r#"SELECT json_build_object('id', id, 'kind', kind, 'sourceId', source_id, 'targetId', target_id,
               'receivedAt', received_at, 'result', CASE kind WHEN 'meeting' THEN result ELSE
                   (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(result) WHERE key = ANY($2)) END,
               'appliedTo', (SELECT coalesce(json_agg(json_build_object('attemptId', attempt_id, 'unitId', unit_id,
                                 'unitType', unit_type, 'appliedAt', applied_at,
                                 -- Of an assessment it is its grade, which may be held back.
                                 'isMet', CASE unit_type WHEN 'step' THEN is_met END) ORDER BY applied_at, unit_id), '[]')
                             FROM evidence_applications WHERE evidence_id = evidence.id))::text AS "row!"
           FROM evidence WHERE auth_user_id = $1 ORDER BY position"#,
        learner.0,
        &visible
    );
    section!(
        connection,
        document,
        "skillLevels",
        r#"SELECT json_build_object('skillName', skill_name, 'level', level)::text AS "row!"
           FROM learner_skill_levels WHERE auth_user_id = $1 ORDER BY skill_name"#,
        learner.0
    );
    section!(
        connection,
        document,
        "changes",
        r#"SELECT json_build_object('recordedAt', recorded_at, 'action', action, 'resourceType', resource_type,
               'resourceId', resource_id)::text AS "row!"
           FROM audit_log WHERE actor_id = $1 ORDER BY recorded_at, id"#,
        learner.0
    );
    section!(
        connection,
        document,
        "events",
        r#"SELECT json_build_object('id', id, 'learnerSeq', learner_seq, 'type', event_type,
               'correlationId', correlation_id, 'causationId', causation_id, 'occurredAt', occurred_at,
               'data', data)::text AS "row!"
           FROM outbox_events WHERE auth_user_id = $1 ORDER BY learner_seq"#,
        learner.0
    );
    Ok(())
}
