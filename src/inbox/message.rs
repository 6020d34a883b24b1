//! Messages of other services, as they really send them, and what they mean.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::evidence::Evidence;
use crate::http::Problem;
use crate::ids::{LearnerId, QuestId};
use crate::integrations::http::{CodingResultInput, MeetingResultInput};
use crate::integrations::{Meeting, MeetingLimits};

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    EventService,
    Meetings,
    Users,
}

impl Source {
    pub const ALL: [Self; 3] = [Self::EventService, Self::Meetings, Self::Users];

    /// The name in the database, in metrics, and at the end of the queue's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventService => "events",
            Self::Meetings => "meetings",
            Self::Users => "users",
        }
    }

    /// What the queue is bound with; a fanout exchange does not look at it.
    pub const fn routing_key(self) -> &'static str {
        match self {
            Self::EventService => "",
            Self::Meetings => "meetings.meeting-completed",
            Self::Users => "users.user-deleted",
        }
    }
}

/// What a message asks for.
#[derive(Debug)]
pub enum Meaning {
    Coding {
        learner: LearnerId,
        evidence: Evidence,
    },
    Meeting(Meeting),
    /// Erasing is done once whatever comes how often: it needs no key, which would be the person's.
    UserDeleted(LearnerId),
    /// Not for us.
    Nothing,
}

/// A message whose effect happens once.
#[derive(Debug)]
pub struct Key {
    /// Id at the source
    pub key: String,
    /// Of what was understood: a repetition has the same
    pub fingerprint: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventServiceMessage {
    event_type: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Verdict {
    solution_submitted: Solution,
    status: String,
    #[serde(default, with = "crate::criteria::number_option")]
    score: Option<Decimal>,
    execution_time_ms: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Solution {
    #[serde(rename = "SubmissionID")]
    submission_id: String,
    #[serde(rename = "PlayerID")]
    player_id: Uuid,
    #[serde(rename = "ProblemID")]
    problem_id: Uuid,
    language: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeetingCompleted {
    meeting_id: String,
    quest_id: QuestId,
    participants: Vec<Uuid>,
    ended_at: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserDeleted {
    auth_user_id: Uuid,
}

impl Meaning {
    /// Reads a message.
    ///
    /// # Errors
    /// A sentence that says why it can never be taken in.
    pub fn of(source: Source, body: &[u8], limits: MeetingLimits) -> Result<Self, String> {
        match source {
            Source::EventService => solution(body),
            Source::Meetings => {
                let said: MeetingCompleted = read(body)?;
                let input = MeetingResultInput {
                    meeting_id: said.meeting_id,
                    quest_id: said.quest_id.0,
                    participants: said.participants,
                    ended_at: said.ended_at,
                };
                input.meeting(limits).map(Self::Meeting).map_err(|problem| reason(&problem))
            }
            Source::Users => {
                let said: UserDeleted = read(body)?;
                Ok(Self::UserDeleted(LearnerId(said.auth_user_id)))
            }
        }
    }

    /// Under which key it happens once; none where it may happen again.
    pub fn key(&self) -> Option<Key> {
        let mut hash = Sha256::new();
        let key = match self {
            Self::Coding { learner, evidence } => {
                hash.update(learner.0);
                hash.update(evidence.target_id);
                hash.update(evidence.result.to_string());
                &evidence.source_id
            }
            Self::Meeting(meeting) => {
                hash.update(meeting.quest.0);
                hash.update(meeting.ended_at.to_rfc3339());
                for participant in &meeting.participants {
                    hash.update(participant.0);
                }
                &meeting.id
            }
            Self::UserDeleted(_) | Self::Nothing => return None,
        };
        Some(Key { key: key.clone(), fingerprint: hash.finalize().to_vec() })
    }
}

/// A verdict of the Event Service's grader. Its exchange carries other events as well.
fn solution(body: &[u8]) -> Result<Meaning, String> {
    let message: EventServiceMessage = read(body)?;
    let is_correct = match message.event_type.as_str() {
        "CORRECT_SOLUTION_SUBMITTED" => true,
        "WRONG_SOLUTION_SUBMITTED" => false,
        _ => return Ok(Meaning::Nothing),
    };
    let verdict: Verdict = serde_path_to_error::deserialize(message.data)
        .map_err(|error| format!("Data.{}: {}", error.path(), error.inner()))?;
    if is_correct != (verdict.status == "Accepted") {
        return Err(format!("EventType {} contradicts Status {}", message.event_type, short(&verdict.status)));
    }
    let solution = verdict.solution_submitted;
    let input = CodingResultInput {
        submission_id: solution.submission_id,
        auth_user_id: solution.player_id,
        problem_id: solution.problem_id,
        status: verdict.status,
        tests_passed_percent: None,
        passed_tests: None,
        language: solution.language.filter(|language| !language.is_empty()),
        score: verdict.score,
        execution_time_ms: verdict.execution_time_ms,
    };
    let learner = LearnerId(solution.player_id);
    let evidence = input.evidence().map_err(|problem| reason(&problem))?;
    Ok(Meaning::Coding { learner, evidence })
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value =
        serde_path_to_error::deserialize(&mut json).map_err(|error| format!("{}: {}", error.path(), error.inner()))?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

fn reason(problem: &Problem) -> String {
    let fields: Vec<String> =
        problem.field_errors().iter().map(|field| format!("{} {}", field.pointer, field.detail)).collect();
    if fields.is_empty() { problem.detail().to_owned() } else { fields.join("; ") }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
