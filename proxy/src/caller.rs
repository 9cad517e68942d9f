//! Who is calling: from a credential to an identity. The credential itself goes no further than this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use config::{Auth, Keys};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use policy::{Caller, CallerKind, UnixMillis};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::refusal::Refusal;
use crate::state::{Count, Counted};

/// Header of an API key.
pub(crate) const API_KEY: &str = "x-api-key";
/// Header in which some callers may name their tenant.
pub(crate) const TENANT: &str = "oakgate-tenant";
/// A tenant's name is no longer than this.
const TENANT_MAX_BYTES: usize = 256;
/// Prefixes of everything that is a credential here, and nowhere else.
const OWN_PREFIXES: [&str; 3] = ["oak_live_", "oak_agent_", "oak_session_"];
/// Prefixes of the keys that run calls.
const KEY_PREFIXES: [&str; 2] = ["oak_live_", "oak_agent_"];

/// Every caller that the proxy knows.
#[derive(Debug)]
pub(crate) struct Identities {
    by_sha256: HashMap<[u8; 32], Arc<Identity>>,
    anonymous: Arc<Identity>,
}

/// One caller.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) caller: Caller,
    tenant: Option<String>,
    may_name_tenant: bool,
    expires_unix_seconds: Option<i64>,
    /// SHA-256 of its key; `None` for nobody in particular.
    key_sha256: Option<[u8; 32]>,
    pub(crate) load: Arc<Load>,
}

/// What one caller has under way; kept when keys are read again.
#[derive(Debug, Default)]
pub(crate) struct Load {
    calls: Arc<Count>,
    holds: Arc<Count>,
    approvals: Mutex<ApprovalWindow>,
}

#[derive(Debug, Default)]
struct ApprovalWindow {
    minute: u64,
    asked: u32,
}

impl Identities {
    /// Knows the callers of a keys file; one that `before` knew by the same id keeps its counts.
    pub(crate) fn new(keys: &Keys, before: Option<&Self>) -> Self {
        let loads: HashMap<&str, &Arc<Load>> = before
            .iter()
            .flat_map(|before| before.by_sha256.values())
            .map(|identity| (identity.caller.id.as_str(), &identity.load))
            .collect();
        let by_sha256 = keys.iter().map(|(sha256, key)| {
            let identity = Identity {
                caller: Caller { id: key.id.clone(), kind: key.kind.into(), claims: serde_json::Map::new() },
                tenant: key.tenant.clone(),
                may_name_tenant: key.may_name_tenant,
                expires_unix_seconds: key.expires_unix_seconds,
                key_sha256: Some(*sha256),
                load: loads.get(key.id.as_str()).map_or_else(Arc::default, |load| Arc::clone(load)),
            };
            (*sha256, Arc::new(identity))
        });
        let anonymous = before.map_or_else(Identity::anonymous, |before| Arc::clone(&before.anonymous));
        Self { by_sha256: by_sha256.collect(), anonymous }
    }

    /// The caller of a request.
    pub(crate) fn identify(
        &self,
        auth: Auth,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Result<Arc<Identity>, Refusal> {
        match auth {
            Auth::None => Ok(Arc::clone(&self.anonymous)),
            Auth::ApiKey => self.by_key(presented_key(headers)?, now),
        }
    }

    fn by_key(&self, key: &str, now: UnixMillis) -> Result<Arc<Identity>, Refusal> {
        if !KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            return Err(Refusal::UnknownCredential);
        }
        let sha256: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let (known, identity) = self.by_sha256.get_key_value(&sha256).ok_or(Refusal::UnknownCredential)?;
        if !bool::from(known.ct_eq(&sha256)) {
            return Err(Refusal::UnknownCredential);
        }
        if identity.has_expired(now) {
            return Err(Refusal::ExpiredCredential);
        }
        Ok(Arc::clone(identity))
    }

    /// Whether a caller that was identified earlier would be identified as the same one now.
    pub(crate) fn still_knows(&self, earlier: &Identity, now: UnixMillis) -> bool {
        let Some(sha256) = &earlier.key_sha256 else { return true };
        self.by_sha256.get(sha256).is_some_and(|identity| {
            identity.caller.id == earlier.caller.id
                && identity.tenant == earlier.tenant
                && !identity.has_expired(now)
        })
    }
}

impl Identity {
    fn anonymous() -> Arc<Self> {
        Arc::new(Self {
            caller: Caller {
                id: "anonymous".to_owned(),
                kind: CallerKind::Anonymous,
                claims: serde_json::Map::new(),
            },
            tenant: None,
            may_name_tenant: false,
            expires_unix_seconds: None,
            key_sha256: None,
            load: Arc::default(),
        })
    }

    fn has_expired(&self, now: UnixMillis) -> bool {
        let now_seconds = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        self.expires_unix_seconds.is_some_and(|expires| expires <= now_seconds)
    }

    /// The tenant of a request: the credential's, or the one it names if its credential may.
    pub(crate) fn tenant<'a>(&'a self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Refusal> {
        let mut named = headers.get_all(TENANT).iter();
        match (self.may_name_tenant, named.next(), named.next()) {
            (false, _, _) | (true, None, _) => Ok(self.tenant.as_deref()),
            (true, Some(_), Some(_)) => Err(Refusal::BadTenant),
            (true, Some(tenant), None) => match tenant.to_str() {
                Ok(tenant) if tenant.len() <= TENANT_MAX_BYTES => Ok(Some(tenant)),
                _ => Err(Refusal::BadTenant),
            },
        }
    }
}

impl Load {
    pub(crate) fn enter_call(&self, max: u32) -> Result<Counted, Refusal> {
        self.calls.enter(max).ok_or(Refusal::TooManyCalls)
    }

    pub(crate) fn enter_hold(&self, max: u32) -> Result<Counted, Refusal> {
        self.holds.enter(max).ok_or(Refusal::TooManyHolds)
    }

    /// Counts one more approval asked for in this minute, unless that would be more than `max_per_minute`.
    pub(crate) fn ask_approval(&self, now: UnixMillis, max_per_minute: u32) -> Result<(), Refusal> {
        let minute = now.seconds() / 60;
        let mut window = self.approvals.lock().unwrap_or_else(PoisonError::into_inner);
        if window.minute != minute {
            *window = ApprovalWindow { minute, asked: 0 };
        }
        if window.asked >= max_per_minute {
            return Err(Refusal::TooManyApprovals);
        }
        window.asked += 1;
        Ok(())
    }
}

/// The one key that a request presents. Two different ones are refused: which of them counts would be a guess.
fn presented_key(headers: &HeaderMap) -> Result<&str, Refusal> {
    let api_keys = headers.get_all(API_KEY).iter().map(|value| value.to_str().ok());
    let bearers = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let mut keys = api_keys.chain(bearers);
    let key = keys.next().ok_or(Refusal::NoCredential)?.ok_or(Refusal::UnknownCredential)?;
    match keys.all(|other| other == Some(key)) {
        true => Ok(key),
        false => Err(Refusal::UnknownCredential),
    }
}

/// Whether one of the proxy's own keys, or a person's session, is anywhere in the value of an `Authorization`, in whatever
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
    use http::HeaderValue;

    use super::*;

    fn identities() -> Identities {
        let sha256 =
            |key: &str| Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text = format!(
            "[{{id: a, kind: agent, tenant: t, sha256: {}}},
              {{id: b, kind: standard, may_name_tenant: true, sha256: {}, expires: 2026-01-01T00:00:00Z}}]",
            sha256("oak_agent_a"),
            sha256("oak_live_b")
        );
        Identities::new(&Keys::read("keys.yaml", &text, config::Environment::of(|_| None)).unwrap(), None)
    }

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).fold(
            HeaderMap::new(),
            |mut map, (name, value): (http::HeaderName, _)| {
                map.append(name, value);
                map
            },
        )
    }

    #[test]
    fn credentials() {
        let before_expiry = UnixMillis(1_767_225_599_000);
        let after_expiry = UnixMillis(1_767_225_600_000);
        for (list, now, expected) in [
            (vec![("x-api-key", "oak_agent_a")], after_expiry, Ok("a")),
            (vec![("authorization", "Bearer oak_agent_a")], after_expiry, Ok("a")),
            (
                vec![("authorization", "bearer oak_agent_a"), ("x-api-key", "oak_agent_a")],
                after_expiry,
                Ok("a"),
            ),
            (vec![("x-api-key", "oak_live_b")], before_expiry, Ok("b")),
            (vec![("x-api-key", "oak_live_b")], after_expiry, Err("credential-expired")),
            (vec![], before_expiry, Err("credential-missing")),
            (vec![("x-api-key", "oak_agent_A")], before_expiry, Err("credential-unknown")),
            (vec![("x-api-key", "a")], before_expiry, Err("credential-unknown")),
            (vec![("authorization", "Basic oak_agent_a")], before_expiry, Err("credential-unknown")),
            (
                vec![("authorization", "Bearer oak_live_b"), ("x-api-key", "oak_agent_a")],
                before_expiry,
                Err("credential-unknown"),
            ),
            (
                vec![("x-api-key", "oak_agent_a"), ("x-api-key", "oak_live_b")],
                before_expiry,
                Err("credential-unknown"),
            ),
        ] {
            let found = identities().identify(Auth::ApiKey, &headers(&list), now);
            let found = found.as_ref().map(|identity| identity.caller.id.as_str()).map_err(Refusal::name);
            assert_eq!(found, expected, "{list:?}");
        }
    }

    #[test]
    fn a_tenant_is_believed_only_from_a_key_that_may_name_one() {
        let identities = identities();
        let now = UnixMillis(0);
        for (key, named, expected) in [
            ("oak_agent_a", None, Ok(Some("t"))),
            ("oak_agent_a", Some("other"), Ok(Some("t"))),
            ("oak_live_b", None, Ok(None)),
            ("oak_live_b", Some("other"), Ok(Some("other"))),
        ] {
            let mut map = headers(&[("x-api-key", key)]);
            if let Some(named) = named {
                map.insert(TENANT, HeaderValue::from_static(named));
            }
            let identity = identities.identify(Auth::ApiKey, &map, now).unwrap();
            assert_eq!(identity.tenant(&map).map_err(|refusal| refusal.name()), expected, "{key} {named:?}");
        }
    }

    #[test]
    fn a_key_is_found_in_whatever_scheme() {
        for (value, has) in [
            ("Bearer oak_agent_a", true),
            ("oak_live_a", true),
            ("Bearer\toak_agent_a", true),
            ("Bearer \"oak_session_a\"", true),
            ("Bearer x, Bearer oak_agent_a", true),
            ("Token token=oak_agent_a", true),
            // `u:oak_agent_a`
            ("Basic dTpvYWtfYWdlbnRfYQ==", true),
            ("Bearer eyJhbGciOiJub25lIn0.e30.", false),
            ("Basic dTpw", false),
            ("Bearer oak", false),
        ] {
            assert_eq!(has_key(&HeaderValue::from_str(value).unwrap()), has, "{value}");
        }
    }

    #[test]
    fn approvals_are_limited_per_minute() {
        let load = Load::default();
        assert!(load.ask_approval(UnixMillis(0), 1).is_ok());
        assert!(load.ask_approval(UnixMillis(59_999), 1).is_err());
        assert!(load.ask_approval(UnixMillis(60_000), 1).is_ok());
    }
}
