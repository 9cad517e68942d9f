//! The watched files: policy, API keys, receipt keys, TLS. A version that does not load changes nothing but a metric.

use std::borrow::Cow;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use config::{Environment, Keys};
use policy::{Document, Snapshot};
use receipt::KeySet;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::caller::{Identities, Issuers, JwksFileError, Loaded, jwks_files};
use crate::clock;
use crate::metrics::Metrics;
use crate::state::{InForce, PolicyInForce, Shared};
use crate::tls::{self, ByListener, ListenerTls};
use crate::upstream::Access;

/// How often files are looked at. A change is loaded once it has stood still for one interval: a file that is being
/// written may be a shorter, looser policy for a moment.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// A file that did not load, with every mistake in it.
#[derive(Debug)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// Its mistakes, one a line of text; never empty.
    pub mistakes: Vec<String>,
}

/// The watched files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Policy,
    Candidate,
    Keys,
    ReceiptKeys,
    Jwks,
    /// The files of a listener's TLS, by its place in the settings.
    Tls(usize),
    /// TLS to a backend, by its place in the settings.
    BackendTls(usize),
    /// The credential to a backend, by its place in the settings.
    BackendCredential(usize),
}

/// What tells one version of a file from another without reading it; of each file that is loaded together.
type Version = Vec<Option<(u64, u64, i64, i64)>>;

/// Loads all files for the first time. Keys and TLS must load; without a policy the proxy starts, and refuses every call. The
/// watcher's first look follows at once, and counts these loads.
pub(crate) fn load_first(
    settings: &config::Proxy,
    issuers: &Issuers,
    metrics: &Metrics,
) -> Result<InForce, Vec<FileError>> {
    let jwks = load_jwks(issuers);
    let keys = load_keys(settings.keys_file.as_deref());
    let receipt_keys = load_receipt_keys(&settings.receipts.keys_file);
    let tls = tls::load_first(&settings.listeners);
    let access = load_access(settings);
    match (keys, receipt_keys, jwks, tls, access) {
        (Ok(keys), Ok(receipt_keys), Ok(jwks), Ok(tls), Ok(access)) => {
            jwks.put();
            let policy = load_policy(&settings.policy_file, 0);
            Ok(InForce {
                policy: policy.ok().map(|policy| Arc::new(in_force(metrics, policy))),
                // The watcher's first look finds it.
                candidate: None,
                identities: Arc::new(Identities::new(&keys, None)),
                receipt_keys: Arc::new(receipt_keys),
                tls,
                access,
            })
        }
        (keys, receipt_keys, jwks, tls, access) => {
            let errors = keys.err().into_iter().chain(receipt_keys.err()).chain(jwks.err());
            let of_many = tls.err().into_iter().chain(access.err()).flatten();
            Err(errors.chain(of_many).collect())
        }
    }
}

fn load_access(settings: &config::Proxy) -> Result<Vec<Access>, Vec<FileError>> {
    let loaded = settings.backends.iter().map(|backend| Access::load(&backend.hop));
    let (mut access, mut errors) = (Vec::new(), Vec::new());
    for loaded in loaded {
        match loaded {
            Ok(loaded) => access.push(loaded),
            Err(mistakes) => errors.extend(mistakes),
        }
    }
    if errors.is_empty() { Ok(access) } else { Err(errors) }
}

/// Watches the files until the proxy stops. `reread` asks for a look at once.
pub(crate) async fn watch(shared: Arc<Shared>, mut reread: watch::Receiver<()>) {
    let mut watchers: Vec<Watcher> = Watched::all(&shared.settings)
        .map(|watched| {
            let seen = version(&watched.paths(&shared.settings));
            // What was loaded at the start is loaded again: it may have changed before this looked for the first time.
            Watcher { watched, loaded: seen.clone(), seen, seen_since: None, is_due: true, in_force: false }
        })
        .collect();
    loop {
        for watcher in &mut watchers {
            watcher.look(&shared).await;
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            asked = reread.changed() => match asked {
                // Asked for or not, a file is loaded only while it stands still.
                Ok(()) => watchers.iter_mut().for_each(|watcher| watcher.is_due = true),
                Err(_) => return,
            },
        }
    }
}

struct Watcher {
    watched: Watched,
    /// The version that was loaded last, or refused.
    loaded: Version,
    /// The version that was there at the last look.
    seen: Version,
    /// When it was first seen; `None` for the one of the start.
    seen_since: Option<Instant>,
    /// Whether it is to be loaded although it has not changed.
    is_due: bool,
    /// Whether `loaded` is in force.
    in_force: bool,
}

impl Watcher {
    async fn look(&mut self, shared: &Arc<Shared>) {
        let paths = self.watched.paths(&shared.settings);
        if paths.is_empty() {
            return;
        }
        let now = version(&paths);
        if now != self.seen {
            (self.seen, self.seen_since) = (now.clone(), Some(Instant::now()));
        }
        // By time, not by looks: being asked twice in a row must not make a half-written file stand still.
        let stands_still = self.seen_since.is_none_or(|since| since.elapsed() >= WATCH_INTERVAL);
        if stands_still && (self.is_due || now != self.loaded) {
            (self.loaded, self.is_due) = (now, false);
            let (shared, watched) = (Arc::clone(shared), self.watched);
            // Reading and compiling a large policy takes a while: not on this thread.
            let reloaded = tokio::task::spawn_blocking(move || reload(&shared, watched)).await;
            self.in_force = reloaded.unwrap_or_else(|_| {
                tracing::error!(?watched, "loading the file failed in an unforeseen way");
                false
            });
        } else if self.watched == Watched::Policy && self.in_force && now == self.loaded {
            confirm(shared);
        }
    }
}

impl Watched {
    fn all(settings: &config::Proxy) -> impl Iterator<Item = Self> {
        let listeners = 0..settings.listeners.len();
        let backends = 0..settings.backends.len();
        [Self::Policy, Self::Candidate, Self::Keys, Self::ReceiptKeys, Self::Jwks]
            .into_iter()
            .chain(listeners.map(Self::Tls))
            .chain(backends.flat_map(|place| [Self::BackendTls(place), Self::BackendCredential(place)]))
    }

    /// Its name in metrics.
    fn name(self, settings: &config::Proxy) -> Cow<'static, str> {
        let backend = |place: usize, what| {
            let name = settings.backends.get(place).map_or("", |backend| backend.name.as_str());
            Cow::from(format!("{what}:{name}"))
        };
        match self {
            Self::Policy => "policy".into(),
            Self::Candidate => "candidate".into(),
            Self::Keys => "keys".into(),
            Self::ReceiptKeys => "receipt_keys".into(),
            Self::Jwks => "jwks".into(),
            Self::Tls(place) => {
                let listener = settings.listeners.get(place).map_or("", |listener| &listener.name);
                format!("tls:{listener}").into()
            }
            Self::BackendTls(place) => backend(place, "backend_tls"),
            Self::BackendCredential(place) => backend(place, "backend_credential"),
        }
    }

    /// The files that are loaded together; none if the settings name none.
    fn paths(self, settings: &config::Proxy) -> Vec<&Path> {
        let hop = |place: usize| settings.backends.get(place).map(|backend| &backend.hop);
        match self {
            Self::Policy => vec![&settings.policy_file],
            Self::Candidate => settings.candidate_file.as_deref().into_iter().collect(),
            Self::Keys => settings.keys_file.as_deref().into_iter().collect(),
            Self::ReceiptKeys => vec![&settings.receipts.keys_file],
            Self::Jwks => jwks_files(settings),
            Self::Tls(place) => {
                let tls = settings.listeners.get(place).and_then(|listener| listener.tls.as_ref());
                tls.map(config::Tls::files).unwrap_or_default()
            }
            Self::BackendTls(place) => hop(place).map(config::Hop::tls_files).unwrap_or_default(),
            Self::BackendCredential(place) => {
                let credential = hop(place).and_then(|hop| hop.credential.as_ref());
                credential.map(|credential| credential.file.as_path()).into_iter().collect()
            }
        }
    }
}

/// Loads one file and puts it in force; false if it was refused. The watcher is the only writer of what is in force.
fn reload(shared: &Shared, watched: Watched) -> bool {
    let (settings, metrics) = (&shared.settings, &shared.metrics);
    let before = shared.in_force.load_full();
    let loaded = match watched {
        Watched::Policy => {
            let revision_before = before.policy.as_ref().map_or(0, |policy| policy.snapshot.revision());
            load_policy(&settings.policy_file, revision_before).map(|policy| {
                let same = before.policy.as_ref().filter(|before| before.sha256 == policy.sha256);
                let policy = same.map_or_else(|| Arc::new(in_force(metrics, policy)), Arc::clone);
                InForce { policy: Some(policy), ..InForce::clone(&before) }
            })
        }
        Watched::Candidate => match &settings.candidate_file {
            Some(file) => load_policy(file, 0)
                .map(|candidate| InForce { candidate: Some(Arc::new(candidate)), ..InForce::clone(&before) }),
            None => return false,
        },
        Watched::Keys => load_keys(settings.keys_file.as_deref()).map(|keys| {
            metrics.files.keys.set(keys.len().try_into().unwrap_or(i64::MAX));
            let identities = Arc::new(Identities::new(&keys, Some(&before.identities)));
            InForce { identities, ..InForce::clone(&before) }
        }),
        Watched::Jwks => {
            return note(metrics, &watched.name(settings), load_jwks(&shared.issuers), |loaded| {
                if loaded.put() {
                    changed(shared);
                }
            });
        }
        Watched::ReceiptKeys => load_receipt_keys(&settings.receipts.keys_file)
            .map(|keys| InForce { receipt_keys: Arc::new(keys), ..InForce::clone(&before) }),
        Watched::Tls(place) => {
            load_tls(shared, place, &before.tls).map(|tls| InForce { tls, ..InForce::clone(&before) })
        }
        Watched::BackendTls(place) | Watched::BackendCredential(place) => {
            let Some(backend) = settings.backends.get(place) else { return false };
            let access = before.access(place);
            let access = match watched {
                Watched::BackendTls(_) => access.with_tls(&backend.hop),
                _ => access.with_credential(&backend.hop),
            };
            access.map(|access| before.with_access(place, access))
        }
    };
    let noted = note(metrics, &watched.name(settings), loaded, |next| {
        let same_policy = match (&before.policy, &next.policy) {
            (Some(before), Some(next)) => Arc::ptr_eq(before, next),
            (before, next) => before.is_none() && next.is_none(),
        };
        let same_keys = Arc::ptr_eq(&before.identities, &next.identities);
        let same_authorities = before.tls.iter().zip(next.tls.iter()).all(|(before, next)| {
            let of = |tls: &Option<Arc<ListenerTls>>| tls.as_ref()?.authorities.as_ref().map(Arc::as_ptr);
            of(before) == of(next)
        });
        shared.in_force.store(Arc::new(next));
        if !(same_policy && same_keys && same_authorities) {
            changed(shared);
        }
    });
    if noted && watched == Watched::Policy {
        confirm(shared);
    }
    noted
}

/// Open streams look again whether they may stay.
fn changed(shared: &Shared) {
    shared.changes.send_modify(|change| *change = change.wrapping_add(1));
}

/// The source still has the policy in force.
fn confirm(shared: &Shared) {
    if let Some(policy) = &shared.in_force.load().policy {
        policy.confirmed_at.store(clock::now().0, Ordering::Relaxed);
    }
}

fn in_force(metrics: &Metrics, policy: PolicyInForce) -> PolicyInForce {
    let rules = policy.snapshot.rules_count();
    metrics.files.policy_loaded.set(1);
    metrics.files.policy_revision.set(policy.snapshot.revision().try_into().unwrap_or(i64::MAX));
    metrics.files.policy_rules.set(rules.try_into().unwrap_or(i64::MAX));
    tracing::info!(revision = policy.snapshot.revision(), sha256 = policy.sha256, rules, "policy in force");
    policy
}

/// Uses what was loaded, or logs every mistake; counts either. Whoever sees the count sees it in force.
fn note<T>(
    metrics: &Metrics,
    name: &str,
    loaded: Result<T, FileError>,
    put_in_force: impl FnOnce(T),
) -> bool {
    let mistakes = loaded.as_ref().err().map_or(0, |error| error.mistakes.len());
    metrics.files.load_errors.with_label_values(&[name]).set(mistakes.try_into().unwrap_or(i64::MAX));
    let result = match loaded {
        Ok(loaded) => {
            put_in_force(loaded);
            "loaded"
        }
        Err(error) => {
            for mistake in &error.mistakes {
                tracing::error!(file = %error.file.display(), mistake, "file refused; what was in force stays");
            }
            "refused"
        }
    };
    metrics.files.loads.with_label_values(&[name, result]).inc();
    mistakes == 0
}

/// Revisions of a file are the second it was loaded in, and always go up.
fn load_policy(file: &Path, revision_before: u64) -> Result<PolicyInForce, FileError> {
    let fail = |mistakes| FileError { file: file.to_owned(), mistakes };
    let text = read(file)?;
    let now = clock::now();
    let revision = now.seconds().max(revision_before.saturating_add(1));
    let snapshot = Document::parse(&text)
        .map(|document| Snapshot::compile(document, revision))
        .map_err(|errors| fail(errors.iter().map(ToString::to_string).collect()))?;
    let sha256 = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(PolicyInForce { snapshot, sha256, loaded_at: now, confirmed_at: AtomicU64::new(now.0) })
}

fn load_keys(file: Option<&Path>) -> Result<Keys, FileError> {
    let Some(file) = file else { return Ok(Keys::default()) };
    Keys::read(&file.display().to_string(), &read(file)?, Environment::of_process()).map_err(|mistakes| {
        FileError { file: file.to_owned(), mistakes: mistakes.list.iter().map(ToString::to_string).collect() }
    })
}

fn load_receipt_keys(file: &Path) -> Result<KeySet, FileError> {
    let fail = |mistake: String| FileError { file: file.to_owned(), mistakes: vec![mistake] };
    let keys = KeySet::from_jwks(read(file)?.as_bytes()).map_err(|error| fail(error.to_string()))?;
    match keys.signer() {
        Some(_) => Ok(keys),
        None => {
            Err(fail("no key in it signs: one needs `\"state\": \"signing\"` and its secret part".to_owned()))
        }
    }
}

/// Loads the TLS of one listener; that of the others stays.
fn load_tls(shared: &Shared, place: usize, before: &ByListener) -> Result<ByListener, FileError> {
    let listener = shared.settings.listeners.get(place);
    let Some((listener, files)) = listener.and_then(|listener| Some((listener, listener.tls.as_ref()?)))
    else {
        return Ok(Arc::clone(before));
    };
    let loaded = tls::load(listener, files, before.get(place).and_then(Option::as_deref))?;
    let expiry = shared.metrics.tls.expiry.with_label_values(&[&listener.name]);
    expiry.set(loaded.expires_unix_seconds);
    let mut all = before.to_vec();
    if let Some(tls) = all.get_mut(place) {
        *tls = Some(Arc::new(loaded));
    }
    Ok(all.into())
}

fn load_jwks(issuers: &Issuers) -> Result<Loaded, FileError> {
    let fail =
        |(file, error): (PathBuf, JwksFileError)| FileError { file, mistakes: vec![error.to_string()] };
    issuers.load().map_err(fail)
}

/// The text of a file, unless it changed meanwhile.
pub(crate) fn read(file: &Path) -> Result<String, FileError> {
    let fail = |mistake: String| FileError { file: file.to_owned(), mistakes: vec![mistake] };
    let before = version(&[file]);
    let text = std::fs::read_to_string(file).map_err(|error| fail(format!("can't be read: {error}")))?;
    if version(&[file]) == before {
        Ok(text)
    } else {
        Err(fail("was written to while it was read".to_owned()))
    }
}

fn version(files: &[&Path]) -> Version {
    let version_of = |file: &&Path| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    };
    files.iter().map(version_of).collect()
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.mistakes.iter().enumerate() {
            let end = if position + 1 < self.mistakes.len() { "\n" } else { "" };
            write!(f, "{}: {mistake}{end}", self.file.display())?;
        }
        Ok(())
    }
}
