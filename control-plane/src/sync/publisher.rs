//! The publisher: one task that sees what changes for the organisations that have links, and signs and packs it once for
//! all of them.
//!
//! A change made at this control plane wakes it. What others on the same store change it finds by asking.

mod assemble;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policy_sync::{PolicyKey, Published};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

use crate::clock;
use crate::metrics::Metrics;
use crate::receipts::Receipts;
use crate::store::{OrgRevisions, ReceiptKeySet, Store, StoreError};
use assemble::{Assembled, Task};

/// How often the store is asked what changed.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How long it is left alone at least.
const ASK_GAP: Duration = Duration::from_millis(10);

/// How long an organisation without links is followed on: who comes back gets what it lacks, not everything.
const FORGET_AFTER: Duration = Duration::from_secs(5 * 60);

/// Organisations whose documents are made at once.
const ASSEMBLING_MAX: usize = 2;

/// What an organisation's links send; `None` until that is known for the first time.
pub(super) type Current = Option<Arc<Published>>;

/// What is published. Every clone is about the same.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    orgs: Arc<Mutex<HashMap<String, Followed>>>,
    wanted: Arc<Notify>,
}

/// An organisation that has links.
#[derive(Debug)]
struct Followed {
    current: watch::Sender<Current>,
    have: Have,
    is_assembling: bool,
    /// When its last link was seen.
    linked_at: Instant,
}

/// The revisions that are published.
#[derive(Clone, Copy, Debug, Default)]
struct Have {
    policy: u64,
    keys: Option<u64>,
    receipt_keys: u64,
}

/// Receipt keys, and which set they are.
#[derive(Clone, Debug)]
struct ReceiptKeys {
    jwks: Arc<Zeroizing<String>>,
    set: ReceiptKeySet,
}

/// The task's own.
struct Working {
    publisher: Publisher,
    store: Store,
    metrics: Metrics,
    key: Arc<PolicyKey>,
    receipts: Option<Receipts>,
    receipt_keys: Option<ReceiptKeys>,
    turns: Arc<Semaphore>,
    assembling: JoinSet<(String, Result<Assembled, StoreError>)>,
    fails: bool,
}

impl Publisher {
    /// Starts the task.
    pub(super) fn start(
        tasks: &mut JoinSet<()>,
        (store, metrics): (&Store, &Metrics),
        key: Arc<PolicyKey>,
        receipts: Option<Receipts>,
    ) -> Self {
        let publisher = Self { orgs: Arc::default(), wanted: Arc::default() };
        let working = Working {
            publisher: publisher.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            key,
            receipts,
            receipt_keys: None,
            turns: Arc::new(Semaphore::new(ASSEMBLING_MAX)),
            assembling: JoinSet::new(),
            fails: false,
        };
        tasks.spawn(working.run());
        publisher
    }

    /// What an organisation's links send, now and from now on.
    pub(super) fn follow(&self, org: &str) -> watch::Receiver<Current> {
        match self.lock().entry(org.to_owned()) {
            Entry::Occupied(followed) => followed.get().current.subscribe(),
            Entry::Vacant(place) => {
                let (current, receiver) = watch::channel(None);
                place.insert(Followed {
                    current,
                    have: Have::default(),
                    is_assembling: false,
                    linked_at: Instant::now(),
                });
                self.wanted.notify_one();
                receiver
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Followed>> {
        // Nothing that holds it can leave half of a change.
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The organisations that have links, or had some a moment ago; the others are forgotten.
    fn followed(&self) -> Vec<String> {
        let mut orgs = self.lock();
        orgs.retain(|_, followed| {
            if followed.current.receiver_count() > 0 {
                followed.linked_at = Instant::now();
            }
            followed.linked_at.elapsed() < FORGET_AFTER
        });
        orgs.keys().cloned().collect()
    }
}

impl Have {
    /// Nothing published ever goes back.
    fn is_newer_than(self, other: Self) -> bool {
        self.policy > other.policy || self.keys > other.keys || self.receipt_keys > other.receipt_keys
    }
}

impl Working {
    async fn run(mut self) {
        let mut asked_at = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(asked_at + ASK_EVERY) => {}
                () = self.publisher.wanted.notified() => {}
                () = self.store.edited() => {}
                Some(assembled) = self.assembling.join_next() => match assembled {
                    Ok((org, assembled)) => self.publish(&org, assembled),
                    Err(error) => {
                        tracing::error!(%error, "a document was not made");
                        self.publisher.lock().values_mut().for_each(|followed| followed.is_assembling = false);
                    }
                },
            }
            sleep_until(asked_at + ASK_GAP).await;
            asked_at = Instant::now();
            if let Err(error) = self.look().await {
                self.failed(&error);
            } else {
                self.fails = false;
            }
        }
    }

    /// Says once that the store fails, not five times a second.
    fn failed(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::error!(%error, "what changed for linked proxies can't be published; tried again");
        }
    }

    /// Asks what changed, and begins to make documents of it.
    async fn look(&mut self) -> Result<(), StoreError> {
        self.look_at_receipt_keys().await?;
        let orgs = self.publisher.followed();
        for newest in self.store.revisions_of(&orgs).await? {
            self.begin(newest);
        }
        Ok(())
    }

    async fn look_at_receipt_keys(&mut self) -> Result<(), StoreError> {
        let Some(receipts) = &self.receipts else { return Ok(()) };
        let jwks = receipts.jwks();
        if self.receipt_keys.as_ref().is_some_and(|known| Arc::ptr_eq(&known.jwks, &jwks)) {
            return Ok(());
        }
        let digest = Sha256::digest(jwks.as_bytes());
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let set = self.store.receipt_key_set(&sha256, clock::now()).await?;
        self.receipt_keys = Some(ReceiptKeys { jwks, set });
        Ok(())
    }

    /// Begins to make an organisation's documents, if any of them is to change and none is being made.
    fn begin(&mut self, newest: OrgRevisions) {
        let mut orgs = self.publisher.lock();
        let Some(followed) = orgs.get_mut(&newest.org) else { return };
        let receipt_keys = self.receipt_keys.as_ref().map_or(0, |keys| keys.set.revision);
        let wanted = Have { policy: newest.policy, keys: Some(newest.keys), receipt_keys };
        if followed.is_assembling || !wanted.is_newer_than(followed.have) {
            return;
        }
        followed.is_assembling = true;
        let task = Task {
            store: self.store.clone(),
            key: Arc::clone(&self.key),
            org: newest.org,
            wanted,
            have: followed.have,
            receipt_keys: self.receipt_keys.clone(),
            published: followed.current.borrow().clone().unwrap_or_default(),
        };
        drop(orgs);
        let turns = Arc::clone(&self.turns);
        self.assembling.spawn(async move {
            let _turn = turns.acquire_owned().await;
            (task.org.clone(), task.assemble().await)
        });
    }

    fn publish(&mut self, org: &str, assembled: Result<Assembled, StoreError>) {
        let publisher = self.publisher.clone();
        let mut orgs = publisher.lock();
        // Its last link may be gone.
        let Some(followed) = orgs.get_mut(org) else { return };
        followed.is_assembling = false;
        match assembled {
            Ok(Assembled { published, have, changed }) => {
                let is_first = followed.current.borrow().is_none();
                for (subject, made_at) in changed {
                    // What a control plane finds when it starts may be old.
                    let made_at = made_at.filter(|_| !is_first);
                    self.metrics
                        .sync
                        .published(subject, made_at.map(|at| clock::now().0.saturating_sub(at.0)));
                }
                followed.have = have;
                followed.current.send_replace(Some(published));
            }
            Err(error) => self.failed(&error),
        }
    }
}
