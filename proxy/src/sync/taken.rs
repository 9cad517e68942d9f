//! From a signed document to what is put in force.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use config::{Environment, Keys};
use policy::UnixMillis;
use policy_sync::{Document, Subject};

use super::disk::Kept;
use crate::caller::Identities;
use crate::clock;
use crate::files::{compile, signing_keys, told};
use crate::metrics::Metrics;
use crate::state::{Part, PolicyInForce, Shared};

/// Most of the mistakes in a document that are told of, in bytes.
const MISTAKES_MAX_BYTES: usize = 8 * 1024;

/// The file that is the source of a subject, if the settings name one: then what the control plane has of it is not put in
/// force.
pub(super) fn file_of(settings: &config::Proxy, subject: Subject) -> Option<&Path> {
    match subject {
        Subject::Policy => settings.policy_file.as_deref(),
        Subject::Keys => settings.keys_file.as_deref(),
        Subject::ReceiptKeys => settings.receipts.keys_file.as_deref(),
    }
}

/// Puts a document in force, or says every mistake in it.
pub(super) fn put_in_force(shared: &Shared, document: &Document) -> Result<(), String> {
    let before = Arc::clone(&shared.in_force.load().identities);
    let kept = Kept { document: document.clone(), confirmed_at: clock::now() };
    shared.put(&part(&kept, Some(&before), &shared.metrics)?);
    Ok(())
}

/// What a document says, ready to be put in force.
pub(super) fn part(kept: &Kept, before: Option<&Identities>, metrics: &Metrics) -> Result<Part, String> {
    let text = kept.document.text();
    match kept.document.header().subject {
        Subject::Policy => {
            let policy = policy(kept).map_err(cut)?;
            told(metrics, &policy);
            Ok(Part::Policy(Arc::new(policy)))
        }
        Subject::Keys => {
            // What another machine sent is not filled in from this one's environment.
            let keys = Keys::read("keys", text, Environment::none());
            let keys = keys.map_err(|mistakes| cut(mistakes.to_string()))?;
            metrics.files.keys.set(keys.len().try_into().unwrap_or(i64::MAX));
            Ok(Part::Identities(Arc::new(Identities::new(&keys, before))))
        }
        Subject::ReceiptKeys => Ok(Part::ReceiptKeys(Arc::new(signing_keys(text).map_err(cut)?))),
    }
}

fn policy(kept: &Kept) -> Result<PolicyInForce, String> {
    let header = kept.document.header();
    let snapshot = compile(kept.document.text(), header.revision).map_err(|mistakes| mistakes.join("\n"))?;
    if snapshot.org() != header.org {
        return Err(format!(
            "it says that it is of `{}`, and is signed as of `{}`",
            snapshot.org(),
            header.org
        ));
    }
    let UnixMillis(confirmed_ms) = kept.confirmed_at;
    let sha256 = header.sha256.to_string();
    Ok(PolicyInForce {
        snapshot,
        sha256,
        loaded_at: clock::now(),
        confirmed_at: AtomicU64::new(confirmed_ms),
    })
}

fn cut(mut mistakes: String) -> String {
    mistakes.truncate(mistakes.floor_char_boundary(MISTAKES_MAX_BYTES));
    mistakes
}
