//! The link to a control plane elsewhere: what it sends is verified, put in force, and kept for the next start.
//!
//! What is said and taken is decided by [`ProxySync`]. Here are its clock and its sockets ([`driver`]), its disk ([`disk`]),
//! and what makes documents work ([`taken`]). All of it runs on the control runtime, and what takes long on threads of its
//! own: no call waits for any of it.

mod bundle;
mod dial;
mod disk;
mod driver;
mod held;
mod status;
mod taken;
mod trusted;
mod wire;

use std::sync::Arc;

use config::ControlLink;
use policy_sync::{ControlEnd, Document, Identity, Limits, ProxySync, Subject, TrustedKeys};

use crate::metrics::Metrics;
use crate::state::{Part, Shared};
pub(crate) use bundle::{Poller, Status as BundleStatus};
use disk::{Disk, Kept};
use driver::Driver;
pub(crate) use held::known_age_ms;
pub(crate) use status::Status;
pub use trusted::read as policy_keys;
use trusted::trusted;
use watched_files::FileError;

/// What a proxy that follows a control plane begins with, before there is a link.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// What was last known to be good, to be put in force.
    pub(crate) parts: Vec<Part>,
    pub(crate) status: Arc<Status>,
    sync: ProxySync,
    disk: Arc<Disk>,
    link: ControlLink,
}

/// A proxy can't begin to follow its control plane.
#[derive(Debug)]
pub(crate) enum CanNotFollow {
    File(FileError),
    NoEntropy,
}

impl Beginning {
    /// Reads what is on the disk.
    pub(crate) fn read(
        settings: &config::Proxy,
        link: &ControlLink,
        metrics: &Metrics,
    ) -> Result<Self, CanNotFollow> {
        let trusted = trusted(&link.policy_keys).map_err(CanNotFollow::File)?;
        let disk = Disk::open(&link.state_directory).map_err(CanNotFollow::File)?;
        let boot = getrandom::u64().map_err(|_| CanNotFollow::NoEntropy)?;
        let status = Status::new(settings, link);
        let (mut parts, mut documents) = (Vec::new(), Vec::new());
        for subject in Subject::ALL {
            if let Some(file) = taken::file_of(settings, subject) {
                let (subject, file) = (subject.as_str(), file.display());
                tracing::info!(subject, %file, "this file is the source; the control plane's is not put in force");
                continue;
            }
            let org = documents.first().map(|first: &Document| first.header().org.as_str());
            let loaded = last_known_good(&disk, subject, &trusted, link.org.as_deref().or(org), settings)
                .and_then(|kept| kept.map(|kept| Ok((taken::part(&kept, None, metrics)?, kept))).transpose());
            let result = match loaded {
                Ok(None) => "none",
                Ok(Some((part, kept))) => {
                    let revision = kept.document.header().revision;
                    tracing::info!(subject = subject.as_str(), revision, "begun with the last known good");
                    metrics.sync.revision(subject, revision);
                    status.begun_with(&kept);
                    parts.push(part);
                    documents.push(kept.document);
                    "loaded"
                }
                Err(reason) => {
                    tracing::error!(subject = subject.as_str(), reason, "the last known good is not used");
                    status.refused(subject, &format!("the last known good: {reason}"));
                    "refused"
                }
            };
            metrics.sync.last_known_good_loads.with_label_values(&[subject.as_str(), result]).inc();
        }
        let identity =
            Identity { version: env!("CARGO_PKG_VERSION").to_owned(), boot, org: link.org.clone() };
        let document_max_bytes = document_max_bytes(settings);
        Ok(Self {
            parts,
            status: Arc::new(status),
            sync: ProxySync::new(identity, trusted, Limits { document_max_bytes }, documents),
            disk: Arc::new(disk),
            link: link.clone(),
        })
    }

    /// Follows the control plane for as long as the proxy runs. `control` is the other end of what approvals and discovery
    /// talk over.
    pub(crate) async fn follow(self, shared: Arc<Shared>, control: ControlEnd) {
        let Self { sync, status, disk, link, .. } = self;
        Driver::new(shared, (sync, link), status, disk).drive(control).await;
    }
}

/// What the disk has of a subject, if it is signed, of this organisation, and no longer than documents may be.
fn last_known_good(
    disk: &Disk,
    subject: Subject,
    trusted: &TrustedKeys,
    org: Option<&str>,
    settings: &config::Proxy,
) -> Result<Option<Kept>, String> {
    let Some(kept) = disk.load(subject, trusted, document_max_bytes(settings))? else { return Ok(None) };
    let header = kept.document.header();
    match org {
        Some(org) if org != header.org => Err(format!("it is of `{}`, and this is `{org}`", header.org)),
        _ => Ok(Some(kept)),
    }
}

fn document_max_bytes(settings: &config::Proxy) -> usize {
    usize::try_from(settings.limits.max_document_bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
