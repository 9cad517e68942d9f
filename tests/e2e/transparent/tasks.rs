//! Tasks (`io.modelcontextprotocol/tasks`), with the Rust SDK at both ends: a call that is answered with a task, asks while
//! it runs, and is finished or cancelled later. Its server sends keep-alive comments on idle streams.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ClientCapabilities,
    ClientConfig, ContentBlock, CreateTaskResult, ElicitRequest, GetTaskParams, GetTaskResult,
    Implementation, InputRequest, JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig, Tool, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::{ALLOW_ALL, bytes};
use crate::harness::{Gate, KEY, connect, modern};

const POLL_MS: u64 = 20;
const KEEP_ALIVE: Duration = Duration::from_millis(50);

/// One tool, `ask`: asks for a colour, and answers with it. Another, `slow`, only takes its time.
#[derive(Clone)]
struct Tasks(TaskManager);

impl ServerHandler for Tasks {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = |name| Tool::new(name, "Takes its time", JsonObject::new());
        Ok(ListToolsResult::with_all_items(vec![tool("ask"), tool("slow")]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let options = TaskOptions::new().with_poll_interval_ms(POLL_MS);
        match &*request.name {
            "ask" => {
                let task = self.0.spawn(options, |task| Box::pin(ask(task)));
                Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
            }
            _ => {
                let task = self.0.spawn(options, |task| {
                    Box::pin(async move {
                        task.cancelled().await;
                        Err(TaskExit::Cancelled)
                    })
                });
                Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
            }
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.0.get_task(&request.task_id)?))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.cancel_task(&request.task_id)
    }
}

async fn ask(task: TaskContext) -> Result<CallToolResult, TaskExit> {
    let schema = json!({"type": "object", "properties": {"colour": {"type": "string"}}});
    let params = json!({"mode": "form", "message": "Which colour?", "requestedSchema": schema});
    let request = ElicitRequest::new(serde_json::from_value(params).unwrap());
    let answer = task.request_input("colour", InputRequest::Elicitation(request)).await?;
    Ok(CallToolResult::success(vec![ContentBlock::text(answer["content"]["colour"].to_string())]))
}

/// Starts the server in a thread of its own, for as long as the tests run; returns its address.
fn serve() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let tasks = Tasks(TaskManager::new());
        let mut config = StreamableHttpServerConfig::default();
        config.sse_keep_alive = Some(KEEP_ALIVE);
        let sessions = Arc::new(LocalSessionManager::default());
        let service = StreamableHttpService::new(move || Ok(tasks.clone()), sessions, config);
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().route_service("/mcp", service)).await.unwrap();
        });
    });
    url
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a task was at each change of its state, less its id and times.
async fn lives(url: &str) -> Vec<Value> {
    let capabilities = ClientCapabilities::builder().enable_tasks().enable_elicitation().build();
    let client = ClientConfig::new(capabilities, Implementation::new("tasks", "1.0.0"));
    let folder = TempDir::new().unwrap();
    let session = connect(client, url, KEY, modern(), folder.path()).await.unwrap();
    let mut told = Vec::new();
    for (tool, last) in [("ask", "completed"), ("slow", "cancelled")] {
        let response = session.call_tool_once(CallToolRequestParams::new(tool)).await.unwrap();
        let CallToolResponse::Task(created) = response else { panic!("no task: {response:?}") };
        let id = created.task.task_id.clone();
        told.push(without_own(serde_json::to_value(&created).unwrap()));
        if tool == "slow" {
            session.peer().cancel_task(CancelTaskParams::new(id.clone())).await.unwrap();
        }
        let mut answered = false;
        loop {
            let task = session.peer().get_task(GetTaskParams::new(id.clone())).await.unwrap();
            let task = serde_json::to_value(&task).unwrap();
            let status = task["status"].as_str().unwrap().to_owned();
            if status == "input_required" && !answered {
                told.push(without_own(task));
                let answer = json!({"action": "accept", "content": {"colour": "red"}});
                let update = json!({"taskId": id, "inputResponses": {"colour": answer}});
                session.peer().update_task(serde_json::from_value(update).unwrap()).await.unwrap();
                answered = true;
            } else if status == last {
                told.push(without_own(task));
                break;
            }
            tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        }
    }
    let unknown = session.peer().get_task(GetTaskParams::new("no-such-task".to_owned())).await;
    told.push(json!(unknown.unwrap_err().to_string()));
    session.cancel().await.unwrap();
    told
}

fn without_own(mut task: Value) -> Value {
    for own in ["taskId", "createdAt", "lastUpdatedAt"] {
        assert!(task.as_object_mut().unwrap().remove(own).is_some(), "{own} in {task}");
    }
    task
}

/// The stream of a session in which nothing happens, until its first comment.
fn idle_stream(address: &str) -> String {
    let session = bytes::session(address, KEY);
    let mut stream = bytes::open(address, KEY, Some(&session), "GET", &[], "");
    assert_eq!(stream.head().status, 200);
    let mut text = String::new();
    while !(text.contains("\n:") && text.ends_with("\n\n")) {
        text.push_str(&String::from_utf8(stream.chunk().unwrap()).unwrap());
    }
    text
}

#[test]
fn tasks_run_and_keep_alive_comments_pass() {
    let url = serve();
    let gate = Gate::mcp(&url, ALLOW_ALL);
    let direct = runtime().block_on(lives(&url));
    let through = runtime().block_on(lives(&gate.url("/mcp")));
    assert_eq!(direct, through);
    let states: Vec<&str> = through.iter().filter_map(|task| task["status"].as_str()).collect();
    assert_eq!(states, ["working", "input_required", "completed", "working", "cancelled"], "{through:?}");
    assert!(through[2]["result"]["content"][0]["text"].as_str().unwrap().contains("red"), "{through:?}");
    let [direct, through] =
        [url.trim_start_matches("http://").trim_end_matches("/mcp"), &gate.address].map(idle_stream);
    assert_eq!(bytes::without_ids(&direct), bytes::without_ids(&through));
}
