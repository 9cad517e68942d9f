//! What people on call ask of backends: which endpoints there are, how each is, and why.

use std::sync::Arc;

use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::endpoints::Endpoints;
use crate::clock;
use crate::metrics::Metrics;
use crate::state::Shared;

/// Every backend with its endpoints, as `/backends` shows it.
pub(crate) fn report(shared: &Shared) -> Value {
    let backends: Vec<Value> = shared.endpoints.iter().map(|endpoints| backend(endpoints)).collect();
    json!({"backends": backends})
}

/// Brings the gauges of endpoints up to date.
pub(crate) fn measure(all: &[Arc<Endpoints>], metrics: &Metrics) {
    let up = &metrics.endpoints.up;
    // Those that are gone must not be shown for ever.
    up.reset();
    for endpoints in all {
        let backend = endpoints.backend.as_str();
        let mut idle = 0;
        for endpoint in &endpoints.set().endpoints {
            let address = endpoint.address.to_string();
            up.with_label_values(&[backend, &address]).set(endpoint.is_usable().into());
            idle += i64::from(endpoint.idle());
        }
        metrics.backends.idle.with_label_values(&[backend]).set(idle);
        metrics.endpoints.calls.with_label_values(&[backend]).set(endpoints.calls().into());
    }
}

fn backend(endpoints: &Endpoints) -> Value {
    let set = endpoints.set();
    let is_panic = !set.endpoints.iter().any(|endpoint| endpoint.is_usable());
    let name = |place: usize| {
        let settings = endpoints.names.get(place).map(|name| &name.settings);
        settings.map(|settings| format!("{}:{}", settings.host, settings.port))
    };
    let known = endpoints.known();
    let names = known.iter().enumerate().map(|(place, known)| {
        json!({
            "name": name(place),
            "addresses": known.addresses,
            "looked_up_unix_ms": known.looked_up.map(|at| at.0),
            "error": known.error,
        })
    });
    json!({
        "name": endpoints.backend,
        "calls": endpoints.calls(),
        "panic": is_panic,
        "names": names.collect::<Vec<_>>(),
        "endpoints": set.endpoints.iter().map(|one| endpoint(one, name(one.name).as_deref())).collect::<Vec<_>>(),
    })
}

fn endpoint(endpoint: &Endpoint, name: Option<&str>) -> Value {
    let left_out = endpoint.last_left_out();
    let out_for_ms = endpoint.failures.out_for_ms(clock::uptime_ms);
    let state = match out_for_ms {
        _ if endpoint.checks.is_down() => "unhealthy",
        Some(_) => "ejected",
        None => "up",
    };
    json!({
        "address": endpoint.address,
        "name": name,
        "weight": endpoint.weight,
        "state": state,
        "left_out_unix_ms": left_out.as_ref().map(|left_out| left_out.since.0),
        "why": left_out.map(|left_out| left_out.why),
        "back_in_ms": out_for_ms,
        "failures_in_a_row": endpoint.failures.in_a_row(),
        "calls": endpoint.calls(),
        "idle_connections": endpoint.idle(),
    })
}
