//! Results from outside complete steps, in place of their learner's word.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::load::{Loaded, load};
use super::settle::{Settled, advance, refresh};
use crate::attempts::judge::sentences;
use crate::attempts::model::{StepStatus, StepType};
use crate::criteria::{CodingResult, ValidationCriteria};
use crate::evidence::{self, BATCH, Kept, Kind, UnitType};
use crate::ids::{AttemptId, EvidenceId};
use crate::learners::Locked;
use crate::origin::Origin;

/// Applies the results that are kept about a target to the steps that ask for it and are open: in
/// every attempt of the learner that is under way, and in optional steps of completed ones. Whatever
/// is not open yet finds them when it opens.
///
/// # Errors
/// The database's.
pub async fn apply_evidence(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    target: Uuid,
) -> Result<(), sqlx::Error> {
    let attempts = sqlx::query_scalar!(
        r#"SELECT DISTINCT attempt.id AS "id: AttemptId"
           FROM quest_steps AS step JOIN user_quest_attempts AS attempt ON attempt.quest_id = step.quest_id
           WHERE step.evidence_target = $1 AND step.retired_at IS NULL AND attempt.auth_user_id = $2
             AND attempt.status IN ('InProgress', 'Completed')
           ORDER BY 1"#,
        target,
        learner.id.0
    )
    .fetch_all(&mut *connection)
    .await?;
    for attempt in attempts {
        if let Some(mut loaded) = load(connection, learner.id, attempt, None).await? {
            refresh(connection, learner, origin, &mut loaded).await?;
        }
    }
    Ok(())
}

/// Applies what waits for steps that are open, the first one first: completing it may open the next.
pub(super) async fn apply_waiting(
    connection: &mut PgConnection,
    learner: &mut Locked,
    loaded: &mut Loaded,
    settled: &mut Settled,
) -> Result<(), sqlx::Error> {
    while let Some(index) = loaded.next_with_evidence() {
        loaded.steps[index].kept.has_evidence = apply_to_step(connection, learner, loaded, index, settled).await?;
    }
    Ok(())
}

/// Applies results to a step, in the order of their arrival, until one meets its criteria: each counts
/// as a try. Says whether more of them may wait.
async fn apply_to_step(
    connection: &mut PgConnection,
    learner: &mut Locked,
    loaded: &mut Loaded,
    index: usize,
    settled: &mut Settled,
) -> Result<bool, sqlx::Error> {
    let step_id = loaded.steps[index].step_id;
    let asked = sqlx::query!("SELECT validation_criteria, evidence_target FROM quest_steps WHERE id = $1", step_id.0)
        .fetch_one(&mut *connection)
        .await?;
    let Some((criteria, target)) = asked.validation_criteria.zip(asked.evidence_target) else { return Ok(false) };
    let Ok(criteria) = ValidationCriteria::parse(&criteria) else {
        tracing::error!(step = %step_id, "stored criteria do not parse; results wait until they are mended");
        return Ok(false);
    };
    let kind = if loaded.steps[index].step_type == StepType::Coding { Kind::Coding } else { Kind::Meeting };
    let waiting = evidence::waiting(connection, learner.id, kind, target, step_id.0).await?;
    if waiting.is_empty() {
        return Ok(false);
    }
    let mut applied: Vec<(EvidenceId, bool)> = Vec::new();
    let step = &mut loaded.steps[index];
    for kept in &waiting {
        let weighed = weigh(&criteria, kept);
        step.count_try(learner.now);
        step.submission_data = Some(weighed.seen);
        step.feedback = Some(weighed.feedback);
        applied.push((kept.id, weighed.is_met));
        if weighed.is_met {
            step.complete(learner.now);
            break;
        }
    }
    let more = step.status != StepStatus::Completed && i64::try_from(waiting.len()).is_ok_and(|count| count >= BATCH);
    evidence::mark(connection, learner, loaded.attempt.id, (UnitType::Step, step_id.0), &applied).await?;
    settled.add(advance(connection, learner, loaded, Some(index)).await?);
    Ok(more)
}

/// What a result comes to, and what its learner may see of it.
struct Weighed {
    is_met: bool,
    seen: Value,
    feedback: String,
}

fn weigh(criteria: &ValidationCriteria, kept: &Kept) -> Weighed {
    let ValidationCriteria::Coding(coding) = criteria else {
        let mut seen = kept.result.clone();
        seen["meetingId"] = Value::from(kept.source_id.as_str());
        return Weighed { is_met: true, seen, feedback: "You took part in the meeting.".to_owned() };
    };
    let Ok(result) = serde_json::from_value::<CodingResult>(kept.result.clone()) else {
        tracing::error!(evidence = %kept.id, "a kept result cannot be read");
        return Weighed { is_met: false, seen: Value::Null, feedback: "The result could not be read.".to_owned() };
    };
    let checked = coding.check(&result);
    Weighed {
        is_met: checked.is_ok(),
        seen: result.seen_by_learner(&kept.source_id),
        feedback: match checked {
            Ok(()) => format!("{} % of the tests passed.", result.percent().normalize()),
            Err(unmet) => sentences(&unmet),
        },
    }
}
