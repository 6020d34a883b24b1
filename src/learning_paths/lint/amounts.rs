//! Rewards and durations that are missing or far off.

use super::blueprint::BlueprintQuest;
use super::finding::{Finding, Severity, quoted};
use super::plan::Plan;

/// Longer than this is rather a course than a quest, where that is not usual in the path.
const LONG_MINUTES: i64 = 40 * 60;
/// A quest that pays more than so many times the median unbalances its path.
const OUTLIER: i64 = 10;
/// Fewer quests have no meaningful median.
const LEAST_FOR_MEDIAN: usize = 4;

/// Everything about experience points and minutes.
pub(super) fn amounts(plan: &Plan, found: &mut Vec<Finding>) {
    let quests: Vec<(usize, &BlueprintQuest)> = plan
        .blueprint
        .quests
        .iter()
        .enumerate()
        .filter(|(place, quest)| quest.is_active && plan.index.is_first(plan.blueprint, *place))
        .collect();
    rewards(plan, &quests, found);
    durations(plan, &quests, found);
}

fn rewards(plan: &Plan, quests: &[(usize, &BlueprintQuest)], found: &mut Vec<Finding>) {
    let mut paid: Vec<i64> = quests.iter().map(|(_, quest)| quest.experience()).filter(|points| *points > 0).collect();
    paid.sort_unstable();
    let median = if paid.len() < LEAST_FOR_MEDIAN { None } else { paid.get(paid.len() / 2).copied() };
    for (place, quest) in quests {
        let title = quoted(&quest.title);
        let points = quest.experience();
        let (code, message, suggestion) = if points == 0 {
            let else_pays =
                if quest.skill_reward_points > 0 { ", only skill points" } else { ", and no skill points either" };
            let message = format!("{title} and its steps pay no experience points{else_pays}.");
            ("reward_missing", message, "Set a reward for the quest or its steps.")
        } else if let Some(median) = median.filter(|median| points > median.saturating_mul(OUTLIER)) {
            let message = format!(
                "{title} pays {points} experience points, more than {OUTLIER} times what is usual here ({median})."
            );
            ("reward_outlier", message, "Check the reward, or split the quest.")
        } else {
            continue;
        };
        let below = "/experiencePointsReward";
        found.push(Finding::quest(plan.blueprint, *place, below, code, Severity::Warning, message).suggest(suggestion));
    }
    total(plan, found);
}

/// The stored total counts drafts too, and is an INTEGER.
fn total(plan: &Plan, found: &mut Vec<Finding>) {
    let stored = plan.blueprint.path.total_experience_points;
    let sum = plan
        .blueprint
        .quests
        .iter()
        .enumerate()
        .filter(|(place, _)| plan.index.is_first(plan.blueprint, *place))
        .fold(0, |sum: i64, (_, quest)| sum.saturating_add(quest.experience()))
        .min(i32::MAX.into());
    if stored != sum {
        let message = format!(
            "The path is stored with {stored} experience points in all, and its quests and their steps pay {sum}."
        );
        found.push(
            Finding::path("experience_total_wrong", Severity::Warning, "/totalExperiencePoints", message)
                .suggest("Save the list of quests again, which counts anew."),
        );
    }
}

fn durations(plan: &Plan, quests: &[(usize, &BlueprintQuest)], found: &mut Vec<Finding>) {
    let (mut all, mut mandatory, mut complete) = (0_i64, 0_i64, true);
    let mut usual: Vec<i64> =
        quests.iter().filter_map(|(_, quest)| quest.estimated_duration_minutes.map(i64::from)).collect();
    usual.sort_unstable();
    // A programme's subjects take months each, and say so.
    let usual = if usual.len() < LEAST_FOR_MEDIAN { 0 } else { usual.get(usual.len() / 2).copied().unwrap_or(0) };
    for (place, quest) in quests {
        let minutes = quest.estimated_duration_minutes.map_or(0, i64::from).max(0);
        all += minutes;
        mandatory += if quest.is_mandatory { minutes } else { 0 };
        let title = quoted(&quest.title);
        let (code, message, suggestion) = if minutes > LONG_MINUTES.max(2 * usual) {
            let message = format!("{title} takes {} hours by its estimate.", minutes / 60);
            ("duration_long", message, "Check the estimate, or split the quest.")
        } else if quest.is_mandatory && minutes == 0 {
            complete = false;
            ("duration_missing", format!("{title} is mandatory and has no estimated duration."), "Estimate it.")
        } else {
            continue;
        };
        let below = "/estimatedDurationMinutes";
        found.push(Finding::quest(plan.blueprint, *place, below, code, Severity::Info, message).suggest(suggestion));
    }
    let Some(hours) = plan.blueprint.path.estimated_total_duration_hours.map(i64::from) else { return };
    let stated = hours.saturating_mul(60);
    // Only what is mandatory must fit in; and the sum is too low while estimates are missing.
    let is_short = stated.saturating_mul(2) < mandatory;
    let is_long = complete && all > 0 && stated > all.saturating_mul(2);
    if is_short || is_long {
        let sum = if is_short { mandatory } else { all };
        let message = format!(
            "The path is estimated at {hours} hours, and the estimates of its quests make {}.",
            if sum < 120 { format!("{sum} minutes") } else { format!("{} hours", (sum + 30) / 60) }
        );
        found.push(
            Finding::path("duration_total_wrong", Severity::Warning, "/estimatedTotalDurationHours", message)
                .suggest("Correct the estimate of the path, or those of its quests."),
        );
    }
}
