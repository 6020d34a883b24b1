//! First step of the layout: bands for chapters, and the columns inside each band.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Graph;

/// A chapter, or the quests without one, with its columns of nodes from left to right.
#[derive(Debug)]
pub struct Band {
    /// Index into `Graph::chapters`
    pub lane: Option<usize>,
    /// Indexes into `Graph::nodes`; at least one column, which may be empty
    pub columns: Vec<Vec<usize>>,
}

/// An edge between known nodes: indexes into `Graph::nodes`, and its own index into `Graph::edges`.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    pub edge: usize,
}

/// From how many edges on those are left out that others say already: nobody could follow them.
const TANGLE: usize = 2_500;

/// Edges whose two ends are in the graph, each once; of very many, only those that no longer way implies.
pub fn links(graph: &Graph) -> Vec<Link> {
    let index: HashMap<Uuid, usize> = graph.nodes.iter().enumerate().map(|(i, n)| (n.quest_id, i)).collect();
    let mut links: Vec<Link> = (graph.edges.iter().enumerate())
        .filter_map(|(edge, e)| Some(Link { from: *index.get(&e.from)?, to: *index.get(&e.to)?, edge }))
        .collect();
    links.sort_by_key(|l| (l.from, l.to, graph.edges[l.edge].kind, l.edge));
    links.dedup_by_key(|l| (l.from, l.to, graph.edges[l.edge].kind));
    if links.len() > TANGLE { without_implied(graph.nodes.len(), links) } else { links }
}

/// Transitive reduction, apart from edges that close a cycle.
fn without_implied(count: usize, mut links: Vec<Link>) -> Vec<Link> {
    let mut all = vec![Vec::new(); count];
    for l in links.iter().filter(|l| l.from != l.to) {
        all[l.from].push(l.to);
    }
    let (topological, forward) = break_cycles(&(0..count).collect::<Vec<_>>(), &all);
    let mut place = vec![0; count];
    for (at, &n) in topological.iter().enumerate() {
        place[n] = at;
    }
    let words = count.div_ceil(64);
    let mut reached = vec![0_u64; count * words];
    let mut implied = HashSet::new();
    for &n in topological.iter().rev() {
        let mut next = forward[&n].clone();
        // The nearest first: whatever leads on to another one stands before it.
        next.sort_by_key(|&m| place[m]);
        let mut known = vec![0_u64; words];
        for m in next {
            if known[m / 64] >> (m % 64) & 1 == 1 {
                implied.insert((n, m));
                continue;
            }
            known[m / 64] |= 1 << (m % 64);
            for (word, more) in known.iter_mut().zip(&reached[m * words..]) {
                *word |= more;
            }
        }
        reached[n * words..(n + 1) * words].copy_from_slice(&known);
    }
    links.retain(|l| !implied.contains(&(l.from, l.to)));
    links
}

/// Bands from left to right.
pub fn bands(graph: &Graph, links: &[Link]) -> Vec<Band> {
    let mut lanes: Vec<usize> = (0..graph.chapters.len()).collect();
    lanes.sort_by_key(|&i| (graph.chapters[i].sequence, i));
    let lane_of: HashMap<Uuid, usize> = lanes.iter().map(|&i| (graph.chapters[i].id, i)).collect();
    let home: Vec<Option<usize>> =
        graph.nodes.iter().map(|n| n.chapter_id.and_then(|id| lane_of.get(&id).copied())).collect();

    let mut order: Vec<Option<usize>> = lanes.into_iter().map(Some).collect();
    if home.contains(&None) {
        // Quests without a chapter come first if others wait for them, else last.
        let leaving = links.iter().filter(|l| home[l.from].is_none() && home[l.to].is_some()).count();
        let entering = links.iter().filter(|l| home[l.from].is_some() && home[l.to].is_none()).count();
        let at = if leaving > entering { 0 } else { order.len() };
        order.insert(at, None);
    }
    let tallest = tallest(graph.nodes.len());
    let mut members: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (node, lane) in home.iter().enumerate() {
        members.entry(*lane).or_default().push(node);
    }
    let mut inside = vec![Vec::new(); graph.nodes.len()];
    let mut outside = vec![0_i32; graph.nodes.len()];
    for l in links.iter().filter(|l| l.from != l.to) {
        if home[l.from] == home[l.to] {
            inside[l.from].push(l.to);
        } else {
            outside[l.from] += 1;
            outside[l.to] -= 1;
        }
    }
    order
        .into_iter()
        .map(|lane| {
            let mut nodes = members.remove(&lane).unwrap_or_default();
            nodes.sort_by_key(|&n| (graph.nodes[n].sequence, n));
            Band { lane, columns: columns(&nodes, &inside, &outside, tallest) }
        })
        .collect()
}

/// Most nodes in one column: about twice as wide as high, and never fewer than six.
fn tallest(nodes: usize) -> usize {
    let root = nodes.isqrt();
    (if root * root < nodes { root + 1 } else { root }).max(6)
}

/// Columns of one band: longest path over the edges inside it, then the others where there is room.
fn columns(nodes: &[usize], inside: &[Vec<usize>], outside: &[i32], tallest: usize) -> Vec<Vec<usize>> {
    let (topological, forward) = break_cycles(nodes, inside);
    let mut layer: HashMap<usize, usize> = HashMap::new();
    let mut incoming: HashMap<usize, usize> = HashMap::new();
    for &n in &topological {
        let next = layer.get(&n).copied().unwrap_or(0) + 1;
        for &m in &forward[&n] {
            let at = layer.entry(m).or_default();
            *at = next.max(*at);
            *incoming.entry(m).or_default() += 1;
        }
    }
    // Longest path pushes everything left; a node that mostly has followers stands beside them instead.
    for &n in topological.iter().rev() {
        let nearest = forward[&n].iter().map(|m| layer.get(m).copied().unwrap_or(0)).min();
        if let Some(nearest) = nearest
            && forward[&n].len() > incoming.get(&n).copied().unwrap_or(0)
        {
            layer.insert(n, nearest.saturating_sub(1));
        }
    }
    let tied = |n: usize| !forward[&n].is_empty() || incoming.contains_key(&n);
    let mut layers: Vec<Vec<usize>> = Vec::new();
    for &n in nodes.iter().filter(|&&n| tied(n)) {
        let at = layer.get(&n).copied().unwrap_or(0);
        layers.resize_with(layers.len().max(at + 1), Vec::new);
        layers[at].push(n);
    }
    // Nothing in a layer waits for anything else in it, so a tall one may become several columns.
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for layer in layers.into_iter().filter(|layer| !layer.is_empty()) {
        let parts = layer.len().div_ceil(tallest);
        columns.extend(layer.chunks(layer.len().div_ceil(parts)).map(<[usize]>::to_vec));
    }
    let free: Vec<usize> = nodes.iter().copied().filter(|&n| !tied(n)).collect();
    let places = nodes.len().div_ceil(tallest).max(columns.len()).max(1);
    columns.resize_with(places, Vec::new);
    for n in free {
        // What waits for earlier bands stands left, what later bands wait for stands right.
        let best = if outside[n] > 0 {
            (0..places).rev().min_by_key(|&c| columns[c].len())
        } else {
            (0..places).min_by_key(|&c| columns[c].len())
        };
        columns[best.unwrap_or(0)].push(n);
    }
    columns
}

/// A topological order of the nodes, and the edges that agree with it: those that close a cycle are left
/// out. Depth first with its own stack, because a path may be longer than the thread's.
fn break_cycles(nodes: &[usize], inside: &[Vec<usize>]) -> (Vec<usize>, HashMap<usize, Vec<usize>>) {
    let mut forward: HashMap<usize, Vec<usize>> = nodes.iter().map(|&n| (n, Vec::new())).collect();
    let mut open: HashMap<usize, bool> = HashMap::new();
    let mut finished = Vec::with_capacity(nodes.len());
    // Nodes that wait for nothing first: then a cycle is cut where the reader enters it.
    let mut waits: HashMap<usize, usize> = HashMap::new();
    for &n in nodes {
        for &m in &inside[n] {
            *waits.entry(m).or_default() += 1;
        }
    }
    let (free, bound): (Vec<usize>, Vec<usize>) = nodes.iter().partition(|n| !waits.contains_key(n));
    for &root in free.iter().rev().chain(&bound) {
        if !open.contains_key(&root) {
            walk(root, inside, &mut open, &mut finished, &mut forward);
        }
    }
    finished.reverse();
    (finished, forward)
}

fn walk(
    root: usize,
    inside: &[Vec<usize>],
    open: &mut HashMap<usize, bool>,
    finished: &mut Vec<usize>,
    forward: &mut HashMap<usize, Vec<usize>>,
) {
    let mut stack = vec![(root, 0)];
    open.insert(root, true);
    while let Some((n, at)) = stack.pop() {
        let Some(&m) = inside[n].get(at) else {
            open.insert(n, false);
            finished.push(n);
            continue;
        };
        stack.push((n, at + 1));
        match open.get(&m) {
            Some(true) => {}
            seen => {
                if seen.is_none() {
                    open.insert(m, true);
                    stack.push((m, 0));
                }
                forward.entry(n).or_default().push(m);
            }
        }
    }
}
