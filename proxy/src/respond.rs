//! Answers that the proxy gives itself: from a refusal, and how its caller can be answered, to the wire.

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use policy::Verdict;
use protocol::message::Id;
use protocol::{mcp::Era, reply};
use serde_json::{Map, Value, json};

use crate::body::Body;
use crate::recognise::{ReplyTo, Requested};
use crate::refusal::{Mcp, REFUSED, Refusal, Retry, Wire};

/// Header that names the call in every response, as its records and its receipt do.
pub(crate) const CALL: &str = "oakgate-call";

/// The answer to a request that is refused.
pub(crate) fn refused(
    refusal: &Refusal,
    verdict: Option<&Verdict>,
    reply_to: &ReplyTo,
    call: &str,
) -> Response<Body> {
    let wire = refusal.wire();
    let mut response = match (reply_to, wire.mcp) {
        (ReplyTo::Mcp { id, is_tool_call, era }, Mcp::Result | Mcp::Error(_)) => {
            mcp(refusal, verdict, (id.as_deref(), *is_tool_call, *era), call)
        }
        (ReplyTo::Batch { requests, refused }, _) if !requests.is_empty() => {
            batch(refusal, verdict, (requests, *refused), call)
        }
        _ => problem(refusal, wire, verdict, call),
    };
    let headers = response.headers_mut();
    if let Some(seconds) = wire.retry.after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if wire.status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="oakgate""#));
    }
    if matches!(refusal, Refusal::WebsocketVersion) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    if matches!(refusal, Refusal::MethodNotAllowed) {
        headers.insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    }
    response
}

/// The acknowledgement of a notification that goes no further.
pub(crate) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// Whether an answer is a message, and not a problem document.
pub(crate) fn is_message(response: &Response<Body>) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

/// What a model or a person is told.
fn sentence(refusal: &Refusal, wire: Wire) -> String {
    let lead = if wire.retry == Retry::Unknown {
        "It is not known whether this was executed"
    } else {
        "Not executed"
    };
    format!("{lead}: {refusal}. {}", wire.retry.advice())
}

/// One answer for each request of a batch: the one that refuses them all says why, the others that it does.
fn batch(
    refusal: &Refusal,
    verdict: Option<&Verdict>,
    (requests, refused): (&[Requested], Option<usize>),
    call: &str,
) -> Response<Body> {
    let answers: Vec<Vec<u8>> = requests
        .iter()
        .map(|request| {
            let is_why = refused.is_none_or(|place| place == request.place);
            let (refusal, verdict) = if is_why { (refusal, verdict) } else { (&Refusal::BatchRefused, None) };
            message(refusal, verdict, (Some(&request.id), request.is_tool_call, Era::Legacy), call).1
        })
        .collect();
    json_response(200, reply::batch(&answers))
}

fn mcp(
    refusal: &Refusal,
    verdict: Option<&Verdict>,
    to: (Option<&str>, bool, Era),
    call: &str,
) -> Response<Body> {
    let (status, body) = message(refusal, verdict, to, call);
    json_response(status, body)
}

/// The message that says so, and the status that it goes with.
fn message(
    refusal: &Refusal,
    verdict: Option<&Verdict>,
    (id, is_tool_call, era): (Option<&str>, bool, Era),
    call: &str,
) -> (u16, Vec<u8>) {
    let wire = refusal.wire();
    let id = id.and_then(Id::from_raw);
    let details = details(refusal, wire, verdict, call);
    match (wire.mcp, id) {
        (Mcp::Result, Some(id)) if is_tool_call => {
            (200, reply::tool_error(id, &sentence(refusal, wire), &details))
        }
        (Mcp::Error(code), id) => {
            let status = match refusal {
                // Like a tool that does not exist: nothing of the verdict is told.
                Refusal::Hidden { .. } => {
                    return (200, reply::error(id, code, &refusal.to_string(), None));
                }
                Refusal::UnknownMethod { .. } if era == Era::Legacy => 200,
                _ => wire.status,
            };
            (status, reply::error(id, code, &refusal.to_string(), Some(&details)))
        }
        (Mcp::Result | Mcp::Http, id) => {
            let status = if wire.status >= 500 { wire.status } else { 200 };
            (status, reply::error(id, REFUSED, &sentence(refusal, wire), Some(&details)))
        }
    }
}

/// A problem document (RFC 9457).
fn problem(refusal: &Refusal, wire: Wire, verdict: Option<&Verdict>, call: &str) -> Response<Body> {
    let status = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut document = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": wire.name,
        "detail": sentence(refusal, wire),
    });
    if let (Some(document), Value::Object(details)) =
        (document.as_object_mut(), details(refusal, wire, verdict, call))
    {
        document.extend(details.into_iter().filter(|(key, _)| key != "reason"));
    }
    let mut response = json_response(wire.status, document.to_string().into_bytes());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// What a program can read: the reason's name, and what was decided.
fn details(refusal: &Refusal, wire: Wire, verdict: Option<&Verdict>, call: &str) -> Value {
    let mut details = Map::new();
    details.insert("reason".to_owned(), wire.name.into());
    details.insert("call".to_owned(), call.into());
    if let Some(seconds) = wire.retry.after_seconds() {
        details.insert("retry_after_seconds".to_owned(), seconds.into());
    }
    if let Some(reference) = refusal.reference() {
        details.insert("reference".to_owned(), reference.as_str().into());
    }
    if let Some(verdict) = verdict {
        details.insert("permission".to_owned(), verdict.permission.as_str().into());
        details.insert("level".to_owned(), verdict.level.as_str().into());
        if let Some(rule) = verdict.rule.as_deref() {
            details.insert("rule".to_owned(), rule.into());
        }
        if verdict.definition_changed {
            details.insert("definition_changed".to_owned(), true.into());
        }
        details.insert("policy".to_owned(), verdict.revision.into());
    }
    Value::Object(details)
}

fn json_response(status: u16, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
