//! `policy::decide`: from a call to what becomes of it, on policies of ten rules to a million.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::CALL;
use benches::ring::{self, Extra, Names};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use policy::{Caller, CallerKind, Snapshot, decide};
use protocol::message::Message;

const SIZES: [usize; 3] = [10, 10_000, 1_000_000];
const SIZE: usize = 10_000;
/// Calls between two looks at the clock.
const BATCH: u64 = 32;
const WILDCARD: &str = r#"{"id":"last","permission":"allowed"}"#;
const FIRST_LEVEL: &str = "tenant/resource+tool+method";
const LAST_LEVEL: &str = "org/any";
const NO_LEVEL: &str = "fail-safe";

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = sizes, kinds_of_rules
}
criterion_main!(benches);

/// A rule at the first level, a rule at the last, and none at all: by the number of rules. With one call again and
/// again all that is looked at is in the processor's caches; with many calls, far apart, what they have in common is.
fn sizes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for rules in SIZES {
        let with_last = ring::snapshot(rules, Extra { rules: &[WILDCARD], ..Extra::default() });
        let passing = ring::passing_calls(rules - 1);
        decides(&mut group, rules, (&with_last, FIRST_LEVEL), &ring::first_level_calls(rules - 1));
        decides(&mut group, rules, (&with_last, LAST_LEVEL), &passing);
        drop(with_last);
        let without_last = ring::snapshot(rules, Extra::default());
        decides(&mut group, rules, (&without_last, NO_LEVEL), &passing);
    }
    group.finish();
}

/// What rules can say besides names: eight patterns that match the resource, the shortest of which decides; eight tags
/// of the tool; a condition on the call's arguments.
fn kinds_of_rules(criterion: &mut Criterion) {
    let prefixes: Vec<String> = (1..=8).map(|parts| "area/".repeat(parts)).collect();
    let patterns: Vec<String> = prefixes
        .iter()
        .map(|prefix| {
            format!(r#"{{"id":"{prefix}","resource":"{prefix}*","method":"merge","permission":"disabled"}}"#)
        })
        .chain([r#"{"id":"area","resource":"area/*","permission":"allowed"}"#.to_owned()])
        .collect();
    let tags: Vec<String> = (0..8)
        .map(|tag| format!(r#"{{"id":"mark-{tag}","tag":"mark-{tag}","permission":"allowed"}}"#))
        .collect();
    let tagged = r#"{"name":"tagged","tags":["mark-0","mark-1","mark-2","mark-3","mark-4","mark-5","mark-6","mark-7"]}"#;
    let condition = r#"{"id":"small","tool":"conditioned","permission":"allowed",
        "when":"args.revision < 100 && args.mode == 'write' && caller.kind == 'agent'"}"#;
    let names = |tool: &str, resource: &str| Names {
        tenant: "team-0".to_owned(),
        resource: resource.to_owned(),
        tool: tool.to_owned(),
        method: "write".to_owned(),
    };

    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let snapshot = ring::snapshot(SIZE, Extra { rules: &patterns, ..Extra::default() });
    let page = format!("{}page", "area/".repeat(8));
    let mut group = criterion.benchmark_group("decide, eight patterns");
    decides(&mut group, SIZE, (&snapshot, "org/resource"), &[names("tool-0", &page)]);
    group.finish();

    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let snapshot = ring::snapshot(SIZE, Extra { tools: &[tagged], rules: &tags });
    let mut group = criterion.benchmark_group("decide, eight tags");
    decides(&mut group, SIZE, (&snapshot, "org/tag"), &[names("tagged", "space-0")]);
    group.finish();

    let conditioned = r#"{"name":"conditioned"}"#;
    let snapshot = ring::snapshot(SIZE, Extra { tools: &[conditioned], rules: &[condition] });
    let mut group = criterion.benchmark_group("decide, a condition");
    decides(&mut group, SIZE, (&snapshot, "org/tool"), &[names("conditioned", "space-0")]);
    group.finish();
}

/// Decides on the calls, which must all be decided at this level: on the first again and again, and on all in turn.
fn decides(
    group: &mut BenchmarkGroup<'_, WallTime>,
    rules: usize,
    (snapshot, level): (&Snapshot, &str),
    calls: &[Names],
) {
    assert_eq!(snapshot.rules_count(), rules);
    let caller = Caller { id: "agent-1".to_owned(), kind: CallerKind::Agent, claims: Default::default() };
    let message = Message::read(CALL).expect("the call is good");
    let arguments = message.params().expect("a call has parameters").arguments;
    for names in calls {
        let call = names.call(arguments, &caller);
        assert_eq!(ring::level(snapshot, &call).as_str(), level, "{call:?}");
    }
    let one = &calls[0].call(arguments, &caller);
    let rules = format!("{rules} rules");
    group.bench_function(BenchmarkId::new(format!("{level}, one call"), &rules), |bencher| {
        bencher.iter(|| decide(snapshot, black_box(one), None, ring::NOW));
    });
    if calls.len() > 1 {
        let mut in_turn = calls.iter().cycle();
        group.bench_function(
            BenchmarkId::new(format!("{level}, {} calls", calls.len()), &rules),
            |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut elapsed = Duration::ZERO;
                    for _ in 0..iterations.div_ceil(BATCH) {
                        // Copies, as fresh from reading as a call's words are when it is decided.
                        let batch: Vec<Names> = in_turn.by_ref().take(BATCH as usize).cloned().collect();
                        let started = Instant::now();
                        for names in &batch {
                            black_box(decide(snapshot, &names.call(arguments, &caller), None, ring::NOW));
                        }
                        elapsed += started.elapsed();
                    }
                    elapsed.mul_f64(iterations as f64 / iterations.next_multiple_of(BATCH) as f64)
                });
            },
        );
    }
}
