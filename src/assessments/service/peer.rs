//! Peer review: reading reviews, taking them in, and grading by them.
//!
//! Work is graded by its reviews once it has as many as it needs and its author has written those that are
//! owed: `mustReview`, or as many as there is work to review. Reviews that are too far apart go to a grader.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::jobs::BATCH;
use super::load::{get_submission, standing};
use super::record::{NewGrade, announce, follow_up, try_of, write_grades};
use crate::assessments::model::{
    Basis, Decision, How, PeerReview, PeerReviewInput, Refusal, ReviewState, RubricScore, Rules, aggregated, assess,
    check_rubric, points_of,
};
use crate::attempts::service::{GradedTry, load, refresh};
use crate::criteria::{Form, Peer, Rubric, Violation};
use crate::ids::{AssessmentId, AttemptId, LearnerId, PeerReviewId, QuestId, SubmissionId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::scoring::{of_rubric, spread};

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
           AND (review.assigned_at, review.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
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
    let Form::PeerReview { rubric, peer, .. } = &rules.configuration.form else {
        return Err(Refusal::ReviewClosed.into());
    };
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
    for learner in &mut locked {
        release_ready(connection, origin, learner, review.assessment_id, Counts::of(peer)).await?;
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

/// Reviews that work needs, and that its author owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub needed: u32,
    pub owed: u32,
}

impl Counts {
    pub const fn of(peer: &Peer) -> Self {
        Self { needed: peer.reviews_needed, owed: peer.must_review }
    }
}

/// Work that can be graded by its reviews.
#[derive(Debug)]
pub(super) struct Ready {
    pub submission: SubmissionId,
    pub attempt: AttemptId,
    pub author: Uuid,
}

/// Work that nothing is missing for, of one learner or of the next ones in the order of their ids: it has its
/// reviews, and its author has written those that are owed, or has none left to write and can be given none.
pub(super) async fn ready(
    connection: &mut PgConnection,
    assessment: AssessmentId,
    counts: Counts,
    learner: Option<LearnerId>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Ready>, sqlx::Error> {
    macro_rules! of {
        ($author:literal) => {
    sqlx::query_as!(
        Ready,
        r#"/* peer_reviews:ready */
           SELECT submission.id AS "submission: SubmissionId", attempt.id AS "attempt: AttemptId", attempt.auth_user_id AS author
           FROM quest_submissions AS submission JOIN user_quest_attempts AS attempt ON attempt.id = submission.attempt_id
           WHERE submission.assessment_id = $1 AND submission.status = 'inPeerReview'
             AND "# + $author + r#" AND attempt.auth_user_id > $5
             AND (SELECT count(*) FROM peer_reviews WHERE submission_id = submission.id AND status = 'done') >= $2
             AND ((SELECT count(*) FROM peer_reviews
                   WHERE reviewer_id = attempt.auth_user_id AND assessment_id = $1 AND status = 'done') >= $3
                  OR (NOT EXISTS (SELECT FROM peer_reviews
                                  WHERE reviewer_id = attempt.auth_user_id AND assessment_id = $1 AND status = 'open')
                      AND NOT EXISTS (
                          SELECT FROM quest_submissions AS other
                          JOIN user_quest_attempts AS theirs ON theirs.id = other.attempt_id AND theirs.status <> 'Abandoned'
                          WHERE other.assessment_id = $1 AND other.status = 'inPeerReview'
                            AND theirs.auth_user_id <> attempt.auth_user_id
                            AND NOT EXISTS (SELECT FROM peer_reviews
                                            WHERE submission_id = other.id AND reviewer_id = attempt.auth_user_id)
                            AND (SELECT count(*) FROM peer_reviews
                                 WHERE submission_id = other.id AND status <> 'withdrawn') < $2)))
           ORDER BY attempt.auth_user_id, submission.attempt_number LIMIT $6"#,
        assessment.0,
        i64::from(counts.needed),
        i64::from(counts.owed),
        learner.map(|learner| learner.0),
        after,
        limit
    )
    .fetch_all(connection)
    .await
        };
    }
    if learner.is_some() { of!("attempt.auth_user_id = $4") } else { of!("$4::uuid IS NULL") }
}
/// Grades a learner's work that nothing is missing for.
pub(super) async fn release_ready(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    assessment: AssessmentId,
    counts: Counts,
) -> Result<(), Refusal> {
    for work in ready(connection, assessment, counts, Some(learner.id), Uuid::nil(), BATCH).await? {
        release(connection, origin, learner, work.submission).await?;
    }
    Ok(())
}

/// Grades work by its reviews, or hands it to a grader if they are too far apart.
async fn release(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    id: SubmissionId,
) -> Result<(), Refusal> {
    let work = get_submission(connection, id).await?;
    let rules = work.rules()?;
    let Form::PeerReview { rubric, peer, .. } = &rules.configuration.form else { return Ok(()) };
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

/// Takes work from its reviewers and puts it into the graders' queue; one statement.
pub(super) async fn give_to_grader(
    connection: &mut PgConnection,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
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
