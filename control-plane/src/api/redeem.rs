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
use super::write::{Done, Run, Write};
use super::{Api, Problem};
use crate::clock;
use crate::nonces::Burned;
use crate::store::{Activity, Holder, Record, Tier};

/// A receipt, and the call that it came with. Members that are left out are not compared.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedeemBody {
    /// As it came in `Oakgate-Receipt`.
    receipt: Option<String>,
    /// The backend that was called: `aud`.
    backend: Name,
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
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    body_sha256: Option<Digest>,
}

/// `grant`: it came from a permission check. `stamp`: a proxy set it on what it forwarded.
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
    let now = clock::now();
    let (actor, origin) = (write.actor.clone(), write.origin.clone());
    match burn(&api, write, &holder, &body, now).await? {
        Ok(response) => {
            api.metrics.redemption("redeemed");
            Ok(response)
        }
        Err(refusal) => {
            let details = json!({"reason": refusal.name()});
            let record =
                Record { details: Some(details), ..Record::of("receipt.refuse", body.backend.as_str()) };
            api.recorder.record(Activity { at: now, actor, origin, record }).await?;
            api.metrics.redemption(refusal.name());
            Err(Problem::ReceiptRefused(RefusedReceipt(refusal)))
        }
    }
}

/// Burns the nonce of a receipt that is good for the call.
async fn burn(
    api: &Api,
    write: Write,
    holder: &Holder,
    body: &RedeemBody,
    now: UnixMillis,
) -> Result<Result<Response, Refusal>, Problem> {
    let keys = api.receipts.as_ref().ok_or(Problem::ReceiptsOff)?.keys();
    let claims = match verify(&keys, holder, body, now) {
        Ok(claims) => claims,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // From then on the receipt is refused by its age.
    let end = UnixMillis(claims.exp.saturating_mul(1000));
    // Redis is asked before the transaction begins: while it hangs, others can write.
    let shared = api.nonces.burn(&holder.org, &claims.jti, end, now).await;
    if shared.inspect_err(|_| api.metrics.redemption("unavailable"))? == Burned::Before {
        return Ok(Err(Refusal::Replayed));
    }
    let mut edit = match write.once().begin(api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(Ok(repeated)),
    };
    if edit.burn(&claims.jti, end).await? == Burned::Before {
        return Ok(Err(Refusal::Replayed));
    }
    edit.open_execution(&claims).await?;
    let done = Done::json(StatusCode::OK, &RedeemedDocument { claims: &claims })?;
    Ok(Ok(done.commit(edit, &redeemed_record(&claims)).await?.into_response()))
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
        Tier::Management | Tier::Standard | Tier::Proxy => None,
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

fn redeemed_record(claims: &Claims<'_>) -> Record {
    let details =
        json!({"backend": claims.aud, "tool": claims.tool, "caller": claims.sub, "use": claims.use_});
    Record {
        tenant: claims.tenant.as_deref().map(str::to_owned),
        details: Some(details),
        ..Record::of("receipt.redeem", &claims.jti.to_string())
    }
}
