//! Draws a quest's box.

use super::layout::{BOX_HEIGHT, BOX_WIDTH, Place};
use super::marks::{mark, name, stripe};
use super::style::{class, label};
use super::svg::status;
use super::{Node, Status};
use crate::drawing::text::{ellipsis, escape, width, wrap};
use crate::drawing::{thousands, write};

/// From the left side of the box to its text, and from the text to the right side.
const LEFT: i32 = 18;
const ROOM: i32 = BOX_WIDTH - LEFT - 12;

/// Size of the title, and of what stands below it.
pub const TITLE: i32 = 14;
pub const SMALL: i32 = 12;

/// A quest's box; `before` names the quests that come before it.
pub fn card(out: &mut String, node: &Node, place: Place, before: Option<&str>) {
    let Place { x, y } = place;
    let status = status(node);
    let mut classes = class(node.difficulty_level).to_owned();
    if !node.is_mandatory {
        classes.push_str(" o");
    }
    match status {
        Some(Status::Completed) => classes.push_str(" d"),
        Some(Status::InProgress | Status::Available) => classes.push_str(" n"),
        Some(Status::Locked | Status::Inactive) => classes.push_str(" q"),
        Some(Status::Paused | Status::Abandoned) | None => {}
    }
    let level = label(node.difficulty_level);
    let points = format!("{} XP", thousands(i64::from(node.experience_points)));
    let need = if node.is_mandatory { "mandatory" } else { "optional" };
    let percentage = under_way(node, status);
    write(out, format_args!("<g class=\"{classes}\" role=\"img\"><title>{}\n", escape(&node.title)));
    write(out, format_args!("{level} · {points} · {need}"));
    if let Some(status) = status {
        write(out, format_args!(" · {}", name(status).to_lowercase()));
    }
    if let Some(percentage) = percentage {
        write(out, format_args!(" · {percentage}%"));
    }
    if let Some(before) = before {
        write(out, format_args!("\nAfter {before}"));
    }
    write(
        out,
        format_args!(
            "</title><rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"9\"/>\
             <path class=\"stripe\" d=\"{}\"/>",
            stripe(x, y, BOX_HEIGHT, 9)
        ),
    );
    for (at, line) in (0..).zip(title(node, status, percentage)) {
        write(
            out,
            format_args!("<text class=\"t\" x=\"{}\" y=\"{}\">{}</text>", x + LEFT, y + 24 + 17 * at, escape(&line)),
        );
    }
    if let Some(status) = status {
        mark(out, status, x + BOX_WIDTH - 18, y + 18);
    }
    let chip = width(level, SMALL) + 16;
    let line = y + BOX_HEIGHT - 31;
    let points = ellipsis(&points, SMALL, ROOM - chip - 8);
    write(
        out,
        format_args!(
            "<rect class=\"tag\" x=\"{}\" y=\"{line}\" width=\"{chip}\" height=\"19\" rx=\"9\"/>\
             <text class=\"chip\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{level}</text>\
             <text class=\"xp\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{points}</text>",
            x + LEFT,
            x + LEFT + chip / 2,
            line + 14,
            x + LEFT + ROOM,
            line + 14
        ),
    );
    if let Some(percentage) = percentage {
        progress(out, percentage, x, y);
    }
    out.push_str("</g>\n");
}

/// The title's lines; the first one leaves room for what stands beside it.
pub fn title(node: &Node, status: Option<Status>, percentage: Option<i32>) -> Vec<String> {
    let first = match (status, percentage) {
        (_, Some(_)) => ROOM - 58,
        (Some(_), None) => ROOM - 22,
        (None, None) => ROOM,
    };
    wrap(&node.title, TITLE, &[first, ROOM, ROOM])
}

/// A bar along the lower side of the box, and the percentage beside the mark.
fn progress(out: &mut String, percentage: i32, x: i32, y: i32) {
    let (left, base) = (x + LEFT, y + BOX_HEIGHT - 8);
    write(
        out,
        format_args!(
            "<rect class=\"track\" x=\"{left}\" y=\"{base}\" width=\"{ROOM}\" height=\"4\" rx=\"2\"/>\
             <rect class=\"bar\" x=\"{left}\" y=\"{base}\" width=\"{}\" height=\"4\" rx=\"2\"/>\
             <text class=\"pc\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{percentage}%</text>",
            ROOM * percentage / 100,
            x + BOX_WIDTH - 31,
            y + 22
        ),
    );
}

/// Whole per cent of a quest under way.
#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn under_way(node: &Node, status: Option<Status>) -> Option<i32> {
    matches!(status, Some(Status::InProgress | Status::Paused))
        .then(|| node.completion_percentage.unwrap_or(0.0).clamp(0.0, 100.0).floor() as i32)
}
