//! `oakgate permissions check`: may this call be made?

use serde_json::{Map, Value};
use ureq::http::Method;

use crate::api::{Api, ApiError, Body, text_of};
use crate::cli::CheckOptions;
use crate::exit::{Done, Failure};
use crate::table;
use crate::terminal::{complain, say, visible};

pub(crate) fn check(options: &CheckOptions) -> Done {
    let body = call(options)?;
    let api = Api::with(&options.server, &options.key_file, "name the file of a standard or an agent's key")?;
    let answer = api.write(&Method::POST, "/v1/permissions/check", Body::Json(&body), None)?.json()?;
    let permission = answer.get("permission").and_then(Value::as_str).ok_or(ApiError::Unreadable)?;
    if options.json {
        table::show_one(&answer, true);
    } else {
        complain(format!("{}: {}", visible(&options.tool), explained(&answer)));
        if let Some(receipt) = answer.get("receipt").and_then(Value::as_str) {
            say(visible(receipt));
        }
    }
    if permission == "allowed" { Ok(()) } else { Err(Failure::No) }
}

fn call(options: &CheckOptions) -> Result<Value, Failure> {
    let texts = [
        ("backend", Some(&options.backend)),
        ("tool", Some(&options.tool)),
        ("tenant", options.tenant.as_ref()),
        ("resource", options.resource.as_ref()),
        ("method", options.method.as_ref()),
        ("reasoning", options.reasoning.as_ref()),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.as_str().into())));
    let mut call: Map<String, Value> = texts.collect();
    if let Some(args) = &options.args {
        let args: Map<String, Value> = serde_json::from_str(args)
            .map_err(|error| Failure::Input(format!("--args: not a JSON object: {error}")))?;
        call.insert("args".to_owned(), args.into());
    }
    Ok(call.into())
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
