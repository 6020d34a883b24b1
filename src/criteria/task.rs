//! What a learner may see of the criteria: the task, without its key.
//!
//! Everything that is shown is named here one by one, so a field that the grammar gains later stays
//! secret until somebody decides otherwise.

use serde_json::{Map, Value, json};

use super::accept::Accept;
use super::items::{Choice, Item};
use super::numbers::to_json;
use super::questions::Question;
use super::validation::ValidationCriteria;

impl ValidationCriteria {
    /// The task in the naming of the criteria: what to do and how much of it, and the questions
    /// without what is right, how many are, or how an answer is scored. It does not depend on the
    /// key in any way.
    pub fn task(&self) -> Value {
        let mut task = Map::new();
        task.insert("type".to_owned(), Value::from(self.kind().as_str()));
        let mut show = |name: &str, value: Value| {
            if !value.is_null() {
                task.insert(name.to_owned(), value);
            }
        };
        match self {
            Self::Reading(reading) => {
                show("requireAck", Value::from(reading.require_ack));
                show("minSeconds", Value::from(reading.min_seconds));
            }
            Self::Video(video) => show("minWatchedPercent", to_json(video.min_watched_percent)),
            Self::Interactive(activity) => {
                show("moveOn", Value::from(activity.move_on.as_str()));
                show("masteryScore", activity.mastery_score.map_or(Value::Null, to_json));
            }
            Self::Coding(coding) => {
                // The learner needs both to find the problem; neither says anything about its tests.
                show("grader", json!({"ref": coding.grader_ref, "problemId": coding.problem_id}));
                let percent = to_json(coding.min_tests_passed_percent);
                show("minTestsPassedPercent", percent);
                if !coding.languages.is_empty() {
                    show("languages", Value::from(coding.languages.clone()));
                }
            }
            Self::Quiz(quiz) => {
                show("items", quiz.items.iter().map(|item| item_task(item, None)).collect());
                show("minPercent", to_json(quiz.min_percent));
                show("maxAttempts", Value::from(quiz.max_attempts));
                show("cooldownSeconds", Value::from(quiz.cooldown_seconds));
            }
            Self::Discussion(discussion) => {
                show("meetingRequired", Value::from(discussion.meeting_required));
                show("minPosts", Value::from(discussion.min_posts));
                show("minReplies", Value::from(discussion.min_replies));
                show("minChars", Value::from(discussion.min_chars));
            }
            Self::Submission(submission) => {
                let forms = submission.accept.iter().map(Accept::task);
                show("accept", forms.collect());
                show("review", Value::from(submission.review.as_str()));
            }
            Self::Reflection(reflection) => {
                show("minWords", Value::from(reflection.min_words));
                show("prompts", Value::from(reflection.prompts));
            }
        }
        Value::Object(task)
    }
}

/// A question without its key. With a seed, its options come in an order that follows from the seed.
pub(super) fn item_task(item: &Item, seed: Option<&str>) -> Value {
    let mut task = json!({
        "id": item.id,
        "kind": item.question.kind().as_str(),
        "prompt": item.prompt,
        "points": to_json(item.points),
    });
    let mix = |side: &str, choices: &[Choice]| mixed(&[seed.unwrap_or_default(), &item.id, side], choices);
    match &item.question {
        // Without a seed in the author's order: "none of the above" stays below.
        Question::SingleChoice { options, .. } | Question::MultipleChoice { options, .. } => {
            task["options"] = match seed {
                None => options.iter().map(choice_task).collect(),
                Some(_) => mix("options", options),
            };
        }
        Question::Ordering { options, .. } => {
            task["options"] = mix("options", options);
        }
        // Mixing one side is enough to take the pairs apart.
        Question::Matching { left, right, .. } => {
            task["left"] = left.iter().map(choice_task).collect();
            task["right"] = mix("right", right);
        }
        Question::TrueFalse { .. } | Question::ShortText { .. } | Question::Numeric { .. } => {}
    }
    task
}

fn choice_task(choice: &Choice) -> Value {
    json!({"id": choice.id, "text": choice.text})
}

/// The choices in an order that follows from ids and a seed alone, the same each time. Authors write down
/// the right order, and often number the ids by it: neither their order nor that of the ids will do.
fn mixed(of: &[&str], choices: &[Choice]) -> Value {
    let mut choices: Vec<_> = choices.iter().collect();
    choices.sort_by_cached_key(|choice| (scatter(&[of, &[choice.id.as_str()]].concat()), &choice.id));
    choices.into_iter().map(choice_task).collect()
}

/// A hash that is the same in every process and version (FNV-1a and a finaliser that spreads the
/// last letters over all bits). It hides nothing; it only has nothing to do with the order of ids.
pub(super) fn scatter(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_ids_do_not_come_in_their_order() {
        let in_order = (0..100)
            .filter(|item| {
                let key = |n: u32| scatter(&[&format!("q{item}"), "options", &format!("s{n}")]);
                (1..5).all(|n| key(n) < key(n + 1))
            })
            .count();
        // By chance 1 in 120 does.
        assert!(in_order < 6, "{in_order} of 100 items show their order");
    }

    #[test]
    fn the_two_sides_of_a_matching_are_mixed_differently_from_each_other_and_per_item() {
        assert_ne!(scatter(&["q1", "options", "a"]), scatter(&["q1", "right", "a"]));
        assert_ne!(scatter(&["q1", "right", "a"]), scatter(&["q2", "right", "a"]));
    }
}
