//! The link inside one process: two bounded queues.

use tokio::sync::mpsc;

use crate::{ControlMessage, ProxyMessage};

/// The proxy's end.
#[derive(Debug)]
pub struct ProxyEnd {
    to_control: mpsc::Sender<ProxyMessage>,
    from_control: mpsc::Receiver<ControlMessage>,
}

/// The control plane's end.
#[derive(Debug)]
pub struct ControlEnd {
    to_proxy: mpsc::Sender<ControlMessage>,
    from_proxy: mpsc::Receiver<ProxyMessage>,
}

/// The sending half of the proxy's end.
#[derive(Clone, Debug)]
pub struct ToControl(mpsc::Sender<ProxyMessage>);

/// The receiving half of the proxy's end.
#[derive(Debug)]
pub struct FromControl(mpsc::Receiver<ControlMessage>);

/// Room for one message to the control plane.
#[derive(Debug)]
pub struct Room<'a>(mpsc::Permit<'a, ProxyMessage>);

/// The other end is gone, or takes no more just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link to the control plane is down")]
pub struct LinkDown;

/// Both ends of a link whose queues hold `capacity` messages each.
#[must_use]
pub fn link(capacity: usize) -> (ProxyEnd, ControlEnd) {
    let (to_control, from_proxy) = mpsc::channel(capacity);
    let (to_proxy, from_control) = mpsc::channel(capacity);
    (ProxyEnd { to_control, from_control }, ControlEnd { to_proxy, from_proxy })
}

impl ProxyEnd {
    /// The two halves, for two tasks.
    #[must_use]
    pub fn split(self) -> (ToControl, FromControl) {
        (ToControl(self.to_control), FromControl(self.from_control))
    }
}

impl ToControl {
    /// Sends without waiting.
    ///
    /// # Errors
    /// [`LinkDown`] if the control plane is gone or its queue is full.
    pub fn send(&self, message: ProxyMessage) -> Result<(), LinkDown> {
        self.0.try_send(message).map_err(|_| LinkDown)
    }

    /// Sends what is in no hurry, without waiting: only while more than half of the queue is free, so that it never takes the
    /// place of a message that a call waits for.
    ///
    /// # Errors
    /// [`LinkDown`] if the control plane is gone or has too much to read already.
    pub fn send_idle(&self, message: ProxyMessage) -> Result<(), LinkDown> {
        if self.0.capacity() * 2 > self.0.max_capacity() { self.send(message) } else { Err(LinkDown) }
    }

    /// Waits until there is room for a message.
    ///
    /// # Errors
    /// [`LinkDown`] if the control plane is gone.
    pub async fn room(&self) -> Result<Room<'_>, LinkDown> {
        self.0.reserve().await.map(Room).map_err(|_| LinkDown)
    }
}

impl Room<'_> {
    /// Sends.
    pub fn send(self, message: ProxyMessage) {
        self.0.send(message);
    }
}

impl FromControl {
    /// The next message; `None` once the control plane is gone.
    pub async fn receive(&mut self) -> Option<ControlMessage> {
        self.0.recv().await
    }
}

impl ControlEnd {
    /// Sends, waiting for room.
    ///
    /// # Errors
    /// [`LinkDown`] if the proxy is gone.
    pub async fn send(&self, message: ControlMessage) -> Result<(), LinkDown> {
        self.to_proxy.send(message).await.map_err(|_| LinkDown)
    }

    /// The next message; `None` once the proxy is gone.
    pub async fn receive(&mut self) -> Option<ProxyMessage> {
        self.from_proxy.recv().await
    }
}
