//! The policies of all organisations: the ones in force, compiled, and how a new revision comes about.
//!
//! A revision is never in force unless the whole of it compiles. That is tried before its transaction begins, so that
//! nobody waits for it; the transaction then only makes sure that nothing changed meanwhile.

mod candidate;

use std::fmt;
use std::sync::Arc;

use moka::sync::Cache;
use policy::document::Parts;
use policy::{Document, LoadError, Snapshot};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::metrics::Metrics;
use crate::store::{NewPiece, PieceKind, Pieces, Plan, Store, StoreError};

pub(crate) use candidate::text;

/// Largest policy of an organisation, as a JSON document.
pub(crate) const POLICY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Policies that are compiled at once.
const COMPILING_MAX: usize = 2;

/// Whole documents that requests have in memory at once.
const DOCUMENTS_MAX: usize = 4;

/// Compiled policies that are kept, by the bytes of their documents. Others are compiled again when they are needed.
const COMPILED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A small policy weighs as much.
const COMPILED_BYTES_MIN: usize = 4096;

/// Organisations whose policies can be loaded without two requests doing the same work.
const LOADING_MAX: u64 = 4096;

/// Mistakes of a refused document that are told.
const MISTAKES_MAX: usize = 100;

/// Longest text of a mistake.
const MISTAKE_BYTES_MAX: usize = 1000;

/// The policies of all organisations.
#[derive(Clone)]
pub(crate) struct Policies {
    store: Store,
    metrics: Metrics,
    compiled: Cache<String, Compiled>,
    loading: Cache<String, Arc<Mutex<()>>>,
    compiling: Arc<Semaphore>,
    documents: Arc<Semaphore>,
}

#[derive(Clone)]
struct Compiled {
    snapshot: Arc<Snapshot>,
    weight: u32,
}

/// What is to become of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) change: PolicyChange,
    pub(crate) expected: Expected,
    /// Why, in the words of who wants it.
    pub(crate) reason: Option<String>,
}

/// A change of a policy.
#[derive(Clone, Debug)]
pub(crate) enum PolicyChange {
    /// All of it anew.
    Replace(Vec<NewPiece>),
    /// What an older revision said comes back.
    Restore(u64),
    /// The piece is new, or takes the place of the one of its kind and name. It stands before the one that is named,
    /// or where it stood, or last.
    Put { piece: NewPiece, before: Option<String> },
    /// There is no such piece any more.
    Delete { kind: PieceKind, name: String },
}

/// What must hold for a change to be made: of the piece that it changes, or of the whole policy if it is about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Anything,
    /// There is one.
    Exists,
    /// It came with this revision; 0: there is none.
    Revision(u64),
}

/// A revision that would compile.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// The revision that it comes after.
    pub(crate) base: u64,
    pub(crate) plan: Plan,
    pub(crate) snapshot: Arc<Snapshot>,
    weight: u32,
}

/// Why there is no such revision.
#[derive(Debug)]
pub(crate) enum NotProposed {
    /// There is no such piece or revision.
    Unknown,
    /// It is not as was expected.
    Changed,
    /// The policy would be one with these mistakes.
    Refused(Vec<String>),
    Store(StoreError),
}

impl Policies {
    pub(crate) fn new(store: Store, metrics: Metrics) -> Self {
        Self {
            store,
            metrics,
            compiled: Cache::builder()
                .max_capacity(COMPILED_BYTES_MAX)
                .weigher(|_, compiled: &Compiled| compiled.weight)
                .build(),
            loading: Cache::new(LOADING_MAX),
            compiling: Arc::new(Semaphore::new(COMPILING_MAX)),
            documents: Arc::new(Semaphore::new(DOCUMENTS_MAX)),
        }
    }

    /// The policy in force, as the store has it now; `None`: the organisation has none.
    pub(crate) async fn in_force(&self, org: &str) -> Result<Option<Arc<Snapshot>>, StoreError> {
        let newest = self.store.newest_revision(org).await?;
        self.at_least(org, newest).await
    }

    /// The policy in force, which was seen to be of this revision a moment ago; `None`: the organisation has none.
    pub(crate) async fn at_least(&self, org: &str, newest: u64) -> Result<Option<Arc<Snapshot>>, StoreError> {
        if newest == 0 {
            return Ok(None);
        }
        if let Some(snapshot) = self.known(org, newest) {
            return Ok(Some(snapshot));
        }
        let loading = self.loading.get_with_by_ref(org, || Arc::new(Mutex::new(())));
        let _loading = loading.lock().await;
        if let Some(snapshot) = self.known(org, newest) {
            return Ok(Some(snapshot));
        }
        let pieces = self.store.pieces_in_force(org).await?;
        let owner = org.to_owned();
        let compiled = self
            .in_background(move || {
                let text = candidate::text(&owner, pieces.bodies());
                let document = Document::parse(&text).map_err(|_| StoreError::Unreadable("policy"))?;
                Ok::<_, StoreError>(Compiled::new(document, pieces.revision, text.len()))
            })
            .await??;
        self.metrics.policy_compiled();
        self.compiled.insert(org.to_owned(), compiled.clone());
        Ok(Some(compiled.snapshot))
    }

    /// The revision that a change of the newest one would make.
    pub(crate) async fn propose(&self, org: &str, wanted: &Wanted) -> Result<Proposal, NotProposed> {
        let base = self.store.pieces_in_force(org).await?;
        let restored = match wanted.change {
            PolicyChange::Restore(revision) => {
                Some(self.store.pieces_of(org, revision).await?.ok_or(NotProposed::Unknown)?)
            }
            _ => None,
        };
        let (owner, wanted) = (org.to_owned(), wanted.clone());
        let proposed = self.in_background(move || propose(&owner, &base, restored, &wanted)).await?;
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
        let org = org.to_owned();
        let read = self.in_background(move || {
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

    /// Leave to have a whole document in memory.
    pub(crate) async fn document_permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let permit = Arc::clone(&self.documents).acquire_owned().await;
        permit.map_err(|_| StoreError::Unreadable("policy"))
    }

    /// Does what takes long where it keeps no other request waiting.
    pub(crate) async fn in_background<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed = || StoreError::Unreadable("policy");
        let permit = Arc::clone(&self.compiling).acquire_owned().await.map_err(|_| failed())?;
        let work = spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        work.await.map_err(|_| failed())
    }

    fn known(&self, org: &str, newest: u64) -> Option<Arc<Snapshot>> {
        let compiled = self.compiled.get(org)?;
        (compiled.snapshot.revision() >= newest).then_some(compiled.snapshot)
    }
}

fn propose(
    org: &str,
    base: &Pieces,
    restored: Option<Pieces>,
    wanted: &Wanted,
) -> Result<Proposal, NotProposed> {
    let pieces = candidate::pieces(base, restored, wanted)?;
    let plan = Plan::new(&base.pieces, &pieces);
    let revision = if plan.is_empty() { base.revision } else { base.revision.saturating_add(1) };
    let text = candidate::text(org, pieces.iter().map(|piece| (piece.kind, piece.body.as_str())));
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
    Ok(Proposal { base: base.revision, plan, snapshot, weight })
}

/// Mistakes as they are told.
fn mistakes(errors: &[LoadError], say: impl Fn(&LoadError) -> String) -> NotProposed {
    let mut mistakes: Vec<String> = errors.iter().take(MISTAKES_MAX).map(say).collect();
    for mistake in &mut mistakes {
        mistake.truncate(mistake.floor_char_boundary(MISTAKE_BYTES_MAX));
    }
    if errors.len() > MISTAKES_MAX {
        mistakes.push(format!("and {} more", errors.len().saturating_sub(MISTAKES_MAX)));
    }
    NotProposed::Refused(mistakes)
}

impl Compiled {
    fn new(document: Document, revision: u64, bytes: usize) -> Self {
        let weight = u32::try_from(bytes.max(COMPILED_BYTES_MIN)).unwrap_or(u32::MAX);
        Self { snapshot: Arc::new(Snapshot::compile(document, revision)), weight }
    }
}

impl Expected {
    /// Whether it is met by what came with this revision; 0: there is nothing.
    const fn is_met(self, revision: u64) -> bool {
        match self {
            Self::Anything => true,
            Self::Exists => revision != 0,
            Self::Revision(expected) => expected == revision,
        }
    }
}

impl From<StoreError> for NotProposed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}
