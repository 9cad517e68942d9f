//! Requests on a connection: what passes is cut in the same way in whatever pieces it comes, by hyper, and by careless
//! servers.

#[path = "http1_framing/careless.rs"]
mod careless;

use std::cell::RefCell;
use std::convert::Infallible;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use protocol::http1::{Framing, FramingRefused, Limits};
use tokio::io::AsyncWriteExt;

use self::careless::Careless;

const LIMITS: Limits = Limits { max_head_bytes: 4096, max_headers: 20, max_target_bytes: 1024 };
/// What is put behind a request, to see whether a reader finds it there.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\n\r\n";
const MEMORY_BYTES: usize = 1 << 16;

/// True if all of it passes, and ends where a request does. The first byte says how long the pieces are.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Some((seed, bytes)) = data.split_first() else { return true };
    let whole = cut([bytes]);
    for size in [1, usize::from(*seed).max(1)] {
        assert_eq!(cut(bytes.chunks(size)), whole, "in pieces of {size}");
    }
    let (ends, refused) = whole;
    let mut start = 0;
    for end in &ends {
        let request = &bytes[start..*end];
        hyper_cuts_there(request);
        for careless in Careless::all() {
            let found = careless.end(&[request, NEXT].concat());
            assert_eq!(found, Some(request.len()), "{careless:?}: {}", String::from_utf8_lossy(request));
        }
        start = *end;
    }
    refused.is_none() && start == bytes.len()
}

/// Where each request ends, and what then is refused.
fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<usize>, Option<FramingRefused>) {
    let mut framing = Framing::new(LIMITS);
    let (mut held, mut passed, mut ends) = (Vec::new(), 0, Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match framing.pass(&held) {
                Ok(0) => break,
                Ok(now) => {
                    held.drain(..now);
                    passed += now;
                }
                Err(refused) => return (ends, Some(refused)),
            }
            if framing.is_at_end() {
                ends.push(passed);
                framing.begin();
            }
        }
    }
    (ends, None)
}

/// hyper finds one whole request, and then the next, unless the first is the last of its connection.
fn hyper_cuts_there(request: &[u8]) {
    let seen = seen_by_hyper(&[request, NEXT].concat());
    let shown = String::from_utf8_lossy(request);
    match seen.as_slice() {
        [(_, true), (next, true)] => assert_eq!(next, "/next", "{shown}"),
        [(_, true)] => {}
        seen => panic!("hyper sees {seen:?} in {shown}"),
    }
}

/// The target of each request that hyper finds, and whether its body came whole.
fn seen_by_hyper(bytes: &[u8]) -> Vec<(String, bool)> {
    let seen = RefCell::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| {
        let (target, body) = (request.uri().to_string(), request.into_body());
        let seen = &seen;
        async move {
            let is_whole = body.collect().await.is_ok();
            seen.borrow_mut().push((target, is_whole));
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(MEMORY_BYTES.max(bytes.len() * 2));
        client.write_all(bytes).await.unwrap();
        let mut builder = http1::Builder::new();
        builder.half_close(true).max_headers(LIMITS.max_headers).max_header_size(LIMITS.max_head_bytes);
        let connection = builder.serve_connection(TokioIo::new(server), service);
        client.shutdown().await.unwrap();
        let _ended = connection.await;
    });
    seen.into_inner()
}
