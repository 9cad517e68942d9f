//! How long a response may pause. Most never do, and then there is no timer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The limit of a pause, and the timer of the pause that goes on.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_pausing: bool,
}

impl Idle {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, timer: None, is_pausing: false }
    }

    /// Something came: the pause is over.
    pub(super) const fn moved(&mut self) {
        self.is_pausing = false;
    }

    /// Nothing came: is the pause too long?
    pub(super) fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.is_pausing {
            timer.as_mut().reset(Instant::now() + limit);
            self.is_pausing = true;
        }
        timer.as_mut().poll(context)
    }
}
