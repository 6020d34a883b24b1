//! Gates and facts, loaded set-wise in one statement.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::evaluate::{AssessmentFact, ChapterFact, Facts, PathFact, QuestFact};
use super::model::{Eligibility, Gated, My, Verdict, verdict};
use crate::ids::{AttemptId, LearnerId, QuestId};
use crate::learners::Locked;

/// In `unlock_refs`: points of the whole service.
const SERVICE_EXPERIENCE: Uuid = Uuid::nil();
/// In `unlock_refs`: any skill.
const SKILLS: Uuid = Uuid::max();

/// What one statement gives of a learner: quests with their gates, and the facts that they ask for.
struct Row {
    learner: Uuid,
    gated: Option<Json<Vec<Gated>>>,
    quests: Option<Json<HashMap<Uuid, QuestFact>>>,
    chapters: Option<Json<HashMap<Uuid, ChapterFact>>>,
    paths: Option<Json<HashMap<Uuid, PathFact>>>,
    assessments: Option<Json<HashMap<Uuid, AssessmentFact>>>,
    experience: Option<i64>,
    skills: Option<Json<HashMap<String, i32>>>,
}

/// The statement; `$candidates` selects the ids of the quests to judge, `$1` are the learners, `$2` is now.
macro_rules! load {
    ($connection:expr, $candidates:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"/* unlocks:load */
               WITH candidate AS ("# + $candidates + r#"),
               -- What is the same for all learners, once; by index, so that it grows with the quests and no faster.
               gate AS MATERIALIZED (
                   SELECT quest.id, jsonb_build_object(
                       'questId', quest.id, 'title', quest.title, 'questType', quest.quest_type, 'isActive', quest.is_active,
                       'prerequisites', coalesce((
                           SELECT jsonb_agg(link.prerequisite_quest_id)
                           FROM quest_prerequisites AS link
                           JOIN quests AS needed ON needed.id = link.prerequisite_quest_id AND needed.is_active
                           WHERE link.quest_id = quest.id), '[]'),
                       'entries', coalesce((
                           SELECT jsonb_agg(jsonb_build_object('learningPathId', path.id, 'name', path.name,
                                      'unlockCriteria', link.unlock_criteria, 'chapterStartsOn', chapter.start_date,
                                      'isChapterPaused', coalesce(chapter.status = 'Paused', FALSE)) ORDER BY path.name, path.id)
                           FROM learning_path_quests AS link
                           JOIN learning_paths AS path ON path.id = link.learning_path_id AND path.is_published
                           LEFT JOIN quest_chapters AS chapter ON chapter.id = link.chapter_id
                           WHERE link.quest_id = quest.id), '[]')) AS what
                   FROM candidate JOIN quests AS quest ON quest.id = candidate.id
               ), named AS MATERIALIZED (
                   SELECT DISTINCT unnest(link.unlock_refs) AS id
                   FROM candidate
                   JOIN learning_path_quests AS link ON link.quest_id = candidate.id
                   JOIN learning_paths AS path ON path.id = link.learning_path_id AND path.is_published
               ), asked AS MATERIALIZED (
                   SELECT link.prerequisite_quest_id AS id
                   FROM candidate
                   JOIN quest_prerequisites AS link ON link.quest_id = candidate.id
                   JOIN quests AS quest ON quest.id = link.prerequisite_quest_id AND quest.is_active
                   UNION SELECT id FROM named
               )
               SELECT learner.id AS "learner!",
                   (SELECT jsonb_agg(gate.what || jsonb_build_object(
                        'attempt', CASE WHEN attempt.id IS NOT NULL THEN jsonb_build_object('id', attempt.id,
                            'status', attempt.status, 'percentage', attempt.completion_percentage::text) END,
                        'record', CASE WHEN record.quest_id IS NOT NULL THEN jsonb_build_object(
                            'isUnlocked', record.unlocked_at IS NOT NULL, 'isAnnounced', record.announced_at IS NOT NULL,
                            'learningPathId', record.learning_path_id) END,
                        -- 'open' comes before 'waive', and skips more.
                        'exception', (SELECT min(kind) FROM unlock_overrides
                                      WHERE auth_user_id = learner.id AND quest_id = gate.id
                                        AND (expires_at IS NULL OR expires_at > $2))))
                    FROM gate
                    LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = learner.id AND attempt.quest_id = gate.id
                    LEFT JOIN quest_unlocks AS record ON record.auth_user_id = learner.id AND record.quest_id = gate.id
                   ) AS "gated: Json<Vec<Gated>>",
                   (SELECT jsonb_object_agg(quest.id, jsonb_build_object('title', quest.title,
                        'completedAt', attempt.completed_at, 'percentage', coalesce(attempt.completion_percentage, 0)::text,
                        'score', CASE WHEN attempt.id IS NOT NULL AND quest.id IN (SELECT id FROM named) THEN (
                            SELECT CASE WHEN bool_and(best IS NOT NULL) THEN avg(best)::text END
                            FROM (SELECT (SELECT max(percent * late_percent * 0.01) FROM quest_submissions
                                          WHERE assessment_id = assessment.id AND attempt_id = attempt.id) AS best
                                  FROM quest_assessments AS assessment
                                  WHERE assessment.quest_id = quest.id AND assessment.retired_at IS NULL) AS grades) END,
                        -- Feedback policies hold scores back from their learner, in explanations too.
                        'isScoreHidden', EXISTS (
                            SELECT FROM quest_assessments WHERE quest_id = quest.id AND retired_at IS NULL
                              AND CASE configuration #>> '{feedback,score}' WHEN 'never' THEN TRUE
                                      WHEN 'afterClose' THEN (configuration ->> 'closesAt')::timestamptz > $2 END)))
                    FROM asked
                    JOIN quests AS quest ON quest.id = asked.id
                    LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = learner.id AND attempt.quest_id = quest.id
                   ) AS "quests: Json<HashMap<Uuid, QuestFact>>",
                   (SELECT jsonb_object_agg(chapter.id, jsonb_build_object('title', chapter.title,
                        'total', members.total, 'done', members.done))
                    FROM named
                    JOIN quest_chapters AS chapter ON chapter.id = named.id
                    CROSS JOIN LATERAL (
                        SELECT count(*) AS total, count(attempt.id) AS done
                        FROM learning_path_quests AS link
                        JOIN quests AS quest ON quest.id = link.quest_id
                        LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = learner.id
                            AND attempt.quest_id = quest.id AND attempt.status = 'Completed'
                        WHERE link.chapter_id = chapter.id AND link.is_mandatory
                          AND (quest.is_active OR attempt.id IS NOT NULL)
                    ) AS members
                   ) AS "chapters: Json<HashMap<Uuid, ChapterFact>>",
                   (SELECT jsonb_object_agg(path.id, jsonb_build_object('name', path.name, 'total', members.total,
                        'done', members.done, 'experience', members.experience, 'startedAt', members.started_at))
                    FROM named
                    JOIN learning_paths AS path ON path.id = named.id
                    CROSS JOIN LATERAL (
                        SELECT count(*) FILTER (WHERE link.is_mandatory AND (quest.is_active OR attempt.status = 'Completed')) AS total,
                               count(*) FILTER (WHERE link.is_mandatory AND attempt.status = 'Completed') AS done,
                               coalesce(sum(attempt.total_experience_earned), 0) AS experience,
                               min(attempt.started_at) AS started_at
                        FROM learning_path_quests AS link
                        JOIN quests AS quest ON quest.id = link.quest_id
                        LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = learner.id AND attempt.quest_id = quest.id
                        WHERE link.learning_path_id = path.id
                    ) AS members
                   ) AS "paths: Json<HashMap<Uuid, PathFact>>",
                   (SELECT jsonb_object_agg(assessment.id, jsonb_build_object('first', grades.first::text, 'best', grades.best::text,
                        'isHidden', coalesce(CASE assessment.configuration #>> '{feedback,score}' WHEN 'never' THEN TRUE
                            WHEN 'afterClose' THEN (assessment.configuration ->> 'closesAt')::timestamptz > $2 END, FALSE)))
                    FROM named
                    JOIN quest_assessments AS assessment ON assessment.id = named.id
                    LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = learner.id AND attempt.quest_id = assessment.quest_id
                    CROSS JOIN LATERAL (
                        SELECT max(percent * late_percent * 0.01) AS best,
                               -- Work that was sent back was no try.
                               (array_agg(percent * late_percent * 0.01 ORDER BY attempt_number))[1] AS first
                        FROM quest_submissions
                        WHERE assessment_id = assessment.id AND attempt_id = attempt.id AND status <> 'returned'
                    ) AS grades
                   ) AS "assessments: Json<HashMap<Uuid, AssessmentFact>>",
                   (SELECT sum(total_experience_earned) FROM user_quest_attempts
                    WHERE auth_user_id = learner.id
                      AND EXISTS (SELECT FROM named WHERE id = '00000000-0000-0000-0000-000000000000')) AS experience,
                   (SELECT coalesce(jsonb_object_agg(skill.skill_name, skill.level) FILTER (WHERE skill.skill_name IS NOT NULL), '{}')
                    FROM learners AS known
                    LEFT JOIN learner_skill_levels AS skill ON skill.auth_user_id = known.auth_user_id
                    WHERE known.auth_user_id = learner.id AND known.skill_levels_until > $2
                      AND EXISTS (SELECT FROM named WHERE id = 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                    HAVING count(known.auth_user_id) > 0
                   ) AS "skills: Json<HashMap<String, i32>>"
               FROM unnest($1::uuid[]) AS learner (id)"#,
            $($argument),+
        )
        .fetch_all($connection)
        .await
    };
}

/// A learner's quests, judged.
#[derive(Debug)]
pub struct Judgement {
    pub learner: LearnerId,
    pub quests: Vec<(Gated, Verdict)>,
}

impl Row {
    fn judged(self, now: DateTime<Utc>) -> Judgement {
        fn taken<T: Default>(json: Option<Json<T>>) -> T {
            json.map(|json| json.0).unwrap_or_default()
        }
        let facts = Facts {
            now,
            quests: taken(self.quests),
            chapters: taken(self.chapters),
            paths: taken(self.paths),
            assessments: taken(self.assessments),
            experience: self.experience.unwrap_or_default(),
            skills: self.skills.map(|json| json.0),
        };
        let mut quests: Vec<(Gated, Verdict)> = taken(self.gated)
            .into_iter()
            .map(|gated| {
                let verdict = verdict(&gated, &facts);
                (gated, verdict)
            })
            .collect();
        quests.sort_by(|(a, _), (b, _)| (&a.title, a.quest_id).cmp(&(&b.title, b.quest_id)));
        Judgement { learner: LearnerId(self.learner), quests }
    }
}

/// Judges quests for learners; one statement.
///
/// # Errors
/// The database's.
pub async fn judge_quests(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    learners: &[Uuid],
    quests: &[Uuid],
) -> Result<Vec<Judgement>, sqlx::Error> {
    let rows = load!(connection, "SELECT DISTINCT unnest($3::uuid[]) AS id", learners, now, quests)?;
    Ok(rows.into_iter().map(|row| row.judged(now)).collect())
}

/// Judges one quest for one learner; one statement, None when there is no such quest.
///
/// # Errors
/// The database's.
pub async fn gate(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    learner: LearnerId,
    quest: QuestId,
) -> Result<Option<(Gated, Verdict)>, sqlx::Error> {
    let judged = judge_quests(connection, now, &[learner.0], &[quest.0]).await?;
    Ok(judged.into_iter().next().and_then(|judgement| judgement.quests.into_iter().next()))
}

/// Explains verdicts as their learner may see them; one statement more, for what they name.
///
/// # Errors
/// The database's.
pub async fn explain<'v>(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    learner: LearnerId,
    judged: impl IntoIterator<Item = &'v (Gated, Verdict)>,
) -> Result<HashMap<Uuid, Eligibility>, sqlx::Error> {
    let judged: Vec<&(Gated, Verdict)> = judged.into_iter().collect();
    let mut named: Vec<Uuid> = judged.iter().flat_map(|(_, verdict)| verdict.named()).collect();
    named.sort_unstable();
    named.dedup();
    let others =
        if named.is_empty() { Vec::new() } else { judge_quests(connection, now, &[learner.0], &named).await? };
    let others = others.iter().flat_map(|judgement| &judgement.quests);
    let hidden: HashSet<Uuid> =
        others.filter(|(gated, verdict)| verdict.is_hidden(gated)).map(|(gated, _)| gated.quest_id).collect();
    Ok(judged.into_iter().map(|(gated, verdict)| (gated.quest_id, verdict.shown(gated, &hidden))).collect())
}

/// The caller's view of several quests; one statement.
///
/// # Errors
/// The database's.
pub async fn my(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    learner: LearnerId,
    quests: &[Uuid],
) -> Result<HashMap<QuestId, My>, sqlx::Error> {
    let judged = judge_quests(connection, now, &[learner.0], quests).await?;
    let quests = judged.into_iter().flat_map(|judgement| judgement.quests);
    Ok(quests.map(|(gated, verdict)| (QuestId(gated.quest_id), view(&gated, &verdict))).collect())
}

/// The caller's own view of a judged quest.
#[must_use]
pub fn view(gated: &Gated, verdict: &Verdict) -> My {
    My {
        availability: verdict.eligibility.availability,
        attempt_id: gated.attempt.as_ref().map(|attempt| AttemptId(attempt.id)),
        status: gated.attempt.as_ref().map(|attempt| attempt.status),
        completion_percentage: gated.attempt.as_ref().map(|attempt| attempt.percentage),
        locked_view: verdict.locked_view,
    }
}

/// What may open quests.
#[derive(Debug, Clone, Copy)]
pub enum Trigger<'a> {
    /// The quest is completed: what needs it, or counts its chapter, its paths or points.
    Completed(QuestId),
    /// The quests have opened, are begun, or paid points: what counts their paths or points.
    Moved(&'a [QuestId]),
    /// A try of one of the quest's assessments was graded: what looks at scores in it.
    Scored(QuestId),
    /// Skill levels have risen.
    Skills,
}

/// Judges what a trigger may open, and all quests of the learner's own paths with its quests or one that
/// may open, which decide what is next there. Reads this transaction's own writes; one statement.
///
/// # Errors
/// The database's.
pub async fn judge_after(
    connection: &mut PgConnection,
    learner: &Locked,
    trigger: Trigger<'_>,
) -> Result<Vec<(Gated, Verdict)>, sqlx::Error> {
    let (completed, moved, named) = match trigger {
        Trigger::Completed(quest) => (Some(quest.0), vec![quest.0], vec![quest.0, SERVICE_EXPERIENCE]),
        Trigger::Moved(quests) => (None, quests.iter().map(|quest| quest.0).collect(), vec![SERVICE_EXPERIENCE]),
        Trigger::Scored(quest) => (None, vec![quest.0], vec![quest.0]),
        Trigger::Skills => (None, Vec::new(), vec![SKILLS]),
    };
    let rows = load!(
        connection,
        r"WITH opening AS (
              SELECT quest_id AS id FROM quest_prerequisites WHERE prerequisite_quest_id = $3::uuid
              UNION
              SELECT quest_id FROM learning_path_quests
              WHERE unlock_refs && ($4::uuid[]
                  || ARRAY(SELECT learning_path_id FROM learning_path_quests WHERE quest_id = ANY($5::uuid[]))
                  || ARRAY(SELECT chapter_id FROM learning_path_quests WHERE quest_id = ANY($5::uuid[]) AND chapter_id IS NOT NULL)
                  || ARRAY(SELECT id FROM quest_assessments WHERE quest_id = ANY($5::uuid[])))
          )
          SELECT id FROM opening
          UNION
          SELECT other.quest_id FROM learning_path_quests AS own
          JOIN user_learning_path_progress AS mine ON mine.learning_path_id = own.learning_path_id
              AND mine.auth_user_id = ANY($1) AND mine.left_at IS NULL
          JOIN learning_path_quests AS other ON other.learning_path_id = own.learning_path_id
          WHERE own.quest_id = ANY($5::uuid[]) OR own.quest_id IN (SELECT id FROM opening)",
        &[learner.id.0],
        learner.now,
        completed,
        &named,
        &moved
    )?;
    Ok(rows.into_iter().flat_map(|row| row.judged(learner.now).quests).collect())
}
