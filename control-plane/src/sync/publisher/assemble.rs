//! Making the documents of one organisation: read, signed, compressed and compared with the ones before.

use std::sync::Arc;

use policy::UnixMillis;
use policy_sync::{Document, PolicyKey, Published, Subject};
use tokio::task::spawn_blocking;

use super::{Have, ReceiptKeys};
use crate::clock;
use crate::policies;
use crate::store::{Pieces, Store, StoreError};

/// What is to be made.
pub(super) struct Task {
    pub(super) store: Store,
    pub(super) key: Arc<PolicyKey>,
    pub(super) org: String,
    pub(super) wanted: Have,
    pub(super) have: Have,
    pub(super) receipt_keys: Option<ReceiptKeys>,
    pub(super) published: Arc<Published>,
}

/// What was made.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) published: Arc<Published>,
    pub(super) have: Have,
    /// What is new, and when it was made, where that is known.
    pub(super) changed: Vec<(Subject, Option<UnixMillis>)>,
}

/// What one document is made of.
struct Source {
    subject: Subject,
    revision: u64,
    /// As the header has it: every control plane signs the same bytes, where the store knows the moment.
    made_at: Option<UnixMillis>,
    contents: Contents,
}

enum Contents {
    Pieces(Pieces),
    Text(Arc<str>),
}

impl Task {
    /// Reads what changed and makes documents of it. What is read may be newer than what was wanted.
    pub(super) async fn assemble(self) -> Result<Assembled, StoreError> {
        let mut have = self.have;
        let mut sources = Vec::new();
        if self.wanted.policy > have.policy {
            let policy = self.policy().await?;
            have.policy = policy.revision;
            sources.push(policy);
        }
        if self.wanted.keys > have.keys
            && let Some((revision, text)) = self.store.keys_document(&self.org).await?
        {
            have.keys = Some(revision);
            let contents = Contents::Text(text.into());
            sources.push(Source { subject: Subject::Keys, revision, made_at: None, contents });
        }
        if self.wanted.receipt_keys > have.receipt_keys
            && let Some(keys) = &self.receipt_keys
        {
            have.receipt_keys = keys.set.revision;
            sources.push(Source {
                subject: Subject::ReceiptKeys,
                revision: keys.set.revision,
                made_at: Some(keys.set.at),
                contents: Contents::Text(keys.jwks.as_str().into()),
            });
        }
        let changed = sources.iter().map(|source| (source.subject, source.made_at)).collect();
        let (key, org, published) = (self.key, self.org, self.published);
        let published = spawn_blocking(move || sign(&key, &org, &published, sources)).await;
        let published = published.map_err(|_| StoreError::Unreadable("policy"))??;
        Ok(Assembled { published, have, changed })
    }

    async fn policy(&self) -> Result<Source, StoreError> {
        let pieces = self.store.pieces_in_force(&self.org).await?;
        let revision = pieces.revision;
        let made_at = self.store.revision_made_at(&self.org, revision).await?;
        Ok(Source { subject: Subject::Policy, revision, made_at, contents: Contents::Pieces(pieces) })
    }
}

fn sign(
    key: &PolicyKey,
    org: &str,
    published: &Arc<Published>,
    sources: Vec<Source>,
) -> Result<Arc<Published>, StoreError> {
    let mut next = Published::clone(published);
    for Source { subject, revision, made_at, contents } in sources {
        let text = match contents {
            Contents::Pieces(pieces) => policies::text(org, pieces.bodies()).into(),
            Contents::Text(text) => text,
        };
        let at = made_at.unwrap_or_else(clock::now);
        let document = Document::sign(key, (subject, org), (revision, at.0), text);
        next.publish(document)?;
    }
    Ok(Arc::new(next))
}
