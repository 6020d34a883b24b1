//! Prerequisites in words: which subjects of the programme they ask for.

use std::collections::BTreeSet;

use super::one_line;

/// The codes that a prerequisite's words ask for, as far as they are the programme's: all of a list, and of
/// an "or" with one known code that one. If anything is left over, the words are given back as they stand.
pub(super) fn resolve(words: &str, known: &BTreeSet<&str>) -> (BTreeSet<String>, Option<String>) {
    let mut needed = BTreeSet::new();
    let (outside, asides) = without_asides(words);
    // An aside that may ask for something is told, and so is one that is all there is.
    let asks = |word: &str| known.contains(word) || word.chars().any(|letter| letter.is_numeric() || letter == '%');
    let is_aside_alone = outside.trim().is_empty() && !words.trim().is_empty();
    let mut is_whole = !is_aside_alone && !asides.split(|letter: char| !is_of_a_code(letter)).any(asks);
    for part in outside.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
        let is_filler = |word: &&str| ["pass", "passed", "or", "and"].contains(&word.to_lowercase().as_str());
        let said: Vec<&str> = part.split_whitespace().filter(|word| !is_filler(word)).collect();
        if said.is_empty() || said.iter().all(|word| ["none", "no", "n/a", "-"].contains(&word.to_lowercase().as_str()))
        {
            continue;
        }
        let is_choice = part.split_whitespace().any(|word| word.eq_ignore_ascii_case("or"));
        let codes: Vec<&str> = said.iter().copied().filter(|word| known.contains(word)).collect();
        let only_codes = said.iter().all(|word| looks_like_a_code(word));
        match codes.as_slice() {
            [code] if only_codes && (is_choice || said.len() == 1) => {
                needed.insert((*code).to_owned());
            }
            all if only_codes && !is_choice && all.len() == said.len() => {
                needed.extend(all.iter().map(|code| (*code).to_owned()));
            }
            _ => is_whole = false,
        }
    }
    (needed, (!is_whole).then(|| one_line(words)))
}

/// What stands outside of parentheses, and what in them. One that has no partner stays outside, where it makes
/// its word none of a code.
fn without_asides(words: &str) -> (String, String) {
    let (mut outside, mut asides) = (String::new(), String::new());
    let mut rest = words;
    while let Some(start) = rest.find('(') {
        let mut depth = 0_i32;
        let end = rest[start..].char_indices().find(|(_, letter)| {
            depth += i32::from(*letter == '(') - i32::from(*letter == ')');
            depth == 0
        });
        let Some((length, _)) = end else { break };
        outside.push_str(&rest[..start]);
        outside.push(' ');
        asides.push_str(&rest[start..start + length]);
        rest = &rest[start + length + 1..];
    }
    (outside + rest, asides)
}

/// Other letters part words in an aside.
fn is_of_a_code(letter: char) -> bool {
    !letter.is_whitespace() && !"(),;.:/\"'".contains(letter)
}

fn looks_like_a_code(word: &str) -> bool {
    word.len() <= 12 && word.chars().any(|letter| letter.is_ascii_digit()) && !word.contains(['%', '(', ')'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> (Vec<String>, Option<String>) {
        let known = BTreeSet::from(["PRF192", "PRO192", "CSD201", "MAE101"]);
        let (needed, left_over) = resolve(words, &known);
        (needed.into_iter().collect(), left_over)
    }

    #[test]
    fn codes_of_the_programme_become_prerequisites_and_the_rest_is_told() {
        assert_eq!(of("PRF192"), (vec!["PRF192".into()], None));
        assert_eq!(of("PRF192, MAE101"), (vec!["MAE101".into(), "PRF192".into()], None));
        assert_eq!(of("Pass PRO192 or XYZ999"), (vec!["PRO192".into()], None));
        assert_eq!(of("None"), (Vec::new(), None));
        assert_eq!(of("PRO192 or CSD201"), (Vec::new(), Some("PRO192 or CSD201".into())), "which one is not said");
        assert_eq!(of("PRF192, 90% of credits"), (vec!["PRF192".into()], Some("PRF192, 90% of credits".into())));
        assert_eq!(of("XYZ999"), (Vec::new(), Some("XYZ999".into())));
        assert_eq!(of("PRF192 and XYZ999"), (Vec::new(), Some("PRF192 and XYZ999".into())));
        assert_eq!(of("PRF192 (or equivalent)"), (vec!["PRF192".into()], None));
    }

    #[test]
    fn only_asides_that_ask_for_nothing_are_left_out() {
        let both = || vec!["CSD201".to_owned(), "PRF192".to_owned()];
        assert_eq!(of("PRF192 (or equivalent), CSD201"), (both(), None));
        assert_eq!(of("(recommended) PRO192"), (vec!["PRO192".into()], None));
        assert_eq!(of("PRF192 (but (really) passed) and CSD201 (not for others)"), (both(), None));
        for words in ["PRO192 (min grade 5)", "PRO192 (or CSD201)", "PRO192 (half, 50% of it)"] {
            assert_eq!(of(words), (vec!["PRO192".into()], Some(words.into())), "{words}");
        }
        for words in [
            "PRO192 (min grade 5) and completion of 60 credits",
            "(MAE101 and XYZ999)",
            "(see the handbook)",
            "PRO192 (or",
            "(PRO192",
            "PRO192 or (CSD201",
            "PRO192) and (CSD201",
        ] {
            assert_eq!(of(words), (Vec::new(), Some(words.into())), "{words}");
        }
    }
}
