//! The way of one request through the proxy, top to bottom. All control flow is here; everything it calls is a leaf.
//!
//! 1. *listen* ([`crate::listen`]): a connection is accepted under a permit.
//! 2. *serve*: HTTP in; who is calling; the body whole, up to its limit.
//! 3. The policy in force is loaded, once.
//! 4. *protocol*: bytes to a call, or a named refusal.
//! 5. *policy*: the decision.
//! 6. Allow: audit intent, sign, send, relay the response as it comes. Deny: respond. Hold: park, then decide again on
//!    the policy then in force.
//! 7. *respond* ([`crate::respond`]): one table from reason to status and JSON-RPC shape.
//! 8. The audit outcome is recorded once, when the [`Record`] is dropped.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use config::BackendKind;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use policy::{Call, Decision, decide};

use crate::admission::{for_anybody, identified};
use crate::audit::Outcome;
use crate::batch::{SessionKey, batch};
use crate::body::{Body, Whole};
use crate::caller::Identity;
use crate::candidate::compare;
use crate::clock;
use crate::connection::Peer;
use crate::events::{EventStream, response_or_stream};
use crate::exchange::Exchange;
use crate::forward::{Inbound, check_length, forward, recorded, target};
use crate::hold::hold;
use crate::listen::Listening;
use crate::policy_age;
use crate::recognise::{Arrival, Passing, ReplyTo, ToolCall, is_array, recognise};
use crate::refusal::Refusal;
use crate::relay::has_message;
use crate::respond;
use crate::state::{InForce, Phase, Shared};
use crate::transparent::{Message, call_back, transparent};
use crate::upstream::{Outbound, Passage};
use crate::websocket::{Opening, Standing};
use crate::worker::Worker;

/// Answers one request. A held call's answer begins as a stream before `pass` is done; it then goes on inside of it.
pub(crate) async fn gate(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Body> {
    let Ok((id, record)) = worker.begin() else {
        return respond::refused(&Refusal::ReceiptFailed, None, &ReplyTo::Http, "");
    };
    let cors = listening.cors.clone().map(|cors| (cors, listening.hosts.foreign_origin(request.headers())));
    let shared = Arc::clone(&worker.shared);
    let stream = EventStream::default();
    let mut exchange = Exchange {
        worker,
        listening,
        peer,
        id,
        stream: stream.clone(),
        reply_to: ReplyTo::Http,
        identity: None,
        challenge: None,
        verdict: None,
        record: Some(record),
    };
    let name = HeaderValue::from_str(&exchange.id.text);
    let passage = async move {
        match pass(&mut exchange, request).await {
            Ok(response) => response,
            Err(refusal) => exchange.refuse(&refusal).await,
        }
    };
    let mut response = response_or_stream(&shared, Box::pin(passage), stream).await;
    if let Ok(name) = name {
        response.headers_mut().insert(respond::CALL, name);
    }
    if let Some((cors, origin)) = cors {
        cors.mark(origin, response.headers_mut());
    }
    response
}

async fn pass(exchange: &mut Exchange, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let started = Instant::now();
    let worker = Rc::clone(&exchange.worker);
    let listening = Rc::clone(&exchange.listening);
    let shared: &Arc<Shared> = &worker.shared;
    let metrics = &shared.metrics;

    // 2. Who is calling, and the whole body.
    let (head, incoming) = request.into_parts();
    if let Some(answer) = for_anybody(exchange, &head)? {
        return Ok(answer);
    }
    let path = head.uri.path();
    let (place, rest) = listening.route(&shared.settings.backends, path).ok_or(Refusal::NoBackend)?;
    let backend = shared.settings.backends.get(place).ok_or(Refusal::NoBackend)?;
    let identity = identified(exchange, &head, place).await?;
    let tenant = identity.tenant(&head.headers)?;
    if *shared.phase.borrow() >= Phase::Drain {
        return Err(Refusal::Draining);
    }
    // What is refused as a message needs to be read first.
    let is_mcp = matches!(backend.kind, BackendKind::Mcp { .. });
    let mut over = shared.rates.requests(&identity.load, 1).err();
    if let Some(refusal) = over.take_if(|_| !is_mcp || head.method != Method::POST) {
        return Err(refusal);
    }
    let body = Whole::read(shared, &head.headers, incoming).await?;
    metrics.phases.read.observe(started.elapsed().as_secs_f64());

    // 3. What is in force now is what decides; a held call looks again.
    let in_force = shared.in_force.load_full();

    // 4. Bytes to a call.
    let session = if is_mcp { shared.http_sse.session(&head, place, &identity)? } else { None };
    if let Some(session) = &session {
        exchange.stream.is_of(Arc::clone(session));
    }
    let may_batch = is_mcp
        && is_array(&body.bytes)
        && SessionKey::of(place, &identity, &head.headers)
            .is_some_and(|key| shared.batch_sessions.may_batch(&key));
    let arrival = recognise(backend, &head, rest, (&body.bytes, may_batch), &mut exchange.reply_to)?;
    if let Some(refusal) = over {
        return Err(refusal);
    }
    let is_secure = exchange.peer.is_secure;
    let inbound =
        Inbound { head: &head, rest, body: &body, backend, place, is_secure, session: session.as_deref() };
    let tool_call = match arrival {
        Arrival::Absorbed => return Ok(respond::accepted()),
        Arrival::Transparent(proof, passing) => {
            let message = Message { inbound, passing, identity: &identity, tenant };
            return transparent(exchange, in_force, proof, message).await;
        }
        Arrival::Batch(arrivals) => {
            let message = Message { inbound, passing: Passing::Other, identity: &identity, tenant };
            return batch(exchange, in_force, arrivals, message).await;
        }
        Arrival::Call(tool_call) => tool_call,
    };
    let call = tool_call.call(backend, tenant, &identity);
    let result = enforce(exchange, in_force, &inbound, &tool_call, &call, &identity).await;
    if let Err(refusal) = &result {
        exchange.record_refusal(refusal, Some(&call)).await;
    }
    metrics.phases.total.observe(started.elapsed().as_secs_f64());
    result
}

/// Decides a call and does what was decided.
async fn enforce(
    exchange: &mut Exchange,
    mut in_force: Arc<InForce>,
    inbound: &Inbound<'_>,
    tool_call: &ToolCall<'_>,
    call: &Call<'_>,
    identity: &Arc<Identity>,
) -> Result<Response<Body>, Refusal> {
    let worker = Rc::clone(&exchange.worker);
    let shared = &worker.shared;
    let deciding = Instant::now();
    exchange.enter(identity)?;
    check_length(call)?;
    let handshake = tool_call.websocket.as_ref();
    let opening = handshake.map(|handshake| Opening::new(shared, inbound.backend, handshake)).transpose()?;

    // 5. The decision; after a hold, again on the policy then in force.
    let mut policy = in_force.policy.clone().ok_or(Refusal::NoPolicy)?;
    let mut call = shared.definitions.beside(&policy.snapshot, call);
    let now = clock::now();
    let mut decision = decide(&policy.snapshot, &call, None, now);
    exchange.count(inbound.place, decision.verdict());
    let beside = (&policy.snapshot, &shared.definitions);
    shared.discovery.called(beside, (inbound.backend, &call), &shared.metrics);
    compare(shared, &in_force, &call, decision.verdict(), now);
    shared.metrics.phases.decide.observe(deciding.elapsed().as_secs_f64());
    exchange.verdict = Some(decision.verdict().clone());
    let max_age = &shared.settings.max_policy_age;
    policy_age::check(max_age, &policy, (&call, &decision), now)?;
    if !matches!(decision, Decision::Deny(_)) {
        exchange.enter_tool(inbound.place, &call)?;
    }
    let permit = loop {
        match decision {
            Decision::Allow(permit) => break permit,
            Decision::Deny(denial) => return Err(exchange.denied(denial, &policy.snapshot, &call)),
            Decision::Hold(ask) => {
                exchange.may_leave(&call);
                let held = exchange.held(policy.snapshot.org(), tool_call, &call, identity, inbound.head);
                let grant = hold(shared, &ask, held).await?;
                in_force = shared.in_force.load_full();
                let again = in_force.identities.again(identity, &exchange.peer, &in_force.tls, clock::now());
                again.inspect_err(|refusal| exchange.challenge(inbound.place, inbound.head, refusal))?;
                policy = in_force.policy.clone().ok_or(Refusal::NoPolicy)?;
                call = shared.definitions.beside(&policy.snapshot, &call);
                let now = clock::now();
                decision = decide(&policy.snapshot, &call, Some(grant), now);
                exchange.verdict = Some(decision.verdict().clone());
                policy_age::check(max_age, &policy, (&call, &decision), now)?;
            }
        }
    };

    // 6. Nothing goes out unrecorded or unsigned.
    let mut record = exchange.record.take().ok_or(Refusal::AuditFailed)?;
    let nonce = exchange.id.nonce;
    let body = &inbound.body.bytes;
    let receipt =
        recorded(exchange, (&in_force, &policy), (&call, &permit), (&mut record, nonce), body).await?;
    let outbound = Outbound {
        target: target(inbound)?,
        body: inbound.body.bytes.clone(),
        receipts: vec![receipt],
        // An open stream can only pass on what it can read, and a list of tools may hide in any stream.
        plain_response: exchange.stream.is_open() || exchange.looks_for_lists(inbound.backend),
        websocket: opening.is_some(),
    };
    let is_approved = permit.approval().is_some();
    let answer = forward(exchange, Passage::Permit(permit), outbound, inbound, Some(&mut record)).await?;
    if let Some(opening) = opening
        && answer.response.status() == StatusCode::SWITCHING_PROTOCOLS
    {
        return opening.open(exchange, inbound, answer, record, Standing::new(&call, is_approved));
    }
    // In the old transport the answer comes in another stream, and what comes here is an acknowledgement.
    let is_message = inbound.session.is_some() || has_message(&answer.response);
    if exchange.stream.is_open() && !is_message {
        // The stream is open: what is not a message can't be passed on in it.
        let status = answer.response.status().as_u16();
        record.outcome(Outcome::Failed, Some(status));
        return Err(Refusal::BackendNoMessage { backend: inbound.backend.name.clone(), status });
    }
    call_back(exchange, inbound, call.tenant, (answer, record)).await
}
