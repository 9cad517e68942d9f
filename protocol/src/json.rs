//! A strict reader of JSON (RFC 8259), borrowed from the bytes of the body.
//!
//! It is pulled: the one who reads asks for the next key, element or value, and gets spans of the text as it came,
//! so that parts can be kept, dropped or forwarded without writing JSON anew. Every value is checked while it is
//! passed, also the ones that nobody asked for. Beyond the RFC it refuses what two readers could read in two ways: a
//! key twice in one object, NUL in a key, a key that a library reserves, half a surrogate pair, a number too large for a
//! double, a byte-order mark. The scratch for keys holds 24 bytes for each key of the objects that are open.

mod number;
mod scan;
mod text;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::malformed::Malformed;

/// The deepest nesting of objects and arrays that is read, in levels.
pub const NESTING_MAX: usize = 128;

/// Keys by which the JSON library of Rust marks what it carries within itself: it puts the text that such a member holds
/// in place of the whole object.
const RESERVED_KEYS: &str = "$serde_json::private::";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[…]`
    Array,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
    /// A number.
    Number,
    /// `{…}`
    Object,
    /// `"…"`
    Text,
}

/// One value as it stands in the text, read and found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text, without the white space around it.
    pub raw: &'a str,
    /// Where it starts, in bytes from the start of the text that the reader was given.
    pub start: usize,
}

impl Value<'_> {
    /// Where it ends, in bytes from the start of the text that the reader was given.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.start.saturating_add(self.raw.len())
    }
}

/// An object that is being read: pass it to [`Reader::key`] until that gives `None`.
#[derive(Debug)]
pub struct Object {
    first_key: usize,
    begun: bool,
}

/// An array that is being read: pass it to [`Reader::element`] until that gives `false`.
#[derive(Debug)]
pub struct Array {
    begun: bool,
}

/// The reader. After an error it stands anywhere: give it up.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    nesting: usize,
    /// Keys of all objects that are open, outermost first.
    keys: Vec<Cow<'a, str>>,
}

/// Whether some readers take a key for more than a name.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key.starts_with(RESERVED_KEYS)
}

impl<'a> Reader<'a> {
    /// A reader of a body as it came.
    ///
    /// # Errors
    /// A byte-order mark, or bytes that are not UTF-8.
    pub fn new(body: &'a [u8]) -> Result<Self, Malformed> {
        if body.starts_with(BYTE_ORDER_MARK) {
            return Err(Malformed::ByteOrderMark);
        }
        let text = std::str::from_utf8(body).map_err(|_| Malformed::InvalidUtf8)?;
        Ok(Self::over(text))
    }

    /// A reader of JSON text.
    #[must_use]
    pub const fn over(text: &'a str) -> Self {
        Self { text, at: 0, nesting: 0, keys: Vec::new() }
    }

    /// Passes white space and tells what the next value is, without passing it.
    ///
    /// # Errors
    /// No value starts here.
    pub fn kind(&mut self) -> Result<Kind, Malformed> {
        self.white_space();
        match self.peek() {
            Some(b'"') => Ok(Kind::Text),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.not_json()),
        }
    }

    /// Reads the next value, whatever it is, and keeps its span.
    ///
    /// # Errors
    /// The value is not JSON, or is refused.
    pub fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let kind = self.kind()?;
        let start = self.at;
        self.skip()?;
        Ok(Value { kind, raw: self.since(start), start })
    }

    /// Passes the next value.
    ///
    /// # Errors
    /// The value is not JSON, or is refused.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        match self.kind()? {
            Kind::Array => {
                let mut array = self.array()?;
                while self.element(&mut array)? {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Boolean if self.peek() == Some(b't') => self.word("true"),
            Kind::Boolean => self.word("false"),
            Kind::Null => self.word("null"),
            Kind::Number => self.number(),
            Kind::Object => {
                let mut object = self.object()?;
                while self.key(&mut object)?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Text => self.skip_text().map(drop),
        }
    }

    /// Reads the next value if it is text, its escapes resolved; passes it and gives `None` if it is not.
    ///
    /// # Errors
    /// The value is not JSON, or is refused.
    pub fn text(&mut self) -> Result<Option<Cow<'a, str>>, Malformed> {
        if self.kind()? == Kind::Text {
            return self.read_text().map(Some);
        }
        self.skip().map(|()| None)
    }

    /// Enters the next value, which must be an object.
    ///
    /// # Errors
    /// The value is no object, or is nested too deep.
    pub fn object(&mut self) -> Result<Object, Malformed> {
        self.white_space();
        self.expect(b'{')?;
        self.nest()?;
        Ok(Object { first_key: self.keys.len(), begun: false })
    }

    /// Enters the next value if it is an object; passes it and gives `None` if it is not.
    ///
    /// # Errors
    /// The value is not JSON, is refused, or is nested too deep.
    pub fn object_if(&mut self) -> Result<Option<Object>, Malformed> {
        if self.kind()? == Kind::Object {
            return self.object().map(Some);
        }
        self.skip().map(|()| None)
    }

    /// Enters the next value, which must be an array.
    ///
    /// # Errors
    /// The value is no array, or is nested too deep.
    pub fn array(&mut self) -> Result<Array, Malformed> {
        self.white_space();
        self.expect(b'[')?;
        self.nest()?;
        Ok(Array { begun: false })
    }

    /// Reads the object's next key, its escapes resolved (a key without escapes is borrowed); `None` at the end of the
    /// object. After a key, read its value before the next key. A key that stands twice is found at the end: read to the
    /// end.
    ///
    /// # Errors
    /// The object is not JSON, a key stands in it twice, has a NUL in it, or is reserved.
    pub fn key(&mut self, object: &mut Object) -> Result<Option<Cow<'a, str>>, Malformed> {
        self.white_space();
        if self.eat(b'}') {
            self.nesting = self.nesting.saturating_sub(1);
            self.forget_keys(object.first_key)?;
            return Ok(None);
        }
        if object.begun {
            self.expect(b',')?;
            self.white_space();
        }
        object.begun = true;
        let key = self.read_text()?;
        if key.contains('\0') {
            return Err(Malformed::NulInKey);
        }
        if is_reserved(&key) {
            return Err(Malformed::ReservedKey);
        }
        self.white_space();
        self.expect(b':')?;
        self.keys.push(key.clone());
        Ok(Some(key))
    }

    /// Goes to the array's next element; `false` at the end of the array. After `true`, read the element before the
    /// next.
    ///
    /// # Errors
    /// The array is not JSON.
    pub fn element(&mut self, array: &mut Array) -> Result<bool, Malformed> {
        self.white_space();
        if self.eat(b']') {
            self.nesting = self.nesting.saturating_sub(1);
            return Ok(false);
        }
        if array.begun {
            self.expect(b',')?;
            self.white_space();
        }
        array.begun = true;
        Ok(true)
    }

    /// Where the reader stands, in bytes from the start.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The text from a place that was passed up to here.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Ends the reading: nothing but white space may follow.
    ///
    /// # Errors
    /// Something follows.
    pub fn finish(mut self) -> Result<(), Malformed> {
        self.white_space();
        if self.peek().is_some() { Err(Malformed::TrailingBytes) } else { Ok(()) }
    }
}
