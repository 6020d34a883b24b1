//! Conditions that name what they should not, or ask for what cannot be.

use super::finding::{Finding, Severity, counted, quoted};
use super::plan::{Ask, Never, Plan};
use super::reach::Reach;
use super::unreachable::percent;

/// Every rule about single conditions.
pub(super) fn conditions(plan: &Plan, reached: &Reach, found: &mut Vec<Finding>) {
    for (place, quest) in plan.blueprint.quests.iter().enumerate() {
        for violation in &quest.unlock_criteria.violations {
            let below = format!("/unlockCriteria{}", violation.pointer);
            let message = format!("The unlock criteria of {} do not hold to the grammar: {}.", quoted(&quest.title), {
                let name = violation.pointer.rsplit('/').next().filter(|name| !name.is_empty());
                format!("`{}` {}", name.unwrap_or("unlockCriteria"), violation.detail)
            });
            found.push(
                Finding::quest(plan.blueprint, place, &below, "criteria_invalid", Severity::Error, message)
                    .suggest("Write the criteria anew; until then the quest stays closed."),
            );
        }
        // Nobody is held up by what a draft waits for, but what does not exist is wrong in it too.
        for node in plan.span(place) {
            if let Ask::Never(Never::Unknown(..)) = plan.nodes[node].ask {
                never(plan, node, Severity::Error, found);
            } else if quest.is_active {
                let is_stuck = quest.is_mandatory && reached.open[place].is_none();
                let severity = if is_stuck { Severity::Error } else { Severity::Warning };
                condition(plan, reached, node, severity, found);
            }
        }
    }
}

fn condition(plan: &Plan, reached: &Reach, node: usize, severity: Severity, found: &mut Vec<Finding>) {
    let own = plan.nodes[node].quest;
    let quest = &plan.blueprint.quests[own];
    let is_met = reached.met[node].is_some();
    match &plan.nodes[node].ask {
        Ask::Never(_) => never(plan, node, severity, found),
        Ask::Free(Some(what)) | Ask::Grade { outside: Some(what), .. } => found.push(
            at(
                plan,
                node,
                "criteria_outside_path",
                Severity::Warning,
                format!("{} waits for {what}, which is outside of this path.", quoted(&quest.title)),
            )
            .suggest("Make sure that learners of this path get there, or take what it names into the path."),
        ),
        Ask::Of(needed) if !is_met => {
            let children: Vec<usize> = plan.children(node).collect();
            let met = children.iter().filter(|child| reached.met[**child].is_some()).count();
            // Of `all` the one that fails has a finding of its own.
            if *needed < children.len() {
                found.push(
                    at(
                        plan,
                        node,
                        "impossible_at_least",
                        severity,
                        format!(
                            "{} needs {needed} of {}, and only {met} can ever be met.",
                            quoted(&quest.title),
                            counted(children.len(), "option", "options")
                        ),
                    )
                    .suggest("Ask for fewer of them, or mend or add options."),
                );
            }
        }
        // Even where there is another way, what asks for the quest itself helps nobody into it.
        Ask::Progress(needed) => {
            let most = if is_met { plan.mandatory - usize::from(quest.counts()) } else { reached.mandatory };
            if most < *needed {
                found.push(
                    at(
                        plan,
                        node,
                        "impossible_path_progress",
                        severity,
                        format!(
                            "{} needs {needed} of the {}, and at most {most} ({} %) can be done before it.",
                            quoted(&quest.title),
                            counted(plan.mandatory, "mandatory quest", "mandatory quests"),
                            percent(most, plan.mandatory)
                        ),
                    )
                    .suggest(format!("Ask for at most {} %.", percent(most, plan.mandatory))),
                );
            }
        }
        Ask::Experience(needed) => {
            let most = if is_met { plan.experience.saturating_sub(quest.experience()) } else { reached.experience };
            if most < *needed {
                found.push(
                    at(plan, node, "impossible_experience", severity, format!(
                        "{} needs {needed} experience points of this path, and at most {most} can be earned before it.",
                        quoted(&quest.title)
                    ))
                    .suggest(format!("Ask for at most {most} points.")),
                );
            }
        }
        _ => {}
    }
}

fn never(plan: &Plan, node: usize, severity: Severity, found: &mut Vec<Finding>) {
    let Ask::Never(never) = &plan.nodes[node].ask else { return };
    let (code, suggestion) = match never {
        Never::Unknown(..) => ("criteria_names_unknown", "Name one that exists, or take the condition out."),
        Never::Draft(_) => ("criteria_names_draft", "Activate the quest that it names, or take the condition out."),
        Never::Retired(_) => {
            ("criteria_names_retired", "Name an assessment that is in use, or take the condition out.")
        }
        Never::Ungraded(_) => ("score_never_given", "Add an assessment, or ask for completion instead of a score."),
        Never::BelowZero(_) => ("score_never_given", "Raise `belowPercent`, or take the condition out."),
        Never::Excluded(_) => {
            ("score_never_given", "Let the bounds have a score in common, or take one of the conditions out.")
        }
        Never::NothingMandatory(_) => {
            ("chapter_never_completed", "Make a quest of the chapter mandatory and active, or take the condition out.")
        }
    };
    let title = plan.title(plan.nodes[node].quest);
    let message = format!("A condition of {title} can never be met: {}.", never.clause());
    found.push(at(plan, node, code, severity, message).suggest(suggestion));
}

fn at(plan: &Plan, node: usize, code: &'static str, severity: Severity, message: String) -> Finding {
    Finding::quest(plan.blueprint, plan.nodes[node].quest, &plan.pointer(node), code, severity, message)
}
