//! The link to a proxy, shared out: tools that were seen go to discovery, everything else is about approvals.

use policy_sync::{ControlEnd, ControlMessage, LinkDown, ProxyMessage};

use crate::discovery::Discovery;

/// The control plane's end of a link.
#[derive(Debug)]
pub(crate) struct Link {
    end: ControlEnd,
    discovery: Discovery,
}

impl Link {
    pub(crate) const fn new(end: ControlEnd, discovery: Discovery) -> Self {
        Self { end, discovery }
    }

    /// Sends, waiting for room.
    pub(crate) async fn send(&self, message: ControlMessage) -> Result<(), LinkDown> {
        self.end.send(message).await
    }

    /// The next message about approvals; `None` once the proxy is gone.
    pub(crate) async fn receive(&mut self) -> Option<ProxyMessage> {
        loop {
            match self.end.receive().await? {
                ProxyMessage::Discovered(discovered) => self.discovery.take(*discovered),
                about_approvals => return Some(about_approvals),
            }
        }
    }
}
