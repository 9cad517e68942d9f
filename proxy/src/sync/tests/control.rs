//! A small control plane on a real port: the protocol's own state machine behind a WebSocket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, StatusCode};
use policy_sync::{
    Ack, ControlAction, ControlEvent, ControlSync, Document, Hello, PROTOCOL, PolicyKey, ProxyFrame,
    Published, Subject,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub(super) const TOKEN: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// A control plane that serves until it is dropped.
pub(super) struct Control {
    pub(super) address: SocketAddr,
    pub(super) told: Told,
    shared: Arc<Serving>,
    task: JoinHandle<()>,
}

/// What proxies have told it.
pub(super) struct Told {
    pub(super) hellos: mpsc::Receiver<Hello>,
    pub(super) acks: mpsc::Receiver<Ack>,
}

/// How it answers those who connect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Right,
    /// Opens the WebSocket and says nothing ever.
    Silent,
    /// Names the token as the protocol that it speaks.
    Parrot,
    Unavailable,
}

struct Serving {
    manner: Manner,
    tls: Option<TlsAcceptor>,
    published: watch::Sender<Published>,
    raw: broadcast::Sender<String>,
    revoked: broadcast::Sender<()>,
    hellos: mpsc::Sender<Hello>,
    acks: mpsc::Sender<Ack>,
    /// The first words of what was sent.
    sent: Mutex<Vec<String>>,
}

pub(super) fn key() -> PolicyKey {
    PolicyKey::generate(&[7; 32])
}

pub(super) fn document(subject: Subject, revision: u64, text: &str) -> Document {
    Document::sign(&key(), (subject, "acme"), (revision, 1), text)
}

impl Control {
    pub(super) async fn start() -> Self {
        Self::with(Manner::Right, None).await
    }

    pub(super) async fn with(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (hellos, acks) = (mpsc::channel(100), mpsc::channel(100));
        let shared = Arc::new(Serving {
            manner,
            tls,
            published: watch::Sender::default(),
            raw: broadcast::Sender::new(10),
            revoked: broadcast::Sender::new(1),
            hellos: hellos.0,
            acks: acks.0,
            sent: Mutex::default(),
        });
        let task = tokio::spawn(serve(Arc::clone(&shared), listener));
        Self { address, told: Told { hellos: hellos.1, acks: acks.1 }, shared, task }
    }

    pub(super) fn publish(&self, document: Document) {
        self.shared.published.send_modify(|published| published.publish(document).unwrap());
    }

    /// Sends a message as it is, to every proxy that is linked.
    pub(super) fn send_raw(&self, message: String) {
        self.shared.raw.send(message).unwrap();
    }

    pub(super) fn revoke(&self) {
        self.shared.revoked.send(()).unwrap();
    }

    /// How many messages were sent that begin like this.
    pub(super) fn sent(&self, beginning: &str) -> usize {
        self.shared.sent.lock().unwrap().iter().filter(|sent| sent.starts_with(beginning)).count()
    }

    pub(super) async fn ack(&mut self) -> Ack {
        tokio::time::timeout(Duration::from_secs(60), self.told.acks.recv()).await.unwrap().unwrap()
    }

    pub(super) async fn hello(&mut self) -> Hello {
        tokio::time::timeout(Duration::from_secs(60), self.told.hellos.recv()).await.unwrap().unwrap()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(serving: Arc<Serving>, listener: TcpListener) {
    let mut links = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let serving = Arc::clone(&serving);
        links.spawn(async move {
            match serving.tls.clone() {
                None => talk(&serving, stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(&serving, stream).await;
                    }
                }
            }
        });
    }
}

#[expect(clippy::result_large_err, reason = "the callback's own type")]
fn answer(manner: Manner, request: &Request, mut answer: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status| Err(Response::builder().status(status).body(None).unwrap());
    let presented = request.headers().get("Sec-WebSocket-Protocol").unwrap();
    if manner == Manner::Unavailable {
        return refuse(StatusCode::SERVICE_UNAVAILABLE);
    }
    if presented.to_str().unwrap() != format!("{PROTOCOL}, {TOKEN}") {
        return refuse(StatusCode::UNAUTHORIZED);
    }
    let named = if manner == Manner::Parrot { TOKEN } else { PROTOCOL };
    answer.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(named));
    Ok(answer)
}

async fn talk(serving: &Serving, stream: impl AsyncRead + AsyncWrite + Unpin) {
    #[expect(clippy::result_large_err, reason = "the callback's own type")]
    let check = |request: &Request, response| answer(serving.manner, request, response);
    let Ok(mut socket) = accept_hdr_async(stream, check).await else { return };
    if serving.manner == Manner::Silent {
        while let Some(Ok(message)) = socket.next().await {
            if let Ok(ProxyFrame::Hello(hello)) = ProxyFrame::parse(message.to_text().unwrap()) {
                serving.hellos.send(hello).await.unwrap();
            }
        }
        return;
    }
    let started = Instant::now();
    let now_ms = || u64::try_from(started.elapsed().as_millis()).unwrap();
    let mut published = serving.published.subscribe();
    let (mut raw, mut revoked) = (serving.raw.subscribe(), serving.revoked.subscribe());
    let mut sync = ControlSync::new(0);
    loop {
        while let Some(action) = sync.action() {
            match action {
                ControlAction::Send(bytes) => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    serving.sent.lock().unwrap().push(text.chars().take(40).collect());
                    if socket.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
                ControlAction::Close(code, reason) => {
                    let frame = CloseFrame { code: code.into(), reason: reason.into() };
                    let _closed = socket.close(Some(frame)).await;
                    return;
                }
                ControlAction::Greeted(hello) => serving.hellos.send(hello).await.unwrap(),
                _ => {}
            }
        }
        let wake = started + Duration::from_millis(sync.wake_at_ms());
        let current = published.borrow_and_update().clone();
        tokio::select! {
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    if let Ok(ProxyFrame::Ack(ack)) = ProxyFrame::parse(&text) {
                        serving.acks.send(ack).await.unwrap();
                    }
                    sync.handle(ControlEvent::Received(&text), &current, now_ms());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Ok(()) = published.changed() => {
                let current = published.borrow_and_update().clone();
                sync.handle(ControlEvent::Published, &current, now_ms());
            }
            Ok(message) = raw.recv() => socket.send(Message::text(message)).await.unwrap(),
            Ok(()) = revoked.recv() => sync.handle(ControlEvent::Revoked, &current, now_ms()),
            () = sleep_until(wake) => sync.handle(ControlEvent::Tick, &current, now_ms()),
        }
    }
}
