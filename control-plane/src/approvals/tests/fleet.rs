//! Many proxies on several control planes that share one store: real tasks, and the real clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};

use super::*;
use crate::approvals::run::Decider;
use crate::discovery;
use crate::link::{JoinError, Links, Session};

/// A decision at one control plane is known to the proxies of all within this, with room for a machine that is busy.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// Proxies whose links are cut, and the holds of each.
const PROXIES: usize = 12;
const HOLDS: u64 = 4;

/// One running control plane.
struct Plane {
    links: Links,
    decider: Decider,
    task: JoinHandle<()>,
}

async fn plane(database: &Database, people: &[Approver], rules: ApprovalRules) -> Plane {
    let service = approvals(database, people, rules).await;
    let metrics = service.metrics.clone();
    let (discovery, _) = discovery::start(service.store.clone(), metrics.clone());
    let (links, from_proxies) = Links::new(discovery, metrics, rules.links_max);
    let (decider, task) = start(service, from_proxies);
    Plane { links, decider, task }
}

fn asks(proxy: &str, hold: u64, joined: Option<&Reference>) -> ProxyMessage {
    let proxy = proxy.to_owned();
    let request = ApprovalRequest { proxy, joined: joined.cloned(), ..request(hold, "{}") };
    ProxyMessage::ApprovalRequest(Box::new(request))
}

async fn hear(session: &mut Session) -> ControlMessage {
    let message = tokio::time::timeout(Duration::from_secs(60), session.receive()).await;
    message.expect("no message in time").expect("the link is down")
}

async fn created(session: &mut Session) -> Reference {
    match hear(session).await {
        ControlMessage::ApprovalCreated { reference, .. } => reference,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_decision_reaches_proxies_of_every_control_plane() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let near = plane(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let far = plane(&database, &[], ApprovalRules::default()).await;
        let mut session = far.links.join(ORG, "gate-1", 1).await.unwrap();
        session.say(asks("gate-1", 1, None)).await.unwrap();
        let reference = created(&mut session).await;
        let decided_at = Instant::now();
        near.decider.decide(decision(&reference, &ada, Answer::Approve)).await.unwrap();
        assert_eq!(hear(&mut session).await, told(1, &reference, Outcome::Approved, Some("as agreed")));
        assert!(decided_at.elapsed() < KNOWN_WITHIN, "{:?}", decided_at.elapsed());
    });
}

#[test]
fn ten_thousand_proxies_and_not_one_more() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let rules = ApprovalRules::default();
        let Plane { links, decider, task } = plane(&database, std::slice::from_ref(&ada), rules).await;
        let mut sessions = Vec::new();
        for number in 0..rules.links_max {
            sessions.push(links.join(ORG, &format!("gate-{number}"), 1).await.unwrap());
        }
        assert_eq!(links.join(ORG, "gate-more", 1).await.unwrap_err(), JoinError::TooMany);
        // Every tenth has a call that waits, all of them for the same approval.
        for (number, session) in sessions.iter().enumerate().step_by(10) {
            session.say(asks(&format!("gate-{number}"), 1, None)).await.unwrap();
        }
        let mut references = HashMap::new();
        for session in sessions.iter_mut().step_by(10) {
            *references.entry(created(session).await).or_insert(0) += 1;
        }
        assert_eq!(references.values().collect::<Vec<_>>(), [&1000], "they share one approval");
        let reference = references.into_keys().next().unwrap();
        decider.decide(decision(&reference, &ada, Answer::Deny)).await.unwrap();
        for session in sessions.iter_mut().step_by(10) {
            assert_eq!(hear(session).await, told(1, &reference, Outcome::Denied, Some("as agreed")));
        }
        drop(sessions.pop());
        links.join(ORG, "gate-more", 1).await.unwrap();
        drop(decider);
        task.await.unwrap();
        assert_eq!(sessions[0].receive().await, None, "links end with the service");
        assert_eq!(links.join(ORG, "gate-1", 2).await.unwrap_err(), JoinError::Stopped);
    });
}

/// What chance decides, and the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// A proxy whose link is cut again and again, each time to come back to any control plane. Its holds wait for one approval,
/// and those that hear that it was given ask to go on. Returns which of them were let, by how often.
async fn flaky_proxy(planes: Vec<Links>, number: u64, all_wait: Arc<Barrier>) -> HashMap<u64, u32> {
    let (name, mut chance) = (format!("gate-{number}"), Chance(number));
    let mut joined: HashMap<u64, Reference> = HashMap::new();
    let mut granted = HashMap::new();
    let mut open: Vec<u64> = (0..HOLDS).collect();
    let mut session = planes[0].join(ORG, &name, number).await.unwrap();
    for hold in &open {
        session.say(asks(&name, *hold, None)).await.unwrap();
        joined.insert(*hold, created(&mut session).await);
    }
    all_wait.wait().await;
    // At last it stays connected, until every hold has its answer.
    for cut_after in [3, 5, 8, 11, 17, usize::MAX] {
        let links = &planes[chance.below(planes.len())];
        session = links.join(ORG, &name, number).await.unwrap();
        for hold in &open {
            session.say(asks(&name, *hold, joined.get(hold))).await.unwrap();
        }
        let mut messages = 0;
        while !open.is_empty() && messages < cut_after {
            messages += 1;
            match hear(&mut session).await {
                ControlMessage::ApprovalCreated { hold, reference, .. } => {
                    joined.insert(hold.0, reference);
                }
                ControlMessage::ApprovalDecided { hold, reference, outcome, .. } => {
                    assert_eq!(outcome, Outcome::Approved);
                    session.say(ProxyMessage::ApprovalConsume { hold, reference }).await.unwrap();
                }
                // Some answers are lost in a cut: those holds ask again.
                ControlMessage::ApprovalConsumed { hold, granted: is_granted, .. } => {
                    *granted.entry(hold.0).or_insert(0) += u32::from(is_granted);
                    if chance.below(3) == 0 && cut_after < usize::MAX {
                        break;
                    }
                    open.retain(|one| *one != hold.0);
                }
                ControlMessage::ApprovalRefused { .. } => panic!("refused"),
            }
        }
    }
    granted.retain(|_, count| *count > 0);
    granted
}

#[test]
fn one_hold_of_all_proxies_goes_on_whatever_is_cut() {
    on_both(async |database| {
        let ada = approver("ada", true, false);
        let first = plane(&database, std::slice::from_ref(&ada), ApprovalRules::default()).await;
        let second = plane(&database, &[], ApprovalRules::default()).await;
        let mut session = first.links.join(ORG, "gate-first", 1).await.unwrap();
        session.say(asks("gate-first", 1, None)).await.unwrap();
        let reference = created(&mut session).await;

        let all_wait = Arc::new(Barrier::new(PROXIES + 1));
        let mut proxies = JoinSet::new();
        for number in 0..PROXIES {
            let planes = vec![first.links.clone(), second.links.clone()];
            proxies.spawn(flaky_proxy(planes, number as u64, Arc::clone(&all_wait)));
        }
        all_wait.wait().await;
        second.decider.decide(decision(&reference, &ada, Answer::Approve)).await.unwrap();
        let granted: Vec<_> = proxies.join_all().await.into_iter().flatten().collect();
        assert_eq!(granted.len(), 1, "one hold, and always the same: {granted:?}");
    });
}
