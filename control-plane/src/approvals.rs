//! The approvals service: what held calls ask, what people decide, and who must be told.
//!
//! One task owns it (`run`), so nothing here is shared. Messages to the proxy go into `outbox` in order.

mod holds;
mod rules;
mod run;

use std::collections::VecDeque;

use policy::UnixMillis;
use policy::approval::{Reference, Refused, State, life_seconds};
use policy_sync::{ApprovalRequest, ControlMessage, HoldId, Outcome, ProxyMessage, Refusal};

use crate::metrics::Metrics;
use crate::store::{Approval, Change, Ended, NewDecision, Opened, Opening, Settled, Store, StoreError};
use holds::Holds;

pub use rules::ApprovalRules;
pub(crate) use run::{Decider, start};

/// How long a denial is repeated to a caller whose hold had ended before.
const DENIAL_REPEATED_SECONDS: u64 = 15 * 60;

/// Most bytes of any one text of a request.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Holds last told of a denial whose leaving is still understood: they left before they heard it.
const DENIALS_TOLD_MAX: usize = 256;

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecideError {
    /// The org has no such approval.
    #[error("there is no such approval")]
    Unknown,
    /// This person cannot decide it so, now.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service has stopped.
    #[error("the control plane is stopping")]
    Stopped,
}

/// The state of the service.
#[derive(Debug)]
pub(crate) struct Approvals {
    store: Store,
    rules: ApprovalRules,
    metrics: Metrics,
    holds: Holds,
    outbox: VecDeque<ControlMessage>,
    /// Who was told of a denial lately, and of which.
    denials_told: VecDeque<(HoldId, Reference)>,
}

impl Approvals {
    pub(crate) fn new(store: Store, rules: ApprovalRules, metrics: Metrics) -> Self {
        Self {
            store,
            rules,
            metrics,
            holds: Holds::default(),
            outbox: VecDeque::new(),
            denials_told: VecDeque::new(),
        }
    }

    /// Takes what a proxy says. A store that fails is answered as a refusal, so that no call waits for nothing.
    pub(crate) async fn receive(&mut self, message: ProxyMessage, now: UnixMillis) {
        match message {
            ProxyMessage::ApprovalRequest(request) => {
                if let Err(why) = self.request(&request, now).await {
                    self.metrics.refused(why);
                    self.outbox.push_back(ControlMessage::ApprovalRefused { hold: request.hold, why });
                }
            }
            ProxyMessage::ApprovalConsume { hold, reference } => {
                let granted = self.consume(hold, &reference, now).await;
                self.outbox.push_back(ControlMessage::ApprovalConsumed { hold, reference, granted });
            }
            ProxyMessage::ApprovalDetach { hold } => self.detach(hold).await,
            ProxyMessage::ApprovalWithdraw { hold } => self.withdraw(hold, now).await,
            // The link has handed it on.
            ProxyMessage::Discovered(_) => {}
        }
    }

    /// Takes a person's decision, and tells every hold that waits for it.
    pub(crate) async fn decide(
        &mut self,
        decision: &NewDecision,
        now: UnixMillis,
    ) -> Result<Approval, DecideError> {
        let settled = self.store.decide(decision, self.rules.use_within_seconds, now).await?;
        match self.settled(settled) {
            Change::Unknown => Err(DecideError::Unknown),
            Change::Refused(refused) => Err(DecideError::Refused(refused)),
            Change::Done(approval) => {
                let NewDecision { reference, by, answer, origin, .. } = decision;
                tracing::info!(%reference, person = %by.id, decision = answer.as_str(), origin, "decided");
                self.metrics.decided(*answer);
                self.changed(&approval);
                Ok(*approval)
            }
        }
    }

    /// Expires and lapses what is due.
    pub(crate) async fn tick(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        let settled = self.store.settle(now).await?;
        self.settled(settled);
        Ok(())
    }

    /// Forgets a proxy that is gone. Its approvals stay.
    pub(crate) fn forget_proxy(&mut self) {
        self.holds = Holds::default();
        self.outbox.clear();
        self.denials_told.clear();
    }

    /// The next message to the proxy.
    pub(crate) fn next(&self) -> Option<&ControlMessage> {
        self.outbox.front()
    }

    /// The next message went out. A denial then counts as heard, so that the same call can be asked for again.
    pub(crate) async fn sent(&mut self) {
        let (hold, denied) = match self.outbox.pop_front() {
            Some(ControlMessage::ApprovalDecided { hold, reference, outcome: Outcome::Denied, .. }) => {
                (hold, reference)
            }
            _ => return,
        };
        if let Err(error) = self.store.denial_was_heard(&denied).await {
            tracing::error!(%error, reference = %denied, "could not note that a denial was heard");
        }
        if self.denials_told.len() >= DENIALS_TOLD_MAX {
            self.denials_told.pop_front();
        }
        self.denials_told.push_back((hold, denied));
    }

    /// Forgets a hold that ended. If a denial was on its way to it, that was not heard: its caller will repeat the
    /// call, and must learn it then.
    async fn detach(&mut self, hold: HoldId) {
        if self.holds.leave(hold).is_some() {
            return;
        }
        let told = self.denials_told.iter().position(|(told, _)| *told == hold);
        let Some((_, reference)) = told.and_then(|position| self.denials_told.remove(position)) else {
            return;
        };
        if let Err(error) = self.store.denial_was_missed(&reference).await {
            tracing::error!(%error, %reference, "could not note that a denial was missed");
        }
    }

    async fn request(&mut self, request: &ApprovalRequest, now: UnixMillis) -> Result<(), Refusal> {
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, tool = request.tool, "an approval could not be opened");
            Refusal::StoreFailed
        };
        if !fits(request) {
            return Err(failed(&"the request is too large"));
        }
        if self.holds.count() >= self.rules.holds_max {
            return Err(Refusal::TooManyPending);
        }
        let seconds = life_seconds(request.timeout_seconds, self.rules.life_seconds);
        let opening = Opening {
            reference: Reference::from_entropy(getrandom::u64().map_err(|error| failed(&error))?),
            expires_at: now.plus_seconds(seconds),
            denials_since: UnixMillis(now.0.saturating_sub(DENIAL_REPEATED_SECONDS * 1000)),
            pending_max: self.rules.pending_max,
            pending_per_caller_max: self.rules.pending_per_caller_max,
        };
        let opened = self.store.open_approval(request, &opening, now).await;
        match self.settled(opened.map_err(|error| failed(&error))?) {
            Opened::Refused(why) => Err(why),
            Opened::New(approval) => {
                self.metrics.entered(&approval.state);
                self.join(request.hold, &approval);
                Ok(())
            }
            Opened::Joined(approval) => {
                self.join(request.hold, &approval);
                Ok(())
            }
        }
    }

    /// Lets a hold wait for an approval; if that is decided already, says so at once.
    fn join(&mut self, hold: HoldId, approval: &Approval) {
        let reference = approval.reference.clone();
        self.outbox.push_back(ControlMessage::ApprovalCreated {
            hold,
            reference: reference.clone(),
            expires_at_unix_ms: approval.expires_at,
        });
        let outcome = outcome(&approval.state);
        if let Some(outcome) = outcome {
            let note = approval.note.clone();
            self.outbox.push_back(ControlMessage::ApprovalDecided { hold, reference, outcome, note });
        }
        if matches!(outcome, None | Some(Outcome::Approved)) {
            self.holds.join(hold, approval.reference.clone());
        }
    }

    /// Only a hold that waits for this approval may use it up, and only one of them does.
    async fn consume(&mut self, hold: HoldId, reference: &Reference, now: UnixMillis) -> bool {
        if self.holds.leave(hold).as_ref() != Some(reference) {
            return false;
        }
        match self.store.consume(reference, now).await {
            Ok(settled) => match self.settled(settled) {
                Change::Done(approval) => {
                    self.metrics.entered(&approval.state);
                    // Whoever else was told of the yes came too late, and is told so when it asks.
                    self.holds.take(reference);
                    true
                }
                Change::Refused(_) | Change::Unknown => false,
            },
            Err(error) => {
                tracing::error!(%error, %reference, "an approval could not be consumed");
                false
            }
        }
    }

    async fn withdraw(&mut self, hold: HoldId, now: UnixMillis) {
        let Some(reference) = self.holds.leave(hold) else { return };
        if self.holds.wait_for(&reference) {
            return;
        }
        match self.store.withdraw(&reference, now).await {
            Ok(settled) => {
                if let Change::Done(approval) = self.settled(settled) {
                    self.metrics.entered(&approval.state);
                }
            }
            Err(error) => tracing::error!(%error, %reference, "an approval could not be withdrawn"),
        }
    }

    /// Tells the holds of every approval that ended by time.
    fn settled<T>(&mut self, settled: Settled<T>) -> T {
        for Ended { reference, state } in settled.ended {
            self.metrics.entered(&state);
            self.tell(&reference, Outcome::Expired, None);
        }
        settled.value
    }

    /// Tells the holds of an approval that people moved, if that decided it.
    fn changed(&mut self, approval: &Approval) {
        if let Some(outcome) = outcome(&approval.state) {
            self.metrics.entered(&approval.state);
            self.tell(&approval.reference, outcome, approval.note.as_ref());
        }
    }

    /// Holds go on waiting after a yes, to consume it; any other outcome ends them.
    fn tell(&mut self, reference: &Reference, outcome: Outcome, note: Option<&String>) {
        let holds = match outcome {
            Outcome::Approved => self.holds.of(reference),
            Outcome::Denied | Outcome::Expired | Outcome::Withdrawn => self.holds.take(reference),
        };
        self.outbox.extend(holds.into_iter().map(|hold| ControlMessage::ApprovalDecided {
            hold,
            reference: reference.clone(),
            outcome,
            note: note.cloned(),
        }));
    }
}

fn outcome(state: &State) -> Option<Outcome> {
    match state {
        State::Pending { .. } => None,
        State::Approved { .. } => Some(Outcome::Approved),
        State::Denied => Some(Outcome::Denied),
        State::Expired | State::Consumed | State::Lapsed => Some(Outcome::Expired),
        State::Withdrawn => Some(Outcome::Withdrawn),
    }
}

fn fits(request: &ApprovalRequest) -> bool {
    let needed = [
        &request.proxy,
        &request.org,
        &request.caller,
        &request.backend,
        &request.tool,
        &request.arguments,
        &request.level,
    ];
    let optional = [
        &request.tenant,
        &request.resource,
        &request.method,
        &request.reasoning,
        &request.rule,
        &request.reason,
    ];
    needed.into_iter().chain(optional.into_iter().flatten()).all(|text| text.len() <= TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests;
