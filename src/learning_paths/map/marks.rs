//! Marks of a learner's status, drawn as shapes so that no font has to know them, and the legend.

use std::collections::HashSet;
use std::fmt::Write as _;

use uuid::Uuid;

use super::style::{class, label};
use super::{Edge, EdgeKind, Graph, Status};
use crate::drawing::{text, write};
use crate::quests::model::DifficultyLevel;

/// Height of one row of the legend.
const ROW: i32 = 26;

/// Name of a status.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::Completed => "Completed",
        Status::InProgress => "In progress",
        Status::Paused => "Paused",
        Status::Abandoned => "Abandoned",
        Status::Available => "Available",
        Status::Locked => "Locked",
        Status::Inactive => "Inactive",
    }
}

/// Draws the mark of a status, 18 pixels wide, around a middle.
pub fn mark(out: &mut String, status: Status, x: i32, y: i32) {
    let shape = match status {
        Status::Completed => "<circle class=\"fd\" r=\"9\"/><path class=\"m mi\" d=\"M-4 0l3 3 5-6\"/>",
        Status::InProgress => "<circle class=\"fn\" r=\"9\"/><path class=\"fi\" d=\"M-3-5l8 5-8 5z\"/>",
        Status::Paused => "<circle class=\"m sn\" r=\"8\"/><path class=\"m sn\" d=\"M-2.5-3v6M2.5-3v6\"/>",
        Status::Abandoned => "<circle class=\"m sl\" r=\"8\"/><path class=\"m sl\" d=\"M-3-3l6 6M3-3l-6 6\"/>",
        Status::Available => "<circle class=\"fo\" r=\"9\"/><path class=\"m mo\" d=\"M-4 0h7M0-3.5l3.5 3.5-3.5 3.5\"/>",
        Status::Locked => {
            "<path class=\"m ss\" d=\"M-3.5-1v-3a3.5 3.5 0 0 1 7 0v3\"/>\
             <rect class=\"fs\" x=\"-6\" y=\"-1\" width=\"12\" height=\"9\" rx=\"2\"/>"
        }
        Status::Inactive => "<circle class=\"m ss\" r=\"8\"/><path class=\"m ss\" d=\"M-5.5 5.5l11-11\"/>",
    };
    write(out, format_args!("<g transform=\"translate({x} {y})\">{shape}</g>"));
}

/// What one entry of the legend shows.
enum Sample {
    Level(DifficultyLevel),
    Border { dashed: bool },
    Edge(&'static str),
    Mark(Status),
}

/// Draws the legend of what the map holds, in as many rows as the width asks for; answers its height.
pub fn legend(out: &mut String, graph: &Graph, against: bool, x: i32, y: i32, room: i32) -> i32 {
    let mut samples: Vec<(Sample, &str)> = Vec::new();
    for level in
        [DifficultyLevel::Beginner, DifficultyLevel::Intermediate, DifficultyLevel::Advanced, DifficultyLevel::Expert]
    {
        if graph.nodes.iter().any(|node| node.difficulty_level == level) {
            samples.push((Sample::Level(level), label(level)));
        }
    }
    if graph.nodes.iter().any(|node| !node.is_mandatory) {
        samples.push((Sample::Border { dashed: false }, "Mandatory"));
        samples.push((Sample::Border { dashed: true }, "Optional"));
    }
    let completed: HashSet<Uuid> =
        graph.nodes.iter().filter(|n| n.status == Some(Status::Completed)).map(|n| n.quest_id).collect();
    let met = |edge: &Edge| edge.kind == EdgeKind::Prerequisite && completed.contains(&edge.from);
    if graph.edges.iter().any(|edge| edge.kind == EdgeKind::Prerequisite && !met(edge)) {
        samples.push((Sample::Edge(""), "Prerequisite"));
    }
    if graph.edges.iter().any(met) {
        samples.push((Sample::Edge("g"), "Prerequisite met"));
    }
    if graph.edges.iter().any(|edge| edge.kind == EdgeKind::Criterion) {
        samples.push((Sample::Edge("c"), "Criterion of the path"));
    }
    if against {
        samples.push((Sample::Edge("x"), "Against the order"));
    }
    let mut shown: Vec<Status> = graph.nodes.iter().filter_map(super::svg::status).collect();
    shown.sort_unstable();
    shown.dedup();
    samples.extend(shown.into_iter().map(|s| (Sample::Mark(s), name(s))));

    let (mut at, mut line) = (x, y);
    for (sample, words) in samples {
        let picture = match sample {
            Sample::Mark(_) => 20,
            _ => 32,
        };
        let wide = picture + 6 + text::width(words, 13);
        if at > x && at + wide > x + room {
            (at, line) = (x, line + ROW);
        }
        let middle = line + ROW / 2;
        match sample {
            Sample::Level(level) => {
                let class = class(level);
                write(
                    out,
                    format_args!(
                        "<g class=\"{class}\"><rect class=\"card\" x=\"{}\" y=\"{}\" width=\"30\" height=\"16\" rx=\"4\"/>\
                         <path class=\"stripe\" d=\"{}\"/></g>",
                        at + 1,
                        middle - 8,
                        stripe(at + 1, middle - 8, 16, 4)
                    ),
                );
            }
            Sample::Border { dashed } => {
                let dash = if dashed { " stroke-dasharray=\"7 4\"" } else { "" };
                write(
                    out,
                    format_args!(
                        "<rect x=\"{}\" y=\"{}\" width=\"30\" height=\"16\" rx=\"4\" fill=\"none\" class=\"plain\" \
                         stroke-width=\"1.5\"{dash}/>",
                        at + 1,
                        middle - 8
                    ),
                );
            }
            Sample::Edge(class) => write(
                out,
                format_args!(
                    "<g class=\"{class}\"><path class=\"line\" d=\"M{at} {middle}h23\"/>\
                     <path class=\"head\" d=\"M{} {middle}l-9-5v10z\"/></g>",
                    at + 30
                ),
            ),
            Sample::Mark(status) => mark(out, status, at + 10, middle),
        }
        write(out, format_args!("<text class=\"note\" x=\"{}\" y=\"{}\">{words}</text>", at + picture + 6, middle + 5));
        at += wide + 22;
    }
    line + ROW - y
}

/// Path of the coloured stripe at the left side of a box.
pub fn stripe(x: i32, y: i32, height: i32, radius: i32) -> String {
    let mut path = String::new();
    let straight = height - 2 * radius;
    // Writing to a string cannot fail.
    let _ = write!(
        path,
        "M{} {y}a{radius} {radius} 0 0 0-{radius} {radius}v{straight}a{radius} {radius} 0 0 0 {radius} {radius}h2v-{height}z",
        x + radius
    );
    path
}
