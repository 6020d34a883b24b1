//! Windows and chapter dates that leave no time.

use chrono::{DateTime, NaiveDate, Utc};

use super::blueprint::{BlueprintChapter, ChapterStatus};
use super::finding::{Finding, Severity, by_need, quoted};
use super::plan::Plan;
use super::reach::Reach;

/// Windows that nobody gets into, and quests that begin when their chapter is over.
pub(super) fn windows(plan: &Plan, reached: &Reach, now: DateTime<Utc>, found: &mut Vec<Finding>) {
    for (place, quest) in plan.blueprint.quests.iter().enumerate() {
        if !quest.is_active || !plan.index.is_first(plan.blueprint, place) {
            continue;
        }
        let chapter = plan.index.chapter_of(quest).map(|chapter| &plan.blueprint.chapters[chapter]);
        let begins = chapter.and_then(BlueprintChapter::begins);
        if let Some(closes) = quest.closes_at() {
            let title = quoted(&quest.title);
            let dead = if closes <= now {
                Some((
                    "window_closed",
                    format!("The window of {title} closed on {}.", moment(closes)),
                    "Move or remove it",
                ))
            } else if let Some(begins) = begins.filter(|begins| closes <= *begins) {
                let message = format!(
                    "The window of {title} closes on {}, before its chapter begins on {}.",
                    moment(closes),
                    begins.date_naive()
                );
                Some(("window_before_chapter", message, "Move the window, or let the chapter begin earlier"))
            } else if let Some(ready) = reached.ready[place].filter(|ready| closes <= *ready) {
                let message = format!(
                    "The window of {title} closes on {}, and its conditions cannot be met before {}.",
                    moment(closes),
                    moment(ready)
                );
                Some(("window_too_early", message, "Let the window close later, or shorten what it waits for"))
            } else {
                None
            };
            if let Some((code, message, suggestion)) = dead {
                let below = "/unlockCriteria/window/closesAt";
                found.push(
                    Finding::quest(plan.blueprint, place, below, code, by_need(quest), message)
                        .suggest(format!("{suggestion}.")),
                );
            }
        }
        // A chapter that is over already has a finding of its own.
        let end = chapter.and_then(|chapter| chapter.end_date).filter(|end| *end >= now.date_naive());
        if let (Some(chapter), Some(end), Some(opens)) = (chapter, end, reached.open[place])
            && opens.date_naive() > end
        {
            let message = format!(
                "{} cannot open before {}, when its chapter {} is over (on {end}).",
                quoted(&quest.title),
                moment(opens),
                quoted(&chapter.title)
            );
            let below = if quest.opens_at() == Some(opens) { "/unlockCriteria/window/opensAt" } else { "" };
            found.push(
                Finding::quest(plan.blueprint, place, below, "opens_after_chapter", Severity::Warning, message)
                    .suggest("Let it open earlier, or the chapter end later."),
            );
        }
    }
}

/// Dates of chapters that do not fit, and chapters that let nobody begin.
pub(super) fn chapters(plan: &Plan, now: DateTime<Utc>, found: &mut Vec<Finding>) {
    let chapters = &plan.blueprint.chapters;
    let today = now.date_naive();
    for (place, chapter) in chapters.iter().enumerate() {
        let title = quoted(&chapter.title);
        let mut add = |below: &str, code, severity, message: String, suggestion: &str| {
            found.push(Finding::chapter(plan.blueprint, place, below, code, severity, message).suggest(suggestion));
        };
        if let (Some(start), Some(end)) = (chapter.start_date, chapter.end_date)
            && end < start
        {
            let message = format!("The chapter {title} ends on {end}, before it begins on {start}.");
            add("/endDate", "chapter_dates_reversed", Severity::Error, message, "Swap or correct the dates.");
        } else if let Some(end) = chapter.end_date.filter(|end| *end < today) {
            let message = format!("The chapter {title} ended on {end}, so its quests are overdue from the start.");
            add("/endDate", "chapter_over", Severity::Warning, message, "Move its dates, or remove the end date.");
        }
        if chapter.status == ChapterStatus::Paused {
            let message = format!("The chapter {title} is paused, so nobody can start its quests.");
            add("/status", "chapter_paused", Severity::Warning, message, "Set another status when it should go on.");
        }
        let earlier = chapters.iter().filter(|other| other.sequence < chapter.sequence);
        let latest = earlier.filter_map(|other| Some((other.start_date?, &other.title))).max();
        if let (Some(start), Some((other_start, other))) = (chapter.start_date, latest)
            && start < other_start
        {
            let message = format!(
                "The chapter {title} begins on {start}, before the earlier chapter {} ({other_start}).",
                quoted(other)
            );
            add(
                "/startDate",
                "chapter_begins_early",
                Severity::Warning,
                message,
                "Move its start, or the chapter to an earlier place.",
            );
        }
    }
}

fn moment(at: DateTime<Utc>) -> String {
    // The day is enough when it is its first moment.
    if at.date_naive().and_time(chrono::NaiveTime::MIN) == at.naive_utc() {
        return day(at.date_naive());
    }
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn day(day: NaiveDate) -> String {
    day.format("%Y-%m-%d").to_string()
}
