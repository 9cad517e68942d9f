//! One request on its way: what is known of it so far, for whoever has to answer or record it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::{Durability, ListMode};
use edge::KeyCounted;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderValue, Response};
use policy::approval::Reference;
use policy::{Call, Denial, Permit, Snapshot, Verdict};
use protocol::sse;

use crate::approvals::RequestKey;
use crate::audit::{Intent, Record, VerdictFields};
use crate::body::Body;
use crate::caller::Identity;
use crate::clock;
use crate::connection::Peer;
use crate::events::EventStream;
use crate::hold::Held;
use crate::http_sse::Session;
use crate::listen::Listening;
use crate::recognise::{ReplyTo, ToolCall};
use crate::refusal::Refusal;
use crate::respond;
use crate::state::UnderWay;
use crate::worker::{CallId, Worker};

/// One request, from its first byte to its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) worker: Rc<Worker>,
    pub(crate) listening: Rc<Listening>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) id: CallId,
    pub(crate) stream: EventStream,
    pub(crate) reply_to: ReplyTo,
    pub(crate) identity: Option<Arc<Identity>>,
    /// What a caller is told of how to be let in, if it is refused for its credential.
    pub(crate) challenge: Option<HeaderValue>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) record: Option<Record>,
}

impl Exchange {
    /// Counts the call among those under way, of its caller and in all, until its answer is through.
    pub(crate) fn enter(&mut self, identity: &Identity) -> Result<(), Refusal> {
        let entered = self.enter_one(identity)?;
        if let Some(record) = &mut self.record {
            record.keep(entered);
        }
        Ok(())
    }

    /// Counts one more call among those under way, of its caller and in all.
    pub(crate) fn enter_one(&self, identity: &Identity) -> Result<UnderWay, Refusal> {
        let shared = &self.worker.shared;
        let limits = &shared.settings.limits;
        let of_caller = identity.load.enter_call(limits.max_calls_per_caller);
        let of_caller = of_caller.inspect_err(|_| self.reached("max_calls_per_caller"))?;
        let of_all = shared.calls.enter(limits.max_calls).ok_or(Refusal::CallsFull);
        let of_all = of_all.inspect_err(|_| self.reached("max_calls"))?;
        Ok(UnderWay { _of_all: of_all, _of_caller: of_caller, of_tool: None })
    }

    /// Counts a call that policy lets through, or holds, at its tool: once, before anybody is asked to approve it.
    pub(crate) fn enter_tool(&mut self, place: usize, call: &Call<'_>) -> Result<(), Refusal> {
        let of_tool = self.enter_one_of_tool(place, call)?;
        self.worker.shared.rates.calls(place, call, 1)?;
        if let Some(record) = &mut self.record {
            record.keep_of_tool(of_tool);
        }
        Ok(())
    }

    /// Counts one more call among those of its tool under way.
    pub(crate) fn enter_one_of_tool(&self, place: usize, call: &Call<'_>) -> Result<KeyCounted, Refusal> {
        let entered = self.worker.shared.tool_calls.enter((place, call.tool)).ok_or(Refusal::ToolFull);
        entered.inspect_err(|_| self.reached("max_calls_per_tool"))
    }

    fn reached(&self, limit: &str) {
        self.worker.shared.metrics.limits_reached.with_label_values(&[limit]).inc();
    }

    /// Notes what a caller who is refused for its credential is told of how to be let in.
    pub(crate) fn challenge(&mut self, place: usize, head: &Parts, refusal: &Refusal) {
        let protected = self.listening.protected.as_ref();
        self.challenge = protected.and_then(|own| own.challenge((place, head, &self.peer), refusal));
    }

    /// Step 7, and the record of a refusal that came before there was a call.
    pub(crate) async fn refuse(&mut self, refusal: &Refusal) -> Response<Body> {
        self.worker.shared.metrics.refusals.with_label_values(&[refusal.name()]).inc();
        // A request whose caller is not known leaves a count and no record: anybody could fill the disk with them.
        if self.identity.is_some() {
            self.record_refusal(refusal, None).await;
        }
        tracing::debug!(reason = refusal.name(), call = self.id.text, "refused");
        let mut response = respond::refused(refusal, self.verdict.as_ref(), &self.reply_to, &self.id.text);
        if let Some(challenge) = self.challenge.take() {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        match self.stream.session() {
            Some(session) => self.in_its_session(&session, response).await,
            None => response,
        }
    }

    /// In the old HTTP+SSE transport a caller reads its answers in its session's stream, and nowhere else.
    async fn in_its_session(&self, session: &Session, response: Response<Body>) -> Response<Body> {
        let has_id = matches!(&self.reply_to, ReplyTo::Mcp { id: Some(_), .. });
        match response.body() {
            Body::Full(message) if has_id && respond::is_message(&response) => {
                if session.send(sse::write_event(message).into()).await {
                    respond::accepted()
                } else {
                    response
                }
            }
            _ => response,
        }
    }

    /// Writes the intent of a refused request. It is refused in any case, so a failure only counts.
    pub(crate) async fn record_refusal(&mut self, refusal: &Refusal, call: Option<&Call<'_>>) {
        let Some(mut record) = self.record.take() else { return };
        let may_record = |identity: &Arc<Identity>| identity.load.may_record(clock::now());
        if refusal.is_of_load() && !self.identity.as_ref().is_some_and(may_record) {
            self.worker.shared.metrics.refusals_unrecorded.inc();
            return;
        }
        let approval = refusal.reference().map(Reference::as_str);
        let intent = Intent { approval, ..self.refused(refusal.name(), call) };
        if record.intent(&intent, Durability::Batched).await.is_err() {
            self.worker.shared.metrics.audit.dropped.inc();
        }
    }

    /// Writes the record of a call that is refused only because its batch is.
    pub(crate) async fn record_batch_refused(&self, call: &Call<'_>) {
        let Ok((_, mut record)) = self.worker.begin() else { return };
        let intent = Intent { verdict: None, ..self.refused(Refusal::BatchRefused.name(), Some(call)) };
        if record.intent(&intent, Durability::Batched).await.is_err() {
            self.worker.shared.metrics.audit.dropped.inc();
        }
    }

    /// From here on the call may wait for long, and its caller may leave: then this is what is known of it.
    pub(crate) fn may_leave(&mut self, call: &Call<'_>) {
        let Some(mut record) = self.record.take() else { return };
        record.if_left(&self.refused("caller-left", Some(call)));
        self.record = Some(record);
    }

    fn refused<'a>(&'a self, reason: &'static str, call: Option<&Call<'a>>) -> Intent<'a> {
        Intent {
            listener: &self.listening.settings.name,
            backend: call.map(|call| call.backend),
            caller: self.identity.as_ref().map_or("", |identity| &identity.caller.id),
            tenant: call.and_then(|call| call.tenant),
            tool: call.map(|call| call.tool),
            resource: call.and_then(|call| call.resource),
            method: call.and_then(|call| call.method),
            verdict: self.verdict.as_ref().map(VerdictFields::of),
            reason: Some(reason),
            ..Intent::default()
        }
    }

    pub(crate) fn intent<'a>(&'a self, call: &Call<'a>, permit: &'a Permit) -> Intent<'a> {
        Intent {
            listener: &self.listening.settings.name,
            backend: Some(call.backend),
            caller: &call.caller.id,
            tenant: call.tenant,
            tool: Some(call.tool),
            resource: call.resource,
            method: call.method,
            verdict: Some(VerdictFields::of(permit.verdict())),
            approval: permit.approval().map(Reference::as_str),
            forward: true,
            observed: permit.observed(),
            reason: None,
        }
    }

    pub(crate) fn count(&self, place: usize, verdict: &Verdict) {
        if let Some(backend) = self.worker.backends.get(place) {
            backend.count(verdict.permission);
        }
        for rule in &verdict.faults {
            self.worker.shared.metrics.condition_faults.with_label_values(&[rule.as_ref()]).inc();
        }
    }

    /// A tool that is hidden from its caller is refused like one that does not exist.
    pub(crate) fn denied(&self, denial: Denial, snapshot: &Snapshot, call: &Call<'_>) -> Refusal {
        let is_tool_call = match &self.reply_to {
            ReplyTo::Mcp { is_tool_call, .. } => *is_tool_call,
            ReplyTo::Batch { requests, refused } => {
                requests.iter().any(|request| Some(request.place) == *refused && request.is_tool_call)
            }
            ReplyTo::Http | ReplyTo::Rest => false,
        };
        let filters = self.listening.settings.list == ListMode::Filter;
        if is_tool_call && filters && !snapshot.may_be_called(call.tool, call.tenant) {
            Refusal::Hidden { tool: call.tool.to_owned() }
        } else {
            Refusal::Denied(Box::new(denial))
        }
    }

    /// Whether any stream of this backend is looked into for lists of tools: policy says how they look, or pins tools.
    pub(crate) fn looks_for_lists(&self, backend: &config::Backend) -> bool {
        let has_pins = || {
            let in_force = self.worker.shared.in_force.load();
            in_force.policy.as_ref().is_some_and(|policy| policy.snapshot.has_pins())
        };
        matches!(backend.kind, config::BackendKind::Mcp { .. })
            && (self.listening.settings.list != ListMode::Off || has_pins())
    }

    /// What tells the caller's session from its others.
    pub(crate) fn session_id(&self, head: &Parts) -> Option<Vec<u8>> {
        match self.stream.session() {
            Some(session) => Some(session.token.clone().into_bytes()),
            None => head.headers.get("mcp-session-id").map(|session| session.as_bytes().to_vec()),
        }
    }

    pub(crate) fn held<'a>(
        &'a self,
        org: &'a str,
        tool_call: &ToolCall<'a>,
        call: &'a Call<'a>,
        identity: &'a Identity,
        head: &Parts,
    ) -> Held<'a> {
        let mcp_id = if let ReplyTo::Mcp { id, .. } = &self.reply_to { id.clone() } else { None };
        let takes_stream = mcp_id.is_some() && (self.stream.session().is_some() || accepts_events(head));
        let session = self.session_id(head);
        let limit = Duration::from_secs(self.listening.settings.hold_limit_seconds);
        Held {
            call,
            org,
            load: &identity.load,
            stream: takes_stream.then_some(&self.stream),
            progress_token: tool_call.progress_token,
            cancelled_by: mcp_id.map(|id| RequestKey { caller: identity.caller.id.clone(), session, id }),
            limit: preferred_wait(head).map_or(limit, |preferred| preferred.min(limit)),
        }
    }
}

fn accepts_events(head: &Parts) -> bool {
    let accepts = head.headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

/// `Prefer: respond-async` and `wait=N` (RFC 7240): how long the caller wants to be kept at most. Not quite nothing: an
/// approval that is there already is heard of within a moment.
fn preferred_wait(head: &Parts) -> Option<Duration> {
    let prefers = head.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences: Vec<&str> = prefers.flat_map(|value| value.split([',', ';'])).map(str::trim).collect();
    let wait = preferences.iter().find_map(|preference| preference.strip_prefix("wait=")?.parse().ok());
    let is_async = preferences.iter().any(|preference| preference.eq_ignore_ascii_case("respond-async"));
    wait.map(Duration::from_secs).or(is_async.then_some(Duration::from_secs(1)))
}
