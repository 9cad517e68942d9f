//! The task that owns the service: it takes turns between the links, the people and the clock.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Approvals, DecideError};
use crate::clock;
use crate::link::{FromProxy, LinkId};
use crate::store::{Approval, NewDecision};

/// Decisions that may wait for their turn.
const DECISIONS_QUEUED_MAX: usize = 64;

/// How often approvals are looked through for those whose time is over.
const TICK_SECONDS: u64 = 1;

/// How often it looks what other control planes have decided, while any hold waits.
const LOOK_MS: u64 = 250;

/// The way to the service, for whoever brings decisions of people.
#[derive(Clone, Debug)]
pub(crate) struct Decider(mpsc::Sender<Question>);

#[derive(Debug)]
struct Question {
    decision: NewDecision,
    answer: oneshot::Sender<Result<Approval, DecideError>>,
}

/// Starts the service. It runs on without any proxy, and ends when every [`Decider`] is gone; with it ends every link.
pub(crate) fn start(
    approvals: Approvals,
    from_proxies: mpsc::Receiver<(LinkId, FromProxy)>,
) -> (Decider, JoinHandle<()>) {
    let (sender, decisions) = mpsc::channel(DECISIONS_QUEUED_MAX);
    (Decider(sender), tokio::spawn(run(approvals, from_proxies, decisions)))
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

async fn run(
    mut approvals: Approvals,
    mut from_proxies: mpsc::Receiver<(LinkId, FromProxy)>,
    mut decisions: mpsc::Receiver<Question>,
) {
    let mut ticks = every(Duration::from_secs(TICK_SECONDS));
    let mut looks = every(Duration::from_millis(LOOK_MS));
    loop {
        tokio::select! {
            Some((link, from)) = from_proxies.recv() => approvals.take(link, from, clock::now()).await,
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
            _ = looks.tick(), if approvals.is_waited_for() => {
                if let Err(error) = approvals.look(clock::now()).await {
                    tracing::error!(%error, "it could not be found what became of approvals");
                }
            }
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
