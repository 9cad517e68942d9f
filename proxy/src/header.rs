//! Headers of a request, by names as backends may read them (`config::header` says which names mean what).

pub(crate) use config::header::{
    is_credential, is_for_proxies_only, is_hop_by_hop, is_made_anew, is_ours, is_read_as,
};
use http::HeaderValue;
use http::header::HeaderMap;

/// All values of a header (its name in lower case, with hyphens), also those that some backend takes for its values.
pub(crate) fn values<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    let read_as = headers.iter().filter(move |(other, _)| is_read_as(other, name));
    read_as.map(|(_, value)| HeaderValue::as_bytes(value))
}

/// A header that would make another call of a request, if there is one.
pub(crate) fn overriding(headers: &HeaderMap) -> Option<&'static str> {
    headers.keys().find_map(config::header::overriding)
}
