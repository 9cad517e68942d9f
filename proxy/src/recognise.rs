//! From a request to what it is: a call for policy to decide, a message that policy has no say in, or a refusal.

mod message;

use std::borrow::Cow;

use config::{Backend, BackendKind, Mapping};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use policy::{Call, Definition, Unread};
use protocol::malformed::Malformed;
use protocol::mcp::{self, Era};
use protocol::pointer;
use protocol::rest::{self, RestRequest, Routes};

use crate::authorization::is_document;
use crate::caller::Identity;
use crate::header::{is_read_as, overriding};
use crate::refusal::Refusal;
use crate::upstream::named_by_connection;
use crate::websocket::Handshake;

/// What a request is.
#[derive(Debug)]
pub(crate) enum Arrival<'a> {
    /// A call: policy decides.
    Call(ToolCall<'a>),
    /// Policy has no say in it.
    Transparent(Transparent, Passing<'a>),
    /// A notification that nobody has published: acknowledged, and no further.
    Absorbed,
    /// Several of these in one body (revision 2025-03-26), none of them a batch.
    Batch(Vec<Self>),
}

/// A call as its bytes say it. Who calls, and for which tenant, is known already.
#[derive(Debug)]
pub(crate) struct ToolCall<'a> {
    pub(crate) tool: Cow<'a, str>,
    pub(crate) resource: Option<Cow<'a, str>>,
    pub(crate) method: Option<Cow<'a, str>>,
    /// The JSON text of an object.
    pub(crate) arguments: Cow<'a, str>,
    /// What else it carries.
    pub(crate) unread: Unread<'a>,
    /// JSON text of the token under which the caller wants to hear of progress.
    pub(crate) progress_token: Option<&'a str>,
    /// The WebSocket that it opens, if it is one's handshake.
    pub(crate) websocket: Option<Handshake>,
}

impl ToolCall<'_> {
    /// The call as policy sees it.
    pub(crate) fn call<'a>(
        &'a self,
        backend: &'a Backend,
        tenant: Option<&'a str>,
        identity: &'a Identity,
    ) -> Call<'a> {
        Call {
            backend: &backend.name,
            tool: &self.tool,
            tenant,
            resource: self.resource.as_deref(),
            method: self.method.as_deref(),
            arguments: &self.arguments,
            unread: self.unread,
            caller: &identity.caller,
            reasoning: None,
            definition: Definition::Accepted,
        }
    }
}

/// What kind of message passes, where that matters on the way back.
#[derive(Debug)]
pub(crate) enum Passing<'a> {
    /// A list of tools will come back.
    ToolsList,
    /// A stream of whatever the backend has to say, lists of tools among it.
    Stream,
    /// A stream of notifications (2026-07-28), under the request's id (JSON text). `tools`: also of the list of tools.
    Listen {
        id: String,
        tools: bool,
    },
    /// The handshake: a session may begin with it.
    Initialize,
    /// The session ends.
    EndSession,
    /// The caller takes back the request with this id (JSON text).
    Cancelled(&'a str),
    /// A document about the backend's authorization is asked for.
    Document,
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
    /// A batch of MCP messages. `refused` is the place of the one that refuses them all.
    Batch { requests: Vec<Requested>, refused: Option<usize> },
    /// A REST request.
    Rest,
}

/// One message of a batch that wants an answer.
#[derive(Clone, Debug)]
pub(crate) struct Requested {
    /// Its place in the batch.
    pub(crate) place: usize,
    /// JSON text.
    pub(crate) id: String,
    pub(crate) is_tool_call: bool,
}

/// Recognises a request to a backend. `may_batch`: the body is an array, and its session may send batches. `reply_to`
/// learns how to answer as soon as that is known, also for a refusal.
pub(crate) fn recognise<'a>(
    backend: &'a Backend,
    head: &'a Parts,
    path: &'a str,
    (body, may_batch): (&'a [u8], bool),
    reply_to: &mut ReplyTo,
) -> Result<Arrival<'a>, Refusal> {
    if let Some(header) = overriding(&head.headers) {
        return Err(Refusal::Override { header });
    }
    if is_document(backend, head, path) {
        return match head.method {
            Method::GET if body.is_empty() => Ok(Arrival::Transparent(Transparent(()), Passing::Document)),
            _ => Err(Refusal::MethodNotAllowed),
        };
    }
    match &backend.kind {
        BackendKind::Mcp { .. } if head.uri.query().is_some_and(mcp::has_method_in_query) => {
            Err(Refusal::MethodInQuery)
        }
        BackendKind::Mcp { extra_methods, govern } => match head.method {
            Method::POST => {
                let methods = message::Methods { backend, extra: extra_methods, govern };
                if may_batch {
                    message::batch(methods, head, body, reply_to)
                } else {
                    message::one(methods, head, body, reply_to)
                }
            }
            Method::GET | Method::DELETE if !body.is_empty() => Err(Refusal::BodyUnreadable),
            Method::GET => Ok(Arrival::Transparent(Transparent(()), Passing::Stream)),
            Method::DELETE => Ok(Arrival::Transparent(Transparent(()), Passing::EndSession)),
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
    let websocket = Handshake::read(head, body)?;
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
        unread: if call.body_is_unread { Unread::Body(body) } else { Unread::Nothing },
        progress_token: None,
        websocket,
    })
}

/// Whether a body can be a batch.
pub(crate) fn is_array(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
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
