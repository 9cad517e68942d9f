//! Who does something through the API.

use policy::approval::PersonId;

use crate::names::HOST_ID;

/// Somebody or something that the API knows by a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The one organisation that it sees.
    pub(crate) org: String,
    /// Its id in that organisation: a key holder's or a person's.
    pub(crate) id: String,
    /// What kind it is.
    pub(crate) kind: ActorKind,
}

/// Kinds of actors. What each may do is decided by the extractors of `api::session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActorKind {
    /// A key that configures, and cannot run.
    Management,
    /// A key that runs, and cannot configure.
    Standard,
    /// One agent's key: may ask and poll, never decide.
    Agent,
    /// A person with a session.
    Person,
    /// A proxy, over its link.
    Proxy,
    /// Whoever runs this program's commands on its own host, with the store at hand.
    Host,
}

impl Actor {
    /// The host's own operator.
    pub(crate) fn host(org: &str) -> Self {
        Self { org: org.to_owned(), id: HOST_ID.to_owned(), kind: ActorKind::Host }
    }

    /// A proxy, by its configured name.
    pub(crate) fn proxy(org: &str, name: &str) -> Self {
        Self { org: org.to_owned(), id: name.to_owned(), kind: ActorKind::Proxy }
    }

    /// A person.
    pub(crate) fn person(org: &str, id: &PersonId) -> Self {
        Self { org: org.to_owned(), id: id.to_string(), kind: ActorKind::Person }
    }
}

impl ActorKind {
    /// The word used in records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Standard => "standard",
            Self::Agent => "agent",
            Self::Person => "person",
            Self::Proxy => "proxy",
            Self::Host => "host",
        }
    }
}
