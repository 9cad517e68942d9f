//! API keys: where a request shows one, and how one is known.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use config::header::API_KEY;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::refusal::Refusal;

/// Prefixes of everything that is a credential here, and nowhere else.
const OWN_PREFIXES: [&str; 5] = ["oak_live_", "oak_agent_", "oak_mgmt_", "oak_proxy_", "oak_session_"];
/// Prefixes of the keys that run calls.
const KEY_PREFIXES: [&str; 2] = ["oak_live_", "oak_agent_"];

/// What a request presents, and how.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presented<'a> {
    /// In `Authorization: Bearer`.
    Bearer(&'a str),
    /// In `X-API-Key`, where no token belongs.
    Key(&'a str),
}

/// Whether a credential is one of the proxy's own keys, good or not.
pub(super) fn is_own_key(credential: &str) -> bool {
    KEY_PREFIXES.iter().any(|prefix| credential.starts_with(prefix))
}

/// The one credential that a request presents. Two different ones are refused: which of them counts would be a guess.
pub(super) fn presented(headers: &HeaderMap) -> Result<Presented<'_>, Refusal> {
    let api_keys = headers.get_all(API_KEY).iter().map(|value| value.to_str().ok());
    let bearers = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let mut all = api_keys.chain(bearers);
    let one = all.next().ok_or(Refusal::NoCredential)?.ok_or(Refusal::UnknownCredential)?;
    match all.all(|other| other == Some(one)) {
        true if headers.contains_key(API_KEY) => Ok(Presented::Key(one)),
        true => Ok(Presented::Bearer(one)),
        false => Err(Refusal::UnknownCredential),
    }
}

/// Whether one of Oakgate's own credentials, whatever it is for, is anywhere in the value of an `Authorization`, in whatever
/// scheme, plain or in base64.
pub(crate) fn has_key(value: &HeaderValue) -> bool {
    let mentions = |bytes: &[u8]| {
        OWN_PREFIXES.iter().any(|prefix| bytes.windows(prefix.len()).any(|part| part == prefix.as_bytes()))
    };
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let words = value.as_bytes().split(|byte| !is_base64(byte));
    let mut decoded = words.filter_map(|word| STANDARD_NO_PAD.decode(word).ok());
    mentions(value.as_bytes()) || decoded.any(|bytes| mentions(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_whatever_scheme() {
        for (value, has) in [
            ("Bearer oak_agent_a", true),
            ("oak_live_a", true),
            ("Bearer\toak_agent_a", true),
            ("Bearer \"oak_session_a\"", true),
            ("Bearer x, Bearer oak_agent_a", true),
            ("Token token=oak_agent_a", true),
            ("Bearer oak_mgmt_a", true),
            ("Bearer oak_proxy_a", true),
            // `u:oak_agent_a`
            ("Basic dTpvYWtfYWdlbnRfYQ==", true),
            ("Bearer eyJhbGciOiJub25lIn0.e30.", false),
            ("Basic dTpw", false),
            ("Bearer oak", false),
        ] {
            assert_eq!(has_key(&HeaderValue::from_str(value).unwrap()), has, "{value}");
        }
    }
}
