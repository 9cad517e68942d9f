//! Links to proxies over real WebSockets.

mod client;

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_sync::{AuditBatch, ControlFrame, PolicyKey, ProxyFrame, Subject};
use tokio_tungstenite::tungstenite::Message;

use super::keys::text;
use super::*;
use crate::Receipts;
use crate::fixture::AGENT;
use client::{Link, Proxy, hello};

/// What the management key of an organisation says.
struct Org<'r> {
    running: &'r Running,
    name: &'static str,
    admin: String,
}

fn policy_key() -> PolicyKey {
    PolicyKey::generate(&[7; 32])
}

/// Settings with a policy key.
fn linked(database: &Database) -> Settings {
    Settings { policy_key: Some(Arc::new(policy_key())), ..settings(database) }
}

impl<'r> Org<'r> {
    async fn new(running: &'r Running, name: &'static str) -> Self {
        Self { running, name, admin: running.key(name, "admin", Tier::Management).await }
    }

    /// A new proxy's token.
    async fn token(&self, proxy: &str) -> String {
        let made = self.running.call(&self.admin, "POST", "/v1/proxies", &json!({"id": proxy})).await;
        text(&made.json(201), "key").to_owned()
    }

    async fn proxy(&self, name: &str) -> Proxy {
        Proxy::new(self.running.address, &self.token(name).await, policy_key().public())
    }

    /// Puts the first policy, with so many rules, whose reasons have so many words and can hardly be compressed.
    async fn put_policy(&self, rules: usize, words: usize) {
        let mut number = 7_u64;
        let mut word = |_| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:08x}", number >> 32)
        };
        let rules: Vec<_> = (0..rules)
            .map(|rule| {
                let reason: String = (0..words).map(&mut word).collect();
                json!({"id": format!("r{rule}"), "tool": "refund", "tenant": format!("t{rule}"), "permission": "disabled",
                    "reason": reason})
            })
            .collect();
        let document = json!({"format": 1, "org": self.name, "rules": rules}).to_string();
        let fields = format!("{}{}If-Match: \"0\"\r\n", self.admin, policy::JSON);
        send(self.running.address, "PUT", "/v1/policy", &fields, &document).await.json(200);
    }

    /// Puts a rule, and returns the revision that it came with.
    async fn put_rule(&self, id: &str, reason: &str) -> u64 {
        let rule = json!({"tool": "refund", "tenant": id, "permission": "disabled", "reason": reason});
        let answer = self.running.put(&self.admin, &format!("/v1/rules/{id}"), &rule.to_string()).await;
        assert!(matches!(answer.status, 200 | 201), "{}: {}", self.name, answer.body);
        answer.field("etag").unwrap().trim_matches('"').parse().unwrap()
    }
}

/// One figure of `/metrics`.
async fn metric(running: &Running, line: &str) -> Option<f64> {
    let metrics = send(running.address, "GET", "/metrics", "", "").await.body;
    metrics.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
}

#[test]
fn only_a_proxys_good_token_opens_a_link() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let org = Org::new(&running, ORG).await;
        let token = org.token("gate-1").await;
        let mut refused =
            vec![token.replace("oak_proxy_", "oak_agent_"), "oak_proxy_".to_owned() + &"A".repeat(43)];
        for tier in [Tier::Management, Tier::Standard, Tier::Agent] {
            let key = fixture::key(&running.store, ORG, tier.as_str(), tier).await;
            refused.push(key.expose().to_owned());
            refused.push(key.expose().replacen(tier.prefix(), Tier::Proxy.prefix(), 1));
        }
        for token in refused {
            assert_eq!(Link::open(running.address, &token).await.err(), Some(401), "{token}");
        }
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let cases = [
            (upgrade, String::new(), 401, "relay_token"),
            (upgrade, "oakgate.sync.v1".to_owned(), 401, "relay_token"),
            (upgrade, format!("oakgate.sync.v1, {token}, {token}"), 401, "relay_token"),
            (upgrade, format!("oakgate.sync.v2, {token}"), 401, "relay_token"),
            (upgrade, token.clone(), 400, "link_unexpected"),
            ("", format!("oakgate.sync.v1, {token}"), 400, "link_unexpected"),
        ];
        for (fields, protocols, status, code) in cases {
            let fields = format!("{fields}Sec-WebSocket-Protocol: {protocols}\r\n");
            let head =
                format!("GET /v1/sync HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
            let answer = raw(running.address, &head).await;
            answer.problem(status, code);
            assert!(!answer.body.contains(&token) && answer.field("sec-websocket-protocol").is_none());
        }
        drop(Link::open(running.address, &token).await.unwrap());
        running.without_body(&org.admin, "POST", "/v1/proxies/gate-1/revoke").await.json(200);
        assert_eq!(Link::open(running.address, &token).await.err(), Some(401));

        let without = Running::with(settings(&database), &[]).await;
        send(without.address, "GET", "/v1/sync", "", "").await.problem(503, "links_off");
    });
}

#[test]
fn a_change_is_on_every_link_of_its_org_within_a_second() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let replica = Running::with(linked(&database), &[]).await;
        let (acme, other) = (Org::new(&running, ORG).await, Org::new(&running, "other").await);
        other.put_rule("theirs", "nobody else's").await;
        let mut proxies = Vec::new();
        for name in ["gate-1", "gate-2"] {
            proxies.push(acme.proxy(name).await);
        }
        let token = acme.token("gate-3").await;
        proxies.push(Proxy::new(replica.address, &token, policy_key().public()));
        let mut theirs = other.proxy("gate-1").await;
        // Before there is any policy, there are keys.
        for proxy in &mut proxies {
            proxy.until(Subject::Keys, |_| true).await;
            assert!(proxy.sync.held(Subject::Policy).is_none());
        }
        theirs.until_policy(1).await;
        acme.put_policy(40, 10).await;
        let mut slowest = Duration::ZERO;
        for (round, id) in (1..).zip(["one", "two", "one", "three"]) {
            let begun = Instant::now();
            let revision = acme.put_rule(id, &format!("round {round}")).await;
            for proxy in &mut proxies {
                proxy.until_policy(revision).await;
                assert!(proxy.text(Subject::Policy).contains(&format!("round {round}")));
            }
            slowest = slowest.max(begun.elapsed());
        }
        // It takes a fraction of a second where nothing else runs.
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        for proxy in &mut proxies {
            assert!(proxy.received.ends_with(&["delta", "delta"]), "{:?}", proxy.received);
            assert!(!proxy.text(Subject::Policy).contains("nobody else's"));
        }
        // A change of keys reaches them too, and nobody else.
        let key = running.call(&acme.admin, "POST", "/v1/agents", &json!({"id": AGENT})).await.json(201);
        let sha256 = crate::key::Key::parse(text(&key, "key")).unwrap().sha256();
        for proxy in &mut proxies {
            proxy.until(Subject::Keys, |keys| keys.text().contains(&sha256)).await;
        }
        // The other organisation's proxy has got what is its own, also later.
        let revision = other.put_rule("theirs", "still").await;
        theirs.until_policy(revision).await;
        assert_eq!(revision, 2);
        assert!(
            !theirs.text(Subject::Keys).contains(AGENT) && !theirs.text(Subject::Policy).contains("round")
        );
        assert!(metric(&running, "oakgate_publications_total{subject=\"policy\"}").await >= Some(5.0));
        assert!(metric(&running, "oakgate_publication_seconds_count").await >= Some(4.0));
        assert!(metric(&running, "oakgate_documents_sent_total{form=\"delta\"}").await >= Some(6.0));
        assert!(metric(&running, "oakgate_document_acks_total{outcome=\"in_force\"}").await >= Some(8.0));
        assert_eq!(metric(&running, "oakgate_sync_links").await, Some(3.0));
    });
}

#[test]
fn a_proxy_that_comes_back_gets_what_it_lacks() {
    on_both(async |database| {
        let receipts = |kid: &str| {
            let kid = kid.parse().unwrap();
            receipt::KeySet::generate_hs256(&kid, &[1; 32])
        };
        let held = Receipts::new("control", 300, receipts("first").as_bytes()).unwrap();
        let settings = Settings { receipts: Some(held.clone()), ..linked(&database) };
        let running = Running::with(settings, &[]).await;
        let org = Org::new(&running, ORG).await;
        org.put_policy(40, 10).await;
        let mut proxy = org.proxy("gate-1").await;
        proxy.until_policy(1).await;
        proxy.until(Subject::ReceiptKeys, |keys| keys.text().contains("first")).await;
        proxy.cut();
        org.put_rule("two", "meanwhile").await;
        held.replace_keys(receipts("second").as_bytes()).unwrap();
        proxy.received.clear();
        proxy.until_policy(2).await;
        assert!(proxy.received.contains(&"delta"), "{:?}", proxy.received);
        proxy.until(Subject::ReceiptKeys, |keys| keys.text().contains("second")).await;
        assert_eq!(proxy.sync.held(Subject::ReceiptKeys).unwrap().header().revision, 2);
        // What people see of it.
        for _ in 0..200 {
            let seen = running.without_body(&org.admin, "GET", "/v1/proxies/gate-1").await.json(200);
            if seen["link"] == "connected" && seen["last_link"]["policy_revision"] == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it is not noted what the proxy has");
    });
}

#[test]
fn a_large_policy_comes_in_chunks() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let org = Org::new(&running, ORG).await;
        org.put_policy(3000, 100).await;
        let mut proxy = org.proxy("gate-1").await;
        proxy.until_policy(1).await;
        let count = |what| proxy.received.iter().filter(|received| **received == what).count();
        assert!(count("chunk") > count("snapshot"), "{:?}", proxy.received);
        assert_eq!(proxy.text(Subject::Policy).matches("disabled").count(), 3000);
        proxy.until(Subject::Keys, |_| true).await;
        proxy.received.clear();
        org.put_rule("r7", "another").await;
        proxy.until_policy(2).await;
        assert_eq!(
            proxy.received.iter().filter(|received| **received != "other").collect::<Vec<_>>(),
            [&"delta"]
        );
    });
}

#[test]
fn a_link_ends_with_its_token() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        // A token that another control plane revokes.
        let other = Running::with(settings(&database), &[]).await;
        let org = Org::new(&running, ORG).await;
        let mut links = Vec::new();
        for proxy in ["gate-1", "gate-2", "gate-3"] {
            let mut link = Link::open(running.address, &org.token(proxy).await).await.unwrap();
            link.say(&hello()).await;
            assert!(matches!(link.frame().await, ControlFrame::Pong(_)));
            links.push(link);
        }
        let begun = Instant::now();
        other.without_body(&org.admin, "POST", "/v1/proxies/gate-1/revoke").await.json(200);
        assert_eq!(links[0].closed().await, 4003);
        let body = json!({"overlap_seconds": 0});
        running.call(&org.admin, "POST", "/v1/proxies/gate-2/rotate", &body).await.json(200);
        assert_eq!(links[1].closed().await, 4003);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        links[2].say(&ProxyFrame::Ping.to_text()).await;
        while !matches!(links[2].frame().await, ControlFrame::Pong(_)) {}
        assert_eq!(metric(&running, "oakgate_sync_links_closed_total{reason=\"revoked\"}").await, Some(2.0));
    });
}

#[test]
fn a_proxy_has_one_link_and_there_are_so_many_in_all() {
    on_both(async |database| {
        let approvals = ApprovalRules { links_max: 3, ..ApprovalRules::default() };
        let running = Running::with(Settings { approvals, ..linked(&database) }, &[]).await;
        let org = Org::new(&running, ORG).await;
        let token = org.token("gate-1").await;
        let mut older = Link::open(running.address, &token).await.unwrap();
        older.say(&hello()).await;
        older.frame().await;
        let mut newer = Link::open(running.address, &token).await.unwrap();
        newer.say(&hello()).await;
        assert!(matches!(newer.frame().await, ControlFrame::Pong(_)));
        assert_eq!(older.closed().await, 4009);
        drop(older);
        let (second, third) = (org.token("gate-2").await, org.token("gate-3").await);
        let _second = Link::open(running.address, &second).await.unwrap();
        // The place of the one that was replaced is free once it has ended.
        for _ in 0..200 {
            match Link::open(running.address, &third).await {
                Ok(third) => {
                    let fourth = org.token("gate-4").await;
                    assert_eq!(Link::open(running.address, &fourth).await.err(), Some(503));
                    drop(third);
                    return;
                }
                Err(status) => assert_eq!(status, 503),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the place of a link that was replaced is never free");
    });
}

#[test]
fn links_take_no_place_of_the_api() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let mut links = Vec::new();
        for number in 0..280 {
            let token = fixture::key(&running.store, ORG, &format!("gate-{number}"), Tier::Proxy).await;
            links.push(Link::open(running.address, token.expose()).await.unwrap());
        }
        for link in &mut links {
            link.say(&hello()).await;
            assert!(matches!(link.frame().await, ControlFrame::Pong(_)));
        }
        assert_eq!(send(running.address, "GET", "/healthz", "", "").await.status, 200);
        // And each is told when it ends.
        running.stop.send(()).unwrap();
        for link in &mut links {
            assert_eq!(link.closed().await, 1001);
        }
        drop((links, running.proxy));
        let ended = tokio::time::timeout(Duration::from_secs(20), running.served).await;
        assert_eq!(ended.expect("it does not stop").unwrap(), Ok(()));
    });
}

#[test]
fn what_is_not_of_the_protocol_ends_the_link() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let org = Org::new(&running, ORG).await;
        let token = org.token("gate-1").await;
        let hello = hello();
        let ping = ProxyFrame::Ping.to_text();
        let audit = |first, record: &str| {
            ProxyFrame::Audit(AuditBatch { first, records: vec![record.to_owned()] }).to_text()
        };
        let cases: [(Vec<Message>, u16); 10] = [
            (vec!["garbage".into()], 1007),
            (vec!["{}".into()], 1007),
            (vec![ping.as_str().into()], 1002),
            (vec![hello.as_str().into(), hello.as_str().into()], 1002),
            (vec![hello.as_str().into(), r#"{"type":"ack","subject":"people"}"#.into()], 1007),
            (vec![Message::binary(hello.clone())], 1003),
            (vec![hello.as_str().into(), "x".repeat(1024 * 1024 + 1).into()], 1009),
            (vec![hello.as_str().into(), audit(1, "a\0b").into()], 1007),
            (vec![hello.as_str().into(), audit(u64::MAX, "{}").into()], 1007),
            (vec![hello.as_str().into(), audit(1 << 63, "{}").into()], 1007),
        ];
        for (messages, code) in cases {
            let mut link = Link::open(running.address, &token).await.unwrap();
            let shown: String = messages.iter().map(|message| format!("{message:.60} ")).collect();
            for message in messages {
                link.send(message).await;
            }
            assert_eq!(link.closed().await, code, "{shown}");
        }
        // What a newer proxy may say is no fault.
        let mut link = Link::open(running.address, &token).await.unwrap();
        link.say(&hello).await;
        link.say(r#"{"type":"of.a.newer.proxy"}"#).await;
        link.say(&ping).await;
        let mut pongs = 0;
        while pongs < 2 {
            pongs += usize::from(matches!(link.frame().await, ControlFrame::Pong(_)));
        }
        assert_eq!(running.store.count("proxy_audit").await, 0);
    });
}

#[test]
fn a_proxy_that_never_says_who_it_is_is_cut() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let org = Org::new(&running, ORG).await;
        let mut link = Link::open(running.address, &org.token("gate-1").await).await.unwrap();
        assert_eq!(link.closed().await, 4008);
        let silent = "oakgate_sync_links_closed_total{reason=\"silent\"}";
        assert_eq!(metric(&running, silent).await, Some(1.0));
    });
}

#[test]
fn audit_records_are_stored_before_they_are_acknowledged() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let (acme, other) = (Org::new(&running, ORG).await, Org::new(&running, "other").await);
        for (org, kept) in [(&acme, 3), (&other, 6)] {
            let mut link = Link::open(running.address, &org.token("gate-1").await).await.unwrap();
            link.say(&hello()).await;
            for (first, records, through) in [(1, vec!["{}", "{}"], 2), (1, vec!["{}", "{}", "{}"], 3)] {
                let records = records.into_iter().map(str::to_owned).collect();
                link.say(&ProxyFrame::Audit(AuditBatch { first, records }).to_text()).await;
                let acknowledged = loop {
                    if let ControlFrame::AuditAck(ack) = link.frame().await {
                        break ack.through;
                    }
                };
                assert_eq!(acknowledged, through);
            }
            assert_eq!(running.store.count("proxy_audit").await, kept);
        }
    });
}

#[test]
fn a_held_call_is_decided_over_the_link() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[approver("ada", true, false)]).await;
        let (acme, other) = (Org::new(&running, ORG).await, Org::new(&running, "other").await);
        let ask = async |org: &Org<'_>| {
            let mut link = Link::open(running.address, &org.token("gate-1").await).await.unwrap();
            link.say(&hello()).await;
            let request = ProxyMessage::ApprovalRequest(Box::new(request(1, "{}")));
            link.say(&ProxyFrame::Message(request).to_text()).await;
            let message = next_message(&mut link).await;
            (link, message)
        };
        // What another organisation's proxy asks in this one's name is refused.
        let (_theirs, refused) = ask(&other).await;
        assert!(matches!(refused, ControlMessage::ApprovalRefused { hold: HoldId(1), .. }), "{refused:?}");
        let (mut link, created) = ask(&acme).await;
        let ControlMessage::ApprovalCreated { reference, .. } = created else { panic!("{created:?}") };
        running.decide(0, reference.as_str(), &json!({"decision": "approve"})).await.json(200);
        let decided = next_message(&mut link).await;
        let expected = matches!(decided, ControlMessage::ApprovalDecided { outcome: Outcome::Approved, .. });
        assert!(expected, "{decided:?}");
    });
}

async fn next_message(link: &mut Link) -> ControlMessage {
    loop {
        if let ControlFrame::Message(message) = link.frame().await {
            return message;
        }
    }
}

#[test]
fn a_proxy_that_knows_more_than_the_store_keeps_it() {
    on_both(async |database| {
        let running = Running::with(linked(&database), &[]).await;
        let org = Org::new(&running, ORG).await;
        org.put_rule("one", "first").await;
        let mut proxy = org.proxy("gate-1").await;
        let revision = org.put_rule("two", "lost").await;
        proxy.until_policy(revision).await;
        proxy.cut();
        // A backup of before.
        database.sql("UPDATE pieces SET to_revision = NULL WHERE from_revision = 1").await;
        database.sql("DELETE FROM pieces WHERE from_revision = 2").await;
        database.sql("DELETE FROM revisions WHERE revision = 2").await;
        database.sql("UPDATE orgs SET revision = 1 WHERE name = 'acme'").await;
        let restored = Running::with(linked(&database), &[]).await;
        let token = org.token("gate-2").await;
        let mut other = Proxy::new(restored.address, &token, policy_key().public());
        other.until_policy(1).await;
        let mut link = Link::open(restored.address, &org.token("gate-3").await).await.unwrap();
        let held = policy_sync::Current {
            policy: Some(proxy.sync.held(Subject::Policy).unwrap().version()),
            ..policy_sync::Current::default()
        };
        let hello = policy_sync::Hello { version: "1".to_owned(), boot: 1, held };
        link.say(&ProxyFrame::Hello(hello).to_text()).await;
        link.say(&ProxyFrame::Ping.to_text()).await;
        let mut pongs = 0;
        while pongs < 2 {
            pongs += usize::from(matches!(link.frame().await, ControlFrame::Pong(_)));
        }
        assert_eq!(metric(&restored, "oakgate_proxies_ahead_total{subject=\"policy\"}").await, Some(1.0));
    });
}
