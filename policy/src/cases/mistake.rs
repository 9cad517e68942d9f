//! What is wrong with a file of cases: with which case, what, and where.

use std::fmt;

use crate::{NotAQuery, Place};

/// One mistake in a file of cases: ``case `refund`: unknown field `tol` (line 12, column 5)``.
#[derive(Debug, PartialEq, Eq)]
pub struct CasesError {
    pub(super) whose: Whose,
    pub(super) mistake: CaseMistake,
    pub(super) place: Place,
}

/// The part of a file that a mistake is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The file itself.
    File,
    /// A case without a name of its own, by its place in the list, from one.
    Entry(usize),
    /// A case, by name.
    Case(Box<str>),
}

/// What is wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseMistake {
    /// More bytes than a file may have.
    #[error("the file has {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// More cases than a file may have.
    #[error("there are more than {0} cases")]
    TooMany(usize),
    /// A file without any case: nothing would be tested.
    #[error("there is no case")]
    NoCase,
    /// Neither YAML nor JSON.
    #[error("neither YAML nor JSON: {0}")]
    Syntax(Box<str>),
    /// A field that nobody reads.
    #[error("unknown field `{0}`")]
    UnknownField(Box<str>),
    /// A field that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field of another type.
    #[error("`{0}` must be {1}")]
    WrongType(Box<str>, &'static str),
    /// A name that stands for another case.
    #[error("listed before, on line {0}")]
    Duplicate(u32),
    /// A word that is no permission.
    #[error("unknown permission `{0}`; expected allowed, requires_approval or disabled")]
    UnknownPermission(Box<str>),
    /// A word that is no level.
    #[error("unknown level `{0}`; levels are such as tenant/tool, org/resource+tool or fail-safe")]
    UnknownLevel(Box<str>),
    /// A text that is no time.
    #[error("`now` must be a time since 1970, such as 2026-05-01T09:00:00Z")]
    NotATime,
    /// A call that is none.
    #[error("`call` is not a call: {0}")]
    NotACall(Box<str>),
}

impl From<NotAQuery> for CaseMistake {
    fn from(error: NotAQuery) -> Self {
        // Where in the call's text it is would not be where it is in the file.
        let text = error.to_string();
        Self::NotACall(text.split(" at line ").next().unwrap_or_default().into())
    }
}

impl CasesError {
    /// The part of the file that it is in.
    #[must_use]
    pub const fn whose(&self) -> &Whose {
        &self.whose
    }

    /// What is wrong.
    #[must_use]
    pub const fn mistake(&self) -> &CaseMistake {
        &self.mistake
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }
}

impl fmt::Display for CasesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.whose {
            Whose::File => {}
            Whose::Entry(position) => write!(f, "entry {position} of `cases`: ")?,
            Whose::Case(name) => write!(f, "case `{}`: ", name.escape_debug())?,
        }
        let Place { line, column } = self.place;
        // Keeps it on one line, whatever control characters are quoted.
        let mistake = self.mistake.to_string().replace(char::is_control, " ");
        write!(f, "{mistake} (line {line}, column {column})")
    }
}

impl std::error::Error for CasesError {}
