//! The map of a learning path: its quests, chapters and prerequisites as JSON, and drawn as SVG.
//!
//! The drawing is pure: the same graph gives the same bytes. Quests are laid out in layers from left
//! to right, chapters are vertical bands in their sequence, and a quest stays inside its band.
//!
//! `docs/architecture.md` says why the layout is our own.

mod card;
mod edges;
mod layers;
mod layout;
mod marks;
mod order;
mod rows;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod tracks;

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
    /// Chapters that criteria of this path look at: their mandatory quests come first
    pub after_chapters: Vec<Uuid>,
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
    /// A criterion of this path looks at it
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
