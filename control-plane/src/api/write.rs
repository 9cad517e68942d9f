//! What every write has in common: who writes, whether it was done before, and how it is answered.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::body::{BODY_BYTES_MAX, check_content_type, read_json, read_whole};
use super::serve::Peer;
use super::session::{Manager, Runner, actor, key_sha256};
use super::{Api, Problem};
use crate::actor::Actor;
use crate::clock;
use crate::store::{Begun, Edit, Holder, Kept, Record, Repeat};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is the one of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest `Idempotency-Key`.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A management key's write with the JSON body `T`; `T` is [`NoBody`] where there is none.
pub(super) struct Change<T> {
    pub(super) write: Write,
    pub(super) body: T,
}

/// A standard or agent key's write.
pub(super) struct Run<T> {
    pub(super) write: Write,
    pub(super) holder: Holder,
    pub(super) body: T,
}

/// No body at all.
#[derive(Debug)]
pub(super) struct NoBody;

/// A request that writes.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) actor: Actor,
    pub(super) origin: String,
    /// `If-Match`, if it was sent: exactly one entity tag.
    pub(super) if_match: Option<String>,
    repeat: Option<Repeat>,
    /// The SHA-256 of the key that it came with.
    key_sha256: String,
}

/// The answer to a write that was done.
pub(super) struct Done {
    kept: Kept,
    /// The body of the first answer, where it says more than what is kept.
    shown_once: Option<Zeroizing<String>>,
}

/// What can be read from a request's body.
pub(super) trait ReadBody: Sized {
    /// Largest body.
    const BYTES_MAX: usize;

    fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Problem>;
}

impl<T: DeserializeOwned> ReadBody for T {
    const BYTES_MAX: usize = BODY_BYTES_MAX;

    fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Problem> {
        check_content_type(headers)?;
        read_json(bytes)
    }
}

impl ReadBody for NoBody {
    const BYTES_MAX: usize = 0;

    fn read(_: &HeaderMap, _: &[u8]) -> Result<Self, Problem> {
        Ok(Self)
    }
}

impl<T: ReadBody> FromRequest<Api> for Change<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Manager(actor) = Manager::from_request_parts(&mut parts, api).await?;
        let (write, body) = read(Request::from_parts(parts, body), actor).await?;
        Ok(Self { write, body })
    }
}

impl<T: ReadBody> FromRequest<Api> for Run<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Runner(holder) = Runner::from_request_parts(&mut parts, api).await?;
        let (write, body) = read(Request::from_parts(parts, body), actor(&holder)).await?;
        Ok(Self { write, holder, body })
    }
}

async fn read<T: ReadBody>(request: Request<Body>, actor: Actor) -> Result<(Write, T), Problem> {
    let (parts, body) = request.into_parts();
    let bytes = read_whole(body, T::BYTES_MAX).await?;
    let peer = parts.extensions.get::<Peer>().copied();
    let sha256 = || {
        let mut hash = Sha256::new();
        hash.update(parts.method.as_str());
        hash.update([0]);
        hash.update(parts.uri.to_string());
        hash.update([0]);
        hash.update(&bytes);
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let key = only(&parts.headers, &IDEMPOTENCY_KEY).map_err(|()| Problem::IdempotencyKey)?;
    let is_key = |key: &str| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if key.is_some_and(|key| !is_key(key)) {
        return Err(Problem::IdempotencyKey);
    }
    let write = Write {
        actor,
        origin: peer.map_or_else(String::new, |peer| peer.remote.to_string()),
        if_match: if_match(&parts.headers)?,
        repeat: key.map(|key| Repeat { key: key.to_owned(), request_sha256: sha256() }),
        key_sha256: key_sha256(&parts.headers).ok_or(Problem::Unauthenticated)?,
    };
    Ok((write, T::read(&parts.headers, &bytes)?))
}

/// The one entity tag, or `*`, of `If-Match` (RFC 9110, section 13.1.1).
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(field) = only(headers, &IF_MATCH).map_err(|()| Problem::IfMatch)? else { return Ok(None) };
    // A weak tag is one, and never matches.
    let opaque =
        field.strip_prefix("W/").unwrap_or(field).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let is_tag = opaque.is_some_and(|tag| tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'));
    if field == "*" || is_tag { Ok(Some(field.to_owned())) } else { Err(Problem::IfMatch) }
}

/// The one field of that name, if there is one. `Err`: there are several, or it is not visible ASCII.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => field.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

impl Write {
    /// The same write, which is never answered a second time as it was the first: for what may happen only once.
    pub(super) fn once(mut self) -> Self {
        self.repeat = None;
        self
    }

    /// Begins the write; or, if it was done before, gives the answer it had then. The key that it came with must be
    /// good still: it was read with the head of the request, and a body may take its time.
    pub(super) async fn begin(self, api: &Api) -> Result<Result<Edit, Response>, Problem> {
        let Self { actor, origin, repeat, key_sha256, .. } = self;
        match api.store.begin_edit(actor, origin, repeat, clock::now()).await? {
            Begun::New(mut edit) => {
                let is_good = edit.key_is_good(&key_sha256).await?;
                if is_good { Ok(Ok(edit)) } else { Err(ended(api)) }
            }
            begun => again(api, &key_sha256, begun).await.map(Err),
        }
    }

    /// Whether the key that the write came with is good still.
    pub(super) async fn check_key(&self, api: &Api) -> Result<(), Problem> {
        check_key(api, &self.key_sha256).await
    }

    /// The answer that the write had when it was done before, if it was. Takes no turn to write.
    pub(super) async fn repeated(&self, api: &Api) -> Result<Option<Response>, Problem> {
        let Some(repeat) = &self.repeat else { return Ok(None) };
        let begun = api.store.repeated(&self.actor, repeat, clock::now()).await?;
        match begun {
            Some(begun) => again(api, &self.key_sha256, begun).await.map(Some),
            None => Ok(None),
        }
    }
}

async fn check_key(api: &Api, sha256: &str) -> Result<(), Problem> {
    let holder = api.store.holder_of_key(sha256, clock::now()).await?;
    holder.map(|_| ()).ok_or_else(|| ended(api))
}

/// A key that was good when the request began, and is so no more.
fn ended(api: &Api) -> Problem {
    api.metrics.unauthenticated();
    Problem::Unauthenticated
}

/// The answer that a write had before, for a key that is good still.
async fn again(api: &Api, key_sha256: &str, begun: Begun) -> Result<Response, Problem> {
    check_key(api, key_sha256).await?;
    let Begun::Repeated(kept) = begun else { return Err(Problem::IdempotencyKeyReused) };
    let mut response = Done { kept, shown_once: None }.into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

impl Done {
    /// The answer with this representation of what was written.
    pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(document).map_err(|_| Problem::StoreFailed)?;
        let kept = Kept { status: status.as_u16(), etag: None, location: None, body };
        Ok(Self { kept, shown_once: None })
    }

    /// The answer with nothing in it.
    pub(super) const fn empty() -> Self {
        let kept = Kept { status: 204, etag: None, location: None, body: String::new() };
        Self { kept, shown_once: None }
    }

    /// With the entity tag of what was written: its version.
    pub(super) fn version(mut self, version: u64) -> Self {
        self.kept.etag = Some(etag(version));
        self
    }

    /// With a secret that is shown now, and never kept: this representation is the answer, and the one before is what
    /// a repeated request gets.
    pub(super) fn shown_once(mut self, document: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(document).map_err(|_| Problem::StoreFailed)?;
        self.shown_once = Some(Zeroizing::new(body));
        Ok(self)
    }

    /// With the place of what was made.
    pub(super) fn location(mut self, path: String) -> Self {
        self.kept.location = Some(path);
        self
    }

    /// Makes the write durable, with its record and this answer.
    pub(super) async fn commit(self, edit: Edit, record: &Record) -> Result<Self, Problem> {
        edit.commit(record, &self.kept).await?;
        Ok(self)
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kept.status).unwrap_or(StatusCode::OK);
        let body = self.shown_once.map_or(self.kept.body, |body| body.to_string());
        let has_body = !body.is_empty();
        let mut response = (status, body).into_response();
        let fields = response.headers_mut();
        fields.remove(CONTENT_TYPE);
        if has_body {
            fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in [(ETAG, self.kept.etag), (LOCATION, self.kept.location)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                fields.insert(name, value);
            }
        }
        response
    }
}

/// A version as a strong entity tag (RFC 9110, section 8.8.3).
pub(super) fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Whether `If-Match` lets a write of this version go on.
pub(super) fn check_match(if_match: Option<&str>, version: u64) -> Result<(), Problem> {
    match if_match {
        None | Some("*") => Ok(()),
        Some(tag) if tag == etag(version) => Ok(()),
        Some(_) => Err(Problem::VersionChanged),
    }
}
