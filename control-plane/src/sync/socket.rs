//! A WebSocket (RFC 6455) that keeps little in memory: what is long leaves in fragments, each of which the other end must
//! take within a time.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use policy_sync::FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// A proxy that takes nothing of what is sent for so long is cut.
pub(super) const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// Longest payload of a frame that is sent. The socket's buffer grows as long as the longest, and stays so.
const FRAGMENT_BYTES: usize = 16 * 1024;

/// What is read at once.
const READ_BYTES: usize = 4 * 1024;

/// How long the other end may take to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// This end of a WebSocket.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    write_patience: Duration,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Text(Utf8Bytes),
    /// The other end has closed it.
    Closed,
    /// Without a word.
    Broken,
    /// What is no text, or no WebSocket.
    Malformed,
    /// A message longer than any may be.
    TooLong,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    Broken,
    /// The other end does not read.
    Stalled,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// The server's end of a stream that speaks WebSocket from now on.
    pub(super) async fn new(stream: S, write_patience: Duration) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self { stream, write_patience }
    }

    /// The next message. Nothing is lost if this is dropped before it is done.
    pub(super) async fn receive(&mut self) -> Received {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Received::Text(text),
                Some(Ok(Message::Binary(_))) => return Received::Malformed,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Received::Closed,
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    return Received::Broken;
                }
                Some(Err(Error::Capacity(_))) => return Received::TooLong,
                Some(Err(Error::Protocol(_) | Error::Utf8(_))) => return Received::Malformed,
                Some(Err(_)) => return Received::Broken,
            }
        }
    }

    /// Sends a text. If this is dropped before it is done, nothing but a close may follow.
    pub(super) async fn send(&mut self, mut text: Bytes) -> Result<(), Unsent> {
        let mut code = OpCode::Data(Data::Text);
        loop {
            let fragment = text.split_to(text.len().min(FRAGMENT_BYTES));
            let is_last = text.is_empty();
            let frame = Message::Frame(Frame::message(fragment, code, is_last));
            match timeout(self.write_patience, self.stream.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Unsent::Broken),
                Err(_) => return Err(Unsent::Stalled),
            }
            if is_last {
                return Ok(());
            }
            code = OpCode::Data(Data::Continue);
        }
    }

    /// Closes it with this code, and waits a moment for the other end to have heard it.
    pub(super) async fn close(mut self, code: u16, why: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(why) };
        let closing = async {
            if self.stream.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // Whoever does not listen finds it closed.
        let _deaf = timeout(CLOSE_PATIENCE, closing).await;
    }
}

#[cfg(test)]
mod tests;
