//! Holds a learner's claim against the criteria and against what the server itself knows.
//!
//! Every check is monotone: claiming more, or waiting longer, never un-meets anything.

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::claims::Claim;
use super::numbers::{exact, to_json};
use super::step_kind::StepKind;
use super::validation::{Discussion, Interactive, MoveOn, Reading, Reflection, ValidationCriteria, Video};

/// What the server knows by itself, and caps claims with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Whole seconds since the step was started, by the server's clock; negative counts as 0.
    pub elapsed_seconds: i64,
    /// The length of the video in seconds; unknown, or not above 0, means that a claim is not capped.
    pub video_duration_seconds: Option<Decimal>,
    /// How many seconds of video can be watched in one second; negative counts as 0.
    pub max_playback_rate: Decimal,
}

impl Observed {
    /// The length of the video as a step's content gives it: `durationSeconds`, when that is a
    /// number above 0.
    pub fn video_duration(content: &Value) -> Option<Decimal> {
        let duration = content.get("durationSeconds")?.as_number()?;
        exact(duration).filter(|seconds| *seconds > Decimal::ZERO)
    }

    fn elapsed(&self) -> Decimal {
        Decimal::from(self.elapsed_seconds.max(0))
    }

    /// How much of the video can have been watched by now. None is no cap; that is also what comes
    /// of numbers too large to compute with, since they are far beyond any video.
    fn watchable_percent(&self) -> Option<Decimal> {
        let duration = self.video_duration_seconds.filter(|seconds| *seconds > Decimal::ZERO)?;
        self.elapsed()
            .checked_mul(self.max_playback_rate.max(Decimal::ZERO))?
            .checked_mul(Decimal::ONE_HUNDRED)?
            .checked_div(duration)
    }
}

/// One thing that is still missing, for the learner to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The criterion: a field of the criteria such as `minSeconds`, or what an activity must report
    /// (`completed`, `passed`, `completedOrPassed`); `notCheckable` when a claim cannot decide.
    pub code: &'static str,
    /// A JSON pointer into `submissionData`, such as `/seconds`.
    pub pointer: String,
    /// A sentence that says what to do.
    pub detail: String,
    /// What counts so far, in the unit of the criterion, cut to two decimals; null when nothing was
    /// said.
    pub current: Value,
    /// What is needed, in the same unit.
    pub target: Value,
}

impl ValidationCriteria {
    /// Whether a result from outside decides: a grader's, or that of a meeting. The learner's word
    /// counts nothing then.
    pub const fn awaits_result(&self) -> bool {
        match self {
            Self::Coding(_) => true,
            Self::Discussion(discussion) => discussion.meeting_required,
            _ => false,
        }
    }

    /// Compares a claim with what is asked.
    ///
    /// # Errors
    ///
    /// What is missing, never empty. What this function cannot decide is missing as well: a quiz,
    /// which is to be scored; criteria that [await a result](Self::awaits_result); a claim about
    /// another kind of step.
    pub fn check(&self, claim: &Claim, observed: &Observed) -> Result<(), Vec<Unmet>> {
        let mut unmet = Vec::new();
        match (self, claim) {
            (Self::Reading(asked), Claim::Reading { acknowledged, seconds }) => {
                check_reading(asked, *acknowledged, *seconds, observed, &mut unmet);
            }
            (Self::Video(asked), Claim::Video { watched_percent }) => {
                check_video(asked, *watched_percent, observed, &mut unmet);
            }
            (Self::Interactive(asked), Claim::Interactive { completed, passed, score }) => {
                check_interactive(asked, *completed, *passed, *score, &mut unmet);
            }
            (Self::Discussion(asked), Claim::Discussion { posts, replies, text }) => {
                check_discussion(asked, *posts, *replies, text, &mut unmet);
            }
            (Self::Reflection(asked), Claim::Reflection { text }) => {
                check_reflection(asked, text, &mut unmet);
            }
            (Self::Submission(asked), Claim::Submission(work)) => unmet = work.check(&asked.accept),
            _ => unmet.push(self.undecided(claim.kind())),
        }
        if unmet.is_empty() { Ok(()) } else { Err(unmet) }
    }

    fn undecided(&self, claimed: StepKind) -> Unmet {
        let asked = self.kind();
        Unmet {
            code: "notCheckable",
            pointer: String::new(),
            detail: if asked == claimed {
                format!("A {asked} step is not completed by saying so.")
            } else {
                format!("This is a {asked} step; what was sent is about a {claimed} step.")
            },
            current: Value::from(claimed.as_str()),
            target: Value::from(asked.as_str()),
        }
    }
}

fn check_reading(asked: &Reading, acknowledged: bool, claimed: Decimal, observed: &Observed, unmet: &mut Vec<Unmet>) {
    if asked.require_ack && !acknowledged {
        unmet.push(not_said("requireAck", "/acknowledged", "Confirm that you have read the text."));
    }
    let Some(target) = asked.min_seconds else {
        return;
    };
    let spent = claimed.min(observed.elapsed());
    if spent < Decimal::from(target) {
        let current = shown(spent);
        let detail = if claimed > spent {
            format!(
                "Take at least {target} seconds for the text; only {current} have passed since the \
                 step was started."
            )
        } else {
            format!("Take at least {target} seconds for the text; so far it is {current}.")
        };
        unmet.push(Unmet {
            code: "minSeconds",
            pointer: "/seconds".to_owned(),
            detail,
            current,
            target: Value::from(target),
        });
    }
}

fn check_video(asked: &Video, claimed: Decimal, observed: &Observed, unmet: &mut Vec<Unmet>) {
    let watchable = observed.watchable_percent();
    let watched = watchable.map_or(claimed, |most| claimed.min(most));
    if watched < asked.min_watched_percent {
        let (current, target) = (shown(watched), to_json(asked.min_watched_percent));
        let detail = if claimed > watched {
            format!(
                "Watch at least {target} % of the video; in the time since the step was started it \
                 cannot be more than {current} %."
            )
        } else {
            format!("Watch at least {target} % of the video; so far it is {current} %.")
        };
        unmet.push(Unmet { code: "minWatchedPercent", pointer: "/watchedPercent".to_owned(), detail, current, target });
    }
}

fn check_interactive(
    asked: &Interactive,
    completed: bool,
    passed: bool,
    score: Option<Decimal>,
    unmet: &mut Vec<Unmet>,
) {
    let too_low = asked.mastery_score.filter(|mastery| score.is_none_or(|score| score < *mastery));
    let mastered = passed && too_low.is_none();
    let met = match asked.move_on {
        MoveOn::Completed => completed,
        MoveOn::Passed => mastered,
        MoveOn::CompletedAndPassed => completed && mastered,
        MoveOn::CompletedOrPassed => completed || mastered,
        MoveOn::NotApplicable => true,
    };
    if met {
        return;
    }
    let either = asked.move_on == MoveOn::CompletedOrPassed;
    if either && !passed {
        unmet.push(not_said("completedOrPassed", "/completed", "Finish the activity, or pass it."));
        return;
    }
    let needs_completed = matches!(asked.move_on, MoveOn::Completed | MoveOn::CompletedAndPassed);
    if needs_completed && !completed {
        unmet.push(not_said("completed", "/completed", "Finish the activity."));
    }
    if asked.move_on == MoveOn::Completed {
        return;
    }
    if !passed {
        unmet.push(not_said("passed", "/passed", "Pass the activity."));
    }
    if let Some(mastery) = too_low {
        let current = score.map_or(Value::Null, shown);
        let target = to_json(mastery);
        let detail = if either {
            format!("Finish the activity, or reach a score of at least {target}.")
        } else {
            format!("Reach a score of at least {target} in the activity.")
        };
        unmet.push(Unmet { code: "masteryScore", pointer: "/score".to_owned(), detail, current, target });
    }
}

fn check_discussion(asked: &Discussion, posts: u32, replies: u32, text: &str, unmet: &mut Vec<Unmet>) {
    if asked.meeting_required {
        unmet.push(not_said(
            "meetingRequired",
            "",
            "Take part in the meeting; the step is completed when its result arrives.",
        ));
    }
    // White space around the text is no contribution.
    let chars = text.trim().chars().count();
    at_least("minPosts", "/posts", "posts", posts as usize, asked.min_posts, unmet);
    at_least("minReplies", "/replies", "replies", replies as usize, asked.min_replies, unmet);
    at_least("minChars", "/text", "characters", chars, asked.min_chars, unmet);
}

fn check_reflection(asked: &Reflection, text: &str, unmet: &mut Vec<Unmet>) {
    let minimum = Some(asked.min_words);
    at_least("minWords", "/text", "words", words(text), minimum, unmet);
}

/// Words are what white space separates, as far as a letter or digit is in it: a row of dashes is
/// none. A script without spaces counts as few words, which authors must allow for.
fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

fn at_least(
    code: &'static str,
    pointer: &str,
    unit: &str,
    current: usize,
    minimum: Option<u32>,
    unmet: &mut Vec<Unmet>,
) {
    let Some(target) = minimum.filter(|target| current < *target as usize) else {
        return;
    };
    unmet.push(Unmet {
        code,
        pointer: pointer.to_owned(),
        detail: format!("Write at least {target} {unit}; so far it is {current}."),
        current: Value::from(current),
        target: Value::from(target),
    });
}

/// Something that is true or not, and is not.
fn not_said(code: &'static str, pointer: &str, detail: &str) -> Unmet {
    Unmet {
        code,
        pointer: pointer.to_owned(),
        detail: detail.to_owned(),
        current: Value::Bool(false),
        target: Value::Bool(true),
    }
}

/// Cut, not rounded: 89.999 of 90 must not read as 90.
pub(super) fn shown(number: Decimal) -> Value {
    to_json(number.round_dp_with_strategy(2, RoundingStrategy::ToZero))
}
