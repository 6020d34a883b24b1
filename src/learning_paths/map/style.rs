//! Colours and fonts of the map, for light and dark.
//!
//! Colours are written out in every rule, not as custom properties: programs that are no browsers know
//! none of these and would paint the map black. Every rule is held to maps, because a style sheet in an
//! SVG that stands inside a page applies to the whole page.

use std::sync::LazyLock;

use crate::quests::model::DifficultyLevel;

/// Class of the document's root.
pub const ROOT: &str = "quest-map";

/// Name, light, dark.
pub const PALETTE: [(&str, &str, &str); 29] = [
    ("page", "#f8fafc", "#0b1120"),
    ("band", "#ffffff", "#111a2e"),
    ("tint", "#f1f5f9", "#0d1526"),
    ("line", "#cbd5e1", "#2b3a55"),
    ("card", "#ffffff", "#1b2740"),
    ("quiet", "#eef2f7", "#141e33"),
    ("doneCard", "#f0fdf4", "#12291f"),
    ("rim", "#76859b", "#687a97"),
    ("ink", "#0f172a", "#f1f5f9"),
    ("soft", "#475569", "#a9b6ca"),
    ("edge", "#5b6b82", "#8495b0"),
    ("against", "#c2410c", "#fb923c"),
    ("done", "#15803d", "#4ade80"),
    ("now", "#a34a06", "#fbbf24"),
    ("lost", "#b91c1c", "#f87171"),
    ("track", "#e2e8f0", "#33435f"),
    ("on", "#ffffff", "#0b1120"),
    ("beginner", "#0f766e", "#2dd4bf"),
    ("beginnerTag", "#ccfbf1", "#134e4a"),
    ("beginnerWord", "#115e59", "#99f6e4"),
    ("intermediate", "#2563eb", "#60a5fa"),
    ("intermediateTag", "#dbeafe", "#1e3a8a"),
    ("intermediateWord", "#1e40af", "#bfdbfe"),
    ("advanced", "#7e22ce", "#c084fc"),
    ("advancedTag", "#f3e8ff", "#4c1d78"),
    ("advancedWord", "#6b21a8", "#e9d5ff"),
    ("expert", "#be123c", "#fb7185"),
    ("expertTag", "#ffe4e6", "#5f1428"),
    ("expertWord", "#9f1239", "#fecdd3"),
];

/// What does not depend on the theme.
const SHAPE: &[(&str, &str)] = &[
    // Metrics of Arial first: the lines are broken by them.
    ("", "color-scheme:light dark;font-family:Arial,Helvetica,'Liberation Sans',Roboto,'Noto Sans',sans-serif"),
    (".name", "font-size:26px;font-weight:700"),
    (".sub", "font-size:14px"),
    (".lane", "font-size:16px;font-weight:700"),
    (".note", "font-size:13px"),
    (".t", "font-size:14px;font-weight:600"),
    (".chip,.xp", "font-size:12px;font-weight:600"),
    (".pc", "font-size:12px;font-weight:700"),
    (".frame,.sep,.line,.m", "fill:none"),
    (".card", "stroke-width:1.5"),
    (".n .card", "stroke-width:2.5"),
    (".o .card", "stroke-dasharray:7 4"),
    (".line", "stroke-width:1.75;stroke-linejoin:round"),
    (".halo", "fill:none;stroke-width:7"),
    (".c .line", "stroke-dasharray:1 4;stroke-width:2.25;stroke-linecap:round"),
    (".x .line", "stroke-dasharray:9 4"),
    (".e:hover .line", "stroke-width:3.5"),
    (".m", "stroke-width:2;stroke-linecap:round;stroke-linejoin:round"),
];

/// What does; `$name` is a colour of the palette.
const PAINT: &[(&str, &str)] = &[
    (".page", "fill:$page"),
    (".band", "fill:$band"),
    (".tint", "fill:$tint"),
    (".sb", "stop-color:$band"),
    (".st", "stop-color:$tint"),
    (".frame,.sep", "stroke:$line"),
    ("text", "fill:$ink"),
    (".sub,.note,.xp,.q .t", "fill:$soft"),
    (".pc", "fill:$now"),
    (".card", "fill:$card"),
    (".d .card", "fill:$doneCard"),
    (".B .card,.B .stripe", "stroke:$beginner"),
    (".B .stripe", "fill:$beginner"),
    (".B .tag", "fill:$beginnerTag"),
    (".B .chip", "fill:$beginnerWord"),
    (".I .card,.I .stripe", "stroke:$intermediate"),
    (".I .stripe", "fill:$intermediate"),
    (".I .tag", "fill:$intermediateTag"),
    (".I .chip", "fill:$intermediateWord"),
    (".A .card,.A .stripe", "stroke:$advanced"),
    (".A .stripe", "fill:$advanced"),
    (".A .tag", "fill:$advancedTag"),
    (".A .chip", "fill:$advancedWord"),
    (".E .card,.E .stripe", "stroke:$expert"),
    (".E .stripe", "fill:$expert"),
    (".E .tag", "fill:$expertTag"),
    (".E .chip", "fill:$expertWord"),
    (".q .card", "fill:$quiet;stroke:$rim"),
    (".plain", "stroke:$soft"),
    (".track", "fill:$track"),
    (".bar", "fill:$now"),
    (".bar.d", "fill:$done"),
    (".line", "stroke:$edge"),
    (".head", "fill:$edge"),
    (".g .line", "stroke:$done"),
    (".g .head", "fill:$done"),
    (".c .line", "stroke:$ink"),
    (".c .head", "fill:$ink"),
    (".x .line", "stroke:$against"),
    (".x .head", "fill:$against"),
    (".e:hover .line", "stroke:$ink"),
    (".e:hover .head", "fill:$ink"),
    (".mi", "stroke:$on"),
    (".fi", "fill:$on"),
    (".fd", "fill:$done"),
    (".fn", "fill:$now"),
    (".fo", "fill:$ink"),
    (".mo", "stroke:$on"),
    (".fs", "fill:$soft"),
    (".sn", "stroke:$now"),
    (".sl", "stroke:$lost"),
    (".ss", "stroke:$soft"),
];

/// The document's style sheet.
pub static CSS: LazyLock<String> = LazyLock::new(|| {
    let (light, dark) = (paint(|colour| colour.1), paint(|colour| colour.2));
    format!("{}\n{light}\n@media(prefers-color-scheme:dark){{{dark}}}", rules(SHAPE))
});

fn paint(shade: impl Fn(&(&str, &'static str, &'static str)) -> &'static str) -> String {
    let mut names: Vec<_> = PALETTE.iter().collect();
    // The longest first: one name may begin like another.
    names.sort_by_key(|(name, ..)| std::cmp::Reverse(name.len()));
    names.into_iter().fold(rules(PAINT), |css, colour| css.replace(&format!("${}", colour.0), shade(colour)))
}

/// Rules that apply inside maps only.
fn rules(rules: &[(&str, &str)]) -> String {
    let mut css = String::new();
    for (selectors, declarations) in rules {
        let held: Vec<String> =
            selectors.split(',').map(|selector| format!(".{ROOT} {selector}").trim_end().to_owned()).collect();
        css.extend([&held.join(","), "{", declarations, "}"]);
    }
    css
}

/// Class of a difficulty in the style sheet.
pub const fn class(level: DifficultyLevel) -> &'static str {
    match level {
        DifficultyLevel::Beginner => "B",
        DifficultyLevel::Intermediate => "I",
        DifficultyLevel::Advanced => "A",
        DifficultyLevel::Expert => "E",
    }
}

/// Name of a difficulty on its chip.
pub const fn label(level: DifficultyLevel) -> &'static str {
    match level {
        DifficultyLevel::Beginner => "Beginner",
        DifficultyLevel::Intermediate => "Intermediate",
        DifficultyLevel::Advanced => "Advanced",
        DifficultyLevel::Expert => "Expert",
    }
}
