//! Callers with tokens of an OAuth authorization server: JSON Web Tokens (RFC 7519, RFC 9068) under a key of their issuer.
//!
//! What is pinned by the settings is never taken from a token: issuer, audience, algorithms, where the keys are. A token
//! that was verified is remembered by its SHA-256 until it expires, and is good only as long as the key that it was
//! verified with is one of its issuer's.

mod claims;
mod fetch;
mod jwks;
mod jws;
mod keep;
mod refused;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use config::{JwksPlace, Jwt, Limits};
use moka::Expiry;
use moka::sync::Cache;
use policy::UnixMillis;
use sha2::{Digest, Sha256};

use super::load::Loads;
use super::{Credential, Identity};
use crate::clock;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use claims::Claims;
pub(crate) use jwks::{Key, Keys, NoJwks};
use jws::Jws;
use keep::Asked;
pub(crate) use keep::keep;
pub(crate) use refused::TokenRefused;

/// The issuer whose tokens a listener takes.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) settings: Jwt,
    /// The listener's name.
    listener: String,
    /// Swapped on its own: it has to agree with nothing else that is in force.
    known: ArcSwapOption<Known>,
    verified: Cache<[u8; 32], Arc<Identity>>,
    asked: Asked,
    max_token_bytes: usize,
    loads: Arc<Loads>,
    metrics: Arc<Metrics>,
}

/// The keys that are known.
#[derive(Debug)]
struct Known {
    keys: Keys,
    since: UnixMillis,
}

/// What an identity by a token goes back to.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The key that verified it.
    pub(super) key: Arc<Key>,
    /// Whom it is for.
    audiences: Vec<String>,
}

/// Why there is no key to verify a token with, although the token may be good.
enum Lacking {
    /// No keys are known, or not any more.
    Keys,
    /// This one is not among them.
    Key,
}

impl Issuer {
    pub(crate) fn new(
        settings: Jwt,
        listener: &str,
        limits: &Limits,
        loads: &Arc<Loads>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let verified =
            Cache::builder().max_capacity(limits.max_tokens.into()).expire_after(UntilExpiry).build();
        // Seen from the start: an alert on it must fire where keys never came.
        metrics.tokens.jwks_keys.with_label_values(&[listener]).set(0);
        Self {
            asked: Asked::new(&settings, limits.max_waits_for_keys),
            settings,
            listener: listener.to_owned(),
            known: ArcSwapOption::empty(),
            verified,
            max_token_bytes: usize::try_from(limits.max_token_bytes).unwrap_or(usize::MAX),
            loads: Arc::clone(loads),
            metrics: Arc::clone(metrics),
        }
    }

    /// The caller of a request with a token. `resource` is the URL of what is called, as callers know it.
    pub(super) async fn identify(
        &self,
        token: &str,
        resource: Option<&str>,
        now: UnixMillis,
    ) -> Result<Arc<Identity>, Refusal> {
        let count = |result| self.metrics.tokens.verifications.with_label_values(&[result]).inc();
        let identified = self.identified(token, resource, now).await;
        match &identified {
            Ok((_, result)) => count(*result),
            Err(refusal) => count(refusal.name()),
        }
        identified.map(|(identity, _)| identity)
    }

    async fn identified(
        &self,
        token: &str,
        resource: Option<&str>,
        now: UnixMillis,
    ) -> Result<(Arc<Identity>, &'static str), Refusal> {
        if token.len() > self.max_token_bytes {
            self.metrics.limits_reached.with_label_values(&["max_token_bytes"]).inc();
            return Err(Refusal::Token(TokenRefused::TooLarge));
        }
        let sha256: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let remembered = self.verified.get(&sha256).filter(|identity| identity.is_good(now));
        let (identity, result) = match remembered {
            Some(identity) => (identity, "remembered"),
            None => {
                let identity = self.verify(token, now).await?;
                self.verified.insert(sha256, Arc::clone(&identity));
                (identity, "verified")
            }
        };
        if self.is_for(&identity, resource) {
            Ok((identity, result))
        } else {
            Err(Refusal::Token(TokenRefused::Audience))
        }
    }

    async fn verify(&self, token: &str, now: UnixMillis) -> Result<Arc<Identity>, Refusal> {
        let jws = Jws::parse(token).map_err(Refusal::Token)?;
        if !self.settings.algorithms.contains(&jws.algorithm) {
            return Err(Refusal::Token(TokenRefused::Algorithm));
        }
        let key = match self.key(&jws, now)? {
            Ok(key) => key,
            Err(_lacking) => Box::pin(self.key_asked_for(&jws)).await?,
        };
        if !key.verifies(jws.algorithm, jws.signed, &jws.signature) {
            return Err(Refusal::Token(TokenRefused::Signature));
        }
        let claims = Claims::read(&self.settings, &jws.payload, now)?;
        let load = self.loads.of(&claims.caller.id);
        Ok(Arc::new(Identity {
            caller: claims.caller,
            tenant: claims.tenant,
            may_name_tenant: false,
            expires_unix_seconds: Some(claims.expires_unix_seconds),
            credential: Credential::Token(Token { key, audiences: claims.audiences }),
            load,
        }))
    }

    /// The key that a token says it is signed with, among those that are known.
    fn key(&self, jws: &Jws<'_>, now: UnixMillis) -> Result<Result<Arc<Key>, Lacking>, Refusal> {
        let known = self.known.load();
        let Some(known) = known.as_deref() else { return Ok(Err(Lacking::Keys)) };
        let keys = &known.keys.0;
        let mut named = keys.iter().filter(|key| key.id == jws.key_id);
        let key = match (&jws.key_id, named.next(), named.next()) {
            (Some(_), None, _) => return Ok(Err(Lacking::Key)),
            (Some(_), Some(key), None) => key,
            // One that is not named, or several of one name, would have to be tried.
            (None, _, _) if keys.len() == 1 => keys.first().ok_or(Refusal::Token(TokenRefused::Key))?,
            _ => return Err(Refusal::Token(TokenRefused::Key)),
        };
        if key.check(now).is_err() {
            return Ok(Err(Lacking::Keys));
        }
        if !key.fits(jws.algorithm) {
            return Err(Refusal::Token(TokenRefused::Algorithm));
        }
        Ok(Ok(Arc::clone(key)))
    }

    /// The same, after the keys were fetched anew, as far as they may be.
    async fn key_asked_for(&self, jws: &Jws<'_>) -> Result<Arc<Key>, Refusal> {
        if !self.asked.ask(clock::now()).await {
            self.metrics.limits_reached.with_label_values(&["max_waits_for_keys"]).inc();
            return Err(Refusal::UnverifiableCredential);
        }
        match self.key(jws, clock::now())? {
            Ok(key) => Ok(key),
            Err(Lacking::Key) if self.asked.is_up_to_date() => Err(Refusal::Token(TokenRefused::Key)),
            Err(_) => Err(Refusal::UnverifiableCredential),
        }
    }

    /// Whether a token is for what is called (RFC 8707): for an audience of the settings, or else for its very URL.
    fn is_for(&self, identity: &Identity, resource: Option<&str>) -> bool {
        let Credential::Token(token) = &identity.credential else { return false };
        let audiences = &self.settings.audiences;
        token.audiences.iter().any(|named| match resource {
            _ if !audiences.is_empty() => audiences.contains(named),
            Some(resource) => named == resource || is_same_origin(named, resource),
            None => false,
        })
    }

    /// Puts keys in force; true if one that was known before is gone. A key that was there before is the same key still:
    /// tokens that it verified stay verified.
    pub(crate) fn put(&self, keys: Keys) -> bool {
        let now = clock::now();
        let good_until = match self.settings.jwks {
            JwksPlace::File(_) => u64::MAX,
            JwksPlace::Issuer(_) | JwksPlace::Url(_) => {
                now.0.saturating_add(self.settings.jwks_max_age_seconds.saturating_mul(1000))
            }
        };
        let before = self.known.load_full();
        let before: &[Arc<Key>] = before.as_ref().map_or(&[], |known| &known.keys.0);
        let keys: Vec<Arc<Key>> = keys
            .0
            .into_iter()
            .map(|key| before.iter().find(|earlier| earlier.is_same(&key)).map_or(key, Arc::clone))
            .collect();
        if keys.is_empty() {
            tracing::warn!(listener = self.listener, "no key of the issuer's can verify a token");
        }
        keys.iter().for_each(|key| key.trust_until(good_until));
        let gone: Vec<Arc<Key>> =
            before.iter().filter(|key| !keys.iter().any(|kept| Arc::ptr_eq(kept, key))).cloned().collect();
        self.known.store(Some(Arc::new(Known { keys: Keys(keys), since: now })));
        gone.iter().for_each(|key| key.trust_until(0));
        !gone.is_empty()
    }

    /// Brings the gauges up to date.
    pub(crate) fn measure(&self, now: UnixMillis) {
        let metrics = &self.metrics.tokens;
        let label = &[self.listener.as_str()];
        let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        metrics.remembered.with_label_values(label).set(integer(self.verified.entry_count()));
        if let Some(known) = self.known.load().as_deref() {
            let age_ms = now.0.saturating_sub(known.since.0);
            metrics.jwks_age_seconds.with_label_values(label).set(integer(age_ms / 1000));
            metrics
                .jwks_keys
                .with_label_values(label)
                .set(integer(known.keys.0.len().try_into().unwrap_or(0)));
        }
    }
}

/// A URL without a path, and the same with the slash that it stands for (RFC 3986, section 6.2.3).
fn is_same_origin(named: &str, resource: &str) -> bool {
    let is_origin = resource.split_once("://").is_some_and(|(_, authority)| !authority.contains('/'));
    is_origin && named.strip_suffix('/') == Some(resource)
}

/// Tokens are remembered until they expire.
struct UntilExpiry;

impl Expiry<[u8; 32], Arc<Identity>> for UntilExpiry {
    fn expire_after_create(&self, _: &[u8; 32], identity: &Arc<Identity>, _: Instant) -> Option<Duration> {
        let expires = u64::try_from(identity.expires_unix_seconds?).unwrap_or(0);
        Some(Duration::from_secs(expires.saturating_sub(clock::now().seconds())))
    }
}

#[cfg(test)]
mod tests;
