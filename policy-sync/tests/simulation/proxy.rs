//! A proxy: its end of the link, what it runs by, and its disk.

use std::collections::BTreeMap;

use policy_sync::{Document, Identity, Limits, ProxySync, Subject, TrustedKeys};

/// A document that does not compile has this in it.
pub(crate) const MISTAKE: &str = "mistake";

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) sync: ProxySync,
    pub(crate) link: Option<usize>,
    /// What calls are decided by.
    pub(crate) in_force: BTreeMap<Subject, Document>,
    /// The last known good, as bundles; it outlives the program.
    pub(crate) disk: BTreeMap<Subject, String>,
    /// Being compiled, and until when.
    pub(crate) trying: Vec<(u64, Document)>,
    pub(crate) boot: u64,
    pub(crate) next_record: u64,
    pub(crate) down_until_ms: u64,
}

impl Proxy {
    pub(crate) fn new(trusted: &TrustedKeys) -> Self {
        let mut proxy = Self {
            sync: ProxySync::new(identity(0), trusted.clone(), LIMITS, Vec::new()),
            link: None,
            in_force: BTreeMap::new(),
            disk: BTreeMap::new(),
            trying: Vec::new(),
            boot: 0,
            next_record: 1,
            down_until_ms: 0,
        };
        proxy.start(trusted);
        proxy
    }

    /// Starts with what is on the disk.
    pub(crate) fn start(&mut self, trusted: &TrustedKeys) {
        let kept = self.disk.values().map(|bundle| Document::from_bundle(bundle, trusted).unwrap());
        let kept: Vec<Document> = kept.collect();
        self.in_force = kept.iter().map(|document| (document.header().subject, document.clone())).collect();
        self.boot += 1;
        self.sync = ProxySync::new(identity(self.boot), trusted.clone(), LIMITS, kept);
        (self.link, self.trying) = (None, Vec::new());
    }
}

const LIMITS: Limits = Limits { document_max_bytes: 100_000 };

fn identity(boot: u64) -> Identity {
    Identity { version: "0.1.0".to_owned(), boot, org: Some("acme".to_owned()) }
}
