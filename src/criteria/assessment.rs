//! The configuration of an assessment: what all types share, and one grammar for each of the six.

mod form;
mod shown;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::assessment_kind::AssessmentKind;
use super::names::names;
use super::numbers::{PERCENT, exact};
use super::passing::OnFail;
use super::reader::{Fields, Node};
use super::validation::{COMMON, MAX_QUIZ_BYTES};
use super::violation::{Findings, Violation};
pub use form::{Aggregate, AutoGraded, Form, Peer, Pool, QuizForm};
pub use shown::solution;

/// The largest configuration that is not a quiz, in bytes of compact JSON: rubrics are content.
pub const MAX_ASSESSMENT_BYTES: usize = 64 * 1024;

/// The fields of every configuration, beside those of every document.
const SHARED: [&str; 9] =
    ["maxGrade", "attempts", "timeLimitSeconds", "graceSeconds", "opensAt", "dueAt", "closesAt", "late", "feedback"];

/// The configuration of an assessment (seed: `quest_assessments.configuration`). Holds keys: learners
/// get [`AssessmentConfiguration::task`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssessmentConfiguration {
    /// The best grade; above 0, at most 999.99, at most two decimals.
    pub max_grade: Decimal,
    pub tries: Tries,
    /// Seconds from the start of a try to its end, 1 to 604,800 (7 days); no limit when left out.
    pub time_limit_seconds: Option<u32>,
    /// Seconds after that in which work is still taken, up to 86,400; none when left out.
    pub grace_seconds: u32,
    /// Form is taken from this moment on.
    pub opens_at: Option<DateTime<Utc>>,
    /// What comes after this moment is late.
    pub due_at: Option<DateTime<Utc>>,
    /// No work is taken from this moment on.
    pub closes_at: Option<DateTime<Utc>>,
    pub late: Late,
    pub feedback: FeedbackPolicy,
    /// What belongs to the type.
    pub form: Form,
}

/// How often an assessment may be tried, and which try counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// 1 to 100; no limit when null or left out.
    pub max: Option<u32>,
    /// Seconds from one try to the next, up to 2,592,000 (30 days).
    pub cooldown_seconds: u32,
    pub keep: Keep,
}

names! {
    /// Which grade is reported, of several.
    #[derive(Default)]
    Keep { #[default] Best = "best", Latest = "latest", First = "first", Average = "average" }
}

/// What becomes of work that comes after `dueAt`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Late {
    /// It counts in full.
    #[default]
    Accept,
    /// It is not taken.
    Reject,
    /// Each begun hour or day takes a part of the grade.
    Penalize {
        /// Percent of the grade for each.
        percent: Decimal,
        per: Per,
        /// Percent of the grade that is left whatever happens; 0 when left out.
        floor_percent: Decimal,
    },
}

names! {
    /// What lateness is counted in.
    Per { Hour = "hour", Day = "day" }
}

/// What learners may see of their result, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedbackPolicy {
    pub score: ShowScore,
    pub answers: ShowAnswers,
}

names! {
    /// When the grade is shown.
    #[derive(Default)]
    ShowScore { #[default] Immediately = "immediately", AfterClose = "afterClose", Never = "never" }
}

names! {
    /// When right answers and explanations are shown.
    #[derive(Default)]
    ShowAnswers {
        #[default]
        Never = "never",
        AfterPass = "afterPass",
        AfterLastAttempt = "afterLastAttempt",
        AfterClose = "afterClose",
    }
}

names! {
    LatePolicy { Accept = "accept", Reject = "reject", Penalize = "penalize" }
}

impl AssessmentConfiguration {
    /// Reads a document strictly: nothing unknown, nothing missing, everything in range, all parts
    /// consistent with each other, and not larger than [`MAX_ASSESSMENT_BYTES`] ([`MAX_QUIZ_BYTES`]).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at most a hundred violations.
    pub fn parse(value: &Value) -> Result<Self, Vec<Violation>> {
        let is_quiz = value.get("type").and_then(Value::as_str) == Some(AssessmentKind::Quiz.as_str());
        Findings::default().document(value, if is_quiz { MAX_QUIZ_BYTES } else { MAX_ASSESSMENT_BYTES }, |found| {
            Self::read(&Node::root(value), found)
        })
    }

    /// The type of assessment it is for.
    pub const fn kind(&self) -> AssessmentKind {
        self.form.kind()
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        if let Some(version) = fields.required("v", found) {
            version.integer(1..=1, found);
        }
        let max_grade = fields.required("maxGrade", found).and_then(|node| read_grade(&node, found));
        let tries = fields.optional("attempts").map_or(Some(Tries::default()), |node| Tries::read(&node, found));
        let time_limit_seconds = fields.count("timeLimitSeconds", 604_800, found);
        let grace_seconds = fields.count("graceSeconds", 86_400, found);
        let mut time = |name: &str| fields.optional(name).and_then(|node| node.time(found));
        let (opens_at, due_at, closes_at) = (time("opensAt"), time("dueAt"), time("closesAt"));
        add_disorder(opens_at, due_at, closes_at, found);
        let late = fields.optional("late").map_or(Some(Late::default()), |node| Late::read(&node, found));
        let feedback = fields
            .optional("feedback")
            .map_or(Some(FeedbackPolicy::default()), |node| FeedbackPolicy::read(&node, closes_at.is_some(), found));
        let kind = fields
            .required("type", found)
            .and_then(|node| node.choice(&AssessmentKind::ALL, AssessmentKind::as_str, found));
        let form = kind.and_then(|kind| Form::read(kind, &fields, found));
        Some(Self {
            max_grade: max_grade?,
            tries: tries?,
            time_limit_seconds,
            grace_seconds: grace_seconds.unwrap_or_default(),
            opens_at,
            due_at,
            closes_at,
            late: late?,
            feedback: feedback?,
            form: form?,
        })
    }
}

impl AssessmentConfiguration {
    /// Notes what could never come to anything. Held against what authors write, not against what is stored:
    /// it does no harm there.
    pub(super) fn add_idle(&self, on_fail: OnFail, found: &mut Findings) {
        if self.grace_seconds > 0 && self.time_limit_seconds.is_none() {
            found.add("/graceSeconds", "needs timeLimitSeconds: without it, no time ends");
        }
        if self.late != Late::Accept && self.due_at.is_none() {
            found.add("/late", "needs dueAt, or nothing is ever late");
        }
        let has_last = self.tries.max.is_some() || on_fail == OnFail::Close;
        if self.feedback.answers == ShowAnswers::AfterLastAttempt && !has_last {
            let detail = "needs attempts.max, or onFail: close in the passing criteria, or no try is the last";
            found.add("/feedback/answers", detail);
        }
    }
}

/// Notes the fields that neither all types nor this one have.
fn only(fields: &Fields, own: &[&str], found: &mut Findings) {
    fields.only(&[COMMON.as_slice(), SHARED.as_slice()].concat(), own, found);
}

/// A grade as its column holds it: above 0, at most 999.99, two decimals.
fn read_grade(node: &Node, found: &mut Findings) -> Option<Decimal> {
    let most = Decimal::new(99_999, 2);
    let grade = node.value.as_number().and_then(exact);
    let fits = |grade: &Decimal| *grade > Decimal::ZERO && *grade <= most && grade.scale() <= 2;
    match grade.filter(fits) {
        Some(grade) => Some(grade),
        None => node.fault("must be a number, above 0 and at most 999.99, with at most two decimals", found),
    }
}

fn add_disorder(
    opens: Option<DateTime<Utc>>,
    due: Option<DateTime<Utc>>,
    closes: Option<DateTime<Utc>>,
    found: &mut Findings,
) {
    let mut order = |earlier: Option<DateTime<Utc>>, later: Option<DateTime<Utc>>, pointer: &str, detail: &str| {
        if earlier.zip(later).is_some_and(|(earlier, later)| later <= earlier) {
            found.add(pointer, detail);
        }
    };
    order(opens, closes, "/closesAt", "must be later than opensAt");
    order(opens, due, "/dueAt", "must be later than opensAt");
    if due.zip(closes).is_some_and(|(due, closes)| due > closes) {
        found.add("/dueAt", "must not be later than closesAt");
    }
}

impl Tries {
    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["max", "cooldownSeconds", "keep"], &[], found);
        let max = match fields.optional("max") {
            Some(max) if !max.value.is_null() => max.integer(1..=100, found),
            _ => None,
        };
        let cooldown = fields.optional("cooldownSeconds").and_then(|node| node.integer(0..=2_592_000, found));
        let keep = fields.optional("keep").and_then(|node| node.choice(Keep::ALL, Keep::as_str, found));
        Some(Self { max, cooldown_seconds: cooldown.unwrap_or_default(), keep: keep.unwrap_or_default() })
    }
}

impl Late {
    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        let policy = fields.required("policy", found)?.choice(LatePolicy::ALL, LatePolicy::as_str, found)?;
        if policy != LatePolicy::Penalize {
            fields.only(&["policy"], &[], found);
            return Some(if policy == LatePolicy::Reject { Self::Reject } else { Self::Accept });
        }
        fields.only(&["policy"], &["percent", "per", "floorPercent"], found);
        let percent = fields.percent("percent", found);
        let per = fields.required("per", found).and_then(|node| node.choice(Per::ALL, Per::as_str, found));
        let floor = fields.optional("floorPercent").and_then(|node| node.number(PERCENT, found));
        Some(Self::Penalize { percent: percent?, per: per?, floor_percent: floor.unwrap_or_default() })
    }
}

impl FeedbackPolicy {
    fn read(node: &Node, closes: bool, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["score", "answers"], &[], found);
        let score = fields.optional("score");
        let answers = fields.optional("answers");
        for shown in [&score, &answers].into_iter().flatten() {
            if !closes && shown.value.as_str() == Some(ShowScore::AfterClose.as_str()) {
                found.add(shown.pointer.as_str(), "needs closesAt, or it would never be shown");
            }
        }
        let score = score.map(|node| node.choice(ShowScore::ALL, ShowScore::as_str, found));
        let answers = answers.map(|node| node.choice(ShowAnswers::ALL, ShowAnswers::as_str, found));
        Some(Self {
            score: score.unwrap_or(Some(ShowScore::default()))?,
            answers: answers.unwrap_or(Some(ShowAnswers::default()))?,
        })
    }
}
