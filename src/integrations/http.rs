//! Results from outside over HTTP, for services.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{Meeting, MeetingLimits};
use super::service::{self, Attendance, Receipt};
use crate::assessments::http::check_result;
use crate::criteria::CodingResult;
use crate::evidence::{Evidence, Kind};
use crate::http::problem::ProblemBody;
use crate::http::validate::Checks;
use crate::http::{Answer, Command, Problem};
use crate::ids::{LearnerId, QuestId};

const MAX_ID_CHARS: usize = 128;

/// What a grader says of one submission.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "submissionId": "7d0e4c7b-9a6e-41f2-85b8-04d7c2a516f3", "authUserId": "01980000-0000-7000-8000-00000000000a",
    "problemId": "11111111-1111-4111-8111-000000000007", "status": "Accepted", "testsPassedPercent": 100,
    "passedTests": ["handlesEmpty", "handlesOverflow"], "language": "c", "score": 420, "executionTimeMs": 12
}))]
pub struct CodingResultInput {
    /// Id of the submission at the grader, 1 to 128 characters; a second result with it changes nothing
    pub submission_id: String,
    /// The learner
    pub auth_user_id: Uuid,
    /// The problem, as criteria name it in `grader.problemId`
    pub problem_id: Uuid,
    /// The grader's verdict, 1 to 64 characters; `Accepted` when every test has passed
    pub status: String,
    /// 0 to 100; left out, 100 if accepted and else 0
    #[serde(default, with = "crate::criteria::number_option")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 100)]
    pub tests_passed_percent: Option<Decimal>,
    /// Names of the tests that have passed, at most 1000 of 200 characters; left out, all if accepted and
    /// else none
    pub passed_tests: Option<Vec<String>>,
    /// Language of the submission, held against the step's `languages` if both are there
    pub language: Option<String>,
    /// The grader's own score; shown to the learner, not judged
    #[serde(default, with = "crate::criteria::number_option")]
    #[schema(value_type = Option<f64>)]
    pub score: Option<Decimal>,
    /// Milliseconds; shown to the learner, not judged
    pub execution_time_ms: Option<i64>,
}

impl CodingResultInput {
    /// # Errors
    /// 422 with every field at fault.
    pub fn evidence(self) -> Result<Evidence, Problem> {
        let result = CodingResult {
            status: self.status,
            tests_passed_percent: self.tests_passed_percent,
            passed_tests: self.passed_tests,
            language: self.language,
            score: self.score,
            execution_time_ms: self.execution_time_ms,
        };
        let mut checks = Checks::default();
        checks.text("/submissionId", &self.submission_id, 1, MAX_ID_CHARS);
        check_result(&mut checks, "", &result);
        checks.finish()?;
        Ok(Evidence {
            kind: Kind::Coding,
            source_id: self.submission_id,
            target_id: self.problem_id,
            result: serde_json::to_value(result).unwrap_or_default(),
        })
    }
}

/// Take in a grader's result
///
/// It completes every open Coding step of the learner that names the problem and whose criteria it
/// meets; where it does not, it counts as a try. A result that comes before its step is open is kept,
/// and applied when the step opens. The submission's id deduplicates.
#[utoipa::path(post, path = "/v1/integrations/coding-results", tag = "integrations", operation_id = "receive_coding_result", request_body = CodingResultInput,
    responses((status = 200, description = "kept, and applied to what is open", body = Receipt), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn receive_coding_result(command: Command<CodingResultInput>) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_service()?;
    let learner = LearnerId(body.auth_user_id);
    let evidence = body.evidence()?;
    transaction
        .run(move |connection| {
            Box::pin(async move { Ok(Answer::ok(&service::receive(connection, &origin, learner, &evidence).await?)) })
        })
        .await
}

/// A meeting that has taken place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "meetingId": "standup-42", "questId": "01980000-0000-7000-8000-000000000001",
    "participants": ["01980000-0000-7000-8000-00000000000a"], "endedAt": "2026-09-01T08:45:00Z"
}))]
pub struct MeetingResultInput {
    /// Id at the Meeting Service, 1 to 128 characters; what came before for a participant changes nothing
    pub meeting_id: String,
    /// The quest that it was held for
    pub quest_id: Uuid,
    /// Who took part, 1 to `MAX_PARTICIPANTS` learners
    pub participants: Vec<Uuid>,
    pub ended_at: DateTime<Utc>,
}

impl MeetingResultInput {
    /// # Errors
    /// 422 with every field at fault.
    pub fn meeting(self, limits: MeetingLimits) -> Result<Meeting, Problem> {
        let mut checks = Checks::default();
        checks.text("/meetingId", &self.meeting_id, 1, MAX_ID_CHARS);
        let count = self.participants.len();
        let most = limits.participants;
        checks.require((1..=most).contains(&count), "/participants", format!("must have 1 to {most} items"));
        checks.finish()?;
        let mut participants: Vec<LearnerId> = self.participants.into_iter().map(LearnerId).collect();
        participants.sort_unstable();
        participants.dedup();
        Ok(Meeting { id: self.meeting_id, quest: QuestId(self.quest_id), participants, ended_at: self.ended_at })
    }
}

/// What became of a meeting.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeetingReceipt {
    /// One for each participant, by id
    pub items: Vec<Attendance>,
}

/// Take in a meeting that has taken place
///
/// It completes the Discussion steps of the quest that ask for a meeting, for everyone who took part; where a step
/// is not open yet, it is kept and applied when the step opens. The meeting's id deduplicates.
#[utoipa::path(post, path = "/v1/integrations/meeting-results", tag = "integrations", operation_id = "receive_meeting_result", request_body = MeetingResultInput,
    responses((status = 200, description = "kept, and applied to what is open", body = MeetingReceipt), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn receive_meeting_result(
    State(limits): State<MeetingLimits>,
    command: Command<MeetingResultInput>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_service()?;
    let meeting = body.meeting(limits)?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let items = service::receive_meeting(connection, &origin, &meeting).await?;
                Ok(Answer::ok(&MeetingReceipt { items }))
            })
        })
        .await
}
