//! Opens the link: TCP, TLS, and the WebSocket handshake with the relay token (RFC 6455).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{ControlLink, RelayTokenPlace};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderValue, Response, StatusCode};
use policy_sync::{DialFailed, FRAME_BYTES_MAX, PROTOCOL};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, handshake};
use zeroize::Zeroizing;

use super::wire::{Connection, Socket};
use crate::tls::HTTP1;
use watched_files::{FileError, PemFile, read_at_most, system_authorities};

/// From the first packet to the end of the handshake.
const DIAL_WITHIN: Duration = Duration::from_secs(10);

/// Longest relay token; longer than any.
const TOKEN_MAX_BYTES: u64 = 1024;

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0}")]
    File(FileError),
    #[error("it can't be reached: {0}")]
    Unreachable(io::Error),
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    #[error("TLS can't be set up: {0}")]
    TlsSettings(#[from] rustls::Error),
    #[error(
        "it answered 401: make a new relay token, or start the proxy with it, or put it into `relay_token_file`"
    )]
    TokenRefused,
    #[error("it answered {0}, and opened no WebSocket")]
    Status(StatusCode),
    #[error("its handshake is not of `{PROTOCOL}`: {0}")]
    Handshake(tungstenite::Error),
    #[error("it does not say that it speaks `{PROTOCOL}`")]
    Protocol,
    #[error("it took longer than {} seconds", DIAL_WITHIN.as_secs())]
    TooSlow,
    #[error("reading the files failed in an unforeseen way")]
    Unforeseen,
}

impl DialError {
    /// The error's name, in metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Unforeseen => "files",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) | Self::TlsSettings(_) => "tls",
            Self::TokenRefused => "token-refused",
            Self::Status(_) => "status",
            Self::Handshake(_) | Self::Protocol => "protocol",
            Self::TooSlow => "too-slow",
        }
    }

    /// What it means for the link.
    pub(super) const fn failed(&self) -> DialFailed {
        match self {
            Self::TokenRefused => DialFailed::TokenRefused,
            _ => DialFailed::NoAnswer,
        }
    }
}

impl From<FileError> for DialError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// What is read anew each time, as it may have been replaced.
struct Files {
    token: HeaderValue,
    /// `None` for a plain link.
    tls: Option<ClientConfig>,
}

/// Opens a link.
pub(super) async fn dial(link: ControlLink) -> Result<Connection, DialError> {
    timeout(DIAL_WITHIN, open(link)).await.unwrap_or(Err(DialError::TooSlow))
}

async fn open(link: ControlLink) -> Result<Connection, DialError> {
    let url = link.url.clone();
    let files = spawn_blocking(move || Files::read(&link)).await.map_err(|_| DialError::Unforeseen)??;
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(DialError::Unreachable)?;
    stream.set_nodelay(true).map_err(DialError::Unreachable)?;
    crate::connection::keep_alive(&stream).map_err(DialError::Unreachable)?;
    let mut request = url.uri.into_client_request().map_err(DialError::Handshake)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, files.token);
    match files.tls.zip(url.server_name) {
        None => Ok(Connection::Plain(Box::new(handshake(request, stream).await?))),
        Some((tls, name)) => {
            let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
            let stream = stream.map_err(DialError::Tls)?;
            Ok(Connection::Tls(Box::new(handshake(request, stream).await?)))
        }
    }
}

/// The answer must name the protocol, and nothing but the protocol.
async fn handshake<T: AsyncRead + AsyncWrite + Unpin>(
    request: handshake::client::Request,
    stream: T,
) -> Result<Socket<T>, DialError> {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let opened = client_async_with_config(request, stream, Some(limits)).await;
    let (stream, answer) = opened.map_err(|error| match error {
        tungstenite::Error::Http(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
            DialError::TokenRefused
        }
        tungstenite::Error::Http(answer) => DialError::Status(answer.status()),
        error => DialError::Handshake(error),
    })?;
    if names_the_protocol(&answer) { Ok(Socket::new(stream)) } else { Err(DialError::Protocol) }
}

fn names_the_protocol<B>(answer: &Response<B>) -> bool {
    let mut named = answer.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    named.next().is_some_and(|name| name == PROTOCOL) && named.next().is_none()
}

impl Files {
    fn read(link: &ControlLink) -> Result<Self, DialError> {
        let tls = link.url.server_name.is_some().then(|| tls(link)).transpose()?;
        Ok(Self { token: token(link)?, tls })
    }
}

/// The header that carries the relay token beside the protocol's name.
fn token(link: &ControlLink) -> Result<HeaderValue, FileError> {
    let (file, text) = match &link.relay_token {
        RelayTokenPlace::Given(token) => {
            (Path::new("the join line"), Zeroizing::new(token.expose().to_owned()))
        }
        RelayTokenPlace::File(file) => (file.as_path(), Zeroizing::new(read_at_most(file, TOKEN_MAX_BYTES)?)),
    };
    let token = text.trim_end_matches(['\r', '\n']);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let value = Zeroizing::new([PROTOCOL, ", ", token].concat());
    let value =
        HeaderValue::from_str(&value).ok().filter(|_| !token.is_empty() && token.bytes().all(is_token));
    let mut value = value.ok_or_else(|| {
        FileError::one(
            file,
            "is no relay token: it must be one line of letters, digits, `-` and `_`".to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn tls(link: &ControlLink) -> Result<ClientConfig, DialError> {
    let ca = link.ca_file.as_deref().map(PemFile::read).transpose()?;
    let roots = ca.as_ref().map_or_else(system_authorities, PemFile::authorities)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP1.to_vec()];
    Ok(config)
}
