//! Third step of the layout: coordinates, in whole pixels, for boxes, bands and edges.

use super::Graph;
use super::layers::{bands, links};
use super::order::{Ordered, order};
use super::rows::rows;

/// Size of a quest's box.
pub const BOX_WIDTH: i32 = 190;
pub const BOX_HEIGHT: i32 = 96;
/// Space around the columns of a band.
const BAND_PADDING: i32 = 30;

/// Where a quest's box stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub x: i32,
    pub y: i32,
}

/// Where a band stands; it is as high as the layout.
#[derive(Debug)]
pub struct BandPlace {
    pub lane: Option<usize>,
    pub quests: usize,
    /// Experience points of its quests
    pub points: i64,
    pub x: i32,
    pub width: i32,
}

/// How an edge runs: curves between the points, straight lines through each column it passes.
#[derive(Debug)]
pub struct Route {
    /// Index into `Graph::edges`
    pub edge: usize,
    pub from: usize,
    /// Points to the left, or up or down in its own column
    pub against: bool,
    pub points: Vec<(i32, i32)>,
}

/// The laid out graph, with its upper left corner in the origin.
#[derive(Debug)]
pub struct Layout {
    pub width: i32,
    pub height: i32,
    pub bands: Vec<BandPlace>,
    /// One for each of `Graph::nodes`
    pub boxes: Vec<Place>,
    pub routes: Vec<Route>,
}

/// Lays a graph out.
pub fn arrange(graph: &Graph) -> Layout {
    let links = links(graph);
    let bands = bands(graph, &links);
    let ordered = order(graph, &bands, &links);
    let (middles, height) = rows(&ordered);

    let mut x = 0;
    let mut left_of: Vec<i32> = Vec::new();
    let mut places = Vec::new();
    for band in &bands {
        let start = x;
        x += BAND_PADDING;
        for at in 0..band.columns.len() {
            if at > 0 {
                x += gap(&ordered, left_of.len()).max(BAND_PADDING);
            } else if !left_of.is_empty() {
                // The gap between two bands is their padding; more only where many edges cross it.
                x += (gap(&ordered, left_of.len()) - 2 * BAND_PADDING).max(0);
            }
            left_of.push(x);
            x += BOX_WIDTH;
        }
        x += BAND_PADDING;
        let quests = band.columns.iter().map(Vec::len).sum();
        let points = band.columns.iter().flatten().map(|&n| i64::from(graph.nodes[n].experience_points)).sum();
        places.push(BandPlace { lane: band.lane, quests, points, x: start, width: x - start });
    }
    let mut boxes = vec![Place { x: 0, y: 0 }; graph.nodes.len()];
    for (item, &middle) in ordered.items.iter().zip(&middles) {
        if let Some(node) = item.node {
            boxes[node] = Place { x: left_of[item.column], y: middle - BOX_HEIGHT / 2 };
        }
    }
    let routes = routes(&ordered, &middles, &left_of);
    Layout { width: x, height, bands: places, boxes, routes }
}

/// Width of the gap left of a column: more edges get more room to turn.
fn gap(ordered: &Ordered, column: usize) -> i32 {
    let edges: usize =
        column.checked_sub(1).map_or(0, |c| ordered.tied[c].iter().map(|&i| ordered.items[i].right.len()).sum());
    60 + i32::try_from(edges.min(70)).unwrap_or(0)
}

/// Points of every edge. A box lets all edges out at the middle of a side and takes them in beside each
/// other.
fn routes(ordered: &Ordered, middles: &[i32], left_of: &[i32]) -> Vec<Route> {
    let items = &ordered.items;
    // For each item: the ends that arrive at its left side, and at its right side, by height of origin.
    let mut arrivals: Vec<[Vec<(i32, usize)>; 2]> = vec![[Vec::new(), Vec::new()]; items.len()];
    for (c, chain) in ordered.chains.iter().enumerate() {
        if let [first, .., last] = chain.items[..] {
            let before = if chain.against { chain.items[1] } else { chain.items[chain.items.len() - 2] };
            let (end, side) = if chain.against { (first, 1) } else { (last, 0) };
            arrivals[end][side].push((middles[before], c));
        }
    }
    let mut shift = vec![0; ordered.chains.len()];
    for [left, right] in &mut arrivals {
        left.sort_unstable();
        right.sort_unstable();
        let count = i32::try_from(left.len()).unwrap_or(i32::MAX);
        let step = if count > 1 { ((BOX_HEIGHT - 28) / (count - 1)).clamp(1, 14) } else { 0 };
        for (at, &(_, chain)) in (0..).zip(left.iter()) {
            shift[chain] = ((2 * at - (count - 1)) * step / 2).clamp(16 - BOX_HEIGHT / 2, BOX_HEIGHT / 2 - 16);
        }
        for (at, &(_, chain)) in (0..).zip(right.iter()) {
            shift[chain] = 14_i32.saturating_add(9 * at).min(BOX_HEIGHT / 2 - 14);
        }
    }
    (ordered.chains.iter().zip(shift))
        .map(|(chain, shift)| {
            let right_of = |i: usize| left_of[items[i].column] + BOX_WIDTH;
            let mut points = Vec::new();
            if let [first, ref passed @ .., last] = chain.items[..] {
                // Against the order: below the middle, where nothing else leaves.
                let (out, end) = if chain.against { (shift, 22) } else { (0, shift) };
                points.push((right_of(first), middles[first] + out));
                for &i in passed {
                    points.extend([(left_of[items[i].column], middles[i]), (right_of(i), middles[i])]);
                }
                points.push((left_of[items[last].column], middles[last] + end));
                if chain.against {
                    points.reverse();
                }
            } else {
                // In its own column: a bow on the right.
                points.push((right_of(chain.from), middles[chain.from] + 10));
                points.push((right_of(chain.to), middles[chain.to] + if chain.from == chain.to { -10 } else { 22 }));
            }
            Route { edge: chain.link.edge, from: chain.link.from, against: chain.against, points }
        })
        .collect()
}
