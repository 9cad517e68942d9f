//! Denials that were sent a moment ago: it may turn out that they were not heard.

use std::collections::VecDeque;

use policy::UnixMillis;
use policy::approval::Reference;

use super::holds::Waiter;
use crate::link::LinkId;

/// Denials that are kept in mind.
const DENIALS_MAX: usize = 4096;

/// How long a link can be dead before that is noticed: what was sent meanwhile may be lost.
const UNNOTICED_SECONDS: u64 = 40;

/// Who was told of a denial lately, when, and of which.
#[derive(Debug, Default)]
pub(super) struct Denials(VecDeque<(Waiter, UnixMillis, Reference)>);

impl Denials {
    pub(super) fn sent(&mut self, waiter: Waiter, reference: Reference, now: UnixMillis) {
        if self.0.len() >= DENIALS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((waiter, now, reference));
    }

    /// The denial that was on its way to a hold when that left.
    pub(super) fn missed(&mut self, waiter: Waiter) -> Option<Reference> {
        let place = self.0.iter().position(|(told, _, _)| *told == waiter)?;
        self.0.remove(place).map(|(_, _, reference)| reference)
    }

    /// The denials that a link that was cut may have lost.
    pub(super) fn lost(&mut self, link: LinkId, now: UnixMillis) -> Vec<Reference> {
        let of_link = |(told, at, reference): &(Waiter, UnixMillis, Reference)| {
            let is_lost = told.link == link && now < at.plus_seconds(UNNOTICED_SECONDS);
            is_lost.then(|| reference.clone())
        };
        let lost = self.0.iter().filter_map(of_link).collect();
        self.0.retain(|(told, _, _)| told.link != link);
        lost
    }
}
