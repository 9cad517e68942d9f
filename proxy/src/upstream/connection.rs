//! One connection to a backend: how it is opened, and what can be sent on it.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Opens connections to one backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connector {
    pub(crate) header_max_bytes: usize,
}

/// The sending half of a connection.
#[derive(Debug)]
pub(crate) struct Sender(SendRequest<Full<Bytes>>);

impl Connector {
    /// A new connection to one of the backend's addresses.
    pub(crate) async fn open(&self, address: SocketAddr) -> io::Result<Sender> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        crate::connection::keep_alive(&stream)?;
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
        Ok(Sender(sender))
    }
}

impl Sender {
    /// Whether it would take a request now.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Over when it would take a request, or never will again.
    pub(crate) async fn ready(&mut self) -> Result<(), hyper::Error> {
        self.0.ready().await
    }

    /// Whether it is closed for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Sends a request. The error has the request in it if not a byte of it went out.
    pub(crate) async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        self.0.try_send_request(request).await
    }
}
