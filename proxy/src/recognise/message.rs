//! From the body of an MCP request to what it is: one message, or a batch of them.

use std::borrow::Cow;
use std::collections::HashSet;

use config::Backend;
use http::HeaderMap;
use http::request::Parts;
use policy::Unread;
use protocol::content_type::ContentType;
use protocol::malformed::Malformed;
use protocol::mcp::{self, Era, Revision};
use protocol::message::{Id, Message, Request};

use super::{Arrival, Passing, ReplyTo, Requested, ToolCall, Transparent, content_type, mapped};
use crate::header::values;
use crate::refusal::Refusal;

/// Of a method that nobody knows, this much is repeated.
const METHOD_SHOWN_MAX_CHARS: usize = 256;

/// Which methods a backend knows beyond the published ones, and which are under the cascade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Methods<'a> {
    pub(super) backend: &'a Backend,
    pub(super) extra: &'a HashSet<String>,
    pub(super) govern: &'a HashSet<&'static str>,
}

/// Recognises one message.
pub(super) fn one<'a>(
    methods: Methods<'a>,
    head: &'a Parts,
    body: &'a [u8],
    reply_to: &mut ReplyTo,
) -> Result<Arrival<'a>, Refusal> {
    let values = |name| values(&head.headers, name);
    *reply_to = ReplyTo::Mcp { id: None, is_tool_call: false, era: Era::Legacy };
    let message = if is_utf_8(head) { Message::read(body) } else { Err(Malformed::Charset) };
    let message = message.map_err(|why| {
        let id = Message::id_of_refused(body).map(|id| id.raw().to_owned());
        *reply_to = ReplyTo::Mcp { id, is_tool_call: false, era: Era::Legacy };
        Refusal::Malformed(why)
    })?;
    let id = message.id().map(|id| id.raw().to_owned());
    let is_tool_call = message.method() == Some(mcp::TOOLS_CALL);
    *reply_to = ReplyTo::Mcp { id: id.clone(), is_tool_call, era: Era::Legacy };
    let era = match message.params() {
        Some(params) => Era::of(values("mcp-protocol-version"), params).map_err(Refusal::HeaderMismatch)?,
        None => Era::Legacy,
    };
    *reply_to = ReplyTo::Mcp { id, is_tool_call, era };
    mcp::check_headers(values("mcp-method"), values("mcp-name"), &message)
        .map_err(Refusal::HeaderMismatch)?;
    arrival(methods, &head.headers, message)
}

/// Every message of a batch, each on its own. Only the revision that has batches may be named in a header.
pub(super) fn batch<'a>(
    methods: Methods<'a>,
    head: &'a Parts,
    body: &'a [u8],
    reply_to: &mut ReplyTo,
) -> Result<Arrival<'a>, Refusal> {
    *reply_to = ReplyTo::Mcp { id: None, is_tool_call: false, era: Era::Legacy };
    let mut versions = values(&head.headers, "mcp-protocol-version");
    let names_one =
        ["mcp-method", "mcp-name"].iter().any(|name| values(&head.headers, name).next().is_some());
    if names_one || !versions.all(|version| version == Revision::V2025_03_26.as_str().as_bytes()) {
        return Err(Refusal::Malformed(Malformed::Batch));
    }
    let messages = if is_utf_8(head) { Message::read_batch(body) } else { Err(Malformed::Charset) };
    let messages = messages.map_err(Refusal::Malformed)?;
    let mut requests: Vec<Requested> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let Some(id) = message.id() else { continue };
        let is_same =
            |earlier: &Requested| Id::from_raw(&earlier.id).is_some_and(|earlier| earlier.is_same(id));
        if requests.iter().any(is_same) {
            return Err(Refusal::Malformed(Malformed::BadId));
        }
        let is_tool_call = message.method() == Some(mcp::TOOLS_CALL);
        requests.push(Requested { place, id: id.raw().to_owned(), is_tool_call });
    }
    let mut arrivals = Vec::with_capacity(messages.len());
    for (place, message) in messages.into_iter().enumerate() {
        *reply_to = ReplyTo::Batch { requests: requests.clone(), refused: Some(place) };
        // A version of its own would make it a message of another revision.
        let era = message.params().map_or(Ok(Era::Legacy), |params| Era::of([], params));
        if era != Ok(Era::Legacy) {
            return Err(Refusal::HeaderMismatch(mcp::HeaderMismatch::Version));
        }
        let method = message.method().map(str::to_owned);
        arrivals.push(match arrival(methods, &head.headers, message)? {
            // It can't be left out: the bytes that were decided are the bytes that go on.
            Arrival::Absorbed | Arrival::Transparent(_, Passing::Listen { .. }) => {
                return Err(unknown(&method.unwrap_or_default()));
            }
            arrival => arrival,
        });
    }
    *reply_to = ReplyTo::Batch { requests, refused: None };
    Ok(Arrival::Batch(arrivals))
}

fn arrival<'a>(
    methods: Methods<'a>,
    headers: &'a HeaderMap,
    message: Message<'a>,
) -> Result<Arrival<'a>, Refusal> {
    let passes = |passing| Ok(Arrival::Transparent(Transparent(()), passing));
    match message {
        Message::Response(_) => passes(Passing::Other),
        Message::Notification(notification) => {
            let method = notification.method.as_ref();
            let cancelled = notification.params.request_id.filter(|_| method == "notifications/cancelled");
            if let Some(id) = cancelled {
                passes(Passing::Cancelled(id.raw()))
            } else if mcp::is_published_notification(method) || methods.extra.contains(method) {
                passes(Passing::Other)
            } else {
                Ok(Arrival::Absorbed)
            }
        }
        Message::Request(request) => match request.method.as_ref() {
            mcp::TOOLS_CALL => call(methods.backend, headers, request).map(Arrival::Call),
            method if methods.govern.contains(method) => {
                call(methods.backend, headers, request).map(Arrival::Call)
            }
            mcp::TOOLS_LIST => passes(Passing::ToolsList),
            mcp::INITIALIZE => passes(Passing::Initialize),
            mcp::SUBSCRIPTIONS_LISTEN => passes(Passing::Listen {
                id: request.id.raw().to_owned(),
                tools: request.params.listens_to_tools,
            }),
            method if mcp::is_published_request(method) || methods.extra.contains(method) => {
                passes(Passing::Other)
            }
            method => Err(unknown(method)),
        },
    }
}

/// A method is repeated in the answer, which may have to wait for its reader: not all of a long one.
fn unknown(method: &str) -> Refusal {
    Refusal::UnknownMethod { method: method.chars().take(METHOD_SHOWN_MAX_CHARS).collect() }
}

fn is_utf_8(head: &Parts) -> bool {
    content_type(&head.headers).is_ok_and(|value| ContentType::read(value).is_some())
}

/// `tools/call`, or a governed method: then the tool is the method's name, and the resource what it acts on.
fn call<'a>(
    backend: &'a Backend,
    headers: &'a HeaderMap,
    request: Request<'a>,
) -> Result<ToolCall<'a>, Refusal> {
    let params = request.params;
    let unread = match (params.input_responses, params.request_state) {
        (None, None) => Unread::Nothing,
        (answers, state) => Unread::Answers { answers, state },
    };
    let (resource, method) = mapped(backend, headers, params.arguments)?;
    let call = ToolCall {
        tool: request.method,
        resource,
        method,
        arguments: Cow::Borrowed(params.arguments),
        unread,
        progress_token: params.progress_token,
        websocket: None,
    };
    if call.tool == mcp::TOOLS_CALL {
        let tool = params.name.ok_or(Refusal::Malformed(Malformed::CallWithoutName))?;
        return Ok(ToolCall { tool, ..call });
    }
    Ok(ToolCall { resource: params.uri.or(params.name).or(call.resource), ..call })
}
