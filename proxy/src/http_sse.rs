//! The HTTP+SSE transport of revision 2024-11-05: a stream (`GET`) tells where to `POST` messages, and carries every
//! answer.
//!
//! The backend's own address for messages is not one of ours, so the caller gets another: the stream's path with a
//! token. What is posted there is decided like any call. What the proxy answers itself goes into the stream, since
//! clients of this transport read nothing else.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use config::{BackendUrl, Limits};
use http::uri::{PathAndQuery, Uri};
use http::{Method, request::Parts};
use http_body_util::BodyExt;
use prometheus::{IntCounter, IntGauge};
use tokio::sync::mpsc;

use crate::caller::Identity;
use crate::events::{EventStream, Underway};
use crate::metrics::{Gauged, Metrics};
use crate::refusal::Refusal;
use crate::upstream::Endpoint;

/// Name of the query parameter that carries a session's token.
const PARAMETER: &str = "oakgate_session";
/// Events of the proxy's own that wait for a stream's reader.
const EVENTS_MAX: usize = 64;
/// A stream whose reader takes no event for this long has lost it.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// An endpoint is no longer than this.
const ENDPOINT_MAX_BYTES: usize = 8192;

/// Every session of this transport. A session lives as long as its stream.
#[derive(Debug)]
pub(crate) struct HttpSse {
    by_token: Mutex<HashMap<String, Arc<Session>>>,
    max: usize,
    max_per_caller: usize,
    now: IntGauge,
    full: IntCounter,
    full_of_caller: IntCounter,
}

/// One session: where its messages go, and where its answers go.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) token: String,
    /// Where the backend takes messages.
    pub(crate) target: PathAndQuery,
    /// Where its stream comes from.
    pub(crate) endpoint: Arc<Endpoint>,
    place: usize,
    caller: String,
    events: mpsc::Sender<Bytes>,
    _counted: Gauged,
}

/// A stream that may turn out to be one of this transport, and what its session will be then.
pub(crate) struct PendingSession {
    pub(crate) sessions: Arc<HttpSse>,
    pub(crate) url: BackendUrl,
    pub(crate) place: usize,
    pub(crate) caller: String,
    /// The path under which the caller opened the stream.
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) events: mpsc::Sender<Bytes>,
    /// Where its stream comes from, once it does.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    is_open: bool,
}

impl HttpSse {
    pub(crate) fn new(limits: &Limits, metrics: &Metrics) -> Self {
        Self {
            by_token: Mutex::default(),
            max: usize::try_from(limits.max_sessions).unwrap_or(usize::MAX),
            max_per_caller: usize::try_from(limits.max_sessions_per_caller).unwrap_or(usize::MAX),
            now: metrics.http_sse_sessions.clone(),
            full: metrics.limits_reached.with_label_values(&["max_sessions"]),
            full_of_caller: metrics.limits_reached.with_label_values(&["max_sessions_per_caller"]),
        }
    }

    /// The session that a message is posted to; `None` if it is posted to the backend's endpoint itself.
    pub(crate) fn session(
        &self,
        head: &Parts,
        place: usize,
        identity: &Identity,
    ) -> Result<Option<Arc<Session>>, Refusal> {
        let query = head.uri.query().unwrap_or_default();
        let Some(token) = query.strip_prefix(PARAMETER).and_then(|rest| rest.strip_prefix('=')) else {
            return Ok(None);
        };
        let session = self.by_token.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        let is_its_own =
            |session: &Arc<Session>| session.place == place && session.caller == identity.caller.id;
        match session.filter(|session| head.method == Method::POST && is_its_own(session)) {
            Some(session) => Ok(Some(session)),
            None => Err(Refusal::UnknownSession),
        }
    }
}

impl Session {
    /// Writes an event to the session's stream; false if nobody reads it any more.
    pub(crate) async fn send(&self, event: Bytes) -> bool {
        self.events.send_timeout(event, SEND_TIMEOUT).await.is_ok()
    }
}

impl PendingSession {
    pub(crate) fn new(
        sessions: &Arc<HttpSse>,
        (place, backend): (usize, &config::Backend),
        caller: &str,
        path: &str,
        token: String,
    ) -> (Self, mpsc::Receiver<Bytes>) {
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let pending = Self {
            sessions: Arc::clone(sessions),
            url: backend.url.clone(),
            place,
            caller: caller.to_owned(),
            path: path.to_owned(),
            token,
            events,
            endpoint: None,
            is_open: false,
        };
        (pending, inbox)
    }

    /// Opens the session when the backend has said where its messages go, and says where ours do.
    pub(crate) fn endpoint(&mut self, data: &[u8]) -> Result<Vec<u8>, &'static str> {
        if self.is_open {
            return Err("second-endpoint");
        }
        let target = resolve(&self.url, data).ok_or("endpoint-elsewhere")?;
        let endpoint = self.endpoint.clone().ok_or("endpoint-elsewhere")?;
        let mut sessions = self.sessions.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller = sessions.values().filter(|session| session.caller == self.caller).count();
        if of_caller >= self.sessions.max_per_caller {
            self.sessions.full_of_caller.inc();
            return Err("too-many-sessions-of-this-caller");
        }
        if sessions.len() >= self.sessions.max {
            self.sessions.full.inc();
            return Err("too-many-sessions");
        }
        let session = Session {
            token: self.token.clone(),
            target,
            endpoint,
            place: self.place,
            caller: self.caller.clone(),
            events: self.events.clone(),
            _counted: Gauged::new(&self.sessions.now),
        };
        sessions.insert(self.token.clone(), Arc::new(session));
        self.is_open = true;
        Ok(format!("{}?{PARAMETER}={}", self.path, self.token).into_bytes())
    }
}

impl Drop for PendingSession {
    fn drop(&mut self) {
        if self.is_open {
            self.sessions.by_token.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
        }
    }
}

impl std::fmt::Debug for PendingSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingSession")
            .field("path", &self.path)
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}

/// Lets a call that was answered with 202 go on: what it writes goes into the session's stream, and it ends with that.
pub(crate) async fn go_on(mut underway: Underway, stream: EventStream, session: Arc<Session>) {
    let mut left = pin!(session.events.closed());
    loop {
        let step = std::future::poll_fn(|context| {
            if left.as_mut().poll(context).is_ready() {
                return Poll::Ready(Step::Left);
            }
            if let Some(event) = stream.next(context) {
                return Poll::Ready(Step::Event(event));
            }
            underway.as_mut().poll(context).map(Step::Done)
        });
        match step.await {
            Step::Left => return,
            Step::Event(event) => {
                if !session.send(event).await {
                    return;
                }
            }
            Step::Done(response) => {
                while let Some(event) = stream.take() {
                    session.send(event).await;
                }
                // What the backend says to the POST itself is for nobody; its end is what the record waits for.
                let mut body = response.into_body();
                let read = async { while let Some(Ok(_)) = body.frame().await {} };
                tokio::select! {
                    () = read => {}
                    () = left => {}
                }
                return;
            }
        }
    }
}

enum Step {
    Left,
    Event(Bytes),
    Done(http::Response<crate::body::Body>),
}

/// Where an endpoint is, if it is on the backend itself: a URL, or a reference relative to the backend's own.
fn resolve(url: &BackendUrl, endpoint: &[u8]) -> Option<PathAndQuery> {
    let endpoint = std::str::from_utf8(endpoint).ok()?;
    if endpoint.len() > ENDPOINT_MAX_BYTES || endpoint.contains(['#', '\\', '\n', '\r', ' ']) {
        return None;
    }
    if endpoint.contains("://") && !endpoint.starts_with(['/', '?']) {
        let uri: Uri = endpoint.parse().ok()?;
        let same = uri.scheme() == Some(&url.scheme)
            && uri
                .authority()
                .is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(url.authority.as_str()));
        return same.then(|| uri.path_and_query().cloned())?;
    }
    let target = match endpoint.as_bytes().first()? {
        b'/' if endpoint.starts_with("//") => return None,
        b'/' => endpoint.to_owned(),
        b'?' => format!("{}{endpoint}", if url.path.is_empty() { "/" } else { &url.path }),
        _ => {
            let folder = url.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{endpoint}")
        }
    };
    let path = target.split('?').next()?;
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return None;
    }
    PathAndQuery::try_from(target).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_on_the_backend_itself() {
        let url = |path: &str| BackendUrl {
            scheme: http::uri::Scheme::HTTP,
            authority: "tools:3901".parse().unwrap(),
            host: "tools".to_owned(),
            port: 3901,
            path: path.to_owned(),
        };
        let table = [
            ("/sse", "/messages/?session_id=1", Some("/messages/?session_id=1")),
            ("/sse", "messages?session_id=1", Some("/messages?session_id=1")),
            ("/a/sse", "messages", Some("/a/messages")),
            ("/a/sse", "?s=1", Some("/a/sse?s=1")),
            ("", "?s=1", Some("/?s=1")),
            ("", "messages", Some("/messages")),
            ("/sse", "http://tools:3901/m?s=1", Some("/m?s=1")),
            ("/sse", "http://TOOLS:3901/m", Some("/m")),
            ("/sse", "/m?to=http://else/", Some("/m?to=http://else/")),
            ("/sse", "http://else:3901/m", None),
            ("/sse", "http://tools:3902/m", None),
            ("/sse", "https://tools:3901/m", None),
            ("/sse", "http://tools:3901@else/m", None),
            ("/sse", "//else/m", None),
            ("/sse", "/\\else/m", None),
            ("/a/sse", "../m", None),
            ("/a/sse", "/a/../m", None),
            ("/sse", "/m#f", None),
            ("/sse", "/m\nx", None),
            ("/sse", "", None),
        ];
        for (path, endpoint, expected) in table {
            let resolved = resolve(&url(path), endpoint.as_bytes());
            assert_eq!(resolved.as_ref().map(PathAndQuery::as_str), expected, "{path} {endpoint}");
        }
    }
}
