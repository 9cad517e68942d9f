//! A backend's answer that is looked into on its way: what is looked for, and how a stream is taken apart for it.

use std::sync::Arc;

use bytes::Bytes;
use prometheus::IntCounter;
use protocol::sse::{Event, Splitter};

use super::list::Visible;
use crate::batch::SessionStart;
use crate::http_sse::PendingSession;
use crate::state::{Room, Shared};

/// What is looked for in the messages of an answer.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Lists of tools.
    pub(crate) lists: Option<Visible>,
    /// The answer to an `initialize`.
    pub(crate) session_start: Option<SessionStart>,
    /// Where the old HTTP+SSE transport says where to send messages.
    pub(crate) pending: Option<PendingSession>,
    /// Whether an answer that is one message, and no stream, is looked into as well.
    pub(crate) in_one_message: bool,
    /// Whether an answer that can't be looked into must not go on.
    pub(crate) is_strict: bool,
}

/// A stream of events from a backend, each read whole and passed on, changed where it must be.
#[derive(Debug)]
pub(crate) struct Reading {
    look: Look,
    splitter: Splitter,
    room: Room,
    no_room: IntCounter,
    too_long: IntCounter,
    /// Whether a message has passed.
    pub(crate) has_begun: bool,
}

impl Look {
    /// Whether there is anything to look for.
    pub(crate) const fn is_needed(&self) -> bool {
        self.lists.is_some() || self.session_start.is_some() || self.pending.is_some()
    }

    /// What goes on in place of a message; `None` if it goes on as it is.
    pub(crate) fn message(&self, message: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        if let Some(start) = &self.session_start {
            start.look(message);
        }
        self.lists.as_ref().map_or(Ok(None), |lists| lists.message(message))
    }

    fn event(&mut self, event: &Event) -> Result<Option<Vec<u8>>, &'static str> {
        let Some(data) = event.data() else { return Ok(None) };
        match &mut self.pending {
            Some(pending) if event.event_type() == Some(b"endpoint") => pending.endpoint(&data).map(Some),
            _ => self.message(&data),
        }
    }
}

impl Reading {
    pub(crate) fn new(look: Look, shared: &Shared) -> Self {
        let event_max_bytes = usize::try_from(shared.settings.limits.max_event_bytes).unwrap_or(usize::MAX);
        let too_long = shared.metrics.limits_reached.with_label_values(&["max_event_bytes"]);
        let no_room = shared.metrics.limits_reached.with_label_values(&["max_buffered_response_bytes"]);
        let room = Room::new(Arc::clone(&shared.buffered_responses));
        let splitter = Splitter::new(event_max_bytes);
        Self { look, splitter, room, no_room, too_long, has_begun: false }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), &'static str> {
        if !self.room.take(chunk.len()) {
            self.no_room.inc();
            return Err("no-room");
        }
        self.splitter.push(chunk);
        Ok(())
    }

    /// The next whole event, as it goes to the caller.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, &'static str> {
        let event = self.splitter.next_event().map_err(|_| {
            self.too_long.inc();
            "event-too-long"
        })?;
        let Some(event) = event else {
            self.room.keep(self.splitter.waiting_bytes());
            return Ok(None);
        };
        let changed = self.look.event(&event)?;
        self.has_begun |= event.data().is_some();
        let chunk = match changed {
            Some(changed) => event.with_data(&changed),
            None => event.into_raw(),
        };
        Ok(Some(self.room.hold(chunk.into())))
    }
}
