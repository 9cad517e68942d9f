//! Redeeming receipts: a backend shows what came with a call, and learns whether the call may run, once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use policy::UnixMillis;
use receipt::{Claims, Digest, Expected, KeySet, Refusal, Use};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::name::Name;
use super::problem::RefusedReceipt;
use super::write::{Done, Run};
use super::{Api, Problem};
use crate::clock;
use crate::nonces::Burned;
use crate::store::{Holder, Record, Tier};

/// A receipt, and the call that it came with. Members that are left out are not compared.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedeemBody {
    /// As it came in `Oakgate-Receipt`.
    receipt: Option<String>,
    /// The backend that was called: `aud`.
    backend: Name,
    /// `grant`: it came from a permission check. `stamp`: a proxy set it on what it forwarded.
    #[serde(rename = "use", default)]
    #[schema(inline)]
    use_: UseName,
    /// Who called: `sub`. An agent's key redeems its own receipts only.
    caller: Option<String>,
    tool: Option<String>,
    tenant: Option<String>,
    resource: Option<String>,
    method: Option<String>,
    /// The tool's arguments, compared with `args_sha256`.
    #[schema(value_type = Option<Object>)]
    args: Option<Box<RawValue>>,
    /// Base64url SHA-256 of the body as it came.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]{43}$")]
    body_sha256: Option<Digest>,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UseName {
    #[default]
    Grant,
    Stamp,
}

/// A receipt that is redeemed now, and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = Redeemed)]
pub(super) struct RedeemedDocument<'a> {
    /// The claims of the receipt.
    #[schema(value_type = Object)]
    claims: &'a Claims<'a>,
}

/// Redeems a receipt: verifies it, and burns its nonce. Of all requests with one receipt a single one succeeds, so
/// `Idempotency-Key` has no effect here: a repeated request is refused as `replayed`. A receipt that is refused for
/// another reason is not burned.
#[utoipa::path(post, path = "/v1/receipts/redeem", tag = "receipts", security(("standard" = []), ("agent" = [])),
    request_body = RedeemBody,
    responses((status = 200, description = "The call may run, this once.", body = RedeemedDocument)))]
pub(super) async fn redeem(
    State(api): State<Api>,
    Run { write, holder, body }: Run<RedeemBody>,
) -> Result<Response, Problem> {
    let keys = api.receipts.as_ref().ok_or(Problem::ReceiptsOff)?.keys();
    let now = clock::now();
    let verified = verify(&keys, &holder, &body, now);
    // Redis is asked before the transaction begins: while it hangs, others can write.
    let shared = match &verified {
        Ok(claims) => {
            let burned = api.nonces.burn(&holder.org, &claims.jti, end(claims), now).await;
            burned.inspect_err(|_| api.metrics.redemption("unavailable"))?
        }
        Err(_) => Burned::Before,
    };
    let mut edit = match write.once().begin(&api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    let redeemed = match (verified, shared) {
        (Err(refusal), _) => Err(refusal),
        (Ok(_), Burned::Before) => Err(Refusal::Replayed),
        (Ok(claims), Burned::Now) => match edit.burn(&claims.jti, end(&claims)).await? {
            Burned::Before => Err(Refusal::Replayed),
            Burned::Now => Ok(claims),
        },
    };
    match redeemed {
        Ok(claims) => {
            edit.open_execution(&claims).await?;
            let document = RedeemedDocument { claims: &claims };
            let done = Done::json(StatusCode::OK, &document)?.commit(edit, &redeemed_record(&claims)).await?;
            api.metrics.redemption("redeemed");
            Ok(done.into_response())
        }
        Err(refusal) => {
            let details = json!({"reason": refusal.name()});
            let record =
                Record { details: Some(details), ..Record::of("receipt.refuse", body.backend.as_str()) };
            Done::empty().commit(edit, &record).await?;
            api.metrics.redemption(refusal.name());
            Err(Problem::ReceiptRefused(RefusedReceipt(refusal)))
        }
    }
}

/// The claims, if the receipt is good for the call. Its nonce is not looked at.
fn verify(
    keys: &KeySet,
    holder: &Holder,
    body: &RedeemBody,
    now: UnixMillis,
) -> Result<Claims<'static>, Refusal> {
    let token = body.receipt.as_deref().ok_or(Refusal::Missing)?;
    let caller = match holder.tier {
        Tier::Agent => Some(holder.id.as_str()),
        Tier::Management | Tier::Standard => None,
    };
    let expected = Expected {
        audience: Some(body.backend.as_str()),
        caller,
        use_: Some(match body.use_ {
            UseName::Grant => Use::Grant,
            UseName::Stamp => Use::Stamp,
        }),
        coordinates: None,
        body: None,
        args: body.args.as_deref().map(RawValue::get),
    };
    let claims = receipt::verify(keys, token, &expected, now.seconds())?;
    if body.caller.as_ref().is_some_and(|caller| *caller != claims.sub) {
        return Err(Refusal::WrongCaller);
    }
    let claimed = claims.coordinates();
    let is_same = |said: &Option<String>, claimed: Option<&str>| {
        said.as_deref().is_none_or(|said| claimed == Some(said))
    };
    let is_this_call = claimed.org == Some(&holder.org)
        && is_same(&body.tool, claimed.tool)
        && is_same(&body.tenant, claimed.tenant)
        && is_same(&body.resource, claimed.resource)
        && is_same(&body.method, claimed.method)
        && body.body_sha256.is_none_or(|digest| claims.body_sha256 == Some(digest));
    let names = [Some(claims.sub.as_ref()), claimed.tool, claimed.tenant, claimed.resource, claimed.method];
    match is_this_call {
        false => Err(Refusal::WrongCall),
        // No database takes them, so such a call could not be recorded.
        true if names.into_iter().flatten().any(|name| name.contains('\0')) => Err(Refusal::Malformed),
        true => Ok(claims),
    }
}

/// From then on a receipt is refused by its age.
const fn end(claims: &Claims<'_>) -> UnixMillis {
    UnixMillis(claims.exp.saturating_mul(1000))
}

fn redeemed_record(claims: &Claims<'_>) -> Record {
    let details =
        json!({"backend": claims.aud, "tool": claims.tool, "caller": claims.sub, "use": claims.use_});
    Record {
        tenant: claims.tenant.as_deref().map(str::to_owned),
        details: Some(details),
        ..Record::of("receipt.redeem", &claims.jti.to_string())
    }
}
