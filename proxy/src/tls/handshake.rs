//! The handshake of one connection, within its time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{Error, HandshakeKind};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{ListenerTls, PeerCertificate};
use crate::clock;
use crate::connection::{Peer, reached};
use crate::listen::Listening;
use crate::state::{Phase, Shared};

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    /// The client broke off.
    Broken,
    /// The client's certificate is not good, or can't be read.
    CertificateRefused,
    /// The proxy is stopping.
    Draining,
    /// The client has none, and must.
    NoCertificate,
    /// The client does not speak TLS.
    NotTls,
    /// Anything else that the protocol does not allow.
    Protocol,
    /// The client does not accept the listener's certificate, or something else.
    Rejected,
    /// It took longer than `handshake_timeout_seconds`.
    Timeout,
    /// Client and listener have no version, cipher suite or protocol in common.
    Unsupported,
}

/// Shakes hands with a client: what it is known by, and the connection to go on with. A client that fails has been told
/// why as far as TLS has words for it, and is counted.
pub(crate) async fn handshake(
    shared: &Shared,
    listening: &Listening,
    stream: TcpStream,
) -> Option<(TlsStream<TcpStream>, Peer)> {
    let tls = shared.in_force.load().tls.get(listening.place).cloned().flatten()?;
    let shaken = tokio::select! {
        shaken = shake(shared, &tls, listening.place, stream) => shaken,
        () = reached(shared, Phase::Drain) => Err(Failed::Draining),
    };
    let handshakes = &shared.metrics.tls.handshakes;
    let name = listening.settings.name.as_str();
    match shaken {
        Ok((stream, certificate)) => {
            let kind = if is_resumed(&stream) { "resumed" } else { "full" };
            handshakes.with_label_values(&[name, kind]).inc();
            let identities = Arc::clone(&shared.in_force.load().identities);
            Some((stream, Peer::over_tls(certificate, &listening.settings.auth, &identities)))
        }
        Err(failed) => {
            handshakes.with_label_values(&[name, failed.name()]).inc();
            tracing::debug!(listener = name, reason = failed.name(), "a TLS handshake failed");
            None
        }
    }
}

async fn shake(
    shared: &Shared,
    tls: &ListenerTls,
    place: usize,
    stream: TcpStream,
) -> Result<(TlsStream<TcpStream>, Option<PeerCertificate>), Failed> {
    let limits = &shared.settings.limits;
    let limit = Duration::from_secs(limits.handshake_timeout_seconds.into());
    let accepting = TlsAcceptor::from(Arc::clone(&tls.server)).accept(stream);
    let stream = match timeout(limit, accepting).await {
        Ok(accepted) => accepted.map_err(|error| Failed::of(&error))?,
        Err(_) => {
            shared.metrics.limits_reached.with_label_values(&["handshake_timeout_seconds"]).inc();
            return Err(Failed::Timeout);
        }
    };
    let Some(chain) = stream.get_ref().1.peer_certificates() else { return Ok((stream, None)) };
    let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    // The certificate of a resumed session was verified in an earlier connection, and not in this one.
    let verified_with = tls.authorities.as_deref().filter(|_| !is_resumed(&stream));
    let now = clock::now();
    let certificate = PeerCertificate::new(chain, place, verified_with, now);
    let certificate = certificate.and_then(|certificate| {
        certificate.check(&shared.in_force.load().tls, now)?;
        Ok(certificate)
    });
    Ok((stream, Some(certificate.map_err(|_| Failed::CertificateRefused)?)))
}

fn is_resumed(stream: &TlsStream<TcpStream>) -> bool {
    // Whatever is not known to have been a full handshake counts as none.
    !matches!(
        stream.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
    )
}

impl Failed {
    const fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::CertificateRefused => "certificate-refused",
            Self::Draining => "draining",
            Self::NoCertificate => "no-certificate",
            Self::NotTls => "not-tls",
            Self::Protocol => "protocol",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
        }
    }

    fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            None => Self::Broken,
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(Error::NoCertificatesPresented) => Self::NoCertificate,
            Some(Error::InvalidCertificate(_)) => Self::CertificateRefused,
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::Unsupported,
            Some(Error::AlertReceived(_)) => Self::Rejected,
            Some(_) => Self::Protocol,
        }
    }
}
