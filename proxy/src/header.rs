//! Header names as backends may read them: CGI, WSGI and their like take `_` for `-`.

use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, PROXY_AUTHORIZATION};

use crate::caller::API_KEY;

/// Headers by which some backends see another method or another path than the one that was decided.
const OVERRIDES: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// What proxies tell backends: where a caller is (RFC 7239 and what was before it), its certificate (RFC 9440 and what was
/// before it), who it is.
const FOR_PROXIES: [&str; 17] = [
    "cf-connecting-ip",
    "client-cert",
    "client-cert-chain",
    "fastly-client-ip",
    "forwarded",
    "remote-user",
    "true-client-ip",
    "x-arr-clientcert",
    "x-client-cert",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-real-ip",
    "x-remote-user",
    "x-tls-client-cert",
    "x-webauth-user",
];
const FOR_PROXIES_PREFIXES: [&str; 8] = [
    "cf-access-",
    "ssl-client-",
    "x-amzn-mtls-",
    "x-auth-request-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-ssl-",
];

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
    is_read_as(name, AUTHORIZATION.as_str())
        || is_read_as(name, API_KEY)
        || is_read_as(name, PROXY_AUTHORIZATION.as_str())
}

/// `Oakgate-*`, also as a backend may read it.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    begins_as(name, "oakgate-")
}

/// A header in which a backend expects the word of a proxy about who calls it and from where, also as a backend may read
/// it. No caller's word passes for ours.
pub(crate) fn is_for_proxies_only(name: &HeaderName) -> bool {
    // Most names begin with another letter, or are one of a few; which costs nothing to see.
    matches!(name.as_str().as_bytes().first(), Some(b'c' | b'f' | b'r' | b's' | b't' | b'x'))
        && (FOR_PROXIES.iter().any(|other| is_read_as(name, other))
            || FOR_PROXIES_PREFIXES.iter().any(|prefix| begins_as(name, prefix)))
}

/// Whether some backend takes the beginning of `name` for `prefix` (in lower case, with hyphens).
fn begins_as(name: &HeaderName, prefix: &str) -> bool {
    let mut bytes = name.as_str().bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    prefix.bytes().all(|expected| bytes.next() == Some(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_proxy_may_say() {
        for (name, expected) in [
            ("forwarded", true),
            ("x-forwarded-for", true),
            ("X_Forwarded_Proto", true),
            ("x-forwarded-client-cert", true),
            ("x-real-ip", true),
            ("client-cert", true),
            ("client_cert_chain", true),
            ("ssl-client-s-dn", true),
            ("x-ssl-client-verify", true),
            ("remote-user", true),
            ("x-forward", false),
            ("x-request-id", false),
            ("client-certificate-request", false),
            ("content-type", false),
            ("cookie", false),
            ("traceparent", false),
            ("mcp-session-id", false),
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(is_for_proxies_only(&name), expected, "{name}");
        }
    }
}
