//! What a learner answers to the items of a quiz.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use super::items::{Choice, Item, read_member};
use super::numbers::Bounds;
use super::questions::Question;
use super::reader::Node;
use super::violation::{Findings, Violation};

/// The longest answer to a short-text item, in characters.
pub const MAX_ANSWER_CHARS: usize = 2_000;

/// The answer to one item; it may be wrong, but it is one of that item's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a single-choice item: an option.
    Choice(String),
    /// To a multiple-choice item: some options; to an ordering item: options in an order.
    Choices(Vec<String>),
    /// To a true-or-false item.
    Truth(bool),
    /// To a short-text item, as it was typed.
    Text(String),
    /// To a numeric item.
    Number(Decimal),
    /// To a matching item: ids of the left onto ids of the right.
    Pairs(BTreeMap<String, String>),
}

/// Answers by the id of their item. An item that is left out is not answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<String, Answer>);

impl Answers {
    /// Reads `{itemId: value}` strictly against the items. The details of faults never depend on
    /// what is right.
    ///
    /// # Errors
    ///
    /// What is malformed: an id that no item has, a value that is not of the item's kind, an option
    /// that is not there or is named twice. Pointers begin with `pointer`.
    pub fn parse(items: &[Item], value: &Value, pointer: &str) -> Result<Self, Vec<Violation>> {
        let mut found = Findings::default();
        let node = Node { value, pointer: pointer.to_owned() };
        let read = Self::read(items, &node, &mut found);
        found.conclude(read)
    }

    fn read(items: &[Item], node: &Node, found: &mut Findings) -> Option<Self> {
        let mut answers = BTreeMap::new();
        for (id, value) in node.fields(found)?.entries() {
            let Some(item) = items.iter().find(|item| item.id == id) else {
                found.add(value.pointer.as_str(), "is not the id of an item");
                continue;
            };
            if let Some(answer) = Answer::read(&item.question, &value, found) {
                answers.insert(id.to_owned(), answer);
            }
        }
        Some(Self(answers))
    }

    /// The answer to an item, if there is one.
    pub fn get(&self, item: &str) -> Option<&Answer> {
        self.0.get(item)
    }
}

impl Answer {
    fn read(question: &Question, node: &Node, found: &mut Findings) -> Option<Self> {
        match question {
            Question::SingleChoice { options, .. } => {
                read_member(node, Some(options), "an option", found).map(Self::Choice)
            }
            Question::MultipleChoice { options, .. } | Question::Ordering { options, .. } => {
                node.distinct(None, found);
                node.list(0..=options.len(), found, |node, found| read_member(node, Some(options), "an option", found))
                    .map(Self::Choices)
            }
            Question::TrueFalse { .. } => node.boolean(found).map(Self::Truth),
            Question::ShortText { .. } => {
                let text = node.str(found)?;
                if text.chars().count() > MAX_ANSWER_CHARS {
                    return node.fault(format!("must have at most {MAX_ANSWER_CHARS} characters"), found);
                }
                Some(Self::Text(text.to_owned()))
            }
            Question::Numeric { .. } => node.measure(Bounds::ANY, found).map(Self::Number),
            Question::Matching { left, right, .. } => read_pairs(node, left, right, found).map(Self::Pairs),
        }
    }
}

fn read_pairs(
    node: &Node,
    left: &[Choice],
    right: &[Choice],
    found: &mut Findings,
) -> Option<BTreeMap<String, String>> {
    let mut pairs = Some(BTreeMap::new());
    for (id, value) in node.fields(found)?.entries() {
        if left.iter().all(|choice| choice.id != id) {
            found.add(value.pointer.as_str(), "is not the id of one on the left");
        }
        let partner = read_member(&value, Some(right), "one on the right", found);
        pairs = pairs.zip(partner).map(|(mut pairs, partner)| {
            pairs.insert(id.to_owned(), partner);
            pairs
        });
    }
    pairs
}
