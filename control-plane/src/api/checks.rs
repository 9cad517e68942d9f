//! The verdict on a call that is not made through a proxy, or not yet, with a receipt of it.
//!
//! It is what a proxy would find for the same call. What the call's arguments must be is not asked here, as a proxy asks
//! that only before it asks a person; and what a backend shows of a tool is known to proxies alone.

mod question;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use policy::{Level, Permission, UnixMillis, Verdict, decide};
use receipt::{Coordinates, Use, args_sha256};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::Asked;
use super::moment::Moment;
use super::session::actor;
use super::{Api, Problem};
use crate::clock;
use crate::policies::{CHECKED, MINTED};
use crate::receipts::{Signed, Statement};
use crate::store::{Activity, Record};
use question::Question;
pub(super) use question::{CheckBody, arguments};

/// The `use` of a receipt that lets a call run.
const GRANT: &str = "grant";

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Check)]
pub(super) struct CheckDocument {
    /// `allowed`, `requires_approval` or `disabled`.
    permission: &'static str,
    /// The level of the cascade that decided.
    level: &'static str,
    /// The rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// It would be `allowed`, but nobody has accepted the tool yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clamped: bool,
    /// The rules whose condition could not be evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
    /// The revision of the policy that decided.
    policy: u64,
    /// What the rule says to the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// JWS in compact form.
    receipt: String,
    /// What the receipt is good for: `grant`, one run of this very call; `verdict`, evidence.
    r#use: &'static str,
    #[schema(inline)]
    expires_at: Moment,
    /// The receipt's nonce.
    jti: String,
}

/// What the record of a check says beside the rest.
#[derive(Serialize)]
struct Details<'a> {
    backend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clamped: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<&'a str>,
    policy: u64,
    jti: String,
    args_sha256: String,
}

/// The questions about calls.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(check)).routes(routes!(mint))
}

/// Decides on a call, and signs a receipt of that.
#[utoipa::path(post, path = "/v1/permissions/check", tag = "calls", security(("standard" = []), ("agent" = [])),
    request_body = CheckBody, responses((status = 200, description = "The verdict.", body = CheckDocument)))]
async fn check(State(api): State<Api>, asked: Asked<CheckBody>) -> Result<Json<CheckDocument>, Problem> {
    Ok(Json(decided(&api, asked, CHECKED).await?))
}

/// Mints the grant of a call, if the call is allowed. Each request gives another one, also with the same
/// `Idempotency-Key`.
#[utoipa::path(post, path = "/v1/tokens/mint", tag = "calls", security(("standard" = []), ("agent" = [])),
    request_body = CheckBody, responses((status = 201, description = "The call is allowed; here is its grant.", body = CheckDocument)))]
async fn mint(
    State(api): State<Api>,
    asked: Asked<CheckBody>,
) -> Result<(StatusCode, Json<CheckDocument>), Problem> {
    let document = decided(&api, asked, MINTED).await?;
    if document.r#use == GRANT {
        Ok((StatusCode::CREATED, Json(document)))
    } else {
        Err(Problem::NotAllowed(Some(Box::new(document))))
    }
}

/// Decides, signs a receipt of what was found, and records it as that action.
async fn decided(api: &Api, asked: Asked<CheckBody>, action: &'static str) -> Result<CheckDocument, Problem> {
    let Asked { holder, revision, origin, body } = asked;
    let actor = actor(&holder);
    let question = Question::read(body, holder)?;
    let snapshot = api.policies.at_least(&actor.org, revision).await?.ok_or(Problem::NoPolicy)?;
    let receipts = api.receipts.as_ref().ok_or(Problem::ReceiptsOff)?;
    let call = question.call();
    let now = clock::now();
    let decision = decide(&snapshot, &call, None, now);
    let verdict = decision.verdict();
    // Where verdicts are only observed, a proxy would forward the call all the same; that is no leave to run it.
    let use_ = if verdict.permission == Permission::Allowed { Use::Grant } else { Use::Verdict };
    let args_sha256 = args_sha256(call.arguments).map_err(|_| Problem::ArgsUnexpected)?;
    let statement = Statement {
        use_,
        audience: call.backend,
        caller: &actor.id,
        coordinates: Coordinates {
            org: Some(&actor.org),
            tenant: call.tenant,
            resource: call.resource,
            tool: Some(call.tool),
            method: call.method,
        },
        verdict,
        approval: None,
        args_sha256,
    };
    let signed = receipts.sign(&statement, now).map_err(|error| {
        tracing::error!(%error, "a receipt could not be signed");
        Problem::ReceiptFailed
    })?;
    let details = Details {
        backend: call.backend,
        resource: call.resource,
        method: call.method,
        level: verdict.level,
        rule: verdict.rule.as_deref(),
        clamped: verdict.clamped,
        faults: verdict.faults.iter().map(AsRef::as_ref).collect(),
        policy: verdict.revision,
        jti: signed.jti.to_string(),
        args_sha256: args_sha256.to_string(),
    };
    let record = Record {
        tenant: call.tenant.map(str::to_owned),
        permission: Some(verdict.permission.as_str()),
        details: Some(serde_json::to_value(&details).map_err(|_| Problem::StoreFailed)?),
        ..Record::of(action, call.tool)
    };
    api.recorder.record(Activity { at: now, actor, origin, record }).await?;
    api.metrics.checked(verdict.permission.as_str());
    Ok(CheckDocument::of(verdict, use_, signed))
}

impl CheckDocument {
    fn of(verdict: &Verdict, use_: Use, signed: Signed) -> Self {
        Self {
            permission: verdict.permission.as_str(),
            level: verdict.level.as_str(),
            rule: verdict.rule.as_deref().map(str::to_owned),
            clamped: verdict.clamped,
            faults: verdict.faults.iter().map(ToString::to_string).collect(),
            policy: verdict.revision,
            reason: verdict.reason.as_deref().map(str::to_owned),
            receipt: signed.token,
            r#use: if use_ == Use::Grant { GRANT } else { "verdict" },
            expires_at: Moment(UnixMillis(signed.expires_at_seconds.saturating_mul(1000))),
            jti: signed.jti.to_string(),
        }
    }
}
