//! Normalizes ids and usernames for comparison and recording.
//!
//! Ids are compared according to their type in `$metadata`: GUIDs case-insensitively, numbers exactly (a portal may
//! write a long one as a string), texts literally. Trailing spaces of a text are ignored: SQL Server ignores them in
//! a comparison, and pads columns of fixed length with them. Texts are case-sensitive, because it depends on the
//! portal's collation whether case matters there.

use super::json_fields::Scalar;
use super::literal::Literal;
use super::number;
use crate::portal::thinkwise::odata::value_kind::ValueKind;

/// The id in a field of this kind; `None` if the value is not of that kind.
pub(crate) fn parse_id(kind: ValueKind, value: &Scalar) -> Option<String> {
    normalize_id(kind, value.as_written()?)
}

/// The same for a text, such as an id that an earlier version recorded.
pub(crate) fn normalize_id(kind: ValueKind, text: &str) -> Option<String> {
    let text = trim_padding(text);
    let text = match kind {
        ValueKind::Integer | ValueKind::Decimal => number::canonical(text)?,
        _ => text.to_owned(),
    };
    Literal::parse(kind, &text).ok().map(|literal| literal.to_text()).filter(|id| !id.is_empty())
}

/// Whether two usernames are equal.
pub(crate) fn same_username(one: &str, other: &str) -> bool {
    trim_padding(one) == trim_padding(other)
}

/// Removes the spaces with which SQL Server pads a column of fixed length.
pub(crate) fn trim_padding(text: &str) -> &str {
    text.trim_end_matches(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn text(text: &str) -> Scalar {
        Scalar::Text(Zeroizing::new(text.to_owned()))
    }

    fn number(text: &str) -> Scalar {
        Scalar::Number(text.to_owned())
    }

    #[test]
    fn ids_are_compared_according_to_their_type() {
        let (upper, lower) = ("0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5b-d9cb-469f-a165-70867728950e");
        for (kind, value, expected) in [
            (ValueKind::Guid, text(upper), Some(lower)),
            (ValueKind::Guid, text(lower), Some(lower)),
            (ValueKind::Guid, number("17"), None),
            (ValueKind::Integer, number("17"), Some("17")),
            (ValueKind::Integer, number("17.0"), Some("17")),
            (ValueKind::Integer, text("9007199254740993"), Some("9007199254740993")),
            (ValueKind::Integer, number("9223372036854775807"), Some("9223372036854775807")),
            (ValueKind::Integer, number("9223372036854775808"), None),
            (ValueKind::Integer, number("1.5"), None),
            (ValueKind::Integer, text("a1"), None),
            (ValueKind::Decimal, number("9007199254740993"), Some("9007199254740993")),
            (ValueKind::Decimal, number("9007199254740993.0"), Some("9007199254740993")),
            (ValueKind::Decimal, number("9.007199254740993E15"), Some("9007199254740993")),
            (ValueKind::Decimal, text("9007199254740993.50"), Some("9007199254740993.5")),
            (ValueKind::Decimal, number("123456789012345678901234567890"), Some("123456789012345678901234567890")),
            (ValueKind::Decimal, text("NaN"), None),
            (ValueKind::Text, text("0017"), Some("0017")),
            (ValueKind::Text, text(upper), Some(upper)),
            (ValueKind::Text, text("A1   "), Some("A1")),
            (ValueKind::Text, text("   "), None),
            (ValueKind::Text, number("17"), Some("17")),
            (ValueKind::Text, Scalar::Absent, None),
            (ValueKind::Text, Scalar::Other, None),
        ] {
            let written = value.as_written().unwrap_or_default();
            assert_eq!(parse_id(kind, &value).as_deref(), expected, "{kind:?} {written}");
        }
    }

    #[test]
    fn trailing_spaces_of_a_username_are_ignored() {
        assert!(same_username("tw-1", "tw-1   "));
        for other in [" tw-1", "TW-1", "tw-1\t", "tw-10"] {
            assert!(!same_username("tw-1", other), "{other:?}");
        }
    }
}
