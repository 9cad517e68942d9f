//! The endpoints of one backend, shared by every worker: which there are, and which one a call goes to.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use config::{Ejection, EndpointName, Limits};
use policy::UnixMillis;
use tokio::sync::Notify;

use super::ejection::{Failure, may_eject};
use super::endpoint::Endpoint;
use super::set::Set;
use crate::clock;
use crate::metrics::{EndpointCounters, Metrics};
use crate::state::{Count, Counted};

/// Endpoints that one call tries to connect to, at most.
pub(super) const TRIES_MAX: usize = 3;

/// The endpoints of one backend.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) backend: String,
    pub(super) names: Vec<Name>,
    pub(super) counters: EndpointCounters,
    ejection: Ejection,
    max: usize,
    max_calls: u32,
    set: ArcSwap<Set>,
    turn: AtomicUsize,
    calls: Arc<Count>,
    /// What the names stand for; whoever changes the set holds it.
    known: Mutex<Vec<Known>>,
    /// Two endpoints are not left out at the same moment: both could be the last.
    ejecting: Mutex<()>,
}

/// One name, and whoever looks it up.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) settings: EndpointName,
    /// Asks for a look before its time.
    pub(super) asked: Notify,
}

/// What a name stands for, as far as is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) looked_up: Option<UnixMillis>,
    /// Why the last look failed.
    pub(super) error: Option<String>,
}

/// What a call's endpoint is chosen by.
#[derive(Clone, Debug)]
pub(crate) enum Affinity<'a> {
    /// Any will do.
    Any,
    /// All calls of this caller go to one.
    Caller(&'a str),
    /// Its session lives on this one. If that is no more to be reached, another one may say so.
    Session(Arc<Endpoint>, &'a str),
    /// This one and no other.
    Only(Arc<Endpoint>),
}

impl Endpoints {
    /// The endpoints of a backend. Addresses are known at once, names are not.
    pub(crate) fn new(backend: &config::Backend, limits: &Limits, metrics: &Metrics) -> Arc<Self> {
        let names: Vec<Name> = backend
            .endpoints
            .iter()
            .map(|settings| Name { settings: settings.clone(), asked: Notify::new() })
            .collect();
        let known = vec![Known::default(); names.len()];
        let endpoints = Arc::new(Self {
            counters: metrics.endpoints.of(&backend.name),
            backend: backend.name.clone(),
            names,
            ejection: backend.ejection,
            max: usize::try_from(limits.max_endpoints_per_backend).unwrap_or(usize::MAX),
            max_calls: limits.max_calls_per_backend,
            set: ArcSwap::from_pointee(Set::default()),
            turn: AtomicUsize::new(0),
            calls: Arc::default(),
            known: Mutex::new(known),
            ejecting: Mutex::default(),
        });
        for (place, name) in endpoints.names.iter().enumerate() {
            if let Some(ip) = name.literal() {
                endpoints.found(place, vec![SocketAddr::new(ip, name.settings.port)]);
            }
        }
        endpoints
    }

    /// Counts one more call under way, unless there are too many.
    pub(super) fn enter(&self) -> Option<Counted> {
        self.calls.enter(self.max_calls)
    }

    /// Calls under way.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.now()
    }

    /// The endpoints there are now.
    pub(super) fn set(&self) -> Arc<Set> {
        self.set.load_full()
    }

    /// Whether there is a choice.
    pub(crate) fn are_several(&self) -> bool {
        self.set.load().endpoints.len() > 1
    }

    /// Whether there ever may be a choice: one address is, and stays, one.
    pub(crate) fn may_be_several(&self) -> bool {
        !matches!(&self.names[..], [only] if only.literal().is_some())
    }

    /// How many endpoints a call may try.
    pub(super) fn tries(&self, affinity: &Affinity<'_>) -> usize {
        match affinity {
            Affinity::Only(_) => 1,
            _ => self.set.load().endpoints.len().clamp(1, TRIES_MAX),
        }
    }

    /// The endpoint for a call that could not connect to those in `tried`; `None` if there is no further one.
    pub(super) fn choose(&self, affinity: &Affinity<'_>, tried: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
        let set = self.set.load();
        let is_untried = |endpoint: &Arc<Endpoint>| !tried.iter().any(|other| Arc::ptr_eq(other, endpoint));
        if let Affinity::Only(endpoint) = affinity {
            // What is at an address that no name stands for any more is somebody else.
            return (is_untried(endpoint) && !endpoint.is_gone()).then(|| Arc::clone(endpoint));
        }
        if let [only] = &set.endpoints[..] {
            return is_untried(only).then(|| Arc::clone(only));
        }
        let is_panic = !set.endpoints.iter().any(|endpoint| endpoint.is_usable());
        if is_panic && tried.is_empty() {
            self.counters.panics.inc();
        }
        let fits = |endpoint: &Arc<Endpoint>| is_untried(endpoint) && (is_panic || endpoint.is_usable());
        let caller = match affinity {
            Affinity::Session(home, _) if !home.is_gone() && fits(home) => return Some(Arc::clone(home)),
            Affinity::Session(_, caller) | Affinity::Caller(caller) => Some(*caller),
            Affinity::Any | Affinity::Only(_) => None,
        };
        // Another try of one call is no turn of its own: the next call would begin where this one failed.
        let turns = usize::from(tried.is_empty());
        let choose = |fits: &dyn Fn(&Arc<Endpoint>) -> bool| match caller {
            Some(caller) => set.of_caller(caller, fits),
            None => set.in_turn(self.turn.fetch_add(turns, Ordering::Relaxed), fits),
        };
        // Better one that is left out than none.
        choose(&fits).or_else(|| choose(&is_untried)).cloned()
    }

    /// An endpoint failed a call.
    pub(super) fn failed(&self, endpoint: &Arc<Endpoint>, failure: Failure) {
        if failure == Failure::Unreachable
            && let Some(name) = self.names.get(endpoint.name)
        {
            // What it stands for may have moved.
            name.asked.notify_one();
        }
        let now_ms = clock::uptime_ms();
        if !endpoint.failures.failed(self.ejection, now_ms) {
            return;
        }
        let _one_at_a_time = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let set = self.set.load();
        let is_out = |endpoint: &&Arc<Endpoint>| endpoint.failures.out_for_ms(|| now_ms).is_some();
        let out = set.endpoints.iter().filter(is_out).count();
        if endpoint.is_gone() || is_out(&endpoint) || !may_eject(self.ejection, set.endpoints.len(), out) {
            return;
        }
        let out_ms = endpoint.failures.eject(self.ejection, now_ms);
        endpoint.is_left_out(failure.name().to_owned());
        self.counters.ejections.inc();
        tracing::warn!(
            backend = self.backend,
            endpoint = %endpoint.address,
            failure = failure.name(),
            out_ms,
            "an endpoint fails again and again; it is left out for a while"
        );
    }

    /// A name stands for these addresses, and no others. Endpoints that there were before stay what they are.
    pub(super) fn found(&self, place: usize, addresses: Vec<SocketAddr>) {
        let mut addresses = addresses;
        // In one order, so that every proxy takes the same ones.
        addresses.sort_unstable();
        addresses.dedup();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = known.get_mut(place) else { return };
        name.looked_up = Some(clock::now());
        name.error = None;
        if name.addresses == addresses {
            return;
        }
        name.addresses = addresses;
        let before = self.set.load_full();
        let mut endpoints: Vec<Arc<Endpoint>> = Vec::new();
        for (place, (known, name)) in known.iter().zip(&self.names).enumerate() {
            for address in &known.addresses {
                if endpoints.iter().any(|endpoint| endpoint.address == *address) {
                    continue;
                }
                if endpoints.len() >= self.max {
                    self.counters.too_many.inc();
                    tracing::warn!(backend = self.backend, %address, "more addresses than are used");
                    continue;
                }
                let is_same =
                    |endpoint: &&Arc<Endpoint>| endpoint.address == *address && endpoint.name == place;
                let stays = before.endpoints.iter().find(is_same).map(Arc::clone);
                endpoints.push(stays.unwrap_or_else(|| Endpoint::new(*address, name.settings.weight, place)));
            }
        }
        self.set.store(Arc::new(Set::new(endpoints)));
        let after = self.set.load();
        for endpoint in &before.endpoints {
            if !after.endpoints.iter().any(|stays| Arc::ptr_eq(stays, endpoint)) {
                endpoint.leave();
            }
        }
        let addresses: Vec<_> = after.endpoints.iter().map(|endpoint| endpoint.address).collect();
        tracing::info!(backend = self.backend, ?addresses, "endpoints");
    }

    /// A name could not be looked up: what it stood for it still does.
    pub(super) fn not_found(&self, place: usize, error: String) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(known), Some(name)) = (known.get_mut(place), self.names.get(place)) else { return };
        if known.error.is_none() {
            let (host, kept) = (&name.settings.host, known.addresses.len());
            tracing::warn!(
                backend = self.backend,
                host,
                error,
                kept,
                "a name can't be looked up; what it stood for stays"
            );
        }
        known.error = Some(error);
    }

    /// What the names stand for.
    pub(super) fn known(&self) -> Vec<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Name {
    /// The address that it is, if it is one and no name.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.settings.host.parse().ok()
    }
}

#[cfg(test)]
pub(super) mod tests;
