//! Quests that wait for each other.
//!
//! Only quests that can never open are looked at, and only conditions that are never met: a condition
//! with another way is no cycle, and a cycle that is found is one.

use std::collections::{BTreeMap, VecDeque};

use super::finding::{Finding, Severity, counted};
use super::plan::{Ask, Plan};
use super::reach::Reach;

/// One finding for each knot of quests that wait for each other, with the shortest cycle through its
/// first quest.
pub(super) fn cycles(plan: &Plan, reached: &Reach, found: &mut Vec<Finding>) {
    let waits = waits(plan, reached);
    for knot in knots(&waits) {
        let first = knot[0];
        let Some(cycle) = shortest_cycle(&waits, first) else { continue };
        let titles: Vec<String> = cycle.iter().chain([&first]).map(|quest| plan.title(*quest)).collect();
        let others = knot.len() - cycle.len();
        let message = if cycle.len() == 1 {
            format!("{} waits for itself ({}).", plan.title(first), titles.join(" → "))
        } else if others == 0 {
            format!("These quests wait for each other: {}.", titles.join(" → "))
        } else {
            let others = counted(others, "other quest", "other quests");
            format!("These quests wait for each other, in one knot with {others}: {}.", titles.join(" → "))
        };
        found.push(
            Finding::quest(plan.blueprint, first, "", "cycle", Severity::Error, message)
                .suggest("Take one of these prerequisites or conditions out, or add another way with `any`."),
        );
    }
}

/// For each quest that can never open, those among them that it waits for.
fn waits(plan: &Plan, reached: &Reach) -> Vec<Vec<usize>> {
    let quests = &plan.blueprint.quests;
    let is_stuck = |quest: usize| {
        quests[quest].is_active
            && reached.ready[quest].is_none()
            && !quests[quest].unlock_criteria.is_unreadable()
            && plan.index.is_first(plan.blueprint, quest)
    };
    let mut waits = vec![Vec::new(); quests.len()];
    for quest in (0..quests.len()).filter(|quest| is_stuck(*quest)) {
        let mut of = plan.needs[quest].clone();
        for node in plan.span(quest).filter(|node| blocks(plan, reached, *node)) {
            match &plan.nodes[node].ask {
                Ask::Quest(needed, _) | Ask::Grade { quest: Some(needed), .. } => of.push(*needed),
                Ask::Chapter(chapter) => of.extend(&plan.members[*chapter]),
                _ => {}
            }
        }
        of.retain(|needed| is_stuck(*needed));
        of.sort_unstable();
        of.dedup();
        waits[quest] = of;
    }
    waits
}

/// Neither the condition nor one that it is in is ever met.
fn blocks(plan: &Plan, reached: &Reach, node: usize) -> bool {
    let mut next = Some(node);
    while let Some(node) = next {
        if reached.met[node].is_some() {
            return false;
        }
        next = plan.nodes[node].parent.map(|(parent, _)| parent);
    }
    true
}

/// Sets of quests each of which waits for each other one (strongly connected components, by Kosaraju's
/// algorithm, without recursion: a path may be long). Each in order, and by its first quest.
fn knots(waits: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; waits.len()];
    let mut finished = Vec::with_capacity(waits.len());
    for start in 0..waits.len() {
        let mut stack = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((quest, edge)) = stack.pop() {
            match waits[quest].get(edge) {
                None => finished.push(quest),
                Some(next) => {
                    stack.push((quest, edge + 1));
                    if !std::mem::replace(&mut seen[*next], true) {
                        stack.push((*next, 0));
                    }
                }
            }
        }
    }
    let mut waited_for_by = vec![Vec::new(); waits.len()];
    for (quest, of) in waits.iter().enumerate() {
        for needed in of {
            waited_for_by[*needed].push(quest);
        }
    }
    let mut taken = vec![false; waits.len()];
    let mut knots = Vec::new();
    for start in finished.into_iter().rev() {
        let mut knot = Vec::new();
        let mut left = vec![start];
        while let Some(quest) = left.pop() {
            if !std::mem::replace(&mut taken[quest], true) {
                knot.push(quest);
                left.extend(&waited_for_by[quest]);
            }
        }
        knot.sort_unstable();
        if knot.len() > 1 || knot.first().is_some_and(|quest| waits[*quest].contains(quest)) {
            knots.push(knot);
        }
    }
    knots.sort_unstable();
    knots
}

/// The shortest way from a quest back to itself.
fn shortest_cycle(waits: &[Vec<usize>], first: usize) -> Option<Vec<usize>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(quest) = queue.pop_front() {
        for next in &waits[quest] {
            if *next == first {
                let mut cycle = vec![quest];
                let mut at = quest;
                while at != first {
                    at = *before.get(&at)?;
                    cycle.push(at);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !before.contains_key(next) {
                before.insert(*next, quest);
                queue.push_back(*next);
            }
        }
    }
    None
}
