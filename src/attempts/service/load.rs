//! An attempt with all that decisions about it need, in one statement whatever its size.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::attempts::model::{
    Assessments, Attempt, AttemptStatus, AttemptWithSteps, Kept, Review, ReviewStatus, StepProgress, StepScore,
    StepStatus, StepType, TryLimits, may_work,
};
use crate::ids::{AttemptId, EventId, LearnerId, QuestId, StepId, SubmissionId};
use crate::quests::model::{DifficultyLevel, QuestType};
use crate::rewards::SkillReward;
use crate::scoring::Score;

/// What the cascade needs to know of the quest.
#[derive(Debug)]
pub struct QuestFacts {
    pub quest_type: QuestType,
    pub difficulty_level: DifficultyLevel,
    pub subject_id: Option<Uuid>,
    pub experience_points_reward: i32,
    pub skill_tags: Vec<String>,
    pub skill_rewards: Vec<SkillReward>,
    /// The User Service's ids of those skills that it knows, by tag.
    pub known_skills: BTreeMap<String, Uuid>,
    pub learning_path_ids: Vec<Uuid>,
    /// The learner is enrolled in a path with this quest.
    pub is_followed: bool,
    /// The learner is enrolled in any path.
    pub has_paths: bool,
    /// Criteria somewhere count the points that this quest and its steps pay.
    pub is_counted: bool,
}

/// What one step needs to be checked.
#[derive(Debug, Default)]
pub struct Target {
    pub validation_criteria: Option<Value>,
    pub content: Option<Value>,
    pub limits: TryLimits,
}

/// A loaded attempt.
#[derive(Debug)]
pub struct Loaded {
    pub attempt: Attempt,
    pub steps: Vec<StepProgress>,
    pub quest: QuestFacts,
    pub assessments: Assessments,
    pub target: Target,
    /// The quest's units have been edited since the attempt was computed, or a result from outside
    /// waits for a step that is open.
    pub is_stale: bool,
    pub units_version: i32,
    /// Its status was moved by the learner.
    pub has_moved: bool,
    /// The step whose completion is the cause of everything that is paid, where one completion
    /// leads to others; a repeated call shows it all again.
    pub trigger: Option<StepId>,
    /// The graded try of an assessment that is the cause of what follows.
    pub graded: Option<GradedTry>,
}

/// A graded try of an assessment, as far as the cascade has to know it.
#[derive(Debug, Clone, Copy)]
pub struct GradedTry {
    pub submission: SubmissionId,
    /// The event that announced the grade.
    pub cause: EventId,
    /// Criteria somewhere look at scores in this quest.
    pub is_named: bool,
}

impl Loaded {
    /// The attempt as the wire shows it.
    #[must_use]
    pub fn view(&self) -> AttemptWithSteps {
        AttemptWithSteps { attempt: self.attempt.clone(), steps: self.steps.clone() }
    }

    /// The first step that results from outside wait for, and that is open for them.
    #[must_use]
    pub fn next_with_evidence(&self) -> Option<usize> {
        self.steps.iter().position(|step| {
            step.kept.has_evidence
                && step.status != StepStatus::Completed
                && may_work(self.attempt.status, &self.steps, step).is_ok()
        })
    }
}

/// Loads a learner's attempt; with the criteria of `target`, if a step is named.
///
/// # Errors
/// The database's.
#[expect(clippy::too_many_lines, reason = "one statement and its columns")]
pub async fn load(
    connection: &mut PgConnection,
    learner: LearnerId,
    id: AttemptId,
    target: Option<StepId>,
) -> Result<Option<Loaded>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"/* attempts:load */
           SELECT attempt.quest_id AS "quest_id: QuestId", quest.title, attempt.status AS "status: AttemptStatus",
                  attempt.started_at, attempt.completed_at, attempt.abandoned_at, attempt.total_experience_earned,
                  attempt.completion_percentage, attempt.current_step_id AS "current_step_id: StepId", attempt.notes,
                  attempt.units_version, quest.units_version AS quest_units_version,
                  quest.quest_type AS "quest_type: QuestType", quest.difficulty_level AS "difficulty_level: DifficultyLevel",
                  quest.subject_id, quest.experience_points_reward, coalesce(quest.skill_tags, '{}') AS "skill_tags!",
                  coalesce((SELECT jsonb_agg(jsonb_build_object('skillTag', skill_tag, 'skillId', skill_id, 'points', points)
                                             ORDER BY display_order)
                            FROM quest_skill_rewards WHERE quest_id = quest.id), '[]') AS "skill_rewards!: Json<Vec<SkillReward>>",
                  named.ids AS "known_skills!: Json<BTreeMap<String, Uuid>>",
                  ARRAY(SELECT path.id FROM learning_path_quests AS link
                        JOIN learning_paths AS path ON path.id = link.learning_path_id AND path.is_published
                        WHERE link.quest_id = quest.id ORDER BY path.id) AS "learning_path_ids!",
                  EXISTS (SELECT FROM learning_path_quests AS link
                          JOIN user_learning_path_progress AS mine ON mine.learning_path_id = link.learning_path_id
                              AND mine.auth_user_id = $2 AND mine.left_at IS NULL
                          WHERE link.quest_id = quest.id) AS "is_followed!",
                  EXISTS (SELECT FROM user_learning_path_progress WHERE auth_user_id = $2 AND left_at IS NULL) AS "has_paths!",
                  EXISTS (SELECT FROM learning_path_quests AS other
                          WHERE other.unlock_refs && (ARRAY['00000000-0000-0000-0000-000000000000'::uuid]
                                    || ARRAY(SELECT learning_path_id FROM learning_path_quests WHERE quest_id = quest.id))
                            AND jsonb_path_exists(other.unlock_criteria, '$.when.** ? (@.op == "xpEarned")')) AS "is_counted!",
                  (SELECT count(*) FROM quest_assessments WHERE quest_id = quest.id AND retired_at IS NULL) AS "assessments!",
                  (SELECT count(*) FROM assessment_progress AS done
                   JOIN quest_assessments AS assessment ON assessment.id = done.assessment_id AND assessment.retired_at IS NULL
                   WHERE done.attempt_id = attempt.id AND done.passed_at IS NOT NULL) AS "passed!",
                  step.id AS "step_id?: StepId", step.step_number AS "step_number?", step.title AS "step_title?",
                  step.step_type AS "step_type?: StepType", step.is_optional AS "is_optional?",
                  step.retired_at IS NOT NULL AS "is_retired!", step.experience_points AS "experience_points?",
                  CASE WHEN step.id = $3 THEN step.validation_criteria END AS validation_criteria,
                  CASE WHEN step.id = $3 THEN step.content END AS content,
                  progress.status AS "step_status?: StepStatus", progress.started_at AS "step_started_at?",
                  progress.completed_at AS "step_completed_at?", progress.submission_data AS "submission_data?",
                  progress.feedback AS "feedback?", progress.experience_earned AS "experience_earned?",
                  progress.attempts_count AS "attempts_count?", progress.last_try_at AS "last_try_at?",
                  progress.extra_tries AS "extra_tries?", progress.score_points AS "score_points?",
                  progress.score_max_points AS "score_max_points?", progress.review_status AS "review_status?",
                  progress.review_requested_at AS "review_requested_at?", progress.reviewed_at AS "reviewed_at?",
                  progress.reviewed_by AS "reviewed_by?", step.max_tries AS "max_tries?", step.cooldown_seconds AS "cooldown_seconds?",
                  step.evidence_target IS NOT NULL AND step.retired_at IS NULL AND progress.status IS DISTINCT FROM 'Completed'
                      AND EXISTS (SELECT FROM evidence
                                  WHERE evidence.auth_user_id = $2 AND evidence.target_id = step.evidence_target
                                    AND evidence.kind = CASE step.step_type WHEN 'Coding' THEN 'coding' ELSE 'meeting' END
                                    AND NOT EXISTS (SELECT FROM evidence_applications
                                                    WHERE evidence_id = evidence.id AND unit_id = step.id)) AS "has_evidence!"
           FROM user_quest_attempts AS attempt
           JOIN quests AS quest ON quest.id = attempt.quest_id
           CROSS JOIN LATERAL (
               SELECT coalesce(jsonb_object_agg(tag, known.skill_id), '{}') AS ids
               FROM (SELECT unnest(quest.skill_tags) UNION SELECT skill_tag FROM quest_skill_rewards WHERE quest_id = quest.id)
                   AS used (tag)
               JOIN known_skills AS known ON known.name = lower(used.tag)) AS named
           LEFT JOIN (quest_steps AS step
                      LEFT JOIN user_quest_step_progress AS progress ON progress.step_id = step.id AND progress.attempt_id = $1)
               ON step.quest_id = quest.id AND (step.retired_at IS NULL OR progress.id IS NOT NULL)
           WHERE attempt.id = $1 AND attempt.auth_user_id = $2
           ORDER BY step.step_number"#,
        id.0,
        learner.0,
        target.map(|step| step.0),
    )
    .fetch_all(connection)
    .await?;
    let mut steps = Vec::with_capacity(rows.len());
    let mut found = Target::default();
    let mut loaded = None;
    for row in rows {
        if let (Some(step_id), Some(step_number), Some(title), Some(step_type)) =
            (row.step_id, row.step_number, row.step_title, row.step_type)
        {
            let limits = TryLimits { max: row.max_tries, cooldown_seconds: row.cooldown_seconds };
            if target == Some(step_id) {
                found = Target { validation_criteria: row.validation_criteria, content: row.content, limits };
            }
            let review = row.review_status.as_deref().and_then(ReviewStatus::of).zip(row.review_requested_at);
            let score = row.score_points.zip(row.score_max_points);
            let mut step = StepProgress {
                step_id,
                step_number,
                title,
                step_type,
                is_optional: row.is_optional.unwrap_or_default(),
                is_retired: row.is_retired,
                experience_points: row.experience_points.unwrap_or_default(),
                status: row.step_status.unwrap_or(StepStatus::NotStarted),
                started_at: row.step_started_at,
                completed_at: row.step_completed_at,
                submission_data: row.submission_data,
                feedback: row.feedback,
                experience_earned: row.experience_earned.unwrap_or_default(),
                attempts_count: row.attempts_count.unwrap_or_default(),
                attempts_left: None,
                next_try_at: None,
                score: score.map(|(points, max_points)| StepScore::from(Score { points, max_points })),
                review: review.map(|(status, submitted_at)| Review {
                    status,
                    submitted_at,
                    reviewed_at: row.reviewed_at,
                }),
                kept: Kept {
                    last_try_at: row.last_try_at,
                    extra_tries: row.extra_tries.unwrap_or_default(),
                    reviewed_by: row.reviewed_by,
                    has_evidence: row.has_evidence,
                },
            };
            limits.show_on(&mut step);
            steps.push(step);
        }
        if loaded.is_some() {
            continue;
        }
        loaded = Some(Loaded {
            attempt: Attempt {
                id,
                quest_id: row.quest_id,
                quest_title: row.title,
                status: row.status,
                started_at: row.started_at,
                completed_at: row.completed_at,
                abandoned_at: row.abandoned_at,
                total_experience_earned: row.total_experience_earned,
                completion_percentage: row.completion_percentage,
                current_step_id: row.current_step_id,
                notes: row.notes,
            },
            steps: Vec::new(),
            quest: QuestFacts {
                quest_type: row.quest_type,
                difficulty_level: row.difficulty_level,
                subject_id: row.subject_id,
                experience_points_reward: row.experience_points_reward,
                skill_tags: row.skill_tags,
                skill_rewards: row.skill_rewards.0,
                known_skills: row.known_skills.0,
                learning_path_ids: row.learning_path_ids,
                is_followed: row.is_followed,
                has_paths: row.has_paths,
                is_counted: row.is_counted,
            },
            assessments: Assessments { all: row.assessments, passed: row.passed },
            target: Target::default(),
            is_stale: row.units_version != row.quest_units_version
                && matches!(row.status, AttemptStatus::InProgress | AttemptStatus::Paused),
            units_version: row.quest_units_version,
            has_moved: false,
            trigger: None,
            graded: None,
        });
    }
    Ok(loaded.map(|loaded| {
        let mut loaded = Loaded { steps, target: found, ..loaded };
        loaded.is_stale |= loaded.next_with_evidence().is_some();
        loaded
    }))
}
