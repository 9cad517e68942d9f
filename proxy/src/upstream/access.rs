//! What a backend is reached with that comes from files: TLS, and the proxy's own credential. Loaded again when a file
//! changes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use watched_files::{FileError, read};
use zeroize::Zeroizing;

use super::secure::ClientTls;

/// What one backend is reached with. Empty for a plain backend.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) tls: Option<Arc<ClientTls>>,
    pub(crate) credential: Option<Credential>,
}

/// The proxy's own credential to a backend, as a header. Its bytes are wiped when the last copy is gone.
#[derive(Clone)]
pub(crate) struct Credential {
    header: HeaderName,
    value: HeaderValue,
}

impl Access {
    /// Loads all of it for the first time.
    pub(crate) fn load(hop: &config::Hop) -> Result<Self, Vec<FileError>> {
        let tls = hop.tls.as_ref().map(|tls| ClientTls::load(tls, hop.http, None)).transpose();
        let credential = hop.credential.as_ref().map(Credential::load).transpose();
        match (tls, credential) {
            (Ok(tls), Ok(credential)) => Ok(Self { tls, credential }),
            (tls, credential) => Err(tls.err().into_iter().chain(credential.err()).collect()),
        }
    }

    /// The same with the files of TLS as they are now.
    pub(crate) fn with_tls(self, hop: &config::Hop) -> Result<Self, FileError> {
        let tls = hop.tls.as_ref().map(|tls| ClientTls::load(tls, hop.http, self.tls.as_ref()));
        Ok(Self { tls: tls.transpose()?, ..self })
    }

    /// The same with the credential as it is now.
    pub(crate) fn with_credential(self, hop: &config::Hop) -> Result<Self, FileError> {
        Ok(Self { credential: hop.credential.as_ref().map(Credential::load).transpose()?, ..self })
    }
}

impl Credential {
    /// Reads the file's one line.
    pub(crate) fn load(settings: &config::Credential) -> Result<Self, FileError> {
        let fail =
            |mistake: &str| FileError { file: settings.file.clone(), mistakes: vec![mistake.to_owned()] };
        let text = Zeroizing::new(read(&settings.file)?);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            return Err(fail("is empty: its one line is the credential"));
        }
        let mut whole = Zeroizing::new(Vec::with_capacity(settings.prefix.len() + line.len()));
        whole.extend_from_slice(settings.prefix.as_bytes());
        whole.extend_from_slice(line.as_bytes());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(whole))
            .map_err(|_| fail("has more than one line, or a byte that no header can have"))?;
        value.set_sensitive(true);
        Ok(Self { header: settings.header.clone(), value })
    }

    pub(crate) const fn header(&self) -> &HeaderName {
        &self.header
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.value.clone()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("header", &self.header).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_one_line() {
        let folder = std::env::temp_dir().join(format!("oakgate-credential-{}", std::process::id()));
        let settings = |prefix: &str| config::Credential {
            header: HeaderName::from_static("authorization"),
            file: folder.clone(),
            prefix: prefix.to_owned(),
        };
        for (text, prefix, expected) in [
            ("s3cret\n", "Bearer ", Some("Bearer s3cret")),
            ("s3cret\r\n", "", Some("s3cret")),
            ("s3cret", "", Some("s3cret")),
            ("a b", "", Some("a b")),
            ("", "Bearer ", None),
            ("\n", "Bearer ", None),
            ("s3cret\n\n", "", None),
            ("s3cret\nother", "", None),
            ("s3cret\0", "", None),
        ] {
            std::fs::write(&folder, text).unwrap();
            let loaded = Credential::load(&settings(prefix));
            let value = loaded.as_ref().ok().map(|credential| credential.value.to_str().unwrap());
            assert_eq!(value, expected, "{text:?}");
            let shown = format!("{loaded:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        std::fs::remove_file(folder).unwrap();
    }
}
