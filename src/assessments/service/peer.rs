//! Peer review: handing reviews out, taking them in, grading by them, and giving up on them.
//!
//! Work is graded by its reviews once it has as many as it needs and its author has written those that are
//! owed: `mustReview`, or as many as there is work to review. Reviews that are too far apart, and work that
//! has waited too long, go to a grader.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::load::{get_submission, standing};
use super::record::{NewGrade, announce, follow_up, try_of, write_grades};
use crate::assessments::model::{
    Basis, Decision, How, OpenWork, Pairs, PeerReview, PeerReviewInput, Refusal, ReviewState, Reviewer, RubricScore,
    Rules, Status, aggregated, allocate, assess, check_rubric, points_of,
};
use crate::attempts::service::{GradedTry, load, refresh};
use crate::clock::Clock;
use crate::criteria::{Form, Peer, Rubric, Violation};
use crate::db::Db;
use crate::ids::{AssessmentId, AttemptId, LearnerId, PeerReviewId, QuestId, SubmissionId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::outbox::events::Event;
use crate::scoring::{of_rubric, spread};

/// Learners, or pieces of work, a transaction.
const BATCH: i64 = 100;
/// Key of the advisory lock that lets one replica at a time hand out reviews.
const ALLOCATION_LOCK: i64 = 0x5155_4553_5453_0005;

/// Reads reviews; `$where` says which.
macro_rules! select_reviews {
    ($connection:expr, $where:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            r#"/* peer_reviews:read */
               SELECT review.id AS "id: PeerReviewId", review.assessment_id AS "assessment_id: AssessmentId",
                      quest.id AS "quest_id: QuestId", quest.title, review.status AS "status: ReviewState", review.assigned_at,
                      review.due_at, review.submitted_at, review.rubric AS "rubric: Json<BTreeMap<String, RubricScore>>",
                      review.comment, submission.submission_data, assessment.configuration, assessment.passing_criteria
               FROM peer_reviews AS review
               JOIN quest_submissions AS submission ON submission.id = review.submission_id
               JOIN quest_assessments AS assessment ON assessment.id = review.assessment_id
               JOIN quests AS quest ON quest.id = assessment.quest_id
               WHERE "# + $where,
            $($argument),+
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .map(|row| PeerReview {
            id: row.id,
            assessment_id: row.assessment_id,
            quest_id: row.quest_id,
            quest_title: row.title,
            status: row.status,
            assigned_at: row.assigned_at,
            due_at: row.due_at,
            submitted_at: row.submitted_at,
            task: Rules::read(row.assessment_id, &row.configuration, &row.passing_criteria)
                .ok()
                .map(|rules| rules.configuration.task(None)),
            submission_data: (row.status != ReviewState::Withdrawn).then_some(row.submission_data),
            rubric: row.rubric.map(|rubric| rubric.0),
            comment: row.comment,
        })
    };
}

/// A page of a learner's reviews, newest first; one statement.
///
/// # Errors
/// The database's.
pub async fn list_peer_reviews(
    connection: &mut PgConnection,
    reviewer: LearnerId,
    status: Option<ReviewState>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<PeerReview>, sqlx::Error> {
    let (assigned, id) = after.unzip();
    Ok(select_reviews!(
        connection,
        "review.reviewer_id = $1 AND ($2::text IS NULL OR review.status = $2)
           AND ($3::timestamptz IS NULL OR (review.assigned_at, review.id) < ($3, $4::uuid))
         ORDER BY review.assigned_at DESC, review.id DESC LIMIT $5",
        reviewer.0,
        status.map(ReviewState::as_str),
        assigned,
        id,
        limit
    )
    .collect())
}

/// One of a learner's reviews.
///
/// # Errors
/// When it is not the learner's.
pub async fn get_peer_review(
    connection: &mut PgConnection,
    reviewer: LearnerId,
    id: PeerReviewId,
) -> Result<PeerReview, Refusal> {
    select_reviews!(connection, "review.id = $1 AND review.reviewer_id = $2", id.0, reviewer.0)
        .next()
        .ok_or(Refusal::NotFound("peer review"))
}

/// Takes a review in; the work is graded if that was the last thing it waited for, and so is the reviewer's.
/// `check` sees the review as it stands, and may refuse.
///
/// # Errors
/// When it is not the learner's, not open any more, or does not fit the rubric.
pub async fn write_peer_review<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    reviewer: LearnerId,
    id: PeerReviewId,
    (input, max_text_chars): (PeerReviewInput, usize),
    check: impl FnOnce(&PeerReview) -> Result<(), E>,
) -> Result<PeerReview, E> {
    let found = sqlx::query!(
        r#"SELECT review.submission_id AS "submission: SubmissionId", attempt.auth_user_id
           FROM peer_reviews AS review JOIN quest_submissions AS submission ON submission.id = review.submission_id
           JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
           WHERE review.id = $1 AND review.reviewer_id = $2"#,
        id.0,
        reviewer.0
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(Refusal::from)?
    .ok_or(Refusal::NotFound("peer review"))?;
    // Both may get something by it: both are locked, in the order of their ids.
    let both = [reviewer.0, found.auth_user_id];
    let mut locked = learners::lock_many(connection, &both, origin).await.map_err(Refusal::from)?;
    let review = get_peer_review(connection, reviewer, id).await?;
    check(&review)?;
    if review.status != ReviewState::Open {
        return Err(Refusal::ReviewClosed.into());
    }
    let work = get_submission(connection, found.submission).await?;
    let rules = work.rules()?;
    let Form::PeerReview { rubric, .. } = &rules.configuration.form else { return Err(Refusal::ReviewClosed.into()) };
    check_input(rubric, &input, max_text_chars)?;
    let now = origin.clock.now();
    sqlx::query!(
        "UPDATE peer_reviews SET status = 'done', submitted_at = $2, rubric = $3, percent = $4, comment = $5 WHERE id = $1",
        id.0,
        now,
        serde_json::to_value(&input.rubric).unwrap_or_default(),
        of_rubric(rubric, &points_of(&input.rubric)).percent(),
        input.comment,
    )
    .execute(&mut *connection)
    .await
    .map_err(Refusal::from)?;
    let assessment = review.assessment_id;
    for learner in &mut locked {
        for submission in waiting_of(connection, learner.id, assessment).await.map_err(Refusal::from)? {
            release(connection, origin, learner, submission).await?;
        }
    }
    Ok(get_peer_review(connection, reviewer, id).await?)
}

fn check_input(rubric: &Rubric, input: &PeerReviewInput, max_text_chars: usize) -> Result<(), Refusal> {
    let mut found = Vec::new();
    let mut wrong = |pointer: String, detail: String| found.push(Violation { pointer, detail });
    check_rubric(rubric, &input.rubric, &mut wrong);
    let comments = input.rubric.iter().map(|(id, score)| {
        (format!("/rubric/{}/comment", crate::http::validate::escape(id)), score.comment.as_deref())
    });
    for (pointer, text) in comments.chain([("/comment".to_owned(), input.comment.as_deref())]) {
        if text.is_some_and(|text| text.chars().count() > max_text_chars || text.contains('\0')) {
            wrong(pointer, format!("must have at most {max_text_chars} characters, none of them NUL"));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Refusal::Fields(found)) }
}

/// A learner's work that is with its reviewers.
async fn waiting_of(
    connection: &mut PgConnection,
    learner: LearnerId,
    assessment: AssessmentId,
) -> Result<Vec<SubmissionId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT submission.id AS "id: SubmissionId"
           FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
           WHERE attempt.auth_user_id = $1 AND submission.assessment_id = $2 AND submission.status = 'inPeerReview'
           ORDER BY submission.attempt_number"#,
        learner.0,
        assessment.0
    )
    .fetch_all(connection)
    .await
}

/// Grades work by its reviews if nothing is missing, or hands it to a grader if they are too far apart.
async fn release(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    id: SubmissionId,
) -> Result<(), Refusal> {
    let work = get_submission(connection, id).await?;
    let rules = work.rules()?;
    let Form::PeerReview { rubric, peer, .. } = &rules.configuration.form else { return Ok(()) };
    let needed = usize::try_from(peer.reviews_needed).unwrap_or(usize::MAX);
    if work.submission.status != Status::InPeerReview || work.reviews.len() < needed {
        return Ok(());
    }
    if !has_reviewed_enough(connection, learner.id, work.submission.assessment_id, peer).await? {
        return Ok(());
    }
    let percents: Vec<_> =
        work.reviews.iter().map(|review| of_rubric(rubric, &points_of(&review.rubric)).percent()).collect();
    if peer.escalate_if_spread_percent.is_some_and(|most| spread(&percents) > most) {
        return Ok(give_to_grader(connection, &[id.0], learner.now).await?);
    }
    let Some(basis) = aggregated(rubric, peer.aggregate, &work.reviews) else { return Ok(()) };
    let graded = assess(&rules, &basis, None, work.submission.submitted_at);
    let new = NewGrade {
        submission: id,
        attempt: work.submission.attempt_id,
        assessment: work.submission.assessment_id,
        graded,
        how: How::Peers,
        grader: None,
        decision: None::<Decision>,
        rubric: rubric_of(&basis),
        feedback: None,
    };
    grade(
        connection,
        origin,
        learner,
        &work.tries,
        (&rules, work.quest_id, work.is_retired),
        work.submission.attempt_number,
        new,
    )
    .await
}

/// The points that several reviews come to, as a rubric.
fn rubric_of(basis: &Basis) -> Option<BTreeMap<String, RubricScore>> {
    let Basis::Peers { points, .. } = basis else { return None };
    let score = |points: rust_decimal::Decimal| RubricScore { points: points.round_dp(2), comment: None };
    Some(points.iter().map(|(id, points)| (id.clone(), score(*points))).collect())
}

async fn grade(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    tries: &[crate::assessments::model::Tried],
    (rules, quest, is_retired): (&Rules, QuestId, bool),
    attempt_number: i32,
    new: NewGrade,
) -> Result<(), Refusal> {
    let Some(mut loaded) = load(connection, learner.id, new.attempt, None).await? else { return Ok(()) };
    refresh(connection, learner, origin, &mut loaded).await?;
    let standing = standing(connection, new.attempt, new.assessment).await?;
    let done: Vec<(AttemptId, AssessmentId)> =
        write_grades(connection, learner.now, std::slice::from_ref(&new)).await?;
    let cause = announce(learner, rules, tries, try_of(quest, &new, attempt_number), &new.graded, None);
    let graded = GradedTry { submission: new.submission, cause, is_named: standing.is_named };
    follow_up(connection, learner, origin, &mut loaded, graded, !done.is_empty() && !is_retired).await?;
    Ok(())
}

/// Whether an author has written the reviews that are owed: those that were given out, and those that still
/// can be, up to `mustReview`. Who finds no work left to review owes none.
async fn has_reviewed_enough(
    connection: &mut PgConnection,
    learner: LearnerId,
    assessment: AssessmentId,
    peer: &Peer,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM peer_reviews WHERE reviewer_id = $1 AND assessment_id = $2 AND status = 'done') AS "written!",
                  (SELECT count(*) FROM peer_reviews WHERE reviewer_id = $1 AND assessment_id = $2 AND status <> 'withdrawn') AS "given!",
                  (SELECT count(*)
                   FROM (SELECT DISTINCT ON (attempt.id) submission.id, attempt.auth_user_id
                         FROM quest_submissions AS submission
                         JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id AND attempt.status <> 'Abandoned'
                         WHERE submission.assessment_id = $2 AND submission.status = 'inPeerReview'
                         ORDER BY attempt.id, submission.attempt_number DESC) AS work
                   WHERE work.auth_user_id <> $1
                     AND NOT EXISTS (SELECT FROM peer_reviews WHERE submission_id = work.id AND reviewer_id = $1)
                     AND (SELECT count(*) FROM peer_reviews WHERE submission_id = work.id AND status <> 'withdrawn') < $3
                  ) AS "left!""#,
        learner.0,
        assessment.0,
        i64::from(peer.reviews_needed)
    )
    .fetch_one(connection)
    .await?;
    Ok(found.written >= (found.given + found.left).min(peer.must_review.into()))
}

/// Takes work from its reviewers and puts it into the graders' queue; one statement.
async fn give_to_grader(connection: &mut PgConnection, ids: &[Uuid], now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH given AS (
             UPDATE quest_submissions SET status = 'awaitingGrade', fallback_at = NULL
             WHERE id = ANY($1) AND status = 'inPeerReview' RETURNING id
         ), withdrawn AS (
             UPDATE peer_reviews SET status = 'withdrawn'
             WHERE submission_id IN (SELECT id FROM given) AND status = 'open' RETURNING assessment_id
         )
         INSERT INTO peer_allocations (assessment_id, requested_at) SELECT DISTINCT assessment_id, $2::timestamptz FROM withdrawn
         ON CONFLICT (assessment_id) DO UPDATE SET requested_at = excluded.requested_at",
        ids,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Hands work to graders that has waited for its reviews too long, a batch a transaction.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_fallbacks(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    loop {
        let origin = Origin::job(clock);
        let done: usize =
            db.transact(move |connection| Box::pin(async move { fall_back(connection, &origin).await })).await?;
        if done == 0 {
            return Ok(());
        }
        tracing::info!(submissions = done, "work that has waited for its reviews too long goes to graders");
    }
}

async fn fall_back(connection: &mut PgConnection, origin: &Origin) -> Result<usize, sqlx::Error> {
    let due = sqlx::query!(
        "/* jobs:fallback */
         SELECT submission.id, attempt.auth_user_id
         FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
         WHERE submission.status = 'inPeerReview' AND submission.fallback_at <= $1 ORDER BY submission.fallback_at LIMIT $2",
        origin.clock.now(),
        BATCH
    )
    .fetch_all(&mut *connection)
    .await?;
    if due.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = due.iter().map(|row| row.auth_user_id).collect();
    learners::lock_many(connection, &ids, origin).await?;
    let work: Vec<Uuid> = due.iter().map(|row| row.id).collect();
    give_to_grader(connection, &work, origin.clock.now()).await?;
    Ok(due.len())
}

/// Hands out reviews where work has come in, one assessment a transaction.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_allocations(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    loop {
        let origin = Origin::job(clock);
        let done: Option<usize> =
            db.transact(move |connection| Box::pin(async move { allocate_next(connection, &origin).await })).await?;
        match done {
            None => return Ok(()),
            Some(0) => {}
            Some(reviews) => tracing::info!(reviews, "peer reviews handed out"),
        }
    }
}

/// One assessment; None when nothing waits, or another replica is at it.
async fn allocate_next(connection: &mut PgConnection, origin: &Origin) -> Result<Option<usize>, sqlx::Error> {
    let request = sqlx::query!(
        r#"/* jobs:allocations */
           SELECT request.assessment_id AS "assessment: AssessmentId", request.requested_at, assessment.configuration,
                  assessment.passing_criteria, pg_try_advisory_xact_lock($1) AS "is_mine!"
           FROM (SELECT * FROM peer_allocations ORDER BY requested_at LIMIT 1) AS request
           JOIN quest_assessments AS assessment ON assessment.id = request.assessment_id"#,
        ALLOCATION_LOCK
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(request) = request.filter(|request| request.is_mine) else { return Ok(None) };
    let rules = Rules::read(request.assessment, &request.configuration, &request.passing_criteria).ok();
    let given = match rules.map(|rules| rules.configuration.form) {
        Some(Form::PeerReview { peer, .. }) => hand_out(connection, origin, request.assessment, &peer).await?,
        _ => 0,
    };
    if i64::try_from(given).unwrap_or(i64::MAX) < BATCH {
        sqlx::query!(
            "DELETE FROM peer_allocations WHERE assessment_id = $1 AND requested_at = $2",
            request.assessment.0,
            request.requested_at
        )
        .execute(connection)
        .await?;
    }
    Ok(Some(given))
}

/// Hands out at most a batch of reviews.
async fn hand_out(
    connection: &mut PgConnection,
    origin: &Origin,
    assessment: AssessmentId,
    peer: &Peer,
) -> Result<usize, sqlx::Error> {
    // The newest work of each author; who comes first is served first.
    let works = sqlx::query!(
        r#"SELECT id AS "id!", author AS "author!", reviews AS "reviews!" FROM (
               SELECT DISTINCT ON (attempt.id) submission.id, attempt.auth_user_id AS author, submission.submitted_at,
                      (SELECT count(*) FROM peer_reviews WHERE submission_id = submission.id AND status <> 'withdrawn') AS reviews
               FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
               WHERE submission.assessment_id = $1 AND submission.status = 'inPeerReview' AND attempt.status <> 'Abandoned'
               ORDER BY attempt.id, submission.attempt_number DESC) AS work
           ORDER BY submitted_at, id"#,
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
    let works = works
        .into_iter()
        .map(|row| OpenWork { submission: row.id, author: row.author, reviews: small(row.reviews) })
        .collect();
    let reviewers =
        reviewers.into_iter().map(|row| Reviewer { learner: row.learner, reviews: small(row.reviews) }).collect();
    let mut given = allocate(works, reviewers, known, (peer.reviews_needed, peer.must_review));
    given.truncate(usize::try_from(BATCH).unwrap_or(usize::MAX));
    if given.is_empty() {
        return Ok(0);
    }
    assign(connection, origin, assessment, &given).await?;
    Ok(given.len())
}

/// Writes reviews and tells the reviewers.
async fn assign(
    connection: &mut PgConnection,
    origin: &Origin,
    assessment: AssessmentId,
    given: &[(Uuid, Uuid)],
) -> Result<(), sqlx::Error> {
    let (submissions, reviewers): (Vec<Uuid>, Vec<Uuid>) = given.iter().copied().unzip();
    let mut locked = learners::lock_many(connection, &reviewers, origin).await?;
    let ids: Vec<Uuid> = given.iter().map(|_| PeerReviewId::generate().0).collect();
    // Work may have been graded since: only what is still with its reviewers gets one.
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
