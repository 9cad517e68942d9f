//! A hold: the call waits here while a person thinks.

mod wait;

use std::time::Duration;

use policy::approval::{Fingerprint, Grant, Reference};
use policy::{Call, Unread, Verdict};
use policy_sync::{ApprovalRequest, HoldId, ProxyMessage};
use protocol::{reply, sse};
use tokio::time::Instant;

use crate::approvals::{Place, RequestKey};
use crate::caller::Load;
use crate::clock;
use crate::events::EventStream;
use crate::metrics::Gauged;
use crate::refusal::Refusal;
use crate::state::Shared;
use wait::Wait;

/// A masked reasoning is cut to this.
const REASONING_MAX_BYTES: usize = 2048;

/// A call to hold, and how its caller can be spoken to meanwhile.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    pub(crate) call: &'a Call<'a>,
    pub(crate) org: &'a str,
    pub(crate) load: &'a Load,
    /// The caller's stream, if it takes one.
    pub(crate) stream: Option<&'a EventStream>,
    /// JSON text of the token under which the caller wants to hear of progress.
    pub(crate) progress_token: Option<&'a str>,
    /// What `notifications/cancelled` would say of this call.
    pub(crate) cancelled_by: Option<RequestKey>,
    pub(crate) limit: Duration,
}

/// Holds a call until its approval is decided and used up for it, or until it must be refused.
pub(crate) async fn hold(shared: &Shared, hold: &policy::Hold, held: Held<'_>) -> Result<Grant, Refusal> {
    let metrics = &shared.metrics;
    hold.check_arguments(held.call).map_err(Refusal::ArgumentsInvalid)?;
    if !shared.approvals.are_possible() {
        return Err(Refusal::ApprovalsUnavailable);
    }
    let fingerprint = Fingerprint::of(held.org, held.call).map_err(Refusal::ArgumentsNotCanonical)?;
    let limits = &shared.settings.limits;
    let limit_reached = |limit: &str| metrics.limits_reached.with_label_values(&[limit]).inc();
    held.load.ask_approval(clock::now(), limits.max_approvals_per_caller_per_minute).inspect_err(|_| {
        limit_reached("max_approvals_per_caller_per_minute");
    })?;
    let _mine = held.load.enter_hold(limits.max_holds_per_caller).inspect_err(|_| {
        limit_reached("max_holds_per_caller");
    })?;
    let _all =
        shared.approvals.holds.enter(limits.max_holds).ok_or(Refusal::TooManyHolds).inspect_err(|_| {
            limit_reached("max_holds");
        })?;
    let _gauge = Gauged::new(&metrics.holds.now);
    let since = Instant::now();
    let request = request(shared, hold, &held, fingerprint);
    let mut place = shared
        .approvals
        .ask(request, held.cancelled_by.clone())
        .map_err(|_| Refusal::ApprovalsUnavailable)?;
    let mut ended = Ended { shared, outcome: "caller-left" };
    let result = wait(shared, &mut place, hold, &held, fingerprint, since).await;
    ended.outcome = result.as_ref().map_or_else(Refusal::name, |_| "approved");
    metrics.holds.seconds.observe(since.elapsed().as_secs_f64());
    result
}

async fn wait(
    shared: &Shared,
    place: &mut Place,
    hold: &policy::Hold,
    held: &Held<'_>,
    fingerprint: Fingerprint,
    since: Instant,
) -> Result<Grant, Refusal> {
    let id = place.hold();
    let again = |joined: Option<&Reference>| {
        let joined = joined.cloned();
        let request = ApprovalRequest { hold: id, joined, ..request(shared, hold, held, fingerprint) };
        ProxyMessage::ApprovalRequest(Box::new(request))
    };
    let tell = |reference: &Reference, signs| tell(held, reference, signs);
    let deadline = since + held.limit;
    let mut wait = Wait { request: &again, tell: &tell, deadline, phase: shared.phase.subscribe() };
    let reference = wait.opened(place).await?;
    tracing::info!(%reference, tool = held.call.tool, caller = held.call.caller.id, "call held for approval");
    let reference = wait.granted(place, reference).await?;
    Ok(Grant { reference, fingerprint })
}

/// Tells the caller that its call still waits: a comment, which clients pass over, and progress where it was asked for.
fn tell(held: &Held<'_>, reference: &Reference, signs: u64) {
    let Some(stream) = held.stream else { return };
    let text = format!("waiting for approval {reference}");
    stream.write(format!(": {text}\n\n"));
    if let Some(token) = held.progress_token {
        stream.write(sse::write_event(&reply::progress(token, signs, &text)));
    }
}

fn request(
    shared: &Shared,
    hold: &policy::Hold,
    held: &Held<'_>,
    fingerprint: Fingerprint,
) -> ApprovalRequest {
    let call = held.call;
    let verdict: &Verdict = hold.verdict();
    ApprovalRequest {
        // Completed when it is sent.
        hold: HoldId(0),
        proxy: shared.settings.name.clone(),
        fingerprint,
        org: held.org.to_owned(),
        caller: call.caller.id.clone(),
        backend: call.backend.to_owned(),
        tool: call.tool.to_owned(),
        tenant: call.tenant.map(str::to_owned),
        resource: call.resource.map(str::to_owned),
        method: call.method.map(str::to_owned),
        arguments: shown(call),
        reasoning: call.reasoning.map(|text| policy::mask::mask_text(text, REASONING_MAX_BYTES)),
        level: verdict.level.as_str().to_owned(),
        rule: verdict.rule.as_deref().map(str::to_owned),
        reason: verdict.reason.as_deref().map(str::to_owned),
        policy: verdict.revision,
        definition_changed: verdict.definition_changed,
        second_approval: hold.second_approval(),
        timeout_seconds: hold.approval_timeout_seconds().map(u64::from),
        joined: None,
    }
}

/// The arguments for people, masked, and what else the call carries; of a body that gave none, what it can be told by.
fn shown(call: &Call<'_>) -> String {
    let arguments = policy::mask::mask_arguments(call.arguments);
    match call.unread {
        Unread::Nothing => arguments,
        Unread::Body(body) => {
            format!("{arguments} and a body of {} bytes, SHA-256 {}", body.len(), receipt::body_sha256(body))
        }
        Unread::Answers { answers, .. } => {
            let answers = policy::mask::mask_arguments(answers.unwrap_or("{}"));
            format!("{arguments} and answers to what the tool asked: {answers}")
        }
    }
}

/// Counts how a hold ended, also when its caller left and nothing else runs any more.
struct Ended<'a> {
    shared: &'a Shared,
    outcome: &'static str,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.shared.metrics.holds.ended.with_label_values(&[self.outcome]).inc();
        if self.outcome == "caller-left" {
            tracing::info!("a caller left while its call was held");
        }
    }
}
