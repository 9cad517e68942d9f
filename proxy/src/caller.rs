//! Who is calling: from a credential to an identity. The credential itself goes no further than this.

mod certificate;
mod issuers;
mod jwt;
mod key;
mod load;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use config::{Auth, Keys};
use http::HeaderMap;
use policy::{Caller, CallerKind, UnixMillis};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::connection::Peer;
use crate::refusal::Refusal;
use crate::tls::{ByListener, PeerCertificate};
pub(crate) use issuers::{Issuers, JwksFileError, Loaded, jwks_file};
use jwt::Token;
pub(crate) use jwt::{Issuer, TokenRefused};
pub(crate) use key::has_key;
use key::{Presented, is_own_key, presented};
pub(crate) use load::{Load, Loads};

/// Header in which some callers may name their tenant.
pub(crate) const TENANT: &str = "oakgate-tenant";
/// A tenant's name is no longer than this.
const TENANT_MAX_BYTES: usize = 256;

/// Every caller that the proxy knows.
#[derive(Debug)]
pub(crate) struct Identities {
    by_sha256: HashMap<[u8; 32], Arc<Identity>>,
    anonymous: Arc<Identity>,
    /// Of callers that no file lists.
    loads: Arc<Loads>,
}

/// One caller.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) caller: Caller,
    tenant: Option<String>,
    may_name_tenant: bool,
    expires_unix_seconds: Option<i64>,
    credential: Credential,
    pub(crate) load: Arc<Load>,
}

/// What an identity was known by.
#[derive(Clone, Debug)]
enum Credential {
    /// Nothing: the listener asks for nothing.
    None,
    /// The SHA-256 of an API key.
    Key([u8; 32]),
    /// A client certificate.
    Certificate(Arc<PeerCertificate>),
    /// A token of an issuer.
    Token(Token),
}

/// Whose tokens are taken, and for which resource: the URL of what is called, if the settings say how callers reach it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audience<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) resource: Option<&'a str>,
}

impl Identities {
    /// Knows the callers of a keys file. Keys of one id are one caller, with one set of counts; one that `before` knew keeps
    /// its counts.
    pub(crate) fn new(keys: &Keys, before: Option<&Self>) -> Self {
        let mut loads: HashMap<&str, Arc<Load>> = before
            .iter()
            .flat_map(|before| before.by_sha256.values())
            .map(|identity| (identity.caller.id.as_str(), Arc::clone(&identity.load)))
            .collect();
        let by_sha256 = keys.iter().map(|(sha256, key)| {
            let identity = Identity {
                caller: Caller { id: key.id.clone(), kind: key.kind.into(), claims: serde_json::Map::new() },
                tenant: key.tenant.clone(),
                may_name_tenant: key.may_name_tenant,
                expires_unix_seconds: key.expires_unix_seconds,
                credential: Credential::Key(*sha256),
                load: Arc::clone(loads.entry(key.id.as_str()).or_default()),
            };
            (*sha256, Arc::new(identity))
        });
        let anonymous = before.map_or_else(Identity::anonymous, |before| Arc::clone(&before.anonymous));
        let loads = before.map_or_else(Arc::default, |before| Arc::clone(&before.loads));
        Self { by_sha256: by_sha256.collect(), anonymous, loads }
    }

    /// The caller of a request. Each credential that it presents must be good; the one in its head counts. Only a token may
    /// have to wait: for its issuer's keys.
    pub(crate) async fn identify(
        &self,
        auth: &Auth,
        audience: Option<Audience<'_>>,
        headers: &HeaderMap,
        peer: &Peer,
        now: UnixMillis,
    ) -> Result<Arc<Identity>, Refusal> {
        if auth.is_none() {
            return Ok(Arc::clone(&self.anonymous));
        }
        let by_certificate = peer.caller()?;
        let looks_into_head = auth.api_key || auth.jwt.is_some();
        let presented = if looks_into_head { presented(headers) } else { Err(Refusal::NoCredential) };
        let presented = match (presented, by_certificate) {
            (Err(Refusal::NoCredential), Some(identity)) => return Ok(Arc::clone(identity)),
            (presented, _) => presented?,
        };
        match (presented, audience) {
            (Presented::Bearer(token), Some(Audience { issuer, resource })) if !is_own_key(token) => {
                issuer.identify(token, resource, now).await
            }
            (Presented::Key(key) | Presented::Bearer(key), _) if auth.api_key => self.by_key(key, now),
            _ => Err(Refusal::UnknownCredential),
        }
    }

    fn by_key(&self, key: &str, now: UnixMillis) -> Result<Arc<Identity>, Refusal> {
        if !is_own_key(key) {
            return Err(Refusal::UnknownCredential);
        }
        let sha256: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let (known, identity) = self.by_sha256.get_key_value(&sha256).ok_or(Refusal::UnknownCredential)?;
        if !bool::from(known.ct_eq(&sha256)) {
            return Err(Refusal::UnknownCredential);
        }
        identity.check_expiry(now)?;
        Ok(Arc::clone(identity))
    }

    /// A caller that was identified earlier, as its credential makes it known now. A call that was held for long, or a
    /// stream that is open for long, may be that of a credential that was taken away meanwhile.
    pub(crate) fn again(
        &self,
        earlier: &Arc<Identity>,
        peer: &Peer,
        tls: &ByListener,
        now: UnixMillis,
    ) -> Result<Arc<Identity>, Refusal> {
        // A certificate may be a condition beside another credential.
        peer.check(tls, now)?;
        let identity = match &earlier.credential {
            Credential::None => Arc::clone(earlier),
            Credential::Key(sha256) => {
                Arc::clone(self.by_sha256.get(sha256).ok_or(Refusal::UnknownCredential)?)
            }
            Credential::Certificate(certificate) => {
                certificate.check(tls, now)?;
                Arc::clone(earlier)
            }
            Credential::Token(token) => {
                token.key.check(now)?;
                Arc::clone(earlier)
            }
        };
        identity.check_expiry(now)?;
        let is_same = identity.caller.id == earlier.caller.id
            && identity.tenant == earlier.tenant
            && identity.may_name_tenant == earlier.may_name_tenant;
        if is_same { Ok(identity) } else { Err(Refusal::UnknownCredential) }
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
            credential: Credential::None,
            load: Arc::default(),
        })
    }

    /// Whether a token's identity can be used as it is.
    fn is_good(&self, now: UnixMillis) -> bool {
        let Credential::Token(token) = &self.credential else { return false };
        token.key.check(now).is_ok() && self.check_expiry(now).is_ok()
    }

    /// How long it is good at most.
    pub(crate) fn expires_in(&self, now: UnixMillis) -> Option<Duration> {
        let expires = u64::try_from(self.expires_unix_seconds?).unwrap_or(0);
        Some(Duration::from_millis(expires.saturating_mul(1000).saturating_sub(now.0)))
    }

    fn check_expiry(&self, now: UnixMillis) -> Result<(), Refusal> {
        let now_seconds = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        match self.expires_unix_seconds {
            Some(expires) if expires <= now_seconds => Err(Refusal::ExpiredCredential),
            _ => Ok(()),
        }
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

#[cfg(test)]
mod tests;
