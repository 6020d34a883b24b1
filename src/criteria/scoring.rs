//! How the answer to one item turns into a share of its points.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::items::Choice;
use super::numbers::Bounds;
use super::reader::{KEY_DETAIL, Node, is_key};
use super::violation::Findings;

/// How a multiple-choice answer is scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scoring {
    /// All points for exactly the correct options, none otherwise.
    Match,
    /// The sum of the values of the chosen options, clamped, times the points.
    Map {
        /// Option id to its value, -1 to 1; an option that is not in it counts 0.
        map: BTreeMap<String, Decimal>,
        /// The least share of the points, -1 to 0; 0 when left out.
        lower: Decimal,
        /// The largest share of the points, above 0 to 1; 1 when left out.
        upper: Decimal,
    },
}

/// How an answer to an ordering item is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderScoring {
    /// All points for the correct order, none otherwise.
    Match,
    /// The share of neighbours in the correct order that are neighbours, in that order, in the
    /// answer.
    AdjacentPairs,
}

#[derive(Clone, Copy)]
enum Rule {
    Match,
    Map,
}

impl Rule {
    const ALL: [Self; 2] = [Self::Match, Self::Map];

    fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Map => "map",
        }
    }
}

impl Scoring {
    /// `options` is left out when they could not be read themselves.
    pub(super) fn read(node: &Node, options: Option<&[Choice]>, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        let rule = fields.required("rule", found)?.choice(&Rule::ALL, Rule::as_str, found)?;
        if let Rule::Match = rule {
            fields.only(&["rule"], &[], found);
            return Some(Self::Match);
        }
        fields.only(&["rule"], &["map", "lower", "upper"], found);
        let lower =
            fields.optional("lower").map_or(Some(Decimal::ZERO), |node| node.number(Bounds::between(-1, 0), found));
        let upper = fields.optional("upper").map_or(Some(Decimal::ONE), |node| node.number(Bounds::above(0, 1), found));
        let map = fields.required("map", found).and_then(|node| read_map(&node, options, found));
        Some(Self::Map { map: map?, lower: lower?, upper: upper? })
    }

    /// The largest share of the points that any answer can get, 0 to 1.
    pub(super) fn best_share(&self) -> Decimal {
        match self {
            Self::Match => Decimal::ONE,
            Self::Map { map, upper, .. } => {
                let positive = map.values().filter(|value| **value > Decimal::ZERO);
                positive.sum::<Decimal>().min(*upper)
            }
        }
    }
}

impl OrderScoring {
    const ALL: [Self; 2] = [Self::Match, Self::AdjacentPairs];

    fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::AdjacentPairs => "adjacentPairs",
        }
    }

    pub(super) fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["rule"], &[], found);
        fields.required("rule", found)?.choice(&Self::ALL, Self::as_str, found)
    }
}

fn read_map(node: &Node, options: Option<&[Choice]>, found: &mut Findings) -> Option<BTreeMap<String, Decimal>> {
    let fields = node.fields(found)?;
    if fields.is_empty() {
        return node.fault("must value at least one option", found);
    }
    let mut complete = true;
    let mut map = BTreeMap::new();
    for (id, value) in fields.entries() {
        if !is_key(id) {
            found.add(value.pointer.as_str(), format!("has a name that {KEY_DETAIL}"));
        } else if options.is_some_and(|options| options.iter().all(|option| option.id != id)) {
            found.add(value.pointer.as_str(), "is not the id of an option");
        }
        match value.number(Bounds::between(-1, 1), found) {
            Some(value) => {
                map.insert(id.to_owned(), value);
            }
            None => complete = false,
        }
    }
    if !complete {
        return None;
    }
    if map.values().all(|value| *value <= Decimal::ZERO) {
        return node.fault("must give at least one option a value above 0, or nobody can score", found);
    }
    Some(map)
}
