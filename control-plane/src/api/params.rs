//! Whether a tool would take some arguments, by the schema that the policy has of it.

use axum::Json;
use axum::extract::State;
use receipt::args_sha256;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::asked::Asked;
use super::checks::arguments;
use super::{Api, Problem};

/// Arguments that somebody wants to call a tool with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ValidateBody {
    tool: String,
    /// `{}` if there are none.
    #[schema(value_type = Option<Object>)]
    args: Option<Box<RawValue>>,
}

/// What is wrong with them.
#[derive(Serialize, ToSchema)]
#[schema(as = Validation)]
pub(super) struct ValidationDocument {
    valid: bool,
    /// Whether the policy has a schema of the tool's arguments. Where it has none, all are valid.
    checked: bool,
    /// What is expected at which place; never what was there. Empty where looking for it would take too long.
    errors: Vec<WrongPlaceDocument>,
    /// There are more than these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

/// A place where something else is expected.
#[derive(Serialize, ToSchema)]
#[schema(as = WrongPlace)]
struct WrongPlaceDocument {
    /// JSON pointer (RFC 6901); empty for the arguments themselves.
    path: String,
    message: String,
}

/// Holds arguments against the tool's input schema in the policy in force. Runs nothing, and is not recorded.
#[utoipa::path(post, path = "/v1/params/validate", tag = "calls", security(("standard" = []), ("agent" = [])),
    request_body = ValidateBody, responses((status = 200, description = "What is wrong, if anything is.", body = ValidationDocument)))]
pub(super) async fn validate(
    State(api): State<Api>,
    Asked { holder, revision, body, .. }: Asked<ValidateBody>,
) -> Result<Json<ValidationDocument>, Problem> {
    let args = arguments(body.args.as_deref());
    // Nothing is valid that could not be checked: a receipt needs the arguments in their canonical form.
    if !args.starts_with('{') || args_sha256(args).is_err() {
        return Err(Problem::ArgsUnexpected);
    }
    let snapshot = api.policies.at_least(&holder.org, revision).await?.ok_or(Problem::NoPolicy)?;
    let tool = snapshot.tool(&body.tool).ok_or(Problem::ToolUnknown)?;
    let Some(schema) = tool.input_schema() else {
        return Ok(Json(ValidationDocument { valid: true, checked: false, errors: Vec::new(), more: false }));
    };
    let (valid, places, more) = match schema.check(args) {
        Ok(()) => (true, Vec::new(), false),
        Err(wrong) => (false, wrong.places, wrong.more),
    };
    let errors =
        places.into_iter().map(|place| WrongPlaceDocument { path: place.pointer, message: place.expected });
    Ok(Json(ValidationDocument { valid, checked: true, errors: errors.collect(), more }))
}
