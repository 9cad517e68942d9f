//! A held call asks for an approval, or is announced again after its link was cut.

use policy::UnixMillis;
use policy::approval::{Reference, life_seconds};
use policy_sync::{ApprovalRequest, ControlMessage, Outcome, Refusal};

use super::Approvals;
use super::holds::Waiter;
use super::tell::outcome;
use crate::link::{LinkId, Run};
use crate::store::{Approval, Opened, Opening, StoreError};

/// How long a denial is repeated to a caller whose hold had ended before.
const DENIAL_REPEATED_SECONDS: u64 = 15 * 60;

/// Most bytes of any one text of a request.
pub(super) const TEXT_BYTES_MAX: usize = 16 * 1024;

impl Approvals {
    pub(super) async fn request(
        &mut self,
        link: LinkId,
        run: &Run,
        request: &ApprovalRequest,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        if !run.peer.is(&request.org, &request.proxy) {
            let ApprovalRequest { org, proxy, .. } = request;
            tracing::warn!(peer = ?run.peer, org, proxy, "a proxy asked for what is not its own");
            return Err(Refusal::Foreign);
        }
        if !fits(request) {
            return Err(failed(request, &"the request is too large"));
        }
        let waiter = Waiter { link, hold: request.hold };
        if !self.is_waited_for() {
            self.last_change = self.store.last_change().await.map_err(|error| failed(request, &error))?;
        }
        let joined = self.joined_before(waiter, request).await.map_err(|error| failed(request, &error))?;
        self.check_room(waiter)?;
        let approval = match joined {
            Some(approval) => approval,
            None => self.open(request, now).await?,
        };
        self.join(waiter, &approval, now).await;
        Ok(())
    }

    /// The approval that a hold has joined over a link that was cut, whatever became of it since.
    async fn joined_before(
        &self,
        waiter: Waiter,
        request: &ApprovalRequest,
    ) -> Result<Option<Approval>, StoreError> {
        let Some(reference) = request.joined.as_ref().or_else(|| self.holds.reference(waiter)) else {
            return Ok(None);
        };
        let approval = self.store.any_approval(reference).await?;
        Ok(approval
            .filter(|approval| approval.org == request.org && approval.fingerprint == request.fingerprint))
    }

    /// A hold that is known already takes no more room.
    fn check_room(&self, waiter: Waiter) -> Result<(), Refusal> {
        let is_full = self.holds.count() >= self.rules.holds_max
            || self.holds.count_of(waiter.link) >= self.rules.holds_per_link_max;
        if is_full && self.holds.reference(waiter).is_none() {
            return Err(Refusal::TooManyPending);
        }
        Ok(())
    }

    /// Opens an approval, or finds the one that the same call has already.
    async fn open(&mut self, request: &ApprovalRequest, now: UnixMillis) -> Result<Approval, Refusal> {
        let seconds = life_seconds(request.timeout_seconds, self.rules.life_seconds);
        let opening = Opening {
            reference: Reference::from_entropy(getrandom::u64().map_err(|error| failed(request, &error))?),
            expires_at: now.plus_seconds(seconds),
            denials_since: UnixMillis(now.0.saturating_sub(DENIAL_REPEATED_SECONDS * 1000)),
            pending_max: self.rules.pending_max,
            pending_per_caller_max: self.rules.pending_per_caller_max,
        };
        let opened = self.store.open_approval(request, &opening, now).await;
        let opened = opened.map_err(|error| failed(request, &error))?;
        match self.settled(opened, now).await {
            Opened::Refused(why) => Err(why),
            Opened::New(approval) => {
                self.metrics.entered(&approval.state);
                Ok(*approval)
            }
            Opened::Joined(approval) => Ok(*approval),
        }
    }

    /// Lets a hold wait for an approval; if that is decided already, says so at once.
    async fn join(&mut self, waiter: Waiter, approval: &Approval, now: UnixMillis) {
        let (hold, reference) = (waiter.hold, approval.reference.clone());
        // First, so that the hold is known if its link is cut by what follows.
        let was_told = self.holds.join(waiter, &reference);
        let expires_at_unix_ms = approval.expires_at;
        let created =
            ControlMessage::ApprovalCreated { hold, reference: reference.clone(), expires_at_unix_ms };
        self.send(waiter.link, created, now).await;
        match outcome(&approval.state) {
            None => {}
            Some(Outcome::Approved) if was_told => {}
            Some(Outcome::Approved) => self.tell_one(waiter, approval, Outcome::Approved, now).await,
            Some(ended) => {
                self.tell_one(waiter, approval, ended, now).await;
                self.holds.leave(waiter);
            }
        }
    }
}

fn failed(request: &ApprovalRequest, error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, tool = request.tool, "an approval could not be opened");
    Refusal::StoreFailed
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
