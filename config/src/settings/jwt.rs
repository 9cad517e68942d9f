//! Callers with tokens of an OAuth authorization server: whose tokens are taken, and what in them says what.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::Mistake;
pub use crate::source::AlgorithmSource as Algorithm;
use crate::source::{JwtSource, TextsSource};

/// An issuer is no longer than this: it is a part of its callers' ids.
const ISSUER_MAX_BYTES: usize = 256;

/// Whose tokens a listener takes (RFC 7519, RFC 9068).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// `iss` of every token, byte for byte.
    pub issuer: String,
    /// One of these must be in `aud`; if there is none, the URL of the backend that is called must be.
    pub audiences: Vec<String>,
    /// Where the issuer's keys are.
    pub jwks: JwksPlace,
    /// Certificates that the server of the keys may be certified by; the system's unless set.
    pub ca_file: Option<PathBuf>,
    /// Algorithms of signatures.
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be from ours.
    pub clock_skew_seconds: u64,
    /// How often the keys are fetched.
    pub jwks_refresh_seconds: u64,
    /// How often they are fetched at most, whoever asks.
    pub jwks_min_interval_seconds: u64,
    /// How long they are good after they were last fetched.
    pub jwks_max_age_seconds: u64,
    /// The claim that says who calls.
    pub caller_claim: String,
    /// The claim that says which tenant's caller it is.
    pub tenant_claim: Option<String>,
    /// What makes the caller an agent.
    pub agent_when: Option<AgentWhen>,
    /// Scopes that every token must have.
    pub required_scopes: Vec<String>,
    /// Scopes that the listener's metadata names.
    pub scopes_supported: Vec<String>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksPlace {
    /// In a file, watched.
    File(PathBuf),
    /// Where the issuer's own metadata says (RFC 8414, OpenID Connect Discovery).
    Issuer(FetchUrl),
    /// There.
    Url(FetchUrl),
}

impl JwksPlace {
    /// Whether the keys are fetched over the network.
    #[must_use]
    pub const fn is_fetched(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

/// A claim and its values by which a caller is an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentWhen {
    /// The claim: text, or a list of texts.
    pub claim: String,
    /// Any of these.
    pub values: Vec<String>,
}

/// A URL that keys may come from: `https`, or `http` on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchUrl(Uri);

impl FetchUrl {
    /// Reads one; `None` for any other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let is_safe = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => is_loopback(authority),
            _ => false,
        };
        let is_plain = !authority.as_str().contains('@') && !text.contains('#');
        (is_safe && is_plain).then_some(Self(uri))
    }

    /// The URL.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }
}

pub(super) fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// `has_url`: the listener has a `public_url`.
pub(super) fn jwt(
    source: JwtSource,
    has_url: bool,
    folder: &Path,
    (path, mistakes): (&str, &mut Vec<Mistake>),
) -> Option<Jwt> {
    let before = mistakes.len();
    let mut wrong = |field: &str, what: String| mistakes.push(Mistake::at(format!("{path}.{field}"), what));
    let issuer_url = FetchUrl::parse(&source.issuer)
        .filter(|_| !source.issuer.contains('?') && source.issuer.len() <= ISSUER_MAX_BYTES);
    if issuer_url.is_none() {
        let what = format!(
            "must be an https URL without query or fragment, of {ISSUER_MAX_BYTES} bytes at most, not `{}`",
            source.issuer
        );
        wrong("issuer", what);
    }
    let audiences = texts(source.audience);
    none_empty("audience", &audiences, &mut wrong);
    if audiences.is_empty() && !has_url {
        let what = "missing: say whom tokens are for, or set the listener's `public_url`, and they must be for the \
                    URL of the backend that is called";
        wrong("audience", what.to_owned());
    }
    if source.algorithms.is_empty() {
        wrong("algorithms", "must name one at least".to_owned());
    }
    for (field, claim) in
        [("caller_claim", Some(&source.caller_claim)), ("tenant_claim", source.tenant_claim.as_ref())]
    {
        if claim.is_some_and(String::is_empty) {
            wrong(field, "must be the name of a claim".to_owned());
        }
    }
    for (field, scopes) in
        [("required_scopes", &source.required_scopes), ("scopes_supported", &source.scopes_supported)]
    {
        for (number, scope) in scopes.iter().enumerate().filter(|(_, scope)| !is_scope(scope)) {
            wrong(
                &format!("{field}[{number}]"),
                format!("must be a scope such as `notes:read`, not `{scope}`"),
            );
        }
    }
    let jwks = jwks_place((source.jwks_url, source.jwks_file), issuer_url, folder, &mut wrong);
    let agent_when: Option<AgentWhen> =
        source.agent_when.map(|when| AgentWhen { claim: when.claim, values: texts(Some(when.values)) });
    if let Some(when) = &agent_when {
        if when.claim.is_empty() {
            wrong("agent_when.claim", "must be the name of a claim".to_owned());
        }
        if when.values.is_empty() {
            wrong("agent_when.values", "must name one at least".to_owned());
        }
        none_empty("agent_when.values", &when.values, &mut wrong);
    }
    let jwt = Jwt {
        issuer: source.issuer,
        audiences,
        jwks: jwks?,
        ca_file: source.ca_file.map(|file| folder.join(file)),
        algorithms: source.algorithms,
        clock_skew_seconds: source.clock_skew_seconds.into(),
        jwks_refresh_seconds: source.jwks_refresh_seconds.into(),
        jwks_min_interval_seconds: source.jwks_min_interval_seconds.into(),
        jwks_max_age_seconds: source.jwks_max_age_seconds.into(),
        caller_claim: source.caller_claim,
        tenant_claim: source.tenant_claim,
        agent_when,
        required_scopes: source.required_scopes,
        scopes_supported: source.scopes_supported,
    };
    (mistakes.len() == before).then_some(jwt)
}

fn jwks_place(
    written: (Option<String>, Option<PathBuf>),
    issuer: Option<FetchUrl>,
    folder: &Path,
    wrong: &mut impl FnMut(&str, String),
) -> Option<JwksPlace> {
    match written {
        (Some(_), Some(_)) => {
            let what = "there is a `jwks_url` too: only one of them can say where the keys are";
            wrong("jwks_file", what.to_owned());
            None
        }
        (None, Some(file)) => Some(JwksPlace::File(folder.join(file))),
        (None, None) => issuer.map(JwksPlace::Issuer),
        (Some(url), None) => {
            let parsed = FetchUrl::parse(&url);
            if parsed.is_none() {
                wrong("jwks_url", format!("must be an https URL (or http on loopback), not `{url}`"));
            }
            parsed.map(JwksPlace::Url)
        }
    }
}

fn texts(source: Option<TextsSource>) -> Vec<String> {
    match source {
        None => Vec::new(),
        Some(TextsSource::One(text)) => vec![text],
        Some(TextsSource::Several(texts)) => texts,
    }
}

/// An empty text is nobody's name and no value: it would let through tokens that were made without one.
fn none_empty(field: &str, texts: &[String], wrong: &mut impl FnMut(&str, String)) {
    if texts.iter().any(String::is_empty) {
        wrong(field, "must not be empty text".to_owned());
    }
}

/// A scope (RFC 6749, section 3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
