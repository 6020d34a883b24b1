//! Who reviews whose work, and what several reviews come to; pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::submission::named;
use super::{Basis, ReviewOfPeer, RubricScore, points_of};
use crate::criteria::{Aggregate, Rubric};
use crate::ids::{AssessmentId, PeerReviewId, QuestId};
use crate::scoring::{Share, aggregate};

named! {
    /// Where a review stands
    ReviewState {
        /// It is to be written
        Open = "open",
        /// It was sent
        Done = "done",
        /// The work was graded, or sent back, before
        Withdrawn = "withdrawn",
    }
}

/// A review that a learner owes or has written. It does not say whose the work is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerReview {
    pub id: PeerReviewId,
    pub assessment_id: AssessmentId,
    pub quest_id: QuestId,
    #[schema(example = "Files and errors")]
    pub quest_title: String,
    pub status: ReviewState,
    pub assigned_at: DateTime<Utc>,
    /// After that, a grader takes over
    pub due_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    /// What was asked for; the rubric to review by
    #[schema(value_type = Option<Object>)]
    pub task: Option<Value>,
    /// The work; null once the review is withdrawn
    #[schema(value_type = Option<Object>)]
    pub submission_data: Option<Value>,
    /// What the review says
    pub rubric: Option<BTreeMap<String, RubricScore>>,
    pub comment: Option<String>,
}

/// What a reviewer sends.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "rubric": {"clarity": {"points": 14, "comment": "The second part needs an example."}}, "comment": "A pleasure to read."
}))]
pub struct PeerReviewInput {
    /// Points by criterion, all of them
    pub rubric: BTreeMap<String, RubricScore>,
    /// For the author of the work, at most `MAX_TEXT_CHARS` characters
    pub comment: Option<String>,
}

/// Work that needs reviews.
#[derive(Debug, Clone)]
pub struct OpenWork {
    pub submission: Uuid,
    pub author: Uuid,
    /// Reviews that it has, open ones included.
    pub reviews: u32,
}

/// Somebody who may review.
#[derive(Debug, Clone)]
pub struct Reviewer {
    pub learner: Uuid,
    /// Reviews that were given to this learner, open ones included.
    pub reviews: u32,
}

/// Submissions, each with a learner who has reviewed it or is to.
pub type Pairs = HashSet<(Uuid, Uuid)>;

/// Hands reviews out: to each work as many as it needs, to each reviewer as many as are owed; never own
/// work, never the same work twice. Work with the fewest reviews comes first, and goes to the reviewer with
/// the fewest; ties go by the order of the lists. Where in the end only own work is left for who has room,
/// somebody trades with them.
#[must_use]
pub fn allocate(
    mut works: Vec<OpenWork>,
    mut reviewers: Vec<Reviewer>,
    known: Pairs,
    (needed, owed): (u32, u32),
) -> Vec<(Uuid, Uuid)> {
    let mut pairs = known;
    let mut given = Vec::new();
    let authors: HashMap<Uuid, Uuid> = works.iter().map(|work| (work.submission, work.author)).collect();
    loop {
        // The stable sort keeps the order of the lists among equals.
        works.retain(|work| work.reviews < needed);
        works.sort_by_key(|work| work.reviews);
        reviewers.retain(|reviewer| reviewer.reviews < owed);
        reviewers.sort_by_key(|reviewer| reviewer.reviews);
        let next = works.iter().enumerate().find_map(|(place, work)| {
            let free = |reviewer: &Reviewer| {
                reviewer.learner != work.author && !pairs.contains(&(work.submission, reviewer.learner))
            };
            Some((place, reviewers.iter().position(free)?))
        });
        let (work, reviewer) = match next {
            Some((work, reviewer)) => {
                given.push((works[work].submission, reviewers[reviewer].learner));
                pairs.insert((works[work].submission, reviewers[reviewer].learner));
                (work, reviewer)
            }
            None => match trade(&works, &reviewers, &authors, &mut pairs, &mut given) {
                Some(places) => places,
                None => return given,
            },
        };
        works[work].reviews += 1;
        reviewers[reviewer].reviews += 1;
    }
}

/// One review more by a trade: who has room takes a review of somebody else, who takes the work that is left.
fn trade(
    works: &[OpenWork],
    reviewers: &[Reviewer],
    authors: &HashMap<Uuid, Uuid>,
    pairs: &mut Pairs,
    given: &mut Vec<(Uuid, Uuid)>,
) -> Option<(usize, usize)> {
    let may = |pairs: &Pairs, submission: Uuid, learner: Uuid| {
        authors.get(&submission) != Some(&learner) && !pairs.contains(&(submission, learner))
    };
    for (place, work) in works.iter().enumerate() {
        for (free, reviewer) in reviewers.iter().enumerate() {
            let found = given
                .iter()
                .position(|(other, busy)| may(pairs, *other, reviewer.learner) && may(pairs, work.submission, *busy));
            let Some(found) = found else { continue };
            let (other, busy) = given[found];
            given[found] = (other, reviewer.learner);
            given.push((work.submission, busy));
            pairs.remove(&(other, busy));
            pairs.extend([(other, reviewer.learner), (work.submission, busy)]);
            return Some((place, free));
        }
    }
    None
}

/// What reviews come to, together and by criterion; None without any.
#[must_use]
pub fn aggregated(rubric: &Rubric, how: Aggregate, reviews: &[ReviewOfPeer]) -> Option<Basis<'static>> {
    let points: Vec<_> = reviews.iter().map(|review| points_of(&review.rubric)).collect();
    let sums: Vec<Decimal> = points.iter().map(|points| rubric.sum(points)).collect();
    // The mean is a fraction; so that it stays exact, its sum is compared with as many rubrics.
    let share = match how {
        Aggregate::Mean => Share::new(sums.iter().sum(), rubric.most() * Decimal::from(sums.len())),
        Aggregate::Median => Share::new(aggregate(how, &sums)?, rubric.most()),
    };
    if sums.is_empty() {
        return None;
    }
    let by_criterion: HashMap<&str, Vec<Decimal>> = rubric
        .criteria
        .iter()
        .map(|criterion| {
            let of = points.iter().map(|points| points.get(&criterion.id).copied().unwrap_or_default());
            (criterion.id.as_str(), of.collect())
        })
        .collect();
    let points =
        by_criterion.into_iter().filter_map(|(id, points)| Some((id.to_owned(), aggregate(how, &points)?))).collect();
    Some(Basis::Peers { share, points })
}

#[cfg(test)]
mod tests;
