//! Ids and usernames in the one form in which they are compared and recorded.
//!
//! Ids are equal as `$metadata` types them: GUIDs without letter case, numbers exactly (a portal may write a long
//! one as a string), texts as they are. Blanks at the end of a text do not count: SQL Server ignores them in a
//! comparison, and fills a column of fixed length with them. Letter case counts in texts, for whether it does at the
//! portal depends on its collation.

use super::fields::Scalar;
use super::literal::Literal;
use super::metadata::Kind;
use super::number;

/// The id that a field of this kind holds; `None` where that is no value of the kind.
pub(super) fn id(kind: Kind, value: &Scalar) -> Option<String> {
    id_of_text(kind, value.as_written()?)
}

/// The same of a text, such as an id that was recorded by a former version.
pub(super) fn id_of_text(kind: Kind, text: &str) -> Option<String> {
    let text = without_padding(text);
    let text = match kind {
        Kind::Integer | Kind::Decimal => number::canonical(text)?,
        _ => text.to_owned(),
    };
    Literal::parse(kind, &text).ok().map(|literal| literal.as_text()).filter(|id| !id.is_empty())
}

/// Whether two usernames are the same one.
pub(super) fn same_username(one: &str, other: &str) -> bool {
    without_padding(one) == without_padding(other)
}

/// Without the blanks with which SQL Server fills a column of fixed length.
pub(super) fn without_padding(text: &str) -> &str {
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
    fn ids_are_equal_as_their_type_has_it() {
        let (upper, lower) = ("0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5b-d9cb-469f-a165-70867728950e");
        for (kind, value, expected) in [
            (Kind::Guid, text(upper), Some(lower)),
            (Kind::Guid, text(lower), Some(lower)),
            (Kind::Guid, number("17"), None),
            (Kind::Integer, number("17"), Some("17")),
            (Kind::Integer, number("17.0"), Some("17")),
            (Kind::Integer, text("9007199254740993"), Some("9007199254740993")),
            (Kind::Integer, number("9223372036854775807"), Some("9223372036854775807")),
            (Kind::Integer, number("9223372036854775808"), None),
            (Kind::Integer, number("1.5"), None),
            (Kind::Integer, text("a1"), None),
            (Kind::Decimal, number("9007199254740993"), Some("9007199254740993")),
            (Kind::Decimal, number("9007199254740993.0"), Some("9007199254740993")),
            (Kind::Decimal, number("9.007199254740993E15"), Some("9007199254740993")),
            (Kind::Decimal, text("9007199254740993.50"), Some("9007199254740993.5")),
            (Kind::Decimal, number("123456789012345678901234567890"), Some("123456789012345678901234567890")),
            (Kind::Decimal, text("NaN"), None),
            (Kind::Text, text("0017"), Some("0017")),
            (Kind::Text, text(upper), Some(upper)),
            (Kind::Text, text("A1   "), Some("A1")),
            (Kind::Text, text("   "), None),
            (Kind::Text, number("17"), Some("17")),
            (Kind::Text, Scalar::Absent, None),
            (Kind::Text, Scalar::Other, None),
        ] {
            let written = value.as_written().unwrap_or_default();
            assert_eq!(id(kind, &value).as_deref(), expected, "{kind:?} {written}");
        }
    }

    #[test]
    fn blanks_at_the_end_of_a_username_do_not_count() {
        assert!(same_username("tw-1", "tw-1   "));
        for other in [" tw-1", "TW-1", "tw-1\t", "tw-10"] {
            assert!(!same_username("tw-1", other), "{other:?}");
        }
    }
}
