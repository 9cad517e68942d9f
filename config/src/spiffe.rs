//! SPIFFE ids, read strictly (SPIFFE-ID, section 2): what is not exactly one is none.

use std::fmt;

/// What every SPIFFE id begins with; letter case counts.
const SCHEME: &str = "spiffe://";
/// A SPIFFE id is no longer than this (section 2.3).
const ID_MAX_BYTES: usize = 2048;
/// A trust domain's name is no longer than this (section 2.1).
const TRUST_DOMAIN_MAX_BYTES: usize = 255;

/// The id of a workload: `spiffe://example.org/ns/prod/sa/agent`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    trust_domain: TrustDomain,
    text: String,
}

/// The name of a trust domain: `example.org`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

/// Text that is not a workload's SPIFFE id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSpiffeId {
    /// Longer than 2048 bytes.
    #[error("a SPIFFE id has at most {ID_MAX_BYTES} bytes")]
    TooLong,
    /// Another scheme, or none.
    #[error("a SPIFFE id begins with `{SCHEME}`")]
    Scheme,
    /// A name that no trust domain can have.
    #[error("a trust domain has 1 to {TRUST_DOMAIN_MAX_BYTES} lower-case letters, digits, `.`, `-` or `_`")]
    TrustDomain,
    /// No path: that is a trust domain, and no workload.
    #[error("a workload's SPIFFE id has a path")]
    NoPath,
    /// A path that is not plain segments.
    #[error(
        "the path of a SPIFFE id is segments of letters, digits, `.`, `-` or `_`, none of them empty, `.` or `..`"
    )]
    Path,
}

impl SpiffeId {
    /// Reads a workload's id. Percent-encoding, a port, user information, a query and a fragment are not allowed in one,
    /// and neither is a slash at the end.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, NotSpiffeId> {
        if text.len() > ID_MAX_BYTES {
            return Err(NotSpiffeId::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(NotSpiffeId::Scheme)?;
        let (trust_domain, path) = match rest.split_once('/') {
            Some((trust_domain, path)) => (trust_domain, Some(path)),
            None => (rest, None),
        };
        let trust_domain = TrustDomain::parse(trust_domain)?;
        let is_segment = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
        };
        match path {
            None => Err(NotSpiffeId::NoPath),
            Some(path) if path.split('/').all(is_segment) => Ok(Self { trust_domain, text: text.to_owned() }),
            Some(_) => Err(NotSpiffeId::Path),
        }
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain that it belongs to.
    #[must_use]
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }
}

impl TrustDomain {
    /// Reads a trust domain's name.
    ///
    /// # Errors
    /// [`NotSpiffeId::TrustDomain`].
    pub fn parse(text: &str) -> Result<Self, NotSpiffeId> {
        let fits = (1..=TRUST_DOMAIN_MAX_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || is_mark(byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(NotSpiffeId::TrustDomain) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn is_mark(byte: u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let long = |bytes: usize| format!("spiffe://a/{}", "b".repeat(bytes - "spiffe://a/".len()));
        let domain = |bytes: usize| format!("spiffe://{}/b", "a".repeat(bytes));
        for (text, expected) in [
            ("spiffe://example.org/agent", Ok("example.org")),
            ("spiffe://example.org/ns/prod/sa/Agent_1.a-b", Ok("example.org")),
            ("spiffe://10.0.0.1/...", Ok("10.0.0.1")),
            (&long(2048), Ok("a")),
            (&long(2049), Err(NotSpiffeId::TooLong)),
            (&domain(255), Ok(&*"a".repeat(255))),
            (&domain(256), Err(NotSpiffeId::TrustDomain)),
            ("", Err(NotSpiffeId::Scheme)),
            ("https://example.org/agent", Err(NotSpiffeId::Scheme)),
            ("SPIFFE://example.org/agent", Err(NotSpiffeId::Scheme)),
            ("spiffe:/example.org/agent", Err(NotSpiffeId::Scheme)),
            ("spiffe:///agent", Err(NotSpiffeId::TrustDomain)),
            ("spiffe://Example.org/agent", Err(NotSpiffeId::TrustDomain)),
            ("spiffe://example.org:443/agent", Err(NotSpiffeId::TrustDomain)),
            ("spiffe://user@example.org/agent", Err(NotSpiffeId::TrustDomain)),
            ("spiffe://exämple.org/agent", Err(NotSpiffeId::TrustDomain)),
            ("spiffe://example.org?agent", Err(NotSpiffeId::TrustDomain)),
            ("spiffe://example.org", Err(NotSpiffeId::NoPath)),
            ("spiffe://example.org/", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/agent/", Err(NotSpiffeId::Path)),
            ("spiffe://example.org//agent", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/../agent", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/./agent", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/%61gent", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/agent?a=b", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/agent#a", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/agent ", Err(NotSpiffeId::Path)),
            ("spiffe://example.org/agent\n", Err(NotSpiffeId::Path)),
        ] {
            let id = SpiffeId::parse(text);
            let found = id.as_ref().map(|id| id.trust_domain().as_str()).map_err(|error| *error);
            assert_eq!(found, expected, "{text}");
            assert!(id.is_err() || id.unwrap().as_str() == text);
        }
    }
}
