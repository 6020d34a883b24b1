//! Colours and fonts of charts, for light and dark.

use std::sync::LazyLock;

use crate::drawing::style::{self, Colour, Rule};

/// Class of the document's root.
pub const ROOT: &str = "quest-chart";

/// Name, light, dark.
const PALETTE: [Colour; 11] = [
    ("page", "#ffffff", "#0b1120"),
    ("panel", "#f8fafc", "#111a2e"),
    ("line", "#d5dde8", "#2b3a55"),
    ("axis", "#64748b", "#7f8ea9"),
    ("ink", "#0f172a", "#f1f5f9"),
    ("soft", "#475569", "#a9b6ca"),
    ("begun", "#2563eb", "#60a5fa"),
    ("through", "#15803d", "#4ade80"),
    ("pale", "#bfd3f5", "#2a4374"),
    ("full", "#1d4ed8", "#7db3fb"),
    ("lost", "#b91c1c", "#f87171"),
];

/// What does not depend on the theme.
const SHAPE: &[Rule] = &[
    ("", style::FONT),
    (".name", "font-size:24px;font-weight:700"),
    (".part", "font-size:16px;font-weight:700"),
    (".sub,.label", "font-size:14px"),
    (".note,.tick", "font-size:12px"),
    (".value", "font-size:13px;font-weight:600"),
    (".grid,.axis,.curve,.bare", "fill:none"),
    (".grid", "stroke-width:1"),
    (".axis", "stroke-width:1.25"),
    (".curve", "stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round"),
    (".t .curve", "stroke-dasharray:7 5"),
    (".bare", "stroke-width:1.5;stroke-dasharray:3 3"),
    (".dot", "stroke-width:1.5"),
];

/// What does; `$name` is a colour of the palette.
const PAINT: &[Rule] = &[
    (".page", "fill:$page"),
    (".panel", "fill:$panel;stroke:$line"),
    ("text", "fill:$ink"),
    (".sub,.note,.tick", "fill:$soft"),
    (".grid", "stroke:$line"),
    (".axis", "stroke:$axis"),
    (".b .curve", "stroke:$begun"),
    (".t .curve", "stroke:$through"),
    (".b .dot", "fill:$begun;stroke:$panel"),
    (".t .dot", "fill:$through;stroke:$panel"),
    (".pale", "fill:$pale"),
    (".full", "fill:$full"),
    (".bare", "stroke:$axis"),
    (".lost", "fill:$lost"),
];

/// The document's style sheet.
pub static CSS: LazyLock<String> = LazyLock::new(|| style::sheet(ROOT, &PALETTE, SHAPE, PAINT));
