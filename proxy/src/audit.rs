//! The record of one call: an intent before it is forwarded or refused, an outcome after, each written once.

mod spool;

use std::rc::Rc;
use std::time::Instant;

use config::Durability;
use edge::KeyCounted;
use policy::{Permission, Verdict};
use serde::Serialize;

use crate::clock;
use crate::state::UnderWay;
pub(crate) use spool::{AuditFailed, Spool, SpoolError, Total};

/// What became of a forwarded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The backend answered, below 400, and the answer was read to its end.
    Success,
    /// The backend answered with a status of 400 or more.
    Failed,
    /// Nothing reached the backend.
    Error,
    /// The call was sent, and how it ended was never learned.
    Unknown,
}

/// What the intent says, as far as it is known by then.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Intent<'a> {
    pub(crate) listener: &'a str,
    pub(crate) backend: Option<&'a str>,
    pub(crate) caller: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<&'a str>,
    #[serde(flatten)]
    pub(crate) verdict: Option<VerdictFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<&'a str>,
    /// Whether a receipt with this call's id went along.
    pub(crate) forward: bool,
    /// Forwarded only because of `mode: observe`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) observed: bool,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}

/// A verdict as records show it.
#[derive(Debug, Serialize)]
pub(crate) struct VerdictFields<'a> {
    permission: Permission,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clamped: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    definition_changed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<&'a str>,
    policy: u64,
}

impl<'a> VerdictFields<'a> {
    pub(crate) fn of(verdict: &'a Verdict) -> Self {
        Self {
            permission: verdict.permission,
            level: verdict.level.as_str(),
            rule: verdict.rule.as_deref(),
            clamped: verdict.clamped,
            definition_changed: verdict.definition_changed,
            faults: verdict.faults.iter().map(AsRef::as_ref).collect(),
            policy: verdict.revision,
        }
    }
}

/// The record of one call. Dropping it writes the outcome, if there was an intent; that is the only place that does.
#[derive(Debug)]
pub(crate) struct Record {
    spool: Rc<Spool>,
    call: String,
    started: Instant,
    outcome: Option<Outcome>,
    status: Option<u16>,
    /// The intent to write if the record is dropped now: its caller left while the call was held.
    if_left: Option<Vec<u8>>,
    /// The call's places among those under way.
    under_way: Option<UnderWay>,
    /// The other calls of its batch: they share its outcome.
    others: Vec<Self>,
}

#[derive(Serialize)]
struct IntentLine<'a> {
    record: &'static str,
    call: &'a str,
    at_unix_ms: u64,
    proxy: &'a str,
    #[serde(flatten)]
    intent: &'a Intent<'a>,
}

#[derive(Serialize)]
struct OutcomeLine<'a> {
    record: &'static str,
    call: &'a str,
    at_unix_ms: u64,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    duration_us: u64,
}

impl Record {
    /// The record of a call with this id, which is also the id of its receipt.
    pub(crate) fn of(spool: Rc<Spool>, call: String) -> Self {
        Self {
            spool,
            call,
            started: Instant::now(),
            outcome: None,
            status: None,
            if_left: None,
            under_way: None,
            others: Vec::new(),
        }
    }

    /// One record of several calls that go out and end together; `None` of none.
    pub(crate) fn of_all(records: Vec<Self>) -> Option<Self> {
        let mut records = records.into_iter();
        let mut first = records.next()?;
        first.others = records.collect();
        Some(first)
    }

    /// Writes the intent. When this returns, the record is in the kernel's hands (`batched`) or on the disk (`strict`).
    ///
    /// # Errors
    /// [`AuditFailed`]: the call must not be forwarded.
    pub(crate) async fn intent(
        &mut self,
        intent: &Intent<'_>,
        durability: Durability,
    ) -> Result<(), AuditFailed> {
        self.if_left = None;
        let line = serde_json::to_vec(&self.line(intent)).map_err(|_| AuditFailed)?;
        // From here on this record may be dropped at any time: nothing has reached the backend yet.
        self.outcome = intent.forward.then_some(Outcome::Error);
        self.spool.write(line, durability).await
    }

    /// Holds the call's places until its answer is through.
    pub(crate) fn keep(&mut self, under_way: UnderWay) {
        self.under_way = Some(under_way);
    }

    /// Holds the call's place at its tool as well.
    pub(crate) fn keep_of_tool(&mut self, of_tool: KeyCounted) {
        if let Some(under_way) = &mut self.under_way {
            under_way.of_tool = Some(of_tool);
        }
    }

    /// What to write if the record is dropped before the call is decided: nothing else will run then.
    pub(crate) fn if_left(&mut self, intent: &Intent<'_>) {
        self.if_left = serde_json::to_vec(&self.line(intent)).ok();
    }

    fn line<'a>(&'a self, intent: &'a Intent<'a>) -> IntentLine<'a> {
        let at_unix_ms = clock::now().0;
        IntentLine { record: "intent", call: &self.call, at_unix_ms, proxy: self.spool.proxy(), intent }
    }

    /// What is known of the outcome by now; the last word counts. Only a call with an intent has one.
    pub(crate) fn outcome(&mut self, outcome: Outcome, status: Option<u16>) {
        if self.outcome.is_some() {
            self.outcome = Some(outcome);
            self.status = status;
        }
        for other in &mut self.others {
            other.outcome(outcome, status);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(line) = self.if_left.take() {
            self.spool.write_later(&self.spool.metrics().intents, line);
        } else if let Some(outcome) = self.outcome {
            let line = serde_json::to_vec(&OutcomeLine {
                record: "outcome",
                call: &self.call,
                at_unix_ms: clock::now().0,
                outcome,
                status: self.status,
                duration_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            });
            self.spool.write_later(&self.spool.metrics().outcomes, line.unwrap_or_default());
        }
    }
}
