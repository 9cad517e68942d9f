//! One simulated proxy: `ProxySync` and a WebSocket, as in the real one's driver, but for TLS, compiling and the disk.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use policy_sync::{
    Closed, DialFailed, FRAME_BYTES_MAX, Identity, Limits, PROTOCOL, ProxyAction, ProxyEvent, ProxySync,
    Subject, TrustedKeys,
};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::light::{Light, Taken, sign_of_life};
use crate::tally::Tally;

/// As in a real proxy.
const DIAL_WITHIN: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { document_max_bytes: 64 * 1024 * 1024 };

/// What a socket reads at once: ten thousand buffers of the usual size would be more than a gigabyte.
const READ_BYTES: usize = 8 * 1024;

/// How a proxy gets its link.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    /// Each has its own address, as a machine has.
    pub(crate) number: usize,
    pub(crate) token: String,
}

/// One proxy.
pub(crate) struct Proxy {
    link: Link,
    sync: ProxySync,
    light: Option<Light>,
    socket: Option<WebSocketStream<TcpStream>>,
    tally: Rc<RefCell<Tally>>,
    is_linked: bool,
    /// A policy that is in force, which the control plane has not been told yet.
    in_force: Option<u64>,
    started: Instant,
}

impl Proxy {
    pub(crate) fn new(
        link: Link,
        (org, trusted): (&str, TrustedKeys),
        is_light: bool,
        tally: Rc<RefCell<Tally>>,
    ) -> Self {
        let identity = Identity {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot: entropy(),
            org: Some(org.to_owned()),
        };
        Self {
            link,
            sync: ProxySync::new(identity, trusted.clone(), LIMITS, Vec::new()),
            light: is_light.then(|| Light::new(trusted)),
            socket: None,
            tally,
            is_linked: false,
            in_force: None,
            started: Instant::now(),
        }
    }

    /// Runs for ever.
    pub(crate) async fn run(mut self) {
        loop {
            self.act().await;
            let wake_at = self.started + Duration::from_millis(self.sync.wake_at_ms());
            let received = async {
                match &mut self.socket {
                    Some(socket) => socket.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                received = received => self.received(received).await,
                () = sleep_until(wake_at) => self.handle(ProxyEvent::Tick),
            }
        }
    }

    fn handle(&mut self, event: ProxyEvent<'_>) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).expect("a run has an end");
        self.sync.handle(event, now_ms, entropy);
    }

    async fn received(&mut self, received: Option<Result<Message, Error>>) {
        match received {
            Some(Ok(Message::Text(text))) => match self.light.as_mut().map(|light| light.take(&text)) {
                None | Some(Taken::No) => self.handle(ProxyEvent::Received(&text)),
                Some(Taken::Part) => self.handle(ProxyEvent::Received(&sign_of_life())),
                Some(Taken::Whole { subject, revision, ack }) => {
                    self.handle(ProxyEvent::Received(&sign_of_life()));
                    self.in_force = (subject == Subject::Policy).then_some(revision);
                    self.send(ack).await;
                }
            },
            Some(Ok(Message::Close(frame))) => {
                self.closed(frame.map_or(Closed::Broken, |frame| Closed::Code(frame.code.into())));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => self.closed(Closed::Broken),
        }
    }

    fn closed(&mut self, closed: Closed) {
        self.socket = None;
        self.handle(ProxyEvent::Closed(closed));
    }

    /// Does what is to be done, until there is nothing more.
    async fn act(&mut self) {
        while let Some(action) = self.sync.action() {
            match action {
                ProxyAction::Dial => self.dial().await,
                ProxyAction::Send(message) => self.send(message).await,
                ProxyAction::HangUp(_) => self.socket = None,
                ProxyAction::Try(document) => {
                    let (subject, revision) = (document.header().subject, document.header().revision);
                    self.in_force = (subject == Subject::Policy).then_some(revision);
                    self.handle(ProxyEvent::Tried(subject, Ok(())));
                }
                ProxyAction::Linked => {
                    self.is_linked = true;
                    self.tally.borrow_mut().linked();
                }
                ProxyAction::Unlinked(_) => {
                    self.socket = None;
                    if std::mem::take(&mut self.is_linked) {
                        self.tally.borrow_mut().unlinked();
                    }
                }
                ProxyAction::Refused(subject, why) => {
                    self.tally.borrow().refused(format!("{}: {why:?}", subject.as_str()));
                }
                ProxyAction::Confirmed(_) | ProxyAction::Deliver(_) | ProxyAction::AuditStored(_) => {}
            }
        }
    }

    async fn send(&mut self, message: String) {
        let Some(socket) = &mut self.socket else { return };
        if socket.send(Message::text(message)).await.is_err() {
            return self.closed(Closed::Broken);
        }
        // What is said after a document is in force is that it is.
        if let Some(revision) = self.in_force.take() {
            self.tally.borrow_mut().in_force(revision);
        }
    }

    async fn dial(&mut self) {
        self.tally.borrow_mut().dialled();
        let dialled = match timeout(DIAL_WITHIN, self.link.open()).await {
            Ok(Ok(socket)) => {
                self.socket = Some(socket);
                Ok(())
            }
            Ok(Err(_)) | Err(_) => {
                self.tally.borrow_mut().dial_failed();
                Err(DialFailed::NoAnswer)
            }
        };
        self.handle(ProxyEvent::Dialled(dialled));
    }
}

impl Link {
    async fn open(&self) -> Result<WebSocketStream<TcpStream>, Error> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((self.source(), 0)))?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{}/v1/sync", self.address).into_client_request()?;
        let protocols = format!("{PROTOCOL}, {}", self.token).try_into()?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols);
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        Ok(client_async_with_config(request, stream, Some(limits)).await?.0)
    }

    fn source(&self) -> Ipv4Addr {
        let number = u32::try_from(self.number).expect("fewer than there are addresses");
        Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + number)
    }
}

/// 64 random bits.
fn entropy() -> u64 {
    getrandom::u64().expect("the system has random bits")
}
