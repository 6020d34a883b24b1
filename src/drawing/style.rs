//! Style sheets for light and dark.
//!
//! Colours are written out in every rule, not as custom properties: programs that are no browsers know none of these
//! and would paint the picture black. Every rule is held to its kind of picture, because a style sheet in an SVG that
//! stands inside a page applies to the whole page.

/// Name, light, dark.
pub type Colour = (&'static str, &'static str, &'static str);
/// Selectors, declarations; `$name` is a colour of the palette.
pub type Rule = (&'static str, &'static str);

/// Metrics of Arial first: lines are broken by them.
pub const FONT: &str =
    "color-scheme:light dark;font-family:Arial,Helvetica,'Liberation Sans',Roboto,'Noto Sans',sans-serif";

/// The style sheet of pictures whose root has the class `root`: what does not depend on the theme, and what does.
#[must_use]
pub fn sheet(root: &str, palette: &[Colour], shape: &[Rule], paint: &[Rule]) -> String {
    let (light, dark) = (painted(root, palette, paint, |of| of.1), painted(root, palette, paint, |of| of.2));
    format!("{}\n{light}\n@media(prefers-color-scheme:dark){{{dark}}}", rules(root, shape))
}

fn painted(root: &str, palette: &[Colour], paint: &[Rule], shade: impl Fn(&Colour) -> &'static str) -> String {
    let mut names: Vec<_> = palette.iter().collect();
    // The longest first: one name may begin like another.
    names.sort_by_key(|(name, ..)| std::cmp::Reverse(name.len()));
    names.into_iter().fold(rules(root, paint), |css, colour| css.replace(&format!("${}", colour.0), shade(colour)))
}

/// Rules that apply inside such pictures only.
fn rules(root: &str, rules: &[Rule]) -> String {
    let mut css = String::new();
    for (selectors, declarations) in rules {
        let held: Vec<String> =
            selectors.split(',').map(|selector| format!(".{root} {selector}").trim_end().to_owned()).collect();
        css.extend([&held.join(","), "{", declarations, "}"]);
    }
    css
}
