//! `oakgate drafts`: tools that proxies saw and the policy does not list.

use serde_json::{Map, Value, json};
use ureq::http::Method;

use crate::api::{Api, Body, query, segment};
use crate::cli::{AcceptOptions, DraftState, DraftsCommand, DraftsOptions};
use crate::exit::Done;
use crate::table;
use crate::terminal::{say, visible};

const COLUMNS: [&str; 5] = ["name", "backend", "proxy", "first_seen_at_unix_ms", "description"];

pub(crate) fn run(options: &DraftsOptions) -> Done {
    let api = Api::open(&options.api)?;
    let path = |name: &str| format!("/v1/drafts/{}", segment(name));
    let decide = |name: &str, decision: &str, body: Value| {
        api.write(&Method::POST, &format!("{}/{decision}", path(name)), Body::Json(&body), None)
    };
    match &options.command {
        DraftsCommand::List { state, list } => {
            let path = query("/v1/drafts", &[("state", state.map(DraftState::as_str))]);
            table::show(&api.list(&path, list.limit)?, list.json, &COLUMNS, "no drafts");
        }
        DraftsCommand::Show { name, json } => table::show_one(&api.show(&path(name))?, *json),
        DraftsCommand::Accept { name, accept } => {
            decide(name, "accept", acceptance(accept))?;
            say(format!("{} is in the policy", visible(name)));
        }
        DraftsCommand::Reject { name, disable } => {
            decide(name, "reject", json!({"disable": disable}))?;
            say(format!("{} is rejected", visible(name)));
        }
    }
    Ok(())
}

fn acceptance(accept: &AcceptOptions) -> Value {
    let annotations = json!({
        "read_only": accept.read_only,
        "destructive": !accept.not_destructive,
        "idempotent": accept.idempotent,
        "open_world": !accept.closed_world,
    });
    let mut body = Map::from_iter([("annotations".to_owned(), annotations)]);
    body.extend(accept.default.map(|default| ("default".to_owned(), default.as_str().into())));
    body.into()
}
