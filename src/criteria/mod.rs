//! The JSON grammars of criteria as types: strict parsing, cross-field rules, what a learner may see.
//!
//! Pure and at the lowest floor: no IO, no clock, nothing of the other modules. A document is read
//! once by the `parse` of its type; there is deliberately no `Deserialize`, which would be a second,
//! laxer way in and could not name every fault with its pointer.
//!
//! What the grammar means by "integer" is what JSON Schema means: `60.0` is the integer 60. Numbers
//! become decimals, exactly as their shortest text says; one that a decimal cannot hold exactly
//! (96 bits, at most 28 places) is refused rather than rounded.

mod accept;
mod answers;
mod assessment;
mod assessment_kind;
mod check;
mod claims;
mod coding;
mod items;
mod links;
mod names;
mod normalize;
mod numbers;
mod passing;
mod questions;
mod quiz;
mod reader;
mod rubric;
mod scoring;
mod step_kind;
mod task;
mod unlock;
mod validation;
mod violation;
mod work;

pub use accept::Accept;
pub use answers::{Answer, Answers, MAX_ANSWER_CHARS};
pub use assessment::{
    Aggregate, AssessmentConfiguration, AutoGraded, FeedbackPolicy, Form, Keep, Late, MAX_ASSESSMENT_BYTES, Peer, Per,
    Pool, QuizForm, ShowAnswers, ShowScore, Tries, solution,
};
pub use assessment_kind::AssessmentKind;
pub use check::{Observed, Unmet};
pub use claims::{Claim, MAX_CLAIM_SECONDS, MAX_CLAIM_TEXT_CHARS};
pub use coding::{ACCEPTED, CodingResult};
pub use items::{Choice, Item};
pub use links::MAX_URL_BYTES;
pub use normalize::normalized;
pub use numbers::{number, number_option, to_json as json_number};
pub use passing::{OnFail, PassLeaf, PassRule, PassingCriteria, read_assessment};
pub use questions::{ItemKind, Normalize, Question, Tolerance};
pub use quiz::Quiz;
pub use rubric::{Criterion, Level, MAX_DECIMALS, Rubric};
pub use scoring::{OrderScoring, Scoring};
pub use step_kind::StepKind;
pub use unlock::{Condition, LockedView, MAX_DEPTH, MAX_NODES, MAX_UNLOCK_BYTES, Try, UnlockCriteria, Window, XpScope};
pub use validation::{
    Coding, Discussion, Interactive, MAX_BYTES, MAX_QUIZ_BYTES, MoveOn, Reading, Reflection, Review, Submission,
    ValidationCriteria, Video,
};
pub use violation::Violation;
pub use work::{MAX_FILES, Work, WorkFile};
