//! A rubric: what people grade by.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::numbers::{Bounds, to_json};
use super::reader::Node;
use super::violation::{Findings, child};

const MAX_CRITERIA: usize = 30;
const MAX_LEVELS: usize = 10;
/// Points of one level; a limit of ours, so that sums stay far from what a decimal can hold.
const MAX_POINTS: i64 = 100_000;

/// Decimals of points, as authors write them in levels and as people give them.
pub const MAX_DECIMALS: u32 = 4;

/// The criteria that work is judged by; the grade is the share of all their points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rubric {
    /// 1 to 30.
    pub criteria: Vec<Criterion>,
}

/// One thing to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// Unique within the rubric.
    pub id: String,
    /// What is judged.
    pub title: String,
    /// 2 to 10 points of orientation; a grader may give any points between the least and the most.
    pub levels: Vec<Level>,
}

/// What some points stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// 0 to 100,000.
    pub points: Decimal,
    /// What earns them.
    pub label: String,
}

impl Rubric {
    /// The points of the best work.
    pub fn most(&self) -> Decimal {
        self.criteria.iter().map(Criterion::most).sum()
    }

    /// The sum of points by criterion. A criterion without points counts 0, and points count at most as much as
    /// the criterion has: the rubric may have changed since they were given.
    pub fn sum(&self, points: &BTreeMap<String, Decimal>) -> Decimal {
        let of = |criterion: &Criterion| {
            let given = points.get(&criterion.id).copied().unwrap_or_default();
            given.clamp(Decimal::ZERO, criterion.most())
        };
        self.criteria.iter().map(of).sum()
    }

    /// The criterion with this id.
    pub fn criterion(&self, id: &str) -> Option<&Criterion> {
        self.criteria.iter().find(|criterion| criterion.id == id)
    }

    /// Nothing in it is secret: learners, and peers who review, must know what counts.
    pub fn task(&self) -> Value {
        let level = |level: &Level| json!({"points": to_json(level.points), "label": level.label});
        let criteria = self.criteria.iter().map(|criterion| {
            let levels: Vec<Value> = criterion.levels.iter().map(level).collect();
            json!({"id": criterion.id, "title": criterion.title, "levels": levels})
        });
        json!({ "criteria": criteria.collect::<Vec<Value>>() })
    }

    pub(super) fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["criteria"], &[], found);
        let list = fields.required("criteria", found)?;
        list.distinct(Some("id"), found);
        let criteria = list.list(1..=MAX_CRITERIA, found, Criterion::read)?;
        let rubric = Self { criteria };
        if rubric.most() <= Decimal::ZERO {
            return list.fault("must have a level with points above 0, or nobody can score", found);
        }
        Some(rubric)
    }
}

impl Criterion {
    /// The points of its best level.
    pub fn most(&self) -> Decimal {
        self.levels.iter().map(|level| level.points).max().unwrap_or_default()
    }

    /// The points of its worst level.
    pub fn least(&self) -> Decimal {
        self.levels.iter().map(|level| level.points).min().unwrap_or_default()
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["id", "title", "levels"], &[], found);
        let id = fields.required("id", found).and_then(|node| node.key(found));
        let title = fields.required("title", found).and_then(|node| node.string(found));
        let levels = fields.required("levels", found).and_then(|levels| {
            levels.list(2..=MAX_LEVELS, found, |node, found| {
                let fields = node.fields(found)?;
                fields.only(&["points", "label"], &[], found);
                let points = fields
                    .required("points", found)
                    .and_then(|node| node.number(Bounds::between(0, MAX_POINTS), found));
                if points.is_some_and(|points| points.scale() > MAX_DECIMALS) {
                    found.add(child(&node.pointer, "points"), "must have at most four decimals");
                }
                let label = fields.required("label", found).and_then(|node| node.string(found));
                Some(Level { points: points?, label: label? })
            })
        });
        Some(Self { id: id?, title: title?, levels: levels? })
    }
}
