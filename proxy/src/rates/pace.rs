//! A token bucket as one number: the generic cell rate algorithm (ITU-T I.371). A meter holds the time at which its
//! bucket will be full again; each call moves that time on by what one call takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config::Rate;

/// A rate: what one call takes, and how far ahead of the clock a meter may be. In nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    call_ns: u64,
    burst_ns: u64,
}

/// A bucket, full at the start. Any thread may take from it.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

/// There is not enough in the bucket; nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// There will be after this time.
    Wait(Duration),
    /// There never will be: it is more than the bucket holds.
    TooMany,
}

impl Pace {
    pub(crate) fn new(rate: &Rate) -> Self {
        let second_ns = 1_000_000_000_u64;
        // Rounded up: never more than the rate.
        let call_ns = (u64::from(rate.per_seconds) * second_ns).div_ceil(u64::from(rate.calls.max(1)));
        let burst = u64::from(rate.burst.unwrap_or(rate.calls));
        Self { call_ns, burst_ns: call_ns.saturating_mul(burst) }
    }
}

impl Meter {
    /// Whether its bucket is full, as at the start.
    pub(crate) fn is_full(&self, now: Duration) -> bool {
        u128::from(self.0.load(Ordering::Relaxed)) <= now.as_nanos()
    }

    /// Takes what some calls take, all of it or nothing. `now` is the time since some start.
    pub(crate) fn take(&self, pace: &Pace, now: Duration, calls: u32) -> Result<(), Over> {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let calls_ns = pace.call_ns.saturating_mul(calls.into());
        if calls_ns > pace.burst_ns {
            return Err(Over::TooMany);
        }
        let latest_ns = now_ns.saturating_add(pace.burst_ns);
        let moved = |full_ns: u64| full_ns.max(now_ns).saturating_add(calls_ns);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_ns| {
            Some(moved(full_ns)).filter(|full_ns| *full_ns <= latest_ns)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(full_ns) => Err(Over::Wait(Duration::from_nanos(moved(full_ns).saturating_sub(latest_ns)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(calls: u32, per_seconds: u32, burst: u32) -> Pace {
        Pace::new(&Rate { calls, per_seconds, burst: Some(burst) })
    }

    #[test]
    fn a_burst_then_the_rate_then_a_burst_again() {
        let (pace, meter) = (pace(2, 1, 3), Meter::default());
        let at = Duration::from_millis;
        for (now_ms, calls, expected) in [
            (0, 4, Err(Over::TooMany)),
            (0, 1, Ok(())),
            (0, 2, Ok(())),
            (0, 1, Err(Over::Wait(at(500)))),
            (499, 1, Err(Over::Wait(at(1)))),
            (500, 1, Ok(())),
            (500, 2, Err(Over::Wait(at(1000)))),
            (600, 1, Err(Over::Wait(at(400)))),
            (60_000, 3, Ok(())),
            (60_000, 1, Err(Over::Wait(at(500)))),
        ] {
            assert_eq!(meter.take(&pace, at(now_ms), calls), expected, "{calls} at {now_ms}");
        }
    }

    #[test]
    fn the_burst_is_the_rate_unless_set() {
        let pace = Pace::new(&Rate { calls: 60, per_seconds: 60, burst: None });
        assert_eq!(Meter::default().take(&pace, Duration::ZERO, 60), Ok(()));
        assert_eq!(Meter::default().take(&pace, Duration::ZERO, 61), Err(Over::TooMany));
    }

    #[test]
    fn threads_together_get_no_more() {
        let (pace, meter) = (pace(1, 3600, 1000), Meter::default());
        let take = || (0..1000).filter(|_| meter.take(&pace, Duration::ZERO, 1).is_ok()).count();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }

    proptest! {
        /// In no window more than the burst and what the rate gives in its time; whoever waits as told gets through.
        #[test]
        fn never_more_than_burst_and_rate(
            (calls, per_seconds, burst) in (1_u32..5000, 1_u32..100, 1_u32..50),
            steps in proptest::collection::vec((0_u64..2_000_000_000, 1_u32..5), 1..200),
        ) {
            let (pace, meter) = (pace(calls, per_seconds, burst), Meter::default());
            let mut now = Duration::ZERO;
            let mut taken: Vec<(Duration, u32)> = Vec::new();
            for (rest_ns, count) in steps {
                now += Duration::from_nanos(rest_ns / u64::from(calls));
                match meter.take(&pace, now, count) {
                    Ok(()) => taken.push((now, count)),
                    Err(Over::TooMany) => prop_assert!(count > burst),
                    Err(Over::Wait(wait)) => {
                        let (early, due) = (now + wait - Duration::from_nanos(1), now + wait);
                        prop_assert!(meter.take(&pace, early, count).is_err());
                        prop_assert_eq!(meter.take(&pace, due, count), Ok(()));
                        taken.push((due, count));
                        now = due;
                    }
                }
            }
            for (place, (from, _)) in taken.iter().enumerate() {
                let mut sum = 0_u64;
                for (until, count) in &taken[place..] {
                    sum += u64::from(*count);
                    let window_ns = u64::try_from((*until - *from).as_nanos()).unwrap();
                    let given = window_ns * u64::from(calls) / (u64::from(per_seconds) * 1_000_000_000);
                    prop_assert!(sum <= u64::from(burst) + given, "{sum} in {window_ns} ns");
                }
            }
        }
    }
}
