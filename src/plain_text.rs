//! Reads text that people put into a Secret or a file; an error says what it is instead.

/// The bytes are not valid as a login or a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextError {
    /// Nothing, or only line breaks.
    #[error("is empty: set it")]
    Empty,
    /// UTF-16 or UTF-32, as Windows tools write it.
    #[error("is UTF-16 text, as Windows tools write it: save it as UTF-8")]
    Utf16,
    /// UTF-8 with a byte-order mark, which would become part of the value.
    #[error("begins with a byte-order mark: save it as UTF-8 without one")]
    ByteOrderMark,
    /// Another encoding, or not text.
    #[error("is not UTF-8 text: save it as UTF-8")]
    NotUtf8,
    /// More than one line, or characters that no login contains.
    #[error("has a line break or another control character: use a single line")]
    ControlCharacter,
}

/// The byte-order mark that some editors write before UTF-8.
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// Text of any number of lines, without its byte-order mark.
pub(crate) fn document(bytes: &[u8]) -> Result<&str, TextError> {
    if is_utf16(bytes) {
        return Err(TextError::Utf16);
    }
    std::str::from_utf8(bytes.strip_prefix(UTF8_BOM).unwrap_or(bytes)).map_err(|_| TextError::NotUtf8)
}

/// One line, such as a username or a password. Line breaks at its end are ignored.
pub(crate) fn line(bytes: &[u8]) -> Result<&str, TextError> {
    if bytes.starts_with(UTF8_BOM) {
        return Err(TextError::ByteOrderMark);
    }
    let text = document(bytes)?.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.chars().any(char::is_control) { Err(TextError::ControlCharacter) } else { Ok(text) }
}

/// Whether the bytes start with a byte-order mark of UTF-16 or UTF-32, or every second byte is zero.
fn is_utf16(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\0\0\xfe\xff") {
        return true;
    }
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).all(|byte| *byte == 0);
    bytes.len() > 1 && bytes.len().is_multiple_of(2) && (zeros(0) || zeros(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_line_is_read_without_the_line_break_of_an_editor() {
        for text in ["hush", "hush\n", "hush\r\n", "pä ss:w\u{f6}rd\n", " blanks stay "] {
            assert_eq!(line(text.as_bytes()), Ok(text.trim_end_matches(['\n', '\r'])));
        }
    }

    #[test]
    fn an_invalid_line_is_described() {
        for (bytes, what) in [
            (vec![], TextError::Empty),
            (b"\r\n".to_vec(), TextError::Empty),
            (utf16("\u{feff}hush\r\n", u16::to_le_bytes), TextError::Utf16),
            (utf16("\u{feff}hush", u16::to_be_bytes), TextError::Utf16),
            (utf16("hush\n", u16::to_le_bytes), TextError::Utf16),
            (utf16("hush\n", u16::to_be_bytes), TextError::Utf16),
            (b"\xff\xfe\0\0h\0\0\0".to_vec(), TextError::Utf16),
            (b"\xef\xbb\xbfhush".to_vec(), TextError::ByteOrderMark),
            (b"\xef\xbb\xbf".to_vec(), TextError::ByteOrderMark),
            (b"h\xfcsh".to_vec(), TextError::NotUtf8),
            (b"hush\nsecond line".to_vec(), TextError::ControlCharacter),
            (b"hu\0sh".to_vec(), TextError::ControlCharacter),
            (b"hu\tsh".to_vec(), TextError::ControlCharacter),
        ] {
            assert_eq!(line(&bytes), Err(what), "{bytes:?}");
        }
    }

    #[test]
    fn a_document_may_have_lines_and_a_byte_order_mark() {
        assert_eq!(document(b"\xef\xbb\xbfa: b\nc: d\n"), Ok("a: b\nc: d\n"));
        assert_eq!(document(&utf16("a: b\n", u16::to_le_bytes)), Err(TextError::Utf16));
        assert_eq!(document(b"a: \xfc"), Err(TextError::NotUtf8));
    }
}
