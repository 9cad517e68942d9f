//! Who is asking, and whether they may ask it at all: a program by its key, a person by their session.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::{Api, Problem};
use crate::actor::{Actor, ActorKind};
use crate::clock;
use crate::key::Key;
use crate::people::{Person, Session};
use crate::store::{Holder, Tier};

/// A person with a session: the only one who may decide.
pub(super) struct SignedIn(pub(super) Person);

/// A management key: it configures.
pub(super) struct Manager(pub(super) Actor);

/// A management key or a person: they may look at everything of their organisation but secrets.
pub(super) struct Reader(pub(super) Actor);

/// A standard key or an agent's: it runs.
pub(super) struct Runner(pub(super) Holder);

/// Anybody with a credential.
enum Known {
    Program(Holder),
    Person(Person),
}

impl FromRequestParts<Api> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match known(&parts.headers, api).await? {
            Known::Person(person) => Ok(Self(person)),
            Known::Program(_) => Err(Problem::KeyCannotDecide),
        }
    }
}

impl FromRequestParts<Api> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match known(&parts.headers, api).await? {
            Known::Program(holder) if holder.tier == Tier::Management => Ok(Self(actor(&holder))),
            Known::Program(_) | Known::Person(_) => Err(Problem::CannotConfigure),
        }
    }
}

impl FromRequestParts<Api> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match known(&parts.headers, api).await? {
            Known::Program(holder) if holder.tier == Tier::Management => Ok(Self(actor(&holder))),
            Known::Program(_) => Err(Problem::CannotConfigure),
            Known::Person(person) => Ok(Self(Actor::person(&person.org, &person.approver.id))),
        }
    }
}

impl FromRequestParts<Api> for Runner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match known(&parts.headers, api).await? {
            Known::Program(holder) if holder.tier.runs() => Ok(Self(holder)),
            Known::Program(_) | Known::Person(_) => Err(Problem::CannotRun),
        }
    }
}

/// The person whose session it is, asked again: it may have ended while a body came.
pub(super) async fn still_signed_in(headers: &HeaderMap, api: &Api) -> Result<Person, Problem> {
    match known(headers, api).await? {
        Known::Person(person) => Ok(person),
        Known::Program(_) => Err(Problem::KeyCannotDecide),
    }
}

/// The program that a holder is, as records have it.
pub(super) fn actor(holder: &Holder) -> Actor {
    let kind = match holder.tier {
        Tier::Management => ActorKind::Management,
        Tier::Standard => ActorKind::Standard,
        Tier::Agent => ActorKind::Agent,
        Tier::Proxy => ActorKind::Proxy,
    };
    Actor { org: holder.org.clone(), id: holder.id.clone(), kind }
}

/// The SHA-256 of the key in a request, if there is one.
pub(super) fn key_sha256(headers: &HeaderMap) -> Option<String> {
    key(headers).map(|key| key.sha256())
}

/// The key in a request, if there is one; nothing says yet that it is good.
pub(super) fn key(headers: &HeaderMap) -> Option<Key> {
    bearer(headers).and_then(Key::parse)
}

async fn known(headers: &HeaderMap, api: &Api) -> Result<Known, Problem> {
    let known = look_up(headers, api).await;
    if matches!(known, Err(Problem::Unauthenticated)) {
        api.metrics.unauthenticated();
    }
    known
}

async fn look_up(headers: &HeaderMap, api: &Api) -> Result<Known, Problem> {
    let token = bearer(headers).ok_or(Problem::Unauthenticated)?;
    let now = clock::now();
    if let Some(session) = Session::parse(token) {
        let owner = api.people.session_owner(&session, now).await?;
        return owner.map(Known::Person).ok_or(Problem::Unauthenticated);
    }
    let key = Key::parse(token).ok_or(Problem::Unauthenticated)?;
    let holder = api.store.holder_of_key(&key.sha256(), now).await?;
    match holder.filter(|holder| holder.tier == key.tier()) {
        None => Err(Problem::Unauthenticated),
        Some(holder) if holder.tier == Tier::Proxy => Err(Problem::ProxyCannotAsk),
        Some(holder) => Ok(Known::Program(holder)),
    }
}

/// The token of the one `Authorization: Bearer` field (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}
