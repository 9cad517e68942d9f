//! The receipt keys of a control plane: read at the start, and again when their file changes or the system asks.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control_plane::Receipts;
use receipt::KEY_SET_MAX_BYTES;
use tokio::sync::Notify;
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::exit::Failure;

/// How often the file is looked at. A change counts once it has stood still for so long: what is being written may be
/// half of a key set.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// A file of receipt keys, and what works with them.
#[derive(Debug)]
pub(crate) struct ReceiptKeys {
    file: PathBuf,
    receipts: Receipts,
    /// The version that was loaded last, or refused.
    loaded: Version,
}

/// What tells one version of a file from another without reading it.
type Version = Option<(u64, u64, i64, i64)>;

impl ReceiptKeys {
    /// Loads the keys for the first time.
    pub(crate) fn load(issuer: &str, settings: &config::ControlReceipts) -> Result<Self, Failure> {
        let file = settings.keys_file.clone();
        let loaded = version(&file);
        let wrong = |what: String| Failure::Configuration(format!("{}: {what}", file.display()));
        let jwks = read(&file).map_err(wrong)?;
        let receipts = Receipts::new(issuer, settings.ttl_seconds, &jwks);
        let receipts = receipts.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { file, receipts, loaded })
    }

    /// What signs and verifies with the keys, whichever are loaded.
    pub(crate) fn receipts(&self) -> Receipts {
        self.receipts.clone()
    }

    /// Watches the file for ever. `asked` demands that it is loaded again although it has not changed.
    pub(crate) async fn watch(mut self, asked: &Notify) {
        loop {
            let seen = version(&self.file);
            let is_asked = tokio::select! {
                () = sleep(WATCH_INTERVAL) => false,
                () = asked.notified() => true,
            };
            if is_asked {
                sleep(WATCH_INTERVAL).await;
            }
            let now = version(&self.file);
            if now == seen && (is_asked || now != self.loaded) {
                self.loaded = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        let file = self.file.display();
        let loaded = match read(&self.file) {
            Ok(jwks) => self.receipts.replace_keys(&jwks).map_err(|error| error.to_string()),
            Err(mistake) => {
                self.receipts.count_refused();
                Err(mistake)
            }
        };
        match loaded {
            Ok(()) => tracing::info!(%file, "receipt keys loaded"),
            Err(mistake) => {
                tracing::error!(%file, mistake, "the receipt keys do not load; those before stay")
            }
        }
    }
}

/// The bytes of the file, unless it changed meanwhile.
fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let before = version(file);
    // Room enough from the start: of a secret that is moved as it comes, copies stay behind.
    let mut jwks = Zeroizing::new(Vec::with_capacity(KEY_SET_MAX_BYTES + 2));
    let max_bytes = u64::try_from(KEY_SET_MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)
        .and_then(|open| open.take(max_bytes).read_to_end(&mut jwks))
        .map_err(|error| format!("can't be read: {error}"))?;
    if version(file) == before { Ok(jwks) } else { Err("was written to while it was read".to_owned()) }
}

fn version(file: &Path) -> Version {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}
