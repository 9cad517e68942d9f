//! The hop to a backend: TLS, the HTTP spoken there, the proxy's own credential.

use std::path::{Path, PathBuf};

use http::uri::Scheme;
use http::{HeaderName, HeaderValue};
use rustls_pki_types::ServerName;

use super::BackendUrl;
use super::backend::Authorization;
use crate::source::{BackendSource, BackendTlsSource, CredentialSource, MappingSource};
use crate::{Mistake, SpiffeId};

pub use crate::source::HttpSource as Http;

/// Headers that are no credential: they say what a message is, where it goes, or what this proxy says about it.
const NO_CREDENTIALS: [&str; 20] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
const NO_CREDENTIAL_PREFIXES: [&str; 4] = ["oakgate-", "mcp-", "sec-", "x-forwarded-"];

/// How a backend is reached at its address.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Which HTTP it speaks.
    pub http: Http,
    /// TLS; `None` for `http://`.
    pub tls: Option<BackendTls>,
    /// The proxy's own credential to it.
    pub credential: Option<Credential>,
}

/// TLS to a backend.
#[derive(Clone, Debug)]
pub struct BackendTls {
    /// The authorities that its certificate must come from; `None` for the system's.
    pub ca_file: Option<PathBuf>,
    /// What the proxy shows.
    pub client: Option<ClientCertificate>,
    /// What is asked for (SNI), and what its certificate must have, unless there is a SPIFFE id.
    pub server_name: ServerName<'static>,
    /// The one SPIFFE id that its certificate must have.
    pub spiffe_id: Option<SpiffeId>,
}

/// The certificate that the proxy shows a backend.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate with its chain, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
}

/// The proxy's own credential to a backend.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The header that carries it.
    pub header: HeaderName,
    /// The file whose one line is its value.
    pub file: PathBuf,
    /// What comes before it in the header.
    pub prefix: String,
}

impl Hop {
    /// Whether anything about it comes from files.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.tls.is_none() && self.credential.is_none()
    }

    /// The files of TLS, which are loaded together.
    #[must_use]
    pub fn tls_files(&self) -> Vec<&Path> {
        let tls = self.tls.iter();
        let files = tls.flat_map(|tls| {
            let client = tls.client.iter().flat_map(|client| [&client.cert_file, &client.key_file]);
            tls.ca_file.iter().chain(client)
        });
        files.map(PathBuf::as_path).collect()
    }
}

/// `None` if there is a mistake in it.
pub(super) fn hop(
    source: &BackendSource,
    url: Option<&BackendUrl>,
    folder: &Path,
    at: &impl Fn(&str) -> String,
    mistakes: &mut Vec<Mistake>,
) -> Option<Hop> {
    let before = mistakes.len();
    let url = url?;
    let tls = if url.scheme == Scheme::HTTPS {
        tls(source.tls.clone().unwrap_or_default(), url, folder, at, mistakes)
    } else {
        if source.tls.is_some() {
            mistakes.push(Mistake::at(at("tls"), "only a backend whose `url` is `https://…` has TLS"));
        }
        None
    };
    let credential = source
        .credential
        .as_ref()
        .and_then(|credential| self::credential(source, credential, folder, at, mistakes));
    (mistakes.len() == before).then_some(Hop { http: source.http, tls, credential })
}

fn tls(
    source: BackendTlsSource,
    url: &BackendUrl,
    folder: &Path,
    at: &impl Fn(&str) -> String,
    mistakes: &mut Vec<Mistake>,
) -> Option<BackendTls> {
    let client = match (source.cert_file, source.key_file) {
        (Some(cert_file), Some(key_file)) => {
            Some(ClientCertificate { cert_file: folder.join(cert_file), key_file: folder.join(key_file) })
        }
        (None, None) => None,
        (Some(_), None) => {
            mistakes.push(Mistake::at(at("tls.key_file"), "missing: `cert_file` needs its private key"));
            None
        }
        (None, Some(_)) => {
            mistakes
                .push(Mistake::at(at("tls.cert_file"), "missing: `key_file` is the key of no certificate"));
            None
        }
    };
    if source.spiffe_id.is_some() && source.ca_file.is_none() {
        let what = "missing: with `spiffe_id`, only the authorities of that trust domain count";
        mistakes.push(Mistake::at(at("tls.ca_file"), what));
    }
    let spiffe_id = source.spiffe_id.and_then(|id| match SpiffeId::parse(&id) {
        Ok(id) => Some(id),
        Err(why) => {
            let what =
                format!("must be a SPIFFE id such as spiffe://example.org/tools/files, not `{id}`: {why}");
            mistakes.push(Mistake::at(at("tls.spiffe_id"), what));
            None
        }
    });
    let (path, name) = match source.server_name {
        Some(name) => ("tls.server_name", name),
        None => ("url", url.host.clone()),
    };
    let Ok(server_name) = ServerName::try_from(name.clone()) else {
        let what = format!("`{name}` is no DNS name and no IP address that a certificate could have");
        mistakes.push(Mistake::at(at(path), what));
        return None;
    };
    let ca_file = source.ca_file.map(|file| folder.join(file));
    Some(BackendTls { ca_file, client, server_name, spiffe_id })
}

fn credential(
    backend: &BackendSource,
    source: &CredentialSource,
    folder: &Path,
    at: &impl Fn(&str) -> String,
    mistakes: &mut Vec<Mistake>,
) -> Option<Credential> {
    let mut mistake = |path: &str, what: String| mistakes.push(Mistake::at(at(path), what));
    let name = source.header.to_ascii_lowercase();
    let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| !name.contains('_'));
    let is_other = NO_CREDENTIALS.contains(&name.as_str())
        || NO_CREDENTIAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if header.is_none() || is_other {
        let what = format!("must be a header that carries a credential, not `{}`", source.header);
        mistake("credential.header", what);
    }
    if backend.authorization == Authorization::Pass && name == "authorization" {
        let what = "`authorization: pass` and a credential of the proxy's own in `Authorization`: only one of them can be sent";
        mistake("credential.header", what.to_owned());
    }
    for (path, mapping) in [("resource", &backend.resource), ("method", &backend.method)] {
        if let Some(MappingSource::Header(mapped)) = mapping
            && mapped.header.eq_ignore_ascii_case(&name)
        {
            let what = format!(
                "policy would decide on a header `{name}` that the backend never sees: `credential` replaces it"
            );
            mistake(path, what);
        }
    }
    if HeaderValue::from_str(&source.prefix).is_err() {
        mistake("credential.prefix", "must be text that a header can have".to_owned());
    }
    let (file, prefix) = (folder.join(&source.file), source.prefix.clone());
    Some(Credential { header: header?, file, prefix })
}
