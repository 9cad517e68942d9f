//! `oakgate approvals`: what waits for a person, and a person's decisions.

use serde_json::{Map, Value};
use ureq::http::Method;

use crate::api::{Api, Body, query, segment, text_of};
use crate::cli::{ApprovalState, ApprovalsCommand, ApprovalsOptions};
use crate::exit::Done;
use crate::table;
use crate::terminal::say;

const COLUMNS: [&str; 6] = ["reference", "state", "tool", "caller", "resource", "arguments"];

pub(crate) fn run(options: &ApprovalsOptions) -> Done {
    let hint = "only a person's session may decide; `oakgate up` writes one at its first start; name it with \
                --session-file";
    let api = Api::with(&options.server, &options.session_file, hint)?;
    match &options.command {
        ApprovalsCommand::List { all, state, list } => {
            let state = state.or((!all).then_some(ApprovalState::Pending));
            let path = query("/v1/approvals", &[("state", state.map(ApprovalState::as_str))]);
            let items = api.list(&path, list.limit)?;
            let is_waiting = state == Some(ApprovalState::Pending);
            let none = if is_waiting { "nothing waits for a person" } else { "no approvals" };
            table::show(&items, list.json, &COLUMNS, none);
        }
        ApprovalsCommand::Show { reference, json } => {
            table::show_one(&api.show(&format!("/v1/approvals/{}", segment(reference)))?, *json);
        }
        ApprovalsCommand::Approve { reference, note } => decide(&api, reference, "approve", note.as_deref())?,
        ApprovalsCommand::Deny { reference, note } => decide(&api, reference, "deny", note.as_deref())?,
    }
    Ok(())
}

fn decide(api: &Api, reference: &str, decision: &str, note: Option<&str>) -> Done {
    let mut body = Map::from_iter([("decision".to_owned(), Value::from(decision))]);
    body.extend(note.map(|note| ("note".to_owned(), note.into())));
    let path = format!("/v1/approvals/{}/decide", segment(reference));
    let answer = api.write(&Method::POST, &path, Body::Json(&body.into()), None)?.json()?;
    let text = |member| text_of(&answer, member);
    say(format!("{} {}: {} by {}", text("reference"), text("state"), text("tool"), text("caller")));
    Ok(())
}
