//! Taking in a result from outside.

use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::model::Meeting;
use crate::assessments;
use crate::attempts;
use crate::evidence::{self, Application, Evidence, Kind};
use crate::ids::{EvidenceId, LearnerId};
use crate::learners;
use crate::origin::Origin;

/// What became of a result.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub evidence_id: EvidenceId,
    /// False when it had come before; nothing has changed then
    pub is_new: bool,
    /// The units that it was applied to so far; none while it waits for one to open
    pub applied: Vec<Application>,
}

/// Keeps a result and applies it, with the normal cascade; one that came before changes nothing.
///
/// # Errors
/// The database's.
pub async fn receive(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    evidence: &Evidence,
) -> Result<Receipt, sqlx::Error> {
    // The learner may be unknown to us yet: the result waits for the first attempt.
    let mut learner = learners::enrol(connection, learner, origin).await?;
    let (evidence_id, is_new) = evidence::keep(connection, &learner, evidence).await?;
    if is_new {
        attempts::service::apply_evidence(connection, origin, &mut learner, evidence.target_id).await?;
        if evidence.kind == Kind::Coding {
            assessments::service::apply_results(connection, origin, &mut learner, evidence.target_id).await?;
        }
    }
    let applied = evidence::applications(connection, evidence_id).await?;
    Ok(Receipt { evidence_id, is_new, applied })
}

/// What became of a meeting for one who took part.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attendance {
    pub auth_user_id: LearnerId,
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// Takes a meeting in for everyone who took part: it completes their Discussion steps that ask for one.
///
/// # Errors
/// The database's.
pub async fn receive_meeting(
    connection: &mut PgConnection,
    origin: &Origin,
    meeting: &Meeting,
) -> Result<Vec<Attendance>, sqlx::Error> {
    let evidence = Evidence {
        kind: Kind::Meeting,
        source_id: meeting.id.clone(),
        target_id: meeting.quest.0,
        result: json!({ "endedAt": meeting.ended_at }),
    };
    let mut attendances = Vec::with_capacity(meeting.participants.len());
    for learner in &meeting.participants {
        let receipt = receive(connection, origin, *learner, &evidence).await?;
        attendances.push(Attendance { auth_user_id: *learner, receipt });
    }
    Ok(attendances)
}
