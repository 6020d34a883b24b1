//! A learner's tries: start, save, hand in, and what is handed in when the time is over.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::load::{Standing, get_submission, standing};
use super::record::{NewGrade, announce, follow_up, try_of, write_grades};
use crate::assessments::model::{
    Assessment, AttemptStatus, Basis, Ends, Graded, How, NewItems, NotNow, Refusal, Rules, Running, Status, Submission,
    TryView, answers_that_fit, assess, check_form, check_work, draw, ends, is_over, may_try, next_number,
};
use crate::attempts::model::AttemptWithSteps;
use crate::attempts::service::{GradedTry, Loaded, Settled, load, refresh};
use crate::criteria::{CodingResult, Form};
use crate::ids::{AssessmentId, AttemptId, LearnerId, SubmissionId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::outbox::events::Event;
use crate::scoring::Share;

/// The assessment of an attempt that a call is about.
#[derive(Debug, Clone, Copy)]
pub struct At {
    pub learner: LearnerId,
    pub attempt: AttemptId,
    pub assessment: AssessmentId,
}

/// A handed-in try, and what it has brought.
#[derive(Debug)]
pub struct HandedIn {
    pub submission: Submission,
    pub attempt: AttemptWithSteps,
    pub settled: Settled,
}

/// How handing in ended; both are committed.
#[derive(Debug)]
pub enum Outcome {
    Taken(Box<HandedIn>),
    /// It came too late: what was saved has been handed in instead.
    TimeOver(Box<Submission>),
}

/// Locks the learner and loads the attempt and where it stands with the assessment.
async fn lock_and_load(
    connection: &mut PgConnection,
    origin: &Origin,
    at: At,
) -> Result<(Locked, Loaded, Standing), Refusal> {
    let missing = || Refusal::NotFound("attempt");
    let mut learner = learners::lock(connection, at.learner, origin).await?.ok_or_else(missing)?;
    let mut loaded = load(connection, at.learner, at.attempt, None).await?.ok_or_else(missing)?;
    refresh(connection, &mut learner, origin, &mut loaded).await?;
    let standing = standing(connection, at.attempt, at.assessment).await?;
    Ok((learner, loaded, standing))
}

/// What is retired is history: it can be looked at, not worked on; nor can a paused attempt.
pub(super) fn check_open(loaded: &Loaded, standing: &Standing) -> Result<(), Refusal> {
    if standing.is_retired {
        return Err(Refusal::NotFound("assessment"));
    }
    match loaded.attempt.status {
        AttemptStatus::InProgress | AttemptStatus::Completed => Ok(()),
        status => Err(Refusal::NotOpen(status)),
    }
}

/// Starts a timed try; one that is under way stays as it is. Without a time limit nothing runs; the questions that are
/// shown are remembered.
///
/// # Errors
/// When no try may be made now.
pub async fn start_try(connection: &mut PgConnection, origin: &Origin, at: At) -> Result<TryView, Refusal> {
    let (mut learner, mut loaded, mut standing) = lock_and_load(connection, origin, at).await?;
    check_open(&loaded, &standing)?;
    if let Some(running) = standing.progress.running.clone() {
        if !is_over(running.ends_at, learner.now) {
            return Ok(view(at, &standing, &running.item_ids));
        }
        hand_in_saved(connection, &mut learner, origin, &mut loaded, &standing, &running).await?;
        standing = self::standing(connection, at.attempt, at.assessment).await?;
    }
    may_try(&standing.rules, &standing.tries, standing.progress.extra_tries, learner.now)?;
    let item_ids = draw(&standing.rules, at.assessment, at.learner, &standing.progress, &standing.tries);
    let ends = ends(&standing.rules.configuration, learner.now);
    // Without a time limit only the questions of a quiz are to be remembered.
    if ends.is_some() || standing.progress.item_ids != item_ids {
        sqlx::query!(
            "INSERT INTO assessment_progress AS known
                 (attempt_id, assessment_id, try_started_at, try_due_at, try_ends_at, try_item_ids)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET try_started_at = excluded.try_started_at,
                 try_due_at = excluded.try_due_at, try_ends_at = excluded.try_ends_at, try_item_ids = excluded.try_item_ids,
                 draft = CASE WHEN excluded.try_started_at IS NULL THEN known.draft END,
                 draft_saved_at = CASE WHEN excluded.try_started_at IS NULL THEN known.draft_saved_at END",
            at.attempt.0,
            at.assessment.0,
            ends.map(|_| learner.now),
            ends.map(|ends| ends.due),
            ends.map(|ends| ends.last),
            &item_ids,
        )
        .execute(connection)
        .await?;
    }
    if ends.is_some() {
        standing.progress.draft = None;
    }
    standing.progress.running = ends.map(|Ends { due, last }| Running {
        started_at: learner.now,
        due_at: due,
        ends_at: last,
        item_ids: item_ids.clone(),
    });
    Ok(view(at, &standing, &item_ids))
}

fn view(at: At, standing: &Standing, item_ids: &[String]) -> TryView {
    let number = next_number(&standing.tries);
    let questions = match &standing.rules.configuration.form {
        Form::Quiz(quiz) => Some(quiz.questions(item_ids, &Assessment::seed(at.assessment, at.learner.0, number))),
        _ => None,
    };
    TryView {
        assessment_id: at.assessment,
        attempt_number: number,
        running: standing.progress.running.as_ref().map(|running| running.view(number)),
        task: standing.rules.configuration.task(questions),
        draft: standing.progress.draft.clone(),
    }
}

/// The items of the try that may be made now.
///
/// # Errors
/// When a timed one is not under way, or no try may be made.
fn items_now(at: At, standing: &Standing, now: DateTime<Utc>) -> Result<Vec<String>, NotNow> {
    match &standing.progress.running {
        Some(running) if is_over(running.ends_at, now) => Err(NotNow::TimeOver),
        Some(running) => Ok(running.item_ids.clone()),
        None => {
            may_try(&standing.rules, &standing.tries, standing.progress.extra_tries, now)?;
            if standing.rules.configuration.time_limit_seconds.is_some() {
                return Err(NotNow::NotStarted);
            }
            Ok(draw(&standing.rules, at.assessment, at.learner, &standing.progress, &standing.tries))
        }
    }
}

/// Remembers the questions that a learner is about to see of quizzes without a time limit, so that they stay whatever
/// authors add; one statement. Answers whether nothing has come between: where it has, look again.
///
/// # Errors
/// The database's.
pub async fn show_items(
    connection: &mut PgConnection,
    attempt: AttemptId,
    shown: &[NewItems],
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO assessment_progress AS known (attempt_id, assessment_id, try_item_ids)
         SELECT $1, assessment.id, shown.items
         FROM jsonb_to_recordset($2) AS shown (assessment UUID, items TEXT[])
         JOIN quest_assessments AS assessment ON assessment.id = shown.assessment
         ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET try_item_ids = excluded.try_item_ids
             WHERE known.try_started_at IS NULL AND coalesce(known.try_item_ids, '{}') = (
                 SELECT before FROM jsonb_to_recordset($2) AS shown (assessment UUID, before TEXT[])
                 WHERE shown.assessment = known.assessment_id)",
        attempt.0,
        json!(shown)
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == shown.len() as u64)
}

/// Saves what is not handed in yet; of a timed try it is what will be, when the time is over.
///
/// # Errors
/// When it does not fit the task, or no try may be made now.
pub async fn save_draft(
    connection: &mut PgConnection,
    origin: &Origin,
    at: At,
    data: Value,
) -> Result<TryView, Refusal> {
    let (learner, loaded, mut standing) = lock_and_load(connection, origin, at).await?;
    check_open(&loaded, &standing)?;
    let item_ids = items_now(at, &standing, learner.now)?;
    check_form(&standing.rules, &item_ids, &data)?;
    sqlx::query!(
        "INSERT INTO assessment_progress (attempt_id, assessment_id, draft, draft_saved_at, try_item_ids)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET draft = excluded.draft,
             draft_saved_at = excluded.draft_saved_at, try_item_ids = excluded.try_item_ids",
        at.attempt.0,
        at.assessment.0,
        data,
        learner.now,
        &item_ids,
    )
    .execute(connection)
    .await?;
    standing.progress.draft = Some(data);
    Ok(view(at, &standing, &item_ids))
}

/// Hands a try in. What grades itself is graded here, with all that follows. Work that comes after the time
/// of its try is not taken: what was saved is handed in instead.
///
/// # Errors
/// When no try may be made now, or the work does not fit; neither is a try.
pub async fn submit(connection: &mut PgConnection, origin: &Origin, at: At, data: Value) -> Result<Outcome, Refusal> {
    let (mut learner, mut loaded, standing) = lock_and_load(connection, origin, at).await?;
    check_open(&loaded, &standing)?;
    let item_ids = match items_now(at, &standing, learner.now) {
        Ok(item_ids) => item_ids,
        Err(NotNow::TimeOver) => {
            let running = standing.progress.running.clone().ok_or(NotNow::TimeOver)?;
            let handed_in = hand_in_saved(connection, &mut learner, origin, &mut loaded, &standing, &running).await?;
            return Ok(Outcome::TimeOver(Box::new(handed_in.submission)));
        }
        Err(why) => return Err(why.into()),
    };
    check_form(&standing.rules, &item_ids, &data)?;
    check_work(&standing.rules, &data)?;
    let started_at = standing.progress.running.as_ref().map(|running| running.started_at);
    let submitted_at = learner.now;
    let handed = Handed { data, item_ids, started_at, submitted_at, is_auto_submitted: false, result: None };
    let handed_in = hand_in(connection, &mut learner, origin, &mut loaded, &standing, handed).await?;
    Ok(Outcome::Taken(Box::new(handed_in)))
}

/// Hands in what was saved of a try whose time is over, as of that moment; nothing, if nothing was saved.
pub(super) async fn hand_in_saved(
    connection: &mut PgConnection,
    learner: &mut Locked,
    origin: &Origin,
    loaded: &mut Loaded,
    standing: &Standing,
    running: &Running,
) -> Result<HandedIn, Refusal> {
    let handed = Handed {
        data: standing.progress.draft.clone().unwrap_or_else(|| json!({})),
        item_ids: running.item_ids.clone(),
        started_at: Some(running.started_at),
        submitted_at: running.due_at,
        is_auto_submitted: true,
        result: None,
    };
    hand_in(connection, learner, origin, loaded, standing, handed).await
}

/// A try as it comes in.
pub(super) struct Handed {
    pub data: Value,
    pub item_ids: Vec<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub submitted_at: DateTime<Utc>,
    pub is_auto_submitted: bool,
    /// What an outside grader has found, hidden tests included.
    pub result: Option<CodingResult>,
}

impl Handed {
    /// What a try that grades itself comes to; nothing where people grade.
    fn assess(&self, rules: &Rules) -> Option<Graded> {
        let basis = match (&rules.configuration.form, &self.result) {
            (Form::Quiz(quiz), _) => {
                let items = quiz.drawn(&self.item_ids);
                let answers = answers_that_fit(&items, &self.data);
                return Some(assess(rules, &Basis::Quiz { items: &items, answers: &answers }, None, self.submitted_at));
            }
            (Form::AutoGraded(_), Some(result)) => Basis::Tests(result),
            // The time was over before a result came.
            (Form::AutoGraded(_), None) => Basis::Given(Share::default()),
            _ => return None,
        };
        Some(assess(rules, &basis, None, self.submitted_at))
    }
}

/// Writes a try, grades it if it grades itself, and lets all that follow.
pub(super) async fn hand_in(
    connection: &mut PgConnection,
    learner: &mut Locked,
    origin: &Origin,
    loaded: &mut Loaded,
    standing: &Standing,
    handed: Handed,
) -> Result<HandedIn, Refusal> {
    let id = SubmissionId::generate();
    let configuration = &standing.rules.configuration;
    let number = next_number(&standing.tries);
    let is_empty = handed.data.as_object().is_none_or(serde_json::Map::is_empty);
    let (status, fallback_at) = match &configuration.form {
        // Nobody need review what nobody has written.
        Form::PeerReview { peer, .. } if !is_empty => {
            (Status::InPeerReview, Some(learner.now + TimeDelta::hours(peer.fallback_after_hours.into())))
        }
        _ => (Status::AwaitingGrade, None),
    };
    sqlx::query!(
        "/* assessments:hand_in */
         WITH ended AS (
             UPDATE assessment_progress SET try_started_at = NULL, try_due_at = NULL, try_ends_at = NULL,
                    try_item_ids = NULL, draft = NULL, draft_saved_at = NULL
             WHERE attempt_id = $2 AND assessment_id = $3
         ), asked AS (
             INSERT INTO peer_allocations (assessment_id, requested_at)
             SELECT $3, $8 WHERE $5 = 'inPeerReview'
             ON CONFLICT (assessment_id) DO UPDATE SET requested_at = excluded.requested_at
         )
         INSERT INTO quest_submissions (id, attempt_id, assessment_id, submission_data, status, max_grade, attempt_number,
                                        submitted_at, started_at, is_auto_submitted, item_ids, fallback_at, result, taken_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $9, $10, $11, $12, $13, $14, $15)",
        id.0,
        loaded.attempt.id.0,
        standing.id.0,
        handed.data,
        status.as_str(),
        configuration.max_grade,
        number,
        learner.now,
        handed.submitted_at,
        handed.started_at,
        handed.is_auto_submitted,
        matches!(configuration.form, Form::Quiz(_)).then_some(handed.item_ids.as_slice()),
        fallback_at,
        handed.result.as_ref().and_then(|result| serde_json::to_value(result).ok()),
        handed.result.as_ref().map(|_| learner.now),
    )
    .execute(&mut *connection)
    .await?;
    let grade = handed.assess(&standing.rules);
    let new = |graded| NewGrade {
        submission: id,
        attempt: loaded.attempt.id,
        assessment: standing.id,
        graded,
        how: How::Auto,
        grader: None,
        decision: None,
        rubric: None,
        feedback: None,
    };
    let quest = loaded.attempt.quest_id;
    let settled = if let Some(new) = grade.map(new) {
        let tried = try_of(quest, &new, number);
        let received = learner.record(Event::SubmissionReceived(tried.clone()), None);
        let done = write_grades(connection, learner.now, std::slice::from_ref(&new)).await?;
        let cause = announce(learner, &standing.rules, &standing.tries, tried, &new.graded, Some(received));
        let graded = GradedTry { submission: id, cause, is_named: standing.is_named };
        follow_up(connection, learner, origin, loaded, graded, !done.is_empty() && !standing.is_retired).await?
    } else {
        let tried = crate::outbox::events::TryOfAssessment {
            quest_id: quest,
            attempt_id: loaded.attempt.id,
            assessment_id: standing.id,
            submission_id: id,
            attempt_number: number,
        };
        learner.record(Event::SubmissionReceived(tried), None);
        enqueue(connection, learner, origin).await?;
        Settled::default()
    };
    let submission = get_submission(connection, id).await?.for_learner(learner.now);
    Ok(HandedIn { submission, attempt: loaded.view(), settled })
}
