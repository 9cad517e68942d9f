//! One open link: a WebSocket that is read and written at once, so that what the other end does not take holds up nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use policy_sync::Closed;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Messages that may wait until the other end takes them, and their bytes: what a proxy says when a link comes up is all
/// said at once.
const UNSENT_MAX: usize = 16 * 1024;
const UNSENT_BYTES_MAX: usize = 96 * 1024 * 1024;

/// A close without a code (RFC 6455, section 7.4.1).
const NO_CODE: u16 = 1005;

/// An open link.
#[derive(Debug)]
pub(super) enum Connection {
    Plain(Box<Socket<TcpStream>>),
    Tls(Box<Socket<TlsStream<TcpStream>>>),
}

/// What comes over it. After the end nothing does.
#[derive(Debug)]
pub(super) enum Heard {
    Message(Utf8Bytes),
    End(Closed, String),
}

/// The other end takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TakesNothing;

/// A WebSocket, and what is to be sent on it.
#[derive(Debug)]
pub(super) struct Socket<T> {
    stream: WebSocketStream<T>,
    unsent: VecDeque<String>,
    unsent_bytes: usize,
    is_flushed: bool,
}

impl Connection {
    /// The next thing that comes; sends meanwhile. Nothing is lost when it is given up before it is ready.
    pub(super) async fn next(&mut self) -> Heard {
        match self {
            Self::Plain(socket) => poll_fn(|context| socket.poll(context)).await,
            Self::Tls(socket) => poll_fn(|context| socket.poll(context)).await,
        }
    }

    /// Lets a message be sent by and by.
    pub(super) fn send(&mut self, message: String) -> Result<(), TakesNothing> {
        match self {
            Self::Plain(socket) => socket.send(message),
            Self::Tls(socket) => socket.send(message),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    pub(super) const fn new(stream: WebSocketStream<T>) -> Self {
        Self { stream, unsent: VecDeque::new(), unsent_bytes: 0, is_flushed: true }
    }

    fn send(&mut self, message: String) -> Result<(), TakesNothing> {
        if self.unsent.len() >= UNSENT_MAX || self.unsent_bytes + message.len() > UNSENT_BYTES_MAX {
            return Err(TakesNothing);
        }
        self.unsent_bytes += message.len();
        self.unsent.push_back(message);
        Ok(())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        if let Err(error) = self.poll_send(context) {
            return Poll::Ready(Heard::End(Closed::Broken, error.to_string()));
        }
        loop {
            let heard = match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(Message::Text(text))) => Heard::Message(text),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.as_ref().map_or(NO_CODE, |frame| frame.code.into());
                    let why = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                    Heard::End(Closed::Code(code), format!("code {code} {why}").trim_end().to_owned())
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Binary(_))) => {
                    Heard::End(Closed::Broken, "a message is not text".to_owned())
                }
                Some(Err(error)) => Heard::End(Closed::Broken, error.to_string()),
                None => Heard::End(Closed::Broken, "it ended".to_owned()),
            };
            return Poll::Ready(heard);
        }
    }

    /// Sends as much as goes.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.unsent.is_empty() {
            match stream.as_mut().poll_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(()),
            }
            if let Some(message) = self.unsent.pop_front() {
                self.unsent_bytes -= message.len();
                self.is_flushed = false;
                stream.as_mut().start_send(Message::text(message))?;
            }
        }
        if !self.is_flushed {
            match stream.poll_flush(context) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return Ok(()),
            }
            self.is_flushed = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[tokio::test]
    async fn what_the_other_end_does_not_take_has_a_limit_and_holds_up_nothing() {
        let (near, far) = tokio::io::duplex(1024);
        let mut near = Socket::new(WebSocketStream::from_raw_socket(near, Role::Client, None).await);
        let mut far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let long = "x".repeat(1024 * 1024);
        let waiting = (0..).take_while(|_| near.send(long.clone()).is_ok()).count();
        assert_eq!(waiting, UNSENT_BYTES_MAX / long.len());
        far.send(Message::text("hello")).await.unwrap();
        let heard = poll_fn(|context| near.poll(context)).await;
        assert!(matches!(&heard, Heard::Message(text) if text.as_str() == "hello"), "{heard:?}");
        for _ in 0..waiting {
            tokio::select! {
                message = far.next() => assert_eq!(message.unwrap().unwrap().len(), long.len()),
                heard = poll_fn(|context| near.poll(context)) => panic!("{heard:?}"),
            }
        }
        let waiting = (0..).take_while(|_| near.send(String::new()).is_ok()).count();
        assert_eq!(waiting, UNSENT_MAX);
    }
}
