//! The receipt keys of a control plane: read at the start, and again when their file changes or the system asks.

use std::path::{Path, PathBuf};

use control_plane::Receipts;
use receipt::KEY_SET_MAX_BYTES;
use watched_files::{FileError, Look, Watch, read_at_most};
use zeroize::Zeroizing;

use crate::exit::Failure;

/// A file of receipt keys, and what works with them.
#[derive(Debug)]
pub(crate) struct ReceiptKeys {
    file: PathBuf,
    receipts: Receipts,
    watch: Watch,
}

impl ReceiptKeys {
    /// Loads the keys for the first time.
    pub(crate) fn load(issuer: &str, settings: &config::ControlReceipts) -> Result<Self, Failure> {
        let file = settings.keys_file.clone();
        let watch = Watch::begin(&[&file]);
        let jwks = read(&file).map_err(|error| Failure::Configuration(error.to_string()))?;
        let receipts = Receipts::new(issuer, settings.ttl_seconds, jwks.as_bytes());
        let receipts =
            receipts.map_err(|error| Failure::Configuration(format!("{}: {error}", file.display())))?;
        Ok(Self { file, receipts, watch })
    }

    /// What signs and verifies with the keys, whichever are loaded.
    pub(crate) fn receipts(&self) -> Receipts {
        self.receipts.clone()
    }

    /// The file is loaded again although it has not changed.
    pub(crate) const fn demand(&mut self) {
        self.watch.demand();
    }

    /// Looks whether the file is to be loaded again, and does so.
    pub(crate) fn look(&mut self) {
        if self.watch.look(&[&self.file]) == Look::Load {
            self.reload();
        }
    }

    fn reload(&self) {
        let file = self.file.display();
        let loaded = match read(&self.file) {
            Ok(jwks) => self.receipts.replace_keys(jwks.as_bytes()).map_err(|error| error.to_string()),
            Err(error) => {
                self.receipts.count_refused();
                Err(error.mistakes.join("; "))
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

/// The text of the file, which may have secrets in it.
fn read(file: &Path) -> Result<Zeroizing<String>, FileError> {
    let max_bytes = u64::try_from(KEY_SET_MAX_BYTES).unwrap_or(u64::MAX);
    read_at_most(file, max_bytes).map(Zeroizing::new)
}
