//! Another version of a file: put in force, or refused with every mistake in it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use watched_files::FileError;

use super::load::{load_jwks, load_keys, load_policy, load_receipt_keys, load_tls};
use super::watched::Watched;
use crate::caller::{Identities, Loaded};
use crate::clock;
use crate::metrics::Metrics;
use crate::state::{InForce, PolicyInForce, Shared};
use crate::tls::ListenerTls;

/// Loads one file and puts it in force; false if it was refused. The watcher is the only writer of what is in force.
pub(super) fn reload(shared: &Shared, watched: Watched) -> bool {
    let (settings, metrics) = (&shared.settings, &shared.metrics);
    let before = shared.in_force.load_full();
    let loaded = match watched {
        Watched::Policy => {
            let revision_before = before.policy.as_ref().map_or(0, |policy| policy.snapshot.revision());
            load_policy(&settings.policy_file, revision_before).map(|policy| {
                let same = before.policy.as_ref().filter(|before| before.sha256 == policy.sha256);
                let policy = same.map_or_else(|| Arc::new(in_force(metrics, policy)), Arc::clone);
                InForce { policy: Some(policy), ..InForce::clone(&before) }
            })
        }
        Watched::Candidate => match &settings.candidate_file {
            Some(file) => load_policy(file, 0)
                .map(|candidate| InForce { candidate: Some(Arc::new(candidate)), ..InForce::clone(&before) }),
            None => return false,
        },
        Watched::Keys => load_keys(settings.keys_file.as_deref()).map(|keys| {
            metrics.files.keys.set(keys.len().try_into().unwrap_or(i64::MAX));
            let identities = Arc::new(Identities::new(&keys, Some(&before.identities)));
            InForce { identities, ..InForce::clone(&before) }
        }),
        Watched::Jwks(place) => {
            let Some(listener) = settings.listeners.get(place) else { return false };
            let loaded = load_jwks(&shared.issuers, listener);
            return note(metrics, &watched.name(settings), loaded, |loaded| {
                if loaded.is_some_and(Loaded::put) {
                    changed(shared);
                }
            });
        }
        Watched::ReceiptKeys => load_receipt_keys(&settings.receipts.keys_file)
            .map(|keys| InForce { receipt_keys: Arc::new(keys), ..InForce::clone(&before) }),
        Watched::Tls(place) => {
            load_tls(shared, place, &before.tls).map(|tls| InForce { tls, ..InForce::clone(&before) })
        }
        Watched::BackendTls(place) | Watched::BackendCredential(place) => {
            let Some(backend) = settings.backends.get(place) else { return false };
            let access = before.access(place);
            let access = match watched {
                Watched::BackendTls(_) => access.with_tls(&backend.hop),
                _ => access.with_credential(&backend.hop),
            };
            access.map(|access| before.with_access(place, access))
        }
    };
    let noted = note(metrics, &watched.name(settings), loaded, |next| {
        let same_policy = match (&before.policy, &next.policy) {
            (Some(before), Some(next)) => Arc::ptr_eq(before, next),
            (before, next) => before.is_none() && next.is_none(),
        };
        let same_keys = Arc::ptr_eq(&before.identities, &next.identities);
        let same_authorities = before.tls.iter().zip(next.tls.iter()).all(|(before, next)| {
            let of = |tls: &Option<Arc<ListenerTls>>| tls.as_ref()?.authorities.as_ref().map(Arc::as_ptr);
            of(before) == of(next)
        });
        shared.in_force.store(Arc::new(next));
        if !(same_policy && same_keys && same_authorities) {
            changed(shared);
        }
    });
    if noted && watched == Watched::Policy {
        confirm(shared);
    }
    noted
}

/// Open streams look again whether they may stay.
fn changed(shared: &Shared) {
    shared.changes.send_modify(|change| *change = change.wrapping_add(1));
}

/// The source still has the policy in force.
pub(super) fn confirm(shared: &Shared) {
    if let Some(policy) = &shared.in_force.load().policy {
        policy.confirmed_at.store(clock::now().0, Ordering::Relaxed);
    }
}

pub(super) fn in_force(metrics: &Metrics, policy: PolicyInForce) -> PolicyInForce {
    let rules = policy.snapshot.rules_count();
    metrics.files.policy_loaded.set(1);
    metrics.files.policy_revision.set(policy.snapshot.revision().try_into().unwrap_or(i64::MAX));
    metrics.files.policy_rules.set(rules.try_into().unwrap_or(i64::MAX));
    tracing::info!(revision = policy.snapshot.revision(), sha256 = policy.sha256, rules, "policy in force");
    policy
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
