//! What is wrong with an OpenAPI file, and where.

use std::fmt::{self, Write as _};

use serde_saphyr::granit_parser::ErrorKind;
use thiserror::Error;

use super::{FILE_BYTES_MAX, TOOL_BYTES_MAX};
use crate::rest::path::PATH_BYTES_MAX;
use crate::rest::routes::{ROUTES_MAX, RouteError};

/// One mistake, as it is shown to whoever wrote the file:
/// `/paths/~1v1~1orders/get/operationId (line 12): must be text; quote it`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApiError {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: OpenApiFault,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A JSON Pointer (RFC 6901); empty for the file itself.
    pub pointer: String,
    /// The line, from one.
    pub line: u32,
}

impl Place {
    /// The file itself.
    pub(super) const fn whole() -> Self {
        Self { pointer: String::new(), line: 1 }
    }
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenApiFault {
    /// A YAML alias in a part that is read.
    #[error("an alias is not followed here; write out what it stands for")]
    Alias,
    /// A path item that is elsewhere, and here too.
    #[error("a path item with `$ref` can't have operations of its own")]
    BesideReference,
    /// The same key twice.
    #[error("duplicate key `{0}`")]
    DuplicateKey(Box<str>),
    /// A path item in another file.
    #[error("`{0}` is in another file, and only this one is read")]
    ForeignReference(Box<str>),
    /// A key that is not text.
    #[error("a key must be text; quote it")]
    KeyNotText,
    /// A path, or another key that is read, longer than [`PATH_BYTES_MAX`].
    #[error("a key has at most {PATH_BYTES_MAX} bytes")]
    KeyTooLong,
    /// YAML's `<<` in a part that is read.
    #[error("`<<` is not followed here; write out what it stands for")]
    MergeKey,
    /// No `openapi`.
    #[error("`openapi`, the version, is missing")]
    MissingVersion,
    /// No operation at all.
    #[error("there is no operation under `paths`")]
    NoOperations,
    /// Something else in the place of a mapping.
    #[error("must be a mapping")]
    NotAMapping,
    /// A key of `paths` that is no path.
    #[error("a path starts with a slash")]
    NotAPath,
    /// Something else in the place of text.
    #[error("must be text; quote it")]
    NotText,
    /// `$ref` in an operation.
    #[error("an operation can't be a `$ref`; only a path item can")]
    OperationReference,
    /// `?` or `#` in a path.
    #[error("a path has no query and no fragment; parameters belong under `parameters`")]
    PathWithQuery,
    /// A reference to a reference.
    #[error("`$ref` leads to another `$ref`; only one is followed")]
    ReferenceTwice,
    /// The operation is no route.
    #[error(transparent)]
    Route(RouteError),
    /// Two operations of one id.
    #[error("`{id}` is the operationId of `{first}` too")]
    SameOperationId {
        /// The id.
        id: Box<str>,
        /// Where the first one is.
        first: Box<str>,
    },
    /// A second YAML document in the same text.
    #[error("a second document begins here; an API is one document")]
    SecondDocument,
    /// Neither YAML nor JSON.
    #[error("neither YAML nor JSON: {0}")]
    Syntax(ErrorKind),
    /// A YAML tag in a part that is read.
    #[error("a YAML tag has no meaning here")]
    Tag,
    /// A file larger than [`FILE_BYTES_MAX`].
    #[error("larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// More mistakes than are listed.
    #[error("too many mistakes; the rest are not listed")]
    TooManyMistakes,
    /// More operations than a backend may have routes.
    #[error("there are more than {ROUTES_MAX} operations")]
    TooManyOperations,
    /// An `operationId` or `x-oakgate-tool` that is no name.
    #[error("a tool's name has 1 to {TOOL_BYTES_MAX} bytes, and no control characters")]
    ToolName,
    /// A key that is meant for us, but is not known where it stands.
    #[error("unknown key `{0}`; an operation may have `x-oakgate-tool` and `x-oakgate-resource`")]
    UnknownExtension(Box<str>),
    /// A key of a path item that could be a method.
    #[error("unknown key `{0}`; methods are written in small letters, or under `additionalOperations`")]
    UnknownKey(Box<str>),
    /// A reference to something that is not there, or is no path item.
    #[error("there is no path item `{0}`; a path item may refer to `#/components/pathItems/NAME`")]
    UnknownReference(Box<str>),
    /// A version that is not known.
    #[error("unknown version `{0}`; expected 3.0, 3.1 or 3.2")]
    UnknownVersion(Box<str>),
    /// `swagger`, as version 2.0 has it.
    #[error("`swagger` is OpenAPI 2.0; convert the file to 3.0, 3.1 or 3.2")]
    VersionTwo,
}

impl fmt::Display for OpenApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.place.pointer.is_empty() { "/" } else { &self.place.pointer };
        let text = format!("{pointer} (line {}): {}", self.place.line, self.fault);
        // One line, and readable, whatever the file has put into a name.
        text.chars().try_for_each(|c| {
            if is_hidden(c) { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })
    }
}

impl std::error::Error for OpenApiError {}

/// Control characters, those without a width, and those that turn the direction of others.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
