//! What an author should look at first: findings in the figures that may be told, ranked by the share of learners that
//! they hit times how bad it is for one (docs/insights.md).
//!
//! Everything here is made of told figures only, so the list gives nothing away that the analytics of the quest do not.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::insight::blocked::Waiting;
use super::insight::model::{AssessmentFigures, BlockedBy, StepFunnel, Wait, WaitKind};
use super::insight::quest::Told;
use super::privacy::{Shield, real, rounded};
use crate::drawing::thousands;

/// The most findings that a list has.
pub const MAX_FINDINGS: usize = 100;
/// Of those who began a step, who left there: below, people come and go.
const DROP_OFF: f64 = 0.15;
/// Mean share of the points, below which an item is too hard; share of learners who pass an assessment, likewise.
const HARD_ITEM: f64 = 0.3;
const HARD_ASSESSMENT: f64 = 0.5;
const MANY_TRIES: f64 = 3.0;
const BAD_RATING: f64 = 2.5;

/// What is wrong; the order of equal scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// Many learners leave here
    DropOff,
    /// The key of an item is likely wrong
    MiskeyedItem,
    /// Learners have used up their tries
    NoTriesLeft,
    /// Work waits for a grader or reviewer
    WaitingForGrade,
    /// Learners say that it is bad
    NegativeFeedback,
    /// An item or assessment is too hard
    TooHard,
    /// The next quest of a path is locked
    Blocked,
    /// A step takes many tries
    TooManyTries,
    /// Work waits for a result from outside
    WaitingForResult,
    /// A step takes longer than the whole quest should
    TooSlow,
}

impl FindingKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DropOff => "dropOff",
            Self::MiskeyedItem => "miskeyedItem",
            Self::NoTriesLeft => "noTriesLeft",
            Self::WaitingForGrade => "waitingForGrade",
            Self::NegativeFeedback => "negativeFeedback",
            Self::TooHard => "tooHard",
            Self::Blocked => "blocked",
            Self::TooManyTries => "tooManyTries",
            Self::WaitingForResult => "waitingForResult",
            Self::TooSlow => "tooSlow",
        }
    }

    /// How bad it is for a learner whom it hits, 0 to 1.
    #[must_use]
    pub const fn severity(self) -> f64 {
        match self {
            Self::DropOff | Self::MiskeyedItem => 1.0,
            Self::NoTriesLeft => 0.8,
            Self::WaitingForGrade | Self::NegativeFeedback => 0.6,
            Self::TooHard | Self::Blocked => 0.5,
            Self::TooManyTries | Self::WaitingForResult => 0.4,
            Self::TooSlow => 0.3,
        }
    }
}

/// What needs attention, the worst first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attention {
    pub from: NaiveDate,
    /// The last day
    pub to: NaiveDate,
    /// Whose calendar days these are
    #[schema(example = "UTC")]
    pub time_zone: String,
    /// Learners that hide one another
    #[schema(example = 5)]
    pub min_cohort: i64,
    /// More was begun than is looked at: only the newest `ANALYTICS_MAX_ATTEMPTS`
    pub is_capped: bool,
    /// At most 100
    pub items: Vec<AttentionItem>,
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionItem {
    /// 1 is the worst
    pub rank: usize,
    pub kind: FindingKind,
    /// 100 × `share` × `severity`
    #[schema(example = 61.3)]
    pub score: f64,
    pub quest_id: Uuid,
    pub quest_title: String,
    /// Of what is wrong with a path
    pub learning_path_id: Option<Uuid>,
    pub step_id: Option<Uuid>,
    pub assessment_id: Option<Uuid>,
    pub item_id: Option<String>,
    /// The step, assessment, item or prerequisite in words
    #[schema(example = "Step 4: Pointers")]
    pub place: String,
    /// Whom it hits; null where that is known as a share only
    pub learners: Option<i64>,
    /// Of so many: who began the quest, or enrolled in the path
    #[schema(example = 1000)]
    pub of: i64,
    /// 0 to 1
    #[schema(example = 0.613)]
    pub share: f64,
    /// How bad it is for one learner, 0 to 1
    #[schema(example = 1.0)]
    pub severity: f64,
    #[schema(example = "613 of 872 learners who began this step left here.")]
    pub reason: String,
}

/// Findings as they come up, of one quest after the other.
#[derive(Debug)]
pub struct Findings {
    shield: Shield,
    found: Vec<AttentionItem>,
}

/// Where and what.
#[derive(Default)]
struct At {
    learning_path_id: Option<Uuid>,
    step_id: Option<Uuid>,
    assessment_id: Option<Uuid>,
    item_id: Option<String>,
    place: String,
}

/// Whom it hits.
#[derive(Clone, Copy)]
enum Hit {
    Learners(i64),
    Share(f64),
}

/// A quest with what may be told of it.
pub struct Seen<'a> {
    pub quest_id: Uuid,
    pub title: &'a str,
    pub estimated_minutes: Option<i32>,
    pub told: &'a Told,
}

impl Findings {
    #[must_use]
    pub const fn new(shield: Shield) -> Self {
        Self { shield, found: Vec::new() }
    }

    /// Looks one quest over.
    pub fn look_at(&mut self, seen: &Seen) {
        let Some(of) = seen.told.cohort.started.filter(|started| self.shield.tells(*started)) else { return };
        let quest = (seen.quest_id, seen.title);
        self.drop_offs(seen, of);
        for step in &seen.told.steps {
            self.effort(quest, step, seen.estimated_minutes, of);
        }
        for wait in &seen.told.waits {
            self.wait(quest, wait, of);
        }
        self.feedback(seen, of);
        for assessment in &seen.told.assessments {
            let at = At {
                assessment_id: Some(assessment.assessment_id),
                place: format!("Assessment {}", assessment.key),
                ..At::default()
            };
            if let (Some(judged), Some(passed)) = (assessment.judged, assessment.passed)
                && self.shield.tells(judged)
                && real(passed) < HARD_ASSESSMENT * real(judged)
            {
                let reason = format!("Only {} of {} learners who tried have passed.", count(passed), count(judged));
                self.add(FindingKind::TooHard, quest, at, Hit::Learners(judged - passed), of, reason);
            }
            self.items(quest, assessment, of);
        }
    }

    /// Learners who wait at a quest of a path, as far as they are told.
    pub fn blocked(&mut self, waiting: &Waiting, learners: Option<i64>) {
        let Some(learners) = learners.filter(|learners| *learners > 0) else { return };
        let why = match (waiting.cause, &waiting.by_title) {
            (BlockedBy::Prerequisite, Some(title)) => format!("“{title}” is not completed"),
            (BlockedBy::Prerequisite, None) => "a prerequisite is not completed".to_owned(),
            (BlockedBy::Criteria, _) => "the path's criteria are not met".to_owned(),
            (BlockedBy::Inactive, _) => "it is not active".to_owned(),
        };
        let reason = format!(
            "It comes next for {} of {} learners who enrolled in the path and is locked: {why}.",
            count(learners),
            count(waiting.enrolled)
        );
        let place = match (waiting.cause, &waiting.by_title) {
            (_, Some(title)) => format!("Prerequisite: {title}"),
            (BlockedBy::Inactive, None) => "Quest".to_owned(),
            (_, None) => "Criteria of the path".to_owned(),
        };
        let at = At { learning_path_id: Some(waiting.learning_path_id), place, ..At::default() };
        let quest = (waiting.quest_id, waiting.title.as_str());
        self.add(FindingKind::Blocked, quest, at, Hit::Learners(learners), waiting.enrolled, reason);
    }

    /// The worst first; equal ones by kind, then by how many learners they hit, then by title.
    #[must_use]
    pub fn ranked(mut self) -> Vec<AttentionItem> {
        self.found.sort_by(|one, other| {
            let names = |of: &AttentionItem| (of.quest_title.clone(), of.quest_id, of.step_id, of.assessment_id);
            (other.score.total_cmp(&one.score))
                .then_with(|| one.kind.cmp(&other.kind))
                .then_with(|| other.learners.cmp(&one.learners))
                .then_with(|| names(one).cmp(&names(other)))
                .then_with(|| one.place.cmp(&other.place))
        });
        self.found.truncate(MAX_FINDINGS);
        for (rank, finding) in (1..).zip(&mut self.found) {
            finding.rank = rank;
        }
        self.found
    }

    fn add(&mut self, kind: FindingKind, quest: (Uuid, &str), at: At, hit: Hit, of: i64, reason: String) {
        let (learners, share) = match hit {
            Hit::Learners(learners) => (self.shield.part(learners, of.max(learners)), real(learners) / real(of.max(1))),
            Hit::Share(share) => (None, share),
        };
        // What must not be told must not show in the score either: nearly all count as all.
        let is_open = learners.is_some() || matches!(hit, Hit::Share(_));
        let share = if is_open { share.clamp(0.0, 1.0) } else { 1.0 };
        self.found.push(AttentionItem {
            rank: 0,
            kind,
            score: rounded(Some(100.0 * share * kind.severity()), 1).unwrap_or_default(),
            quest_id: quest.0,
            quest_title: quest.1.to_owned(),
            learning_path_id: at.learning_path_id,
            step_id: at.step_id,
            assessment_id: at.assessment_id,
            item_id: at.item_id,
            place: at.place,
            learners,
            of,
            share: rounded(Some(share), 3).unwrap_or_default(),
            severity: kind.severity(),
            reason,
        });
    }

    fn drop_offs(&mut self, seen: &Seen, of: i64) {
        let quest = (seen.quest_id, seen.title);
        for step in &seen.told.steps {
            let Some(left) = step.left_here.filter(|left| *left > 0) else { continue };
            let began = step.started.unwrap_or(of);
            if real(left) < DROP_OFF * real(began) {
                continue;
            }
            let reason = match step.started.and_then(|began| self.shield.part(left, began).map(|_| began)) {
                Some(began) => format!("{} of {} learners who began this step left here.", count(left), count(began)),
                None => format!("{} learners left here.", count(left)),
            };
            self.add(FindingKind::DropOff, quest, at_step(step), Hit::Learners(left), of, reason);
        }
        let cohort = &seen.told.cohort;
        for (left, place, reason) in [
            (cohort.left_before_steps, "Before the first step", "learners left before they began any step"),
            (cohort.left_after_steps, "After the steps", "learners left with every mandatory step completed"),
        ] {
            if let Some(left) = left.filter(|left| *left > 0 && real(*left) >= DROP_OFF * real(of)) {
                let at = At { place: place.to_owned(), ..At::default() };
                let reason = format!("{} of {} {reason}.", count(left), count(of));
                self.add(FindingKind::DropOff, quest, at, Hit::Learners(left), of, reason);
            }
        }
    }

    fn effort(&mut self, quest: (Uuid, &str), step: &StepFunnel, estimated: Option<i32>, of: i64) {
        let Some(completed) = step.completed.filter(|completed| *completed > 0) else { return };
        if let Some(tries) = step.mean_tries.filter(|tries| *tries >= MANY_TRIES) {
            let reason = format!("{} learners completed it, with {tries} tries on average.", count(completed));
            self.add(FindingKind::TooManyTries, quest, at_step(step), Hit::Learners(completed), of, reason);
        }
        let estimated = f64::from(estimated.unwrap_or(0));
        if let Some(median) = step.median_minutes.filter(|median| estimated > 0.0 && *median > estimated) {
            let reason = format!(
                "Half of {} learners took more than {median} minutes, the whole quest is to take {estimated}.",
                count(completed)
            );
            let half = real(completed) / 2.0 / real(of);
            self.add(FindingKind::TooSlow, quest, at_step(step), Hit::Share(half), of, reason);
        }
    }

    fn wait(&mut self, quest: (Uuid, &str), wait: &Wait, of: i64) {
        let Some(learners) = wait.learners.filter(|learners| *learners > 0) else { return };
        let (kind, what) = match wait.kind {
            WaitKind::Review => (FindingKind::WaitingForGrade, "wait for a review"),
            WaitKind::Grade => (FindingKind::WaitingForGrade, "wait for a grade"),
            WaitKind::Result => (FindingKind::WaitingForResult, "wait for a result from outside"),
            WaitKind::Tries => (FindingKind::NoTriesLeft, "have used up their tries"),
        };
        let unit = if wait.step_id.is_some() { "Step" } else { "Assessment" };
        let at = At {
            step_id: wait.step_id,
            assessment_id: wait.assessment_id,
            place: format!("{unit} {}", wait.title),
            ..At::default()
        };
        let reason = format!("{} learners {what}.", count(learners));
        self.add(kind, quest, at, Hit::Learners(learners), of, reason);
    }

    fn feedback(&mut self, seen: &Seen, of: i64) {
        let feedback = &seen.told.feedback;
        if let (Some(rating), Some(total)) = (feedback.mean_rating, feedback.total)
            && rating <= BAD_RATING
        {
            let at = At { place: "Quest".to_owned(), ..At::default() };
            let reason = format!("{} feedbacks give {rating} of 5 on average.", count(total));
            let share = real(total) / real(of);
            self.add(FindingKind::NegativeFeedback, (seen.quest_id, seen.title), at, Hit::Share(share), of, reason);
        }
    }

    /// An item whose key is likely wrong is not hard as well.
    fn items(&mut self, quest: (Uuid, &str), assessment: &AssessmentFigures, of: i64) {
        for item in &assessment.items {
            let (Some(tries), Some(facility)) = (item.tries, item.facility) else { continue };
            let at = At {
                assessment_id: Some(assessment.assessment_id),
                item_id: Some(item.item_id.clone()),
                place: format!("Assessment {}, item {}", assessment.key, item.item_id),
                ..At::default()
            };
            let wrong = 1.0 - facility;
            let of_quest = real(tries) / real(of);
            if let (true, Some(suspect)) = (item.is_likely_miskeyed, &item.suspected_option_id) {
                let chosen = item.options.iter().find(|option| option.option_id.as_ref() == Some(suspect));
                let hit = match chosen.and_then(|option| option.chosen) {
                    Some(chosen) => Hit::Learners(chosen),
                    None => Hit::Share(of_quest * wrong),
                };
                let discrimination = item.discrimination.unwrap_or_default();
                let reason = format!(
                    "Who does well in the rest gets it wrong (discrimination {discrimination}): of {} learners the best \
                     choose “{suspect}”, which counts as wrong.",
                    count(tries)
                );
                self.add(FindingKind::MiskeyedItem, quest, at, hit, of, reason);
            } else if facility < HARD_ITEM {
                let percent = rounded(Some(100.0 * facility), 1).unwrap_or_default();
                let reason = format!("{} learners got {percent} % of its points on average.", count(tries));
                self.add(FindingKind::TooHard, quest, at, Hit::Share(of_quest * wrong), of, reason);
            }
        }
    }
}

fn count(number: i64) -> String {
    thousands(number)
}

fn at_step(step: &StepFunnel) -> At {
    let place = format!("Step {}: {}", step.step_number, step.title);
    At { step_id: Some(step.step_id), place, ..At::default() }
}
