//! What is wrong with a policy document: which part of it, what, and where.

use std::fmt::{self, Write as _};

use serde_saphyr::granit_parser::ErrorKind;

use crate::NotASchema;
use crate::condition::NotACondition;

/// Most mistakes that are listed of one document.
pub(crate) const MISTAKES_MAX: usize = 1000;

/// One mistake in a policy document, as it is shown to whoever wrote it:
/// ``rule `r7`: unknown permission `allow` (line 12, column 5)``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    pub(crate) part: Part,
    pub(crate) mistake: Mistake,
    pub(crate) place: Place,
}

/// A place in a document; both count from one, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// The part of a document that a mistake is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The document itself.
    Document,
    /// A category, by name.
    Category(Box<str>),
    /// A tool, by name.
    Tool(Box<str>),
    /// A rule, by id.
    Rule(Box<str>),
    /// An entry without a name or id of its own: the list it is in, and its place there, from one.
    Entry(&'static str, usize),
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// More bytes than a document may have.
    #[error("the document has {bytes} bytes; at most {max} are allowed")]
    DocumentTooLarge {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// More entries in a list than it may have.
    #[error("`{list}` has more than {max} entries")]
    TooManyEntries {
        /// The list.
        list: &'static str,
        /// How many it may have.
        max: usize,
    },
    /// More mistakes than are worth listing.
    #[error("too many mistakes; the rest are not listed")]
    TooManyMistakes,
    /// Neither YAML nor JSON.
    #[error("neither YAML nor JSON: {0}")]
    Syntax(ErrorKind),
    /// A second YAML document in the same text.
    #[error("a second document begins here; a policy is one document")]
    SecondDocument,
    /// A YAML alias: what it stands for cannot be read on the spot.
    #[error("aliases are not allowed in a policy")]
    Alias,
    /// A YAML tag.
    #[error("tags are not allowed in a policy")]
    YamlTag,
    /// A key that is not text.
    #[error("a key must be text; quote it")]
    KeyNotText,
    /// The same key twice.
    #[error("duplicate key `{0}`")]
    DuplicateKey(Box<str>),
    /// A field that this version does not know: it might restrict something.
    #[error("unknown field `{0}`")]
    UnknownField(Box<str>),
    /// A field that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field of another type.
    #[error("`{field}` must be {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: Expected,
    },
    /// An entry of a list, or the document itself, that has no fields.
    #[error("must be a mapping")]
    NotAMapping,
    /// A field that holds nothing.
    #[error("`{0}` must not be empty")]
    Empty(&'static str),
    /// A text longer than it may be.
    #[error("`{field}` has {bytes} bytes; at most {max} are allowed")]
    TooLong {
        /// The field.
        field: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// A format that this version does not know.
    #[error("unknown format `{0}`; expected 1")]
    UnknownFormat(Box<str>),
    /// A word that is no permission.
    #[error("unknown permission `{0}`; expected allowed, requires_approval or disabled")]
    UnknownPermission(Box<str>),
    /// A word that is none of those that a field knows.
    #[error("unknown `{field}` `{word}`; expected {}", expected.join(" or "))]
    UnknownWord {
        /// The field.
        field: &'static str,
        /// What was written.
        word: Box<str>,
        /// What is known.
        expected: Vec<&'static str>,
    },
    /// A category that the document does not list.
    #[error("unknown category `{0}`")]
    UnknownCategory(Box<str>),
    /// A star that is not the last character of a pattern, or not the only one.
    #[error("`{field}`: `*` may only be the last character of `{pattern}`")]
    StarInside {
        /// The field.
        field: &'static str,
        /// What was written.
        pattern: Box<str>,
    },
    /// A tag rule that names more than a tenant.
    #[error("a rule with `tag` may name `tenant` and nothing else, not `{0}`")]
    TagWith(&'static str),
    /// The same name or id, listed before.
    #[error("listed before, on line {line}")]
    Duplicate {
        /// Where it is listed first.
        line: u32,
    },
    /// A rule that can never apply: another of the same coordinates comes first and always holds.
    #[error("never applies: rule `{earlier}` has the same coordinates, no `when`, and comes first")]
    Shadowed {
        /// The rule that comes first.
        earlier: Box<str>,
    },
    /// A condition that does not compile.
    #[error("`when` does not compile: {0}")]
    Condition(#[from] NotACondition),
    /// A schema of arguments that can't be used.
    #[error("`input_schema` can't be used: {0}")]
    InputSchema(#[from] NotASchema),
}

/// What a field must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Text, and quoted if it could be read as something else.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number of seconds, within these bounds.
    Seconds(u32, u32),
    /// A list.
    List,
    /// A mapping.
    Mapping,
    /// A JSON object.
    Json,
    /// A SHA-256 digest.
    Sha256,
    /// The number of the format.
    Format,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text; quote it"),
            Self::Flag => f.write_str("true or false"),
            Self::Seconds(min, max) => write!(f, "a whole number of seconds from {min} to {max}"),
            Self::List => f.write_str("a list"),
            Self::Mapping => f.write_str("a mapping"),
            Self::Json => f.write_str("a JSON object"),
            Self::Format => f.write_str("1"),
            Self::Sha256 => f.write_str("64 lower-case hexadecimal digits"),
        }
    }
}

impl LoadError {
    /// The part of the document that it is in.
    #[must_use]
    pub const fn part(&self) -> &Part {
        &self.part
    }

    /// The id of the rule, or the name of the tool or category; `None` for the document and unnamed entries.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.part {
            Part::Category(id) | Part::Tool(id) | Part::Rule(id) => Some(id),
            Part::Document | Part::Entry(..) => None,
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn mistake(&self) -> &Mistake {
        &self.mistake
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The mistake in words without its place, for whoever does not see the lines of the document.
    pub fn without_place(&self) -> impl fmt::Display {
        WithoutPlace(self)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", WithoutPlace(self), self.place.line, self.place.column)
    }
}

/// A mistake in words, where nobody sees the lines of the document.
struct WithoutPlace<'e>(&'e LoadError);

impl fmt::Display for WithoutPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        match &self.0.part {
            Part::Document => {}
            Part::Category(name) => write!(line, "category `{name}`: ")?,
            Part::Tool(name) => write!(line, "tool `{name}`: ")?,
            Part::Rule(id) => write!(line, "rule `{id}`: ")?,
            Part::Entry(list, position) => write!(line, "entry {position} of `{list}`: ")?,
        }
        write!(line, "{}", self.0.mistake)
    }
}

/// Keeps an error on one line, and readable, whatever characters that do not show the document put into a name.
struct OneLine<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if is_hidden(c) { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
        })
    }
}

/// Control characters, those without a width, and those that turn the direction of others.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl std::error::Error for LoadError {}
