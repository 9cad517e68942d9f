//! The service as a task, with the real link and the real clock.

use std::collections::HashSet;

use policy_sync::{ControlEnd, FromControl, link};
use tokio::task::JoinHandle;

use super::*;
use crate::approvals::run::Decider;
use crate::link::Links;
use crate::{clock, discovery};

const CALLS: u64 = 50;

fn start(service: Approvals, control: ControlEnd) -> (Decider, JoinHandle<()>) {
    let (discovery, _) = discovery::start(service.store.clone(), service.metrics.clone());
    let (links, from_proxies) = Links::new(discovery, service.metrics.clone(), 8);
    tokio::spawn(carry(control, links));
    run::start(service, from_proxies)
}

/// Carries messages between the services and a proxy, until either is gone.
async fn carry(mut end: ControlEnd, links: Links) {
    let mut session = links.join(ORG, "gate-1", 8).await.unwrap();
    drop(links);
    loop {
        let is_up = tokio::select! {
            said = end.receive() => match said {
                Some(message) => session.say(message).await.is_ok(),
                None => false,
            },
            message = session.receive() => match message {
                Some(message) => end.send(message).await.is_ok(),
                None => false,
            },
        };
        if !is_up {
            return;
        }
    }
}

async fn receive(messages: &mut FromControl) -> ControlMessage {
    let message = tokio::time::timeout(std::time::Duration::from_secs(30), messages.receive()).await;
    message.expect("no message in time").expect("the control plane is gone")
}

async fn created(messages: &mut FromControl) -> Reference {
    match receive(messages).await {
        ControlMessage::ApprovalCreated { reference, .. } => reference,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_many_identical_calls_one_goes_on() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let service = approvals(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let (proxy, control) = link(8);
        let (proxy, mut messages) = proxy.split();
        let (decider, task) = start(service, control);

        let mut references = HashSet::new();
        for hold in 0..CALLS {
            proxy.send(ProxyMessage::ApprovalRequest(Box::new(request(hold, "{}")))).unwrap();
            references.insert(created(&mut messages).await);
        }
        assert_eq!(references.len(), 1);
        let reference = references.into_iter().next().unwrap();

        // The queue to the proxy holds 8 messages: the answer does not wait until all 50 are out.
        let approval = decider.decide(decision(&reference, &ada, Answer::Approve)).await.unwrap();
        assert_eq!(approval.state.as_str(), "approved");
        let mut told_holds = HashSet::new();
        for _ in 0..CALLS {
            match receive(&mut messages).await {
                ControlMessage::ApprovalDecided { hold, outcome: Outcome::Approved, .. } => {
                    told_holds.insert(hold)
                }
                other => panic!("{other:?}"),
            };
        }
        assert_eq!(told_holds.len() as u64, CALLS);

        let mut granted_count = 0;
        for hold in told_holds {
            proxy.send(ProxyMessage::ApprovalConsume { hold, reference: reference.clone() }).unwrap();
            match receive(&mut messages).await {
                ControlMessage::ApprovalConsumed { granted, .. } => granted_count += u32::from(granted),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(granted_count, 1);
        drop(decider);
        task.await.unwrap();
        assert!(messages.receive().await.is_none(), "the link ends with the service");
    });
}

#[test]
fn of_many_tries_at_the_store_one_wins() {
    on_both(async |database| {
        let people = [approver("ada", true, false), approver("bob", true, false)];
        let mut service = service(&database, &people, ApprovalRules::default()).await;
        let reference = service.pending(&request(1, "{}"), T0).await;
        // A second program with the same file open must not win either.
        let stores = [service.store.clone(), database.store().await];

        let mut tries = tokio::task::JoinSet::new();
        for number in 0..50usize {
            let (store, by) = (stores[number % 2].clone(), people[number / 2 % 2].clone());
            let answer = if number % 3 == 0 { Answer::Deny } else { Answer::Approve };
            let decision = decision(&reference, &by, answer);
            tries.spawn(async move { store.decide(&decision, 900, T0).await.unwrap().value });
        }
        let changes = tries.join_all().await;
        assert_eq!(changes.iter().filter(|change| matches!(change, Change::Done(_))).count(), 1);
        let (_, decisions) = service.store.approval(ORG, &reference).await.unwrap().unwrap();
        assert_eq!(decisions.len(), 1);

        let second = service.pending(&request(2, r#"{"a":1}"#), T0).await;
        assert_eq!(service.answer(&second, &people[0], Answer::Approve, T0).await, "approved");
        let mut tries = tokio::task::JoinSet::new();
        for number in 0..50usize {
            let (store, reference) = (stores[number % 2].clone(), second.clone());
            // Each hold asks twice.
            let hold = format!("hold-{}", number / 2);
            tries.spawn(async move { (store.consume(&reference, &hold, T0).await.unwrap().value, hold) });
        }
        let mut used = tries.join_all().await;
        used.retain(|(used, _)| *used != Used::No);
        used.sort_unstable_by_key(|(used, _)| *used == Used::Before);
        assert_eq!(used.iter().map(|(used, _)| *used).collect::<Vec<_>>(), [Used::Now, Used::Before]);
        assert_eq!(used[0].1, used[1].1);
    });
}

#[test]
fn the_clock_expires_what_waits() {
    on_both(async |database| {
        let mut service = service(&database, &[approver("ada", true, false)], ApprovalRules::default()).await;
        // Asked for almost an hour ago, so that it expires within the next second.
        let asked_at = UnixMillis(clock::now().0 - 3_600_000 + 300);
        let reference = service.pending(&request(1, "{}"), asked_at).await;
        let Service { approvals, mut proxy } = service;
        let (_proxy, control) = link(8);
        let (_decider, _task) = start(approvals, control);
        let message = tokio::time::timeout(std::time::Duration::from_secs(30), proxy.outbox.recv()).await;
        assert_eq!(message.unwrap().unwrap(), told(1, &reference, Outcome::Expired, None));
    });
}

#[test]
fn decisions_go_on_without_the_proxy() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let service = approvals(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let store = service.store.clone();
        let (proxy, control) = link(8);
        let (proxy, mut messages) = proxy.split();
        let (decider, _task) = start(service, control);
        proxy.send(ProxyMessage::ApprovalRequest(Box::new(request(1, "{}")))).unwrap();
        let reference = created(&mut messages).await;
        drop((proxy, messages));

        let denied = decider.decide(decision(&reference, &ada, Answer::Deny)).await.unwrap();
        assert_eq!(denied.state.as_str(), "denied");

        // The next proxy's caller repeats the call, and learns it: nobody had heard.
        let (proxy, control) = link(8);
        let (proxy, mut messages) = proxy.split();
        let service = Approvals::new(store, ApprovalRules::default(), Metrics::new().unwrap());
        let (_decider, _task) = start(service, control);
        proxy.send(ProxyMessage::ApprovalRequest(Box::new(request(1, "{}")))).unwrap();
        assert_eq!(created(&mut messages).await, reference);
        assert_eq!(receive(&mut messages).await, told(1, &reference, Outcome::Denied, Some("as agreed")));
    });
}
