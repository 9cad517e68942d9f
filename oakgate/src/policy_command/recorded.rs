//! What a candidate for the policy would make of the calls that the control plane has recorded.

use serde_json::Value;
use ureq::http::Method;

use crate::api::{Api, ApiError, Body};
use crate::terminal::{say, visible};

/// Asks the control plane, and prints what it says.
pub(super) fn show(api: &Api, candidate: &str) -> Result<(), ApiError> {
    print(&api.write(&Method::POST, "/v1/policy/diff", Body::Yaml(candidate), None)?.json()?)
}

/// Prints what a comparison by the control plane says of them.
pub(super) fn print(answer: &Value) -> Result<(), ApiError> {
    let lines = answer.pointer("/recorded/lines").and_then(Value::as_array).ok_or(ApiError::Unreadable)?;
    lines.iter().filter_map(Value::as_str).map(visible).for_each(say);
    Ok(())
}
