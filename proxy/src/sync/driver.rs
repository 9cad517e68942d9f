//! Drives [`ProxySync`]: gives it time, what comes over the link and what became of documents, and does what it says.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use config::ControlLink;
use policy_sync::{
    Closed, ControlEnd, Document, ProxyAction, ProxyEvent, ProxyMessage, ProxySync, RefusedWhy, Subject,
};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::dial::{DialError, dial};
use super::disk::Disk;
use super::status::Status;
use super::taken::put_in_force;
use super::wire::{Connection, Heard, TakesNothing};
use crate::clock;
use crate::state::Shared;

/// How often the disk is told, at most, that a document is still what the control plane has.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// It looks at the time at least this often.
const WAKE_WITHIN_MS: u64 = 60_000;

/// The task that follows a control plane.
pub(super) struct Driver {
    shared: Arc<Shared>,
    link: ControlLink,
    status: Arc<Status>,
    disk: Arc<Disk>,
    sync: ProxySync,
    wire: Wire,
    work: JoinSet<Worked>,
    /// When the disk may be told of a subject again; `None`: it is being told.
    keep_from: BTreeMap<Subject, Option<Instant>>,
    started: Instant,
    /// When the document that is coming began to.
    arriving_since: Option<Instant>,
    /// What ended the last link, or kept it from opening, more precisely than the protocol knows.
    cause: Option<String>,
}

/// The one link. What is dropped here can't be heard of any more.
enum Wire {
    None,
    Dialling(Dialling),
    Up(Connection),
}

type Dialling = Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send>>;

enum Happened {
    Dialled(Result<Connection, DialError>),
    Heard(Heard),
}

/// What a thread of its own has done.
enum Worked {
    Tried(Subject, Result<(), String>),
    Kept(Subject),
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        (sync, link): (ProxySync, ControlLink),
        status: Arc<Status>,
        disk: Arc<Disk>,
    ) -> Self {
        Self {
            shared,
            link,
            status,
            disk,
            sync,
            wire: Wire::None,
            work: JoinSet::new(),
            keep_from: BTreeMap::new(),
            started: Instant::now(),
            arriving_since: None,
            cause: None,
        }
    }

    /// Runs for as long as the proxy does.
    pub(super) async fn drive(mut self, mut control: ControlEnd) {
        loop {
            self.act(&control).await;
            let now_ms = self.now_ms();
            let wake_ms = self.sync.wake_at_ms().min(now_ms.saturating_add(WAKE_WITHIN_MS));
            tokio::select! {
                happened = self.wire.next() => self.happened(happened),
                Some(worked) = self.work.join_next() => self.worked(worked),
                // While the link is down, what is said waits.
                message = control.receive(), if self.sync.is_linked() => match message {
                    Some(message) => self.say(message),
                    None => return,
                },
                () = sleep_until(self.started + Duration::from_millis(wake_ms)) => self.handle(ProxyEvent::Tick),
            }
        }
    }

    fn handle(&mut self, event: ProxyEvent<'_>) {
        let now_ms = self.now_ms();
        // Without random bits the longest wait is the safe one.
        self.sync.handle(event, now_ms, || getrandom::u64().unwrap_or(u64::MAX));
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn happened(&mut self, happened: Happened) {
        let dials = &self.shared.metrics.sync.dials;
        match happened {
            Happened::Dialled(Ok(connection)) => {
                dials.with_label_values(&["linked"]).inc();
                self.wire = Wire::Up(connection);
                self.handle(ProxyEvent::Dialled(Ok(())));
            }
            Happened::Dialled(Err(error)) => {
                dials.with_label_values(&[error.name()]).inc();
                self.wire = Wire::None;
                self.cause = Some(error.to_string());
                self.handle(ProxyEvent::Dialled(Err(error.failed())));
            }
            Happened::Heard(Heard::Message(text)) => {
                if !self.sync.is_taking() {
                    self.arriving_since = Some(Instant::now());
                }
                self.handle(ProxyEvent::Received(&text));
            }
            Happened::Heard(Heard::End(closed, cause)) => self.ended(closed, cause),
        }
    }

    fn ended(&mut self, closed: Closed, cause: String) {
        self.wire = Wire::None;
        self.cause = Some(cause);
        self.handle(ProxyEvent::Closed(closed));
    }

    fn worked(&mut self, worked: Result<Worked, JoinError>) {
        match worked {
            Ok(Worked::Tried(subject, result)) => {
                self.keep_from.insert(subject, Some(Instant::now() + KEEP_EVERY));
                self.handle(ProxyEvent::Tried(subject, result));
            }
            Ok(Worked::Kept(subject)) => {
                self.keep_from.insert(subject, Some(Instant::now() + KEEP_EVERY));
            }
            // Neither panics nor is cancelled: what could is on another thread, and waited for.
            Err(error) => tracing::error!(%error, "following the control plane failed in an unforeseen way"),
        }
    }

    /// Of approvals and discovery. What is lost with the link, whoever waits for an answer says again.
    fn say(&mut self, message: ProxyMessage) {
        let _down = self.sync.say(message);
    }

    /// Does what is to be done.
    async fn act(&mut self, control: &ControlEnd) {
        while let Some(action) = self.sync.action() {
            match action {
                ProxyAction::Dial => self.wire = Wire::Dialling(Box::pin(dial(self.link.clone()))),
                ProxyAction::Send(message) => self.send(message),
                ProxyAction::HangUp(_) => self.wire = Wire::None,
                ProxyAction::Try(document) => self.try_document(document),
                ProxyAction::Confirmed(subject) => self.confirmed(subject),
                ProxyAction::Linked => self.linked(),
                ProxyAction::Unlinked(why) => self.unlinked(why),
                ProxyAction::Refused(subject, why) => self.refused(subject, &why),
                ProxyAction::Deliver(message) => {
                    // Gone only when the proxy is.
                    let _gone = control.send(message).await;
                }
                ProxyAction::AuditStored(through) => tracing::debug!(through, "audit records stored"),
            }
        }
    }

    fn send(&mut self, message: String) {
        let Wire::Up(connection) = &mut self.wire else { return };
        if connection.send(message) == Err(TakesNothing) {
            self.ended(Closed::Broken, "the control plane does not take what is sent".to_owned());
        }
    }

    /// The link is up: whoever waits for an answer of the control plane says so again.
    fn linked(&self) {
        self.status.linked();
        tracing::info!(url = %self.link.url.uri, "linked to the control plane");
        self.shared.approvals.relinked();
    }

    fn unlinked(&mut self, why: &str) {
        self.wire = Wire::None;
        let why = match self.cause.take() {
            Some(cause) => format!("{why}: {cause}"),
            None => why.to_owned(),
        };
        self.status.unlinked(&why);
        tracing::warn!(url = %self.link.url.uri, why, "no link to the control plane; what is in force stays");
        self.shared.approvals.link_lost();
    }

    fn refused(&self, subject: Subject, why: &RefusedWhy) {
        let is_of_file = !self.status.takes(subject);
        let (outcome, mistakes) = if is_of_file { ("file", "") } else { words(why) };
        self.shared.metrics.sync.documents.with_label_values(&[subject.as_str(), outcome]).inc();
        let subject_name = subject.as_str();
        if is_of_file {
            tracing::info!(subject = subject_name, "a document is not put in force: a file is the source");
            return;
        }
        let told = if mistakes.is_empty() { outcome } else { mistakes };
        self.status.refused(subject, told);
        tracing::error!(
            subject = subject_name,
            outcome,
            mistakes,
            "a document of the control plane is refused; what is in force stays"
        );
    }

    /// Puts a document in force and keeps it, both on a thread of its own.
    fn try_document(&mut self, document: Document) {
        let subject = document.header().subject;
        if !self.status.takes(subject) {
            let why = "this proxy's settings name a file for it, and that is what is in force";
            return self.handle(ProxyEvent::Tried(subject, Err(why.to_owned())));
        }
        self.keep_from.insert(subject, None);
        let since = self.arriving_since.unwrap_or_else(Instant::now);
        let (shared, status, disk) =
            (Arc::clone(&self.shared), Arc::clone(&self.status), Arc::clone(&self.disk));
        let job = move || {
            put_in_force(&shared, &document)?;
            let (metrics, revision) = (&shared.metrics.sync, document.header().revision);
            status.in_force(&document);
            metrics.revision(subject, revision);
            metrics.documents.with_label_values(&[subject.as_str(), "in_force"]).inc();
            metrics.in_force_seconds.observe(since.elapsed().as_secs_f64());
            tracing::info!(
                subject = subject.as_str(),
                revision,
                "a document of the control plane is in force"
            );
            keep(&shared, &status, &disk, &document);
            Ok(())
        };
        self.work.spawn(async move {
            let tried = spawn_blocking(job).await;
            let failed = "putting it in force failed in an unforeseen way";
            Worked::Tried(subject, tried.unwrap_or_else(|_| Err(failed.to_owned())))
        });
    }

    fn confirmed(&mut self, subject: Subject) {
        let now = clock::now();
        self.status.confirmed(subject, now);
        if subject == Subject::Policy {
            self.shared.confirm_policy(now);
        }
        let is_due = match self.keep_from.get(&subject) {
            None => true,
            Some(from) => from.is_some_and(|from| Instant::now() >= from),
        };
        let Some(document) = self.sync.held(subject).filter(|_| is_due).cloned() else { return };
        self.keep_from.insert(subject, None);
        let (shared, status, disk) =
            (Arc::clone(&self.shared), Arc::clone(&self.status), Arc::clone(&self.disk));
        self.work.spawn(async move {
            // One that fails in an unforeseen way is kept next time.
            let _kept = spawn_blocking(move || keep(&shared, &status, &disk, &document)).await;
            Worked::Kept(subject)
        });
    }
}

impl Wire {
    async fn next(&mut self) -> Happened {
        match self {
            Self::None => pending().await,
            Self::Dialling(dialling) => Happened::Dialled(dialling.await),
            Self::Up(connection) => Happened::Heard(connection.next().await),
        }
    }
}

/// Keeps a document that is in force. If that fails it stays in force, and is kept when it is confirmed again.
fn keep(shared: &Shared, status: &Status, disk: &Disk, document: &Document) {
    let kept = disk.keep(document);
    status.kept(document, kept.is_ok());
    if let Err(error) = kept {
        shared.metrics.sync.last_known_good_failures.inc();
        let (subject, revision) = (document.header().subject.as_str(), document.header().revision);
        tracing::error!(
            subject,
            revision,
            %error,
            "a document in force can't be kept: a restart without the control plane would begin with an older one"
        );
    }
}

/// The outcome in metrics, and the mistakes if that is why.
fn words(why: &RefusedWhy) -> (&'static str, &str) {
    match why {
        RefusedWhy::Signature => ("signature", ""),
        RefusedWhy::Header => ("header", ""),
        RefusedWhy::OtherOrg => ("other_org", ""),
        RefusedWhy::NotNewer => ("not_newer", ""),
        RefusedWhy::TooLong => ("too_long", ""),
        RefusedWhy::Delta => ("delta", ""),
        RefusedWhy::Text => ("text", ""),
        RefusedWhy::Mistakes(mistakes) => ("mistakes", mistakes),
    }
}
