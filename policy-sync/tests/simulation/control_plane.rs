//! A control plane: what it has published, and its end of every link. The store is the world's.

use std::collections::BTreeMap;

use policy_sync::{ControlAction, ControlEvent, ControlSync, Document, Published, Subject};

/// One of several that share a store.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) published: Published,
    /// When it looks at the store again.
    pub(crate) looks_at_ms: u64,
    /// Down until then.
    pub(crate) down_until_ms: u64,
    pub(crate) ends: BTreeMap<usize, ControlSync>,
}

impl ControlPlane {
    pub(crate) fn new() -> Self {
        Self { published: Published::default(), looks_at_ms: 0, down_until_ms: 0, ends: BTreeMap::new() }
    }

    /// Takes what the store has by now.
    pub(crate) fn look(&mut self, store: &[Document]) -> bool {
        let mut is_new = false;
        for subject in Subject::ALL {
            let newest = store.iter().rev().find(|document| document.header().subject == subject);
            let known = self.published.newest(subject).map(|publication| publication.document().version());
            if let Some(newest) = newest.filter(|newest| Some(newest.version()) != known) {
                self.published.publish(newest.clone()).unwrap();
                is_new = true;
            }
        }
        is_new
    }

    /// Gives one link what happened; says what to do.
    pub(crate) fn handle(&mut self, link: usize, event: ControlEvent<'_>, now_ms: u64) -> Vec<ControlAction> {
        let Some(end) = self.ends.get_mut(&link) else { return Vec::new() };
        end.handle(event, &self.published, now_ms);
        std::iter::from_fn(|| end.action()).collect()
    }
}
