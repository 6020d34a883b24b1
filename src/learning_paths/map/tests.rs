//! Tests of the map: what may not overlap, what must stay well-formed, what must not hang.

mod drawn;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use roxmltree::Document;
use uuid::Uuid;

use super::layout::{BOX_HEIGHT, BOX_WIDTH, Layout, arrange};
use super::style::{CSS, PALETTE};
use super::{Edge, EdgeKind, Graph, Lane, Node, Status, draw};
use crate::drawing::text;
use crate::quests::model::DifficultyLevel;

const LEVELS: [DifficultyLevel; 4] =
    [DifficultyLevel::Beginner, DifficultyLevel::Intermediate, DifficultyLevel::Advanced, DifficultyLevel::Expert];
const STATES: [Status; 7] = [
    Status::Completed,
    Status::InProgress,
    Status::Paused,
    Status::Abandoned,
    Status::Available,
    Status::Locked,
    Status::Inactive,
];

fn id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

fn node(number: usize, title: &str, chapter: Option<usize>) -> Node {
    Node {
        quest_id: id(number),
        title: title.to_owned(),
        chapter_id: chapter.map(|c| id(1_000_000 + c)),
        sequence: i32::try_from(number).unwrap(),
        difficulty_level: LEVELS[number % 4],
        is_mandatory: !number.is_multiple_of(3),
        experience_points: 120,
        is_active: true,
        after_chapters: Vec::new(),
        status: Some(STATES[number % 7]),
        completion_percentage: Some(100.0 / 3.0),
    }
}

fn edge(from: usize, to: usize) -> Edge {
    let kind = if (from + to).is_multiple_of(5) { EdgeKind::Criterion } else { EdgeKind::Prerequisite };
    Edge { from: id(from), to: id(to), kind }
}

fn graph(nodes: usize, chapters: usize, edges: &[(usize, usize)]) -> Graph {
    // Every seventh quest has no chapter.
    let chapter = |n: usize| (chapters > 0 && n % 7 != 6).then(|| n * chapters / nodes);
    Graph {
        learning_path_id: id(0),
        name: "A path".to_owned(),
        chapters: (0..chapters)
            .map(|c| Lane {
                id: id(1_000_000 + c),
                title: format!("Chapter {c} with a title that is rather long"),
                sequence: i32::try_from(c).unwrap(),
            })
            .collect(),
        nodes: (0..nodes).map(|n| node(n, &format!("Quest {n} with a title of some length"), chapter(n))).collect(),
        edges: edges.iter().map(|&(from, to)| edge(from, to)).collect(),
    }
}

/// Pairs from a fixed generator; with `cyclic` in any direction.
fn random(nodes: usize, count: usize, span: usize, cyclic: bool) -> Vec<(usize, usize)> {
    let mut seed = 7_usize;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    (0..count)
        .map(|_| {
            let to = 1 + next(nodes - 1);
            let from = to - 1 - next(span.min(to));
            if cyclic && next(4) == 0 { (to, from) } else { (from, to) }
        })
        .collect()
}

fn samples() -> Vec<Graph> {
    vec![
        graph(0, 0, &[]),
        graph(0, 3, &[]),
        graph(1, 0, &[]),
        graph(1, 2, &[(0, 0)]),
        graph(48, 10, &random(48, 30, 12, false)),
        graph(48, 10, &[]),
        graph(40, 0, &random(40, 60, 10, false)),
        graph(100, 8, &random(100, 180, 30, false)),
        graph(100, 0, &random(100, 250, 60, true)),
        graph(3, 0, &[(0, 1), (1, 2), (2, 0)]),
        graph(14, 2, &[(13, 0), (0, 13), (5, 5), (2, 900)]),
    ]
}

/// Whether a point lies in a box, or so near that a line through it would touch the border.
fn inside_box(layout: &Layout, x: i32, y: i32) -> bool {
    layout.boxes.iter().any(|b| (b.x + 1..b.x + BOX_WIDTH).contains(&x) && (b.y - 4..b.y + BOX_HEIGHT + 4).contains(&y))
}

#[test]
fn boxes_do_not_overlap_and_stay_in_their_band() {
    for graph in samples() {
        let layout = arrange(&graph);
        for (i, a) in layout.boxes.iter().enumerate() {
            for b in &layout.boxes[..i] {
                let apart = (a.x - b.x).abs() >= BOX_WIDTH + 20 || (a.y - b.y).abs() >= BOX_HEIGHT + 20;
                assert!(apart, "{a:?} and {b:?}");
            }
            assert!(a.y >= 0 && a.y + BOX_HEIGHT <= layout.height, "{a:?} in {}", layout.height);
            let lane = graph.chapters.iter().position(|c| Some(c.id) == graph.nodes[i].chapter_id);
            let band = layout.bands.iter().find(|b| b.lane == lane).unwrap();
            assert!(a.x >= band.x && a.x + BOX_WIDTH <= band.x + band.width, "{a:?} in {band:?}");
        }
        for pair in layout.bands.windows(2) {
            assert_eq!(pair[0].x + pair[0].width, pair[1].x);
        }
    }
}

#[test]
fn edges_pass_no_box_and_stay_in_the_picture() {
    for graph in samples() {
        let layout = arrange(&graph);
        for route in &layout.routes {
            for &(x, y) in &route.points {
                assert!((0..=layout.width).contains(&x) && (0..=layout.height).contains(&y), "{route:?}");
            }
            // Straight parts lead through a column: from the second point on, every other one.
            for passed in route.points.get(1..route.points.len() - 1).unwrap_or_default().chunks_exact(2) {
                let middle = i32::midpoint(passed[0].0, passed[1].0);
                assert!(!inside_box(&layout, middle, passed[0].1), "{route:?}");
            }
        }
    }
}

#[test]
fn forward_edges_point_right_and_cycles_are_drawn_against() {
    let layout = arrange(&graph(3, 0, &[(0, 1), (1, 2), (2, 0)]));
    let against: Vec<usize> = layout.routes.iter().filter(|r| r.bundle.against).map(|r| r.edge).collect();
    assert_eq!(against, [2]);
    let layout = arrange(&graph(100, 0, &random(100, 180, 30, false)));
    assert!(layout.routes.iter().all(|r| !r.bundle.against && r.points[0].0 < r.points[r.points.len() - 1].0));
}

#[test]
fn quests_without_chapter_lead_or_follow() {
    let bands = |edges: &[(usize, usize)]| -> Vec<Option<usize>> {
        arrange(&graph(14, 2, edges)).bands.iter().map(|b| b.lane).collect()
    };
    assert_eq!(bands(&[(6, 0), (6, 1)]), [None, Some(0), Some(1)]);
    assert_eq!(bands(&[(0, 6)]), [Some(0), Some(1), None]);
}

#[test]
fn every_picture_is_well_formed_and_the_same_each_time() {
    for graph in samples() {
        let svg = draw(&graph);
        assert_eq!(svg, draw(&graph));
        let document = Document::parse(&svg).unwrap();
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("role")), ("svg", Some("graphics-document")));
        for (reference, name) in [("aria-labelledby", "title"), ("aria-describedby", "desc")] {
            let text = root.children().find(|n| n.attribute("id") == root.attribute(reference)).unwrap();
            assert!(text.tag_name().name() == name && !text.text().unwrap().is_empty());
        }
        let size: Vec<&str> = root.attribute("viewBox").unwrap().split(' ').collect();
        assert_eq!([root.attribute("width"), root.attribute("height")], [Some(size[2]), Some(size[3])]);
        let cards = document.descendants().filter(|n| n.attribute("role") == Some("img"));
        assert_eq!(cards.count(), graph.nodes.len(), "one for each quest");
    }
}

#[test]
fn hostile_text_is_escaped_and_cleaned() {
    let mut graph = graph(2, 1, &[(0, 1)]);
    let nasty = "<script>&\"'\u{0}\u{1b}\u{fffe}\u{202e}]]></title>\n\tend";
    graph.name = nasty.to_owned();
    graph.chapters[0].title = nasty.to_owned();
    graph.nodes[0].title = nasty.to_owned();
    graph.nodes[1].title = format!("a{}", "\u{301}".repeat(500));
    graph.nodes[1].completion_percentage = Some(f64::NAN);
    let svg = draw(&graph);
    let document = Document::parse(&svg).unwrap();
    assert!(document.descendants().all(|n| n.tag_name().name() != "script"));
    assert!(document.descendants().any(|n| n.text() == Some("<script>&\"']]></title> end")));
    assert!(!svg.contains("\u{301}\u{301}\u{301}\u{301}"));
}

#[test]
fn no_long_tails_behind_numbers() {
    let svg = draw(&graph(48, 10, &random(48, 30, 12, false)));
    let (_, body) = svg.split_once("</style>").unwrap();
    let tail = body.match_indices('.').any(|(at, _)| {
        body[at + 1..].chars().take_while(char::is_ascii_digit).count() > 1
            && body[..at].ends_with(|c: char| c.is_ascii_digit())
            && !body[..at].ends_with("offset=\"0")
    });
    assert!(!tail);
}

#[test]
fn titles_wrap_within_their_lines() {
    for title in [
        "Philosophy of Marxism – Leninism and a few words more than fit into the box of a quest",
        "Lập trình hướng đối tượng với những ví dụ thực tế và bài tập nâng cao cho sinh viên năm nhất",
        "数据结构与算法分析导论以及它们在现实世界中的应用和练习题数据结构与算法分析",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
        "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    ] {
        let widths = [106, 160, 160];
        let lines = text::wrap(title, 13, &widths);
        assert_eq!(lines.len(), 3);
        assert!(lines[2].ends_with('…'), "{lines:?}");
        for (line, room) in lines.iter().zip(widths) {
            assert!(!line.is_empty() && text::width(line, 13) <= room, "{line}");
        }
    }
    assert_eq!(text::wrap("Short title", 13, &[160, 160]), ["Short title"]);
    assert!(text::wrap(" \u{0} ", 13, &[160]).is_empty());
    assert_eq!(text::width("e\u{302}\u{301}", 10), text::width("e", 10), "an accent takes no width");
}

#[test]
fn a_thousand_quests_are_drawn_quickly() {
    // As authors build them; and as dense as prerequisites can be.
    let usual = graph(1_000, 20, &random(1_000, 1_500, 60, false));
    let tangled = graph(1_000, 0, &random(1_000, 2_000, 300, true));
    let dense = graph(1_000, 10, &random(1_000, 50_000, 1_000, false));
    for graph in [usual, tangled, dense] {
        let start = Instant::now();
        let svg = draw(&graph);
        assert!(svg.ends_with("</svg>\n") && svg.len() < 9_000_000, "{}", svg.len());
        // A debug build on a busy machine; a release build takes a hundredth.
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
    // A chain as long as the path: deep recursion would overflow the stack.
    let chain: Vec<(usize, usize)> = (1..1_000).map(|n| (n - 1, n)).collect();
    draw(&graph(1_000, 0, &chain));
}

#[test]
fn of_very_many_edges_those_are_left_out_that_others_imply() {
    let every: Vec<(usize, usize)> = (0..80).flat_map(|to| (0..to).map(move |from| (from, to))).collect();
    let graph = graph(80, 0, &every);
    assert_eq!(graph.edges.len(), 3_160);
    let mut drawn: Vec<(usize, usize)> = arrange(&graph).routes.iter().map(|r| (r.from, r.to)).collect();
    drawn.sort_unstable();
    assert_eq!(drawn, (1..80).map(|n| (n - 1, n)).collect::<Vec<_>>(), "a chain says it all");
    assert!(draw(&graph).contains("3160 connections · 79 drawn, which imply the others"));
}

#[test]
fn edges_run_together_where_they_share_an_end() {
    // 0 comes before everything, everything comes before 15.
    let fan: Vec<(usize, usize)> = (1..15).flat_map(|n| [(0, n), (n, 15)]).collect();
    let graph = graph(16, 0, &fan);
    let layout = arrange(&graph);
    let ends: Vec<(i32, i32)> = (layout.routes.iter())
        .filter(|route| route.to == 15 && graph.edges[route.edge].kind == EdgeKind::Prerequisite)
        .map(|route| route.points[route.points.len() - 1])
        .collect();
    assert!(ends.len() > 8 && ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    for a in &layout.routes {
        for b in &layout.routes {
            let is_one = a.points.windows(2).any(|pair| b.points.windows(2).any(|other| pair == other));
            assert!(!is_one || a.from == b.from || a.to == b.to, "a line says what is not so: {a:?} {b:?}");
        }
    }
}

#[test]
fn text_and_marks_have_contrast_in_both_themes() {
    let light = |shade: &str, at: usize| {
        let value = f64::from(u8::from_str_radix(&shade[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = |s: &str| 0.2126 * light(s, 1) + 0.7152 * light(s, 3) + 0.0722 * light(s, 5);
    for dark in [false, true] {
        let shade = |name: &str| {
            let (_, day, night) = PALETTE.iter().find(|(own, ..)| *own == name).unwrap();
            luminance(if dark { night } else { day })
        };
        let contrast = |a: &str, b: &str| {
            let (a, b) = (shade(a), shade(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        let texts: [(&str, &[&str]); 7] = [
            ("ink", &["page", "band", "tint", "card", "doneCard"]),
            ("soft", &["page", "band", "tint", "card", "doneCard", "quiet"]),
            ("now", &["card"]),
            ("beginnerWord", &["beginnerTag"]),
            ("intermediateWord", &["intermediateTag"]),
            ("advancedWord", &["advancedTag"]),
            ("expertWord", &["expertTag"]),
        ];
        for (text, grounds) in texts {
            for ground in grounds {
                assert!(contrast(text, ground) >= 4.5, "{text} on {ground}: {}", contrast(text, ground));
            }
        }
        let levels = ["beginner", "intermediate", "advanced", "expert"];
        for line in levels.into_iter().chain(["edge", "against", "done", "now", "lost", "rim"]) {
            for ground in ["band", "tint", if line == "rim" { "quiet" } else { "card" }] {
                assert!(contrast(line, ground) >= 3.0, "{line} on {ground}: {}", contrast(line, ground));
            }
        }
        for mark in ["done", "now", "ink"] {
            assert!(contrast("on", mark) >= 3.0, "on {mark}");
        }
    }
}

#[test]
fn the_style_sheet_stays_inside_the_map() {
    let css = CSS.as_str();
    assert!(!css.contains('$'), "{css}");
    let dark = css.split_once("@media(prefers-color-scheme:dark){").unwrap();
    for rule in dark.0.split('}').chain(dark.1.split('}')).map(str::trim).filter(|rule| !rule.is_empty()) {
        let (selectors, _) = rule.split_once('{').unwrap();
        assert!(selectors.split(',').all(|selector| selector.starts_with(".quest-map")), "{selectors}");
    }
    // Two maps in one page share no id.
    let mut other = graph(3, 1, &[(0, 1)]);
    other.learning_path_id = id(77);
    let ids = |svg: &str| -> BTreeSet<String> {
        Document::parse(svg).unwrap().descendants().filter_map(|n| n.attribute("id")).map(str::to_owned).collect()
    };
    assert!(ids(&draw(&other)).is_disjoint(&ids(&draw(&graph(3, 1, &[(0, 1)])))));
}
