//! JSON as the most lenient readers take it. It shares nothing with the reader under test.
//!
//! A byte-order mark is skipped, comments and commas too many are passed over, strings may be in single quotes and
//! hold anything, escapes that nobody knows stand for their letter. Every member of an object is kept, in its order.

/// One value.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// `true`, `null`, or any other bare word.
    Word(Vec<u8>),
    Number(Vec<u8>),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(Key, Self)>),
}

/// A member's name, as it stands there and as it is meant.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) raw: String,
    pub(crate) text: String,
}

/// All the values of a text, one after the other.
pub(crate) fn values(text: &[u8]) -> Vec<Node> {
    let mut walk = Walk { rest: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) };
    let mut values = Vec::new();
    while let Some(value) = walk.value() {
        values.push(value);
    }
    values
}

struct Walk<'a> {
    rest: &'a [u8],
}

impl Walk<'_> {
    fn value(&mut self) -> Option<Node> {
        self.pass_nothing();
        let first = *self.rest.first()?;
        Some(match first {
            b'{' => Node::Object(self.members()),
            b'[' => Node::List(self.elements()),
            b'"' | b'\'' => Node::Text(self.quoted().text),
            b'-' | b'+' | b'.' | b'0'..=b'9' => Node::Number(self.bare()),
            b'}' | b']' => return None,
            _ => Node::Word(self.bare()),
        })
    }

    fn members(&mut self) -> Vec<(Key, Node)> {
        self.pass(1);
        let mut members = Vec::new();
        loop {
            self.pass_nothing();
            let key = match self.rest.first() {
                None => return members,
                Some(b'}') => {
                    self.pass(1);
                    return members;
                }
                Some(b'"' | b'\'') => self.quoted(),
                Some(_) => {
                    let raw = String::from_utf8_lossy(&self.bare()).into_owned();
                    Key { text: raw.clone(), raw }
                }
            };
            let Some(value) = self.value() else { continue };
            members.push((key, value));
        }
    }

    fn elements(&mut self) -> Vec<Node> {
        self.pass(1);
        let mut elements = Vec::new();
        loop {
            self.pass_nothing();
            match self.rest.first() {
                None => return elements,
                Some(b']') => {
                    self.pass(1);
                    return elements;
                }
                Some(b'}') => self.pass(1),
                Some(_) => elements.extend(self.value()),
            }
        }
    }

    fn quoted(&mut self) -> Key {
        let quote = self.rest[0];
        self.pass(1);
        let mut raw = Vec::new();
        let mut units: Vec<u16> = Vec::new();
        let mut plain = Vec::new();
        while let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            if *byte == quote {
                break;
            }
            raw.push(*byte);
            if *byte != b'\\' {
                plain.push(*byte);
                continue;
            }
            units.extend(String::from_utf8_lossy(&std::mem::take(&mut plain)).encode_utf16());
            let Some((letter, rest)) = self.rest.split_first() else { break };
            self.rest = rest;
            raw.push(*letter);
            match letter {
                b'n' => units.push(10),
                b'r' => units.push(13),
                b't' => units.push(9),
                b'b' => units.push(8),
                b'f' => units.push(12),
                b'u' => units.push(self.code_unit(&mut raw)),
                other => plain.push(*other),
            }
        }
        units.extend(String::from_utf8_lossy(&plain).encode_utf16());
        Key { raw: String::from_utf8_lossy(&raw).into_owned(), text: String::from_utf16_lossy(&units) }
    }

    fn code_unit(&mut self, raw: &mut Vec<u8>) -> u16 {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.rest.first().and_then(|byte| char::from(*byte).to_digit(16)) else {
                break;
            };
            raw.push(self.rest[0]);
            self.pass(1);
            unit = unit * 16 + digit;
        }
        u16::try_from(unit).unwrap()
    }

    /// Up to the next thing that ends a bare word; at least one byte.
    fn bare(&mut self) -> Vec<u8> {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:{}[]\"'/#".contains(byte);
        let length = self.rest.iter().position(ends).unwrap_or(self.rest.len()).max(1);
        let word = self.rest[..length].to_vec();
        self.pass(length);
        word
    }

    /// White space, commas, colons, and comments of every kind.
    fn pass_nothing(&mut self) {
        loop {
            let length = match self.rest {
                [byte, ..] if byte.is_ascii_whitespace() || b",:\0\x0b".contains(byte) => 1,
                [b'#', ..] | [b'/', b'/', ..] => {
                    self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len())
                }
                [b'/', b'*', inside @ ..] => {
                    inside.windows(2).position(|pair| pair == b"*/").map_or(self.rest.len(), |at| at + 4)
                }
                _ => return,
            };
            self.pass(length);
        }
    }

    fn pass(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }
}
