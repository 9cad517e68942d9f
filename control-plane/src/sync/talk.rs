//! The way from links to approvals and discovery.

use policy_sync::{ControlMessage, LinkDown, ProxyMessage, Refusal};
use tokio::sync::mpsc;

/// Messages to one proxy that wait.
const OUTBOX_MAX: usize = 256;

/// The way to the services, for links.
#[derive(Clone, Debug)]
pub(crate) struct Links;

/// What one proxy says and hears.
#[derive(Debug)]
pub(crate) struct Session {
    answers: mpsc::Sender<ControlMessage>,
    outbox: mpsc::Receiver<ControlMessage>,
}

impl Links {
    /// A session for a proxy that has shown its token.
    pub(crate) async fn join(&self, _org: &str, _proxy: &str, _boot: u64) -> Result<Session, LinkDown> {
        let (answers, outbox) = mpsc::channel(OUTBOX_MAX);
        Ok(Session { answers, outbox })
    }
}

impl Session {
    /// Hands on what the proxy says. Nobody decides here what it holds, so that is refused.
    pub(crate) async fn say(&self, message: ProxyMessage) -> Result<(), LinkDown> {
        let answer = match message {
            ProxyMessage::ApprovalRequest(request) => {
                ControlMessage::ApprovalRefused { hold: request.hold, why: Refusal::StoreFailed }
            }
            ProxyMessage::ApprovalConsume { hold, reference } => {
                ControlMessage::ApprovalConsumed { hold, reference, granted: false }
            }
            _ => return Ok(()),
        };
        self.answers.try_send(answer).map_err(|_| LinkDown)
    }

    /// The next message for the proxy; `None` once the link is to end.
    pub(crate) async fn receive(&mut self) -> Option<ControlMessage> {
        self.outbox.recv().await
    }
}
