//! Batches of messages, which revision 2025-03-26 has and no other: which sessions may send them, and how one is decided.
//!
//! Every call in a batch is decided on its own; one refusal refuses them all. A batch does not wait for a person.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::Limits;
use edge::KeyCounted;
use http::{HeaderMap, HeaderValue, Response};
use moka::notification::RemovalCause;
use moka::sync::Cache;
use policy::{Call, Decision, Permit, decide};
use protocol::handshake::settled_revision;
use protocol::malformed::Malformed;
use protocol::mcp::Revision;

use crate::audit::Record;
use crate::body::Body;
use crate::caller::Identity;
use crate::candidate::compare;
use crate::clock;
use crate::exchange::Exchange;
use crate::forward::{check_length, forward, recorded, target};
use crate::header::values;
use crate::listings::Owed;
use crate::metrics::Metrics;
use crate::policy_age;
use crate::recognise::{Arrival, Passing, ReplyTo, ToolCall, Transparent};
use crate::refusal::Refusal;
use crate::relay::{Look, Visible};
use crate::state::{InForce, PolicyInForce, Shared, UnderWay};
use crate::transparent::{Message, back, cancel, lists};
use crate::upstream::{Outbound, Passage};

/// The sessions that this proxy saw begin at revision 2025-03-26.
#[derive(Debug)]
pub(crate) struct BatchSessions(Cache<SessionKey, ()>);

/// A session of one caller with one backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey {
    place: usize,
    caller: String,
    id: Vec<u8>,
}

/// A session that is about to begin.
#[derive(Debug)]
pub(crate) struct SessionStart {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: SessionKey,
}

impl BatchSessions {
    pub(crate) fn new(limits: &Limits, metrics: &Metrics) -> Self {
        let idle = Duration::from_secs(limits.session_idle_seconds.into());
        let full = metrics.limits_reached.with_label_values(&["max_sessions"]);
        let count = move |_: Arc<SessionKey>, (), cause| {
            if cause == RemovalCause::Size {
                full.inc();
            }
        };
        let cache = Cache::builder().max_capacity(limits.max_sessions.into()).time_to_idle(idle);
        Self(cache.eviction_listener(count).build())
    }

    /// Whether a request is of a session that may send batches.
    pub(crate) fn may_batch(&self, key: &SessionKey) -> bool {
        self.0.get(key).is_some()
    }

    pub(crate) fn forget(&self, key: &SessionKey) {
        self.0.invalidate(key);
    }
}

impl SessionKey {
    /// The session that the one `Mcp-Session-Id` of some headers names.
    pub(crate) fn of(place: usize, identity: &Identity, headers: &HeaderMap) -> Option<Self> {
        let mut ids = values(headers, "mcp-session-id");
        let (Some(id), None) = (ids.next(), ids.next()) else { return None };
        Some(Self { place, caller: identity.caller.id.clone(), id: id.to_vec() })
    }
}

impl SessionStart {
    /// Looks at a message of the backend that may settle the revision.
    pub(crate) fn look(&self, message: &[u8]) {
        if settled_revision(message) == Some(Revision::V2025_03_26) {
            self.shared.batch_sessions.0.insert(self.key.clone(), ());
        }
    }
}

/// What a batch is made of.
#[derive(Default)]
struct Sorted<'a> {
    /// With their places in the batch.
    calls: Vec<(usize, ToolCall<'a>)>,
    proofs: Vec<Transparent>,
    has_list: bool,
    cancelled: Vec<&'a str>,
}

/// Decides every call of a batch, and passes it on if it may pass whole.
pub(crate) async fn batch(
    exchange: &mut Exchange,
    in_force: Arc<InForce>,
    arrivals: Vec<Arrival<'_>>,
    message: Message<'_>,
) -> Result<Response<Body>, Refusal> {
    let worker = Rc::clone(&exchange.worker);
    let shared = &worker.shared;
    let Message { inbound, identity, tenant, .. } = &message;
    let policy = in_force.policy.clone().ok_or(Refusal::NoPolicy)?;
    let sorted = Sorted::of(arrivals)?;
    let calls: Vec<(usize, Call<'_>)> = sorted
        .calls
        .iter()
        .map(|(place, tool_call)| {
            let call = tool_call.call(inbound.backend, *tenant, identity);
            (*place, shared.definitions.beside(&policy.snapshot, &call))
        })
        .collect();
    let mut permits = Vec::with_capacity(calls.len());
    for (place, call) in &calls {
        exchange.refuses(Some(*place));
        let beside = (&policy.snapshot, &shared.definitions);
        shared.discovery.called(beside, (inbound.backend, call), &shared.metrics);
        match permit(exchange, &in_force, &policy, inbound.place, call) {
            Ok(permit) => permits.push(permit),
            Err(refusal) => {
                exchange.record_refused_batch(&refusal, *place, &calls).await;
                return Err(refusal);
            }
        }
    }
    exchange.refuses(None);
    rates(exchange, inbound.place, identity, (&calls, calls.len() + sorted.proofs.len()))?;
    for id in &sorted.cancelled {
        cancel(exchange, inbound, identity, id);
    }
    let (receipts, record) = records(exchange, (&in_force, &policy), &calls, &permits, &message).await?;
    let mut record = record;
    let looks = sorted.has_list || exchange.looks_for_lists(inbound.backend);
    let owed = sorted.has_list.then(|| Arc::new(Owed::new(shared, inbound.place)));
    let lists = if looks { Some(Visible { owed, ..lists(exchange, inbound, *tenant)? }) } else { None };
    let outbound = Outbound {
        target: target(inbound)?,
        body: inbound.body.bytes.clone(),
        receipts,
        plain_response: lists.is_some(),
        websocket: false,
    };
    let permits = permits.into_iter().map(Passage::Permit);
    let passages = permits.chain(sorted.proofs.into_iter().map(Passage::Transparent));
    let passage = Passage::of_batch(passages).ok_or(Refusal::Malformed(Malformed::BatchLength))?;
    let answer = forward(exchange, passage, outbound, inbound, Some(&mut record)).await?;
    let look = Look { lists, in_one_message: true, is_strict: sorted.has_list, ..Look::default() };
    back(shared, answer, record, look, None).await
}

/// Every message of a batch counts; the first did when its request came.
fn rates(
    exchange: &Exchange,
    place: usize,
    identity: &Identity,
    (calls, messages): (&[(usize, Call<'_>)], usize),
) -> Result<(), Refusal> {
    let rates = &exchange.worker.shared.rates;
    let count = |calls: usize| u32::try_from(calls).unwrap_or(u32::MAX);
    let further = count(messages).saturating_sub(1);
    if further > 0 {
        rates.requests(&identity.load, further)?;
    }
    let mut by_tool: Vec<&Call<'_>> = calls.iter().map(|(_, call)| call).collect();
    by_tool.sort_unstable_by_key(|call| call.tool);
    for of_tool in by_tool.chunk_by(|a, b| a.tool == b.tool) {
        if let Some(call) = of_tool.first() {
            rates.calls(place, call, count(of_tool.len()))?;
        }
    }
    Ok(())
}

/// Each call has a record and a receipt of its own; the records end together.
async fn records(
    exchange: &mut Exchange,
    in_force: (&InForce, &PolicyInForce),
    calls: &[(usize, Call<'_>)],
    permits: &[Permit],
    message: &Message<'_>,
) -> Result<(Vec<HeaderValue>, Record), Refusal> {
    exchange.enter(message.identity)?;
    // All of them have a place, or none is recorded as one that may go.
    let further = calls.iter().skip(1).map(|_| exchange.enter_one(message.identity));
    let mut further = further.collect::<Result<Vec<UnderWay>, Refusal>>()?.into_iter();
    let place = message.inbound.place;
    let of_tools = calls.iter().map(|(_, call)| exchange.enter_one_of_tool(place, call));
    let of_tools = of_tools.collect::<Result<Vec<KeyCounted>, Refusal>>()?;
    let body = &message.inbound.body.bytes;
    let mut receipts = Vec::with_capacity(calls.len());
    let mut records: Vec<Record> = Vec::with_capacity(calls.len());
    for (((_, call), permit), of_tool) in calls.iter().zip(permits).zip(of_tools) {
        // The first call goes by the request's own id.
        let (nonce, mut record) = match exchange.record.take() {
            Some(record) => (exchange.id.nonce, record),
            None => {
                let (id, mut record) = exchange.worker.begin().map_err(|_| Refusal::ReceiptFailed)?;
                further.next().into_iter().for_each(|place| record.keep(place));
                (id.nonce, record)
            }
        };
        record.keep_of_tool(of_tool);
        receipts.push(recorded(exchange, in_force, (call, permit), (&mut record, nonce), body).await?);
        records.push(record);
    }
    let record = Record::of_all(records).or_else(|| exchange.record.take()).ok_or(Refusal::AuditFailed)?;
    Ok((receipts, record))
}

fn permit(
    exchange: &mut Exchange,
    in_force: &InForce,
    policy: &PolicyInForce,
    place: usize,
    call: &Call<'_>,
) -> Result<Permit, Refusal> {
    check_length(call)?;
    let now = clock::now();
    let decision = decide(&policy.snapshot, call, None, now);
    exchange.count(place, decision.verdict());
    compare(&exchange.worker.shared, in_force, call, decision.verdict(), now);
    exchange.verdict = Some(decision.verdict().clone());
    let max_age = &exchange.worker.shared.settings.max_policy_age;
    policy_age::check(max_age, policy, (call, &decision), now)?;
    match decision {
        Decision::Allow(permit) => Ok(permit),
        Decision::Deny(denial) => Err(exchange.denied(denial, &policy.snapshot, call)),
        Decision::Hold(_) => Err(Refusal::ApprovalInBatch),
    }
}

impl<'a> Sorted<'a> {
    fn of(arrivals: Vec<Arrival<'a>>) -> Result<Self, Refusal> {
        let mut sorted = Self::default();
        for (place, arrival) in arrivals.into_iter().enumerate() {
            match arrival {
                Arrival::Call(call) => sorted.calls.push((place, call)),
                Arrival::Transparent(proof, passing) => {
                    sorted.proofs.push(proof);
                    match passing {
                        Passing::ToolsList => sorted.has_list = true,
                        Passing::Cancelled(id) => sorted.cancelled.push(id),
                        _ => {}
                    }
                }
                Arrival::Absorbed | Arrival::Batch(_) => return Err(Refusal::Malformed(Malformed::Batch)),
            }
        }
        Ok(sorted)
    }
}

impl Exchange {
    /// Which message of a batch is the one that a refusal from here on is about.
    fn refuses(&mut self, place: Option<usize>) {
        if let ReplyTo::Batch { refused, .. } = &mut self.reply_to {
            *refused = place;
        }
    }

    /// Every call of a refused batch leaves a record: the refused one with its reason, the others with that they went with it.
    async fn record_refused_batch(&mut self, refusal: &Refusal, refused: usize, calls: &[(usize, Call<'_>)]) {
        for (place, call) in calls {
            if *place == refused {
                self.record_refusal(refusal, Some(call)).await;
            } else {
                self.record_batch_refused(call).await;
            }
        }
    }
}
