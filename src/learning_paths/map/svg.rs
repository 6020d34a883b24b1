//! Draws a laid out path as a standalone SVG document.

use super::card::card;
use super::edges::{befores, edges};
use super::layout::{BandPlace, Layout};
use super::marks::legend;
use super::style::{CSS, ROOT};
use super::{Graph, Node, Status};
use crate::drawing::text::{ellipsis, escape, wrap};
use crate::drawing::{thousands, write};

/// Space around everything.
const EDGE: i32 = 28;
/// Height of the bands' titles.
const HEAD: i32 = 72;

/// What is shown of a quest: a learner's status, or that it is out of use.
pub fn status(node: &Node) -> Option<Status> {
    node.status.or_else(|| (!node.is_active).then_some(Status::Inactive))
}

/// A learner asks.
pub fn is_personal(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| node.status.is_some())
}

/// The whole document.
pub fn render(graph: &Graph, layout: &Layout) -> String {
    let inner = layout.width;
    // Ids of this map only: a page may hold several.
    let id = format!("m{:012x}", graph.learning_path_id.as_u128() & 0xffff_ffff_ffff);
    let mut body = String::with_capacity(4_096 + 1_500 * graph.nodes.len());
    let counts = ellipsis(&counts(graph, layout.routes.len()), 14, inner);
    let mut y = header(&mut body, graph, &counts, inner);
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
        if !graph.nodes.is_empty() {
            let against = layout.routes.iter().any(|route| route.bundle.against);
            y += legend(&mut body, graph, against, EDGE, y, inner) + 14;
        }
        y = picture(&mut body, graph, layout, &id, y);
    }
    let (wide, high) = (inner + 2 * EDGE, y + EDGE);
    let mut out = String::with_capacity(body.len() + 8_192);
    write(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{ROOT}\" width=\"{wide}\" height=\"{high}\" \
             viewBox=\"0 0 {wide} {high}\" role=\"graphics-document\" aria-labelledby=\"{id}t\" aria-describedby=\"{id}d\">\n\
             <title id=\"{id}t\">{}</title>\n<desc id=\"{id}d\">Map of a learning path: {}.</desc>\n\
             <style>{}</style>\n<rect class=\"page\" width=\"{wide}\" height=\"{high}\"/>\n",
            escape(&graph.name),
            counts,
            *CSS
        ),
    );
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

/// Name and counts, and a learner's progress; answers where the next part begins.
fn header(out: &mut String, graph: &Graph, counts: &str, inner: i32) -> i32 {
    let mut y = EDGE + 24;
    for line in wrap(&graph.name, 26, &[inner, inner]) {
        write(out, format_args!("<text class=\"name\" x=\"{EDGE}\" y=\"{y}\">{}</text>", escape(&line)));
        y += 32;
    }
    write(out, format_args!("<text class=\"sub\" x=\"{EDGE}\" y=\"{}\">{counts}</text>\n", y - 6));
    y += 16;
    if is_personal(graph) {
        let mandatory: Vec<&Node> = graph.nodes.iter().filter(|n| n.is_mandatory).collect();
        let done = mandatory.iter().filter(|n| n.status == Some(Status::Completed)).count();
        let mut words = format!("{done} of {} completed", plural(mandatory.len(), "mandatory quest"));
        let open = graph.nodes.iter().filter(|n| n.status == Some(Status::Available)).count();
        if open > 0 {
            write(&mut words, format_args!(" · {open} available now"));
        }
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

/// What the map holds, in words; `drawn` is the number of edges in it.
fn counts(graph: &Graph, drawn: usize) -> String {
    let optional = graph.nodes.iter().filter(|n| !n.is_mandatory).count();
    let mut parts = vec![plural(graph.nodes.len(), "quest")];
    if optional > 0 {
        parts.push(format!("{optional} optional"));
    }
    if !graph.chapters.is_empty() {
        parts.push(plural(graph.chapters.len(), "chapter"));
    }
    if !graph.edges.is_empty() {
        parts.push(plural(graph.edges.len(), "connection"));
    }
    if drawn < graph.edges.len() {
        parts.push(format!("{drawn} drawn, which imply the others"));
    }
    parts.push(format!("{} XP", thousands(experience(&graph.nodes))));
    parts.join(" · ")
}

fn experience<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> i64 {
    nodes.into_iter().map(|node| i64::from(node.experience_points)).sum()
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// Bands, edges and boxes; answers where the picture ends.
fn picture(out: &mut String, graph: &Graph, layout: &Layout, id: &str, top: i32) -> i32 {
    let left = EDGE;
    let head = if graph.chapters.is_empty() { 0 } else { HEAD };
    let (wide, high) = (layout.width, head + layout.height);
    write(
        out,
        format_args!(
            "<g aria-hidden=\"true\">\n<clipPath id=\"{id}f\"><rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\" rx=\"14\"/>\
             </clipPath>\n<g clip-path=\"url(#{id}f)\">"
        ),
    );
    for (at, band) in layout.bands.iter().enumerate() {
        let (x, class) = (left + band.x, if at % 2 == 0 { "band" } else { "tint" });
        write(
            out,
            format_args!("<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"{}\" height=\"{high}\"/>", band.width),
        );
        if at > 0 {
            write(out, format_args!("<path class=\"sep\" d=\"M{x} {top}v{high}\"/>"));
        }
    }
    write(
        out,
        format_args!(
            "</g>\n<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\" rx=\"14\"/>\n\
             <g transform=\"translate({left} {})\">\n",
            top + head
        ),
    );
    if !layout.routes.is_empty() {
        behind(out, layout, id);
        edges(out, graph, layout, &format!("url(#{id}b)"));
    }
    out.push_str("</g>\n</g>\n");
    write(out, format_args!("<g transform=\"translate({left} {})\">\n", top + head));
    let befores = befores(graph);
    for band in &layout.bands {
        band_head(out, graph, band);
        for &node in &band.nodes {
            let node_of = &graph.nodes[node];
            card(out, node_of, layout.boxes[node], befores.get(&node_of.quest_id).map(String::as_str));
        }
        out.push_str("</g>\n");
    }
    out.push_str("</g>\n");
    top + high
}

/// The bands' colours from left to right, as paint for what sets an edge off from others.
fn behind(out: &mut String, layout: &Layout, id: &str) {
    write(
        out,
        format_args!(
            "<linearGradient id=\"{id}b\" gradientUnits=\"userSpaceOnUse\" x1=\"0\" y1=\"0\" x2=\"{}\" y2=\"0\">",
            layout.width
        ),
    );
    for (at, band) in layout.bands.iter().enumerate() {
        let class = if at % 2 == 0 { "sb" } else { "st" };
        for x in [band.x, band.x + band.width] {
            write(out, format_args!("<stop class=\"{class}\" offset=\"{}\"/>", share(x, layout.width)));
        }
    }
    out.push_str("</linearGradient>\n");
}

/// A part of a whole, with six decimals: in a wide picture fewer would miss by pixels.
fn share(part: i32, whole: i32) -> String {
    let millionths = i64::from(part) * 1_000_000 / i64::from(whole.max(1));
    if millionths >= 1_000_000 { "1".to_owned() } else { format!("0.{millionths:06}") }
}

/// Opens a band's group, and draws its title and counts above its boxes.
fn band_head(out: &mut String, graph: &Graph, band: &BandPlace) {
    let title = band.lane.map_or("Without a chapter", |lane| graph.chapters[lane].title.as_str());
    if graph.chapters.is_empty() {
        out.push_str("<g>\n");
        return;
    }
    let nodes = || band.nodes.iter().map(|&node| &graph.nodes[node]);
    let count = if is_personal(graph) && !band.nodes.is_empty() {
        let done = nodes().filter(|node| node.status == Some(Status::Completed)).count();
        format!("{done} of {} completed", band.nodes.len())
    } else {
        plural(band.nodes.len(), "quest")
    };
    let room = band.width - 44;
    let note = ellipsis(&format!("{count} · {} XP", thousands(experience(nodes()))), 13, room);
    write(out, format_args!("<g role=\"group\" aria-label=\"{0}\">\n<g><title>{0}</title>", escape(title)));
    let lines = wrap(title, 16, &[room, room]);
    let (x, mut y) = (band.x + 26, if lines.len() > 1 { 25 } else { 32 } - HEAD);
    for line in lines {
        write(out, format_args!("<text class=\"lane\" x=\"{x}\" y=\"{y}\">{}</text>", escape(&line)));
        y += 19;
    }
    write(out, format_args!("<text class=\"note\" x=\"{x}\" y=\"{y}\">{note}</text></g>\n"));
}
