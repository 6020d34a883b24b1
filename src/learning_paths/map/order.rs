//! Second step of the layout: way points for long edges, and the order in each column with few crossings.

use std::collections::HashMap;

use super::layers::{Band, Link};
use super::{EdgeKind, Graph};

/// From how many edges into one quest on these run together.
const MERGING: usize = 4;

/// What takes a place in a column: a node, or a way point of the edges that pass it.
#[derive(Debug, Default)]
pub struct Item {
    pub node: Option<usize>,
    pub column: usize,
    /// Neighbours in the columns to the left and to the right
    pub left: Vec<usize>,
    pub right: Vec<usize>,
}

/// Edges that run as one line as far as they can. All of them have one end in common, so that a line
/// never says more than is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bundle {
    /// Item of the end in common
    pub end: usize,
    /// It is where they come from, seen from the left
    pub parts: bool,
    pub kind: EdgeKind,
    /// They point to the left, against the reading direction, or stay in their column
    pub against: bool,
}

/// An edge with the items it passes, from left to right.
#[derive(Debug)]
pub struct Chain {
    pub link: Link,
    pub bundle: Bundle,
    /// Items of its two ends
    pub from: usize,
    pub to: usize,
    pub items: Vec<usize>,
}

/// Columns of items in drawing order.
#[derive(Debug)]
pub struct Ordered {
    pub items: Vec<Item>,
    /// Items with neighbours, from top to bottom
    pub tied: Vec<Vec<usize>>,
    /// Items without neighbours; they go below
    pub free: Vec<Vec<usize>>,
    pub chains: Vec<Chain>,
}

/// Orders all columns of all bands. Edges of a bundle share their way points: they leave as a single line and
/// branch late, or meet early and arrive as one.
pub fn order(graph: &Graph, bands: &[Band], links: &[Link]) -> Ordered {
    let columns: Vec<&[usize]> = bands.iter().flat_map(|b| b.columns.iter().map(Vec::as_slice)).collect();
    let mut items: Vec<Item> = Vec::new();
    let mut item_of = vec![0; graph.nodes.len()];
    let mut tied: Vec<Vec<usize>> = Vec::new();
    for (column, nodes) in columns.iter().enumerate() {
        tied.push((items.len()..items.len() + nodes.len()).collect());
        for &node in *nodes {
            item_of[node] = items.len();
            items.push(Item { node: Some(node), column, ..Item::default() });
        }
    }
    let mut shared = HashMap::new();
    let mut chains = Vec::new();
    let kind = |link: &Link| graph.edges[link.edge].kind;
    let (mut leaving, mut entering) = (HashMap::new(), HashMap::new());
    for link in links {
        *leaving.entry((link.from, kind(link))).or_insert(0) += 1;
        *entering.entry((link.to, kind(link))).or_insert(0) += 1;
    }
    for &link in links {
        let (from, to) = (item_of[link.from], item_of[link.to]);
        let against = items[from].column >= items[to].column;
        let (first, last) = if against { (to, from) } else { (from, to) };
        let kind = kind(&link);
        let meets = entering[&(link.to, kind)] >= leaving[&(link.from, kind)].max(MERGING);
        let parts = against || !meets;
        let bundle = Bundle { end: if parts { first } else { last }, parts, kind, against };
        let mut passed = vec![first];
        for (column, tied) in tied.iter_mut().enumerate().take(items[last].column).skip(items[first].column + 1) {
            let item = *shared.entry((bundle, column)).or_insert_with(|| {
                items.push(Item { column, ..Item::default() });
                tied.push(items.len() - 1);
                items.len() - 1
            });
            passed.push(item);
        }
        if items[first].column < items[last].column {
            passed.push(last);
            for pair in passed.windows(2) {
                items[pair[0]].right.push(pair[1]);
                items[pair[1]].left.push(pair[0]);
            }
        }
        chains.push(Chain { link, bundle, from, to, items: passed });
    }
    for item in &mut items {
        for side in [&mut item.left, &mut item.right] {
            side.sort_unstable();
            side.dedup();
        }
    }
    let mut free = Vec::new();
    for column in &mut tied {
        let (with, without) = column.iter().partition(|&&i| !items[i].left.is_empty() || !items[i].right.is_empty());
        *column = with;
        free.push(without);
    }
    let tied = fewest_crossings(&items, &tied);
    Ordered { items, tied, free, chains }
}

/// Barycentre sweeps to and fro from two starts, then swaps of neighbours; the best order seen wins.
fn fewest_crossings(items: &[Item], start: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let total: usize = start.iter().map(Vec::len).sum();
    // A tangle that nobody can read is not worth the time.
    let (starts, rounds): (&[bool], _) = if total > 20_000 { (&[false], 3) } else { (&[false, true], 14) };
    let mut best = start.to_vec();
    let mut fewest = usize::MAX;
    for &flip in starts {
        let mut order = start.to_vec();
        if flip {
            for column in &mut order {
                column.reverse();
            }
        }
        let mut place = places(items.len(), &order);
        for round in 0..rounds {
            sweep(items, &mut order, &mut place, round % 2 == 1);
            if total < 1_200 {
                swap_neighbours(items, &mut order, &mut place);
            }
            let crossings = order.iter().map(|column| crossings(items, column, &place)).sum();
            if crossings < fewest {
                fewest = crossings;
                best.clone_from(&order);
            }
            if fewest == 0 {
                return best;
            }
        }
    }
    best
}

fn places(items: usize, order: &[Vec<usize>]) -> Vec<usize> {
    let mut place = vec![0; items];
    for column in order {
        note(column, &mut place);
    }
    place
}

fn note(column: &[usize], place: &mut [usize]) {
    for (at, &item) in column.iter().enumerate() {
        place[item] = at;
    }
}

/// Sorts every column by the mean place of the neighbours on one side; items without any stay put.
fn sweep(items: &[Item], order: &mut [Vec<usize>], place: &mut [usize], from_right: bool) {
    let count = order.len();
    for step in 0..count {
        let column = &mut order[if from_right { count - 1 - step } else { step }];
        let mean = |item: usize| {
            let side = if from_right { &items[item].right } else { &items[item].left };
            let sum: usize = side.iter().map(|&n| place[n]).sum();
            // Thousandths keep the sort exact and the same everywhere.
            (sum * 1_000).checked_div(side.len())
        };
        let mut moving: Vec<(usize, usize)> = column.iter().filter_map(|&i| mean(i).map(|m| (m, i))).collect();
        moving.sort_by_key(|&(mean, _)| mean);
        let mut moved = moving.into_iter().map(|(_, item)| item);
        for slot in column.iter_mut() {
            if mean(*slot).is_some()
                && let Some(next) = moved.next()
            {
                *slot = next;
            }
        }
        note(column, place);
    }
}

/// Swaps neighbours in a column while that saves crossings.
fn swap_neighbours(items: &[Item], order: &mut [Vec<usize>], place: &mut [usize]) {
    for column in order {
        for _ in 0..8 {
            let mut better = false;
            for at in 1..column.len() {
                let (a, b) = (&items[column[at - 1]], &items[column[at]]);
                let now = between(&a.left, &b.left, place) + between(&a.right, &b.right, place);
                let then = between(&b.left, &a.left, place) + between(&b.right, &a.right, place);
                if then < now {
                    column.swap(at - 1, at);
                    better = true;
                }
            }
            if !better {
                break;
            }
        }
        note(column, place);
    }
}

/// Crossings between the edges of an upper and a lower item on one side.
fn between(upper: &[usize], lower: &[usize], place: &[usize]) -> usize {
    upper.iter().map(|&u| lower.iter().filter(|&&l| place[l] < place[u]).count()).sum()
}

/// Crossings between a column and the next one: inversions, counted with a Fenwick tree.
fn crossings(items: &[Item], column: &[usize], place: &[usize]) -> usize {
    let ends: Vec<usize> = (column.iter())
        .flat_map(|&item| {
            let mut ends: Vec<usize> = items[item].right.iter().map(|&n| place[n]).collect();
            ends.sort_unstable();
            ends
        })
        .collect();
    let mut tree = vec![0_usize; ends.iter().max().map_or(1, |max| max + 2)];
    let mut total = 0;
    for (seen, &end) in ends.iter().enumerate() {
        let mut not_below = 0;
        let mut at = end + 1;
        while at > 0 {
            not_below += tree[at];
            at &= at - 1;
        }
        total += seen - not_below;
        at = end + 1;
        while at < tree.len() {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    total
}
