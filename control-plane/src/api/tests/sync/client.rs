//! A proxy at the other end of a real WebSocket: frames by hand, or driven by `policy_sync::ProxySync`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use policy_sync::{
    Closed, ControlFrame, Current, DialFailed, Document, Hello, Identity, Limits, PROTOCOL, PolicyPublicKey,
    ProxyAction, ProxyEvent, ProxyFrame, ProxySync, Subject, TrustedKeys,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// However loaded the machine is, it takes no longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A link, its frames written by hand.
pub(super) struct Link(WebSocketStream<TcpStream>);

/// A proxy that runs by `ProxySync` and takes whatever verifies.
pub(super) struct Proxy {
    address: SocketAddr,
    token: String,
    started: Instant,
    pub(super) sync: ProxySync,
    link: Option<Link>,
    /// Messages of each type that came.
    pub(super) received: Vec<&'static str>,
}

/// A JSON object of type `hello` for a proxy that has nothing.
pub(super) fn hello() -> String {
    ProxyFrame::Hello(Hello { version: "1".to_owned(), boot: 7, held: Current::default() }).to_text()
}

impl Link {
    /// Opens it; or the status with which that is refused.
    pub(super) async fn open(address: SocketAddr, token: &str) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/v1/sync").into_client_request().unwrap();
        let protocols = HeaderValue::from_str(&format!("{PROTOCOL}, {token}")).unwrap();
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols);
        let stream = TcpStream::connect(address).await.unwrap();
        match client_async(request, stream).await {
            Ok((stream, response)) => {
                assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], PROTOCOL);
                assert!(!format!("{response:?}").contains(token));
                Ok(Self(stream))
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub(super) async fn send(&mut self, message: Message) {
        // What is refused early is closed while it is still being sent.
        let _closed = self.0.send(message).await;
    }

    /// The next message, or the code that it was closed with.
    pub(super) async fn next(&mut self) -> Result<String, u16> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing comes") {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> ControlFrame {
        ControlFrame::parse(&self.next().await.expect("closed")).unwrap()
    }

    /// The code that it is closed with, whatever comes before.
    pub(super) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

impl Proxy {
    pub(super) fn new(address: SocketAddr, token: &str, trusted: PolicyPublicKey) -> Self {
        let identity = Identity { version: "0.1.0".to_owned(), boot: getrandom::u64().unwrap(), org: None };
        let limits = Limits { document_max_bytes: 64 * 1024 * 1024 };
        let sync = ProxySync::new(identity, TrustedKeys::new(vec![trusted]), limits, Vec::new());
        let (token, started) = (token.to_owned(), Instant::now());
        Self { address, token, started, sync, link: None, received: Vec::new() }
    }

    /// Runs until it has such a document in force.
    pub(super) async fn until(&mut self, subject: Subject, is_it: impl Fn(&Document) -> bool) {
        let begun = Instant::now();
        while !self.sync.held(subject).is_some_and(&is_it) {
            assert!(begun.elapsed() < PATIENCE, "it does not come: {:?}", self.sync.held(subject));
            self.step().await;
        }
        while let Some(action) = self.sync.action() {
            self.act(action).await;
        }
    }

    /// Runs until it has that revision of the policy.
    pub(super) async fn until_policy(&mut self, revision: u64) {
        self.until(Subject::Policy, |document| document.header().revision == revision).await;
    }

    /// The text in force.
    pub(super) fn text(&self, subject: Subject) -> &str {
        self.sync.held(subject).unwrap().text()
    }

    /// As if its machine had lost the network.
    pub(super) fn cut(&mut self) {
        self.link = None;
        self.handle(ProxyEvent::Closed(Closed::Broken));
    }

    /// Goes on with what there is to do, or what comes next.
    async fn step(&mut self) {
        if let Some(action) = self.sync.action() {
            return self.act(action).await;
        }
        let wait = self.sync.wake_at_ms().saturating_sub(self.now_ms()).max(1);
        let Some(link) = &mut self.link else {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            return self.handle(ProxyEvent::Tick);
        };
        match timeout(Duration::from_millis(wait), link.next()).await {
            Err(_) => self.handle(ProxyEvent::Tick),
            Ok(Ok(text)) => {
                self.received.push(match ControlFrame::parse(&text).unwrap() {
                    ControlFrame::Snapshot(_) => "snapshot",
                    ControlFrame::Chunk(_) => "chunk",
                    ControlFrame::Delta(_) => "delta",
                    _ => "other",
                });
                self.handle(ProxyEvent::Received(&text));
            }
            Ok(Err(code)) => {
                self.link = None;
                self.handle(ProxyEvent::Closed(Closed::Code(code)));
            }
        }
    }

    async fn act(&mut self, action: ProxyAction) {
        match action {
            ProxyAction::Dial => {
                let dialled = Link::open(self.address, &self.token).await;
                let result = match dialled {
                    Ok(link) => {
                        self.link = Some(link);
                        Ok(())
                    }
                    Err(401) => Err(DialFailed::TokenRefused),
                    Err(_) => Err(DialFailed::NoAnswer),
                };
                self.handle(ProxyEvent::Dialled(result));
            }
            ProxyAction::Send(text) => {
                if let Some(link) = &mut self.link {
                    link.say(&text).await;
                }
            }
            ProxyAction::Try(document) => {
                self.handle(ProxyEvent::Tried(document.header().subject, Ok(())));
            }
            ProxyAction::Refused(subject, why) => panic!("{subject:?}: {why:?}"),
            _ => {}
        }
    }

    fn handle(&mut self, event: ProxyEvent<'_>) {
        let now_ms = self.now_ms();
        // It comes back at once.
        self.sync.handle(event, now_ms, || 0);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }
}
