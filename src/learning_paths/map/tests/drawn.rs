//! Tests of what is on the page in the end: the SVG is read back, and nothing lies on anything else.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use roxmltree::{Document, Node as Element};
use serde_json::Value;

use super::super::{Edge, EdgeKind, Graph, Lane, Node, Status, draw};
use super::{LEVELS, STATES, id};
use crate::drawing::text;

/// A rectangle.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn at(left: f64, top: f64, wide: f64, high: f64) -> Self {
        Self { left, top, right: left + wide, bottom: top + high }
    }

    fn meets(self, other: Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn contains(self, other: Self) -> bool {
        self.left <= other.left && self.top <= other.top && self.right >= other.right && self.bottom >= other.bottom
    }

    /// Smaller by a rim on every side.
    fn without(self, rim: f64) -> Self {
        Self { left: self.left + rim, top: self.top + rim, right: self.right - rim, bottom: self.bottom - rim }
    }
}

/// What is on the page, in its coordinates.
#[derive(Debug, Default)]
struct Page {
    size: [f64; 2],
    cards: Vec<Area>,
    bands: Vec<Area>,
    /// Texts, each with the card that it belongs to
    texts: Vec<(String, Area, Option<usize>)>,
    marks: Vec<Area>,
    /// Points along the edges
    points: Vec<(f64, f64)>,
}

fn number(element: Element, name: &str) -> f64 {
    element.attribute(name).map_or(0.0, |value| value.parse().unwrap())
}

/// Sum of the translations of an element and all around it.
fn offset(element: Element) -> (f64, f64) {
    let moves = element.ancestors().filter_map(|around| around.attribute("transform"));
    moves.fold((0.0, 0.0), |(x, y), transform| {
        let inner = transform.strip_prefix("translate(").unwrap().strip_suffix(')').unwrap();
        let (dx, dy) = inner.split_once(' ').unwrap();
        (x + dx.parse::<f64>().unwrap(), y + dy.parse::<f64>().unwrap())
    })
}

/// Font sizes by class, as the style sheet gives them.
fn sizes(css: &str) -> HashMap<String, i32> {
    let mut sizes = HashMap::new();
    for rule in css.split('}') {
        let Some((selectors, declarations)) = rule.split_once('{') else { continue };
        let size = declarations.split(';').find_map(|declaration| declaration.strip_prefix("font-size:"));
        if let Some(size) = size.and_then(|size| size.strip_suffix("px")) {
            for selector in selectors.split(',') {
                let class = selector.rsplit('.').next().unwrap().to_owned();
                sizes.insert(class, size.parse().unwrap());
            }
        }
    }
    sizes
}

/// How much a cubic curve's points weigh at a parameter.
fn weights(t: f64) -> [f64; 4] {
    let u = 1.0 - t;
    [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t]
}

/// Points along a path of M, H and C.
fn along(d: &str, (dx, dy): (f64, f64)) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut at = (0.0, 0.0);
    let spaced = d.replace('M', " M ").replace('H', " H ").replace('C', " C ");
    let mut words = spaced.split_whitespace();
    while let Some(command) = words.next() {
        let mut next = || words.next().unwrap().parse::<f64>().unwrap();
        let from = at;
        let handles = match command {
            "M" => {
                at = (next(), next());
                [at, at]
            }
            "H" => {
                at = (next(), from.1);
                [from, at]
            }
            "C" => {
                let handles = [(next(), next()), (next(), next())];
                at = (next(), next());
                handles
            }
            other => panic!("a path with {other}: {d}"),
        };
        let start = if command == "M" { at } else { from };
        for step in 0..=32 {
            let [begin, first, second, end] = weights(f64::from(step) / 32.0);
            let mix = |pick: fn((f64, f64)) -> f64| {
                begin * pick(start) + first * pick(handles[0]) + second * pick(handles[1]) + end * pick(at)
            };
            points.push((mix(|point| point.0) + dx, mix(|point| point.1) + dy));
        }
    }
    points
}

fn read(svg: &str) -> Page {
    let document = Document::parse(svg).unwrap();
    let root = document.root_element();
    let sizes = sizes(root.children().find(|n| n.has_tag_name("style")).unwrap().text().unwrap());
    let mut page = Page { size: [number(root, "width"), number(root, "height")], ..Page::default() };
    for element in root.descendants().filter(Element::is_element) {
        let (dx, dy) = offset(element);
        let class = element.attribute("class").unwrap_or_default();
        let is_card = |n: &Element| n.attribute("role") == Some("img");
        let card = element.ancestors().any(|n| is_card(&n)).then(|| page.cards.len().saturating_sub(1));
        match (element.tag_name().name(), class) {
            ("rect", _) => {
                let (x, y) = (number(element, "x") + dx, number(element, "y") + dy);
                let area = Area::at(x, y, number(element, "width"), number(element, "height"));
                match class {
                    "card" if element.parent().is_some_and(|n| is_card(&n)) => page.cards.push(area),
                    "band" | "tint" => page.bands.push(area),
                    "card" | "plain" => page.marks.push(area),
                    _ => {}
                }
            }
            ("text", _) => {
                let content = element.text().unwrap_or_default().to_owned();
                let size = sizes[class];
                let wide = f64::from(text::width(&content, size));
                let (x, y, size) = (number(element, "x") + dx, number(element, "y") + dy, f64::from(size));
                let left = match element.attribute("text-anchor") {
                    Some("middle") => x - wide / 2.0,
                    Some("end") => x - wide,
                    _ => x,
                };
                // Above and below the line as far as letters with accents and tails reach.
                page.texts.push((content, Area::at(left, y - 0.85 * size, wide, 1.1 * size), card));
            }
            ("g", _)
                if element.attribute("transform").is_some() && element.children().all(|n| !n.has_tag_name("g")) =>
            {
                page.marks.push(Area::at(dx - 9.0, dy - 9.0, 18.0, 18.0));
            }
            ("path", "line") if element.ancestors().any(|n| n.attribute("class") == Some("e")) => {
                page.points.extend(along(element.attribute("d").unwrap(), (dx, dy)));
            }
            _ => {}
        }
    }
    page
}

/// What lies on something else, or sticks out; in words.
fn faults(graph: &Graph) -> Vec<String> {
    let page = read(&draw(graph));
    let mut faults = Vec::new();
    let mut check = |fits: bool, what: &dyn Fn() -> String| {
        if !fits {
            faults.push(what());
        }
    };
    check(page.cards.len() == graph.nodes.len(), &|| format!("{} cards", page.cards.len()));
    let whole = Area::at(0.0, 0.0, page.size[0], page.size[1]);
    for (at, card) in page.cards.iter().enumerate() {
        check(page.bands.iter().filter(|band| band.contains(*card)).count() == 1, &|| format!("{card:?} in no band"));
        for other in &page.cards[..at] {
            check(!card.without(-10.0).meets(*other), &|| format!("{card:?} on {other:?}"));
        }
    }
    for (at, (words, area, card)) in page.texts.iter().enumerate() {
        check(whole.contains(*area), &|| format!("'{words}' leaves the page"));
        match card {
            Some(card) => {
                check(page.cards[*card].contains(*area), &|| format!("'{words}' leaves its card"));
                check(!page.marks.iter().any(|mark| mark.meets(*area)), &|| format!("'{words}' on a mark"));
            }
            None => check(!page.cards.iter().any(|card| card.meets(*area)), &|| format!("'{words}' on a card")),
        }
        for (other, other_area, _) in &page.texts[..at] {
            check(!area.without(0.5).meets(other_area.without(0.5)), &|| format!("'{words}' on '{other}'"));
        }
    }
    let titles: Vec<Area> = page.texts.iter().filter(|text| text.2.is_none()).map(|text| text.1).collect();
    for &(x, y) in &page.points {
        let dot = Area::at(x, y, 0.0, 0.0).without(-0.1);
        check(whole.contains(dot), &|| format!("an edge leaves the page at {x} {y}"));
        check(!page.cards.iter().any(|card| card.without(1.5).meets(dot)), &|| format!("an edge in a card at {x} {y}"));
        check(!titles.iter().any(|title| title.meets(dot)), &|| format!("an edge through a title at {x} {y}"));
    }
    faults
}

/// The codes of subjects that a prerequisite names.
fn named(prose: &str) -> impl Iterator<Item = &str> {
    prose.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}

/// The real programme: one chapter per semester, every subject a quest.
fn programme() -> Option<Graph> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/curriculum/BIT_SE_K19D_K20A.json");
    let programme: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).unwrap();
    let subjects = programme["subjects"].as_array().unwrap();
    let code = |subject: &Value| subject["code"].as_str().unwrap().to_owned();
    let place: HashMap<String, usize> = subjects.iter().enumerate().map(|(at, subject)| (code(subject), at)).collect();
    let semester = |subject: &Value| usize::try_from(subject["semester"].as_u64().unwrap()).unwrap();
    let nodes = subjects.iter().enumerate().map(|(at, subject)| Node {
        quest_id: id(at),
        title: format!("{} {}", code(subject), subject["name"].as_str().unwrap()),
        chapter_id: Some(id(1_000_000 + semester(subject))),
        sequence: i32::try_from(at).unwrap(),
        difficulty_level: LEVELS[semester(subject) * 4 / 10],
        is_mandatory: !code(subject).starts_with("PHE"),
        experience_points: 330,
        is_active: true,
        after_chapters: Vec::new(),
        status: None,
        completion_percentage: None,
    });
    let edges = subjects.iter().enumerate().flat_map(|(to, subject)| {
        let prose = subject["prerequisites"].as_str().filter(|prose| !prose.contains('%')).unwrap_or_default();
        let from: HashSet<usize> = named(prose).filter_map(|code| place.get(code).copied()).collect();
        from.into_iter().map(move |from| Edge { from: id(from), to: id(to), kind: EdgeKind::Prerequisite })
    });
    Some(Graph {
        learning_path_id: id(0),
        name: programme["name"].as_str().unwrap().to_owned(),
        chapters: (0..10)
            .map(|n| Lane {
                id: id(1_000_000 + n),
                title: format!("Semester {n}"),
                sequence: i32::try_from(n).unwrap(),
            })
            .collect(),
        nodes: nodes.collect(),
        edges: edges.collect(),
    })
}

#[test]
fn nothing_lies_on_anything_else_in_the_map_of_a_real_programme() {
    let Some(mut graph) = programme() else {
        eprintln!("SKIPPED: the real programme is not on this machine; generated paths are drawn all the same");
        return;
    };
    assert_eq!((graph.nodes.len(), graph.edges.len()), (48, 23));
    assert_eq!(faults(&graph), Vec::<String>::new(), "as an author sees it");
    for (at, node) in graph.nodes.iter_mut().enumerate() {
        node.status = Some(STATES[at % 7]);
        node.completion_percentage = Some(33.33);
    }
    assert_eq!(faults(&graph), Vec::<String>::new(), "as a learner sees it");
}

/// Titles as people write them, and worse.
fn title() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Hello, C".to_owned()),
        Just("SSG104 Communication and In-Group Working Skills".to_owned()),
        Just("Phương pháp nghiên cứu và kỹ năng viết học thuật NÂNG CAO".to_owned()),
        Just("数据结构与算法分析导论以及它们在现实世界中的应用和练习题".to_owned()),
        "[A-Za-z ]{1,120}",
        "\\PC{1,255}",
        "W{1,255}",
    ]
}

/// Any path: quests in any chapter or in none, edges in any direction.
fn path() -> impl Strategy<Value = Graph> {
    let quest = (title(), any::<(u8, u8, bool, i32)>(), 0.0..=100.0_f64);
    let quests = prop::collection::vec(quest, 0..40);
    let chapters = prop::collection::vec(title(), 0..6);
    let edges = prop::collection::vec(any::<(u8, u8, u8)>(), 0..70);
    (title(), quests, chapters, edges, any::<(bool, bool)>()).prop_map(
        |(name, quests, chapters, edges, (personal, acyclic))| {
            let count = quests.len();
            Graph {
                learning_path_id: id(0),
                name,
                nodes: (quests.into_iter().enumerate())
                    .map(|(at, (title, (chapter, state, is_mandatory, points), percentage))| Node {
                        quest_id: id(at),
                        title,
                        chapter_id: (usize::from(chapter) < chapters.len() * 20)
                            .then(|| id(1_000_000 + usize::from(chapter) / 20)),
                        sequence: i32::try_from(at).unwrap(),
                        difficulty_level: LEVELS[usize::from(state / 7 % 4)],
                        is_mandatory,
                        experience_points: points.saturating_abs(),
                        is_active: state % 5 > 0,
                        after_chapters: Vec::new(),
                        status: personal.then(|| STATES[usize::from(state % 7)]),
                        completion_percentage: (STATES[usize::from(state % 7)] == Status::InProgress)
                            .then_some(percentage),
                    })
                    .collect(),
                chapters: (chapters.into_iter().enumerate())
                    .map(|(at, title)| Lane { id: id(1_000_000 + at), title, sequence: i32::try_from(at).unwrap() })
                    .collect(),
                edges: (edges.into_iter())
                    .filter(|_| count > 0)
                    .map(|(from, to, kind)| (usize::from(from) % count, usize::from(to) % count, kind))
                    .filter(|(from, to, _)| !acyclic || from != to)
                    .map(|(from, to, kind)| {
                        let (from, to) = if acyclic { (from.min(to), from.max(to)) } else { (from, to) };
                        let kind = if kind % 5 == 0 { EdgeKind::Criterion } else { EdgeKind::Prerequisite };
                        Edge { from: id(from), to: id(to), kind }
                    })
                    .collect(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.div_ceil(10)))]

    #[test]
    fn nothing_lies_on_anything_else_in_any_map(graph in path()) {
        prop_assert_eq!(faults(&graph), Vec::<String>::new());
    }
}
