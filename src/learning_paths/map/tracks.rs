//! Part of the layout: where in its gap each edge turns, so that steep edges beside each other stay apart.

use std::collections::HashMap;

use super::layout::Route;
use super::order::Bundle;

/// Distance of two tracks, and of the outer ones from the sides of the gap.
const STEP: i32 = 9;
const RIM: i32 = 22;
/// Edges that climb less need no track of their own.
const FLAT: i32 = 24;
/// How far to the right an edge inside its own column bows.
const BOW: i32 = 34;

/// What turns together: the edges of a bundle that rise, or fall, in one gap.
type Flow = (i32, bool, Bundle);

/// The heights that a flow covers, and twice the mean height of its edges.
#[derive(Clone, Copy)]
struct Climb {
    top: i32,
    bottom: i32,
    sum: i64,
    count: i64,
}

/// Sets the place where each stretch of each route turns.
pub fn turn(routes: &mut [Route]) {
    let mut flows: HashMap<Flow, Climb> = HashMap::new();
    let mut ends: HashMap<i32, i32> = HashMap::new();
    for route in &*routes {
        for pair in route.points.windows(2) {
            let Some((flow, [left, right])) = flow(route.bundle, pair[0], pair[1]) else { continue };
            ends.insert(left.0, right.0);
            let climb = flows.entry(flow).or_insert(Climb { top: i32::MAX, bottom: i32::MIN, sum: 0, count: 0 });
            climb.top = climb.top.min(left.1).min(right.1);
            climb.bottom = climb.bottom.max(left.1).max(right.1);
            climb.sum += i64::from(left.1) + i64::from(right.1);
            climb.count += 1;
        }
    }
    let mut groups: HashMap<(i32, bool), Vec<(Flow, Climb)>> = HashMap::new();
    for (flow, climb) in flows {
        groups.entry((flow.0, flow.1)).or_default().push((flow, climb));
    }
    let mut turns: HashMap<Flow, i32> = HashMap::new();
    for ((start, rises), mut group) in groups {
        let end = ends[&start];
        group.sort_by_key(|(flow, climb)| (climb.top, climb.bottom, flow.2));
        let mut lowest = i32::MIN;
        let mut neighbours: Vec<(Flow, Climb)> = Vec::new();
        for (flow, climb) in group {
            if climb.top > lowest {
                spread(std::mem::take(&mut neighbours), rises, (start, end), &mut turns);
            }
            lowest = lowest.max(climb.bottom);
            neighbours.push((flow, climb));
        }
        spread(neighbours, rises, (start, end), &mut turns);
    }
    for route in routes {
        let bundle = route.bundle;
        route.turns = (route.points.windows(2))
            .map(|pair| {
                let (from, to) = (pair[0], pair[1]);
                let track = flow(bundle, from, to).and_then(|(flow, _)| turns.get(&flow));
                let middle = if from.0 == to.0 { from.0 + BOW } else { i32::midpoint(from.0, to.0) };
                track.copied().unwrap_or(middle)
            })
            .collect();
    }
}

/// The flow of a stretch that climbs, and its ends from left to right.
fn flow(bundle: Bundle, from: (i32, i32), to: (i32, i32)) -> Option<(Flow, [(i32, i32); 2])> {
    let [left, right] = if from.0 <= to.0 { [from, to] } else { [to, from] };
    let climbs = left.0 != right.0 && (left.1 - right.1).abs() >= FLAT;
    climbs.then_some(((left.0, left.1 > right.1, bundle), [left, right]))
}

/// Gives flows that pass the same heights tracks of their own: of those that rise, the uppermost turns first.
fn spread(mut flows: Vec<(Flow, Climb)>, rises: bool, (start, end): (i32, i32), turns: &mut HashMap<Flow, i32>) {
    flows.sort_by_key(|(flow, climb)| (climb.sum * 1_000 / climb.count.max(1), flow.2));
    if !rises {
        flows.reverse();
    }
    let last = i32::try_from(flows.len()).unwrap_or(i32::MAX).saturating_sub(1);
    let room = (end - start - 2 * RIM).max(0).min(STEP.saturating_mul(last));
    for (at, (flow, _)) in (0..).zip(flows) {
        let track = if last == 0 { 0 } else { i64::from(room) * at / i64::from(last) - i64::from(room / 2) };
        turns.insert(flow, i32::midpoint(start, end) + i32::try_from(track).unwrap_or(0));
    }
}
