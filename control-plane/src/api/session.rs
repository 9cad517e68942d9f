//! Who is asking: always a person, by their session.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::{Api, Problem};
use crate::clock;
use crate::people::{Person, Session};

/// How keys begin that belong to programs.
const KEY_PREFIXES: [&str; 2] = ["oak_live_", "oak_agent_"];

/// The person whose session came with the request.
pub(super) struct SignedIn(pub(super) Person);

impl FromRequestParts<Api> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(Problem::Unauthenticated)?;
        if KEY_PREFIXES.iter().any(|prefix| token.starts_with(prefix)) {
            return Err(Problem::KeyCannotDecide);
        }
        let session = Session::parse(token).ok_or(Problem::Unauthenticated)?;
        let owner = api.people.session_owner(&session, clock::now()).await?;
        owner.map(SignedIn).ok_or(Problem::Unauthenticated)
    }
}

/// The token of the one `Authorization: Bearer` field (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}
