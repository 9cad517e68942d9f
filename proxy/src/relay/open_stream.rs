//! A stream without an end of its own: what the proxy says in it between the backend's events, and what ends it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{Sleep, sleep};

use crate::caller::Identity;
use crate::clock;
use crate::connection::Peer;
use crate::state::{Phase, Shared};

/// How often it is asked whether the caller's credential is still good; sooner where it says when it expires.
const KNOWN_INTERVAL: Duration = Duration::from_secs(30);
/// Two looks are at least so far apart.
const LOOK_MIN: Duration = Duration::from_millis(100);
/// A draining proxy leaves calls that are held in a session of the old transport this long to say so in its stream.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What an open stream waits for beside its backend.
pub(crate) struct OpenStream {
    shared: Arc<Shared>,
    identity: Arc<Identity>,
    peer: Arc<Peer>,
    draining: Pin<Box<dyn Future<Output = ()>>>,
    changing: Pin<Box<dyn Future<Output = watch::Receiver<u64>>>>,
    known: Pin<Box<Sleep>>,
    /// What to say when the policy has changed.
    on_change: Option<Bytes>,
    /// Whether that must not come before the backend's first message.
    answers_first: bool,
    /// Whether it is still to be said.
    has_changed: bool,
    /// What the proxy answers in this stream (the old HTTP+SSE transport).
    inbox: Option<mpsc::Receiver<Bytes>>,
}

/// What comes between two events of the backend.
#[derive(Debug)]
pub(crate) enum Between {
    /// One more event.
    Event(Bytes),
    /// The end of the stream.
    End,
}

impl OpenStream {
    pub(crate) fn new(shared: &Arc<Shared>, identity: &Arc<Identity>, peer: &Arc<Peer>) -> Self {
        Self {
            draining: Box::pin(draining(shared.phase.subscribe(), Duration::ZERO)),
            changing: Box::pin(changing(shared.changes.subscribe())),
            shared: Arc::clone(shared),
            identity: Arc::clone(identity),
            peer: Arc::clone(peer),
            known: Box::pin(next_look(identity)),
            on_change: None,
            answers_first: false,
            has_changed: false,
            inbox: None,
        }
    }

    /// The event that tells of a change of policy, and whether it has to wait for the backend's first message.
    pub(crate) fn on_change(self, event: Option<Bytes>, answers_first: bool) -> Self {
        Self { on_change: event, answers_first, ..self }
    }

    /// Nothing is said in it: it can't be taken apart into events.
    pub(crate) fn silent(self) -> Self {
        Self { on_change: None, inbox: None, ..self }
    }

    /// Further events come from here.
    pub(crate) fn with_inbox(self, inbox: mpsc::Receiver<Bytes>) -> Self {
        let draining = Box::pin(draining(self.shared.phase.subscribe(), LAST_WORDS));
        Self { inbox: Some(inbox), draining, ..self }
    }

    /// What comes next that is not the backend's. `has_begun`: the backend's first message has passed.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>, has_begun: bool) -> Poll<Between> {
        if self.draining.as_mut().poll(context).is_ready() {
            return Poll::Ready(Between::End);
        }
        while let Poll::Ready(changes) = self.changing.as_mut().poll(context) {
            self.changing = Box::pin(changing(changes));
            self.has_changed = true;
            if !self.is_known() {
                return Poll::Ready(Between::End);
            }
        }
        while self.known.as_mut().poll(context).is_ready() {
            if !self.is_known() {
                return Poll::Ready(Between::End);
            }
            self.known.set(next_look(&self.identity));
        }
        let may_say = has_begun || !self.answers_first;
        if let (true, true, Some(event)) = (self.has_changed, may_say, &self.on_change) {
            self.has_changed = false;
            return Poll::Ready(Between::Event(event.clone()));
        }
        let Some(inbox) = &mut self.inbox else { return Poll::Pending };
        match ready!(inbox.poll_recv(context)) {
            Some(event) => Poll::Ready(Between::Event(event)),
            None => Poll::Pending,
        }
    }

    fn is_known(&self) -> bool {
        let in_force = self.shared.in_force.load();
        in_force.identities.again(&self.identity, &self.peer, &in_force.tls, clock::now()).is_ok()
    }
}

fn next_look(identity: &Identity) -> Sleep {
    sleep(
        identity.expires_in(clock::now()).map_or(KNOWN_INTERVAL, |left| left.clamp(LOOK_MIN, KNOWN_INTERVAL)),
    )
}

async fn draining(mut phase: watch::Receiver<Phase>, grace: Duration) {
    if phase.wait_for(|phase| *phase >= Phase::Drain).await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep(grace).await;
}

async fn changing(mut changes: watch::Receiver<u64>) -> watch::Receiver<u64> {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    changes
}

impl std::fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenStream")
    }
}
