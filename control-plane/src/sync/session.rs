//! One link, from its first message to its end: drives the control plane's end of `policy_sync`.

use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use policy_sync::{
    Ack, AckOutcome, AuditBatch, ControlAction, ControlEvent, ControlMessage, ControlSync, Hello, RefusedWhy,
    Subject, Version,
};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::publisher::Current;
use super::socket::{Received, Socket, Unsent};
use super::table::{Cut, Seat};
use crate::link;
use crate::metrics::refusal;
use crate::store::{AuditRecords, LinkEvent};

/// How long a link waits for what it is to send to be known for the first time. A proxy waits for its first answer as long.
const FIRST_PUBLICATION_TIMEOUT: Duration = Duration::from_secs(9);

/// Highest number of an audit record: the store counts no further.
const SEQUENCE_MAX: u64 = i64::MAX.cast_unsigned();

/// One link.
pub(super) struct Session<'s> {
    shared: &'s Shared,
    seat: &'s Seat,
    socket: Socket<TokioIo<Upgraded>>,
    opened: Instant,
    sync: ControlSync,
    published: watch::Receiver<Current>,
    /// What approvals and discovery say, once the proxy has said who it is.
    talk: Option<link::Session>,
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The proxy has closed it.
    Closed,
    /// It broke.
    Broken,
    /// The proxy does not read what it is sent.
    Stalled,
    /// Such as by the state machine: this close code, and what is said with it.
    Refused(u16, &'static str),
    Cut(Cut),
}

/// Something happened to a link.
enum Happened {
    Received(Received),
    Published(bool),
    Say(Option<ControlMessage>),
    Tick,
}

impl<'s> Session<'s> {
    pub(super) fn new(shared: &'s Shared, socket: Socket<TokioIo<Upgraded>>, seat: &'s Seat) -> Self {
        let published = shared.publisher.follow(&seat.link.org);
        Self {
            shared,
            seat,
            socket,
            opened: Instant::now(),
            sync: ControlSync::new(0),
            published,
            talk: None,
        }
    }

    /// Serves the link to its end.
    pub(super) async fn serve(mut self, cut: oneshot::Receiver<Cut>) {
        let metrics = &self.shared.metrics.sync;
        metrics.opened();
        let end = tokio::select! {
            // What follows from a cut must not pass for the reason.
            biased;
            cut = cut => End::Cut(cut.unwrap_or(Cut::Stopping)),
            end = self.run() => end,
        };
        let Self { seat, socket, talk, .. } = self;
        // Approvals hear at once that it is down.
        let was_greeted = talk.is_some();
        drop(talk);
        if was_greeted {
            self.shared.notes.note(seat, LinkEvent::Gone);
        }
        metrics.closed(end.as_str());
        let (org, proxy) = (&seat.link.org, &seat.link.proxy);
        match end {
            End::Cut(Cut::Replaced) => {
                tracing::warn!(org, proxy, "a proxy's link ended: a newer one has its token");
            }
            _ => tracing::info!(org, proxy, why = end.as_str(), "a proxy's link ended"),
        }
        if let Some((code, why)) = end.code() {
            socket.close(code, why).await;
        }
    }

    async fn run(&mut self) -> End {
        let known = self.published.wait_for(Option::is_some);
        match timeout(FIRST_PUBLICATION_TIMEOUT, known).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return End::Cut(Cut::Stopping),
            Err(_) => return End::Refused(1013, "what is in force is not known here yet"),
        }
        loop {
            let happened = self.next().await;
            if let Err(end) = self.take(happened).await {
                return end;
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let wake_at = self.opened + Duration::from_millis(self.sync.wake_at_ms());
        let talk = async {
            match &mut self.talk {
                Some(talk) => talk.receive().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = self.socket.receive() => Happened::Received(received),
            changed = self.published.changed() => Happened::Published(changed.is_ok()),
            message = talk => Happened::Say(message),
            () = sleep_until(wake_at) => Happened::Tick,
        }
    }

    async fn take(&mut self, happened: Happened) -> Result<(), End> {
        match happened {
            Happened::Received(Received::Text(text)) => self.handle(ControlEvent::Received(&text)),
            Happened::Received(Received::Closed) => return Err(End::Closed),
            Happened::Received(Received::Broken) => return Err(End::Broken),
            Happened::Received(Received::Malformed) => {
                return Err(End::Refused(1003, "only texts of the protocol are taken"));
            }
            Happened::Received(Received::TooLong) => {
                return Err(End::Refused(1009, "a message is too long"));
            }
            Happened::Published(true) => self.handle(ControlEvent::Published),
            Happened::Published(false) => return Err(End::Cut(Cut::Stopping)),
            // Such as for a proxy that does not read what it is told.
            Happened::Say(None) => return Err(End::Refused(1013, "approvals have ended the link")),
            Happened::Say(Some(message)) => self.handle(ControlEvent::Say(message)),
            Happened::Tick => self.handle(ControlEvent::Tick),
        }
        while let Some(action) = self.sync.action() {
            self.act(action).await?;
        }
        Ok(())
    }

    fn handle(&mut self, event: ControlEvent<'_>) {
        let now_ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        let published = self.published.borrow_and_update().clone();
        self.sync.handle(event, &published.unwrap_or_default(), now_ms);
    }

    async fn act(&mut self, action: ControlAction) -> Result<(), End> {
        match action {
            ControlAction::Send(text) => {
                self.shared.metrics.sync.sent(text.len());
                self.socket.send(text).await?;
            }
            ControlAction::Sending(_, form) => self.shared.metrics.sync.sending(form),
            ControlAction::Close(code, why) => return Err(End::Refused(code, why)),
            ControlAction::Greeted(hello) => self.greeted(hello).await?,
            ControlAction::Acked(ack) => self.acked(ack),
            ControlAction::IsAhead(subject, held) => self.is_ahead(subject, &held),
            ControlAction::Deliver(message) => {
                if let Some(talk) = &self.talk {
                    talk.say(message).await.map_err(|_| End::Cut(Cut::Stopping))?;
                }
            }
            ControlAction::Audit(batch) => self.audit(batch).await?,
        }
        Ok(())
    }

    async fn greeted(&mut self, hello: Hello) -> Result<(), End> {
        let Hello { version, boot, .. } = hello;
        let link = &self.seat.link;
        let (org, proxy) = (link.org.as_str(), link.proxy.as_str());
        tracing::info!(org, proxy, version, "a proxy is linked");
        let talk = self.shared.links.join(org, proxy, boot).await;
        self.talk = Some(talk.map_err(|_| End::Refused(1013, "too many proxies are linked"))?);
        self.shared.notes.note(self.seat, LinkEvent::Linked { version, boot });
        for subject in Subject::ALL {
            self.note_held(subject);
        }
        Ok(())
    }

    fn acked(&self, ack: Ack) {
        let Ack { subject, revision, outcome } = ack;
        self.shared.metrics.sync.acked(&outcome);
        let why = match outcome {
            AckOutcome::InForce => return self.note_held(subject),
            // The whole follows.
            AckOutcome::Refused(RefusedWhy::Delta) => return,
            AckOutcome::Refused(RefusedWhy::Mistakes(mistakes)) => mistakes,
            AckOutcome::Refused(why) => refusal(&why).to_owned(),
        };
        let (org, proxy) = (&self.seat.link.org, &self.seat.link.proxy);
        tracing::warn!(org, proxy, subject = subject.as_str(), revision, why, "a proxy refused a document");
        let why = format!("{} {revision}: {why}", subject.as_str());
        self.shared.notes.note(self.seat, LinkEvent::Refused { why });
    }

    /// Notes what the proxy has in force of one subject.
    fn note_held(&self, subject: Subject) {
        let held = self.sync.held();
        let Some(Version { revision, sha256 }) = held.of(subject).cloned() else { return };
        let event = match subject {
            Subject::Policy => LinkEvent::Policy { revision, sha256: sha256.to_string() },
            Subject::Keys => LinkEvent::Keys { revision },
            Subject::ReceiptKeys => return,
        };
        self.shared.notes.note(self.seat, event);
    }

    fn is_ahead(&self, subject: Subject, held: &Version) {
        self.shared.metrics.sync.ahead(subject);
        let (org, proxy) = (&self.seat.link.org, &self.seat.link.proxy);
        let what = if subject == Subject::ReceiptKeys {
            "a proxy has newer receipt keys than this control plane: it reads an older file than another on the same store, \
             or the store was restored from a backup; give all of them the same file, and restart this one"
        } else {
            "a proxy has what this store never had: the store was restored from a backup; the proxy keeps what it has until \
             the revision here is higher than its own: see docs/control-plane.md, \"A store that was restored\""
        };
        let held_revision = held.revision;
        tracing::error!(org, proxy, subject = subject.as_str(), held_revision, "{what}");
    }

    /// Stores audit records. Nothing more is read from the link until they are stored.
    async fn audit(&mut self, batch: AuditBatch) -> Result<(), End> {
        let AuditBatch { first, records } = batch;
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let through = first.saturating_add(count).saturating_sub(1);
        if through > SEQUENCE_MAX || records.iter().any(|record| record.contains('\0')) {
            return Err(End::Refused(1007, "audit records can't be read"));
        }
        if count > 0 {
            let (org, proxy) = (self.seat.link.org.clone(), self.seat.link.proxy.clone());
            let batch = AuditRecords { org, proxy, first, records };
            self.shared.audit.store(batch).await.map_err(|_| End::Cut(Cut::Stopping))?;
            self.handle(ControlEvent::AuditStored(through));
        }
        Ok(())
    }
}

impl End {
    /// The word in the log and in metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Stalled => "stalled",
            Self::Refused(4008, _) => "silent",
            Self::Refused(1013, _) => "unavailable",
            Self::Refused(..) => "malformed",
            Self::Cut(Cut::Replaced) => "replaced",
            Self::Cut(Cut::Revoked) => "revoked",
            Self::Cut(Cut::Stopping) => "stopping",
        }
    }

    /// What the proxy is told, where it listens.
    const fn code(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Closed | Self::Broken | Self::Stalled => None,
            Self::Refused(code, why) => Some((code, why)),
            Self::Cut(cut) => Some(cut.code()),
        }
    }
}

impl From<Unsent> for End {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Broken => Self::Broken,
            Unsent::Stalled => Self::Stalled,
        }
    }
}
