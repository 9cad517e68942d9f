//! A client's side of TLS. It remembers sessions, and resumes them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, crypto::ring};

use super::PATIENCE;
use super::certificates::{Authority, Issued};

/// A client that trusts one authority.
#[derive(Clone)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

/// A connection whose handshake is done, as far as the client can tell.
pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl TlsClient {
    pub(crate) fn new(trusted: &Authority, certificate: Option<&Issued>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
            }
        };
        Self(Arc::new(config))
    }

    /// The same client, which offers protocols (ALPN).
    pub(crate) fn offering(mut self, protocols: &[&str]) -> Self {
        let names = protocols.iter().map(|name| name.as_bytes().to_vec());
        Arc::make_mut(&mut self.0).alpn_protocols = names.collect();
        self
    }

    /// Shakes hands with an address, by its IP address.
    pub(crate) fn connect(&self, address: &str) -> io::Result<TlsStream> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let ip: std::net::SocketAddr = address.parse().unwrap();
        let connection =
            ClientConnection::new(Arc::clone(&self.0), ServerName::IpAddress(ip.ip().into())).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// One request on a connection of its own: its status, or what became of the connection instead. In TLS 1.3 a client
    /// hears only after its handshake that its certificate was refused.
    pub(crate) fn status(&self, address: &str, request: &str) -> Result<u16, String> {
        let mut stream = self.connect(address).map_err(|error| error.to_string())?;
        let text = said(&mut stream, request).map_err(|error| error.to_string())?;
        Ok(text.split(' ').nth(1).unwrap().parse().unwrap())
    }
}

/// Sends a request and reads what comes until the other end closes.
pub(crate) fn said(stream: &mut TlsStream, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

pub(crate) fn is_resumed(stream: &TlsStream) -> bool {
    stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
}
