//! How it stands with the control plane, for people and their alerts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use config::ControlLink;
use policy::UnixMillis;
use policy_sync::{Document, Subject};
use serde_json::{Map, Value, json};

use super::disk::Kept;
use super::held::{Held, report};
use super::taken::file_of;
use crate::clock;
use crate::metrics::Metrics;
use crate::state::age_ms;

/// How it stands with the control plane.
#[derive(Debug)]
pub(crate) struct Status {
    url: String,
    /// The files that are the source in place of it.
    files: BTreeMap<Subject, String>,
    /// What no call can do without, beside a policy.
    needed: Vec<(Subject, &'static str)>,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    is_linked: bool,
    since: UnixMillis,
    why_not: Option<String>,
    held: BTreeMap<Subject, Held>,
    /// Why the newest was not taken, until one is.
    refused: BTreeMap<Subject, String>,
}

impl Status {
    pub(super) fn new(settings: &config::Proxy, link: &ControlLink) -> Self {
        let file = |subject| Some((subject, file_of(settings, subject)?.display().to_string()));
        let takes_keys = settings.listeners.iter().any(|listener| listener.auth.api_key);
        let keys = takes_keys.then_some((Subject::Keys, "no keys are in force"));
        let receipt_keys = Some((Subject::ReceiptKeys, "no receipt keys are in force"));
        let files: BTreeMap<_, _> = Subject::ALL.into_iter().filter_map(file).collect();
        let needed = keys.into_iter().chain(receipt_keys).filter(|(subject, _)| !files.contains_key(subject));
        Self {
            url: link.url.uri.to_string(),
            needed: needed.collect(),
            files,
            now: Mutex::new(Now {
                is_linked: false,
                since: clock::now(),
                why_not: None,
                held: BTreeMap::new(),
                refused: BTreeMap::new(),
            }),
        }
    }

    /// Whether what the control plane has of a subject is put in force.
    pub(super) fn takes(&self, subject: Subject) -> bool {
        !self.files.contains_key(&subject)
    }

    pub(super) fn begun_with(&self, kept: &Kept) {
        let header = kept.document.header();
        self.now().held.insert(header.subject, Held::last_known_good(kept));
    }

    pub(super) fn in_force(&self, document: &Document) {
        let header = document.header();
        let mut now = self.now();
        now.held.insert(header.subject, Held::new(document, "control plane"));
        now.refused.remove(&header.subject);
    }

    /// Whether a document could be kept on the disk.
    pub(super) fn kept(&self, document: &Document, is_kept: bool) {
        let header = document.header();
        if let Some(held) = self.now().held.get_mut(&header.subject)
            && held.revision == header.revision
        {
            held.is_kept = is_kept;
        }
    }

    pub(super) fn refused(&self, subject: Subject, why: &str) {
        self.now().refused.insert(subject, why.to_owned());
    }

    /// The control plane has just what is in force.
    pub(super) fn confirmed(&self, subject: Subject, at: UnixMillis) {
        if let Some(held) = self.now().held.get_mut(&subject) {
            held.confirmed_at = at;
            held.source = "control plane";
        }
    }

    pub(super) fn linked(&self) {
        let mut now = self.now();
        (now.is_linked, now.since, now.why_not) = (true, clock::now(), None);
    }

    pub(super) fn unlinked(&self, why: &str) {
        let mut now = self.now();
        if now.is_linked {
            (now.is_linked, now.since) = (false, clock::now());
        }
        now.why_not = Some(why.to_owned());
    }

    /// What no call can do without and is not there yet, beside a policy.
    pub(crate) fn lacks(&self) -> Vec<&'static str> {
        let now = self.now();
        let lacks = self.needed.iter().filter(|(subject, _)| !now.held.contains_key(subject));
        lacks.map(|(_, reason)| *reason).collect()
    }

    /// Where the policy in force is from.
    pub(crate) fn policy_source(&self) -> &'static str {
        self.now().held.get(&Subject::Policy).map_or("control plane", |held| held.source)
    }

    /// Sets the ages.
    pub(crate) fn measure(&self, metrics: &Metrics, now: UnixMillis) {
        for (subject, held) in &self.now().held {
            let seconds = age_ms(held.confirmed_at, now) / 1000;
            let age = metrics.sync.age_seconds.with_label_values(&[subject.as_str()]);
            age.set(seconds.try_into().unwrap_or(i64::MAX));
        }
    }

    /// All of it, as JSON.
    pub(crate) fn report(&self, at: UnixMillis) -> Value {
        let now = self.now();
        let documents: Map<_, _> = Subject::ALL
            .into_iter()
            .map(|subject| (subject.as_str().to_owned(), self.document(&now, subject, at)))
            .collect();
        json!({
            "url": self.url,
            "link": if now.is_linked { "up" } else { "down" },
            "since_unix_ms": now.since.0,
            "why": now.why_not,
            "documents": documents,
        })
    }

    fn document(&self, now: &Now, subject: Subject, at: UnixMillis) -> Value {
        if let Some(file) = self.files.get(&subject) {
            return json!({"source": file});
        }
        report(now.held.get(&subject), now.refused.get(&subject), at)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
