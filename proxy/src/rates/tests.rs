use std::collections::BTreeMap;

use config::Rate;
use policy::{Caller, CallerKind, Definition, Unread};

use super::*;

const ONE: Option<Rate> = Some(Rate { calls: 1, per_seconds: 3600, burst: Some(1) });

fn rates(settings: &config::Rates) -> Rates {
    Rates::new(settings, 2, &Metrics::new().unwrap())
}

fn caller(id: &str) -> Caller {
    Caller { id: id.to_owned(), kind: CallerKind::Agent, claims: serde_json::Map::new() }
}

fn call<'a>(caller: &'a Caller, tool: &'a str) -> Call<'a> {
    Call {
        backend: "tools",
        tool,
        tenant: None,
        resource: None,
        method: None,
        arguments: "{}",
        unread: Unread::Nothing,
        caller,
        reasoning: None,
        definition: Definition::Accepted,
    }
}

/// Backend, caller, tool, and how many of three calls get through after those before.
type Row<'a> = (usize, &'a Caller, &'a str, usize);

#[test]
fn what_each_rate_counts_together() {
    let three = Rate { burst: Some(3), ..ONE.unwrap() };
    let of_tool = config::Rates { tool: ONE, ..config::Rates::default() };
    let of_tools = config::Rates {
        tools: BTreeMap::from([("a".to_owned(), three)]),
        ..config::Rates { tool: ONE, ..config::Rates::default() }
    };
    let of_caller_tool = config::Rates { caller_tool: ONE, ..config::Rates::default() };
    let (ann, bob) = (caller("ann"), caller("bob"));
    let table: [(config::Rates, &[Row<'_>]); 4] = [
        (config::Rates::default(), &[(0, &ann, "a", 3)]),
        (of_tool, &[(0, &ann, "a", 1), (0, &bob, "a", 0), (1, &bob, "a", 1), (0, &ann, "b", 1)]),
        (of_tools, &[(0, &ann, "b", 1), (0, &ann, "a", 3), (0, &bob, "a", 0), (1, &bob, "a", 3)]),
        (of_caller_tool, &[(0, &ann, "a", 1), (0, &bob, "a", 1), (0, &ann, "b", 1), (0, &ann, "a", 0)]),
    ];
    for (settings, rows) in table {
        let rates = rates(&settings);
        for (place, caller, tool, expected) in rows {
            let call = call(caller, tool);
            let passed = (0..3).filter(|_| rates.calls(*place, &call, 1).is_ok()).count();
            assert_eq!(passed, *expected, "{tool} of {} at {place}: {settings:?}", caller.id);
        }
    }
}

#[test]
fn what_a_callers_rate_refuses_takes_nothing_from_all() {
    let two = Rate { burst: Some(2), ..ONE.unwrap() };
    let rates = rates(&config::Rates { caller: ONE, all: Some(two), ..config::Rates::default() });
    let (ann, bob, eve) = (Load::default(), Load::default(), Load::default());
    assert!(rates.requests(&ann, 1).is_ok());
    for _ in 0..10 {
        assert!(matches!(rates.requests(&ann, 1), Err(Refusal::RateLimitedCaller { seconds: 3600 })));
    }
    assert!(rates.requests(&bob, 1).is_ok());
    assert!(matches!(rates.requests(&eve, 1), Err(Refusal::RateLimited { seconds: 3600 })));
    assert!(matches!(rates.requests(&Load::default(), 2), Err(Refusal::BatchOverRate)));
}

#[test]
fn the_wait_is_rounded_up() {
    for (wait_ms, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
        assert_eq!(seconds(Duration::from_millis(wait_ms)), expected);
    }
}
