//! The approvals service: what held calls ask, what people decide, and who must be told.
//!
//! One task owns it (`run`), so nothing here is shared. It never waits for a proxy: what is for one goes into its outbox.
//! Other control planes may have the same store open, so it looks what became of what its holds wait for (`look`).

mod denials;
mod holds;
mod linked;
mod request;
mod rules;
mod run;
mod tell;

use policy::UnixMillis;
use policy::approval::{Reference, Refused, State};
use policy_sync::{ControlMessage, ProxyMessage};

use crate::link::{FromProxy, LinkId, Run};
use crate::metrics::Metrics;
use crate::store::{Approval, Change, NewDecision, Store, StoreError, Used};
use denials::Denials;
use holds::{Holds, Waiter};
use linked::Linked;

pub use rules::ApprovalRules;
pub(crate) use run::{Decider, start};

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
    linked: Linked,
    holds: Holds,
    denials: Denials,
    /// The last change of an approval that was looked at, while any hold waits.
    last_change: u64,
}

impl Approvals {
    pub(crate) fn new(store: Store, rules: ApprovalRules, metrics: Metrics) -> Self {
        Self {
            store,
            rules,
            metrics,
            linked: Linked::default(),
            holds: Holds::default(),
            denials: Denials::default(),
            last_change: 0,
        }
    }

    /// Takes what is heard of a link. What comes over a link that has ended already is passed over.
    pub(crate) async fn take(&mut self, link: LinkId, from: FromProxy, now: UnixMillis) {
        match from {
            FromProxy::Joined { run, outbox } => self.joined(link, run, outbox, now).await,
            FromProxy::Gone => self.cut(link, "closed", now).await,
            FromProxy::Said(message) => {
                if let Some(run) = self.linked.run(link) {
                    self.said(link, &run, message, now).await;
                }
            }
        }
    }

    /// Takes a person's decision, and tells every hold that waits for it.
    pub(crate) async fn decide(
        &mut self,
        decision: &NewDecision,
        now: UnixMillis,
    ) -> Result<Approval, DecideError> {
        let settled = self.store.decide(decision, self.rules.use_within_seconds, now).await?;
        match self.settled(settled, now).await {
            Change::Unknown => Err(DecideError::Unknown),
            Change::Refused(refused) => Err(DecideError::Refused(refused)),
            Change::Done(approval) => {
                let NewDecision { reference, by, answer, origin, .. } = decision;
                tracing::info!(%reference, person = %by.id, decision = answer.as_str(), origin, "decided");
                self.metrics.decided(*answer);
                if tell::outcome(&approval.state).is_some() {
                    self.metrics.entered(&approval.state);
                }
                self.tell(&approval, now).await;
                Ok(*approval)
            }
        }
    }

    /// Expires and lapses what is due, and forgets who is gone.
    pub(crate) async fn tick(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        for link in self.linked.closed() {
            self.cut(link, "closed", now).await;
        }
        self.holds.forget_unannounced(now);
        for link in self.linked.down() {
            self.forget(link);
        }
        let settled = self.store.settle(now).await?;
        self.settled(settled, now).await;
        Ok(())
    }

    /// Whether any hold waits, so that there is something to look for.
    pub(crate) const fn is_waited_for(&self) -> bool {
        self.holds.count() > 0
    }

    /// Looks what became of approvals, by whichever control plane, and tells the holds that wait for them.
    pub(crate) async fn look(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        for approval in self.store.changed_after(self.last_change).await? {
            self.last_change = approval.change_number;
            self.tell(&approval, now).await;
        }
        Ok(())
    }

    /// A store that fails is answered as a refusal, so that no call waits for nothing.
    async fn said(&mut self, link: LinkId, run: &Run, message: ProxyMessage, now: UnixMillis) {
        match message {
            ProxyMessage::ApprovalRequest(request) => {
                if let Err(why) = self.request(link, run, &request, now).await {
                    self.metrics.refused(why);
                    self.send(link, ControlMessage::ApprovalRefused { hold: request.hold, why }, now).await;
                }
            }
            ProxyMessage::ApprovalConsume { hold, reference } => {
                let waiter = Waiter { link, hold };
                if let Some(granted) = self.consume(waiter, run, &reference, now).await {
                    let consumed = ControlMessage::ApprovalConsumed { hold, reference, granted };
                    self.send(link, consumed, now).await;
                }
            }
            ProxyMessage::ApprovalDetach { hold } => self.detach(Waiter { link, hold }).await,
            ProxyMessage::ApprovalWithdraw { hold } => self.withdraw(Waiter { link, hold }, now).await,
            // The session has handed it on.
            ProxyMessage::Discovered(_) => {}
        }
    }

    /// Forgets a hold that ended. If a denial was on its way to it, that was not heard: its caller will repeat the
    /// call, and must learn it then.
    async fn detach(&mut self, waiter: Waiter) {
        if self.holds.leave(waiter).is_none()
            && let Some(reference) = self.denials.missed(waiter)
        {
            self.denial_was_missed(&reference).await;
        }
    }

    /// Whether a hold may go on. Only one that waits for this approval uses it up, and only one of them does; that one
    /// may ask again. `None`: it is not known here, and must be announced before it is answered.
    async fn consume(
        &mut self,
        waiter: Waiter,
        run: &Run,
        reference: &Reference,
        now: UnixMillis,
    ) -> Option<bool> {
        let waits = self.holds.leave(waiter).as_ref() == Some(reference);
        let by = run.name_of(waiter.hold);
        let used = if waits {
            self.use_up(reference, &by, now).await
        } else {
            self.was_used_up(run, reference, &by).await
        };
        used.unwrap_or_else(|error| {
            tracing::error!(%error, %reference, "an approval could not be consumed");
            Some(false)
        })
    }

    async fn use_up(
        &mut self,
        reference: &Reference,
        by: &str,
        now: UnixMillis,
    ) -> Result<Option<bool>, StoreError> {
        let settled = self.store.consume(reference, by, now).await?;
        let used = self.settled(settled, now).await;
        if used == Used::Now {
            self.metrics.entered(&State::Consumed);
            // Whoever else was told of the yes came too late, and is told so when it asks.
            self.holds.forget_told(reference);
        }
        Ok(Some(used != Used::No))
    }

    async fn was_used_up(
        &self,
        run: &Run,
        reference: &Reference,
        by: &str,
    ) -> Result<Option<bool>, StoreError> {
        let approval = self.store.any_approval(reference).await?;
        Ok(match approval.filter(|approval| run.peer.is_of(&approval.org)) {
            Some(Approval { state: State::Approved { .. }, .. }) => None,
            Some(approval) => Some(approval.consumed_by.as_deref() == Some(by)),
            None => Some(false),
        })
    }

    async fn withdraw(&mut self, waiter: Waiter, now: UnixMillis) {
        let Some(reference) = self.holds.leave(waiter) else { return };
        if self.holds.wait_for(&reference) {
            return;
        }
        match self.store.withdraw(&reference, now).await {
            Ok(settled) => {
                if let Change::Done(approval) = self.settled(settled, now).await {
                    self.metrics.entered(&approval.state);
                }
            }
            Err(error) => tracing::error!(%error, %reference, "an approval could not be withdrawn"),
        }
    }
}

#[cfg(test)]
mod tests;
