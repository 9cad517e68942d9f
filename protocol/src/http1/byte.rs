//! Which bytes may stand where (RFC 9110, section 5.6.2; RFC 9112, section 3).

/// A set of bytes.
pub(super) type Class = [bool; 256];

/// Nothing.
pub(super) static NONE: Class = [false; 256];
/// `tchar`: methods and header names.
pub(super) static TOKEN: Class = class(b"!#$%&'*+-.^_`|~", true, &[]);
/// Request targets: all that is visible but what ends a target or begins a fragment to some readers.
pub(super) static TARGET: Class = class(b"!\"$%&'()*+,-./:;=?@[\\]^_`{|}~", true, &[]);
/// The protocol's name and version.
pub(super) static VERSION: Class = class(b"/.", true, &[]);
/// Header values: visible, space, tab, and the upper half (`obs-text`).
pub(super) static VALUE: Class = class(b"", false, &[(b'\t', b'\t'), (b' ', b'~'), (0x80, 0xff)]);
/// Chunk extensions: visible, space and tab.
pub(super) static EXTENSION: Class = class(b"", false, &[(b'\t', b'\t'), (b' ', b'~')]);
/// The host and port of a target in absolute form.
pub(super) static AUTHORITY: Class = class(b"-._~:[]", true, &[]);

/// How many bytes from the start are of a class.
pub(super) fn span(bytes: &[u8], class: &Class) -> usize {
    bytes.iter().position(|byte| !is(*byte, class)).unwrap_or(bytes.len())
}

pub(super) fn is(byte: u8, class: &Class) -> bool {
    class.get(usize::from(byte)).is_some_and(|is| *is)
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
const fn class(marks: &[u8], alphanumeric: bool, ranges: &[(u8, u8)]) -> Class {
    let mut class = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = alphanumeric && (byte as u8).is_ascii_alphanumeric();
        let mut range = 0;
        while range < ranges.len() {
            let (first, last) = ranges[range];
            class[byte] |= first as usize <= byte && byte <= last as usize;
            range += 1;
        }
        byte += 1;
    }
    let mut mark = 0;
    while mark < marks.len() {
        class[marks[mark] as usize] = true;
        mark += 1;
    }
    class
}
