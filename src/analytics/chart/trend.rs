//! Two curves over time.

use chrono::NaiveDate;

use super::scale::Scale;
use super::{EDGE, Trend, WIDTH, panel, tick};
use crate::analytics::period::Bucket;
use crate::drawing::text::{escape, width};
use crate::drawing::{thousands, write};

const HEIGHT: i32 = 220;
const LEFT: i32 = EDGE + 72;
const RIGHT: i32 = WIDTH - EDGE - 26;
/// Marks on the axis of time, and points that get a dot each.
const MAX_TICKS: usize = 9;
const MAX_DOTS: usize = 62;

/// Draws the panel from `y` on; answers where it ends.
pub fn draw(out: &mut String, trend: &Trend, bucket: Bucket, y: i32) -> i32 {
    if trend.points.is_empty() {
        let inside = panel(out, &trend.title, y, 96);
        write(
            out,
            format_args!("<text class=\"sub\" x=\"{}\" y=\"{}\">{}</text>\n", EDGE + 18, inside + 24, trend.nothing),
        );
        return y + 96;
    }
    let high = HEIGHT + 110;
    let top = panel(out, &trend.title, y, high) + 14;
    legend(out, trend, y + 28);
    let base = top + HEIGHT;
    let largest = trend.points.iter().flat_map(|(_, numbers)| numbers).flatten().max().copied().unwrap_or(0);
    let scale = Scale::to(largest);
    write(out, format_args!("<text class=\"note\" x=\"{}\" y=\"{}\">Learners</text>\n", EDGE + 18, top - 10));
    for mark in scale.marks() {
        let at = base - scale.pixels(mark, HEIGHT);
        write(
            out,
            format_args!(
                "<path class=\"grid\" d=\"M{LEFT} {at}H{RIGHT}\"/><text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 8,
                at + 4,
                thousands(mark)
            ),
        );
    }
    write(out, format_args!("<path class=\"axis\" d=\"M{LEFT} {top}V{base}H{RIGHT}\"/>\n"));
    let places = places(trend);
    time_axis(out, trend, &places, bucket, base);
    for (which, class) in [(0, "b"), (1, "t")] {
        let points: Vec<(i32, Option<i32>)> = trend
            .points
            .iter()
            .zip(&places)
            .map(|((_, numbers), x)| (*x, numbers[which].map(|number| base - scale.pixels(number, HEIGHT))))
            .collect();
        curve(out, &points, class, base);
    }
    y + high
}

/// Each point where its day is.
fn places(trend: &Trend) -> Vec<i32> {
    let days: Vec<i64> =
        trend.points.iter().map(|(date, _)| date.signed_duration_since(NaiveDate::default()).num_days()).collect();
    let (first, last) = (days[0], days[days.len() - 1]);
    let length = i64::from(RIGHT - LEFT - 24);
    let place = |day: &i64| (length * (day - first)).checked_div(last - first).unwrap_or(length / 2);
    days.iter().map(|day| LEFT + 12 + i32::try_from(place(day)).unwrap_or_default()).collect()
}

fn time_axis(out: &mut String, trend: &Trend, places: &[i32], bucket: Bucket, base: i32) {
    let every = trend.points.len().div_ceil(MAX_TICKS);
    for ((date, _), x) in trend.points.iter().zip(places).step_by(every) {
        write(
            out,
            format_args!(
                "<path class=\"axis\" d=\"M{x} {base}v5\"/><text class=\"tick\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                base + 20,
                tick(*date, bucket)
            ),
        );
    }
    write(
        out,
        format_args!(
            "<text class=\"note\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{} ({})</text>\n",
            i32::midpoint(LEFT, RIGHT),
            base + 42,
            trend.axis,
            bucket.as_str()
        ),
    );
}

/// Lines between neighbours, dots, and a dashed ring on the axis for what is held back.
fn curve(out: &mut String, points: &[(i32, Option<i32>)], class: &str, base: i32) {
    let mut way = String::new();
    let mut is_drawing = false;
    for (x, y) in points {
        if let Some(y) = y {
            write(&mut way, format_args!("{}{x} {y}", if is_drawing { "L" } else { "M" }));
        }
        is_drawing = y.is_some();
    }
    write(out, format_args!("<g class=\"{class}\">"));
    if !way.is_empty() {
        write(out, format_args!("<path class=\"curve\" d=\"{way}\"/>"));
    }
    for (at, (x, y)) in points.iter().enumerate() {
        // A point without neighbours has no line.
        let has_line = |at: Option<usize>| at.and_then(|at| points.get(at)).is_some_and(|(_, y)| y.is_some());
        let is_alone = !has_line(at.checked_sub(1)) && !has_line(Some(at + 1));
        match y {
            Some(y) if class == "t" && (points.len() <= MAX_DOTS || is_alone) => {
                write(
                    out,
                    format_args!("<rect class=\"dot\" x=\"{}\" y=\"{}\" width=\"8\" height=\"8\"/>", x - 4, y - 4),
                );
            }
            Some(y) if points.len() <= MAX_DOTS || is_alone => {
                write(out, format_args!("<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"4.5\"/>"));
            }
            // Told once, not for both curves.
            None if class == "b" && points.len() <= MAX_DOTS => {
                write(
                    out,
                    format_args!(
                        "<circle class=\"bare\" cx=\"{x}\" cy=\"{base}\" r=\"4.5\"><title>held back</title></circle>"
                    ),
                );
            }
            _ => {}
        }
    }
    out.push_str("</g>\n");
}

fn legend(out: &mut String, trend: &Trend, y: i32) {
    let mut x = WIDTH - EDGE - 18;
    let mut entries = vec![(trend.names[1], "t"), (trend.names[0], "b")];
    if trend.points.iter().any(|(_, numbers)| numbers[0].is_none()) && trend.points.len() <= MAX_DOTS {
        entries.insert(0, ("Held back", ""));
    }
    for (name, class) in entries {
        x -= width(name, 12);
        write(out, format_args!("<text class=\"note\" x=\"{x}\" y=\"{y}\">{}</text>", escape(name)));
        x -= 36;
        let (line, middle) = (y - 4, x + 15);
        match class {
            "b" => write(
                out,
                format_args!(
                    "<g class=\"b\"><path class=\"curve\" d=\"M{x} {line}h30\"/><circle class=\"dot\" cx=\"{middle}\" cy=\"{line}\" r=\"4.5\"/></g>\n"
                ),
            ),
            "t" => write(
                out,
                format_args!(
                    "<g class=\"t\"><path class=\"curve\" d=\"M{x} {line}h30\"/><rect class=\"dot\" x=\"{}\" y=\"{}\" width=\"8\" height=\"8\"/></g>\n",
                    middle - 4,
                    line - 4
                ),
            ),
            _ => write(out, format_args!("<circle class=\"bare\" cx=\"{}\" cy=\"{line}\" r=\"4.5\"/>\n", x + 22)),
        }
        x -= 18;
    }
}
