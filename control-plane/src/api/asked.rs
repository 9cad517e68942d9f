//! A question of a standard or agent key: who asks, and of which policy, in one statement.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::de::DeserializeOwned;

use super::body::{check_content_type, read_json};
use super::serve::Peer;
use super::session::{Runner, key};
use super::{Api, Problem};
use crate::clock;
use crate::store::Holder;

/// Largest body of a question: what a tool is to be called with.
pub(super) const QUESTION_BYTES_MAX: usize = 256 * 1024;

/// A question with the JSON body `T`.
pub(super) struct Asked<T> {
    pub(super) holder: Holder,
    /// The newest revision of the policy of the key's organisation; 0: it has none.
    pub(super) revision: u64,
    /// The address that the request came from.
    pub(super) origin: String,
    pub(super) body: T,
}

impl<T: DeserializeOwned> FromRequest<Api> for Asked<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Some(key) = key(&parts.headers).filter(|key| key.tier().runs()) else {
            return match Runner::from_request_parts(&mut parts, api).await {
                Ok(_) => Err(Problem::CannotRun),
                Err(problem) => Err(problem),
            };
        };
        // A body may take its time: the key must be good, and the policy in force, once it is here.
        let bytes = to_bytes(body, QUESTION_BYTES_MAX).await.map_err(|_| Problem::BodyTooLarge)?;
        let known = api.store.holder_and_revision(&key.sha256(), clock::now()).await?;
        let Some((holder, revision)) = known.filter(|(holder, _)| holder.tier == key.tier()) else {
            api.metrics.unauthenticated();
            return Err(Problem::Unauthenticated);
        };
        check_content_type(&parts.headers)?;
        let origin = parts.extensions.get::<Peer>().map_or_else(String::new, |peer| peer.remote.to_string());
        Ok(Self { holder, revision, origin, body: read_json(&bytes)? })
    }
}
