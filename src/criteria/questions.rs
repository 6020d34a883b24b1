//! The kinds of question, and the key of each.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::items::{COMMON, Choice, read_choices, read_member};
use super::names::names;
use super::normalize::normalized;
use super::numbers::Bounds;
use super::reader::{Fields, KEY_DETAIL, Node, is_key};
use super::scoring::{OrderScoring, Scoring};
use super::violation::Findings;

const MAX_ACCEPTED_TEXTS: usize = 32;

/// What is asked, and what the right answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the fields are those of the grammar
pub enum Question {
    /// One of the options is right.
    SingleChoice { options: Vec<Choice>, correct: String },
    /// Some of the options, at least one, are right.
    MultipleChoice { options: Vec<Choice>, correct: Vec<String>, scoring: Scoring },
    /// The prompt is right or wrong.
    TrueFalse { correct: bool },
    /// A text that equals one of some texts, after both were normalised.
    ShortText { accept: Vec<String>, normalize: Vec<Normalize> },
    /// A number near the value.
    Numeric { value: Decimal, tolerance: Option<Tolerance> },
    /// `correct` lists all the options in the right order.
    Ordering { options: Vec<Choice>, correct: Vec<String>, scoring: OrderScoring },
    /// `pairs` maps ids of the left onto ids of the right; several may share one on the right.
    Matching { left: Vec<Choice>, right: Vec<Choice>, pairs: BTreeMap<String, String> },
}

/// How far off a number may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// In the unit of the value; at least 0.
    Abs(Decimal),
    /// As a share of the value, 0 to 1.
    Rel(Decimal),
}

names! {
    /// What is done to a short text, and to the accepted ones, before they are compared.
    Normalize { Trim = "trim", Casefold = "casefold", CollapseWs = "collapseWs", StripPunct = "stripPunct" }
}

names! {
    /// The kinds of question.
    ItemKind {
        SingleChoice = "singleChoice",
        MultipleChoice = "multipleChoice",
        TrueFalse = "trueFalse",
        ShortText = "shortText",
        Numeric = "numeric",
        Ordering = "ordering",
        Matching = "matching",
    }
}

impl Question {
    /// Its kind.
    pub const fn kind(&self) -> ItemKind {
        match self {
            Self::SingleChoice { .. } => ItemKind::SingleChoice,
            Self::MultipleChoice { .. } => ItemKind::MultipleChoice,
            Self::TrueFalse { .. } => ItemKind::TrueFalse,
            Self::ShortText { .. } => ItemKind::ShortText,
            Self::Numeric { .. } => ItemKind::Numeric,
            Self::Ordering { .. } => ItemKind::Ordering,
            Self::Matching { .. } => ItemKind::Matching,
        }
    }

    pub(super) fn read(kind: ItemKind, fields: &Fields, found: &mut Findings) -> Option<Self> {
        match kind {
            ItemKind::SingleChoice => {
                fields.only(&COMMON, &["options", "correct"], found);
                let options = read_choices(fields, "options", found);
                let correct = fields
                    .required("correct", found)
                    .and_then(|node| read_member(&node, options.as_deref(), "an option", found));
                Some(Self::SingleChoice { options: options?, correct: correct? })
            }
            ItemKind::MultipleChoice => {
                fields.only(&COMMON, &["options", "correct", "scoring"], found);
                let options = read_choices(fields, "options", found);
                let correct = read_members(fields, options.as_deref(), found);
                let scoring =
                    fields.required("scoring", found).and_then(|node| Scoring::read(&node, options.as_deref(), found));
                Some(Self::MultipleChoice { options: options?, correct: correct?, scoring: scoring? })
            }
            ItemKind::TrueFalse => {
                fields.only(&COMMON, &["correct"], found);
                let correct = fields.required("correct", found)?.boolean(found)?;
                Some(Self::TrueFalse { correct })
            }
            ItemKind::ShortText => read_short_text(fields, found),
            ItemKind::Numeric => {
                fields.only(&COMMON, &["value", "tolerance"], found);
                let tolerance = fields.optional("tolerance").and_then(|node| Tolerance::read(&node, found));
                let value = fields.required("value", found)?.number(Bounds::ANY, found)?;
                Some(Self::Numeric { value, tolerance })
            }
            ItemKind::Ordering => read_ordering(fields, found),
            ItemKind::Matching => read_matching(fields, found),
        }
    }
}

impl Tolerance {
    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["abs", "rel"], &[], found);
        match (fields.optional("abs"), fields.optional("rel")) {
            (Some(abs), None) => abs.number(Bounds::at_least(0), found).map(Self::Abs),
            (None, Some(rel)) => rel.number(Bounds::between(0, 1), found).map(Self::Rel),
            _ => node.fault("must have either abs or rel", found),
        }
    }
}

/// The field `correct` where it is a list of options.
fn read_members(fields: &Fields, options: Option<&[Choice]>, found: &mut Findings) -> Option<Vec<String>> {
    let node = fields.required("correct", found)?;
    node.distinct(None, found);
    node.list(1..=usize::MAX, found, |node, found| read_member(node, options, "an option", found))
}

fn read_ordering(fields: &Fields, found: &mut Findings) -> Option<Question> {
    fields.only(&COMMON, &["options", "correct", "scoring"], found);
    let options = read_choices(fields, "options", found);
    let correct = read_members(fields, options.as_deref(), found);
    let scoring = fields.required("scoring", found).and_then(|node| OrderScoring::read(&node, found));
    let (options, correct) = (options?, correct?);
    if let Some(left_out) = options.iter().find(|option| !correct.contains(&option.id)) {
        let node = fields.required("correct", found)?;
        return node.fault(format!("must order all options; {} is left out", left_out.id), found);
    }
    Some(Question::Ordering { options, correct, scoring: scoring? })
}

fn read_matching(fields: &Fields, found: &mut Findings) -> Option<Question> {
    fields.only(&COMMON, &["left", "right", "pairs"], found);
    let left = read_choices(fields, "left", found);
    let right = read_choices(fields, "right", found);
    let node = fields.required("pairs", found)?;
    let entries = node.fields(found)?;
    if entries.is_empty() {
        return node.fault("must have at least one pair", found);
    }
    let mut pairs = Some(BTreeMap::new());
    for (id, value) in entries.entries() {
        if !is_key(id) {
            found.add(value.pointer.as_str(), format!("has a name that {KEY_DETAIL}"));
        } else if left.as_ref().is_some_and(|left| left.iter().all(|choice| choice.id != id)) {
            found.add(value.pointer.as_str(), "is not the id of one on the left");
        }
        let partner = read_member(&value, right.as_deref(), "one on the right", found);
        pairs = pairs.zip(partner).map(|(mut pairs, partner)| {
            pairs.insert(id.to_owned(), partner);
            pairs
        });
    }
    Some(Question::Matching { left: left?, right: right?, pairs: pairs? })
}

fn read_short_text(fields: &Fields, found: &mut Findings) -> Option<Question> {
    fields.only(&COMMON, &["accept", "normalize"], found);
    let normalize = fields.optional("normalize").map_or(Some(Vec::new()), |node| {
        node.distinct(None, found);
        node.list(0..=usize::MAX, found, |node, found| node.choice(Normalize::ALL, Normalize::as_str, found))
    });
    let steps = normalize.clone().unwrap_or_default();
    let accept = fields.required("accept", found)?;
    let accept = accept.list(1..=MAX_ACCEPTED_TEXTS, found, |node, found| {
        let text = node.str(found)?;
        // Nothing would be left of it, and an empty answer would be right.
        if normalized(text, &steps).is_empty() {
            return node.fault("is empty once normalised: it would accept no answer", found);
        }
        Some(text.to_owned())
    });
    Some(Question::ShortText { accept: accept?, normalize: normalize? })
}
