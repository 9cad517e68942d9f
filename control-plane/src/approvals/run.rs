//! The task that owns the service: it takes turns between the link, the people and the clock.

use std::time::Duration;

use policy_sync::{LinkDown, ProxyMessage};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::{Approvals, DecideError};
use crate::clock;
use crate::link::Link;
use crate::store::{Approval, NewDecision};

/// Decisions that may wait for their turn.
const DECISIONS_QUEUED_MAX: usize = 64;

/// How often approvals are looked through for those whose time is over.
const TICK_SECONDS: u64 = 1;

/// The way to the service, for whoever brings decisions of people.
#[derive(Clone, Debug)]
pub(crate) struct Decider(mpsc::Sender<Question>);

#[derive(Debug)]
struct Question {
    decision: NewDecision,
    answer: oneshot::Sender<Result<Approval, DecideError>>,
}

/// What happened at the link.
enum Turn {
    Received(Option<ProxyMessage>),
    Sent(Result<(), LinkDown>),
}

/// Starts the service. It runs on without its proxy, and ends when every [`Decider`] is gone.
pub(crate) fn start(approvals: Approvals, link: Option<Link>) -> (Decider, JoinHandle<()>) {
    let (sender, decisions) = mpsc::channel(DECISIONS_QUEUED_MAX);
    (Decider(sender), tokio::spawn(run(approvals, link, decisions)))
}

impl Decider {
    /// Brings a decision, and waits until it is durable. Once it is on its way it is taken, even if nobody waits
    /// for the answer any more.
    pub(crate) async fn decide(&self, decision: NewDecision) -> Result<Approval, DecideError> {
        let (sender, answer) = oneshot::channel();
        let question = Question { decision, answer: sender };
        self.0.send(question).await.map_err(|_| DecideError::Stopped)?;
        answer.await.map_err(|_| DecideError::Stopped)?
    }

    /// Whether the service runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.0.is_closed()
    }
}

async fn run(mut approvals: Approvals, mut link: Option<Link>, mut decisions: mpsc::Receiver<Question>) {
    let mut ticks = interval(Duration::from_secs(TICK_SECONDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            happened = turn(&mut link, &approvals) => match happened {
                Turn::Received(Some(message)) => approvals.receive(message, clock::now()).await,
                Turn::Sent(Ok(())) => approvals.sent().await,
                Turn::Received(None) | Turn::Sent(Err(LinkDown)) => {
                    tracing::warn!("the proxy is gone; its approvals stay");
                    approvals.forget_proxy();
                    link = None;
                }
            },
            question = decisions.recv() => match question {
                Some(Question { decision, answer }) => {
                    // Whoever asked may have left; the decision stands all the same.
                    let _ = answer.send(approvals.decide(&decision, clock::now()).await);
                }
                None => return,
            },
            _ = ticks.tick() => {
                if let Err(error) = approvals.tick(clock::now()).await {
                    tracing::error!(%error, "approvals could not be looked through");
                }
            }
        }
    }
}

/// Sends while there is something to send, else receives. So a proxy that reads slowly is not listened to in the
/// meantime, which bounds the outbox, while decisions and the clock go on.
async fn turn(link: &mut Option<Link>, approvals: &Approvals) -> Turn {
    match (link, approvals.next()) {
        (Some(link), Some(message)) => Turn::Sent(link.send(message.clone()).await),
        (Some(link), None) => Turn::Received(link.receive().await),
        (None, _) => std::future::pending().await,
    }
}
