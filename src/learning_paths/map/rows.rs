//! Part of the layout: the height at which everything in a column stands.

use super::layout::BOX_HEIGHT;
use super::order::{Item, Ordered};

/// Smallest distance of two boxes in a column.
const BOX_GAP: f64 = 32.0;
/// Distance of two rows; two edges fit between two boxes.
const PITCH: f64 = BOX_HEIGHT as f64 + BOX_GAP;
/// Distance of a passing edge from a box it passes, and of two passing edges.
const EDGE_GAP: f64 = 10.0;
const LINE_GAP: f64 = 11.0;
/// Smallest distance of a passing edge from a box without edges.
const CLEARANCE: f64 = 8.0;
/// Space above and below all boxes.
const MARGIN: i32 = 22;
/// Rounds of moving freely, with the boxes on their rows, and with the lines between them in place as well.
const FREELY: usize = 28;
const ON_ROWS: usize = 6;
const IN_LINE: usize = 4;
/// Above so many items the free rounds are few: what they smooth is a tangle.
const MANY: usize = 20_000;

/// Middle of every item and the height of all, in whole pixels: columns move towards their neighbours, then the boxes snap
/// to rows that agree in all columns.
pub fn rows(ordered: &Ordered) -> (Vec<i32>, i32) {
    let items = &ordered.items;
    let stacked: Vec<Vec<f64>> = ordered.tied.iter().map(|column| stack(items, column)).collect();
    let steps: Vec<Vec<f64>> = ordered.tied.iter().map(|column| row_steps(items, column)).collect();
    // Rows that a column takes when it stands as close as it may, and the rows of the tallest.
    let full = |column: usize| {
        let boxes = ordered.tied[column].iter().filter(|&&i| items[i].node.is_some()).count();
        steps[column].iter().sum::<f64>() + if boxes > 0 { 1.0 } else { 0.0 } + px(ordered.free[column].len())
    };
    let room = (0..stacked.len()).map(full).fold(1.0, f64::max);

    let mut middle = vec![0.0; items.len()];
    for (column, offsets) in ordered.tied.iter().zip(&stacked) {
        for (&i, offset) in column.iter().zip(offsets) {
            middle[i] = *offset;
        }
    }
    let mut fixed: Vec<Option<(f64, f64)>> = vec![None; items.len()];
    let count = ordered.tied.len();
    let snap_boxes = if items.len() > MANY { FREELY / 4 } else { FREELY };
    let snap_lines = snap_boxes + ON_ROWS;
    for round in 0..snap_lines + IN_LINE {
        if round == snap_boxes {
            for (column, tied) in ordered.tied.iter().enumerate() {
                snap(items, tied, &steps[column], room - full(column), &middle, &mut fixed);
            }
        }
        if round == snap_lines {
            for i in (0..items.len()).filter(|&i| items[i].node.is_none()) {
                fixed[i] = Some((((middle[i] + BOX_GAP / 2.0) / PITCH).round() * PITCH - BOX_GAP / 2.0, 1.0));
            }
        }
        for step in 0..count {
            let column = if round % 2 == 1 { count - 1 - step } else { step };
            let wishes: Vec<(f64, f64)> = (ordered.tied[column].iter().zip(&stacked[column]))
                .map(|(&i, offset)| {
                    let (wish, weight) = fixed[i].unwrap_or_else(|| wish(items, i, &middle, round));
                    (wish - offset, weight)
                })
                .collect();
            let slack = (room * PITCH - stacked[column].last().map_or(0.0, |y| y + PITCH / 2.0)).max(0.0);
            for ((&i, offset), level) in ordered.tied[column].iter().zip(&stacked[column]).zip(nearest_rising(&wishes))
            {
                middle[i] = offset + if round < snap_boxes { level.clamp(0.0, slack) } else { level };
            }
        }
    }
    fill(ordered, room, &mut middle);
    let top = (0..items.len()).map(|i| middle[i] - half(&items[i])).fold(f64::INFINITY, f64::min);
    let bottom = (0..items.len()).map(|i| middle[i] + half(&items[i])).fold(f64::from(BOX_HEIGHT), f64::max);
    let top = if top.is_finite() { top } else { 0.0 };
    (middle.iter().map(|y| whole(y - top) + MARGIN).collect(), whole(bottom - top) + 2 * MARGIN)
}

/// Places the quests without any edge: below the others as long as that makes nothing higher, then in the
/// holes between them from the lowest up, and at last below all.
fn fill(ordered: &Ordered, room: f64, middle: &mut [f64]) {
    let items = &ordered.items;
    let start = f64::from(BOX_HEIGHT) / 2.0;
    let lowest =
        ordered.tied.iter().flatten().map(|&i| ((middle[i] - start) / PITCH).floor() + 1.0).fold(room, f64::max);
    let rows = usize::try_from(whole(lowest)).unwrap_or(0);
    for (tied, free) in ordered.tied.iter().zip(&ordered.free) {
        let is_open = |row: usize| {
            let y = start + px(row) * PITCH;
            tied.iter().all(|&i| (middle[i] - y).abs() >= half(&items[i]) + start + CLEARANCE)
        };
        let used = tied.last().map_or(0.0, |&i| middle[i] + half(&items[i]) + CLEARANCE);
        let below = (0..rows).find(|&row| px(row) * PITCH >= used).unwrap_or(rows);
        let mut open: Vec<usize> = (below..rows).chain((0..below).rev().filter(|&row| is_open(row))).collect();
        open.extend((rows..=rows + free.len()).filter(|&row| is_open(row)));
        open.truncate(free.len());
        open.sort_unstable();
        for (&i, row) in free.iter().zip(open) {
            middle[i] = start + px(row) * PITCH;
        }
    }
}

/// Rows from each box of a column to the next, so that the lines between them fit; first the rows above
/// the first box, where a few lines may use the margin.
fn row_steps(items: &[Item], column: &[usize]) -> Vec<f64> {
    let mut steps = Vec::new();
    let mut lines = 0;
    for &i in column {
        if items[i].node.is_none() {
            lines += 1;
            continue;
        }
        let needed = px(lines).mul_add(LINE_GAP, 2.0 * EDGE_GAP - LINE_GAP);
        steps.push(match (steps.is_empty(), lines) {
            (true, 0..=2) => 0.0,
            (true, _) => (needed / PITCH).ceil(),
            (false, 0) => 1.0,
            (false, _) => ((needed + f64::from(BOX_HEIGHT)) / PITCH - 0.001).ceil(),
        });
        lines = 0;
    }
    steps
}

/// Puts the boxes of a column on the rows nearest to where they are.
fn snap(items: &[Item], column: &[usize], steps: &[f64], slack: f64, middle: &[f64], fixed: &mut [Option<(f64, f64)>]) {
    let boxes: Vec<usize> = column.iter().copied().filter(|&i| items[i].node.is_some()).collect();
    let start = f64::from(BOX_HEIGHT) / 2.0;
    let closest: Vec<f64> = steps
        .iter()
        .scan(0.0, |sum, step| {
            *sum += step;
            Some(*sum)
        })
        .collect();
    let wishes: Vec<(f64, f64)> =
        boxes.iter().zip(&closest).map(|(&i, row)| ((middle[i] - start) / PITCH - row, 1.0)).collect();
    for ((&i, row), level) in boxes.iter().zip(&closest).zip(nearest_rising(&wishes)) {
        // Rounding keeps the order, so the steps between boxes stay large enough.
        fixed[i] = Some((start + (row + level.round().clamp(0.0, slack.max(0.0))) * PITCH, 1e9));
    }
}

fn half(item: &Item) -> f64 {
    if item.node.is_some() { f64::from(BOX_HEIGHT) / 2.0 } else { 0.0 }
}

/// Middles of a column's items when they stand as close as they may.
fn stack(items: &[Item], column: &[usize]) -> Vec<f64> {
    let mut middles = Vec::with_capacity(column.len());
    let mut at = 0.0;
    for (place, &i) in column.iter().enumerate() {
        if let Some(&above) = place.checked_sub(1).and_then(|p| column.get(p)) {
            at += half(&items[above])
                + match (items[above].node, items[i].node) {
                    (Some(_), Some(_)) => BOX_GAP,
                    (None, None) => LINE_GAP,
                    _ => EDGE_GAP,
                };
        }
        at += half(&items[i]);
        middles.push(at);
    }
    middles
}

/// Where an item would like to be, and how much: at the mean of its neighbours, most of all in a long edge.
fn wish(items: &[Item], i: usize, middle: &[f64], round: usize) -> (f64, f64) {
    let sides: [&[usize]; 2] = match round {
        0..12 if round.is_multiple_of(2) => [&items[i].left, &[]],
        0..12 => [&items[i].right, &[]],
        _ => [&items[i].left, &items[i].right],
    };
    let (mut sum, mut weights) = (0.0, 0.0);
    for &n in sides.into_iter().flatten() {
        let weight = match (items[i].node, items[n].node) {
            (None, None) => 6.0,
            (Some(_), Some(_)) => 2.0,
            _ => 1.5,
        };
        sum += middle[n] * weight;
        weights += weight;
    }
    if weights > 0.0 { (sum / weights, weights) } else { (middle[i], 0.3) }
}

/// The rising sequence nearest to the wishes by weighted squares (pool adjacent violators): the best
/// places for a column whose order is fixed.
fn nearest_rising(wishes: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for &(wish, weight) in wishes {
        let mut pool = (wish, weight, 1);
        while let Some(&(mean, mass, count)) = pools.last()
            && mean > pool.0
        {
            pools.pop();
            pool = ((mean * mass + pool.0 * pool.1) / (mass + pool.1), mass + pool.1, count + pool.2);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(mean, _, count)| std::iter::repeat_n(mean, count)).collect()
}

/// A count as pixels' factor.
fn px(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Whole pixels; a picture has far fewer than an `i32` holds.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and no picture is that large")]
fn whole(pixels: f64) -> i32 {
    pixels.round() as i32
}
