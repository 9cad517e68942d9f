use super::*;
use crate::fixture::{self, ORG, on_both};
use crate::store::Tier;

const FIRST: &str = "first";
const SECOND: &str = "second";

fn link(proxy: &str, instance: &str, connected_at: u64) -> Arc<ProxyLink> {
    let (org, proxy, instance) = (ORG.to_owned(), proxy.to_owned(), instance.to_owned());
    Arc::new(ProxyLink { org, proxy, instance, connected_at: UnixMillis(connected_at) })
}

/// Something that happened to a link so many milliseconds after it began.
fn note(link: &Arc<ProxyLink>, after: u64, event: LinkEvent) -> LinkNote {
    LinkNote { link: Arc::clone(link), at: UnixMillis(link.connected_at.0 + after), event }
}

fn linked(version: &str) -> LinkEvent {
    LinkEvent::Linked { version: version.to_owned(), boot: 255 }
}

async fn seen(store: &Store, proxy: &str) -> Option<ProxySeen> {
    store.proxies_seen(ORG, proxy, proxy).await.unwrap().remove(proxy)
}

#[test]
fn what_a_proxy_says_over_its_link_is_known_of_it() {
    on_both(async |database| {
        let store = database.store().await;
        for proxy in ["gate-1", "gate-2"] {
            fixture::key(&store, ORG, proxy, Tier::Proxy).await;
        }
        let first = link("gate-1", FIRST, 1000);
        store.note_links(&[note(&first, 0, linked("0.1.0"))]).await.unwrap();
        let begun = ProxySeen {
            instance: FIRST.to_owned(),
            version: "0.1.0".to_owned(),
            boot: "00000000000000ff".to_owned(),
            connected: true,
            connected_at: UnixMillis(1000),
            seen_at: UnixMillis(1000),
            policy_revision: None,
            policy_sha256: None,
            keys_revision: None,
            last_refusal: None,
            last_refusal_at: None,
        };
        assert_eq!(seen(&store, "gate-1").await, Some(begun.clone()));
        let why = "no\0such\ttool".to_owned();
        let notes = [
            note(&first, 10, LinkEvent::Policy { revision: 3, sha256: "a".repeat(64) }),
            note(&first, 20, LinkEvent::Keys { revision: 4 }),
            note(&first, 30, LinkEvent::Refused { why }),
            note(&link("gate-2", FIRST, 1000), 0, linked(&"x".repeat(100))),
        ];
        store.note_links(&notes).await.unwrap();
        let told = ProxySeen {
            seen_at: UnixMillis(1030),
            policy_revision: Some(3),
            policy_sha256: Some("a".repeat(64)),
            keys_revision: Some(4),
            last_refusal: Some("no\u{fffd}such\u{fffd}tool".to_owned()),
            last_refusal_at: Some(UnixMillis(1030)),
            ..begun
        };
        assert_eq!(seen(&store, "gate-1").await, Some(told.clone()));
        assert_eq!(seen(&store, "gate-2").await.unwrap().version, "x".repeat(VERSION_BYTES_MAX));
        assert_eq!(store.proxies_seen("other", "", "z").await.unwrap().len(), 0);

        store.note_links(&[note(&first, 40, LinkEvent::Gone)]).await.unwrap();
        let gone = ProxySeen { connected: false, seen_at: UnixMillis(1040), ..told };
        assert_eq!(seen(&store, "gate-1").await, Some(gone.clone()));
        assert!(!gone.is_connected(UnixMillis(1040)));
    });
}

#[test]
fn the_newest_link_of_a_proxy_counts() {
    on_both(async |database| {
        let store = database.store().await;
        fixture::key(&store, ORG, "gate-1", Tier::Proxy).await;
        let old = link("gate-1", FIRST, 1000);
        let policy = |revision| LinkEvent::Policy { revision, sha256: String::new() };
        for newer in [link("gate-1", FIRST, 2000), link("gate-1", SECOND, 3000)] {
            store.note_links(&[note(&old, 0, linked("old")), note(&old, 1, policy(1))]).await.unwrap();
            store.note_links(&[note(&newer, 0, linked("new"))]).await.unwrap();
            let begun = seen(&store, "gate-1").await.unwrap();
            assert_eq!((begun.instance.as_str(), begun.policy_revision), (newer.instance.as_str(), None));
            // The old one is heard of late: that it began, what it had, that it ended.
            let late = [
                note(&old, 5000, linked("old")),
                note(&old, 5000, policy(2)),
                note(&old, 5000, LinkEvent::Refused { why: "late".to_owned() }),
                note(&old, 5000, LinkEvent::Gone),
            ];
            store.note_links(&late).await.unwrap();
            assert_eq!(seen(&store, "gate-1").await, Some(begun));
        }
    });
}

#[test]
fn only_a_proxy_with_a_token_is_seen() {
    on_both(async |database| {
        let store = database.store().await;
        fixture::key(&store, ORG, "agent-7", Tier::Agent).await;
        fixture::key(&store, ORG, "gate-1", Tier::Proxy).await;
        let names = ["unknown", "agent-7", "gate-1"];
        let notes = names.map(|name| note(&link(name, FIRST, 1000), 0, linked("0.1.0")));
        store.note_links(&notes).await.unwrap();
        let seen = store.proxies_seen(ORG, "", "zzz").await.unwrap();
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["gate-1"]);
    });
}

#[test]
fn a_thousand_links_are_seen_at_once_and_one_that_is_not_is_gone() {
    on_both(async |database| {
        let store = database.store().await;
        fixture::key(&store, ORG, "gate-0", Tier::Proxy).await;
        let more = "INSERT INTO holders SELECT org, 'gate-' || n, tier, description, tenant, may_name_tenant, version, \
                    created_at_unix_ms, expires_at_unix_ms, revoked_at_unix_ms FROM holders, \
                    (WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 1101) SELECT n FROM t) AS numbers";
        store.run(more).await;
        let links: Vec<_> = (0..1102).map(|n| link(&format!("gate-{n}"), FIRST, 1000)).collect();
        let begun: Vec<_> = links.iter().map(|link| note(link, 0, linked("0.1.0"))).collect();
        store.note_links(&begun).await.unwrap();
        let ended = note(&links[1], 10, LinkEvent::Gone);
        let elsewhere = note(&link("gate-2", SECOND, 1500), 0, linked("0.1.0"));
        store.note_links(&[ended, elsewhere]).await.unwrap();

        let now = UnixMillis(1000 + GONE_AFTER_SECONDS * 1000);
        store.proxies_seen_now(FIRST, &links[1..], now).await.unwrap();
        let seen = store.proxies_seen(ORG, "gate-", "gate-z").await.unwrap();
        assert_eq!(seen.len(), 1102);
        let unseen = ["gate-0", "gate-1", "gate-2"];
        for (name, seen) in &seen {
            let was_seen = !unseen.contains(&name.as_str());
            assert_eq!(seen.seen_at == now, was_seen, "{name}");
            let is_connected = was_seen || name == "gate-2";
            assert_eq!(seen.is_connected(now), is_connected, "{name}");
        }
        assert!(seen["gate-0"].is_connected(UnixMillis(now.0 - 1)));
    });
}

#[test]
fn texts_of_a_proxy_are_cut_between_characters() {
    assert_eq!(fit("äöü", 5), "äö");
    assert_eq!(fit("a\0b", 64), "a\u{fffd}b");
    assert_eq!(fit("", 64), "");
}
