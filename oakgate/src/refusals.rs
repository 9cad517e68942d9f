//! `oakgate refusals`: what a refusal's reason means. The table in the documents is its output.

use proxy::{RefusalRow, refusals};

use crate::cli::RefusalsOptions;
use crate::exit::{Done, Failure};
use crate::terminal::say;

pub(crate) fn run(options: &RefusalsOptions) -> Done {
    let is_asked = |row: &RefusalRow| options.reason.as_ref().is_none_or(|reason| row.name == reason);
    let rows: Vec<RefusalRow> = refusals().into_iter().filter(is_asked).collect();
    if rows.is_empty() {
        let reason = options.reason.as_deref().unwrap_or_default();
        return Err(Failure::Input(format!(
            "there is no reason `{reason}`; `oakgate refusals` lists them all"
        )));
    }
    if options.markdown {
        say("| reason | HTTP | MCP client | retry | what it means |\n|---|---|---|---|---|");
        rows.iter().map(markdown).for_each(say);
    } else {
        rows.iter().map(text).for_each(say);
    }
    Ok(())
}

fn text(row: &RefusalRow) -> String {
    let RefusalRow { name, status, mcp, retry, meaning } = row;
    format!("{name}\n    {meaning}\n    HTTP {status}; MCP: {mcp}; retry: {retry}")
}

fn markdown(row: &RefusalRow) -> String {
    let RefusalRow { name, status, mcp, retry, meaning } = row;
    format!("| `{name}` | {status} | {mcp} | {retry} | {} |", meaning.replace('|', "\\|"))
}
