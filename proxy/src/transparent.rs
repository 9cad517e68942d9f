//! Messages that policy has no say in: handshakes, lists, streams, answers. They pass as they are, except that lists of
//! tools are looked into on their way back.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Response, StatusCode, Version};
use http_body_util::BodyExt;
use protocol::mcp::Era;

use crate::approvals::RequestKey;
use crate::body::Body;
use crate::caller::Identity;
use crate::exchange::Exchange;
use crate::gate::{Inbound, forward, target};
use crate::recognise::{Passing, ReplyTo, Transparent};
use crate::refusal::Refusal;
use crate::relay::{ListFilter, Visible, Way, content_type, is_event_stream, relay};
use crate::state::InForce;
use crate::upstream::{Answer, Outbound, Passage};

/// A message to pass on, and whose it is.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) inbound: Inbound<'a>,
    pub(crate) passing: Passing<'a>,
    pub(crate) identity: &'a Identity,
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
    let backend = worker.backends.get(message.inbound.place).ok_or(Refusal::NoBackend)?;
    backend.transparent.inc();
    if let Passing::Cancelled(id) = message.passing {
        let session =
            message.inbound.head.headers.get("mcp-session-id").map(|session| session.as_bytes().to_vec());
        let caller = message.identity.caller.id.clone();
        shared.approvals.cancel(&RequestKey { caller, session, id: id.to_owned() });
    }
    let looks = matches!(message.passing, Passing::ToolsList | Passing::Stream);
    let outbound = Outbound {
        target: target(&message.inbound)?,
        body: message.inbound.body.bytes.clone(),
        receipt: None,
        plain_response: looks,
    };
    exchange.enter(message.identity)?;
    let answer = forward(exchange, Passage::Transparent(proof), outbound, &message.inbound, None).await?;
    let is_stream = content_type(&answer.response).is_some_and(is_event_stream);
    let ends_with =
        (is_stream && matches!(message.passing, Passing::Stream)).then(|| shared.phase.subscribe());
    let era = if let ReplyTo::Mcp { era, .. } = exchange.reply_to { era } else { Era::Legacy };
    let visible = Visible {
        shared: Arc::clone(shared),
        backend: message.inbound.backend.name.clone(),
        list: exchange.listening.settings.list,
        tenant: message.tenant.map(str::to_owned),
        era,
        hidden: backend.hidden.clone(),
    };
    if !looks || readable(&answer).is_err() && visible.may_pass_unread() {
        let record = exchange.record.take().ok_or(Refusal::AuditFailed)?;
        return Ok(relay(answer, record, Way { filter: None, ends_with }));
    }
    let limits = &shared.settings.limits;
    if is_stream {
        readable(&answer)?;
        let event_max_bytes = usize::try_from(limits.max_event_bytes).unwrap_or(usize::MAX);
        let record = exchange.record.take().ok_or(Refusal::AuditFailed)?;
        let filter = Some(ListFilter::new(visible, event_max_bytes));
        return Ok(relay(answer, record, Way { filter, ends_with }));
    }
    match message.passing {
        Passing::ToolsList if answer.response.status().is_success() => {
            readable(&answer)?;
            let max_bytes = usize::try_from(limits.max_tools_list_bytes).unwrap_or(usize::MAX);
            let deadline = Duration::from_secs(limits.response_timeout_seconds.into());
            tokio::time::timeout(deadline, list(answer, &visible, max_bytes))
                .await
                .map_err(|_| Refusal::ListUnreadable { why: "too-slow" })?
        }
        _ => {
            let record = exchange.record.take().ok_or(Refusal::AuditFailed)?;
            Ok(relay(answer, record, Way::default()))
        }
    }
}

/// An answer that was compressed although nobody asked for it can't be looked into.
fn readable(answer: &Answer) -> Result<(), Refusal> {
    match answer.response.headers().get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Refusal::ListUnreadable { why: "content-encoding" }),
        _ => Ok(()),
    }
}

/// A list of tools that comes as one message, whatever content type it claims.
async fn list(answer: Answer, visible: &Visible, max_bytes: usize) -> Result<Response<Body>, Refusal> {
    let (mut head, mut incoming) = answer.response.into_parts();
    let mut read = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Refusal::ListUnreadable { why: "broken-off" })?;
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > max_bytes {
            visible.shared.metrics.limits_reached.with_label_values(&["max_tools_list_bytes"]).inc();
            return Err(Refusal::ListUnreadable { why: "too-large" });
        }
        read.extend_from_slice(&data);
    }
    answer.lease.give_back();
    let body: Bytes = match visible.message(&read).map_err(|why| Refusal::ListUnreadable { why })? {
        Some(changed) => changed.into(),
        None => read.freeze(),
    };
    crate::upstream::remove_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    head.headers.remove(CONTENT_LENGTH);
    if head.status == StatusCode::NO_CONTENT {
        return Ok(Response::from_parts(head, Body::Full(Bytes::new())));
    }
    Ok(Response::from_parts(head, Body::Full(body)))
}
