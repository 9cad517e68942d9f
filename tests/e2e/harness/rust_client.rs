//! The Rust SDK as a client: the steps that the client scripts run, in this process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ClientRequest,
    ClientResult, Implementation, ProtocolVersion, ServerNotification, ServerRequest, ServerResult,
    SubscriptionFilter,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, NotificationContext, PeerRequestOptions, RequestContext,
    RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, UnixSocketHttpClient};
use rmcp::{ErrorData, RoleClient, Service};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixListener};

/// Longest that a notification is waited for.
const WAIT: Duration = Duration::from_secs(10);
/// More pages than this are not fetched.
const PAGES_MAX: usize = 100;

/// What the client's own side does: answers what servers ask, as the steps say, and keeps what they notify.
#[derive(Clone, Default)]
struct Host {
    state: Arc<Mutex<State>>,
    capabilities: ClientCapabilities,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Value>,
    asked: Vec<Value>,
    notified: Vec<Value>,
    /// Messages of progress, and when each came.
    progress: Vec<(Value, Instant)>,
}

impl Service<RoleClient> for Host {
    async fn handle_request(
        &self,
        request: ServerRequest,
        _context: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        let mut asked = serde_json::to_value(&request).unwrap();
        let method = asked["method"].as_str().unwrap().to_owned();
        if method == "ping" {
            return Ok(ClientResult::empty(()));
        }
        let mut params = asked["params"].take();
        params.as_object_mut().map(|params| params.remove("_meta"));
        let mut state = self.state.lock().unwrap();
        state.asked.push(json!({"method": method, "params": params}));
        let answer = state.answers.get(&method).cloned().unwrap_or_default();
        let unreadable = |error: serde_json::Error| ErrorData::internal_error(error.to_string(), None);
        match method.as_str() {
            "elicitation/create" => serde_json::from_value(answer).map(ClientResult::ElicitResult),
            "roots/list" => serde_json::from_value(answer).map(ClientResult::ListRootsResult),
            _ => serde_json::from_value(answer)
                .map(|answer| ClientResult::CreateMessageResult(Box::new(answer))),
        }
        .map_err(unreadable)
    }

    async fn handle_notification(
        &self,
        notification: ServerNotification,
        _context: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        self.notify(&notification);
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(self.capabilities.clone(), Implementation::new("rust-client", "1.0.0"))
    }
}

impl Host {
    fn notify(&self, notification: &ServerNotification) {
        let mut notification = serde_json::to_value(notification).unwrap();
        let mut params = notification["params"].take();
        params.as_object_mut().map(|params| params.remove("_meta"));
        let mut state = self.state.lock().unwrap();
        match notification["method"].as_str().unwrap() {
            "notifications/progress" => state.progress.push((params["message"].clone(), Instant::now())),
            "notifications/cancelled" => {}
            method => {
                let line = json!({"method": method, "params": params});
                state.notified.push(line);
            }
        }
    }

    /// The first notification of a method that was not told yet.
    async fn wait_for(&self, method: &str) -> Value {
        let since = Instant::now();
        while since.elapsed() < WAIT {
            if let Some(notification) = self.take(method) {
                return json!({"notification": notification});
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        json!({"client_error": {"kind": "Timeout", "message": method}})
    }

    fn take(&self, method: &str) -> Option<Value> {
        let notified = &mut self.state.lock().unwrap().notified;
        let place = notified.iter().position(|line| line["method"] == method)?;
        Some(notified.remove(place))
    }
}

type Session = RunningService<RoleClient, Host>;

/// Runs steps in one session; the lines are those of the client scripts.
pub(super) fn run(url: &str, key: &str, is_modern: bool, steps: &Value) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let steps = steps.as_array().unwrap();
        let mut host = Host::default();
        if steps.iter().any(|step| step["answers"].is_object()) {
            let all = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
            host.capabilities = serde_json::from_value(all).unwrap();
        }
        let lifecycle = if is_modern { modern() } else { ClientLifecycleMode::Initialize };
        match connect(host.clone(), url, key, lifecycle, folder.path()).await {
            Err(error) => {
                vec![json!({"client_error": {"kind": "Initialize", "message": error.to_string()}})]
            }
            Ok(session) => {
                let revision = if is_modern { "2026-07-28" } else { "2025-11-25" };
                let negotiated = session.peer_info().map(|info| info.protocol_version.to_string());
                assert_eq!(negotiated.as_deref(), Some(revision));
                let mut lines = vec![json!({"negotiated": negotiated})];
                for step in steps {
                    lines.push(run_step(&session, &host, step).await);
                }
                session.cancel().await.unwrap();
                lines
            }
        }
    })
}

/// Opens a session. The SDK comes with a light HTTP client for Unix sockets only, so there is one between it and the
/// address.
pub(crate) async fn connect<S: Service<RoleClient>>(
    service: S,
    url: &str,
    key: &str,
    lifecycle: ClientLifecycleMode,
    folder: &Path,
) -> Result<RunningService<RoleClient, S>, ClientInitializeError> {
    let socket = folder.join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let (address, path) = (address.to_owned(), format!("/{path}"));
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let mut outer = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inner, &mut outer).await });
        }
    });
    let client = UnixSocketHttpClient::new(socket.to_str().unwrap(), url);
    let mut config = StreamableHttpClientTransportConfig::with_uri(path);
    config.custom_headers.insert("x-api-key".parse().unwrap(), key.parse().unwrap());
    let transport = StreamableHttpClientTransport::with_client(client, config);
    serve_client_with_lifecycle(service, transport, lifecycle).await
}

/// The lifecycle of 2026-07-28.
pub(crate) fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

async fn run_step(session: &Session, host: &Host, step: &Value) -> Value {
    if let Some(answers) = step["answers"].as_object() {
        host.state.lock().unwrap().answers.extend(answers.clone());
    }
    match step["do"].as_str().unwrap() {
        "call" => run_call(session, host, step).await,
        "call_parallel" => {
            let calls = step["calls"].as_array().unwrap().iter().map(|call| run_call(session, host, call));
            json!({"results": join(calls).await})
        }
        "list" => match session.list_all_tools().await {
            Ok(tools) => {
                let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
                let descriptions: HashMap<&str, Option<&str>> =
                    tools.iter().map(|tool| (&*tool.name, tool.description.as_deref())).collect();
                json!({"tools": names, "descriptions": descriptions})
            }
            Err(error) => describe(&error),
        },
        "pages" => pages(session, step["method"].as_str().unwrap()).await.unwrap_or_else(|line| line),
        "request" => match request(session, &step["method"], &step["params"]).await {
            Ok(result) => json!({"result": result}),
            Err(error) => error,
        },
        "listen" => listen(session, host, &step["notifications"]).await,
        "wait_for" => host.wait_for(step["notification"].as_str().unwrap()).await,
        unknown => panic!("unknown step `{unknown}`"),
    }
}

/// Waits for all, in the order given.
async fn join<F: Future<Output = Value>>(all: impl Iterator<Item = F>) -> Vec<Value> {
    let mut all: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, line) in all.iter_mut().filter(|(_, line)| line.is_none()) {
            if let std::task::Poll::Ready(done) = future.as_mut().poll(context) {
                *line = Some(done);
            }
        }
        let is_done = all.iter().all(|(_, line)| line.is_some());
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    all.into_iter().filter_map(|(_, line)| line).collect()
}

async fn request(session: &Session, method: &Value, params: &Value) -> Result<Value, Value> {
    let mut request = json!({"method": method});
    if params.is_object() {
        request["params"] = params.clone();
    }
    let request: ClientRequest = serde_json::from_value(request).unwrap();
    let result = session.send_request(request).await.map_err(|error| describe(&error))?;
    Ok(serde_json::to_value(result).unwrap())
}

/// The names in each page of a list.
async fn pages(session: &Session, method: &str) -> Result<Value, Value> {
    let (mut pages, mut params) = (Vec::new(), json!({}));
    while pages.len() < PAGES_MAX {
        let page = request(session, &json!(method), &params).await?;
        let items = page.as_object().unwrap().values().find_map(Value::as_array).unwrap();
        pages.push(items.iter().map(|item| item["name"].clone()).collect::<Vec<_>>());
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        params = json!({"cursor": cursor});
    }
    Ok(json!({"pages": pages}))
}

async fn listen(session: &Session, host: &Host, notifications: &Value) -> Value {
    let filter: SubscriptionFilter = serde_json::from_value(notifications.clone()).unwrap();
    match session.peer().listen(filter).await {
        Err(error) => describe(&error),
        Ok(mut subscription) => {
            let acknowledged = serde_json::to_value(subscription.acknowledged()).unwrap();
            let host = host.clone();
            tokio::spawn(async move {
                while let Ok(Some(notification)) = subscription.next().await {
                    host.notify(&notification);
                }
            });
            json!({"acknowledged": acknowledged})
        }
    }
}

async fn run_call(session: &Session, host: &Host, call: &Value) -> Value {
    let started = Instant::now();
    {
        let mut state = host.state.lock().unwrap();
        state.asked.clear();
        state.progress.clear();
    }
    let mut params = CallToolRequestParams::new(call["tool"].as_str().unwrap().to_owned());
    params.arguments = Some(call["arguments"].as_object().cloned().unwrap_or_default());
    // Modern servers send log messages only to requests that ask for them.
    let log_level = json!({"io.modelcontextprotocol/logLevel": "debug"});
    params.meta = Some(serde_json::from_value(log_level).unwrap());
    let result = match call["timeout_ms"].as_u64() {
        None => session.call_tool(params).await,
        Some(limit_ms) => call_within(session, params, Duration::from_millis(limit_ms)).await,
    };
    let mut line = match result {
        Ok(result) => result_line(&serde_json::to_value(result).unwrap()),
        Err(error) => describe(&error),
    };
    let state = host.state.lock().unwrap();
    if host.capabilities.elicitation.is_some() {
        line["asked"] = json!(state.asked);
    }
    let since_start = |then: Instant| u64::try_from((then - started).as_millis()).unwrap();
    let (messages, times): (Vec<&Value>, Vec<u64>) =
        state.progress.iter().map(|(message, then)| (message, since_start(*then))).unzip();
    line["progress"] = json!(messages);
    line["progress_ms"] = json!(times);
    line["elapsed_ms"] = json!(since_start(Instant::now()));
    line
}

async fn call_within(
    session: &Session,
    params: CallToolRequestParams,
    limit: Duration,
) -> Result<CallToolResult, ServiceError> {
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let options = PeerRequestOptions::with_timeout(limit);
    match session.send_request_with_option(request, options).await?.await_response().await? {
        ServerResult::CallToolResult(result) => Ok(result),
        _ => Err(ServiceError::UnexpectedResponse),
    }
}

fn result_line(result: &Value) -> Value {
    let blocks = result["content"].as_array().unwrap().iter();
    let texts: Vec<&str> = blocks.filter_map(|block| block["text"].as_str()).collect();
    json!({
        "is_error": result["isError"].as_bool().unwrap_or(false),
        "text": texts.join("\n"),
        "structured": result["structuredContent"],
        "meta": result["_meta"],
    })
}

fn describe(error: &ServiceError) -> Value {
    match error {
        ServiceError::McpError(error) => {
            json!({"protocol_error": {"code": error.code.0, "message": error.message}})
        }
        other => json!({"client_error": {"kind": "ServiceError", "message": other.to_string()}}),
    }
}
