//! Header names that do not pass to a backend as the caller wrote them. Names are compared as backends may read them: CGI,
//! WSGI and their like take `_` for `-`.

use http::HeaderName;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION};

/// Headers about one connection (RFC 9110, section 7.6.1), and the ones that proxies once used.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that are made anew for each request.
const MADE_ANEW: [&str; 3] = ["content-length", "expect", "host"];

/// The header of an API key.
pub const API_KEY: &str = "x-api-key";

/// Headers by which some backends see another method, path or host than the one that was decided.
const OVERRIDES: [&str; 8] = [
    "x-http-method",
    "x-http-method-override",
    "x-http-path-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// What proxies tell backends: where a caller is (RFC 7239 and what was before it) and which host and scheme it asked for,
/// its certificate (RFC 9440 and what was before it), who it is. Sorted.
const FOR_PROXIES: [&str; 50] = [
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "client-verify",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "proxy-client-ip",
    "remote-addr",
    "remote-email",
    "remote-group",
    "remote-groups",
    "remote-name",
    "remote-user",
    "ssl-cert",
    "true-client-ip",
    "wl-proxy-client-ip",
    "x-anonymous-consumer",
    "x-appengine-user-ip",
    "x-arr-clientcert",
    "x-auth-user",
    "x-authenticated-user",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-client-cn",
    "x-client-dn",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-credential-identifier",
    "x-forwarded",
    "x-host",
    "x-jwt-assertion",
    "x-original-forwarded-for",
    "x-original-host",
    "x-originating-ip",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-email",
    "x-remote-group",
    "x-remote-groups",
    "x-remote-ip",
    "x-remote-name",
    "x-remote-user",
    "x-scheme",
    "x-tls-client-cert",
    "x-url-scheme",
];
/// What such names begin with. Sorted.
const FOR_PROXIES_PREFIXES: [&str; 20] = [
    "cf-access-",
    "oidc-claim-",
    "ssl-client-",
    "tailscale-user-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-authentik-",
    "x-client-cert",
    "x-consumer-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-pomerium-",
    "x-remote-extra-",
    "x-ssl-",
    "x-vouch-",
    "x-webauth-",
];

/// Whether some backend takes `name` for `other` (in lower case, with hyphens).
#[must_use]
pub fn is_read_as(name: &HeaderName, other: &str) -> bool {
    // Most names differ in length, which costs nothing to see.
    name.as_str().len() == other.len() && folded(name).eq(other.bytes())
}

/// The header of these by which some backend would see another request than the one that was decided, if `name` is read as
/// one.
#[must_use]
pub fn overriding(name: &HeaderName) -> Option<&'static str> {
    // Most names begin with another letter.
    let may_be = name.as_str().starts_with('x');
    OVERRIDES.into_iter().find(|other| may_be && is_read_as(name, other))
}

/// A caller's credential.
#[must_use]
pub fn is_credential(name: &HeaderName) -> bool {
    is_read_as(name, AUTHORIZATION.as_str())
        || is_read_as(name, API_KEY)
        || is_read_as(name, "proxy-authorization")
}

/// `Oakgate-*`.
#[must_use]
pub fn is_ours(name: &HeaderName) -> bool {
    begins_as(name, "oakgate-")
}

/// A header in which a backend expects the word of a proxy about who calls it and from where. No caller's word passes for
/// ours.
#[must_use]
pub fn is_for_proxies_only(name: &HeaderName) -> bool {
    // Most names begin with another letter, which costs nothing to see.
    matches!(
        name.as_str().as_bytes().first(),
        Some(b'c' | b'f' | b'o' | b'p' | b'r' | b's' | b't' | b'w' | b'x')
    ) && (FOR_PROXIES.binary_search_by(|other| other.bytes().cmp(folded(name))).is_ok()
        || FOR_PROXIES_PREFIXES.iter().any(|prefix| begins_as(name, prefix)))
}

/// Whether a header is about one connection (RFC 9110, section 7.6.1), also as the other end may read it.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.iter().any(|other| is_read_as(name, other))
}

/// Whether a header is made anew for each request to a backend.
#[must_use]
pub fn is_made_anew(name: &HeaderName) -> bool {
    MADE_ANEW.iter().any(|other| is_read_as(name, other))
}

/// Whether a backend sees this header as a caller wrote it: it can tell policy something.
pub(crate) fn passes(name: &HeaderName) -> bool {
    !(is_hop_by_hop(name)
        || is_made_anew(name)
        || is_read_as(name, ACCEPT_ENCODING.as_str())
        || begins_as(name, "proxy-")
        || is_credential(name)
        || is_ours(name)
        || is_for_proxies_only(name)
        || overriding(name).is_some())
}

/// Whether some backend takes the beginning of `name` for `prefix` (in lower case, with hyphens).
fn begins_as(name: &HeaderName, prefix: &str) -> bool {
    let mut bytes = folded(name);
    prefix.bytes().all(|expected| bytes.next() == Some(expected))
}

fn folded(name: &HeaderName) -> impl Iterator<Item = u8> + '_ {
    name.as_str().bytes().map(|byte| if byte == b'_' { b'-' } else { byte })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> HeaderName {
        HeaderName::from_bytes(name.as_bytes()).unwrap()
    }

    /// As it is, as CGI would have it, in upper case, and both.
    fn spellings(name: &str) -> [HeaderName; 4] {
        let underscores = name.replace('-', "_");
        [name, &underscores, &name.to_uppercase(), &underscores.to_uppercase()].map(read)
    }

    #[test]
    fn each_name_is_known_however_it_is_written() {
        let of_prefixes = FOR_PROXIES_PREFIXES.iter().map(|prefix| format!("{prefix}a"));
        for name in FOR_PROXIES.iter().map(ToString::to_string).chain(of_prefixes) {
            for spelling in spellings(&name) {
                assert!(is_for_proxies_only(&spelling), "{spelling:?}");
                assert!(!passes(&spelling), "{spelling:?}");
            }
        }
        for name in OVERRIDES {
            for spelling in spellings(name) {
                assert_eq!(overriding(&spelling), Some(name), "{spelling:?}");
                assert!(!passes(&spelling), "{spelling:?}");
            }
        }
        assert!(FOR_PROXIES.is_sorted() && FOR_PROXIES_PREFIXES.is_sorted() && OVERRIDES.is_sorted());
    }

    #[test]
    fn what_only_a_proxy_may_say() {
        for (name, expected) in [
            ("forwarded", true),
            ("x-forwarded", true),
            ("x-forwarded-for", true),
            ("X_Forwarded_Proto", true),
            ("x-forwarded-client-cert", true),
            ("x-real-ip", true),
            ("x-ms-client-principal", true),
            ("x-ms-client-principal-id", true),
            ("x-amzn-oidc-data", true),
            ("x-goog-iap-jwt-assertion", true),
            ("oidc_claim_email", true),
            ("tailscale-user-login", true),
            ("wl-proxy-client-ip", true),
            ("x-client-cert", true),
            ("x-client-certificate", true),
            ("client-cert", true),
            ("ssl-client-s-dn", true),
            ("remote-user", true),
            ("x-forward", false),
            ("x-request-id", false),
            ("x-amzn-trace-id", false),
            ("x-goog-api-client", false),
            ("client-certificate-request", false),
            ("content-type", false),
            ("cookie", false),
            ("origin", false),
            ("traceparent", false),
            ("mcp-session-id", false),
        ] {
            assert_eq!(is_for_proxies_only(&read(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_passes_to_a_backend() {
        for (name, expected) in [
            ("x-mode", true),
            ("x_mode", true),
            ("content-type", true),
            ("mcp-session-id", true),
            ("hostname", true),
            ("Host", false),
            ("content_length", false),
            ("expect", false),
            ("accept-encoding", false),
            ("connection", false),
            ("keep_alive", false),
            ("te", false),
            ("trailer", false),
            ("transfer-encoding", false),
            ("upgrade", false),
            ("http2-settings", false),
            ("proxy-anything", false),
            ("authorization", false),
            ("X_API_Key", false),
            ("oakgate-tenant", false),
        ] {
            assert_eq!(passes(&read(name)), expected, "{name}");
        }
    }
}
