//! A policy that is fetched as a signed bundle, again and again: for proxies that have no control plane.
//!
//! It is the very file that the last known good is kept in. Who serves it is not believed: only what a policy key signed
//! is taken, of this organisation, and never an older one. What is not taken changes nothing.

mod refused;
mod status;

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use policy_sync::{Backoff, Document, Subject, TrustedKeys};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use self::refused::Refused;
pub(crate) use self::status::Status;
use super::disk::Disk;
use super::taken::{part, put_in_force};
use super::{document_max_bytes, last_known_good, trusted};
use crate::clock;
use crate::fetch::{FetchError, Fetcher, Wanted, etag};
use crate::metrics::Metrics;
use crate::state::{Part, Shared};
use watched_files::FileError;

/// A whole fetch takes no longer than this.
const FETCH_WITHIN: Duration = Duration::from_secs(30);

/// What a bundle has around its text. Of the text, each line break and quote takes two bytes, and control characters are in
/// no policy.
const AROUND_BYTES_MAX: usize = 64 * 1024;

/// A longer entity tag is not sent back.
const ETAG_MAX_BYTES: usize = 1024;

/// Fetches the policy for as long as the proxy runs.
#[derive(Debug)]
pub(crate) struct Poller {
    /// What was last known to be good, to be put in force.
    pub(crate) part: Option<Part>,
    pub(crate) status: Arc<Status>,
    settings: config::Bundle,
    trusted: Arc<TrustedKeys>,
    disk: Arc<Disk>,
    document_max_bytes: usize,
    /// The one in force.
    held: Option<Document>,
    /// Of the one in force.
    etag: Option<HeaderValue>,
    /// What was last complained of, so that it is said once.
    complaint: Option<String>,
}

/// What a fetch came to.
enum Fetched {
    /// What is in force is what the server has.
    Same,
    Bundle(HeaderMap, Vec<u8>),
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
enum NotFetched {
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("it took longer than {} seconds", FETCH_WITHIN.as_secs())]
    TooSlow,
}

impl NotFetched {
    fn name(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.name(),
            Self::TooSlow => "too-slow",
        }
    }
}

impl Poller {
    /// Reads what is on the disk.
    pub(crate) fn read(
        settings: &config::Proxy,
        bundle: &config::Bundle,
        metrics: &Metrics,
    ) -> Result<Self, FileError> {
        let trusted = trusted::read(&bundle.key_file)?;
        let disk = Disk::open(&bundle.state_directory)?;
        let status = Status::new(bundle);
        let kept = last_known_good(&disk, Subject::Policy, &trusted, bundle.org.as_deref(), settings);
        let loaded =
            kept.and_then(|kept| kept.map(|kept| Ok((part(&kept, None, metrics)?, kept))).transpose());
        let (mut part, mut held) = (None, None);
        let result = match loaded {
            Ok(None) => "none",
            Ok(Some((loaded, kept))) => {
                let revision = kept.document.header().revision;
                tracing::info!(revision, "begun with the last known good policy");
                metrics.sync.revision(Subject::Policy, revision);
                status.begun_with(&kept);
                (part, held) = (Some(loaded), Some(kept.document));
                "loaded"
            }
            Err(reason) => {
                tracing::error!(reason, "the last known good policy is not used");
                status.refused(&format!("the last known good: {reason}"));
                "refused"
            }
        };
        metrics.sync.last_known_good_loads.with_label_values(&[Subject::Policy.as_str(), result]).inc();
        Ok(Self {
            part,
            status: Arc::new(status),
            settings: bundle.clone(),
            trusted: Arc::new(trusted),
            disk: Arc::new(disk),
            document_max_bytes: document_max_bytes(settings),
            held,
            etag: None,
            complaint: None,
        })
    }

    /// Asks for it now, and then again and again.
    pub(crate) async fn poll(mut self, shared: Arc<Shared>) {
        let mut backoff = Backoff::default();
        loop {
            let was_reached = self.look(&shared).await;
            // Without random bits the longest wait is the safe one.
            let entropy = getrandom::u64().unwrap_or(u64::MAX);
            let wait_ms = if was_reached {
                backoff.reset();
                spread_ms(self.settings.poll_seconds * 1000, entropy)
            } else {
                backoff.next_ms(entropy)
            };
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Asks once; false if the server can't be asked.
    async fn look(&mut self, shared: &Arc<Shared>) -> bool {
        let fetched = self.fetch_in_time().await;
        let result = match &fetched {
            Ok(Fetched::Same) => "unchanged",
            Ok(Fetched::Bundle(..)) => "fetched",
            Err(error) => error.name(),
        };
        shared.metrics.sync.bundle_fetches.with_label_values(&[result]).inc();
        match fetched {
            Ok(Fetched::Same) => {
                self.status.reached();
                self.good_again();
                self.confirmed(shared).await;
                true
            }
            Ok(Fetched::Bundle(headers, bytes)) => {
                self.status.reached();
                self.take(shared, headers, bytes).await;
                true
            }
            Err(NotFetched::Fetch(FetchError::TooLong(_))) => {
                self.status.reached();
                self.refused(shared, &Refused::TooLong(self.document_max_bytes));
                true
            }
            Err(error) => {
                let why = error.to_string();
                self.status.unreached(&why);
                if self.is_news(&why) {
                    let url = self.status.url();
                    tracing::warn!(
                        url,
                        why,
                        "the policy bundle could not be fetched; what is in force stays"
                    );
                }
                false
            }
        }
    }

    async fn fetch_in_time(&self) -> Result<Fetched, NotFetched> {
        timeout(FETCH_WITHIN, self.fetch()).await.unwrap_or(Err(NotFetched::TooSlow))
    }

    async fn fetch(&self) -> Result<Fetched, NotFetched> {
        let settings = &self.settings;
        let fetcher = Fetcher::new(settings.ca_file.as_deref(), settings.url.uri())?;
        let max_bytes = self.document_max_bytes.saturating_mul(2).saturating_add(AROUND_BYTES_MAX);
        let wanted =
            Wanted { accept: "application/json, application/octet-stream;q=0.9, */*;q=0.1", max_bytes };
        let fetched = fetcher.get_unless(settings.url.uri().clone(), wanted, self.etag.as_ref()).await?;
        Ok(fetched.map_or(Fetched::Same, |(headers, body)| Fetched::Bundle(headers, body.into())))
    }

    /// Puts it in force if it is good and newer. Verified and compiled on a thread of its own.
    async fn take(&mut self, shared: &Arc<Shared>, headers: HeaderMap, bytes: Vec<u8>) {
        let (trusted, max_bytes) = (Arc::clone(&self.trusted), self.document_max_bytes);
        let (held, org) = (self.held.clone(), self.settings.org.clone());
        let in_force = Arc::clone(shared);
        let taken = spawn_blocking(move || {
            let document = refused::good(&bytes, &trusted, max_bytes)?;
            let is_newer = refused::is_newer(&document, held.as_ref(), org.as_deref())?;
            if is_newer {
                put_in_force(&in_force, &document).map_err(Refused::Mistakes)?;
            }
            Ok((document, is_newer))
        });
        let taken = taken.await.unwrap_or(Err(Refused::Unforeseen));
        let (document, is_newer) = match taken {
            Ok(taken) => taken,
            Err(refused) => return self.refused(shared, &refused),
        };
        self.good_again();
        self.etag = etag(&headers).filter(|etag| etag.len() <= ETAG_MAX_BYTES);
        self.status.good();
        if is_newer {
            let revision = document.header().revision;
            self.status.in_force(&document);
            let metrics = &shared.metrics.sync;
            metrics.revision(Subject::Policy, revision);
            metrics.documents.with_label_values(&[Subject::Policy.as_str(), "in_force"]).inc();
            tracing::info!(revision, "a policy bundle is in force");
            self.held = Some(document);
        }
        self.confirmed(shared).await;
    }

    /// The server has what is in force, which is kept on the disk. If that fails it stays in force, and is kept the next
    /// time.
    async fn confirmed(&self, shared: &Arc<Shared>) {
        let Some(document) = self.held.clone() else { return };
        let now = clock::now();
        shared.confirm_policy(now);
        self.status.confirmed(now);
        let disk = Arc::clone(&self.disk);
        let failed = match spawn_blocking(move || disk.keep(&document)).await {
            Ok(kept) => kept.err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        self.status.kept(failed.is_none());
        if let Some(error) = failed {
            shared.metrics.sync.last_known_good_failures.inc();
            tracing::error!(
                error,
                "the policy in force can't be kept: a restart without its server would begin with an older one"
            );
        }
    }

    fn refused(&mut self, shared: &Shared, refused: &Refused) {
        let (subject, outcome, why) = (Subject::Policy.as_str(), refused.name(), refused.to_string());
        shared.metrics.sync.documents.with_label_values(&[subject, outcome]).inc();
        self.status.refused(&why);
        if self.is_news(&why) {
            let url = self.status.url();
            tracing::error!(url, outcome, why, "a policy bundle is refused; what is in force stays");
        }
    }

    /// There is nothing to complain of any more.
    fn good_again(&mut self) {
        if self.complaint.take().is_some() {
            tracing::info!(url = self.status.url(), "the policy bundle is fetched, and good, again");
        }
    }

    /// Whether this is not what was complained of last.
    fn is_news(&mut self, why: &str) -> bool {
        let is_news = self.complaint.as_deref() != Some(why);
        self.complaint = Some(why.to_owned());
        is_news
    }
}

/// Up to a tenth less, at random, so that many proxies do not all ask at once. `entropy` is 64 random bits.
const fn spread_ms(poll_ms: u64, entropy: u64) -> u64 {
    poll_ms - (u64::MAX - entropy) % (poll_ms / 10 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_spread_over_a_tenth_of_the_time() {
        assert_eq!(spread_ms(30_000, u64::MAX), 30_000);
        assert_eq!(spread_ms(30_000, u64::MAX - 3000), 27_000);
        assert_eq!(spread_ms(30_000, u64::MAX - 3001), 30_000);
        assert_eq!(spread_ms(1000, 0), 1000 - u64::MAX % 101);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/policy.signed", server.local_addr().unwrap());
        let settings = config::Bundle {
            url: config::FetchUrl::parse(&url).unwrap(),
            key_file: folder.path().join("policy-keys"),
            org: None,
            state_directory: folder.path().join("state"),
            poll_seconds: 30,
            ca_file: None,
        };
        let poller = Poller {
            part: None,
            status: Arc::new(Status::new(&settings)),
            trusted: Arc::new(TrustedKeys::new(Vec::new())),
            disk: Arc::new(Disk::open(&settings.state_directory).unwrap()),
            settings,
            document_max_bytes: 1024,
            held: None,
            etag: None,
            complaint: None,
        };
        let began = tokio::time::Instant::now();
        assert!(matches!(poller.fetch_in_time().await, Err(NotFetched::TooSlow)));
        assert_eq!(began.elapsed().as_secs(), 30);
    }
}
