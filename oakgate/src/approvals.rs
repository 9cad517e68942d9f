//! `oakgate approvals`: the control plane's API, for a person at a terminal.

use serde_json::{Value, json};

use crate::cli::{ApprovalsCommand, ApprovalsOptions};
use crate::exit::{Done, Failure};
use crate::terminal::{say, visible, visible_json};

/// Longest answer that is read.
const ANSWER_MAX_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) fn run(options: &ApprovalsOptions) -> Done {
    let api = Api::open(options)?;
    match &options.command {
        ApprovalsCommand::List { all, json } => {
            let state = if *all { "" } else { "?state=pending" };
            let answer = api.get(&format!("/v1/approvals{state}"))?;
            let items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            if *json {
                items.iter().map(|item| visible_json(&item.to_string())).for_each(say);
            } else if items.is_empty() {
                say("nothing waits for a person");
            } else {
                table(&items);
            }
        }
        ApprovalsCommand::Show { reference } => {
            let answer = api.get(&format!("/v1/approvals/{reference}"))?;
            say(visible_json(&serde_json::to_string_pretty(&answer).unwrap_or_default()));
        }
        ApprovalsCommand::Approve { reference, note } => decide(&api, reference, "approve", note.as_deref())?,
        ApprovalsCommand::Deny { reference, note } => decide(&api, reference, "deny", note.as_deref())?,
    }
    Ok(())
}

fn decide(api: &Api, reference: &str, decision: &str, note: Option<&str>) -> Done {
    let mut body = json!({"decision": decision});
    if let (Some(note), Some(body)) = (note, body.as_object_mut()) {
        body.insert("note".to_owned(), note.into());
    }
    let answer = api.post(&format!("/v1/approvals/{reference}/decide"), &body)?;
    let text = |key: &str| visible(answer.get(key).and_then(Value::as_str).unwrap_or("?"));
    say(format!("{} {}: {} by {}", text("reference"), text("state"), text("tool"), text("caller")));
    Ok(())
}

/// One line each, as wide as what is in it.
fn table(items: &[Value]) {
    let columns = ["reference", "state", "tool", "caller", "resource", "arguments"];
    let cell = |item: &Value, column: &str| match item.get(column) {
        Some(Value::String(text)) => cut(text),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => cut(&other.to_string()),
    };
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect();
    let header: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let width = |place: usize| {
        let cells = rows.iter().chain([&header]).filter_map(|row| row.get(place));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for row in [&header].into_iter().chain(&rows) {
        let cells =
            row.iter().enumerate().map(|(place, cell)| format!("{cell:<width$}", width = width(place)));
        say(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn cut(text: &str) -> String {
    const CELL_MAX_CHARS: usize = 48;
    let clean = visible(text);
    if clean.chars().count() <= CELL_MAX_CHARS {
        return clean;
    }
    clean.chars().take(CELL_MAX_CHARS - 1).chain(['…']).collect()
}

struct Api {
    url: String,
    session: String,
    agent: ureq::Agent,
}

impl Api {
    fn open(options: &ApprovalsOptions) -> Result<Self, Failure> {
        let file = &options.session_file;
        let session = std::fs::read_to_string(file).map_err(|error| {
            let name = file.display();
            Failure::Input(format!(
                "{name}: can't be read: {error}\nOnly a person's session may decide. `oakgate up` writes one at its \
                 first start; name it with --session-file."
            ))
        })?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Ok(Self {
            url: options.url.trim_end_matches('/').to_owned(),
            session: session.trim().to_owned(),
            agent,
        })
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("authorization", self.bearer());
        self.answer(request.call())
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.post(format!("{}{path}", self.url)).header("authorization", self.bearer());
        self.answer(request.send_json(body))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.session)
    }

    fn answer(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, Failure> {
        let mut response = response.map_err(|error| {
            Failure::Fault(format!(
                "{}: {error}\nIs the control plane running? Name its address with --url.",
                self.url
            ))
        })?;
        let status = response.status();
        let text = response.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string();
        let text = text.map_err(|error| Failure::Fault(format!("{}: {error}", self.url)))?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer.get("detail").or_else(|| answer.get("title")).and_then(Value::as_str);
        Err(Failure::Input(format!("refused ({status}): {}", detail.unwrap_or(&text))))
    }
}
