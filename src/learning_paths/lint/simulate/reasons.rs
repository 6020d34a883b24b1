//! Why a quest cannot be started, in sentences.

use rust_decimal::Decimal;

use super::{Hindrance, SimulatedQuest, Standing};
use crate::learning_paths::lint::blueprint::BlueprintQuest;
use crate::learning_paths::lint::finding::quoted;
use crate::unlocks::evaluate::{Judged, State};

/// The reasons, the nearest at hand first; at least one.
pub(super) fn of(quest: &BlueprintQuest, simulated: &SimulatedQuest) -> Vec<String> {
    if simulated.availability == Standing::Inactive {
        return vec!["It is not active.".to_owned()];
    }
    let mut reasons: Vec<String> = simulated.prerequisites.iter().filter_map(sentence).collect();
    if quest.unlock_criteria.is_unreadable() {
        reasons.push("Its unlock criteria cannot be read.".to_owned());
    }
    match &simulated.criteria {
        // Each of `all` is a reason of its own.
        Some(judged) if judged.op == "all" => reasons.extend(judged.of.iter().filter_map(sentence)),
        Some(judged) => reasons.extend(sentence(judged)),
        None => {}
    }
    reasons.extend(simulated.schedule.iter().map(|hindrance| match hindrance {
        Hindrance::WindowNotOpen { until } => format!("Its window opens on {}.", until.format(MOMENT)),
        Hindrance::WindowClosed { since } => format!("Its window closed on {}.", since.format(MOMENT)),
        Hindrance::ChapterNotBegun { until } => format!("Its chapter begins on {}.", until.date_naive()),
        Hindrance::ChapterPaused => "Its chapter is paused.".to_owned(),
    }));
    reasons
}

const MOMENT: &str = "%Y-%m-%d %H:%M UTC";

fn sentence(judged: &Judged) -> Option<String> {
    if judged.state == State::Met {
        return None;
    }
    let clause = clause(judged);
    let mut letters = clause.chars();
    let first = letters.next()?.to_uppercase();
    Some(format!("{first}{}.", letters.as_str()))
}

/// What is left to do, as something that goes on a list: "complete “Arrays” first".
fn clause(judged: &Judged) -> String {
    let title = judged.title.as_deref().map(quoted);
    let name = |kind: &str| title.clone().unwrap_or_else(|| format!("a {kind} that is not known"));
    let target = number(judged.target);
    let current = judged.current.map_or_else(|| "it is unknown".to_owned(), |now| format!("now {}", number(Some(now))));
    match judged.op {
        "all" => list(judged, " and "),
        "any" => list(judged, ", or "),
        "atLeast" => format!("meet {target} of these (now {}): {}", number(judged.current), list(judged, "; ")),
        "questCompleted" => format!("complete {} first", name("quest")),
        "chapterCompleted" => {
            format!("complete the chapter {} first", title.unwrap_or_else(|| "of another path".to_owned()))
        }
        "questScore" => format!("score at least {target} % in {} ({current})", name("quest")),
        "scoreBand" => format!("a score in an assessment is outside of what opens it (bound {target} %, {current})"),
        "pathProgress" => format!("complete {target} % of {} ({current})", name("path")),
        "xpEarned" => format!("earn {target} experience points ({current})"),
        "skillLevel" => {
            let skill = quoted(judged.skill_tag.as_deref().unwrap_or_default());
            format!("reach level {target} in {skill} ({current})")
        }
        "notBefore" => judged.at.map_or_else(|| "wait".to_owned(), |at| format!("wait until {}", at.format(MOMENT))),
        "delay" => match judged.at {
            Some(at) => format!("wait until {}", at.format(MOMENT)),
            None if judged.quest_id.is_some() => format!("complete {} first, and wait", name("quest")),
            None => "start the path first, and wait".to_owned(),
        },
        "manual" => "it opens only by an override".to_owned(),
        _ => "a condition is not met".to_owned(),
    }
}

fn list(judged: &Judged, separator: &str) -> String {
    let open: Vec<String> = judged.of.iter().filter(|inner| inner.state != State::Met).map(clause).collect();
    open.join(separator)
}

fn number(number: Option<Decimal>) -> String {
    number.map_or_else(|| "0".to_owned(), |number| number.normalize().to_string())
}
