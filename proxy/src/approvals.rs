//! The proxy's side of approvals: which held call waits for which message of the control plane.
//!
//! The link may be cut and come back. Held calls go on waiting meanwhile, and each announces itself again afterwards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use policy_sync::{
    ApprovalRequest, ControlMessage, FromControl, HoldId, LinkDown, ProxyEnd, ProxyMessage, ToControl,
};
use tokio::sync::{mpsc, watch};
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
    state: watch::Sender<State>,
    metrics: Arc<Metrics>,
}

/// Whether the control plane is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
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
    state: watch::Receiver<State>,
    settled: bool,
}

/// What happens to a held call while it waits.
#[derive(Debug)]
pub(crate) enum News {
    /// The control plane says something.
    Message(ControlMessage),
    /// Its caller took the call back.
    Cancelled,
    /// The link was cut.
    LinkDown,
    /// The link is up again: the hold is to be announced, as the control plane may have forgotten it.
    LinkUp,
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
            state: watch::Sender::new(State::Up),
            metrics: Arc::clone(metrics),
        });
        metrics.holds.link_up.set(1);
        let task = tokio::spawn(hand_out(Arc::clone(&link), from_control));
        (Self { link: Some(link), holds }, Some(task))
    }

    /// The way to the control plane, if there is one.
    pub(crate) fn to_control(&self) -> Option<ToControl> {
        self.link.as_ref().map(|link| link.to_control.clone())
    }

    /// The link was cut, and may come back. Calls that need approval are refused until then; those that are held go on
    /// waiting.
    pub(crate) fn link_lost(&self) {
        if let Some(link) = &self.link {
            link.lost();
        }
    }

    /// The link is up again. Every held call announces itself.
    pub(crate) fn relinked(&self) {
        if let Some(link) = &self.link {
            link.metrics.holds.link_up.set(1);
            tracing::info!("the link to the control plane is up; approvals can be asked for");
            link.state.send_replace(State::Up);
        }
    }

    /// Returns once the link is up; at once if there is none.
    pub(crate) async fn linked(&self) {
        if let Some(link) = &self.link {
            let mut state = link.state.subscribe();
            // The sender is here, so this ends with the link being up.
            let _up = state.wait_for(|state| *state == State::Up).await;
        }
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
        // From here on, so that it hears of the next cut.
        let state = link.state.subscribe();
        if *state.borrow() == State::Down {
            return Err(LinkDown);
        }
        let hold = HoldId(link.last_hold.fetch_add(1, Ordering::Relaxed).saturating_add(1));
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        link.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(hold, sender);
        let cancelled_by = cancelled_by.filter(|key| link.name(key, hold));
        let link = Arc::clone(link);
        let place = Place { link, hold, request: cancelled_by, messages, state, settled: false };
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
    fn lost(&self) {
        self.metrics.holds.link_up.set(0);
        if self.state.send_replace(State::Down) == State::Down {
            return;
        }
        tracing::warn!("the link to the control plane is down; calls that need approval are refused");
    }

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

    /// The way to the control plane, to wait for room on it.
    pub(crate) fn to_control(&self) -> ToControl {
        self.link.to_control.clone()
    }

    /// What happens next. A link that was cut and came back unnoticed counts as one that came back.
    pub(crate) async fn next(&mut self) -> News {
        tokio::select! {
            message = self.messages.recv() => message.map_or(News::Cancelled, News::Message),
            // The sender lives as long as the link, which this place holds.
            _ = self.state.changed() => match *self.state.borrow_and_update() {
                State::Up => News::LinkUp,
                State::Down => News::LinkDown,
            },
        }
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
            // What does not arrive is forgotten by the control plane in time.
            let _down = self.send(ProxyMessage::ApprovalDetach { hold: self.hold });
        }
    }
}

async fn hand_out(link: Arc<Link>, mut from_control: FromControl) {
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
    link.lost();
}

#[cfg(test)]
pub(crate) mod tests;
