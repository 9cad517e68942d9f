//! `oakgate executions`: calls whose receipts were redeemed, and what became of them.

use serde_json::{Map, Value};
use ureq::http::Method;

use crate::api::{Api, Body, query};
use crate::cli::{ExecutionsCommand, ListedOutcome, LogOptions};
use crate::exit::Done;
use crate::table;
use crate::terminal::say;

const COLUMNS: [&str; 7] = ["jti", "redeemed_at_unix_ms", "tool", "caller", "outcome", "status", "note"];

pub(crate) fn run(command: &ExecutionsCommand) -> Done {
    match command {
        ExecutionsCommand::List { tool, outcome, list, api } => {
            let asked = [("tool", tool.as_deref()), ("outcome", outcome.map(ListedOutcome::as_str))];
            let items = Api::open(api)?.list(&query("/v1/executions", &asked), list.limit)?;
            table::show(&items, list.json, &COLUMNS, "no executions");
        }
        ExecutionsCommand::Log(options) => log(options)?,
    }
    Ok(())
}

fn log(options: &LogOptions) -> Done {
    let members = [
        ("jti", Some(Value::from(options.jti.to_string()))),
        ("outcome", Some(options.outcome.as_str().into())),
        ("status", options.status.map(Value::from)),
        ("duration_ms", options.duration_ms.map(Value::from)),
        ("note", options.note.as_deref().map(Value::from)),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let body = Value::from(members.collect::<Map<_, _>>());
    Api::runner(&options.runner)?.write(&Method::POST, "/v1/executions", Body::Json(&body), None)?;
    say(format!("{} is logged: {}", options.jti, options.outcome.as_str()));
    Ok(())
}
