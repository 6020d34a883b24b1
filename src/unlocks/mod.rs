//! Availability: which quests a learner may start, what is missing for the others, and the moment
//! in which a quest opens. Prerequisites and the criteria of published learning paths gate; one
//! evaluator serves start, explanation, lists, the learner's picture and the background jobs.

pub mod evaluate;
pub mod model;
mod record;
pub mod reevaluate;
mod service;

pub use model::{Availability, Eligibility, Gated, My, Unlocked, Verdict};
pub use record::{Because, record};
pub use service::{Judgement, Trigger, explain, gate, judge_after, judge_quests, my, view};
