//! A change of a policy: what somebody wants, what must hold for it, and why it is not made.

use policy::LoadError;

use crate::store::{NewPiece, PieceKind, StoreError};

/// Mistakes of a refused document that are told.
const MISTAKES_MAX: usize = 100;

/// Longest text of a mistake.
const MISTAKE_BYTES_MAX: usize = 1000;

/// What is to become of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) change: PolicyChange,
    pub(crate) expected: Expected,
    /// Why, in the words of who wants it.
    pub(crate) reason: Option<String>,
}

/// A change of a policy.
#[derive(Clone, Debug)]
pub(crate) enum PolicyChange {
    /// All of it anew.
    Replace(Vec<NewPiece>),
    /// What an older revision said comes back.
    Restore(u64),
    /// The piece is new, or takes the place of the one of its kind and name. It stands before the one that is named,
    /// or where it stood, or last.
    Put { piece: NewPiece, before: Option<String> },
    /// There is no such piece any more.
    Delete { kind: PieceKind, name: String },
}

/// What must hold for a change to be made: of the piece that it changes, or of the whole policy if it is about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Anything,
    /// There is one.
    Exists,
    /// It came with this revision; 0: there is none.
    Revision(u64),
}

/// Why there is no such revision.
#[derive(Debug)]
pub(crate) enum NotProposed {
    /// There is no such piece or revision.
    Unknown,
    /// It is not as was expected.
    Changed,
    /// The policy would be one with these mistakes.
    Refused(Vec<String>),
    Store(StoreError),
}

impl Expected {
    /// Whether it is met by what came with this revision; 0: there is nothing.
    pub(super) const fn is_met(self, revision: u64) -> bool {
        match self {
            Self::Anything => true,
            Self::Exists => revision != 0,
            Self::Revision(expected) => expected == revision,
        }
    }
}

/// Mistakes as they are told.
pub(crate) fn mistakes(errors: &[LoadError], say: impl Fn(&LoadError) -> String) -> NotProposed {
    let mut mistakes: Vec<String> = errors.iter().take(MISTAKES_MAX).map(say).collect();
    for mistake in &mut mistakes {
        mistake.truncate(mistake.floor_char_boundary(MISTAKE_BYTES_MAX));
    }
    if errors.len() > MISTAKES_MAX {
        mistakes.push(format!("and {} more", errors.len().saturating_sub(MISTAKES_MAX)));
    }
    NotProposed::Refused(mistakes)
}

impl From<StoreError> for NotProposed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
