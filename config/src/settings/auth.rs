//! How callers of a listener prove who they are.

use super::Mtls;
use crate::Mistake;
use crate::source::{AuthListSource, AuthSource};

/// The ways that a listener takes; any one of them is enough. None of them: nobody needs to prove anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// API keys and agent tokens.
    pub api_key: bool,
    /// Client certificates.
    pub mtls: Option<Mtls>,
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

pub(super) fn auth(source: &AuthListSource, path: &str, mistakes: &mut Vec<Mistake>) -> Auth {
    let ways = source.ways();
    if ways.is_empty() {
        mistakes.push(Mistake::at(path, "names no way: say `none` if that is meant"));
    }
    if ways.len() > 1 && ways.contains(&AuthSource::None) {
        mistakes.push(Mistake::at(path, "`none` beside another way would make that one useless"));
    }
    Auth { api_key: ways.contains(&AuthSource::ApiKey), mtls: None }
}
