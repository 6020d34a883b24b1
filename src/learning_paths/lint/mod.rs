//! A whole path looked at before learners meet it: what is wrong with it, and how it would unfold.

mod amounts;
pub mod blueprint;
mod conditions;
mod cycles;
mod finding;
mod plan;
mod reach;
mod schedule;
pub mod simulate;
mod structure;
mod unreachable;

use chrono::{DateTime, Utc};

pub use blueprint::Blueprint;
pub use finding::{Finding, Severity};
pub use simulate::{Scenario, Simulation, simulate};

/// Everything that an author should know of a path, for learners who begin `now`: errors first, then by
/// place. Always the same for the same path and moment.
#[must_use]
pub fn lint(blueprint: &Blueprint, now: DateTime<Utc>) -> Vec<Finding> {
    let plan = plan::Plan::new(blueprint);
    let reached = reach::reach(&plan, reach::Mode::LUCKY, now);
    let mut found = Vec::new();
    structure::structure(&plan, &mut found);
    cycles::cycles(&plan, &reached, &mut found);
    unreachable::unreachable(&plan, &reached, &mut found);
    unreachable::conditional(&plan, &reached, now, &mut found);
    conditions::conditions(&plan, &reached, &mut found);
    schedule::windows(&plan, &reached, now, &mut found);
    schedule::chapters(&plan, now, &mut found);
    amounts::amounts(&plan, &mut found);
    found.sort_by(finding::in_order);
    found
}

/// Whether a path with these findings may be published.
#[must_use]
pub fn is_publishable(findings: &[Finding]) -> bool {
    !findings.iter().any(|finding| finding.severity == Severity::Error)
}

#[cfg(test)]
mod tests;
