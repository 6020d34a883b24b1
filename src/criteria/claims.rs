//! What a learner says was done, as it comes with a completion.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::numbers::{Bounds, PERCENT};
use super::reader::{Fields, Node};
use super::step_kind::StepKind;
use super::violation::{Findings, Violation};
use super::work::Work;

/// The longest time that can be claimed, in seconds: a year.
pub const MAX_CLAIM_SECONDS: u32 = 31_536_000;
/// The longest text, in characters: the longest reflection that can be asked for, with room.
pub const MAX_CLAIM_TEXT_CHARS: usize = 200_000;

const MAX_MESSAGES: u32 = 10_000;

/// A learner's word for a step, not yet believed. Whatever is left out counts as nothing done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A text was read.
    Reading {
        /// The learner says so.
        acknowledged: bool,
        /// Seconds spent, at least 0; fractions are fine.
        seconds: Decimal,
    },
    /// A video was watched.
    Video {
        /// Percent of its length, 0 to 100.
        watched_percent: Decimal,
    },
    /// An activity was worked through.
    Interactive {
        /// To its end.
        completed: bool,
        /// Successfully.
        passed: bool,
        /// The score it gave, 0 to 1.
        score: Option<Decimal>,
    },
    /// Something was said.
    Discussion {
        /// Posts written.
        posts: u32,
        /// Replies written.
        replies: u32,
        /// The contribution itself.
        text: String,
    },
    /// Something was thought.
    Reflection {
        /// The thoughts.
        text: String,
    },
    /// Questions were answered.
    Quiz {
        /// Item id to answer, as they came: what fits an item, the quiz must say
        /// ([`Answers::parse`](super::Answers::parse)).
        answers: Value,
    },
    /// Something was handed in.
    Submission(Work),
    /// A problem was solved; a learner's word for that says nothing.
    Coding,
}

impl Claim {
    /// Reads the `submissionData` of a completion strictly. None and JSON null are an empty claim.
    ///
    /// # Errors
    ///
    /// What is malformed: a field that is not of this kind of step, a wrong type (null too), a
    /// number that is negative or out of range, a text that is too long. Such a call is no try.
    pub fn parse(kind: StepKind, value: Option<&Value>) -> Result<Self, Vec<Violation>> {
        let mut found = Findings::default();
        let empty = Value::Object(Map::new());
        let value = value.filter(|value| !value.is_null()).unwrap_or(&empty);
        found.add_unstorable(value, "");
        let read = Self::read(kind, &Node::root(value), &mut found);
        found.conclude(read)
    }

    /// The kind of step it is about.
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::Reading { .. } => StepKind::Reading,
            Self::Video { .. } => StepKind::Video,
            Self::Interactive { .. } => StepKind::Interactive,
            Self::Discussion { .. } => StepKind::Discussion,
            Self::Reflection { .. } => StepKind::Reflection,
            Self::Quiz { .. } => StepKind::Quiz,
            Self::Submission(_) => StepKind::Submission,
            Self::Coding => StepKind::Coding,
        }
    }

    fn read(kind: StepKind, node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        let claim = match kind {
            StepKind::Reading => {
                fields.only(&["acknowledged", "seconds"], &[], found);
                let most = Bounds::between(0, i64::from(MAX_CLAIM_SECONDS));
                Self::Reading {
                    acknowledged: fields.flag("acknowledged", found),
                    seconds: measured(&fields, "seconds", most, found).unwrap_or_default(),
                }
            }
            StepKind::Video => {
                fields.only(&["watchedPercent"], &[], found);
                let watched = measured(&fields, "watchedPercent", PERCENT, found);
                Self::Video { watched_percent: watched.unwrap_or_default() }
            }
            StepKind::Interactive => {
                fields.only(&["completed", "passed", "score"], &[], found);
                Self::Interactive {
                    completed: fields.flag("completed", found),
                    passed: fields.flag("passed", found),
                    score: measured(&fields, "score", Bounds::between(0, 1), found),
                }
            }
            StepKind::Discussion => {
                fields.only(&["posts", "replies", "text"], &[], found);
                Self::Discussion {
                    posts: counted(&fields, "posts", found),
                    replies: counted(&fields, "replies", found),
                    text: written(&fields, found),
                }
            }
            StepKind::Reflection => {
                fields.only(&["text"], &[], found);
                Self::Reflection { text: written(&fields, found) }
            }
            StepKind::Quiz => {
                fields.only(&["answers"], &[], found);
                let answers = fields.optional("answers").filter(|node| node.fields(found).is_some());
                Self::Quiz { answers: answers.map_or_else(|| json!({}), |node| node.value.clone()) }
            }
            StepKind::Submission => Self::Submission(Work::read(&fields, found)),
            StepKind::Coding => Self::Coding,
        };
        Some(claim)
    }
}

fn counted(fields: &Fields, name: &str, found: &mut Findings) -> u32 {
    let node = fields.optional(name);
    node.and_then(|node| node.integer(0..=MAX_MESSAGES, found)).unwrap_or_default()
}

fn measured(fields: &Fields, name: &str, bounds: Bounds, found: &mut Findings) -> Option<Decimal> {
    fields.optional(name)?.measure(bounds, found)
}

fn written(fields: &Fields, found: &mut Findings) -> String {
    let text = fields.optional("text").and_then(|node| {
        let text = node.str(found)?;
        if text.chars().count() > MAX_CLAIM_TEXT_CHARS {
            let detail = format!("must have at most {MAX_CLAIM_TEXT_CHARS} characters");
            return node.fault(detail, found);
        }
        Some(text.to_owned())
    });
    text.unwrap_or_default()
}
