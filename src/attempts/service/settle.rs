//! The reward cascade (FR58): progress, grants, unlocks, events, in this order, in one transaction.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::evidence::apply_waiting;
use super::load::Loaded;
use crate::attempts::model::{AttemptStatus, StepStatus, progress};
use crate::ids::EventId;
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::outbox::events::{Event, QuestCompleted};
use crate::rewards::{Earned, Grant, effective_skill_rewards, grant_of_step, grants_of_quest, with_known_skills};
use crate::unlocks::{Because, Gated, Trigger, Unlocked, Verdict, judge_after, record};
use crate::{enrollments, learners::Locked};

/// What a settled transaction has given.
#[derive(Debug, Default)]
pub struct Settled {
    pub earned: Vec<Earned>,
    pub unlocked: Vec<Unlocked>,
}

impl Settled {
    /// Adds what a further step has given.
    pub(super) fn add(&mut self, other: Self) {
        self.earned.extend(other.earned);
        self.unlocked.extend(other.unlocked);
    }
}

/// Computes the attempt anew and writes it, with the step at `changed` (an index into the steps)
/// if one has changed; then applies the results from outside that have waited for what is open now,
/// and writes the events of it all.
///
/// # Errors
/// The database's.
pub async fn settle(
    connection: &mut PgConnection,
    learner: &mut Locked,
    origin: &Origin,
    loaded: &mut Loaded,
    changed: Option<usize>,
) -> Result<Settled, sqlx::Error> {
    let mut settled = advance(connection, learner, loaded, changed).await?;
    apply_waiting(connection, learner, loaded, &mut settled).await?;
    enqueue(connection, learner, origin).await?;
    loaded.is_stale = false;
    Ok(settled)
}

/// One step further. A step that has just become Completed is paid here; a quest whose last unit is
/// done completes here.
pub(super) async fn advance(
    connection: &mut PgConnection,
    learner: &mut Locked,
    loaded: &mut Loaded,
    changed: Option<usize>,
) -> Result<Settled, sqlx::Error> {
    let (quest_id, attempt_id) = (loaded.attempt.quest_id, loaded.attempt.id);
    let mut grants: Vec<Grant> = Vec::new();
    let completed_step = changed.filter(|index| {
        loaded.steps[*index].completed_at == Some(learner.now) && loaded.steps[*index].status == StepStatus::Completed
    });
    if let Some(index) = completed_step {
        let step = &mut loaded.steps[index];
        grants.extend(grant_of_step(learner.id, step.step_id, step.experience_points));
        step.experience_earned = grants.iter().map(|grant| grant.points).sum();
    }

    let now = progress(&loaded.steps, loaded.assessments);
    let open = matches!(loaded.attempt.status, AttemptStatus::InProgress | AttemptStatus::Paused);
    let completes = open && now.is_complete;
    // Completed is final: units that were added later change nothing.
    if loaded.attempt.status != AttemptStatus::Completed {
        loaded.attempt.completion_percentage = now.percentage;
        loaded.attempt.current_step_id = now.current_step;
    }
    let mut cause: Option<EventId> = loaded.graded.map(|graded| graded.cause);
    if let Some(index) = completed_step {
        let step = &loaded.steps[index];
        let event = Event::StepCompleted {
            quest_id,
            attempt_id,
            step_id: step.step_id,
            step_type: step.step_type,
            completion_percentage: loaded.attempt.completion_percentage,
        };
        cause = Some(learner.record(event, None));
        for grant in &grants {
            learner.record_as(grant.id, grant.event(quest_id, attempt_id), cause);
        }
    }
    let step = loaded.trigger.or(completed_step.map(|index| loaded.steps[index].step_id));
    let trigger = step.map(|step| step.0).or(loaded.graded.map(|graded| graded.submission.0));
    let mut completion: Option<EventId> = None;
    if completes {
        let skills = effective_skill_rewards(
            &loaded.quest.skill_rewards,
            &loaded.quest.skill_tags,
            loaded.quest.experience_points_reward,
        );
        let skills = with_known_skills(skills, &loaded.quest.known_skills);
        let paid = grants_of_quest(learner.id, quest_id, loaded.quest.experience_points_reward, &skills);
        loaded.attempt.status = AttemptStatus::Completed;
        loaded.attempt.completed_at = Some(learner.now);
        loaded.attempt.total_experience_earned += experience(&grants) + experience(&paid);
        let event = Event::QuestCompleted(QuestCompleted {
            quest_id,
            attempt_id,
            title: loaded.attempt.quest_title.clone(),
            quest_type: loaded.quest.quest_type,
            difficulty_level: loaded.quest.difficulty_level,
            subject_id: loaded.quest.subject_id,
            total_experience_earned: loaded.attempt.total_experience_earned,
            started_at: loaded.attempt.started_at,
            completed_at: learner.now,
            learning_path_ids: loaded.quest.learning_path_ids.clone(),
        });
        completion = Some(learner.record(event, cause));
        for grant in &paid {
            learner.record_as(grant.id, grant.event(quest_id, attempt_id), completion);
        }
        grants.extend(paid);
    } else {
        loaded.attempt.total_experience_earned += experience(&grants);
    }

    save(connection, learner, loaded, changed, &grants, trigger).await?;
    let unlocked = open_quests(connection, learner, loaded, completion, cause, trigger, !grants.is_empty()).await?;
    Ok(Settled { earned: grants.iter().map(Grant::earned).collect(), unlocked })
}

/// What the completion, the points, the score or the move opens, and the paths that they move.
async fn open_quests(
    connection: &mut PgConnection,
    learner: &mut Locked,
    loaded: &mut Loaded,
    completion: Option<EventId>,
    step: Option<EventId>,
    trigger: Option<Uuid>,
    has_paid: bool,
) -> Result<Vec<Unlocked>, sqlx::Error> {
    let quest = loaded.attempt.quest_id;
    let moves_paths = loaded.quest.is_followed && (completion.is_some() || std::mem::take(&mut loaded.has_moved));
    let is_scored = loaded.graded.take().is_some_and(|graded| graded.is_named);
    let judged = if completion.is_some() {
        judge_after(connection, learner, Trigger::Completed(quest)).await?
    } else if moves_paths || (has_paid && loaded.quest.is_counted) {
        judge_after(connection, learner, Trigger::Moved(&[quest])).await?
    } else if is_scored {
        judge_after(connection, learner, Trigger::Scored(quest)).await?
    } else {
        return Ok(Vec::new());
    };
    let because = Because { quest: completion.map(|_| quest), unit: trigger, cause: completion.or(step) };
    let unlocked = record(connection, learner, &judged, because).await?;
    // What can be started or taken up may be what comes next in another path.
    let is_next = |(gated, verdict): &(Gated, Verdict)| {
        let status = gated.attempt.as_ref().map(|attempt| attempt.status);
        verdict.is_available() && status != Some(AttemptStatus::Completed)
    };
    if moves_paths || (loaded.quest.has_paths && judged.iter().any(is_next)) {
        enrollments::update_judged(connection, learner, &judged, completion).await?;
    }
    Ok(unlocked)
}

/// Computes an attempt anew that an edit of the quest's units, or a result from outside, has passed by.
///
/// # Errors
/// The database's.
pub async fn refresh(
    connection: &mut PgConnection,
    learner: &mut Locked,
    origin: &Origin,
    loaded: &mut Loaded,
) -> Result<(), sqlx::Error> {
    if loaded.is_stale {
        settle(connection, learner, origin, loaded, None).await?;
    }
    Ok(())
}

fn experience(grants: &[Grant]) -> i32 {
    grants.iter().filter(|grant| grant.skill.is_none()).map(|grant| grant.points).sum()
}

/// Writes the attempt, one step and the grants in one statement. A grant that exists already breaks
/// its key and with it the transaction: nothing is ever paid twice.
async fn save(
    connection: &mut PgConnection,
    learner: &Locked,
    loaded: &Loaded,
    changed: Option<usize>,
    grants: &[Grant],
    trigger: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    let attempt = &loaded.attempt;
    let step = changed.map(|index| &loaded.steps[index]);
    let submission: Option<&Value> = step.and_then(|step| step.submission_data.as_ref());
    let (score, review) = (step.and_then(|step| step.score), step.and_then(|step| step.review));
    let ids: Vec<Uuid> = grants.iter().map(|grant| grant.id.0).collect();
    let objectives: Vec<String> = grants.iter().map(|grant| grant.objective.as_str().to_owned()).collect();
    let objective_ids: Vec<Uuid> = grants.iter().map(|grant| grant.objective_id).collect();
    let kinds: Vec<String> = grants.iter().map(|grant| grant.kind.as_str().to_owned()).collect();
    let tags: Vec<Option<String>> = grants.iter().map(|grant| Some(grant.skill.as_ref()?.skill_tag.clone())).collect();
    let skills: Vec<Option<Uuid>> = grants.iter().map(|grant| grant.skill.as_ref()?.skill_id).collect();
    let points: Vec<i32> = grants.iter().map(|grant| grant.points).collect();
    sqlx::query!(
        "/* attempts:save */
         WITH worked AS (
             INSERT INTO user_quest_step_progress
                 (id, attempt_id, step_id, status, started_at, completed_at, submission_data, experience_earned, attempts_count,
                  feedback, last_try_at, extra_tries, score_points, score_max_points,
                  review_status, review_requested_at, reviewed_at, reviewed_by)
             SELECT $9, $1, $10, $11, $12, $13, $14, $15, $16, $29, $30, $31, $32, $33, $34, $35, $36, $37
             WHERE $10::uuid IS NOT NULL
             ON CONFLICT (attempt_id, step_id) DO UPDATE SET status = excluded.status, started_at = excluded.started_at,
                 completed_at = excluded.completed_at, submission_data = excluded.submission_data,
                 experience_earned = excluded.experience_earned, attempts_count = excluded.attempts_count,
                 feedback = excluded.feedback, last_try_at = excluded.last_try_at, extra_tries = excluded.extra_tries,
                 score_points = excluded.score_points, score_max_points = excluded.score_max_points,
                 review_status = excluded.review_status, review_requested_at = excluded.review_requested_at,
                 reviewed_at = excluded.reviewed_at, reviewed_by = excluded.reviewed_by
         ), paid AS (
             INSERT INTO reward_grants (id, auth_user_id, attempt_id, objective_type, objective_id, kind, skill_tag, skill_id,
                                        points, trigger_id, granted_at)
             SELECT id, $2, $1, objective, objective_id, kind, tag, skill, points, $17, $18
             FROM unnest($19::uuid[], $20::text[], $21::uuid[], $22::text[], $23::text[], $24::uuid[], $25::int[])
                 AS reward (id, objective, objective_id, kind, tag, skill, points)
         ), counted AS (
             UPDATE user_learning_path_progress AS path
             SET total_experience_earned = least(path.total_experience_earned::bigint + $28, 2147483647)::int
             FROM learning_path_quests AS link
             WHERE $28::int > 0 AND path.auth_user_id = $2 AND path.left_at IS NULL
               AND link.learning_path_id = path.learning_path_id
               AND link.quest_id = (SELECT quest_id FROM user_quest_attempts WHERE id = $1)
         )
         UPDATE user_quest_attempts SET status = $3, completed_at = $4, total_experience_earned = $5,
                completion_percentage = $6, current_step_id = $7, units_version = $8, abandoned_at = $26, notes = $27
         WHERE id = $1",
        attempt.id.0,
        learner.id.0,
        attempt.status as AttemptStatus,
        attempt.completed_at,
        attempt.total_experience_earned,
        attempt.completion_percentage,
        attempt.current_step_id.map(|step| step.0),
        loaded.units_version,
        Uuid::now_v7(),
        step.map(|step| step.step_id.0),
        step.map(|step| step.status) as Option<StepStatus>,
        step.and_then(|step| step.started_at),
        step.and_then(|step| step.completed_at),
        submission,
        step.map_or(0, |step| step.experience_earned),
        step.map_or(0, |step| step.attempts_count),
        trigger,
        learner.now,
        &ids,
        &objectives,
        &objective_ids,
        &kinds,
        &tags as &[Option<String>],
        &skills as &[Option<Uuid>],
        &points,
        attempt.abandoned_at,
        attempt.notes,
        experience(grants),
        step.and_then(|step| step.feedback.as_deref()),
        step.and_then(|step| step.kept.last_try_at),
        step.map_or(0, |step| step.kept.extra_tries),
        score.map(|score| score.points),
        score.map(|score| score.max_points),
        review.map(|review| review.status.as_str()),
        review.map(|review| review.submitted_at),
        review.and_then(|review| review.reviewed_at),
        step.and_then(|step| step.kept.reviewed_by),
    )
    .execute(connection)
    .await?;
    Ok(())
}
