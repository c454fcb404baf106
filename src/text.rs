//! Somebody else's words, made fit to be shown.

/// What a condition or an event shows of somebody else's text, in characters.
pub(crate) const LONGEST: usize = 256;

/// One line without control characters or invisible ones that change how the rest is shown, at most
/// [`LONGEST`] characters.
pub(crate) fn clean(text: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
