//! A control plane that has the policy key and sends what it likes: to see what a proxy makes of it.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use policy_sync::{
    Ack, ControlAction, ControlEvent, ControlFrame, ControlSync, Current, Document, Hello, PROTOCOL,
    PolicyKey, ProxyFrame, Published, SignedHeader, Subject,
};
use serde_json::Value;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, accept_hdr};

use super::gate::{KEY, sha256};
use super::{PATIENCE, oakgate};

/// What it signs with.
const SEED: [u8; 32] = [7; 32];

/// What is before a header when it is signed.
const DOMAIN: &str = "oakgate.sync.v1\n";

/// How long it listens before it looks whether there is something to say.
const LISTENS: Duration = Duration::from_millis(2);

/// Messages that may wait, of either side.
const QUEUE_MAX: usize = 10_000;

/// A running control plane. It serves one link at a time, until its test ends.
pub(crate) struct Liar {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    /// The public half of its policy key.
    pub(crate) policy_key: String,
    to_say: SyncSender<String>,
    acks: Mutex<Receiver<Ack>>,
}

impl Liar {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ((to_say, say), (acked, acks)) = (sync_channel(QUEUE_MAX), sync_channel(QUEUE_MAX));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _link_ended = talk(stream.unwrap(), &say, &acked);
            }
        });
        Self {
            address,
            policy_key: PolicyKey::generate(&SEED).public().to_string(),
            to_say,
            acks: acks.into(),
        }
    }

    /// Says something to the proxy that is linked, or else to the next one.
    pub(crate) fn say(&self, message: String) {
        self.to_say.send(message).unwrap();
    }

    pub(crate) fn send(&self, document: &Document) {
        messages(document).into_iter().for_each(|message| self.say(message));
    }

    /// All that a proxy needs: the keys of the caller [`KEY`], receipt keys, and a policy as revision 1.
    pub(crate) fn send_all(&self, policy: &str) {
        let keys = format!(r#"[{{"id": "agent-1", "kind": "agent", "sha256": "{}"}}]"#, sha256(KEY));
        self.send(&document(Subject::Keys, 1, &keys));
        self.send(&document(Subject::ReceiptKeys, 1, &oakgate(&["keys", "receipts"], "").1));
        self.send(&document(Subject::Policy, 1, policy));
    }

    /// What became of a document; waits for it.
    pub(crate) fn ack(&self) -> Ack {
        self.acks.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    /// The acknowledgements that have come.
    pub(crate) fn acks(&self) -> Vec<Ack> {
        self.acks.lock().unwrap().try_iter().collect()
    }
}

/// A document with a good signature.
pub(crate) fn document(subject: Subject, revision: u64, text: &str) -> Document {
    document_at(subject, (revision, 1), text)
}

/// The same, with the time at which it was made, in milliseconds.
pub(crate) fn document_at(subject: Subject, revision_and_time: (u64, u64), text: &str) -> Document {
    Document::sign(&PolicyKey::generate(&SEED), (subject, "acme"), revision_and_time, text)
}

/// The messages that bring a whole document.
pub(crate) fn messages(document: &Document) -> Vec<String> {
    let mut published = Published::default();
    published.publish(document.clone()).unwrap();
    let mut sync = ControlSync::new(0);
    let hello = Hello { version: "1".to_owned(), boot: 1, held: Current::default() };
    sync.handle(ControlEvent::Received(&ProxyFrame::Hello(hello).to_text()), &published, 0);
    let actions = std::iter::from_fn(|| sync.action());
    let sent = actions.filter_map(|action| match action {
        ControlAction::Send(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => None,
    });
    // The first says what there is.
    sent.skip(1).collect()
}

/// The header of a document, signed again as it is after a change of one of its members.
pub(crate) fn changed(document: &Document, member: &str, value: impl Into<Value>) -> SignedHeader {
    let mut header: Value = serde_json::from_str(&document.signed_header().header).unwrap();
    header[member] = value.into();
    let header = header.to_string();
    let signature = SigningKey::from_bytes(&SEED).sign(format!("{DOMAIN}{header}").as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
    SignedHeader { header, signature: signature.try_into().unwrap() }
}

#[expect(clippy::result_large_err, reason = "the callback's own type")]
fn greet(_request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("sec-websocket-protocol", PROTOCOL.parse().unwrap());
    Ok(response)
}

fn talk(stream: TcpStream, say: &Receiver<String>, acked: &SyncSender<Ack>) -> Result<(), Error> {
    let Ok(mut socket) = accept_hdr(stream, greet) else { return Ok(()) };
    socket.get_ref().set_read_timeout(Some(LISTENS))?;
    let mut is_greeted = false;
    loop {
        while let Some(message) = is_greeted.then(|| say.try_recv().ok()).flatten() {
            socket.send(Message::text(message))?;
        }
        match heard(&mut socket)? {
            Some(ProxyFrame::Hello(_)) => {
                is_greeted = true;
                socket.send(Message::text(ControlFrame::Pong(Current::default()).to_text()))?;
            }
            Some(ProxyFrame::Ping) => {
                socket.send(Message::text(ControlFrame::Pong(Current::default()).to_text()))?;
            }
            // Its test may have ended.
            Some(ProxyFrame::Ack(ack)) => acked.send(ack).unwrap_or_default(),
            _ => {}
        }
    }
}

fn heard(socket: &mut WebSocket<TcpStream>) -> Result<Option<ProxyFrame>, Error> {
    match socket.read() {
        Ok(Message::Text(text)) => Ok(Some(ProxyFrame::parse(&text).unwrap())),
        Ok(_) => Ok(None),
        Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
