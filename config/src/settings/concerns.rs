//! What settings that are good by themselves leave to be desired: what is probably not meant, and files that aren't there.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::listener::is_loopback;
use super::{Backend, ControlPlane, JwksPlace, Listener, Proxy, StorePlace};
use crate::Mistake;

impl Proxy {
    /// What is allowed, and probably not meant; each with its path.
    #[must_use]
    pub fn warnings(&self) -> Vec<Mistake> {
        let backends = self.backends.iter().enumerate().filter(|(_, backend)| {
            backend.hop.credential.is_some() && backend.hop.tls.is_none() && !backend.url.is_loopback()
        });
        let what = "it leaves this machine unencrypted: give the backend an `https://` address";
        let sent =
            backends.map(|(place, _)| Mistake::at(format!("proxy.backends[{place}].credential"), what));
        let listeners = self.listeners.iter().enumerate().filter(|(_, listener)| {
            let takes_secrets = listener.auth.api_key || listener.auth.jwt.is_some();
            takes_secrets && listener.tls.is_none() && !is_loopback(listener.address.ip())
        });
        let what =
            "missing: keys and tokens of callers arrive unencrypted, unless something before it ends TLS";
        let taken = listeners.map(|(place, _)| Mistake::at(format!("proxy.listeners[{place}].tls"), what));
        taken.chain(sent).collect()
    }

    /// The files that can't be read, each with the path of the setting that names it.
    #[must_use]
    pub fn unreadable_files(&self) -> Vec<Mistake> {
        let listeners = self.listeners.iter().enumerate();
        let listeners = listeners
            .flat_map(|(place, listener)| under(format!("proxy.listeners[{place}]"), of_listener(listener)));
        let backends = self.backends.iter().enumerate();
        let backends = backends
            .flat_map(|(place, backend)| under(format!("proxy.backends[{place}]"), of_backend(backend)));
        let link = self.control_plane.as_ref();
        let bundle = self.bundle.as_ref();
        let own = [
            ("keys_file", self.keys_file.as_deref()),
            ("receipts.keys_file", self.receipts.keys_file.as_deref()),
            ("policy.file", self.policy_file.as_deref()),
            ("policy.bundle.key_file", bundle.map(|bundle| bundle.key_file.as_path())),
            ("policy.bundle.ca_file", bundle.and_then(|bundle| bundle.ca_file.as_deref())),
            ("control_plane.relay_token_file", link.and_then(|link| link.relay_token.file())),
            ("control_plane.policy_key_file", link.and_then(|link| link.policy_keys.file())),
            ("control_plane.ca_file", link.and_then(|link| link.ca_file.as_deref())),
        ];
        let own = under("proxy".to_owned(), own.into());
        listeners.chain(backends).chain(own).filter_map(|(path, file)| unreadable(path, file)).collect()
    }
}

impl ControlPlane {
    /// What is allowed, and probably not meant; each with its path.
    #[must_use]
    pub fn warnings(&self) -> Vec<Mistake> {
        let is_open = self.tls.is_none() && !is_loopback(self.address.ip());
        let what = "missing: keys and sessions arrive unencrypted, unless something before it ends TLS";
        is_open.then(|| Mistake::at("control_plane.tls", what)).into_iter().collect()
    }

    /// The files that can't be read, each with the path of the setting that names it.
    #[must_use]
    pub fn unreadable_files(&self) -> Vec<Mistake> {
        let store_password = match &self.store {
            StorePlace::Postgres { password_file, .. } => password_file.as_deref(),
            StorePlace::File(_) => None,
        };
        let files = [
            ("tls.cert_file", self.tls.as_ref().map(|tls| tls.cert_file.as_path())),
            ("tls.key_file", self.tls.as_ref().map(|tls| tls.key_file.as_path())),
            ("store_password_file", store_password),
            ("receipts.keys_file", self.receipts.as_ref().map(|receipts| receipts.keys_file.as_path())),
            ("redis.password_file", self.redis.as_ref().and_then(|redis| redis.password_file.as_deref())),
        ];
        let files = under("control_plane".to_owned(), files.into());
        files.filter_map(|(path, file)| unreadable(path, file)).collect()
    }
}

type Named<'a> = Vec<(&'static str, Option<&'a Path>)>;

/// The files that there are, with their whole paths in the settings.
fn under(prefix: String, files: Named<'_>) -> impl Iterator<Item = (String, &Path)> {
    files.into_iter().filter_map(move |(name, file)| Some((format!("{prefix}.{name}"), file?)))
}

fn of_listener(listener: &Listener) -> Named<'_> {
    let mut files: Named<'_> = Vec::new();
    if let Some(tls) = &listener.tls {
        files.push(("tls.cert_file", Some(&tls.cert_file)));
        files.push(("tls.key_file", Some(&tls.key_file)));
        files.push(("tls.client_ca_file", tls.client_ca_file.as_deref()));
    }
    if let Some(jwt) = &listener.auth.jwt {
        if let JwksPlace::File(file) = &jwt.jwks {
            files.push(("jwt.jwks_file", Some(file)));
        }
        files.push(("jwt.ca_file", jwt.ca_file.as_deref()));
    }
    files
}

fn of_backend(backend: &Backend) -> Named<'_> {
    let mut files: Named<'_> = Vec::new();
    if let Some(tls) = &backend.hop.tls {
        let client = tls.client.as_ref();
        files.push(("tls.ca_file", tls.ca_file.as_deref()));
        files.push(("tls.cert_file", client.map(|client| client.cert_file.as_path())));
        files.push(("tls.key_file", client.map(|client| client.key_file.as_path())));
    }
    let credential = backend.hop.credential.as_ref();
    files.push(("credential.file", credential.map(|credential| credential.file.as_path())));
    files
}

/// A folder can be opened, so a byte is asked for.
fn unreadable(path: String, file: &Path) -> Option<Mistake> {
    let read = File::open(file).and_then(|mut opened| opened.read(&mut [0]));
    let error = read.err()?;
    Some(Mistake::at(path, format!("`{}` can't be read: {error}", file.display())))
}
