//! What the fuzz targets share. A target lies beside the code that it feeds, in a module `fuzz`; it says
//! what holds for every input, not just that nothing panics. Each runs for a second with the other
//! tests, and as long as asked with `make fuzz`.

use bolero::TypeGenerator;

/// A few changes of a text. Texts made of chance alone end at the first letter of any format; those that
/// began as a good one get far into it.
#[derive(Clone, Debug, TypeGenerator)]
pub(crate) struct Mutations([Option<Mutation>; 6]);

#[derive(Clone, Debug, TypeGenerator)]
enum Mutation {
    /// Another byte at this place.
    Replace(u16, u8),
    /// So many bytes less.
    Delete(u16, u8),
    /// So many bytes a second time.
    Duplicate(u16, u8),
    /// Something that means something in most formats.
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

/// The text after these changes.
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

/// The same as text, with a mark in the place of what is none.
pub(crate) fn mutate_text(text: &str, changes: &Mutations) -> String {
    String::from_utf8_lossy(&mutate(text, changes)).into_owned()
}

/// One of several, chosen by a number.
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
