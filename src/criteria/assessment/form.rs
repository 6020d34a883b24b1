//! What a type of assessment has of its own.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::accept::Accept;
use super::super::assessment_kind::AssessmentKind;
use super::super::items::Item;
use super::super::names::names;
use super::super::numbers::PERCENT;
use super::super::reader::{Fields, Node};
use super::super::rubric::Rubric;
use super::super::violation::Findings;
use super::only;

const MAX_PICK: u32 = 200;
const MAX_REVIEWS: u32 = 20;
/// 90 days.
const MAX_HOURS: u32 = 2_160;

/// What is to be done, and who grades it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is the type it is named after
pub enum Form {
    Quiz(QuizForm),
    Assignment { accept: Vec<Accept>, rubric: Option<Rubric> },
    Project { accept: Vec<Accept>, rubric: Rubric },
    PeerReview { accept: Vec<Accept>, rubric: Rubric, peer: Peer },
    AutoGraded(AutoGraded),
    ManualReview { accept: Vec<Accept>, rubric: Option<Rubric>, sla_hours: Option<u32>, assign: Pool },
}

/// Questions, of which each try may get some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuizForm {
    /// 1 to 200.
    pub items: Vec<Item>,
    /// How many of them a try gets, drawn for it; all when left out.
    pub pick: Option<usize>,
    pub shuffle_items: bool,
    pub shuffle_options: bool,
}

/// The problem of a grader outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoGraded {
    /// Which grader.
    pub grader_ref: String,
    /// The problem's id there.
    pub problem_id: Uuid,
    /// The share of the tests passed counts; else all or nothing.
    pub partial_credit: bool,
}

/// How learners review each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Reviews that each learner owes, 1 to 20.
    pub must_review: u32,
    /// Reviews that work needs before it is graded, 1 to 20.
    pub reviews_needed: u32,
    pub aggregate: Aggregate,
    /// Hours after which a grader takes over, 1 to 2,160.
    pub fallback_after_hours: u32,
    /// Percent of the rubric's points: reviews that differ by more go to a grader.
    pub escalate_if_spread_percent: Option<Decimal>,
}

names! {
    /// What several reviews come to.
    Aggregate { Median = "median", Mean = "mean" }
}

names! {
    /// Whose queue work goes to.
    #[derive(Default)]
    Pool { #[default] Pool = "pool", Author = "author" }
}

names! {
    Fallback { Manual = "manual" }
}

impl Form {
    /// The type it belongs to.
    pub const fn kind(&self) -> AssessmentKind {
        match self {
            Self::Quiz(_) => AssessmentKind::Quiz,
            Self::Assignment { .. } => AssessmentKind::Assignment,
            Self::Project { .. } => AssessmentKind::Project,
            Self::PeerReview { .. } => AssessmentKind::PeerReview,
            Self::AutoGraded(_) => AssessmentKind::AutoGraded,
            Self::ManualReview { .. } => AssessmentKind::ManualReview,
        }
    }

    /// The rubric that people grade by.
    pub const fn rubric(&self) -> Option<&Rubric> {
        match self {
            Self::Project { rubric, .. } | Self::PeerReview { rubric, .. } => Some(rubric),
            Self::Assignment { rubric, .. } | Self::ManualReview { rubric, .. } => rubric.as_ref(),
            Self::Quiz(_) | Self::AutoGraded(_) => None,
        }
    }

    /// The forms of work that are taken; none where nothing is handed in.
    pub fn accept(&self) -> &[Accept] {
        match self {
            Self::Assignment { accept, .. }
            | Self::Project { accept, .. }
            | Self::PeerReview { accept, .. }
            | Self::ManualReview { accept, .. } => accept,
            Self::Quiz(_) | Self::AutoGraded(_) => &[],
        }
    }

    pub(super) fn read(kind: AssessmentKind, fields: &Fields, found: &mut Findings) -> Option<Self> {
        let accept =
            |found: &mut Findings| fields.required("accept", found).and_then(|forms| Accept::read_list(&forms, found));
        let rubric =
            |found: &mut Findings| fields.required("rubric", found).and_then(|node| Rubric::read(&node, found));
        // Outer None: it is there and cannot be read.
        let may_have_rubric = |found: &mut Findings| {
            fields.optional("rubric").map_or(Some(None), |node| Rubric::read(&node, found).map(Some))
        };
        match kind {
            AssessmentKind::Quiz => QuizForm::read(fields, found).map(Self::Quiz),
            AssessmentKind::Assignment => {
                only(fields, &["accept", "rubric"], found);
                let (accept, rubric) = (accept(found), may_have_rubric(found));
                Some(Self::Assignment { accept: accept?, rubric: rubric? })
            }
            AssessmentKind::Project => {
                only(fields, &["accept", "rubric"], found);
                let (accept, rubric) = (accept(found), rubric(found));
                Some(Self::Project { accept: accept?, rubric: rubric? })
            }
            AssessmentKind::PeerReview => {
                only(fields, &["accept", "rubric", "peer"], found);
                let (accept, rubric) = (accept(found), rubric(found));
                let peer = fields.required("peer", found).and_then(|node| Peer::read(&node, found));
                Some(Self::PeerReview { accept: accept?, rubric: rubric?, peer: peer? })
            }
            AssessmentKind::AutoGraded => AutoGraded::read(fields, found).map(Self::AutoGraded),
            AssessmentKind::ManualReview => {
                only(fields, &["accept", "rubric", "slaHours", "assign"], found);
                let (accept, rubric) = (accept(found), may_have_rubric(found));
                let sla_hours = fields.count("slaHours", MAX_HOURS, found);
                let assign = fields.optional("assign").and_then(|node| node.choice(Pool::ALL, Pool::as_str, found));
                Some(Self::ManualReview {
                    accept: accept?,
                    rubric: rubric?,
                    sla_hours,
                    assign: assign.unwrap_or_default(),
                })
            }
        }
    }
}

impl QuizForm {
    /// How many items a try gets.
    pub fn size(&self) -> usize {
        self.pick.unwrap_or(self.items.len())
    }

    /// The percent that the best answers give; of the most generous draw, where items are drawn.
    pub(in crate::criteria) fn best_percent(&self) -> Decimal {
        let share = if self.size() < self.items.len() {
            self.items.iter().map(Item::best_share).max().unwrap_or_default()
        } else {
            let all: Decimal = self.items.iter().map(|item| item.points).sum();
            self.items.iter().map(|item| item.points * item.best_share()).sum::<Decimal>() / all
        };
        share * Decimal::ONE_HUNDRED
    }

    fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        only(fields, &["items", "pick", "shuffleItems", "shuffleOptions"], found);
        let items = fields.required("items", found).and_then(|items| Item::read_list(&items, found));
        let pick = fields.optional("pick").and_then(|node| {
            let pick = node.integer(1..=MAX_PICK, found)? as usize;
            match &items {
                Some(items) if pick > items.len() => {
                    node.fault(format!("must not be more than the {} items", items.len()), found)
                }
                _ => Some(pick),
            }
        });
        let shuffle_items = fields.flag("shuffleItems", found);
        let shuffle_options = fields.flag("shuffleOptions", found);
        Some(Self { items: items?, pick, shuffle_items, shuffle_options })
    }
}

impl AutoGraded {
    fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        only(fields, &["grader", "partialCredit"], found);
        let grader = fields.required("grader", found).and_then(|node| {
            let fields = node.fields(found)?;
            fields.only(&["ref", "problemId"], &[], found);
            let grader_ref = fields.required("ref", found).and_then(|node| node.key(found));
            let problem = fields.required("problemId", found).and_then(|node| node.uuid(found));
            grader_ref.zip(problem)
        });
        let partial_credit = fields.flag("partialCredit", found);
        let (grader_ref, problem_id) = grader?;
        Some(Self { grader_ref, problem_id, partial_credit })
    }
}

impl Peer {
    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        let own = ["mustReview", "reviewsNeeded", "aggregate", "fallback", "escalateIfSpreadPercent"];
        fields.only(&own, &[], found);
        let mut reviews =
            |name: &str| fields.required(name, found).and_then(|node| node.integer(1..=MAX_REVIEWS, found));
        let (must_review, reviews_needed) = (reviews("mustReview"), reviews("reviewsNeeded"));
        let aggregate =
            fields.required("aggregate", found).and_then(|node| node.choice(Aggregate::ALL, Aggregate::as_str, found));
        let fallback_after_hours = fields.required("fallback", found).and_then(|node| {
            let fields = node.fields(found)?;
            fields.only(&["to", "afterHours"], &[], found);
            let to = fields.required("to", found).and_then(|node| node.choice(Fallback::ALL, Fallback::as_str, found));
            let hours = fields.required("afterHours", found).and_then(|node| node.integer(1..=MAX_HOURS, found));
            to.and(hours)
        });
        let spread = fields.optional("escalateIfSpreadPercent").and_then(|node| node.number(PERCENT, found));
        Some(Self {
            must_review: must_review?,
            reviews_needed: reviews_needed?,
            aggregate: aggregate?,
            fallback_after_hours: fallback_after_hours?,
            escalate_if_spread_percent: spread,
        })
    }
}
