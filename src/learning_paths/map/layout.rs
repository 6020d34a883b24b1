//! Third step of the layout: coordinates, in whole pixels, for boxes, bands and edges.

use std::collections::HashMap;

use super::Graph;
use super::layers::{Link, bands, links};
use super::order::{Bundle, Ordered, order};
use super::rows::rows;
use super::tracks::turn;

/// Size of a quest's box.
pub const BOX_WIDTH: i32 = 200;
pub const BOX_HEIGHT: i32 = 102;
/// Space around the columns of a band.
const BAND_PADDING: i32 = 30;
/// Narrowest layout, so that what stands above it has room.
const NARROWEST: i32 = 700;

/// Where a quest's box stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub x: i32,
    pub y: i32,
}

/// Where a band stands; it is as high as the layout.
#[derive(Debug)]
pub struct BandPlace {
    /// Index into `Graph::chapters`; none for the quests without one
    pub lane: Option<usize>,
    /// Indexes into `Graph::nodes`, in the order of the path
    pub nodes: Vec<usize>,
    pub x: i32,
    pub width: i32,
}

/// How an edge runs: curves between the points, straight lines through each column it passes.
#[derive(Debug)]
pub struct Route {
    /// Index into `Graph::edges`
    pub edge: usize,
    /// Indexes into `Graph::nodes`
    pub from: usize,
    pub to: usize,
    pub bundle: Bundle,
    pub points: Vec<(i32, i32)>,
    /// For each stretch between two points: how far from the left it turns
    pub turns: Vec<i32>,
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
        let mut nodes: Vec<usize> = band.columns.concat();
        nodes.sort_by_key(|&n| (graph.nodes[n].sequence, n));
        places.push(BandPlace { lane: band.lane, nodes, x: start, width: x - start });
    }
    if let Some(last) = places.last_mut() {
        last.width += (NARROWEST - x).max(0);
    }
    let width = x.max(NARROWEST);
    let mut boxes = vec![Place { x: 0, y: 0 }; graph.nodes.len()];
    for (item, &middle) in ordered.items.iter().zip(&middles) {
        if let Some(node) = item.node {
            boxes[node] = Place { x: left_of[item.column], y: middle - BOX_HEIGHT / 2 };
        }
    }
    let mut routes = routes(&ordered, &middles, &left_of);
    turn(&mut routes);
    Layout { width, height, bands: places, boxes, routes }
}

/// Width of the gap left of a column: more edges get more room to turn.
fn gap(ordered: &Ordered, column: usize) -> i32 {
    let edges: usize =
        column.checked_sub(1).map_or(0, |c| ordered.tied[c].iter().map(|&i| ordered.items[i].right.len()).sum());
    60 + 2 * i32::try_from(edges.min(40)).unwrap_or(0)
}

/// How far from the middle of its side each edge reaches a box. Edges arrive beside each other, by the height that
/// they come from; those of a bundle that has met arrive as one.
fn arrivals(ordered: &Ordered, middles: &[i32]) -> Vec<i32> {
    let mut met = HashMap::new();
    let leads: Vec<usize> = (ordered.chains.iter().enumerate())
        .map(|(c, chain)| if chain.bundle.parts { c } else { *met.entry(chain.bundle).or_insert(c) })
        .collect();
    // Sum and number of the heights that a lead's edges come from.
    let mut heights = vec![(0, 0); ordered.chains.len()];
    for (chain, &lead) in ordered.chains.iter().zip(&leads) {
        if let [_, second, ..] = chain.items[..] {
            let before = if chain.bundle.against { second } else { chain.items[chain.items.len() - 2] };
            heights[lead] = (heights[lead].0 + middles[before], heights[lead].1 + 1);
        }
    }
    // For each item: who arrives on its left side, and on its right side.
    let mut sides: Vec<[Vec<(i32, usize)>; 2]> = vec![[Vec::new(), Vec::new()]; ordered.items.len()];
    for (c, &(sum, count)) in heights.iter().enumerate().filter(|(_, height)| height.1 > 0) {
        let chain = &ordered.chains[c];
        sides[chain.to][usize::from(chain.bundle.against)].push((sum / count, c));
    }
    let mut shift = vec![0; ordered.chains.len()];
    for [left, right] in &mut sides {
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
    leads.into_iter().map(|lead| shift[lead]).collect()
}

/// Points of every edge. A box lets all edges out at the middle of a side.
fn routes(ordered: &Ordered, middles: &[i32], left_of: &[i32]) -> Vec<Route> {
    let items = &ordered.items;
    (ordered.chains.iter().zip(arrivals(ordered, middles)))
        .map(|(chain, shift)| {
            let right_of = |i: usize| left_of[items[i].column] + BOX_WIDTH;
            let mut points = Vec::new();
            if let [first, ref passed @ .., last] = chain.items[..] {
                // Against the order: below the middle, where nothing else leaves.
                let (out, end) = if chain.bundle.against { (shift, 22) } else { (0, shift) };
                points.push((right_of(first), middles[first] + out));
                for &i in passed {
                    points.extend([(left_of[items[i].column], middles[i]), (right_of(i), middles[i])]);
                }
                points.push((left_of[items[last].column], middles[last] + end));
                if chain.bundle.against {
                    points.reverse();
                }
            } else {
                // In its own column: a bow on the right.
                points.push((right_of(chain.from), middles[chain.from] + 10));
                points.push((right_of(chain.to), middles[chain.to] + if chain.from == chain.to { -10 } else { 22 }));
            }
            let Link { from, to, edge } = chain.link;
            Route { edge, from, to, bundle: chain.bundle, points, turns: Vec::new() }
        })
        .collect()
}
