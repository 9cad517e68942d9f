//! A deadline that is moved far more often than it comes: to move it on costs nothing, and one timer serves for all.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A time that may come.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    at: Option<Instant>,
    /// Set at or before `at`; moved when it comes too early.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) fn set(&mut self, after: Duration) {
        self.at = Some(Instant::now() + after);
    }

    /// Sets it unless it is set.
    pub(super) fn start(&mut self, after: Duration) {
        if self.at.is_none() {
            self.set(after);
        }
    }

    pub(super) const fn clear(&mut self) {
        self.at = None;
    }

    /// Ready when it has come. The task is woken for it, and may be once more for nothing.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}
