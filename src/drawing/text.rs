//! Text of pictures: made safe for XML, measured, wrapped.

/// Keeps what XML 1.0 allows and a reader can see.
///
/// Dropped: control characters, non-characters, bidirectional overrides (they could flip the text around
/// them), and accents piled higher than any language needs, which would paint over the neighbours.
/// White space becomes single spaces.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        match c {
            c if c.is_whitespace() => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
                continue;
            }
            c if c.is_control() => continue,
            '\u{fffe}' | '\u{ffff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                continue;
            }
            _ => {}
        }
        marks = if is_zero_width(c) { marks + 1 } else { 0 };
        if marks <= 3 {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Escapes cleaned text for element content and attribute values.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200b}'..='\u{200d}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{feff}')
}

/// East Asian wide characters and pictographs: one em, and a line may break beside them.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f000}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}')
}

/// Width in thousandths of an em, after the bold face of Arial and Liberation Sans plus a reserve of a few
/// percent, because the reader's font is unknown.
fn milli_em(c: char) -> i32 {
    match c {
        c if is_zero_width(c) => 0,
        c if is_wide(c) => 1030,
        'i' | 'j' | 'l' | '\'' | ',' | '.' | 'I' | '|' | ' ' | ':' | ';' | '!' => 320,
        'í' | 'ì' | 'ỉ' | 'ĩ' | 'ị' => 330,
        'f' | 't' | '(' | ')' | '[' | ']' | '/' | '\\' | '-' | '·' => 365,
        'r' | '*' | '`' | '"' => 430,
        'a' | 'c' | 'e' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' | '0'..='9' | '$' | '?' | '_' | '–' => 590,
        'm' => 940,
        'M' | 'W' | '%' | '@' | '—' | '…' => 1000,
        'w' => 820,
        'A'..='Z' | '&' => 740,
        'a'..='z' | '+' | '=' | '<' | '>' | '#' | '~' | '^' => 640,
        c if c.is_uppercase() => 780,
        _ => 660,
    }
}

/// Estimated width in pixels of a text at a font size.
#[must_use]
pub fn width(text: &str, size: i32) -> i32 {
    (text.chars().map(milli_em).sum::<i32>() * size + 999) / 1000
}

/// Breaks a text into at most `widths.len()` lines, each not wider than its width; what does not fit ends
/// in an ellipsis.
#[must_use]
pub fn wrap(text: &str, size: i32, widths: &[i32]) -> Vec<String> {
    let text = clean(text);
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() && lines.len() < widths.len() {
        let room = widths[lines.len()];
        if width(rest, size) <= room {
            lines.push(rest.to_owned());
            return lines;
        }
        if lines.len() + 1 == widths.len() {
            lines.push(ellipsis(rest, size, room));
            return lines;
        }
        let cut = break_at(rest, size, room);
        lines.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    lines
}

/// Cuts a text to a width, with an ellipsis if anything was cut.
#[must_use]
pub fn ellipsis(text: &str, size: i32, room: i32) -> String {
    let text = clean(text);
    if width(&text, size) <= room {
        return text;
    }
    let cut = fitting(&text, size, room - width("…", size));
    format!("{}…", text[..cut].trim_end_matches([' ', ',', '-', ':', '–', '—']))
}

/// Bytes of the longest start that fits, at least one character and never parting a letter and its accent.
fn fitting(text: &str, size: i32, room: i32) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += milli_em(c) * size;
        if used > room * 1000 && at > 0 && !is_zero_width(c) {
            return at;
        }
    }
    text.len()
}

/// The last good place for a line break within the width: after a space or a hyphen, beside a wide
/// character, and inside a word only if the word alone is too long.
fn break_at(text: &str, size: i32, room: i32) -> usize {
    let limit = fitting(text, size, room);
    if text[limit..].starts_with(' ') {
        return limit;
    }
    let mut best = None;
    let mut previous = ' ';
    for (at, c) in text.char_indices().take_while(|(at, _)| *at <= limit) {
        let after_break = matches!(previous, ' ' | '-' | '–' | '/') || is_wide(previous) || is_wide(c);
        if at > 0 && c != ' ' && !is_zero_width(c) && after_break {
            best = Some(at);
        }
        previous = c;
    }
    best.unwrap_or(limit)
}
