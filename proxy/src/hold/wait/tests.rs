//! Held calls whose link is cut and comes back. What the control plane says is written out; the queues are the real ones.

use policy_sync::{ApprovalRequest, ControlEnd, HoldId};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::*;
use crate::approvals::Approvals;
use crate::approvals::tests::{over_link, request};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(120);

type Ended = Result<Reference, &'static str>;

/// A proxy with its link, and its control plane's end.
struct Proxy {
    approvals: Approvals,
    control: ControlEnd,
    phase: watch::Sender<Phase>,
    /// Signs of life to callers.
    signs: (mpsc::Sender<u64>, mpsc::Receiver<u64>),
}

fn reference() -> Reference {
    Reference::from_entropy(7)
}

/// Runs a test where held calls run: on one thread.
async fn on_one_thread(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(tokio::time::timeout(LONG, test)).await.unwrap();
}

impl Proxy {
    fn new(capacity: usize) -> Self {
        let (approvals, control) = over_link(capacity);
        Self { approvals, control, phase: watch::Sender::new(Phase::Run), signs: mpsc::channel(1) }
    }

    /// Holds a call. Says what became of it: the reference of its approval, or the name of the refusal.
    fn hold(&self, limit: Duration) -> JoinHandle<Ended> {
        let mut place = self.approvals.ask(request(), None).unwrap();
        let (hold, phase, told) = (place.hold(), self.phase.subscribe(), self.signs.0.clone());
        spawn_local(async move {
            let again = |joined: Option<&Reference>| {
                let request = ApprovalRequest { hold, joined: joined.cloned(), ..request() };
                ProxyMessage::ApprovalRequest(Box::new(request))
            };
            let tell = |_: &Reference, signs| {
                let _nobody_looks = told.try_send(signs);
            };
            let deadline = Instant::now() + limit;
            let mut wait = Wait { request: &again, tell: &tell, deadline, phase };
            let waited = async {
                let reference = wait.opened(&mut place).await?;
                wait.granted(&mut place, reference).await
            };
            waited.await.map_err(|refusal| refusal.name())
        })
    }

    /// The next announcement: whose it is, and what that hold has joined.
    async fn announced(&mut self) -> (HoldId, Option<Reference>) {
        match self.control.receive().await {
            Some(ProxyMessage::ApprovalRequest(request)) => (request.hold, request.joined),
            other => panic!("{other:?}"),
        }
    }

    async fn asked_to_consume(&mut self) -> HoldId {
        match self.control.receive().await {
            Some(ProxyMessage::ApprovalConsume { hold, reference: asked }) if asked == reference() => hold,
            other => panic!("{other:?}"),
        }
    }

    async fn created(&self, hold: HoldId) {
        let expires_at_unix_ms = policy::UnixMillis(u64::MAX);
        let created = ControlMessage::ApprovalCreated { hold, reference: reference(), expires_at_unix_ms };
        self.control.send(created).await.unwrap();
    }

    async fn decided(&self, hold: HoldId, outcome: Outcome) {
        let decided = ControlMessage::ApprovalDecided { hold, reference: reference(), outcome, note: None };
        self.control.send(decided).await.unwrap();
    }

    async fn consumed(&self, hold: HoldId, granted: bool) {
        let consumed = ControlMessage::ApprovalConsumed { hold, reference: reference(), granted };
        self.control.send(consumed).await.unwrap();
    }

    /// A call that has joined its approval and waits for people.
    async fn waiting(&mut self, limit: Duration) -> (JoinHandle<Ended>, HoldId) {
        let held = self.hold(limit);
        let (hold, joined) = self.announced().await;
        assert_eq!(joined, None);
        self.created(hold).await;
        assert_eq!(self.signs.1.recv().await, Some(1), "its caller hears that it waits");
        (held, hold)
    }

    /// A call that has asked to go on, and has no answer.
    async fn going_on(&mut self, limit: Duration) -> (JoinHandle<Ended>, HoldId) {
        let (held, hold) = self.waiting(limit).await;
        self.decided(hold, Outcome::Approved).await;
        assert_eq!(self.asked_to_consume().await, hold);
        (held, hold)
    }
}

#[tokio::test]
async fn what_was_decided_meanwhile_is_heard_when_the_link_is_back() {
    on_one_thread(async {
        let cases = [
            (Outcome::Approved, Ok(reference())),
            (Outcome::Denied, Err("approval-denied")),
            (Outcome::Expired, Err("approval-expired")),
            (Outcome::Withdrawn, Err("approval-withdrawn")),
        ];
        for (outcome, expected) in cases {
            let mut proxy = Proxy::new(8);
            let (held, hold) = proxy.waiting(LONG).await;
            proxy.approvals.link_lost();
            proxy.approvals.relinked();
            assert_eq!(proxy.announced().await, (hold, Some(reference())));
            proxy.created(hold).await;
            proxy.decided(hold, outcome).await;
            if outcome == Outcome::Approved {
                assert_eq!(proxy.asked_to_consume().await, hold);
                proxy.consumed(hold, true).await;
            }
            assert_eq!(held.await.unwrap(), expected);
            assert!(proxy.approvals.ask(request(), None).is_ok());
        }
    })
    .await;
}

#[tokio::test]
async fn who_waits_to_go_on_asks_again_when_the_link_is_back() {
    on_one_thread(async {
        let cases = [
            (Outcome::Approved, Some(true), Ok(reference())),
            (Outcome::Approved, Some(false), Err("approval-used")),
            (Outcome::Expired, None, Err("approval-expired")),
        ];
        for (outcome, granted, expected) in cases {
            let mut proxy = Proxy::new(8);
            let (held, hold) = proxy.going_on(LONG).await;
            for _ in 0..3 {
                proxy.approvals.link_lost();
                // The hold notices before the link is back.
                tokio::task::yield_now().await;
                proxy.approvals.relinked();
                assert_eq!(proxy.announced().await, (hold, Some(reference())));
                assert_eq!(proxy.asked_to_consume().await, hold);
            }
            proxy.created(hold).await;
            proxy.decided(hold, outcome).await;
            if let Some(granted) = granted {
                proxy.consumed(hold, granted).await;
            }
            assert_eq!(held.await.unwrap(), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_lost_in_the_cut_is_made_again() {
    on_one_thread(async {
        let mut proxy = Proxy::new(8);
        let held = proxy.hold(LONG);
        let (hold, _) = proxy.announced().await;
        proxy.approvals.link_lost();
        proxy.approvals.relinked();
        assert_eq!(proxy.announced().await, (hold, None));
        proxy.created(hold).await;
        proxy.decided(hold, Outcome::Denied).await;
        assert_eq!(held.await.unwrap(), Err("approval-denied"));
    })
    .await;
}

#[tokio::test]
async fn no_wait_is_longer_for_a_link_that_does_not_come_back() {
    on_one_thread(async {
        let limit = Duration::from_millis(300);
        let mut proxy = Proxy::new(8);
        let (waiting, _) = proxy.waiting(limit).await;
        let (drained, _) = proxy.waiting(LONG).await;
        let (going_on, _) = proxy.going_on(LONG).await;
        // Nobody answers, whether the link is up or not: what was asked for is waited for a few seconds.
        let unopened = proxy.hold(LONG);
        let (unanswered, _) = Proxy::new(8).going_on(limit).await;
        proxy.approvals.link_lost();
        assert_eq!(waiting.await.unwrap(), Err("approval-pending"));
        assert_eq!(unopened.await.unwrap(), Err("approvals-unavailable"));
        assert_eq!(unanswered.await.unwrap(), Err("approvals-unavailable"));
        assert!(!drained.is_finished() && !going_on.is_finished(), "they wait up to their limits");
        proxy.phase.send_replace(Phase::Drain);
        assert_eq!(drained.await.unwrap(), Err("approval-pending"));
        assert_eq!(going_on.await.unwrap(), Err("approvals-unavailable"));
    })
    .await;
}

#[tokio::test]
async fn an_announcement_that_is_refused_ends_the_wait() {
    on_one_thread(async {
        let mut proxy = Proxy::new(8);
        let why = Refused::StoreFailed;
        let (waiting, first) = proxy.waiting(LONG).await;
        let (going_on, second) = proxy.going_on(LONG).await;
        proxy.approvals.link_lost();
        proxy.approvals.relinked();
        for hold in [first, second] {
            proxy.control.send(ControlMessage::ApprovalRefused { hold, why }).await.unwrap();
        }
        assert_eq!(waiting.await.unwrap(), Err("approval-pending"));
        assert_eq!(going_on.await.unwrap(), Err("approvals-unavailable"));
    })
    .await;
}

#[tokio::test]
async fn every_hold_is_announced_however_little_room_there_is() {
    on_one_thread(async {
        let mut proxy = Proxy::new(2);
        let mut held = Vec::new();
        let mut holds = Vec::new();
        for _ in 0..50 {
            let (waiting, hold) = proxy.waiting(LONG).await;
            held.push(waiting);
            holds.push(hold);
        }
        proxy.approvals.link_lost();
        proxy.approvals.relinked();
        let mut announced = Vec::new();
        while announced.len() < holds.len() {
            let (hold, joined) = proxy.announced().await;
            assert_eq!(joined, Some(reference()));
            announced.push(hold);
            proxy.decided(hold, Outcome::Expired).await;
        }
        announced.sort_unstable();
        assert_eq!(announced, holds);
        for held in held {
            assert_eq!(held.await.unwrap(), Err("approval-expired"));
        }
    })
    .await;
}
