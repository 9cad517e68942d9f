//! How deep the parser will have to go, found without a parser.
//!
//! The CEL parser and evaluator recurse once for every bracket, every `?:` and every link of a chain of
//! operators (`a.b.c`, `1+2+3`), and a stack that overflows ends the process. So this counts first: now and
//! then too high, never too low.

/// A bracket takes the parser through its whole grammar again: three times the stack of an operator.
const BRACKET_LEVELS: usize = 3;

/// What has been seen so far of one open bracket.
#[derive(Clone, Copy, Default)]
struct Open {
    /// `?:` nest to the right until the next comma.
    choices: usize,
    /// Other operators form chains until the next logical operator, `:` or comma.
    chain: usize,
}

/// The deepest nesting in a text, which need not be CEL.
pub(super) fn depth(source: &str) -> usize {
    let mut rest = source.as_bytes();
    let mut before = 0;
    let mut outer: Vec<Open> = Vec::new();
    let mut open = Open::default();
    let mut deepest = 0;
    while let Some((&byte, tail)) = rest.split_first() {
        let mut taken = 1;
        match byte {
            b'"' | b'\'' => taken = text_length(rest, matches!(before, b'r' | b'R')),
            b'/' if tail.first() == Some(&b'/') => {
                taken = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            }
            b'(' | b'[' | b'{' => outer.push(std::mem::take(&mut open)),
            b')' | b']' | b'}' => {
                open = outer.pop().unwrap_or(open);
                open.chain += 1;
            }
            b'?' => open = Open { choices: open.choices + 1, chain: 0 },
            b':' | b'&' | b'|' => open.chain = 0,
            b',' => open = Open::default(),
            b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' => open.chain += 1,
            b'i' if is_in(tail) => open.chain += 1,
            _ => {}
        }
        let levels = outer.iter().chain([&open]).map(|open| open.choices + open.chain).sum::<usize>();
        deepest = deepest.max(levels + BRACKET_LEVELS * outer.len());
        before = byte;
        rest = rest.get(taken..).unwrap_or_default();
    }
    deepest
}

/// Whether an `i` before `tail` is the beginning of the operator `in`, or the end of a name that ends so.
fn is_in(tail: &[u8]) -> bool {
    tail.first() == Some(&b'n')
        && !tail.get(1).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The length of the text literal that `rest` begins with, quotes included.
fn text_length(rest: &[u8], raw: bool) -> usize {
    let quote = rest.first().copied().unwrap_or_default();
    let triple = [quote; 3];
    let end: &[u8] = if rest.starts_with(&triple) { &triple } else { triple.get(..1).unwrap_or_default() };
    let mut position = end.len();
    while let Some(tail) = rest.get(position..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with(end) {
            return position + end.len();
        }
        position += if !raw && tail.first() == Some(&b'\\') { 2 } else { 1 };
    }
    rest.len()
}
