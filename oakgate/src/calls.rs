//! `oakgate permissions check`, `tokens mint` and `params validate`: questions of a program or an agent about one call.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::Method;

use crate::api::{Api, ApiError, Body, text_of};
use crate::cli::{CallOptions, ValidateOptions};
use crate::exit::{Done, Failure};
use crate::input;
use crate::table;
use crate::terminal::{complain, say, visible};

/// A call, as the API takes it.
#[derive(Serialize)]
struct Call<'a> {
    backend: &'a str,
    tool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
}

/// Arguments of a tool, as the API takes them.
#[derive(Serialize)]
struct Arguments<'a> {
    tool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
}

pub(crate) fn check(options: &CallOptions) -> Done {
    let answer = ask(&Api::runner(&options.runner)?, "/v1/permissions/check", &call(options)?)?;
    let is_allowed = is_allowed(&answer)?;
    show(options, &answer, true);
    if is_allowed { Ok(()) } else { Err(Failure::No) }
}

pub(crate) fn mint(options: &CallOptions) -> Done {
    match ask(&Api::runner(&options.runner)?, "/v1/tokens/mint", &call(options)?) {
        Ok(answer) => {
            show(options, &answer, is_allowed(&answer)?);
            Ok(())
        }
        Err(error) => {
            let Some(verdict) = error.verdict() else { return Err(error.into()) };
            // Its receipt is evidence and no token, so it is shown only with the rest.
            show(options, verdict, false);
            Err(Failure::No)
        }
    }
}

pub(crate) fn validate(options: &ValidateOptions) -> Done {
    let arguments = Arguments { tool: &options.tool, args: input::arguments(&options.arguments)? };
    let body = json(&arguments)?;
    let answer = ask(&Api::runner(&options.runner)?, "/v1/params/validate", &body)?;
    let is = |member: &str| answer.get(member).and_then(Value::as_bool);
    let (Some(is_valid), Some(is_checked)) = (is("valid"), is("checked")) else {
        return Err(ApiError::Unreadable.into());
    };
    if options.json {
        table::show_one(&answer, true);
    } else if is_valid {
        let unchecked = ": the policy has no schema of this tool's arguments, so nothing was looked at";
        say(format!("valid{}", if is_checked { "" } else { unchecked }));
    } else {
        show_errors(&answer);
    }
    if is_valid { Ok(()) } else { Err(Failure::No) }
}

/// The call that is asked about.
fn call(options: &CallOptions) -> Result<String, Failure> {
    json(&Call {
        backend: &options.backend,
        tool: &options.tool,
        tenant: options.tenant.as_deref(),
        resource: options.resource.as_deref(),
        method: options.method.as_deref(),
        args: input::arguments(&options.arguments)?,
        reasoning: options.reasoning.as_deref(),
    })
}

fn ask(api: &Api, path: &str, body: &str) -> Result<Value, ApiError> {
    api.write(&Method::POST, path, Body::Text(body), None)?.json()
}

fn json(body: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(body).map_err(|error| Failure::Fault(error.to_string()))
}

fn is_allowed(answer: &Value) -> Result<bool, ApiError> {
    let permission = answer.get("permission").and_then(Value::as_str).ok_or(ApiError::Unreadable)?;
    Ok(permission == "allowed")
}

/// Prints an answer whole; or the receipt on standard output, if it is wanted, and the rest on standard error.
fn show(options: &CallOptions, answer: &Value, with_receipt: bool) {
    if options.json {
        table::show_one(answer, true);
        return;
    }
    complain(format!("{}: {}", visible(&options.tool), explained(answer)));
    if let Some(receipt) = answer.get("receipt").and_then(Value::as_str).filter(|_| with_receipt) {
        say(visible(receipt));
    }
}

/// The permission, and where it comes from.
fn explained(answer: &Value) -> String {
    let mut text = text_of(answer, "permission");
    for (member, word) in [("level", ", by "), ("rule", ", rule "), ("reason", ": ")] {
        if let Some(value) = answer.get(member).and_then(Value::as_str) {
            text.push_str(word);
            text.push_str(&visible(value));
        }
    }
    text
}

/// What is expected at which place, a line each.
fn show_errors(answer: &Value) {
    let errors = answer.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for error in errors {
        let place = text_of(error, "path");
        let place = if place.is_empty() { "the arguments" } else { &place };
        say(format!("{place}: {}", text_of(error, "message")));
    }
    if errors.is_empty() {
        say("not valid; to look for the places would take too long");
    } else if answer.get("more") == Some(&Value::Bool(true)) {
        say("and more");
    }
}
