//! The links that are up: one of each proxy.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::clock;
use crate::store::ProxyLink;

/// The links that are up.
#[derive(Debug)]
pub(super) struct LinkTable {
    /// Tells this control plane from others on the same store, and from itself before a restart.
    instance: String,
    links: Mutex<Linked>,
}

#[derive(Debug, Default)]
struct Linked {
    /// By organisation and proxy.
    links: HashMap<(String, String), Linking>,
    last: u64,
    is_stopped: bool,
}

#[derive(Debug)]
struct Linking {
    number: u64,
    link: Arc<ProxyLink>,
    token_sha256: String,
    cut: oneshot::Sender<Cut>,
}

/// Why a link ends from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The same proxy has a newer link.
    Replaced,
    /// Its token is good no more.
    Revoked,
    /// The control plane stops.
    Stopping,
}

/// A link's place in the table, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    table: Arc<LinkTable>,
    /// Another one for each link.
    pub(super) number: u64,
    pub(super) link: Arc<ProxyLink>,
}

impl Default for LinkTable {
    fn default() -> Self {
        let instance = getrandom::u64().unwrap_or_else(|_| clock::now().0);
        Self { instance: format!("{instance:016x}"), links: Mutex::default() }
    }
}

impl LinkTable {
    /// Takes a link in; what it is to be cut for comes through the receiver. An older one of the same proxy is cut.
    pub(super) fn join(
        self: &Arc<Self>,
        org: String,
        proxy: String,
        token_sha256: String,
    ) -> (Seat, oneshot::Receiver<Cut>) {
        let (cut, is_cut) = oneshot::channel();
        let mut linked = self.lock();
        linked.last += 1;
        let number = linked.last;
        let name = (org.clone(), proxy.clone());
        let link = ProxyLink { org, proxy, instance: self.instance.clone(), connected_at: clock::now() };
        let link = Arc::new(link);
        let seat = Seat { table: Arc::clone(self), number, link: Arc::clone(&link) };
        if linked.is_stopped {
            // Nobody is there to hear it if the receiver is gone.
            let _gone = cut.send(Cut::Stopping);
        } else if let Some(older) = linked.links.insert(name, Linking { number, link, token_sha256, cut }) {
            let _gone = older.cut.send(Cut::Replaced);
        }
        (seat, is_cut)
    }

    /// Cuts every link, and each that comes.
    pub(super) fn stop(&self) {
        let mut linked = self.lock();
        linked.is_stopped = true;
        for (_, linking) in linked.links.drain() {
            let _gone = linking.cut.send(Cut::Stopping);
        }
    }

    /// The SHA-256 of all tokens.
    pub(super) fn tokens(&self) -> Vec<String> {
        self.lock().links.values().map(|linking| linking.token_sha256.clone()).collect()
    }

    /// Cuts the links of those proxies whose tokens are among `asked` and not good.
    pub(super) fn revoke(&self, asked: &[String], is_good: impl Fn(&str) -> bool) {
        let bad: HashSet<&String> = asked.iter().filter(|sha256| !is_good(sha256)).collect();
        if bad.is_empty() {
            return;
        }
        let is_bad = |linking: &Linking| bad.contains(&linking.token_sha256);
        let revoked: Vec<_> = self.lock().links.extract_if(|_, linking| is_bad(linking)).collect();
        for (_, linking) in revoked {
            let _gone = linking.cut.send(Cut::Revoked);
        }
    }

    /// All links.
    pub(super) fn links(&self) -> Vec<Arc<ProxyLink>> {
        self.lock().links.values().map(|linking| Arc::clone(&linking.link)).collect()
    }

    /// Tells this control plane from others on the same store.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn len(&self) -> usize {
        self.lock().links.len()
    }

    fn lock(&self) -> MutexGuard<'_, Linked> {
        // Nothing that holds it can leave half of a change.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let name = (self.link.org.clone(), self.link.proxy.clone());
        if let Entry::Occupied(found) = self.table.lock().links.entry(name)
            && found.get().number == self.number
        {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_one_link() {
        let table = Arc::<LinkTable>::default();
        let join = |org: &str, proxy: &str, token: &str| {
            table.join(org.to_owned(), proxy.to_owned(), token.to_owned())
        };
        let (first, mut first_cut) = join("acme", "gate-1", "a");
        let (_other, mut other_cut) = join("other", "gate-1", "b");
        let (second, mut second_cut) = join("acme", "gate-1", "a");
        assert_eq!(first_cut.try_recv(), Ok(Cut::Replaced));
        // The older one's end does not end the newer one.
        drop(first);
        assert_eq!(table.len(), 2);
        let asked = table.tokens();
        table.revoke(&asked, |sha256| sha256 == "b");
        assert_eq!(second_cut.try_recv(), Ok(Cut::Revoked));
        assert!(other_cut.try_recv().is_err());
        drop(second);
        table.stop();
        assert_eq!(other_cut.try_recv(), Ok(Cut::Stopping));
        assert_eq!(join("acme", "gate-2", "c").1.try_recv(), Ok(Cut::Stopping));
        assert_eq!(table.len(), 0);
    }
}
