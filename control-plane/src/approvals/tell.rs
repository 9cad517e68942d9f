//! Who must be told of what, and links that come and go.

use policy::UnixMillis;
use policy::approval::{Reference, State};
use policy_sync::{ControlMessage, Outcome};
use tokio::sync::mpsc;

use super::Approvals;
use super::holds::Waiter;
use super::linked::Unsent;
use crate::link::{LinkId, Run};
use crate::store::{Approval, Ended, Settled};

/// How long a hold whose link was cut is kept in mind. If it is not announced again by then, it has ended: its approval
/// stays, and its caller may repeat the call.
pub(super) const ANNOUNCE_WITHIN_SECONDS: u64 = 60;

impl Approvals {
    /// A proxy is connected. What it had waiting over another link waits over this one now, once it is announced.
    pub(super) async fn joined(
        &mut self,
        link: LinkId,
        run: Run,
        outbox: mpsc::Sender<ControlMessage>,
        now: UnixMillis,
    ) {
        if let Some(before) = self.linked.of_run(&run) {
            self.cut(before, "replaced", now).await;
            self.holds.hand_over(before, link);
            self.linked.forget(before);
        }
        tracing::info!(peer = ?run.peer, "a proxy is connected");
        self.linked.add(link, run, outbox);
        self.metrics.set_links(self.linked.up());
    }

    /// A link is down, for good. Its holds are kept in mind for a while, and their approvals stay.
    pub(super) async fn cut(&mut self, link: LinkId, how: &'static str, now: UnixMillis) {
        let run = self.linked.run(link);
        if !self.linked.cut(link) {
            return;
        }
        tracing::warn!(peer = ?run.map(|run| run.peer.clone()), how, "a proxy is gone; its approvals stay");
        self.metrics.link_ended(how);
        self.metrics.set_links(self.linked.up());
        self.holds.cut(link, now.plus_seconds(ANNOUNCE_WITHIN_SECONDS));
        self.forget(link);
        // They may have been lost with the link: whoever repeats its call hears the denial then.
        for reference in self.denials.lost(link, now) {
            self.denial_was_missed(&reference).await;
        }
    }

    /// Forgets a link that is down, unless its holds are still waited for.
    pub(super) fn forget(&mut self, link: LinkId) {
        if self.holds.count_of(link) == 0 {
            self.linked.forget(link);
        }
    }

    /// Sends; a proxy that does not read loses its link, and nobody waits for it.
    pub(super) async fn send(&mut self, link: LinkId, message: ControlMessage, now: UnixMillis) -> bool {
        let how = match self.linked.send(link, message) {
            Ok(()) => return true,
            Err(Unsent::Full) => "not_read",
            Err(Unsent::Down) => "closed",
        };
        self.cut(link, how, now).await;
        false
    }

    /// Tells the holds of every approval that ended by time.
    pub(super) async fn settled<T>(&mut self, settled: Settled<T>, now: UnixMillis) -> T {
        for Ended { approval } in settled.ended {
            self.metrics.entered(&approval.state);
            self.tell(&approval, now).await;
        }
        settled.value
    }

    /// Tells the holds of an approval what became of it. They go on waiting after a yes, to consume it; any other
    /// outcome ends them.
    pub(super) async fn tell(&mut self, approval: &Approval, now: UnixMillis) {
        let Some(outcome) = outcome(&approval.state) else { return };
        let waiters = match outcome {
            Outcome::Approved => self.holds.untold(&approval.reference),
            Outcome::Denied | Outcome::Expired | Outcome::Withdrawn => self.holds.take(&approval.reference),
        };
        for waiter in waiters {
            self.tell_one(waiter, approval, outcome, now).await;
        }
    }

    /// Tells one hold. A denial then counts as heard, so that the same call can be asked for again.
    pub(super) async fn tell_one(
        &mut self,
        waiter: Waiter,
        approval: &Approval,
        outcome: Outcome,
        now: UnixMillis,
    ) {
        let reference = approval.reference.clone();
        // A deadline has nobody's note.
        let note = approval.note.clone().filter(|_| matches!(outcome, Outcome::Approved | Outcome::Denied));
        let decided = ControlMessage::ApprovalDecided { hold: waiter.hold, reference, outcome, note };
        if !self.send(waiter.link, decided, now).await {
            return;
        }
        match outcome {
            Outcome::Approved => self.holds.told(waiter),
            Outcome::Denied => self.denial_was_sent(waiter, &approval.reference, now).await,
            Outcome::Expired | Outcome::Withdrawn => {}
        }
    }

    async fn denial_was_sent(&mut self, waiter: Waiter, reference: &Reference, now: UnixMillis) {
        self.denials.sent(waiter, reference.clone(), now);
        if let Err(error) = self.store.denial_was_heard(reference).await {
            tracing::error!(%error, %reference, "could not note that a denial was heard");
        }
    }

    pub(super) async fn denial_was_missed(&self, reference: &Reference) {
        if let Err(error) = self.store.denial_was_missed(reference).await {
            tracing::error!(%error, %reference, "could not note that a denial was missed");
        }
    }
}

/// What a hold is told of an approval in that state; nothing while it is pending. Of one that was used up it hears that it
/// was given: whether the hold is the one that used it, it hears when it asks.
pub(super) const fn outcome(state: &State) -> Option<Outcome> {
    match state {
        State::Pending { .. } => None,
        State::Approved { .. } | State::Consumed => Some(Outcome::Approved),
        State::Denied => Some(Outcome::Denied),
        State::Expired | State::Lapsed => Some(Outcome::Expired),
        State::Withdrawn => Some(Outcome::Withdrawn),
    }
}
