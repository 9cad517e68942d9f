//! HTTP/1.1 with a client (RFC 9112): hyper behind a stream that lets only well-formed requests through.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use edge::{Answer, Answering, Progress, Watched};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, cut, ending};
use crate::body::Body;
use crate::gate::gate;
use crate::refusal::Refusal;
use crate::state::Shared;

/// The least that hyper takes as the size of its largest buffer.
const BUFFER_MIN_BYTES: usize = 400 * 1024;

impl Connection {
    /// Serves HTTP/1.1.
    pub(super) async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let shared = Arc::clone(&self.worker.shared);
        let limits = shared.settings.limits;
        let progress = Arc::<Progress>::default();
        let stream = Watched::new(stream, Arc::clone(&progress), Arc::clone(&shared.client_limits));
        let service = service_fn(|request| {
            let answer = self.http1_answer(&progress, request);
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let max_header_bytes = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
        // The watched stream has limits of its own, which are stricter.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_headers(usize::try_from(limits.max_headers).unwrap_or(usize::MAX))
            .max_header_size(max_header_bytes)
            .max_buf_size(max_header_bytes.max(BUFFER_MIN_BYTES))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut ending = pin!(ending(&shared, &self.peer));
        let mut cut = pin!(cut(&shared, &self.peer));
        let mut is_ending = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = ending.as_mut(), if !is_ending => {
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
                () = cut.as_mut(), if is_ending => break Ok(()),
            }
        };
        if let Err(error) = ended {
            note(&shared, &error);
        }
    }

    /// Answers one request.
    fn http1_answer(
        &self,
        progress: &Arc<Progress>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response<Answer<Body>>> + use<> {
        let answering = Answering::new(progress);
        let may_upgrade = request.headers().contains_key(UPGRADE);
        if may_upgrade {
            request.extensions_mut().insert(Arc::clone(&self.place));
        }
        if let Some(refused) = progress.refused() {
            request.extensions_mut().insert(refused);
        }
        let (worker, listening) = (Rc::clone(&self.worker), Rc::clone(&self.listening));
        let passage = gate(worker, listening, Arc::clone(&self.peer), request);
        async move {
            let mut response = passage.await;
            if may_upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS {
                answering.upgraded();
            } else if answering.is_in_body() {
                // What is left of the request will not be read.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response.map(|body| Answer::new(body, answering))
        }
    }
}

/// Notes why a connection ended early.
fn note(shared: &Shared, error: &hyper::Error) {
    if error.is_parse() {
        // What passed the watched stream and is not HTTP to hyper all the same. hyper has answered and closes; who called
        // is not known, so there is a count and no record.
        let reason = Refusal::UnreadableRequest.name();
        shared.metrics.refusals.with_label_values(&[reason]).inc();
    }
    tracing::debug!(%error, "a client's connection ended");
}
