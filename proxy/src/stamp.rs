//! The receipt on what is forwarded, as `receipts.md` has it.

use std::borrow::Cow;

use http::HeaderValue;
use policy::{Call, Permission, Permit, Verdict};
use receipt::{Claims, Nonce, Use, args_sha256, body_sha256};

use crate::refusal::Refusal;
use crate::state::{InForce, Shared};

/// Signs the receipt of one call. It carries what was decided, and the digest of the very bytes that are forwarded.
pub(crate) fn stamp(
    shared: &Shared,
    in_force: &InForce,
    org: &str,
    (call, permit): (&Call<'_>, &Permit),
    body: &[u8],
    nonce: [u8; 16],
) -> Result<HeaderValue, Refusal> {
    let settings = &shared.settings;
    let verdict: &Verdict = permit.verdict();
    let canonical = settings.receipts.canonical_arguments.then(|| args_sha256(call.arguments));
    let iat = crate::clock::now().seconds();
    let claims = Claims {
        use_: Use::Stamp,
        iss: Cow::Borrowed(&settings.name),
        aud: Cow::Borrowed(call.backend),
        sub: Cow::Borrowed(&call.caller.id),
        org: Some(Cow::Borrowed(org)),
        tenant: call.tenant.map(Cow::Borrowed),
        resource: call.resource.map(Cow::Borrowed),
        tool: Some(Cow::Borrowed(call.tool)),
        method: call.method.map(Cow::Borrowed),
        verdict: signed(verdict.permission),
        level: Some(Cow::Borrowed(verdict.level.as_str())),
        rule: verdict.rule.as_deref().map(Cow::Borrowed),
        policy: verdict.revision,
        observed: permit.observed(),
        approval: permit.approval().map(|reference| Cow::Borrowed(reference.as_str())),
        body_sha256: Some(body_sha256(body)),
        args_sha256: canonical.transpose().map_err(|_| Refusal::ReceiptFailed)?,
        iat,
        exp: iat.saturating_add(settings.receipts.ttl_seconds),
        jti: Nonce(nonce),
    };
    let keys = in_force.receipt_keys.as_ref();
    let signer = keys.and_then(|keys| keys.signer()).ok_or(Refusal::ReceiptFailed)?;
    let token = signer.sign(&claims).map_err(|_| Refusal::ReceiptFailed)?;
    shared.metrics.receipts.inc();
    HeaderValue::from_str(&token).map_err(|_| Refusal::ReceiptFailed)
}

const fn signed(permission: Permission) -> receipt::Verdict {
    match permission {
        Permission::Allowed => receipt::Verdict::Allowed,
        Permission::RequiresApproval => receipt::Verdict::RequiresApproval,
        Permission::Disabled => receipt::Verdict::Disabled,
    }
}
