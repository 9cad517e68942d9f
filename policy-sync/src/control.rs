//! The control plane's end of one link.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::frame::{
    Ack, AckOutcome, AuditAck, AuditBatch, ControlFrame, Current, Hello, ProxyFrame, RefusedWhy,
};
use crate::publication::place;
use crate::{ControlMessage, ProxyMessage, Published, Subject, Version};

/// A proxy that says nothing for so long is gone.
const DEAD_AFTER_MS: u64 = 40_000;

/// A proxy says who it is within this.
const HELLO_WITHIN_MS: u64 = 10_000;

/// What a proxy had to put in force is put in force, or refused, within this.
const ACK_WITHIN_MS: u64 = 120_000;

/// Something happened at the link.
#[derive(Clone, Debug)]
pub enum ControlEvent<'e> {
    /// A message came.
    Received(&'e str),
    /// Something else is published now.
    Published,
    /// Approvals have something to say.
    Say(ControlMessage),
    /// The audit records up to this one are stored.
    AuditStored(u64),
    /// The proxy's token is no good any more.
    Revoked,
    /// Nothing but time.
    Tick,
}

/// What is to be done about it, in order.
#[derive(Clone, Debug)]
pub enum ControlAction {
    /// Send a message.
    Send(Bytes),
    /// The messages of one document follow: nothing to do, for who counts.
    Sending(Subject, Form),
    /// End the link with this close code (RFC 6455 section 7.4); nothing follows.
    Close(u16, &'static str),
    /// The proxy has said who it is and what it has.
    Greeted(Hello),
    /// What became of a document.
    Acked(Ack),
    /// It holds what this control plane's store never had, or another text of the same revision.
    IsAhead(Subject, Version),
    /// Of approvals and discovery.
    Deliver(ProxyMessage),
    /// To be stored once.
    Audit(AuditBatch),
}

/// How a document is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As what differs from the one that the proxy has.
    Delta,
    /// Whole.
    Snapshot,
}

/// The control plane's end of one link, from its opening to its end. Times are milliseconds of a clock that never goes
/// back.
#[derive(Debug)]
pub struct ControlSync {
    opened_ms: u64,
    heard_ms: u64,
    greeted: bool,
    closed: bool,
    updates: [Update; Subject::ALL.len()],
    actions: VecDeque<ControlAction>,
}

/// Where a proxy is with one subject.
#[derive(Debug, Default)]
struct Update {
    held: Option<Version>,
    /// What was sent and not answered yet, and when.
    under_way: Option<(Version, u64)>,
    /// Not sent again: the proxy does not take it.
    refused: Option<Version>,
    /// Deltas do not fit what it has.
    wants_whole: bool,
    told_ahead: bool,
}

impl ControlSync {
    /// A link that was just opened.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            opened_ms: now_ms,
            heard_ms: now_ms,
            greeted: false,
            closed: false,
            updates: Default::default(),
            actions: VecDeque::new(),
        }
    }

    /// Takes what happened; [`ControlSync::action`] then says what to do.
    pub fn handle(&mut self, event: ControlEvent<'_>, published: &Published, now_ms: u64) {
        if self.closed {
            return;
        }
        match event {
            ControlEvent::Received(text) => self.receive(text, published, now_ms),
            ControlEvent::Published | ControlEvent::Tick => {}
            ControlEvent::Say(message) => self.send(&ControlFrame::Message(message)),
            ControlEvent::AuditStored(through) => self.send(&ControlFrame::AuditAck(AuditAck { through })),
            ControlEvent::Revoked => self.close(4003, "the relay token was revoked"),
        }
        if self.greeted && !self.closed {
            for subject in Subject::ALL {
                self.update(subject, published, now_ms);
            }
        }
        self.check_time(now_ms);
    }

    /// The next thing to do.
    pub fn action(&mut self) -> Option<ControlAction> {
        self.actions.pop_front()
    }

    /// When to come back with [`ControlEvent::Tick`] at the latest.
    #[must_use]
    pub fn wake_at_ms(&self) -> u64 {
        let silence = self.heard_ms.saturating_add(DEAD_AFTER_MS);
        let hello = if self.greeted { u64::MAX } else { self.opened_ms.saturating_add(HELLO_WITHIN_MS) };
        let acks = self.updates.iter().filter_map(|update| update.under_way.as_ref());
        let ack = acks.map(|(_, since)| since.saturating_add(ACK_WITHIN_MS)).min().unwrap_or(u64::MAX);
        silence.min(hello).min(ack)
    }

    fn check_time(&mut self, now_ms: u64) {
        if !self.closed && now_ms >= self.wake_at_ms() {
            self.close(4008, "nothing was heard for too long");
        }
    }

    fn receive(&mut self, text: &str, published: &Published, now_ms: u64) {
        let frame = match ProxyFrame::parse(text) {
            Ok(frame) => frame,
            Err(_) => return self.close(1007, "a message can't be read"),
        };
        self.heard_ms = now_ms;
        match (frame, self.greeted) {
            (ProxyFrame::Hello(hello), false) => {
                self.greeted = true;
                for subject in Subject::ALL {
                    self.with(subject, |update| update.held = hello.held.of(subject).cloned());
                }
                self.send(&ControlFrame::Pong(published.current()));
                self.actions.push_back(ControlAction::Greeted(hello));
            }
            (ProxyFrame::Hello(_), true) => self.close(1002, "a second hello"),
            (_, false) => self.close(1002, "the first message must be a hello"),
            (ProxyFrame::Ack(ack), true) => self.acked(ack),
            (ProxyFrame::Audit(batch), true) => self.actions.push_back(ControlAction::Audit(batch)),
            (ProxyFrame::Ping, true) => self.send(&ControlFrame::Pong(published.current())),
            (ProxyFrame::Message(message), true) => self.actions.push_back(ControlAction::Deliver(message)),
            (ProxyFrame::Unknown, true) => {}
        }
    }

    fn acked(&mut self, ack: Ack) {
        let Some(update) = self.updates.get_mut(place(ack.subject)) else { return };
        // One of what an earlier link brought says nothing here: what was sent since is answered too.
        let Some((version, _)) = update.under_way.take_if(|(version, _)| version.revision == ack.revision)
        else {
            return;
        };
        match &ack.outcome {
            AckOutcome::InForce => (update.held, update.wants_whole) = (Some(version), false),
            AckOutcome::Refused(RefusedWhy::Delta) if !update.wants_whole => update.wants_whole = true,
            AckOutcome::Refused(_) => update.refused = Some(version),
        }
        self.actions.push_back(ControlAction::Acked(ack));
    }

    /// Sends what the proxy lacks of one subject, unless it is busy with an earlier version: then the newest follows.
    fn update(&mut self, subject: Subject, published: &Published, now_ms: u64) {
        let Some(newest) = published.newest(subject) else { return };
        let Some(update) = self.updates.get_mut(place(subject)) else { return };
        let version = newest.document().version();
        if update.under_way.is_some() || update.refused.as_ref() == Some(&version) {
            return;
        }
        if let Some(held) = &update.held
            && held.revision >= version.revision
        {
            if *held != version && !update.told_ahead {
                update.told_ahead = true;
                self.actions.push_back(ControlAction::IsAhead(subject, held.clone()));
            }
            return;
        }
        let delta = update.held.as_ref().filter(|_| !update.wants_whole).and_then(|held| newest.delta(held));
        let (form, frames) = match delta {
            Some(delta) => (Form::Delta, std::slice::from_ref(delta)),
            None => (Form::Snapshot, newest.whole()),
        };
        update.under_way = Some((version, now_ms));
        self.actions.push_back(ControlAction::Sending(subject, form));
        self.actions.extend(frames.iter().cloned().map(ControlAction::Send));
    }

    fn with(&mut self, subject: Subject, change: impl FnOnce(&mut Update)) {
        if let Some(update) = self.updates.get_mut(place(subject)) {
            change(update);
        }
    }

    fn send(&mut self, frame: &ControlFrame) {
        self.actions.push_back(ControlAction::Send(frame.to_text().into()));
    }

    fn close(&mut self, code: u16, why: &'static str) {
        self.closed = true;
        self.actions.push_back(ControlAction::Close(code, why));
    }

    /// What the proxy is known to have in force.
    #[must_use]
    pub fn held(&self) -> Current {
        Current::from_each(|subject| self.updates.get(place(subject))?.held.clone())
    }
}
