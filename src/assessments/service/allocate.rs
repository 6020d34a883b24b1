//! Peer review in the background: handing reviews out where work has come in or was withdrawn, grading what
//! nothing is missing for any more, and giving work to graders that has waited too long.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::jobs::{BATCH, Due, Job, run};
use super::peer::{Counts, give_to_grader};
use crate::assessments::model::{OpenWork, Pairs, Reviewer, Rules, allocate};
use crate::clock::Clock;
use crate::criteria::Form;
use crate::db::Db;
use crate::ids::{AssessmentId, AttemptId, PeerReviewId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::outbox::events::Event;

/// Key of the advisory lock that lets one replica at a time hand out reviews.
const ALLOCATION_LOCK: i64 = 0x5155_4553_5453_0005;

/// Hands work to graders that has waited for its reviews too long. What fails is logged and passed over until
/// the next call.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_fallbacks(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    run(db, clock, Job::FallBack).await.map(drop)
}

/// Work of the next learners that has waited too long.
pub(super) async fn overdue(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as!(
        Due,
        r#"/* jobs:fallback */
           SELECT attempt.auth_user_id AS learner, attempt.id AS "attempt: AttemptId",
                  submission.assessment_id AS "assessment: AssessmentId"
           FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
           WHERE submission.status = 'inPeerReview' AND submission.fallback_at <= $1 AND attempt.auth_user_id IN (
               SELECT due.auth_user_id
               FROM quest_submissions AS late JOIN user_quest_attempts AS due ON due.id = late.attempt_id
               WHERE late.status = 'inPeerReview' AND late.fallback_at <= $1 AND due.auth_user_id > $2
               ORDER BY due.auth_user_id LIMIT $3)
           ORDER BY attempt.auth_user_id"#,
        now,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}

/// Hands a learner's work in an assessment to graders.
pub(super) async fn fall_back(
    connection: &mut PgConnection,
    learner: &Locked,
    attempt: AttemptId,
    assessment: AssessmentId,
) -> Result<(), sqlx::Error> {
    let late = sqlx::query_scalar!(
        "SELECT id FROM quest_submissions
         WHERE attempt_id = $1 AND assessment_id = $2 AND status = 'inPeerReview' AND fallback_at <= $3",
        attempt.0,
        assessment.0,
        learner.now
    )
    .fetch_all(&mut *connection)
    .await?;
    give_to_grader(connection, &late, learner.now).await
}

/// An assessment in which reviews are to be handed out.
#[derive(Debug)]
struct Request {
    assessment: AssessmentId,
    requested_at: DateTime<Utc>,
    configuration: serde_json::Value,
    passing_criteria: serde_json::Value,
}

/// Hands out reviews where work has come in or was withdrawn, and grades what nothing is missing for any more.
/// An assessment for which that fails is logged and passed over until the next call.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_allocations(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    let mut after = Uuid::nil();
    loop {
        let Some(request) = next(&mut *db.pool.acquire().await?, after).await? else { return Ok(()) };
        let assessment = request.assessment;
        if let Err(error) = serve(db, clock, request).await {
            tracing::error!(%error, %assessment, "its peer reviews could not be handed out, and it is passed over");
        }
        after = assessment.0;
    }
}

/// Asks for that.
pub(super) async fn ask(
    connection: &mut PgConnection,
    assessment: AssessmentId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO peer_allocations (assessment_id, requested_at) VALUES ($1, $2)
         ON CONFLICT (assessment_id) DO UPDATE SET requested_at = excluded.requested_at",
        assessment.0,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn next(connection: &mut PgConnection, after: Uuid) -> Result<Option<Request>, sqlx::Error> {
    sqlx::query_as!(
        Request,
        r#"/* jobs:allocations */
           SELECT request.assessment_id AS "assessment: AssessmentId", request.requested_at, assessment.configuration,
                  assessment.passing_criteria
           FROM peer_allocations AS request JOIN quest_assessments AS assessment ON assessment.id = request.assessment_id
           WHERE request.assessment_id > $1 ORDER BY request.assessment_id LIMIT 1"#,
        after
    )
    .fetch_optional(connection)
    .await
}

async fn serve(db: &Db, clock: &Clock, request: Request) -> Result<(), sqlx::Error> {
    let Request { assessment, requested_at, .. } = request;
    // One that cannot be read has nothing to hand out; the edit that mends it asks anew.
    let rules = Rules::read(assessment, &request.configuration, &request.passing_criteria)
        .inspect_err(|refusal| tracing::error!(%refusal, %assessment, "no peer reviews can be handed out"))
        .ok();
    if let Some(Form::PeerReview { peer, .. }) = rules.map(|rules| rules.configuration.form) {
        let counts = Counts::of(&peer);
        loop {
            let origin = Origin::job(clock);
            let given = db.transact(move |connection| {
                Box::pin(async move { hand_out(connection, &origin, assessment, counts).await })
            });
            match given.await? {
                // Another replica is at it.
                None => return Ok(()),
                Some(0) => break,
                Some(reviews) => tracing::info!(reviews, %assessment, "peer reviews handed out"),
            }
        }
        // Whoever can be given no more owes no more.
        if run(db, clock, Job::Release(assessment, counts)).await? > 0 {
            return Ok(());
        }
    }
    db.transact(move |connection| Box::pin(forget(connection, assessment, requested_at))).await
}

/// The request is done, unless there was another meanwhile.
async fn forget(
    connection: &mut PgConnection,
    assessment: AssessmentId,
    requested_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM peer_allocations WHERE assessment_id = $1 AND requested_at = $2",
        assessment.0,
        requested_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Hands out at most a batch of reviews, and says how many; None while another replica does.
async fn hand_out(
    connection: &mut PgConnection,
    origin: &Origin,
    assessment: AssessmentId,
    counts: Counts,
) -> Result<Option<usize>, sqlx::Error> {
    let is_mine = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "is_mine!""#, ALLOCATION_LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !is_mine {
        return Ok(None);
    }
    // Who comes first is served first.
    let works = sqlx::query!(
        r#"SELECT submission.id, attempt.auth_user_id AS author,
                  (SELECT count(*) FROM peer_reviews WHERE submission_id = submission.id AND status <> 'withdrawn') AS "reviews!"
           FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
           WHERE submission.assessment_id = $1 AND submission.status = 'inPeerReview' AND attempt.status <> 'Abandoned'
             -- Of who was erased nothing is left to review.
             AND submission.submission_data <> '{}'
           ORDER BY submission.submitted_at, submission.id"#,
        assessment.0
    )
    .fetch_all(&mut *connection)
    .await?;
    let reviewers = sqlx::query!(
        r#"SELECT attempt.auth_user_id AS learner, count(review.id) AS "reviews!"
           FROM (SELECT attempt_id, min(submitted_at) AS since FROM quest_submissions
                 WHERE assessment_id = $1 AND status <> 'returned' AND submission_data <> '{}' GROUP BY attempt_id) AS tried
           JOIN user_quest_attempts AS attempt ON attempt.id = tried.attempt_id AND attempt.status <> 'Abandoned'
           LEFT JOIN peer_reviews AS review ON review.reviewer_id = attempt.auth_user_id AND review.assessment_id = $1
               AND review.status <> 'withdrawn'
           GROUP BY attempt.auth_user_id, tried.since ORDER BY tried.since, attempt.auth_user_id"#,
        assessment.0
    )
    .fetch_all(&mut *connection)
    .await?;
    let known =
        sqlx::query!("SELECT submission_id, reviewer_id FROM peer_reviews WHERE assessment_id = $1", assessment.0)
            .fetch_all(&mut *connection)
            .await?;
    let known: Pairs = known.into_iter().map(|row| (row.submission_id, row.reviewer_id)).collect();
    let small = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let authors: HashMap<Uuid, Uuid> = works.iter().map(|row| (row.id, row.author)).collect();
    let works = works
        .into_iter()
        .map(|row| OpenWork { submission: row.id, author: row.author, reviews: small(row.reviews) })
        .collect();
    let reviewers =
        reviewers.into_iter().map(|row| Reviewer { learner: row.learner, reviews: small(row.reviews) }).collect();
    let given = allocate(works, reviewers, known, (counts.needed, counts.owed));
    let given: Vec<Given> = given
        .into_iter()
        .take(usize::try_from(BATCH).unwrap_or(usize::MAX))
        .filter_map(|(work, reviewer)| Some(Given { work, author: *authors.get(&work)?, reviewer }))
        .collect();
    if !given.is_empty() {
        assign(connection, origin, assessment, &given).await?;
    }
    Ok(Some(given.len()))
}

/// Work, and who is to review it.
struct Given {
    work: Uuid,
    author: Uuid,
    reviewer: Uuid,
}

/// Writes reviews and tells the reviewers. The authors are locked with them: work that is being graded gets no
/// review that nobody would withdraw.
async fn assign(
    connection: &mut PgConnection,
    origin: &Origin,
    assessment: AssessmentId,
    given: &[Given],
) -> Result<(), sqlx::Error> {
    let all: Vec<Uuid> = given.iter().flat_map(|given| [given.author, given.reviewer]).collect();
    let mut locked = learners::lock_many(connection, &all, origin).await?;
    // Who was erased meanwhile is not there any more.
    let is_there = |id: Uuid| locked.iter().any(|learner| learner.id.0 == id);
    let given: Vec<&Given> = given.iter().filter(|given| is_there(given.author) && is_there(given.reviewer)).collect();
    let submissions: Vec<Uuid> = given.iter().map(|given| given.work).collect();
    let reviewers: Vec<Uuid> = given.iter().map(|given| given.reviewer).collect();
    let ids: Vec<Uuid> = given.iter().map(|_| PeerReviewId::generate().0).collect();
    // It may have been graded before they were locked: only what is still with its reviewers gets one.
    let made = sqlx::query!(
        r#"INSERT INTO peer_reviews (id, submission_id, assessment_id, reviewer_id, assigned_at, due_at)
           SELECT given.id, submission.id, $4, given.reviewer, $5, coalesce(submission.fallback_at, $5)
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS given (id, submission, reviewer)
           JOIN quest_submissions AS submission ON submission.id = given.submission AND submission.status = 'inPeerReview'
           RETURNING id AS "id: PeerReviewId", reviewer_id, due_at"#,
        &ids,
        &submissions,
        &reviewers,
        assessment.0,
        origin.clock.now(),
    )
    .fetch_all(&mut *connection)
    .await?;
    for learner in &mut locked {
        let own = learner.id.0;
        for review in made.iter().filter(|review| review.reviewer_id == own) {
            let (assessment_id, review_id) = (assessment, review.id);
            learner.record(Event::PeerReviewAssigned { assessment_id, review_id, due_at: Some(review.due_at) }, None);
        }
        enqueue(connection, learner, origin).await?;
    }
    Ok(())
}
