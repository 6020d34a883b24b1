//! The map of a learning path: its quests, chapters and prerequisites as JSON, and drawn as SVG.
//!
//! The drawing is pure: the same graph gives the same bytes. Quests are laid out in layers from left
//! to right, chapters are vertical bands in their sequence, and a quest stays inside its band.
//!
//! The layout is our own, because no crate of November 2026 fits. What we need is to *give* each band
//! its columns; a general Sugiyama crate ranks the whole graph itself. `rust-sugiyama` 0.4 (one release
//! a year) and `layout-rs` 0.1.3 (draws its own SVG, last release in April 2025) take no ranks from
//! outside; `dagre` 0.1.2 puts several clusters into one column; `ascii-dag` 0.11 counts in terminal
//! cells and changes its API monthly; `dugong` 0.9 is open enough to be fed with ranks, but its own
//! README says that it is an implementation detail of Mermaid, "not a separately supported surface".

mod layers;
mod layout;
mod marks;
mod order;
mod rows;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::quests::model::DifficultyLevel;

/// A learning path as a graph: what is drawn, and the JSON answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    pub learning_path_id: Uuid,
    /// Name of the path
    pub name: String,
    /// Chapters; drawn as bands in the order of their sequence
    pub chapters: Vec<Lane>,
    /// Quests of the path
    pub nodes: Vec<Node>,
    /// What has to be done before what
    pub edges: Vec<Edge>,
}

/// A chapter of the path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    pub id: Uuid,
    pub title: String,
    pub sequence: i32,
}

/// A quest of the path.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub quest_id: Uuid,
    pub title: String,
    /// Chapter that the quest belongs to, if any
    pub chapter_id: Option<Uuid>,
    pub sequence: i32,
    pub difficulty_level: DifficultyLevel,
    /// Optional quests are drawn with a dashed border
    pub is_mandatory: bool,
    pub experience_points: i32,
    pub is_active: bool,
    /// Where the learner stands; absent when nobody in particular asks
    pub status: Option<Status>,
    /// Percentage of the learner's attempt, 0 to 100
    pub completion_percentage: Option<f64>,
}

/// One quest comes before another.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Quest that comes first
    pub from: Uuid,
    /// Quest that waits for it
    pub to: Uuid,
    pub kind: EdgeKind,
}

/// Why one quest comes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum EdgeKind {
    /// A prerequisite of the quest itself, wherever it is used
    Prerequisite,
    /// A criterion of this path
    Criterion,
}

/// Where a learner stands with a quest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    Completed,
    InProgress,
    Paused,
    Abandoned,
    Available,
    Locked,
    Inactive,
}

/// Draws the graph as a standalone SVG document.
///
/// Total: edges to unknown quests and unknown chapters are tolerated, cycles are drawn against the
/// direction, and all text is made safe for XML.
pub fn draw(graph: &Graph) -> String {
    svg::render(graph, &layout::arrange(graph))
}
