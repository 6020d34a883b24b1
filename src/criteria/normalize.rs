//! What is done to a short text before it is compared with the accepted ones.

use unicode_normalization::UnicodeNormalization;

use super::questions::Normalize;

/// The text after the steps, always in this order, however an author lists them: punctuation goes
/// first, since that may leave white space behind. Keyboards and input methods spell one accented
/// letter in several ways; canonically equivalent texts are the same text.
pub fn normalized(text: &str, steps: &[Normalize]) -> String {
    let mut text: String = text.nfc().collect();
    if steps.contains(&Normalize::StripPunct) {
        text.retain(|c| !is_punctuation(c));
    }
    if steps.contains(&Normalize::CollapseWs) {
        text = collapsed(&text);
    }
    if steps.contains(&Normalize::Trim) {
        text = text.trim().to_owned();
    }
    if steps.contains(&Normalize::Casefold) {
        // Up and down again, letter by letter: ß is ss then, and a final sigma is a sigma.
        text = text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect();
    }
    text
}

fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_whitespace() {
            true if collapsed.ends_with(' ') => {}
            true => collapsed.push(' '),
            false => collapsed.push(c),
        }
    }
    collapsed
}

/// ASCII punctuation, and what phones and word processors put in its place: curly quotes, dashes,
/// the ellipsis, inverted marks, the punctuation of CJK texts.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c, '¡' | '§' | '«' | '¶' | '·' | '»' | '¿')
        || matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}')
        || matches!(c, '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}')
        || matches!(c, '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_steps_is_not_the_authors() {
        let all = [Normalize::Casefold, Normalize::Trim, Normalize::StripPunct, Normalize::CollapseWs];
        let mut turned = all;
        turned.reverse();
        for steps in [all, turned] {
            assert_eq!(normalized("  “Don’t” –\u{a0} PANIC!  ", &steps), "dont panic");
        }
    }

    #[test]
    fn letters_are_the_same_however_they_are_spelt() {
        assert_eq!(normalized("tie\u{302}\u{301}ng Vie\u{323}\u{302}t", &[]), normalized("tiếng Việt", &[]));
        let fold = [Normalize::Casefold];
        assert_eq!(normalized("STRASSE", &fold), normalized("straße", &fold));
        assert_eq!(normalized("ΛΌΓΟΣ", &fold), normalized("λόγος", &fold));
        assert_ne!(normalized("Null", &[]), normalized("NULL", &[]));
    }
}
