//! Charts of analytics as standalone SVG documents: a trend, and a funnel below it.
//!
//! Drawn from figures that may be told, and from nothing else. What is held back is drawn as held back.

mod funnel;
mod scale;
mod style;
mod trend;

use chrono::{Datelike, NaiveDate};
use uuid::Uuid;

use super::insight::model::{PathInsight, QuestInsight, Scope};
use super::period::Bucket;
use crate::drawing::text::{ellipsis, escape, wrap};
use crate::drawing::{thousands, write};
use style::{CSS, ROOT};

/// Width of everything, and the space around it.
const WIDTH: i32 = 960;
const EDGE: i32 = 28;

/// What is drawn.
struct Chart<'a> {
    id: Uuid,
    title: &'a str,
    scope: &'a Scope,
    /// Below the title
    summary: String,
    trend: Trend,
    funnel: Funnel<'a>,
}

/// Two numbers over time, the second a part of the first.
struct Trend {
    title: String,
    /// Of the axis of time
    axis: &'static str,
    names: [&'static str; 2],
    points: Vec<(NaiveDate, [Option<i64>; 2])>,
    /// In place of a trend without points
    nothing: &'static str,
}

/// What came of each unit, one after the other.
struct Funnel<'a> {
    title: &'static str,
    rows: Vec<Row<'a>>,
    nothing: &'static str,
}

/// A bar, a part of it filled.
struct Row<'a> {
    label: String,
    title: &'a str,
    started: Option<i64>,
    completed: Option<i64>,
    left: Option<i64>,
}

/// Draws a quest: attempts over time, and its steps.
#[must_use]
pub fn draw_quest(insight: &QuestInsight) -> String {
    let cohort = &insight.cohort;
    let mut summary =
        vec![told(cohort.started, "started"), told(cohort.completed, "completed"), told(cohort.left, "left")];
    if let Some(median) = cohort.median_minutes {
        summary.push(format!("half within {}", duration(median)));
    }
    let points = insight.series.iter().map(|point| (point.from, [point.total_attempts, point.successful_completions]));
    let rows = insight.steps.iter().map(|step| Row {
        label: format!("{}. {}{}", step.step_number, step.title, if step.is_optional { " (optional)" } else { "" }),
        title: &step.title,
        started: step.started,
        completed: step.completed,
        left: step.left_here,
    });
    render(&Chart {
        id: insight.quest_id,
        title: &insight.title,
        scope: &insight.scope,
        summary: summary.join(" · "),
        trend: Trend {
            title: format!("Attempts per {}", insight.scope.bucket.as_str()),
            axis: "Start of the attempt",
            names: ["Started", "Of those completed by now"],
            points: points.collect(),
            nothing: "No day of this period has been computed yet.",
        },
        funnel: Funnel { title: "Steps", rows: rows.collect(), nothing: "The quest has no steps." },
    })
}

/// Draws a learning path: enrolments over time, and its quests.
#[must_use]
pub fn draw_path(insight: &PathInsight) -> String {
    let cohort = &insight.cohort;
    let mut summary =
        vec![told(cohort.enrolled, "enrolled"), told(cohort.started, "started"), told(cohort.completed, "completed")];
    if let Some(progress) = cohort.mean_progress {
        summary.push(format!("{progress} % done on average"));
    }
    let points = insight.series.iter().map(|point| (point.from, [point.enrolled, point.completed]));
    let rows = insight.quests.iter().map(|quest| Row {
        label: format!("{}. {}{}", quest.sequence, quest.title, if quest.is_mandatory { "" } else { " (optional)" }),
        title: &quest.title,
        started: quest.started,
        completed: quest.completed,
        left: quest.abandoned,
    });
    render(&Chart {
        id: insight.learning_path_id,
        title: &insight.name,
        scope: &insight.scope,
        summary: summary.join(" · "),
        trend: Trend {
            title: format!("Enrolments per {}", insight.scope.bucket.as_str()),
            axis: "Enrolment",
            names: ["Enrolled", "Of those completed by now"],
            points: points.collect(),
            nothing: "The period has no days.",
        },
        funnel: Funnel { title: "Quests", rows: rows.collect(), nothing: "The path has no quests." },
    })
}

fn told(learners: Option<i64>, what: &str) -> String {
    learners.map_or_else(|| format!("{what} held back"), |learners| format!("{} {what}", thousands(learners)))
}

fn duration(minutes: f64) -> String {
    if minutes < 120.0 {
        format!("{minutes:.0} min")
    } else if minutes < 2_880.0 {
        format!("{:.1} h", minutes / 60.0)
    } else {
        format!("{:.1} days", minutes / 1_440.0)
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn month(date: NaiveDate) -> &'static str {
    MONTHS[usize::try_from(date.month0()).unwrap_or_default()]
}

fn day(date: NaiveDate) -> String {
    format!("{} {} {}", date.day(), month(date), date.year())
}

/// What stands below a point of the axis of time.
fn tick(date: NaiveDate, bucket: Bucket) -> String {
    match bucket {
        Bucket::Day | Bucket::Week => format!("{} {}", date.day(), month(date)),
        Bucket::Month => format!("{} {}", month(date), date.year()),
    }
}

fn render(chart: &Chart) -> String {
    let inner = WIDTH - 2 * EDGE;
    // Ids of this chart only: a page may hold several.
    let id = format!("c{:012x}", chart.id.as_u128() & 0xffff_ffff_ffff);
    let scope = chart.scope;
    let period = format!("{} to {} ({})", day(scope.from), day(scope.to), scope.time_zone);
    let mut body = String::with_capacity(16_384);
    let mut y = EDGE + 22;
    for line in wrap(chart.title, 24, &[inner, inner]) {
        write(&mut body, format_args!("<text class=\"name\" x=\"{EDGE}\" y=\"{y}\">{}</text>\n", escape(&line)));
        y += 30;
    }
    for line in [&period, &chart.summary] {
        let line = escape(&ellipsis(line, 14, inner));
        write(&mut body, format_args!("<text class=\"sub\" x=\"{EDGE}\" y=\"{}\">{line}</text>\n", y - 4));
        y += 21;
    }
    y = trend::draw(&mut body, &chart.trend, scope.bucket, y + 4) + 20;
    y = funnel::draw(&mut body, &chart.funnel, y) + 22;
    let mut notes = vec![format!("Numbers of fewer than {} learners are held back.", scope.min_cohort)];
    if scope.is_capped {
        notes.push("Only the newest ones of the period are counted.".to_owned());
    }
    write(&mut body, format_args!("<text class=\"note\" x=\"{EDGE}\" y=\"{y}\">{}</text>\n", notes.join(" ")));
    let high = y + EDGE - 8;
    let mut out = String::with_capacity(body.len() + 4_096);
    write(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{ROOT}\" width=\"{WIDTH}\" height=\"{high}\" \
             viewBox=\"0 0 {WIDTH} {high}\" role=\"graphics-document\" aria-labelledby=\"{id}t\" aria-describedby=\"{id}d\">\n\
             <title id=\"{id}t\">{}</title>\n<desc id=\"{id}d\">{}, then {}. {}: {}.</desc>\n<style>{}</style>\n\
             <rect class=\"page\" width=\"{WIDTH}\" height=\"{high}\"/>\n",
            escape(chart.title),
            escape(&chart.trend.title),
            chart.funnel.title.to_lowercase(),
            escape(&period),
            escape(&chart.summary),
            *CSS
        ),
    );
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

/// A panel with its title; answers where its inside begins.
fn panel(out: &mut String, title: &str, y: i32, height: i32) -> i32 {
    write(
        out,
        format_args!(
            "<rect class=\"panel\" x=\"{EDGE}\" y=\"{y}\" width=\"{}\" height=\"{height}\" rx=\"12\"/>\n\
             <text class=\"part\" x=\"{}\" y=\"{}\">{}</text>\n",
            WIDTH - 2 * EDGE,
            EDGE + 18,
            y + 28,
            escape(title)
        ),
    );
    y + 44
}
