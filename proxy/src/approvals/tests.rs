//! Who is refused while the link is down.

use policy::approval::Fingerprint;
use policy::{Call, Caller, CallerKind, Definition, Unread};
use policy_sync::{ControlEnd, link};

use super::*;

/// Approvals over a link, and the control plane's end of it.
pub(crate) fn over_link(capacity: usize) -> (Approvals, ControlEnd) {
    let (proxy, control) = link(capacity);
    let (approvals, _) = Approvals::over(Some(proxy), &Arc::new(Metrics::new().unwrap()));
    (approvals, control)
}

pub(crate) fn request() -> ApprovalRequest {
    let caller = Caller { id: "agent".to_owned(), kind: CallerKind::Agent, claims: serde_json::Map::new() };
    let call = Call {
        backend: "pay",
        tool: "refund",
        tenant: None,
        resource: None,
        method: None,
        arguments: "{}",
        unread: Unread::Nothing,
        caller: &caller,
        reasoning: None,
        definition: Definition::Accepted,
    };
    ApprovalRequest {
        hold: HoldId(0),
        proxy: "gate-1".to_owned(),
        fingerprint: Fingerprint::of("acme", &call).unwrap(),
        org: "acme".to_owned(),
        caller: caller.id.clone(),
        backend: "pay".to_owned(),
        tool: "refund".to_owned(),
        tenant: None,
        resource: None,
        method: None,
        arguments: "{}".to_owned(),
        reasoning: None,
        level: "default".to_owned(),
        rule: None,
        reason: None,
        policy: 1,
        definition_changed: false,
        second_approval: false,
        timeout_seconds: None,
        joined: None,
    }
}

fn is_up(approvals: &Approvals) -> bool {
    approvals.link.as_ref().unwrap().metrics.holds.link_up.get() == 1
}

#[tokio::test]
async fn nobody_asks_while_the_link_is_down() {
    let (approvals, mut control) = over_link(8);
    assert!(is_up(&approvals));
    approvals.link_lost();
    assert!(!is_up(&approvals));
    assert_eq!(approvals.ask(request(), None).map(|_| ()), Err(LinkDown));
    approvals.relinked();
    assert!(is_up(&approvals));
    let place = approvals.ask(request(), None).unwrap();
    match control.receive().await {
        Some(ProxyMessage::ApprovalRequest(request)) => assert_eq!(request.hold, place.hold()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_control_plane_that_is_gone_for_good_is_noticed() {
    let (approvals, control) = over_link(8);
    let mut place = approvals.ask(request(), None).unwrap();
    drop(control);
    assert!(matches!(place.next().await, News::LinkDown));
    assert!(!is_up(&approvals));
    assert_eq!(approvals.ask(request(), None).map(|_| ()), Err(LinkDown));
}
