//! `oakgate drafts`: tools that proxies saw and the policy does not list.

use serde_json::{Map, Value, json};
use ureq::http::Method;

use crate::api::{Api, Body, query, segment};
use crate::cli::{AcceptOptions, DraftState, DraftsCommand, DraftsOptions, OnlyOptions};
use crate::exit::Done;
use crate::pieces::{self, if_match};
use crate::table;
use crate::terminal::{say, visible};

const COLUMNS: [&str; 5] = ["name", "backend", "proxy", "first_seen_at_unix_ms", "backend_says/description"];

pub(crate) fn run(options: &DraftsOptions) -> Done {
    let api = Api::open(&options.api)?;
    let path = |name: &str| format!("/v1/drafts/{}", segment(name));
    let decide = |name: &str, decision: &str, body: Value, only: &OnlyOptions| {
        let path = format!("{}/{decision}", path(name));
        api.write(&Method::POST, &path, Body::Json(&body), if_match(only).as_deref())
    };
    match &options.command {
        DraftsCommand::List { state, backend, list } => {
            let asked = [("state", state.map(DraftState::as_str)), ("backend", backend.as_deref())];
            let items = api.list(&query("/v1/drafts", &asked), list.limit)?;
            table::show(&items, list.json, &COLUMNS, "no drafts");
        }
        DraftsCommand::Show { name, json } => pieces::show(&api, &path(name), *json)?,
        DraftsCommand::Accept { name, accept, only } => {
            decide(name, "accept", acceptance(accept), only)?;
            say(format!("{} is in the policy", visible(name)));
        }
        DraftsCommand::Reject { name, disable, only } => {
            decide(name, "reject", json!({"disable": disable}), only)?;
            say(format!("{} is rejected", visible(name)));
        }
        DraftsCommand::Forget { name, only } => {
            api.write(&Method::DELETE, &path(name), Body::None, if_match(only).as_deref())?;
            say(format!("{} is forgotten", visible(name)));
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
    let mut add = |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
    add("default", accept.default.map(|default| default.as_str().into()));
    add("status", accept.approved.then_some("approved".into()));
    add("category", accept.category.as_deref().map(Value::from));
    add("tags", Some(accept.tags.clone().into()));
    add("pin_definition", Some(accept.pin.into()));
    body.into()
}
