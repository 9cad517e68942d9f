//! The proxy's end of the link: it dials, says what it has, and takes what is signed and newer.

mod taking;

use std::collections::VecDeque;

use crate::frame::{Ack, AckOutcome, AuditBatch, ControlFrame, Current, Hello, ProxyFrame, RefusedWhy};
use crate::publication::place;
use crate::{Backoff, ControlMessage, Document, LinkDown, ProxyMessage, Subject, TrustedKeys};
use taking::Taking;

/// How often a sign of life is asked for.
const PING_EVERY_MS: u64 = 15_000;

/// A control plane that says nothing for so long is gone.
const DEAD_AFTER_MS: u64 = 40_000;

/// The first answer comes within this: a control plane that takes links and says nothing is no control plane.
const FIRST_ANSWER_WITHIN_MS: u64 = 10_000;

/// A link that lasts so long was a good one: after it the first wait is short again. One that is cut each time just after it
/// opened, as what is sent can't be read or another proxy has the same token, is waited for longer and longer.
const GOOD_AFTER_MS: u64 = 10_000;

/// Audit batches that may wait for being stored.
const AUDIT_BATCHES_MAX: usize = 64;

/// Who a proxy is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its program's version.
    pub version: String,
    /// Random, another at each start.
    pub boot: u64,
    /// Whose documents it takes; `None`: whose it takes first.
    pub org: Option<String>,
}

/// What a proxy takes at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest text of a document, in bytes.
    pub document_max_bytes: usize,
}

/// Something happened.
#[derive(Debug)]
pub enum ProxyEvent<'e> {
    /// What [`ProxyAction::Dial`] came to.
    Dialled(Result<(), DialFailed>),
    /// A message came.
    Received(&'e str),
    /// The link has ended.
    Closed(Closed),
    /// What [`ProxyAction::Try`] came to; `Err`: the mistakes in it.
    Tried(Subject, Result<(), String>),
    /// Nothing but time.
    Tick,
}

/// Why there is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFailed {
    /// Nobody answers, or not with this protocol.
    NoAnswer,
    /// The relay token is not good.
    TokenRefused,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The other end closed it with this code.
    Code(u16),
    /// It broke.
    Broken,
}

/// What is to be done, in order.
#[derive(Clone, Debug)]
pub enum ProxyAction {
    /// Open a link.
    Dial,
    /// Send a message.
    Send(String),
    /// End the link; [`ProxyEvent::Closed`] need not follow.
    HangUp(&'static str),
    /// Put a document in force if it compiles, then keep it on the disk as the last known good; then say
    /// [`ProxyEvent::Tried`].
    Try(Document),
    /// The control plane has just this in force too.
    Confirmed(Subject),
    /// The link is up: what waits for the control plane can be said again.
    Linked,
    /// The link is down.
    Unlinked(&'static str),
    /// A document was refused, and what is in force stays.
    Refused(Subject, RefusedWhy),
    /// Of approvals.
    Deliver(ControlMessage),
    /// Audit records up to this one are stored.
    AuditStored(u64),
}

/// The proxy's end of the link, through all its ups and downs. Times are milliseconds of a clock that never goes back.
#[derive(Debug)]
pub struct ProxySync {
    identity: Identity,
    trusted: TrustedKeys,
    limits: Limits,
    held: [Option<Document>; Subject::ALL.len()],
    trying: [Option<Trying>; Subject::ALL.len()],
    link: Link,
    backoff: Backoff,
    audit: VecDeque<AuditBatch>,
    actions: VecDeque<ProxyAction>,
}

/// A document that is with the driver, to be put in force.
#[derive(Debug)]
struct Trying {
    document: Document,
    /// What comes after it.
    next: Option<Document>,
}

#[derive(Debug)]
enum Link {
    Waiting { until_ms: u64 },
    Dialling,
    Up(Box<Up>),
}

#[derive(Debug)]
struct Up {
    linked_ms: u64,
    heard_ms: u64,
    pinged_ms: u64,
    has_answered: bool,
    taking: Option<Taking>,
}

impl ProxySync {
    /// A proxy that has just started, with what was on its disk in force.
    #[must_use]
    pub fn new(
        identity: Identity,
        trusted: TrustedKeys,
        limits: Limits,
        last_known_good: Vec<Document>,
    ) -> Self {
        let mut held = [const { None }; Subject::ALL.len()];
        for document in last_known_good {
            if let Some(place) = held.get_mut(place(document.header().subject)) {
                *place = Some(document);
            }
        }
        Self {
            identity,
            trusted,
            limits,
            held,
            trying: [const { None }; Subject::ALL.len()],
            link: Link::Waiting { until_ms: 0 },
            backoff: Backoff::default(),
            audit: VecDeque::new(),
            actions: VecDeque::new(),
        }
    }

    /// Takes what happened; [`ProxySync::action`] then says what to do. `entropy` gives 64 random bits.
    pub fn handle(&mut self, event: ProxyEvent<'_>, now_ms: u64, entropy: impl FnOnce() -> u64) {
        match event {
            ProxyEvent::Dialled(Ok(())) => self.linked(now_ms),
            ProxyEvent::Dialled(Err(failed)) => {
                let why = match failed {
                    DialFailed::NoAnswer => "the control plane does not answer",
                    DialFailed::TokenRefused => "the relay token is refused",
                };
                self.lost(why, now_ms, entropy());
            }
            ProxyEvent::Received(text) => {
                if let Err(why) = self.receive(text, now_ms) {
                    self.hang_up(why, now_ms, entropy());
                }
            }
            ProxyEvent::Closed(closed) if !matches!(self.link, Link::Waiting { .. }) => {
                let why = match closed {
                    Closed::Code(4003) => "the relay token was revoked",
                    Closed::Code(_) => "the control plane closed the link",
                    Closed::Broken => "the link broke",
                };
                self.lost(why, now_ms, entropy());
            }
            ProxyEvent::Closed(_) => {}
            ProxyEvent::Tried(subject, result) => self.tried(subject, result),
            ProxyEvent::Tick => self.tick(now_ms, entropy),
        }
    }

    /// Says something of approvals or discovery.
    ///
    /// # Errors
    /// [`LinkDown`]: whoever waits for an answer says it again when the link is up.
    pub fn say(&mut self, message: ProxyMessage) -> Result<(), LinkDown> {
        if !self.is_linked() {
            return Err(LinkDown);
        }
        self.send(&ProxyFrame::Message(message));
        Ok(())
    }

    /// Hands in audit records. They are sent again after each cut until they are stored.
    ///
    /// # Errors
    /// [`LinkDown`] if too many wait already: nothing is kept of this batch.
    pub fn audit(&mut self, batch: AuditBatch) -> Result<(), LinkDown> {
        if self.audit.len() >= AUDIT_BATCHES_MAX {
            return Err(LinkDown);
        }
        if self.is_linked() {
            self.send(&ProxyFrame::Audit(batch.clone()));
        }
        self.audit.push_back(batch);
        Ok(())
    }

    /// The next thing to do.
    pub fn action(&mut self) -> Option<ProxyAction> {
        self.actions.pop_front()
    }

    /// When to come back with [`ProxyEvent::Tick`] at the latest.
    #[must_use]
    pub fn wake_at_ms(&self) -> u64 {
        match &self.link {
            Link::Waiting { until_ms } => *until_ms,
            Link::Dialling => u64::MAX,
            Link::Up(up) => up.pinged_ms.saturating_add(PING_EVERY_MS).min(up.dead_at_ms()),
        }
    }

    /// Whether the control plane hears what is said.
    #[must_use]
    pub const fn is_linked(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Whether a document has begun to come, and is not whole yet.
    #[must_use]
    pub const fn is_taking(&self) -> bool {
        matches!(&self.link, Link::Up(up) if up.taking.is_some())
    }

    /// What is in force.
    #[must_use]
    pub fn held(&self, subject: Subject) -> Option<&Document> {
        self.held.get(place(subject))?.as_ref()
    }

    fn linked(&mut self, now_ms: u64) {
        let up =
            Up { linked_ms: now_ms, heard_ms: now_ms, pinged_ms: now_ms, has_answered: false, taking: None };
        self.link = Link::Up(Box::new(up));
        let held = Current::from_each(|subject| Some(self.held(subject)?.version()));
        let Identity { version, boot, .. } = self.identity.clone();
        self.send(&ProxyFrame::Hello(Hello { version, boot, held }));
        self.actions.push_back(ProxyAction::Linked);
        let unstored: Vec<String> =
            self.audit.iter().map(|batch| ProxyFrame::Audit(batch.clone()).to_text()).collect();
        self.actions.extend(unstored.into_iter().map(ProxyAction::Send));
    }

    fn hang_up(&mut self, why: &'static str, now_ms: u64, entropy: u64) {
        self.actions.push_back(ProxyAction::HangUp(why));
        self.lost(why, now_ms, entropy);
    }

    fn lost(&mut self, why: &'static str, now_ms: u64, entropy: u64) {
        if matches!(&self.link, Link::Up(up) if up.was_good(now_ms)) {
            self.backoff.reset();
        }
        let until_ms = now_ms.saturating_add(self.backoff.next_ms(entropy));
        self.link = Link::Waiting { until_ms };
        self.actions.push_back(ProxyAction::Unlinked(why));
    }

    fn tick(&mut self, now_ms: u64, entropy: impl FnOnce() -> u64) {
        match &mut self.link {
            Link::Waiting { until_ms } if now_ms >= *until_ms => {
                self.link = Link::Dialling;
                self.actions.push_back(ProxyAction::Dial);
            }
            Link::Up(up) if now_ms >= up.dead_at_ms() => {
                self.hang_up("nothing was heard from the control plane for too long", now_ms, entropy());
            }
            Link::Up(up) if now_ms >= up.pinged_ms.saturating_add(PING_EVERY_MS) => {
                up.pinged_ms = now_ms;
                self.send(&ProxyFrame::Ping);
            }
            Link::Waiting { .. } | Link::Dialling | Link::Up(_) => {}
        }
    }

    fn receive(&mut self, text: &str, now_ms: u64) -> Result<(), &'static str> {
        let Link::Up(up) = &mut self.link else { return Ok(()) };
        let frame = ControlFrame::parse(text).map_err(|_| "a message can't be read")?;
        (up.heard_ms, up.has_answered) = (now_ms, true);
        match frame {
            ControlFrame::Pong(current) => self.compare(&current),
            ControlFrame::Snapshot(start) => self.snapshot(start)?,
            ControlFrame::Chunk(chunk) => self.chunk(&chunk)?,
            ControlFrame::Delta(delta) => self.delta(delta)?,
            ControlFrame::AuditAck(ack) => {
                self.audit.retain(|batch| batch.last() > ack.through);
                self.actions.push_back(ProxyAction::AuditStored(ack.through));
            }
            ControlFrame::Message(message) => self.actions.push_back(ProxyAction::Deliver(message)),
            ControlFrame::Unknown => {}
        }
        Ok(())
    }

    /// What both have needs no document to be known as current.
    fn compare(&mut self, current: &Current) {
        for subject in Subject::ALL {
            let held = self.held(subject).map(Document::version);
            if held.is_some() && held.as_ref() == current.of(subject) {
                self.actions.push_back(ProxyAction::Confirmed(subject));
            }
        }
    }

    /// The driver has tried a document.
    fn tried(&mut self, subject: Subject, result: Result<(), String>) {
        let trying = self.trying.get_mut(place(subject)).and_then(Option::take);
        let Some(Trying { document, next }) = trying else { return };
        let revision = document.header().revision;
        let outcome = match result {
            Ok(()) => {
                if let Some(held) = self.held.get_mut(place(subject)) {
                    *held = Some(document);
                }
                self.actions.push_back(ProxyAction::Confirmed(subject));
                AckOutcome::InForce
            }
            Err(mistakes) => {
                let why = RefusedWhy::Mistakes(mistakes);
                self.actions.push_back(ProxyAction::Refused(subject, why.clone()));
                AckOutcome::Refused(why)
            }
        };
        // Its link may be gone: then the next hello says what is in force.
        if self.is_linked() {
            self.send(&ProxyFrame::Ack(Ack { subject, revision, outcome }));
        }
        if let Some(next) = next {
            self.go_on_with(next);
        }
    }

    /// Goes on with a document that is signed, unless what is in force has become as new meanwhile.
    fn go_on_with(&mut self, document: Document) {
        let subject = document.header().subject;
        let held = self.held(subject).map(Document::version);
        match held.filter(|held| held.revision >= document.header().revision) {
            None => self.try_document(document),
            Some(held) => {
                let is_same = held == document.version();
                let outcome =
                    if is_same { AckOutcome::InForce } else { AckOutcome::Refused(RefusedWhy::NotNewer) };
                if self.is_linked() {
                    let revision = document.header().revision;
                    self.send(&ProxyFrame::Ack(Ack { subject, revision, outcome }));
                }
            }
        }
    }

    /// Hands a document to the driver, or keeps it until the driver is done with the one before.
    fn try_document(&mut self, document: Document) {
        let Some(trying) = self.trying.get_mut(place(document.header().subject)) else { return };
        match trying {
            Some(trying) if trying.document.version() == document.version() => {}
            Some(trying) => trying.next = Some(document),
            None => {
                *trying = Some(Trying { document: document.clone(), next: None });
                self.actions.push_back(ProxyAction::Try(document));
            }
        }
    }

    fn send(&mut self, frame: &ProxyFrame) {
        self.actions.push_back(ProxyAction::Send(frame.to_text()));
    }
}

impl Up {
    const fn was_good(&self, now_ms: u64) -> bool {
        self.has_answered && now_ms.saturating_sub(self.linked_ms) >= GOOD_AFTER_MS
    }

    const fn dead_at_ms(&self) -> u64 {
        let patience = if self.has_answered { DEAD_AFTER_MS } else { FIRST_ANSWER_WITHIN_MS };
        self.heard_ms.saturating_add(patience)
    }
}

impl AuditBatch {
    /// The sequence number of the last record.
    fn last(&self) -> u64 {
        let count = u64::try_from(self.records.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(count).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests;
