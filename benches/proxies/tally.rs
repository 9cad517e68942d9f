//! Counts for all proxies, and says when there is something to say.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// How finely dials are counted.
const BIN: Duration = Duration::from_millis(100);

/// What all proxies have come to.
pub(crate) struct Tally {
    proxies: usize,
    linked: usize,
    dials: Dials,
    /// The newest policy that any proxy has in force.
    revision: u64,
    /// When those that have it had it.
    in_force_at_us: Vec<u64>,
}

/// Tries to link since the first link was lost.
struct Dials {
    since: Instant,
    /// By time, from then on.
    bins: Vec<u32>,
    failed: u32,
}

/// What is said. Times are microseconds since 1970, of the system's clock.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    /// All are linked. Dials are counted from the first lost link on, or the start.
    Linked { at_us: u64, dials: u32, failed: u32, bin_ms: u64, bins: Vec<u32> },
    /// All have this policy in force, and have said so.
    InForce { revision: u64, first_us: u64, median_us: u64, p99_us: u64, last_us: u64 },
    /// One was refused. That is not foreseen.
    Refused { why: String },
}

impl Tally {
    pub(crate) fn new(proxies: usize) -> Self {
        Self { proxies, linked: 0, dials: Dials::new(), revision: 0, in_force_at_us: Vec::new() }
    }

    pub(crate) fn dialled(&mut self) {
        let bin = self.dials.since.elapsed().as_millis() / BIN.as_millis();
        let bin = usize::try_from(bin).expect("a run has an end");
        let bins = &mut self.dials.bins;
        bins.resize(bins.len().max(bin + 1), 0);
        bins[bin] += 1;
    }

    pub(crate) fn dial_failed(&mut self) {
        self.dials.failed += 1;
    }

    pub(crate) fn linked(&mut self) {
        self.linked += 1;
        if self.linked == self.proxies {
            let Dials { bins, failed, .. } = &self.dials;
            say(&Event::Linked {
                at_us: now_us(),
                dials: bins.iter().sum(),
                failed: *failed,
                bin_ms: BIN.as_millis() as u64,
                bins: bins.clone(),
            });
        }
    }

    pub(crate) fn unlinked(&mut self) {
        if self.linked == self.proxies {
            self.dials = Dials::new();
        }
        self.linked -= 1;
    }

    pub(crate) fn in_force(&mut self, revision: u64) {
        if revision > self.revision {
            self.revision = revision;
            self.in_force_at_us.clear();
        }
        if revision < self.revision {
            return;
        }
        // One after the other, so they are in order.
        let times = &mut self.in_force_at_us;
        times.push(now_us());
        if times.len() == self.proxies {
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            say(&Event::InForce {
                revision,
                first_us: times[0],
                median_us: at(0.5),
                p99_us: at(0.99),
                last_us: at(1.0),
            });
        }
    }

    pub(crate) fn refused(&self, why: String) {
        say(&Event::Refused { why });
    }
}

impl Dials {
    fn new() -> Self {
        Self { since: Instant::now(), bins: Vec::new(), failed: 0 }
    }
}

fn say(event: &Event) {
    println!("{}", serde_json::to_string(event).expect("numbers and texts"));
}

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    u64::try_from(now.as_micros()).expect("a clock that is set")
}
