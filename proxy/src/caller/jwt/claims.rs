//! What a verified token says: of whom, for whom, until when.

use config::{AgentWhen, Jwt};
use policy::{Caller, CallerKind, UnixMillis};
use serde_json::{Map, Value};

use super::jws::strict_object;
use super::refused::TokenRefused;
use crate::refusal::Refusal;

/// The text by which a token names its caller is no longer than this (OpenID Connect Core, section 2).
const NAME_MAX_BYTES: usize = 255;
/// A moment after the year 9999 is a mistake.
const MOMENT_MAX: f64 = 253_402_300_799.0;

/// What a token says, as far as it is for the proxy.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) caller: Caller,
    pub(super) tenant: Option<String>,
    pub(super) audiences: Vec<String>,
    /// When it stops working here, in seconds since 1970.
    pub(super) expires_unix_seconds: i64,
}

impl Claims {
    /// Reads the claims of a token whose signature is right (RFC 7519, section 4.1), but for whom it is for.
    pub(super) fn read(settings: &Jwt, payload: &[u8], now: UnixMillis) -> Result<Self, Refusal> {
        let refused = |why| Err(Refusal::Token(why));
        let Some(claims) = strict_object(payload) else { return refused(TokenRefused::Malformed) };
        if claims.get("iss").and_then(Value::as_str) != Some(&settings.issuer) {
            return refused(TokenRefused::Issuer);
        }
        let skew = settings.clock_skew_seconds;
        let latest = i64::try_from(now.seconds().saturating_add(skew)).unwrap_or(i64::MAX);
        let expires = moment(&claims, "exp")?.ok_or(Refusal::Token(TokenRefused::Claims))?;
        let expires_unix_seconds = expires.saturating_add(i64::try_from(skew).unwrap_or(0));
        if expires_unix_seconds <= i64::try_from(now.seconds()).unwrap_or(i64::MAX) {
            return Err(Refusal::ExpiredCredential);
        }
        for since in ["nbf", "iat"] {
            if moment(&claims, since)?.is_some_and(|since| since > latest) {
                return refused(TokenRefused::NotYetValid);
            }
        }
        let audiences = texts(claims.get("aud")).ok_or(Refusal::Token(TokenRefused::Audience))?;
        let tenant = settings.tenant_claim.as_ref().map(|claim| name(&claims, claim).map(str::to_owned));
        let tenant = tenant.transpose()?;
        if !has_scopes(&claims, &settings.required_scopes) {
            return Err(Refusal::InsufficientScope);
        }
        let caller = name(&claims, &settings.caller_claim)?;
        let kind = match &settings.agent_when {
            Some(when) if is_agent(&claims, when) => CallerKind::Agent,
            _ => CallerKind::Standard,
        };
        // No issuer has a `#`, and no API key's id begins with `jwt:`.
        let id = format!("jwt:{}#{caller}", settings.issuer);
        Ok(Self { caller: Caller { id, kind, claims }, tenant, audiences, expires_unix_seconds })
    }
}

/// Whole seconds of a moment (`NumericDate`), rounded down.
fn moment(claims: &Map<String, Value>, claim: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    match value.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Some(seconds) if (0.0..=MOMENT_MAX).contains(&seconds) => Ok(Some(seconds as i64)),
        _ => Err(Refusal::Token(TokenRefused::Claims)),
    }
}

/// A claim that names someone: visible ASCII characters, but neither `"` nor `\`, so that no two names look alike, and none
/// breaks a line or grows in a receipt.
fn name<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<&'a str, Refusal> {
    let text = claims.get(claim).and_then(Value::as_str);
    let fits = |text: &&str| {
        (1..=NAME_MAX_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    text.filter(fits).ok_or(Refusal::Token(TokenRefused::Claims))
}

/// One text, or a list of texts.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) => list.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// `scope` (RFC 9068, section 2.2.3), or `scp` where an issuer calls it that: words in one text, or a list of them.
fn has_scopes(claims: &Map<String, Value>, required: &[String]) -> bool {
    let given = texts(claims.get("scope").or_else(|| claims.get("scp"))).unwrap_or_default();
    let is_given = |scope: &String| given.iter().any(|scopes| scopes.split(' ').any(|given| given == scope));
    required.iter().all(is_given)
}

fn is_agent(claims: &Map<String, Value>, when: &AgentWhen) -> bool {
    texts(claims.get(&when.claim))
        .is_some_and(|values| values.iter().any(|value| when.values.contains(value)))
}
