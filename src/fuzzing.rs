//! What the fuzz targets share. A target lies beside the code that it feeds, in a module `fuzz`; it says
//! what holds for every input, not just that nothing panics. Each runs for a second with the other
//! tests, and as long as asked with `make fuzz`.

use bolero::TypeGenerator;

/// A few changes of a text. Texts made of chance alone end at the first letter of any format; those that
/// began as a good one get far into it.
#[derive(Clone, Debug, TypeGenerator)]
pub(crate) struct Changes([Option<Change>; 6]);

#[derive(Clone, Debug, TypeGenerator)]
enum Change {
    /// Another byte at this place.
    Put(u16, u8),
    /// So many bytes less.
    Cut(u16, u8),
    /// So many bytes a second time.
    Repeat(u16, u8),
    /// Something that means something in most formats.
    Insert(u16, u8),
}

const TELLING: [&str; 24] = [
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
pub(crate) fn changed(text: &str, changes: &Changes) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes.0.iter().flatten() {
        let place = |at: u16| usize::from(at) % (bytes.len() + 1);
        match *change {
            Change::Put(at, byte) => {
                let at = place(at);
                bytes.get_mut(at).into_iter().for_each(|old| *old = byte);
            }
            Change::Cut(at, length) => {
                let at = place(at);
                let end = bytes.len().min(at + usize::from(length));
                bytes.drain(at..end);
            }
            Change::Repeat(at, length) => {
                let at = place(at);
                let part = bytes[at..bytes.len().min(at + usize::from(length))].to_vec();
                bytes.splice(at..at, part);
            }
            Change::Insert(at, which) => {
                let at = place(at);
                bytes.splice(at..at, TELLING[usize::from(which) % TELLING.len()].bytes());
            }
        }
    }
    bytes
}

/// The same as text, with a mark in the place of what is none.
pub(crate) fn changed_text(text: &str, changes: &Changes) -> String {
    String::from_utf8_lossy(&changed(text, changes)).into_owned()
}

/// One of several, chosen by a number.
pub(crate) fn pick<'a>(of: &[&'a str], which: u8) -> &'a str {
    of[usize::from(which) % of.len()]
}

#[test]
fn texts_change_as_told() {
    let put = Some(Change::Put(0, b'x'));
    let changes =
        Changes([put, Some(Change::Cut(1, 1)), None, Some(Change::Repeat(0, 2)), None, Some(Change::Insert(99, 8))]);
    assert_eq!(changed_text("abc", &Changes([const { None }; 6])), "abc");
    assert_eq!(changed_text("abc", &changes), "xcxc=");
}
