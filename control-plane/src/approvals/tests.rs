//! The service with a real store; time is an argument, and messages are read from the outbox.

mod fleet;
mod link;
mod reconnect;
mod seeded;

use std::iter;
use std::ops::{Deref, DerefMut};

use policy_sync::{ApprovalRequest, HoldId, Outcome, Refusal};
use tokio::sync::mpsc;

use super::request::TEXT_BYTES_MAX;
use super::*;
use crate::fixture::{Database, ORG, approver, on_both, person, request, request_of};
use crate::link::Peer;
use crate::people::People;
use crate::store::Answer;
use policy::approval::Approver;

const T0: UnixMillis = UnixMillis(1_000_000_000);

fn after(seconds: u64) -> UnixMillis {
    T0.plus_seconds(seconds)
}

/// The service, and one proxy that is connected to it.
struct Service {
    approvals: Approvals,
    proxy: Proxy,
}

/// One end of a link, as the service's session task has it.
struct Proxy {
    id: LinkId,
    outbox: mpsc::Receiver<ControlMessage>,
}

impl Proxy {
    /// What it was told so far.
    fn heard(&mut self) -> Vec<ControlMessage> {
        iter::from_fn(|| self.outbox.try_recv().ok()).collect()
    }
}

impl Deref for Service {
    type Target = Approvals;

    fn deref(&self) -> &Approvals {
        &self.approvals
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut Approvals {
        &mut self.approvals
    }
}

async fn approvals(database: &Database, people: &[Approver], rules: ApprovalRules) -> Approvals {
    let store = database.store().await;
    for approver in people {
        People::new(store.clone()).create(person(approver.clone())).await.unwrap();
    }
    Approvals::new(store, rules, Metrics::new().unwrap())
}

async fn service(database: &Database, people: &[Approver], rules: ApprovalRules) -> Service {
    let mut approvals = approvals(database, people, rules).await;
    let proxy = approvals.connect(peer("gate-1"), 7, T0).await;
    Service { approvals, proxy }
}

fn peer(name: &str) -> Peer {
    Peer { org: ORG.to_owned(), name: name.to_owned() }
}

impl Approvals {
    async fn connect(&mut self, peer: Peer, boot: u64, now: UnixMillis) -> Proxy {
        let (outbox, messages) = mpsc::channel(64);
        let id = LinkId::next();
        self.take(id, FromProxy::Joined { run: Run { peer, boot }, outbox }, now).await;
        Proxy { id, outbox: messages }
    }
}

impl Service {
    /// Takes a message and returns what it says to the proxy, as if it were sent at once.
    async fn exchange(&mut self, message: ProxyMessage, now: UnixMillis) -> Vec<ControlMessage> {
        self.approvals.take(self.proxy.id, FromProxy::Said(message), now).await;
        self.flush().await
    }

    async fn flush(&mut self) -> Vec<ControlMessage> {
        self.proxy.heard()
    }

    async fn ask(&mut self, request: &ApprovalRequest, now: UnixMillis) -> Vec<ControlMessage> {
        self.exchange(ProxyMessage::ApprovalRequest(Box::new(request.clone())), now).await
    }

    /// Asks, and expects a new or joined approval that is not decided yet.
    async fn pending(&mut self, request: &ApprovalRequest, now: UnixMillis) -> Reference {
        match self.ask(request, now).await.as_slice() {
            [ControlMessage::ApprovalCreated { hold, reference, .. }] if *hold == request.hold => {
                reference.clone()
            }
            other => panic!("{other:?}"),
        }
    }

    async fn answer(
        &mut self,
        reference: &Reference,
        by: &Approver,
        answer: Answer,
        now: UnixMillis,
    ) -> &'static str {
        let decision = decision(reference, by, answer);
        match self.decide(&decision, now).await {
            Ok(approval) => approval.state.as_str(),
            Err(DecideError::Refused(Refused::Ended(_))) => "refused: ended",
            Err(DecideError::Refused(Refused::Decided)) => "refused: decided",
            Err(DecideError::Refused(Refused::Requester)) => "refused: requester",
            Err(DecideError::Refused(Refused::SamePerson)) => "refused: same person",
            Err(DecideError::Refused(Refused::NotInGroup)) => "refused: not in group",
            Err(DecideError::Unknown) => "unknown",
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn consumes(&mut self, hold: u64, reference: &Reference, now: UnixMillis) -> bool {
        let message = ProxyMessage::ApprovalConsume { hold: HoldId(hold), reference: reference.clone() };
        match self.exchange(message, now).await.as_slice() {
            [.., ControlMessage::ApprovalConsumed { granted, .. }] => *granted,
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self, reference: &Reference) -> &'static str {
        self.store.approval(ORG, reference).await.unwrap().unwrap().0.state.as_str()
    }
}

fn decision(reference: &Reference, by: &Approver, answer: Answer) -> NewDecision {
    NewDecision {
        org: ORG.to_owned(),
        reference: reference.clone(),
        by: by.clone(),
        answer,
        note: Some("as agreed".to_owned()),
        origin: "192.0.2.1:5000".to_owned(),
    }
}

fn told(hold: u64, reference: &Reference, outcome: Outcome, note: Option<&str>) -> ControlMessage {
    ControlMessage::ApprovalDecided {
        hold: HoldId(hold),
        reference: reference.clone(),
        outcome,
        note: note.map(str::to_owned),
    }
}

fn refused(hold: u64, why: Refusal) -> Vec<ControlMessage> {
    vec![ControlMessage::ApprovalRefused { hold: HoldId(hold), why }]
}

#[test]
fn identical_calls_share_one_approval_and_one_of_them_goes_on() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut service = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let reference = service.pending(&request(1, r#"{"amount":10}"#), T0).await;
        let joined = service.ask(&request(2, r#"{ "amount": 1e1 }"#), after(5)).await;
        let created = ControlMessage::ApprovalCreated {
            hold: HoldId(2),
            reference: reference.clone(),
            expires_at_unix_ms: after(3600),
        };
        assert_eq!(joined, [created]);
        assert_ne!(service.pending(&request(3, r#"{"amount":11}"#), T0).await, reference);

        assert!(!service.consumes(3, &reference, after(6)).await, "a hold of another call");
        assert!(!service.consumes(9, &reference, after(6)).await, "an unknown hold");
        assert_eq!(service.answer(&reference, &ada, Answer::Approve, after(7)).await, "approved");
        let both = [1, 2].map(|hold| told(hold, &reference, Outcome::Approved, Some("as agreed")));
        assert_eq!(service.flush().await, both);
        assert!(service.consumes(2, &reference, after(8)).await);
        assert!(!service.holds.wait_for(&reference), "nobody is kept in mind who came too late");
        assert!(!service.consumes(1, &reference, after(8)).await);
        assert!(service.consumes(2, &reference, after(8)).await, "the same hold hears the same");
        assert_eq!(service.state(&reference).await, "consumed");
        assert_ne!(service.pending(&request(4, r#"{"amount":10}"#), after(9)).await, reference);
    });
}

#[test]
fn a_caller_that_comes_back_finds_its_approval_given() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut service = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let reference = service.pending(&request(1, "{}"), T0).await;
        assert_eq!(service.exchange(ProxyMessage::ApprovalDetach { hold: HoldId(1) }, T0).await, []);
        assert_eq!(service.answer(&reference, &ada, Answer::Approve, after(60)).await, "approved");
        assert_eq!(service.flush().await, []);

        let messages = service.ask(&request(2, "{}"), after(61)).await;
        assert!(
            matches!(&messages[0], ControlMessage::ApprovalCreated { reference: same, .. } if *same == reference)
        );
        assert_eq!(messages[1], told(2, &reference, Outcome::Approved, Some("as agreed")));
        assert!(service.consumes(2, &reference, after(62)).await);
    });
}

#[test]
fn nobody_decides_in_time() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut service = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let short = ApprovalRequest { timeout_seconds: Some(1), ..request(1, r#"{"a":1}"#) };
        let short = service.pending(&short, T0).await;
        let long = service.pending(&request(2, r#"{"a":2}"#), T0).await;
        service.tick(UnixMillis(after(60).0 - 1)).await.unwrap();
        assert_eq!(service.flush().await, []);
        service.tick(after(60)).await.unwrap();
        assert_eq!(service.flush().await, [told(1, &short, Outcome::Expired, None)]);
        assert_eq!(service.answer(&short, &ada, Answer::Approve, after(60)).await, "refused: ended");

        // Between two ticks a decision settles what is due first, and everybody is told all the same.
        assert_eq!(service.answer(&long, &ada, Answer::Approve, after(3600)).await, "refused: ended");
        assert_eq!(service.flush().await, [told(2, &long, Outcome::Expired, None)]);
        assert_ne!(service.pending(&request(3, r#"{"a":2}"#), after(3600)).await, long);
    });
}

#[test]
fn an_approval_nobody_came_back_for_lapses() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut service = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let asked_for = service.pending(&request(1, r#"{"a":1}"#), T0).await;
        let left = service.pending(&request(2, r#"{"a":2}"#), T0).await;
        assert_eq!(service.answer(&asked_for, &ada, Answer::Approve, T0).await, "approved");
        assert_eq!(service.answer(&left, &ada, Answer::Approve, after(1)).await, "approved");
        service.flush().await;
        service.tick(UnixMillis(after(900).0 - 1)).await.unwrap();
        assert_eq!(service.state(&asked_for).await, "approved");
        assert!(!service.consumes(1, &asked_for, after(900)).await);
        assert_eq!(service.state(&asked_for).await, "lapsed");
        assert_ne!(service.pending(&request(3, r#"{"a":1}"#), after(900)).await, asked_for);

        service.tick(after(901)).await.unwrap();
        assert_eq!(service.flush().await, [told(2, &left, Outcome::Expired, None)]);
        assert_eq!(service.state(&left).await, "lapsed");
        assert!(!service.consumes(2, &left, after(901)).await);
    });
}

#[test]
fn a_denial_is_heard_once() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut service = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;

        // Heard by the hold that waited: the same call again is asked again.
        let heard = service.pending(&request(1, r#"{"a":1}"#), T0).await;
        assert_eq!(service.answer(&heard, &ada, Answer::Deny, T0).await, "denied");
        assert_eq!(service.flush().await, [told(1, &heard, Outcome::Denied, Some("as agreed"))]);
        assert_ne!(service.pending(&request(2, r#"{"a":1}"#), after(1)).await, heard);

        // Nobody waited: the caller that repeats hears it, once.
        let unheard = service.pending(&request(3, r#"{"a":2}"#), T0).await;
        service.exchange(ProxyMessage::ApprovalDetach { hold: HoldId(3) }, T0).await;
        assert_eq!(service.answer(&unheard, &ada, Answer::Deny, T0).await, "denied");
        let messages = service.ask(&request(4, r#"{"a":2}"#), after(899)).await;
        assert_eq!(messages[1..], [told(4, &unheard, Outcome::Denied, Some("as agreed"))]);
        assert_ne!(service.pending(&request(5, r#"{"a":2}"#), after(899)).await, unheard);

        // It was on its way when its hold ended: the caller that repeats hears it, once.
        let missed = service.pending(&request(8, r#"{"a":4}"#), T0).await;
        assert_eq!(service.answer(&missed, &ada, Answer::Deny, T0).await, "denied");
        assert_eq!(service.flush().await, [told(8, &missed, Outcome::Denied, Some("as agreed"))]);
        service.exchange(ProxyMessage::ApprovalDetach { hold: HoldId(8) }, after(1)).await;
        let messages = service.ask(&request(9, r#"{"a":4}"#), after(2)).await;
        assert_eq!(messages[1..], [told(9, &missed, Outcome::Denied, Some("as agreed"))]);
        assert_ne!(service.pending(&request(10, r#"{"a":4}"#), after(3)).await, missed);

        // Nobody came back within 15 minutes: forgotten.
        let old = service.pending(&request(6, r#"{"a":3}"#), T0).await;
        service.exchange(ProxyMessage::ApprovalDetach { hold: HoldId(6) }, T0).await;
        assert_eq!(service.answer(&old, &ada, Answer::Deny, T0).await, "denied");
        assert_ne!(service.pending(&request(7, r#"{"a":3}"#), after(900)).await, old);
    });
}

#[test]
fn the_last_hold_that_leaves_takes_its_approval_back() {
    on_both(async |database| {
        let mut service = service(&database, &[approver("ada", true, false)], ApprovalRules::default()).await;
        let reference = service.pending(&request(1, "{}"), T0).await;
        assert_eq!(service.pending(&request(2, "{}"), T0).await, reference);
        service.exchange(ProxyMessage::ApprovalWithdraw { hold: HoldId(1) }, T0).await;
        assert_eq!(service.state(&reference).await, "pending");
        service.exchange(ProxyMessage::ApprovalWithdraw { hold: HoldId(7) }, T0).await;
        assert_eq!(service.state(&reference).await, "pending");
        assert_eq!(service.exchange(ProxyMessage::ApprovalWithdraw { hold: HoldId(2) }, T0).await, []);
        assert_eq!(service.state(&reference).await, "withdrawn");
    });
}

#[test]
fn calls_that_nobody_could_decide_are_refused() {
    let cases = [
        (vec![], true, true),
        (vec![approver("ada", false, true)], true, true),
        (vec![approver(crate::fixture::AGENT, true, true)], true, true),
        (vec![approver("ada", true, true)], false, true),
        (vec![approver("ada", true, false), approver("bob", false, true)], false, false),
    ];
    for (people, one_refused, two_refused) in cases {
        on_both(async |database| {
            let mut service = service(&database, &people, ApprovalRules::default()).await;
            let one = request(1, r#"{"a":1}"#);
            let two = ApprovalRequest { second_approval: true, ..request(2, r#"{"a":2}"#) };
            for (request, is_refused) in [(one, one_refused), (two, two_refused)] {
                let messages = service.ask(&request, T0).await;
                assert_eq!(
                    messages == refused(request.hold.0, Refusal::NoApprover),
                    is_refused,
                    "{people:?}: {messages:?}"
                );
            }
            let elsewhere = ApprovalRequest { org: "other".to_owned(), ..request(3, "{}") };
            assert_eq!(service.ask(&elsewhere, T0).await, refused(3, Refusal::Foreign));
            let another = ApprovalRequest { proxy: "gate-2".to_owned(), ..request(4, "{}") };
            assert_eq!(service.ask(&another, T0).await, refused(4, Refusal::Foreign));
        });
    }
}

#[test]
fn there_are_limits() {
    on_both(async |database| {
        let rules = ApprovalRules {
            pending_max: 3,
            pending_per_caller_max: 2,
            holds_max: 5,
            ..ApprovalRules::default()
        };
        let mut service = service(&database, &[approver("ada", true, false)], rules).await;
        let first = service.pending(&request(1, r#"{"a":1}"#), T0).await;
        service.pending(&request(2, r#"{"a":2}"#), T0).await;
        assert_eq!(service.ask(&request(3, r#"{"a":3}"#), T0).await, refused(3, Refusal::TooManyPending));
        assert_eq!(service.pending(&request(4, r#"{"a":1}"#), T0).await, first, "joining opens nothing");
        service.pending(&request_of("agent-8", 5, "{}"), T0).await;
        assert_eq!(
            service.ask(&request_of("agent-9", 6, "{}"), T0).await,
            refused(6, Refusal::TooManyPending)
        );
        service.pending(&request(7, r#"{"a":1}"#), T0).await;
        assert_eq!(service.ask(&request(8, r#"{"a":1}"#), T0).await, refused(8, Refusal::TooManyPending));

        let huge = ApprovalRequest { arguments: "x".repeat(TEXT_BYTES_MAX + 1), ..request(9, "{}") };
        let wide = ApprovalRequest { tool: "x".repeat(TEXT_BYTES_MAX + 1), ..request(10, "{}") };
        assert_eq!(service.ask(&huge, T0).await, refused(9, Refusal::StoreFailed));
        assert_eq!(service.ask(&wide, T0).await, refused(10, Refusal::StoreFailed));

        // What one proxy has waiting takes no other's place.
        let rules = ApprovalRules { holds_per_link_max: 1, ..ApprovalRules::default() };
        service.approvals.rules = rules;
        assert_eq!(service.ask(&request(8, r#"{"a":1}"#), T0).await, refused(8, Refusal::TooManyPending));
        let gate_2 = ApprovalRequest { proxy: "gate-2".to_owned(), ..request(8, r#"{"a":1}"#) };
        let second = service.approvals.connect(peer("gate-2"), 8, T0).await;
        let mut service = Service { proxy: second, ..service };
        assert_eq!(service.pending(&gate_2, T0).await, first);
    });
}

#[test]
fn two_levels_take_two_people() {
    on_both(async |database| {
        let (ada, bob) = (approver("ada", true, true), approver("bob", false, true));
        let mut service = service(&database, &[ada.clone(), bob.clone()], ApprovalRules::default()).await;
        let request = ApprovalRequest { second_approval: true, ..request(1, "{}") };
        let reference = service.pending(&request, T0).await;
        let agent = approver(crate::fixture::AGENT, true, true);
        let steps = [
            (&agent, Answer::Approve, "refused: requester"),
            (&agent, Answer::Deny, "refused: requester"),
            (&bob, Answer::Approve, "refused: not in group"),
            (&ada, Answer::Approve, "pending"),
            (&ada, Answer::Approve, "refused: same person"),
        ];
        for (by, answer, expected) in steps {
            assert_eq!(service.answer(&reference, by, answer, T0).await, expected);
            assert_eq!(service.flush().await, []);
        }
        assert!(!service.consumes(1, &reference, T0).await, "half an approval is none");
        assert_eq!(service.pending(&request, T0).await, reference);
        assert_eq!(service.answer(&reference, &bob, Answer::Approve, after(1)).await, "approved");
        assert_eq!(service.flush().await, [told(1, &reference, Outcome::Approved, Some("as agreed"))]);

        let (_, decisions) = service.store.approval(ORG, &reference).await.unwrap().unwrap();
        let decisions: Vec<_> = decisions
            .iter()
            .map(|d| (d.level, d.person.as_str(), d.decision.as_str(), d.at, d.origin.as_str()))
            .collect();
        let from = "192.0.2.1:5000";
        assert_eq!(decisions, [(1, "ada", "approve", T0, from), (2, "bob", "approve", after(1), from)]);
    });
}

#[test]
fn a_person_of_another_org_sees_nothing() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut service = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let reference = service.pending(&request(1, "{}"), T0).await;
        let foreign = NewDecision { org: "other".to_owned(), ..decision(&reference, &ada, Answer::Approve) };
        assert!(matches!(service.decide(&foreign, T0).await, Err(DecideError::Unknown)));
        assert!(service.store.approval("other", &reference).await.unwrap().is_none());
        assert_eq!(service.state(&reference).await, "pending");
    });
}

#[test]
fn a_restart_keeps_everything() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut before = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let approved = before.pending(&request(1, r#"{"a":1}"#), T0).await;
        let pending = before.pending(&request(2, r#"{"a":2}"#), T0).await;
        assert_eq!(before.answer(&approved, &ada, Answer::Approve, after(1)).await, "approved");
        before.store.close().await;
        drop(before);

        let mut service = service(&database, &[], ApprovalRules::default()).await;
        let consume = ProxyMessage::ApprovalConsume { hold: HoldId(1), reference: approved.clone() };
        assert_eq!(service.exchange(consume, after(2)).await, [], "it is to be announced first");
        let messages = service.ask(&request(1, r#"{"a":1}"#), after(3)).await;
        assert_eq!(messages[1], told(1, &approved, Outcome::Approved, Some("as agreed")));
        assert!(service.consumes(1, &approved, after(4)).await);
        assert_eq!(service.pending(&request(2, r#"{"a":2}"#), after(5)).await, pending);
        assert_eq!(service.answer(&pending, &ada, Answer::Approve, after(6)).await, "approved");
    });
}
