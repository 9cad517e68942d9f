//! From a request to what it is: a call for policy to decide, a message that policy has no say in, or a refusal.

use std::borrow::Cow;
use std::collections::HashSet;

use config::{Backend, BackendKind, Mapping};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use protocol::content_type::ContentType;
use protocol::malformed::Malformed;
use protocol::mcp::{self, Era};
use protocol::message::{Message, Request};
use protocol::pointer;
use protocol::rest::{self, RestRequest, Routes};

use crate::header::{is_read_as, overriding};
use crate::refusal::Refusal;
use crate::upstream::named_by_connection;

/// What a request is.
#[derive(Debug)]
pub(crate) enum Arrival<'a> {
    /// A call: policy decides.
    Call(ToolCall<'a>),
    /// Policy has no say in it.
    Transparent(Transparent, Passing<'a>),
    /// A notification that nobody has published: acknowledged, and no further.
    Absorbed,
}

/// A call as its bytes say it. Who calls, and for which tenant, is known already.
#[derive(Debug)]
pub(crate) struct ToolCall<'a> {
    pub(crate) tool: Cow<'a, str>,
    pub(crate) resource: Option<Cow<'a, str>>,
    pub(crate) method: Option<Cow<'a, str>>,
    /// The JSON text of an object.
    pub(crate) arguments: Cow<'a, str>,
    /// A body that gave no arguments, if there is one.
    pub(crate) unread_body: Option<&'a [u8]>,
    /// JSON text of the token under which the caller wants to hear of progress.
    pub(crate) progress_token: Option<&'a str>,
}

/// What kind of message passes, where that matters on the way back.
#[derive(Debug)]
pub(crate) enum Passing<'a> {
    /// A list of tools will come back.
    ToolsList,
    /// A stream of whatever the backend has to say, lists of tools among it.
    Stream,
    /// The caller takes back the request with this id (JSON text).
    Cancelled(&'a str),
    Other,
}

/// Proof that policy has no say in a message. Made here, and nowhere else.
#[derive(Debug)]
pub(crate) struct Transparent(());

/// How a refusal must look for this request's caller to understand it.
#[derive(Clone, Debug)]
pub(crate) enum ReplyTo {
    /// Plain HTTP: nothing is known of a message.
    Http,
    /// An MCP message. `id` is JSON text; a notification has none.
    Mcp { id: Option<String>, is_tool_call: bool, era: Era },
    /// A REST request.
    Rest,
}

/// Recognises a request to a backend. `reply_to` learns how to answer as soon as that is known, also for a refusal.
pub(crate) fn recognise<'a>(
    backend: &'a Backend,
    head: &'a Parts,
    path: &'a str,
    body: &'a [u8],
    reply_to: &mut ReplyTo,
) -> Result<Arrival<'a>, Refusal> {
    if let Some(header) = overriding(&head.headers) {
        return Err(Refusal::Override { header });
    }
    match &backend.kind {
        BackendKind::Mcp { extra_methods, govern } => match head.method {
            Method::POST => mcp_message(backend, (extra_methods, govern), head, body, reply_to),
            Method::GET | Method::DELETE if !body.is_empty() => Err(Refusal::BodyUnreadable),
            Method::GET => Ok(Arrival::Transparent(Transparent(()), Passing::Stream)),
            Method::DELETE => Ok(Arrival::Transparent(Transparent(()), Passing::Other)),
            _ => Err(Refusal::MethodNotAllowed),
        },
        BackendKind::Rest { routes, .. } => {
            *reply_to = ReplyTo::Rest;
            rest_call(backend, routes, head, path, body).map(Arrival::Call)
        }
    }
}

fn rest_call<'a>(
    backend: &'a Backend,
    routes: &'a Routes,
    head: &'a Parts,
    path: &'a str,
    body: &'a [u8],
) -> Result<ToolCall<'a>, Refusal> {
    let request = RestRequest {
        method: head.method.as_str(),
        path: if path.is_empty() { "/" } else { path },
        query: head.uri.query(),
        content_type: content_type(&head.headers).map_err(Refusal::Malformed)?,
        body,
    };
    let call = rest::call(routes, &request).map_err(Refusal::Rest)?;
    let (resource, method) = mapped(backend, &head.headers, &call.arguments)?;
    let resource = call.resource.or_else(|| resource.map(Cow::into_owned));
    let method = method.map_or(call.method, Cow::into_owned);
    Ok(ToolCall {
        tool: call.tool,
        resource: resource.map(Cow::Owned),
        method: Some(Cow::Owned(method)),
        arguments: Cow::Owned(call.arguments),
        unread_body: call.body_is_unread.then_some(body),
        progress_token: None,
    })
}

fn mcp_message<'a>(
    backend: &'a Backend,
    (extra_methods, govern): (&HashSet<String>, &HashSet<&'static str>),
    head: &'a Parts,
    body: &'a [u8],
    reply_to: &mut ReplyTo,
) -> Result<Arrival<'a>, Refusal> {
    let values = |name: &'static str| head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
    *reply_to = ReplyTo::Mcp { id: None, is_tool_call: false, era: Era::Legacy };
    let is_utf_8 = content_type(&head.headers).is_ok_and(|value| ContentType::read(value).is_some());
    let message = if is_utf_8 { Message::read(body) } else { Err(Malformed::Charset) };
    let message = message.map_err(|why| {
        let id = Message::id_of_refused(body).map(|id| id.raw().to_owned());
        *reply_to = ReplyTo::Mcp { id, is_tool_call: false, era: Era::Legacy };
        Refusal::Malformed(why)
    })?;
    let id = if let Message::Request(request) = &message { Some(request.id.raw().to_owned()) } else { None };
    let is_tool_call = message.method() == Some(mcp::TOOLS_CALL);
    *reply_to = ReplyTo::Mcp { id: id.clone(), is_tool_call, era: Era::Legacy };
    let era = match message.params() {
        Some(params) => Era::of(values("mcp-protocol-version"), params).map_err(Refusal::HeaderMismatch)?,
        None => Era::Legacy,
    };
    *reply_to = ReplyTo::Mcp { id, is_tool_call, era };
    mcp::check_headers(values("mcp-method"), values("mcp-name"), &message)
        .map_err(Refusal::HeaderMismatch)?;
    match message {
        Message::Response(_) => Ok(Arrival::Transparent(Transparent(()), Passing::Other)),
        Message::Notification(notification) => {
            let method = notification.method.as_ref();
            let cancelled = notification.params.request_id.filter(|_| method == "notifications/cancelled");
            if let Some(id) = cancelled {
                Ok(Arrival::Transparent(Transparent(()), Passing::Cancelled(id.raw())))
            } else if mcp::is_published_notification(method) || extra_methods.contains(method) {
                Ok(Arrival::Transparent(Transparent(()), Passing::Other))
            } else {
                Ok(Arrival::Absorbed)
            }
        }
        Message::Request(request) => {
            let method = request.method.as_ref();
            if method == mcp::TOOLS_CALL || govern.contains(method) {
                mcp_call(backend, &head.headers, request).map(Arrival::Call)
            } else if method == mcp::TOOLS_LIST {
                Ok(Arrival::Transparent(Transparent(()), Passing::ToolsList))
            } else if mcp::is_published_request(method) || extra_methods.contains(method) {
                Ok(Arrival::Transparent(Transparent(()), Passing::Other))
            } else {
                Err(Refusal::UnknownMethod { method: method.to_owned() })
            }
        }
    }
}

/// `tools/call`, or a governed method: then the tool is the method's name, and the resource what it acts on.
fn mcp_call<'a>(
    backend: &'a Backend,
    headers: &'a HeaderMap,
    request: Request<'a>,
) -> Result<ToolCall<'a>, Refusal> {
    let params = request.params;
    let (resource, method) = mapped(backend, headers, params.arguments)?;
    let call = ToolCall {
        tool: request.method,
        resource,
        method,
        arguments: Cow::Borrowed(params.arguments),
        unread_body: None,
        progress_token: params.progress_token,
    };
    if call.tool == mcp::TOOLS_CALL {
        let tool = params.name.ok_or(Refusal::Malformed(Malformed::CallWithoutName))?;
        return Ok(ToolCall { tool, ..call });
    }
    Ok(ToolCall { resource: params.uri.or(params.name).or(call.resource), ..call })
}

type Dimensions<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

fn mapped<'a>(
    backend: &'a Backend,
    headers: &'a HeaderMap,
    arguments: &'a str,
) -> Result<Dimensions<'a>, Refusal> {
    let resource = dimension(backend.resource.as_ref(), headers, arguments)?;
    let method = dimension(backend.method.as_ref(), headers, arguments)?;
    Ok((resource, method))
}

fn dimension<'a>(
    mapping: Option<&'a Mapping>,
    headers: &'a HeaderMap,
    arguments: &'a str,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    match mapping {
        None => Ok(None),
        Some(Mapping::Fixed(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(Mapping::Argument(pointer)) => pointer::text_at(arguments, pointer).map_err(Refusal::NotText),
        Some(Mapping::Header(name)) => header(name, headers),
    }
}

/// The one value of a header. A second one, one under a name that a backend may take for it, or one that does not reach the
/// backend would let it see another value than the one decided on.
fn header<'a>(name: &HeaderName, headers: &'a HeaderMap) -> Result<Option<Cow<'a, str>>, Refusal> {
    let folded = name.as_str().replace('_', "-");
    let mut values = headers.iter().filter(|(other, _)| is_read_as(other, &folded));
    let refused = || Refusal::BadDimensionHeader { header: name.to_string() };
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((other, value)), None) if other == name && !named_by_connection(headers).contains(name) => {
            value.to_str().map(|text| Some(Cow::Borrowed(text))).map_err(|_| refused())
        }
        _ => Err(refused()),
    }
}

/// The one value of `Content-Type`.
fn content_type(headers: &HeaderMap) -> Result<Option<&[u8]>, Malformed> {
    let mut values = headers.iter().filter(|(name, _)| is_read_as(name, CONTENT_TYPE.as_str()));
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|(_, value)| value.as_bytes())),
        _ => Err(Malformed::Charset),
    }
}
