//! `oakgate receipt redeem`: may this call run, this once?

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::read;
use crate::api::{Api, ApiError, Body};
use crate::cli::RedeemOptions;
use crate::exit::{Done, Failure};
use crate::input;
use crate::table;
use crate::terminal::{say, visible};

/// A receipt, and the call that it came with, as the API takes them.
#[derive(Serialize)]
struct Redeem<'a> {
    receipt: &'a str,
    backend: &'a str,
    r#use: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_sha256: Option<String>,
}

pub(super) fn run(options: &RedeemOptions) -> Done {
    if options.arguments.args_file.as_deref().is_some_and(|file| file.as_os_str() == "-") {
        return Err(Failure::Input("--args-file: standard input has the receipt; name a file".to_owned()));
    }
    let args = input::arguments(&options.arguments)?;
    let digest = |body: Vec<u8>| URL_SAFE_NO_PAD.encode(Sha256::digest(body));
    let body_sha256 = options.body.as_deref().map(read).transpose()?.map(digest);
    let api = Api::runner(&options.runner)?;
    let text = input::read(Path::new("-"))?;
    let receipt = text.trim();
    if receipt.is_empty() || receipt.contains(char::is_whitespace) {
        return Err(Failure::Input("standard input must have one receipt, and nothing else".to_owned()));
    }
    let body = Redeem {
        receipt,
        backend: &options.backend,
        r#use: options.use_.as_str(),
        caller: options.caller.as_deref(),
        tool: options.tool.as_deref(),
        tenant: options.tenant.as_deref(),
        resource: options.resource.as_deref(),
        method: options.method.as_deref(),
        args,
        body_sha256,
    };
    let body = serde_json::to_string(&body).map_err(|error| Failure::Fault(error.to_string()))?;
    match api.post_once("/v1/receipts/redeem", Body::Text(&body)) {
        Ok(answer) => {
            table::show_one(answer.json()?.get("claims").unwrap_or(&Value::Null), true);
            Ok(())
        }
        Err(error) => refused(error),
    }
}

fn refused(error: ApiError) -> Done {
    if let Some(reason) = error.receipt_refused() {
        say(visible(reason));
        return Err(Failure::No);
    }
    if error.is_in_doubt() {
        return Err(Failure::Fault(format!(
            "{error}\nnobody knows whether the receipt was redeemed, so do not run the call: ask for another one"
        )));
    }
    Err(error.into())
}
