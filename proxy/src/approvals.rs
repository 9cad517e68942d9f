//! The proxy's side of approvals: which held call waits for which message of the control plane.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use policy_sync::{
    ApprovalRequest, ControlMessage, FromControl, HoldId, LinkDown, ProxyEnd, ProxyMessage, ToControl,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;
use crate::state::Count;

/// A hold gets a handful of messages in its life; more than this means that nobody reads them.
const MESSAGES_MAX: usize = 8;

/// Where holds open approvals and hear of them. Without a control plane there is no link, and no approval.
#[derive(Clone, Debug)]
pub(crate) struct Approvals {
    link: Option<Arc<Link>>,
    /// All holds of this proxy.
    pub(crate) holds: Arc<Count>,
}

#[derive(Debug)]
struct Link {
    to_control: ToControl,
    last_hold: AtomicU64,
    waiting: Mutex<HashMap<HoldId, mpsc::Sender<ControlMessage>>>,
    by_request: Mutex<HashMap<RequestKey, HoldId>>,
}

/// What `notifications/cancelled` knows of the call that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestKey {
    pub(crate) caller: String,
    pub(crate) session: Option<Vec<u8>>,
    pub(crate) id: String,
}

/// One held call's place in line. Dropping it tells the control plane that the call waits no more.
#[derive(Debug)]
pub(crate) struct Place {
    link: Arc<Link>,
    hold: HoldId,
    request: Option<RequestKey>,
    messages: mpsc::Receiver<ControlMessage>,
    settled: bool,
}

impl Approvals {
    /// Approvals over a link, and the task that hands its messages out; neither for a proxy on its own.
    pub(crate) fn over(end: Option<ProxyEnd>, metrics: &Arc<Metrics>) -> (Self, Option<JoinHandle<()>>) {
        let holds = Arc::default();
        let Some(end) = end else { return (Self { link: None, holds }, None) };
        let (to_control, from_control) = end.split();
        let link = Arc::new(Link {
            to_control,
            last_hold: AtomicU64::new(0),
            waiting: Mutex::default(),
            by_request: Mutex::default(),
        });
        metrics.holds.link_up.set(1);
        let task = tokio::spawn(hand_out(Arc::clone(&link), from_control, Arc::clone(metrics)));
        (Self { link: Some(link), holds }, Some(task))
    }

    /// The way to the control plane, if there is one.
    pub(crate) fn to_control(&self) -> Option<ToControl> {
        self.link.as_ref().map(|link| link.to_control.clone())
    }

    /// Whether there is a control plane at all.
    pub(crate) const fn are_possible(&self) -> bool {
        self.link.is_some()
    }

    /// Opens or joins an approval for a held call; `request` is completed with the hold's id.
    pub(crate) fn ask(
        &self,
        mut request: ApprovalRequest,
        cancelled_by: Option<RequestKey>,
    ) -> Result<Place, LinkDown> {
        let link = self.link.as_ref().ok_or(LinkDown)?;
        let hold = HoldId(link.last_hold.fetch_add(1, Ordering::Relaxed).saturating_add(1));
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        link.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(hold, sender);
        let cancelled_by = cancelled_by.filter(|key| link.name(key, hold));
        let place = Place { link: Arc::clone(link), hold, request: cancelled_by, messages, settled: false };
        request.hold = hold;
        place.send(ProxyMessage::ApprovalRequest(Box::new(request)))?;
        Ok(place)
    }

    /// The caller took a request back: a call held for it ends, and nobody waits for its approval any more.
    pub(crate) fn cancel(&self, key: &RequestKey) {
        let Some(link) = &self.link else { return };
        let hold = link.by_request.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
        if let Some(hold) = hold {
            let withdrawn = link.to_control.send(ProxyMessage::ApprovalWithdraw { hold });
            // Ends the wait whether or not the control plane heard of it.
            link.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&hold);
            tracing::debug!(hold = hold.0, told = withdrawn.is_ok(), "held call cancelled by its caller");
        }
    }
}

impl Link {
    /// Lets a request's id name this hold. An id that names another already would cancel the wrong one: then it names none.
    fn name(&self, key: &RequestKey, hold: HoldId) -> bool {
        let mut by_request = self.by_request.lock().unwrap_or_else(PoisonError::into_inner);
        if by_request.remove(key).is_some() {
            return false;
        }
        by_request.insert(key.clone(), hold);
        true
    }
}

impl Place {
    pub(crate) const fn hold(&self) -> HoldId {
        self.hold
    }

    pub(crate) fn send(&self, message: ProxyMessage) -> Result<(), LinkDown> {
        self.link.to_control.send(message)
    }

    /// The next message for this hold; `None` when its caller cancelled it.
    pub(crate) async fn receive(&mut self) -> Option<ControlMessage> {
        self.messages.recv().await
    }

    /// The approval was used up or has ended: there is nothing to leave.
    pub(crate) const fn settle(&mut self) {
        self.settled = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let known =
            self.link.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hold).is_some();
        if let Some(key) = &self.request {
            let mut by_request = self.link.by_request.lock().unwrap_or_else(PoisonError::into_inner);
            if by_request.get(key) == Some(&self.hold) {
                by_request.remove(key);
            }
        }
        if known && !self.settled {
            // If the link is down, the control plane forgets the hold with it.
            let _down = self.send(ProxyMessage::ApprovalDetach { hold: self.hold });
        }
    }
}

async fn hand_out(link: Arc<Link>, mut from_control: FromControl, metrics: Arc<Metrics>) {
    while let Some(message) = from_control.receive().await {
        let hold = match &message {
            ControlMessage::ApprovalCreated { hold, .. }
            | ControlMessage::ApprovalRefused { hold, .. }
            | ControlMessage::ApprovalDecided { hold, .. }
            | ControlMessage::ApprovalConsumed { hold, .. } => *hold,
        };
        let place = link.waiting.lock().unwrap_or_else(PoisonError::into_inner).get(&hold).cloned();
        if let Some(place) = place
            && place.try_send(message).is_err()
        {
            tracing::warn!(hold = hold.0, "a held call does not read its messages");
        }
    }
    metrics.holds.link_up.set(0);
    tracing::warn!("the link to the control plane is down; calls that need approval are refused");
}
