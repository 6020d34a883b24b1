//! Bars, one below the other: how many began each unit, and how many of them completed it.

use super::scale::Scale;
use super::{EDGE, Funnel, Row, WIDTH, panel};
use crate::drawing::text::{ellipsis, escape, width};
use crate::drawing::{thousands, write};

const ROW: i32 = 32;
/// Where bars begin and end.
const LEFT: i32 = EDGE + 292;
const RIGHT: i32 = WIDTH - EDGE - 208;

/// Draws the panel from `y` on; answers where it ends.
pub fn draw(out: &mut String, funnel: &Funnel, y: i32) -> i32 {
    if funnel.rows.is_empty() {
        let inside = panel(out, funnel.title, y, 96);
        write(
            out,
            format_args!("<text class=\"sub\" x=\"{}\" y=\"{}\">{}</text>\n", EDGE + 18, inside + 24, funnel.nothing),
        );
        return y + 96;
    }
    let rows = i32::try_from(funnel.rows.len()).unwrap_or(i32::MAX / ROW / 2);
    let high = 44 + 20 + rows * ROW + 52;
    let top = panel(out, funnel.title, y, high) + 20;
    legend(out, y + 28);
    let base = top + rows * ROW;
    let scale = Scale::to(funnel.rows.iter().filter_map(|row| row.started).max().unwrap_or(0));
    for mark in scale.marks() {
        let x = LEFT + scale.pixels(mark, RIGHT - LEFT);
        write(
            out,
            format_args!(
                "<path class=\"grid\" d=\"M{x} {top}V{base}\"/><text class=\"tick\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                base + 17,
                thousands(mark)
            ),
        );
    }
    let middle = i32::midpoint(LEFT, RIGHT);
    write(
        out,
        format_args!(
            "<text class=\"note\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">Learners</text>\n",
            base + 37
        ),
    );
    let right = WIDTH - EDGE - 18;
    write(
        out,
        format_args!(
            "<text class=\"note\" x=\"{right}\" y=\"{}\" text-anchor=\"end\">completed of started · left here</text>\n",
            top - 6
        ),
    );
    for (row, at) in funnel.rows.iter().zip(0..) {
        bar(out, row, scale, top + at * ROW);
    }
    write(out, format_args!("<path class=\"axis\" d=\"M{LEFT} {top}V{base}\"/>\n"));
    y + high
}

fn bar(out: &mut String, row: &Row, scale: Scale, y: i32) {
    let line = y + 21;
    let label = ellipsis(&row.label, 14, LEFT - EDGE - 18 - 12);
    let number = |number: Option<i64>| number.map_or_else(|| "–".to_owned(), thousands);
    let words = format!("{} of {}", number(row.completed), number(row.started));
    write(
        out,
        format_args!(
            "<g><title>{}: {} started, {} completed, {} left here</title><text class=\"label\" x=\"{}\" y=\"{line}\">{}</text>",
            escape(row.title),
            number(row.started),
            number(row.completed),
            number(row.left),
            EDGE + 18,
            escape(&label)
        ),
    );
    let length = |number: i64| scale.pixels(number, RIGHT - LEFT);
    match row.started {
        Some(started) => write(
            out,
            format_args!(
                "<rect class=\"pale\" x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"20\" rx=\"3\"/>",
                y + 6,
                length(started)
            ),
        ),
        None => write(out, format_args!("<path class=\"bare\" d=\"M{LEFT} {}H{RIGHT}\"/>", y + 16)),
    }
    if let Some(completed) = row.completed {
        write(
            out,
            format_args!(
                "<rect class=\"full\" x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"20\" rx=\"3\"/>",
                y + 6,
                length(completed)
            ),
        );
    }
    let right = WIDTH - EDGE - 18;
    let left = match row.left {
        Some(0) => String::new(),
        Some(left) => format!("−{}", thousands(left)),
        None => "–".to_owned(),
    };
    write(
        out,
        format_args!(
            "<text class=\"value\" x=\"{}\" y=\"{line}\" text-anchor=\"end\">{words}</text>\
             <text class=\"value lost\" x=\"{right}\" y=\"{line}\" text-anchor=\"end\">{left}</text></g>\n",
            right - 62
        ),
    );
}

fn legend(out: &mut String, y: i32) {
    let mut x = WIDTH - EDGE - 18;
    for (name, class) in [("Completed", "full"), ("Started", "pale")] {
        x -= width(name, 12);
        write(out, format_args!("<text class=\"note\" x=\"{x}\" y=\"{y}\">{name}</text>"));
        x -= 24;
        write(
            out,
            format_args!("<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"18\" height=\"12\" rx=\"2\"/>\n", y - 10),
        );
        x -= 18;
    }
}
