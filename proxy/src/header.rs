//! Header names as backends may read them: CGI, WSGI and their like take `_` for `-`.

use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};

use crate::caller::API_KEY;

/// Headers by which some backends see another method or another path than the one that was decided.
const OVERRIDES: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Whether some backend takes `name` for `other` (in lower case, with hyphens).
pub(crate) fn is_read_as(name: &HeaderName, other: &str) -> bool {
    let folded = name.as_str().bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    // Most names differ in length, which costs nothing to see.
    name.as_str().len() == other.len() && folded.eq(other.bytes())
}

/// All values of a header (its name in lower case, with hyphens), also those that some backend takes for its values.
pub(crate) fn values<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    let read_as = headers.iter().filter(move |(other, _)| is_read_as(other, name));
    read_as.map(|(_, value)| HeaderValue::as_bytes(value))
}

/// A header that would make another call of a request, if there is one.
pub(crate) fn overriding(headers: &HeaderMap) -> Option<&'static str> {
    OVERRIDES.into_iter().find(|other| headers.keys().any(|name| is_read_as(name, other)))
}

/// A caller's credential, also as a backend may read it.
pub(crate) fn is_credential(name: &HeaderName) -> bool {
    is_read_as(name, AUTHORIZATION.as_str()) || is_read_as(name, API_KEY)
}

/// `Oakgate-*`, also as a backend may read it.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    let mut bytes = name.as_str().bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    b"oakgate-".iter().all(|expected| bytes.next() == Some(*expected))
}
