use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::HeaderValue;

use super::*;

fn identities() -> Identities {
    let sha256 = |key: &str| Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = format!(
        "[{{id: a, kind: agent, tenant: t, sha256: {}}},
          {{id: b, kind: standard, may_name_tenant: true, sha256: {}, expires: 2026-01-01T00:00:00Z}}]",
        sha256("oak_agent_a"),
        sha256("oak_live_b")
    );
    Identities::new(&Keys::read("keys.yaml", &text, config::Environment::of(|_| None)).unwrap(), None)
}

fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).fold(
        HeaderMap::new(),
        |mut map, (name, value): (http::HeaderName, _)| {
            map.append(name, value);
            map
        },
    )
}

const fn api_key() -> Auth {
    Auth { api_key: true, jwt: None, mtls: None }
}

/// Without an issuer nothing is waited for.
fn identify(identities: &Identities, headers: &HeaderMap, now: UnixMillis) -> Result<Arc<Identity>, Refusal> {
    let (auth, peer) = (api_key(), Peer::default());
    let identified = pin!(identities.identify(&auth, None, headers, &peer, now));
    match identified.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(found) => found,
        Poll::Pending => panic!("a key needs no waiting"),
    }
}

#[test]
fn credentials() {
    let before_expiry = UnixMillis(1_767_225_599_000);
    let after_expiry = UnixMillis(1_767_225_600_000);
    for (list, now, expected) in [
        (vec![("x-api-key", "oak_agent_a")], after_expiry, Ok("a")),
        (vec![("authorization", "Bearer oak_agent_a")], after_expiry, Ok("a")),
        (vec![("authorization", "bearer oak_agent_a"), ("x-api-key", "oak_agent_a")], after_expiry, Ok("a")),
        (vec![("x-api-key", "oak_live_b")], before_expiry, Ok("b")),
        (vec![("x-api-key", "oak_live_b")], after_expiry, Err("credential-expired")),
        (vec![], before_expiry, Err("credential-missing")),
        (vec![("x-api-key", "oak_agent_A")], before_expiry, Err("credential-unknown")),
        (vec![("x-api-key", "a")], before_expiry, Err("credential-unknown")),
        (vec![("authorization", "Basic oak_agent_a")], before_expiry, Err("credential-unknown")),
        (
            vec![("authorization", "Bearer oak_live_b"), ("x-api-key", "oak_agent_a")],
            before_expiry,
            Err("credential-unknown"),
        ),
        (
            vec![("x-api-key", "oak_agent_a"), ("x-api-key", "oak_live_b")],
            before_expiry,
            Err("credential-unknown"),
        ),
    ] {
        let found = identify(&identities(), &headers(&list), now);
        let found = found.as_ref().map(|identity| identity.caller.id.as_str()).map_err(Refusal::name);
        assert_eq!(found, expected, "{list:?}");
    }
}

#[test]
fn a_key_and_the_one_that_takes_its_place_are_one_caller_with_one_set_of_counts() {
    let entry = |digit: &str, expires: &str| {
        format!("- {{id: a, kind: agent, sha256: {}{expires}}}\n", digit.repeat(64))
    };
    let keys = |text: &str| Keys::read("keys.yaml", text, config::Environment::none()).unwrap();
    let one = Identities::new(&keys(&entry("a", "")), None);
    let two = entry("a", ", expires: 2999-01-01T00:00:00Z") + &entry("b", "");
    for (before, counted) in [(None, None), (Some(&one), one.by_sha256.values().next())] {
        let identities = Identities::new(&keys(&two), before);
        let loads: Vec<_> = identities.by_sha256.values().map(|identity| &identity.load).collect();
        assert!(loads.len() == 2 && Arc::ptr_eq(loads[0], loads[1]));
        assert!(counted.is_none_or(|identity| Arc::ptr_eq(&identity.load, loads[0])));
    }
}

#[test]
fn a_tenant_is_believed_only_from_a_key_that_may_name_one() {
    let identities = identities();
    let now = UnixMillis(0);
    for (key, named, expected) in [
        ("oak_agent_a", None, Ok(Some("t"))),
        ("oak_agent_a", Some("other"), Ok(Some("t"))),
        ("oak_live_b", None, Ok(None)),
        ("oak_live_b", Some("other"), Ok(Some("other"))),
    ] {
        let mut map = headers(&[("x-api-key", key)]);
        if let Some(named) = named {
            map.insert(TENANT, HeaderValue::from_static(named));
        }
        let identity = identify(&identities, &map, now).unwrap();
        assert_eq!(identity.tenant(&map).map_err(|refusal| refusal.name()), expected, "{key} {named:?}");
    }
}
