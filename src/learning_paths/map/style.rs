//! Colours and fonts of the map, for light and dark.

use std::sync::LazyLock;

use crate::drawing::style::{self, Colour, Rule};
use crate::quests::model::DifficultyLevel;

/// Class of the document's root.
pub const ROOT: &str = "quest-map";

/// Name, light, dark.
pub const PALETTE: [Colour; 29] = [
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
const SHAPE: &[Rule] = &[
    ("", style::FONT),
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
const PAINT: &[Rule] = &[
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
pub static CSS: LazyLock<String> = LazyLock::new(|| style::sheet(ROOT, &PALETTE, SHAPE, PAINT));

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
