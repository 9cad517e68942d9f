use std::collections::HashMap;
use std::io;

use super::super::resolve::look_up;
use super::*;

/// Endpoints of these names, each with its weight.
pub(in crate::upstream) fn endpoints(names: &[(&str, u8)], limits: &Limits) -> Arc<Endpoints> {
    let name = |(name, weight): &(&str, u8)| {
        let (host, port) = name.rsplit_once(':').unwrap();
        EndpointName { host: host.to_owned(), port: port.parse().unwrap(), weight: *weight }
    };
    let backend = config::Backend {
        name: "tools".to_owned(),
        path: "/".to_owned(),
        listeners: None,
        hop: config::Hop { http: config::Http::Auto, tls: None, credential: None },
        url: config::BackendUrl {
            scheme: http::uri::Scheme::HTTP,
            authority: "tools:80".parse().unwrap(),
            host: "tools".to_owned(),
            port: 80,
            path: String::new(),
        },
        endpoints: names.iter().map(name).collect(),
        health: None,
        ejection: Ejection { failures: 2, seconds: 10, max_percent: 50 },
        response_timeout_seconds: None,
        authorization: config::Authorization::Strip,
        resource: None,
        method: None,
        kind: config::BackendKind::Mcp { extra_methods: Default::default(), govern: Default::default() },
    };
    Endpoints::new(&backend, limits, &Metrics::new().unwrap())
}

fn chosen(endpoints: &Endpoints, affinity: &Affinity<'_>, tried: &[Arc<Endpoint>]) -> String {
    let endpoint = endpoints.choose(affinity, tried);
    endpoint.map_or_else(|| "none".to_owned(), |endpoint| endpoint.address.to_string())
}

fn addresses(endpoints: &Endpoints) -> Vec<String> {
    endpoints.set().endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
}

fn eject(endpoints: &Endpoints, endpoint: &Arc<Endpoint>) {
    for _ in 0..2 {
        endpoints.failed(endpoint, Failure::Broken);
    }
}

/// What the resolver says, a look after the other.
struct Resolver(std::cell::RefCell<Vec<Result<Vec<&'static str>, io::ErrorKind>>>);

impl Resolver {
    async fn answer(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!((host, port), ("tools.internal", 80));
        let next = self.0.borrow_mut().remove(0);
        Ok(next?.into_iter().map(|address| address.parse().unwrap()).collect())
    }
}

#[tokio::test]
async fn what_a_name_stands_for_may_change() {
    let limits = Limits { max_endpoints_per_backend: 3, ..Limits::default() };
    let endpoints = endpoints(&[("10.9.9.9:80", 1), ("tools.internal:80", 1)], &limits);
    assert_eq!(addresses(&endpoints), ["10.9.9.9:80"], "an address needs no lookup");
    let resolver = Resolver(
        vec![
            Ok(vec!["10.0.0.2:80", "10.0.0.1:80", "10.0.0.2:80"]),
            Ok(vec!["10.0.0.2:80", "10.0.0.3:80"]),
            Err(io::ErrorKind::TimedOut),
            Ok(vec![]),
            Ok(vec!["10.0.0.5:80", "10.0.0.4:80", "10.0.0.3:80", "10.0.0.2:80"]),
        ]
        .into(),
    );
    let mut seen = Vec::new();
    let mut look = async || {
        let answer = async |host: &str, port: u16| resolver.answer(host, port).await;
        look_up(&endpoints, 1, &answer).await;
        seen.push((addresses(&endpoints), endpoints.known()[1].error.is_some()));
        endpoints.set()
    };
    let (first, second) = (look().await, look().await);
    let (kept, kept_too, last) = (look().await, look().await, look().await);
    let expected: [(&[&str], bool); 5] = [
        (&["10.9.9.9:80", "10.0.0.1:80", "10.0.0.2:80"], false),
        (&["10.9.9.9:80", "10.0.0.2:80", "10.0.0.3:80"], false),
        (&["10.9.9.9:80", "10.0.0.2:80", "10.0.0.3:80"], true),
        (&["10.9.9.9:80", "10.0.0.2:80", "10.0.0.3:80"], true),
        (&["10.9.9.9:80", "10.0.0.2:80", "10.0.0.3:80"], false),
    ];
    for (number, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        assert_eq!((seen.0.as_slice(), seen.1), (&owned(expected.0)[..], expected.1), "look {number}");
    }
    assert!(first.endpoints[1].is_gone(), "nobody stands for it any more");
    assert!(
        Arc::ptr_eq(&first.endpoints[2], &second.endpoints[1]),
        "it is the same as before, with all that is known"
    );
    assert!(Arc::ptr_eq(&kept, &second) && Arc::ptr_eq(&kept_too, &second));
    assert!(Arc::ptr_eq(&last.endpoints[2], &second.endpoints[2]), "those beyond the limit displace nobody");
    let counted = (endpoints.counters.found.get(), endpoints.counters.not_found.get());
    assert_eq!((counted, endpoints.counters.too_many.get()), ((3, 2), 2));
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn calls_go_in_turn_by_weight_and_to_who_has_fewer() {
    let endpoints = endpoints(&[("10.0.0.1:80", 3), ("10.0.0.2:80", 1)], &Limits::default());
    let mut counts: HashMap<String, u32> = HashMap::new();
    for _ in 0..400 {
        *counts.entry(chosen(&endpoints, &Affinity::Any, &[])).or_default() += 1;
    }
    assert_eq!(counts, HashMap::from([("10.0.0.1:80".to_owned(), 300), ("10.0.0.2:80".to_owned(), 100)]));
    let slow = Arc::clone(&endpoints.set().endpoints[0]);
    let under_way: Vec<_> = (0..30).map(|_| slow.enter()).collect();
    for _ in 0..8 {
        assert_eq!(chosen(&endpoints, &Affinity::Any, &[]), "10.0.0.2:80", "the other has its hands full");
    }
    drop(under_way);
    let counts = (0..8).filter(|_| chosen(&endpoints, &Affinity::Any, &[]) == "10.0.0.1:80").count();
    assert_eq!(counts, 6);
}

#[test]
fn a_caller_stays_where_it_is() {
    let four = [("10.0.0.1:80", 1), ("10.0.0.2:80", 1), ("10.0.0.3:80", 1), ("10.0.0.4:80", 1)];
    let reversed: Vec<_> = four.iter().rev().copied().collect();
    let (before, other_proxy) =
        (endpoints(&four, &Limits::default()), endpoints(&reversed, &Limits::default()));
    let fewer = endpoints(&four[..3], &Limits::default());
    let mut of_each: HashMap<String, u32> = HashMap::new();
    for number in 0..1000 {
        let caller = format!("agent-{number}");
        let affinity = Affinity::Caller(&caller);
        let home = chosen(&before, &affinity, &[]);
        assert_eq!(chosen(&other_proxy, &affinity, &[]), home, "every proxy says the same");
        if home != "10.0.0.4:80" {
            assert_eq!(chosen(&fewer, &affinity, &[]), home, "only who lived on the one that is gone moves");
        }
        *of_each.entry(home).or_default() += 1;
    }
    assert!(of_each.len() == 4 && of_each.values().all(|count| (150..350).contains(count)), "{of_each:?}");
}

#[test]
fn a_session_stays_at_home_unless_that_is_gone() {
    let endpoints =
        endpoints(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1), ("10.0.0.3:80", 1)], &Limits::default());
    let caller = "agent-1";
    let by_caller = chosen(&endpoints, &Affinity::Caller(caller), &[]);
    let set = endpoints.set();
    let home = set.endpoints.iter().find(|endpoint| endpoint.address.to_string() != by_caller).unwrap();
    let address = home.address.to_string();
    let affinity = Affinity::Session(Arc::clone(home), caller);
    assert_eq!(chosen(&endpoints, &affinity, &[]), address);
    assert_eq!(chosen(&endpoints, &affinity, std::slice::from_ref(home)), by_caller, "nobody is at home");
    eject(&endpoints, home);
    assert_eq!(chosen(&endpoints, &affinity, &[]), by_caller);
    let only = Affinity::Only(Arc::clone(home));
    assert_eq!(chosen(&endpoints, &only, &[]), address, "its stream comes from there");
    assert_eq!(chosen(&endpoints, &only, std::slice::from_ref(home)), "none");
}

#[test]
fn an_endpoint_that_fails_is_left_out_but_never_all_of_them() {
    let endpoints = endpoints(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1)], &Limits::default());
    let set = endpoints.set();
    let [first, second] = &set.endpoints[..] else { panic!("two") };
    eject(&endpoints, first);
    eject(&endpoints, second);
    assert!(!first.is_usable() && second.is_usable(), "the last one stays");
    assert_eq!(endpoints.counters.ejections.get(), 1);
    for _ in 0..4 {
        assert_eq!(chosen(&endpoints, &Affinity::Any, &[]), "10.0.0.2:80");
    }
    assert_eq!(
        chosen(&endpoints, &Affinity::Any, std::slice::from_ref(second)),
        "10.0.0.1:80",
        "better than none"
    );
    assert_eq!(endpoints.counters.panics.get(), 0);
    // Active checks may find fault with all of them: then all are used.
    let health = config::Health {
        path: None,
        interval: std::time::Duration::from_secs(1),
        timeout: std::time::Duration::from_secs(1),
        healthy_after: 1,
        unhealthy_after: 1,
    };
    assert!(second.checks.note(false, &health));
    let used: std::collections::BTreeSet<_> =
        (0..4).map(|_| chosen(&endpoints, &Affinity::Any, &[])).collect();
    assert_eq!((used.len(), endpoints.counters.panics.get()), (2, 4));
}

#[test]
fn the_only_one_is_never_left_out() {
    let only = endpoints(&[("10.0.0.1:80", 1)], &Limits::default());
    let endpoint = Arc::clone(&only.set().endpoints[0]);
    (0..10).for_each(|_| eject(&only, &endpoint));
    assert!(endpoint.is_usable());
    assert_eq!(only.counters.ejections.get(), 0);
}
