//! Sanitizes untrusted text before it is shown.

/// The longest untrusted text in a condition or an event, in characters.
pub(crate) const MAX_CHARS: usize = 256;

/// One line without control characters and invisible characters that change how the rest is shown, with at most
/// [`MAX_CHARS`] characters.
pub(crate) fn sanitize(text: &str) -> String {
    let line = strip_control(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_CHARS {
        return line;
    }
    line.chars().take(MAX_CHARS - 1).chain(['…']).collect()
}

/// Replaces line breaks, control characters and invisible characters by spaces.
pub(crate) fn strip_control(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
pub(crate) mod fuzz {
    use super::*;
    use crate::fuzz_support::{Mutations, mutate_text};

    /// Checks what holds for all sanitized text.
    pub(crate) fn assert_sanitized(text: &str) {
        assert!(text.chars().count() <= MAX_CHARS, "{} characters", text.chars().count());
        assert!(!text.chars().any(|c| c.is_control() || is_invisible(c)), "{text:?}");
        assert_eq!(text, text.trim());
    }

    #[test]
    fn sanitized_text_is_one_short_visible_line() {
        bolero::check!().with_type::<(String, Mutations)>().for_each(|(text, changes)| {
            for text in [mutate_text(text, changes), text.repeat(100)] {
                let sanitized = sanitize(&text);
                assert_sanitized(&sanitized);
                assert_eq!(sanitize(&sanitized), sanitized, "sanitizing twice changes nothing");
            }
        });
    }
}
