//! The policies of all organisations: the ones in force, compiled, and how a new revision comes about.
//!
//! A revision is never in force unless the whole of it compiles. That is tried before its transaction begins, so that
//! nobody waits for it; the transaction then only makes sure that nothing changed meanwhile.

mod candidate;
mod change;
mod recorded;
mod turns;
mod yaml;

use std::fmt;
use std::sync::Arc;

use edge::{Full, Place, Places};
use moka::sync::Cache;
use policy::diff::{Compared, compare};
use policy::document::Parts;
use policy::{Document, Snapshot};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::metrics::Metrics;
use crate::store::{Pieces, Plan, Store, StoreError};
use turns::{Locks, Turn, Turns, locks};

pub(crate) use candidate::text;
pub(crate) use change::{Expected, NotProposed, PolicyChange, Wanted, mistakes};
pub(crate) use recorded::{CHECKED, Difference, MINTED, Recorded, Replay};
pub(crate) use turns::First;
pub(crate) use yaml::yaml;

/// Largest policy of an organisation, as a JSON document.
pub(crate) const POLICY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Whole documents that come at once, or came and are worked on; and those of one organisation.
const RECEIVING_MAX: usize = 16;
const RECEIVING_PER_ORG_MAX: u32 = 4;

/// Documents that are sent at once, large ones until their readers have them; and those of one organisation.
const SENDING_MAX: usize = 16;
const SENDING_PER_ORG_MAX: u32 = 8;

/// Documents that are written at once, to be sent.
const WRITING_MAX: usize = 4;

/// Compiled policies that are kept, by the bytes of their documents. Others are compiled again when they are needed.
const COMPILED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A small policy weighs as much.
const COMPILED_BYTES_MIN: usize = 4096;

/// The policies of all organisations.
#[derive(Clone)]
pub(crate) struct Policies {
    store: Store,
    metrics: Metrics,
    compiled: Cache<String, Compiled>,
    changing: Locks,
    turns: Turns,
    receiving: Arc<Places>,
    sending: Arc<Places>,
    writing: Arc<Semaphore>,
}

#[derive(Clone)]
struct Compiled {
    snapshot: Arc<Snapshot>,
    weight: u32,
}

/// A revision that would compile.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// The revision that it comes after.
    pub(crate) base: u64,
    /// The piece that it puts was not there before.
    pub(crate) is_new: bool,
    pub(crate) plan: Plan,
    pub(crate) snapshot: Arc<Snapshot>,
    weight: u32,
}

impl Policies {
    pub(crate) fn new(store: Store, metrics: Metrics) -> Self {
        Self {
            store,
            turns: Turns::new(metrics.clone()),
            metrics,
            compiled: Cache::builder()
                .max_capacity(COMPILED_BYTES_MAX)
                .weigher(|_, compiled: &Compiled| compiled.weight)
                .build(),
            changing: locks(),
            receiving: Arc::new(Places::new(RECEIVING_MAX, RECEIVING_PER_ORG_MAX)),
            sending: Arc::new(Places::new(SENDING_MAX, SENDING_PER_ORG_MAX)),
            writing: Arc::new(Semaphore::new(WRITING_MAX)),
        }
    }

    /// The policy in force, which the store was seen to have in this revision a moment ago, or a newer one; `None`:
    /// the organisation has none.
    pub(crate) async fn at_least(&self, org: &str, newest: u64) -> Result<Option<Arc<Snapshot>>, StoreError> {
        if newest == 0 {
            return Ok(None);
        }
        if let Some(snapshot) = self.known(org, newest) {
            return Ok(Some(snapshot));
        }
        let first = self.turns.next_check(org).await;
        if let Some(snapshot) = self.known(org, newest) {
            return Ok(Some(snapshot));
        }
        let turn = self.turns.for_check(first).await?;
        let pieces = self.store.pieces_in_force(org).await?;
        let (owner, policies) = (org.to_owned(), self.clone());
        in_background(turn, move || {
            let text = text(&owner, pieces.bodies());
            let document = Document::parse(&text).map_err(|_| StoreError::damaged("pieces", "body"))?;
            let compiled = Compiled::new(document, pieces.revision, text.len());
            policies.metrics.policy_compiled();
            // Before the turn ends: who comes next must find it.
            policies.compiled.insert(owner, compiled.clone());
            Ok(Some(compiled.snapshot))
        })
        .await?
    }

    /// The revision that a change of the newest one would make.
    pub(crate) async fn propose(&self, org: &str, wanted: &Wanted) -> Result<Proposal, NotProposed> {
        let turn = self.turns.for_change(org).await?;
        let base = self.store.pieces_in_force(org).await?;
        let restored = match wanted.change {
            PolicyChange::Restore(revision) => {
                Some(self.store.pieces_of(org, revision).await?.ok_or(NotProposed::Unknown)?)
            }
            _ => None,
        };
        let (owner, wanted) = (org.to_owned(), wanted.clone());
        let proposed =
            in_background(turn, move || propose(&owner, &base, restored.as_ref(), &wanted)).await?;
        match &proposed {
            Ok(_) => self.metrics.policy_compiled(),
            Err(NotProposed::Refused(_)) => self.metrics.policy_refused(),
            Err(_) => {}
        }
        proposed
    }

    /// Takes a proposal, whose revision is now in force, for the compiled policy.
    pub(crate) fn remember(&self, proposal: &Proposal) {
        let Proposal { snapshot, weight, .. } = proposal;
        let compiled = Compiled { snapshot: Arc::clone(snapshot), weight: *weight };
        self.compiled.insert(snapshot.org().to_owned(), compiled);
    }

    /// Reads a document of the organisation, and takes it apart.
    pub(crate) async fn read(&self, org: &str, text: String) -> Result<Parts, NotProposed> {
        let turn = self.turns.for_change(org).await?;
        let org = org.to_owned();
        let read = in_background(turn, move || {
            let (_, parts) = Parts::parse(&text).map_err(|errors| mistakes(&errors, ToString::to_string))?;
            if parts.org == org {
                Ok(parts)
            } else {
                Err(NotProposed::Refused(vec![format!("`org` must be `{org}`, the organisation of the key")]))
            }
        });
        let read = read.await?;
        if matches!(read, Err(NotProposed::Refused(_))) {
            self.metrics.policy_refused();
        }
        read
    }

    /// What a document of the organisation would change in the policy that these pieces are, on the newest recorded calls
    /// too, so many at most.
    pub(crate) async fn compare(
        &self,
        org: &str,
        old: Pieces,
        new: String,
        recorded_max: u32,
    ) -> Result<Difference, NotProposed> {
        let recorded = recorded::newest(&self.store, org, recorded_max).await?;
        let turn = self.turns.for_change(org).await?;
        let org = org.to_owned();
        in_background(turn, move || {
            let revision = old.revision;
            let old = Compared::parse(&text(&org, old.bodies()))
                .map_err(|_| StoreError::damaged("pieces", "body"))?;
            let new = Compared::parse(&new).map_err(|errors| mistakes(&errors, ToString::to_string))?;
            let comparison = compare(&old, &new);
            let old = Snapshot::compile(old.into_document(), revision);
            let new = Snapshot::compile(new.into_document(), revision.saturating_add(1));
            Ok(Difference { comparison, replay: recorded::replay(&old, &new, recorded) })
        })
        .await?
    }

    /// A place for a document that comes from an organisation, until it is dealt with.
    pub(crate) fn receive(&self, org: &str) -> Result<Place, Full> {
        self.receiving.take(org).inspect_err(|_| self.metrics.limit_reached("documents_received"))
    }

    /// A place for a document that an organisation reads, until it has it.
    pub(crate) fn send(&self, org: &str) -> Result<Place, Full> {
        self.sending.take(org).inspect_err(|_| self.metrics.limit_reached("documents_sent"))
    }

    /// Leave to have pieces and the document that they are in memory, for a moment.
    pub(crate) async fn writing_permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.writing).acquire_owned().await.map_err(|_| StoreError::Stopped)
    }

    /// Leave to change the policy of an organisation: on this control plane one request after the other.
    pub(crate) async fn change_guard(&self, org: &str) -> First {
        First::of(&self.changing, org).await
    }

    fn known(&self, org: &str, newest: u64) -> Option<Arc<Snapshot>> {
        let compiled = self.compiled.get(org)?;
        (compiled.snapshot.revision() >= newest).then_some(compiled.snapshot)
    }
}

/// Does what takes long where it keeps no other request waiting. The turn lasts as long as the work, also if nobody
/// waits for it any more.
async fn in_background<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let work = spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    work.await.map_err(|_| StoreError::Stopped)
}

fn propose(
    org: &str,
    base: &Pieces,
    restored: Option<&Pieces>,
    wanted: &Wanted,
) -> Result<Proposal, NotProposed> {
    let pieces = candidate::pieces(base, restored, wanted)?;
    let plan = Plan::new(&base.pieces, &pieces);
    let revision = if plan.is_empty() { base.revision } else { base.revision.saturating_add(1) };
    let text = text(org, pieces.iter().map(|piece| (piece.kind, piece.body.as_str())));
    if text.len() > POLICY_BYTES_MAX {
        let mistake = format!(
            "the policy would have {} bytes as JSON; at most {POLICY_BYTES_MAX} are allowed",
            text.len()
        );
        return Err(NotProposed::Refused(vec![mistake]));
    }
    let document = Document::parse(&text)
        .map_err(|errors| mistakes(&errors, |error| error.without_place().to_string()))?;
    let Compiled { snapshot, weight } = Compiled::new(document, revision, text.len());
    let is_new = match &wanted.change {
        PolicyChange::Put { piece, .. } => base.get(piece.kind, &piece.name).is_none(),
        _ => false,
    };
    Ok(Proposal { base: base.revision, is_new, plan, snapshot, weight })
}

impl Compiled {
    fn new(document: Document, revision: u64, bytes: usize) -> Self {
        let weight = u32::try_from(bytes.max(COMPILED_BYTES_MIN)).unwrap_or(u32::MAX);
        Self { snapshot: Arc::new(Snapshot::compile(document, revision)), weight }
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}
