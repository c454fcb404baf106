//! Shared by the fuzz targets. A target is next to the code that it tests, in a module `fuzz`; it checks what holds for
//! every input, not only that nothing panics. Each target runs for a second with the other tests, and for any time with
//! `make fuzz`.

use bolero::TypeGenerator;

/// A few mutations of a text. Random texts are rejected at the first character of any format; mutations of a valid text
/// get much further.
#[derive(Clone, Debug, TypeGenerator)]
pub(crate) struct Mutations([Option<Mutation>; 6]);

#[derive(Clone, Debug, TypeGenerator)]
enum Mutation {
    /// Replaces the byte at this position.
    Replace(u16, u8),
    /// Deletes this many bytes.
    Delete(u16, u8),
    /// Duplicates this many bytes.
    Duplicate(u16, u8),
    /// Inserts one of [`TOKENS`], which are significant in most formats.
    Insert(u16, u8),
}

const TOKENS: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "=",
    "/",
    "//",
    "@",
    "%",
    "#",
    "?",
    "<",
    ">",
    "&",
    "\r\n",
    "\0",
    "\u{202e}",
    "é",
    "-1",
    "99999999999999999999",
];

/// Applies the mutations to a text.
pub(crate) fn mutate(text: &str, changes: &Mutations) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes.0.iter().flatten() {
        let place = |at: u16| usize::from(at) % (bytes.len() + 1);
        match *change {
            Mutation::Replace(at, byte) => {
                let at = place(at);
                bytes.get_mut(at).into_iter().for_each(|old| *old = byte);
            }
            Mutation::Delete(at, length) => {
                let at = place(at);
                let end = bytes.len().min(at + usize::from(length));
                bytes.drain(at..end);
            }
            Mutation::Duplicate(at, length) => {
                let at = place(at);
                let part = bytes[at..bytes.len().min(at + usize::from(length))].to_vec();
                bytes.splice(at..at, part);
            }
            Mutation::Insert(at, which) => {
                let at = place(at);
                bytes.splice(at..at, TOKENS[usize::from(which) % TOKENS.len()].bytes());
            }
        }
    }
    bytes
}

/// Applies the mutations; invalid UTF-8 is replaced by a replacement character.
pub(crate) fn mutate_text(text: &str, changes: &Mutations) -> String {
    String::from_utf8_lossy(&mutate(text, changes)).into_owned()
}

/// Selects one of several texts by a number.
pub(crate) fn choose<'a>(of: &[&'a str], which: u8) -> &'a str {
    of[usize::from(which) % of.len()]
}

#[test]
fn mutations_are_applied_in_order() {
    let put = Some(Mutation::Replace(0, b'x'));
    let changes = Mutations([
        put,
        Some(Mutation::Delete(1, 1)),
        None,
        Some(Mutation::Duplicate(0, 2)),
        None,
        Some(Mutation::Insert(99, 8)),
    ]);
    assert_eq!(mutate_text("abc", &Mutations([const { None }; 6])), "abc");
    assert_eq!(mutate_text("abc", &changes), "xcxc=");
}
