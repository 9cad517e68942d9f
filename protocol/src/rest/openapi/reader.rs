//! YAML or JSON, pulled: who reads asks for the next key, mapping or text, and passes over the rest.
//!
//! What is passed over is checked by the parser alone: an alias there, or a key twice, changes nothing that is read.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, StrInput, options};

use super::{OpenApiError, OpenApiFault, Place};
use crate::rest::path::PATH_BYTES_MAX;

/// Deepest nesting of lists and mappings.
const NESTING_MAX: usize = 128;
/// Longest key that needs no `?` before it, in characters.
const KEY_CHARS_MAX: usize = 64 * 1024;
/// Longest key that is read, in bytes; longer ones may stand only in what is passed over.
const KEY_BYTES_MAX: usize = PATH_BYTES_MAX;
/// By which some readers of YAML take in the members of another mapping.
const MERGE_KEY: &str = "<<";
/// Most mistakes that are listed.
const MISTAKES_MAX: usize = 100;

/// The text is read no further: it is broken, and the mistake is noted.
pub(super) struct Broken;

/// Reads values off the events of a parser, and knows where it is.
pub(super) struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    line: u32,
    /// The keys that lead to the value that comes next.
    keys: Vec<Cow<'t, str>>,
    mistakes: Vec<OpenApiError>,
}

/// A mapping that is being read: pass it to [`Reader::key`] until that gives `None`.
pub(super) struct Mapping<'t> {
    seen: HashSet<Cow<'t, str>>,
    depth: usize,
}

/// How a value begins.
enum Next<'t> {
    /// Text that can be read as nothing else, or was quoted.
    Text(Cow<'t, str>),
    /// A number, a boolean, or nothing.
    Scalar,
    Mapping,
    List,
    /// The end of the list or mapping.
    End,
    /// Something that has been noted as a mistake.
    Refused,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let options: Options = options! {
            emit_comments: false,
            disallow_directives: true,
            simple_key_max_lookahead: KEY_CHARS_MAX,
            flow_nesting_limit: NESTING_MAX,
            block_nesting_limit: NESTING_MAX,
        };
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            line: 1,
            keys: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// Enters the next value if it is a mapping; if not, passes it and notes the mistake.
    pub(super) fn mapping(&mut self) -> Result<Option<Mapping<'t>>, Broken> {
        match self.next()? {
            Next::Mapping => return Ok(Some(Mapping { seen: HashSet::new(), depth: self.keys.len() })),
            Next::List => self.pass_open(1)?,
            Next::Text(_) | Next::Scalar | Next::End => {}
            Next::Refused => return Ok(None),
        }
        self.note(OpenApiFault::NotAMapping);
        Ok(None)
    }

    /// The mapping's next key, or `None` at its end. After a key, read or [`Self::skip`] its value. A key that stands
    /// there twice, or is none that can be read, is noted and passed with its value.
    pub(super) fn key(&mut self, mapping: &mut Mapping<'t>) -> Result<Option<Cow<'t, str>>, Broken> {
        loop {
            self.keys.truncate(mapping.depth);
            let fault = match self.next()? {
                Next::End => return Ok(None),
                Next::Text(key) if key.len() > KEY_BYTES_MAX => OpenApiFault::KeyTooLong,
                Next::Text(key) if key == MERGE_KEY => OpenApiFault::MergeKey,
                Next::Text(key) if mapping.seen.insert(key.clone()) => {
                    self.keys.push(key.clone());
                    return Ok(Some(key));
                }
                Next::Text(key) => OpenApiFault::DuplicateKey(key.as_ref().into()),
                Next::Scalar => OpenApiFault::KeyNotText,
                Next::Mapping | Next::List => {
                    self.pass_open(1)?;
                    OpenApiFault::KeyNotText
                }
                Next::Refused => {
                    self.skip()?;
                    continue;
                }
            };
            self.note(fault);
            self.skip()?;
        }
    }

    /// Reads the next value if it is text; if not, passes it and notes the mistake.
    pub(super) fn text(&mut self) -> Result<Option<Cow<'t, str>>, Broken> {
        match self.next()? {
            Next::Text(text) => return Ok(Some(text)),
            Next::Mapping | Next::List => self.pass_open(1)?,
            Next::Scalar | Next::End => {}
            Next::Refused => return Ok(None),
        }
        self.note(OpenApiFault::NotText);
        Ok(None)
    }

    /// Passes the next value, whatever is in it.
    pub(super) fn skip(&mut self) -> Result<(), Broken> {
        self.pass_open(0)
    }

    /// Makes sure that nothing follows the value that was read.
    pub(super) fn finish(&mut self) -> Result<(), Broken> {
        self.keys.clear();
        loop {
            match self.event()? {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(..) => self.note(OpenApiFault::SecondDocument),
                _ => {}
            }
        }
    }

    /// Where the value that was read last, or the key before it, stands.
    pub(super) fn place(&self) -> Place {
        Place { pointer: self.keys.iter().map(|key| format!("/{}", escaped(key))).collect(), line: self.line }
    }

    /// The line that was read last.
    pub(super) const fn line(&self) -> u32 {
        self.line
    }

    /// Notes a mistake here.
    pub(super) fn note(&mut self, fault: OpenApiFault) {
        // A place is a copy of its keys: beyond the last mistake that is listed, none is made.
        if self.mistakes.len() <= MISTAKES_MAX {
            self.note_at(self.place(), fault);
        }
    }

    /// Notes a mistake, unless there are too many already.
    pub(super) fn note_at(&mut self, place: Place, fault: OpenApiFault) {
        match self.mistakes.len() {
            ..MISTAKES_MAX => self.mistakes.push(OpenApiError { place, fault }),
            MISTAKES_MAX => self.mistakes.push(OpenApiError { place, fault: OpenApiFault::TooManyMistakes }),
            _ => {}
        }
    }

    /// All mistakes.
    pub(super) fn into_mistakes(self) -> Vec<OpenApiError> {
        self.mistakes
    }

    /// Passes events until so many lists and mappings, and what begins in them, have ended; with none open, one value.
    fn pass_open(&mut self, mut open: usize) -> Result<(), Broken> {
        loop {
            match self.event()? {
                Event::MappingStart(..) | Event::SequenceStart(..) => open = open.saturating_add(1),
                Event::MappingEnd | Event::SequenceEnd => open = open.saturating_sub(1),
                Event::Scalar(..) | Event::Alias(_) | Event::UnresolvedAlias(_) | Event::StreamEnd => {}
                _ => continue,
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Next<'t>, Broken> {
        loop {
            let (next, tag) = match self.event()? {
                Event::Scalar(text, style, _, tag) => {
                    let is_text = style != ScalarStyle::Plain || is_text(&text);
                    (if is_text { Next::Text(text) } else { Next::Scalar }, tag)
                }
                Event::MappingStart(_, _, tag) => (Next::Mapping, tag),
                Event::SequenceStart(_, _, tag) => (Next::List, tag),
                Event::MappingEnd | Event::SequenceEnd | Event::StreamEnd => return Ok(Next::End),
                Event::Alias(_) | Event::UnresolvedAlias(_) => {
                    self.note(OpenApiFault::Alias);
                    return Ok(Next::Refused);
                }
                _ => continue,
            };
            if tag.is_none() {
                return Ok(next);
            }
            self.note(OpenApiFault::Tag);
            if matches!(next, Next::Mapping | Next::List) {
                self.pass_open(1)?;
            }
            return Ok(Next::Refused);
        }
    }

    fn event(&mut self) -> Result<Event<'t>, Broken> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = narrow(span.start.line());
                Ok(event)
            }
            Some(Err(error)) => {
                let place = Place { pointer: String::new(), line: narrow(error.marker().line()) };
                self.note_at(place, OpenApiFault::Syntax(error.kind().clone()));
                Err(Broken)
            }
            None => Ok(Event::StreamEnd),
        }
    }
}

/// One part of a JSON Pointer.
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn narrow(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// Whether YAML 1.2's core schema reads a plain scalar as text.
fn is_text(plain: &str) -> bool {
    let words = ["", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE"];
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let is_special = [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&unsigned);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (unsigned.parse::<f64>().is_ok() || unsigned.starts_with("0x") || unsigned.starts_with("0o"));
    !words.contains(&plain) && !is_special && !is_number
}
