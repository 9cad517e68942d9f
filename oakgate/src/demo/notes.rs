//! An MCP server that keeps notes: one tool reads, one writes, one destroys.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};

/// More notes than this are not kept.
const NOTES_MAX: usize = 1000;

#[derive(Clone, Debug)]
struct Notes(Arc<Mutex<BTreeMap<String, String>>>);

/// The server, at `/mcp`.
pub(super) fn router() -> Router {
    let first = ("welcome".to_owned(), "Policy let you read this.".to_owned());
    let notes = Notes(Arc::new(Mutex::new(BTreeMap::from([first]))));
    let service = StreamableHttpService::new(
        move || Ok(notes.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    Router::new().route_service("/mcp", service)
}

impl Notes {
    fn call(&self, tool: &str, arguments: &Map<String, Value>) -> Result<String, String> {
        let text =
            |name: &str| arguments.get(name).and_then(Value::as_str).ok_or(format!("`{name}` must be text"));
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match tool {
            "read_note" => {
                let path = text("path")?;
                notes.get(path).cloned().ok_or_else(|| format!("there is no note `{path}`"))
            }
            "write_note" => {
                let (path, words) = (text("path")?, text("text")?);
                if notes.len() >= NOTES_MAX && !notes.contains_key(path) {
                    return Err("there are too many notes".to_owned());
                }
                notes.insert(path.to_owned(), words.to_owned());
                Ok(format!("wrote `{path}`"))
            }
            "delete_all_notes" => {
                notes.clear();
                Ok("all notes are gone".to_owned())
            }
            other => Err(format!("unknown tool `{other}`")),
        }
    }
}

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let read = ToolAnnotations::new().read_only(true);
        let write = ToolAnnotations::new().read_only(false).destructive(false);
        let destroy = ToolAnnotations::new().read_only(false).destructive(true);
        Ok(ListToolsResult::with_all_items(vec![
            tool("read_note", "Reads a note", &["path"], read),
            tool("write_note", "Writes a note", &["path", "text"], write),
            tool("delete_all_notes", "Deletes every note", &[], destroy),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let result = match self.call(&request.name, &request.arguments.unwrap_or_default()) {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
        };
        Ok(result.into())
    }
}

fn tool(name: &'static str, description: &'static str, texts: &[&str], annotations: ToolAnnotations) -> Tool {
    let properties: Map<String, Value> =
        texts.iter().map(|text| ((*text).to_owned(), json!({"type": "string"}))).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert(
        "required".to_owned(),
        texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>().into(),
    );
    Tool::new(name, description, schema).with_annotations(annotations)
}
