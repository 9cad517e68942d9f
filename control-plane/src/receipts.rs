//! The receipts that a control plane signs, as `receipts.md` of the contract has them.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use policy::{Permission, UnixMillis, Verdict};
use prometheus::{IntCounterVec, Opts};
use receipt::{Claims, Coordinates, Digest, KeySet, KeySetError, Nonce, Use};
use zeroize::Zeroizing;

/// What signs and verifies receipts. Every clone has the same keys, which can be exchanged while it is used.
#[derive(Clone, Debug)]
pub struct Receipts {
    issuer: Arc<str>,
    ttl_seconds: u64,
    keys: Arc<ArcSwap<Loaded>>,
    loads: IntCounterVec,
}

/// Keys as they were read.
#[derive(Debug)]
struct Loaded {
    set: Arc<KeySet>,
    jwks: Arc<Zeroizing<String>>,
}

/// Keys with which no control plane can work.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptKeysError {
    /// It is no key set.
    #[error(transparent)]
    Unreadable(#[from] KeySetError),
    /// None of them signs.
    #[error("no key in it signs: one needs `\"state\": \"signing\"` and its secret part")]
    NoSigner,
    /// The metric of the loads could not be made.
    #[error("the metric of the loads could not be made: {0}")]
    Metric(#[from] prometheus::Error),
}

/// What a receipt says that is not the same in every receipt of this control plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) use_: Use,
    /// The backend that it is for.
    pub(crate) audience: &'a str,
    /// The caller's id.
    pub(crate) caller: &'a str,
    pub(crate) coordinates: Coordinates<'a>,
    pub(crate) verdict: &'a Verdict,
    /// The reference of the approval that lets the call through, if one does.
    pub(crate) approval: Option<&'a str>,
    pub(crate) args_sha256: Digest,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// JWS in compact form.
    pub(crate) token: String,
    pub(crate) jti: Nonce,
    /// Unix time.
    pub(crate) expires_at_seconds: u64,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// Its claims are longer than any verifier takes.
    #[error(transparent)]
    TooLong(#[from] receipt::ClaimsTooLong),
    /// The system gave no random bits.
    #[error("no random bits: {0}")]
    Entropy(#[from] getrandom::Error),
    /// No key signs.
    #[error("no key signs")]
    NoSigner,
}

impl Receipts {
    /// Receipts of that issuer, each good for so long, signed with the signing key of a JWK set. The caller wipes `jwks`.
    ///
    /// # Errors
    /// [`ReceiptKeysError`]
    pub fn new(issuer: &str, ttl_seconds: u64, jwks: &[u8]) -> Result<Self, ReceiptKeysError> {
        let loads = IntCounterVec::new(
            Opts::new("oakgate_control_receipt_key_loads_total", "Loads of the receipt keys."),
            &["result"],
        )?;
        let keys = Arc::new(ArcSwap::from_pointee(read(jwks)?));
        loads.with_label_values(&["loaded"]).inc();
        loads.with_label_values(&["refused"]).inc_by(0);
        Ok(Self { issuer: issuer.into(), ttl_seconds, keys, loads })
    }

    /// Works with these keys from now on. After a mistake the ones before stay.
    ///
    /// # Errors
    /// [`ReceiptKeysError`]
    pub fn replace_keys(&self, jwks: &[u8]) -> Result<(), ReceiptKeysError> {
        let keys = read(jwks).inspect_err(|_| self.count_refused())?;
        self.keys.store(Arc::new(keys));
        self.loads.with_label_values(&["loaded"]).inc();
        Ok(())
    }

    /// Counts keys that could not even be read.
    pub fn count_refused(&self) {
        self.loads.with_label_values(&["refused"]).inc();
    }

    /// The keys in use now.
    pub(crate) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.load().set)
    }

    /// Their text, with its secret parts. It is another one after each load.
    pub(crate) fn jwks(&self) -> Arc<Zeroizing<String>> {
        Arc::clone(&self.keys.load().jwks)
    }

    /// A new receipt.
    pub(crate) fn sign(&self, statement: &Statement<'_>, now: UnixMillis) -> Result<Signed, SignError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let jti = Nonce(nonce);
        let iat = now.seconds();
        let expires_at_seconds = iat.saturating_add(self.ttl_seconds);
        let Coordinates { org, tenant, resource, tool, method } = statement.coordinates;
        let verdict = statement.verdict;
        let claims = Claims {
            use_: statement.use_,
            iss: Cow::Borrowed(&self.issuer),
            aud: Cow::Borrowed(statement.audience),
            sub: Cow::Borrowed(statement.caller),
            org: org.map(Cow::Borrowed),
            tenant: tenant.map(Cow::Borrowed),
            resource: resource.map(Cow::Borrowed),
            tool: tool.map(Cow::Borrowed),
            method: method.map(Cow::Borrowed),
            verdict: signed(verdict.permission),
            level: Some(Cow::Borrowed(verdict.level.as_str())),
            rule: verdict.rule.as_deref().map(Cow::Borrowed),
            policy: verdict.revision,
            observed: false,
            approval: statement.approval.map(Cow::Borrowed),
            body_sha256: None,
            args_sha256: Some(statement.args_sha256),
            iat,
            exp: expires_at_seconds,
            jti,
        };
        let keys = self.keys.load();
        let token = keys.set.signer().ok_or(SignError::NoSigner)?.sign(&claims)?;
        Ok(Signed { token, jti, expires_at_seconds })
    }

    /// What counts the loads of the keys.
    pub(crate) const fn loads(&self) -> &IntCounterVec {
        &self.loads
    }
}

fn read(jwks: &[u8]) -> Result<Loaded, ReceiptKeysError> {
    let set = KeySet::from_jwks(jwks)?;
    if set.signer().is_none() {
        return Err(ReceiptKeysError::NoSigner);
    }
    // JSON that was read is UTF-8.
    let jwks = Zeroizing::new(String::from_utf8_lossy(jwks).into_owned());
    Ok(Loaded { set: Arc::new(set), jwks: Arc::new(jwks) })
}

const fn signed(permission: Permission) -> receipt::Verdict {
    match permission {
        Permission::Allowed => receipt::Verdict::Allowed,
        Permission::RequiresApproval => receipt::Verdict::RequiresApproval,
        Permission::Disabled => receipt::Verdict::Disabled,
    }
}
