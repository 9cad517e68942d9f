//! TLS on listeners. The files of one listener are loaded together; what is made of them is replaced as a whole, and with it
//! every session that a client could resume.

mod authorities;
mod handshake;
mod load;
mod peer_certificate;

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;

pub(crate) use authorities::Authorities;
pub(crate) use handshake::handshake;
pub(crate) use load::{load, load_first};
pub(crate) use peer_certificate::{CertificateRefused, PeerCertificate};

/// Names of protocols in ALPN (RFC 7301), towards clients and backends. Who names none speaks HTTP/1.1.
pub(crate) const HTTP2: &[u8] = b"h2";
pub(crate) const HTTP1: &[u8] = b"http/1.1";

/// TLS in force, by the place of the listener in the settings; `None` where it speaks plain HTTP.
pub(crate) type ByListener = Arc<[Option<Arc<ListenerTls>>]>;

/// One version of a listener's files.
pub(crate) struct ListenerTls {
    pub(crate) server: Arc<ServerConfig>,
    /// The authorities of client certificates, if clients are asked for one.
    pub(crate) authorities: Option<Arc<Authorities>>,
    /// When the listener's own certificate ends.
    pub(crate) expires_unix_seconds: i64,
}

impl fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is in there.
        f.debug_struct("ListenerTls").field("authorities", &self.authorities).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
