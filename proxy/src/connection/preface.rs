//! What a client speaks, by its first bytes: HTTP/2 begins with words that are no HTTP/1.1 request (RFC 9113, section
//! 3.4).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How every HTTP/2 connection begins.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// A stream whose first bytes were looked at. They are read again.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    first: [u8; PREFACE.len()],
    /// Of `first`, how much came, and how much of that was read again.
    came: usize,
    read: usize,
    stream: S,
}

/// Reads until it is clear what a client speaks: for HTTP/1.1 once, the whole preface for HTTP/2.
pub(super) async fn spoken<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Spoken, Rewound<S>)> {
    let mut first = [0; PREFACE.len()];
    let mut came = 0;
    let spoken = loop {
        let room = first.get_mut(came..).unwrap_or_default();
        let count = stream.read(room).await?;
        came += count;
        if count == 0 || first.get(..came) != PREFACE.get(..came) {
            break Spoken::Http1;
        }
        if came == PREFACE.len() {
            break Spoken::Http2;
        }
    };
    Ok((spoken, Rewound { first, came, read: 0, stream }))
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read == this.came {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let left = this.first.get(this.read..this.came).unwrap_or_default();
        let now = left.get(..buffer.remaining().min(left.len())).unwrap_or_default();
        buffer.put_slice(now);
        this.read += now.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Sends pieces, each once the one before was read; says what was found, and everything that is read afterwards.
    fn found(pieces: &[&[u8]]) -> (Spoken, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(24);
            let sending = async {
                for piece in pieces {
                    client.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(client);
            };
            let reading = async {
                let (spoken, mut stream) = spoken(server).await.unwrap();
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap();
                (spoken, bytes)
            };
            tokio::join!(reading, sending).0
        })
    }

    #[test]
    fn the_first_bytes_say_it_and_none_is_lost() {
        let cases: [(Spoken, &[&[u8]]); 8] = [
            (Spoken::Http2, &[PREFACE]),
            (Spoken::Http2, &[b"P", b"RI * HTTP/2.0\r\n\r", b"\nSM\r\n\r\n", b"and frames"]),
            (Spoken::Http1, &[b"POST / HTTP/1.1\r\nhost: a\r\n\r\n"]),
            (Spoken::Http1, &[b"P", b"OST / HTTP/1.1\r\n\r\n"]),
            (Spoken::Http1, &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"X and more"]),
            (Spoken::Http1, &[b"PRI * HTTP/1.1\r\n\r\n"]),
            (Spoken::Http1, &[b"PRI * HTTP"]),
            (Spoken::Http1, &[]),
        ];
        for (spoken, pieces) in cases {
            assert_eq!(found(pieces), (spoken, pieces.concat()), "{pieces:?}");
        }
    }
}
