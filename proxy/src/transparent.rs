//! Messages that policy has no say in: handshakes, lists, streams, answers. They pass as they are, except that lists of
//! tools are looked into on their way back.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use config::ListMode;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode, Version};
use http_body_util::BodyExt;
use protocol::mcp::Era;
use protocol::message::Id;
use protocol::{reply, sse};

use crate::approvals::RequestKey;
use crate::audit::{Outcome, Record};
use crate::authorization::document;
use crate::batch::{SessionKey, SessionStart};
use crate::body::Body;
use crate::caller::Identity;
use crate::exchange::Exchange;
use crate::forward::{Inbound, forward, target};
use crate::http_sse::PendingSession;
use crate::listings::Owed;
use crate::recognise::{Passing, ReplyTo, Transparent};
use crate::refusal::Refusal;
use crate::relay::{
    Look, OpenStream, Reading, Visible, Way, content_type, is_event_stream, is_json, is_plain, relay,
};
use crate::state::{InForce, Room, Shared};
use crate::upstream::{Answer, Failure, Outbound, Passage};

/// A message to pass on, and whose it is.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) inbound: Inbound<'a>,
    pub(crate) passing: Passing<'a>,
    pub(crate) identity: &'a Arc<Identity>,
    pub(crate) tenant: Option<&'a str>,
}

/// Passes a message on, and its answer back.
pub(crate) async fn transparent(
    exchange: &mut Exchange,
    in_force: Arc<InForce>,
    proof: Transparent,
    message: Message<'_>,
) -> Result<Response<Body>, Refusal> {
    let worker = std::rc::Rc::clone(&exchange.worker);
    let shared = &worker.shared;
    if in_force.policy.is_none() {
        return Err(Refusal::NoPolicy);
    }
    worker.backends.get(message.inbound.place).ok_or(Refusal::NoBackend)?.transparent.inc();
    if let Passing::Cancelled(id) = message.passing {
        cancel(exchange, &message.inbound, message.identity, id);
    }
    exchange.enter(message.identity)?;
    if let Passing::Document = message.passing {
        return document(exchange, proof, &message.inbound).await;
    }
    let (mut look, open) = plan(exchange, &message)?;
    let begins_session = matches!(message.passing, Passing::Initialize);
    let outbound = Outbound {
        target: target(&message.inbound)?,
        body: message.inbound.body.bytes.clone(),
        receipts: Vec::new(),
        plain_response: look.is_needed() || begins_session,
        websocket: false,
    };
    let answer = forward(exchange, Passage::Transparent(proof), outbound, &message.inbound, None).await?;
    if let Some(pending) = &mut look.pending {
        pending.endpoint = Some(Arc::clone(answer.lease.endpoint()));
    }
    let session = SessionKey::of(message.inbound.place, message.identity, answer.response.headers());
    if let (true, Some(key)) = (begins_session, session) {
        look.session_start = Some(SessionStart { shared: Arc::clone(shared), key });
    }
    let may_be_a_list = shared.listings.may_come(message.inbound.place) && is_json(&answer.response);
    look.in_one_message |= may_be_a_list;
    let record = exchange.record.take().ok_or(Refusal::AuditFailed)?;
    back(shared, answer, record, look, open).await
}

/// The caller takes back a request: if it is held, it ends here; the backend hears of it too.
pub(crate) fn cancel(exchange: &Exchange, inbound: &Inbound<'_>, identity: &Identity, id: &str) {
    let key = RequestKey {
        caller: identity.caller.id.clone(),
        session: exchange.session_id(inbound.head),
        id: id.to_owned(),
    };
    exchange.worker.shared.approvals.cancel(&key);
}

/// What is looked for in the answer, and what an answer without an end is waited for with.
fn plan(exchange: &Exchange, message: &Message<'_>) -> Result<(Look, Option<Box<OpenStream>>), Refusal> {
    let shared = &exchange.worker.shared;
    let Message { inbound, passing, identity, tenant } = message;
    let lists = || lists(exchange, inbound, *tenant);
    // A list that policy never touches does not change with it.
    let is_touched = exchange.listening.settings.list != ListMode::Off;
    let is_looked_for = exchange.looks_for_lists(inbound.backend);
    let changed = |subscription: Option<&str>| {
        let id = subscription.and_then(Id::from_raw);
        is_touched.then(|| Bytes::from(sse::write_event(&reply::tools_list_changed(id))))
    };
    match passing {
        Passing::ToolsList => {
            // Over HTTP+SSE the list comes in the stream; what answers the message itself is no message.
            let is_strict = inbound.session.is_none();
            let owed = Some(Arc::new(Owed::new(shared, inbound.place)));
            let lists = Some(Visible { owed, ..lists()? });
            Ok((Look { lists, in_one_message: true, is_strict, ..Look::default() }, None))
        }
        Passing::Stream => {
            let token = exchange.worker.token().map_err(|_| Refusal::ReceiptFailed)?.text;
            let (pending, inbox) = PendingSession::new(
                &shared.http_sse,
                (inbound.place, inbound.backend),
                &identity.caller.id,
                inbound.head.uri.path(),
                token,
            );
            // Without a session it may be a stream of the old transport, where the endpoint has to come first.
            let answers_first = exchange.session_id(inbound.head).is_none();
            let open = OpenStream::new(shared, identity, &exchange.peer)
                .on_change(changed(None), answers_first)
                .with_inbox(inbox);
            let look =
                Look { lists: Some(lists()?), pending: Some(pending), is_strict: true, ..Look::default() };
            Ok((look, Some(Box::new(open))))
        }
        Passing::Listen { id, tools } => {
            let event = tools.then(|| changed(Some(id))).flatten();
            let open = OpenStream::new(shared, identity, &exchange.peer).on_change(event, true);
            let look = Look { lists: Some(lists()?), is_strict: true, ..Look::default() };
            Ok((look, Some(Box::new(open))))
        }
        Passing::EndSession => {
            if let Some(key) = SessionKey::of(inbound.place, identity, &inbound.head.headers) {
                shared.batch_sessions.forget(&key);
            }
            Ok((Look::default(), None))
        }
        Passing::Initialize => Ok((Look { in_one_message: true, ..Look::default() }, None)),
        // A server that confuses two requests of one id answers a list where another answer is due.
        Passing::Cancelled(_) | Passing::Other if is_looked_for => {
            Ok((Look { lists: Some(lists()?), ..Look::default() }, None))
        }
        Passing::Cancelled(_) | Passing::Document | Passing::Other => Ok((Look::default(), None)),
    }
}

/// The way of a call's answer to its caller.
pub(crate) async fn call_back(
    exchange: &Exchange,
    inbound: &Inbound<'_>,
    tenant: Option<&str>,
    (answer, record): (Answer, Record),
) -> Result<Response<Body>, Refusal> {
    let shared = &exchange.worker.shared;
    let is_stream = content_type(&answer.response).is_some_and(is_event_stream);
    let may_be_a_list = is_stream || is_json(&answer.response) && shared.listings.may_come(inbound.place);
    if !exchange.looks_for_lists(inbound.backend) || !may_be_a_list {
        let acknowledges = inbound.session.is_some();
        return Ok(relay(answer, record, Way { acknowledges, ..Way::default() }));
    }
    let lists = Some(lists(exchange, inbound, tenant)?);
    let look = Look { lists, in_one_message: true, ..Look::default() };
    let status = answer.response.status().as_u16();
    back(shared, answer, record, look, None).await.map_err(|refusal| match refusal {
        // The call is done, or may be.
        Refusal::ListUnreadable { .. } => {
            Refusal::BackendNoMessage { backend: inbound.backend.name.clone(), status }
        }
        refusal => refusal,
    })
}

/// How lists of tools are shown to a caller.
pub(crate) fn lists(
    exchange: &Exchange,
    inbound: &Inbound<'_>,
    tenant: Option<&str>,
) -> Result<Visible, Refusal> {
    let worker = &exchange.worker;
    let backend = worker.backends.get(inbound.place).ok_or(Refusal::NoBackend)?;
    let era = if let ReplyTo::Mcp { era, .. } = exchange.reply_to { era } else { Era::Legacy };
    Ok(Visible {
        shared: Arc::clone(&worker.shared),
        backend: inbound.backend.name.clone(),
        list: exchange.listening.settings.list,
        tenant: tenant.map(str::to_owned),
        era,
        hidden: backend.hidden.clone(),
        owed: None,
    })
}

/// The way of an answer to the caller, looked into where that is asked for.
pub(crate) async fn back(
    shared: &Shared,
    answer: Answer,
    record: Record,
    look: Look,
    open: Option<Box<OpenStream>>,
) -> Result<Response<Body>, Refusal> {
    let limits = &shared.settings.limits;
    let is_stream = content_type(&answer.response).is_some_and(is_event_stream);
    if !look.is_needed() {
        return Ok(relay(answer, record, Way::default()));
    }
    // What says that it failed, and what answers a GET, may still carry a list to whoever looks.
    let is_read = look.in_one_message && answer.response.status().is_success()
        || is_json(&answer.response) && (look.in_one_message || look.pending.is_some());
    if !is_plain(answer.response.headers()) {
        // Only a list of tools must not pass unread.
        let open = open.filter(|_| is_stream).map(|open| Box::new(open.silent()));
        return if (is_stream || is_read) && !look.lists.as_ref().is_none_or(Visible::may_pass_unread) {
            Err(Refusal::ListUnreadable { why: "not-plain" })
        } else {
            Ok(relay(answer, record, Way { open, ..Way::default() }))
        };
    }
    if is_stream {
        let reading = Some(Box::new(Reading::new(look, shared)));
        return Ok(relay(answer, record, Way { reading, open, ..Way::default() }));
    }
    if !is_read {
        return Ok(relay(answer, record, Way::default()));
    }
    let max_bytes = usize::try_from(limits.max_tools_list_bytes).unwrap_or(usize::MAX);
    let deadline = Duration::from_secs(limits.response_timeout_seconds.into());
    tokio::time::timeout(deadline, one_message(shared, answer, record, &look, max_bytes))
        .await
        .map_err(|_| Refusal::ListUnreadable { why: "too-slow" })?
}

/// An answer that comes as one message, whatever content type it claims.
async fn one_message(
    shared: &Shared,
    answer: Answer,
    mut record: Record,
    look: &Look,
    max_bytes: usize,
) -> Result<Response<Body>, Refusal> {
    let (mut head, mut incoming) = answer.response.into_parts();
    record.outcome(Outcome::Unknown, Some(head.status.as_u16()));
    let mut read = BytesMut::new();
    let mut room = Room::new(Arc::clone(&shared.buffered_responses));
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| {
            answer.lease.failed_midway(Failure::Cut);
            Refusal::ListUnreadable { why: "broken-off" }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > max_bytes {
            shared.metrics.limits_reached.with_label_values(&["max_tools_list_bytes"]).inc();
            return Err(Refusal::ListUnreadable { why: "too-large" });
        }
        if !room.take(data.len()) {
            shared.metrics.limits_reached.with_label_values(&["max_buffered_response_bytes"]).inc();
            return Err(Refusal::ListUnreadable { why: "no-room" });
        }
        read.extend_from_slice(&data);
    }
    answer.lease.give_back();
    let must_be_json = look.is_strict
        && head.status.is_success()
        && look.lists.as_ref().is_some_and(|lists| !lists.may_pass_unread());
    if must_be_json && !is_plain_json(&read) {
        return Err(Refusal::ListUnreadable { why: "not-json" });
    }
    let outcome = if head.status.as_u16() < 400 { Outcome::Success } else { Outcome::Failed };
    record.outcome(outcome, Some(head.status.as_u16()));
    let body: Bytes = match look.message(&read).map_err(|why| Refusal::ListUnreadable { why })? {
        Some(changed) => changed.into(),
        None => read.freeze(),
    };
    let body = room.hold(body);
    crate::upstream::remove_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    head.headers.remove(CONTENT_LENGTH);
    if head.status == StatusCode::NO_CONTENT {
        return Ok(Response::from_parts(head, Body::Full(Bytes::new())));
    }
    Ok(Response::from_parts(head, Body::Full(body)))
}

/// Whether a body can only be read as JSON in UTF-8, or is empty. In another encoding, or compressed without a word of it,
/// it could be a list to a client that finds that out.
fn is_plain_json(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_none_or(|first| matches!(first, b'{' | b'[')) && !body.contains(&0)
}
