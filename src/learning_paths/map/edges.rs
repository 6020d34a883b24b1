//! Draws the edges: each bundle as lines of which no stretch is drawn twice, set off from what they cross.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::layout::{Layout, Route};
use super::{EdgeKind, Graph, Status};
use crate::drawing::text::escape;
use crate::drawing::write;

type Point = (i32, i32);

/// Length of an arrow's head.
const HEAD: i32 = 9;
/// Most quests that a bundle's tooltip names on each side.
const NAMED: usize = 8;

/// All edges. `behind` is the paint of what lies behind them.
pub fn edges(out: &mut String, graph: &Graph, layout: &Layout, behind: &str) {
    let met = |route: &Route| graph.nodes[route.from].status == Some(Status::Completed);
    let mut bundles: HashMap<_, Vec<&Route>> = HashMap::new();
    for route in &layout.routes {
        bundles.entry(route.bundle).or_default().push(route);
    }
    let mut bundles: Vec<Vec<&Route>> = bundles.into_values().collect();
    for routes in &mut bundles {
        // What is not met yet takes the line in common.
        routes.sort_by_key(|route| (met(route), &route.points, route.edge));
    }
    // What the learner has behind goes below what lies ahead.
    bundles.sort_by_key(|routes| (!routes.iter().all(|route| met(route)), routes[0].bundle));
    for routes in bundles {
        let mut drawn = HashSet::new();
        let mut lines = String::new();
        let mut halos = String::new();
        let mut heads = String::new();
        let (mut lines_met, mut heads_met) = (String::new(), String::new());
        for route in &routes {
            let is_met = route.bundle.kind == EdgeKind::Prerequisite && !route.bundle.against && met(route);
            let (lines, heads) = if is_met { (&mut lines_met, &mut heads_met) } else { (&mut lines, &mut heads) };
            let new = |at: &usize| !drawn.contains(&(route.points[at - 1], route.points[*at]));
            let stretches: Vec<usize> = (1..route.points.len()).filter(new).collect();
            for run in stretches.chunk_by(|a, b| a + 1 == *b) {
                line(lines, route, run[0]..=run[run.len() - 1]);
                halo(&mut halos, route, run[0]..=run[run.len() - 1]);
            }
            if let Some(&last) = stretches.last()
                && last + 1 == route.points.len()
            {
                head(heads, &route.points);
            }
            drawn.extend(route.points.windows(2).map(|pair| (pair[0], pair[1])));
        }
        write(out, format_args!("<g class=\"e\"><title>{}</title>", title(graph, &routes)));
        write(out, format_args!("<path class=\"halo\" stroke=\"{behind}\" d=\"{halos}\"/>"));
        let bundle = routes[0].bundle;
        let class = match bundle.kind {
            _ if bundle.against => " class=\"x\"",
            EdgeKind::Criterion => " class=\"c\"",
            EdgeKind::Prerequisite => "",
        };
        for (class, lines, heads) in [(" class=\"g\"", lines_met, heads_met), (class, lines, heads)] {
            if !lines.is_empty() {
                write(out, format_args!("<g{class}><path class=\"line\" d=\"{lines}\"/>"));
                if !heads.is_empty() {
                    write(out, format_args!("<path class=\"head\" d=\"{heads}\"/>"));
                }
                out.push_str("</g>");
            }
        }
        out.push_str("</g>\n");
    }
}

/// "This one and that one → those".
fn title(graph: &Graph, routes: &[&Route]) -> String {
    let names = |end: fn(&Route) -> usize| {
        let mut seen = HashSet::new();
        let nodes: Vec<usize> = routes.iter().map(|route| end(route)).filter(|node| seen.insert(*node)).collect();
        list(nodes.iter().map(|&node| graph.nodes[node].title.as_str()))
    };
    format!("{} → {}", names(|route| route.from), names(|route| route.to))
}

/// The first few names, and how many more there are; safe for XML.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.take(NAMED).map(escape).collect::<Vec<_>>().join(", ");
    if more > 0 {
        write(&mut text, format_args!(", and {more} more"));
    }
    text
}

/// For each quest the names of what comes before it, whole chapters too, as its tooltip shows them.
pub fn befores(graph: &Graph) -> HashMap<Uuid, String> {
    let titles: HashMap<Uuid, &str> = graph.nodes.iter().map(|n| (n.quest_id, n.title.as_str())).collect();
    let lanes: HashMap<Uuid, &str> = graph.chapters.iter().map(|lane| (lane.id, lane.title.as_str())).collect();
    let mut befores: HashMap<Uuid, Vec<&str>> = HashMap::new();
    for node in graph.nodes.iter().filter(|node| !node.after_chapters.is_empty()) {
        let names = node.after_chapters.iter().filter_map(|id| lanes.get(id).copied());
        befores.entry(node.quest_id).or_default().extend(names);
    }
    for edge in &graph.edges {
        if let Some(title) = titles.get(&edge.from) {
            befores.entry(edge.to).or_default().push(title);
        }
    }
    befores.into_iter().map(|(quest, names)| (quest, list(names.into_iter()))).collect()
}

/// Whether the edge comes to its end from the right.
fn turns_back(points: &[Point]) -> bool {
    matches!(points, [.., before, end] if end.0 <= before.0)
}

/// Curves in the gaps, straight lines through the columns between them; `stretches` are their ends' places.
/// The last one stops in the arrow's head.
fn line(d: &mut String, route: &Route, stretches: std::ops::RangeInclusive<usize>) {
    let points = &route.points;
    let (first, last) = stretches.into_inner();
    let mut from = points[first - 1];
    write(d, format_args!("M{} {}", from.0, from.1));
    for at in first..=last {
        let mut to = points[at];
        if at + 1 == points.len() {
            to.0 += if turns_back(points) { HEAD - 2 } else { 2 - HEAD };
        }
        if from.1 == to.1 {
            // A straight run over several columns is one line.
            if at == last || points[at + 1].1 != to.1 {
                write(d, format_args!("H{}", to.0));
            }
        } else {
            let turn = route.turns[at - 1];
            write(d, format_args!("C{turn} {} {turn} {} {} {}", from.1, to.1, to.0, to.1));
        }
        from = points[at];
    }
}

/// The same lines, without the ends that reach a box: there, lines lie close together.
fn halo(d: &mut String, route: &Route, stretches: std::ops::RangeInclusive<usize>) {
    let points = &route.points;
    for at in stretches {
        let (from, to) = (points[at - 1], points[at]);
        if from.1 == to.1 {
            write(d, format_args!("M{} {}H{}", from.0, from.1, to.0));
            continue;
        }
        let turn = route.turns[at - 1];
        let begin = if at == 1 { 0.2 } else { 0.0 };
        let end = if at + 1 == points.len() { 0.8 } else { 1.0 };
        let cut = cut([from, (turn, from.1), (turn, to.1), to], begin, end);
        write(
            d,
            format_args!(
                "M{} {}C{} {} {} {} {} {}",
                cut[0].0, cut[0].1, cut[1].0, cut[1].1, cut[2].0, cut[2].1, cut[3].0, cut[3].1
            ),
        );
    }
}

/// The part of a Bézier curve from one of its parameters to another, in whole pixels.
#[expect(clippy::cast_possible_truncation, reason = "between the points given")]
fn cut(curve: [Point; 4], begin: f64, end: f64) -> [Point; 4] {
    let blossom = |u: f64, v: f64, w: f64, pick: fn(Point) -> i32| {
        let mix = |a: f64, b: f64, t: f64| a + (b - a) * t;
        let p = curve.map(|point| f64::from(pick(point)));
        let q = [mix(p[0], p[1], u), mix(p[1], p[2], u), mix(p[2], p[3], u)];
        let r = [mix(q[0], q[1], v), mix(q[1], q[2], v)];
        mix(r[0], r[1], w).round() as i32
    };
    [(begin, begin, begin), (begin, begin, end), (begin, end, end), (end, end, end)]
        .map(|(u, v, w)| (blossom(u, v, w, |p| p.0), blossom(u, v, w, |p| p.1)))
}

/// The arrow's head at the end of an edge.
fn head(d: &mut String, points: &[Point]) {
    if let Some((x, y)) = points.last() {
        let back = if turns_back(points) { HEAD } else { -HEAD };
        write(d, format_args!("M{x} {y}l{back}-5v10z"));
    }
}
