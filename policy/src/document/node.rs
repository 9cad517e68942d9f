//! YAML and JSON as a tree that knows where everything was written.
//!
//! Scalars are kept as written, so that a mistake in one field hides no other and nothing is coerced.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Number, Value};
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, options};

use crate::load_error::{MISTAKES_MAX, Mistake, Place};

/// Deepest nesting of lists and mappings.
const DEPTH_MAX: usize = 64;
/// Longest key that needs no `?` before it, in characters.
const KEY_CHARS_MAX: usize = 64 * 1024;
/// Mappings up to this size are searched for duplicate keys entry by entry.
const SMALL_MAPPING_ENTRIES: usize = 16;

/// One value, and where it begins.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) place: Place,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind<'t> {
    /// Text that can be read as nothing else, or was quoted.
    Text(Cow<'t, str>),
    /// A plain scalar that YAML's core schema reads as a number.
    Number(Cow<'t, str>),
    Bool(bool),
    Null,
    /// Something that has been named as a mistake already.
    Refused,
    List(Vec<Node<'t>>),
    Mapping(Vec<Entry<'t>>),
}

/// One key of a mapping, and its value.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) place: Place,
    pub(super) value: Node<'t>,
}

/// A mistake, and where it is.
pub(super) type Found = (Mistake, Place);

/// Reads nodes off the events of a parser, one at a time.
pub(super) struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    last: Place,
    /// Mistakes that do not keep the rest from being read.
    pub(super) mistakes: Vec<Found>,
}

/// What comes next.
pub(super) enum Next<'t> {
    List,
    Mapping,
    /// The end of the list or mapping.
    End,
    Scalar(Kind<'t>),
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let options: Options = options! {
            emit_comments: false,
            disallow_directives: true,
            simple_key_max_lookahead: KEY_CHARS_MAX,
            flow_nesting_limit: DEPTH_MAX,
            block_nesting_limit: DEPTH_MAX,
        };
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            last: Place { line: 1, column: 1 },
            mistakes: Vec::new(),
        }
    }

    /// What comes next, and where.
    pub(super) fn next(&mut self) -> Result<(Next<'t>, Place), Found> {
        loop {
            let (event, place) = self.event()?;
            let (next, tag) = match event {
                Event::Scalar(text, style, _, tag) => {
                    (Next::Scalar(scalar(text, style == ScalarStyle::Plain && tag.is_none())), tag)
                }
                Event::SequenceStart(_, _, tag) => (Next::List, tag),
                Event::MappingStart(_, _, tag) => (Next::Mapping, tag),
                Event::SequenceEnd | Event::MappingEnd => (Next::End, None),
                Event::Alias(_) | Event::UnresolvedAlias(_) => {
                    self.note((Mistake::Alias, place));
                    (Next::Scalar(Kind::Refused), None)
                }
                // Only an empty text ends before its first value.
                Event::StreamEnd => return Err((Mistake::NotAMapping, place)),
                _ => continue,
            };
            if tag.is_some() {
                self.note((Mistake::YamlTag, place));
            }
            return Ok((next, place));
        }
    }

    /// Notes a mistake, unless there are too many already.
    pub(super) fn note(&mut self, mistake: Found) {
        if self.mistakes.len() < MISTAKES_MAX {
            self.mistakes.push(mistake);
        }
    }

    /// Makes sure that nothing follows the document.
    pub(super) fn finish(&mut self) -> Result<(), Found> {
        loop {
            match self.event()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(..), place) => return Err((Mistake::SecondDocument, place)),
                _ => {}
            }
        }
    }

    /// The node that begins with `next`. The parser's own limit bounds the depth.
    pub(super) fn node(&mut self, next: Next<'t>, place: Place) -> Result<Node<'t>, Found> {
        let kind = match next {
            Next::Scalar(kind) => kind,
            Next::End => Kind::Null,
            Next::List => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Next::End, _) => break Kind::List(items),
                        (next, place) => items.push(self.node(next, place)?),
                    }
                }
            }
            Next::Mapping => {
                let mut entries = Vec::new();
                while let Some((key, place)) = self.key()? {
                    let (next, value_place) = self.next()?;
                    let value = self.node(next, value_place)?;
                    entries.push(Entry { key, place, value });
                }
                self.refuse_duplicates(&entries);
                Kind::Mapping(entries)
            }
        };
        Ok(Node { kind, place })
    }

    /// The next key of the mapping being read, or `None` at its end. Keys that are no text are passed over.
    pub(super) fn key(&mut self) -> Result<Option<(Cow<'t, str>, Place)>, Found> {
        loop {
            let (next, place) = self.next()?;
            if matches!(next, Next::End) {
                return Ok(None);
            }
            if let Kind::Text(key) = self.node(next, place)?.kind {
                return Ok(Some((key, place)));
            }
            self.note((Mistake::KeyNotText, place));
            let (value, value_place) = self.next()?;
            self.node(value, value_place)?;
        }
    }

    fn refuse_duplicates(&mut self, entries: &[Entry<'t>]) {
        let mut seen = HashSet::new();
        for (position, entry) in entries.iter().enumerate() {
            let duplicate = if entries.len() <= SMALL_MAPPING_ENTRIES {
                entries.iter().take(position).any(|earlier| earlier.key == entry.key)
            } else {
                !seen.insert(&entry.key)
            };
            if duplicate {
                self.note((Mistake::DuplicateKey(entry.key.as_ref().into()), entry.place));
            }
        }
    }

    fn event(&mut self) -> Result<(Event<'t>, Place), Found> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.last = place(&span);
                Ok((event, self.last))
            }
            Some(Err(error)) => {
                let marker = error.marker();
                Err((Mistake::Syntax(error.kind().clone()), position(marker.line(), marker.col())))
            }
            None => Ok((Event::StreamEnd, self.last)),
        }
    }
}

fn place(span: &Span) -> Place {
    position(span.start.line(), span.start.col())
}

fn position(line: usize, column_from_zero: usize) -> Place {
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Place { line: narrow(line), column: narrow(column_from_zero.saturating_add(1)) }
}

/// Reads a scalar by YAML 1.2's core schema.
fn scalar(text: Cow<'_, str>, plain: bool) -> Kind<'_> {
    if !plain {
        return Kind::Text(text);
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        number if is_number(number) => Kind::Number(text),
        _ => Kind::Text(text),
    }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN" => return true,
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && unsigned.parse::<f64>().is_ok()
}

impl Node<'_> {
    /// The value as JSON; `None` if it holds a number that JSON cannot carry.
    pub(super) fn into_json(self) -> Option<Value> {
        Some(match self.kind {
            Kind::Null | Kind::Refused => Value::Null,
            Kind::Bool(flag) => Value::Bool(flag),
            Kind::Text(text) => Value::String(text.into_owned()),
            Kind::Number(text) => Value::Number(number(&text)?),
            Kind::List(items) => Value::Array(items.into_iter().map(Self::into_json).collect::<Option<_>>()?),
            Kind::Mapping(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|entry| Some((entry.key.into_owned(), entry.value.into_json()?)))
                    .collect::<Option<Map<_, _>>>()?,
            ),
        })
    }
}

fn number(text: &str) -> Option<Number> {
    if let Ok(signed) = text.parse::<i64>() {
        return Some(signed.into());
    }
    if let Ok(unsigned) = text.parse::<u64>() {
        return Some(unsigned.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}
