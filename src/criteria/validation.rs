//! What completing a step needs: one grammar for each kind of step.

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::accept::Accept;
use super::numbers::Bounds;
use super::quiz::Quiz;
use super::reader::{Fields, Node};
use super::step_kind::StepKind;
use super::violation::{Findings, Violation};

/// The largest document, in bytes of compact JSON, that is not a quiz.
pub const MAX_BYTES: usize = 16 * 1024;
/// The largest quiz, in bytes of compact JSON: its questions are content, not just rules.
pub const MAX_QUIZ_BYTES: usize = 256 * 1024;

/// The fields of every document.
pub(super) const COMMON: [&str; 2] = ["v", "type"];

/// The criteria of a step (seed: `quest_steps.validation_criteria`). Holds the keys of a quiz:
/// learners get [`ValidationCriteria::task`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is the kind of step it is named after
pub enum ValidationCriteria {
    Reading(Reading),
    Video(Video),
    Interactive(Interactive),
    Coding(Coding),
    Quiz(Quiz),
    Discussion(Discussion),
    Submission(Submission),
    Reflection(Reflection),
}

/// Read for a while, or say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The learner must say that it was read; false when left out.
    pub require_ack: bool,
    /// Seconds, 1 to 86400, that must pass.
    pub min_seconds: Option<u32>,
}

/// Watch a share of the video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Percent of its length, 0 to 100.
    pub min_watched_percent: Decimal,
}

/// Work through an activity that reports like a cmi5 unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interactive {
    /// What it must report.
    pub move_on: MoveOn,
    /// The score, 0 to 1, from which it counts as passed.
    pub mastery_score: Option<Decimal>,
}

/// What an activity must report (cmi5 `moveOn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum MoveOn {
    Completed,
    Passed,
    CompletedAndPassed,
    CompletedOrPassed,
    /// Nothing.
    NotApplicable,
}

impl MoveOn {
    const ALL: [Self; 5] =
        [Self::Completed, Self::Passed, Self::CompletedAndPassed, Self::CompletedOrPassed, Self::NotApplicable];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Passed => "passed",
            Self::CompletedAndPassed => "completedAndPassed",
            Self::CompletedOrPassed => "completedOrPassed",
            Self::NotApplicable => "notApplicable",
        }
    }
}

/// Solve a problem of a grader outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// Which grader.
    pub grader_ref: String,
    /// The problem's id there.
    pub problem_id: Uuid,
    /// Percent of the tests, 0 to 100.
    pub min_tests_passed_percent: Decimal,
    /// Tests that must be among the passed ones; their names are part of the key.
    pub required_tests: Vec<String>,
    /// The languages to choose from; any when empty.
    pub languages: Vec<String>,
}

/// Take part in a discussion, or in a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discussion {
    /// Only the result of a meeting completes it; false when left out.
    pub meeting_required: bool,
    /// Posts, 1 to 100.
    pub min_posts: Option<u32>,
    /// Replies, 1 to 100.
    pub min_replies: Option<u32>,
    /// Characters of the text, 1 to 10,000.
    pub min_chars: Option<u32>,
}

/// Hand something in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The forms that are taken, 1 to 4.
    pub accept: Vec<Accept>,
    /// Whether somebody looks at it.
    pub review: Review,
}

/// Who decides on what was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// Nobody: handing in is enough.
    None,
    /// A grader.
    Manual,
}

impl Review {
    const ALL: [Self; 2] = [Self::None, Self::Manual];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Manual => "manual",
        }
    }
}

/// Write down one's thoughts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// Words, 1 to 10,000.
    pub min_words: u32,
    /// How many prompts of the content to answer, 1 to 20; shown, not checked.
    pub prompts: Option<u32>,
}

impl ValidationCriteria {
    /// Reads a document strictly: nothing unknown, nothing missing, everything in range, all parts
    /// consistent with each other, and not larger than [`MAX_BYTES`] ([`MAX_QUIZ_BYTES`]).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at most a hundred violations.
    pub fn parse(value: &Value) -> Result<Self, Vec<Violation>> {
        let mut found = Findings::default();
        let is_quiz = value.get("type").and_then(Value::as_str) == Some(StepKind::Quiz.as_str());
        let most = if is_quiz { MAX_QUIZ_BYTES } else { MAX_BYTES };
        let bytes = value.to_string().len();
        if bytes > most {
            found.add("", format!("has {bytes} bytes; at most {most} are taken"));
            return found.conclude(None);
        }
        found.add_unstorable(value, "");
        let read = Self::read(&Node::root(value), &mut found);
        found.conclude(read)
    }

    /// The kind of step it is for.
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::Reading(_) => StepKind::Reading,
            Self::Video(_) => StepKind::Video,
            Self::Interactive(_) => StepKind::Interactive,
            Self::Coding(_) => StepKind::Coding,
            Self::Quiz(_) => StepKind::Quiz,
            Self::Discussion(_) => StepKind::Discussion,
            Self::Submission(_) => StepKind::Submission,
            Self::Reflection(_) => StepKind::Reflection,
        }
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        if let Some(version) = fields.required("v", found) {
            version.integer(1..=1, found);
        }
        let kind = fields.required("type", found)?.choice(&StepKind::ALL, StepKind::as_str, found)?;
        match kind {
            StepKind::Reading => Some(Self::Reading(Reading::read(&fields, found))),
            StepKind::Video => Video::read(&fields, found).map(Self::Video),
            StepKind::Interactive => Interactive::read(&fields, found).map(Self::Interactive),
            StepKind::Coding => Coding::read(&fields, found).map(Self::Coding),
            StepKind::Quiz => Quiz::read(&fields, found).map(Self::Quiz),
            StepKind::Discussion => Some(Self::Discussion(Discussion::read(&fields, found))),
            StepKind::Submission => Submission::read(&fields, found).map(Self::Submission),
            StepKind::Reflection => Reflection::read(&fields, found).map(Self::Reflection),
        }
    }
}

impl Reading {
    fn read(fields: &Fields, found: &mut Findings) -> Self {
        fields.only(&COMMON, &["requireAck", "minSeconds"], found);
        Self { require_ack: fields.flag("requireAck", found), min_seconds: fields.count("minSeconds", 86_400, found) }
    }
}

impl Video {
    fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        fields.only(&COMMON, &["minWatchedPercent"], found);
        let min_watched_percent = fields.percent("minWatchedPercent", found)?;
        Some(Self { min_watched_percent })
    }
}

impl Interactive {
    fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        fields.only(&COMMON, &["moveOn", "masteryScore"], found);
        let mastery_score = fields.optional("masteryScore").and_then(|node| node.number(Bounds::between(0, 1), found));
        let move_on = fields.required("moveOn", found)?.choice(&MoveOn::ALL, MoveOn::as_str, found)?;
        Some(Self { move_on, mastery_score })
    }
}

impl Coding {
    fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        let own = ["grader", "minTestsPassedPercent", "requiredTests", "languages"];
        fields.only(&COMMON, &own, found);
        let grader = fields.required("grader", found).and_then(|node| {
            let fields = node.fields(found)?;
            fields.only(&["ref", "problemId"], &[], found);
            let grader_ref = fields.required("ref", found).and_then(|node| node.key(found));
            let problem = fields.required("problemId", found);
            grader_ref.zip(problem.and_then(|node| node.uuid(found)))
        });
        let min_tests_passed_percent = fields.percent("minTestsPassedPercent", found);
        // A test without a name can never be reported as passed.
        let required_tests =
            fields.optional("requiredTests").and_then(|tests| tests.list(0..=200, found, Node::visible));
        let languages =
            fields.optional("languages").and_then(|languages| languages.list(0..=usize::MAX, found, Node::key));
        let (grader_ref, problem_id) = grader?;
        Some(Self {
            grader_ref,
            problem_id,
            min_tests_passed_percent: min_tests_passed_percent?,
            required_tests: required_tests.unwrap_or_default(),
            languages: languages.unwrap_or_default(),
        })
    }
}

impl Discussion {
    fn read(fields: &Fields, found: &mut Findings) -> Self {
        let own = ["meetingRequired", "minPosts", "minReplies", "minChars"];
        fields.only(&COMMON, &own, found);
        Self {
            meeting_required: fields.flag("meetingRequired", found),
            min_posts: fields.count("minPosts", 100, found),
            min_replies: fields.count("minReplies", 100, found),
            min_chars: fields.count("minChars", 10_000, found),
        }
    }
}

impl Submission {
    fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        fields.only(&COMMON, &["accept", "review"], found);
        let accept = fields.required("accept", found).and_then(|forms| Accept::read_list(&forms, found));
        let review =
            fields.required("review", found).and_then(|review| review.choice(&Review::ALL, Review::as_str, found));
        Some(Self { accept: accept?, review: review? })
    }
}

impl Reflection {
    fn read(fields: &Fields, found: &mut Findings) -> Option<Self> {
        fields.only(&COMMON, &["minWords", "prompts"], found);
        let prompts = fields.count("prompts", 20, found);
        let min_words = fields.required("minWords", found)?.integer(1..=10_000, found)?;
        Some(Self { min_words, prompts })
    }
}
