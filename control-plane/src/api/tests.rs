//! The whole control plane over a real port, with the real link.

mod activity;
mod catalogue;
mod checks;
mod client;
mod damage;
mod drafts;
mod edge;
mod edits;
mod executions;
mod history;
mod keys;
mod mint;
mod openapi;
mod orgs;
mod paging;
mod pieces;
mod policy;
mod proxies;
mod receipts;
mod replay;
mod slow;
mod sync;

use std::net::SocketAddr;
use std::time::Duration;

use ::policy::approval::Approver;
use policy_sync::{ControlMessage, HoldId, Outcome, ProxyMessage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api::Patience;
use crate::fixture::{self, Database, ORG, approver, on_both, person, request};
use crate::link;
use crate::store::{HolderKind, Store, Tier};
use crate::{ApprovalRules, ApprovalsFailed, ControlPlane, History, NewPerson, People, Session, Settings};
use client::{Answer, raw, send};

/// A running control plane with some people, and the proxy's end of its link.
struct Running {
    address: SocketAddr,
    people: People,
    store: Store,
    sessions: Vec<Session>,
    proxy: link::Session,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ApprovalsFailed>>,
}

impl Running {
    async fn start(database: &Database, approvers: &[Approver]) -> Self {
        Self::with(settings(database), approvers).await
    }

    async fn with(settings: Settings, approvers: &[Approver]) -> Self {
        Self::of(ControlPlane::open(settings).await.unwrap(), approvers).await
    }

    /// With clients whose time is short.
    async fn impatient(database: &Database) -> Self {
        let mut control_plane = ControlPlane::open(settings(database)).await.unwrap();
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(60));
        control_plane.patience =
            Patience { header: long, keep_alive: long, body: short, request: long, write: short };
        Self::of(control_plane, &[]).await
    }

    async fn of(control_plane: ControlPlane, approvers: &[Approver]) -> Self {
        let mut sessions = Vec::new();
        let people = control_plane.people();
        let store = control_plane.store.clone();
        for approver in approvers {
            sessions.push(people.create(person(approver.clone())).await.unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (links, started) = control_plane.start();
        let proxy = links.join(ORG, "gate-1", 7).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(started.serve(listener, None, async {
            let _ = stopped.await;
        }));
        Self { address, people, store, sessions, proxy, stop, served }
    }

    /// Opens an approval for a call, as the proxy would.
    async fn open(&mut self, hold: u64, arguments: &str) -> String {
        self.proxy.say(ProxyMessage::ApprovalRequest(Box::new(request(hold, arguments)))).await.unwrap();
        match self.proxy.receive().await.unwrap() {
            ControlMessage::ApprovalCreated { reference, .. } => reference.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// A new key of an org, as an `Authorization` line.
    async fn key(&self, org: &str, id: &str, tier: Tier) -> String {
        let key = fixture::key(&self.store, org, id, tier).await;
        format!("Authorization: Bearer {}\r\n", key.expose())
    }

    async fn get(&self, who: usize, path: &str) -> Answer {
        let fields = format!("Authorization: Bearer {}\r\n", self.sessions[who].expose());
        send(self.address, "GET", path, &fields, "").await
    }

    /// Sends a JSON body with a key, which is given as an `Authorization` line.
    async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        let fields = format!("{key}Content-Type: application/json\r\n");
        send(self.address, "POST", path, &fields, &body.to_string()).await
    }

    async fn decide(&self, who: usize, reference: &str, body: &Value) -> Answer {
        let fields = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
            self.sessions[who].expose()
        );
        let path = format!("/v1/approvals/{reference}/decide");
        send(self.address, "POST", &path, &fields, &body.to_string()).await
    }
}

/// Settings with nothing but a store.
fn settings(database: &Database) -> Settings {
    Settings {
        store: database.url(),
        approvals: ApprovalRules::default(),
        hosts: Vec::new(),
        receipts: None,
        redis: None,
        history: History { revisions_max: 1000, revision_bytes_max: 1 << 30, activity_days: 400 },
        tls: None,
        policy_key: None,
    }
}

#[test]
fn a_session_that_ends_while_the_body_comes_decides_nothing() {
    on_both(async |database| {
        let mut running = Running::start(&database, &[approver("ada", true, false)]).await;
        let reference = running.open(1, "{}").await;
        let body = r#"{"decision":"approve"}"#;
        let (first, rest) = body.split_at(9);
        let head = format!(
            "POST /v1/approvals/{reference}/decide HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{first}",
            running.sessions[0].expose(),
            body.len()
        );
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // Its head has been looked at once another request that came later is answered.
        running.get(0, "/v1/approvals").await.json(200);
        running.people.end_session(ORG, &approver("ada", true, false).id).await.unwrap();
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    });
}

#[test]
fn a_program_by_its_key_never_decides() {
    on_both(async |database| {
        let mut running = Running::start(&database, &[approver("ada", true, false)]).await;
        let reference = running.open(1, "{}").await;
        for tier in [Tier::Management, Tier::Standard, Tier::Agent] {
            let key = running.key(ORG, tier.as_str(), tier).await;
            let fields = format!("{key}Content-Type: application/json\r\n");
            let path = format!("/v1/approvals/{reference}/decide");
            let answer = send(running.address, "POST", &path, &fields, r#"{"decision":"approve"}"#).await;
            answer.problem(403, "key_cannot_decide");
        }
    });
}

#[test]
fn a_person_decides_and_the_call_goes_on() {
    on_both(async |database| {
        let mut running = Running::start(&database, &[approver("ada", true, false)]).await;
        let reference = running.open(1, r#"{"amount":10,"password":"x"}"#).await;

        let list = running.get(0, "/v1/approvals?state=pending").await.json(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        assert_eq!(list["items"][0]["reference"], reference);
        let shown = running.get(0, &format!("/v1/approvals/{}", reference.to_lowercase())).await.json(200);
        let expected = json!({
            "reference": reference, "state": "pending", "level": 1, "second_approval": false, "org": ORG,
            "proxy": "gate-1", "caller": "agent-7", "backend": "payments", "tool": "refund", "resource": "ledger",
            "arguments": r#"{"amount":10,"password":"•••"}"#, "agent_reasoning": "the customer asked",
            "policy": {"level": "org/tool", "rule": "refunds", "revision": 3}, "decisions": [],
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&shown[field], value, "{field}");
        }

        let decided =
            running.decide(0, &reference, &json!({"decision": "approve", "note": "fine"})).await.json(200);
        assert_eq!((&decided["state"], &decided["note"]), (&json!("approved"), &json!("fine")));
        let recorded = running.get(0, "/v1/activity?action=approval.decide").await.json(200);
        assert_eq!(
            (&recorded["items"][0]["object"], &recorded["items"][0]["actor"]),
            (&json!(reference), &json!("ada"))
        );
        match running.proxy.receive().await.unwrap() {
            ControlMessage::ApprovalDecided { hold: HoldId(1), outcome: Outcome::Approved, note, .. } => {
                assert_eq!(note.as_deref(), Some("fine"));
            }
            other => panic!("{other:?}"),
        }

        let shown = running.get(0, &format!("/v1/approvals/{reference}")).await.json(200);
        let decision = &shown["decisions"][0];
        assert_eq!((&decision["person"], &decision["decision"]), (&json!("ada"), &json!("approve")));
        assert!(decision["origin"].as_str().unwrap().starts_with("127.0.0.1:"), "{decision}");
        assert!(
            running.get(0, "/v1/approvals?state=pending").await.json(200)["items"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        let again = running.decide(0, &reference, &json!({"decision": "deny"})).await;
        again.problem(409, "already_decided");
    });
}

#[test]
fn who_may_not_decide_is_told_why() {
    on_both(async |database| {
        let people = [
            approver("ada", true, true),
            approver("bob", false, true),
            approver(crate::fixture::AGENT, true, true),
            approver("eve", false, false),
        ];
        let mut running = Running::start(&database, &people).await;
        let two_levels = policy_sync::ApprovalRequest { second_approval: true, ..request(1, "{}") };
        running.proxy.say(ProxyMessage::ApprovalRequest(Box::new(two_levels))).await.unwrap();
        let Some(ControlMessage::ApprovalCreated { reference, .. }) = running.proxy.receive().await else {
            panic!("no approval");
        };
        let reference = reference.to_string();
        let approve = json!({"decision": "approve"});
        let deny = json!({"decision": "deny"});
        running.decide(2, &reference, &approve).await.problem(403, "requester_cannot_decide");
        running.decide(2, &reference, &deny).await.problem(403, "requester_cannot_decide");
        running.decide(1, &reference, &approve).await.problem(403, "not_in_group");
        running.decide(3, &reference, &deny).await.problem(403, "not_in_group");
        assert_eq!(running.decide(0, &reference, &approve).await.json(200)["level"], 2);
        running.decide(0, &reference, &approve).await.problem(403, "same_person");
        assert_eq!(running.decide(1, &reference, &deny).await.json(200)["state"], "denied");
        running.decide(1, &reference, &approve).await.problem(409, "approval_ended");
        running.decide(0, "REF-00000000-0000", &approve).await.problem(404, "not_found");
    });
}

#[test]
fn only_a_session_that_lasts_opens_the_door() {
    on_both(async |database| {
        let control_plane = ControlPlane::open(settings(&database)).await.unwrap();
        let people = control_plane.people();
        let ada = approver("ada", true, false);
        let first = people.create(person(ada.clone())).await.unwrap();
        let brief = NewPerson { session_seconds: 1, ..person(approver("bob", true, false)) };
        let brief = people.create(brief).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(control_plane.serve(listener, None, std::future::pending()));
        let get = async |authorization: &str| {
            let fields = format!("Authorization: {authorization}\r\n");
            send(address, "GET", "/v1/approvals", &fields, "").await
        };

        get(&format!("Bearer {}", first.expose())).await.json(200);
        get(&format!("bearer  {}", first.expose())).await.json(200);
        let second = people.renew_session(ORG, &ada.id, 60).await.unwrap();
        get(&format!("Bearer {}", second.expose())).await.json(200);
        let changed = second.expose().replace(|c: char| c.is_ascii_digit(), "_");
        let key = "oak_live_0123456789012345678901234567890123456789012";
        let agent = "oak_agent_0123456789012345678901234567890123456789012";
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let refused = [
            (format!("Bearer {}", first.expose()), 401, "unauthenticated"),
            (format!("Bearer {}", brief.expose()), 401, "unauthenticated"),
            (format!("Bearer {changed}"), 401, "unauthenticated"),
            (format!("Bearer {}", second.expose().to_uppercase()), 401, "unauthenticated"),
            (format!("Basic {}", second.expose()), 401, "unauthenticated"),
            (second.expose().to_owned(), 401, "unauthenticated"),
            (format!("Bearer {0}\r\nAuthorization: Bearer {0}", second.expose()), 401, "unauthenticated"),
            ("Bearer".to_owned(), 401, "unauthenticated"),
            ("Bearer ' OR 1=1 --".to_owned(), 401, "unauthenticated"),
            (format!("Bearer {key}"), 401, "unauthenticated"),
            (format!("Bearer {agent}"), 401, "unauthenticated"),
        ];
        for (authorization, status, code) in refused {
            let answer = get(&authorization).await;
            assert_eq!(
                answer.field("www-authenticate"),
                (status == 401).then_some("Bearer"),
                "{authorization}"
            );
            answer.problem(status, code);
        }
        people.end_session(ORG, &ada.id).await.unwrap();
        get(&format!("Bearer {}", second.expose())).await.problem(401, "unauthenticated");
    });
}

#[test]
fn bad_requests_are_refused_by_name() {
    on_both(async |database| {
        let mut running = Running::start(&database, &[approver("ada", true, false)]).await;
        let reference = running.open(1, "{}").await;
        let session = format!("Authorization: Bearer {}\r\n", running.sessions[0].expose());
        let typed = format!("{session}Content-Type: application/json\r\n");
        let decide = format!("/v1/approvals/{reference}/decide");
        let long_note = json!({"decision": "approve", "note": "x".repeat(1001)}).to_string();
        let large = format!(r#"{{"decision":"approve","note":"{}"}}"#, "x".repeat(70_000));
        let cases = [
            ("GET", "/", "", "", 404, "not_found"),
            ("GET", "/v1/approvals/nonsense", session.as_str(), "", 404, "not_found"),
            ("GET", "/v1/approvals/REF-00000000-0000", &session, "", 404, "not_found"),
            ("GET", "/v1/approvals/%ff", &session, "", 404, "not_found"),
            ("DELETE", "/v1/approvals", &session, "", 405, "method_not_allowed"),
            ("GET", &decide, &session, "", 405, "method_not_allowed"),
            ("GET", "/v1/approvals", "", "", 401, "unauthenticated"),
            ("POST", &decide, "Content-Type: application/json\r\n", "{}", 401, "unauthenticated"),
            ("GET", "/v1/approvals?state=open", &session, "", 400, "query_unexpected"),
            ("GET", "/v1/approvals?limit=0", &session, "", 400, "query_unexpected"),
            ("GET", "/v1/approvals?limit=201", &session, "", 400, "query_unexpected"),
            ("GET", "/v1/approvals?limit=-1", &session, "", 400, "query_unexpected"),
            ("GET", "/v1/approvals?limit=1&limit=2", &session, "", 400, "query_unexpected"),
            ("GET", "/v1/approvals?cursor=1", &session, "", 400, "query_unexpected"),
            ("GET", "/v1/approvals?cursor=x.REF-00000000-0000", &session, "", 400, "query_unexpected"),
            ("GET", "/v1/approvals?sort=up", &session, "", 400, "query_unexpected"),
            ("POST", &decide, &session, r#"{"decision":"approve"}"#, 415, "content_type"),
            ("POST", &decide, &typed, "", 400, "body_not_json"),
            ("POST", &decide, &typed, r#"{"decision":"approve""#, 400, "body_not_json"),
            ("POST", &decide, &typed, r#"{"decision":"approve"} {}"#, 400, "body_not_json"),
            ("POST", &decide, &typed, "{}", 422, "body_unexpected"),
            ("POST", &decide, &typed, r#"["approve"]"#, 422, "body_unexpected"),
            ("POST", &decide, &typed, r#"{"decision":"yes"}"#, 422, "body_unexpected"),
            ("POST", &decide, &typed, r#"{"decision":"approve","by":"bob"}"#, 422, "body_unexpected"),
            ("POST", &decide, &typed, r#"{"decision":"deny","decision":"approve"}"#, 422, "body_unexpected"),
            ("POST", &decide, &typed, &long_note, 422, "note_too_long"),
            ("POST", &decide, &typed, r#"{"decision":"deny","note":"a\u0000b"}"#, 422, "body_unexpected"),
            ("POST", &decide, &typed, &large, 413, "body_too_large"),
        ];
        for (method, path, fields, body, status, code) in cases {
            let answer = send(running.address, method, path, fields, body).await;
            assert_eq!(answer.field("cache-control"), Some("no-store"), "{method} {path}");
            answer.problem(status, code);
        }
        let shown = running.get(0, &format!("/v1/approvals/{reference}")).await.json(200);
        assert_eq!(shown["state"], "pending");
    });
}

#[test]
fn requests_that_are_not_for_this_server_are_refused() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        for (head, status) in [
            ("Host: localhost", 200),
            ("Host: evil.example", 421),
            ("X: y", 421),
            ("Host: localhost\r\nHost: evil.example", 421),
            ("Host: localhost\r\nContent-Length: 1\r\nContent-Length: 2", 400),
            ("Host: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: chunked", 400),
            ("Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 0", 400),
        ] {
            let answer = raw(
                running.address,
                &format!("GET /healthz HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n"),
            )
            .await;
            assert_eq!(answer.status, status, "{head}");
        }
        let many = "X: y\r\n".repeat(80);
        let large = format!("X: {}\r\n", "y".repeat(20_000));
        for fields in [many, large] {
            assert_eq!(send(running.address, "GET", "/healthz", &fields, "").await.status, 431);
        }
    });
}

#[test]
fn the_list_is_read_page_by_page_within_ones_org() {
    on_both(async |database| {
        let mut running = Running::start(&database, &[approver("ada", true, false)]).await;
        let mut opened = Vec::new();
        for number in 0..7 {
            opened.push(running.open(number, &format!(r#"{{"n":{number}}}"#)).await);
        }
        let stranger = NewPerson { org: "other".to_owned(), ..person(approver("bob", true, true)) };
        let stranger = running.people.create(stranger).await.unwrap();
        running.sessions.push(stranger);
        assert_eq!(running.get(1, "/v1/approvals").await.json(200), json!({"items": []}));
        running.get(1, &format!("/v1/approvals/{}", opened[0])).await.problem(404, "not_found");
        running.decide(1, &opened[0], &json!({"decision": "approve"})).await.problem(404, "not_found");
        for filter in ["", "&state=pending"] {
            let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let path = format!("/v1/approvals?limit=3{filter}{cursor}");
                let page = running.get(0, &path).await.json(200);
                for item in page["items"].as_array().unwrap() {
                    seen.push((
                        item["created_at_unix_ms"].as_u64().unwrap(),
                        item["reference"].as_str().unwrap().to_owned(),
                    ));
                }
                pages += 1;
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(pages, 3);
            assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
            let mut found: Vec<_> = seen.into_iter().map(|(_, reference)| reference).collect();
            found.sort_unstable();
            let mut expected = opened.clone();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    });
}

#[test]
fn it_says_how_it_does_and_stops_when_told() {
    on_both(async |database| {
        let mut running = Running::start(&database, &[approver("ada", true, false)]).await;
        let denied = running.open(1, r#"{"a":1}"#).await;
        running.open(2, r#"{"a":2}"#).await;
        running.decide(0, &denied, &json!({"decision": "deny"})).await.json(200);
        for path in ["/healthz", "/readyz"] {
            assert_eq!(send(running.address, "GET", path, "", "").await.status, 200, "{path}");
        }
        let metrics = send(running.address, "GET", "/metrics", "", "").await;
        for line in [
            "oakgate_approvals{state=\"pending\"} 1",
            "oakgate_approvals{state=\"approved\"} 0",
            "oakgate_approval_transitions_total{state=\"pending\"} 2",
            "oakgate_approval_transitions_total{state=\"denied\"} 1",
            "oakgate_approval_decisions_total{decision=\"deny\"} 1",
            "oakgate_approval_oldest_pending_seconds 0",
        ] {
            assert!(
                metrics.body.lines().any(|found| found == line),
                "{line} is missing in\n{}",
                metrics.body
            );
        }

        // A connection that only waits does not keep it.
        let _idle = tokio::net::TcpStream::connect(running.address).await.unwrap();
        assert_eq!(send(running.address, "GET", "/healthz", "", "").await.status, 200);
        running.stop.send(()).unwrap();
        while let Some(message) = running.proxy.receive().await {
            assert!(matches!(message, ControlMessage::ApprovalDecided { .. }), "{message:?}");
        }
        drop(running.proxy);
        let served = tokio::time::timeout(std::time::Duration::from_secs(10), running.served).await;
        assert_eq!(served.expect("it does not stop").unwrap(), Ok(()));
        assert!(tokio::net::TcpStream::connect(running.address).await.is_err());
    });
}
