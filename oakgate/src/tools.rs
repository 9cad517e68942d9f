//! `oakgate tools`: what a proxy has seen of its backends' tools, for a person at a terminal.

mod compare;
mod pin;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::{ToolsCommand, ToolsOptions};
use crate::exit::{Done, Failure};
use crate::table;
use crate::terminal::{say, visible_json};

/// Longest answer that is read: every definition that a proxy keeps by default, and some more.
const ANSWER_MAX_BYTES: u64 = 128 * 1024 * 1024;

const NOTHING_YET: &str = "no list of tools has passed yet";

/// One tool as `/tools` tells of it.
#[derive(Debug, Deserialize)]
struct Tool {
    backend: String,
    name: String,
    sha256: Option<String>,
    pin: String,
    #[serde(default)]
    definition: Option<Value>,
    accepted: Option<Side>,
    seen: Option<Side>,
}

/// One side of a change.
#[derive(Debug, Deserialize)]
struct Side {
    sha256: Option<String>,
    definition: Option<Value>,
}

pub(crate) fn run(options: &ToolsOptions) -> Done {
    match &options.command {
        ToolsCommand::List { json: true } => {
            let tools = chosen(options, "/tools")?;
            tools.iter().map(|tool| visible_json(&tool.to_string())).for_each(say);
        }
        ToolsCommand::List { json: false } => list(&read(chosen(options, "/tools")?)?),
        ToolsCommand::Diff { name } => {
            let mut tools = read(chosen(options, "/tools?definitions=true")?)?;
            tools.retain(|tool| tool.name == *name);
            if tools.is_empty() {
                return Err(not_shown(options, name));
            }
            return compare::run(&tools);
        }
        ToolsCommand::Pin { names } => {
            let tools = read(chosen(options, "/tools?definitions=true")?)?;
            if tools.is_empty() {
                return Err(Failure::Input(format!(
                    "{NOTHING_YET}: let a client list the tools, then try again"
                )));
            }
            if let Some(name) = names.iter().find(|name| tools.iter().all(|tool| tool.name != **name)) {
                return Err(not_shown(options, name));
            }
            return pin::run(tools, names);
        }
    }
    Ok(())
}

/// The tools of the backend that was asked for, or of all.
fn chosen(options: &ToolsOptions, path: &str) -> Result<Vec<Value>, Failure> {
    let answer = fetch(&options.admin, path)?;
    let tools = answer.get("tools").and_then(Value::as_array).cloned();
    let all = tools.ok_or_else(|| no_admin_address(&options.admin))?;
    let Some(backend) = &options.backend else { return Ok(all) };
    let nothing_yet = all.is_empty();
    let is_its = |tool: &Value| tool.get("backend").and_then(Value::as_str) == Some(backend);
    let tools: Vec<Value> = all.into_iter().filter(is_its).collect();
    if tools.is_empty() && !nothing_yet {
        return Err(Failure::Input(format!(
            "backend `{backend}` has shown no tools; `oakgate tools list` says which have"
        )));
    }
    Ok(tools)
}

fn not_shown(options: &ToolsOptions, name: &str) -> Failure {
    Failure::Input(match &options.backend {
        Some(backend) => format!("backend `{backend}` has not shown a tool `{name}`"),
        None => format!(
            "no backend has shown a tool `{name}` since the proxy started; `oakgate tools list` says which were shown"
        ),
    })
}

fn no_admin_address(admin: &str) -> Failure {
    Failure::Fault(format!("`{admin}` is not a proxy's admin address; name it with `--admin`"))
}

fn read(tools: Vec<Value>) -> Result<Vec<Tool>, Failure> {
    let tools = tools.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    tools.map_err(|error| Failure::Fault(format!("the proxy's answer can't be read: {error}")))
}

fn fetch(admin: &str, path: &str) -> Result<Value, Failure> {
    let url = if admin.contains("://") { admin.to_owned() } else { format!("http://{admin}") };
    let failed = |error: ureq::Error| match error {
        ureq::Error::StatusCode(_) | ureq::Error::BodyExceedsLimit(_) | ureq::Error::Protocol(_) => {
            no_admin_address(admin)
        }
        error => Failure::Fault(format!(
            "{admin}: {error}; start the proxy, or name its admin address with `--admin`"
        )),
    };
    let mut response = ureq::get(format!("{}{path}", url.trim_end_matches('/'))).call().map_err(failed)?;
    let text = response.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string().map_err(failed)?;
    serde_json::from_str(&text).map_err(|_| no_admin_address(admin))
}

fn list(tools: &[Tool]) {
    if tools.is_empty() {
        say(NOTHING_YET);
        return;
    }
    let row = |tool: &Tool| {
        let digest = tool.sha256.clone().unwrap_or_else(|| "no canonical form".to_owned());
        vec![tool.backend.clone(), tool.name.clone(), tool.pin.clone(), digest]
    };
    table::print(["BACKEND", "TOOL", "PIN", "SHA256"].map(str::to_owned).to_vec(), tools.iter().map(row));
}
