//! Strict JSON bodies.

use std::error::Error;
use std::iter::successors;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use edge::refused_by;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::Problem;
use super::problem::Malformed;
use super::serve::Broken;

/// Largest body of a request, except a policy's.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest note, of a decision or an execution.
const NOTE_BYTES_MAX: usize = 1000;

/// A body that is JSON, says so, and has the fields of `T` and no others.
pub(super) struct StrictJson<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        let bytes = read_whole(request.into_body(), BODY_BYTES_MAX).await?;
        read_json(&bytes).map(Self)
    }
}

/// The whole body. One that says itself that it is too long is not read at all.
pub(super) async fn read_whole(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    if usize::try_from(body.size_hint().lower()).is_ok_and(|bytes| bytes > bytes_max) {
        return Err(Problem::BodyTooLarge);
    }
    to_bytes(body, bytes_max).await.map_err(|error| not_whole(&error))
}

fn not_whole(error: &axum::Error) -> Problem {
    let first: &(dyn Error + 'static) = error;
    let mut causes = successors(Some(first), |&error| error.source());
    match causes.find_map(|cause| cause.downcast_ref::<Broken>()) {
        Some(Broken::Late) => Problem::BodyTimeout,
        // Who breaks off reads no answer.
        Some(Broken::Off(error)) => refused_by(error)
            .map_or(Problem::BodyUnexpected, |refused| Problem::RequestMalformed(Malformed(refused))),
        None => Problem::BodyTooLarge,
    }
}

/// Whether the body says that it is JSON.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    if is_of_type(headers, "application/json") { Ok(()) } else { Err(Problem::ContentType) }
}

/// Whether the body says that it is of that media type.
pub(super) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|field| field.to_str().ok());
    let said = content_type.and_then(|field| field.split(';').next()).map(str::trim);
    said.is_some_and(|name| name.eq_ignore_ascii_case(media_type))
}

/// The fields of `T` and no others.
pub(super) fn read_json<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => Problem::BodyUnexpected,
        // A `null` for one of several words counts as a mistake of syntax, and is none.
        _ if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() => Problem::BodyUnexpected,
        Category::Io | Category::Syntax | Category::Eof => Problem::BodyNotJson,
    })
}

/// Whether a note can be kept: PostgreSQL keeps no NUL.
pub(super) fn check_note(note: Option<&str>) -> Result<(), Problem> {
    match note {
        Some(note) if note.len() > NOTE_BYTES_MAX => Err(Problem::NoteTooLong),
        Some(note) if note.contains('\0') => Err(Problem::BodyUnexpected),
        _ => Ok(()),
    }
}
