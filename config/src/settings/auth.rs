//! How callers of a listener prove who they are.

use super::{Jwt, Mtls};
use crate::Mistake;
use crate::source::AuthSource;

/// The ways that a listener takes; any one of them is enough. None of them: nobody needs to prove anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// API keys and agent tokens.
    pub api_key: bool,
    /// Client certificates.
    pub mtls: Option<Mtls>,
    /// Tokens of an OAuth authorization server.
    pub jwt: Option<Jwt>,
}

impl Auth {
    /// Whether the listener asks for nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a client must show a certificate where it is asked for one: it is the only way to prove who it is, or no
    /// way at all and thus a condition of its own.
    #[must_use]
    pub fn needs_certificate(&self) -> bool {
        self.mtls.is_none() || *self == Self { mtls: self.mtls.clone(), ..Self::default() }
    }
}

/// `jwt` is what the listener's key of that name says, if it is there and right.
pub(super) fn auth(
    ways: &[AuthSource],
    (path, has_jwt): (&str, bool),
    jwt: Option<Jwt>,
    mistakes: &mut Vec<Mistake>,
) -> Auth {
    if ways.is_empty() {
        mistakes.push(Mistake::at(path, "names no way: say `none` if that is meant"));
    }
    if ways.len() > 1 && ways.contains(&AuthSource::None) {
        mistakes.push(Mistake::at(path, "`none` beside another way would make that one useless"));
    }
    match (ways.contains(&AuthSource::Jwt), has_jwt) {
        (true, false) => mistakes.push(Mistake::at(path, "`jwt` needs the key `jwt` of the listener")),
        (false, true) => mistakes.push(Mistake::at(path, "the listener has `jwt`, so this must name it too")),
        _ => {}
    }
    Auth { api_key: ways.contains(&AuthSource::ApiKey), mtls: None, jwt }
}
