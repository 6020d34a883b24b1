//! The questions of a quiz, with their keys; a quiz step and a quiz assessment share them.

use rust_decimal::Decimal;

use super::numbers::Bounds;
use super::questions::{ItemKind, Question};
use super::reader::{Fields, Node};
use super::violation::Findings;

const MAX_ITEMS: usize = 200;
const MAX_CHOICES: usize = 26;
/// The fields that every kind of item has.
pub(super) const COMMON: [&str; 6] = ["id", "kind", "prompt", "points", "feedback", "skillTags"];

/// One question. Never to be shown to a learner as it is: it holds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Unique within the document; `^[a-z0-9][a-z0-9_-]{0,63}$`, like all ids of authors.
    pub id: String,
    /// The question as it is put to the learner.
    pub prompt: String,
    /// What a right answer is worth; above 0, at most 1000.
    pub points: Decimal,
    /// Explains the answer, so it is part of the key.
    pub feedback: Option<String>,
    /// The skills it asks for.
    pub skill_tags: Vec<String>,
    /// The kind of question and its key.
    pub question: Question,
}

/// Something to choose, to order or to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Unique within its list.
    pub id: String,
    /// What the learner sees.
    pub text: String,
    /// What to say about this choice afterwards; part of the key.
    pub feedback: Option<String>,
}

impl Item {
    pub(super) fn read_list(node: &Node, found: &mut Findings) -> Option<Vec<Self>> {
        let items = node.list(1..=MAX_ITEMS, found, Self::read);
        node.distinct(Some("id"), found);
        items
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        let id = fields.required("id", found).and_then(|node| node.key(found));
        let prompt = fields.required("prompt", found).and_then(|node| node.string(found));
        let points = fields.required("points", found).and_then(|node| node.number(Bounds::above(0, 1000), found));
        let feedback = fields.optional("feedback").and_then(|node| node.string(found));
        let skill_tags = fields
            .optional("skillTags")
            .map_or(Some(Vec::new()), |tags| tags.list(0..=usize::MAX, found, Node::string));
        let question = fields
            .required("kind", found)
            .and_then(|kind| kind.choice(ItemKind::ALL, ItemKind::as_str, found))
            .and_then(|kind| Question::read(kind, &fields, found));
        Some(Self { id: id?, prompt: prompt?, points: points?, feedback, skill_tags: skill_tags?, question: question? })
    }

    /// The largest share of its points that any answer can get, 0 to 1.
    pub(super) fn best_share(&self) -> Decimal {
        match &self.question {
            Question::MultipleChoice { scoring, .. } => scoring.best_share(),
            _ => Decimal::ONE,
        }
    }
}

pub(super) fn read_choices(fields: &Fields, name: &str, found: &mut Findings) -> Option<Vec<Choice>> {
    let node = fields.required(name, found)?;
    let choices = node.list(2..=MAX_CHOICES, found, |node, found| {
        let fields = node.fields(found)?;
        fields.only(&["id", "text", "feedback"], &[], found);
        let id = fields.required("id", found).and_then(|node| node.key(found));
        let text = fields.required("text", found).and_then(|node| node.string(found));
        let feedback = fields.optional("feedback").and_then(|node| node.string(found));
        Some(Choice { id: id?, text: text?, feedback })
    });
    node.distinct(Some("id"), found);
    choices
}

/// An id that must be among `choices`, when those could be read.
pub(super) fn read_member(node: &Node, choices: Option<&[Choice]>, of: &str, found: &mut Findings) -> Option<String> {
    let id = node.key(found)?;
    if choices.is_some_and(|choices| choices.iter().all(|choice| choice.id != id)) {
        return node.fault(format!("is not the id of {of}"), found);
    }
    Some(id)
}
