use config::Limits;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::super::connector;
use super::super::endpoints::tests::endpoints;
use super::*;

const LIMITS: PoolLimits = PoolLimits {
    idle_max: 2,
    idle: Duration::from_secs(60),
    connect: Duration::from_secs(30),
    response_idle: Duration::from_secs(60),
};

const PLAIN: Wanted = Wanted { tls: None, http: config::Http::Auto, may_be_shared: true };

/// Somebody to connect to, and the connections there.
async fn listening() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn idle_connections_to_an_address_that_is_gone_are_closed() {
    let (one, other) = (listening().await, listening().await);
    let limits = Limits::default();
    let endpoints = endpoints(&[("tools.internal:80", 1)], &limits);
    let found = |address: &str| endpoints.found(0, vec![address.parse().unwrap()]);
    let local = async {
        let metrics = Metrics::new().unwrap();
        let pool = Pool::new(LIMITS, connector(&limits, &metrics, "tools"), &metrics, &endpoints);
        found(&one.1);
        let first = Arc::clone(&endpoints.set().endpoints[0]);
        let lease = async || pool.search(&Affinity::Any, &PLAIN).lease().await.unwrap();
        let leases = [lease().await, lease().await, lease().await];
        assert_eq!((first.calls(), first.idle()), (3, 0));
        leases.into_iter().for_each(Lease::give_back);
        assert_eq!((first.calls(), first.idle()), (0, 2), "so many are kept");
        assert!(lease().await.was_kept());
        assert_eq!(first.idle(), 1, "it was not given back");
        pool.sweep();
        assert_eq!(first.idle(), 1);
        let under_way = lease().await;
        let idle = lease().await;
        idle.give_back();
        found(&other.1);
        pool.sweep();
        assert_eq!(first.idle(), 0, "nothing goes there any more");
        under_way.give_back();
        assert_eq!((first.calls(), first.idle()), (0, 0), "nor is anything kept");
        assert_eq!(lease().await.endpoint().address.to_string(), other.1);
    };
    LocalSet::new().run_until(Box::pin(local)).await;
}

#[tokio::test]
async fn an_endpoint_that_takes_no_connection_is_replaced_by_another() {
    let (listener, there) = listening().await;
    let (gone, nobody) = listening().await;
    drop(gone);
    let limits = Limits::default();
    let endpoints = endpoints(&[(&nobody, 1), (&there, 1)], &limits);
    let local = async {
        let metrics = Metrics::new().unwrap();
        let pool = Pool::new(LIMITS, connector(&limits, &metrics, "tools"), &metrics, &endpoints);
        for _ in 0..4 {
            let lease = pool.search(&Affinity::Any, &PLAIN).lease().await.unwrap();
            assert_eq!(lease.endpoint().address.to_string(), there);
        }
        // Two failures in a row and it is left out.
        assert_eq!((endpoints.counters.failovers.get(), endpoints.counters.ejections.get()), (2, 1));
        drop(listener);
        let none = pool.search(&Affinity::Any, &PLAIN).lease().await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::ConnectionRefused);
    };
    LocalSet::new().run_until(Box::pin(local)).await;
}

#[tokio::test]
async fn slow_calls_leave_no_endpoint_out_that_answers_others() {
    let (one, other) = (listening().await, listening().await);
    let limits = Limits::default();
    let endpoints = endpoints(&[(&one.1, 1), (&other.1, 1)], &limits);
    let local = async {
        let metrics = Metrics::new().unwrap();
        let pool = Pool::new(LIMITS, connector(&limits, &metrics, "tools"), &metrics, &endpoints);
        for (place, answers, ejections) in [(0, true, 0), (1, false, 1)] {
            let only = Affinity::Only(Arc::clone(&endpoints.set().endpoints[place]));
            let mut lease = pool.search(&only, &PLAIN).lease().await.unwrap();
            if answers {
                lease.heed(&HeaderMap::new());
            }
            for _ in 0..4 {
                lease.timed_out(Duration::from_secs(60));
            }
            assert_eq!(endpoints.counters.ejections.get(), ejections, "{place}");
        }
    };
    LocalSet::new().run_until(Box::pin(local)).await;
}

#[tokio::test]
async fn a_shared_connection_is_used_no_further_once_many_calls_on_it_were_broken_off() {
    let (_listener, there) = listening().await;
    let limits = Limits::default();
    let endpoints = endpoints(&[(&there, 1)], &limits);
    let wanted = Wanted { tls: None, http: config::Http::Two, may_be_shared: true };
    let local = async {
        let metrics = Metrics::new().unwrap();
        let pool = Pool::new(LIMITS, connector(&limits, &metrics, "tools"), &metrics, &endpoints);
        let lease = async || pool.search(&Affinity::Any, &wanted).lease().await.unwrap();
        let opened = || metrics.backends.connections.with_label_values(&["tools"]).get();
        for _ in 0..300 {
            lease().await.give_back();
        }
        assert_eq!(opened(), 1, "those were through");
        for broken_off in 1..=100 {
            drop(lease().await);
            assert_eq!(opened(), 1, "{broken_off}");
        }
        lease().await.give_back();
        assert_eq!(opened(), 2);
    };
    LocalSet::new().run_until(Box::pin(local)).await;
}

#[test]
fn what_a_backend_says_of_its_connection() {
    let table = [
        ("timeout=5", Some(5)),
        ("timeout=5, max=100", Some(5)),
        ("max=100, Timeout = 7", Some(7)),
        ("timeout=\"3\"", Some(3)),
        ("timeout=0", Some(0)),
        ("timeout=-1", None),
        ("timeout=soon", None),
        ("max=5", None),
        ("", None),
    ];
    for (value, seconds) in table {
        let headers = HeaderMap::from_iter([("keep-alive".parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(keep_alive(&headers), seconds.map(Duration::from_secs), "{value}");
    }
}
