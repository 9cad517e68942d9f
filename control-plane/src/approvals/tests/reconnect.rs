//! A link is cut and comes back, to the same control plane or to another one with the same store.

use super::*;
use crate::link::OUTBOX_MAX;
use tell::ANNOUNCE_WITHIN_SECONDS;

/// A hold as it is announced again.
fn again(hold: u64, reference: &Reference) -> ApprovalRequest {
    ApprovalRequest { joined: Some(reference.clone()), ..request(hold, "{}") }
}

fn of(proxy: &str, request: ApprovalRequest) -> ApprovalRequest {
    ApprovalRequest { proxy: proxy.to_owned(), ..request }
}

impl Service {
    async fn cut(&mut self, now: UnixMillis) {
        self.approvals.take(self.proxy.id, FromProxy::Gone, now).await;
    }

    /// The same run of the proxy comes back.
    async fn rejoin(&mut self, now: UnixMillis) {
        self.proxy = self.approvals.connect(peer("gate-1"), 7, now).await;
    }

    /// Looks around, as it does all the time, and returns what it says then.
    async fn later(&mut self, now: UnixMillis) -> Vec<ControlMessage> {
        self.tick(now).await.unwrap();
        self.look(now).await.unwrap();
        self.flush().await
    }
}

/// Another control plane with the same store.
async fn another(database: &Database, proxy: &str) -> Service {
    let mut approvals = approvals(database, &[], ApprovalRules::default()).await;
    let proxy = approvals.connect(peer(proxy), 9, T0).await;
    Service { approvals, proxy }
}

/// What becomes of an approval while the link of its hold is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Approve,
    Deny,
    Expire,
    Withdraw,
}

impl Event {
    const ALL: [(Self, Outcome); 4] = [
        (Self::Approve, Outcome::Approved),
        (Self::Deny, Outcome::Denied),
        (Self::Expire, Outcome::Expired),
        (Self::Withdraw, Outcome::Withdrawn),
    ];

    async fn happen(self, service: &mut Service, reference: &Reference) {
        let ada = approver("ada", true, false);
        match self {
            Self::Approve => drop(service.answer(reference, &ada, Answer::Approve, after(2)).await),
            Self::Deny => drop(service.answer(reference, &ada, Answer::Deny, after(2)).await),
            Self::Expire => service.tick(after(3600)).await.unwrap(),
            Self::Withdraw => {
                service.pending(&of("gate-2", request(5, "{}")), after(2)).await;
                service.exchange(ProxyMessage::ApprovalWithdraw { hold: HoldId(5) }, after(2)).await;
            }
        }
    }
}

#[test]
fn what_became_of_it_while_the_link_was_cut_is_heard_once() {
    for (event, outcome) in Event::ALL {
        on_both(async |database| {
            let ada = [approver("ada", true, false)];
            let mut home = service(&database, &ada, ApprovalRules::default()).await;
            let mut other = another(&database, "gate-2").await;
            let reference = home.pending(&request(1, "{}"), T0).await;
            home.cut(after(1)).await;
            event.happen(&mut other, &reference).await;
            assert_eq!(home.later(after(3)).await, [], "nobody is there to be told");

            home.rejoin(after(4)).await;
            assert_eq!(home.later(after(4)).await, [], "the hold may have ended meanwhile");
            let heard = home.ask(&again(1, &reference), after(5)).await;
            let note = matches!(event, Event::Approve | Event::Deny).then_some("as agreed");
            assert_eq!(heard[1..], [told(1, &reference, outcome, note)], "{event:?}");
            assert_eq!(home.later(after(6)).await, [], "{event:?}");
            if event == Event::Approve {
                let heard = home.ask(&again(1, &reference), after(6)).await;
                assert_eq!(heard.len(), 1, "it has heard: {heard:?}");
                assert!(home.consumes(1, &reference, after(7)).await);
            }

            // A control plane that knows nothing of the hold finds it out as well.
            let mut third = another(&database, "gate-1").await;
            let heard = third.ask(&again(2, &reference), after(8)).await;
            assert_eq!(heard[1..], [told(2, &reference, outcome, note)], "{event:?}");
            assert_eq!(third.later(after(9)).await, []);
        });
    }
}

#[test]
fn a_decision_at_another_control_plane_is_heard_once() {
    for (event, outcome) in Event::ALL {
        on_both(async |database| {
            let ada = [approver("ada", true, false)];
            let mut home = service(&database, &ada, ApprovalRules::default()).await;
            let mut other = another(&database, "gate-2").await;
            // It was changed before anybody waited here, and is of no interest.
            let old = other.pending(&of("gate-2", request(8, r#"{"old":1}"#)), T0).await;
            assert_eq!(other.answer(&old, &ada[0], Answer::Approve, T0).await, "approved");
            assert_eq!(other.flush().await.len(), 1);

            let reference = home.pending(&request(1, "{}"), T0).await;
            assert_eq!(home.later(after(1)).await, []);
            event.happen(&mut other, &reference).await;
            let note = matches!(event, Event::Approve | Event::Deny).then_some("as agreed");
            home.look(after(3)).await.unwrap();
            assert_eq!(home.flush().await, [told(1, &reference, outcome, note)], "{event:?}");
            assert_eq!(home.later(after(4)).await, []);
            assert_eq!(home.is_waited_for(), event == Event::Approve);
        });
    }
}

#[test]
fn one_hold_goes_on_however_often_it_asks() {
    on_both(async |database| {
        let ada = [approver("ada", true, false)];
        let mut home = service(&database, &ada, ApprovalRules::default()).await;
        let mut other = another(&database, "gate-1").await;
        let reference = home.pending(&request(1, "{}"), T0).await;
        assert_eq!(
            other.pending(&request(1, "{}"), T0).await,
            reference,
            "another run, with the same number"
        );
        assert_eq!(home.pending(&request(2, "{}"), T0).await, reference);
        home.answer(&reference, &ada[0], Answer::Approve, after(1)).await;
        assert!(home.consumes(1, &reference, after(2)).await);

        // The answer was lost with the link.
        home.cut(after(3)).await;
        home.rejoin(after(4)).await;
        for (hold, granted) in [(1, true), (2, false), (3, false), (1, true)] {
            let heard = home.ask(&again(hold, &reference), after(5)).await;
            assert_eq!(heard[1..], [told(hold, &reference, Outcome::Approved, Some("as agreed"))]);
            assert_eq!(home.consumes(hold, &reference, after(5)).await, granted, "{hold}");
        }
        // Elsewhere the same holds, the same numbers of another run, and another proxy's.
        let run = other.approvals.connect(peer("gate-1"), 7, after(6)).await;
        let another_run = std::mem::replace(&mut other.proxy, run);
        assert!(other.consumes(1, &reference, after(6)).await);
        assert!(!other.consumes(2, &reference, after(6)).await);
        other.proxy = another_run;
        assert!(!other.consumes(1, &reference, after(6)).await);
        other.proxy = other.approvals.connect(peer("gate-2"), 7, after(6)).await;
        assert!(!other.consumes(1, &reference, after(6)).await);
        let foreign = Peer { org: "globex".to_owned(), name: "gate-1".to_owned() };
        other.proxy = other.approvals.connect(foreign, 7, after(6)).await;
        assert!(!other.consumes(1, &reference, after(6)).await, "another org's");
    });
}

#[test]
fn who_has_not_heard_yet_when_another_goes_on_hears_that_it_is_too_late() {
    on_both(async |database| {
        let ada = [approver("ada", true, false)];
        let mut home = service(&database, &ada, ApprovalRules::default()).await;
        let mut other = another(&database, "gate-2").await;
        let reference = home.pending(&request(1, "{}"), T0).await;
        Event::Approve.happen(&mut other, &reference).await;
        // Before it looks around, another hold finds the approval given, and goes on.
        assert_eq!(home.ask(&request(2, "{}"), after(3)).await.len(), 2);
        assert!(home.consumes(2, &reference, after(3)).await);
        assert_eq!(home.later(after(4)).await, [told(1, &reference, Outcome::Approved, Some("as agreed"))]);
        assert!(!home.consumes(1, &reference, after(5)).await);
        assert_eq!(home.holds.count(), 0);
    });
}

#[test]
fn who_asks_before_it_is_announced_is_answered_afterwards() {
    on_both(async |database| {
        let ada = [approver("ada", true, false)];
        let mut home = service(&database, &ada, ApprovalRules::default()).await;
        let reference = home.pending(&request(1, "{}"), T0).await;
        home.answer(&reference, &ada[0], Answer::Approve, after(1)).await;
        let mut other = another(&database, "gate-1").await;
        let consume = || ProxyMessage::ApprovalConsume { hold: HoldId(1), reference: reference.clone() };
        assert_eq!(other.exchange(consume(), after(2)).await, []);
        assert_eq!(other.ask(&again(1, &reference), after(2)).await.len(), 2);
        assert!(other.consumes(1, &reference, after(2)).await);
    });
}

#[test]
fn an_announcement_joins_the_approval_of_its_own_call_only() {
    on_both(async |database| {
        let ada = [approver("ada", true, false)];
        let mut home = service(&database, &ada, ApprovalRules::default()).await;
        let given = home.pending(&request(1, "{}"), T0).await;
        home.answer(&given, &ada[0], Answer::Approve, after(1)).await;
        home.flush().await;
        let other_call = ApprovalRequest { joined: Some(given.clone()), ..request(2, r#"{"a":1}"#) };
        assert_ne!(home.pending(&other_call, after(2)).await, given);
        let consume = ProxyMessage::ApprovalConsume { hold: HoldId(2), reference: given.clone() };
        assert_eq!(home.exchange(consume, after(2)).await, []);
        assert_eq!(home.state(&given).await, "approved");
    });
}

#[test]
fn a_hold_that_is_not_announced_again_has_ended() {
    on_both(async |database| {
        let mut home = service(&database, &[approver("ada", true, false)], ApprovalRules::default()).await;
        let reference = home.pending(&request(1, "{}"), T0).await;
        let second = home.approvals.connect(peer("gate-2"), 8, T0).await;
        home.cut(T0).await;
        let gone = std::mem::replace(&mut home.proxy, second);
        let withdraw = |hold| ProxyMessage::ApprovalWithdraw { hold: HoldId(hold) };

        // For a while it counts as one that waits.
        home.pending(&of("gate-2", request(1, "{}")), after(1)).await;
        home.exchange(withdraw(1), after(1)).await;
        assert_eq!(home.state(&reference).await, "pending");
        home.tick(UnixMillis(after(ANNOUNCE_WITHIN_SECONDS).0 - 1)).await.unwrap();
        assert_eq!((home.holds.count(), home.linked.down().len()), (1, 1));
        home.tick(after(ANNOUNCE_WITHIN_SECONDS)).await.unwrap();
        assert_eq!((home.holds.count(), home.linked.down().len()), (0, 0));
        assert_eq!(home.state(&reference).await, "pending", "its caller may repeat the call");
        home.pending(&of("gate-2", request(2, "{}")), after(61)).await;
        home.exchange(withdraw(2), after(61)).await;
        assert_eq!(home.state(&reference).await, "withdrawn");

        // What comes late over a link that has ended is passed over.
        let late = FromProxy::Said(ProxyMessage::ApprovalRequest(Box::new(request(9, "{}"))));
        home.approvals.take(gone.id, late, after(62)).await;
        assert_eq!(home.holds.count(), 0);
    });
}

#[test]
fn a_denial_that_may_be_lost_is_heard_by_who_repeats_the_call() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut home = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        // Long before the cut: it was heard.
        let heard = home.pending(&request(1, r#"{"a":1}"#), T0).await;
        home.answer(&heard, &ada, Answer::Deny, T0).await;
        assert_eq!(home.flush().await.len(), 1);
        let lost = home.pending(&request(2, r#"{"a":2}"#), after(39)).await;
        home.answer(&lost, &ada, Answer::Deny, after(39)).await;
        home.cut(after(40)).await;
        home.rejoin(after(41)).await;
        home.flush().await;
        assert_ne!(home.pending(&request(3, r#"{"a":1}"#), after(42)).await, heard);
        let messages = home.ask(&request(4, r#"{"a":2}"#), after(42)).await;
        assert_eq!(messages[1..], [told(4, &lost, Outcome::Denied, Some("as agreed"))]);
    });
}

#[test]
fn the_newer_link_of_a_run_takes_the_place_of_the_older() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut home = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let reference = home.pending(&request(1, "{}"), T0).await;
        let newer = home.approvals.connect(peer("gate-1"), 7, after(1)).await;
        let mut older = std::mem::replace(&mut home.proxy, newer);
        assert!(older.outbox.is_closed(), "its session ends");
        assert_eq!((home.linked.up(), home.holds.count()), (1, 1));
        home.ask(&again(1, &reference), after(2)).await;
        // The older session notices later than the newer has announced everything.
        home.approvals.take(older.id, FromProxy::Gone, after(3)).await;
        home.answer(&reference, &ada, Answer::Approve, after(4)).await;
        assert_eq!(home.flush().await, [told(1, &reference, Outcome::Approved, Some("as agreed"))]);
        assert_eq!(older.heard(), []);
        assert!(home.consumes(1, &reference, after(5)).await);
    });
}

#[test]
fn who_does_not_read_loses_its_link_and_delays_nobody() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let mut home = service(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let deaf = home.approvals.connect(peer("gate-2"), 8, T0).await;
        let capacity = deaf.outbox.capacity() as u64;
        assert!(capacity < OUTBOX_MAX as u64);
        let reference = home.pending(&request(1, "{}"), T0).await;
        for hold in 0..capacity {
            let request = of("gate-2", request(hold, "{}"));
            let said = FromProxy::Said(ProxyMessage::ApprovalRequest(Box::new(request)));
            home.approvals.take(deaf.id, said, T0).await;
        }
        assert_eq!(home.linked.up(), 2);
        home.answer(&reference, &ada, Answer::Approve, after(1)).await;
        assert_eq!(home.flush().await, [told(1, &reference, Outcome::Approved, Some("as agreed"))]);
        assert_eq!(home.linked.up(), 1);
        let text = home.metrics.text(&home.store.live().await.unwrap(), T0).unwrap();
        for line in ["oakgate_links 1", "oakgate_links_ended_total{how=\"not_read\"} 1"] {
            assert!(text.lines().any(|one| one == line), "{text}");
        }
        // It comes back, reads, and hears.
        home.proxy = home.approvals.connect(peer("gate-2"), 8, after(2)).await;
        let heard = home.ask(&of("gate-2", again(3, &reference)), after(3)).await;
        assert_eq!(heard[1..], [told(3, &reference, Outcome::Approved, Some("as agreed"))]);
        assert!(home.consumes(3, &reference, after(4)).await);
    });
}

#[test]
fn a_session_that_could_not_say_that_it_ended_is_noticed() {
    on_both(async |database| {
        let mut home = service(&database, &[approver("ada", true, false)], ApprovalRules::default()).await;
        drop(home.approvals.connect(peer("gate-2"), 8, T0).await);
        assert_eq!(home.linked.up(), 2);
        home.tick(after(1)).await.unwrap();
        assert_eq!(home.linked.up(), 1);
    });
}
