//! How often: token buckets of callers, of tools, and of the proxy as a whole. All workers share them, without a lock.
//!
//! A caller's bucket is with its other counts ([`Load`]); a tool that has a rate of its own has a bucket at each backend.
//! For all other tools, whose names callers make up, there is a table of fixed size: two that fall on one place share its
//! rate, which is never more than either may have.

mod pace;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use policy::Call;
use prometheus::IntCounter;

use crate::caller::Load;
use crate::clock;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
pub(crate) use pace::Meter;
use pace::{Over, Pace};

/// Places of a table: 1 MiB.
const TABLE_PLACES: usize = 131_072;

/// Every rate of a proxy.
#[derive(Debug)]
pub(crate) struct Rates {
    caller: Option<Limited<()>>,
    all: Option<Limited<Meter>>,
    /// A meter for each backend, in the order of the settings.
    tools: HashMap<String, Limited<Vec<Meter>>>,
    tool: Option<Limited<Table>>,
    caller_tool: Option<Limited<Table>>,
}

/// A rate, what is metered by it, and how often it was reached.
#[derive(Debug)]
struct Limited<M> {
    pace: Pace,
    meters: M,
    reached: IntCounter,
}

/// Meters for keys without number.
#[derive(Debug)]
struct Table {
    /// Nobody outside can know which keys fall together.
    hasher: RandomState,
    meters: Vec<Meter>,
}

impl Rates {
    pub(crate) fn new(settings: &config::Rates, backends: usize, metrics: &Metrics) -> Self {
        let meters = || (0..backends).map(|_| Meter::default()).collect();
        let tools = settings.tools.iter();
        Self {
            caller: Limited::new(settings.caller, "caller", metrics, || ()),
            all: Limited::new(settings.all, "all", metrics, Meter::default),
            tools: tools
                .filter_map(|(tool, rate)| {
                    Some((tool.clone(), Limited::new(Some(*rate), "tools", metrics, meters)?))
                })
                .collect(),
            tool: Limited::new(settings.tool, "tool", metrics, Table::new),
            caller_tool: Limited::new(settings.caller_tool, "caller_tool", metrics, Table::new),
        }
    }

    /// A caller makes so many requests. What its own rate refuses takes nothing from the rate of all.
    pub(crate) fn requests(&self, load: &Load, count: u32) -> Result<(), Refusal> {
        if self.caller.is_none() && self.all.is_none() {
            return Ok(());
        }
        let now = clock::uptime();
        if let Some(caller) = &self.caller {
            caller.take(&load.requests, now, count, |seconds| Refusal::RateLimitedCaller { seconds })?;
        }
        if let Some(all) = &self.all {
            all.take(&all.meters, now, count, |seconds| Refusal::RateLimited { seconds })?;
        }
        Ok(())
    }

    /// Policy lets so many calls of a tool through, or holds them. A call that it refuses takes nothing from the tool's
    /// rate: else whoever may not call a tool could keep others from it.
    pub(crate) fn calls(&self, place: usize, call: &Call<'_>, count: u32) -> Result<(), Refusal> {
        if self.tools.is_empty() && self.tool.is_none() && self.caller_tool.is_none() {
            return Ok(());
        }
        let now = clock::uptime();
        let refusal = |seconds| Refusal::RateLimitedTool { seconds };
        if let Some(limited) = &self.caller_tool {
            let meter = limited.meters.meter((place, call.tool, &call.caller.id));
            limited.take_from(meter, now, count, refusal)?;
        }
        if let Some(limited) = self.tools.get(call.tool) {
            limited.take_from(limited.meters.get(place), now, count, refusal)
        } else if let Some(limited) = &self.tool {
            limited.take_from(limited.meters.meter((place, call.tool)), now, count, refusal)
        } else {
            Ok(())
        }
    }
}

impl<M> Limited<M> {
    fn new(
        rate: Option<config::Rate>,
        name: &str,
        metrics: &Metrics,
        meters: impl FnOnce() -> M,
    ) -> Option<Self> {
        let reached = metrics.limits_reached.with_label_values(&[&format!("rates.{name}")]);
        rate.map(|rate| Self { pace: Pace::new(&rate), meters: meters(), reached })
    }

    fn take(
        &self,
        meter: &Meter,
        now: Duration,
        count: u32,
        refusal: impl FnOnce(u32) -> Refusal,
    ) -> Result<(), Refusal> {
        meter.take(&self.pace, now, count).map_err(|over| {
            self.reached.inc();
            match over {
                Over::Wait(wait) => refusal(seconds(wait)),
                Over::TooMany => Refusal::BatchOverRate,
            }
        })
    }

    /// Without a meter there is nothing to take: there is one for every backend and every place.
    fn take_from(
        &self,
        meter: Option<&Meter>,
        now: Duration,
        count: u32,
        refusal: impl FnOnce(u32) -> Refusal,
    ) -> Result<(), Refusal> {
        match meter {
            Some(meter) => self.take(meter, now, count, refusal),
            None => Err(refusal(seconds(Duration::MAX))),
        }
    }
}

impl Table {
    fn new() -> Self {
        let meters = std::iter::repeat_with(Meter::default).take(TABLE_PLACES).collect();
        Self { hasher: RandomState::new(), meters }
    }

    fn meter(&self, key: impl Hash) -> Option<&Meter> {
        let places = u64::try_from(TABLE_PLACES).unwrap_or(1);
        let place = usize::try_from(self.hasher.hash_one(key) % places).unwrap_or(0);
        self.meters.get(place)
    }
}

/// Whole seconds, at least one: who waits as long gets through.
fn seconds(wait: Duration) -> u32 {
    let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(whole.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
