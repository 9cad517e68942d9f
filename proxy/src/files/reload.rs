//! Another version of a file: put in force, or refused with every mistake in it.

use std::sync::Arc;

use watched_files::FileError;

use super::load::{load_jwks, load_keys, load_policy, load_receipt_keys, load_tls};
use super::watched::Watched;
use crate::caller::{Identities, Loaded};
use crate::clock;
use crate::metrics::Metrics;
use crate::state::{InForce, Part, PolicyInForce, Shared};

/// Loads one file and puts it in force; false if it was refused.
pub(super) fn reload(shared: &Shared, watched: Watched) -> bool {
    let (settings, metrics) = (&shared.settings, &shared.metrics);
    let name = watched.name(settings);
    if let Watched::Jwks(place) = watched {
        let Some(listener) = settings.listeners.get(place) else { return false };
        let loaded = load_jwks(&shared.issuers, listener);
        return note(metrics, &name, loaded, |loaded| {
            if loaded.is_some_and(Loaded::put) {
                shared.changed();
            }
        });
    }
    let Some(loaded) = load(shared, watched) else { return false };
    let noted = note(metrics, &name, loaded, |part| shared.put(&part));
    if noted && watched == Watched::Policy {
        shared.confirm_policy(clock::now());
    }
    noted
}

/// Loads one file beside what is in force; `None` if the settings don't name it.
fn load(shared: &Shared, watched: Watched) -> Option<Result<Part, FileError>> {
    let (settings, metrics) = (&shared.settings, &shared.metrics);
    let before = shared.in_force.load_full();
    Some(match watched {
        Watched::Policy => {
            let revision_before = before.policy.as_ref().map_or(0, |policy| policy.snapshot.revision());
            load_policy(settings.policy_file.as_deref()?, revision_before)
                .map(|policy| Part::Policy(same_or_new(metrics, &before, policy)))
        }
        Watched::Candidate => load_policy(settings.candidate_file.as_deref()?, 0)
            .map(|candidate| Part::Candidate(Arc::new(candidate))),
        Watched::Keys => load_keys(settings.keys_file.as_deref()).map(|keys| {
            metrics.files.keys.set(keys.len().try_into().unwrap_or(i64::MAX));
            Part::Identities(Arc::new(Identities::new(&keys, Some(&before.identities))))
        }),
        Watched::ReceiptKeys => load_receipt_keys(settings.receipts.keys_file.as_deref()?)
            .map(|keys| Part::ReceiptKeys(Arc::new(keys))),
        Watched::Tls(place) => load_tls(shared, place, &before.tls).map(Part::Tls),
        Watched::BackendTls(place) => {
            let backend = settings.backends.get(place)?;
            before.access(place).with_tls(&backend.hop).map(|access| Part::Access(place, access))
        }
        Watched::BackendCredential(place) => {
            let backend = settings.backends.get(place)?;
            before.access(place).with_credential(&backend.hop).map(|access| Part::Access(place, access))
        }
        Watched::Jwks(_) => return None,
    })
}

/// A file that was only touched brings no other policy.
fn same_or_new(metrics: &Metrics, before: &InForce, policy: PolicyInForce) -> Arc<PolicyInForce> {
    match &before.policy {
        Some(before) if before.sha256 == policy.sha256 => Arc::clone(before),
        _ => {
            told(metrics, &policy);
            Arc::new(policy)
        }
    }
}

/// Metrics and the log tell of the policy that is put in force.
pub(crate) fn told(metrics: &Metrics, policy: &PolicyInForce) {
    let rules = policy.snapshot.rules_count();
    metrics.files.policy_loaded.set(1);
    metrics.files.policy_revision.set(policy.snapshot.revision().try_into().unwrap_or(i64::MAX));
    metrics.files.policy_rules.set(rules.try_into().unwrap_or(i64::MAX));
    tracing::info!(revision = policy.snapshot.revision(), sha256 = policy.sha256, rules, "policy in force");
}

/// Uses what was loaded, or logs every mistake; counts either. Whoever sees the count sees it in force.
fn note<T>(
    metrics: &Metrics,
    name: &str,
    loaded: Result<T, FileError>,
    put_in_force: impl FnOnce(T),
) -> bool {
    let mistakes = loaded.as_ref().err().map_or(0, |error| error.mistakes.len());
    metrics.files.load_errors.with_label_values(&[name]).set(mistakes.try_into().unwrap_or(i64::MAX));
    let result = match loaded {
        Ok(loaded) => {
            put_in_force(loaded);
            "loaded"
        }
        Err(error) => {
            for mistake in &error.mistakes {
                tracing::error!(file = %error.file.display(), mistake, "file refused; what was in force stays");
            }
            "refused"
        }
    };
    metrics.files.loads.with_label_values(&[name, result]).inc();
    mistakes == 0
}
