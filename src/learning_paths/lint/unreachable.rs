//! Quests outside of the least fixpoint, with the reason, and those that only some learners reach.

use rust_decimal::Decimal;

use super::finding::{Finding, Severity, by_need, counted, quoted};
use super::plan::{Ask, Never, Plan};
use super::reach::{Mode, Reach, reach};
use chrono::{DateTime, Utc};

/// Quests that can never open: exactly the active ones outside of the fixpoint.
pub(super) fn unreachable(plan: &Plan, reached: &Reach, found: &mut Vec<Finding>) {
    for (place, quest) in plan.blueprint.quests.iter().enumerate() {
        if !quest.is_active || reached.open[place].is_some() || !plan.index.is_first(plan.blueprint, place) {
            continue;
        }
        let message = format!("{} can never open, because {}.", quoted(&quest.title), why(plan, reached, place));
        let suggestion = if quest.is_mandatory {
            "Change what it waits for, or make it optional and nothing wait for it."
        } else {
            "Change what it waits for, or take it out of the path."
        };
        found.push(
            Finding::quest(plan.blueprint, place, "", "unreachable", by_need(quest), message).suggest(suggestion),
        );
    }
}

/// A clause: why a quest outside of the fixpoint never opens.
fn why(plan: &Plan, reached: &Reach, place: usize) -> String {
    let quest = &plan.blueprint.quests[place];
    if quest.unlock_criteria.is_unreadable() {
        return "its unlock criteria cannot be read".to_owned();
    }
    if let Some(needed) = plan.needs[place].iter().find(|needed| !reached.done[**needed]) {
        return format!("its prerequisite {} can never be completed", plan.title(*needed));
    }
    match plan.span(place).next() {
        Some(root) if reached.met[root].is_none() => unmet(plan, reached, root),
        _ => "its window closes before everything else lets it open".to_owned(),
    }
}

/// A clause: why a condition is never met.
pub(super) fn unmet(plan: &Plan, reached: &Reach, node: usize) -> String {
    match &plan.nodes[node].ask {
        Ask::Of(needed) => {
            let children: Vec<usize> = plan.children(node).collect();
            let missing = children.iter().copied().find(|child| reached.met[*child].is_none());
            let first = missing.map_or_else(|| "nothing is in it".to_owned(), |child| unmet(plan, reached, child));
            if *needed == children.len() {
                return first;
            }
            let met = children.iter().filter(|child| reached.met[**child].is_some()).count();
            format!("{} can ever be met where {needed} must be (for one, {first})", of_them(met, children.len()))
        }
        Ask::Quest(quest, _) => format!("{} can never be completed", plan.title(*quest)),
        Ask::Grade { quest: Some(quest), .. } => format!("{}, whose grade counts, can never open", plan.title(*quest)),
        Ask::Chapter(chapter) => {
            let title = quoted(&plan.blueprint.chapters[*chapter].title);
            match plan.members[*chapter].iter().find(|quest| !reached.done[**quest]) {
                Some(quest) => format!("{} in the chapter {title} can never be completed before", plan.title(*quest)),
                None => format!("the chapter {title} can never be completed"),
            }
        }
        Ask::Progress(needed) => format!(
            "it needs {} of the {}, and no more than {} can be completed without it",
            needed,
            counted(plan.mandatory, "mandatory quest", "mandatory quests"),
            reached.mandatory
        ),
        Ask::Experience(needed) => format!(
            "it needs {needed} experience points of the path, and no more than {} can be earned without it",
            reached.experience
        ),
        Ask::Started(_) => "no quest of the path can be started before it".to_owned(),
        Ask::Never(never) => never.clause(),
        Ask::At(_) | Ask::Manual | Ask::Free(_) | Ask::Grade { quest: None, .. } => "of what is around it".to_owned(),
    }
}

fn of_them(met: usize, all: usize) -> String {
    if met == 0 {
        format!("none of {}", counted(all, "option", "options"))
    } else {
        format!("only {met} of {all} options")
    }
}

impl Plan<'_> {
    pub(super) fn title(&self, quest: usize) -> String {
        quoted(&self.blueprint.quests[quest].title)
    }
}

impl Never {
    pub(super) fn clause(&self) -> String {
        match self {
            Self::Unknown(kind, id) => format!("there is no {kind} {id}"),
            Self::Draft(title) => format!("{} is not active", quoted(title)),
            Self::Retired(title) => format!("an assessment of {} that it names is retired", quoted(title)),
            Self::Ungraded(title) => format!("{} has no assessment, so it never has a score", quoted(title)),
            Self::BelowZero(title) => format!("no score in {} is below zero", quoted(title)),
            Self::Excluded(what) => {
                format!("no first score in {what} is within all the bounds that must be met together")
            }
            Self::NothingMandatory(title) => {
                format!("the chapter {} has no active mandatory quest, so it is never completed", quoted(title))
            }
        }
    }
}

/// Quests that open only by an override, only for who scores low, or only for who gets it right at first.
pub(super) fn conditional(plan: &Plan, reached: &Reach, now: DateTime<Utc>, found: &mut Vec<Finding>) {
    let by_hand = Mode { overrides: false, ..Mode::LUCKY };
    for place in (0..plan.blueprint.quests.len()).filter(|place| reached.open[*place].is_some()) {
        if !reached.holds(plan, place, by_hand) {
            let message = format!("{} opens only by an override for each learner.", plan.title(place));
            found.push(
                Finding::quest(plan.blueprint, place, "/unlockCriteria/when", "manual_only", Severity::Info, message)
                    .suggest("Add another way with `any`, if learners should get there by themselves."),
            );
        }
    }
    let has = |wanted: bool| {
        plan.nodes.iter().any(|node| matches!(node.ask, Ask::Grade { first_try: true, low, .. } if low == wanted))
    };
    let mandatory = |place: &usize| plan.blueprint.quests[*place].counts() && reached.open[*place].is_some();
    if has(true) {
        let full_marks = reach(plan, Mode { low_scores: false, ..Mode::LUCKY }, now);
        for place in
            (0..plan.blueprint.quests.len()).filter(mandatory).filter(|place| full_marks.open[*place].is_none())
        {
            let message = format!(
                "{} is mandatory and opens only after a low score at first, so who does well never completes the path.",
                plan.title(place)
            );
            found.push(
                Finding::quest(plan.blueprint, place, "", "low_scores_only", Severity::Error, message)
                    .suggest("Make it optional, or add a way for who scores higher with `any`."),
            );
        }
    }
    if has(false) {
        let mode = Mode { first_tries: false, ..Mode::LUCKY };
        let unlucky = reach(plan, mode, now);
        let blocked = |place: &usize| unlucky.open[*place].is_none() && !reached.holds(plan, *place, mode);
        for place in (0..plan.blueprint.quests.len()).filter(mandatory).filter(blocked) {
            let message = format!(
                "{} is mandatory and opens only after a good first try, so who fails it once never completes the path.",
                plan.title(place)
            );
            found.push(
                Finding::quest(
                    plan.blueprint,
                    place,
                    "/unlockCriteria/when",
                    "first_try_only",
                    Severity::Warning,
                    message,
                )
                .suggest("Ask for the best try, or add another way with `any`."),
            );
        }
    }
}

/// How many percent so many mandatory quests are, cut to two decimals.
pub(super) fn percent(done: usize, all: usize) -> Decimal {
    if all == 0 {
        return Decimal::ZERO;
    }
    (Decimal::from(done) * Decimal::ONE_HUNDRED / Decimal::from(all)).trunc_with_scale(2).normalize()
}
