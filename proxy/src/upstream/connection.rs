//! One connection to a backend: how it is opened, and what can be sent on it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use config::Http;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::http2::{self, Multiplexed, Stream};
use super::secure::ClientTls;

/// Opens connections to one backend.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) header_max_bytes: usize,
    /// Counts the HTTP/2 connections that are open.
    pub(crate) multiplexed: IntGauge,
}

/// What a connection must be like to be used for a request.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// TLS as it is in force; `None` for a plain backend.
    pub(crate) tls: Option<Arc<ClientTls>>,
    pub(crate) http: Http,
    /// Whether others may use it too, if it is HTTP/2.
    pub(crate) may_be_shared: bool,
}

/// A connection that was opened.
#[derive(Debug)]
pub(crate) enum Opened {
    Http1(Http1),
    Http2(Rc<Multiplexed>),
}

/// What a request is sent with: a connection of its own, or a place on one that others use too.
#[derive(Debug)]
pub(crate) enum Sender {
    Http1(Http1),
    Http2(Stream),
}

/// The sending half of an HTTP/1.1 connection.
#[derive(Debug)]
pub(crate) struct Http1 {
    sender: SendRequest<Full<Bytes>>,
    generation: u64,
}

impl Wanted {
    /// Which version of its TLS files a connection must have been opened under; 0 without TLS.
    pub(super) fn generation(&self) -> u64 {
        self.tls.as_ref().map_or(0, |tls| tls.generation)
    }

    /// Whether what is opened for it may turn out to be HTTP/2.
    pub(super) fn may_be_http2(&self) -> bool {
        match self.http {
            Http::Auto => self.tls.is_some(),
            Http::One => false,
            Http::Two => true,
        }
    }
}

impl Connector {
    /// A new connection to one of the backend's addresses, verified.
    pub(crate) async fn open(&self, address: SocketAddr, wanted: &Wanted) -> io::Result<Opened> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        crate::connection::keep_alive(&stream)?;
        let generation = wanted.generation();
        let Some(tls) = &wanted.tls else {
            return match wanted.http {
                Http::Auto | Http::One => self.http1(stream, generation).await.map(Opened::Http1),
                Http::Two => self.http2(stream, generation).await.map(Opened::Http2),
            };
        };
        let (stream, is_http2) = tls.connect(stream, wanted.http).await?;
        if is_http2 {
            self.http2(stream, generation).await.map(Opened::Http2)
        } else {
            self.http1(stream, generation).await.map(Opened::Http1)
        }
    }

    async fn http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        generation: u64,
    ) -> io::Result<Http1> {
        let (sender, connection) = Builder::new()
            .max_header_size(self.header_max_bytes)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a backend's connection ended");
            }
        });
        Ok(Http1 { sender, generation })
    }

    async fn http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        generation: u64,
    ) -> io::Result<Rc<Multiplexed>> {
        http2::open(stream, self.header_max_bytes, generation, &self.multiplexed).await
    }
}

impl Http1 {
    /// Whether it was opened under the TLS files that are in force.
    pub(crate) fn suits(&self, wanted: &Wanted) -> bool {
        self.generation == wanted.generation()
    }

    /// Whether it would take a request now.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Over when it would take a request, or never will again.
    pub(crate) async fn ready(&mut self) -> Result<(), hyper::Error> {
        self.sender.ready().await
    }

    /// Whether it is closed for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Opened {
    /// A sender that nobody shares.
    pub(super) fn alone(self) -> Sender {
        match self {
            Self::Http1(connection) => Sender::Http1(connection),
            Self::Http2(connection) => Sender::Http2(Stream::on(&connection)),
        }
    }
}

impl Sender {
    /// Sends a request. The error has the request in it if not a byte of it went out.
    pub(crate) async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        match self {
            Self::Http1(connection) => connection.sender.try_send_request(request).await,
            Self::Http2(stream) => stream.try_send(request).await,
        }
    }

    /// Whether requests on it have the form of HTTP/2.
    pub(crate) const fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }
}
