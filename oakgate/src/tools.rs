//! `oakgate tools`: what a proxy has seen of its backends' tools, for a person at a terminal.

mod compare;
mod pin;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::{ToolsCommand, ToolsOptions};
use crate::exit::{Done, Failure};
use crate::terminal::{say, visible};

/// Longest answer that is read: every definition that a proxy keeps by default, and some more.
const ANSWER_MAX_BYTES: u64 = 128 * 1024 * 1024;

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
        ToolsCommand::List { json } => {
            let tools = chosen(options, "/tools")?;
            if *json {
                tools.iter().for_each(say);
                return Ok(());
            }
            table(&read(tools)?);
        }
        ToolsCommand::Diff { name } => {
            let tools = read(chosen(options, "/tools?definitions=true")?)?;
            return compare::run(
                &tools.into_iter().filter(|tool| tool.name == *name).collect::<Vec<_>>(),
                name,
            );
        }
        ToolsCommand::Pin { names } => {
            let tools = read(chosen(options, "/tools?definitions=true")?)?;
            return pin::run(tools, names);
        }
    }
    Ok(())
}

/// The tools of the backend that was asked for, or of all.
fn chosen(options: &ToolsOptions, path: &str) -> Result<Vec<Value>, Failure> {
    let answer = fetch(&options.admin, path)?;
    let tools = answer.get("tools").and_then(Value::as_array).cloned();
    let mut tools =
        tools.ok_or_else(|| Failure::Fault(format!("{}: not a proxy's admin address", options.admin)))?;
    if let Some(backend) = &options.backend {
        tools.retain(|tool| tool.get("backend").and_then(Value::as_str) == Some(backend));
    }
    Ok(tools)
}

fn read(tools: Vec<Value>) -> Result<Vec<Tool>, Failure> {
    let tools = tools.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    tools.map_err(|error| Failure::Fault(format!("the proxy's answer can't be read: {error}")))
}

fn fetch(admin: &str, path: &str) -> Result<Value, Failure> {
    let url = if admin.contains("://") { admin.to_owned() } else { format!("http://{admin}") };
    let failed = |error: ureq::Error| {
        Failure::Fault(format!(
            "{admin}: {error}\nIs the proxy running? Name its admin address with --admin."
        ))
    };
    let mut response = ureq::get(format!("{}{path}", url.trim_end_matches('/'))).call().map_err(failed)?;
    let text = response.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string().map_err(failed)?;
    serde_json::from_str(&text).map_err(|_| Failure::Fault(format!("{admin}: not a proxy's admin address")))
}

fn table(tools: &[Tool]) {
    if tools.is_empty() {
        say("no list of tools has passed yet");
        return;
    }
    let row = |tool: &Tool| {
        let digest = tool.sha256.clone().unwrap_or_else(|| "no canonical form".to_owned());
        [visible(&tool.backend), visible(&tool.name), tool.pin.clone(), digest]
    };
    let header = ["BACKEND", "TOOL", "PIN", "SHA256"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(tools.iter().map(row)).collect();
    let width =
        |place: usize| rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count()).max();
    for row in &rows {
        let cells = row.iter().enumerate();
        let line: Vec<String> =
            cells.map(|(place, cell)| format!("{cell:<width$}", width = width(place).unwrap_or(0))).collect();
        say(line.join("  ").trim_end());
    }
}
