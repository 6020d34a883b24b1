//! Draws a laid out path as a standalone SVG document.

use std::fmt::Write as _;

use super::layout::{BOX_HEIGHT, BOX_WIDTH, Layout, Place, Route};
use super::marks::{legend, mark, name, stripe};
use super::style::{CSS, class, label};
use super::text::{ellipsis, escape, width, wrap};
use super::{EdgeKind, Graph, Node, Status};

/// Space around everything.
const EDGE: i32 = 28;
/// Narrowest picture, so that the header has room.
const NARROWEST: i32 = 760;

/// Appends formatted text.
pub fn write(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// What is shown of a quest: a learner's status, or that it is out of use.
pub fn status(node: &Node) -> Option<Status> {
    node.status.or_else(|| (!node.is_active).then_some(Status::Inactive))
}

/// The whole document.
pub fn render(graph: &Graph, layout: &Layout) -> String {
    let inner = layout.width.max(NARROWEST - 2 * EDGE);
    let mut body = String::with_capacity(4_096 + 1_500 * graph.nodes.len());
    let mut y = header(&mut body, graph, inner);
    let against = layout.routes.iter().any(|r| r.against);
    if graph.nodes.is_empty() && graph.chapters.is_empty() {
        write(
            &mut body,
            format_args!(
                "<rect class=\"band\" x=\"{EDGE}\" y=\"{y}\" width=\"{inner}\" height=\"120\" rx=\"14\"/>\
                 <rect class=\"frame\" x=\"{EDGE}\" y=\"{y}\" width=\"{inner}\" height=\"120\" rx=\"14\"/>\
                 <text class=\"sub\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">This path has no quests yet.</text>",
                EDGE + inner / 2,
                y + 65
            ),
        );
        y += 120;
    } else {
        y += legend(&mut body, graph, against, EDGE, y, inner) + 14;
        y = picture(&mut body, graph, layout, EDGE + (inner - layout.width) / 2, y);
    }
    let (wide, high) = (inner + 2 * EDGE, y + EDGE);
    let title = escape(&graph.name);
    let mut out = String::with_capacity(body.len() + 4_096);
    write(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" \
             role=\"img\" aria-labelledby=\"map-title map-desc\">\n<title id=\"map-title\">{title}</title>\n\
             <desc id=\"map-desc\">Map of a learning path: {}.</desc>\n<style>{CSS}</style>\n<defs>",
            counts(graph)
        ),
    );
    for (id, class) in [("ah", "h"), ("ac", "hc"), ("ax", "hx"), ("ag", "hg")] {
        write(
            &mut out,
            format_args!(
                "<marker id=\"{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
                 markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"{class}\" d=\"M0 0L10 5L0 10z\"/></marker>"
            ),
        );
    }
    write(&mut out, format_args!("</defs>\n<rect width=\"{wide}\" height=\"{high}\" fill=\"var(--page)\"/>\n"));
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

/// Name and counts, and a learner's progress; answers where the next part begins.
fn header(out: &mut String, graph: &Graph, inner: i32) -> i32 {
    let mut y = EDGE + 24;
    for line in wrap(&graph.name, 26, &[inner, inner]) {
        write(out, format_args!("<text class=\"name\" x=\"{EDGE}\" y=\"{y}\">{}</text>", escape(&line)));
        y += 32;
    }
    let counts = counts(graph);
    write(out, format_args!("<text class=\"sub\" x=\"{EDGE}\" y=\"{}\">{counts}</text>\n", y - 6));
    y += 16;
    if graph.nodes.iter().any(|n| n.status.is_some()) {
        let mandatory: Vec<&Node> = graph.nodes.iter().filter(|n| n.is_mandatory).collect();
        let done = mandatory.iter().filter(|n| n.status == Some(Status::Completed)).count();
        let words = format!("{done} of {} mandatory quests completed", mandatory.len());
        let filled = (240 * done).checked_div(mandatory.len()).unwrap_or(0);
        write(
            out,
            format_args!(
                "<rect class=\"track\" x=\"{EDGE}\" y=\"{}\" width=\"240\" height=\"8\" rx=\"4\"/>\
                 <rect class=\"bar d\" x=\"{EDGE}\" y=\"{}\" width=\"{filled}\" height=\"8\" rx=\"4\"/>\
                 <text class=\"sub\" x=\"{}\" y=\"{}\">{words}</text>\n",
                y - 1,
                y - 1,
                EDGE + 254,
                y + 8
            ),
        );
        y += 26;
    }
    y
}

fn counts(graph: &Graph) -> String {
    let points: i64 = graph.nodes.iter().map(|n| i64::from(n.experience_points)).sum();
    let optional = graph.nodes.iter().filter(|n| !n.is_mandatory).count();
    let mut parts = vec![plural(graph.nodes.len(), "quest")];
    if optional > 0 {
        parts.push(format!("{optional} optional"));
    }
    if !graph.chapters.is_empty() {
        parts.push(plural(graph.chapters.len(), "chapter"));
    }
    parts.push(plural(graph.edges.len(), "connection"));
    parts.push(format!("{} XP", thousands(points)));
    parts.join(" · ")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// A number with commas between its thousands.
fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bands, edges and boxes; answers where the picture ends.
fn picture(out: &mut String, graph: &Graph, layout: &Layout, left: i32, top: i32) -> i32 {
    let headed = !graph.chapters.is_empty();
    let head = if headed { 66 } else { 0 };
    let high = head + layout.height;
    write(
        out,
        format_args!(
            "<clipPath id=\"frame\"><rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{high}\" rx=\"14\"/></clipPath>\n\
             <g clip-path=\"url(#frame)\">\n",
            layout.width
        ),
    );
    for (at, band) in layout.bands.iter().enumerate() {
        let (x, class) = (left + band.x, if at % 2 == 0 { "band" } else { "band2" });
        write(
            out,
            format_args!("<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"{}\" height=\"{high}\"/>", band.width),
        );
        if at > 0 {
            write(out, format_args!("<path class=\"sep\" d=\"M{x} {top}v{high}\"/>"));
        }
        if headed {
            let title = band.lane.map_or("Without a chapter", |lane| graph.chapters[lane].title.as_str());
            let room = band.width - 44;
            write(out, format_args!("<g><title>{}</title>", escape(title)));
            let lines = wrap(title, 15, &[room, room]);
            let first = if lines.len() > 1 { 24 } else { 30 };
            let mut y = top + first;
            for line in lines {
                write(out, format_args!("<text class=\"lane\" x=\"{}\" y=\"{y}\">{}</text>", x + 26, escape(&line)));
                y += 18;
            }
            let note = format!("{} · {} XP", plural(band.quests, "quest"), thousands(band.points));
            write(out, format_args!("<text class=\"note\" x=\"{}\" y=\"{y}\">{note}</text></g>\n", x + 26));
        }
    }
    out.push_str("</g>\n");
    write(
        out,
        format_args!(
            "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{high}\" rx=\"14\"/>\n",
            layout.width
        ),
    );
    write(out, format_args!("<g transform=\"translate({left} {})\">\n<g class=\"edge\">\n", top + head));
    edges(out, graph, layout);
    out.push_str("</g>\n");
    for (node, place) in graph.nodes.iter().zip(&layout.boxes) {
        quest(out, node, *place);
    }
    out.push_str("</g>\n");
    top + high
}

/// Edges, those of one quest together: a halo sets them off from what they cross, not from each other.
fn edges(out: &mut String, graph: &Graph, layout: &Layout) {
    let mut routes: Vec<&Route> = layout.routes.iter().collect();
    routes.sort_by(|a, b| (a.from, &a.points, a.edge).cmp(&(b.from, &b.points, b.edge)));
    let titles: std::collections::HashMap<_, _> = graph.nodes.iter().map(|n| (n.quest_id, n.title.as_str())).collect();
    for group in routes.chunk_by(|a, b| a.from == b.from) {
        let mut drawn: &[(i32, i32)] = &[];
        for route in group {
            // Where it runs along the route before, that one's halo will do. Columns begin at odd points.
            let shared = route.points.iter().zip(drawn).take_while(|(a, b)| a == b).count();
            let branch = shared.saturating_sub(1) / 2 * 2;
            write(out, format_args!("<path class=\"halo\" d=\"{}\"/>", path(&route.points[branch..])));
            drawn = &route.points;
        }
        out.push('\n');
        for route in group {
            let edge = &graph.edges[route.edge];
            let (class, head) = match edge.kind {
                _ if route.against => (" class=\"x\"", "ax"),
                EdgeKind::Criterion => (" class=\"c\"", "ac"),
                EdgeKind::Prerequisite if met(graph, route) => (" class=\"g\"", "ag"),
                EdgeKind::Prerequisite => ("", "ah"),
            };
            let title = |id| titles.get(id).map(|t| escape(t)).unwrap_or_default();
            write(
                out,
                format_args!(
                    "<g><title>{} → {}</title><path{class} d=\"{}\" marker-end=\"url(#{head})\"/></g>\n",
                    title(&edge.from),
                    title(&edge.to),
                    path(&route.points)
                ),
            );
        }
    }
}

/// The learner has completed what the edge asks for.
fn met(graph: &Graph, route: &Route) -> bool {
    graph.nodes[route.from].status == Some(Status::Completed)
}

/// Curves in the gaps, straight lines through the columns between them.
fn path(points: &[(i32, i32)]) -> String {
    let mut d = String::new();
    let Some((&start, rest)) = points.split_first() else { return d };
    write(&mut d, format_args!("M{} {}", start.0, start.1));
    let mut from = start;
    for (at, &to) in rest.iter().enumerate() {
        if from.1 == to.1 {
            // A straight run over several columns is one line.
            if rest.get(at + 1).is_none_or(|next| next.1 != to.1) {
                write(&mut d, format_args!("H{}", to.0));
            }
        } else if from.0 == to.0 {
            let out = from.0 + 34;
            write(&mut d, format_args!("C{out} {} {out} {} {} {}", from.1, to.1, to.0, to.1));
        } else {
            let middle = i32::midpoint(from.0, to.0);
            write(&mut d, format_args!("C{middle} {} {middle} {} {} {}", from.1, to.1, to.0, to.1));
        }
        from = to;
    }
    d
}

/// A quest's box.
fn quest(out: &mut String, node: &Node, place: Place) {
    let Place { x, y } = place;
    let status = status(node);
    let mut classes = class(node.difficulty_level).to_owned();
    if !node.is_mandatory {
        classes.push_str(" o");
    }
    match status {
        Some(Status::Completed) => classes.push_str(" d"),
        Some(Status::Locked | Status::Inactive | Status::Abandoned) => classes.push_str(" q"),
        _ => {}
    }
    let level = label(node.difficulty_level);
    let points = format!("{} XP", thousands(i64::from(node.experience_points)));
    let need = if node.is_mandatory { "mandatory" } else { "optional" };
    let stands = status.map(|s| format!(", {}", name(s).to_lowercase())).unwrap_or_default();
    write(
        out,
        format_args!(
            "<g class=\"{classes}\"><title>{} ({level}, {points}, {need}{stands})</title>\
             <rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"9\"/>\
             <path class=\"stripe\" d=\"{}\"/>",
            escape(&node.title),
            stripe(x, y, BOX_HEIGHT, 9)
        ),
    );
    let room = BOX_WIDTH - 30;
    let percentage = under_way(node, status);
    let first = match (status, percentage) {
        (_, Some(_)) => room - 54,
        (Some(_), None) => room - 20,
        (None, None) => room,
    };
    let mut base = y + 22;
    for line in wrap(&node.title, 13, &[first, room, room]) {
        write(out, format_args!("<text class=\"t\" x=\"{}\" y=\"{base}\">{}</text>", x + 18, escape(&line)));
        base += 16;
    }
    if let Some(status) = status {
        mark(out, status, x + BOX_WIDTH - 17, y + 17);
    }
    let chip = width(level, 11) + 14;
    let line = y + BOX_HEIGHT - 30;
    write(
        out,
        format_args!(
            "<rect class=\"tag\" x=\"{}\" y=\"{line}\" width=\"{chip}\" height=\"17\" rx=\"8\"/>\
             <text class=\"chip\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{level}</text>",
            x + 18,
            x + 18 + chip / 2,
            line + 12
        ),
    );
    let points = ellipsis(&points, 11, BOX_WIDTH - chip - 38);
    write(
        out,
        format_args!(
            "<text class=\"xp\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{points}</text>",
            x + BOX_WIDTH - 12,
            line + 12
        ),
    );
    if let Some(percentage) = percentage {
        progress(out, percentage, x, y);
    }
    out.push_str("</g>\n");
}

/// A bar along the lower side of the box, and the percentage beside the mark.
fn progress(out: &mut String, percentage: i32, x: i32, y: i32) {
    let (left, base) = (x + 18, y + BOX_HEIGHT - 8);
    let full = BOX_WIDTH - 30;
    write(
        out,
        format_args!(
            "<rect class=\"track\" x=\"{left}\" y=\"{base}\" width=\"{full}\" height=\"4\" rx=\"2\"/>\
             <rect class=\"bar\" x=\"{left}\" y=\"{base}\" width=\"{}\" height=\"4\" rx=\"2\"/>\
             <text class=\"pc\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{percentage}%</text>",
            full * percentage / 100,
            x + BOX_WIDTH - 30,
            y + 21
        ),
    );
}

/// Whole per cent of a quest under way.
#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn under_way(node: &Node, status: Option<Status>) -> Option<i32> {
    matches!(status, Some(Status::InProgress | Status::Paused))
        .then(|| node.completion_percentage.unwrap_or(0.0).clamp(0.0, 100.0).floor() as i32)
}
